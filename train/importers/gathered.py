"""What an importer brings: the lines, questions, replies and profile of one character, each with
its entry in the ledger. Also the cleaning that every text goes through. Knows no format.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from rolecraft.characters.overlap import bare
from rolecraft.privacy import mask
from train.importers.labels import Labels
from train.importers.ledger import Entry, Ledger

MOST_TURNS = 16
TEST_SHARE = 0.2

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u200e\u200f\u202a-\u202e\ufeff]")
_NUMBER = re.compile(
    r"\s*(?:(?:问题|Question|Q)\s*\d{1,3}\s*[.、:：)）．]|[（(]\d{1,3}[)）]|\d{1,3}\s*[.、)）．])"
    r"\s*(?=[^\s\d])",
    re.IGNORECASE,
)
_RESIDUE = re.compile(
    r"\s*(?:我的)?(?:回复|回答|答复|答)\s*\d*\s*[:：]\s*"
    r"|\s*(?:Answer|Response|Reply|Assistant)\s*\d*\s*[:：]\s*",
    re.IGNORECASE,
)
_ECHO = re.compile(r"\s*(User|System|Assistant) Prompt\s*[:：]\s*", re.IGNORECASE)
_LATER_NUMBER = re.compile(r"(?:\n|[。；;！？])\s*[（(]?\d{1,2}\s*[.、)）．]")
_OTHER_SPEAKER = re.compile(r"\n\s*[\w·]{1,12}\s*[:：]")


@dataclass(frozen=True)
class Options:
    """How to import, as the command line says."""

    characters: tuple[str, ...] = ()
    identity: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    labels: Labels = field(default_factory=Labels)
    most_turns: int = MOST_TURNS
    gap_minutes: float = 120
    test_share: float = TEST_SHARE
    licence: str = ""
    author: str = ""


@dataclass(slots=True)
class Line:
    """A line of talk, cleaned."""

    entry: Entry
    speaker: str
    text: str
    emotion: str | None


@dataclass(slots=True)
class Asked:
    """A question and its answer, cleaned. What the source does not say is None."""

    entry: Entry
    question: str
    answer: str
    emotion: str | None
    kind: str | None = None
    split: str | None = None


@dataclass(slots=True)
class Reply:
    """An answer to a general instruction, cleaned."""

    entry: Entry
    instruction: str
    text: str
    emotion: str | None


@dataclass
class Talk:
    """Lines in order. `bounded`: the source itself says where this talk begins and ends."""

    lines: list[Line]
    bounded: bool = False
    scene: str = ""


@dataclass
class Gathered:
    """All that the source holds of one character."""

    name: str
    talks: list[Talk] = field(default_factory=list)
    questions: list[Asked] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    profile: dict[str, str] = field(default_factory=dict)


class Cleaner:
    """Brings raw records into the ledger and out again as clean values, or refuses them."""

    def __init__(self, ledger: Ledger, options: Options) -> None:
        self.ledger, self.labels = ledger, options.labels

    def text(self, entry: Entry, text: str) -> str:
        """A text without control characters and personal data."""
        clean = _CONTROL.sub("", text)
        if clean != text:
            entry.repair("control characters removed")
        clean, kinds = mask(clean)
        for kind in kinds:
            entry.repair(f"personal data masked: {kind}")
        return clean.strip()

    def line(
        self, entry: Entry, speaker: str, text: str, emotion: str = "", scripted: bool = False
    ) -> Line | None:
        """A line of talk; None when it is refused. `scripted`: nearly every line has a label."""
        found = self.labels.named(emotion, text)
        if found.unknown:
            entry.repair(f"unknown label taken for none: {found.unknown}")
        if found.emotion is None:
            found = self.labels.opening(text, loose=scripted)
        if found.repair:
            entry.repair(_reason(found.repair))
        spoken = self.labels.without_inner(found.text) if scripted else found.text
        if spoken != found.text:
            entry.repair("brackets around a word for a feeling removed")
        spoken = self.text(entry, spoken)
        if not spoken:
            entry.refuse("empty text")
            return None
        who = self.text(entry, speaker)
        if not who:
            entry.refuse("no speaker")
            return None
        return Line(entry, who, spoken, found.emotion)

    def asked(self, entry: Entry, name: str, question: str, answer: str, emotion: str = "",
              kind: str | None = None, split: str | None = None) -> Asked | None:  # fmt: skip
        """A question with its answer; None when it is refused."""
        numbered = _NUMBER.match(question)
        if numbered:
            entry.repair("number before the question removed")
            question = question[numbered.end() :]
        question = self.text(entry, question)
        said, feeling = self.answer(entry, name, answer, question, emotion)
        if not question or not said:
            entry.refuse("no answer" if question else "no question")
            return None
        return Asked(entry, question, said, feeling, kind, split)

    def reply(self, entry: Entry, name: str, instruction: str, text: str) -> Reply | None:
        """A reply to a general instruction; None when it is refused."""
        instruction = self.text(entry, instruction)
        said, feeling = self.answer(entry, name, text, instruction)
        if not instruction or not said:
            entry.refuse("no answer" if instruction else "no question")
            return None
        return Reply(entry, instruction, said, feeling)

    def answer(
        self, entry: Entry, name: str, text: str, question: str, emotion: str = ""
    ) -> tuple[str, str | None]:
        """An answer without what a prompt left around it, and its emotion."""
        found = self.labels.named(emotion, text)
        if found.unknown:
            entry.repair(f"unknown label taken for none: {found.unknown}")
        if found.emotion is None:
            found = self.labels.opening(text)
        if found.repair:
            entry.repair(_reason(found.repair))
        said = found.text
        if _ECHO.search(said):
            entry.repair("echo of a prompt around the answer cut off")
            said = _without_echo(said, question)
        residue = _RESIDUE.match(said)
        if residue:
            entry.repair("prompt residue before the answer removed")
            said = said[residue.end() :]
        own = re.match(rf"\s*{re.escape(name)}\s*[:：]\s*", said) if name else None
        if own and not _OTHER_SPEAKER.search(said):
            entry.repair("own name before the answer removed")
            said = said[own.end() :]
        numbered = _NUMBER.match(said)
        if numbered and not _LATER_NUMBER.search(said, numbered.end()):
            entry.repair("number before the answer removed")
            said = said[numbered.end() :]
        return self.text(entry, said), found.emotion


def _without_echo(text: str, question: str) -> str:
    """The answer among echoes of prompts; "" when there is only an answer to another question.

    What stands before the first echoed question is the answer; what follows an echoed
    `Assistant Prompt:` is one when that comes first or when the question before it is this one.
    """
    before, *rest = _ECHO.split(text)
    pairs = list(zip(rest[::2], rest[1::2], strict=True))
    if pairs[0][0].lower() == "assistant":
        return pairs[0][1]
    if before.strip():
        return before
    asked, replied = pairs[0][1], pairs[1] if len(pairs) > 1 else ("", "")
    same = bool(bare(question)) and bare(question) in bare(asked)
    return replied[1] if same and replied[0].lower() == "assistant" else ""


def _reason(repair: str) -> str:
    """The repair of a label as category and detail."""
    what, _, word = repair.partition(" the label ")
    if word:
        return f"{what} a label mended: {word}"
    return f"label outside the ten mapped: {repair.removeprefix('label ')}"
