"""Application Auto Scaling: targets, their floor, target tracking on a table under load."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.conftest import OPENED, Clients, clients_of
from tests.sandbox.shapes import Wire
from watcher.clock import SimulatedClock
from watcher.core.model import TABLE_READ, TABLE_WRITE, Dimension, Kind
from watcher.replay.plant import IndexSpec, MinuteDemand, Plant, TableSpec
from watcher.sandbox import Sandbox, Story, Tracked

SERVICE = "application-autoscaling"
READS = "dynamodb:table:ReadCapacityUnits"
WRITES = "dynamodb:table:WriteCapacityUnits"


def target(table: str, dimension: str = WRITES, **more: object) -> dict[str, Any]:
    return {"ServiceNamespace": "dynamodb", "ResourceId": f"table/{table}", "ScalableDimension": dimension, **more}


def capacity(wire: Wire, table: str) -> tuple[int, int]:
    units = wire.call("dynamodb", "DescribeTable", TableName=table)["Table"]["ProvisionedThroughput"]
    return units["ReadCapacityUnits"], units["WriteCapacityUnits"]


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        pytest.param((11, 50), (10, 11), id="one unit below the minimum is raised to it"),
        pytest.param((10, 50), (10, 10), id="at the minimum nothing happens"),
        pytest.param((5, 10), (10, 10), id="at the maximum nothing happens"),
        pytest.param((5, 9), (10, 9), id="one unit above the maximum is lowered to it"),
    ],
)
def test_registering_enforces_the_bounds(
    wire: Wire, clock: SimulatedClock, bounds: tuple[int, int], expected: tuple[int, int]
) -> None:
    least, most = bounds
    answer = wire.call(SERVICE, "RegisterScalableTarget", **target("quiet", MinCapacity=least, MaxCapacity=most))
    assert answer["ScalableTargetARN"].startswith("arn:aws:application-autoscaling:us-east-1:123456789012:")
    clock.advance(30)
    assert capacity(wire, "quiet") == expected


def test_a_raised_floor_waits_for_a_busy_table(wire: Wire, aws: Clients, clock: SimulatedClock) -> None:
    wire.call(SERVICE, "RegisterScalableTarget", **target("quiet", MinCapacity=5, MaxCapacity=50))
    aws("dynamodb").update_table(
        TableName="quiet", ProvisionedThroughput={"ReadCapacityUnits": 20, "WriteCapacityUnits": 10}
    )
    wire.call(SERVICE, "RegisterScalableTarget", **target("quiet", MinCapacity=30))
    clock.advance(31)
    assert capacity(wire, "quiet") == (20, 10)
    clock.advance(30)
    assert capacity(wire, "quiet") == (20, 30)


def test_a_value_below_the_minimum_stays_until_the_next_registration(
    wire: Wire, aws: Clients, clock: SimulatedClock
) -> None:
    wire.call(SERVICE, "RegisterScalableTarget", **target("quiet", MinCapacity=10, MaxCapacity=50))
    aws("dynamodb").update_table(
        TableName="quiet", ProvisionedThroughput={"ReadCapacityUnits": 10, "WriteCapacityUnits": 6}
    )
    clock.advance(726)
    assert capacity(wire, "quiet") == (10, 6)
    suspended = {"DynamicScalingInSuspended": True}
    wire.call(SERVICE, "RegisterScalableTarget", **target("quiet", SuspendedState=suspended))
    clock.advance(30)
    assert capacity(wire, "quiet") == (10, 10)


def test_targets_are_described_by_resource_dimension_and_page(wire: Wire) -> None:
    for table, dimension in (("quiet", READS), ("quiet", WRITES), ("busy", WRITES)):
        wire.call(SERVICE, "RegisterScalableTarget", **target(table, dimension, MinCapacity=10, MaxCapacity=500))
    asked = {"ServiceNamespace": "dynamodb"}
    only = wire.call(SERVICE, "DescribeScalableTargets", **asked, ResourceIds=["table/quiet"])["ScalableTargets"]
    assert [one["ScalableDimension"] for one in only] == [READS, WRITES]
    assert only[0]["CreationTime"].timestamp() == OPENED
    assert only[0]["SuspendedState"]["DynamicScalingInSuspended"] is False
    writes = wire.call(SERVICE, "DescribeScalableTargets", **asked, ScalableDimension=WRITES)["ScalableTargets"]
    assert [one["ResourceId"] for one in writes] == ["table/busy", "table/quiet"]
    seen: list[tuple[str, str]] = []
    token: dict[str, str] = {}
    for _ in range(3):
        page = wire.call(SERVICE, "DescribeScalableTargets", **asked, MaxResults=1, **token)
        seen += [(one["ResourceId"], one["ScalableDimension"]) for one in page["ScalableTargets"]]
        token = {"NextToken": page["NextToken"]} if "NextToken" in page else {}
    assert seen == [("table/busy", WRITES), ("table/quiet", READS), ("table/quiet", WRITES)]
    assert token == {}


def test_an_index_has_targets_of_its_own(wire: Wire, clock: SimulatedClock) -> None:
    arguments = {
        "ServiceNamespace": "dynamodb",
        "ResourceId": "table/busy/index/by-day",
        "ScalableDimension": "dynamodb:index:ReadCapacityUnits",
    }
    wire.call(SERVICE, "RegisterScalableTarget", **arguments, MinCapacity=40, MaxCapacity=100)
    clock.advance(30)
    table = wire.call("dynamodb", "DescribeTable", TableName="busy")["Table"]
    assert table["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]["ReadCapacityUnits"] == 40


def test_a_deregistered_target_is_gone(wire: Wire, aws: Clients) -> None:
    wire.call(SERVICE, "RegisterScalableTarget", **target("quiet", MinCapacity=10, MaxCapacity=50))
    wire.call(SERVICE, "DeregisterScalableTarget", **target("quiet"))
    assert wire.call(SERVICE, "DescribeScalableTargets", ServiceNamespace="dynamodb")["ScalableTargets"] == []
    with pytest.raises(ClientError) as refused:
        aws(SERVICE).deregister_scalable_target(**target("quiet"))
    assert refused.value.response["Error"]["Code"] == "ObjectNotFoundException"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        pytest.param(target("absent", MinCapacity=1, MaxCapacity=2), "does not exist", id="an unknown table"),
        pytest.param(target("quiet", MinCapacity=1), "must have both", id="a new target without a maximum"),
        pytest.param(target("quiet", MinCapacity=3, MaxCapacity=2), "cannot be less than", id="bounds upside down"),
        pytest.param(
            target("quiet", "dynamodb:index:ReadCapacityUnits", MinCapacity=1, MaxCapacity=2),
            "Unsupported",
            id="an index's dimension on a table",
        ),
    ],
)
def test_registering_refuses(aws: Clients, arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ClientError, match=text) as refused:
        aws(SERVICE).register_scalable_target(**arguments)
    assert refused.value.response["Error"]["Code"] == "ValidationException"


# 84 reads and 20 writes a second for ten minutes, then a tenth of that.
LOADED_MINUTES = 10


def load(minute: int) -> MinuteDemand:
    factor = 1.0 if minute < OPENED + 60 * LOADED_MINUTES else 0.1
    return MinuteDemand({TABLE_READ: 84 * 60 * factor, TABLE_WRITE: 20 * 60 * factor})


TRACKED = Story(
    TableSpec("tracked", read=100, write=100, demand=load, indexes=(IndexSpec("flat", read=5, write=150),)),
    scaling={TABLE_READ: Tracked(30, 200, 70), TABLE_WRITE: Tracked(25, 200, 70)},
)


@pytest.fixture
def tracked(clock: SimulatedClock) -> Iterator[tuple[Sandbox, Wire]]:
    plant = Plant(int(OPENED) - 300, jitter=0.0, late_share=0.0)
    with Sandbox(clock, stories=(TRACKED,), plant=plant) as sandbox, clients_of(sandbox) as clients:
        yield sandbox, Wire(clients)


def test_target_tracking_scales_out_within_minutes_and_in_after_a_quarter_of_an_hour(
    tracked: tuple[Sandbox, Wire], clock: SimulatedClock
) -> None:
    sandbox, wire = tracked
    clock.advance(120)
    assert capacity(wire, "tracked")[0] == 120, "84 of 100 is above 70 %, 84 of 120 is not"
    clock.advance(60 * (LOADED_MINUTES + 30))
    # 8.4 reads a second would need 12 units and 2 writes 3: the bounds hold both up.
    assert capacity(wire, "tracked") == (30, 25)
    assert sandbox.ledger.entries == [], "the service acts by itself, not through anybody's call"
    activities = wire.call(SERVICE, "DescribeScalingActivities", ServiceNamespace="dynamodb")["ScalingActivities"]
    assert {activity["StatusCode"] for activity in activities} == {"Successful"}
    assert activities[-1]["Description"] == "Setting read capacity units to 120."


def test_its_decreases_come_out_of_the_tables_budget(tracked: tuple[Sandbox, Wire], clock: SimulatedClock) -> None:
    sandbox, wire = tracked
    clock.advance(3600)
    sandbox.advance()
    # Writes to 29 (20 at 70 %) and later to 25 (the minimum), reads to 30 (the minimum).
    assert sandbox.plant.describe("tracked").throughputs[""].decreases_today == 3
    assert sandbox.plant.describe("tracked").throughputs["flat"].decreases_today == 0
    assert capacity(wire, "tracked") == (30, 25)


def test_suspended_scaling_does_nothing(tracked: tuple[Sandbox, Wire], clock: SimulatedClock) -> None:
    _, wire = tracked
    wire.call(
        SERVICE,
        "RegisterScalableTarget",
        **target("tracked", READS, SuspendedState={"DynamicScalingOutSuspended": True}),
    )
    clock.advance(60 * 5)
    assert capacity(wire, "tracked")[0] == 100
    # Registering again keeps the policy.
    wire.call(
        SERVICE,
        "RegisterScalableTarget",
        **target("tracked", READS, SuspendedState={"DynamicScalingOutSuspended": False}),
    )
    clock.advance(120)
    assert capacity(wire, "tracked")[0] == 120


def test_a_policy_with_nothing_to_do_does_not_enforce_the_minimum(
    tracked: tuple[Sandbox, Wire], clock: SimulatedClock
) -> None:
    sandbox, wire = tracked
    wire.call(SERVICE, "RegisterScalableTarget", **target("tracked", MinCapacity=60))
    # 20 writes a second on 35 are 57 %: neither above 70 % nor below 50 %.
    sandbox.plant.update_throughput("tracked", {"": (120, 35)})
    clock.advance(60 * (LOADED_MINUTES - 1))
    assert capacity(wire, "tracked") == (120, 35)


def test_without_its_policy_a_target_does_nothing(tracked: tuple[Sandbox, Wire], clock: SimulatedClock) -> None:
    _, wire = tracked
    policies = wire.call(SERVICE, "DescribeScalingPolicies", ServiceNamespace="dynamodb")["ScalingPolicies"]
    assert len(policies) == 2
    for policy in policies:
        names = ("PolicyName", "ServiceNamespace", "ResourceId", "ScalableDimension")
        wire.call(SERVICE, "DeleteScalingPolicy", **{name: policy[name] for name in names})
    clock.advance(60 * LOADED_MINUTES)
    assert capacity(wire, "tracked") == (100, 100)


def test_refused_decreases_show_in_the_activities(tracked: tuple[Sandbox, Wire], clock: SimulatedClock) -> None:
    sandbox, wire = tracked
    for write in (99, 98, 97, 96):
        sandbox.plant.update_throughput("tracked", {"": (100, write)})
        clock.advance(31)
        sandbox.plant.advance(clock.now())
    wire.call(SERVICE, "RegisterScalableTarget", **target("tracked", MinCapacity=25, MaxCapacity=50))
    newest = wire.call(SERVICE, "DescribeScalingActivities", **target("tracked"))["ScalingActivities"][0]
    assert newest["StatusCode"] == "Failed"
    assert "decreases are limited" in newest["StatusMessage"]
    assert sandbox.plant.describe("tracked").provisioned(Dimension("", Kind.WRITE)) == 96
