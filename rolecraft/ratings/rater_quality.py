"""What degraded copies and repetitions tell of the raters themselves.

Nobody's ratings are dropped from a board for it; what is made of it is decided elsewhere.
"""

from dataclasses import asdict
from typing import Any

import numpy as np

from rolecraft.ratings import agreement
from rolecraft.ratings.selection import Chosen, Rows, Spec, codes, valid

_MODES = ("blind", "open", "bank", "chat")  # all but the training rounds
_STRAIGHT = 24  # equal values in a row, which is four pairs with three criteria a side


def rater_quality(usable: Chosen) -> dict[str, Any]:
    """Whether raters put degraded copies lower and say the same twice; raters by their code."""
    rows = usable.valued()
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


def doubtful(rows: Rows) -> frozenset[str]:
    """The raters that a board names: who cannot tell bad from good, and who answers alike."""
    usable, _ = valid(Chosen.of(rows), Spec(modes=_MODES))
    names = list(dict.fromkeys(usable.valued()["rater"]))  # in the order of their codes
    found = rater_quality(usable)
    return frozenset(names[one["rater"]] for one in found["cannot_tell"] + found["straight_lines"])


def _repeats(rows: Chosen) -> tuple[Any, Any]:
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
