"""Why this reply: everything that made it, as a panel.

Pure: a stored reply goes in, HTML comes out.
"""

from rolecraft.admission import CARE_ENGINE
from rolecraft.characters.model import field_name
from rolecraft.conversation import Message, Passage, Reply
from rolecraft.ui.markup import button, escape, word
from rolecraft.ui.texts import Language, say

_SHORT = 10  # characters of a hash that are shown


def why(reply: Reply, language: Language) -> str:
    """The panel of one reply."""
    if reply.identity.engine == CARE_ENGINE:
        body = f"<p>{word(language, 'why_care')}</p>"
    else:
        body = _passages(reply, language) + _numbers(reply, language) + _prompt(reply, language)
    return (
        '<div class="sheet" role="dialog" aria-modal="true" aria-labelledby="why-title" '
        f'tabindex="-1"><header><h2 id="why-title">{word(language, "why_title")}</h2>'
        f"{button(say(language, 'close'), 'close', icon='close')}</header>"
        f'<div class="sheet-body">{body}</div></div>'
    )


def _passages(reply: Reply, language: Language) -> str:
    if not reply.passages:
        shown = f"<p>{word(language, 'why_no_passages')}</p>"
    else:
        items = "".join(_passage(one, language) for one in reply.passages)
        shown = f'<ol class="passages">{items}</ol>'
    return f"<h3>{word(language, 'why_passages')}</h3>{shown}"


def _passage(passage: Passage, language: Language) -> str:
    percent = max(0, min(100, round(passage.similarity * 100)))
    state = "used" if passage.used else "unused"
    return (
        f'<li class="{state}"><div class="byline"><strong>{escape(_field(passage.field, language))}'
        f"</strong><code>{escape(passage.field)}</code>"
        f'<span class="state">{word(language, f"why_{state}")}</span></div>'
        f"<p>{escape(passage.text)}</p>"
        f'<div class="bar" role="img" aria-label="{word(language, "similarity")} '
        f'{passage.similarity:.2f}"><i style="width:{percent}%"></i></div>'
        f'<span class="number">{passage.similarity:.2f}</span></li>'
    )


def _field(field: str, language: Language) -> str:
    room, _, name = field.partition(".")
    if room == "profile":
        return field_name(name, language)
    return say(language, room) if room in ("script", "question", "everyday") else field


def _numbers(reply: Reply, language: Language) -> str:
    identity, sampling = reply.identity, reply.sampling
    adapter = identity.adapter or say(language, "why_none")
    finish = "finish_stop" if reply.finish == "stop" else reply.finish
    model = [
        (say(language, "why_engine"), escape(identity.engine)),
        (say(language, "why_base"), _hashed(identity.base, identity.base_sha256, language)),
        (say(language, "why_adapter"), _hashed(adapter, identity.adapter_sha256, language)),
        (say(language, "why_reply_hash"), _hashed("", reply.sha256, language)),
    ]
    numbers = [
        (say(language, "temperature"), f"{sampling.temperature:g}"),
        (say(language, "top_p"), f"{sampling.top_p:g}"),
        (say(language, "max_new_tokens"), str(sampling.max_new_tokens)),
        (say(language, "why_repeat"), f"{sampling.repetition_penalty:g}"),
        (say(language, "why_ngram"), str(sampling.no_repeat_ngram_size)),
        (say(language, "seed"), str(reply.seed)),
        (say(language, "why_prompt_tokens"), str(reply.prompt_tokens)),
        (say(language, "why_reply_tokens"), str(reply.reply_tokens)),
        (say(language, "why_first"), f"{reply.first_token_ms:,.0f} ms"),
        (say(language, "why_total"), f"{reply.total_ms:,.0f} ms"),
        (say(language, "why_finish"), word(language, finish)),
    ]
    return (
        f"<h3>{word(language, 'why_model')}</h3>{_table(model)}"
        f"<h3>{word(language, 'why_numbers')}</h3>{_table(numbers)}"
    )


def _table(rows: list[tuple[str, str]]) -> str:
    """Names as text, values as ready HTML."""
    return (
        '<dl class="facts">'
        + "".join(f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>" for name, value in rows)
        + "</dl>"
    )


def _hashed(name: str, sha256: str, language: Language) -> str:
    if not sha256:
        return escape(name)
    label = word(language, "copy_hash")
    return (
        f'{escape(name)} <button type="button" class="hash" data-act="copy-hash" '
        f'data-hash="{escape(sha256)}" title="{escape(sha256)}" aria-label="{label} {sha256[:10]}">'
        f"{escape(sha256[:_SHORT])}</button>"
    )


def _prompt(reply: Reply, language: Language) -> str:
    shown = "".join(_slot(message, language) for message in reply.prompt)
    return f'<h3>{word(language, "why_prompt")}</h3><div class="prompt">{shown}</div>'


def _slot(message: Message, language: Language) -> str:
    role = word(language, f"role_{message.role}")
    return (
        f'<div class="slot {message.role}"><span>{role}</span>'
        f"<p>{escape(message.content)}</p></div>"
    )
