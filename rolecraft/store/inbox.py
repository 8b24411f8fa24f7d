"""One rating on its way in: who may, whether the form is ready, and the rows that are written.

Works inside the transaction that it is given and under the lock of the chain.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from sqlalchemy import Connection, Table, bindparam, func, insert, literal, select, update
from sqlalchemy.orm import Session

from rolecraft.errors import RatingRefused
from rolecraft.store import chain, forms, quality
from rolecraft.store.forms import Form, Preference, Receipt, Side, Submission
from rolecraft.store.prepared import Prepared
from rolecraft.store.rated_schema import CommentRow, EventRow, FlagRow, PresentationRow, ScoreRow
from rolecraft.store.shown_schema import (
    ConsentRow,
    GenerationRow,
    ModelRevRow,
    RaterRow,
    TurnRow,
)

Kind = Literal["submit", "revise", "withdraw", "skip"]
# The same words for what never was, what is someone else's and what has a wrong token.
NOT_YOURS = "This form is not yours, or there is none. Open the page again."
_HOUR_MS = 3600 * 1000
_SEALS = 10_000  # kept in memory, some 3 MB

_FORMS = cast(Table, PresentationRow.__table__)
_EVENTS = cast(Table, EventRow.__table__)
_AGREED = (
    select(ConsentRow.doc_sha256)
    .where(
        ConsentRow.rater_id == RaterRow.id,
        ConsentRow.scope == "rate",
        ConsentRow.withdrawn_ms.is_(None),
    )
    .order_by(ConsentRow.granted_ms.desc())
    .limit(1)
    .scalar_subquery()
)
_RATER = Prepared(
    select(RaterRow.status.label("standing"), _AGREED.label("consent")).where(
        RaterRow.id == bindparam("rater")
    )
)
# Everything that is asked of an open form before it is rated.
_FORM = Prepared(
    select(_FORMS, RaterRow.status.label("standing"), _AGREED.label("consent"))
    .join(RaterRow, RaterRow.id == _FORMS.c.rater_id)
    .where(_FORMS.c.id == bindparam("form"), _FORMS.c.rater_id == bindparam("rater"))
)
_LAST = Prepared(
    select(_EVENTS)
    .where(_EVENTS.c.presentation_id == bindparam("form"))
    .order_by(_EVENTS.c.seq.desc())
    .limit(1)
)
_SHOWN = (
    select(*chain.SHOWN_COLUMNS, func.length(GenerationRow.reply_text).label("chars"))
    .join(TurnRow, TurnRow.id == GenerationRow.turn_id)
    .join(ModelRevRow, ModelRevRow.id == GenerationRow.model_rev_id)
    .where(GenerationRow.id.in_([bindparam("left"), bindparam("right")]))
)
_HOUR = Prepared(
    select(func.count(literal(1)), func.max(_EVENTS.c.received_ms)).where(
        _EVENTS.c.rater_id == bindparam("rater"), _EVENTS.c.received_ms > bindparam("since"),
        _EVENTS.c.kind == "submit",
    )
)  # fmt: skip
_STATE = Prepared(
    update(_FORMS).where(_FORMS.c.id == bindparam("form")).values(state=bindparam("to"))
)
_NEW_EVENT = Prepared(insert(_EVENTS))
_NEW_SCORES = Prepared(insert(cast(Table, ScoreRow.__table__)))
_NEW_COMMENT = Prepared(insert(cast(Table, CommentRow.__table__)))
_NEW_FLAGS = Prepared(insert(cast(Table, FlagRow.__table__)))


class Expired(RatingRefused):
    """The form was left open for too long."""


@dataclass(frozen=True)
class Given:
    """A submission with who sent it and what for; `event` is its id in canonical form."""

    event: str
    rater: str
    submission: Submission
    kind: Kind
    reason: str | None
    again: bool = False  # it was tried before, and may be stored all the same


@dataclass(frozen=True)
class Content:
    """What a submission says, checked. A skip or a withdrawal says nothing."""

    preference: Preference | None = None
    scores: Mapping[tuple[Side, str], int | None] | None = None
    comment: str = ""
    better: str = ""
    salt: str = ""  # of the hash of what was written


def owned(session: Session, rater: str, form: object) -> PresentationRow:
    """The row of the rater's form, to be changed. Raises `RatingRefused` for any other."""
    query = select(PresentationRow).where(
        PresentationRow.id == form, PresentationRow.rater_id == rater
    )
    row = session.scalar(query.with_for_update()) if _text(form) else None
    if row is None:
        raise RatingRefused(NOT_YOURS, "not_yours")
    return row


def found(session: Session, rater: str, form: object) -> Any:
    """The values of the rater's form, as `owned` finds it, in less time.

    With it come the rater's `standing` and `consent`, as `admit` takes them.
    """
    values = {"form": form, "rater": rater}
    row = _FORM.run(session.connection(), values).one_or_none() if _text(form) else None
    if row is None:
        raise RatingRefused(NOT_YOURS, "not_yours")
    return row


