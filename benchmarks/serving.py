"""Measures the local engine against transformers and PEFT on a small GLM, all in one run.

    python -m benchmarks.serving [--rounds 5] [--only CASE …] [--json OUT]
    python -m benchmarks.serving --gpu

Random weights, float32, one thread. Variants of a case take turns, and a ratio is that of their
medians in CPU time, which other programs on the machine disturb least; wall time stands beside it.
With --gpu a model of ChatGLM3-6B's size is measured instead (benchmarks/serving_gpu.py).
"""

import argparse
import datetime
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

RESULT = Path(__file__).parent / "results" / "serving.json"

# name: (what is compared, floor, goal); a ratio above is better, unless `lower`
CASES = {
    "one_stream": ("one stream vs `model.generate`", 1.0, 1.3),
    "eight_adapters": ("8 users × 8 adapters vs serial switch + generate", 3.0, 5.0),
    "eight_peft_batch": ("8 users × 8 adapters vs PEFT `adapter_names`", 1.0, 1.5),
    "adapters_cost": ("8-adapter batch vs the same batch without adapters", 0.75, 0.9),
    "twenty_adapters": ("decode step, 20 distinct adapters vs base (28-layer toy)", 1.5, 1.2),
    "thirty_two": ("32 mixed-length requests vs serial", 3.5, 5.5),
    "continuous": ("32 mixed-length requests vs transformers continuous batching", 1.0, 1.5),
    "first_token": ("serial queue vs worst first token of 8 simultaneous", 10.0, 40.0),
    "fourth_turn": ("first token at turn 4: re-prefill vs 480 of 520 cached", 5.0, 8.0),
    "switch": ("warm adapter switch in decode steps", 1.0, 0.05),
}
LOWER = ("twenty_adapters", "switch")

Work = Callable[[], Any]


def timed(work: Work) -> tuple[float, float]:
    """CPU and wall seconds of one run."""
    cpu, wall = time.process_time(), time.monotonic()
    work()
    return time.process_time() - cpu, time.monotonic() - wall


def interleaved(rounds: int, **variants: Work) -> dict[str, dict[str, float]]:
    """Median CPU and wall seconds of each variant; they take turns, after one run for warmth."""
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in variants}
    for name, work in variants.items():
        timed(work)
        measured[name].clear()
    for _ in range(rounds):
        for name, work in variants.items():
            measured[name].append(timed(work))
    return {
        name: {
            "cpu": statistics.median(cpu for cpu, _ in runs),
            "wall": statistics.median(wall for _, wall in runs),
        }
        for name, runs in measured.items()
    }


def ratio(measured: dict[str, dict[str, float]], slow: str, fast: str) -> dict[str, Any]:
    """How many times faster `fast` is."""
    return {
        "ratio": measured[slow]["cpu"] / measured[fast]["cpu"],
        "wall_ratio": measured[slow]["wall"] / measured[fast]["wall"],
        "seconds": {name: one["cpu"] for name, one in measured.items()},
    }


def measure_streams(rounds: int, folder: Path) -> dict[str, Any]:
    """One stream, and 32 of many lengths, against generate and continuous batching."""
    from benchmarks import serving_bench as b

    bench = b.make_bench(b.SMALL, folder, 0, 16, ["q_proj"])
    slots = bench.slots(slots=32, cached_tokens=0)
    one = b.asks(1, 40, 48)
    many = b.mixed(b.asks(32, 64, 64))
    wanted = [b.generate(bench.net, ask) for ask in many]
    assert b.serve(bench, slots, many).tokens == wanted, "the engine's tokens differ"
    single = interleaved(
        rounds,
        generate=lambda: b.generate(bench.net, one[0]),
        engine=lambda: b.serve(bench, slots, one),
    )
    several = interleaved(
        rounds,
        serial=lambda: [b.generate(bench.net, ask) for ask in many],
        engine=lambda: b.serve(bench, slots, many),
    )
    found = {
        "one_stream": ratio(single, "generate", "engine"),
        "thirty_two": ratio(several, "serial", "engine"),
    }
    try:
        rival = interleaved(
            rounds,
            continuous=lambda: b.generate_continuously(bench.net, many),
            engine=lambda: b.serve(bench, slots, many),
        )
        # The rival gives every reply the longest one's length, so tokens are what is compared.
        written = sum(ask.count for ask in many) / (len(many) * max(ask.count for ask in many))
        found["continuous"] = ratio(rival, "continuous", "engine")
        found["continuous"]["ratio"] *= written
        found["continuous"]["wall_ratio"] *= written
    except Exception as error:  # a rival that does not run here is told, not hidden
        found["continuous"] = {"missing": f"{type(error).__name__}: {error}"[:200]}
    return found


