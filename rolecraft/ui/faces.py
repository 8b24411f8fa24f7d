"""How each character is shown: names, tagline, portrait address. Also those who left the shelf.

Knows no page. Portraits are addressed by id, so that no path of this machine reaches a browser.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from rolecraft.characters import Shelf
from rolecraft.characters.model import Bilingual, Character
from rolecraft.ui import markup

PORTRAITS = "look/portraits"


@dataclass(frozen=True)
class Face:
    """What the page shows of a character. `on_shelf` is false for one who is gone."""

    id: str
    name: Bilingual
    tagline: Bilingual
    portrait: str | None
    on_shelf: bool = True

    def picture(self, language: str, kind: str = "") -> str:
        """The portrait as HTML."""
        return markup.portrait(self.id, self.name[language], self.portrait, kind)


def faces_of(shelf: Shelf) -> Mapping[str, Face]:
    """The faces of the shelf by id, in its order."""
    return {one.id: _face(one) for one in shelf.characters}


def stranger(character: str) -> Face:
    """The face of a character who is no longer on the shelf."""
    name = character or "？"
    return Face(character, {"zh": name, "en": name}, {"zh": "", "en": ""}, None, on_shelf=False)


def _face(character: Character) -> Face:
    address = None
    if character.portrait:
        # the hash lets browsers keep the picture until the file changes
        digest = hashlib.sha256(character.portrait.read_bytes()).hexdigest()[:12]
        address = f"{PORTRAITS}/{character.id}?v={digest}"
    return Face(character.id, character.name, character.tagline, address)
