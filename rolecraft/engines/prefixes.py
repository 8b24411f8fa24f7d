"""Attention caches of prompts already read, so that the next turn of a talk reads only what is new.

Kept by adapter and tokens: the same words read by another adapter are another cache. Only whole
blocks are given back: a prompt is always read block by block from its start, so what a reply is
made from is the same to the last bit whether its beginning was remembered or read anew, and a
seed gives the same reply whatever was said before.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

_Key = tuple[str | None, tuple[int, ...]]


class Prefixes:
    """At most `tokens` tokens of caches, the longest unused forgotten first. For one thread."""

    def __init__(self, tokens: int, block: int) -> None:
        self._limit = tokens
        self._block = block
        self._held: OrderedDict[_Key, list[tuple[Any, Any]]] = OrderedDict()

    @property
    def tokens(self) -> int:
        """How many tokens are held now."""
        return sum(len(ids) for _, ids in self._held)

    def recall(self, adapter: str | None, ids: Sequence[int]) -> tuple[Any, int]:
        """A cache of the longest remembered beginning of `ids`, never all, and its length."""
        from transformers import DynamicCache

        best, length = None, 0
        for key in self._held:
            shared = _common(key[1], ids) if key[0] == adapter else 0
            if shared > length:
                best, length = key, shared
        length = min(length, len(ids) - 1) // self._block * self._block
        if best is None or not length:
            return DynamicCache(), 0
        self._held.move_to_end(best)
        # A cache grows by new tensors, so what is held here is never changed by who recalled it.
        cut = [
            (keys[..., :length, :], values[..., :length, :]) for keys, values in self._held[best]
        ]
        return DynamicCache(cut), length

    def keep(self, adapter: str | None, ids: Sequence[int], cache: Any) -> None:
        """Remember the whole blocks of a prompt that `cache` has just read."""
        length = len(ids) // self._block * self._block
        new = tuple(ids[:length])
        for key in list(self._held):
            if key[0] != adapter:
                continue
            shared = _common(key[1], new)
            if shared == length:
                self._held.move_to_end(key)
                return
            if shared == len(key[1]):  # the beginning of the new one
                del self._held[key]
        if not 0 < length <= self._limit:
            return
        self._held[adapter, new] = [
            (layer.keys[..., :length, :].clone(), layer.values[..., :length, :].clone())
            for layer in cache.layers
        ]
        while self.tokens > self._limit:
            self._held.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        self._held.clear()


def _common(known: Sequence[int], ids: Sequence[int]) -> int:
    """How many tokens two sequences share from the start."""
    length = min(len(known), len(ids))
    return next((place for place in range(length) if known[place] != ids[place]), length)
