"""Ratings from form to reveal, and everything that is refused on the way, on both databases."""

import random
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import event as events
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from rolecraft.conversation import Reply
from rolecraft.errors import RatingNotSaved, RatingRefused, StoreUnavailable
from rolecraft.store import rating_rows
from rolecraft.store.compared import Compared
from rolecraft.store.database import Database
from rolecraft.store.forms import Form, Score
from rolecraft.store.generations import Arm
from rolecraft.store.quality import Limits
from rolecraft.store.rated_schema import CommentRow, EventRow, FlagRow, PresentationRow, ScoreRow
from rolecraft.store.rating_check import prove, verify
from rolecraft.store.ratings import LEASE_MS, Offer, Ratings
from rolecraft.store.shown_schema import GenerationRow, ModelRevRow, RaterRow, TurnRow
from tests.rating_kit import DOC, ORDER, Kit, sent


def count(kit: Kit, table: type) -> int:
    with kit.database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


# --- the way of a rating


def test_a_rating_is_stored_and_only_then_are_the_names_told(kit: Kit) -> None:
    rater = kit.rater()
    form = kit.form(rater)
    assert (form.state, form.ready, form.revealed) == ("open", True, False)
    with pytest.raises(RatingRefused, match="told after the rating"):
        kit.ratings.reveal(rater, form.id, form.token)
    receipt = kit.ratings.submit(rater, sent(form, comment="左边更像他"))
    assert (receipt.seq, receipt.again) == (1, False)
    assert sorted(kit.ratings.reveal(rater, form.id, form.token).values()) == ["arm-0", "arm-1"]
    (mine,) = kit.ratings.mine(rater)
    assert (mine.code, mine.preference, len(mine.scores)) == (receipt.code, "left", 6)
    assert not mine.may_change
    assert (count(kit, ScoreRow), count(kit, CommentRow)) == (6, 1)
    assert verify(kit.database).ok
    with kit.database.read() as session:
        assert session.scalar(text("SELECT count(*) FROM current_rating")) == 1


def test_sides_are_drawn_and_stored(kit: Kit) -> None:
    rater = kit.rater()
    drawn = []
    for _ in range(24):
        turn = kit.turn()
        first, second = kit.pair(turn)
        form = kit.form(rater, turn=turn, replies=(first, second))
        assert {form.left, form.right} == {first, second}
        drawn.append(form.left == first)
    assert 4 < sum(drawn) < 20
    with kit.database.read() as session:
        assert set(session.scalars(select(PresentationRow.pair_prob))) == {0.5}


def test_fifty_identical_submissions_are_one_rating_and_all_succeed(kit: Kit) -> None:
    rater = kit.rater()
    submission = sent(kit.form(rater))
    with ThreadPoolExecutor(16) as pool:
        receipts = list(pool.map(lambda _: kit.ratings.submit(rater, submission), range(50)))
    assert len({receipt.code for receipt in receipts}) == 1
    assert [receipt.again for receipt in receipts].count(False) == 1
    assert count(kit, EventRow) == 1


def test_a_double_click_with_two_ids_is_one_rating(kit: Kit) -> None:
    rater = kit.rater()
    form = kit.form(rater)
    first = kit.ratings.submit(rater, sent(form))
    second = kit.ratings.submit(rater, sent(form))
    assert (second.event, second.again) == (first.event, True)
    with pytest.raises(RatingRefused, match="rated this already. Change"):
        kit.ratings.submit(rater, sent(form, value=2))


def test_a_rating_can_be_changed_until_the_names_are_told(kit: Kit) -> None:
    rater = kit.rater()
    form = kit.form(rater)
    kit.ratings.submit(rater, sent(form))
    assert kit.ratings.revise(rater, sent(form, value=None, preference="both_bad")).seq == 2
    kit.ratings.revise(rater, sent(form, value=1, preference="tie"))
    with kit.database.read() as session:
        assert session.scalar(text("SELECT preference FROM current_rating")) == "tie"
    assert kit.ratings.mine(rater)[0].may_change
    kit.ratings.reveal(rater, form.id, form.token)
    for change in (kit.ratings.revise, kit.ratings.submit):
        with pytest.raises(RatingRefused, match="names are out"):
            change(rater, sent(form, value=3))
    assert count(kit, EventRow) == 3  # every version is kept


