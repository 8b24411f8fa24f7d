"""The rules that the database itself keeps about ratings, as triggers for SQLite and PostgreSQL.

A rule is a condition that must not hold when a row is written. Part of step 0002 for good: a later
step that changes a rule drops its trigger and makes another.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from alembic import op

NEVER_CHANGED = (
    "model_rev", "character_rev", "rubric_rev", "study_item", "rating_event", "score",
    "quality_flag", "board",
)  # fmt: skip
NEVER_REMOVED = (
    *NEVER_CHANGED, "rater", "consent", "session", "turn", "generation", "presentation", "comment",
    "study",
)  # fmt: skip
# SQLite's INSERT OR REPLACE removes the old row without asking the trigger on DELETE.
KEYS = {
    "rating_event": (("id",), ("number",), ("prev_hash",), ("presentation_id", "seq")),
    "score": (("event_id", "generation_id", "criterion"),),
    "comment": (("event_id",),),
    "quality_flag": (("event_id", "rule", "rule_version"),),
    "board": (("id",),),
    "generation": (("id",), ("turn_id", "model_rev_id", "attempt")),
    "presentation": (("id",),),
    "turn": (("id",), ("conversation_id", "turn_no")),
    "model_rev": (("id",),),
}
GENERATION = (
    "id", "turn_id", "model_rev_id", "attempt", "source", "origin_id", "retrieval_json",
    "index_rev", "seed", "sampling_json", "reply_text", "reply_sha256", "whole_sha256", "emotion",
    "finish", "prompt_tokens", "reply_tokens", "first_token_ms", "total_ms", "leak_json",
    "style_json", "created_ms", "finished_ms",
)  # fmt: skip
PRESENTATION = (
    "id", "rater_id", "session_id", "turn_id", "mode", "scope", "left_gen", "right_gen",
    "pair_low", "pair_high", "pair_policy", "pair_prob", "form_order", "rubric_rev_id", "item_id",
    "gold_id", "repeat_of", "token_sha256", "shown_ms",
)  # fmt: skip
TURN = (
    "id", "conversation_id", "turn_no", "rater_id", "character_rev_id", "prompt_source",
    "prompt_bank_id", "created_ms",
)  # fmt: skip
OURS = "SELECT 1 FROM presentation p WHERE p.id = NEW.presentation_id"
UNFINISHED = (
    "EXISTS (SELECT 1 FROM generation g WHERE g.id IN (NEW.left_gen, NEW.right_gen)"
    " AND (g.finish IS NULL OR g.finish IN ('error', 'restart', 'disconnect')))"
)


@dataclass(frozen=True)
class Rule:
    """`fails` holds NEW and OLD; `{differs}` is the dialect's comparison that knows NULL."""

    table: str
    event: str  # INSERT | UPDATE | DELETE
    name: str
    fails: str
    message: str
    only: str = ""  # the one dialect that needs it


def changed(columns: tuple[str, ...]) -> str:
    return "(" + " OR ".join(f"NEW.{name} {{differs}} OLD.{name}" for name in columns) + ")"


def refilled(*columns: str) -> str:
    """Whether a column was set to something other than what it was or NULL."""
    return "(" + " OR ".join(
        f"(NEW.{name} IS NOT NULL AND NEW.{name} {{differs}} OLD.{name})" for name in columns
    ) + ")"  # fmt: skip


def rules() -> Iterator[Rule]:
    for table in NEVER_REMOVED:
        yield Rule(table, "DELETE", "keep", "TRUE", f"{table}: rows are never removed")
    for table in NEVER_CHANGED:
        yield Rule(table, "UPDATE", "keep_as_is", "TRUE", f"{table}: rows are never changed")
    for table, keys in KEYS.items():
        same = " OR ".join(
            "(" + " AND ".join(f"o.{name} = NEW.{name}" for name in key) + ")" for key in keys
        )
        fails = f"EXISTS (SELECT 1 FROM {table} o WHERE {same})"
        yield Rule(table, "INSERT", "no_replace", fails, f"{table}: UNIQUE row exists", "sqlite")
    yield from frozen_rules()
    yield from presentation_rules()
    yield from event_rules()


