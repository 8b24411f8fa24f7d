"""What raters liked and preferred, as examples: read from what `ratings to-training` wrote.

Prompts are told again for the adapter that is tuned, and only the last reply of a talk is learnt:
what came before it was not what the raters meant. Knows no loss.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rolecraft.characters.model import Character
from rolecraft.conversation import Budget, Message
from rolecraft.emotions import split_opening
from rolecraft.errors import TrainingError
from rolecraft.prompts import retold
from rolecraft.ratings import harvested
from train.documents import ChatFormat, Document

SOURCE = "rated"


@dataclasses.dataclass(frozen=True)
class Liked:
    """A reply that was liked, and the messages it answers."""

    prompt: tuple[Message, ...]
    reply: str


@dataclasses.dataclass(frozen=True)
class Preferred:
    """Two replies to the same messages, the better one first."""

    prompt: tuple[Message, ...]
    chosen: str
    rejected: str

    @property
    def key(self) -> str:
        """The same in every run."""
        return f"{self.prompt!r}/{self.chosen}/{self.rejected}"


def liked(folder: Path, known: Iterable[Character]) -> dict[str, list[Liked]]:
    """The liked replies of a folder by character id. Raises TrainingError and ResultsError."""
    found: dict[str, list[Liked]] = {}
    for row in _rows(folder, harvested.LIKED, known):
        *prompt, reply = _messages(row["messages"])
        found.setdefault(row["character"], []).append(Liked(tuple(prompt), reply.content))
    return found


def preferred(folder: Path, known: Iterable[Character], budget: Budget) -> list[Preferred]:
    """The pairs of a folder in prompts of this budget. Raises TrainingError and ResultsError."""
    people = {one.id: one for one in known}
    return [
        Preferred(
            retold(people[row["character"]], _messages(row["prompt"]), budget),
            labelled(row["chosen"][0]["content"], budget),
            labelled(row["rejected"][0]["content"], budget),
        )
        for row in _rows(folder, harvested.PREFERRED, people.values())
    ]


def labelled(reply: str, budget: Budget) -> str:
    """A reply with its emotion in front, or without it where the budget has none."""
    return reply if budget.emotions else split_opening(reply)[1]


def document(
    one: Liked, character: Character, budget: Budget, chat: ChatFormat, longest: int
) -> Document:
    """A liked reply as the chat asked for it; the older turns give way where it is too long."""
    reply = Message("assistant", labelled(one.reply, budget))
    messages = list(retold(character, one.prompt, budget))
    while True:
        made = last_learnt(chat.document([*messages, reply]))
        if len(made) <= longest or not shorten(messages):
            return made


def shorten(messages: list[Message]) -> bool:
    """Take away what is missed least: a passage of the last question, else the oldest turn.

    False when only persona, greeting and question are left.
    """
    if messages[-2].role == "system" and len(messages) > 2:
        lines = messages[-2].content.split("\n")[:-1]
        messages[-2:-1] = [Message("system", "\n".join(lines))] if len(lines) > 1 else []
        return True
    first = 2 if messages[1].role == "assistant" else 1
    ends = [place for place in range(first, len(messages)) if messages[place].role == "assistant"]
    if ends:
        del messages[first : ends[0] + 1]
    return bool(ends)


def last_learnt(document: Document) -> Document:
    """The same document with its last reply alone to learn."""
    start = len(document)
    while start and document.learnt[start - 1]:
        start -= 1
    learnt = np.arange(len(document)) >= start
    return dataclasses.replace(document, learnt=learnt)


def _rows(folder: Path, name: str, known: Iterable[Character]) -> list[dict[str, Any]]:
    rows = harvested.read(folder, name)
    ids = {one.id for one in known}
    if strangers := sorted({row["character"] for row in rows} - ids):
        raise TrainingError(
            f"{folder / name} has replies of {', '.join(strangers)}, whom the folder of characters "
            "does not hold. Name the folder that the chat reads."
        )
    return rows


def _messages(given: Sequence[Mapping[str, Any]]) -> list[Message]:
    return [Message(one["role"], one["content"]) for one in given]
