"""Opened services for the tests of the page; each test has a data folder of its own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from rolecraft.services import Services
from tests.tiny import make_encoder, make_services


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with an encoder."""
    return make_encoder(tmp_path_factory.mktemp("models"))


@pytest.fixture
def opened(tmp_path: Path, models: Path) -> Iterator[Callable[..., Services]]:
    """Opens services in a folder of this test, with other replies or settings; closes them."""
    with ExitStack() as stack:

        def open_in(name: str = "house", **changes: Any) -> Services:
            services = make_services(tmp_path / name, models, **changes)
            stack.callback(services.close)
            return services

        yield open_in


@pytest.fixture
def services(opened: Callable[..., Services]) -> Services:
    return opened()


@pytest.fixture
def compared(opened: Callable[..., Services]) -> Callable[..., Services]:
    """Opens services with two engines that can be compared, `rolecraft-mini` and `second`."""

    def open_in(name: str = "house", **changes: Any) -> Services:
        hidden: dict[str, Any] = {"hidden": True}
        arms = {"second": {}, "written": hidden, "broken": hidden}
        replies = {"second": ("海上起雾了。", "（快乐）船来了哩！", "灯亮着，放心。")}
        return opened(name, **{"arms": arms, "replies": replies, **changes})

    return open_in