def frozen_rules() -> Iterator[Rule]:
    yield Rule(
        "generation", "UPDATE", "frozen",
        f"(OLD.finished_ms IS NOT NULL AND ({changed(GENERATION)}"
        f" OR {refilled('prompt_text', 'prompt_sha256')}))"
        f" OR {changed(('id', 'turn_id', 'attempt', 'source', 'origin_id'))}",
        "generation: a reply that has ended is frozen",
    )  # fmt: skip
    yield Rule(
        "turn", "UPDATE", "frozen", f"{changed(TURN)} OR {refilled('user_text')}",
        "turn: what was said can only be erased",
    )  # fmt: skip
    yield Rule(
        "comment", "UPDATE", "frozen",
        f"{changed(('event_id',))} OR {refilled('body', 'salt')}",
        "comment: a comment can only be erased",
    )  # fmt: skip
    yield Rule(
        "rater", "UPDATE", "erased",
        f"{changed(('id', 'created_ms'))} OR (OLD.status = 'erased'"
        f" AND {changed(('status', 'cookie_hmac', 'ip_hmac'))})",
        "rater: an erased rater stays erased",
    )  # fmt: skip


def presentation_rules() -> Iterator[Rule]:
    yield Rule(
        "presentation", "INSERT", "opened",
        "NEW.state <> 'open' OR NEW.revealed_ms IS NOT NULL OR EXISTS (SELECT 1 FROM generation g"
        " WHERE g.id IN (NEW.left_gen, NEW.right_gen) AND g.turn_id <> NEW.turn_id)"
        " OR EXISTS (SELECT 1 FROM rater r WHERE r.id = NEW.rater_id"
        " AND r.status NOT IN ('active', 'shadow'))"
        " OR EXISTS (SELECT 1 FROM session s WHERE s.id = NEW.session_id"
        " AND s.rater_id <> NEW.rater_id)",
        "presentation: it opens with replies to one turn, for a rater who may rate",
    )  # fmt: skip
    for event in ("INSERT", "UPDATE"):
        yield Rule(
            "presentation", event, f"done_{event.lower()}",
            f"NEW.both_done_ms IS NOT NULL AND {UNFINISHED}",
            "presentation: both replies must have ended well",
        )  # fmt: skip
    yield Rule(
        "presentation", "UPDATE", "frozen",
        f"{changed(PRESENTATION)} OR (OLD.state <> 'open' AND {changed(('state', 'expires_ms'))})"
        " OR (OLD.revealed_ms IS NOT NULL AND NEW.revealed_ms {differs} OLD.revealed_ms)"
        " OR (OLD.both_done_ms IS NOT NULL AND NEW.both_done_ms {differs} OLD.both_done_ms)"
        " OR (NEW.state = 'rated' AND NEW.both_done_ms IS NULL)"
        " OR (NEW.revealed_ms IS NOT NULL AND NEW.state <> 'rated')",
        "presentation: what was shown is frozen",
    )  # fmt: skip


