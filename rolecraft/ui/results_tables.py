"""What stands below the plots of a board: votes, agreement, how firm it is, other ways of counting.

Pure: the board's values go in, HTML comes out.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rolecraft.characters.model import Bilingual
from rolecraft.emotions import BY_ZH
from rolecraft.evaluation.board_figures import COLUMNS, standing
from rolecraft.ratings.selection import Spec
from rolecraft.ui.markup import escape, word
from rolecraft.ui.results_view import Board, as_table, cell, data_button, estimate, paper
from rolecraft.ui.texts import Language, say

People = Mapping[str, Bilingual]  # names by id
Failures = Mapping[str, Mapping[str, int]]
_FAILURES = ("replies", "failed", "cut", "names_a_model", "leaves_the_role")
_COMMANDS = (
    "python -m rolecraft ratings export board.csv --published {choice} --snapshot {version}",
    "python -m rolecraft results replay board.csv",
)


def rest(
    board: Board, failures: Failures, people: People, language: Language, *, version: str
) -> str:
    """Everything below the plots; `version` is the id of the kept board."""
    parts = [
        _votes(board, language),
        _agreement(board, language),
        _fragile(board, language),
        _by(board, "character", {k: v[language] for k, v in people.items()}, language),
        _by(board, "emotion", _emotions(language), language),
        _differences(board, language),
        _sensitivity(board, language),
        _quality(board, language),
        _failures(board, failures, language),
        paper(language),
        _how(board, language, version),
    ]
    return f"<div class='board'>{''.join(parts)}</div>"


def _section(key: str, about: str, body: str, language: Language) -> str:
    told = f"<p class='about'>{about}</p>" if about else ""
    return f"<section><h2>{word(language, key)}</h2>{told}{body}</section>"


def _heads(keys: Iterable[str], language: Language) -> list[str]:
    return [word(language, f"results_{key}") if key else "" for key in keys]


def _votes(board: Board, language: Language) -> str:
    found = board["preference"]
    if not found:
        return ""
    comma = "，" if language == "zh" else ", "
    outcomes = comma.join(
        f"{say(language, f'results_{name}')} {count}" for name, count in found["outcomes"].items()
    )
    about = word(language, "results_votes_about", votes=found["votes"], outcomes=outcomes)
    body = _strengths(found, board["spec"]["leaks"], language)
    share = found["left"]["share"]
    if share:
        p = _p(found["left"]["p"])
        told = word(language, "results_left_bias", share=f"{share['value']:.0%}", p=p)
        body += f"<p class='about small'>{told}</p>"
    held = found["controlled"]
    if held and held["styles"]:
        styles = comma.join(
            f"{say(language, f'results_style_{name}')} {value:+.2f} ({_p(p)})"
            for name, (value, p) in held["styles"].items()
        )
        body += f"<p class='about small'>{word(language, 'results_styles', styles=styles)}</p>"
    return _section("results_votes", about, body, language)


def _strengths(found: Mapping[str, Any], leaks: str, language: Language) -> str:
    bad = found["both_bad"]
    if found["strengths"] is None:
        groups = " | ".join(", ".join(group) for group in found["groups"])
        rows = [
            [escape(arm), cell(f"{one['value']:.0%}", language, arm=arm, criterion="preference",
                               leaks=leaks)]
            for arm, one in bad.items()
            if one
        ]  # fmt: skip
        told = word(language, "results_unconnected", groups=groups)
        head = _heads(("arm", "both_bad"), language)
        return f"<p class='about'>{told}</p>{as_table(head, rows)}"
    rows = []
    for arm in sorted(found["strengths"], key=lambda one: -found["strengths"][one]["value"]):
        one = found["strengths"][arm]
        held = f"{found['controlled']['controlled'][arm]:+.0f}" if found["controlled"] else "–"
        shown = estimate(one, language, 0)
        rate = f"{bad[arm]['value']:.0%}" if bad.get(arm) else ""
        status = word(language, "results_" + one["status"])
        rows.append(
            [
                escape(arm),
                cell(shown, language, arm=arm, criterion="preference", leaks=leaks),
                held,
                cell(rate, language, arm=arm, criterion="preference", leaks=leaks) if rate else "–",
                one["n"], one["raters"],
                f"<span class='status {one['status']}'>{status}</span>", one["rank"] or "–",
            ]
        )  # fmt: skip
    keys = ("arm", "elo", "same_length", "both_bad", "n", "raters", "status", "rank")
    return as_table(_heads(keys, language), rows)


def _agreement(board: Board, language: Language) -> str:
    rows = []
    for name, one in board["agreement"].items():
        alpha = {"value": one["alpha"], "low": one["low"], "high": one["high"]}
        shown = estimate(alpha if one["alpha"] is not None else None, language)
        rows.append(
            [
                word(language, f"results_{name}"),
                cell(shown, language, criterion=name, leaks=board["spec"]["leaks"]),
                _share(one["exact"]), _share(one["within_one"]), one["units"],
                "–" if one["lowest_without"] is None else f"{one['lowest_without']:.2f}",
            ]
        )  # fmt: skip
    if not rows:
        return ""
    keys = ("criterion", "alpha", "exact", "within_one", "units", "lowest")
    about = word(language, "results_agreement_about")
    return _section("results_agreement", about, as_table(_heads(keys, language), rows), language)


def _fragile(board: Board, language: Language) -> str:
    lines = []
    for name, one in board["fragility"].items():
        if one:
            more = say(language, "results_more_than", limit=one["limit"])
            ratings = one["ratings"] or more
            raters = (
                say(language, "results_so_many_raters", count=one["raters"])
                if one["raters"]
                else say(language, "results_no_number")
            )
            key = f"results_fragile_{name}"
            told = word(language, key, first=one["first"], ratings=ratings, raters=raters)
            lines.append(f"<p class='about'>{told}</p>")
    return _section("results_fragile", "", "".join(lines), language) if lines else ""


def _by(board: Board, name: str, names: Mapping[str, str], language: Language) -> str:
    found = board[f"by_{name}"]
    arms = _arms(board)
    rows = []
    for key, means in found.items():
        if means:
            line = [escape(names.get(key, key))]
            for arm in arms:
                one = means.get(arm)
                shown = f"{one['mean']:.2f} <small>({one['n']})</small>" if one else ""
                which = {"arm": arm, "criterion": "average", name: key}
                which["leaks"] = board["spec"]["leaks"]
                line.append(cell(shown, language, **which) if one else "–")
            rows.append(line)
    if not rows:
        return ""
    table = as_table(["", *map(escape, arms)], rows)
    about = word(language, "results_by_about")
    return (
        f"<section><details><summary>{word(language, f'results_by_{name}')}</summary>"
        f"<p class='about small'>{about}</p>{table}</details></section>"
    )


def _differences(board: Board, language: Language) -> str:
    rows = [
        [
            f"{escape(one['first'])} − {escape(one['second'])}",
            word(language, f"results_{one['criterion']}"),
            cell(
                estimate(one["estimate"], language), language, arm=one["first"],
                versus=one["second"], criterion=one["criterion"], leaks=board["spec"]["leaks"],
            ),
            _p(one["p"]),
        ]
        for one in board["differences"]
    ]  # fmt: skip
    if not rows:
        return ""
    head = [*_heads(("pair", "criterion", "difference"), language), "p"]
    return (
        f"<section><details><summary>{word(language, 'results_differences')}</summary>"
        f"<p class='about small'>{word(language, 'results_differences_about')}</p>"
        f"{as_table(head, rows)}</details></section>"
    )


def _sensitivity(board: Board, language: Language) -> str:
    arms = _arms(board)
    rows = []
    for name, means in board["sensitivity"].items():
        key = f"results_s_{name}" if name.startswith("leaks") else f"results_{name}"
        rows.append(
            [word(language, key)]
            + [
                f"{means[arm]['mean']:.2f} <small>({means[arm]['n']})</small>"
                if arm in means
                else "–"
                for arm in arms
            ]
        )
    if not arms:
        return ""
    return (
        f"<section><details><summary>{word(language, 'results_sensitivity')}</summary>"
        f"{as_table(['', *map(escape, arms)], rows)}</details></section>"
    )


def _quality(board: Board, language: Language) -> str:
    raters, lines = board["raters"], []
    if raters.get("cannot_tell") or raters.get("straight_lines"):
        lines.append(_doubted(board, language))
    if raters["degraded_p"] is not None:
        p, n = f"{raters['degraded_p']:.2g}", raters["degraded_ratings"]
        lines.append(word(language, "results_degraded", p=p, n=n))
    if raters["repeats"]:
        exact = _share(raters["repeat_exact"])
        lines.append(word(language, "results_repeat", n=raters["repeats"], exact=exact))
    if board["halo"]["spread"] is not None:
        spread = f"{board['halo']['spread']:.2f}"
        lines.append(word(language, "results_halo", spread=spread))
    if sources := board.get("sources"):
        lines.append(f"{word(language, 'results_sources')}: {_sources(sources, language)}")
    left_out = {name: count for name, count in board["left_out"].items() if count}
    if left_out:
        told = " · ".join(f"{_reason(name, language)} {count}" for name, count in left_out.items())
        lines.append(f"{word(language, 'results_left_out')}: {told}")
    body = "".join(f"<p class='about'>{line}</p>" for line in lines)
    return _section("results_quality", "", body, language) if lines else ""


def _sources(found: Mapping[str, Mapping[str, int]], language: Language) -> str:
    between = "、" if language == "zh" else ", "
    return " · ".join(
        f"{escape(arm)} "
        + between.join(f"{word(language, f'results_source_{name}')} {n}" for name, n in one.items())
        for arm, one in found.items()
    )


def _doubted(board: Board, language: Language) -> str:
    raters = board["raters"]
    key = "results_doubted_" + board["spec"].get("doubtful", "included")
    return word(
        language, key, rule=raters.get("rule", "–"), copies=len(raters["cannot_tell"]),
        alike=len(raters["straight_lines"]),
    )  # fmt: skip


def _failures(board: Board, failures: Failures, language: Language) -> str:
    names = {arm.split("@")[0] for arm in _arms(board)}
    rows = [
        [escape(arm), *(counts.get(key, 0) for key in _FAILURES)]
        for arm, counts in failures.items()
        if arm in names
    ]
    if not rows:
        return ""
    head = _heads(("arm", *_FAILURES), language)
    return (
        f"<section><details><summary>{word(language, 'results_failures')}</summary>"
        f"{as_table(head, rows)}</details></section>"
    )


def _how(board: Board, language: Language, version: str) -> str:
    facts = (
        ("method", board["method"]), ("data", board["data_sha256"]),
        ("seed", board["spec"]["seed"]),
    )  # fmt: skip
    told = "".join(
        f"<div><dt>{word(language, f'results_{key}')}</dt><dd>{escape(str(value))}</dd></div>"
        for key, value in facts
    )
    choice = Spec.read(board["spec"]).arguments()
    commands = escape("\n".join(_COMMANDS).format(choice=choice, version=version))
    return (
        f"<section><h2>{word(language, 'results_how')}</h2>"
        f"<p class='about'>{word(language, 'results_how_about')}</p>"
        f"<pre class='command'>{commands}</pre>{_open_part(board, language)}"
        f"<dl class='facts'>{told}</dl>"
        f"{data_button(language)}</section>"
    )


def _open_part(board: Board, language: Language) -> str:
    """What of the board the published single ratings give: all of it, or the table of those."""
    part = board.get("open")
    if not part:
        return ""
    if part["n_raters"] == board["n_raters"]:
        return f"<p class='about small'>{word(language, 'results_open_all')}</p>"
    told = word(
        language, "results_open_part", open=part["n_raters"], raters=board["n_raters"],
        ratings=f"{part['n_ratings']:,}",
    )  # fmt: skip
    rows = [
        [escape(arm), *(estimate(part["table"][arm].get(name), language) for name in COLUMNS)]
        for arm in standing(part["table"])
    ]
    table = as_table(_heads(("arm", *COLUMNS), language), rows) if rows else ""
    return f"<p class='about small'>{told}</p>{table}"


def _arms(board: Board) -> Sequence[str]:
    return standing(board["table"])


def _emotions(language: Language) -> dict[str, str]:
    named = {label: one.zh if language == "zh" else one.en for label, one in BY_ZH.items()}
    return {"": say(language, "results_no_emotion"), **named}


def _reason(name: str, language: Language) -> str:
    return word(language, "results_out_" + re.sub("[^a-z]+", "_", name))


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"
