"""Raters, what they were shown, and what they said of it."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from rolecraft.store.migrations import rules_0002

revision = "0002"
down_revision = "0001"

SHA = sa.String(64)
WORD = sa.String(16)
NAME = sa.String(200)


def _id(name: str, *, needed: bool = True) -> sa.Column[str]:
    return sa.Column(name, sa.String(64), nullable=not needed)


def _ms(name: str, *, needed: bool = True) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=not needed)


def _is(name: str, kind: Any = sa.Text) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def _key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=f"pk_{table}")


def _one(table: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=f"uq_{table}_{'_'.join(columns)}")


def _to(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=f"fk_{table}_{column}")


def _check(table: str, name: str, rule: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(rule, name=op.f(f"ck_{table}_{name}"))


def upgrade() -> None:
    _create_raters()
    _create_revisions()
    _create_turns()
    _create_studies()
    _create_presentation()
    _create_ratings()
    _create_boards()
    rules_0002.create()


def _create_raters() -> None:
    op.create_table(
        "rater",
        _id("id"), _is("kind", WORD), _is("status", WORD),
        sa.Column("cookie_hmac", SHA), sa.Column("ip_hmac", SHA), sa.Column("ip_epoch", sa.Integer),
        _ms("created_ms"),
        _key("rater", "id"), _one("rater", "cookie_hmac"),
        _check("rater", "kind", "kind IN ('anon', 'invited', 'expert')"),
        _check("rater", "status", "status IN ('active', 'shadow', 'blocked', 'erased')"),
    )  # fmt: skip
    op.create_table(
        "consent",
        _id("rater_id"), _is("doc_sha256", SHA), _is("scope", WORD), _ms("granted_ms"),
        _ms("withdrawn_ms", needed=False),
        _key("consent", "rater_id", "doc_sha256", "scope"), _to("consent", "rater_id", "rater"),
        _check("consent", "scope", "scope IN ('rate', 'publish', 'train')"),
    )  # fmt: skip
    op.create_table(
        "session",
        _id("id"), _id("rater_id"), _id("tab_id"), _is("device", WORD), _is("locale", WORD),
        _is("app_git", SHA), _ms("created_ms"),
        _key("session", "id"), _one("session", "rater_id", "tab_id"),
        _to("session", "rater_id", "rater"),
    )  # fmt: skip


def _create_revisions() -> None:
    parts = (
        "engine", "base_repo", "base_commit", "base_sha256", "adapter", "adapter_sha256",
        "adapter_commit", "tokenizer_sha256", "quant", "dtype", "conditions",
    )  # fmt: skip
    op.create_table(
        "model_rev",
        _id("id"), _is("public_name", NAME),
        *(sa.Column(name, NAME, nullable=False, server_default=sa.text("''")) for name in parts),
        _is("app_git", SHA), _ms("created_ms"),
        _key("model_rev", "id"),
        sa.UniqueConstraint("public_name", *parts, name="uq_model_rev_identity"),
    )  # fmt: skip
    op.create_table(
        "character_rev",
        _id("id"), _is("character_id", NAME), _is("card_json"), _is("sha256", SHA),
        _ms("created_ms"),
        _key("character_rev", "id"), _one("character_rev", "character_id", "sha256"),
    )  # fmt: skip
    op.create_table(
        "rubric_rev",
        _id("id"), _is("locale", WORD), _is("rubric_json"), _is("sha256", SHA), _ms("created_ms"),
        _key("rubric_rev", "id"), _one("rubric_rev", "sha256"),
    )  # fmt: skip


def _create_turns() -> None:
    op.create_table(
        "turn",
        _id("id"), _is("conversation_id", NAME), _is("turn_no", sa.Integer),
        _id("rater_id", needed=False), _id("character_rev_id"), sa.Column("user_text", sa.Text),
        _is("moderation_json"), _is("prompt_source", WORD), sa.Column("prompt_bank_id", NAME),
        _ms("created_ms"),
        _key("turn", "id"), _one("turn", "conversation_id", "turn_no"),
        _to("turn", "rater_id", "rater"), _to("turn", "character_rev_id", "character_rev"),
        _check("turn", "source", "prompt_source IN ('free', 'bank', 'gold', 'repeat')"),
        _check("turn", "number", "turn_no >= 1"),
    )  # fmt: skip
    op.create_index("ix_turn_rater_id", "turn", ["rater_id"])
    finishes = "'stop', 'length', 'user_stop', 'disconnect', 'error', 'restart'"
    op.create_table(
        "generation",
        _id("id"), _id("turn_id"), _id("model_rev_id"), _is("attempt", sa.Integer),
        _is("source", WORD), _id("origin_id", needed=False), sa.Column("prompt_text", sa.Text),
        sa.Column("prompt_sha256", SHA), _is("retrieval_json"), _is("index_rev", NAME),
        _ms("seed", needed=False), _is("sampling_json"), _is("reply_text"),
        _is("reply_sha256", SHA), _is("whole_sha256", SHA), sa.Column("emotion", sa.String(32)),
        sa.Column("finish", WORD), _is("prompt_tokens", sa.Integer),
        _is("reply_tokens", sa.Integer), sa.Column("first_token_ms", sa.Float),
        sa.Column("total_ms", sa.Float), _is("leak_json"), _is("style_json"), _ms("created_ms"),
        _ms("finished_ms", needed=False),
        _key("generation", "id"), _one("generation", "turn_id", "model_rev_id", "attempt"),
        _to("generation", "turn_id", "turn"), _to("generation", "model_rev_id", "model_rev"),
        _to("generation", "origin_id", "generation"),
        _check("generation", "source", "source IN ('live', 'recorded', 'degraded')"),
        _check("generation", "finish", f"finish IN ({finishes})"),
        _check("generation", "ended", "(finish IS NULL) = (finished_ms IS NULL)"),
        _check("generation", "origin", "(source = 'degraded') = (origin_id IS NOT NULL)"),
        _check("generation", "attempt", "attempt >= 1"),
    )  # fmt: skip


def _create_studies() -> None:
    op.create_table(
        "study",
        _id("id"), _is("name", NAME), _is("plan_json"), _ms("created_ms"),
        _key("study", "id"), _one("study", "name"),
    )  # fmt: skip
    op.create_table(
        "study_item",
        _id("id"), _id("study_id"), _is("number", sa.Integer), _is("scope", WORD),
        _is("kind", WORD), _is("shared", sa.Integer), _id("first_gen"),
        _id("second_gen", needed=False), _id("origin_id", needed=False), _is("answers_json"),
        _key("study_item", "id"), _one("study_item", "study_id", "number"),
        _to("study_item", "study_id", "study"), _to("study_item", "first_gen", "generation"),
        _to("study_item", "second_gen", "generation"),
        _to("study_item", "origin_id", "study_item"),
        _check("study_item", "scope", "scope IN ('reply', 'conversation')"),
        _check("study_item", "kind", "kind IN ('target', 'degraded', 'training')"),
        _check("study_item", "pair", "second_gen IS NULL OR first_gen <> second_gen"),
        _check("study_item", "origin", "(kind = 'degraded') = (origin_id IS NOT NULL)"),
    )  # fmt: skip
    op.create_index("ix_study_item_study_id_kind", "study_item", ["study_id", "kind"])


def _create_presentation() -> None:
    pair = (
        "(pair_low = left_gen AND pair_high = COALESCE(right_gen, ''))"
        " OR (pair_low = right_gen AND pair_high = left_gen)"
    )
    states = "'open', 'rated', 'skipped', 'void', 'expired'"
    to = (
        ("rater_id", "rater"), ("session_id", "session"), ("turn_id", "turn"),
        ("left_gen", "generation"), ("right_gen", "generation"), ("rubric_rev_id", "rubric_rev"),
        ("item_id", "study_item"), ("gold_id", "study_item"), ("repeat_of", "presentation"),
    )  # fmt: skip
    op.create_table(
        "presentation",
        _id("id"), _id("rater_id"), _id("session_id"), _id("turn_id"), _is("mode", WORD),
        _is("scope", WORD), _id("left_gen"), _id("right_gen", needed=False), _id("pair_low"),
        _id("pair_high"), _is("pair_policy", sa.String(64)), _is("pair_prob", sa.Float),
        _is("form_order", NAME), _id("rubric_rev_id"), _id("item_id", needed=False),
        _id("gold_id", needed=False), _id("repeat_of", needed=False), _is("token_sha256", SHA),
        _ms("shown_ms"), _ms("both_done_ms", needed=False), _ms("expires_ms"), _is("state", WORD),
        _ms("revealed_ms", needed=False),
        _key("presentation", "id"),
        *(_to("presentation", column, target) for column, target in to),
        _check("presentation", "mode", "mode IN ('blind', 'open', 'bank', 'training', 'chat')"),
        _check("presentation", "scope", "scope IN ('reply', 'conversation')"),
        _check("presentation", "state", f"state IN ({states})"),
        _check("presentation", "sides", "right_gen IS NULL OR left_gen <> right_gen"),
        _check("presentation", "pair", pair),
        _check("presentation", "pair_order", "right_gen IS NULL OR pair_low < pair_high"),
        _check("presentation", "pair_prob", "pair_prob > 0 AND pair_prob <= 1"),
    )  # fmt: skip
    for columns in (
        ("rater_id", "state", "expires_ms"), ("left_gen",), ("right_gen",), ("item_id", "state"),
    ):  # fmt: skip
        op.create_index(f"ix_presentation_{'_'.join(columns)}", "presentation", list(columns))
    once = sa.text("repeat_of IS NULL AND state NOT IN ('void', 'expired')")
    op.create_index(
        "uq_presentation_pair", "presentation",
        ["rater_id", "turn_id", "scope", "pair_low", "pair_high"],
        unique=True, sqlite_where=once, postgresql_where=once,
    )  # fmt: skip


def _create_ratings() -> None:
    preferences = "'left', 'right', 'tie', 'both_bad'"
    op.create_table(
        "rating_event",
        _id("id"), _ms("number"), _id("presentation_id"), _id("rater_id"), _is("seq", sa.Integer),
        _is("kind", WORD), sa.Column("preference", WORD), sa.Column("skip_reason", sa.String(64)),
        sa.Column("comment_sha256", SHA), _is("after_reveal", sa.Integer), _ms("active_ms"),
        _ms("wall_ms"), _is("n_changes", sa.Integer), _is("input_mode", WORD),
        _is("consent_sha256", SHA), _ms("received_ms"), _is("app_git", SHA),
        _is("prev_hash", SHA), _is("row_hash", SHA),
        _key("rating_event", "id"), _one("rating_event", "number"),
        _one("rating_event", "prev_hash"), _one("rating_event", "presentation_id", "seq"),
        _to("rating_event", "presentation_id", "presentation"),
        _to("rating_event", "rater_id", "rater"),
        _check("rating_event", "kind", "kind IN ('submit', 'revise', 'withdraw', 'skip')"),
        _check("rating_event", "preference", f"preference IN ({preferences})"),
        _check("rating_event", "after_reveal", "after_reveal IN (0, 1)"),
        _check("rating_event", "durations", "active_ms >= 0 AND wall_ms >= active_ms"),
    )  # fmt: skip
    op.create_index(
        "ix_rating_event_rater_id_received_ms", "rating_event", ["rater_id", "received_ms"]
    )
    criteria = "'communication', 'consistency', 'diversity'"
    op.create_table(
        "score",
        _is("event_id"), _is("generation_id"), _is("criterion"), sa.Column("value", sa.Integer),
        _is("na", sa.Integer),
        _key("score", "event_id", "generation_id", "criterion"),
        _to("score", "event_id", "rating_event"), _to("score", "generation_id", "generation"),
        _check("score", "criterion", f"criterion IN ({criteria})"),
        _check("score", "value", "value IN (1, 2, 3, 4, 5)"),
        _check("score", "na", "na IN (0, 1) AND (na = 1) = (value IS NULL)"),
        sqlite_strict=True,
    )  # fmt: skip
    op.create_table(
        "comment",
        _id("event_id"), sa.Column("salt", SHA), sa.Column("body", sa.Text),
        _key("comment", "event_id"), _to("comment", "event_id", "rating_event"),
    )  # fmt: skip


def _create_boards() -> None:
    op.create_table(
        "quality_flag",
        _id("event_id"), _is("rule", sa.String(64)),
        sa.Column("rule_version", sa.Integer, nullable=False, autoincrement=False),
        _is("verdict", WORD), _is("excludes", sa.Integer), _is("detail"), _ms("created_ms"),
        _key("quality_flag", "event_id", "rule", "rule_version"),
        _to("quality_flag", "event_id", "rating_event"),
        _check("quality_flag", "verdict", "verdict IN ('pass', 'fail', 'unknown')"),
        _check("quality_flag", "excludes", "excludes IN (0, 1)"),
    )  # fmt: skip
    op.create_table(
        "board",
        _id("id"), _is("metric", sa.String(64)), _is("method", sa.String(64)), _is("filter_json"),
        _is("data_sha256", SHA), _is("n_events", sa.Integer), _is("n_raters", sa.Integer),
        _ms("seed"), _is("app_git", SHA), _is("rows_json"), _ms("created_ms"),
        _key("board", "id"),
    )  # fmt: skip
    op.create_index("ix_board_metric_created_ms", "board", ["metric", "created_ms"])
