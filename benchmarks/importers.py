"""Imports and lints a RoleInstruct release on one core, and prints seconds and memory.

    python -m benchmarks.importers [RELEASE]

Without RELEASE an invented one of about the size of the sixteen published characters is written and
measured: 100,000 lines, 8,000 questions and 118,000 replies. Seconds are the processor's, so that
another program on the machine does not count. With RELEASE the counts go into docs/data.md.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.readme import write_block
from train.lint.findings import RULES

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "importers.json"
DOCS = ROOT / "docs" / "data.md"
SECONDS, MEGABYTES = 60, 1024  # what import and lint together may take
CHARACTERS, LINES, QUESTIONS, INSTRUCTIONS, REPLIES = 16, 6250, 500, 1479, 5
_WORDS = (
    "山水风雨花草树云早晚饭茶路桥船书信钟灯门窗猫狗鱼鸟春夏秋冬红白来去走跑说笑看听想问好慢新旧"
)
_LABELS = ("中立", "中立", "快乐", "沮丧", "愤怒", "激动", "惊讶")


def invent(root: Path, rng: random.Random) -> None:
    """Write a release of nonsense in the shape of the published one."""

    def words(low: int, high: int) -> str:
        return "".join(rng.choices(_WORDS, k=rng.randint(low, high)))

    instructions = [words(10, 60) + "？" for _ in range(INSTRUCTIONS)]
    for n in range(CHARACTERS):
        name = f"某人{n:02d}"
        folder = root / name
        folder.mkdir(parents=True)
        (folder / f"{name}_desc.txt").write_text(f"名字：{name}；背景：{words(80, 120)}", "utf-8")
        speakers = (name, name, "其他", "邻居")
        script = [
            {"role": rng.choice(speakers), "content": f"({rng.choice(_LABELS)}){words(4, 24)}"}
            for _ in range(LINES)
        ]
        asked = [
            {"instruction": f"{words(8, 20)}？", "generated": words(20, 60)}
            for _ in range(QUESTIONS)
        ]
        _save(folder / f"{name}_scriopt.jsonl", script)
        _save(folder / f"{name}_specific_QA.json", asked)
        for k in range(1, REPLIES + 1):
            replies = [
                {"role": name, "instruction": one, "generated": words(10, 120)}
                for one in instructions
            ]
            _save(folder / f"{name}_general_rp{k}.jsonl", replies)


def _save(path: Path, rows: list[dict[str, str]]) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, "utf-8")


def measure(*arguments: str) -> tuple[dict[str, float], dict[str, Any]]:
    """Run a stage in a process of its own, on one core: seconds, peak memory, and what it told."""

    def pinned() -> None:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "train", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=pinned)
    if done.returncode not in (0, 1) or done.stderr:
        raise SystemExit(f"{' '.join(command)} failed: {done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    told = json.loads(done.stdout)
    return {"seconds": round(seconds, 1), "megabytes": round(after.ru_maxrss / 1024)}, told


def measured(release: Path, out: Path) -> dict[str, Any]:
    """Import and lint, and the lint of the release as it is beside it."""
    imported, report = measure("importers", "--source", "roleinstruct", str(release), str(out))
    linted, after = measure("lint", str(out))
    before = measure("lint", str(release))[1]
    stages = {"import": imported, "lint": linted}
    return {
        "seconds": round(sum(one["seconds"] for one in stages.values()), 1),
        "megabytes": max(one["megabytes"] for one in stages.values()),
        "bars": {"seconds": SECONDS, "megabytes": MEGABYTES},
        "stages": stages,
        "kinds": report["kinds"],
        "records": report["records"],
        "written": report["written"],
        "reasons": report["reasons"],
        "lint": {"release": before["counts"], "imported": after["counts"]},
    }


def block(result: Mapping[str, Any]) -> str:
    """The tables of docs/data.md."""
    lines = ["| records | in | out | of these repaired | refused |", "|---|--:|--:|--:|--:|"]
    rows = {**result["kinds"], "all": result["records"]}
    for kind, counts in rows.items():
        if counts["in"]:
            cells = (f"{counts[key]:,}" for key in ("in", "out", "repaired", "refused"))
            lines.append(f"| {kind} | {' | '.join(cells)} |")
    told = ", ".join(f"{n:,} {what.replace('_', ' ')}" for what, n in result["written"].items())
    lines += ["", f"Written: {told}.", "", "| why repaired or refused | records |", "|---|--:|"]
    lines += [f"| {reason} | {count:,} |" for reason, count in result["reasons"].items()]
    lines += ["", "| rule of the lint | weight | as released | imported |", "|---|---|--:|--:|"]
    for rule, told_of in RULES.items():
        counts = (f"{result['lint'][side].get(rule, 0):,}" for side in ("release", "imported"))
        lines.append(f"| {told_of.title} (`{rule}`) | {told_of.severity} | {' | '.join(counts)} |")
    stages = ", ".join(f"{name} {one['seconds']} s" for name, one in result["stages"].items())
    lines += ["", f"On one core: {stages}; at most {result['megabytes']} MB."]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure, print, write the result; exit 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("release", nargs="?", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        release = args.release or Path(place) / "release"
        if args.release is None:
            invent(release, random.Random(20261))
        result = measured(release, Path(place) / "out")
    print(f"{'':8}{'seconds':>10}{'MB':>8}")
    for name, one in result["stages"].items():
        print(f"{name:8}{one['seconds']:10.1f}{one['megabytes']:8.0f}")
    records = result["records"]["in"]
    print(f"{'both':8}{result['seconds']:10.1f}{result['megabytes']:8.0f}   {records:,} records")
    if args.release:
        RESULT.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(result, ensure_ascii=False, indent=2) + "\n"
        RESULT.write_text(text, encoding="utf-8")
        write_block(DOCS, "counts", block(result))
    return int(result["seconds"] > SECONDS or result["megabytes"] > MEGABYTES)


if __name__ == "__main__":
    raise SystemExit(main())
