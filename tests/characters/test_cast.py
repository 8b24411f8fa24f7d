"""The shipped cast keeps its own rules."""

from pathlib import Path

import pytest

from rolecraft.characters import Shelf, read_shelf
from rolecraft.characters.check import CAST, check_shelf

FOLDER = Path(__file__).parents[2] / "characters"


@pytest.fixture(scope="module")
def cast() -> Shelf:
    return read_shelf(FOLDER)


def test_every_character_loads(cast: Shelf) -> None:
    assert [str(one) for one in cast.problems] == []
    assert len(cast.characters) == CAST


def test_the_check_finds_nothing(cast: Shelf) -> None:
    report = check_shelf(cast)
    problems = [str(one) for checked in report.characters for one in checked.problems]
    assert problems + [str(one) for one in report.cast.problems] == []
