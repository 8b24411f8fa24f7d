"""The numbers against published examples, against the libraries, and against planted truths."""

from dataclasses import replace

import krippendorff
import numpy as np
import pytest

from rolecraft.ratings import agreement as agree
from rolecraft.ratings import means, preference
from rolecraft.ratings.means import Scores
from rolecraft.ratings.preference import BOTH_BAD, LEFT, RIGHT, TIE, Votes
from rolecraft.ratings.statistics import Estimate, holm, shared_ranks, status

# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", part C: four observers,
# twelve units, missing values. Published: nominal .743, ordinal .815, interval .849, ratio .797.
X = np.nan
PUBLISHED = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, X, X, X],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, X, 3],
    [X, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, X],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, X],
]


def long(table: object) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit, rater and value of every cell that holds a value."""
    array = np.array(table, dtype=float)
    rater, unit = np.nonzero(np.isfinite(array))
    return unit, rater, array[rater, unit].astype(np.int64)


# --- agreement


@pytest.mark.parametrize(
    ("level", "published"),
    [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)],
)
def test_the_library_gives_the_published_values(level: str, published: float) -> None:
    found = krippendorff.alpha(PUBLISHED, value_domain=[1, 2, 3, 4, 5], level_of_measurement=level)
    assert found == pytest.approx(published, abs=0.0005)


def test_our_alpha_is_the_published_one() -> None:
    unit, rater, value = long(PUBLISHED)
    found = agree.agreement(unit, rater, value)
    assert found.alpha == pytest.approx(0.815, abs=0.0005)
    assert found.units == 11
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.815 < found.high


@pytest.mark.parametrize("seed", range(5))
def test_the_resampled_formula_is_the_librarys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = rng.integers(1, 6, size=(4, 30)).astype(float)
    table[rng.random(table.shape) < 0.3] = np.nan
    unit, _, value = long(table)
    counts = agree.value_counts(unit, value)
    counts = counts[counts.sum(axis=1) >= 2]
    ours = agree._alpha_of(agree.coincidences(counts).sum(axis=0))
    assert ours == pytest.approx(agree.ordinal_alpha(counts), abs=1e-9)


@pytest.mark.parametrize(
    "table", [[[5, 5, 5], [5, 5, 5]], [[1, X, 3], [X, 2, X]], [[1], [2]], [[X, X], [X, X]]]
)
def test_what_cannot_be_estimated_says_so(table: list[list[float]]) -> None:
    unit, rater, value = long(table)
    assert agree.agreement(unit, rater, value).alpha is None


def test_alpha_is_low_though_people_nearly_agree() -> None:
    rng = np.random.default_rng(0)
    table = np.where(rng.random((3, 200)) < 0.8, 5, 4)
    found = agree.agreement(*long(table))
    assert found.alpha is not None
    assert found.alpha < 0.2
    assert found.within_one == 1.0


def test_the_interval_of_alpha_is_as_wide_as_its_sampling() -> None:
    """Alpha of studies drawn anew lies in the middle 95 % as often as one interval says."""

    def study(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        truth = rng.normal(3, 0.8, 120)
        return long(np.clip(np.round(truth + rng.normal(0, 0.8, (3, 120))), 1, 5))

    rng = np.random.default_rng(1)
    alphas = [agree.ordinal_alpha(agree.value_counts(u, v)) for u, _, v in map(study, [rng] * 60)]
    unit, _, value = study(rng)
    low, high = agree.alpha_interval(agree.value_counts(unit, value), 300)
    assert high - low == pytest.approx(4 * np.std(alphas), rel=0.35)


def test_one_rater_with_oneself() -> None:
    first = np.array([1, 2, 3, 4, 5, 3, 2, 4])
    assert agree.repeat_alpha(first, first) == pytest.approx(1.0)
    assert agree.repeat_alpha(first, first[::-1].copy()) < 0.5


def test_who_cannot_tell_bad_from_good_is_found() -> None:
    rng = np.random.default_rng(0)
    good, bad = rng.normal(4, 0.7, 30), rng.normal(2, 0.7, 10)
    assert agree.discernment(0, bad, good).passed
    assert agree.discernment(0, rng.normal(4, 0.7, 10), good).passed is False
    assert agree.discernment(0, np.full(10, 5.0), np.full(30, 5.0)).passed is False
    assert agree.discernment(0, bad[:3], good).passed is None


def test_small_signs() -> None:
    assert agree.longest_run([5, 5, 5, 4, 4]) == 3
    assert agree.longest_run([]) == 0
    same = np.array([[1, 1, 1], [4, 4, 4], [3, 3, 3], [2, 2, np.nan]])
    assert agree.halo(same) == 0
    assert agree.correlations(same) == pytest.approx(np.ones((3, 3)))
    assert agree.correlations(same[:2]) is None


# --- means


def study(
    rng: np.random.Generator,
    raters: int = 40,
    prompts: int = 60,
    each: int = 15,
    truth: tuple[float, ...] = (3.0, 3.5),
) -> Scores:
    """Raters value both arms on some prompts, with habits, difficulties and likings."""
    habit, hard = rng.normal(0, 0.5, raters), rng.normal(0, 0.5, prompts)
    liking = rng.normal(0, 0.45, (raters, len(truth)))
    suits = rng.normal(0, 0.35, (prompts, len(truth)))
    rows = []
    for rater in range(raters):
        for prompt in rng.choice(prompts, each, replace=False):
            for arm, mean in enumerate(truth):
                for criterion in range(3):
                    value = mean + habit[rater] + hard[prompt] + liking[rater, arm]
                    value += suits[prompt, arm] + rng.normal(0, 0.7)
                    rows.append((rater, prompt, arm, criterion, value))
    columns = np.array(rows)
    codes = columns[:, :4].astype(np.int64).T
    return Scores(("a", "b"), ("ce", "cons", "ed"), *codes, columns[:, 4])


def test_the_table_holds_the_plain_means() -> None:
    scores = study(np.random.default_rng(0))
    found = means.table(scores)
    for arm, name in enumerate(scores.arms):
        for criterion, label in enumerate(scores.criteria):
            rows = (scores.arm == arm) & (scores.criterion == criterion)
            cell = found[name][label]
            assert cell is not None
            assert cell.value == pytest.approx(scores.value[rows].mean())
            assert (cell.n, cell.raters) == (600, 40)
        average = found[name][means.AVERAGE]
        assert average is not None
        assert average.value == pytest.approx(scores.value[scores.arm == arm].mean())
        assert average.low < average.value < average.high


def test_the_interval_is_wider_than_one_that_takes_rows_for_independent() -> None:
    scores = study(np.random.default_rng(0))
    cell = means.table(scores)["a"]["ce"]
    assert cell is not None
    naive = 1.96 * scores.value[(scores.arm == 0) & (scores.criterion == 0)].std() / 600**0.5
    assert cell.half_width > 2 * naive
    low, high = means.pigeonhole(scores, 400, 0)["a"]["ce"]
    assert high - low == pytest.approx(2 * cell.half_width, rel=0.35)


def test_a_planted_difference_is_found_with_raters_and_prompts_held_fixed() -> None:
    found = means.differences(study(np.random.default_rng(0)))
    average = next(one for one in found if one.criterion == means.AVERAGE)
    assert average.within
    assert average.estimate.low < -0.5 < average.estimate.high
    assert average.p < 0.01
    assert average.estimate.half_width < 0.35


def test_arms_that_no_one_saw_together_are_compared_plainly() -> None:
    rng = np.random.default_rng(0)
    rater = np.repeat(np.arange(20), 10)
    arm = (rater >= 10).astype(np.int64)
    prompt = np.tile(np.arange(10), 20) + 10 * arm
    one = np.zeros(200, dtype=np.int64)
    scores = Scores(("a", "b"), ("ce",), rater, prompt, arm, one, 3 + arm + rng.normal(0, 0.3, 200))
    (found,) = means.differences(scores)
    assert not found.within
    assert found.estimate.value == pytest.approx(-1, abs=0.2)


def test_one_rater_gives_no_interval() -> None:
    one = np.zeros(4, dtype=np.int64)
    scores = Scores(("a",), ("ce",), one, np.arange(4), one, one, np.array([1.0, 2, 3, 4]))
    assert means.table(scores)["a"]["ce"] is None


# --- preference


def votes(
    rng: np.random.Generator,
    truth: tuple[float, ...] = (0.0, 0.6, 1.2, -0.5),
    n: int = 4000,
    raters: int = 200,
    pull: float = 0.0,
) -> Votes:
    """Votes by planted strengths (natural log); `pull` is what a longer reply gains."""
    arms = len(truth)
    left = rng.integers(0, arms, n)
    right = (left + rng.integers(1, arms, n)) % arms
    longer = rng.normal(0, 0.5, n) + 0.4 * (left == 0) - 0.4 * (right == 0)
    edge = np.array(truth)[left] - np.array(truth)[right] + pull * longer
    tie = rng.random(n) < 0.15
    won = rng.random(n) < 1 / (1 + np.exp(-edge))
    outcome = np.where(tie, TIE, np.where(won, LEFT, RIGHT))
    style = np.column_stack([longer, np.zeros((n, 3))])
    names = tuple("abcd"[:arms])
    rater, prompt = rng.integers(0, raters, n), rng.integers(0, 300, n)
    return Votes(names, rater, prompt, left, right, outcome, style)


def test_planted_strengths_are_recovered() -> None:
    truth = np.array([0.0, 0.6, 1.2, -0.5])
    found = preference.strengths(votes(np.random.default_rng(0), n=12000), draws=60)
    # ties at random pull strengths together by their share; the order and spacing stay
    elo = np.array([found[name].value for name in "abcd"])
    planted = preference.ELO * (truth - truth.mean())
    slope = (elo @ planted) / (planted @ planted)
    assert 0.75 < slope < 1.0
    assert elo / slope == pytest.approx(planted, abs=12)
    assert all(one.low < one.value < one.high for one in found.values())


def test_without_ties_the_strengths_are_exact() -> None:
    given = votes(np.random.default_rng(1), n=30000)
    sided = given.only(given.outcome != TIE)
    found = preference.strengths(sided, draws=30)
    truth = np.array([0.0, 0.6, 1.2, -0.5])
    planted = preference.ELO * (truth - truth.mean())
    assert [found[name].value for name in "abcd"] == pytest.approx(planted, abs=15)


def test_arms_that_no_vote_connects_are_not_ranked_together() -> None:
    one = np.zeros(4, dtype=np.int64)
    left, right = np.array([0, 1, 2, 3]), np.array([1, 0, 3, 2])
    apart = Votes(tuple("abcd"), one, one, left, right, one, np.zeros((4, 4)))
    assert preference.groups(apart) == (("a", "b"), ("c", "d"))
    with pytest.raises(ValueError, match="do not connect"):
        preference.strengths(apart)


def test_an_arm_that_never_lost_stays_finite() -> None:
    one = np.zeros(20, dtype=np.int64)
    rater = np.arange(20)
    swept = Votes(("a", "b"), rater, rater, one, one + 1, one, np.zeros((20, 4)))
    found = preference.strengths(swept, draws=50)
    assert 300 < found["a"].value - found["b"].value < 2000


def test_one_rater_or_one_prompt_gives_no_interval() -> None:
    given = votes(np.random.default_rng(0), n=400)
    for alone in ("rater", "prompt"):
        found = preference.strengths(replace(given, **{alone: np.zeros_like(given.rater)}), 20)["a"]
        assert np.isfinite(found.value) and np.isnan(found.low) and np.isnan(found.high)


def test_both_bad_is_no_tie() -> None:
    given = votes(np.random.default_rng(0), n=3000)
    bad = np.random.default_rng(1).random(3000) < 0.2
    marred = Votes(
        given.arms, given.rater, given.prompt, given.left, given.right,
        np.where(bad, BOTH_BAD, given.outcome), given.style,
    )  # fmt: skip
    whole = preference.strengths(given.only(~bad), draws=20)
    assert preference.strengths(marred, draws=20)["a"].value == pytest.approx(whole["a"].value)
    rate = preference.both_bad(marred)["a"]
    assert rate is not None
    assert rate.value == pytest.approx(0.2, abs=0.04)


def test_a_habit_for_the_left_is_seen() -> None:
    rng = np.random.default_rng(0)
    given = votes(rng, n=3000)
    biased = Votes(
        given.arms, given.rater, given.prompt, given.left, given.right,
        np.where(rng.random(3000) < 0.3, LEFT, given.outcome), given.style,
    )  # fmt: skip
    share, p = preference.left_bias(biased)
    assert share is not None
    assert share.value > 0.6
    assert p is not None
    assert p < 1e-6
    fair, p = preference.left_bias(given)
    assert fair is not None
    assert fair.low < 0.5 < fair.high


def test_length_is_taken_out_of_the_strengths() -> None:
    given = votes(np.random.default_rng(3), truth=(0.0, 0.0, 0.0), n=6000, pull=2.0)
    found = preference.controlled(given)
    assert found is not None
    assert found.raw["a"] > 40  # the longer arm seems better
    assert abs(found.controlled["a"]) < 25
    coefficient, p = found.styles["length"]
    assert coefficient > 0.5
    assert p < 1e-6
    assert "emoji" not in found.styles  # nothing varied there


# --- verdicts


def test_arms_that_cannot_be_told_apart_share_a_rank() -> None:
    intervals = {"a": (4.0, 4.4), "b": (3.9, 4.2), "c": (3.0, 3.5), "d": (3.4, 3.8)}
    assert shared_ranks(intervals) == {"a": 1, "b": 1, "c": 3, "d": 3}


def test_holm_pays_for_every_question() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


@pytest.mark.parametrize(
    ("half", "n", "raters", "said"),
    [
        (0.1, 1000, 100, "established"), (0.25, 1000, 100, "usable"),
        (0.5, 1000, 100, "preliminary"), (0.1, 199, 100, "preliminary"),
        (0.1, 1000, 29, "preliminary"), (float("nan"), 1000, 100, "preliminary"),
    ],
)  # fmt: skip
def test_the_status_follows_raters_ratings_and_width(
    half: float, n: int, raters: int, said: str
) -> None:
    assert status(Estimate(3, 3 - half, 3 + half, n, raters, 50), "points") == said


def test_a_lead_of_few_votes_is_called_fragile() -> None:
    left = np.zeros(100, dtype=np.int64)
    outcome = np.array([LEFT] * 53 + [RIGHT] * 47)
    given = Votes(
        ("a", "b"), np.arange(100) // 5, left, left, left + 1, outcome, np.zeros((100, 4))
    )
    found = preference.first_falls(given)
    assert found is not None
    assert (found.first, found.ratings, found.raters) == ("a", 7, 2)


def test_a_clear_lead_in_points_is_not_fragile() -> None:
    found = means.first_falls(study(np.random.default_rng(0), truth=(2.0, 4.0)))
    assert found is not None
    assert found.first == "b"
    assert found.ratings is None
    close = means.first_falls(study(np.random.default_rng(0), truth=(3.0, 3.05)))
    assert close is not None
    assert close.raters is not None
    assert close.raters < 15
