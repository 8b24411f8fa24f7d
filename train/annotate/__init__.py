"""Gives every line one of the ten emotions: by an engine, a classifier or people.

`python -m train annotate IN OUT --engine NAME` asks an engine for a label and a reason;
`… IN OUT --classifier models/emotions` labels offline, without reasons;
`… IN --sheet DIR --annotators 3` writes sheets for people, and `… IN OUT --collect DIR/*.csv`
reads them: the majority's label, or a sheet of what must be annotated again, and how far they
agree. IN holds character folders; OUT is a new folder. Lines without a label of their own
(`unlabelled.jsonl`) are labelled; with --all every line is. What is unscored keeps its place in
that list. OUT/annotate-report.json counts: lines in = labelled + unscored.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from rolecraft.errors import TrainingError
from train.annotate.asking import task_of
from train.annotate.lines import Labelling, Passage, Place, labelled, passages, unlabelled
from train.annotate.people import collect, write_sheets
from train.asking import add_options, work
from train.shelves import Source, done_before, fingerprint, read_source, write_source

REPORT = "annotate-report.json"
VERSION = 1  # raise it when the same input is labelled otherwise


def make_parser() -> argparse.ArgumentParser:
    """The arguments of this stage."""
    parser = argparse.ArgumentParser(prog="python -m train annotate", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("input", metavar="IN", type=Path, help="a folder of characters")
    parser.add_argument("output", metavar="OUT", type=Path, nargs="?", help="the folder to write")
    parser.add_argument("--character", action="append", default=[], metavar="NAME")
    parser.add_argument("--all", action="store_true", help="label labelled lines anew, too")
    parser.add_argument("--lines", type=int, default=16, help="most labels in one answer")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--classifier", type=Path, metavar="DIR", help="label offline")
    people = parser.add_argument_group("annotation by people")
    people.add_argument("--sheet", type=Path, metavar="DIR", help="write sheets for annotators")
    people.add_argument("--annotators", type=int, default=3)
    people.add_argument("--sample", type=int, metavar="N", help="so many passages, drawn by --seed")
    people.add_argument("--format", choices=("csv", "jsonl"), default="csv")
    people.add_argument("--collect", type=Path, nargs="+", metavar="FILE", help="read sheets")
    add_options(parser, temperature=0.0, top_p=1.0)
    return parser


def main(args: argparse.Namespace) -> int:
    """Annotate; exit 0 also when some lines stayed unscored, which the report counts."""
    if args.lines < 1:
        raise TrainingError(f"--lines {args.lines}: at least 1.")
    source = read_source(args.input)
    found = _passages(source, args)
    if args.sheet:
        for path in write_sheets(found, args.sheet, args.annotators, args.seed, args.format,
                                 args.sample):  # fmt: skip
            print(path)
        return 0
    if args.output is None and not (args.estimate or args.pilot or args.batch_export):
        raise TrainingError("Name the folder to write: python -m train annotate IN OUT …")
    body = run(source, found, args)
    if body:
        print(json.dumps(body, ensure_ascii=False, indent=1) if args.json else summary(body))
    return 0


def run(
    source: Source, found: Sequence[Passage], args: argparse.Namespace
) -> dict[str, Any] | None:
    """Label and write; the report, or None when nothing was to be written."""
    mark = fingerprint(source.root, VERSION, _options(args))
    if args.output and (before := done_before(args.output, REPORT, mark)):
        return before
    files: dict[str, bytes] = {}
    if args.collect:
        labels, told, files = collect(args.collect, found)
    elif args.classifier:
        labels, told = _classify(found, args.classifier)
    else:
        tasks = [task_of(passage, args) for passage in found]
        done = work(tasks, args)
        if done is None:
            return None
        labels, told = _by_engine(done.settled, args), done.report
    body = {"stage": "annotate", "fingerprint": mark, **_counts(found, labels), **told}
    changed = [
        labelled(one, mine)
        for one in source.characters
        if (mine := {place: label for (who, place), label in labels.items() if who == one.id})
    ]
    write_source(source, args.output, changed, (REPORT, body), files)
    return body


def summary(body: Mapping[str, Any]) -> str:
    """The report for people."""
    lines = body["lines"]
    shown = [
        f"{lines['in']:,} lines: {lines['labelled']:,} labelled, {lines['unscored']:,} unscored"
    ]
    shown.append("  ".join(f"{label} {count:,}" for label, count in body["labels"].items()))
    if "tasks" in body:
        shown.append(
            "tasks: " + ", ".join(f"{count:,} {name}" for name, count in body["tasks"].items())
        )
    if "agreement" in body:
        alpha = body["agreement"]["alpha"]
        shown.append(f"Krippendorff's alpha: {'not to be had' if alpha is None else alpha}")
        shown.append(f"{body['to_annotate_again']:,} lines to annotate again")
    return "\n".join(shown)


def _passages(source: Source, args: argparse.Namespace) -> list[Passage]:
    everything = args.all or args.sheet or args.collect
    instructions = source.instructions
    return [
        passage
        for one in source.chosen(args.character)
        for passage in passages(
            one, None if everything else unlabelled(one), args.lines, instructions
        )
    ]


def _options(args: argparse.Namespace) -> dict[str, Any]:
    """What decides the result beside the input."""
    names = ("character", "all", "lines", "engine", "model", "temperature", "top_p",
             "max_new_tokens", "seed")  # fmt: skip
    if args.collect:
        sheets = [path.read_bytes() for path in args.collect if path.is_file()]
        return {"sheets": [sha256(body).hexdigest() for body in sheets]}
    if args.classifier:
        return {"classifier": fingerprint(args.classifier), "all": args.all}
    return {name: getattr(args, name) for name in names}


def _by_engine(
    settled: Iterable[Any], args: argparse.Namespace
) -> dict[tuple[str, Place], Labelling]:
    labels = {}
    for one in settled:
        passage: Passage = one.task.facts
        for given in one.value.labels if one.value else ():
            place = passage.lines[given.n - 1].place
            by = args.model or args.engine
            labels[passage.character, place] = Labelling(given.emotion, by, given.why)
    return labels


def _classify(
    found: Sequence[Passage], folder: Path
) -> tuple[dict[tuple[str, Place], Labelling], dict[str, Any]]:
    from train.emotions import Classifier

    classifier = Classifier.load(folder)
    wanted = [(one, one.lines[n], n) for one in found for n in one.wanted]
    guesses = classifier.label(
        [line.text for _, line, _ in wanted],
        [one.lines[n - 1].text if one.talk and n else line.question for one, line, n in wanted],
    )
    labels = {
        (one.character, line.place): Labelling(guess, "emotions")
        for (one, line, _), guess in zip(wanted, guesses, strict=True)
    }
    return labels, {"classifier": classifier.facts}


def _counts(
    found: Sequence[Passage], labels: Mapping[tuple[str, Place], Labelling]
) -> dict[str, Any]:
    wanted = [(one.character, one.lines[n]) for one in found for n in one.wanted]
    given = [(line, labels[who, line.place]) for who, line in wanted if (who, line.place) in labels]
    changed = Counter(
        f"{line.emotion} → {one.emotion}" for line, one in given if line.emotion != one.emotion
    )
    return {
        "lines": {"in": len(wanted), "labelled": len(given), "unscored": len(wanted) - len(given)},
        "labels": dict(Counter(one.emotion for _, one in given).most_common()),
        "changed": dict(changed.most_common()),
    }
