"""The mix of training examples: general and specific answers, scenes, composed talks.

Draws by explicit shares, knows its position and can be put back to it. The prompt is the chat's
own. Knows no model beyond the tokeniser's chat format.
"""

import dataclasses
import hashlib
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rolecraft.characters.model import Character, Dialogue, Everyday
from rolecraft.conversation import Budget, Message
from rolecraft.errors import TrainingError
from rolecraft.ratings.harvested import LIKED
from train.cast import Cast, spoken_lines
from train.documents import ChatFormat, Document
from train.imagine import MINI_BUDGET, Answered, talk
from train.sources import COMPOSED, Pile, composed
from train.topics import MATERIAL
from train.tuning import rated
from train.tuning.config import Config

OWN = ("general", "specific", "script", rated.SOURCE)  # gone through epoch by epoch
LARGE_BUDGET = Budget(tokens=6000, passage_chars=400, full_persona=True)


@dataclasses.dataclass(frozen=True)
class Item:
    """One example before it is rendered: what of a character is asked and answered."""

    character: Character
    kind: str
    told: Any  # a Question, a Dialogue, a liked reply, or an instruction with one Answer

    @property
    def key(self) -> str:
        """The same in every run, whatever stands around the example in its file."""
        return f"{self.character.id}/{self.kind}/{self.told!r}"


class Mix:
    """Documents for ever; `state` and `restore` make it go on where it was."""

    def __init__(self, config: Config, tokenizer: str | Path) -> None:
        self.config = config
        self.tokenizer = Path(tokenizer)
        self.chat = ChatFormat(str(tokenizer))
        self.seed = config.data_seed or config.seed
        self.rng = random.Random(self.seed)
        self.budget = _budget(config, self.chat)
        self.piles: dict[str, list[Pile[Item]]] = {}
        self.validation: list[Item] = []
        self.streams: dict[str, Iterator[tuple[Message, ...]]] = {}
        self._read()

    def __iter__(self) -> Iterator[Document]:
        return self

    def __next__(self) -> Document:
        source = self.rng.choices(list(self.config.sources), list(self.config.sources.values()))[0]
        if source in self.streams:
            return self.chat.document(next(self.streams[source]))
        piles = self.piles[source]
        weights = [len(pile.items) ** (1 / self.config.temperature) for pile in piles]
        pile = self.rng.choices(piles, weights)[0]
        return self.document(pile.take())

    def document(self, item: Item) -> Document:
        """An example as the chat would have asked it, cut to the limits.

        Where it is longer than a row, passages go first, the least fitting one before the others,
        then the oldest turns: what is answered, and the answer, stay.
        """
        if item.kind == rated.SOURCE:
            made = rated.document(
                item.told, item.character, self.budget, self.chat, self.config.row_tokens
            )
            return _limited(made, self.config.target_tokens)
        exchanges = self._exchanges(item)
        while True:
            messages = talk(item.character, exchanges, budget=self.budget)
            document = _limited(self.chat.document(messages), self.config.target_tokens)
            *earlier, last = exchanges
            if len(document) <= self.config.row_tokens or not (earlier or last.passages):
                return document
            if last.passages:
                shorter = dataclasses.replace(last, passages=last.passages[:-1])
                exchanges = [*earlier, shorter]
            else:
                exchanges = [*earlier[1:], last]

    def held_out(self) -> list[Document]:
        """The validation examples, the same ones with the same passages at every call."""
        before = self.rng.getstate()
        self.rng.seed(f"{self.seed}/validation")
        documents = [self.document(item) for item in self.validation]
        self.rng.setstate(before)
        return documents

    def state(self) -> dict[str, Any]:
        """The position: of the random numbers and of every pile."""
        piles = {p.name: [p.epoch, p.position] for group in self.piles.values() for p in group}
        return {"rng": self.rng.getstate(), "piles": piles}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a position of the same mix."""
        self.rng.setstate(state["rng"])
        for pile in (pile for group in self.piles.values() for pile in group):
            pile.epoch, pile.position = state["piles"][pile.name]

    def _read(self) -> None:
        unknown = sorted(set(self.config.sources) - {*OWN, *COMPOSED})
        if unknown:
            raise TrainingError(
                f"No source named {unknown[0]!r}. There are: {', '.join((*OWN, *COMPOSED))}."
            )
        found = [name for name in COMPOSED if name in self.config.sources]
        if found and (self.budget.full_persona or not self.budget.emotions):
            raise TrainingError(
                f"The source {found[0]} is composed for the small prompt with emotions. "
                f'Take {", ".join(OWN)}, or prompt = "small" and emotions = true.'
            )
        if "cast" in found and self.config.validation_share:
            raise TrainingError(
                "The source cast draws on every written answer, so none is left to validate with. "
                "Take general, specific and script, or validation_share = 0."
            )
        if found:
            lines, words = spoken_lines(Path(self.config.characters)), self.chat.words()
            self.streams = {
                name: composed(name, self.rng, lines, words, self.seed) for name in found
            }
        if set(self.config.sources) & set(OWN) or self.config.validation_share:
            self._read_piles()

    def _read_piles(self) -> None:
        self.cast = Cast(self.rng, Path(self.config.characters))
        kept: list[Item] = []
        held = self.config.held_instructions
        instructions = {k: v for k, v in self.cast.instructions.items() if k not in held}
        liked = self._liked()
        for kind in OWN:
            for character in self.cast.characters:
                if kind == rated.SOURCE:
                    items = [Item(character, kind, one) for one in liked.get(character.id, [])]
                else:
                    items = list(_items(character, kind, instructions))
                kept += [item for item in items if self._validates(item)]
                left = [item for item in items if not self._validates(item)]
                if left and kind in self.config.sources:
                    pile = Pile(f"{kind}/{character.id}", left, self.seed)
                    self.piles.setdefault(kind, []).append(pile)
        empty = [kind for kind in OWN if kind in self.config.sources and kind not in self.piles]
        if empty:
            folder = self.config.ratings if empty[0] == rated.SOURCE else self.config.characters
            raise TrainingError(
                f"{folder} holds no {empty[0]} examples to train on. Take another folder, or leave "
                "the source out."
            )
        kinds = [kind for kind in OWN if kind in self.config.sources] or ["specific"]
        kept = sorted((one for one in kept if one.kind in kinds), key=lambda one: _hash(one.key))
        self.validation = kept[: self.config.validation_items]

    def _liked(self) -> dict[str, list[rated.Liked]]:
        if rated.SOURCE not in self.config.sources:
            return {}
        if not self.config.ratings:
            raise TrainingError(
                "The source rated needs ratings, the folder that `python -m rolecraft ratings "
                "to-training FOLDER` wrote."
            )
        return rated.liked(Path(self.config.ratings), self.cast.characters)

    def _validates(self, item: Item) -> bool:
        return _hash(f"{self.seed}/{item.key}") / 2**256 < self.config.validation_share

    def _exchanges(self, item: Item) -> list[Answered]:
        if isinstance(item.told, Everyday):
            return [self.cast.everyday(item.character, item.told)]
        if item.kind == "general":
            question, answer = item.told
            passages = self.cast.noise(item.character, 2)
            return [Answered(question, passages, answer.text, answer.emotion)]
        if item.kind == "specific":
            return [self.cast.asked(item.character, item.told)]
        return self.cast.scene(item.character, item.told)


def _items(character: Character, kind: str, instructions: dict[str, Any]) -> Iterator[Item]:
    if kind == "specific":
        told: list[Any] = list(character.questions_of("train"))
    elif kind == "script":
        told = [scene for scene in character.script if _answers(character, scene)]
    else:
        told = [
            (instructions[one.instruction]["zh"], answer)
            for one in character.general
            if one.instruction in instructions
            for answer in one.answers
        ]
        told += [one for one in character.everyday if one.said]
    return (Item(character, kind, one) for one in told)


def _answers(character: Character, scene: Dialogue) -> bool:
    """Whether the character speaks after somebody else did."""
    own = {character.name["zh"], character.profile.get("name", "")}
    speakers = [turn.speaker in own for turn in scene.turns]
    return False in speakers and True in speakers[speakers.index(False) :]


def prompt_budget(prompt: str, emotions: bool) -> Budget:
    """The chat's budget for a "small" or a "large" prompt, with replies that open as asked."""
    budget = MINI_BUDGET if prompt == "small" else LARGE_BUDGET
    return dataclasses.replace(budget, emotions=emotions)


