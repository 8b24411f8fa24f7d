"""Every test runs by itself: own folder, no settings from outside, no network but this machine."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from rolecraft.services import Services

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
