"""Models, adapters and requests that the serving benchmark measures: random weights, fixed seeds.

Replies are as long as asked: nothing ends one early. The engine is driven without its thread, so
that CPU time is counted where it is spent. The rivals are in `serving_rivals`.
"""

import time
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import GlmConfig, GlmForCausalLM

from rolecraft.conversation import Identity, Sampling
from rolecraft.engines.generation import LocalGeneration
from rolecraft.engines.loading import Loaded, LocalModel
from rolecraft.engines.sampler import Vocabulary
from rolecraft.engines.slots import Slots
from rolecraft.engines.voices import Voice, read_parts

STOP = 0  # its output row is zero, so a random model never likes it best
SMALL = {
    "hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 6,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 64, "vocab_size": 8000,
}  # fmt: skip
TOY = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 28,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 512,
}  # fmt: skip
CHATGLM3 = {
    "hidden_size": 4096, "intermediate_size": 13696, "num_hidden_layers": 28,
    "num_attention_heads": 32, "num_key_value_heads": 2, "head_dim": 128, "vocab_size": 65024,
}  # fmt: skip


class _Letters:
    """A decoder to which every token is a letter."""

    def push(self, index: int) -> str:
        return chr(0x4E00 + index % 20000)

    peek = push

    def flush(self) -> str:
        return ""


@dataclass
class Bench:
    """One base model with its adapters, for the engine and for its rivals."""

    net: Any
    peft: Any
    folders: dict[str, str]
    loaded: Loaded

    def slots(self, **options: Any) -> Slots:
        """The engine's inside, ready to be stepped."""
        return Slots(self.loaded, LocalModel("bench", self.folders, **options))


def make_net(sizes: Mapping[str, int], dtype: torch.dtype, device: str, length: int = 2048) -> Any:
    """A GLM with random weights."""
    torch.manual_seed(0)
    config = GlmConfig(
        **sizes, max_position_embeddings=length, attention_bias=True, pad_token_id=1,
        eos_token_id=STOP, bos_token_id=None, tie_word_embeddings=False,
    )  # fmt: skip
    with torch.device(device):
        torch.set_default_dtype(dtype)
        net = GlmForCausalLM(config).eval()
        torch.set_default_dtype(torch.float32)
    net.lm_head.weight.data[STOP] = 0.0
    net.requires_grad_(False)
    return net


def make_bench(
    sizes: Mapping[str, int],
    folder: Path,
    adapters: int,
    rank: int,
    targets: Sequence[str],
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
    rival: bool = True,
) -> Bench:
    """A base with `adapters` random adapters that PEFT made and saved.

    The rival has weights of its own; without one, adapters are made on a base of one layer.
    """
    net = make_net(sizes, dtype, device)
    config = LoraConfig(
        r=rank, lora_alpha=rank, target_modules=list(targets), init_lora_weights=False,
        task_type="CAUSAL_LM",
    )  # fmt: skip
    peft = get_peft_model(make_net(sizes, dtype, device), config, "a0") if rival else None
    folders, voices = {}, _Voices()
    for number in range(adapters):
        name = f"a{number}"
        torch.manual_seed(100 + number)
        if peft is not None and number:
            peft.add_adapter(name, config)
        if peft is not None:
            peft.save_pretrained(str(folder), selected_adapters=[name])
            voices.add(Voice(name, name, read_parts(net, folder / name)))
        else:
            voices.add(_random_voice(net, name, rank, targets))
        folders[name] = str(folder / name)
    if peft is not None:
        peft.eval().requires_grad_(False)
    size = sizes["vocab_size"]
    none = torch.tensor([], dtype=torch.long, device=device)
    allowed = torch.zeros(size, device=device)
    vocabulary = Vocabulary(torch.tensor([STOP], device=device), none, none, allowed)
    tokenizer = types.SimpleNamespace(decoder=_Letters, stop_ids=(STOP,))
    return Bench(net, peft, folders, Loaded(net, tokenizer, vocabulary, "bench", voices))


class _Voices:
    """The adapters of a bench, all in memory."""

    def __init__(self) -> None:
        self._voices: dict[str, Voice] = {}

    def add(self, voice: Voice) -> None:
        self._voices[voice.name] = voice

    def get(self, name: str) -> Voice:
        return self._voices[name]

    def held(self) -> list[Voice]:
        return list(self._voices.values())


