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

_LOCK = 0x72617465  # any constant: ratings of one PostgreSQL database queue up behind it
FIELDS = (
    "id", "number", "presentation_id", "rater_id", "seq", "kind", "preference", "skip_reason",
    "comment_sha256", "after_reveal", "active_ms", "wall_ms", "n_changes", "input_mode",
    "consent_sha256", "received_ms", "app_git", "prev_hash",
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
    event: Mapping[str, Any], scores: Iterable[ScoreKey], shown: Iterable[str | None]
) -> str:
    """The hash of an event: its fields, its scores, and the hashes of the replies it is about."""
    body = [[event[name] for name in FIELDS], sorted(scores, key=str), list(shown)]
    return digest(json.dumps(body, ensure_ascii=False, separators=(",", ":")))


def written_hash(salt: str, comment: str, better: str) -> str:
    """The hash of what a rater wrote; no text holds the sign between its two parts."""
    return digest(salt + comment + (f"\0{better}" if better else ""))


def digest(body: str) -> str:
    # a reply may hold half a character, which UTF-8 cannot write
    return hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest()
