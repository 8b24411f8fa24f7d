"""The fake that ships keeps the whole protocol."""

import threading

import pytest

from rolecraft.conversation import Message, Sampling
from rolecraft.engines.base import EngineCard
from rolecraft.engines.scripted import ScriptedEngine
from rolecraft.errors import EngineFailed

CARD = EngineCard("scripted", "scripted", {})
ASKED = [Message("system", "你是桃子。"), Message("user", "吃了吗？")]


def test_replies_in_turn_and_counts() -> None:
    engine = ScriptedEngine(CARD, ["（快乐）吃了。", "还没。"])
    answers = [engine.stream(ASKED, Sampling()) for _ in range(3)]
    assert ["".join(answer) for answer in answers] == ["（快乐）吃了。", "还没。", "（快乐）吃了。"]
    assert (answers[1].prompt_tokens, answers[1].reply_tokens) == (9, 3)
    assert (answers[1].finish, answers[1].identity.engine) == ("stop", "scripted")
    assert engine.prompts[-1] == tuple(ASKED)


def test_without_replies_it_echoes() -> None:
    assert "".join(ScriptedEngine(CARD).stream(ASKED, Sampling())) == "吃了吗？"


def test_an_asked_emotion_replaces_its_own() -> None:
    engine = ScriptedEngine(CARD, ["（快乐）吃了。"])
    assert "".join(engine.stream(ASKED, Sampling(), opening="（快乐）")) == "吃了。"
    assert "".join(engine.stream(ASKED, Sampling(), opening="（悲伤）")) == "吃了。"


def test_stopping() -> None:
    answer = ScriptedEngine(CARD, ["一二三四五"]).stream(ASKED, Sampling())
    said = ""
    for piece in answer:
        said += piece
        if said == "一二":
            answer.cancel()
    assert (said, answer.finish, answer.reply_tokens) == ("一二", "user_stop", 2)


def test_stopping_wakes_a_long_pause() -> None:
    answer = ScriptedEngine(CARD, ["一二"], pause_s=600).stream(ASKED, Sampling())
    threading.Timer(0.05, answer.cancel).start()
    assert list(answer) == [] and answer.finish == "user_stop"


def test_failing_half_way() -> None:
    answer = ScriptedEngine(CARD, ["一二三"], fail_after=2).stream(ASKED, Sampling())
    said = []
    with pytest.raises(EngineFailed, match="scripted was told to fail"):
        for piece in answer:
            said.append(piece)
    assert (said, answer.finish) == (["一", "二"], "error")


def test_seeds() -> None:
    engine = ScriptedEngine(CARD)
    assert engine.stream(ASKED, Sampling(seed=7)).seed == 7
    assert len({engine.stream(ASKED, Sampling()).seed for _ in range(5)}) > 1


def test_prompts_are_not_kept_for_ever() -> None:
    engine = ScriptedEngine(CARD)
    for _ in range(150):
        engine.stream(ASKED, Sampling())
    assert len(engine.prompts) == 100
