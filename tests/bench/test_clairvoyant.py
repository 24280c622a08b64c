"""The schedule that knows the future keeps the decrease budget, throttles nothing and costs little more than demand."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from tests.bench.clairvoyant import Load, cuts, held, play, schedule, smoothed
from tests.bench.traffic import generate
from watcher.core.policy import Bounds
from watcher.replay.budget import DecreaseBudget
from watcher.replay.scenario import Scenario, World
from watcher.replay.trace import Trace

MIDNIGHT = 1_699_833_600
NOON = MIDNIGHT + 12 * 3600
WIDE = Bounds(1, 40_000)


def load(*rates: float, first: int = NOON) -> Load:
    """Units per second by minute, each minute exactly even."""
    zeros = [0.0] * len(rates)
    return Load(first, [60.0 * rate for rate in rates], [True] * len(rates), zeros, zeros)


def stairs(count: int, minutes: int) -> list[float]:
    """So many steps down from 1,000 by 50, so many minutes each."""
    return [1000.0 - 50.0 * number for number in range(count) for _ in range(minutes)]


def decreases(capacities: list[int], first: int) -> list[int]:
    """Seconds of the calls: 30 s before the effect."""
    return [first + 60 * i - 30 for i, (before, after) in enumerate(pairwise(capacities), 1) if after < before]


def is_allowed(calls: list[int]) -> bool:
    budget = DecreaseBudget()
    for call in calls:
        if budget.allowed_at(call) > call:
            return False
        budget = budget.spent(call)
    return True


@pytest.mark.parametrize(
    ("rates", "first", "expected"),
    [
        pytest.param([100.0] * 120, NOON, 0, id="flat needs no decrease"),
        pytest.param(stairs(4, 10), NOON, 3, id="three steps down, three decreases"),
        pytest.param(stairs(5, 10), NOON, 4, id="the day's first four may follow each other at once"),
        pytest.param(stairs(8, 10), NOON, 4, id="the fifth must wait an hour, which is longer than this lasts"),
        pytest.param(stairs(8, 60), NOON, 7, id="an hour apart every one of seven is allowed"),
        pytest.param(
            stairs(9, 10),
            MIDNIGHT + 86_400 - 50 * 60,
            8,
            id="four before midnight, four more after: the count restarts",
        ),
    ],
)
def test_decreases_are_as_many_as_the_budget_gives(rates: list[float], first: int, expected: int) -> None:
    falls = cuts(rates, load(*rates, first=first))
    capacities = held(rates, falls, WIDE)
    assert all(capacity >= rate for capacity, rate in zip(capacities, rates, strict=True))
    calls = decreases(capacities, first)
    assert len(calls) == expected
    assert is_allowed(calls)


def test_scarce_decreases_go_where_they_save_most() -> None:
    # Five steps down within 50 minutes, four decreases: the smallest step (10 of 1,000) is the one to leave out.
    rates = [level for level in (1000.0, 800.0, 790.0, 600.0, 400.0, 200.0) for _ in range(10)]
    capacities = held(rates, cuts(rates, load(*rates)), WIDE)
    assert sorted(set(capacities)) == [200, 400, 600, 800, 1000]


def test_a_call_30_s_before_midnight_counts_to_the_old_day() -> None:
    # The levels fall at midnight exactly, after four decreases in the hour before.
    rates = stairs(6, 10)
    first = MIDNIGHT + 86_400 - 50 * 60
    calls = decreases(held(rates, cuts(rates, load(*rates, first=first)), WIDE), first)
    assert is_allowed(calls)
    assert (first + 3000 - 30) not in calls
    assert len(calls) == 5


def test_a_bucket_bears_a_short_peak() -> None:
    # 100/s for five hours fill 300 s of it: a minute of 300/s takes 12,000 of 30,000 units.
    rates = smoothed(load(*[100.0] * 300, 300.0, *[100.0] * 300))
    assert max(rates) < 110.0
    assert sum(rates) == pytest.approx(100.0 * 601 + 200.0, rel=0.01)


def test_a_long_peak_is_provisioned() -> None:
    rates = smoothed(load(*[100.0] * 300, *[1000.0] * 120, *[100.0] * 300))
    assert 900.0 < max(rates) <= 1000.0


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("steps", id="steps up and down"),
        pytest.param("hourly batch", id="an hourly batch"),
        pytest.param("flash crowd", id="crowds"),
    ],
)
def test_on_the_plant_it_throttles_next_to_nothing_near_the_price_of_demand(name: str) -> None:
    trace = generate(name, 500.0)
    days = Trace(dict(list(trace.rows.items())[: 3 * 1440]), 60)
    result = play(Scenario(days, name=name))
    figures = result.figures
    assert figures.rejected_updates == 0
    # In the first minute the bucket is empty and the capacity is given.
    assert (
        sum(units for minute, units in result.throttled.items() if minute > result.start)
        <= 1e-6 * figures.demanded_units
    )
    assert 1.0 <= figures.unit_hours * 3600.0 / figures.demanded_units <= 1.15


def test_it_stays_within_bounds_and_starts_where_every_policy_does() -> None:
    capacities = schedule(load(*[100.0] * 60, *[10.0] * 600), opening=120, bounds=Bounds(50, 40_000))
    assert capacities[0] == 120
    assert min(capacities) == 50


def test_minutes_that_nobody_knows_neither_fill_nor_empty_the_bucket() -> None:
    known = load(*[100.0] * 240)
    gap = replace(
        known,
        known=[not 60 <= i < 180 for i in range(240)],
        units=[0.0 if 60 <= i < 180 else 6000.0 for i in range(240)],
    )
    capacities = schedule(gap, opening=120, bounds=WIDE)
    bucket = 0.0
    for capacity, units, is_known in zip(capacities, gap.units, gap.known, strict=True):
        bucket = min(bucket, 300.0 * capacity)
        if is_known:
            bucket = min(300.0 * capacity, bucket + 60.0 * capacity - units)
        assert bucket >= 0.0


def test_it_is_deterministic() -> None:
    trace = generate("noise", 5.0)
    scenario = Scenario(Trace(dict(list(trace.rows.items())[:720]), 60), world=World(seed=3))
    assert play(scenario) == play(scenario)
