"""ROUGE-L by hand, against the plain table, and where texts are empty."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolecraft.evaluation.rouge import best, common_length, rouge_l


def slow(one: str, two: str) -> int:
    row = [0] * (len(two) + 1)
    for a in one:
        before = row[:]
        for j, b in enumerate(two, 1):
            row[j] = before[j - 1] + 1 if a == b else max(before[j], row[j - 1])
    return row[-1]


def test_by_hand() -> None:
    score = rouge_l("我 爱吃红烧肉", "我最爱红烧肉")
    assert score.recall == pytest.approx(5 / 6) and score.precision == pytest.approx(5 / 6)
    assert rouge_l("好", "你好呀").precision == 1 and rouge_l("好", "你好呀").f1 == 0.5


def test_nothing_in_common() -> None:
    assert rouge_l("", "你好").f1 == rouge_l("你好", " ").f1 == rouge_l("天", "地").f1 == 0


@given(st.text("甲乙丙丁", max_size=24), st.text("甲乙丙丁", max_size=24))
def test_as_the_plain_table(one: str, two: str) -> None:
    assert common_length(one, two) == slow(one, two) == common_length(two, one)


def test_several_answers_may_be_right() -> None:
    assert best("今天下雨", ["明天晴", "今天下雨了"]) == (pytest.approx(8 / 9), 0.8)
    with pytest.raises(ValueError, match="at least one reference"):
        best("好", [])
