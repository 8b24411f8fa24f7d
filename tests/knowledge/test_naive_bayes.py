"""Naive Bayes over the ways of asking."""

import numpy as np

from rolecraft.knowledge.naive_bayes import Likelihoods

WAYS = {
    "food": ("你爱吃什么", "最喜欢吃哪道菜", "什么菜你吃不够"),
    "disliked": ("你不爱吃什么", "最讨厌吃哪道菜", "什么菜你闻着就嫌"),
    "age": ("你几岁", "多大年纪"),
}


def test_one_word_decides() -> None:
    asked = Likelihoods(WAYS)
    assert asked.origins == ("food", "disliked", "age")
    for question, likeliest in (("哪样菜你讨厌", 1), ("哪样菜你喜欢", 0), ("年纪多大了", 2)):
        behind = asked.behind(question)
        assert int(np.argmin(behind)) == likeliest
        assert behind[likeliest] == 0
        assert np.delete(behind, likeliest).min() > 0


def test_how_many_ways_there_are_makes_nothing_likelier() -> None:
    # 菜 stands in each way of both.
    ways = {"one": ("菜甲",), "other": ("菜乙", "菜丙", "菜丁")}
    assert np.argmin(Likelihoods(ways).behind("甲")) == 0
    assert np.argmin(Likelihoods(ways).behind("丁")) == 1


def test_a_missing_question_mark_changes_nothing() -> None:
    asked = Likelihoods(WAYS)
    assert asked.behind("你几岁").tolist() == asked.behind("你几岁？").tolist()


def test_where_letters_tell_nothing_nothing_is_behind() -> None:
    assert Likelihoods({"one": ("甲",), "other": ("乙",)}).behind("丙丁").tolist() == [0.0, 0.0]
    assert Likelihoods({"one": ("甲",)}).behind("甲").tolist() == [0.0]
