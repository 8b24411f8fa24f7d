"""The steps of the page /compare: choosing, saying, waiting, voting, the telling, going on.

Knows no gradio component. The database is the truth: every step reads from it what is before the
visitor, so that a reload, a second tab and a restart find the same.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

from rolecraft.admission import care, clean
from rolecraft.comparison import arms
from rolecraft.comparison.worker import Task, Worker, turn_key
from rolecraft.errors import (
    CharacterNotFound,
    ConversationNotFound,
    InputRefused,
    RatingRefused,
    RoleCraftError,
    StoreUnavailable,
)
from rolecraft.moderation import speaks_of_self_harm
from rolecraft.ratings.desk import Visit
from rolecraft.services import Services
from rolecraft.store.compared import Compared, Pair
from rolecraft.store.stored import StoredMessage
from rolecraft.ui.compare_show import Shower
from rolecraft.ui.page import in_words
from rolecraft.ui.scene import greeting_of, greetings_of
from rolecraft.ui.seat import Caller, Seats, note, refusal, scopes_of
from rolecraft.ui.stand import Stand, read_stand, read_wishes, sides
from rolecraft.ui.texts import say
from rolecraft.ui.visitor import Place, read_place

_GLANCE_S = 0.25
LOOK_S = 8.0  # how long one look at a pair in the making waits


class View(NamedTuple):
    """What changes on the page; None leaves a part as it is. The order is that of the outputs."""

    place: Place | None = None
    stand: Stand | None = None
    stage: str | None = None
    pair: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class Step:
    """One step: who takes it, where they stand, and what their browser sent with it."""

    place: Place
    stand: Stand
    caller: Caller
    sent: Mapping[str, Any]


class Comparing:
    """Safe to call from several threads."""

    def __init__(self, services: Services, seats: Seats, rng: random.Random) -> None:
        self._services = services
        self._store = services.conversations
        self._desk = services.desk
        self._seats = seats
        self._rng = rng
        self._compared = Compared(services.database)
        self._worker = Worker(services, rng)
        self._shower = Shower(services, self._compared)

    def arrive(self, kept: object, stood: object, caller: Caller) -> View:
        """The page was opened: back to the comparison that this browser had before it."""
        step = Step(read_place(kept), read_stand(stood), caller, {})
        with suppress(ConversationNotFound, CharacterNotFound):
            return self._whole(step)
        return self._whole(replace(step, stand=step.stand.left()))

    def act(self, kept: object, stood: object, sent: Mapping[str, Any], caller: Caller) -> View:
        """One step, by the name that the page gives it; anything else changes nothing."""
        step = Step(read_place(kept), read_stand(stood), caller, sent)
        steps: dict[str, Callable[[Step], View]] = {
            "mode": self._mode, "pick": self._pick, "back": self._back, "say": self._say,
            "retry": self._retry, "stop": self._stop, "submit": self._save, "revise": self._save,
            "reveal": self._reveal, "look": self._look, "report": self._report,
        }  # fmt: skip
        taken = steps.get(str(sent.get("do")))
        if taken is None:
            return View()
        try:
            return taken(step)
        except RatingRefused as error:
            said = note(sent, "refused", refusal(error, caller.language))
            with suppress(ConversationNotFound):  # what stands now is shown beside the refusal
                return self._pair_now(step)._replace(note=said)
            return View(note=said)
        except RoleCraftError as error:
            return View(note=note(sent, "refused", in_words(error, caller.language)))

    # -- before the talk ----------------------------------------------------------------------

    def _mode(self, step: Step) -> View:
        mode = "open" if step.sent.get("mode") == "open" else "blind"
        stand = Stand(mode="open") if mode == "open" else Stand()
        return self._whole(replace(step, stand=stand))

    def _pick(self, step: Step) -> View:
        language = step.caller.language
        person = self._services.shelf.get(str(step.sent.get("character")))
        visit = self._seats.visit(step.place, step.caller)
        if not visit.agreed:
            if step.sent.get("rate") is not True:
                raise InputRefused(say(language, "compare_agree_first"))
            self._seats.agree(step.place, step.caller, scopes_of(step.sent))
        wishes = read_wishes(step.sent.get("wishes")) if step.stand.mode == "open" else ()
        if step.stand.mode == "open":
            sides(wishes, self._services.catalog, language)
        stand = replace(
            step.stand.left(), character=person.id, wishes=wishes,
            greeting=self._rng.randrange(len(greetings_of(person))),
        )  # fmt: skip
        return self._whole(replace(step, stand=stand))

    def _back(self, step: Step) -> View:
        return self._whole(replace(step, stand=step.stand.left()))

    # -- one message --------------------------------------------------------------------------

    def _say(self, step: Step) -> View:
        language, settings = step.caller.language, self._services.settings
        text = clean(str(step.sent.get("text", "")), settings.message_limit)
        caring = speaks_of_self_harm(text)
        drawn = None if caring else self._drawn(step)
        if drawn:
            self._services.doorkeeper.admit(step.place.visitor, step.caller.address)
        step = self._begun(step)
        visit = self._seats.visit(step.place, step.caller)
        self._settled(step, visit)
        with self._claimed(step) as keep:
            path = self._path(step)
            parent = next((one.id for one in reversed(path) if one.role == "assistant"), None)
            talk = step.stand.conversation
            message = self._store.append_user(step.place.visitor, talk, parent, text)
            if drawn is None:
                self._store.append_reply(step.place.visitor, talk, message.id, care(language))
            else:
                self._ask(step, visit, message.id, drawn)
                keep.append(True)
        taken = note({"id": message.id}, "taken", text)
        return self._whole(step)._replace(note=taken)

    def _retry(self, step: Step) -> View:
        """Ask the last message again: a pair was void, or it never came to a pair."""
        visit = self._seats.visit(step.place, step.caller)
        path = self._path(step)
        if not path or path[-1].role != "user":
            return self._whole(step)
        pair = self._pair(step, visit, path[-1])
        if pair and pair.state == "expired" and not pair.failed:
            self._desk.compare(
                visit, pair.turn, (pair.left, pair.right), self._rng,
                mode=cast(Any, pair.mode), policy=pair.policy, probability=pair.probability,
            )  # fmt: skip
            return self._whole(step)
        busy = self._services.running.busy(step.stand.conversation)
        if pair and pair.state != "void" and (pair.ready or busy):
            return self._whole(step)
        drawn = self._drawn(step)
        self._services.doorkeeper.admit(step.place.visitor, step.caller.address)
        with self._claimed(step) as keep:
            self._ask(step, visit, path[-1].id, drawn)
            keep.append(True)
        return self._whole(step)

    def _stop(self, step: Step) -> View:
        """Stop one side, or both; what they wrote is kept."""
        side = step.sent.get("side")
        if side not in ("left", "right"):
            self._services.running.stop(step.stand.conversation)
            return View()
        visit = self._seats.visit(step.place, step.caller)
        path = self._path(step)
        if path and (pair := self._pair(step, visit, path[-1])):
            self._services.running.stop(str(getattr(pair, side)))
        return View()

    def _look(self, step: Step) -> View:
        """Wait a while for the pair in the making, then say how it stands."""
        end = time.monotonic() + LOOK_S
        seen = bool(step.sent.get("form"))  # a pair that is new to the page is shown at once
        while (left := end - time.monotonic()) > 0:
            if self._services.running.settle(step.stand.conversation, left if seen else _GLANCE_S):
                break
            seen = seen or self._begun_to_write(step)
            if not step.sent.get("form") and seen:
                break
        return self._pair_now(step)

    def _begun_to_write(self, step: Step) -> bool:
        visit = self._seats.visit(step.place, step.caller)
        path = self._path(step)
        pair = self._pair(step, visit, path[-1]) if path else None
        return pair is not None and pair.state == "open"

    # -- the vote -----------------------------------------------------------------------------

    def _save(self, step: Step) -> View:
        visit = self._seats.visit(step.place, step.caller)
        deed = "revise" if step.sent["do"] == "revise" else "submit"
        try:
            receipt = self._seats.save(visit, cast(Any, deed), step.sent)
        except StoreUnavailable:
            said = say(step.caller.language, "compare_unsaved")
            return View(note=note(step.sent, "unsaved", said))
        told = note(step.sent, "saved", say(step.caller.language, "compare_saved"), receipt.code)
        return self._pair_now(step)._replace(note=told)

    def _reveal(self, step: Step) -> View:
        visit = self._seats.visit(step.place, step.caller)
        self._settled(step, visit)
        return self._pair_now(step)

    def _report(self, step: Step) -> View:
        self._seats.report(self._seats.visit(step.place, step.caller), step.sent)
        return View(note=note(step.sent, "told", say(step.caller.language, "rate_reported")))

    def _settled(self, step: Step, visit: Visit) -> None:
        """After the vote: tell the names and let the talk go on with the chosen reply.

        Raises `InputRefused` while the last pair is still to be written or voted on.
        """
        language = step.caller.language
        path = self._path(step)
        if not path or path[-1].role != "user":
            return
        pair = self._pair(step, visit, path[-1])
        if pair is None or pair.state in ("void", "expired"):
            if self._services.running.busy(step.stand.conversation):
                raise InputRefused(say(language, "compare_wait_first"))
            return
        if not pair.rated:
            waits = "compare_vote_first" if pair.ready else "compare_wait_first"
            raise InputRefused(say(language, waits))
        form = self._desk.sheet(visit, pair.form).form
        self._desk.ratings.reveal(visit.rater, form.id, form.token)
        with self._claimed(step):
            if self._path(step)[-1].id == path[-1].id:  # another tab may have been quicker
                reply = self._compared.reply(getattr(pair, pair.goes_on))
                talk = step.stand.conversation
                self._store.append_reply(step.place.visitor, talk, path[-1].id, reply)

    # -- what the steps share -----------------------------------------------------------------

    def _drawn(self, step: Step) -> arms.Drawn:
        catalog = self._services.catalog
        if step.stand.mode == "blind":
            return arms.draw(catalog, self._rng)
        return arms.chosen(*sides(step.stand.wishes, catalog, step.caller.language))

    def _begun(self, step: Step) -> Step:
        """The step with its conversation in the database."""
        if step.stand.conversation:
            self._store.get(step.place.visitor, step.stand.conversation)
            return step
        if not step.stand.character:
            raise InputRefused(say(step.caller.language, "no_conversation"))
        person = self._services.shelf.get(step.stand.character)
        greeting = greeting_of(person, step.stand.greeting)
        stored = self._store.create(step.place.visitor, person.id, greeting["zh"])
        return replace(step, stand=replace(step.stand, conversation=stored.id))

    @contextmanager
    def _claimed(self, step: Step) -> Iterator[list[bool]]:
        """The conversation for this step alone; whoever puts something in the list keeps it."""
        keep: list[bool] = []
        if not self._services.running.claim(step.stand.conversation):
            raise InputRefused(say(step.caller.language, "compare_wait_first"))
        try:
            yield keep
        finally:
            if not keep:
                self._services.running.end(step.stand.conversation)

    def _ask(self, step: Step, visit: Visit, message: str, drawn: arms.Drawn) -> None:
        self._worker.begin(
            Task(visit, step.place.visitor, step.stand.conversation, message, drawn,
                 step.stand.mode)
        )  # fmt: skip

    def _path(self, step: Step) -> tuple[StoredMessage, ...]:
        if not step.stand.conversation:
            return ()
        return tuple(self._store.path(step.place.visitor, step.stand.conversation))

    def _pair(self, step: Step, visit: Visit, message: StoredMessage) -> Pair | None:
        key = turn_key(step.stand.conversation, message.id)
        return self._compared.pairs(visit.rater, (key,)).get(key)

    # -- what is shown ------------------------------------------------------------------------

    def _whole(self, step: Step) -> View:
        """The whole page as it stands."""
        visit = self._seats.visit(step.place, step.caller)
        stage, pair = self._shower.page(step.place, step.stand, visit, step.caller.language)
        return View(step.place, step.stand, stage, pair)

    def _pair_now(self, step: Step) -> View:
        """The pair as it stands; the rest of the page is right already."""
        visit = self._seats.visit(step.place, step.caller)
        _, pair = self._shower.page(step.place, step.stand, visit, step.caller.language)
        return View(pair=pair)
