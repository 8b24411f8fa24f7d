"""What of the ratings may be seen, when a board is renewed, what lies under a number of it."""

import random
from typing import Any

import pytest

from rolecraft.characters import Shelf
from rolecraft.conversation import Identity, Message, Reply, Sampling
from rolecraft.engines.base import EngineCard
from rolecraft.engines.scripted import ScriptedEngine
from rolecraft.errors import EngineUnavailable, RatingRefused
from rolecraft.ratings import making
from rolecraft.ratings.desk import Desk, Sheet, Visit
from rolecraft.ratings.published import WEEK_MS, Published
from rolecraft.ratings.reproduce import again
from rolecraft.ratings.study import DAY_MS, Done, Plan
from rolecraft.ratings.under import Cell, under
from rolecraft.store import boards
from rolecraft.store.generations import Arm
from tests.rating_kit import CARD, Clock, sent
from tests.ratings.conftest import fill, rate_all

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


def test_a_study_is_shown_when_it_was_closed(
    rated: Desk, published: Published, clock: Clock
) -> None:
    assert published.running() == {"first"}
    clock.now += 5 * WEEK_MS  # however long nobody comes: somebody might
    assert (published.running(), published.renew()) == ({"first"}, 0)
    rated.studies.close("first")
    assert published.running() == frozenset()
    assert published.renew() == 1
    assert published.renew() == 0
    (version,) = published.versions()
    assert version.board["spec"]["study"] == "first"
    clock.now += WEEK_MS
    assert published.renew() == 0  # nothing is new, and nobody voted on the other pages
    assert boards.end_of(rated.ratings._database, clock.now, ("blind",)) == 0
    assert boards.end_of(rated.ratings._database, clock.now, ("bank",)) > 0


def small_study(desk: Desk, shelf: Shelf, **plan: Any) -> None:
    """Every pair has its raters after three raters."""
    fill(desk, shelf, questions=4)
    values = {"quota": 8, "training": 0, "cap": 0, "repeats": 0, "degraded": 0} | plan
    making.make_study(desk, "small", ("a", "b"), Plan(**values), "pairs", random.Random(0))


def newcomer(desk: Desk, name: str) -> Visit:
    return desk.agree(desk.enter(name, "tab"))


def test_a_rater_in_mid_study_sees_no_board(desk: Desk, shelf: Shelf, clock: Clock) -> None:
    small_study(desk, shelf)
    published = Published(desk.ratings._database, "test", clock)
    for number in range(3):
        rate_all(desk, newcomer(desk, f"r{number}"), "small", random.Random(number), clock)
    late = newcomer(desk, "late")
    for number in range(3):
        sheet = desk.next(late, "small", random.Random(number))
        assert isinstance(sheet, Sheet)
        assert (published.running(), published.renew(), published.versions()) == ({"small"}, 0, ())
        assert {sheet.form.left, sheet.form.right} <= published.withheld()
        clock.now += 20_000
        desk.submit(late, sent(sheet.form))


def test_a_closed_study_deals_nothing_and_is_shown_when_no_form_is_open(
    desk: Desk, shelf: Shelf, clock: Clock
) -> None:
    small_study(desk, shelf)
    published = Published(desk.ratings._database, "test", clock)
    one, two = newcomer(desk, "one"), newcomer(desk, "two")
    opened = desk.next(one, "small", random.Random(0))
    assert isinstance(opened, Sheet)
    at = desk.studies.close("small")
    assert desk.next(two, "small", random.Random(0)) == Done("closed")
    assert published.running() == {"small"}  # one form is still before a rater
    clock.now += 20_000
    desk.submit(one, sent(opened.form))
    assert published.running() == frozenset()
    assert desk.next(one, "small", random.Random(0)) == Done("closed")
    assert published.renew() == 1
    with pytest.raises(RatingRefused, match="closed") as refused:
        desk.revise(one, sent(opened.form, value=1))
    assert refused.value.reason == "closed"
    clock.now += DAY_MS
    assert desk.studies.close("small") == at  # closed is closed


def test_a_study_of_so_many_raters_ends_with_them(desk: Desk, shelf: Shelf, clock: Clock) -> None:
    small_study(desk, shelf, raters=2)
    published = Published(desk.ratings._database, "test", clock)
    one, two, three = (newcomer(desk, name) for name in ("one", "two", "three"))
    rate_all(desk, one, "small", random.Random(1), clock)
    sheet = desk.next(three, "small", random.Random(3))
    assert isinstance(sheet, Sheet)
    clock.now += 20_000
    desk.submit(three, sent(sheet.form))
    assert published.running() == {"small"}
    rate_all(desk, two, "small", random.Random(2), clock)
    assert desk.next(three, "small", random.Random(3)) == Done("closed")
    assert published.running() == frozenset()


def test_a_rating_that_was_taken_back_renews_the_board_of_a_study_weekly(
    rated: Desk, published: Published, clock: Clock
) -> None:
    rated.studies.close("first")
    assert published.renew() == 1
    visit = rated.enter("rater-0", "tab")
    mine = next(one for one in rated.ratings.mine(visit.rater) if len(one.scores) == 6)
    rated.ratings.withdraw(visit.rater, sent(rated.ratings.form(visit.rater, mine.form)))
    assert published.renew() == 0  # versions stand still for a week
    clock.now += WEEK_MS
    assert (published.renew(), published.renew()) == (1, 0)
    newer, older = published.versions()
    assert newer.n_events == older.n_events - 1


