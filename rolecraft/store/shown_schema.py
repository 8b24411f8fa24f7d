"""The tables of who rates and of what is shown to them: raters, models, turns, replies, studies.

Knows no rules of rating. What was shown is frozen by triggers of the migration, not by this code.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Float,
    ForeignKey,
    Index,
    PrimaryKeyConstraint,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from rolecraft.store.schema import ID_LENGTH, Base

METADATA = Base.metadata  # of every table, those of the talks included


class RaterRow(Base):
    """Someone who rates. Cookie and address are kept only as keyed hashes, and can be erased."""

    __tablename__ = "rater"
    __table_args__ = (
        UniqueConstraint("cookie_hmac"),
        CheckConstraint("kind IN ('anon', 'invited', 'expert')", name="kind"),
        CheckConstraint("status IN ('active', 'shadow', 'blocked', 'erased')", name="status"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16))
    cookie_hmac: Mapped[str | None] = mapped_column(String(64))
    ip_hmac: Mapped[str | None] = mapped_column(String(64))
    ip_epoch: Mapped[int | None] = mapped_column()  # the week whose salt made ip_hmac
    created_ms: Mapped[int] = mapped_column(BigInteger)


class ConsentRow(Base):
    """What a rater has agreed to, by the hash of the text that was agreed to."""

    __tablename__ = "consent"
    __table_args__ = (
        PrimaryKeyConstraint("rater_id", "doc_sha256", "scope"),
        CheckConstraint("scope IN ('rate', 'publish', 'train')", name="scope"),
    )

    rater_id: Mapped[str] = mapped_column(ForeignKey("rater.id"))
    doc_sha256: Mapped[str] = mapped_column(String(64))
    scope: Mapped[str] = mapped_column(String(16))
    granted_ms: Mapped[int] = mapped_column(BigInteger)
    withdrawn_ms: Mapped[int | None] = mapped_column(BigInteger)


MODEL_IDENTITY = (
    "public_name",
    "engine",
    "base_repo",
    "base_commit",
    "base_sha256",
    "adapter",
    "adapter_sha256",
    "adapter_commit",
    "tokenizer_sha256",
    "quant",
    "dtype",
    "conditions",
)


def _identity() -> Mapped[str]:
    # Never NULL: two NULLs are unequal in a unique constraint and would let duplicates in.
    return mapped_column(String(200), server_default=text("''"))


class ModelRevRow(Base):
    """An arm: what exactly answered. Other weights under one name are another row."""

    __tablename__ = "model_rev"
    __table_args__ = (UniqueConstraint(*MODEL_IDENTITY, name="uq_model_rev_identity"),)

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    public_name: Mapped[str] = mapped_column(String(200))
    engine: Mapped[str] = _identity()
    base_repo: Mapped[str] = _identity()
    base_commit: Mapped[str] = _identity()
    base_sha256: Mapped[str] = _identity()
    adapter: Mapped[str] = _identity()
    adapter_sha256: Mapped[str] = _identity()
    adapter_commit: Mapped[str] = _identity()
    tokenizer_sha256: Mapped[str] = _identity()
    quant: Mapped[str] = _identity()
    dtype: Mapped[str] = _identity()
    conditions: Mapped[str] = _identity()  # what else sets the arm apart: retrieval=off, …
    app_git: Mapped[str] = mapped_column(String(64))  # the program that saw it first
    created_ms: Mapped[int] = mapped_column(BigInteger)


class CharacterRevRow(Base):
    """A character's card as it was when its replies were made."""

    __tablename__ = "character_rev"
    __table_args__ = (UniqueConstraint("character_id", "sha256"),)

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    character_id: Mapped[str] = mapped_column(String(200))
    card_json: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    created_ms: Mapped[int] = mapped_column(BigInteger)


class RubricRevRow(Base):
    """The criteria and their anchors, word for word, as the rater read them."""

    __tablename__ = "rubric_rev"
    __table_args__ = (UniqueConstraint("sha256"),)

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    locale: Mapped[str] = mapped_column(String(16))
    rubric_json: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    created_ms: Mapped[int] = mapped_column(BigInteger)


class SessionRow(Base):
    """One tab of one rater."""

    __tablename__ = "session"
    __table_args__ = (UniqueConstraint("rater_id", "tab_id"),)

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    rater_id: Mapped[str] = mapped_column(ForeignKey("rater.id"))
    tab_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    device: Mapped[str] = mapped_column(String(16))
    locale: Mapped[str] = mapped_column(String(16))
    app_git: Mapped[str] = mapped_column(String(64))
    created_ms: Mapped[int] = mapped_column(BigInteger)


