"""When a study was closed, and what it takes to see that a turn or a kept table was changed."""

import hashlib
import secrets

import sqlalchemy as sa
from alembic import op

from rolecraft.store.migrations.rules_0002 import TURN, Rule, changed, make, refilled

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("study", sa.Column("closed_ms", sa.BigInteger))
    op.add_column("turn", sa.Column("salt", sa.String(64)))
    op.add_column("turn", sa.Column("text_sha256", sa.String(64)))
    op.add_column("board", sa.Column("last_number", sa.BigInteger))
    op.add_column("board", sa.Column("chain_head", sa.String(64)))
    op.add_column("board", sa.Column("row_hash", sa.String(64)))
    only = " ON turn" if op.get_context().dialect.name == "postgresql" else ""
    op.execute(f"DROP TRIGGER turn_frozen{only}")
    _seal()
    make(
        Rule(
            "turn", "UPDATE", "frozen",
            f"{changed((*TURN, 'text_sha256'))} OR {refilled('user_text', 'salt')}",
            "turn: what was said can only be erased",
        )
    )  # fmt: skip
    make(
        Rule(
            "study", "UPDATE", "frozen",
            f"{changed(('id', 'name', 'plan_json', 'created_ms'))}"
            f" OR (OLD.closed_ms IS NOT NULL AND {changed(('closed_ms',))})",
            "study: its plan is fixed, and closed it stays closed",
        )
    )  # fmt: skip


def _seal() -> None:
    """Hash what was said before there was a hash of it; what is erased stays without one."""
    turn = sa.table("turn", *map(sa.column, ("id", "user_text", "salt", "text_sha256")))
    said = sa.select(turn.c.id, turn.c.user_text).where(turn.c.user_text.is_not(None))
    connection = op.get_bind()
    for id, text in connection.execute(said).all():
        salt = secrets.token_hex(16)
        sha256 = hashlib.sha256((salt + text).encode("utf-8", "surrogatepass")).hexdigest()
        change = turn.update().where(turn.c.id == id).values(salt=salt, text_sha256=sha256)
        connection.execute(change)
