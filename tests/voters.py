"""Visitors who compare replies of one character on a real desk: what training data is made of."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rolecraft.characters import Shelf
from rolecraft.conversation import Budget, Conversation, Identity, Reply, Sampling
from rolecraft.prompts import render
from rolecraft.ratings import training
from rolecraft.ratings.bank import card_json
from rolecraft.ratings.desk import Desk, Visit
from rolecraft.ratings.material import Learner
from rolecraft.ratings.training import Harvest, Rules
from rolecraft.store import rating_rows
from rolecraft.store.forms import Score
from rolecraft.store.generations import Arm
from rolecraft.store.rating_counts import erased_records
from tests.rating_kit import sent

SMALL = Budget(tokens=900, passage_chars=80, full_persona=False)
LARGE = Budget(tokens=6000, passage_chars=400, full_persona=True, emotion_rule=True)


@dataclass
class House:
    """A desk whose visitors compare replies of one character."""

    desk: Desk
    shelf: Shelf
    character: str = "lu-yuan"
    talks: int = 0

    def visitor(self, name: str = "ann") -> Visit:
        return self.desk.agree(self.desk.enter(name, "tab"))

    def reply(self, text: str, question: str, **changes: Any) -> Reply:
        person = self.shelf.get(self.character)
        talk = Conversation(person.id, person.greeting["zh"]).ask(question)
        emotion, identity = "快乐", Identity("x", "y")
        return replace(
            Reply(text, emotion, (), identity, Sampling(), 1, render(person, (), talk, LARGE),
                  9, 9, 1.0, 1.0, "stop"),
            **changes,
        )  # fmt: skip

    def vote(
        self,
        visit: Visit,
        better: str | Reply,
        worse: str | Reply,
        question: str = "今天忙吗？",
        preference: str = "better",
        values: Sequence[int] = (),
        mode: Any = "blind",
    ) -> str:
        """One comparison, told by which of two replies was preferred; the form."""
        self.talks += 1
        card = self.character, card_json(self.shelf.get(self.character))
        turn = self.desk.generations.turn(
            f"talk-{self.talks}", 1, card, question, rater=visit.rater
        )
        made = [
            self.reply(one, question) if isinstance(one, str) else one for one in (better, worse)
        ]
        pair = [
            self.desk.generations.record(turn, Arm(f"arm-{n}"), one) for n, one in enumerate(made)
        ]
        sheet = self.desk.compare(visit, turn, pair, random.Random(self.talks), mode=mode)
        sides = ("left", "right") if sheet.form.left == pair[0] else ("right", "left")
        scores = [
            Score(side, name, value)  # type: ignore[arg-type]
            for side, value in zip(sides, values, strict=False)
            for name in sheet.form.order
            if name != "preference"
        ]
        chosen = {"better": sides[0], "worse": sides[1]}.get(preference, preference)
        self.desk.submit(visit, sent(sheet.form, preference=chosen or None, scores=tuple(scores)))
        return sheet.form.id

    def rate(self, visit: Visit, text: str, better: str = "", value: int = 4) -> None:
        """A talk of one turn whose reply is valued, and perhaps put into better words."""
        self.talks += 1
        person = self.shelf.get(self.character)
        talk = Conversation(person.id, person.greeting["zh"]).ask("今天忙吗？")
        talk = talk.answer(self.reply(text, "今天忙吗？"))
        sheet = self.desk.rate_talk(
            visit, f"talk-{self.talks}", talk, card_json(person), scope="reply"
        )
        self.desk.submit(visit, sent(sheet.form, value=value, better=better))

    def harvest(self, budget: Budget = SMALL, tests: bool = False, **rules: Any) -> Harvest:
        database = self.desk.ratings._database
        table = rating_rows.read(database)
        return training.harvest(
            table, self.desk.shown.prompts(sorted(set(table["generation"]))),
            Learner(self.shelf, budget, "mini", tests), Rules(**rules),
            withheld=self.desk.shown.unagreed("train"), better=rating_rows.better_words(database),
            erased=erased_records(database),
        )  # fmt: skip
