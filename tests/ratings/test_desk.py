"""The desk as a page uses it: a study from consent to the last item, and a talk that is rated."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from rolecraft.characters import Shelf
from rolecraft.conversation import Conversation, Identity, Message, Reply, Sampling
from rolecraft.errors import RatingNotSaved, RatingRefused, ResultsError, StoreUnavailable
from rolecraft.ratings import bank, making
from rolecraft.ratings.desk import Desk, Sheet
from rolecraft.ratings.spool import Kept, Spool
from rolecraft.ratings.study import Done, Plan
from rolecraft.store.database import Database
from rolecraft.store.folder import DataFolder
from rolecraft.store.forms import Submission
from rolecraft.store.generations import Arm
from rolecraft.store.rating_check import verify
from rolecraft.store.shown_schema import GenerationRow, StudyItemRow
from tests.rating_kit import Clock, sent
from tests.ratings.conftest import fill

RNG = random.Random(0)


def reply(text: str = "在呢。") -> Reply:
    return Reply(
        text, "快乐", (), Identity("rolecraft-mini", "mini"), Sampling(), 3,
        (Message("user", "在吗"),), 5, 4, 10.0, 90.0, "stop",
    )  # fmt: skip


def shown(sheet: Sheet | Done) -> Sheet:
    assert isinstance(sheet, Sheet)
    return sheet


def test_a_study_runs_from_consent_to_its_end(desk: Desk, shelf: Shelf, clock: Clock) -> None:
    fill(desk, shelf, questions=2)
    plan = Plan(quota=3, training=1, degraded=0, repeats=0)
    making.make_study(desk, "s", ("a", "b"), plan, "pairs", random.Random(0))
    visit = desk.enter("token", "tab-1")
    assert not visit.agreed
    with pytest.raises(RatingRefused, match="consent is missing"):
        desk.next(visit, "s", RNG)
    visit = desk.agree(visit)
    lesson = shown(desk.next(visit, "s", RNG))
    assert (lesson.form.mode, lesson.progress and lesson.progress.of) == ("training", 4)
    assert desk.next(visit, "s", RNG) == lesson  # a reload shows the same form
    desk.submit(visit, sent(lesson.form, value=4))
    said = desk.lesson(visit, lesson.form.id, {"communication": 4})
    assert said is not None
    assert (said.right, said.expected) == (True, {"communication": (4, 5)})
    first = shown(desk.next(visit, "s", RNG))
    assert first.form.mode == "bank"
    assert {first.left[-1].text[0], (first.right or first.left)[-1].text[0]} == {"a", "b"}
    assert first.left[-1].user == (first.right or first.left)[-1].user
    assert "arm" not in repr(first)
    for _ in range(3):
        desk.submit(visit, sent(shown(desk.next(visit, "s", RNG)).form))
    assert desk.next(visit, "s", RNG) == Done("quota")
    assert verify(desk.ratings._database).ok


def test_degraded_copies_are_disordered_or_another_characters_words(
    desk: Desk, shelf: Shelf
) -> None:
    lines = [
        f'{{"arm": "a", "character": "{one.id}", "question": "第{n}问？",'
        f' "reply": "我是{one.id}。这是第{n}句！"}}'
        for one in shelf.characters
        for n in range(12)
    ]
    for talk in bank.read_replies(lines, shelf):
        bank.keep(desk, shelf, talk)
    plan = Plan(degraded=0.6)
    study = making.make_study(desk, "s", ("a",), plan, "singles", random.Random(0))
    said = {one.generation: (one.character, one.text) for one in desk.studies.bank(("a",))}
    kinds = set()
    with desk.ratings._database.read() as session:
        for item in session.query(StudyItemRow).filter_by(study_id=study, kind="degraded"):
            copy = session.get_one(GenerationRow, item.first_gen)
            assert copy.source == "degraded" and copy.origin_id
            character, text = said[copy.origin_id]
            assert copy.reply_text != text
            if sorted(copy.reply_text) == sorted(text):
                kinds.add("in disorder")
            else:
                assert copy.reply_text in {
                    words for speaker, words in said.values() if speaker != character
                }
                kinds.add("another's")
    assert kinds == {"in disorder", "another's"}


def test_a_second_tab_goes_on_with_the_open_form(desk: Desk, shelf: Shelf) -> None:
    fill(desk, shelf, questions=1)
    making.make_study(desk, "s", ("a", "b"), Plan(training=0), "pairs", random.Random(0))
    one = desk.agree(desk.enter("token", "tab-1"))
    two = desk.enter("token", "tab-2")
    assert (two.rater, two.session != one.session) == (one.rater, True)
    assert shown(desk.next(one, "s", RNG)).form == shown(desk.next(two, "s", RNG)).form


def test_what_was_met_in_another_study_is_not_dealt_again(
    desk: Desk, shelf: Shelf, clock: Clock
) -> None:
    fill(desk, shelf, questions=2)
    plan = Plan(quota=9, training=2, degraded=0, repeats=0, overlap=0)
    for name, items in (("first", 2), ("second", 0), ("third", 0)):
        making.make_study(desk, name, ("a", "b"), plan, "pairs", random.Random(0), items)
    visit = desk.agree(desk.enter("token", "tab"))

    def pairs_of(study: str) -> list[frozenset[str]]:
        seen = []
        while isinstance(sheet := desk.next(visit, study, RNG), Sheet):
            seen.append(frozenset((sheet.form.left, sheet.form.right or "")))
            desk.submit(visit, sent(sheet.form))
        assert sheet == Done("empty")
        return seen

    first, second = pairs_of("first"), pairs_of("second")
    assert (len(first), len(second)) == (2 + 2, 2 + 2)  # with a training round in each
    assert not set(first) & set(second)
    left = len(pairs_of("third"))
    assert left == 1  # the lessons that are left; all pairs have been met
    stranger = desk.agree(desk.enter("other", "tab"))
    open_elsewhere = shown(desk.next(stranger, "first", RNG))
    assert shown(desk.next(stranger, "second", RNG)).form != open_elsewhere.form
    clock.now += plan.lease_ms + 1
    assert shown(desk.next(stranger, "second", RNG)).form.mode == "training"


def test_single_replies_and_conversations_ask_what_fits(desk: Desk, shelf: Shelf) -> None:
    name = shelf.characters[0].id
    line = (
        f'{{"arm": "X", "character": "{name}", "turns": [{{"user": "在吗", "reply": "在。"}},'
        ' {"user": "吃了吗", "reply": "（快乐）吃了，饺子！"}]}'
    )
    for talk in bank.read_replies([line], shelf):
        bank.keep(desk, shelf, talk)
    plan = Plan(quota=3, training=0, degraded=0, repeats=0, overlap=0)
    making.make_study(desk, "s", (), plan, "singles", random.Random(0))
    visit = desk.agree(desk.enter("token", "tab"))
    asked = {}
    while isinstance(sheet := desk.next(visit, "s", RNG), Sheet):
        asked[sheet.form.scope, len(sheet.left)] = set(sheet.form.order)
        desk.submit(visit, sent(sheet.form))
    assert asked == {
        ("reply", 1): {"communication"},
        ("reply", 2): {"communication"},
        ("conversation", 2): {"consistency", "diversity"},
    }


def test_a_talk_is_rated_as_it_was(desk: Desk) -> None:
    visit = desk.agree(desk.enter("token", "tab"))
    talk = Conversation("lu-yuan", "来啦").ask("在吗").answer(reply())
    talk = talk.ask("吃了吗").answer(reply("吃了。"))
    sheet = desk.rate_talk(visit, "c1", talk, "{}")
    assert [one.text for one in sheet.left] == ["在呢。", "吃了。"]
    assert sheet.form.scope == "conversation"
    assert desk.rate_talk(visit, "c1", talk, "{}").form == sheet.form
    desk.submit(visit, sent(sheet.form))
    with pytest.raises(RatingRefused, match="seen this pair already"):
        desk.rate_talk(visit, "c1", talk, "{}")
    other = replace(talk, turns=(talk.turns[0],))
    assert desk.rate_talk(visit, "c1", other, "{}", scope="reply").form.id != sheet.form.id
    with pytest.raises(RatingRefused, match="no reply to rate"):
        desk.rate_talk(visit, "c2", Conversation("lu-yuan").ask("在吗"), "{}")


def test_a_live_pair_is_blind_until_it_is_rated(desk: Desk) -> None:
    visit = desk.agree(desk.enter("token", "tab"))
    turn = desk.generations.turn("compare-1", 1, ("lu-yuan", "{}"), "在吗", rater=visit.rater)
    pair = [desk.generations.begin(turn, Arm(name), reply("")) for name in ("mini", "glm")]
    sheet = desk.compare(visit, turn, pair, random.Random(0), probability=0.5)
    assert not sheet.form.ready
    for each in pair:
        desk.generations.finish(each, reply())
    ready = desk.sheet(visit, sheet.form.id)
    assert (ready.form.ready, ready.left[0].text) == (True, "在呢。")
    desk.submit(visit, sent(ready.form))
    names = desk.ratings.reveal(visit.rater, ready.form.id, ready.form.token)
    assert set(names.values()) == {"mini", "glm"}


def test_a_study_for_invited_raters_is_closed_to_others(desk: Desk, shelf: Shelf) -> None:
    fill(desk, shelf, questions=1)
    making.make_study(desk, "s", (), Plan(invited=True), "pairs", random.Random(0))
    visit = desk.agree(desk.enter("token", "tab"))
    with pytest.raises(RatingRefused, match="for invited raters"):
        desk.next(visit, "s", RNG)
    guest = desk.agree(desk.enter("other", "tab", kind="invited"))
    assert isinstance(desk.next(guest, "s", RNG), Sheet)


def test_a_study_that_cannot_be_says_why(desk: Desk, shelf: Shelf) -> None:
    with pytest.raises(ResultsError, match="holds nothing for a study"):
        making.make_study(desk, "s", (), Plan(), "pairs", random.Random(0))
    fill(desk, shelf, questions=1)
    with pytest.raises(ResultsError, match="no reply of nobody"):
        making.make_study(desk, "s", ("a", "nobody"), Plan(), "pairs", random.Random(0))
    making.make_study(desk, "s", (), Plan(), "pairs", random.Random(0))
    with pytest.raises(ResultsError, match="study 's' already"):
        making.make_study(desk, "s", (), Plan(), "pairs", random.Random(0))
    with pytest.raises(ResultsError, match="no study 't'. Known: s"):
        desk.studies.plan("t")


def test_the_desk_opens_after_the_proof(database: Database, tmp_path: Path) -> None:
    with DataFolder.claim(tmp_path / "more") as folder:
        desk = Desk.open(database, folder)
        visit = desk.enter("token", "tab")
        assert Desk.open(database, folder).enter("token", "tab") == visit


def test_a_rating_outlives_the_database_being_away(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    spool = Spool(tmp_path)
    desk = Desk(database, b"k" * 32, "test", clock, spool)
    visit = desk.agree(desk.enter("token", "tab"))
    talk = Conversation("lu-yuan").ask("在吗").answer(reply())
    sheet = desk.rate_talk(visit, "c", talk, "{}", scope="reply")
    submission = sent(sheet.form)

    def gone() -> None:
        raise StoreUnavailable("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(database, "write", gone)
        for _ in range(2):  # the rater presses again
            with pytest.raises(RatingNotSaved, match="Not saved yet"):
                desk.submit(visit, submission)
        with pytest.raises(RatingNotSaved):
            desk.take_kept()
    with spool.path.open("a") as stream:
        stream.write('{"rater": "x", "ki')  # a process that died while writing
    clock.now += 10 * 24 * 3600 * 1000  # the form has expired since; the rating came in time
    assert desk.take_kept() == (2, 0)
    assert len(desk.ratings.mine(visit.rater)) == 1
    assert not spool.path.exists()
    spool.keep(Kept("nobody", "submit", clock.now, submission))
    assert desk.take_kept() == (0, 1)


def test_a_spool_that_cannot_be_written_is_only_noted(tmp_path: Path) -> None:
    kept = Kept("r", "submit", 1, Submission("x", "y", "z"))
    assert not Spool(tmp_path / "nowhere").keep(kept)
    spool = Spool(tmp_path)
    assert spool.keep(kept)
    assert spool.take() == (kept,)
