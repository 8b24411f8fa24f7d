"""Padded shapes give what the plain step gives, and touch no one's memory."""

import pytest
import torch

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