def test_a_skip_needs_a_reason_and_closes_the_form(kit: Kit) -> None:
    rater = kit.rater()
    form = kit.form(rater)
    with pytest.raises(RatingRefused, match="'boring' is none of"):
        kit.ratings.skip(rater, sent(form), "boring")
    kit.ratings.skip(rater, sent(form), "offensive")
    assert kit.ratings.form(rater, form.id).state == "skipped"
    with pytest.raises(RatingRefused, match="passed this one over"):
        kit.ratings.submit(rater, sent(form))


def test_a_withdrawn_rating_is_in_no_table_and_in_the_chain(kit: Kit) -> None:
    rater = kit.rater()
    form = kit.form(rater)
    with pytest.raises(RatingRefused, match="no rating to withdraw"):
        kit.ratings.withdraw(rater, sent(form))
    kit.ratings.submit(rater, sent(form))
    kit.ratings.reveal(rater, form.id, form.token)
    kit.ratings.withdraw(rater, sent(form))  # a right, also after the names
    with kit.database.read() as session:
        assert session.scalar(text("SELECT count(*) FROM current_rating")) == 0
    with pytest.raises(RatingRefused, match="withdrawn and stays so"):
        kit.ratings.revise(rater, sent(form))
    assert verify(kit.database).events == 2


def test_a_single_reply_is_rated_by_criteria_alone(kit: Kit) -> None:
    rater = kit.rater()
    turn = kit.turn()
    (reply,) = kit.pair(turn, "在。")
    form = kit.form(
        rater, turn=turn, replies=(reply,), mode="bank", order=("communication",), probability=1
    )
    assert form.right is None
    with pytest.raises(RatingRefused, match="No preference is asked"):
        kit.ratings.submit(rater, sent(form, preference="tie"))
    kit.ratings.submit(rater, sent(form))
    with pytest.raises(RatingRefused, match="when the study is over"):
        kit.ratings.reveal(rater, form.id, form.token)


# --- what is refused


def test_a_value_that_is_none_is_refused(kit: Kit) -> None:
    rater = kit.rater()
    form = kit.form(rater)
    for value in (0, 6, -1, 4.5, 5.0, "5", "5; DROP TABLE score", True, [5]):
        with pytest.raises(RatingRefused, match="whole number from 1 to 5"):
            kit.ratings.submit(rater, sent(form, value=value))  # type: ignore[arg-type]
    assert count(kit, EventRow) == 0
    assert kit.ratings.form(rater, form.id).state == "open"


FAULTY: tuple[tuple[dict[str, object], str], ...] = (
    ({"preference": "model_a"}, "is none of left"),
    ({"preference": 1}, "is none of left"),
    ({"preference": None, "scores": ()}, "Nothing is rated yet"),
    ({"scores": (Score("left", "communication", 3),)}, "Still open: consistency"),
    ({"scores": (Score("middle", "communication", 3),)}, "'middle' was not shown"),  # type: ignore[arg-type]
    ({"scores": (Score("left", "beauty", 3),)}, "'beauty' is not asked"),
    ({"scores": (Score("left", "diversity", 3),) * 2}, "given twice"),
    ({"id": "1"}, "is no UUID"),
    ({"id": None}, "is no UUID"),
    ({"token": "forged"}, "not yours"),
    ({"token": None}, "not yours"),
    ({"form": "forged"}, "not yours"),
    ({"form": "a\0b"}, "not yours"),
    ({"form": None}, "not yours"),
    ({"comment": "长" * 2001}, "at most 2000"),
    ({"comment": "a\0"}, "cannot be kept"),
)


def test_a_faulty_submission_is_refused(kit: Kit) -> None:
    rater = kit.rater()
    form = kit.form(rater)
    for changes, said in FAULTY:
        with pytest.raises(RatingRefused, match=said):
            kit.ratings.submit(rater, sent(form, **changes))
    assert count(kit, EventRow) == 0


def test_another_visitors_form_and_token_are_worth_nothing(kit: Kit) -> None:
    ann, bob = kit.rater("ann"), kit.rater("bob")
    form, other = kit.form(ann), kit.form(bob)
    for submission in (sent(form), sent(form, token=other.token), sent(other, token=form.token)):
        with pytest.raises(RatingRefused, match="not yours"):
            kit.ratings.submit(bob, submission)
    kit.ratings.submit(ann, taken := sent(form))
    with pytest.raises(RatingRefused, match="belongs to another rating"):
        kit.ratings.submit(bob, sent(other, id=taken.id))
    with pytest.raises(RatingRefused, match="not yours"):
        kit.ratings.form(bob, form.id)
    with pytest.raises(RatingRefused, match="not yours"):
        kit.ratings.reveal(bob, form.id, form.token)


