"""Figures of the ratings: what survives a kill, how fast they are stored, what intervals cover.

    python -m benchmarks.ratings --out benchmarks/results/ratings.json
    python -m benchmarks.readme

Everything is measured here and now on a temporary SQLite database. Smaller numbers on the command
line (--kills 3 --ratings 2000 --studies 20) give a quick look; the table says which were used.
"""

import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from benchmarks import coverage
from benchmarks.raters import ARMS, WRITERS, filled, open_desk, open_form, reply, visitor
from rolecraft.ratings import board
from rolecraft.ratings.desk import Desk, Visit
from rolecraft.ratings.selection import COLUMNS, Spec
from rolecraft.store import rating_rows
from rolecraft.store.database import Database
from rolecraft.store.folder import DataFolder
from rolecraft.store.forms import Submission
from rolecraft.store.generations import Arm
from rolecraft.store.rating_check import verify

if TYPE_CHECKING:
    from benchmarks.readme import Bar

ROOT = Path(__file__).resolve().parents[1]
# The bars: ratings a second, seconds of a board, error in Elo points, shares of intervals.
PER_SECOND, BOARD, ELO_ERROR, LOW, HIGH = 400, 10, 15, 0.93, 0.99


def main() -> int:
    """Run what was asked for and print one table; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--raters", type=int, default=64)
    parser.add_argument("--ratings", type=int, default=20_000)
    parser.add_argument("--studies", type=int, default=400)
    parser.add_argument("--out", type=Path, help="write the figures there as JSON too")
    args = parser.parse_args()
    figures: dict[str, Any] = {
        "load": load(args.raters, args.ratings),
        "kills": kills(args.kills),
        "same_form": same_form(50),
        "bradley_terry": coverage.planted(max(1, args.studies // 40)),
        "coverage": covered(args.studies),
    }
    for name, found in figures.items():
        print(f"{name:14} {found}")
    found = bars(figures)
    for bar in found:
        print(" · ".join(cell for cell in bar.cells if cell))
    if args.out:
        told = {
            "command": (
                f"python -m benchmarks.ratings --kills {args.kills} --raters {args.raters}"
                f" --ratings {args.ratings} --studies {args.studies}"
            ),
            "measured": date.today().isoformat(), "cores": os.cpu_count(), "figures": figures,
        }  # fmt: skip
        args.out.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return int(any(bar.reached is False for bar in found))


def covered(studies: int) -> dict[str, float]:
    """How often each interval held the truth; the simulations share the machine's cores."""
    found = {}
    with ProcessPoolExecutor() as pool:
        strengths = pool.submit(coverage.of_strengths, studies)
        of_means = [pool.submit(coverage.of_means, studies, one) for one in coverage.DESIGNS]
        alpha = pool.submit(coverage.of_alpha, studies)
        for (raters, prompts, each), one in zip(coverage.DESIGNS, of_means, strict=True):
            for name, share in one.result().items():
                found[f"a {name}: {raters} raters × {each}, {prompts} prompts"] = share
        found["ordinal alpha: 150 replies, 3 raters each"] = alpha.result()
        found["a Bradley–Terry strength: 60 raters × 20, 100 prompts"] = strengths.result()
    return found


# --- storing


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


def kills(count: int, most: int = 200) -> dict[str, Any]:
    """Kill the writers -9 in the midst, again and again; what was acknowledged must be there.

    Each lives until it has acknowledged a number of ratings drawn up to `most`.
    """
    lost, acknowledged = 0, 0
    with tempfile.TemporaryDirectory(prefix="rolecraft-bench-") as folder:
        for _ in range(count):
            command = [sys.executable, "-m", "benchmarks.raters", folder]
            writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
            assert writer.stdout is not None
            try:
                said = [writer.stdout.readline().strip() for _ in range(random.randint(1, most))]
            finally:
                writer.kill()  # SIGKILL
            said += [line.strip() for line in writer.stdout if line.endswith("\n")]
            writer.wait()
            lost += missing(Path(folder), said)
            acknowledged += len(said)
        with DataFolder.claim(Path(folder)) as claimed:
            database = Database.open(claimed)
            faults = verify(database).faults
            database.close()
    return {"kills": count, "acknowledged": acknowledged, "lost": lost, "faults": len(faults)}


def missing(folder: Path, said: list[str]) -> int:
    with DataFolder.claim(folder) as claimed:
        database = Database.open(claimed)
        with database.read() as session:
            kept = set(session.scalars(text("SELECT id FROM rating_event")))
        database.close()
    return len(set(said) - kept)


def load(raters: int, ratings: int) -> dict[str, Any]:
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


# --- the figures beside their bars


def block() -> str:
    """The figures as a table, for the README."""
    from benchmarks import readme

    result = readme.measured("ratings")
    if result is None:
        return readme.missing("ratings")
    rows = [bar.cells for bar in bars(result["figures"])]
    told = f"`{result['command']}`, {result['measured']}, {result['cores']} cores, SQLite:\n\n"
    return told + readme.table(("measure", "result", "bar", ""), rows)


def bars(figures: Mapping[str, Any]) -> "list[Bar]":
    """What was measured against what it was meant to reach."""
    from benchmarks.readme import Bar

    killed, load, same = figures["kills"], figures["load"], figures["same_form"]
    board, errors = load["board_seconds"], load["errors"] + load["duplicates"]
    error = figures["bradley_terry"]["largest_error_elo"]
    found = [
        Bar(
            f"acknowledged ratings lost in {killed['kills']} kills (-9), {WRITERS} writing",
            f"{killed['lost']} of {killed['acknowledged']}", "0", killed["lost"] == 0,
        ),
        Bar(
            "faults that `ratings verify` found after them", str(killed["faults"]), "0",
            killed["faults"] == 0,
        ),
        Bar(
            f"ratings a second, {load['raters']} raters at once, {load['ratings']} ratings",
            str(load["per_second"]), f"≥ {PER_SECOND}", load["per_second"] >= PER_SECOND,
        ),
        Bar("errors and duplicates among them", str(errors), "0", errors == 0),
        Bar("answer to a rating, 95th percentile", f"{load['p95_ms']} ms"),
        Bar(
            f"stored of one form sent {same['sent']} times at once",
            f"{same['stored']}, {same['succeeded']} answered", f"1, {same['sent']} answered",
            (same["stored"], same["succeeded"]) == (1, same["sent"]),
        ),
        Bar("a board over them all", f"{board} s", f"≤ {BOARD} s", board <= BOARD),
        Bar(
            "largest error of planted Bradley–Terry strengths", f"{error} Elo", f"≤ {ELO_ERROR}",
            error <= ELO_ERROR,
        ),
    ]  # fmt: skip
    return found + [
        Bar(f"95 % interval of {name}", f"{share:.1%}", "93–99 %", LOW <= share <= HIGH)
        for name, share in figures["coverage"].items()
    ]


if __name__ == "__main__":
    sys.exit(main())
