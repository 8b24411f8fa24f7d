"""A model on this machine: one thread owns it, requests queue and take turns token by token.

Knows neither weights nor sampling: `turns` does the work on the engine's own thread.
"""

import difflib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import TypeVar

from rolecraft.conversation import Identity, Message, Sampling
from rolecraft.engines.base import EngineCard
from rolecraft.engines.generation import LocalGeneration
from rolecraft.engines.turns import Loaded, LocalModel, Turn, Turns, load
from rolecraft.errors import (
    EngineFailed,
    EngineNotFound,
    EngineUnavailable,
    InputRefused,
    RoleCraftError,
)

IN_TURN = 4  # requests that take turns; more wait in the queue

T = TypeVar("T")
log = logging.getLogger(__name__)


class LocalEngine:
    """Engine over a GLM checkpoint and its adapters. Loads at the first request or by `load`.

    Engines of one base share its worker; each has its own default adapter.
    """

    def __init__(self, card: EngineCard, worker: "Worker", adapter: str | None = None) -> None:
        self.card = card
        self.worker = worker
        self.adapter = adapter

    def load(self) -> None:
        """Load now, so that the first visitor does not wait."""
        self.worker.start()

    def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        adapter: str | None = None,
        opening: str = "",
        character: str = "",
    ) -> LocalGeneration:
        """Queue a request; `adapter` "" lets the base speak alone.

        Raises EngineNotFound, EngineUnavailable or InputRefused.
        """
        name = self.adapter if adapter is None else adapter
        return self.worker.submit(self.card.name, messages, sampling, name or None, opening)

    def count(self, text: str) -> int:
        """Tokens of a text, for budgets."""
        return self.worker.count(text)


class Worker:
    """The thread that owns one base model. Shared by every engine over the same base."""

    def __init__(self, model: LocalModel) -> None:
        self.model = model
        self._waiting: deque[LocalGeneration] = deque()
        self._changed = threading.Condition()
        self._loading: Future[Loaded] | None = None
        self._sign = 0.0  # when the thread last did something

    def start(self) -> Loaded:
        """Load once and wait for it; after a failure the next call tries again."""
        with self._changed:
            if self._loading is None or (self._loading.done() and self._loading.exception()):
                self._loading = Future()
                name = f"engine {Path(self.model.base).name}"
                threading.Thread(
                    target=self._run, args=(self._loading,), name=name, daemon=True
                ).start()
            loading = self._loading
        failure = loading.exception()
        if failure:
            raise EngineUnavailable(str(failure))  # its own, for every thread that waits
        return loading.result()

    def submit(
        self,
        engine: str,
        messages: Sequence[Message],
        sampling: Sampling,
        adapter: str | None,
        opening: str,
    ) -> LocalGeneration:
        """Queue a request; see `LocalEngine.stream`."""
        base = Path(self.model.base).name
        if adapter is not None and adapter not in self.model.adapters:
            known = difflib.get_close_matches(adapter, self.model.adapters, 3, 0.4)
            known = known or list(self.model.adapters) or ["none"]
            raise EngineNotFound(
                f"No adapter named {adapter!r} on {base}. Known: {', '.join(known)}."
            )
        loaded = self.start()
        if adapter in loaded.refused:
            raise EngineUnavailable(
                f"The adapter {adapter!r} cannot speak on {base}: {loaded.refused[adapter]}"
            )
        # The reply's empty metadata line is given, so that no function call can open it.
        tokenizer = loaded.tokenizer
        ids = [*tokenizer.encode_chat(messages), *tokenizer.encode_reply(opening)]
        if len(ids) + sampling.max_new_tokens > loaded.context:
            raise InputRefused(
                f"这段话连同设定有 {len(ids)} 个词元，回答还要 {sampling.max_new_tokens} 个，"
                f"{engine} 一次只读 {loaded.context} 个。请缩短消息，或开始新的对话。 "
                f"The prompt has {len(ids)} tokens and {sampling.max_new_tokens} may follow, but "
                f"{engine} reads {loaded.context}. Shorten the message or start a new conversation."
            )
        speaker = loaded.adapters[adapter] if adapter else ""
        identity = Identity(engine, base, loaded.base_sha256, adapter, speaker)
        return self._enqueue(LocalGeneration(ids, sampling, opening, identity, self._silence))

    def count(self, text: str) -> int:
        """Tokens of a text."""
        return len(self.start().tokenizer.encode(text))

    def _enqueue(self, request: LocalGeneration) -> LocalGeneration:
        with self._changed:
            waiting = [one for one in self._waiting if not one.cancelled.is_set()]
            if len(waiting) >= self.model.max_queue:
                raise InputRefused(
                    "很多人正在聊天，请过一会儿再说。 "
                    "Many people are talking; try again in a moment."
                )
            self._waiting = deque([*waiting, request])
            self._changed.notify()
        return request

    def _silence(self) -> float:
        return time.monotonic() - self._sign

    # Everything below runs on the engine's own thread.

    def _run(self, loading: "Future[Loaded]") -> None:
        try:
            loaded = load(self.model)
        except BaseException as error:
            log.exception("%s cannot be loaded", self.model.base)
            loading.set_exception(
                EngineUnavailable(f"{self.model.base} cannot be loaded: {_short(error)}")
            )
            return
        loading.set_result(loaded)
        running: list[Turn] = []
        try:
            self._serve(Turns(loaded, self.model), running)
        except BaseException:
            log.exception("The engine's thread on %s has died", self.model.base)
            with self._changed:
                self._loading = None  # the next request loads anew
                stranded = [*(turn.request for turn in running), *self._waiting]
                self._waiting.clear()
            for request in stranded:
                said = f"{request.identity.engine} broke down. Try again."
                request.end("error", EngineFailed(said))

    def _serve(self, turns: Turns, running: list[Turn]) -> None:
        while True:
            for request in self._admit(IN_TURN - len(running)):
                turn = self._attempt(turns, request, partial(turns.begin, request))
                running += [turn] if turn else []
            for turn in list(running):
                if not self._attempt(turns, turn.request, partial(turns.step, turn)):
                    running.remove(turn)

    def _admit(self, places: int) -> list[LocalGeneration]:
        """Requests for the free places; waits for one when every place is free."""
        with self._changed:
            while not self._waiting and places == IN_TURN:
                self._changed.wait()
            first = [self._waiting.popleft() for _ in range(min(places, len(self._waiting)))]
        return [request for request in first if request.begin()]

    def _attempt(self, turns: Turns, request: LocalGeneration, work: Callable[[], T]) -> T | None:
        """What the work returns; None when it failed, which ends this request alone."""
        self._sign = time.monotonic()
        try:
            return work()
        except Exception as error:
            log.exception("%s failed while it answered", request.identity.engine)
            turns.forget()
            said = f"{request.identity.engine} failed: {_short(error)}. Try again."
            request.end("error", EngineFailed(said))
            return None


def _short(error: BaseException) -> str:
    """An error in a line; the log has all of it."""
    if isinstance(error, RoleCraftError):
        return str(error)
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
