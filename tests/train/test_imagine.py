"""Imagined people: their facts are told word for word, and held-out words stay out of training."""

import random

from rolecraft.characters.model import Answer
from train.documents import SEAM
from train.imagine import Answered, Imagination, imagined_talks, talk
from train.people import People, kept, zodiac
from train.recall import Exercises
from train.topics import cast, material, topics


def test_a_fact_is_told_from_a_passage_that_holds_it() -> None:
    imagination = Imagination(random.Random(1))
    for _ in range(200):
        person, voice = imagination.person()
        exchange = imagination.profile_exchange(person, voice)
        assert exchange.value.rstrip("。") in exchange.reply
        assert any(exchange.value in passage.text for passage in exchange.passages)
        prompt = "".join(message.content for message in talk(person, [exchange])[:-1])
        assert exchange.value[:60] in prompt


def test_held_out_wordings_and_values_are_never_trained_on() -> None:
    held = {w for bank in material("questions").values() for w in bank}
    foods = material("values")["foods"]
    heldout_foods = set(kept(foods, heldout=True))
    assert not heldout_foods & set(kept(foods, heldout=False))
    talks = imagined_talks(random.Random(2))
    for _ in range(400):
        asked = {m.content for m in next(talks) if m.role == "user"}
        assert not asked & held


def test_a_third_of_the_questions_end_as_people_type_them() -> None:
    rng = random.Random(5)
    asked = [Answered("你多大了？", (), "", "中立").typed(rng).question for _ in range(1000)]
    assert 0.6 < asked.count("你多大了？") / 1000 < 0.7
    assert 0.2 < asked.count("你多大了") / 1000 < 0.3
    assert {one[:4] for one in asked} == {"你多大了"}
    assert Answered("？", (), "", "中立").typed(random.Random(1)).question == "？"


def test_facts_stand_beside_those_they_are_taken_for() -> None:
    imagination = Imagination(random.Random(6))
    beside = []
    for _ in range(300):
        person, voice = imagination.person()
        exchange = imagination.profile_exchange(person, voice, "favourite_food")
        beside += [one.field for one in exchange.passages]
    assert beside.count("profile.favourite_food") == 300
    assert beside.count("profile.disliked_food") > 4 * beside.count("profile.height")


def test_numbers_lie_anywhere_where_facts_are_words_that_nobody_would_guess() -> None:
    weights = {}
    for phrases in ((), ("铁皮月亮",)):
        people = People(random.Random(7), heldout=False, phrases=phrases)
        drawn = [people.person()[0].profile["weight"] for _ in range(300)]
        weights[phrases] = max(int(one.removesuffix("公斤")) for one in drawn)
    assert weights[()] < 80 < 120 < weights[("铁皮月亮",)]


def test_what_everybody_says_is_answered_from_the_passage_that_holds_the_answer() -> None:
    imagination = Imagination(
        random.Random(3), phrases=["铁皮月亮"], lines=[Answer("风大了。", "中立")]
    )
    person, voice = imagination.person()
    given = 0
    for _ in range(300):
        exchange = imagination.everyday_exchange(person, voice)
        if exchange.value:
            given += 1
            assert exchange.reply == exchange.value
            assert any(exchange.value in passage.text for passage in exchange.passages)
            reply = talk(person, [exchange])[-1].content
            assert f"{SEAM}{exchange.value.rstrip('。')}{SEAM}" in reply
    assert 0.9 < given / 300 < 1  # now and then nothing in the prompt answers


def test_the_right_passage_stands_in_front_as_often_as_retrieval_finds_it() -> None:
    imagination = Imagination(random.Random(3))
    person, voice = imagination.person()
    asked = [imagination.profile_exchange(person, voice) for _ in range(300)]
    places = [[p.field for p in one.passages].index(f"profile.{one.field}") for one in asked]
    assert 0.93 < places.count(0) / 300 < 1


def test_topics_hold_ways_answers_of_the_whole_cast_and_what_is_beyond_them() -> None:
    every = topics()
    assert len(every) > 200
    assert all(len(one.answers) == len(cast()) and len(one.said) >= 8 for one in every)
    assert sum(one.beyond for one in every) == len(material("evasions"))
    held = {
        way for bank in ("small_talk", "evasions") for g in material(bank) for way in g["heldout"]
    }
    assert not held & {way for one in every for way in one.said}


def test_the_same_seed_imagines_the_same_talk() -> None:
    first, second = (next(imagined_talks(random.Random(9))) for _ in range(2))
    assert first == second


def test_zodiac_changes_on_its_days() -> None:
    assert [zodiac(1, 19), zodiac(1, 20), zodiac(5, 18), zodiac(12, 22)] == [
        "摩羯座", "水瓶座", "金牛座", "摩羯座",
    ]  # fmt: skip


def test_reading_exercises_are_answered_from_above() -> None:
    sentences = ["今天的天气真好啊", "我想去北京看看长城", "他昨天没有来上课", "这本书是谁的"]
    drawn = iter(Exercises(random.Random(4), sentences, ["天气", "出租", "房", "北京"]))
    for _ in range(100):
        messages = next(drawn)
        above = ""
        for message in messages:
            if message.role == "assistant" and messages[0].role == "user":
                assert message.content.removeprefix("（中立）") in above
            above += message.content
