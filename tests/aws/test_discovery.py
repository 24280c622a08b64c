"""DescribeTable and ListTables, as the core is to see them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.aws.conftest import ACCOUNT, NOON, REGION, Calls
from tests.aws.fake import FakeAws, Reply, fault
from watcher.aws.client import AwsClients
from watcher.aws.discovery import DAY, DynamoTables
from watcher.clock import SimulatedClock
from watcher.core.model import Billing, KeySchema, Kind, Status, TableKey, Throughput
from watcher.errors import AwsDenied, AwsNotFound, AwsUnavailable

MIDNIGHT = NOON // DAY * DAY


def table(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - raw DescribeTable fields
    """A DescribeTable answer of a plain provisioned table."""
    plain = {
        "TableName": "orders",
        "TableArn": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/orders",
        "TableStatus": "ACTIVE",
        "ProvisionedThroughput": {"NumberOfDecreasesToday": 0, "ReadCapacityUnits": 10, "WriteCapacityUnits": 20},
    }
    return {"Table": plain | changes}


def throughput(**fields: float) -> dict[str, float]:
    return {"ReadCapacityUnits": 10, "WriteCapacityUnits": 20} | fields


@pytest.fixture
def tables(faked: AwsClients, clock: SimulatedClock) -> DynamoTables:
    return DynamoTables(faked.dynamodb(REGION), clock.now)


def test_all_pages_of_names_are_read(tables: DynamoTables, fake: FakeAws) -> None:
    fake.script("ListTables", {"TableNames": ["carts"], "LastEvaluatedTableName": "carts"}, {"TableNames": ["orders"]})
    assert tables.names() == ["carts", "orders"]
    assert fake.sent("ListTables")[1]["ExclusiveStartTableName"] == "carts"


def test_a_plain_table(tables: DynamoTables, fake: FakeAws) -> None:
    fake.script("DescribeTable", table())
    seen = tables.describe("orders")
    assert seen.key == TableKey(ACCOUNT, REGION, "orders")
    assert seen.billing is Billing.PROVISIONED  # an absent BillingModeSummary
    assert seen.throughputs == {"": Throughput({Kind.READ: 10, Kind.WRITE: 20})}
    assert seen.replicas == ()


@pytest.mark.parametrize(
    ("fields", "decreases", "last"),
    [
        pytest.param({}, 0, None, id="never decreased: both fields absent"),
        pytest.param({"NumberOfDecreasesToday": 3}, 3, None, id="a count without a date is taken as it is"),
        pytest.param(
            {"NumberOfDecreasesToday": 3, "LastDecreaseDateTime": MIDNIGHT}, 3, MIDNIGHT, id="midnight itself is today"
        ),
        pytest.param(
            {"NumberOfDecreasesToday": 3, "LastDecreaseDateTime": MIDNIGHT - 1},
            0,
            MIDNIGHT - 1,
            id="a second before midnight is yesterday's count",
        ),
    ],
)
def test_decreases_belong_to_the_utc_day(
    tables: DynamoTables, fake: FakeAws, fields: dict[str, float], decreases: int, last: float | None
) -> None:
    fake.script("DescribeTable", table(ProvisionedThroughput=throughput(**fields)))
    part = tables.describe("orders").throughputs[""]
    assert (part.decreases_today, part.last_decrease) == (decreases, last)


def test_the_day_is_judged_by_the_given_clock(tables: DynamoTables, fake: FakeAws, clock: SimulatedClock) -> None:
    fields = throughput(NumberOfDecreasesToday=4, LastDecreaseDateTime=NOON, LastIncreaseDateTime=NOON - 60)
    fake.script("DescribeTable", table(ProvisionedThroughput=fields))
    assert tables.describe("orders").throughputs[""].decreases_today == 4
    clock.advance(12 * 3600)
    tomorrow = tables.describe("orders").throughputs[""]
    assert (tomorrow.decreases_today, tomorrow.last_increase) == (0, NOON - 60)


def keys(*attributes: str) -> list[dict[str, str]]:
    """KeySchema of ``HASH:name`` and ``RANGE:name``."""
    return [dict(zip(("KeyType", "AttributeName"), it.split(":"), strict=True)) for it in attributes]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        pytest.param({"KeySchema": keys("HASH:pk")}, {"": KeySchema("pk")}, id="a partition key alone"),
        pytest.param({"KeySchema": keys("RANGE:sk", "HASH:pk")}, {"": KeySchema("pk", "sk")}, id="with a sort key"),
        pytest.param(
            {"KeySchema": keys("HASH:a", "HASH:b", "RANGE:c", "RANGE:d")},
            {"": KeySchema("a + b", "c + d")},
            id="of several attributes",
        ),
        pytest.param({}, {}, id="not told"),
    ],
)
def test_key_schemas(
    tables: DynamoTables, fake: FakeAws, schema: dict[str, Any], expected: dict[str, KeySchema]
) -> None:
    index = {"IndexName": "by-day", "IndexStatus": "ACTIVE", "ProvisionedThroughput": throughput()}
    fake.script("DescribeTable", table(**schema, GlobalSecondaryIndexes=[index | {"KeySchema": keys("HASH:day")}]))
    assert tables.describe("orders").schemas == expected | {"by-day": KeySchema("day")}


def test_an_on_demand_table_with_and_without_caps(tables: DynamoTables, fake: FakeAws) -> None:
    index = {
        "IndexName": "by-day",
        "IndexStatus": "ACTIVE",
        "ProvisionedThroughput": throughput(ReadCapacityUnits=0, WriteCapacityUnits=0),
        "OnDemandThroughput": {"MaxReadRequestUnits": 1, "MaxWriteRequestUnits": -1},
    }
    fake.script(
        "DescribeTable",
        table(
            BillingModeSummary={"BillingMode": "PAY_PER_REQUEST"},
            OnDemandThroughput={"MaxReadRequestUnits": -1, "MaxWriteRequestUnits": 500},
            GlobalSecondaryIndexes=[index],
        ),
    )
    seen = tables.describe("orders")
    assert seen.billing is Billing.ON_DEMAND
    assert seen.throughputs[""].on_demand_max == {Kind.WRITE: 500}
    assert seen.throughputs["by-day"].on_demand_max == {Kind.READ: 1}
    assert seen.throughputs["by-day"].units == {Kind.READ: 0, Kind.WRITE: 0}


@pytest.mark.parametrize(
    ("status", "backfilling", "expected"),
    [
        pytest.param("ACTIVE", False, Status.ACTIVE, id="active"),
        pytest.param("UPDATING", False, Status.UPDATING, id="updating"),
        pytest.param("CREATING", False, Status.OTHER, id="being allocated: blocks changes of the table"),
        pytest.param("DELETING", False, Status.OTHER, id="being deleted: blocks changes of the table"),
        pytest.param("CREATING", True, None, id="backfilling: left out, and the table stays changeable"),
    ],
)
def test_the_status_of_an_index(
    tables: DynamoTables, fake: FakeAws, status: str, *, backfilling: bool, expected: Status | None
) -> None:
    index = {"IndexName": "by-day", "IndexStatus": status, "ProvisionedThroughput": throughput()}
    fake.script("DescribeTable", table(GlobalSecondaryIndexes=[index | {"Backfilling": backfilling}]))
    seen = tables.describe("orders")
    part = seen.throughputs.get("by-day")
    assert (part.status if part else None) == expected
    assert seen.is_settled == (expected in {Status.ACTIVE, None})


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param("UPDATING", Status.UPDATING, id="updating"),
        pytest.param("INACCESSIBLE_ENCRYPTION_CREDENTIALS", Status.OTHER, id="unusable"),
    ],
)
def test_the_status_of_a_table(tables: DynamoTables, fake: FakeAws, status: str, expected: Status) -> None:
    fake.script("DescribeTable", table(TableStatus=status))
    assert tables.describe("orders").throughputs[""].status is expected


@pytest.mark.parametrize("status", ["CREATING", "DELETING"])
def test_a_table_coming_or_going_is_not_there(tables: DynamoTables, fake: FakeAws, status: str) -> None:
    fake.script("DescribeTable", table(TableStatus=status))
    with pytest.raises(AwsNotFound, match=f"table orders: the table is {status.lower()}"):
        tables.describe("orders")


def test_replicas_are_the_other_regions(tables: DynamoTables, fake: FakeAws) -> None:
    regions = [{"RegionName": name} for name in ("us-west-2", REGION, "eu-west-1")]
    fake.script("DescribeTable", table(Replicas=regions))
    assert tables.describe("orders").replicas == ("eu-west-1", "us-west-2")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param(fault("ResourceNotFoundException"), AwsNotFound, id="unknown table"),
        pytest.param(fault("AccessDeniedException"), AwsDenied, id="not allowed"),
        pytest.param(Reply(200, "{}"), AwsUnavailable, id="an answer that says nothing"),
        pytest.param(Reply(200, '{"Table": {}}'), AwsUnavailable, id="a table without a status"),
    ],
)
def test_failures_are_of_the_aws_family(tables: DynamoTables, fake: FakeAws, answer: Reply, kind: type) -> None:
    fake.script("DescribeTable", answer)
    with pytest.raises(kind):
        tables.describe("orders")


def test_against_a_stand_in_server(moto: AwsClients, clock: SimulatedClock, calls: Calls) -> None:
    client = moto.dynamodb(REGION)
    for position in range(101):  # one more than a page holds
        client.create_table(
            TableName=f"t{position:03}",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            ProvisionedThroughput={"ReadCapacityUnits": 3, "WriteCapacityUnits": 4},
        )
    tables = DynamoTables(client, clock.now)
    assert tables.names() == [f"t{position:03}" for position in range(101)]
    seen = tables.describe("t100")
    assert seen.key == TableKey(ACCOUNT, REGION, "t100")
    assert seen.throughputs[""].units == {Kind.READ: 3, Kind.WRITE: 4}
    assert calls.made.count(("ListTables", "ok")) == 2
