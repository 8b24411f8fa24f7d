"""What is common to every number on a board: estimates, resampling, ranks, status, fragility.

Pure functions over arrays of codes; knows no database, no arm's name and no page. The estimates
themselves are in `means`, `agreement` and `preference`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Status = Literal["preliminary", "usable", "established"]

CONFIDENCE = 0.95
NORMAL = float(stats.norm.ppf((1 + CONFIDENCE) / 2))
FEWEST_DRAWS = 20  # resamples that an interval is taken from
MIN_RATERS = 30
MIN_RATINGS = 200
# Half-widths of the interval that make a number usable and established.
HALF_WIDTHS = {"points": (0.3, 0.2), "elo": (60.0, 30.0)}


def codes(values: Sequence[Any]) -> Codes:
    """Codes in order of first appearance, so that other names give the same codes."""
    seen: dict[Any, int] = {}
    return np.array([seen.setdefault(value, len(seen)) for value in values], dtype=np.int64)


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval and what it rests on; `None` stands for not estimable."""

    value: float
    low: float
    high: float
    n: int
    raters: int
    prompts: int

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2


def multiplicities(size: int, draws: int, rng: np.random.Generator) -> Floats:
    """How often each of `size` things is drawn in each of `draws` resamples: (draws, size)."""
    return rng.multinomial(size, np.full(size, 1 / size), size=draws).astype(np.float64)


def percentiles(samples: Floats, clusters: int = 0) -> tuple[float, float]:
    """The 95 % interval of resampled values; those that could not be computed are left out.

    Resamples of few `clusters` vary too little and by no normal law: where their number is given,
    the interval is widened about its middle for both (Hesterberg 2015, expanded percentiles).
    """
    usable = samples[np.isfinite(samples)]
    if usable.size < FEWEST_DRAWS:
        return float("nan"), float("nan")
    tail = 100 * (1 - CONFIDENCE) / 2
    low, middle, high = np.percentile(usable, [tail, 50, 100 - tail])
    if clusters > 1:
        wider = quantile(clusters) / NORMAL * np.sqrt(clusters / (clusters - 1))
        low, high = middle - wider * (middle - low), middle + wider * (high - middle)
    return float(low), float(high)


def quantile(clusters: int) -> float:
    """How many standard errors an interval of so many clusters reaches to each side."""
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, max(clusters - 1, 1)))


def status(estimate: Estimate | None, unit: Literal["points", "elo"]) -> Status:
    """How far a number may be quoted: by raters and ratings, then by its half-width."""
    if estimate is None or estimate.raters < MIN_RATERS or estimate.n < MIN_RATINGS:
        return "preliminary"
    usable, established = HALF_WIDTHS[unit]
    if not np.isfinite(estimate.half_width) or estimate.half_width > usable:
        return "preliminary"
    return "established" if estimate.half_width <= established else "usable"


def shared_ranks(intervals: Mapping[str, tuple[float, float]]) -> dict[str, int]:
    """1 + how many arms lie wholly above: arms that cannot be told apart share a rank."""
    return {
        name: 1 + sum(other_low > high for other_low, _ in intervals.values())
        for name, (_, high) in intervals.items()
    }


def holm(p_values: Sequence[float]) -> list[float]:
    """P values adjusted for how many questions were asked (Holm 1979)."""
    from statsmodels.stats.multitest import multipletests

    if not p_values:
        return []
    return [float(value) for value in multipletests(list(p_values), method="holm")[1]]


@dataclass(frozen=True)
class Fragility:
    """The fewest ratings, and raters, whose removal makes another arm the first.

    Found greedily, so it is an upper bound; `None` when no removal up to `limit` does it.
    """

    first: str
    ratings: int | None
    raters: int | None
    limit: int


def fragility(
    arms: Sequence[str],
    strengths: Callable[[Floats], Floats],
    support: Callable[[int, int], Floats],
    raters: Codes,
    limit: int = 500,
) -> Fragility | None:
    """How few ratings hold up the first arm.

    `strengths(weights)` is the value of every arm when row i counts weights[i] times;
    `support(first, second)` is how much each row speaks for the first against the second.
    """
    rows = len(raters)
    if rows == 0 or len(arms) < 2:
        return None
    order = np.argsort(-strengths(np.ones(rows)), kind="stable")
    first, second = int(order[0]), int(order[1])
    for_first = support(first, second)
    by_row = np.argsort(-for_first, kind="stable")
    singles = [by_row[i : i + 1] for i in range(min(limit, rows - 1))]
    ratings = _fewest(strengths, first, singles, rows)
    by_rater = np.bincount(raters, weights=for_first)
    groups = [np.flatnonzero(raters == one) for one in np.argsort(-by_rater, kind="stable")]
    people = _fewest(strengths, first, groups[: min(limit, len(groups) - 1)], rows)
    return Fragility(arms[first], ratings, people, limit)


def _fewest(
    strengths: Callable[[Floats], Floats], first: int, steps: Sequence[Codes], total: int
) -> int | None:
    """The least number of steps after which `first` is no longer first, by bisection."""
    rows = np.concatenate([np.empty(0, dtype=np.int64), *steps])
    ends = np.cumsum([len(step) for step in steps])

    def falls(count: int) -> bool:
        weights = np.ones(total)
        weights[rows[: ends[count - 1]]] = 0
        found = strengths(weights)
        return bool(np.nanargmax(found) != first) if np.isfinite(found).any() else False

    if not steps or not falls(len(steps)):
        return None
    low, high = 0, len(steps)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if falls(middle) else (middle, high)
    return high