def rater(session: Session, id: str) -> Any:
    """The `standing` and `consent` of a rater, as `admit` takes them; None for nobody."""
    return _RATER.run(session.connection(), {"rater": id}).one_or_none()


def admit(found: Any) -> str:
    """The hash of the consent under which this rater may rate. Raises `RatingRefused`."""
    if found is None or found.standing == "erased":
        raise RatingRefused(
            "You are not known here any more. Reload the page to begin anew.", "unknown"
        )
    if found.standing == "blocked":
        raise RatingRefused(
            "Ratings from this browser are not taken. Write to the study's team.", "blocked"
        )
    if found.consent is None:
        raise RatingRefused(
            "Your consent is missing. Read it and agree before the first rating.", "consent"
        )
    return cast(str, found.consent)


def stored(session: Session, given: Given) -> Receipt | None:
    """The receipt of this very rating when it is in the database already."""
    row = session.get(EventRow, given.event)
    if row is None:
        return None
    if (row.rater_id, row.presentation_id) != (given.rater, given.submission.form):
        raise RatingRefused("This id belongs to another rating. Reload the page.", "bad_id")
    return receipt(row, again=True)


def receipt(row: Any, *, again: bool) -> Receipt:
    return Receipt(row.id, row.presentation_id, row.seq, row.received_ms, code(row.row_hash), again)


def code(row_hash: str) -> str:
    """What a rater may quote: the beginning of the hash, in two groups."""
    return f"{row_hash[:4]}-{row_hash[4:8]}".upper()


