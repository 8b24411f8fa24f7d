"""The style test, on a small shelf whose answer is known and on the shipped cast."""

from pathlib import Path

import pytest

from rolecraft.characters import Question, read_shelf
from rolecraft.characters.model import Character
from rolecraft.errors import ResultsError
from rolecraft.evaluation.style import LEAST_ACCURACY, StyleTest, style_test, training_texts

CAST = Path(__file__).parents[2] / "characters"
VOICES = {
    "hai": "嘿嘿，我跟你说啊，这回",
    "lao": "孩子，慢慢听我讲，那年",
    "gang": "第一，先看清楚；第二，",
}
NAME = {"zh": "无名", "en": "Nobody"}
TRAIN = ("风很大", "下了雨", "路不远", "锅开了")
TEST = ("天黑得早", "门前有树", "车还没来")


def speaker(identity: str, voice: str) -> Character:
    def asked(n: int, text: str, split: str) -> Question:
        return Question(f"q{n}", "opinion", "？", voice + text, "中立", split)  # type: ignore[arg-type]

    rows = [asked(n, text, "train") for n, text in enumerate(TRAIN)]
    rows += [asked(n + 9, text, "test") for n, text in enumerate(TEST)]
    name = {"zh": identity, "en": identity}
    return Character(identity, name, greeting=name, profile={}, questions=tuple(rows))


@pytest.fixture(scope="module")
def shipped() -> StyleTest:
    return style_test(read_shelf(CAST).characters)


def test_plain_voices_are_told_apart() -> None:
    found = style_test([speaker(identity, voice) for identity, voice in VOICES.items()])
    assert found.accuracy == found.accuracy_without_facts == 1.0
    assert found.table == {identity: {identity: 3} for identity in VOICES}
    assert found.blurred() == []
    assert found.chance == pytest.approx(1 / 3)


def test_one_voice_under_two_names_blurs() -> None:
    same = [speaker("a", "慢慢来，"), speaker("b", "慢慢来，"), speaker("c", VOICES["gang"])]
    found = style_test(same)
    assert found.blurred()[0][:2] == ("a", "b")
    assert found.recall["c"] == 1.0


def test_nothing_of_the_test_split_is_learnt_from() -> None:
    one = speaker("a", "慢慢来，")
    assert training_texts(one) == ["慢慢来，" + text for text in TRAIN]


def test_a_test_needs_two() -> None:
    silent = Character("b", NAME, greeting=NAME, profile={})
    with pytest.raises(ResultsError, match="of 2 characters 1 have texts"):
        style_test([speaker("a", "慢慢来，"), silent])


def test_the_cast_is_told_apart(shipped: StyleTest) -> None:
    weakest = sorted(shipped.recall.items(), key=lambda item: item[1])[:3]
    told = f"weakest {weakest}; taken for each other {shipped.blurred(5)}"
    assert shipped.accuracy >= LEAST_ACCURACY, told
    # Half of the answers quote facts; the voice alone has to carry the others.
    assert shipped.accuracy_without_facts >= 0.5, told


def test_everyone_is_found_now_and_then(shipped: StyleTest) -> None:
    assert {who for who, share in shipped.recall.items() if share < 0.4} == set()
