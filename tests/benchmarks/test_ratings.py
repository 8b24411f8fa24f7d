"""Writers that are killed lose nothing, and what stands in the README of the full figures."""

import json
from pathlib import Path

import pytest

from benchmarks import ratings, readme

FIGURES = {
    "load": {
        "raters": 64, "ratings": 20_000, "per_second": 800, "errors": 0, "duplicates": 0,
        "p95_ms": 90, "board_seconds": 4.0,
    },
    "kills": {"kills": 50, "acknowledged": 5000, "lost": 0, "faults": 0},
    "same_form": {"sent": 50, "succeeded": 50, "stored": 1},
    "bradley_terry": {"runs": 10, "largest_error_elo": 9.5},
    "coverage": {"a mean": 0.951},
}  # fmt: skip


@pytest.mark.timeout(600)
def test_no_acknowledged_rating_is_lost_when_many_writers_are_killed() -> None:
    found = ratings.kills(3, most=60)
    assert (found["kills"], found["lost"], found["faults"]) == (3, 0, 0)
    assert found["acknowledged"] >= 3


def test_every_bar_of_the_full_run_is_shown_and_judged() -> None:
    good = ratings.bars(FIGURES)
    assert all(bar.reached is not False for bar in good)
    assert sum(bar.reached is True for bar in good) == len(good) - 1  # the 95th percentile has none
    for part, name, value in (
        ("kills", "lost", 1), ("kills", "faults", 1), ("load", "per_second", 399),
        ("load", "errors", 1), ("load", "duplicates", 1), ("load", "board_seconds", 10.5),
        ("same_form", "stored", 2), ("same_form", "succeeded", 49), ("coverage", "a mean", 0.92),
        ("coverage", "a mean", 0.995), ("bradley_terry", "largest_error_elo", 16),
    ):  # fmt: skip
        bad = FIGURES | {part: FIGURES[part] | {name: value}}
        assert [bar.reached for bar in ratings.bars(bad)].count(False) == 1, (part, name)


def test_the_readme_shows_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readme, "RESULTS", tmp_path)
    assert readme.ratings().startswith("Not measured yet")
    told = {"command": "c", "measured": "2026-01-01", "cores": 2, "figures": FIGURES}
    (tmp_path / "ratings.json").write_text(json.dumps(told), encoding="utf-8")
    assert "| 800 | ≥ 400 | reached |" in readme.ratings()
