"""A tuning on disk: everything that its future depends on, written whole or not at all.

Matrices, optimizer, random numbers, place in the data, early stopping. A run that is killed and
started again ends with the same weights as one that was not (one process and thread, CPU, fp32).
"""

import dataclasses
import os
from pathlib import Path
from typing import Any

from rolecraft.errors import TrainingError
from train.tuning.config import Config

FILE = "checkpoint.pt"
# What may differ between the run that wrote a checkpoint and the one that goes on from it.
_FREE = {
    "output_dir", "work_dir", "max_steps", "device", "workers", "save_seconds", "save_steps",
    "patience", "probe_characters", "gradient_checkpointing", "rows_per_microbatch", "shard",
}  # fmt: skip


@dataclasses.dataclass
class Progress:
    """How far a run is and what it found on the way."""

    step: int = 0
    seconds: float = 0.0
    losses: list[float] = dataclasses.field(default_factory=list)  # of the last twenty steps
    best_loss: float = float("inf")
    best_step: int = 0
    best: dict[str, Any] = dataclasses.field(default_factory=dict)  # the matrices of that step
    bad: int = 0  # validations since
    stopped: bool = False
    tokens: int = 0  # read so far, padding left out


def origin(config: Config, base_sha256: str, data_sha256: str) -> dict[str, Any]:
    """What a checkpoint must have in common with the run that goes on from it."""
    kept = {k: v for k, v in dataclasses.asdict(config).items() if k not in _FREE}
    for key in ("target_modules", "held_instructions"):
        kept[key] = list(kept[key])  # a tuple from a file is a list
    return {**kept, "base_sha256": base_sha256, "data_sha256": data_sha256}


def matrices(model: Any) -> dict[str, Any]:
    """A copy of the adapter's tensors."""
    from peft import get_peft_model_state_dict

    held = get_peft_model_state_dict(model, save_embedding_layers=False)
    return {name: value.detach().cpu().clone() for name, value in held.items()}


def save(
    folder: Path,
    model: Any,
    optimizer: Any,
    progress: Progress,
    feed: dict[str, Any],
    origin: dict[str, Any],
) -> None:
    """Write the checkpoint and let it take the old one's place in one move."""
    import torch

    state = {
        "lora": matrices(model),
        "optimizer": optimizer.state_dict(),
        **dataclasses.asdict(progress),
        "feed": feed,
        "origin": origin,
        "random": torch.get_rng_state(),
        "cuda_random": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }
    new = folder / "checkpoint.new"
    with new.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    new.replace(folder / FILE)


def load(folder: Path, model: Any, optimizer: Any, feed: Any, wanted: dict[str, Any]) -> Progress:
    """Put everything back where the checkpoint in `folder` has it; a fresh start without one.

    Raises TrainingError for a checkpoint of another configuration, base or data.
    """
    import torch
    from peft import set_peft_model_state_dict

    path = folder / FILE
    if not path.exists():
        return Progress()
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # torch raises many kinds for a damaged file
        raise TrainingError(
            f"{path} cannot be read ({type(error).__name__}: {error}). Delete it to begin anew."
        ) from error
    held = state.get("origin", wanted)
    for key in sorted(wanted):
        if held.get(key) != wanted[key]:
            raise TrainingError(
                f"{path} was made with {key} = {held.get(key)!r}, this run has {wanted[key]!r}. "
                "Delete it to begin anew, or choose another work_dir."
            )
    set_peft_model_state_dict(model, state["lora"])
    optimizer.load_state_dict(state["optimizer"])
    if "feed" in state:
        feed.restore(state["feed"])
        torch.set_rng_state(state["random"])
        if state["cuda_random"] and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(state["cuda_random"])
    names = {field.name for field in dataclasses.fields(Progress)}
    return Progress(**{key: value for key, value in state.items() if key in names})
