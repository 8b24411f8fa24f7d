"""Passages: every field, every scene, every train question; never a test question."""

import dataclasses

from rolecraft.characters import Character, Dialogue, Shelf
from rolecraft.characters.model import Answer, Everyday, Utterance
from rolecraft.knowledge.passages import (
    EVERYBODY,
    SCENE_CHARACTERS,
    passages_of,
    searched_of,
    shared_of,
)


def test_profile_scenes_and_train_questions(shelf: Shelf) -> None:
    sources = {one.field: one for one in passages_of(shelf.get("陆远"))}
    assert sources["profile.age"].text == "年龄：46岁"
    assert sources["profile.favourite_food"].text == "喜欢的食物：虾皮炒蛋"
    assert sources["script.d02"].text == (
        "清早，海鸥偷走了早饭。陆远：又是那只独脚的海鸥，叼走我半条咸鱼。"
        "安然：你给它起名字了没有？陆远：叫会计，来得比谁都准时哩。"
    )
    assert sources["question.q001"].text == "问：你多大年纪了？ 答：46岁，头发让海风吹白了一半哩。"
    assert sources["question.q001"].origin == "profile.age"
    assert sources["question.q005"].origin == "question.q005"


def test_no_test_question_becomes_a_passage(shelf: Shelf) -> None:
    character = shelf.get("陆远")
    text = "\n".join(one.text for one in passages_of(character))
    for question in character.questions_of("test"):
        assert question.question not in text
        assert question.answer not in text


def test_ways_of_asking_are_searched_and_never_shown(shelf: Shelf) -> None:
    character = dataclasses.replace(
        shelf.get("陆远"), asked={"profile.age": ("属啥的呀", "多大岁数了您")}
    )
    passages, searched = passages_of(character), searched_of(character)
    assert searched[: len(passages)] == passages
    assert [(one.text, one.origin) for one in searched[len(passages) :]] == [
        ("属啥的呀？", "profile.age"),
        ("多大岁数了您？", "profile.age"),
    ]


def talking(character: Character, *said: str) -> Character:
    answer = Answer("来啦，风大，进来坐。", "快乐")
    return dataclasses.replace(character, everyday=(Everyday("talk-hello", answer, said),))


def test_everyday_answers_are_found_by_ways_that_all_share(shelf: Shelf) -> None:
    one, other = (talking(character, "你好", "在吗") for character in shelf.characters)
    (passage,) = (source for source in passages_of(one) if source.field.startswith("everyday."))
    assert passage.text == "问：你好 答：来啦，风大，进来坐。"
    shared = shared_of([one, other])
    assert [(way.text, way.origin) for way in shared] == [
        ("你好", "everyday.talk-hello"),
        ("在吗", "everyday.talk-hello"),
    ]
    assert shared == shared_of([other])
    assert not any(source.field.startswith("everyday.") for source in passages_of(talking(one)))


def test_ways_of_asking_that_all_share_tell_of_the_fields(shelf: Shelf) -> None:
    one, other = (
        dataclasses.replace(talking(character, "你好"), asked_commonly={"profile.age": ("多大啦",)})
        for character in shelf.characters
    )
    asked, said = shared_of([one, other])
    assert (asked.text, asked.origin, asked.character) == ("多大啦？", "profile.age", EVERYBODY)
    assert said.origin == "everyday.talk-hello"
    assert asked not in searched_of(one)


def test_ids_and_hashes_stay(shelf: Shelf) -> None:
    character = shelf.get("陆远")
    first, again = passages_of(character), passages_of(character)
    assert first == again
    assert len({one.id for one in first}) == len(first)
    assert [one.sha256 for one in first] == [one.sha256 for one in again]
    older = dataclasses.replace(character, profile={**character.profile, "age": "47岁"})
    changed = {one.sha256 for one in passages_of(older)} - {one.sha256 for one in first}
    assert len(changed) == 1


def with_turns(character: Character, *texts: str) -> Character:
    turns = tuple(Utterance("陆远", text, "中立") for text in texts)
    return dataclasses.replace(character, script=(Dialogue("d01", "码头", turns),))


def test_long_scenes_are_cut_at_turns(shelf: Shelf) -> None:
    line = "我在岸边数了三十一只船，只有一只亮着灯，别的都睡了。"
    character = with_turns(shelf.get("陆远"), *[line] * 12)
    pieces = [one for one in passages_of(character) if one.field == "script.d01"]
    assert len(pieces) > 1
    for piece in pieces:
        assert len(piece.text) <= SCENE_CHARACTERS
        assert piece.text.startswith("码头。陆远：")
        assert piece.text.endswith("。")
    assert sum(piece.text.count(line) for piece in pieces) == 12


def test_a_turn_longer_than_a_passage_is_cut_at_sentences(shelf: Shelf) -> None:
    sentence = "潮水退下去的时候，礁石上全是小小的白色贝壳，踩上去沙沙地响。"
    character = with_turns(shelf.get("陆远"), sentence * 8, "没有句号的话" * 60)
    pieces = [one for one in passages_of(character) if one.field == "script.d01"]
    assert all(len(piece.text) <= SCENE_CHARACTERS for piece in pieces)
    assert pieces[0].text.endswith("响。")
    joined = "".join(piece.text.removeprefix("码头。") for piece in pieces)
    assert joined == f"陆远：{sentence * 8}陆远：{'没有句号的话' * 60}"
