"""What lies under a number of a board, as a sheet: the replies, and how one of them was made.

Pure: replies and their traces go in, HTML comes out.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rolecraft.ratings.reproduce import Again
from rolecraft.ratings.under import Cell, RatedReply, Said
from rolecraft.store.shown import Said as Turn
from rolecraft.ui.markup import button, emotion_tag, escape, word
from rolecraft.ui.results_tables import People
from rolecraft.ui.texts import Language, say

PAGE = 20  # replies at once


def replies(
    cell: Cell,
    found: Sequence[RatedReply],
    held: int,
    people: People,
    language: Language,
    most: int = PAGE,
) -> str:
    """The replies under a number, each with its values; `held` more are not to be seen yet."""
    criterion = say(language, f"results_{cell.criterion}")
    arms = " / ".join(filter(None, (cell.arm, cell.versus))) or say(language, "results_all_arms")
    title = say(language, "results_under", arm=arms, criterion=criterion)
    unpublished = sum(one.unpublished for one in found)
    count = sum(len(one.said) for one in found) + unpublished
    about = word(language, "results_under_about", replies=len(found), ratings=count)
    parts = [f"<p class='about'>{about}</p>"] if found else []
    if not found:
        parts.append(f"<p class='about'>{word(language, 'results_under_none')}</p>")
    if unpublished:
        about = word(language, "results_under_unpublished", count=unpublished)
        parts.append(f"<p class='about'>{about}</p>")
    if held:
        parts.append(f"<p class='about'>{word(language, 'results_under_held', count=held)}</p>")
    parts.append("<ol class='rated'>")
    several = not cell.arm or bool(cell.versus)
    parts += [_reply(one, people, several, language) for one in found[:most]]
    parts.append("</ol>")
    if len(found) > most:
        label = say(language, "results_more", count=min(PAGE, len(found) - most))
        data = f'data-most="{most + PAGE}"'
        parts.append(button(label, "more", kind="line-button", data=data, text=True))
    return sheet(title, "".join(parts), language)


def details(
    trace: Mapping[str, Any],
    talk: Sequence[Turn],
    public: bool,
    people: People,
    language: Language,
    again: Again | None = None,
) -> str:
    """Everything that made one reply, and what came of making it again."""
    name = people.get(trace["character"], {}).get(language, trace["character"])
    parts = [button(say(language, "results_back"), "back", kind="line-button", icon="back",
                    text=True)]  # fmt: skip
    parts.append(_talk(talk, name, language) if public else _private(trace, name, language))
    parts += [_again(trace["id"], again, language), _facts(trace, language)]
    if public:
        parts += [_passages(trace, language), _prompt(trace, language)]
    return sheet(say(language, "results_details"), "".join(parts), language)


def sheet(title: str, body: str, language: Language) -> str:
    """The sheet at the side with a title and ready HTML."""
    return (
        '<div class="sheet under" role="dialog" aria-modal="true" aria-labelledby="under-title" '
        f'tabindex="-1"><header><h2 id="under-title">{escape(title)}</h2>'
        f"{button(say(language, 'close'), 'close', icon='close')}</header>"
        f'<div class="sheet-body">{body}</div></div>'
    )


def _reply(one: RatedReply, people: People, several: bool, language: Language) -> str:
    name = people.get(one.character, {}).get(language, one.character)
    asked = f"<p class='asked'>{escape(one.user)}</p>" if one.user else ""
    arm = f"<span class='arm'>{escape(one.arm)}</span>" if several else ""
    leaks = f"<p class='leaks'>{word(language, 'results_leaks')}: {escape(one.leaks)}</p>"
    cut = "" if one.finish == "stop" else f"<span class='mark'>{word(language, one.finish)}</span>"
    return (
        f"<li><div class='byline'><strong>{escape(name)}</strong>{arm}"
        f"{emotion_tag(one.emotion or None, language)}{cut}</div>{asked}"
        f"{_answer(one.text, language)}{leaks if one.leaks else ''}"
        f"<ul class='said'>{''.join(_said(each, language) for each in one.said)}"
        f"{_unpublished(one.unpublished, language)}</ul>"
        + button(
            say(language, "results_details"), "reply", kind="link",
            data=f'data-generation="{escape(one.generation)}"', text=True,
        )
        + "</li>"
    )  # fmt: skip


def _answer(text: str, language: Language) -> str:
    if not text:
        return f"<p class='about'>{word(language, 'results_withheld')}</p>"
    return f"<p class='answer'>{escape(text)}</p>"


def _said(one: Said, language: Language) -> str:
    rater = word(language, "results_rater", number=one.rater)
    criterion = word(language, f"results_{one.criterion}")
    if one.outcome:
        shown = word(language, f"results_{one.outcome}")
    else:
        shown = word(language, "results_na") if one.value is None else str(one.value)
    return f"<li><span>{rater}</span> {criterion} <strong>{shown}</strong></li>"


def _unpublished(count: int, language: Language) -> str:
    """How many values there are whose raters do not have them published one by one."""
    if not count:
        return ""
    return f"<li class='shut'>{word(language, 'results_unpublished', count=count)}</li>"


def _talk(talk: Sequence[Turn], name: str, language: Language) -> str:
    turns = "".join(
        f"<p class='asked'>{escape(turn.user)}</p><div class='byline'>"
        f"<strong>{escape(name)}</strong>{emotion_tag(turn.emotion, language)}</div>"
        f"<p class='answer'>{escape(turn.text)}</p>"
        for turn in talk
    )
    return f"<div class='spoken'>{turns}</div>"


def _private(trace: Mapping[str, Any], name: str, language: Language) -> str:
    return (
        f"<p class='about'>{word(language, 'results_private')}</p><div class='spoken'>"
        f"<div class='byline'><strong>{escape(name)}</strong>"
        f"{emotion_tag(trace['emotion'], language)}</div>"
        f"{_answer(trace['reply_text'], language)}</div>"
    )


def _again(generation: str, again: Again | None, language: Language) -> str:
    data = f'data-generation="{escape(generation)}"'
    body = button(say(language, "results_again"), "again", kind="primary", data=data, text=True)
    body += (
        f"<p class='about small' data-busy-text='{word(language, 'results_again_busy')}'>"
        f"{word(language, 'results_again_about')}</p>"
    )
    if again:
        body += (
            f"<p class='verdict {again.verdict}' role='status'>"
            f"{word(language, f'results_again_{again.verdict}')}</p>"
        )
        if again.text is not None and again.verdict != "same":
            body += (
                f"<div class='spoken'><div class='byline'>{emotion_tag(again.emotion, language)}"
                f"</div><p class='answer'>{escape(again.text)}</p></div>"
            )
    return f"<div class='again'>{body}</div>"


def _facts(trace: Mapping[str, Any], language: Language) -> str:
    model, sampling = trace["model"], trace["sampling"]
    finish = "finish_stop" if trace["finish"] == "stop" else trace["finish"]
    rows = [
        ("results_arm", model["public_name"]),
        ("results_conditions", model["conditions"]),
        ("results_source", say(language, f"results_source_{trace['source']}")),
        ("why_engine", model["engine"]),
        ("why_base", _named(model["base_repo"], model["base_sha256"])),
        ("why_adapter", _named(model["adapter"], model["adapter_sha256"])),
        ("seed", trace["seed"]),
        ("sampling", json.dumps(sampling)),
        ("why_finish", say(language, finish) if finish else ""),
        ("why_prompt_tokens", trace["prompt_tokens"]),
        ("why_reply_tokens", trace["reply_tokens"]),
        ("why_total", f"{trace['total_ms'] or 0:,.0f} ms"),
        ("why_reply_hash", trace["whole_sha256"]),
        ("results_text_hash", trace["reply_sha256"]),
        ("results_prompt_hash", trace["prompt_sha256"]),
        ("results_leaks", ", ".join([*trace["leaks"]["models"], *trace["leaks"]["broken"]])),
    ]
    shown = "".join(
        f"<div><dt>{word(language, key)}</dt><dd>{escape(str(value))}</dd></div>"
        for key, value in rows
        if value not in ("", None)
    )
    return f"<h3>{word(language, 'why_model')}</h3><dl class='facts'>{shown}</dl>"


def _named(name: str, sha256: str) -> str:
    return f"{name} {sha256}".strip()


def _passages(trace: Mapping[str, Any], language: Language) -> str:
    items = "".join(
        f"<li class='{'used' if one['used'] else 'unused'}'><div class='byline'>"
        f"<code>{escape(one['field'])}</code>"
        f"<span class='state'>{word(language, 'why_used' if one['used'] else 'why_unused')} · "
        f"{one['similarity']:.2f}</span></div><p>{escape(one['text'])}</p></li>"
        for one in trace["passages"]
    )
    shown = f"<ol class='passages'>{items}</ol>" if items else (
        f"<p class='about'>{word(language, 'why_no_passages')}</p>"
    )  # fmt: skip
    return f"<h3>{word(language, 'why_passages')}</h3>{shown}"


def _prompt(trace: Mapping[str, Any], language: Language) -> str:
    slots = "".join(
        f"<div class='slot {escape(one['role'])}'><span>{word(language, 'role_' + one['role'])}"
        f"</span><p>{escape(one['content'])}</p></div>"
        for one in trace["prompt"] or ()
    )
    shown = slots or f"<p class='about'>{word(language, 'results_erased')}</p>"
    return f"<h3>{word(language, 'why_prompt')}</h3><div class='prompt'>{shown}</div>"