def test_consent_comes_first(kit: Kit) -> None:
    rater = kit.rater(agrees=False)
    with pytest.raises(RatingRefused, match="consent is missing"):
        kit.form(rater)
    kit.raters.agree(rater, DOC, ("rate",))
    form = kit.form(rater)
    kit.raters.withdraw(rater)
    with pytest.raises(RatingRefused, match="consent is missing"):
        kit.ratings.submit(rater, sent(form))


def test_a_blocked_rater_is_refused_and_a_shadow_is_not_told(kit: Kit) -> None:
    rater = kit.rater()
    form = kit.form(rater)
    kit.raters.set_status(rater, "blocked")
    with pytest.raises(RatingRefused, match="are not taken"):
        kit.ratings.submit(rater, sent(form))
    kit.raters.set_status(rater, "shadow")
    assert not kit.ratings.submit(rater, sent(form)).again


def test_an_expired_lease_is_refused_and_the_pair_can_be_dealt_again(kit: Kit) -> None:
    rater = kit.rater()
    turn = kit.turn()
    pair = kit.pair(turn)
    form = kit.form(rater, turn=turn, replies=pair)
    kit.clock.now += LEASE_MS + 1
    with pytest.raises(RatingRefused, match="open for too long"):
        kit.ratings.submit(rater, sent(form))
    assert kit.ratings.form(rater, form.id).state == "expired"
    again = kit.form(rater, turn=turn, replies=pair)
    assert again.id != form.id
    kit.ratings.submit(rater, sent(again))


def test_a_clock_that_was_set_back_loses_nothing(kit: Kit) -> None:
    rater = kit.rater()
    form = kit.form(rater)
    kit.clock.now -= 10 * 24 * 3600 * 1000
    receipt = kit.ratings.submit(rater, sent(form))
    with kit.database.read() as session:
        shown = session.scalar(select(PresentationRow.shown_ms))
    assert receipt.received_ms == shown


def test_durations_that_cannot_be_are_flagged_and_the_rating_is_kept(kit: Kit) -> None:
    rater = kit.rater()
    for active, wall in ((-5, 10), (20, 10), (5, -10), ("x", 3), (2**80, 1)):
        kit.ratings.submit(rater, sent(kit.form(rater), active_ms=active, wall_ms=wall))
    with kit.database.read() as session:
        assert session.scalars(select(FlagRow.rule)).all() == ["durations"] * 5
        for event in session.scalars(select(EventRow)):
            assert 0 <= event.active_ms <= event.wall_ms


def test_too_quick_too_dense_too_many_is_stored_and_set_aside(kit: Kit) -> None:
    rater = kit.rater()
    limits = Limits(reading_base_ms=1000, gap_ms=4000, per_hour=3)
    kit.ratings = Ratings(kit.database, kit.raters, "test", kit.clock, limits=limits)
    rules = []
    for pause in (500, 60_000, 2_000, 60_000):
        form = kit.form(rater)
        kit.clock.now += pause
        kit.ratings.submit(rater, sent(form))
        with kit.database.read() as session:
            rules.append(set(session.scalars(select(FlagRow.rule))))
    assert rules == [{"reading"}, {"reading"}, {"reading", "gap"}, {"reading", "gap", "hour"}]
    assert count(kit, EventRow) == 4


def test_the_same_pair_is_dealt_once_whichever_way_round(kit: Kit) -> None:
    rater = kit.rater()
    turn = kit.turn()
    pair = kit.pair(turn)
    form = kit.form(rater, turn=turn, replies=pair)
    assert kit.form(rater, turn=turn, replies=pair[::-1]).id == form.id  # the second tab
    kit.ratings.submit(rater, sent(form))
    with pytest.raises(RatingRefused, match="seen this pair already"):
        kit.form(rater, turn=turn, replies=pair[::-1])
    repeat = kit.form(rater, turn=turn, replies=pair, repeat_of=form.id)
    assert repeat.id != form.id
    kit.form(kit.rater("bob"), turn=turn, replies=pair)


# --- replies that are still being written


