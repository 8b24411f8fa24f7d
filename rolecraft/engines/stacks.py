"""Many adapters beside one base: a stack with a place for each, and who of a batch speaks by which.

Place 0 is all zeros: the base alone. Ranks are padded with zeros, which changes nothing. Knows no
file and no request. A batch of one voice uses its place directly; a mixed one has a copy of each
row's adapter, made when the row comes and not at every step, so that a step costs two products a
module however many adapters there are. The copies of all rows lie side by side by module, as the
products read them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

import torch

from rolecraft.engines.voices import Module, Part, Voice


@dataclass(frozen=True)
class Piece:
    """Where one tensor of one module lies in a place's flat memory."""

    start: int
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        size = 1
        for length in self.shape:
            size *= length
        return size

    def view(self, flat: torch.Tensor) -> torch.Tensor:
        """This tensor of every row of `flat`, [rows, *shape], without a copy."""
        return flat[:, self.start : self.start + self.size].view(len(flat), *self.shape)

    def side_by_side(self, flat: torch.Tensor, rows: int) -> torch.Tensor:
        """This tensor of `rows` rows one after the other, [rows, *shape], without a copy."""
        return flat[self.start * rows : (self.start + self.size) * rows].view(rows, *self.shape)


@dataclass(frozen=True)
class Layout:
    """Which modules a place holds, how wide, and where."""

    pieces: dict[Module, dict[str, Piece]]
    size: int

    @classmethod
    def of(cls, voices: list[Voice]) -> "Layout":
        """Wide enough for each of `voices`."""
        pieces: dict[Module, dict[str, Piece]] = {}
        size = 0
        for module in sorted({module for voice in voices for module in voice.parts}):
            parts = [voice.parts[module] for voice in voices if module in voice.parts]
            rank = max(part.a.shape[1] for part in parts)
            width = parts[0].b.shape[1]
            shapes: dict[str, tuple[int, ...]] = {
                "a": (parts[0].a.shape[0], rank),
                "b": (rank, width),
            }
            if any(part.gain is not None or part.offset is not None for part in parts):
                shapes["gain"] = shapes["offset"] = (width,)
            pieces[module] = {}
            for name, shape in shapes.items():
                pieces[module][name] = piece = Piece(size, shape)
                size += piece.size
        return cls(pieces, size)

    def holds(self, voice: Voice) -> bool:
        """Whether the voice fits as it is."""
        for module, part in voice.parts.items():
            found = self.pieces.get(module)
            if found is None or found["a"].shape[1] < part.a.shape[1]:
                return False
            if "gain" not in found and (part.gain is not None or part.offset is not None):
                return False
        return True


