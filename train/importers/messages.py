"""Imports ShareGPT (`conversations` of `from`, `value`) and `messages` (`role`, `content`) files.

The assistant is the character, the user a visitor. Whose talk it is stands in a field of the record
(`character`, `name`, `role_name`) or in --character.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rolecraft.errors import TrainingError
from train.importers.gathered import Cleaner, Gathered, Line, Options, Talk
from train.importers.inputs import Input, inputs
from train.importers.ledger import Entry, Ledger
from train.importers.objects import objects
from train.importers.release import first

SUFFIXES = (".jsonl", ".json", ".ndjson")
VISITOR = "访客"

_LISTS = ("messages", "conversations", "conversation", "dialogue", "turns")
_NAMES = ("character", "role_name", "char_name", "name", "bot")
_ASSISTANT = ("assistant", "gpt", "bot", "model", "char", "chatgpt", "character")
_USER = ("user", "human", "prompter")


def gather(source: Path, ledger: Ledger, options: Options) -> Iterator[Gathered]:
    """The characters of one file or of a folder of files."""
    if len(options.characters) > 1:
        raise TrainingError("Only one --character can be imported from this kind of source.")
    importer = _Messages(Cleaner(ledger, options), options)
    for one in inputs(source, SUFFIXES, ledger):
        importer.read(one)
    for _, gathered in sorted(importer.found.items()):
        yield gathered


class _Messages:
    """Sorts conversations by character."""

    def __init__(self, cleaner: Cleaner, options: Options) -> None:
        self.cleaner = cleaner
        self.default = options.characters[0] if options.characters else ""
        self.found: dict[str, Gathered] = {}

    def read(self, source: Input) -> None:
        """One file; every message is a record."""
        for found in objects(source.decoded.text, source.decoded.broken, unwrap=False):
            rows = first(found.value, _LISTS) if found.value else None
            if found.value is None or not isinstance(rows, list) or not rows:
                entry = self.cleaner.ledger.enter(
                    "unreadable", source.shown, found.line, found.text
                )
                entry.refuse(found.fault or f"no messages: none of {', '.join(_LISTS)} in it")
                continue
            told = first(found.value, _NAMES)
            name = self.default or (told.strip() if isinstance(told, str) else "")
            if not name:
                raise TrainingError(
                    f"Say with --character who the assistant is: {source.shown}:{found.line} has "
                    f"no field {', '.join(_NAMES)}."
                )
            lines = []
            for item, row in enumerate(rows):
                entry = self.cleaner.ledger.enter("line", source.shown, found.line, str(row), item)
                entry.owner = name
                entry.repair(found.repair)
                line = self._line(entry, name, row)
                if line:
                    lines.append(line)
            self.found.setdefault(name, Gathered(name)).talks.append(Talk(lines, bounded=True))

    def _line(self, entry: Entry, name: str, row: Any) -> Line | None:
        if not isinstance(row, Mapping):
            entry.refuse("a message that is no object")
            return None
        role = str(first(row, ("role", "from", "speaker")) or "").strip()
        text = _content(first(row, ("content", "value", "text")))
        entry.value = text or str(dict(row))
        if role.casefold() in _ASSISTANT or (role and role == name):
            speaker = name
        elif role.casefold() in _USER:
            speaker = VISITOR
        else:
            entry.refuse(f"message of no speaker: {role or 'no role'}")
            return None
        if text is None:
            entry.refuse("no text: the message has no content")
            return None
        return self.cleaner.line(entry, speaker, text, str(row.get("emotion") or ""))


def _content(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, list):  # parts of several kinds, of which only text can be talked
        parts = [one.get("text") for one in value if isinstance(one, Mapping)]
        texts = [part for part in parts if isinstance(part, str)]
        return "\n".join(texts) if texts else None
    return None
