"""The bank: frozen replies to fixed questions, made here or brought from elsewhere.

Knows no engine: how a reply is made is passed in. The same question asked of two arms is one turn,
so that their replies can be paired.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rolecraft.characters import Character, Shelf
from rolecraft.characters.model import Split
from rolecraft.conversation import Conversation, Identity, Message, Reply, Sampling
from rolecraft.emotions import BY_ZH, split_opening
from rolecraft.errors import CharacterNotFound, ResultsError
from rolecraft.ratings.desk import Desk
from rolecraft.store.chain import digest
from rolecraft.store.generations import Arm, Source

Ask = Callable[[Character, Conversation], Reply]


@dataclass(frozen=True)
class Talk:
    """A conversation of the bank as one arm held it."""

    arm: Arm
    character: str
    turns: tuple[tuple[str, Reply], ...]
    source: Source


def keep(desk: Desk, shelf: Shelf, talk: Talk) -> tuple[str, ...]:
    """Enter a talk into the bank; what is there already is entered once. The replies' ids."""
    character = shelf.get(talk.character)
    card = character.id, card_json(character)
    asked = json.dumps([user for user, _ in talk.turns], ensure_ascii=False)
    key = f"bank/{character.id}/{digest(asked)[:16]}"
    found = []
    for number, (user, reply) in enumerate(talk.turns, start=1):
        turn = desk.generations.turn(key, number, card, user, source="bank", bank=key)
        found.append(desk.generations.record(turn, talk.arm, reply, source=talk.source))
    return tuple(found)


def answer(
    desk: Desk, shelf: Shelf, arm: str, ask: Ask, per_character: int, split: Split = "test"
) -> int:
    """Let an arm answer the first questions of every character; how many replies there are.

    Those of the test split measure; only those of the other one may be learnt from.
    """
    count = 0
    for character in shelf.characters:
        for question in character.questions_of(split)[:per_character]:
            greeting = character.greeting["zh"]
            reply = ask(character, Conversation(character.id, greeting).ask(question.question))
            turns = ((question.question, reply),)
            count += len(keep(desk, shelf, Talk(Arm(arm), character.id, turns, "live")))
    return count


def read_replies(lines: Iterable[str], shelf: Shelf) -> tuple[Talk, ...]:
    """Talks of arms that run elsewhere, one JSON object a line.

    `{"arm", "character", "question", "reply"}` or `{"arm", "character", "turns": [{"user",
    "reply"}, …]}`; an emotion label may open a reply or be given as "emotion".
    Raises `ResultsError` with every fault by its line; then nothing was read.
    """
    talks, faults = [], []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            talks.append(_talk(json.loads(line), shelf))
        except (ValueError, CharacterNotFound) as error:
            faults.append(f"line {number}: {error}")
    if faults:
        more = f" … and {len(faults) - 10} more" if len(faults) > 10 else ""
        raise ResultsError("Nothing was imported. " + "; ".join(faults[:10]) + more)
    if not talks:
        raise ResultsError("Nothing was imported: the file holds no reply.")
    return tuple(talks)


def card_json(character: Character) -> str:
    """What of a character bears on its replies, as canonical JSON."""
    body = {
        "id": character.id, "name": dict(character.name), "profile": dict(character.profile),
        "greeting": dict(character.greeting), "traits": character.traits,
        "style": asdict(character.style),
        "emotions": [asdict(one) for one in character.emotions],
        "relations": [asdict(one) for one in character.relations],
    }  # fmt: skip
    return json.dumps(body, ensure_ascii=False, sort_keys=True)


def recorded(text: str, arm: str, prompt: Sequence[Message], emotion: str | None) -> Reply:
    """A reply that was made elsewhere: of how, only the name of the arm is known."""
    return Reply(
        text=text, emotion=emotion, passages=(), identity=Identity(arm, arm), sampling=Sampling(),
        seed=0, prompt=tuple(prompt), prompt_tokens=0, reply_tokens=0, first_token_ms=0.0,
        total_ms=0.0, finish="stop",
    )  # fmt: skip


def _talk(given: Any, shelf: Shelf) -> Talk:
    if not isinstance(given, dict):
        raise ValueError("is no JSON object")
    name, character = _words(given, "arm"), shelf.get(_words(given, "character"))
    turns = given.get("turns")
    if turns is None:
        turns = [{**given, "user": _words(given, "question")}]
    if not isinstance(turns, list) or not turns:
        raise ValueError("turns is no list of {user, reply}")
    said: list[tuple[str, Reply]] = []
    prompt: list[Message] = []
    for turn in turns:
        if not isinstance(turn, dict):
            raise ValueError("a turn is no {user, reply}")
        user = _words(turn, "user")
        emotion, text = split_opening(_words(turn, "reply"))
        emotion = turn.get("emotion") or emotion
        if emotion is not None and emotion not in BY_ZH:
            raise ValueError(f"emotion {emotion!r} is none of {' '.join(BY_ZH)}")
        prompt.append(Message("user", user))
        said.append((user, recorded(text, name, prompt, emotion)))
        prompt.append(Message("assistant", text))
    return Talk(Arm(name), character.id, tuple(said), "recorded")


def _words(given: dict[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name} is {value!r}; write a text")
    return value.strip()
