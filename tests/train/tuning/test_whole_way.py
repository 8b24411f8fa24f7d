"""From a raw release to an adapter that the chat serves, by the documented commands."""

import random
import shutil
from pathlib import Path

import pytest

from benchmarks import importers as published
from rolecraft.conversation import Message, Sampling
from rolecraft.engines.catalog import Catalog
from rolecraft.settings import Settings
from tests.train.tuning.conftest import ROOT
from train.__main__ import main

SLICE = {"CHARACTERS": 2, "LINES": 24, "QUESTIONS": 10, "INSTRUCTIONS": 6, "REPLIES": 2}


def test_raw_files_become_an_engine(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, size in SLICE.items():
        monkeypatch.setattr(published, name, size)
    published.invent(tmp_path / "release", random.Random(1))
    imported = tmp_path / "characters"
    assert (
        main(["importers", "--source", "roleinstruct", str(tmp_path / "release"), str(imported)])
        == 0
    )
    assert main(["lint", str(imported)]) in (0, 1)  # nonsense may well be faulty

    shutil.copytree(base, tmp_path / "models" / "mini")
    output = tmp_path / "models" / "mini" / "adapters" / "release"
    smoke = str(ROOT / "train" / "configs" / "adapter_smoke.toml")
    sets = {
        "base": tmp_path / "models" / "mini", "characters": imported, "output_dir": output,
        "work_dir": tmp_path / "work",
    }  # fmt: skip
    changed = [f'{key}="{value}"' for key, value in sets.items()]
    command = ["adapter", "--config", smoke, "--set", *changed, "validation_share=0.2"]
    assert main(command) == 0
    first = (output / "adapter_model.safetensors").read_bytes()
    assert main(command) == 0  # given again, it finds its work done
    assert (output / "adapter_model.safetensors").read_bytes() == first

    catalog = Catalog(Settings(data_dir=tmp_path / "data", models_dir=tmp_path / "models"))
    engine = catalog.open("mini-release")
    said = "".join(engine.stream([Message("user", "你好")], Sampling(seed=1, max_new_tokens=4)))
    assert isinstance(said, str)
