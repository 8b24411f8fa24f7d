"""The encoder that turns questions and passages into vectors, run by FlagEmbedding.

Knows no character and no store. FlagEmbedding and torch are imported when an encoder is loaded.
"""

import hashlib
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rolecraft.errors import CheckpointError, ConfigurationError

Vectors = NDArray[np.float32]

FACTS_FILE = "rolecraft_encoder.json"
_BATCH = 32  # short texts on two cores: larger batches only wait longer

# The instruction that these models were trained to see before a question (their model cards).
_BGE_ZH = "为这个句子生成表示以用于检索相关文章："
_BGE_EN = "Represent this sentence for searching relevant passages: "
KNOWN_INSTRUCTIONS = {
    **{f"bge-{size}-zh-v1.5": _BGE_ZH for size in ("small", "base", "large")},
    **{f"bge-{size}-en-v1.5": _BGE_EN for size in ("small", "base", "large")},
}
_HUB_FILES = ("*.json", "vocab.txt", "model.safetensors", "1_Pooling/*.json")


class Encoder(Protocol):
    """Texts in, vectors of length 1 out, float32 [n, d]."""

    @property
    def identity(self) -> str:
        """Changes whenever the same text could get another vector."""
        ...

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of what a visitor asks."""
        ...

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """Vectors of what a character's files say."""
        ...


@dataclass(frozen=True)
class EncoderFacts:
    """How an encoder wants to be used: what rolecraft_encoder.json beside its weights says."""

    query_instruction: str = ""
    pooling: str = "cls"
    max_length: int = 256


class FlagEncoder:
    """A BERT-like encoder loaded by FlagEmbedding's `FlagModel`. Safe to call from threads."""

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        self.facts = read_facts(folder)
        self._weights = _refuse_unsafe(folder)
        positions = _config(folder).get("max_position_embeddings", self.facts.max_length)
        # FlagEmbedding halves its batch for ever on a text longer than the position table.
        self._length = min(self.facts.max_length, int(positions))
        self._folder = folder
        self._lock = threading.Lock()
        self._model = self._load(device)
        self.identity = self._identity()

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of questions, with the model's instruction where it has one."""
        return self._encode([self.facts.query_instruction + text for text in texts])

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """Vectors of passages."""
        return self._encode(texts)

    def _encode(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), self._dimension()), np.float32)
        by_length = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        for start in range(0, len(texts), _BATCH):
            places = by_length[start : start + _BATCH]
            with self._lock:  # a visitor's question waits for one batch of the index at most
                vectors[places] = self._forward([texts[place] for place in places])
        if not np.isfinite(vectors).all():
            raise CheckpointError(
                f"The encoder in {self._folder} gives values that are not numbers; its weights are"
                " damaged. Fetch or train it again."
            )
        return vectors

    def _forward(self, texts: list[str]) -> Vectors:
        """What FlagModel's own `encode` gives, which computes its first batch twice."""
        import torch

        model = self._model
        cut = {"truncation": True, "max_length": self._length}
        inputs = model.tokenizer(texts, padding=True, return_tensors="pt", **cut)
        with torch.inference_mode():
            inputs = inputs.to(model.model.device)
            states = model.model(**inputs).last_hidden_state
            pooled = model.pooling(states, inputs["attention_mask"])
            found: Vectors = torch.nn.functional.normalize(pooled, dim=-1).float().cpu().numpy()
        return found

    def _dimension(self) -> int:
        return int(self._model.model.config.hidden_size)

    def _load(self, device: str) -> Any:
        from FlagEmbedding import FlagModel
        from safetensors import SafetensorError
        from transformers.utils import logging as transformers_logging

        told = transformers_logging.get_verbosity()
        # What is missing is checked below; its report of the pooler, unused here, only alarms.
        transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
        try:
            model = FlagModel(
                str(self._folder),
                normalize_embeddings=True,
                use_fp16=False,
                query_instruction_for_retrieval=self.facts.query_instruction or None,
                devices=device,
                pooling_method=self.facts.pooling,
                trust_remote_code=False,
            )
        except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
            raise CheckpointError(
                f"The encoder in {self._folder} cannot be loaded ({error}). "
                "Fetch or train it again."
            ) from error
        finally:
            transformers_logging.set_verbosity(told)
        self._refuse_missing_weights(model.model)
        model.model.to(device)
        return model

    def _refuse_missing_weights(self, model: Any) -> None:
        """transformers fills weights that a file lacks with random numbers, and only warns."""
        from safetensors import safe_open

        with safe_open(self._weights, framework="np") as weights:
            stored = {name.removeprefix(f"{model.base_model_prefix}.") for name in weights.keys()}  # noqa: SIM118
        wanted = {name for name, _ in model.named_parameters() if not name.startswith("pooler.")}
        missing = sorted(wanted - stored)
        if missing:
            raise CheckpointError(
                f"{self._weights} lacks {len(missing)} of the encoder's weights, first "
                f"{missing[0]!r}. It belongs to another model: fetch or train the encoder again."
            )

    def _identity(self) -> str:
        digest = hashlib.sha256()
        with self._weights.open("rb") as weights:
            while block := weights.read(1 << 20):
                digest.update(block)
        facts = self.facts
        parts = (self._folder.name, digest.hexdigest(), facts.query_instruction, facts.pooling)
        return "|".join((*parts, str(self._length)))


