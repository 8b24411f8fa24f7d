"""What is remembered of prompts: whole blocks, by adapter, bounded."""

import torch
from transformers import DynamicCache

from rolecraft.engines.prefixes import Prefixes

BLOCK = 4


def cache_of(ids: list[int], shift: float = 0.0) -> DynamicCache:
    """A cache of two layers whose entries tell the token they stand for."""
    rows = (torch.tensor(ids, dtype=torch.float32) + shift).reshape(1, 1, -1, 1)
    return DynamicCache([(rows, rows + 0.5), (rows + 0.25, rows + 0.75)])


def held(cache: DynamicCache) -> list[float]:
    return cache.layers[0].keys.flatten().tolist() if cache.layers else []


def ids_of(*blocks: int, rest: int = 0) -> list[int]:
    """Four ids of each block's ten, then some of another."""
    return [10 * block + i for block in blocks for i in range(BLOCK)] + [
        900 + i for i in range(rest)
    ]


def test_whole_blocks_of_the_longest_beginning() -> None:
    memory = Prefixes(tokens=100, block=BLOCK)
    assert memory.recall(None, ids_of(1, 2))[1] == 0
    memory.keep(None, ids_of(1, 2, 3, rest=2), cache_of(ids_of(1, 2, 3, rest=2)))
    assert memory.tokens == 12
    cache, length = memory.recall(None, ids_of(1, 2, 3, 4))
    assert (length, held(cache)) == (12, ids_of(1, 2, 3))
    cache, length = memory.recall(None, ids_of(1, 2, 9))  # an edit
    assert (length, held(cache)) == (8, ids_of(1, 2))
    cache, length = memory.recall(None, [*ids_of(1), 20, 21, 99, 98, 97])  # within a block
    assert (length, held(cache)) == (4, ids_of(1))
    assert memory.recall(None, ids_of(9, 1, 2))[1] == 0


def test_one_token_is_always_left_to_read() -> None:
    memory = Prefixes(tokens=100, block=BLOCK)
    memory.keep(None, ids_of(1, 2), cache_of(ids_of(1, 2)))
    assert memory.recall(None, ids_of(1, 2))[1] == 4
    assert memory.recall(None, [*ids_of(1, 2), 5])[1] == 8


def test_adapters_share_nothing() -> None:
    memory = Prefixes(tokens=100, block=BLOCK)
    memory.keep("one", ids_of(1, 2), cache_of(ids_of(1, 2)))
    assert memory.recall("two", ids_of(1, 2, 3))[1] == 0
    assert memory.recall(None, ids_of(1, 2, 3))[1] == 0
    memory.keep(None, ids_of(1, 2), cache_of(ids_of(1, 2), shift=0.125))
    assert held(memory.recall("one", ids_of(1, 2, 3))[0]) == ids_of(1, 2)
    assert held(memory.recall(None, ids_of(1, 2, 3))[0])[0] == 10.125


def test_what_is_recalled_is_the_callers_own() -> None:
    memory = Prefixes(tokens=100, block=BLOCK)
    given = cache_of(ids_of(1, 2))
    memory.keep(None, ids_of(1, 2), given)
    given.layers[0].keys.zero_()
    cache, _ = memory.recall(None, ids_of(1, 2, 3))
    more = torch.zeros(1, 1, 3, 1)
    cache.update(more, more, 0)
    cache.layers[0].keys.zero_()
    again, length = memory.recall(None, ids_of(1, 2, 3))
    assert (length, held(again)) == (8, ids_of(1, 2))


def test_it_is_bounded_and_forgets_the_longest_unused() -> None:
    memory = Prefixes(tokens=16, block=BLOCK)
    for first in (1, 2, 3, 4):
        memory.keep(None, ids_of(first), cache_of(ids_of(first)))
    assert memory.recall(None, ids_of(1, 9))[1] == 4  # used again
    memory.keep(None, ids_of(5, 6), cache_of(ids_of(5, 6)))
    assert memory.tokens == 16
    lengths = [memory.recall(None, ids_of(first, 9))[1] for first in (1, 2, 3, 4, 5)]
    assert lengths == [4, 0, 0, 4, 4]
    memory.keep(None, ids_of(1, 2, 3, 4, 5), cache_of(ids_of(1, 2, 3, 4, 5)))
    assert memory.tokens <= 16  # longer than everything that may be kept
    memory.clear()
    assert memory.tokens == 0


def test_a_talk_that_grows_is_held_once() -> None:
    memory = Prefixes(tokens=100, block=BLOCK)
    for talk in (ids_of(1), ids_of(1, 2), ids_of(1, 2, 3), ids_of(1, 2), ids_of(1, 2, rest=3)):
        memory.keep("one", talk, cache_of(talk))
    assert memory.tokens == 12
    memory.keep("one", ids_of(1, 7), cache_of(ids_of(1, 7)))  # an edit keeps the old branch too
    assert memory.tokens == 20
    memory.keep("one", [1, 2, 3], cache_of([1, 2, 3]))
    assert memory.tokens == 20
