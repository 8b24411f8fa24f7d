"""What everybody says, and what may be answered to it: the banks' replies and the cast's own.

Knows no prompt. Ways of saying and asking that are held out of training stand in the banks alone.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rolecraft.characters import Shelf, read_shelf
from rolecraft.characters.model import Answer, Character

MATERIAL = Path(__file__).parent / "material"
CHARACTERS = Path(__file__).parent.parent / "characters"


@dataclass(frozen=True)
class Topic:
    """`replies` are a bank's, by voice; `answers` the cast's; `beyond` topics are evaded."""

    said: tuple[str, ...]
    answers: tuple[Answer, ...]
    replies: Mapping[str, tuple[Answer, ...]]
    beyond: bool = False

    def reply(self, voice: str) -> tuple[Answer, ...]:
        """The bank's replies in this voice, or in a plain one."""
        return (
            self.replies.get(voice)
            or self.replies.get("plain")
            or next(iter(self.replies.values()), ())
        )


@functools.cache
def material(name: str) -> Any:
    """One bank of `train/material/`."""
    return yaml.safe_load((MATERIAL / f"{name}.yaml").read_text("utf-8"))


@functools.cache
def shelf() -> Shelf:
    """The shelf that ships."""
    return read_shelf(CHARACTERS)


@functools.cache
def cast() -> tuple[Character, ...]:
    """The shipped characters."""
    return shelf().characters


@functools.cache
def common_ways() -> dict[str, tuple[str, ...]]:
    """Field of a profile to the ways in which everybody is asked after it."""
    return {origin.removeprefix("profile."): some for origin, some in shelf().asked.items()}


@functools.cache
def topics() -> tuple[Topic, ...]:
    """Everything that everybody says, in the order of characters/everyday.yaml."""
    banks = {
        group["topic"]: group for name in ("small_talk", "evasions") for group in material(name)
    }
    answers: dict[str, list[Answer]] = {}
    beyond: set[str] = set()
    for one in cast():
        for row in one.everyday:
            answers.setdefault(row.topic, []).append(row.answer)
            if row.beyond:
                beyond.add(row.topic)
    return tuple(
        Topic(
            tuple(dict.fromkeys((*said, *banks.get(topic, {}).get("user", ())))),
            tuple(answers.get(topic, ())),
            {
                voice: tuple(Answer(one["text"], one["emotion"]) for one in some)
                for voice, some in banks.get(topic, {}).get("replies", {}).items()
            },
            topic in beyond,
        )
        for topic, said in shelf().topics.items()
    )
