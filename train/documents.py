"""Turns messages into token ids with a mask of what is learnt, and packs them into rows.

The chat format is ChatGLM3's. Samples in one row stay isolated: their position ids restart at 0,
from which transformers derives a block-diagonal causal mask.
"""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from rolecraft.conversation import Message

IGNORED = -100
# Stands around what a reply repeats from above and is never seen by a model. The words between two
# seams are cut into pieces by themselves, as they were where they are copied from.
SEAM = "\x1f"


@dataclass(frozen=True)
class Document:
    """Token ids and, for each, whether predicting it is learnt (same length).

    The first `prefix` ids are the persona, which other documents may begin with too; nothing of it
    and of the id behind it is learnt.
    """

    ids: NDArray[np.int32]
    learnt: NDArray[np.bool_]
    prefix: int = 0

    def __len__(self) -> int:
        return len(self.ids)


class ChatFormat:
    """ChatGLM3's chat format over a SentencePiece model (`tokenizer.model`)."""

    def __init__(self, model_file: str) -> None:
        import sentencepiece

        self.pieces = sentencepiece.SentencePieceProcessor(model_file)
        size = self.pieces.vocab_size()
        self.prefix = [size + 1, size + 3]  # [gMASK] sop
        names = ("system", "user", "assistant", "observation")
        self.roles = {name: size + 5 + place for place, name in enumerate(names)}
        self.eos = 2
        self.line = self.pieces.encode("\n")
        self.colon = self.pieces.encode("：")

    def document(self, messages: Sequence[Message], learn_all: bool = False) -> Document:
        """Ids of a whole dialogue; learnt are the replies and the token that ends each."""
        ids, learnt = list(self.prefix), [False, learn_all]
        after_reply = False
        for message in messages:
            ids.append(self.roles[message.role])
            learnt.append(learn_all or after_reply)
            body = self.line + self.encode(message.content)
            ids += body
            spoken = message.role == "assistant"
            learnt += [learn_all] * len(self.line)
            learnt += [learn_all or spoken] * (len(body) - len(self.line))
            after_reply = spoken
        ids.append(self.eos)
        learnt.append(learn_all or after_reply)
        told = messages[0].role == "system" and len(messages) > 1 and not learn_all
        prefix = 3 + len(self.line) + len(self.pieces.encode(messages[0].content)) if told else 0
        return Document(np.array(ids, np.int32), np.array(learnt, bool), prefix)

    def encode(self, text: str) -> list[int]:
        """Ids of a text whose seams no piece spans."""
        first, *others = text.split(SEAM)
        ids: list[int] = self.pieces.encode(first)
        for part in others:
            # Behind a sign nothing is put before a word, as is done at the beginning of a text.
            ids += self.pieces.encode(f"：{part}")[len(self.colon) :] if part else []
        return ids

    def words(self) -> list[str]:
        """The pieces of the vocabulary that are Chinese characters and nothing else."""
        every = map(self.pieces.id_to_piece, range(self.pieces.vocab_size()))
        return [piece for piece in every if all("\u4e00" <= sign <= "\u9fff" for sign in piece)]

    def text(self, text: str) -> Document:
        """Ids of a plain text, all learnt."""
        ids = [*self.prefix, *self.pieces.encode(text), self.eos]
        return Document(np.array(ids, np.int32), np.ones(len(ids), bool))


@dataclass(frozen=True)
class Rows:
    """Packed rows, each [rows, length]; labels are already shifted to the next token."""

    input_ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    position_ids: NDArray[np.int64]

    @property
    def mask(self) -> NDArray[np.bool_] | None:
        """Who sees whom, where the positions alone do not say it."""
        return None


def join_rows(rows: Iterator[Rows], count: int) -> Rows:
    """The next `count` rows as one value."""
    taken = list(itertools.islice(rows, count))
    kind = type(taken[0])
    return kind(*(np.concatenate([getattr(r, f.name) for r in taken]) for f in fields(kind)))


def pack(
    documents: Iterator[Document], length: int, rng: random.Random, pool: int = 48
) -> Iterator[Rows]:
    """Pack documents into rows of `length` tokens: whole ones while they fit, then a cut one.

    A document longer than a row is cut at the row's end. Yields one row at a time, for ever as
    long as `documents` goes on.
    """
    waiting: list[Document] = []
    while True:
        while len(waiting) < pool:
            document = next(documents, None)
            if document is None:
                break
            waiting.append(document)
        if not waiting:
            return
        yield packed_row(waiting, length, rng)


def packed_row(waiting: list[Document], length: int, rng: random.Random) -> Rows:
    """The next row out of `waiting`, whose documents leave it."""
    ids = np.zeros(length, np.int64)
    labels = np.full(length, IGNORED, np.int64)
    positions = np.zeros(length, np.int64)
    start = 0
    while start < length and waiting:
        space = length - start
        fitting = [place for place, item in enumerate(waiting) if len(item) <= space]
        if fitting and (start == 0 or space > 24):
            # The longest of a few: rows fill up, yet long and short documents stay mixed.
            few = rng.sample(fitting, min(len(fitting), 1 if start == 0 else 6))
            place = max(few, key=lambda item: len(waiting[item]))
        elif start == 0:
            place = rng.randrange(len(waiting))
        else:
            break
        document = waiting.pop(place)
        size = min(len(document), space)
        ids[start : start + size] = document.ids[:size]
        positions[start : start + size] = np.arange(size)
        following = np.where(document.learnt[1:size], document.ids[1:size], IGNORED)
        labels[start : start + size - 1] = following
        start += size
    positions[start:] = np.arange(length - start)
    return Rows(ids[None], labels[None], positions[None])
