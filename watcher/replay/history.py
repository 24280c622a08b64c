"""What CloudWatch makes of older minutes: five-minute gauges, longer periods, and how long each period is kept.

Sources: "DynamoDB metrics and dimensions"; API reference GetMetricData (periods by the age of StartTime).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from math import ceil
from typing import Final

MINUTE: Final = 60
DAY: Final = 86_400
GAUGE_SECONDS: Final = 300  # "everything else is aggregated at five minutes"
GAUGE_DELAY: Final = 60
# The shortest period there still is when the start of a read is older than this, oldest first.
KEPT: Final = ((63 * DAY, 3600), (15 * DAY, 300))


def shortest_period(age: float) -> int:
    """Seconds: what a read whose StartTime is ``age`` seconds old must ask for at least, or it has no points."""
    return next((period for oldest, period in KEPT if age > oldest), MINUTE)


def is_answered(start: float, period: int, now: float) -> bool:
    """Whether a read from ``start`` by ``period`` has any points: "or no data points in that time range is returned"
    is taken at its word, for the whole range."""
    return period % shortest_period(now - start) == 0


def summed(points: Mapping[int, float], period: int) -> Mapping[int, float]:
    """One-minute sums as sums of ``period`` seconds."""
    if period == MINUTE:
        return points
    sums: dict[int, float] = {}
    for minute, value in points.items():
        start = minute // period * period
        sums[start] = sums.get(start, 0.0) + value
    return sums


def gauge(
    steps: Sequence[tuple[int, int]],
    window: tuple[float, float],
    now: float,
    summary: Callable[[Sequence[int]], float] = max,
) -> dict[int, float]:
    """Provisioned capacity as published: one point for every five minutes that start in ``window``, ``summary`` of its
    minutes' values. steps: (second, units per second) of every change, oldest first."""
    seconds = [second for second, _ in steps]
    points: dict[int, float] = {}
    first = -int(-window[0] // GAUGE_SECONDS) * GAUGE_SECONDS
    newest = min(window[1], now - GAUGE_DELAY - GAUGE_SECONDS + 1)
    for begin in range(first, ceil(newest), GAUGE_SECONDS):
        reached = (bisect_right(seconds, minute) for minute in range(begin, begin + GAUGE_SECONDS, MINUTE))
        values = [steps[count - 1][1] for count in reached if count]
        if values:
            points[begin] = summary(values)
    return points
