"""What takes apart the rows that miss their goals, and what a page can show, run and write."""

import json
from pathlib import Path

import pytest

from benchmarks import page_rate, serving_costs
from tests.benchmarks.test_serving import TINY


def test_the_costs_of_every_row_are_told(tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    assert serving_costs.main(["--rounds", "1", "--json", str(path)], TINY) == 0
    told = json.loads(path.read_text("utf-8"))["milliseconds"]
    assert list(told) == [work.__name__ for work in serving_costs.COSTS]
    assert all(value > 0 for costs in told.values() for value in costs.values())


@pytest.mark.timeout(300)
def test_the_rate_of_a_page_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rate.json"
    given = ["--visitors", "2", "--rounds", "1", "--tokens", "3", "--json", str(path)]
    assert page_rate.main(given) == 0
    told = json.loads(path.read_text("utf-8"))
    assert told["replies_a_second"] > 0 and told["steps_a_reply"] >= 1
