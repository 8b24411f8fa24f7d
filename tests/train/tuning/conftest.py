"""A tiny base with random weights and two characters of the cast."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rolecraft.engines import chatglm3
from train import pretrain
from train.tuning.config import Config

ROOT = Path(__file__).parents[3]
CAST = ROOT / "characters"
TOKENIZER = ROOT / "models" / "mini" / "tokenizer.model"


@pytest.fixture(autouse=True)
def _computing(one_thread: None) -> None:
    """Every test here computes."""


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A native GLM of two layers; its widths suit 4-bit blocks."""
    os.environ["OMP_NUM_THREADS"] = "1"
    sizes = pretrain.Config(
        output_dir="", hidden_size=64, num_hidden_layers=2, intermediate_size=128,
        num_attention_heads=2,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("base")
    return chatglm3.save_native(pretrain.build_model(sizes), TOKENIZER, folder, "fp32")


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two characters of the cast with the general instructions."""
    folder = tmp_path_factory.mktemp("shelf")
    for name in ("tao-zi", "zhou-xiaobei"):
        shutil.copytree(CAST / name, folder / name)
    shutil.copy(CAST / "instructions.yaml", folder)
    return folder


@pytest.fixture
def config(base: Path, shelf: Path, tmp_path: Path) -> Callable[..., Config]:
    """A tuning of a few short steps, below `tmp_path`."""

    def make(name: str = "run", **changes: Any) -> Config:
        values: dict[str, Any] = {
            "output_dir": str(tmp_path / name / "adapter"),
            "work_dir": str(tmp_path / name / "work"),
            "base": str(base),
            "characters": str(shelf),
            "sources": {"general": 1.0, "specific": 2.0},
            "lora_r": 2,
            "lora_dropout": 0.1,
            "max_steps": 6,
            "row_tokens": 320,
            "rows_per_step": 2,
            "rows_per_microbatch": 1,
            "warmup_steps": 1,
            "pool": 6,
            "probe_characters": 0,
        }
        return Config(**(values | changes))

    return make
