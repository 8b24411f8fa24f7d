"""What the page /rate shows: consent, an item, what the training says, the end, one's own ratings.

Pure: values of the desk go in, HTML comes out.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from rolecraft.ratings import rubric
from rolecraft.ratings.desk import Lesson, Sheet
from rolecraft.ratings.study import Done, Progress
from rolecraft.store.ratings import Mine
from rolecraft.ui.markup import button, escape, word
from rolecraft.ui.texts import Language, say


@dataclass(frozen=True)
class Own:
    """One of the visitor's ratings, with how the reply began and the token of its form."""

    rating: Mine
    text: str
    token: str


def page(title: str, body: str, *, kind: str = "") -> str:
    """One state of the page under its heading, which takes the focus when it is new."""
    return (
        f'<div id="rc-main" class="page rate {kind}"><h1 tabindex="-1">{escape(title)}</h1>'
        f"{body}</div>"
    )


def notice(language: Language, title: str, text: str, *, retry: bool = False) -> str:
    """A few words and the way to the chat; `retry` asks the script to try again soon."""
    go = f'<a class="primary" href="./?lang={language}">{word(language, "rate_none_go")}</a>'
    again = ' data-retry="3000"' if retry else ""
    body = f'<p class="lead"{again}>{escape(text)}</p>{"" if retry else go}'
    return page(say(language, title), body, kind="quiet-page")


def choose(names: Sequence[str], language: Language) -> str:
    """The open studies."""
    addresses = {name: urlencode({"study": name, "lang": language}) for name in names}
    links = "".join(
        f'<li><a class="line-button" href="?{escape(address)}">{escape(name)}</a></li>'
        for name, address in addresses.items()
    )
    body = f'<p class="lead">{word(language, "rate_choose")}</p><ul class="studies">{links}</ul>'
    return page(say(language, "rate_nav"), body, kind="quiet-page")


def consent(language: Language, *, message: str | None = None) -> str:
    """What a rater agrees to, asked before the first rating.

    With `message` it stands over a talk and leads to the form of that message.
    """
    talk = message is not None
    then = f' data-message="{escape(message)}"' if message else ""
    text, _ = rubric.consent(language)
    lines = "".join(f"<p>{escape(line)}</p>" for line in text.strip().splitlines())
    agree = "rate_agree_talk" if talk else "rate_agree"
    decline = f'<a class="quiet" href="./?lang={language}">{word(language, "rate_decline")}</a>'
    return (
        f'<form class="consent" data-act-form="agree"{then}>{lines}{_scopes((), language)}'
        f'<div class="send"><button type="submit" class="primary">{word(language, agree)}</button>'
        f"{'' if talk else decline}"
        '<p class="state" role="status" aria-live="polite"></p></div></form>'
    )


def progress(done: Progress, language: Language, *, practice: bool) -> str:
    """How far the rater is."""
    values = {"number": min(done.done + 1, done.of), "of": done.of, "minutes": done.minutes_left}
    share = round(100 * done.done / max(done.of, 1))
    tag = f'<b class="tag">{word(language, "rate_practice")}</b>' if practice else ""
    return (
        f'<div class="how-far">{tag}<span>{word(language, "rate_progress", **values)}</span>'
        f'<div class="bar" aria-hidden="true"><i style="width:{share}%"></i></div></div>'
    )


def undo(form: str, language: Language) -> str:
    """The way back to the last rating."""
    return button(
        say(language, "rate_undo"), "change", icon="back", text=True,
        kind="quiet undo", data=f'data-form="{escape(form)}"',
    )  # fmt: skip


def back(language: Language) -> str:
    """From changing a rating back to where the study stands."""
    return button(say(language, "rate_back"), "next", icon="back", text=True, kind="quiet undo")


def lesson(found: Lesson, values: dict[str, int | None], shown: str, language: Language) -> str:
    """What the training round says of an answer. `shown` is what was rated."""
    lines = "".join(
        f"<p>{word(language, 'rate_lesson_yours', value=value, expected=expected)}</p>"
        for value, expected in (
            (_points(values.get(name), language), _span(*span, language))
            for name, span in found.expected.items()
        )
    )
    title = say(language, "rate_lesson_right" if found.right else "rate_lesson_wrong")
    go = button(say(language, "rate_next"), "next", kind="primary", text=True)
    body = (
        f'{shown}<div class="lesson {"right" if found.right else "other"}">{lines}'
        f"<p>{escape(found.why)}</p></div>"
        f'<div class="send">{go}</div>'
    )
    return page(title, body, kind="lesson-page")


def done(found: Done, count: int, code: str, language: Language) -> str:
    """The end of a study, or of what can be rated today."""
    parts = []
    if count:
        parts.append(f'<p class="lead">{word(language, "rate_done", count=count)}</p>')
    if found.reason in ("empty", "closed"):
        parts.append(f"<p>{word(language, f'rate_done_{found.reason}')}</p>")
    if found.again_ms:
        parts.append(
            f'<p>{word(language, "rate_done_later")} <time data-ms="{found.again_ms}"></time></p>'
        )
    if code:
        parts.append(receipt(code, language))
    parts.append(
        f'<a class="primary" href="./?lang={language}">{word(language, "rate_none_go")}</a>'
    )
    return page(say(language, "rate_done_title"), "".join(parts), kind="quiet-page done")


