"""Floors for known events: "from 17:45 on weekdays, for three hours, at least 800 writes a second".

A schedule keeps its floor from ``lead`` seconds before each start until the window ends, because an increase takes
time and a refused one is tried again. Each window is half open: [start - lead, start + duration). Bounds are not
applied here: they come last, and a floor never lifts anything above them. When events recur is asked of
:class:`Starts`, so that cron and time zones stay outside the core.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Protocol

from watcher.core.model import Dimension, Kind
from watcher.core.words import time_of_day


class Starts(Protocol):
    """The instants at which an event begins. Both answers must be cheap: they are asked each minute of each table."""

    def latest(self, at: float) -> float | None:
        """The last start that is not after ``at``; None when there is none."""

    def following(self, at: float) -> float | None:
        """The first start after ``at``; None when there is none."""


@dataclass(frozen=True, slots=True)
class Once:
    """An event that begins a single time."""

    start: float

    def latest(self, at: float) -> float | None:
        return self.start if self.start <= at else None

    def following(self, at: float) -> float | None:
        return self.start if self.start > at else None


@dataclass(frozen=True, slots=True)
class Window:
    """One occurrence: [start, end), instants."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Schedule:
    """One entry of ``schedules``. duration, lead: seconds. units: the table's own floors by kind, units per second.

    index_units: floors of indexes by pattern, the first that matches counts, as it is with bounds.
    """

    name: str
    starts: Starts
    duration: float
    lead: float = 600.0
    units: Mapping[Kind, int] = field(default_factory=dict)
    index_units: tuple[tuple[str, Mapping[Kind, int]], ...] = ()

    def units_for(self, dimension: Dimension) -> int | None:
        """The floor of a dimension while a window is open; None where the schedule says nothing about it."""
        if dimension.is_table:
            return self.units.get(dimension.kind)
        for pattern, units in self.index_units:
            if fnmatchcase(dimension.index, pattern):
                return units.get(dimension.kind)
        return None

    def window(self, now: float) -> Window | None:
        """The window that holds ``now``, its lead time included. Of several, the last that has begun."""
        begun = self.starts.latest(now)
        if begun is not None and now < begun + self.duration:
            return self._window_from(begun)
        following = self.starts.following(now)
        if following is not None and now >= following - self.lead:
            return self._window_from(following)
        return None

    def coming(self, now: float) -> Window | None:
        """The window that holds ``now``, or else the next; None when the last one is over."""
        if (window := self.window(now)) is not None:
            return window
        following = self.starts.following(now)
        return None if following is None else self._window_from(following)

    def _window_from(self, start: float) -> Window:
        return Window(start, start + self.duration)


@dataclass(frozen=True, slots=True)
class Floor:
    """What a dimension is to have at least, and why. since: when the event begins, later than now in the lead time.

    until: when it ends, exclusive.
    """

    units: int
    name: str
    since: float
    until: float

    def purpose(self, now: float) -> str:
        """``for black-friday until 02:00 UTC``; in the lead time ``for black-friday from 08:00 UTC``."""
        when = f"from {time_of_day(self.since, now)}" if now < self.since else f"until {time_of_day(self.until, now)}"
        return f"for {self.name} {when}"


def floor(now: float, schedules: Iterable[Schedule], dimension: Dimension) -> Floor | None:
    """The largest floor of the windows that hold ``now``; of equal ones the one that lasts longest. Never raises.

    None outside every window, and where no schedule says anything about the dimension.
    """
    best: Floor | None = None
    for schedule in schedules:
        units = schedule.units_for(dimension)
        window = None if units is None else schedule.window(now)
        if units is None or window is None:
            continue
        found = Floor(units, schedule.name, window.start, window.end)
        if best is None or (found.units, found.until) > (best.units, best.until):
            best = found
    return best
