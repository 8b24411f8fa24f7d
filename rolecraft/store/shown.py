"""Reading what was shown: texts and conversations for a form, and everything that made a reply.

Only reads. What a form needs tells no arm; `trace` tells everything and is for results.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import or_, select

from rolecraft.conversation import Finish
from rolecraft.store.database import Database
from rolecraft.store.generations import FAILED, known
from rolecraft.store.moderating import passes
from rolecraft.store.rated_schema import PresentationRow
from rolecraft.store.raters import Scope
from rolecraft.store.shown_schema import (
    MODEL_IDENTITY,
    CharacterRevRow,
    ConsentRow,
    GenerationRow,
    ModelRevRow,
    StudyItemRow,
    StudyRow,
    TurnRow,
)


@dataclass(frozen=True)
class Said:
    """One turn of a shown conversation, without a word of who answered."""

    user: str
    text: str
    emotion: str | None
    finish: Finish | None  # None while it is still being written


class Shown:
    """Reads replies. Safe to use from several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def character(self, generation: str) -> str:
        """The id of the character that speaks in a reply."""
        query = (
            select(CharacterRevRow.character_id)
            .join(TurnRow, TurnRow.character_rev_id == CharacterRevRow.id)
            .join(GenerationRow, GenerationRow.turn_id == TurnRow.id)
            .where(GenerationRow.id == generation)
        )
        with self._database.read() as session:
            return session.scalars(query).one()

    def prompts(self, generations: Sequence[str]) -> dict[str, list[dict[str, str]]]:
        """The rendered messages of each reply; those that were erased are missing."""
        found: dict[str, list[dict[str, str]]] = {}
        with self._database.read() as session:
            for start in range(0, len(generations), 500):
                query = select(GenerationRow.id, GenerationRow.prompt_text).where(
                    GenerationRow.id.in_(generations[start : start + 500])
                )
                for id, prompt in session.execute(query):
                    if prompt is not None:
                        found[id] = json.loads(prompt)
        return found

    def text(self, generation: str) -> Said:
        """What there is of one reply now, and what it answers."""
        with self._database.read() as session:
            row = known(session, generation)
            turn = session.get_one(TurnRow, row.turn_id)
            return _said(turn, row)

    def conversation(self, generation: str) -> tuple[Said, ...]:
        """The conversation that ends with this reply, as its own arm held it."""
        with self._database.read() as session:
            last = known(session, generation)
            end = session.get_one(TurnRow, last.turn_id)
            query = (
                select(TurnRow, GenerationRow)
                .join(GenerationRow, GenerationRow.turn_id == TurnRow.id)
                .where(
                    TurnRow.conversation_id == end.conversation_id,
                    TurnRow.turn_no < end.turn_no,
                    GenerationRow.model_rev_id == last.model_rev_id,
                    GenerationRow.source.in_({last.source, "live", "recorded"}),
                    GenerationRow.finish.not_in(FAILED),
                )
                .order_by(TurnRow.turn_no, GenerationRow.attempt)
            )
            earlier: dict[int, tuple[TurnRow, GenerationRow]] = {}
            for turn, row in session.execute(query):
                held = earlier.get(turn.turn_no)
                if held is None or row.source == last.source:
                    earlier[turn.turn_no] = (turn, row)
            return (*(_said(*each) for each in earlier.values()), _said(end, last))

    def public(self, generation: str) -> bool:
        """Whether the words that a reply answers may be shown to anyone: agreed to, and decent."""
        agreed = select(ConsentRow.rater_id).where(
            ConsentRow.scope == "publish", ConsentRow.withdrawn_ms.is_(None)
        )
        query = (
            select(GenerationRow.id)
            .join(TurnRow, TurnRow.id == GenerationRow.turn_id)
            .where(
                GenerationRow.id == generation,
                or_(TurnRow.rater_id.is_(None), TurnRow.rater_id.in_(agreed)),
            )
        )
        with self._database.read() as session:
            return session.scalar(query) is not None and passes(session, generation)

    def decent(self, generation: str) -> bool:
        """Whether a reply itself may be shown to anyone."""
        with self._database.read() as session:
            return passes(session, generation)

    def agreeing(self, scope: Scope) -> frozenset[str]:
        """The raters who agree to this scope now."""
        query = select(ConsentRow.rater_id).where(
            ConsentRow.scope == scope, ConsentRow.withdrawn_ms.is_(None)
        )
        with self._database.read() as session:
            return frozenset(session.scalars(query))

    def unagreed(self, scope: Scope) -> frozenset[str]:
        """The replies to words of someone who does not agree to this scope now."""
        agreed = select(ConsentRow.rater_id).where(
            ConsentRow.scope == scope, ConsentRow.withdrawn_ms.is_(None)
        )
        query = (
            select(GenerationRow.id)
            .join(TurnRow, TurnRow.id == GenerationRow.turn_id)
            .where(TurnRow.rater_id.is_not(None), TurnRow.rater_id.not_in(agreed))
        )
        with self._database.read() as session:
            return frozenset(session.scalars(query))

    def withheld(self, now_ms: int, running: Collection[str]) -> frozenset[str]:
        """The replies that someone may still have to rate without knowing whose they are.

        They are those of forms that are open now and of the items of the `running` studies.
        """
        form, item = PresentationRow, StudyItemRow
        open_ = select(form.left_gen, form.right_gen).where(
            form.state == "open", form.expires_ms >= now_ms, form.mode != "open"
        )
        held = (
            select(item.first_gen, item.second_gen)
            .join(StudyRow, StudyRow.id == item.study_id)
            .where(StudyRow.name.in_(running))
        )
        with self._database.read() as session:
            pairs = [*session.execute(open_), *session.execute(held)]
        return frozenset(one for pair in pairs for one in pair if one)

    def trace(self, generation: str) -> dict[str, Any]:
        """Everything that made a reply, to be looked at or to make it again.

        The prompt is None when it was erased. `whole_sha256` is `Reply.sha256`.
        """
        with self._database.read() as session:
            row = known(session, generation)
            model = session.get_one(ModelRevRow, row.model_rev_id)
            turn = session.get_one(TurnRow, row.turn_id)
            character = session.get_one(CharacterRevRow, turn.character_rev_id)
            plain = {
                name: getattr(row, name)
                for name in (
                    "id", "attempt", "source", "origin_id", "seed", "reply_text", "reply_sha256",
                    "whole_sha256", "prompt_sha256", "emotion", "finish", "prompt_tokens",
                    "reply_tokens", "first_token_ms", "total_ms", "index_rev",
                )
            }  # fmt: skip
            return plain | {
                "user_text": turn.user_text,
                "character": character.character_id,
                "prompt": json.loads(row.prompt_text) if row.prompt_text else None,
                "passages": json.loads(row.retrieval_json),
                "sampling": json.loads(row.sampling_json),
                "leaks": json.loads(row.leak_json),
                "model": {name: getattr(model, name) for name in MODEL_IDENTITY},
            }


def _said(turn: TurnRow, row: GenerationRow) -> Said:
    finish = cast(Finish | None, row.finish)
    return Said(turn.user_text or "", row.reply_text, row.emotion, finish)
