"""Both languages say everything, and the visitor's is chosen well."""

import string

import pytest

from rolecraft.characters import read_shelf
from rolecraft.settings import Settings
from rolecraft.ui.texts import EN, TEXTS, TRAITS, ZH, language_of, say, trait_name


def test_both_languages_have_the_same_keys() -> None:
    assert set(ZH) == set(EN)


@pytest.mark.parametrize("key", sorted(ZH))
def test_both_languages_fill_the_same_braces(key: str) -> None:
    def braces(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    assert braces(ZH[key]) == braces(EN[key])
    assert ZH[key].strip() and EN[key].strip()


def test_every_trait_of_the_cast_has_an_english_name() -> None:
    shelf = read_shelf(Settings().characters)
    traits = {trait for character in shelf.characters for trait in character.traits}
    assert traits <= set(TRAITS)
    assert trait_name("机灵", "en") == "quick-witted"
    assert trait_name("机灵", "zh") == "机灵"
    assert trait_name("没见过的", "en") == "没见过的"


@pytest.mark.parametrize(
    ("query", "accepted", "wanted"),
    [
        ("en", "zh-CN", "en"),
        ("zh", "en-GB", "zh"),
        (None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, "en-GB,en;q=0.9,zh;q=0.8", "en"),
        (None, "zh;q=0.1, en;q=0.9", "en"),
        (None, "zh;q=0, en;q=0.1", "en"),
        (None, "fr-FR,fr;q=0.9", "en"),
        (None, "fr,zh-TW;q=0.5", "zh"),
        (None, "*", "zh"),
        (None, None, "zh"),
        ("xx", None, "zh"),
        ("<script>", "en", "en"),
        (None, "en;q=garbage", "en"),
    ],
)
def test_language(query: str | None, accepted: str | None, wanted: str) -> None:
    assert language_of(query, accepted) == wanted


def test_say_fills_the_braces() -> None:
    assert say("en", "talk_with", name="Lu {Yuan}") == "Talk with Lu {Yuan}"
    assert all(set(text) for text in TEXTS["zh"].values())
