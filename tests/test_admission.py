"""What a visitor may send, and which words are answered with help in place of a model."""

import pytest

from rolecraft.admission import CARE, Doorkeeper, Rates, care, clean
from rolecraft.errors import InputRefused
from rolecraft.moderation import speaks_of_self_harm

HARM = [
    "我想自杀", "我不想活了", "活着没意思", "活着有什么意义，活着没意义", "我想死", "真想死了算了",
    "昨晚我割腕了", "想从楼上跳楼", "我写好了遗书", "我撑不下去了，想结束自己的生命", "活不下去了",
    "自殺", "我想輕生", "不想再活下去", "好想死", "想伤害自己", "我 想 死", "自\u200b杀",
    "自　杀", "我想去死", "我准备吞安眠药", "没力气活下去了",
    "I want to die", "i WANT TO DIE", "I am going to kill myself", "thinking about suicide",
    "I feel suicidal", "I don't want to live anymore", "I don’t want to live", "self-harm",
    "I keep hurting myself", "I want to end my life", "cutting myself again",
    "I wish I were dead", "不如死了", "自*杀",
]  # fmt: skip
FINE = [
    "你今天怎么样？", "笑死我了", "累死了，饿死了", "我想死你了", "热死人了", "这道题难死了",
    "死党来了",
    "我爱死这家店了", "想死磕到底", "你怕不怕死", "花死了怎么办", "手机没电，死机了", "活动结束了",
    "生活没意思的时候你做什么", "帮我结束这个话题", "好想你", "跳绳", "跳舞", "割草", "他是自己人",
    "I'm dying to see you", "that killed me, so funny", "the battery died", "kill the lights",
    "I would die for a coffee", "deadline", "I want to live by the sea", "cut my hair myself",
    "How are you?", "生活要继续活着", "跳楼价大甩卖", "游乐园的跳楼机好玩吗",
]  # fmt: skip


@pytest.mark.parametrize("text", HARM)
def test_words_of_self_harm_are_heard(text: str) -> None:
    assert speaks_of_self_harm(text)
    assert speaks_of_self_harm(f"晚饭吃什么呢？\n{text}。算了不说了")


@pytest.mark.parametrize("text", FINE)
def test_ordinary_words_are_left_alone(text: str) -> None:
    assert not speaks_of_self_harm(text)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_answer_names_people_who_can_help(language: str) -> None:
    answer = care(language)  # type: ignore[arg-type]
    assert answer.text == CARE[language]
    assert "12356" in answer.text and "400-161-9995" in answer.text
    assert answer.finish == "stop" and answer.prompt == ()
    assert len(answer.sha256) == 64


def test_control_characters_are_taken_out() -> None:
    assert clean("你\x00好\x1b[31m\x07\r\n再\u0085见\ue000\ud800", 100) == "你好[31m\n再见"
    assert clean("  \t 你好 \n\n\n\n\n 再见  \n", 100) == "你好 \n\n 再见"
    assert clean("a\rb", 100) == "a\nb"


def test_emoji_and_rare_characters_stay() -> None:
    text = "👩‍🍳𠮷野家 ｶﾅ ½"
    assert clean(text, 100) == text


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "\x00\x01", "\u200b\u200b"])
def test_nothing_is_refused(text: str) -> None:
    with pytest.raises(InputRefused, match="Write something"):
        clean(text, 100)


def test_a_message_that_is_too_long_is_refused_with_its_length() -> None:
    assert len(clean("好" * 2000, 2000)) == 2000
    with pytest.raises(InputRefused, match="100000 个字，一次最多 2000"):
        clean("好" * 100_000, 2000)


def test_the_rate_is_kept_per_visitor() -> None:
    door = Doorkeeper(Rates(per_minute=3, per_hour=100))
    for _ in range(3):
        door.admit("a")
    with pytest.raises(InputRefused, match="歇一会儿"):
        door.admit("a")
    door.admit("b")


def test_the_hour_counts_too() -> None:
    door = Doorkeeper(Rates(per_minute=100, per_hour=4))
    for _ in range(4):
        door.admit("a")
    with pytest.raises(InputRefused):
        door.admit("a")


def test_a_new_token_for_each_message_does_not_get_round_the_rate() -> None:
    door = Doorkeeper(Rates(per_minute=1, per_hour=100, address=3))
    for token in "abc":
        door.admit(token, "192.0.2.1")
    with pytest.raises(InputRefused, match="歇一会儿"):
        door.admit("d", "192.0.2.1")
    door.admit("d", "192.0.2.2")
    hourly = Doorkeeper(Rates(per_minute=100, per_hour=1, address=2))
    for token in "ab":
        hourly.admit(token, "192.0.2.1")
    with pytest.raises(InputRefused):
        hourly.admit("c", "192.0.2.1")


def test_a_refused_message_is_not_counted() -> None:
    door = Doorkeeper(Rates(per_minute=1, per_hour=100, address=2))
    door.admit("a", "192.0.2.1")
    for _ in range(5):
        with pytest.raises(InputRefused):
            door.admit("a", "192.0.2.1")
    door.admit("b", "192.0.2.1")
    with pytest.raises(InputRefused):
        door.admit("c", "192.0.2.1")
    door.admit("c", "192.0.2.2")
