"""The page of the cast: people first, numbers when they were counted, nothing that acts as HTML."""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rolecraft.characters import Shelf, read_shelf
from rolecraft.evaluation import counted
from rolecraft.evaluation.counted import Counted
from rolecraft.evaluation.figures import Place
from rolecraft.ui import drawings
from rolecraft.ui.cast_view import cast_view
from rolecraft.ui.faces import faces_of
from tests.tiny import SHELF

SHIPPED = Path(__file__).parents[2] / "characters"


@pytest.fixture(scope="module")
def shipped() -> Shelf:
    return read_shelf(SHIPPED)


@pytest.fixture(scope="module")
def numbers(shipped: Shelf) -> Counted:
    found = counted.read(shipped)
    assert found
    return found


@pytest.mark.parametrize("language", ["zh", "en"])
def test_everyone_is_introduced_with_a_way_to_talk(
    shipped: Shelf, numbers: Counted, language: Any
) -> None:
    page = cast_view(shipped, faces_of(shipped), numbers, language)
    for one in shipped.characters:
        assert one.name[language] in page
        assert one.tagline[language].replace("'", "&#x27;") in page
        assert f"href='./?with={one.id}'" in page
    assert "48,677" in page  # the paper's dialogues
    assert page.count("<svg") == 3  # a cloud for wide and one for narrow screens, and the rings
    assert page.count("class='strip'") == len(shipped.characters)
    assert "{" not in page and "${" not in page
    for opened in ("section", "details", "table", "ul", "dl", "div", "a", "span"):
        assert len(re.findall(f"<{opened}[ >]", page)) == page.count(f"</{opened}>")


def test_what_was_never_counted_is_said(tmp_path: Path) -> None:
    shelf = read_shelf(shutil.copytree(SHELF, tmp_path / "shelf"))
    assert counted.read(shelf) is None
    page = cast_view(shelf, faces_of(shelf), None, "zh")
    assert "results data" in page
    assert "<svg" not in page
    assert all(one.name["zh"] in page for one in shelf.characters)


def test_numbers_of_other_characters_are_not_shown(shipped: Shelf, tmp_path: Path) -> None:
    shelf = read_shelf(shutil.copytree(SHELF, tmp_path / "shelf"))
    shutil.copy(SHIPPED / counted.FILE, shelf.folder)
    assert counted.read(shelf) is None
    (shelf.folder / counted.FILE).write_text("{", "utf-8")
    assert counted.read(shelf) is None
    (shelf.folder / counted.FILE).write_text(json.dumps({"format": "older"}), "utf-8")
    assert counted.read(shelf) is None


def test_a_changed_character_makes_the_numbers_old(shipped: Shelf, numbers: Counted) -> None:
    first = shipped.characters[0]
    changed = replace(shipped, characters=(replace(first, traits=()), *shipped.characters[1:]))
    assert counted.fingerprint(changed) != counted.fingerprint(shipped)
    assert "cast" in cast_view(shipped, faces_of(shipped), replace(numbers, fresh=False), "en")
    page = cast_view(shipped, faces_of(shipped), replace(numbers, fresh=False), "en")
    assert "after these numbers were counted" in page


def test_names_are_text() -> None:
    drawn = drawings.rings({"<b>": {"<i>": 3, "x": 1}}, "others", "label")
    assert "<b>" not in drawn and "&lt;b&gt;" in drawn
    cloud = drawings.cloud([Place("<u>", 20, 1, 2, 3)], (10, 10), "l", "wide", str)
    assert "<u>" not in cloud


def test_rings_close_and_rare_objects_are_among_the_others() -> None:
    verbs: Mapping[str, Mapping[str, int]] = {"吃": {"饭": 900, "药": 1}, "看": {"书": 99}}
    drawn = drawings.rings(verbs, "其他", "动词")
    assert "吃 · 饭 900" in drawn
    assert "吃 · 其他 1" in drawn  # too thin for its word
    assert "药" not in drawn
    assert drawings.rings({}, "其他", "动词").startswith("<svg")