def begun(kit: Kit, make_reply: Callable[..., Reply]) -> tuple[str, tuple[str, ...]]:
    turn = kit.turn()
    return turn, tuple(
        kit.generations.begin(turn, Arm(name), make_reply("")) for name in ("a", "b")
    )


def test_a_vote_waits_until_both_replies_have_ended(
    kit: Kit, make_reply: Callable[..., Reply]
) -> None:
    rater = kit.rater()
    turn, pair = begun(kit, make_reply)
    form = kit.form(rater, turn=turn, replies=pair)
    assert not form.ready
    kit.generations.grow(pair[0], "我在")
    assert kit.shown.text(pair[0]).text == "我在"
    kit.generations.finish(pair[0], make_reply("我在呢", finish="user_stop"))
    with pytest.raises(RatingRefused, match="Wait until every reply has ended"):
        kit.ratings.submit(rater, sent(form))
    kit.generations.finish(pair[1], make_reply("不在", finish="length"))
    assert kit.ratings.form(rater, form.id).ready
    kit.ratings.submit(rater, sent(form))
    kit.generations.finish(pair[0], make_reply("改一改"))  # what has ended stays
    assert kit.shown.text(pair[0]).text == "我在呢"


def test_a_failed_side_makes_the_pair_void_and_can_be_tried_again(
    kit: Kit, make_reply: Callable[..., Reply]
) -> None:
    rater = kit.rater()
    turn, pair = begun(kit, make_reply)
    form = kit.form(rater, turn=turn, replies=pair)
    kit.generations.finish(pair[0], make_reply("我在呢"))
    kit.generations.finish(pair[1], make_reply("", finish="error"))
    with pytest.raises(RatingRefused, match="has failed"):
        kit.ratings.submit(rater, sent(form))
    with pytest.raises(RatingRefused, match="has failed"):
        kit.form(rater, turn=turn, replies=pair)
    again = kit.generations.record(turn, Arm("b"), make_reply("这次好了"))
    kit.ratings.submit(rater, sent(kit.form(rater, turn=turn, replies=(pair[0], again))))


def test_a_restart_marks_what_was_left_unfinished(
    kit: Kit, make_reply: Callable[..., Reply]
) -> None:
    rater = kit.rater()
    turn, pair = begun(kit, make_reply)
    form = kit.form(rater, turn=turn, replies=pair)
    assert kit.ratings.waiting(rater, ("blind",)) == form
    assert kit.generations.close_unfinished() == 2
    assert kit.ratings.form(rater, form.id).state == "void"
    assert kit.ratings.waiting(rater, ("blind",)) is None


def test_a_form_survives_a_restart(kit: Kit) -> None:
    rater = kit.rater()
    form = kit.form(rater)
    after = Kit(kit.database, kit.make_reply, kit.clock)
    assert after.ratings.waiting(rater, ("blind",)) == form
    after.ratings.submit(rater, sent(form))


@pytest.mark.parametrize(
    "change", [{"adapter_sha256": "ef" * 32}, {"quant": "nf4"}, {"dtype": "float16"},
               {"tokenizer_sha256": "ef" * 32}]
)  # fmt: skip
def test_swapped_weights_are_another_arm(
    kit: Kit, make_reply: Callable[..., Reply], change: dict[str, str]
) -> None:
    turn = kit.turn()
    reply = make_reply("一")
    swapped = replace(reply, identity=replace(reply.identity, **change))
    for each in (reply, replace(reply, text="二"), swapped):
        last = kit.generations.record(turn, Arm("rolecraft-mini"), each)
    with kit.database.read() as session:
        assert len(session.scalars(select(ModelRevRow.id)).all()) == 2
    assert kit.shown.trace(last)["model"] | change == kit.shown.trace(last)["model"]
    assert Compared(kit.database).reply(last).identity == swapped.identity


