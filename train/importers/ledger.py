"""Counts what became of every record: it went out as it was, was repaired, or was refused.

A record is one line of talk, one question with its answer, one reply, one field of a profile or
one text that could not be read; a list of replies counts once for each. Knows no format.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from rolecraft.privacy import mask

KINDS = ("line", "question", "reply", "profile", "card", "unreadable")
SHOWN = 80  # characters of a value that a report quotes
NOBODY = "(nobody)"  # whose records the report says they are when no character came out


class Entry:
    """One record on its way. It is settled once: `keep` or `refuse`."""

    __slots__ = ("kind", "file", "line", "item", "value", "owner", "repairs", "refusal", "kept")

    def __init__(self, kind: str, file: str, line: int, item: int, value: str) -> None:
        self.kind, self.file, self.line, self.item, self.value = kind, file, line, item, value
        self.owner = ""  # the character, where one file holds several
        self.repairs: tuple[str, ...] = ()
        self.refusal = ""
        self.kept = False

    @property
    def place(self) -> str:
        """Where the record stands, for people."""
        return f"{self.file}:{self.line}"

    def repair(self, reason: str) -> None:
        """Note that something was put right."""
        if reason and reason not in self.repairs:
            self.repairs += (reason,)

    def keep(self) -> None:
        """The record is in the output."""
        if self.refusal:
            raise RuntimeError(f"{self.place} was refused ({self.refusal}) and kept.")
        self.kept = True

    def refuse(self, reason: str) -> None:
        """The record is not in the output, and why."""
        if self.kept or self.refusal:
            raise RuntimeError(f"{self.place} was settled before it was refused ({reason}).")
        self.refusal = reason

    def event(self) -> dict[str, Any]:
        """What the report says of it. Quoted values are masked as the data are."""
        shown = " ".join(mask(self.value)[0].split())
        return {
            "file": self.file,
            "line": self.line,
            "item": self.item,
            "kind": self.kind,
            "outcome": "refused" if self.refusal else "repaired",
            "reasons": [self.refusal, *self.repairs] if self.refusal else list(self.repairs),
            "value": shown if len(shown) <= SHOWN else shown[: SHOWN - 1] + "…",
        }


@dataclass
class Tally:
    """Counts of one kind of record."""

    taken: int = 0
    untouched: int = 0
    repaired: int = 0
    refused: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, entry: Entry) -> None:
        """Count a settled record."""
        self.taken += 1
        self.refused += bool(entry.refusal)
        self.repaired += entry.kept and bool(entry.repairs)
        self.untouched += entry.kept and not entry.repairs
        reasons = [entry.refusal] if entry.refusal else entry.repairs
        self.reasons.update(category(reason) for reason in reasons)

    def as_json(self) -> dict[str, Any]:
        """The counts under the names of the report."""
        return {
            "in": self.taken,
            "out": self.untouched + self.repaired,
            "untouched": self.untouched,
            "repaired": self.repaired,
            "refused": self.refused,
        }


def category(reason: str) -> str:
    """What a reason has in common with its like: the text before the colon."""
    return reason.partition(":")[0]


class Ledger:
    """The open records, the counts of the settled ones, and what is to be told of them."""

    def __init__(self) -> None:
        self.open: list[Entry] = []
        self.events: list[dict[str, Any]] = []
        self.tallies: dict[tuple[str, str], Tally] = {}
        self.files: dict[str, dict[str, Any]] = {}
        self.notes: list[dict[str, str]] = []
        self.frame: dict[str, Counter[str]] = {}

    def enter(self, kind: str, file: str, line: int, value: str, item: int = 0) -> Entry:
        """Take a record in."""
        entry = Entry(kind, file, line, item, value)
        self.open.append(entry)
        return entry

    def pass_over(self, file: str, what: str) -> None:
        """Count a line that is no record but part of the format: a time, a head, a heading."""
        self.frame.setdefault(file, Counter())[what] += 1

    def note(self, subject: str, message: str) -> None:
        """Something worth knowing that is no record: a missing file, two that are the same."""
        self.notes.append({"subject": subject, "message": message})

    def settle(self, character: str) -> None:
        """Count the open records of a character and those of nobody.

        Raises RuntimeError for a record that nobody kept or refused.
        """
        others = []
        for entry in self.open:
            if entry.owner not in ("", character):
                others.append(entry)
                continue
            if not entry.kept and not entry.refusal:
                raise RuntimeError(f"{entry.place} ({entry.kind}) was neither kept nor refused.")
            self.tallies.setdefault((character, entry.kind), Tally()).add(entry)
            counts = self.files.setdefault(entry.file, {"in": 0, "out": 0, "refused": 0})
            counts["in"] += 1
            counts["refused" if entry.refusal else "out"] += 1
            if entry.refusal or entry.repairs:
                self.events.append({"character": character, **entry.event()})
        self.open = others

    def close(self) -> None:
        """Count what is still open: the records of those of whom nothing came out, and of nobody.

        Raises RuntimeError for a record that nobody kept or refused.
        """
        for owner in sorted({entry.owner for entry in self.open if entry.owner}):
            self.settle(owner)
        self.settle(NOBODY)
        if self.open:
            raise RuntimeError(f"{self.open[0].place} is in no count.")

    def total(self, kinds: Iterable[str] = KINDS, character: str | None = None) -> Tally:
        """The counts of these kinds together, of one character or of all."""
        whole = Tally()
        for (owner, kind), tally in self.tallies.items():
            if kind in kinds and character in (None, owner):
                whole.taken += tally.taken
                whole.untouched += tally.untouched
                whole.repaired += tally.repaired
                whole.refused += tally.refused
                whole.reasons.update(tally.reasons)
        return whole
