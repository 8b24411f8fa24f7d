"""Opened services for the tests of the page; each test has a data folder of its own."""

from collections.abc import Callable
from typing import Any

import pytest

from rolecraft.services import Services
from tests.ui.rating_page import Rater, study


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


@pytest.fixture
def house(services: Services) -> Services:
    """Services with a study that is open."""
    study(services)
    return services


@pytest.fixture
def rater(house: Services) -> Rater:
    """A rater before the first item that counts."""
    return Rater(house).agree().lessons()