def measure_adapters(rounds: int, folder: Path) -> dict[str, Any]:
    """Eight visitors with eight adapters of rank 16 on q, k and v."""
    from benchmarks import serving_bench as b

    bench = b.make_bench(b.SMALL, folder, 8, 16, ["q_proj", "k_proj", "v_proj"])
    slots = bench.slots(slots=8, cached_tokens=0)
    wanted, plain = b.asks(8, 40, 48, adapters=8), b.asks(8, 40, 48)
    serial = b.generate_switching(bench.peft, wanted)
    served = b.serve(bench, slots, wanted)
    assert served.tokens == serial, "the engine's tokens differ from PEFT's"
    last: dict[str, float] = {}

    def together() -> None:
        last["engine"] = max(b.serve(bench, slots, wanted).first)

    def one_by_one() -> None:
        for ask in wanted:
            bench.peft.set_adapter(ask.adapter)
            begun = time.process_time()
            b.generate(bench.peft, ask)
            last["serial"] = time.process_time() - begun

    measured = interleaved(
        rounds,
        serial=one_by_one,
        named=lambda: b.generate_named(bench.peft, wanted),
        engine=together,
        plain=lambda: b.serve(bench, slots, plain),
    )
    # In a serial queue the last waits for seven whole replies and then for its own prompt.
    queue = measured["serial"]["cpu"] - last["serial"] + last["serial"] / wanted[0].count
    return {
        "eight_adapters": ratio(measured, "serial", "engine"),
        "eight_peft_batch": ratio(measured, "named", "engine"),
        "adapters_cost": ratio(measured, "plain", "engine"),
        "first_token": {
            "ratio": queue / last["engine"],
            "seconds": {"serial": queue, "engine": last["engine"]},
        },
        "switch": _switch(slots, rounds),
    }


def _switch(slots: Any, rounds: int) -> dict[str, Any]:
    """A row that changes to another adapter, in steps of a batch of eight."""
    import torch

    ids = torch.ones(8, dtype=torch.long)
    with torch.inference_mode():
        measured = interleaved(
            rounds * 20,
            step=lambda: slots.network.step(ids, ids * 60, slots.cache[:, :8], 61, None),
            switch=lambda: slots.stack.seat(0, 1 + slots.stack.seated[0] % 8),
        )
    found = ratio(measured, "switch", "step")
    found["milliseconds"] = measured["switch"]["cpu"] * 1000
    return found


def measure_twenty(rounds: int, folder: Path) -> dict[str, Any]:
    """A decode step of 20 rows on a toy of ChatGLM3's depth, every linear layer adapted."""
    import torch

    from benchmarks import serving_bench as b

    targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_up_proj", "down_proj"]
    bench = b.make_bench(b.TOY, folder, 20, 8, targets)
    slots = bench.slots(slots=20, cached_tokens=0)
    ids = torch.ones(20, dtype=torch.long)
    with torch.inference_mode():
        for row in range(20):
            place = slots.stack.place(bench.loaded.voices.get(f"a{row}"), set())
            slots.stack.seat(row, place or 0)

        def step(voices: Any) -> None:
            slots.network.step(ids, ids * 60, slots.cache[:, :20], 61, voices)

        measured = interleaved(
            rounds * 10,
            base=lambda: step(None),
            adapters=lambda: step(slots.stack.applied(20)),
        )
    return {"twenty_adapters": ratio(measured, "adapters", "base")}


def measure_turns(rounds: int, folder: Path) -> dict[str, Any]:
    """The first token of a fourth turn, with and without what was read before."""
    from benchmarks import serving_bench as b

    bench = b.make_bench(b.SMALL, folder, 0, 16, ["q_proj"])
    kept, anew = bench.slots(slots=2), bench.slots(slots=2, cached_tokens=0)
    talk = b.asks(1, 480, 1)[0].ids
    b.serve(bench, kept, [b.Ask(talk, 1)])
    fresh = iter(b.asks(1000, 40, 1))

    def turn(slots: Any) -> None:
        b.serve(bench, slots, [b.Ask([*talk, *next(fresh).ids], 1)])

    measured = interleaved(rounds * 2, anew=lambda: turn(anew), kept=lambda: turn(kept))
    return {"fourth_turn": ratio(measured, "anew", "kept")}


MEASURES = (measure_turns, measure_adapters, measure_streams, measure_twenty)


def table(cases: dict[str, Any]) -> str:
    """The results in Markdown."""
    lines = ["| ratio | measured | floor | goal |", "| --- | --- | --- | --- |"]
    for name, (label, floor, goal) in CASES.items():
        found = cases.get(name)
        if found is None:
            continue
        shown = f"{found['ratio']:.2f}" if "ratio" in found else f"missing: {found['missing']}"
        lines.append(f"| {label} | {shown} | {floor:g} | {goal:g} |")
    return "\n".join(lines)


def below_floor(cases: dict[str, Any]) -> list[str]:
    """The cases that miss their floor."""
    missed = []
    for name, (_, floor, _) in CASES.items():
        found = cases.get(name, {}).get("ratio")
        if found is not None and (found > floor if name in LOWER else found < floor):
            missed.append(name)
    return missed


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=[], help="streams adapters twenty turns")
    parser.add_argument("--json", type=Path, default=RESULT)
    parser.add_argument("--gpu", action="store_true")
    options = parser.parse_args(arguments)
    if options.gpu:
        from benchmarks import serving_gpu

        return serving_gpu.main(options.json.with_name("serving_gpu.json"))
    import torch

    torch.set_num_threads(1)
    cases: dict[str, Any] = {}
    if options.only and options.json.exists():
        cases = json.loads(options.json.read_text("utf-8"))["cases"]
    for work in MEASURES:
        if options.only and work.__name__.removeprefix("measure_") not in options.only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            cases |= work(options.rounds, Path(folder))
        result = {
            "measured": datetime.date.today().isoformat(),
            "command": f"python -m benchmarks.serving --rounds {options.rounds}",
            "cores": os.cpu_count(),
            "torch": torch.__version__,
            "cases": cases,
        }
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(table(cases))
    for name in below_floor(cases):
        print(f"below its floor: {name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
