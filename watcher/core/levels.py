"""Where demand is, at three depths: rates in units per second, read off a run of minutes, oldest first.

An unknown minute is NaN; means are over the minutes that are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

LONG = 60  # minutes of the slowest level, and as many of past as any level looks at
MEDIUM = 20
SHORT = 3
BLOCK = 5  # minutes of the means whose median is the base


@dataclass(frozen=True, slots=True)
class Levels:
    """demand: the newest minute. steady: mean of three. short / medium / long: the levels a forecast may start from.

    base: median of the last hour's five-minute means. elevated: demand stands out from the base.
    """

    demand: float
    steady: float
    short: float
    medium: float
    long: float
    base: float
    elevated: bool

    def at(self, depth: int) -> float:
        """The level by number: 0 short, 1 medium, 2 long."""
        return (self.short, self.medium, self.long)[depth]


def levels(rates: Sequence[float], at: int, standing_out: float) -> Levels | None:
    """The levels as of the minute at index ``at``; None while that minute is unknown.

    standing_out: multiple of the base from which demand counts as elevated.
    """
    nearest = near(rates, at)
    if nearest is None:
        return None
    demand, end = rates[at], at + 1
    steady, short = nearest
    base = _median_of_blocks(rates, end)
    return Levels(
        demand=demand,
        steady=steady,
        short=short,
        medium=mean(rates, end - MEDIUM, end),
        long=mean(rates, end - LONG, end),
        base=base,
        elevated=max(demand, steady) > standing_out * base,
    )


def near(rates: Sequence[float], at: int) -> tuple[float, float] | None:
    """(steady, short) as of the minute at index ``at``, at a small part of the cost of all levels; None while that
    minute is unknown."""
    demand = rates[at]
    if isnan(demand):
        return None
    steady = mean(rates, at + 1 - SHORT, at + 1)
    return steady, max(steady, 0.3 * demand + 0.7 * steady)


def mean(rates: Sequence[float], start: int, end: int) -> float:
    """Mean of the known minutes of [start, end), 0 when none is known; ``start`` may lie before the first."""
    window = rates[max(0, start) : end]
    total = sum(window)
    if not isnan(total):
        return total / len(window) if window else 0.0
    known = [rate for rate in window if not isnan(rate)]
    return sum(known) / len(known) if known else 0.0


def _median_of_blocks(rates: Sequence[float], end: int) -> float:
    means = sorted(_block_means(rates, end))
    middle = len(means) // 2
    return means[middle] if len(means) % 2 else (means[middle - 1] + means[middle]) / 2


def _block_means(rates: Sequence[float], end: int) -> list[float]:
    window = rates[max(0, end - LONG) : end]
    if len(window) == LONG and not isnan(sum(window)):
        # The usual case, without a call for each block.
        return [sum(window[at : at + BLOCK]) / BLOCK for at in range(0, LONG, BLOCK)]
    return [mean(rates, last - BLOCK, last) for last in range(end, max(0, end - LONG), -BLOCK)]
