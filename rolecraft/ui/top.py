"""The bar at the top of every page: the name, the way to the side column, theme and language.

Pure: HTML comes out.
"""

from rolecraft.ui.markup import button, escape, word
from rolecraft.ui.pages import PATHS
from rolecraft.ui.texts import Language, say


def top(language: Language, page: str = "") -> str:
    """The bar of the page at this path, in one language."""
    menu = button(say(language, "menu"), "menu", kind="quiet menu-button", icon="menu")
    other = "en" if language == "zh" else "zh"
    return (
        f'<a class="skip" href="#rc-main">{word(language, "skip")}</a>'
        '<header class="top">'
        f"{'' if page else menu}"
        f'<a class="brand" href="./">{_MARK}<strong>{_name(language)}</strong>'
        f"<span>{word(language, 'brand_line')}</span></a>"
        f"{_links(language, page)}"
        f"{button(say(language, 'theme'), 'theme', icon='theme')}"
        f'<a class="language" href="?lang={other}" lang="{other}" hreflang="{other}" '
        f'aria-label="{word(language, "language_label")}">{word(language, "language")}</a>'
        "</header>"
    )


def _links(language: Language, page: str) -> str:
    links = "".join(
        f'<a href="./{path}"{" aria-current=page" if path == page else ""}>'
        f"{word(language, (path or 'chat') + '_nav')}</a>"
        for path in ("", *PATHS)
    )
    return f'<nav class="pages" aria-label="{word(language, "pages")}">{links}</nav>'


def _name(language: Language) -> str:
    name, _, rest = say(language, "title").partition(" ")
    return escape(name) + (f'<span class="long"> {escape(rest)}</span>' if rest else "")


_MARK = (
    '<svg class="logo" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">'
    '<path d="M5 9.5A5.5 5.5 0 0 1 10.5 4h11A5.5 5.5 0 0 1 27 9.5v8a5.5 5.5 0 0 1-5.5 5.5H15'
    'l-6.5 5v-5.3A5.5 5.5 0 0 1 5 17.5z" fill="currentColor"/>'
    '<circle cx="12" cy="12.5" r="1.7" fill="#fff"/><circle cx="20" cy="12.5" r="1.7" fill="#fff"/>'
    '<path d="M11.5 16.5c2.5 2.6 6.5 2.6 9 0" stroke="#fff" stroke-width="1.8" fill="none" '
    'stroke-linecap="round"/></svg>'
)
