"""Where a visitor stands on the page /compare, as their browser remembers it.

Knows no component. What comes back from a browser is checked: parts that are not what was given to
it are dropped.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from rolecraft.comparison.arms import Side
from rolecraft.engines.catalog import Catalog
from rolecraft.errors import InputRefused
from rolecraft.ui.options import PRESETS, read_options
from rolecraft.ui.texts import Language, say

Mode = Literal["blind", "open"]
_CONVERSATION = re.compile(r"[0-9a-f]{32}")
_CHARACTER = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_ENGINE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Wish:
    """One side as the visitor put it together in open mode."""

    engine: str = ""
    preset: str = "own"
    passages: bool = True
    emotions: bool = True


@dataclass(frozen=True)
class Stand:
    """The character and the conversation that is compared, and the two wishes of open mode."""

    mode: Mode = "blind"
    conversation: str = ""
    character: str = ""
    greeting: int = 0
    wishes: tuple[Wish, ...] = field(default=())

    def to_browser(self) -> dict[str, Any]:
        """What the browser is given to keep. In blind mode it names no arm."""
        return asdict(self)

    def left(self) -> "Stand":
        """The same way to compare, with nobody before the visitor."""
        return replace(self, conversation="", character="", greeting=0)


def read_stand(kept: object) -> Stand:
    """The stand that a browser kept, as far as it can be read."""
    found = kept if isinstance(kept, dict) else {}
    mode: Mode = "open" if found.get("mode") == "open" else "blind"
    greeting = found.get("greeting")
    return Stand(
        mode,
        _matching(found.get("conversation"), _CONVERSATION),
        _matching(found.get("character"), _CHARACTER),
        greeting if isinstance(greeting, int) and 0 <= greeting < 100 else 0,
        read_wishes(found.get("wishes")) if mode == "open" else (),
    )


def read_wishes(given: object) -> tuple[Wish, ...]:
    """Two wishes, or none when they are not two."""
    if not isinstance(given, list | tuple) or len(given) != 2:
        return ()
    return tuple(_wish(one if isinstance(one, dict) else {}) for one in given)


def sides(wishes: tuple[Wish, ...], catalog: Catalog, language: Language) -> tuple[Side, Side]:
    """The two sides that are wished for. Raises `InputRefused` and `EngineNotFound`."""
    if len(wishes) != 2:
        raise InputRefused(say(language, "compare_same_sides"))
    one, other = (_side(wish, catalog, language) for wish in wishes)
    if one == other:
        raise InputRefused(say(language, "compare_same_sides"))
    return one, other


def _side(wish: Wish, catalog: Catalog, language: Language) -> Side:
    given = {"engine": wish.engine, "preset": wish.preset, "passages": wish.passages}
    options = read_options(given, catalog, language)
    catalog.open(options.engine)  # its refusal must come before all else
    own = catalog.entry(options.engine).sampling
    return Side(options.engine, options.sampling, own, options.passages, wish.emotions)


def _wish(given: Mapping[str, Any]) -> Wish:
    preset = given.get("preset")
    return Wish(
        _matching(given.get("engine"), _ENGINE),
        preset if isinstance(preset, str) and preset in PRESETS else "own",
        given.get("passages") is not False,
        given.get("emotions") is not False,
    )


def _matching(value: object, pattern: re.Pattern[str]) -> str:
    return value if isinstance(value, str) and pattern.fullmatch(value) else ""
