"""UpdateTable: budgets to the second, one change at a time, and AWS's refusals word for word."""

from __future__ import annotations

import pytest

from tests.replay.plants import MIDNIGHT, NOON, even_plant, script, table
from watcher.core.model import TABLE_READ, Billing, Kind, Status
from watcher.replay.budget import DecreaseBudget
from watcher.replay.plant import IndexSpec, Plant, PlantRefusal, TableSpec

BY_DAY = IndexSpec("by-day", 100, 100)


def a_plant(start: int = NOON, indexes: tuple[IndexSpec, ...] = (BY_DAY,)) -> Plant:
    """One table of 100/100 and its indexes; changes take effect at once, so that they can follow each other."""
    plant = even_plant(start, actuation=0.0)
    plant.create(table(script(0.0, start=start), write=100, read=100, indexes=indexes))
    return plant


def refusal(plant: Plant, wanted: dict[str, tuple[int, int]], name: str = "orders") -> tuple[str, str]:
    with pytest.raises(PlantRefusal) as caught:
        plant.update_throughput(name, wanted)
    return caught.value.code, caught.value.message


def spend_four(plant: Plant, part: str = "") -> None:
    for units in (90, 80, 70, 60):
        plant.update_throughput("orders", {part: (units, units)})


@pytest.mark.parametrize(
    ("count", "last", "now", "allowed_at"),
    [
        pytest.param(0, None, NOON, NOON, id="never lowered: now"),
        pytest.param(3, NOON, NOON + 1.0, NOON + 1.0, id="three today: now"),
        pytest.param(4, NOON, NOON + 1.0, NOON + 3600.0, id="four today: an hour after the last"),
        pytest.param(4, NOON, NOON + 3599.999, NOON + 3600.0, id="a hair before the hour: not yet"),
        pytest.param(4, NOON, NOON + 3600.0, NOON + 3600.0, id="the hour is over: now"),
        pytest.param(9, NOON, NOON + 7200.0, NOON + 7200.0, id="hours later: now, and nothing saved up"),
        pytest.param(4, MIDNIGHT - 60, MIDNIGHT - 1.0, MIDNIGHT, id="midnight comes before the hour is over"),
        pytest.param(4, MIDNIGHT - 60, MIDNIGHT, MIDNIGHT, id="a new day: now"),
        pytest.param(4, MIDNIGHT - 3600, MIDNIGHT - 1.0, MIDNIGHT, id="hour and midnight fall together"),
    ],
)
def test_when_a_decrease_is_allowed(count: int, last: float | None, now: float, allowed_at: float) -> None:
    assert DecreaseBudget(count, last).allowed_at(now) == allowed_at


def test_twenty_seven_decreases_fit_into_a_day() -> None:
    budget, now, accepted = DecreaseBudget(), float(MIDNIGHT), 0
    while now < MIDNIGHT + 86_400:
        budget, accepted = budget.spent(now), accepted + 1
        now = budget.allowed_at(now + 1)
    # Four in the first seconds (0, 1, 2, 3), then one an hour later each: 3603 + n x 3600 < 86,400 for n = 0 to 22.
    assert accepted == 27


def test_fifth_decrease_waits_for_the_hour_after_the_last() -> None:
    plant = a_plant()
    spend_four(plant)
    plant.advance(NOON + 3599)
    code, message = refusal(plant, {"": (50, 50)})
    assert code == "LimitExceededException"
    assert message == (
        "Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC day. After the "
        "first 4 decreases, each subsequent decrease in the same UTC day can be performed at most once every 3600 "
        "seconds. Number of decreases today: 4. Last decrease at Tuesday, November 14, 2023 at 12:00:00 PM Coordinated "
        "Universal Time. Next decrease can be made at Tuesday, November 14, 2023 at 1:00:00 PM Coordinated Universal "
        "Time"
    )
    plant.advance(NOON + 3600)
    plant.update_throughput("orders", {"": (50, 50)})
    assert plant.describe("orders").throughputs[""].decreases_today == 5
    # The refused attempt moved nothing; the hour runs anew from the fifth.
    assert refusal(plant, {"": (40, 40)})[0] == "LimitExceededException"


