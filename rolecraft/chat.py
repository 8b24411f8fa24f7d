"""One turn of talk with a character: retrieve, build the prompt, stream the reply.

Knows no web page and no model library: the passages' index and the engine are passed in.
"""

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from rolecraft.characters.model import Character
from rolecraft.conversation import Budget, Conversation, Finish, Message, Passage, Reply, Sampling
from rolecraft.emotions import may_become_label, opening, split_opening
from rolecraft.engines.base import Engine, Generation
from rolecraft.prompts import render


class Retriever(Protocol):
    """What the chat needs of the index."""

    def retrieve(
        self, character: Character, question: str, history: tuple[str, ...] = ()
    ) -> tuple[Passage, ...]: ...


@dataclass(frozen=True)
class Request:
    """What one reply is made from. `emotion` asks for a label; None leaves it to the model."""

    character: Character
    conversation: Conversation  # its last turn is the open one
    engine: Engine
    budget: Budget
    sampling: Sampling
    adapter: str | None = None
    emotion: str | None = None
    passages: tuple[Passage, ...] | None = None  # given ones are not retrieved again
    conditions: str = ""  # what of all this is not the engine's own way, for the reply to say
    begun: float | None = None  # by the clock, when the wait began before `start`


@dataclass(frozen=True)
class Partial:
    """The reply so far, its label already taken off; before it begins, the place in the queue."""

    text: str
    emotion: str | None
    place: int = 0  # 1 is the next; 0 is being answered
    wait_s: float | None = None  # until its turn, where that can be told


def start(
    request: Request, retriever: Retriever, clock: Callable[[], float] = time.monotonic
) -> "Answering":
    """Retrieve, render and start the engine. Raises the engine's own refusals.

    All three are part of what is waited for, and of the reply's times.
    """
    begun = clock() if request.begun is None else request.begun
    turns = request.conversation.turns
    question = turns[-1].user
    passages = request.passages
    if passages is None:
        history = tuple(turn.user for turn in turns[:-1])
        passages = retriever.retrieve(request.character, question, history)
    messages = render(request.character, passages, request.conversation, request.budget)
    label = opening(request.emotion) if request.emotion else ""
    generation = request.engine.stream(
        messages, request.sampling, request.adapter, label, request.character.id
    )
    return Answering(request, passages, messages, generation, begun, clock)


class Answering:
    """A reply in the making. Iterate for `Partial`s; `reply` is what there is at any time."""

    def __init__(
        self,
        request: Request,
        passages: tuple[Passage, ...],
        messages: tuple[Message, ...],
        generation: Generation,
        begun: float,
        clock: Callable[[], float],
    ) -> None:
        self._request = request
        self._passages = passages
        self._messages = messages
        self._generation = generation
        self._begun = begun
        self._clock = clock
        self._first: float | None = None
        self._ended: float | None = None
        self._raw = opening(request.emotion) if request.emotion else ""
        self._finish: Finish | None = None

    def __iter__(self) -> Iterator[Partial]:
        return self.partials()

    def partials(self) -> Generator[Partial, None, None]:
        """The reply as it grows; closing it early stops the model and marks a disconnect."""
        try:
            place = 0
            for place, wait in self._generation.waiting():
                yield Partial("", None, place, wait)
            if place:
                yield Partial("", None)  # its turn has come
            for piece in self._generation:
                if self._first is None:
                    self._first = self._clock()
                self._raw += piece
                if not may_become_label(self._raw):
                    yield self._partial()
            self._finish = self._generation.finish
        except GeneratorExit:
            self._finish = "disconnect"
            raise
        except Exception:
            self._finish = "error"
            raise
        finally:
            self._generation.cancel()
            self._ended = self._clock()

    def cancel(self) -> None:
        """Stop the model; iteration ends with what was written."""
        self._generation.cancel()

    def _partial(self) -> Partial:
        emotion, text = split_opening(self._raw)
        return Partial(text, emotion)

    @property
    def reply(self) -> Reply:
        """The reply as far as it was written, with all that made it."""
        emotion, text = split_opening(self._raw)
        generation = self._generation
        first = self._first if self._first is not None else self._clock()
        ended = self._ended if self._ended is not None else self._clock()
        return Reply(
            text=text.strip(),
            emotion=emotion,
            passages=self._passages,
            identity=generation.identity,
            sampling=replace(self._request.sampling, seed=generation.seed),
            seed=generation.seed,
            prompt=self._messages,
            prompt_tokens=generation.prompt_tokens,
            reply_tokens=generation.reply_tokens,
            first_token_ms=round((first - self._begun) * 1000, 1),
            total_ms=round((ended - self._begun) * 1000, 1),
            finish=self._finish or generation.finish,
            conditions=self._request.conditions,
        )