def load_encoder(name: str | Path, device: str = "cpu") -> FlagEncoder:
    """Load an encoder from a folder, or from the Hugging Face hub by id (BAAI/bge-small-zh-v1.5).

    Raises `CheckpointError` when it is missing, unsafe or damaged.
    """
    folder = Path(name)
    if not folder.is_dir():
        folder = _from_hub(str(name))
    return FlagEncoder(folder, device)


def read_facts(folder: Path) -> EncoderFacts:
    """How the encoder in `folder` wants to be used."""
    path = folder / FACTS_FILE
    if not path.exists():
        known = [text for name, text in KNOWN_INSTRUCTIONS.items() if name in str(folder)]
        return EncoderFacts(query_instruction=known[0], max_length=512) if known else EncoderFacts()
    try:
        facts = EncoderFacts(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        fields = ", ".join(EncoderFacts.__dataclass_fields__)
        raise ConfigurationError(f"{path} cannot be used ({error}). Known: {fields}.") from error
    if facts.pooling not in ("cls", "mean"):
        raise ConfigurationError(f"{path}: pooling is {facts.pooling!r}; use cls or mean.")
    return facts


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"No encoder in {folder}: config.json cannot be read ({error}). "
            "Fetch or train the encoder again."
        ) from error
    return config if isinstance(config, dict) else {}


def _refuse_unsafe(folder: Path) -> Path:
    """The weights file of a folder that holds nothing that would run on loading."""
    if "auto_map" in _config(folder):
        raise CheckpointError(
            f"{folder / 'config.json'} asks for code of its own (auto_map), which is never run. "
            "Use an encoder of an architecture that transformers knows."
        )
    weights = folder / "model.safetensors"
    if not weights.is_file():
        found = [path.name for path in folder.glob("*.bin")] or ["no weights"]
        raise CheckpointError(
            f"{folder} has {', '.join(sorted(found))} but no model.safetensors; only safetensors "
            "are read. Convert the weights, or fetch a revision that has them."
        )
    return weights


def _from_hub(name: str) -> Path:
    from httpx import HTTPError
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=list(_HUB_FILES)))
    except (OSError, ValueError, HTTPError) as error:
        raise CheckpointError(
            f"No encoder at {name!r}: it is no folder here, and the hub gave none "
            f"({str(error).splitlines()[0]}). Name a folder with config.json and model.safetensors."
        ) from error