def test_budget_returns_at_midnight_utc() -> None:
    start = MIDNIGHT - 600
    plant = a_plant(start)
    spend_four(plant)
    plant.advance(MIDNIGHT - 1)
    code, message = refusal(plant, {"": (50, 50)})
    assert code == "LimitExceededException"
    assert message.endswith(
        "Next decrease can be made at Tuesday, November 14, 2023 at 12:00:00 AM Coordinated Universal Time"
    )
    plant.advance(MIDNIGHT)
    assert plant.describe("orders").throughputs[""].decreases_today == 0
    assert plant.describe("orders").throughputs[""].last_decrease == start
    plant.update_throughput("orders", {"": (50, 50)})
    assert plant.describe("orders").throughputs[""].decreases_today == 1


@pytest.mark.parametrize(
    ("wanted", "decreases", "increased", "decreased"),
    [
        pytest.param((90, 80), 1, False, True, id="both kinds down is one decrease"),
        pytest.param((110, 90), 1, True, True, id="reads up and writes down is a decrease"),
        pytest.param((100, 90), 1, False, True, id="one kind down is a decrease"),
        pytest.param((110, 100), 0, True, False, id="one kind up is none"),
    ],
)
def test_what_counts_as_a_decrease(wanted: tuple[int, int], decreases: int, increased: bool, decreased: bool) -> None:  # noqa: FBT001 - columns of the table above
    plant = a_plant()
    plant.update_throughput("orders", {"": wanted})
    shown = plant.describe("orders").throughputs[""]
    assert shown.units == {Kind.READ: wanted[0], Kind.WRITE: wanted[1]}
    assert shown.decreases_today == decreases
    assert shown.last_increase == (NOON if increased else None)
    assert shown.last_decrease == (NOON if decreased else None)


def test_table_and_index_have_budgets_apart() -> None:
    plant = a_plant()
    spend_four(plant)
    spend_four(plant, "by-day")
    assert {part: shown.decreases_today for part, shown in plant.describe("orders").throughputs.items()} == {
        "": 4,
        "by-day": 4,
    }


def test_call_is_rejected_whole_when_one_part_is_out_of_budget() -> None:
    plant = a_plant()
    spend_four(plant, "by-day")
    before = plant.describe("orders")
    assert refusal(plant, {"": (50, 50), "by-day": (50, 50)})[0] == "LimitExceededException"
    assert plant.describe("orders") == before
    plant.update_throughput("orders", {"": (50, 50), "by-day": (61, 61)})
    assert plant.describe("orders").throughputs["by-day"].units[Kind.READ] == 61


def test_mixed_change_is_rejected_without_budget_although_it_raises() -> None:
    plant = a_plant()
    spend_four(plant)
    assert refusal(plant, {"": (600, 50)})[0] == "LimitExceededException"
    plant.update_throughput("orders", {"": (600, 60)})
    assert plant.describe("orders").provisioned(TABLE_READ) == 600


@pytest.mark.parametrize(
    ("changed", "second", "message"),
    [
        pytest.param(
            "", "", "Table IOPS are currently being updated. Table: orders", id="the table, while it is changing"
        ),
        pytest.param(
            "", "by-day", "Table IOPS are currently being updated. Table: orders", id="an index, while its table is"
        ),
        pytest.param(
            "by-day", "", "Index is being updated.  Table: orders Index: by-day", id="the table, while an index is"
        ),
    ],
)
def test_one_change_at_a_time(changed: str, second: str, message: str) -> None:
    plant = even_plant()
    plant.create(table(script(0.0), write=100, read=100, indexes=(BY_DAY,)))
    plant.update_throughput("orders", {changed: (200, 200)})
    plant.advance(NOON + 29.999)
    shown = plant.describe("orders").throughputs
    assert {part: it.status for part, it in shown.items() if it.status is not Status.ACTIVE} == {
        changed: Status.UPDATING
    }
    assert shown[changed].units[Kind.READ] == 100
    assert refusal(plant, {second: (300, 300)}) == (
        "ResourceInUseException",
        f"Attempt to change a resource which is still in use: {message}",
    )
    plant.advance(NOON + 30)
    assert plant.describe("orders").is_settled
    assert plant.describe("orders").throughputs[changed].units[Kind.READ] == 200
    plant.update_throughput("orders", {second: (300, 300)})


