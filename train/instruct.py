"""Writes questions directed at a character and its own answers, from its profile and its script.

`python -m train instruct IN OUT --engine NAME [--questions 60]`: every question about the past
rests on one dialogue, shown whole, so that lines which do not follow each other are never chained.
Questions that hang in the air, twins, answers that do not tell what they are about and answers the
lint would find are dropped; OUT/instruct-report.json counts them. New questions get a source and a
split: no test answer shares 12 letters in a row with a train answer.
"""

import argparse
import math
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import cast

from pydantic import BaseModel, Field, ValidationInfo, model_validator

from rolecraft.characters.model import (
    ATOMIC_FIELDS,
    Character,
    Dialogue,
    Kind,
    Question,
    Split,
    field_name,
)
from rolecraft.characters.overlap import bare, runs
from rolecraft.characters.spoken import learnt_of
from rolecraft.conversation import Message
from rolecraft.errors import TrainingError
from train.annotate.asking import Emotion
from train.asking import Settled, Task
from train.asking.forms import read_form
from train.asking.prompts import portrait, prompt
from train.asking.stage import Made, carry_out, stage_parser
from train.asking.work import sampling_of
from train.asking.written import Twins, dangling, fault_of_answer
from train.importers.gathered import TEST_SHARE
from train.importers.grounding import LEAKED, held_out
from train.profile import shown_dialogue
from train.shelves import Changed, Source

VERSION = 2  # raise it when the same answers make other questions
# What is asked, by kind: the shares of the shipped cast, rounded.
SHARES: Mapping[Kind, float] = {
    "profile": 0.35,
    "experience": 0.35,
    "opinion": 0.12,
    "small_talk": 0.06,
    "out_of_knowledge": 0.12,
}
LEAST_TURNS = 3  # of a dialogue that one can be asked about


def make_parser() -> argparse.ArgumentParser:
    """The arguments of this stage."""
    parser = stage_parser("instruct", __doc__, top_p=0.95)
    parser.add_argument("--questions", type=int, default=60, help="for each character")
    parser.add_argument("--per-answer", type=int, default=5, help="questions in one answer")
    parser.add_argument("--test-share", type=float, default=TEST_SHARE)
    return parser


def main(args: argparse.Namespace) -> int:
    """Write questions."""
    if args.questions < 1 or args.per_answer < 1:
        raise TrainingError("--questions and --per-answer are at least 1.")
    if not 0 <= args.test_share < 1:
        raise TrainingError(f"--test-share {args.test_share}: give a share from 0 to below 1.")

    def tasks_of(source: Source) -> list[Task]:
        return [task for one in source.chosen(args.character) for task in plan(one, args)]

    def made(source: Source, settled: Sequence[Settled]) -> Made:
        return make(source, settled, args.test_share)

    return carry_out(args, "instruct", VERSION, tasks_of, made)


class Asked(BaseModel):
    """A question and the character's answer."""

    question: str = Field(min_length=2, max_length=100)
    answer: str = Field(min_length=2, max_length=300)
    emotion: Emotion
    field: str | None = None

    @model_validator(mode="after")
    def _about(self, info: ValidationInfo) -> "Asked":
        fields = (info.context or {})["fields"]
        if fields and self.field not in fields:
            raise ValueError(f"field 要写 {'、'.join(fields)} 里的一个")
        return self


class Questions(BaseModel):
    """So many questions."""

    questions: list[Asked]

    @model_validator(mode="after")
    def _as_many(self, info: ValidationInfo) -> "Questions":
        count = (info.context or {})["count"]
        if len(self.questions) != count:
            raise ValueError(f"要{count}个问题，写了{len(self.questions)}个")
        return self


def plan(character: Character, args: argparse.Namespace) -> Iterator[Task]:
    """The tasks for one character: so many questions of each kind, a few at a time."""
    dialogues = [one for one in character.script if len(one.turns) >= LEAST_TURNS]
    facts = {key: value for key, value in character.profile.items() if value}
    shares = dict(SHARES)
    if not dialogues:  # what cannot be asked about the past is asked about the profile
        shares["profile"] += shares.pop("experience")
    rng = random.Random(f"{args.seed} {character.id}")
    order = rng.sample(dialogues, len(dialogues))
    fields = rng.sample(list(facts), len(facts))
    for kind, share in shares.items():
        wanted = round(args.questions * share)
        for n in range(math.ceil(wanted / args.per_answer)):
            count = min(args.per_answer, wanted - n * args.per_answer)
            if kind == "experience":
                yield _task(character, kind, n, count, args, dialogue=order[n % len(order)])
            elif kind == "profile":
                start = n * args.per_answer
                some = [fields[(start + k) % len(fields)] for k in range(count)]
                yield _task(character, kind, n, count, args, fields=list(dict.fromkeys(some)))
            else:
                yield _task(character, kind, n, count, args)


