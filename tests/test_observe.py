"""What is asked of CloudWatch and when: it is billed by the metric and call, and must still miss nothing.

What arrives at the Metrics port is counted; the answers are the plant's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from tests.support.wire import always, down
from tests.support.world import (
    INDEX_READ,
    INDEX_WRITE,
    REGION,
    SETTINGS,
    START,
    World,
    heated,
    starved,
    starving_index,
    steady,
)
from watcher.core.insights import KeySample, Place, Sampler
from watcher.core.model import TABLE_READ, TABLE_WRITE, Answer, Billing, Dimension, Kind, Metric, Query
from watcher.core.state import SERIES_SECONDS
from watcher.errors import AwsDenied, AwsNotFound
from watcher.observe import Glance, dimension_queries, heat, in_parallel, latency_queries, observe
from watcher.ports import Insights
from watcher.replay.plant import TableSpec

READ = f"{REGION}/metrics.read"
EVERY_MINUTE = {Metric.CONSUMED, Metric.THROTTLED}
CAUSES = {
    Metric.THROTTLED_PROVISIONED,
    Metric.THROTTLED_KEY_RANGE,
    Metric.THROTTLED_ACCOUNT_LIMIT,
    Metric.THROTTLED_ON_DEMAND_CAP,
}
ON_TROUBLE = CAUSES | {Metric.REQUESTS}
LATENCY = {Metric.LATENCY_AVERAGE, Metric.LATENCY_P99}


@dataclass
class Asked:
    """What one pass asked: metrics by table, queries by metric, and each call's window in seconds."""

    metrics: dict[str, set[Metric]] = field(default_factory=dict)
    count: Counter[str] = field(default_factory=Counter)
    windows: list[tuple[float, float]] = field(default_factory=list)


def asked_in_one_pass(world: World) -> Asked:
    before = len(world.wire.asked)
    world.run()
    asked = Asked()
    for name, args in world.wire.asked[before:]:
        if name == READ:
            queries, start, end = cast("tuple[Sequence[Query], float, float]", args)
            asked.windows.append((start, end))
            for query in queries:
                asked.metrics.setdefault(query.table, set()).add(query.metric)
                asked.count[query.table] += 1
    return asked


def minutes_of(world: World, count: int) -> list[Asked]:
    return [asked_in_one_pass(world) for _ in range(count)]


def test_a_quiet_table_costs_four_metrics_a_minute_and_twenty_at_a_sweep() -> None:
    # Two dimensions: consumption and throttles of each are 4. A sweep adds 4 causes and the requests of each, 10,
    # and average and p99 of GetItem, Query and PutItem, 6.
    with World(steady()) as world:
        world.run()  # the first pass asks everything
        assert [asked.count["steady"] for asked in minutes_of(world, 10)] == [4, 4, 4, 4, 20, 4, 4, 4, 4, 20]


def test_an_index_adds_two_dimensions_but_no_latency() -> None:
    with World(replace(starving_index(since=100_000), write=1000)) as world:
        world.run()
        assert [asked.count["catalog"] for asked in minutes_of(world, 5)] == [8, 8, 8, 8, 34]


def test_latency_can_be_left_out() -> None:
    with World(steady(), settings=replace(SETTINGS, latency=False)) as world:
        passes = minutes_of(world, 6)
        assert [asked.metrics["steady"] & LATENCY for asked in passes] == [set()] * 6
        assert f"{REGION}/metrics.operations" not in world.wire.calls


def test_a_table_never_used_costs_no_more_than_a_quiet_one() -> None:
    # On demand and idle, CloudWatch has no point of it at all: it is not read back for three hours every minute.
    with World(TableSpec("unused", billing=Billing.ON_DEMAND)) as world:
        world.run()
        assert [asked.count["unused"] for asked in minutes_of(world, 4)] == [4, 4, 4, 4]


def test_causes_are_asked_in_the_pass_that_sees_the_trouble_and_of_that_table_only() -> None:
    with World(starved(until=600), steady()) as world:
        world.run_until(365)
        trouble = asked_in_one_pass(world)  # 425: the minute of 300 is visible
        assert trouble.metrics["orders"] == EVERY_MINUTE | ON_TROUBLE
        assert trouble.metrics["steady"] == EVERY_MINUTE
        while world.alerts()[-1][0] != "resolved":
            # Throttles leave the window before the incident is closed; its causes are asked all the same.
            assert asked_in_one_pass(world).metrics["orders"] >= EVERY_MINUTE | ON_TROUBLE
        world.run_until(1505)
        assert asked_in_one_pass(world).metrics["orders"] == EVERY_MINUTE


def test_the_window_ends_at_the_full_minute_and_is_ten_minutes_long() -> None:
    with World(steady()) as world:
        world.run()
        for number, asked in enumerate(minutes_of(world, 4), start=1):
            end = START + 60 * number
            assert asked.windows == [(end - 600, end)]


