"""What the chat page shows at a visitor's place, read from the database and the shelf.

Knows no gradio and changes nothing.
"""

import secrets
from typing import NamedTuple

from rolecraft.characters.model import Bilingual, Character
from rolecraft.errors import CharacterNotFound, RoleCraftError
from rolecraft.services import Services
from rolecraft.ui import side, talk
from rolecraft.ui.faces import Face, faces_of, stranger
from rolecraft.ui.texts import Language
from rolecraft.ui.visitor import Place


class Shown(NamedTuple):
    """What changes on the page; None leaves a part as it is. The order is that of the outputs."""

    place: Place | None = None
    head: str | None = None
    log: str | None = None
    stream: str | None = None
    composer: str | None = None
    side: str | None = None


class Scene:
    """Draws the page. Safe to call from several threads."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = services.conversations
        self.faces = faces_of(services.shelf)

    def face(self, character: str) -> Face:
        """How a character is shown, also one who is gone."""
        return self.faces.get(character) or stranger(character)

    def at(self, place: Place, language: Language, sent: str = "") -> Shown:
        """The whole page at this place. `sent` names the message whose text was taken."""
        head = log = ""
        if place.conversation:
            stored = self._store.get(place.visitor, place.conversation)
            head = talk.head(self.face(stored.character), stored.engine, language)
            log = self.log(place, language)
        elif place.character:
            head = talk.head(self.face(place.character), "", language)
            log = self.log(place, language)
        return Shown(
            place=place,
            head=head,
            log=log,
            stream="",
            composer=f"idle:{sent or secrets.token_hex(4)}",
            side=self.side(place, language),
        )

    def after_failure(self, place: Place, language: Language, *, keep_stream: bool) -> Shown:
        """The page put right again after something went wrong."""
        try:
            shown = self.at(place, language)
        except RoleCraftError:
            shown = Shown(place=place, composer=f"idle:{secrets.token_hex(4)}")
        # words that could not be stored are left before the eyes of who waited for them
        return shown._replace(stream=None) if keep_stream else shown

    def side(self, place: Place, language: Language) -> str:
        """The visitor's conversations."""
        talks = self._store.list(place.visitor)
        return side.conversations(talks, place.conversation, self.face, language)

    def log(self, place: Place, language: Language, until: str | None = None) -> str:
        """The messages that are shown; with `until` up to that one, which is being answered."""
        return talk.log(self._talk(place, language, until), language)

    def _talk(self, place: Place, language: Language, until: str | None) -> talk.Talk:
        if not place.conversation:
            return self._unbegun(place, language)
        stored = self._store.get(place.visitor, place.conversation)
        person = self._person(stored.character)
        path = self._store.path(place.visitor, place.conversation, until)
        translated = ""
        if person and language == "en":
            translated = talk.greeting_pair(greetings_of(person), stored.greeting)
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
        greeting = greeting_of(person, place.greeting)
        return talk.Talk(
            face=self.face(person.id),
            greeting=greeting["zh"],
            greeting_translated=greeting["en"] if language == "en" else "",
            starters=person.starters,
            more_greetings=len(greetings_of(person)) > 1,
        )

    def _person(self, character: str) -> Character | None:
        try:
            return self._services.shelf.get(character)
        except CharacterNotFound:
            return None


def greetings_of(person: Character) -> tuple[Bilingual, ...]:
    """Every opening of a character, the usual one first."""
    return (person.greeting, *person.alternate_greetings)


def greeting_of(person: Character, number: int) -> Bilingual:
    """One opening; numbers beyond the last begin again."""
    greetings = greetings_of(person)
    return greetings[number % len(greetings)]
