"""Simulated studies: how often the intervals of the results hold what is true.

Raters have habits, prompts are hard or easy, and values are the whole numbers 1 to 5. The truth is
what the same raters and prompts without end would say, so it is known or computed, never assumed.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.raters import ARMS
from rolecraft.ratings import agreement, means, preference
from rolecraft.ratings.means import Scores
from rolecraft.ratings.preference import BOTH_BAD, ELO, LEFT, RIGHT, TIE, Votes
from rolecraft.ratings.statistics import Estimate
from rolecraft.store.forms import CRITERIA

# What the simulated ratings vary by: the figures that the sample sizes of the design assume.
RATER, RATER_ARM, PROMPT, PROMPT_ARM, REST = 0.5, 0.45, 0.5, 0.35, 0.7
SPREAD = float(np.sqrt(sum(part**2 for part in (RATER, RATER_ARM, PROMPT, PROMPT_ARM, REST))))
DESIGNS = ((20, 20, 20), (40, 100, 10), (60, 200, 10))  # raters, prompts, ratings of each rater
TRUTH = (3.0, 3.4)
LIKED = (0.0, 0.5, 1.0, -0.5)
TIES, BOTH = 0.15, 0.05


def whole(value: Any) -> Any:
    """A judgement as it can be given: a whole number from 1 to 5."""
    return np.clip(np.rint(value), 1, 5)


def true_mean(centre: float) -> float:
    """The mean of the whole numbers that come of a normal judgement around `centre`."""
    edges = stats.norm.cdf(np.array([1.5, 2.5, 3.5, 4.5]), centre, SPREAD)
    return float(np.diff(edges, prepend=0.0, append=1.0) @ np.arange(1, 6))


def study(
    rng: np.random.Generator, raters: int, prompts: int, each: int, truth: Sequence[float]
) -> Scores:
    """One study: raters with habits value all arms on some of the prompts."""
    arms, criteria = len(truth), len(CRITERIA)
    habit = rng.normal(0, RATER, raters)[:, None] + rng.normal(0, RATER_ARM, (raters, arms))
    hard = rng.normal(0, PROMPT, prompts)[:, None] + rng.normal(0, PROMPT_ARM, (prompts, arms))
    chosen = np.array([rng.choice(prompts, each, replace=False) for _ in range(raters)]).ravel()
    rater = np.repeat(np.repeat(np.arange(raters), each), arms * criteria)
    prompt = np.repeat(chosen, arms * criteria)
    arm = np.tile(np.repeat(np.arange(arms), criteria), raters * each)
    criterion = np.tile(np.arange(criteria), raters * each * arms)
    value = np.asarray(truth)[arm] + habit[rater, arm] + hard[prompt, arm]
    value = whole(value + rng.normal(0, REST, len(value)))
    return Scores(tuple(ARMS[:arms]), CRITERIA, rater, prompt, arm, criterion, value)


def of_means(studies: int, design: tuple[int, int, int], draws: int = 200) -> dict[str, float]:
    """How often the interval of a difference, of a mean, and its resampled check hold the truth."""
    one, two = map(true_mean, TRUTH)
    held = {"difference": 0, "mean": 0, "resampled mean": 0}
    for number, (scores, apart, mean) in enumerate(estimates(studies, design)):
        held["difference"] += holds(apart, one - two)
        held["mean"] += holds(mean, one)
        low, high = means.pigeonhole(scores, draws, number)["one"][means.AVERAGE]
        held["resampled mean"] += low <= one <= high
    return {name: round(count / studies, 4) for name, count in held.items()}


def estimates(
    studies: int, design: tuple[int, int, int]
) -> Iterator[tuple[Scores, Estimate, Estimate]]:
    """Studies, each with the difference of its two arms and the mean of the first."""
    rng = np.random.default_rng(design[0])
    for _ in range(studies):
        scores = study(rng, *design, TRUTH)
        apart = next(d for d in means.differences(scores) if d.criterion == means.AVERAGE)
        mean = means.table(scores)["one"][means.AVERAGE]
        assert mean is not None
        yield scores, apart.estimate, mean


def of_alpha(studies: int, units: int = 150, raters: int = 3, draws: int = 300) -> float:
    """How often the interval of alpha holds the alpha of units without end."""
    rng = np.random.default_rng(1)
    truth = agreement.ordinal_alpha(_valued(rng, 200_000, raters))
    assert truth is not None
    held = 0
    for number in range(studies):
        low, high = agreement.alpha_interval(_valued(rng, units, raters), draws, number)
        held += low <= truth <= high
    return round(held / studies, 4)


def of_strengths(studies: int, raters: int = 60, each: int = 20, draws: int = 200) -> float:
    """How often the interval of an arm's Bradley-Terry strength holds that of votes without end."""
    rng = np.random.default_rng(2)
    many = votes(rng, 50_000, 50_000, 20)
    # so many votes that their own error is a hundredth of a study's
    truth = {name: one.value for name, one in preference.strengths(many, draws=1).items()}
    held = 0
    for number in range(studies):
        found = preference.strengths(votes(rng, raters, 100, each), draws, number)
        held += sum(one.low <= truth[name] <= one.high for name, one in found.items())
    return round(held / studies / len(ARMS), 4)


