"""The forward pass that serves, against transformers and PEFT on every kind of base."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from rolecraft.engines import chatglm3
from rolecraft.engines.network import Network
from rolecraft.engines.stacks import Stack
from rolecraft.engines.voices import Voices
from tests.engines.checkpoints import write_official

IDS = torch.tensor([3, 1, 4, 1, 5, 9, 2, 6])
READ = 5  # tokens of the prompt, in two blocks; the others are written


def served(network: Network, stack: Stack, places: list[int]) -> torch.Tensor:
    """Logits [rows, tokens, vocabulary] of a batch in which each row has its own voice."""
    cache = network.empty_cache(len(places), len(IDS))
    rows = []
    for row, place in enumerate(places):
        stack.seat(row, place)
        voices = stack.one(place)
        parts = [(0, 3), (3, READ)]
        read = [network.read(IDS[a:b], a, cache[:, row], voices) for a, b in parts]
        rows.append(network.logits(torch.cat(read), voices))
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
