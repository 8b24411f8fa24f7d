"""Bytes of unknown encoding as text: UTF-8 with or without BOM, UTF-16 with BOM, GB18030.

Knows no format. A line that no encoding explains is named, never guessed at.
"""

import codecs
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Decoded:
    """A text, how it was encoded, and the numbers (from 1) of the lines that did not decode."""

    text: str
    encoding: str
    broken: frozenset[int] = frozenset()


def read_text(path: Path) -> Decoded:
    """The file as text. Raises OSError only."""
    return decode(path.read_bytes())


def decode(body: bytes) -> Decoded:
    """The bytes as text, with line ends as \\n."""
    if body.startswith(codecs.BOM_UTF8):
        return _by_line(body[3:], "utf-8", "UTF-8 with BOM")
    for mark, name in ((codecs.BOM_UTF16_LE, "UTF-16 LE"), (codecs.BOM_UTF16_BE, "UTF-16 BE")):
        if body.startswith(mark):
            text = body.decode("utf-16", errors="replace")
            return _with_broken(_unix(text), name)
    if _is(body, "utf-8"):
        return Decoded(_unix(body.decode("utf-8")), "UTF-8")
    # A few bad bytes in a UTF-8 file must not turn all of it into GB18030 gibberish, so the
    # encoding that explains most lines wins.
    rows = [row for row in body.split(b"\n") if not row.isascii()]
    explained = sum(_is(row, "utf-8") for row in rows)
    if explained * 2 >= len(rows):
        return _by_line(body, "utf-8", "UTF-8")
    return _by_line(body, "gb18030", "GB18030")


def _by_line(body: bytes, codec: str, name: str) -> Decoded:
    if _is(body, codec):
        return Decoded(_unix(body.decode(codec)), name)
    rows = body.split(b"\n")  # no encoding here uses 0x0a inside a character
    broken = frozenset(n for n, row in enumerate(rows, start=1) if not _is(row, codec))
    return Decoded(_unix(b"\n".join(rows).decode(codec, errors="replace")), name, broken)


def _with_broken(text: str, name: str) -> Decoded:
    rows = enumerate(text.split("\n"), start=1)
    return Decoded(text, name, frozenset(n for n, row in rows if "\ufffd" in row))


def _is(body: bytes, codec: str) -> bool:
    try:
        body.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n")
