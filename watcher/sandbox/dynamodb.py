"""DynamoDB's control plane with the plant behind it; items, tags and the rest stay moto's.

Sources: API reference UpdateTable, DescribeTable, DescribeLimits, UpdateContributorInsights,
ListContributorInsights; measurements of the live API where those are silent.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from watcher.core.insights import Place, Sampler, SamplerMode, SamplerStatus
from watcher.core.model import Billing, Kind, Status, TableDescription, Throughput
from watcher.replay.insights import FAILURE, Samplers
from watcher.replay.plant import IndexSpec, PlantRefusal, TableSpec
from watcher.sandbox.wire import ApiError, Call, Handler, JsonObject, Service
from watcher.sandbox.world import World

LIMITS: Final = {
    "AccountMaxReadCapacityUnits": 80_000,
    "AccountMaxWriteCapacityUnits": 80_000,
    "TableMaxReadCapacityUnits": 40_000,
    "TableMaxWriteCapacityUnits": 40_000,
}
UNIT_FIELDS: Final = {Kind.READ: "ReadCapacityUnits", Kind.WRITE: "WriteCapacityUnits"}
CAP_FIELDS: Final = {Kind.READ: "MaxReadRequestUnits", Kind.WRITE: "MaxWriteRequestUnits"}
MODES: Final = {SamplerMode.FULL: "ACCESSED_AND_THROTTLED_KEYS", SamplerMode.THROTTLED: "THROTTLED_KEYS"}
STATUS: Final = {Status.ACTIVE: "ACTIVE", Status.UPDATING: "UPDATING", Status.OTHER: "CREATING"}
# What UpdateTable may carry here. The rest of it changes what the plant cannot follow.
THROUGHPUT_FIELDS: Final = frozenset({"TableName", "ProvisionedThroughput", "GlobalSecondaryIndexUpdates"})
SUMMARIES_PER_PAGE: Final = 100
TABLES_PER_PAGE: Final = 100


class DynamoDb:
    """describe: a table's structure (schema, ARN ...) as moto has it, or None."""

    def __init__(self, world: World, samplers: Samplers, describe: Callable[[str], JsonObject | None]) -> None:
        self._world = world
        self._samplers = samplers
        self._structure = describe
        self._born: dict[str, float] = {}

    def service(self) -> Service:
        operations: dict[str, Handler] = {
            "CreateTable": self._create,
            "DeleteTable": self._delete,
            "ListTables": self._list,
            "DescribeTable": lambda call: {"Table": self._described(table_name(call.body["TableName"]))},
            "UpdateTable": self._update,
            "DescribeLimits": lambda _: dict(LIMITS),
            "UpdateContributorInsights": self._update_insights,
            "DescribeContributorInsights": self._describe_insights,
            "ListContributorInsights": self._list_insights,
        }
        return Service("com.amazonaws.dynamodb.v20120810", "1.0", operations)

    def _create(self, call: Call) -> JsonObject:
        """The plant judges the throughput, unless a story put the table there already; moto the rest."""
        name = call.body["TableName"]
        is_new = name not in self._world.plant.names()
        if is_new:
            self._create_in_plant(call.body)
        try:
            call.forward(call.body)
        except ApiError:
            if is_new:
                self._world.plant.delete(name)
            raise
        self._born[name] = self._world.now
        return {"TableDescription": self._described(name)}

    def _create_in_plant(self, body: JsonObject) -> None:
        try:
            self._world.plant.create(_spec(body))
        except PlantRefusal as refusal:
            raise ApiError(refusal.code, refusal.message) from refusal

    def _list(self, call: Call) -> JsonObject:
        """In alphabetical order, which moto does not keep."""
        after = call.body.get("ExclusiveStartTableName", "")
        size = call.body.get("Limit", TABLES_PER_PAGE)
        names = [name for name in self._world.plant.names() if name > after]
        listed: JsonObject = {"TableNames": names[:size]}
        if len(names) > size:
            listed["LastEvaluatedTableName"] = names[size - 1]
        return listed

    def _delete(self, call: Call) -> JsonObject:
        name = table_name(call.body["TableName"])
        described = self._described(name)
        call.forward({**call.body, "TableName": name})
        self._world.plant.delete(name)
        return {"TableDescription": {**described, "TableStatus": "DELETING"}}

    def _update(self, call: Call) -> JsonObject:
        name = table_name(call.body["TableName"])
        if self._structure(name) is None:
            raise _no_table(name)
        try:
            self._world.plant.update_throughput(name, _wanted(call.body))
        except PlantRefusal as refusal:
            raise ApiError(refusal.code, refusal.message) from refusal
        # The new status with the old units: the plant describes the new ones once they are effective.
        return {"TableDescription": self._described(name)}

    def _described(self, name: str) -> JsonObject:
        """DescribeTable: structure from moto, everything that lives from the plant. Raises ApiError."""
        structure = self._structure(name)
        if structure is None:
            raise _no_table(name)
        now = self._world.plant.describe(name)
        described: JsonObject = {
            **structure,
            **_throughput_fields(now.throughputs[""], now),
            "TableStatus": STATUS[now.throughputs[""].status],
            "TableId": str(uuid5(NAMESPACE_URL, structure["TableArn"])),
            "CreationDateTime": self._born.get(name, self._world.now),
            "GlobalSecondaryIndexes": [
                _index(index, structure["TableArn"], now) for index in structure["GlobalSecondaryIndexes"]
            ],
        }
        # AWS says nothing of the billing mode of a table that was created provisioned.
        if now.billing is Billing.PROVISIONED:
            del described["BillingModeSummary"]
        for field in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
            if not described[field]:
                del described[field]
        return described

    def _update_insights(self, call: Call) -> JsonObject:
        place = self._place(call.body)
        action = call.body["ContributorInsightsAction"]
        # An ENABLE without a mode means the expensive one, even where the cheap one is on.
        word = call.body.get("ContributorInsightsMode", MODES[SamplerMode.FULL])
        mode = next((mode for mode, known in MODES.items() if known == word), None)
        if action not in ("ENABLE", "DISABLE") or mode is None:
            raise ApiError("ValidationException", f"Unknown action {action} or mode {word}.")
        sampler = self._samplers.enable(place, mode) if action == "ENABLE" else self._samplers.disable(place)
        return self._summary(place, sampler)

    def _describe_insights(self, call: Call) -> JsonObject:
        place = self._place(call.body)
        sampler = self._samplers.sampler(place)
        described = self._summary(place, sampler)
        described["ContributorInsightsRuleList"] = list(sampler.rules)
        if sampler.updated is not None:
            described["LastUpdateDateTime"] = sampler.updated
        if sampler.status is SamplerStatus.FAILED:
            name, text = FAILURE
            described["FailureException"] = {"ExceptionName": name, "ExceptionDescription": text}
        return described

    def _list_insights(self, call: Call) -> JsonObject:
        """Samplers that are not disabled. Pages are cut before the filter, so they may come back empty, as AWS's do."""
        only = call.body.get("TableName")
        if only:
            self._described(table_name(only))
        everywhere = [place for place in self._samplers.everywhere() if not only or place.table == table_name(only)]
        size = call.body.get("MaxResults") or SUMMARIES_PER_PAGE
        start = _offset(call.body.get("NextToken"))
        sampled = self._samplers.survey()
        page = [place for place in everywhere[start : start + size] if place in sampled]
        listed: JsonObject = {"ContributorInsightsSummaries": [self._summary(place, sampled[place]) for place in page]}
        if start + size < len(everywhere):
            listed["NextToken"] = base64.b64encode(str(start + size).encode()).decode()
        return listed

    def _place(self, body: JsonObject) -> Place:
        name, index = table_name(body["TableName"]), body.get("IndexName", "")
        structure = self._described(name)
        if index and index not in {part["IndexName"] for part in structure.get("GlobalSecondaryIndexes", [])}:
            raise ApiError("ResourceNotFoundException", f"Requested resource not found: Index: {index} not found")
        return Place(name, index)

    def _summary(self, place: Place, sampler: Sampler) -> JsonObject:
        summary: JsonObject = {"TableName": place.table, "ContributorInsightsStatus": sampler.status.value}
        if place.index:
            summary["IndexName"] = place.index
        if sampler.status is not SamplerStatus.DISABLED:
            summary["ContributorInsightsMode"] = MODES[self._samplers.asked(place)]
        return summary


