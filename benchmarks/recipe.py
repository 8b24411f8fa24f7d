"""The way from a raw release to a talk on the page: its commands, their time and their memory.

    python -m benchmarks.recipe RELEASE [--characters 2] [--steps 5]

Runs the commands of the README one after the other in a folder of its own and writes the README's
table. Seconds are the processor's on one core, so that another program on the machine does not
count. --characters and --steps measure a slice, and the table says so.
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.readme import README, RESULTS, ROOT, measured, table, write_block

RESULT = RESULTS / "recipe.json"
RELEASE = "RELEASE"  # what stands in the commands for the folder of the data
# Command, what it does.
STEPS = (
    (
        "python -m train importers --source roleinstruct RELEASE runs/imported",
        "raw files to character folders; the report accounts for every record",
    ),
    (
        "python -m train annotate runs/imported runs/roleinstruct --classifier models/emotions",
        "an emotion for every line that has none",
    ),
    (
        "python -m train lint runs/roleinstruct --html runs/lint.html",
        "what would spoil training; exit status 1 says that there is something to mend by hand",
    ),
    (
        "python -m train adapter --config train/configs/adapter_roleinstruct.toml",
        "general and specific answers, half and half, into an adapter of the mini",
    ),
)
SERVE = "ROLECRAFT_CHARACTERS=runs/roleinstruct make run"
ENGINE = "mini-roleinstruct"  # what the page calls the adapter
CONFIG = ROOT / "train" / "configs" / "adapter_roleinstruct.toml"


def block() -> str:
    """The README's commands with what they take."""
    result = measured("recipe")
    lines = [command for command, _ in STEPS]
    fence = "\n".join(["```", *lines, SERVE, "```"])
    rows = []
    for place, (command, about) in enumerate(STEPS):
        took = result["steps"][place] if result else {}
        cells = (_time(took.get("seconds")), _memory(took.get("megabytes")))
        rows.append((f"`{command.split()[3]}`", about, *cells))
    text = f"{fence}\n\n{table(('stage', 'what it does', 'one core', 'memory'), rows)}"
    return f"{text}\n{_measured_on(result)}\n" if result else text


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"


def _memory(megabytes: float | None) -> str:
    return "" if megabytes is None else f"{megabytes:,.0f} MB"


def _measured_on(result: Mapping[str, Any]) -> str:
    steps, every = result["tuned"], result["config_steps"]
    shown = f"all {every} steps" if steps == every else f"{steps} of {every} steps"
    return (
        f"Measured on {result['characters']} characters of the release with "
        f"{result['records']:,} records, {shown} of tuning."
    )


def house(folder: Path, models: Path, configs: Path = CONFIG.parent) -> Path:
    """A working folder in which the commands run as in the repository; what they make stays in it.

    `models` is a folder as the repository's `models`; nothing is written there.
    """
    (folder / "train").mkdir(parents=True)
    (folder / "train" / "configs").symlink_to(configs)
    (folder / "characters").symlink_to(ROOT / "characters")
    (folder / "models" / "mini" / "adapters").mkdir(parents=True)
    (folder / "models" / "emotions").symlink_to(ROOT / "models" / "emotions")
    for path in (models / "mini").iterdir():
        if path.name != "adapters":
            (folder / "models" / "mini" / path.name).symlink_to(path)
    return folder


def measure(command: str, folder: Path) -> dict[str, Any]:
    """Run a command on one core: processor seconds, peak memory, exit status."""
    arguments = shlex.split(command)[1:]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, *arguments], cwd=folder, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        raise SystemExit(f"{command} ended with {process.returncode}.")
    return {
        "seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "megabytes": round(usage.ru_maxrss / 1024),
        "status": process.returncode,
    }


def run(release: Path, folder: Path, characters: int, steps: int) -> dict[str, Any]:
    """Measure every command on so many characters, with so many steps; 0 is all of them."""
    people = sorted(path for path in release.iterdir() if path.is_dir())
    for path in people[: characters or None]:
        shutil.copytree(path, folder / RELEASE / path.name)
    house(folder / "house", ROOT / "models")
    found = []
    for command, _ in STEPS:
        given = command.replace(RELEASE, str(folder / RELEASE))
        if " adapter " in given and steps:
            given += f" --set max_steps={steps}"
        found.append(measure(given, folder / "house"))
        if found[-1]["status"] and " lint " not in given:
            raise SystemExit(f"{given} failed.")
    told = json.loads((folder / "house" / "runs" / "imported" / "import-report.json").read_text())
    config = tomllib.loads(CONFIG.read_text("utf-8"))
    return {
        "characters": len(people[: characters or None]),
        "records": told["records"]["in"],
        "tuned": steps or config["max_steps"],
        "config_steps": config["max_steps"],
        "steps": found,
    }


def main() -> None:
    """Measure, keep the figures and write the README's block."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("release", type=Path)
    parser.add_argument("--characters", type=int, default=0)
    parser.add_argument("--steps", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        result = run(args.release, Path(place), args.characters, args.steps)
    RESULT.write_text(json.dumps(result, ensure_ascii=False, indent=2) + "\n", "utf-8")
    write_block(README, "release", block())
    print(block())


if __name__ == "__main__":
    main()
