"""What is wrong with a question or an answer that an engine wrote for a character.

Judges words only, by rules that can be told: what the lint forbids, twins, questions that hang in
the air. Whether the writing is good a reader must say.
"""

import re
from collections.abc import Iterable

from rolecraft.characters.overlap import bare, runs
from rolecraft.emotions import split_opening
from train.lint.rules import spoils

ALIKE = 0.75  # share of common pairs of letters from which two questions are one
# Words that point at something that was never said, when a question begins with them.
_DANGLING = re.compile(
    r"(?:那么?|所以|那|后来|当时|然后)?(?:他|她|它|他们|她们|那件事|那次|这件事)"
)


def fault_of_answer(name: str, answer: str, question: str) -> str:
    """Why an answer cannot be used; "" when nothing is wrong."""
    if split_opening(answer)[0]:
        return "label in the text"
    if bare(answer) == bare(question):
        return "echo of the question"
    return spoils(name, answer, question)


def dangling(question: str) -> bool:
    """Whether a question begins with a word for something that it does not name."""
    return bool(_DANGLING.match(question))


class Twins:
    """Remembers texts and finds those that were there already, nearly word for word."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._pairs: list[set[str]] = []
        self._seen: set[str] = set()
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """Remember a text."""
        self._seen.add(bare(text))
        self._pairs.append(runs(text, 2))

    def has(self, text: str) -> bool:
        """Whether this text or one nearly the same was remembered."""
        pairs = runs(text, 2)
        return bare(text) in self._seen or any(
            len(pairs & other) >= ALIKE * len(pairs | other) for other in self._pairs if other
        )
