"""Measures the local engine against transformers and PEFT on a small GLM, all in one run.

    python -m benchmarks.serving [--rounds 5] [--only CASE …] [--json OUT]
    python -m benchmarks.serving --gpu

Random weights, float32, one thread. Variants of a case take turns, and a ratio is that of their
medians in CPU time, which other programs on the machine disturb least; wall time stands beside it.
Exit 1 when a floor is missed, a row is missing or a rival answers with other tokens. With --gpu a
model of ChatGLM3-6B's size is measured instead (benchmarks/serving_gpu.py).
"""

import argparse
import datetime
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.serving_cases import Scale

RESULT = Path(__file__).parent / "results" / "serving.json"

# name: (what is compared, floor, goal); a ratio above is better, unless `lower`
CASES = {
    "one_stream": ("one stream vs `model.generate`", 1.0, 1.3),
    "page": ("page stream vs engine stream", 0.85, 0.95),
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
REACHED, GOAL, FLOOR, MISSING = "reached", "goal missed", "floor missed", "not measured"


def verdict(name: str, cases: Mapping[str, Any]) -> str:
    """What became of a row: floor and goal reached, one of them missed, or no figure."""
    if "ratio" not in cases.get(name, {}):
        return MISSING
    _, floor, goal = CASES[name]
    sign = -1 if name in LOWER else 1
    found = sign * cases[name]["ratio"]
    return FLOOR if found < sign * floor else GOAL if found < sign * goal else REACHED


def failures(cases: Mapping[str, Any]) -> list[str]:
    """The rows that miss their floor or have no figure."""
    return [name for name in CASES if verdict(name, cases) in (FLOOR, MISSING)]


def rows(cases: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """What is compared, in CPU and in wall time, floor, goal, verdict."""
    shown = []
    for name, (label, floor, goal) in CASES.items():
        found = cases.get(name, {})
        figures = [f"{found[key]:.2f}" if key in found else "–" for key in ("ratio", "wall_ratio")]
        shown.append((label, *figures, f"{floor:g}", f"{goal:g}", verdict(name, cases)))
    return shown


HEAD = ("ratio", "CPU time", "wall time", "floor", "goal", "")


def table(cases: Mapping[str, Any]) -> str:
    """The results in Markdown."""
    lines = [HEAD, ["---"] * len(HEAD), *rows(cases)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main(arguments: Sequence[str] | None = None, scale: "Scale | None" = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--only", nargs="*", default=[], help="streams continuous adapters twenty turns page"
    )
    parser.add_argument("--json", type=Path, default=RESULT)
    parser.add_argument("--gpu", action="store_true")
    options = parser.parse_args(arguments)
    if options.gpu:
        from benchmarks import serving_gpu

        return serving_gpu.main(options.json.with_name("serving_gpu.json"))
    import torch

    from benchmarks.serving_cases import Differs

    torch.set_num_threads(1)
    cases: dict[str, Any] = {}
    if options.only and options.json.exists():
        cases = json.loads(options.json.read_text("utf-8"))["cases"]
    begun = time.monotonic()
    try:
        cases |= _measure(options.rounds, options.only, scale)
    except Differs as error:
        print(f"Nothing is written: {error}", file=sys.stderr)
        return 1
    result = {
        "measured": datetime.date.today().isoformat(),
        "command": f"python -m benchmarks.serving --rounds {options.rounds}",
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "took_s": round(time.monotonic() - begun),
        "cases": cases,
    }
    options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(table(cases))
    print(_beside(cases))
    for name in failures(cases):
        print(f"{name}: {verdict(name, cases)}")
    return 1 if failures(cases) else 0


def _measure(rounds: int, only: Sequence[str], scale: "Scale | None") -> dict[str, Any]:
    """The rows of the measures that are named, or of all; one that breaks leaves its rows out."""
    from benchmarks.serving_cases import MEASURES, Differs, Scale

    cases: dict[str, Any] = {}
    for work in MEASURES:
        name = work.__name__.removeprefix("measure_")
        if only and name not in only:
            continue
        begun = time.monotonic()
        try:
            with tempfile.TemporaryDirectory() as folder:
                cases |= work(rounds, Path(folder), scale or Scale())
        except Differs:
            raise
        except Exception:
            traceback.print_exc()  # the rows are then told as not measured
        print(f"{name}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    return cases


def _beside(cases: Mapping[str, Any]) -> str:
    """What stands in no row: the page with many visitors, and the parts of its one."""
    lines = []
    for name, said in (("page", "one visitor"), ("page_full", "8 visitors at once")):
        if found := cases.get(name):
            lines.append(
                f"The page, {said}: {found['ratio']:.2f} of the engine's speed in CPU time, "
                f"{found['wall_ratio']:.2f} in wall time; first words after "
                f"{found['first_words_s'] * 1000:.0f} ms; {found['steps']:.0f} steps shown of "
                f"{found['tokens']} tokens."
            )
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
