"""The page /cast as HTML: the people, then what was counted of them, in one language.

Pure: a shelf and its counted numbers go in. Nothing is counted or drawn by a library here, so the
page costs nothing to open.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rolecraft.characters import Shelf
from rolecraft.characters.model import AGE_GROUPS, Character
from rolecraft.emotions import BY_ZH, LABELS
from rolecraft.evaluation.cast_page import COMMAND
from rolecraft.evaluation.counted import CLOUDS, Counted
from rolecraft.ui import drawings
from rolecraft.ui.cast_voice import voices
from rolecraft.ui.faces import Face
from rolecraft.ui.markup import escape, word
from rolecraft.ui.texts import Language, say, trait_name

Faces = Mapping[str, Face]
_OBJECTS = 6  # in the table of verbs


def cast_view(shelf: Shelf, faces: Faces, counted: Counted | None, language: Language) -> str:
    """The whole page."""
    parts = [_head(shelf, language), _people(shelf, faces, language)]
    if counted is None:
        parts.append(f"<p class='note'>{word(language, 'cast_not_counted')}</p>{_command()}")
    else:
        if not counted.fresh:
            parts.append(f"<p class='note'>{word(language, 'cast_not_fresh')}</p>")
        numbers = counted.numbers
        parts += [
            _feelings(numbers, language),
            _signatures(shelf.characters, faces, numbers["signatures"], language),
            _traits(shelf, counted, language),
            _verbs(numbers, language),
            voices(numbers["style"], faces, language),
            _beside_the_paper(numbers["table"], language),
            f"<details><summary>{word(language, 'cast_made_by')}</summary>{_command()}</details>",
        ]
    return f"<div id='rc-main' class='page cast'>{''.join(parts)}</div>"


def section(title: str, about: str, body: str) -> str:
    """A part of the page under its heading; `title` and `about` are escaped already."""
    return f"<section><h2>{title}</h2><p class='about'>{about}</p>{body}</section>"


def as_table(head: Iterable[str], rows: Iterable[Iterable[str]], kind: str = "") -> str:
    """A table of escaped cells; the first of a row names it."""
    columns = "".join(f"<th scope='col'>{cell}</th>" for cell in head)
    lines = "".join(
        f"<tr><th scope='row'>{first}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
        for first, *cells in rows
    )
    return (
        f"<div class='wide-table'><table class='numbers {kind}'><thead><tr>{columns}</tr></thead>"
        f"<tbody>{lines}</tbody></table></div>"
    )


def _head(shelf: Shelf, language: Language) -> str:
    ages = [age for one in shelf.characters if (age := _age(one)) is not None] or [0]
    lead = word(
        language, "cast_lead", count=len(shelf.characters), youngest=min(ages), oldest=max(ages)
    )
    return f"<h1>{word(language, 'cast_nav')}</h1><p class='lead'>{lead}</p>"


def _people(shelf: Shelf, faces: Faces, language: Language) -> str:
    groups = []
    for group in (*AGE_GROUPS, ""):
        people = [one for one in shelf.characters if one.age_group == group]
        if people:
            people.sort(key=lambda one: _age(one) or 0)
            cards = "".join(_person(one, faces[one.id], language) for one in people)
            name = f"<h3>{word(language, group)}</h3>" if group else ""
            groups.append(f"{name}<ul class='people'>{cards}</ul>")
    title = word(language, "cast_people")
    return f"<section aria-label='{title}'>{''.join(groups)}</section>"


def _person(one: Character, face: Face, language: Language) -> str:
    # the profile is written in Chinese; an English reader is told by the tagline
    keys = ("occupation", "residence") if language == "zh" else ()
    facts = [escape(one.profile[key]) for key in keys if one.profile.get(key)]
    age = _age(one)
    aged = "" if age is None else word(language, "cast_years", age=age)
    name = face.name[language]
    return (
        f"<li><a class='person' href='./?with={escape(one.id)}' data-act='meet' "
        f"aria-label='{word(language, 'talk_with', name=name)}'>{face.picture(language)}"
        f"<span class='told'><span class='name'>{escape(name)} <small>{aged}</small></span>"
        f"<span class='facts'>{' · '.join(facts)}</span>"
        f"<span class='line'>{escape(face.tagline[language])}</span></span>"
        f"<span class='go' aria-hidden='true'>{word(language, 'cast_talk')}</span></a></li>"
    )


def _feelings(numbers: Mapping[str, Any], language: Language) -> str:
    counts: Mapping[str, int] = numbers["emotions"]
    total = max(sum(counts.values()), 1)
    most = max(counts.values(), default=0) or 1
    bars = "".join(
        f"<div style='--tone:{BY_ZH[label].colour}'><dt>{_emotion(label, language)}</dt>"
        f"<dd><i style='width:{100 * count / most:.1f}%'></i>"
        f"<span>{count / total:.1%} <small>{count:,}</small></span></dd></div>"
        for label, count in sorted(counts.items(), key=lambda item: -item[1])
    )
    about = word(
        language, "cast_feelings_about", count=f"{total:,}",
        neutral=f"{counts.get('中立', 0) / total:.0%}",
    )  # fmt: skip
    return section(word(language, "cast_feelings"), about, f"<dl class='bars'>{bars}</dl>")


def _signatures(
    people: Sequence[Character],
    faces: Faces,
    signatures: Mapping[str, Mapping[str, float]],
    language: Language,
) -> str:
    legend = "".join(
        f"<li style='--tone:{BY_ZH[label].colour}'><i></i>{_emotion(label, language)}</li>"
        for label in LABELS
    )
    strips = "".join(_strip(faces[one.id], signatures[one.id], language) for one in people)
    head = ["", *(_emotion(label, language) for label in LABELS)]
    rows = (
        [escape(faces[one.id].name[language])]
        + [f"{signatures[one.id].get(label, 0):.0%}" for label in LABELS]
        for one in people
    )
    body = (
        f"<ul class='legend' aria-label='{word(language, 'cast_legend')}'>{legend}</ul>"
        f"<ul class='strips'>{strips}</ul><details><summary>{word(language, 'cast_table_of')}"
        f"</summary>{as_table(head, rows)}</details>"
    )
    about = word(language, "cast_signatures_about")
    return section(word(language, "cast_signatures"), about, body)


def _strip(face: Face, shares: Mapping[str, float], language: Language) -> str:
    pieces, told = "", []
    for label in LABELS:
        share = shares.get(label, 0)
        if share:
            name = _emotion(label, language)
            told.append(f"{name} {share:.0%}")
            pieces += (
                f"<i style='--tone:{BY_ZH[label].colour};flex-grow:{share:.3f}' "
                f"title='{name} {share:.0%}'></i>"
            )
    name = escape(face.name[language])
    return (
        f"<li><span>{name}</span><span class='strip' role='img' "
        f"aria-label='{'，'.join(told)}'>{pieces}</span></li>"
    )


def _traits(shelf: Shelf, counted: Counted, language: Language) -> str:
    holders = {
        trait_name(trait, language): "、".join(
            one.name[language] for one in shelf.characters if trait in one.traits
        )
        for trait in counted.numbers["traits"]
    }

    def about(trait: str) -> str:
        return say(language, "cast_trait_is", trait=trait, who=holders.get(trait, ""))

    label = say(language, "cast_traits")
    clouds = counted.clouds.get(language, {})
    drawn = "".join(
        drawings.cloud(places, CLOUDS[shape][0], label, shape, about)
        for shape, places in clouds.items()
    )
    rows = ([escape(trait), escape(who)] for trait, who in holders.items())
    summary = word(language, "cast_traits_table")
    details = f"<summary>{summary}</summary>{as_table((), rows, 'words')}"
    told = word(language, "cast_traits_about", people=len(shelf.characters), traits=len(holders))
    return section(escape(label), told, f"{drawn}<details>{details}</details>")


def _verbs(numbers: Mapping[str, Any], language: Language) -> str:
    verbs: Mapping[str, Mapping[str, int]] = numbers["verbs"]
    label = say(language, "cast_verbs")
    head = [word(language, key) for key in ("cast_verb", "cast_times", "cast_objects")]
    rows = (
        [escape(verb), str(sum(nouns.values())), escape("、".join(list(nouns)[:_OBJECTS]))]
        for verb, nouns in verbs.items()
    )
    asked = numbers["table"]["specific_instructions"]["here"]
    body = (
        f"{drawings.rings(verbs, say(language, 'cast_others'), label)}"
        f"<details><summary>{word(language, 'cast_table_of')}</summary>"
        f"{as_table(head, rows, 'words')}</details>"
    )
    return section(escape(label), word(language, "cast_verbs_about", count=f"{asked:,.0f}"), body)


def _beside_the_paper(table: Mapping[str, Mapping[str, float]], language: Language) -> str:
    head = ["", word(language, "cast_theirs"), word(language, "cast_ours")]
    rows = (
        [word(language, f"cast_row_{key}"), _number(both["paper"]), _number(both["here"])]
        for key, both in table.items()
    )
    about = word(language, "cast_paper_about")
    return section(word(language, "cast_paper"), about, as_table(head, rows, "beside"))


def _command() -> str:
    return f"<pre class='command'>{escape(COMMAND)}</pre>"


def _emotion(label: str, language: Language) -> str:
    return escape(label if language == "zh" else BY_ZH[label].en)


def _age(one: Character) -> int | None:
    found = re.match(r"\d+", one.profile.get("age", ""))
    return int(found.group()) if found else None


def _number(value: float) -> str:
    return f"{value:,.2f}" if value % 1 else f"{value:,.0f}"
