"""Ratings that the database could not take, kept in a file until it can.

Knows no rules: what is in the file is submitted again with all checks, at the time it came.
"""

import json
import logging
import os
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from rolecraft.store.forms import Score, Submission

_log = logging.getLogger(__name__)
FILE_NAME = "unsaved-ratings.jsonl"
_MOST_BYTES = 5_000_000  # nothing in it was checked, so it must not grow without end

Kind = Literal["submit", "revise"]


@dataclass(frozen=True)
class Kept:
    """One submission as it came."""

    rater: str
    kind: Kind
    received_ms: int
    submission: Submission


class Spool:
    """A file of submissions. Safe to use from several threads of the process that owns it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self._lock = threading.Lock()

    def keep(self, kept: Kept) -> bool:
        """Add a submission and wait until it is on the disk; whether that was possible."""
        line = json.dumps(asdict(kept), ensure_ascii=True) + "\n"
        try:
            with self._lock, self.path.open("a", encoding="ascii") as stream:
                if stream.tell() + len(line) > _MOST_BYTES:
                    raise OSError("it is full")
                stream.write(line)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            _log.error("A rating could not be kept in %s: %s", self.path, error)
            return False
        return True

    def take(self) -> tuple[Kept, ...]:
        """Everything that was kept; the file stays until `clear`."""
        with self._lock:
            if not self.path.exists():
                return ()
            lines = self.path.read_text("ascii", errors="replace").split("\n")
        return tuple(_read(lines))

    def clear(self) -> None:
        """Forget what was kept: it is in the database, or was refused."""
        with self._lock:
            self.path.unlink(missing_ok=True)


def _read(lines: list[str]) -> Iterator[Kept]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
            sent = values["submission"]
            scores = tuple(Score(**score) for score in sent["scores"])
            values["submission"] = Submission(**(sent | {"scores": scores}))
            yield Kept(**values)
        except (ValueError, KeyError, TypeError) as error:
            # the last line of a process that died while writing it
            _log.warning("Line %d of the kept ratings is broken: %s", number, error)
