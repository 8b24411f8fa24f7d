"""Tunes a LoRA adapter: a base that is kept, and small matrices that learn who speaks.

    python -m train adapter --config train/configs/adapter_mini.toml
    accelerate launch --num_processes 4 -m train adapter \\
        --config train/configs/rolecraft_chatglm3_fsdp.toml

The base comes through the engine's own loader and the examples through the chat's own prompt
renderer, so an adapter meets nothing at serving time that it was not trained on. Only the
character's own words are learnt. Started again after any end, a run goes on where it was.
"""

import dataclasses
import gc
import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

from train.tuning.config import Config

__all__ = ["Config", "run"]


def run(config: Config) -> Path:
    """Tune, write the PEFT folder and prove that it speaks; returns the folder."""
    import torch

    from rolecraft.engines.chatglm3 import weights_sha256
    from train.tuning import checkpoint, memory
    from train.tuning.feed import Feed
    from train.tuning.loop import Loop
    from train.tuning.mix import Mix, data_sha256
    from train.tuning.processes import Processes

    torch.set_num_threads(1)
    processes = Processes(config.device)
    mix = Mix(config, _tokenizer(config))
    origin = checkpoint.origin(config, weights_sha256(config.base), data_sha256(config))
    with memory.named(config):
        model, lora = prepared(config, processes.device)
    loop = Loop(config, model, Feed(config, mix), processes, origin)
    progress = loop.run()
    output = Path(config.output_dir)
    if processes.first:
        lora.inference_mode = True
        write_peft(output, lora, checkpoint.matrices(model))
        del loop, model  # the proof loads the base anew, which may fill a device alone
        gc.collect()
        _record(config, output, origin, progress, _proof(config, output, mix, processes.device))
    processes.wait()
    return output


def prepared(config: Config, device: str) -> tuple[Any, Any]:
    """The frozen base with a fresh adapter in float32, and the adapter's configuration."""
    import torch
    from peft import LoraConfig, inject_adapter_in_model

    from rolecraft.engines import chatglm3
    from train.tuning import attention

    torch.manual_seed(config.seed)
    # Layers that are to be spread over devices must not all lie on one before.
    place = "cpu" if config.shard else device
    quantization = config.quantization or None
    model: Any = chatglm3.load_model(config.base, None, config.dtype, place, quantization)
    model.requires_grad_(False)
    lora = LoraConfig(
        r=config.lora_r,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules=list(config.target_modules),
        bias="none",
        task_type="CAUSAL_LM",
        base_model_name_or_path=Path(config.base).name,
    )
    inject_adapter_in_model(lora, model)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    if place == "cpu" and not config.shard:
        attention.use(model)
    if config.gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    model.train()
    return model, lora


def _tokenizer(config: Config) -> Path:
    from rolecraft.engines import chatglm3

    return chatglm3.load_tokenizer(config.base).path


def write_peft(output: Path, lora: Any, state: dict[str, Any]) -> None:
    """The PEFT folder, in half precision, without a record of how it came to be."""
    from safetensors.torch import save_file

    from rolecraft.engines.lineage import RECORD

    output.mkdir(parents=True, exist_ok=True)
    (output / RECORD).unlink(missing_ok=True)  # it told of the weights that were here before
    lora.save_pretrained(output)
    # Tensor names as PeftModel writes them, which is what every loader expects.
    named = {f"base_model.model.{name}": value.half().contiguous() for name, value in state.items()}
    weights = output / "adapter_model.safetensors"
    save_file(named, weights, metadata={"format": "pt"})
    weights.chmod(0o644)  # safetensors writes files that only their owner can read


def _proof(config: Config, output: Path, mix: Any, device: str) -> dict[str, Any]:
    from train.tuning.proof import prove

    return prove(config, output, mix.budget, device)


def _record(
    config: Config, output: Path, origin: dict[str, Any], progress: Any, proof: dict[str, Any]
) -> None:
    """rolecraft.json: how the adapter came to be, what it scored and that it speaks."""
    template = Path(__file__).parent.parent / "rolecraft" / "prompts.py"
    scores = {"loss": round(sum(progress.losses) / max(1, len(progress.losses)), 4)}
    if progress.best:
        scores["validation_loss"] = round(progress.best_loss, 4)
    recipe = {
        "base": Path(config.base).name,
        "base_sha256": origin["base_sha256"],
        "data_sha256": origin["data_sha256"],
        "template_sha256": hashlib.sha256(template.read_bytes()).hexdigest(),
        "config": dataclasses.asdict(config),
        "seed": config.seed,
        "steps": progress.step,
        "best_step": progress.best_step or progress.step,
        "tokens": progress.tokens,
        "scores": scores,
        "proof": proof,
        "minutes": round(progress.seconds / 60, 1),
        "git_commit": commit(),
    }
    text = json.dumps(recipe, ensure_ascii=False, indent=2)
    (output / "rolecraft.json").write_text(text + "\n", encoding="utf-8")


def commit() -> str:
    asked = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip()
