"""Small true-to-life values, each with a way to vary what a test is about."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

from watcher.core.insights import SamplerMode
from watcher.core.learned import Learned
from watcher.core.learning import learn
from watcher.core.model import (
    TABLE_READ,
    TABLE_WRITE,
    Action,
    Alert,
    Change,
    Decision,
    Dimension,
    Intent,
    Lever,
    Settlement,
    Switch,
    TableKey,
)
from watcher.core.pauses import Pause
from watcher.core.policy import Tuning
from watcher.core.reasons import Cause, IncidentState, Mode, Outcome, Reason, Severity
from watcher.core.region_state import Folded, RegionState, Storm
from watcher.core.series import Series
from watcher.core.state import Blocked, DimensionState, Incident, KeyMark, Normal, Refusal, SamplerState, TableState
from watcher.core.track import Track
from watcher.ports import Outgoing

ORDERS = TableKey("123456789012", "us-east-1", "orders")
ORDERS_EU = TableKey("123456789012", "eu-west-1", "orders")
USERS = TableKey("123456789012", "us-east-1", "users")
T = 1_790_000_000.0
TOPIC = "arn:aws:sns:us-east-1:123456789012:capacity"
OTHER_TOPIC = "arn:aws:sns:us-east-1:123456789012:database"


def state(expected: int = 100) -> TableState:
    """A table in the middle of an incident, as it is kept: without caches, everything else set."""
    return TableState(
        dimensions={
            TABLE_READ: DimensionState(expected=5),
            TABLE_WRITE: DimensionState(
                expected=expected,
                raised_at=T - 90.5,
                lowered_at=T - 9000.0,
                advised=250,
                floor_before=20,
                floor_set=60,
                offers=((T - 9000.0, 40), (T - 60.5, expected)),
            ),
        },
        latency={"GetItem": Normal(4.25, 900, int(T) - 60, 1, 4.5, 11.0, 9.5, 850, 2)},
        incident=incident(),
        changes=(T - 90.5,),
        foreign_at=T - 7000,
        pending="1790000000-1",
        marks={TABLE_WRITE: (Reason.RAISE_THROTTLED, expected)},
        refusal=Refusal(Outcome.BUDGET, T - 3000, "Subscriber limit exceeded"),
        point="careful",
        point_goal=1e-4,
        point_at=T - 50_000,
        dearer_since=T - 200_000,
        on_demand_since=T - 100_000,
        last_incident=incident("orders-0", closed_at=T - 1800),
        blocked={TABLE_READ: Blocked(Reason.HOLD_BUDGET, T - 5000, rising=False)},
        samplers={
            "": SamplerState(SamplerMode.OFF, SamplerMode.FULL, T - 60.5, T + 840, T - 60.5, 0.25, T - T % 86_400),
            "by-day": SamplerState(
                refused_at=T - 30,
                refusal="denied",
                advised=SamplerMode.THROTTLED,
                noted="quota",
                told={"quota": T - 90},
            ),
        },
        hot_keys={"": KeyMark("one-key", "key:0123456789ab", T - 300.5, {"one-key": ("key:0123456789ab", "key:b")})},
    )


def incident(name: str = "orders-1", closed_at: float | None = None) -> Incident:
    return Incident(
        id=name,
        opened_at=T - 600,
        cause=Cause.PROVISIONED,
        index="",
        severity=Severity.WARNING,
        sequence=2,
        peak=0.21,
        last_bad=T - 60,
        events=1234.0,
        named=("one-key",),
        flaps=1,
        closed_at=closed_at,
        followed_at=T - 5,
        retell=True,
        bad_since=T - 240,
    )


def region_state(told: int = 12) -> RegionState:
    """A Region in a storm, of which nothing could be read for a while."""
    return RegionState(
        account="123456789012",
        incidents={Cause.BLIND: incident("us-east-1.blind"), Cause.PERMISSION: incident("us-east-1.denied", T - 60)},
        troubled_since={Cause.BLIND: T - 300.5},
        opened=((T - 120, "orders"), (T - 60.5, "users")),
        storm=Storm(
            incident("us-east-1.storm"),
            {
                "orders": Folded("orders-1", Cause.PROVISIONED, is_critical=True),
                "users": Folded("users-9", Cause.SLOW, is_open=False),
            },
            told,
            began=T - 30.5,
        ),
        finished_at=T - 1.5,
        last_storm=incident("us-east-1.storm before", T - 900),
    )


def pause(match: str = "orders*", since: float = T, until: float = T + 3600, region: str = "") -> Pause:
    return Pause(match, since, until, "load test", region, "ops@example.com", advise_only=True)


@lru_cache
def learned(newest: int = int(T), seed: int = 1) -> Learned:
    """Ten days of a table with a day and an hour in it."""
    rates = [
        300.0 + 200.0 * math.sin(minute / 1440 * math.tau) + 400.0 * (minute % 60 == seed) + minute * 7919 % 41
        for minute in range(10 * 1440)
    ]
    return learn(Tuning(), Learned(), newest - 60 * (len(rates) - 1), rates)


def state_with_caches() -> TableState:
    series = Series({int(T): 600.0})
    caches = DimensionState(
        consumed=series,
        requests=series,
        throttled=series,
        causes={Cause.PROVISIONED: series},
        track=Track(int(T), (10.0,), (300.0,)),
        learned=learned(),
    )
    return TableState(dimensions={TABLE_READ: caches})


def decision(
    time: float = T,
    table: TableKey = ORDERS,
    dimension: Dimension = TABLE_WRITE,
    sentence: str = "writes need 400 units",
    outcome: Outcome = Outcome.NONE,
) -> Decision:
    return Decision(
        time=time,
        table=table,
        dimension=dimension,
        before=100,
        after=400,
        reason=Reason.RAISE_THROTTLED,
        sentence=sentence,
        mode=Mode.ACT,
        outcome=outcome,
        evidence={"demand": 350.5, "throttled": 20.0},
    )


def intent(
    number: int = 1, time: float = T, table: TableKey = ORDERS, dimensions: tuple[Dimension, ...] = (TABLE_WRITE,)
) -> Intent:
    changes = tuple(Change(dimension, 100, 400) for dimension in dimensions)
    return Intent(f"{int(time)}-{number}", time, Action(table, Lever.CAPACITY, changes, Mode.ACT))


def switch_intent(number: int = 1, index: str = "by-day") -> Intent:
    """All keys of an index are to be sampled."""
    switch = Switch(index, SamplerMode.OFF, SamplerMode.FULL)
    return Intent(f"{int(T)}-{number}", T, Action(ORDERS, Lever.SAMPLING, (), Mode.ACT, switch))


def settlement(of: Intent, outcome: Outcome = Outcome.APPLIED, time: float = T + 2) -> Settlement:
    return Settlement(of, outcome, time, "AWS accepted it")


def alert(sequence: int = 1, incident: str = "orders-1", time: float = T, table: TableKey = ORDERS) -> Alert:
    return Alert(
        incident=incident,
        sequence=sequence,
        state=IncidentState.OPEN,
        severity=Severity.WARNING,
        cause=Cause.PROVISIONED,
        table=table,
        index="",
        time=time,
        opened_at=T,
        subject="orders: writes throttled",
        sentence="Writes of orders are throttled: demand 350, capacity 100.",
        facts=(("demand", "350"), ("capacity", "100")),
        done="raised writes from 100 to 400",
        todo="nothing",
    )


def outgoing(of: Alert | None = None, topic: str = TOPIC, next_attempt: float = T) -> Outgoing:
    told = of or alert()
    return Outgoing(id=told.id, topic_arn=topic, alert=told, next_attempt=next_attempt)


def storm_alert() -> Alert:
    """A message with everything that a message may have."""
    return replace(
        alert(),
        links=(("runbook", "https://example.com/runbook"),),
        tables=("orders", "users"),
        repeats=(900.0,),
        storm="us-east-1.storm",
    )
