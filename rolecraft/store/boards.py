"""Published boards as they were: written once, never changed, the last complete one served."""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from rolecraft.errors import ResultsError
from rolecraft.store import chain
from rolecraft.store.conversations import new_id, now_ms
from rolecraft.store.database import Database
from rolecraft.store.rated_schema import BoardRow, EventRow, PresentationRow
from rolecraft.store.shown_schema import ConsentRow, RaterRow, StudyItemRow, StudyRow

METRIC = "human"


@dataclass(frozen=True)
class Snapshot:
    """A board that was kept; `last_number` is that of the last rating that there was."""

    id: str
    created_ms: int
    method: str
    data_sha256: str
    n_events: int
    n_raters: int
    last_number: int
    row_hash: str  # "" for one that was kept before there was a hash of it
    board: Mapping[str, Any]


def save(
    database: Database,
    board: Mapping[str, Any],
    text: str,
    app: str,
    clock: Callable[[], int] = now_ms,
    make_id: Callable[[], str] = new_id,
    end: tuple[int, str] | None = None,
) -> str:
    """Keep a board; `text` is its canonical JSON. Its id.

    `end` is `chain.end` from before its rows were read; without it the end of now.
    """
    with database.write() as session:
        number, head = end or chain.end(session)
        row = BoardRow(
            id=make_id(), metric=METRIC, method=board["method"],
            filter_json=json.dumps(board["spec"], sort_keys=True),
            data_sha256=board["data_sha256"], n_events=board["n_ratings"],
            n_raters=board["n_raters"], seed=board["spec"]["seed"], app_git=app, rows_json=text,
            created_ms=clock(), last_number=number, chain_head=head,
        )  # fmt: skip
        row.row_hash = chain.seal(chain.BOARD, row)
        session.add(row)
        return row.id


def end_of(
    database: Database,
    at_ms: int,
    modes: Collection[str] = (),
    study: str = "",
    kinds: Collection[str] = (),
) -> int:
    """The number of the last rating that had come by then; 0 for none.

    Of these modes, of this study and of these kinds, where they are given.
    """
    query = select(func.max(EventRow.number)).where(EventRow.received_ms <= at_ms)
    if kinds:
        query = query.where(EventRow.kind.in_(kinds))
    query = _within(query, modes, study)
    with database.read() as session:
        return session.scalar(query) or 0


def taken_back(database: Database, since_ms: int, modes: Collection[str], study: str = "") -> bool:
    """Whether somebody who rated there has withdrawn consent, or was erased, since then."""
    query = (
        select(func.count())
        .select_from(ConsentRow)
        .join(EventRow, EventRow.rater_id == ConsentRow.rater_id)
        .where(ConsentRow.scope == "rate", ConsentRow.withdrawn_ms >= since_ms)
    )
    with database.read() as session:
        return bool(session.scalar(_within(query, modes, study)))


def has_part(database: Database, rater: str, modes: Collection[str], study: str = "") -> bool:
    """Whether this rater has rated there."""
    query = select(func.count()).select_from(EventRow).where(EventRow.rater_id == rater)
    with database.read() as session:
        return bool(session.scalar(_within(query, modes, study)))


def taken_out(database: Database) -> tuple[int, int, tuple[str, ...]]:
    """What has left the boards, so that another answer means that more or less is left.

    When consent was last withdrawn, the number of the last rating that was, and who is set aside.
    """
    consent = select(func.max(ConsentRow.withdrawn_ms))
    rating = select(func.max(EventRow.number)).where(EventRow.kind == "withdraw")
    aside = select(RaterRow.id).where(RaterRow.status != "active").order_by(RaterRow.id)
    with database.read() as session:
        gone = tuple(session.scalars(aside))
        return session.scalar(consent) or 0, session.scalar(rating) or 0, gone


def latest(database: Database, limit: int = 20) -> tuple[Snapshot, ...]:
    """The boards that were kept, the newest first."""
    query = select(BoardRow).where(BoardRow.metric == METRIC)
    query = query.order_by(BoardRow.created_ms.desc(), BoardRow.id).limit(limit)
    with database.read() as session:
        return tuple(_snapshot(session, row) for row in session.scalars(query).all())


def get(database: Database, board: str) -> Snapshot:
    """One board that was kept. Raises `ResultsError`, which says how to list them."""
    with database.read() as session:
        row = session.get(BoardRow, board)
        if row is not None:
            return _snapshot(session, row)
    raise ResultsError(
        f"No table {board!r} was kept. List them: python -m rolecraft results snapshots"
    )


def _snapshot(session: Session, row: BoardRow) -> Snapshot:
    number = row.last_number
    if number is None:  # it was kept before this was kept with it
        by_then = EventRow.received_ms <= row.created_ms
        number = session.scalar(select(func.max(EventRow.number)).where(by_then)) or 0
    return Snapshot(
        row.id, row.created_ms, row.method, row.data_sha256, row.n_events, row.n_raters,
        number, row.row_hash or "", json.loads(row.rows_json),
    )  # fmt: skip


def _within(query: Select[int], modes: Collection[str], study: str) -> Select[int]:
    """The same query of ratings, of some modes and of one study where they are given."""
    if modes or study:
        query = query.join(PresentationRow, PresentationRow.id == EventRow.presentation_id)
    if modes:
        query = query.where(PresentationRow.mode.in_(modes))
    if study:
        query = query.join(StudyItemRow, StudyItemRow.id == PresentationRow.item_id)
        query = query.join(StudyRow, StudyRow.id == StudyItemRow.study_id)
        query = query.where(StudyRow.name == study)
    return query
