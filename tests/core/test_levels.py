"""Where demand is, at three depths. Rates in units per second, one a minute, oldest first; NaN where not known."""

from __future__ import annotations

from math import isnan, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.core.levels import Levels, levels, mean

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=150, print_blob=True)
RATES = st.lists(st.floats(0.0, 1e6) | st.just(nan), min_size=1, max_size=80)


def newest(rates: list[float], standing_out: float = 2.0) -> Levels:
    found = levels(rates, len(rates) - 1, standing_out)
    assert found is not None
    return found


def test_every_depth_of_an_hour_by_hand() -> None:
    # 40 minutes at 10, 17 at 40, then 10, 40, 70.
    seen = newest([10.0] * 40 + [40.0] * 17 + [10.0, 40.0, 70.0])
    assert (seen.demand, seen.steady) == (70.0, 40.0)
    assert seen.short == pytest.approx(0.3 * 70 + 0.7 * 40)  # 49
    assert seen.medium == pytest.approx((17 * 40 + 120) / 20)  # 40
    assert seen.long == pytest.approx((40 * 10 + 17 * 40 + 120) / 60)  # 20
    # Five-minute means, newest first: 40 (40, 40, 10, 40, 70), 40, 40, 40, then 10 eight times: the median is 10.
    assert seen.base == 10.0
    assert seen.elevated
    assert [seen.at(depth) for depth in (0, 1, 2)] == [seen.short, seen.medium, seen.long]


@pytest.mark.parametrize(
    ("newest_minute", "short"),
    [
        pytest.param(10.0, 10.0, id="steady: itself"),
        pytest.param(40.0, 26.0, id="rising: 0.3 x 40 + 0.7 x 20, for the mean of three is 20"),
        pytest.param(1.0, 7.0, id="falling: no lower than the mean of three"),
    ],
)
def test_the_short_level_leans_towards_a_rise_only(newest_minute: float, short: float) -> None:
    assert newest([10.0, 10.0, newest_minute]).short == pytest.approx(short)


@pytest.mark.parametrize(
    ("rates", "elevated"),
    [
        pytest.param([10.0] * 59 + [20.0], False, id="twice the usual, the edge: not yet"),
        pytest.param([10.0] * 59 + [20.1], True, id="a little more: it stands out"),
        pytest.param([10.0] * 56 + [90.0, 90.0, 90.0, 1.0], True, id="a dip within three busy minutes still does"),
        pytest.param([0.0] * 60, False, id="nothing does not stand out from nothing"),
        pytest.param([0.0] * 59 + [0.1], True, id="anything does"),
    ],
)
def test_standing_out(rates: list[float], elevated: bool) -> None:  # noqa: FBT001 - a table's column
    assert newest(rates, standing_out=2.0).elevated is elevated


def test_what_is_usual_needs_no_whole_hour() -> None:
    assert newest([30.0]).base == 30.0
    # Two blocks: (40) alone at the old end, (10, 10, 10, 10, 10): the median of two is their mean.
    assert newest([40.0, 10.0, 10.0, 10.0, 10.0, 10.0]).base == 25.0


def test_an_hour_is_as_far_as_any_level_looks() -> None:
    hour = [float(7 * minute % 23) for minute in range(60)]
    assert newest([9e9] * 30 + hour) == newest(hour)


def test_a_minute_of_the_past_is_seen_as_it_was_then() -> None:
    rates = [float(minute) for minute in range(90)]
    for at in (0, 5, 59, 60, 80):
        assert levels(rates, at, 2.0) == newest(rates[: at + 1])


def test_unknown_minutes_count_for_nothing() -> None:
    seen = newest([nan, 10.0, nan, 40.0])
    assert (seen.demand, seen.steady, seen.medium) == (40.0, 25.0, 25.0)
    assert levels([10.0, nan], 1, 2.0) is None


@pytest.mark.parametrize(
    ("rates", "start", "end", "expected"),
    [
        pytest.param([1.0, 2.0, 6.0], 0, 3, 3.0, id="all of them"),
        pytest.param([1.0, 2.0, 6.0], 1, 3, 4.0, id="the last two"),
        pytest.param([1.0, 2.0, 6.0], -5, 2, 1.5, id="a start before the first"),
        pytest.param([1.0, nan, 6.0], 0, 3, 3.5, id="of those known"),
        pytest.param([nan, nan], 0, 2, 0.0, id="none known"),
        pytest.param([], 0, 0, 0.0, id="none there"),
    ],
)
def test_means(rates: list[float], start: int, end: int, expected: float) -> None:
    assert mean(rates, start, end) == expected


@REPEATABLE
@given(RATES, st.floats(1.0, 10.0))
def test_levels_lie_within_what_was_seen(rates: list[float], standing_out: float) -> None:
    found = levels(rates, len(rates) - 1, standing_out)
    if found is None:
        assert isnan(rates[-1])
        return
    known = [rate for rate in rates[-60:] if not isnan(rate)]
    lowest, highest = min(known) * (1 - 1e-9), max(known) * (1 + 1e-9)
    for level in (found.steady, found.short, found.medium, found.long):
        assert lowest <= level <= highest
    assert found.base <= highest  # a block of five unknown minutes counts as none
    assert found.short >= found.steady


@REPEATABLE
@given(RATES, st.floats(1.0, 100.0))
def test_levels_scale_with_demand(rates: list[float], factor: float) -> None:
    found = levels(rates, len(rates) - 1, 2.0)
    more = levels([rate * factor for rate in rates], len(rates) - 1, 2.0)
    if found is None or more is None:
        assert found is more
        return
    for before, after in zip(
        (found.steady, found.short, found.medium, found.long, found.base),
        (more.steady, more.short, more.medium, more.long, more.base),
        strict=True,
    ):
        assert after == pytest.approx(before * factor)