@pytest.mark.parametrize("again", [False, True], ids=["at first sight", "after a restart"])
def test_three_hours_are_read_back(again: bool) -> None:  # noqa: FBT001 - a column of the table
    with World(steady(), starved()) as world:
        if again:
            world.run(3)
            world.restart()
        minute = world.clock.now() // 60 * 60
        asked = asked_in_one_pass(world)
        assert set(asked.windows) == {(minute - SERIES_SECONDS, minute)}
        assert asked.metrics["steady"] == EVERY_MINUTE | ON_TROUBLE | LATENCY
        assert {start for start, _ in asked_in_one_pass(world).windows} == {minute + 60 - 600}


def test_a_table_found_later_is_read_back_alone() -> None:
    with World(steady()) as world:
        world.run_until(245)
        world.plant.create(TableSpec("fresh", read=72, write=100))
        asked = asked_in_one_pass(world)  # 305: discovery and sweep
        assert {end - start for start, end in asked.windows} == {600.0, SERIES_SECONDS}
        assert asked.metrics["fresh"] >= EVERY_MINUTE | ON_TROUBLE


def test_a_read_back_that_failed_is_made_up_for() -> None:
    with World(steady()) as world:
        world.wire.faults[READ] = always(down())
        world.run(2)
        world.wire.faults.clear()
        assert {end - start for start, end in asked_in_one_pass(world).windows} == {SERIES_SECONDS}
        assert {end - start for start, end in asked_in_one_pass(world).windows} == {600.0}


@pytest.mark.parametrize(
    ("pause", "window"),
    [
        pytest.param(450, 600.0, id="a pause the window bridges, late points included"),
        pytest.param(510, SERIES_SECONDS, id="a longer one is read back"),
    ],
)
def test_after_a_pause_no_minute_is_left_out(pause: int, window: float) -> None:
    with World(steady()) as world:
        world.run(2)
        world.clock.advance(pause - 60)
        assert {end - start for start, end in asked_in_one_pass(world).windows} == {window}


@dataclass
class SilentInsights:
    """Contributor Insights without permission, noting who was asked about."""

    asked: list[Place] = field(default_factory=list)

    def describe(self, place: Place) -> Sampler:
        self.asked.append(place)
        raise AwsDenied("not authorized", code="AccessDenied", hint="no permission")


def with_insights(world: World) -> SilentInsights:
    insights = SilentInsights()
    region = replace(world.aws.region(), insights=cast("Insights", insights))
    world.aws.region = lambda: region  # type: ignore[method-assign]
    return insights


def test_keys_are_asked_only_of_what_throttles() -> None:
    with World(starved(), heated(), steady()) as world:
        insights = with_insights(world)
        world.run_until(365)
        assert insights.asked == []
        world.run()
        assert set(insights.asked) == {Place("orders"), Place("sessions")}
        assert "no permission" in str(world.sent("sessions")[0].alert)


@pytest.mark.parametrize(
    ("until", "asks"),
    [
        # The pass is at 5, so the window begins at -595; the last throttled minute is the one before ``until``.
        pytest.param(-540, 0, id="its last minute began before the window: not asked"),
        pytest.param(-480, 1, id="its last minute is within the window: asked"),
    ],
)
def test_at_first_sight_three_hours_are_read_but_keys_only_of_the_window(until: int, asks: int) -> None:
    with World(heated(since=-1500, until=until)) as world:
        insights = with_insights(world)
        world.run()
        assert len(insights.asked) == asks


def test_heat_is_what_throttled_by_place_whatever_the_kind() -> None:
    def said(index: str, kind: Kind, points: dict[int, float]) -> tuple[Query, Answer]:
        return Query("orders", Metric.THROTTLED, Dimension(index, kind)), Answer(points)

    answers = dict(
        [
            said("", Kind.READ, {540: 5.0, 600: 2.0, 660: 1.0}),
            said("", Kind.WRITE, {600: 4.0}),
            said("by-day", Kind.WRITE, {600: 0.0}),
            (Query("orders", Metric.CONSUMED, TABLE_READ), Answer({600: 99.0})),
        ]
    )
    # 2 + 1 reads and 4 writes from 600 on; the index had a point, of nothing.
    assert heat({"orders": answers}, 600.0) == {Place("orders"): 7.0}


# ---- the parts


def glance(**changes: object) -> Glance:
    plain = Glance(now=START + 5, window=600.0, sweep=False, latency=True, workers=4)
    return replace(plain, **changes)  # type: ignore[arg-type]


def no_keys(_heat: Mapping[Place, float]) -> Mapping[str, Mapping[str, KeySample]]:
    return {}


