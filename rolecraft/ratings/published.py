"""Which boards the world may see, and when a new version of them is due.

Boards are versions that stand still, never sorted anew under a reader's eyes. What could tell a
rater anything before the rating is final is not shown to anyone: neither the boards of a study that
still runs, nor a reply that somebody may yet have to rate. Knows no page.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rolecraft.ratings.exports import until
from rolecraft.ratings.keeping import NEEDED, keep
from rolecraft.ratings.selection import (
    Chosen,
    Leaks,
    Spec,
    arm_labels,
    capped,
    targets,
    valid,
)
from rolecraft.ratings.study import DAY_MS, over
from rolecraft.store import boards, rating_rows
from rolecraft.store.boards import Snapshot
from rolecraft.store.conversations import now_ms
from rolecraft.store.database import Database
from rolecraft.store.shown import Shown
from rolecraft.store.studies import Studies

_log = logging.getLogger(__name__)
WEEK_MS = 7 * DAY_MS
_GIVEN = ("submit", "revise")
_KEPT = 3  # choices of ratings that are held for those who look under a cell
_MORE = ("reply_text", "user_text", "received_hour")
# Blind votes and ratings of one's own talks are never mixed.
LIVE = (("blind",), ("chat",))


@dataclass(frozen=True)
class Ratings:
    """The ratings that a board rests on, with the names of the arms and the words themselves."""

    chosen: Chosen
    arms: Mapping[str, str]  # model_rev → name on the board
    texts: Mapping[str, tuple[str, str]]  # generation → what was said, the reply
    hours: Mapping[int, int]  # number of a rating → the hour it came, since 1970


class Published:
    """Safe to use from several threads."""

    def __init__(
        self, database: Database, app: str = "", clock: Callable[[], int] = now_ms
    ) -> None:
        self._database = database
        self._app = app
        self._clock = clock
        self._studies = Studies(database, clock)
        self._shown = Shown(database)
        self._held: OrderedDict[tuple[str, Leaks, tuple[object, ...]], Ratings] = OrderedDict()
        self._lock = threading.Lock()
        self._renewing = threading.Lock()

    def running(self) -> frozenset[str]:
        """The names of the studies that are not over."""
        return frozenset(one.name for one in self._studies.stands() if not over(one))

    def versions(self, limit: int = 50) -> tuple[Snapshot, ...]:
        """The boards that may be seen, the newest first."""
        running = self.running()
        kept = boards.latest(self._database, limit)
        return tuple(one for one in kept if _open(one, running))

    def renew(self) -> int:
        """Keep a new version of every board that is due; how many there were.

        Only one thread does it at a time; another one returns at once.
        """
        if not self._renewing.acquire(blocking=False):
            return 0
        try:
            due = self._due()
            for spec in due:
                keep(self._database, spec, self._app, self._clock)
            return len(due)
        finally:
            self._renewing.release()

    def renew_without_waiting(self, rater: str) -> int:
        """Keep a new version of every kept board that this rater has a part in; how many.

        For when someone of the team has set the rater aside, or taken that back: others must not
        read for a week what is known to be wrong. Boards of studies that still run stay unkept.
        """
        kept = boards.latest(self._database, 200)
        with self._renewing:
            mine = [
                spec
                for spec in self._specs()
                if any(_is(one, spec.study, spec.modes) for one in kept)
                and boards.has_part(self._database, rater, spec.modes, spec.study)
            ]
            for spec in mine:
                keep(self._database, spec, self._app, self._clock)
        return len(mine)

    def ratings(self, version: Snapshot, leaks: Leaks) -> Ratings:
        """What a version rests on, as far as it still stands: nobody's withdrawn words."""
        key = (version.id, leaks, boards.taken_out(self._database))
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        rows = rating_rows.read(self._database, (*NEEDED, *_MORE))
        spec = replace(Spec.read(version.board["spec"]), leaks=leaks)
        found = _rested_on(until(rows, version.last_number), spec)
        with self._lock:
            self._held[key] = found
            while len(self._held) > _KEPT:
                self._held.popitem(last=False)
        return found

    def withheld(self) -> frozenset[str]:
        """The replies that nobody may look at yet."""
        return self._shown.withheld(self._clock(), self.running())

    def _due(self) -> list[Spec]:
        now = self._clock()
        kept = boards.latest(self._database, 200)
        return [spec for spec in self._specs() if self._is_due(spec, kept, now)]

    def _specs(self) -> list[Spec]:
        """Every board that is kept by itself: of live pages, and of studies that are over."""
        ended = [one for one in self._studies.stands() if over(one)]
        specs = [Spec(modes=modes) for modes in LIVE]
        specs += [
            Spec(study=one.name, modes=("bank",), cap=int(one.plan.get("cap", Spec.cap)))
            for one in ended
        ]
        return specs

    def _is_due(self, spec: Spec, kept: Sequence[Snapshot], now: int) -> bool:
        """Whether ratings have come, or were taken back, and the last version stood for a week.

        A study that is over is shown as it ended at once, whatever was kept while it ran.
        """
        where = self._database, now, spec.modes, spec.study
        last = next((one for one in kept if _is(one, spec.study, spec.modes)), None)
        if last is None:
            return boards.end_of(*where) > 0
        if spec.study and boards.end_of(*where, _GIVEN) > last.last_number:
            return True
        if now - last.created_ms < WEEK_MS:
            return False
        news = boards.end_of(*where) > last.last_number
        since = last.created_ms
        return news or boards.taken_back(self._database, since, spec.modes, spec.study)


def _is(one: Snapshot, study: str, modes: tuple[str, ...]) -> bool:
    spec = one.board["spec"]
    return spec["study"] == study and tuple(spec["modes"]) == modes


def _open(one: Snapshot, running: frozenset[str]) -> bool:
    """Whether a board tells nothing of a study that runs."""
    spec = one.board["spec"]
    if spec["study"]:
        return spec["study"] not in running
    return not (running and {"bank", "training"} & set(spec["modes"]))


def _rested_on(rows: rating_rows.Table, spec: Spec) -> Ratings:
    every = Chosen.of(rows)
    usable, _ = valid(every, spec)
    chosen, _ = capped(targets(usable, spec), spec.cap)
    texts: dict[str, Any] = {
        generation: (user, reply)
        for generation, user, reply in zip(
            rows["generation"], rows["user_text"], rows["reply_text"], strict=True
        )
    }
    hours = dict(zip(rows["number"], rows["received_hour"], strict=True))
    return Ratings(chosen, arm_labels(every), texts, hours)
