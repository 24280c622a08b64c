"""What minutes teach: how wrong the levels are, how high the day goes, how far sudden rises go. Hand-worked."""

from __future__ import annotations

from array import array
from dataclasses import replace
from math import nan, sin, tau
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.builders import HOUR, MIDNIGHT
from watcher.core.learned import DEPTHS, NO_MARGINS, Learned, peak_of
from watcher.core.learning import HEAVY, JUDGED, TRACE, learn, sudden_rise
from watcher.core.margins import BINS, EDGES, bin_of, prior, quantile
from watcher.core.policy import Tuning
from watcher.core.track import KEPT

MINUTE = 60
DAY_MINUTES = 1440
TUNING = Tuning(
    margin_calm=0.99,
    margin_elevated=0.95,
    margin_most=1.0,
    margin_half_life=1440.0,
    loss_decay=0.999,
    standing_out=2.0,
    jump_from=1.5,
    jump_window=60,
    jump_rate=0.05,
)
RIGHT = EDGES.index(0.0)  # the bin of a forecast that was right
REPEATABLE = settings(derandomize=True, deadline=None, max_examples=25, print_blob=True)
RATES = st.lists(
    st.sampled_from([0.0, 0.3, 5.0, 50.0, 50.0, 55.0, 400.0, nan]) | st.floats(0.0, 1e5), min_size=1, max_size=200
)


def taught(rates: list[float], known: Learned | None = None, first: int = MIDNIGHT) -> Learned:
    return learn(TUNING, known or Learned(), first, rates)


def added(known: Learned, depth: int, *, elevated: bool) -> dict[int, float]:
    """What a histogram holds beyond the prior, by bin."""
    found = {}
    for number, (count, before) in enumerate(zip(known.errors(depth, elevated=elevated), prior(), strict=True)):
        if count - before > 1e-3:
            found[number] = count - before
    return found


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minutes", "judged"),
    [
        pytest.param(JUDGED, 0, id="six minutes: none of them has six after it"),
        pytest.param(JUDGED + 1, 1, id="seven: the first"),
        pytest.param(JUDGED + 10, 10, id="sixteen: ten"),
    ],
)
def test_a_forecast_is_judged_after_six_minutes(minutes: int, judged: int) -> None:
    known = taught([100.0] * minutes)
    growth = 2.0 ** (1 / 1440)
    expected = sum(growth**number for number in range(1, judged + 1))
    for depth in range(DEPTHS):
        assert added(known, depth, elevated=False) == pytest.approx({RIGHT: expected} if judged else {}, rel=1e-3)
        assert added(known, depth, elevated=True) == {}
    assert known.weight == pytest.approx(growth**judged)
    assert known.minutes == minutes


def test_an_error_is_the_logarithm_of_what_came_over_what_was_expected() -> None:
    # Six minutes after a minute at 100, their mean is 150: the short level of then was 100, ln 1.5 = 0.405.
    known = taught([100.0] * 10 + [150.0] * 6)
    assert bin_of(0.4055) in added(known, 0, elevated=False)


def test_elevated_errors_are_counted_apart() -> None:
    # The spike's minute and the two whose mean of three holds it stand out, and then comes a seventh of their level.
    known = taught([100.0] * 30 + [1000.0] + [100.0] * 10)
    assert sum(added(known, 2, elevated=True).values()) == pytest.approx(3.0, rel=0.05)
    assert sum(added(known, 2, elevated=False).values()) == pytest.approx(41 - JUDGED - 3, rel=0.05)


@pytest.mark.parametrize(
    ("came", "judged"),
    [
        pytest.param([100.0, nan, 100.0, nan, 100.0, 100.0], True, id="four of six known"),
        pytest.param([nan, nan, 100.0, nan, 100.0, 100.0], False, id="three of six are too few"),
        pytest.param([100.0] * 5 + [nan], False, id="nothing is learned in a minute that is not known"),
    ],
)
def test_unknown_minutes(came: list[float], judged: bool) -> None:  # noqa: FBT001 - a table's column
    before, after = taught([100.0]), taught([100.0, *came])
    assert (after.margins != before.margins) is judged
    assert after.newest == MIDNIGHT + JUDGED * MINUTE
    assert after.minutes == 1 + sum(rate == 100.0 for rate in came)


def test_what_was_not_known_then_is_not_judged_later() -> None:
    assert taught([nan, *[100.0] * 6]).margins == Learned().margins


def test_a_table_without_traffic_teaches_no_errors() -> None:
    known = taught([0.0] * 500)
    assert (known.margins, known.weight, known.losses) == (Learned().margins, 1.0, (0.0, 0.0, 0.0))
    assert known.minutes == 500


