"""An adapter written for vLLM, or added to its base for good.

Knows no training and no character. The adapter's own folder is never changed.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from safetensors.torch import save_file
from transformers import GlmForCausalLM

from rolecraft.engines.halves import split
from rolecraft.engines.lora import read_lora
from rolecraft.errors import CheckpointError


def write_split(model: GlmForCausalLM, adapter: Path, folder: Path, base: str = "") -> Path:
    """Write `adapter`, which fits `model`, into `folder` so that vLLM loads it.

    Official ChatGLM adapters come out native. `base` is the name the base is served by. Raises
    CheckpointError for DoRA, which vLLM does not take.
    """
    config, loras = read_lora(model, adapter)
    if config.use_dora or config.lora_bias:
        raise CheckpointError(
            f"The adapter in {adapter} is no plain LoRA (DoRA or biases), which vLLM does not "
            "take. Export the merged model instead."
        )
    if config.alpha_pattern or config.rank_pattern:
        raise CheckpointError(
            f"The adapter in {adapter} has several ranks or alphas, which vLLM does not take. "
            "Export the merged model instead."
        )
    tensors = {
        f"base_model.model.{module}.{part}": tensor.clone()  # q, k and v may share theirs
        for module, lora in loras.items()
        for part, tensor in lora.tensors.items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    if base:
        config.base_model_name_or_path = base
    config.save_pretrained(str(folder))
    path = folder / "adapter_config.json"
    settings = json.loads(path.read_text("utf-8"))
    names = {name.rsplit(".lora_", 1)[0].removeprefix("base_model.model.") for name in tensors}
    written = split(tensors)
    if any("gate_up_proj" in name for name in names):
        wanted = set(settings["target_modules"])
        renamed = {n.replace("gate_up_proj", half) for n in wanted for half in _HALVES}
        settings["target_modules"] = sorted(renamed)
    path.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", "utf-8")
    weights = folder / "adapter_model.safetensors"
    save_file(written, weights, metadata={"format": "pt"})
    weights.chmod(0o644)  # safetensors writes files that only their owner can read
    if (adapter / "rolecraft.json").exists():
        shutil.copyfile(adapter / "rolecraft.json", folder / "rolecraft.json")
    return folder


_HALVES = ("gate_proj", "up_proj")


@torch.no_grad()
def merge(model: GlmForCausalLM) -> GlmForCausalLM:
    """Add the active adapter to the weights of `model` and take its layers away; the same model.

    Raises CheckpointError for a quantised base, whose weights cannot hold the sum.
    """
    if getattr(model, "hf_quantizer", None) is not None:
        raise CheckpointError(
            "The base is quantised; its weights cannot hold an adapter. "
            "Load it without quantization to merge."
        )
    tuned = [(name, part) for name, part in model.named_modules() if isinstance(part, LoraLayer)]
    for name, part in tuned:
        layer: Any = part
        layer.merge(safe_merge=True)
        parent, _, leaf = name.rpartition(".")
        setattr(model.get_submodule(parent), leaf, layer.get_base_layer())
    for left in (
        "peft_config",
        "_hf_peft_config_loaded",
        "_rolecraft_layers",
        "_rolecraft_attached",
    ):
        model.__dict__.pop(left, None)
    return model
