"""Visitors, conversations and their messages."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "visitor",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_visitor"),
    )
    op.create_table(
        "conversation",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("visitor_id", sa.String(64), nullable=False),
        sa.Column("character_id", sa.String(200), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("greeting", sa.Text, nullable=False),
        sa.Column("engine", sa.String(200), nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("updated_ms", sa.BigInteger, nullable=False),
        sa.Column("deleted_ms", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_conversation"),
        sa.ForeignKeyConstraint(
            ["visitor_id"], ["visitor.id"], name="fk_conversation_visitor_id", ondelete="CASCADE"
        ),
    )
    op.create_index(
        "ix_conversation_visitor_id_updated_ms", "conversation", ["visitor_id", "updated_ms"]
    )
    _create_node()


def _create_node() -> None:
    op.create_table(
        "node",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("conversation_id", sa.String(64), nullable=False),
        sa.Column("parent_id", sa.String(64)),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("picked", sa.Integer, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("emotion", sa.String(32)),
        sa.Column("finish", sa.String(16)),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64)),
        sa.Column("reply_json", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_node"),
        sa.UniqueConstraint("conversation_id", "id", name="uq_node_conversation_id_id"),
        sa.UniqueConstraint("conversation_id", "number", name="uq_node_conversation_id_number"),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversation.id"],
            name="fk_node_conversation_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id", "parent_id"],
            ["node.conversation_id", "node.id"],
            name="fk_node_conversation_id_parent_id",
        ),
        sa.CheckConstraint("role IN ('user', 'assistant')", name=op.f("ck_node_role")),
        sa.CheckConstraint("role = 'user' OR parent_id IS NOT NULL", name=op.f("ck_node_answers")),
        sa.CheckConstraint("role = 'user' OR finish IS NOT NULL", name=op.f("ck_node_finish")),
    )
    op.create_index("ix_node_conversation_id_parent_id", "node", ["conversation_id", "parent_id"])
