"""The first screen: a headline, a search box, chips to filter by, and a card for each character.

Pure: a shelf goes in, HTML comes out. Filtering happens in the browser (picker.js).
"""

from collections.abc import Mapping

from rolecraft.characters import Shelf
from rolecraft.characters.model import AGE_GROUPS, Character
from rolecraft.characters.shelf import trait_counts
from rolecraft.emotions import EMOTIONS
from rolecraft.ui.faces import Face
from rolecraft.ui.markup import ICONS, button, escape, word
from rolecraft.ui.texts import Language, say, trait_name

TRAITS_SHOWN = 3  # on a card
_TRAIT_CHIPS = 9  # before "more"


def picker(shelf: Shelf, faces: Mapping[str, Face], language: Language) -> str:
    """The whole first screen in one language."""
    cards = "".join(_card(one, faces[one.id], language) for one in shelf.characters)
    problems = len({problem.path.rsplit("/", 1)[0] for problem in shelf.problems})
    notice = word(language, "problems", count=problems) if problems else ""
    return (
        '<section class="picker" aria-labelledby="picker-title">'
        f'<header class="hero"><h1 id="picker-title">{word(language, "headline")}</h1>'
        f"<p>{word(language, 'lead')}{word(language, 'machine_note')}</p>"
        f"{_search(language)}</header>"
        f"{_filters(shelf, language)}"
        f'<ul class="cards">{cards}</ul>'
        f'<p class="nobody" hidden>{word(language, "nobody")} '
        f"{button(say(language, 'clear'), 'clear', kind='link', text=True)}</p>"
        f'<p class="notice">{notice}</p></section>'
    )


def _search(language: Language) -> str:
    label = word(language, "search")
    return (
        f'<label class="search">{ICONS["search"]}'
        f'<input type="search" placeholder="{label}" aria-label="{label}" autocomplete="off" '
        'maxlength="60"><span class="count" role="status"></span></label>'
    )


def _filters(shelf: Shelf, language: Language) -> str:
    ages = {one.age_group for one in shelf.characters}
    moods = {one.mood for one in shelf.characters}
    age_chips = [(age, say(language, age)) for age in AGE_GROUPS if age in ages]
    mood_chips = [
        (mood.zh, mood.zh if language == "zh" else mood.en) for mood in EMOTIONS if mood.zh in moods
    ]
    traits = [trait for trait, _ in trait_counts(shelf).most_common()]
    trait_chips = [(trait, trait_name(trait, language)) for trait in traits]
    more = button(say(language, "more_traits"), "more-traits", kind="chip more", text=True)
    hidden = len(trait_chips) > _TRAIT_CHIPS
    return (
        '<div class="filters">'
        f"{_group('age', age_chips, language)}{_group('mood', mood_chips, language)}"
        f"{_group('trait', trait_chips, language, more if hidden else '')}</div>"
    )


def _group(name: str, chips: list[tuple[str, str]], language: Language, more: str = "") -> str:
    label = word(language, name)
    shown = "".join(
        f'<button type="button" class="chip{" extra" if more and place >= _TRAIT_CHIPS else ""}" '
        f'data-act="filter" data-by="{name}" data-value="{escape(value)}" aria-pressed="false">'
        f"{escape(text)}</button>"
        for place, (value, text) in enumerate(chips)
    )
    return (
        f'<div class="group" role="group" aria-label="{label}">'
        f'<span class="label" aria-hidden="true">{label}</span>'
        f'<span class="chips">{shown}{more}</span></div>'
    )


def _card(character: Character, face: Face, language: Language) -> str:
    traits = character.traits
    tags = "".join(
        f"<span>{escape(trait_name(trait, language))}</span>" for trait in traits[:TRAITS_SHOWN]
    )
    profile = character.profile
    found_by = [*character.name.values(), *character.tagline.values(), *traits, character.id]
    found_by += [trait_name(trait, "en") for trait in traits]
    found_by += [profile.get(key, "") for key in ("occupation", "residence", "hobbies")]
    label = word(language, "talk_with", name=face.name[language])
    return (
        f'<li data-age="{escape(character.age_group)}" data-mood="{escape(character.mood)}" '
        f'data-trait="{escape(" ".join(traits))}" data-find="{escape(" ".join(found_by).lower())}">'
        f'<button type="button" class="card" data-act="pick" '
        f'data-character="{escape(character.id)}" aria-label="{label}">'
        f"{face.picture(language, 'big')}"
        f'<span class="name">{escape(face.name[language])}</span>'
        f'<span class="tagline">{escape(face.tagline[language])}</span>'
        f'<span class="traits">{tags}</span></button></li>'
    )
