"""Brings an index up to date in a thread of its own."""

import logging
import threading
from collections.abc import Iterable

from rolecraft.characters.model import Character
from rolecraft.errors import CheckpointError, StoreUnavailable
from rolecraft.knowledge.index import Index

log = logging.getLogger(__name__)


class Refreshing:
    """Brings an index up to date beside the visitors, who wait for their own character at most."""

    def __init__(self, index: Index, characters: Iterable[Character]) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(index, tuple(characters)), name="passages", daemon=True
        )
        self._thread.start()

    def wait(self, seconds: float | None = None) -> bool:
        """Until it has ended; whether it has."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def stop(self) -> None:
        """End it after the character that it is at."""
        self._stopped.set()
        self.wait()

    def _run(self, index: Index, characters: tuple[Character, ...]) -> None:
        try:
            index.refresh(characters, self._stopped)
        except (CheckpointError, StoreUnavailable) as error:
            log.error("%s", error)  # whoever asks is told too
