"""Which files of a repository a Space is pushed with, and which versions it installs.

Globs as people write them: `*` stays in its folder, `**` goes below any. Links are not followed.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from rolecraft.hosting.spec import Space

_PASSED_OVER = (".git", ".venv")


def pushed_files(space: Space, root: Path) -> list[Path]:
    """The files that are pushed as they are, relative to `root`, sorted."""
    excluded = [_pattern(glob) for glob in space.exclude]
    chosen = {
        file
        for glob in space.include
        for file in matches(root, glob)
        if not any(pattern.fullmatch(file.as_posix()) for pattern in excluded)
    }
    return sorted(chosen)


def pins_of(requirements: str) -> dict[str, str]:
    """The exact versions of a requirements.txt by package."""
    pinned = [line.split("#")[0].strip().partition("==") for line in requirements.splitlines()]
    return {_package(name): version for name, eq, version in pinned if eq}


def pinned(requirements: str, pins: Mapping[str, str]) -> str:
    """The text of a requirements.txt with other versions of some packages."""
    lines = []
    for line in requirements.splitlines():
        name = line.split("#")[0].strip().partition("==")[0]
        version = pins.get(_package(name))
        lines.append(line if version is None else f"{name}=={version}")
    return "\n".join(lines) + "\n"


def _package(name: str) -> str:
    return re.sub(r"\[.*", "", name).lower()


def matches(root: Path, glob: str) -> Iterator[Path]:
    """The files below `root` that a glob names, relative to it."""
    fixed = re.split(r"[*?]", glob)[0]
    start = root / (fixed if fixed == glob or fixed.endswith("/") else Path(fixed).parent)
    if start.is_file():
        yield Path(glob)
        return
    pattern = _pattern(glob)
    for folder, inner, names in os.walk(start):
        inner[:] = sorted(name for name in inner if name not in _PASSED_OVER)
        for name in sorted(names):
            file = Path(folder, name).relative_to(root)
            if pattern.fullmatch(file.as_posix()):
                yield file


def _pattern(glob: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob)
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(meaning.get(part, re.escape(part)) for part in parts))
