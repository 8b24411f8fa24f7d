"""The benchmark of a GPU, run small and without one: every figure is there, and its verdict."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks import serving, serving_gpu
from benchmarks.serving_gpu import BARS, Scale, verdict
from tests.benchmarks.test_serving import SMALL

TINY = Scale(
    "cpu", torch.float32, SMALL, prompt=8, steps=2, streams=(3, 4), adapters=2, kinds=(None,)
)


def test_every_figure_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "gpu.json"
    code = serving_gpu.main(path, TINY)
    found = json.loads(path.read_text("utf-8"))["figures"]
    assert set(BARS) <= set(found) and all(found[name] > 0 for name in BARS)
    assert found["share_of_bandwidth"] > 0 and found["loading"]["bf16"]["seconds"] > 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert len(lines) == 2 + len(BARS)
    assert code == any("floor missed" in line for line in lines)


def test_bars() -> None:
    assert [verdict("one_stream", value) for value in (149, 150, 245)] == [
        "floor missed", "goal missed", "reached",
    ]  # fmt: skip
    assert [verdict("first_busy", value) for value in (401, 400, 200)] == [
        "floor missed", "goal missed", "reached",
    ]  # fmt: skip


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_nothing_is_written(tmp_path: Path) -> None:
    assert serving.main(["--gpu", "--json", str(tmp_path / "serving.json")]) == 2
    assert not list(tmp_path.iterdir())
