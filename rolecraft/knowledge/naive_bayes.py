"""Which field is asked after, by the letters of the question: naive Bayes over known ways.

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
        # Whatever there are more ways of is not asked more often.
        self._model = MultinomialNB(alpha=SMOOTHING, fit_prior=False)
        counts = self._grams.fit_transform(marked(way) for some in ways.values() for way in some)
        self._model.fit(counts, places)

    def behind(self, question: str) -> NDArray[np.float64]:
        """By how many standard deviations each origin is less likely than the likeliest: [n]."""
        counts = self._grams.transform([marked(question)])
        likelihood = self._model.predict_joint_log_proba(counts)[0]
        spread = float(likelihood.std())
        away = likelihood.max() - likelihood
        return away / spread if spread > 1e-6 else np.zeros_like(away)
