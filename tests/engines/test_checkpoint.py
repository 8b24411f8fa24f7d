"""Checkpoint folders that cannot be used: each is refused with the reason and the remedy."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from rolecraft.engines import chatglm3
from rolecraft.engines.shards import stored_tensors
from rolecraft.errors import CheckpointError
from tests.engines.checkpoints import edit_json, official_tensors, write_official

NORM = "transformer.encoder.final_layernorm.weight"


def refused(folder: Path, words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        chatglm3.load_model(folder, dtype="fp32", device="cpu")


def resave(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    tensors = official_tensors(folder)
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.ckpt", "weights.pkl"])
def test_pickled_weights_are_refused_unread(copied: Path, name: str) -> None:
    (copied / "model.safetensors").unlink()
    (copied / name).write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
    refused(copied, rf"only pickled weights \({name}\).*can run any code.*safetensors")


def test_pickles_beside_safetensors_are_ignored(copied: Path) -> None:
    (copied / "pytorch_model.bin").write_bytes(b"not read")
    assert chatglm3.load_model(copied, device="cpu").config.num_hidden_layers == 3


def test_code_of_a_checkpoint_is_not_run(copied: Path) -> None:
    marker = copied / "ran"
    code = f"open({str(marker)!r}, 'w')"
    for name in ("configuration_chatglm.py", "modeling_chatglm.py", "tokenization_chatglm.py"):
        (copied / name).write_text(code, encoding="utf-8")
    chatglm3.load_model(copied, device="cpu")
    chatglm3.load_tokenizer(copied)
    assert not marker.exists()
    edit_json(copied / "config.json", model_type="my_glm")
    refused(copied, r"model_type 'my_glm'\. Its auto_map code is not run.*OpenAI-compatible")
    edit_json(copied / "config.json", model_type=None)
    refused(copied, "model_type None")
    assert not marker.exists()


def test_missing_and_broken_config(copied: Path) -> None:
    (copied / "config.json").write_text("{", encoding="utf-8")
    refused(copied, "config.json cannot be read as JSON")
    (copied / "config.json").write_text("[]", encoding="utf-8")
    refused(copied, "holds no JSON object")
    (copied / "config.json").unlink()
    refused(copied, "config.json is missing in ")


def test_config_without_a_size(copied: Path) -> None:
    edit_json(copied / "config.json", ffn_hidden_size=None)
    refused(copied, "has no ffn_hidden_size")


@pytest.mark.parametrize(
    "change",
    [
        {"multi_query_attention": False},
        {"add_bias_linear": True},
        {"rmsnorm": False},
        {"quantization_bit": 4},
        {"pre_seq_len": 128},
        {"post_layer_norm": False},
    ],
)
def test_other_architectures_are_named(copied: Path, change: dict) -> None:
    edit_json(copied / "config.json", **change)
    key, value = next(iter(change.items()))
    refused(copied, f"has {key} = {value}")


def test_no_weights_at_all(copied: Path) -> None:
    (copied / "model.safetensors").unlink()
    refused(copied, r"No model\.safetensors and no model\.safetensors\.index\.json in ")


def test_truncated_long_and_corrupt_files(copied: Path) -> None:
    file = copied / "model.safetensors"
    data = file.read_bytes()
    file.write_bytes(data[:-100])
    refused(copied, r"model\.safetensors is truncated: [\d,]+ bytes where.*Download it again")
    file.write_bytes(data + b"x")
    refused(copied, "is too long")
    file.write_bytes(data[:8] + b"{" * 200 + data[208:])
    refused(copied, "is corrupt")
    for junk in (b"", b"abc", b"\xff" * 64, (4).to_bytes(8, "little") + b"null"):
        file.write_bytes(junk)
        refused(copied, "is corrupt")
    file.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    refused(copied, "Git LFS pointer.*git lfs pull")


def test_a_header_that_lies_about_a_tensor(copied: Path) -> None:
    file = copied / "model.safetensors"
    data = file.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    for entry in ({"shape": [63]}, {"dtype": "F4"}, {"data_offsets": [-4, 252]}):
        changed = dict(header)
        changed[NORM] = header[NORM] | entry
        text = json.dumps(changed).encode()
        file.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])
        refused(copied, f"is corrupt.*{NORM}")


def test_missing_shards_are_named(tmp_path: Path) -> None:
    folder = write_official(tmp_path / "base", shards=3)
    name = "model-00002-of-00003.safetensors"
    (folder / name).unlink()
    refused(folder, f"1 of 3 shards are missing in .*{name}")
    (folder / "model.safetensors.index.json").unlink()
    refused(folder, f"1 of 3 shards are missing in .*{name}")


def test_indices_that_do_not_fit(tmp_path: Path) -> None:
    folder = write_official(tmp_path / "base", shards=2)
    index = folder / "model.safetensors.index.json"
    weight_map = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    edit_json(index, weight_map=weight_map | {"ghost": "model-00001-of-00002.safetensors"})
    refused(folder, "places ghost in model-00001-of-00002.safetensors, but it is not there")
    edit_json(index, weight_map={"a": "../../secret.safetensors"})
    refused(folder, "not a safetensors file of its folder")
    edit_json(index, weight_map={"a": "pytorch_model.bin"})
    refused(folder, "not a safetensors file of its folder")
    edit_json(index, weight_map={})
    refused(folder, "has no weight_map")


def test_missing_foreign_and_misshaped_tensors(copied: Path) -> None:
    original = official_tensors(copied)
    resave(copied, lambda tensors: tensors.pop(NORM))
    refused(copied, r"are missing: model\.norm\.weight")
    save_file(original, copied / "model.safetensors")
    resave(copied, lambda tensors: tensors.update(strange=torch.zeros(1)))
    refused(copied, "belong to another model: strange")
    save_file(original, copied / "model.safetensors")
    resave(copied, lambda tensors: tensors.update({NORM: torch.zeros(32)}))
    refused(copied, r"another shape.*model\.norm\.weight \(32,\) instead of \(64,\)")
    save_file(original, copied / "model.safetensors")
    edit_json(copied / "config.json", multi_query_group_num=4)
    refused(copied, "query_key_value.* has 128 rows, but config.json makes 192")


def test_broken_native_checkpoint(tiny: Path, tmp_path: Path) -> None:
    model = chatglm3.load_model(tiny, dtype="fp32", device="cpu")
    folder = chatglm3.save_native(model, tiny, tmp_path / "native")
    resave(folder, lambda tensors: tensors.pop("lm_head.weight"))
    refused(folder, "are missing: lm_head.weight")
    (folder / "tokenizer.model").unlink()
    with pytest.raises(CheckpointError, match="tokenizer.model is missing"):
        chatglm3.load_tokenizer(folder)


def test_stored_tensors_read_what_safetensors_reads(tmp_path: Path) -> None:
    tensors = {
        "large": torch.rand(700, 2000).half(),
        "small": torch.rand(3, 5),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 4),
        "bf16": torch.rand(11).bfloat16(),
        "whole": torch.arange(12).view(3, 4),
        "flags": torch.tensor([True, False]),
    }
    file = tmp_path / "model.safetensors"
    save_file(tensors, file)
    exact, cast = stored_tensors([file]), stored_tensors([file], torch.bfloat16)
    for name, tensor in load_file(file).items():
        assert torch.equal(exact[name][...], tensor) and exact[name][...].dtype == tensor.dtype
        wanted = tensor.bfloat16() if tensor.is_floating_point() else tensor
        assert torch.equal(cast[name][...], wanted) and cast[name][...].dtype == wanted.dtype
