"""What is exported is read back and gives the logits it was made from."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from rolecraft.conversation import Message
from rolecraft.engines import chatglm3
from rolecraft.errors import CheckpointError, TrainingError
from tests.engines.checkpoints import TINY, edit_json
from train import adapter, export, pretrain
from train.tuning.config import Config

TOKENIZER = Path(__file__).parents[2] / "models" / "mini" / "tokenizer.model"
IDS = torch.tensor([[7, 301, 22, 45, 1201, 9]])
ALL = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_up_proj", "down_proj")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sizes = pretrain.Config(
        output_dir="", hidden_size=64, num_hidden_layers=2, intermediate_size=96,
        num_attention_heads=2,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("models") / "small"
    return chatglm3.save_native(pretrain.build_model(sizes), TOKENIZER, folder, "fp32")


@pytest.fixture(scope="module")
def tuned(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter of every module whose matrices are random."""
    config = Config(output_dir="", base=str(base), lora_r=4, target_modules=ALL)
    model, lora = adapter.prepared(config, "cpu")
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.05)
    folder = tmp_path_factory.mktemp("adapters") / "loud"
    from train.tuning.checkpoint import matrices

    adapter.write_peft(folder, lora, matrices(model))
    record = {
        "base_sha256": chatglm3.weights_sha256(base), "steps": 5, "scores": {"loss": 2.5},
        "config": {"sources": {"general": 0.5, "specific": 0.5}, "lora_r": 4, "lora_alpha": 32,
                   "target_modules": list(ALL), "learning_rate": 2e-4, "seed": 3},
    }  # fmt: skip
    (folder / "rolecraft.json").write_text(json.dumps(record))
    return folder


def run(*arguments: str | Path) -> None:
    assert export.main(export.make_parser().parse_args([str(one) for one in arguments])) == 0


@torch.inference_mode()
def logits(model: Any) -> torch.Tensor:
    found: torch.Tensor = model(input_ids=IDS).logits
    return found


def test_every_form_is_read_back_with_equal_logits(
    base: Path, tuned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    run(out, "--base", base, "--adapter", tuned)
    plain = logits(chatglm3.load_model(base))
    loud = logits(chatglm3.load_model(base, tuned))
    assert float((plain - loud).abs().max()) > 0.1

    assert torch.equal(logits(chatglm3.load_model(out / "base")), plain)
    theirs = AutoModelForCausalLM.from_pretrained(out / "base")
    assert torch.equal(logits(theirs), plain)

    split = out / "adapters" / "loud"
    assert torch.equal(logits(chatglm3.load_model(out / "base", split)), loud)
    names = load_file(split / "adapter_model.safetensors")
    assert not any("gate_up_proj" in name for name in names)
    rows = names["base_model.model.model.layers.0.mlp.up_proj.lora_B.weight"]
    assert rows.shape == (96, 4)
    settings = json.loads((split / "adapter_config.json").read_text())
    assert {"gate_proj", "up_proj"} < set(settings["target_modules"])
    assert settings["base_model_name_or_path"] == "small"

    merged = logits(chatglm3.load_model(out / "merged" / "loud"))
    torch.testing.assert_close(merged, loud, rtol=1e-4, atol=1e-5)

    told = capsys.readouterr().out
    assert "--enable-lora --max-lora-rank 8 --lora-modules loud=" in told
    written = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    run(out, "--base", base, "--adapter", tuned)  # the same again finds its work done
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == written
    with pytest.raises(TrainingError, match="is there already, made from something else"):
        run(out, "--base", base, "--dtype", "bf16")


def test_the_fast_tokeniser_and_template_write_the_chat_s_ids(base: Path, tmp_path: Path) -> None:
    run(tmp_path / "out", "--base", base, "--form", "base")
    theirs = AutoTokenizer.from_pretrained(tmp_path / "out" / "base")
    talk = [Message("system", "你是桃子。"), Message("user", "你喜欢什么？")]
    ids = theirs.apply_chat_template(
        [{"role": one.role, "content": one.content} for one in talk],
        add_generation_prompt=True, return_dict=False,
    )  # fmt: skip
    assert ids == chatglm3.load_tokenizer(base).encode_chat(talk)


def test_the_cards_are_valid(base: Path, tuned: Path, tmp_path: Path) -> None:
    run(tmp_path / "out", "--base", base, "--adapter", tuned, "--name", "mini")
    for place, library in (("base", "transformers"), ("adapters/loud", "peft")):
        card = ModelCard.load(tmp_path / "out" / place / "README.md")
        assert card.data.library_name == library and "zh" in card.data.language
        assert (card.data.base_model == "mini") == (place != "base")
    assert "| rank, alpha | 4, 32 |" in card.text and "vllm serve" in card.text


def test_an_official_adapter_is_exported_native(tmp_path: Path) -> None:
    run(tmp_path, "--base", TINY, "--adapter", TINY / "adapter", "--dtype", "fp32")
    ours = logits(chatglm3.load_model(TINY, TINY / "adapter", dtype="fp32", device="cpu"))
    split = tmp_path / "adapters" / "adapter"
    theirs = chatglm3.load_model(tmp_path / "base", split, dtype="fp32", device="cpu")
    torch.testing.assert_close(logits(theirs), ours, rtol=0, atol=0)


@pytest.mark.parametrize("rslora", [False, True])
def test_halves_trained_apart_become_one(
    base: Path, tuned: Path, tmp_path: Path, rslora: bool
) -> None:
    run(tmp_path, "--base", base, "--adapter", tuned, "--form", "adapters")
    split = tmp_path / "adapters" / "loud"
    tensors = load_file(split / "adapter_model.safetensors")
    for name in tensors:
        if "up_proj.lora_A" in name:
            tensors[name] = torch.randn_like(tensors[name].float()) * 0.05
    save_file(tensors, split / "adapter_model.safetensors")
    edit_json(split / "adapter_config.json", use_rslora=rslora)
    model = chatglm3.load_model(base, split)
    layer = model.model.layers[1].mlp.gate_up_proj
    scale = 32 / (2.0 if rslora else 4.0)
    wanted = []
    for half in ("gate_proj", "up_proj"):
        key = f"base_model.model.model.layers.1.mlp.{half}"
        a, b = (tensors[f"{key}.lora_{side}.weight"].float() for side in "AB")
        wanted.append(scale * b @ a)
    torch.testing.assert_close(layer.get_delta_weight("default"), torch.cat(wanted))
    del tensors["base_model.model.model.layers.0.mlp.up_proj.lora_B.weight"]
    save_file(tensors, split / "adapter_model.safetensors")
    with pytest.raises(CheckpointError, match="adapts half of"):
        chatglm3.load_model(base, split)


def test_what_cannot_be_exported_is_refused(base: Path, tuned: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="merged needs an adapter"):
        run(tmp_path, "--base", base, "--form", "merged")
    edit_json(tuned / "adapter_config.json", alpha_pattern={"q_proj": 8})
    with pytest.raises(CheckpointError, match="several ranks or alphas.*merged"):
        run(tmp_path, "--base", base, "--adapter", tuned, "--form", "adapters")
    edit_json(tuned / "adapter_config.json", alpha_pattern={})
