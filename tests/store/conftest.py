"""Stores over each database, with conversations, replies and ratings to put into it."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from rolecraft.conversation import Identity, Message, Passage, Reply, Sampling
from rolecraft.store.conversations import Conversations
from rolecraft.store.database import Database
from rolecraft.store.folder import DataFolder
from tests.rating_kit import Kit


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DataFolder]:
    with DataFolder.claim(tmp_path / "data") as claimed:
        yield claimed


@pytest.fixture
def database(folder: DataFolder, database_url: str | None) -> Iterator[Database]:
    opened = Database.open(folder, database_url)
    yield opened
    opened.close()


@pytest.fixture
def conversations(database: Database) -> Conversations:
    """Conversations whose clock starts at one second and goes on by one at every look."""
    seconds = count(1)
    return Conversations(database, clock=lambda: next(seconds) * 1000)


@pytest.fixture
def make_reply() -> Callable[..., Reply]:
    """A finished reply with every field filled; keyword arguments replace some."""

    def make(text: str = "我在呢。", **changes: object) -> Reply:
        fields: dict[str, object] = {
            "text": text,
            "emotion": "快乐",
            "passages": (Passage("hobby", "喜欢钓鱼", 0.1 + 0.2, used=False),),
            "identity": Identity("rolecraft-mini", "mini", "ab" * 32, "zhou", "cd" * 32),
            "sampling": Sampling(seed=7),
            "seed": 7,
            "prompt": (Message("system", "你是周小北。\x01"), Message("user", "“在吗”\n")),
            "prompt_tokens": 31,
            "reply_tokens": 5,
            "first_token_ms": 1 / 3,
            "total_ms": 250,
            "finish": "stop",
        }
        return Reply(**{**fields, **changes})  # type: ignore[arg-type]

    return make


@pytest.fixture
def kit(database: Database, make_reply: Callable[..., Reply]) -> Kit:
    """Stores of ratings over the database, with a clock that the test moves."""
    return Kit(database, make_reply)
