"""What a rater would have had the character say, beside the comment and erased with it."""

import sqlalchemy as sa
from alembic import op

from rolecraft.store.migrations.rules_0002 import Rule, changed, make, refilled

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("comment", sa.Column("better", sa.Text))
    only = " ON comment" if op.get_context().dialect.name == "postgresql" else ""
    op.execute(f"DROP TRIGGER comment_frozen{only}")
    make(
        Rule(
            "comment", "UPDATE", "frozen",
            f"{changed(('event_id',))} OR {refilled('body', 'salt', 'better')}",
            "comment: a comment can only be erased",
        )
    )  # fmt: skip
