"""Which engines are listed, what each needs, and how they are opened."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from rolecraft.engines.base import EngineCard
from rolecraft.engines.catalog import CATALOGUE, Catalog
from rolecraft.engines.scripted import ScriptedEngine
from rolecraft.errors import ConfigurationError, EngineNotFound, EngineUnavailable
from rolecraft.settings import Settings


def settings(folder: Path, **changes: Any) -> Settings:
    return Settings(data_dir=folder / "data", models_dir=folder / "models", **changes)


def put_weights(folder: Path, config: str = "config.json") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / config).write_text("{}", encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"")


def put_adapter(folder: Path, name: str, base: str = "mini") -> None:
    put_weights(folder / "models" / base / "adapters" / name, "adapter_config.json")


def edited(folder: Path, **changes: Any) -> Path:
    """The shipped catalogue with some engines changed or added."""
    facts = yaml.safe_load(CATALOGUE.read_text("utf-8"))
    for name, change in changes.items():
        facts["engines"][name] = {**facts["engines"].get(name, {}), **change}
    path = folder / "catalog.yaml"
    path.write_text(yaml.safe_dump(facts, allow_unicode=True), encoding="utf-8")
    return path


def test_nothing_is_here_and_each_engine_says_what_to_do(tmp_path: Path) -> None:
    catalog = Catalog(settings(tmp_path))
    cards = {name: entry.card for name, entry in catalog.entries.items()}
    assert {name for name, card in cards.items() if card.available} == {"written", "scripted"}
    assert cards["rolecraft-mini"].remedy == (
        "put the weights into models/mini; it needs 0.5 GB RAM."
    )
    assert "download zai-org/chatglm3-6b into models/chatglm3-6b;" in cards["chatglm3"].remedy
    assert "set OPENAI_API_KEY" in cards["gpt-4"].remedy
    for name in ("rolecraft-mini", "gpt-4"):
        with pytest.raises(EngineUnavailable, match=f"^{name} cannot answer here: "):
            catalog.open(name)
    assert catalog.default == "written"


def test_every_card_speaks_both_languages_and_names_its_licence(tmp_path: Path) -> None:
    for entry in Catalog(settings(tmp_path)).entries.values():
        assert entry.card.summary["zh"] and entry.card.summary["en"], entry.card.name
        assert entry.card.licence and entry.card.profile, entry.card.name


def test_weights_and_adapter_make_an_engine_available(tmp_path: Path) -> None:
    put_weights(tmp_path / "models" / "mini")
    catalog = Catalog(settings(tmp_path))
    assert catalog.entry("mini-base").card.available
    remedy = catalog.entry("rolecraft-mini").card.remedy
    assert "train the adapter 'rolecraft' (python -m train adapter)" in remedy
    assert remedy.endswith(" into models/mini/adapters/rolecraft.")
    assert catalog.default == "mini-base"
    put_adapter(tmp_path, "rolecraft")
    assert Catalog(settings(tmp_path)).default == "rolecraft-mini"
    (tmp_path / "models/mini/adapters/rolecraft/model.safetensors").unlink()
    assert not Catalog(settings(tmp_path)).entry("rolecraft-mini").card.available
    (tmp_path / "models/mini/model.safetensors").unlink()
    assert not Catalog(settings(tmp_path)).entry("mini-base").card.available


def test_the_profile_chooses_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    put_weights(tmp_path / "models" / "mini")
    put_adapter(tmp_path, "rolecraft")
    put_weights(tmp_path / "models" / "chatglm3-6b")
    assert Catalog(settings(tmp_path, profile="chatglm3")).default == "chatglm3"
    put_adapter(tmp_path, "rolecraft-glm", base="chatglm3-6b")
    assert Catalog(settings(tmp_path, profile="chatglm3")).default == "rolecraft-glm"
    assert Catalog(settings(tmp_path)).default == "rolecraft-mini"


def test_without_a_gpu_its_engines_are_not_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    put_weights(tmp_path / "models" / "mini")
    put_adapter(tmp_path, "rolecraft")
    put_weights(tmp_path / "models" / "chatglm3-6b")
    put_adapter(tmp_path, "rolecraft-glm", base="chatglm3-6b")
    put_adapter(tmp_path, "found", base="chatglm3-6b")
    catalog = Catalog(settings(tmp_path, profile="chatglm3"))
    for name in ("chatglm3", "rolecraft-glm", "chatglm3-found"):
        remedy = catalog.entry(name).card.remedy
        assert "on a GPU that torch can use (13 GB GPU (bf16)" in remedy and "another" in remedy
    assert catalog.default == "rolecraft-mini"
    lent = Catalog(settings(tmp_path, profile="chatglm3", zero_gpu=True))  # for each call
    assert lent.default == "rolecraft-glm"


def test_an_unknown_name_is_answered_with_the_nearest(tmp_path: Path) -> None:
    catalog = Catalog(settings(tmp_path))
    with pytest.raises(EngineNotFound, match="No engine named 'rolecraft-min'.*rolecraft-mini"):
        catalog.open("rolecraft-min")
    with pytest.raises(EngineNotFound, match="written"):
        catalog.budget("???")


def test_an_adapter_folder_appears_by_itself(tmp_path: Path) -> None:
    put_weights(tmp_path / "models" / "mini")
    for name in ("rolecraft", "specific", "mini-general", "base", "a b"):
        put_adapter(tmp_path, name)
    catalog = Catalog(settings(tmp_path))
    found = catalog.entry("mini-specific")
    assert (found.adapter, found.base, found.card.available) == ("specific", "mini", True)
    assert "specific" in found.card.summary["zh"] and "specific" in found.card.summary["en"]
    assert not found.card.emotion_in_prompt and not found.hidden
    assert found.budget.tokens == catalog.entry("mini-base").budget.tokens
    assert catalog.entry("mini-general").adapter == "mini-general"
    assert catalog.entry("mini-base").adapter is None
    assert catalog.entry("mini-base-adapter").adapter == "base"
    assert "rename" in catalog.entry("mini-a b").card.remedy
    assert [e.adapter for e in catalog.entries.values()].count("rolecraft") == 1


def test_engines_of_one_base_share_its_weights(tmp_path: Path) -> None:
    put_weights(tmp_path / "models" / "mini")
    put_adapter(tmp_path, "rolecraft")
    catalog = Catalog(settings(tmp_path, max_queue=5))
    tuned, plain = catalog.open("rolecraft-mini"), catalog.open("mini-base")
    assert tuned.worker is plain.worker and tuned is catalog.open("rolecraft-mini")
    assert (tuned.adapter, plain.adapter) == ("rolecraft", None)
    model = tuned.worker.model
    assert list(model.adapters) == ["rolecraft"] and model.max_queue == 5
    assert (model.device, model.dtype, model.cached_tokens) == ("cpu", "float32", 16384)


def test_what_stops_the_replies_of_an_engine(tmp_path: Path) -> None:
    put_weights(tmp_path / "models" / "mini")
    stop = {"stop": ["用户：", "\n\n"]}
    path = edited(tmp_path, **{"mini-base": stop, "gpt-4": stop})
    catalog = Catalog(settings(tmp_path, openai_api_key="sk-x"), path)
    assert catalog.open("mini-base").stop == ("用户：", "\n\n")
    assert catalog.open("gpt-4").stop == ["用户：", "\n\n"]
    assert catalog.entry("rolecraft-mini").stop == ()


def test_an_endpoint_needs_a_key(tmp_path: Path) -> None:
    catalog = Catalog(
        settings(tmp_path, openai_api_key="sk-x", openai_base_url="http://127.0.0.1:9/v1")
    )
    entry = catalog.entry("gpt-4")
    assert entry.card.available and entry.card.emotion_in_prompt and entry.budget.emotion_rule
    assert catalog.open("gpt-4").model == "gpt-4"


def test_makers_build_what_needs_more(tmp_path: Path) -> None:
    def scripted(card: EngineCard) -> ScriptedEngine:
        return ScriptedEngine(card, ["好。"])

    catalog = Catalog(settings(tmp_path), makers={"written": scripted})
    assert isinstance(catalog.open("written"), ScriptedEngine)
    assert catalog.budget("written").count("三个字") == 3
    with pytest.raises(ConfigurationError, match="written: nothing here makes engines"):
        Catalog(settings(tmp_path)).open("written")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"temprature": 1}, "engines, gpt-4 has the unknown key 'temprature'. Known: adapter"),
        ({"budget": "huge"}, "the engine gpt-4 cannot be used .*huge"),
        ({"sampling": {"top_p": 7}}, "the engine gpt-4 cannot be used .*top_p is 7"),
        ({"sampling": {"topp": 1}}, "the engine gpt-4 cannot be used .*topp"),
        ({"stop": "用户："}, "the engine gpt-4 cannot be used .*write a list of texts"),
        ({"stop": [""]}, "the engine gpt-4 cannot be used .*write a list of texts"),
        ({"kind": "local", "base": "none"}, "the engine gpt-4 cannot be used .*none"),
    ],
)
def test_a_faulty_catalogue_names_the_place(tmp_path: Path, change: dict, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        Catalog(settings(tmp_path), edited(tmp_path, **{"gpt-4": change}))
    assert "catalog.yaml" in str(caught.value)


@pytest.mark.parametrize("text", ["", "engines: [", "bases: {}\nbudgets: {}\n", "- 1"])
def test_a_broken_catalogue(tmp_path: Path, text: str) -> None:
    path = tmp_path / "catalog.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="catalog.yaml cannot be read"):
        Catalog(settings(tmp_path), path)
