"""Measures the offline classifier of emotions on lines that it never saw; writes docs/data.md.

    python -m benchmarks.emotions [--release FOLDER] [--classifier models/emotions]

In its domain: held-out dialogues and test questions of the cast, and, by classifiers made in the
same way, characters that nothing was learnt from. With --release also out of its
domain: every labelled line of the scripts of a RoleInstruct release, whose labels a large model
gave. Nothing of the release is kept but the numbers.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.importers import DOCS, ROOT
from benchmarks.readme import write_block
from rolecraft.characters import read_shelf
from rolecraft.emotions import LABELS
from train.emotions import Classifier, Config, Spoken, lines_of, score, unseen
from train.importers.labels import Labels
from train.importers.release import character_folders, read_files, records
from train.importers.roleinstruct import is_labelled
from train.shelves import read_instructions

RESULT = ROOT / "benchmarks" / "results" / "emotions.json"
CONFIG = ROOT / "train" / "configs" / "emotions.toml"


def of_the_cast(folder: Path) -> tuple[list[Spoken], list[Spoken]]:
    """What of the cast is learnt from, and what is held out."""
    characters = read_shelf(folder).characters
    return lines_of(characters, read_instructions(folder / "instructions.yaml"))


def of_the_release(folder: Path) -> list[Spoken]:
    """The lines of the scripts whose label is one of the ten or read as one by the table."""
    labels, lines = Labels(), []
    for inner in character_folders(folder):
        for file in read_files(inner, folder):
            if file.kind != "script":
                continue
            raws = [raw for raw in records(file) if not raw.fault]
            scripted, before = is_labelled(raws), ""
            for raw in raws:
                found = labels.opening(raw.text, loose=scripted)
                text = found.text.strip()
                if found.emotion and text:
                    lines.append(Spoken(text, before, found.emotion, inner.name, "release"))
                before = text
    return lines


def block(result: Mapping[str, Any]) -> str:
    """The table of docs/data.md."""
    sides = {
        "held-out lines of the cast": "cast",
        "characters left out, by folds": "unseen",
        "lines of the published scripts": "release",
    }
    shown = {name: result[key] for name, key in sides.items() if key in result}
    rows = [("", *shown)]
    rows.append(("lines", *(f"{one['lines']:,}" for one in shown.values())))
    rows.append(("**macro-F1**", *(f"**{one['macro_f1']:.3f}**" for one in shown.values())))
    rows.append(("accuracy", *(f"{one['accuracy']:.3f}" for one in shown.values())))
    rows.append(
        ("always the commonest label: macro-F1, accuracy", *(_same(one) for one in shown.values()))
    )
    for label in LABELS:
        cells = (one["by_label"][label] for one in shown.values())
        rows.append((f"F1 of {label}", *(f"{c['f1']:.3f} of {c['lines']:,}" for c in cells)))
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|---" + "|--:" * len(shown) + "|", *lines[1:]]) + "\n"


def _same(one: Mapping[str, Any]) -> str:
    same = one["always_the_same"]
    return f"{same['label']} {same['macro_f1']:.3f}, {same['accuracy']:.3f}"


def main() -> int:
    """Measure, print, write the result and the docs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--release", type=Path)
    parser.add_argument("--classifier", type=Path, default=ROOT / "models" / "emotions")
    args = parser.parse_args()
    classifier = Classifier.load(args.classifier)
    result = {"classifier": dict(classifier.facts)}
    learnt, kept = of_the_cast(ROOT / "characters")
    result["cast"] = score(classifier, kept)
    result["unseen"] = unseen(learnt, Config.read(CONFIG))
    if args.release:
        result["release"] = score(classifier, of_the_release(args.release))
    print(block(result), end="")
    if args.release:
        RESULT.write_text(json.dumps(result, ensure_ascii=False, indent=2) + "\n", "utf-8")
        write_block(DOCS, "emotions", block(result))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
