"""The pages of the cast and of the results in a real browser, on a desk and on a phone."""

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.browser


def opened(page: Any, path: str, language: str = "zh") -> Any:
    """The same tab on another page of the house."""
    base = page.url.split("/?")[0].rstrip("/")
    page.goto(f"{base}/{path}?lang={language}")
    page.wait_for_selector("#rc-main h1")
    return page


def test_from_the_cast_to_a_talk_and_no_results_yet(visit: Callable[..., Any]) -> None:
    page = opened(visit(), "cast")
    assert page.locator("#rc-cast a.person").count() == 2
    assert "results data" in page.inner_text("#rc-cast")  # nothing was counted of these two
    name = page.locator("#rc-cast a.person .name").first.inner_text().split()[0]
    page.locator("#rc-cast a.person").first.click()
    page.wait_for_selector(".talk-head")
    assert name in page.inner_text(".talk-head")
    assert "with=" not in page.url
    opened(page, "results", "en")
    page.wait_for_selector(".nothing")
    shown = page.inner_text("#rc-results")
    assert "No results to publish yet" in shown
    assert "3.44" in shown and "theirs" in shown.lower()  # the paper's table stands by itself


def test_both_pages_fit_a_phone(visit: Callable[..., Any]) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "color_scheme": "dark"}
    page = visit(**phone)
    for path in ("cast", "results"):
        opened(page, path)
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