def test_a_reply_keeps_all_that_made_it(kit: Kit, make_reply: Callable[..., Reply]) -> None:
    turn = kit.turn("你是什么模型？")
    reply = make_reply("作为一个人工智能，我是ChatGLM。（笑）\0")
    arm = Arm("a", conditions="retrieval=off")
    first = kit.generations.record(turn, arm, reply)
    assert kit.generations.record(turn, arm, reply) == first  # the very same is entered once
    assert kit.generations.record(turn, Arm("a"), reply) != first
    with kit.database.read() as session:
        row = session.get_one(GenerationRow, first)
        assert row.whole_sha256 == reply.sha256
        assert '"models": ["chatglm"]' in row.leak_json
        assert '"actions": 1' in row.style_json
        assert "喜欢钓鱼" in row.retrieval_json
        assert "deanonymise" in session.get_one(TurnRow, turn).moderation_json
    trace = kit.shown.trace(first)
    assert (trace["whole_sha256"], trace["seed"]) == (reply.sha256, 7)
    assert trace["prompt"][0]["content"] == reply.prompt[0].content
    assert trace["model"]["conditions"] == "retrieval=off"
    assert verify(kit.database).ok


def test_a_conversation_comes_back_as_its_own_arm_held_it(
    kit: Kit, make_reply: Callable[..., Reply]
) -> None:
    last = {}
    for number, words in enumerate(("在吗", "吃了吗", "再见"), start=1):
        turn = kit.generations.turn("bank-1", number, ("c", "{}"), words, source="bank")
        for arm in ("a", "b"):
            last[arm] = kit.generations.record(turn, Arm(arm), make_reply(f"{arm}{number}"))
    assert [(said.user, said.text) for said in kit.shown.conversation(last["b"])] == [
        ("在吗", "b1"), ("吃了吗", "b2"), ("再见", "b3"),
    ]  # fmt: skip
    with pytest.raises(RatingRefused, match="already there with other words"):
        kit.generations.turn("bank-1", 2, ("c", "{}"), "喝了吗", source="bank")


# --- erasing


def test_erasing_removes_the_person_and_the_chain_still_verifies(
    kit: Kit, database: Database
) -> None:
    rater = kit.rater()
    turn = kit.turn("我家住在SECRET路", rater=rater)
    form = kit.form(rater, turn=turn, replies=kit.pair(turn))
    kit.ratings.submit(rater, sent(form, comment="SECRET"))
    kit.raters.enter("ann", address="203.0.113.7")
    kit.raters.erase(rater)
    with database.read() as session:
        row = session.get_one(RaterRow, rater)
        assert (row.status, row.cookie_hmac, row.ip_hmac) == ("erased", None, None)
        assert session.get_one(TurnRow, turn).user_text is None
        prompts = select(GenerationRow.prompt_text).where(GenerationRow.turn_id == turn)
        assert set(session.scalars(prompts)) == {None}
        assert session.scalars(select(CommentRow.body)).all() == [None]
    assert verify(database).ok
    with pytest.raises(RatingRefused, match="no rater"):
        kit.raters.get(rater)
    assert kit.raters.enter("ann").id != rater  # the cookie is unknown again


def test_better_words_are_kept_proved_and_erased(kit: Kit, database: Database) -> None:
    rater = kit.rater()

    def one_reply(**changes: object) -> Form:
        turn = kit.turn(rater=rater)
        return kit.form(
            rater, turn=turn, replies=kit.pair(turn, "走开。"), mode="chat",
            order=("communication",), **changes,
        )  # fmt: skip

    form, plain = one_reply(), one_reply()
    kit.ratings.submit(rater, sent(form, better=" SECRET坐。 ", comment="太凶"))
    kit.ratings.revise(rater, sent(form, value=2))  # the words stay those of the first version
    kit.ratings.submit(rater, sent(plain, better=""))
    assert rating_rows.better_words(database) == {form.id: "SECRET坐。"}
    assert verify(database).ok
    with pytest.raises(IntegrityError, match="only be erased"), database.write() as session:
        session.execute(text("UPDATE comment SET better = 'x'"))
    for odd in (one_reply(scope="conversation"), kit.form(rater)):
        with pytest.raises(RatingRefused, match="not asked for here"):
            kit.ratings.submit(rater, sent(odd, better="坐。"))
    kit.raters.withdraw(rater, ("train",))
    assert rating_rows.better_words(database) == {}
    kit.raters.erase(rater)
    with database.read() as session:
        assert set(session.scalars(select(CommentRow.better))) == {None}
    assert verify(database).ok


# --- the database's own refusals


