"""UpdateTable and DescribeTable with the plant behind them; creating, listing, deleting; limits."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.conftest import OPENED, Clients, clients_of
from tests.sandbox.shapes import Wire
from watcher.clock import SimulatedClock
from watcher.core.model import TABLE_WRITE, Billing, Kind
from watcher.replay.plant import IndexSpec, TableSpec
from watcher.sandbox import Sandbox

ACTUATION = 30


def units(read: int, write: int) -> dict[str, int]:
    return {"ReadCapacityUnits": read, "WriteCapacityUnits": write}


def index_update(name: str, read: int, write: int) -> dict[str, Any]:
    return {"Update": {"IndexName": name, "ProvisionedThroughput": units(read, write)}}


def provisioned(description: dict[str, Any]) -> dict[str, int]:
    return {name: description["ProvisionedThroughput"][name] for name in ("ReadCapacityUnits", "WriteCapacityUnits")}


def test_describe_table_has_structure_and_throughput(wire: Wire) -> None:
    table = wire.call("dynamodb", "DescribeTable", TableName="busy")["Table"]
    index = table["GlobalSecondaryIndexes"][0]
    assert provisioned(table) == units(100, 20)
    assert provisioned(index) == units(5, 200)
    assert (table["TableStatus"], index["IndexStatus"]) == ("ACTIVE", "ACTIVE")
    assert table["TableArn"] == "arn:aws:dynamodb:us-east-1:123456789012:table/busy"
    assert index["IndexArn"] == table["TableArn"] + "/index/by-day"
    assert "BillingModeSummary" not in table, "AWS leaves it out on tables created provisioned"
    assert "LocalSecondaryIndexes" not in table


def test_a_change_takes_its_time_and_echoes_the_old_values(wire: Wire, clock: SimulatedClock) -> None:
    echoed = wire.call("dynamodb", "UpdateTable", TableName="busy", ProvisionedThroughput=units(100, 80))
    assert provisioned(echoed["TableDescription"]) == units(100, 20)
    assert echoed["TableDescription"]["TableStatus"] == "UPDATING"
    clock.advance(ACTUATION - 1)
    during = wire.call("dynamodb", "DescribeTable", TableName="busy")["Table"]
    assert (during["TableStatus"], provisioned(during)) == ("UPDATING", units(100, 20))
    assert "LastIncreaseDateTime" not in during["ProvisionedThroughput"]
    clock.advance(1)
    after = wire.call("dynamodb", "DescribeTable", TableName="busy")["Table"]
    assert (after["TableStatus"], provisioned(after)) == ("ACTIVE", units(100, 80))
    assert after["ProvisionedThroughput"]["LastIncreaseDateTime"].timestamp() == OPENED
    assert "LastDecreaseDateTime" not in after["ProvisionedThroughput"]


def test_an_index_changes_while_its_table_stays_active(wire: Wire, clock: SimulatedClock) -> None:
    echoed = wire.call(
        "dynamodb", "UpdateTable", TableName="busy", GlobalSecondaryIndexUpdates=[index_update("by-day", 5, 300)]
    )["TableDescription"]
    index = echoed["GlobalSecondaryIndexes"][0]
    assert (echoed["TableStatus"], index["IndexStatus"], provisioned(index)) == ("ACTIVE", "UPDATING", units(5, 200))
    clock.advance(ACTUATION)
    described = wire.call("dynamodb", "DescribeTable", TableName="busy")["Table"]["GlobalSecondaryIndexes"][0]
    assert (described["IndexStatus"], provisioned(described)) == ("ACTIVE", units(5, 300))


def test_an_arn_names_a_table_as_well(wire: Wire) -> None:
    arn = "arn:aws:dynamodb:us-east-1:123456789012:table/quiet"
    wire.call("dynamodb", "UpdateTable", TableName=arn, ProvisionedThroughput=units(11, 10))
    assert wire.call("dynamodb", "DescribeTable", TableName=arn)["Table"]["TableStatus"] == "UPDATING"


def test_decreases_run_out_after_four_and_come_back_after_an_hour(
    wire: Wire, aws: Clients, clock: SimulatedClock
) -> None:
    for write in (9, 8, 7, 6):
        wire.call("dynamodb", "UpdateTable", TableName="quiet", ProvisionedThroughput=units(10, write))
        clock.advance(ACTUATION)
    with pytest.raises(ClientError, match="decreases are limited within a given UTC day") as refused:
        aws("dynamodb").update_table(TableName="quiet", ProvisionedThroughput=units(10, 5))
    assert refused.value.response["Error"]["Code"] == "LimitExceededException"
    spent = wire.call("dynamodb", "DescribeTable", TableName="quiet")["Table"]["ProvisionedThroughput"]
    assert spent["NumberOfDecreasesToday"] == 4
    assert spent["LastDecreaseDateTime"].timestamp() == OPENED + 3 * ACTUATION
    clock.advance(3600 - ACTUATION - 1)
    with pytest.raises(ClientError, match="decreases are limited"):
        aws("dynamodb").update_table(TableName="quiet", ProvisionedThroughput=units(10, 5))
    clock.advance(1)
    wire.call("dynamodb", "UpdateTable", TableName="quiet", ProvisionedThroughput=units(10, 5))


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        pytest.param(
            {"ProvisionedThroughput": units(10, 10)},
            "ValidationException",
            "will not change. The requested value equals the current value",
            id="values that are already there are refused",
        ),
        pytest.param(
            {"ProvisionedThroughput": units(10, 40_001)},
            "LimitExceededException",
            "above the per table maximum",
            id="one unit above the table's quota is refused",
        ),
        pytest.param(
            {"TableName": "absent", "ProvisionedThroughput": units(1, 1)},
            "ResourceNotFoundException",
            "Table: absent not found",
            id="an unknown table is not found",
        ),
        pytest.param(
            {"GlobalSecondaryIndexUpdates": [index_update("absent", 1, 1)]},
            "ResourceNotFoundException",
            "Index: absent not found",
            id="an unknown index is not found",
        ),
        pytest.param(
            {"BillingMode": "PAY_PER_REQUEST"},
            "ValidationException",
            "changes throughput only, not BillingMode",
            id="a change that the plant cannot follow is refused and not ignored",
        ),
        pytest.param(
            {"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "by-day"}}]},
            "ValidationException",
            "changes throughput only, not Delete",
            id="so is a change to the set of indexes",
        ),
        pytest.param({}, "ValidationException", "At least one of", id="a change of nothing is refused"),
    ],
)
def test_update_table_refuses_in_awss_words(aws: Clients, arguments: dict[str, Any], code: str, text: str) -> None:
    with pytest.raises(ClientError) as refused:
        aws("dynamodb").update_table(**{"TableName": "quiet", **arguments})
    assert refused.value.response["Error"]["Code"] == code
    assert text in refused.value.response["Error"]["Message"]


def test_a_second_change_while_the_first_is_under_way_is_refused(
    wire: Wire, aws: Clients, clock: SimulatedClock
) -> None:
    wire.call("dynamodb", "UpdateTable", TableName="quiet", ProvisionedThroughput=units(20, 20))
    clock.advance(ACTUATION - 1)
    with pytest.raises(ClientError, match="Table IOPS are currently being updated") as refused:
        aws("dynamodb").update_table(TableName="quiet", ProvisionedThroughput=units(30, 30))
    assert refused.value.response["Error"]["Code"] == "ResourceInUseException"
    clock.advance(1)
    wire.call("dynamodb", "UpdateTable", TableName="quiet", ProvisionedThroughput=units(30, 30))


def test_more_capacity_ends_the_throttling(wire: Wire, sandbox: Sandbox, clock: SimulatedClock) -> None:
    wire.call("dynamodb", "UpdateTable", TableName="busy", ProvisionedThroughput=units(100, 80))
    clock.advance(180)
    sandbox.advance()
    truth = sandbox.plant.truth("busy", TABLE_WRITE)
    assert truth[int(OPENED) - 60].throttled > 0
    assert truth[int(OPENED) + 120].throttled == 0


def test_an_on_demand_table_shows_its_cap_and_takes_no_throughput(clock: SimulatedClock) -> None:
    spec = TableSpec(
        "capped",
        billing=Billing.ON_DEMAND,
        on_demand_max={Kind.WRITE: 800},
        indexes=(IndexSpec("by-day", on_demand_max={Kind.READ: 7}),),
    )
    with Sandbox(clock, stories=(spec,)) as sandbox, clients_of(sandbox) as clients:
        table = Wire(clients).call("dynamodb", "DescribeTable", TableName="capped")["Table"]
        assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
        assert provisioned(table) == units(0, 0)
        assert table["OnDemandThroughput"] == {"MaxReadRequestUnits": -1, "MaxWriteRequestUnits": 800}
        assert table["GlobalSecondaryIndexes"][0]["OnDemandThroughput"]["MaxReadRequestUnits"] == 7
        with pytest.raises(ClientError, match="when BillingMode is PAY_PER_REQUEST"):
            clients("dynamodb").update_table(TableName="capped", ProvisionedThroughput=units(1, 1))


def test_tables_are_listed_in_alphabetical_order_page_by_page(wire: Wire) -> None:
    first = wire.call("dynamodb", "ListTables", Limit=2)
    assert (first["TableNames"], first["LastEvaluatedTableName"]) == (["busy", "quiet"], "quiet")
    rest = wire.call("dynamodb", "ListTables", Limit=2, ExclusiveStartTableName="quiet")
    assert (rest["TableNames"], "LastEvaluatedTableName" in rest) == (["sorted"], False)


def test_a_table_can_be_created_used_and_deleted(wire: Wire, aws: Clients) -> None:
    created = wire.call(
        "dynamodb",
        "CreateTable",
        TableName="state",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("PK", "SK")],
        KeySchema=[{"AttributeName": "PK", "KeyType": "HASH"}, {"AttributeName": "SK", "KeyType": "RANGE"}],
        BillingMode="PAY_PER_REQUEST",
    )["TableDescription"]
    assert created["TableStatus"] == "ACTIVE"
    items = aws("dynamodb")
    key = {"PK": {"S": "a"}, "SK": {"S": "b"}}
    items.put_item(TableName="state", Item=key)
    assert items.get_item(TableName="state", Key=key)["Item"] == key
    with pytest.raises(ClientError, match="Table already exists"):
        items.create_table(
            TableName="busy",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
    deleted = wire.call("dynamodb", "DeleteTable", TableName="state")["TableDescription"]
    assert deleted["TableStatus"] == "DELETING"
    with pytest.raises(ClientError) as gone:
        items.describe_table(TableName="state")
    assert gone.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_a_table_that_no_account_can_have_is_created_nowhere(aws: Clients, sandbox: Sandbox) -> None:
    with pytest.raises(ClientError, match="above the per table maximum"):
        aws("dynamodb").create_table(
            TableName="huge",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            ProvisionedThroughput=units(40_001, 1),
        )
    assert aws("dynamodb").list_tables()["TableNames"] == ["busy", "quiet", "sorted"]
    assert sandbox.plant.names() == ["busy", "quiet", "sorted"]


def test_a_table_that_moto_refuses_is_created_nowhere_either(aws: Clients, sandbox: Sandbox) -> None:
    with pytest.raises(ClientError, match="ValidationException"):
        aws("dynamodb").create_table(
            TableName="odd",
            AttributeDefinitions=[{"AttributeName": "another", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            ProvisionedThroughput=units(1, 1),
        )
    assert "odd" not in sandbox.plant.names()


def test_the_limits_are_those_of_a_new_account(wire: Wire) -> None:
    limits = wire.call("dynamodb", "DescribeLimits")
    assert (limits["AccountMaxReadCapacityUnits"], limits["TableMaxWriteCapacityUnits"]) == (80_000, 40_000)