def _task(
    character: Character,
    kind: Kind,
    n: int,
    count: int,
    args: argparse.Namespace,
    dialogue: Dialogue | None = None,
    fields: Sequence[str] = (),
) -> Task:
    told: dict[str, object] = {"persona": portrait(character), "count": count}
    if dialogue:
        told |= {"scene": dialogue.scene or "不详", "lines": shown_dialogue(dialogue)}
    if fields:
        told["facts"] = "\n".join(
            f"- {key}（{field_name(key)}）：{character.profile[key]}" for key in fields
        )
    system = prompt("instruct", "system", more=', "field": "…"' if fields else "")
    messages = (Message("system", system), Message("user", prompt("instruct", kind, **told)))
    # Tasks with the same words, such as opinions, differ by their seeds.
    return Task(
        f"{character.id}/{kind}/{n + 1}",
        messages,
        sampling_of(args, args.seed + n),
        lambda text: read_form(text, Questions, {"count": count, "fields": list(fields)}),
        records=count,
        facts=(character.id, kind, f"script.{dialogue.id}" if dialogue else None),
    )


def make(source: Source, settled: Sequence[Settled], test_share: float) -> Made:
    """The characters with their questions."""
    made = Made()
    by_character: dict[str, list[Settled]] = defaultdict(list)
    for one in settled:
        by_character[one.task.facts[0]].append(one)
    for character in source.characters:
        if character.id in by_character:
            new = list(_new(character, by_character[character.id], made))
            kept = _split(character, new, test_share, made)
            made.kept += len(kept)
            questions = (*character.questions, *kept)
            made.changed.append(Changed(replace(character, questions=questions)))
    return made


def _new(character: Character, settled: Sequence[Settled], made: Made) -> Iterator[Question]:
    """Questions that can be used, without a split of their own yet."""
    twins = Twins(one.question for one in character.questions)
    for one in settled:
        _, kind, source = one.task.facts
        for asked in one.value.questions if one.value else ():
            question, answer = (" ".join(text.split()) for text in (asked.question, asked.answer))
            fault = _fault(character, kind, asked.field, question, answer)
            if not fault and twins.has(question):
                fault = "twin"
            if fault:
                made.dropped[fault] += 1
                continue
            twins.add(question)
            where = f"profile.{asked.field}" if kind == "profile" else source
            yield Question("", cast(Kind, kind), question, answer, asked.emotion, "train", where)


def _fault(character: Character, kind: str, key: str | None, question: str, answer: str) -> str:
    if dangling(question):
        return "question that does not name what it asks about"
    if kind != "small_talk" and not question.endswith(("？", "?")):
        return "question without a question mark"
    atomic = kind == "profile" and key in ATOMIC_FIELDS
    if atomic and bare(character.profile[str(key)]) not in bare(answer):
        return "answer that does not tell the fact it is about"
    return fault_of_answer(character.name["zh"], answer, question)


def _split(
    character: Character, new: Sequence[Question], share: float, made: Made
) -> list[Question]:
    """The questions with ids and splits, so that no test answer stands in training."""
    learnt = [text.text for text in learnt_of(character)]
    before: dict[Split, set[str]] = {
        "train": {run for text in learnt for run in runs(text, LEAKED)},
        "test": {run for one in character.questions_of("test") for run in runs(one.answer, LEAKED)},
    }
    test = held_out(new, share, learnt)
    width = max((len(one.id) for one in character.questions), default=5) - 1
    number = len(character.questions)
    taken = {one.id for one in character.questions}
    kept = []
    for n, one in enumerate(new):
        split: Split = "test" if n in test else "train"
        words = runs(one.answer, LEAKED)
        if split == "test" and words & before["train"]:
            split = "train"
        if split == "train" and words & before["test"]:
            made.dropped["answer with the words of a test answer"] += 1
            continue
        number += 1
        while f"q{number:0{width}d}" in taken:
            number += 1
        kept.append(replace(one, id=f"q{number:0{width}d}", split=split))
    return kept
