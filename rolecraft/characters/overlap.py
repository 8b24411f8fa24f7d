"""Runs of characters that two collections of texts share: what tells a copy from a coincidence.

Knows nothing of characters. Only letters, digits and Chinese characters count, so that a changed
comma hides nothing.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence

_NO_LETTER = re.compile(r"[\W_]+")
_SENTENCE = re.compile(r"[^。！？!?…；;\n]+")


def bare(text: str) -> str:
    """The letters, digits and Chinese characters of a text, in one width and case."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _NO_LETTER.sub("", folded)


def sentences(text: str, least: int) -> list[str]:
    """The bare sentences of a text that have at least `least` characters."""
    return [found for part in _SENTENCE.findall(text) if len(found := bare(part)) >= least]


def runs(text: str, length: int) -> set[str]:
    """Every run of `length` bare characters of a text."""
    letters = bare(text)
    return {letters[start : start + length] for start in range(len(letters) - length + 1)}


def shared_runs(
    texts: Sequence[str], corpus_texts: Iterable[str], n: int = 20
) -> list[tuple[int, str]]:
    """The positions in `texts` that share a run of `n` bare characters with the corpus, with the
    first such run.

    The corpus is streamed: only the runs of `texts` are kept in memory. Every run of `n` holds one
    half run that starts at a multiple of `step`, so most of the corpus is passed over.
    """
    half = (n + 1) // 2
    step = n - half + 1
    halves: set[str] = set()
    owners: dict[str, list[int]] = {}
    for position, text in enumerate(texts):
        for run in runs(text, n):
            owners.setdefault(run, []).append(position)
            halves.update(runs(run, half))
    found: dict[int, str] = {}
    for text in corpus_texts:
        letters = bare(text)
        for middle in range(0, len(letters) - half + 1, step):
            if letters[middle : middle + half] not in halves:
                continue
            for start in range(max(0, middle - (n - half)), middle + 1):
                run = letters[start : start + n]
                for position in owners.get(run, ()):
                    found.setdefault(position, run)
    return sorted(found.items())
