"""A visitor picks a character and talks, in a real browser with a real server."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
Visit = Callable[..., Any]
LOST = (  # on the console of a page whose server is gone
    "ERR_CONNECTION", "ERR_INCOMPLETE", "ERR_INTERNET", "Failed to load", "fetch", "network",
    "Connection errored out",
)  # fmt: skip
WRITING = "#rc-stream .writing .bubble:not(.waiting)"


def pick(page: Any, character: str = "lu-yuan") -> None:
    page.click(f"[data-character={character}].card")
    page.wait_for_selector("#rc-log .greeting")


def finished(page: Any) -> None:
    page.wait_for_selector("html[data-busy=true]", state="attached")
    page.wait_for_selector("html[data-busy=false]", state="attached")


def say(page: Any, text: str) -> None:
    page.fill("#rc-composer textarea", text)
    page.press("#rc-composer textarea", "Enter")
    finished(page)


def bubbles(page: Any) -> list[str]:
    """What is in the log after the greeting."""
    return page.locator("#rc-log .message:not(.greeting) .bubble").all_inner_texts()  # type: ignore[no-any-return]


def test_the_whole_way(visit: Visit) -> None:
    page = visit()
    pick(page)
    assert page.locator(".starter").count() == 2
    page.click(".starter >> nth=0")
    page.wait_for_selector(WRITING)
    first = page.inner_text(WRITING)
    page.wait_for_function(
        "n => (document.querySelector('#rc-stream .bubble')?.innerText.length || 0) > n + 3",
        arg=len(first),
    )
    page.wait_for_selector("html[data-busy=false]", state="attached")
    assert bubbles(page)[0] == "岛上就你一个人？" and len(bubbles(page)[1]) > 30
    assert page.inner_text("#rc-log .emotion") in ("快乐", "悲伤", "兴奋")
    assert page.input_value("#rc-composer textarea") == ""

    page.click("#rc-log [data-act=again]")
    finished(page)
    assert page.inner_text(".versions") == "2/2"
    newer = bubbles(page)[1]
    page.click(".versions [data-step='-1']")
    page.wait_for_function("document.querySelector('.versions').innerText.startsWith('1/2')")
    older = bubbles(page)[1]
    assert older != newer

    page.click("#rc-log .mine [data-act=edit]")
    page.fill(".editor textarea", "灯坏过吗？\n第二行")
    page.click(".editor [type=submit]")
    finished(page)
    assert bubbles(page)[0] == "灯坏过吗？\n第二行"
    assert page.inner_text("#rc-log .mine .versions") == "2/2"

    before = bubbles(page)
    page.reload()
    page.wait_for_selector("#rc-log .mine")
    assert bubbles(page) == before
    page.click("#rc-log .mine .versions [data-step='-1']")
    page.wait_for_function("document.querySelector('.mine .bubble').innerText.startsWith('岛上')")
    assert bubbles(page) == ["岛上就你一个人？", older]


def test_stop(visit: Visit) -> None:
    page = visit()
    pick(page)
    page.fill("#rc-composer textarea", "在吗？")
    page.press("#rc-composer textarea", "Enter")
    page.wait_for_selector(WRITING)
    page.click("#rc-composer .stop")
    page.wait_for_selector("#rc-log .mark")
    assert page.inner_text("#rc-log .mark") == "已停下"
    assert 0 < len(bubbles(page)[1]) < 40
    page.click("#rc-log .theirs [data-act=again]:has-text('再试一次')")
    finished(page)
    assert page.inner_text(".versions") == "2/2" and page.locator("#rc-log .mark").count() == 0


def test_a_closed_tab_keeps_what_was_written(visit: Visit) -> None:
    page = visit()
    pick(page)
    page.fill("#rc-composer textarea", "在吗？")
    page.press("#rc-composer textarea", "Enter")
    page.wait_for_selector(WRITING)
    again = page.context.new_page()
    page.close()
    again.goto(page.url)
    again.wait_for_selector("#rc-log .mine")
    again.wait_for_selector("#rc-log .mark")
    assert again.inner_text("#rc-log .mark") == "连接中断"


def test_a_restart_loses_nothing(visit: Visit, own_server: Any, watch: Any) -> None:
    page = visit(at=own_server)
    pick(page)
    say(page, "在吗？")
    before = bubbles(page)
    watch.allowed = LOST
    assert own_server.stop() in (0, 130, 143)
    own_server.start()
    page.reload()
    page.wait_for_selector("#rc-log .mine")
    assert bubbles(page) == before
    say(page, "还在吗？")
    assert len(bubbles(page)) == 4


def test_a_page_that_stayed_open_goes_on_after_a_restart(
    visit: Visit, own_server: Any, watch: Any
) -> None:
    page = visit(at=own_server)
    pick(page)
    say(page, "在吗？")
    watch.allowed = LOST
    own_server.stop()
    page.fill("#rc-composer textarea", "听得见吗？")
    page.press("#rc-composer textarea", "Enter")
    page.wait_for_selector("html[data-busy=false]", state="attached")
    assert page.input_value("#rc-composer textarea") == "听得见吗？"
    page.evaluate("window.isOld = true")
    own_server.start()
    page.wait_for_function("!window.isOld")  # gradio reloads a page that lost its server
    page.wait_for_selector("#rc-log .mine")
    assert page.input_value("#rc-composer textarea") == "听得见吗？"
    page.press("#rc-composer textarea", "Enter")
    finished(page)
    assert bubbles(page)[-2] == "听得见吗？" and len(bubbles(page)) == 4


def test_what_is_written_is_shown_and_does_nothing(visit: Visit) -> None:
    page = visit()
    pick(page)
    evil = (
        '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'
        "${window.hacked=1} {{constructor}} `${window.hacked=1}` </div><b>x</b>"
    )
    say(page, evil)
    assert bubbles(page)[0] == evil
    assert page.evaluate("window.hacked") is None
    page.click("#rc-log .theirs [data-act=why]")
    page.wait_for_selector("#rc-why .sheet")
    assert evil in page.inner_text("#rc-why .prompt")
    page.keyboard.press("Escape")
    page.click("#rc-log .mine [data-act=edit]")
    assert page.input_value(".editor textarea") == evil
    page.reload()
    page.wait_for_selector("#rc-log .mine")
    assert evil[:10] in page.inner_text(".talk .title") and page.evaluate("window.hacked") is None


def test_a_refused_message_stays_in_the_box(visit: Visit) -> None:
    page = visit()
    pick(page)
    page.fill("#rc-composer textarea", "好" * 100_000)
    page.press("#rc-composer textarea", "Enter")
    page.wait_for_selector("text=一次最多 2000 个")
    page.wait_for_selector("html[data-busy=false]", state="attached")
    assert len(page.input_value("#rc-composer textarea")) == 100_000
    assert "100000 / 2000" in page.inner_text("#rc-composer .left")
    assert bubbles(page) == []
    say(page, "在吗？")
    page.click("#rc-log [data-act=edit]")
    page.fill(".editor textarea", "长" * 3000)
    page.click(".editor [type=submit]")
    page.wait_for_selector("text=这条消息有 3000 个字")
    page.wait_for_selector(".editor textarea")
    assert page.input_value(".editor textarea") == "长" * 3000
    page.keyboard.press("Escape")
    assert bubbles(page)[0] == "在吗？"


def test_why(visit: Visit) -> None:
    page = visit()
    pick(page)
    say(page, "你叫什么？")
    button = page.locator("#rc-log .theirs [data-act=why]")
    button.click()
    page.wait_for_selector("#rc-why .sheet")
    shown = page.inner_text("#rc-why .sheet")
    assert "rolecraft-mini" in shown and "你叫什么？" in shown and " ms" in shown
    assert page.locator(".passages li").count() == 3
    assert page.evaluate("document.activeElement.closest('#rc-why') !== null")
    page.keyboard.press("Escape")
    page.wait_for_selector("#rc-why .sheet", state="detached")
    assert page.evaluate("document.activeElement.dataset.act") == "why"
    button.click()  # a second look at the same reply opens it again
    page.wait_for_selector("#rc-why .sheet")
    page.click("#rc-why [data-act=close]")
    page.wait_for_selector("#rc-why .sheet", state="detached")


def test_settings_are_kept_and_used(visit: Visit) -> None:
    page = visit()
    pick(page)
    page.click("[data-act=settings]")
    page.click(".segments label:has-text('自定')")
    slider = page.locator("[name=temperature]")
    slider.evaluate("e => { e.value = 0.3; e.dispatchEvent(new Event('input', {bubbles: true})); }")
    page.fill("[name=seed]", "77")
    page.select_option("[name=emotion]", "兴奋")
    page.keyboard.press("Escape")
    page.reload()
    page.wait_for_selector("#rc-log .greeting")
    say(page, "在吗？")
    assert page.inner_text("#rc-log .theirs:not(.greeting) .emotion") == "兴奋"
    page.click("#rc-log .theirs [data-act=why]")
    page.wait_for_selector("#rc-why .sheet")
    facts = page.inner_text("#rc-why .facts >> nth=1")
    assert re.search(r"温度\s+0\.3\b", facts) and re.search(r"随机种子\s+77\b", facts)


def test_my_conversations(visit: Visit) -> None:
    page = visit()
    pick(page)
    say(page, "第一个")
    page.click("[data-act=new]")
    page.wait_for_selector(".cards li")
    pick(page, "an-ran")
    say(page, "第二个")
    page.wait_for_function("document.querySelectorAll('.talks li').length === 2")
    assert page.inner_text(".talks li >> nth=0 >> .title") == "第二个"

    page.click(".talks li >> nth=1 >> [data-act=open]")
    page.wait_for_function("document.querySelector('#rc-log .mine').innerText.includes('第一个')")
    page.click(".talks li >> nth=1 >> summary")
    page.click(".talks li >> nth=1 >> [data-act=rename]")
    page.fill(".ask input", "灯塔夜话")
    page.click(".ask [type=submit]")
    page.wait_for_selector(".title:has-text('灯塔夜话')")

    page.click(".talks li:has-text('灯塔夜话') summary")
    with page.expect_download() as caught:
        page.click(".talks li:has-text('灯塔夜话') [data-act=export_json]")
    name = caught.value.suggested_filename
    told = json.loads(Path(caught.value.path()).read_text(encoding="utf-8"))
    assert name.endswith(".json") and told["title"] == "灯塔夜话"
    page.click(".talks li:has-text('灯塔夜话') summary")
    with page.expect_download() as caught:
        page.click(".talks li:has-text('灯塔夜话') [data-act=export_md]")
    assert "第一个" in Path(caught.value.path()).read_text(encoding="utf-8")

    page.click(".talks li:has-text('灯塔夜话') summary")
    page.click(".talks li:has-text('灯塔夜话') [data-act=delete]")
    assert page.locator(".talks li").count() == 2  # nothing before it was confirmed
    page.click(".ask .danger")
    page.wait_for_function("document.querySelectorAll('.talks li').length === 1")
    page.wait_for_selector(".cards li")
    page.reload()
    page.wait_for_selector(".talks li")
    assert page.locator(".talks li").count() == 1


def test_leaving_a_talk_ends_its_answer(visit: Visit) -> None:
    page = visit()
    pick(page)
    page.fill("#rc-composer textarea", "在吗？")
    page.press("#rc-composer textarea", "Enter")
    page.wait_for_selector(WRITING)
    page.click("#rc-head [data-act=back]")
    page.wait_for_selector(".cards li")
    page.wait_for_timeout(1500)
    assert page.is_visible(".cards li >> nth=0") and not page.is_visible("#rc-log")
    page.click(".talks [data-act=open]")
    page.wait_for_selector("#rc-log .mark")
    assert page.evaluate("document.documentElement.dataset.busy") == "false"


def test_two_visitors_see_their_own(visit: Visit) -> None:
    one, two = visit(), visit()
    pick(one)
    pick(two)
    for page, text in ((one, "我是甲"), (two, "我是乙")):
        page.fill("#rc-composer textarea", text)
        page.press("#rc-composer textarea", "Enter")
    for page, text in ((one, "我是甲"), (two, "我是乙")):
        page.wait_for_selector("#rc-log .theirs:not(.greeting)")
        assert bubbles(page)[0] == text
        assert page.locator(".talks li").count() == 1


def test_help_lines(visit: Visit) -> None:
    page = visit()
    pick(page)
    page.fill("#rc-composer textarea", "我不想活了")
    page.press("#rc-composer textarea", "Enter")
    page.wait_for_selector("#rc-log .care")
    assert "12356" in page.inner_text("#rc-log .care")
    assert page.input_value("#rc-composer textarea") == ""
