"""One request to a model on this machine, and its answer.

Handed from the visitor's thread, which iterates it, to the engine's, which writes it.
"""

import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from rolecraft.conversation import Finish, Identity, Sampling
from rolecraft.engines.base import Generation
from rolecraft.errors import EngineFailed

if TYPE_CHECKING:
    from rolecraft.engines.voices import Voice

PATIENCE_S = 120.0  # how long the engine's thread may be silent before it counts as broken
LOOK_S = 0.4  # between two looks at the queue; who is taken up sooner hears nothing of it


class LocalGeneration(Generation):
    """One request and its answer; pieces arrive on a queue from the engine's thread.

    The reply ends before any of the texts in `stop`, which may not begin it.
    `silence` tells for how many seconds that thread has done nothing; `place` which place this
    request has in the queue and for how many seconds, or None where nothing is known yet. Where
    `drive` is set, there is no such thread: whoever iterates does its work, a step at a time.
    """

    def __init__(
        self,
        ids: list[int],
        sampling: Sampling,
        opening: str,
        identity: Identity,
        silence: Callable[[], float],
        voice: "Voice | None" = None,
        stop: tuple[str, ...] = (),
        place: "Callable[[LocalGeneration], tuple[int, float | None]] | None" = None,
    ) -> None:
        self.ids = ids
        self.sampling = sampling
        self.opening = opening
        self.identity = identity
        self.voice = voice
        self.stop = stop
        self.prompt_tokens = len(ids)
        self.cached_tokens = 0  # of the prompt, that had been read before
        self.reply_tokens = 0
        self.logprobs: list[float] = []  # of each token in the model's own distribution
        self.finish: Finish = "stop"
        self.seed = sampling.seed if sampling.seed is not None else random.getrandbits(31)
        self.cancelled = threading.Event()
        self.taken = threading.Event()  # it has a slot, or has ended without one
        self.begun_at = 0.0
        self._silence = silence
        self._place = place
        self.drive: Callable[[], None] | None = None
        self._pieces: queue.SimpleQueue[str | EngineFailed | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._begun = self._ended = False

    def cancel(self) -> None:
        """Stop before the next token; a request that still waits ends at once."""
        with self._lock:
            self.cancelled.set()
            waiting = not self._begun
        if waiting:
            self.end("user_stop")

    def place(self) -> tuple[int, float | None]:
        """Which place in the queue, 1 being the next and 0 not in it, and the seconds until its
        turn as the last ones went; None when unknown.
        """
        return self._place(self) if self._place and not self._begun else (0, 0.0)

    def waiting(self) -> Iterator[tuple[int, float | None]]:
        """The place and the wait, again and again until a slot is given or all is over."""
        while not self._soon_taken():
            place, wait = self.place()
            if place:
                yield place, wait

    def _soon_taken(self) -> bool:
        if not self.drive:
            return self.taken.wait(LOOK_S)
        due = time.monotonic() + LOOK_S
        while not self.taken.is_set():
            self.drive()
            if time.monotonic() >= due:
                break
        return self.taken.is_set()

    def __iter__(self) -> Iterator[str]:
        try:
            while (piece := self._next()) is not None:
                yield piece
        finally:
            self.cancel()
            if self.drive and not self._ended:
                self.drive()  # or nobody would see that it is over

    def _next(self) -> str | None:
        while not (self._ended and self._pieces.empty()):
            if self.drive and self._pieces.empty():
                self.drive()
                continue
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

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self._ended

    def begin(self) -> bool:
        """Take the request up; false when it was cancelled while it waited."""
        with self._lock:
            self._begun = begun = not self.cancelled.is_set()
            self.begun_at = time.monotonic()
        if not begun:
            self.end("user_stop")
        return begun

    def postpone(self) -> None:
        """Not yet after all: it waits on."""
        with self._lock:
            self._begun = False

    def write(self, piece: str, *logprobs: float) -> None:
        """Tokens with their log-probabilities, which completed this text; sometimes none."""
        self.reply_tokens += len(logprobs)
        self.logprobs += logprobs
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
            self.taken.set()
