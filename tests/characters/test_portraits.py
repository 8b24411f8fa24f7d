"""Every shipped character has a portrait of its own, small and safe to show inside a page."""

from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest

FOLDER = Path(__file__).parents[2] / "characters"
IDS = sorted(card.parent.name for card in FOLDER.glob("*/card.yaml"))
LIMIT = 8 * 1024
COLOURS = {"fill", "stroke", "opacity", "fill-opacity", "stroke-opacity"}
SHAPES = {"svg", "g", "path", "circle", "ellipse", "rect"}


def portrait(character: str) -> Path:
    return FOLDER / character / "portrait.svg"


def local(name: str) -> str:
    """A tag or attribute without its namespace."""
    return name.rpartition("}")[2]


@pytest.mark.parametrize("character", IDS)
def test_the_portrait_is_a_square_of_128(character: str) -> None:
    root = ElementTree.parse(portrait(character)).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("viewBox") == "0 0 128 128"


@pytest.mark.parametrize("character", IDS)
def test_the_portrait_is_shapes_alone(character: str) -> None:
    """No script, text, link or handler: it may stand inline in a page with any other portrait."""
    for element in ElementTree.parse(portrait(character)).iter():
        assert local(element.tag) in SHAPES
        for name, value in element.attrib.items():
            assert local(name) not in {"href", "src", "style", "id"}
            assert not local(name).lower().startswith("on")
            assert "url(" not in value and "script:" not in value


@pytest.mark.parametrize("character", IDS)
def test_the_portrait_is_small(character: str) -> None:
    assert 0 < portrait(character).stat().st_size <= LIMIT


def test_no_two_portraits_are_equal() -> None:
    drawings = {portrait(character).read_bytes() for character in IDS}
    assert len(drawings) == len(IDS)


def test_no_two_portraits_share_a_background() -> None:
    """The first shape is the background; its colour tells people apart before their faces do."""
    grounds = {ElementTree.parse(portrait(character)).getroot()[0].get("fill") for character in IDS}
    assert len(grounds) == len(IDS)


def signature(character: str) -> set[tuple[str, ...]]:
    """The shapes of a portrait: what is drawn where, whatever its colour."""
    return {
        (local(element.tag), *(value for name, value in sorted(element.attrib.items())
                               if name not in COLOURS))
        for element in ElementTree.parse(portrait(character)).iter()
        if local(element.tag) not in {"svg", "g"}
    }  # fmt: skip


def test_no_portrait_is_another_in_other_colours() -> None:
    """Two people share less than a third of their shapes: a neck, a background, perhaps an eye."""
    drawn = {character: signature(character) for character in IDS}
    for one, two in combinations(IDS, 2):
        shared = len(drawn[one] & drawn[two]) / min(len(drawn[one]), len(drawn[two]))
        assert shared < 1 / 3, (one, two, shared)
