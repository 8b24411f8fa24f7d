"""Replies as examples are made of them: the prompt of who is to learn, and what was said to it.

Knows no rating. A reply from which nothing may be learnt has a reason, the same for every rating.
"""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rolecraft import marks
from rolecraft.characters import Character, Shelf
from rolecraft.conversation import Budget, Message
from rolecraft.emotions import opening, split_opening
from rolecraft.errors import CharacterNotFound
from rolecraft.prompts import retold
from rolecraft.ratings.bank import card_json
from rolecraft.store.chain import digest

_MIN_CHARS = 2
_FACTS = (
    "character", "character_sha256", "arm", "source", "emotion", "finish", "reply_text",
    "reply_sha256", "moderation",
)  # fmt: skip


@dataclass(frozen=True)
class Learner:
    """Whose prompts the examples have, and which characters there are."""

    shelf: Shelf
    budget: Budget
    engine: str = ""
    test_questions: bool = False  # whether answers to questions kept for tests are taken too


class Material:
    """The replies of a table of ratings. `prompts` holds their messages as they were rendered.

    `withheld` are replies to the words of someone who does not agree to training.
    """

    def __init__(
        self,
        table: Mapping[str, Sequence[Any]],
        prompts: Mapping[str, Sequence[Mapping[str, str]]],
        learner: Learner,
        withheld: Collection[str] = (),
    ) -> None:
        self._prompts = prompts
        self._learner = learner
        self._withheld = frozenset(withheld)
        self._characters: dict[str, tuple[Character, str, frozenset[str]]] = {}
        self._told: dict[str, tuple[Message, ...] | str] = {}
        self._facts: dict[str, dict[str, Any]] = {}
        for place, reply in enumerate(table["generation"]):
            if reply not in self._facts:
                self._facts[reply] = {name: table[name][place] for name in _FACTS}

    def facts(self, reply: str) -> Mapping[str, Any]:
        """What the ratings' rows tell of a reply."""
        return self._facts[reply]

    def said(self, reply: str, instead: str | None = None) -> str:
        """A reply as a model writes it, with its emotion in front; or other words `instead`."""
        emotion, text = self._facts[reply]["emotion"], self._facts[reply]["reply_text"]
        if instead is not None:
            own, text = split_opening(instead.strip())
            emotion = own or emotion
        return opening(emotion) + text if emotion and self._learner.budget.emotions else str(text)

    def prompt(self, reply: str) -> tuple[Message, ...]:
        """The learner's prompt for what a reply answers, one that `no_prompt` has nothing on."""
        told = self._read(reply)
        if isinstance(told, str):
            raise KeyError(f"{reply} has no prompt: {told}.")
        return told

    def no_prompt(self, reply: str) -> str:
        """Why nothing is learnt of what this reply answers; "" when something may be."""
        told = self._read(reply)
        return told if isinstance(told, str) else ""

    def unfit(self, reply: str) -> str:
        """Why this reply is in no example, be it as the better or as the worse one."""
        facts = self._facts[reply]
        if facts["moderation"] != "pass":
            return "not to be shown to anyone"
        whole = facts["finish"] == "stop"
        said = unfit(facts["reply_text"]) if whole else "stopped, cut off or broken"
        return said or self.no_prompt(reply)

    def _read(self, reply: str) -> tuple[Message, ...] | str:
        if reply not in self._told:
            self._told[reply] = self._retold(reply)
        return self._told[reply]

    def _retold(self, reply: str) -> tuple[Message, ...] | str:
        facts = self._facts[reply]
        if reply in self._withheld:
            return "who wrote to it does not agree to training"
        if reply not in self._prompts:
            return "its prompt is erased"
        try:
            character, card, kept = self._character(facts["character"])
        except CharacterNotFound:
            return "the character is gone"
        if facts["character_sha256"] != card:
            return "the character's card has changed since"
        messages = [Message(one["role"], one["content"]) for one in self._prompts[reply]]  # type: ignore[arg-type]
        try:
            told = retold(character, messages, self._learner.budget)
        except ValueError:
            return "its prompt does not end with a question"
        if not self._learner.test_questions and bare(told[-1].content) in kept:
            return "answers a question that is kept for tests"
        return told

    def _character(self, name: str) -> tuple[Character, str, frozenset[str]]:
        """A character of the shelf, the hash of its card, and its test questions."""
        if name not in self._characters:
            found = self._learner.shelf.get(name)
            tests = frozenset(bare(one.question) for one in found.questions_of("test"))
            self._characters[name] = found, digest(card_json(found)), tests
        return self._characters[name]


def unfit(text: str) -> str:
    """Why a text is nothing that a character should learn to say, nor to avoid."""
    found = marks.leaks(text)
    if found.models:
        return "names a model"
    if found.broken:
        return "leaves the role"
    return "too short" if len(bare(text)) < _MIN_CHARS else ""


def bare(text: str) -> str:
    """A text without signs, spaces and widths: what is equal by it says the same."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text)).lower()
