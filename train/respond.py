"""Lets characters answer general instructions in their own way.

`python -m train respond IN OUT --engine NAME [--instructions FILE]`: every instruction (by default
of IN/instructions.yaml; else YAML, JSON lines or a line each) gets --replies different replies of
each character, told its profile, its style and three of its own answers. Replies that are there
already count. Replies the lint would find are dropped; OUT/respond-report.json counts them.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import yaml
from pydantic import BaseModel, Field, ValidationInfo, model_validator

from rolecraft.characters.model import KINDS, Answer, Character, GeneralAnswers, Question
from rolecraft.conversation import Message
from rolecraft.errors import TrainingError
from train.annotate.asking import Emotion
from train.asking import Settled, Task
from train.asking.forms import read_form
from train.asking.prompts import portrait, prompt
from train.asking.stage import Made, carry_out, stage_parser
from train.asking.work import sampling_of
from train.asking.written import Twins, fault_of_answer
from train.shelves import INSTRUCTIONS, Changed, Source, read_instructions

VERSION = 1  # raise it when the same answers make other replies
EXAMPLES = 3  # of the character's own answers, as in the paper


def make_parser() -> argparse.ArgumentParser:
    """The arguments of this stage."""
    parser = stage_parser("respond", __doc__, top_p=0.95)
    parser.add_argument("--instructions", type=Path, metavar="FILE")
    parser.add_argument("--replies", type=int, default=5, help="to each instruction")
    return parser


def main(args: argparse.Namespace) -> int:
    """Write replies."""
    if args.replies < 1:
        raise TrainingError(f"--replies {args.replies}: at least 1.")

    def tasks_of(source: Source) -> list[Task]:
        asked = instructions_of(source, args.instructions)
        return [
            task
            for one in source.chosen(args.character)
            for identity, text in asked.items()
            if (task := task_of(one, identity, text, args))
        ]

    def made(source: Source, settled: Sequence[Settled]) -> Made:
        return make(source, settled, instructions_of(source, args.instructions))

    return carry_out(args, "respond", VERSION, tasks_of, made)


class Reply(BaseModel):
    """One reply."""

    text: str = Field(min_length=1, max_length=300)
    emotion: Emotion


class Replies(BaseModel):
    """So many different replies."""

    replies: list[Reply]

    @model_validator(mode="after")
    def _as_many(self, info: ValidationInfo) -> "Replies":
        count = (info.context or {})["count"]
        if len(self.replies) != count:
            raise ValueError(f"要{count}个回答，写了{len(self.replies)}个")
        return self


def instructions_of(source: Source, path: Path | None) -> dict[str, str]:
    """The instructions by id: those of the folder, or of a file. Known texts keep their ids."""
    known = source.instructions
    if path is None:
        if not known:
            raise TrainingError(
                f"{source.root} has no {INSTRUCTIONS}. Name instructions with --instructions FILE."
            )
        return known
    if not path.is_file():
        raise TrainingError(f"No file {str(path)!r} of instructions.")
    ids = {text: identity for identity, text in known.items()}
    for text in _texts(path):
        number = len(ids) + 1
        while f"g{number:04d}" in ids.values():
            number += 1
        ids.setdefault(text, f"g{number:04d}")
    return {ids[text]: text for text in _texts(path)}


def _texts(path: Path) -> list[str]:
    if path.suffix in (".yaml", ".yml"):
        return list(dict.fromkeys(read_instructions(path).values()))
    lines = [line.strip() for line in path.read_text("utf-8-sig").split("\n") if line.strip()]
    if path.suffix == ".jsonl":
        try:
            lines = [str(json.loads(line)["instruction"]).strip() for line in lines]
        except (ValueError, KeyError, TypeError) as error:
            raise TrainingError(
                f"{path} is not JSON lines with the key instruction ({error!r})."
            ) from error
    return list(dict.fromkeys(lines))


def task_of(
    character: Character, identity: str, instruction: str, args: argparse.Namespace
) -> Task | None:
    """The task of answering one instruction; None when there are enough replies already."""
    there = next((row.answers for row in character.general if row.instruction == identity), ())
    count = args.replies - len(there)
    if count < 1:
        return None
    shown = "\n".join(f"问：{one.question}\n答：{one.answer}" for one in examples(character))
    system = prompt(
        "respond", "system", persona=portrait(character), examples=shown or "（没有例子）",
        count=count,
    )  # fmt: skip
    messages = (
        Message("system", system),
        Message("user", prompt("respond", "user", instruction=instruction)),
    )
    return Task(
        f"{character.id}/{identity}",
        messages,
        sampling_of(args),
        lambda text: read_form(text, Replies, {"count": count}),
        records=count,
        facts=(character.id, identity, instruction),
    )


def examples(character: Character) -> list[Question]:
    """Answers of the train split, each of another kind where there are so many kinds."""
    asked = character.questions_of("train")
    by_kind = [[one for one in asked if one.kind == kind] for kind in reversed(KINDS)]
    first = [group[0] for group in by_kind if group]
    rest = [one for one in asked if one not in first]
    return [*first, *rest][:EXAMPLES]


def make(source: Source, settled: Sequence[Settled], asked: dict[str, str]) -> Made:
    """The characters with their replies."""
    made = Made()
    by_character: dict[str, list[Settled]] = {}
    for one in settled:
        by_character.setdefault(one.task.facts[0], []).append(one)
    for character in source.characters:
        if character.id in by_character:
            changed = _with_replies(character, by_character[character.id], made)
            made.changed.append(Changed(changed))
    new = {key: {"zh": text, "en": text} for key, text in asked.items()
           if key not in source.instructions}  # fmt: skip
    if new:
        path = source.root / INSTRUCTIONS
        before = path.read_bytes().rstrip() + b"\n" if path.is_file() else b""
        body = yaml.safe_dump(new, allow_unicode=True, sort_keys=False, width=100)
        made.files[INSTRUCTIONS] = before + body.encode()
    return made


def _with_replies(character: Character, settled: Sequence[Settled], made: Made) -> Character:
    rows = {row.instruction: row for row in character.general}
    twins = Twins(answer.text for row in character.general for answer in row.answers)
    for one in settled:
        _, identity, instruction = one.task.facts
        kept = []
        for reply in one.value.replies if one.value else ():
            text = " ".join(reply.text.split())
            fault = fault_of_answer(character.name["zh"], text, instruction)
            if not fault and twins.has(text):
                fault = "twin"
            if fault:
                made.dropped[fault] += 1
                continue
            twins.add(text)
            kept.append(Answer(text, reply.emotion))
        made.kept += len(kept)
        if kept:
            before = rows.get(identity, GeneralAnswers(identity, ()))
            rows[identity] = replace(before, answers=(*before.answers, *kept))
    return replace(character, general=tuple(rows.values()))
