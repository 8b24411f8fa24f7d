"""The quick steps of the chat page: coming, choosing, the list of conversations, one message.

Knows no gradio: each step takes the visitor's place and what was done, and gives what is now to be
shown. The database is the truth; nothing that a browser says about the past is believed.
"""

import secrets
from contextlib import suppress

from rolecraft.admission import clean
from rolecraft.errors import ConversationNotFound, InputRefused
from rolecraft.services import Services
from rolecraft.store.conversations import TITLE_LENGTH
from rolecraft.ui import why
from rolecraft.ui.scene import Scene, Shown, greetings_of
from rolecraft.ui.texts import Language, say
from rolecraft.ui.visitor import Place, read_place

_SETTLE_S = 1.0  # a closed tab is noticed within half a second


class Talking:
    """The steps that ask no model. Safe to call from several threads."""

    def __init__(self, services: Services, scene: Scene) -> None:
        self._services = services
        self._store = services.conversations
        self._scene = scene

    # -- coming, choosing, leaving ------------------------------------------------------------

    def arrive(self, kept: object, language: Language) -> Shown:
        """The page was opened: back to where this browser was."""
        place = read_place(kept)
        if place.conversation:
            with suppress(ConversationNotFound):
                return self.open(place, place.conversation, language)
        if place.character in self._scene.faces:
            return self._scene.at(
                place.at(character=place.character, greeting=place.greeting), language
            )
        return self._scene.at(place.at(), language)

    def pick(self, place: Place, character: object, language: Language) -> Shown:
        """A card was chosen: a talk that is not in the database before something is said."""
        person = self._services.shelf.get(str(character))
        greeting = secrets.randbelow(len(greetings_of(person)))
        return self._scene.at(place.at(character=person.id, greeting=greeting), language)

    def greet(self, place: Place, language: Language) -> Shown:
        """Another opening of a talk that was not begun."""
        person = self._services.shelf.get(place.character)
        following = (place.greeting + 1) % len(greetings_of(person))
        moved = place.at(character=person.id, greeting=following)
        return self._scene.at(moved, language)

    def back(self, place: Place, language: Language) -> Shown:
        """To the cards."""
        return self._scene.at(place.at(), language)

    def open(self, place: Place, conversation: object, language: Language) -> Shown:
        """A conversation of the list."""
        stored = self._store.get(place.visitor, str(conversation))
        self._services.running.settle(stored.id, _SETTLE_S)
        return self._scene.at(place.at(stored.id, stored.character), language)

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
        return Shown(side=self._scene.side(place, language))

    def delete(self, place: Place, conversation: object, language: Language) -> Shown:
        """Erase a conversation; the one that is open gives way to the cards."""
        self._store.get(place.visitor, str(conversation))
        self._services.running.stop(str(conversation))
        self._services.running.settle(str(conversation), _SETTLE_S)
        self._store.delete(place.visitor, str(conversation))
        if conversation == place.conversation:
            return self.back(place, language)
        return Shown(side=self._scene.side(place, language))

    def export(
        self, place: Place, conversation: object, kind: str, language: Language
    ) -> dict[str, str]:
        """A conversation as a file: its name, type and text."""
        stored = self._store.get(place.visitor, str(conversation))
        face = self._scene.face(stored.character)
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
        return Shown(log=self._scene.log(place, language))

    def why(self, place: Place, message: object, language: Language) -> str:
        """Everything that made a reply."""
        reply = self._store.reply(place.visitor, place.conversation, str(message))
        return why.why(reply, language)

    def stop(self, place: Place, language: Language) -> Shown:
        """Stop the model. When there is nothing to stop, the page is put right again."""
        if place.conversation and self._services.running.stop(place.conversation):
            return Shown()
        return self._scene.at(place, language)
