"""What happens when a visitor does something on the chat page.

Knows no gradio: each step takes the visitor's place and what was done, and gives what is now to be
shown. The database is the truth; nothing that a browser says about the past is believed.
"""

import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any, NamedTuple

from rolecraft.admission import CARE_ENGINE, care, clean, speaks_of_self_harm
from rolecraft.characters.model import Bilingual, Character
from rolecraft.chat import Answering, Partial, Request, start
from rolecraft.conversation import Conversation
from rolecraft.errors import (
    CharacterNotFound,
    ConversationNotFound,
    InputRefused,
    RoleCraftError,
    StoreUnavailable,
)
from rolecraft.services import Services, without_sources
from rolecraft.store.conversations import TITLE_LENGTH
from rolecraft.store.stored import StoredConversation, StoredMessage
from rolecraft.ui import side, talk, why
from rolecraft.ui.faces import Face, faces_of, stranger
from rolecraft.ui.options import Options, read_options
from rolecraft.ui.texts import Language, say
from rolecraft.ui.visitor import Place, read_place

PACE_S = 1 / 15  # between two looks at a reply in the making
_SETTLE_S = 1.0  # a closed tab is noticed within half a second


class Shown(NamedTuple):
    """What changes on the page; None leaves a part as it is. The order is that of the outputs."""

    place: Place | None = None
    head: str | None = None
    log: str | None = None
    stream: str | None = None
    composer: str | None = None
    side: str | None = None


