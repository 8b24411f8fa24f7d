"""What of the ratings may be seen, when a board is renewed, what lies under a number of it."""

import random
from dataclasses import replace
from typing import Any

import pytest

from rolecraft.conversation import Identity, Message, Reply, Sampling
from rolecraft.engines.base import EngineCard
from rolecraft.engines.scripted import ScriptedEngine
from rolecraft.errors import EngineUnavailable
from rolecraft.ratings import making
from rolecraft.ratings.desk import Desk
from rolecraft.ratings.published import QUIET_MS, WEEK_MS, Published, over
from rolecraft.ratings.reproduce import again
from rolecraft.ratings.study import Plan
from rolecraft.ratings.under import Cell, under
from rolecraft.store import boards
from rolecraft.store.generations import Arm
from rolecraft.store.studies import Stand
from tests.rating_kit import CARD, Clock

OUTCOMES = ("won", "lost", "tie", "both_bad")


def reply_of(text: str, emotion: str | None = None) -> Reply:
    return Reply(
        text=text, emotion=emotion, passages=(), identity=Identity("scripted", "scripted"),
        sampling=Sampling(seed=7), seed=7, prompt=(Message("user", "在吗"),), prompt_tokens=2,
        reply_tokens=len(text), first_token_ms=1.0, total_ms=2.0, finish="stop",
    )  # fmt: skip


@pytest.fixture
def published(rated: Desk, clock: Clock) -> Published:
    return Published(rated.ratings._database, "test", clock)


def test_a_study_is_shown_when_it_is_over(rated: Desk, published: Published, clock: Clock) -> None:
    (stand,) = rated.studies.stands()
    assert (stand.name, stand.fewest_raters) == ("first", 0)  # some items were never dealt
    assert published.running() == {"first"}
    assert published.renew() == 0
    clock.now += QUIET_MS + 1
    assert published.running() == frozenset()
    assert published.renew() == 1
    assert published.renew() == 0
    (version,) = published.versions()
    assert version.board["spec"]["study"] == "first"
    clock.now += WEEK_MS
    assert published.renew() == 0  # nothing is new, and nobody voted on the other pages
    assert boards.end_of(rated.ratings._database, clock.now, ("blind",)) == 0
    assert boards.end_of(rated.ratings._database, clock.now, ("bank",)) > 0


def test_a_study_is_over_by_its_raters_or_by_its_silence() -> None:
    stand = Stand("s", {"raters_per_item": 3}, fewest_raters=2, last_ms=1000)
    assert not over(stand, 1000)
    assert over(stand, 1001 + QUIET_MS)
    assert over(replace(stand, fewest_raters=3), 1000)


def test_nothing_is_told_of_a_study_that_runs(
    rated: Desk, published: Published, clock: Clock
) -> None:
    clock.now += QUIET_MS + 1
    published.renew()
    (version,) = published.versions()
    assert published.withheld() == frozenset()
    # another study over the same replies, and someone who has rated none of them
    visit = rated.agree(rated.enter("rater-9", "tab"))
    plan = Plan(quota=4, training=0, cap=0, repeats=0)
    making.make_study(rated, "second", ("a", "b"), plan, "pairs", random.Random(1))
    assert published.running() == {"second"}
    assert rated.next(visit, "second", random.Random(2))
    held = published.withheld()
    found = under(published.ratings(version, "included"), Cell("a"), held)
    assert held
    assert not {one.generation for one in found} & held
    assert [one.id for one in published.versions()] == [version.id]


def test_under_a_number_lie_its_ratings(rated: Desk, published: Published, clock: Clock) -> None:
    clock.now += QUIET_MS + 1
    published.renew()
    (version,) = published.versions()
    ratings = published.ratings(version, "included")
    assert published.ratings(version, "included") is ratings
    for arm, cells in version.board["table"].items():
        for criterion in ("average", "communication"):
            replies = under(ratings, Cell(arm, criterion), ())
            values = [said.value for one in replies for said in one.said]
            assert len(values) == cells[criterion]["n"]
            assert {one.text[0] for one in replies} == {arm}
    votes = under(ratings, Cell("a", "preference"), ())
    assert {said.outcome for one in votes for said in one.said} <= {
        "won",
        "lost",
        "tie",
        "both_bad",
    }
    some = under(ratings, Cell("a", "average", replies[0].character, "快乐"), ())
    assert some and {one.character for one in some} == {replies[0].character}
    assert under(ratings, Cell("nobody"), ()) == ()


def trace_of(desk: Desk, reply: Reply) -> dict[str, Any]:
    turn = desk.generations.turn("talk", 1, CARD, "在吗")
    return desk.shown.trace(desk.generations.record(turn, Arm("scripted"), reply))


def test_a_reply_is_made_again(desk: Desk) -> None:
    engine = ScriptedEngine(EngineCard("scripted", "scripted", {}), ["（快乐）我在呢。"])
    trace = trace_of(desk, reply_of("我在呢。", "快乐"))
    assert again(trace, lambda _: engine).verdict == "same"
    other = again({**trace, "reply_text": "不在。"}, lambda _: engine)
    assert (other.verdict, other.text) == ("different", "我在呢。")
    cut = {**trace, "reply_text": "我在", "finish": "user_stop"}
    assert again(cut, lambda _: engine).verdict == "same"
    moved = {**trace, "model": {**trace["model"], "base_sha256": "0" * 64}}
    assert again(moved, lambda _: engine).verdict == "other_weights"


def test_what_cannot_be_made_again_says_why(desk: Desk) -> None:
    trace = trace_of(desk, reply_of("我在呢。"))

    def gone(name: str) -> ScriptedEngine:
        raise EngineUnavailable(name)

    assert again(trace, gone).verdict == "engine_gone"
    assert again({**trace, "source": "recorded"}, gone).verdict == "recorded"
    assert again({**trace, "prompt": None}, gone).verdict == "erased"


def test_a_visitors_words_are_shown_only_with_consent(desk: Desk) -> None:
    visit = desk.enter("someone", "tab")
    turn = desk.generations.turn("own", 1, CARD, "我的事", rater=visit.rater)
    mine = desk.generations.record(turn, Arm("a"), reply_of("嗯。"))
    assert not desk.shown.public(mine)
    desk.agree(visit, ("rate", "publish"))
    assert desk.shown.public(mine)
    bank = desk.generations.turn("bank", 1, CARD, "题目", source="bank")
    assert desk.shown.public(desk.generations.record(bank, Arm("a"), reply_of("好。")))
