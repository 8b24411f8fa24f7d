"""The encoder gives normalised vectors, the same ones each time, and reads nothing unsafe."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from rolecraft.errors import CheckpointError, ConfigurationError
from rolecraft.knowledge.encoder import FlagEncoder, load_encoder, read_facts


@pytest.fixture
def copy(encoder_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(encoder_folder, tmp_path / "copy"))


def write_facts(folder: Path, **facts: object) -> None:
    (folder / "rolecraft_encoder.json").write_text(json.dumps(facts), encoding="utf-8")


def test_vectors_are_float32_and_of_length_one(encoder: FlagEncoder) -> None:
    texts = [f"第{n}只海鸥" for n in range(70)]
    vectors = encoder.encode_passages(texts)
    assert vectors.shape == (70, 32)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert encoder.encode_passages([]).shape == (0, 32)


def test_batches_do_not_change_a_vector(encoder: FlagEncoder) -> None:
    texts = ["灯塔", "海鸥偷走了早饭，叼走我半条咸鱼。" * 3, "你多大年纪了？"] * 20
    vectors = encoder.encode_passages(texts)
    assert np.allclose(vectors[0], encoder.encode_passages(["灯塔"])[0], atol=1e-5)
    assert np.allclose(vectors[:3], vectors[-3:], atol=1e-5)


def test_vectors_are_those_of_flag_embedding(encoder_folder: Path, encoder: FlagEncoder) -> None:
    from FlagEmbedding import FlagModel

    facts = read_facts(encoder_folder)
    model = FlagModel(
        str(encoder_folder),
        use_fp16=False,
        devices="cpu",
        pooling_method=facts.pooling,
        query_instruction_for_retrieval=facts.query_instruction or None,
    )
    texts = ["灯塔", "海鸥偷走了早饭，叼走我半条咸鱼。" * 30, "你多大年纪了？", ""] * 10
    length = {"max_length": encoder._length, "batch_size": 64}
    assert np.allclose(
        encoder.encode_passages(texts), model.encode_corpus(texts, **length), atol=1e-6
    )
    assert np.allclose(
        encoder.encode_queries(texts), model.encode_queries(texts, **length), atol=1e-6
    )


def test_text_longer_than_the_position_table_is_cut(encoder: FlagEncoder) -> None:
    assert np.isfinite(encoder.encode_passages(["海" * 5000])).all()


def test_the_instruction_is_put_before_questions_only(copy: Path) -> None:
    write_facts(copy, query_instruction="灯塔：", pooling="mean")
    encoder = FlagEncoder(copy)
    asked, said = encoder.encode_queries(["海鸥"])[0], encoder.encode_passages(["海鸥"])[0]
    assert np.allclose(asked, encoder.encode_passages(["灯塔：海鸥"])[0], atol=1e-5)
    assert not np.allclose(asked, said, atol=1e-3)


def test_identity_tells_weights_instruction_and_pooling_apart(
    encoder: FlagEncoder, copy: Path
) -> None:
    again = shutil.copytree(copy, copy.parent / "tiny")
    assert FlagEncoder(again).identity == encoder.identity
    write_facts(again, query_instruction="问：", pooling="mean", max_length=128)
    assert FlagEncoder(again).identity != encoder.identity


def test_known_models_have_their_instruction(tmp_path: Path) -> None:
    for name in ("bge-small-zh-v1.5", "models--BAAI--bge-base-zh-v1.5/snapshots/abc"):
        facts = read_facts(tmp_path / name)
        assert facts.query_instruction.startswith("为这个句子")
        assert (facts.pooling, facts.max_length) == ("cls", 512)
    assert read_facts(tmp_path / "other").query_instruction == ""


def test_unusable_facts_are_named(copy: Path) -> None:
    write_facts(copy, pooling="last")
    with pytest.raises(ConfigurationError, match="pooling is 'last'; use cls or mean"):
        FlagEncoder(copy)
    write_facts(copy, instruction="x")
    with pytest.raises(ConfigurationError, match="Known: query_instruction, pooling, max_length"):
        FlagEncoder(copy)


def test_pickled_weights_are_refused(copy: Path) -> None:
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="pytorch_model.bin but no model.safetensors"):
        load_encoder(copy)


def test_code_of_its_own_is_refused(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "evil.Model"}
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="auto_map"):
        load_encoder(copy)


def test_corrupt_weights_are_named(copy: Path) -> None:
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load_encoder(copy)


def test_weights_of_another_model_are_named(copy: Path) -> None:
    from safetensors.numpy import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    del weights["encoder.layer.0.attention.self.query.weight"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="lacks 1 of the encoder's weights, first 'encoder"):
        load_encoder(copy)


def test_values_that_are_no_numbers_are_named(copy: Path) -> None:
    from safetensors.numpy import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    weights["embeddings.word_embeddings.weight"][:] = np.nan
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="not numbers"):
        load_encoder(copy).encode_passages(["海"])


def test_nothing_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError, match="No encoder at 'BAAI/no-such-model'"):
        load_encoder("BAAI/no-such-model")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="config.json cannot be read"):
        load_encoder(tmp_path / "empty")
