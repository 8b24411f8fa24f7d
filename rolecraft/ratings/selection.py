"""Which rows of the ratings a board counts, and the arrays that its numbers are computed from.

Knows no database. Raters are known by the order in which they appear, so that an export under other
names gives the same arrays.
"""

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np

from rolecraft.errors import ResultsError
from rolecraft.ratings import rater_quality, study
from rolecraft.ratings.means import Scores
from rolecraft.ratings.preference import Votes
from rolecraft.ratings.statistics import codes

CRITERIA = ("communication", "consistency", "diversity")
# What a board is computed from; an export holds these and more.
COLUMNS = (
    "number", "current", "mode", "scope", "study", "item", "item_kind", "repeat_of", "form",
    "pair_prob", "rater", "rater_kind", "rater_status", "consents", "turn", "asks_identity",
    "character", "excluded", "side", "generation", "other_generation", "model_rev", "arm",
    "source", "emotion", "finish", "leak_models", "leak_broken", "chars", "actions", "emoji",
    "lines", "criterion", "value", "outcome",
)  # fmt: skip
_WHOLE = (
    "number", "current", "asks_identity", "excluded", "chars", "actions", "emoji", "lines",
)  # fmt: skip
_REAL = ("value", "pair_prob")
Rows = Mapping[str, Sequence[Any]]
Leaks = Literal["included", "excluded"]


@dataclass(frozen=True)
class Spec:
    """Which ratings count. Everything that is left out stays stored and is counted as left out."""

    study: str = ""  # of one study alone; empty: of all
    modes: tuple[str, ...] = ("blind", "bank")
    sources: tuple[str, ...] = ("live", "recorded")
    rater_kinds: tuple[str, ...] = ("anon", "invited", "expert")
    leaks: Leaks = "included"
    finish: Literal["all", "stop"] = "all"
    flagged: Literal["included", "excluded"] = "excluded"
    doubtful: Literal["included", "excluded"] = "excluded"  # raters, by `rater_quality.RULE`
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

    def arguments(self) -> str:
        """The options of a command that chooses the same ratings; what is usual goes unsaid."""
        given = ["--study", shlex.quote(self.study)] if self.study else []
        given += ["--modes", *self.modes, "--cap", str(self.cap)]
        for option, name in (("sources", "sources"), ("raters", "rater_kinds")):
            if getattr(self, name) != getattr(Spec, name):
                given += [f"--{option}", *getattr(self, name)]
        for name in ("leaks", "flagged", "doubtful", "draws", "seed"):
            if getattr(self, name) != getattr(Spec, name):
                given += [f"--{name}", str(getattr(self, name))]
        return " ".join(given)


class Chosen:
    """Rows of ratings as arrays, by column; a choice of rows copies a column only when it is read.

    A value that is not applicable is NaN.
    """

    def __init__(self, columns: Mapping[str, Any], index: Any) -> None:
        self._columns = columns
        self._index = index
        self._read: dict[str, Any] = {}

    @classmethod
    def of(cls, rows: Rows) -> "Chosen":
        columns = {name: _array(name, rows[name]) for name in COLUMNS}
        return cls(columns, np.arange(len(rows["number"])))

    def only(self, rows: Any) -> "Chosen":
        return Chosen(self._columns, self._index[np.asarray(rows, dtype=bool)])

    def without(self, numbers: Any) -> "Chosen":
        """The same rows without these ratings: a rating counts whole or not at all."""
        return self.only(~np.isin(self["number"], numbers))

    def valued(self) -> "Chosen":
        """The rows that hold a value of a criterion."""
        return self.only(~np.isnan(self["value"]))

    def __getitem__(self, name: str) -> Any:
        if name not in self._read:
            self._read[name] = self._columns[name][self._index]
        return self._read[name]

    def __len__(self) -> int:
        return len(self._index)


def _array(name: str, values: Sequence[Any]) -> Any:
    if name in _WHOLE:
        return np.array(values, dtype=np.int64)
    if name in _REAL:
        return np.array([np.nan if one is None else one for one in values], dtype=np.float64)
    return np.array(values, dtype=object)