def table_name(name_or_arn: str) -> str:
    """The name in a TableName parameter, which may hold an ARN."""
    return name_or_arn.rpartition(":table/")[2] if name_or_arn.startswith("arn:") else name_or_arn


def _no_table(name: str) -> ApiError:
    return ApiError("ResourceNotFoundException", f"Requested resource not found: Table: {name} not found")


def _throughput_fields(part: Throughput, table: TableDescription) -> JsonObject:
    provisioned: JsonObject = {
        "NumberOfDecreasesToday": part.decreases_today,
        **{field: part.units[kind] for kind, field in UNIT_FIELDS.items()},
    }
    if part.last_increase is not None:
        provisioned["LastIncreaseDateTime"] = part.last_increase
    if part.last_decrease is not None:
        provisioned["LastDecreaseDateTime"] = part.last_decrease
    fields: JsonObject = {"ProvisionedThroughput": provisioned}
    if table.billing is Billing.ON_DEMAND and part.on_demand_max:
        fields["OnDemandThroughput"] = {field: part.on_demand_max.get(kind, -1) for kind, field in CAP_FIELDS.items()}
    return fields


def _index(structure: JsonObject, table_arn: str, table: TableDescription) -> JsonObject:
    name = structure["IndexName"]
    part = table.throughputs[name]
    return {
        **structure,
        **_throughput_fields(part, table),
        "IndexStatus": STATUS[part.status],
        "IndexSizeBytes": 0,
        "ItemCount": 0,
        "IndexArn": f"{table_arn}/index/{name}",
    }


