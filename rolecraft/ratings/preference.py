"""Which arm is preferred: Bradley-Terry strengths, both-bad rates, side bias, control for length.

A tie is half a win for each. "Both bad" is no tie: it is kept out of the strengths and reported as
its own rate. Arms that no chain of votes connects are not ranked together.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse, stats

from rolecraft.ratings.means import clustered_mean
from rolecraft.ratings.statistics import (
    FEWEST_DRAWS,
    Codes,
    Estimate,
    Floats,
    Fragility,
    fragility,
    multiplicities,
    quantile,
)

LEFT, RIGHT, TIE, BOTH_BAD = range(4)
OUTCOMES = ("left", "right", "tie", "both_bad")
ELO = 400 / np.log(10)
# Half a tie between every pair that met: an arm that never lost stays finite.
_RIDGE = 0.5
STYLES = ("length", "actions", "emoji", "lines")


@dataclass(frozen=True)
class Votes:
    """Every vote as one row of codes; `style` has left minus right of each of STYLES.

    Length is the logarithm of the ratio in characters, because Chinese has no spaces.
    """

    arms: tuple[str, ...]
    rater: Codes
    prompt: Codes
    left: Codes
    right: Codes
    outcome: Codes
    style: Floats

    @property
    def counted(self) -> Any:
        """The rows that say something of the two arms against each other."""
        return self.outcome != BOTH_BAD

    def only(self, rows: Any) -> "Votes":
        """The same votes, some rows only."""
        return Votes(
            self.arms, self.rater[rows], self.prompt[rows], self.left[rows], self.right[rows],
            self.outcome[rows], self.style[rows],
        )  # fmt: skip


@dataclass(frozen=True)
class Controlled:
    """Strengths in Elo points, raw and with style held equal, and what style itself is worth."""

    raw: dict[str, float]
    controlled: dict[str, float]
    styles: dict[str, tuple[float, float]]  # coefficient and its p
    left: tuple[float, float]  # the same of being on the left


def groups(votes: Votes) -> tuple[tuple[str, ...], ...]:
    """The sets of arms that votes connect, largest first. Only within one may arms be ranked."""
    kept = votes.only(votes.counted)
    size = len(votes.arms)
    graph = sparse.coo_array((np.ones(len(kept.left)), (kept.left, kept.right)), shape=(size, size))
    _, labels = sparse.csgraph.connected_components(graph, directed=False)
    found = [tuple(np.array(votes.arms)[labels == one].tolist()) for one in np.unique(labels)]
    return tuple(sorted(found, key=len, reverse=True))


def strengths(votes: Votes, draws: int = 300, seed: int = 0) -> dict[str, Estimate]:
    """Bradley-Terry strengths in Elo points around 0, with 95 % intervals.

    For the intervals raters, prompts and votes are resampled, each `draws` times; the variance of
    votes is in the other two, so it is taken off their sum once (Cameron, Gelbach and Miller 2011).
    Resampling raters and prompts at once counts it three times (Owen 2007), and such intervals
    held the truth too often. Raises ValueError when the votes leave the arms unconnected: rank
    each of `groups` by itself.
    """
    if len(groups(votes)) > 1:
        raise ValueError("the votes do not connect all arms")
    kept = votes.only(votes.counted)
    cells, pairs = _cells(kept)
    point = _fit(np.bincount(cells, minlength=3 * len(pairs)), pairs, len(votes.arms))
    rng = np.random.default_rng(seed)
    by_rater, by_prompt, by_vote = (
        _variance(_resampled(cluster, cells, 3 * len(pairs), draws, rng), pairs, len(point))
        for cluster in (kept.rater, kept.prompt, np.arange(len(cells)))
    )
    error = np.sqrt(np.maximum(by_rater + by_prompt - by_vote, np.maximum(by_rater, by_prompt)))
    found = {}
    for arm, name in enumerate(votes.arms):
        rows = (kept.left == arm) | (kept.right == arm)
        raters, prompts = (len(np.unique(one[rows])) for one in (kept.rater, kept.prompt))
        few = min(raters, prompts)
        half = quantile(few) * float(error[arm]) if few > 1 else float("nan")
        value = float(point[arm])
        found[name] = Estimate(
            value, value - half, value + half, int(rows.sum()), raters, prompts
        )  # fmt: skip
    return found


def _resampled(
    cluster: Codes, cells: Codes, size: int, draws: int, rng: np.random.Generator
) -> Floats:
    """Counts of the cells, [draws, size], when clusters of votes are drawn anew."""
    many = int(cluster.max(initial=0)) + 1
    table = sparse.csr_array((np.ones(len(cells)), (cluster, cells)), shape=(many, size))
    drawn = (multiplicities(many, 1, rng) @ table for _ in range(draws))
    return np.concatenate(list(drawn)) if draws else np.zeros((0, size))


def _variance(counts: Floats, pairs: Sequence[tuple[int, int]], arms: int) -> Floats:
    """Of each arm's strength over resampled counts; NaN where too few could be computed."""
    samples = np.array([_fit(row, pairs, arms) for row in counts])
    usable = np.isfinite(samples).sum(axis=0) >= FEWEST_DRAWS
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of columns without a number
        return np.where(usable, np.nanvar(samples, axis=0, ddof=1), np.nan)


def both_bad(votes: Votes) -> dict[str, Estimate | None]:
    """Per arm, the share of its pairs that were called both bad."""
    found = {}
    for arm, name in enumerate(votes.arms):
        rows = (votes.left == arm) | (votes.right == arm)
        bad = (votes.outcome[rows] == BOTH_BAD).astype(np.float64)
        found[name] = clustered_mean(bad, votes.rater[rows], votes.prompt[rows])
    return found


