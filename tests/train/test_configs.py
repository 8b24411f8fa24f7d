"""Every shipped configuration parses, and a key that nobody knows is refused by name."""

import importlib
from pathlib import Path

import pytest

from rolecraft.errors import ConfigurationError

CONFIGS = sorted((Path(__file__).parents[2] / "train" / "configs").glob("*.toml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_config_parses(path: Path) -> None:
    name = path.stem.split("_")[0]
    stage = importlib.import_module(f"train.{'adapter' if name == 'rolecraft' else name}")
    config = stage.Config.read(path)
    assert config.output_dir


def test_unknown_key_names_file_key_and_choices(tmp_path: Path) -> None:
    from train.pretrain import Config

    path = tmp_path / "wrong.toml"
    path.write_text('output_dir = "x"\nlerning_rate = 1.0\n')
    with pytest.raises(ConfigurationError, match=r"wrong\.toml.*'lerning_rate'.*learning_rate"):
        Config.read(path)


def test_override_is_toml_and_must_be_a_pair(tmp_path: Path) -> None:
    from train.pretrain import Config

    path = tmp_path / "c.toml"
    path.write_text('output_dir = "x"\n')
    assert Config.read(path, ["total_tokens=100", "init_from=runs/a"]).total_tokens == 100
    with pytest.raises(ConfigurationError, match="not key=value"):
        Config.read(path, ["total_tokens"])


def test_the_paper_s_settings_are_shipped() -> None:
    from train.tuning.config import Config

    paper = Config.read(CONFIGS[0].parent / "rolecraft_chatglm3.toml")
    assert (paper.lora_r, paper.lora_alpha, paper.lora_dropout) == (8, 32, 0.1)
    assert (paper.learning_rate, paper.adam_beta1, paper.adam_beta2) == (2e-4, 0.9, 0.999)
    assert (paper.rows_per_microbatch, paper.max_steps, paper.target_tokens) == (4, 500, 128)
    assert set(paper.target_modules) == {"q_proj", "k_proj", "v_proj"}


def test_accelerate_reads_its_configuration() -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    told = load_config_from_file(str(CONFIGS[0].parent / "accelerate_gpus.yaml"))
    assert told.num_processes == 2
