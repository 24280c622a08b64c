"""What has been learned of one dimension's traffic: small, versioned, kept over restarts.

Everything here could be learned anew from two weeks of CloudWatch, which is how a table met for the first time begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log2

from watcher.core import season
from watcher.core.margins import BINS, prior

VERSION = 1
DEPTHS = 3  # levels that a forecast may start from
MOODS = 2  # calm, elevated
DAY_HOURS = 24
PEAK_STEPS = 256.0  # of a packed peak to a doubling

NO_MARGINS = prior().tobytes() * (DEPTHS * MOODS)
NO_PEAKS = bytes(2 * DAY_HOURS)
NO_SEASON = bytes([season.UNKNOWN]) * season.CELLS


@dataclass(frozen=True, slots=True)
class Learned:
    """minutes: how many went in. newest: start of the last one, None when none did.

    margins: histograms of forecast errors, four-byte floats, BINS each, calm and elevated of each depth in turn;
    weight: what the next error counts, growing so that old ones fade. losses: what each depth has cost, by which the
    one to plan with is chosen. peaks: largest five-minute mean of each hour of the day, packed in two
    bytes each. jump: how many times
    its first sight a sudden rise usually becomes. profiles, missed, naive: the season's, and its squared errors by
    period against those of no season. spent / used / lost: capacity-seconds provisioned, units consumed, units
    throttled, fading with half of two days. booked: the minutes of these, fading as they do.
    """

    minutes: int = 0
    newest: int | None = None
    margins: bytes = NO_MARGINS
    weight: float = 1.0
    losses: tuple[float, float, float] = (0.0, 0.0, 0.0)
    peaks: bytes = NO_PEAKS
    jump: float = 2.0
    profiles: bytes = NO_SEASON
    missed: tuple[float, float, float] = (0.0, 0.0, 0.0)
    naive: tuple[float, float, float] = (0.0, 0.0, 0.0)
    spent: float = 0.0
    used: float = 0.0
    lost: float = 0.0
    booked: float = 0.0

    def errors(self, depth: int, *, elevated: bool) -> memoryview[float]:
        """The histogram of one depth and mood, read-only."""
        start = histogram(depth, elevated=elevated)
        return memoryview(self.margins).cast("f")[start : start + BINS]

    def day_peak(self) -> float:
        """The largest five-minute mean of the last day, units per second."""
        return peak_of(max(memoryview(self.peaks).cast("H")))


def histogram(depth: int, *, elevated: bool) -> int:
    """Where a histogram begins among the margins."""
    return (depth * MOODS + elevated) * BINS


def packed_peak(rate: float) -> int:
    """A peak as two bytes hold it: 256ths of doublings of 1 + 8 x rate, a quarter of a percent apart."""
    return round(PEAK_STEPS * log2(1.0 + 8.0 * rate))


def peak_of(packed: int) -> float:
    return float((2.0 ** (packed / PEAK_STEPS) - 1.0) / 8.0)
