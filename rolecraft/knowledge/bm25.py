"""Okapi BM25 over character bigrams: finds the rare word that a small encoder blurs.

Knows no encoder and no store. Bigrams need no word list, so names and new words count too.
"""

import math
import unicodedata
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

K1 = 1.5  # saturation of repeated terms, and
B = 0.6  # length normalisation: the usual middle values; passages differ 20-fold in length
_NOWHERE = np.zeros((2, 0), np.int32)


def bigrams(text: str) -> list[str]:
    """Overlapping pairs of letters and characters; punctuation separates, a lone one stands."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = "".join(letter if letter.isalnum() else " " for letter in folded).split()
    return [
        gram
        for word in words
        for gram in ([word] if len(word) == 1 else [word[i : i + 2] for i in range(len(word) - 1)])
    ]


class Postings:
    """Where the bigrams of some texts stand. Kept once for all collections that hold the texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        counts = [Counter(bigrams(text)) for text in texts]
        self.lengths = np.array([sum(count.values()) for count in counts], dtype=np.float32)
        found: dict[str, list[tuple[int, int]]] = {}
        for position, count in enumerate(counts):
            for gram, times in count.items():
                found.setdefault(gram, []).append((position, times))
        self._places = {gram: np.array(places, np.int32).T for gram, places in found.items()}

    def of(self, gram: str) -> NDArray[np.int32]:
        """Positions of the texts that hold `gram`, and how often each does: [2, n]."""
        return self._places.get(gram, _NOWHERE)


class Bigrams:
    """BM25 scores of one collection of texts, given in parts that other collections may share."""

    def __init__(self, *parts: Postings) -> None:
        self._parts = parts
        lengths = np.concatenate([part.lengths for part in parts])
        mean = float(lengths.mean()) if len(lengths) else 1.0
        self._norms = K1 * (1 - B + B * lengths / max(mean, 1.0))
        self._starts = np.cumsum([0, *(len(part.lengths) for part in parts[:-1])])

    def scores(self, query: str) -> NDArray[np.float32]:
        """Score of every text for `query`, from 0 to 1: the share of the best that was possible."""
        scores = np.zeros(len(self._norms), dtype=np.float32)
        possible = 0.0
        for gram in sorted(set(bigrams(query))):  # in one order, so that sums are always the same
            found = [part.of(gram) for part in self._parts]
            positions = np.concatenate(
                [one[0] + start for one, start in zip(found, self._starts, strict=True)]
            )
            times = np.concatenate([one[1] for one in found])
            idf = math.log(1 + (len(scores) - len(times) + 0.5) / (len(times) + 0.5))
            scores[positions] += idf * times * (K1 + 1) / (times + self._norms[positions])
            possible += idf * (K1 + 1)
        return scores / np.float32(possible) if possible else scores