def _wanted(body: JsonObject) -> dict[str, tuple[int, int]]:
    """The throughput an UpdateTable asks for, by index. Raises ApiError for what the plant cannot follow."""
    updates = body.get("GlobalSecondaryIndexUpdates", [])
    unknown = sorted(set(body) - THROUGHPUT_FIELDS) + [
        kind for update in updates for kind in update if kind != "Update"
    ]
    if unknown:
        raise ApiError("ValidationException", f"The sandbox's UpdateTable changes throughput only, not {unknown[0]}.")
    wanted = {"": body["ProvisionedThroughput"]} if "ProvisionedThroughput" in body else {}
    for update in updates:
        wanted[update["Update"]["IndexName"]] = update["Update"].get("ProvisionedThroughput", {})
    for units in wanted.values():
        if set(units) != set(UNIT_FIELDS.values()):
            raise ApiError(
                "ValidationException", "ReadCapacityUnits and WriteCapacityUnits must both be specified together."
            )
    return {index: (units[UNIT_FIELDS[Kind.READ]], units[UNIT_FIELDS[Kind.WRITE]]) for index, units in wanted.items()}


def _spec(body: JsonObject) -> TableSpec:
    """An idle table as CreateTable describes it."""
    on_demand = body.get("BillingMode") == "PAY_PER_REQUEST"
    return TableSpec(
        body["TableName"],
        **_settings(body),
        billing=Billing.ON_DEMAND if on_demand else Billing.PROVISIONED,
        indexes=tuple(
            IndexSpec(index["IndexName"], **_settings(index), has_sort_key=len(index["KeySchema"]) > 1)
            for index in body.get("GlobalSecondaryIndexes", [])
        ),
        has_sort_key=len(body["KeySchema"]) > 1,
    )


def _settings(part: Mapping[str, Mapping[str, int]]) -> JsonObject:
    units, caps = part.get("ProvisionedThroughput", {}), part.get("OnDemandThroughput", {})
    return {
        "read": units.get(UNIT_FIELDS[Kind.READ], 0),
        "write": units.get(UNIT_FIELDS[Kind.WRITE], 0),
        "on_demand_max": {kind: caps[field] for kind, field in CAP_FIELDS.items() if caps.get(field, -1) > 0},
    }


def _offset(token: str | None) -> int:
    if not token:
        return 0
    try:
        return int(base64.b64decode(token, validate=True))
    except (binascii.Error, ValueError) as error:
        raise ApiError("ValidationException", "The NextToken is not valid.") from error
