"""Simulated raters: a desk, forms, what they send, and a process full of them to be killed.

    python -m benchmarks.raters FOLDER

Rates in that data folder without end and says the id of every rating that was acknowledged.
"""

import os
import random
import sys
import threading
import uuid
from pathlib import Path

from rolecraft.conversation import Identity, Message, Reply, Sampling
from rolecraft.ratings.desk import Desk, Visit
from rolecraft.store.database import Database
from rolecraft.store.folder import DataFolder
from rolecraft.store.forms import CRITERIA, Form, Score, Submission
from rolecraft.store.generations import Arm
from rolecraft.store.quality import Limits
from rolecraft.store.ratings import Offer

KEY = b"b" * 32
ARMS = ("one", "two", "three", "four")
ORDER = ("preference", *CRITERIA)
WRITERS = 16


def open_desk(folder: Path) -> tuple[Database, Desk]:
    database = Database.open(DataFolder.claim(folder), patience_ms=60_000)
    return database, Desk(database, KEY, "bench", limits=Limits(0, 0.0, 0, 10**9))


def reply(text: str, name: str) -> Reply:
    return Reply(
        text=text, emotion="快乐", passages=(), identity=Identity(name, name),
        sampling=Sampling(), seed=1, prompt=(Message("user", "在吗"),), prompt_tokens=9,
        reply_tokens=9, first_token_ms=1, total_ms=2, finish="stop",
    )  # fmt: skip


def open_form(desk: Desk, visit: Visit, turn: str, pair: tuple[str, ...], rubric: str) -> Form:
    offer = Offer(turn, pair, "blind", "reply", ORDER, rubric, "uniform", 1 / 6)
    return desk.ratings.open(visit.rater, visit.session, offer, random.Random(turn), 10**9)


def filled(form: Form, rng: random.Random) -> Submission:
    scores = tuple(
        Score(side, name, rng.randint(1, 5)) for side in ("left", "right") for name in CRITERIA
    )
    vote = rng.choice(["left", "right", "tie", "both_bad"])
    return Submission(
        str(uuid.uuid4()), form.id, form.token, vote, scores, active_ms=900, wall_ms=1000
    )


def visitor(desk: Desk, name: str) -> Visit:
    return desk.agree(desk.enter(name, "tab"))


def write_for_ever(folder: Path) -> None:
    """Rate without end in many threads, and say each rating's id once it is acknowledged."""
    _, desk = open_desk(folder)
    rubric = desk.ratings.rubric("zh", "{}")

    def rate() -> None:
        visit, rng = visitor(desk, uuid.uuid4().hex), random.Random()
        while True:
            mark = uuid.uuid4().hex
            turn = desk.generations.turn(mark, 1, ("c", "{}"), "在吗")
            pair = tuple(desk.generations.record(turn, Arm(n), reply(n, n)) for n in ARMS[:2])
            sent = filled(open_form(desk, visit, turn, pair, rubric), rng)
            desk.submit(visit, sent)
            os.write(1, f"{sent.id}\n".encode())  # one write, or threads would mix their lines

    threads = [threading.Thread(target=rate) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    write_for_ever(Path(sys.argv[1]))
