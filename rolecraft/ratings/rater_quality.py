"""What degraded copies and repetitions tell of the raters themselves.

A board sets aside whom `RULE` doubts, says how many, and shows its numbers with them beside it.
"""

from dataclasses import asdict
from typing import Any, Protocol

import numpy as np

from rolecraft.ratings import agreement
from rolecraft.ratings.statistics import codes

RULE = "raters/1"  # its version; other bounds are another rule
_STRAIGHT = 24  # equal values in a row, which is four pairs with three criteria a side


class Columns(Protocol):
    """Rows that hold a value, as arrays by column: `Chosen.valued` of `selection`."""

    def __getitem__(self, name: str, /) -> Any: ...


def rater_quality(rows: Columns) -> dict[str, Any]:
    """Whether raters put degraded copies lower and say the same twice; raters by their code."""
    rater, value = codes(rows["rater"]), rows["value"]
    degraded = np.asarray(rows["source"] == "degraded", dtype=bool)
    plain = (rows["item_kind"] != "degraded") & (rows["repeat_of"] == "")
    plain = np.asarray(plain, dtype=bool)
    tests = [
        agreement.discernment(one, value[(rater == one) & degraded], value[(rater == one) & plain])
        for one in range(int(rater.max(initial=-1)) + 1)
    ]
    pooled = agreement.discernment(-1, value[degraded], value[plain])
    first, second = _repeats(rows)
    return {
        "rule": RULE,
        "degraded_p": pooled.p,
        "degraded_ratings": pooled.degraded,
        "cannot_tell": [asdict(one) for one in tests if one.passed is False],
        "straight_lines": [
            {"rater": one, "values": run}
            for one in range(len(tests))
            if (run := agreement.longest_run(value[rater == one].tolist())) >= _STRAIGHT
        ],
        "repeats": len(first),
        "repeat_alpha": agreement.repeat_alpha(first, second) if len(first) else None,
        "repeat_exact": float((first == second).mean()) if len(first) else None,
    }


def doubtful(rows: Columns) -> dict[str, list[str]]:
    """Why raters are set aside by `RULE` → who they are."""
    names = list(dict.fromkeys(rows["rater"]))  # in the order of their codes
    found = rater_quality(rows)
    return {
        reason: [names[one["rater"]] for one in found[key]]
        for key, reason in (
            ("cannot_tell", "cannot tell good from bad"),
            ("straight_lines", "answers all alike"),
        )
    }


def _repeats(rows: Columns) -> tuple[Any, Any]:
    key = list(zip(rows["form"], rows["generation"], rows["criterion"], strict=True))
    value = dict(zip(key, rows["value"], strict=True))
    pairs = [
        (value[earlier, generation, criterion], again)
        for earlier, generation, criterion, again in zip(
            rows["repeat_of"], rows["generation"], rows["criterion"], rows["value"], strict=True
        )
        if earlier and (earlier, generation, criterion) in value
    ]
    columns = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return columns[:, 0], columns[:, 1]
