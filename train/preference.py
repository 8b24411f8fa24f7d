"""Goes on with an adapter so that it prefers what raters preferred (TRL's DPO).

    python -m rolecraft ratings to-training data/liked
    python -m train preference --config train/configs/preference_mini.toml

The adapter that it starts from stays the reference which the loss holds it near. Base, adapter and
prompts come through the engine's own loaders; the ids of prompt and reply are the chat's. The new
adapter is a new arm: its folder beside the others is enough. Started again, a run goes on.
"""

import dataclasses
import hashlib
import importlib.metadata
import json
import shutil
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from rolecraft.conversation import Budget
from rolecraft.errors import ConfigurationError, TrainingError
from train.config import StageConfig

_ORIGIN = "origin.json"
# What may differ between the run that began and the one that goes on.
_FREE = {
    "output_dir", "work_dir", "max_steps", "device", "save_steps", "probe_characters",
    "gradient_checkpointing", "measured_pairs",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Config(StageConfig):
    """One tuning by preferences. Names are those of TRL's `DPOConfig`, where it has them."""

    base: str = "models/mini"
    adapter: str = "models/mini/adapters/rolecraft"  # which is gone on with
    ratings: str = "data/liked"  # what `ratings to-training` wrote
    characters: str = "characters"
    prompt: str = "small"  # small: the mini's short persona; large: the whole one
    emotions: bool = True  # whether replies open with their emotion
    beta: float = 0.1  # how near it stays to where it began
    # "sigmoid" is DPO's own; without "sft" beside it a small model only learns what not to say
    loss_type: tuple[str, ...] = ("sigmoid", "sft")
    loss_weights: tuple[float, ...] = (1.0, 1.0)
    learning_rate: float = 3e-5
    num_train_epochs: float = 2.0
    max_steps: int = -1  # more than 0 decides instead of the epochs
    per_device_train_batch_size: int = 4
    gradient_accumulation_steps: int = 1
    lr_scheduler_type: str = "linear"
    warmup_steps: int = 0
    max_length: int = 640  # longer prompts lose passages and old turns
    validation_share: float = 0.1  # of the pairs, never trained on
    measured_pairs: int = 200  # of each kind, before and after
    dtype: str = "fp32"
    quantization: str = ""
    gradient_checkpointing: bool = False
    device: str = "cpu"
    save_steps: int = 50
    probe_characters: int = 8  # who are asked for their names at the end
    work_dir: str = "runs/preference"

    def __post_init__(self) -> None:
        if self.prompt not in ("small", "large"):
            raise ConfigurationError(f"prompt is {self.prompt!r}. Choose 'small' or 'large'.")
        if not 0 <= self.validation_share < 1:
            raise ConfigurationError(
                f"validation_share is {self.validation_share}. Take 0 or more, less than 1."
            )
        if Path(self.output_dir).resolve() == Path(self.adapter).resolve():
            raise ConfigurationError(
                f"output_dir is the adapter it starts from, {self.adapter}. Name another folder: "
                "the new adapter is compared with that one."
            )


def run(config: Config) -> Path:
    """Tune, write the PEFT folder and measure what changed; returns the folder."""
    import torch

    from rolecraft.engines import chatglm3
    from train.tuning import preferring

    torch.set_num_threads(1)
    begun = time.monotonic()
    trained, held = _pairs(config)
    origin = _origin(config)
    tokenizer = chatglm3.load_tokenizer(config.base)
    rows = [preferring.encoded(one, tokenizer, config.max_length) for one in trained]
    kept = [one for one in rows if one]
    if not kept:
        raise TrainingError(
            f"{config.ratings} holds no pair to train on: {len(trained)} pairs, of which "
            f"{len(rows)} are longer than max_length = {config.max_length}. Gather more votes, or "
            "raise max_length."
        )
    trainer = _trainer(config, kept, tokenizer.path)
    trainer.train(resume_from_checkpoint=_resumed(config, origin))
    output = Path(config.output_dir)
    if trainer.accelerator.is_main_process:
        steps = trainer.state.global_step
        _write(config, output, trainer.model)
        del trainer  # the measuring loads the base anew, which may fill a device alone
        unseen = [preferring.encoded(one, tokenizer, config.max_length) for one in held]
        proof = _measured(config, output, {"trained": kept, "held_out": [u for u in unseen if u]})
        told = {"pairs": len(kept), "left_out": len(rows) - len(kept), "steps": steps}
        minutes = round((time.monotonic() - begun) / 60, 1)
        _record(config, output, origin, told | {"proof": proof, "minutes": minutes})
    return output


def _pairs(config: Config) -> tuple[list[Any], list[Any]]:
    """The pairs to train on and those that are only measured."""
    from rolecraft.characters import read_shelf
    from train.tuning import preferring, rated

    people = read_shelf(Path(config.characters)).characters
    pairs = rated.preferred(Path(config.ratings), people, _budget(config))
    unseen = [preferring.held_out(one, config.validation_share, config.seed) for one in pairs]
    return (
        [one for one, held in zip(pairs, unseen, strict=True) if not held],
        [one for one, held in zip(pairs, unseen, strict=True) if held],
    )


def _budget(config: Config) -> Budget:
    from train.tuning.mix import prompt_budget

    return prompt_budget(config.prompt, config.emotions)


def _origin(config: Config) -> dict[str, Any]:
    """What a run that goes on must have in common with the one that began."""
    from rolecraft.engines.chatglm3 import weights_sha256
    from rolecraft.ratings.harvested import PREFERRED

    kept = {k: v for k, v in dataclasses.asdict(config).items() if k not in _FREE}
    data = hashlib.sha256((Path(config.ratings) / PREFERRED).read_bytes()).hexdigest()
    found = kept | {
        "base_sha256": weights_sha256(config.base),
        "adapter_sha256": weights_sha256(config.adapter),
        "data_sha256": data,
    }
    plain: dict[str, Any] = json.loads(json.dumps(found))  # a tuple from a file is a list
    return plain


def _resumed(config: Config, origin: dict[str, Any]) -> str | None:
    """The checkpoint to go on from. Raises TrainingError for one of another run."""
    from transformers.trainer_utils import get_last_checkpoint

    work = Path(config.work_dir)
    path = work / _ORIGIN
    for torn in _torn(work):
        shutil.rmtree(torn)
    last = get_last_checkpoint(str(work)) if work.is_dir() else None
    if last is None:
        work.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(origin, ensure_ascii=False, indent=2) + "\n", "utf-8")
        return None
    held = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    for key in sorted(origin):
        if held.get(key) != origin[key]:
            raise TrainingError(
                f"{last} was made with {key} = {held.get(key)!r}, this run has {origin[key]!r}. "
                f"Delete {work} to begin anew, or choose another work_dir."
            )
    return str(last)