def test_decrease_shows_once_it_is_effective() -> None:
    plant = even_plant()
    plant.create(table(script(0.0)))
    plant.update_throughput("orders", {"": (5, 5)})
    assert plant.describe("orders").throughputs[""].decreases_today == 0
    plant.advance(NOON + 30)
    shown = plant.describe("orders").throughputs[""]
    assert (shown.decreases_today, shown.last_decrease, shown.units[Kind.WRITE]) == (1, NOON, 5)


UNCHANGED = (
    "The provisioned throughput for the {0} will not change. The requested value equals the current value. Current "
    "ReadCapacityUnits provisioned for the {0}: 100. Requested ReadCapacityUnits: 100. Current WriteCapacityUnits "
    "provisioned for the {0}: 100. Requested WriteCapacityUnits: 100. Refer to the Amazon DynamoDB Developer Guide for "
    "current limits and how to request higher limits."
)


@pytest.mark.parametrize(
    ("wanted", "code", "message"),
    [
        pytest.param({"": (100, 100)}, "ValidationException", UNCHANGED.format("table"), id="table unchanged"),
        pytest.param(
            {"": (110, 110), "by-day": (100, 100)},
            "ValidationException",
            UNCHANGED.format("index by-day"),
            id="index unchanged beside a changed table",
        ),
        pytest.param(
            {"by-name": (1, 1)},
            "ResourceNotFoundException",
            "Requested resource not found: Index: by-name not found",
            id="no such index",
        ),
        pytest.param(
            {"": (0, 5)},
            "ValidationException",
            "1 validation error detected: Value '0' at 'provisionedThroughput.readCapacityUnits' failed to satisfy "
            "constraint: Member must have value greater than or equal to 1",
            id="zero units",
        ),
        pytest.param(
            {"": (100, 40_001)},
            "LimitExceededException",
            "Subscriber limit exceeded: The requested WriteCapacityUnits value is above the per table maximum for the "
            "account in us-east-1. Per table maximum: 40000. Requested value: 40001. Refer to the Amazon DynamoDB "
            "Developer Guide for current limits and how to request higher limits.",
            id="above the table quota",
        ),
        pytest.param(
            {"by-day": (40_001, 100)},
            "LimitExceededException",
            "Subscriber limit exceeded: The requested ReadCapacityUnits value is above the per index maximum for the "
            "account in us-east-1. Per index maximum: 40000. Requested value: 40001. Refer to the Amazon DynamoDB "
            "Developer Guide for current limits and how to request higher limits.",
            id="above the quota of an index",
        ),
    ],
)
def test_refusals(wanted: dict[str, tuple[int, int]], code: str, message: str) -> None:
    assert refusal(a_plant(), wanted) == (code, message)


def test_nothing_asked_is_refused() -> None:
    code, message = refusal(a_plant(), {})
    assert code == "ValidationException"
    assert message.startswith("At least one of ProvisionedThroughput")


def test_table_quota_itself_is_allowed() -> None:
    plant = a_plant()
    plant.update_throughput("orders", {"": (40_000, 40_000)})
    assert plant.describe("orders").throughputs[""].units == {Kind.READ: 40_000, Kind.WRITE: 40_000}


