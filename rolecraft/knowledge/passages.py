"""A character cut into passages: profile fields, scenes, answered questions, everyday answers.

Knows no encoder and no store. Test questions never become passages: they are what retrieval and
models are measured on.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rolecraft.characters.model import BEYOND, Character, Dialogue, Everyday, Question, field_name

EVERYBODY = "."  # no id of a character
EVERYDAY = "everyday."  # how the names of everyday passages begin
PROFILE = "profile."  # and those of the fields of a profile
# Of the ways of asking after one field, so many are compared with as vectors; further ones count by
# their letters alone (`naive_bayes`), as they help a vector little and the first start would wait.
WAYS_ENCODED = 400
SCENE_CHARACTERS = 160  # what a prompt of 512 tokens can hold three of, beside the profile
_ENDS = tuple("？?。！!…~～，,")
_SENTENCES = re.compile(r"[^。！？!?…；;]+[。！？!?…；;]*[”」』’]*")


@dataclass(frozen=True)
class Source:
    """A passage as it is indexed.

    `field` names the passage (profile.age, script.d03, question.q017, everyday.talk-001), `origin`
    what it tells of: an answered question about the age, or a way of asking after it
    (asked.profile.age.2), has the origin profile.age. `character` is EVERYBODY where it tells of
    no single one.
    """

    id: str
    field: str
    text: str
    character: str
    origin: str

    @property
    def sha256(self) -> str:
        """Hash of everything that is stored; a passage of the same hash is never encoded again."""
        body = "\0".join((self.id, self.field, self.text, self.character, self.origin))
        return hashlib.sha256(body.encode()).hexdigest()


def passages_of(character: Character) -> tuple[Source, ...]:
    """What prompts may hold of a character, in the order of its files, under ids that stay."""
    return (
        *_profile_passages(character),
        *(one for dialogue in character.script for one in _scene_passages(character, dialogue)),
        *(_answer_passage(character, one) for one in character.questions_of("train")),
        *(_everyday_passage(character, one) for one in character.everyday if one.said),
    )


def searched_of(character: Character) -> tuple[Source, ...]:
    """What a question is compared with: the passages, and the ways of asking after them."""
    return (*passages_of(character), *_wordings(character))


def shared_of(characters: Iterable[Character]) -> tuple[Source, ...]:
    """The ways of saying what everybody says and is asked, once for all who have an answer.

    Ways of asking after fields stand first.
    """
    asked: dict[str, tuple[str, ...]] = {}
    said: dict[str, tuple[str, ...]] = {}
    for character in characters:
        asked |= {origin: ways[:WAYS_ENCODED] for origin, ways in character.asked_commonly.items()}
        said.update({f"{EVERYDAY}{one.topic}": one.said for one in character.everyday})
    return tuple(
        Source(
            f"{EVERYBODY}/{origin}.{number}",
            f"asked.{origin}.{number}",
            _as_asked(way, origin),
            EVERYBODY,
            origin,
        )
        for origin, ways in (asked | said).items()
        for number, way in enumerate(ways, start=1)
    )


def marked(question: str) -> str:
    """With a question mark where no sign ends it: encoders hear the sign, people leave it out."""
    return question if question[-1:] in _ENDS else f"{question}？"


def profile_passage(field: str, value: str) -> str:
    """A profile field as prompts and passages show it: 年龄：12岁."""
    return f"{field_name(field)}：{value}"


def answer_passage(question: str, answer: str) -> str:
    """An answered question as passages show it."""
    return f"问：{question} 答：{answer}"


def _profile_passages(character: Character) -> Iterator[Source]:
    for key, value in character.profile.items():
        field = f"{PROFILE}{key}"
        text = profile_passage(key, value)
        yield Source(f"{character.id}/{field}", field, text, character.id, field)


def _scene_passages(character: Character, dialogue: Dialogue) -> Iterator[Source]:
    field = f"script.{dialogue.id}"
    scene = f"{dialogue.scene.rstrip('。')}。" if dialogue.scene else ""
    lines = [f"{turn.speaker}：{turn.text}" for turn in dialogue.turns]
    room = max(SCENE_CHARACTERS - len(scene), SCENE_CHARACTERS // 2)
    for number, digest in enumerate(_packed(lines, room), start=1):
        identity = f"{character.id}/{field}.{number}"
        yield Source(identity, field, scene + digest, character.id, field)


def _answer_passage(character: Character, question: Question) -> Source:
    field = f"question.{question.id}"
    text = answer_passage(question.question, question.answer)
    origin = question.source or field
    return Source(f"{character.id}/{field}", field, text, character.id, origin)


def _everyday_passage(character: Character, one: Everyday) -> Source:
    field = f"{EVERYDAY}{one.topic}"
    text = answer_passage(one.said[0], one.answer.text)
    return Source(f"{character.id}/{field}", field, text, character.id, field)


def _wordings(character: Character) -> Iterator[Source]:
    """Ways of asking: questions resemble questions more than they resemble a terse field.

    What they ask after is found in their place; they are never shown themselves.
    """
    for origin, ways in character.asked.items():
        for number, way in enumerate(ways, start=1):
            field = f"asked.{origin}.{number}"
            text = _as_asked(way, origin)
            yield Source(f"{character.id}/{field}", field, text, character.id, origin)


def _as_asked(way: str, origin: str) -> str:
    """Marked where it can only be a question; everyday talk and scenes are stated as well."""
    return marked(way) if origin.startswith((PROFILE, f"{EVERYDAY}{BEYOND}")) else way


def _packed(lines: Sequence[str], room: int) -> Iterator[str]:
    """Join lines into pieces of at most `room` characters, breaking only at sentence ends."""
    pieces = [piece for line in lines for piece in _broken(line, room)]
    packed = ""
    for piece in pieces:
        if packed and len(packed) + len(piece) > room:
            yield packed
            packed = ""
        packed += piece
    if packed:
        yield packed


def _broken(line: str, room: int) -> Iterator[str]:
    if len(line) <= room:
        yield line
        return
    for sentence in _SENTENCES.findall(line) or [line]:
        for start in range(0, len(sentence), room):
            yield sentence[start : start + room]
