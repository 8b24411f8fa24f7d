"""A task, what has to be asked for it next, and what came of it.

`settle` is a function of the stored answers alone: asking, resuming, estimating and batches all
rest on it. An answer without its form is sent back once with what is wrong with it; when the
second has none either, the task is unscored, never guessed. Knows no engine.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal

from rolecraft.conversation import Message, Sampling
from train.asking.answers import Answer, Answers, address
from train.asking.forms import FormError

Outcome = Literal["valid", "repaired", "unscored", "failed", "left"]
OUTCOMES: tuple[Outcome, ...] = ("valid", "repaired", "unscored", "failed", "left")
LONGEST_BROKEN = 6000  # characters of a broken answer that are sent back

REPAIR = "上一个回答不能用：{faults}。请照最初的要求完整地重写一遍，只输出 JSON，不要解释。"


@dataclass(frozen=True)
class Model:
    """Who is asked. `weights` are the hashes of a local model, `server` the address of another."""

    engine: str
    name: str
    server: str = ""
    weights: str = ""


@dataclass(frozen=True)
class Request:
    """One thing to ask."""

    model: Model
    messages: tuple[Message, ...]
    sampling: Sampling

    @cached_property
    def key(self) -> str:
        """The address of its answer. The engine's name in the catalogue is no part of it."""
        asked = asdict(self)
        del asked["model"]["engine"]
        return address(asked)

    @property
    def characters(self) -> int:
        """The length of the prompt."""
        return sum(len(message.content) for message in self.messages)


@dataclass(frozen=True)
class Task:
    """A prompt and what its answer must be. `read` raises FormError; `records` hang on it."""

    id: str
    messages: tuple[Message, ...]
    sampling: Sampling
    read: Callable[[str], Any]
    records: int = 1
    facts: Any = None  # what the stage wants to find again with the answer


@dataclass(frozen=True)
class Settled:
    """What came of a task. `value` is None unless it is valid or repaired."""

    task: Task
    outcome: Outcome
    value: Any = None
    reason: str = ""
    answers: tuple[Answer, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Refused:
    """A server would not answer this request, however often it is asked."""

    reason: str


def settle(task: Task, model: Model, answers: Answers) -> Request | Settled:
    """What has to be asked next for a task, or what came of it."""
    first = Request(model, task.messages, task.sampling)
    answer = answers.get(first.key)
    if answer is None:
        return first
    try:
        return Settled(task, "valid", task.read(answer.text), answers=(answer,))
    except FormError as error:
        again = repair(first, answer, str(error))
    second = answers.get(again.key)
    if second is None:
        return again
    both = (answer, second)
    try:
        return Settled(task, "repaired", task.read(second.text), answers=both)
    except FormError as error:
        return Settled(task, "unscored", None, _told(error, second), both)


def repair(request: Request, answer: Answer, faults: str) -> Request:
    """The request that sends a broken answer back."""
    broken = answer.text[:LONGEST_BROKEN].strip() or "（没有内容）"
    said = REPAIR.format(faults=faults)
    messages = (*request.messages, Message("assistant", broken), Message("user", said))
    return Request(request.model, messages, request.sampling)


def _told(error: FormError, answer: Answer) -> str:
    cut = "cut off at the length limit: " if answer.finish == "length" else ""
    return f"{cut}{error}"
