"""One-minute series: a mapping from a minute's start (seconds since the epoch) to the units of that minute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

MINUTE = 60


@dataclass(frozen=True, slots=True)
class Series:
    """Immutable. Points may arrive late, twice, out of order or revised: the newest word on a minute counts.

    points: oldest first, whatever order they came in, so that a window at the young end costs only its own length.
    """

    points: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if list(self.points) != sorted(self.points):
            object.__setattr__(self, "points", dict(sorted(self.points.items())))

    def merged(self, newer: Mapping[int, float], keep_from: float) -> Series:
        """This series with ``newer`` laid over it, minutes that start before ``keep_from`` dropped; itself when that
        changes nothing."""
        old = self.points
        news = [point for point in newer.items() if old.get(point[0]) != point[1] and point[0] >= keep_from]
        if not news and next(iter(old), keep_from) >= keep_from:
            return self
        kept = old.copy()
        for minute in old:
            if minute >= keep_from:
                break
            del kept[minute]
        newest, ordered = next(reversed(kept), keep_from), True
        for minute, value in news:
            if minute > newest:
                newest = minute
            elif minute not in kept:
                ordered = False
            kept[minute] = value
        return _in_order(kept) if ordered else Series(kept)

    def newest(self) -> int | None:
        """Start of the newest minute with a point, or None."""
        return next(reversed(self.points), None)

    def between(self, start: float, end: float) -> Iterator[tuple[int, float]]:
        """Points whose minute starts in [start, end), oldest first."""
        found = []
        for point in reversed(self.points.items()):
            if point[0] < start:
                break
            if point[0] < end:
                found.append(point)
        return reversed(found)

    def total(self, start: float, end: float) -> float:
        return sum(value for _, value in self.between(start, end))

    def at(self, minute: int, default: float = 0.0) -> float:
        return self.points.get(minute, default)


def _in_order(points: dict[int, float]) -> Series:
    """A series of points known to be oldest first: one point a minute is added to hours of them, unsorted anew."""
    series = object.__new__(Series)
    object.__setattr__(series, "points", points)
    return series
