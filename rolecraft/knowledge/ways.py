"""The ways of asking and saying that many characters share: what is made of them once for all.

Knows no encoder and no store: the ways come with their vectors.
"""

from collections.abc import Iterable, Mapping, Sequence

from rolecraft.characters.model import BEYOND
from rolecraft.characters.overlap import bare
from rolecraft.knowledge.bm25 import Bigrams, Postings
from rolecraft.knowledge.encoder import Vectors
from rolecraft.knowledge.naive_bayes import Likelihoods
from rolecraft.knowledge.passages import EVERYDAY, PROFILE, Source

# In standard deviations of all scores, best on held-out wordings. What all share is said in many
# ways and wins by their number; what is a person's own goes before it unless it stands out by more.
EVERYDAY_BEHIND = 1.0
BEYOND_BEHIND = 0.8  # for what nobody here knows: what is told instead would be beside the point
# Times the standard deviations by which a field, or a topic of everyday talk, is less likely.
UNLIKELY_BEHIND = 1.0
UNLIKELY_TOPIC_BEHIND = 0.6
# Times the logarithm by which everyday talk, or a question that nobody here can answer, is less
# likely to be meant than a field, hence anything of the person's own. One strange word decides
# nothing.
UNLIKELY_KIND_BEHIND = 0.2
FURTHEST = 10.0
WORD_FOR_WORD = 20.0  # what is said in a known way is nothing else
_BEYOND = f"{EVERYDAY}{BEYOND}"  # how the origins of questions begin that nobody here can answer
# By kind, told by how an origin begins; the longer beginning before the shorter.
_BEHIND = {PROFILE: 0.0, _BEYOND: BEYOND_BEHIND, EVERYDAY: EVERYDAY_BEHIND}


class Ways:
    """What is kept of them. Safe to call from threads."""

    def __init__(
        self, shared: Sequence[Source], vectors: Vectors, asked: Mapping[str, Sequence[str]]
    ) -> None:
        """`asked` has all ways of asking by the field's origin; of `shared`, [n], some are."""
        topics: dict[str, list[str]] = {}
        for one in filter(is_everyday, shared):
            topics.setdefault(one.origin, []).append(one.text)
        self.vectors = vectors
        self.asked = Postings([one.text for one in shared if not is_everyday(one)])
        # How rare a word is among everyday talk says nothing of the person's own passages.
        self.said = Bigrams(Postings([way for some in topics.values() for way in some]))
        groups = ((asked, UNLIKELY_BEHIND), (topics, UNLIKELY_TOPIC_BEHIND))
        self._groups = [(Likelihoods(some), weight) for some, weight in groups if some]
        self._kind_of = {origin: _kind(origin) for origin in (*asked, *topics)}
        kinds: dict[str, list[str]] = {}
        for origin, some in (*asked.items(), *topics.items()):
            kinds.setdefault(self._kind_of[origin], []).extend(some)
        self._kinds = Likelihoods(kinds) if kinds else None
        known = [(one.text, one.origin) for one in shared]
        known += [(way, origin) for origin, some in asked.items() for way in some]
        self._known = by_letters(known)

    def behind(self, question: str) -> dict[str, float]:
        """What each origin loses when this is asked; nothing where it is not named."""
        kinds = self._kinds_behind(question)
        lost = {origin: kinds[kind] for origin, kind in self._kind_of.items()}
        for likelihoods, weight in self._groups:
            for origin, away in zip(likelihoods.origins, likelihoods.behind(question), strict=True):
                lost[origin] += weight * away
        return lost | said_word_for_word(self._known, question)

    def _kinds_behind(self, question: str) -> dict[str, float]:
        if self._kinds is None:
            return {}
        nats = self._kinds.nats_behind(question).tolist()
        away = dict(zip(self._kinds.origins, nats, strict=True))
        own = away.get(PROFILE, 0.0)
        return {
            kind: _BEHIND[kind] + UNLIKELY_KIND_BEHIND * min(max(far - own, -FURTHEST), FURTHEST)
            for kind, far in away.items()
        }


def by_letters(ways: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """Letters of a way, without signs, to the origins that it tells of."""
    known: dict[str, set[str]] = {}
    for way, origin in ways:
        known.setdefault(bare(way), set()).add(origin)
    return known


def said_word_for_word(known: Mapping[str, set[str]], question: str) -> dict[str, float]:
    """What origins lose, less than nothing, whose known way this is."""
    return dict.fromkeys(known.get(bare(question), ()), -WORD_FOR_WORD)


def is_everyday(source: Source) -> bool:
    """Whether a source tells of what everybody says and is asked."""
    return source.origin.startswith(EVERYDAY)


def _kind(origin: str) -> str:
    return next(kind for kind in _BEHIND if origin.startswith(kind))
