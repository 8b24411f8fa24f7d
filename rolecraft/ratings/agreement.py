"""Whether raters agree, whether one agrees with oneself, and whether anyone can tell bad from good.

Agreement is Krippendorff's alpha for ordinal values; its interval resamples units, because the
usual one resamples disagreements and comes out too narrow. What cannot be estimated is None.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from rolecraft.ratings.statistics import Codes, Floats, multiplicities, percentiles

VALUES = (1, 2, 3, 4, 5)
MIN_BAD_PAIRS = 8


@dataclass(frozen=True)
class Agreement:
    """Alpha with its interval, and how often two raters of one unit say the same or nearly so."""

    alpha: float | None
    low: float | None
    high: float | None
    exact: float | None
    within_one: float | None
    units: int  # that at least two raters valued
    lowest_without: float | None  # alpha when the rater is left out who raises it most


@dataclass(frozen=True)
class Discernment:
    """Whether a rater puts degraded copies below the rest; `p` is one-sided."""

    rater: int
    degraded: int
    p: float | None
    passed: bool | None  # None: too few to say


def agreement(
    unit: Codes, rater: Codes, value: Codes, draws: int = 500, seed: int = 0
) -> Agreement:
    """Agreement of values 1 to 5; row i says that `rater[i]` gave `value[i]` to `unit[i]`."""
    counts = value_counts(unit, value)
    counts = counts[counts.sum(axis=1) >= 2]
    exact, near = _pairs(counts)
    alpha = ordinal_alpha(counts)
    if alpha is None:
        return Agreement(None, None, None, exact, near, len(counts), None)
    low, high = alpha_interval(counts, draws, seed)
    return Agreement(
        alpha, _finite(low), _finite(high), exact, near, len(counts),
        _lowest_without(unit, rater, value),
    )  # fmt: skip


def value_counts(unit: Codes, value: Codes) -> NDArray[np.int64]:
    """How often each unit (rows) got each of the five values (columns)."""
    size = int(unit.max(initial=-1)) + 1
    flat = np.bincount(unit * len(VALUES) + value - 1, minlength=size * len(VALUES))
    return flat.reshape(size, len(VALUES)).astype(np.int64)


def ordinal_alpha(counts: NDArray[np.int64]) -> float | None:
    """Krippendorff's alpha; None when no unit has two values or all values are one."""
    import krippendorff

    pairable = counts[counts.sum(axis=1) >= 2]
    if len(pairable) < 2 or np.count_nonzero(pairable.sum(axis=0)) < 2:
        return None
    found = krippendorff.alpha(
        value_counts=pairable, value_domain=list(VALUES), level_of_measurement="ordinal"
    )
    return float(found)


def alpha_interval(
    counts: NDArray[np.int64], draws: int = 500, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of alpha over resampled units; NaN when it cannot be estimated."""
    inner = coincidences(counts)
    drawn = multiplicities(len(counts), draws, np.random.default_rng(seed))
    tables = (drawn @ inner.reshape(len(counts), -1)).reshape(draws, len(VALUES), len(VALUES))
    return percentiles(np.array([_alpha_of(each) for each in tables]))


def coincidences(counts: NDArray[np.int64]) -> Floats:
    """Each unit's share in the coincidence table (Krippendorff 2011, step C): (units, 5, 5)."""
    raters = counts.sum(axis=1)
    outer = counts[:, :, None] * counts[:, None, :]
    diagonal = counts[:, :, None] * np.eye(len(VALUES))
    return np.asarray((outer - diagonal) / np.maximum(raters - 1, 1)[:, None, None], np.float64)


def repeat_alpha(first: Codes, second: Codes) -> float | None:
    """Alpha of the same raters valuing the same replies twice."""
    unit = np.arange(len(first))
    return ordinal_alpha(
        value_counts(np.concatenate([unit, unit]), np.concatenate([first, second]))
    )


def discernment(rater: int, degraded: Floats, others: Floats) -> Discernment:
    """One-sided Mann-Whitney test that a rater values degraded copies lower, on their own scale."""
    if len(degraded) < MIN_BAD_PAIRS or len(others) < MIN_BAD_PAIRS:
        return Discernment(rater, len(degraded), None, None)
    together = np.concatenate([degraded, others])
    if together.std() == 0:
        return Discernment(rater, len(degraded), 1.0, False)
    p = float(stats.mannwhitneyu(degraded, others, alternative="less").pvalue)
    return Discernment(rater, len(degraded), p, p < 0.05)


def longest_run(values: Sequence[object]) -> int:
    """The longest row of equal answers: a sign of someone who no longer reads."""
    best = run = 0
    for place, value in enumerate(values):
        run = run + 1 if place and value == values[place - 1] else 1
        best = max(best, run)
    return best


def halo(values: Floats) -> float | None:
    """Mean standard deviation of one rating's criteria (rows): near zero, the criteria are one."""
    full = values[np.isfinite(values).all(axis=1)]
    return float(full.std(axis=1, ddof=1).mean()) if len(full) and full.shape[1] > 1 else None


def correlations(values: Floats) -> Floats | None:
    """Spearman correlations of the criteria (columns) over complete rows."""
    full = values[np.isfinite(values).all(axis=1)]
    if len(full) < 3 or full.shape[1] < 2 or (full.std(axis=0) == 0).any():
        return None
    ranks = np.apply_along_axis(stats.rankdata, 0, full)
    return np.asarray(np.corrcoef(ranks, rowvar=False), dtype=np.float64)


def _pairs(counts: NDArray[np.int64]) -> tuple[float | None, float | None]:
    """Shares of rater pairs that gave the same value, and values at most one apart."""
    total = coincidences(counts).sum(axis=0)
    if total.sum() == 0:
        return None, None
    apart = np.abs(np.subtract.outer(VALUES, VALUES))
    return (
        float(total[apart == 0].sum() / total.sum()),
        float(total[apart <= 1].sum() / total.sum()),
    )


def _alpha_of(table: Floats) -> float:
    """Alpha of a coincidence table with Krippendorff's ordinal distance."""
    margin = table.sum(axis=1)
    total = margin.sum()
    upto = np.cumsum(margin)
    between = upto[None, :] - upto[:, None] + (margin[:, None] - margin[None, :]) / 2
    distance = np.triu(between, 1) ** 2
    expected = (np.outer(margin, margin) * distance).sum() / (total - 1) if total > 1 else 0
    if expected == 0:
        return float("nan")
    return float(1 - (np.triu(table, 1) * distance).sum() / expected)


def _lowest_without(unit: Codes, rater: Codes, value: Codes) -> float | None:
    found = [
        ordinal_alpha(value_counts(unit[rater != one], value[rater != one]))
        for one in np.unique(rater)
    ]
    usable = [alpha for alpha in found if alpha is not None]
    return min(usable) if usable else None


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