FORGED = {
    "a changed rating": "UPDATE rating_event SET preference = 'right'",
    "a removed rating": "DELETE FROM rating_event",
    "a changed value": "UPDATE score SET value = 5",
    "a removed value": "DELETE FROM score",
    "a late value": "INSERT INTO score VALUES ('{event}', '{left}', 'diversity', 5, 0)",
    "a value of six": "UPDATE score SET value = 6",
    "a changed reply": "UPDATE generation SET reply_text = 'x'",
    "a removed reply": "DELETE FROM generation",
    "a changed prompt": "UPDATE generation SET prompt_text = 'x'",
    "another side": "UPDATE presentation SET left_gen = right_gen, right_gen = left_gen",
    "another owner": "UPDATE presentation SET rater_id = 'x'",
    "a form opened again": "UPDATE presentation SET state = 'open'",
    "a removed form": "DELETE FROM presentation",
    "a changed question": "UPDATE turn SET user_text = 'x'",
    "a changed arm": "UPDATE model_rev SET public_name = 'x'",
    "a changed comment": "UPDATE comment SET body = 'x'",
    "a removed comment": "DELETE FROM comment",
    "a rater come back": "UPDATE rater SET status = 'active' WHERE status = 'erased'",
    "a removed consent": "DELETE FROM consent",
}


def test_the_database_itself_refuses(kit: Kit) -> None:
    rater, other = kit.rater(), kit.rater("bob")
    form = kit.form(rater, order=("preference", "communication"))
    event = kit.ratings.submit(rater, sent(form, comment="好")).event
    kit.ratings.submit(other, sent(kit.form(other)))
    kit.raters.erase(other)
    for case, forged in FORGED.items():
        statement = text(forged.format(event=event, left=form.left))
        refused = r"never|frozen|erased|come with"
        with pytest.raises(DBAPIError, match=refused), kit.database.write() as session:
            session.execute(statement)
            pytest.fail(f"{case} was let in")
    assert verify(kit.database).ok


def columns(form: PresentationRow, **changes: object) -> dict[str, object]:
    return {
        "id": uuid.uuid4().hex, "number": 1, "presentation_id": form.id, "rater_id": form.rater_id,
        "seq": 1, "kind": "submit", "preference": "left", "skip_reason": None,
        "comment_sha256": None, "after_reveal": 0, "active_ms": 1, "wall_ms": 1, "n_changes": 0,
        "input_mode": "", "consent_sha256": DOC, "received_ms": form.shown_ms, "app_git": "",
        "prev_hash": "", "row_hash": "f" * 64,
    } | changes  # fmt: skip


FORGED_EVENTS: tuple[tuple[dict[str, object], str], ...] = (
    ({"rater_id": "bob"}, "another rater|foreign|FOREIGN"),
    ({"number": 7}, "follow the last"),
    ({"seq": 2}, "follow the last"),
    ({"prev_hash": "x"}, "follow the last"),
    ({"kind": "revise"}, "not in a state"),
    ({"received_ms": 1}, "have ended before"),
    ({"received_ms": 2**50}, "has expired"),
    ({"after_reveal": 1}, "names are out"),
    ({"preference": "model_a"}, "preference"),
    ({"active_ms": -1}, "durations"),
)


def test_the_database_refuses_a_forged_rating(kit: Kit) -> None:
    rater = kit.rater()
    form = kit.form(rater)
    for changes, said in FORGED_EVENTS:
        with pytest.raises(IntegrityError, match=said), kit.database.write() as session:
            row = session.get_one(PresentationRow, form.id)
            session.add(EventRow(**columns(row, **changes)))
    assert count(kit, EventRow) == 0


def test_the_database_refuses_a_score_of_what_was_not_shown(kit: Kit) -> None:
    rater = kit.rater()
    form, other = kit.form(rater), kit.form(rater)
    refusal = pytest.raises(IntegrityError, match="must be of a reply that was shown")
    with refusal, kit.database.write() as session:
        row = session.get_one(PresentationRow, form.id)
        event = EventRow(**columns(row))
        session.add(event)
        session.flush()
        session.add(
                ScoreRow(
                    event_id=event.id, generation_id=other.left, criterion="diversity", value=3,
                    na=0,
                )
            )  # fmt: skip


