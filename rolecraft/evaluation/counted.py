"""What was counted of a shelf, as a file beside the characters, so that a page need not count.

Parts of speech, the style test and the word clouds take half a minute; reading the file takes none.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rolecraft.characters.shelf import Shelf
from rolecraft.errors import ResultsError
from rolecraft.evaluation import figures
from rolecraft.evaluation.dataset import Dataset
from rolecraft.evaluation.style import StyleTest

FILE = "counted.json"
FORMAT = "rolecraft-counted/1"
Names = Mapping[str, Callable[[str], str]]  # language → how it calls a trait

# Drawn twice, because on a phone the wide cloud's small words could not be read.
CLOUDS = {"wide": ((1000, 470), 84), "tall": ((560, 760), 84)}  # size in pixels, largest word


@dataclass(frozen=True)
class Counted:
    """The numbers of a shelf as JSON holds them, and the clouds by language and shape."""

    numbers: Mapping[str, Any]
    clouds: Mapping[str, Mapping[str, list[figures.Place]]]
    fresh: bool  # the characters are still as they were counted


def save(shelf: Shelf, dataset: Dataset, style: StyleTest, names: Names) -> list[str]:
    """Write the file of a shelf. Returns, in words, what was left out."""
    clouds: dict[str, Any] = {}
    notes = []
    try:
        for language, name in names.items():
            traits = {name(trait): count for trait, count in dataset.traits.items()}
            clouds[language] = {
                shape: figures.cloud_places(traits, size, largest)
                for shape, (size, largest) in CLOUDS.items()
            }
    except ResultsError as error:
        clouds, notes = {}, [str(error)]
    body = {
        "format": FORMAT,
        "shelf": fingerprint(shelf),
        "numbers": _numbers(dataset, style),
        "clouds": clouds,
    }
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    (shelf.folder / FILE).write_text(text + "\n", "utf-8")
    return notes


def read(shelf: Shelf) -> Counted | None:
    """What was counted of this shelf; None when nothing was, or of other characters."""
    body = _read(shelf.folder / FILE)
    ids = {one.id for one in shelf.characters}
    if body is None or set(body["numbers"]["signatures"]) != ids:
        return None
    clouds = {
        language: {shape: [figures.Place(*one) for one in places] for shape, places in by.items()}
        for language, by in body["clouds"].items()
    }
    return Counted(body["numbers"], clouds, body["shelf"] == fingerprint(shelf))


def stale(shelf: Shelf, dataset: Dataset, style: StyleTest) -> list[str]:
    """Why the file does not say what the characters say, in words; empty when it does."""
    path = shelf.folder / FILE
    body = _read(path)
    if body is None:
        return [f"{path} is missing or cannot be read."]
    same = body["shelf"] == fingerprint(shelf) and body["numbers"] == _numbers(dataset, style)
    return [] if same else [f"{path} does not agree with the characters."]


def fingerprint(shelf: Shelf) -> str:
    """Changes with everything that is counted."""
    body = hashlib.sha256()
    for one in shelf.characters:
        counted = (one.id, one.profile, one.traits, one.script, one.questions, one.general)
        everyday = tuple((row.topic, row.answer) for row in one.everyday)
        body.update(repr((*counted, everyday)).encode())
    return body.hexdigest()[:16]


def _numbers(dataset: Dataset, style: StyleTest) -> dict[str, Any]:
    return {**dataset.as_json(), "style": style.as_json()}


def _read(path: Path) -> dict[str, Any] | None:
    try:
        body = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    known = isinstance(body, dict) and body.get("format") == FORMAT
    return body if known else None
