"""What the serving benchmark measures the engine against: transformers and PEFT as they come."""

import time
from collections.abc import Sequence
from typing import Any

import torch
from transformers import ContinuousBatchingConfig, GenerationConfig

from benchmarks.serving_bench import Ask


@torch.inference_mode()
def generate(net: Any, ask: Ask, **options: Any) -> list[int]:
    """transformers' own generate for one request."""
    ids = torch.tensor([ask.ids], device=net.device)
    found = net.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False,
        max_new_tokens=ask.count, min_new_tokens=ask.count, pad_token_id=1, **options,
    )  # fmt: skip
    return found[0, len(ask.ids) :].tolist()


def generate_switching(peft: Any, wanted: Sequence[Ask]) -> list[list[int]]:
    """One after the other, the adapter switched before each."""
    tokens = []
    for ask in wanted:
        peft.set_adapter(ask.adapter)
        tokens.append(generate(peft, ask))
    return tokens


@torch.inference_mode()
def generate_named(peft: Any, wanted: Sequence[Ask]) -> list[list[int]]:
    """PEFT's mixed batch: prompts of one length, an adapter name for each row."""
    ids = torch.tensor([ask.ids for ask in wanted], device=peft.device)
    found = peft.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, pad_token_id=1,
        max_new_tokens=wanted[0].count, min_new_tokens=wanted[0].count,
        adapter_names=[ask.adapter for ask in wanted],
    )  # fmt: skip
    return found[:, ids.shape[1] :].tolist()


def wait_in_line(peft: Any, wanted: Sequence[Ask]) -> tuple[float, float]:
    """All of `wanted`, one after the other; CPU and wall seconds until the last one's first token.

    The last waits for every other's whole reply and then for its own prompt, which takes about as
    long as a token of it.
    """
    begun = time.process_time(), time.monotonic()
    generate_switching(peft, wanted[:-1])
    before = time.process_time(), time.monotonic()
    generate_switching(peft, wanted[-1:])
    after = time.process_time(), time.monotonic()
    count = wanted[-1].count
    cpu, wall = (b - a + (c - b) / count for a, b, c in zip(begun, before, after, strict=True))
    return cpu, wall


class Continuous:
    """transformers' continuous batching, which has one adapter or none for all.

    Its manager stays between runs, as a server's would. It changes the model's attention.
    """

    def __init__(self, net: Any) -> None:
        self._manager = net.init_continuous_batching(
            generation_config=GenerationConfig(
                do_sample=False, max_new_tokens=64, eos_token_id=-1, pad_token_id=1
            ),
            continuous_batching_config=ContinuousBatchingConfig(
                page_size=32, num_blocks=256, max_batch_tokens=256, allow_block_sharing=False
            ),
        )

    def __enter__(self) -> "Continuous":
        self._manager.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._manager.stop(block=True)
        self._manager.destroy()

    def answer(self, wanted: Sequence[Ask]) -> list[list[int]]:
        """All at once, each as long as it asks for."""
        names = [
            self._manager.add_request(ask.ids, max_new_tokens=ask.count, eos_token_id=-1)
            for ask in wanted
        ]
        found: dict[str, list[int]] = {}
        while len(found) < len(names):
            result = self._manager.get_result(timeout=1)
            if result and result.is_finished():
                found[result.request_id] = result.generated_tokens
            elif result is None and not self._manager.is_running():
                raise RuntimeError("transformers' continuous batching has ended by itself")
        return [found[name] for name in names]
