"""Rating what was just said, in the sheet over the talk, without a browser."""

import json
import re
import uuid
from typing import Any

import pytest

from rolecraft.errors import ConversationNotFound
from rolecraft.services import Services
from rolecraft.store import rating_rows
from rolecraft.store.rating_check import verify
from rolecraft.store.rating_rows import better_words
from rolecraft.ui.options import PRESETS
from rolecraft.ui.rate_sheet import SheetShown, TalkRating
from rolecraft.ui.seat import Caller, Seats
from rolecraft.ui.texts import ZH
from tests.ui.test_saying import Page

RATE = 'data-act="rate"'


class Sheet:
    """The sheet over the talk of a page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.rating = TalkRating(page.services, Seats(page.services.desk))
        self.html = ""
        self.note: dict[str, Any] = {}

    def act(self, do: str, **sent: Any) -> "Sheet":
        place, caller = self.page.place.to_browser(), Caller("tab", "10.0.0.1", "desktop", "zh")
        shown: SheetShown = self.rating.act(place, {"do": do, **sent}, caller)
        self.html = shown.sheet if shown.sheet is not None else self.html
        self.note = json.loads(shown.note) if shown.note else {}
        return self

    def rate(self, value: Any = 4, do: str = "submit", **changes: Any) -> "Sheet":
        found = re.search(r'data-form="(\w+)" data-token="(\w+)"', self.html)
        assert found
        groups = re.findall(r'data-side="(\w+)" data-criterion="(\w+)"', self.html)
        scores = [{"side": s, "criterion": c, "value": value} for s, c in groups]
        sent = {"id": str(uuid.uuid4()), "form": found[1], "token": found[2], "scores": scores}
        return self.act(do, **{**sent, "comment": "", "active_ms": 1, "wall_ms": 2, **changes})


@pytest.fixture
def sheet(services: Services) -> Sheet:
    page = Page(services).pick()
    page.say("在吗？")
    page.say("今天冷吗？")
    return Sheet(page)


def test_a_talk_can_be_rated_after_two_replies(services: Services) -> None:
    page = Page(services).pick()
    page.say("在吗？")
    assert ZH["rate_talk"] not in str(page.shown.log) and str(page.shown.log).count(RATE) == 1
    steps = page.say("今天冷吗？")
    assert ZH["rate_talk"] in str(page.shown.log) and str(page.shown.log).count(RATE) == 3
    assert ZH["rate_talk"] not in str(steps[0].log)  # while the answer is being written


def test_consent_comes_before_the_three_criteria(sheet: Sheet) -> None:
    assert "开始之前" in sheet.act("open", message="").html and "<input" in sheet.html
    sheet.act("agree")
    assert ZH["rate_talk_title"] in sheet.html and sheet.html.count('role="radiogroup"') == 3
    assert " checked" not in sheet.html and "跳过" not in sheet.html
    sheet.rate(4)
    assert sheet.note["state"] == "saved" and sheet.note["code"] in sheet.html
    assert verify(sheet.page.services.database).ok


def test_a_rated_talk_is_changed_and_a_longer_one_is_another(sheet: Sheet) -> None:
    sheet.act("open").act("agree").rate(4)
    sheet.act("open")
    assert 'data-do="revise"' in sheet.html and sheet.html.count(" checked") == 3
    sheet.rate(2, do="revise")
    assert sheet.note["state"] == "saved"
    sheet.page.say("还有呢？")
    assert 'data-do="submit"' in sheet.act("open").html
    assert len(sheet.page.services.desk.ratings.mine(_rater(sheet))) == 1


def test_one_reply_is_rated_by_itself(sheet: Sheet) -> None:
    first = sheet.page.ids[1]
    sheet.act("open", message=first)
    assert f'data-message="{first}"' in sheet.html
    sheet.act("agree", message=first)
    assert ZH["rate_reply_title"] in sheet.html and "你来啦，快坐。" in sheet.html
    sheet.rate(5)
    (mine,) = sheet.page.services.desk.ratings.mine(_rater(sheet))
    assert [one.text for one in _seen(sheet, mine.form)] == ["你来啦，快坐。"]


def test_what_is_not_mine_or_not_there_cannot_be_rated(sheet: Sheet) -> None:
    sheet.act("open").act("agree")
    other = Sheet(Page(sheet.page.services).pick("an-ran"))
    other.page.say("在吗？")
    other.act("open").act("agree")
    for message in (sheet.page.ids[1], "0" * 32, "x'; DROP"):
        with pytest.raises(ConversationNotFound):
            other.act("open", message=message)
    form = re.search(r'data-form="(\w+)" data-token="(\w+)"', sheet.html)
    assert form
    other.rate(4, form=form[1], token=form[2])
    assert other.note["state"] == "refused" and "不是发给你的" in other.note["text"]
    for value in (0, 6, 4.5, "5; DROP"):
        assert sheet.rate(value).note["state"] == "refused"
    assert sheet.page.services.desk.ratings.mine(_rater(sheet)) == ()


def test_a_reply_can_be_put_into_better_words(sheet: Sheet) -> None:
    sheet.act("open").act("agree", train=True)
    assert 'name="better"' not in sheet.html  # of a whole talk there is no one reply to write
    sheet.act("open", message=sheet.page.ids[1])
    assert 'name="better"' in sheet.html
    sheet.rate(2, better="灯亮着，你慢慢走。")
    assert sheet.note["state"] == "saved"
    database = sheet.page.services.database
    assert list(better_words(database).values()) == ["灯亮着，你慢慢走。"]
    assert verify(database).ok


def test_a_rating_counts_for_the_conditions_that_made_the_reply(services: Services) -> None:
    page = Page(services).pick()
    for text in ("在吗？", "今天冷吗？"):
        page.say(text, passages=False, emotion="快乐", preset="lively")
    sheet = Sheet(page).act("open").act("agree").rate(4)
    own = services.catalog.entry("rolecraft-mini").sampling
    wanted = ["retrieval=off", "emotion=快乐"]
    wanted += [
        f"{name}={value:g}" for name, value in PRESETS["lively"].items()
        if value != getattr(own, name)
    ]  # fmt: skip
    assert len(wanted) > 2
    assert [set(one.split(",")) for one in _conditions(sheet)] == [set(wanted)]
    plain = Sheet(Page(services).pick("an-ran"))
    plain.page.say("在吗？")
    plain.act("open", message=plain.page.ids[1]).act("agree", message=plain.page.ids[1]).rate(5)
    assert _conditions(sheet)[1:] == [""]


def test_a_talk_of_two_ways_is_rated_reply_by_reply(sheet: Sheet) -> None:
    sheet.act("open").act("agree").rate(4)
    sheet.page.say("还有呢？", passages=False)
    before = sheet.html
    sheet.act("open")
    assert sheet.note["state"] == "refused" and sheet.html == before
    assert "换过模型或设定" in sheet.note["text"]
    sheet.act("open", message=sheet.page.ids[-1]).rate(2)
    assert sheet.note["state"] == "saved"
    assert _conditions(sheet) == ["", "retrieval=off"]


def test_the_names_make_a_rating_final(sheet: Sheet) -> None:
    sheet.act("open").act("agree")
    form = re.search(r'data-form="(\w+)" data-token="(\w+)"', sheet.html)
    assert form
    rater = _rater(sheet)
    sheet.rate(4)
    names = sheet.page.services.desk.ratings.reveal(rater, form[1], form[2])
    assert set(names.values()) == {"rolecraft-mini"}
    before = sheet.html
    sheet.act("open")
    assert sheet.note["state"] == "refused" and sheet.html == before
    scores = [
        {"side": "left", "criterion": name, "value": 1}
        for name in ("communication", "consistency", "diversity")
    ]
    sent = {"id": str(uuid.uuid4()), "form": form[1], "token": form[2], "scores": scores}
    sheet.act("revise", **sent)
    assert sheet.note["state"] == "refused" and "名字已经公布" in sheet.note["text"]


def _conditions(sheet: Sheet) -> list[str]:
    """Of every rating, in the order in which they came."""
    rows = rating_rows.read(sheet.page.services.database, ("number", "conditions"))
    return [conditions for _, conditions in sorted(set(zip(*rows.values(), strict=True)))]


def _rater(sheet: Sheet) -> str:
    return sheet.page.services.desk.enter(sheet.page.place.token, "tab").rater


def _seen(sheet: Sheet, form: str) -> Any:
    visit = sheet.page.services.desk.enter(sheet.page.place.token, "tab")
    return sheet.page.services.desk.sheet(visit, form).left
