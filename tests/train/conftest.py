"""A folder of characters without labels, and a command line that asks a server on this machine."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rolecraft.characters.plain import write_folder
from tests.train.talker import Say, Talker, islander, talking
from train.__main__ import main

Run = Callable[..., int]


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A shelf of one character, all of whose lines are unlabelled."""
    shelf = tmp_path / "bare"
    one = islander()
    rows: list[dict[str, Any]] = [
        {"file": "script.jsonl", "id": each.id, "turns": [0, 1, 2, 3]} for each in one.script
    ]
    rows += [{"file": "questions.jsonl", "id": each.id} for each in one.questions]
    rows += [{"file": "general.jsonl", "id": "g01", "answers": [0]}]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_folder(one, shelf, {"unlabelled.jsonl": text.encode(), "notes.txt": b"kept"})
    (shelf / "instructions.yaml").write_text("# ours\ng01: {zh: 介绍一下春天。, en: Spring.}\n")
    return shelf


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Say], Talker]]:
    """Start a server that the engine gpt-4 asks."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def start(say: Say, pause_s: float = 0.0) -> Talker:
            server = stack.enter_context(talking(say, pause_s))
            monkeypatch.setenv("OPENAI_BASE_URL", server.url)
            monkeypatch.setenv("OPENAI_API_KEY", "any")
            return server

        yield start


@pytest.fixture
def stage(tmp_path: Path) -> Run:
    """Run a stage with the answers kept in this test's folder; the exit status."""

    def run(*arguments: object) -> int:
        given = [str(one) for one in arguments]
        return main([*given, "--answers", str(tmp_path / "answers")])

    return run
