"""Splits a stream of lines, with any number of speakers, into talks of two around one character.

Who a line is said to is nowhere written, so nothing is chained over an interruption: a talk ends
where a third person speaks. Lines beside which the character never speaks are refused, with the
reason. Knows no file.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rolecraft.characters.overlap import bare
from train.importers.gathered import Line, Talk
from train.importers.ledger import Entry

LONGEST_TURN = 300  # characters to which pieces of one speech are joined
FRAGMENTED = 1.25  # mean lines in a row by one speaker from which lines are pieces of a speech
REPEATED = 20  # bare characters from which a talk that comes again is a duplicate
_ENDS = "。！？!?…，,、；;：:~～.）)】”\"'"


@dataclass
class Turn:
    """One turn of a talk, joined from one or more lines."""

    speaker: str
    text: str
    emotion: str | None
    entries: list[Entry]


@dataclass
class TwoParty:
    """A talk of two."""

    turns: list[Turn]
    scene: str = ""


def two_party(talks: Iterable[Talk], name: str, most_turns: int) -> list[TwoParty]:
    """The talks of two around `name`; lines that belong to none are refused."""
    found: list[TwoParty] = []
    seen: dict[str, Entry] = {}
    for talk in talks:
        for turns in _around(_turns(talk), name, most_turns):
            others = {turn.speaker for turn in turns} - {name}
            if len(others) == 1 and any(turn.speaker == name for turn in turns):
                _take(found, seen, TwoParty(turns, talk.scene))
            elif others:
                _refuse(turns, f"talk without the character: {name} does not speak in it")
            else:
                _refuse(turns, f"talk of one: nobody else speaks with {name} in it")
    return found


def _take(found: list[TwoParty], seen: dict[str, Entry], talk: TwoParty) -> None:
    words = "\n".join(f"{turn.speaker} {bare(turn.text)}" for turn in talk.turns)
    entry = talk.turns[0].entries[0]
    if len(words) >= REPEATED and (first := seen.setdefault(words, entry)) is not entry:
        _refuse(talk.turns, f"duplicate talk: the same as at {first.place}")
        return
    found.append(talk)


def _refuse(turns: Sequence[Turn], reason: str) -> None:
    for turn in turns:
        for entry in turn.entries:
            entry.refuse(reason)


def _turns(talk: Talk) -> list[Turn | None]:
    """The lines as turns; None where a new talk begins.

    Subtitles cut a speech into pieces, so there many lines in a row have one speaker and are
    joined. Where speakers nearly always take turns, two lines in a row are two talks that were
    written one after the other.
    """
    lines = talk.lines
    runs = sum(a.speaker != b.speaker for a, b in zip(lines, lines[1:], strict=False)) + 1
    pieces = talk.bounded or len(lines) / runs >= FRAGMENTED
    turns: list[Turn | None] = []
    group: list[Line] = []
    for line in lines:
        if group and line.speaker == group[-1].speaker:
            room = LONGEST_TURN - sum(len(one.text) + 1 for one in group)
            if pieces and len(line.text) <= room:
                group.append(line)
                continue
            turns += [_joined(group), None]
            group = [line]
            continue
        if group:
            turns.append(_joined(group))
        group = [line]
    return [*turns, _joined(group)] if group else turns


def _joined(group: Sequence[Line]) -> Turn:
    text = group[0].text
    for line in group[1:]:
        text += line.text if text[-1] in _ENDS else f"，{line.text}"
    return Turn(group[0].speaker, text, _prominent(group), [line.entry for line in group])


def _prominent(group: Sequence[Line]) -> str | None:
    """The emotion of most characters; of equals, one that is felt before 中立."""
    weights: Counter[str] = Counter()
    for line in group:
        if line.emotion:
            weights[line.emotion] += len(line.text)
    return max(weights, key=lambda label: (weights[label], label != "中立"), default=None)


def _around(turns: Sequence[Turn | None], name: str, most_turns: int) -> list[list[Turn]]:
    talks: list[list[Turn]] = []
    current: list[Turn] = []
    for turn in turns:
        if turn is None:
            talks.append(current)
            current = []
            continue
        partners = {one.speaker for one in current} - {name}
        full = len(current) >= most_turns - 1 and (
            current[-1].speaker == name or len(current) >= most_turns
        )
        if full or (turn.speaker != name and partners - {turn.speaker}):
            talks.append(current)
            current = []
        current.append(turn)
    talks.append(current)
    return [talk for talk in talks if talk]
