"""A tuning from end to end: stopped, killed, spread out, on smaller bases, and proved to speak."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from rolecraft.engines import chatglm3
from rolecraft.errors import ConfigurationError, TrainingError
from tests.train.tuning.conftest import ROOT
from train import adapter
from train.tuning import memory
from train.tuning.config import Config

Make = Callable[..., Config]


def tensors(folder: str | Path) -> dict[str, torch.Tensor]:
    return load_file(Path(folder) / "adapter_model.safetensors")


def difference(one: str | Path, two: str | Path) -> float:
    first, second = tensors(one), tensors(two)
    assert set(first) == set(second)
    return max(float((first[n].float() - second[n].float()).abs().max()) for n in first)


def arguments(config: Config) -> list[str]:
    """The same configuration for another process."""
    path = Path(config.work_dir).with_suffix(".toml")
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        f"{key} = {json.dumps(getattr(config, key))}"
        for key in Config.__dataclass_fields__
        if key != "sources"
    ]
    shares = [f"{name} = {share}" for name, share in config.sources.items()]
    path.write_text("\n".join([*lines, "[sources]", *shares]))
    return ["-m", "train", "adapter", "--config", str(path)]


def test_the_record_tells_how_it_came_to_be(config: Make, base: Path) -> None:
    wanted = config(validation_every=2, validation_share=0.3, validation_items=4)
    made = adapter.run(wanted)
    told = json.loads((made / "rolecraft.json").read_text())
    assert told["base_sha256"] == chatglm3.weights_sha256(base)
    assert len(told["data_sha256"]) == len(told["template_sha256"]) == 64
    assert told["config"]["learning_rate"] == 2e-4 and told["seed"] == wanted.seed
    assert told["scores"]["validation_loss"] > 0 and told["best_step"] in (2, 4, 6)
    assert told["proof"]["logits_change"] > 0
    assert told["steps"] == 6 and told["tokens"] > 0 and len(told["git_commit"]) == 40
    curves = list((Path(wanted.work_dir) / "tensorboard").glob("events*"))
    assert curves and curves[0].stat().st_size > 500


@pytest.mark.parametrize("packing", ["packed", "shared"])
def test_a_run_in_two_parts_is_a_run_in_one(config: Make, packing: str) -> None:
    settings: dict[str, Any] = {
        "packing": packing, "sources": {"general": 1.0, "specific": 1.0, "imagined": 1.0},
        "decay_share": 0.0,
    }  # fmt: skip
    adapter.run(config("whole", **settings))
    adapter.run(config("parts", **settings, max_steps=3))
    adapter.run(config("parts", **settings))
    assert difference(config("whole").output_dir, config("parts").output_dir) == 0


def test_a_killed_run_started_again_ends_the_same(config: Make) -> None:
    settings = {"max_steps": 16, "save_steps": 2, "validation_every": 3, "validation_share": 0.2}
    killed = config("killed", **settings)
    process = subprocess.Popen([sys.executable, *arguments(killed)], cwd=ROOT)
    checkpoint = Path(killed.work_dir) / "checkpoint.pt"
    while not checkpoint.exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it ended before it was killed"
    assert not Path(killed.output_dir).exists()
    adapter.run(killed)
    adapter.run(config("whole", **settings))
    assert difference(config("whole").output_dir, killed.output_dir) == 0


def test_another_configuration_does_not_go_on_from_a_checkpoint(config: Make) -> None:
    adapter.run(config(max_steps=1))
    with pytest.raises(TrainingError, match=r"made with lora_r = 2, this run has 4.*Delete it"):
        adapter.run(config(lora_r=4))
    (Path(config().work_dir) / "checkpoint.pt").write_bytes(b"torn")
    with pytest.raises(TrainingError, match="cannot be read.*Delete it"):
        adapter.run(config())


def test_validation_stops_early_and_keeps_the_best(config: Make) -> None:
    # A rate that ruins the adapter: the loss on unseen examples only rises.
    settings = {
        "learning_rate": 3.0, "max_steps": 60, "validation_every": 1, "validation_share": 0.3,
        "patience": 3, "warmup_steps": 10,
    }  # fmt: skip
    made = adapter.run(config(**settings))
    told = json.loads((made / "rolecraft.json").read_text())
    assert told["steps"] == told["best_step"] + 3 < 60
    again = adapter.run(config(**settings))  # it stays stopped
    assert json.loads((again / "rolecraft.json").read_text())["steps"] == told["steps"]


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("bf16", {"dtype": "bf16"}),
        ("int8", {"quantization": "int8"}),
        ("nf4", {"quantization": "nf4", "dtype": "bf16"}),
        ("checkpointing", {"gradient_checkpointing": True, "lora_dropout": 0.0}),
    ],
)
def test_smaller_bases(config: Make, kind: str, settings: dict[str, Any]) -> None:
    made = adapter.run(config(kind, max_steps=2, learning_rate=1e-2, **settings))
    held = tensors(made)
    assert all(torch.isfinite(value).all() for value in held.values())
    assert any(value.abs().max() > 0 for name, value in held.items() if "lora_B" in name)


def test_gradient_checkpointing_changes_no_weight(config: Make) -> None:
    settings = {"max_steps": 2, "lora_dropout": 0.0}
    adapter.run(config("plain", **settings))
    adapter.run(config("less", gradient_checkpointing=True, **settings))
    assert difference(config("plain").output_dir, config("less").output_dir) < 1e-4


@pytest.mark.timeout(600)
def test_two_processes_with_half_the_base_each_are_one(config: Make) -> None:
    settings = {"max_steps": 2, "lora_dropout": 0.0, "rows_per_step": 4, "learning_rate": 1e-2}
    adapter.run(config("one", **settings))
    spread = config("two", shard=True, **settings)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [sys.executable, *launch, *arguments(spread)],
        cwd=ROOT, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert difference(config("one").output_dir, spread.output_dir) < 1e-4


def test_what_cannot_be_shared_is_refused(config: Make) -> None:
    with pytest.raises(TrainingError, match="there is one.*accelerate launch"):
        adapter.run(config(shard=True))
    with pytest.raises(ConfigurationError, match="nf4 on a CPU.*int8 or a GPU"):
        config(quantization="nf4", validation_every=2, validation_share=0.1)
    with pytest.raises(ConfigurationError, match="packing is 'tight'.*'packed' or 'shared'"):
        config(packing="tight")


def test_a_shortage_of_memory_names_what_to_lower(config: Make) -> None:
    with (
        pytest.raises(TrainingError, match=r"(?i)lower row_tokens \(now 320\).*checkpointing = tr"),
        memory.named(config()),
    ):
        torch.empty(10**15)


def test_a_finished_adapter_is_an_engine(config: Make, base: Path, tmp_path: Path) -> None:
    import shutil

    from rolecraft.engines.catalog import Catalog
    from rolecraft.settings import Settings

    shutil.copytree(base, tmp_path / "models" / "mini")
    output = tmp_path / "models" / "mini" / "adapters" / "fresh"
    adapter.run(config(output_dir=str(output), learning_rate=1e-2))
    catalog = Catalog(Settings(data_dir=tmp_path / "data", models_dir=tmp_path / "models"))
    assert catalog.entry("mini-fresh").card.available
