"""What the visitor says, and the reply as it comes.

Knows no gradio. What was said is in the database before a model starts, and every reply, also a
broken one, before the page says that it is done.
"""

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from rolecraft.admission import care, clean, without_care
from rolecraft.chat import Partial, Request, start
from rolecraft.comparison.arms import Side
from rolecraft.conversation import Reply
from rolecraft.errors import ConversationNotFound, InputRefused, RoleCraftError, StoreUnavailable
from rolecraft.moderation import speaks_of_self_harm
from rolecraft.services import Services, without_sources
from rolecraft.store.stored import StoredConversation, StoredMessage
from rolecraft.ui import talk
from rolecraft.ui.faces import Face
from rolecraft.ui.options import Options, read_options
from rolecraft.ui.scene import Scene, Shown, greeting_of
from rolecraft.ui.texts import Language, say
from rolecraft.ui.visitor import Place

log = logging.getLogger(__name__)

_MOST_UNKEPT = 200  # replies that wait in memory for a database that takes them
PACE_S = 1 / 15  # between two looks at a reply in the making


class Saying:
    """The steps that ask a model. Safe to call from several threads."""

    def __init__(self, services: Services, scene: Scene) -> None:
        self._services = services
        self._store = services.conversations
        self._scene = scene
        self._unkept: dict[str, tuple[str, Reply]] = {}  # by conversation: what it answers, reply

    def make(
        self, place: Place, sent: object, language: Language, address: str = ""
    ) -> Iterator[Shown]:
        """Say something, say it differently, or ask for another answer; the reply as it comes.

        `address` is where the visitor comes from, for the rates. Raises after a last `Shown` that
        puts the page right; what was stored stays.
        """
        given: dict[str, Any] = sent if isinstance(sent, dict) else {}
        latest = place
        try:
            for shown in self._made(place, given, language, address):
                latest = shown.place or latest
                yield shown
        except Exception as error:
            kept = isinstance(error, StoreUnavailable)
            yield self._scene.after_failure(latest, language, keep_stream=kept)
            raise

    def _made(
        self, place: Place, given: dict[str, Any], language: Language, address: str
    ) -> Iterator[Shown]:
        deed = given.get("do")
        if deed in ("send", "edit"):
            yield from self._say(place, given, language, address)
        elif deed == "again":
            options = self._ready(given, language)
            message = self._asked(place, str(given.get("id")))
            self._services.doorkeeper.admit(place.visitor, address)
            with self._claimed(place, language):
                if self._caught_up(place) == message.id:  # the answer was only not stored yet
                    yield self._scene.at(place, language)
                else:
                    yield from self._answer(place, message, options, language)

    def _say(
        self, place: Place, given: dict[str, Any], language: Language, address: str
    ) -> Iterator[Shown]:
        text = clean(str(given.get("text", "")), self._services.settings.message_limit)
        options = None
        if not speaks_of_self_harm(text):  # who is over the rate is still given a hand
            options = self._ready(given, language)
            self._services.doorkeeper.admit(place.visitor, address)
        place = self._begun(place, language)
        with self._claimed(place, language):
            self._caught_up(place)
            if given.get("do") == "edit":
                parent = self._own(place, str(given.get("id")), language).parent
            else:
                parent = _last_reply(self._store.path(place.visitor, place.conversation))
            message = self._store.append_user(place.visitor, place.conversation, parent, text)
            if options:
                yield from self._answer(place, message, options, language)
            else:
                answer = care(language)
                self._store.append_reply(place.visitor, place.conversation, message.id, answer)
                yield self._scene.at(place, language, sent=message.id)

    @contextmanager
    def _claimed(self, place: Place, language: Language) -> Iterator[None]:
        """The conversation for this answer alone."""
        if not self._services.running.claim(place.conversation):
            raise InputRefused(say(language, "busy"))
        try:
            yield
        finally:
            self._services.running.end(place.conversation)

    def _ready(self, given: dict[str, Any], language: Language) -> Options:
        """The options, after the engine has been opened: its refusal must come before all else."""
        options = read_options(given.get("settings"), self._services.catalog, language)
        self._services.catalog.open(options.engine)
        return options

    def _begun(self, place: Place, language: Language) -> Place:
        """The place with its conversation in the database."""
        if place.conversation:
            stored = self._store.get(place.visitor, place.conversation)
            self._services.shelf.get(stored.character)
            return place
        if not place.character:
            raise InputRefused(say(language, "no_conversation"))
        person = self._services.shelf.get(place.character)
        greeting = greeting_of(person, place.greeting)
        stored = self._store.create(place.visitor, person.id, greeting["zh"])
        return place.at(stored.id, person.id)

    def _find(self, place: Place, message: str) -> StoredMessage:
        path = self._store.path(place.visitor, place.conversation, until=message)
        return path[-1]

    def _own(self, place: Place, message: str, language: Language) -> StoredMessage:
        """A message of the visitor; what the character said is not theirs to change."""
        found = self._find(place, message)
        if found.role != "user":
            raise InputRefused(say(language, "not_yours"))
        return found

    def _asked(self, place: Place, message: str) -> StoredMessage:
        """The visitor's message that this reply answers, or this message itself."""
        found = self._find(place, message)
        if found.role == "user":
            return found
        return self._find(place, str(found.parent))

    # -- the answer ---------------------------------------------------------------------------

    def _answer(
        self, place: Place, message: StoredMessage, options: Options, language: Language
    ) -> Iterator[Shown]:
        stored = self._store.get(place.visitor, place.conversation)
        if stored.engine != options.engine:
            stored = self._store.use_engine(place.visitor, place.conversation, options.engine)
        face = self._scene.face(stored.character)
        yield Shown(
            place=place,
            head=talk.head(face, stored.engine, language),
            log=self._scene.log(place, language, until=message.id),
            stream=talk.stream(face, None, language),
            composer=f"busy:{message.id}",
            side=self._scene.side(place, language),
        )
        answering = start(self._request(place, stored, message, options), self._services.index)
        failure: RoleCraftError | None = None
        self._services.running.begin(place.conversation, answering)
        try:
            # Closed at once, so that the reply is final below.
            with closing(answering.partials()) as partials:
                yield from _streamed(face, partials, language)
        except RoleCraftError as error:
            failure = error
        finally:
            reply = answering.reply
            trouble = self._keep(place, message.id, reply)
        if trouble:
            said = Partial(reply.text, reply.emotion)
            yield Shown(stream=talk.stream(face, said, language, mark="unkept"))
            raise trouble
        yield self._scene.at(place, language, sent=message.id)
        if failure:
            raise failure

    def _keep(self, place: Place, message: str, reply: Reply) -> StoreUnavailable | None:
        """Store a reply. What the database does not take now waits for the talk's next step."""
        try:
            self._store.append_reply(place.visitor, place.conversation, message, reply)
        except ConversationNotFound:  # deleted meanwhile: nothing is to be kept
            return None
        except StoreUnavailable as error:
            log.warning("A reply waits to be stored: %s", error)
            if len(self._unkept) >= _MOST_UNKEPT:
                self._unkept.pop(next(iter(self._unkept), ""), None)
            self._unkept[place.conversation] = message, reply
            return error
        return None

    def _caught_up(self, place: Place) -> str:
        """Store the reply that waits for it; which message it answers. Raises StoreUnavailable."""
        message, reply = self._unkept.pop(place.conversation, ("", None))
        if reply and (trouble := self._keep(place, message, reply)):
            raise trouble
        return message

    def _request(
        self, place: Place, stored: StoredConversation, message: StoredMessage, options: Options
    ) -> Request:
        person = self._services.shelf.get(stored.character)
        told = self._store.as_conversation(place.visitor, place.conversation, until=message.id)
        begun, passages = time.monotonic(), None
        if not options.passages:
            history = tuple(turn.user for turn in told.turns[:-1])
            near = self._services.index.retrieve(person, message.text, history)
            passages = without_sources(near)
        return Request(
            character=person,
            conversation=without_care(told),
            engine=self._services.catalog.open(options.engine),
            budget=self._services.catalog.budget(options.engine),
            sampling=options.sampling,
            emotion=options.emotion,
            passages=passages,
            conditions=self._conditions(options),
            begun=begun,
        )

    def _conditions(self, options: Options) -> str:
        """What the visitor has set apart from the engine's own way, as boards keep it apart."""
        own = self._services.catalog.entry(options.engine).sampling
        side = Side(
            options.engine, options.sampling, own, options.passages, emotion=options.emotion
        )
        return side.conditions


def _last_reply(path: Iterable[StoredMessage]) -> str | None:
    """Where the next message belongs; one that was never answered is passed over."""
    replies = [message.id for message in path if message.role == "assistant"]
    return replies[-1] if replies else None


def _streamed(face: Face, partials: Iterable[Partial], language: Language) -> Iterator[Shown]:
    """The reply in the making, or the place in the queue.

    A step comes also when nothing changed: only between two steps a closed tab is noticed.
    """
    before = ""
    for partial in _paced(partials):
        now = talk.stream(face, partial, language)
        yield Shown(stream=now) if now != before else Shown()
        before = now


def _paced(partials: Iterable[Partial]) -> Iterator[Partial]:
    """At most fifteen a second: more than that no eye can tell, but every page pays for."""
    due, place = 0.0, 0
    for partial in partials:
        now = time.monotonic()
        if now >= due or partial.place != place:
            due, place = now + PACE_S, partial.place
            yield partial
