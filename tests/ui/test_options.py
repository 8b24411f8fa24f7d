"""What a visitor may set, and what is refused by name."""

import math
from pathlib import Path

import pytest

from rolecraft.engines.catalog import Catalog
from rolecraft.errors import EngineNotFound, InputRefused
from rolecraft.settings import Settings
from rolecraft.ui.options import read_options
from tests.tiny import make_catalogue


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    path = make_catalogue(
        tmp_path / "c.yaml", tuned={"sampling": {"temperature": 0.7, "no_repeat_ngram_size": 6}}
    )
    return Catalog(Settings(data_dir=tmp_path), path)


@pytest.mark.parametrize("sent", [None, {}, [], "x", {"preset": "own"}, {"seed": 5}])
def test_without_settings_the_engine_has_its_own(catalog: Catalog, sent: object) -> None:
    options = read_options(sent, catalog, "zh")
    assert options.engine == "rolecraft-mini"
    assert options.sampling == catalog.entries["rolecraft-mini"].sampling
    assert options.emotion is None and options.passages


def test_presets_keep_what_is_the_engines_own(catalog: Catalog) -> None:
    paper = read_options({"engine": "tuned", "preset": "paper"}, catalog, "zh").sampling
    assert (paper.temperature, paper.top_p, paper.no_repeat_ngram_size) == (0.95, 0.7, 6)
    calm = read_options({"preset": "calm"}, catalog, "zh").sampling
    lively = read_options({"preset": "lively"}, catalog, "zh").sampling
    assert calm.temperature < paper.temperature < lively.temperature


def test_custom_values_are_taken(catalog: Catalog) -> None:
    sent = {
        "preset": "custom", "temperature": 0, "top_p": 0.5, "max_new_tokens": 64, "seed": 7,
        "emotion": "快乐", "passages": False,
    }  # fmt: skip
    options = read_options(sent, catalog, "zh")
    assert (options.sampling.temperature, options.sampling.top_p) == (0.0, 0.5)
    assert (options.sampling.max_new_tokens, options.sampling.seed) == (64, 7)
    assert options.emotion == "快乐" and not options.passages


@pytest.mark.parametrize(
    ("name", "value"),
    [("temperature", 9), ("temperature", "hot"), ("temperature", None), ("temperature", True),
     ("temperature", math.nan), ("top_p", 0), ("top_p", -1), ("max_new_tokens", 10**9),
     ("max_new_tokens", 0), ("seed", -1), ("seed", 1.5), ("seed", 2**40), ("seed", "x"),
     ("seed", math.inf), ("emotion", "joy"), ("emotion", ["快乐"]), ("preset", "wild"),
     ("preset", ["own"])],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_by_name(catalog: Catalog, name: str, value: object) -> None:
    with pytest.raises(
        InputRefused, match="|".join(("温度", "top-p", "最长", "种子", "情绪", "随性"))
    ):
        read_options({"preset": "custom", name: value}, catalog, "zh")


@pytest.mark.parametrize("name", ["nobody", "secret", "<b>", "x" * 900, ["a"], {"a": 1}, 3])
def test_an_engine_that_is_not_offered_is_refused(catalog: Catalog, name: object) -> None:
    with pytest.raises(EngineNotFound) as refusal:
        read_options({"engine": name}, catalog, "en")
    assert len(str(refusal.value)) < 200
