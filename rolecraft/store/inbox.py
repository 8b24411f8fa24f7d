"""One rating on its way in: who may, whether the form is ready, and the rows that are written.

Works inside the transaction that it is given and under the lock of the chain.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from rolecraft.errors import RatingRefused
from rolecraft.store import chain, forms, quality
from rolecraft.store.forms import Form, Preference, Receipt, Side, Submission
from rolecraft.store.rated_schema import CommentRow, EventRow, FlagRow, PresentationRow, ScoreRow
from rolecraft.store.shown_schema import ConsentRow, GenerationRow, RaterRow

Kind = Literal["submit", "revise", "withdraw", "skip"]
# The same words for what never was, what is someone else's and what has a wrong token.
NOT_YOURS = "This form is not yours, or there is none. Open the page again."
_HOUR_MS = 3600 * 1000


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
    salt: str = ""  # of the comment's hash


def owned(session: Session, rater: str, form: object, *, lock: bool = False) -> PresentationRow:
    """The row of the rater's form. Raises `RatingRefused` for any other."""
    query = select(PresentationRow).where(
        PresentationRow.id == form, PresentationRow.rater_id == rater
    )
    row = session.scalar(query.with_for_update() if lock else query) if _text(form) else None
    if row is None:
        raise RatingRefused(NOT_YOURS)
    return row


def admit(session: Session, rater: str) -> str:
    """The hash of the consent under which this rater may rate. Raises `RatingRefused`."""
    query = (
        select(RaterRow.status, ConsentRow.doc_sha256)
        .outerjoin(
            ConsentRow,
            (ConsentRow.rater_id == RaterRow.id)
            & (ConsentRow.scope == "rate")
            & ConsentRow.withdrawn_ms.is_(None),
        )
        .where(RaterRow.id == rater)
        .order_by(ConsentRow.granted_ms.desc())
        .limit(1)
    )
    found = session.execute(query).one_or_none()
    if found is None or found.status == "erased":
        raise RatingRefused("You are not known here any more. Reload the page to begin anew.")
    if found.status == "blocked":
        raise RatingRefused("Ratings from this browser are not taken. Write to the study's team.")
    if found.doc_sha256 is None:
        raise RatingRefused("Your consent is missing. Read it and agree before the first rating.")
    return cast(str, found.doc_sha256)


def stored(session: Session, given: Given) -> Receipt | None:
    """The receipt of this very rating when it is in the database already."""
    row = session.get(EventRow, given.event)
    if row is None:
        return None
    if (row.rater_id, row.presentation_id) != (given.rater, given.submission.form):
        raise RatingRefused("This id belongs to another rating. Reload the page.")
    return receipt(row, again=True)


