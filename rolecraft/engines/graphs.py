"""The step of a batch in a few fixed shapes, each captured once as a CUDA graph and replayed.

On a GPU a small step is mostly the launching of its kernels; a graph launches them as one. A batch
is padded to the next size and its texts to the next length; padding writes beyond the end of every
text. A new mix of adapters changes what lies in the rows' copies and not the graph. Knows no
request. Without capturing it runs the same padded shapes, which is how a machine without a GPU
tests them.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from rolecraft.engines.network import Network
from rolecraft.engines.stacks import Stack

log = logging.getLogger(__name__)

_SHORTEST = 256  # tokens; shorter texts share one shape

_Shape = tuple[int, int, bool]  # rows, length, with adapters


@dataclass
class _Captured:
    """A shape with the memory its inputs and its result live in."""

    ids: torch.Tensor
    places: torch.Tensor
    logits: torch.Tensor
    run: Callable[[], object]


class Graphs:
    """Steps of the first rows of one cache. For the engine's thread."""

    def __init__(
        self, network: Network, cache: torch.Tensor, stack: Stack, capture: bool = True
    ) -> None:
        self._network, self._cache, self._stack = network, cache, stack
        self._capture = capture
        self._held: dict[_Shape, _Captured] = {}
        self._version = stack.version
        self._pool: Any = None

    def step(self, ids: Sequence[int], places: Sequence[int]) -> torch.Tensor:
        """Logits [rows, vocabulary] after one more token of each of the first rows."""
        if self._version != self._stack.version:  # the adapters' memory is another
            self._held.clear()
            self._version = self._stack.version
        shape = self.shape(len(ids), max(places) + 1)
        held = self._held.get(shape) or self._prepare(shape)
        padding = shape[0] - len(ids)
        scratch = self._cache.shape[3] - 1
        held.ids.copy_(torch.tensor([*ids, *[0] * padding]))
        held.places.copy_(torch.tensor([*places, *[scratch] * padding]))
        held.run()
        return held.logits[: len(ids)]

    def shape(self, rows: int, length: int) -> _Shape:
        """The fixed shape that a batch is padded to."""
        limit = self._cache.shape[3] - 1
        wide = min(1 << (rows - 1).bit_length(), self._cache.shape[1])
        long = min(max(_SHORTEST, 1 << (length - 1).bit_length()), limit)
        return wide, long, self._stack.applied(rows) is not None

    def _prepare(self, shape: _Shape) -> _Captured:
        rows, length, speaking = shape
        device = self._network.device
        ids = torch.zeros(rows, dtype=torch.long, device=device)
        places = torch.full((rows,), self._cache.shape[3] - 1, device=device)
        voices = self._stack.mixed(rows) if speaking else None

        def compute() -> torch.Tensor:
            return self._network.step(ids, places, self._cache[:, :rows], length, voices)

        held = _Captured(ids, places, compute(), lambda: None)

        def eagerly() -> None:
            held.logits = compute()

        held.run = eagerly
        if self._capture:
            self._record(held, compute)
        self._held[shape] = held
        return held

    def _record(self, held: _Captured, compute: Callable[[], torch.Tensor]) -> None:
        """Capture the shape; where a layer cannot be captured, it stays eager and is said so."""
        try:
            side: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):  # libraries allocate on their first calls
                compute()
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool):
                logits = compute()
        except RuntimeError as error:
            log.warning("Steps are not captured as CUDA graphs: %s", str(error).splitlines()[0])
            self._capture = False
            return
        self._pool = self._pool or graph.pool()
        held.logits, held.run = logits, graph.replay
