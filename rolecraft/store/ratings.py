"""Ratings: forms put before raters, what is sent in, and when the names are told.

Knows no page and no arm's merit. Every call names the rater, and checks owner, token and state
again, whatever the page has checked; the triggers of the database check once more.
"""

import hmac
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from sqlalchemy import Select, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from rolecraft.errors import RatingNotSaved, RatingRefused, StoreUnavailable
from rolecraft.store import chain, forms, inbox
from rolecraft.store.batches import Batches
from rolecraft.store.conversations import new_id, now_ms
from rolecraft.store.database import Database
from rolecraft.store.forms import Extent, Form, Mode, Receipt, Submission
from rolecraft.store.generations import FAILED, all_ended
from rolecraft.store.quality import Limits
from rolecraft.store.rated_schema import EventRow, PresentationRow, ScoreRow
from rolecraft.store.raters import Raters
from rolecraft.store.shown_schema import GenerationRow, ModelRevRow, RubricRevRow

LEASE_MS = 30 * 60 * 1000


@dataclass(frozen=True)
class Offer:
    """What is to be put before a rater: one finished reply, or two of which sides are drawn.

    `probability` is the chance with which this pair, and no other, was drawn by `policy`.
    """

    turn: str
    replies: tuple[str, ...]
    mode: Mode
    scope: Extent
    order: tuple[str, ...]
    rubric: str
    policy: str = "fixed"
    probability: float = 1.0
    item: str | None = None
    gold: str | None = None
    repeat_of: str | None = None


@dataclass(frozen=True)
class Mine:
    """One rating in the list of a rater's own."""

    form: str
    event: str
    kind: str
    seq: int
    received_ms: int
    code: str
    preference: str | None
    scores: tuple[tuple[str, str, int | None], ...]  # side, criterion, value
    may_change: bool


