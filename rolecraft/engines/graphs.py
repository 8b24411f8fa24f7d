"""The step of a batch in a few fixed shapes, each captured once as a CUDA graph and replayed.

On a GPU a small step is mostly the launching of its kernels; a graph launches them as one. A batch
is padded to the next size and its texts to the next length; padding writes beyond the end of every
text. A new mix of adapters changes what lies in the rows' copies and not the graph. Knows no
request. Without capturing it runs the same padded shapes, which is how a machine without a GPU
tests them.

What goes in and what comes out has one place for all shapes, so that many graphs hold no more
memory than the largest.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch

from rolecraft.engines.network import Network
from rolecraft.engines.stacks import Stack

log = logging.getLogger(__name__)

_SHORTEST = 256  # tokens; shorter texts share one shape

_Shape = tuple[int, int, bool]  # rows, length, with adapters


class Graphs:
    """Steps of the first rows of one cache. For the engine's thread."""

    def __init__(
        self, network: Network, cache: torch.Tensor, stack: Stack, capture: bool = True
    ) -> None:
        self._network, self._cache, self._stack = network, cache, stack
        self._capture = capture and network.capturable
        if capture and not network.capturable:
            log.info("Steps are not captured as CUDA graphs: int8 layers ask the host for numbers")
        rows, device = cache.shape[1], network.device
        self._ids = torch.zeros(rows, dtype=torch.long, device=device)
        self._places = torch.zeros(rows, dtype=torch.long, device=device)
        shape = (rows, network.vocab_size)
        self._logits = torch.zeros(shape, dtype=network.dtype, device=device)
        self._held: dict[_Shape, Callable[[], object]] = {}
        self._pool: Any = None
        stack.before_anew = self._held.clear  # captured steps read the adapters' old memory

    def step(self, ids: Sequence[int], places: Sequence[int]) -> torch.Tensor:
        """Logits [rows, vocabulary] after one more token of each of the first rows.

        They stay until the next step.
        """
        shape = self.shape(len(ids), max(places) + 1)
        padding = shape[0] - len(ids)
        scratch = self._cache.shape[3] - 1
        self._ids[: shape[0]].copy_(torch.tensor([*ids, *[0] * padding]))
        self._places[: shape[0]].copy_(torch.tensor([*places, *[scratch] * padding]))
        if shape not in self._held:
            self._held[shape] = self._prepare(shape)
        self._held[shape]()
        return self._logits[: len(ids)]

    def shape(self, rows: int, length: int) -> _Shape:
        """The fixed shape that a batch is padded to."""
        limit = self._cache.shape[3] - 1
        wide = min(1 << (rows - 1).bit_length(), self._cache.shape[1])
        long = min(max(_SHORTEST, 1 << (length - 1).bit_length()), limit)
        return wide, long, self._stack.applied(rows) is not None

    def _prepare(self, shape: _Shape) -> Callable[[], object]:
        rows, length, speaking = shape
        voices = self._stack.mixed(rows) if speaking else None

        def compute() -> None:
            found = self._network.step(
                self._ids[:rows], self._places[:rows], self._cache[:, :rows], length, voices
            )
            self._logits[:rows].copy_(found)

        return self._record(compute) if self._capture else compute

    def _record(self, compute: Callable[[], None]) -> Callable[[], object]:
        """The step as a graph; where a layer cannot be captured, it stays eager and is said so."""
        try:
            side: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):  # libraries allocate on their first calls
                compute()
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool):
                compute()
        except torch.OutOfMemoryError:
            raise  # of this step alone: the next may find room
        except RuntimeError as error:
            log.warning("Steps are not captured as CUDA graphs: %s", str(error).splitlines()[0])
            self._capture = False
            return compute
        self._pool = self._pool or graph.pool()
        return graph.replay
