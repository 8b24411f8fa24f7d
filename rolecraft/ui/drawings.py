"""Drawings of the page as SVG: rings of verbs and objects, clouds of words.

Pure: numbers go in, SVG comes out. Colours are classes of the style sheet, so that a drawing
follows the theme; every shape has a title that says its number.
"""

from collections.abc import Callable, Mapping, Sequence
from math import cos, pi, sin

from rolecraft.evaluation.figures import Place
from rolecraft.ui.markup import escape

TONES = 8  # colours of the style sheet that a drawing takes in turn
_INNER, _MIDDLE, _OUTER = 84, 208, 330  # radii of the rings
_SIDE = 2 * _OUTER + 20
_LEAST_ARC = 15.0  # pixels of a sector's outer edge below which a word would not fit


def rings(verbs: Mapping[str, Mapping[str, int]], others: str, label: str, objects: int = 4) -> str:
    """Verbs inside, their `objects` most frequent objects outside (Fig. 3 of the paper).

    An object too rare for its word to fit is told among the others.
    """
    total = sum(sum(nouns.values()) for nouns in verbs.values()) or 1
    shapes, turn = [], 0.0
    for number, (verb, nouns) in enumerate(verbs.items()):
        tone = f"tone-{number % TONES}"
        own = sum(nouns.values())
        shapes.append(_sector(turn, own / total, (_INNER, _MIDDLE), verb, f"{verb} {own}", tone))
        shown = {
            noun: count
            for noun, count in list(nouns.items())[:objects]
            if _fits(count / total, _OUTER)
        }
        if rest := own - sum(shown.values()):
            shown[""] = rest
        for noun, count in shown.items():
            name, kind = (noun, tone) if noun else (others, f"{tone} rest")
            about = f"{verb} · {name} {count}"
            width = count / total
            shapes.append(_sector(turn, width, (_MIDDLE + 2, _OUTER), name, about, f"{kind} outer"))
            turn += width
    return _svg("rings", (_SIDE, _SIDE), label, "".join(shapes))


def cloud(
    places: Sequence[Place], size: tuple[int, int], label: str, kind: str,
    about: Callable[[str], str],
) -> str:  # fmt: skip
    """The words where a layout put them (Fig. 5 of the paper)."""
    words = "".join(
        f'<text x="{one.x}" y="{one.y}" font-size="{one.size}" textLength="{one.width}" '
        f'lengthAdjust="spacingAndGlyphs" class="tone-{sum(map(ord, one.word)) % TONES}">'
        f"<title>{escape(about(one.word))}</title>{escape(one.word)}</text>"
        for one in places
    )
    return _svg(f"cloud {kind}", size, label, words)


def _svg(kind: str, size: tuple[int, int], label: str, body: str) -> str:
    return (
        f'<svg class="{kind}" viewBox="0 0 {size[0]} {size[1]}" role="img" '
        f'aria-label="{escape(label)}">{body}</svg>'
    )


def _sector(
    turn: float, width: float, radii: tuple[int, int], word: str, about: str, kind: str
) -> str:
    """A piece of a ring from `turn`, with its word along the radius where there is room."""
    inner, outer = radii
    gap = min(0.0006, width / 4)
    begin, end = turn + gap, turn + width - gap
    large = int(width > 0.5)
    path = (
        f"M{_at(begin, inner)}L{_at(begin, outer)}"
        f"A{outer} {outer} 0 {large} 1 {_at(end, outer)}"
        f"L{_at(end, inner)}A{inner} {inner} 0 {large} 0 {_at(begin, inner)}Z"
    )
    text = ""
    if _fits(width, outer):
        angle = (turn + width / 2) * 360 - 90
        # words begin or end at the outer edge; on the left half they would stand on their heads
        left = angle > 90
        x, y = _point(turn + width / 2, outer - 10)
        text = (
            f'<text transform="translate({x:.1f} {y:.1f}) rotate({angle + 180 * left:.1f})" '
            f'text-anchor="{"start" if left else "end"}">{escape(word)}</text>'
        )
    return f'<g class="{kind}"><title>{escape(about)}</title><path d="{path}"/>{text}</g>'


def _fits(width: float, radius: float) -> bool:
    return 2 * pi * radius * width >= _LEAST_ARC


def _at(turn: float, radius: float) -> str:
    x, y = _point(turn, radius)
    return f"{x:.1f} {y:.1f}"


def _point(turn: float, radius: float) -> tuple[float, float]:
    """Clockwise from the top; 1 is a whole turn."""
    angle = 2 * pi * turn - pi / 2
    return _SIDE / 2 + radius * cos(angle), _SIDE / 2 + radius * sin(angle)
