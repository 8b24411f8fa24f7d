"""Exercises in reading: lists of named things to be told again, and sentences to be repeated.

Nothing but copying from what stands above answers them, so a small model learns to look things up
within minutes instead of hours. Every token has to be learnt by itself, the embedding and the head
being two tables: hence values made of vocabulary pieces drawn evenly. Knows no character.
"""

import random
from collections.abc import Iterator, Sequence

from rolecraft.characters.model import FIELD_NAMES
from rolecraft.conversation import Message
from rolecraft.emotions import opening
from rolecraft.prompts import SOURCES
from train.topics import material

_ASKED = ("{k}？", "{k}是什么？", "说说{k}。", "{k}呢？", "告诉我{k}。", "你的{k}是？")
_TOLD = ("{v}。", "{v}", "{k}是{v}。", "{v}呀。", "{k}嘛，{v}。", "是{v}。", "我说过，{v}。")
_ECHO = ("跟我念：{v}", "再说一遍：{v}", "照着念，{v}", "请重复“{v}”", "{v}，这句你说一次。")


class Exercises:
    """Exercises for ever; `sentences` are short plain texts, `pieces` the vocabulary's words."""

    def __init__(self, rng: random.Random, sentences: Sequence[str], pieces: Sequence[str]) -> None:
        self.rng = rng
        self.sentences = sentences
        self.pieces = pieces
        self.values = list(_values())
        self.keys = [names["zh"] for names in FIELD_NAMES.values()]

    def __iter__(self) -> Iterator[tuple[Message, ...]]:
        while True:
            yield self._echoes() if self.rng.random() < 0.5 else self._recall()

    def _recall(self) -> tuple[Message, ...]:
        rng = self.rng
        count = rng.randint(2, 6)
        names = rng.sample(self.keys, count)
        if rng.random() < 0.4:
            names = [piece(rng, self.sentences, 2, 4) for _ in range(count)]
        pairs = {name: self._value() for name in names}
        lines = [f"{key}：{value}" for key, value in pairs.items()]
        messages = [Message("system", "\n".join([SOURCES, *lines]))]
        asked = list(pairs)
        rng.shuffle(asked)
        for key in asked:
            told = rng.choice(_TOLD).format(k=key, v=pairs[key])
            messages.append(Message("user", rng.choice(_ASKED).format(k=key)))
            messages.append(Message("assistant", opening("中立") + told))
        return tuple(messages)

    def _value(self) -> str:
        if self.rng.random() < 0.25:
            return self._part() + self.rng.choice(("，", "的")) + self._part()
        return self._part()

    def _part(self) -> str:
        rng = self.rng
        kind = rng.random()
        if kind < 0.3:
            return rng.choice(self.values)
        if kind < 0.5:
            return piece(rng, self.sentences, 2, 8)
        if kind < 0.85:
            return nonsense(rng, self.pieces, 1, 5)
        number = rng.randint(1, 199)
        day = f"{number % 12 + 1}月{number % 28 + 1}日"
        return rng.choice((f"{number}岁", f"{number}厘米", f"{number}公斤", day))

    def _echoes(self) -> tuple[Message, ...]:
        rng = self.rng
        messages: list[Message] = []
        for _ in range(rng.randint(1, 4)):
            said = nonsense(rng, self.pieces, 2, 18)
            if rng.random() < 0.3:
                said = "".join(rng.sample(self.sentences, rng.randint(1, 3)))
            messages.append(Message("user", rng.choice(_ECHO).format(v=said)))
            messages.append(Message("assistant", opening("中立") + said))
        return tuple(messages)


def piece(rng: random.Random, sentences: Sequence[str], low: int, high: int) -> str:
    """A run of `low` to `high` characters out of a sentence."""
    sentence = rng.choice(sentences)
    size = min(len(sentence), rng.randint(low, high))
    start = rng.randint(0, len(sentence) - size)
    return sentence[start : start + size]


def nonsense(rng: random.Random, pieces: Sequence[str], low: int, high: int) -> str:
    """Pieces at random: no grammar helps to guess them, only looking does."""
    return "".join(rng.choices(pieces, k=rng.randint(low, high)))


def _values() -> Iterator[str]:
    for pool in material("values").values():
        for part in pool.values() if isinstance(pool, dict) else [pool]:
            for value in part:
                text = value if isinstance(value, str) else value.get("name") or value["text"]
                if len(text) <= 14:
                    yield text
