"""A recorded day through the real daemon: HTTP, moto, plant, SQLite; only the clock is simulated.

The recording is of queries to a MongoDB cluster (microsoft/cloud-monitoring-dataset, MIT), rescaled to 500 units a
second; 4 May 2018 has short tall spikes up to 1,394. It stands beside the checkout and is never committed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from watcher.aws.client import StaticCredentials
from watcher.clock import SimulatedClock, instant
from watcher.config import Config
from watcher.core.model import TABLE_READ, TABLE_WRITE, Decision, Dimension, Kind
from watcher.core.reasons import Cause, IncidentState, Mode, Outcome
from watcher.daemon import Settings, Watcher
from watcher.replay.plant import DemandSource, IndexSpec, MinuteDemand, TableSpec
from watcher.replay.trace import read_trace
from watcher.sandbox.calls import Recorded
from watcher.sandbox.server import Sandbox

TRACE = Path(__file__).parents[3] / "shared" / "traces" / "ms_mongo_app4.csv"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not TRACE.exists(), reason="the recorded traffic (shared/traces) is not beside the checkout"),
]

START = instant("2018-05-04T00:00:00Z")
MINUTES = 1440
MEAN = 500.0
READS = 120.0  # units a second, steady
INDEX = Dimension("by-customer", Kind.WRITE)
BOUNDS = {"min": 20, "max": 1600}


def recorded_writes() -> DemandSource:
    """Writes as recorded, steady reads, half the writes reach the index."""
    writes = read_trace(TRACE).rescaled(MEAN).source(TABLE_WRITE)

    def demand(minute: int) -> MinuteDemand:
        return MinuteDemand(units={**writes(minute).units, TABLE_READ: READS * 60})

    return demand


def config_of(mode: Mode, sandbox: Sandbox, state: Path) -> Config:
    both = {"read": BOUNDS, "write": BOUNDS}
    return Config.model_validate(
        {
            "aws": {"regions": [sandbox.region], "endpoint_url": sandbox.endpoint_url},
            "tables": [{"match": "orders", "mode": mode.value, **both, "indexes": {"*": both}}],
            "alerts": [{"topic_arn": sandbox.topic_arn}],
            "state": {"path": str(state)},
        }
    )


@dataclass
class Day:
    """What a day left behind. throttled, demanded: units of the table's writes."""

    decisions: list[Decision]
    calls: list[Recorded]
    alerts: list[dict[str, str]]
    throttled: float
    demanded: float
    causes: set[Cause]
    capacities: list[int]


@contextmanager
def running(mode: Mode, folder: Path) -> Iterator[tuple[Sandbox, Watcher, SimulatedClock]]:
    clock = SimulatedClock(START)
    spec = TableSpec(
        "orders",
        read=200,
        write=260,  # the day begins at about 620/s: too little from its first minute
        indexes=(IndexSpec("by-customer", read=25, write=130, write_ratio=0.5),),
        demand=recorded_writes(),
    )
    with Sandbox(clock, stories=[spec]) as sandbox:
        watcher = Watcher(
            config_of(mode, sandbox, folder / "watcher.db"),
            Settings(clock, None, {}, StaticCredentials("test", "test")),
        )
        try:
            yield sandbox, watcher, clock
        finally:
            watcher.close()


def live_through(mode: Mode, folder: Path) -> Day:
    with running(mode, folder) as (sandbox, watcher, clock):
        clock.advance(12)  # as polls are aligned by default
        for _ in range(MINUTES):
            report = watcher.run_cycle()
            assert not report.region_errors
            assert report.acting
            clock.advance(60)
        sandbox.advance()
        # The hours before the day are the sandbox's history, when nobody watched.
        truth = [minute for start, minute in sandbox.plant.truth("orders", TABLE_WRITE).items() if start >= int(START)]
        return Day(
            decisions=list(watcher.store.history(limit=100_000)),
            calls=sandbox.ledger.of("UpdateTable"),
            alerts=[
                {name: str(value) for name, value in message.attributes.items()} for message in sandbox.notifications()
            ],
            throttled=sum(minute.throttled for minute in truth),
            demanded=sum(minute.demanded for minute in truth),
            causes={cause for minute in truth for cause in minute.causes},
            capacities=[units for _, units in sandbox.plant.steps("orders", TABLE_WRITE)],
        )


