"""Sheets for annotators, and what comes back: the majority's label or another round.

Each annotator has a sheet of their own, with the passages in an order of their own and no label to
lean on. Sheets are CSV for spreadsheets or JSON lines. Knows no engine.
"""

import csv
import io
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rolecraft.emotions import LABELS
from rolecraft.errors import TrainingError
from train.annotate.agreement import agreement
from train.annotate.lines import Labelling, Passage, Place
from train.importers.encoding import read_text
from train.importers.labels import Labels

COLUMNS = ("item", "scene", "speaker", "text", "question", "emotion", "note")
AGAIN = "annotate-again.csv"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what spreadsheets take for a formula

Key = tuple[str, Place]  # character, place


def write_sheets(
    found: Sequence[Passage], folder: Path, annotators: int, seed: int, form: str,
    sample: int | None = None,
) -> list[Path]:  # fmt: skip
    """Write a sheet for each annotator; their paths. Raises TrainingError."""
    if annotators < 2:
        raise TrainingError(f"--annotators {annotators}: agreement needs at least 2.")
    if sample is not None and sample < len(found):
        chosen = sorted(random.Random(seed).sample(range(len(found)), sample))
        found = [found[n] for n in chosen]
    if not found:
        raise TrainingError("There is no line to annotate.")
    if folder.exists() and any(folder.iterdir()):
        raise TrainingError(
            f"{str(folder)!r} is not empty; sheets might be filled in. Name another."
        )
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(1, annotators + 1):
        order = list(found)
        random.Random(f"{seed} {number}").shuffle(order)
        rows = [row for passage in order for row in _rows(passage)]
        path = folder / f"annotator-{number}.{form}"
        path.write_bytes(_csv(rows) if form == "csv" else _json_lines(rows))
        paths.append(path)
    return paths


def collect(
    files: Sequence[Path], found: Sequence[Passage]
) -> tuple[dict[Key, Labelling], dict[str, Any], dict[str, bytes]]:
    """The majority's labels, what the report says, and the sheet of lines to annotate again.

    A label stands when more than half of those who labelled the line gave it, and at least two.
    Raises TrainingError for a label outside the ten or a line that is not in the folder.
    """
    places = {_item(passage, n): (passage, n) for passage in found for n in passage.wanted}
    given: dict[str, list[str]] = defaultdict(list)
    blank: Counter[str] = Counter()
    for path in files:
        for item, label in _read(path, set(places)):
            if label:
                given[item].append(label)
            else:
                blank[path.name] += 1
                given[item] += []
    labels: dict[Key, Labelling] = {}
    again: list[str] = []
    for item, told in given.items():
        passage, n = places[item]
        found_label = majority(told)
        if found_label is None:
            again.append(item)
        else:
            count = f"{told.count(found_label)} of {len(told)}"
            key = passage.character, passage.lines[n].place
            labels[key] = Labelling(found_label, "annotators", count)
    before = [
        (places[item][0].lines[places[item][1]].emotion, majority(told))
        for item, told in given.items()
    ]
    settled = [(old, new) for old, new in before if new]
    told_of = {
        "annotators": len(files),
        "items": len(given),
        "majority": len(labels),
        "to_annotate_again": len(again),
        "left_blank": dict(blank),
        "agreement": agreement(list(given.values())).as_json(),
        "as_labelled_before": _before(settled),
    }
    rows = [row for item in again for row in _rows(places[item][0], [places[item][1]])]
    for row in rows:
        row["note"] = " / ".join(given[row["item"]])
    return labels, told_of, {AGAIN: _csv(rows)} if rows else {}


def majority(labels: Sequence[str]) -> str | None:
    """The label of more than half and at least two; None when it must be annotated again."""
    counted = Counter(labels).most_common(1)
    if not counted or counted[0][1] < 2 or counted[0][1] * 2 <= len(labels):
        return None
    return counted[0][0]


def _before(pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """How the labels that were there agree with the majority: by label, found of how many."""
    by_label = {
        label: [sum(old == new for old, new in mine), len(mine)]
        for label in LABELS
        if (mine := [pair for pair in pairs if pair[1] == label])
    }
    return {"same": sum(old == new for old, new in pairs), "of": len(pairs), "by_label": by_label}


def _item(passage: Passage, n: int) -> str:
    place = passage.lines[n].place
    return f"{passage.character}/{place.file}/{place.id}/{place.n}"


def _rows(passage: Passage, wanted: Sequence[int] | None = None) -> Iterator[dict[str, str]]:
    """The lines of a passage; those that want no label have no item and are only for reading."""
    chosen = passage.wanted if wanted is None else wanted
    for n, line in enumerate(passage.lines):
        if passage.talk or n in chosen:
            yield {
                "item": _item(passage, n) if n in chosen else "",
                "scene": passage.scene,
                "speaker": line.speaker,
                "text": line.text,
                "question": line.question,
                "emotion": "",
                "note": "",
            }


def _csv(rows: Iterable[dict[str, str]]) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, COLUMNS)
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {key: f"'{text}" if text.startswith(_FORMULA) else text for key, text in row.items()}
        )
    return stream.getvalue().encode("utf-8-sig")  # spreadsheets need the mark to see UTF-8


def _json_lines(rows: Iterable[dict[str, str]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _read(path: Path, known: set[str]) -> Iterator[tuple[str, str]]:
    """The items of a filled sheet with their labels; "" where nothing was filled in."""
    if not path.is_file():
        raise TrainingError(f"No sheet {str(path)!r}.")
    words, seen = Labels(), set[str]()
    for line, row in _sheet(path):
        item, word = str(row.get("item") or "").strip(), str(row.get("emotion") or "").strip()
        if not item:
            if word:
                raise TrainingError(
                    f"{path}, line {line}: {word!r} is given to a line without item."
                )
            continue
        if item not in known:
            raise TrainingError(
                f"{path}, line {line}: no line {item!r} in the folder. Collect with the folder "
                "that the sheets were made from."
            )
        if item in seen:
            raise TrainingError(f"{path}, line {line}: {item} stands in the sheet twice.")
        seen.add(item)
        label = words.meaning(word) if word else ""
        if label is None:
            raise TrainingError(
                f"{path}, line {line}: {word!r} is none of the ten: {' '.join(LABELS)}."
            )
        yield item, label


def _sheet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    decoded = read_text(path)
    text = decoded.text
    if decoded.broken:
        raise TrainingError(f"{path}, line {min(decoded.broken)} is not {decoded.encoding}.")
    if path.suffix.lower() != ".csv":
        for line, written in enumerate(text.split("\n"), start=1):
            if written.strip():
                try:
                    yield line, dict(json.loads(written))
                except (ValueError, TypeError) as error:
                    raise TrainingError(f"{path}, line {line} is no JSON object.") from error
        return
    # Spreadsheets of some countries write semicolons.
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    if not {"item", "emotion"} <= set(reader.fieldnames or ()):
        raise TrainingError(f"{path} has no columns item and emotion. Its head: {head[:80]!r}.")
    for row in reader:
        yield reader.line_num, row
