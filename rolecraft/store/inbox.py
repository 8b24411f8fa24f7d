"""One rating on its way in: who may, whether the form is ready, and the rows that are written.

Works inside the transaction that it is given and under the lock of the chain.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from sqlalchemy import Table, and_, bindparam, func, insert, literal, select, update
from sqlalchemy.orm import Session

from rolecraft.errors import RatingRefused
from rolecraft.store import chain, forms, quality
from rolecraft.store.forms import Form, Preference, Receipt, Side, Submission
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

# The statements of the one busy transaction are built once: building them again for every rating
# takes longer than the database does.
_FORMS = cast(Table, PresentationRow.__table__)
_EVENTS = cast(Table, EventRow.__table__)
_AGREED = and_(
    ConsentRow.rater_id == RaterRow.id,
    ConsentRow.scope == "rate",
    ConsentRow.withdrawn_ms.is_(None),
)
_RATER = (
    select(RaterRow.status, ConsentRow.doc_sha256)
    .select_from(RaterRow)
    .outerjoin(ConsentRow, _AGREED)
    .where(RaterRow.id == bindparam("rater"))
    .order_by(ConsentRow.granted_ms.desc())
    .limit(1)
)
_FORM = select(_FORMS).where(
    _FORMS.c.id == bindparam("form"), _FORMS.c.rater_id == bindparam("rater")
)
_LAST = (
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
_HOUR = select(func.count(literal(1)), func.max(_EVENTS.c.received_ms)).where(
    _EVENTS.c.rater_id == bindparam("rater"), _EVENTS.c.received_ms > bindparam("since"),
    _EVENTS.c.kind == "submit",
)  # fmt: skip
_STATE = update(_FORMS).where(_FORMS.c.id == bindparam("form")).values(state=bindparam("to"))
_NEW_EVENT = insert(_EVENTS)
_NEW_SCORES = insert(cast(Table, ScoreRow.__table__))


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
    """The values of the rater's form, as `owned` finds it, in less time."""
    values = {"form": form, "rater": rater}
    row = session.connection().execute(_FORM, values).one_or_none() if _text(form) else None
    if row is None:
        raise RatingRefused(NOT_YOURS, "not_yours")
    return row


def admit(session: Session, rater: str) -> str:
    """The hash of the consent under which this rater may rate. Raises `RatingRefused`."""
    found = session.connection().execute(_RATER, {"rater": rater}).one_or_none()
    if found is None or found.status == "erased":
        raise RatingRefused(
            "You are not known here any more. Reload the page to begin anew.", "unknown"
        )
    if found.status == "blocked":
        raise RatingRefused(
            "Ratings from this browser are not taken. Write to the study's team.", "blocked"
        )
    if found.doc_sha256 is None:
        raise RatingRefused(
            "Your consent is missing. Read it and agree before the first rating.", "consent"
        )
    return cast(str, found.doc_sha256)


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


