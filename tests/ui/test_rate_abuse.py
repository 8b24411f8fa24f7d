"""What the rate page does with what is forged, late, doubled or sent while the database is away."""

import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import pytest

from rolecraft.services import Services
from rolecraft.store.database import Database
from rolecraft.store.rating_check import verify
from rolecraft.store.ratings import Ratings
from tests.ui.rating_page import Rater, study

Opened = Callable[..., Services]


def refused(rater: Rater, said: str, before: int = 1) -> None:
    """Nothing was stored beside the training, and the rater was told why."""
    assert rater.note["state"] == "refused" and said in rater.note["text"], rater.note
    assert len(rater.stored) == before


@pytest.mark.parametrize("value", [0, 6, -1, 4.5, 4.0, "4", "5; DROP TABLE score", True, [4], {}])
def test_a_value_that_is_none_is_refused(rater: Rater, value: Any) -> None:
    rater.rate(value)
    refused(rater, "1 到 5 的整数")
    assert rater.rate(4).note["state"] == "saved"  # the form is still there


def test_odd_shapes_are_refused(rater: Rater) -> None:
    good = rater.filled()
    for changes, said in (
        ({"scores": []}, ""),
        ({"scores": "4"}, ""),
        ({"scores": [1, None]}, ""),
        ({"scores": good["scores"][:3]}, "还有没选的"),
        ({"scores": [*good["scores"], good["scores"][0]]}, "两次"),
        ({"scores": [{**one, "side": "middle"} for one in good["scores"]]}, "没有在这里出现"),
        ({"scores": [{**one, "criterion": ["x"]} for one in good["scores"]]}, "没有问这一项"),
        ({"scores": [{**one, "criterion": "beauty"} for one in good["scores"]]}, "没有问这一项"),
        ({"preference": "alpha"}, ""),
        ({"preference": ["left"]}, ""),
        ({"comment": "x" * 2001}, "太长"),
        ({"comment": "\ud800"}, "存不下"),
        ({"comment": 7}, "存不下"),
        ({"id": "1"}, "编号"),
        ({"id": None}, "编号"),
    ):
        rater.act("submit", **{**good, "preference": None, **changes})
        refused(rater, said)
    for do in ("reveal", "__init__", None, 3, ["submit"]):
        assert rater.act(do, **good).note == {} and len(rater.stored) == 1
    assert verify(rater.services.database).ok


def test_forged_forms_and_tokens_are_refused(rater: Rater) -> None:
    good = rater.filled()
    for changes in (
        {"form": "0" * 32}, {"form": "' OR 1=1 --"}, {"form": None}, {"form": "表"},
        {"token": "0" * 64}, {"token": ""}, {"token": "\ud800"}, {"token": {"a": 1}},
    ):  # fmt: skip
        rater.act("submit", **{**good, **changes})
        refused(rater, "不是发给你的")


def test_another_visitors_form_is_not_mine(house: Services, rater: Rater) -> None:
    mallory = Rater(house).agree().lessons()
    theirs = rater.filled()
    for deed in ("submit", "revise", "skip", "withdraw", "change"):
        mallory.act(deed, **{**theirs, "id": str(uuid.uuid4()), "reason": "other"})
        refused(mallory, "不是发给你的")
    assert rater.rate(4).note["state"] == "saved"
    # nor can an id that is taken be used again for something else
    mallory.act("submit", **{**mallory.filled(), "id": rater.stored[0].event})
    assert mallory.note["state"] == "refused" and len(rater.stored) == 2


def test_a_reply_that_was_not_shown_cannot_be_rated(services: Services) -> None:
    study(services, form="singles")
    rater = Rater(services).agree().lessons()
    good = rater.filled()
    extra = [*good["scores"], {"side": "right", "criterion": "communication", "value": 5}]
    rater.act("submit", **{**good, "scores": extra})
    refused(rater, "没有在这里出现过")
    rater.act("submit", **{**good, "preference": "left"})
    refused(rater, "没有问这一项")


def test_a_double_click_stores_one(rater: Rater) -> None:
    sent = rater.filled()
    first = rater.act("submit", **sent).note
    view = rater.view
    second = rater.act("submit", **sent).note
    assert (first["state"], second["state"]) == ("saved", "saved")
    assert first["code"] == second["code"] and len(rater.stored) == 2
    assert rater.form["form"] in view  # both lead to the same next item


def test_two_tabs_rate_one_form_once(rater: Rater) -> None:
    other = rater.tab("tab-2")
    rater.rate(4)
    other.rate(4)  # the same answer is the same rating
    assert other.note["state"] == "saved" and len(rater.stored) == 2
    third = rater.tab("tab-3")
    rater.rate(2)
    third.rate(5)
    assert third.note["state"] == "refused" and "已经评过" in third.note["text"]
    assert third.form == rater.form  # and it is led on
    assert [one.scores[0][2] for one in rater.stored[:2]] == [2, 4]


