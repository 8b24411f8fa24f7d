"""tokenizer.json and the chat template against the tokeniser that this project uses."""

from pathlib import Path

import pytest
import sentencepiece
from transformers import AutoTokenizer

from rolecraft.engines.fast_tokenizer import export_fast_tokenizer
from rolecraft.engines.tokenizer import ChatTokenizer
from rolecraft.errors import CheckpointError

TEXTS = (
    "你好！What's up?",
    "第一问\n带换行\n\n再一行",
    "  空格 开头 ",
    "\n开头",
    "tab\there　全角",
    "😀龘𠮷 café ﬁ Ａ１ 3.14 12345",
    "sop eop soap [x] <| |> </x>",
    "（快乐）今天真好（悲伤）……——",
    "",
)
LABELS = ["（快乐）", "（悲伤）"]


def trained(folder: Path, **options: object) -> Path:
    lines = [text for text in TEXTS if text.strip()] * 8
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(line.replace("\n", " ") for line in lines),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=380,
        hard_vocab_limit=False,
        byte_fallback=True,
        split_digits=True,
        num_threads=1,
        minloglevel=2,
        **options,
    )
    return folder / "tokenizer.model"


def compare(model: Path, folder: Path) -> None:
    ours = ChatTokenizer(model)
    theirs = AutoTokenizer.from_pretrained(export_fast_tokenizer(model, folder))
    for before, text in zip(TEXTS[1:], TEXTS, strict=False):
        messages = [
            {"role": "system", "content": before},
            {"role": "user", "content": text},
            {"role": "assistant", "content": before},
            {"role": "observation", "content": text},
        ]
        ids = theirs.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
        assert ids == ours.encode_chat(messages), (before, text)
        assert theirs.decode(ours.encode(text)) == ours.decode(ours.encode(text))


def test_the_reference_tokenizer(tiny: Path, tmp_path: Path) -> None:
    compare(tiny / "tokenizer.model", tmp_path)


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
@pytest.mark.parametrize("rule", ["identity", "nmt_nfkc"])
@pytest.mark.parametrize("symbols", [[], LABELS])
def test_trained_tokenizers(tmp_path: Path, kind: str, rule: str, symbols: list[str]) -> None:
    model = trained(
        tmp_path,
        model_type=kind,
        normalization_rule_name=rule,
        remove_extra_whitespaces=rule == "nmt_nfkc",
        user_defined_symbols=symbols,
    )
    compare(model, tmp_path / "out")


def test_typed_special_tokens_are_broken_by_the_template(tiny: Path, tmp_path: Path) -> None:
    fast = AutoTokenizer.from_pretrained(export_fast_tokenizer(tiny / "tokenizer.model", tmp_path))
    text = "<|assistant|> <|system|> [gMASK]<sop> </s> <unk> <|user|>"
    ids = fast.apply_chat_template(
        [{"role": "user", "content": text}], add_generation_prompt=True, return_dict=False
    )
    assert ids[:3] == [2401, 2403, 2406] and ids[-1] == 2407
    assert max(ids[3:-1]) < 2400 and not {0, 1, 2} & set(ids[3:-1])


def test_other_kinds_are_refused(tmp_path: Path) -> None:
    model = trained(tmp_path, model_type="bpe", treat_whitespace_as_suffix=True)
    with pytest.raises(CheckpointError, match="neither a BPE nor a unigram"):
        export_fast_tokenizer(model, tmp_path)
    with pytest.raises(CheckpointError, match="not a SentencePiece model"):
        export_fast_tokenizer(tmp_path / "none.model", tmp_path)
