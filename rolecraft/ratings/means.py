"""Means of the criteria, their differences, and intervals that know raters and prompts repeat.

Rows are not independent: a rater has a habit and a prompt has a difficulty. So standard errors are
clustered two ways (Cameron, Gelbach and Miller 2011), and checked by the pigeonhole bootstrap,
which resamples raters and prompts at once (Owen 2007).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy import sparse, stats

from rolecraft.ratings.statistics import (
    CONFIDENCE,
    Codes,
    Estimate,
    Floats,
    Fragility,
    fragility,
    holm,
    multiplicities,
    percentiles,
)

AVERAGE = "average"


@dataclass(frozen=True)
class Scores:
    """Every value as one row of codes. `arms` and `criteria` name the codes."""

    arms: tuple[str, ...]
    criteria: tuple[str, ...]
    rater: Codes
    prompt: Codes
    arm: Codes
    criterion: Codes
    value: Floats

    @property
    def cell(self) -> Codes:
        """The code of arm and criterion together."""
        return self.arm * len(self.criteria) + self.criterion


@dataclass(frozen=True)
class Difference:
    """One arm against another on one criterion, in points; `p` is adjusted for all the others."""

    first: str
    second: str
    criterion: str
    estimate: Estimate
    p: float
    within: bool  # raters and prompts held fixed; False where no one rated both arms


def table(scores: Scores) -> dict[str, dict[str, Estimate | None]]:
    """Mean per arm and criterion, and their average, with two-way clustered 95 % intervals."""
    fit = _Fit(scores, _dummies(scores.cell, _cells(scores)), scores.value)
    found: dict[str, dict[str, Estimate | None]] = {}
    for arm, name in enumerate(scores.arms):
        cells = [arm * len(scores.criteria) + k for k in range(len(scores.criteria))]
        found[name] = {
            criterion: fit.contrast({cell: 1.0}, scores.cell == cell)
            for criterion, cell in zip(scores.criteria, cells, strict=True)
        }
        share = 1 / len(cells)
        found[name][AVERAGE] = fit.contrast(dict.fromkeys(cells, share), scores.arm == arm)
    return found


def differences(scores: Scores) -> tuple[Difference, ...]:
    """Every pair of arms on every criterion and on average, raters and prompts held fixed.

    Where no rater and prompt saw both arms, the difference of the plain means is given instead.
    """
    inner, plain = (
        _within(scores),
        _Fit(scores, _dummies(scores.cell, _cells(scores)), scores.value),
    )
    width = len(scores.criteria)
    found: list[tuple[str, str, str, Estimate, float, bool]] = []
    for first, second in combinations(range(len(scores.arms)), 2):
        for name, chosen in _questions(scores.criteria):
            weights = {first * width + k: 1 / len(chosen) for k in chosen}
            weights |= {second * width + k: -1 / len(chosen) for k in chosen}
            rows = np.isin(scores.arm, (first, second)) & np.isin(scores.criterion, chosen)
            estimate = inner.contrast(weights, rows)
            within = estimate is not None
            fit = inner if within else plain
            estimate = estimate or plain.contrast(weights, rows)
            if estimate is not None:
                arms = (scores.arms[first], scores.arms[second])
                found.append((*arms, name, estimate, fit.p_value(weights), within))
    adjusted = holm([each[4] for each in found])
    return tuple(Difference(*each[:4], p, each[5]) for each, p in zip(found, adjusted, strict=True))


def pigeonhole(scores: Scores, draws: int, seed: int) -> dict[str, dict[str, tuple[float, float]]]:
    """95 % intervals of the same means by resampling raters and prompts together."""
    rng = np.random.default_rng(seed)
    raters, prompts = _size(scores.rater), _size(scores.prompt)
    drawn = multiplicities(raters, draws, rng), multiplicities(prompts, draws, rng)
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for arm, name in enumerate(scores.arms):
        means = []
        for criterion in range(len(scores.criteria)):
            rows = (scores.arm == arm) & (scores.criterion == criterion)
            place = scores.rater[rows], scores.prompt[rows]
            total = _weighted(scores.value[rows], place, (raters, prompts), drawn)
            count = _weighted(np.ones(int(rows.sum())), place, (raters, prompts), drawn)
            with np.errstate(invalid="ignore", divide="ignore"):
                means.append(total / count)
        names = (*scores.criteria, AVERAGE)
        samples = [*means, np.mean(means, axis=0)]
        few = min(raters, prompts)
        found[name] = {k: percentiles(each, few) for k, each in zip(names, samples, strict=True)}
    return found


def clustered_mean(value: Floats, rater: Codes, prompt: Codes) -> Estimate | None:
    """The mean of anything that raters and prompts repeat in, such as a share of votes."""
    if len(value) == 0:
        return None
    one = np.zeros(len(value), dtype=np.int64)
    scores = Scores(("all",), ("all",), rater, prompt, one, one, value.astype(np.float64))
    return table(scores)["all"]["all"]


def first_falls(scores: Scores) -> Fragility | None:
    """How few rows hold up the arm with the best average."""
    width = len(scores.criteria)
    cells = len(scores.arms) * width

    def strengths(weights: Floats) -> Floats:
        total = np.bincount(scores.cell, weights * scores.value, cells)
        count = np.bincount(scores.cell, weights, cells)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = (total / count).reshape(-1, width)
        return np.asarray(means.mean(axis=1), dtype=np.float64)

    def support(first: int, second: int) -> Floats:
        count = np.bincount(scores.cell, minlength=cells)
        mean = np.bincount(scores.cell, scores.value, cells) / np.maximum(count, 1)
        pull = (scores.value - mean[scores.cell]) / np.maximum(count, 1)[scores.cell]
        return np.where(scores.arm == first, pull, np.where(scores.arm == second, -pull, 0.0))

    if np.isnan(strengths(np.ones(len(scores.value)))).any():
        return None
    return fragility(scores.arms, strengths, support, scores.rater)


class _Fit:
    """Least squares on dummies with a covariance clustered by rater and by prompt.

    Fixed effects leave some directions of the cells free; they are taken out beforehand, and a
    contrast that needs one of them is not estimable.
    """

    def __init__(self, scores: Scores, design: Floats, value: Floats) -> None:
        from statsmodels.regression.linear_model import OLS
        from statsmodels.stats.sandwich_covariance import cov_cluster_2groups

        self._scores = scores
        self._degrees = min(_distinct(scores.rater), _distinct(scores.prompt)) - 1
        sizes, directions = np.linalg.eigh(design.T @ design)
        self._axes = directions[:, sizes > 1e-9 * max(sizes.max(initial=0), 1.0)]
        if self._degrees < 1 or not self._axes.size:
            self._axes = self._axes[:, :0]
            return
        result: Any = OLS(value, design @ self._axes).fit()
        both, one, two = cov_cluster_2groups(result, scores.rater, scores.prompt)
        self._values, self._covariances = result.params, (both, one, two)

    def contrast(self, weights: dict[int, float], rows: Any) -> Estimate | None:
        """The weighted sum of cells; None when it cannot be estimated."""
        vector = self._vector(weights)
        if vector is None:
            return None
        value, error = float(vector @ self._values), self._error(vector)
        margin = error * float(stats.t.ppf((1 + CONFIDENCE) / 2, self._degrees))
        raters, prompts = self._scores.rater[rows], self._scores.prompt[rows]
        return Estimate(
            value, value - margin, value + margin, int(np.sum(rows)), _distinct(raters),
            _distinct(prompts),
        )  # fmt: skip

    def p_value(self, weights: dict[int, float]) -> float:
        vector = self._vector(weights)
        error = self._error(vector) if vector is not None else 0.0
        if vector is None or error == 0:
            return 1.0
        return float(2 * stats.t.sf(abs(vector @ self._values) / error, self._degrees))

    def _vector(self, weights: dict[int, float]) -> Floats | None:
        """The weights along the axes that were fitted."""
        full = np.zeros(len(self._axes))
        for cell, weight in weights.items():
            full[cell] = weight
        along = full @ self._axes
        free = np.abs(self._axes @ along - full).max() > 1e-6
        return None if free else np.asarray(along, dtype=np.float64)

    def _error(self, vector: Floats) -> float:
        # The two-way estimate may fall below a one-way one, or below zero, by chance alone.
        return float(np.sqrt(max(0.0, *(vector @ each @ vector for each in self._covariances))))


def _within(scores: Scores) -> _Fit:
    """The fit of the cells when each criterion's rater and prompt effects are taken out."""
    width = len(scores.criteria)
    groups = (
        scores.rater * width + scores.criterion,
        scores.prompt * width + scores.criterion,
    )
    columns = np.column_stack([scores.value, _dummies(scores.cell, _cells(scores))])
    inner = _demeaned(columns, groups)
    return _Fit(scores, inner[:, 1:], inner[:, 0])


