"""Reads a folder of characters and writes it anew, changed, whole or not at all.

For stages that go from one character folder to the next. Knows no stage: each gives the changed
characters, the files beside their cards, and its report.
"""

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from rolecraft.characters import read_shelf
from rolecraft.characters.folder import read_folder
from rolecraft.characters.model import Character
from rolecraft.characters.plain import write_folder
from rolecraft.errors import CharacterInvalid, TrainingError

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is ten times as fast
# What `write_folder` writes itself; everything else in a character's folder is carried over.
_WRITTEN = {"card.yaml", "script.jsonl", "questions.jsonl", "general.jsonl", "tavern.json"}


INSTRUCTIONS = "instructions.yaml"


@dataclass(frozen=True)
class Source:
    """The characters of a folder; `root` holds their folders, or is the one folder itself."""

    root: Path
    characters: tuple[Character, ...]
    single: bool = False

    @property
    def instructions(self) -> dict[str, str]:
        """The general instructions of the folder in Chinese, by id."""
        path = self.root.parent if self.single else self.root
        return read_instructions(path / INSTRUCTIONS)

    def chosen(self, names: Sequence[str]) -> tuple[Character, ...]:
        """The characters of these ids or names; all without names. Raises TrainingError."""
        known = {key: one for one in self.characters for key in (one.id, *one.name.values())}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise TrainingError(
                f"No character {unknown[0]!r} in {self.root}. There are: "
                f"{', '.join(one.id for one in self.characters)}."
            )
        wanted = {known[name].id for name in names}
        return tuple(one for one in self.characters if not names or one.id in wanted)


@dataclass
class Changed:
    """What a stage makes of one character. A file that is None is removed."""

    character: Character
    files: dict[str, bytes | None] = field(default_factory=dict)


def read_source(root: Path) -> Source:
    """Read a folder of characters, or one character's. Raises when any of them is faulty."""
    if (root / "card.yaml").is_file():
        character, problems = read_folder(root)
        if character is None:
            raise CharacterInvalid(f"{root} cannot be read: {problems[0]}")
        return Source(root, (character,), single=True)
    shelf = read_shelf(root)
    if shelf.problems:
        raise CharacterInvalid(
            f"{len(shelf.problems)} faults in {root}, the first: {shelf.problems[0]}"
        )
    if not shelf.characters:
        raise TrainingError(f"{str(root)!r} holds no character folders (<id>/card.yaml).")
    return Source(root, shelf.characters)


def read_instructions(path: Path) -> dict[str, str]:
    """The instructions of a YAML file, by id; none when there is no file."""
    if not path.is_file():
        return {}
    try:
        found = yaml.load(path.read_text("utf-8"), Loader=_LOADER) or {}
        return {str(key): str(one["zh"]) for key, one in found.items()}
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise TrainingError(
            f"{path} cannot be read ({error!r}). Write lines such as g01: {{zh: …, en: …}}."
        ) from error


def fingerprint(root: Path, *told: Any) -> str:
    """A hash of every file of a folder and of what else decides the result."""
    mark = sha256(json.dumps(told, ensure_ascii=False, sort_keys=True, default=str).encode())
    for path in sorted(one for one in root.rglob("*") if one.is_file()):
        mark.update(path.relative_to(root).as_posix().encode() + b"\0")
        mark.update(sha256(path.read_bytes()).digest())
    return mark.hexdigest()


def done_before(output: Path, report: str, mark: str) -> dict[str, Any] | None:
    """The report of the same work done before. Raises when something else is in the way."""
    path = output / report
    if path.is_file():
        body: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if body.get("fingerprint") == mark:
            return body
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise TrainingError(
            f"{str(output)!r} is not empty and holds something else. Name a new folder, or remove "
            "that one."
        )
    return None


def write_source(
    source: Source,
    output: Path,
    changed: Iterable[Changed],
    report: tuple[str, Mapping[str, Any]],
    files: Mapping[str, bytes] | None = None,
) -> None:
    """Write the folder with the changed characters and the report; `output` appears at the end."""
    draft = output.parent / f".{output.name}.new"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    mine = {one.character.id: one for one in changed}
    for character in source.characters:
        if character.id in mine:
            _write(mine[character.id], draft)
        elif character.folder:
            shutil.copytree(character.folder, draft / character.id)
    if not source.single:
        for path in sorted(source.root.iterdir()):
            if path.is_file() and not path.name.startswith("."):
                shutil.copy2(path, draft / path.name)
    for name, body in (files or {}).items():
        (draft / name).write_bytes(body)
    name, told = report
    (draft / name).write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", "utf-8")
    _to_disk(draft)
    if output.exists():
        output.rmdir()
    draft.rename(output)


def json_lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Rows as the bytes of a JSON-lines file."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _write(one: Changed, draft: Path) -> None:
    folder = one.character.folder
    kept: dict[str, bytes] = {}
    if folder:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            name = path.relative_to(folder).as_posix()
            if name not in _WRITTEN:
                kept[name] = path.read_bytes()
    for name, body in one.files.items():
        kept.pop(name, None)
        if body is not None:
            kept[name] = body
    write_folder(one.character, draft, kept)


def _to_disk(folder: Path) -> None:
    """After the rename the files must be there even if the power goes."""
    for path in folder.rglob("*"):
        if path.is_file():
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
