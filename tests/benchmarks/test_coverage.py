"""Intervals of simulated studies hold the truth, and are no wider than that takes."""

from scipy import stats

from benchmarks import coverage


def test_the_intervals_of_whole_values_hold_the_truth() -> None:
    """Too narrow ones would hold it too seldom; too wide ones also with half their width."""
    studies, one, two = 60, *map(coverage.true_mean, coverage.TRUTH)
    fewest = int(stats.binom.ppf(0.001, studies, 0.95))
    found = [(apart, mean) for _, apart, mean in coverage.estimates(studies, (20, 20, 8))]
    for whole, half in (
        [sum(coverage.holds(apart, one - two, part) for apart, _ in found) for part in (1, 0.5)],
        [sum(coverage.holds(mean, one, part) for _, mean in found) for part in (1, 0.5)],
    ):
        assert fewest <= whole
        assert 0.45 * studies <= half <= fewest
    assert coverage.of_alpha(studies, draws=200) * studies >= fewest