def _random_voice(net: Any, name: str, rank: int, targets: Sequence[str]) -> Voice:
    """An adapter of ChatGLM3's own kind (one `a` for q, k and v), or of every linear layer."""
    from rolecraft.engines.voices import Part

    config = net.config
    hidden, wide = config.hidden_size, config.intermediate_size
    out = (config.num_attention_heads + 2 * config.num_key_value_heads) * config.head_dim
    shapes = {"qkv": (hidden, out)}
    if "o_proj" in targets:
        inner = config.num_attention_heads * config.head_dim
        shapes |= {"o": (inner, hidden), "up": (hidden, 2 * wide), "down": (wide, hidden)}
    parts = {
        (layer, module): Part(torch.randn(i, rank) * 0.02, torch.randn(rank, o) * 0.02)
        for layer in range(config.num_hidden_layers)
        for module, (i, o) in shapes.items()
    }
    return Voice(name, name, parts)


@dataclass(frozen=True)
class Ask:
    """One request of the benchmark."""

    ids: list[int]
    count: int
    adapter: str | None = None


def asks(
    count: int, prompt: int, tokens: int, adapters: int = 0, vocabulary: int = 8000
) -> list[Ask]:
    """`count` different prompts, spread over the adapters."""
    torch.manual_seed(7)
    names = [f"a{number % adapters}" if adapters else None for number in range(count)]
    rows = torch.randint(5, vocabulary, (count, prompt)).tolist()
    return [Ask(row, tokens, name) for row, name in zip(rows, names, strict=True)]


def mixed(base: Sequence[Ask]) -> list[Ask]:
    """The same requests with prompts and replies of many lengths."""
    return [
        replace(ask, ids=ask.ids[: 16 + 7 * number % 49], count=12 + 11 * number % 53)
        for number, ask in enumerate(base)
    ]


class Stamped(LocalGeneration):
    """A request that notes when its first token came."""

    first: tuple[float, float] | None = None  # of the CPU's and of the wall's clock

    def write(self, piece: str, *logprobs: float) -> None:
        self.first = self.first or (time.process_time(), time.monotonic())
        super().write(piece, *logprobs)


def request_of(bench: Bench, ask: Ask) -> Stamped:
    """A request as the engine takes it."""
    voice = bench.loaded.voices.get(ask.adapter) if ask.adapter else None
    sampling = Sampling(temperature=0.0, max_new_tokens=ask.count)
    return Stamped(ask.ids, sampling, "", Identity("bench", "bench"), lambda: 0.0, voice)


@dataclass
class Served:
    """What became of requests: their tokens, and when each first one came in CPU and wall seconds
    after all of them had come.
    """

    tokens: list[list[int]]
    first: list[tuple[float, float]]


@torch.inference_mode()
def serve(bench: Bench, slots: Slots, wanted: Sequence[Ask]) -> Served:
    """All requests come at once; stepped until the last is done."""
    cpu, wall = time.process_time(), time.monotonic()
    waiting = [request_of(bench, ask) for ask in wanted]
    every = list(waiting)
    tokens: dict[int, list[int]] = {}
    while waiting or slots.requests:
        while waiting and slots.free:
            request = waiting.pop(0)
            request.begin()
            slots.begin(request)
        rows = [*slots.rows, *slots.readers]
        slots.step()
        tokens |= {id(row.request): row.tokens for row in rows}
    stamps = [one.first or (cpu, wall) for one in every]
    first = [(stamp[0] - cpu, stamp[1] - wall) for stamp in stamps]
    return Served([tokens[id(one)] for one in every], first)


@torch.inference_mode()
def first_among(
    bench: Bench, slots: Slots, load: Sequence[Ask], probe: Sequence[Ask]
) -> list[float]:
    """Wall milliseconds to the first token of each of `probe`, one at a time, beside `load`."""
    beside = [request_of(bench, ask) for ask in load]
    for request in beside:
        request.begin()
        slots.begin(request)
    while slots.readers:
        slots.step()
    times = []
    for ask in probe:
        start = time.perf_counter()
        request = request_of(bench, ask)
        request.begin()
        slots.begin(request)
        while not request.ended:
            slots.step()
        times.append((time.perf_counter() - start) * 1000)
    for request in beside:
        request.cancel()
    while slots.requests:
        slots.step()
    return times
