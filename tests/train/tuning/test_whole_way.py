"""From a raw release to an adapter with which the chat page answers, by the README's commands."""

import random
import shlex
import shutil
from pathlib import Path

import pytest

from benchmarks import importers as published
from benchmarks.recipe import ENGINE, SERVE, STEPS, house
from rolecraft.services import open_services
from rolecraft.settings import Settings
from rolecraft.ui.scene import Shown
from rolecraft.ui.visitor import new_place
from tests.tiny import make_encoder
from tests.ui.test_app import call, free_port, launched
from train.__main__ import main

SLICE = {"CHARACTERS": 2, "LINES": 24, "QUESTIONS": 12, "INSTRUCTIONS": 6, "REPLIES": 2}
LESS = (
    "--set max_steps=2 row_tokens=320 rows_per_step=1 rows_per_microbatch=1 lora_r=2 "
    "validation_share=0.2 validation_items=4 validation_every=2 probe_characters=1"
)


@pytest.fixture
def place(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a release of nonsense and a mini of random weights."""
    for name, size in SLICE.items():
        monkeypatch.setattr(published, name, size)
    published.invent(tmp_path / "release", random.Random(1))
    shutil.copytree(base, make_encoder(tmp_path / "models") / "mini", dirs_exist_ok=True)
    folder = house(tmp_path / "house", tmp_path / "models")
    monkeypatch.chdir(folder)
    return folder


def carry_out(release: Path) -> None:
    """The README's commands, the last one with settings for a slice."""
    for command, _ in STEPS:
        given = shlex.split(command.replace("RELEASE", str(release)))
        assert given[:3] == ["python", "-m", "train"]
        stage, *arguments = given[3:]
        more = LESS.split() if stage == "adapter" else []
        status = main([stage, *arguments, *more])
        assert status == 0 or stage == "lint"  # nonsense may well be faulty


def test_raw_files_become_a_voice_on_the_page(place: Path, tmp_path: Path) -> None:
    carry_out(tmp_path / "release")
    weights = place / "models" / "mini" / "adapters" / "roleinstruct" / "adapter_model.safetensors"
    first = weights.read_bytes()
    carry_out(tmp_path / "release")  # given again, each command finds its work done
    assert weights.read_bytes() == first

    variable, shelf = SERVE.split()[0].split("=")
    assert variable == "ROLECRAFT_CHARACTERS"
    settings = Settings(
        data_dir=tmp_path / "data", models_dir=place / "models", characters=place / shelf,
        port=free_port(),
    )  # fmt: skip
    services = open_services(settings)
    try:
        with launched(services) as (client, demo):
            visitor = new_place()
            at = visitor.at(character=services.shelf.characters[0].id).to_browser()
            chosen = {"engine": ENGINE, "preset": "custom", "max_new_tokens": 16}
            sent = {"do": "send", "text": "你好", "settings": chosen}
            last = call((client, demo, services), "make", at, sent)[-1]
        assert last["success"], last
        shown = dict(zip(Shown._fields, last["output"]["data"], strict=True))
        whose = visitor.visitor, shown["place"]["conversation"]
        said = services.conversations.path(*whose)[-1]
        who = services.conversations.reply(*whose, said.id).identity
        assert (who.engine, who.adapter) == (ENGINE, "roleinstruct")
    finally:
        services.close()
