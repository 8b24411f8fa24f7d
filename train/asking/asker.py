"""Carries tasks out: so many at once, again after a failure, every answer stored before it counts.

Works with any engine of the catalogue. Each request has a thread, since engines are read one
piece at a time; the threads are bounded by the number of requests at once.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from rolecraft.engines.base import Engine, Generation
from rolecraft.errors import (
    EngineFailed,
    EngineRefused,
    EngineUnavailable,
    InputRefused,
    RequestRefused,
    RoleCraftError,
)
from train.asking.answers import Answer, Answers
from train.asking.tasks import Model, Refused, Request, Settled, Task, settle

LONGEST_PAUSE_S = 60.0
GIVE_UP_AFTER = 8  # tasks in a row that failed: the server is gone


@dataclass
class Spent:
    """What this run paid for."""

    requests: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    reply_tokens: int = 0

    def add(self, answer: Answer) -> None:
        """Count an answer."""
        self.requests += 1
        self.prompt_tokens += answer.prompt_tokens
        self.reply_tokens += answer.reply_tokens


@dataclass
class Asker:
    """Asks one engine. `stop` is looked at before each request; when true, the rest is left."""

    engine: Engine
    model: Model
    answers: Answers
    at_once: int = 4
    retries: int = 4
    pause_s: float = 1.0  # before the first retry, on average half of it; doubles each time
    adapter: str | None = None
    stop: Callable[[Spent], bool] = lambda spent: False
    progress: Callable[[Settled, Spent], None] = lambda settled, spent: None
    rng: random.Random = field(default_factory=random.Random)
    spent: Spent = field(default_factory=Spent)
    refusal: RoleCraftError | None = field(default=None, init=False)
    _in_a_row: int = field(default=0, init=False)
    _open: dict[str, "asyncio.Task[Answer | Refused]"] = field(default_factory=dict, init=False)
    _running: set[Any] = field(default_factory=set, init=False)

    def ask(self, tasks: Sequence[Task]) -> list[Settled]:
        """What came of each task, in order. Raises what the engine says when it refuses all."""
        settled = asyncio.run(self._ask(tasks))
        if self.refusal:
            raise self.refusal
        return settled

    async def _ask(self, tasks: Sequence[Task]) -> list[Settled]:
        settled: dict[int, Settled] = {}
        rest = iter(enumerate(tasks))
        with ThreadPoolExecutor(self.at_once, thread_name_prefix="asking") as threads:

            async def worker() -> None:
                for n, task in rest:
                    settled[n] = await self._settle(task, threads)
                    self.progress(settled[n], self.spent)

            try:
                await asyncio.gather(*(worker() for _ in range(self.at_once)))
            finally:  # the threads of an interrupted run end at once
                for generation in list(self._running):
                    generation.cancel()
        return [settled[n] for n in range(len(tasks))]

    async def _settle(self, task: Task, threads: ThreadPoolExecutor) -> Settled:
        while isinstance(found := settle(task, self.model, self.answers), Request):
            if self.refusal or self._in_a_row >= GIVE_UP_AFTER or self.stop(self.spent):
                return Settled(task, "left")
            try:
                answer = await self._once(found, threads)
            except (EngineRefused, EngineUnavailable) as error:
                self.refusal = error
                return Settled(task, "left", None, str(error))
            except EngineFailed as error:
                self._in_a_row += 1
                return Settled(task, "failed", None, str(error))
            self._in_a_row = 0
            if isinstance(answer, Refused):
                return Settled(task, "unscored", None, answer.reason)
        return found

    async def _once(self, request: Request, threads: ThreadPoolExecutor) -> Answer | Refused:
        """Ask; two tasks that ask the same at the same time share the answer."""
        if request.key not in self._open:
            self._open[request.key] = asyncio.ensure_future(self._patiently(request, threads))
        try:
            return await asyncio.shield(self._open[request.key])
        finally:
            self._open.pop(request.key, None)

    async def _patiently(self, request: Request, threads: ThreadPoolExecutor) -> Answer | Refused:
        loop = asyncio.get_running_loop()
        for attempt in range(self.retries + 1):
            try:
                answer = await loop.run_in_executor(threads, self._hear, request)
            except (EngineRefused, EngineUnavailable):
                raise
            except (RequestRefused, InputRefused) as error:
                return Refused(f"refused: {error}")
            except EngineFailed:
                if attempt == self.retries:
                    raise
                # Full jitter: those who failed together do not come back together.
                longest = min(self.pause_s * 2**attempt, LONGEST_PAUSE_S)
                self.spent.retries += 1
                await asyncio.sleep(self.rng.uniform(0, longest))
            else:
                self.spent.add(answer)
                return answer
        raise AssertionError("the last attempt returns or raises")

    def _hear(self, request: Request) -> Answer:
        """One answer, stored. Runs on a thread of its own."""
        begun = time.monotonic()
        generation: Generation = self.engine.stream(
            request.messages, request.sampling, self.adapter
        )
        self._running.add(generation)
        try:
            text = "".join(generation)
        finally:
            self._running.discard(generation)
        if generation.finish not in ("stop", "length"):
            raise EngineFailed(f"{request.model.engine}: the answer was stopped. Run it again.")
        answer = Answer(
            text,
            generation.prompt_tokens,
            generation.reply_tokens,
            generation.finish,
            round(time.monotonic() - begun, 3),
            generation.identity.base,
        )
        self.answers.put(request.key, answer)
        return answer
