"""Who the visitor is and where they are on the page, as their browser remembers it.

The browser keeps a random token; the database knows only its hash. Everything that comes back
from a browser is checked here: what cannot be read becomes a fresh place.
"""

import hashlib
import re
import secrets
from dataclasses import asdict, dataclass, replace
from typing import Any

_TOKEN = re.compile(r"[A-Za-z0-9_-]{32,64}")
_CONVERSATION = re.compile(r"[0-9a-f]{32}")
_CHARACTER = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


@dataclass(frozen=True)
class Place:
    """The visitor's token, and the conversation or the character that is before them.

    A talk that was not begun yet has a character and a greeting but no conversation.
    """

    token: str
    conversation: str = ""
    character: str = ""
    greeting: int = 0

    @property
    def visitor(self) -> str:
        """What the database knows the visitor by."""
        return hashlib.sha256(self.token.encode()).hexdigest()[:32]

    def at(self, conversation: str = "", character: str = "", greeting: int = 0) -> "Place":
        """The same visitor elsewhere."""
        return replace(self, conversation=conversation, character=character, greeting=greeting)

    def to_browser(self) -> dict[str, Any]:
        """What the browser is given to keep."""
        return asdict(self)


def new_place() -> Place:
    """A visitor who was never here."""
    return Place(secrets.token_urlsafe(32))


def read_place(kept: object) -> Place:
    """The place that a browser kept; parts that are not what was given to it are dropped."""
    found = kept if isinstance(kept, dict) else {}
    token = _matching(found.get("token"), _TOKEN)
    if not token:
        return new_place()
    greeting = found.get("greeting")
    return Place(
        token,
        _matching(found.get("conversation"), _CONVERSATION),
        _matching(found.get("character"), _CHARACTER),
        greeting if isinstance(greeting, int) and 0 <= greeting < 100 else 0,
    )


def _matching(value: object, pattern: re.Pattern[str]) -> str:
    return value if isinstance(value, str) and pattern.fullmatch(value) else ""
