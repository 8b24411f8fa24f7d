"""Published boards as they were: written once, never changed, the last complete one served."""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from rolecraft.store.conversations import new_id, now_ms
from rolecraft.store.database import Database
from rolecraft.store.rated_schema import BoardRow, EventRow, PresentationRow

METRIC = "human"


@dataclass(frozen=True)
class Snapshot:
    """A board that was kept."""

    id: str
    created_ms: int
    method: str
    data_sha256: str
    n_events: int
    n_raters: int
    board: Mapping[str, Any]


def save(
    database: Database,
    board: Mapping[str, Any],
    text: str,
    app: str,
    clock: Callable[[], int] = now_ms,
    make_id: Callable[[], str] = new_id,
) -> str:
    """Keep a board; `text` is its canonical JSON. Its id."""
    row = BoardRow(
        id=make_id(), metric=METRIC, method=board["method"],
        filter_json=json.dumps(board["spec"], sort_keys=True), data_sha256=board["data_sha256"],
        n_events=board["n_ratings"], n_raters=board["n_raters"], seed=board["spec"]["seed"],
        app_git=app, rows_json=text, created_ms=clock(),
    )  # fmt: skip
    with database.write() as session:
        session.add(row)
    return row.id


def end_of(database: Database, at_ms: int, modes: Collection[str] = ()) -> int:
    """The number of the last rating that had come by then, in these modes or in any; 0 for none."""
    query = select(func.max(EventRow.number)).where(EventRow.received_ms <= at_ms)
    if modes:
        query = query.join(PresentationRow, PresentationRow.id == EventRow.presentation_id)
        query = query.where(PresentationRow.mode.in_(modes))
    with database.read() as session:
        return session.scalar(query) or 0


def latest(database: Database, limit: int = 20) -> tuple[Snapshot, ...]:
    """The boards that were kept, the newest first."""
    query = select(BoardRow).where(BoardRow.metric == METRIC)
    query = query.order_by(BoardRow.created_ms.desc(), BoardRow.id).limit(limit)
    with database.read() as session:
        return tuple(
            Snapshot(
                row.id, row.created_ms, row.method, row.data_sha256, row.n_events, row.n_raters,
                json.loads(row.rows_json),
            )
            for row in session.scalars(query)
        )  # fmt: skip