class Added(Protocol):
    """Something that adds what adapters make of a batch."""

    def add(self, module: Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """`y`, the base's [rows, out], with what the adapters add for `x`; changes `y`."""


@dataclass(frozen=True)
class Applied:
    """The adapters of the rows of one batch, by module."""

    modules: dict[Module, dict[str, torch.Tensor]]
    alone: bool  # one voice for every row: its tensors have no row dimension

    def add(self, module: Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """`y`, the base's [rows, out], with what the adapters add for `x`; changes `y`."""
        found = self.modules.get(module)
        if found is None:
            return y
        if "gain" in found:
            y.mul_(found["gain"]).add_(found["offset"])
        if self.alone:
            return y.addmm_(x.mm(found["a"]), found["b"])
        y.unsqueeze(1).baddbmm_(x.unsqueeze(1).bmm(found["a"]), found["b"])
        return y


@dataclass(frozen=True)
class Joined:
    """Runs of rows, each of them by one voice or by none."""

    runs: Sequence[tuple[slice, Applied]]

    @classmethod
    def of(cls, parts: Sequence[tuple[int, Applied | None]]) -> Added | None:
        """So many rows by this voice, then so many by that; None when the base speaks alone."""
        voices = [voice for _, voice in parts]
        if all(voice is voices[0] for voice in voices):
            return voices[0]
        runs: list[tuple[slice, Applied]] = []
        end = 0
        for _, run in groupby(parts, key=lambda part: id(part[1])):
            same = list(run)
            start, end = end, end + sum(count for count, _ in same)
            if voice := same[0][1]:
                runs.append((slice(start, end), voice))
        return cls(runs)

    def add(self, module: Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        for rows, voice in self.runs:
            voice.add(module, x[rows], y[rows])
        return y


class Stack:
    """`places` adapters at a time, the longest unused leaving first. For the engine's thread.

    Never takes more than `limit` bytes; an adapter that would is refused with MemoryError.
    """

    def __init__(
        self, places: int, rows: int, dtype: torch.dtype, device: torch.device, limit: int
    ) -> None:
        self._dtype, self._device = dtype, device
        self._count = places
        self._rows = rows
        self._limit = limit
        self._held: dict[int, Voice] = {}
        self._used: list[int] = list(range(1, places + 1))  # the longest unused first
        self.seated = [0] * rows
        self.before_anew: Callable[[], object] = lambda: None  # when its memory becomes another
        self._clear(Layout({}, 0))

    def place(self, voice: Voice, busy: set[int]) -> int | None:
        """The place of a voice, brought in when it is not there; None when all are `busy`."""
        for place, held in self._held.items():
            if held.revision == voice.revision:
                self._touch(place)
                return place
        free = [place for place in self._used if place not in busy]
        if not free:
            return None
        place = free[0]
        if self.layout.holds(voice):
            self._held[place] = voice
            self._write(place, voice)
        else:
            self._widen({**self._held, place: voice})
        self._touch(place)
        return place

    def seat(self, row: int, place: int) -> None:
        """Let `row` of the batch speak by `place`."""
        self.seated[row] = place
        self._copy(row, place)

    def applied(self, rows: int) -> Applied | None:
        """The adapters of the first `rows` rows; None when the base speaks alone."""
        places = set(self.seated[:rows])
        if places <= {0}:
            return None
        return self.one(places.pop()) if len(places) == 1 else self.mixed(rows)

    def mixed(self, rows: int) -> Applied:
        """The copies of the first `rows` rows, whoever sits there; their memory stays the same."""
        if rows not in self._mixed:
            self._mixed[rows] = Applied(
                {
                    module: {name: copies[:rows] for name, copies in found.items()}
                    for module, found in self._copies.items()
                },
                alone=False,
            )
        return self._mixed[rows]

    def one(self, place: int) -> Applied | None:
        """One adapter for every row."""
        return self._places[place] if place else None

    def _widen(self, held: dict[int, Voice]) -> None:
        """Begin anew with places that are wide enough for all of these."""
        layout = Layout.of(list(held.values()))
        size = layout.size * (self._count + 1 + self._rows) * self._dtype.itemsize
        if size > self._limit:
            raise MemoryError(
                f"adapters of this size need {size / 1e6:.0f} MB and {self._limit / 1e6:.0f} MB "
                "are set aside for them (raise memory_gb)"
            )
        self._held = held
        self.before_anew()
        del self._flat, self._places, self._copies, self._mixed  # never both at once
        self._clear(layout)
        for place, voice in held.items():
            self._write(place, voice)

    def _touch(self, place: int) -> None:
        self._used.remove(place)
        self._used.append(place)

    def _clear(self, layout: Layout) -> None:
        self.layout = layout
        shape = (self._count + 1, layout.size)
        self._flat = torch.zeros(shape, dtype=self._dtype, device=self._device)
        for pieces in layout.pieces.values():
            if "gain" in pieces:
                pieces["gain"].view(self._flat).fill_(1.0)
        views = {
            module: {name: piece.view(self._flat) for name, piece in pieces.items()}
            for module, pieces in layout.pieces.items()
        }
        self._places = [
            Applied(
                {m: {n: view[place] for n, view in found.items()} for m, found in views.items()},
                True,
            )
            for place in range(self._count + 1)
        ]
        flat = torch.zeros(layout.size * self._rows, dtype=self._dtype, device=self._device)
        self._copies = {
            module: {name: piece.side_by_side(flat, self._rows) for name, piece in pieces.items()}
            for module, pieces in layout.pieces.items()
        }
        self._mixed: dict[int, Applied] = {}
        for row in range(self._rows):
            self._copy(row, 0)

    def _copy(self, row: int, place: int) -> None:
        """The adapter of a place into the copy of a row."""
        for module, found in self._places[place].modules.items():
            for name, view in found.items():
                self._copies[module][name][row].copy_(view)

    def _write(self, place: int, voice: Voice) -> None:
        self._flat[place].copy_(self._flat[0])
        for module, part in voice.parts.items():
            self._write_part(self._places[place].modules[module], part)
        for row, seated in enumerate(self.seated):
            if seated == place:
                self._copy(row, place)

    def _write_part(self, views: dict[str, torch.Tensor], part: Part) -> None:
        rank = part.a.shape[1]
        views["a"][:, :rank].copy_(part.a)
        views["b"][:rank].copy_(part.b)
        if part.gain is not None:
            views["gain"].copy_(part.gain)
        if part.offset is not None:
            views["offset"].copy_(part.offset)
