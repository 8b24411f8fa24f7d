"""The check finds what a reader would stumble over, and says where."""

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rolecraft.characters import Character, Problem, Shelf, read_shelf
from rolecraft.characters.check import Report, check_folder, check_shelf, report_text
from rolecraft.characters.facts import zodiac_sign
from rolecraft.characters.model import Question
from rolecraft.characters.numerals import number
from rolecraft.characters.overlap import bare, shared_runs

CAST = Path(__file__).parents[2] / "characters"
MOTHER, SON = "dong-wenjie", "zhou-xiaobei"


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """Two of the shipped characters, who name each other."""
    folder = tmp_path_factory.mktemp("cast")
    for name in (MOTHER, SON):
        shutil.copytree(CAST / name, folder / name)
    return read_shelf(folder)


Changed = Callable[..., list[Problem]]


@pytest.fixture
def changed(family: Shelf) -> Changed:
    """The problems of 周小北 when some of him is replaced."""

    def check(**changes: Any) -> list[Problem]:
        son = dataclasses.replace(family.get(SON), **changes)
        report = check_shelf(dataclasses.replace(family, characters=(family.get(MOTHER), son)))
        return list(next(one for one in report.characters if one.id == SON).problems)

    return check


def found(problems: list[Problem], field: str, remedy: str, line: int | None = None) -> bool:
    return any(
        one.field == field and remedy in one.remedy and line in (None, one.line) for one in problems
    )


def with_answer(son: Character, place: int, **changes: Any) -> tuple[Question, ...]:
    questions = list(son.questions)
    questions[place] = dataclasses.replace(questions[place], **changes)
    return tuple(questions)


def place_of(son: Character, **wanted: str) -> int:
    return next(
        n
        for n, question in enumerate(son.questions)
        if all(getattr(question, key) == value for key, value in wanted.items())
    )


def test_whole_characters_pass(family: Shelf) -> None:
    report = check_shelf(family)
    assert report.ok, [str(one) for checked in report.characters for one in checked.problems]
    counts = report.characters[1].counts
    assert counts["utterances"] >= 120
    assert 350 <= counts["profile_han"] <= 420
    assert 25 <= counts["mean_answer"] <= 60


def test_report_as_json(family: Shelf) -> None:
    body = json.loads(json.dumps(check_shelf(family).as_json(), ensure_ascii=False))
    assert set(body) == {"characters", "cast", "ok"}
    assert [one["id"] for one in body["characters"]] == [MOTHER, SON]
    assert set(body["characters"][0]) == {"id", "ok", "problems", "counts"}
    assert body["cast"]["counts"]["characters"] == 2


def test_a_faulty_folder_is_in_the_report(shelf_folder: Path) -> None:
    card = shelf_folder / "lu-yuan" / "card.yaml"
    card.write_text("id: lu-yuan\nmood: 开心\n", encoding="utf-8")
    report = check_shelf(read_shelf(shelf_folder))
    faulty = {one.id: one for one in report.characters}["lu-yuan"]
    assert not faulty.ok and not report.ok
    assert {"mood", "name", "greeting", "profile"} <= {one.field for one in faulty.problems}
    problem = report.as_json()["characters"][1]["problems"][0]
    assert set(problem) == {"path", "line", "field", "value", "remedy"}


def test_report_as_text(family: Shelf, shelf_folder: Path) -> None:
    text = report_text(check_folder(family.folder))
    assert text.startswith(f"ok  {MOTHER} ")
    assert text.endswith("Nothing to mend.")
    text = report_text(check_folder(shelf_folder))
    assert " characters of profile, 2 dialogues, 7 utterances, 6 questions" in text
    assert "lu-yuan/card.yaml:24: profile is '" in text
    assert text.endswith("problems to mend.")


