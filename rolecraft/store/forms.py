"""The values that pass between a page and the store of ratings, and the checks on what comes in.

Knows no database: what was shown and asked is passed in. Everything that comes from a browser is
taken as hostile: a value of the wrong type is refused in words, never converted.
"""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rolecraft.errors import RatingRefused

Mode = Literal["blind", "open", "bank", "training", "chat"]
Extent = Literal["reply", "conversation"]
Side = Literal["left", "right"]
Preference = Literal["left", "right", "tie", "both_bad"]
PREFERENCES: tuple[Preference, ...] = ("left", "right", "tie", "both_bad")
CRITERIA = ("communication", "consistency", "diversity")
PREFERENCE = "preference"
COMMENT_LENGTH = 2000
SKIPS = ("unclear", "cannot_judge", "offensive", "broken", "no_time", "other")


@dataclass(frozen=True)
class Form:
    """A form as a page needs it. `left` and `right` are ids of replies and tell no arm."""

    id: str
    token: str
    mode: Mode
    scope: Extent
    left: str
    right: str | None
    order: tuple[str, ...]  # "preference" and criteria, in the order in which they are asked
    rubric: str
    state: str  # open | rated | skipped | void | expired
    ready: bool  # whether every reply has ended
    expires_ms: int
    revealed: bool
    item: str | None = None


@dataclass(frozen=True)
class Score:
    """One value of one criterion for one side; None is "not applicable"."""

    side: Side
    criterion: str
    value: int | None


@dataclass(frozen=True)
class Submission:
    """What a page sends. `id` is a UUID that the browser made; sent again it is the same rating."""

    id: str
    form: str
    token: str
    preference: str | None = None
    scores: tuple[Score, ...] = ()
    comment: str = ""
    better: str = ""  # what the rater would have had the character say
    active_ms: int = 0
    wall_ms: int = 0
    n_changes: int = 0
    input_mode: str = ""


@dataclass(frozen=True)
class Receipt:
    """Proof that a rating is in the database. `code` can be quoted by the rater."""

    event: str
    form: str
    seq: int
    received_ms: int
    code: str
    again: bool  # it was there already


def event_id(given: object) -> str:
    """The canonical form of a client's UUID."""
    try:
        return str(uuid.UUID(given)) if isinstance(given, str) else _no_id(given)
    except ValueError:
        return _no_id(given)


def _no_id(given: object) -> str:
    raise RatingRefused(f"The rating's id {_short(given)} is no UUID. Reload the page.", "bad_id")


def checked(
    submission: Submission, form: Form
) -> tuple[Preference | None, dict[tuple[Side, str], int | None]]:
    """The preference and the scores of a submission, when it answers what the form asked.

    Raises `RatingRefused`, naming what is wrong.
    """
    preference = _preference(submission.preference, form)
    sides: tuple[Side, ...] = ("left", "right") if form.right else ("left",)
    asked = tuple(name for name in form.order if name != PREFERENCE)
    scores: dict[tuple[Side, str], int | None] = {}
    for score in submission.scores:
        if score.side not in sides:
            raise RatingRefused(
                f"The reply {_short(score.side)} was not shown in this form.", "not_shown"
            )
        if score.criterion not in asked:
            raise RatingRefused(
                f"{_short(score.criterion)} is not asked here. Asked: {', '.join(asked) or '–'}.",
                "not_asked",
            )
        if (score.side, score.criterion) in scores:
            raise RatingRefused(
                f"{score.criterion} of the {score.side} reply is given twice.", "twice"
            )
        scores[score.side, score.criterion] = _value(score)
    _complete(preference, scores, asked, sides)
    return preference, scores


def comment_of(given: object) -> str:
    """The comment, when it can be kept."""
    if not isinstance(given, str) or re.search("[\0\ud800-\udfff]", given):
        raise RatingRefused(
            "The comment holds characters that cannot be kept. Remove them.", "bad_comment"
        )
    if len(given) > COMMENT_LENGTH:
        raise RatingRefused(
            f"The comment has {len(given)} characters; at most {COMMENT_LENGTH} are possible.",
            "long_comment",
        )
    return given.strip()


def better_of(given: object, form: Form) -> str:
    """Better words for the one reply of a form, when they can be kept."""
    said = comment_of(given)
    if said and not takes_better_words(form):
        raise RatingRefused("Better words are not asked for here.", "not_asked")
    return said


def takes_better_words(form: Form) -> bool:
    """Whether a form is about one reply, which a rater may put into other words."""
    return form.right is None and form.scope == "reply" and form.mode != "training"


def _preference(given: object, form: Form) -> Preference | None:
    if given is None:
        return None
    if form.right is None or PREFERENCE not in form.order:
        raise RatingRefused("No preference is asked here: this form shows one reply.", "not_asked")
    for known in PREFERENCES:
        if given == known and isinstance(given, str):
            return known
    raise RatingRefused(
        f"The vote {_short(given)} is none of {', '.join(PREFERENCES)}.", "bad_value"
    )


def _value(score: Score) -> int | None:
    value: object = score.value
    if value is None:
        return None
    if type(value) is not int or not 1 <= value <= 5:
        raise RatingRefused(
            f"{score.criterion} is {_short(value)}. Choose a whole number from 1 to 5, or "
            "“not applicable”.",
            "bad_value",
        )
    return value


def _complete(
    preference: Preference | None,
    scores: Mapping[tuple[Side, str], int | None],
    asked: tuple[str, ...],
    sides: tuple[Side, ...],
) -> None:
    missing = [f"{name} ({side})" for side in sides for name in asked if (side, name) not in scores]
    if scores and missing:
        raise RatingRefused(
            f"Still open: {', '.join(missing)}. Give a value or “not applicable”.", "incomplete"
        )
    if not scores and preference is None:
        raise RatingRefused("Nothing is rated yet. Choose a side or give the values.", "incomplete")


def _short(given: object) -> str:
    said = repr(given)
    return said if len(said) <= 40 else said[:39] + "…"
