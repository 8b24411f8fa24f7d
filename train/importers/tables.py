"""Imports CSV, TSV and JSON lines whose columns hold talk (speaker, text) or questions and answers.

Columns are found by their usual names; `--columns text=content` names them otherwise. A column
`dialogue` says which rows belong together, a column `character` whose talk it is.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rolecraft.errors import TrainingError
from train.importers.gathered import Asked, Cleaner, Gathered, Options, Talk
from train.importers.inputs import Input, inputs, the_character
from train.importers.ledger import Entry, Ledger
from train.importers.objects import Found, objects
from train.importers.release import ANSWER, EMOTION, QUESTION, SPEAKER, TEXT, first

SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".ndjson")
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "speaker": SPEAKER,
    "text": TEXT,
    "emotion": (*EMOTION, "mood"),
    "dialogue": ("dialogue", "dialog", "dialogue_id", "conversation", "session", "对话", "会话"),
    "scene": ("scene", "场景"),
    "question": QUESTION,
    "answer": ANSWER,
    "kind": ("kind",),
    "split": ("split",),
    "character": ("character", "人物"),
    "turns": ("turns", "dialogue", "utterances", "messages", "conversation"),
}


@dataclass
class _Rows:
    """What was read so far: talks by character and dialogue, in order, and questions."""

    talks: dict[tuple[str, str], Talk] = field(default_factory=dict)
    questions: list[tuple[str, Entry, dict[str, str]]] = field(default_factory=list)


def gather(source: Path, ledger: Ledger, options: Options) -> Iterator[Gathered]:
    """The characters of one table or of a folder of them."""
    unknown = sorted(set(options.columns) - set(COLUMNS))
    if unknown:
        raise TrainingError(f"No column {unknown[0]!r}. Columns: {', '.join(COLUMNS)}.")
    table = _Table(Cleaner(ledger, options), options)
    for one in inputs(source, SUFFIXES, ledger):
        if one.path.suffix.lower() in (".csv", ".tsv"):
            table.read_rows(one)
        else:
            table.read_objects(one)
    yield from table.characters()


class _Table:
    """Sorts rows into talks and questions."""

    def __init__(self, cleaner: Cleaner, options: Options) -> None:
        self.cleaner, self.options, self.rows = cleaner, options, _Rows()

    def characters(self) -> Iterator[Gathered]:
        """What was read, a character at a time."""
        talks, questions = self.rows.talks, self.rows.questions
        named = {owner for owner, _ in talks} | {owner for owner, _, _ in questions}
        default = the_character(talks.values(), self.options) if "" in named else ""
        for name in sorted({owner or default for owner in named}):
            own = [talk for (owner, _), talk in talks.items() if (owner or default) == name]
            asked = [
                one
                for owner, entry, row in questions
                if (owner or default) == name and (one := self._asked(name, entry, row))
            ]
            for entry in self.cleaner.ledger.open:
                entry.owner = entry.owner or default
            yield Gathered(name, own, asked)

    def read_rows(self, source: Input) -> None:
        """A CSV or TSV file; its first row names the columns."""
        rows = _csv_rows(source)
        head = next(rows, None)
        names = [name.strip() for name in head[1]] if head else []
        self._check(names, source.shown)
        for line, values in rows:
            if not any(cell.strip() for cell in values):
                self.cleaner.ledger.pass_over(source.shown, "empty row")
                continue
            shown = " | ".join(values)
            entry = self.cleaner.ledger.enter("line", source.shown, line, shown)
            if line in source.decoded.broken:
                entry.refuse("its bytes are in no known encoding")
            elif len(values) > len(names):
                entry.refuse(f"more cells than columns: {len(values)} in {len(names)} columns")
            elif values and "\x00unclosed" in values[0]:
                entry.value = values[0].removeprefix("\x00unclosed")
                entry.refuse("a quote that is never closed")
            else:
                self._row(entry, dict(zip(names, values, strict=False)), source.shown)

    def read_objects(self, source: Input) -> None:
        """A JSON or JSON-lines file; an object is a row, or a whole talk with a list of turns."""
        text, broken = source.decoded.text, source.decoded.broken
        talks = (*COLUMNS["turns"], *filter(None, [self.options.columns.get("turns")]))
        names: dict[str, None] = {}  # of all columns, in the order in which they come
        for number, found in enumerate(objects(text, broken, whole=talks)):
            names.update(dict.fromkeys(found.value or ()))
            turns = self._value(found.value, "turns") if found.value else None
            if isinstance(turns, list) and turns and found.value:
                self._turns(source, found, turns, number)
                for turn in turns:
                    names.update(dict.fromkeys(turn if isinstance(turn, Mapping) else ()))
                continue
            entry = self.cleaner.ledger.enter("line", source.shown, found.line, found.text)
            entry.repair(found.repair)
            if found.value is None:
                entry.refuse(found.fault)
            else:
                self._row(entry, found.value, source.shown)
        if names:
            self._check_mapped(list(names), source.shown)

    def _turns(self, source: Input, found: Found, turns: list[Any], number: int) -> None:
        value = found.value or {}
        group = f"{source.shown}#{number}"
        shared = {key: value[key] for key in value if not isinstance(value[key], list)}
        for item, turn in enumerate(turns):
            entry = self.cleaner.ledger.enter("line", source.shown, found.line, str(turn), item)
            entry.repair(found.repair)
            if isinstance(turn, Mapping):
                self._row(entry, {**shared, **turn}, source.shown, group)
            else:
                entry.owner = self._text(value, "character")
                entry.refuse("a turn that is no object")

    def _row(
        self, entry: Entry, row: Mapping[str, Any], file: str, group: str | None = None
    ) -> None:
        cells = {name: self._text(row, name) for name in COLUMNS if name != "turns"}
        entry.owner = owner = cells["character"]
        if cells["question"] or cells["answer"]:
            entry.kind = "question"
            self.rows.questions.append((owner, entry, cells))
            return
        line = self.cleaner.line(entry, cells["speaker"], cells["text"], cells["emotion"])
        if line is None:
            return
        if group is None:
            group = f"{file}#{cells['dialogue']}" if cells["dialogue"] else file
        bounded = "#" in group.removeprefix(file)
        talk = self.rows.talks.setdefault((owner, group), Talk([], bounded, cells["scene"]))
        talk.lines.append(line)

    def _asked(self, name: str, entry: Entry, row: Mapping[str, str]) -> Asked | None:
        return self.cleaner.asked(
            entry, name, row["question"], row["answer"], row["emotion"], row["kind"], row["split"]
        )

    def _value(self, row: Mapping[str, Any], column: str) -> Any:
        named = self.options.columns.get(column)
        return row.get(named) if named else first(row, COLUMNS[column])

    def _text(self, row: Mapping[str, Any], column: str) -> str:
        value = self._value(row, column)
        return "" if value is None or isinstance(value, list | dict) else str(value).strip()

    def _check_mapped(self, names: list[str], file: str) -> None:
        for column, named in self.options.columns.items():
            if named not in names:
                raise TrainingError(
                    f"{file} has no column {named!r} for {column}. Its columns: {', '.join(names)}."
                )

    def _check(self, names: list[str], file: str) -> None:
        self._check_mapped(names, file)
        row = dict.fromkeys(names, "x")
        talk = self._text(row, "speaker") and self._text(row, "text")
        if not talk and not (self._text(row, "question") and self._text(row, "answer")):
            raise TrainingError(
                f"{file} has the columns {', '.join(names) or '(none)'}; needed are speaker and "
                "text, or question and answer. Name them: --columns speaker=… text=…."
            )


def _csv_rows(source: Input) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line at which they begin; a row with an unclosed quote is one line."""
    lines = source.decoded.text.split("\n")
    delimiter = _delimiter(source, lines[0] if lines else "")
    start = 0
    while start < len(lines):
        reader = csv.reader(
            (line + "\n" for line in lines[start:]), delimiter=delimiter, strict=True
        )
        begun = 0
        try:
            for row in reader:
                if row:
                    yield start + begun + 1, row
                begun = reader.line_num
            return
        except csv.Error:
            broken = start + begun
            yield broken + 1, ["\x00unclosed" + lines[broken]]
            start = broken + 1


def _delimiter(source: Input, head: str) -> str:
    if source.path.suffix.lower() == ".tsv":
        return "\t"
    return max(",;\t|", key=head.count)
