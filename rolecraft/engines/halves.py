"""An adapter's fused gate_up_proj as gate_proj and up_proj, and back; both exact.

vLLM's GLM takes the two halves of the fused layer by name and refuses an adapter of the whole; the
native GLM has the whole. Knows tensors by name and no model.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from rolecraft.errors import CheckpointError

_PART = re.compile(r"(?P<layer>.+)\.(?P<half>gate_proj|up_proj|gate_up_proj)\.(?P<part>.+)")
_SHARED = "lora_A"  # the side that reads the layer's input, which both halves have in common


def split(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """`A` twice, and the rows of `B` (and of a DoRA magnitude) in two."""
    found: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        match = _PART.fullmatch(name)
        if match is None or match["half"] != "gate_up_proj":
            found[name] = tensor
            continue
        shared = match["part"].startswith(_SHARED)
        gate, up = (tensor, tensor.clone()) if shared else tensor.chunk(2)
        found[f"{match['layer']}.gate_proj.{match['part']}"] = gate.contiguous()
        found[f"{match['layer']}.up_proj.{match['part']}"] = up.contiguous()
    return found


def joined(
    folder: Path, settings: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]
) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Settings and tensors of a split adapter as the native GLM takes them; others as they are.

    Halves that share their `A`, as `split` leaves them, keep their rank. Others become one adapter
    of both ranks together. Raises CheckpointError for half a layer, and for DoRA halves that were
    trained apart, whose magnitudes do not add up.
    """
    halves: dict[str, dict[str, torch.Tensor]] = {}
    found: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        match = _PART.fullmatch(name)
        if match is None or match["half"] == "gate_up_proj":
            found[name] = tensor
        else:
            halves.setdefault(match["layer"], {})[f"{match['half']}.{match['part']}"] = tensor
    if not halves:
        return dict(settings), found
    # The rank doubles where halves were trained apart, and PEFT divides by it (or by its root).
    growth = 2**0.5 if settings.get("use_rslora") else 2.0
    for layer, parts in halves.items():
        for part, tensor in _join(folder, layer, parts, growth).items():
            found[f"{layer}.gate_up_proj.{part}"] = tensor
    return _renamed(folder, settings), found


def _join(
    folder: Path, layer: str, parts: dict[str, torch.Tensor], growth: float
) -> dict[str, torch.Tensor]:
    kinds = sorted({name.split(".", 1)[1] for name in parts})
    missing = [f"{half}.{k}" for k in kinds for half in ("gate_proj", "up_proj")]
    missing = [name for name in missing if name not in parts]
    if missing:
        raise CheckpointError(
            f"The adapter in {folder} adapts half of {layer}: {missing[0]} is missing. "
            "Train gate_proj and up_proj together, or neither."
        )
    pairs = {kind: (parts[f"gate_proj.{kind}"], parts[f"up_proj.{kind}"]) for kind in kinds}
    apart = any(
        not torch.equal(gate, up) for kind, (gate, up) in pairs.items() if kind.startswith(_SHARED)
    )
    if apart and any("magnitude" in kind for kind in kinds):
        raise CheckpointError(
            f"The adapter in {folder} has DoRA halves of {layer} that were trained apart. "
            "Merge it into its base where it was made."
        )
    whole = {}
    for kind, (gate, up) in pairs.items():
        if kind.startswith(_SHARED):
            whole[kind] = torch.cat([gate, up]) if apart else gate
        elif apart:
            both = _diagonal(gate, up) if gate.ndim == 2 else torch.cat([gate, up])
            whole[kind] = both.float() * growth  # half precision has no root of two
        else:
            whole[kind] = torch.cat([gate, up])
    return whole


def _diagonal(one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
    whole = one.new_zeros(one.shape[0] + two.shape[0], one.shape[1] + two.shape[1])
    whole[: one.shape[0], : one.shape[1]] = one
    whole[one.shape[0] :, one.shape[1] :] = two
    return whole


def _renamed(folder: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings whose alphas speak of the fused layer."""
    alphas = settings.get("alpha_pattern") or {}
    own = [
        {name.replace(half, ""): alpha for name, alpha in alphas.items() if half in name}
        for half in ("gate_proj", "up_proj")
    ]
    if own[0] != own[1]:
        raise CheckpointError(
            f"The adapter in {folder} gives gate_proj and up_proj different alphas ({own[0]}, "
            f"{own[1]}). Merge it into its base where it was made."
        )
    renamed = {re.sub(r"\b(gate|up)_proj", "gate_up_proj", n): alpha for n, alpha in alphas.items()}
    return {**settings, "alpha_pattern": renamed}
