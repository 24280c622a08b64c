"""Which tables a Region holds and what they look like: ListTables and DescribeTable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from watcher.aws.client import aws_call
from watcher.aws.permissions import DESCRIBE_TABLE, LIST_TABLES
from watcher.core.model import Billing, KeySchema, Kind, Status, TableDescription, TableKey, Throughput
from watcher.errors import AwsNotFound

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

DAY = 86_400

# The field names DynamoDB uses per kind, shared by everything that reads or writes them.
CAPACITY_UNITS: Mapping[Kind, str] = {Kind.READ: "ReadCapacityUnits", Kind.WRITE: "WriteCapacityUnits"}
REQUEST_UNITS: Mapping[Kind, str] = {Kind.READ: "MaxReadRequestUnits", Kind.WRITE: "MaxWriteRequestUnits"}

_STATUS = {"ACTIVE": Status.ACTIVE, "UPDATING": Status.UPDATING}


class DynamoTables:
    """The Tables port. ``now`` is the wall clock: it decides whether a decrease was today's."""

    def __init__(self, client: DynamoDBClient, now: Callable[[], float]) -> None:
        self._client = client
        self._now = now

    def names(self) -> list[str]:
        with aws_call(LIST_TABLES, f"region {self._client.meta.region_name}"):
            return [
                name for page in self._client.get_paginator("list_tables").paginate() for name in page["TableNames"]
            ]

    def describe(self, name: str) -> TableDescription:
        subject = f"table {name}"
        with aws_call(DESCRIBE_TABLE, subject):
            table = self._client.describe_table(TableName=name)["Table"]
            status = table["TableStatus"]
            if status not in {"CREATING", "DELETING"}:
                return description(table, self._now())
        cause = f"the table is {status.lower()}"
        raise AwsNotFound(cause, code=status, operation=DESCRIBE_TABLE.operation, subject=subject)


def description(table: Mapping[str, Any], now: float) -> TableDescription:
    """DescribeTable's ``Table``, as the core sees it.

    BillingModeSummary is absent on tables that were created provisioned (see AWS docs: BillingModeSummary).
    """
    key = table_key(table["TableArn"])
    billing = table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
    parts = {"": throughput(table, table["TableStatus"], now)}
    schemas = {"": key_schema(table)}
    for index in table.get("GlobalSecondaryIndexes", ()):
        if not index.get("Backfilling", False):
            parts[index["IndexName"]] = throughput(index, index["IndexStatus"], now)
            schemas[index["IndexName"]] = key_schema(index)
    replicas = (replica["RegionName"] for replica in table.get("Replicas", ()))
    return TableDescription(
        key=key,
        billing=Billing.PROVISIONED if billing == "PROVISIONED" else Billing.ON_DEMAND,
        throughputs=parts,
        replicas=tuple(sorted(region for region in replicas if region != key.region)),
        schemas={index: schema for index, schema in schemas.items() if schema is not None},
    )


def key_schema(part: Mapping[str, Any]) -> KeySchema | None:
    """The keys of a table or of an index, None where they are not told. An index may have several attributes for each
    (see AWS docs: KeySchemaElement)."""
    told = part.get("KeySchema", ())
    names = {kind: [it["AttributeName"] for it in told if it["KeyType"] == kind] for kind in ("HASH", "RANGE")}
    return KeySchema(" + ".join(names["HASH"]), " + ".join(names["RANGE"])) if names["HASH"] else None


def throughput(part: Mapping[str, Any], status: str, now: float) -> Throughput:
    """The capacity of a table or of an index; both carry the same fields.

    NumberOfDecreasesToday counts the UTC day of the last decrease and is not to be trusted after it: a last decrease
    before today's midnight means none today. Dates are absent until there was a change. A maximum of -1 means none.
    An index that backfills is left out by the caller: for minutes, even hours, it cannot be changed, while the
    table and its other indexes can (see AWS docs: Managing Global Secondary Indexes).
    """
    provisioned = part.get("ProvisionedThroughput", {})
    caps = part.get("OnDemandThroughput", {})
    last_decrease = _instant(provisioned.get("LastDecreaseDateTime"))
    stale_count = last_decrease is not None and last_decrease < now // DAY * DAY
    return Throughput(
        units={kind: int(provisioned.get(field, 0)) for kind, field in CAPACITY_UNITS.items()},
        status=_STATUS.get(status, Status.OTHER),
        decreases_today=0 if stale_count else int(provisioned.get("NumberOfDecreasesToday", 0)),
        last_increase=_instant(provisioned.get("LastIncreaseDateTime")),
        last_decrease=last_decrease,
        on_demand_max={kind: int(caps[field]) for kind, field in REQUEST_UNITS.items() if caps.get(field, -1) > 0},
    )


def table_key(arn: str) -> TableKey:
    """``arn:aws:dynamodb:us-east-1:123456789012:table/orders`` taken apart."""
    _arn, _partition, _service, region, account, resource = arn.split(":", 5)
    return TableKey(account, region, resource.removeprefix("table/"))


def _instant(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
