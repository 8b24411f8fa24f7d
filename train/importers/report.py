"""The report of an import: counts that add up, and every record that was repaired or refused.

Knows no format. `import-report.json` lies beside the character folders.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from train.importers.ledger import KINDS, Ledger, Tally

FILE = "import-report.json"


def report(
    ledger: Ledger, written: Mapping[str, Mapping[str, int]], described: Mapping[str, Any]
) -> dict[str, Any]:
    """The report as JSON. `written` counts, for each character, what its folder holds.

    Always in = out + refused and out = untouched + repaired, for every kind, file and character.
    """
    names = list(dict.fromkeys(owner for owner, _ in ledger.tallies))
    whole = ledger.total()
    return {
        **described,
        "records": whole.as_json(),
        "kinds": {kind: ledger.total([kind]).as_json() for kind in KINDS},
        "written": dict(_sum(written.values())),
        "reasons": _reasons(whole),
        "characters": {
            name: {**ledger.total(character=name).as_json(), "written": dict(written.get(name, {}))}
            for name in names
        },
        "files": ledger.files,
        "format_lines": {file: dict(counts) for file, counts in ledger.frame.items()},
        "notes": ledger.notes,
        "events": ledger.events,
    }


def summary(body: Mapping[str, Any]) -> str:
    """The report for people, without its events."""
    rows: list[tuple[str, ...]] = [("", "in", "out", "repaired", "refused")]
    rows += [_row(kind, counts) for kind, counts in body["kinds"].items() if counts["in"]]
    rows.append(_row("all", body["records"]))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = [
        "  ".join(cell.ljust(w) if n == 0 else cell.rjust(w) for n, (cell, w) in
                  enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]  # fmt: skip
    lines.append("written: " + ", ".join(f"{v} {k}" for k, v in body["written"].items()))
    lines += [f"{count:7d}  {reason}" for reason, count in body["reasons"].items()]
    for what, count in _sum(body["format_lines"].values()).items():
        lines.append(f"{count:7d}  lines of the format: {what}")
    lines += [f"note: {note['subject']} {note['message']}" for note in body["notes"]]
    return "\n".join(lines)


def _row(name: str, counts: Mapping[str, int]) -> tuple[str, ...]:
    return (name, *(f"{counts[key]:,}" for key in ("in", "out", "repaired", "refused")))


def _reasons(tally: Tally) -> dict[str, int]:
    return dict(sorted(tally.reasons.items(), key=lambda one: (-one[1], one[0])))


def _sum(counts: Any) -> Counter[str]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return total
