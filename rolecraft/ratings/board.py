"""A board: every number that is published of the ratings, computed from their rows alone.

Knows no database: the rows come from it or from an export, and the same rows give the same board to
the last bit.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, cast

import numpy as np

from rolecraft.ratings import agreement, means, preference
from rolecraft.ratings.means import AVERAGE, Scores
from rolecraft.ratings.preference import OUTCOMES, Votes
from rolecraft.ratings.rater_quality import rater_quality
from rolecraft.ratings.selection import (
    CRITERIA,
    Chosen,
    Leaks,
    Rows,
    Spec,
    arm_labels,
    capped,
    data_hash,
    scores_of,
    targets,
    valid,
    votes_of,
)
from rolecraft.ratings.statistics import Estimate, codes, shared_ranks, status

METHOD = "rolecraft-human/4"


def compute(rows: Rows, spec: Spec) -> dict[str, Any]:
    """The board as values that JSON can hold."""
    every = Chosen.of(rows)
    usable, left_out = valid(every, spec)
    everybody, _ = valid(every, replace(spec, doubtful="included"))
    main, over = capped(targets(usable, spec), spec.cap)
    left_out["over the cap"] = over
    arms = arm_labels(every)
    scores, votes = scores_of(main, arms), votes_of(main, arms)
    body: dict[str, Any] = {
        "method": METHOD,
        "spec": asdict(spec),
        "data_sha256": data_hash(rows),
        "n_ratings": len(np.unique(main["number"])),
        "n_raters": len(set(main["rater"])),
        "left_out": left_out,
        "table": _table(scores, spec),
        "other_leaks": _other_leaks(usable, spec, arms),
        "differences": [_difference(one) for one in means.differences(scores)] if scores else [],
        "agreement": _agreement(main, spec),
        "preference": _preference(votes, spec) if votes else None,
        "fragility": _fragility(scores, votes),
        "raters": rater_quality(everybody.valued()),
        "halo": _halo(main),
        "sensitivity": _sensitivity(usable, spec, arms)
        | {"doubtful_included": _by_arm(capped(targets(everybody, spec), spec.cap)[0], arms)}
        | _without_one(main, arms)
        | _by_kind(main, arms),
        "sources": _sources(main, arms),
        "by_character": _by(main, "character", arms),
        "by_emotion": _by(main, "emotion", arms),
    }
    # what is not a number (no interval, no estimate) becomes null
    as_json = json.dumps(body, allow_nan=True)
    return cast(dict[str, Any], json.loads(as_json, parse_constant=lambda _: None))


def text_of(board: Mapping[str, Any]) -> str:
    """The canonical text of a board, whose hash says whether two are the same."""
    return json.dumps(board, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def hash_of(board: Mapping[str, Any]) -> str:
    return hashlib.sha256(text_of(board).encode()).hexdigest()


def _table(scores: Scores | None, spec: Spec) -> dict[str, Any]:
    """Table 4's form: per arm the criteria and their average, with status and shared rank."""
    if scores is None:
        return {}
    found = means.table(scores)
    wider = means.pigeonhole(scores, spec.draws, spec.seed)
    table: dict[str, Any] = {}
    for arm, cells in found.items():
        table[arm] = {name: _cell(cell, wider[arm].get(name)) for name, cell in cells.items()}
        table[arm]["status"] = status(cells[AVERAGE], "points")
    ranked = {
        arm: (cells[AVERAGE].low, cells[AVERAGE].high)  # type: ignore[union-attr]
        for arm, cells in found.items()
        if table[arm]["status"] != "preliminary"
    }
    ranks = shared_ranks(ranked)
    for arm in table:
        table[arm]["rank"] = ranks.get(arm)
    return table


def _other_leaks(usable: Chosen, spec: Spec, labels: Mapping[str, str]) -> dict[str, Any]:
    """The whole table under the other choice for replies that give themselves away."""
    leaks: Leaks = "included" if spec.leaks == "excluded" else "excluded"
    other = replace(spec, leaks=leaks)
    chosen = capped(targets(usable, other), other.cap)[0]
    return {
        "leaks": leaks,
        "n_ratings": len(np.unique(chosen["number"])),
        "table": _table(scores_of(chosen, labels), other),
    }


def _cell(cell: Estimate | None, resampled: tuple[float, float] | None = None) -> Any:
    if cell is None:
        return None
    body = asdict(cell)
    if resampled:
        body["resampled_low"], body["resampled_high"] = resampled
    return body


def _difference(one: means.Difference) -> dict[str, Any]:
    return {**asdict(one), "estimate": _cell(one.estimate)}


def _agreement(chosen: Chosen, spec: Spec) -> dict[str, Any]:
    found = {}
    for criterion in CRITERIA:
        rows = chosen.only(chosen["criterion"] == criterion).valued()
        if len(rows):
            unit, rater = codes(rows["generation"]), codes(rows["rater"])
            value = rows["value"].astype(np.int64)
            found[criterion] = asdict(
                agreement.agreement(unit, rater, value, spec.draws, spec.seed)
            )
    return found


