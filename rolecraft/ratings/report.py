"""A board as text, in the form of the paper's Table 4, with what must be said beside it.

Knows no database: it is given the board's values.
"""

from collections.abc import Mapping
from typing import Any

# Table 4 of RoleCraft-GLM (Tao et al., 2023): 12 raters, five points; never mixed with ours.
PAPER = {
    "GPT-3.5": (2.95, 3.08, 3.88, 1.89),
    "GPT-4": (3.33, 3.50, 4.26, 2.23),
    "ChatGLM2": (2.56, 3.12, 2.65, 1.91),
    "ChatGLM3": (2.92, 3.36, 3.32, 2.07),
    "Baichuan2": (3.29, 3.61, 4.02, 2.25),
    "Qwen": (3.17, 3.27, 3.97, 2.27),
    "ChatPLUG": (3.32, 3.72, 3.91, 2.32),
    "Character.AI": (3.26, 3.57, 3.93, 2.28),
    "Character-LLM": (3.25, 3.68, 3.76, 2.31),
    "RoleGLM": (3.32, 3.67, 4.05, 2.24),
    "RoleCraft-GLM": (3.44, 3.75, 4.14, 2.43),
}
_COLUMNS = ("average", "communication", "consistency", "diversity")
_HEADS = ("Avg", "CE", "Cons.", "ED")


def text(board: Mapping[str, Any], failures: Mapping[str, Mapping[str, int]] | None = None) -> str:
    """The whole board for a terminal."""
    other = board["other_leaks"]
    blocks = [_table(board["table"]) or "No rating counts yet."]
    if other["table"] and other["n_ratings"] != board["n_ratings"]:
        about = f"The same with leaks {other['leaks']} ({other['n_ratings']} ratings)"
        blocks.append(f"{about}\n{_table(other['table'])}")
    blocks += [_agreement(board), _preference(board), _notes(board)]
    if failures:
        blocks.append(_failures(failures))
    blocks.append(_paper())
    return "\n\n".join(block for block in blocks if block)


def _table(table: Mapping[str, Any]) -> str:
    if not table:
        return ""
    lines = [
        f"{'arm':24}" + "".join(f"{head:>20}" for head in _HEADS) + f"{'n':>7}{'raters':>7}  status"
    ]
    for arm, cells in sorted(table.items(), key=_standing):
        average = cells.get("average") or next(
            (cells[name] for name in _COLUMNS if cells.get(name)), None
        )
        numbers = "".join(f"{_cell(cells.get(name)):>20}" for name in _COLUMNS)
        size = f"{average['n']:>7}{average['raters']:>7}" if average else f"{'':14}"
        rank = f", rank {cells['rank']}" if cells["rank"] else ""
        lines.append(f"{arm:24}{numbers}{size}  {cells['status']}{rank}")
    return "\n".join(lines)


def _standing(item: tuple[str, Mapping[str, Any]]) -> tuple[float, str]:
    average = item[1].get("average")
    return (-average["value"] if average else 0.0, item[0])


def _cell(cell: Mapping[str, Any] | None) -> str:
    if not cell:
        return "not estimable"
    return f"{cell['value']:.2f} [{cell['low']:.2f} {cell['high']:.2f}]"


def _agreement(board: Mapping[str, Any]) -> str:
    lines = []
    for name, found in board["agreement"].items():
        alpha = "not estimable"
        if found["alpha"] is not None:
            alpha = f"{found['alpha']:.2f}"
            if found["low"] is not None:
                alpha += f" [{found['low']:.2f} {found['high']:.2f}]"
        shares = "".join(
            f", {label} {found[key]:.0%}"
            for key, label in (("exact", "exact"), ("within_one", "within one"))
            if found[key] is not None
        )
        lines.append(f"agreement, {name}: alpha {alpha}{shares}, {found['units']} units")
    return "\n".join(lines)


def _preference(board: Mapping[str, Any]) -> str:
    found = board["preference"]
    if not found:
        return ""
    lines = [f"{found['votes']} votes: {_listed(found['outcomes'])}"]
    if found["strengths"] is None:
        groups = " | ".join(", ".join(group) for group in found["groups"])
        lines.append(f"No common ranking: no votes connect {groups}.")
        return "\n".join(lines)
    for arm, one in sorted(found["strengths"].items(), key=lambda each: -each[1]["value"]):
        bad = found["both_bad"][arm]
        rate = f", both bad {bad['value']:.0%}" if bad else ""
        controlled = found["controlled"]
        held = f", {controlled['controlled'][arm]:+.0f} at equal length" if controlled else ""
        interval = f"[{_signed(one['low'])} {_signed(one['high'])}]"
        lines.append(
            f"{arm:24}{one['value']:+7.0f} Elo {interval}{held}{rate}, {one['n']} votes, "
            f"{one['status']}" + (f", rank {one['rank']}" if one["rank"] else "")
        )
    share = found["left"]["share"]
    if share:
        lines.append(f"left side chosen {share['value']:.0%} (p {found['left']['p']:.2g})")
    return "\n".join(lines)


def _signed(value: float | None) -> str:
    return "?" if value is None else f"{value:+.0f}"


def _notes(board: Mapping[str, Any]) -> str:
    lines = [f"{board['n_ratings']} ratings of {board['n_raters']} raters, {board['method']}"]
    left_out = {name: count for name, count in board["left_out"].items() if count}
    if left_out:
        lines.append(f"left out: {_listed(left_out)}")
    for name, found in board["fragility"].items():
        if found:
            ratings = found["ratings"] or f"more than {found['limit']}"
            raters = found["raters"] or "no number of"
            lines.append(
                f"{found['first']} is first by {name}; {ratings} ratings, or {raters} raters, "
                "would change that"
            )
    lines += [f"{arm}: replies {_listed(one)}" for arm, one in board["sources"].items()]
    raters = board["raters"]
    if doubted := len(raters["cannot_tell"]) + len(raters["straight_lines"]):
        is_out = board["spec"]["doubtful"] == "excluded"
        lines.append(
            f"rule {raters['rule']} doubts {doubted} raters: "
            f"{len(raters['cannot_tell'])} cannot tell degraded copies from the rest, "
            f"{len(raters['straight_lines'])} answer all alike; their ratings are "
            + ("left out" if is_out else "counted")
        )
    if raters["degraded_p"] is not None:
        lines.append(f"degraded copies are rated lower: p {raters['degraded_p']:.2g}")
    if raters["repeat_alpha"] is not None:
        lines.append(f"the same rater twice: alpha {raters['repeat_alpha']:.2f}")
    for name, arms in board["sensitivity"].items():
        means = ", ".join(f"{arm} {one['mean']:.2f} ({one['n']})" for arm, one in arms.items())
        lines.append(f"{name.replace('_', ' ')}: {means}")
    return "\n".join(lines)


def _failures(found: Mapping[str, Mapping[str, int]]) -> str:
    return "\n".join(f"{arm}: {_listed(counts)}" for arm, counts in found.items())


def _listed(found: Mapping[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in found.items())


def _paper() -> str:
    lines = ["The paper's Table 4 (theirs: other raters, other replies)"]
    lines.append(f"{'arm':24}" + "".join(f"{head:>7}" for head in _HEADS))
    lines += [f"{arm:24}" + "".join(f"{v:7.2f}" for v in row) for arm, row in PAPER.items()]
    return "\n".join(lines)
