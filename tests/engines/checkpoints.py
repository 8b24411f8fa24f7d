"""Random ChatGLM3 checkpoints, written with the official names and sizes."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

TINY = Path(__file__).parents[1] / "data" / "chatglm3-tiny"
LAYER = "transformer.encoder.layers."
FUSED = {
    "query_key_value": "self_attention.query_key_value",
    "dense": "self_attention.dense",
    "dense_h_to_4h": "mlp.dense_h_to_4h",
    "dense_4h_to_h": "mlp.dense_4h_to_h",
}


def edit_json(path: Path, **changes: Any) -> None:
    """Change some keys of a JSON file; None removes a key."""
    value = json.loads(path.read_text(encoding="utf-8")) | changes
    kept = {key: item for key, item in value.items() if item is not None}
    path.write_text(json.dumps(kept), encoding="utf-8")


def write_official(
    folder: Path, shards: int = 1, dtype: torch.dtype = torch.float32, **size: int
) -> Path:
    """A random checkpoint with ChatGLM's names, sizes as in its config.json; returns the folder."""
    sizes = {
        "hidden_size": 64, "ffn_hidden_size": 128, "num_layers": 2, "padded_vocab_size": 256,
        "num_attention_heads": 4, "kv_channels": 16, "multi_query_group_num": 2,
    } | size  # fmt: skip
    hidden, wide = sizes["hidden_size"], sizes["ffn_hidden_size"]
    inner = sizes["num_attention_heads"] * sizes["kv_channels"]
    rows = inner + 2 * sizes["multi_query_group_num"] * sizes["kv_channels"]
    shapes: dict[str, tuple[int, ...]] = {
        "transformer.embedding.word_embeddings.weight": (sizes["padded_vocab_size"], hidden),
        "transformer.encoder.final_layernorm.weight": (hidden,),
        "transformer.output_layer.weight": (sizes["padded_vocab_size"], hidden),
        "transformer.rotary_pos_emb.inv_freq": (sizes["kv_channels"] // 4,),
    }
    for i in range(sizes["num_layers"]):
        shapes |= {
            f"{LAYER}{i}.input_layernorm.weight": (hidden,),
            f"{LAYER}{i}.post_attention_layernorm.weight": (hidden,),
            f"{LAYER}{i}.self_attention.query_key_value.weight": (rows, hidden),
            f"{LAYER}{i}.self_attention.query_key_value.bias": (rows,),
            f"{LAYER}{i}.self_attention.dense.weight": (hidden, inner),
            f"{LAYER}{i}.mlp.dense_h_to_4h.weight": (2 * wide, hidden),
            f"{LAYER}{i}.mlp.dense_4h_to_h.weight": (hidden, wide),
        }
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(TINY / "config.json", folder / "config.json")
    edit_json(folder / "config.json", **sizes)
    random = torch.Generator().manual_seed(7)
    names, weight_map = sorted(shapes), {}
    for shard in range(shards):
        file = f"model-{shard + 1:05d}-of-{shards:05d}.safetensors"
        part = names[shard * len(names) // shards : (shard + 1) * len(names) // shards]
        tensors = {
            name: (torch.rand(shapes[name], generator=random) * 0.4 - 0.2).to(dtype)
            for name in part
        }
        save_file(tensors, folder / file)
        weight_map |= dict.fromkeys(part, file)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    return folder


def official_tensors(folder: Path) -> dict[str, torch.Tensor]:
    """All tensors of a checkpoint folder by name."""
    found: dict[str, torch.Tensor] = {}
    for path in sorted(folder.glob("model*.safetensors")):
        found |= load_file(path)
    return found
