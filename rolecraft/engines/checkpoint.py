"""A ChatGLM3 or native GLM checkpoint becomes transformers' own `GlmForCausalLM`.

Runs no code of the checkpoint: the names in its files are mapped by transformers' weight
conversion. Knows no adapter, no tokeniser and no chat.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from transformers import BitsAndBytesConfig, GenerationConfig, GlmConfig, GlmForCausalLM
from transformers.conversion_mapping import register_checkpoint_conversion_mapping
from transformers.core_model_loading import Split, WeightConverter, WeightRenaming
from transformers.utils import logging as transformers_logging

from rolecraft.engines.lineage import remember
from rolecraft.engines.shards import StoredTensor, read_json, stored_tensors, weight_files
from rolecraft.errors import CheckpointError, EngineUnavailable

DTYPES = {
    "bf16": torch.bfloat16,
    "bfloat16": torch.bfloat16,
    "fp16": torch.float16,
    "float16": torch.float16,
    "fp32": torch.float32,
    "float32": torch.float32,
}
QUANTIZATIONS = ("int8", "nf4")
_SMALL = 1 << 30  # bytes; below this a CPU computes in fp32, which it does faster than bf16
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_RECOMPUTED = re.compile(r"(^|\.)rotary_(pos_)?emb\.inv_freq$")

# What the architecture of ChatGLM2/3 fixes; a checkpoint that says otherwise is another model.
_FIXED = {
    "add_bias_linear": False,
    "apply_residual_connection_post_layernorm": False,
    "multi_query_attention": True,
    "post_layer_norm": True,
    "rmsnorm": True,
    "quantization_bit": 0,
    "pre_seq_len": None,
    "rope_ratio": 1,
    "tie_word_embeddings": False,
}


class OfficialChatGlm(GlmForCausalLM):  # type: ignore[no-untyped-call]
    """Carries the official names while weights are read; no instance outlives `read_model`.

    A class of its own, because a mapping registered for `glm` itself would also rename the
    weights of native models when they are saved.
    """


register_checkpoint_conversion_mapping(
    OfficialChatGlm.__name__,
    [
        WeightRenaming(r"^transformer\.embedding\.word_embeddings\.", "model.embed_tokens."),
        WeightRenaming(r"^transformer\.encoder\.final_layernorm\.", "model.norm."),
        WeightRenaming(r"^transformer\.output_layer\.", "lm_head."),
        WeightRenaming(r"^transformer\.encoder\.layers\.", "model.layers."),
        WeightRenaming(r"\.self_attention\.dense\.", ".self_attn.o_proj."),
        WeightRenaming(r"\.mlp\.dense_h_to_4h\.", ".mlp.gate_up_proj."),
        WeightRenaming(r"\.mlp\.dense_4h_to_h\.", ".mlp.down_proj."),
        WeightConverter(
            "self_attention.query_key_value",
            ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
            [Split(dim=0)],
        ),
    ],
    overwrite=True,
)


def resolve(folder: str | Path) -> Path:
    """The local folder of a checkpoint; a Hugging Face id is downloaded, never its code."""
    path = Path(folder).expanduser()
    if path.is_dir():
        return path
    name = str(folder)
    if not _HUB_ID.fullmatch(name) or Path(name.split("/")[0]).exists():
        raise CheckpointError(
            f"No checkpoint folder {name!r}. Give a folder that holds config.json, *.safetensors "
            "and tokenizer.model, or a Hugging Face id such as zai-org/chatglm3-6b."
        )
    import huggingface_hub

    patterns = ["*.safetensors", "*.json", "tokenizer.model"]
    try:
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=patterns))
    except Exception as error:  # every failure of the network, the hub and the disk
        raise CheckpointError(
            f"{name} cannot be downloaded from Hugging Face ({type(error).__name__}: {error}). "
            "Check the id and the network, or give a folder downloaded elsewhere with "
            f"`hf download {name} --include '*.safetensors' '*.json' tokenizer.model`."
        ) from error


def is_official(folder: Path) -> bool:
    """Whether `folder` has ChatGLM's own layout (True) or is a native GLM checkpoint (False)."""
    config = read_json(folder / "config.json")
    kind = config.get("model_type")
    if kind in ("chatglm", "glm"):
        return bool(kind == "chatglm")
    code = " Its auto_map code is not run." if config.get("auto_map") else ""
    raise CheckpointError(
        f"{folder / 'config.json'} has model_type {kind!r}.{code} "
        "RoleCraft loads ChatGLM3 (chatglm) and native GLM (glm); serve other models through an "
        "OpenAI-compatible endpoint."
    )


def read_config(folder: Path) -> GlmConfig:
    """The native configuration of an official or native checkpoint."""
    if not is_official(folder):
        return GlmConfig.from_pretrained(folder)
    path = folder / "config.json"
    config = read_json(path)
    for key, wanted in _FIXED.items():
        if key in config and config[key] != wanted and (config[key] or wanted):
            raise CheckpointError(
                f"{path} has {key} = {config[key]!r}; only {wanted!r} is ChatGLM3-6B's "
                "architecture. Use zai-org/chatglm3-6b or a fine-tuned copy of it."
            )
    try:
        return GlmConfig(
            vocab_size=config["padded_vocab_size"],
            hidden_size=config["hidden_size"],
            intermediate_size=config["ffn_hidden_size"],
            num_hidden_layers=config["num_layers"],
            num_attention_heads=config["num_attention_heads"],
            num_key_value_heads=config["multi_query_group_num"],
            head_dim=config["kv_channels"],
            max_position_embeddings=config["seq_length"],
            rms_norm_eps=config["layernorm_epsilon"],
            attention_bias=config["add_qkv_bias"],
            attention_dropout=config.get("attention_dropout", 0.0),
            pad_token_id=config.get("pad_token_id", 0),
            eos_token_id=config.get("eos_token_id", 2),
            rope_parameters={
                "rope_type": "default",
                "rope_theta": 10000.0,
                "partial_rotary_factor": 0.5,
            },
        )
    except KeyError as error:
        raise CheckpointError(f"{path} has no {error.args[0]}. Download it again.") from None


