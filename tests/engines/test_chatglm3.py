"""ChatGLM3 checkpoints as native GLM: exact logits, formats, memory, saving, hashes."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file
from transformers import GlmForCausalLM

from rolecraft.engines import chatglm3
from rolecraft.errors import CheckpointError
from tests.engines.checkpoints import edit_json, official_tensors, write_official


@torch.inference_mode()
def logits(model: GlmForCausalLM, ids: torch.Tensor) -> torch.Tensor:
    return model(input_ids=ids).logits


def assert_equal_to_official(model: GlmForCausalLM, expected: Path) -> None:
    """Equal to 1e-6 of the logits' range, and to the last bit where no sum is reordered.

    The expected logits were computed with 16-wide vectors, and with those they are met to 1e-6. On
    8-wide ones the softmax over more than 16 keys adds in another order: the official arithmetic
    itself then differs by 1.4e-6.
    """
    held = load_file(expected)
    difference = (logits(model, held["input_ids"]) - held["logits"]).abs()
    wide = torch.backends.cpu.get_cpu_capability() == "AVX512"
    assert difference.max() <= (1e-6 if wide else 1e-6 * held["logits"].abs().max())
    assert difference[:, :16].max() <= 1e-6


def test_logits_equal_the_official_code(tiny: Path) -> None:
    model = chatglm3.load_model(tiny, dtype=torch.float32, device="cpu")
    assert type(model) is GlmForCausalLM and not model.training
    assert_equal_to_official(model, tiny / "expected.safetensors")


def test_logits_with_an_official_adapter(tiny: Path) -> None:
    model = chatglm3.load_model(tiny, adapter=tiny / "adapter", dtype="fp32", device="cpu")
    assert isinstance(model, GlmForCausalLM)
    assert_equal_to_official(model, tiny / "expected_adapter.safetensors")
    assert chatglm3.proof(model, "default").logits_change > 0.1


def test_every_weight_is_the_official_one(tiny: Path) -> None:
    state = chatglm3.load_model(tiny, dtype="fp32", device="cpu").state_dict()
    source = official_tensors(tiny)
    layer = "transformer.encoder.layers.1."
    for part in ("weight", "bias"):
        fused = source[f"{layer}self_attention.query_key_value.{part}"]
        parts = [state[f"model.layers.1.self_attn.{name}_proj.{part}"] for name in "qkv"]
        assert torch.equal(torch.cat(parts), fused)
    assert torch.equal(
        state["model.layers.1.mlp.gate_up_proj.weight"], source[f"{layer}mlp.dense_h_to_4h.weight"]
    )
    assert torch.equal(state["lm_head.weight"], source["transformer.output_layer.weight"])
    count = sum(tensor.numel() for name, tensor in source.items() if "inv_freq" not in name)
    assert sum(tensor.numel() for tensor in state.values()) == count


def test_shards_load_as_one_file(tmp_path: Path) -> None:
    ids = torch.tensor([[3, 1, 4, 1, 5, 9]])
    whole = chatglm3.load_model(write_official(tmp_path / "a", shards=1), device="cpu")
    parts = chatglm3.load_model(write_official(tmp_path / "b", shards=3), device="cpu")
    assert whole.dtype == torch.float32, "small weights on a CPU"
    assert torch.equal(logits(parts, ids), logits(whole, ids))
    (tmp_path / "a" / "model.safetensors.index.json").unlink()  # one numbered file, no index
    again = chatglm3.load_model(tmp_path / "a", device="cpu")
    assert torch.equal(logits(again, ids), logits(whole, ids))


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("bf16", torch.bfloat16), ("float16", torch.float16), (torch.bfloat16, torch.bfloat16)],
)
def test_dtypes(tiny: Path, name: str, dtype: torch.dtype) -> None:
    model = chatglm3.load_model(tiny, dtype=name, device="cpu")
    assert {p.dtype for p in model.parameters()} == {dtype}
    held = load_file(tiny / "expected.safetensors")
    assert (logits(model, held["input_ids"]).float() - held["logits"]).abs().max() < 0.1


@pytest.mark.parametrize("quantization", ["int8", "nf4"])
def test_quantised_models_stay_near_and_take_adapters(
    tmp_path: Path, make_adapter, quantization: str
) -> None:
    folder = write_official(tmp_path / "base", hidden_size=128, ffn_hidden_size=192, kv_channels=32)
    ids = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6]])
    exact = logits(chatglm3.load_model(folder, dtype="fp32", device="cpu"), ids)
    model = chatglm3.load_model(folder, dtype="bf16", device="cpu", quantization=quantization)
    near = logits(model, ids).float()
    assert torch.nn.functional.cosine_similarity(near, exact, dim=-1).min() > 0.97
    assert "Linear" in type(model.model.layers[0].mlp.down_proj).__name__
    assert model.model.layers[0].mlp.down_proj.weight.element_size() == 1
    chatglm3.attach(model, make_adapter(folder, {"query_key_value": 4, "dense": 4}), "one")
    assert not torch.equal(logits(model, ids).float(), near)
    with pytest.raises(CheckpointError, match="adapters"):
        chatglm3.save_native(model, folder, tmp_path / "out")


def test_settings_that_cannot_be_met_are_named(tiny: Path) -> None:
    with pytest.raises(CheckpointError, match="intermediate_size is 96"):
        chatglm3.load_model(tiny, device="cpu", quantization="nf4")
    with pytest.raises(CheckpointError, match="'int4' is not known"):
        chatglm3.load_model(tiny, device="cpu", quantization="int4")
    with pytest.raises(CheckpointError, match="'fp8' is not known"):
        chatglm3.load_model(tiny, device="cpu", dtype="fp8")


def test_native_checkpoint_round_trip(tiny: Path, tmp_path: Path) -> None:
    ids = torch.tensor([[2401, 2403, 2406, 268, 1070, 2407]])
    model = chatglm3.load_model(tiny, dtype="fp32", device="cpu")
    folder = chatglm3.save_native(model, tiny, tmp_path / "native")
    again = chatglm3.load_model(folder, dtype="fp32", device="cpu")
    assert torch.equal(logits(again, ids), logits(model, ids))
    tokenizer = chatglm3.load_tokenizer(folder)
    assert again.generation_config.eos_token_id == list(tokenizer.stop_ids)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["GlmForCausalLM"] and config["model_type"] == "glm"
    assert "model.layers.0.self_attn.q_proj.weight" in official_tensors(folder)
    plain = GlmForCausalLM.from_pretrained(folder, dtype=torch.float32)
    assert torch.equal(logits(plain, ids), logits(model, ids)), "transformers alone loads it"
    model.save_pretrained(tmp_path / "plain")
    assert "model.layers.0.self_attn.q_proj.weight" in official_tensors(tmp_path / "plain")


def test_save_native_casts_the_written_weights_only(tiny: Path, tmp_path: Path) -> None:
    model = chatglm3.load_model(tiny, dtype="fp32", device="cpu")
    folder = chatglm3.save_native(model, tiny / "tokenizer.model", tmp_path, dtype="bf16")
    assert {t.dtype for t in official_tensors(folder).values()} == {torch.bfloat16}
    assert json.loads((folder / "config.json").read_text())["dtype"] == "bfloat16"
    assert model.dtype == torch.float32
    assert (folder / "model.safetensors").stat().st_mode & 0o044 == 0o044, "others may read it"


def test_save_native_refuses_a_foreign_tokenizer(tiny: Path, tmp_path: Path) -> None:
    model = chatglm3.load_model(write_official(tmp_path / "base"), device="cpu")
    with pytest.raises(CheckpointError, match="2409 ids, but the model knows 256"):
        chatglm3.save_native(model, tiny, tmp_path / "out")


def test_hub_ids_download_weights_and_never_code(tiny: Path, monkeypatch) -> None:
    asked = {}

    def download(repo: str, allow_patterns: list[str]) -> str:
        asked.update(repo=repo, patterns=allow_patterns)
        return str(tiny)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert chatglm3.load_model("zai-org/chatglm3-6b", device="cpu").config.vocab_size == 2432
    assert chatglm3.load_tokenizer("zai-org/chatglm3-6b").vocab_size == 2409
    assert asked["repo"] == "zai-org/chatglm3-6b"
    assert asked["patterns"] == ["*.safetensors", "*.json", "tokenizer.model"]


def test_a_failed_download_says_what_to_do(monkeypatch) -> None:
    def download(repo: str, allow_patterns: list[str]) -> str:
        raise huggingface_hub.errors.LocalEntryNotFoundError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    with pytest.raises(CheckpointError, match="no network.*hf download zai-org/chatglm3-6b"):
        chatglm3.load_model("zai-org/chatglm3-6b")


def test_a_missing_folder_is_no_hub_id(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in ("models/none", "./models/none", str(tmp_path / "none")):
        with pytest.raises(CheckpointError, match="No checkpoint folder"):
            chatglm3.load_model(name)


def test_weights_sha256(copied: Path, tmp_path: Path) -> None:
    file = copied / "model.safetensors"
    before = chatglm3.weights_sha256(copied)
    assert before == hashlib.sha256(file.read_bytes()).hexdigest()
    adapter = chatglm3.weights_sha256(copied / "adapter")
    expected = (copied / "adapter" / "adapter_model.safetensors").read_bytes()
    assert adapter == hashlib.sha256(expected).hexdigest()
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    os.utime(file, ns=(1, 1))
    assert chatglm3.weights_sha256(copied) != before
    sharded = write_official(tmp_path / "shards", shards=2)
    assert len(chatglm3.weights_sha256(sharded)) == 64


MEASURE = """
import sys
from rolecraft.engines.chatglm3 import load_model

