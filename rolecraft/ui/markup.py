"""Frozen values become HTML: the escaping and the few pieces that every part of the page shares.

Whatever a person, a model or a file wrote passes through `escape`. Line breaks stay as they are:
the style sheet keeps them, so that what is copied from the page is what was written.
"""

import re
from html import escape as _html_escape

from rolecraft.emotions import BY_ZH
from rolecraft.ui.texts import Language, say

# gr.HTML runs its templates through Handlebars and a JavaScript template string.
_TEMPLATE_MARKS = {"{": "&#123;", "}": "&#125;", "$": "&#36;", "`": "&#96;", "\\": "&#92;"}
_ESCAPES = str.maketrans(_TEMPLATE_MARKS)
# Bold, headings, bullets and code give away which kind of model writes; a person's talk has none.
_MARKDOWN = (
    (re.compile(r"(\*\*|__|`{1,3})(?=\S)(.+?)(?<=\S)\1", re.DOTALL), r"\2"),
    (re.compile(r"^\s{0,3}(?:#{1,6}|[-*+>])\s+", re.MULTILINE), ""),
    (re.compile(r"[ \t]+$", re.MULTILINE), ""),
    (re.compile(r"\n{3,}"), "\n\n"),
)


def escape(text: str) -> str:
    """The text as HTML that shows it and does nothing else, in content and in attributes."""
    return _html_escape(text, quote=True).translate(_ESCAPES)


def plain(text: str) -> str:
    """The reply without Markdown, so that its form tells nothing of who wrote it."""
    for pattern, kept in _MARKDOWN:
        text = pattern.sub(kept, text)
    return text.strip()


def portrait(character: str, name: str, address: str | None, kind: str = "") -> str:
    """The picture of a character, or the first sign of the name on a quiet colour."""
    if address:
        return (
            f'<img class="portrait {kind}" src="{escape(address)}" alt="" '
            'loading="lazy" decoding="async">'
        )
    tone = sum(character.encode()) % 6
    return (
        f'<span class="portrait initial tone-{tone} {kind}" aria-hidden="true">'
        f"{escape(name[:1])}</span>"
    )


def emotion_tag(emotion: str | None, language: Language) -> str:
    """The coloured tag of a reply's emotion; nothing for a reply that has none."""
    if emotion is None or emotion not in BY_ZH:
        return ""
    known = BY_ZH[emotion]
    name = known.zh if language == "zh" else known.en
    return f'<span class="emotion" style="--tone:{known.colour}">{escape(name)}</span>'


def button(
    label: str, act: str, *, kind: str = "quiet", icon: str = "", data: str = "", text: bool = False
) -> str:
    """A button that the page's scripts know by its `act`. `data` is ready attribute text."""
    shown = f"<span>{escape(label)}</span>" if text or not icon else ""
    named = "" if shown else f' aria-label="{escape(label)}" title="{escape(label)}"'
    return (
        f'<button type="button" class="{kind}" data-act="{escape(act)}"{named} {data}>'
        f"{ICONS.get(icon, '')}{shown}</button>"
    )


def word(language: Language, key: str, **values: object) -> str:
    """A sentence of the page, escaped."""
    return escape(say(language, key, **values))


def _icon(path: str) -> str:
    return (
        '<svg class="icon" viewBox="0 0 24 24" width="20" height="20" fill="none" '
        'stroke="currentColor" stroke-width="1.8" stroke-linecap="round" '
        f'stroke-linejoin="round" aria-hidden="true">{path}</svg>'
    )


ICONS = {
    "back": _icon('<path d="M15 5l-7 7 7 7"/>'),
    "forward": _icon('<path d="M9 5l7 7-7 7"/>'),
    "menu": _icon('<path d="M4 7h16M4 12h16M4 17h10"/>'),
    "close": _icon('<path d="M6 6l12 12M18 6L6 18"/>'),
    "again": _icon('<path d="M19 8a8 8 0 1 0 1 5"/><path d="M19.5 3.5V8H15"/>'),
    "edit": _icon('<path d="M4 20h4L19 9a2.1 2.1 0 0 0-4-4L4 16z"/><path d="M13.5 6.5l4 4"/>'),
    "copy": _icon(
        '<rect x="9" y="9" width="11" height="11" rx="2.5"/>'
        '<path d="M5 15a2 2 0 0 1-1-1.7V6a2 2 0 0 1 2-2h7.3A2 2 0 0 1 15 5"/>'
    ),
    "why": _icon('<circle cx="12" cy="12" r="8.5"/><path d="M12 11v5M12 8h.01"/>'),
    "send": _icon('<path d="M12 19V6M6 11.5L12 5.5l6 6"/>'),
    "stop": _icon('<rect x="7" y="7" width="10" height="10" rx="2" fill="currentColor"/>'),
    "search": _icon('<circle cx="11" cy="11" r="6.5"/><path d="M16 16l4 4"/>'),
    "more": _icon('<path d="M6 12h.01M12 12h.01M18 12h.01" stroke-width="3"/>'),
    "plus": _icon('<path d="M12 5v14M5 12h14"/>'),
    "settings": _icon(
        '<path d="M4 8h9M18 8h2M4 16h2M11 16h9"/>'
        '<circle cx="15.5" cy="8" r="2.3"/><circle cx="8.5" cy="16" r="2.3"/>'
    ),
    "theme": _icon('<path d="M20 14.5A8.3 8.3 0 0 1 9.5 4a8.3 8.3 0 1 0 10.5 10.5z"/>'),
    "heart": _icon(
        '<path d="M12 20s-7.5-4.6-7.5-10A4.2 4.2 0 0 1 12 7.4 4.2 4.2 0 0 1 19.5 10c0 5.4-7.5 10'
        '-7.5 10z"/>'
    ),
    "rate": _icon(
        '<path d="M12 4.5l2.3 4.8 5.2.7-3.8 3.6.9 5.2-4.6-2.5-4.6 2.5.9-5.2L4.5 10l5.2-.7z"/>'
    ),
    "trash": _icon('<path d="M5 7h14M10 7V4.5h4V7M7 7l1 13h8l1-13"/>'),
    "check": _icon('<path d="M5 12.5l4.5 4.5L19 7.5"/>'),
    "down": _icon('<path d="M12 4v11M7 11l5 5 5-5M5 20h14"/>'),
}
