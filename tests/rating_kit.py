"""A rater with consent, two finished replies and the stores around them, for the tests."""

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from rolecraft.conversation import Reply
from rolecraft.store.database import Database
from rolecraft.store.forms import CRITERIA, Form, Score, Submission
from rolecraft.store.generations import Arm, Generations
from rolecraft.store.quality import Limits
from rolecraft.store.raters import Raters
from rolecraft.store.ratings import Offer, Ratings
from rolecraft.store.shown import Shown

DOC = "d" * 64
ORDER = ("preference", *CRITERIA)
CARD = ("zhou-xiaobei", '{"id": "zhou-xiaobei"}')


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: int = 1_000_000_000_000

    def __call__(self) -> int:
        return self.now


@dataclass
class Kit:
    """Everything that a test of ratings needs; `pair` and `form` make what it asks for."""

    database: Database
    make_reply: Callable[..., Reply]
    clock: Clock = field(default_factory=Clock)
    key: bytes = b"k" * 32

    def __post_init__(self) -> None:
        self.raters = Raters(self.database, self.key, "test", self.clock)
        self.generations = Generations(self.database, "test", self.clock)
        self.shown = Shown(self.database)
        self.ratings = Ratings(
            self.database, self.raters, "test", self.clock, limits=Limits(0, 0.0, 0, 10**6)
        )
        self.rubric = self.ratings.rubric("zh", '{"criteria": []}')
        self.rng = random.Random(1)
        self.turns = 0

    def rater(self, cookie: str = "ann", *, agrees: bool = True) -> str:
        rater = self.raters.enter(cookie).id
        if agrees:
            self.raters.agree(rater, DOC, ("rate", "publish", "train"))
        return rater

    def turn(self, text: str = "在吗", **options: object) -> str:
        self.turns += 1
        return self.generations.turn(f"talk-{self.turns}", 1, CARD, text, **options)  # type: ignore[arg-type]

    def pair(self, turn: str, *texts: str) -> tuple[str, ...]:
        texts = texts or ("我在呢。", "不在。")
        return tuple(
            self.generations.record(turn, Arm(f"arm-{number}"), self.make_reply(text))
            for number, text in enumerate(texts)
        )

    def form(self, rater: str, **changes: object) -> Form:
        turn = self.turn()
        offer = {
            "turn": turn, "replies": self.pair(turn), "mode": "blind", "scope": "reply",
            "order": ORDER, "rubric": self.rubric, "probability": 0.5,
        } | changes  # fmt: skip
        tab = self.raters.session(rater, "tab")
        return self.ratings.open(rater, tab, Offer(**offer), self.rng)  # type: ignore[arg-type]


def sent(shown: Form, /, value: int | None = 4, **changes: object) -> Submission:
    """A complete submission for a form."""
    sides = ("left", "right") if shown.right else ("left",)
    scores = tuple(
        Score(side, name, value)  # type: ignore[arg-type]
        for side in sides
        for name in shown.order
        if name != "preference"
    )
    fields: dict[str, object] = {
        "id": str(uuid.uuid4()), "form": shown.id, "token": shown.token,
        "preference": "left" if shown.right else None, "scores": scores, "active_ms": 900,
        "wall_ms": 1000,
    } | changes  # fmt: skip
    return Submission(**fields)  # type: ignore[arg-type]