@pytest.mark.parametrize(
    ("write", "refused"),
    [
        # 40,000 of another table, 100 of the index: 39,900 are left.
        pytest.param(39_900, False, id="the last unit of the account"),
        pytest.param(39_901, True, id="one unit more"),
    ],
)
def test_account_quota(write: int, refused: bool) -> None:  # noqa: FBT001 - a column of the table above
    plant = a_plant()
    plant.create(TableSpec("big", 1, 40_000))
    if not refused:
        plant.update_throughput("orders", {"": (100, write)})
        assert plant.describe("orders").throughputs[""].units[Kind.WRITE] == write
        return
    code, message = refusal(plant, {"": (100, write)})
    assert code == "LimitExceededException"
    assert message == (
        "Subscriber limit exceeded: Update to WriteCapacityUnits would have caused the WriteCapacityUnits limit to be "
        "exceeded for the account in us-east-1. Current WriteCapacityUnits reserved by the account: 40200. Limit: "
        "80000. Requested: 39801. Refer to the Amazon DynamoDB Developer Guide for current limits and how to request "
        "higher limits."
    )


def test_change_under_way_counts_towards_the_account() -> None:
    plant = even_plant()
    plant.create(TableSpec("a", 1, 1))
    plant.create(TableSpec("b", 1, 1))
    plant.create(TableSpec("c", 1, 1))
    for name in ("a", "b"):
        plant.update_throughput(name, {"": (1, 39_999)})
    assert refusal(plant, {"": (1, 3)}, "c")[0] == "LimitExceededException"
    plant.update_throughput("c", {"": (1, 2)})


def test_on_demand_table_refuses_provisioned_throughput() -> None:
    plant = even_plant()
    plant.create(table(script(0.0), billing=Billing.ON_DEMAND))
    assert plant.describe("orders").throughputs[""].units == {Kind.READ: 0, Kind.WRITE: 0}
    code, message = refusal(plant, {"": (5, 5)})
    assert code == "ValidationException"
    assert message == (
        "One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits can be specified "
        "when BillingMode is PAY_PER_REQUEST"
    )


def test_unknown_table() -> None:
    plant = even_plant()
    expected = ("ResourceNotFoundException", "Requested resource not found: Table: ghosts not found")
    assert refusal(plant, {"": (5, 5)}, "ghosts") == expected
    for call in (plant.describe, plant.delete, plant.spec):
        with pytest.raises(PlantRefusal) as caught:
            call("ghosts")
        assert (caught.value.code, caught.value.message) == expected


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        pytest.param(TableSpec("orders", 5, 5), "ResourceInUseException", id="the name is taken"),
        pytest.param(TableSpec("new", 0, 5), "ValidationException", id="no read units"),
        pytest.param(TableSpec("new", 5, 40_001), "LimitExceededException", id="above the table quota"),
        pytest.param(
            TableSpec("new", 5, 40_000, indexes=(IndexSpec("i", 5, 40_000),)),
            "LimitExceededException",
            id="table and index together above the account quota",
        ),
    ],
)
def test_create_refusals(spec: TableSpec, code: str) -> None:
    plant = a_plant()
    with pytest.raises(PlantRefusal) as caught:
        plant.create(spec)
    assert caught.value.code == code
    assert plant.names() == ["orders"]


def test_description_of_a_table_on_demand_with_caps() -> None:
    plant = even_plant()
    plant.create(
        table(
            script(0.0),
            billing=Billing.ON_DEMAND,
            on_demand_max={Kind.WRITE: 50},
            indexes=(IndexSpec("by-day", on_demand_max={Kind.READ: 7}),),
        )
    )
    shown = plant.describe("orders")
    assert str(shown.key) == "123456789012/us-east-1/orders"
    assert shown.billing is Billing.ON_DEMAND
    assert shown.throughputs[""].on_demand_max == {Kind.WRITE: 50}
    assert shown.throughputs["by-day"].on_demand_max == {Kind.READ: 7}
