"""What a job will ask, cost and take, told before it starts.

Prices are only what the command line states. Tokens and seconds are stated, counted by the engine
or measured on the answers that are stored already; what nobody knows is said to be unknown.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from train.asking.answers import Answer, Answers
from train.asking.tasks import Model, Request, Settled, Task, settle

COUNTED = 20  # prompts whose tokens a local engine counts


@dataclass(frozen=True)
class Rates:
    """What the command line states; None is not stated. Prices are per million tokens."""

    price_in: float | None = None
    price_out: float | None = None
    tokens_per_character: float | None = None
    reply_tokens: float | None = None
    seconds_per_answer: float | None = None
    at_once: int = 4

    def cost(self, prompt_tokens: float | None, reply_tokens: float | None) -> float | None:
        """The price of so many tokens; None when a price or a number is unknown."""
        known = (prompt_tokens, reply_tokens, self.price_in, self.price_out)
        if any(one is None for one in known):
            return None
        return (prompt_tokens * self.price_in + reply_tokens * self.price_out) / 1e6  # type: ignore[operator]


@dataclass(frozen=True)
class Estimate:
    """A job before it starts. The likely numbers leave out the few answers to be sent back."""

    tasks: int
    settled: int
    requests: int  # that have to be asked now; equal ones once
    characters: int
    prompt_tokens: float | None
    reply_tokens: float | None
    most_reply_tokens: int
    cost: float | None
    most_cost: float | None  # if every answer were as long as it may be
    seconds: float | None
    measured_on: int  # stored answers

    def lines(self, rates: Rates) -> list[str]:
        """For people."""
        told = [
            f"{self.tasks:,} tasks, {self.settled:,} answered already, {self.requests:,} requests "
            f"to make with {self.characters:,} characters"
        ]
        if not self.requests:
            return told
        tokens = [
            f"tokens: {_number(self.prompt_tokens)} in, {_number(self.reply_tokens)} out "
            f"(at most {self.most_reply_tokens:,})"
        ]
        if self.measured_on:
            tokens.append(f"measured on {self.measured_on:,} stored answers")
        told.append("; ".join(tokens))
        if self.cost is not None:
            told.append(f"cost: {self.cost:,.2f}, at most {self.most_cost:,.2f}, without repairs")
        else:
            told.append(f"cost: unknown; {_wanted(self, rates)}")
        if self.seconds is not None:
            told.append(f"time: {_duration(self.seconds)} with {rates.at_once} at once")
        else:
            told.append("time: unknown; state --seconds-per-answer, or try --pilot 20")
        return told


def open_requests(tasks: Iterable[Task], model: Model, answers: Answers) -> list[Request]:
    """What has to be asked now, each once."""
    found = (settle(task, model, answers) for task in tasks)
    return list({one.key: one for one in found if isinstance(one, Request)}.values())


def estimate(
    tasks: Sequence[Task],
    model: Model,
    answers: Answers,
    rates: Rates,
    count: Callable[[str], int] | None = None,
) -> Estimate:
    """The estimate of a job; `count` counts tokens, where the engine can."""
    wanted = open_requests(tasks, model, answers)
    characters = sum(one.characters for one in wanted)
    given, asked = _given(tasks, model, answers)
    ratio = rates.tokens_per_character or _ratio(given, asked) or _counted(wanted, count)
    prompt_tokens = characters * ratio if ratio else None
    each = rates.reply_tokens or _mean([one.reply_tokens for one in given])
    replies = len(wanted) * each if each else None
    pace = rates.seconds_per_answer or _mean([one.seconds for one in given if one.seconds])
    most = sum(one.sampling.max_new_tokens for one in wanted)
    return Estimate(
        tasks=len(tasks),
        settled=sum(isinstance(settle(one, model, answers), Settled) for one in tasks),
        requests=len(wanted),
        characters=characters,
        prompt_tokens=prompt_tokens,
        reply_tokens=replies,
        most_reply_tokens=most,
        cost=rates.cost(prompt_tokens, replies),
        most_cost=rates.cost(prompt_tokens, most),
        seconds=len(wanted) * pace / rates.at_once if pace else None,
        measured_on=len(given),
    )


def _given(
    tasks: Iterable[Task], model: Model, answers: Answers
) -> tuple[list[Answer], list[Request]]:
    """The first answers to these tasks that are stored, and what was asked."""
    given, asked = [], []
    for task in tasks:
        request = Request(model, task.messages, task.sampling)
        if answer := answers.get(request.key):
            given.append(answer)
            asked.append(request)
    return given, asked


def _ratio(given: Sequence[Answer], asked: Sequence[Request]) -> float | None:
    """Tokens a character of the prompts whose tokens the server told."""
    told = [(a.prompt_tokens, r.characters) for a, r in zip(given, asked, strict=True)]
    tokens = sum(tokens for tokens, _ in told if tokens)
    characters = sum(characters for tokens, characters in told if tokens)
    return tokens / characters if characters else None


def _counted(requests: Sequence[Request], count: Callable[[str], int] | None) -> float | None:
    sample = requests[:: max(1, len(requests) // COUNTED)][:COUNTED]
    characters = sum(one.characters for one in sample)
    if count is None or not characters:
        return None
    return sum(count(m.content) for one in sample for m in one.messages) / characters


def _mean(numbers: Sequence[float]) -> float | None:
    return sum(numbers) / len(numbers) if numbers else None


def _number(tokens: float | None) -> str:
    return "unknown" if tokens is None else f"about {tokens:,.0f}"


def _wanted(found: Estimate, rates: Rates) -> str:
    lacking = []
    if rates.price_in is None or rates.price_out is None:
        lacking.append("state --price-in and --price-out (per million tokens)")
    if found.prompt_tokens is None or found.reply_tokens is None:
        lacking.append("measure tokens by --pilot 20, or state --tokens-per-character and "
                       "--reply-tokens")  # fmt: skip
    return "; ".join(lacking)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"
