"""Attention caches of texts already read, so that the next turn of a talk reads only what is new.

Kept in pages that hang together from the start of a text: what two talks share, such as the
persona of a character, is held once. The root of every chain is the adapter's revision, so the
same words read by another adapter are other pages. Knows no request.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

PAGE = 16  # tokens; a talk is remembered up to the last whole page

_Key = tuple[str | int, tuple[int, ...]]  # the page before (or the root) and the tokens


@dataclass(frozen=True)
class _Page:
    number: int
    cache: "torch.Tensor"  # [layers, keys and values, PAGE, head]


class Prefixes:
    """At most `tokens` tokens of caches, the longest unused forgotten first. For one thread."""

    def __init__(self, tokens: int) -> None:
        self._limit = tokens // PAGE
        self._held: OrderedDict[_Key, _Page] = OrderedDict()
        self._numbers = count()

    @property
    def tokens(self) -> int:
        """How many tokens are held now."""
        return len(self._held) * PAGE

    def recall(self, root: str, ids: Sequence[int], into: "torch.Tensor") -> int:
        """Copy what is remembered of the beginning of `ids`; how many tokens that were.

        `into` is [layers, keys and values, length, head]. One token is always left to read.
        """
        keys: list[_Key] = []
        for start, key, page in self._chain(root, ids[:-1]):
            if page is None:
                break
            keys.append(key)
            into[:, :, start : start + PAGE].copy_(page.cache)
        self._touch(keys)
        return len(keys) * PAGE

    def keep(self, root: str, ids: Sequence[int], cache: "torch.Tensor") -> None:
        """Remember the whole pages of `ids`, whose keys and values `cache` holds."""
        held = [key for _, key, page in self._chain(root, ids) if page]
        self._touch(held)
        wanted = min(len(ids) // PAGE, self._limit)
        while len(self._held) + wanted - len(held) > self._limit:  # room first, never beyond it
            self._held.popitem(last=False)
        keys: list[_Key] = []
        for start, key, page in self._chain(root, ids):
            if len(keys) == self._limit:
                break  # longer than everything that may be kept
            if page is None:
                kept = cache[:, :, start : start + PAGE].clone()
                self._held[key] = _Page(next(self._numbers), kept)
            keys.append(key)
        self._touch(keys)

    def clear(self) -> None:
        """Forget everything."""
        self._held.clear()

    def _chain(self, root: str, ids: Sequence[int]) -> Iterator[tuple[int, _Key, _Page | None]]:
        """Each whole page of `ids` with its key; what a caller adds is found by the next step."""
        before: str | int = root
        for start, end in pairwise(range(0, len(ids) + 1, PAGE)):
            key = (before, tuple(ids[start:end]))
            yield start, key, self._held.get(key)
            page = self._held.get(key)
            if page is None:
                return
            before = page.number

    def _touch(self, keys: Sequence[_Key]) -> None:
        """Used now; a page outlives those that hang on it, which nothing finds without it."""
        for key in reversed(keys):
            self._held.move_to_end(key)
