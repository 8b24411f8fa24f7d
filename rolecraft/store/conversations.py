"""The conversations of the visitors: trees of messages, of which one path is shown.

Knows no page, no model and no cookie: who the visitor is and what was answered are passed in.
Every call names the visitor, and a conversation of someone else is as good as none.
"""

import hashlib
import re
import time
import uuid
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from rolecraft.conversation import Conversation, Reply
from rolecraft.errors import InputRefused
from rolecraft.store import exports, replies, stored
from rolecraft.store.database import Database
from rolecraft.store.schema import ConversationRow, NodeRow, VisitorRow
from rolecraft.store.stored import StoredConversation, StoredMessage
from rolecraft.store.tree import Tree

TITLE_LENGTH = 80
_FIRST_TITLE_LENGTH = 30  # of the title that the first message gives

Path = tuple[StoredMessage, ...]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def new_id() -> str:
    return uuid.uuid4().hex


class Conversations:
    """Reads and writes conversations. Safe to use from several threads.

    Every method raises `ConversationNotFound` for a conversation or message that is not this
    visitor's, and `StoreUnavailable` when the database cannot be used; then nothing was changed.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], int] = now_ms,
        new_id: Callable[[], str] = new_id,
    ) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id

    def create(
        self, visitor: str, character: str, greeting: str = "", *, title: str = "", engine: str = ""
    ) -> StoredConversation:
        """Open an empty conversation; the visitor is entered when this is their first."""
        now = self._clock()
        row = ConversationRow(
            id=self._new_id(),
            visitor_id=visitor,
            character_id=character,
            title=_title(title) if title else "",
            greeting=_storable(greeting),
            engine=engine,
            created_ms=now,
            updated_ms=now,
        )
        with self._database.write() as session:
            _enter(session, visitor, now)
            session.add(row)
        return stored.as_conversation_value(row)

    def get(self, visitor: str, conversation: str) -> StoredConversation:
        """One conversation without its messages."""
        with self._database.read() as session:
            return stored.as_conversation_value(stored.owned(session, visitor, conversation))

    def list(self, visitor: str, limit: int = 200) -> tuple[StoredConversation, ...]:
        """The visitor's conversations, the last used first."""
        query = (
            select(ConversationRow)
            .where(ConversationRow.visitor_id == visitor, ConversationRow.deleted_ms.is_(None))
            .order_by(ConversationRow.updated_ms.desc(), ConversationRow.id)
            .limit(limit)
        )
        with self._database.read() as session:
            return tuple(stored.as_conversation_value(row) for row in session.scalars(query))

    def append_user(
        self, visitor: str, conversation: str, parent: str | None, text: str
    ) -> StoredMessage:
        """Add what the visitor said after the reply `parent`, or as a first message for None.

        A second message after one parent is a branch; the new one is shown.
        """
        node = NodeRow(
            id=self._new_id(),
            parent_id=parent,
            role="user",
            text=_storable(text),
            sha256=hashlib.sha256(text.encode()).hexdigest(),
        )
        with self._database.write() as session:
            row = stored.owned(session, visitor, conversation, lock=True)
            row.title = row.title or _first_title(text)
            tree = stored.tree_of(session, conversation)
            if parent is not None:
                _expect(session, tree, parent, "assistant")
                # a message is written to be read: the branch it belongs to comes into view
                _pick(session, tree, parent)
            return self._append(session, row, tree, node)

    def append_reply(
        self, visitor: str, conversation: str, parent: str, reply: Reply
    ) -> StoredMessage:
        """Add a reply to the message `parent`, whole or partial; of its siblings it is shown.

        A reply that comes late does not pull the visitor back to a branch they have left.
        """
        node = NodeRow(
            id=self._new_id(),
            parent_id=parent,
            role="assistant",
            text=reply.text.replace("\0", "\ufffd"),  # exact in reply_json
            emotion=reply.emotion,
            finish=reply.finish,
            sha256=reply.sha256,
            reply_json=replies.dump(reply),
        )
        with self._database.write() as session:
            row = stored.owned(session, visitor, conversation, lock=True)
            tree = stored.tree_of(session, conversation)
            _expect(session, tree, parent, "user")
            return self._append(session, row, tree, node)

    def path(self, visitor: str, conversation: str, until: str | None = None) -> Path:
        """The messages that are shown, or those that lead to the message `until`."""
        with self._database.read() as session:
            stored.owned(session, visitor, conversation)
            tree = stored.tree_of(session, conversation)
            ids = stored.path_ids(tree, until)
            return stored.as_messages(session, stored.rows_of(session, ids, whole=False), tree)

    def select(self, visitor: str, conversation: str, message: str) -> Path:
        """Show the branch of this message, as it was left; the new path."""
        return self.select_sibling(visitor, conversation, message, 0)

    def select_sibling(self, visitor: str, conversation: str, message: str, step: int) -> Path:
        """Show the alternative `step` places on (or back), stopping at the ends; the new path."""
        with self._database.write() as session:
            stored.owned(session, visitor, conversation, lock=True)
            tree = stored.tree_of(session, conversation)
            siblings = tree.siblings(stored.known(tree, message))
            place = min(max(siblings.index(message) + step, 0), len(siblings) - 1)
            _pick(session, tree, siblings[place])
            ids = tree.through(siblings[place])
            return stored.as_messages(session, stored.rows_of(session, ids, whole=False), tree)

    def reply(self, visitor: str, conversation: str, message: str) -> Reply:
        """Everything that made this reply, exactly as it was stored."""
        with self._database.read() as session:
            stored.owned(session, visitor, conversation)
            tree = stored.tree_of(session, conversation)
            _expect(session, tree, stored.known(tree, message), "assistant")
            (row,) = stored.rows_of(session, [message], whole=True)
            return replies.load(row.reply_json, row.sha256, message)

    def as_conversation(
        self, visitor: str, conversation: str, until: str | None = None
    ) -> Conversation:
        """The path that is shown, or that leads to `until`, as the value that prompts are made of.

        Raises `StoreUnavailable` for a reply that no longer matches its hash.
        """
        with self._database.read() as session:
            owner = stored.owned(session, visitor, conversation)
            ids = stored.path_ids(stored.tree_of(session, conversation), until)
            talk = Conversation(owner.character_id, owner.greeting)
            for row in stored.rows_of(session, ids, whole=True):
                if row.role == "user":
                    talk = talk.ask(row.text)
                else:
                    talk = talk.answer(replies.load(row.reply_json, row.sha256, row.id))
        return talk

    def rename(self, visitor: str, conversation: str, title: str) -> StoredConversation:
        """Give the conversation another title. Raises `InputRefused` for an empty or long one."""
        title = _title(title)
        with self._database.write() as session:
            row = stored.owned(session, visitor, conversation, lock=True)
            row.title = title
        return stored.as_conversation_value(row)

    def use_engine(self, visitor: str, conversation: str, engine: str) -> StoredConversation:
        """Keep the engine that this conversation goes on with."""
        with self._database.write() as session:
            row = stored.owned(session, visitor, conversation, lock=True)
            row.engine = engine
        return stored.as_conversation_value(row)

    def delete(self, visitor: str, conversation: str) -> None:
        """Erase everything that was said. Which replies there were stays known by hash only."""
        with self._database.write() as session:
            row = stored.owned(session, visitor, conversation, lock=True)
            row.title, row.deleted_ms = "", self._clock()
            nodes = update(NodeRow).where(NodeRow.conversation_id == conversation)
            session.execute(nodes.values(text="", emotion=None, reply_json=None))
            # The hash of a short message would tell the message to whoever guesses it.
            session.execute(nodes.where(NodeRow.role == "user").values(sha256=None))
        self._database.erase_traces()

    def purge(self, before_ms: int) -> int:
        """Remove what is left of conversations that were deleted before; how many they were."""
        old = select(ConversationRow.id).where(ConversationRow.deleted_ms < before_ms)
        with self._database.write() as session:
            ids = session.scalars(old).all()
            session.execute(delete(ConversationRow).where(ConversationRow.id.in_(ids)))
        self._database.erase_traces()
        return len(ids)

    def export_json(self, visitor: str, conversation: str) -> str:
        """The whole conversation with every branch and everything that made the replies."""
        with self._database.read() as session:
            owner = stored.as_conversation_value(stored.owned(session, visitor, conversation))
            tree = stored.tree_of(session, conversation)
            rows = stored.rows_of(session, tree.all(), whole=True)
            bodies = {row.id: row.reply_json for row in rows if row.reply_json is not None}
            messages = stored.as_messages(session, rows, tree)
        return exports.to_json(owner, messages, bodies, tree.active())

    def export_markdown(
        self, visitor: str, conversation: str, *, speaker: str = "", language: str = "zh"
    ) -> str:
        """The path that is shown, to be read by people. `speaker` is the character's name."""
        path = self.path(visitor, conversation)
        owner = self.get(visitor, conversation)
        return exports.to_markdown(owner, path, speaker or owner.character, language)

    def _append(
        self, session: Session, row: ConversationRow, tree: Tree, node: NodeRow
    ) -> StoredMessage:
        now = self._clock()
        number, picked = tree.last()
        node.conversation_id = row.id
        node.number, node.picked = number + 1, picked + 1
        node.created_ms = now
        row.updated_ms = max(row.updated_ms, now)  # a clock that was set back reorders no list
        session.add(node)
        session.flush()
        return stored.as_message(node, (*tree.children(node.parent_id), node.id))