def test_counts_and_lengths(changed: Changed, family: Shelf) -> None:
    son = family.get(SON)
    short = {**son.profile, "background": "没有"}
    assert found(changed(profile=short), "profile", "350 to 420")
    without = {key: value for key, value in son.profile.items() if key != "fears"}
    assert found(changed(profile=without), "profile.fears", "missing")
    assert found(changed(traits=("调皮",)), "traits", "3 to 6")
    assert found(changed(starters=son.starters[:3]), "starters", "exactly 4")
    assert found(changed(alternate_greetings=()), "alternate_greetings", "exactly 2")
    assert found(changed(script=son.script[:5]), "dialogues", "at least 14")
    assert found(changed(questions=son.questions[:20]), "questions", "at least 60")
    assert found(changed(questions=son.questions[:20]), "kind", "at least")
    train = tuple(dataclasses.replace(one, split="train") for one in son.questions)
    assert found(changed(questions=train), "split", "at least 20%")
    assert found(changed(general=son.general[1:]), "instruction", "not answered")
    assert found(changed(tagline={"zh": "长" * 30, "en": "x"}), "tagline.zh", "24 characters", 3)
    long = tuple(dataclasses.replace(one, answer=one.answer * 3) for one in son.questions)
    assert found(changed(questions=long), "answer", "25 to 60 characters")


def test_script_form(changed: Changed, family: Shelf) -> None:
    son = family.get(SON)
    first = son.script[0]
    alone = dataclasses.replace(first, turns=(first.turns[0], first.turns[0], *first.turns[2:]))
    problems = changed(script=(alone, *son.script[1:]))
    assert found(problems, "turns[1].speaker", "twice in a row", line=1)
    short = dataclasses.replace(first, turns=first.turns[:2])
    assert found(changed(script=(short, *son.script[1:])), "turns", "4 to 16", line=1)
    stranger = dataclasses.replace(first.turns[1], speaker="路人")
    three = dataclasses.replace(first, turns=(first.turns[0], stranger, *first.turns[2:]))
    assert found(changed(script=(three, *son.script[1:])), "turns", "exactly two", line=1)
    flat = tuple(
        dataclasses.replace(
            one, turns=tuple(dataclasses.replace(turn, emotion="中立") for turn in one.turns)
        )
        for one in son.script
    )
    problems = changed(script=flat)
    assert found(problems, "emotion", "55%")
    assert found(problems, "emotions", "Their own lines in the script show 1.00")


def test_facts_agree(changed: Changed, family: Shelf) -> None:
    son = family.get(SON)
    year = son.birth_year or 0
    assert found(changed(birth_year=year - 2), "profile.age", f"Born in {year - 2}")
    assert found(changed(age_group="elder"), "age_group", "goes from 60")
    assert found(changed(profile={**son.profile, "zodiac": "狮子座"}), "profile.zodiac", "The sign")
    assert found(changed(profile={**son.profile, "name": "周大北"}), "profile.name", "agree")
    assert found(
        changed(profile={**son.profile, "birthday": "五月"}), "profile.birthday", "5月18日"
    )
    place = place_of(son, source="profile.age", split="train")
    line = son.questions[place].line
    problems = changed(questions=with_answer(son, place, answer="我今年十三岁，比你想的大。"))
    assert found(problems, "answer", f"The profile says {number(son.profile['age'])}", line)
    assert found(problems, "answer", f"word for word: {son.profile['age']}", line)
    disliked = f"我最讨厌吃{son.profile['favourite_food']}了。"
    assert found(changed(questions=with_answer(son, place, answer=disliked)), "answer", "favourite")


def test_sources(changed: Changed, family: Shelf) -> None:
    son = family.get(SON)
    place = place_of(son, kind="experience")
    problems = changed(questions=with_answer(son, place, source="script.d99"))
    assert found(problems, "source", "that exists", son.questions[place].line)
    problems = changed(questions=with_answer(son, place, source=None))
    assert found(problems, "source", "has a source script")
    kept = tuple(one for one in son.questions if one.source != "profile.fears")
    assert found(changed(questions=kept), "source", "No question asks for it")


def test_relations_both_ways(changed: Changed, family: Shelf) -> None:
    son = family.get(SON)
    mother = next(one for one in son.relations if one.character == MOTHER)
    stray = dataclasses.replace(mother, name="董大姐", character=MOTHER)
    assert found(changed(relations=(stray,)), "relations[0].name", "董文洁")
    gone = dataclasses.replace(mother, character="nobody")
    assert found(changed(relations=(gone,)), "relations[0].character", "Nobody of that id")
    alone = dataclasses.replace(family.get(MOTHER), relations=())
    shelf = dataclasses.replace(family, characters=(alone, son))
    problems = list(check_shelf(shelf).characters[1].problems)
    place = son.relations.index(mother)
    assert found(problems, f"relations[{place}].character", "does not name zhou-xiaobei")


