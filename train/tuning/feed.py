"""The rows of a tuning in order, and the exact place in them.

Documents wait in a pool to be packed; the pool belongs to the place, so that a stopped run goes on
with the very rows that an uninterrupted one would have had.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from train.documents import Document, Rows, packed_row
from train.pretrain import join_rows
from train.tuning.config import Config
from train.tuning.mix import Mix
from train.tuning.packing import fill, shared_row


class Feed:
    """Rows for ever."""

    def __init__(self, config: Config, mix: Mix) -> None:
        self.config = config
        self.mix = mix
        self.waiting: list[Document] = []

    def __iter__(self) -> Iterator[Rows]:
        return self

    def __next__(self) -> Rows:
        fill(self.waiting, self.mix, self.config.pool)
        return self._row(self.waiting)

    def step(self) -> list[Rows]:
        """The microbatches of one step."""
        count = self.config.rows_per_step // self.config.rows_per_microbatch
        return [join_rows(self, self.config.rows_per_microbatch) for _ in range(count)]

    def validation(self) -> list[Rows]:
        """The rows of the examples that are never trained on."""
        waiting, rows = self.mix.held_out(), []
        before = self.mix.rng.getstate()
        self.mix.rng.seed("validation")
        while waiting:
            rows.append(self._row(waiting))
        self.mix.rng.setstate(before)
        return rows

    def state(self) -> dict[str, Any]:
        """The place, of numbers and lists alone."""
        waiting = [
            (one.ids.tolist(), np.flatnonzero(one.learnt).tolist(), one.prefix)
            for one in self.waiting
        ]
        return {"mix": self.mix.state(), "waiting": waiting}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a place of the same configuration."""
        self.mix.restore(state["mix"])
        self.waiting = []
        for ids, places, prefix in state["waiting"]:
            learnt = np.zeros(len(ids), bool)
            learnt[places] = True
            self.waiting.append(Document(np.array(ids, np.int32), learnt, prefix))

    def _row(self, waiting: list[Document]) -> Rows:
        if self.config.packing == "shared":
            return shared_row(waiting, self.config.row_tokens)
        return packed_row(waiting, self.config.row_tokens, self.mix.rng)
