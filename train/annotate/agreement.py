"""How far annotators agree: Krippendorff's alpha, and for each label how often it is confirmed.

Knows no file. What cannot be estimated is None.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rolecraft.emotions import LABELS

Counts = NDArray[np.int64]
DRAWS = 1000


@dataclass(frozen=True)
class Agreement:
    """Alpha for nominal values with a 95 % interval over units, and agreement by label.

    `by_label`: when one annotator gives this label, how often another of the same line does too
    (specific agreement, Cicchetti and Feinstein 1990, for any number of annotators).
    """

    units: int  # lines with at least two labels
    labels: int
    alpha: float | None
    low: float | None
    high: float | None
    same: float | None  # share of pairs of annotators that gave the same label
    by_label: dict[str, float | None]
    confusions: tuple[tuple[str, str, int], ...]  # the pairs that are given for one line most often

    def as_json(self) -> dict[str, Any]:
        """Rounded for people."""
        shown = vars(self) | {
            name: _rounded(getattr(self, name)) for name in ("alpha", "low", "high", "same")
        }
        shown["by_label"] = {label: _rounded(one) for label, one in self.by_label.items()}
        return shown | {"confusions": [list(one) for one in self.confusions]}


def agreement(given: Sequence[Sequence[str]], seed: int = 0) -> Agreement:
    """Agreement over lines; each has the labels that its annotators gave."""
    counts = np.array(
        [[labels.count(label) for label in LABELS] for labels in given], np.int64
    ).reshape(-1, len(LABELS))
    counts = counts[counts.sum(axis=1) >= 2]
    alpha = alpha_of(counts)
    low, high = _interval(counts, seed) if alpha is not None else (None, None)
    raters = counts.sum(axis=1, keepdims=True)
    both, chances = counts * (counts - 1), counts * (raters - 1)
    return Agreement(
        units=len(counts),
        labels=int(counts.sum()),
        alpha=alpha,
        low=low,
        high=high,
        same=_share(both.sum(), chances.sum()),
        by_label={
            label: _share(both[:, n].sum(), chances[:, n].sum()) for n, label in enumerate(LABELS)
        },
        confusions=_confusions(counts),
    )


def alpha_of(counts: Counts) -> float | None:
    """Krippendorff's alpha of nominal values; None when there is nothing to disagree about."""
    import krippendorff

    if len(counts) < 2 or np.count_nonzero(counts.sum(axis=0)) < 2:
        return None
    found = krippendorff.alpha(
        value_counts=counts, value_domain=list(LABELS), level_of_measurement="nominal"
    )
    return float(found)


def alphas(counts: Counts, times: NDArray[np.int64]) -> NDArray[np.float64]:
    """Alpha where line i counts `times[j, i]` times, for each row j; NaN where there is none.

    From sums, since the package would take minutes for a thousand rows.
    """
    raters = counts.sum(axis=1)
    agreed = times @ ((counts * (counts - 1)).sum(axis=1) / (raters - 1))
    total = times @ counts
    n = total.sum(axis=1)
    chance = (total * (total - 1)).sum(axis=1) / (n * (n - 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (agreed / n - chance) / (1 - chance)
    return np.where(chance < 1, found, np.nan)


def _interval(counts: Counts, seed: int) -> tuple[float | None, float | None]:
    """Lines are drawn with replacement."""
    rng = np.random.default_rng(seed)
    lines = len(counts)
    times = rng.multinomial(lines, np.full(lines, 1 / lines), size=DRAWS)
    found = alphas(counts, times)
    low, high = np.nanpercentile(found, [2.5, 97.5])
    return float(low), float(high)


def _confusions(counts: Counts, most: int = 10) -> tuple[tuple[str, str, int], ...]:
    pairs: Counter[tuple[str, str]] = Counter()
    for row in counts:
        present = np.flatnonzero(row)
        for n, first in enumerate(present):
            for second in present[n + 1 :]:
                pairs[LABELS[first], LABELS[second]] += int(row[first] * row[second])
    return tuple((a, b, count) for (a, b), count in pairs.most_common(most))


def _share(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
