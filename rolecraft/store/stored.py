"""Stored conversations and messages as frozen values, and the queries that fetch them.

Knows no rules of writing; every function works inside the session that it is given.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

from sqlalchemy import select
from sqlalchemy.orm import Session, defer

from rolecraft.conversation import BY_HAND, Finish
from rolecraft.errors import ConversationNotFound
from rolecraft.store.schema import ConversationRow, NodeRow
from rolecraft.store.tree import Branching, Tree

# As it stands in the stored JSON of a reply; quotes in what was said are escaped there.
_BY_HAND = f'"base": "{BY_HAND}"'


@dataclass(frozen=True)
class StoredConversation:
    """What a list of conversations shows. Times are milliseconds since 1970 in UTC."""

    id: str
    character: str
    title: str
    greeting: str
    engine: str  # the visitor's choice; empty is the default
    created_ms: int
    updated_ms: int


@dataclass(frozen=True)
class StoredMessage:
    """One message of a conversation; it is number `position` of `alternatives` at its place."""

    id: str
    parent: str | None
    role: Literal["user", "assistant"]
    text: str
    emotion: str | None
    finish: Finish | None  # None for a visitor's message
    created_ms: int
    sha256: str | None
    position: int
    alternatives: int
    by_hand: bool = False  # written by a person, whoever chose it

    @property
    def partial(self) -> bool:
        """Whether this reply was broken off before the character had said all."""
        return self.finish in ("user_stop", "disconnect", "error")


def owned(
    session: Session, visitor: str, conversation: str, *, lock: bool = False
) -> ConversationRow:
    """The row of the visitor's conversation; `lock` keeps other writers off it until the end."""
    query = select(ConversationRow).where(
        ConversationRow.id == conversation,
        ConversationRow.visitor_id == visitor,
        ConversationRow.deleted_ms.is_(None),
    )
    row = session.scalars(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        # The same words for what never was, is someone else's or was deleted.
        raise ConversationNotFound(
            f"You have no conversation {conversation!r}. It may have been deleted: open another "
            "from your list or start a new one."
        )
    return row


def tree_of(session: Session, conversation: str) -> Tree:
    query = select(NodeRow.id, NodeRow.parent_id, NodeRow.number, NodeRow.picked).where(
        NodeRow.conversation_id == conversation
    )
    return Tree(Branching(*row) for row in session.execute(query))


def known(tree: Tree, message: str) -> str:
    """The same id, when the tree has it."""
    if message not in tree:
        raise ConversationNotFound(
            f"This conversation has no message {message!r}. Reload the page to see what it has."
        )
    return message


def path_ids(tree: Tree, until: str | None) -> tuple[str, ...]:
    return tree.active() if until is None else tree.up_to(known(tree, until))


def rows_of(session: Session, ids: Sequence[str], *, whole: bool) -> list[NodeRow]:
    """The rows of these messages in this order; the replies' JSON only when `whole`."""
    query = select(NodeRow).where(NodeRow.id.in_(ids))
    if not whole:
        query = query.options(defer(NodeRow.reply_json, raiseload=True))
    rows = {row.id: row for row in session.scalars(query)}
    return [rows[id] for id in ids]


def as_conversation_value(row: ConversationRow) -> StoredConversation:
    return StoredConversation(
        id=row.id,
        character=row.character_id,
        title=row.title,
        greeting=row.greeting,
        engine=row.engine,
        created_ms=row.created_ms,
        updated_ms=row.updated_ms,
    )


def as_messages(session: Session, rows: Sequence[NodeRow], tree: Tree) -> tuple[StoredMessage, ...]:
    ids = [row.id for row in rows]
    query = select(NodeRow.id).where(NodeRow.id.in_(ids), NodeRow.reply_json.contains(_BY_HAND))
    by_hand = set(session.scalars(query))
    return tuple(as_message(row, tree.siblings(row.id), row.id in by_hand) for row in rows)


def as_message(row: NodeRow, siblings: Sequence[str], by_hand: bool = False) -> StoredMessage:
    return StoredMessage(
        id=row.id,
        parent=row.parent_id,
        role=cast(Literal["user", "assistant"], row.role),
        text=row.text,
        emotion=row.emotion,
        finish=cast(Finish | None, row.finish),
        created_ms=row.created_ms,
        sha256=row.sha256,
        position=siblings.index(row.id) + 1,
        alternatives=len(siblings),
        by_hand=by_hand,
    )