class Seals:
    """Seal and length of replies. Of those that have ended it is kept: they never change again.

    A study shows the same replies to many raters.
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple[str, int]] = {}

    def of(self, session: Session, row: Any) -> dict[str, tuple[str, int]]:
        """Those of the replies of a form."""
        sides = {side for side in (row.left_gen, row.right_gen) if side}
        found = {side: self._kept[side] for side in sides if side in self._kept}
        if len(found) < len(sides):
            if len(self._kept) > _SEALS:
                self._kept.clear()
            values = {"left": row.left_gen, "right": row.right_gen or ""}
            for one in session.connection().execute(_SHOWN, values):
                found[one.id] = (chain.seal(chain.SHOWN, one), one.chars)
                if one.finish is not None:
                    self._kept[one.id] = found[one.id]
        return found


class Writer:
    """Writes ratings: their events, scores, comments, flags, and the new states of their forms.

    Made for one transaction under the lock of the chain, of which it holds the end.
    """

    def __init__(self, session: Session, app: str, limits: quality.Limits, seals: Seals) -> None:
        self._session = session
        self._connection: Connection = session.connection()
        self._app = app
        self._limits = limits
        self._seals = seals
        self._end = chain.end(session)

    def store(self, row: Any, form: Form, given: Given, now: int) -> Receipt:
        """Store one, or raise `RatingRefused` with the reason and store nothing.

        `row` is what `found` gave. What fails half-way must be undone by the caller.
        """
        consent = admit(row) if given.kind != "withdraw" else ""
        content = self._content(form, given)
        last = None if row.state == "open" else self._last(row.id)
        if given.kind == "submit" and row.state == "rated" and last and row.revealed_ms is None:
            if _same(self._session, last, row, content):
                return receipt(last, again=True)
            raise RatingRefused(
                "You have rated this already. Change that rating instead.", "rated", row.id
            )
        self._refuse(row, last, given.kind, now)
        keys = _score_keys(row, content)
        event, flags = self._event(row, last, given, content, consent, keys, now)
        _NEW_EVENT.run(self._connection, event)
        self._details(event["id"], keys, content, flags, now)
        if given.kind in ("submit", "skip"):
            to = "rated" if given.kind == "submit" else "skipped"
            _STATE.run(self._connection, {"form": row.id, "to": to})
        self._end = event["number"], event["row_hash"]
        return Receipt(
            event["id"], row.id, event["seq"], event["received_ms"], code(event["row_hash"]), False
        )

    def _content(self, form: Form, given: Given) -> Content:
        comment = forms.comment_of(given.submission.comment)
        salt = secrets.token_hex(16)
        if given.kind in ("skip", "withdraw"):
            return Content(comment=comment, salt=salt)
        better = forms.better_of(given.submission.better, form)
        return Content(*forms.checked(given.submission, form), comment, better, salt)

    def _last(self, form: str) -> Any:
        return _LAST.run(self._connection, {"form": form}).one_or_none()

    def _refuse(self, row: Any, last: Any, kind: Kind, now: int) -> None:
        if last and last.kind == "withdraw":
            raise RatingRefused("This rating was withdrawn and stays so.", "withdrawn")
        if kind == "withdraw":
            if row.state != "rated":
                raise RatingRefused("There is no rating to withdraw here.", "unrated")
            return
        if row.revealed_ms is not None:
            raise RatingRefused("The names are out: this rating is final.", "final")
        if row.state == "void":
            raise RatingRefused(
                "A reply of this pair has failed: it cannot be rated. Try again.", "failed"
            )
        if row.state == "skipped":
            raise RatingRefused("You have passed this one over. Go on with the next.", "skipped")
        if row.state == "expired" or (row.state == "open" and now > row.expires_ms):
            raise Expired(
                "This form was open for too long. Ask for a new one and rate again.", "expired"
            )
        if kind == "revise" and row.state != "rated":
            raise RatingRefused("There is no rating to change here yet.", "unrated")
        if kind == "skip" and row.state == "rated":
            raise RatingRefused(
                "You have rated this already. Withdraw the rating instead.", "rated", row.id
            )
        if kind != "skip" and row.both_done_ms is None:
            raise RatingRefused("Wait until every reply has ended, then rate.", "not_ended")

    def _event(
        self,
        row: Any,
        last: Any,
        given: Given,
        content: Content,
        consent: str,
        keys: list[chain.ScoreKey],
        now: int,
    ) -> tuple[dict[str, Any], tuple[quality.Flag, ...]]:
        sent = given.submission
        shown = self._seals.of(self._session, row)
        received = max(now, row.shown_ms)  # the server's clock may have been set back
        active, wall, found = quality.durations(sent.active_ms, sent.wall_ms)
        if given.kind == "submit":
            chars = sum(chars for _, chars in shown.values())
            found += quality.flags(self._pace(row, received, chars), self._limits)
        number, prev = self._end
        event: dict[str, Any] = {
            "id": given.event, "number": number + 1, "presentation_id": row.id,
            "rater_id": given.rater, "seq": last.seq + 1 if last else 1, "kind": given.kind,
            "preference": content.preference, "skip_reason": given.reason,
            "comment_sha256": _comment_hash(content),
            "after_reveal": int(row.revealed_ms is not None), "active_ms": active, "wall_ms": wall,
            "n_changes": _count(sent.n_changes), "input_mode": str(sent.input_mode)[:16],
            "consent_sha256": consent, "received_ms": received, "app_git": self._app,
            "prev_hash": prev,
        }  # fmt: skip
        hashes = [shown[side][0] if side else None for side in (row.left_gen, row.right_gen)]
        event["row_hash"] = chain.row_hash(event, keys, chain.seal(chain.FORM, row), hashes)
        return event, found

    def _details(
        self,
        event: str,
        keys: list[chain.ScoreKey],
        content: Content,
        found: tuple[quality.Flag, ...],
        now: int,
    ) -> None:
        scores = [
            {"event_id": event, "generation_id": generation, "criterion": criterion,
             "value": value, "na": int(value is None)}
            for generation, criterion, value in keys
        ]  # fmt: skip
        _NEW_SCORES.run_many(self._connection, scores)
        if content.comment or content.better:
            wrote = {
                "event_id": event, "salt": content.salt, "body": content.comment,
                "better": content.better or None,
            }  # fmt: skip
            _NEW_COMMENT.run(self._connection, wrote)
        flags = [
            {"event_id": event, "rule": flag.rule, "rule_version": flag.version,
             "verdict": "fail", "excludes": int(flag.excludes), "detail": flag.detail,
             "created_ms": now}
            for flag in found
        ]  # fmt: skip
        _NEW_FLAGS.run_many(self._connection, flags)

    def _pace(self, row: Any, received: int, chars: int) -> quality.Pace:
        paced = row.mode in ("blind", "open", "chat")
        count, newest = 0, None
        if paced:  # in a study nobody asks
            values = {"rater": row.rater_id, "since": received - _HOUR_MS}
            pace: Any = _HOUR.run(self._connection, values).one()
            count, newest = pace
        return quality.Pace(
            shown_for_ms=received - row.shown_ms,
            chars=chars,
            since_last_ms=None if newest is None else max(received - newest, 0),
            last_hour=count,
            paced=paced,
        )


def _same(session: Session, last: Any, row: Any, content: Content) -> bool:
    query = select(ScoreRow).where(ScoreRow.event_id == last.id)
    held = sorted(
        ((one.generation_id, one.criterion, one.value) for one in session.scalars(query)), key=str
    )
    return last.preference == content.preference and held == _score_keys(row, content)


def _score_keys(row: Any, content: Content) -> list[chain.ScoreKey]:
    sides = {"left": row.left_gen, "right": row.right_gen or ""}
    scores = content.scores or {}
    return sorted(((sides[side], name, value) for (side, name), value in scores.items()), key=str)


def _comment_hash(content: Content) -> str | None:
    if not content.comment and not content.better:
        return None
    return chain.written_hash(content.salt, content.comment, content.better)


def _count(given: object) -> int:
    return given if type(given) is int and 0 <= given < 100_000 else 0


def _text(given: object) -> bool:
    return isinstance(given, str) and "\0" not in given and given.isascii()
