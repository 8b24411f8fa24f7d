"""The rules that look at several texts: copies, leakage, who says what, the balance of labels.

Knows no file. Texts are compared by their letters, digits and Chinese characters alone.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator

from rolecraft.characters.overlap import bare, runs
from train.lint.findings import Findings
from train.lint.items import Item, Read

SHARED = 12  # bare characters from which the same answer of two characters is a copy
SAID_TWICE = 15  # bare characters from which the same line of two speakers is suspect
LEAKED = 12  # bare characters of a test answer that may not stand in what is trained on
PREVAILS = 0.6  # share of a label in a script from which it prevails
LEAST_LINES = 20  # labelled lines from which a share says anything


class Across:
    """Remembers what the characters before said."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[str, str]] = {}
        self._answers: dict[str, tuple[str, tuple[str, int, int]]] = {}

    def check(self, read: Read, findings: Findings) -> None:
        """Look at a character beside the ones before it."""
        copies = self._identical_files(read, findings)
        self._shared_answers(read, copies, findings)
        _repeated(read, copies, findings)
        _two_speakers(read, findings)
        _leakage(read, findings)
        _balance(read, findings)

    def _identical_files(self, read: Read, findings: Findings) -> set[str]:
        copies = set()
        for file, digest in read.files:
            owner, first = self._files.setdefault(digest, (read.name, file))
            if first != file:
                copies.add(file)
                whose = "" if owner == read.name else f" of {owner}"
                findings.add(
                    "identical-file", read.name, (file, 0, 0), file, f"the same as {first}{whose}"
                )
        return copies

    def _shared_answers(self, read: Read, copies: set[str], findings: Findings) -> None:
        for item in read.items:
            if item.kind == "turn" or item.file in copies:
                continue
            letters = bare(item.text)
            if len(letters) < SHARED:
                continue
            owner, place = self._answers.setdefault(letters, (read.name, item.place))
            if owner != read.name:
                detail = f"also {owner}'s, {place[0]}:{place[1]}"
                findings.add("shared-answer", read.name, item.place, item.text, detail)


def _repeated(read: Read, copies: set[str], findings: Findings) -> None:
    seen: dict[tuple[str, str], tuple[str, int, int]] = {}
    for item in read.items:
        if item.kind == "turn" or item.file in copies:
            continue
        first = seen.setdefault((item.question.strip(), item.text.strip()), item.place)
        if first != item.place:
            detail = f"already at {first[0]}:{first[1]}"
            findings.add("repeated-answer", read.name, item.place, item.text, detail)


def _two_speakers(read: Read, findings: Findings) -> None:
    seen: dict[str, Item] = {}
    for item in read.items:
        if item.kind != "turn" or len(item.text) < SAID_TWICE:
            continue
        letters = bare(item.text)
        first = seen.setdefault(letters, item)
        own = {first.speaker == read.name, item.speaker == read.name}
        if len(letters) >= SAID_TWICE and len(own) == 2:
            detail = f"by {item.speaker}; by {first.speaker} at {first.file}:{first.line}"
            findings.add("two-speakers", read.name, item.place, item.text, detail)


def _leakage(read: Read, findings: Findings) -> None:
    tests = list(_of_split(read, "test"))
    if not tests:
        return
    trained: dict[str, Item] = {}
    for item in _learnt(read):
        for run in _parts(item.text, read.quoted):
            trained.setdefault(run, item)
    asked: dict[str, int] = {}
    for item in _of_split(read, "train"):
        asked.setdefault(bare(item.question), item.line)
    for item in tests:
        if (line := asked.get(bare(item.question))) is not None:
            detail = f"the question is asked in training, line {line}"
            findings.add("leakage", read.name, item.place, item.question, detail)
            continue
        shared = sorted(_parts(item.text, read.quoted) & trained.keys())
        if shared:
            first = trained[shared[0]]
            detail = f"{shared[0]!r} stands at {first.file}:{first.line}"
            findings.add("leakage", read.name, item.place, item.text, detail)


def _of_split(read: Read, split: str) -> Iterator[Item]:
    return (item for item in read.items if item.kind == "question" and item.split == split)


def _learnt(read: Read) -> Iterator[Item]:
    """What models are trained to say: own lines, replies, and answers of the train split."""
    for item in read.items:
        own = item.speaker == read.name if item.kind == "turn" else item.split != "test"
        if own:
            yield item


def _parts(answer: str, quoted: tuple[str, ...]) -> set[str]:
    """The runs of an answer without the facts that it quotes."""
    for value in quoted:
        answer = answer.replace(value, "\n")
    return {run for part in answer.split("\n") for run in runs(part, LEAKED)}


def _balance(read: Read, findings: Findings) -> None:
    counts = Counter(
        item.label.emotion
        for item in read.items
        if item.kind == "turn" and item.labelled and item.label.emotion
    )
    if counts.total() < LEAST_LINES:
        return
    label, count = counts.most_common(1)[0]
    if count / counts.total() > PREVAILS:
        detail = f"{count / counts.total():.0%} of {counts.total()} labelled lines"
        file = next(item.file for item in read.items if item.kind == "turn")
        findings.add("label-imbalance", read.name, (file, 0, 0), str(label), detail)


def by_character(findings: Findings) -> dict[str, Counter[str]]:
    """How often each rule is broken by each character."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for one in findings.found:
        counts[one.character][one.rule] += 1
    return dict(counts)
