"""What passages tell of, and which of them stand best for it.

Knows no question and no encoder. Looked up for every message, so everything that depends on the
passages alone is made once.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rolecraft.knowledge.encoder import Vectors
from rolecraft.knowledge.passages import PROFILE, Source

# How much the best passages of an origin count, best first: two that fit tell more than one. A
# field of the profile is asked after in hundreds of ways, of which one alone may be near by chance.
TOGETHER = (1.0, 0.3, 0.0, 0.0, 0.0)
FIELD_TOGETHER = (0.47, 0.33, 0.23, 0.16, 0.11)


class Origins:
    """The origins of `sources`, in the order in which they first occur."""

    def __init__(self, sources: Sequence[Source]) -> None:
        numbers: dict[str, int] = {}
        self._of = np.array([numbers.setdefault(one.origin, len(numbers)) for one in sources])
        self._stands = np.array([_stands(one) for one in sources])
        self.names = tuple(numbers)
        fields = [name.startswith(PROFILE) for name in self.names]
        self._weights = np.array([FIELD_TOGETHER if field else TOGETHER for field in fields])

    def best(self, scores: Vectors, behind: Mapping[str, float]) -> list[int]:
        """Places of sources, best first, one for each origin, told by its best ones together.

        `scores` has one for each source, `behind` is what an origin loses. An answered question
        counts for the field or scene that it was drawn from. A field then stands for itself, being
        the shorter and plainer statement; of a scene what is nearest stands: its best piece, or
        what the character answered about it.
        """
        order = np.lexsort((-scores, self._of))  # by origin, the best first
        of, first = self._of[order], _beginnings(self._of[order])
        rank = np.arange(len(of)) - first[of]
        together = np.repeat(scores[order[first]][:, None], len(TOGETHER), axis=1)
        counted = rank < len(TOGETHER)  # one alone is its own runner-up
        together[of[counted], rank[counted]] = scores[order[counted]]
        lost = np.array([behind.get(name, 0.0) for name in self.names])
        standing = (self._weights * together).sum(1) - lost
        shown = order[self._stands[order]]
        shown = shown[_beginnings(self._of[shown])]
        places = np.lexsort((shown, -scores[shown], -standing[self._of[shown]]))
        return [int(place) for place in shown[places]]

    def nearest(self, cosines: Vectors) -> dict[str, float]:
        """By origin the cosine of its nearest source."""
        nearest = np.full(len(self.names), -1.0)
        np.maximum.at(nearest, self._of, cosines)
        return dict(zip(self.names, nearest.tolist(), strict=True))


def _beginnings(groups: NDArray[np.intp]) -> NDArray[np.intp]:
    """Where runs of equal numbers begin."""
    return np.flatnonzero(np.diff(groups, prepend=-1))


def _stands(source: Source) -> bool:
    """Whether a source may be shown for its origin."""
    told = source.origin.startswith("script.") and source.field.startswith("question.")
    return told or source.field == source.origin
