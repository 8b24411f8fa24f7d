"""The form in which a rater judges one reply, a pair or a talk, and what it is about.

Pure: a sheet of the desk goes in, HTML comes out. Nothing in it tells which arm answered, and no
answer is chosen beforehand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rolecraft.characters.model import Character, field_name
from rolecraft.ratings import rubric
from rolecraft.ratings.desk import Sheet
from rolecraft.store.forms import COMMENT_LENGTH, PREFERENCE, SKIPS, Form, takes_better_words
from rolecraft.store.moderating import REASONS
from rolecraft.store.shown import Said
from rolecraft.ui.faces import Face
from rolecraft.ui.markup import emotion_tag, escape, plain, word
from rolecraft.ui.texts import TRAITS, Language, say

NA = "na"
_POINTS = (1, 2, 3, 4, 5)
_VOTES = (("left", "←"), ("tie", "T"), ("both_bad", "X"), ("right", "→"))
_SAID_BY_SCRIPT = ("saving", "saved", "unsaved", "open", "unread")


@dataclass(frozen=True)
class Given:
    """What a rater has said before, to be changed: (side, criterion) → value, None for N/A."""

    values: Mapping[tuple[str, str], int | None] = field(default_factory=dict)
    preference: str | None = None


def form(sheet: Sheet, language: Language, *, save: str, given: Given | None = None) -> str:
    """The questions of a sheet, in its order. With `given` it changes an earlier rating."""
    held = sheet.form
    said = given or Given()
    asked = "".join(
        _preference(said, language)
        if name == PREFERENCE
        else _criterion(name, held.right is not None, said, language)
        for name in held.order
    )
    shown = sum(len(one.text) + len(one.user) for one in (*sheet.left, *(sheet.right or ())))
    words = "".join(f' data-{key}="{word(language, f"rate_{key}")}"' for key in _SAID_BY_SCRIPT)
    report = "" if given or held.mode in ("chat", "training") else report_button(held, language)
    return (
        f'<form class="rating" data-form="{escape(held.id)}" data-token="{escape(held.token)}" '
        f'data-do="{"revise" if given else "submit"}" data-chars="{shown}"{words} novalidate>'
        f'<fieldset class="asked">{asked}{_better(held, language)}{_comment(language)}</fieldset>'
        '<p class="missing" role="alert" hidden></p>'
        f'<div class="send"><button type="submit" class="primary">{word(language, save)}</button>'
        f"{'' if given or held.mode == 'chat' else _skip(language)}"
        f'{report}<p class="state" role="status" aria-live="polite"></p></div></form>'
    )


def report_button(held: Form, language: Language, side: str = "") -> str:
    """Where anyone may say that a reply, or what it answers, should be shown to nobody.

    Of a pair each side has its own, or only the one that is named.
    """
    sides = [side] if side else ["left", *(["right"] if held.right else [])]
    token = f'data-form="{escape(held.id)}" data-token="{escape(held.token)}"'
    rows = ""
    for one in sides:
        name = f"rate_reply_{'a' if one == 'left' else 'b'}"
        label = f"{word(language, name)} · " if held.right else ""
        rows += "".join(
            f'<button type="button" class="quiet" data-act="report" {token} data-side="{one}" '
            f'data-reason="{reason}">{label}{word(language, f"rate_report_{reason}")}</button>'
            for reason in REASONS
        )
    return (
        f'<details class="pass report"><summary>{word(language, "rate_report")}</summary>'
        f'<div class="reasons" role="group" aria-label="{word(language, "rate_report_why")}">'
        f"<p>{word(language, 'rate_report_why')}</p>{rows}</div></details>"
    )


def conversation(sheet: Sheet, face: Face, language: Language) -> str:
    """What is rated: a conversation, or two side by side under what they have in common.

    Replies are without Markdown, and a pair without emotion labels, which not every arm writes.
    """
    if sheet.right is None:
        return f'<div class="shown">{_turns(sheet.left, face, language, labels=True)}</div>'
    common = 0
    for one, other in zip(sheet.left[:-1], sheet.right[:-1], strict=False):
        if (one.user, one.text) != (other.user, other.text):
            break
        common += 1
    left, right = sheet.left[common:], sheet.right[common:]
    before = _turns(sheet.left[:common], face, language)
    if left[0].user == right[0].user:
        before += _asked(left[0].user, language)
        panes = [(_turns(each, face, language, first_said=True)) for each in (left, right)]
    else:
        panes = [_turns(each, face, language) for each in (left, right)]
    sides = "".join(
        f'<section class="pane" aria-label="{word(language, f"rate_reply_{name}")}">'
        f'<h3 aria-hidden="true">{name.upper()}</h3>{pane}</section>'
        for name, pane in zip("ab", panes, strict=True)
    )
    return f'<div class="shown">{before}<div class="panes">{sides}</div></div>'


def card(person: Character, face: Face, language: Language) -> str:
    """Who speaks, with what the card says behind a fold."""
    traits = "".join(
        f"<span>{escape(TRAITS.get(one, one) if language == 'en' else one)}</span>"
        for one in person.traits
    )
    facts = [(field_name(key, language), text) for key, text in person.profile.items()]
    if person.style.summary:
        facts.append((say(language, "rate_card_how"), person.style.summary))
    rows = "".join(
        f'<div><dt>{escape(name)}</dt><dd lang="zh">{escape(text)}</dd></div>'
        for name, text in facts
    )
    return (
        f'<div class="about-person">{face.picture(language, "small")}'
        f'<div class="who"><strong>{escape(face.name[language])}</strong>'
        f"<span>{escape(face.tagline[language])}</span></div>"
        f'<details class="fold who-card"><summary>{word(language, "rate_card")}</summary>'
        f'<div class="traits">{traits}</div><dl class="facts">{rows}</dl></details></div>'
    )


def keys(language: Language) -> str:
    """Which keys do what."""
    rows = "".join(
        f"<li>{word(language, f'rate_keys_{name}')}</li>"
        for name in ("score", "tab", "vote", "save")
    )
    return (
        f'<details class="fold keys"><summary>{word(language, "rate_keys")}</summary>'
        f"<ul>{rows}</ul></details>"
    )


def _turns(
    turns: Sequence[Said], face: Face, language: Language, *, first_said: bool = False,
    labels: bool = False,
) -> str:  # fmt: skip
    """The turns; `first_said` leaves out the first question, which stands above."""
    return "".join(
        ("" if first_said and not number else _asked(one.user, language))
        + _answered(one, face, language, labels=labels)
        for number, one in enumerate(turns)
    )


def _asked(text: str, language: Language) -> str:
    return (
        f'<div class="message mine"><div class="body"><div class="bubble" dir="auto">'
        f'<span class="by">{word(language, "rate_asker")}</span>{escape(text)}</div></div></div>'
    )


def _answered(one: Said, face: Face, language: Language, *, labels: bool) -> str:
    cut = f'<span class="mark">{word(language, "rate_length")}</span>'
    tag = emotion_tag(one.emotion, language) if labels else ""
    line = f'<div class="byline">{tag}{cut if one.finish == "length" else ""}</div>'
    by = escape(face.name[language]) if face.on_shelf else word(language, "rate_they")
    return (
        f'<div class="message theirs"><div class="body">{line if tag or "mark" in line else ""}'
        f'<div class="bubble" dir="auto"><span class="by">{by}</span>{escape(plain(one.text))}'
        "</div></div></div>"
    )


def _criterion(name: str, pair: bool, said: Given, language: Language) -> str:
    about = rubric.rubric(language)[name]
    anchors = about["anchors"]
    if pair:
        points = "".join(f"<li><b>{n}</b>{escape(a)}</li>" for n, a in enumerate(anchors, start=1))
        middle = (
            f'<ol class="anchors" aria-hidden="true">{points}'
            f"<li><b>N</b>{word(language, 'rate_na')}</li></ol>"
        )
        scale = (
            f'<div class="scale pair"><b class="head a" aria-hidden="true">A</b>'
            f'<b class="head b" aria-hidden="true">B</b>'
            f"{_side('left', name, about, said, language, pair=True)}{middle}"
            f"{_side('right', name, about, said, language, pair=True)}</div>"
        )
    else:
        one = _side("left", name, about, said, language, pair=False)
        scale = f'<div class="scale single">{one}</div>'
    return (
        f'<fieldset class="criterion" data-criterion="{name}">'
        f"<legend>{escape(about['name'])}</legend><p>{escape(about['question'])}</p>"
        f"{scale}{_examples(about['examples'], language)}</fieldset>"
    )


def _side(
    side: str, name: str, about: Mapping[str, Any], said: Given, language: Language, *, pair: bool
) -> str:
    label = say(language, f"rate_reply_{'a' if side == 'left' else 'b'}") + " · " if pair else ""
    was_given, given = (side, name) in said.values, said.values.get((side, name))
    points = []
    for value, text in [*zip(_POINTS, about["anchors"], strict=True), (None, None)]:
        sign, meaning = str(value or "N"), text or say(language, "rate_na")
        points.append(
            f'<label class="point"><input type="radio" name="{side}.{name}" '
            f'value="{value or NA}" aria-label="{escape(f"{sign} {meaning}")}"'
            f"{' checked' if was_given and given == value else ''}>"
            f"<b>{sign}</b>{'' if pair else f'<span>{escape(meaning)}</span>'}</label>"
        )
    return (
        f'<div class="side {side}" role="radiogroup" data-side="{side}" data-criterion="{name}" '
        f'aria-label="{escape(label + about["name"])}">{"".join(points)}</div>'
    )


def _examples(examples: Sequence[Mapping[str, Any]], language: Language) -> str:
    told = "".join(
        f"<li><b>{word(language, 'rate_example', value=one['value'])}</b>"
        f"<q>{escape(one['user'])}</q><q>{escape(one['reply'])}</q>"
        f"<span>{escape(one['why'])}</span></li>"
        for one in examples
    )
    return (
        f'<details class="fold examples"><summary>{word(language, "rate_examples")}</summary>'
        f"<ul>{told}</ul></details>"
    )


def _preference(said: Given, language: Language) -> str:
    votes = "".join(
        f'<label class="vote"><input type="radio" name="preference" value="{value}"'
        f"{' checked' if said.preference == value else ''}>"
        f'<span>{word(language, f"rate_{value}")}</span><kbd aria-hidden="true">{key}</kbd></label>'
        for value, key in _VOTES
    )
    return (
        '<fieldset class="preference" data-preference>'
        f"<legend>{word(language, 'rate_preference')}</legend>"
        f'<div class="votes" role="radiogroup" '
        f'aria-label="{word(language, "rate_preference_name")}">{votes}</div></fieldset>'
    )


def _comment(language: Language) -> str:
    return (
        f'<details class="fold remark"><summary>{word(language, "rate_comment")}</summary>'
        f'<textarea name="comment" rows="3" maxlength="{COMMENT_LENGTH}" dir="auto" '
        f'aria-label="{word(language, "rate_comment_label")}"></textarea></details>'
    )


def _better(held: Form, language: Language) -> str:
    """Where a rater may put the reply into words of their own."""
    if not takes_better_words(held):
        return ""
    return (
        f'<details class="fold remark"><summary>{word(language, "rate_better")}</summary>'
        f'<textarea name="better" rows="3" maxlength="{COMMENT_LENGTH}" dir="auto" '
        f'aria-label="{word(language, "rate_better_label")}"></textarea>'
        f"<p><small>{word(language, 'rate_better_note')}</small></p></details>"
    )


def _skip(language: Language) -> str:
    reasons = "".join(
        f'<button type="button" class="quiet" data-act="skip" data-reason="{one}">'
        f"{word(language, f'rate_skip_{one}')}</button>"
        for one in SKIPS
    )
    return (
        f'<details class="pass"><summary>{word(language, "rate_skip")}</summary>'
        f'<div class="reasons" role="group" aria-label="{word(language, "rate_skip_why")}">'
        f"<p>{word(language, 'rate_skip_why')}</p>{reasons}</div></details>"
    )
