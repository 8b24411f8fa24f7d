"""Finds the passages of a character that a question is about.

Knows no prompt and no model. Every passage of the character is scored exactly: there are some
two hundred, and the fusion of the two scores needs them all, which a nearest-neighbour search
would cut short. Chroma keeps the vectors, so that nothing is encoded twice.
"""

import logging
import re
import threading
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rolecraft.characters.model import Character
from rolecraft.conversation import Passage
from rolecraft.knowledge.bm25 import Bigrams, Postings
from rolecraft.knowledge.encoder import Encoder, Vectors
from rolecraft.knowledge.origins import Origins
from rolecraft.knowledge.passages import (
    EVERYBODY,
    EVERYDAY,
    PROFILE,
    Source,
    marked,
    searched_of,
    shared_of,
)
from rolecraft.knowledge.vectors import Refresh, VectorStore
from rolecraft.knowledge.ways import Ways, by_letters, is_everyday, said_word_for_word

log = logging.getLogger(__name__)

# Of the encoder's score, the rest is BM25's; best on held-out wordings. Scenes are found by their
# rare words, fields and talk by the many ways of asking, among which some word is always alike.
DENSE_WEIGHT = 0.88
DENSE_WEIGHT_ASKED = 0.95
THRESHOLD = 0.25  # a cosine below it has nothing to do with the question; most sources are above
ENOUGH = 0.5  # similarity from which an everyday answer needs nothing beside it
_QUESTION_CHARACTERS = 400  # longer messages are asked by their beginning and their end
_FRAGMENT = re.compile(
    r"^(那|那么|还有|然后|后来|所以|为什么|为啥|怎么会|真的|是吗|接着|哪)|[他她它]|呢[？?]?$|"
    r"^(这|那)(个|里|边|样|时|次|件|是)"
)


@dataclass(frozen=True)
class _Character:
    """What is kept in memory of one character. Its own sources come first, then the shared ones."""

    character: Character
    sources: tuple[Source, ...]
    origins: Origins
    vectors: Vectors  # of its own
    about: Bigrams  # of all but everyday talk, which stands at the end
    dense: Vectors  # weight of the cosine, by source
    shared: Ways
    known: Mapping[str, set[str]]  # letters of a source of its own to its origins

    def best(self, scores: Vectors, question: str) -> list[int]:
        """Places of the sources that stand best for their origins when this is asked."""
        behind = self.shared.behind(question) | said_word_for_word(self.known, question)
        return self.origins.best(scores, behind)


