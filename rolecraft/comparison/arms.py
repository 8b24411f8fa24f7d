"""How one side of a comparison answers, and how a blind pair is drawn.

Pure: knows no page, no store and no model. Chance is an argument.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from rolecraft.conversation import Sampling
from rolecraft.engines.catalog import Catalog
from rolecraft.errors import EngineUnavailable

_SAMPLED = ("temperature", "top_p", "max_new_tokens")


@dataclass(frozen=True)
class Side:
    """One arm with what is switched on; `own` is the sampling that suits its engine."""

    engine: str
    sampling: Sampling
    own: Sampling
    passages: bool = True
    emotions: bool = True
    emotion: str | None = None  # the label that was asked for

    @property
    def conditions(self) -> str:
        """What sets it apart from the engine as it usually answers; "" for nothing."""
        changed = [] if self.passages else ["retrieval=off"]
        changed += [] if self.emotions else ["emotion=off"]
        changed += [f"emotion={self.emotion}"] if self.emotion else []
        changed += [
            f"{name}={getattr(self.sampling, name):g}"
            for name in _SAMPLED
            if getattr(self.sampling, name) != getattr(self.own, name)
        ]
        return ",".join(changed)


@dataclass(frozen=True)
class Drawn:
    """Two sides, and the chance with which this pair and no other was drawn by `policy`."""

    sides: tuple[Side, Side]
    policy: str
    probability: float


def usual(catalog: Catalog, engine: str) -> Side:
    """The engine as it answers when nothing is changed."""
    own = catalog.entry(engine).sampling
    return Side(engine, own, own)


def available(catalog: Catalog) -> tuple[str, ...]:
    """The engines that can answer here and may be shown."""
    entries = catalog.entries.values()
    return tuple(e.card.name for e in entries if e.card.available and not e.hidden)


def draw(catalog: Catalog, rng: random.Random) -> Drawn:
    """Any two of the available engines, each pair with the same chance.

    Raises `EngineUnavailable` when there are not two.
    """
    pairs: Sequence[tuple[str, str]] = list(combinations(available(catalog), 2))
    if not pairs:
        raise EngineUnavailable(
            "A comparison needs two engines that can answer here. Train or download another one, "
            "or set OPENAI_API_KEY; python -m rolecraft engines lists what each needs."
        )
    one, other = rng.choice(pairs)
    sides = usual(catalog, one), usual(catalog, other)
    return Drawn(sides, "uniform", 1 / len(pairs))


def chosen(one: Side, other: Side) -> Drawn:
    """A pair that the visitor put together."""
    return Drawn((one, other), "chosen", 1.0)