def _torn(work: Path) -> list[Path]:
    """Checkpoints that a kill left in pieces: the Trainer writes their state last."""
    found = []
    for path in work.glob("checkpoint-*"):
        try:
            json.loads((path / "trainer_state.json").read_text("utf-8"))
        except (OSError, ValueError):
            found.append(path)
    return found


def _trainer(config: Config, rows: list[Any], tokenizer: Path) -> Any:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerFast
    from trl import DPOConfig, DPOTrainer

    from rolecraft.engines.fast_tokenizer import export_fast_tokenizer

    class Trainer(DPOTrainer):  # type: ignore[misc]
        """TRL's, for pairs whose ids are there: its own tokenising knows no end of a reply."""

        def _prepare_dataset(self, dataset: Any, *given: Any, **named: Any) -> Any:
            return dataset

    with tempfile.TemporaryDirectory(prefix="rolecraft-") as folder:
        export_fast_tokenizer(tokenizer, folder)
        # It pads and is saved; no text passes through it.
        fast = PreTrainedTokenizerFast.from_pretrained(folder)
    names = (
        "seed", "beta", "learning_rate", "num_train_epochs", "max_steps", "warmup_steps",
        "per_device_train_batch_size", "gradient_accumulation_steps", "lr_scheduler_type",
        "save_steps",
    )  # fmt: skip
    settings = DPOConfig(
        output_dir=config.work_dir, loss_type=list(config.loss_type),
        loss_weights=list(config.loss_weights) or None, bf16=False, max_length=None,
        activation_checkpointing=config.gradient_checkpointing, use_cpu=config.device == "cpu",
        save_total_limit=1, logging_steps=10, report_to="none",
        **{name: getattr(config, name) for name in names},
    )  # fmt: skip
    return Trainer(
        model=_adapted(config), args=settings, train_dataset=Dataset.from_list(rows),
        processing_class=fast,
    )  # fmt: skip


