"""What is published of words that the rules, a report or a person of the team object to."""

import json
from collections.abc import Callable

import pytest
from sqlalchemy import text

from rolecraft.conversation import Reply
from rolecraft.errors import RatingRefused
from rolecraft.store import rating_rows
from rolecraft.store.generations import Arm
from rolecraft.store.moderating import Moderating
from rolecraft.store.shown_schema import TurnRow
from tests.rating_kit import Kit, sent


@pytest.fixture
def moderating(kit: Kit) -> Moderating:
    return Moderating(kit.database, kit.clock)


def published(kit: Kit) -> list[tuple[str, str, str]]:
    """Verdict, question and reply of every side, as they leave in an export."""
    table = rating_rows.read(kit.database)
    columns = (table[name] for name in ("criterion", "moderation", "user_text", "reply_text"))
    rows = zip(*columns, strict=True)
    return [(verdict, user, reply) for name, verdict, user, reply in rows if name == "preference"]


@pytest.mark.parametrize(
    ("question", "reply", "verdict"),
    [
        ("今天忙吗？", "不忙。", "pass"),
        ("我的电话是13812345678", "好。", "fail"),
        ("你好", "去死吧", "fail"),
        ("你好", "打给我：13812345678", "fail"),
        ("Привет", "你好。", "unknown"),
    ],
)
def test_only_what_passes_is_given_in_words(
    kit: Kit, question: str, reply: str, verdict: str
) -> None:
    ann = kit.rater()
    turn = kit.turn(question, rater=ann)
    pair = kit.pair(turn, reply, "再说一句。")
    kit.ratings.submit(ann, sent(kit.form(ann, turn=turn, replies=pair)))
    assert kit.shown.public(pair[0]) == (verdict == "pass")
    assert verdict in {row[0] for row in published(kit)}
    for found, user, said in published(kit):
        assert user == (question if verdict == "pass" else "")
        assert bool(said) == (found == "pass")


def test_an_invented_address_is_nobodys(kit: Kit) -> None:
    turn = kit.turn("你住哪儿？", source="bank")
    (reply,) = kit.pair(turn, "我住在南京路5号302室。")
    assert kit.shown.public(reply)


def test_the_verdict_is_stored_with_the_turn_and_made_anew_by_newer_rules(
    kit: Kit, moderating: Moderating
) -> None:
    turn = kit.turn("我想死", rater=kit.rater())
    with kit.database.write() as session:
        stored = json.loads(session.get_one(TurnRow, turn).moderation_json)
        assert (stored["verdict"], stored["labels"]) == ("fail", ["self_harm"])
        session.get_one(TurnRow, turn).moderation_json = '{"labels": [], "verdict": "unknown"}'
    assert moderating.judge_again() == 1
    assert moderating.judge_again() == 0
    with kit.database.read() as session:
        assert json.loads(session.get_one(TurnRow, turn).moderation_json) == stored


def test_a_report_keeps_a_reply_back_until_someone_decides(
    kit: Kit, moderating: Moderating
) -> None:
    ann, bob = kit.rater(), kit.rater("bob")
    form = kit.form(ann)
    kit.ratings.submit(ann, sent(form))
    assert {row[0] for row in published(kit)} == {"pass"}
    moderating.report(ann, form.id, form.token, "left", "offensive")
    moderating.report(ann, form.id, form.token, "left", "personal")  # once more is once
    assert not kit.shown.public(form.left) and kit.shown.public(str(form.right))
    assert published(kit)[0] == ("unknown", "", "") and published(kit)[1][0] == "pass"
    (one,) = moderating.reported()
    assert (one.generation, one.reasons, one.verdict) == (form.left, ("offensive",), "unknown")
    moderating.decide(form.left, "pass")
    assert kit.shown.public(form.left) and published(kit)[0][0] == "pass"
    moderating.decide(form.left, "fail")
    assert published(kit)[0] == ("fail", "", "")
    for rater, name, token, side, reason in (
        (bob, form.id, form.token, "left", "other"),
        (ann, "0" * 32, form.token, "left", "other"),
        (ann, form.id, "0" * 64, "left", "other"),
        (ann, form.id, form.token, "middle", "other"),
        (ann, form.id, form.token, "left", "DROP"),
        (ann, form.id, None, None, None),
    ):
        with pytest.raises(RatingRefused):
            moderating.report(rater, name, token, side, reason)
    assert len(moderating.reported()[0].reasons) == 1
    with pytest.raises(RatingRefused, match="no reply"):
        moderating.decide("nothing", "pass")


def test_a_report_is_never_changed_or_removed(kit: Kit, moderating: Moderating) -> None:
    ann = kit.rater()
    form = kit.form(ann)
    moderating.report(ann, form.id, form.token, "right", "other")
    for change in ("UPDATE report SET kind = 'pass', rater_id = NULL", "DELETE FROM report"):
        with (
            pytest.raises(Exception, match="never changed or removed"),
            kit.database.write() as session,
        ):
            session.execute(text(change))


def test_a_comment_that_does_not_pass_is_not_published(
    kit: Kit, make_reply: Callable[..., Reply]
) -> None:
    ann = kit.rater()
    for comment in ("说得好。", "打给我13812345678"):
        kit.ratings.submit(ann, sent(kit.form(ann), comment=comment))
    assert set(rating_rows.read(kit.database)["comment"]) == {"说得好。", ""}
    assert kit.generations.record(kit.turn(), Arm("a"), make_reply())
