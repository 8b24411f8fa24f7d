"""Replies brought from elsewhere, and replies made here for the bank."""

import json

import pytest

from rolecraft.characters import Character, Shelf
from rolecraft.conversation import Conversation, Reply
from rolecraft.errors import ResultsError
from rolecraft.ratings import bank
from rolecraft.ratings.desk import Desk

GOOD = {"arm": "Elsewhere", "character": "lu-yuan", "question": "在吗？", "reply": "（快乐）在！"}


def line(**changes: object) -> str:
    return json.dumps(GOOD | changes, ensure_ascii=False)


def test_a_recorded_reply_keeps_its_label_and_its_arm(desk: Desk, shelf: Shelf) -> None:
    (talk,) = bank.read_replies([line(), "", "\n"], shelf)
    (reply,) = bank.keep(desk, shelf, talk)
    assert bank.keep(desk, shelf, talk) == (reply,)  # imported twice, there once
    trace = desk.shown.trace(reply)
    assert (trace["source"], trace["emotion"], trace["reply_text"]) == ("recorded", "快乐", "在！")
    assert trace["model"]["public_name"] == "Elsewhere"
    assert desk.shown.character(reply) == "lu-yuan"


def test_the_same_question_of_two_arms_is_one_turn(desk: Desk, shelf: Shelf) -> None:
    for talk in bank.read_replies([line(), line(arm="Other", reply="嗯。")], shelf):
        bank.keep(desk, shelf, talk)
    one, two = desk.studies.bank()
    assert one.turn == two.turn
    assert {one.arm, two.arm} == {"Elsewhere", "Other"}


def test_a_conversation_holds_its_own_history(desk: Desk, shelf: Shelf) -> None:
    turns = [{"user": "在吗", "reply": "在"}, {"user": "吃了吗", "reply": "没", "emotion": "悲伤"}]
    given = json.dumps({"arm": "E", "character": "lu-yuan", "turns": turns}, ensure_ascii=False)
    (talk,) = bank.read_replies([given], shelf)
    replies = bank.keep(desk, shelf, talk)
    assert [one.text for one in desk.shown.conversation(replies[-1])] == ["在", "没"]
    prompt = desk.shown.trace(replies[-1])["prompt"]
    assert [one["content"] for one in prompt] == ["在吗", "在", "吃了吗"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{", "line 1"),
        ("[1]", "line 1: is no JSON object"),
        (line(arm=""), "line 1: arm is ''"),
        (line(character="nobody"), "line 1: No character named 'nobody'"),
        (line(reply=5), "line 1: reply is 5; write a text"),
        (line(turns=[]), "line 1: turns is no list"),
        (line(turns=["x"]), "a turn is no"),
        (line(emotion="冷静"), "emotion '冷静' is none of"),
        ("", "holds no reply"),
    ],
)
def test_a_faulty_line_is_named_and_nothing_is_imported(
    shelf: Shelf, given: str, said: str
) -> None:
    with pytest.raises(ResultsError, match="Nothing was imported") as caught:
        bank.read_replies([given], shelf)
    assert said in str(caught.value)


def test_an_arm_answers_the_test_questions(desk: Desk, shelf: Shelf) -> None:
    asked = []

    def ask(character: Character, conversation: Conversation) -> Reply:
        asked.append(conversation.turns[-1].user)
        return bank.recorded("好。", "mini", (), None)

    count = bank.answer(desk, shelf, "mini", ask, per_character=1)
    assert count == len(asked) > 0
    assert {one.arm for one in desk.studies.bank(["mini"])} == {"mini"}
    assert not set(asked) & {q.question for c in shelf.characters for q in c.questions_of("train")}