def test_old_errors_fade_to_a_half_in_the_half_life() -> None:
    # A weight that doubles in a day: an error of today counts twice one of yesterday.
    known = taught([100.0] * (DAY_MINUTES + JUDGED))
    assert known.weight == pytest.approx(2.0, rel=1e-6)


def test_weights_are_brought_down_before_they_are_too_large_and_nothing_else_changes() -> None:
    heavy = replace(Learned(), weight=HEAVY, margins=array("f", [HEAVY * count for count in prior()] * 6).tobytes())
    known = taught([100.0] * (JUDGED + 1), heavy)
    assert known.weight == 1.0
    for depth in range(DEPTHS):
        counts = known.errors(depth, elevated=False)
        assert sum(counts) == pytest.approx(sum(prior()) + 1.0, rel=0.01)
        assert quantile(counts, 0.99, 9.0) == pytest.approx(quantile(prior(), 0.99, 9.0), rel=0.02)


def test_what_is_not_seen_for_years_keeps_a_trace_of_the_prior() -> None:
    # Without one, a histogram whose errors have all faded would say nothing of the first burst in years.
    gone = replace(Learned(), weight=HEAVY, margins=bytes(len(NO_MARGINS)))
    known = taught([100.0] * (JUDGED + 1), gone)
    assert list(known.errors(0, elevated=True)) == pytest.approx([TRACE * count for count in prior()])
    assert quantile(known.errors(0, elevated=True), 0.99, 9.0) == pytest.approx(quantile(prior(), 0.99, 9.0))


def test_the_depth_that_suits_the_traffic_costs_least() -> None:
    dice = Random(1)  # noqa: S311 - simulated traffic, not a secret
    noisy = taught([dice.uniform(50.0, 150.0) for _ in range(600)])
    assert noisy.losses[2] < noisy.losses[1] < noisy.losses[0], "noise around a steady mean: the longest"
    tides = taught([100.0 + 90.0 * sin(tau * minute / 120) for minute in range(1200)])
    assert tides.losses[0] < tides.losses[1] < tides.losses[2], "up and down within two hours: the shortest"


# --- the peaks of the day ---------------------------------------------------------------------------------------------


def hourly_peaks(known: Learned) -> list[float]:
    return [peak_of(packed) for packed in memoryview(known.peaks).cast("H")]


def test_the_peak_of_an_hour_is_its_largest_mean_of_five_minutes() -> None:
    known = taught([100.0] * 20 + [600.0] + [100.0] * 20)
    assert hourly_peaks(known)[0] == pytest.approx(200.0, rel=0.005)
    assert hourly_peaks(known)[1:] == [0.0] * 23


def test_an_hour_that_begins_forgets_yesterdays() -> None:
    busy = taught([500.0] * 55 + [100.0] * 65)
    # Hour 0 was busy; 22 hours on it still counts, and with the first minute of hour 0 of the next day no more.
    assert busy.day_peak() == pytest.approx(500.0, rel=0.005)
    quiet = taught([100.0] * (22 * 60), busy, first=MIDNIGHT + 2 * HOUR)
    assert quiet.day_peak() == pytest.approx(500.0, rel=0.005)
    turned = taught([100.0], quiet, first=MIDNIGHT + 24 * HOUR)
    assert turned.day_peak() == pytest.approx(100.0, rel=0.005)


@pytest.mark.parametrize(
    ("hours", "left"),
    [
        pytest.param(23, True, id="a gap of 23 hours: the hour before it is the oldest of the day"),
        pytest.param(24, False, id="a gap of a day"),
        pytest.param(100, False, id="a gap of four days"),
    ],
)
def test_a_gap_turns_the_hours_that_it_skipped(hours: int, left: bool) -> None:  # noqa: FBT001 - a table's column
    busy = taught([500.0] * 60)
    after = taught([1.0], busy, first=MIDNIGHT + hours * HOUR)
    assert (after.day_peak() > 400.0) is left


def test_an_unknown_minute_turns_the_hour_too() -> None:
    busy = taught([500.0] * 60)
    assert taught([nan], busy, first=MIDNIGHT + 24 * HOUR).day_peak() == 0.0


# --- sudden rises -----------------------------------------------------------------------------------------------------

QUIET = [10.0] * 60