class Index:
    """The passages of the cast, ready to be asked. Safe to call from threads."""

    def __init__(self, store: VectorStore, encoder: Encoder) -> None:
        self._store = store
        self._encoder = encoder
        self._lock = threading.Lock()
        self._ready: dict[str, _Character] = {}
        self._shared: dict[Hashable, Ways] = {}

    def refresh(
        self, characters: Iterable[Character], stopped: threading.Event | None = None
    ) -> Refresh:
        """Bring the store up to date with the whole cast; everyone else's passages are dropped.

        A character that is asked meanwhile, or was never refreshed, is brought up to date then.
        `stopped` ends it between two characters; what is encoded stays.
        """
        stopped = stopped or threading.Event()
        everyone = tuple(characters)
        cast = {one.id: searched_of(one) for one in everyone}
        cast[EVERYBODY] = shared_of(everyone)
        results = self._refreshed(cast, stopped)
        rebuilt = any(result.rebuilt for result in results)
        if rebuilt:  # those that were looked at before the break are not in the new collection
            results += self._refreshed(cast, stopped)
        encoded = sum(result.encoded for result in results)
        removed = sum(result.removed for result in results)
        if not stopped.is_set():
            removed += self._store.keep_only(list(cast))
        total = sum(map(len, cast.values()))
        if encoded or removed:
            log.info("Passages: %d in all, %d encoded, %d removed.", total, encoded, removed)
        return Refresh(max(total - encoded, 0), encoded, removed, rebuilt)

    def _refreshed(
        self, cast: Mapping[str, tuple[Source, ...]], stopped: threading.Event
    ) -> list[Refresh]:
        return [
            self._store.refresh(character, sources)
            for character, sources in cast.items()
            if not stopped.is_set()
        ]

    def retrieve(
        self,
        character: Character,
        question: str,
        history: Sequence[str] = (),
        k: int = 3,
        threshold: float = THRESHOLD,
        shown: int | None = None,
        everyday: bool = True,
    ) -> tuple[Passage, ...]:
        """The best `shown` passages (default `k`), best first, at most one for each origin.

        They are the person's own: fields, scenes, answers. With `everyday` the answer to what
        everybody says stands among them, in front and the only one that is used where the
        question is of that kind, else behind and unused. `history`
        is what the visitor said before, oldest first. `used` is true for the best `k`
        whose similarity reaches `threshold`. The similarity is the cosine between the question
        and the nearest passage of that origin.
        """
        if not question.strip():
            return ()
        ready = self._of(character)
        asked = standalone(question, history)
        query = self._encoder.encode_queries([marked(asked)])[0]
        cosines = np.concatenate([one @ query for one in (ready.vectors, ready.shared.vectors)])
        letters = np.concatenate([one.scores(asked) for one in (ready.about, ready.shared.said)])
        dense = ready.dense
        scores = dense * _standard(cosines) + (1 - dense) * _standard(letters)
        best = ready.best(scores, asked)
        own = [one for one in best if not is_everyday(ready.sources[one])][: max(k, shown or k)]
        nearest = ready.origins.nearest(cosines)

        def passage(position: int, wanted: bool) -> Passage:
            source = ready.sources[position]
            similarity = nearest[source.origin]
            used = wanted and similarity >= threshold
            return Passage(source.field, source.text, round(similarity, 4), used)

        passages = [passage(position, rank < k) for rank, position in enumerate(own)]
        for position in [one for one in best if everyday and is_everyday(ready.sources[one])][:1]:
            first = not own or best.index(position) < best.index(own[0])
            said = passage(position, first)
            if said.used and said.similarity >= ENOUGH:
                passages = [replace(one, used=False) for one in passages]
            passages.insert(0 if first else len(passages), said)
        return tuple(passages)

    def _of(self, character: Character) -> _Character:
        with self._lock:
            ready = self._ready.get(character.id)
        if ready is None or ready.character != character:
            ready = self._prepared(character)
            with self._lock:
                self._ready[character.id] = ready
        return ready

    def _prepared(self, character: Character) -> _Character:
        own, shared = searched_of(character), shared_of([character])
        self._store.refresh(character.id, own)
        vectors = self._store.vectors_of(own)
        common = self._shared_by(character, shared, vectors.shape[1])
        sources = (*own, *shared)
        asked = [one.origin.startswith((PROFILE, EVERYDAY)) for one in sources]
        return _Character(
            character, sources, Origins(sources), vectors,
            Bigrams(Postings([one.text for one in own]), common.asked),
            np.where(asked, DENSE_WEIGHT_ASKED, DENSE_WEIGHT).astype(np.float32), common,
            by_letters((one.text, one.origin) for one in own),
        )  # fmt: skip

    def _shared_by(self, character: Character, shared: tuple[Source, ...], width: int) -> Ways:
        """Kept once for all characters that share these ways."""
        asked = character.asked_commonly
        key = (shared, tuple(asked.items()))
        with self._lock:
            known = self._shared.get(key)
        if known is None:
            vectors = np.zeros((0, width), np.float32)
            if shared:
                self._store.refresh(EVERYBODY, shared, whole=False)  # others have more of them
                vectors = self._store.vectors_of(shared)
            known = Ways(shared, vectors, asked)
            with self._lock:
                self._shared[key] = known
        return known


def standalone(question: str, history: Sequence[str]) -> str:
    """The question as it can be searched for: a fragment is read after what was said before it."""
    text = " ".join(question.split())
    if len(text) > _QUESTION_CHARACTERS:
        half = _QUESTION_CHARACTERS // 2
        text = f"{text[:half]} {text[-half:]}"
    if not history or len(text) > 20 or not (len(text) <= 4 or _FRAGMENT.search(text)):
        return text
    return f"{history[-1][-60:]} {text}"


def _standard(scores: Vectors) -> Vectors:
    """How many standard deviations each score stands out: makes scores of any scale addable."""
    spread = float(scores.std())
    return (scores - scores.mean()) / spread if spread > 1e-6 else np.zeros_like(scores)
