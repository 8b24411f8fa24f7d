"""Trains the mini's SentencePiece tokeniser in ChatGLM3's format.

    python -m train tokenizer --config train/configs/tokenizer.toml

Unlike ChatGLM3's own it keeps full-width punctuation (identity normalisation), splits digits so
that numbers can be copied, and holds each emotion label as one piece.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from rolecraft.emotions import LABELS, opening
from train.config import StageConfig
from train.corpora import dialogues, find, sentences

# The 3,755 everyday characters of GB 2312 level 1 (rows 16–55): all are pieces of their own.
LEVEL_1 = "".join(
    bytes((row + 0xA0, cell + 0xA0)).decode("gb2312")
    for row in range(16, 56)
    for cell in range(1, 95)
    if not (row == 55 and cell > 89)
)


@dataclasses.dataclass(frozen=True)
class Config(StageConfig):
    """`dialogues` and `texts` name files of `corpora_dir`; `extra` are globs of project text."""

    corpora_dir: str = ""
    dialogues: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    vocab_size: int = 8000
    max_chars_per_source: int = 4_000_000


def _lines(config: Config) -> Iterator[str]:
    folder = Path(config.corpora_dir)
    for path in find(folder, config.dialogues):
        spent = 0
        for messages in dialogues(path, max_reply=200):
            for message in messages:
                spent += len(message.content)
                yield message.content
            if spent > config.max_chars_per_source:
                break
    for path in find(folder, config.texts):
        spent = 0
        for text in sentences(path, max_chars=300):
            spent += len(text)
            yield text
            if spent > config.max_chars_per_source:
                break
    for pattern in config.extra:
        for path in sorted(Path().glob(pattern)):
            yield from path.read_text("utf-8").splitlines()


def run(config: Config) -> Path:
    """Train and write `tokenizer.model` into `output_dir`; returns its path."""
    import sentencepiece

    output = Path(config.output_dir)
    output.mkdir(parents=True, exist_ok=True)
    sentencepiece.set_random_generator_seed(config.seed)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=_lines(config),
        model_prefix=str(output / "tokenizer.new"),
        vocab_size=config.vocab_size,
        model_type="bpe",
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        character_coverage=0.9995,
        required_chars=LEVEL_1,
        max_sentencepiece_length=4,
        user_defined_symbols=[opening(label) for label in LABELS],
        input_sentence_size=600_000,
        shuffle_input_sentence=True,
        num_threads=2,
        minloglevel=1,
    )
    (output / "tokenizer.new.vocab").unlink()
    return (output / "tokenizer.new.model").replace(output / "tokenizer.model")
