"""Recorded traffic: reading, writing, rescaling, and turning it into minutes of demand.

The file: CSV with the header ``timestamp,units``; timestamp is the start of each interval, ISO 8601 with an offset;
units are the capacity units demanded in the interval; the interval is the most common step between rows. A missing
row is unknown, not zero.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import inf, isfinite
from pathlib import Path
from random import Random

from watcher.clock import instant, iso
from watcher.core.model import TABLE_WRITE, Dimension
from watcher.errors import WatcherError
from watcher.replay.spec import DemandSource, MinuteDemand

HEADER = ["timestamp", "units"]
NOISE = 0.05  # standard deviation of a minute within a coarse step, of its mean
OPERATION = "read trace"
MOST_UNITS = 1e15  # of one row; no table comes near it, and sums of such rows are still exact enough
MOST_MEAN = 1e9  # units per second


@dataclass(frozen=True, slots=True)
class Trace:
    """rows: units of each interval by its start (seconds since the epoch), oldest first. step: its length, seconds."""

    rows: Mapping[int, float]
    step: int

    @property
    def start(self) -> int:
        return next(iter(self.rows))

    @property
    def end(self) -> int:
        """End of the last interval."""
        return max(self.rows) + self.step

    @property
    def total(self) -> float:
        return sum(self.rows.values())

    @property
    def mean(self) -> float:
        """Units per second over the intervals that have rows."""
        return self.total / (len(self.rows) * self.step)

    def rescaled(self, mean: float) -> Trace:
        """The same shape with ``mean`` units per second. Raises WatcherError when there is nothing to scale.

        The factor comes from the whole trace: a rescaled trace is not causal, cutting it changes all of it.
        """
        if not 0.0 < mean <= MOST_MEAN:
            raise WatcherError(
                f"cannot rescale to a mean of {mean} units per second",
                operation=OPERATION,
                hint=f"give a positive mean, at most {MOST_MEAN:g}",
            )
        factor = mean / self.mean if self.mean > 0.0 else inf
        if not isfinite(factor):
            raise WatcherError(
                "every row is zero, so there is nothing to rescale",
                operation=OPERATION,
                hint="leave the mean out or use another trace",
            )
        return Trace({start: units * factor for start, units in self.rows.items()}, self.step)

    def minutes(self, *, seed: int = 1) -> dict[int, float]:
        """Units of each minute of UTC that a row touches, by its start.

        A row is first laid out over its own minutes: along a slope where the two rows before it and it go one way (the
        smaller of both slopes), level otherwise, with a little seeded noise; its sum stays as it is. This looks back
        only, so a trace cut short gives the same minutes up to the cut. Then the pieces are cut at whole minutes.
        """
        pieces = max(1, round(self.step / 60))
        length = self.step / pieces
        minutes: dict[int, float] = {}
        before: list[float] = []  # the up to two rows directly before this one
        expected = self.start
        for start, units in self.rows.items():
            if start != expected:
                before = []
            for number, share in enumerate(_shares(before, units, pieces, seed, start)):
                _lay(minutes, start + number * length, length, units * share)
            before = [*before[-1:], units]
            expected = start + self.step
        return minutes

    def source(self, dimension: Dimension = TABLE_WRITE, *, seed: int = 1) -> DemandSource:
        """The demand of a table whose ``dimension`` this trace records; minutes without a row are not known."""
        minutes = self.minutes(seed=seed)
        unknown = MinuteDemand(known=False)

        def demand(minute: int) -> MinuteDemand:
            units = minutes.get(minute)
            return unknown if units is None else MinuteDemand({dimension: units})

        return demand


def read_trace(path: Path) -> Trace:
    """The trace in a file. Raises WatcherError naming the line and the remedy."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return parse_trace(file, str(path))
    except OSError as error:
        raise WatcherError(
            error.strerror or str(error), operation=OPERATION, subject=str(path), hint="give a readable CSV file"
        ) from error
    except UnicodeDecodeError as error:
        raise WatcherError(
            "not UTF-8 text", operation=OPERATION, subject=str(path), hint="save it as CSV in UTF-8"
        ) from error


