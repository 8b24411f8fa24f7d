"""Every test runs by itself: own folder, no settings from outside, no network but this machine.

Databases are SQLite always, and PostgreSQL where a server is given or can be started.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, text

if TYPE_CHECKING:
    from rolecraft.services import Services

# Read by libraries when they are imported, which is before any fixture runs.
os.environ.update(
    HF_HUB_OFFLINE="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    GRADIO_ANALYTICS_ENABLED="False",
    TOKENIZERS_PARALLELISM="false",
)
REASON = (
    "PostgreSQL: set ROLECRAFT_TEST_POSTGRES_URL, or put initdb and pg_ctl on PATH "
    "(as root, with a user named postgres)"
)
_connect = socket.socket.connect


def _only_here(self: socket.socket, address: object) -> None:
    host = address[0] if isinstance(address, tuple) else ""
    if host not in ("", "127.0.0.1", "::1", "localhost", "0.0.0.0"):
        raise OSError(f"A test tried to reach {address}; tests use no network.")
    _connect(self, address)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _hermetic(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in list(os.environ):
        if name.startswith(("ROLECRAFT_", "OPENAI_")) and "TEST" not in name:
            monkeypatch.delenv(name)
    monkeypatch.setenv("ROLECRAFT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(socket.socket, "connect", _only_here)
    yield


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder that holds a tiny encoder and nothing else."""
    from tests.tiny import make_encoder

    return make_encoder(tmp_path_factory.mktemp("models"))


@pytest.fixture
def opened(tmp_path: Path, models: Path) -> "Iterator[Callable[..., Services]]":
    """Opens services in a folder of this test, with other replies or settings; closes them."""
    from tests.tiny import make_services

    with ExitStack() as stack:

        def open_in(name: str = "house", **changes: Any) -> "Services":
            services = make_services(tmp_path / name, changes.pop("models", models), **changes)
            stack.callback(services.close)
            return services

        yield open_in


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch on one core, as many tests at once need it; named where models compute."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


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


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str | None:
    """What `Database.open` is given: None is SQLite in the data folder."""
    return request.getfixturevalue("postgres_url") if request.param == "postgres" else None
