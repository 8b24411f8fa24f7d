"""Databases for the tests: SQLite always, PostgreSQL where a server is given or can be started."""

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from rolecraft.conversation import Identity, Message, Passage, Reply, Sampling
from rolecraft.store.conversations import Conversations
from rolecraft.store.database import Database
from rolecraft.store.folder import DataFolder
from tests.rating_kit import Kit

REASON = (
    "PostgreSQL: set ROLECRAFT_TEST_POSTGRES_URL, or put initdb and pg_ctl on PATH "
    "(as root, with a user named postgres)"
)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a server; a temporary one in a folder of its own when none is given."""
    if given := os.environ.get("ROLECRAFT_TEST_POSTGRES_URL"):
        yield given.replace("postgres://", "postgresql://").replace(
            "postgresql://", "postgresql+psycopg://"
        )
        return
    prefix = _unprivileged()
    if prefix is None:
        if os.environ.get("CI") == "true":
            pytest.fail(REASON)
        pytest.skip(REASON)
    # Not tmp_path: its parents are closed to other users, and socket paths must be short.
    home = Path(tempfile.mkdtemp(prefix="rolecraft-pg-"))
    home.chmod(0o777)
    cluster = home / "cluster"
    options = f"-k {home} -c listen_addresses='' -c fsync=off"
    start = ["pg_ctl", "-D", str(cluster), "-w", "-l", str(home / "log"), "-o", options, "start"]
    try:
        make = ["initdb", "-D", str(cluster), "-U", "rolecraft", "-A", "trust", "-E", "UTF8"]
        _run([*prefix, *make, "--no-sync", "--locale=C"])
        _run([*prefix, *start])
        yield f"postgresql+psycopg://rolecraft@/postgres?host={home}"
    finally:
        stop = ["pg_ctl", "-D", str(cluster), "-m", "immediate", "stop"]
        subprocess.run([*prefix, *stop], capture_output=True, cwd="/")
        shutil.rmtree(home, ignore_errors=True)


def _unprivileged() -> list[str] | None:
    """How to run the server's programs, which refuse root; None where they cannot be run."""
    if not (shutil.which("initdb") and shutil.which("pg_ctl")):
        return None
    if os.geteuid() != 0:
        return []
    known = {user.pw_name for user in pwd.getpwall()}
    return ["runuser", "-u", "postgres", "--"] if "postgres" in known else None


def _run(command: list[str]) -> None:
    # Output goes to files by nature of pg_ctl: a pipe would stay open as long as the server.
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=60, cwd="/"
    )
    assert done.returncode == 0, f"{command[0]}: {' '.join(command)}"


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """An empty schema of the server, removed after the test."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    engine = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE SCHEMA {name}"))
    joint = "&" if "?" in postgres_server else "?"
    yield f"{postgres_server}{joint}options=-csearch_path%3D{name}"
    with engine.connect() as connection:
        connection.execute(text(f"DROP SCHEMA {name} CASCADE"))
    engine.dispose()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DataFolder]:
    with DataFolder.claim(tmp_path / "data") as claimed:
        yield claimed


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str | None:
    """What `Database.open` is given: None is SQLite in the data folder."""
    return request.getfixturevalue("postgres_url") if request.param == "postgres" else None


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
