"""What is kept of a dimension's traffic: its size, and how it is packed."""

from __future__ import annotations

from array import array
from dataclasses import fields, replace

import pytest

from watcher.core.learned import (
    DAY_HOURS,
    DEPTHS,
    NO_MARGINS,
    NO_PEAKS,
    NO_SEASON,
    Learned,
    histogram,
    packed_peak,
    peak_of,
)
from watcher.core.margins import BINS, prior
from watcher.core.season import CELLS

LARGEST = 1_000  # bytes of what is learned of a dimension: 10,000 tables of four dimensions are 40 MB
NUMBER = 8


def payload(known: Learned) -> int:
    total = 0
    for field in fields(known):
        value = getattr(known, field.name)
        if isinstance(value, bytes):
            total += len(value)
        else:
            total += NUMBER * (len(value) if isinstance(value, tuple) else 1)
    return total


def test_it_is_small() -> None:
    assert payload(Learned()) <= LARGEST


def test_nothing_learned_is_the_prior_no_peak_and_no_season() -> None:
    known = Learned()
    assert len(NO_MARGINS) == 4 * BINS * DEPTHS * 2
    assert len(NO_PEAKS) == 2 * DAY_HOURS
    assert len(NO_SEASON) == CELLS
    assert known.day_peak() == 0.0
    assert (known.minutes, known.newest) == (0, None)
    for depth in range(DEPTHS):
        for elevated in (False, True):
            assert list(known.errors(depth, elevated=elevated)) == list(prior())


def test_each_histogram_has_a_place_of_its_own() -> None:
    counts = array("f", [float(number) for number in range(BINS * DEPTHS * 2)])
    known = replace(Learned(), margins=counts.tobytes())
    seen: list[float] = []
    for depth in range(DEPTHS):
        for elevated in (False, True):
            start = histogram(depth, elevated=elevated)
            assert list(known.errors(depth, elevated=elevated)) == list(counts[start : start + BINS])
            seen += known.errors(depth, elevated=elevated)
    assert sorted(seen) == list(counts)


@pytest.mark.parametrize("rate", [0.0, 0.1, 1.0, 77.7, 12_345.0, 4_000_000.0])
def test_a_peak_is_kept_to_half_a_per_cent_in_two_bytes(rate: float) -> None:
    assert packed_peak(rate) < 2**16
    assert peak_of(packed_peak(rate)) == pytest.approx(rate, rel=0.005, abs=0.002)


def test_the_peak_of_the_day_is_that_of_its_busiest_hour() -> None:
    hours = array("H", [packed_peak(10.0)] * DAY_HOURS)
    hours[17] = packed_peak(500.0)
    assert replace(Learned(), peaks=hours.tobytes()).day_peak() == pytest.approx(500.0, rel=0.005)
