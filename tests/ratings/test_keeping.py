"""A kept board and its export: the same table, also with raters who do not publish theirs."""

from pathlib import Path

from rolecraft.ratings import board, exports, keeping
from rolecraft.ratings.desk import Desk
from rolecraft.ratings.selection import Spec
from rolecraft.store import boards, rating_rows
from tests.rating_kit import Clock, sent

SPEC = Spec(study="first", modes=("bank",), cap=0, draws=20, doubtful="included")


def exported(desk: Desk, out: Path) -> tuple[dict[str, object], boards.Snapshot]:
    """The board of the published export of the newest kept table, and that table."""
    database = desk.ratings._database
    (kept, *_) = boards.latest(database)
    table = exports.until(rating_rows.read(database), kept.last_number)
    exports.write(table, out, published=True, board={})
    back, _ = exports.read(out)
    return board.compute(back, SPEC), kept


def test_where_everybody_publishes_the_export_is_the_table(rated: Desk, tmp_path: Path) -> None:
    found = keeping.keep(rated.ratings._database, SPEC)
    again, kept = exported(rated, tmp_path / "out.csv")
    assert {**again, "open": kept.board["open"]} == kept.board == found
    link = keeping.link(kept, again, published=True)
    assert (link["whole"], link["as_kept"], link["n_raters_here"]) == (True, True, 3)


def test_a_rater_who_does_not_publish_is_in_the_table_and_not_in_the_export(
    rated: Desk, tmp_path: Path
) -> None:
    rated.agree(rated.enter("rater-1", "tab"), ("rate",))
    found = keeping.keep(rated.ratings._database, SPEC)
    assert found["n_raters"] == 3
    again, kept = exported(rated, tmp_path / "out.jsonl")
    assert again["n_raters"] == 2 and again["table"] != found["table"]
    part = kept.board["open"]
    assert part["table"] == again["table"]  # the page shows it beside the whole
    assert part["sha256"] == board.hash_of(again)
    link = keeping.link(kept, again, published=True)
    assert (link["whole"], link["as_kept"]) == (False, True)
    assert (link["n_raters"], link["n_raters_here"]) == (3, 2)
    rated.agree(rated.enter("rater-2", "tab"), ("rate",))  # changes their mind
    again, kept = exported(rated, tmp_path / "out.jsonl")
    assert not keeping.link(kept, again, published=True)["as_kept"]


def test_an_older_table_is_exported_as_it_counted_then(
    rated: Desk, clock: Clock, tmp_path: Path
) -> None:
    keeping.keep(rated.ratings._database, SPEC)
    visit = rated.enter("rater-0", "tab")
    mine = next(one for one in rated.ratings.mine(visit.rater) if len(one.scores) == 6)
    form = rated.ratings.form(visit.rater, mine.form)
    rated.revise(visit, sent(form, value=1))
    again, kept = exported(rated, tmp_path / "out.csv")
    assert keeping.link(kept, again, published=True)["whole"]
    rated.ratings.withdraw(visit.rater, sent(form))
    again, kept = exported(rated, tmp_path / "out.csv")
    assert again["n_ratings"] == kept.n_events - 1  # what is taken back leaves no more
    assert not keeping.link(kept, again, published=True)["as_kept"]


def test_a_choice_of_ratings_says_its_options() -> None:
    assert Spec(study="my study", modes=("bank",), cap=0).arguments() == (
        "--study 'my study' --modes bank --cap 0"
    )
    spec = Spec(modes=("chat", "open"), rater_kinds=("invited",), leaks="excluded", draws=40)
    assert spec.arguments() == (
        "--modes chat open --cap 10 --raters invited --leaks excluded --draws 40"
    )
