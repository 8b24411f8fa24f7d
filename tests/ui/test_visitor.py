"""What a browser gives back is believed only as far as it was given to it."""

import pytest

from rolecraft.ui.visitor import Place, new_place, read_place


def test_a_place_comes_back_as_it_was() -> None:
    place = new_place().at("ab" * 16, "lu-yuan", 2)
    assert read_place(place.to_browser()) == place


def test_the_database_never_sees_the_token() -> None:
    place = new_place()
    assert len(place.visitor) == 32
    assert place.visitor not in place.token and place.token not in place.visitor
    assert new_place().visitor != place.visitor


@pytest.mark.parametrize(
    "kept",
    [None, "", 7, [], {}, {"token": 5}, {"token": "short"}, {"token": "x" * 65},
     {"token": "ä" * 40}, {"token": ["a" * 40]}, {"token": "a" * 40 + "\n"}],
)  # fmt: skip
def test_what_is_no_token_becomes_a_new_visitor(kept: object) -> None:
    place = read_place(kept)
    assert len(place.token) >= 32 and place.conversation == ""


@pytest.mark.parametrize("name", ["conversation", "character"])
@pytest.mark.parametrize("value", [None, 3, "../../etc/passwd", "x" * 500, "<b>", ["a"], "A'--"])
def test_parts_that_cannot_be_are_dropped(name: str, value: object) -> None:
    kept = {"token": "t" * 43, name: value, "greeting": "1"}
    assert read_place(kept) == Place("t" * 43)


def test_a_greeting_is_a_small_number() -> None:
    assert read_place({"token": "t" * 43, "greeting": 3}).greeting == 3
    assert read_place({"token": "t" * 43, "greeting": 10**9}).greeting == 0
    assert read_place({"token": "t" * 43, "greeting": -1}).greeting == 0
