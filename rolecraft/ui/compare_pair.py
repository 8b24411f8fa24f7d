"""The two replies side by side: while they are written, to be voted on, voted on, and told.

Pure: values go in, HTML comes out. A `Pane` has a `name` only once it may be told; before that
nothing here knows an arm.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rolecraft import marks
from rolecraft.conversation import Reply
from rolecraft.ratings import rubric
from rolecraft.store.forms import CRITERIA, PREFERENCE, PREFERENCES, Form
from rolecraft.ui.markup import ICONS, button, emotion_tag, escape, word
from rolecraft.ui.texts import Language, say

LETTERS: Mapping[str, str] = {"left": "A", "right": "B"}
_KEYS = {"left": "←", "right": "→", "tie": "↓", "both_bad": "X"}
_VOTES = ("left", "tie", "both_bad", "right")
_POINTS = (1, 2, 3, 4, 5)
# Bold, headings, bullets and code give away which kind of model writes; a person's talk has none.
_MARKDOWN = (
    (re.compile(r"(\*\*|__|`{1,3})(?=\S)(.+?)(?<=\S)\1", re.DOTALL), r"\2"),
    (re.compile(r"^\s{0,3}(?:#{1,6}|[-*+>])\s+", re.MULTILINE), ""),
    (re.compile(r"[ \t]+$", re.MULTILINE), ""),
    (re.compile(r"\n{3,}"), "\n\n"),
)


@dataclass(frozen=True)
class Pane:
    """One side. `reply` and `name` come with the telling; `failed` is a side that broke."""

    side: str
    text: str = ""
    finish: str | None = None
    name: str = ""
    reply: Reply | None = None
    conditions: str = ""
    failed: bool = False


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
    cells = "".join(_pane(pane, language) for pane in panes)
    return _section("vote", form.id, cells, _ballot(form, language), language, token=form.token)


def saved(panes: Sequence[Pane], form: Form, verdict: Verdict, language: Language) -> str:
    """The vote is stored and no name told: it can still be changed."""
    cells = "".join(_pane(pane, language, picked=verdict.preference) for pane in panes)
    said = (
        f'<div class="stored" role="status">{ICONS["check"]}<div>'
        f"<strong>{_choice(verdict, language)}</strong>"
        f"<p>{word(language, 'compare_saved_note', code=verdict.receipt)}</p></div></div>"
        '<div class="pair-acts">'
        f"{button(say(language, 'compare_undo'), 'undo', kind='quiet-line', text=True)}"
        f"{button(say(language, 'compare_reveal'), 'reveal', kind='primary', text=True)}"
        f'<span class="soon" data-soon="{word(language, "compare_soon")}"></span></div>'
        f'<div class="again" hidden>{_ballot(form, language, again=True)}</div>'
    )
    return _section("saved", form.id, cells, said, language, token=form.token)


def told(panes: Sequence[Pane], verdict: Verdict, language: Language) -> str:
    """Who was who, and what differed."""
    cells = "".join(
        _pane(pane, language, picked=verdict.preference, goes_on=pane.side == verdict.goes_on)
        for pane in panes
    )
    drawn = "goes_on" if verdict.preference == verdict.goes_on else "drawn"
    said = (
        f'<div class="stored" role="status">{ICONS["check"]}<div>'
        f"<strong>{_choice(verdict, language)}</strong>"
        f"<p>{word(language, f'compare_{drawn}_{verdict.goes_on}')}</p></div></div>"
        f"{_differences(panes, language)}"
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


def plain(text: str) -> str:
    """The reply without Markdown, for both sides alike."""
    for pattern, kept in _MARKDOWN:
        text = pattern.sub(kept, text)
    return text.strip()


def _section(
    state: str, form: str, cells: str, below: str, language: Language, token: str = ""
) -> str:
    words = "".join(
        f' data-{key.replace("_", "-")}="{word(language, f"compare_{key}")}"'
        for key in ("ready", "choose_first", "scores_open", "saving", "unsaved", "skip")
    )
    panes = (
        f'<div class="panes" role="group" aria-label="{word(language, "compare_panes")}">'
        f"{cells}</div>"
        if cells
        else ""
    )
    return (
        f'<section class="pair" data-state="{state}" data-form="{escape(form)}" '
        f'data-token="{escape(token)}"{words}>{panes}'
        f'<div class="below">{below}<p class="pair-say" role="alert" hidden></p></div></section>'
    )


def _pane(
    pane: Pane, language: Language, *, body: str = "", stop: bool = False,
    picked: str | None = None, goes_on: bool = False,
) -> str:  # fmt: skip
    letter = LETTERS[pane.side]
    name = escape(pane.name) if pane.name else word(language, "compare_hidden")
    tag = emotion_tag(pane.reply.emotion, language) if pane.reply and pane.name else ""
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
        f'<div class="said" dir="auto">{escape(plain(pane.text))}</div>'
        if pane.text
        else f'<div class="said empty">{word(language, "empty_reply")}</div>'
    )
    kind = " ".join(
        name
        for name, is_so in (
            ("picked", picked == pane.side), ("named", bool(pane.name)), ("failed", pane.failed),
        )
        if is_so
    )  # fmt: skip
    return (
        f'<article class="pane {kind}" data-side="{pane.side}" '
        f'aria-label="{word(language, "compare_reply", letter=letter)}">'
        f'<header><b class="letter" aria-hidden="true">{letter}</b>'
        f'<span class="who">{name}</span>{tag}{mark}{going}{stopper}</header>{shown}</article>'
    )


def _dots(language: Language) -> str:
    return (
        f'<div class="waiting" aria-label="{word(language, "compare_thinking")}">'
        "<i></i><i></i><i></i></div>"
    )


def _retry(key: str, language: Language) -> str:
    again = button(say(language, key), "retry", kind="primary", icon="again", text=True)
    return f'<div class="pair-acts">{again}</div>'


def _ballot(form: Form, language: Language, *, again: bool = False) -> str:
    """The vote and, behind a fold, the criteria. Nothing is chosen beforehand."""
    parts = {"preference": _preference(language), "scores": _scores(form, language)}
    first = "preference" if form.order[0] == PREFERENCE else "scores"
    order = (first, "scores" if first == "preference" else "preference")
    save = word(language, "compare_save_again" if again else "compare_save")
    return (
        f'<form class="ballot" data-do="{"revise" if again else "submit"}" novalidate>'
        f"{''.join(parts[name] for name in order)}"
        f'<div class="pair-acts"><button type="submit" class="primary">{save}</button></div>'
        f'<p class="keys">{word(language, "compare_keys")}</p></form>'
    )


def _preference(language: Language) -> str:
    votes = "".join(
        f'<label class="vote {name}"><input type="radio" name="preference" value="{name}">'
        f'<span>{word(language, f"compare_{name}")}<kbd aria-hidden="true">{_KEYS[name]}</kbd>'
        "</span></label>"
        for name in _VOTES
    )
    return (
        f'<fieldset class="prefer"><legend>{word(language, "compare_prefer")}</legend>'
        f'<div class="votes">{votes}</div></fieldset>'
    )


def _scores(form: Form, language: Language) -> str:
    asked = [name for name in form.order if name in CRITERIA]
    if not asked:
        return ""
    about = rubric.rubric(language)
    rows = "".join(_criterion(name, about[name], language) for name in asked)
    return (
        f'<details class="scores"><summary>{word(language, "compare_scores")}</summary>'
        f"{rows}</details>"
    )


def _criterion(name: str, about: Mapping[str, object], language: Language) -> str:
    anchors = list(about["anchors"])  # type: ignore[call-overload]
    sides = "".join(_scale(name, side, str(about["name"]), anchors, language) for side in LETTERS)
    listed = "".join(f"<li>{escape(text)}</li>" for text in anchors)
    return (
        f'<div class="criterion" role="group" aria-label="{escape(str(about["name"]))}">'
        f"<p><strong>{escape(str(about['name']))}</strong>{escape(str(about['question']))}</p>"
        f'{sides}<ol class="anchors">{listed}</ol></div>'
    )


def _scale(
    criterion: str, side: str, title: str, anchors: Sequence[str], language: Language
) -> str:
    letter = LETTERS[side]
    points = [(str(value), str(value), text) for value, text in zip(_POINTS, anchors, strict=True)]
    points.append(("na", say(language, "compare_na_short"), say(language, "compare_na")))
    radios = "".join(
        f'<label title="{escape(meaning)}"><input type="radio" name="{side}:{criterion}" '
        f'value="{value}" aria-label="{escape(f"{shown}: {meaning}")}">'
        f"<span>{escape(shown)}</span></label>"
        for value, shown, meaning in points
    )
    label = f"{word(language, 'compare_reply', letter=letter)} · {escape(title)}"
    return (
        f'<div class="scale" role="radiogroup" aria-label="{label}" data-side="{side}" '
        f'data-criterion="{criterion}"><b aria-hidden="true">{letter}</b>{radios}</div>'
    )


def _choice(verdict: Verdict, language: Language) -> str:
    if verdict.preference not in PREFERENCES:
        return word(language, "compare_said_scores")
    return word(
        language, "compare_said", choice=say(language, f"compare_{verdict.preference}")
    )  # fmt: skip


def _differences(panes: Sequence[Pane], language: Language) -> str:
    """A table of what the two had of their own, and a line of what they had in common."""
    replies = [pane.reply for pane in panes]
    one, other = replies
    if one is None or other is None:
        return ""
    rows = [
        ("why_engine", [escape(pane.name) for pane in panes]),
        ("why_base", [_model(who.base, who.base_sha256) for who in (one.identity, other.identity)]),
        ("why_adapter", [_adapter(reply, language) for reply in (one, other)]),
        ("compare_retrieval", [_switch("retrieval", pane, language) for pane in panes]),
        ("compare_emotion", [_switch("emotion", pane, language) for pane in panes]),
        ("compare_sampling", [_sampling(reply) for reply in (one, other)]),
        ("compare_label", [_label(reply, language) for reply in (one, other)]),
        ("compare_length", [str(len(reply.text)) for reply in (one, other)]),
        ("compare_time", [f"{reply.total_ms / 1000:.1f} s" for reply in (one, other)]),
    ]  # fmt: skip
    always = ("why_engine", "compare_length", "compare_time", "compare_label")
    shown = "".join(
        f'<tr><th scope="row">{word(language, key)}</th><td>{a}</td><td>{b}</td></tr>'
        for key, (a, b) in rows
        if key in always or a != b
    )
    count = len(one.passages)
    alike = word(language, "compare_alike", count=count, seed=one.seed)
    return (
        f'<table class="differs"><caption>{word(language, "compare_differs")}</caption>'
        '<thead><tr><td></td><th scope="col">A</th><th scope="col">B</th></tr></thead>'
        f"<tbody>{shown}</tbody></table>{_flags(panes, language)}"
        f'<p class="alike">{alike}</p>'
    )


def _model(name: str, sha256: str) -> str:
    return f'{escape(name)} <code title="{escape(sha256)}">{escape(sha256[:8])}</code>'


def _adapter(reply: Reply, language: Language) -> str:
    who = reply.identity
    return _model(who.adapter, who.adapter_sha256) if who.adapter else word(language, "why_none")


def _switch(name: str, pane: Pane, language: Language) -> str:
    off = f"{name}=off" in pane.conditions.split(",")
    return word(language, "compare_off" if off else "compare_on")


def _sampling(reply: Reply) -> str:
    one = reply.sampling
    return f"T {one.temperature:g} · top-p {one.top_p:g}"


def _label(reply: Reply, language: Language) -> str:
    return emotion_tag(reply.emotion, language) or word(language, "compare_no_label")


def _flags(panes: Sequence[Pane], language: Language) -> str:
    said = []
    for pane in panes:
        found = marks.leaks(pane.text)
        for kind, words in (("models", found.models), ("broken", found.broken)):
            if words:
                quoted = escape("、".join(words))
                said.append(
                    f"<li>{LETTERS[pane.side]}: {word(language, f'compare_flag_{kind}')}"
                    f"（{quoted}）</li>"
                )
    return f'<ul class="flags">{"".join(said)}</ul>' if said else ""
