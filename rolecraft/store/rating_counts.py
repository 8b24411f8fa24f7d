"""How many of what there is in the rating tables. Only reads."""

import json
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from rolecraft.store import chain
from rolecraft.store.database import Database
from rolecraft.store.generations import FAILED
from rolecraft.store.rated_schema import EventRow, FlagRow, PresentationRow, ScoreRow
from rolecraft.store.shown_schema import (
    ConsentRow,
    GenerationRow,
    ModelRevRow,
    RaterRow,
    StudyItemRow,
    StudyRow,
)


def counts(database: Database) -> dict[str, Any]:
    """Raters, consents, forms, ratings, replies, flags and studies; the end of the chain."""
    with database.read() as session:
        number, head = chain.end(session)
        agreed = select(ConsentRow.scope, func.count(func.distinct(ConsentRow.rater_id))).where(
            ConsentRow.withdrawn_ms.is_(None)
        )
        studies = (
            select(StudyRow.name, func.count(StudyItemRow.id))
            .outerjoin(StudyItemRow, StudyItemRow.study_id == StudyRow.id)
            .group_by(StudyRow.name)
        )
        return {
            "raters": _by(session, select(RaterRow.status, func.count()), RaterRow.status),
            "consents": _by(session, agreed, ConsentRow.scope),
            "forms": _by(
                session, select(PresentationRow.state, func.count()), PresentationRow.state
            ),
            "ratings": _by(session, select(EventRow.kind, func.count()), EventRow.kind),
            "current_ratings": session.scalar(text("SELECT count(*) FROM current_rating")),
            "flags": _by(session, select(FlagRow.rule, func.count()), FlagRow.rule),
            "replies": _replies(session),
            "studies": {name: count for name, count in session.execute(studies)},
            "chain": {"length": number, "head": head},
        }


def erased_records(database: Database) -> dict[str, int]:
    """How many votes and values of replies are left of raters who were erased; nothing else is."""
    gone = select(EventRow.id).join(RaterRow).where(RaterRow.status == "erased")
    votes = select(func.count()).where(EventRow.id.in_(gone), EventRow.preference.is_not(None))
    valued = (
        select(ScoreRow.event_id, ScoreRow.generation_id)
        .where(ScoreRow.event_id.in_(gone))
        .distinct()
        .subquery()
    )
    with database.read() as session:
        return {
            "vote": session.scalar(votes) or 0,
            "rating": session.scalar(select(func.count()).select_from(valued)) or 0,
        }


def failures(database: Database) -> dict[str, dict[str, int]]:
    """Per name of an arm: replies, failed ones, cut ones, and those that give themselves away."""
    with database.read() as session:
        return _replies(session)


def _replies(session: Session) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    query = (
        select(ModelRevRow.public_name, GenerationRow.finish, GenerationRow.leak_json)
        .join(ModelRevRow, ModelRevRow.id == GenerationRow.model_rev_id)
        .where(GenerationRow.source != "degraded")
        .order_by(ModelRevRow.public_name)
    )
    for name, finish, leak_json in session.execute(query):
        line = found.setdefault(
            name, {"replies": 0, "failed": 0, "cut": 0, "names_a_model": 0, "leaves_the_role": 0}
        )
        leaks = json.loads(leak_json)
        line["replies"] += 1
        line["failed"] += finish in FAILED
        line["cut"] += finish == "length"
        line["names_a_model"] += bool(leaks["models"])
        line["leaves_the_role"] += bool(leaks["broken"])
    return found


def _by(session: Session, query: Any, column: Any) -> dict[str, int]:
    return {name: count for name, count in session.execute(query.group_by(column))}
