"""A rater with the rate page in front of them, for the tests: real desk, no browser."""

import json
import random
import re
import uuid
from dataclasses import dataclass, field, replace
from html import unescape
from typing import Any

from rolecraft.ratings import bank, making
from rolecraft.ratings.desk import Visit
from rolecraft.ratings.study import Plan
from rolecraft.services import Services
from rolecraft.ui.rating import RateShown, Rating
from rolecraft.ui.seat import Caller, Seats
from rolecraft.ui.texts import Language
from rolecraft.ui.visitor import new_place

QUESTIONS = 4
SAID = {"alpha": "说", "beta": "又说"}  # a reply never names its arm
ARMS = tuple(SAID)


def study(services: Services, name: str = "spring", form: Any = "pairs", **plan: Any) -> None:
    """A study over a bank that it fills first."""
    lines = [
        json.dumps(
            {"arm": arm, "character": one.id, "question": f"第{n}问：今天好吗？",
             "reply": f"（快乐）{SAID[arm]}第{n}句，<b>风很大</b>。今天很好！"}, ensure_ascii=False,
        )
        for arm in ARMS for one in services.shelf.characters for n in range(QUESTIONS)
    ]  # fmt: skip
    for talk in bank.read_replies(lines, services.shelf):
        bank.keep(services.desk, services.shelf, talk)
    chosen = Plan(**({"quota": 4, "training": 1, "degraded": 0, "repeats": 0} | plan))
    making.make_study(services.desk, name, ARMS, chosen, form, random.Random(0))


@dataclass
class Rater:
    """Takes the steps of the page and keeps what it shows."""

    services: Services
    language: Language = "zh"
    study: str = ""
    rating: Rating = field(init=False)

    def __post_init__(self) -> None:
        self.rating = Rating(self.services, Seats(self.services.desk), random.Random(0))
        self.place = new_place()
        self.caller = Caller("tab-1", "10.1.2.3", "desktop", self.language, self.study)
        self.view = self.mine = ""
        self.note: dict[str, Any] = {}

    def tab(self, name: str) -> "Rater":
        """The same visitor in another tab, or after a restart of the server."""
        other = replace(self)
        other.place, other.caller = self.place, replace(self.caller, tab=name)
        return other.come()

    def take(self, shown: RateShown) -> "Rater":
        self.place = shown.place or self.place
        self.view = shown.view if shown.view is not None else self.view
        self.mine = shown.mine if shown.mine is not None else self.mine
        if shown.note is not None:
            self.note = json.loads(shown.note)
        return self

    def come(self) -> "Rater":
        return self.take(self.rating.arrive(self.place.to_browser(), self.caller))

    def act(self, do: Any, **sent: Any) -> "Rater":
        self.note = {}
        given = {"do": do, **sent}
        return self.take(self.rating.act(self.place.to_browser(), given, self.caller))

    def agree(self, **scopes: bool) -> "Rater":
        return self.come().act("agree", **scopes)

    def lessons(self) -> "Rater":
        """Through the training round."""
        while "how-far" in self.view and "rate-practice" in self.kind:
            self.rate(4).act("next")
        return self

    @property
    def kind(self) -> str:
        tag = {"zh": "练习", "en": "Practice"}[self.language]
        return "rate-practice" if f'<b class="tag">{tag}' in self.view else ""

    @property
    def form(self) -> dict[str, Any]:
        """What the page's script reads from the form that is shown."""
        found = re.search(r'<form class="rating" data-form="(\w+)" data-token="(\w+)"', self.view)
        assert found, self.view[:400]
        groups = re.findall(r'data-side="(\w+)" data-criterion="(\w+)"', self.view)
        return {"form": found[1], "token": found[2], "groups": groups}

    def filled(self, value: Any = 4, **changes: Any) -> dict[str, Any]:
        """The form as the script sends it, every value the same."""
        shown = self.form
        scores = [{"side": s, "criterion": c, "value": value} for s, c in shown["groups"]]
        pair = any(side == "right" for side, _ in shown["groups"])
        return {
            "id": str(uuid.uuid4()), "form": shown["form"], "token": shown["token"],
            "scores": scores, "preference": "left" if pair else None, "comment": "",
            "active_ms": 900, "wall_ms": 1000, "n_changes": 0, "input_mode": "key", **changes,
        }  # fmt: skip

    def rate(self, value: Any = 4, **changes: Any) -> "Rater":
        return self.act("submit", **self.filled(value, **changes))

    @property
    def said(self) -> str:
        """The page as text."""
        return unescape(re.sub(r"<[^>]+>", " ", self.view))

    @property
    def visit(self) -> Visit:
        """The visitor as the desk knows them."""
        return Seats(self.services.desk).visit(self.place, self.caller)

    @property
    def stored(self) -> list[Any]:
        """The ratings of this visitor, newest first."""
        return list(self.services.desk.ratings.mine(self.visit.rater))
