"""Padded shapes give what the plain step gives, captured or not, and touch no one's memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from rolecraft.engines import chatglm3
from rolecraft.engines.graphs import Graphs
from rolecraft.engines.network import Network
from rolecraft.engines.stacks import Stack
from rolecraft.engines.voices import Part, Voice
from tests.engines.checkpoints import TINY

LENGTH = 700


def voice(name: str, rank: int) -> Voice:
    random = torch.Generator().manual_seed(rank)
    part = Part(torch.randn(64, rank, generator=random), torch.randn(rank, 128, generator=random))
    gained = Part(part.a, part.b, torch.full((128,), 1.5), torch.full((128,), 0.1))
    return Voice(name, name, {(0, "qkv"): gained if rank == 3 else part})


@pytest.fixture(scope="module")
def network() -> Network:
    return Network(chatglm3.load_model(TINY, dtype="fp32", device="cpu"), LENGTH + 1)


@torch.inference_mode()
def test_padding_changes_nothing(network: Network) -> None:
    cache = network.empty_cache(6, LENGTH + 1)
    cache.normal_(generator=torch.Generator().manual_seed(1))
    stack = Stack(3, 6, network.dtype, network.device, 2**40)
    graphs = Graphs(network, cache, stack, capture=False)
    ids, places = [40, 50, 60], [5, 300, 17]
    for seats in ((), (voice("a", 2),), (voice("b", 3), voice("a", 2))):
        for row, one in enumerate(seats):
            stack.seat(row, stack.place(one, set()) or 0)
        kept = cache[:, 3:, :, :LENGTH].clone()
        wanted = network.step(
            torch.tensor(ids), torch.tensor(places), cache[:, :3].clone(), 301, stack.applied(3)
        )
        found = graphs.step(ids, places)
        assert found.shape == wanted.shape
        assert torch.allclose(found, wanted, atol=1e-4)
        assert torch.equal(cache[:, 3:, :, :LENGTH], kept)


def test_shapes(network: Network) -> None:
    cache = network.empty_cache(6, LENGTH + 1)
    graphs = Graphs(network, cache, Stack(1, 6, network.dtype, network.device, 0), capture=False)
    assert graphs.shape(1, 10) == (1, 256, False)
    assert graphs.shape(3, 257) == (4, 512, False)
    assert graphs.shape(5, 600) == (6, 700, False)


class Recorded(TorchDispatchMode):
    """A stand-in for a CUDA graph: what was computed is computed again on the same memory, as a
    graph does, which knows nothing of Python and allocates nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Callable[..., Any], Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, found))
        return found

    def pool(self) -> str:
        return "pool"

    def replay(self) -> None:
        for func, args, kwargs, found in self.calls:
            again = func(*args, **kwargs)
            for old, new in zip(tree_flatten(found)[0], tree_flatten(again)[0], strict=True):
                if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


class Cuda:
    """What `graphs` uses of torch.cuda, on a machine without it."""

    def __init__(self) -> None:
        self.captured = 0
        self.pools: list[object] = []
        self.error: RuntimeError | None = None

    @contextmanager
    def graph(self, recorded: Recorded, pool: object = None) -> Iterator[None]:
        if self.error:
            raise self.error
        self.captured += 1
        self.pools.append(pool)
        with recorded:
            yield


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Cuda:
    stand_in = Cuda()
    stream = SimpleNamespace(wait_stream=lambda other: None)
    monkeypatch.setattr(torch.cuda, "Stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "stream", nullcontext)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Recorded)
    monkeypatch.setattr(torch.cuda, "graph", stand_in.graph)
    return stand_in


def talk(network: Network, places: int = 3) -> tuple[torch.Tensor, Stack, Graphs]:
    cache = network.empty_cache(6, LENGTH + 1)
    cache.normal_(generator=torch.Generator().manual_seed(1))
    stack = Stack(places, 6, network.dtype, network.device, 2**40)
    return cache, stack, Graphs(network, cache, stack)


@torch.inference_mode()
def test_a_captured_step_serves_every_batch_of_its_shape(network: Network, cuda: Cuda) -> None:
    cache, stack, graphs = talk(network)

    def check(ids: list[int], places: list[int]) -> None:
        wanted = network.step(
            torch.tensor(ids), torch.tensor(places), cache[:, : len(ids)].clone(),
            max(places) + 1, stack.applied(len(ids)),
        )  # fmt: skip
        assert torch.allclose(graphs.step(ids, places), wanted, atol=1e-4)

    check([40, 50, 60], [5, 30, 17])
    check([41, 51, 61, 71], [6, 255, 18, 0])  # other texts, one row more
    assert cuda.captured == 1
    for row, one in enumerate((voice("a", 2), voice("a", 2), voice("b", 1))):
        stack.seat(row, stack.place(one, set()) or 0)
    check([40, 50, 60], [7, 31, 19])  # now with adapters
    stack.seat(0, 2)  # another mix of them
    check([42, 52, 62], [8, 32, 20])
    assert cuda.captured == 2
    check([42, 52, 62], [8, 400, 20])  # a longer text
    assert cuda.captured == 3 and cuda.pools == [None, "pool", "pool"]
    stack.seat(1, stack.place(voice("c", 3), {1, 2}) or 0)  # too wide for the old memory
    check([43, 53, 63], [9, 33, 21])
    assert cuda.captured == 4


@torch.inference_mode()
def test_what_cannot_be_captured_is_said_and_computed(
    network: Network, cuda: Cuda, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, graphs = talk(network)
    cuda.error = torch.OutOfMemoryError("CUDA out of memory")
    with pytest.raises(torch.OutOfMemoryError):
        graphs.step([40], [5])
    cuda.error = None
    wanted = graphs.step([40], [5]).clone()  # another time there was room
    assert cuda.captured == 1
    cuda.error = RuntimeError("operation not permitted when stream is capturing\nmore")
    _, _, graphs = talk(network)
    for _ in range(2):
        assert torch.allclose(graphs.step([40], [5]), wanted, atol=1e-5)
    assert caplog.messages == [
        "Steps are not captured as CUDA graphs: operation not permitted when stream is capturing"
    ]
    monkeypatch.setattr(network, "capturable", False)
    cuda.error = None
    assert torch.allclose(talk(network)[2].step([40], [5]), wanted, atol=1e-5)
    assert cuda.captured == 1
