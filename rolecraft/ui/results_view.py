"""The page /results: a board of ratings as HTML, above and below its plots.

Pure: a version of a board goes in. Every mean, strength, difference and agreement is a button that
opens the ratings that it rests on; what is counted in another way stands beside without.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rolecraft.evaluation.board_figures import COLUMNS, standing
from rolecraft.ratings.report import PAPER
from rolecraft.store.boards import Snapshot
from rolecraft.ui.markup import button, escape, word
from rolecraft.ui.texts import Language, say

Board = Mapping[str, Any]
Numbers = Mapping[str, int]  # version id → which version of its board it is


def head(
    versions: Sequence[Snapshot],
    chosen: Snapshot | None,
    running: Collection[str],
    language: Language,
) -> str:
    """The title, which board of which version is shown, and its table."""
    parts = [
        f"<h1>{word(language, 'results_nav')}</h1>"
        f"<p class='lead'>{word(language, 'results_lead')}</p>"
    ]
    if running:
        names = ("、" if language == "zh" else ", ").join(sorted(running))
        parts.append(f"<p class='note'>{word(language, 'results_running', names=names)}</p>")
    if chosen is None:
        parts += [_nothing(language), paper(language)]
        return f"<div class='board'>{''.join(parts)}</div>"
    parts += [_choice(versions, chosen, language), _main_table(chosen.board, language)]
    return f"<div class='board' data-version='{escape(chosen.id)}'>{''.join(parts)}</div>"


def paper(language: Language) -> str:
    """Table 4 of the paper, labelled as theirs."""
    head = [say(language, "results_arm"), *(say(language, f"results_{name}") for name in COLUMNS)]
    rows = ([escape(arm), *(f"{value:.2f}" for value in row)] for arm, row in PAPER.items())
    label = word(language, "results_paper_kind")
    return (
        f"<section class='theirs'><h2>{word(language, 'results_paper')} "
        f"<span class='label'>{label}</span></h2>"
        f"<p class='about'>{word(language, 'results_paper_about')}</p>"
        f"{as_table(map(escape, head), rows)}</section>"
    )


def cell(shown: str, language: Language, **which: str) -> str:
    """A number that opens what lies under it; `shown` is escaped already."""
    sent = escape(json.dumps(which, ensure_ascii=False))
    return f'<button type="button" class="cell" data-act="cell" data-cell="{sent}">{shown}</button>'


def estimate(found: Mapping[str, Any] | None, language: Language, digits: int = 2) -> str:
    """A number with its interval."""
    if not found:
        return f"<small>{word(language, 'results_unknown')}</small>"
    value = _plain(found["value"], digits)
    if found["low"] is None or found["high"] is None:  # of a single rater or prompt
        return f"{value} <small>{word(language, 'results_no_interval')}</small>"
    low, high = (_plain(found[key], digits) for key in ("low", "high"))
    return f"{value} <small>[{low} {high}]</small>"


def as_table(columns: Any, rows: Any, kind: str = "") -> str:
    """A table of escaped cells; the first of a row names it."""
    names = "".join(f"<th scope='col'>{name}</th>" for name in columns)
    lines = "".join(
        f"<tr><th scope='row'>{first}</th>{''.join(f'<td>{one}</td>' for one in rest)}</tr>"
        for first, *rest in rows
    )
    return (
        f"<div class='wide-table' tabindex='0'><table class='{kind}'><thead><tr>{names}</tr>"
        f"</thead><tbody>{lines}</tbody></table></div>"
    )


def kind_of(board: Board, language: Language) -> str:
    """What sort of ratings a board counts."""
    spec = board["spec"]
    if spec["study"]:
        return say(language, "results_kind_study", name=spec["study"])
    between = "、" if language == "zh" else ", "
    return between.join(say(language, f"results_kind_{mode}") for mode in spec["modes"])


def numbers_of(versions: Sequence[Snapshot]) -> Numbers:
    """Versions are counted from 1 for each board by itself, the oldest first."""
    seen: dict[str, int] = {}
    found = {}
    for one in reversed(versions):
        key = json.dumps(one.board["spec"], sort_keys=True)
        found[one.id] = seen[key] = seen.get(key, 0) + 1
    return found


def _nothing(language: Language) -> str:
    return (
        f"<section class='nothing'><h2>{word(language, 'results_none_title')}</h2>"
        f"<p>{word(language, 'results_none')}</p><p class='ways'>"
        f"<a class='primary' href='./compare'>{word(language, 'results_none_do')}</a>"
        f"<a class='quiet' href='./rate'>{word(language, 'results_none_rate')}</a></p></section>"
    )


def _choice(versions: Sequence[Snapshot], chosen: Snapshot, language: Language) -> str:
    numbers = numbers_of(versions)
    newest: dict[str, Snapshot] = {}
    for one in versions:
        newest.setdefault(kind_of(one.board, language), one)
    kind = kind_of(chosen.board, language)
    kinds = "".join(_pick(one, name, name == kind) for name, one in newest.items())
    older = "".join(
        f"<li>{_pick(one, _version(one, numbers, language), one.id == chosen.id)}</li>"
        for one in versions
        if kind_of(one.board, language) == kind
    )
    board = chosen.board
    counted = word(
        language, "results_counted", ratings=f"{board['n_ratings']:,}", raters=board["n_raters"]
    )
    return (
        f"<div class='kinds'>{kinds}</div>"
        f"<p class='version'><strong>{escape(_version(chosen, numbers, language))}</strong> · "
        f"{counted}</p><p class='about'>{word(language, 'results_still')}</p>"
        f"<details><summary>{word(language, 'results_versions')}</summary>"
        f"<ul class='versions-list'>{older}</ul></details>"
    )


def _pick(one: Snapshot, label: str, pressed: bool) -> str:
    return (
        f'<button type="button" class="chip" data-act="version" data-id="{escape(one.id)}" '
        f'aria-pressed="{str(pressed).lower()}">{escape(label)}</button>'
    )


def _version(one: Snapshot, numbers: Numbers, language: Language) -> str:
    date = datetime.fromtimestamp(one.created_ms / 1000, UTC).strftime("%Y-%m-%d")
    return say(language, "results_version", number=numbers[one.id], date=date)


def _main_table(board: Board, language: Language) -> str:
    if not board["table"]:
        return f"<p class='note'>{word(language, 'results_none_title')}</p>"
    parts = [
        f"<h2>{word(language, 'results_table')}</h2>"
        f"<p class='about'>{word(language, 'results_table_about')}</p>",
        _arms(board["table"], board["spec"]["leaks"], language),
        f"<p class='about small'>{word(language, 'results_status_about')}</p>",
    ]
    other = board.get("other_leaks")
    if other and other["table"]:
        about = word(language, "results_leaks_about", ratings=f"{other['n_ratings']:,}")
        parts.append(
            f"<h3>{word(language, 'results_leaks_' + other['leaks'])}</h3>"
            f"<p class='about small'>{about}</p>"
            f"{_arms(other['table'], other['leaks'], language)}"
        )
    return f"<section>{''.join(parts)}</section>"


def _arms(table: Mapping[str, Any], leaks: str, language: Language) -> str:
    keys = ("arm", *COLUMNS, "n", "raters", "status", "rank")
    rows = []
    for arm in standing(table):
        cells = table[arm]
        known = [
            cell(estimate(cells[name], language), language, arm=arm, criterion=name, leaks=leaks)
            if cells.get(name)
            else estimate(None, language)
            for name in COLUMNS
        ]
        size = next((cells[name] for name in COLUMNS if cells.get(name)), None)
        counts = [f"{size['n']:,}", size["raters"]] if size else ["", ""]
        status = cells["status"]
        rows.append(
            [
                escape(arm), *known, *counts,
                f"<span class='status {status}'>{word(language, 'results_' + status)}</span>",
                cells["rank"] or "–",
            ]
        )  # fmt: skip
    return as_table((word(language, f"results_{key}") for key in keys), rows, "arms")


def _plain(value: float | None, digits: int) -> str:
    return "?" if value is None else f"{value:.{digits}f}"


def data_button(language: Language) -> str:
    """Takes every number of the version away as a file."""
    label = say(language, "results_version_data")
    return button(label, "data", kind="line-button", icon="down", text=True)
