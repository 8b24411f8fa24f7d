"""Reporting a reply from the rate page and the compare page, and what the results then hide."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from rolecraft.ratings.under import Cell, RatedReply, Said
from rolecraft.services import Services
from rolecraft.ui.markup import escape
from rolecraft.ui.results_cell import replies
from rolecraft.ui.texts import Language, say
from tests.ui.rating_page import Rater
from tests.ui.test_compare import Page

BUTTON = re.compile(
    r'data-act="report" data-form="(\w+)" data-token="(\w+)" data-side="(\w+)" data-reason="(\w+)"'
)


def test_the_rate_page_takes_a_report(rater: Rater) -> None:
    form = rater.form
    found = BUTTON.findall(rater.view)
    assert [(one[2], one[3]) for one in found] == [
        (side, reason)
        for side in ("left", "right")
        for reason in ("personal", "offensive", "other")
    ]
    name, token, side, reason = found[1]
    before = rater.view
    rater.act("report", form=name, token=token, side=side, reason=reason)
    assert rater.note["state"] == "told" and "先不公开" in rater.note["text"]
    assert rater.view == before and rater.form == form  # it can be rated all the same
    shown = rater.services.desk.sheet(rater.visit, name).form
    (one,) = rater.services.desk.moderating.reported()
    assert (one.generation, one.reasons) == (shown.left, ("offensive",))
    assert not rater.services.desk.shown.decent(shown.left)
    rater.act("report", form=name, token="0" * 64, side=side, reason=reason)
    assert rater.note["state"] == "refused"


def test_the_compare_page_takes_a_report(compared: Callable[..., Services]) -> None:
    page = Page(compared())
    page.arrive()
    page.pick().say()
    found = BUTTON.findall(str(page.shown.pair))
    assert {one[2] for one in found} == {"left", "right"} and len(found) == 6
    form, token, side, reason = found[-1]
    view = page.do("report", form=form, token=token, side=side, reason=reason)
    assert view.pair is None and say("zh", "rate_reported") in str(view.note)
    (one,) = page.services.desk.moderating.reported()
    assert one.generation == page.pairs[0].right
    page.vote("left")
    assert len(BUTTON.findall(str(page.shown.pair))) == 6
    page.reveal()  # also when the names are told
    assert page.state == "told"
    told = BUTTON.findall(str(page.shown.pair))
    assert {one[2] for one in told} == {"left", "right"} and len(told) == 6
    form, token, side, reason = told[0]
    page.do("report", form=form, token=token, side=side, reason=reason)
    assert say("zh", "rate_reported") in str(page.shown.note)
    assert {one.generation for one in page.services.desk.moderating.reported()} == {
        page.pairs[0].left,
        page.pairs[0].right,
    }
    page.do("report", form=form, token=token, side="both", reason=reason)
    assert '"refused"' in str(page.shown.note)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_results_say_that_words_are_kept_back(language: Language) -> None:
    hidden = RatedReply(
        "g", "a", "lu-yuan", "", "stop", "", "", "", (Said(1, "communication", 4, "", 0),)
    )
    shown = replies(Cell("a"), (hidden,), 0, {}, language)
    assert escape(say(language, "results_withheld")) in shown and "<strong>4</strong>" in shown
    told = replies(Cell("a"), (replace(hidden, text="在呢。"),), 0, {}, language)
    assert "在呢。" in told and escape(say(language, "results_withheld")) not in told
