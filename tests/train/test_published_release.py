"""The published RoleInstruct data, where a copy lies beside the repository. Numbers only."""

import json
from pathlib import Path

import pytest

from rolecraft.characters import read_shelf
from train.importers import Options, run
from train.lint import lint

RELEASE = Path(__file__).parents[3] / "shared" / "data" / "roleinstruct"
pytestmark = pytest.mark.skipif(
    not RELEASE.is_dir(), reason=f"no copy of the RoleInstruct release at {RELEASE}"
)
SLICE = "唐鹏"  # the smallest folder


def _lines(folder: Path, part: str) -> int:
    (path,) = [path for path in folder.iterdir() if part in path.name]
    text = path.read_text("utf-8-sig")
    try:
        return len(json.loads(text))
    except json.JSONDecodeError:
        return sum(bool(row.strip()) for row in text.split("\n"))


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("release") / "out"
    run("roleinstruct", RELEASE / SLICE, path, Options())
    return path


def test_every_record_is_counted(output: Path) -> None:
    body = json.loads((output / "import-report.json").read_text("utf-8"))
    assert body["kinds"]["line"]["in"] == _lines(RELEASE / SLICE, "scri")
    assert body["kinds"]["question"]["in"] == _lines(RELEASE / SLICE, "specific")
    replies = sum(_lines(RELEASE / SLICE, f"rp{n}") for n in range(1, 6))
    assert body["kinds"]["reply"]["in"] == replies
    for counts in (body["records"], *body["kinds"].values()):
        assert counts["in"] == counts["out"] + counts["refused"]


def test_the_shelf_reads_it(output: Path) -> None:
    shelf = read_shelf(output)
    assert not shelf.problems
    (character,) = shelf.characters
    assert all(len({turn.speaker for turn in one.turns}) == 2 for one in character.script)


def test_lint_finds_nothing_that_the_import_repairs(output: Path) -> None:
    counts = lint(output).counts
    repaired = ("unknown-label", "mapped-label", "unclosed-bracket", "personal-data", "leakage")
    assert {rule: counts[rule] for rule in repaired} == dict.fromkeys(repaired, 0)
    raw = lint(RELEASE / SLICE).counts
    assert raw["prompt-residue"] > counts["prompt-residue"]
