"""The chain of ratings: every event holds the hash of the one before and of what it says.

Knows no rules of rating. Text that may be personal is in the chain by salted hash only, so that it
can be erased and the chain still verifies.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from rolecraft.store.rated_schema import EventRow
from rolecraft.store.shown_schema import MODEL_IDENTITY, GenerationRow, ModelRevRow, TurnRow

_LOCK = 0x72617465  # any constant: ratings of one PostgreSQL database queue up behind it
FIELDS = (
    "id", "number", "presentation_id", "rater_id", "seq", "kind", "preference", "skip_reason",
    "comment_sha256", "after_reveal", "active_ms", "wall_ms", "n_changes", "input_mode",
    "consent_sha256", "received_ms", "app_git", "prev_hash",
)  # fmt: skip
# What never changes of a form, of a reply with its turn and its arm, and of a kept board. Texts
# that can be erased are in it by their hashes; of a prompt, `Reply.sha256` holds the hash.
FORM = (
    "id", "rater_id", "session_id", "turn_id", "mode", "scope", "left_gen", "right_gen",
    "pair_policy", "pair_prob", "form_order", "rubric_rev_id", "item_id", "gold_id", "repeat_of",
    "shown_ms",
)  # fmt: skip
_GENERATION = (
    "id", "turn_id", "attempt", "source", "origin_id", "retrieval_json", "index_rev", "seed",
    "sampling_json", "reply_sha256", "whole_sha256", "emotion", "finish", "prompt_tokens",
    "reply_tokens", "first_token_ms", "total_ms", "leak_json", "style_json",
)  # fmt: skip
_TURN = (
    "conversation_id", "turn_no", "rater_id", "character_rev_id", "text_sha256", "prompt_source",
    "prompt_bank_id",
)  # fmt: skip
SHOWN = (*_GENERATION, *_TURN, *MODEL_IDENTITY)
SHOWN_COLUMNS = (
    *(getattr(GenerationRow, name) for name in _GENERATION),
    *(getattr(TurnRow, name) for name in _TURN),
    *(getattr(ModelRevRow, name) for name in MODEL_IDENTITY),
)
BOARD = (
    "id", "metric", "method", "filter_json", "data_sha256", "n_events", "n_raters", "seed",
    "app_git", "rows_json", "created_ms", "last_number", "chain_head",
)  # fmt: skip
_END = select(EventRow.number, EventRow.row_hash).order_by(EventRow.number.desc()).limit(1)

ScoreKey = tuple[str, str, int | None]  # generation, criterion, value; None is "not applicable"


def queue_up(session: Session) -> None:
    """Let one rating at a time extend the chain. SQLite has one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def end(session: Session) -> tuple[int, str]:
    """Number and hash of the newest event; zero and "" before the first."""
    found = session.connection().execute(_END).one_or_none()
    return (found.number, found.row_hash) if found else (0, "")


def row_hash(
    event: Mapping[str, Any], scores: Iterable[ScoreKey], form: str, shown: Iterable[str | None]
) -> str:
    """The hash of an event: its fields, its scores, the seals of its form and of what it showed."""
    body = [2, [event[name] for name in FIELDS], sorted(scores, key=str), form, list(shown)]
    return digest(json.dumps(body, ensure_ascii=False, separators=(",", ":")))


def first_row_hash(
    event: Mapping[str, Any], scores: Iterable[ScoreKey], shown: Iterable[str | None]
) -> str:
    """The hash that the first ratings had, which knew of what was shown only `Reply.sha256`."""
    body = [[event[name] for name in FIELDS], sorted(scores, key=str), list(shown)]
    return digest(json.dumps(body, ensure_ascii=False, separators=(",", ":")))


def seal(names: Iterable[str], row: Any) -> str:
    """The hash of those fields of a row that never change."""
    body = [getattr(row, name) for name in names]
    return digest(json.dumps(body, ensure_ascii=False, separators=(",", ":")))


def written_hash(salt: str, comment: str, better: str) -> str:
    """The hash of what a rater wrote; no text holds the sign between its two parts."""
    return digest(salt + comment + (f"\0{better}" if better else ""))


def digest(body: str) -> str:
    # a reply may hold half a character, which UTF-8 cannot write
    return hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest()
