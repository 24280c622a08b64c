"""The poll closes in on CloudWatch's publication, whatever its delay, and follows it."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from watcher.alignment import BEHIND, NARROW, PATIENCE, Alignment

SEED = 7


class World:
    """Points of ``series`` dimensions, each out ``delay`` plus up to ``jitter`` seconds after its minute ended, one in
    a hundred three minutes later. Polls are a minute apart; a learned offset counts from the poll after the next."""

    def __init__(self, delay: float, jitter: float, series: int = 40) -> None:
        self.delay, self.jitter, self.series = delay, jitter, series
        self._random = random.Random(SEED)  # noqa: S311 - a simulation
        self._minute = 0

    def _lag(self) -> float:
        late = 180.0 if self._random.random() < 0.01 else 0.0
        return self.delay + self._random.random() * self.jitter + late

    def ages(self, offset: float) -> list[float]:
        """Age of each series' newest point at a poll ``offset`` seconds after a full minute."""
        return [next(age for age in self._ages(offset) if age >= self._lag()) for _ in range(self.series)]

    @staticmethod
    def _ages(offset: float) -> Iterator[float]:
        age = offset
        while True:
            yield age
            age += 60.0

    def run(self, alignment: Alignment, polls: int) -> list[float]:
        """Mean age of the points used, poll by poll."""
        means = []
        planned = [alignment.offset, alignment.offset]
        for _ in range(polls):
            ages = self.ages(planned.pop(0))
            alignment.learn(ages)
            planned.append(alignment.offset)
            means.append(sum(ages) / len(ages))
        return means


@pytest.mark.parametrize("start", [0.0, 12.0, 59.0])
@pytest.mark.parametrize("jitter", [0.0, 5.0, 10.0])
@pytest.mark.parametrize("delay", [0.0, 3.0, 30.0, 55.0, 60.0, 61.0, 90.0, 119.0, 150.0, 200.0])
def test_within_a_quarter_of_an_hour_points_are_used_within_seconds(delay: float, jitter: float, start: float) -> None:
    alignment = Alignment(start)
    world = World(delay, jitter)
    world.run(alignment, 15)
    means = world.run(alignment, 40)
    # One point in a hundred is three minutes late on purpose: 1.8 s in the mean. Missing up to a tenth of the points by
    # a minute, as ENOUGH allows, is 6 s.
    allowed = delay + jitter + NARROW + BEHIND + 1.8 + 6.0
    assert sum(means) / len(means) <= allowed


def test_an_unaligned_poll_would_be_a_minute_late() -> None:
    world = World(60.0, 10.0)
    fixed = [sum(ages) / len(ages) for ages in (world.ages(5.0) for _ in range(40))]
    aligned = world.run(alignment := Alignment(5.0), 55)[15:]
    assert alignment.is_settled
    assert sum(aligned) / 40 < sum(fixed) / 40 - 15


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(60.0, 85.0, id="publication becomes slower"),
        pytest.param(85.0, 60.0, id="publication becomes faster"),
        pytest.param(60.0, 130.0, id="by more than a minute"),
    ],
)
def test_it_follows_a_delay_that_moves(before: float, after: float) -> None:
    alignment = Alignment(12.0)
    World(before, 5.0).run(alignment, 30)
    world = World(after, 5.0)
    world.run(alignment, 8 * PATIENCE)
    means = world.run(alignment, 40)
    assert sum(means) / len(means) <= after + 5.0 + NARROW + BEHIND + 7.8


@pytest.mark.parametrize("series", [1, 2, 4])
def test_a_single_table_is_enough(series: int) -> None:
    alignment = Alignment(12.0)
    world = World(60.0, 10.0, series)
    world.run(alignment, 60)
    means = world.run(alignment, 200)
    assert sum(means) / len(means) <= 60.0 + 10.0 + NARROW + BEHIND + 7.8


@pytest.mark.parametrize(
    "ages",
    [
        pytest.param([], id="nothing seen"),
        pytest.param([301.0, 4000.0], id="only stale points"),
        pytest.param([-5.0], id="a clock that is behind"),
    ],
)
def test_what_says_nothing_of_the_delay_moves_nothing(ages: list[float]) -> None:
    alignment = Alignment(12.0)
    alignment.learn(ages)
    assert (alignment.offset, alignment.is_settled) == (12.0, False)


def test_the_offset_stays_within_the_minute() -> None:
    alignment = Alignment(12.0)
    world = World(175.0, 10.0)
    for _ in range(200):
        alignment.learn(world.ages(alignment.offset))
        assert 0.0 <= alignment.offset < 60.0
