"""Official and native LoRA adapters: exact translation, several on one base, refusals."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import GlmForCausalLM

from rolecraft.engines import chatglm3
from rolecraft.engines.adapters import active_adapter
from rolecraft.errors import CheckpointError, EngineNotFound
from tests.engines.checkpoints import TINY, official_tensors, write_official

IDS = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6], [7, 7, 7, 0, 1, 2, 3, 4]])


@torch.inference_mode()
def logits(model: GlmForCausalLM) -> torch.Tensor:
    return model(input_ids=IDS).logits


def load(folder: Path, adapter: Path | None = None) -> GlmForCausalLM:
    return chatglm3.load_model(folder, adapter=adapter, dtype="fp32", device="cpu")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_official(tmp_path / "base", num_layers=3)


def merged(base: Path, adapter: Path, scale, folder: Path, dora: bool = False) -> Path:
    """A checkpoint whose fused weights have taken the adapter in; `scale(module)` is its factor."""
    tensors = official_tensors(base)
    lora = load_file(adapter / "adapter_model.safetensors")
    for key in [key for key in lora if key.endswith("lora_A.weight")]:
        stem = key.removesuffix(".lora_A.weight")
        name = stem.removeprefix("base_model.model.")
        update = scale(name) * lora[f"{stem}.lora_B.weight"] @ lora[key]
        weight = tensors[f"{name}.weight"] + update
        if dora:
            norm = weight.norm(dim=1, keepdim=True)
            weight = weight / norm * lora[f"{stem}.lora_magnitude_vector"].unsqueeze(1)
        tensors[f"{name}.weight"] = weight
    write_official(folder, num_layers=3)
    for path in folder.glob("model*"):
        path.unlink()
    save_file(tensors, folder / "model.safetensors")
    return folder


ALL = {"query_key_value": 4, "dense": 4, "dense_h_to_4h": 4, "dense_4h_to_h": 4}


@pytest.mark.parametrize(
    ("ranks", "settings"),
    [
        ({"query_key_value": 8}, {"lora_alpha": 32}),
        (ALL, {"lora_alpha": 8}),
        ({"dense_h_to_4h": 2, "dense": 6}, {"r": 2, "rank_pattern": {"dense": 6}}),
        (ALL, {"use_rslora": True, "lora_alpha": 5}),
        (ALL, {"use_dora": True}),
        (ALL, {"target_modules": r".*\.(query_key_value|dense.*)"}),
        (
            {"query_key_value": 2, "dense": 4, "dense_4h_to_h": 4},
            {
                "r": 4,
                "rank_pattern": {r"layers\.\d+\.self_attention\.query_key_value": 2},
                "lora_alpha": 4,
                "alpha_pattern": {"layers.1.mlp.dense_4h_to_h": 16, "query_key_value": 3},
            },
        ),
    ],
)
def test_official_adapters_are_exact(
    base: Path, tmp_path: Path, make_adapter, ranks: dict, settings: dict
) -> None:
    settings = {"lora_alpha": 16} | settings
    adapter = make_adapter(base, ranks, **settings)

    def scale(module: str) -> float:
        patterns = settings.get("alpha_pattern", {})
        alpha = next(
            (v for k, v in patterns.items() if re.match(rf"(.*\.)?({k})$", module)),
            settings["lora_alpha"],
        )
        rank = ranks[module.rsplit(".", 1)[1]]
        return alpha / (rank**0.5 if settings.get("use_rslora") else rank)

    dora = bool(settings.get("use_dora"))
    wanted = logits(load(merged(base, adapter, scale, tmp_path / "merged", dora)))
    model = load(base, adapter)
    assert (logits(model) - wanted).abs().max() <= 1e-5 * wanted.abs().max()
    assert (logits(load(base)) - wanted).abs().max() > 1e-3 * wanted.abs().max()


def test_an_adapter_of_some_layers(base: Path, make_adapter) -> None:
    adapter = make_adapter(base, {"dense": 4})
    file = adapter / "adapter_model.safetensors"
    save_file({k: v for k, v in load_file(file).items() if ".layers.1." in k}, file)
    model = load(base, adapter)
    assert chatglm3.proof(model, "default").modules == 1
    tuned = [name for name, _ in model.named_modules() if name.endswith("lora_A.default")]
    assert tuned == ["model.layers.1.self_attn.o_proj.lora_A.default"]


def test_native_adapters_load_as_they_are(base: Path, tmp_path: Path) -> None:
    config = LoraConfig(
        r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "gate_up_proj"],
        init_lora_weights=False, rank_pattern={"gate_up_proj": 2}, task_type="CAUSAL_LM",
    )  # fmt: skip
    trained = get_peft_model(load(base), config).eval()
    trained.save_pretrained(tmp_path / "native", save_embedding_layers=False)
    wanted = logits(trained)
    model = load(base, tmp_path / "native")
    assert torch.allclose(logits(model), wanted, atol=1e-6)
    assert "gate_up_proj" in model.peft_config["default"].target_modules


def test_several_adapters_on_one_base(base: Path, make_adapter) -> None:
    folders = {
        "one": make_adapter(base, {"query_key_value": 4}),
        "two": make_adapter(base, {"dense": 8, "query_key_value": 2}, rank_pattern={"dense": 8}),
    }
    alone = {name: logits(load(base, folder)) for name, folder in folders.items()}
    model = load(base)
    plain = logits(model)
    assert active_adapter(model) is None
    for name, folder in folders.items():
        assert chatglm3.attach(model, folder, name) is model
        assert active_adapter(model) == name
        assert chatglm3.proof(model, name).sha256 == chatglm3.weights_sha256(folder)
        assert not torch.equal(logits(model), plain)
    for name in ("one", "two", "one", None, "two", None, "one"):
        chatglm3.activate(model, name)
        assert torch.equal(logits(model), plain if name is None else alone[name]), name
        assert active_adapter(model) == name
    model.set_adapter("two")  # PEFT's own way agrees
    assert torch.equal(logits(model), alone["two"])
    with pytest.raises(EngineNotFound, match="No adapter named 'three'.*one, two"):
        chatglm3.activate(model, "three")
    with pytest.raises(CheckpointError, match="'one' is attached already"):
        chatglm3.attach(model, folders["one"], "one")
    with pytest.raises(CheckpointError, match="'a.b' is not usable"):
        chatglm3.attach(model, folders["one"], "a.b")


def test_an_adapter_that_changes_nothing_is_refused(base: Path, make_adapter) -> None:
    model = load(base, make_adapter(base, {"dense": 4}))
    before = logits(model)
    with pytest.raises(CheckpointError, match="leaves every logit as it was"):
        chatglm3.attach(model, make_adapter(base, {"query_key_value": 4}, zero=True), "zero")
    assert list(model.peft_config) == ["default"] and active_adapter(model) == "default"
    assert torch.equal(logits(model), before)
    chatglm3.attach(model, make_adapter(base, {"query_key_value": 4}), "zero")  # the name is free


def test_an_adapter_of_no_numbers_is_refused(base: Path, make_adapter) -> None:
    adapter = make_adapter(base, {"dense": 4})
    file = adapter / "adapter_model.safetensors"
    save_file({k: v * float("nan") for k, v in load_file(file).items()}, file)
    with pytest.raises(CheckpointError, match="no numbers"):
        load(base, adapter)


def refused(base: Path, adapter: Path, words: str) -> None:
    model = load(base)
    with pytest.raises(CheckpointError, match=words):
        chatglm3.attach(model, adapter, "x")
    assert not getattr(model, "peft_config", {})


def test_adapters_of_another_base_are_refused(tmp_path: Path, base: Path, make_adapter) -> None:
    wide = write_official(tmp_path / "wide", num_layers=3, hidden_size=128)
    refused(base, make_adapter(wide, {"dense": 4}), r"another base: .*o_proj\.lora_B.*\(128, 4\)")
    heads = write_official(tmp_path / "heads", num_layers=3, num_attention_heads=8)
    refused(base, make_adapter(heads, {"query_key_value": 4}), "192 rows where this base has 128")
    deep = write_official(tmp_path / "deep", num_layers=4)
    refused(base, make_adapter(deep, {"dense": 4}), r"adapts model\.layers\.3.*does not have")


def test_the_name_of_another_base_is_refused(base: Path, make_adapter) -> None:
    for name in ("THUDM/chatglm2-6b", "zai-org/chatglm3-6b-base", "/models/Qwen-7B"):
        adapter = make_adapter(base, {"dense": 4}, base_model_name_or_path=name)
        refused(base, adapter, f"was made for {name}, but the base here is THUDM/chatglm3-6b")
    for name in ("zai-org/chatglm3-6b", "/data/chatglm3-6b/", "runs/base", ""):
        load(base, make_adapter(base, {"dense": 4}, base_model_name_or_path=name))


def record(adapter: Path, **facts: object) -> Path:
    (adapter / "rolecraft.json").write_text(json.dumps(facts), encoding="utf-8")
    return adapter


def test_an_adapter_of_other_weights_is_refused(tmp_path: Path, base: Path, make_adapter) -> None:
    mine, other = chatglm3.weights_sha256(base), "ab" * 32
    adapter = record(make_adapter(base, {"dense": 4}), base="mini", base_sha256=other)
    words = f"another base: .*{other[:12]}….*{mine[:12]}….*train it anew.*take base_sha256 out"
    refused(base, adapter, words)
    for facts in ({"base_sha256": mine}, {"base_sha256": ""}, {"base": "mini"}):
        load(base, record(adapter, **facts))
    (adapter / "rolecraft.json").write_text("{", encoding="utf-8")
    refused(base, adapter, r"rolecraft\.json cannot be read as JSON")


def test_an_exported_base_is_the_one_it_was_written_from(base: Path, make_adapter) -> None:
    origin = "cd" * 32
    adapter = record(make_adapter(base, {"dense": 4}), base_sha256=origin)
    mark = base / "export.json"
    mark.write_text(json.dumps({"base_sha256": origin}), encoding="utf-8")
    load(base, adapter)
    mark.write_text(json.dumps({"base_sha256": origin, "adapter_sha256": "e"}), encoding="utf-8")
    refused(base, adapter, "trained on another base")  # with an adapter added, it is another


def test_the_base_is_what_was_loaded(tmp_path: Path, base: Path, make_adapter) -> None:
    """Not what lies in its folder by now."""
    model = load(base)
    before = record(make_adapter(base, {"dense": 4}), base_sha256=chatglm3.weights_sha256(base))
    chatglm3.attach(model, before, "before")
    path = next(base.glob("*.safetensors"))
    save_file({name: one + 1 for name, one in load_file(path).items()}, path)
    after = Path(shutil.copytree(before, tmp_path / "after"))
    record(after, base_sha256=chatglm3.weights_sha256(base))
    with pytest.raises(CheckpointError, match="trained on another base"):
        chatglm3.attach(model, after, "after")
    load(base, after)


def test_the_shipped_adapters_were_trained_on_the_shipped_base() -> None:
    mini = Path(__file__).parents[2] / "models" / "mini"
    made_on = {
        path.parent.name: json.loads(path.read_text("utf-8"))["base_sha256"]
        for path in mini.glob("adapters/*/rolecraft.json")
    }
    assert len(made_on) == len(list(mini.glob("adapters/*/adapter_config.json"))) >= 4
    assert made_on == dict.fromkeys(made_on, chatglm3.weights_sha256(mini))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"peft_type": "PREFIX_TUNING"}, "peft_type 'PREFIX_TUNING'"),
        ({"modules_to_save": ["output_layer"]}, "sets modules_to_save"),
        ({"bias": "all"}, "bias 'all'"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights 'pissa'"),
    ],
)
def test_what_is_not_plain_lora_is_named(
    base: Path, make_adapter, change: dict, words: str
) -> None:
    refused(base, make_adapter(base, {"dense": 4}, **change), words)


def test_damaged_adapter_folders(tmp_path: Path, base: Path, make_adapter) -> None:
    refused(base, tmp_path / "none", "No adapter folder")
    adapter = make_adapter(base, {"dense": 4})
    file = adapter / "adapter_model.safetensors"
    tensors, data = load_file(file), file.read_bytes()
    file.write_bytes(data[:-1])
    refused(base, adapter, "adapter_model.safetensors is truncated")
    save_file({k: v for k, v in tensors.items() if "lora_B" not in k}, file)
    refused(base, adapter, "has no lora_B.weight for model.layers.0.self_attn.o_proj")
    save_file({"base_model.model.transformer.prefix": torch.zeros(1)}, file)
    refused(base, adapter, "holds base_model.model.transformer.prefix")
    save_file({}, file)
    refused(base, adapter, "is empty")
    file.rename(adapter / "adapter_model.bin")
    refused(base, adapter, r"only pickled weights \(adapter_model.bin\)")
    save_file(tensors, file)
    (adapter / "adapter_config.json").unlink()
    refused(base, adapter, "adapter_config.json is missing in ")


def test_the_reference_adapter_names_its_modules(tmp_path: Path) -> None:
    model = load(TINY, TINY / "adapter")
    config = model.peft_config["default"]
    assert set(config.target_modules) == {"q_proj", "k_proj", "v_proj"}
    assert (config.r, config.lora_alpha, config.inference_mode) == (8, 32, True)
