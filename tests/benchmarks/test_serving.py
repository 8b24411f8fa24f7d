"""The serving benchmark: every row is measured, what is missed is told, what differs is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import serving, serving_cases
from benchmarks.serving import CASES, FLOOR, GOAL, MISSING, REACHED, failures, rows, verdict
from benchmarks.serving_cases import Differs, Scale

SMALL = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 16, "vocab_size": 400,
}  # fmt: skip
TINY = Scale(SMALL, {**SMALL, "num_hidden_layers": 2}, prompt=20, reply=3, talk=40, page=6,
             visitors=2)  # fmt: skip
REACHED_ALL: dict[str, Any] = {
    name: {"ratio": goal, "wall_ratio": goal} for name, (_, _, goal) in CASES.items()
}


@pytest.mark.timeout(600)
def test_every_row_is_measured_with_tiny_sizes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "serving.json"
    code = serving.main(["--rounds", "1", "--json", str(path)], TINY)
    said = capsys.readouterr()
    cases = json.loads(path.read_text("utf-8"))["cases"]
    assert set(CASES) <= set(cases), said.err
    assert all(cases[name]["ratio"] > 0 and cases[name]["wall_ratio"] > 0 for name in CASES)
    assert cases["page"]["tokens"] == TINY.page and cases["page_full"]["steps"] > 0
    assert all(label in said.out for label, _, _ in CASES.values())
    assert code == bool(failures(cases))


def test_a_floor_or_a_row_that_is_missed_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert failures(REACHED_ALL) == []
    slow = {**REACHED_ALL, "page": {"ratio": 0.8}, "one_stream": {"ratio": 1.1}}
    slow |= {"twenty_adapters": {"ratio": 1.6}, "switch": {"missing": "why"}}
    assert verdict("page", slow) == FLOOR and verdict("one_stream", slow) == GOAL
    assert verdict("twenty_adapters", slow) == FLOOR and verdict("switch", slow) == MISSING
    assert failures(slow) == ["page", "twenty_adapters", "switch"]
    assert {row[-1] for row in rows(REACHED_ALL)} == {REACHED}

    def broken(*_: object) -> dict[str, Any]:
        raise RuntimeError("the rival does not run here")

    broken.__name__ = "measure_page"
    monkeypatch.setattr(serving_cases, "MEASURES", (broken,))
    path = tmp_path / "serving.json"
    assert serving.main(["--json", str(path)]) == 1
    assert json.loads(path.read_text("utf-8"))["cases"] == {}


def test_other_tokens_of_a_rival_leave_nothing_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Differs, match="those of generate"):
        serving_cases.same("generate", [1], [2])
    monkeypatch.setattr(
        serving_cases.rivals.Continuous, "answer", lambda _, wanted: [[5]] * len(wanted)
    )
    path = tmp_path / "serving.json"
    given = ["--rounds", "1", "--only", "continuous", "--json", str(path)]
    assert serving.main(given, TINY) == 1
    assert "continuous batching" in capsys.readouterr().err and not path.exists()


def test_the_readme_tells_goals_that_are_missed() -> None:
    cases = {**REACHED_ALL, "page": {"ratio": 0.9, "wall_ratio": 0.88}}
    [row] = [one for one in rows(cases) if one[0].startswith("page stream")]
    assert row == ("page stream vs engine stream", "0.90", "0.88", "0.85", "0.95", "goal missed")
