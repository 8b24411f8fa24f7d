"""What an engine is asked about a passage, and the form of its answer.

Knows no folder. Words outside the ten are read by the importers' table and never guessed.
"""

import argparse
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, ValidationInfo, model_validator

from rolecraft.conversation import Message
from rolecraft.emotions import LABELS
from train.annotate.lines import Line, Passage
from train.asking import Task
from train.asking.forms import read_form
from train.asking.prompts import prompt
from train.asking.work import sampling_of
from train.importers.labels import Labels

_WORDS = Labels()


def emotion_of(word: str) -> str:
    """The label of the ten that a word stands for. Raises ValueError."""
    meaning = _WORDS.meaning(word.strip().strip("（()）[]【】").strip())
    if meaning is None:
        raise ValueError(f"{word!r} 不是十个标签之一：{'、'.join(LABELS)}")
    return meaning


# A field of an answer's form: any word for a label is read as the label.
Emotion = Annotated[str, AfterValidator(emotion_of)]


class Given(BaseModel):
    """A label for the line of that number."""

    n: int
    why: str = Field(min_length=1, max_length=300)
    emotion: Emotion


class Labelled(BaseModel):
    """Labels for exactly the lines that were asked about."""

    labels: list[Given]

    @model_validator(mode="after")
    def _complete(self, info: ValidationInfo) -> "Labelled":
        wanted = set((info.context or {}).get("wanted", ()))
        given = [one.n for one in self.labels]
        missing, other = sorted(wanted - set(given)), sorted(set(given) - wanted)
        twice = sorted({n for n in given if given.count(n) > 1})
        for numbers, fault in ((missing, "没有标"), (other, "没有要求标"), (twice, "标了两次")):
            if numbers:
                raise ValueError(f"编号 {'、'.join(map(str, numbers))} {fault}")
        return self


def task_of(passage: Passage, args: argparse.Namespace) -> Task:
    """The task of labelling a passage. Lines are numbered from 1, as people count."""
    numbers = [n + 1 for n in passage.wanted]
    told = {
        "lines": "\n".join(_shown(n, line) for n, line in enumerate(passage.lines, start=1)),
        "numbers": "、".join(map(str, numbers)),
    }
    if passage.talk:
        user = prompt("annotate", "dialogue", scene=passage.scene or "不详", **told)
    else:
        user = prompt("annotate", "answers", name=passage.name, **told)
    messages = (Message("system", prompt("annotate", "system")), Message("user", user))
    return Task(
        passage.mark,
        messages,
        sampling_of(args),
        lambda text: read_form(text, Labelled, {"wanted": numbers}),
        records=len(numbers),
        facts=passage,
    )


def _shown(number: int, line: Line) -> str:
    text = " ".join(line.text.split())
    if line.question:
        return f"（问：{' '.join(line.question.split())}）\n{number}. {text}"
    return f"{number}. {line.speaker}：{text}"