@pytest.fixture(scope="module")
def acted(tmp_path_factory: pytest.TempPathFactory) -> Day:
    return live_through(Mode.ACT, tmp_path_factory.mktemp("act"))


@pytest.fixture(scope="module")
def advised(tmp_path_factory: pytest.TempPathFactory) -> Day:
    return live_through(Mode.ADVISE, tmp_path_factory.mktemp("advise"))


def values_of(call: Recorded) -> dict[str, dict[str, int]]:
    """The throughput of one UpdateTable by index name, "" for the table."""
    values = {}
    if "ProvisionedThroughput" in call.arguments:
        values[""] = call.arguments["ProvisionedThroughput"]
    for update in call.arguments.get("GlobalSecondaryIndexUpdates", ()):
        values[update["Update"]["IndexName"]] = update["Update"]["ProvisionedThroughput"]
    return values


def day_of(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).date().isoformat()


def test_throttling_occurs_is_diagnosed_and_relieved(acted: Day, advised: Day) -> None:
    assert acted.throttled > 0, "a day without throttling would show nothing"
    opened = [alert for alert in acted.alerts if alert["state"] == IncidentState.OPEN]
    assert opened
    assert {alert["cause"] for alert in opened} <= {Cause.PROVISIONED, Cause.INDEX_BACK_PRESSURE}
    resolved = {alert["incident"] for alert in acted.alerts if alert["state"] == IncidentState.RESOLVED}
    still_open = {alert["incident"] for alert in opened} - resolved
    assert len(still_open) <= 1, "at most the day's last incident may still be open"
    # Left alone at its first capacity, the same day throttles a large part of its writes.
    assert acted.throttled < 0.05 * advised.throttled
    assert acted.throttled < 0.01 * acted.demanded


def test_every_change_is_accepted_and_within_bounds(acted: Day) -> None:
    assert len(acted.calls) >= 10
    assert [call for call in acted.calls if not call.is_accepted] == []
    for call in acted.calls:
        for units in values_of(call).values():
            assert all(BOUNDS["min"] <= value <= BOUNDS["max"] for value in units.values()), call


def test_decreases_keep_the_budget_and_never_ride_with_an_increase(acted: Day) -> None:
    now = {"": {"ReadCapacityUnits": 200, "WriteCapacityUnits": 260}}
    now["by-customer"] = {"ReadCapacityUnits": 25, "WriteCapacityUnits": 130}
    decreases: dict[tuple[str, str], list[float]] = {}
    for call in acted.calls:
        moves = [
            (name, value - now[name][kind]) for name, units in values_of(call).items() for kind, value in units.items()
        ]
        falling = {name for name, move in moves if move < 0}
        assert not (falling and any(move > 0 for _, move in moves)), call
        for name in falling:
            decreases.setdefault((name, day_of(call.time)), []).append(call.time)
        now.update(values_of(call))
    assert decreases, "a day without decreases would show nothing"
    for times in decreases.values():
        # Four at any time, then one an hour after the last.
        assert all(later - earlier >= 3600 for earlier, later in pairwise(times[3:]))


def test_every_decision_in_history_has_a_reason(acted: Day) -> None:
    assert len(acted.decisions) > len(acted.calls)
    assert all(decision.reason and decision.sentence for decision in acted.decisions)
    changes = [decision for decision in acted.decisions if decision.is_change]
    assert {decision.outcome for decision in changes} == {Outcome.APPLIED}
    assert {decision.time for decision in changes} == {call.time for call in acted.calls}, "a cycle's time stands still"


def test_advising_changes_nothing_and_still_says_what_it_would_do(advised: Day) -> None:
    assert advised.calls == []
    assert advised.capacities == [260]
    changes = [decision for decision in advised.decisions if decision.is_change]
    assert changes
    assert {decision.outcome for decision in changes} == {Outcome.ADVISED}
    assert any(alert["state"] == IncidentState.OPEN for alert in advised.alerts)
