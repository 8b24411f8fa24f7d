"""Renders what was read of the mini's replies to openings and boundary questions: docs/openings.md.

    python -m benchmarks.voices       asks, and keeps the replies in benchmarks/results/voices.json
    python -m benchmarks.openings     takes over the scores given before, and writes the page

Scores are a reader's and stand in `benchmarks/results/openings.tsv` and `boundary.tsv`: character,
what was said, reply, score. Of openings 2: the reply answers what was said; 1: it goes with it,
loosely; 0: it does not. Of questions beyond what a character can know 1: the reply evades this
question; 0: it does not. A reply that changed has no score until it is read again.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.readme import RESULTS, ROOT, write_block
from rolecraft.characters import read_shelf
from rolecraft.characters.overlap import bare

PAGE = ROOT / "docs" / "openings.md"
SCORES = RESULTS / "openings.tsv"
BOUNDARY = RESULTS / "boundary.tsv"
MEANING = {"2": "answers", "1": "goes with it", "0": "does not", "": "not read"}
EVADING = {"1": "evades", "0": "does not", "": "not read"}


def scores(path: Path) -> dict[tuple[str, str, str], str]:
    """The scores by character, opening and reply."""
    if not path.exists():
        return {}
    rows = (line.split("\t") for line in path.read_text("utf-8").splitlines())
    return {(name, opening, reply): score for name, opening, reply, score in rows}


def block(read: Sequence[Sequence[str]]) -> str:
    """The table of all replies, and how many answer, known wordings apart from others."""
    known = {bare(way) for ways in read_shelf(ROOT / "characters").topics.values() for way in ways}
    counts = {True: {"2": 0, "1": 0, "0": 0, "": 0}, False: {"2": 0, "1": 0, "0": 0, "": 0}}
    for _, opening, _, score in read:
        counts[bare(opening) in known][score] += 1
    total = ["| openings | answered | gone with | not | not read |", "|---|--:|--:|--:|--:|"]
    for is_known, label in ((True, "word for word in everyday.yaml"), (False, "in other words")):
        numbers = counts[is_known]
        cells = " | ".join(str(numbers[key]) for key in ("2", "1", "0", ""))
        total.append(f"| {sum(numbers.values())} {label} | {cells} |")
    return "\n".join([*total, *_replies("opening", read, MEANING)]) + "\n"


def boundary(read: Sequence[Sequence[str]]) -> str:
    """The table of the replies to boundary questions, and how many evade."""
    counts = [f"{sum(score == key for *_, score in read)} {EVADING[key]}" for key in EVADING]
    head = f"Of {len(read)} questions: {', '.join(counts)}."
    return "\n".join([head, *_replies("question", read, EVADING)]) + "\n"


def _replies(said: str, read: Sequence[Sequence[str]], meaning: Mapping[str, str]) -> list[str]:
    rows = [f"| {who} | {what} | {reply} | {meaning[score]} |" for who, what, reply, score in read]
    return ["", f"| who | {said} | reply | it … |", "|---|---|---|---|", *rows]


def taken_over(path: Path, replies: Sequence[Sequence[str]]) -> list[list[str]]:
    """Today's replies with the scores given before, which are written anew; new ones have none."""
    given = scores(path)
    read = [[who, said, reply, given.get((who, said, reply), "")] for who, said, reply in replies]
    path.write_text("".join("\t".join(one) + "\n" for one in read), encoding="utf-8")
    print(f"{path.relative_to(ROOT)}: {sum(not score for *_, score in read)} not read")
    return read


def main() -> None:
    """Write the page and the files of scores."""
    told = json.loads((RESULTS / "voices.json").read_text("utf-8"))
    write_block(PAGE, "openings", block(taken_over(SCORES, told["openings"])))
    write_block(PAGE, "boundary", boundary(taken_over(BOUNDARY, told["boundary"])))


if __name__ == "__main__":
    main()