class Ratings:
    """Reads and writes forms and ratings. Safe to use from several threads.

    Raises `RatingRefused` with the reason, and `RatingNotSaved` when the database cannot take the
    rating now: nothing was stored, and the same submission may be sent again.
    """

    def __init__(
        self,
        database: Database,
        raters: Raters,
        app: str = "",
        clock: Callable[[], int] = now_ms,
        make_id: Callable[[], str] = new_id,
        limits: Limits | None = None,
    ) -> None:
        self._database = database
        self._raters = raters
        self._app = app
        self._clock = clock
        self._new_id = make_id
        self._limits = limits or Limits()
        self._seals = inbox.Seals()
        self._batches = Batches[inbox.Given, Receipt](self._save_all)

    def rubric(self, locale: str, body: str) -> str:
        """The id of a rubric text, entered when it is new."""
        sha256 = chain.digest(body)
        with self._database.write() as session:
            found = session.scalar(select(RubricRevRow.id).where(RubricRevRow.sha256 == sha256))
            if found is None:
                found = self._new_id()
                session.add(
                    RubricRevRow(
                        id=found, locale=locale, rubric_json=body, sha256=sha256,
                        created_ms=self._clock(),
                    )
                )  # fmt: skip
        return found

    def open(
        self,
        rater: str,
        session_id: str,
        offer: Offer,
        rng: random.Random,
        lease_ms: int = LEASE_MS,
    ) -> Form:
        """Put an offer before a rater, its sides drawn by `rng`. Raises `RatingRefused`."""
        sides = rng.sample(offer.replies, len(offer.replies))
        left, right = sides[0], sides[1] if len(sides) == 2 else None
        low, high = sorted(sides) if right else (left, "")
        now = self._clock()
        row = PresentationRow(
            id=self._new_id(), rater_id=rater, session_id=session_id, turn_id=offer.turn,
            mode=offer.mode, scope=offer.scope, left_gen=left, right_gen=right, pair_low=low,
            pair_high=high, pair_policy=offer.policy, pair_prob=offer.probability,
            form_order=",".join(offer.order), rubric_rev_id=offer.rubric, item_id=offer.item,
            gold_id=offer.gold, repeat_of=offer.repeat_of, shown_ms=now,
            expires_ms=now + lease_ms, state="open",
        )  # fmt: skip
        row.token_sha256 = chain.digest(self._raters.token(row.id))
        with self._database.write() as session:
            inbox.admit(inbox.rater(session, rater))
            _expire(session, rater, now)
            self._refuse_failed(session, sides)
            held = session.scalar(_same_pair(row))
            if held is not None and offer.repeat_of is None:
                return self._again(session, held)
            row.both_done_ms = now if all_ended(session, row) else None
            session.add(row)
            session.flush()
        return self._form(row)

    def form(self, rater: str, form: str) -> Form:
        """One form of the rater, as it stands. Raises `RatingRefused` for another's."""
        with self._database.read() as session:
            return self._form(inbox.found(session, rater, form))

    def waiting(self, rater: str, modes: Sequence[Mode]) -> Form | None:
        """The newest open form of the rater in these modes, so that a reload goes on with it."""
        query = (
            select(PresentationRow)
            .where(
                PresentationRow.rater_id == rater,
                PresentationRow.state == "open",
                PresentationRow.mode.in_(modes),
                PresentationRow.expires_ms >= self._clock(),
            )
            .order_by(PresentationRow.shown_ms.desc(), PresentationRow.id)
            .limit(1)
        )
        with self._database.read() as session:
            row = session.scalar(query)
            return self._form(row) if row else None

    def submit(self, rater: str, submission: Submission) -> Receipt:
        """Store a rating; the same id again is answered with what is stored."""
        return self._save(rater, submission, "submit")

    def revise(self, rater: str, submission: Submission) -> Receipt:
        """Store another version of a rating, until the names are told. All versions are kept."""
        return self._save(rater, submission, "revise")

    def skip(self, rater: str, submission: Submission, reason: str) -> Receipt:
        """Pass a form over, with a reason of `forms.SKIPS`."""
        if reason not in forms.SKIPS:
            raise RatingRefused(
                f"The reason {reason!r} is none of {', '.join(forms.SKIPS)}.", "bad_value"
            )
        return self._save(rater, submission, "skip", reason)

    def withdraw(self, rater: str, submission: Submission) -> Receipt:
        """Take a rating back. It stays in the chain and is in no table."""
        return self._save(rater, submission, "withdraw")

    def reveal(self, rater: str, form: str, token: str) -> Mapping[str, str]:
        """The names by side, told only now that the rating is durable; it is final from here on."""
        with self._database.write() as session:
            chain.queue_up(session)
            row = inbox.owned(session, rater, form)
            self._check_token(row, token)
            if row.mode in ("bank", "training"):
                raise RatingRefused("The names are told when the study is over.", "no_names")
            if row.state != "rated":
                raise RatingRefused("The names are told after the rating.", "no_names_yet")
            if row.revealed_ms is None:
                row.revealed_ms = self._clock()
            names = {"left": _name(session, row.left_gen)}
            if row.right_gen:
                names["right"] = _name(session, row.right_gen)
        return names

    def mine(self, rater: str, limit: int = 200) -> tuple[Mine, ...]:
        """The rater's own ratings, newest first: the last event of every form."""
        query = (
            select(EventRow, PresentationRow)
            .join(PresentationRow, PresentationRow.id == EventRow.presentation_id)
            .where(EventRow.rater_id == rater)
            .order_by(EventRow.number.desc())
        )
        with self._database.read() as session:
            newest: dict[str, tuple[EventRow, PresentationRow]] = {}
            for event, form in session.execute(query):
                newest.setdefault(form.id, (event, form))
            shown = list(newest.values())[:limit]
            scores = _scores_of(session, [event.id for event, _ in shown])
            return tuple(_mine(event, form, scores.get(event.id, [])) for event, form in shown)

    def _save(
        self, rater: str, submission: Submission, kind: inbox.Kind, reason: str | None = None
    ) -> Receipt:
        given = inbox.Given(forms.event_id(submission.id), rater, submission, kind, reason)
        try:
            return self._batches.do(given)
        except (StoreUnavailable, IntegrityError):
            # Once more: a lock may have gone, or another process stored the very same rating.
            try:
                return self._batches.do(replace(given, again=True))
            except StoreUnavailable as error:
                raise RatingNotSaved(f"Not saved yet. {error}") from error

    def _save_all(self, batch: Sequence[inbox.Given]) -> list[Receipt | Exception]:
        """Store what has come in; durable when this returns, but for those that were refused."""
        with self._database.write() as session:
            chain.queue_up(session)
            writer = inbox.Writer(session, self._app, self._limits, self._seals)
            return [self._save_one(session, writer, given) for given in batch]

    def _save_one(
        self, session: Session, writer: inbox.Writer, given: inbox.Given
    ) -> Receipt | Exception:
        now = self._clock()
        try:
            with self._database.part(session):
                return self._store(session, writer, given, now)
        except StoreUnavailable:
            raise  # of all
        except Exception as error:  # of this one, and nothing to the others
            if isinstance(error, inbox.Expired):
                _expire(session, given.rater, now)
            return error

    def _store(
        self, session: Session, writer: inbox.Writer, given: inbox.Given, now: int
    ) -> Receipt:
        if given.again and (stored := inbox.stored(session, given)):
            return stored
        row = inbox.found(session, given.rater, given.submission.form)
        # of an open form nothing is stored, so its id needs no look
        if row.state != "open" and (stored := inbox.stored(session, given)):
            return stored
        self._check_token(row, given.submission.token)
        return writer.store(row, self._form(row), given, now)

    def _check_token(self, row: Any, token: object) -> None:
        given = token if isinstance(token, str) else ""
        if not hmac.compare_digest(chain.digest(given), row.token_sha256):
            raise RatingRefused(inbox.NOT_YOURS, "not_yours")

    def _refuse_failed(self, session: Session, sides: Sequence[str]) -> None:
        query = select(GenerationRow.finish).where(GenerationRow.id.in_(sides))
        finishes = session.scalars(query).all()
        if len(finishes) != len(sides):
            raise RatingRefused(
                "A reply of this pair does not exist. Reload the page.", "not_shown"
            )
        if any(finish in FAILED for finish in finishes):
            raise RatingRefused(
                "A reply of this pair has failed and cannot be rated. Try again.", "failed"
            )

    def _again(self, session: Session, held: PresentationRow) -> Form:
        if held.state != "open":
            raise RatingRefused(
                "You have seen this pair already. Go on with the next one.", "seen", held.id
            )
        return self._form(held)

    def _form(self, row: Any) -> Form:
        return Form(
            id=row.id, token=self._raters.token(row.id), mode=cast(Mode, row.mode),
            scope=cast(Extent, row.scope), left=row.left_gen, right=row.right_gen,
            order=tuple(row.form_order.split(",")), rubric=row.rubric_rev_id, state=row.state,
            ready=row.both_done_ms is not None, expires_ms=row.expires_ms,
            revealed=row.revealed_ms is not None, item=row.item_id,
        )  # fmt: skip


