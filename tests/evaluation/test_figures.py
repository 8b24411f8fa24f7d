"""The pictures: what they show, and what is said when no font has Chinese."""

import io
from pathlib import Path

import pytest
from PIL import Image

from rolecraft.emotions import LABELS
from rolecraft.errors import ResultsError
from rolecraft.evaluation.figures import (
    CLOUD_SIZE,
    confusion_figure,
    emotion_figure,
    signature_figure,
    trait_cloud,
    verb_noun_figure,
)
from rolecraft.evaluation.fonts import chinese_font

NAMES = {"a": "陆远", "b": "安然"}


def test_emotions_are_shares_with_the_most_frequent_on_top() -> None:
    bars = emotion_figure({**dict.fromkeys(LABELS, 0), "快乐": 3, "中立": 1}, "zh").data[0]
    assert bars.y[-1] == "快乐"
    assert bars.x[-1] == 0.75
    assert emotion_figure({"快乐": 1}).data[0].y[0] == "Happiness 快乐"


def test_rare_objects_stand_together() -> None:
    rings = verb_noun_figure({"吃": {"药": 3, "饭": 2, "糖": 1}}, "zh", objects=2).data[0]
    assert rings.labels == ("吃", "药", "饭", "其他 ")
    assert rings.values == (6, 3, 2, 1)
    assert rings.parents == ("", "吃", "吃", "吃")


def test_a_confusion_stands_where_speaker_and_guess_meet() -> None:
    heat = confusion_figure({"a": {"a": 2, "b": 1}, "b": {"b": 4}}, NAMES).data[0]
    assert heat.z == ([2, 1], [0, 4])
    assert heat.y == ("陆远", "安然")


def test_signatures_have_a_row_for_everyone() -> None:
    heat = signature_figure({"a": {"快乐": 1.0}, "b": {}}, NAMES, language="zh").data[0]
    assert heat.x == LABELS
    assert [sum(row) for row in heat.z] == [1.0, 0]


def test_without_a_font_the_cure_is_named(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="fonts-noto-cjk"):
        chinese_font([tmp_path, tmp_path / "missing"])


def test_the_cloud_is_drawn_in_chinese() -> None:
    try:
        font = chinese_font()
    except ResultsError as error:
        pytest.skip(str(error))
    png = trait_cloud({"调皮": 3, "沉稳": 1}, font)
    assert png == trait_cloud({"调皮": 3, "沉稳": 1}, font)
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.size == CLOUD_SIZE
        assert len(picture.convert("RGB").getcolors(1 << 20) or []) > 2