def read_model(
    folder: Path,
    dtype: torch.dtype | str | None,
    device: torch.device | str | None,
    quantization: str | None,
) -> GlmForCausalLM:
    """Read a checkpoint tensor by tensor into a `GlmForCausalLM` in evaluation mode.

    Host memory stays near the size of the weights in `dtype`: each tensor is read once, straight
    into its final dtype. Raises CheckpointError and, when memory runs out, EngineUnavailable.
    """
    official = is_official(folder)
    config = read_config(folder)
    files = weight_files(folder)
    size = sum(path.stat().st_size for path in files)
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    kind = _compute_dtype(dtype, quantization, place, size)
    options: dict[str, Any] = {"config": config, "dtype": kind}
    if quantization is not None:
        options["quantization_config"] = _quantization(quantization, kind, config)
    if place.type != "cpu":
        options["device_map"] = {"": place}
    tensors = {
        name: held
        for name, held in stored_tensors(files, kind).items()
        if not _RECOMPUTED.search(name)
    }
    if official:
        _check_fused(config, tensors)
    try:
        with quiet(size < _SMALL):
            model = _build(OfficialChatGlm if official else GlmForCausalLM, tensors, options)
    except torch.OutOfMemoryError as error:
        raise EngineUnavailable(
            f"{folder} ({size / 1e9:.1f} GB) does not fit into the memory of {place}. "
            "Load it with quantization nf4 or int8, or free the device."
        ) from error
    if not official and (folder / "generation_config.json").exists():
        model.generation_config = GenerationConfig.from_pretrained(folder)
    # PEFT writes this name into the adapters that are trained on the model.
    name = str(read_json(folder / "config.json").get("_name_or_path") or folder)
    model.name_or_path = model.config.name_or_path = name
    remember(model, folder, files)
    return model


def _build(
    loader: type[GlmForCausalLM], tensors: dict[str, StoredTensor], options: dict[str, Any]
) -> GlmForCausalLM:
    """transformers fills the model; whatever it would only report as a warning is refused."""
    load: Any = loader.from_pretrained
    model, report = load(
        None,
        state_dict=tensors,
        output_loading_info=True,
        ignore_mismatched_sizes=True,
        **options,
    )
    folder = next(iter(tensors.values())).path.parent
    _check_report(folder, report)
    # From here on it is the native model: it saves, merges and exports under native names.
    model.__class__ = GlmForCausalLM
    model._weight_conversions = []
    return cast(GlmForCausalLM, model)


def named_dtype(dtype: torch.dtype | str) -> torch.dtype:
    """bf16, fp16 or fp32 by torch's value or by name."""
    if isinstance(dtype, str):
        dtype = DTYPES.get(dtype.removeprefix("torch."), dtype)
    if not isinstance(dtype, torch.dtype) or dtype not in DTYPES.values():
        raise CheckpointError(f"dtype {dtype!r} is not known. Choose bf16, fp16 or fp32.")
    return dtype


def _compute_dtype(
    dtype: torch.dtype | str | None, quantization: str | None, device: torch.device, size: int
) -> torch.dtype:
    if quantization == "int8":
        # bitsandbytes multiplies int8 in fp16, and warns at every step of any other dtype
        return torch.float16
    if dtype is not None:
        return named_dtype(dtype)
    return torch.float32 if device.type == "cpu" and size < _SMALL else torch.bfloat16


def _quantization(name: str, dtype: torch.dtype, config: GlmConfig) -> BitsAndBytesConfig:
    if name not in QUANTIZATIONS:
        raise CheckpointError(
            f"quantization {name!r} is not known. Choose {' or '.join(QUANTIZATIONS)}, or None."
        )
    if name == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)  # type: ignore[no-untyped-call]
    widths = {
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_attention_heads x head_dim": config.num_attention_heads * (config.head_dim or 0),
    }
    for width, value in widths.items():
        if value % 64:
            raise CheckpointError(
                f"nf4 packs blocks of 64 inputs, but {width} is {value}. Use int8 or bf16."
            )
    return BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
    )


def _check_fused(config: GlmConfig, tensors: dict[str, StoredTensor]) -> None:
    groups = config.num_key_value_heads or 0
    rows = (config.num_attention_heads + 2 * groups) * (config.head_dim or 0)
    for name, held in tensors.items():
        if ".query_key_value." in name and held.shape[0] != rows:
            raise CheckpointError(
                f"{name} has {held.shape[0]} rows, but config.json makes {rows}. "
                "Take config.json and the shards from one and the same checkpoint."
            )


def _check_report(folder: Path, report: dict[str, Any]) -> None:
    faults = {
        "are missing": sorted(report["missing_keys"]),
        "belong to another model": sorted(report["unexpected_keys"]),
        "have another shape than config.json makes": sorted(
            f"{name} {tuple(found)} instead of {tuple(wanted)}"
            for name, found, wanted in report["mismatched_keys"]
        ),
    }
    for fault, names in faults.items():
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise CheckpointError(
                f"Weights of {folder} {fault}: {', '.join(names[:3])}{more}. "
                "Download the checkpoint again, with the config.json that belongs to it."
            )


@contextmanager
def quiet(small: bool = True) -> Iterator[None]:
    """No progress bar for weights that are read or written in a moment."""
    shown = transformers_logging.is_progress_bar_enabled()
    if small:
        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if small and shown:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]
