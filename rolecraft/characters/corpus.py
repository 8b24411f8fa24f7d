"""The texts of another collection, to compare a cast with: every different line of its files.

Knows no format: keys and braces of JSON do no harm where only letters are compared.
"""

from collections.abc import Iterator
from pathlib import Path

from rolecraft.errors import CharacterInvalid

SUFFIXES = (".txt", ".json", ".jsonl", ".csv", ".tsv", ".md", ".yaml", ".yml")


def lines_below(folder: Path) -> Iterator[str]:
    """Every different line of the text files in a folder and the folders in it.

    Raises CharacterInvalid when there is no such file.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise CharacterInvalid(
            f"{str(folder)!r} holds no file that ends in {', '.join(SUFFIXES)}. "
            "Name the folder of the collection to compare with."
        )
    return _different(paths)


def _different(paths: list[Path]) -> Iterator[str]:
    seen: set[int] = set()
    for path in paths:
        for line in path.read_text("utf-8", errors="replace").splitlines():
            if hash(line) not in seen:
                seen.add(hash(line))
                yield line.replace("\\n", "")  # a line break inside a JSON string
