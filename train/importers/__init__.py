"""Brings raw dialogue into character folders.

`python -m train importers --source KIND IN OUT`: KIND is roleinstruct, table, wechat, subtitles,
tavern or messages; IN a file or folder; OUT a folder of character folders that does not exist yet.
Every record is kept, repaired or refused, and OUT/import-report.json says which, where and why.
OUT appears whole or not at all; a second run over the same input changes nothing.
"""

import argparse
import importlib
import json
import shutil
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from rolecraft.characters.model import Character
from rolecraft.emotions import LABELS
from rolecraft.errors import TrainingError
from train.importers.folders import Instructions, bind, write
from train.importers.gathered import MOST_TURNS, TEST_SHARE, Options
from train.importers.labels import Labels
from train.importers.ledger import Ledger
from train.importers.report import FILE, report, summary

SOURCES = {
    "roleinstruct": "roleinstruct",
    "table": "tables",
    "wechat": "wechat",
    "subtitles": "subtitles",
    "tavern": "tavern",
    "messages": "messages",
}
VERSION = 2  # raise it when the same input comes out otherwise


def make_parser() -> argparse.ArgumentParser:
    """The arguments of this stage."""
    parser = argparse.ArgumentParser(prog="python -m train importers", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--source", required=True, choices=SOURCES, help="what IN is")
    parser.add_argument("input", metavar="IN", type=Path, help="a file or a folder")
    parser.add_argument("output", metavar="OUT", type=Path, help="the folder to write")
    parser.add_argument(
        "--character", action="append", default=[], metavar="NAME",
        help="whose talk it is; for roleinstruct, which folders to import (repeatable)",
    )  # fmt: skip
    parser.add_argument("--id", metavar="SLUG", help="the id of the one character, as ma-xiaoyu")
    parser.add_argument(
        "--columns", nargs="*", default=[], metavar="COLUMN=NAME",
        help="names of a table's columns, such as speaker=who text=said",
    )  # fmt: skip
    parser.add_argument(
        "--label", action="append", default=[], metavar="WORD=LABEL",
        help=f"read a word as one of the ten labels {' '.join(LABELS)} (repeatable)",
    )  # fmt: skip
    parser.add_argument("--turns", type=int, default=MOST_TURNS, help="most turns of a dialogue")
    parser.add_argument("--gap-minutes", type=float, default=120, help="pause that ends a talk")
    parser.add_argument("--test-share", type=float, default=TEST_SHARE, help="questions for tests")
    parser.add_argument("--licence", default="", help="licence of the data, for the cards")
    parser.add_argument("--author", default="", help="author of the data, for the cards")
    parser.add_argument("--json", action="store_true", help="print the report's counts as JSON")
    return parser


def main(args: argparse.Namespace) -> int:
    """Import; exit 1 when nothing came out."""
    options = _options(args)
    body = run(args.source, args.input, args.output, options)
    if args.json:
        shown = {key: value for key, value in body.items() if key != "events"}
        print(json.dumps(shown, ensure_ascii=False, indent=1))
    else:
        print(summary(body))
        print(f"{args.output}: {len(body['characters'])} characters; details in {FILE}")
    return 0 if body["records"]["out"] else 1


def run(source: str, path: Path, output: Path, options: Options) -> dict[str, Any]:
    """Import `path` into `output`; the report. Raises RoleCraftError.

    Interrupted, it leaves no `output`; done before with the same input and options, it reads the
    report that is there.
    """
    if not path.exists():
        raise TrainingError(f"No file or folder {str(path)!r}. Name what is to be imported.")
    mark = _fingerprint(source, path, options)
    if (output / FILE).is_file():
        before: dict[str, Any] = json.loads((output / FILE).read_text("utf-8"))
        if before.get("fingerprint") == mark:
            return before
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise TrainingError(
            f"{str(output)!r} is not empty and holds another import. Name a new folder, or remove "
            "that one."
        )
    draft = output.parent / f".{output.name}.new"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    ledger = Ledger()
    written = _import(source, path, draft, ledger, options)
    described = {"source": source, "input": path.name, "version": VERSION, "fingerprint": mark}
    body = report(ledger, written, described)
    (draft / FILE).write_text(json.dumps(body, ensure_ascii=False, indent=0), "utf-8")
    if output.exists():
        output.rmdir()
    draft.rename(output)
    return body


def _import(
    source: str, path: Path, draft: Path, ledger: Ledger, options: Options
) -> dict[str, dict[str, int]]:
    written: dict[str, dict[str, int]] = {}
    module = importlib.import_module(f"train.importers.{SOURCES[source]}")
    if source == "tavern":
        for card in module.cards(path, ledger, options):
            card.write(draft)
            ledger.settle(card.name)
            written[card.name] = _counts(card.card.character)
        ledger.close()
        return written
    instructions = Instructions()
    for gathered in module.gather(path, ledger, options):
        bound = bind(gathered, instructions, options)
        if bound:
            write(bound, draft)
            written[gathered.name] = _counts(bound.character)
        ledger.settle(gathered.name)
    ledger.close()
    if instructions.numbers:
        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # libyaml is ten times as fast
        body = yaml.dump(instructions.as_yaml(), Dumper=dumper, allow_unicode=True, width=100)
        (draft / "instructions.yaml").write_text(body, "utf-8")
    return written


def _counts(character: Character) -> dict[str, int]:
    return {
        "dialogues": len(character.script),
        "turns": sum(len(dialogue.turns) for dialogue in character.script),
        "questions": len(character.questions),
        "test_questions": len(character.questions_of("test")),
        "replies": sum(len(row.answers) for row in character.general),
        "profile_fields": len(character.profile),
    }


def _options(args: argparse.Namespace) -> Options:
    labels = _pairs(args.label, "--label")
    for word, label in labels.items():
        if label not in LABELS:
            raise TrainingError(
                f"--label {word}={label}: {label!r} is none of the ten: {' '.join(LABELS)}."
            )
    if args.turns < 2:
        raise TrainingError(f"--turns {args.turns}: a dialogue has at least 2 turns.")
    if not 0 <= args.test_share < 1:
        raise TrainingError(f"--test-share {args.test_share}: give a share from 0 to below 1.")
    return Options(
        characters=tuple(args.character),
        identity=args.id,
        columns=_pairs(args.columns, "--columns"),
        labels=Labels(labels),
        most_turns=args.turns,
        gap_minutes=args.gap_minutes,
        test_share=args.test_share,
        licence=args.licence,
        author=args.author,
    )


def _pairs(texts: list[str], option: str) -> dict[str, str]:
    pairs = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not (key and separator and value):
            raise TrainingError(f"{option} {text!r} is not of the form a=b.")
        pairs[key.strip()] = value.strip()
    return pairs


def _fingerprint(source: str, path: Path, options: Options) -> str:
    told: Mapping[str, Any] = {**vars(options), "labels": options.labels.table}
    mark = sha256(f"{VERSION} {source} {sorted(told.items())}".encode())
    for file in _files(path):
        mark.update(file.relative_to(path.parent).as_posix().encode())
        mark.update(sha256(file.read_bytes()).digest())
    return mark.hexdigest()


def _files(path: Path) -> Iterator[Path]:
    yield from [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
