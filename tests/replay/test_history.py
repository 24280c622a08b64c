"""Older minutes as CloudWatch shows them: retention by period, sums, and the five-minute gauge of capacity."""

from __future__ import annotations

import math

import pytest

from tests.replay.plants import NOON, even_plant, script, table
from watcher.clock import SimulatedClock
from watcher.core.model import TABLE_WRITE, Answer, Metric, Query
from watcher.replay.history import DAY, gauge, is_answered, shortest_period, summed
from watcher.replay.plant import Plant
from watcher.replay.ports import PlantAws

WRITES = Query("orders", Metric.CONSUMED, TABLE_WRITE)
CAPACITY = Query("orders", Metric.PROVISIONED, TABLE_WRITE)


@pytest.mark.parametrize(
    ("age", "period"),
    [
        pytest.param(0.0, 60, id="now"),
        pytest.param(15 * DAY, 60, id="fifteen days to the second still have minutes"),
        pytest.param(15 * DAY + 1, 300, id="a second later only five minutes are left"),
        pytest.param(63 * DAY, 300, id="up to sixty-three days"),
        pytest.param(63 * DAY + 1, 3600, id="then only hours"),
    ],
)
def test_how_long_each_period_is_kept(age: float, period: int) -> None:
    assert shortest_period(age) == period


@pytest.mark.parametrize(
    ("age", "period", "answered"),
    [
        pytest.param(16 * DAY, 60, False, id="minutes of sixteen days ago are gone"),
        pytest.param(16 * DAY, 300, True, id="five minutes are there"),
        pytest.param(16 * DAY, 600, True, id="and their multiples"),
        pytest.param(16 * DAY, 540, False, id="but nothing between"),
        pytest.param(DAY, 540, True, id="which younger minutes can be added up to"),
    ],
)
def test_what_a_read_must_ask_for(age: float, period: int, *, answered: bool) -> None:
    assert is_answered(NOON - age, period, NOON) is answered


def test_sums_of_longer_periods_lie_on_their_multiples() -> None:
    points = {NOON + 60 * number: 1.0 for number in range(3, 12)}
    assert summed(points, 300) == {NOON: 2.0, NOON + 300: 5.0, NOON + 600: 2.0}
    assert summed(points, 60) == points


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param(NOON + 359, {}, id="not before a minute after the five are over"),
        pytest.param(NOON + 360, {NOON: 20}, id="then the largest of the five minutes' values"),
        pytest.param(NOON + 660, {NOON: 20, NOON + 300: 20}, id="the next five minutes later"),
        pytest.param(NOON + 960, {NOON: 20, NOON + 300: 20}, id="and none that starts at the end"),
    ],
)
def test_the_gauge(now: float, expected: dict[int, float]) -> None:
    assert gauge([(NOON - 60, 10), (NOON + 240, 20)], (NOON - 299, NOON + 600), now) == expected


def test_the_gauge_of_what_is_not_yet_there_is_silent() -> None:
    assert gauge([(NOON + 600, 10)], (NOON, NOON + 900), NOON + 9000) == {NOON + 600: 10}
    assert gauge([], (NOON, NOON + 900), NOON + 9000) == {}


def old(days: int) -> PlantAws:
    """orders since ``days`` ago, 5 writes a second of a capacity of 10, on the hour."""
    plant = Plant(NOON - days * DAY, jitter=0.0, late_share=0.0, spread=0.0, retention=math.inf)
    plant.create(table(script(5.0, start=NOON - days * DAY)))
    return PlantAws(plant, SimulatedClock(NOON))


def test_the_plant_answers_by_five_minutes() -> None:
    world = PlantAws(even_plant(), SimulatedClock(NOON + 1200))
    world.plant.create(table(script(5.0)))
    answers = world.read([WRITES, CAPACITY], NOON - 299, NOON + 899, 300)
    assert answers == {
        WRITES: Answer({NOON: 1500.0, NOON + 300: 1500.0}),
        CAPACITY: Answer({NOON: 10, NOON + 300: 10}),
    }


@pytest.mark.parametrize(
    ("query", "period", "count"),
    [
        pytest.param(WRITES, 60, 0, id="no minutes of sixteen days ago"),
        pytest.param(WRITES, 300, 288, id="a day of five minutes of then"),
    ],
)
def test_the_plant_keeps_what_cloudwatch_keeps(query: Query, period: int, count: int) -> None:
    start = NOON - 16 * DAY
    assert len(old(16).read([query], start, start + DAY, period)[query].points) == count


def test_latency_is_by_the_minute_only() -> None:
    latency = Query("orders", Metric.LATENCY_AVERAGE, operation="PutItem")
    with pytest.raises(ValueError, match="by the minute only"):
        old(1).read([latency], NOON - 600, NOON, 300)


def test_a_capacity_without_a_dimension_has_no_points() -> None:
    query = Query("orders", Metric.PROVISIONED)
    assert old(1).read([query], NOON - 600, NOON, 300) == {query: Answer()}
