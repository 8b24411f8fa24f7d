"""Which profile field or which talk a question is about, judged by shared words; and which
questions may be asked in a test without any part of their answers standing in training.

Both are decided by the texts alone, so that a second import decides the same. Knows no file.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

from rolecraft.characters.model import FIELD_NAMES, Kind, Question
from rolecraft.characters.overlap import bare, runs
from train.importers.gathered import Asked
from train.importers.talks import TwoParty

SHARED = 6  # bare characters in a row that an answer has from the talk it is about
LEAKED = 12  # bare characters that a test answer may not share with what is trained on
_VALUE = 2  # characters from which a field's value counts as quoted


class Grounding:
    """The talks and the profile of one character, ready to be asked what an answer is from."""

    def __init__(
        self,
        questions: Sequence[Asked],
        talks: Sequence[tuple[str, TwoParty]],
        profile: Mapping[str, str],
    ) -> None:
        wanted = {run for asked in questions for run in runs(asked.answer, SHARED)}
        self._owners: dict[str, set[str]] = defaultdict(set)
        for identity, talk in talks:
            for run in runs("".join(turn.text for turn in talk.turns), SHARED) & wanted:
                self._owners[run].add(identity)
        self._profile = {
            key: (bare(FIELD_NAMES[key]["zh"]), bare(value)) for key, value in profile.items()
        }

    def source(self, asked: Asked) -> tuple[Kind, str | None]:
        """The kind of a question and its source; opinion without one where nothing is shared."""
        question, answer = bare(asked.question), bare(asked.answer)
        for key, (name, value) in self._profile.items():
            if name in question and len(value) >= _VALUE and value in answer:
                return "profile", f"profile.{key}"
        found: Counter[str] = Counter()
        for run in runs(answer, SHARED):
            owners = self._owners.get(run, ())
            if len(owners) == 1:  # what is said in many talks tells nothing
                found.update(owners)
        if found:
            best = max(found, key=lambda identity: (found[identity], identity))
            return "experience", f"script.{best}"
        return "opinion", None


def held_out(
    questions: Sequence[Asked | Question], share: float, learnt: Iterable[str] = ()
) -> set[int]:
    """Positions of about `share` of the questions, such that no test answer shares a run of
    `LEAKED` bare characters with a train answer or a text of `learnt`, which is trained on in any
    case, and no question is asked in both.

    Questions that share such a run stay together; the largest such groups are trained on.
    """
    leaders = list(range(len(questions)))

    def leader(position: int) -> int:
        while leaders[position] != position:
            leaders[position] = leaders[leaders[position]]
            position = leaders[position]
        return position

    owners: dict[str, int] = {}
    for position, asked in enumerate(questions):
        answer = bare(asked.answer)
        for mark in {f"?{bare(asked.question)}", f"={answer}", *runs(answer, LEAKED)}:
            other = owners.setdefault(mark, position)
            leaders[leader(position)] = leader(other)
    known = {owners[run] for text in learnt for run in runs(text, LEAKED) & owners.keys()}
    trained = {leader(position) for position in known}
    groups: dict[int, list[int]] = defaultdict(list)
    for position in range(len(questions)):
        if leader(position) not in trained:
            groups[leader(position)].append(position)
    wanted, chosen = round(share * len(questions)), set[int]()
    for group in sorted(groups.values(), key=lambda one: _draw(questions[one[0]].question)):
        if len(group) <= max(1, wanted // 10) and len(chosen) + len(group) <= wanted:
            chosen.update(group)
    return chosen


def _draw(text: str) -> bytes:
    return sha256(text.encode()).digest()
