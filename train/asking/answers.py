"""Answers on disk, under the hash of exactly what was asked of whom: nothing is paid for twice.

One file an answer, written whole or not at all, so that a process may be killed at any moment and
two may share a folder. Knows no engine and no form.
"""

import dataclasses
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rolecraft.errors import TrainingError


@dataclass(frozen=True)
class Answer:
    """What came back, and what it cost. `seconds` is 0 where nobody measured (a batch)."""

    text: str
    prompt_tokens: int
    reply_tokens: int
    finish: str
    seconds: float
    model: str


def address(asked: Mapping[str, Any]) -> str:
    """The hash under which the answer to this lies: SHA-256 of canonical JSON."""
    body = json.dumps(asked, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(body.encode()).hexdigest()


class Answers:
    """A folder of answers. What was read or written stays in memory too."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[str, Answer | None] = {}

    def get(self, key: str) -> Answer | None:
        """The answer of this address, if it was ever given."""
        if key not in self._known:
            self._known[key] = self._read(self._path(key))
        return self._known[key]

    def put(self, key: str, answer: Answer) -> None:
        """Keep an answer; it is on the disk when this returns."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        body = json.dumps(dataclasses.asdict(answer), ensure_ascii=False)
        handle, draft = tempfile.mkstemp(prefix=".new-", dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(body)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(draft, path)
        self._known[key] = answer

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"

    @staticmethod
    def _read(path: Path) -> Answer | None:
        try:
            return Answer(**json.loads(path.read_text("utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise TrainingError(
                f"The stored answer {path} cannot be read ({error}). Remove it to ask again."
            ) from error
