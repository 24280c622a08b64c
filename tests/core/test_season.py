"""What usually follows at this time of the hour, the day and the week; and how far it is to be trusted."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from tests.core.builders import MIDNIGHT
from watcher.core.learned import NO_SEASON, Learned
from watcher.core.learning import learn as learn_all
from watcher.core.policy import Tuning
from watcher.core.season import (
    AHEAD,
    CELLS,
    DAY,
    HOUR,
    LEAST_SCALE,
    MOST_SCALE,
    PERIODS,
    UNKNOWN,
    WEEK,
    expected,
    learn,
    packed,
    unpacked,
    weight,
)

MINUTE = 60
HOURS = 60
DAYS = 24 * HOURS


@pytest.mark.parametrize(
    "rate",
    [
        pytest.param(0.0, id="nothing"),
        pytest.param(0.5, id="half a unit"),
        pytest.param(100.0, id="a hundred"),
        pytest.param(40_000.0, id="the default quota"),
    ],
)
def test_a_cell_keeps_a_rate_to_a_few_per_cent(rate: float) -> None:
    assert unpacked(packed(rate)) == pytest.approx(rate, rel=0.07)


def test_what_is_too_much_for_a_cell_is_the_most_it_holds_and_not_unknown() -> None:
    assert packed(1e9) == UNKNOWN - 1
    assert unpacked(packed(1e9)) == pytest.approx(60_000, rel=0.02)


@pytest.mark.parametrize(
    ("period", "minute", "index"),
    [
        pytest.param(HOUR, MIDNIGHT, 0, id="the first minute of the hour"),
        pytest.param(HOUR, MIDNIGHT + 59 * MINUTE, 59, id="the last one"),
        pytest.param(DAY, MIDNIGHT, 60, id="the first ten minutes of the UTC day"),
        pytest.param(DAY, MIDNIGHT + 9 * MINUTE, 60, id="still"),
        pytest.param(DAY, MIDNIGHT + 10 * MINUTE, 61, id="the second ten"),
        # 14 November 2023 is a Tuesday; the epoch began on a Thursday, so the week turns there.
        pytest.param(WEEK, MIDNIGHT + 2 * 86_400, 204, id="the first hour of a Thursday"),
        pytest.param(WEEK, MIDNIGHT + 2 * 86_400 - MINUTE, CELLS - 1, id="the last of a Wednesday"),
    ],
)
def test_where_a_minute_lies(period: object, minute: int, index: int) -> None:
    assert period in PERIODS
    assert next(one for one in PERIODS if one is period).index(minute) == index


def profiles(*rates: float, first: int = MIDNIGHT) -> bytearray:
    learnt = bytearray(NO_SEASON)
    for number, rate in enumerate(rates):
        learn(learnt, first + MINUTE * number, rate)
    return learnt


def test_the_first_word_on_a_cell_is_taken_as_it_is() -> None:
    learnt = profiles(100.0)
    assert learnt[HOUR.index(MIDNIGHT)] == learnt[DAY.index(MIDNIGHT)] == learnt[WEEK.index(MIDNIGHT)] == packed(100.0)
    assert sum(cell != UNKNOWN for cell in learnt) == len(PERIODS)


def test_a_new_word_goes_half_way_in_the_course_of_a_cell() -> None:
    learnt = profiles(0.0)  # 0 steps
    for number in range(10):  # the day's cell is ten minutes long
        learn(learnt, MIDNIGHT + 86_400 + MINUTE * number, 255.0)  # 8 doublings of 1: 128 steps
    # The hour's cell of minute 0 moved by 128 / 2; ten moves of a twentieth each leave 0.95 ** 10 = 0.6 of the way.
    assert learnt[HOUR.index(MIDNIGHT)] == 64
    assert learnt[DAY.index(MIDNIGHT)] == pytest.approx(128 * (1 - 0.95**10), abs=3)


def test_a_small_difference_is_followed_to_the_end() -> None:
    learnt = profiles(*[100.0] * 120)
    for number in range(60 * 24 * 8):
        learn(learnt, MIDNIGHT + MINUTE * (120 + number), 110.0)
    assert learnt[DAY.index(MIDNIGHT)] == packed(110.0)


def ramp() -> bytearray:
    """Of every hour: 100 units a second, from minute 30 on 100 more with each minute."""
    return profiles(*[100.0 + 100.0 * max(0, minute - 29) for minute in range(60)])


@pytest.mark.parametrize(
    ("minute", "rate", "largest", "last"),
    [
        pytest.param(20, 100.0, 100.0, 100.0, id="four minutes that are as this one"),
        pytest.param(28, 100.0, 400.0, 400.0, id="minutes 29 to 32: up to 400"),
        pytest.param(28, 200.0, 800.0, 800.0, id="twice the usual now, twice the usual then"),
        pytest.param(28, 900.0, 400 * MOST_SCALE, 400 * MOST_SCALE, id="nine times now is believed of no season"),
        pytest.param(28, 10.0, 400 * LEAST_SCALE, 400 * LEAST_SCALE, id="nor a tenth"),
        pytest.param(59, 3100.0, 100.0, 100.0, id="over the turn of the hour"),
        pytest.param(57, 2900.0, 3100.0, 100.0, id="the largest of the four, and the last of them"),
    ],
)
def test_what_is_expected_after_a_minute(minute: int, rate: float, largest: float, last: float) -> None:
    said = expected(ramp(), HOUR, MIDNIGHT + MINUTE * minute, rate)
    assert said == pytest.approx((largest, last), rel=0.07)


@pytest.mark.parametrize(
    ("minute", "known"),
    [
        pytest.param(5, True, id="all four minutes after it known"),
        pytest.param(6, False, id="one of them not"),
        pytest.param(30, False, id="itself not"),
    ],
)
def test_nothing_is_expected_where_too_little_is_known(minute: int, known: bool) -> None:  # noqa: FBT001 - a table's column
    ten = profiles(*[100.0] * 10)
    assert AHEAD[-1] == 4
    assert (expected(ten, HOUR, MIDNIGHT + MINUTE * minute, 100.0) is not None) is known


def test_a_season_that_knows_zero_is_not_scaled_by_it() -> None:
    assert expected(profiles(*[0.0] * 10), HOUR, MIDNIGHT, 70.0) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("missed", "naive", "expected_weight"),
    [
        pytest.param(0.0, 0.0, 0.0, id="nothing known of either: nothing"),
        pytest.param(0.0, 5.0, 1.0, id="never wrong: all of it"),
        pytest.param(1.0, 5.0, 1.0, id="a fifth of the errors: 1.25 x 0.8 = 1, the edge"),
        pytest.param(3.0, 5.0, 0.5, id="three fifths: 1.25 x 0.4"),
        pytest.param(5.0, 5.0, 0.0, id="no better than as it is now: exactly nothing"),
        pytest.param(9.0, 5.0, 0.0, id="worse: nothing"),
    ],
)
def test_trust(missed: float, naive: float, expected_weight: float) -> None:
    assert weight(missed, naive) == pytest.approx(expected_weight)


# --- whole patterns, through the learner ------------------------------------------------------------------------------


def hourly(minute: int) -> float:
    """A job at the full hour: 300 for ten minutes, else 100."""
    return 300.0 if minute // MINUTE % 60 < 10 else 100.0


def daily(minute: int) -> float:
    """A job from three to half past three each night."""
    return 400.0 if 3 * 3600 <= minute % 86_400 < 3 * 3600 + 1800 else 100.0


def weekly(minute: int) -> float:
    """An hour's ramp on one day of seven."""
    day, second = divmod(minute % (7 * 86_400), 86_400)
    return 100.0 + (second - 36_000) / 6 if day == 3 and 36_000 <= second < 43_200 else 100.0


