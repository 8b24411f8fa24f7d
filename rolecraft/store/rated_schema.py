"""The tables of what was put before a rater and of what the rater said of it.

Ratings are events that are never changed or removed; the triggers of the migration see to it.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Float,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from rolecraft.store.schema import ID_LENGTH, Base
from rolecraft.store.shown_schema import METADATA

__all__ = [
    "METADATA",
    "BoardRow",
    "CommentRow",
    "EventRow",
    "FlagRow",
    "PresentationRow",
    "ReportRow",
    "ScoreRow",
]

# A pair is dealt to a rater once, whichever way round; repeats and what never came about excepted.
ONCE = "repeat_of IS NULL AND state NOT IN ('void', 'expired')"


class PresentationRow(Base):
    """One form put before one rater: which replies, on which side, by which chance."""

    __tablename__ = "presentation"
    __table_args__ = (
        CheckConstraint("mode IN ('blind', 'open', 'bank', 'training', 'chat')", name="mode"),
        CheckConstraint("scope IN ('reply', 'conversation')", name="scope"),
        CheckConstraint("state IN ('open', 'rated', 'skipped', 'void', 'expired')", name="state"),
        CheckConstraint("right_gen IS NULL OR left_gen <> right_gen", name="sides"),
        CheckConstraint(
            "(pair_low = left_gen AND pair_high = COALESCE(right_gen, ''))"
            " OR (pair_low = right_gen AND pair_high = left_gen)",
            name="pair",
        ),
        CheckConstraint("right_gen IS NULL OR pair_low < pair_high", name="pair_order"),
        CheckConstraint("pair_prob > 0 AND pair_prob <= 1", name="pair_prob"),
        Index(None, "rater_id", "state", "expires_ms"),
        Index(None, "left_gen"),
        Index(None, "right_gen"),
        Index(None, "item_id", "state"),
        Index(
            "uq_presentation_pair",
            "rater_id", "turn_id", "scope", "pair_low", "pair_high",
            unique=True, sqlite_where=text(ONCE), postgresql_where=text(ONCE),
        ),
    )  # fmt: skip

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    rater_id: Mapped[str] = mapped_column(ForeignKey("rater.id"))
    session_id: Mapped[str] = mapped_column(ForeignKey("session.id"))
    turn_id: Mapped[str] = mapped_column(ForeignKey("turn.id"))
    mode: Mapped[str] = mapped_column(String(16))
    scope: Mapped[str] = mapped_column(String(16))
    left_gen: Mapped[str] = mapped_column(ForeignKey("generation.id"))
    right_gen: Mapped[str | None] = mapped_column(ForeignKey("generation.id"))
    pair_low: Mapped[str] = mapped_column(String(ID_LENGTH))
    pair_high: Mapped[str] = mapped_column(String(ID_LENGTH))
    pair_policy: Mapped[str] = mapped_column(String(64))
    pair_prob: Mapped[float] = mapped_column(Float)
    form_order: Mapped[str] = mapped_column(String(200))  # preference and criteria, as shown
    rubric_rev_id: Mapped[str] = mapped_column(ForeignKey("rubric_rev.id"))
    item_id: Mapped[str | None] = mapped_column(ForeignKey("study_item.id"))
    gold_id: Mapped[str | None] = mapped_column(ForeignKey("study_item.id"))
    repeat_of: Mapped[str | None] = mapped_column(ForeignKey("presentation.id"))
    token_sha256: Mapped[str] = mapped_column(String(64))
    shown_ms: Mapped[int] = mapped_column(BigInteger)
    both_done_ms: Mapped[int | None] = mapped_column(BigInteger)
    expires_ms: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(16))
    revealed_ms: Mapped[int | None] = mapped_column(BigInteger)


class EventRow(Base):
    """A rating as it arrived, and its link in the chain of all ratings."""

    __tablename__ = "rating_event"
    __table_args__ = (
        UniqueConstraint("number"),
        UniqueConstraint("prev_hash"),  # a chain, never a tree
        UniqueConstraint("presentation_id", "seq"),
        CheckConstraint("kind IN ('submit', 'revise', 'withdraw', 'skip')", name="kind"),
        CheckConstraint("preference IN ('left', 'right', 'tie', 'both_bad')", name="preference"),
        CheckConstraint("after_reveal IN (0, 1)", name="after_reveal"),
        CheckConstraint("active_ms >= 0 AND wall_ms >= active_ms", name="durations"),
        Index(None, "rater_id", "received_ms"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)  # made by the client
    number: Mapped[int] = mapped_column(BigInteger)
    presentation_id: Mapped[str] = mapped_column(ForeignKey("presentation.id"))
    rater_id: Mapped[str] = mapped_column(ForeignKey("rater.id"))
    seq: Mapped[int] = mapped_column()
    kind: Mapped[str] = mapped_column(String(16))
    preference: Mapped[str | None] = mapped_column(String(16))
    skip_reason: Mapped[str | None] = mapped_column(String(64))
    comment_sha256: Mapped[str | None] = mapped_column(String(64))
    after_reveal: Mapped[int] = mapped_column()
    active_ms: Mapped[int] = mapped_column(BigInteger)
    wall_ms: Mapped[int] = mapped_column(BigInteger)
    n_changes: Mapped[int] = mapped_column()
    input_mode: Mapped[str] = mapped_column(String(16))
    consent_sha256: Mapped[str] = mapped_column(String(64))
    received_ms: Mapped[int] = mapped_column(BigInteger)
    app_git: Mapped[str] = mapped_column(String(64))
    prev_hash: Mapped[str] = mapped_column(String(64))
    row_hash: Mapped[str] = mapped_column(String(64))


class ScoreRow(Base):
    """One value of one criterion for one reply. STRICT keeps SQLite from storing 4.5 or '5'."""

    __tablename__ = "score"
    __table_args__ = (
        PrimaryKeyConstraint("event_id", "generation_id", "criterion"),
        CheckConstraint(
            "criterion IN ('communication', 'consistency', 'diversity')", name="criterion"
        ),
        CheckConstraint("value IN (1, 2, 3, 4, 5)", name="value"),
        CheckConstraint("na IN (0, 1) AND (na = 1) = (value IS NULL)", name="na"),
        {"sqlite_strict": True},
    )

    event_id: Mapped[str] = mapped_column(Text, ForeignKey("rating_event.id"))
    generation_id: Mapped[str] = mapped_column(Text, ForeignKey("generation.id"))
    criterion: Mapped[str] = mapped_column(Text)
    value: Mapped[int | None] = mapped_column(Integer)
    na: Mapped[int] = mapped_column(Integer)


class CommentRow(Base):
    """What a rater wrote: a comment, and what they would have had the character say.

    The chain holds its salted hash; all of it can be erased.
    """

    __tablename__ = "comment"

    event_id: Mapped[str] = mapped_column(ForeignKey("rating_event.id"), primary_key=True)
    salt: Mapped[str | None] = mapped_column(String(64))
    body: Mapped[str | None] = mapped_column(Text)
    better: Mapped[str | None] = mapped_column(Text)


class FlagRow(Base):
    """What a rule found in a rating. A rating is set aside by this, never removed."""

    __tablename__ = "quality_flag"
    __table_args__ = (
        PrimaryKeyConstraint("event_id", "rule", "rule_version"),
        CheckConstraint("verdict IN ('pass', 'fail', 'unknown')", name="verdict"),
        CheckConstraint("excludes IN (0, 1)", name="excludes"),
    )

    event_id: Mapped[str] = mapped_column(ForeignKey("rating_event.id"))
    rule: Mapped[str] = mapped_column(String(64))
    rule_version: Mapped[int] = mapped_column(autoincrement=False)
    verdict: Mapped[str] = mapped_column(String(16))
    excludes: Mapped[int] = mapped_column()
    detail: Mapped[str] = mapped_column(Text)
    created_ms: Mapped[int] = mapped_column(BigInteger)


class ReportRow(Base):
    """That a rater wants a reply looked at, or what someone of the team decided of it."""

    __tablename__ = "report"
    __table_args__ = (
        UniqueConstraint("number"),
        UniqueConstraint("generation_id", "rater_id"),
        CheckConstraint("kind IN ('report', 'pass', 'fail')", name="kind"),
        CheckConstraint("(kind = 'report') = (rater_id IS NOT NULL)", name="by"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)
    generation_id: Mapped[str] = mapped_column(ForeignKey("generation.id"))
    rater_id: Mapped[str | None] = mapped_column(ForeignKey("rater.id"))  # NULL: of the team
    kind: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(String(64))
    created_ms: Mapped[int] = mapped_column(BigInteger)


class BoardRow(Base):
    """A published table as it was, with what it takes to compute it again."""

    __tablename__ = "board"
    __table_args__ = (Index(None, "metric", "created_ms"),)

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    metric: Mapped[str] = mapped_column(String(64))
    method: Mapped[str] = mapped_column(String(64))
    filter_json: Mapped[str] = mapped_column(Text)
    data_sha256: Mapped[str] = mapped_column(String(64))
    n_events: Mapped[int] = mapped_column()
    n_raters: Mapped[int] = mapped_column()
    seed: Mapped[int] = mapped_column(BigInteger)
    app_git: Mapped[str] = mapped_column(String(64))
    rows_json: Mapped[str] = mapped_column(Text)
    created_ms: Mapped[int] = mapped_column(BigInteger)
    last_number: Mapped[int | None] = mapped_column(BigInteger)  # of the ratings that there were
    chain_head: Mapped[str | None] = mapped_column(String(64))  # the hash of that last one
    row_hash: Mapped[str | None] = mapped_column(String(64))  # of all the above
