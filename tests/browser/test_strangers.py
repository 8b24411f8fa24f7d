"""What strangers do to a page: odd texts, double clicks, two tabs, the way back, a lost server."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.test_talking import LOST, WRITING, bubbles, finished, pick, say

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
Visit = Callable[..., Any]
BOX = "#rc-composer textarea"
ODD = (
    "w" * 1500,
    "مرحبا يا صديقي 👩‍👩‍👧‍👦🏳️‍🌈 \u202eevil\u202c Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢",
)


def begin(page: Any, text: str) -> None:
    """Send a message and wait until its answer is being written."""
    page.fill(BOX, text)
    page.press(BOX, "Enter")
    page.wait_for_selector(WRITING)


def test_odd_texts_stay_as_they_were_written(visit: Visit) -> None:
    page = visit(viewport={"width": 390, "height": 844})
    pick(page)
    for text in ODD:
        say(page, text)
    assert bubbles(page)[0::2] == list(ODD)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    wide = page.evaluate(
        """() => [...document.querySelectorAll('.bubble, .title')]
        .filter(e => e.getBoundingClientRect().right > innerWidth).length"""
    )
    assert wide == 0
    arabic = page.locator("#rc-log .mine .bubble >> nth=1")
    assert arabic.evaluate("e => getComputedStyle(e).direction") == "rtl"
    assert page.inner_text(".talk .title") in ("w" * 30 + "…", "")


def test_a_double_click_does_a_thing_once(visit: Visit) -> None:
    page = visit()
    page.dblclick("[data-character=lu-yuan].card")
    page.wait_for_selector("#rc-log .greeting")
    page.fill(BOX, "在吗？")
    page.dblclick("#rc-composer .send", force=True)
    page.wait_for_selector("#rc-log .theirs:not(.greeting)")
    assert len(bubbles(page)) == 2 and page.locator(".talks li").count() == 1
    assert page.locator("#rc-log .mark").count() == 0  # the second click did not stop it
    page.dblclick("#rc-log [data-act=again]")
    finished(page)
    assert page.inner_text(".versions") == "2/2"


def test_the_way_back_of_the_browser(visit: Visit) -> None:
    page = visit()
    pick(page)
    say(page, "在吗？")
    page.click("#rc-log [data-act=why]")
    page.wait_for_selector("#rc-why .sheet")
    page.evaluate("history.back()")  # closes what lies over the talk
    page.wait_for_selector("#rc-why .sheet", state="detached")
    assert page.is_visible("#rc-log .mine")
    page.evaluate("history.back()")
    page.wait_for_selector(".cards li >> nth=0")
    assert not page.is_visible("#rc-log")
    page.evaluate("history.forward()")
    pick(page, "an-ran")
    page.click("#rc-head [data-act=back]")
    page.wait_for_selector(".cards li >> nth=0")
    page.wait_for_function("history.state?.rolecraft !== 'talk'")
    page.click(".talks [data-act=open]")
    page.wait_for_selector("#rc-log .mine")
    page.reload()
    page.wait_for_selector("#rc-log .mine")
    page.evaluate("history.back()")
    page.wait_for_selector(".cards li >> nth=0")


def test_quick_changes_between_talks_end_at_the_last(visit: Visit) -> None:
    page = visit()
    for text in ("甲", "乙"):
        pick(page)
        say(page, text)
        page.click("[data-act=new]")
        page.wait_for_selector(".cards li >> nth=0")
    one, two = (f".talks li:has-text('{title}') [data-act=open]" for title in ("甲", "乙"))
    page.click(one)
    page.wait_for_selector("#rc-log .mine:has-text('甲')")
    begin(page, "讲个长的")
    for talk in (two, one, two):
        page.click(talk)
    page.wait_for_selector("#rc-log .mine:has-text('乙')")
    page.wait_for_timeout(1500)
    assert bubbles(page)[0] == "乙" and len(bubbles(page)) == 2
    assert not page.is_visible(WRITING)
    say(page, "还在吗？")
    assert len(bubbles(page)) == 4
    page.click(one)
    page.wait_for_selector("#rc-log .mine:has-text('讲个长的')")
    marks = page.locator("#rc-log .mark").all_inner_texts()
    assert marks in (["连接中断"], []) and len(bubbles(page)) == 4  # [] where it was fast enough


def test_two_tabs_of_one_visitor(visit: Visit) -> None:
    first = visit()
    pick(first)
    say(first, "在吗？")
    second = first.context.new_page()
    second.goto(first.url)
    second.wait_for_selector("#rc-log .mine")
    begin(first, "讲个长的")
    second.fill(BOX, "插一句")
    second.press(BOX, "Enter")
    second.wait_for_selector("text=上一句还没说完")
    assert second.input_value(BOX) == "插一句"
    first.wait_for_selector("html[data-busy=false]", state="attached")
    second.press(BOX, "Enter")
    finished(second)
    assert bubbles(second)[0::2] == ["在吗？", "讲个长的", "插一句"]

    second.click(".talks summary")
    second.click(".talks [data-act=delete]")
    second.click(".ask .danger")
    second.wait_for_selector(".no-talks")
    first.fill(BOX, "还有人吗？")
    first.press(BOX, "Enter")
    first.wait_for_selector("text=这个对话已经不在了")
    assert first.input_value(BOX) == "还有人吗？"


def test_a_reply_that_breaks_can_be_tried_again(visit: Visit) -> None:
    page = visit()
    pick(page)
    page.click("[data-act=settings]")
    page.select_option("[name=engine]", "broken")
    page.keyboard.press("Escape")
    say(page, "在吗？")
    page.wait_for_selector("text=说到一半，模型出了问题")
    assert page.inner_text("#rc-log .mark") == "出错了" and len(bubbles(page)[1]) > 3
    page.click("[data-act=settings]")
    page.select_option("[name=engine]", "rolecraft-mini")
    page.keyboard.press("Escape")
    page.click("#rc-log [data-act=again]:has-text('再试一次')")
    finished(page)
    assert page.inner_text(".versions") == "2/2" and len(bubbles(page)[1]) > 30
    assert page.locator("#rc-log .mark").count() == 0


def test_a_lost_server_keeps_the_text(visit: Visit, watch: Any) -> None:
    page = visit()
    pick(page)
    say(page, "在吗？")
    watch.allowed = LOST
    page.context.set_offline(True)
    page.fill(BOX, "听得见吗？")
    page.press(BOX, "Enter")
    page.wait_for_selector("text=和服务器断开了")
    page.wait_for_selector("html[data-busy=false]", state="attached")
    assert page.input_value(BOX) == "听得见吗？"
    page.press(BOX, "Enter")  # nothing leaves the page any more
    page.wait_for_selector("html[data-busy=true]", state="attached")
    page.wait_for_selector("html[data-busy=false]", state="attached")
    page.evaluate("window.isOld = true")
    page.context.set_offline(False)
    page.wait_for_function("!window.isOld")  # gradio loads the page anew
    page.wait_for_selector("#rc-log .mine")
    assert page.input_value(BOX) == "听得见吗？"
    page.press(BOX, "Enter")
    finished(page)
    assert bubbles(page)[0::2] == ["在吗？", "听得见吗？"]


@pytest.mark.parametrize(("lang", "said"), [("zh", "是机器"), ("en", "A machine plays")])
def test_every_engine_but_the_author_is_called_a_machine(
    visit: Visit, lang: str, said: str
) -> None:
    page = visit(f"/?lang={lang}")
    assert said in page.inner_text(".hero")
    pick(page)
    names = page.locator("[name=engine] option").evaluate_all("all => all.map(o => o.value)")
    assert len(names) > 2
    for name in names:
        page.evaluate(
            """name => { const field = document.querySelector('[name=engine]');
            field.value = name; field.dispatchEvent(new Event('input', {bubbles: true})); }""",
            name,
        )
        note = page.inner_text("#rc-composer .sample")
        assert note.strip() and (said in note) == (name != "written")
