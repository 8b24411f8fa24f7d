"""A whole house in a temporary folder: two characters, an encoder with random weights, engines
that say what they are told. Everything but the weights is the real thing.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from rolecraft.engines.base import EngineCard
from rolecraft.engines.scripted import ScriptedEngine
from rolecraft.services import Services, open_services
from rolecraft.settings import Settings

SHELF = Path(__file__).with_name("data") / "shelf"
GLM = Path(__file__).with_name("data") / "chatglm3-tiny"
VOICES = {"folder": "voices", "dtype": "float32", "device": "cpu", "threads": 1}
BREAKS_AFTER = 12  # pieces, of the engine that is broken
REPLIES = ("（快乐）你来啦，快坐。", "（悲伤）雨下了一整天。", "我在想晚饭吃什么。")


def make_encoder(folder: Path) -> Path:
    """A tiny BERT with random weights, as the encoder of the mini profile below `folder`."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    encoder = folder / "mini" / "encoder"
    encoder.mkdir(parents=True)
    texts = [path.read_text(encoding="utf-8") for path in SHELF.glob("*/*.*")]
    letters = sorted({letter for text in texts for letter in text if not letter.isspace()})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]
    (encoder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    BertTokenizer(str(encoder / "vocab.txt")).save_pretrained(encoder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=64, initializer_range=0.5,
    )  # fmt: skip
    BertModel(config, add_pooling_layer=False).save_pretrained(encoder)
    facts = {"query_instruction": "", "pooling": "mean", "max_length": 64}
    (encoder / "rolecraft_encoder.json").write_text(json.dumps(facts), encoding="utf-8")
    return folder


def make_voices(folder: Path, names: Sequence[str]) -> Path:
    """A base of 0.4 million random weights below `folder`, with an adapter for each name."""
    from rolecraft.engines import chatglm3

    base = folder / VOICES["folder"]
    shutil.copytree(GLM, base, ignore=shutil.ignore_patterns("expected*", "adapter"))
    for seed, name in enumerate(names):
        net = chatglm3.load_model(base, dtype="fp32", device="cpu")
        save_adapter(net, seed, base / "adapters" / name)
    return folder


def save_adapter(net: Any, seed: int, folder: Path) -> None:
    """An adapter of random values for this base, made and saved by PEFT itself."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    config = LoraConfig(
        r=4, lora_alpha=32, target_modules=["q_proj", "v_proj", "o_proj"],
        init_lora_weights=False, task_type="CAUSAL_LM",
    )  # fmt: skip
    get_peft_model(net, config).save_pretrained(folder)


def voice_arms(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Engines for `make_services`, each the base that `make_voices` makes with one adapter."""
    return {name: {"kind": "local", "base": "voices", "adapter": name} for name in names}


def make_catalogue(
    path: Path, bases: Mapping[str, Any] | None = None, **engines: dict[str, Any]
) -> Path:
    """A catalogue whose default engine is scripted; `engines` adds or replaces some."""
    scripted = {
        "kind": "scripted", "base": "mini", "budget": "small", "profile": "mini",
        "summary": {"zh": "照本宣科", "en": "Says what it was told to"},
    }  # fmt: skip
    facts = {
        "bases": dict(bases or {}),
        "budgets": {"small": {"tokens": 900, "passage_chars": 80, "full_persona": False},
                    "large": {"tokens": 6000, "passage_chars": 400, "full_persona": True}},
        "engines": {
            "rolecraft-mini": scripted,
            "written": {**scripted, "kind": "written"},
            "broken": scripted,
            "secret": {**scripted, "hidden": True},
            "gpt-4": {**scripted, "kind": "openai_compatible"},
            **{name: {**scripted, **changes} for name, changes in engines.items()},
        },
    }  # fmt: skip
    path.write_text(yaml.safe_dump(facts, allow_unicode=True), encoding="utf-8")
    return path


def make_services(
    folder: Path,
    models: Path,
    replies: Sequence[str] | Mapping[str, Sequence[str]] = REPLIES,
    pause_s: float = 0.0,
    fail_after: int | None = None,
    shelf: Path = SHELF,
    arms: Mapping[str, dict[str, Any]] | None = None,
    bases: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Services:
    """Open services in `folder`; every engine says `replies`, or those under its name, in turn.

    `arms` adds or replaces engines of the catalogue, `bases` names what local ones run on.
    """

    def scripted(card: EngineCard) -> ScriptedEngine:
        breaks = BREAKS_AFTER if card.name == "broken" else fail_after
        own = replies.get(card.name, REPLIES) if isinstance(replies, Mapping) else replies
        return ScriptedEngine(card, own, pause_s, breaks)

    folder.mkdir(parents=True, exist_ok=True)
    catalogue = make_catalogue(folder / "catalog.yaml", bases, **(arms or {}))
    chosen = Settings(data_dir=folder / "data", models_dir=models, characters=shelf, **settings)
    return open_services(chosen, catalogue, {"scripted": scripted})
