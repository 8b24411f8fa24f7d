"""Every line of a character that can have an emotion: where it stands, and how labels get there.

Reads and writes `unlabelled.jsonl` (places whose label is a stand-in) and `annotations.jsonl` (who
gave a label, and why). Knows no engine.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rolecraft.characters.model import Character
from train.importers.folders import UNLABELLED, felt
from train.shelves import Changed, json_lines

ANNOTATIONS = "annotations.jsonl"
SCRIPT, QUESTIONS, GENERAL = "script.jsonl", "questions.jsonl", "general.jsonl"
_LISTS = {SCRIPT: "turns", GENERAL: "answers"}


@dataclass(frozen=True, order=True)
class Place:
    """A file, the id of a row in it, and the number of the line in that row."""

    file: str
    id: str
    n: int = 0


@dataclass(frozen=True)
class Line:
    """A line that has a label, or a stand-in for one."""

    place: Place
    speaker: str
    text: str
    emotion: str
    question: str = ""  # what an answer answers


@dataclass(frozen=True)
class Labelling:
    """A label for a place: by whom and why."""

    emotion: str
    by: str
    why: str = ""


@dataclass(frozen=True)
class Passage:
    """Lines that are read together, and those of them that want a label."""

    character: str
    name: str
    scene: str
    lines: tuple[Line, ...]
    wanted: tuple[int, ...]

    @property
    def talk(self) -> bool:
        """Whether it is a piece of one dialogue; else answers that have nothing in common."""
        return self.lines[0].place.file == SCRIPT

    @property
    def mark(self) -> str:
        """Its name in reports."""
        first = self.lines[self.wanted[0]].place
        return f"{self.character}/{first.file}/{first.id}/{first.n}"


def unlabelled(character: Character) -> set[Place]:
    """The places whose label is a stand-in."""
    path = character.folder / UNLABELLED if character.folder else None
    if path is None or not path.is_file():
        return set()
    found = set()
    for text in path.read_text("utf-8").splitlines():
        row = json.loads(text)
        numbers = row.get(_LISTS.get(row["file"], ""), [0])
        found |= {Place(row["file"], row["id"], n) for n in numbers}
    return found


def passages(
    character: Character,
    wanted: set[Place] | None,
    most: int,
    instructions: Mapping[str, str],
    around: int = 6,
) -> Iterator[Passage]:
    """What is to be read: pieces of dialogues and groups of answers with at most `most` lines
    that want a label, and `around` lines of the dialogue about them. `wanted` None wants all.
    """
    for dialogue in character.script:
        lines = tuple(
            Line(Place(SCRIPT, dialogue.id, n), turn.speaker, turn.text, turn.emotion)
            for n, turn in enumerate(dialogue.turns)
        )
        numbers = _wanted(lines, wanted)
        for start in range(0, len(numbers), most):
            part = numbers[start : start + most]
            first, last = max(part[0] - around, 0), part[-1] + around + 1
            shown = tuple(n - first for n in part)
            yield _passage(character, dialogue.scene, lines[first:last], shown)
    answers = _answers(character, instructions)
    answers = [line for line in answers if wanted is None or line.place in wanted]
    for start in range(0, len(answers), most):
        group = tuple(answers[start : start + most])
        yield _passage(character, "", group, tuple(range(len(group))))


def _passage(
    character: Character, scene: str, lines: tuple[Line, ...], wanted: tuple[int, ...]
) -> Passage:
    return Passage(character.id, character.name["zh"], scene, lines, wanted)


def _wanted(lines: tuple[Line, ...], wanted: set[Place] | None) -> list[int]:
    return [n for n, line in enumerate(lines) if wanted is None or line.place in wanted]


def _answers(character: Character, instructions: Mapping[str, str]) -> list[Line]:
    name = character.name["zh"]
    questions = [
        Line(Place(QUESTIONS, one.id), name, one.answer, one.emotion, one.question)
        for one in character.questions
    ]
    return questions + [
        Line(Place(GENERAL, row.instruction, n), name, answer.text, answer.emotion,
             instructions.get(row.instruction, ""))
        for row in character.general
        for n, answer in enumerate(row.answers)
    ]  # fmt: skip


def labelled(character: Character, labels: Mapping[Place, Labelling]) -> Changed:
    """The character with these labels, and its files that tell of labels."""

    def at(file: str, identity: str, n: int, before: str) -> str:
        found = labels.get(Place(file, identity, n))
        return found.emotion if found else before

    script = tuple(
        replace(one, turns=tuple(
            replace(turn, emotion=at(SCRIPT, one.id, n, turn.emotion))
            for n, turn in enumerate(one.turns)
        ))
        for one in character.script
    )  # fmt: skip
    questions = tuple(
        replace(one, emotion=at(QUESTIONS, one.id, 0, one.emotion)) for one in character.questions
    )
    general = tuple(
        replace(row, answers=tuple(
            replace(answer, emotion=at(GENERAL, row.instruction, n, answer.emotion))
            for n, answer in enumerate(row.answers)
        ))
        for row in character.general
    )  # fmt: skip
    rest = unlabelled(character) - labels.keys()
    changed = replace(character, script=script, questions=questions, general=general)
    own = Counter(
        turn.emotion
        for one in script
        for n, turn in enumerate(one.turns)
        if turn.speaker == character.name["zh"] and Place(SCRIPT, one.id, n) not in rest
    )
    if any(place.file == SCRIPT for place in labels):
        changed = felt(changed, own)
    rows = list(_rows(rest))
    told = {**_annotations(character), **{place: _row(place, one) for place, one in labels.items()}}
    files = {
        UNLABELLED: json_lines(rows) if rows else None,
        ANNOTATIONS: json_lines(told[place] for place in sorted(told)) if told else None,
    }
    return Changed(changed, files)


def _row(place: Place, one: Labelling) -> dict[str, Any]:
    row = {"file": place.file, "id": place.id, "n": place.n, "emotion": one.emotion, "by": one.by}
    return row | ({"why": one.why} if one.why else {})


def _annotations(character: Character) -> dict[Place, dict[str, Any]]:
    path = character.folder / ANNOTATIONS if character.folder else None
    if path is None or not path.is_file():
        return {}
    rows = [json.loads(text) for text in path.read_text("utf-8").splitlines()]
    return {Place(row["file"], row["id"], row["n"]): row for row in rows}


def _rows(places: Iterable[Place]) -> Iterator[dict[str, Any]]:
    """The rows of unlabelled.jsonl, as importers write them."""
    numbers: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place in sorted(places):
        numbers[place.file, place.id].append(place.n)
    for (file, identity), found in numbers.items():
        row: dict[str, Any] = {"file": file, "id": identity}
        yield row | ({_LISTS[file]: found} if file in _LISTS else {})
