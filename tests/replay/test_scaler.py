"""Target tracking at 70 % of 100 units a second: out above 4,200 a minute, in below 3,000 (50 %)."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.replay.plants import NOON, script, table
from watcher.core.model import TABLE_WRITE, Metric
from watcher.replay.plant import Plant, PlantRefusal
from watcher.replay.scaler import TargetTracking

TRACKING = TargetTracking(70, 5, 1000)


def points(*units: float, gaps: tuple[int, ...] = ()) -> dict[int, float]:
    """Consumed units of consecutive minutes; ``gaps`` are the numbers of minutes whose point is missing."""
    minutes = iter(range(len(units) + len(gaps)))
    return {NOON + 60 * next(number for number in minutes if number not in gaps): unit for unit in units}


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        pytest.param(points(), None, id="no points"),
        pytest.param(points(9000.0), None, id="one point above is not two"),
        pytest.param(points(4201.0, 4200.0), None, id="two points, the last at 70 % exactly"),
        pytest.param(points(4200.0, 4201.0), None, id="two points, the first at 70 % exactly"),
        pytest.param(points(4201.0, 4201.0), 101, id="two points just above: ceil(4201 / 60 / .7 = 100.02)"),
        pytest.param(points(5000.0, 6000.0), 143, id="sized by the last: ceil(100 / .7 = 142.86)"),
        pytest.param(points(6000.0, 4200.6), 101, id="sized by the last although the first is larger"),
        pytest.param(points(4620.0, 4620.0), 110, id="a quotient that is whole stays: 77 / .7 = 110"),
        pytest.param(points(6000.0, 6000.0, gaps=(1,)), 143, id="a point missing between the two"),
        pytest.param(points(6000.0, 6000.0, gaps=(1, 2, 3)), 143, id="three points missing between the two"),
        pytest.param(points(6000.0, 6000.0, gaps=(1, 2, 3, 4)), None, id="four points missing: too far apart"),
        pytest.param(points(*[2999.0] * 14), None, id="fourteen points below are not fifteen"),
        pytest.param(points(*[2999.0] * 15), 72, id="fifteen points below 50 %: ceil(49.98 / .7 = 71.4)"),
        pytest.param(points(*[2999.0] * 14, 3000.0), None, id="the last of fifteen at 50 % exactly"),
        pytest.param(points(3000.0, *[2999.0] * 14), None, id="the first of fifteen at 50 % exactly"),
        pytest.param(points(9000.0, *[60.0] * 15), 5, id="older than fifteen does not count; never under the minimum"),
        pytest.param(points(*[60.0] * 14, 2520.0), 60, id="in to the maximum of the fifteen: 42 / .7 = 60"),
        pytest.param(points(90_000.0, 90_000.0), 1000, id="never over the maximum: 1500 / .7 = 2143"),
    ],
)
def test_wanted(seen: dict[int, float], wanted: int | None) -> None:
    assert TRACKING.wanted(seen, 100) == wanted


@pytest.mark.parametrize(
    ("capacity", "wanted"),
    [
        pytest.param(4, 5, id="below the minimum is brought in"),
        pytest.param(5, None, id="at the minimum"),
        pytest.param(1000, None, id="at the maximum"),
        pytest.param(1001, 1000, id="above the maximum is brought in"),
    ],
)
def test_bounds_without_points(capacity: int, wanted: int | None) -> None:
    assert TRACKING.wanted({}, capacity) == wanted


@pytest.mark.parametrize(
    ("target", "low", "high"),
    [
        pytest.param(19, 1, 2, id="a target below 20"),
        pytest.param(91, 1, 2, id="a target above 90"),
        pytest.param(70, 0, 2, id="a minimum of zero"),
        pytest.param(70, 3, 2, id="a minimum above the maximum"),
    ],
)
def test_nonsense_is_refused(target: int, low: int, high: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        TargetTracking(target, low, high)


def test_climbs_a_step_of_demand_by_a_factor_at_a_time() -> None:
    """Consumption stops at capacity, so target tracking needs several steps; the plant and it work together."""
    plant = Plant(NOON, jitter=0.0, late_share=0.0, spread=0.0)
    plant.create(table(script(70.0, 70.0, 400.0), write=100))
    while plant.now < NOON + 1800:
        plant.advance(plant.now + 60)
        seen = plant.points("orders", Metric.CONSUMED, dimension=TABLE_WRITE, start=plant.now - 1200, end=plant.now)
        wanted = TRACKING.wanted(seen, int(plant.steps("orders", TABLE_WRITE)[-1][1]))
        if wanted is not None:
            plant.update_throughput("orders", {"": (10, wanted)})
    # Each step is at most 1/.7 = 1.43 times the one before, and it ends at 400 / .7 = 571.4.
    steps = [units for _, units in plant.steps("orders", TABLE_WRITE)]
    assert steps[0] == 100
    assert steps[-1] == 572
    assert len(steps) >= 6
    assert all(later <= earlier / 0.7 + 1 for earlier, later in pairwise(steps))


def test_refused_decrease_comes_again() -> None:
    plant = Plant(NOON, jitter=0.0, late_share=0.0, spread=0.0, actuation=0.0)
    plant.create(table(script(1.0), write=100))
    for units in (99, 98, 97, 96):
        plant.update_throughput("orders", {"": (10, units)})
    refused = 0
    while plant.now < NOON + 3600:
        plant.advance(plant.now + 60)
        seen = plant.points("orders", Metric.CONSUMED, dimension=TABLE_WRITE, start=NOON, end=plant.now)
        wanted = TRACKING.wanted(seen, plant.steps("orders", TABLE_WRITE)[-1][1])
        if wanted is not None:
            try:
                plant.update_throughput("orders", {"": (10, wanted)})
            except PlantRefusal:
                refused += 1
    # Fifteen points are visible from minute 16 on; each minute to 59 is refused, minute 60 is the hour.
    assert refused == 44
    assert plant.steps("orders", TABLE_WRITE)[-1] == (NOON + 3600, 5)
