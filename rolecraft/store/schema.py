"""The tables of the database, as they are at the newest migration.

Knows no rules of a talk: which rows may be written is decided by the modules that write them.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    MetaData,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

ID_LENGTH = 64


class Base(DeclarativeBase):
    # Names are fixed so that a later migration can drop a constraint on either database.
    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )


class VisitorRow(Base):
    """Someone with a cookie. Nothing else is known of a visitor."""

    __tablename__ = "visitor"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    created_ms: Mapped[int] = mapped_column(BigInteger)


class ConversationRow(Base):
    """A talk of one visitor with one character; its messages are the nodes of a tree."""

    __tablename__ = "conversation"
    __table_args__ = (Index(None, "visitor_id", "updated_ms"),)

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    visitor_id: Mapped[str] = mapped_column(ForeignKey("visitor.id", ondelete="CASCADE"))
    character_id: Mapped[str] = mapped_column(String(200))
    title: Mapped[str] = mapped_column(Text)
    greeting: Mapped[str] = mapped_column(Text)
    engine: Mapped[str] = mapped_column(String(200))  # the visitor's choice; empty is the default
    created_ms: Mapped[int] = mapped_column(BigInteger)
    updated_ms: Mapped[int] = mapped_column(BigInteger)
    deleted_ms: Mapped[int | None] = mapped_column(BigInteger)  # its text is gone from then on


class NodeRow(Base):
    """One message. Siblings are the answers to one message, or the wordings of one.

    `picked` grows with every choice in a conversation; of siblings the highest is shown. That one
    number holds both the active path and the path that each branch left was on.
    """

    __tablename__ = "node"
    __table_args__ = (
        UniqueConstraint("conversation_id", "id"),
        UniqueConstraint("conversation_id", "number"),
        # with the conversation in the key, a parent in another conversation is impossible
        ForeignKeyConstraint(["conversation_id", "parent_id"], ["node.conversation_id", "node.id"]),
        Index(None, "conversation_id", "parent_id"),
        CheckConstraint("role IN ('user', 'assistant')", name="role"),
        CheckConstraint("role = 'user' OR parent_id IS NOT NULL", name="answers"),
        CheckConstraint("role = 'user' OR finish IS NOT NULL", name="finish"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"))
    parent_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    number: Mapped[int] = mapped_column()  # order of arrival in the conversation, from 1
    picked: Mapped[int] = mapped_column()
    role: Mapped[str] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(Text)
    emotion: Mapped[str | None] = mapped_column(String(32))
    finish: Mapped[str | None] = mapped_column(String(16))
    created_ms: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str | None] = mapped_column(String(64))  # of reply_json, or of the user's text
    reply_json: Mapped[str | None] = mapped_column(Text)