@pytest.mark.parametrize(
    ("rates", "rise"),
    [
        pytest.param([*QUIET, 15.0], None, id="half as much again, the edge: no"),
        pytest.param([*QUIET, 15.1], (10.0, 15.1), id="a little more"),
        pytest.param([*[10.0] * 59, 40.0, 50.0], None, id="what the hour has seen before is not sudden"),
        pytest.param([40.0, *QUIET, 50.0], (10.0, 50.0), id="what it saw an hour and a minute ago is"),
        pytest.param([*[10.0] * 30, 50.0], (10.0, 50.0), id="half an hour is known"),
        pytest.param([*[10.0] * 29, 50.0], None, id="less than half an hour"),
        pytest.param([*[10.0] * 30, *[nan] * 30, 50.0], (10.0, 50.0), id="half of the hour known, in pieces"),
        pytest.param([*[10.0] * 29, *[nan] * 31, 50.0], None, id="less than half of it known"),
        pytest.param([*QUIET, nan], None, id="a minute that is not known"),
        pytest.param([*[0.0] * 60, 0.5], (0.0, 0.5), id="out of nothing"),
    ],
)
def test_what_is_a_sudden_rise(rates: list[float], rise: tuple[float, float] | None) -> None:
    assert sudden_rise(rates, len(rates) - 1, TUNING) == rise


# A new factor goes 5 % of the way from the 2.0 of the beginning.
@pytest.mark.parametrize(
    ("after", "jump"),
    [
        pytest.param(20.0, 1.95, id="10 to 20 and no further: once its first sight"),
        pytest.param(29.0, 1.995, id="10 to 20 to 29: 19 / 10"),
        pytest.param(12.0, 2 + 0.05 * (0.5 - 2), id="over at once: no less than half"),
        pytest.param(500.0, 2 + 0.05 * (3.0 - 2), id="out of sight: no more than three times"),
        pytest.param(nan, 2.0, id="not known"),
    ],
)
def test_how_far_a_sudden_rise_went(after: float, jump: float) -> None:
    assert taught([*QUIET, 20.0, after]).jump == pytest.approx(jump)


def test_the_factor_is_learned_from_many_rises() -> None:
    # Every two hours from 10 to 20, and on to 25: one and a half times the first sight.
    known = taught([*[10.0] * 118, 20.0, 25.0] * 120)
    assert known.jump == pytest.approx(1.5, abs=0.01)


# --- laws -------------------------------------------------------------------------------------------------------------


def test_the_same_minutes_again_teach_nothing() -> None:
    rates = [float(17 * minute % 91) for minute in range(300)]
    once = taught(rates)
    assert taught(rates, once) is once
    assert taught(rates[:200], once) is once
    assert taught([], once) is once


@REPEATABLE
@given(RATES, st.integers(1, 199))
def test_learning_in_two_parts_is_learning_at_once(rates: list[float], cut: int) -> None:
    cut = min(cut, len(rates))
    before = taught(rates[:cut])
    assert taught(rates, before) == taught(rates)


@REPEATABLE
@given(RATES, st.integers(1, 199))
def test_learning_is_causal(rates: list[float], cut: int) -> None:
    """What is known after a minute does not depend on what came later: histories that agree so far agree so far."""
    cut = min(cut, len(rates))
    other = rates[:cut] + [rate * 7 + 3 for rate in rates[cut:]]
    assert taught(other[:cut]) == taught(rates[:cut])
    whole = Learned()
    for end in range(1, cut + 1):
        whole = learn(TUNING, whole, MIDNIGHT, rates[:end])
    assert whole == taught(rates[:cut])


@REPEATABLE
@given(RATES)
def test_the_last_minutes_are_past_enough_to_learn_from(rates: list[float]) -> None:
    """Each cycle learns one minute from a short past; two weeks of history are one pass. Both learn the same."""
    known = Learned()
    for end in range(1, len(rates) + 1):
        begin = max(0, end - KEPT)
        known = learn(TUNING, known, MIDNIGHT + MINUTE * begin, rates[begin:end])
    assert known == taught(rates)


@REPEATABLE
@given(RATES)
def test_what_is_learned_is_always_of_sound_shape(rates: list[float]) -> None:
    known = taught(rates)
    assert len(known.margins) == len(Learned().margins)
    assert all(0.0 <= count < 1e9 for count in memoryview(known.margins).cast("f"))
    assert sum(known.errors(0, elevated=False)) + sum(known.errors(0, elevated=True)) >= 2 * sum(prior()) * 0.999
    assert 0.5 <= known.jump <= 3.0
    assert all(loss >= 0.0 for loss in (*known.losses, *known.missed, *known.naive))
    assert len(known.errors(0, elevated=False)) == BINS
