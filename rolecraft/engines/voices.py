"""Adapters as the slot engine takes them: fused by module, scaled, checked that they speak.

Read by whoever asks for one, on that thread, so that a new adapter stops no one. Knows no
request; the base's weights are read (for DoRA) and never changed.
"""

import hashlib
import json
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rolecraft.engines import chatglm3
from rolecraft.engines.lora import read_lora
from rolecraft.engines.shards import read_json
from rolecraft.errors import CheckpointError

KEPT = 64  # adapters in the host's memory; more are read again when they are asked for

Module = tuple[int, str]  # layer and one of qkv, o, up, down; (-1, "head") is the output layer

_MODULE = re.compile(r"model\.layers\.(\d+)\.(?:self_attn|mlp)\.(\w+)")
_FUSED = {
    "q_proj": "qkv",
    "k_proj": "qkv",
    "v_proj": "qkv",
    "o_proj": "o",
    "gate_up_proj": "up",
    "down_proj": "down",
}


@dataclass(frozen=True)
class Part:
    """What an adapter adds to one fused module: y = y * gain + offset + (x a) b.

    `a` is [in, rank], `b` is [rank, out] with the scaling in it. `gain` and `offset` are [out],
    for DoRA and for adapters with biases of their own; None leaves y as it is.
    """

    a: torch.Tensor
    b: torch.Tensor
    gain: torch.Tensor | None = None
    offset: torch.Tensor | None = None


@dataclass(frozen=True)
class Voice:
    """One adapter in the memory of the host.

    `revision` tells apart what computes differently: the same weights scaled otherwise are another
    revision. `sha256` is that of the weights alone, by which replies name their adapter.
    """

    name: str
    revision: str
    parts: dict[Module, Part]
    sha256: str = ""


class Voices:
    """The adapters of one base by name, read when asked for. Safe from any thread.

    An adapter whose files changed is read again; the `keep` last used stay in memory.
    """

    def __init__(self, net: Any, folders: Mapping[str, str], keep: int = KEPT) -> None:
        self._net = net
        self._folders = dict(folders)
        self._keep = keep
        self._held: OrderedDict[str, Voice] = OrderedDict()
        self._lock = threading.Lock()
        self._reading: dict[str, threading.Lock] = {}

    def held(self) -> list[Voice]:
        """The adapters in memory now."""
        with self._lock:
            return list(self._held.values())

    def get(self, name: str) -> Voice:
        """The adapter as it now lies on disk.

        Raises CheckpointError for one that is damaged, belongs to another base or would leave
        every logit as it was.
        """
        folder = Path(self._folders[name])
        sha256 = chatglm3.weights_sha256(folder)
        revision = _revision(folder, sha256)
        with self._lock:
            reading = self._reading.setdefault(name, threading.Lock())
        with reading:  # two visitors of one new character read it once
            with self._lock:
                held = self._held.get(name)
                if held and held.revision == revision:
                    self._held.move_to_end(name)
                    return held
            voice = Voice(name, revision, read_parts(self._net, folder), sha256)
            with self._lock:
                self._held[name] = voice
                while len(self._held) > self._keep:
                    self._held.popitem(last=False)
        return voice


def _revision(folder: Path, sha256: str) -> str:
    """Hash of everything that an adapter's parts are made from: weights and settings."""
    settings = json.dumps(read_json(folder / "adapter_config.json"))
    return hashlib.sha256(f"{sha256} {settings}".encode()).hexdigest()


def read_parts(net: Any, folder: Path) -> dict[Module, Part]:
    """An adapter by fused module, in float32 on the CPU. Raises CheckpointError."""
    config, loras = read_lora(net, folder)
    modules = dict(net.named_modules())
    grouped: dict[Module, dict[str, Part]] = {}
    for name, lora in loras.items():
        root = lora.rank**0.5 if config.use_rslora else lora.rank
        part = _part(folder, name, lora.tensors, lora.alpha / root, modules[name])
        found = _MODULE.fullmatch(name)
        key = (int(found[1]), _FUSED[found[2]]) if found else (-1, "head")
        grouped.setdefault(key, {})[name.rsplit(".", 1)[1]] = part
    sizes = _sizes(net.config)
    parts = {
        key: _fuse(found, sizes) if key[1] == "qkv" else next(iter(found.values()))
        for key, found in grouped.items()
    }
    tensors = [t for p in parts.values() for t in (p.a, p.b, p.gain, p.offset) if t is not None]
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors):
        raise CheckpointError(
            f"The adapter in {folder} makes logits that are no numbers. Train it, or copy the "
            "trained weights again."
        )
    changes = (p.gain is not None or bool(p.a.any() and p.b.any()) for p in parts.values())
    if not any(changes):
        raise CheckpointError(
            f"The adapter in {folder} leaves every logit as it was. Train it, or copy the "
            "trained weights again."
        )
    return parts


def _part(folder: Path, name: str, tensors: Mapping[str, Any], scaling: float, module: Any) -> Part:
    """One module's LoRA, with PEFT's arithmetic for DoRA and for biases."""
    a = tensors["lora_A.weight"].float().cpu()
    b = tensors["lora_B.weight"].float().cpu() * scaling
    extra = tensors.get("lora_B.bias")
    offset = None if extra is None else extra.float().cpu() * scaling
    gain = None
    magnitude = tensors.get("lora_magnitude_vector.weight")
    if magnitude is not None:
        weight = module.weight
        if weight.ndim != 2 or not weight.is_floating_point():
            raise CheckpointError(
                f"The adapter in {folder} is DoRA, which needs the weights of {name} unquantised. "
                "Load the base in bfloat16, or train the adapter as plain LoRA."
            )
        norm = torch.linalg.vector_norm(weight.float().cpu() + b @ a, dim=1)
        gain = magnitude.float().cpu() / norm
        b = b * gain[:, None]
        kept = torch.zeros_like(gain) if module.bias is None else module.bias.float().cpu()
        offset = kept * (1 - gain) + (0 if offset is None else offset * gain)
    return Part(a.T.contiguous(), b.T.contiguous(), gain, offset)


def _sizes(config: Any) -> dict[str, int]:
    queries = config.num_attention_heads * config.head_dim
    groups = config.num_key_value_heads * config.head_dim
    return {"q_proj": queries, "k_proj": groups, "v_proj": groups}


def _fuse(found: Mapping[str, Part], sizes: Mapping[str, int]) -> Part:
    """q, k and v side by side: one product each for `a` and `b`.

    Adapters of the official code share one `a` among the three, which then is held once.
    """
    first = next(iter(found.values())).a
    shared = all(torch.equal(part.a, first) for part in found.values())
    rank = first.shape[1] if shared else sum(part.a.shape[1] for part in found.values())
    b = torch.zeros(rank, sum(sizes.values()))
    gain, offset = torch.ones(b.shape[1]), torch.zeros(b.shape[1])
    row = column = 0
    for name, width in sizes.items():
        if name in found:
            part = found[name]
            columns = slice(column, column + width)
            b[row : row + part.b.shape[0], columns] = part.b
            gain[columns] = 1.0 if part.gain is None else part.gain
            offset[columns] = 0.0 if part.offset is None else part.offset
            row += 0 if shared else part.b.shape[0]
        column += width
    a = first if shared else torch.cat([found[n].a for n in sizes if n in found], dim=1)
    plain = all(part.gain is None and part.offset is None for part in found.values())
    return Part(a.contiguous(), b, None if plain else gain, None if plain else offset)
