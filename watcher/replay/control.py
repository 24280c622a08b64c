"""The control plane of one simulated table: statuses, one change at a time, decrease budgets, AWS's refusals.

Behaviour and texts: AWS API reference UpdateTable, "Service, account, and table quotas in Amazon DynamoDB", and
measurements of the live API. A table and its indexes are parts with a status and a budget each; a change under way
on any of them refuses the next call on the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from watcher.clock import utc
from watcher.core.model import Billing, Kind, Status, Throughput
from watcher.replay.budget import DecreaseBudget
from watcher.replay.spec import IndexSpec, PlantRefusal, TableSpec

UNIT_NAMES: Final = {Kind.READ: "ReadCapacityUnits", Kind.WRITE: "WriteCapacityUnits"}
REFER = "Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits."

Units = Mapping[Kind, int]


@dataclass(frozen=True, slots=True)
class Quotas:
    """Units per second, each kind apart: of one table or index, and of all tables and indexes of the Region."""

    table: int
    account: int
    region: str


@dataclass(frozen=True, slots=True)
class Settings:
    """What DescribeTable shows of a table or an index besides its status."""

    units: Units
    budget: DecreaseBudget = field(default_factory=DecreaseBudget)
    last_increase: float | None = None


@dataclass(slots=True)
class Part:
    """The table itself (index "") or one index. ``coming``: settings that take effect at ``effective``."""

    table: str
    index: str
    settings: Settings
    on_demand_max: Units
    coming: Settings | None = None
    effective: float = 0.0

    @property
    def noun(self) -> str:
        """As AWS's messages name it."""
        return f"index {self.index}" if self.index else "table"

    def settle(self, now: float) -> None:
        """Let a change take effect whose time has come."""
        if self.coming is not None and now >= self.effective:
            self.settings, self.coming = self.coming, None

    def described(self, now: float) -> Throughput:
        settings = self.settings
        return Throughput(
            units=dict(settings.units),
            status=Status.ACTIVE if self.coming is None else Status.UPDATING,
            decreases_today=settings.budget.today(now),
            last_increase=settings.last_increase,
            last_decrease=settings.budget.last,
            on_demand_max=dict(self.on_demand_max),
        )

    def next_settings(self, wanted: Units, now: float) -> Settings:
        """The settings after a change to ``wanted``. Raises PlantRefusal when it is no change or not allowed now."""
        units = self.settings.units
        if wanted == units:
            raise _unchanged(self, wanted)
        budget = self.settings.budget
        if any(wanted[kind] < units[kind] for kind in Kind):
            allowed_at = budget.allowed_at(now)
            if allowed_at > now:
                raise _out_of_budget(budget, now, allowed_at)
            budget = budget.spent(now)
        rises = any(wanted[kind] > units[kind] for kind in Kind)
        return Settings(wanted, budget, now if rises else self.settings.last_increase)


class TableControl:
    """A table with its indexes, as DescribeTable and UpdateTable see it."""

    def __init__(self, spec: TableSpec) -> None:
        self.billing = spec.billing
        self.parts = {"": _part(spec.name, "", spec, spec.billing)}
        for index in spec.indexes:
            self.parts[index.name] = _part(spec.name, index.name, index, spec.billing)

    def settle(self, now: float) -> None:
        for part in self.parts.values():
            part.settle(now)

    def provisioned(self, kind: Kind) -> int:
        """What counts towards the account's quota: a change under way counts with its larger value."""
        total = 0
        for part in self.parts.values():
            coming = part.coming or part.settings
            total += max(part.settings.units[kind], coming.units[kind])
        return total

    def update(
        self, wanted: Mapping[str, Units], *, now: float, effective: float, quotas: Quotas, elsewhere: Units
    ) -> None:
        """Accept a change of the named parts, or raise PlantRefusal and change nothing.

        elsewhere: units provisioned by the Region's other tables.
        """
        self.settle(now)
        parts = self._named(wanted)
        self._refuse_while_updating()
        for part in parts:
            check_values(part.noun, wanted[part.index], quotas)
        self._check_account(wanted, quotas, elsewhere)
        # All parts are judged before any is changed: the call is rejected whole.
        accepted = [(part, part.next_settings(wanted[part.index], now)) for part in parts]
        for part, settings in accepted:
            part.coming, part.effective = settings, effective
            part.settle(now)

    def _named(self, wanted: Mapping[str, Units]) -> list[Part]:
        if not wanted:
            raise PlantRefusal(
                "ValidationException",
                "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates "
                "or SSESpecification or ReplicaUpdates is required",
            )
        for index in wanted:
            if index not in self.parts:
                raise not_found(f"Index: {index}")
        if self.billing is Billing.ON_DEMAND:
            raise PlantRefusal(
                "ValidationException",
                "One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits can be "
                "specified when BillingMode is PAY_PER_REQUEST",
            )
        return [self.parts[index] for index in wanted]

    def _refuse_while_updating(self) -> None:
        for part in self.parts.values():
            if part.coming is None:
                continue
            state = (
                f"Index is being updated.  Table: {part.table} Index: {part.index}"
                if part.index
                else f"Table IOPS are currently being updated. Table: {part.table}"
            )
            raise PlantRefusal("ResourceInUseException", f"Attempt to change a resource which is still in use: {state}")

    def _check_account(self, wanted: Mapping[str, Units], quotas: Quotas, elsewhere: Units) -> None:
        for kind in Kind:
            before = self.provisioned(kind)
            after = sum(wanted.get(index, part.settings.units)[kind] for index, part in self.parts.items())
            if after > before:
                check_account(kind, elsewhere[kind] + before, after - before, quotas)


