"""What is remembered of texts: whole pages that hang together, by adapter revision, bounded."""

import torch

from rolecraft.engines.prefixes import PAGE, Prefixes


def cache_of(ids: list[int], shift: float = 0.0) -> torch.Tensor:
    """Two layers of one key-value head whose entries tell the token they stand for."""
    return (torch.tensor(ids, dtype=torch.float32) + shift).reshape(1, 1, -1, 1).repeat(2, 2, 1, 3)


def ids_of(*pages: int, rest: int = 0) -> list[int]:
    """The ids of each page, then some of another."""
    return [100 * page + i for page in pages for i in range(PAGE)] + [9000 + i for i in range(rest)]


def recall(memory: Prefixes, root: str, ids: list[int]) -> list[float]:
    into = torch.full((2, 2, len(ids), 3), -1.0)
    length = memory.recall(root, ids, into)
    assert (into[:, :, :length] == into[:1, :1, :length, :1]).all() and (
        into[:, :, length:] < 0
    ).all()
    return into[0, 0, :length, 0].tolist()


def remember(memory: Prefixes, root: str, ids: list[int], shift: float = 0.0) -> None:
    memory.keep(root, ids, cache_of(ids, shift))


def test_whole_pages_of_the_longest_beginning() -> None:
    memory = Prefixes(1000)
    assert recall(memory, "", ids_of(1, 2)) == []
    remember(memory, "", ids_of(1, 2, 3, rest=2))
    assert memory.tokens == 3 * PAGE
    assert recall(memory, "", ids_of(1, 2, 3, 4)) == ids_of(1, 2, 3)
    assert recall(memory, "", ids_of(1, 2, 9)) == ids_of(1, 2)  # an edit
    assert recall(memory, "", [*ids_of(1), 200, 201, 99, *ids_of(7)]) == ids_of(1)  # in a page
    assert recall(memory, "", ids_of(9, 1, 2)) == []


def test_one_token_is_always_left_to_read() -> None:
    memory = Prefixes(1000)
    remember(memory, "", ids_of(1, 2))
    assert recall(memory, "", ids_of(1, 2)) == ids_of(1)
    assert recall(memory, "", [*ids_of(1, 2), 5]) == ids_of(1, 2)


def test_adapters_share_nothing() -> None:
    memory = Prefixes(1000)
    remember(memory, "one", ids_of(1, 2))
    assert recall(memory, "two", ids_of(1, 2, 3)) == recall(memory, "", ids_of(1, 2, 3)) == []
    remember(memory, "two", ids_of(1, 2), shift=0.5)
    assert recall(memory, "one", ids_of(1, 2, 3)) == ids_of(1, 2)
    assert recall(memory, "two", ids_of(1, 2, 3))[0] == 100.5


def test_what_talks_share_is_held_once() -> None:
    memory = Prefixes(1000)
    for talk in (ids_of(1, 2), ids_of(1, 3), ids_of(1, 2, 4), ids_of(1, 2, rest=3)):
        remember(memory, "", talk)
    assert memory.tokens == 4 * PAGE
    assert recall(memory, "", ids_of(1, 3, 5)) == ids_of(1, 3)


def test_what_is_held_changes_with_nothing() -> None:
    memory = Prefixes(1000)
    given = cache_of(ids_of(1))
    memory.keep("", ids_of(1), given)
    given.zero_()
    assert recall(memory, "", ids_of(1, 2)) == ids_of(1)


def test_it_is_bounded_and_forgets_the_longest_unused() -> None:
    memory = Prefixes(4 * PAGE)
    for first in (1, 2, 3, 4):
        remember(memory, "", ids_of(first))
    assert recall(memory, "", ids_of(1, 9)) == ids_of(1)  # used again
    remember(memory, "", ids_of(5, 6))
    assert memory.tokens == 4 * PAGE
    found = [len(recall(memory, "", ids_of(first, 9))) for first in (1, 2, 3, 4, 5)]
    assert found == [PAGE, 0, 0, PAGE, PAGE]
    remember(memory, "", ids_of(7, 8, 9, 10, 11, 12))  # longer than everything that may be kept
    assert memory.tokens == 4 * PAGE
    assert recall(memory, "", ids_of(7, 8, 9, 10, 11)) == ids_of(7, 8, 9, 10)
    memory.clear()
    assert memory.tokens == 0 and recall(memory, "", ids_of(7, 8)) == []


def test_the_end_of_a_talk_is_forgotten_before_its_beginning() -> None:
    memory = Prefixes(3 * PAGE)
    remember(memory, "", ids_of(1, 2, 3))
    remember(memory, "", ids_of(8))
    assert recall(memory, "", ids_of(1, 2, 3, 4)) == ids_of(1, 2)
