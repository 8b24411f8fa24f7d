"""The desk at which raters sit: one object that a page calls to show, take and list ratings.

Knows no page and no model: visitors' tokens, finished replies and chance are passed in. It joins
the stores of ratings to the decisions of `study` and the texts of `rubric`.
"""

import logging
import random
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from rolecraft.conversation import Conversation
from rolecraft.errors import RatingNotSaved, RatingRefused, StoreUnavailable
from rolecraft.ratings import rubric, study
from rolecraft.ratings.spool import Kept, Kind, Spool
from rolecraft.ratings.study import Done, Item, Past, Plan, Progress
from rolecraft.store.chain import digest
from rolecraft.store.conversations import now_ms
from rolecraft.store.database import Database
from rolecraft.store.folder import DataFolder
from rolecraft.store.forms import CRITERIA, Form, Mode, Receipt, Submission
from rolecraft.store.generations import Arm, Generations
from rolecraft.store.moderating import Moderating
from rolecraft.store.raters import SCOPES, Rater, Raters, Scope, rating_key
from rolecraft.store.rating_check import prove
from rolecraft.store.ratings import Offer, Ratings
from rolecraft.store.shown import Said, Shown
from rolecraft.store.studies import Facts, Studies, StudyItem

_log = logging.getLogger(__name__)
_GIVEN_UP_MS = 10 * 60_000  # no reply is written for as long


@dataclass(frozen=True)
class Visit:
    """A rater in one tab. Small and frozen: a page keeps it and passes it back."""

    rater: str
    session: str
    locale: str
    agreed: bool  # whether the consent to rate is in force


@dataclass(frozen=True)
class Sheet:
    """A form with what it shows. Nothing in it tells which arm answered."""

    form: Form
    character: str
    left: tuple[Said, ...]
    right: tuple[Said, ...] | None
    progress: Progress | None = None


@dataclass(frozen=True)
class Lesson:
    """What the training round says after an answer."""

    right: bool
    expected: dict[str, tuple[int, int]]
    why: str


