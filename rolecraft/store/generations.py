"""Replies as they are rated: which arm answered what, with everything that made the reply.

Knows no rater's opinion. A reply is begun, may grow, and is frozen when it ends; a worker writes it
here so that a reload or a second tab finds it.
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from rolecraft import marks, moderation
from rolecraft.conversation import Reply
from rolecraft.errors import RatingRefused
from rolecraft.store.chain import digest
from rolecraft.store.conversations import new_id, now_ms
from rolecraft.store.database import Database
from rolecraft.store.rated_schema import PresentationRow
from rolecraft.store.shown_schema import (
    MODEL_IDENTITY,
    CharacterRevRow,
    GenerationRow,
    ModelRevRow,
    TurnRow,
)

Source = Literal["live", "recorded", "degraded"]
PromptSource = Literal["free", "bank", "gold", "repeat"]
FAILED = ("error", "restart", "disconnect")


@dataclass(frozen=True)
class Arm:
    """The name that an arm goes by on the board, and what a `Reply` does not say of it.

    `conditions` sets apart what else differs: `retrieval=off`, `emotion=off`, a sampling.
    """

    name: str
    conditions: str = ""
    base_commit: str = ""
    adapter_commit: str = ""


class Generations:
    """Reads and writes what is shown to raters. Safe to use from several threads."""

    def __init__(
        self,
        database: Database,
        app: str = "",
        clock: Callable[[], int] = now_ms,
        make_id: Callable[[], str] = new_id,
    ) -> None:
        self._database = database
        self._app = app
        self._clock = clock
        self._new_id = make_id

    def turn(
        self,
        conversation: str,
        number: int,
        card: tuple[str, str],
        user_text: str,
        *,
        rater: str | None = None,
        source: PromptSource = "free",
        bank: str | None = None,
    ) -> str:
        """The id of a turn; `card` is the character's id and its card as JSON.

        The same turn given again is the same id. Raises `RatingRefused` when it has other words.
        """
        user_text = _storable(user_text)
        with self._database.write() as session:
            query = select(TurnRow).where(
                TurnRow.conversation_id == conversation, TurnRow.turn_no == number
            )
            if found := session.scalar(query):
                if (found.user_text, found.rater_id) != (user_text, rater):
                    raise RatingRefused(
                        f"Turn {number} of {conversation!r} is already there with other words. "
                        "Start another conversation."
                    )
                return found.id
            salt = secrets.token_hex(16)
            row = TurnRow(
                id=self._new_id(), conversation_id=conversation, turn_no=number, rater_id=rater,
                character_rev_id=self._character(session, *card), user_text=user_text, salt=salt,
                text_sha256=digest(salt + user_text),
                moderation_json=moderation.judge(user_text, personal=rater is not None).as_json(),
                prompt_source=source, prompt_bank_id=bank, created_ms=self._clock(),
            )  # fmt: skip
            session.add(row)
            return row.id

    def begin(self, turn: str, arm: Arm, reply: Reply, source: Source = "live") -> str:
        """Enter a reply that is being written; `reply` is what there is of it so far."""
        with self._database.write() as session:
            return self._begin(session, turn, arm, reply, source, None).id

    def grow(self, generation: str, text: str) -> None:
        """Keep the text so far, for those who reload; harmless when the reply has ended."""
        with self._database.write() as session:
            session.execute(
                update(GenerationRow)
                .where(GenerationRow.id == generation, GenerationRow.finished_ms.is_(None))
                .values(reply_text=text, reply_sha256=digest(text))
            )

    def finish(self, generation: str, reply: Reply) -> None:
        """Freeze a reply as it ended; forms that wait for it open, or are void when it failed."""
        with self._database.write() as session:
            row = known(session, generation)
            if row.finished_ms is None:
                self._fill(row, reply)
                row.finish, row.finished_ms = reply.finish, self._clock()
                session.flush()
                settle(session, row, self._clock())

    def record(
        self,
        turn: str,
        arm: Arm,
        reply: Reply,
        *,
        source: Source = "live",
        origin: str | None = None,
    ) -> str:
        """Enter a reply that has ended; the very same reply is entered once. Its id."""
        with self._database.write() as session:
            query = select(GenerationRow.id).where(
                GenerationRow.turn_id == turn, GenerationRow.whole_sha256 == reply.sha256,
                GenerationRow.source == source,
                GenerationRow.model_rev_id == self._model(session, arm, reply),
            )  # fmt: skip
            if found := session.scalar(query):
                return found
            row = self._begin(session, turn, arm, reply, source, origin)
            row.finish, row.finished_ms = reply.finish, self._clock()
            return row.id

    def degrade(self, origin: str, text: str) -> str:
        """A copy of an ended reply with other words, to see who notices. Its id."""
        with self._database.write() as session:
            row = known(session, origin)
            whole = digest(_json([row.whole_sha256, text]))
            query = select(GenerationRow.id).where(GenerationRow.whole_sha256 == whole)
            if found := session.scalar(query.where(GenerationRow.origin_id == origin)):
                return found
            kept = {
                column.key: getattr(row, column.key)
                for column in GenerationRow.__mapper__.column_attrs
            }
            changed = {
                "id": self._new_id(), "source": "degraded", "origin_id": origin,
                "attempt": _next_attempt(session, row.turn_id, row.model_rev_id),
                "reply_text": text, "reply_sha256": digest(text), "whole_sha256": whole,
                "leak_json": _json(asdict(marks.leaks(text))),
                "style_json": _json(asdict(marks.shape(text))),
                "created_ms": self._clock(), "finished_ms": self._clock(),
            }  # fmt: skip
            session.add(GenerationRow(**(kept | changed)))
            return str(changed["id"])

    def close_unfinished(self, before_ms: int | None = None) -> int:
        """At the start of a process: mark what a dead one left unfinished; how many they were.

        `before_ms` spares what was begun later, which a living process may be writing.
        """
        query = select(GenerationRow).where(GenerationRow.finished_ms.is_(None))
        if before_ms is not None:
            query = query.where(GenerationRow.created_ms < before_ms)
        with self._database.write() as session:
            rows = session.scalars(query.with_for_update(skip_locked=True)).all()
            for row in rows:
                row.finish, row.finished_ms = "restart", self._clock()
                session.flush()
                settle(session, row, self._clock())
        return len(rows)

    def _begin(
        self,
        session: Session,
        turn: str,
        arm: Arm,
        reply: Reply,
        source: Source,
        origin: str | None,
    ) -> GenerationRow:
        model = self._model(session, arm, reply)
        row = GenerationRow(
            id=self._new_id(), turn_id=turn, model_rev_id=model,
            attempt=_next_attempt(session, turn, model),
            source=source, origin_id=origin, created_ms=self._clock(),
        )  # fmt: skip
        self._fill(row, reply)
        session.add(row)
        session.flush()
        return row

    def _fill(self, row: GenerationRow, reply: Reply) -> None:
        prompt = _json([asdict(message) for message in reply.prompt])
        row.prompt_text, row.prompt_sha256 = prompt, digest(prompt)
        passages = [asdict(one) | {"sha256": digest(one.text)} for one in reply.passages]
        row.retrieval_json = _json(passages)
        row.index_rev = digest(row.retrieval_json)[:16] if passages else ""
        row.seed, row.sampling_json = reply.seed, _json(asdict(reply.sampling))
        row.reply_text = _storable(reply.text)
        row.reply_sha256 = digest(row.reply_text)
        row.whole_sha256 = reply.sha256
        row.emotion = reply.emotion
        row.prompt_tokens, row.reply_tokens = reply.prompt_tokens, reply.reply_tokens
        row.first_token_ms, row.total_ms = reply.first_token_ms, reply.total_ms
        row.leak_json = _json(asdict(marks.leaks(reply.text)))
        row.style_json = _json(asdict(marks.shape(reply.text)))

    def _model(self, session: Session, arm: Arm, reply: Reply) -> str:
        who = reply.identity
        parts = {
            "public_name": arm.name, "engine": who.engine, "base_repo": who.base,
            "base_commit": arm.base_commit, "base_sha256": who.base_sha256,
            "adapter": who.adapter or "", "adapter_sha256": who.adapter_sha256,
            "adapter_commit": arm.adapter_commit, "tokenizer_sha256": who.tokenizer_sha256,
            "quant": who.quant, "dtype": who.dtype, "conditions": arm.conditions,
        }  # fmt: skip
        same = [getattr(ModelRevRow, name) == parts[name] for name in MODEL_IDENTITY]
        found = session.scalar(select(ModelRevRow.id).where(*same))
        if found is None:
            row = ModelRevRow(
                id=self._new_id(), **parts, app_git=self._app, created_ms=self._clock()
            )
            session.add(row)
            session.flush()
            found = row.id
        return found

    def _character(self, session: Session, character: str, card: str) -> str:
        sha256 = digest(card)
        query = select(CharacterRevRow.id).where(
            CharacterRevRow.character_id == character, CharacterRevRow.sha256 == sha256
        )
        found = session.scalar(query)
        if found is None:
            row = CharacterRevRow(
                id=self._new_id(), character_id=character, card_json=card, sha256=sha256,
                created_ms=self._clock(),
            )  # fmt: skip
            session.add(row)
            session.flush()
            found = row.id
        return found


def settle(session: Session, row: GenerationRow, now: int) -> None:
    """Bring the open forms that show this ended reply up to date."""
    query = select(PresentationRow).where(
        PresentationRow.state == "open",
        or_(PresentationRow.left_gen == row.id, PresentationRow.right_gen == row.id),
    )
    for form in session.scalars(query).all():
        if row.finish in FAILED:
            form.state = "void"
        elif form.both_done_ms is None and all_ended(session, form):
            form.both_done_ms = max(now, form.shown_ms)
        session.flush()


def all_ended(session: Session, form: PresentationRow) -> bool:
    """Whether every reply of a form has ended well."""
    sides = [side for side in (form.left_gen, form.right_gen) if side]
    query = select(func.count()).where(
        GenerationRow.id.in_(sides), GenerationRow.finish.not_in(FAILED)
    )
    return session.scalar(query) == len(sides)


def known(session: Session, generation: str) -> GenerationRow:
    row = session.get(GenerationRow, generation)
    if row is None:
        raise RatingRefused(f"There is no reply {generation!r}. Reload the page.")
    return row


def _next_attempt(session: Session, turn: str, model: str) -> int:
    query = select(func.max(GenerationRow.attempt)).where(
        GenerationRow.turn_id == turn, GenerationRow.model_rev_id == model
    )
    return (session.scalar(query) or 0) + 1


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _storable(text: str) -> str:
    """The text without what PostgreSQL or UTF-8 cannot keep; the reply's own hash covers it all."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