def test_an_expired_form_gives_way_to_a_new_one(
    rater: Rater, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = rater.filled()
    later = Ratings._save_one

    def an_hour_on(self: Ratings, *given: Any, **more: Any) -> Any:
        now = self._clock
        self._clock = lambda: now() + 3600 * 1000
        try:
            return later(self, *given, **more)
        finally:
            self._clock = now

    monkeypatch.setattr(Ratings, "_save_one", an_hour_on)
    rater.act("submit", **old)
    refused(rater, "过期")
    monkeypatch.undo()
    assert rater.form["form"] != old["form"] and rater.rate(4).note["state"] == "saved"


def test_after_the_names_are_told_a_rating_is_final(rater: Rater, house: Services) -> None:
    rater.rate(4)
    rated, token = rater.stored[0].form, house.desk.raters.token(rater.stored[0].form)
    visit = house.desk.enter(rater.place.token, "tab-1")
    with house.database.write() as session:
        from rolecraft.store.rated_schema import PresentationRow

        session.get_one(PresentationRow, rated).revealed_ms = 2_000_000_000_000
    assert not house.desk.ratings.mine(visit.rater)[0].may_change
    assert f'change" data-form="{rated}"' not in rater.act("mine").mine
    rater.act("change", form=rated)
    refused(rater, "名字已经公布", before=2)
    scores = [
        {"side": side, "criterion": name, "value": 1}
        for side in ("left", "right")
        for name in ("communication", "consistency", "diversity")
    ]
    sent = {"id": str(uuid.uuid4()), "form": rated, "token": token, "scores": scores}
    rater.act("revise", **sent, preference="right")
    refused(rater, "名字已经公布", before=2)


def test_a_withdrawn_rating_stays_so(rater: Rater) -> None:
    sent = rater.filled()
    rater.act("submit", **sent)
    rater.act("withdraw", **{**sent, "id": str(uuid.uuid4())})
    for deed in ("revise", "withdraw"):
        rater.act(deed, **{**sent, "id": str(uuid.uuid4())})
        refused(rater, "已经撤回", before=2)


def test_blocked_and_unwilling_raters_are_told_so(rater: Rater, house: Services) -> None:
    visit = house.desk.enter(rater.place.token, "x")
    form = rater.filled()
    house.desk.raters.withdraw(visit.rater)
    rater.act("submit", **form)
    refused(rater, "还没有你的同意")
    assert "开始之前" in rater.view
    rater.agree()
    house.desk.raters.set_status(visit.rater, "blocked")
    rater.rate(4)
    refused(rater, "暂不接收")


def test_numbers_that_no_clock_gives_are_flagged_not_believed(rater: Rater) -> None:
    for active, wall in ((2**80, 2**90), (-5, 100), ("9", None), (500, 100)):
        sent = rater.filled(active_ms=active, wall_ms=wall, n_changes=2**70, input_mode="k" * 90)
        assert rater.act("submit", **sent).note["state"] == "saved"
    assert verify(rater.services.database).ok


@contextmanager
def locked(services: Services) -> Iterator[None]:
    """Another program has the database."""
    with closing(sqlite3.connect(services.database.place, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@pytest.fixture
def impatient(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> Services:
    """A house whose database waits for nobody."""
    monkeypatch.setattr(Database.open.__func__, "__kwdefaults__", {"patience_ms": 50})
    services = opened("impatient")
    study(services)
    return services


def test_while_the_database_is_away_the_form_stays(impatient: Services, opened: Opened) -> None:
    rater = Rater(impatient).agree().lessons()
    sent, view = rater.filled(), rater.view
    with locked(impatient):
        for _ in range(2):
            rater.act("submit", **sent)
            assert rater.note["state"] == "unsaved" and "还没存上" in rater.note["text"]
            assert rater.view == view
            assert impatient.database.place not in str(rater.note)
    rater.act("submit", **sent)  # the page sends it again by itself
    assert rater.note["state"] == "saved" and len(rater.stored) == 2
    impatient.desk.take_kept()  # what was kept beside the database is the same rating
    assert len(rater.stored) == 2 and verify(impatient.database).ok


def test_a_page_opened_while_the_database_is_away_tries_again(impatient: Services) -> None:
    with locked(impatient):
        page = Rater(impatient).come()
        assert "data-retry" in page.view and "正忙" in page.view
        assert page.act("agree").note["state"] == "unsaved"
    assert "开始之前" in page.act("next").view


def test_a_rating_is_taken_at_the_next_start_when_its_browser_is_gone(
    impatient: Services, opened: Opened
) -> None:
    rater = Rater(impatient).agree().lessons()
    with locked(impatient):
        assert rater.rate(3).note["state"] == "unsaved"
    impatient.close()
    later = replace(rater, services=opened("impatient"))
    later.place, later.caller = rater.place, rater.caller
    assert [one.scores[0][2] for one in later.stored] == [3, 4]
