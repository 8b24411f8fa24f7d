"""Gathered talk as a character folder: card.yaml, script.jsonl, questions.jsonl, general.jsonl.

Knows no source. Beside the folder's own files stands `unlabelled.jsonl`: the places whose emotion
is a stand-in 中立, because the source has none, so that annotation knows what to label.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rolecraft.characters.model import (
    KINDS,
    SPLITS,
    Answer,
    Character,
    Dialogue,
    GeneralAnswers,
    Kind,
    Question,
    Tendency,
    Utterance,
)
from rolecraft.characters.plain import write_folder
from rolecraft.characters.tavern import from_card
from train.importers.gathered import Asked, Gathered, Options
from train.importers.grounding import Grounding, held_out
from train.importers.profiles import age_group
from train.importers.talks import TwoParty, two_party

UNLABELLED = "unlabelled.jsonl"
STAND_IN = "中立"


@dataclass
class Instructions:
    """The general instructions of a whole import, numbered as they come."""

    numbers: dict[str, str] = field(default_factory=dict)

    def identity(self, text: str) -> str:
        """The id of an instruction."""
        return self.numbers.setdefault(text, f"g{len(self.numbers) + 1:04d}")

    def as_yaml(self) -> dict[str, dict[str, str]]:
        """What instructions.yaml holds."""
        return {identity: {"zh": text, "en": text} for text, identity in self.numbers.items()}


@dataclass(frozen=True)
class Bound:
    """A character and the places of it that have no emotion of their own."""

    character: Character
    unlabelled: tuple[dict[str, Any], ...]


def bind(gathered: Gathered, instructions: Instructions, options: Options) -> Bound | None:
    """The character; None, with every entry refused, when nothing of it is left."""
    name = gathered.name
    talks = two_party(gathered.talks, name, options.most_turns)
    numbered = [(f"d{n:04d}", talk) for n, talk in enumerate(talks, start=1)]
    profile = {"name": name, **gathered.profile}
    if not (talks or gathered.questions or gathered.replies or gathered.profile):
        return None
    base = from_card({"name": name}, Path(name), options.identity)
    if gathered.profile.get("name") not in (None, name):
        profile["name"] = name
    unlabelled: list[dict[str, Any]] = []
    character = replace(
        base,
        profile=profile,
        age_group=age_group(profile.get("age", "")),
        licence=options.licence,
        author=options.author,
        script=_script(numbered, unlabelled),
        questions=_questions(gathered, numbered, options, unlabelled),
        general=_general(gathered, instructions, unlabelled),
    )
    return Bound(_felt(character, talks), tuple(unlabelled))


def write(bound: Bound, shelf: Path) -> Path:
    """Write the character's folder under `shelf`; it."""
    rows = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in bound.unlabelled)
    return write_folder(bound.character, shelf, {UNLABELLED: rows.encode()} if rows else {})


def _script(
    talks: Sequence[tuple[str, TwoParty]], unlabelled: list[dict[str, Any]]
) -> tuple[Dialogue, ...]:
    dialogues = []
    for identity, talk in talks:
        turns = tuple(
            Utterance(turn.speaker, turn.text, turn.emotion or STAND_IN) for turn in talk.turns
        )
        dialogues.append(Dialogue(identity, talk.scene, turns))
        bare_turns = [n for n, turn in enumerate(talk.turns) if turn.emotion is None]
        if bare_turns:
            unlabelled.append({"file": "script.jsonl", "id": identity, "turns": bare_turns})
        for turn in talk.turns:
            for entry in turn.entries:
                entry.keep()
    return tuple(dialogues)


def _questions(
    gathered: Gathered,
    talks: Sequence[tuple[str, TwoParty]],
    options: Options,
    unlabelled: list[dict[str, Any]],
) -> tuple[Question, ...]:
    asked = gathered.questions
    grounding = Grounding(asked, talks, gathered.profile) if asked else None
    undecided = [n for n, one in enumerate(asked) if one.split not in SPLITS]
    spoken = [turn for _, talk in talks for turn in talk.turns if turn.speaker == gathered.name]
    learnt = [one.text for one in (*spoken, *gathered.replies)]
    drawn = held_out([asked[n] for n in undecided], options.test_share, learnt)
    test = {undecided[n] for n in drawn}
    questions = []
    for n, one in enumerate(asked):
        identity = f"q{n + 1:04d}"
        kind, source = grounding.source(one) if grounding else ("opinion", None)
        split = one.split if one.split in SPLITS else "test" if n in test else "train"
        questions.append(
            Question(
                identity, _kind(one, kind), one.question, one.answer,
                one.emotion or STAND_IN, "test" if split == "test" else "train", source,
            )
        )  # fmt: skip
        if one.emotion is None:
            unlabelled.append({"file": "questions.jsonl", "id": identity})
        one.entry.keep()
    return tuple(questions)


def _kind(asked: Asked, judged: Kind) -> Kind:
    return next((kind for kind in KINDS if kind == asked.kind), judged)


def _general(
    gathered: Gathered, instructions: Instructions, unlabelled: list[dict[str, Any]]
) -> tuple[GeneralAnswers, ...]:
    rows: dict[str, list[Answer]] = {}
    bare_answers: dict[str, list[int]] = {}
    for reply in gathered.replies:
        identity = instructions.identity(reply.instruction)
        answers = rows.setdefault(identity, [])
        if reply.emotion is None:
            bare_answers.setdefault(identity, []).append(len(answers))
        answers.append(Answer(reply.text, reply.emotion or STAND_IN))
        reply.entry.keep()
    for identity, answers_without in bare_answers.items():
        unlabelled.append({"file": "general.jsonl", "id": identity, "answers": answers_without})
    return tuple(GeneralAnswers(key, tuple(answers)) for key, answers in rows.items())


def _felt(character: Character, talks: Sequence[TwoParty]) -> Character:
    own = Counter(
        turn.emotion
        for talk in talks
        for turn in talk.turns
        if turn.emotion and turn.speaker == character.name["zh"]
    )
    return felt(character, own)


def felt(character: Character, own: Counter[str]) -> Character:
    """The character with its emotional signature: the shares of the labels of its own lines.

    What is known to bring an emotion on stays.
    """
    if not own:
        return character
    ranked = own.most_common()
    shares = {label: round(count / own.total(), 3) for label, count in ranked}
    shares[ranked[0][0]] = round(shares[ranked[0][0]] + 1 - sum(shares.values()), 3)
    mood = character.mood
    if mood == STAND_IN or mood not in shares:
        mood = next((label for label, _ in ranked if label != STAND_IN), STAND_IN)
    triggers = {one.emotion: one.trigger for one in character.emotions}
    tendencies = tuple(
        Tendency(label, share, triggers.get(label, "")) for label, share in shares.items()
    )
    return replace(character, emotions=tendencies, mood=mood)
