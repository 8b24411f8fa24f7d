"""The loop closes: votes become data, data an adapter, and the adapter an arm that prefers them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from rolecraft import __main__ as cli
from rolecraft.characters import read_shelf
from rolecraft.conversation import Message, Sampling
from rolecraft.engines import chatglm3
from rolecraft.engines.catalog import Catalog
from rolecraft.errors import ConfigurationError, ResultsError, TrainingError
from rolecraft.ratings.desk import Desk
from rolecraft.settings import Settings
from rolecraft.store.database import Database
from rolecraft.store.folder import DataFolder
from rolecraft.store.quality import Limits
from rolecraft.store.raters import rating_key
from tests.rating_kit import Clock
from tests.train.tuning.conftest import ROOT
from tests.voters import SMALL, House
from train import preference
from train.__main__ import main
from train.documents import ChatFormat
from train.tuning import preferring, rated

SHELF = ROOT / "tests" / "data" / "shelf"
Make = Callable[..., preference.Config]
CONFIGS = ROOT / "train" / "configs"


@pytest.fixture(scope="module")
def loop(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `data` of four visitors who prefer a kind keeper of the lighthouse, with
    `data/liked` made of it, and with an adapter in `models` that was tuned on what they liked.
    """
    root = tmp_path_factory.mktemp("loop")
    shutil.copytree(base, root / "models" / "mini")
    with DataFolder.claim(root / "data") as folder:
        database = Database.open(folder)
        desk = Desk(database, rating_key(folder), "test", Clock(), limits=Limits(0, 0.0, 0, 10**6))
        house = House(desk, read_shelf(SHELF))
        for n in range(24):
            kind, rude = f"好呀，我陪你去看第{n}盏灯。", f"走开，我不管第{n}盏灯。"
            house.vote(house.visitor(f"v{n % 4}"), kind, rude, f"{n}号灯亮吗？", values=(5, 2))
        database.close()
    to_training(root, root / "data", root / "data" / "liked")
    sets = {
        "base": root / "models" / "mini", "characters": SHELF, "ratings": root / "data" / "liked",
        "output_dir": root / "models" / "mini" / "adapters" / "start", "work_dir": root / "start",
    }  # fmt: skip
    text = [f'{key}="{value}"' for key, value in sets.items()]
    text += ["sources={rated=1.0}", "max_steps=2", "probe_characters=0", "learning_rate=0.01"]
    command = ["adapter", "--config", str(CONFIGS / "adapter_smoke.toml"), "--set", *text]
    assert main([*command, "validation_share=0.2"]) == 0
    return root