def valid(every: Chosen, spec: Spec) -> tuple[Chosen, dict[str, int]]:
    """The ratings that may count at all, and why the others do not. Each is counted once."""
    chosen = every.only((every["current"] == 1) & (every["criterion"] != ""))
    left_out: dict[str, int] = {}

    def drop(reason: str, keep: Any) -> None:
        nonlocal chosen
        gone = np.unique(chosen["number"][~np.asarray(keep, dtype=bool)])
        left_out[reason] = len(gone)
        chosen = chosen.without(gone)

    if spec.study:
        chosen = chosen.only(chosen["study"] == spec.study)
    drop("training or other pages", _among(chosen["mode"], spec.modes))
    drop("rater set aside", chosen["rater_status"] == "active")
    agreed = np.array(["rate" in value.split(",") for value in chosen["consents"]], dtype=bool)
    drop("consent withdrawn", agreed)
    drop("kind of rater", _among(chosen["rater_kind"], spec.rater_kinds))
    drop("asked for the model's name", chosen["asks_identity"] == 0)
    if spec.flagged == "excluded":
        drop("failed a rule", chosen["excluded"] == 0)
    if spec.doubtful == "excluded":
        for reason, raters in rater_quality.doubtful(chosen.valued()).items():
            drop(reason, ~_among(chosen["rater"], raters))
    return chosen, left_out


def doubtful_raters(rows: Rows) -> frozenset[str]:
    """Whom a board over all pages but the training rounds would set aside."""
    every = Spec(modes=("blind", "open", "bank", "chat"), doubtful="included")
    usable, _ = valid(Chosen.of(rows), every)
    return frozenset().union(*rater_quality.doubtful(usable.valued()).values())


def targets(usable: Chosen, spec: Spec) -> Chosen:
    """Without degraded copies and repeats, which test the raters and not the arms."""
    rows = (usable["item_kind"] != "degraded") & (usable["repeat_of"] == "")
    chosen = usable.only(rows)
    wrong = ~_among(chosen["source"], spec.sources)
    if spec.leaks == "excluded":
        wrong |= (chosen["leak_models"] != "") | (chosen["leak_broken"] != "")
    if spec.finish == "stop":
        wrong |= chosen["finish"] != "stop"
    return chosen.without(chosen["number"][np.asarray(wrong, dtype=bool)])


def capped(chosen: Chosen, cap: int) -> tuple[Chosen, int]:
    """The ratings within the cap of each rater, and how many are over it."""
    numbers, places = np.unique(chosen["number"], return_index=True)
    if not cap:
        return chosen, 0
    held = study.counted(zip(numbers.tolist(), chosen["rater"][places], strict=True), cap)
    over = [number for number in numbers.tolist() if number not in held]
    return chosen.without(over), len(over)


def _among(values: Any, known: Sequence[str]) -> Any:
    return np.array([value in known for value in values], dtype=bool)


def arm_labels(every: Chosen) -> dict[str, str]:
    """model_rev → name on the board. Two arms of one name are told apart by their hashes."""
    names = dict(sorted(zip(every["model_rev"], every["arm"], strict=True)))
    shared = [name for name in names.values() if list(names.values()).count(name) > 1]
    return {rev: f"{name}@{rev[:8]}" if name in shared else name for rev, name in names.items()}


def scores_of(chosen: Chosen, labels: Mapping[str, str]) -> Scores | None:
    rows = chosen.valued()
    if not len(rows):
        return None
    arm = [labels[rev] for rev in rows["model_rev"]]
    arms = tuple(sorted(set(arm)))
    asked = set(rows["criterion"])
    criteria = tuple(name for name in CRITERIA if name in asked)
    return Scores(
        arms, criteria, codes(rows["rater"]), codes(rows["turn"]),
        np.array([arms.index(one) for one in arm], dtype=np.int64),
        np.array([criteria.index(one) for one in rows["criterion"]], dtype=np.int64),
        rows["value"],
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


def data_hash(rows: Rows) -> str:
    """The hash of all rows with raters by order of appearance: their names differ by export."""
    body = hashlib.sha256()
    for name in COLUMNS:
        values = codes(rows[name]).tolist() if name == "rater" else list(rows[name])
        body.update(json.dumps([name, values], ensure_ascii=True).encode())
    return body.hexdigest()
