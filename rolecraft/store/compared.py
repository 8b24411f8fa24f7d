"""Reading comparisons: the newest pair put before a rater for each message, and a reply as a value.

Only reads. Nothing here decides what a rater may see: `Pair` names replies by ids, which tell no
arm, and `reply` tells everything and is for what comes after the vote.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from sqlalchemy import select

from rolecraft.conversation import Finish, Identity, Message, Passage, Reply, Sampling
from rolecraft.store.database import Database
from rolecraft.store.generations import FAILED, known
from rolecraft.store.inbox import code
from rolecraft.store.rated_schema import EventRow, PresentationRow, ScoreRow
from rolecraft.store.shown_schema import GenerationRow, ModelRevRow, TurnRow


@dataclass(frozen=True)
class Pair:
    """One pair before one rater, and what they said of it. `failed` lists the broken sides."""

    form: str
    turn: str
    mode: str
    state: str
    ready: bool
    revealed: bool
    left: str
    right: str
    policy: str
    probability: float
    preference: str | None
    scores: tuple[tuple[str, int], ...]  # side and value of every criterion that has one
    rated: bool
    receipt: str
    failed: tuple[str, ...]

    @property
    def goes_on(self) -> str:
        """The side with which the talk goes on: the chosen, else the better rated, else by lot.

        The lot is the form's random id, so that every look at it says the same.
        """
        if self.preference in ("left", "right"):
            return str(self.preference)
        if self.preference is None:
            sums = {side: sum(v for s, v in self.scores if s == side) for side in ("left", "right")}
            if sums["left"] != sums["right"]:
                return max(sums, key=lambda side: sums[side])
        return random.Random(self.form).choice(("left", "right"))


class Compared:
    """Safe to use from several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def pairs(self, rater: str, conversations: Sequence[str]) -> Mapping[str, Pair]:
        """The newest pair of the rater under each of these `TurnRow.conversation_id`s."""
        query = (
            select(TurnRow.conversation_id, PresentationRow)
            .join(PresentationRow, PresentationRow.turn_id == TurnRow.id)
            .where(
                PresentationRow.rater_id == rater,
                PresentationRow.right_gen.is_not(None),
                TurnRow.conversation_id.in_(conversations),
            )
            .order_by(PresentationRow.shown_ms, PresentationRow.id)
        )
        found: dict[str, Pair] = {}
        with self._database.read() as session:
            newest = {name: row for name, row in session.execute(query)}
            for name, row in newest.items():
                last = session.scalar(
                    select(EventRow)
                    .where(EventRow.presentation_id == row.id)
                    .order_by(EventRow.seq.desc())
                    .limit(1)
                )
                values = select(ScoreRow.generation_id, ScoreRow.value).where(
                    ScoreRow.event_id == (last.id if last else ""), ScoreRow.value.is_not(None)
                )
                sides = {row.left_gen: "left", row.right_gen: "right"}
                broken = session.scalars(
                    select(GenerationRow.id).where(
                        GenerationRow.id.in_(sides), GenerationRow.finish.in_(FAILED)
                    )
                )
                found[name] = Pair(
                    form=row.id, turn=row.turn_id, mode=row.mode, state=row.state,
                    ready=row.both_done_ms is not None, revealed=row.revealed_ms is not None,
                    left=row.left_gen, right=str(row.right_gen), policy=row.pair_policy,
                    probability=row.pair_prob, preference=last.preference if last else None,
                    scores=tuple(
                        (str(sides[id]), int(value or 0)) for id, value in session.execute(values)
                    ),
                    rated=last is not None, receipt=code(last.row_hash) if last else "",
                    failed=tuple(sorted(str(sides[id]) for id in broken)),
                )  # fmt: skip
        return found

    def reply(self, generation: str) -> Reply:
        """A reply that has ended, as it was when it ended; an erased prompt is empty."""
        with self._database.read() as session:
            row = known(session, generation)
            model = session.get_one(ModelRevRow, row.model_rev_id)
            passages = json.loads(row.retrieval_json)
            for passage in passages:
                passage.pop("sha256", None)
            prompt = json.loads(row.prompt_text) if row.prompt_text else []
            return Reply(
                text=row.reply_text,
                emotion=row.emotion,
                passages=tuple(Passage(**passage) for passage in passages),
                identity=Identity(
                    model.engine, model.base_repo, model.base_sha256, model.adapter or None,
                    model.adapter_sha256, model.dtype, model.quant, model.tokenizer_sha256,
                ),  # fmt: skip
                sampling=Sampling(**json.loads(row.sampling_json)),
                seed=row.seed or 0,
                prompt=tuple(Message(**message) for message in prompt),
                prompt_tokens=row.prompt_tokens,
                reply_tokens=row.reply_tokens,
                first_token_ms=row.first_token_ms or 0.0,
                total_ms=row.total_ms or 0.0,
                finish=cast(Finish, row.finish),
                conditions=model.conditions,
            )  # fmt: skip

    def arm(self, generation: str) -> tuple[str, str]:
        """The arm's public name and its conditions."""
        with self._database.read() as session:
            row = known(session, generation)
            model = session.get_one(ModelRevRow, row.model_rev_id)
            return model.public_name, model.conditions
