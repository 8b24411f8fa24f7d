"""A model on this machine: one thread owns it, requests queue, each gets its tokens in turn.

Two threads on one PEFT model give wrong text without an error, so nothing but the engine's own
thread ever touches the weights. Requests in flight take turns token by token; the attention cache
of finished ones is kept, so that the next turn of a talk only reads what is new.
"""

import queue
import random
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rolecraft.conversation import Finish, Identity, Message, Sampling
from rolecraft.emotions import split_opening
from rolecraft.engines.base import EngineCard
from rolecraft.engines.sampler import Sampler
from rolecraft.errors import EngineFailed, EngineNotFound, EngineUnavailable, InputRefused

IN_TURN = 4  # requests that take turns; more wait in the queue
PATIENCE_S = 120.0  # how long a silent engine is waited for before it counts as broken


@dataclass(frozen=True)
class LocalModel:
    """What to load: folders of the base and of each named adapter, and how."""

    base: str
    adapters: dict[str, str] = field(default_factory=dict)
    dtype: str = "float32"
    device: str = "cpu"
    quantization: str | None = None
    threads: int | None = None
    cached_tokens: int = 16_384  # attention cache kept for later turns, over all talks
    max_queue: int = 32


class LocalGeneration:
    """One request and its answer; pieces arrive on a queue from the engine's thread."""

    def __init__(
        self,
        ids: list[int],
        sampling: Sampling,
        adapter: str | None,
        opening: str,
        identity: Identity,
    ) -> None:
        self.ids = ids
        self.sampling = sampling
        self.adapter = adapter
        self.opening = opening
        self.identity = identity
        self.prompt_tokens = len(ids)
        self.reply_tokens = 0
        self.finish: Finish = "stop"
        self.seed = sampling.seed if sampling.seed is not None else random.getrandbits(31)
        self.cancelled = threading.Event()
        self.pieces: queue.Queue[str | EngineFailed | None] = queue.Queue()

    def cancel(self) -> None:
        """Stop before the next token."""
        self.cancelled.set()

    def __iter__(self) -> Iterator[str]:
        try:
            while True:
                try:
                    piece = self.pieces.get(timeout=PATIENCE_S)
                except queue.Empty:
                    raise EngineFailed(
                        f"{self.identity.engine} gave no sign for {PATIENCE_S:.0f} s. Try again."
                    ) from None
                if piece is None:
                    return
                if isinstance(piece, EngineFailed):
                    raise piece
                yield piece
        finally:
            self.cancel()


@dataclass
class _Running:
    """A request while the engine's thread works on it."""

    request: LocalGeneration
    sampler: Sampler
    decoder: Any
    cache: Any
    logits: Any
    written: str = ""
    tokens: list[int] = field(default_factory=list)


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
        """Queue a request. Raises EngineNotFound, EngineUnavailable or InputRefused."""
        name = adapter if adapter is not None else self.adapter
        return self.worker.submit(self.card.name, messages, sampling, name or None, opening)

    def count(self, text: str) -> int:
        """Tokens of a text, for budgets."""
        return self.worker.count(text)


