"""The rate page and the rating sheet in a real browser: keys, trouble, phone, screen readers."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import PATIENCE_MS
from tests.browser.raters import FORM, Rater, make_study
from tests.browser.test_talking import pick, say

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
Come = Callable[..., Rater]


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[Any]:
    """A server with a study on it."""
    from tests.browser.conftest import Server

    folder = tmp_path_factory.mktemp("studied")
    running = Server(folder / "house", models).start()
    with pytest.MonkeyPatch.context() as patch:
        plan = ("quota=12", "training=0", "degraded=0", "repeats=0")
        make_study(patch, running.data, folder / "bank.jsonl", *plan)
    yield running
    running.kill()


@pytest.fixture
def come(chromium: Any, studied: Any, watch: Any) -> Iterator[Come]:
    """A rater who has agreed, before the first pair."""
    with ExitStack() as stack:

        def coming(language: str = "zh", by: str = "mouse", **browser: Any) -> Rater:
            chosen = {"locale": "zh-CN", "viewport": {"width": 1280, "height": 900}, **browser}
            context = stack.enter_context(chromium.new_context(**chosen))
            context.set_default_timeout(PATIENCE_MS)
            page = context.new_page()
            watch.over(page, studied.url)
            rater = Rater(page, studied.url, language, by)
            rater.agree()
            return rater

        yield coming


def test_keys_rate_and_input_methods_do_not(come: Come) -> None:
    rater = come(by="keyboard")
    page = rater.page
    page.evaluate(
        """() => ["4", "n", "Enter", "t"].forEach(key => document.body.dispatchEvent(
            new KeyboardEvent("keydown", {key, isComposing: true, bubbles: true})))"""
    )
    page.keyboard.press("Control+4")
    assert rater.values() == []
    page.click(".remark summary")
    page.fill(".remark textarea", "")
    page.type(".remark textarea", "第5条 n t x")
    assert rater.values() == []
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("4")
    first = rater.values()
    assert len(first) == 1 and first[0].endswith("=4")
    page.keyboard.press("n")  # the same group: it has the focus
    assert [one.split("=")[1] for one in rater.values()] == ["na"]
    page.keyboard.press("u")
    assert rater.values() == first
    page.keyboard.press("ArrowRight")
    page.keyboard.press("x")
    assert "preference=both_bad" in rater.values()
    page.keyboard.press("Enter")  # something is open: it is said, and nothing is sent
    assert "5" in page.inner_text(".missing")
    page.keyboard.press("?")
    assert page.is_visible(".keys ul")
    before = rater.form
    rater.fill()
    rater.save()
    assert rater.form != before
    page.keyboard.press("u")
    page.wait_for_selector(f"{FORM}[data-do=revise][data-form='{before}']")
    assert len(rater.values()) == 7


def test_while_the_database_is_away_the_form_stays_and_is_saved_later(
    come: Come, studied: Any
) -> None:
    rater = come()
    rater.fill()
    values, form = rater.values(), rater.form
    database = studied.data / "rolecraft.db"
    with closing(sqlite3.connect(database, isolation_level=None, timeout=20)) as other:
        other.execute("BEGIN IMMEDIATE")
        rater.page.click(f"{FORM} [type=submit]")
        rater.page.wait_for_selector(f"{FORM} .state.trouble")
        assert "还没存上" in rater.page.inner_text(f"{FORM} .state")
        assert (rater.form, rater.values()) == (form, values)
        other.execute("ROLLBACK")
    rater.page.wait_for_selector(f"{FORM}[data-form='{form}']", state="detached")
    assert rater.form != form and rater.values() == []


def test_what_was_sent_and_not_answered_is_sent_again_after_a_reload(
    come: Come, watch: Any
) -> None:
    watch.allowed = ("ERR_FAILED",)  # the request that is cut off here
    rater = come()
    rater.fill()
    form = rater.form
    rater.page.route("**/queue/join*", lambda route: route.abort())
    with rater.page.expect_event("requestfailed"):
        rater.page.click(f"{FORM} [type=submit]")
    rater.page.wait_for_selector(f"{FORM} .state.trouble")
    rater.page.unroute("**/queue/join*")
    rater.page.reload()
    rater.page.wait_for_selector(f"{FORM}:not([data-form='{form}'])")
    assert (
        rater.page.evaluate("Object.keys(localStorage).filter(k => k.includes('-rating-'))") == []
    )


def test_a_screen_reader_finds_its_way(come: Come) -> None:
    page = come("en").page
    for name in ("Reply A · Communication", "Reply B · Expressive diversity", "Preference"):
        assert page.get_by_role("radiogroup", name=name).count() == 1
    group = page.get_by_role("radiogroup", name="Reply A · Consistency")
    assert group.get_by_role("radio", name="3 no contradiction").count() == 1
    assert page.get_by_role("region", name="Reply B").count() == 1
    names = page.locator(f"{FORM} :is(button, summary, textarea)").evaluate_all(
        "all => all.filter(one => !(one.textContent || one.ariaLabel || one.labels?.length)).length"
    )
    assert names == 0
    # one stop for each question, in its order
    page.locator(f"{FORM} input[name='left.communication']").first.focus()
    page.keyboard.press("5")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "right.communication"


def test_on_a_phone_everything_is_large_enough(come: Come) -> None:
    # low enough that the second reply is below the fold
    phone = {"viewport": {"width": 390, "height": 400}, "is_mobile": True, "has_touch": True}
    rater = come("en", "touch", **phone)
    page = rater.page
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    small = page.locator(f"{FORM} :is(.point, .vote, [type=submit], .pass summary)").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect())"
        ".filter(box => box.width < 48 || box.height < 48).length"
    )
    assert small == 0
    page.evaluate("scrollTo(0, 0)")
    page.evaluate("document.querySelector('form.rating').requestSubmit()")
    page.wait_for_selector(".missing:not([hidden])")
    assert "Read both replies" in page.inner_text(".missing")  # and it leads to the one unread
    rater.fill()
    rater.save()
    page.tap(".pass summary")
    page.tap("[data-reason=unclear]")
    page.wait_for_function("document.querySelector('#rc-toast').innerText.includes('Skipped')")


def test_own_ratings_can_be_withdrawn_and_erased(come: Come) -> None:
    rater = come("en")
    page = rater.page
    rater.fill()
    rater.save()
    page.click("#rc-rate-mine [data-act=mine]")
    page.click("#rc-rate-mine [data-act=withdraw]")
    page.wait_for_selector("#rc-rate-mine li:has-text('withdrawn')")
    page.click("#rc-rate-mine .erase summary")
    page.click("#rc-rate-mine [data-act=erase]")
    page.wait_for_selector("#rc-rate :text('All of it is erased')")
    page.reload()
    page.wait_for_selector("#rc-rate .consent")


def test_a_talk_is_rated_where_it_was_read(visit: Callable[..., Any]) -> None:
    page = visit()
    pick(page)
    say(page, "在吗？")
    assert page.locator(".rate-talk").count() == 0
    say(page, "今天风大吗？")
    page.click(".rate-talk")
    page.click("#rc-rating .consent [type=submit]")
    page.wait_for_selector("#rc-rating form.rating")
    assert page.locator("#rc-rating .side").count() == 3
    page.keyboard.press("4")
    page.evaluate("document.activeElement.blur()")
    page.click("#rc-rating [data-act=close]")
    page.click(".rate-talk")  # half filled, it waits
    page.wait_for_selector("#rc-rating form.rating")
    assert page.locator("#rc-rating input:checked").count() == 1
    for _ in range(2):
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("3")
    page.click("#rc-rating [type=submit]")
    page.wait_for_selector("#rc-rating .receipt")
    page.click("#rc-rating .send [data-act=close]")
    page.wait_for_selector("#rc-rating .sheet", state="detached")
    page.click(".rate-talk")
    page.wait_for_selector("#rc-rating form.rating[data-do=revise]")
    assert page.locator("#rc-rating input:checked").count() == 3
    page.keyboard.press("Escape")
    page.wait_for_selector("#rc-rating .sheet", state="detached")
    page.click("#rc-log .theirs:not(.greeting) [data-act=rate] >> nth=0")
    page.wait_for_selector("#rc-rating form.rating[data-do=submit]")
    first = page.locator("#rc-log .theirs:not(.greeting) .bubble").first.inner_text()
    assert page.inner_text("#rc-rating .rated-text") == first
    better = "#rc-rating [name=better]"
    page.click("#rc-rating .remark:has([name=better]) summary")
    page.type(better, "3点了，N号灯还亮着。")  # no key of the form is heard in it
    assert page.locator("#rc-rating input:checked").count() == 0
    page.keyboard.press("Escape")
    page.wait_for_selector("#rc-rating .sheet", state="detached")
    page.click("#rc-log .theirs:not(.greeting) [data-act=rate] >> nth=0")
    page.wait_for_selector("#rc-rating form.rating")
    assert page.input_value(better) == "3点了，N号灯还亮着。"