def _budget(config: Config, chat: ChatFormat) -> Budget:
    budget = prompt_budget(config.prompt, config.emotions)
    if not config.source_tokens:
        return budget
    return dataclasses.replace(
        budget, tokens=config.source_tokens, count=lambda text: len(chat.pieces.encode(text))
    )


def _limited(document: Document, target: int) -> Document:
    """The last reply cut to `target` tokens; where it would have ended is then not learnt."""
    start = len(document)
    while start and document.learnt[start - 1]:
        start -= 1
    if not target or len(document) - start <= target + 1:
        return document
    end = start + target
    return Document(document.ids[:end], document.learnt[:end], document.prefix)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest())


def data_sha256(config: Config) -> str:
    """The hash of every file that the examples are made from."""
    folders: dict[Path, tuple[str, ...]] = {Path(config.characters): ("yaml", "jsonl")}
    if set(config.sources) & set(COMPOSED):
        folders[MATERIAL] = ("yaml",)
    digest = hashlib.sha256()
    if rated.SOURCE in config.sources:
        digest.update((Path(config.ratings) / LIKED).read_bytes())
    for folder, endings in folders.items():
        paths = (path for path in folder.rglob("*") if path.suffix[1:] in endings)
        for path in sorted(paths):
            digest.update(f"{path.relative_to(folder)}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
