"""Many adapters beside one base: a stack with a place for each, and who of a batch speaks by which.

Place 0 is all zeros: the base alone. Ranks are padded with zeros, which changes nothing. Knows no
file and no request. A batch of one voice uses its place directly; a mixed one has a copy of each
row's adapter, made when the row comes and not at every step, so that a step costs two products a
module however many adapters there are.
"""

from dataclasses import dataclass

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
        self.version = 0
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
        if self.layout.size:
            self._copies[row].copy_(self._flat[place])

    def applied(self, rows: int) -> Applied | None:
        """The adapters of the first `rows` rows; None when the base speaks alone."""
        places = set(self.seated[:rows])
        if places <= {0}:
            return None
        return self.one(places.pop()) if len(places) == 1 else self.mixed(rows)

    def mixed(self, rows: int) -> Applied:
        """The copies of the first `rows` rows, whoever sits there; their memory stays the same."""
        return Applied(
            {m: {n: view[:rows] for n, view in found.items()} for m, found in self._mixed.items()},
            alone=False,
        )

    def one(self, place: int) -> Applied | None:
        """One adapter for every row."""
        if place == 0:
            return None
        flat = self._flat[place : place + 1]
        modules = {
            module: {name: piece.view(flat)[0] for name, piece in pieces.items()}
            for module, pieces in self.layout.pieces.items()
        }
        return Applied(modules, alone=True)

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
        del self._flat, self._copies, self._mixed  # never both at once
        self._clear(layout)
        for place, voice in held.items():
            self._write(place, voice)

    def _touch(self, place: int) -> None:
        self._used.remove(place)
        self._used.append(place)

    def _clear(self, layout: Layout) -> None:
        self.layout = layout
        self.version += 1  # what was captured before is void
        shape = (self._count + 1, layout.size)
        self._flat = torch.zeros(shape, dtype=self._dtype, device=self._device)
        for pieces in layout.pieces.values():
            if "gain" in pieces:
                pieces["gain"].view(self._flat).fill_(1.0)
        self._copies = self._flat[:1].repeat(self._rows, 1)
        self._mixed = {
            module: {name: piece.view(self._copies) for name, piece in pieces.items()}
            for module, pieces in layout.pieces.items()
        }

    def _write(self, place: int, voice: Voice) -> None:
        flat = self._flat[place : place + 1]
        flat.copy_(self._flat[:1])
        for module, part in voice.parts.items():
            self._write_part(
                {n: p.view(flat)[0] for n, p in self.layout.pieces[module].items()}, part
            )
        for row, seated in enumerate(self.seated):
            if seated == place:
                self._copies[row].copy_(flat[0])

    def _write_part(self, views: dict[str, torch.Tensor], part: Part) -> None:
        rank = part.a.shape[1]
        views["a"][:, :rank].copy_(part.a)
        views["b"][:rank].copy_(part.b)
        if part.gain is not None:
            views["gain"].copy_(part.gain)
        if part.offset is not None:
            views["offset"].copy_(part.offset)
