"""Rows in which samples of one persona share its tokens, and rows that are merely padded.

A shared row holds groups: a persona once, then one sample after another. Each sample sees the
persona and itself, so loss and gradients are those of the samples alone. Knows no model.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from train.documents import IGNORED, Document, Rows


@dataclass(frozen=True)
class SharedRows(Rows):
    """Rows with a group and a segment per token; segment 0 is the group's persona."""

    groups: NDArray[np.int32]
    segments: NDArray[np.int32]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Who sees whom, [rows, 1, length, length]: causal, own group, persona or own segment."""
        length = self.groups.shape[1]
        same_group = self.groups[:, :, None] == self.groups[:, None, :]
        same_segment = self.segments[:, :, None] == self.segments[:, None, :]
        persona = (self.segments == 0)[:, None, :]
        causal = np.tri(length, dtype=bool)
        seen: NDArray[np.bool_] = causal & same_group & (persona | same_segment)
        return seen[:, None]


def pack_shared(documents: Iterator[Document], length: int, pool: int = 256) -> Iterator[Rows]:
    """Rows of `length` tokens, one at a time; a larger pool finds more of each persona."""
    waiting: list[Document] = []
    while fill(waiting, documents, pool):
        yield shared_row(waiting, length)


def fill(waiting: list[Document], documents: Iterator[Document], pool: int) -> int:
    """Take documents until `pool` of them wait; returns how many do."""
    waiting.extend(itertools.islice(documents, max(0, pool - len(waiting))))
    return len(waiting)


def shared_row(waiting: list[Document], length: int) -> SharedRows:
    """The next row out of `waiting`, whose documents leave it.

    Who waited longest opens the row, those of its persona follow while they fit; what room is left
    goes to the next persona. A document longer than a row is cut at its end.
    """
    row = _Row(length)
    while waiting and row.begin(waiting):
        pass
    return row.rows()


class _Row:
    """One row while it is filled."""

    def __init__(self, length: int) -> None:
        self.ids = np.zeros(length, np.int64)
        self.labels = np.full(length, IGNORED, np.int64)
        self.positions = np.zeros(length, np.int64)
        self.groups = np.full(length, -1, np.int32)
        self.segments = np.zeros(length, np.int32)
        self.length, self.end, self.group = length, 0, 0

    def begin(self, waiting: list[Document]) -> bool:
        """A new group: the first document that fits, and all others of its persona that do."""
        room = self.length - self.end
        place = next((i for i, one in enumerate(waiting) if len(one) <= room), None)
        if place is None and self.end == 0:
            place = 0  # longer than any row
        if place is None:
            return False
        first = waiting.pop(place)
        persona = min(first.prefix, self.length)
        self._put(first.ids[:persona], first.learnt[:persona], 0, 0)
        self._add(first, persona, 1)
        if persona:
            self._join(first, persona, waiting)
        self.group += 1
        return True

    def _join(self, first: Document, persona: int, waiting: list[Document]) -> None:
        segment, kept = 2, []
        for one in waiting:
            fits = len(one) - persona <= self.length - self.end
            if fits and one.prefix == persona and (one.ids[:persona] == first.ids[:persona]).all():
                self._add(one, persona, segment)
                segment += 1
            else:
                kept.append(one)
        waiting[:] = kept

    def _add(self, document: Document, persona: int, segment: int) -> None:
        stop = persona + self.length - self.end
        self._put(document.ids[persona:stop], document.learnt[persona:stop], persona, segment)

    def _put(
        self, ids: NDArray[np.int32], learnt: NDArray[np.bool_], position: int, segment: int
    ) -> None:
        if not len(ids):
            return
        part = slice(self.end, self.end + len(ids))
        self.ids[part] = ids
        self.labels[self.end : part.stop - 1] = np.where(learnt[1:], ids[1:], IGNORED)
        self.positions[part] = position + np.arange(len(ids))
        self.groups[part] = self.group
        self.segments[part] = segment
        self.end = part.stop

    def rows(self) -> SharedRows:
        # What is left over is a group of its own, or its attention would have nothing to see.
        self.positions[self.end :] = np.arange(self.length - self.end)
        return SharedRows(
            self.ids[None],
            self.labels[None],
            self.positions[None],
            self.groups[None],
            self.segments[None],
        )


def padded(documents: Sequence[Document]) -> Rows:
    """One row per document, padded to the longest: what packing is compared with."""
    length = max(map(len, documents))
    ids = np.zeros((len(documents), length), np.int64)
    labels = np.full((len(documents), length), IGNORED, np.int64)
    for place, one in enumerate(documents):
        ids[place, : len(one)] = one.ids
        labels[place, : len(one) - 1] = np.where(one.learnt[1:], one.ids[1:], IGNORED)
    positions = np.broadcast_to(np.arange(length), ids.shape).copy()
    return Rows(ids, labels, positions)
