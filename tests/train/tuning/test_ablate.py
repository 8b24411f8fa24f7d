"""The ablation runs, stops, goes on and says what it found."""

import json
from pathlib import Path

import pytest

from rolecraft.errors import TrainingError
from train import ablate


def config(base: Path, shelf: Path, folder: Path, **changes: object) -> ablate.Config:
    values = {
        "output_dir": str(folder), "base": str(base), "characters": str(shelf), "seeds": (1, 2),
        "per_character": 2, "max_new_tokens": 4,
        "tuning": {"max_steps": 1, "row_tokens": 320, "rows_per_step": 1, "pool": 6,
                   "rows_per_microbatch": 1},
    }  # fmt: skip
    return ablate.Config(**(values | changes))  # type: ignore[arg-type]


def test_arms_are_trained_once_and_compared(base: Path, shelf: Path, tmp_path: Path) -> None:
    ablate.run(config(base, shelf, tmp_path))
    told = json.loads((tmp_path / "results.json").read_text())
    assert set(told["arms"]) == {*ablate.ARMS, "base"}
    assert set(told["arms"]["hybrid"]) == {"RAW", "CUS", "SPE"}
    assert {one["verdict"] for one in told["claims"]} <= {"holds", "reversed", "undecided"}
    for arm, sets in told["arms"].items():
        for measures in sets.values():
            for one in measures.values():
                assert one["items"] == 4 and one["items_low"] <= one["mean"] <= one["items_high"]
                assert ("seeds_half_width" in one) == (arm != "base")  # which has one seed alone
    shown = (tmp_path / "results.md").read_text()
    assert "| hybrid > general | SPE |" in shown and "Of 9 orderings" in shown
    assert " ± " in next(line for line in shown.splitlines() if line.startswith("| hybrid | SPE"))
    trained = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*-*.json")}
    assert len(trained) == 2 * len(ablate.ARMS) + 1
    (tmp_path / "hybrid-2.json").unlink()  # as if it had been stopped there
    ablate.run(config(base, shelf, tmp_path))
    again = {path for path, at in trained.items() if path.stat().st_mtime_ns != at}
    assert again == {tmp_path / "hybrid-2.json"}
    assert json.loads((tmp_path / "results.json").read_text())["arms"] == told["arms"]
    with pytest.raises(TrainingError, match="of another configuration"):
        ablate.run(config(base, shelf, tmp_path, per_character=1))


def test_the_verdict_is_told_in_a_sentence() -> None:
    claims = [
        {"claim": "a > b", "set": "SPE", "verdict": "holds"},
        {"claim": "a > b", "set": "CUS", "verdict": "undecided"},
        {"claim": "a > c", "set": "CUS", "verdict": "undecided"},
        {"claim": "a > c", "set": "RAW", "verdict": "not measured"},
    ]
    assert ablate.verdict(claims) == (
        "Of 3 orderings of the paper that were measured, holds: 1 (a > b in SPE), reversed: 0, "
        "undecided: 2 (a > b in CUS; a > c in CUS)."
    )


@pytest.mark.parametrize("name", ["ablate-cast", "ablate-roleinstruct"])
def test_the_page_tells_what_was_measured(name: str) -> None:
    from benchmarks.ablations import DOCS, block
    from benchmarks.readme import RESULTS, block_of

    path = RESULTS / f"{name}.json"
    told = block(json.loads(path.read_text("utf-8"))) if path.exists() else "Not measured yet: "
    assert block_of(DOCS, name).startswith(told)


def test_held_instructions_are_trained_on_by_no_arm(shelf: Path) -> None:
    from tests.train.tuning.conftest import TOKENIZER
    from train.tuning.config import Config
    from train.tuning.mix import Mix

    settings = Config(output_dir="", characters=str(shelf), sources={"general": 1.0})
    everything = Mix(settings, TOKENIZER)
    held = ablate._held(ablate.Config(output_dir="", characters=str(shelf)))
    settings = Config(
        output_dir="", characters=str(shelf), sources={"general": 1.0}, held_instructions=held
    )
    kept = {
        item.told[0] for pile in Mix(settings, TOKENIZER).piles["general"] for item in pile.items
    }
    whole = {item.told[0] for pile in everything.piles["general"] for item in pile.items}
    assert len(whole - kept) == len(held) == 2
