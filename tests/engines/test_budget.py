"""Memory is counted before it is taken, and the plan gives way in order."""

import pytest
import torch

from rolecraft.engines.budget import Needs, Plan, fit, limit_of
from rolecraft.errors import EngineUnavailable

NEEDS = Needs(weights=1000, token=1, adapter=10, work_per_slot=5, work=100)
PLAN = Plan(slots=8, length=2048, cached_tokens=8192, places=4, needs=NEEDS)


def test_everything_is_counted() -> None:
    assert PLAN.adapters == 10 * (4 + 1 + 8)
    assert PLAN.total == 1000 + 100 + 5 * 8 + 130 + 8 * 2049 + 8192
    assert "8 at once with 2048 tokens each" in str(PLAN)


def test_what_fits_stays_as_it_is() -> None:
    assert fit(PLAN, None) is PLAN
    assert fit(PLAN, PLAN.total) is PLAN


def test_it_remembers_less_then_answers_fewer_then_reads_shorter() -> None:
    less = fit(PLAN, PLAN.total - 1)
    assert (less.slots, less.length, less.cached_tokens) == (8, 2048, 4096)
    fewer = fit(PLAN, 9000)
    assert (fewer.slots, fewer.length, fewer.cached_tokens) == (2, 2048, 2048)
    shorter = fit(PLAN, 3000)
    assert (shorter.slots, shorter.length, shorter.places) == (1, 512, 1)
    for limit in range(2200, PLAN.total, 517):
        assert fit(PLAN, limit).total <= limit


def test_too_little_is_said_with_the_cure() -> None:
    with pytest.raises(EngineUnavailable, match="Load it quantised"):
        fit(PLAN, 1500)


def test_the_limit() -> None:
    cpu = torch.device("cpu")
    assert limit_of(cpu, 10, memory_gb=2.0) == 2_000_000_000
    free = limit_of(cpu, 10, None)
    assert free is None or free > 10
