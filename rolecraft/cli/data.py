"""`python -m rolecraft results data`: numbers and pictures of the characters, docs/cast.md."""

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

from rolecraft.settings import Settings


def register(results: Any) -> None:
    """Add `data` to the commands of `results`."""
    text = "the characters' data: Table 1, style test, pictures"
    data = results.add_parser("data", help=text, description=text)
    data.set_defaults(command=_data)
    data.add_argument("--out", type=Path, metavar="DIR", help="save the pictures there")
    data.add_argument(
        "--docs",
        type=Path,
        metavar="DIR",
        help="write DIR/cast.md, its images and the page's counted.json",
    )
    data.add_argument(
        "--check", action="store_true", help="write nothing: say what is stale in DIR"
    )
    data.add_argument("--characters", type=Path, metavar="DIR")
    data.add_argument("--json", action="store_true")


def _data(args: argparse.Namespace, settings: Settings) -> int:
    from rolecraft.characters import read_shelf
    from rolecraft.evaluation import cast_page, counted, pictures
    from rolecraft.ui.texts import LANGUAGES, trait_name

    results = cast_page.read_results(read_shelf(settings.characters))
    if args.check:
        stale = cast_page.stale(results, args.docs or Path("docs"))
        stale += counted.stale(results.shelf, results.dataset, results.style)
        return _check(stale, args.json)
    notes: list[str] = []
    if args.docs:
        notes += cast_page.write_docs(results, args.docs)
        names: counted.Names = {one: partial(trait_name, language=one) for one in LANGUAGES}
        notes += counted.save(results.shelf, results.dataset, results.style, names)
    if args.out:
        pictures.save_pages(results.pictures, args.out)
        notes += pictures.save_images(results.pictures, args.out)
    for note in dict.fromkeys(notes):
        print(note, file=sys.stderr)
    if args.json:
        _show({**results.dataset.as_json(), "style": results.style.as_json()})
    else:
        print(cast_page.table_text(results))
    return 0


def _check(stale: list[str], as_json: bool) -> int:
    from rolecraft.evaluation.cast_page import COMMAND

    if as_json:
        _show({"stale": stale, "ok": not stale})
    else:
        print("\n".join([*stale, f"Run {COMMAND}."]) if stale else "docs/cast.md is fresh.")
    return 1 if stale else 0


def _show(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))
