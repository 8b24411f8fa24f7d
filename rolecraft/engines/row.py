"""A request in its slot: what was read of its prompt and written of its reply.

Knows neither the cache nor the model; `slots` moves it on.
"""

from dataclasses import dataclass, field
from typing import Any

from rolecraft.emotions import may_become_label, split_opening
from rolecraft.engines.generation import LocalGeneration
from rolecraft.engines.sampler import Draft, Sampler


@dataclass(eq=False)
class Row:
    """A request in its slot."""

    request: LocalGeneration
    sampler: Sampler
    decoder: Any
    place: int  # of its adapter in the stack
    slot: int
    read: int = 0  # tokens of prompt and reply whose keys and values the slot holds
    passed: int = 0  # how often a shorter prompt was read first
    written: str = ""
    shown: int = 0  # characters of it; what may be the beginning of a stop is held back
    spoken: bool = False
    tokens: list[int] = field(default_factory=list)

    @property
    def root(self) -> str:
        """Whose reading it is, for what is remembered."""
        return self.request.voice.revision if self.request.voice else ""

    @property
    def left(self) -> int:
        """Tokens of the prompt still to read."""
        return len(self.request.ids) - self.read

    def write(self, piece: str) -> tuple[str, bool]:
        """Write more; what of it may be shown, and whether the reply has come to a stop."""
        self.written += piece
        stops, start = self.request.stop, max(self.shown, 1)  # no reply is empty
        ends = [end for stop in stops if (end := self.written.find(stop, start)) != -1]
        if ends:
            self.written = self.written[: min(ends)]
            return self.rest(), True
        begun = [stop[:size] for stop in stops for size in range(1, len(stop))]
        held = max((len(one) for one in begun if self.written.endswith(one, start)), default=0)
        return self._show(len(self.written) - held), False

    def rest(self) -> str:
        """What was held back for a stop that did not come."""
        return self._show(len(self.written))

    def _show(self, end: int) -> str:
        piece = self.written[self.shown : end]
        self.shown = end
        return piece

    def draft(self) -> Draft:
        """What the sampler has to know of this row."""
        self.spoken = self.spoken or spoken(self.written, bool(self.request.opening))
        return Draft(self.sampler, self.written, self.tokens, self.spoken)


def spoken(written: str, labelled: bool) -> bool:
    """Whether a reply says something: its label alone, or the beginning of one, does not."""
    if labelled:
        return bool(written.strip())
    return not may_become_label(written) and bool(split_opening(written)[1].strip())
