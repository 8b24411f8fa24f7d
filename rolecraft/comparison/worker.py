"""Asks two arms the same words and writes what they answer into the database, on its own threads.

Knows no page: whoever looks at the database sees how far it is, so that a reload, a second tab and
another process all find the same. A side that breaks is stored as broken, and its pair is void.
"""

import contextvars
import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rolecraft.admission import without_care
from rolecraft.characters.model import Character
from rolecraft.chat import Answering, Request, start
from rolecraft.comparison.arms import Drawn, Side
from rolecraft.conversation import Conversation, Identity, Passage, Reply
from rolecraft.errors import InputRefused, RoleCraftError, StoreUnavailable
from rolecraft.ratings.bank import card_json
from rolecraft.ratings.desk import Visit
from rolecraft.services import Services, without_sources
from rolecraft.store.generations import Arm

log = logging.getLogger(__name__)

LONGEST_S = 180.0  # what takes longer counts as broken
_GROW_S = 1.0  # between two looks that are stored of a reply in the making
_PATIENCE = (0.5, 1, 2, 4, 8, 8, 8, 8, 8, 8)  # seconds between tries to store a reply's end


@dataclass(frozen=True)
class Task:
    """One message to be answered by two arms, before one rater."""

    visit: Visit
    visitor: str
    conversation: str
    message: str
    drawn: Drawn
    mode: Literal["blind", "open"]

    @property
    def key(self) -> str:
        """What the turn goes by among the rated ones."""
        return turn_key(self.conversation, self.message)


def turn_key(conversation: str, message: str) -> str:
    return f"{conversation}/{message}"


@dataclass(frozen=True)
class _Asked:
    """What both sides are given alike."""

    character: Character
    conversation: Conversation
    passages: tuple[Passage, ...]
    seed: int
    begun: float  # when the wait of both began


class _Both:
    """Two answers that are stopped together."""

    def __init__(self, answers: Sequence[Answering]) -> None:
        self._answers = answers

    def cancel(self) -> None:
        for answering in self._answers:
            answering.cancel()


