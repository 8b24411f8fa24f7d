"""Which of several things is asked after, by the letters of the question: naive Bayes.

Knows no encoder and no store. A vector tells what a question is like as a whole; what one likes to
eat and what one does not is told apart by single words, whose likelihoods are counted here
(Manning, Raghavan & Schütze 2008, chapter 13).
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import MultinomialNB

from rolecraft.knowledge.passages import marked

SMOOTHING = 0.05  # added to each count; best on held-out wordings


class Likelihoods:
    """How likely a question is as one after each of several origins. Safe to call from threads."""

    def __init__(self, ways: Mapping[str, Sequence[str]]) -> None:
        """`ways` of asking by origin; every origin has some."""
        self.origins = tuple(ways)
        places = [place for place, some in enumerate(ways.values()) for _ in some]
        self._grams = CountVectorizer(analyzer="char", ngram_range=(1, 2), binary=True)
        counts = self._grams.fit_transform(marked(way) for some in ways.values() for way in some)
        # Whatever there are more ways of is not asked more often.
        model = MultinomialNB(alpha=SMOOTHING, fit_prior=False).fit(counts, places)
        # A row for each gram: a question has some twenty of thirty thousand, and those are added
        # up here, where the model's own prediction copies them all for every question.
        self._likelihoods = np.ascontiguousarray(model.feature_log_prob_.T, np.float32)

    def nats_behind(self, question: str) -> NDArray[np.float64]:
        """By what logarithm each origin is less likely than the likeliest: [n]."""
        grams = self._grams.transform([marked(question)]).indices
        likelihood = self._likelihoods[grams].sum(axis=0, dtype=np.float64)
        return np.asarray(likelihood.max() - likelihood)

    def behind(self, question: str) -> NDArray[np.float64]:
        """By how many standard deviations each origin is less likely than the likeliest: [n]."""
        away = self.nats_behind(question)
        spread = float(away.std())
        return away / spread if spread > 1e-6 else np.zeros_like(away)
