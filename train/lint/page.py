"""The findings as a page that a person reads: no script, nothing fetched, one file.

Knows only findings.
"""

from collections.abc import Mapping
from html import escape
from typing import Any

from train.lint.across import by_character
from train.lint.findings import RULES, Findings

EXAMPLES = 40  # findings of a rule that the page shows

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #8884;
  vertical-align: top; overflow-wrap: anywhere; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
.error { color: #b42318; } .warning { color: #a15c00; } .none { opacity: .5; }
@media (prefers-color-scheme: dark) { .error { color: #ff9d92; } .warning { color: #ffc46b; } }
summary { cursor: pointer; padding: .4rem 0; font-weight: 600; }
.scroll { overflow-x: auto; }
"""


def page(findings: Findings, title: str, imported: Mapping[str, Any] | None = None) -> str:
    """A whole HTML page. `imported` is the report of the import that made the folder."""
    errors, warnings = findings.total("error"), findings.total("warning")
    looked = ", ".join(f"{count:,} × {escape(kind)}" for kind, count in findings.looked_at.items())
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width, initial-scale=1'>",
        f"<title>Lint of {escape(title)}</title><style>{_STYLE}</style>",
        f"<h1>Lint of {escape(title)}</h1>",
        f"<p><b class=error>{errors:,} errors</b>, <b class=warning>{warnings:,} warnings</b>. "
        f"Looked at: {looked or 'nothing'}.</p>",
        _rules(findings),
        _characters(findings),
        _import(imported) if imported else "",
        *(_details(findings, rule) for rule, count in findings.counts.items() if count),
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _rules(findings: Findings) -> str:
    rows = "".join(
        f"<tr class={'none' if not count else RULES[rule].severity}>"
        f"<td>{'<a href=#' + rule + '>' if count else ''}{escape(RULES[rule].title)}"
        f"{'</a>' if count else ''}<td>{RULES[rule].severity}<td class=n>{count:,}"
        for rule, count in findings.counts.items()
    )
    return f"<h2>Rules</h2><table><tr><th>Rule<th>Weight<th class=n>Found{rows}</table>"


def _characters(findings: Findings) -> str:
    counts = by_character(findings)
    rules = [rule for rule, count in findings.counts.items() if count]
    if not counts:
        return ""
    head = "".join(f"<th class=n>{rule}" for rule in rules)
    rows = "".join(
        f"<tr><td>{escape(name)}" + "".join(f"<td class=n>{found[rule]:,}" for rule in rules)
        for name, found in sorted(counts.items())
    )
    return f"<h2>Characters</h2><div class=scroll><table><tr><th>{head}{rows}</table></div>"


def _import(imported: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{escape(str(reason))}<td class=n>{count:,}"
        for reason, count in imported["reasons"].items()
    )
    counts = imported["records"]
    return (
        f"<h2>What the import repaired and refused</h2><p>{counts['in']:,} records in, "
        f"{counts['out']:,} out, {counts['repaired']:,} of them repaired, {counts['refused']:,} "
        f"refused.</p><table>{rows}</table>"
    )


def _details(findings: Findings, rule: str) -> str:
    found = [one for one in findings.found if one.rule == rule]
    rows = "".join(
        f"<tr><td>{escape(one.file)}{f':{one.line}' if one.line else ''}"
        f"<td>{escape(one.value)}<td>{escape(one.detail)}"
        for one in found[:EXAMPLES]
    )
    more = f"<p>… and {len(found) - EXAMPLES:,} more.</p>" if len(found) > EXAMPLES else ""
    return (
        f"<details id={rule}><summary class={RULES[rule].severity}>{escape(RULES[rule].title)} "
        f"({len(found):,})</summary><p>{escape(RULES[rule].remedy)}</p>"
        f"<table><tr><th>Place<th>Text<th>Why{rows}</table>{more}</details>"
    )
