"""`verify` against someone who owns the file: every change behind the triggers is found."""

import json
import re
from typing import Any

import pytest
from sqlalchemy import text

from rolecraft.store import boards, chain
from rolecraft.store.rated_schema import PresentationRow
from rolecraft.store.rating_check import verify
from rolecraft.store.shown_schema import GenerationRow
from tests.rating_kit import Kit, sent


def behind(kit: Kit, table: str, change: str) -> None:
    """Change a table as someone would who owns the file: without its triggers, and no trace."""
    if kit.database.engine.dialect.name == "postgresql":
        with kit.database.write() as session:
            session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
            session.execute(text(change))
            session.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))
        return
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :table"
    with kit.database.write() as session:
        triggers = session.execute(text(query), {"table": table}).all()
        for name, _ in triggers:
            session.execute(text(f"DROP TRIGGER {name}"))
        session.execute(text(change))
        for _, body in triggers:
            session.execute(text(body))


def a_board(kit: Kit) -> str:
    board = {"method": "m", "spec": {"seed": 0}, "data_sha256": "d", "n_ratings": 3, "n_raters": 1}
    return boards.save(kit.database, board, json.dumps(board), "test", kit.clock)


DAMAGE = {
    "the arm": (
        "generation",
        "UPDATE generation SET attempt = 9, model_rev_id = (SELECT id FROM model_rev m"
        " WHERE m.id <> generation.model_rev_id LIMIT 1)",
        "was changed",
    ),
    "the seed": ("generation", "UPDATE generation SET seed = 99", "was changed"),
    "the passages": ("generation", "UPDATE generation SET retrieval_json = '[]'", "was changed"),
    "the mark of a leak": ("generation", "UPDATE generation SET leak_json = '{}'", "was changed"),
    "the name": (
        "model_rev", "UPDATE model_rev SET public_name = public_name || 'x'", "was changed",
    ),
    "the words": ("turn", "UPDATE turn SET user_text = 'x'", "was said in turn .* not what was"),
    "the words and their hash": (
        "turn", "UPDATE turn SET user_text = 'x', text_sha256 = 'y'", "was changed",
    ),
    "the words' loss": ("turn", "UPDATE turn SET user_text = NULL", "nobody erased it"),
    "the mode": ("presentation", "UPDATE presentation SET mode = 'bank'", "was changed"),
    "the chance": ("presentation", "UPDATE presentation SET pair_prob = 0.25", "was changed"),
    "the sides": (
        "presentation",
        "UPDATE presentation SET left_gen = right_gen, right_gen = left_gen", "was changed",
    ),
    "a kept table": ("board", "UPDATE board SET rows_json = '{}'", "kept table .* was changed"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_verify_finds_every_change_of_what_was_shown(kit: Kit, damage: str) -> None:
    rater = kit.rater()
    kit.ratings.submit(rater, sent(kit.form(rater)))
    a_board(kit)
    assert verify(kit.database).ok
    table, change, said = DAMAGE[damage]
    behind(kit, table, change)
    faults = "\n".join(verify(kit.database).faults)
    assert re.search(said, faults), faults


def test_verify_finds_that_the_newest_rating_is_gone(kit: Kit) -> None:
    rater = kit.rater()
    forms = [kit.form(rater) for _ in range(3)]
    for form in forms[:2]:
        kit.ratings.submit(rater, sent(form))
    before = verify(kit.database).head
    last = sent(forms[2])
    kit.ratings.submit(rater, last)
    head = verify(kit.database).head
    table = a_board(kit)
    (kept,) = boards.latest(kit.database)
    assert kept.id == table
    for known in (before, head, head[:16], kept.row_hash):
        assert verify(kit.database, known).ok
    behind(kit, "score", f"DELETE FROM score WHERE event_id = '{last.id}'")
    behind(kit, "rating_event", f"DELETE FROM rating_event WHERE id = '{last.id}'")
    found = verify(kit.database)
    assert any("the chain holds no answer" in fault for fault in found.faults)
    behind(kit, "presentation", f"UPDATE presentation SET state = 'open' WHERE id = '{last.form}'")
    assert verify(kit.database).ok  # nothing within shows it any more
    assert verify(kit.database, before).ok  # the end from before that rating is there
    assert any(head in fault for fault in verify(kit.database, head).faults)
    assert not verify(kit.database, "").faults
    assert verify(kit.database, before[:8]).faults  # too short to mean anything


def test_the_first_ratings_of_all_still_verify(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    rater = kit.rater()

    def first(event: Any, scores: Any, form: str, shown: Any) -> str:
        with kit.database.read() as session:
            row = session.get_one(PresentationRow, event["presentation_id"])
            whole = [
                session.get_one(GenerationRow, side).whole_sha256
                for side in (row.left_gen, row.right_gen)
            ]
        return chain.first_row_hash(event, scores, whole)

    for _ in range(2):
        form = kit.form(rater)
        with monkeypatch.context() as patch:
            patch.setattr(chain, "row_hash", first)
            kit.ratings.submit(rater, sent(form))
    assert verify(kit.database).ok
    kit.ratings.submit(rater, sent(kit.form(rater)))
    assert verify(kit.database).ok
    form = kit.form(rater)
    with monkeypatch.context() as patch:
        patch.setattr(chain, "row_hash", first)
        kit.ratings.submit(rater, sent(form))
    assert not verify(kit.database).ok  # a new rating cannot pass for one of the first
