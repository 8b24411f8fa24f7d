"""Imports and lints a RoleInstruct release on one core, and prints seconds and memory.

    python -m benchmarks.importers [RELEASE]

Without RELEASE an invented one of about the size of the sixteen published characters is written and
measured: 100,000 lines, 8,000 questions and 118,000 replies. Seconds are the processor's, so that
another program on the machine does not count.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from train.importers.report import FILE

RESULT = Path(__file__).parent / "results" / "importers.json"
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


def measure(*arguments: str) -> dict[str, float]:
    """Run a stage in a process of its own, on one core: processor seconds and peak memory."""

    def pinned() -> None:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "train", *arguments]
    done = subprocess.run(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=pinned
    )
    if done.returncode not in (0, 1) or done.stderr:
        raise SystemExit(f"{' '.join(command)} failed: {done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": round(seconds, 1), "megabytes": round(after.ru_maxrss / 1024)}


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
        out = Path(place) / "out"
        stages: dict[str, Any] = {
            "import": measure("importers", "--source", "roleinstruct", str(release), str(out)),
            "lint": measure("lint", str(out)),
        }
        records = json.loads((out / FILE).read_text("utf-8"))["records"]["in"]
    seconds = round(sum(one["seconds"] for one in stages.values()), 1)
    megabytes = max(one["megabytes"] for one in stages.values())
    print(f"{'':8}{'seconds':>10}{'MB':>8}")
    for name, one in stages.items():
        print(f"{name:8}{one['seconds']:10.1f}{one['megabytes']:8.0f}")
    print(f"{'both':8}{seconds:10.1f}{megabytes:8.0f}   {records:,} records")
    result = {
        "release": "invented" if args.release is None else "published",
        "records": records,
        "seconds": seconds,
        "megabytes": megabytes,
        "stages": stages,
        "bars": {"seconds": SECONDS, "megabytes": MEGABYTES},
    }
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return int(seconds > SECONDS or megabytes > MEGABYTES)


if __name__ == "__main__":
    raise SystemExit(main())
