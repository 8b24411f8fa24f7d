"""What the page /compare shows to a visitor who stands somewhere, read from the database.

Knows no gradio and changes nothing. An arm's name leaves this module only for a pair whose names
are told, or that the visitor put together in open mode.
"""

from collections.abc import Mapping

from rolecraft.admission import CARE
from rolecraft.comparison.worker import turn_key
from rolecraft.errors import CharacterNotFound
from rolecraft.ratings.desk import Visit
from rolecraft.services import Services
from rolecraft.store.compared import Compared, Pair
from rolecraft.store.stored import StoredMessage
from rolecraft.ui import compare_pair, compare_scene
from rolecraft.ui.compare_ballot import LETTERS
from rolecraft.ui.compare_pair import Pane, Verdict
from rolecraft.ui.compare_scene import Round
from rolecraft.ui.compare_told import Told
from rolecraft.ui.faces import faces_of, stranger
from rolecraft.ui.scene import greeting_of, greetings_of
from rolecraft.ui.stand import Stand
from rolecraft.ui.talk import greeting_pair
from rolecraft.ui.texts import Language
from rolecraft.ui.visitor import Place

_OTHER = {"left": "right", "right": "left"}


class Shower:
    """Safe to call from several threads."""

    def __init__(self, services: Services, compared: Compared) -> None:
        self._services = services
        self._compared = compared
        self._faces = faces_of(services.shelf)

    def page(self, place: Place, stand: Stand, visit: Visit, language: Language) -> tuple[str, str]:
        """What surrounds the pair, and the pair."""
        services = self._services
        if stand.conversation:
            return self._talk(place, stand, visit, language)
        if stand.character:
            person = services.shelf.get(stand.character)
            face = self._faces[person.id]
            greeting = greeting_of(person, stand.greeting)
            log = compare_scene.log(face, greeting, (), "", person.starters, language)
            return compare_scene.head(face, stand, language) + log, ""
        start = compare_scene.start(
            services.shelf, self._faces, services.catalog, stand, language, agreed=visit.agreed
        )
        return start, ""

    def _talk(
        self, place: Place, stand: Stand, visit: Visit, language: Language
    ) -> tuple[str, str]:
        stored = self._services.conversations.get(place.visitor, stand.conversation)
        path = self._services.conversations.path(place.visitor, stand.conversation)
        keys = [turn_key(stored.id, one.id) for one in path if one.role == "user"]
        pairs = self._compared.pairs(visit.rater, keys)
        face = self._faces.get(stored.character) or stranger(stored.character)
        greeting = {"zh": stored.greeting, "en": self._meaning(stored.character, stored.greeting)}
        rounds = [
            self._round(one, answer, pairs.get(turn_key(stored.id, one.id)))
            for one, answer in zip(path[::2], path[1::2], strict=False)
        ]
        asked = path[-1].text if path and path[-1].role == "user" else ""
        shown = ""
        if asked:
            shown = self._pending(stand, path[-1], pairs, visit, language)
        elif rounds and (pair := pairs.get(turn_key(stored.id, path[-2].id))):
            # the last round stands in full until the talk goes on
            rounds, asked = rounds[:-1], path[-2].text
            form = self._services.desk.sheet(visit, pair.form).form
            panes = self._panes(pair, told=True)
            shown = compare_pair.telling(panes, form, _verdict(pair), language)
        log = compare_scene.log(face, greeting, rounds, asked, (), language)
        return compare_scene.head(face, stand, language) + log, shown

    def _meaning(self, character: str, said: str) -> str:
        try:
            return greeting_pair(greetings_of(self._services.shelf.get(character)), said)
        except CharacterNotFound:
            return ""

    def _pending(
        self,
        stand: Stand,
        message: StoredMessage,
        pairs: Mapping[str, Pair],
        visit: Visit,
        language: Language,
    ) -> str:
        """The pair of a message that has no answer yet."""
        pair = pairs.get(turn_key(stand.conversation, message.id))
        busy = self._services.running.busy(stand.conversation)
        writing = pair is None or pair.state == "void" or not pair.ready
        if busy and writing:
            begun = pair.form if pair and pair.state == "open" else ""
            return compare_pair.waiting((Pane("left"), Pane("right")), begun, language)
        if pair is None:
            return compare_pair.unasked(language)
        is_open = pair.mode == "open"
        if pair.failed or pair.state == "void":
            return compare_pair.broken(self._panes(pair, told=is_open), language)
        if pair.rated:
            form = self._services.desk.sheet(visit, pair.form).form
            panes = self._panes(pair, told=is_open or pair.revealed)
            return compare_pair.saved(panes, form, _verdict(pair), language)
        if pair.state == "expired":
            return compare_pair.unasked(language, expired=True)
        if not pair.ready:  # nobody writes it any more
            return compare_pair.unasked(language)
        form = self._services.desk.sheet(visit, pair.form).form
        return compare_pair.voting(self._panes(pair, told=is_open), form, language)

    def _panes(self, pair: Pair, *, told: bool) -> tuple[Pane, Pane]:
        left, right = (
            self._pane(pair, side, generation, told)
            for side, generation in (("left", pair.left), ("right", pair.right))
        )
        return left, right

    def _pane(self, pair: Pair, side: str, generation: str, told: bool) -> Pane:
        failed = side in pair.failed
        said = self._services.desk.shown.text(generation)
        return Pane(
            side, said.text, said.finish, failed, self._told(side, generation) if told else None
        )

    def _told(self, side: str, generation: str) -> Told:
        arm, conditions = self._compared.arm(generation)
        return Told(side, arm, conditions, self._compared.reply(generation))

    def _round(self, asked: StoredMessage, answer: StoredMessage, pair: Pair | None) -> Round:
        if pair is None or not pair.revealed:
            # a line of care, or an answer that the chat page gave
            is_care = answer.text in CARE.values()
            return Round(asked.text, answer.text, answer.emotion, care=is_care)
        side = pair.goes_on
        other = _OTHER[side]
        beside = self._services.desk.shown.text(getattr(pair, other))
        return Round(
            asked.text, answer.text, answer.emotion,
            letter=LETTERS[side], name=self._told(side, getattr(pair, side)).name,
            other_letter=LETTERS[other],
            other_name=self._told(other, getattr(pair, other)).name, other=beside.text,
        )  # fmt: skip


def _verdict(pair: Pair) -> Verdict:
    return Verdict(pair.preference, pair.goes_on, pair.receipt)
