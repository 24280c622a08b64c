"""Four decreases a UTC day, then one an hour after the last; each edge to the second, with the margin of 5 s."""

from __future__ import annotations

from math import inf

import pytest

from tests.core.builders import MIDNIGHT, NOON, throughput
from watcher.core.budget import budget, midnight


@pytest.mark.parametrize(
    ("now", "decreases", "lowered", "left", "wait"),
    [
        pytest.param(NOON, 0, None, 4, 0, id="never lowered: all four, at once"),
        pytest.param(NOON, 3, NOON - 1, 1, 0, id="the fourth needs no waiting"),
        pytest.param(NOON, 4, NOON, 0, 3605, id="the fifth waits an hour and the margin: 3600 + 5"),
        pytest.param(NOON, 4, NOON - 3600, 0, 5, id="an hour to the second is still inside the margin"),
        pytest.param(NOON, 4, NOON - 3604, 0, 1, id="one second before the margin ends"),
        pytest.param(NOON, 4, NOON - 3605, 0, 0, id="the hour and the margin are over: the fifth is allowed"),
        pytest.param(NOON, 11, NOON - 3605, 0, 0, id="the same holds for the twelfth"),
        pytest.param(NOON, 4, NOON + 2, 0, 3605, id="AWS's clock is ahead of ours: never less than the whole wait"),
        pytest.param(MIDNIGHT - 10, 4, MIDNIGHT - 100, 0, 15, id="midnight comes before the hour: 10 s and the margin"),
        pytest.param(MIDNIGHT, 4, MIDNIGHT - 100, 0, 5, id="at midnight AWS's clock may still be in yesterday"),
        pytest.param(MIDNIGHT + 4, 4, MIDNIGHT - 100, 0, 1, id="four seconds later still"),
        pytest.param(MIDNIGHT + 5, 4, MIDNIGHT - 100, 4, 0, id="past the margin yesterday's count is not today's"),
        pytest.param(MIDNIGHT + 1, 0, MIDNIGHT - 100, 4, 0, id="AWS itself already counts from zero: no margin needed"),
        pytest.param(MIDNIGHT + 60, 1, MIDNIGHT + 30, 3, 0, id="lowered since midnight: one of today's is gone"),
        pytest.param(MIDNIGHT + 60, 9, MIDNIGHT - 1, 4, 0, id="NumberOfDecreasesToday still shows yesterday's nine"),
        pytest.param(NOON, 4, None, 0, 43_205, id="spent without an instant: only midnight is certain, 12 h and 5 s"),
    ],
)
def test_what_is_left_and_how_long_to_wait(
    now: float, decreases: int, lowered: float | None, left: int, wait: float
) -> None:
    seen = budget(now, throughput(decreases=decreases, lowered=lowered))
    assert (seen.left, seen.wait) == (left, wait)
    assert seen.allowed == (wait == 0)


@pytest.mark.parametrize(
    ("decreases", "lowered", "available"),
    [
        pytest.param(0, None, 4, id="four in a row"),
        pytest.param(3, NOON - 1, 1, id="the last of the four"),
        pytest.param(4, NOON - 3605, 1, id="the hourly one"),
        pytest.param(4, NOON - 3604, 0, id="none for another second"),
    ],
)
def test_available_counts_those_that_can_be_made_right_now(
    decreases: int, lowered: float | None, available: int
) -> None:
    assert budget(NOON, throughput(decreases=decreases, lowered=lowered)).available == available


def test_idle_is_since_the_last_decrease_of_any_day() -> None:
    assert budget(MIDNIGHT + 60, throughput(lowered=MIDNIGHT - 40)).idle == 100
    assert budget(NOON, throughput()).idle == inf
    assert budget(NOON, throughput(lowered=NOON + 3)).idle == 0


@pytest.mark.parametrize(
    ("instant", "start"),
    [
        pytest.param(MIDNIGHT - 1, MIDNIGHT - 86_400, id="the last second of a day is of that day"),
        pytest.param(MIDNIGHT, MIDNIGHT, id="midnight begins a day"),
        pytest.param(MIDNIGHT + 86_399.5, MIDNIGHT, id="until just before the next"),
    ],
)
def test_midnight(instant: float, start: float) -> None:
    assert midnight(instant) == start
