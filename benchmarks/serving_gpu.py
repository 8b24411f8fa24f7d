"""The local engine on a GPU: ChatGLM3-6B's size, random weights, bfloat16. See `serving`.

Wall time with the device idle before and after. Bars: what the engine must reach on an H200.
"""

import datetime
import json
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks import serving_bench as b

# name: (what is measured, unit, floor, goal)
BARS = {
    "one_stream": ("batch 1, unmerged LoRA", "tokens/s", 150, 245),
    "streams_32": ("32 streams × 20 adapters", "tokens/s", 3500, 6600),
    "streams_64": ("64 streams × 20 adapters", "tokens/s", 6000, 12800),
    "adapters_share": ("20 adapters vs base, 32 streams", "", 0.80, 0.90),
    "first_idle": ("first token, 512-token prompt, idle", "ms", 80, 30),
    "first_busy": ("the same at 32 streams, p95", "ms", 400, 200),
}
LOWER = ("first_idle", "first_busy")
BANDWIDTH = 4.3e12  # bytes a second of an H200


def wall(work: Any) -> float:
    """Seconds of one run, the device waited for."""
    torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def speed(bench: b.Bench, slots: Any, streams: int, adapters: int, tokens: int = 128) -> float:
    """Tokens a second of so many streams with prompts of 512 tokens, prompts not counted."""
    wanted = b.asks(streams, 512, tokens, adapters, vocabulary=60_000)
    b.serve(bench, slots, [replace(ask, count=8) for ask in wanted])  # captures the shapes
    runs = []
    for _ in range(3):
        whole = wall(lambda: b.serve(bench, slots, wanted))
        prompts = wall(lambda: b.serve(bench, slots, [replace(ask, count=1) for ask in wanted]))
        runs.append(streams * (tokens - 1) / (whole - prompts))
    return statistics.median(runs)


def first_tokens(bench: b.Bench, slots: Any, streams: int) -> list[float]:
    """Milliseconds to the first token of each prompt of 512 tokens that comes among `streams`."""
    if streams:
        load = b.asks(streams - 1, 512, 400, 20, vocabulary=60_000)
        probe = b.asks(20, 512, 1, 20, vocabulary=59_000)
        return b.first_among(bench, slots, load, probe)
    probe = b.asks(9, 512, 1, 1, vocabulary=60_000)
    times = [wall(lambda ask=ask: b.serve(bench, slots, [ask])) * 1000 for ask in probe]
    return [statistics.median(times[1:])]


def loading(net: Any) -> dict[str, Any]:
    """Load time and peak memory of bf16, int8 and nf4."""
    from rolecraft.engines import chatglm3

    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        net.save_pretrained(folder)
        for kind in (None, "int8", "nf4"):
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            loaded: list[Any] = []

            def work(kind: str | None = kind, loaded: list[Any] = loaded) -> None:
                loaded.append(
                    chatglm3.load_model(folder, dtype="bf16", device="cuda", quantization=kind)
                )

            seconds = wall(work)
            peak = (torch.cuda.max_memory_allocated() - before) / 1e9
            found[kind or "bf16"] = {"seconds": seconds, "peak_gb": peak}
            loaded.clear()
    return found


@torch.inference_mode()
def measure() -> dict[str, Any]:
    """All bars on one model."""
    bench = b.make_bench(
        b.CHATGLM3, Path(), 20, 8, ["q_proj", "k_proj", "v_proj"], torch.bfloat16, "cuda",
        rival=False,
    )  # fmt: skip
    slots = bench.slots(slots=64, block=512, cached_tokens=0)
    found: dict[str, Any] = {
        "one_stream": speed(bench, slots, 1, 1),
        "streams_32": speed(bench, slots, 32, 20),
        "streams_64": speed(bench, slots, 64, 20),
        "first_idle": first_tokens(bench, slots, 0)[0],
    }
    found["adapters_share"] = found["streams_32"] / speed(bench, slots, 32, 0)
    busy = sorted(first_tokens(bench, slots, 32))
    found["first_busy"] = busy[int(len(busy) * 0.95) - 1]
    weights = sum(p.numel() * p.element_size() for p in bench.net.parameters())
    found["share_of_bandwidth"] = found["one_stream"] * weights / BANDWIDTH
    del slots
    found["loading"] = loading(bench.net)
    return found


def main(path: Path) -> int:
    if not torch.cuda.is_available():
        print("No CUDA device here: run this where there is one.")
        return 2
    found = measure()
    result = {
        "measured": datetime.date.today().isoformat(),
        "command": "python -m benchmarks.serving --gpu",
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "figures": found,
    }
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print("| figure | measured | floor | goal |\n| --- | --- | --- | --- |")
    for name, (label, unit, floor, goal) in BARS.items():
        print(f"| {label} | {found[name]:.4g} {unit} | {floor} | {goal} |")
    print(json.dumps({key: found[key] for key in ("share_of_bandwidth", "loading")}, indent=2))
    return 0
