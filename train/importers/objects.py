"""The objects of a JSON file with the lines they start at: JSON lines, an array, or the two mixed.

Knows no record: it finds objects, passes over nothing silently, and says which text is no object.
"""

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

_BETWEEN = re.compile(r"[\s,\[\]]*")
_NEXT = re.compile(r"\n[ \t]*(?=\{)")
_TRAILING_COMMA = re.compile(r",(\s*[}\]])")
_DECODER = json.JSONDecoder(strict=False)  # raw control characters inside strings are read


@dataclass(frozen=True, slots=True)
class Found:
    """An object, or a text that is none: `fault` says why, `repair` what was put right."""

    line: int
    value: dict[str, Any] | None
    text: str
    fault: str = ""
    repair: str = ""


def objects(
    text: str,
    broken: frozenset[int] = frozenset(),
    unwrap: bool = True,
    whole: Collection[str] = (),
) -> Iterator[Found]:
    """Every object of a text, in order; `broken` are lines whose bytes did not decode.

    With `unwrap`, a file that is one object around one list of objects is read as that list, unless
    the list is a field of `whole` with others beside it: then the object itself is the record.
    """
    position, line = 0, 1
    inner = _inner_list(text, whole) if unwrap else None
    if inner:
        line += text.count("\n", 0, inner[0])
        position, text = inner[0], text[: inner[1]]
    while True:
        start = _BETWEEN.match(text, position).end()  # type: ignore[union-attr]
        line += text.count("\n", position, start)
        if start >= len(text):
            return
        found, end = _one(text, start, line)
        lines = text.count("\n", start, end)
        if broken and not found.fault and not broken.isdisjoint(range(line, line + lines + 1)):
            found = Found(line, None, found.text, "its bytes are in no known encoding")
        yield found
        line += lines
        position = end


def _one(text: str, start: int, line: int) -> tuple[Found, int]:
    if text[start] == "{":
        try:
            value, end = _DECODER.raw_decode(text, start)
            return Found(line, value, text[start:end]), end
        except (json.JSONDecodeError, RecursionError) as error:
            reason = f"it is not valid JSON ({getattr(error, 'msg', error)})"
        end = _end_of_broken(text, start)
        chunk = text[start:end].rstrip().rstrip(",").rstrip()
        value = _mended(chunk)
        if value is not None:
            return Found(line, value, chunk, repair="comma before a closing bracket"), end
        return Found(line, None, chunk.rstrip("]").rstrip(), reason), end
    end = text.find("\n", start)
    end = len(text) if end < 0 else end
    return Found(line, None, text[start:end].strip(), "it is no JSON object"), end


def _end_of_broken(text: str, start: int) -> int:
    """Where an object that does not parse ends: with its line, as in JSON lines; where nothing but
    the bracket stands in that line, as in an indented array, before the next that opens one."""
    newline = text.find("\n", start)
    if newline < 0:
        return len(text)
    if text[start + 1 : newline].strip():
        return newline
    following = _NEXT.search(text, start)
    return following.start() if following else len(text)


def _mended(chunk: str) -> dict[str, Any] | None:
    """The object of a chunk that was only spoilt by commas before closing brackets."""
    for candidate in (chunk, chunk.rstrip("]").rstrip()):
        try:
            value = json.loads(_TRAILING_COMMA.sub(r"\1", candidate), strict=False)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            return value
    return None


def _inner_list(text: str, kept: Collection[str]) -> tuple[int, int] | None:
    """Where the list stands in a file that is one object around one list of objects."""
    start = _BETWEEN.match(text).end()  # type: ignore[union-attr]
    if not text.startswith("{", start):
        return None
    try:
        value, end = _DECODER.raw_decode(text, start)
    except (json.JSONDecodeError, RecursionError):
        return None
    lists = [key for key, one in value.items() if isinstance(one, list) and one]
    if text[end:].strip() or len(lists) != 1 or (lists[0] in kept and len(value) > 1):
        return None
    if not all(isinstance(one, dict) for one in value[lists[0]]):
        return None
    opening = re.compile(r"\[\s*\{").search(text, start)
    return (opening.start(), end - 1) if opening else None
