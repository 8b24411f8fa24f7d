"""What a local engine loads: which folders, how, and what comes of them.

Runs no model. `Loaded` is shared by the visitors' threads and the engine's; only its tokeniser
and its voices may be used from any of them.
"""

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rolecraft.engines.sampler import Vocabulary
from rolecraft.errors import CheckpointError

if TYPE_CHECKING:
    from rolecraft.engines.voices import Voices

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LocalModel:
    """What to load: folders of the base and of each named adapter, and how to serve them."""

    base: str
    adapters: dict[str, str] = field(default_factory=dict)
    dtype: str = "float32"
    device: str = "cpu"
    quantization: str | None = None
    threads: int | None = None
    slots: int = 16  # requests answered at once; more wait in the queue
    block: int = 64  # prompt tokens read between two steps of the others; larger suits a GPU
    cached_tokens: int = 16_384  # attention cache kept for later turns, over all talks
    max_queue: int = 32
    inline: bool = False  # no thread of its own: ZeroGPU lends its GPU to a call, not to a thread
    memory_gb: float | None = None  # everything together; None takes what the machine can spare


@dataclass(frozen=True)
class Loaded:
    """A base model ready to be asked, with whoever can speak on it."""

    net: Any
    tokenizer: Any
    vocabulary: Vocabulary
    base_sha256: str
    voices: "Voices"

    @property
    def dtype(self) -> str:
        """The type of its numbers, such as "bfloat16"; of quantised weights, what they are made of
        when they are used."""
        return str(self.net.dtype).removeprefix("torch.")

    @property
    def context(self) -> int:
        """Tokens that prompt and reply may have together."""
        return int(self.net.config.max_position_embeddings)


def load(model: LocalModel) -> Loaded:
    """Read the base and its adapters; one that cannot speak leaves the others alone."""
    import torch

    from rolecraft.engines import chatglm3
    from rolecraft.engines.voices import Voices

    if model.threads:
        torch.set_num_threads(model.threads)
    with torch.no_grad():
        net = chatglm3.load_model(
            model.base, dtype=model.dtype, device=model.device, quantization=model.quantization
        )
        tokenizer = chatglm3.load_tokenizer(model.base)
        voices = Voices(net, model.adapters)
        for name in list(model.adapters)[: model.slots]:
            try:
                voices.get(name)
            except CheckpointError as error:
                log.warning("The adapter %r is left out: %s", name, error)
    return Loaded(
        net,
        tokenizer,
        Vocabulary.of(tokenizer.piece_bytes, tokenizer.stop_ids, net.config.vocab_size, net.device),
        chatglm3.weights_sha256(model.base),
        voices,
    )
