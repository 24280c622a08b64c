"""AWS Application Auto Scaling's target tracking on one dimension, kind to AWS: no alarm or action latency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Final

OUT_MINUTES: Final = 2
IN_MINUTES: Final = 15
# An alarm looks a little further back when points are missing, and says nothing beyond that.
MISSING_MINUTES: Final = 3
IN_BAND: Final = 20  # percentage points between the two alarms


@dataclass(frozen=True, slots=True)
class TargetTracking:
    """Keeps consumption near ``target_percent`` of the capacity, within [min, max] units per second; cooldowns 0.

    Out when the newest two points are above the target, to the last one over the target; in when the newest fifteen
    are below the target less 20 points, to their maximum over the target. The alarms and their evaluation periods:
    "Managing throughput capacity automatically with DynamoDB auto scaling". Consumption stops at the provisioned
    capacity, so one step out is at most about 100/target.
    """

    target_percent: int
    min: int
    max: int

    def __post_init__(self) -> None:
        if not 20 <= self.target_percent <= 90:
            raise ValueError(f"target must be 20 to 90 percent, got {self.target_percent}")
        if not 1 <= self.min <= self.max:
            raise ValueError(f"bounds must be 1 <= min <= max, got {self.min} and {self.max}")

    def wanted(self, points: Mapping[int, float], capacity: int) -> int | None:
        """The capacity it asks for now, units per second, or None when it lets things be.

        points: visible consumed units of each minute, by the minute's start. capacity: units per second now. Called
        once a minute; a refused answer comes again the next time.
        """
        wanted = min(self.max, max(self.min, self._tracked(points, capacity)))
        return None if wanted == capacity else wanted

    def _tracked(self, points: Mapping[int, float], capacity: int) -> int:
        newest = _newest(points, OUT_MINUTES)
        if newest and min(newest) * 100 > self.target_percent * capacity * 60:
            return self._sized(newest[-1])
        newest = _newest(points, IN_MINUTES)
        if newest and max(newest) * 100 < (self.target_percent - IN_BAND) * capacity * 60:
            return self._sized(max(newest))
        return capacity

    def _sized(self, units: float) -> int:
        """Capacity at which ``units`` a minute are the target. Exact: a float quotient can end a hair above a whole."""
        return ceil(Fraction(units) * 100 / (60 * self.target_percent))


def _newest(points: Mapping[int, float], count: int) -> list[float]:
    """The newest ``count`` points, oldest first; empty when there are too few of them close together."""
    minutes = sorted(points)[-count:]
    if len(minutes) < count or minutes[-1] - minutes[0] > (count - 1 + MISSING_MINUTES) * 60:
        return []
    return [points[minute] for minute in minutes]
