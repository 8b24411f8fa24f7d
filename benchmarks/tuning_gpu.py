"""Tuning at ChatGLM3-6B's size on the GPU that is here: tokens a second, share of the limit, room.

    python -m benchmarks.tuning_gpu [--row-tokens 8192] [--tflops 790] [--folder DIR]

The weights are random, which changes no time; the checkpoint (12.5 GB) is written to a temporary
folder below DIR and read by the loader of the chat. Samples have the lengths of the published
replies, packed into rows; the base is bf16, then nf4.
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.tuning import lengths, sample
from train.documents import pack

RESULT = Path(__file__).parent / "results" / "tuning_gpu.json"
GOAL, FLOOR = 15_000, 10_000  # tokens a second in bf16
SIXB = {
    "vocab_size": 65024, "hidden_size": 4096, "intermediate_size": 13696, "num_hidden_layers": 28,
    "num_attention_heads": 32, "num_key_value_heads": 2, "head_dim": 128,
    "max_position_embeddings": 8192,
}  # fmt: skip
BASES: dict[str, dict[str, str]] = {"bf16": {}, "nf4": {"quantization": "nf4"}}


def write_base(folder: Path, sizes: Mapping[str, int], device: str) -> Path:
    """A checkpoint of random weights in bf16."""
    import torch
    from transformers import GlmConfig, GlmForCausalLM

    config = GlmConfig(
        **sizes, rms_norm_eps=1e-5, attention_bias=True, pad_token_id=0, eos_token_id=2,
        dtype=torch.bfloat16,
    )  # fmt: skip
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            model = GlmForCausalLM(config)
    finally:
        torch.set_default_dtype(before)
    model.save_pretrained(folder)
    return folder


def measure(
    folder: Path, device: str, row_tokens: int, steps: int, tflops: float, **base: str
) -> dict[str, Any]:
    """Steps of one row each, the first two of which are not counted."""
    import torch

    from train.adapter import prepared
    from train.pretrain import Gradients
    from train.tuning.config import Config

    settings = Config(output_dir="", base=str(folder), dtype="bf16", device=device, **base)
    model, _ = prepared(settings, device)
    learnt = [one for one in model.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(learnt, 2e-4, weight_decay=0.0)
    gradients = Gradients(model, 1)
    rng = random.Random(1)
    top = model.config.vocab_size - 10
    documents = (sample(rng, length) for length in lengths(rng, 50_000))
    rows = pack(documents, row_tokens, rng)
    cuda = device.startswith("cuda")
    begun = 0.0
    for step in range(steps + 2):
        row = next(rows)
        row.input_ids[row.input_ids > top] = top
        gradients.accumulate([row])
        torch.nn.utils.clip_grad_norm_(learnt, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if cuda:
            torch.cuda.synchronize()
        begun = time.perf_counter() if step == 1 else begun
    speed = steps * row_tokens / (time.perf_counter() - begun)
    # Forward and backward through the frozen weights: twice two operations a weight and token.
    weights = sum(
        layer.in_features * layer.out_features
        for name, layer in model.named_modules()
        if hasattr(layer, "in_features") and "lora" not in name and not hasattr(layer, "base_layer")
    )
    return {
        "tokens_per_second": round(speed),
        "share_of_limit": round(speed * 4 * weights / (tflops * 1e12), 3),
        "gigabytes": round(torch.cuda.max_memory_allocated() / 1e9, 1) if cuda else None,
    }


def main() -> int:
    """Measure both bases; exit 1 below the floor, 2 where there is no GPU."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--row-tokens", type=int, default=8192)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--tflops", type=float, default=790, help="what the GPU can do in bf16")
    parser.add_argument("--folder", type=Path, help="where there is room for 13 GB")
    args = parser.parse_args()
    if not torch.cuda.is_available():
        print("No GPU is here; python -m benchmarks.tuning measures on a processor.")
        return 2
    result: dict[str, Any] = {"gpu": torch.cuda.get_device_name(), "row_tokens": args.row_tokens}
    with tempfile.TemporaryDirectory(dir=args.folder) as place:
        base = write_base(Path(place), SIXB, "cuda")
        torch.cuda.empty_cache()
        for name, settings in BASES.items():
            torch.cuda.reset_peak_memory_stats()
            told = measure(base, "cuda", args.row_tokens, args.steps, args.tflops, **settings)
            result[name] = told
            torch.cuda.empty_cache()
            print(
                f"{name}: {told['tokens_per_second']:,} tokens/s, "
                f"{told['share_of_limit']:.0%} of the limit, {told['gigabytes']} GB"
            )
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"goal {GOAL:,} tokens/s in bf16, floor {FLOOR:,}")
    return int(result["bf16"]["tokens_per_second"] < FLOOR)


if __name__ == "__main__":
    raise SystemExit(main())
