"""Histograms of forecast errors: where an error goes, and the margin that a share of them asks for."""

from __future__ import annotations

from math import inf, log

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.core.margins import BINS, EDGES, PRIOR_DEVIATION, PRIOR_WEIGHT, bin_of, prior, quantile

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=200, print_blob=True)
COUNTS = st.lists(st.floats(0.0, 1e6), min_size=BINS, max_size=BINS)
ZERO = EDGES.index(0.0)  # the bin that begins where a forecast was right


def counted(**bins: float) -> list[float]:
    """A histogram by the number of a bin: ``counted(b3=10)``."""
    counts = [0.0] * BINS
    for name, count in bins.items():
        counts[int(name[1:])] = count
    return counts


@pytest.mark.parametrize(
    ("error", "number"),
    [
        pytest.param(-inf, 0, id="nothing came at all: the first bin is open below"),
        pytest.param(EDGES[0], 0, id="at the first edge"),
        pytest.param(-1e-9, ZERO - 1, id="a little less than expected"),
        pytest.param(0.0, ZERO, id="exactly what was expected belongs above"),
        pytest.param(EDGES[ZERO + 1], ZERO + 1, id="an edge belongs to the bin above it"),
        pytest.param(EDGES[-1], BINS - 1, id="the last edge has nothing above it"),
        pytest.param(log(1000.0), BINS - 1, id="a thousand times as much: the last bin is open above"),
    ],
)
def test_where_an_error_is_counted(error: float, number: int) -> None:
    assert bin_of(error) == number


def test_the_edges_rise_and_hold_zero() -> None:
    assert list(EDGES) == sorted(set(EDGES))
    assert 0.0 in EDGES


LAST, BEFORE = EDGES[-1], EDGES[-2]


@pytest.mark.parametrize(
    ("counts", "share", "margin"),
    [
        pytest.param(counted(), 0.99, BEFORE, id="no experience at all: caution, the last bin"),
        pytest.param(counted(b0=100), 0.99, 0.0, id="always less than expected: none either"),
        pytest.param([0.0] * (BINS - 1) + [100.0], 0.75, BEFORE + 0.75 * (LAST - BEFORE), id="a bin is even inside"),
        pytest.param([0.0] * (BINS - 1) + [100.0], 1.0, LAST, id="all of it: to the end of the last bin"),
        pytest.param(
            [90.0, *[0.0] * (BINS - 2), 10.0], 0.95, (BEFORE + LAST) / 2, id="one in twenty: half of the one in ten"
        ),
        pytest.param([90.0, *[0.0] * (BINS - 2), 10.0], 0.90, BEFORE, id="one in ten: none of it"),
        pytest.param([90.0, *[0.0] * (BINS - 2), 10.0], 0.89, 0.0, id="one in nine: down in the first bin, below zero"),
    ],
)
def test_the_margin_of_a_share(counts: list[float], share: float, margin: float) -> None:
    assert quantile(counts, share, inf) == pytest.approx(margin)


@pytest.mark.parametrize(
    ("most", "margin"),
    [
        pytest.param(LAST + 1, LAST, id="a most that is above it"),
        pytest.param(1.0, 1.0, id="a most that is below it"),
        pytest.param(0.0, 0.0, id="none wanted"),
    ],
)
def test_no_margin_above_the_most(most: float, margin: float) -> None:
    assert quantile([0.0] * (BINS - 1) + [1.0], 1.0, most) == pytest.approx(margin)


def test_a_table_never_seen_is_believed_to_err_by_a_little_either_way() -> None:
    counts = prior()
    assert len(counts) == BINS
    assert sum(counts) == pytest.approx(PRIOR_WEIGHT, rel=1e-6)
    # Of normal errors 84 % lie below one deviation and 97.7 % below two, which the coarse bins tell to a fifth.
    assert quantile(counts, 0.841, inf) == pytest.approx(PRIOR_DEVIATION, rel=0.2)
    assert quantile(counts, 0.977, inf) == pytest.approx(2 * PRIOR_DEVIATION, rel=0.2)
    assert quantile(counts, 0.5, inf) == pytest.approx(0.0, abs=PRIOR_DEVIATION / 5)


@REPEATABLE
@given(COUNTS, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_a_larger_share_never_asks_for_less(counts: list[float], one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert quantile(counts, low, inf) <= quantile(counts, high, inf) + 1e-9


@REPEATABLE
@given(COUNTS, st.floats(0.5, 0.999), st.floats(-1.0, 3.0), st.floats(0.1, 1e5))
def test_an_error_beyond_the_margin_never_lowers_it(
    counts: list[float], share: float, error: float, weight: float
) -> None:
    before = quantile(counts, share, inf)
    if EDGES[bin_of(error)] < before:
        return
    worse = list(counts)
    worse[bin_of(error)] += weight
    assert quantile(worse, share, inf) >= before - 1e-9
