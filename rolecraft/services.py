"""Opens everything that one process needs, in the order in which it depends on each other.

Knows no web page: the page, the endpoint and the command line are given what is opened here.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from rolecraft import __version__
from rolecraft.admission import Doorkeeper, Rates
from rolecraft.characters import Shelf, read_shelf
from rolecraft.conversation import Passage
from rolecraft.engines.base import Engine, EngineCard
from rolecraft.engines.catalog import Catalog
from rolecraft.engines.written import Written, WrittenEngine
from rolecraft.engines.zero_gpu import borrow
from rolecraft.errors import CharacterInvalid, DataFolderBusy, StoreUnavailable
from rolecraft.knowledge.chroma import open_chroma
from rolecraft.knowledge.encoder import Encoder, load_encoder
from rolecraft.knowledge.index import Index
from rolecraft.knowledge.refreshing import Refreshing
from rolecraft.knowledge.vectors import VectorStore
from rolecraft.ratings.desk import Desk
from rolecraft.settings import Settings
from rolecraft.store.conversations import Conversations
from rolecraft.store.database import Database
from rolecraft.store.folder import DataFolder

log = logging.getLogger(__name__)

Makers = Mapping[str, Callable[[EngineCard], Engine]]

_WAYS = 3  # of saying an everyday thing that the written arm compares with
_REFUSED = 8  # who come when the engine's queue is full: it says so, and needs a thread for it
_MOST_AT_ONCE = 300
ENCODERS = {"mini": "mini/encoder", "chatglm3": "BAAI/bge-large-zh-v1.5"}


class Stoppable(Protocol):
    """What can be stopped: one answer, or two at once."""

    def cancel(self) -> None: ...


class Running:
    """The answers in the making, by conversation, so that they can be stopped from outside."""

    def __init__(self) -> None:
        self._answers: dict[str, Stoppable | None] = {}  # None: claimed, not begun
        self._stopped: set[str] = set()  # claimed, and to be stopped as soon as it begins
        self._changed = threading.Condition()
        self.closing = False  # whether everything is being stopped, by nobody's wish

    def claim(self, conversation: str) -> bool:
        """Take the conversation for one answer; false when another is in the making."""
        with self._changed:
            if conversation in self._answers:
                return False
            self._answers[conversation] = None
            return True

    def begin(self, conversation: str, answering: Stoppable) -> None:
        """The answer that the conversation was claimed for has begun."""
        with self._changed:
            self._answers[conversation] = answering
            stopped = conversation in self._stopped
        if stopped:
            answering.cancel()

    def end(self, conversation: str) -> None:
        """Give the conversation back: its answer is stored, or there is none."""
        with self._changed:
            self._answers.pop(conversation, None)
            self._stopped.discard(conversation)
            self._changed.notify_all()

    def stop(self, conversation: str) -> bool:
        """Stop the answer of a conversation; whether there was one."""
        with self._changed:
            if conversation not in self._answers:
                return False
            self._stopped.add(conversation)
            answering = self._answers[conversation]
        if answering:
            answering.cancel()
        return True

    def busy(self, conversation: str) -> bool:
        """Whether an answer of this conversation is in the making."""
        with self._changed:
            return conversation in self._answers

    def settle(self, conversation: str, seconds: float) -> bool:
        """Wait until no answer of this conversation is in the making; whether that came in time."""
        with self._changed:
            return self._changed.wait_for(lambda: conversation not in self._answers, seconds)

    def stop_all(self, seconds: float) -> bool:
        """Stop every answer and wait until what was written is stored; whether all were."""
        with self._changed:
            self.closing = True
            conversations = list(self._answers)
        for conversation in conversations:
            self.stop(conversation)
        with self._changed:
            return self._changed.wait_for(lambda: not self._answers, seconds)


@dataclass(frozen=True)
class Services:
    """What a process works with. `close` gives the data folder back."""

    settings: Settings
    shelf: Shelf
    catalog: Catalog
    index: Index
    refreshing: Refreshing
    conversations: Conversations
    doorkeeper: Doorkeeper
    folder: DataFolder
    database: Database
    desk: Desk
    running: Running = field(default_factory=Running)

    @property
    def at_once(self) -> int:
        """Visitors who are answered, wait for their turn or are told to come back, at once.

        Each has a thread meanwhile.
        """
        return min(self.catalog.slots + self.settings.max_queue + _REFUSED, _MOST_AT_ONCE)

    def close(self) -> None:
        """Stop what is being answered, close the database and give the data folder back."""
        self.running.stop_all(seconds=2.0)
        self.refreshing.stop()
        self.database.close()
        self.folder.release()


def open_knowledge(settings: Settings, folder: Path) -> tuple[Shelf, Encoder, Index]:
    """The shelf, the encoder of the profile and the index over both."""
    shelf, encoder = open_shelf(settings), _open_encoder(settings)
    return shelf, encoder, _open_index(settings, encoder, folder)


@contextmanager
def command_knowledge(settings: Settings) -> Iterator[tuple[Shelf, Encoder, Index]]:
    """The same for a command, whose passages lie beside the page's, which may be open.

    They stay, so that the next command encodes nothing anew. While another command holds their
    folder, and where nothing can be written, one that is thrown away does.
    """
    shelf, encoder = open_shelf(settings), _open_encoder(settings)
    kept = settings.data_dir / "commands"
    with ExitStack() as undo:
        try:
            folder = undo.enter_context(DataFolder.claim(kept)).path
        except (DataFolderBusy, StoreUnavailable):
            log.info("%s is busy or cannot be written: passages are encoded anew.", kept)
            folder = Path(undo.enter_context(TemporaryDirectory(prefix="rolecraft-")))
        yield shelf, encoder, _open_index(settings, encoder, folder)


def _open_encoder(settings: Settings) -> Encoder:
    name = ENCODERS[settings.profile]
    local = settings.models_dir / name
    return load_encoder(local if local.is_dir() else name)


def _open_index(settings: Settings, encoder: Encoder, folder: Path) -> Index:
    store = VectorStore(open_chroma(folder / "chroma", settings.chroma_url), encoder)
    return Index(store, encoder)


def open_shelf(settings: Settings) -> Shelf:
    """The characters; faulty ones are named in the log.

    Raises CharacterInvalid when none is left.
    """
    shelf = read_shelf(settings.characters)
    for problem in shelf.problems:
        log.warning("%s", problem)
    if not shelf.characters:
        raise CharacterInvalid(
            f"No usable character in {settings.characters}. "
            "Run: python -m rolecraft characters check"
        )
    return shelf


def open_catalog(
    settings: Settings,
    shelf: Shelf,
    encoder: Encoder,
    catalogue: Path | None = None,
    makers: Makers | None = None,
) -> Catalog:
    """The engines, the author's written answers among them; `makers` add or replace kinds."""

    def written(card: EngineCard) -> Engine:
        def answers(character: str) -> Sequence[Written]:
            return written_answers(shelf, character)

        return WrittenEngine(card, answers, encoder.encode_queries, encoder.identity)

    return Catalog(settings, catalogue, {"written": written, **(makers or {})})


