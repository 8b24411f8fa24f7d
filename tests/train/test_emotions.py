"""The classifier learns, is kept without pickle, says the same after loading, labels offline."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rolecraft.emotions import LABELS
from rolecraft.errors import TrainingError
from tests.train.talker import islander
from train.emotions import Classifier, Config, Spoken, held_out, learn, lines_of, score

Run = Callable[..., int]
CONFIG = Config(output_dir="")


def spoken(text: str, emotion: str, before: str = "") -> Spoken:
    return Spoken(text, before, emotion, "lu-yuan", "script")


LINES = [
    *(spoken(f"太好了，第{n}封信到了！", "快乐", "有信") for n in range(8)),
    *(spoken(f"唉，第{n}天还是没有船。", "沮丧") for n in range(8)),
    *(spoken(f"现在{n}点。", "中立") for n in range(8)),
    *(spoken("嗯。", "悲伤", f"它走了{n}天了，再也不回来了") for n in range(8)),
    *(spoken("嗯。", "中立", f"吃{n}碗饭？") for n in range(8)),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("emotions")
    learn(LINES, CONFIG).save(path)
    return path


def test_it_reads_a_line_with_the_one_before(folder: Path) -> None:
    found = Classifier.load(folder).label(
        ["太好了，船到了！", "唉，还是没有。", "嗯。", "嗯。"],
        ["", "", "它再也不回来了", "吃几碗饭？"],
    )
    assert found == ["快乐", "沮丧", "悲伤", "中立"]
    assert Classifier.load(folder).label([], []) == []
    assert set(Classifier.load(folder).label(["", "\U0001f600"], ["", ""])) <= set(LABELS)


def test_it_is_kept_without_pickle_and_says_the_same(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["emotions.json", "model.safetensors"]
    texts, before = [one.text for one in LINES], [one.before for one in LINES]
    kept = Classifier.load(folder)
    assert kept.label(texts, before) == learn(LINES, CONFIG).label(texts, before)
    again = learn(LINES, CONFIG)
    again.save(folder.parent / "again")
    for name in ("emotions.json", "model.safetensors"):
        assert (folder.parent / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_two_labels_are_enough_and_one_is_not(tmp_path: Path) -> None:
    learn(LINES[:16], CONFIG).save(tmp_path)
    assert Classifier.load(tmp_path).label(["太好了！", "唉，没有。"], ["", ""]) == ["快乐", "沮丧"]
    with pytest.raises(TrainingError, match="fewer than two labels"):
        learn(LINES[:8], CONFIG)


def test_a_folder_without_one_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="python -m train emotions --config"):
        Classifier.load(tmp_path)
    (tmp_path / "emotions.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"not that")
    with pytest.raises(TrainingError, match="No classifier"):
        Classifier.load(tmp_path)


def test_what_is_held_out_is_never_learnt_from() -> None:
    one = islander(dialogues=40)
    learnt, kept = lines_of([one], {"g01": "介绍一下春天。"})
    assert len(learnt) + len(kept) == 160 + 2 + 1
    script = {line.text for line in kept if line.source == "script"}
    days = [n for n, dialogue in enumerate(one.script, start=1) if held_out(one.id, dialogue.id)]
    assert len(script) == 4 * len(days) and 3 <= len(days) <= 14
    assert [line.text for line in kept if line.source == "questions"] == [one.questions[1].answer]
    assert learnt[-1].before == "介绍一下春天。"


def test_the_score_counts_labels_alike() -> None:
    class Neutral(Classifier):
        def label(self, texts: list[str], before: list[str]) -> list[str]:  # type: ignore[override]
            return ["中立"] * len(texts)

    found = score(Neutral({}, ([], []), (0, 0), 0, 0), LINES)
    assert found["accuracy"] == 0.4 == found["always_the_same"]["accuracy"]
    assert found["macro_f1"] == pytest.approx(2 * 0.4 / 1.4 / 10, abs=1e-4)
    assert found["macro_f1"] == found["always_the_same"]["macro_f1"]
    assert found["by_label"]["中立"]["lines"] == 16


def test_annotate_offline(folder: Path, bare: Path, tmp_path: Path, stage: Run) -> None:
    out = tmp_path / "out"
    assert stage("annotate", bare, out, "--classifier", folder) == 0
    body = json.loads((out / "annotate-report.json").read_text("utf-8"))
    assert body["lines"] == {"in": 27, "labelled": 27, "unscored": 0}
    assert body["labels"]["快乐"] >= 5 and body["classifier"]["learnt_from"] == len(LINES)
    rows = [json.loads(row) for row in (out / "lu-yuan" / "annotations.jsonl").open()]
    assert {row["by"] for row in rows} == {"emotions"} and "why" not in rows[0]
    assert not (out / "lu-yuan" / "unlabelled.jsonl").exists()


def test_the_stage_makes_one_from_a_shelf(
    bare: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from train.__main__ import main

    (bare / "lu-yuan" / "unlabelled.jsonl").unlink()
    script = bare / "lu-yuan" / "script.jsonl"
    rows = [json.loads(row) for row in script.read_text("utf-8").splitlines()]
    rows[0]["turns"][1]["emotion"] = rows[2]["turns"][1]["emotion"] = "快乐"
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    script.write_text(text, "utf-8")
    config = Path(__file__).parents[2] / "train" / "configs" / "emotions.toml"
    arguments = ["emotions", "--config", str(config), "--set", f"characters={bare}"]
    assert main([*arguments, f"output_dir={tmp_path / 'made'}"]) == 0
    assert "macro-F1" in capsys.readouterr().out
    assert Classifier.load(tmp_path / "made").facts["learnt_from"] > 10
