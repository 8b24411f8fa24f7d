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
from rolecraft.store.rated_schema import (
    METADATA,
    BoardRow,
    CommentRow,
    EventRow,
    PresentationRow,
    ScoreRow,
)
from rolecraft.store.raters import SCOPES, Raters
from rolecraft.store.ratings import Offer, Ratings
from rolecraft.store.shown_schema import GenerationRow, ModelRevRow, RaterRow, TurnRow

_REMEDY = (
    "Ratings would be lost, so the page does not start. Restore the database from a backup, or set "
    "ROLECRAFT_DATA_DIR to another folder."
)
_HEAD = 16  # as many signs of a hash name it


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


def verify(database: Database, head: str = "") -> Verdict:
    """Check the chain, every hash, the triggers and the file itself. Reads only.

    `head` is the hash of a rating or of a kept table that was noted down or published earlier: who
    changed the end of the chain, or all of it with its hashes, cannot keep that.
    """
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
        links = list(_chain(session))
        kept, faulty = _boards(session)
        faults += [*wrong, *_words(session), *_unrated(session), *faulty]
    faults += [fault for link in links for fault in link.faults]
    known = {link.sha256 for link in links} | kept
    if head and not (len(head) >= _HEAD and any(one.startswith(head) for one in known)):
        faults.append(
            f"No rating and no kept table has the hash {head}: it was changed or removed, or this "
            "is another database."
        )
    return Verdict(len(links), replies, links[-1].sha256 if links else "", tuple(faults))


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
        "study_frozen",
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


@dataclass(frozen=True)
class _Link:
    """One rating of the chain: its hash, and what is wrong with it."""

    sha256: str
    faults: tuple[str, ...]


def _chain(session: Session) -> Iterator[_Link]:
    forms = {row.id: row for row in session.scalars(select(PresentationRow))}
    seals, whole = _seals(session)
    comments = {row.event_id: row for row in session.scalars(select(CommentRow))}
    scores = _scores(session)
    number, head, sealed = 0, "", False
    query = select(EventRow).order_by(EventRow.number)
    for event in session.scalars(query.execution_options(yield_per=500)):
        number += 1
        faults = []
        if event.number != number or event.prev_hash != head:
            faults.append(f"Rating {event.id} does not follow the one before: rows are missing.")
            number = event.number
        fields = {name: getattr(event, name) for name in chain.FIELDS}
        own, form = scores.get(event.id, []), forms.get(event.presentation_id)
        sides = (form.left_gen, form.right_gen) if form else ()
        shown = [seals.get(side) if side else None for side in sides]
        mark = chain.seal(chain.FORM, form) if form else ""
        if chain.row_hash(fields, own, mark, shown) == event.row_hash:
            sealed = True
        # the first ratings knew less; none of them comes after one that knows it all
        elif sealed or event.row_hash != chain.first_row_hash(
            fields, own, [whole.get(side) if side else None for side in sides]
        ):
            faults.append(
                f"Rating {event.id} (number {event.number}) was changed, or its form or what it "
                "showed was."
            )
        faults += _comment_fault(event, comments.get(event.id))
        head = event.row_hash
        yield _Link(head, tuple(faults))


def _seals(session: Session) -> tuple[dict[str, str], dict[str, str]]:
    """Reply → its seal, and → `Reply.sha256`."""
    query = (
        select(*chain.SHOWN_COLUMNS)
        .join(TurnRow, TurnRow.id == GenerationRow.turn_id)
        .join(ModelRevRow, ModelRevRow.id == GenerationRow.model_rev_id)
    )
    seals, whole = {}, {}
    for row in session.execute(query.execution_options(yield_per=500)):
        seals[row.id] = chain.seal(chain.SHOWN, row)
        whole[row.id] = row.whole_sha256
    return seals, whole


def _words(session: Session) -> Iterator[str]:
    """What was said to a character, against its hash; only erased raters' words may be gone."""
    query = select(TurnRow, RaterRow.status).outerjoin(RaterRow, RaterRow.id == TurnRow.rater_id)
    for turn, status in session.execute(query.execution_options(yield_per=500)):
        if turn.user_text is None:
            if status != "erased":
                yield f"What was said in turn {turn.id} is gone, and nobody erased it."
        elif turn.text_sha256 != chain.digest((turn.salt or "") + turn.user_text):
            yield f"What was said in turn {turn.id} is not what was stored."


def _unrated(session: Session) -> Iterator[str]:
    """Forms that were rated or passed over, and of which the chain holds nothing."""
    came = select(EventRow.id).where(EventRow.presentation_id == PresentationRow.id)
    query = select(PresentationRow.id).where(
        PresentationRow.state.in_(("rated", "skipped")), ~came.exists()
    )
    for form in session.scalars(query):
        yield f"Form {form} was answered, and the chain holds no answer: rows were removed."


def _boards(session: Session) -> tuple[set[str], list[str]]:
    """The hashes of the kept tables, and what is wrong with them."""
    found, faults = set(), []
    for row in session.scalars(select(BoardRow)):
        if row.row_hash is not None:  # the first ones were kept without
            found.add(row.row_hash)
            if chain.seal(chain.BOARD, row) != row.row_hash:
                faults.append(f"The kept table {row.id} was changed.")
    return found, faults


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