def written_answers(shelf: Shelf, character: str) -> Sequence[Written]:
    """The train and everyday answers of a character; those out of its knowledge serve as evasions.

    Of the ways of saying an everyday thing a few do, since all are encoded for each character.
    """
    found = shelf.get(character)
    return [
        Written(one.question, one.answer, one.emotion, one.kind == "out_of_knowledge")
        for one in found.questions_of("train")
    ] + [
        Written(way, one.answer.text, one.answer.emotion, one.beyond)
        for one in found.everyday
        for way in one.said[:_WAYS]
    ]


def open_services(
    settings: Settings, catalogue: Path | None = None, makers: Makers | None = None
) -> Services:
    """Claim the data folder and open everything.

    Raises the rooms' own errors, each with its cure; then nothing stays open.
    """
    if settings.zero_gpu:
        borrow()  # before anything below could ask for CUDA
    with ExitStack() as undo:
        folder = undo.enter_context(DataFolder.claim(settings.data_dir))
        database = Database.open(folder, settings.database_url)
        undo.callback(database.close)
        if database.shared and not settings.secret:
            log.warning(
                "The database can be shared, but ROLECRAFT_SECRET is not set: another process "
                "would not recognise this one's visitors. Give all of them the same."
            )
        shelf, encoder, index = open_knowledge(settings, folder.path)
        refreshing = Refreshing(index, shelf.characters)
        undo.callback(refreshing.stop)
        services = Services(
            settings=settings,
            shelf=shelf,
            catalog=open_catalog(settings, shelf, encoder, catalogue, makers),
            index=index,
            refreshing=refreshing,
            conversations=Conversations(database),
            doorkeeper=Doorkeeper(Rates(settings.rate_per_minute, settings.rate_per_hour)),
            folder=folder,
            database=database,
            desk=Desk.open(database, folder, __version__, settings.secret),
        )
        if settings.zero_gpu:
            services.catalog.load_lent()
        undo.pop_all()
        return services


def without_sources(passages: tuple[Passage, ...]) -> tuple[Passage, ...]:
    """The same passages, none of them used: a talk without retrieval still shows what was near."""
    return tuple(replace(passage, used=False) for passage in passages)
