"""How the page looks and behaves in different browsers: language, theme, size, keyboard, speed."""

import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.test_talking import bubbles, finished, pick, say

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
Visit = Callable[..., Any]
PHONE = {
    "viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True,
    "device_scale_factor": 2,
}  # fmt: skip
FIRST_SCREEN_S = 3.0


def test_the_first_screen_is_there_in_three_seconds(visit: Visit) -> None:
    taken: list[float] = []
    limit = 0.0
    while len(taken) < 6 and min(taken, default=limit) >= limit:
        begun = time.monotonic()
        visit()
        taken.append(time.monotonic() - begun)
        # The bar is of a machine that does nothing else; where others wait for its cores, so do we.
        limit = FIRST_SCREEN_S * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    assert min(taken) < limit, (taken, limit)


def test_the_browser_chooses_the_language_and_the_switch_is_kept(visit: Visit) -> None:
    page = visit(locale="en-GB")
    assert page.inner_text("h1") == "Who would you like to talk with today?"
    assert page.get_attribute("html", "lang") == "en" and "lang=en" in page.url
    page.click(".top .language")
    page.wait_for_selector("h1:has-text('今天想和谁聊聊')")
    assert page.get_attribute("html", "lang") == "zh-CN" and "lang=zh" in page.url
    page.goto(page.url.split("?")[0])
    page.wait_for_selector("h1:has-text('今天想和谁聊聊')")


def test_the_server_speaks_the_language_of_the_page(visit: Visit) -> None:
    page = visit("/?lang=en")
    pick(page)
    assert "Are you alone on the island?" in page.inner_text(".starter >> nth=0")
    assert "My conversations" in page.inner_text("#rc-talks")
    page.click(".starter >> nth=0")
    finished(page)
    assert bubbles(page)[0] == "岛上就你一个人？"
    assert page.inner_text("#rc-log .emotion") in ("Happiness", "Sadness", "Excitement")
    page.fill("#rc-composer textarea", "x" * 3000)
    page.press("#rc-composer textarea", "Enter")
    page.wait_for_selector("text=the most is 2000")


def test_dark_follows_the_system_and_the_choice_is_kept(visit: Visit) -> None:
    def paper(page: Any) -> str:
        return page.evaluate("getComputedStyle(document.body).backgroundColor")  # type: ignore[no-any-return]

    light, dark = visit(color_scheme="light"), visit(color_scheme="dark")
    assert paper(light) != paper(dark)
    wanted = paper(dark)
    light.click("[data-act=theme]")
    light.wait_for_selector("html[data-theme=dark]", state="attached")
    assert paper(light) == wanted and light.evaluate("document.body.classList.contains('dark')")
    light.reload()
    light.wait_for_selector(".cards li")
    assert paper(light) == wanted and light.evaluate("document.body.classList.contains('dark')")


def overflow(page: Any) -> int:
    return page.evaluate("document.documentElement.scrollWidth - innerWidth")  # type: ignore[no-any-return]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_phone_shows_everything_without_scrolling_sideways(visit: Visit, lang: str) -> None:
    page = visit(f"/?lang={lang}", **PHONE)
    assert overflow(page) <= 0
    assert not page.is_visible("#rc-talks")
    pick(page)
    say(page, "长" * 300 + " " + "w" * 300)
    assert overflow(page) <= 0
    small = page.evaluate(
        """() => [...document.querySelectorAll('#rc-main button, #rc-top button')]
        .filter(b => b.offsetParent).map(b => [b.dataset.act, b.getBoundingClientRect()])
        .filter(([_, r]) => r.height < 43.5 || r.width < 43.5).map(([act]) => act)"""
    )
    assert small == []
    page.click("[data-act=menu]")
    page.wait_for_selector("#rc-talks", state="visible")
    assert overflow(page) <= 0
    page.click("[data-act=settings]")
    page.wait_for_selector("#rc-settings .sheet", state="visible")
    page.wait_for_selector("#rc-talks", state="hidden")
    assert overflow(page) <= 0
    page.click("#rc-settings [data-act=close]")
    page.click("#rc-log [data-act=why]")
    page.wait_for_selector("#rc-why .sheet")
    assert overflow(page) <= 0


