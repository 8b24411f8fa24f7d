"""Tasks are carried out with the engine that ships for tests: repaired once, retried, bounded."""

import random
import threading
from pathlib import Path

import pytest
from pydantic import BaseModel

from rolecraft.conversation import Message, Sampling
from rolecraft.engines.base import EngineCard
from rolecraft.engines.scripted import ScriptedEngine, ScriptedGeneration
from rolecraft.errors import EngineFailed, EngineRefused, EngineUnavailable, RequestRefused
from train.asking.answers import Answers
from train.asking.asker import GIVE_UP_AFTER, Asker
from train.asking.estimate import Rates, estimate
from train.asking.forms import read_form
from train.asking.tasks import Model, Settled, Task

MODEL = Model("scripted", "scripted")
CARD = EngineCard("scripted", "scripted", {})
GOOD, BAD = '{"count": 1}', "一个"


class Count(BaseModel):
    count: int


class Failing(ScriptedEngine):
    """Raises each error in turn, then speaks."""

    def __init__(self, errors: list[Exception], replies: list[str]) -> None:
        super().__init__(CARD, replies)
        self.errors = errors
        self.tried = 0

    def stream(self, *args: object, **told: object) -> ScriptedGeneration:
        self.tried += 1
        if self.errors:
            raise self.errors.pop(0)
        return super().stream(*args, **told)  # type: ignore[arg-type]


def task(text: str = "几个？") -> Task:
    messages = (Message("user", text),)
    return Task(text, messages, Sampling(seed=1), lambda said: read_form(said, Count).count)


def ask(
    folder: Path, engine: ScriptedEngine, tasks: list[Task], **options: object
) -> tuple[list[Settled], Asker]:
    told = {"at_once": 1, "retries": 2, "pause_s": 0.001, "rng": random.Random(0), **options}
    asker = Asker(engine, MODEL, Answers(folder), **told)  # type: ignore[arg-type]
    return asker.ask(tasks), asker


@pytest.mark.parametrize(
    ("replies", "outcome", "asked"),
    [([GOOD], "valid", 1), ([BAD, GOOD], "repaired", 2), ([BAD, BAD, GOOD], "unscored", 2)],
)
def test_a_broken_answer_is_sent_back_once(
    tmp_path: Path, replies: list[str], outcome: str, asked: int
) -> None:
    engine = ScriptedEngine(CARD, replies)
    (found,), asker = ask(tmp_path, engine, [task()])
    assert (found.outcome, asker.spent.requests) == (outcome, asked)
    assert found.value == (None if outcome == "unscored" else 1)
    if asked == 2:
        last = engine.prompts[-1]
        assert [m.role for m in last] == ["user", "assistant", "user"]
        assert last[1].content == BAD and "没有找到完整的 JSON" in last[2].content
    again = ScriptedEngine(CARD, ["never asked"])
    assert ask(tmp_path, again, [task()])[0][0].outcome == outcome
    assert not again.prompts  # broken answers were paid for, too


def test_failures_are_tried_again(tmp_path: Path) -> None:
    engine = Failing([EngineFailed("busy"), EngineFailed("busy")], [GOOD])
    (found,), asker = ask(tmp_path, engine, [task()])
    assert (found.outcome, asker.spent.retries, engine.tried) == ("valid", 2, 3)


def test_tries_are_bounded_and_the_next_run_asks_again(tmp_path: Path) -> None:
    engine = Failing([EngineFailed("busy")] * 3, [GOOD])
    (found,), _ = ask(tmp_path, engine, [task()])
    assert (found.outcome, found.reason, engine.tried) == ("failed", "busy", 3)
    (found,), _ = ask(tmp_path, engine, [task()])
    assert found.outcome == "valid"


def test_a_server_that_is_gone_is_given_up(tmp_path: Path) -> None:
    engine = Failing([EngineFailed("gone")] * 1000, [])
    tasks = [task(f"第{n}个") for n in range(40)]
    found, _ = ask(tmp_path, engine, tasks, retries=0)
    assert engine.tried == GIVE_UP_AFTER
    assert [one.outcome for one in found].count("left") == 40 - GIVE_UP_AFTER