def noise(seed: int) -> Callable[[int], float]:
    return lambda minute: Random(f"{seed}:{minute}").uniform(50.0, 150.0)  # noqa: S311 - simulated traffic


def trusts(pattern: Callable[[int], float], days: int) -> tuple[float, ...]:
    rates = [pattern(MIDNIGHT + MINUTE * number) for number in range(days * DAYS)]
    known = learn_all(Tuning(), Learned(), MIDNIGHT, rates)
    return tuple(weight(missed, naive) for missed, naive in zip(known.missed, known.naive, strict=True))


@pytest.mark.parametrize(
    ("pattern", "days", "number", "least"),
    [
        pytest.param(hourly, 2, 0, 0.9, id="an hourly job, by the hour"),
        pytest.param(daily, 4, 1, 0.5, id="a nightly job, by the day"),
        pytest.param(weekly, 15, 2, 0.3, id="a weekly ramp, by the week"),
    ],
)
def test_a_strict_pattern_comes_to_be_trusted(
    pattern: Callable[[int], float], days: int, number: int, least: float
) -> None:
    assert trusts(pattern, days)[number] > least


@pytest.mark.parametrize("seed", range(4))
def test_white_noise_is_no_season(seed: int) -> None:
    # Two of a hundred of a wrong forecast would be nothing; mostly it is exactly nothing.
    trust = trusts(noise(seed), 5)
    assert max(trust) < 0.05
    assert trust[0] == 0.0
