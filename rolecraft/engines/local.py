"""A model on this machine: one thread owns it, requests queue for its slots and are told when.

Knows neither weights nor sampling: `slots` does the work on the engine's own thread.
"""

import difflib
import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path

from rolecraft.conversation import Identity, Message, Sampling
from rolecraft.engines.base import EngineCard
from rolecraft.engines.generation import LocalGeneration
from rolecraft.engines.loading import Loaded, LocalModel, load
from rolecraft.engines.slots import Slots, short
from rolecraft.errors import (
    CheckpointError,
    EngineFailed,
    EngineNotFound,
    EngineUnavailable,
    InputRefused,
)

log = logging.getLogger(__name__)


class LocalEngine:
    """Engine over a GLM checkpoint and its adapters. Loads at the first request or by `load`.

    Engines of one base share its worker; each has its own default adapter, and texts that `stop`
    its replies.
    """

    def __init__(
        self,
        card: EngineCard,
        worker: "Worker",
        adapter: str | None = None,
        stop: Sequence[str] = (),
    ) -> None:
        self.card = card
        self.worker = worker
        self.adapter = adapter
        self.stop = tuple(stop)

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
        return self.worker.submit(
            self.card.name, messages, sampling, name or None, opening, self.stop
        )

    def count(self, text: str) -> int:
        """Tokens of a text, for budgets."""
        return self.worker.count(text)


class Worker:
    """The thread that owns one base model. Shared by every engine over the same base.

    What is `loaded` already is not loaded again.
    """

    def __init__(self, model: LocalModel, loaded: Loaded | None = None) -> None:
        self.model = model
        self._loaded = loaded
        self._waiting: deque[LocalGeneration] = deque()
        self._changed = threading.Condition()
        self._loading: Future[Loaded] | None = None
        self.slots: Slots | None = None  # once loaded; only its thread may step it
        self._stepping = threading.Lock()
        self._sign = 0.0  # when the thread last did something

    def start(self) -> Loaded:
        """Load once and wait for it; after a failure the next call tries again."""
        with self._changed:
            if self._loading is None or (self._loading.done() and self._loading.exception()):
                self._loading = Future()
                if self.model.inline:
                    self._load(self._loading)
                else:
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
        stop: tuple[str, ...] = (),
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
        try:
            voice = loaded.voices.get(adapter) if adapter else None  # on the visitor's thread
        except CheckpointError as error:
            raise EngineUnavailable(
                f"The adapter {adapter!r} cannot speak on {base}: {error}"
            ) from error
        # The reply's empty metadata line is given, so that no function call can open it.
        tokenizer = loaded.tokenizer
        ids = [*tokenizer.encode_chat(messages), *tokenizer.encode_reply(opening)]
        context = self.slots.length if self.slots else loaded.context
        if len(ids) + sampling.max_new_tokens > context:
            raise InputRefused(
                f"这段话连同设定有 {len(ids)} 个词元，回答还要 {sampling.max_new_tokens} 个，"
                f"{engine} 一次只读 {context} 个。请缩短消息，或开始新的对话。 "
                f"The prompt has {len(ids)} tokens and {sampling.max_new_tokens} may follow, but "
                f"{engine} reads {context}. Shorten the message or start a new conversation."
            )
        identity = Identity(
            engine, base, loaded.base_sha256, adapter, voice.sha256 if voice else "",
            loaded.dtype, self.model.quantization or "", tokenizer.sha256,
        )  # fmt: skip
        return self.enqueue(
            LocalGeneration(
                ids, sampling, opening, identity, self._silence, voice, stop, self._place
            )
        )

    def count(self, text: str) -> int:
        """Tokens of a text."""
        return len(self.start().tokenizer.encode(text))

    def enqueue(self, request: LocalGeneration) -> LocalGeneration:
        """Put a request at the end of the queue. Raises InputRefused when that is full."""
        if self.model.inline:
            request.drive = self._drive
        with self._changed:
            waiting = [one for one in self._waiting if not one.cancelled.is_set()]
            free = self.slots.free if self.slots else 0  # who comes in a burst has these too
            if len(waiting) >= self.model.max_queue + free:
                raise InputRefused(
                    "很多人正在聊天，请过一会儿再说。 "
                    "Many people are talking; try again in a moment."
                )
            self._waiting = deque([*waiting, request])
            self._changed.notify()
        return request

    def _silence(self) -> float:
        return time.monotonic() - self._sign

    def _place(self, request: LocalGeneration) -> tuple[int, float | None]:
        """Which place a request has in the queue, and the seconds that means."""
        with self._changed:
            waiting = [one for one in self._waiting if not one.cancelled.is_set()]
            position = waiting.index(request) + 1 if request in waiting else 0
            slots = self.slots
        if not position:
            return 0, 0.0
        pace = slots.pace if slots else None
        return position, None if slots is None or pace is None else pace * position / slots.count

    def _drive(self) -> None:
        """A step on the thread of a visitor who waits for a piece; the others gain by it too."""
        import torch

        slots = self.slots
        with self._stepping, torch.inference_mode():
            if slots and (slots.requests or self._waiting):
                self._turn(slots)

    # Everything below runs on the engine's own thread (with `inline`, under its lock).

    def _load(self, loading: "Future[Loaded]") -> Slots | None:
        import torch

        try:
            loaded = self._loaded or load(self.model)
            with torch.inference_mode():
                self.slots = self._make_slots(loaded)
        except BaseException as error:
            log.exception("%s cannot be loaded", self.model.base)
            loading.set_exception(
                EngineUnavailable(f"{self.model.base} cannot be loaded: {short(error)}")
            )
            return None
        loading.set_result(loaded)
        return self.slots

    def _make_slots(self, loaded: Loaded) -> Slots | None:
        return Slots(loaded, self.model)

    def _run(self, loading: "Future[Loaded]") -> None:
        import torch

        slots = self._load(loading)
        if slots is None:
            return
        try:
            with torch.inference_mode():
                while True:
                    self._turn(slots)
        except BaseException:
            log.exception("The engine's thread on %s has died", self.model.base)
            with self._changed:
                self._loading = self.slots = None  # the next request loads anew
                stranded = [*slots.requests, *self._waiting]
                self._waiting.clear()
            for request in stranded:
                said = f"{request.identity.engine} broke down. Try again."
                request.end("error", EngineFailed(said))

    def _turn(self, slots: Slots) -> None:
        """Take up who waits for a free slot, and move everyone on."""
        for request in self._admit(slots.free, idle=not slots.requests):
            if not slots.begin(request):
                self._put_back(request)
                break
        self._sign = time.monotonic()
        slots.step()

    def _admit(self, places: int, idle: bool) -> Iterator[LocalGeneration]:
        """Requests for the free slots, who came first first; waits for one when all are free."""
        with self._changed:
            while idle and not self._waiting:
                self._changed.wait()
        for _ in range(places):
            with self._changed:
                if not self._waiting:
                    return
                request = self._waiting.popleft()
            if request.begin():
                yield request

    def _put_back(self, request: LocalGeneration) -> None:
        """Every adapter's place is taken: the request is the first to go on waiting."""
        request.postpone()
        with self._changed:
            self._waiting.appendleft(request)
