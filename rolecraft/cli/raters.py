"""`python -m rolecraft ratings raters | reports`: who rates, who stands out, and what is reported.

What the program finds is only pointed out; who is set aside is decided by a person.
"""

import argparse
import json
from dataclasses import asdict
from typing import Any

from rolecraft.errors import ResultsError
from rolecraft.settings import Settings


def register(kinds: Any) -> None:
    """Add `raters` and `reports` to the commands of `ratings`."""
    text = "the raters, what speaks against them, and bursts from one network; or set one's status"
    raters = kinds.add_parser("raters", help=text, description=text)
    raters.set_defaults(command=_raters)
    raters.add_argument("rater", nargs="?", help="its id, or a receipt code of theirs")
    raters.add_argument(
        "--set", choices=("active", "shadow", "blocked"), dest="status",
        help="shadow: stored and counted nowhere, without a word; blocked: refused",
    )  # fmt: skip
    text = "the replies that were reported, and those that were decided on; or decide on one"
    reports = kinds.add_parser("reports", help=text, description=text)
    reports.set_defaults(command=_reports)
    reports.add_argument("reply", nargs="?", help="its id: `generation` in an export")
    reports.add_argument("--set", choices=("pass", "fail"), dest="verdict", help="may it be shown?")
    for parser in (raters, reports):
        parser.add_argument("--json", action="store_true")


def _raters(args: argparse.Namespace, settings: Settings) -> int:
    from rolecraft import __version__
    from rolecraft.cli.opened import opened
    from rolecraft.ratings.published import Published
    from rolecraft.store.rater_list import Listed, RaterList

    if bool(args.rater) != bool(args.status):
        raise ResultsError("Name a rater and --set a status, or neither to see all.")
    renewed = 0
    with opened(settings) as (database, desk):
        listed = RaterList(database)
        if args.rater:
            rater = listed.find(args.rater)
            if desk.raters.set_status(rater, args.status):
                renewed = Published(database, __version__).renew_without_waiting(rater)
        raters, bursts = listed.raters(), listed.bursts()
    shown: list[Listed] = [one for one in raters if not args.rater or one.id == rater]
    lines = [
        f"{one.id}  {one.kind:8} {one.status:8} {one.ratings:5} ratings, {one.flagged} flagged"
        for one in shown
    ]
    lines += [
        f"Look at these: {len(one.raters)} new raters from one network within an hour of "
        f"{one.since}: {', '.join(one.raters)}"
        for one in bursts
    ]
    if renewed:
        lines.append(f"New versions of the tables that hold ratings of theirs: {renewed}")
    body = {
        "raters": [asdict(one) for one in shown], "bursts": [asdict(one) for one in bursts],
        "renewed": renewed,
    }  # fmt: skip
    _tell(args, body, "\n".join(lines) or "Nobody has rated yet.")
    return 1 if bursts and not args.rater else 0


def _reports(args: argparse.Namespace, settings: Settings) -> int:
    from rolecraft.cli.opened import opened

    if bool(args.reply) != bool(args.verdict):
        raise ResultsError("Name a reply and --set pass or fail, or neither to see all.")
    with opened(settings) as (_, desk):
        if args.reply:
            desk.moderating.decide(args.reply, args.verdict)
        found = desk.moderating.reported()
    lines = [
        f"{one.generation}  {one.verdict:8} {', '.join(one.reasons) or 'nobody'}\n"
        f"    {one.user!r} → {one.text!r}"
        for one in found
    ]
    _tell(args, [asdict(one) for one in found], "\n".join(lines) or "Nothing was reported.")
    return 0


def _tell(args: argparse.Namespace, body: object, text: str) -> None:
    print(json.dumps(body, ensure_ascii=False, indent=2) if args.json else text)
