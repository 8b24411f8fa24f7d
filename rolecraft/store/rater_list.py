"""Who rates, for the team that looks after a study: counts, flags, and bursts from one network.

Only reads. An address is known by its keyed hash alone, and only within its week.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import func, select

from rolecraft.errors import ResultsError
from rolecraft.store import inbox
from rolecraft.store.database import Database
from rolecraft.store.rated_schema import EventRow, FlagRow
from rolecraft.store.shown_schema import RaterRow

BURST = 5  # raters who come anew from one network within an hour: a class, or one person
_HOUR_MS = 3600 * 1000


@dataclass(frozen=True)
class Listed:
    """One rater with what the program noticed."""

    id: str
    kind: str
    status: str
    ratings: int
    flagged: int  # ratings that a rule sets aside


@dataclass(frozen=True)
class Burst:
    """Raters who came anew from one network within an hour: for a person to look at."""

    since: str  # in UTC
    raters: tuple[str, ...]


class RaterList:
    """Reads raters. Safe to use from several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def raters(self) -> tuple[Listed, ...]:
        """Everyone who has rated or is set aside, the newest first; erased ones are gone."""
        counted = (
            select(EventRow.rater_id, func.count().label("count"))
            .where(EventRow.kind == "submit")
            .group_by(EventRow.rater_id)
            .subquery()
        )
        failed = (
            select(EventRow.rater_id, func.count(func.distinct(EventRow.id)).label("count"))
            .join(FlagRow, FlagRow.event_id == EventRow.id)
            .where(FlagRow.excludes == 1)
            .group_by(EventRow.rater_id)
            .subquery()
        )
        query = (
            select(RaterRow, counted.c.count, failed.c.count)
            .outerjoin(counted, counted.c.rater_id == RaterRow.id)
            .outerjoin(failed, failed.c.rater_id == RaterRow.id)
            .where(RaterRow.status != "erased")
            .order_by(RaterRow.created_ms.desc(), RaterRow.id)
        )
        with self._database.read() as session:
            return tuple(
                Listed(row.id, row.kind, row.status, ratings or 0, flagged or 0)
                for row, ratings, flagged in session.execute(query)
                if ratings or row.status != "active"
            )

    def find(self, given: str) -> str:
        """The id of a rater, by the id or by a rating's receipt code. Raises `ResultsError`."""
        with self._database.read() as session:
            row = session.get(RaterRow, given)
            if row is not None and row.status != "erased":
                return row.id
            events = select(EventRow.rater_id, EventRow.row_hash).where(
                EventRow.row_hash.like(f"{given.replace('-', '').lower()[:8]}%")
            )
            found = {
                rater
                for rater, row_hash in session.execute(events)
                if inbox.code(row_hash) == given.upper()
            }
        if len(found) != 1:
            raise ResultsError(
                f"{given!r} names no rater. Take an id that `ratings raters` lists, or the receipt "
                "code of a rating."
            )
        return found.pop()

    def bursts(self, least: int = BURST) -> tuple[Burst, ...]:
        """Where `least` or more active raters came anew from one network within an hour."""
        query = (
            select(RaterRow.ip_epoch, RaterRow.ip_hmac, RaterRow.created_ms, RaterRow.id)
            .where(RaterRow.ip_hmac.is_not(None), RaterRow.status == "active")
            .order_by(RaterRow.ip_epoch, RaterRow.ip_hmac, RaterRow.created_ms, RaterRow.id)
        )
        crowds: dict[tuple[int | None, str | None], list[tuple[int, str]]] = {}
        with self._database.read() as session:
            for epoch, network, created, rater in session.execute(query):
                crowds.setdefault((epoch, network), []).append((created, rater))
        return tuple(
            Burst(_date(crowd[0][0]), tuple(rater for _, rater in crowd))
            for came in crowds.values()
            for crowd in _hours(came)
            if len(crowd) >= least
        )


def _hours(came: list[tuple[int, str]]) -> list[list[tuple[int, str]]]:
    """Cut into crowds that each came within an hour of its first."""
    crowds: list[list[tuple[int, str]]] = []
    for one in came:
        if not crowds or one[0] - crowds[-1][0][0] > _HOUR_MS:
            crowds.append([])
        crowds[-1].append(one)
    return crowds


def _date(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
