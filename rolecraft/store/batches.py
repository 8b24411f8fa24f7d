"""Group commit: what many threads hand in at the same time is done in one transaction.

Knows no table. A commit waits for the disk, so while one runs the others gather, and the first of
those who wait does the work of all in the next. Each is answered only when that has ended.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from rolecraft.errors import StoreUnavailable

Job = TypeVar("Job")
Answer = TypeVar("Answer")
MOST = 100  # jobs in one transaction, so that others who write do not wait for long


class _Waiting(Generic[Job, Answer]):
    """One thread's job. It sleeps until it is answered, or until it is to lead the next batch."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.leads = False
        self.outcome: Answer | Exception | None = None
        self.awake = threading.Lock()
        self.awake.acquire()


class Batches(Generic[Job, Answer]):
    """Does jobs in batches, by the threads that bring them. Safe to use from several threads.

    `work` is given some jobs, in the order in which they came, and returns for each its answer or
    the exception that its thread is to raise. When `work` itself raises, the whole batch raises.
    """

    def __init__(
        self, work: Callable[[Sequence[Job]], Sequence[Answer | Exception]], most: int = MOST
    ) -> None:
        self._work = work
        self._most = most
        self._lock = threading.Lock()
        self._queue: list[_Waiting[Job, Answer]] = []
        self._led = False

    def do(self, job: Job) -> Answer:
        """Have the job done, with whatever else waits. Raises what `work` found for it."""
        mine = _Waiting[Job, Answer](job)
        with self._lock:
            self._queue.append(mine)
            mine.leads, self._led = not self._led, True
        if not mine.leads:
            self._sleep(mine)
        if mine.leads:
            self._lead()
        if isinstance(mine.outcome, Exception):
            raise mine.outcome
        assert mine.outcome is not None
        return mine.outcome

    def _sleep(self, mine: _Waiting[Job, Answer]) -> None:
        try:
            mine.awake.acquire()
        except BaseException:  # Ctrl-C: who waits behind this thread must not wait for ever
            with self._lock:
                if mine in self._queue:
                    self._queue.remove(mine)
                if mine.leads:
                    self._pass_on()
            raise

    def _lead(self) -> None:
        with self._lock:
            batch, self._queue = self._queue[: self._most], self._queue[self._most :]
        outcomes: Sequence[Answer | Exception] = [StoreUnavailable(_STOPPED)] * len(batch)
        try:
            outcomes = self._work([one.job for one in batch])
        except Exception as error:
            outcomes = [error] * len(batch)
        finally:
            with self._lock:
                self._pass_on()  # the next batch begins while this one is told
            for one, outcome in zip(batch, outcomes, strict=True):
                one.outcome = outcome
                one.awake.release()

    def _pass_on(self) -> None:
        self._led = bool(self._queue)
        if self._queue:
            self._queue[0].leads = True
            self._queue[0].awake.release()


_STOPPED = "The program was stopped while the database was written. Send it again."
