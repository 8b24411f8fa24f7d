"""The shape of a talk: which branch is shown, and what else was said at each point of it.

Knows no database and no text: it works on the numbers of the messages.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Branching:
    """One message as the tree sees it; `picked` is the highest on the sibling that is shown."""

    id: str
    parent: str | None
    number: int
    picked: int


class Tree:
    """The messages of one conversation. Messages without a parent are siblings of each other."""

    def __init__(self, messages: Iterable[Branching]) -> None:
        self._messages = {message.id: message for message in messages}
        self._children: dict[str | None, list[Branching]] = {}
        for message in sorted(self._messages.values(), key=lambda each: each.number):
            self._children.setdefault(message.parent, []).append(message)

    def __contains__(self, id: str) -> bool:
        return id in self._messages

    def all(self) -> tuple[str, ...]:
        """Every id in the order in which the messages came."""
        return tuple(sorted(self._messages, key=lambda id: self._messages[id].number))

    def active(self) -> tuple[str, ...]:
        """The ids of the path that is shown, first message first."""
        return self._down(None)

    def up_to(self, id: str) -> tuple[str, ...]:
        """The ids of the path that leads to this message and ends with it."""
        path = [id]
        while (parent := self._messages[path[-1]].parent) is not None:
            path.append(parent)
        return tuple(reversed(path))

    def through(self, id: str) -> tuple[str, ...]:
        """The path to this message and on, as its branch was left."""
        return self.up_to(id) + self._down(id)

    def children(self, parent: str | None) -> tuple[str, ...]:
        """The ids of what was said after `parent`, in the order in which it came."""
        return tuple(each.id for each in self._children.get(parent, ()))

    def siblings(self, id: str) -> tuple[str, ...]:
        """The ids of this message and its alternatives, in the order in which they came."""
        return self.children(self._messages[id].parent)

    def to_pick(self, id: str) -> tuple[str, ...]:
        """The ids on the way to this message that must be picked for it to be shown."""
        return tuple(
            each for each in self.up_to(id) if self._shown(self._messages[each].parent) != each
        )

    def last(self) -> tuple[int, int]:
        """The highest number and the highest pick so far; zeros when nothing was said."""
        messages = self._messages.values()
        return (
            max((message.number for message in messages), default=0),
            max((message.picked for message in messages), default=0),
        )

    def _shown(self, parent: str | None) -> str | None:
        children = self._children.get(parent)
        return max(children, key=lambda each: (each.picked, each.number)).id if children else None

    def _down(self, id: str | None) -> tuple[str, ...]:
        path = []
        while (id := self._shown(id)) is not None:
            path.append(id)
        return tuple(path)