def test_sqlite_refuses_to_replace_a_rating(kit: Kit) -> None:
    if kit.database.engine.dialect.name != "sqlite":
        pytest.skip("INSERT OR REPLACE is SQLite's own")
    rater = kit.rater()
    kit.ratings.submit(rater, sent(kit.form(rater)))
    for table in ("rating_event", "score", "generation", "presentation", "model_rev"):
        with (
            pytest.raises(IntegrityError, match="exists|follow|opens"),
            kit.database.write() as session,
        ):
            session.execute(text(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}"))


# --- proof at the start, and verifying


def test_the_proof_writes_a_rating_and_leaves_nothing(kit: Kit) -> None:
    prove(kit.database, kit.key)
    assert (count(kit, EventRow), count(kit, RaterRow), count(kit, ModelRevRow)) == (0, 0, 0)
    prove(kit.database, kit.key)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("DROP VIEW current_rating", "lacks the tables current_rating"),
        ("DROP TRIGGER score_keep{on}", "lacks the triggers score_keep"),
        ("ALTER TABLE rating_event RENAME COLUMN wall_ms TO walled", "does not take a rating"),
    ],
)
def test_a_schema_that_does_not_fit_stops_the_start(kit: Kit, damage: str, said: str) -> None:
    on = " ON score" if kit.database.engine.dialect.name == "postgresql" else ""
    with kit.database.write() as session:
        session.execute(text(damage.format(on=on)))
    with pytest.raises(StoreUnavailable, match=f"{said}.*does not start. Restore"):
        prove(kit.database, kit.key)


def test_verify_finds_what_was_changed_behind_the_triggers(kit: Kit) -> None:
    rater = kit.rater()
    for number in range(3):
        kit.ratings.submit(rater, sent(kit.form(rater), value=number + 1))
    assert verify(kit.database).ok
    on = " ON score" if kit.database.engine.dialect.name == "postgresql" else ""
    with kit.database.write() as session:
        session.execute(text(f"DROP TRIGGER score_keep_as_is{on}"))
        session.execute(text("UPDATE score SET value = 5 WHERE value = 2"))
    found = verify(kit.database)
    assert not found.ok
    assert any("number 2) was changed" in fault for fault in found.faults)
    assert any("score_keep_as_is" in fault for fault in found.faults)


# --- trouble


def test_a_database_that_is_away_says_not_saved_yet_and_takes_it_later(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    rater = kit.rater()
    submission = sent(kit.form(rater))
    tries = []

    def gone() -> None:
        tries.append(1)
        raise StoreUnavailable("The database is locked.")

    with monkeypatch.context() as patch:
        patch.setattr(kit.database, "write", gone)
        with pytest.raises(RatingNotSaved, match="Not saved yet. The database is locked"):
            kit.ratings.submit(rater, submission)
    assert len(tries) == 2  # one retry
    assert not kit.ratings.submit(rater, submission).again


def test_a_full_disk_loses_no_form(kit: Kit, make_reply: Callable[..., Reply]) -> None:
    if kit.database.engine.dialect.name != "sqlite":
        pytest.skip("a PostgreSQL server's disk cannot be filled here")
    rater = kit.rater()
    submission = sent(kit.form(rater), comment="好" * 2000)

    def full(raw: object, _: object) -> None:
        raw.execute("PRAGMA max_page_count = 1")  # type: ignore[attr-defined]

    kit.database.engine.dispose()
    events.listen(kit.database.engine, "connect", full)
    with pytest.raises(RatingNotSaved, match="disk is full"):
        for _ in range(200):
            kit.ratings.submit(rater, submission)
            submission = sent(kit.form(rater), comment="好" * 2000)
    events.remove(kit.database.engine, "connect", full)
    kit.database.engine.dispose()
    kit.ratings.submit(rater, submission)
    assert verify(kit.database).ok


def test_sixteen_raters_at_once_make_one_chain(kit: Kit) -> None:
    forms = [(rater := kit.rater(f"r{n}"), kit.form(rater)) for n in range(16) for _ in range(3)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda each: kit.ratings.submit(each[0], sent(each[1])), forms))
    found = verify(kit.database)
    assert (found.ok, found.events) == (True, 48)


def test_an_offer_of_replies_to_two_turns_is_refused_by_the_database(kit: Kit) -> None:
    rater = kit.rater()
    first, second = kit.turn(), kit.turn()
    pair = (kit.pair(first, "一")[0], kit.pair(second, "二")[0])
    tab = kit.raters.session(rater, "tab")
    offer = Offer(first, pair, "blind", "reply", ORDER, kit.rubric)
    with pytest.raises(IntegrityError, match="replies to one turn"):
        kit.ratings.open(rater, tab, offer, random.Random(0))
