"""Which rows of the ratings a board counts, and the arrays that its numbers are computed from.

Knows no database. Raters are known by the order in which they appear, so that an export under other
names gives the same arrays.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np

from rolecraft.errors import ResultsError
from rolecraft.ratings import study
from rolecraft.ratings.means import Scores
from rolecraft.ratings.preference import Votes

CRITERIA = ("communication", "consistency", "diversity")
# What a board is computed from; an export holds these and more.
COLUMNS = (
    "number", "current", "mode", "scope", "study", "item", "item_kind", "repeat_of", "form",
    "pair_prob", "rater", "rater_kind", "rater_status", "consents", "turn", "asks_identity",
    "character", "excluded", "side", "generation", "other_generation", "model_rev", "arm",
    "source", "emotion", "finish", "leak_models", "leak_broken", "chars", "actions", "emoji",
    "lines", "criterion", "value", "outcome",
)  # fmt: skip
Rows = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Spec:
    """Which ratings count. Everything that is left out stays stored and is counted as left out."""

    study: str = ""  # of one study alone; empty: of all
    modes: tuple[str, ...] = ("blind", "bank")
    sources: tuple[str, ...] = ("live", "recorded")
    rater_kinds: tuple[str, ...] = ("anon", "invited", "expert")
    leaks: Literal["included", "excluded"] = "included"
    finish: Literal["all", "stop"] = "all"
    flagged: Literal["included", "excluded"] = "excluded"
    cap: int = 10
    seed: int = 0
    draws: int = 300

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> "Spec":
        """The specification of these values; an unknown name is refused."""
        known = {field.name for field in fields(cls)}
        if strange := sorted(set(values) - known):
            raise ResultsError(f"A board has no {', '.join(strange)}. Known: {sorted(known)}.")
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
        }
        return cls(**given)


@dataclass(frozen=True)
class Chosen:
    """Rows of ratings as arrays, by column."""

    columns: dict[str, Any]

    @classmethod
    def of(cls, rows: Rows) -> "Chosen":
        return cls({name: np.array(rows[name], dtype=object) for name in COLUMNS})

    def only(self, rows: Any) -> "Chosen":
        return Chosen({name: each[rows] for name, each in self.columns.items()})

    def __getitem__(self, name: str) -> Any:
        return self.columns[name]

    def __len__(self) -> int:
        return len(self.columns["number"])


def valid(every: Chosen, spec: Spec) -> tuple[Chosen, dict[str, int]]:
    """The ratings that may count at all, and why the others do not. Each is counted once."""
    rated = (every["current"] == 1) & (every["criterion"] != "")
    chosen = every.only(rated)
    left_out: dict[str, int] = {}

    def drop(reason: str, keep: Any) -> None:
        nonlocal chosen
        gone = set(chosen["number"][~keep.astype(bool)])
        kept = np.array([number not in gone for number in chosen["number"]], dtype=bool)
        left_out[reason] = len(gone)
        chosen = chosen.only(kept)

    def among(name: str, values: Sequence[str]) -> Any:
        return np.array([value in values for value in chosen[name]], dtype=bool)

    if spec.study:
        chosen = chosen.only(chosen["study"] == spec.study)
    drop("training or other pages", among("mode", spec.modes))
    drop("rater set aside", chosen["rater_status"] == "active")
    agreed = np.array(["rate" in value.split(",") for value in chosen["consents"]], dtype=bool)
    drop("consent withdrawn", agreed)
    drop("kind of rater", among("rater_kind", spec.rater_kinds))
    drop("asked for the model's name", chosen["asks_identity"] == 0)
    if spec.flagged == "excluded":
        drop("failed a rule", chosen["excluded"] == 0)
    return chosen, left_out


def targets(usable: Chosen, spec: Spec) -> Chosen:
    """Without degraded copies and repeats, which test the raters and not the arms."""
    rows = (usable["item_kind"] != "degraded") & (usable["repeat_of"] == "")
    chosen = usable.only(rows.astype(bool))
    leaky = [
        bool(a or b) for a, b in zip(chosen["leak_models"], chosen["leak_broken"], strict=True)
    ]
    wrong = ~np.isin(chosen["source"].astype(str), spec.sources)
    if spec.leaks == "excluded":
        wrong |= np.array(leaky, dtype=bool)
    if spec.finish == "stop":
        wrong |= chosen["finish"] != "stop"
    # A pair counts whole or not at all.
    gone = set(chosen["number"][wrong.astype(bool)])
    return chosen.only(np.array([one not in gone for one in chosen["number"]], dtype=bool))


def capped(chosen: Chosen, cap: int) -> tuple[Chosen, int]:
    events = set(zip(chosen["number"], chosen["rater"], strict=True))
    held = study.counted(events, cap)
    rows = np.array([number in held for number in chosen["number"]], dtype=bool)
    return chosen.only(rows), len(events) - len(held)


def arm_labels(every: Chosen) -> dict[str, str]:
    """model_rev → name on the board. Two arms of one name are told apart by their hashes."""
    names = dict(sorted(zip(every["model_rev"], every["arm"], strict=True)))
    shared = [name for name in names.values() if list(names.values()).count(name) > 1]
    return {rev: f"{name}@{rev[:8]}" if name in shared else name for rev, name in names.items()}


def codes(values: Sequence[Any]) -> Any:
    """Codes in order of first appearance, so that other names give the same codes."""
    seen: dict[Any, int] = {}
    return np.array([seen.setdefault(value, len(seen)) for value in values], dtype=np.int64)


def scores_of(chosen: Chosen, labels: Mapping[str, str]) -> Scores | None:
    valued = np.array([value is not None for value in chosen["value"]], dtype=bool)
    rows = chosen.only(valued)
    if not len(rows):
        return None
    arm = [labels[rev] for rev in rows["model_rev"]]
    arms = tuple(sorted(set(arm)))
    criteria = tuple(name for name in CRITERIA if name in set(rows["criterion"]))
    return Scores(
        arms, criteria, codes(rows["rater"]), codes(rows["turn"]),
        np.array([arms.index(one) for one in arm], dtype=np.int64),
        np.array([criteria.index(one) for one in rows["criterion"]], dtype=np.int64),
        rows["value"].astype(np.float64),
    )  # fmt: skip


def votes_of(chosen: Chosen, labels: Mapping[str, str]) -> Votes | None:
    """One vote per pair: its left row, and the right one beside it for style and arm."""
    rows = chosen.only(chosen["criterion"] == "preference")
    right = {rows["number"][i]: i for i in np.flatnonzero(rows["side"] == "right").tolist()}
    sides = np.flatnonzero(rows["side"] == "left").tolist()
    left = [i for i in sides if rows["number"][i] in right]
    if not left:
        return None
    beside = [right[rows["number"][i]] for i in left]
    name = [labels[rev] for rev in rows["model_rev"]]
    arms = tuple(sorted({name[i] for i in (*left, *beside)}))
    outcomes = {"won": 0, "lost": 1, "tie": 2, "both_bad": 3}

    def arm_codes(places: Sequence[int]) -> Any:
        return np.array([arms.index(name[i]) for i in places], dtype=np.int64)

    def style(column: str) -> Any:
        return (rows[column][left] - rows[column][beside]).astype(np.float64)

    length = [np.log1p(rows["chars"][side].astype(np.float64)) for side in (left, beside)]
    return Votes(
        arms, codes(rows["rater"][left]), codes(rows["turn"][left]), arm_codes(left),
        arm_codes(beside),
        np.array([outcomes[rows["outcome"][i]] for i in left], dtype=np.int64),
        np.column_stack([length[0] - length[1], *map(style, ("actions", "emoji", "lines"))]),
    )  # fmt: skip


def data_hash(every: Chosen) -> str:
    """The hash of all rows with raters by order of appearance: the names differ by export."""
    lines = hashlib.sha256()
    columns = [every[name] if name != "rater" else codes(every["rater"]) for name in COLUMNS]
    for row in zip(*(each.tolist() for each in columns), strict=True):
        lines.update(json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
    return lines.hexdigest()