def receipt(code: str, language: Language) -> str:
    """The code of a rating, to be quoted."""
    copy = button(
        say(language, "rate_copy"), "copy-code", kind="tool", icon="copy",
        data=f'data-code="{escape(code)}"',
    )  # fmt: skip
    return (
        f'<div class="receipt"><span>{word(language, "rate_receipt")}</span>'
        f"<strong>{escape(code)}</strong>{copy}<p>{word(language, 'rate_receipt_note')}</p></div>"
    )


def folded(language: Language) -> str:
    """The way to one's own ratings, not read before it is asked for."""
    label = word(language, "rate_mine")
    return (
        '<div class="page own"><button type="button" class="quiet" data-act="mine" '
        f'aria-expanded="false">{label}</button></div>'
    )


def own(ratings: Iterable[Own], agreed: Collection[str], language: Language, said: str = "") -> str:
    """One's own ratings, what one has agreed to, and how to take all of it back."""
    held = tuple(ratings)
    rows = "".join(_own(one, language) for one in held)
    listed = f"<ol>{rows}</ol>" if rows else f"<p>{word(language, 'rate_mine_none')}</p>"
    asked = ""
    if agreed:
        asked = (
            f"<h3>{word(language, 'rate_consent_now')}</h3>"
            f'<form data-act-form="scopes">{_scopes(agreed, language)}<div class="send">'
            f'<button type="submit" class="primary">{word(language, "rate_consent_save")}</button>'
            f"{button(say(language, 'rate_consent_withdraw'), 'leave', text=True)}</div></form>"
        )
    erase = (
        f'<details class="fold erase"><summary>{word(language, "rate_erase")}</summary>'
        f"<p>{word(language, 'rate_erase_sure')}</p>"
        f"{button(say(language, 'rate_erase_yes'), 'erase', kind='danger', text=True)}</details>"
    )
    return (
        f'<div class="page own" data-open><h2 tabindex="-1">{word(language, "rate_mine")}</h2>'
        f'<p class="state" role="status" aria-live="polite">{escape(said)}</p>'
        f"{_habit(held, language)}{listed}{asked}{erase}</div>"
    )


def _habit(ratings: Sequence[Own], language: Language) -> str:
    """How often the visitor has given each value: who gives all alike sees it here."""
    given = [
        value
        for one in ratings
        if one.rating.kind in ("submit", "revise")
        for _, _, value in one.rating.scores
        if value
    ]
    if not given:
        return ""
    counts = " · ".join(
        word(language, "rate_habit_one", value=value, count=given.count(value))
        for value in range(1, 6)
    )
    return f'<p class="small">{word(language, "rate_habit")} {counts}</p>'


def _own(one: Own, language: Language) -> str:
    rating = one.rating
    said = [word(language, f"rate_{rating.preference}")] if rating.preference else []
    pair = any(side == "right" for side, _, _ in rating.scores)
    said += [_value(*score, language, pair=pair) for score in rating.scores]
    if rating.kind == "withdraw":
        said = [word(language, "rate_withdrawn")]
    if rating.kind == "skip":
        said = [word(language, "rate_skipped")]
    acts = ""
    data = f'data-form="{escape(rating.form)}" data-token="{escape(one.token)}"'
    if rating.may_change:
        acts = button(say(language, "rate_change"), "change", data=data, text=True)
    if rating.kind in ("submit", "revise"):
        acts += button(say(language, "rate_withdraw"), "withdraw", data=data, text=True)
    return (
        f"<li><q>{escape(one.text)}</q><p>{' · '.join(said)}</p>"
        f'<p class="small"><time data-ms="{rating.received_ms}"></time> · '
        f"{word(language, 'rate_mine_code', code=rating.code)}</p>"
        f'<div class="acts">{acts}</div></li>'
    )


def _value(side: str, criterion: str, value: int | None, language: Language, *, pair: bool) -> str:
    name = escape(rubric.rubric(language)[criterion]["name"])
    letter = {"left": "A ", "right": "B "}[side] if pair else ""
    return f"{letter}{name} {value or word(language, 'rate_na_short')}"


def _scopes(agreed: Collection[str], language: Language) -> str:
    boxes = "".join(
        f'<label class="switch"><input type="checkbox" name="{scope}"'
        f"{' checked' if scope in agreed else ''}>"
        f"<span>{word(language, f'rate_consent_{scope}')}</span></label>"
        for scope in ("publish", "train")
    )
    return f'<div class="scopes"><p>{word(language, "rate_consent_also")}</p>{boxes}</div>'


def _points(value: int | None, language: Language) -> str:
    if value is None:
        return say(language, "rate_na_short")
    return say(language, "rate_points", value=value)


def _span(low: int, high: int, language: Language) -> str:
    if low == high:
        return say(language, "rate_points", value=low)
    return say(language, "rate_lesson_or", low=low, high=high)


def item(
    sheet: Sheet, how_far: str, about: str, shown: str, asked: str, back: str, language: Language
) -> str:
    """One item: how far the rater is, who speaks, what was said, and the questions."""
    training = sheet.form.mode == "training"
    hint = f'<p class="lead">{word(language, "rate_practice_note")}</p>' if training else ""
    body = f'<div class="item-top">{how_far}{back}</div>{hint}{about}{shown}{asked}'
    return page(say(language, "rate_item"), body, kind="pair" if sheet.right else "single")
