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


def bigrams(text: str) -> list[str]:
    """Overlapping pairs of letters and characters; punctuation separates, a lone one stands."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = "".join(letter if letter.isalnum() else " " for letter in folded).split()
    return [
        gram
        for word in words
        for gram in ([word] if len(word) == 1 else [word[i : i + 2] for i in range(len(word) - 1)])
    ]


class Bigrams:
    """BM25 scores of one collection of texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        counts = [Counter(bigrams(text)) for text in texts]
        lengths = np.array([sum(count.values()) for count in counts], dtype=np.float32)
        mean = float(lengths.mean()) if len(lengths) else 1.0
        norms = K1 * (1 - B + B * lengths / max(mean, 1.0))
        self._total = len(counts)
        self._unseen = math.log(1 + (self._total + 0.5) / 0.5)
        found: dict[str, list[tuple[int, int]]] = {}
        for position, count in enumerate(counts):
            for gram, times in count.items():
                found.setdefault(gram, []).append((position, times))
        self._idf: dict[str, float] = {}
        self._holding: dict[str, tuple[NDArray[np.intp], NDArray[np.float32]]] = {}
        for gram, places in found.items():
            positions, times = np.array(places).T
            idf = math.log(1 + (self._total - len(places) + 0.5) / (len(places) + 0.5))
            weights = idf * times * (K1 + 1) / (times + norms[positions])
            self._idf[gram] = idf
            self._holding[gram] = positions, weights.astype(np.float32)

    def scores(self, query: str) -> NDArray[np.float32]:
        """Score of every text for `query`, from 0 to 1: the share of the best that was possible."""
        grams = sorted(set(bigrams(query)))  # in one order, so that sums are the same every time
        scores = np.zeros(self._total, dtype=np.float32)
        possible = sum(self._idf.get(gram, self._unseen) for gram in grams) * (K1 + 1)
        if not possible:
            return scores
        for gram in grams:
            if gram in self._holding:
                positions, weights = self._holding[gram]
                scores[positions] += weights
        return scores / np.float32(possible)
