"""What the program notices about a rating as it arrives. It stores and flags; it never drops.

Pure rules over plain numbers; a changed rule gets a new version, and old flags stay what they were.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The bounds of the rules. Reading: 10 ms a character is faster than anyone reads Chinese."""

    reading_base_ms: int = 1000
    reading_ms_per_char: float = 10.0
    gap_ms: int = 4000
    per_hour: int = 60


@dataclass(frozen=True)
class Pace:
    """What the server itself saw of one rating and of its rater's last hour."""

    shown_for_ms: int
    chars: int  # of the replies that were shown
    since_last_ms: int | None
    last_hour: int
    paced: bool  # an open page; in a study the pace is set by its items


@dataclass(frozen=True)
class Flag:
    """One finding. `excludes` sets the rating aside from tables that exclude flagged ones."""

    rule: str
    version: int
    excludes: bool
    detail: str


def durations(active_ms: object, wall_ms: object) -> tuple[int, int, tuple[Flag, ...]]:
    """Durations that can be stored, and a flag when the client's clock made no sense."""
    if isinstance(active_ms, int) and isinstance(wall_ms, int) and 0 <= active_ms <= wall_ms:
        return active_ms, wall_ms, ()
    wall = wall_ms if isinstance(wall_ms, int) and 0 <= wall_ms < 2**53 else 0
    active = active_ms if isinstance(active_ms, int) else 0
    flag = Flag("durations", 1, False, f"active {active_ms!r}, wall {wall_ms!r}"[:200])
    return min(max(active, 0), wall), wall, (flag,)


def flags(pace: Pace, limits: Limits) -> tuple[Flag, ...]:
    """The flags of one submitted rating."""
    found = []
    floor = limits.reading_base_ms + limits.reading_ms_per_char * pace.chars
    if pace.shown_for_ms < floor:
        detail = f"{pace.shown_for_ms} ms for {pace.chars} characters; at least {floor:.0f}"
        found.append(Flag("reading", 1, True, detail))
    if pace.paced and pace.since_last_ms is not None and pace.since_last_ms < limits.gap_ms:
        detail = f"{pace.since_last_ms} ms after the last; at least {limits.gap_ms}"
        found.append(Flag("gap", 1, True, detail))
    if pace.paced and pace.last_hour >= limits.per_hour:
        detail = f"{pace.last_hour} in the hour before; at most {limits.per_hour}"
        found.append(Flag("hour", 1, True, detail))
    return tuple(found)
