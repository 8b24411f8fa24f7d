"""An adapter folder as LoRA tensors of the native GLM, translated where ChatGLM named them.

Reads and checks; changes no model. An adapter of another base is refused by name, by the hash
of the weights it was trained on and by shapes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from torch import nn
from transformers import GlmConfig, GlmForCausalLM

from rolecraft.engines.halves import joined
from rolecraft.engines.lineage import check_trained_on
from rolecraft.engines.shards import read_json, stored_tensors, weight_files
from rolecraft.errors import CheckpointError

# Native modules behind each module of the official code, in the order of its output rows.
_OFFICIAL = {
    "self_attention.query_key_value": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "self_attention.dense": ("self_attn.o_proj",),
    "mlp.dense_h_to_4h": ("mlp.gate_up_proj",),
    "mlp.dense_4h_to_h": ("mlp.down_proj",),
}
_OFFICIAL_MODULE = re.compile(r"transformer\.encoder\.layers\.(\d+)\.(.+)")
_TENSOR = re.compile(
    r"(?:base_model\.model\.)?(?P<module>.+?)\."
    r"(?P<part>lora_A|lora_B|lora_magnitude_vector)(?:\.(?P<kind>weight|bias))?"
)

# Settings that change what an adapter computes in ways that this loader does not carry.
_REFUSED = (
    "alora_invocation_tokens",
    "arrow_config",
    "kasa_config",
    "layer_replication",
    "megatron_config",
    "modules_to_save",
    "monteclora_config",
    "target_parameters",
    "trainable_token_indices",
    "use_bdlora",
    "use_qalora",
    "velora_config",
)
# Other initialisations rewrite the base's weights, so that the adapter alone is not the model.
_INITIALISATIONS = (None, True, False, "gaussian", "eva", "orthogonal")
_FAMILY = re.compile(
    r"(chatglm\d*-\d+b(?:-base|-\d+k)?|glm-?4\.?\d*-\d+b|(?:qwen|llama|baichuan|mistral)[\w.]*)",
    re.IGNORECASE,
)


@dataclass
class Lora:
    """One adapted native module."""

    alpha: float
    tensors: dict[str, torch.Tensor] = field(default_factory=dict)

    @property
    def rank(self) -> int:
        return int(self.tensors["lora_A.weight"].shape[0])


def adapter_files(folder: Path) -> tuple[Path, ...]:
    """The verified safetensors files of an adapter folder."""
    if not folder.is_dir():
        raise CheckpointError(
            f"No adapter folder {str(folder)!r}. "
            "Give a folder that holds adapter_config.json and adapter_model.safetensors."
        )
    return weight_files(folder, stem="adapter_model")


def read_lora(model: GlmForCausalLM, folder: Path) -> tuple[LoraConfig, dict[str, Lora]]:
    """PEFT's configuration and the tensors, by native module, of an adapter made for `model`.

    Raises CheckpointError for one that is damaged, made another way or made for another base.
    """
    files = adapter_files(folder)
    settings = _read_settings(folder)
    _check_base(model, folder, settings)
    check_trained_on(model, folder)
    tensors = {key: held[...] for key, held in stored_tensors(files).items()}
    settings, tensors = joined(folder, settings, tensors)
    loras = _translate(model.config, folder, settings, tensors)
    _check_shapes(model, folder, loras)
    return _native_config(model, settings, loras), loras


def _read_settings(folder: Path) -> dict[str, Any]:
    path = folder / "adapter_config.json"
    settings = read_json(path)
    if settings.get("peft_type") != "LORA":
        raise CheckpointError(
            f"{path} has peft_type {settings.get('peft_type')!r}; only LORA adapters are loaded. "
            "Merge it into its base where it was made, or train a LoRA adapter."
        )
    for key in _REFUSED:
        if settings.get(key):
            raise CheckpointError(
                f"{path} sets {key} = {settings[key]!r}, which is not plain LoRA. "
                "Merge the adapter into its base where it was made, or train it without."
            )
    if settings.get("bias", "none") != "none":
        raise CheckpointError(
            f"{path} has bias {settings['bias']!r}: it rewrites the base's own biases. "
            "Train the adapter with bias none."
        )
    if settings.get("init_lora_weights", True) not in _INITIALISATIONS:
        raise CheckpointError(
            f"{path} was made with init_lora_weights {settings['init_lora_weights']!r}, which "
            "changes the base. Convert it to plain LoRA (PEFT's path_initial_model_for_weight_"
            "conversion) first."
        )
    return settings


def _check_base(model: GlmForCausalLM, folder: Path, settings: Mapping[str, Any]) -> None:
    """Refuse by name where both names tell a known family; a plain path tells nothing."""
    made_on = str(settings.get("base_model_name_or_path") or "")
    here = str(model.config.name_or_path or "")
    families = [_FAMILY.search(text.rstrip("/").rsplit("/", 1)[-1]) for text in (made_on, here)]
    if families[0] and families[1] and families[0][0].lower() != families[1][0].lower():
        raise CheckpointError(
            f"The adapter in {folder} was made for {made_on}, but the base here is {here}. "
            f"Load {made_on} as the base, or choose an adapter of this one."
        )


def _translate(
    config: GlmConfig,
    folder: Path,
    settings: Mapping[str, Any],
    tensors: Mapping[str, torch.Tensor],
) -> dict[str, Lora]:
    """The adapter by native module: the fused query_key_value becomes three, row by row.

    `A` is shared by the three and `B` (and a DoRA magnitude) is split by its output rows, which
    is exact: (B A) x holds q, k and v one after the other, as the fused weight does.
    """
    heads = config.num_attention_heads * (config.head_dim or 0)
    groups = (config.num_key_value_heads or 0) * (config.head_dim or 0)
    loras: dict[str, Lora] = {}
    for key, tensor in tensors.items():
        found = _TENSOR.fullmatch(key)
        official = _OFFICIAL_MODULE.fullmatch(found["module"]) if found else None
        if not found or (official and official[2] not in _OFFICIAL):
            raise CheckpointError(
                f"The adapter in {folder} holds {key}, which GLM's LoRA has no place for. "
                "Choose an adapter made for ChatGLM3 or for a native GLM."
            )
        natives: tuple[str, ...] = (found["module"],)
        parts: tuple[torch.Tensor, ...] = (tensor,)
        if official:
            prefix = f"model.layers.{official[1]}."
            natives = tuple(prefix + native for native in _OFFICIAL[official[2]])
            rows = [heads, groups, groups]
            if len(natives) == 3 and found["part"] == "lora_A":
                parts = (tensor,) * 3
            elif len(natives) == 3:
                _check_fused_rows(folder, key, tensor, sum(rows))
                parts = tuple(piece.contiguous() for piece in torch.split(tensor, rows))
        part = ".".join(filter(None, (found["part"], found["kind"] or "weight")))
        for native, piece in zip(natives, parts, strict=True):
            alpha = _pattern(settings, "alpha_pattern", found["module"], settings["lora_alpha"])
            loras.setdefault(native, Lora(alpha)).tensors[part] = piece
    if not loras:
        raise CheckpointError(f"The adapter in {folder} is empty. Copy the trained weights again.")
    return loras


def _check_fused_rows(folder: Path, key: str, tensor: torch.Tensor, rows: int) -> None:
    if tensor.shape[0] != rows:
        raise CheckpointError(
            f"The adapter in {folder} belongs to another base: {key} has {tensor.shape[0]} rows "
            f"where this base has {rows}. Load the base it was trained on."
        )


def _pattern(settings: Mapping[str, Any], name: str, module: str, default: float) -> float:
    """A per-module setting as PEFT finds it: the first pattern that ends the module's name."""
    patterns = settings.get(name) or {}
    for pattern, value in patterns.items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return float(value)
    return float(default)


