"""Collects what is wrong with one character, each finding with its file and line.

Judges nothing itself: the checks call it.
"""

from pathlib import Path

from rolecraft.characters.marked import Node, Problem, Reader
from rolecraft.characters.model import Character


class Findings:
    """The problems of one character."""

    def __init__(self, character: Character) -> None:
        self.character = character
        self.problems: list[Problem] = []
        self._folder = character.folder or Path(character.id)
        self._lines = _card_lines(self._folder / "card.yaml") if character.folder else {}

    def card(self, field: str, value: object, remedy: str) -> None:
        """A problem of card.yaml, at the line of the field or of the nearest one around it."""
        around = field
        while around not in self._lines and ("." in around or "[" in around):
            around = around[: max(around.rfind("."), around.rfind("["))]
        self._add("card.yaml", self._lines.get(around, 0), field, value, remedy)

    def script(self, line: int, field: str, value: object, remedy: str) -> None:
        """A problem of script.jsonl; line 0 is the file as a whole."""
        self._add("script.jsonl", line, field, value, remedy)

    def questions(self, line: int, field: str, value: object, remedy: str) -> None:
        """A problem of questions.jsonl."""
        self._add("questions.jsonl", line, field, value, remedy)

    def general(self, line: int, field: str, value: object, remedy: str) -> None:
        """A problem of general.jsonl."""
        self._add("general.jsonl", line, field, value, remedy)

    def everyday(self, line: int, field: str, value: object, remedy: str) -> None:
        """A problem of everyday.jsonl; line 0 is the file as a whole."""
        self._add("everyday.jsonl", line, field, value, remedy)

    def at(self, file: str, line: int, field: str, value: object, remedy: str) -> None:
        """A problem of the file of that name, for checks that look at several."""
        if file == "card.yaml":
            self.card(field, value, remedy)
        else:
            self._add(file, line, field, value, remedy)

    def _add(self, file: str, line: int, field: str, value: object, remedy: str) -> None:
        shown = str(value)
        shown = shown if len(shown) <= 80 else shown[:79] + "…"
        self.problems.append(Problem(str(self._folder / file), line, field, shown, remedy))


def _card_lines(path: Path) -> dict[str, int]:
    root = Reader(path).read_yaml()
    lines: dict[str, int] = {}

    def walk(node: Node) -> None:
        lines[node.field] = node.line
        inner = node.value.values() if isinstance(node.value, dict) else node.value
        if isinstance(node.value, dict | list):
            for child in inner:
                walk(child)

    if root:
        walk(root)
    return lines
