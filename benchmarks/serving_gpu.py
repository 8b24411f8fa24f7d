"""The local engine on a GPU: ChatGLM3-6B's size, random weights, bfloat16. See `serving`.

Wall time with the device idle before and after. Bars: what the engine must reach on an H200. Exit 1
when a floor is missed, 2 where there is no such device.
"""

import datetime
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
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


@dataclass(frozen=True)
class Scale:
    """What is measured and how large it is; a test measures less, elsewhere."""

    device: str = "cuda"
    dtype: torch.dtype = torch.bfloat16
    sizes: Mapping[str, int] = field(default_factory=lambda: b.CHATGLM3)
    prompt: int = 512
    steps: int = 64
    streams: tuple[int, int] = (32, 64)
    adapters: int = 20
    kinds: tuple[str | None, ...] = (None, "int8", "nf4")  # bf16 and what is quantised

    @property
    def on_gpu(self) -> bool:
        return self.device == "cuda"

    def wall(self, work: Callable[[], object]) -> float:
        """Seconds of one run, the device waited for."""
        self.wait()
        start = time.perf_counter()
        work()
        self.wait()
        return time.perf_counter() - start

    def wait(self) -> None:
        if self.on_gpu:
            torch.cuda.synchronize()

    def asks(self, count: int, tokens: int, adapters: int, shift: int = 0) -> list[b.Ask]:
        """Prompts of one length; with another `shift`, others."""
        vocabulary = self.sizes["vocab_size"] - shift
        return b.asks(count, self.prompt, tokens, adapters, vocabulary)


def speed(scale: Scale, bench: b.Bench, slots: Any, streams: int, adapters: int) -> float:
    """Tokens a second while so many write, their prompts read and every shape captured before."""
    few = 8
    tokens = streams + few + scale.steps + 2  # nobody ends; a prompt's last step writes two
    requests = [b.request_of(bench, ask) for ask in scale.asks(streams, tokens, adapters)]
    for request in requests:
        request.begin()
        slots.begin(request)
    while slots.readers:
        slots.step()
    for _ in range(few):
        slots.step()
    seconds = scale.wall(lambda: [slots.step() for _ in range(scale.steps)])
    if len(slots.rows) != streams:
        raise RuntimeError(f"{streams - len(slots.rows)} of {streams} streams ended early")
    for request in requests:
        request.cancel()
    slots.step()
    return streams * scale.steps / seconds


def first_idle(scale: Scale, bench: b.Bench, slots: Any) -> float:
    """Milliseconds to the first token of a prompt that comes alone: the median of eight."""
    probe = scale.asks(9, 1, 1)
    times = [scale.wall(partial(b.serve, bench, slots, [ask])) * 1000 for ask in probe]
    return statistics.median(times[1:])


def first_busy(scale: Scale, bench: b.Bench, slots: Any, streams: int) -> float:
    """The same among `streams`: the 95th percentile of twenty, one after the other."""
    load = scale.asks(streams - 1, 20 * 4 + streams, scale.adapters)
    probe = scale.asks(20, 1, scale.adapters, shift=1)
    return sorted(b.first_among(bench, slots, load, probe))[18]


def loading(scale: Scale, net: Any) -> dict[str, dict[str, float]]:
    """Load time and peak memory of each kind."""
    from rolecraft.engines import chatglm3

    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        net.save_pretrained(folder)
        for kind in scale.kinds:
            if scale.on_gpu:
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated() if scale.on_gpu else 0

            def work(kind: str | None = kind) -> None:
                chatglm3.load_model(folder, dtype="bf16", device=scale.device, quantization=kind)

            found[kind or "bf16"] = {"seconds": scale.wall(work)}
            if scale.on_gpu:
                peak = torch.cuda.max_memory_allocated() - before
                found[kind or "bf16"]["peak_gb"] = peak / 1e9
    return found


@torch.inference_mode()
def measure(scale: Scale) -> dict[str, Any]:
    """All bars on one model."""
    some, many = scale.streams
    bench = b.make_bench(
        scale.sizes, Path(), scale.adapters, 8, ["q_proj", "k_proj", "v_proj"], scale.dtype,
        scale.device, rival=False,
    )  # fmt: skip
    slots = bench.slots(slots=many, block=scale.prompt, cached_tokens=0)
    found: dict[str, Any] = {
        "one_stream": speed(scale, bench, slots, 1, 1),
        "streams_32": speed(scale, bench, slots, some, scale.adapters),
        "streams_64": speed(scale, bench, slots, many, scale.adapters),
        "first_idle": first_idle(scale, bench, slots),
        "first_busy": first_busy(scale, bench, slots, some),
    }
    found["adapters_share"] = found["streams_32"] / speed(scale, bench, slots, some, 0)
    read = sum(p.numel() * p.element_size() for p in bench.net.parameters())
    read -= bench.net.model.embed_tokens.weight.nbytes  # of which a step reads a row
    found["share_of_bandwidth"] = found["one_stream"] * read / BANDWIDTH
    del slots
    found["loading"] = loading(scale, bench.net)
    return found


def verdict(name: str, value: float) -> str:
    """Whether a bar was reached."""
    *_, floor, goal = BARS[name]
    sign = -1 if name in LOWER else 1
    if sign * value < sign * floor:
        return "floor missed"
    return "reached" if sign * value >= sign * goal else "goal missed"


def main(path: Path, scale: Scale | None = None) -> int:
    scale = scale or Scale()
    if scale.on_gpu and not torch.cuda.is_available():
        print("No CUDA device here: run this where there is one.")
        return 2
    found = measure(scale)
    result = {
        "measured": datetime.date.today().isoformat(),
        "command": "python -m benchmarks.serving --gpu",
        "device": torch.cuda.get_device_name() if scale.on_gpu else scale.device,
        "torch": torch.__version__,
        "figures": found,
    }
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print("| figure | measured | floor | goal | |\n| --- | --- | --- | --- | --- |")
    for name, (label, unit, floor, goal) in BARS.items():
        told = f"{found[name]:.4g} {unit}".strip()
        print(f"| {label} | {told} | {floor} | {goal} | {verdict(name, found[name])} |")
    print(json.dumps({key: found[key] for key in ("share_of_bandwidth", "loading")}, indent=2))
    return int(any(verdict(name, found[name]) == "floor missed" for name in BARS))
