"""What holds of every plant, whatever is asked of it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.replay.plants import NOON
from watcher.core.model import TABLE_READ, TABLE_WRITE, Dimension, Kind, Metric
from watcher.core.reasons import Cause
from watcher.replay.plant import IndexSpec, KeyShare, MinuteDemand, MinuteTruth, Plant, PlantRefusal, TableSpec
from watcher.replay.spread import SECONDS, profile, salt

INDEX_READ = Dimension("by-day", Kind.READ)
INDEX_WRITE = Dimension("by-day", Kind.WRITE)
DIMENSIONS = (TABLE_READ, TABLE_WRITE, INDEX_READ, INDEX_WRITE)
MINUTES = 40


def wild_demand(seed: int) -> Callable[[int], MinuteDemand]:
    """Idle, calm and violent minutes with and without hot keys, a pure function of the minute."""

    def demand(minute: int) -> MinuteDemand:
        draw = Random(f"{seed}:{minute}")  # noqa: S311 - simulated traffic, not a secret
        units = {dimension: 60.0 * draw.choice((0.0, 20.0, 90.0, 400.0, 2500.0)) for dimension in DIMENSIONS[:3]}
        hot = {dimension: (KeyShare("k1", 0.6), KeyShare("k2", 0.3)) for dimension in DIMENSIONS if draw.random() < 0.3}
        return MinuteDemand(units, hot)

    return demand


def run(seed: int, stops: list[float], *, retry_factor: float = 0.0) -> Plant:
    """A plant driven through ``stops`` (seconds after the start), with changes at fixed instants."""
    plant = Plant(NOON, seed=seed)
    index = IndexSpec("by-day", 100, 80, write_ratio=0.7)
    plant.create(TableSpec("orders", 100, 100, indexes=(index,), demand=wild_demand(seed), retry_factor=retry_factor))
    changes = {301.25: {"": (300, 300)}, 700.0: {"by-day": (50, 400)}, 1205.5: {"": (20, 900), "by-day": (60, 60)}}
    for stop in sorted({*stops, *changes, MINUTES * 60.0}):
        plant.advance(NOON + stop)
        if stop in changes:
            plant.update_throughput("orders", changes[stop])
    return plant


def everything(plant: Plant) -> list[dict[int, MinuteTruth]]:
    return [dict(plant.truth("orders", dimension)) for dimension in DIMENSIONS]


@given(seed=st.integers(0, 10_000), stops=st.lists(st.floats(0.0, MINUTES * 60.0), max_size=12))
@settings(max_examples=25, deadline=None)
def test_size_of_the_steps_does_not_matter(seed: int, stops: list[float]) -> None:
    assert everything(run(seed, stops)) == everything(run(seed, []))


def test_one_second_steps_change_nothing() -> None:
    assert everything(run(3, [float(second) for second in range(MINUTES * 60)])) == everything(run(3, []))


def test_the_seed_decides_everything() -> None:
    assert everything(run(1, [])) == everything(run(1, []))
    assert everything(run(1, [])) != everything(run(2, []))


def test_tables_do_not_disturb_each_other() -> None:
    alone = Plant(NOON)
    alone.create(TableSpec("orders", 50, 50, demand=wild_demand(5)))
    together = Plant(NOON)
    for name in ("carts", "orders", "users"):
        together.create(TableSpec(name, 50, 50, demand=wild_demand(5)))
    for plant in (alone, together):
        plant.advance(NOON + 3600)
    assert alone.truth("orders", TABLE_WRITE) == together.truth("orders", TABLE_WRITE)
    assert together.truth("orders", TABLE_WRITE) != together.truth("carts", TABLE_WRITE)


@pytest.mark.parametrize("retry_factor", [0.0, 0.8])
@given(seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_books_balance(retry_factor: float, seed: int) -> None:
    plant = run(seed, [], retry_factor=retry_factor)
    demand = wild_demand(seed)
    for dimension in DIMENSIONS:
        for minute, truth in plant.truth("orders", dimension).items():
            assert truth.served + truth.throttled + truth.withheld == pytest.approx(truth.demanded)
            assert sum(truth.causes.values()) == pytest.approx(truth.throttled)
            assert min(truth.served, truth.throttled, truth.withheld, *truth.causes.values()) >= 0.0
            if retry_factor == 0.0:
                asked = demand(minute).units.get(
                    Dimension("", dimension.kind) if dimension == INDEX_WRITE else dimension
                )
                assert asked is not None
                assert truth.demanded == pytest.approx(asked * (0.7 if dimension == INDEX_WRITE else 1.0))


@given(seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_no_more_is_served_than_capacity_and_savings_allow(seed: int) -> None:
    plant = run(seed, [])
    for dimension in DIMENSIONS:
        # The bucket is empty at the start, so at any time: served so far <= capacity-seconds so far.
        served = offered = 0.0
        window: list[MinuteTruth] = []
        for truth in plant.truth("orders", dimension).values():
            served, offered = served + truth.served, offered + truth.capacity
            assert served <= offered * (1 + 1e-9) + 1e-6
            # And in any one minute at most what it offers and 300 s of the capacity at its start, itself at most
            # 300/60 of what the minute before offered when no decrease was clipping.
            window = [*window[-1:], truth]
            largest = max(it.capacity for it in window)
            assert truth.served <= truth.capacity + 5.0 * largest * (1 + 1e-9) + 1e-6


@given(seed=st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_refused_calls_change_nothing(seed: int) -> None:
    plant, twin = run(seed, []), run(seed, [])
    for wanted in ({"": (20, 900)}, {"": (0, 1)}, {"": (50_000, 1)}, {"nope": (1, 1)}, {}):
        with pytest.raises(PlantRefusal):
            plant.update_throughput("orders", wanted)
    for one in (plant, twin):
        one.advance(one.now + 600)
    assert everything(plant) == everything(twin)
    assert plant.describe("orders") == twin.describe("orders")


def test_points_only_ever_appear() -> None:
    plant = Plant(NOON, seed=4)
    plant.create(TableSpec("orders", 100, 100, demand=wild_demand(4)))
    known: dict[int, float] = {}
    for second in range(0, 1800, 7):
        plant.advance(NOON + second)
        points = plant.points("orders", Metric.THROTTLED, dimension=TABLE_WRITE, start=NOON, end=NOON + 1800)
        assert known.items() <= points.items()
        assert all(minute + 120 <= plant.now for minute in points)
        known = points
    assert known


def test_back_pressure_needs_an_index() -> None:
    plant = Plant(NOON)
    plant.create(TableSpec("orders", 100, 100, demand=wild_demand(9)))
    plant.advance(NOON + 3600)
    causes = {cause for truth in plant.truth("orders", TABLE_WRITE).values() for cause in truth.causes}
    assert causes == {Cause.PROVISIONED, Cause.KEY_RANGE}


@pytest.mark.parametrize("units", [0.5, 6.0, 60.0, 6e3, 6e6])
def test_seconds_add_up_to_the_minute(units: float) -> None:
    for minute in range(0, 6000, 60):
        weights, peak = profile(salt(1, "t"), minute, units, 0.05)
        assert len(weights) == SECONDS
        assert sum(weights) == pytest.approx(1.0)
        assert peak == max(weights)
        assert min(weights) >= 0.0


@pytest.mark.parametrize(
    ("units", "dispersion", "low", "high"),
    [
        # Squared coefficient of variation 1/mean + dispersion, its inverse rounded to a power of two (factor 0.7-1.4).
        pytest.param(6e6, 0.05, 0.04, 0.08, id="a busy second varies by the dispersion alone: 0.05"),
        pytest.param(600.0, 0.05, 0.10, 0.22, id="ten units a second: 1/10 + 0.05"),
        pytest.param(60.0, 0.05, 0.7, 1.5, id="one unit a second: 1 + 0.05"),
        pytest.param(6e6, 0.5, 0.35, 0.72, id="a restless busy second: 0.5"),
    ],
)
def test_seconds_are_over_dispersed(units: float, dispersion: float, low: float, high: float) -> None:
    seconds = [
        weight * SECONDS
        for minute in range(0, 400 * 60, 60)
        for weight in profile(salt(1, "t"), minute, units, dispersion)[0]
    ]
    assert low < sum((second - 1.0) ** 2 for second in seconds) / len(seconds) < high


@pytest.mark.parametrize(
    ("units", "dispersion"),
    [pytest.param(600.0, 0.0, id="no dispersion asked for"), pytest.param(0.0, 0.05, id="no units")],
)
def test_even_minutes(units: float, dispersion: float) -> None:
    assert profile(1, 0, units, dispersion)[0] == (1 / 60,) * 60