class Worker:
    """The thread that owns one base model. Shared by every engine over the same base."""

    def __init__(self, model: LocalModel) -> None:
        self.model = model
        self._waiting: queue.Queue[LocalGeneration] = queue.Queue()
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: EngineUnavailable | None = None
        self._net: Any = None
        self.tokenizer: Any = None
        self.hashes: dict[str, str] = {}
        self._active: str | None = None
        self._memory: OrderedDict[tuple[str | None, tuple[int, ...]], Any] = OrderedDict()

    def start(self) -> None:
        """Start the thread once and wait until the weights are there."""
        with self._lock:
            if self._thread is None or self._failure:
                self._failure = None
                self._ready.clear()
                self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
                self._thread.start()
        self._ready.wait()
        if self._failure:
            raise self._failure

    def submit(
        self,
        engine: str,
        messages: Sequence[Message],
        sampling: Sampling,
        adapter: str | None,
        opening: str,
    ) -> LocalGeneration:
        """Queue a request; see `LocalEngine.stream`."""
        if adapter is not None and adapter not in self.model.adapters:
            known = ", ".join(self.model.adapters) or "none"
            raise EngineNotFound(
                f"No adapter named {adapter!r} on {self.model.base}. Known: {known}."
            )
        self.start()
        if self._waiting.qsize() >= self.model.max_queue:
            raise InputRefused(
                "很多人正在聊天，请过一会儿再说。 Many people are talking; try again in a moment."
            )
        ids = self.tokenizer.encode_chat(list(messages), opening=opening)
        context = self._net.config.max_position_embeddings
        if len(ids) + sampling.max_new_tokens > context:
            raise InputRefused(
                f"The prompt has {len(ids)} tokens and {sampling.max_new_tokens} may follow, but "
                f"{engine} reads {context}. Shorten the message or start a new conversation."
            )
        identity = Identity(
            engine,
            Path(self.model.base).name,
            self.hashes[""],
            adapter,
            self.hashes.get(adapter or "-", ""),
        )
        request = LocalGeneration(ids, sampling, adapter, opening, identity)
        self._waiting.put(request)
        return request

    def count(self, text: str) -> int:
        """Tokens of a text."""
        self.start()
        return len(self.tokenizer.encode(text))

    # Everything below runs on the engine's own thread.

    def _run(self) -> None:
        try:
            self._load()
        except Exception as error:
            self._failure = EngineUnavailable(f"{self.model.base} cannot be loaded: {error}")
            self._ready.set()
            return
        self._ready.set()
        running: list[_Running] = []
        while True:
            while len(running) < IN_TURN:
                try:
                    request = self._waiting.get(block=not running)
                except queue.Empty:
                    break
                self._guard(request, lambda request=request: running.append(self._begin(request)))
            for one in list(running):
                if not self._guard(one.request, lambda one=one: self._advance(one)):
                    running.remove(one)

    def _guard(self, request: LocalGeneration, work: Any) -> bool:
        """Run one piece of work; a failure ends that request alone. True while it goes on."""
        try:
            return work() is None
        except Exception as error:
            request.finish = "error"
            request.pieces.put(
                EngineFailed(
                    f"{request.identity.engine} failed: {error or type(error).__name__}. Try again."
                )
            )
            return False

    def _load(self) -> None:
        import torch

        from rolecraft.engines import chatglm3

        if self.model.threads:
            torch.set_num_threads(self.model.threads)
        torch.set_grad_enabled(False)
        model = chatglm3.load_model(
            self.model.base,
            dtype=self.model.dtype,
            device=self.model.device,
            quantization=self.model.quantization,
        )
        self.hashes = {"": chatglm3.weights_sha256(self.model.base)}
        for name, folder in self.model.adapters.items():
            model = chatglm3.attach(model, folder, name)
            self.hashes[name] = chatglm3.weights_sha256(folder)
        self._net = model
        self.tokenizer = chatglm3.load_tokenizer(self.model.base)
        if self.model.adapters:
            chatglm3.activate(model, None)

    def _begin(self, request: LocalGeneration) -> _Running:
        self._switch(request.adapter)
        cache, known = self._recall(request.adapter, request.ids)
        logits = self._forward(request.ids[known:], cache)
        sampler = Sampler(
            request.sampling,
            request.seed,
            self.tokenizer.stop_ids,
            lambda i: str(self.tokenizer.decode([i])),
        )
        return _Running(request, sampler, self.tokenizer.decoder(), cache, logits)

    def _advance(self, one: _Running) -> bool | None:
        """One token; returns a value (anything but None) when the reply has ended."""
        request = one.request
        if request.cancelled.is_set():
            return self._end(one, "user_stop")
        spoken = request.opening or bool(split_opening(one.written)[1].strip())
        may_stop = bool(spoken and one.written.strip())
        token = one.sampler.draw(one.logits, one.written, one.tokens, may_stop)
        if token in self.tokenizer.stop_ids:
            return self._end(one, "stop")
        one.tokens.append(token)
        request.reply_tokens = len(one.tokens)
        piece = one.decoder.push(token)
        if piece:
            one.written += piece
            request.pieces.put(piece)
        if len(one.tokens) >= request.sampling.max_new_tokens:
            return self._end(one, "length")
        self._switch(request.adapter)
        one.logits = self._forward([token], one.cache)
        return None

    def _end(self, one: _Running, finish: Finish) -> bool:
        rest = one.decoder.flush()
        if rest:
            one.request.pieces.put(rest)
        one.request.finish = finish
        self._remember(one)
        one.request.pieces.put(None)
        return True

    def _forward(self, ids: list[int], cache: Any) -> Any:
        import torch

        inputs = torch.tensor([ids], device=self._net.device)
        output = self._net(
            input_ids=inputs, past_key_values=cache, use_cache=True, logits_to_keep=1
        )
        return output.logits[0, -1]

    def _switch(self, adapter: str | None) -> None:
        if adapter != self._active:
            from rolecraft.engines import chatglm3

            chatglm3.activate(self._net, adapter)
            self._active = adapter

    def _recall(self, adapter: str | None, ids: list[int]) -> tuple[Any, int]:
        """A cache that holds the longest known beginning of `ids` (never all), and its length."""
        import copy

        from transformers import DynamicCache

        best, length = None, 0
        for key in self._memory:
            same = _common(key[1], ids) if key[0] == adapter else 0
            if same > length:
                best, length = key, same
        length = min(length, len(ids) - 1)
        if best is None or length < 8:
            return DynamicCache(), 0
        self._memory.move_to_end(best)
        cache = copy.deepcopy(self._memory[best])
        surplus = cache.get_seq_length() - length
        if surplus > 0:
            cache.crop(-surplus)
        return cache, length

    def _remember(self, one: _Running) -> None:
        held = (*one.request.ids, *one.tokens)[: one.cache.get_seq_length()]
        self._memory[(one.request.adapter, tuple(held))] = one.cache
        while sum(len(ids) for _, ids in self._memory) > self.model.cached_tokens:
            self._memory.popitem(last=False)


def _common(known: Sequence[int], ids: Sequence[int]) -> int:
    """How many tokens two sequences share from the start."""
    length = min(len(known), len(ids))
    return next((place for place in range(length) if known[place] != ids[place]), length)
