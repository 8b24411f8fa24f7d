"""The style test on the page /cast: who is recognised by letters alone, and who is taken for whom.

Pure: the numbers of `StyleTest.as_json` go in, HTML comes out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rolecraft.ui.faces import Face
from rolecraft.ui.markup import escape, word
from rolecraft.ui.texts import Language

_TAKEN = 3  # names told of each person


def voices(style: Mapping[str, Any], faces: Mapping[str, Face], language: Language) -> str:
    """The headline numbers, a line for each person, and the whole table to unfold."""
    table: Mapping[str, Mapping[str, int]] = style["confusions"]
    people = sorted(table, key=lambda one: -style["recall"][one])
    figures = "".join(
        f"<div><dt>{word(language, key)}</dt><dd>{share:.0%}</dd></div>"
        for key, share in (
            ("cast_voice_right", style["accuracy"]),
            ("cast_voice_facts", style["accuracy_without_facts"]),
            ("cast_voice_chance", style["chance"]),
        )
    )
    lines = "".join(_line(one, table[one], faces, language) for one in people)
    matrix = _matrix(table, list(table), faces, language)
    return (
        f"<section><h2>{word(language, 'cast_voice')}</h2>"
        f"<p class='about'>{word(language, 'cast_voice_about', held_out=style['held_out'])}</p>"
        f"<dl class='figures'>{figures}</dl><ul class='voices'>{lines}</ul>"
        f"<details><summary>{word(language, 'cast_voice_matrix')}</summary>"
        f"<p class='about'>{word(language, 'cast_voice_row')}</p>{matrix}</details></section>"
    )


def _line(
    speaker: str, guesses: Mapping[str, int], faces: Mapping[str, Face], language: Language
) -> str:
    right, asked = guesses.get(speaker, 0), sum(guesses.values())
    wrong = sorted(
        (guess for guess in guesses if guess != speaker), key=lambda one: (-guesses[one], one)
    )
    names = "、" if language == "zh" else ", "
    taken = names.join(faces[one].name[language] for one in wrong[:_TAKEN])
    said = f"{word(language, 'cast_voice_taken')} {escape(taken)}"
    return (
        f"<li>{faces[speaker].picture(language, 'tiny')}"
        f"<span class='name'>{escape(faces[speaker].name[language])}</span>"
        f"<span class='right'><i style='width:{100 * right / max(asked, 1):.0f}%'></i></span>"
        f"<span class='count'>{word(language, 'cast_voice_own', right=right, all=asked)}</span>"
        f"<span class='taken'>{said if taken else word(language, 'cast_voice_never')}</span></li>"
    )


def _matrix(
    table: Mapping[str, Mapping[str, int]],
    people: Sequence[str],
    faces: Mapping[str, Face],
    language: Language,
) -> str:
    names = {one: escape(faces[one].name[language]) for one in people}
    head = "".join(f"<th scope='col'><span>{names[one]}</span></th>" for one in people)
    rows = ""
    for speaker in people:
        asked = max(sum(table[speaker].values()), 1)
        rows += f"<tr><th scope='row'>{names[speaker]}</th>"
        for guess in people:
            count = table[speaker].get(guess, 0)
            style = f" style='--share:{100 * count / asked:.0f}%'" if count else ""
            rows += f"<td{style}>{count or ''}</td>"
        rows += "</tr>"
    return (
        "<div class='wide-table'><table class='matrix'>"
        f"<thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
