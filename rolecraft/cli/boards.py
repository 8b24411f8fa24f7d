"""`python -m rolecraft results snapshots | reproduce`: published boards, and replies made again."""

import argparse
import json
from datetime import UTC, datetime
from typing import Any

from rolecraft.settings import Settings

_SAID = {
    "same": "Same: not one character differs.",
    "different": "Different. This time it said: {text}",
    "other_weights": "The name is the same, but the weights are others now. It said: {text}",
    "engine_gone": "Its engine {engine} cannot answer here: python -m rolecraft engines",
    "recorded": "It was not made here, so it cannot be made again.",
    "erased": "Its prompt was erased at the visitor's wish, so it cannot be made again.",
}


def register(results: Any) -> None:
    """Add `snapshots` and `reproduce` to the commands of `results`."""
    text = "the boards that were kept, the newest first"
    snapshots = results.add_parser("snapshots", help=text, description=text)
    snapshots.set_defaults(command=_snapshots)
    snapshots.add_argument("--renew", action="store_true", help="first keep those that are due")
    text = "make a rated reply again from its prompt and seed, and say whether it is the same"
    again = results.add_parser("reproduce", help=text, description=text)
    again.set_defaults(command=_reproduce)
    again.add_argument("reply", help="its id: `generation` in an export")
    for parser in (snapshots, again):
        parser.add_argument("--json", action="store_true")


def _snapshots(args: argparse.Namespace, settings: Settings) -> int:
    from rolecraft import __version__
    from rolecraft.cli.opened import opened
    from rolecraft.ratings.published import Published
    from rolecraft.store import boards

    with opened(settings) as (database, _):
        published = Published(database, __version__)
        if args.renew:
            published.renew()
        seen = {one.id for one in published.versions()}
        body = [
            {
                "id": one.id, "kept": _date(one.created_ms), "study": one.board["spec"]["study"],
                "modes": one.board["spec"]["modes"], "ratings": one.n_events,
                "raters": one.n_raters, "data_sha256": one.data_sha256, "sha256": one.row_hash,
                "shown": one.id in seen,
            }
            for one in boards.latest(database, 200)
        ]  # fmt: skip
    lines = [
        f"{one['kept']}  {one['id']}  {one['study'] or ' '.join(one['modes'])}  "
        f"{one['ratings']} ratings of {one['raters']} raters  {one['sha256'][:16]}"
        + ("" if one["shown"] else "  (its study still runs: not on the page)")
        for one in body
    ]
    print(json.dumps(body, indent=2) if args.json else "\n".join(lines) or "None was kept yet.")
    return 0


def _reproduce(args: argparse.Namespace, settings: Settings) -> int:
    from rolecraft.cli.asking import engines
    from rolecraft.cli.opened import opened
    from rolecraft.ratings.reproduce import again

    with opened(settings) as (_, desk):
        trace = desk.shown.trace(args.reply)
    with engines(settings) as open_engine:
        made = again(trace, open_engine)
    body = {"verdict": made.verdict, "reply": trace["reply_text"], "again": made.text}
    said = _SAID[made.verdict].format(text=made.text, engine=trace["model"]["engine"])
    print(json.dumps(body, ensure_ascii=False, indent=2) if args.json else said)
    return 0 if made.verdict == "same" else 1


def _date(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