def _same_pair(row: PresentationRow) -> Select[PresentationRow]:
    return select(PresentationRow).where(
        PresentationRow.rater_id == row.rater_id,
        PresentationRow.turn_id == row.turn_id,
        PresentationRow.scope == row.scope,
        PresentationRow.pair_low == row.pair_low,
        PresentationRow.pair_high == row.pair_high,
        PresentationRow.repeat_of.is_(None),
        PresentationRow.state.not_in(("void", "expired")),
    )


def _expire(session: Session, rater: str, now: int) -> None:
    session.execute(
        update(PresentationRow)
        .where(
            PresentationRow.rater_id == rater,
            PresentationRow.state == "open",
            PresentationRow.expires_ms < now,
        )
        .values(state="expired")
        .execution_options(synchronize_session=False)
    )


def _name(session: Session, generation: str) -> str:
    query = (
        select(ModelRevRow.public_name)
        .join(GenerationRow, GenerationRow.model_rev_id == ModelRevRow.id)
        .where(GenerationRow.id == generation)
    )
    return session.scalars(query).one()


def _scores_of(session: Session, events: Sequence[str]) -> dict[str, list[ScoreRow]]:
    found: dict[str, list[ScoreRow]] = {}
    for start in range(0, len(events), 500):
        query = select(ScoreRow).where(ScoreRow.event_id.in_(events[start : start + 500]))
        for score in session.scalars(query):
            found.setdefault(score.event_id, []).append(score)
    return found


def _mine(event: EventRow, form: PresentationRow, scores: Sequence[ScoreRow]) -> Mine:
    sides = {form.left_gen: "left", form.right_gen: "right"}
    values = sorted((sides[score.generation_id], score.criterion, score.value) for score in scores)
    return Mine(
        form=form.id, event=event.id, kind=event.kind, seq=event.seq,
        received_ms=event.received_ms, code=inbox.code(event.row_hash),
        preference=event.preference, scores=tuple(values),
        may_change=event.kind in ("submit", "revise") and form.revealed_ms is None,
    )  # fmt: skip
