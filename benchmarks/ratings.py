"""Figures of the ratings: what survives a kill, how fast they are stored, what intervals cover.

    python -m benchmarks.ratings --kills 50 --raters 64 --ratings 20000 --studies 400

Everything is measured here and now on a temporary SQLite database. Smaller numbers on the command
line give a quick look; the table says which were used.
"""

import argparse
import json
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import text

from rolecraft.conversation import Identity, Message, Reply, Sampling
from rolecraft.ratings import board, means, preference
from rolecraft.ratings.desk import Desk, Visit
from rolecraft.ratings.means import Scores
from rolecraft.ratings.preference import ELO, LEFT, RIGHT, Votes
from rolecraft.ratings.selection import COLUMNS, Spec
from rolecraft.store import rating_rows
from rolecraft.store.database import Database
from rolecraft.store.folder import DataFolder
from rolecraft.store.forms import CRITERIA, Form, Score, Submission
from rolecraft.store.generations import Arm
from rolecraft.store.quality import Limits
from rolecraft.store.rating_check import verify
from rolecraft.store.ratings import Offer

KEY = b"b" * 32
ORDER = ("preference", *CRITERIA)
ARMS = ("one", "two", "three", "four")
# What the simulated ratings vary by: the figures that the sample sizes of the design assume.
RATER, RATER_ARM, PROMPT, PROMPT_ARM, REST = 0.5, 0.45, 0.5, 0.35, 0.7


def main() -> None:
    """Run what was asked for and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--raters", type=int, default=64)
    parser.add_argument("--ratings", type=int, default=20_000)
    parser.add_argument("--studies", type=int, default=400)
    parser.add_argument("--board", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--writer", metavar="FOLDER", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help="write the figures there as JSON too")
    args = parser.parse_args()
    if args.writer:
        write_for_ever(Path(args.writer))
    figures: dict[str, Any] = {}
    if args.kills:
        figures["kills"] = kills(args.kills)
    if args.ratings:
        figures["load"] = load(args.raters, args.ratings, with_board=args.board)
    figures["same form 50 times"] = same_form(50)
    if args.studies:
        figures["coverage"] = coverage(args.studies)
        figures["bradley_terry"] = planted(args.studies // 40 or 1)
    for name, found in figures.items():
        print(f"{name:20} {found}")
    if args.out:
        args.out.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")


# --- storing


def open_desk(folder: Path) -> tuple[Database, Desk]:
    database = Database.open(DataFolder.claim(folder), patience_ms=60_000)
    return database, Desk(database, KEY, "bench", limits=Limits(0, 0.0, 0, 10**9))


def reply(text: str, name: str) -> Reply:
    return Reply(
        text=text, emotion="快乐", passages=(), identity=Identity(name, name),
        sampling=Sampling(), seed=1, prompt=(Message("user", "在吗"),), prompt_tokens=9,
        reply_tokens=9, first_token_ms=1, total_ms=2, finish="stop",
    )  # fmt: skip


def bank(desk: Desk, turns: int) -> list[tuple[str, tuple[str, ...]]]:
    """Turns with a reply of every arm."""
    found = []
    for number in range(turns):
        turn = desk.generations.turn(f"b{number}", 1, ("c", "{}"), f"问{number}", source="bank")
        replies = [
            desk.generations.record(turn, Arm(name), reply(f"答{number}{name}", name))
            for name in ARMS
        ]
        found.append((turn, tuple(replies)))
    return found


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
    """Rate without end and say each rating's id once it is acknowledged; to be killed."""
    _, desk = open_desk(folder)
    visit = visitor(desk, uuid.uuid4().hex)
    rubric = desk.ratings.rubric("zh", "{}")
    rng = random.Random()
    while True:
        mark = uuid.uuid4().hex
        turn = desk.generations.turn(mark, 1, ("c", "{}"), "在吗")
        pair = tuple(desk.generations.record(turn, Arm(n), reply(n, n)) for n in ARMS[:2])
        sent = filled(open_form(desk, visit, turn, pair, rubric), rng)
        desk.submit(visit, sent)
        print(sent.id, flush=True)