class TurnRow(Base):
    """What was said to the character. The words of a visitor can be erased."""

    __tablename__ = "turn"
    __table_args__ = (
        UniqueConstraint("conversation_id", "turn_no"),
        CheckConstraint("prompt_source IN ('free', 'bank', 'gold', 'repeat')", name="source"),
        CheckConstraint("turn_no >= 1", name="number"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    conversation_id: Mapped[str] = mapped_column(String(200))
    turn_no: Mapped[int] = mapped_column()
    rater_id: Mapped[str | None] = mapped_column(ForeignKey("rater.id"), index=True)
    character_rev_id: Mapped[str] = mapped_column(ForeignKey("character_rev.id"))
    user_text: Mapped[str | None] = mapped_column(Text)
    salt: Mapped[str | None] = mapped_column(String(64))  # of text_sha256; erased with the words
    text_sha256: Mapped[str | None] = mapped_column(String(64))
    moderation_json: Mapped[str] = mapped_column(Text)
    prompt_source: Mapped[str] = mapped_column(String(16))
    prompt_bank_id: Mapped[str | None] = mapped_column(String(200))
    created_ms: Mapped[int] = mapped_column(BigInteger)


FINISHES = "'stop', 'length', 'user_stop', 'disconnect', 'error', 'restart'"


class GenerationRow(Base):
    """A reply and all that made it; frozen once it has ended. Its prompt can be erased."""

    __tablename__ = "generation"
    __table_args__ = (
        UniqueConstraint("turn_id", "model_rev_id", "attempt"),
        CheckConstraint("source IN ('live', 'recorded', 'degraded')", name="source"),
        CheckConstraint(f"finish IN ({FINISHES})", name="finish"),
        CheckConstraint("(finish IS NULL) = (finished_ms IS NULL)", name="ended"),
        CheckConstraint("(source = 'degraded') = (origin_id IS NOT NULL)", name="origin"),
        CheckConstraint("attempt >= 1", name="attempt"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    turn_id: Mapped[str] = mapped_column(ForeignKey("turn.id"))
    model_rev_id: Mapped[str] = mapped_column(ForeignKey("model_rev.id"))
    attempt: Mapped[int] = mapped_column()
    source: Mapped[str] = mapped_column(String(16))
    origin_id: Mapped[str | None] = mapped_column(ForeignKey("generation.id"))
    prompt_text: Mapped[str | None] = mapped_column(Text)  # the messages as rendered, JSON
    prompt_sha256: Mapped[str | None] = mapped_column(String(64))
    retrieval_json: Mapped[str] = mapped_column(Text)
    index_rev: Mapped[str] = mapped_column(String(200))
    seed: Mapped[int | None] = mapped_column(BigInteger)
    sampling_json: Mapped[str] = mapped_column(Text)
    reply_text: Mapped[str] = mapped_column(Text)
    reply_sha256: Mapped[str] = mapped_column(String(64))
    whole_sha256: Mapped[str] = mapped_column(String(64))  # Reply.sha256
    emotion: Mapped[str | None] = mapped_column(String(32))
    finish: Mapped[str | None] = mapped_column(String(16))
    prompt_tokens: Mapped[int] = mapped_column()
    reply_tokens: Mapped[int] = mapped_column()
    first_token_ms: Mapped[float | None] = mapped_column(Float)
    total_ms: Mapped[float | None] = mapped_column(Float)
    leak_json: Mapped[str] = mapped_column(Text)
    style_json: Mapped[str] = mapped_column(Text)
    created_ms: Mapped[int] = mapped_column(BigInteger)
    finished_ms: Mapped[int | None] = mapped_column(BigInteger)


class StudyRow(Base):
    """A study: a name and the plan by which its items are dealt to raters."""

    __tablename__ = "study"
    __table_args__ = (UniqueConstraint("name"),)

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    plan_json: Mapped[str] = mapped_column(Text)
    created_ms: Mapped[int] = mapped_column(BigInteger)
    closed_ms: Mapped[int | None] = mapped_column(BigInteger)  # from then on nothing is dealt


class StudyItemRow(Base):
    """One thing to rate in a study: a frozen reply, a conversation by its last reply, or a pair."""

    __tablename__ = "study_item"
    __table_args__ = (
        UniqueConstraint("study_id", "number"),
        CheckConstraint("scope IN ('reply', 'conversation')", name="scope"),
        CheckConstraint("kind IN ('target', 'degraded', 'training')", name="kind"),
        CheckConstraint("second_gen IS NULL OR first_gen <> second_gen", name="pair"),
        CheckConstraint("(kind = 'degraded') = (origin_id IS NOT NULL)", name="origin"),
        Index(None, "study_id", "kind"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    study_id: Mapped[str] = mapped_column(ForeignKey("study.id"))
    number: Mapped[int] = mapped_column()
    scope: Mapped[str] = mapped_column(String(16))
    kind: Mapped[str] = mapped_column(String(16))
    shared: Mapped[int] = mapped_column()  # 1: every rater of the study sees it
    first_gen: Mapped[str] = mapped_column(ForeignKey("generation.id"))
    second_gen: Mapped[str | None] = mapped_column(ForeignKey("generation.id"))
    origin_id: Mapped[str | None] = mapped_column(ForeignKey("study_item.id"))
    answers_json: Mapped[str] = mapped_column(Text)  # of a training item: values and why
