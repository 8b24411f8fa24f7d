"""Training data: what raters liked and preferred, of those who agree, without what is no lesson."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rolecraft.characters import Shelf
from rolecraft.conversation import Conversation, Message
from rolecraft.errors import ResultsError
from rolecraft.prompts import render
from rolecraft.ratings import bank, harvested, making
from rolecraft.ratings.desk import Desk, Sheet
from rolecraft.ratings.study import Plan
from rolecraft.ratings.training import Harvest
from rolecraft.store import rating_rows
from rolecraft.store.rating_counts import counts
from tests.rating_kit import sent
from tests.voters import SMALL, House


@pytest.fixture
def house(desk: Desk, shelf: Shelf) -> House:
    return House(desk, shelf)


def reasons(found: Harvest) -> dict[str, int]:
    """The reasons, after proof that the counts add up."""
    told = found.accounts
    for counted in (*told.kinds.values(), told.total):
        assert counted["in"] == counted["used"] + counted["refused"]
    assert sum(told.reasons.values()) == told.total["refused"]
    assert sum(one["in"] for one in told.kinds.values()) == told.total["in"]
    return dict(told.reasons)


def test_a_vote_becomes_a_pair_in_the_learner_s_own_prompt(house: House) -> None:
    house.vote(house.visitor(), "不忙，坐。", "忙死了，走开。")
    found = house.harvest()
    (pair,) = found.preferred
    person = house.shelf.get("lu-yuan")
    talk = Conversation(person.id, person.greeting["zh"]).ask("今天忙吗？")
    wanted = render(person, (), talk, SMALL)
    assert [Message(**one) for one in pair["prompt"]] == list(wanted)
    assert pair["chosen"] == [{"role": "assistant", "content": "（快乐）不忙，坐。"}]
    assert pair["rejected"] == [{"role": "assistant", "content": "（快乐）忙死了，走开。"}]
    assert (pair["by"], pair["margin"], pair["raters"]) == ("votes", 1, 1)
    assert reasons(found) == {} and found.liked == ()
    bare = house.harvest(replace(SMALL, emotions=False)).preferred[0]
    assert bare["chosen"][0]["content"] == "不忙，坐。"


def test_votes_for_the_same_words_are_counted_together(house: House) -> None:
    for name, preference in (("a", "better"), ("b", "better"), ("c", "worse")):
        house.vote(house.visitor(name), "不忙，坐。", "忙死了，走开！", preference=preference)
    house.vote(house.visitor("d"), "不忙, 坐", "忙死了，走开", "今天 忙吗?")
    found = house.harvest()
    (pair,) = found.preferred
    assert (pair["margin"], pair["raters"], found.merged) == (2, 3, 3)
    assert reasons(found) == {"outvoted": 1}
    assert house.harvest(margin=3).preferred == ()
    assert reasons(house.harvest(raters=5)) == {"too few raters": 4}
    house.vote(house.visitor("e"), "忙死了，走开！", "不忙，坐。")
    house.vote(house.visitor("f"), "忙死了，走开！", "不忙，坐。")
    assert reasons(house.harvest()) == {"votes undecided": 6}


def test_values_make_liked_replies_and_pairs(house: House) -> None:
    ann = house.visitor()
    house.vote(ann, "不忙，坐。", "忙死了。", preference="", values=(5, 2))
    house.vote(ann, "风大。", "雨大。", "冷吗？", preference="", values=(4, 4))
    house.vote(ann, "走吧。", "坐吧。", "走吗？", preference="tie", values=(2, 2))
    found = house.harvest()
    assert {one["messages"][-1]["content"] for one in found.liked} == {
        "（快乐）不忙，坐。", "（快乐）风大。", "（快乐）雨大。",
    }  # fmt: skip
    (pair,) = found.preferred
    assert (pair["by"], pair["margin"]) == ("ratings", 3.0)
    assert reasons(found) == {"a tie": 1, "not liked enough": 2}
    assert found.accounts.kinds["rating"] == {"in": 6, "used": 4, "refused": 2}
    assert len(house.harvest(gap=4.0).preferred) == 0


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "names a model": ({"text": "我是ChatGLM，你好。"}, {}),
    "leaves the role": ({"text": "作为一个人工智能，我不累。"}, {}),
    "stopped, cut off or broken": ({"finish": "length"}, {}),
    "too short": ({"text": "嗯。"}, {}),
    "both say the same": ({"text": "忙死了 走开"}, {}),
    "both were bad": ({}, {"preference": "both_bad"}),
    "a tie": ({}, {"preference": "tie"}),
    "asked for the model's name": ({}, {"question": "你是什么模型？"}),
    "answers a question that is kept for tests": ({}, {"question": "test"}),
    "given with the names in sight": ({}, {"mode": "open"}),
    "its prompt does not end with a question": ({"prompt": ()}, {}),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_no_lesson_is_refused_by_its_reason(house: House, reason: str) -> None:
    changes, how = REFUSED[reason]
    if how.get("question") == "test":
        how = how | {"question": house.shelf.get("lu-yuan").questions_of("test")[0].question}
    question = how.get("question", "今天忙吗？")
    better = replace(house.reply("不忙，坐。", question), **changes)
    house.vote(house.visitor(), better, "忙死了，走开。", **how)
    found = house.harvest()
    assert reasons(found) == {reason: 1}
    assert found.preferred == () and found.liked == ()
    if reason == "answers a question that is kept for tests":
        assert len(house.harvest(tests=True).preferred) == 1
    if reason == "given with the names in sight":
        assert len(house.harvest(modes=("open",)).preferred) == 1


def test_only_consent_to_training_counts_and_erasure_leaves_a_number(house: House) -> None:
    ann, bob, eve = (house.visitor(name) for name in ("ann", "bob", "eve"))
    for visit in (ann, bob, eve):
        house.vote(visit, "不忙，坐。", "忙死了，走开。", f"{visit.rater[:4]}忙吗？")
    assert len(house.harvest().preferred) == 3
    house.desk.agree(ann, ("rate", "publish"))
    assert reasons(house.harvest()) == {"no consent to training": 1}
    house.desk.raters.withdraw(bob.rater)
    assert reasons(house.harvest()) == {"no consent to training": 2}
    house.desk.raters.erase(eve.rater)
    found = house.harvest()
    assert reasons(found) == {"no consent to training": 2, "the rater is erased": 1}
    assert (found.preferred, found.accounts.total["in"]) == ((), 3)
    house.desk.agree(ann)
    assert len(house.harvest().preferred) == 1


def test_words_of_another_are_not_learnt_from_without_their_consent(
    house: House, desk: Desk
) -> None:
    """A rater may agree while the visitor whose question it was does not."""
    ann, bob = house.visitor(), house.visitor("bob")
    form = desk.ratings.form(ann.rater, house.vote(ann, "不忙，坐。", "忙死了，走开。"))
    turn = next(iter(rating_rows.read(desk.ratings._database)["turn"]))
    sheet = desk.compare(bob, turn, (form.left, form.right or ""), random.Random(0))
    desk.submit(bob, sent(sheet.form, scores=()))
    desk.agree(ann, ("rate",))
    assert reasons(house.harvest()) == {
        "no consent to training": 1, "who wrote to it does not agree to training": 1,
    }  # fmt: skip


def test_withdrawn_and_set_aside(house: House, desk: Desk) -> None:
    ann, bob = house.visitor(), house.visitor("bob")
    form = desk.ratings.form(ann.rater, house.vote(ann, "不忙，坐。", "忙死了，走开。"))
    desk.ratings.withdraw(ann.rater, sent(form, preference=None, scores=()))
    house.vote(bob, "不忙，坐。", "忙死了，走开。")
    desk.raters.set_status(bob.rater, "shadow")
    assert reasons(house.harvest()) == {
        "the rater is set aside": 1, "withdrawn or replaced by a later version": 1,
    }  # fmt: skip


def test_who_answers_alike_is_not_believed(house: House) -> None:
    lazy, careful = house.visitor("lazy"), house.visitor("careful")
    for n in range(5):
        house.vote(lazy, f"好{n}，坐。", f"忙{n}，走开。", f"{n}？", values=(5, 5))
    house.vote(careful, "不忙，坐。", "忙死了，走开。", values=(5, 2))
    found = house.harvest()
    assert reasons(found) == {
        "the rater does not tell good from bad": 15, "not liked enough": 1,
    }  # fmt: skip
    assert len(found.preferred) == len(found.liked) == 1


def test_the_character_must_be_the_one_that_was_rated(
    house: House, edited: Callable[[House], House]
) -> None:
    house.vote(house.visitor(), "不忙，坐。", "忙死了，走开。")
    assert reasons(edited(house).harvest()) == {"the character's card has changed since": 1}
    house.shelf = replace(house.shelf, characters=())
    assert reasons(house.harvest()) == {"the character is gone": 1}


@pytest.fixture
def edited() -> Callable[[House], House]:
    def edit(house: House) -> House:
        people = tuple(replace(one, traits=("话痨",)) for one in house.shelf.characters)
        return House(house.desk, replace(house.shelf, characters=people))

    return edit


def test_a_study_leaves_out_lessons_copies_and_repetitions(rated: Desk, shelf: Shelf) -> None:
    house = House(rated, shelf)
    rated.raters.withdraw(rated.enter("rater-2", "tab").rater, ("train",))
    found = house.harvest(threshold=3.5)
    told = reasons(found)
    assert found.liked and found.preferred
    for row in found.preferred:
        assert row["chosen"][0]["content"].startswith("（快乐）a说")
        assert row["rejected"][0]["content"].startswith("（快乐）b说")
        assert [one["role"] for one in row["prompt"]] == ["system", "user"]
        assert row["prompt"][0]["content"].startswith("你是")
    assert {"no consent to training", "a degraded copy", "a training round"} <= set(told)


def test_talks_that_went_apart_make_no_pair(desk: Desk, shelf: Shelf) -> None:
    """Of two conversations the last replies answer the same words, but not the same past."""
    lines = [
        json.dumps({"arm": arm, "character": "lu-yuan", "turns": [
            {"user": "在吗？", "reply": f"{arm}在。"},
            {"user": "吃了吗？", "reply": f"{arm}吃了。"},
        ]})
        for arm in ("甲", "乙")
    ]  # fmt: skip
    for talk in bank.read_replies(lines, shelf):
        bank.keep(desk, shelf, talk)
    plan = Plan(quota=2, training=0, degraded=0, repeats=0, overlap=0)
    making.make_study(desk, "s", ("甲", "乙"), plan, "pairs", random.Random(0))
    house = House(desk, shelf)
    while isinstance(sheet := desk.next(house.visitor(), "s", random.Random(0)), Sheet):
        desk.submit(house.visitor(), sent(sheet.form, value=5))
    found = house.harvest()
    assert reasons(found) == {"their talks differ": 1}
    assert len(found.preferred) == 1  # of the first replies, which have no past
    assert len(found.liked) == 4


def test_better_words_are_a_reply_and_a_pair(house: House) -> None:
    house.rate(house.visitor(), "走开。", "（中立）不忙，你坐。", value=2)
    house.rate(house.visitor("bob"), "坐吧。", "坐吧！", value=2)
    house.rate(house.visitor("eve"), "坐一会儿吧。", "我是ChatGLM。", value=2)
    found = house.harvest()
    (row,) = found.liked
    assert row["messages"][-1]["content"] == "（中立）不忙，你坐。" and row["by"] == "rewrite"
    (pair,) = found.preferred
    assert pair["chosen"][0]["content"] == "（中立）不忙，你坐。"
    assert pair["rejected"][0]["content"] == "（快乐）走开。"
    assert found.accounts.kinds["rewrite"] == {"in": 3, "used": 1, "refused": 2}
    told = reasons(found)
    assert told["says what was said"] == told["names a model"] == 1
    house.desk.agree(house.visitor(), ("rate",))
    assert house.harvest().preferred == ()


def test_files_are_read_back_only_as_they_were_written(house: House, tmp_path: Path) -> None:
    house.vote(house.visitor(), "不忙，坐。", "忙死了，走开。", values=(5, 1))
    found, folder = house.harvest(), tmp_path / "liked"
    chain = counts(house.desk.ratings._database)["chain"]
    files = harvested.save(found, folder, chain)
    told = json.loads(files["manifest.json"].read_text("utf-8"))
    assert told["files"]["sft.jsonl"]["rows"] == len(found.liked) == 1
    assert told["records"] == {"in": 3, "used": 2, "refused": 1} and told["raters"] == 1
    assert told["chain"]["length"] == 1 and told["engine"] == "mini"
    assert sum(told["reasons"].values()) == 1
    every = [json.loads(line) for line in files["records.jsonl"].read_text("utf-8").splitlines()]
    assert [one["outcome"] for one in every].count("refused") == 1
    text = "".join(path.read_text("utf-8") for path in files.values())
    assert house.visitor().rater not in text
    first = {name: path.read_bytes() for name, path in files.items()}
    again = harvested.save(house.harvest(), tmp_path / "again", chain)
    assert first == {name: path.read_bytes() for name, path in again.items()}
    assert harvested.read(folder, "preferences.jsonl") == list(found.preferred)
    with files["sft.jsonl"].open("a", encoding="utf-8") as file:
        file.write("{}\n")
    with pytest.raises(ResultsError, match="is not what its manifest says"):
        harvested.read(folder, "sft.jsonl")
    files["manifest.json"].unlink()
    with pytest.raises(ResultsError, match=r"holds no training data.*to-training"):
        harvested.read(folder, "preferences.jsonl")
