"""Tunes a LoRA adapter: a base that is kept, and small matrices that learn who speaks.

    python -m train adapter --config train/configs/adapter_mini.toml

The base comes through the engine's own loader and the examples through the chat's own prompt
renderer, so an adapter meets nothing at serving time that it was not trained on. Only the
character's own words are learnt.
"""

import dataclasses
import hashlib
import json
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from train.config import StageConfig
from train.documents import ChatFormat, Document, pack
from train.imagine import stream
from train.pretrain import Gradients, join_rows, rate_scale

CHECKPOINT = "checkpoint.pt"


@dataclasses.dataclass(frozen=True)
class Config(StageConfig):
    """Defaults are the paper's; `sources` maps "cast" and "imagined" to shares of talks."""

    base: str = "models/mini"
    sources: dict[str, float] = dataclasses.field(default_factory=lambda: {"cast": 1.0})
    lora_r: int = 8
    lora_alpha: int = 32
    lora_dropout: float = 0.0
    target_modules: tuple[str, ...] = ("q_proj", "k_proj", "v_proj")
    learning_rate: float = 2e-4
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    max_steps: int = 500
    row_tokens: int = 640
    rows_per_step: int = 4
    rows_per_microbatch: int = 2
    warmup_steps: int = 20
    dtype: str = "fp32"
    device: str = "cpu"
    workers: int = 1
    save_seconds: int = 300
    work_dir: str = "runs/adapter"


def run(config: Config) -> Path:
    """Tune to `max_steps` and write the PEFT folder; returns it."""
    import torch
    from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model
    from tqdm import tqdm

    from rolecraft.engines import chatglm3

    torch.set_num_threads(1)
    torch.manual_seed(config.seed)
    model = chatglm3.load_model(config.base, dtype=config.dtype, device=config.device)
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
    model.train()
    learnt = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        learnt, config.learning_rate, betas=(config.adam_beta1, config.adam_beta2), weight_decay=0.0
    )
    work = Path(config.work_dir)
    work.mkdir(parents=True, exist_ok=True)
    start, spent = _resume(work / CHECKPOINT, model, optimizer)
    gradients = Gradients(model, config.workers)
    rng = random.Random(f"{config.seed}/{start}")
    rows = pack(_documents(config, rng), config.row_tokens, rng)
    saved = begun = time.monotonic()
    losses: list[float] = []
    bar = tqdm(range(start, config.max_steps), initial=start, total=config.max_steps, mininterval=5)
    for step in bar:
        count = config.rows_per_step // config.rows_per_microbatch
        batches = [join_rows(rows, config.rows_per_microbatch) for _ in range(count)]
        loss, _ = gradients.accumulate(batches)
        torch.nn.utils.clip_grad_norm_(learnt, 1.0)
        scale = rate_scale(step, config.max_steps, config.warmup_steps, 0.7)
        optimizer.param_groups[0]["lr"] = config.learning_rate * scale
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss)
        bar.set_postfix(loss=f"{sum(losses[-20:]) / len(losses[-20:]):.3f}")
        if time.monotonic() - saved > config.save_seconds:
            seconds = spent + time.monotonic() - begun
            _save(work / CHECKPOINT, model, optimizer, step + 1, seconds)
            saved = time.monotonic()
    seconds = spent + time.monotonic() - begun
    _save(work / CHECKPOINT, model, optimizer, config.max_steps, seconds)
    state = {
        name: value.half()
        for name, value in get_peft_model_state_dict(model, save_embedding_layers=False).items()
    }
    return _write(config, lora, state, losses, seconds)


def _documents(config: Config, rng: random.Random) -> Iterator[Document]:
    chat = ChatFormat(str(Path(config.base) / "tokenizer.model"))
    talks = {name: stream(name, rng) for name in config.sources}
    names, shares = list(config.sources), list(config.sources.values())
    while True:
        yield chat.document(next(talks[rng.choices(names, shares)[0]]))


def _save(path: Path, model: Any, optimizer: Any, step: int, seconds: float) -> None:
    import torch
    from peft import get_peft_model_state_dict

    state = {
        "lora": get_peft_model_state_dict(model, save_embedding_layers=False),
        "optimizer": optimizer.state_dict(),
        "step": step,
        "seconds": seconds,
    }
    torch.save(state, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def _resume(path: Path, model: Any, optimizer: Any) -> tuple[int, float]:
    import torch
    from peft import set_peft_model_state_dict

    if not path.exists():
        return 0, 0.0
    state = torch.load(path, weights_only=True)
    set_peft_model_state_dict(model, state["lora"])
    optimizer.load_state_dict(state["optimizer"])
    return state["step"], state["seconds"]


def _write(
    config: Config, lora: Any, state: dict[str, Any], losses: list[float], seconds: float
) -> Path:
    """The PEFT folder, and rolecraft.json, which says how it came to be."""
    from safetensors.torch import save_file

    from rolecraft.engines.chatglm3 import weights_sha256

    output = Path(config.output_dir)
    output.mkdir(parents=True, exist_ok=True)
    lora.inference_mode = True
    lora.save_pretrained(output)
    # Tensor names as PeftModel writes them, which is what every loader expects.
    named = {f"base_model.model.{name}": value.contiguous() for name, value in state.items()}
    save_file(named, output / "adapter_model.safetensors", metadata={"format": "pt"})
    template = Path(__file__).parent.parent / "rolecraft" / "prompts.py"
    recipe = {
        "base": Path(config.base).name,
        "base_sha256": weights_sha256(config.base),
        "template_sha256": hashlib.sha256(template.read_bytes()).hexdigest(),
        "config": dataclasses.asdict(config),
        "steps": config.max_steps,
        "final_loss": round(sum(losses[-20:]) / max(1, len(losses[-20:])), 4),
        "minutes": round(seconds / 60, 1),
        "git_commit": _commit(),
    }
    text = json.dumps(recipe, ensure_ascii=False, indent=2)
    (output / "rolecraft.json").write_text(text + "\n", encoding="utf-8")
    return output


def _commit() -> str:
    asked = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip()
