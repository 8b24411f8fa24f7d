"""The shelf: every character of a folder of character folders, found by id or by name.

A faulty folder is reported and left out; the others still load.
"""

import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from rolecraft.characters.folder import Topics, read_asked, read_folder, read_topics
from rolecraft.characters.marked import Problem, Reader
from rolecraft.characters.model import Character
from rolecraft.errors import CharacterInvalid, CharacterNotFound


@dataclass(frozen=True)
class Shelf:
    """The characters that loaded, in order of id, and what is wrong with the others."""

    folder: Path
    characters: tuple[Character, ...]
    problems: tuple[Problem, ...] = ()
    topics: Topics = field(default_factory=dict)  # everyday.yaml
    asked: Topics = field(default_factory=dict)  # asked.yaml

    def get(self, id_or_name: str) -> Character:
        """The character of that id, Chinese name or English name.

        Raises `CharacterNotFound`, which names the near and the known ones.
        """
        wanted = _key(id_or_name)
        for character in self.characters:
            if wanted in _keys(character):
                return character
        raise CharacterNotFound(self._not_found(id_or_name, wanted))

    def _not_found(self, asked: str, wanted: str) -> str:
        shown = asked if len(asked) <= 40 else asked[:39] + "…"
        owners = {key: one for one in self.characters for key in _keys(one)}
        near = get_close_matches(wanted[:60], list(owners), n=3, cutoff=0.5)
        close = list(dict.fromkeys(_label(owners[key]) for key in near))
        known = ", ".join(_label(one) for one in self.characters) or "nobody"
        guess = f" Did you mean {' or '.join(close)}?" if close else ""
        faulty = [p for p in self.problems if Path(p.path).parent.name == wanted]
        reason = f" Its folder has a problem: {faulty[0]}" if faulty else ""
        return f"No character named {shown!r}.{reason}{guess} On the shelf: {known}."


def read_shelf(folder: Path | str) -> Shelf:
    """Read every character folder in `folder`; hidden folders and single files are passed over."""
    root = Path(folder)
    if not root.is_dir():
        raise CharacterInvalid(
            f"No folder of characters at {str(root)!r}. Name one that holds <id>/card.yaml folders."
        )
    said, ways = Reader(root / "everyday.yaml"), Reader(root / "asked.yaml")
    topics, asked = read_topics(said), read_asked(ways)
    characters: list[Character] = []
    problems: list[Problem] = [*said.problems, *ways.problems]
    owners: dict[str, Character] = {}
    for inner in sorted(path for path in root.iterdir() if path.is_dir()):
        if inner.name.startswith((".", "_")):
            continue
        character, wrong = read_folder(inner, topics, asked)
        problems.extend(wrong)
        if character is None:
            continue
        taken = next((owners[key] for key in _keys(character) if key in owners), None)
        if taken:
            remedy = f"{taken.id} answers to the same name; choose another."
            card = str(inner / "card.yaml")
            problems.append(Problem(card, 0, "name", character.name["zh"], remedy))
            continue
        characters.append(character)
        owners.update(dict.fromkeys(_keys(character), character))
    return Shelf(root, tuple(characters), tuple(problems), topics or {}, asked)


def trait_counts(shelf: Shelf) -> Counter[str]:
    """How many characters have each trait."""
    return Counter(trait for character in shelf.characters for trait in character.traits)


def _key(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(folded.split())


def _keys(character: Character) -> set[str]:
    return {_key(character.id), _key(character.name["zh"]), _key(character.name["en"])}


def _label(character: Character) -> str:
    return f"{character.name['zh']} ({character.id})"
