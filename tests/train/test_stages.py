"""The stages run, stop and go on: a base from nothing, an adapter on it, an encoder."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from rolecraft.engines import chatglm3
from train import adapter, encoder, pretrain

TOKENIZER = Path(__file__).parents[2] / "models" / "mini" / "tokenizer.model"
SMALL = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "intermediate_size": 96,
    "num_attention_heads": 2,
    "row_tokens": 64,
    "rows_per_step": 4,
    "rows_per_microbatch": 2,
}


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpora")
    talk = {
        "messages": [
            {"role": "user", "content": "你好吗"},
            {"role": "assistant", "content": "很好"},
        ]
    }
    (folder / "talks.sft.jsonl").write_text(json.dumps(talk) + "\n")
    said = {"text": "今天的风有点大，早点回家。"}
    (folder / "tatoeba_cmn_ccby2fr.jsonl").write_text(json.dumps(said) + "\n")
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, corpora: Path) -> Path:
    """A published base after two steps."""
    folder = tmp_path_factory.mktemp("base")
    pretrain.run(config(folder / "run", corpora, steps=2, publish=str(folder / "published")))
    return folder / "published"


def config(folder: Path, corpora: Path, steps: int, **more: str) -> pretrain.Config:
    return pretrain.Config(
        output_dir=str(folder),
        corpora_dir=str(corpora),
        tokenizer=str(TOKENIZER),
        sources={"talks": 0.5, "imagined": 0.5},
        total_tokens=steps * 4 * 64,
        workers=1,
        **SMALL,  # type: ignore[arg-type]
        **more,
    )


def steps_of(folder: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (folder / "metrics.jsonl").open()]


def weights_of(folder: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(folder / "checkpoint.pt", weights_only=True)
    return state["model"]  # type: ignore[no-any-return]


def same(one: Path, two: Path) -> bool:
    first, second = weights_of(one), weights_of(two)
    return all(torch.equal(first[name], second[name]) for name in first)


def test_pretraining_in_two_parts_is_pretraining_in_one(tmp_path: Path, corpora: Path) -> None:
    parts, whole = tmp_path / "parts", tmp_path / "whole"
    pretrain.run(config(parts, corpora, steps=2))
    with (parts / "metrics.jsonl").open("a") as torn:
        torn.write('{"step": 2}\n{"st')  # as a kill behind the checkpoint leaves it
    pretrain.run(config(parts, corpora, steps=4))
    pretrain.run(config(whole, corpora, steps=4))
    assert steps_of(parts) == steps_of(whole) == [0, 1, 2, 3]
    assert same(parts, whole)


def test_a_checkpoint_without_a_place_is_read(tmp_path: Path, corpora: Path) -> None:
    pretrain.run(config(tmp_path, corpora, steps=1))
    path = tmp_path / "checkpoint.pt"
    state = torch.load(path, weights_only=True)
    del state["place"]
    torch.save(state, path)
    pretrain.run(config(tmp_path, corpora, steps=3))
    assert steps_of(tmp_path) == [0, 1, 2]


def test_a_phase_begins_with_the_weights_of_the_one_before(tmp_path: Path, corpora: Path) -> None:
    pretrain.run(config(tmp_path / "one", corpora, steps=1))
    pretrain.run(config(tmp_path / "two", corpora, steps=0, init_from=str(tmp_path / "one")))
    assert same(tmp_path / "one", tmp_path / "two")


def test_the_published_base_is_read_by_the_engine(base: Path) -> None:
    model = chatglm3.load_model(base)
    tokenizer = chatglm3.load_tokenizer(base)
    assert model.config.vocab_size >= tokenizer.vocab_size


def test_an_adapter_changes_what_the_base_says_and_tells_how_it_was_made(
    base: Path, tmp_path: Path
) -> None:
    old = tmp_path / "tuned" / "rolecraft.json"  # of an adapter of another base, to be replaced
    old.parent.mkdir()
    old.write_text(json.dumps({"base_sha256": "0" * 64}))
    made = adapter.run(
        adapter.Config(
            output_dir=str(tmp_path / "tuned"),
            base=str(base),
            sources={"imagined": 1.0},
            lora_r=2,
            max_steps=2,
            row_tokens=256,
            rows_per_step=2,
            rows_per_microbatch=1,
            warmup_steps=1,
            probe_characters=1,
            work_dir=str(tmp_path / "work"),
        )
    )
    recipe = json.loads((made / "rolecraft.json").read_text())
    assert recipe["base_sha256"] == chatglm3.weights_sha256(base)
    # Attaching refuses an adapter that leaves the logits as they are.
    chatglm3.attach(chatglm3.load_model(base), made, "tuned")


def test_an_encoder_is_loaded_by_the_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rolecraft.knowledge.encoder import load_encoder

    monkeypatch.chdir(tmp_path)
    made = encoder.run(
        encoder.Config(
            output_dir=str(tmp_path / "encoder"),
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            steps=2,
            groups_per_step=1,
            candidates=6,
            save_steps=1,
        )
    )
    vectors = load_encoder(made).encode_queries(["你几岁？", "你爱吃什么？"])
    assert vectors.shape == (2, 32)
    assert (tmp_path / "runs" / "encoder.pt").exists()
