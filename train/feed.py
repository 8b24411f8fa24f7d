"""The rows of a training in order, and the exact place in them.

Documents wait in a pool to be packed; the pool belongs to the place, so that a stopped run goes on
with the very rows that an uninterrupted one would have had. Knows no source and no model.
"""

import random
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from train.documents import Document, Rows, join_rows, packed_row
from train.tuning.packing import fill, shared_row

POOL = 48  # documents that wait where nothing else is said


class Drawn(Protocol):
    """Documents for ever, from a place that can be told and gone back to."""

    rng: random.Random

    def __iter__(self) -> Iterator[Document]: ...
    def __next__(self) -> Document: ...
    def state(self) -> dict[str, Any]: ...
    def restore(self, state: Mapping[str, Any]) -> None: ...


class Feed:
    """Rows for ever. `packing` is "packed" or "shared"."""

    def __init__(
        self,
        documents: Drawn,
        row_tokens: int,
        rows_per_step: int,
        rows_per_microbatch: int,
        pool: int = POOL,
        packing: str = "packed",
    ) -> None:
        self.documents, self.row_tokens, self.pool = documents, row_tokens, pool
        self.rows_per_microbatch = rows_per_microbatch
        self.microbatches = rows_per_step // rows_per_microbatch
        self.shared = packing == "shared"
        self.waiting: list[Document] = []

    def __iter__(self) -> Iterator[Rows]:
        return self

    def __next__(self) -> Rows:
        fill(self.waiting, self.documents, self.pool)
        return self.row(self.waiting)

    def step(self) -> list[Rows]:
        """The microbatches of one step."""
        return [join_rows(self, self.rows_per_microbatch) for _ in range(self.microbatches)]

    def row(self, waiting: list[Document]) -> Rows:
        """The next row out of `waiting`, whose documents leave it."""
        if self.shared:
            return shared_row(waiting, self.row_tokens)
        return packed_row(waiting, self.row_tokens, self.documents.rng)

    def state(self) -> dict[str, Any]:
        """The place, of numbers and lists alone."""
        waiting = [
            (one.ids.tolist(), np.flatnonzero(one.learnt).tolist(), one.prefix)
            for one in self.waiting
        ]
        return {"mix": self.documents.state(), "waiting": waiting}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a place of the same documents and settings."""
        self.documents.restore(state["mix"])
        self.waiting = []
        for ids, places, prefix in state["waiting"]:
            learnt = np.zeros(len(ids), bool)
            learnt[places] = True
            self.waiting.append(Document(np.array(ids, np.int32), learnt, prefix))
