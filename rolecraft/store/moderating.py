"""Which replies may be published: what the rules say, what people report, what a person decides.

A report keeps a reply and its question from being published until someone of the team has looked;
what they decide stands. Knows no page.
"""

import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from rolecraft.errors import RatingRefused
from rolecraft.moderation import RULES, Verdict, judge
from rolecraft.store import chain, inbox
from rolecraft.store.conversations import new_id, now_ms
from rolecraft.store.database import Database
from rolecraft.store.generations import known
from rolecraft.store.rated_schema import ReportRow
from rolecraft.store.shown_schema import GenerationRow, TurnRow

REASONS = ("personal", "offensive", "other")
_ORDER: tuple[Verdict, ...] = ("fail", "unknown", "pass")


@dataclass(frozen=True)
class Reported:
    """A reply that was reported: by how many, for which reasons, and what was decided."""

    generation: str
    user: str
    text: str
    reasons: tuple[str, ...]
    verdict: Verdict


class Moderating:
    """Reads and writes reports and verdicts. Safe to use from several threads."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], int] = now_ms,
        make_id: Callable[[], str] = new_id,
    ) -> None:
        self._database = database
        self._clock = clock
        self._new_id = make_id

    def judge_again(self) -> int:
        """Judge what was said under other rules, or before there were any; how many turns."""
        stale = select(TurnRow).where(
            TurnRow.user_text.is_not(None), TurnRow.moderation_json.not_like(f'%"rules": {RULES},%')
        )
        with self._database.write() as session:
            rows = session.scalars(stale).all()
            for row in rows:
                found = judge(row.user_text or "", personal=row.rater_id is not None)
                row.moderation_json = found.as_json()
        return len(rows)

    def report(self, rater: str, form: object, token: object, side: object, reason: object) -> None:
        """Enter that a rater wants a reply of their form looked at; twice is once.

        Raises `RatingRefused` for a form of another, a side that was not shown, an odd reason.
        """
        if reason not in REASONS:
            raise RatingRefused(f"The reason is none of {', '.join(REASONS)}.", "bad_value")
        with self._database.write() as session:
            row = inbox.found(session, rater, form)
            given = token if isinstance(token, str) else ""
            if not hmac.compare_digest(chain.digest(given), row.token_sha256):
                raise RatingRefused(inbox.NOT_YOURS, "not_yours")
            generation = {"left": row.left_gen, "right": row.right_gen}.get(str(side))
            if generation is None:
                raise RatingRefused("This reply was not shown here.", "not_shown")
            query = select(ReportRow.id).where(
                ReportRow.generation_id == generation, ReportRow.rater_id == rater
            )
            if session.scalar(query) is None:
                self._add(session, generation, "report", str(reason), rater)

    def decide(self, generation: str, verdict: Literal["pass", "fail"]) -> None:
        """Enter what someone of the team says of a reply. Raises `RatingRefused` without one."""
        with self._database.write() as session:
            known(session, generation)
            self._add(session, generation, verdict, "", None)

    def reported(self) -> tuple[Reported, ...]:
        """Every reply that was ever reported or decided on, the newest first."""
        query = (
            select(ReportRow.generation_id, func.max(ReportRow.number))
            .group_by(ReportRow.generation_id)
            .order_by(func.max(ReportRow.number).desc())
        )
        with self._database.read() as session:
            decided = rulings(session)
            return tuple(
                _reported(session, generation, decided[generation])
                for generation, _ in session.execute(query)
            )

    def _add(
        self, session: Session, generation: str, kind: str, reason: str, rater: str | None
    ) -> None:
        last = session.scalar(select(func.max(ReportRow.number))) or 0
        session.add(
            ReportRow(
                id=self._new_id(), number=last + 1, generation_id=generation, rater_id=rater,
                kind=kind, reason=reason, created_ms=self._clock(),
            )
        )  # fmt: skip


def rulings(session: Session) -> dict[str, Verdict]:
    """Reply → what was decided of it; `unknown` while a report waits for someone to look."""
    found: dict[str, Verdict] = {}
    query = select(ReportRow.generation_id, ReportRow.kind).order_by(ReportRow.number)
    for generation, kind in session.execute(query):
        if kind == "report":
            found.setdefault(generation, "unknown")
        else:
            found[generation] = cast(Verdict, kind)
    return found


def verdict_of(ruling: Verdict | None, moderation: str, visitors: bool, reply: str) -> Verdict:
    """Whether a reply and what it answers may be published.

    `moderation` is what is stored of the question, and `visitors` whether a visitor said it: only
    then can personal data in the reply be anyone's.
    """
    if ruling:
        return ruling
    stored = cast(Verdict, json.loads(moderation)["verdict"])
    return min(stored, judge(reply, personal=visitors).verdict, key=_ORDER.index)


def passes(session: Session, generation: str) -> bool:
    """Whether one reply may be published."""
    row = known(session, generation)
    turn = session.get_one(TurnRow, row.turn_id)
    ruling = rulings(session).get(generation)
    visitors = turn.rater_id is not None
    return verdict_of(ruling, turn.moderation_json, visitors, row.reply_text) == "pass"


def _reported(session: Session, generation: str, verdict: Verdict) -> Reported:
    row: Any = session.execute(
        select(TurnRow.user_text, GenerationRow.reply_text)
        .join(GenerationRow, GenerationRow.turn_id == TurnRow.id)
        .where(GenerationRow.id == generation)
    ).one()
    reasons = select(ReportRow.reason).where(
        ReportRow.generation_id == generation, ReportRow.kind == "report"
    )
    return Reported(
        generation, row.user_text or "", row.reply_text,
        tuple(session.scalars(reasons.order_by(ReportRow.number))), verdict,
    )  # fmt: skip
