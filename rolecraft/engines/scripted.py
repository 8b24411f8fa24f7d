"""The fake that ships: says what it was told to say, for tests, documentation and demonstrations.

Knows no model. It keeps the whole protocol: pieces, cancel, counts, failures half-way.
"""

import random
import threading
from collections import deque
from collections.abc import Iterator, Sequence

from rolecraft.conversation import Finish, Identity, Message, Sampling
from rolecraft.emotions import split_opening
from rolecraft.engines.base import EngineCard, Generation
from rolecraft.errors import EngineFailed

_REMEMBERED = 100  # prompts that a test may look at


class ScriptedGeneration(Generation):
    """Yields the characters of a text at a steady pace."""

    def __init__(
        self, engine: str, text: str, seed: int, pause_s: float, fail_after: int | None
    ) -> None:
        self.prompt_tokens = 0
        self.reply_tokens = 0
        self.finish: Finish = "stop"
        self.identity = Identity(engine, "scripted")
        self.seed = seed
        self._text = text
        self._pause_s = pause_s
        self._fail_after = fail_after
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """End before the next character."""
        self._cancelled.set()

    def __iter__(self) -> Iterator[str]:
        for place, character in enumerate(self._text):
            if self._fail_after is not None and place >= self._fail_after:
                self.finish = "error"
                raise EngineFailed(f"{self.identity.engine} was told to fail here. Try again.")
            if self._cancelled.wait(self._pause_s):
                self.finish = "user_stop"
                return
            self.reply_tokens += 1
            yield character


class ScriptedEngine:
    """Answers with its replies in turn; without any it echoes the last message."""

    def __init__(
        self,
        card: EngineCard,
        replies: Sequence[str] = (),
        pause_s: float = 0.0,
        fail_after: int | None = None,
    ) -> None:
        self.card = card
        self._replies = list(replies)
        self._pause_s = pause_s
        self._fail_after = fail_after
        self._spoken = 0
        self._lock = threading.Lock()
        self.prompts: deque[tuple[Message, ...]] = deque(maxlen=_REMEMBERED)

    def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        adapter: str | None = None,
        opening: str = "",
        character: str = "",
    ) -> ScriptedGeneration:
        """The next reply of the script."""
        with self._lock:
            self.prompts.append(tuple(messages))
            text = messages[-1].content
            if self._replies:
                text = self._replies[self._spoken % len(self._replies)]
            self._spoken += 1
        if opening:
            text = split_opening(text)[1]
        seed = sampling.seed if sampling.seed is not None else random.getrandbits(31)
        generation = ScriptedGeneration(self.card.name, text, seed, self._pause_s, self._fail_after)
        generation.prompt_tokens = sum(len(message.content) for message in messages)
        return generation