def receipt(row: EventRow, *, again: bool) -> Receipt:
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

    def store(self, session: Session, row: PresentationRow, form: Form, given: Given) -> Receipt:
        """Store it, or raise `RatingRefused` with the reason and store nothing."""
        consent = admit(session, given.rater) if given.kind != "withdraw" else ""
        content = self._content(form, given)
        last = _last(session, row.id)
        if given.kind == "submit" and row.state == "rated" and last and row.revealed_ms is None:
            if _same(session, last, row, content):
                return receipt(last, again=True)
            raise RatingRefused("You have rated this already. Change that rating instead.")
        self._refuse(row, last, given.kind)
        event, found = self._event(session, row, last, given, content, consent)
        session.execute(insert(EventRow), [event])
        self._details(session, row, event["id"], content, found)
        if given.kind in ("submit", "skip"):
            session.execute(
                update(PresentationRow)
                .where(PresentationRow.id == row.id)
                .values(state="rated" if given.kind == "submit" else "skipped")
                .execution_options(synchronize_session=False)
            )
        return Receipt(
            event["id"], row.id, event["seq"], event["received_ms"], code(event["row_hash"]), False
        )

    def _content(self, form: Form, given: Given) -> Content:
        comment = forms.comment_of(given.submission.comment)
        salt = secrets.token_hex(16)
        if given.kind in ("skip", "withdraw"):
            return Content(comment=comment, salt=salt)
        return Content(*forms.checked(given.submission, form), comment, salt)

    def _refuse(self, row: PresentationRow, last: EventRow | None, kind: Kind) -> None:
        if last and last.kind == "withdraw":
            raise RatingRefused("This rating was withdrawn and stays so.")
        if kind == "withdraw":
            if row.state != "rated":
                raise RatingRefused("There is no rating to withdraw here.")
            return
        if row.revealed_ms is not None:
            raise RatingRefused("The names are out: this rating is final.")
        if row.state == "void":
            raise RatingRefused("A reply of this pair has failed: it cannot be rated. Try again.")
        if row.state == "skipped":
            raise RatingRefused("You have passed this one over. Go on with the next.")
        if row.state == "expired" or (row.state == "open" and self.now > row.expires_ms):
            raise Expired("This form was open for too long. Ask for a new one and rate again.")
        if kind == "revise" and row.state != "rated":
            raise RatingRefused("There is no rating to change here yet.")
        if kind == "skip" and row.state == "rated":
            raise RatingRefused("You have rated this already. Withdraw the rating instead.")
        if kind != "skip" and row.both_done_ms is None:
            raise RatingRefused("Wait until every reply has ended, then rate.")

    def _event(
        self,
        session: Session,
        row: PresentationRow,
        last: EventRow | None,
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
        event["row_hash"] = chain.row_hash(event, keys, hashes)
        return event, found

    def _details(
        self,
        session: Session,
        row: PresentationRow,
        event: str,
        content: Content,
        found: tuple[quality.Flag, ...],
    ) -> None:
        if keys := _score_keys(row, content):
            session.execute(
                insert(ScoreRow),
                [
                    {"event_id": event, "generation_id": generation, "criterion": criterion,
                     "value": value, "na": int(value is None)}
                    for generation, criterion, value in keys
                ],
            )  # fmt: skip
        if content.comment:
            session.add(CommentRow(event_id=event, salt=content.salt, body=content.comment))
        for flag in found:
            session.add(
                FlagRow(
                    event_id=event, rule=flag.rule, rule_version=flag.version, verdict="fail",
                    excludes=int(flag.excludes), detail=flag.detail, created_ms=self.now,
                )
            )  # fmt: skip


def _last(session: Session, form: str) -> EventRow | None:
    query = select(EventRow).where(EventRow.presentation_id == form)
    return session.scalar(query.order_by(EventRow.seq.desc()).limit(1))


def _same(session: Session, last: EventRow, row: PresentationRow, content: Content) -> bool:
    query = select(ScoreRow).where(ScoreRow.event_id == last.id)
    held = sorted(
        ((one.generation_id, one.criterion, one.value) for one in session.scalars(query)), key=str
    )
    return last.preference == content.preference and held == _score_keys(row, content)


def _score_keys(row: PresentationRow, content: Content) -> list[chain.ScoreKey]:
    sides = {"left": row.left_gen, "right": row.right_gen or ""}
    scores = content.scores or {}
    return sorted(((sides[side], name, value) for (side, name), value in scores.items()), key=str)


def _shown(session: Session, row: PresentationRow) -> dict[str, tuple[str, int]]:
    """Hash and length of the replies of a form."""
    sides = [side for side in (row.left_gen, row.right_gen) if side]
    query = select(
        GenerationRow.id, GenerationRow.whole_sha256, func.length(GenerationRow.reply_text)
    ).where(GenerationRow.id.in_(sides))
    return {id: (sha256, chars) for id, sha256, chars in session.execute(query)}


def _pace(session: Session, row: PresentationRow, received: int, chars: int) -> quality.Pace:
    query = select(func.count(), func.max(EventRow.received_ms)).where(
        EventRow.rater_id == row.rater_id,
        EventRow.received_ms > received - _HOUR_MS,
        EventRow.kind == "submit",
    )
    count, newest = session.execute(query).one()
    return quality.Pace(
        shown_for_ms=received - row.shown_ms,
        chars=chars,
        since_last_ms=None if newest is None else max(received - newest, 0),
        last_hour=count,
        paced=row.mode in ("blind", "open", "chat"),
    )


def _comment_hash(content: Content) -> str | None:
    return chain.digest(content.salt + content.comment) if content.comment else None


def _count(given: object) -> int:
    return given if type(given) is int and 0 <= given < 100_000 else 0


def _text(given: object) -> bool:
    return isinstance(given, str) and "\0" not in given and given.isascii()
