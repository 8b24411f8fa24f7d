"""The protocol that every engine keeps: messages in, text pieces out, cancellable at any token.

Knows no character, no store and no model library.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from rolecraft.conversation import Finish, Identity, Message, Sampling


@dataclass(frozen=True)
class EngineCard:
    """What the catalogue says of an engine, and whether it can answer here and now."""

    name: str
    kind: str  # local | openai_compatible | written | scripted
    summary: dict[str, str]  # zh, en
    profile: str = ""  # mini | chatglm3 | endpoint
    memory: str = ""
    licence: str = ""
    available: bool = True
    remedy: str = ""  # what to do when it is not available
    emotion_in_prompt: bool = False  # endpoints are told of the emotion label; tuned models know it


class Generation(Protocol):
    """One running answer. Iterate it for text pieces; the counts are final when it ends.

    Iterating raises `EngineFailed` when the engine breaks; the pieces before it stay valid.
    """

    prompt_tokens: int
    reply_tokens: int
    finish: Finish
    identity: Identity
    seed: int

    def waiting(self) -> Iterator[tuple[int, float | None]]:
        """While others are first: the place in the queue, 1 being the next, and the seconds until
        its turn, None when nobody knows. Ends when the model begins; no queue, nothing to wait.
        """
        return iter(())

    def __iter__(self) -> Iterator[str]: ...

    def cancel(self) -> None:
        """Stop the model within two tokens; iteration then ends with finish `user_stop`."""


class Engine(Protocol):
    """Something that answers. Safe to call from several threads."""

    card: EngineCard

    def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        adapter: str | None = None,
        opening: str = "",
        character: str = "",
    ) -> Generation:
        """Start an answer to `messages`.

        `opening` is text the reply is made to begin with (the asked emotion); it is not yielded
        again. `adapter` overrides the engine's own; None keeps it. `character` is the id of who
        speaks, for engines that look things up by it; the others read it from the messages.
        """