@pytest.mark.parametrize("how", ["withdraw", "erase"])
def test_a_rater_who_takes_consent_back_leaves_the_board(
    rated: Desk, published: Published, clock: Clock, how: str
) -> None:
    rated.studies.close("first")
    published.renew()
    (version,) = published.versions()
    seen = published.ratings(version, "included")
    assert len(set(seen.chosen["rater"])) == 3
    getattr(rated.raters, how)(rated.enter("rater-0", "tab").rater)
    assert len(set(published.ratings(version, "included").chosen["rater"])) == 2
    assert published.renew() == 0
    clock.now += WEEK_MS
    assert published.renew() == 1
    clock.now += WEEK_MS
    assert published.renew() == 0  # once is enough
    newer, older = published.versions()
    assert (newer.n_raters, older.n_raters) == (2, 3)


def test_a_rater_whom_the_team_sets_aside_leaves_the_boards_at_once(
    rated: Desk, published: Published, clock: Clock
) -> None:
    rater = rated.enter("rater-0", "tab").rater
    assert rated.raters.set_status(rater, "shadow")
    assert published.renew_without_waiting(rater) == 0  # the study still runs
    assert rated.raters.set_status(rater, "active")
    rated.studies.close("first")
    published.renew()
    (first,) = published.versions()
    assert len(set(published.ratings(first, "included").chosen["rater"])) == 3
    clock.now += 1000
    assert rated.raters.set_status(rater, "shadow")
    assert len(set(published.ratings(first, "included").chosen["rater"])) == 2
    assert published.renew_without_waiting(rater) == 1
    assert [one.n_raters for one in published.versions()] == [2, 3]
    assert not rated.raters.set_status(rater, "blocked")  # counted as little as before
    nobody = rated.agree(rated.enter("rater-9", "tab")).rater
    assert rated.raters.set_status(nobody, "shadow")
    assert published.renew_without_waiting(nobody) == 0
    clock.now += 1000
    assert rated.raters.set_status(rater, "active")
    assert published.renew_without_waiting(rater) == 1
    assert [one.n_raters for one in published.versions()] == [3, 2, 3]


def test_nothing_is_told_of_a_study_that_runs(
    rated: Desk, published: Published, clock: Clock
) -> None:
    rated.studies.close("first")
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
    found = under(published.ratings(version, "included"), Cell("a"), held, ())
    assert held
    assert not {one.generation for one in found} & held
    assert [one.id for one in published.versions()] == [version.id]


def test_under_a_number_lie_its_ratings(rated: Desk, published: Published, clock: Clock) -> None:
    rated.studies.close("first")
    all_of_them = rated.shown.agreeing("publish")
    assert len(all_of_them) == 3
    published.renew()
    (version,) = published.versions()
    ratings = published.ratings(version, "included")
    assert published.ratings(version, "included") is ratings
    for arm, cells in version.board["table"].items():
        for criterion in ("average", "communication"):
            replies = under(ratings, Cell(arm, criterion), (), all_of_them)
            values = [said.value for one in replies for said in one.said]
            assert len(values) == cells[criterion]["n"]
            assert {one.text[0] for one in replies} == {arm}
    votes = under(ratings, Cell("a", "preference"), (), all_of_them)
    assert {said.outcome for one in votes for said in one.said} <= {
        "won",
        "lost",
        "tie",
        "both_bad",
    }
    some = under(ratings, Cell("a", "average", replies[0].character, "快乐"), (), all_of_them)
    assert some and {one.character for one in some} == {replies[0].character}
    assert under(ratings, Cell("nobody"), (), all_of_them) == ()
    every = under(ratings, Cell(criterion="communication"), (), all_of_them)
    both = under(ratings, Cell("a", "communication", versus="b"), (), all_of_them)
    assert every == both and {one.arm for one in both} == {"a", "b"}


def test_who_does_not_publish_is_counted_and_not_heard(
    rated: Desk, published: Published, clock: Clock
) -> None:
    rated.studies.close("first")
    published.renew()
    (version,) = published.versions()
    ratings = published.ratings(version, "included")
    silent = rated.agree(rated.enter("rater-1", "tab"), ("rate", "train"))
    publishing = rated.shown.agreeing("publish")
    assert len(publishing) == 2 and silent.rater not in publishing
    for criterion in ("average", "communication", "preference"):
        open_ = under(ratings, Cell("a", criterion), (), {*publishing, silent.rater})
        found = under(ratings, Cell("a", criterion), (), publishing)
        assert [one.generation for one in found] == [one.generation for one in open_]
        for one, whole in zip(found, open_, strict=True):
            assert len(one.said) + one.unpublished == len(whole.said)
            assert whole.unpublished == 0
        hidden = sum(one.unpublished for one in found)
        theirs = ratings.chosen.only(ratings.chosen["rater"] == silent.rater)
        assert hidden == sum(
            arm == "a" and (name == criterion or (criterion == "average" and name != "preference"))
            for arm, name in zip(theirs["arm"], theirs["criterion"], strict=True)
        )
        number = {said.rater for one in open_ for said in one.said}
        assert len(number - {said.rater for one in found for said in one.said}) == 1
    rated.agree(silent)  # changes their mind: heard at once, without another version
    again = under(ratings, Cell("a"), (), rated.shown.agreeing("publish"))
    assert sum(one.unpublished for one in again) == 0


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
    held = {**trace, "model": {**trace["model"], "dtype": "bfloat16", "quant": "nf4"}}
    assert again(held, lambda _: engine).verdict == "other_weights"


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