def test_relations_answer_each_other(changed: Changed, family: Shelf) -> None:
    son = family.get(SON)
    mother = next(one for one in son.relations if one.character == MOTHER)
    field = f"relations[{son.relations.index(mother)}].relation"
    for word, remedy in (("妹妹", "calls zhou-xiaobei 儿子"), ("爸爸", "is female")):
        wrong = dataclasses.replace(mother, relation=word)
        others = tuple(wrong if one is mother else one for one in son.relations)
        assert found(changed(relations=others), field, remedy), word


@pytest.mark.parametrize(
    ("missing", "remedy"),
    [
        (0, "at least 2 about whether they are a machine"),
        (1, "at least 1 about what has not happened yet"),
        (2, "at least 2 about the work of others"),
    ],
)
def test_the_boundary_has_questions_of_every_kind(
    changed: Changed, family: Shelf, missing: int, remedy: str
) -> None:
    kinds = [["你是AI吗？", "你是真人吗？"], ["明年会怎样？"], ["怎么炒股？", "怎么修汽车？"]]
    asked = [one for n, kind in enumerate(kinds) if n != missing for one in kind]
    beyond = iter([*asked, *(f"宇宙有多大，说{n}句？" for n in range(99))])
    questions = tuple(
        dataclasses.replace(one, question=next(beyond)) if one.kind == "out_of_knowledge" else one
        for one in family.get(SON).questions
    )
    told = [one.remedy for one in changed(questions=questions) if "evasion" in one.remedy]
    assert len(told) == 1 and remedy in told[0]


def test_a_portrait_is_asked_for(changed: Changed) -> None:
    assert found(changed(portrait=None), "portrait", "beside the card")


@pytest.mark.parametrize(
    ("answer", "remedy"),
    [
        ("（挠头）我不晓得这个。", "no brackets"),
        ("*笑* 你猜猜看呢。", "no brackets"),
        ("今天真好呀😀明天也好。", "no emoji"),
        ("我是AI呀，你不知道吗。", "a person"),
        ("人工智能是什么东西。", "a person"),
        ("你：那后来怎么样了？", "speak for the visitor"),
        ("我先走了。你：别走呀！", "speak for the visitor"),
        ("周小北：我在写作业。", "Leave out the name"),
    ],
)
def test_writing(changed: Changed, family: Shelf, answer: str, remedy: str) -> None:
    son = family.get(SON)
    place = place_of(son, kind="opinion")
    problems = changed(questions=with_answer(son, place, answer=answer))
    assert found(problems, "answer", remedy, son.questions[place].line)


def test_machine_words_matter_where_machines_are_asked_about(
    changed: Changed, family: Shelf
) -> None:
    son = family.get(SON)
    toy = "我有一个变形金刚机器人模型，少了一条腿。"
    place = place_of(son, kind="opinion")
    assert not found(changed(questions=with_answer(son, place, answer=toy)), "answer", "Evade")
    place = place_of(son, kind="out_of_knowledge")
    assert found(changed(questions=with_answer(son, place, answer=toy)), "answer", "Evade")


def test_repetition_and_leaks(changed: Changed, family: Shelf) -> None:
    son = family.get(SON)
    train = place_of(son, kind="opinion", split="train")
    test = place_of(son, kind="opinion", split="test")
    line = son.questions[train].line
    copied = f"啊，{son.questions[train].answer}"
    problems = changed(questions=with_answer(son, test, answer=copied))
    assert found(problems, "answer", f"questions.jsonl line {line}, which is trained on")
    assert found(problems, "answer", "says it already")
    again = with_answer(son, test, question=son.questions[train].question)
    assert found(changed(questions=again), "question", "in other words")


def test_what_is_said_anywhere_in_training_leaks(changed: Changed, family: Shelf) -> None:
    son = family.get(SON)
    name = son.name["zh"]
    turns = [(one.line, turn) for one in son.script for turn in one.turns if turn.speaker == name]
    line, turn = next((line, turn) for line, turn in turns if len(bare(turn.text)) >= 14)
    (row, *_), (topic, *_) = son.general, son.everyday
    test = place_of(son, kind="opinion", split="test")
    for where, said in (
        (f"script.jsonl line {line}", turn.text),
        (f"general.jsonl line {row.line}", row.answers[0].text),
        (f"everyday.jsonl line {topic.line}", topic.answer.text),
    ):
        problems = changed(questions=with_answer(son, test, answer=said))
        assert found(problems, "answer", f"{where}, which is trained on"), where


