"""The two replies side by side: while they are written, to be voted on, voted on, and told.

Pure: values go in, HTML comes out. A `Pane` is `told` only when its arm may be named; before that
nothing here knows an arm.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rolecraft.store.forms import PREFERENCES, Form
from rolecraft.ui.compare_ballot import LETTERS, ballot
from rolecraft.ui.compare_told import Told, differences
from rolecraft.ui.markup import ICONS, button, emotion_tag, escape, plain, word
from rolecraft.ui.rating_form import report_button
from rolecraft.ui.texts import Language, say

_SAID_BY_SCRIPT = (
    "ready", "choose_first", "scores_open", "saving", "unsaved", "skip", "read_both",
)  # fmt: skip


@dataclass(frozen=True)
class Pane:
    """One side. `failed` is one that broke; `told` comes when its arm may be named."""

    side: str
    text: str = ""
    finish: str | None = None
    failed: bool = False
    told: Told | None = None


@dataclass(frozen=True)
class Verdict:
    """What was said of a pair, and with which side the talk goes on."""

    preference: str | None
    goes_on: str
    receipt: str


def waiting(panes: Sequence[Pane], form: str, language: Language) -> str:
    """Both are being written; nothing is shown of either, or speed would tell."""
    cells = "".join(_pane(pane, language, body=_dots(language), stop=bool(form)) for pane in panes)
    said = f'<p class="pair-note" role="status">{word(language, "compare_waiting")}</p>'
    stop = button(say(language, "compare_stop"), "stop", kind="quiet-line", icon="stop", text=True)
    return _section("waiting", form, cells, said + stop, language)


def voting(panes: Sequence[Pane], form: Form, language: Language) -> str:
    """Both have ended: the ballot, in the order that was drawn for this rater."""
    cells = "".join(_pane(pane, language, form=form) for pane in panes)
    return _section("vote", form.id, cells, ballot(form, language), language, token=form.token)


def saved(panes: Sequence[Pane], form: Form, verdict: Verdict, language: Language) -> str:
    """The vote is stored and no name told: it can still be changed."""
    cells = "".join(_pane(pane, language, picked=verdict.preference, form=form) for pane in panes)
    said = (
        f'<div class="stored" role="status">{ICONS["check"]}<div>'
        f"<strong>{_choice(verdict, language)}</strong>"
        f"<p>{word(language, 'compare_saved_note', code=verdict.receipt)}</p></div></div>"
        '<div class="pair-acts">'
        f"{button(say(language, 'compare_undo'), 'undo', kind='quiet-line', text=True)}"
        f"{button(say(language, 'compare_reveal'), 'reveal', kind='primary', text=True)}"
        f'<span class="soon" data-soon="{word(language, "compare_soon")}"></span></div>'
        f'<div class="cmp-again" hidden>{ballot(form, language, again=True)}</div>'
    )
    return _section("saved", form.id, cells, said, language, token=form.token)


def telling(panes: Sequence[Pane], form: Form, verdict: Verdict, language: Language) -> str:
    """Who was who, and what differed; a reply can be reported still."""
    one, other = (pane.told for pane in panes)
    cells = "".join(
        _pane(
            pane, language, picked=verdict.preference, goes_on=pane.side == verdict.goes_on,
            form=form,
        )
        for pane in panes
    )  # fmt: skip
    drawn = "goes_on" if verdict.preference == verdict.goes_on else "drawn"
    said = (
        f'<div class="stored" role="status">{ICONS["check"]}<div>'
        f"<strong>{_choice(verdict, language)}</strong>"
        f"<p>{word(language, f'compare_{drawn}_{verdict.goes_on}')}</p></div></div>"
        f"{differences(one, other, language) if one and other else ''}"
    )
    return _section("told", "", cells, said, language)


def broken(panes: Sequence[Pane], language: Language) -> str:
    """A side failed: nothing can be voted on."""
    cells = "".join(_pane(pane, language) for pane in panes)
    said = (
        f'<div class="pair-trouble" role="alert"><strong>{word(language, "compare_void")}</strong>'
        f"<p>{word(language, 'compare_void_about')}</p></div>{_retry('compare_again', language)}"
    )
    return _section("void", "", cells, said, language)


def unasked(language: Language, *, expired: bool = False) -> str:
    """A message without a pair: it never came to be asked, or lay open for too long."""
    key = "compare_expired" if expired else "compare_lost_turn"
    retry = _retry("compare_reopen" if expired else "compare_again", language)
    said = f'<p class="pair-note" role="status">{word(language, key)}</p>{retry}'
    return _section("lost", "", "", said, language)


def _section(
    state: str, form: str, cells: str, below: str, language: Language, token: str = ""
) -> str:
    words = "".join(
        f' data-{key.replace("_", "-")}="{word(language, f"compare_{key}")}"'
        for key in _SAID_BY_SCRIPT
    )
    panes = (
        f'<div class="cmp-panes" role="group" aria-label="{word(language, "compare_panes")}">'
        f"{cells}</div>"
        if cells
        else ""
    )
    return (
        f'<section class="cmp-pair" data-state="{state}" data-form="{escape(form)}" '
        f'data-token="{escape(token)}"{words}>{panes}'
        f'<div class="below">{below}<p class="pair-say" role="alert" hidden></p></div></section>'
    )


def _pane(
    pane: Pane, language: Language, *, body: str = "", stop: bool = False,
    picked: str | None = None, goes_on: bool = False, form: Form | None = None,
) -> str:  # fmt: skip
    letter = LETTERS[pane.side]
    name = escape(pane.told.name) if pane.told else word(language, "compare_hidden")
    tag = emotion_tag(pane.told.reply.emotion, language) if pane.told else ""
    mark = ""
    if pane.failed:
        mark = f'<span class="mark">{word(language, "compare_void_side")}</span>'
    elif pane.finish in ("length", "user_stop"):
        mark = f'<span class="mark">{word(language, pane.finish)}</span>'
    going = f'<span class="going">{word(language, "compare_picked")}</span>' if goes_on else ""
    stopper = ""
    if stop:
        label = say(language, "compare_stop_side", letter=letter)
        stopper = button(label, "stop-side", icon="stop", data=f'data-side="{pane.side}"')
    shown = body or (
        f'<div class="cmp-said" dir="auto">{escape(plain(pane.text))}</div>'
        if pane.text
        else f'<div class="cmp-said empty">{word(language, "empty_reply")}</div>'
    )
    report = report_button(form, language, pane.side) if form else ""
    states = {"picked": picked == pane.side, "named": pane.told is not None, "failed": pane.failed}
    kind = " ".join(state for state, is_so in states.items() if is_so)
    return (
        f'<article class="cmp-pane {kind}" data-side="{pane.side}" '
        f'aria-label="{word(language, "compare_reply", letter=letter)}">'
        f'<header><b class="letter" aria-hidden="true">{letter}</b>'
        f'<span class="who">{name}</span>{tag}{mark}{going}{stopper}</header>'
        f"{shown}{report}</article>"
    )


def _dots(language: Language) -> str:
    return (
        f'<div class="waiting" aria-label="{word(language, "compare_thinking")}">'
        "<i></i><i></i><i></i></div>"
    )


def _retry(key: str, language: Language) -> str:
    again = button(say(language, key), "retry", kind="primary", icon="again", text=True)
    return f'<div class="pair-acts">{again}</div>'


def _choice(verdict: Verdict, language: Language) -> str:
    if verdict.preference not in PREFERENCES:
        return word(language, "compare_said_scores")
    return word(
        language, "compare_said", choice=say(language, f"compare_{verdict.preference}")
    )  # fmt: skip
