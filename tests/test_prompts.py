"""A prompt of one engine, told again for another, is the prompt that the other would have had."""

from dataclasses import replace
from pathlib import Path

import pytest

from rolecraft.characters import Character, read_shelf
from rolecraft.conversation import (
    Budget,
    Conversation,
    Identity,
    Message,
    Passage,
    Reply,
    Sampling,
)
from rolecraft.prompts import persona, render, retold

SMALL = Budget(tokens=900, passage_chars=80, full_persona=False)
LARGE = Budget(tokens=6000, passage_chars=400, full_persona=True, emotion_rule=True)
LONG = "灯塔建在岬角上，一共有九十七级台阶。" * 12
PASSAGES = (Passage("profile.name", "姓名：陆远", 0.8), Passage("script", LONG, 0.6))


@pytest.fixture(scope="module")
def keeper() -> Character:
    return read_shelf(Path(__file__).parent / "data" / "shelf").get("lu-yuan")


def reply(text: str, emotion: str | None, passages: tuple[Passage, ...] = ()) -> Reply:
    return Reply(
        text, emotion, passages, Identity("e", "b"), Sampling(), 0, (), 1, 1, 1.0, 1.0, "stop"
    )


def talk(turns: int, greeting: str = "来啦。") -> Conversation:
    conversation = Conversation("lu-yuan", greeting)
    for n in range(turns):
        passages = PASSAGES if n % 2 else ()
        said = reply(f"第{n}句。", "快乐" if n % 3 else None, passages)
        conversation = conversation.ask(f"第{n}个问题？").answer(said)
    return conversation.ask("最后问一句？")


@pytest.mark.parametrize("greeting", ["来啦。", ""])
@pytest.mark.parametrize("turns", [0, 1, 4])
def test_it_is_what_the_other_would_have_rendered(
    keeper: Character, turns: int, greeting: str
) -> None:
    one = talk(turns, greeting)
    large = render(keeper, PASSAGES, one, LARGE)
    for budget in (SMALL, replace(SMALL, emotions=False)):
        assert retold(keeper, large, budget) == render(keeper, PASSAGES, one, budget)
    assert retold(keeper, large, LARGE) == large


def test_older_turns_give_way(keeper: Character) -> None:
    tight = replace(SMALL, tokens=150)
    one = talk(6)
    told = retold(keeper, render(keeper, PASSAGES, one, LARGE), tight)
    assert told == render(keeper, PASSAGES, one, tight)
    assert told[-1].content == "最后问一句？" and len(told) < 8


def test_a_talk_from_elsewhere_gets_its_persona(keeper: Character) -> None:
    elsewhere = (
        Message("user", "在吗？"),
        Message("assistant", "在。"),
        Message("user", "吃了吗？"),
    )
    assert retold(keeper, elsewhere, SMALL) == (
        Message("system", persona(keeper, SMALL)),
        *elsewhere,
    )


def test_what_ends_with_no_question_is_refused(keeper: Character) -> None:
    for odd in ((), (Message("user", "在吗？"), Message("assistant", "在。"))):
        with pytest.raises(ValueError, match="does not end with"):
            retold(keeper, odd, SMALL)
