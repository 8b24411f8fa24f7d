"""Small ChatGLM3 checkpoints and adapters, made for each test or copied from the fixture."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tests.engines.checkpoints import FUSED, TINY, edit_json, official_tensors


@pytest.fixture(autouse=True)
def _computing(one_thread: None) -> None:
    """Every test here computes."""


@pytest.fixture
def tiny() -> Path:
    """The reference checkpoint, read only."""
    return TINY


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the reference checkpoint that a test may damage."""
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.model", "tokenizer_config.json"):
        shutil.copy(TINY / name, folder / name)
    shutil.copytree(TINY / "adapter", folder / "adapter")
    return folder


@pytest.fixture
def make_adapter(tmp_path: Path) -> Callable[..., Path]:
    """Writes a random official adapter for a checkpoint folder; returns the adapter's folder.

    `ranks` maps a short target name to its rank; `settings` go to adapter_config.json.
    """

    def make(base: Path, ranks: dict[str, int], zero: bool = False, **settings: Any) -> Path:
        folder = tmp_path / f"adapter{len(list(tmp_path.glob('adapter*')))}"
        folder.mkdir()
        random = torch.Generator().manual_seed(11)
        state: dict[str, torch.Tensor] = {}
        for key, weight in official_tensors(base).items():
            target = next((t for t in ranks if key.endswith(f"{FUSED[t]}.weight")), None)
            if target is None:
                continue
            name = f"base_model.model.{key.removesuffix('.weight')}"
            a = torch.rand(ranks[target], weight.shape[1], generator=random) - 0.5
            b = torch.rand(weight.shape[0], ranks[target], generator=random) - 0.5
            state[f"{name}.lora_A.weight"] = a
            state[f"{name}.lora_B.weight"] = b * 0 if zero else b * 0.1
            if settings.get("use_dora"):
                state[f"{name}.lora_magnitude_vector"] = weight.float().norm(dim=1) * 1.1
        save_file(state, folder / "adapter_model.safetensors")
        shutil.copy(TINY / "adapter" / "adapter_config.json", folder / "adapter_config.json")
        default = {"r": next(iter(ranks.values())), "target_modules": list(ranks)}
        edit_json(folder / "adapter_config.json", **(default | settings))
        return folder

    return make