def _enter(session: Session, visitor: str, now: int) -> None:
    """Insert the visitor unless an earlier call, or another process just now, has."""
    if session.get(VisitorRow, visitor) is None:
        with suppress(IntegrityError), session.begin_nested():
            session.add(VisitorRow(id=visitor, created_ms=now))


def _pick(session: Session, tree: Tree, message: str) -> None:
    """Make every message on the way to this one the shown one of its siblings."""
    _, picked = tree.last()
    ids = tree.to_pick(message)
    session.execute(update(NodeRow).where(NodeRow.id.in_(ids)).values(picked=picked + 1))


def _expect(session: Session, tree: Tree, message: str, role: str) -> None:
    stored.known(tree, message)
    found = session.scalar(select(NodeRow.role).where(NodeRow.id == message))
    if found != role:
        raise ValueError(f"Message {message!r} has role {found!r} where {role!r} is needed.")


def _storable(text: str) -> str:
    """Both databases must keep the same text; neither keeps half a character, one keeps no NUL."""
    if found := re.search("[\0\ud800-\udfff]", text):
        raise InputRefused(
            f"The text holds the character U+{ord(found.group()):04X}, which cannot be kept. "
            "Remove it and send the text again."
        )
    return text


def _title(text: str) -> str:
    title = " ".join(_storable(text).split())
    if not title:
        raise InputRefused("The title is empty. Write at least one character.")
    if len(title) > TITLE_LENGTH:
        raise InputRefused(
            f"The title has {len(title)} characters. At most {TITLE_LENGTH} are possible."
        )
    return title


def _first_title(text: str) -> str:
    words = " ".join(text.split())
    cut = len(words) > _FIRST_TITLE_LENGTH
    return words[:_FIRST_TITLE_LENGTH] + "…" * cut
