"""The box in which the visitor writes, with Send and Stop. What it does is in static/composer.js.

Pure: HTML comes out.
"""

from rolecraft.ui.markup import ICONS, word
from rolecraft.ui.texts import Language


def composer(language: Language, limit: int) -> str:
    """The box in one language. `limit` is the longest message in characters."""
    send, stop = word(language, "send"), word(language, "stop")
    label, hint = word(language, "composer_plain"), word(language, "send_hint")
    return (
        '<form class="composer" autocomplete="off">'
        f'<p class="sample"><span data-of="machine">{word(language, "machine_note")}</span>'
        f'<span data-of="sample" hidden>{word(language, "mini_note")}</span>'
        f'<span data-of="hand" hidden>{word(language, "hand_note")}</span></p>'
        f'<p class="lost" role="alert" hidden>{word(language, "lost")}</p>'
        f'<div class="box"><textarea rows="1" dir="auto" data-limit="{limit}" '
        f'aria-label="{label}" '
        f'data-label="{word(language, "composer", name="__name__")}" placeholder="{label}" '
        'aria-describedby="rc-hint" enterkeyhint="send"></textarea>'
        '<span class="left" role="status"></span>'
        f'<button type="submit" class="send" data-act="send" aria-label="{send}" title="{send}">'
        f"{ICONS['send']}</button>"
        f'<button type="button" class="stop" data-act="stop" aria-label="{stop}" title="{stop}">'
        f"{ICONS['stop']}</button></div>"
        f'<p class="hint" id="rc-hint">{hint}</p></form>'
    )
