"""Proof that ratings can be stored: one is written and undone before the page is served.

And `verify`: whether everything that was stored is still as it was written.
"""

import json
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from sqlalchemy import inspect, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from rolecraft.conversation import Identity, Message, Reply, Sampling
from rolecraft.errors import RoleCraftError, StoreUnavailable
from rolecraft.store import chain
from rolecraft.store.database import Database
from rolecraft.store.forms import Score, Submission
from rolecraft.store.generations import Arm, Generations
from rolecraft.store.rated_schema import METADATA, CommentRow, EventRow, PresentationRow, ScoreRow
from rolecraft.store.raters import SCOPES, Raters
from rolecraft.store.ratings import Offer, Ratings
from rolecraft.store.shown_schema import GenerationRow

_REMEDY = (
    "Ratings would be lost, so the page does not start. Restore the database from a backup, or set "
    "ROLECRAFT_DATA_DIR to another folder."
)


@dataclass(frozen=True)
class Verdict:
    """What `verify` found. `head` is the hash of the newest rating: publish it with a table."""

    events: int
    replies: int
    head: str
    faults: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.faults


def prove(database: Database, key: bytes) -> None:
    """Write a rating with all that belongs to it, and undo it.

    Raises `StoreUnavailable` with the remedy when that is not possible: a table, a trigger or the
    right to write is missing.
    """
    if missing := _missing(database):
        raise StoreUnavailable(f"The database {database.place} lacks {missing}. {_REMEDY}")
    with database.undone() as inner:
        try:
            _rate_once(inner, key)
        except (SQLAlchemyError, RoleCraftError) as error:
            said = str(error).splitlines()[0]
            raise StoreUnavailable(
                f"The database {database.place} does not take a rating: {said} {_REMEDY}"
            ) from error


def verify(database: Database) -> Verdict:
    """Check the chain, every hash, the triggers and the file itself. Reads only."""
    faults = []
    if missing := _missing(database):
        faults.append(f"The database lacks {missing}.")
    with database.read() as session:
        if database.engine.dialect.name == "sqlite":
            faults += [
                f"The file is damaged: {line}"
                for line in session.scalars(text("PRAGMA integrity_check"))
                if line != "ok"
            ]
            dangling = session.execute(text("PRAGMA foreign_key_check")).all()
            faults += [f"A row of {row[0]} points to nothing." for row in dangling]
        replies, wrong = _replies(session)
        events, head, broken = _chain(session)
    return Verdict(events, replies, head, (*faults, *wrong, *broken))


def _missing(database: Database) -> str:
    found = inspect(database.engine)
    views = set(found.get_view_names())
    tables = set(found.get_table_names())
    lacking = sorted(set(METADATA.tables) - tables) + sorted({"current_rating"} - views)
    if lacking:
        return f"the tables {', '.join(lacking)}"
    if database.engine.dialect.name == "sqlite":
        query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    else:
        query = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
    with database.read() as session:
        triggers = set(session.scalars(text(query)))
    gone = sorted(NEEDED - triggers)
    return f"the triggers {', '.join(gone)}" if gone else ""


NEEDED = frozenset(
    {
        "rating_event_keep", "rating_event_keep_as_is", "rating_event_owner",
        "rating_event_state", "rating_event_ended", "rating_event_expired",
        "rating_event_reveal", "rating_event_chain", "score_keep", "score_keep_as_is",
        "score_shown", "generation_frozen", "generation_keep", "presentation_frozen",
        "presentation_keep", "turn_frozen", "comment_frozen", "board_keep_as_is", "board_keep",
    }
)  # fmt: skip


def _rate_once(database: Database, key: bytes) -> None:
    raters, generations = Raters(database, key), Generations(database)
    ratings = Ratings(database, raters)
    cookie = uuid.uuid4().hex
    rater = raters.enter(cookie).id
    raters.agree(rater, "0" * 64, SCOPES)
    tab = raters.session(rater, "start")
    turn = generations.turn(f"start-{cookie}", 1, ("start", "{}"), "在吗")
    pair = tuple(generations.record(turn, Arm(name), _reply(name)) for name in ("a", "b"))
    rubric = ratings.rubric("zh", json.dumps({"start": cookie}))
    order = ("preference", "communication")
    offer = Offer(turn, pair, "blind", "reply", order, rubric)
    form = ratings.open(rater, tab, offer, random.Random(0))
    scores = (Score("left", "communication", 5), Score("right", "communication", None))
    sent = Submission(str(uuid.uuid4()), form.id, form.token, "left", scores, "start")
    ratings.submit(rater, sent)
    ratings.reveal(rater, form.id, form.token)


def _reply(name: str) -> Reply:
    return Reply(
        text=f"在呢。{name}", emotion=None, passages=(), identity=Identity(name, name),
        sampling=Sampling(), seed=0, prompt=(Message("user", "在吗"),), prompt_tokens=1,
        reply_tokens=1, first_token_ms=1, total_ms=1, finish="stop",
    )  # fmt: skip


def _replies(session: Session) -> tuple[int, list[str]]:
    query = select(
        GenerationRow.id, GenerationRow.reply_text, GenerationRow.reply_sha256,
        GenerationRow.prompt_text, GenerationRow.prompt_sha256,
    )  # fmt: skip
    count, faults = 0, []
    for id, reply, sha, prompt, prompt_sha in session.execute(
        query.execution_options(yield_per=500)
    ):
        count += 1
        if chain.digest(reply) != sha:
            faults.append(f"The text of reply {id} is not what was stored.")
        if prompt is not None and chain.digest(prompt) != prompt_sha:
            faults.append(f"The prompt of reply {id} is not what was stored.")
    return count, faults


def _chain(session: Session) -> tuple[int, str, list[str]]:
    shown = {
        id: (left, right)
        for id, left, right in session.execute(
            select(PresentationRow.id, PresentationRow.left_gen, PresentationRow.right_gen)
        )
    }
    replies = select(GenerationRow.id, GenerationRow.whole_sha256)
    whole = {id: sha256 for id, sha256 in session.execute(replies)}
    comments = {row.event_id: row for row in session.scalars(select(CommentRow))}
    scores = _scores(session)
    count, head, faults = 0, "", []
    query = select(EventRow).order_by(EventRow.number)
    for event in session.scalars(query.execution_options(yield_per=500)):
        count += 1
        fields = {name: getattr(event, name) for name in chain.FIELDS}
        hashes = [whole[side] if side else None for side in shown[event.presentation_id]]
        if event.number != count or event.prev_hash != head:
            faults.append(f"Rating {event.id} does not follow the one before: rows are missing.")
            count = event.number
        if chain.row_hash(fields, scores.get(event.id, []), hashes) != event.row_hash:
            faults.append(f"Rating {event.id} (number {event.number}) was changed.")
        faults += _comment_fault(event, comments.get(event.id))
        head = event.row_hash
    return count, head, faults


def _comment_fault(event: EventRow, comment: CommentRow | None) -> Iterator[str]:
    if comment and comment.body is not None:
        found = chain.written_hash(comment.salt or "", comment.body, comment.better or "")
        if found != event.comment_sha256:
            yield f"The comment on rating {event.id} was changed."


def _scores(session: Session) -> dict[str, list[chain.ScoreKey]]:
    rows = session.scalars(select(ScoreRow).order_by(ScoreRow.event_id)).all()
    return {
        event: [(row.generation_id, row.criterion, row.value) for row in each]
        for event, each in groupby(rows, attrgetter("event_id"))
    }
