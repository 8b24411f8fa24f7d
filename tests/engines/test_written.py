"""The author's own answers: the nearest one, or an evasion when none is near."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from rolecraft.conversation import Message, Sampling
from rolecraft.emotions import split_opening
from rolecraft.engines.base import EngineCard
from rolecraft.engines.written import Written, WrittenEngine
from rolecraft.errors import EngineFailed

LETTERS = "你几岁住哪里吃什么了吗火星股票明天涨喜欢花今"
CAST = {
    "taozi": [
        Written("你几岁了", "二十四，别到处说。", "中立"),
        Written("你住哪里", "住在老城墙根下。", "中立"),
        Written("你喜欢什么花", "向日葵，看着就高兴。", "快乐"),
        Written("今天吃了吗", "早吃啦，你呢？", "快乐"),
        Written("明天股票涨吗", "我又不是算命的。", "厌恶", evasion=True),
    ],
    "plain": [Written("你几岁了", "三十。", "中立"), Written("你住哪里", "江边。", "快乐")],
    "mute": [],
}


def encode(texts: Sequence[str]) -> NDArray[np.float32]:
    """Letters counted: the same question is the same vector, other letters are far away."""
    counts = np.array([[text.count(letter) for letter in LETTERS] for text in texts], np.float32)
    counts[:, -1] += 1e-3  # a text of other letters has a direction too
    return counts / np.linalg.norm(counts, axis=1, keepdims=True)


@pytest.fixture
def engine() -> WrittenEngine:
    card = EngineCard("written", "written", {})
    return WrittenEngine(card, CAST.__getitem__, encode, "letters")


def ask(engine: WrittenEngine, text: str, character: str = "taozi", **options: object) -> str:
    messages = [Message("system", "资料：…"), Message("user", text)]
    sampling = Sampling(seed=options.pop("seed", None))  # type: ignore[arg-type]
    return "".join(engine.stream(messages, sampling, character=character, **options))  # type: ignore[arg-type]


def test_the_nearest_answer_with_its_emotion(engine: WrittenEngine) -> None:
    assert ask(engine, "你几岁") == "（中立）二十四，别到处说。"
    assert ask(engine, "喜欢什么花呀") == "（快乐）向日葵，看着就高兴。"
    assert ask(engine, "住哪里", character="plain") == "（快乐）江边。"


def test_an_evasion_when_none_is_near(engine: WrittenEngine) -> None:
    assert ask(engine, "火星上有水吗") == "（厌恶）我又不是算命的。"
    assert ask(engine, "zzz") == "（厌恶）我又不是算命的。"
    assert split_opening(ask(engine, "火星", character="plain"))[1] in ("三十。", "江边。")


def test_an_asked_emotion(engine: WrittenEngine) -> None:
    assert ask(engine, "今天吃了吗", opening="（快乐）") == "早吃啦，你呢？"
    # near in words only among the others: the character evades rather than say what is beside it
    assert ask(engine, "你几岁了", opening="（快乐）") == "我又不是算命的。"
    assert ask(engine, "你几岁了", opening="（悲伤）") == "二十四，别到处说。"  # it has none of it


def test_it_is_marked_as_written(engine: WrittenEngine) -> None:
    answer = engine.stream([Message("user", "你几岁")], Sampling(seed=3), character="taozi")
    pieces = list(answer)
    assert len(pieces) > 2 and answer.finish == "stop" and answer.seed == 3
    assert (answer.identity.engine, answer.identity.base) == ("written", "encoder")
    assert len(answer.identity.base_sha256) == 64
    assert answer.reply_tokens == len("".join(pieces)) and answer.prompt_tokens == 0


def test_stopping(engine: WrittenEngine) -> None:
    answer = engine.stream([Message("user", "你几岁")], Sampling(), character="taozi")
    pieces = []
    for piece in answer:
        pieces.append(piece)
        answer.cancel()
    assert len(pieces) == 1 and answer.finish == "user_stop"


def test_questions_are_encoded_once(engine: WrittenEngine) -> None:
    seen: list[int] = []

    def counting(texts: Sequence[str]) -> NDArray[np.float32]:
        seen.append(len(texts))
        return encode(texts)

    counted = WrittenEngine(engine.card, CAST.__getitem__, counting, "letters")
    for _ in range(3):
        ask(counted, "你几岁")
    assert sorted(seen) == [1, 1, 1, 5]


def test_a_character_without_answers(engine: WrittenEngine) -> None:
    with pytest.raises(EngineFailed, match="'mute' has no written answers.*questions.jsonl"):
        ask(engine, "你几岁", character="mute")