def kills(count: int) -> dict[str, Any]:
    """Kill a writer -9 again and again; every acknowledged rating must be there."""
    lost, acknowledged, faults = 0, 0, 0
    with tempfile.TemporaryDirectory(prefix="rolecraft-bench-") as folder:
        for _ in range(count):
            command = [sys.executable, "-m", "benchmarks.ratings", "--writer", folder]
            writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            assert writer.stdout is not None
            said = [writer.stdout.readline().strip() for _ in range(random.randint(1, 12))]
            os.kill(writer.pid, signal.SIGKILL)
            said += [line.strip() for line in writer.stdout if line.endswith("\n")]
            writer.wait()
            lost += missing(Path(folder), said)
            acknowledged += len(said)
        with DataFolder.claim(Path(folder)) as claimed:
            database = Database.open(claimed)
            faults = len(verify(database).faults)
            database.close()
    return {"kills": count, "acknowledged": acknowledged, "lost": lost, "faults": faults}


def missing(folder: Path, said: list[str]) -> int:
    with DataFolder.claim(folder) as claimed:
        database = Database.open(claimed)
        with database.read() as session:
            kept = set(session.scalars(text("SELECT id FROM rating_event")))
        database.close()
    return len(set(said) - kept)


def load(raters: int, ratings: int, *, with_board: bool) -> dict[str, Any]:
    """Many raters at once: ratings per second, errors, duplicates; then a board over them all."""
    with tempfile.TemporaryDirectory(prefix="rolecraft-bench-") as folder:
        database, desk = open_desk(Path(folder))
        rubric = desk.ratings.rubric("zh", "{}")
        each = math.ceil(ratings / raters)
        stock = bank(desk, math.ceil(each / 6))
        visits = [visitor(desk, f"r{number}") for number in range(raters)]
        pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
        work = []
        for number, visit in enumerate(visits):
            rng = random.Random(number)
            for place in range(each):
                turn, replies = stock[place // 6]
                i, j = pairs[place % 6]
                form = open_form(desk, visit, turn, (replies[i], replies[j]), rubric)
                work.append((visit, filled(form, rng)))
        random.Random(0).shuffle(work)
        errors: list[str] = []

        def rate(one: tuple[Visit, Submission]) -> float:
            begun = time.perf_counter()
            try:
                desk.submit(*one)
            except Exception as error:  # every kind is counted
                errors.append(repr(error))
            return time.perf_counter() - begun

        begun, worked = time.perf_counter(), time.process_time()
        with ThreadPoolExecutor(raters) as pool:
            times = sorted(pool.map(rate, work))
        seconds, worked = time.perf_counter() - begun, time.process_time() - worked
        with database.read() as session:
            stored = session.scalar(text("SELECT count(*) FROM rating_event"))
        found: dict[str, Any] = {
            "raters": raters, "ratings": len(work), "per_second": round(len(work) / seconds),
            "errors": len(errors), "duplicates": stored - len(work) + len(errors),
            "p95_ms": round(1000 * times[int(0.95 * len(times))]),
            # on a machine that others keep busy, this tells what the program itself takes
            "cpu_ms_each": round(1000 * worked / len(work), 2),
        }  # fmt: skip
        if with_board:
            begun, worked = time.perf_counter(), time.process_time()
            board.compute(rating_rows.read(database, COLUMNS), Spec(cap=0))
            found["board_seconds"] = round(time.perf_counter() - begun, 1)
            found["board_cpu_seconds"] = round(time.process_time() - worked, 1)
        begun = time.perf_counter()
        found["verified"] = verify(database).ok
        found["verify_seconds"] = round(time.perf_counter() - begun, 1)
        database.close()
    return found


def same_form(times: int) -> dict[str, Any]:
    """One form sent many times at once: one rating, and every answer a success."""
    with tempfile.TemporaryDirectory(prefix="rolecraft-bench-") as folder:
        database, desk = open_desk(Path(folder))
        visit = visitor(desk, "one")
        ((turn, replies),) = bank(desk, 1)
        form = open_form(desk, visit, turn, replies[:2], desk.ratings.rubric("zh", "{}"))
        sent = filled(form, random.Random(0))
        with ThreadPoolExecutor(times) as pool:
            receipts = list(pool.map(lambda _: desk.submit(visit, sent), range(times)))
        with database.read() as session:
            stored = session.scalar(text("SELECT count(*) FROM rating_event"))
        database.close()
    return {"sent": times, "succeeded": len(receipts), "stored": stored}


# --- what intervals cover


def study(rng: np.random.Generator, raters: int, prompts: int, each: int, truth: Any) -> Scores:
    """One simulated study: raters with habits value both arms on some of the prompts."""
    arms, criteria = len(truth), 3
    habit = rng.normal(0, RATER, raters)[:, None] + rng.normal(0, RATER_ARM, (raters, arms))
    hard = rng.normal(0, PROMPT, prompts)[:, None] + rng.normal(0, PROMPT_ARM, (prompts, arms))
    chosen = np.array([rng.choice(prompts, each, replace=False) for _ in range(raters)]).ravel()
    rater = np.repeat(np.repeat(np.arange(raters), each), arms * criteria)
    prompt = np.repeat(chosen, arms * criteria)
    arm = np.tile(np.repeat(np.arange(arms), criteria), raters * each)
    criterion = np.tile(np.arange(criteria), raters * each * arms)
    value = np.asarray(truth)[arm] + habit[rater, arm] + hard[prompt, arm]
    value = value + rng.normal(0, REST, len(value))
    return Scores(tuple(ARMS[:arms]), CRITERIA, rater, prompt, arm, criterion, value)


def coverage(studies: int) -> dict[str, Any]:
    """How often the 95 % interval of a difference, and of a mean, holds the truth."""
    found = {}
    for raters, prompts, each in ((20, 20, 20), (40, 100, 10), (60, 200, 10)):
        rng = np.random.default_rng(raters)
        held = {"difference": 0, "mean": 0, "resampled": 0}
        for number in range(studies):
            scores = study(rng, raters, prompts, each, (3.0, 3.4))
            one = next(
                d for d in means.differences(scores) if d.criterion == means.AVERAGE
            ).estimate
            held["difference"] += one.low <= -0.4 <= one.high
            mean = means.table(scores)["one"][means.AVERAGE]
            assert mean is not None
            held["mean"] += mean.low <= 3.0 <= mean.high
            low, high = means.pigeonhole(scores, 200, number)["one"][means.AVERAGE]
            held["resampled"] += low <= 3.0 <= high
        label = f"{raters} raters, {prompts} prompts, {each} each"
        found[label] = {name: round(count / studies, 3) for name, count in held.items()}
    return found


def planted(studies: int) -> dict[str, Any]:
    """Bradley-Terry against planted strengths: the largest error in Elo points of 20,000 votes."""
    truth = np.array([0.0, 0.5, 1.0, -0.5])
    target = ELO * (truth - truth.mean())
    errors = []
    for seed in range(studies):
        rng = np.random.default_rng(seed)
        n = 20_000
        left = rng.integers(0, 4, n)
        right = (left + rng.integers(1, 4, n)) % 4
        won = rng.random(n) < 1 / (1 + np.exp(truth[right] - truth[left]))
        votes = Votes(
            ARMS, rng.integers(0, 400, n), rng.integers(0, 300, n), left, right,
            np.where(won, LEFT, RIGHT), np.zeros((n, 4)),
        )  # fmt: skip
        found = preference.strengths(votes, draws=20, seed=seed)
        values = np.array([found[name].value for name in ARMS])
        errors.append(float(np.abs(values - target).max()))
    return {"runs": studies, "largest_error_elo": round(max(errors), 1)}


if __name__ == "__main__":
    main()
