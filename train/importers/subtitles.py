"""Imports scripts that write `name: line`, with or without subtitle times and stage directions.

Blank lines mean nothing; a heading (第三场, 【教室】, ## …) begins a new scene.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from rolecraft.privacy import mask
from train.importers.gathered import Cleaner, Gathered, Line, Options, Talk
from train.importers.inputs import Input, inputs, the_character
from train.importers.ledger import Entry, Ledger

SUFFIXES = (".txt", ".srt", ".vtt", ".ass", ".md")

_SPOKEN = re.compile(
    r"\s*(?:[-–—]\s*)?(?P<name>[^\s：:（(\[【\d][^：:（(\[【\n]{0,15}?)\s*"
    r"(?P<label>[（(\[【][^）)\]】]{1,16}[）)\]】])?\s*[：:]\s*(?P<text>.*)$"
)
_HEADING = re.compile(
    r"\s*(?:#{1,6}\s*(?P<a>.+)|第\s*[\d零一二三四五六七八九十百]+\s*[集场幕章回](?P<b>.*)"
    r"|(?:场景|地点|时间|INT\.|EXT\.)\s*[：:]?\s*(?P<c>.+)|【(?P<d>[^】]+)】|={3,}|-{3,}|\*{3,})\s*$"
)
_TIMING = re.compile(r"\s*(?:\d+|WEBVTT.*|[\d:.,]{7,13}\s*-->\s*[\d:.,]{7,13}.*)\s*$")
_EVENT = re.compile(
    r"Dialogue:\s*[^,]*,[\d:.]+,[\d:.]+,[^,]*,([^,]*),[^,]*,[^,]*,[^,]*,[^,]*,(.*)$"
)
_TAGS = re.compile(r"<[^<>\n]{1,40}>|\{\\[^{}\n]{1,80}\}")


def gather(source: Path, ledger: Ledger, options: Options) -> Iterator[Gathered]:
    """The talk of one character in one script or in a folder of them."""
    cleaner = Cleaner(ledger, options)
    talks = [talk for one in inputs(source, SUFFIXES, ledger) for talk in _talks(one, cleaner)]
    yield Gathered(the_character(talks, options), talks)


def _talks(source: Input, cleaner: Cleaner) -> Iterator[Talk]:
    scene, lines = "", list[Line]()
    for number, row in enumerate(source.decoded.text.split("\n"), start=1):
        if not row.strip():
            continue
        broken = number in source.decoded.broken
        heading = None if broken else _HEADING.match(row)
        if not broken and _TIMING.match(row):
            cleaner.ledger.pass_over(source.shown, "time or number of a subtitle")
        elif heading:
            cleaner.ledger.pass_over(source.shown, "heading of a scene")
            if lines:
                yield Talk(lines, scene=scene)
            scene, lines = mask(next(filter(None, heading.groups()), "").strip())[0], []
        else:
            entry = cleaner.ledger.enter("line", source.shown, number, row)
            if broken:
                entry.refuse("its bytes are in no known encoding")
            elif line := _line(row, entry, cleaner, lines):
                lines.append(line)
    if lines:
        yield Talk(lines, scene=scene)


def _line(row: str, entry: Entry, cleaner: Cleaner, lines: list[Line]) -> Line | None:
    event = _EVENT.match(row)
    plain = f"{event.group(1)}: {event.group(2)}" if event and event.group(1) else row
    plain = _TAGS.sub("", plain).replace("\\N", " ")
    if plain != row:
        entry.repair("subtitle tags removed")
    found = _SPOKEN.match(plain)
    if found:
        label = (found.group("label") or "").strip("（()）[]【】")
        return cleaner.line(entry, found.group("name").strip(), found.group("text"), label)
    if re.fullmatch(r"\s*[（(\[【][^）)\]】]*[）)\]】]\s*", plain):
        entry.refuse("stage direction")
    elif not lines:
        entry.refuse("no speaker: nobody was named before it")
    else:
        entry.repair("line without a name given to the one who spoke before")
        return cleaner.line(entry, lines[-1].speaker, plain)
    return None