def memory(what):
    # Not getrusage: its peak is inherited from the process that started this one.
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(what))

load_model(sys.argv[1], dtype="bf16", device="cpu")  # every library is loaded and warm
for dtype in ("bf16", "fp16"):
    before = memory("VmRSS")
    load_model(sys.argv[2], dtype=dtype, device="cpu")
    print(1024 * (memory("VmHWM") - before))
"""


@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_loading_peaks_near_the_size_of_the_checkpoint(tiny: Path, tmp_path: Path) -> None:
    folder = write_official(
        tmp_path / "big", shards=4, dtype=torch.float16, hidden_size=1024, num_layers=12,
        ffn_hidden_size=2752, num_attention_heads=16, kv_channels=64, padded_vocab_size=8192,
    )  # fmt: skip
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    assert size > 280e6
    command = [sys.executable, "-c", MEASURE, str(tiny), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    peaks = [int(line) for line in done.stdout.split()]
    assert len(peaks) == 2 and max(peaks) <= 1.2 * size, [peak / size for peak in peaks]
    shutil.rmtree(folder)


def test_a_folder_with_official_config_of_a_variant_is_refused(copied: Path) -> None:
    edit_json(copied / "config.json", rope_ratio=50)
    with pytest.raises(CheckpointError, match="rope_ratio = 50"):
        chatglm3.load_model(copied, device="cpu")
