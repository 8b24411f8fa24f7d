"""Several LoRA adapters on one base model: attached, proved to speak, switched in a moment.

Knows no checkpoint folder layout and no chat. The base model's own weights are never changed.
"""

import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import LoraConfig, set_peft_model_state_dict
from peft.tuners.tuners_utils import BaseTunerLayer
from transformers import GlmForCausalLM

from rolecraft.engines.lora import Lora, adapter_files, read_lora
from rolecraft.engines.probe import check_change, probe_ids
from rolecraft.engines.shards import files_sha256
from rolecraft.errors import CheckpointError, EngineNotFound

_NAME = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Attached:
    """What `attach` did: the adapter, its weights' hash and the proof that it speaks."""

    name: str
    sha256: str
    modules: int
    logits_change: float  # largest absolute change of a logit on a fixed probe


def attach(model: GlmForCausalLM, folder: Path, name: str) -> Attached:
    """Load the adapter in `folder` beside those already on `model`, and make it the active one.

    Adapters of the official ChatGLM code become exact native ones; native adapters load as they
    are. Raises CheckpointError for an adapter of another base, a damaged one and one that leaves
    every logit as it was; the model is then as before.
    """
    if not _NAME.fullmatch(name):
        raise CheckpointError(
            f"Adapter name {name!r} is not usable: take letters, digits, - and _."
        )
    if name in getattr(model, "peft_config", {}):
        raise CheckpointError(f"An adapter named {name!r} is attached already. Take another name.")
    config, loras = read_lora(model, folder)
    before = active_adapter(model)
    activate(model, None)
    base = _probe(model)
    _inject(model, name, config, loras)
    activate(model, name)
    change = float((_probe(model) - base).abs().max())
    try:
        check_change(f"in {folder}", change)
    except CheckpointError:
        activate(model, before)
        model.delete_adapter(name)
        raise
    return Attached(name, files_sha256(adapter_files(folder)), len(loras), change)


def activate(model: GlmForCausalLM, name: str | None) -> None:
    """Make `name` the adapter that speaks; None lets the base speak alone.

    A quarter of a millisecond, where PEFT's `set_adapter` walks every module and toggles
    gradients (tens of milliseconds at 28 layers); an engine that takes turns between characters
    calls this for every token. Raises EngineNotFound for a name that is not attached.
    """
    known = getattr(model, "peft_config", {})
    if name is not None and name not in known:
        raise EngineNotFound(
            f"No adapter named {name!r} is attached. Attached: {', '.join(known) or 'none'}."
        )
    for layer in _tuned_layers(model):
        layer._disable_adapters = name is None
        if name is not None:
            layer._active_adapter = [name]


def active_adapter(model: GlmForCausalLM) -> str | None:
    """The adapter that speaks now, or None for the base alone."""
    for layer in _tuned_layers(model):
        return None if layer.disable_adapters else str(layer.active_adapters[0])
    return None


def _tuned_layers(model: GlmForCausalLM) -> list[BaseTunerLayer]:
    """The layers that carry adapters, found once for each set of attached adapters."""
    names = tuple(getattr(model, "peft_config", {}))
    held = model.__dict__.get("_rolecraft_layers", ((), []))
    if held[0] != names:
        layers = [layer for layer in model.modules() if isinstance(layer, BaseTunerLayer)]
        held = model.__dict__["_rolecraft_layers"] = (names, layers)
    return held[1]  # type: ignore[no-any-return]


def _inject(model: GlmForCausalLM, name: str, config: LoraConfig, loras: dict[str, Lora]) -> None:
    with warnings.catch_warnings():
        # PEFT warns of every second adapter; several on one base is what this is for.
        warnings.filterwarnings("ignore", message="Already found a `peft_config`")
        model.add_adapter(config, adapter_name=name)
    state = {
        f"base_model.model.{module}.{part}": tensor
        for module, lora in loras.items()
        for part, tensor in lora.tensors.items()
    }
    set_peft_model_state_dict(model, state, adapter_name=name)
    model.train(False)


@torch.inference_mode()
def _probe(model: GlmForCausalLM) -> torch.Tensor:
    """Logits of the last position of a fixed prompt."""
    ids = probe_ids(model.config.vocab_size, model.device)
    logits: torch.Tensor = model(input_ids=ids.unsqueeze(0), use_cache=False).logits
    return logits[0, -1].float()
