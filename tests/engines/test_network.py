"""The forward pass that serves, against transformers and PEFT on every kind of base."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from rolecraft.engines import chatglm3
from rolecraft.engines.network import Block, Network
from rolecraft.engines.stacks import Stack
from rolecraft.engines.voices import Voices
from tests.engines.checkpoints import TINY, write_official

IDS = torch.tensor([3, 1, 4, 1, 5, 9, 2, 6])
READ = 5  # tokens of the prompt, in two blocks; the others are written


def served(network: Network, stack: Stack, places: list[int]) -> torch.Tensor:
    """Logits [rows, tokens, vocabulary] of a batch in which each row has its own voice."""
    cache = network.empty_cache(len(places), len(IDS))
    voices = [stack.one(place) for place in places]
    read: list[list[torch.Tensor]] = [[] for _ in places]
    for row, place in enumerate(places):
        stack.seat(row, place)
    # The first row is a block ahead of the others, so that they are read beside other parts.
    for first, rest in (((0, 3), None), ((3, READ), (0, 3)), (None, (3, READ))):
        parts = [(row, rest if row else first) for row in range(len(places))]
        blocks = {row: part for row, part in parts if part}
        hidden = network.read(
            [Block(IDS[a:b].tolist(), a, cache[:, r], voices[r]) for r, (a, b) in blocks.items()]
        )
        sizes = [b - a for a, b in blocks.values()]
        for row, own in zip(blocks, hidden.split(sizes), strict=True):
            read[row].append(own)
    rows = [network.logits(torch.cat(own), one) for own, one in zip(read, voices, strict=True)]
    found = [torch.stack(rows)]
    for place in range(READ, len(IDS)):
        ids, at = IDS[place].repeat(len(places)), torch.full((len(places),), place)
        logits = network.step(ids, at, cache, place + 1, stack.applied(len(places)))
        found.append(logits[:, None])
    return torch.cat(found, dim=1).float()


@pytest.mark.parametrize(
    ("dtype", "quantization", "near"),
    [("fp32", None, 1e-4), ("bf16", None, 0.03), ("bf16", "int8", 0.03), ("bf16", "nf4", 0.03)],
)
def test_the_base_and_an_adapter_side_by_side(
    tmp_path: Path,
    make_adapter: Callable[..., Path],
    dtype: str,
    quantization: str | None,
    near: float,
) -> None:
    folder = write_official(tmp_path / "base", hidden_size=128, ffn_hidden_size=192, kv_channels=32)
    adapter = make_adapter(folder, {"query_key_value": 4, "dense": 4})
    net = chatglm3.load_model(folder, dtype=dtype, device="cpu", quantization=quantization)
    with torch.inference_mode():
        base = net(input_ids=IDS[None]).logits[0].float()
        network = Network(net, len(IDS))
        assert network.capturable == (quantization != "int8")
        stack = Stack(1, 2, network.dtype, network.device, 2**40)
        place = stack.place(Voices(net, {"one": str(adapter)}).get("one"), set())
        found = served(network, stack, [0, place or 0])
    chatglm3.attach(net, adapter, "one")
    with torch.inference_mode():
        tuned = net(input_ids=IDS[None]).logits[0].float()
    scale = float(base.abs().max())
    assert (tuned - base).abs().max() > 5 * near * scale  # what is compared is not the same twice
    assert (found[0] - base).abs().max() < near * scale
    assert (found[1] - tuned).abs().max() < near * scale


@torch.inference_mode()
def test_attention_never_falls_back_to_the_plain_products() -> None:
    """Those hold the scores of every head, which nothing counts."""
    net = chatglm3.load_model(TINY, dtype="fp32", device="cpu")
    network = Network(net, 40)
    assert network.heads > network.groups
    cache = network.empty_cache(2, 40)
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):  # raises where it cannot be used
        network.read([Block([5, 6, 7], 0, cache[:, 0], None), Block([8], 0, cache[:, 1], None)])
        network.read([Block([9, 10], 3, cache[:, 0], None), Block([9], 1, cache[:, 1], None)])
        network.step(torch.tensor([5, 6]), torch.tensor([5, 2]), cache, 6, None)