def event_rules() -> Iterator[Rule]:
    yield Rule(
        "rating_event", "INSERT", "owner", f"NOT EXISTS ({OURS} AND p.rater_id = NEW.rater_id)",
        "rating_event: the form belongs to another rater",
    )  # fmt: skip
    yield Rule(
        "rating_event", "INSERT", "state",
        f"NOT EXISTS ({OURS} AND ((NEW.kind IN ('submit', 'skip') AND p.state = 'open')"
        " OR (NEW.kind IN ('revise', 'withdraw') AND p.state = 'rated')))",
        "rating_event: the form is not in a state for this",
    )  # fmt: skip
    yield Rule(
        "rating_event", "INSERT", "ended",
        f"NEW.kind <> 'skip' AND NOT EXISTS ({OURS} AND p.both_done_ms IS NOT NULL"
        " AND NEW.received_ms >= p.shown_ms)",
        "rating_event: both replies must have ended before",
    )  # fmt: skip
    yield Rule(
        "rating_event", "INSERT", "expired",
        f"NEW.kind = 'submit' AND EXISTS ({OURS} AND NEW.received_ms > p.expires_ms)",
        "rating_event: the form has expired",
    )  # fmt: skip
    yield Rule(
        "rating_event", "INSERT", "reveal",
        f"EXISTS ({OURS} AND (p.revealed_ms IS NOT NULL) <> (NEW.after_reveal = 1))"
        " OR (NEW.after_reveal = 1 AND NEW.kind <> 'withdraw')",
        "rating_event: nothing is rated after the names are out",
    )  # fmt: skip
    yield Rule(
        "rating_event", "INSERT", "pair",
        f"NEW.preference IS NOT NULL AND EXISTS ({OURS} AND p.right_gen IS NULL)",
        "rating_event: a preference needs two replies",
    )  # fmt: skip
    yield Rule(
        "rating_event", "INSERT", "chain",
        "NEW.number <> (SELECT COALESCE(MAX(o.number), 0) + 1 FROM rating_event o)"
        " OR NEW.seq <> (SELECT COALESCE(MAX(o.seq), 0) + 1 FROM rating_event o"
        " WHERE o.presentation_id = NEW.presentation_id)"
        " OR NEW.prev_hash <> COALESCE((SELECT o.row_hash FROM rating_event o"
        " WHERE o.number = NEW.number - 1), '')",
        "rating_event: it must follow the last one of the chain",
    )  # fmt: skip
    yield Rule(
        "score", "INSERT", "shown",
        "NOT EXISTS (SELECT 1 FROM rating_event e JOIN presentation p ON p.id = e.presentation_id"
        " WHERE e.id = NEW.event_id AND e.kind IN ('submit', 'revise')"
        " AND e.number = (SELECT MAX(o.number) FROM rating_event o)"
        " AND NEW.generation_id IN (p.left_gen, p.right_gen))",
        "score: it must be of a reply that was shown, and come with its rating",
    )  # fmt: skip


VIEW = """
CREATE VIEW current_rating AS
SELECT e.* FROM rating_event e
WHERE e.kind IN ('submit', 'revise') AND e.after_reveal = 0
  AND e.seq = (SELECT MAX(o.seq) FROM rating_event o
               WHERE o.presentation_id = e.presentation_id
                 AND o.kind IN ('submit', 'revise') AND o.after_reveal = 0)
  AND NOT EXISTS (SELECT 1 FROM rating_event w
                  WHERE w.presentation_id = e.presentation_id AND w.kind = 'withdraw')
"""


def create() -> None:
    """Make every trigger and the view."""
    for rule in rules():
        make(rule)
    op.execute(VIEW)


def make(rule: Rule) -> None:
    """Make the trigger of a rule, in the dialect of the migration."""
    dialect = op.get_context().dialect.name
    if rule.only in ("", dialect):
        for statement in _sqlite(rule) if dialect == "sqlite" else _postgres(rule):
            op.execute(statement)


def _sqlite(rule: Rule) -> Iterator[str]:
    yield (
        f"CREATE TRIGGER {rule.table}_{rule.name} BEFORE {rule.event} ON {rule.table}"
        f" WHEN {rule.fails.replace('{differs}', 'IS NOT')}"
        f" BEGIN SELECT RAISE(ABORT, '{rule.message}'); END"
    )


def _postgres(rule: Rule) -> Iterator[str]:
    name = f"{rule.table}_{rule.name}"
    row = "OLD" if rule.event == "DELETE" else "NEW"
    yield (
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF {rule.fails.replace('{differs}', 'IS DISTINCT FROM')} THEN"
        f" RAISE EXCEPTION '{rule.message}' USING ERRCODE = 'check_violation'; END IF;"
        f" RETURN {row}; END $$"
    )
    yield (
        f"CREATE TRIGGER {name} BEFORE {rule.event} ON {rule.table}"
        f" FOR EACH ROW EXECUTE FUNCTION {name}()"
    )
