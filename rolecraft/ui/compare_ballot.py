"""The ballot of a comparison: which reply is better and, behind a fold, the criteria one by one.

Pure. Nothing is chosen beforehand, and nothing tells which arm answered.
"""

from collections.abc import Mapping, Sequence

from rolecraft.ratings import rubric
from rolecraft.store.forms import CRITERIA, PREFERENCE, Form
from rolecraft.ui.markup import escape, word
from rolecraft.ui.texts import Language, say

LETTERS: Mapping[str, str] = {"left": "A", "right": "B"}
_KEYS = {"left": "←", "right": "→", "tie": "↓", "both_bad": "X"}
_VOTES = ("left", "tie", "both_bad", "right")
_POINTS = (1, 2, 3, 4, 5)


def ballot(form: Form, language: Language, *, again: bool = False) -> str:
    """The vote and, behind a fold, the criteria. Nothing is chosen beforehand."""
    parts = {"preference": _preference(language), "scores": _scores(form, language)}
    first = "preference" if form.order[0] == PREFERENCE else "scores"
    order = (first, "scores" if first == "preference" else "preference")
    save = word(language, "compare_save_again" if again else "compare_save")
    return (
        f'<form class="ballot" data-do="{"revise" if again else "submit"}" novalidate>'
        f"{''.join(parts[name] for name in order)}"
        f'<div class="pair-acts"><button type="submit" class="primary">{save}</button></div>'
        f'<details class="cmp-keys"><summary>{word(language, "rate_keys")}</summary>'
        f"<p>{word(language, 'compare_keys')}</p></details></form>"
    )


def _preference(language: Language) -> str:
    votes = "".join(
        f'<label class="cmp-vote {name}"><input type="radio" name="preference" value="{name}">'
        f'<span>{word(language, f"compare_{name}")}<kbd aria-hidden="true">{_KEYS[name]}</kbd>'
        "</span></label>"
        for name in _VOTES
    )
    return (
        f'<fieldset class="prefer"><legend>{word(language, "compare_prefer")}</legend>'
        f'<div class="cmp-votes">{votes}</div></fieldset>'
    )


def _scores(form: Form, language: Language) -> str:
    asked = [name for name in form.order if name in CRITERIA]
    if not asked:
        return ""
    about = rubric.rubric(language)
    rows = "".join(_criterion(name, about[name], language) for name in asked)
    return (
        f'<details class="cmp-scores"><summary>{word(language, "compare_scores")}</summary>'
        f"{rows}</details>"
    )


def _criterion(name: str, about: Mapping[str, object], language: Language) -> str:
    anchors = list(about["anchors"])  # type: ignore[call-overload]
    sides = "".join(_scale(name, side, str(about["name"]), anchors, language) for side in LETTERS)
    listed = "".join(f"<li>{escape(text)}</li>" for text in anchors)
    return (
        f'<div class="cmp-criterion" role="group" aria-label="{escape(str(about["name"]))}">'
        f"<p><strong>{escape(str(about['name']))}</strong>{escape(str(about['question']))}</p>"
        f'{sides}<ol class="cmp-anchors">{listed}</ol></div>'
    )


def _scale(
    criterion: str, side: str, title: str, anchors: Sequence[str], language: Language
) -> str:
    letter = LETTERS[side]
    points = [(str(value), str(value), text) for value, text in zip(_POINTS, anchors, strict=True)]
    points.append(("na", say(language, "compare_na_short"), say(language, "compare_na")))
    radios = "".join(
        f'<label title="{escape(meaning)}"><input type="radio" name="{side}:{criterion}" '
        f'value="{value}" aria-label="{escape(f"{shown}: {meaning}")}">'
        f"<span>{escape(shown)}</span></label>"
        for value, shown, meaning in points
    )
    label = f"{word(language, 'compare_reply', letter=letter)} · {escape(title)}"
    return (
        f'<div class="cmp-scale" role="radiogroup" aria-label="{label}" data-side="{side}" '
        f'data-criterion="{criterion}"><b aria-hidden="true">{letter}</b>{radios}</div>'
    )
