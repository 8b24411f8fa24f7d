"""The talk before the visitor: its head, the log of messages, the reply that is being written.

Pure: stored messages go in, HTML comes out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rolecraft.admission import CARE
from rolecraft.characters.model import Bilingual
from rolecraft.chat import Partial
from rolecraft.store.stored import StoredMessage
from rolecraft.ui.faces import Face
from rolecraft.ui.markup import ICONS, button, emotion_tag, escape, word
from rolecraft.ui.texts import Language, say

_RATED_FROM = 2  # replies
_MARKED = ("user_stop", "disconnect", "error", "length")


@dataclass(frozen=True)
class Talk:
    """What the log shows. `answering` is true while the last message is being answered."""

    face: Face
    greeting: str
    greeting_translated: str = ""
    messages: tuple[StoredMessage, ...] = ()
    starters: tuple[Bilingual, ...] = ()
    more_greetings: bool = False
    answering: bool = False
    elsewhere: bool = False  # another page of this visitor has the answer


def head(face: Face, engine: str, language: Language) -> str:
    """Who is being talked with. `engine` is what this talk was last answered by."""
    return (
        f'<header class="talk-head" data-character="{escape(face.id)}" '
        f'data-name="{escape(face.name[language])}" data-engine="{escape(engine)}">'
        f"{button(say(language, 'back'), 'back', icon='back')}"
        f"{face.picture(language, 'small')}"
        f'<span class="who"><strong>{escape(face.name[language])}</strong>'
        f"<span>{escape(face.tagline[language])}</span></span></header>"
    )


def log(talk: Talk, language: Language) -> str:
    """Every message that is shown, the greeting first, with what can be done with each."""
    parts = [_greeting(talk, language)]
    parts += [_message(talk, one, language) for one in talk.messages]
    if not talk.messages:
        parts.append(_starters(talk, language))
    elif talk.messages[-1].role == "user" and not talk.answering:
        parts.append(_unanswered(talk, language))
    if _may_rate(talk):
        parts.append(_rate(language))
    if not talk.face.on_shelf:
        parts.append(f'<p class="gone">{word(language, "gone_character")}</p>')
    return (
        f'<div class="log" role="log" aria-live="polite" aria-label="{word(language, "log")}">'
        f"{''.join(parts)}</div>"
    )


def stream(face: Face, partial: Partial | None, language: Language, mark: str = "") -> str:
    """The reply in the making; before it begins, its place in the queue or that it is thought of.

    `mark` names what became of one that is at its end but not in the log.
    """
    name = escape(face.name[language])
    if partial and partial.place:
        tag = ""
        inner = f'<div class="queued" role="status">{_queued(partial, language)}</div>'
    elif partial is None or not partial.text:
        label = word(language, "thinking", name=face.name[language])
        tag = emotion_tag(partial.emotion, language) if partial else ""
        inner = f'<div class="bubble waiting" aria-label="{label}"><i></i><i></i><i></i></div>'
    else:
        tag = emotion_tag(partial.emotion, language)
        inner = f'<div class="bubble" dir="auto">{escape(partial.text)}</div>'
    marked = f'<span class="mark">{word(language, mark)}</span>' if mark else ""
    return (
        f'<article class="message theirs writing" aria-busy="{"false" if mark else "true"}">'
        f'{face.picture(language, "small")}<div class="body">'
        f'<div class="byline"><strong>{name}</strong>{tag}{marked}</div>{inner}</div></article>'
    )


def _queued(partial: Partial, language: Language) -> str:
    ahead = partial.place - 1
    place = "queue_next" if not ahead else "queue_one" if ahead == 1 else "queue_more"
    said = f"<strong>{word(language, place, count=ahead)}</strong>"
    return f"{said}<span>{_wait(partial.wait_s, language)}</span>"


def _wait(seconds: float | None, language: Language) -> str:
    """A wait as people say it: an estimate that told single seconds would be wrong each time."""
    if seconds is None:
        return word(language, "queue_stay")
    if seconds < 3:
        return word(language, "queue_soon")
    if seconds < 90:
        step = 5 if seconds > 10 else 1
        return word(language, "queue_seconds", count=step * round(seconds / step))
    return word(language, "queue_minutes", count=round(seconds / 60))


def _greeting(talk: Talk, language: Language) -> str:
    if not talk.greeting:
        return ""
    tools = ""
    if talk.more_greetings and not talk.messages:
        label = say(language, "another_greeting")
        tools = f'<div class="tools">{button(label, "greet", icon="again", text=True)}</div>'
    translated = ""
    if talk.greeting_translated:
        translated = f'<div class="translation" lang="en">{escape(talk.greeting_translated)}</div>'
    return (
        f'<article class="message theirs greeting">{talk.face.picture(language, "small")}'
        f'<div class="body"><div class="byline"><strong>{escape(talk.face.name[language])}</strong>'
        f'</div><div class="bubble" dir="auto">{escape(talk.greeting)}</div>{translated}{tools}'
        "</div></article>"
    )


def _starters(talk: Talk, language: Language) -> str:
    if not talk.starters or not talk.face.on_shelf:
        return ""
    chips = "".join(_starter(one, language) for one in talk.starters)
    label = word(language, "starters")
    return f'<div class="starters" role="group" aria-label="{label}">{chips}</div>'


def _starter(starter: Bilingual, language: Language) -> str:
    # The cast speaks Chinese, so that is what is said; an English page tells what it means.
    said = escape(starter["zh"])
    meaning = f'<span lang="en">{escape(starter["en"])}</span>' if language == "en" else ""
    return (
        f'<button type="button" class="starter" data-act="say" data-text="{said}">'
        f'{meaning}<span lang="zh">{said}</span></button>'
    )


def _message(talk: Talk, message: StoredMessage, language: Language) -> str:
    if message.role == "user":
        return _mine(talk, message, language)
    if message.text in CARE.values():
        return _care(message, language)
    return _theirs(talk, message, language)


def _mine(talk: Talk, message: StoredMessage, language: Language) -> str:
    tools = [_versions(message, language)]
    if talk.face.on_shelf:
        tools.append(_tool("edit", language))
    tools.append(_tool("copy", language))
    return (
        f'<article class="message mine" data-id="{escape(message.id)}" '
        f'aria-label="{word(language, "you")}"><div class="body">'
        f'<div class="bubble" dir="auto">{escape(message.text)}</div>'
        f'<div class="tools">{"".join(tools)}</div></div></article>'
    )


def _theirs(talk: Talk, message: StoredMessage, language: Language) -> str:
    broken = message.finish in _MARKED
    mark = f'<span class="mark">{word(language, str(message.finish))}</span>' if broken else ""
    tools = [_versions(message, language)]
    if talk.face.on_shelf:
        again = "retry" if message.partial else "again"
        tools.append(_tool("again", language, label=again, text=message.partial))
    tools += [_tool("copy", language), _tool("why", language)]
    if talk.face.on_shelf and not message.partial:
        tools.append(_tool("rate", language, label="rate_reply"))
    shown = escape(message.text)
    empty = "" if message.text else " empty"
    return (
        f'<article class="message theirs" data-id="{escape(message.id)}">'
        f'{talk.face.picture(language, "small")}<div class="body"><div class="byline">'
        f"<strong>{escape(talk.face.name[language])}</strong>"
        f"{emotion_tag(message.emotion, language)}{_hand(message, language)}{mark}</div>"
        f'<div class="bubble{empty}" dir="auto">{shown or word(language, "empty_reply")}</div>'
        f'<div class="tools">{"".join(tools)}</div></div></article>'
    )


def _hand(message: StoredMessage, language: Language) -> str:
    """The tag of a reply that no machine wrote."""
    return f'<span class="hand">{word(language, "by_hand")}</span>' if message.by_hand else ""


def _may_rate(talk: Talk) -> bool:
    """Whether there is enough of the talk, by the character alone, to be rated."""
    replies = [one for one in talk.messages if one.role == "assistant"]
    ours = any(one.text in CARE.values() for one in replies)
    return len(replies) >= _RATED_FROM and not (ours or talk.answering) and talk.face.on_shelf


def _rate(language: Language) -> str:
    label = say(language, "rate_talk")
    return button(label, "rate", kind="rate-talk", icon="rate", text=True)


def _care(message: StoredMessage, language: Language) -> str:
    return (
        f'<article class="message care" data-id="{escape(message.id)}"><div class="body">'
        f'<div class="byline">{ICONS["heart"]}<strong>{word(language, "care")}</strong></div>'
        f'<div class="bubble">{escape(message.text)}</div>'
        f'<div class="tools">{_versions(message, language)}{_tool("copy", language)}</div>'
        "</div></article>"
    )


def _unanswered(talk: Talk, language: Language) -> str:
    if talk.elsewhere:
        return f'<p class="unanswered">{word(language, "still_answering")}</p>'
    if not talk.face.on_shelf:
        return ""
    last = talk.messages[-1]
    retry = _tool("again", language, label="retry", text=True)
    return (
        f'<p class="unanswered" data-id="{escape(last.id)}">'
        f"<span>{word(language, 'unanswered')}</span>{retry}</p>"
    )


def _tool(act: str, language: Language, *, label: str = "", text: bool = False) -> str:
    return button(say(language, label or act), act, kind="tool", icon=act, text=text)


def _versions(message: StoredMessage, language: Language) -> str:
    """‹ 1/3 › for a message that has alternatives."""
    if message.alternatives < 2:
        return ""
    place = {"position": message.position, "alternatives": message.alternatives}
    first, last = message.position == 1, message.position == message.alternatives
    older = button(
        say(language, "older"), "step", kind="tool", icon="back",
        data=f'data-step="-1"{" disabled" if first else ""}',
    )  # fmt: skip
    newer = button(
        say(language, "newer"), "step", kind="tool", icon="forward",
        data=f'data-step="1"{" disabled" if last else ""}',
    )  # fmt: skip
    return (
        f'<span class="versions" role="group" aria-label="{word(language, "version", **place)}">'
        f"{older}<span>{message.position}/{message.alternatives}</span>{newer}</span>"
    )


def greeting_pair(greetings: Sequence[Bilingual], said: str) -> str:
    """The English of a greeting that was said in Chinese; "" for one the card no longer has."""
    return next((one["en"] for one in greetings if one["zh"] == said), "")
