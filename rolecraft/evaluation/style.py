"""The style test: can a reader of letters alone tell who speaks?

A linear classifier over character n-grams learns the voices from what the train split allows and
names the speaker of every held-out answer. Knows no page and no model of the project.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rolecraft.characters.model import Character
from rolecraft.errors import ResultsError

LEAST_ACCURACY = 0.60  # of a cast of 28, where guessing finds 1 in 28
# Kinds whose answers rest on no fact of the card or the script: only the voice gives them away.
WITHOUT_FACTS = ("opinion", "small_talk", "out_of_knowledge")
NGRAMS = (1, 3)  # letters; longer runs repeat what these say and treble the time
_REGULARISATION = 1.0  # scikit-learn's own default, not chosen on the test split


@dataclass(frozen=True)
class Named:
    """A held-out answer, who gave it and who the classifier says gave it."""

    speaker: str  # id
    guess: str  # id
    kind: str
    text: str

    @property
    def right(self) -> bool:
        """Whether the speaker was found."""
        return self.speaker == self.guess


@dataclass(frozen=True)
class StyleTest:
    """Every held-out answer with its guess, and what follows from them."""

    speakers: tuple[str, ...]  # ids in the order of the shelf
    named: tuple[Named, ...]
    learnt_from: int  # texts of the train split

    @property
    def accuracy(self) -> float:
        """The share of held-out answers whose speaker was found."""
        return share_right(self.named)

    @property
    def accuracy_without_facts(self) -> float:
        """The same for opinions, small talk and evasions, which rest on no fact."""
        return share_right([one for one in self.named if one.kind in WITHOUT_FACTS])

    @property
    def chance(self) -> float:
        """What guessing would find."""
        return 1 / max(len(self.speakers), 1)

    @cached_property
    def recall(self) -> dict[str, float]:
        """By speaker: the share of their answers that were found to be theirs."""
        return {
            speaker: share_right([one for one in self.named if one.speaker == speaker])
            for speaker in self.speakers
        }

    @cached_property
    def by_kind(self) -> dict[str, float]:
        """By kind of question: the share of answers whose speaker was found."""
        found: dict[str, list[Named]] = {}
        for one in self.named:
            found.setdefault(one.kind, []).append(one)
        return {kind: share_right(named) for kind, named in found.items()}

    @cached_property
    def table(self) -> dict[str, dict[str, int]]:
        """The confusion table: speaker → guess → answers."""
        rows: dict[str, dict[str, int]] = {speaker: {} for speaker in self.speakers}
        for one in self.named:
            rows[one.speaker][one.guess] = rows[one.speaker].get(one.guess, 0) + 1
        return rows

    def blurred(self, most: int = 10) -> list[tuple[str, str, int]]:
        """The pairs that are taken for each other most often, in either direction."""
        pairs = Counter(
            tuple(sorted((one.speaker, one.guess))) for one in self.named if not one.right
        )
        ordered = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
        return [(first, second, count) for (first, second), count in ordered[:most]]

    def as_json(self) -> dict[str, Any]:
        """The numbers, rounded for people, and the confusion table."""
        return {
            "accuracy": round(self.accuracy, 4),
            "accuracy_without_facts": round(self.accuracy_without_facts, 4),
            "chance": round(self.chance, 4),
            "learnt_from": self.learnt_from,
            "held_out": len(self.named),
            "by_kind": {kind: round(share, 4) for kind, share in self.by_kind.items()},
            "recall": {speaker: round(share, 4) for speaker, share in self.recall.items()},
            "confusions": self.table,
        }


def share_right(named: Sequence[Named]) -> float:
    """The share that was found; 0 of nothing."""
    return sum(one.right for one in named) / len(named) if named else 0.0


def training_texts(character: Character) -> list[str]:
    """What a voice may be learnt from: own script lines, train, general and everyday answers."""
    answers = [question.answer for question in character.questions_of("train")]
    lines = [
        turn.text
        for dialogue in character.script
        for turn in dialogue.turns
        if turn.speaker == character.name["zh"]
    ]
    general = [answer.text for row in character.general for answer in row.answers]
    everyday = [row.answer.text for row in character.everyday]
    return answers + lines + general + everyday


def reader_of_letters(class_weight: str | None = None) -> Any:
    """An untaught reader: `fit(texts, labels)`, then `predict(texts)`. Nothing in it is random."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    return make_pipeline(
        TfidfVectorizer(analyzer="char", ngram_range=NGRAMS, sublinear_tf=True),
        LinearSVC(C=_REGULARISATION, class_weight=class_weight, random_state=0),
    )


def style_test(characters: Sequence[Character]) -> StyleTest:
    """Learn the voices of the characters and name the speakers of their test answers.

    The same characters give the same guesses: nothing is drawn at random. `ResultsError` when
    fewer than two of them have texts to learn from.
    """
    learnt = [(one.id, text) for one in characters for text in training_texts(one)]
    if len({who for who, _ in learnt}) < 2:
        raise ResultsError(
            f"The style test tells voices apart, but of {len(characters)} characters "
            f"{len({who for who, _ in learnt})} have texts in the train split; give it two."
        )
    asked = [(one.id, question) for one in characters for question in one.questions_of("test")]
    reader = reader_of_letters()
    reader.fit([text for _, text in learnt], [who for who, _ in learnt])
    held_out = [question.answer for _, question in asked]
    guesses = reader.predict(held_out) if held_out else []
    return StyleTest(
        speakers=tuple(one.id for one in characters),
        named=tuple(
            Named(speaker, str(guess), question.kind, question.answer)
            for (speaker, question), guess in zip(asked, guesses, strict=True)
        ),
        learnt_from=len(learnt),
    )
