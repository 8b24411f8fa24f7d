"""Reports of replies, and what was decided of them."""

import sqlalchemy as sa
from alembic import op

from rolecraft.store.migrations.rules_0002 import Rule, make

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    id_of = sa.String(64)
    op.create_table(
        "report",
        sa.Column("id", id_of, primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("generation_id", id_of, sa.ForeignKey("generation.id"), nullable=False),
        sa.Column("rater_id", id_of, sa.ForeignKey("rater.id")),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("number", name="uq_report_number"),
        sa.UniqueConstraint("generation_id", "rater_id", name="uq_report_generation_id_rater_id"),
        sa.CheckConstraint("kind IN ('report', 'pass', 'fail')", name=op.f("ck_report_kind")),
        sa.CheckConstraint("(kind = 'report') = (rater_id IS NOT NULL)", name=op.f("ck_report_by")),
    )
    for event, name in (("UPDATE", "keep_as_is"), ("DELETE", "keep")):
        make(Rule("report", event, name, "TRUE", "report: rows are never changed or removed"))
