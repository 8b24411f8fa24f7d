"""ROUGE-L of a reply against references: precision, recall and F1 of the longest common sequence.

Tokens are characters without blanks, as is usual for Chinese; a model is not needed. The released
scorer of the paper gives recall alone, which a long reply wins by its length.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class RougeL:
    """Shares between 0 and 1."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """The harmonic mean, 0 where nothing is in common."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def tokens(text: str) -> str:
    """The characters of a text without blanks."""
    return "".join(text.split())


def common_length(one: str, two: str) -> int:
    """Length of the longest common subsequence of two texts.

    Bit-parallel (Hyyrö 2004): a row of the table is one integer.
    """
    places: dict[str, int] = {}
    for place, character in enumerate(one):
        places[character] = places.get(character, 0) | 1 << place
    full = (1 << len(one)) - 1
    row = full
    for character in two:
        met = row & places.get(character, 0)
        row = ((row + met) | (row - met)) & full
    return len(one) - row.bit_count()


def rouge_l(reply: str, reference: str) -> RougeL:
    """One reply against one reference; an empty text has nothing in common with any."""
    said, wanted = tokens(reply), tokens(reference)
    if not said or not wanted:
        return RougeL(0.0, 0.0)
    common = common_length(wanted, said)
    return RougeL(common / len(said), common / len(wanted))


def best(reply: str, references: Sequence[str]) -> tuple[float, float]:
    """The best F1 and the best recall over all references, as several answers may be right."""
    if not references:
        raise ValueError("A reply needs at least one reference to be compared with.")
    scores = [rouge_l(reply, reference) for reference in references]
    return max(score.f1 for score in scores), max(score.recall for score in scores)
