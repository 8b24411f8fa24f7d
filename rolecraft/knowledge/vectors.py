"""The passages of every character with their vectors, kept in Chroma under their content hash.

Knows nothing of questions or ranking.
"""

import hashlib
import logging
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from rolecraft.errors import CheckpointError, StoreUnavailable
from rolecraft.knowledge.chroma import first_line
from rolecraft.knowledge.encoder import Encoder, Vectors
from rolecraft.knowledge.passages import Source

log = logging.getLogger(__name__)

_T = TypeVar("_T")
_BATCH = 500  # Chroma takes 5,461 records at once; smaller steps keep memory and waits short
_PAGE = 5000  # and reads fewer than 32,766, which is as many as SQLite binds
# Vectors are read by their ids and compared exactly; nothing walks the graph of neighbours, and
# one that is as thin as can be is written in half the time.
_GRAPH = {"space": "cosine", "max_neighbors": 2, "ef_construction": 2}


@dataclass(frozen=True)
class Refresh:
    """What a refresh did, in numbers of passages."""

    kept: int
    encoded: int
    removed: int
    rebuilt: bool = False


class VectorStore:
    """A Chroma collection for one encoder."""

    def __init__(self, client: Any, encoder: Encoder) -> None:
        self._client = client
        self._encoder = encoder
        self._lock = threading.Lock()
        digest = hashlib.sha256(encoder.identity.encode()).hexdigest()
        self._prefix = f"passages-{digest[:16]}"
        self._collection = self._open()

    def refresh(self, character: str, sources: Sequence[Source], whole: bool = True) -> Refresh:
        """Make the store hold exactly `sources` of this character, encoding what is new or changed.

        If they are not the `whole`, others of the same owner stay.

        A broken index is rebuilt in a fresh collection, which then lacks the other characters:
        `rebuilt` says so. One that another process has rebuilt is taken over.
        """
        with self._lock:
            result, reason = self._tried(character, sources, whole)
            if not result and self._moved():
                result, reason = self._tried(character, sources, whole)
                result = result and replace(result, rebuilt=True)
            if result:
                return result
            log.warning(
                "The index of passages %s is broken (%s). Building it anew from the characters' "
                "files; nothing is lost.",
                self._collection.name,
                reason,
            )
            try:
                self._collection = self._fresh()
                return replace(self._update(character, sources, whole), rebuilt=True)
            except Exception as error:
                raise StoreUnavailable(
                    f"The index of passages cannot be written ({first_line(error)}). "
                    "Check the room on the disk and the rights of the data folder."
                ) from error

    def keep_only(self, characters: Collection[str]) -> int:
        """Remove the passages of every other character; the number that went."""
        with self._lock:
            gone = list(self._stored({"character": {"$nin": list(characters)}}))
            for batch in _batches(gone):
                self._collection.delete(ids=list(batch))
            return len(gone)

    def vectors_of(self, sources: Sequence[Source]) -> Vectors:
        """The stored vectors of `sources`, in their order.

        Raises `StoreUnavailable` when one of them is not there; `refresh` brings it.
        """
        by_id: dict[str, Any] = {}
        try:
            for batch in _batches(sources):
                found = self._collection.get(ids=[one.id for one in batch], include=["embeddings"])
                by_id |= zip(found["ids"], found["embeddings"], strict=True)
        except Exception as error:
            raise StoreUnavailable(
                f"The index of passages cannot be read ({first_line(error)}). "
                "Start again: it is rebuilt from the characters' files."
            ) from error
        missing = [one.id for one in sources if one.id not in by_id]
        if missing:
            raise StoreUnavailable(
                f"The index of passages lacks {missing[0]!r}. Start again to bring it up to date."
            )
        return np.array([by_id[one.id] for one in sources], dtype=np.float32)

    def close(self) -> None:
        """Let go of Chroma's files."""
        self._client.close()

    def _tried(
        self, character: str, sources: Sequence[Source], whole: bool
    ) -> tuple[Refresh | None, str]:
        """The update and its proof; without a result, what is wrong with the collection."""
        try:
            result = self._update(character, sources, whole)
            if self._sound(sources):
                return result, ""
            return None, "it answers with fewer vectors than it counts"
        except CheckpointError:
            raise  # the encoder is broken, not the index
        except Exception as error:  # chromadb raises its own, sqlite's and Rust's errors
            return None, f"{type(error).__name__}: {first_line(error)}"

    def _moved(self) -> bool:
        """Whether another process of this server has built a newer collection; it is then ours."""
        try:
            newest = self._open()
        except Exception as error:
            log.info("The collections cannot be listed (%s).", first_line(error))
            return False
        moved = bool(newest.id != self._collection.id)
        self._collection = newest
        return moved

    def _update(self, character: str, sources: Sequence[Source], whole: bool) -> Refresh:
        stored = self._stored({"character": character})
        wanted = {one.id: one.sha256 for one in sources}
        removed = [identity for identity in stored if whole and identity not in wanted]
        changed = [one for one in sources if stored.get(one.id) != one.sha256]
        for batch in _batches(removed):
            self._collection.delete(ids=list(batch))
        for part in _batches(changed):
            self._collection.upsert(
                ids=[one.id for one in part],
                embeddings=self._encoder.encode_passages([one.text for one in part]),
                documents=[one.text for one in part],
                metadatas=[_metadata(one) for one in part],
            )
        return Refresh(len(sources) - len(changed), len(changed), len(removed))

    def _stored(self, where: dict[str, Any]) -> dict[str, str]:
        """The ids of what is stored of these, with the hashes."""
        stored: dict[str, str] = {}
        while True:
            page = self._collection.get(
                where=where, include=["metadatas"], limit=_PAGE, offset=len(stored)
            )
            for identity, metadata in zip(page["ids"], page["metadatas"], strict=True):
                stored[identity] = str((metadata or {}).get("sha256", ""))
            if len(page["ids"]) < _PAGE:
                return stored

    def _sound(self, sources: Sequence[Source]) -> bool:
        """Whether every vector can still be read: a lost index file shows only then."""
        for batch in _batches(sources):
            found = self._collection.get(ids=[one.id for one in batch], include=["embeddings"])
            if len(found["embeddings"]) != len(batch):
                return False
        return True

    def _open(self) -> Any:
        """The newest collection of this encoder; rebuilding adds one with a higher number."""
        numbers = self._numbers()
        return self._create(max(numbers, default=1))

    def _fresh(self) -> Any:
        numbers = self._numbers()
        created = self._create(max(numbers, default=0) + 1)
        for number in numbers:
            try:
                self._client.delete_collection(self._name(number))
            except Exception as error:  # its files are damaged: it stays, unused
                log.info("The broken index could not be deleted (%s).", first_line(error))
        return created

    def _numbers(self) -> list[int]:
        names = (collection.name for collection in self._client.list_collections())
        return [int(name.rsplit("-", 1)[1]) for name in names if name.startswith(self._prefix)]

    def _name(self, number: int) -> str:
        return f"{self._prefix}-{number}"

    def _create(self, number: int) -> Any:
        return self._client.get_or_create_collection(
            self._name(number),
            embedding_function=None,  # the default would download an English model
            configuration={"hnsw": _GRAPH},
            metadata={"encoder": self._encoder.identity},
        )


def _metadata(source: Source) -> dict[str, str]:
    return {
        "sha256": source.sha256,
        "field": source.field,
        "origin": source.origin,
        "character": source.character,
    }


def _batches(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    return (items[start : start + _BATCH] for start in range(0, len(items), _BATCH))
