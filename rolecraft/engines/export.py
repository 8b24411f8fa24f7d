"""Writes a native GLM checkpoint that this project, transformers and vLLM load.

Knows no character and no training: a model and a tokeniser in, a folder out.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig, GlmForCausalLM

from rolecraft.engines.checkpoint import named_dtype, quiet
from rolecraft.engines.tokenizer import ChatTokenizer, load_tokenizer
from rolecraft.errors import CheckpointError


def write_native(
    model: GlmForCausalLM,
    tokenizer_source: Path,
    folder: Path,
    dtype: torch.dtype | str | None = None,
) -> Path:
    """Write weights, configuration, stops and tokeniser into `folder`; see `save_native`."""
    if getattr(model, "peft_config", None):
        raise CheckpointError(
            f"The model carries adapters ({', '.join(model.peft_config)}). Save them on their own, "
            "or merge them, before the base is written."
        )
    if getattr(model, "hf_quantizer", None) is not None:
        raise CheckpointError(
            "The model is quantised; its weights are no longer exact. "
            "Load it without quantization to write a native checkpoint."
        )
    file_given = tokenizer_source.is_file()
    tokenizer = ChatTokenizer(tokenizer_source) if file_given else load_tokenizer(tokenizer_source)
    if tokenizer.vocab_size > model.config.vocab_size:
        raise CheckpointError(
            f"{tokenizer.path} has {tokenizer.vocab_size} ids, but the model knows "
            f"{model.config.vocab_size}. Take the tokeniser the model was trained with."
        )
    kind = model.dtype if dtype is None else named_dtype(dtype)
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: held.to(kind) for name, held in model.state_dict().items()}
    if model.config.tie_word_embeddings:
        weights.pop("lm_head.weight", None)  # the embedding's own table
    with quiet():
        model.save_pretrained(folder, state_dict=weights)
    for path in folder.glob("*.safetensors"):
        path.chmod(0o644)  # safetensors writes files that only their owner can read
    config_file = folder / "config.json"
    config = json.loads(config_file.read_text(encoding="utf-8"))
    config["dtype"] = str(kind).removeprefix("torch.")
    config_file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    make: Any = GenerationConfig
    make(eos_token_id=list(tokenizer.stop_ids), pad_token_id=tokenizer.pad_id).save_pretrained(
        folder
    )
    target = folder / "tokenizer.model"
    if tokenizer.path.resolve() != target.resolve():
        shutil.copyfile(tokenizer.path, target)
    return folder
