"""Reading what was shown: texts and conversations for a form, and everything that made a reply.

Only reads. What a form needs tells no arm; `trace` tells everything and is for results.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import select

from rolecraft.conversation import Finish
from rolecraft.store.database import Database
from rolecraft.store.generations import FAILED, known
from rolecraft.store.shown_schema import (
    MODEL_IDENTITY,
    CharacterRevRow,
    GenerationRow,
    ModelRevRow,
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

    def trace(self, generation: str) -> dict[str, Any]:
        """Everything that made a reply, to be looked at or to make it again.

        The prompt is None when it was erased. `whole_sha256` is `Reply.sha256`.
        """
        with self._database.read() as session:
            row = known(session, generation)
            model = session.get_one(ModelRevRow, row.model_rev_id)
            turn = session.get_one(TurnRow, row.turn_id)
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
                "prompt": json.loads(row.prompt_text) if row.prompt_text else None,
                "passages": json.loads(row.retrieval_json),
                "sampling": json.loads(row.sampling_json),
                "leaks": json.loads(row.leak_json),
                "model": {name: getattr(model, name) for name in MODEL_IDENTITY},
            }


def _said(turn: TurnRow, row: GenerationRow) -> Said:
    finish = cast(Finish | None, row.finish)
    return Said(turn.user_text or "", row.reply_text, row.emotion, finish)