def parse_trace(lines: Iterable[str], name: str) -> Trace:
    """The trace in lines of CSV; errors call it ``name``. Raises WatcherError naming the line and the remedy."""
    rows: dict[int, float] = {}
    last: int | None = None
    for line, fields in _records(lines, name):
        start, units = _row(fields, name, line)
        if last is not None and start <= last:
            raise _bad(name, line, f"{fields[0]} is not later than the row before", "sort the rows and drop duplicates")
        rows[start] = units
        last = start
    if len(rows) < 2:
        raise WatcherError(
            f"{len(rows)} data rows, so the interval is unknown",
            operation=OPERATION,
            subject=name,
            hint="give at least two rows",
        )
    return Trace(rows, _common_step(rows))


def write_trace(path: Path, trace: Trace) -> None:
    """Write what :func:`read_trace` reads. Raises WatcherError when the file cannot be written."""
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(HEADER)
            writer.writerows((iso(start), f"{units:.10g}") for start, units in trace.rows.items())
    except OSError as error:
        raise WatcherError(
            error.strerror or str(error), operation="write trace", subject=str(path), hint="give a writable path"
        ) from error


def _records(lines: Iterable[str], name: str) -> Iterator[tuple[int, list[str]]]:
    """The data records with their line numbers, the header checked and blank lines left out."""
    reader = csv.reader(lines)
    try:
        header = next(reader, None)
        if header is None or [field.strip() for field in header] != HEADER:
            raise _bad(name, 1, "the header is missing", "make the first line timestamp,units")
        for fields in reader:
            if fields:
                yield reader.line_num, fields
    except csv.Error as error:
        raise _bad(name, reader.line_num, str(error), "save it as plain CSV") from error


def _row(fields: list[str], name: str, line: int) -> tuple[int, float]:
    if len(fields) != 2:
        raise _bad(name, line, f"{len(fields)} columns", "write two: timestamp,units")
    try:
        start = int(instant(fields[0].strip()) // 1)
    except (ValueError, OverflowError) as error:
        raise _bad(
            name, line, f"{fields[0]!r} is not a time with an offset", "write it as 2026-11-22T03:04:05Z"
        ) from error
    try:
        units = float(fields[1])
    except ValueError as error:
        raise _bad(
            name, line, f"{fields[1]!r} is not a number", "write the units as a number, or leave the row out"
        ) from error
    if not 0.0 <= units <= MOST_UNITS:
        raise _bad(
            name, line, f"{fields[1]!r} units", f"write zero or more, at most {MOST_UNITS:g}, or leave the row out"
        )
    return start, units


def _bad(name: str, line: int, cause: str, hint: str) -> WatcherError:
    return WatcherError(cause, operation=OPERATION, subject=f"{name}, line {line}", hint=hint)


def _common_step(rows: Iterable[int]) -> int:
    """The most common distance between rows; of several, the smallest."""
    counts = Counter(later - earlier for earlier, later in pairwise(rows))
    return min(counts, key=lambda step: (-counts[step], step))


def _shares(before: list[float], units: float, pieces: int, seed: int, start: int) -> list[float]:
    """How a row's units fall on its pieces: shares that sum to 1, from this row and the up to two before it."""
    if pieces == 1 or units <= 0.0:
        return [1.0 / pieces] * pieces
    slope = _slope(before, units) / units  # change of the row's level over its whole length
    draw = Random(f"{seed}:{start}").gauss  # noqa: S311 - simulated traffic, not a secret
    weights = []
    for number in range(pieces):
        ramp = 1.0 + slope * ((number + 0.5) / pieces - 0.5)
        weights.append(ramp * max(0.0, draw(1.0, NOISE)))
    total = sum(weights)
    return [weight / total for weight in weights]


def _slope(before: list[float], units: float) -> float:
    """The smaller of the last two changes when they have one sign, else 0; never so steep that a piece is negative."""
    if len(before) < 2:
        return 0.0
    earlier, later = before[1] - before[0], units - before[1]
    if earlier * later <= 0.0:
        return 0.0
    smaller = min(abs(earlier), abs(later), 2.0 * units)
    return smaller if later > 0.0 else -smaller


def _lay(minutes: dict[int, float], start: float, length: float, units: float) -> None:
    """Add ``units``, even over ``length`` seconds from ``start``, to the minutes it overlaps."""
    end = start + length
    minute = int(start // 60) * 60
    while minute < end:
        overlap = min(end, minute + 60) - max(start, minute)
        if overlap > 0.0:
            minutes[minute] = minutes.get(minute, 0.0) + units * (overlap / length)
        minute += 60
