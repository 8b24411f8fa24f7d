"""ChatGLM3 and native GLM checkpoints, their adapters and tokenisers: the entry points that stay.

Knows no character and no conversation. Heavy libraries are imported by the first call.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from rolecraft.engines.tokenizer import ChatTokenizer

if TYPE_CHECKING:
    import torch
    from transformers import GlmForCausalLM

    from rolecraft.engines.adapters import Attached


def load_model(
    folder: str | Path,
    adapter: str | Path | None = None,
    dtype: "torch.dtype | str | None" = None,
    device: "torch.device | str | None" = None,
    quantization: str | None = None,
) -> "GlmForCausalLM":
    """An official ChatGLM3 folder, a Hugging Face id or a native GLM folder as `GlmForCausalLM`.

    `dtype` is bf16, fp16 or fp32 (or torch's own); None takes bf16, and fp32 for weights below
    1 GiB on a CPU. `device` defaults to CUDA where there is one. `quantization` is int8 or nf4
    (bitsandbytes; int8 computes in fp16). The adapter is attached through PEFT as "default".
    Raises CheckpointError for weights that are missing, pickled, corrupt or of another
    architecture, EngineUnavailable where the memory does not suffice.
    """
    from rolecraft.engines import checkpoint

    model = checkpoint.read_model(checkpoint.resolve(folder), dtype, device, quantization)
    if adapter is not None:
        attach(model, adapter, "default")
    return model


def load_tokenizer(folder: str | Path) -> ChatTokenizer:
    """The tokeniser of a checkpoint folder or Hugging Face id."""
    from rolecraft.engines.tokenizer import load_tokenizer as load

    path = Path(folder).expanduser()
    if not path.is_dir():
        from rolecraft.engines import checkpoint

        path = checkpoint.resolve(folder)
    return load(path)


def attach(model: "GlmForCausalLM", folder: str | Path, name: str) -> "GlmForCausalLM":
    """Load one more adapter, prove that it changes the logits, and let it speak.

    Returns the same model; `proof` tells what changed. See `rolecraft.engines.adapters.attach`.
    """
    from rolecraft.engines import adapters

    attached = adapters.attach(model, Path(folder).expanduser(), name)
    model.__dict__.setdefault("_rolecraft_attached", {})[name] = attached
    return model


def proof(model: "GlmForCausalLM", name: str) -> "Attached":
    """What `attach` measured of the adapter `name`: its hash and the change of the logits."""
    found: Attached = model.__dict__["_rolecraft_attached"][name]
    return found


def activate(model: "GlmForCausalLM", name: str | None) -> None:
    """Let the attached adapter `name` speak, or the base alone (None)."""
    from rolecraft.engines import adapters

    adapters.activate(model, name)


def weights_sha256(folder: str | Path) -> str:
    """SHA-256 of the weights of a base or adapter folder, remembered while the files stay."""
    from rolecraft.engines import checkpoint, shards

    path = Path(folder).expanduser()
    if (path / "adapter_config.json").exists() and not (path / "config.json").exists():
        return shards.files_sha256(shards.weight_files(path, stem="adapter_model"))
    return shards.files_sha256(shards.weight_files(checkpoint.resolve(folder)))


def save_native(
    model: "GlmForCausalLM",
    tokenizer_source: str | Path,
    folder: str | Path,
    dtype: "torch.dtype | str | None" = None,
) -> Path:
    """Write a native GLM checkpoint with its tokeniser, ready for `load_model` and for vLLM.

    `tokenizer_source` is a tokenizer.model or a folder that holds one. `dtype` casts the written
    weights; the model itself stays as it is. Raises CheckpointError for a quantised model and for
    one with adapters, which are saved on their own.
    """
    from rolecraft.engines import export

    return export.write_native(model, Path(tokenizer_source), Path(folder), dtype)


__all__ = [
    "ChatTokenizer",
    "activate",
    "attach",
    "load_model",
    "load_tokenizer",
    "proof",
    "save_native",
    "weights_sha256",
]
