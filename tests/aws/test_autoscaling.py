"""Scalable targets as another hand on the same capacity, and moving their floor."""

from __future__ import annotations

from typing import Any

import pytest

from tests.aws.conftest import REGION
from tests.aws.fake import FakeAws, fault
from watcher.aws.autoscaling import AutoScaling
from watcher.aws.client import AwsClients
from watcher.core.model import TABLE_READ, TABLE_WRITE, Change, Dimension, Kind, ScalableTarget
from watcher.core.reasons import Outcome
from watcher.errors import AwsDenied

INDEX_READ = Dimension("by-day", Kind.READ)


def adapter(clients: AwsClients) -> AutoScaling:
    return AutoScaling(clients.application_autoscaling(REGION), clients.application_autoscaling(REGION, mutating=True))


@pytest.fixture
def scaling(faked: AwsClients) -> AutoScaling:
    return adapter(faked)


def target(resource: str, dimension: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - raw fields
    plain = {
        "ServiceNamespace": "dynamodb",
        "ResourceId": resource,
        "ScalableDimension": f"dynamodb:{dimension}",
        "MinCapacity": 5,
        "MaxCapacity": 100,
        "RoleARN": "arn:aws:iam::123456789012:role/r",
        "CreationTime": 0,
    }
    return plain | fields


def test_one_sweep_over_all_pages_finds_tables_and_indexes(scaling: AutoScaling, fake: FakeAws) -> None:
    fake.script(
        "DescribeScalableTargets",
        {"ScalableTargets": [target("table/orders", "table:ReadCapacityUnits")], "NextToken": "t"},
        {
            "ScalableTargets": [
                target("table/orders", "table:WriteCapacityUnits", MinCapacity=7),
                target("table/orders/index/by-day", "index:ReadCapacityUnits", MaxCapacity=9),
                target("table/not-asked", "table:ReadCapacityUnits"),
            ]
        },
    )
    assert scaling.targets(["orders", "plain"]) == {
        "orders": {
            TABLE_READ: ScalableTarget(5, 100),
            TABLE_WRITE: ScalableTarget(7, 100),
            INDEX_READ: ScalableTarget(5, 9),
        }
    }
    assert fake.sent("DescribeScalableTargets")[0] == {"ServiceNamespace": "dynamodb"}


def test_no_tables_need_no_call(scaling: AutoScaling, fake: FakeAws) -> None:
    assert scaling.targets([]) == {}
    assert fake.calls == []


@pytest.mark.parametrize(
    ("inward", "outward", "suspended"),
    [
        pytest.param(False, False, False, id="scaling both ways"),
        pytest.param(True, False, False, id="only inward suspended: it still scales out"),
        pytest.param(False, True, False, id="only outward suspended: it still scales in"),
        pytest.param(True, True, True, id="both suspended: it holds nothing"),
    ],
)
def test_suspension(scaling: AutoScaling, fake: FakeAws, *, inward: bool, outward: bool, suspended: bool) -> None:
    state = {"DynamicScalingInSuspended": inward, "DynamicScalingOutSuspended": outward}
    targets = [target("table/orders", "table:ReadCapacityUnits", SuspendedState=state)]
    fake.script("DescribeScalableTargets", {"ScalableTargets": targets})
    assert scaling.targets(["orders"])["orders"][TABLE_READ].suspended is suspended


def test_targets_that_may_not_be_read_are_denied(scaling: AutoScaling, fake: FakeAws) -> None:
    fake.script("DescribeScalableTargets", fault("AccessDeniedException"))
    with pytest.raises(AwsDenied, match="allow application-autoscaling:DescribeScalableTargets"):
        scaling.targets(["orders"])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(Change(TABLE_READ, 5, 50), None, id="as decided: nothing against it"),
        pytest.param(Change(TABLE_READ, 5, 100), None, id="up to the target's own maximum"),
        pytest.param(Change(TABLE_READ, 5, 101), Outcome.INVALID, id="one above it"),
        pytest.param(Change(TABLE_READ, 6, 50), Outcome.CANCELLED, id="another hand moved the floor"),
        pytest.param(Change(TABLE_READ, 5, 5), Outcome.UNCHANGED, id="already there"),
    ],
)
def test_what_speaks_against_moving_a_floor(
    scaling: AutoScaling, fake: FakeAws, change: Change, expected: Outcome | None
) -> None:
    fake.script("DescribeScalableTargets", {"ScalableTargets": [target("table/orders", "table:ReadCapacityUnits")]})
    objection = scaling.floor_objection("orders", change)
    assert (objection[0] if objection else None) == expected
    assert fake.sent("DescribeScalableTargets") == [
        {
            "ServiceNamespace": "dynamodb",
            "ResourceIds": ["table/orders"],
            "ScalableDimension": "dynamodb:table:ReadCapacityUnits",
        }
    ]


def test_a_vanished_target_cancels(scaling: AutoScaling, fake: FakeAws) -> None:
    fake.script("DescribeScalableTargets", {"ScalableTargets": []})
    objection = scaling.floor_objection("orders", Change(TABLE_READ, 5, 50))
    assert objection == (Outcome.CANCELLED, "there is no scalable target on it any more")


def test_only_the_floor_is_sent(scaling: AutoScaling, fake: FakeAws) -> None:
    fake.script("RegisterScalableTarget", {})
    scaling.set_floor("orders", Change(INDEX_READ, 5, 50))
    assert fake.sent("RegisterScalableTarget") == [
        {
            "ServiceNamespace": "dynamodb",
            "ResourceId": "table/orders/index/by-day",
            "ScalableDimension": "dynamodb:index:ReadCapacityUnits",
            "MinCapacity": 50,
        }
    ]


def test_against_a_stand_in_server(moto: AwsClients) -> None:
    moto.dynamodb(REGION).create_table(
        TableName="orders",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        ProvisionedThroughput={"ReadCapacityUnits": 3, "WriteCapacityUnits": 4},
    )
    moto.application_autoscaling(REGION).register_scalable_target(
        ServiceNamespace="dynamodb",
        ResourceId="table/orders",
        ScalableDimension="dynamodb:table:ReadCapacityUnits",
        MinCapacity=5,
        MaxCapacity=100,
    )
    scaling = adapter(moto)
    change = Change(TABLE_READ, 5, 40)
    assert scaling.floor_objection("orders", change) is None
    scaling.set_floor("orders", change)
    assert scaling.targets(["orders"]) == {"orders": {TABLE_READ: ScalableTarget(40, 100)}}
