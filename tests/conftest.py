"""Every test runs by itself: own folder, no settings from outside, no network but this machine."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

# Read by libraries when they are imported, which is before any fixture runs.
os.environ.update(
    HF_HUB_OFFLINE="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    GRADIO_ANALYTICS_ENABLED="False",
    TOKENIZERS_PARALLELISM="false",
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