def test_queries_come_in_a_stable_order() -> None:
    with World(starving_index("b"), steady("a")) as world:
        described = {name: world.plant.describe(name) for name in ("b", "a")}
        assert dimension_queries(described, (Metric.CONSUMED,)) == [
            Query("a", Metric.CONSUMED, TABLE_READ),
            Query("a", Metric.CONSUMED, TABLE_WRITE),
            Query("b", Metric.CONSUMED, TABLE_READ),
            Query("b", Metric.CONSUMED, TABLE_WRITE),
            Query("b", Metric.CONSUMED, INDEX_READ),
            Query("b", Metric.CONSUMED, INDEX_WRITE),
        ]
    operations = {"a": frozenset({"Query", "GetItem"}), "other": frozenset({"Scan"})}
    assert latency_queries(["a", "b"], operations) == [
        Query("a", Metric.LATENCY_AVERAGE, operation="GetItem"),
        Query("a", Metric.LATENCY_AVERAGE, operation="Query"),
        Query("a", Metric.LATENCY_P99, operation="GetItem"),
        Query("a", Metric.LATENCY_P99, operation="Query"),
    ]


@pytest.mark.parametrize("workers", [1, 3])
def test_results_keep_the_order_of_their_keys(workers: int) -> None:
    assert in_parallel(lambda key: key * key, range(10), workers) == [key * key for key in range(10)]
    assert in_parallel(str, [], workers) == []


def test_each_table_gets_its_own_fate() -> None:
    with World(steady("good"), steady("bad")) as world:
        world.wire.faults[f"{REGION}/tables.describe"] = lambda name: down("timeout") if name == "bad" else None
        ports = world.wire.region(world.aws.region())
        sighting = observe(ports, ["bad", "gone", "good"], {}, {}, glance(), no_keys)
        assert set(sighting.observations) == {"good"}
        assert sighting.missing == {"gone"}
        assert set(sighting.failures) == {"bad"}
        assert sighting.error == ""


@pytest.mark.parametrize(
    ("names", "error"),
    [
        pytest.param([], "", id="nothing to see is no failure"),
        pytest.param(["gone"], "", id="nor is a deleted table"),
        pytest.param(["bad"], "timeout", id="the only table cannot be seen"),
        pytest.param(["bad", "bad too"], "timeout", id="none of the tables can be seen"),
        pytest.param(["bad", "gone"], "", id="one cannot be seen, one is gone"),
    ],
)
def test_when_a_region_counts_as_dark(names: list[str], error: str) -> None:
    with World() as world:
        world.wire.faults[f"{REGION}/tables.describe"] = lambda name: down("timeout") if "bad" in name else None
        sighting = observe(world.wire.region(world.aws.region()), names, {}, {}, glance(), no_keys)
        assert (error in sighting.error) if error else sighting.error == ""


@pytest.mark.parametrize(
    ("dark", "asked"),
    [
        pytest.param({"t0", "t1", "t2", "t3", "t4", "t5"}, 4, id="none of the first answers: the rest is not asked"),
        pytest.param({"t0", "t2", "t3", "t4", "t5"}, 6, id="one of the first answers: all are asked"),
    ],
)
def test_a_dark_region_costs_one_round_of_timeouts(dark: set[str], asked: int) -> None:
    names = [f"t{number}" for number in range(6)]
    with World(*(steady(name) for name in names)) as world:
        world.wire.faults[f"{REGION}/tables.describe"] = lambda name: down("timeout") if name in dark else None
        sighting = observe(world.wire.region(world.aws.region()), names, {}, {}, glance(workers=2), no_keys)
        assert world.wire.calls.count(f"{REGION}/tables.describe") == asked
        assert set(sighting.failures) == dark
        assert bool(sighting.error) is (len(dark) == 6)


@pytest.mark.parametrize(
    ("throttled", "asks"),
    [
        pytest.param(Answer(), False, id="no throttle point is no trouble"),
        pytest.param(Answer({int(START) - 120: 0.0}), False, id="a throttle point of zero is none either"),
        pytest.param(Answer({int(START) - 120: 1.0}), True, id="one throttled event is"),
        pytest.param(Answer(complete=False), True, id="an incomplete answer may hide one"),
    ],
)
def test_what_makes_it_ask_for_causes(throttled: Answer, asks: bool) -> None:  # noqa: FBT001 - a column of the table
    asked: list[Metric] = []

    class Scripted:
        def read(
            self,
            queries: Sequence[Query],
            start: float,  # noqa: ARG002 - a port's signature
            end: float,  # noqa: ARG002
            period: int = 60,  # noqa: ARG002
        ) -> Mapping[Query, Answer]:
            asked.extend(query.metric for query in queries)
            return {query: throttled if query.metric is Metric.THROTTLED else Answer() for query in queries}

        def operations(self) -> Mapping[str, frozenset[str]]:
            raise AwsNotFound("not asked here", code="None")

    with World(steady()) as world:
        ports = replace(world.aws.region(), metrics=Scripted())
        observe(ports, ["steady"], {}, {}, glance(), no_keys)
    assert (Metric.THROTTLED_KEY_RANGE in asked) is asks