class Worker:
    """Safe to use from several threads. `rng` decides seeds, sides and who is asked first."""

    def __init__(self, services: Services, rng: random.Random) -> None:
        self._services = services
        self._running = services.running
        self._generations = services.desk.generations
        self._rng = rng

    def begin(self, task: Task) -> None:
        """Answer on a thread. The conversation is claimed, and given back when all is stored."""
        _beside(self._run, task).start()

    def _run(self, task: Task) -> None:
        try:
            self._answer(task)
        except RoleCraftError as error:
            log.warning("A comparison could not be asked: %s", error)
        except Exception:
            log.exception("A comparison failed")
        finally:
            self._running.end(task.conversation)

    def _answer(self, task: Task) -> None:
        asked = self._asked(task)
        told = asked.conversation
        started: dict[Side, Answering | Reply] = {}
        try:
            for side in self._rng.sample(task.drawn.sides, 2):  # nobody is always asked first
                started[side] = self._start(side, asked)
            answers = [started[side] for side in task.drawn.sides]
            card = asked.character.id, card_json(asked.character)
            turn = self._generations.turn(
                task.key, len(told.turns), card, told.turns[-1].user, rater=task.visit.rater
            )
            names = [
                self._generations.begin(turn, Arm(side.engine, side.conditions), _so_far(answer))
                for side, answer in zip(task.drawn.sides, answers, strict=True)
            ]
            self._services.desk.compare(
                task.visit, turn, names, self._rng, mode=task.mode, policy=task.drawn.policy,
                probability=task.drawn.probability,
            )  # fmt: skip
        except BaseException:
            _Both([one for one in started.values() if isinstance(one, Answering)]).cancel()
            raise
        self._write(task.conversation, dict(zip(names, answers, strict=True)))

    def _asked(self, task: Task) -> _Asked:
        begun = time.monotonic()
        services = self._services
        stored = services.conversations.get(task.visitor, task.conversation)
        person = services.shelf.get(stored.character)
        told = without_care(
            services.conversations.as_conversation(task.visitor, task.conversation, task.message)
        )
        history = tuple(turn.user for turn in told.turns[:-1])
        passages = services.index.retrieve(person, told.turns[-1].user, history)
        return _Asked(person, told, passages, self._rng.getrandbits(31), begun)

    def _start(self, side: Side, asked: _Asked) -> Answering | Reply:
        """The answer of one side, begun; or the broken reply of one that cannot even begin."""
        catalog = self._services.catalog
        try:
            engine, budget = catalog.open(side.engine), catalog.budget(side.engine)
            if not side.emotions:
                budget = replace(budget, emotions=False, emotion_rule=False)
            request = Request(
                character=asked.character,
                conversation=asked.conversation,
                engine=engine,
                budget=budget,
                sampling=replace(side.sampling, seed=asked.seed),
                passages=asked.passages if side.passages else without_sources(asked.passages),
                conditions=side.conditions,
                begun=asked.begun,
            )
            return start(request, self._services.index)
        except InputRefused:
            raise  # too long a prompt or too long a queue is nobody's failure
        except Exception as error:
            log.warning("%s could not begin to answer: %s", side.engine, error)
            entry = catalog.entry(side.engine)
            return Reply(
                text="", emotion=None, passages=asked.passages,
                identity=Identity(side.engine, entry.base or entry.model, adapter=entry.adapter),
                sampling=replace(side.sampling, seed=asked.seed), seed=asked.seed, prompt=(),
                prompt_tokens=0, reply_tokens=0, first_token_ms=0.0, total_ms=0.0, finish="error",
                conditions=side.conditions,
            )  # fmt: skip

    def _write(self, conversation: str, answers: dict[str, Answering | Reply]) -> None:
        """Write both to their end; they can be stopped one by one, or both by the conversation."""
        begun = {name: one for name, one in answers.items() if isinstance(one, Answering)}
        both = _Both(list(begun.values()))
        for name, answering in begun.items():
            self._running.claim(name)
            self._running.begin(name, answering)
        self._running.begin(conversation, both)
        for name, answer in answers.items():
            if isinstance(answer, Reply):
                both.cancel()  # the pair is void: what the other says is seen by nobody
                self._finish(name, answer)
        threads = [_beside(self._one, name, answering, both) for name, answering in begun.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _one(self, name: str, answering: Answering, both: _Both) -> None:
        late = threading.Event()

        def give_up() -> None:
            late.set()
            answering.cancel()

        alarm = threading.Timer(LONGEST_S, give_up)
        alarm.daemon = True
        alarm.start()
        try:
            self._follow(name, answering)
        except Exception as error:
            log.warning("One side of a comparison broke: %s", error)
            both.cancel()
        finally:
            alarm.cancel()
            reply = answering.reply
            if late.is_set():
                reply = replace(reply, finish="error")
            elif self._running.closing and reply.finish == "user_stop":
                reply = replace(reply, finish="disconnect")  # a half reply is not to be rated
            self._finish(name, reply)
            self._running.end(name)

    def _follow(self, name: str, answering: Answering) -> None:
        due = time.monotonic() + _GROW_S
        for partial in answering.partials():
            if time.monotonic() < due:
                continue
            due = time.monotonic() + _GROW_S
            try:
                self._generations.grow(name, partial.text)
            except StoreUnavailable as error:
                log.warning("A reply in the making could not be stored: %s", error)

    def _finish(self, name: str, reply: Reply) -> None:
        """Store the end of a reply, also when the database is away for a while."""
        for pause in (*_PATIENCE, None):
            try:
                self._generations.finish(name, reply)
                return
            except StoreUnavailable as error:
                log.warning("The end of a reply waits to be stored: %s", error)
                if pause is not None:
                    time.sleep(pause)
        log.error("The reply %s could not be stored; the next start marks it as broken off.", name)


def _beside(work: Callable[..., None], *given: object) -> threading.Thread:
    """A thread that knows whose request it serves: ZeroGPU lends its GPU to a visitor."""
    context = contextvars.copy_context()
    return threading.Thread(target=context.run, args=(work, *given), name="comparison", daemon=True)


def _so_far(answer: Answering | Reply) -> Reply:
    return answer if isinstance(answer, Reply) else answer.reply
