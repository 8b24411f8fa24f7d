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
        self._counts = [Counter(bigrams(text)) for text in texts]
        lengths = np.array([sum(count.values()) for count in self._counts], dtype=np.float32)
        mean = float(lengths.mean()) if len(lengths) else 1.0
        self._norms = K1 * (1 - B + B * lengths / max(mean, 1.0))
        seen = Counter(gram for count in self._counts for gram in count)
        total = len(self._counts)
        self._idf = {
            gram: math.log(1 + (total - found + 0.5) / (found + 0.5))
            for gram, found in seen.items()
        }
        self._unseen = math.log(1 + (total + 0.5) / 0.5)

    def scores(self, query: str) -> NDArray[np.float32]:
        """Score of every text for `query`, from 0 to 1: the share of the best that was possible."""
        grams = set(bigrams(query))
        scores = np.zeros(len(self._counts), dtype=np.float32)
        possible = sum(self._idf.get(gram, self._unseen) for gram in grams) * (K1 + 1)
        if not possible:
            return scores
        for position, count in enumerate(self._counts):
            norm = float(self._norms[position])
            for gram in grams & count.keys():
                found = count[gram]
                scores[position] += self._idf[gram] * found * (K1 + 1) / (found + norm)
        return scores / np.float32(possible)
