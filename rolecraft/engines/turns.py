"""The model and the requests that take turns on it. Everything here runs on the engine's thread.

Two threads on one PEFT model give wrong text without an error, so nothing else touches the
weights. A step is one block of a prompt or one token of a reply; between steps others have theirs.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rolecraft.conversation import Finish
from rolecraft.emotions import may_become_label, split_opening
from rolecraft.engines.generation import LocalGeneration
from rolecraft.engines.prefixes import Prefixes
from rolecraft.engines.sampler import Sampler, Vocabulary
from rolecraft.errors import CheckpointError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LocalModel:
    """What to load: folders of the base and of each named adapter, and how."""

    base: str
    adapters: dict[str, str] = field(default_factory=dict)
    dtype: str = "float32"
    device: str = "cpu"
    quantization: str | None = None
    threads: int | None = None
    block: int = 64  # prompt tokens read at a time; larger suits a GPU
    cached_tokens: int = 16_384  # attention cache kept for later turns, over all talks
    max_queue: int = 32


@dataclass(frozen=True)
class Loaded:
    """A base model with its adapters, ready to be asked."""

    net: Any
    tokenizer: Any
    vocabulary: Vocabulary
    base_sha256: str
    adapters: dict[str, str]  # name: hash of the weights
    refused: dict[str, str]  # name: why it cannot speak

    @property
    def context(self) -> int:
        """Tokens that prompt and reply may have together."""
        return int(self.net.config.max_position_embeddings)


def load(model: LocalModel) -> Loaded:
    """Read the base and attach its adapters; one that cannot speak leaves the others alone."""
    import torch

    from rolecraft.engines import chatglm3

    if model.threads:
        torch.set_num_threads(model.threads)
    torch.set_grad_enabled(False)  # holds for this thread only
    net = chatglm3.load_model(
        model.base, dtype=model.dtype, device=model.device, quantization=model.quantization
    )
    tokenizer = chatglm3.load_tokenizer(model.base)
    adapters, refused = {}, {}
    for name, folder in model.adapters.items():
        try:
            chatglm3.attach(net, folder, name)
            adapters[name] = chatglm3.weights_sha256(folder)
        except CheckpointError as error:
            refused[name] = str(error)
            log.warning("The adapter %r is left out: %s", name, error)
    chatglm3.activate(net, None)  # the one attached last would go on speaking
    return Loaded(
        net,
        tokenizer,
        Vocabulary.of(tokenizer.piece_bytes, tokenizer.stop_ids, net.config.vocab_size),
        chatglm3.weights_sha256(model.base),
        adapters,
        refused,
    )


@dataclass(eq=False)
class Turn:
    """A request while the engine's thread works on it."""

    request: LocalGeneration
    sampler: Sampler
    decoder: Any
    cache: Any
    read: int  # tokens of the prompt that the cache holds
    logits: Any = None
    written: str = ""
    tokens: list[int] = field(default_factory=list)


class Turns:
    """Begins requests and moves them on, one step at a time."""

    def __init__(self, loaded: Loaded, model: LocalModel) -> None:
        self._loaded = loaded
        self._block = model.block
        self.prefixes = Prefixes(model.cached_tokens, model.block)
        self._active: str | None = None

    def begin(self, request: LocalGeneration) -> Turn:
        """Take a request up, with what is remembered of its prompt."""
        cache, read = self.prefixes.recall(request.adapter, request.ids)
        decoder = self._loaded.tokenizer.decoder()
        sampler = Sampler(request.sampling, request.seed, self._loaded.vocabulary, decoder.peek)
        return Turn(request, sampler, decoder, cache, read)

    def forget(self) -> None:
        """Trust nothing that a failed step may have left half done."""
        self.prefixes.clear()
        self._active = ""  # no adapter's name: the next step switches in any case

    def step(self, turn: Turn) -> bool:
        """Read a block of the prompt or write one token; false when that was the last."""
        finish = self._move(turn)
        if finish:
            turn.request.end(finish)
        return finish is None

    def _move(self, turn: Turn) -> Finish | None:
        if turn.request.cancelled.is_set():
            return "user_stop"
        self._switch(turn.request.adapter)
        if turn.read < len(turn.request.ids):
            self._read(turn)
            return None
        return self._write(turn)

    def _read(self, turn: Turn) -> None:
        ids = turn.request.ids
        block = ids[turn.read : turn.read + self._block]
        turn.logits = self._forward(block, turn.cache)
        turn.read += len(block)
        if turn.read == len(ids):
            self.prefixes.keep(turn.request.adapter, ids, turn.cache)

    def _write(self, turn: Turn) -> Finish | None:
        request = turn.request
        spoken = _spoken(turn.written, bool(request.opening))
        token = turn.sampler.draw(turn.logits, turn.written, turn.tokens, spoken)
        if token in self._loaded.tokenizer.stop_ids:
            return "stop"
        turn.tokens.append(token)
        piece = turn.decoder.push(token)
        last = len(turn.tokens) >= request.sampling.max_new_tokens
        if last and not turn.written + piece:
            piece = turn.decoder.flush()  # half a character is better than an empty reply
        turn.written += piece
        request.write(piece)
        if last:
            return "length"
        turn.logits = self._forward([token], turn.cache)
        return None

    def _forward(self, ids: Sequence[int], cache: Any) -> Any:
        import torch

        net = self._loaded.net
        inputs = torch.tensor([ids], device=net.device)
        output = net(input_ids=inputs, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return output.logits[0, -1]

    def _switch(self, adapter: str | None) -> None:
        if adapter != self._active:
            from rolecraft.engines import chatglm3

            chatglm3.activate(self._loaded.net, adapter)
            self._active = adapter


def _spoken(written: str, labelled: bool) -> bool:
    """Whether a reply says something: its label alone, or the beginning of one, does not."""
    if labelled:
        return bool(written.strip())
    return not may_become_label(written) and bool(split_opening(written)[1].strip())
