"""Every shipped configuration parses, and a key that nobody knows is refused by name."""

import importlib
from pathlib import Path

import pytest

from rolecraft.errors import ConfigurationError

CONFIGS = sorted((Path(__file__).parents[2] / "train" / "configs").glob("*.toml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_config_parses(path: Path) -> None:
    stage = importlib.import_module(f"train.{path.stem.split('_')[0]}")
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
