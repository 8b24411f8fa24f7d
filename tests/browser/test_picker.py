"""The first screen with the whole shipped cast: every kind of chip narrows it, and it fits."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rolecraft.characters import Character, read_shelf
from tests.browser.conftest import Server
from tests.browser.test_page import PHONE, overflow

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
Visit = Callable[..., Any]
CAST = Path(__file__).parents[2] / "characters"


@pytest.fixture(scope="module")
def people() -> tuple[Character, ...]:
    return read_shelf(CAST).characters


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[Server]:
    """A server with everyone of the cast; their cards and portraits are enough to be picked."""
    running = Server(tmp_path_factory.mktemp("whole") / "house", models, "cast").start()
    yield running
    running.kill()


def shown(page: Any) -> set[str]:
    cards = page.locator(".cards li:visible .card")
    return set(cards.evaluate_all("cards => cards.map(card => card.dataset.character)"))


def press(page: Any, by: str, value: str) -> None:
    page.click(f"[data-act=filter][data-by={by}][data-value='{value}']")


def test_every_kind_of_chip_narrows_the_whole_cast(
    visit: Visit, whole: Server, people: tuple[Character, ...]
) -> None:
    page = visit(at=whole)
    assert shown(page) == {one.id for one in people}
    press(page, "age", "elder")
    elders = {one.id for one in people if one.age_group == "elder"}
    assert shown(page) == elders
    assert page.inner_text(".count") == f"{len(elders)} / {len(people)}"
    press(page, "age", "child")  # two of a kind: one or the other
    either = {one.id for one in people if one.age_group in ("elder", "child")}
    assert shown(page) == either
    mood = next(one.mood for one in people if one.age_group == "elder")
    press(page, "mood", mood)  # two kinds: both
    both = {one.id for one in people if one.id in either and one.mood == mood}
    assert shown(page) == both != either
    for by, value in (("age", "elder"), ("age", "child")):
        press(page, by, value)
    assert shown(page) == {one.id for one in people if one.mood == mood}
    press(page, "mood", mood)
    assert shown(page) == {one.id for one in people}
    assert page.inner_text(".count") == ""


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_whole_cast_fits_a_phone(
    visit: Visit, whole: Server, people: tuple[Character, ...], lang: str
) -> None:
    page = visit(f"/?lang={lang}", at=whole, **PHONE)
    assert len(shown(page)) == len(people)
    assert overflow(page) <= 0
    press(page, "age", "teen")
    assert shown(page) == {one.id for one in people if one.age_group == "teen"}
    assert overflow(page) <= 0
