"""A tiny BERT with random weights, real FlagEmbedding and a real Chroma in a temporary folder."""

import json
from pathlib import Path

import pytest

from rolecraft.characters import Shelf, read_shelf
from rolecraft.knowledge.encoder import FlagEncoder

DATA = Path(__file__).parents[1] / "data" / "shelf"


def make_encoder(folder: Path, texts: list[str], seed: int = 0) -> Path:
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    letters = sorted({letter for text in texts for letter in text if not letter.isspace()})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        hidden_dropout_prob=0.0,
        initializer_range=0.5,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    facts = {"query_instruction": "", "pooling": "mean", "max_length": 128}
    (folder / "rolecraft_encoder.json").write_text(json.dumps(facts), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def shelf() -> Shelf:
    return read_shelf(DATA)


@pytest.fixture(scope="session")
def letters() -> list[str]:
    return [path.read_text(encoding="utf-8") for path in DATA.glob("*/*.*")]


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory, letters: list[str]) -> Path:
    return make_encoder(tmp_path_factory.mktemp("models") / "tiny", letters)


@pytest.fixture(scope="session")
def encoder(encoder_folder: Path) -> FlagEncoder:
    return FlagEncoder(encoder_folder)


@pytest.fixture(scope="session")
def mini_encoder() -> FlagEncoder:
    """The encoder that ships with the project."""
    return FlagEncoder(Path(__file__).parents[2] / "models" / "mini" / "encoder")