class Desk:
    """Safe to use from several threads. Raises what the stores raise, in words for the rater."""

    def __init__(
        self,
        database: Database,
        key: bytes,
        app: str = "",
        clock: Callable[[], int] = now_ms,
        spool: Spool | None = None,
        **options: Any,
    ) -> None:
        self._clock = clock
        self._spool = spool
        self.raters = raters = Raters(database, key, app, clock)
        self._at: Callable[[int], Ratings] = lambda now: Ratings(
            database, raters, app, lambda: now, **options
        )
        self.generations = Generations(database, app, clock)
        self.moderating = Moderating(database, clock)
        self.shown = Shown(database)
        self.ratings = Ratings(database, self.raters, app, clock, **options)
        self.studies = Studies(database, clock)

    @classmethod
    def open(
        cls, database: Database, folder: DataFolder, app: str = "", secret: str | None = None
    ) -> "Desk":
        """The desk of a data folder, after proof that a rating can be stored.

        Raises `StoreUnavailable` with the remedy when it cannot: then nothing must be served.
        `secret` is that of the processes that share the database.
        """
        key = rating_key(folder, secret)
        prove(database, key)
        desk = cls(database, key, app, spool=Spool(folder.path))
        if database.shared:  # what is unfinished may be another process's, at work on it
            desk.close_given_up()
            later = threading.Timer(_GIVEN_UP_MS / 1000, desk.close_given_up)
            later.daemon = True
            later.start()
        else:
            desk.generations.close_unfinished()
        desk.moderating.judge_again()
        desk.take_kept()
        return desk

    def close_given_up(self) -> None:
        """Mark the replies that are unfinished for so long that nobody works on them any more."""
        try:
            self.generations.close_unfinished(self._clock() - _GIVEN_UP_MS)
        except StoreUnavailable as error:
            _log.warning("Replies that a dead process left wait for the next start: %s", error)

    def take_kept(self) -> tuple[int, int]:
        """Submit what the database could not take before; how many it took, and how many not.

        Each is checked as ever, at the time at which it came. Raises `RatingNotSaved` when the
        database is still away; then everything stays kept.
        """
        taken = refused = 0
        for kept in self._spool.take() if self._spool else ():
            ratings = self._at(kept.received_ms)
            save = ratings.submit if kept.kind == "submit" else ratings.revise
            try:
                save(kept.rater, kept.submission)
                taken += 1
            except RatingRefused as error:
                _log.warning("A kept rating was refused: %s", error)
                refused += 1
        if self._spool and taken + refused:
            self._spool.clear()
        return taken, refused

    def unsaved(self) -> int:
        """How many submissions wait beside the database until the next start takes them."""
        return len(self._spool.take()) if self._spool else 0

    def enter(
        self,
        token: str,
        tab: str,
        *,
        locale: str = "zh",
        device: str = "",
        address: str = "",
        kind: Literal["anon", "invited", "expert"] = "anon",
    ) -> Visit:
        """Meet the visitor of this secret token in this tab."""
        rater = self.raters.enter(token, kind=kind, address=address)
        session = self.raters.session(rater.id, tab, device=device[:16], locale=locale[:16])
        return _visit(rater, session, locale)

    def agree(self, visit: Visit, scopes: Collection[Scope] = SCOPES) -> Visit:
        """Enter consent to the text of `rubric.consent` for these scopes."""
        _, sha256 = rubric.consent(visit.locale)
        rater = self.raters.agree(visit.rater, sha256, scopes)
        return _visit(rater, visit.session, visit.locale)

    def next(self, visit: Visit, name: str, rng: random.Random) -> Sheet | Done:
        """What the rater of a study sees next; the form that is still open, if there is one."""
        study_id, values = self.studies.plan(name)
        plan, (stand,) = Plan.read(values), self.studies.stands(name)
        if plan.invited and self.raters.get(visit.rater).kind == "anon":
            raise RatingRefused(
                f"The study {name!r} is for invited raters. Use your own link.", "invited"
            )
        facts = self.studies.facts(study_id, visit.rater)
        items = _items(facts, visit.locale)
        held = {item.id for item in facts.items}
        waiting = self.ratings.waiting(visit.rater, ("bank", "training"))
        if waiting and waiting.item in held:
            return self._sheet(waiting, self._progress(plan, items, facts))
        if study.closed(stand):
            return Done("closed")
        past = [Past(item, shown, state, repeat) for item, shown, state, repeat, _ in facts.past]
        found = study.next_item(plan, items, past, self._clock(), rng)
        if isinstance(found, Done):
            return found
        item = next(one for one in facts.items if one.id == found.item)
        offer = self._offer(visit, plan, item, found, facts)
        form = self.ratings.open(visit.rater, visit.session, offer, rng, plan.lease_ms)
        return self._sheet(form, self._progress(plan, items, facts))

    def sheet(self, visit: Visit, form: str) -> Sheet:
        """One form of the rater with what it shows, as it stands now."""
        return self._sheet(self.ratings.form(visit.rater, form))

    def compare(
        self,
        visit: Visit,
        turn: str,
        pair: Sequence[str],
        rng: random.Random,
        *,
        mode: Literal["blind", "open"] = "blind",
        policy: str = "uniform",
        probability: float = 1.0,
        asked: Sequence[str] = ("preference", *CRITERIA),
    ) -> Sheet:
        """Put a live pair before the rater; `pair` may still be being written."""
        offer = Offer(
            turn, tuple(pair), mode, "reply", study.form_order(visit.rater, asked),
            self._rubric(visit), policy, probability,
        )  # fmt: skip
        return self._sheet(self.ratings.open(visit.rater, visit.session, offer, rng))

    def rate_talk(
        self,
        visit: Visit,
        conversation_id: str,
        talk: Conversation,
        card: str,
        *,
        scope: Literal["reply", "conversation"] = "conversation",
    ) -> Sheet:
        """Put the talk that the visitor just had, or its last reply, before them to rate.

        The talk is frozen as it is; another branch of it is another talk. Each reply counts for the
        engine and the conditions that made it.
        """
        said = [f"{one.user}\0{one.reply.sha256 if one.reply else ''}" for one in talk.turns]
        path = digest("\n".join(said))
        key = f"{conversation_id[:150]}/{path[:16]}"
        last = turn = ""
        for number, one in enumerate(talk.turns, start=1):
            turn = self.generations.turn(
                key, number, (talk.character, card), one.user, rater=visit.rater
            )
            if one.reply is not None:
                arm = Arm(one.reply.identity.engine, one.reply.conditions)
                last = self.generations.record(turn, arm, one.reply)
        if not talk.turns or talk.turns[-1].reply is None:
            raise RatingRefused("There is no reply to rate yet. Say something first.", "no_reply")
        order = study.form_order(visit.rater, CRITERIA)
        offer = Offer(turn, (last,), "chat", scope, order, self._rubric(visit))
        return self._sheet(self.ratings.open(visit.rater, visit.session, offer, random.Random(0)))

    def submit(self, visit: Visit, submission: Submission) -> Receipt:
        """Store a rating. Raises `RatingNotSaved` when the database is away: send it again."""
        return self._save(visit, submission, "submit")

    def revise(self, visit: Visit, submission: Submission) -> Receipt:
        """Store another version of a rating whose names have not been told.

        Raises `RatingRefused` once the study is over: then its results may be known.
        """
        item = self.ratings.form(visit.rater, submission.form).item
        if item and study.over(self.studies.stand_of(item)):
            raise RatingRefused("The study is closed: its ratings are final.", "closed")
        return self._save(visit, submission, "revise")

    def _save(self, visit: Visit, submission: Submission, kind: Kind) -> Receipt:
        save = self.ratings.submit if kind == "submit" else self.ratings.revise
        try:
            return save(visit.rater, submission)
        except RatingNotSaved:
            # Should the browser never come back, the rating is still taken at the next start.
            if self._spool:
                self._spool.keep(Kept(visit.rater, kind, self._clock(), submission))
            raise

    def lesson(self, visit: Visit, form: str, values: dict[str, int | None]) -> Lesson | None:
        """What the training round says of these values; None for a form that is no training."""
        held = self.ratings.form(visit.rater, form)
        if held.mode != "training" or held.item is None:
            return None
        answers = self.studies.item(held.item).answers
        expected = {name: (low, high) for name, (low, high) in answers["values"].items()}
        right = all(
            low <= (values.get(name) or 0) <= high for name, (low, high) in expected.items()
        )
        return Lesson(right, expected, answers["why"][visit.locale])

    def _offer(
        self, visit: Visit, plan: Plan, item: StudyItem, found: study.Show, facts: Facts
    ) -> Offer:
        if len(item.replies) == 2:
            asked = plan.ask_pair
        else:
            asked = plan.ask_reply if item.scope == "reply" else plan.ask_conversation
        repeat = None
        if found.why == "repeat":
            repeat = next(
                form for id, _, state, _, form in facts.past if (id, state) == (item.id, "rated")
            )
        mode: Mode = "training" if item.kind == "training" else "bank"
        return Offer(
            item.turn, item.replies, mode, cast(Any, item.scope),
            study.form_order(visit.rater, asked), self._rubric(visit), found.why,
            found.probability, item.id, item.origin, repeat,
        )  # fmt: skip

    def _sheet(self, form: Form, progress: Progress | None = None) -> Sheet:
        said = self.shown.conversation
        return Sheet(
            form, self.shown.character(form.left), said(form.left),
            said(form.right) if form.right else None, progress,
        )  # fmt: skip

    def _progress(self, plan: Plan, items: Sequence[Item], facts: Facts) -> Progress:
        past = [Past(item, shown, state, repeat) for item, shown, state, repeat, _ in facts.past]
        return study.progress(plan, items, past, facts.active_ms)

    def _rubric(self, visit: Visit) -> str:
        return self.ratings.rubric(visit.locale, rubric.rubric_json(visit.locale))


def _visit(rater: Rater, session: str, locale: str) -> Visit:
    known = locale if locale in rubric.LOCALES else "en"
    return Visit(rater.id, session, known, "rate" in rater.consents)


def _items(facts: Facts, locale: str) -> list[Item]:
    """The items as the decision needs them.

    Left out are lessons of the other language and what the rater has met outside the study.
    """
    return [
        Item(
            one.id, one.number, cast(Any, one.kind), one.shared, facts.raters.get(one.id, 0),
            facts.leased.get(one.id, 0),
        )
        for one in facts.items
        if (one.kind != "training" or one.answers.get("locale") == locale)
        and one.id not in facts.elsewhere
    ]  # fmt: skip