def _demeaned(columns: Floats, groups: Sequence[Codes], rounds: int = 200) -> Floats:
    """The columns with the means of both groupings taken out, by turns until nothing changes."""
    inner = columns.copy()
    bands = [
        sparse.csr_array((np.ones(len(g)), (g, np.arange(len(g)))), shape=(_size(g), len(g)))
        for g in groups
    ]
    counts = [np.maximum(band.sum(axis=1), 1)[:, None] for band in bands]
    for _ in range(rounds):
        moved = 0.0
        for codes, band, count in zip(groups, bands, counts, strict=True):
            means = (band @ inner) / count
            inner -= means[codes]
            moved = max(moved, float(np.abs(means).max(initial=0)))
        if moved < 1e-7:
            break
    return inner


def _weighted(
    value: Floats,
    place: tuple[Codes, Codes],
    shape: tuple[int, int],
    drawn: tuple[Floats, Floats],
) -> Floats:
    """The sum of value times its rater's and its prompt's multiplicity, for every draw."""
    grid = sparse.csr_array((value, place), shape=shape)
    return np.asarray(((grid.T @ drawn[0].T).T * drawn[1]).sum(axis=1), dtype=np.float64)


def _questions(criteria: Sequence[str]) -> list[tuple[str, list[int]]]:
    single = [(name, [k]) for k, name in enumerate(criteria)]
    return [*single, (AVERAGE, list(range(len(criteria))))] if len(criteria) > 1 else single


def _dummies(codes: Codes, size: int) -> Floats:
    return np.asarray(codes[:, None] == np.arange(size), dtype=np.float64)


def _cells(scores: Scores) -> int:
    return len(scores.arms) * len(scores.criteria)


def _size(codes: Codes) -> int:
    return int(codes.max(initial=-1)) + 1


def _distinct(codes: Codes) -> int:
    return len(np.unique(codes))
