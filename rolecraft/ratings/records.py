"""What raters said of replies, record by record, and what became of each record.

A record is one vote between two replies, one rater's values for one reply, or one reply that a
rater put into better words. It is settled once: used in an example, or refused with the reason.
Knows no trainer and no file.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal

from rolecraft.store.forms import CRITERIA, PREFERENCE

Kind = Literal["vote", "rating", "rewrite"]
KINDS: tuple[Kind, ...] = ("vote", "rating", "rewrite")
Row = Mapping[str, Any]
ERASED = "the rater is erased"


@dataclass
class Record:
    """One statement of one rater. Of a vote the preferred reply comes first."""

    kind: Kind
    number: int  # of the rating in the chain of all
    rater: str
    replies: tuple[str, ...]
    value: float | None = None  # of a rating: the mean of its criteria
    text: str = ""  # of a rewrite
    outcome: str = ""  # of a vote: won, tie or both_bad
    refusal: str = ""
    used: bool = False

    def refuse(self, reason: str) -> None:
        """It is in no example, and why; the first reason stays. What is used stays used."""
        if not self.used:
            self.refusal = self.refusal or reason

    def use(self) -> None:
        """It is in an example, whatever else was said against it."""
        self.used, self.refusal = True, ""


@dataclass(frozen=True)
class Accounts:
    """The counts of records: always in = used + refused, for each kind and altogether."""

    kinds: Mapping[str, Mapping[str, int]]
    reasons: Mapping[str, int]
    total: Mapping[str, int] = field(default_factory=dict)


def read(
    rows: Iterable[Row],
    *,
    doubtful: Collection[str] = (),
    modes: Collection[str] = (),
    better: Mapping[str, str] | None = None,
) -> list[Record]:
    """The records of the rows of `rating_rows`, in the order of the chain.

    Those that say nothing about a reply as such are refused already: `doubtful` names raters whose
    word does not count, `modes` the pages from which ratings are taken; `better` holds what the
    raters would have had a character say, by form.
    """
    found: list[Record] = []
    for _, group in groupby(rows, key=lambda row: row["number"]):
        each = list(group)
        refusal = _refusal(each[0], any(one["source"] == "degraded" for one in each))
        if not refusal and each[0]["rater"] in doubtful:
            refusal = "the rater does not tell good from bad"
        if not refusal and each[0]["mode"] not in modes:
            refusal = "given with the names in sight"
        written = (better or {}).get(each[0]["form"], "")
        for record in (*_votes(each), *_ratings(each), *_rewrites(each, written)):
            record.refusal = refusal or record.refusal
            found.append(record)
    return found


def accounts(records: Iterable[Record], erased: Mapping[str, int]) -> Accounts:
    """What became of all records; `erased` counts, by kind, those of which nothing is left.

    Raises RuntimeError for a record that was neither used nor refused.
    """
    kinds = {kind: Counter({"in": 0, "used": 0, "refused": 0}) for kind in KINDS}
    reasons: Counter[str] = Counter()
    for one in records:
        if one.used == bool(one.refusal):
            raise RuntimeError(f"Record {one.number} ({one.kind}) is not settled: {one}")
        kinds[one.kind].update(["in", "used" if one.used else "refused"])
        reasons.update([one.refusal] if one.refusal else [])
    for kind in KINDS:
        count = erased.get(kind, 0)
        kinds[kind].update({"in": count, "refused": count})
        reasons.update({ERASED: count} if count else {})
    total: Counter[str] = Counter()
    for counts in kinds.values():
        total.update(counts)
    ordered = sorted(reasons.items(), key=lambda one: (-one[1], one[0]))
    return Accounts({kind: dict(counts) for kind, counts in kinds.items()}, dict(ordered), total)


def _refusal(row: Row, degraded: bool) -> str:
    """Why nothing that this rating says is learnt from."""
    checks: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("withdrawn or replaced by a later version", lambda: row["current"] != 1),
        ("a training round", lambda: row["mode"] == "training"),
        ("a degraded copy", lambda: degraded or row["item_kind"] == "degraded"),
        ("a repetition", lambda: bool(row["repeat_of"])),
        ("the rater is set aside", lambda: row["rater_status"] != "active"),
        ("no consent to training", lambda: "train" not in row["consents"].split(",")),
        ("failed a rule", lambda: bool(row["excluded"])),
        ("asked for the model's name", lambda: bool(row["asks_identity"])),
    )
    return next((reason for reason, fails in checks if fails()), "")


def _votes(rows: list[Row]) -> Iterator[Record]:
    for row in rows:
        if row["criterion"] == PREFERENCE and row["side"] == "left":
            pair = row["generation"], row["other_generation"]
            replies = pair[::-1] if row["outcome"] == "lost" else pair
            outcome = "won" if row["outcome"] == "lost" else row["outcome"]
            record = Record("vote", row["number"], row["rater"], replies, outcome=outcome)
            if outcome == "tie":
                record.refuse("a tie")
            if outcome == "both_bad":
                record.refuse("both were bad")
            yield record


def _ratings(rows: list[Row]) -> Iterator[Record]:
    values: dict[str, list[int]] = {}
    for row in rows:
        if row["criterion"] in CRITERIA:
            given = values.setdefault(row["generation"], [])
            given += [] if row["value"] is None else [row["value"]]
    for reply, given in values.items():
        mean = sum(given) / len(given) if given else None
        record = Record("rating", rows[0]["number"], rows[0]["rater"], (reply,), mean)
        if mean is None:
            record.refuse("no criterion applied")
        yield record


def _rewrites(rows: list[Row], text: str) -> Iterator[Record]:
    first = rows[0]
    if text and first["current"] == 1:
        yield Record("rewrite", first["number"], first["rater"], (first["generation"],), text=text)
