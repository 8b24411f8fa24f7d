"""The tokeniser, the chat format and the incremental decoder."""

import json
import random
import shutil
from pathlib import Path

import pytest

from rolecraft.conversation import Message
from rolecraft.engines.chatglm3 import load_tokenizer
from rolecraft.engines.tokenizer import SPECIAL_TOKENS, ChatTokenizer
from rolecraft.errors import CheckpointError

TINY = Path(__file__).parents[1] / "data" / "chatglm3-tiny"
CHATS = json.loads((TINY / "expected_chat_ids.json").read_text(encoding="utf-8"))
TEXTS = ("你好呀 😀", "It's 3.14, 龘𠮷 café.", "第一问 带换行", "👩‍👩‍👧 家庭", "", " a  b ")


@pytest.fixture
def tokenizer(tiny: Path) -> ChatTokenizer:
    return load_tokenizer(tiny)


@pytest.mark.parametrize("chat", CHATS)
def test_encode_chat_equals_the_official_ids(tokenizer: ChatTokenizer, chat: dict) -> None:
    assert tokenizer.encode_chat(chat["messages"]) == chat["input_ids"]
    messages = [Message(**message) for message in chat["messages"]]
    assert tokenizer.encode_chat(messages) == chat["input_ids"]


@pytest.mark.parametrize("token", [*SPECIAL_TOKENS, "</s>", "<s>", "<unk>", "<pad>"])
def test_special_tokens_in_a_text_stay_text(tokenizer: ChatTokenizer, token: str) -> None:
    for text in (token, f"a{token}b", f"{token}\n{token}", token * 3):
        ids = tokenizer.encode(text)
        assert max(ids) < min(tokenizer.special_ids.values())
        assert not {1, 2} & set(ids)
        assert token in tokenizer.decode(ids)


def test_ids_of_the_format(tokenizer: ChatTokenizer) -> None:
    assert tokenizer.vocab_size == 2409
    assert [tokenizer.special_ids[token] for token in SPECIAL_TOKENS] == list(range(2400, 2409))
    assert (tokenizer.pad_id, tokenizer.eos_id) == (0, 2)
    assert {2, 2406, 2408} <= set(tokenizer.stop_ids)
    assert tokenizer.special_ids["<|assistant|>"] not in tokenizer.stop_ids


def test_metadata_and_opening(tokenizer: ChatTokenizer) -> None:
    said = [{"role": "assistant", "metadata": "tool", "content": "好"}]
    ids = tokenizer.encode_chat(said)
    assert ids[3:-1] == tokenizer.encode("tool\n") + tokenizer.encode("好")
    asked = [Message("user", "你好")]
    plain, opened = tokenizer.encode_chat(asked), tokenizer.encode_chat(asked, opening="（快乐）")
    assert opened == plain + tokenizer.encode_reply("（快乐）")
    whole = tokenizer.encode_chat([*asked, Message("assistant", "（快乐）")])
    assert whole[:-1] == opened, "an opening is written as a message of the assistant is"
    assert tokenizer.encode_reply("好", end=True)[-1] == tokenizer.eos_id


def test_unknown_role_is_named(tokenizer: ChatTokenizer) -> None:
    with pytest.raises(ValueError, match="No role named 'wizard'"):
        tokenizer.encode_chat([{"role": "wizard", "content": "x"}])


def test_a_lone_surrogate_and_a_nul_are_encoded(tokenizer: ChatTokenizer) -> None:
    assert "b" in tokenizer.decode(tokenizer.encode("a\ud800b\x00"))


def test_decode_leaves_special_and_padded_ids_out(tokenizer: ChatTokenizer) -> None:
    ids = [0, 2401, *tokenizer.encode("你好"), 2407, 2431, 2]
    assert tokenizer.decode(ids) == "你好"


@pytest.mark.parametrize("text", TEXTS)
def test_streamed_text_equals_sentencepiece(tokenizer: ChatTokenizer, text: str) -> None:
    import sentencepiece

    reference = sentencepiece.SentencePieceProcessor(model_file=str(tokenizer.path))
    ids = tokenizer.encode(text)
    decoder = tokenizer.decoder(strip_start=False)
    pieces = [decoder.push(index) for index in ids]
    assert "".join(pieces) + decoder.flush() == reference.decode(ids) == tokenizer.decode(ids)
    assert "\ufffd" not in "".join(pieces)


def test_a_character_of_four_ids_comes_out_whole(tokenizer: ChatTokenizer) -> None:
    decoder = tokenizer.decoder()
    pieces = [decoder.push(index) for index in (243, 162, 155, 131)]
    assert pieces == ["", "", "", "😀"]
    assert [decoder.push(243), decoder.push(162), decoder.flush()] == ["", "", "\ufffd"]


def test_white_space_before_a_reply_is_dropped(tokenizer: ChatTokenizer) -> None:
    decoder = tokenizer.decoder()
    ids = [1048, 13, 1048, *tokenizer.encode("好 呀")]  # space, line feed (a byte), space
    assert "".join(decoder.push(index) for index in ids) == "好 呀"


def test_any_ids_decode(tokenizer: ChatTokenizer) -> None:
    draw = random.Random(0)
    for _ in range(200):
        ids = [draw.randrange(-3, 2500) for _ in range(20)]
        decoder = tokenizer.decoder(strip_start=False)
        streamed = "".join([decoder.push(index) for index in ids]) + decoder.flush()
        assert streamed == tokenizer.decode(ids)


def test_missing_and_broken_tokenizer_are_named(tmp_path: Path, tiny: Path) -> None:
    shutil.copy(tiny / "tokenizer_config.json", tmp_path)
    with pytest.raises(CheckpointError, match=r"tokenizer\.model is missing.*tokenizer_config"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.model").write_bytes(b"no model")
    with pytest.raises(CheckpointError, match="not a SentencePiece model"):
        load_tokenizer(tmp_path)
