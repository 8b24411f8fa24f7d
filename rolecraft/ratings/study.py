"""What a rater of a study sees next, decided from stored facts.

Pure: knows no database, no page and no clock. Time and chance are arguments; given the same ones,
the decision is the same.
"""

import random
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from rolecraft.errors import ResultsError

if TYPE_CHECKING:
    from rolecraft.store.studies import Stand

Why = Literal["training", "target", "shared", "degraded", "repeat"]
Kind = Literal["target", "degraded", "training"]
DAY_MS = 24 * 3600 * 1000
_USUAL_MS = 25_000  # for one item, before anything is known of a rater


@dataclass(frozen=True)
class Plan:
    """How a study is dealt. Shares are of a rater's own `quota` of items.

    Once `raters` have rated their quota nothing more is dealt to anybody; 0 takes all who come.
    `cap` is how many ratings of one rater count on a board; 0 counts all, as a study of invited
    raters may, because its quota already bounds them.
    """

    raters_per_item: int = 3
    raters: int = 0
    quota: int = 20
    overlap: float = 0.18
    repeats: float = 0.05
    degraded: float = 0.05
    repeat_after_ms: int = DAY_MS
    training: int = 5
    cap: int = 10
    lease_ms: int = 30 * 60 * 1000
    invited: bool = False  # whether only invited raters may take part
    ask_reply: tuple[str, ...] = ("communication",)
    ask_conversation: tuple[str, ...] = ("consistency", "diversity")
    ask_pair: tuple[str, ...] = ("preference", "communication", "consistency", "diversity")

    def __post_init__(self) -> None:
        shares = self.overlap + self.repeats + self.degraded
        if min(self.overlap, self.repeats, self.degraded) < 0 or shares > 0.9:
            raise ResultsError(
                f"The shares of a study add up to {shares:g}. Overlap, repeats and degraded copies "
                "must leave at least a tenth for other items."
            )
        least = min(self.raters_per_item, self.quota)
        if least < 1 or min(self.training, self.cap, self.raters) < 0:
            raise ResultsError(
                "A study needs raters_per_item and quota of at least 1, training, cap and raters "
                "of at least 0."
            )

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> "Plan":
        """The plan of these values; an unknown name is refused."""
        known = {field.name for field in fields(cls)}
        if strange := sorted(set(values) - known):
            raise ResultsError(
                f"A study's plan has no {', '.join(strange)}. Known: {', '.join(sorted(known))}."
            )
        tuples: dict[str, Any] = {
            name: tuple(v) if isinstance(v, list) else v for name, v in values.items()
        }
        return cls(**tuples)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Item:
    """One thing to rate, and how many other raters have it behind or before them."""

    id: str
    number: int
    kind: Kind
    shared: bool
    raters: int  # who have rated it
    leased: int = 0  # who have it open now


@dataclass(frozen=True)
class Past:
    """One item that this rater was shown, and what came of it."""

    item: str
    shown_ms: int
    state: str  # rated | skipped | open | expired | void
    repeat: bool = False


@dataclass(frozen=True)
class Show:
    """Show this item; `probability` is the chance with which it was drawn."""

    item: str
    why: Why
    probability: float


@dataclass(frozen=True)
class Done:
    """Nothing to show now. `again_ms` is when there will be, if ever."""

    reason: Literal["quota", "empty", "later", "closed"]
    again_ms: int | None = None


@dataclass(frozen=True)
class Progress:
    """How far a rater is; minutes are None before anything is known."""

    done: int
    of: int
    minutes_left: int


def next_item(
    plan: Plan, items: Sequence[Item], past: Sequence[Past], now: int, rng: random.Random
) -> Show | Done:
    """What this rater sees next."""
    seen = {one.item for one in past if one.state in ("rated", "skipped", "open")}
    lessons = [i for i in items if i.kind == "training"][: plan.training]
    for lesson in lessons:
        if lesson.id not in seen:
            return Show(lesson.id, "training", 1.0)
    kinds = {item.id: item for item in items}
    own = [one for one in past if one.item in kinds and kinds[one.item].kind != "training"]
    rated = [one for one in own if one.state == "rated"]
    left = plan.quota - len(rated)
    if left <= 0:
        return Done("quota")
    fresh = [item for item in items if item.id not in seen and item.kind != "training"]
    due = {one.item for one in _due(plan, rated, now)}
    urns = [
        _Urn("degraded", [i for i in fresh if i.kind == "degraded"], plan.degraded),
        _Urn("shared", [i for i in fresh if i.shared], plan.overlap),
        _Urn("repeat", [i for i in items if i.id in due], plan.repeats),
    ]
    urns = [replace(urn, owed=_owed(urn, plan, own, kinds)) for urn in urns]
    plain = [i for i in fresh if i.kind == "target" and not i.shared]
    why, choices, chance = _draw(urns, plain, left, rng)
    if not choices:  # the urn that was drawn, or all that is plain, is empty: take what is left
        rest = [i for i in fresh if i.kind == "target"] or fresh
        why, choices, chance = "target", rest, 1.0
    if not choices:
        return _nothing_left(plan, rated, now)
    needed = choices if why != "target" else _neediest(plan, choices)
    return Show(rng.choice(needed).id, why, chance / len(needed))


