"""What the stages that ask have in common: arguments, one run from IN to OUT, the printed report.

Knows no stage: each brings its tasks and what it makes of their answers.
"""

import argparse
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rolecraft.errors import TrainingError
from train.asking.tasks import Settled, Task
from train.asking.work import add_options, work
from train.shelves import Changed, Source, done_before, fingerprint, read_source, write_source

# Options that say how a job is carried out and not what comes of it.
_HOW = {
    "output", "input", "json", "at_once", "retries", "answers", "estimate", "pilot", "price_in",
    "price_out", "tokens_per_character", "reply_tokens", "seconds_per_answer", "max_cost",
    "batch_export", "batch_import", "catalogue",
}  # fmt: skip


@dataclass
class Made:
    """What a stage made of the answers: changed characters, counts, files beside the folders.

    Records in = kept + the sum of dropped.
    """

    changed: list[Changed] = field(default_factory=list)
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    facts: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)


def stage_parser(stage: str, about: str | None, top_p: float) -> argparse.ArgumentParser:
    """The arguments that such stages share. Sampling is the paper's: temperature 0.7."""
    parser = argparse.ArgumentParser(prog=f"python -m train {stage}", description=about)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("input", metavar="IN", type=Path, help="a folder of characters")
    parser.add_argument("output", metavar="OUT", type=Path, nargs="?", help="the folder to write")
    parser.add_argument("--character", action="append", default=[], metavar="NAME")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    add_options(parser, temperature=0.7, top_p=top_p)
    return parser


def carry_out(
    args: argparse.Namespace,
    stage: str,
    version: int,
    tasks_of: Callable[[Source], Sequence[Task]],
    make: Callable[[Source, Sequence[Settled]], Made],
) -> int:
    """Ask, make, write, print; the exit status. Raises RoleCraftError."""
    if args.output is None and not (args.estimate or args.pilot or args.batch_export):
        raise TrainingError(f"Name the folder to write: python -m train {stage} IN OUT …")
    source = read_source(args.input)
    report = f"{stage}-report.json"
    options = {key: value for key, value in vars(args).items() if key not in _HOW}
    files = [path for path in options.values() if isinstance(path, Path) and path.is_file()]
    told = [path.read_text("utf-8", errors="replace") for path in files]
    mark = fingerprint(source.root, version, options, told)
    before = done_before(args.output, report, mark) if args.output else None
    if before is None:
        done = work(tasks_of(source), args)
        if done is None:
            return 0
        made = make(source, done.settled)
        records = {
            "in": made.kept + made.dropped.total(),
            "kept": made.kept,
            "dropped": dict(made.dropped.most_common()),
        }
        body = {"stage": stage, "fingerprint": mark, "records": records, **made.facts}
        before = {**body, **done.report}
        write_source(source, args.output, made.changed, (report, before), made.files)
    print(json.dumps(before, ensure_ascii=False, indent=1) if args.json else summary(before))
    return 0


def summary(body: Mapping[str, Any]) -> str:
    """The report for people."""
    records = body["records"]
    tasks = ", ".join(f"{count:,} {name}" for name, count in body["tasks"].items())
    lines = [f"tasks: {tasks}", f"records: {records['in']:,} in, {records['kept']:,} kept"]
    lines += [f"{count:7,d}  dropped: {reason}" for reason, count in records["dropped"].items()]
    return "\n".join(lines)
