"""Comparing in a real browser: keys, clicks, phone, reload, a second tab and a restart."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import PATIENCE_MS, Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
Open = Callable[..., Any]
ARMS = {"rolecraft-mini", "second"}
VOTE = ".cmp-pair:not(.releasing)[data-state=vote]"


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("arena") / "house", models, "two-arms").start()
    yield running
    running.kill()


@pytest.fixture
def compare(chromium: Any, arena: Server, watch: Any) -> Iterator[Open]:
    """Opens the page /compare as a new visitor."""
    with ExitStack() as stack:

        def open_page(language: str = "zh", **browser: Any) -> Any:
            chosen = {"locale": "zh-CN", "viewport": {"width": 1280, "height": 800}, **browser}
            context = stack.enter_context(chromium.new_context(**chosen))
            context.set_default_timeout(PATIENCE_MS)
            context.on("page", lambda page: watch.over(page, arena.url))
            page = context.new_page()
            page.goto(f"{arena.url}/compare?lang={language}")
            page.wait_for_selector(".compare-start")
            return page

        yield open_page


def pick(page: Any) -> None:
    page.check(".cmp-consent [name=rate]")
    page.click("[data-character=lu-yuan]")
    page.wait_for_selector(".compare-log .greeting")


def say(page: Any, text: str) -> None:
    page.fill("#rc-compare-box textarea", text)
    page.press("#rc-compare-box textarea", "Enter")


def replies(page: Any) -> list[str]:
    return page.locator(".cmp-pane .cmp-said").all_inner_texts()  # type: ignore[no-any-return]


def names(page: Any) -> list[str]:
    return page.locator(".cmp-pane header .who").all_inner_texts()  # type: ignore[no-any-return]


def test_a_round_by_the_keyboard_alone(compare: Open) -> None:
    page = compare()
    page.click("[data-character=lu-yuan]")  # not before the consent
    page.wait_for_selector(".must:not([hidden])")
    page.keyboard.press("Space")  # the focus went to the box
    page.focus("[data-character=lu-yuan]")
    page.keyboard.press("Enter")
    page.wait_for_selector(".compare-log .greeting")
    say(page, "岛上就你一个人？")
    page.wait_for_selector("[data-state=waiting]")
    assert replies(page) == [] and page.is_disabled("#rc-compare-box textarea")
    page.wait_for_selector(".cmp-pair.releasing")
    lengths = page.evaluate(
        "[...document.querySelectorAll('.cmp-said')].map(one => one.textContent.length)"
    )
    assert abs(lengths[0] - lengths[1]) <= 1  # at one pace
    page.keyboard.press("Escape")
    page.wait_for_selector(VOTE)
    said = replies(page)
    assert all(len(one) > 20 for one in said) and ARMS.isdisjoint(names(page))
    page.evaluate(  # a candidate of an input method is being chosen
        "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'a', isComposing: true,"
        " bubbles: true}))"
    )
    assert page.locator("[name=preference]:checked").count() == 0
    page.keyboard.press("Enter")
    assert "先选一个" in page.inner_text(".pair-say")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("a")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-state=saved]")
    assert "A 更好" in page.inner_text(".stored") and ARMS.isdisjoint(names(page))
    page.keyboard.press("u")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("b")
    page.keyboard.press("Enter")
    page.wait_for_selector(".stored:has-text('B 更好')")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-state=told]")
    assert set(names(page)) == ARMS and page.locator(".differs tbody tr").count() >= 4
    say(page, "灯坏过吗？")
    page.wait_for_selector("[data-state=waiting]")
    log = page.inner_text(".compare-log")
    assert said[1] in log and said[0] not in log  # the other one is behind a fold


def test_clicks_scores_reload_second_tab_and_restart(
    compare: Open, arena: Server, watch: Any
) -> None:
    page = compare()
    pick(page)
    say(page, "在吗？")
    page.wait_for_selector("[data-state=waiting]")
    page.reload()  # the worker goes on
    page.wait_for_selector("[data-state=waiting], [data-state=vote]")
    other = page.context.new_page()
    other.goto(page.url)
    other.wait_for_selector(VOTE)
    page.wait_for_selector(VOTE)
    assert replies(page) == replies(other)
    page.click(".cmp-scores summary")
    for scale in page.locator(".cmp-scale").all():
        scale.locator("label >> nth=3").click()
    page.click(".cmp-scale >> nth=5 >> label >> nth=5")
    watch.allowed = ("ERR_", "Failed to load", "fetch", "network", "Connection errored out")
    arena.stop()
    arena.start()
    page.reload()
    page.wait_for_selector(VOTE)
    assert page.locator(".cmp-scale input:checked").count() == 6  # what was filled in is kept
    page.click(".cmp-vote.tie")
    page.dblclick(".ballot [type=submit]")
    page.wait_for_selector("[data-state=saved]")
    page.click("[data-act=reveal]")
    page.wait_for_selector("[data-state=told]")
    other.reload()
    other.wait_for_selector("[data-state=told]")
    assert set(names(other)) == ARMS


def test_a_phone_in_english(compare: Open) -> None:
    page = compare(
        "en", viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True,
        locale="en-US", reduced_motion="reduce",
    )  # fmt: skip
    pick(page)
    say(page, "Are you alone?")
    page.wait_for_selector(VOTE)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    tops = [one.bounding_box() for one in page.locator(".cmp-pane").all()]
    assert tops[0]["y"] + tops[0]["height"] <= tops[1]["y"] and tops[0]["width"] > 340
    for target in page.locator(".cmp-vote, .ballot [type=submit]").all():
        assert target.bounding_box()["height"] >= 48
    assert page.get_by_role("article", name="Reply A").count() == 1
    assert page.get_by_role("group", name="Which reply is better?").count() == 1
    for end in page.locator(".pane-end").all():  # a vote is taken once both were in sight
        end.scroll_into_view_if_needed()
        page.wait_for_timeout(100)
    page.get_by_role("radio", name="B is better").check(force=True)
    page.click(".ballot [type=submit]")
    page.wait_for_selector("[data-state=told]", timeout=PATIENCE_MS)  # after ten seconds, by itself
    assert set(names(page)) == ARMS


def test_open_mode(compare: Open) -> None:
    page = compare()
    assert "second" not in page.content()
    page.click(".modes label:has-text('明着比')")
    page.wait_for_selector(".wish")
    page.select_option(".wish >> nth=1 >> [name=engine]", "rolecraft-mini")
    page.uncheck(".wish >> nth=1 >> [name=passages]")
    pick(page)
    say(page, "在吗？")
    page.wait_for_selector(VOTE)
    assert set(names(page)) == {"rolecraft-mini", "rolecraft-mini (retrieval=off)"}