def left_bias(votes: Votes) -> tuple[Estimate | None, float | None]:
    """The share of left among votes for a side, and the exact p that it is one half."""
    sided = votes.only(votes.outcome <= RIGHT)
    if len(sided.outcome) == 0:
        return None, None
    left = (sided.outcome == LEFT).astype(np.float64)
    p = stats.binomtest(int(left.sum()), len(left), 0.5).pvalue
    return clustered_mean(left, sided.rater, sided.prompt), float(p)


def controlled(votes: Votes) -> Controlled | None:
    """Strengths when both replies are equally long and decorated; None for too little data.

    A binomial regression of "left won" (a tie is one half) on who was left and right, the
    differences of style and a constant, which is the bias for the left side.
    """
    kept = votes.only(votes.counted)
    if len(kept.left) < 10 * len(votes.arms) or len(groups(kept)) > 1:
        return None
    won = np.where(kept.outcome == LEFT, 1.0, np.where(kept.outcome == TIE, 0.5, 0.0))
    if won.min() == won.max():
        return None
    who = np.zeros((len(won), len(votes.arms)))
    who[np.arange(len(won)), kept.left] += 1
    who[np.arange(len(won)), kept.right] -= 1
    scale = kept.style.std(axis=0)
    varied = np.flatnonzero(scale > 0)
    style = kept.style[:, varied] / scale[varied]
    constant = np.ones((len(won), 1))
    raw = _glm(won, np.hstack([who[:, 1:], constant]), kept.rater)
    full = _glm(won, np.hstack([who[:, 1:], style, constant]), kept.rater)
    if raw is None or full is None:
        return None
    arms = len(votes.arms) - 1
    styles = {
        STYLES[k]: (float(full.params[arms + i]), float(full.pvalues[arms + i]))
        for i, k in enumerate(varied)
    }
    return Controlled(
        _named(votes.arms, raw.params[:arms]), _named(votes.arms, full.params[:arms]), styles,
        (float(full.params[-1]), float(full.pvalues[-1])),
    )  # fmt: skip


def first_falls(votes: Votes) -> Fragility | None:
    """How few votes, and raters, hold up the first arm."""
    kept = votes.only(votes.counted)
    if not len(kept.left) or len(groups(kept)) > 1:
        return None
    cells, pairs = _cells(kept)

    def of(weights: Floats) -> Floats:
        return _fit(np.bincount(cells, weights, 3 * len(pairs)), pairs, len(votes.arms))

    def support(first: int, second: int) -> Floats:
        won = np.where(kept.outcome == LEFT, 1.0, np.where(kept.outcome == RIGHT, -1.0, 0.0))
        pull = np.zeros(len(won))
        for arm, sign in ((first, 1.0), (second, -0.999)):
            pull += sign * won * ((kept.left == arm).astype(float) - (kept.right == arm))
        return pull

    return fragility(votes.arms, of, support, kept.rater)


def _cells(votes: Votes) -> tuple[Codes, list[tuple[int, int]]]:
    """Each row's code of pair and outcome, whichever side each was on; and the pairs."""
    low, high = np.minimum(votes.left, votes.right), np.maximum(votes.left, votes.right)
    pairs = sorted(set(zip(low.tolist(), high.tolist(), strict=True)))
    place = {pair: k for k, pair in enumerate(pairs)}
    pair = np.array([place[i, j] for i, j in zip(low, high, strict=True)], dtype=np.int64)
    turned = votes.left > votes.right
    outcome = np.where(turned & (votes.outcome < TIE), 1 - votes.outcome, votes.outcome)
    return pair * 3 + outcome, pairs


def _fit(counts: Any, pairs: Sequence[tuple[int, int]], arms: int) -> Floats:
    """Strengths in Elo points with mean 0, from counts of (pair, lower won | higher won | tie)."""
    import evalica

    xs, ys, winners, weights = [], [], [], []
    kinds = (evalica.Winner.X, evalica.Winner.Y, evalica.Winner.Draw)
    for k, (i, j) in enumerate(pairs):
        for outcome, kind in enumerate(kinds):
            weight = float(counts[3 * k + outcome]) + (_RIDGE if outcome == TIE else 0.0)
            if weight > 0:
                xs.append(i)
                ys.append(j)
                winners.append(kind)
                weights.append(weight)
    found = evalica.bradley_terry(
        xs, ys, winners, weights=weights, tie_weight=0.5, tolerance=1e-9, limit=20_000
    )
    elo = np.full(arms, np.nan)
    elo[np.asarray(found.scores.index, dtype=np.int64)] = ELO * np.log(found.scores.to_numpy())
    return np.asarray(elo - np.nanmean(elo), dtype=np.float64)


def _glm(won: Floats, design: Floats, rater: Codes) -> Any:
    import warnings

    import statsmodels.api as sm
    from statsmodels.tools.sm_exceptions import PerfectSeparationError, PerfectSeparationWarning

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", PerfectSeparationWarning)
            model = sm.GLM(won, design, family=sm.families.Binomial())
            return model.fit(cov_type="cluster", cov_kwds={"groups": rater})
    except (PerfectSeparationError, PerfectSeparationWarning, np.linalg.LinAlgError):
        return None


def _named(arms: Sequence[str], params: Any) -> dict[str, float]:
    elo = ELO * np.concatenate([[0.0], np.asarray(params)])
    return dict(zip(arms, (elo - elo.mean()).tolist(), strict=True))
