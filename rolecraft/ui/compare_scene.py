"""What surrounds the two replies on the page /compare: the start, the head, what was said before.

Pure: values go in, HTML comes out. Only open mode names engines, and only when it is asked for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rolecraft.characters import Shelf
from rolecraft.characters.model import Bilingual, Character
from rolecraft.comparison import arms
from rolecraft.engines.catalog import Catalog
from rolecraft.ratings import rubric
from rolecraft.ui.faces import Face
from rolecraft.ui.markup import ICONS, button, emotion_tag, escape, plain, word
from rolecraft.ui.options import PRESETS
from rolecraft.ui.stand import Stand, Wish
from rolecraft.ui.texts import Language, say


@dataclass(frozen=True)
class Round:
    """One message of the past, with the reply that the talk went on with and the other one.

    `other` is empty for an answer that no pair gave.
    """

    user: str
    text: str
    emotion: str | None
    letter: str = ""
    name: str = ""
    other_letter: str = ""
    other_name: str = ""
    other: str = ""
    care: bool = False


def start(
    shelf: Shelf,
    faces: Mapping[str, Face],
    catalog: Catalog,
    stand: Stand,
    language: Language,
    *,
    agreed: bool,
) -> str:
    """Choose how to compare and with whom."""
    head = f"<h1>{word(language, 'compare_nav')}</h1><p class='lead'>"
    head += f"{word(language, 'compare_lead')} {word(language, 'machine_note')}</p>"
    if len(arms.available(catalog)) < 1 or (
        stand.mode == "blind" and len(arms.available(catalog)) < 2
    ):
        few = word(language, "compare_too_few")
        body = f'<p class="notice">{few} {word(language, "compare_needs")}</p>'
        return f'<div class="compare-start">{head}{_modes(stand, language)}{body}</div>'
    people = "".join(_person(one, faces[one.id], language) for one in shelf.characters)
    return (
        f'<div class="compare-start">{head}{_modes(stand, language)}'
        f"{_wishes(catalog, stand, language) if stand.mode == 'open' else ''}"
        f"{'' if agreed else _consent(language)}"
        f'<h2 id="compare-people">{word(language, "compare_pick")}</h2>'
        f'<ul class="cmp-people" aria-labelledby="compare-people">{people}</ul></div>'
    )


def head(face: Face, stand: Stand, language: Language) -> str:
    """Who is being talked with, and how it is compared."""
    mode = word(language, f"compare_is_{stand.mode}")
    return (
        f'<header class="compare-head">{button(say(language, "compare_back"), "back", icon="back")}'
        f'{face.picture(language, "small")}<span class="who">'
        f"<strong>{escape(face.name[language])}</strong>"
        f"<span>{escape(face.tagline[language])}</span></span>"
        f'<span class="mode">{mode}</span></header>'
    )


def log(
    face: Face,
    greeting: Bilingual,
    rounds: Sequence[Round],
    asked: str,
    starters: Sequence[Bilingual],
    language: Language,
) -> str:
    """The greeting, what was said before, and the message that the pair answers."""
    parts = [_greeting(face, greeting, language)]
    parts += [_round(face, one, number, language) for number, one in enumerate(rounds, start=1)]
    if asked:
        parts.append(_mine(asked, language))
    elif not rounds:
        parts.append(_starters(starters, language))
    return (
        f'<div class="compare-log" role="log" aria-label="{word(language, "log")}">'
        f"{''.join(parts)}</div>"
    )


def composer(language: Language, limit: int) -> str:
    """The box under the replies."""
    label, send = word(language, "compare_composer"), word(language, "send")
    return (
        '<form class="compare-box" autocomplete="off" '
        f'data-vote="{word(language, "compare_vote_first")}" '
        f'data-wait="{word(language, "compare_wait_first")}">'
        f'<p class="lost" role="alert" hidden>{word(language, "lost")}</p>'
        f'<div class="box"><textarea rows="1" dir="auto" maxlength="{limit}" '
        f'aria-label="{label}" placeholder="{label}" enterkeyhint="send"></textarea>'
        f'<button type="submit" class="send" aria-label="{send}" title="{send}">'
        f"{ICONS['send']}</button></div></form>"
    )


def _modes(stand: Stand, language: Language) -> str:
    radios = "".join(
        f'<label><input type="radio" name="compare-mode" value="{mode}" data-act="mode"'
        f"{' checked' if stand.mode == mode else ''}><span>{word(language, f'compare_{mode}')}"
        "</span></label>"
        for mode in ("blind", "open")
    )
    return (
        f'<fieldset class="field modes"><legend>{word(language, "compare_mode")}</legend>'
        f'<div class="segments">{radios}</div>'
        f'<p class="about">{word(language, f"compare_about_{stand.mode}")}</p></fieldset>'
    )


def _wishes(catalog: Catalog, stand: Stand, language: Language) -> str:
    names = arms.available(catalog)
    usual = [catalog.default, next((n for n in names if n != catalog.default), catalog.default)]
    given = stand.wishes or tuple(Wish(name) for name in usual)
    return '<div class="wishes">' + "".join(
        _wish(number, wish, names, language) for number, wish in enumerate(given, start=1)
    ) + "</div>"  # fmt: skip


def _wish(number: int, wish: Wish, names: Sequence[str], language: Language) -> str:
    engines = "".join(
        f'<option value="{escape(name)}"{" selected" if name == wish.engine else ""}>'
        f"{escape(name)}</option>"
        for name in names
    )
    presets = "".join(
        f'<option value="{name}"{" selected" if name == wish.preset else ""}>'
        f"{word(language, f'preset_{name}')}</option>"
        for name in ("own", *PRESETS)
    )
    switches = "".join(
        f'<label class="field switch"><input type="checkbox" name="{name}" role="switch"'
        f"{' checked' if is_on else ''}><span>{word(language, key)}</span></label>"
        for name, is_on, key in (
            ("passages", wish.passages, "passages_on"),
            ("emotions", wish.emotions, "compare_emotions_on"),
        )
    )
    return (
        f'<fieldset class="wish" data-wish="{number}">'
        f"<legend>{word(language, f'compare_side_{number}')}</legend>"
        f'<label class="field"><span>{word(language, "engine")}</span>'
        f'<select name="engine">{engines}</select></label>'
        f'<label class="field"><span>{word(language, "sampling")}</span>'
        f'<select name="preset">{presets}</select></label>{switches}</fieldset>'
    )


def _consent(language: Language) -> str:
    text, _ = rubric.consent(language)
    lines = "".join(f"<p>{escape(line)}</p>" for line in text.strip().split("\n"))
    boxes = "".join(
        f'<label class="field switch"><input type="checkbox" name="{name}">'
        f"<span>{word(language, key)}</span></label>"
        for name, key in (
            ("rate", "compare_agree"),
            ("publish", "compare_agree_publish"),
            ("train", "compare_agree_train"),
        )
    )
    return (
        '<section class="cmp-consent" aria-labelledby="compare-consent">'
        f'<h2 id="compare-consent">{word(language, "compare_consent")}</h2>{lines}{boxes}'
        f'<p class="must" role="alert" hidden>{word(language, "compare_agree_first")}</p></section>'
    )


def _person(person: Character, face: Face, language: Language) -> str:
    return (
        f'<li><button type="button" class="cmp-person" data-act="pick" '
        f'data-character="{escape(person.id)}">{face.picture(language, "small")}'
        f'<span class="who"><strong>{escape(face.name[language])}</strong>'
        f"<span>{escape(face.tagline[language])}</span></span></button></li>"
    )


def _greeting(face: Face, greeting: Bilingual, language: Language) -> str:
    if not greeting["zh"]:
        return ""
    meaning = ""
    if language == "en" and greeting["en"]:
        meaning = f'<div class="translation" lang="en">{escape(greeting["en"])}</div>'
    return (
        f'<article class="message theirs greeting">{face.picture(language, "small")}'
        f'<div class="body"><div class="bubble" dir="auto">{escape(greeting["zh"])}</div>{meaning}'
        "</div></article>"
    )


def _starters(starters: Sequence[Bilingual], language: Language) -> str:
    chips = "".join(
        f'<button type="button" class="starter" data-act="say" data-text="{escape(one["zh"])}">'
        + (f'<span lang="en">{escape(one["en"])}</span>' if language == "en" else "")
        + f'<span lang="zh">{escape(one["zh"])}</span></button>'
        for one in starters
    )
    label = word(language, "starters")
    return f'<div class="starters" role="group" aria-label="{label}">{chips}</div>' if chips else ""


def _mine(text: str, language: Language) -> str:
    return (
        f'<article class="message mine" aria-label="{word(language, "you")}"><div class="body">'
        f'<div class="bubble" dir="auto">{escape(text)}</div></div></article>'
    )


def _round(face: Face, one: Round, number: int, language: Language) -> str:
    said = escape(plain(one.text)) or word(language, "empty_reply")
    kind = "care" if one.care else "theirs"
    picture = "" if one.care else face.picture(language, "small")
    return (
        f"{_mine(one.user, language)}"
        f'<article class="message {kind}">{picture}<div class="body">'
        f'<div class="byline">{_by(one)}{emotion_tag(one.emotion, language)}</div>'
        f'<div class="bubble" dir="auto">{said}</div>{_other(one, language)}</div></article>'
    )


def _by(one: Round) -> str:
    if not one.name:
        return ""
    return (
        f'<b class="letter" aria-hidden="true">{one.letter}</b><strong>{escape(one.name)}</strong>'
    )


def _other(one: Round, language: Language) -> str:
    if not one.other_name:
        return ""
    label = word(language, "compare_other", name=f"{one.other_letter} · {one.other_name}")
    said = escape(plain(one.other)) or word(language, "empty_reply")
    return f'<details class="other"><summary>{label}</summary><p dir="auto">{said}</p></details>'