def votes(rng: np.random.Generator, raters: int, prompts: int, each: int) -> Votes:
    """Votes of raters who like the arms differently, on prompts that suit the arms differently."""
    n = raters * each
    rater, prompt = np.repeat(np.arange(raters), each), rng.integers(0, prompts, n)
    left = rng.integers(0, len(ARMS), n)
    right = (left + rng.integers(1, len(ARMS), n)) % len(ARMS)
    by_rater = rng.normal(0, RATER_ARM, (raters, len(ARMS)))
    by_prompt = rng.normal(0, PROMPT_ARM, (prompts, len(ARMS)))
    liked = np.asarray(LIKED) + by_rater[rater] + by_prompt[prompt]
    rows = np.arange(n)
    won = rng.random(n) < 1 / (1 + np.exp(liked[rows, right] - liked[rows, left]))
    kind = rng.random(n)
    outcome = np.where(won, LEFT, RIGHT)
    outcome = np.where(kind < TIES, TIE, np.where(kind > 1 - BOTH, BOTH_BAD, outcome))
    return Votes(ARMS, rater, prompt, left, right, outcome, np.zeros((n, 4)))


def planted(studies: int) -> dict[str, Any]:
    """Bradley-Terry against planted strengths: the largest error in Elo points of 20,000 votes."""
    truth = np.asarray(LIKED)
    target = ELO * (truth - truth.mean())
    errors = []
    for seed in range(studies):
        rng = np.random.default_rng(seed)
        n = 20_000
        left = rng.integers(0, 4, n)
        right = (left + rng.integers(1, 4, n)) % 4
        won = rng.random(n) < 1 / (1 + np.exp(truth[right] - truth[left]))
        given = Votes(
            ARMS, rng.integers(0, 400, n), rng.integers(0, 300, n), left, right,
            np.where(won, LEFT, RIGHT), np.zeros((n, 4)),
        )  # fmt: skip
        found = preference.strengths(given, draws=20, seed=seed)
        values = np.array([found[name].value for name in ARMS])
        errors.append(float(np.abs(values - target).max()))
    return {"runs": studies, "largest_error_elo": round(max(errors), 1)}


def _valued(rng: np.random.Generator, units: int, raters: int) -> Any:
    """How often each unit got each value; its raters are drawn anew, each with a habit."""
    middle = np.mean(TRUTH) + rng.normal(0, np.hypot(PROMPT, PROMPT_ARM), units)
    habits = rng.normal(0, np.hypot(RATER, RATER_ARM), (units, raters))
    value = whole(middle[:, None] + habits + rng.normal(0, REST, (units, raters)))
    unit = np.repeat(np.arange(units), raters)
    return agreement.value_counts(unit, value.astype(np.int64).ravel())


def holds(estimate: Estimate, truth: float, part: float = 1.0) -> bool:
    """Whether the interval, or the middle part of it, holds the truth."""
    low, high = estimate.low, estimate.high
    return bool(abs(truth - (low + high) / 2) <= part * (high - low) / 2)
