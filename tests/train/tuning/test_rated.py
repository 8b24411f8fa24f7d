"""What raters liked, as a source of an adapter: in its own prompts, the last reply alone learnt."""

import itertools
import json
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from rolecraft.conversation import Message
from rolecraft.errors import ResultsError, TrainingError
from rolecraft.ratings.harvested import FORMAT
from tests.train.tuning.conftest import TOKENIZER
from train.tuning import rated
from train.tuning.config import Config
from train.tuning.mix import Mix, data_sha256

Make = Callable[..., Config]
SOURCES = "资料：\n" + "\n".join(f"第{n}条，塔里有灯。" * 3 for n in range(3))


def write(folder: Path, **files: Sequence[Any]) -> Path:
    """A folder as `ratings to-training` leaves it."""
    folder.mkdir(parents=True)
    told = {}
    for name, rows in files.items():
        data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
        (folder / f"{name}.jsonl").write_bytes(data)
        told[f"{name}.jsonl"] = {"rows": len(rows), "sha256": sha256(data).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps({"format": FORMAT, "files": told}))
    return folder


def talk(
    character: str = "tao-zi", turns: int = 1, reply: str = "（快乐）好呀。"
) -> dict[str, Any]:
    messages = [{"role": "system", "content": "别的人。"}]
    for n in range(turns):
        messages += [
            {"role": "system", "content": SOURCES},
            {"role": "user", "content": f"第{n}问？"},
            {"role": "assistant", "content": reply if n == turns - 1 else f"（快乐）第{n}答。"},
        ]
    return {"messages": messages, "character": character}


def learnt(mix: Mix) -> list[str]:
    made = list(itertools.islice(mix, 2))
    return [mix.chat.pieces.decode(one.ids[one.learnt].tolist()) for one in made]


def test_the_last_reply_is_learnt_in_the_adapter_s_own_prompt(config: Make, tmp_path: Path) -> None:
    folder = write(tmp_path / "liked", sft=[talk(turns=2)])
    mix = Mix(config(sources={"rated": 1.0}, ratings=str(folder)), TOKENIZER)
    assert learnt(mix) == ["（快乐）好呀。"] * 2
    whole = mix.chat.pieces.decode([one for one in next(mix).ids.tolist() if one < 8000])
    assert "桃子" in whole and "别的人" not in whole and "第0答" in whole
    plain = Mix(config(sources={"rated": 1.0}, ratings=str(folder), emotions=False), TOKENIZER)
    assert learnt(plain) == ["好呀。"] * 2


def test_what_is_too_long_loses_passages_and_old_turns(config: Make, tmp_path: Path) -> None:
    folder = write(tmp_path / "liked", sft=[talk(turns=4)])
    for tokens in (150, 90):
        wanted = config(sources={"rated": 1.0}, ratings=str(folder), row_tokens=tokens)
        mix = Mix(wanted, TOKENIZER)
        assert len(next(mix)) <= tokens
        assert learnt(mix) == ["（快乐）好呀。"] * 2
    messages = [
        Message("system", "你是甲。"),
        Message("assistant", "来啦。"),
        Message("user", "问？"),
    ]
    assert not rated.shorten(messages) and len(messages) == 3


def test_it_mixes_validates_and_is_hashed(config: Make, tmp_path: Path) -> None:
    rows = [talk(reply=f"（快乐）好呀{n}。") for n in range(20)]
    folder = write(tmp_path / "liked", sft=rows)
    settings: dict[str, Any] = {"sources": {"rated": 1.0, "specific": 1.0}, "ratings": str(folder)}
    mix = Mix(config(**settings, validation_share=0.3), TOKENIZER)
    kinds = {one.kind for one in mix.validation}
    assert kinds == {"rated", "specific"}
    trained = {one.told.reply for pile in mix.piles["rated"] for one in pile.items}
    assert not trained & {one.told.reply for one in mix.validation if one.kind == "rated"}
    other = write(tmp_path / "other", sft=rows[1:])
    assert data_sha256(config(**settings)) != data_sha256(
        config(**settings | {"ratings": str(other)})
    )


def test_faults_are_named(config: Make, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="rated needs ratings.*to-training"):
        Mix(config(sources={"rated": 1.0}), TOKENIZER)
    empty = write(tmp_path / "empty", sft=[])
    with pytest.raises(TrainingError, match="empty holds no rated examples"):
        Mix(config(sources={"rated": 1.0}, ratings=str(empty)), TOKENIZER)
    strange = write(tmp_path / "strange", sft=[talk("nobody")])
    with pytest.raises(TrainingError, match="has replies of nobody"):
        Mix(config(sources={"rated": 1.0}, ratings=str(strange)), TOKENIZER)
    (strange / "sft.jsonl").write_text("{}\n")
    with pytest.raises(ResultsError, match="is not what its manifest says"):
        Mix(config(sources={"rated": 1.0}, ratings=str(strange)), TOKENIZER)
