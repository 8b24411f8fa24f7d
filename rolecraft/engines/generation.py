"""One request to a model on this machine, and its answer.

Handed from the visitor's thread, which iterates it, to the engine's, which writes it.
"""

import queue
import random
import threading
from collections.abc import Callable, Iterator

from rolecraft.conversation import Finish, Identity, Sampling
from rolecraft.errors import EngineFailed

PATIENCE_S = 120.0  # how long the engine's thread may be silent before it counts as broken


class LocalGeneration:
    """One request and its answer; pieces arrive on a queue from the engine's thread.

    `silence` tells for how many seconds that thread has done nothing.
    """

    def __init__(
        self,
        ids: list[int],
        sampling: Sampling,
        opening: str,
        identity: Identity,
        silence: Callable[[], float],
    ) -> None:
        self.ids = ids
        self.sampling = sampling
        self.adapter = identity.adapter
        self.opening = opening
        self.identity = identity
        self.prompt_tokens = len(ids)
        self.reply_tokens = 0
        self.finish: Finish = "stop"
        self.seed = sampling.seed if sampling.seed is not None else random.getrandbits(31)
        self.cancelled = threading.Event()
        self._silence = silence
        self._pieces: queue.Queue[str | EngineFailed | None] = queue.Queue()
        self._lock = threading.Lock()
        self._begun = self._ended = False

    def cancel(self) -> None:
        """Stop before the next token; a request that still waits ends at once."""
        with self._lock:
            self.cancelled.set()
            waiting = not self._begun
        if waiting:
            self.end("user_stop")

    def __iter__(self) -> Iterator[str]:
        try:
            while (piece := self._next()) is not None:
                yield piece
        finally:
            self.cancel()

    def _next(self) -> str | None:
        while not (self._ended and self._pieces.empty()):
            try:
                piece = self._pieces.get(timeout=PATIENCE_S)
            except queue.Empty:
                if self._silence() < PATIENCE_S:
                    continue  # others have their turn
                self.end("error")
                raise EngineFailed(
                    f"{self.identity.engine} gave no sign for {PATIENCE_S:.0f} s. Try again."
                ) from None
            if isinstance(piece, EngineFailed):
                raise piece
            return piece
        return None

    # The engine's thread calls what follows.

    def begin(self) -> bool:
        """Take the request up; false when it was cancelled while it waited."""
        with self._lock:
            self._begun = not self.cancelled.is_set()
            return self._begun

    def write(self, piece: str) -> None:
        """One more token, which completed this text; sometimes none."""
        self.reply_tokens += 1
        if piece:
            self._pieces.put(piece)

    def end(self, finish: Finish, failure: EngineFailed | None = None) -> None:
        """Nothing more will come."""
        with self._lock:
            if self._ended:
                return
            self.finish = finish
            self._pieces.put(failure)
            self._ended = True
