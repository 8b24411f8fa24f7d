"""YAML and JSON lines read into nodes that remember their line and their dotted field name.

Knows nothing of characters: it only makes it possible to say where something is wrong.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 4 * 1024 * 1024  # a character's longest file is about 60 kB
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is ten times as fast


@dataclass(frozen=True)
class Problem:
    """Something wrong in a character folder: where, what, and what to do about it."""

    path: str
    line: int
    field: str
    value: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else self.path
        what = f" {self.field}" if self.field else ""
        value = f" is {self.value!r}" if self.value else ""
        return f"{place}:{what}{value}: {self.remedy}"


@dataclass(frozen=True)
class Node:
    """A value, its line (from 1) and its dotted name from the root, such as emotions[2].share."""

    value: Any  # str | int | float | bool | None | dict[str, Node] | list[Node]
    line: int
    field: str = ""


class Reader:
    """Takes typed values out of the nodes of one file and collects what is wrong with them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[Problem] = []

    def wrong(self, line: int, field: str, value: object, remedy: str) -> None:
        """Note a problem."""
        shown = "" if value is None else str(value)
        shown = shown if len(shown) <= 80 else shown[:79] + "…"
        self.problems.append(Problem(str(self.path), line, field, shown, remedy))

    def file_text(self) -> str | None:
        """The file as text; None, with a problem noted, when it cannot be read."""
        try:
            if self.path.stat().st_size > MAX_BYTES:
                self.wrong(0, "", None, f"The file is larger than {MAX_BYTES >> 20} MB; split it.")
                return None
            body = self.path.read_bytes()
        except OSError as error:
            remedy = f"The file cannot be read ({error.strerror}); check its name and rights."
            self.wrong(0, "", None, remedy)
            return None
        try:
            return body.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = body[: error.start].count(b"\n") + 1
            self.wrong(line, "", body[error.start : error.start + 8], "Save the file as UTF-8.")
            return None

    def read_yaml(self) -> Node | None:
        """The file's YAML document. Every scalar stays text: `no` is 'no', `10` is '10'."""
        text = self.file_text()
        if text is None:
            return None
        try:
            for event in yaml.parse(text, Loader=_LOADER):
                if isinstance(event, yaml.AliasEvent):
                    line = event.start_mark.line + 1 if event.start_mark else 0
                    self.wrong(line, "", f"*{event.anchor}", "Write the value out: no aliases.")
                    return None
            root = yaml.compose(text, Loader=_LOADER)
        except yaml.MarkedYAMLError as error:
            inner = error.context and ("flow" in error.context or "quoted" in error.context)
            # An unclosed bracket or quote is noticed lines later; its context is where it opens.
            mark = error.context_mark if inner else error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else 0
            lines = text.splitlines()
            value = lines[line - 1].strip() if 0 < line <= len(lines) else ""
            remedy = f"This is not valid YAML ({error.problem}); mind colons, quotes and indents."
            self.wrong(line, "", value, remedy)
            return None
        except (yaml.YAMLError, RecursionError) as error:
            self.wrong(0, "", None, f"This is not valid YAML ({str(error).splitlines()[0]}).")
            return None
        if root is None:
            self.wrong(1, "", None, "The file is empty.")
            return None
        return self._from_yaml(root, "")

    def _from_yaml(self, node: yaml.Node, field: str) -> Node:
        line = node.start_mark.line + 1
        if isinstance(node, yaml.MappingNode):
            entries: dict[str, Node] = {}
            for key, value in node.value:
                name = str(key.value)
                inner = f"{field}.{name}" if field else name
                if name in entries:
                    self.wrong(key.start_mark.line + 1, inner, None, "Keep only one of the two.")
                child = self._from_yaml(value, inner)
                entries[name] = Node(child.value, key.start_mark.line + 1, inner)
            return Node(entries, line, field)
        if isinstance(node, yaml.SequenceNode):
            items = [self._from_yaml(v, f"{field}[{n}]") for n, v in enumerate(node.value)]
            return Node(items, line, field)
        return Node(None if node.tag.endswith(":null") else node.value, line, field)

    def read_json_lines(self) -> Iterator[Node]:
        """The objects of a JSON-lines file, one node a line; lines that do not parse are noted."""
        text = self.file_text() or ""
        for number, row in enumerate(text.split("\n"), start=1):
            if not row.strip():
                continue
            try:
                pairs = json.loads(row, object_pairs_hook=_unique)
            except (ValueError, RecursionError) as error:
                reason = f"This line is not valid JSON ({error}); one object a line."
                self.wrong(number, "", row.strip(), reason)
                continue
            node = from_json(pairs, number, "")
            if isinstance(node.value, dict):
                yield node
            else:
                self.wrong(number, "", row.strip(), "Write one JSON object a line: {…}.")

    def keys(self, node: Node, known: tuple[str, ...]) -> None:
        """Note every key of a mapping that is not known, with the nearest known one."""
        for name, child in self.mapping(node).items():
            if name not in known:
                close = get_close_matches(name, known, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}."
                self.wrong(child.line, child.field, _plain(child), f"Unknown field; {hint}")

    def mapping(self, node: Node | None) -> dict[str, Node]:
        """The entries of a mapping node."""
        if node is None:
            return {}
        if isinstance(node.value, dict):
            return node.value
        self.wrong(node.line, node.field, _plain(node), "Write a mapping here (key: value).")
        return {}

    def items(self, node: Node, key: str, required: bool = False) -> list[Node]:
        """The items of the list under `key`."""
        child = self._child(node, key, required)
        if child is None:
            return []
        if isinstance(child.value, list):
            return child.value
        self.wrong(child.line, child.field, _plain(child), "Write a list here ([a, b] or - a).")
        return []

    def text(self, node: Node, key: str, required: bool = True, default: str = "") -> str:
        """The text under `key`, stripped."""
        child = self._child(node, key, required)
        return default if child is None else self.plain_text(child, default)

    def plain_text(self, node: Node, default: str = "") -> str:
        """The text that a node holds."""
        if isinstance(node.value, str) and node.value.strip():
            return node.value.strip()
        self.wrong(node.line, node.field, _plain(node), "Write a text here.")
        return default

    def texts(self, node: Node, key: str) -> tuple[str, ...]:
        """The texts of the list under `key`."""
        return tuple(self.plain_text(item) for item in self.items(node, key))

    def choice(
        self,
        node: Node,
        key: str,
        choices: tuple[str, ...],
        required: bool = True,
        default: str = "",
    ) -> str:
        """The text under `key`, which must be one of `choices`."""
        child = self._child(node, key, required)
        if child is None:
            return default
        if child.value in choices:
            return str(child.value)
        self.wrong(child.line, child.field, _plain(child), f"Use one of: {' '.join(choices)}.")
        return default

    def number(self, node: Node, key: str, low: float, high: float) -> float | None:
        """The number under `key`, from `low` to `high`; None when it is absent or wrong."""
        child = self._child(node, key, required=False)
        if child is None:
            return None
        try:
            number = float(child.value)
        except (TypeError, ValueError):
            number = float("nan")
        if low <= number <= high:
            return number
        remedy = f"Write a number from {low:g} to {high:g}."
        self.wrong(child.line, child.field, _plain(child), remedy)
        return None

    def _child(self, node: Node, key: str, required: bool) -> Node | None:
        child = self.mapping(node).get(key)
        if child is None and required:
            field = f"{node.field}.{key}" if node.field else key
            self.wrong(node.line, field, None, "This field is missing; add it.")
        return child


def _plain(node: Node) -> str:
    if isinstance(node.value, dict):
        return "{" + ", ".join(node.value) + "}"
    if isinstance(node.value, list):
        return "[" + ", ".join(_plain(item) for item in node.value) + "]"
    return "" if node.value is None else str(node.value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the field {twice!r} stands there twice")
    return entries


def from_json(value: Any, line: int, field: str) -> Node:
    """Parsed JSON as nodes; all of it stands in one line."""
    if isinstance(value, dict):
        dot = f"{field}." if field else ""
        return Node({k: from_json(v, line, dot + k) for k, v in value.items()}, line, field)
    if isinstance(value, list):
        return Node([from_json(v, line, f"{field}[{n}]") for n, v in enumerate(value)], line, field)
    return Node(value, line, field)