def to_training(root: Path, data: Path, out: Path) -> None:
    """The command, as a maker gives it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROLECRAFT_CHARACTERS", str(SHELF))
        patch.setenv("ROLECRAFT_MODELS_DIR", str(root / "models"))
        patch.setenv("ROLECRAFT_DATA_DIR", str(data))
        patch.chdir(root)
        assert cli.main(["ratings", "to-training", str(out)]) == 0


@pytest.fixture
def config(loop: Path, tmp_path: Path) -> Make:
    def make(name: str = "liked", **changes: Any) -> preference.Config:
        mini = loop / "models" / "mini"
        values: dict[str, Any] = {
            "output_dir": str(mini / "adapters" / name), "base": str(mini),
            "adapter": str(mini / "adapters" / "start"), "ratings": str(loop / "data" / "liked"),
            "characters": str(SHELF), "work_dir": str(tmp_path / "work" / name),
            "learning_rate": 1e-2, "max_steps": 4, "validation_share": 0.25,
            "probe_characters": 0,
        }  # fmt: skip
        return preference.Config(**(values | changes))

    return make


def test_votes_become_an_arm_that_prefers_what_was_preferred(
    config: Make, loop: Path, tmp_path: Path
) -> None:
    wanted, models = config(), loop / "models"
    started = Path(wanted.adapter)
    before = (started / "adapter_model.safetensors").read_bytes()
    sets = [
        f"{key}={json.dumps(getattr(wanted, key))}"
        for key in ("output_dir", "base", "adapter", "ratings", "characters", "work_dir",
                    "learning_rate", "max_steps", "validation_share")
    ]  # fmt: skip
    recipe = str(CONFIGS / "preference_mini.toml")
    assert main(["preference", "--config", recipe, "--set", *sets, "probe_characters=1"]) == 0
    told = json.loads((Path(wanted.output_dir) / "rolecraft.json").read_text("utf-8"))
    for kind in ("trained", "held_out"):
        found = told["proof"][kind]
        assert found["margin_after"] > found["margin_before"] + 1
        assert found["preferred_after"] >= found["preferred_before"]
        assert found["moved"] == 1.0
    assert told["proof"]["trained"]["pairs"] + told["proof"]["held_out"]["pairs"] == 24
    assert told["proof"]["identity"]["asked"] == 3 and told["adapter"] == "start"
    assert (started / "adapter_model.safetensors").read_bytes() == before

    catalog = Catalog(Settings(data_dir=tmp_path / "d", models_dir=models))
    assert {"mini-start", "mini-liked"} <= set(catalog.entries)
    said = catalog.open("mini-liked").stream(
        [Message("user", "好吗？")], Sampling(max_new_tokens=4)
    )
    assert isinstance("".join(said), str)

    # The same by another way: both adapters on one base, as the engine attaches them.
    model = chatglm3.load_model(models / "mini", None, "fp32", "cpu")
    chatglm3.attach(model, started, "before")
    chatglm3.attach(model, wanted.output_dir, "after")
    tokenizer = chatglm3.load_tokenizer(models / "mini")
    people = read_shelf(SHELF).characters
    pairs = rated.preferred(Path(wanted.ratings), people, SMALL)
    rows = [row for one in pairs if (row := preferring.encoded(one, tokenizer, 640))]
    first, second = (preferring.likelihoods(model, name, rows, 8) for name in ("before", "after"))
    for (chosen, rejected), (now_chosen, now_rejected) in zip(first, second, strict=True):
        assert now_chosen - now_rejected > chosen - rejected


def test_an_erased_rater_s_votes_are_in_no_further_data(
    config: Make, loop: Path, tmp_path: Path
) -> None:
    data = Path(shutil.copytree(loop / "data", tmp_path / "copied"))
    with DataFolder.visit(data) as folder:
        database = Database.open(folder)
        desk = Desk(database, rating_key(folder))
        for n in range(4):
            desk.raters.erase(desk.enter(f"v{n}", "tab").rater)
        database.close()
    to_training(loop, data, tmp_path / "gone")
    told = json.loads((tmp_path / "gone" / "manifest.json").read_text("utf-8"))
    assert told["records"] == {"in": 72, "refused": 72, "used": 0}
    assert told["reasons"] == {"the rater is erased": 72}
    with pytest.raises(TrainingError, match="holds no pair to train on"):
        preference.run(config(ratings=str(tmp_path / "gone")))


def test_a_run_in_two_parts_is_a_run_in_one(config: Make) -> None:
    settings: dict[str, Any] = {"lr_scheduler_type": "constant", "measured_pairs": 1}
    preference.run(config("whole", **settings))
    preference.run(config("parts", **settings, max_steps=2))
    preference.run(config("parts", **settings))
    one, two = (
        load_file(Path(config(name).output_dir) / "adapter_model.safetensors")
        for name in ("whole", "parts")
    )
    assert max(float((one[n].float() - two[n].float()).abs().max()) for n in one) < 1e-6
    with pytest.raises(TrainingError, match=r"made with beta = 0\.1, this run has 0\.5.*Delete"):
        preference.run(config("parts", **settings, beta=0.5))


def test_pairs_are_the_chat_s_own_tokens(config: Make, loop: Path) -> None:
    pair = rated.preferred(Path(config().ratings), read_shelf(SHELF).characters, SMALL)[0]
    tokenizer = chatglm3.load_tokenizer(loop / "models" / "mini")
    ids = preferring.encoded(pair, tokenizer, 640)
    assert ids
    chat = ChatFormat(str(tokenizer.path))
    whole = chat.document([*pair.prompt, Message("assistant", pair.chosen)])
    assert whole.ids.tolist() == ids["prompt_ids"] + ids["chosen_ids"]
    learnt = rated.last_learnt(whole).learnt
    assert learnt.sum() == len(ids["chosen_ids"]) and not learnt[: len(ids["prompt_ids"])].any()
    assert preferring.encoded(pair, tokenizer, 20) is None


def test_what_cannot_be_is_said(config: Make, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="output_dir is the adapter it starts from"):
        config("start")
    with pytest.raises(ConfigurationError, match="prompt is 'huge'"):
        config(prompt="huge")
    with pytest.raises(TrainingError, match=r"holds no pair.*raise max_length"):
        preference.run(config(max_length=20))
    with pytest.raises(ResultsError, match="holds no training data"):
        preference.run(config(ratings=str(tmp_path)))