def check_values(noun: str, units: Units, quotas: Quotas) -> None:
    """Raise PlantRefusal for values no table or index can have. noun: "table" or "index ...", as messages name it."""
    owner = noun.split(maxsplit=1)[0]
    for kind, value in units.items():
        name = UNIT_NAMES[kind]
        if value < 1:
            raise PlantRefusal(
                "ValidationException",
                f"1 validation error detected: Value '{value}' at 'provisionedThroughput.{name[0].lower()}{name[1:]}' "
                "failed to satisfy constraint: Member must have value greater than or equal to 1",
            )
        if value > quotas.table:
            raise PlantRefusal(
                "LimitExceededException",
                f"Subscriber limit exceeded: The requested {name} value is above the per {owner} maximum for "
                f"the account in {quotas.region}. Per {owner} maximum: {quotas.table}. "
                f"Requested value: {value}. {REFER}",
            )


def check_account(kind: Kind, reserved: int, more: int, quotas: Quotas) -> None:
    """Raise PlantRefusal when ``more`` units on top of ``reserved`` exceed the account's quota."""
    if reserved + more > quotas.account:
        name = UNIT_NAMES[kind]
        raise PlantRefusal(
            "LimitExceededException",
            f"Subscriber limit exceeded: Update to {name} would have caused the {name} limit to be exceeded for the "
            f"account in {quotas.region}. Current {name} reserved by the account: {reserved}. "
            f"Limit: {quotas.account}. Requested: {more}. {REFER}",
        )


def not_found(what: str) -> PlantRefusal:
    return PlantRefusal("ResourceNotFoundException", f"Requested resource not found: {what} not found")


def total(tables: Iterable[TableControl], kind: Kind) -> int:
    return sum(table.provisioned(kind) for table in tables)


def _part(table: str, index: str, spec: TableSpec | IndexSpec, billing: Billing) -> Part:
    provisioned = billing is Billing.PROVISIONED
    units = {Kind.READ: spec.read if provisioned else 0, Kind.WRITE: spec.write if provisioned else 0}
    return Part(table, index, Settings(units), {} if provisioned else dict(spec.on_demand_max))


def _unchanged(part: Part, wanted: Units) -> PlantRefusal:
    values = " ".join(
        f"Current {UNIT_NAMES[kind]} provisioned for the {part.noun}: {part.settings.units[kind]}. "
        f"Requested {UNIT_NAMES[kind]}: {wanted[kind]}."
        for kind in Kind
    )
    return PlantRefusal(
        "ValidationException",
        f"The provisioned throughput for the {part.noun} will not change. The requested value equals the current "
        f"value. {values} {REFER}",
    )


def _out_of_budget(budget: DecreaseBudget, now: float, allowed_at: float) -> PlantRefusal:
    return PlantRefusal(
        "LimitExceededException",
        "Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC day. After the "
        "first 4 decreases, each subsequent decrease in the same UTC day can be performed at most once every 3600 "
        f"seconds. Number of decreases today: {budget.today(now)}. Last decrease at {_spoken(budget.last or 0.0)}. "
        f"Next decrease can be made at {_spoken(allowed_at)}",
    )


def _spoken(instant: float) -> str:
    """``Friday, October 9, 2026 at 1:21:34 AM Coordinated Universal Time``: as AWS writes instants in messages."""
    moment = utc(instant)
    day = f"{moment:%A, %B} {moment.day}, {moment:%Y}"
    return f"{day} at {moment.hour % 12 or 12}:{moment:%M:%S %p} Coordinated Universal Time"
