"""Group commit: one batch at a time, everyone's own answer, and nobody waits for ever."""

import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from rolecraft.errors import RatingRefused, StoreUnavailable
from rolecraft.store import inbox
from rolecraft.store.batches import Batches
from rolecraft.store.rated_schema import EventRow
from rolecraft.store.rating_check import verify
from tests.rating_kit import Kit, sent


class Slow:
    """Work that takes a while, remembers its batches, and answers with ten times the job."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.at_once = 0

    def __call__(self, jobs: Sequence[int]) -> list[int | Exception]:
        self.at_once += 1
        assert self.at_once == 1, "two batches at the same time"
        self.batches.append(list(jobs))
        time.sleep(0.02)
        self.at_once -= 1
        return [ValueError(f"not {job}") if job % 10 == 7 else 10 * job for job in jobs]


def test_who_comes_while_one_works_is_done_together_and_each_gets_its_own() -> None:
    work = Slow()
    batches = Batches[int, int](work)

    def do(job: int) -> object:
        try:
            return batches.do(job)
        except ValueError as error:
            return str(error)

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(do, range(100)))
    assert found == [f"not {n}" if n % 10 == 7 else 10 * n for n in range(100)]
    assert sorted(sum(work.batches, [])) == list(range(100))
    assert len(work.batches) < 50


def test_a_batch_has_its_bound() -> None:
    work = Slow()
    batches = Batches[int, int](work, most=3)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(batches.do, [0] * 40))
    assert max(map(len, work.batches)) == 3


def test_a_batch_that_fails_fails_for_all_of_it_and_the_next_is_done() -> None:
    places: list[str] = ["gone"]

    def work(jobs: Sequence[int]) -> list[int | Exception]:
        if places:
            raise StoreUnavailable(places.pop())
        return list(jobs)

    batches = Batches[int, int](work)
    with pytest.raises(StoreUnavailable, match="gone"):
        batches.do(1)
    assert batches.do(2) == 2


def test_who_waits_behind_a_stopped_thread_is_told() -> None:
    begun = threading.Event()

    def work(jobs: Sequence[str]) -> list[str | Exception]:
        begun.set()
        time.sleep(0.1)
        if "stop" in jobs:
            raise KeyboardInterrupt
        return list(jobs)

    batches = Batches[str, str](work)

    def do(job: str) -> object:
        try:
            return batches.do(job)
        except BaseException as error:
            return type(error)

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(do, "first")
        begun.wait()
        stopped = pool.submit(do, "stop")
        while len(batches._queue) < 1:
            time.sleep(0.001)
        behind = pool.submit(do, "behind")
        assert (first.result(), stopped.result()) == ("first", KeyboardInterrupt)
        assert behind.result() in (StoreUnavailable, "behind")
    assert batches.do("next") == "next"


# --- ratings


def test_in_one_transaction_one_that_fails_does_not_touch_the_others(
    kit: Kit,
) -> None:
    raters = [kit.rater(f"r{n}") for n in range(6)]
    sents = [sent(kit.form(rater)) for rater in raters]
    taken = uuid.uuid4()
    kit.ratings.submit(raters[0], replace(sents[0], id=str(taken)))
    sents[1] = replace(sents[1], id=str(taken))  # the id of another rating
    sents[2] = replace(sents[2], token="x")
    sents[3] = replace(sents[3], input_mode="a\0b\ud800")  # of no use to a database
    given = [inbox.Given(str(uuid.UUID(one.id)), r, one, "submit", None)
             for r, one in zip(raters[1:], sents[1:], strict=True)]  # fmt: skip
    found = kit.ratings._save_all(given)
    kinds = [type(one).__name__ for one in found]
    assert kinds[0] == "IntegrityError"
    assert kinds[1] == "RatingRefused"
    assert isinstance(found[2], Exception)
    assert kinds[3:] == ["Receipt", "Receipt"]
    states = [kit.ratings.form(r, one.form).state for r, one in zip(raters, sents, strict=True)]
    assert states[:4] == ["rated", "open", "open", "open"]
    assert states[4:] == ["rated", "rated"]
    with pytest.raises((IntegrityError, RatingRefused)):
        kit.ratings.submit(raters[1], sents[1])
    assert verify(kit.database).ok


def test_nothing_is_answered_before_it_is_durable(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    rater = kit.rater()
    forms = [kit.form(rater) for _ in range(3)]
    given = [inbox.Given(one.id, rater, one, "submit", None) for one in map(sent, forms)]

    write = kit.database.write

    @contextmanager
    def fails_at_the_end() -> Iterator[Session]:
        with write() as session:
            yield session
            raise StoreUnavailable("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(kit.database, "write", fails_at_the_end)
        with pytest.raises(StoreUnavailable, match="disk is full"):
            kit.ratings._save_all(given)
    with kit.database.read() as session:
        assert session.scalar(select(func.count()).select_from(EventRow)) == 0
    assert [kit.ratings.form(rater, one.id).state for one in forms] == ["open"] * 3
    assert not any(isinstance(one, Exception) for one in kit.ratings._save_all(given))
    assert verify(kit.database).ok
