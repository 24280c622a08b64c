"""One-minute series: a mapping from a minute's start (seconds since the epoch) to the units of that minute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

MINUTE = 60


@dataclass(frozen=True, slots=True)
class Series:
    """Immutable. Points may arrive late, twice, out of order or revised: the newest word on a minute counts."""

    points: Mapping[int, float] = field(default_factory=dict)

    def merged(self, newer: Mapping[int, float], keep_from: float) -> Series:
        """This series with ``newer`` laid over it, minutes that start before ``keep_from`` dropped."""
        kept = {minute: value for minute, value in self.points.items() if minute >= keep_from}
        kept.update((minute, value) for minute, value in newer.items() if minute >= keep_from)
        return Series(kept)

    def newest(self) -> int | None:
        """Start of the newest minute with a point, or None."""
        return max(self.points, default=None)

    def between(self, start: float, end: float) -> Iterator[tuple[int, float]]:
        """Points whose minute starts in [start, end), oldest first."""
        return ((minute, self.points[minute]) for minute in sorted(self.points) if start <= minute < end)

    def total(self, start: float, end: float) -> float:
        return sum(value for minute, value in self.points.items() if start <= minute < end)

    def at(self, minute: int, default: float = 0.0) -> float:
        return self.points.get(minute, default)
