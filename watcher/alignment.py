"""When within the minute to look: just behind CloudWatch's publication, whose delay AWS does not document.

A poll ``o`` seconds after the full minute sees its points at ages o, o + 60, o + 120 ... seconds since their minute
ended. Whether the points of an age were out says whether the delay is shorter or longer than that age, so looking at
half-way offsets closes in on it within a few cycles; after that the offset stays, and follows the delay when it moves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from watcher.core.series import MINUTE

OLDEST = 300.0  # seconds; points older than this are stale, not published late
ENOUGH = 0.9  # of the points must be out for an age to count as published
NARROW = 3.0  # seconds between the ages known as too early and as late enough that are close enough
BEHIND = 1.0  # seconds behind the earliest age known as late enough
PATIENCE = 60  # cycles until an earlier offset is tried again, for the delay may have become shorter
MEMORY = 20.0  # cycles over which the share of points that were not out yet is averaged
LATER = 3.0  # seconds by which the offset moves when too many were not


class Alignment:
    """Learns the offset that uses points youngest. Not thread-safe: one thread runs the cycles.

    start: the offset to begin with, seconds after the full minute.
    """

    def __init__(self, start: float) -> None:
        self.offset = start
        self._early = 0.0  # an age at which too few points were out
        self._late = math.inf  # one at which enough were
        self._missed = 0.0  # recent share of points that were not out at the settled age
        self._settled = 0  # cycles at the settled offset

    @property
    def is_settled(self) -> bool:
        """Whether the delay is known closely enough to stay."""
        return self._late - self._early <= NARROW

    def learn(self, ages: Sequence[float]) -> None:
        """Take in the ages of the newest points of one cycle, seconds since their minute ended, and choose the next
        offset. Points that are stale say nothing of the delay."""
        fresh = [age for age in ages if 0 <= age <= OLDEST]
        if not fresh:
            return
        if self.is_settled:
            self._follow(fresh)
        else:
            self._close_in(fresh)
        age = self._late + BEHIND if self.is_settled else (self._early + self._late) / 2
        if math.isfinite(age):
            self.offset = age % MINUTE

    def _close_in(self, fresh: Sequence[float]) -> None:
        """Each age that this cycle could have seen was either published or not."""
        age = min(fresh) % MINUTE
        while age <= OLDEST:
            if _share_within(fresh, age) >= ENOUGH:
                self._late = min(self._late, max(age, self._early + NARROW / 2))
                break
            if age < self._late:
                self._early = max(self._early, age)
            age += MINUTE
        self._settled, self._missed = 0, 0.0

    def _follow(self, fresh: Sequence[float]) -> None:
        missed = 1.0 - _share_within(fresh, self._late + BEHIND + 1.0)
        self._missed += (missed - self._missed) / MEMORY
        self._settled += 1
        if self._missed > 1.0 - ENOUGH:
            self._late += LATER
            self._early = self._late - NARROW
            self._missed, self._settled = 0.0, 0
            if self._late > OLDEST:
                self._early, self._late = 0.0, math.inf
        elif self._settled >= PATIENCE:
            # Tried once: if too few points are out that early, the next cycle is back here.
            self._early = max(0.0, self._late - 2 * NARROW)
            self._settled = 0


def _share_within(ages: Sequence[float], limit: float) -> float:
    return sum(1 for age in ages if age <= limit + 0.5) / len(ages)
