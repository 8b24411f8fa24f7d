"""What a visitor may set for their replies, read from what their browser sends.

Knows no component. Nothing that comes from a browser is trusted: what cannot be used is refused
by name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rolecraft.conversation import Sampling
from rolecraft.emotions import BY_ZH
from rolecraft.engines.catalog import Catalog
from rolecraft.errors import EngineNotFound, InputRefused
from rolecraft.ui.texts import Language, say


@dataclass(frozen=True)
class Limit:
    """The range of a slider."""

    low: float
    high: float
    step: float
    start: float


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper": {"temperature": 0.95, "top_p": 0.7},
    "calm": {"temperature": 0.4, "top_p": 0.6},
    "lively": {"temperature": 1.15, "top_p": 0.9},
}
LIMITS = {
    "temperature": Limit(0, 2, 0.05, 0.95),
    "top_p": Limit(0.05, 1, 0.05, 0.7),
    "max_new_tokens": Limit(16, 512, 16, 128),
}
_LONGEST_SEED = 2**31 - 1


@dataclass(frozen=True)
class Options:
    """How the next reply is made."""

    engine: str
    sampling: Sampling
    emotion: str | None = None
    passages: bool = True


def read_options(sent: object, catalog: Catalog, language: Language) -> Options:
    """The options a browser sent; what it left out is the engine's own.

    Raises EngineNotFound and InputRefused.
    """
    given: Mapping[str, Any] = sent if isinstance(sent, dict) else {}
    name = given.get("engine") or catalog.default
    if not isinstance(name, str) or name not in catalog.entries or catalog.entries[name].hidden:
        raise EngineNotFound(say(language, "hidden_engine", name=str(name)[:60]))
    emotion = given.get("emotion") or None
    if emotion is not None and (not isinstance(emotion, str) or emotion not in BY_ZH):
        raise _refused("emotion", emotion, language)
    sampling = _sampling(given, catalog.entries[name].sampling, language)
    return Options(name, sampling, emotion, given.get("passages") is not False)


def _sampling(given: Mapping[str, Any], own: Sampling, language: Language) -> Sampling:
    preset = given.get("preset") or "own"
    if preset == "own":
        return own
    if isinstance(preset, str) and preset in PRESETS:
        return replace(own, **PRESETS[preset])
    if preset != "custom":
        raise _refused("sampling", preset, language)
    changes: dict[str, Any] = {}
    for name, limit in LIMITS.items():
        value = given.get(name, limit.start)
        if not _number(value) or not limit.low <= value <= limit.high:
            raise _refused(name, value, language)
        changes[name] = int(value) if name == "max_new_tokens" else float(value)
    seed = given.get("seed")
    if seed not in (None, ""):
        if not _number(seed) or not 0 <= seed <= _LONGEST_SEED or seed != int(seed):
            raise _refused("seed", seed, language)
        changes["seed"] = int(seed)
    return replace(own, **changes)


def _number(value: object) -> bool:
    # bool is an int; NaN fails every comparison of its own
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def _refused(name: str, value: object, language: Language) -> InputRefused:
    shown = str(value)[:40]
    return InputRefused(say(language, "bad_setting", name=say(language, name), value=shown))
