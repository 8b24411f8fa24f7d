"""How much memory a local engine takes, counted before it takes it.

Everything that grows with visitors has its room from the start: slots, adapters, remembered talk.
Where the room does not suffice, the plan remembers less, answers fewer at once, or reads shorter
texts, in this order; it never hopes. Runs no model.
"""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from rolecraft.errors import EngineUnavailable

log = logging.getLogger(__name__)

_SHORTEST = 512  # tokens; an engine that cannot read as many is of no use
_SHARE_OF_HOST = 0.5  # of what is free, where other programs live too
_SHARE_OF_DEVICE = 0.9


@dataclass(frozen=True)
class Needs:
    """Bytes: of the weights, of a token's keys and values, of an adapter, of a step's own work.

    `host` are those of the adapters as they were read, where they lie in the same memory.
    """

    weights: int
    token: int
    adapter: int
    work_per_slot: int
    work: int
    host: int = 0


@dataclass(frozen=True)
class Plan:
    """How many requests at once, how long each, how much is remembered, and what that takes."""

    slots: int
    length: int
    cached_tokens: int
    places: int  # adapters beside each other
    needs: Needs

    @property
    def adapters(self) -> int:
        """Bytes of the adapters: a place each, one of zeros, and a copy for every slot."""
        return self.needs.adapter * (self.places + 1 + self.slots)

    @property
    def total(self) -> int:
        """Bytes of everything."""
        tokens = self.slots * (self.length + 1) + self.cached_tokens
        work = self.needs.work + self.needs.work_per_slot * self.slots
        adapters = self.adapters + self.needs.host
        return self.needs.weights + work + adapters + self.needs.token * tokens

    def __str__(self) -> str:
        token = self.needs.token
        return (
            f"{self.slots} at once with {self.length} tokens each; "
            f"weights {_gb(self.needs.weights)}, slots "
            f"{_gb(token * self.slots * (self.length + 1))}, {self.places} adapters "
            f"{_gb(self.adapters + self.needs.host)}, "
            f"remembered talk {_gb(token * self.cached_tokens)}, "
            f"together {_gb(self.total)}"
        )


def fit(plan: Plan, limit: int | None) -> Plan:
    """The plan, made smaller until it fits into `limit` bytes (None: no limit is known).

    Raises EngineUnavailable when the least that is of use does not fit.
    """
    wanted = plan
    while limit is not None and plan.total > limit:
        if plan.cached_tokens > plan.length:
            plan = replace(plan, cached_tokens=max(plan.length, plan.cached_tokens // 2))
        elif plan.slots > 1:
            slots = plan.slots // 2
            plan = replace(plan, slots=slots, places=min(plan.places, slots))
        elif plan.length > _SHORTEST:
            length = max(_SHORTEST, plan.length // 2)
            plan = replace(plan, length=length, cached_tokens=min(plan.cached_tokens, length))
        else:
            raise EngineUnavailable(
                f"The model needs {_gb(plan.total)} to answer one visitor, and {_gb(limit)} may be "
                "used. Load it quantised (int8, nf4), free memory, or raise memory_gb."
            )
    if plan != wanted:
        log.warning("Memory for %s was not to be had; made smaller", wanted)
    return plan


def limit_of(device: torch.device, weights: int, memory_gb: float | None) -> int | None:
    """Bytes that the engine may take together, its `weights` being there already."""
    if memory_gb is not None:
        return int(memory_gb * 1e9)
    if device.type == "cuda":
        return weights + int(torch.cuda.mem_get_info(device)[0] * _SHARE_OF_DEVICE)
    facts = Path("/proc/meminfo")
    for line in facts.read_text("ascii").splitlines() if facts.exists() else ():
        if line.startswith("MemAvailable:"):
            return weights + int(int(line.split()[1]) * 1024 * _SHARE_OF_HOST)
    return None


def needs_of(net: Any, token: int, adapter: int, block: int, host: int = 0) -> Needs:
    """Counted from the model: `token` and `adapter` are bytes of one each."""
    config = net.config
    weights = sum(p.numel() * p.element_size() for p in net.parameters())
    wide = config.hidden_size + 2 * config.intermediate_size
    # Which tokens are seen: by a number in the model's type, made of three truth values.
    mask = config.max_position_embeddings * (net.dtype.itemsize + 3)
    # A row's logits exist in the model's type, raw, bent and sorted; a layer's inner values
    # exist a few times over in float32.
    kept = net.dtype.itemsize if net.device.type == "cuda" else 0  # the logits of captured steps
    row = (16 + kept) * config.vocab_size + 16 * wide + mask
    return Needs(weights, token, adapter, row, block * (16 * wide + mask), host)


def _gb(size: int) -> str:
    return f"{size / 1e9:.2f} GB"
