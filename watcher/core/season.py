"""What usually follows at this time: of the hour, of the day, of the week. Three small profiles of logarithmic levels.

A profile counts only as far as it has lately foretold better than "as it is now": where a table has no season, its
weight shrinks to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, log2

STEPS = 16.0  # to a doubling: one step is 4.4 %
UNKNOWN = 255  # of a profile's cell; the largest level is 254 / 16 doublings, about 60,000 units per second
HALF = 2  # a new value weighs one half of what was there
AHEAD = (1, 2, 3, 4)  # minutes that a look ahead spans
SKILL_DECAY = 0.9995  # a minute: skill is that of the last day or so
LEAST_SCALE, MOST_SCALE = 0.5, 2.0


@dataclass(frozen=True, slots=True)
class Period:
    """seconds: its length. cell: seconds that one cell stands for. offset: where the cells lie in the profiles."""

    seconds: int
    cell: int
    offset: int

    @property
    def cells(self) -> int:
        return self.seconds // self.cell

    def index(self, minute: int) -> int:
        return self.offset + minute % self.seconds // self.cell


HOUR = Period(3600, 60, 0)
DAY = Period(86_400, 600, HOUR.cells)
WEEK = Period(7 * 86_400, 3600, HOUR.cells + DAY.cells)
PERIODS = (HOUR, DAY, WEEK)
CELLS = sum(period.cells for period in PERIODS)


def packed(rate: float) -> int:
    """A rate as a cell holds it: sixteenths of doublings of 1 + rate."""
    return min(UNKNOWN - 1, round(STEPS * log2(1.0 + rate)))


def unpacked(cell: int) -> float:
    return float(2.0 ** (cell / STEPS)) - 1.0


def learn(profiles: bytearray, minute: int, rate: float) -> None:
    """Note the demand of one minute in every profile, in place."""
    level = packed(rate)
    for period in PERIODS:
        index = period.index(minute)
        before = profiles[index]
        profiles[index] = level if before == UNKNOWN else _nearer(before, level, period.cell // 60)


def _nearer(before: int, level: int, minutes: int) -> int:
    """``before`` moved towards ``level``: half way in the course of a cell's minutes, at least one step when off."""
    if level == before:
        return before
    move = (level - before) / (HALF * minutes)
    return before + (max(1, round(move)) if move > 0 else min(-1, round(move)))


def expected(profiles: bytes | bytearray, period: Period, minute: int, rate: float) -> tuple[float, float] | None:
    """(the largest demand of the next minutes, that of the last of them) after ``minute``, as this period has it,
    scaled to where demand is now; None where it knows too little. Rates in units per second."""
    here = profiles[period.index(minute)]
    if here == UNKNOWN:
        return None
    usual = unpacked(here)
    scale = min(MOST_SCALE, max(LEAST_SCALE, rate / usual)) if usual > 0.0 else 1.0
    largest = last = 0.0
    for ahead in AHEAD:
        cell = profiles[period.index(minute + 60 * ahead)]
        if cell == UNKNOWN:
            return None
        last = unpacked(cell) * scale
        largest = max(largest, last)
    return largest, last


def weight(missed: float, naive: float) -> float:
    """How much a period counts, 0 to 1: nothing until its squared errors are a fifth below those of "as it is now",
    wholly from three fifths below on."""
    return min(1.0, max(0.0, 2.5 * (1.0 - missed / naive) - 0.5)) if naive > 0.0 else 0.0


def squared_error(said: float, came: float) -> float:
    """Of logarithms, so that one flash crowd does not decide for a week what is believed."""
    return log((1.0 + said) / (1.0 + came)) ** 2
