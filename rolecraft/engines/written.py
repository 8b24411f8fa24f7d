"""The author's own hand: answers with the nearest of the character's written answers.

The reference arm of comparisons. Knows no shelf and no encoder library: the answers and the
encoder are passed in. When nothing written is near, one of the character's evasions is said.
"""

import hashlib
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rolecraft.conversation import BY_HAND, Finish, Identity, Message, Sampling
from rolecraft.emotions import opening as label
from rolecraft.engines.base import EngineCard, Generation
from rolecraft.errors import EngineFailed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NEAR = 0.62  # cosine of question to question from which an answer is given as it was written
_PIECE = 4  # characters a piece, so that the page streams as with any engine


@dataclass(frozen=True)
class Written:
    """One question with the author's answer; evasions serve when nothing is near."""

    question: str
    answer: str
    emotion: str
    evasion: bool = False


class WrittenGeneration(Generation):
    """A written answer in pieces."""

    def __init__(self, text: str, identity: Identity, seed: int) -> None:
        self.prompt_tokens = 0
        self.reply_tokens = 0
        self.finish: Finish = "stop"
        self.identity = identity
        self.seed = seed
        self._text = text
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """End before the next piece."""
        self._cancelled.set()

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self._text), _PIECE):
            if self._cancelled.is_set():
                self.finish = "user_stop"
                return
            piece = self._text[start : start + _PIECE]
            self.reply_tokens += len(piece)
            yield piece


class WrittenEngine:
    """Looks the last message up among the character's questions.

    `encoder` tells what `encode` is: another one finds other answers.
    """

    def __init__(
        self,
        card: EngineCard,
        answers: Callable[[str], Sequence[Written]],
        encode: Callable[[Sequence[str]], "NDArray[np.float32]"],
        encoder: str,
    ) -> None:
        self.card = card
        self._answers = answers
        self._encode = encode
        self._encoder_sha256 = hashlib.sha256(encoder.encode()).hexdigest()
        self._known: dict[str, tuple[Sequence[Written], Any]] = {}
        self._lock = threading.Lock()

    def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        adapter: str | None = None,
        opening: str = "",
        character: str = "",
    ) -> WrittenGeneration:
        """The nearest written answer; with an asked emotion, the nearest of that emotion."""
        answers, vectors = self._of(character)
        seed = sampling.seed if sampling.seed is not None else random.getrandbits(31)
        asked = self._encode([messages[-1].content])[0]
        chosen = self._choose(answers, vectors @ asked, opening, random.Random(seed))
        text = chosen.answer if opening else label(chosen.emotion) + chosen.answer
        identity = Identity(self.card.name, BY_HAND, self._encoder_sha256)
        return WrittenGeneration(text, identity, seed)

    def _choose(
        self, answers: Sequence[Written], scores: Any, wanted: str, rng: random.Random
    ) -> Written:
        places = list(range(len(answers)))
        if wanted:
            same = [place for place in places if label(answers[place].emotion) == wanted]
            places = same or places
        best = max(places, key=lambda place: float(scores[place]))
        if float(scores[best]) >= NEAR:
            return answers[best]
        evasions = [answers[place] for place in places if answers[place].evasion]
        evasions = evasions or [answer for answer in answers if answer.evasion]
        return rng.choice(evasions) if evasions else answers[best]

    def _of(self, character: str) -> tuple[Sequence[Written], Any]:
        with self._lock:
            if character not in self._known:
                answers = self._answers(character)
                if not answers:
                    raise EngineFailed(
                        f"{character!r} has no written answers. Choose another engine or write "
                        "some into questions.jsonl."
                    )
                self._known[character] = answers, self._encode([one.question for one in answers])
            return self._known[character]
