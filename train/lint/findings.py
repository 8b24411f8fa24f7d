"""What the lint can find: a rule, its weight, its remedy, and the places where it was broken.

Knows no file and no text.
"""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from rolecraft.privacy import mask

Severity = Literal["error", "warning"]
SHOWN = 80  # characters of a value that a finding quotes


@dataclass(frozen=True)
class Rule:
    """One thing that is looked for."""

    severity: Severity
    title: str
    remedy: str


RULES: dict[str, Rule] = {
    "invalid-line": Rule("error", "Lines that cannot be read", "Write one JSON object a line."),
    "empty": Rule("error", "Empty turns and answers", "Write it, or take the record out."),
    "unknown-label": Rule(
        "error", "Labels that are not of the ten", "Use one of the ten, or add it to the table."
    ),
    "mapped-label": Rule(
        "warning", "Labels outside the ten that the table maps", "The importer maps it."
    ),
    "unlabelled": Rule("warning", "Lines of a script without a label", "Annotate it."),
    "unclosed-bracket": Rule("error", "Labels with half a bracket", "Close the bracket."),
    "open-bracket": Rule("warning", "Brackets in the text that do not match", "Close the bracket."),
    "stage-direction": Rule("warning", "Stage directions in speech", "Leave out what nobody says."),
    "wrong-speaker": Rule(
        "error", "Lines that another speaker must have said", "Give it to who says it."
    ),
    "two-speakers": Rule(
        "warning", "The same line said by the character and by another", "Find out who says it."
    ),
    "wrong-character": Rule(
        "error", "Records of one character under another", "Move it to its own folder."
    ),
    "identical-file": Rule(
        "error", "Files with the same bytes", "Fetch the right file, or remove the copy."
    ),
    "shared-answer": Rule(
        "warning", "Answers that two characters share", "Let each say it in their own way."
    ),
    "repeated-answer": Rule("warning", "The same question with the same answer again", "Keep one."),
    "prompt-residue": Rule(
        "error", "Rests of a prompt", "Take out what belongs to the prompt, not to the speech."
    ),
    "names-a-model": Rule(
        "error", "Answers that call themselves a model", "Write the answer in character."
    ),
    "personal-data": Rule("error", "Personal data", "Mask it; the importer does."),
    "over-long": Rule("warning", "Turns and answers that are too long", "Shorten or split it."),
    "leakage": Rule(
        "error", "Test questions whose words stand in training", "Write it anew, or train on it."
    ),
    "label-imbalance": Rule(
        "warning", "Scripts in which one label prevails", "Look whether the labels are right."
    ),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where a rule is broken. `line` 0 is the file or folder as a whole."""

    rule: str
    character: str
    file: str
    line: int
    item: int
    value: str
    detail: str = ""


@dataclass
class Findings:
    """Everything that was found, and how much was looked at."""

    found: list[Finding] = field(default_factory=list)
    looked_at: Counter[str] = field(default_factory=Counter)

    def add(
        self, rule: str, character: str, place: tuple[str, int, int], value: str, detail: str = ""
    ) -> None:
        """Note a finding; what it quotes is masked and cut short."""
        shown = " ".join(mask(value)[0].split())
        shown = shown if len(shown) <= SHOWN else shown[: SHOWN - 1] + "…"
        self.found.append(Finding(rule, character, *place, shown, detail))

    @property
    def counts(self) -> dict[str, int]:
        """How often each rule is broken, in the order of the rules, 0 included."""
        counted = Counter(one.rule for one in self.found)
        return {rule: counted[rule] for rule in RULES}

    def total(self, severity: Severity) -> int:
        """How many findings weigh this much."""
        return sum(RULES[one.rule].severity == severity for one in self.found)

    def as_json(self) -> dict[str, Any]:
        """The findings for programs."""
        return {
            "ok": not self.total("error"),
            "errors": self.total("error"),
            "warnings": self.total("warning"),
            "looked_at": dict(self.looked_at),
            "counts": self.counts,
            "findings": [
                {
                    **asdict(one),
                    "severity": RULES[one.rule].severity,
                    "remedy": RULES[one.rule].remedy,
                }
                for one in self.found
            ],
        }
