"""Keeping a board, and beside it the part of it that anyone can compute again.

That part is the same board over the raters who agree that their single ratings are published: an
export with `--published` gives it to the last bit. Where everybody agrees it is the whole board.
"""

from collections.abc import Callable, Mapping
from typing import Any

from rolecraft.ratings import board, exports
from rolecraft.ratings.selection import COLUMNS, Spec
from rolecraft.store import boards, chain, rating_rows
from rolecraft.store.boards import Snapshot
from rolecraft.store.conversations import now_ms
from rolecraft.store.database import Database
from rolecraft.store.rating_rows import Table

# What it takes to compute a board of the ratings up to one of them.
NEEDED = tuple(dict.fromkeys((*COLUMNS, *exports.VERSIONS)))


def keep(
    database: Database, spec: Spec, app: str = "", clock: Callable[[], int] = now_ms
) -> dict[str, Any]:
    """Compute a board of all ratings that there are now, and keep it."""
    with database.read() as session:
        end = chain.end(session)
    rows = exports.until(rating_rows.read(database, NEEDED), end[0])
    found = with_open_part(rows, board.compute(rows, spec), spec)
    boards.save(database, found, board.text_of(found), app, clock, end=end)
    return found


def with_open_part(rows: Table, found: Mapping[str, Any], spec: Spec) -> dict[str, Any]:
    """A board with what of it the export of published ratings gives."""
    shown = exports.only_published(rows)
    all_of_it = len(shown["number"]) == len(rows["number"])
    part = found if all_of_it else board.compute(shown, spec)
    names = ("n_ratings", "n_raters", "table")
    told = {name: part[name] for name in names} | {"sha256": board.hash_of(part)}
    return {**found, "open": told}


def link(kept: Snapshot, found: Mapping[str, Any], *, published: bool) -> dict[str, Any]:
    """What an export's manifest says of the kept board that it belongs to.

    `as_kept` is whether the export gives that board, or its open part, to the last bit; ratings
    or consent may have been taken back since.
    """
    whole = {name: value for name, value in kept.board.items() if name != "open"}
    of_all = board.hash_of(whole)
    expected = kept.board.get("open", {}).get("sha256", of_all) if published else of_all
    return {
        "id": kept.id,
        "sha256": kept.row_hash,
        "n_raters": kept.n_raters,
        "n_raters_here": found["n_raters"],
        "whole": board.hash_of(found) == of_all,
        "as_kept": board.hash_of(found) == expected,
    }