class Talking:
    """The steps of the chat page. Safe to call from several threads."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = services.conversations
        self.faces = faces_of(services.shelf)

    # -- coming, choosing, leaving ------------------------------------------------------------

    def arrive(self, kept: object, language: Language) -> Shown:
        """The page was opened: back to where this browser was."""
        place = read_place(kept)
        if place.conversation:
            with suppress(ConversationNotFound):
                return self.open(place, place.conversation, language)
        if place.character in self.faces:
            return self._at(place.at(character=place.character, greeting=place.greeting), language)
        return self._at(place.at(), language)

    def pick(self, place: Place, character: object, language: Language) -> Shown:
        """A card was chosen: a talk that is not in the database before something is said."""
        person = self._services.shelf.get(str(character))
        greeting = secrets.randbelow(len(_greetings(person)))
        return self._at(place.at(character=person.id, greeting=greeting), language)

    def greet(self, place: Place, language: Language) -> Shown:
        """Another opening of a talk that was not begun."""
        person = self._services.shelf.get(place.character)
        following = (place.greeting + 1) % len(_greetings(person))
        moved = place.at(character=person.id, greeting=following)
        return self._at(moved, language)

    def back(self, place: Place, language: Language) -> Shown:
        """To the cards."""
        return self._at(place.at(), language)

    def open(self, place: Place, conversation: object, language: Language) -> Shown:
        """A conversation of the list."""
        stored = self._store.get(place.visitor, str(conversation))
        self._services.running.settle(stored.id, _SETTLE_S)
        return self._at(place.at(stored.id, stored.character), language)

    # -- the list of conversations ------------------------------------------------------------

    def rename(
        self, place: Place, conversation: object, title: object, language: Language
    ) -> Shown:
        """Another name for a conversation."""
        words = " ".join(clean(str(title), 10_000).split()) if str(title).strip() else ""
        if not words:
            raise InputRefused(say(language, "title_empty"))
        if len(words) > TITLE_LENGTH:
            raise InputRefused(say(language, "title_long", limit=TITLE_LENGTH))
        self._store.rename(place.visitor, str(conversation), words)
        return Shown(side=self._side(place, language))

    def delete(self, place: Place, conversation: object, language: Language) -> Shown:
        """Erase a conversation; the one that is open gives way to the cards."""
        self._store.get(place.visitor, str(conversation))
        self._services.running.stop(str(conversation))
        self._services.running.settle(str(conversation), _SETTLE_S)
        self._store.delete(place.visitor, str(conversation))
        if conversation == place.conversation:
            return self.back(place, language)
        return Shown(side=self._side(place, language))

    def export(
        self, place: Place, conversation: object, kind: str, language: Language
    ) -> dict[str, str]:
        """A conversation as a file: its name, type and text."""
        stored = self._store.get(place.visitor, str(conversation))
        face = self.face(stored.character)
        speaker = face.name[language]
        name = "".join(sign if sign.isalnum() else "-" for sign in stored.title or "talk")[:40]
        if kind == "md":
            text = self._store.export_markdown(
                place.visitor, stored.id, speaker=speaker, language=language
            )
        else:
            text = self._store.export_json(place.visitor, stored.id)
        return {
            "name": f"{speaker}-{name}.{kind}",
            "type": "text/markdown" if kind == "md" else "application/json",
            "text": text,
            "nonce": secrets.token_hex(4),
        }

    # -- one message --------------------------------------------------------------------------

    def step(self, place: Place, message: object, step: object, language: Language) -> Shown:
        """The version before or after."""
        by = -1 if step == -1 else 1
        self._store.select_sibling(place.visitor, place.conversation, str(message), by)
        return Shown(log=self._log(place, language))

    def why(self, place: Place, message: object, language: Language) -> str:
        """Everything that made a reply."""
        reply = self._store.reply(place.visitor, place.conversation, str(message))
        return why.why(reply, language)

    def stop(self, place: Place, language: Language) -> Shown:
        """Stop the model. When there is nothing to stop, the page is put right again."""
        if place.conversation and self._services.running.stop(place.conversation):
            return Shown()
        return self._at(place, language)

    # -- saying something ---------------------------------------------------------------------

    def make(self, place: Place, sent: object, language: Language) -> Iterator[Shown]:
        """Say something, say it differently, or ask for another answer; the reply as it comes.

        Raises after a last `Shown` that puts the page right; what was stored stays.
        """
        given: dict[str, Any] = sent if isinstance(sent, dict) else {}
        latest = place
        try:
            for shown in self._made(place, given, language):
                latest = shown.place or latest
                yield shown
        except Exception as error:
            kept = isinstance(error, StoreUnavailable)
            yield self._after_failure(latest, language, keep_stream=kept)
            raise

    def _made(self, place: Place, given: dict[str, Any], language: Language) -> Iterator[Shown]:
        if place.conversation and self._services.running.busy(place.conversation):
            raise InputRefused(say(language, "busy"))
        deed = given.get("do")
        if deed in ("send", "edit"):
            yield from self._say(place, given, language)
        elif deed == "again":
            options = self._ready(given, language)
            message = self._asked(place, str(given.get("id")))
            self._services.doorkeeper.admit(place.visitor)
            yield from self._answer(place, message, options, language)

    def _say(self, place: Place, given: dict[str, Any], language: Language) -> Iterator[Shown]:
        text = clean(str(given.get("text", "")), self._services.settings.message_limit)
        harm = speaks_of_self_harm(text)
        if not harm:  # a hand is held out even to those who are over their rate
            options = self._ready(given, language)
            self._services.doorkeeper.admit(place.visitor)
        if given.get("do") == "edit":
            parent = self._find(place, str(given.get("id"))).parent
        else:
            place = self._begun(place, language)
            parent = _last_reply(self._store.path(place.visitor, place.conversation))
        message = self._store.append_user(place.visitor, place.conversation, parent, text)
        if harm:
            self._store.append_reply(place.visitor, place.conversation, message.id, care(language))
            yield self._at(place, language, sent=message.id)
            return
        yield from self._answer(place, message, options, language)

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
        greeting = _greeting(person, place.greeting)
        stored = self._store.create(place.visitor, person.id, greeting["zh"])
        return place.at(stored.id, person.id)

    def _find(self, place: Place, message: str) -> StoredMessage:
        path = self._store.path(place.visitor, place.conversation, until=message)
        return path[-1]

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
        face = self.face(stored.character)
        yield Shown(
            place=place,
            head=talk.head(face, stored.engine, language),
            log=self._log(place, language, until=message.id),
            stream=talk.stream(face, None, language),
            composer=f"busy:{message.id}",
            side=self._side(place, language),
        )
        answering = start(self._request(place, stored, message, options), self._services.index)
        failure: RoleCraftError | None = None
        self._services.running.begin(place.conversation, answering)
        try:
            with closing(iter(answering)) as partials:  # closed now, so that the reply is final
                for partial in _paced(partials):
                    yield Shown(stream=talk.stream(face, partial, language))
        except RoleCraftError as error:
            failure = error
        finally:
            self._keep(place, message, answering)
        yield self._at(place, language, sent=message.id)
        if failure:
            raise failure

    def _keep(self, place: Place, message: StoredMessage, answering: Answering) -> None:
        try:
            self._store.append_reply(place.visitor, place.conversation, message.id, answering.reply)
        except ConversationNotFound:
            pass  # deleted while it was being answered: nothing is to be kept
        finally:
            self._services.running.end(place.conversation, answering)

    def _request(
        self, place: Place, stored: StoredConversation, message: StoredMessage, options: Options
    ) -> Request:
        person = self._services.shelf.get(stored.character)
        told = self._store.as_conversation(place.visitor, place.conversation, until=message.id)
        passages = None
        if not options.passages:
            history = tuple(turn.user for turn in told.turns[:-1])
            near = self._services.index.retrieve(person, message.text, history)
            passages = without_sources(near)
        return Request(
            character=person,
            conversation=_without_care(told),
            engine=self._services.catalog.open(options.engine),
            budget=self._services.catalog.budget(options.engine),
            sampling=options.sampling,
            emotion=options.emotion,
            passages=passages,
        )

    # -- what is shown ------------------------------------------------------------------------

    def face(self, character: str) -> Face:
        """How a character is shown, also one who is gone."""
        return self.faces.get(character) or stranger(character)

    def _at(self, place: Place, language: Language, sent: str = "") -> Shown:
        """The whole page at this place. `sent` names the message whose text was taken."""
        head = log = ""
        if place.conversation:
            stored = self._store.get(place.visitor, place.conversation)
            head = talk.head(self.face(stored.character), stored.engine, language)
            log = self._log(place, language)
        elif place.character:
            head = talk.head(self.face(place.character), "", language)
            log = self._log(place, language)
        return Shown(
            place=place,
            head=head,
            log=log,
            stream="",
            composer=f"idle:{sent or secrets.token_hex(4)}",
            side=self._side(place, language),
        )

    def _after_failure(self, place: Place, language: Language, *, keep_stream: bool) -> Shown:
        try:
            shown = self._at(place, language)
        except RoleCraftError:
            shown = Shown(place=place, composer=f"idle:{secrets.token_hex(4)}")
        # words that could not be stored are left before the eyes of who waited for them
        return shown._replace(stream=None) if keep_stream else shown

    def _side(self, place: Place, language: Language) -> str:
        talks = self._store.list(place.visitor)
        return side.conversations(talks, place.conversation, self.face, language)

    def _log(self, place: Place, language: Language, until: str | None = None) -> str:
        return talk.log(self._talk(place, language, until), language)

    def _talk(self, place: Place, language: Language, until: str | None) -> talk.Talk:
        if not place.conversation:
            return self._unbegun(place, language)
        stored = self._store.get(place.visitor, place.conversation)
        person = self._person(stored.character)
        path = self._store.path(place.visitor, place.conversation, until)
        translated = ""
        if person and language == "en":
            translated = talk.greeting_pair(_greetings(person), stored.greeting)
        return talk.Talk(
            face=self.face(stored.character),
            greeting=stored.greeting,
            greeting_translated=translated,
            messages=path,
            starters=person.starters if person else (),
            answering=until is not None,
            elsewhere=until is None and self._services.running.busy(place.conversation),
        )

    def _unbegun(self, place: Place, language: Language) -> talk.Talk:
        person = self._services.shelf.get(place.character)
        greeting = _greeting(person, place.greeting)
        return talk.Talk(
            face=self.face(person.id),
            greeting=greeting["zh"],
            greeting_translated=greeting["en"] if language == "en" else "",
            starters=person.starters,
            more_greetings=len(_greetings(person)) > 1,
        )

    def _person(self, character: str) -> Character | None:
        try:
            return self._services.shelf.get(character)
        except CharacterNotFound:
            return None


def _without_care(told: Conversation) -> Conversation:
    """The conversation as a model may see it: help lines are not the character's own words."""
    *before, last = told.turns
    kept = (t for t in before if not (t.reply and t.reply.identity.engine == CARE_ENGINE))
    return replace(told, turns=(*kept, last))


def _greetings(person: Character) -> tuple[Bilingual, ...]:
    return (person.greeting, *person.alternate_greetings)


def _greeting(person: Character, place: int) -> Bilingual:
    greetings = _greetings(person)
    return greetings[place % len(greetings)]


def _last_reply(path: Iterable[StoredMessage]) -> str | None:
    """Where the next message belongs; one that was never answered is passed over."""
    replies = [message.id for message in path if message.role == "assistant"]
    return replies[-1] if replies else None


def _paced(partials: Iterable[Partial]) -> Iterator[Partial]:
    """At most fifteen a second: more than that no eye can tell, but every page pays for."""
    due = 0.0
    for partial in partials:
        now = time.monotonic()
        if now >= due:
            due = now + PACE_S
            yield partial
