"""Adapters beside each other: padded, exchanged, within their room."""

import pytest
import torch

from rolecraft.engines.stacks import Joined, Layout, Stack
from rolecraft.engines.voices import Part, Voice

CPU = torch.device("cpu")
KEY = (0, "o")


def voice(name: str, rank: int, revision: str = "1", gain: bool = False) -> Voice:
    random = torch.Generator().manual_seed(rank)
    a, b = torch.randn(8, rank, generator=random), torch.randn(rank, 6, generator=random)
    more = (torch.full((6,), 2.0), torch.full((6,), 0.5)) if gain else (None, None)
    return Voice(name, f"{name} {revision}", {KEY: Part(a, b, *more)})


def stack(places: int, rows: int = 4, limit: int = 2**40) -> Stack:
    return Stack(places, rows, torch.float32, CPU, limit)


def alone(one: Voice | None, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    if one is None:
        return y
    part = one.parts[KEY]
    y = y if part.gain is None else y * part.gain + part.offset
    return y + x @ part.a @ part.b


@torch.inference_mode()
def test_each_row_by_its_own_adapter_whatever_its_rank() -> None:
    voices = [voice("a", 2), None, voice("c", 5, gain=True), voice("d", 3)]
    held = stack(3)
    for row, one in enumerate(voices):  # each wider than those before
        held.seat(row, held.place(one, set()) if one else 0)
    x, y = torch.randn(4, 8), torch.randn(4, 6)
    wanted = torch.stack([alone(one, x[i], y[i]) for i, one in enumerate(voices)])
    applied = held.applied(4)
    assert applied and torch.allclose(applied.add(KEY, x, y.clone()), wanted, atol=1e-5)
    assert torch.equal(applied.add((9, "up"), x, y.clone()), y)  # a module that none adapts
    for row, one in enumerate(voices):
        single = held.one(held.seated[row])
        found = single.add(KEY, x[:1], y[:1].clone()) if single else y[:1]
        assert torch.allclose(found, alone(one, x[:1], y[:1]), atol=1e-5)


@torch.inference_mode()
def test_runs_of_rows_by_one_voice() -> None:
    voices = [voice("a", 2), voice("c", 5, gain=True)]
    held = stack(2)
    first, second = (held.one(held.place(one, set()) or 0) for one in voices)
    x, y = torch.randn(7, 8), torch.randn(7, 6)
    runs = [(2, first), (1, None), (1, second), (2, second), (1, first)]
    joined = Joined.of(runs)
    assert isinstance(joined, Joined) and len(joined.runs) == 3
    speakers = [voices[0]] * 2 + [None] + [voices[1]] * 3 + [voices[0]]
    wanted = torch.stack([alone(one, x[i], y[i]) for i, one in enumerate(speakers)])
    assert torch.allclose(joined.add(KEY, x, y.clone()), wanted, atol=1e-5)
    assert Joined.of([(2, first), (3, first)]) is first
    assert Joined.of([(2, None), (1, None)]) is None


@torch.inference_mode()
def test_the_base_alone_costs_nothing() -> None:
    held = stack(2)
    assert held.applied(4) is None
    held.seat(3, held.place(voice("a", 2), set()) or 0)
    assert held.applied(3) is None and held.applied(4) is not None


@torch.inference_mode()
def test_the_longest_unused_leaves_and_never_one_in_use() -> None:
    held = stack(2)
    first, second = held.place(voice("a", 2), set()), held.place(voice("b", 2), set())
    assert held.place(voice("a", 2), set()) == first  # used again
    assert held.place(voice("c", 2), set()) == second
    assert held.place(voice("d", 2), {first, second}) is None
    assert held.place(voice("a", 2), {first, second}) == first
    revised = held.place(voice("a", 2, revision="2"), {second})
    assert revised == first  # another revision is another adapter


@torch.inference_mode()
def test_a_wider_adapter_leaves_those_who_speak_as_they_are() -> None:
    held = stack(2)
    narrow, wide = voice("a", 2), voice("b", 7)
    held.seat(0, held.place(narrow, set()) or 0)
    memory = held.one(1)
    told: list[bool] = []
    held.before_anew = lambda: told.append(held.one(1) is memory)
    held.seat(1, held.place(wide, {1}) or 0)
    assert told == [True]  # once, while the old memory was still there
    x, y = torch.randn(2, 8), torch.randn(2, 6)
    wanted = torch.stack([alone(narrow, x[0], y[0]), alone(wide, x[1], y[1])])
    applied = held.applied(2)
    assert applied and torch.allclose(applied.add(KEY, x, y.clone()), wanted, atol=1e-5)


@torch.inference_mode()
def test_no_more_memory_than_was_set_aside() -> None:
    room = Layout.of([voice("a", 2)]).size * 4 * (2 + 1 + 4)
    held = stack(2, limit=room)
    place = held.place(voice("a", 2), set())
    with pytest.raises(MemoryError, match="set aside"):
        held.place(voice("b", 9), set())
    assert held.place(voice("a", 2), set()) == place
