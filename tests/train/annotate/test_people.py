"""Sheets go out to annotators and come back as a majority, another round, and agreement."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rolecraft.characters import read_shelf
from rolecraft.characters.model import Utterance
from train.annotate.agreement import agreement, alpha_of, alphas
from train.annotate.people import majority

Run = Callable[..., int]


def sheet(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))


def fill(path: Path, label: Callable[[dict[str, str]], str], **form: str) -> None:
    rows = sheet(path)
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, rows[0], delimiter=form.get("delimiter", ","))
    writer.writeheader()
    writer.writerows({**row, "emotion": label(row) if row["item"] else ""} for row in rows)
    path.write_bytes(stream.getvalue().encode(form.get("encoding", "utf-8-sig")))


def test_each_annotator_has_a_sheet_of_their_own_without_labels(
    bare: Path, tmp_path: Path, stage: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stage("annotate", bare, "--sheet", tmp_path / "sheets", "--annotators", 3) == 0
    paths = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert [path.name for path in paths] == [f"annotator-{n}.csv" for n in (1, 2, 3)]
    sheets = [sheet(path) for path in paths]
    items = [[row["item"] for row in rows] for rows in sheets]
    assert sorted(items[0]) == sorted(items[1]) == sorted(items[2]) and items[0] != items[1]
    assert len(items[0]) == 27 and not any(row["emotion"] for row in sheets[0])
    first = next(n for n, item in enumerate(items[0]) if item.endswith("/d01/0"))
    assert items[0][first + 1].endswith("/d01/1")  # a dialogue stays in its order
    assert stage("annotate", bare, "--sheet", tmp_path / "sheets") == 1  # may be filled in
    assert stage("annotate", bare, "--sheet", tmp_path / "few", "--sample", 2) == 0
    assert len(sheet(tmp_path / "few" / "annotator-1.csv")) in range(3, 9)
    assert stage("annotate", bare, "--sheet", tmp_path / "lines", "--format", "jsonl") == 0
    assert len((tmp_path / "lines" / "annotator-1.jsonl").read_text("utf-8").splitlines()) == 27


def test_what_a_spreadsheet_would_run_is_only_text(tmp_path: Path, bare: Path, stage: Run) -> None:
    script = bare / "lu-yuan" / "script.jsonl"
    script.write_text(script.read_text("utf-8").replace("太好了！", "=cmd()太好了"), "utf-8")
    stage("annotate", bare, "--sheet", tmp_path / "sheets")
    texts = [row["text"] for row in sheet(tmp_path / "sheets" / "annotator-1.csv")]
    assert any(text.startswith("'=cmd()") for text in texts)
    assert not any(text.startswith("=") for text in texts)


def test_the_majority_stands_and_the_rest_is_annotated_again(
    bare: Path, tmp_path: Path, stage: Run
) -> None:
    folder = tmp_path / "sheets"
    stage("annotate", bare, "--sheet", folder)
    paths = [folder / f"annotator-{n}.csv" for n in (1, 2, 3)]

    def joyful(row: dict[str, str]) -> str:
        return "激动" if "太好了" in row["text"] else "中立"  # a word that the table knows

    def split(feeling: str) -> Callable[[dict[str, str]], str]:
        return lambda row: feeling if row["item"].endswith("q002/0") else joyful(row)

    fill(paths[0], split("愤怒"), delimiter=";")
    fill(paths[1], split("厌恶"), encoding="gb18030")
    fill(paths[2], lambda row: "" if row["item"].endswith("q001/0") else split("沮丧")(row))
    out = tmp_path / "out"
    assert stage("annotate", bare, out, "--collect", *paths) == 0
    body = json.loads((out / "annotate-report.json").read_text("utf-8"))
    assert body["lines"] == {"in": 27, "labelled": 26, "unscored": 1}
    assert (body["majority"], body["to_annotate_again"], body["items"]) == (26, 1, 27)
    assert body["left_blank"] == {"annotator-3.csv": 1}
    assert 0.7 < body["agreement"]["alpha"] < 1 and body["agreement"]["by_label"]["兴奋"] == 1
    assert body["agreement"]["by_label"]["愤怒"] == 0 and body["as_labelled_before"]["of"] == 26
    (again,) = sheet(out / "annotate-again.csv")
    assert again["item"].endswith("q002/0")
    assert sorted(again["note"].split(" / ")) == sorted(["愤怒", "厌恶", "沮丧"])
    (one,) = read_shelf(out).characters
    assert one.script[0].turns[1] == Utterance("陆远", "太好了！一共1封！", "兴奋")
    rest = json.loads((out / "lu-yuan" / "unlabelled.jsonl").read_text("utf-8"))
    assert rest == {"file": "questions.jsonl", "id": "q002"}
    third = [json.loads(line) for line in (out / "lu-yuan" / "annotations.jsonl").open()]
    assert {row["by"] for row in third} == {"annotators"} and third[0]["why"].endswith(" of 3")


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda text: text.replace(",,\r\n", ",嫉妒,\r\n", 1), "'嫉妒' is none of the ten"),
        (lambda text: text.replace("lu-yuan/", "lu-xx/", 1), "no line 'lu-xx/"),
        (lambda text: text + text.split("\r\n", 1)[1], "stands in the sheet twice"),
        (lambda text: text.replace("emotion", "feeling", 1), "no columns item and emotion"),
    ],
)
def test_a_sheet_that_cannot_be_counted_names_its_line(
    bare: Path, tmp_path: Path, stage: Run, capsys: pytest.CaptureFixture[str],
    edit: Callable[[str], str], said: str,
) -> None:  # fmt: skip
    stage("annotate", bare, "--sheet", tmp_path / "sheets", "--annotators", 2)
    path = tmp_path / "sheets" / "annotator-1.csv"
    path.write_bytes(edit(path.read_bytes().decode("utf-8-sig")).encode("utf-8-sig"))
    assert stage("annotate", bare, tmp_path / "out", "--collect", path) == 1
    assert said in capsys.readouterr().err and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("labels", "stands"),
    [
        (["快乐", "快乐", "中立"], "快乐"),
        (["快乐", "中立", "悲伤"], None),
        (["快乐", "快乐"], "快乐"),
        (["快乐", "中立"], None),
        (["快乐"], None),
        (["快乐", "快乐", "中立", "中立"], None),
        ([], None),
    ],
)
def test_majority(labels: list[str], stands: str | None) -> None:
    assert majority(labels) == stands


def test_agreement_by_hand() -> None:
    given = [["快乐", "快乐", "中立"], ["中立"] * 3, ["快乐"] * 3, ["中立", "中立"], ["愤怒"], []]
    found = agreement(given)
    assert (found.units, found.labels) == (4, 11)
    # Krippendorff by hand: observed disagreement 2/11, expected 2 * 5 * 6 / 110.
    assert found.alpha == pytest.approx(1 - (2 / 11) / (60 / 110))
    assert found.same == pytest.approx(16 / 20)
    assert found.by_label["快乐"] == pytest.approx(8 / 10) and found.by_label["愤怒"] is None
    assert found.confusions == (("快乐", "中立", 2),)
    assert found.low is not None and found.low <= found.alpha <= (found.high or 0)


def test_agreement_of_nothing_is_not_a_number() -> None:
    for given in ([], [["快乐"]], [["快乐", "快乐"], ["快乐", "快乐"]]):
        found = agreement(given)
        assert (found.alpha, found.low) == (None, None)
    assert agreement([["快乐", "快乐"]] * 2).same == 1.0


def test_the_quick_formula_is_that_of_the_package() -> None:
    rng = np.random.default_rng(3)
    counts = rng.multinomial(3, [0.4, 0.3] + [0.3 / 8] * 8, size=50)
    times = rng.integers(0, 4, size=(3, 50))
    wanted = [alpha_of(np.repeat(counts, row, axis=0)) for row in times]
    assert alphas(counts, times) == pytest.approx(wanted)