def closed(stand: "Stand") -> bool:
    """Whether nothing more is dealt to anybody: by command, or because enough raters are through.

    Everybody may take part in a study without a number of raters until it is closed.
    """
    wanted = Plan.read(stand.plan).raters
    return stand.closed_ms is not None or 0 < wanted <= stand.through


def over(stand: "Stand") -> bool:
    """Whether a study is closed and nobody has a form of it open any more."""
    return closed(stand) and stand.open_forms == 0


def progress(
    plan: Plan, items: Sequence[Item], past: Sequence[Past], active_ms: Sequence[int]
) -> Progress:
    """How far a rater is and how long the rest will take at the rater's own pace."""
    kinds = {item.id: item.kind for item in items}
    done = sum(one.state == "rated" for one in past)
    training = min(plan.training, sum(kind == "training" for kind in kinds.values()))
    rest = sum(kind != "training" for kind in kinds.values())
    of = max(training + min(plan.quota, rest), done)
    pace = statistics.median(active_ms) if active_ms else _USUAL_MS
    return Progress(done, of, round((of - done) * pace / 60_000 + 0.49))


def form_order(rater: str, asked: Sequence[str]) -> tuple[str, ...]:
    """A rater's order of a form, the same each time; preference comes first for half of them."""
    rng = random.Random(rater)
    preference_first = rng.random() < 0.5
    criteria = [name for name in asked if name != "preference"]
    rng.shuffle(criteria)
    if "preference" not in asked:
        return tuple(criteria)
    return ("preference", *criteria) if preference_first else (*criteria, "preference")


def from_bank(plan: Plan, rng: random.Random) -> bool:
    """Whether an open comparison draws its pair from the shared bank this time."""
    return rng.random() < plan.overlap


def counted(events: Iterable[tuple[int, str]], cap: int) -> set[int]:
    """The numbers of the ratings that count: the first `cap` of each rater, all for 0.

    `events` are (number, rater). The others stay stored.
    """
    held: dict[str, int] = {}
    chosen = set()
    for number, rater in sorted(events):
        held[rater] = held.get(rater, 0) + 1
        if not cap or held[rater] <= cap:
            chosen.add(number)
    return chosen


def shuffled(text: str, rng: random.Random) -> str:
    """A degraded copy: the sentences, or failing them the clauses or characters, in disorder."""
    for pattern in (r"[^。！？!?…\n]+[。！？!?…\n]*", r"[^，,、；;：: ]+[，,、；;：: ]*", r"."):
        parts = re.findall(pattern, text, re.DOTALL)
        if len(set(parts)) > 1:
            mixed = parts
            for _ in range(20):
                mixed = rng.sample(parts, len(parts))
                if "".join(mixed) != text:
                    return "".join(mixed)
    return text


@dataclass(frozen=True)
class _Urn:
    """Items of one sort, the share of the quota that they are to have, and how many are owed."""

    why: Why
    choices: list[Item]
    share: float
    owed: float = 0.0


def _owed(urn: _Urn, plan: Plan, own: Sequence[Past], kinds: Mapping[str, Item]) -> float:
    """How many items of this sort the rater is still to see; skipped ones were seen."""

    def is_one(past: Past) -> bool:
        if urn.why == "repeat":
            return past.repeat
        item = kinds[past.item]
        wanted = item.kind == "degraded" if urn.why == "degraded" else item.shared
        return wanted and not past.repeat

    had = sum(is_one(past) for past in own if past.state in ("rated", "skipped"))
    return max(urn.share * plan.quota - had, 0.0)


def _due(plan: Plan, rated: Sequence[Past], now: int) -> list[Past]:
    """What may be shown a second time: rated once, long enough ago."""
    twice = {one.item for one in rated if one.repeat}
    return [
        one for one in rated if one.item not in twice and now - one.shown_ms >= plan.repeat_after_ms
    ]


def _draw(
    urns: Sequence[_Urn], plain: list[Item], left: int, rng: random.Random
) -> tuple[Why, list[Item], float]:
    """Draw a sort of item so that what is owed is spread over the places that are left."""
    point, used = rng.random() * left, 0.0
    for urn in urns:
        if urn.choices and urn.owed > 0:
            used += min(urn.owed, left)
            if point < used:
                return urn.why, urn.choices, min(urn.owed / left, 1.0)
    return "target", plain, max(1 - used / left, 1e-9)


def _neediest(plan: Plan, choices: Sequence[Item]) -> list[Item]:
    """The items nearest to enough raters, so that some are complete early; else the least rated."""
    taken = {item.id: item.raters + item.leased for item in choices}
    short = [item for item in choices if taken[item.id] < plan.raters_per_item]
    best = max((taken[i.id] for i in short), default=min(taken.values()))
    return [item for item in short or choices if taken[item.id] == best]


def _nothing_left(plan: Plan, rated: Sequence[Past], now: int) -> Done:
    twice = {one.item for one in rated if one.repeat}
    waiting = [one.shown_ms + plan.repeat_after_ms for one in rated if one.item not in twice]
    had = sum(one.repeat for one in rated)
    if waiting and had < int(plan.repeats * plan.quota) and min(waiting) > now:
        return Done("later", min(waiting))
    return Done("empty")