def _adapted(config: Config) -> Any:
    """The frozen base with the adapter that is gone on with, in float32, as TRL wants it."""
    from peft import get_peft_model, set_peft_model_state_dict

    from rolecraft.engines import chatglm3
    from rolecraft.engines.lora import read_lora

    quantization = config.quantization or None
    model: Any = chatglm3.load_model(config.base, None, config.dtype, config.device, quantization)
    model.requires_grad_(False)
    settings, loras = read_lora(model, Path(config.adapter))
    settings.inference_mode = False
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*base_model_name_or_path.* was renamed")
        tuned = get_peft_model(model, settings)
    state = {
        f"base_model.model.{module}.{part}": tensor
        for module, lora in loras.items()
        for part, tensor in lora.tensors.items()
    }
    set_peft_model_state_dict(tuned, state, "default")
    return tuned


def _write(config: Config, output: Path, model: Any) -> None:
    from peft import get_peft_model_state_dict

    from train.adapter import write_peft

    settings = model.peft_config["default"]
    settings.inference_mode = True
    settings.base_model_name_or_path = Path(config.base).name
    state = get_peft_model_state_dict(model, adapter_name="default", save_embedding_layers=False)
    plain = {name.removeprefix("base_model.model."): one.cpu() for name, one in state.items()}
    write_peft(output, settings, plain)


def _measured(config: Config, output: Path, pairs: dict[str, list[Any]]) -> dict[str, Any]:
    """What the new adapter makes of the pairs, beside the one it comes from; both loaded anew."""
    from rolecraft.engines import chatglm3
    from train.tuning import preferring, proof

    quantization = config.quantization or None
    model = chatglm3.load_model(config.base, None, config.dtype, config.device, quantization)
    chatglm3.attach(model, config.adapter, "before")
    chatglm3.attach(model, output, "after")
    found: dict[str, Any] = {"logits_change": chatglm3.proof(model, "after").logits_change}
    for kind, every in pairs.items():
        if part := every[: config.measured_pairs]:
            batch = config.per_device_train_batch_size
            found[kind] = dataclasses.asdict(
                preferring.verdict(model, "before", "after", part, batch)
            )
    if config.probe_characters:
        adapters: dict[str, str | None] = {"named": "after", "named_before": "before"}
        found["identity"] = proof.identity(model, config, _budget(config), adapters)
    return found


def _record(config: Config, output: Path, origin: dict[str, Any], told: dict[str, Any]) -> None:
    """rolecraft.json: how the adapter came to be, and what it prefers now."""
    from rolecraft import prompts
    from train.adapter import commit

    recipe = {
        "stage": "preference",
        "base": Path(config.base).name,
        "adapter": Path(config.adapter).name,
        "base_sha256": origin["base_sha256"],
        "adapter_sha256": origin["adapter_sha256"],
        "data_sha256": origin["data_sha256"],
        "template_sha256": hashlib.sha256(Path(prompts.__file__).read_bytes()).hexdigest(),
        "config": dataclasses.asdict(config),
        "seed": config.seed,
        "trl": importlib.metadata.version("trl"),
        **told,
        "git_commit": commit(),
    }
    text = json.dumps(recipe, ensure_ascii=False, indent=2)
    (output / "rolecraft.json").write_text(text + "\n", encoding="utf-8")
