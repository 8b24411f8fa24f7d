"""What is counted: Table 1, emotions, verbs and their objects."""

import dataclasses
from pathlib import Path

import pytest

from rolecraft.characters import read_shelf
from rolecraft.characters.model import Answer, Everyday
from rolecraft.emotions import LABELS
from rolecraft.evaluation.dataset import (
    PAPER_TABLE,
    Dataset,
    emotion_counts,
    read_dataset,
    signature,
    table_of,
    verb_objects,
)

DATA = Path(__file__).parents[1] / "data" / "shelf"


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return read_dataset(read_shelf(DATA).characters)


def test_table_one_is_counted(dataset: Dataset) -> None:
    keeper = read_shelf(DATA).get("陆远")
    turns = sum(len(dialogue.turns) for dialogue in keeper.script)
    answers = sum(len(row.answers) for row in keeper.general)
    table = dataset.table
    assert table.keys() == PAPER_TABLE.keys()
    assert table["characters"] == 2
    assert table["dialogues"] == len(keeper.script)
    assert table["rounds"] == pytest.approx(turns / len(keeper.script))
    assert table["specific_instructions"] == len(keeper.questions)
    assert table["general_instructions"] == 2 * len(keeper.general)
    assert table["responses"] == len(keeper.questions) + answers


def test_answers_to_what_everybody_says_are_general() -> None:
    keeper = read_shelf(DATA).get("陆远")
    before = table_of([keeper], 0)
    said = (Everyday("talk-001", Answer("早，海上起雾了。", "中立")),
            Everyday("talk-002", Answer("晚安，灯我看着。", "快乐")))  # fmt: skip
    after = table_of([dataclasses.replace(keeper, everyday=said)], 0)
    for key in ("general_instructions", "instructions", "general_responses", "responses"):
        assert after[key] == before[key] + 2, key
    assert after["specific_responses"] == before["specific_responses"]
    assert after["response_length"] < before["response_length"]


def test_every_utterance_has_one_of_the_ten(dataset: Dataset) -> None:
    assert tuple(dataset.emotions) == LABELS
    assert sum(dataset.emotions.values()) == dataset.table["dialogues"] * dataset.table["rounds"]


def test_a_signature_is_of_their_own_lines() -> None:
    keeper, silent = (read_shelf(DATA).get(name) for name in ("陆远", "安然"))
    assert sum(signature(keeper).values()) == pytest.approx(1)
    assert set(signature(silent).values()) == {0}
    assert sum(emotion_counts([silent]).values()) == 0


def test_an_object_is_the_head_of_the_phrase_after_the_verb() -> None:
    found = verb_objects(["你最喜欢什么颜色？", "你喜欢什么颜色", "妈妈修过爷爷的洗衣机吗？"])
    assert list(found) == ["喜欢", "修"]
    assert found["喜欢"] == {"颜色": 2}
    assert list(found["修"]) == ["洗衣机"]


def test_what_has_no_object_counts_for_nothing() -> None:
    assert verb_objects(["你好！", "你是谁？", "晚安。"]) == {}


def test_the_most_frequent_verbs_come_first() -> None:
    asked = ["你吃苹果吗", "你吃面条吗", "他写代码吗"]
    assert list(verb_objects(asked)) == ["吃", "写"]
    assert list(verb_objects(asked, verbs=1)) == ["吃"]
