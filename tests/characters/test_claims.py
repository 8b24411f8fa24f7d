"""A character that says something else of itself than its card is found out, and no other."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rolecraft.characters import Character, read_shelf
from rolecraft.characters.check import check_shelf
from rolecraft.characters.claims import check_claims
from rolecraft.characters.findings import Findings
from rolecraft.characters.kinship import answer_each_other, gender_of
from rolecraft.characters.model import Answer, Everyday
from rolecraft.characters.places import NAMES, agree

CAST = Path(__file__).parents[2] / "characters"
MOTHER, SON = "dong-wenjie", "zhou-xiaobei"
Said = Callable[[str], list[str]]


@pytest.fixture(scope="module")
def son() -> Character:
    """周小北: 10, of Wuxi, pupil, the only child of 董文洁."""
    return read_shelf(CAST).get(SON)


@pytest.fixture
def said(son: Character) -> Said:
    """The remedies that are found when he says something in an everyday answer."""

    def check(text: str) -> list[str]:
        answer = Everyday("talk-001", Answer(text, "中立"), line=7)
        findings = Findings(dataclasses.replace(son, everyday=(answer,)))
        check_claims(findings.character, findings)
        places = {(one.field, one.line) for one in findings.problems}
        assert places <= {("text", 7)}
        return [one.remedy for one in findings.problems]

    return check


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("我家住在哈尔滨，冬天可冷啦。", "江苏无锡"),
        ("我是四川人，吃辣不怕。", "江苏无锡"),
        ("我家就在上海，坐地铁两站。", "江苏无锡"),
        ("我的生日是十二月一日，那天最冷。", "5月18日"),
        ("12月1号是我生日，有蛋糕。", "5月18日"),
        ("我已经十五岁了，早就不小啦。", "says 10"),
        ("我十二岁啦！", "says 10"),
        ("我都11岁了呀。", "says 10"),
        ("我有两个亲姐姐，都在上大学。", "a 姐姐"),
        ("我哥在北京打工。", "a 哥哥"),
        ("我儿子最调皮。", "a 儿子"),
        ("我妈叫王桂花，她开饭馆。", "董文洁"),
        ("我妈妈叫王桂花。", "董文洁"),
        ("我没有妈妈。", "董文洁"),
        ("我是个医生，天天给人开刀。", "小学四年级学生"),
        ("我现在是程序员。", "小学四年级学生"),
        ("我身高有150厘米。", "138厘米"),
        ("我体重40公斤。", "31公斤"),
    ],
)
def test_a_contradiction_is_found(said: Said, text: str, remedy: str) -> None:
    (found, *more) = said(text)
    assert remedy in found
    assert not more or "儿子" in text  # whose place a relative's sentence may claim too


@pytest.mark.parametrize(
    "text",
    [
        "我家住在无锡，出门就是河。",
        "我是江苏人。",
        "我住过上海一个暑假。",
        "他家住在哈尔滨。",
        "我的生日是五月十八号。",
        "我今年十岁。",
        "我七岁那年掉过一颗牙。",
        "我五岁就会骑车。",
        "我快十一岁了。",
        "我妈叫董文洁。",
        "我妈叫我回家吃饭。",
        "我没有姐姐。",
        "我没弟弟跑得快。",
        "要是我是医生，就天天给自己放假。",
        "我是小学生。",
        "医生说我没事。",
        "我身高138厘米。",
    ],
)
def test_what_agrees_is_left_alone(said: Said, text: str) -> None:
    assert said(text) == []


def test_only_own_words_are_claims(son: Character) -> None:
    turns = [turn for turn in son.script[0].turns if turn.speaker != son.name["zh"]]
    stranger = dataclasses.replace(turns[0], text="我家住在哈尔滨，我已经五十岁了。")
    scene = dataclasses.replace(son.script[0], turns=(stranger,))
    findings = Findings(dataclasses.replace(son, script=(scene,), questions=(), everyday=()))
    check_claims(findings.character, findings)
    assert findings.problems == []


def test_contradictions_are_counted(tmp_path: Path) -> None:
    for name in (MOTHER, SON):
        shutil.copytree(CAST / name, tmp_path / name)
    shelf = read_shelf(tmp_path)
    assert [one.counts["contradictions"] for one in check_shelf(shelf).characters] == [0, 0]
    son = shelf.get(SON)
    wrong = dataclasses.replace(son.questions[-1], answer="我家住在哈尔滨，我已经十五岁了。")
    son = dataclasses.replace(son, questions=(*son.questions[:-1], wrong))
    report = check_shelf(dataclasses.replace(shelf, characters=(shelf.get(MOTHER), son)))
    assert [one.counts["contradictions"] for one in report.characters] == [0, 2]


def test_places_agree_with_what_lies_in_or_around_them() -> None:
    assert agree("江苏", "江苏无锡") and agree("四川", "成都玉林") and agree("成都", "四川乡下")
    assert not agree("四川", "江苏无锡")
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize(
    ("relation", "back", "agrees"),
    [
        ("妈妈", "儿子", True),
        ("妈妈", "妹妹", False),
        ("表哥", "表妹", True),
        ("表哥", "表哥", False),
        ("师傅", "电话里的徒弟", True),
        ("师傅", "师傅", False),
        ("丈夫", "妻子", True),
        ("丈夫", "老同学", False),
        ("植物老师和网友", "朋友", True),
        ("护士长", "夜班搭档", True),
    ],
)
def test_relations_answer_each_other(relation: str, back: str, agrees: bool) -> None:
    assert answer_each_other(relation, back) is agrees
    assert answer_each_other(back, relation) is agrees


@pytest.mark.parametrize(
    ("relation", "gender"),
    [("妈妈", "female"), ("表哥", "male"), ("女儿", "female"), ("老板娘", ""), ("朋友", "")],
)
def test_a_word_for_a_relative_has_a_gender(relation: str, gender: str) -> None:
    assert gender_of(relation) == gender