@dataclass(frozen=True)
class Writer:
    """Writes one rating: its event, scores, comment, flags, and the new state of its form."""

    app: str
    now: int
    limits: quality.Limits
    new_id: Callable[[], str]

    def store(self, session: Session, row: Any, form: Form, given: Given) -> Receipt:
        """Store it, or raise `RatingRefused` with the reason and store nothing.

        `row` has the values of the form's `PresentationRow`.
        """
        consent = admit(session, given.rater) if given.kind != "withdraw" else ""
        content = self._content(form, given)
        last = None if row.state == "open" else _last(session, row.id)
        if given.kind == "submit" and row.state == "rated" and last and row.revealed_ms is None:
            if _same(session, last, row, content):
                return receipt(last, again=True)
            raise RatingRefused(
                "You have rated this already. Change that rating instead.", "rated", row.id
            )
        self._refuse(row, last, given.kind)
        event, flags = self._event(session, row, last, given, content, consent)
        connection = session.connection()
        connection.execute(_NEW_EVENT, event)
        self._details(session, row, event["id"], content, flags)
        if given.kind in ("submit", "skip"):
            to = "rated" if given.kind == "submit" else "skipped"
            connection.execute(_STATE, {"form": row.id, "to": to})
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

    def _refuse(self, row: Any, last: Any, kind: Kind) -> None:
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
        if row.state == "expired" or (row.state == "open" and self.now > row.expires_ms):
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
        session: Session,
        row: Any,
        last: Any,
        given: Given,
        content: Content,
        consent: str,
    ) -> tuple[dict[str, Any], tuple[quality.Flag, ...]]:
        sent = given.submission
        shown = _shown(session, row)
        received = max(self.now, row.shown_ms)  # the server's clock may have been set back
        active, wall, found = quality.durations(sent.active_ms, sent.wall_ms)
        if given.kind == "submit":
            chars = sum(chars for _, chars in shown.values())
            found += quality.flags(_pace(session, row, received, chars), self.limits)
        number, prev = chain.end(session)
        event: dict[str, Any] = {
            "id": given.event, "number": number + 1, "presentation_id": row.id,
            "rater_id": given.rater, "seq": last.seq + 1 if last else 1, "kind": given.kind,
            "preference": content.preference, "skip_reason": given.reason,
            "comment_sha256": _comment_hash(content),
            "after_reveal": int(row.revealed_ms is not None), "active_ms": active, "wall_ms": wall,
            "n_changes": _count(sent.n_changes), "input_mode": str(sent.input_mode)[:16],
            "consent_sha256": consent, "received_ms": received, "app_git": self.app,
            "prev_hash": prev,
        }  # fmt: skip
        keys = _score_keys(row, content)
        hashes = [shown[side][0] if side else None for side in (row.left_gen, row.right_gen)]
        event["row_hash"] = chain.row_hash(event, keys, chain.seal(chain.FORM, row), hashes)
        return event, found

    def _details(
        self,
        session: Session,
        row: Any,
        event: str,
        content: Content,
        found: tuple[quality.Flag, ...],
    ) -> None:
        if keys := _score_keys(row, content):
            session.connection().execute(
                _NEW_SCORES,
                [
                    {"event_id": event, "generation_id": generation, "criterion": criterion,
                     "value": value, "na": int(value is None)}
                    for generation, criterion, value in keys
                ],
            )  # fmt: skip
        if content.comment or content.better:
            session.add(
                CommentRow(
                    event_id=event, salt=content.salt, body=content.comment,
                    better=content.better or None,
                )
            )  # fmt: skip
        for flag in found:
            session.add(
                FlagRow(
                    event_id=event, rule=flag.rule, rule_version=flag.version, verdict="fail",
                    excludes=int(flag.excludes), detail=flag.detail, created_ms=self.now,
                )
            )  # fmt: skip


def _last(session: Session, form: str) -> Any:
    return session.connection().execute(_LAST, {"form": form}).one_or_none()


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


def _shown(session: Session, row: Any) -> dict[str, tuple[str, int]]:
    """Seal and length of the replies of a form."""
    sides = {"left": row.left_gen, "right": row.right_gen or ""}
    rows = session.connection().execute(_SHOWN, sides)
    return {one.id: (chain.seal(chain.SHOWN, one), one.chars) for one in rows}


def _pace(session: Session, row: Any, received: int, chars: int) -> quality.Pace:
    values = {"rater": row.rater_id, "since": received - _HOUR_MS}
    count, newest = session.connection().execute(_HOUR, values).one()
    return quality.Pace(
        shown_for_ms=received - row.shown_ms,
        chars=chars,
        since_last_ms=None if newest is None else max(received - newest, 0),
        last_hour=count,
        paced=row.mode in ("blind", "open", "chat"),
    )


def _comment_hash(content: Content) -> str | None:
    if not content.comment and not content.better:
        return None
    return chain.written_hash(content.salt, content.comment, content.better)


def _count(given: object) -> int:
    return given if type(given) is int and 0 <= given < 100_000 else 0


def _text(given: object) -> bool:
    return isinstance(given, str) and "\0" not in given and given.isascii()