def test_search_and_chips(visit: Visit) -> None:
    page = visit()
    page.fill(".search input", "灯塔")
    assert page.locator(".cards li:visible").count() == 1
    assert page.inner_text(".count") == "1 / 2"
    page.fill(".search input", "LU YUAN")
    assert page.locator(".cards li:visible").count() == 1
    page.fill(".search input", "没有这个人")
    assert page.is_visible(".nobody") and page.locator(".cards li:visible").count() == 0
    page.click(".nobody [data-act=clear]")
    assert page.locator(".cards li:visible").count() == 2
    page.click(".chip:has-text('念旧')")
    assert page.locator(".cards li:visible").count() == 1
    assert page.get_attribute(".chip:has-text('念旧')", "aria-pressed") == "true"


def tab_to(page: Any, selector: str, limit: int = 80) -> None:
    for _ in range(limit):
        page.keyboard.press("Tab")
        if page.evaluate("s => document.activeElement.matches(s)", selector):
            return
    raise AssertionError(f"{selector} cannot be reached with Tab")


def test_everything_can_be_done_with_the_keyboard(visit: Visit) -> None:
    page = visit()
    tab_to(page, ".card[data-character=lu-yuan]")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    page.wait_for_selector("#rc-log .greeting")
    page.wait_for_function("document.activeElement.matches('#rc-composer textarea')")
    page.keyboard.type("在吗？")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("第二行")
    page.keyboard.press("Enter")
    finished(page)
    assert bubbles(page)[0] == "在吗？\n第二行"
    tab_to(page, "#rc-log .theirs [data-act=again]")
    page.keyboard.press("Enter")
    finished(page)
    assert page.inner_text(".versions") == "2/2"
    tab_to(page, "#rc-log .mine [data-act=edit]")
    page.keyboard.press("Space")
    assert page.evaluate("document.activeElement.closest('.editor') !== null")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.dataset.act") == "edit"
    tab_to(page, "#rc-talks [data-act=settings]")
    page.keyboard.press("Enter")
    page.wait_for_selector("#rc-settings .sheet", state="visible")
    for _ in range(30):  # the keyboard stays inside
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('#rc-settings') !== null")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.dataset.act") == "settings"


def test_an_enter_that_composes_sends_nothing(visit: Visit) -> None:
    page = visit()
    pick(page)
    page.click("#rc-composer textarea")
    session = page.context.new_cdp_session(page)
    session.send(
        "Input.imeSetComposition", {"text": "nihao", "selectionStart": 5, "selectionEnd": 5}
    )
    enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 229}
    session.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **enter})
    session.send("Input.insertText", {"text": "你好"})
    session.send("Input.dispatchKeyEvent", {"type": "keyUp", **enter})
    page.wait_for_timeout(500)
    assert page.input_value("#rc-composer textarea") == "你好"
    assert bubbles(page) == []
    page.keyboard.press("Enter")
    finished(page)
    assert bubbles(page)[0] == "你好"


def test_the_log_tells_what_it_is(visit: Visit) -> None:
    page = visit()
    pick(page)
    say(page, "在吗？")
    assert page.get_attribute("[role=log]", "aria-live") == "polite"
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('button, input, textarea, select')]
        .filter(e => e.offsetParent && !e.textContent.trim() && !e.ariaLabel && !e.labels?.length)
        .map(e => e.outerHTML.slice(0, 80))"""
    )
    assert nameless == []


def test_nothing_is_kept_that_should_not_be(visit: Visit) -> None:
    page = visit()
    pick(page)
    say(page, "秘密的话")
    kept = page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})")
    assert "秘密的话" not in kept and "run-history" not in kept
    assert page.evaluate("document.cookie") == ""
