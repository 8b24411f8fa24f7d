"""A GPU that is lent for the length of a call: the slot engine inside `spaces.GPU` of ZeroGPU.

The weights are read in the application's own process, which has no GPU. A reply is one call: on
ZeroGPU it runs in a process that was forked from this one and has the GPU, to which only plain
values go and from which only plain values come. Knows neither prompts nor pages.
"""

import logging
import os
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from rolecraft.conversation import Finish, Identity, Sampling
from rolecraft.engines.generation import LocalGeneration
from rolecraft.engines.loading import Loaded, LocalModel
from rolecraft.engines.local import Worker
from rolecraft.engines.slots import Slots, short
from rolecraft.engines.voices import Voices
from rolecraft.errors import EngineFailed, RoleCraftError

log = logging.getLogger(__name__)

Call = Callable[["Asked"], Generator["Said", None, None]]

# Seconds of GPU that a call asks for: shorter ones wait less, and what is over is cut off.
_READY_S = 15.0  # the weights on their way to the GPU, and the prompt
_TOKEN_S = 0.1
_LONGEST_S = 120.0


@dataclass(frozen=True)
class Asked:
    """One request as it goes to the process that has the GPU."""

    ids: tuple[int, ...]
    sampling: Sampling
    opening: str
    identity: Identity
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Said:
    """Some of a reply as it comes from there; the last one tells how it ended."""

    text: str
    logprobs: tuple[float, ...] = ()
    cached_tokens: int = 0
    finish: Finish | None = None
    failure: str = ""


class LentWorker(Worker):
    """Answers each request in one call of a function that `gpu` has marked."""

    def __init__(self, model: LocalModel, gpu: Any) -> None:
        super().__init__(replace(model, inline=True))
        self._read: Loaded | None = None
        self._inside: tuple[int, Worker] | None = None  # the process and its engine
        self._making = threading.Lock()
        # marked now: ZeroGPU looks for marks when the page is launched
        self._call: Call = gpu(duration=seconds_of)(self._answer)

    def enqueue(self, request: LocalGeneration) -> LocalGeneration:
        """Ready at once: whoever iterates makes the call, and waits in ZeroGPU's own queue."""
        request.begin()
        request.taken.set()
        request.drive = partial(next, self._carried(request), None)
        return request

    def _make_slots(self, loaded: Loaded) -> Slots | None:
        self._read = loaded
        return None  # there is no GPU here: they are made where it is

    def _carried(self, request: LocalGeneration) -> Iterator[None]:
        """Makes the call and hands over what it says, a piece at each step."""
        sampling = replace(request.sampling, seed=request.seed)
        asked = Asked(tuple(request.ids), sampling, request.opening, request.identity, request.stop)
        try:
            with closing(self._call(asked)) as call:
                while not request.cancelled.is_set():
                    said = next(call, None)
                    if said is None:
                        break
                    _hand_over(said, request)
                    if not request.ended:  # else on to the call's own end, which frees the GPU
                        yield
        except Exception as error:  # spaces raises gradio's errors: no GPU left, quota used up
            log.error("%s failed on the lent GPU", request.identity.engine, exc_info=error)
            told = f"{request.identity.engine} failed: {short(error)}. Try again."
            request.end("error", EngineFailed(told))
        if request.cancelled.is_set():
            request.end("user_stop")
        else:
            told = f"{request.identity.engine} was cut off before it had finished. Try again."
            request.end("error", EngineFailed(told))  # unless it has ended

    # What follows runs where the GPU is.

    def _answer(self, asked: Asked) -> Generator[Said, None, None]:
        try:
            yield from self._said(asked)
        except RoleCraftError as error:  # its text would not outlive the way back
            yield Said("", failure=str(error))

    def _said(self, asked: Asked) -> Generator[Said, None, None]:
        worker = self._here()
        voices = worker.start().voices
        name = asked.identity.adapter
        request = LocalGeneration(
            list(asked.ids), asked.sampling, asked.opening, asked.identity,
            lambda: 0.0, voices.get(name) if name else None, asked.stop,
        )  # fmt: skip
        told = 0
        for piece in worker.enqueue(request):
            logprobs, told = tuple(request.logprobs[told:]), len(request.logprobs)
            yield Said(piece, logprobs, request.cached_tokens)
        yield Said("", tuple(request.logprobs[told:]), finish=request.finish)

    def _here(self) -> Worker:
        """The engine of this process.

        A forked one takes the weights from its parent and no lock, since a thread that it did not
        take along may hold it.
        """
        with self._making:  # held by nobody in a process that is forked from
            if self._inside is None or self._inside[0] != os.getpid():
                assert self._read
                voices = Voices(self._read.net, self.model.adapters)
                self._inside = os.getpid(), Worker(self.model, replace(self._read, voices=voices))
            return self._inside[1]


def seconds_of(asked: Asked) -> float:
    """The longest that a call can take."""
    return min(_READY_S + _TOKEN_S * asked.sampling.max_new_tokens, _LONGEST_S)


def _hand_over(said: Said, request: LocalGeneration) -> None:
    request.cached_tokens = said.cached_tokens or request.cached_tokens
    request.write(said.text, *said.logprobs)
    if said.failure:
        request.end("error", EngineFailed(said.failure))
    elif said.finish:
        request.end(said.finish)
