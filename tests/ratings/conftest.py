"""A small study on each database, rated by simulated raters."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from rolecraft.characters import Shelf, read_shelf
from rolecraft.ratings import bank, making
from rolecraft.ratings.desk import Desk, Visit
from rolecraft.ratings.study import Done, Plan
from rolecraft.store.database import Database
from rolecraft.store.folder import DataFolder
from rolecraft.store.forms import Score
from rolecraft.store.quality import Limits
from tests.rating_kit import Clock, sent

SHELF = Path(__file__).parents[1] / "data" / "shelf"
KEY = b"k" * 32


@pytest.fixture
def database(tmp_path: Path, database_url: str | None) -> Iterator[Database]:
    with DataFolder.claim(tmp_path / "data") as folder:
        opened = Database.open(folder, database_url)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def shelf() -> Shelf:
    return read_shelf(SHELF)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(database: Database, clock: Clock) -> Desk:
    return Desk(database, KEY, "test", clock, limits=Limits(0, 0.0, 0, 10**6))


def fill(desk: Desk, shelf: Shelf, questions: int = 6, arms: tuple[str, ...] = ("a", "b")) -> None:
    """Recorded replies of the arms to the same questions of every character."""
    lines = [
        f'{{"arm": "{arm}", "character": "{character.id}", "question": "第{n}个问题？",'
        f' "reply": "（快乐）{arm}说：这是第{n}句。今天很好！"}}'
        for arm in arms
        for character in shelf.characters
        for n in range(questions)
    ]
    for talk in bank.read_replies(lines, shelf):
        bank.keep(desk, shelf, talk)


def rate_all(desk: Desk, visit: Visit, study: str, rng: random.Random, clock: Clock) -> int:
    """Rate until the study is done: arm a is a little better, degraded copies are plainly worse."""
    count = 0
    while not isinstance(sheet := desk.next(visit, study, rng), Done):
        form = sheet.form
        said = {"left": sheet.left[-1].text, "right": sheet.right[-1].text if sheet.right else ""}
        scores = tuple(
            Score(side, name, _value(said[side], rng))  # type: ignore[arg-type]
            for side in ("left", "right")
            if said[side]
            for name in form.order
            if name != "preference"
        )
        better = "left" if said["left"].startswith("a说") else "right"
        preference = rng.choice([better, better, "tie"]) if sheet.right else None
        if sheet.right and rng.random() < 0.1:
            preference = "both_bad"
        clock.now += 20_000
        desk.submit(visit, sent(form, scores=scores, preference=preference))
        count += 1
    return count


def _value(text: str, rng: random.Random) -> int:
    if "说：这是第" not in text or not text.endswith("今天很好！"):
        return rng.choice([1, 2])
    return rng.choice([3, 4, 5] if text.startswith("a") else [2, 3, 4])


@pytest.fixture
def rated(desk: Desk, shelf: Shelf, clock: Clock) -> Desk:
    """A desk with a finished study of three raters."""
    fill(desk, shelf)
    plan = Plan(quota=12, training=2, cap=0, repeats=0, overlap=0.2, degraded=0.1)
    making.make_study(desk, "first", ("a", "b"), plan, "pairs", random.Random(0))
    for number, locale in enumerate(("zh", "en", "zh")):
        visit = desk.agree(desk.enter(f"rater-{number}", "tab", locale=locale))
        rate_all(desk, visit, "first", random.Random(number), clock)
    return desk
