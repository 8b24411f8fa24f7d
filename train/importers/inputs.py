"""Which files an importer reads, and who of the speakers in them is the character.

Knows no format.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rolecraft.errors import TrainingError
from train.importers.encoding import Decoded, read_text
from train.importers.gathered import Options, Talk
from train.importers.ledger import Ledger


@dataclass(frozen=True)
class Input:
    """One decoded file and the name by which the report calls it."""

    path: Path
    shown: str
    decoded: Decoded


def inputs(source: Path, suffixes: Sequence[str], ledger: Ledger) -> Iterator[Input]:
    """The file `source`, or the files with these suffixes in the folder `source`.

    Files of a folder that have another suffix are named in the report's notes.
    """
    root = source.parent if source.is_file() else source
    for path in input_paths(source, suffixes, ledger):
        decoded = read_text(path)
        shown = path.relative_to(root).as_posix()
        if decoded.encoding != "UTF-8":
            ledger.note(shown, f"read as {decoded.encoding}")
        yield Input(path, shown, decoded)


def input_paths(source: Path, suffixes: Sequence[str], ledger: Ledger) -> list[Path]:
    """The paths that `inputs` reads."""
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise TrainingError(f"No file or folder {str(source)!r}. Name what is to be imported.")
    found = []
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        if path.suffix.lower() in suffixes:
            found.append(path)
        else:
            ledger.note(path.relative_to(source).as_posix(), "is of another kind and was not read")
    if not found:
        raise TrainingError(f"{str(source)!r} holds no file that ends in {', '.join(suffixes)}.")
    return found


def the_character(talks: Iterable[Talk], options: Options) -> str:
    """The one character of an import whose source does not say who it is."""
    if len(options.characters) == 1:
        return options.characters[0]
    if options.characters:
        raise TrainingError("Only one --character can be imported from this kind of source.")
    counts = Counter(line.speaker for talk in talks for line in talk.lines)
    shown = ", ".join(f"{name} ({count})" for name, count in counts.most_common(12))
    raise TrainingError(
        "Say with --character whose talk this is. " + (f"Speakers: {shown}." if shown else "")
    )
