"""What the mini reads while it is pretrained: corpora, imagined people, exercises, by their shares.

Draws for ever, knows its place and can be put back to it. Knows no model.
"""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from rolecraft.characters.model import Answer
from rolecraft.conversation import Message
from train.corpora import dialogues, find, sentences
from train.documents import ChatFormat, Document

COMPOSED = ("imagined", "cast", "recall")  # written anew for every document; the others are files
SENTENCES = "tatoeba_cmn_ccby2fr"  # the everyday sentences that facts and exercises are cut from
LONGEST_TEXT, SHORT = 300, 24  # characters
EMOTIONS = Path(__file__).parent.parent / "models" / "emotions"
ANSWERS = 8000  # lines that imagined people may have said
_PAUSE = re.compile(r"[，。！？、；：\s]")
_JOINTS = ("，", "，", "的", "")

Thing = TypeVar("Thing")


@dataclass
class Pile(Generic[Thing]):
    """Things that are gone through in another order every epoch, told by seed and name alone."""

    name: str
    items: list[Thing]
    seed: int
    epoch: int = 0
    position: int = 0
    _order: tuple[int, list[int]] = (-1, [])

    def take(self) -> Thing:
        """The next one."""
        if self.position == len(self.items):
            self.epoch, self.position = self.epoch + 1, 0
        if self._order[0] != self.epoch:
            order = list(range(len(self.items)))
            random.Random(f"{self.seed}/{self.name}/{self.epoch}").shuffle(order)
            self._order = self.epoch, order
        self.position += 1
        return self.items[self._order[1][self.position - 1]]


class Sources:
    """Documents for ever. `shares` maps names of corpora, or of what is composed, to shares."""

    def __init__(
        self,
        shares: Mapping[str, float],
        corpora: Path,
        tokenizer: str,
        max_reply: int,
        seed: int,
        begin: str = "",
    ) -> None:
        """`begin` draws another stream from the same seed, for a run whose place is not known."""
        self.shares = dict(shares)
        self.corpora, self.max_reply, self.seed = corpora, max_reply, seed
        self.chat = ChatFormat(tokenizer)
        self.rng = random.Random(f"{seed}/{begin}")
        self.piles: dict[str, Pile[Document]] = {}
        self.talks: dict[str, Iterator[tuple[Message, ...]]] = {}
        for name in self.shares:
            if name in COMPOSED:
                self.talks[name] = self._composed(name)
            else:
                self.piles[name] = Pile(f"{begin}/{name}", self._read(name), seed)

    def __iter__(self) -> Iterator[Document]:
        return self

    def __next__(self) -> Document:
        name = self.rng.choices(list(self.shares), list(self.shares.values()))[0]
        if name in self.talks:
            return self.chat.document(next(self.talks[name]))
        return self.piles[name].take()

    def state(self) -> dict[str, Any]:
        """The place, of numbers, names and lists alone."""
        piles = {
            name: [pile.name, pile.epoch, pile.position, len(pile.items)]
            for name, pile in self.piles.items()
        }
        return {"rng": self.rng.getstate(), "shares": self.shares, "piles": piles}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a place of the same sources; see `is_of_these`."""
        self.rng.setstate(state["rng"])
        for name, (own, epoch, position, _) in state["piles"].items():
            pile = self.piles[name]
            pile.name, pile.epoch, pile.position = own, epoch, position

    def is_of_these(self, state: Mapping[str, Any]) -> bool:
        """Whether a place was written with the same shares and as many documents."""
        sizes = {name: size for name, (*_, size) in state["piles"].items()}
        own = {name: len(pile.items) for name, pile in self.piles.items()}
        return bool(state["shares"] == self.shares and sizes == own)

    def _composed(self, name: str) -> Iterator[tuple[Message, ...]]:
        path = find(self.corpora, [SENTENCES])[0]
        everyday = list(sentences(path, SHORT))
        return composed(name, self.rng, everyday, self.chat.words(), self.seed)

    def _read(self, name: str) -> list[Document]:
        path = find(self.corpora, [name])[0]
        if ".sft." in path.name:
            talks = dialogues(path, self.max_reply)
            return [self.chat.document(talk, learn_all=True) for talk in talks]
        return [self.chat.text(text) for text in sentences(path, LONGEST_TEXT)]


def composed(
    name: str, rng: random.Random, lines: Sequence[str], words: Sequence[str], seed: int
) -> Iterator[tuple[Message, ...]]:
    """Talks of one of `COMPOSED`, out of short `lines` and the vocabulary's `words`.

    Their only memory is `rng`: what they are made of is drawn apart from it.
    """
    from train.cast import cast_talks
    from train.imagine import imagined_talks
    from train.recall import Exercises

    if name == "cast":
        return cast_talks(rng)
    if name == "recall":
        return iter(Exercises(rng, [line for line in lines if 5 <= len(line) <= SHORT], words))
    return imagined_talks(rng, _phrases(lines, words, seed), _answers(lines, seed))


def _answers(lines: Sequence[str], seed: int) -> list[Answer]:
    """Lines by themselves and in pairs as answers, with the emotions that a classifier reads."""
    from train.emotions import Classifier

    rng = random.Random(f"{seed}/answers")
    told = rng.sample(lines, min(len(lines), ANSWERS))
    told = [line if rng.random() < 0.5 else line + rng.choice(lines) for line in told]
    read = Classifier.load(EMOTIONS).label(told, [""] * len(told))
    return [Answer(text, emotion) for text, emotion in zip(told, read, strict=True)]


def _phrases(lines: Sequence[str], words: Sequence[str], seed: int) -> list[str]:
    """Parts of lines, words side by side, and two of either in one: facts that no list holds."""
    rng = random.Random(f"{seed}/phrases")
    clauses = {part for line in lines for part in _PAUSE.split(line)}
    short = sorted(clause for clause in clauses if 2 <= len(clause) <= 8)
    short += ["".join(rng.choices(words, k=rng.randint(2, 4))) for _ in short]
    # What has a pause or a 的 in it is otherwise told only as far as there.
    joined = ["".join((rng.choice(short), rng.choice(_JOINTS), rng.choice(short))) for _ in short]
    return short + joined
