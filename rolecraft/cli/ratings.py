"""`python -m rolecraft ratings …` and `results human | replay`: ratings in, out and summed up.

All of it works beside a running page: the database's own locks keep the two apart.
"""

import argparse
import json
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from rolecraft import __version__
from rolecraft.cli.opened import opened
from rolecraft.cli.raters import register as register_raters
from rolecraft.errors import ResultsError
from rolecraft.settings import Settings

if TYPE_CHECKING:
    from rolecraft.conversation import Budget
    from rolecraft.ratings.desk import Desk
    from rolecraft.ratings.selection import Spec
    from rolecraft.store.boards import Snapshot
    from rolecraft.store.database import Database

Command = Callable[[argparse.Namespace, Settings], int]


def register(commands: Any, results: Any) -> None:
    """Add `ratings …` to the commands and `human`, `replay` to those of `results`."""
    ratings = commands.add_parser("ratings", help="what people said of the replies")
    kinds = ratings.add_subparsers(required=True, metavar="KIND")
    export = _add(kinds, "export", _export, "write every rating to OUT.csv, .jsonl or .parquet")
    export.add_argument("out", type=Path, metavar="OUT")
    export.add_argument("--published", action="store_true", help="only with consent to publish")
    export.add_argument(
        "--snapshot", default="", metavar="ID",
        help="the ratings that this kept table rests on; “newest” is the last of this choice",
    )  # fmt: skip
    _spec_arguments(export)
    _add(kinds, "summary", _summary, "how many of what there is")
    check = _add(kinds, "verify", _verify, "check the chain, the hashes, the triggers and the file")
    check.add_argument(
        "--head", default="", metavar="HEX",
        help="what an earlier verify printed, or the hash of a kept table: it must be there still",
    )  # fmt: skip
    close = _add(kinds, "close", _close, "end a study: then its results are shown")
    close.add_argument("name")
    imported = _add(kinds, "import-replies", _import, "replies of arms that run elsewhere")
    imported.add_argument("file", type=Path, metavar="FILE.jsonl")
    answers = _add(kinds, "answer", _answer, "let engines answer questions for the bank")
    answers.add_argument("arms", nargs="+", metavar="ENGINE")
    answers.add_argument("--questions", type=int, default=2, help="per character (default 2)")
    answers.add_argument(
        "--split", choices=("test", "train"), default="test",
        help="test: to measure; train: so that to-training may use what is said of the replies",
    )  # fmt: skip
    answers.add_argument("--seed", type=int, default=0)
    study = _add(kinds, "study", _study, "make a study of frozen replies")
    study.add_argument("name")
    study.add_argument("--arms", nargs="+", default=[], metavar="ARM")
    study.add_argument("--form", choices=("pairs", "singles"), default="pairs")
    study.add_argument("--items", type=int, default=0, help="how many targets (default: all)")
    study.add_argument("--seed", type=int, default=0)
    study.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", dest="plan")
    register_raters(kinds)
    train = _add(kinds, "to-training", _to_training, "training data from ratings and votes")
    _training_arguments(train)
    human = _add(results, "human", _human, "the board of human ratings, in Table 4's form")
    human.add_argument("--save", action="store_true", help="keep it as a snapshot")
    human.add_argument("--out", type=Path, metavar="DIR", help="save its plots there as pages")
    _spec_arguments(human)
    replay = _add(results, "replay", _replay, "rebuild a board from an export, bit for bit")
    replay.add_argument("export", type=Path, metavar="EXPORT")


def _training_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", type=Path, metavar="FOLDER")
    parser.add_argument("--threshold", type=float, default=4.0, help="mean that counts as liked")
    parser.add_argument("--gap", type=float, default=1.0, help="mean difference that prefers")
    parser.add_argument("--margin", type=int, default=1, help="votes to be ahead by")
    parser.add_argument("--raters", type=int, default=1, help="raters of an example, at least")
    parser.add_argument(
        "--modes", nargs="+", choices=("blind", "open", "bank", "chat"),
        help="where ratings come from (default: all but open, where the names are in sight)",
    )  # fmt: skip
    parser.add_argument("--engine", default="", help="who is to learn (default: the profile's)")
    parser.add_argument(
        "--test-questions", action="store_true",
        help="take answers to questions that are kept for tests; what is measured by them then "
        "tells nothing",
    )  # fmt: skip


