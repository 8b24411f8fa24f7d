"""Ratings as flat rows: one per rating, reply and criterion, for tables and for exports.

Only reads. The columns are described once, here; the data dictionary of an export is made of it.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import column, select, table
from sqlalchemy.orm import Session

from rolecraft.moderation import judge
from rolecraft.store.chain import digest
from rolecraft.store.database import Database
from rolecraft.store.forms import CRITERIA, PREFERENCE
from rolecraft.store.moderating import rulings, verdict_of
from rolecraft.store.rated_schema import CommentRow, EventRow, FlagRow, PresentationRow, ScoreRow
from rolecraft.store.shown_schema import (
    MODEL_IDENTITY,
    CharacterRevRow,
    ConsentRow,
    GenerationRow,
    ModelRevRow,
    RaterRow,
    RubricRevRow,
    StudyItemRow,
    StudyRow,
    TurnRow,
)

Type = Literal["text", "int", "real"]
_HOUR_MS = 3600 * 1000
_CURRENT = table("current_rating", column("id"))  # the view


@dataclass(frozen=True)
class Column:
    """One column: where its value comes from, its type and what it means."""

    name: str
    source: Literal["event", "reply", "score"]
    type: Type
    about: str


def _columns(source: Any, *rows: tuple[str, Type, str]) -> tuple[Column, ...]:
    return tuple(Column(name, source, type, about) for name, type, about in rows)


COLUMNS = (
    *_columns(
        "event",
        ("event", "text", "the rating's id, made by the rater's browser"),
        ("number", "int", "place in the chain of all ratings, from 1"),
        ("row_hash", "text", "hash of the rating in the chain"),
        ("seq", "int", "version of the rating of this form, from 1"),
        ("kind", "text", "submit, revise, withdraw or skip"),
        ("skip_reason", "text", "why a form was passed over"),
        ("current", "int", "1: this is the version that counts"),
        ("form", "text", "the form that was shown"),
        ("mode", "text", "blind, open, bank, training or chat"),
        ("scope", "text", "reply or conversation: what was to be rated"),
        ("study", "text", "name of the study; empty outside of studies"),
        ("item", "text", "the study's item"),
        ("item_kind", "text", "target, degraded (a worsened copy) or training"),
        ("origin_item", "text", "the item of which this is a degraded copy"),
        ("repeat_of", "text", "the earlier form of which this is a repetition"),
        ("pair_policy", "text", "how the pair was drawn"),
        ("pair_prob", "real", "the chance with which this pair was drawn"),
        ("form_order", "text", "preference and criteria in the order in which they were asked"),
        ("rubric_sha256", "text", "the text of the rubric that the rater read"),
        ("rater", "text", "the rater under a name made for this export alone"),
        ("rater_kind", "text", "anon, invited or expert"),
        ("rater_status", "text", "active, shadow, blocked or erased"),
        ("consents", "text", "what the rater agrees to now: rate, publish, train"),
        ("consent_sha256", "text", "the text agreed to when rating"),
        ("conversation", "text", "the conversation that the turn belongs to"),
        ("turn", "text", "the turn that the replies answer"),
        ("turn_no", "int", "its place in the conversation, from 1"),
        ("prompt_source", "text", "free, bank, gold or repeat"),
        ("asks_identity", "int", "1: the visitor asked which model answers"),
        ("character", "text", "id of the character"),
        ("character_sha256", "text", "hash of its card"),
        ("user_text", "text", "what was said; a visitor's own words only with consent to publish"),
        ("comment", "text", "the rater's comment, only with consent to publish"),
        ("flags", "text", "rules that the rating failed"),
        ("excluded", "int", "1: a failed rule sets it aside"),
        ("active_ms", "int", "time spent on it by the rater's own clock, pauses taken out"),
        ("wall_ms", "int", "time from first sight to sending by the rater's own clock"),
        ("received_hour", "int", "when it came: hours since 1970 in UTC"),
        ("app_git", "text", "the program that took it"),
    ),
    *_columns(
        "reply",
        ("side", "text", "where the reply stood: left or right"),
        ("generation", "text", "the reply"),
        ("other_generation", "text", "the reply beside it"),
        ("model_rev", "text", "hash of everything that identifies the arm"),
        ("arm", "text", "name of the arm"),
        ("conditions", "text", "what else sets the arm apart"),
        ("engine", "text", "the engine that answered"),
        ("base_repo", "text", "its base model"),
        ("base_sha256", "text", "hash of the base's weights"),
        ("adapter", "text", "its adapter"),
        ("adapter_sha256", "text", "hash of the adapter's weights"),
        ("source", "text", "live, recorded (made elsewhere) or degraded"),
        ("attempt", "int", "which try it was"),
        ("emotion", "text", "label that opened the reply"),
        ("finish", "text", "how it ended: stop, length, user_stop"),
        ("moderation", "text", "pass, fail or unknown; only what passes is given in words"),
        ("reply_text", "text", "the reply"),
        ("reply_sha256", "text", "hash of its text"),
        ("whole_sha256", "text", "hash of the reply with all that made it"),
        ("seed", "int", "its seed"),
        ("leak_models", "text", "names of models found in the reply"),
        ("leak_broken", "text", "phrases that leave the role"),
        ("chars", "int", "length in characters"),
        ("actions", "int", "bracketed actions"),
        ("emoji", "int", "emoji"),
        ("lines", "int", "line breaks"),
        ("first_token_ms", "real", "time to the first token"),
        ("total_ms", "real", "time to the end"),
    ),
    *_columns(
        "score",
        ("criterion", "text", "preference, communication, consistency or diversity"),
        ("value", "int", "1 to 5; empty for a preference or when not applicable"),
        ("na", "int", "1: not applicable"),
        ("outcome", "text", "of a preference, for this reply: won, lost, tie or both_bad"),
    ),
)
BY_NAME = {column.name: column for column in COLUMNS}
_JUDGED = ("user_text", "moderation", "reply_text")
TEXTS = ("user_text", "comment", "reply_text")  # heavy, and of no use to a table

Table = dict[str, list[Any]]  # column → values, all of one length


def read(database: Database, names: Sequence[str] = tuple(BY_NAME)) -> Table:
    """Every rating that ever came, in the order of the chain, as columns of these names.

    Erased raters are left out. Left comes before right, preference before the criteria.
    """
    chosen = {
        source: [name for name in names if BY_NAME[name].source == source]
        for source in ("event", "reply", "score")
    }
    order = [*chosen["event"], *chosen["reply"], *chosen["score"]]
    with database.read() as session:
        rows = list(_Reader(session, chosen).rows())
    columns = list(zip(*rows, strict=True)) if rows else [() for _ in order]
    found = {name: list(column) for name, column in zip(order, columns, strict=True)}
    return {name: found[name] for name in names}


def better_words(database: Database) -> dict[str, str]:
    """Form → what its rater would have had the character say; of those who agree to training.

    Of several versions the newest that says something.
    """
    agreed = select(ConsentRow.rater_id).where(
        ConsentRow.scope == "train", ConsentRow.withdrawn_ms.is_(None)
    )
    query = (
        select(EventRow.presentation_id, CommentRow.better)
        .join(CommentRow, CommentRow.event_id == EventRow.id)
        .where(CommentRow.better.is_not(None), EventRow.rater_id.in_(agreed))
        .order_by(EventRow.number)
    )
    with database.read() as session:
        return {form: better for form, better in session.execute(query) if better}


class _Reader:
    """Holds what the rows share, so that each is put together from ready parts."""

    def __init__(self, session: Session, chosen: dict[str, list[str]]) -> None:
        self._session = session
        self._chosen = chosen
        self._consents: dict[str, list[str]] = {}
        query = select(ConsentRow.rater_id, ConsentRow.scope).where(
            ConsentRow.withdrawn_ms.is_(None)
        )
        for rater, scope in session.execute(query.distinct().order_by(ConsentRow.scope)):
            self._consents.setdefault(rater, []).append(scope)
        self._replies = dict(self._read_replies())
        self._flags: dict[str, list[tuple[str, int]]] = {}
        failed = select(FlagRow.event_id, FlagRow.rule, FlagRow.excludes).where(
            FlagRow.verdict == "fail"
        )
        for event, rule, excludes in session.execute(failed.order_by(FlagRow.rule)):
            self._flags.setdefault(event, []).append((rule, excludes))
        self._comments: dict[str, str | None] = {}
        if "comment" in chosen["event"]:
            comments = select(CommentRow.event_id, CommentRow.body)
            self._comments = {event: body for event, body in session.execute(comments)}
        self._current = set(session.scalars(select(_CURRENT.c.id)))

    def rows(self) -> Iterator[tuple[Any, ...]]:
        scores = self._scores()
        form, event = PresentationRow, EventRow
        query = (
            select(
                event, form, RaterRow.kind, RaterRow.status, TurnRow, CharacterRevRow.character_id,
                CharacterRevRow.sha256, RubricRevRow.sha256, StudyRow.name, StudyItemRow.kind,
            )
            .join(form, form.id == event.presentation_id)
            .join(RaterRow, RaterRow.id == event.rater_id)
            .join(TurnRow, TurnRow.id == form.turn_id)
            .join(CharacterRevRow, CharacterRevRow.id == TurnRow.character_rev_id)
            .join(RubricRevRow, RubricRevRow.id == form.rubric_rev_id)
            .outerjoin(StudyItemRow, StudyItemRow.id == form.item_id)
            .outerjoin(StudyRow, StudyRow.id == StudyItemRow.study_id)
            .where(RaterRow.status != "erased")
            .order_by(event.number)
        )  # fmt: skip
        for found in self._session.execute(query.execution_options(yield_per=1000)):
            held = found[0]
            values = self._event(found)
            head = tuple(values[name] for name in self._chosen["event"])
            given = scores.get(held.id, {})
            for side, own, other in _sides(found[1]):
                body = self._reply(side, own, other)
                for score in _score_rows(held, side, given.get(own, {})):
                    yield (*head, *body, *(score[name] for name in self._chosen["score"]))

    def _event(self, found: Any) -> dict[str, Any]:
        event, form, kind, status, turn, character, card, rubric, study, item_kind = found
        consents = self._consents.get(event.rater_id, [])
        publish = "publish" in consents
        flags = self._flags.get(event.id, [])
        own_words = turn.rater_id is not None
        sides = (form.left_gen, form.right_gen or form.left_gen)
        decent = all(self._replies[side]["moderation"] == "pass" for side in sides)
        comment = self._comments.get(event.id) or ""
        return {
            "event": event.id, "number": event.number, "row_hash": event.row_hash,
            "seq": event.seq, "kind": event.kind, "skip_reason": event.skip_reason or "",
            "current": int(event.id in self._current), "form": form.id, "mode": form.mode,
            "scope": form.scope, "study": study or "", "item": form.item_id or "",
            "item_kind": item_kind or "", "origin_item": form.gold_id or "",
            "repeat_of": form.repeat_of or "", "pair_policy": form.pair_policy,
            "pair_prob": form.pair_prob, "form_order": form.form_order, "rubric_sha256": rubric,
            "rater": event.rater_id, "rater_kind": kind, "rater_status": status,
            "consents": ",".join(consents), "consent_sha256": event.consent_sha256,
            "conversation": turn.conversation_id, "turn": turn.id, "turn_no": turn.turn_no,
            "prompt_source": turn.prompt_source,
            "asks_identity": int("deanonymise" in turn.moderation_json), "character": character,
            "character_sha256": card,
            "user_text": (turn.user_text or "") if decent and (publish or not own_words) else "",
            "comment": comment if comment and publish and _decent(comment) else "",
            "flags": ",".join(rule for rule, _ in flags),
            "excluded": int(any(excludes for _, excludes in flags)),
            "active_ms": event.active_ms, "wall_ms": event.wall_ms,
            "received_hour": event.received_ms // _HOUR_MS, "app_git": event.app_git,
        }  # fmt: skip

    def _reply(self, side: str, own: str, other: str) -> tuple[Any, ...]:
        values = self._replies[own]
        mixed = {"side": side, "generation": own, "other_generation": other}
        return tuple(
            mixed[name] if name in mixed else values[name] for name in self._chosen["reply"]
        )

    def _read_replies(self) -> Iterator[tuple[str, dict[str, Any]]]:
        models: dict[str, dict[str, Any]] = {}
        for model in self._session.scalars(select(ModelRevRow)):
            parts = [getattr(model, name) for name in MODEL_IDENTITY]
            models[model.id] = {
                "model_rev": digest(json.dumps(parts, ensure_ascii=False))[:16],
                "arm": model.public_name, "conditions": model.conditions, "engine": model.engine,
                "base_repo": model.base_repo, "base_sha256": model.base_sha256,
                "adapter": model.adapter, "adapter_sha256": model.adapter_sha256,
            }  # fmt: skip
        reply = GenerationRow
        chosen = [*self._chosen["event"], *self._chosen["reply"]]
        with_text = bool(set(chosen) & set(_JUDGED))
        decided = rulings(self._session) if with_text else {}
        query = select(
            reply.id, reply.model_rev_id, reply.source, reply.attempt, reply.emotion, reply.finish,
            reply.reply_sha256, reply.whole_sha256, reply.seed, reply.leak_json, reply.style_json,
            reply.first_token_ms, reply.total_ms, TurnRow.rater_id, TurnRow.moderation_json,
            reply.reply_text if with_text else reply.id,
        ).join(TurnRow, TurnRow.id == reply.turn_id)  # fmt: skip
        for row in self._session.execute(query.execution_options(yield_per=1000)):
            leaks, style = json.loads(row.leak_json), json.loads(row.style_json)
            verdict = ""
            if with_text:
                judged = row.moderation_json, row.rater_id is not None, row[-1]
                verdict = verdict_of(decided.get(row.id), *judged)
            yield row.id, {
                **models[row.model_rev_id], **style, "source": row.source, "attempt": row.attempt,
                "emotion": row.emotion or "", "finish": row.finish or "",
                "reply_sha256": row.reply_sha256, "whole_sha256": row.whole_sha256,
                "seed": row.seed, "leak_models": ",".join(leaks["models"]),
                "leak_broken": ",".join(leaks["broken"]), "first_token_ms": row.first_token_ms,
                "total_ms": row.total_ms, "moderation": verdict,
                "reply_text": row[-1] if verdict == "pass" else "",
            }  # fmt: skip

    def _scores(self) -> dict[str, dict[str, dict[str, int | None]]]:
        found: dict[str, dict[str, dict[str, int | None]]] = {}
        query = select(
            ScoreRow.event_id, ScoreRow.generation_id, ScoreRow.criterion, ScoreRow.value
        )
        for event, generation, criterion, value in self._session.execute(query):
            found.setdefault(event, {}).setdefault(generation, {})[criterion] = value
        return found


def _decent(text: str) -> bool:
    return judge(text).verdict == "pass"


def _sides(form: PresentationRow) -> Iterator[tuple[str, str, str]]:
    yield "left", form.left_gen, form.right_gen or ""
    if form.right_gen:
        yield "right", form.right_gen, form.left_gen


def _score_rows(
    event: EventRow, side: str, values: dict[str, int | None]
) -> Iterator[dict[str, Any]]:
    """The preference as this reply met it, then the criteria; a bare row when nothing was said."""
    if event.preference is not None:
        outcome = event.preference
        if outcome in ("left", "right"):
            outcome = "won" if outcome == side else "lost"
        yield {"criterion": PREFERENCE, "value": None, "na": 0, "outcome": outcome}
    for criterion in CRITERIA:
        if criterion in values:
            value = values[criterion]
            yield {"criterion": criterion, "value": value, "na": int(value is None), "outcome": ""}
    if event.preference is None and not values:
        yield {"criterion": "", "value": None, "na": 0, "outcome": ""}