def _preference(votes: Votes, spec: Spec) -> dict[str, Any]:
    connected = preference.groups(votes)
    body: dict[str, Any] = {
        "votes": len(votes.outcome),
        "outcomes": {
            name: int((votes.outcome == code).sum()) for code, name in enumerate(OUTCOMES)
        },
        "groups": [list(group) for group in connected],
        "strengths": None,
        "both_bad": {arm: _cell(one) for arm, one in preference.both_bad(votes).items()},
    }
    share, p = preference.left_bias(votes)
    body["left"] = {"share": _cell(share), "p": p}
    if len(connected) == 1 and bool(votes.counted.any()):
        found = preference.strengths(votes, spec.draws, spec.seed)
        states = {arm: status(one, "elo") for arm, one in found.items()}
        ranks = shared_ranks(
            {a: (e.low, e.high) for a, e in found.items() if states[a] != "preliminary"}
        )
        body["strengths"] = {
            arm: {**_cell(one), "status": states[arm], "rank": ranks.get(arm)}
            for arm, one in found.items()
        }
    held = preference.controlled(votes)
    body["controlled"] = asdict(held) if held else None
    return body


def _fragility(scores: Scores | None, votes: Votes | None) -> dict[str, Any]:
    by_points = means.first_falls(scores) if scores else None
    by_votes = preference.first_falls(votes) if votes else None
    return {
        "average": asdict(by_points) if by_points else None,
        "preference": asdict(by_votes) if by_votes else None,
    }


def _halo(chosen: Chosen) -> dict[str, Any]:
    grid: dict[tuple[Any, Any], list[float]] = {}
    for number, generation, criterion, value in zip(
        *(chosen[name] for name in ("number", "generation", "criterion", "value")), strict=True
    ):
        if criterion in CRITERIA:
            line = grid.setdefault((number, generation), [float("nan")] * len(CRITERIA))
            line[CRITERIA.index(criterion)] = value
    values = np.array(list(grid.values()), dtype=np.float64).reshape(-1, len(CRITERIA))
    found = agreement.correlations(values)
    return {
        "spread": agreement.halo(values),
        "correlations": found.tolist() if found is not None else None,
    }


def _sensitivity(usable: Chosen, spec: Spec, labels: Mapping[str, str]) -> dict[str, Any]:
    """The plain averages under other choices of rows, so that no choice is hidden."""
    variants = {
        "as_published": spec,
        "leaks_included": replace(spec, leaks="included"),
        "leaks_excluded": replace(spec, leaks="excluded"),
        "finished_only": replace(spec, finish="stop"),
        "no_cap": replace(spec, cap=0),
    }
    return {
        name: _by_arm(capped(targets(usable, one), one.cap)[0], labels)
        for name, one in variants.items()
    } | {"pair_weighted": _by_arm(capped(targets(usable, spec), spec.cap)[0], labels, weigh=True)}


def _by_arm(chosen: Chosen, labels: Mapping[str, str], *, weigh: bool = False) -> dict[str, Any]:
    """Mean and number of values per arm; weighed by the inverse chance of having been drawn."""
    rows = chosen.valued()
    arm = np.array([labels[rev] for rev in rows["model_rev"]], dtype=object)
    weight = 1 / rows["pair_prob"] if weigh else np.ones(len(rows))
    found = {}
    for name in sorted(set(arm)):
        own = np.asarray(arm == name, dtype=bool)
        mean = np.average(rows["value"][own], weights=weight[own])
        found[name] = {"mean": float(mean), "n": int(own.sum())}
    return found


def _without_one(chosen: Chosen, labels: Mapping[str, str]) -> dict[str, Any]:
    """The lowest and the highest mean of each arm without any one rater: what one fan can do."""
    rows = chosen.valued()
    rater, names = codes(rows["rater"]), [labels[rev] for rev in rows["model_rev"]]
    arms = sorted(set(names))
    raters = int(rater.max(initial=-1)) + 1
    if raters < 2:
        return {}
    cell = rater * len(arms) + np.array([arms.index(name) for name in names], dtype=np.int64)
    size = raters * len(arms)
    own_n = np.bincount(cell, minlength=size).reshape(raters, -1)
    own_sum = np.bincount(cell, weights=rows["value"], minlength=size).reshape(raters, -1)
    n, total = own_n.sum(axis=0) - own_n, own_sum.sum(axis=0) - own_sum
    mean = np.where(n > 0, total / np.maximum(n, 1), np.nan)
    lines: dict[str, Any] = {"lowest_without_one": {}, "highest_without_one": {}}
    for place, arm in enumerate(arms):
        if np.isfinite(mean[:, place]).any():
            for name, pick in (("lowest", np.nanargmin), ("highest", np.nanargmax)):
                who = int(pick(mean[:, place]))
                line = {"mean": float(mean[who, place]), "n": int(n[who, place])}
                lines[f"{name}_without_one"][arm] = line
    return lines


def _by_kind(chosen: Chosen, labels: Mapping[str, str]) -> dict[str, Any]:
    """Invited raters and the others apart, where both have rated: the team invites its own."""
    kinds = set(chosen["rater_kind"])
    if len(kinds) < 2:
        return {}
    return {
        f"{kind}_only": _by_arm(chosen.only(chosen["rater_kind"] == kind), labels)
        for kind in sorted(kinds)
    }


def _sources(chosen: Chosen, labels: Mapping[str, str]) -> dict[str, dict[str, int]]:
    """How many ratings of each arm are of replies made here, and how many of imported ones."""
    found: dict[str, dict[str, set[int]]] = {}
    for rev, source, number in zip(
        *(chosen[name] for name in ("model_rev", "source", "number")), strict=True
    ):
        found.setdefault(labels[rev], {}).setdefault(source, set()).add(number)
    return {
        arm: {source: len(numbers) for source, numbers in sorted(each.items())}
        for arm, each in sorted(found.items())
    }


def _by(chosen: Chosen, name: str, labels: Mapping[str, str]) -> dict[str, Any]:
    return {
        str(value): _by_arm(chosen.only(chosen[name] == value), labels)
        for value in sorted(set(chosen[name]))
    }
