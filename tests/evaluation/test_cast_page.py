"""docs/cast.md: written from the data, and found out when it is stale."""

import dataclasses
import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from rolecraft import __main__ as cli
from rolecraft.characters import read_shelf
from rolecraft.characters.model import Answer, Everyday
from rolecraft.errors import ResultsError
from rolecraft.evaluation.cast_page import IMAGES, PAGE, Results, cast_page, read_results, stale
from rolecraft.evaluation.dataset import read_dataset
from rolecraft.evaluation.pictures import Picture, save_pages
from rolecraft.evaluation.style import style_test

DATA = Path(__file__).parents[1] / "data" / "shelf"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The keeper of the lighthouse and a brother who speaks like him."""
    folder = tmp_path_factory.mktemp("shelf")
    shutil.copytree(DATA / "lu-yuan", folder / "lu-yuan")
    brother = Path(shutil.copytree(DATA / "lu-yuan", folder / "lu-yang"))
    card = (brother / "card.yaml").read_text("utf-8")
    card = card.replace("id: lu-yuan", "id: lu-yang").replace("Lu Yuan", "Lu Yang")
    (brother / "card.yaml").write_text(card.replace("陆远", "陆洋"), "utf-8")
    script = (brother / "script.jsonl").read_text("utf-8")
    (brother / "script.jsonl").write_text(script.replace("陆远", "陆洋"), "utf-8")
    return folder


@pytest.fixture(scope="module")
def results(folder: Path) -> Results:
    return read_results(read_shelf(folder))


def draw(picture: Picture, folder: Path) -> None:
    """An image of that name and fingerprint; what it shows does not matter here."""
    folder.mkdir(parents=True, exist_ok=True)
    information = PngInfo()
    information.add_text("rolecraft-data", picture.fingerprint)
    Image.new("RGB", (2, 2)).save(folder / f"{picture.name}.png", pnginfo=information)


def test_the_page_names_everyone_and_shows_every_picture(results: Results) -> None:
    text = cast_page(results)
    assert "陆远 Lu Yuan" in text
    assert "陆洋 Lu Yang" in text
    assert "| 48,677 |" in text
    for picture in results.pictures:
        assert f"({IMAGES}/{picture.name}.png)" in text
    assert text == cast_page(results)


def test_the_page_tells_of_contradictions_and_of_everyday_answers(folder: Path) -> None:
    shelf = read_shelf(folder)
    assert "what everybody says" not in cast_page(read_results(shelf))
    first, *others = shelf.characters
    answer = Everyday("talk-001", Answer("我家住在乌鲁木齐，我是飞行员。", "中立"))
    first = dataclasses.replace(first, everyday=(answer,))
    text = cast_page(read_results(dataclasses.replace(shelf, characters=(first, *others))))
    before = re.search(r"\*\*(\d+)\*\*\. Plain claims", cast_page(read_results(shelf)))
    after = re.search(r"\*\*(\d+)\*\*\. Plain claims", text)
    assert before and after and int(after[1]) == int(before[1]) + 2
    assert "1 answers to what everybody says" in text and "each of 1 topics" in text


def test_fresh_docs_are_fresh(results: Results, tmp_path: Path) -> None:
    (tmp_path / PAGE).write_text(cast_page(results), "utf-8")
    for picture in results.pictures:
        draw(picture, tmp_path / IMAGES)
    assert stale(results, tmp_path) == []


def test_what_is_stale_is_named(results: Results, tmp_path: Path) -> None:
    assert [line for line in stale(results, tmp_path) if "missing" not in line] == []
    (tmp_path / PAGE).write_text(cast_page(results), "utf-8")
    first, *others = results.pictures
    draw(dataclasses.replace(first, data="older"), tmp_path / IMAGES)
    for picture in others:
        draw(picture, tmp_path / IMAGES)
    assert stale(results, tmp_path) == [
        f"{tmp_path / IMAGES / first.name}.png shows other numbers."
    ]
    (tmp_path / PAGE).write_text("old\n", "utf-8")
    assert "does not agree" in stale(results, tmp_path)[0]


def test_pages_work_offline(results: Results, tmp_path: Path) -> None:
    saved = save_pages(results.pictures, tmp_path)
    assert len(saved) == len(results.pictures) - 1  # the word cloud is no figure
    for path in saved:
        text = path.read_text("utf-8")
        assert "陆远" in text or "中立" in text or "cast-verbs" in text
        assert '<script charset="utf-8" src="plotly.min.js">' in text
        assert "cdn" not in text


def test_a_faulty_character_is_named(folder: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(folder, tmp_path / "shelf"))
    (broken / "lu-yang" / "card.yaml").write_text("id: [", "utf-8")
    with pytest.raises(ResultsError, match="lu-yang"):
        read_results(read_shelf(broken))


def test_the_command_prints_numbers(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, results: Results
) -> None:
    assert cli.main(["results", "data", "--characters", str(folder), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["table"]["characters"] == {"paper": 28, "here": 2}
    assert printed["style"]["held_out"] == len(results.style.named)
    options = ["--characters", str(folder), "--docs", str(tmp_path), "--check"]
    assert cli.main(["results", "data", *options]) == 1
    assert "python -m rolecraft results data --docs docs" in capsys.readouterr().out


def test_counting_and_testing_are_separate_steps(folder: Path, results: Results) -> None:
    people = read_shelf(folder).characters
    assert results.dataset == read_dataset(people)
    assert results.style == style_test(people)
