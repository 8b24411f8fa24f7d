import pytest

from rolecraft.emotions import LABELS
from train.importers.labels import TABLE, Labels

LABELS_OF_TEN = Labels()


def test_the_table_leads_only_to_the_ten() -> None:
    assert set(TABLE.values()) <= set(LABELS)
    assert TABLE["激动"] == "兴奋" and TABLE["生气"] == "愤怒"
    assert not set(TABLE) & set(LABELS)


@pytest.mark.parametrize(
    ("text", "emotion", "rest"),
    [
        ("(快乐)你来啦", "快乐", "你来啦"),
        ("（ 快乐 ） 你来啦", "快乐", "你来啦"),
        ("【惊讶】真的？", "惊讶", "真的？"),
        ("(激动)赢了", "兴奋", "赢了"),
        ("(Anger) 走开", "愤怒", "走开"),
        ("(笑着说)你来啦", None, "(笑着说)你来啦"),
        ("你来啦", None, "你来啦"),
    ],
)
def test_openings(text: str, emotion: str | None, rest: str) -> None:
    found = LABELS_OF_TEN.opening(text)
    assert (found.emotion, found.text) == (emotion, rest)


@pytest.mark.parametrize(
    ("text", "emotion", "rest"),
    [
        ("(中立 你先走", "中立", "你先走"),
        ("（愤怒你先走", "愤怒", "你先走"),
        ("(愤怒 你怎么可以这样)", "愤怒", "你怎么可以这样"),
        ("中立)你先走", "中立", "你先走"),
        ("沮丧我不想去", "沮丧", "我不想去"),
        ("sadness我不想去", "悲伤", "我不想去"),
        ("grateful谢谢你", "快乐", "谢谢你"),
        ("hello你好", None, "hello你好"),
    ],
)
def test_half_labels_are_mended_only_in_labelled_scripts(
    text: str, emotion: str | None, rest: str
) -> None:
    found = LABELS_OF_TEN.opening(text, loose=True)
    assert (found.emotion, found.text.strip()) == (emotion, rest)
    assert bool(found.repair) == (emotion is not None)
    assert LABELS_OF_TEN.opening(text).emotion is None


def test_unknown_labels_are_named_not_guessed() -> None:
    assert LABELS_OF_TEN.opening("(嫉妒)凭什么").unknown == "嫉妒"
    assert LABELS_OF_TEN.named("嫉妒", "凭什么").unknown == "嫉妒"
    assert Labels({"嫉妒": "厌恶"}).opening("(嫉妒)凭什么").emotion == "厌恶"


def test_words_bracketed_by_an_annotator_are_freed() -> None:
    assert LABELS_OF_TEN.without_inner("祝你(快乐)每一天") == "祝你快乐每一天"
    assert LABELS_OF_TEN.without_inner("坐地铁(环线)去") == "坐地铁(环线)去"