@pytest.mark.parametrize("error", [EngineRefused("no key"), EngineUnavailable("no weights")])
def test_a_refusal_of_everything_stops_at_once(tmp_path: Path, error: Exception) -> None:
    engine = Failing([error], [GOOD])
    with pytest.raises(type(error), match=str(error)):
        ask(tmp_path, engine, [task(), task("又几个？")])
    assert engine.tried == 1


def test_a_refusal_of_one_request_leaves_it_unscored(tmp_path: Path) -> None:
    engine = Failing([RequestRefused("filtered")], [GOOD])
    found, _ = ask(tmp_path, engine, [task(), task("又几个？")])
    assert [one.outcome for one in found] == ["unscored", "valid"]
    assert found[0].reason == "refused: filtered"


def test_no_more_at_once_than_allowed_and_equal_questions_are_asked_once(tmp_path: Path) -> None:
    class Counting(ScriptedEngine):
        now = most = 0
        lock = threading.Lock()

        def stream(self, *args: object, **told: object) -> ScriptedGeneration:
            with self.lock:
                self.now += 1
                self.most = max(self.most, self.now)
            generation = super().stream(*args, **told)  # type: ignore[arg-type]
            pieces = list(generation)
            with self.lock:
                self.now -= 1
            generation._text = "".join(pieces)
            return generation

    engine = Counting(CARD, [GOOD], pause_s=0.003)
    tasks = [task(f"第{n // 2}个") for n in range(8)] + [task(f"另{n}个") for n in range(12)]
    found, asker = ask(tmp_path, engine, tasks, at_once=3)
    assert {one.outcome for one in found} == {"valid"} and [one.task for one in found] == tasks
    assert engine.most == 3 and asker.spent.requests == 4 + 12


def test_asking_stops_before_too_much_is_spent(tmp_path: Path) -> None:
    tasks = [task(f"第{n}个") for n in range(6)]
    found, asker = ask(
        tmp_path, ScriptedEngine(CARD, [GOOD]), tasks, stop=lambda spent: spent.requests >= 2
    )
    assert [one.outcome for one in found] == ["valid"] * 2 + ["left"] * 4
    assert asker.spent.reply_tokens == 2 * len(GOOD)


def test_an_estimate_invents_nothing(tmp_path: Path) -> None:
    tasks, answers = [task(f"第{n}个") for n in range(10)], Answers(tmp_path)
    blind = estimate(tasks, MODEL, answers, Rates())
    assert (blind.tasks, blind.requests, blind.characters) == (10, 10, 30)
    assert (blind.prompt_tokens, blind.cost, blind.seconds) == (None, None, None)
    assert "unknown" in " ".join(blind.lines(Rates()))
    rates = Rates(2.0, 10.0, tokens_per_character=2, reply_tokens=50, seconds_per_answer=3)
    told = estimate(tasks, MODEL, answers, rates)
    assert told.cost == pytest.approx((60 * 2 + 500 * 10) / 1e6)
    assert told.most_cost == pytest.approx((60 * 2 + 1280 * 10) / 1e6)
    assert told.seconds == 10 * 3 / 4
    ask(tmp_path, ScriptedEngine(CARD, [GOOD]), tasks[:4])
    measured = estimate(tasks, MODEL, Answers(tmp_path), Rates(2.0, 10.0))
    assert (measured.settled, measured.requests, measured.measured_on) == (4, 6, 4)
    assert measured.prompt_tokens == pytest.approx(18)  # this engine's tokens are characters
    assert measured.reply_tokens == 6 * len(GOOD)
    assert measured.cost == pytest.approx((18 * 2 + 6 * len(GOOD) * 10) / 1e6)
    counted = estimate(tasks, MODEL, Answers(tmp_path / "none"), Rates(), count=lambda _: 7)
    assert counted.prompt_tokens == pytest.approx(70)
