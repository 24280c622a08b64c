"""Quiet hours: a window of a local clock, in which a topic is not to hear what can wait."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

MIDNIGHT = 1440  # minutes
EVERY_DAY = frozenset(range(7))


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From ``start_minute`` of a day's clock until ``end_minute``, which is not included any more.

    start_minute: 0 to 1439; end_minute: 1 to 1440. An end that is not after the start is the next day's. days: on which
    a window begins, 0 is Monday; what it carries into the next morning belongs to it. zone: whose clock it is.

    Where the clock skips a start or an end, it comes when the clock goes on; what it shows twice counts the first time.
    So a window is never in two pieces, and is an hour longer or shorter in such a night, as sleep is.
    """

    start_minute: int
    end_minute: int
    days: frozenset[int]
    zone: tzinfo

    def holds(self, now: float) -> bool:
        today = datetime.fromtimestamp(now, self.zone).date()
        yesterday = today - timedelta(days=1)
        return any(self._is_within(day, now) for day in (yesterday, today) if day.weekday() in self.days)

    def _is_within(self, day: date, now: float) -> bool:
        last = day if self.end_minute > self.start_minute else day + timedelta(days=1)
        return self._instant(day, self.start_minute) <= now < self._instant(last, self.end_minute)

    def _instant(self, day: date, minute: int) -> float:
        """The first instant at which the clock shows this minute of the day, or has skipped it."""
        wall = datetime.combine(day, time()) + timedelta(minutes=minute)
        shown = wall.replace(tzinfo=self.zone).timestamp()
        if self._wall(shown) == wall:
            return shown
        # Skipped: the offsets before and after the gap take it to instants on the gap's two sides.
        sooner = int(wall.replace(tzinfo=self.zone, fold=1).timestamp())
        return sooner + bisect_left(range(sooner, int(shown)), wall, key=self._wall)

    def _wall(self, instant: float) -> datetime:
        return datetime.fromtimestamp(instant, self.zone).replace(tzinfo=None)