def test_quoting_the_profile_is_no_leak(changed: Changed, family: Shelf) -> None:
    son = family.get(SON)
    value = "一口气吃掉八个小笼包和两碗馄饨"
    profile = {**son.profile, "fears": value}
    questions = tuple(
        dataclasses.replace(one, answer=f"{'怕' * (n % 7 + 1)}，{value}。{n}")
        if one.source == "profile.fears"
        else one
        for n, one in enumerate(son.questions)
    )
    problems = changed(profile=profile, questions=questions)
    assert not found(problems, "answer", "which is trained on")


def test_style(changed: Changed, family: Shelf) -> None:
    son = family.get(SON)
    style = dataclasses.replace(son.style, particles=("哎哟喂呀", *son.style.particles[:2]))
    assert found(changed(style=style), "style.particles[0]", "never use it")
    phrase = son.questions[0].answer[:4]
    style = dataclasses.replace(son.style, never_says=(phrase, "绝对不说的话"))
    assert found(changed(style=style), "answer", "never say this", son.questions[0].line)


def test_two_characters_may_not_share_words(changed: Changed, family: Shelf) -> None:
    son, mother = family.get(SON), family.get(MOTHER)
    assert found(changed(greeting=mother.greeting), "greeting", f"{MOTHER}/card.yaml (greeting)")
    problems = changed(starters=(mother.starters[2], *son.starters[1:]))
    assert found(problems, "starters[0]", f"{MOTHER}/card.yaml (starters[2])")
    sentence = "窗台上那盆绿萝已经三天没有浇水了"
    turns = list(mother.script[1].turns)
    turns[0] = dataclasses.replace(turns[0], text=f"你看，{sentence}，快去。")
    script = list(mother.script)
    script[1] = dataclasses.replace(script[1], turns=tuple(turns))
    other = dataclasses.replace(mother, script=tuple(script))
    place = place_of(son, kind="opinion")
    copied = dataclasses.replace(
        son, questions=with_answer(son, place, answer=f"你看！{sentence}，快去！")
    )
    shelf = dataclasses.replace(family, characters=(other, copied))
    problems = list(check_shelf(shelf).characters[1].problems)
    assert found(problems, "answer", f"{MOTHER}/script.jsonl:2 (turns[0].text)")


def test_traits_of_the_whole_cast(family: Shelf) -> None:
    son = family.get(SON)
    crowd = tuple(dataclasses.replace(son, id=f"son-{n}") for n in range(28))
    report = check_shelf(dataclasses.replace(family, characters=crowd))
    assert report.cast.problems[0].value == str(len(son.traits))
    assert "exactly 45 different traits" in report.cast.problems[0].remedy


def test_copies_of_another_collection(family: Shelf) -> None:
    son = family.get(SON)
    stolen = son.questions[40].answer
    clean = check_shelf(family, ["这里没有任何人说过的话。", "another text"])
    assert clean.ok

    def corpus() -> Iterator[str]:
        yield f'{{"content": "(快乐) 前面{stolen}后面"}}'

    report: Report = check_shelf(family, corpus())
    problems = [one for checked in report.characters for one in checked.problems]
    assert found(problems, "answer", "Another collection", son.questions[40].line)


def test_shared_runs() -> None:
    texts = ["春天来了，院子里的桃花开了一半。", "今天没有下雨"]
    assert shared_runs(texts, ["他说院子里的 桃花，开了一半"], n=8) == [(0, "院子里的桃花开了")]
    assert shared_runs(texts, ["院子里的桃花谢了"], n=8) == []
    assert shared_runs(texts, texts, n=6) == [(0, "春天来了院子"), (1, "今天没有下雨")]


@pytest.mark.parametrize(
    ("month", "day", "sign"),
    [
        (1, 19, "摩羯座"),
        (1, 20, "水瓶座"),
        (5, 18, "金牛座"),
        (7, 9, "巨蟹座"),
        (12, 22, "摩羯座"),
        (12, 31, "摩羯座"),
    ],
)
def test_zodiac_sign(month: int, day: int, sign: str) -> None:
    assert zodiac_sign(month, day) == sign


@pytest.mark.parametrize(
    ("text", "value"),
    [("12岁", 12), ("十岁", 10), ("三十五岁", 35), ("八十", 80), ("两岁", 2), ("很老", None)],
)
def test_number(text: str, value: int | None) -> None:
    assert number(text) == value