def _check_shapes(model: GlmForCausalLM, folder: Path, loras: Mapping[str, Lora]) -> None:
    modules = {name.replace(".base_layer", ""): module for name, module in model.named_modules()}
    for name, lora in loras.items():
        layer = modules.get(name)
        base = getattr(layer, "base_layer", layer)
        if not isinstance(base, nn.Linear):
            raise CheckpointError(
                f"The adapter in {folder} belongs to another base: it adapts {name}, which this "
                "base does not have. Load the base it was trained on."
            )
        shapes = {part: tuple(tensor.shape) for part, tensor in lora.tensors.items()}
        for part in ("lora_A.weight", "lora_B.weight"):
            if part not in shapes or len(shapes[part]) != 2:
                raise CheckpointError(f"The adapter in {folder} has no {part} for {name}.")
        rank = lora.rank
        wanted = {
            "lora_A.weight": (rank, base.in_features),
            "lora_B.weight": (base.out_features, rank),
            "lora_B.bias": (base.out_features,),
            "lora_magnitude_vector.weight": (base.out_features,),
        }
        for part, shape in shapes.items():
            if shape != wanted.get(part):
                raise CheckpointError(
                    f"The adapter in {folder} belongs to another base: {name}.{part} is "
                    f"{shape}, this base needs {wanted.get(part)}. "
                    "Load the base it was trained on."
                )


def _native_config(
    model: GlmForCausalLM, settings: Mapping[str, Any], loras: Mapping[str, Lora]
) -> LoraConfig:
    """PEFT's configuration with exactly these modules, ranks and alphas.

    Built anew, because the patterns of an official adapter speak of modules that are gone.
    """
    leaves = sorted({name.rsplit(".", 1)[1] for name in loras})
    layers = model.config.num_hidden_layers
    everywhere = len(loras) == len(leaves) * layers and "lm_head" not in loras
    first = next(iter(loras.values()))
    return LoraConfig(
        r=first.rank,
        lora_alpha=first.alpha,  # type: ignore[arg-type]  # PEFT takes fractions too
        rank_pattern={n: lora.rank for n, lora in loras.items() if lora.rank != first.rank},
        alpha_pattern={n: lora.alpha for n, lora in loras.items() if lora.alpha != first.alpha},
        target_modules=leaves if everywhere else sorted(loras),
        lora_dropout=settings.get("lora_dropout", 0.0),
        lora_bias=bool(settings.get("lora_bias")),
        use_rslora=bool(settings.get("use_rslora")),
        use_dora=bool(settings.get("use_dora")),
        base_model_name_or_path=settings.get("base_model_name_or_path"),
        task_type="CAUSAL_LM",
        inference_mode=True,
    )
