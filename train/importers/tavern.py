"""Imports Tavern Character Cards (JSON, PNG, CHARX): one file, or a folder of them.

Reading cards is the work of `rolecraft.characters.cards`; here their words are cleaned of personal
data, the card itself included, and counted.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rolecraft.characters.cards import Imported, read_card, save_card
from rolecraft.characters.model import Character
from rolecraft.errors import CharacterInvalid
from rolecraft.privacy import mask
from train.importers.gathered import Options
from train.importers.inputs import input_paths
from train.importers.ledger import Entry, Ledger

SUFFIXES = (".json", ".png", ".charx")


@dataclass(frozen=True)
class Card:
    """A card that was read and masked, ready to be written."""

    card: Imported

    @property
    def name(self) -> str:
        """The character's name."""
        return self.card.character.name["zh"]

    def write(self, shelf: Path) -> None:
        """Write the character's folder."""
        save_card(self.card, shelf)


def cards(source: Path, ledger: Ledger, options: Options) -> Iterator[Card]:
    """The cards of a file or folder. A card that cannot be read is refused; the others go on."""
    taken: dict[str, str] = {}
    for path in input_paths(source, SUFFIXES, ledger):
        shown = path.name if source.is_file() else path.relative_to(source).as_posix()
        entry = ledger.enter("card", shown, 1, shown)
        try:
            card = read_card(path.read_bytes(), shown, options.identity)
        except CharacterInvalid as error:
            entry.refuse(f"card that cannot be read: {error}")
            ledger.settle(shown)
            continue
        first = taken.setdefault(card.character.id, shown)
        if first != shown:
            entry.refuse(f"duplicate card: its id {card.character.id} is that of {first}")
            ledger.settle(card.character.name["zh"])
            continue
        yield Card(replace(card, character=_masked(card.character, entry, shown, ledger)))


def _masked(character: Character, entry: Entry, shown: str, ledger: Ledger) -> Character:
    """The character without personal data; each of its lines and answers is a record."""
    script = tuple(
        replace(
            dialogue,
            turns=tuple(
                replace(turn, text=_said("line", turn.text, shown, n, ledger))
                for n, turn in enumerate(dialogue.turns)
            ),
        )
        for dialogue in character.script
    )
    questions = tuple(
        replace(
            one,
            question=mask(one.question)[0],
            answer=_said("question", one.answer, shown, n, ledger),
        )
        for n, one in enumerate(character.questions)
    )
    general = tuple(
        replace(
            row,
            answers=tuple(
                replace(one, text=_said("reply", one.text, shown, n, ledger))
                for n, one in enumerate(row.answers)
            ),
        )
        for row in character.general
    )
    kinds: set[str] = set()
    fields = ("name", "greeting", "profile", "tagline", "alternate_greetings", "starters", "tavern")
    plain = {name: _without(getattr(character, name), kinds) for name in fields}
    style = replace(character.style, summary=_without(character.style.summary, kinds))
    relations = tuple(replace(one, **_without(asdict(one), kinds)) for one in character.relations)
    for kind in sorted(kinds):
        entry.repair(f"personal data masked: {kind}")
    entry.keep()
    return replace(
        character, **plain, style=style, relations=relations, script=script, questions=questions,
        general=general,
    )  # fmt: skip


def _said(kind: str, text: str, shown: str, item: int, ledger: Ledger) -> str:
    entry = ledger.enter(kind, shown, 1, text, item)
    clean, found = mask(text)
    for one in found:
        entry.repair(f"personal data masked: {one}")
    entry.keep()
    return clean


def _without(value: Any, kinds: set[str]) -> Any:
    """Any value with the personal data of its texts masked."""
    if isinstance(value, str):
        clean, found = mask(value)
        kinds.update(found)
        return clean
    if isinstance(value, Mapping):
        return {key: _without(one, kinds) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_without(one, kinds) for one in value)
    return value
