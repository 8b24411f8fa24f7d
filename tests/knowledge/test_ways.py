"""What an origin loses for how a question is worded."""

import numpy as np

from rolecraft.knowledge.passages import EVERYBODY, Source
from rolecraft.knowledge.ways import (
    BEYOND_BEHIND,
    EVERYDAY_BEHIND,
    UNLIKELY_KIND_BEHIND,
    WORD_FOR_WORD,
    Ways,
)

ASKED = {
    "profile.age": ("你几岁了", "你多大年纪", "今年贵庚"),
    "profile.favourite_food": ("你爱吃什么菜", "你最馋哪道菜"),
}
SAID = {
    "everyday.night": ("晚安啦", "我先睡了", "做个好梦"),
    "everyday.rain": ("外面下雨了", "雨好大呀", "没带伞淋湿了"),
    "everyday.beyond-01": ("股票怎么买", "基金该不该卖", "怎么理财"),
}
NIGHT, RAIN, BEYOND = SAID


def ways(said: dict[str, tuple[str, ...]], asked: dict[str, tuple[str, ...]]) -> Ways:
    shared = [
        Source(f"./{origin}.{number}", f"asked.{origin}.{number}", way, EVERYBODY, origin)
        for origin, some in said.items()
        for number, way in enumerate(some)
    ]
    return Ways(shared, np.zeros((len(shared), 4), np.float32), asked)


def test_the_topic_whose_letters_are_heard_loses_least() -> None:
    heard = ways(SAID, ASKED)
    night, rain = heard.behind("好梦，晚安"), heard.behind("淋了一身雨")
    assert night[NIGHT] < night[RAIN]
    assert rain[RAIN] < rain[NIGHT]


def test_everyday_talk_loses_where_a_field_is_meant_and_gains_where_not() -> None:
    heard = ways(SAID, ASKED)
    food, night, stocks = (heard.behind(q) for q in ("馋哪道菜呢", "好梦，晚安", "哪只股票该卖"))
    assert food[NIGHT] > EVERYDAY_BEHIND > night[NIGHT]
    assert food[BEYOND] > BEYOND_BEHIND > stocks[BEYOND]
    assert food["profile.favourite_food"] == 0 < food["profile.age"]


def test_what_is_a_persons_own_loses_nothing_to_everyday_talk() -> None:
    # Scenes and questions of its own have no ways here: fields must not fall behind them.
    lost = ways(SAID, ASKED).behind("好梦，晚安")
    assert min(lost[origin] for origin in ASKED) == 0


def test_one_strange_word_decides_nothing() -> None:
    lost = ways(SAID, ASKED).behind("股票" * 40 + "怎么理财基金该不该卖")
    assert lost[BEYOND] >= BEYOND_BEHIND - 10 * UNLIKELY_KIND_BEHIND


def test_what_is_said_word_for_word_is_nothing_else() -> None:
    heard = ways(SAID, ASKED)
    assert heard.behind("晚安啦！")[NIGHT] == -WORD_FOR_WORD
    assert heard.behind("今年贵庚？")["profile.age"] == -WORD_FOR_WORD


def test_nothing_shared_and_one_kind_alone() -> None:
    assert ways({}, {}).behind("晚安") == {}
    assert min(ways({}, ASKED).behind("你多大").values()) == 0
    assert ways({NIGHT: SAID[NIGHT]}, {}).behind("晚上好")[NIGHT] <= EVERYDAY_BEHIND