def _add(commands: Any, name: str, command: Command, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(command=command)
    parser.add_argument("--json", action="store_true")
    return parser


def _spec_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--study", default="")
    parser.add_argument("--modes", nargs="+", choices=("blind", "open", "bank", "chat"))
    parser.add_argument("--leaks", choices=("included", "excluded"))
    parser.add_argument("--flagged", choices=("included", "excluded"))
    parser.add_argument(
        "--doubtful", choices=("included", "excluded"), help="raters who cannot tell, or rate alike"
    )
    parser.add_argument("--sources", nargs="+", choices=("live", "recorded"))
    kinds = ("anon", "invited", "expert")
    parser.add_argument("--raters", nargs="+", choices=kinds, dest="rater_kinds")
    parser.add_argument("--cap", type=int, help="ratings of one rater that count; 0 is all")
    parser.add_argument("--draws", type=int, help="resamples for intervals")
    parser.add_argument("--seed", type=int)


def _spec(args: argparse.Namespace, desk: "Desk") -> "Spec":
    from rolecraft.ratings.selection import Spec

    given: dict[str, Any] = {"study": args.study}
    if args.study:
        _, plan = desk.studies.plan(args.study)
        given |= {"cap": plan["cap"], "modes": ["bank"]}
    names = (
        "modes", "leaks", "flagged", "doubtful", "sources", "rater_kinds", "cap", "draws", "seed",
    )  # fmt: skip
    given |= {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    return Spec.read(given)


def _export(args: argparse.Namespace, settings: Settings) -> int:
    from rolecraft.ratings import board, exports, keeping
    from rolecraft.store import rating_rows

    with opened(settings) as (database, desk):
        table = rating_rows.read(database)
        spec = _spec(args, desk)
        kept = _kept(args.snapshot, spec, database) if args.snapshot else None
    if kept:
        table = exports.until(table, kept.last_number)
    rows = exports.only_published(table) if args.published else table
    found = board.compute(rows, spec)
    told = {"spec": found["spec"], "sha256": board.hash_of(found), "method": board.METHOD}
    if kept:
        told["snapshot"] = keeping.link(kept, found, published=args.published)
    manifest = exports.write(table, args.out, published=args.published, board=told)
    count = len(rows["number"])
    body = {"out": str(args.out), "manifest": str(manifest), "rows": count, "board": told}
    said = f"{count} rows are in {args.out}, described by {manifest.name}."
    _tell(args, body, "\n".join([said, *_of_snapshot(told)]))
    return 0


def _kept(which: str, spec: "Spec", database: "Database") -> "Snapshot":
    """The kept table of this id, or the newest one of this choice of ratings."""
    from rolecraft.ratings.selection import Spec
    from rolecraft.store import boards

    if which != "newest":
        found = boards.get(database, which)
        if (own := Spec.read(found.board["spec"])) != spec:
            raise ResultsError(
                f"The table {which} counts other ratings. Give its own choice: {own.arguments()}"
            )
        return found
    for one in boards.latest(database, 200):
        if Spec.read(one.board["spec"]) == spec:
            return one
    raise ResultsError(
        f"No table of {spec.arguments()} was kept yet. Keep one: python -m rolecraft results human "
        f"{spec.arguments()} --save"
    )


def _of_snapshot(told: Mapping[str, Any]) -> Iterator[str]:
    """How an export stands to the table that was kept."""
    link = told.get("snapshot")
    if not link:
        return
    if not link["as_kept"]:
        yield (
            f"The kept table {link['id']} had more: ratings, or the consent to publish them, were "
            "taken back since."
        )
    elif link["whole"]:
        yield f"It is the whole of the kept table {link['id']}."
    else:
        hidden = link["n_raters"] - link["n_raters_here"]
        yield (
            f"It is the open part of the kept table {link['id']}: {hidden} of its "
            f"{link['n_raters']} raters do not have their single ratings published."
        )


def _replay(args: argparse.Namespace, settings: Settings) -> int:
    from rolecraft.ratings import board, exports, report
    from rolecraft.ratings.selection import Spec

    table, manifest = exports.read(args.export)
    told = manifest["board"]
    found = board.compute(table, Spec.read(told["spec"]))
    same = board.hash_of(found) == told["sha256"]
    verdict = "Same board, bit for bit." if same else "Not the board that was exported."
    lines = [*_of_snapshot(told), verdict] if same else [verdict]
    body = {"same": same, "board": found, "snapshot": told.get("snapshot")}
    _tell(args, body, "\n".join([report.text(found), *lines]))
    return 0 if same else 1


def _summary(args: argparse.Namespace, settings: Settings) -> int:
    from rolecraft.store.rating_counts import counts

    with opened(settings) as (database, _):
        found = counts(database)
    lines = [f"{name:24} {value}" for name, value in _flat(found)]
    _tell(args, found, "\n".join(lines))
    return 0


def _verify(args: argparse.Namespace, settings: Settings) -> int:
    from rolecraft.store.rating_check import verify

    with opened(settings) as (database, _):
        found = verify(database, args.head.lower())
    said = "\n".join(found.faults) or (
        f"{found.events} ratings and {found.replies} replies are as they were written; "
        f"the chain ends in {found.head or 'nothing yet'}."
    )
    body = {"ok": found.ok, "ratings": found.events, "replies": found.replies}
    _tell(args, body | {"head": found.head, "faults": list(found.faults)}, said)
    return 0 if found.ok else 1


def _import(args: argparse.Namespace, settings: Settings) -> int:
    from rolecraft.characters import read_shelf
    from rolecraft.ratings import bank

    shelf = read_shelf(settings.characters)
    try:
        lines = args.file.read_text("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ResultsError(f"{args.file} cannot be read: {error}. Name a UTF-8 file.") from error
    talks = bank.read_replies(lines, shelf)
    with opened(settings) as (_, desk):
        kept = [reply for talk in talks for reply in bank.keep(desk, shelf, talk)]
    arms = sorted({talk.arm.name for talk in talks})
    body = {"replies": len(kept), "talks": len(talks), "arms": arms}
    _tell(args, body, f"{len(kept)} replies of {', '.join(arms)} are in the bank.")
    return 0


def _answer(args: argparse.Namespace, settings: Settings) -> int:
    from rolecraft.cli.asking import asker
    from rolecraft.ratings import bank

    found = {}
    with opened(settings) as (_, desk), asker(settings, args.seed) as (shelf, ask):
        for arm in args.arms:
            found[arm] = bank.answer(desk, shelf, arm, ask(arm), args.questions, args.split)
            print(f"{arm}: {found[arm]} replies", file=sys.stderr)
    _tell(args, {"replies": found}, "The replies are in the bank.")
    return 0


def _study(args: argparse.Namespace, settings: Settings) -> int:
    from rolecraft.ratings.making import make_study
    from rolecraft.ratings.study import Plan

    plan = Plan.read(dict(_setting(each) for each in args.plan))
    with opened(settings) as (_, desk):
        rng = random.Random(args.seed)
        make_study(desk, args.name, args.arms, plan, args.form, rng, args.items)
        invitation = desk.raters.invitation(args.name)
        items = desk.studies.facts(desk.studies.plan(args.name)[0], "").items
    query = {"study": args.name} | ({"invitation": invitation} if plan.invited else {})
    link = f"/rate?{urlencode(query)}"
    kinds = {kind: sum(one.kind == kind for one in items) for kind in ("target", "degraded")}
    said = (
        f"The study {args.name!r} has {kinds['target']} items and {kinds['degraded']} degraded "
        f"copies. Raters open the page at {link}."
    )
    _tell(args, {"study": args.name, "items": kinds, "link": link}, said)
    return 0


def _close(args: argparse.Namespace, settings: Settings) -> int:
    with opened(settings) as (_, desk):
        closed = desk.studies.close(args.name)
        (stand,) = desk.studies.stands(args.name)
    said = f"The study {args.name!r} is closed: nobody is dealt anything more."
    if stand.open_forms:
        said += f" Its results are shown once the {stand.open_forms} open forms are in or too old."
    body = {"study": args.name, "closed_ms": closed, "open_forms": stand.open_forms}
    _tell(args, body, said)
    return 0


def _to_training(args: argparse.Namespace, settings: Settings) -> int:
    from rolecraft.characters import read_shelf
    from rolecraft.ratings import harvested, training
    from rolecraft.ratings.material import Learner
    from rolecraft.store import rating_rows
    from rolecraft.store.rating_counts import counts, erased_records

    engine, budget = _learner(settings, args.engine)
    learner = Learner(read_shelf(settings.characters), budget, engine, args.test_questions)
    rules = training.Rules(
        args.threshold, args.gap, args.margin, args.raters, tuple(args.modes or training.MODES)
    )
    with opened(settings) as (database, desk):
        table = rating_rows.read(database)
        found = training.harvest(
            table, desk.shown.prompts(sorted(set(table["generation"]))), learner, rules,
            withheld=desk.shown.unagreed("train"), better=rating_rows.better_words(database),
            erased=erased_records(database),
        )  # fmt: skip
        chain = counts(database)["chain"]
    files = harvested.save(found, args.out, chain)
    liked, pairs, told = len(found.liked), len(found.preferred), found.accounts
    body: dict[str, Any] = {"sft": liked, "preferences": pairs, "merged": found.merged}
    body |= {"records": dict(told.total), "kinds": told.kinds, "left_out": dict(told.reasons)}
    body["files"] = [str(file) for file in files.values()]
    lines = [f"{liked} liked replies and {pairs} pairs are in {args.out}."]
    lines.append("Of {in} records {used} were used and {refused} refused:".format(**told.total))
    lines += [f"{count:7d}  {reason}" for reason, count in told.reasons.items()]
    _tell(args, body, "\n".join(lines))
    return 0


def _learner(settings: Settings, name: str) -> tuple[str, "Budget"]:
    """The engine for whose prompts examples are written, and its budget in its own tokens."""
    from rolecraft.engines.catalog import Catalog

    catalog = Catalog(settings)
    entry = catalog.entry(name or catalog.default)
    if entry.card.kind != "local" or not entry.card.available:
        return entry.card.name, entry.budget
    from rolecraft.engines.chatglm3 import load_tokenizer

    tokenizer = load_tokenizer(catalog.folders(entry.card.name)[0])
    count = lambda text: len(tokenizer.encode(text))  # noqa: E731
    return entry.card.name, replace(entry.budget, count=count)


def _human(args: argparse.Namespace, settings: Settings) -> int:
    from rolecraft.ratings import board, keeping, report
    from rolecraft.ratings.selection import COLUMNS
    from rolecraft.store import rating_rows
    from rolecraft.store.rating_counts import failures

    with opened(settings) as (database, desk):
        spec = _spec(args, desk)
        if args.save:
            found = keeping.keep(database, spec, __version__)
        else:
            found = board.compute(rating_rows.read(database, COLUMNS), spec)
        failed = failures(database)
    if args.out:
        from rolecraft.evaluation.board_figures import save_pages

        save_pages(found, args.out)
    _tell(args, found | {"failures": failed, "paper": report.PAPER}, report.text(found, failed))
    return 0


def _setting(given: str) -> tuple[str, Any]:
    name, found, value = given.partition("=")
    if not found:
        raise ResultsError(f"--set {given!r} is no NAME=VALUE, such as quota=20.")
    try:
        return name, json.loads(value)
    except ValueError as error:
        raise ResultsError(f"--set {name}: {value!r} is no number, true, false or list.") from error


def _flat(found: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in found.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _tell(args: argparse.Namespace, body: object, text: str) -> None:
    print(json.dumps(body, ensure_ascii=False, indent=2) if args.json else text)
