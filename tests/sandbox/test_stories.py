"""The newcomer's six tables: what happens in the first half hour, and that it goes on for hours."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.sandbox.conftest import OPENED, clients_of
from tests.sandbox.shapes import Wire
from watcher.clock import SimulatedClock
from watcher.core.model import TABLE_WRITE, Dimension, Kind
from watcher.core.reasons import Cause
from watcher.replay.plant import Plant
from watcher.sandbox import Sandbox
from watcher.sandbox.stories import newcomer
from watcher.sandbox.traffic import Spells

ORIGIN = int(OPENED)
HISTORY = 3 * 3600
INDEX_WRITE = Dimension("by-category", Kind.WRITE)


def run(minutes: int, *, seed: int = 1) -> Plant:
    """The six tables with nobody watching."""
    plant = Plant(ORIGIN - HISTORY, seed=seed)
    for story in newcomer(ORIGIN, seed):
        plant.create(story.spec)
    plant.advance(ORIGIN + 60 * minutes)
    return plant


@pytest.fixture(scope="module")
def half_hour() -> Plant:
    return run(32)


def throttled(plant: Plant, table: str, dimension: Dimension) -> dict[int, Cause]:
    """Causes by minute after the opening, throttled minutes only."""
    return {
        (minute - ORIGIN) // 60: max(truth.causes, key=lambda cause: truth.causes[cause])
        for minute, truth in plant.truth(table, dimension).items()
        if truth.throttled
    }


@pytest.mark.parametrize(
    ("table", "dimension", "cause", "first", "last"),
    [
        pytest.param("orders", TABLE_WRITE, Cause.PROVISIONED, 2, 31, id="orders: starves until somebody raises it"),
        pytest.param("sessions", TABLE_WRITE, Cause.KEY_RANGE, 2, 16, id="sessions: one key is hot for 15 minutes"),
        pytest.param("catalog", TABLE_WRITE, Cause.INDEX_BACK_PRESSURE, 2, 31, id="catalog: its index holds it back"),
        pytest.param("catalog", INDEX_WRITE, Cause.PROVISIONED, 2, 31, id="catalog: the index starves"),
        pytest.param("events", TABLE_WRITE, Cause.ON_DEMAND_CAP, 6, 15, id="events: the cap bites for ten minutes"),
    ],
)
def test_each_story_has_one_cause(
    half_hour: Plant, table: str, dimension: Dimension, cause: Cause, first: int, last: int
) -> None:
    found = throttled(half_hour, table, dimension)
    assert set(found.values()) == {cause}
    assert (min(found), max(found)) == (first, last)
    spell = [half_hour.truth(table, dimension)[ORIGIN + 60 * minute] for minute in range(first, last + 1)]
    share = sum(truth.throttled for truth in spell) / sum(truth.demanded for truth in spell)
    assert share > 0.1, "enough to be seen, and to be worth a message"


@pytest.mark.parametrize("table", ["payments", "archive"])
def test_the_others_are_never_throttled(half_hour: Plant, table: str) -> None:
    for dimension in half_hour.describe(table).dimensions():
        assert throttled(half_hour, table, dimension) == {}


@pytest.mark.parametrize(
    ("table", "wanted", "dimension"),
    [
        pytest.param("orders", {"": (80, 900)}, TABLE_WRITE, id="orders: 900 write units are enough"),
        pytest.param(
            "catalog", {"by-category": (90, 450)}, TABLE_WRITE, id="catalog: raising the index frees the table"
        ),
    ],
)
def test_capacity_cures_it(table: str, wanted: dict[str, tuple[int, int]], dimension: Dimension) -> None:
    plant = run(5)
    plant.update_throughput(table, wanted)
    plant.advance(ORIGIN + 60 * 20)
    assert max(throttled(plant, table, dimension)) == 5, "the change takes 30 s to take effect"


def test_no_capacity_cures_the_hot_key() -> None:
    plant = run(5)
    plant.update_throughput("sessions", {"": (400, 26_000)})
    plant.advance(ORIGIN + 60 * 15)
    assert 14 in throttled(plant, "sessions", TABLE_WRITE)


def test_the_hot_key_has_a_name_in_the_report(clock: SimulatedClock) -> None:
    with Sandbox(clock) as sandbox, clients_of(sandbox) as clients:
        wire = Wire(clients)
        assert wire.call("dynamodb", "ListContributorInsights")["ContributorInsightsSummaries"] == []
        wire.call(
            "dynamodb",
            "UpdateContributorInsights",
            TableName="sessions",
            ContributorInsightsAction="ENABLE",
            ContributorInsightsMode="THROTTLED_KEYS",
        )
        clock.advance(6 * 60)
        described = wire.call("dynamodb", "DescribeContributorInsights", TableName="sessions")
        (rule,) = described["ContributorInsightsRuleList"]
        report = wire.call(
            "cloudwatch",
            "GetInsightRuleReport",
            RuleName=rule,
            StartTime=ORIGIN,
            EndTime=ORIGIN + 360,
            Period=60,
        )
        assert report["Contributors"][0]["Keys"] == ["user#4711"]


def test_auto_scaling_answers_the_spike_of_payments(clock: SimulatedClock) -> None:
    with Sandbox(clock) as sandbox, clients_of(sandbox) as clients:
        wire = Wire(clients)
        before = wire.call("dynamodb", "DescribeTable", TableName="payments")["Table"]["ProvisionedThroughput"]
        clock.advance(16 * 60)
        during = wire.call("dynamodb", "DescribeTable", TableName="payments")["Table"]["ProvisionedThroughput"]
        assert during["ReadCapacityUnits"] > before["ReadCapacityUnits"]
        assert during["WriteCapacityUnits"] > before["WriteCapacityUnits"]
        assert sandbox.ledger.entries == []


def test_the_stories_go_on_for_hours() -> None:
    plant = run(8 * 60)
    for table in ("orders", "sessions", "catalog", "events"):
        minutes = sorted(throttled(plant, table, TABLE_WRITE))
        begun = [b for a, b in pairwise(minutes) if b - a > 10]
        assert len(begun) >= 3, f"{table} tells its story again"


def test_demand_is_a_function_of_seed_and_minute() -> None:
    for one, same, other in zip(newcomer(ORIGIN, 1), newcomer(ORIGIN, 1), newcomer(ORIGIN, 2), strict=True):
        minutes = [ORIGIN + 60 * number for number in range(-15, 300)]
        assert [one.spec.demand(minute) for minute in minutes] == [
            same.spec.demand(minute) for minute in reversed(minutes)
        ][::-1]
        assert [one.spec.demand(minute) for minute in minutes] != [other.spec.demand(minute) for minute in minutes]


@pytest.mark.parametrize(
    ("minute", "number"),
    [
        pytest.param(-900, None, id="long before the opening"),
        pytest.param(1, None, id="the minute before the first spell"),
        pytest.param(2, 0, id="its first minute"),
        pytest.param(6, 0, id="its last minute"),
        pytest.param(7, None, id="the minute after it"),
    ],
)
def test_the_first_spell_is_exact(minute: int, number: int | None) -> None:
    spells = Spells(ORIGIN, first=2, minutes=5, period=60, seed=1)
    assert spells.number(ORIGIN + 60 * minute) == number


def test_later_spells_begin_at_most_a_tenth_of_a_period_late() -> None:
    spells = Spells(ORIGIN, first=0, minutes=5, period=60, seed=1)
    begins = []
    for number in range(1, 50):
        held = [minute for minute in range(60) if spells.number(ORIGIN + 3600 * number + 60 * minute) is not None]
        assert len(held) == 5
        begins.append(held[0])
    assert set(begins) == set(range(7))
