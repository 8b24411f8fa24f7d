"""Looks for what would spoil training in a folder of characters.

`python -m train lint FOLDER [--json] [--html OUT]`: FOLDER holds character folders or the
RoleInstruct release as it was published. Exit 1 when there are errors; warnings alone pass.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from train.importers.report import FILE
from train.lint.across import Across
from train.lint.findings import RULES, Findings
from train.lint.items import layout_of, read_characters
from train.lint.page import page
from train.lint.rules import check

EXAMPLES = 3  # findings of a rule that are printed for people


def make_parser() -> argparse.ArgumentParser:
    """The arguments of this stage."""
    parser = argparse.ArgumentParser(prog="python -m train lint", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    parser.add_argument("--json", action="store_true", help="print every finding as JSON")
    parser.add_argument("--html", metavar="OUT", type=Path, help="write a page for people")
    return parser


def main(args: argparse.Namespace) -> int:
    """Lint; exit 1 when there are errors."""
    findings = lint(args.folder)
    imported = _import_report(args.folder)
    if args.html:
        args.html.parent.mkdir(parents=True, exist_ok=True)
        args.html.write_text(page(findings, args.folder.resolve().name, imported), "utf-8")
    if args.json:
        body = {"layout": layout_of(args.folder), **findings.as_json()}
        print(json.dumps(body, ensure_ascii=False, indent=1))
    else:
        print(_summary(findings))
    return 1 if findings.total("error") else 0


def lint(folder: Path) -> Findings:
    """Everything that is found in a folder. Raises TrainingError when it holds no characters."""
    findings, across = Findings(), Across()
    for read in read_characters(folder):
        findings.looked_at["character"] += 1
        check(read, findings)
        across.check(read, findings)
    return findings


def _import_report(folder: Path) -> dict[str, Any] | None:
    path = folder / FILE
    if not path.is_file():
        return None
    body: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return body


def _summary(findings: Findings) -> str:
    lines = []
    for rule, count in findings.counts.items():
        if not count:
            continue
        lines.append(f"{RULES[rule].severity:8}{count:7,}  {RULES[rule].title} ({rule})")
        for one in [one for one in findings.found if one.rule == rule][:EXAMPLES]:
            place = f"{one.file}:{one.line}" if one.line else one.file
            lines.append(f"{'':17}{place}  {one.value}  {one.detail}".rstrip())
    looked = ", ".join(f"{count:,} {kind}" for kind, count in findings.looked_at.items())
    errors, warnings = findings.total("error"), findings.total("warning")
    return "\n".join([*lines, f"{errors:,} errors, {warnings:,} warnings; looked at {looked}."])
