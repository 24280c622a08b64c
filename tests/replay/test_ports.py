"""The cycle's ports over the plant: what the plant refuses, and what it shows, in the words of the ports."""

from __future__ import annotations

import pytest

from tests.replay.plants import NOON, even_plant, script, table
from tests.store.samples import TOPIC, alert
from watcher.clock import SimulatedClock
from watcher.core.insights import Place, SamplerMode
from watcher.core.model import (
    TABLE_READ,
    TABLE_WRITE,
    Action,
    Billing,
    Change,
    Dimension,
    Kind,
    Lever,
    Metric,
    Query,
    ScalableTarget,
    Status,
    TableKey,
)
from watcher.core.reasons import Mode, Outcome
from watcher.errors import AwsNotFound, DeliveryError
from watcher.ports import Outgoing
from watcher.replay.plant import ACCOUNT, IndexSpec, KeyShare
from watcher.replay.ports import Mailbox, PlantAws

ORDERS = TableKey(ACCOUNT, "us-east-1", "orders")
INDEX_WRITE = Dimension("by-day", Kind.WRITE)


def aws(*rates: float, billing: Billing = Billing.PROVISIONED, hot: tuple[KeyShare, ...] = ()) -> PlantAws:
    """orders, 10/10, with an index of 20/20."""
    plant = even_plant()
    demand = script(*(rates or (5.0,)), hot=hot)
    plant.create(table(demand, billing=billing, indexes=(IndexSpec("by-day", 20, 20),)))
    return PlantAws(plant, SimulatedClock(NOON))


def pass_time(world: PlantAws, seconds: float) -> None:
    assert isinstance(world.clock, SimulatedClock)
    world.clock.advance(seconds)


def action(*changes: Change, name: str = "orders", lever: Lever = Lever.CAPACITY) -> Action:
    return Action(TableKey(ACCOUNT, "us-east-1", name), lever, changes, Mode.ACT)


def test_every_call_brings_the_plant_to_the_clocks_time() -> None:
    world = aws()
    query = Query("orders", Metric.CONSUMED, TABLE_WRITE)
    pass_time(world, 180)
    answer = world.read([query], NOON, NOON + 600)[query]
    # The third minute ends at 180 and is visible from 240 on.
    assert answer.points == {NOON: 300.0, NOON + 60: 300.0}
    assert answer.complete
    assert world.plant.now == NOON + 180


def test_names_operations_and_descriptions_are_the_plants() -> None:
    world = aws()
    pass_time(world, 300)
    assert world.names() == ["orders"]
    assert world.operations() == {"orders": frozenset({"PutItem"})}
    assert world.describe("orders").key == ORDERS


def test_an_unknown_table_is_not_found_as_the_port_says_it() -> None:
    with pytest.raises(AwsNotFound) as caught:
        aws().describe("nobody")
    assert (caught.value.code, caught.value.subject) == ("ResourceNotFoundException", "nobody")


def test_hot_keys_are_the_throttled_ones_busiest_first() -> None:
    world = aws(3000.0, hot=(KeyShare("a", 0.5), KeyShare("b", 0.3)))
    pass_time(world, 300)
    sampler = world.insights.describe(Place("orders"))
    sample = world.insights.sample(Place("orders"), sampler, sampler.rules, NOON, NOON + 300)
    assert (sample.mode, sample.complete) == (SamplerMode.THROTTLED, True)
    assert [key.label for key in sample.throttled[:2]] == ["key:a", "key:b"]
    assert sample.throttled[0].busiest > sample.throttled[1].busiest


@pytest.mark.parametrize(
    ("asked", "outcome"),
    [
        pytest.param(action(Change(TABLE_WRITE, 10, 40)), Outcome.APPLIED, id="a raise"),
        pytest.param(action(Change(TABLE_WRITE, 10, 5)), Outcome.APPLIED, id="a decrease"),
        pytest.param(
            action(Change(TABLE_WRITE, 10, 40), Change(INDEX_WRITE, 20, 50)), Outcome.APPLIED, id="table and index"
        ),
        pytest.param(action(Change(TABLE_WRITE, 99, 40)), Outcome.CANCELLED, id="it is not what it was when decided"),
        pytest.param(action(Change(TABLE_WRITE, 10, 10)), Outcome.INVALID, id="no change is a ValidationException"),
        pytest.param(action(Change(TABLE_WRITE, 10, 50_000)), Outcome.QUOTA, id="above the table's quota"),
        pytest.param(action(Change(TABLE_WRITE, 10, 0)), Outcome.INVALID, id="below one unit"),
        pytest.param(action(Change(TABLE_WRITE, 10, 40), name="nobody"), Outcome.GONE, id="no such table"),
        pytest.param(action(Change(Dimension("no", Kind.WRITE), 10, 40)), Outcome.GONE, id="no such index"),
    ],
)
def test_what_becomes_of_a_change(asked: Action, outcome: Outcome) -> None:
    world = aws()
    assert world.carry_out(asked)[0] is outcome
    assert [(at, what, came) for at, what, came in world.calls] == [(NOON, asked, outcome)]
    changed = outcome is Outcome.APPLIED
    assert (world.describe("orders").throughputs[""].status is Status.UPDATING) is changed
    pass_time(world, 30)
    after = {change.dimension: change.after if changed else change.before for change in asked.changes}
    seen = world.describe("orders")
    assert seen.provisioned(TABLE_READ) == 10  # the kind that was not asked for stays
    assert not changed or all(seen.provisioned(dimension) == units for dimension, units in after.items())


def test_a_change_on_an_on_demand_table_is_cancelled() -> None:
    world = aws(billing=Billing.ON_DEMAND)
    assert world.carry_out(action(Change(TABLE_WRITE, 10, 40)))[0] is Outcome.CANCELLED


def test_a_second_change_while_the_first_is_under_way_is_refused() -> None:
    world = aws()
    world.carry_out(action(Change(TABLE_WRITE, 10, 40)))
    outcome, detail = world.carry_out(action(Change(TABLE_READ, 10, 40)))
    assert outcome is Outcome.BUSY
    assert "still in use" in detail


def test_the_fifth_decrease_of_a_day_is_over_the_budget() -> None:
    world = aws()
    outcomes = []
    for units in (9, 8, 7, 6, 5):
        outcomes.append(world.carry_out(action(Change(TABLE_WRITE, units + 1, units)))[0])
        pass_time(world, 60)
    assert outcomes == [Outcome.APPLIED] * 4 + [Outcome.BUDGET]


@pytest.mark.parametrize(
    ("floor", "provisioned"),
    [
        pytest.param(40, 40, id="a floor above the capacity lifts it"),
        pytest.param(8, 10, id="a floor below it changes only the target"),
        pytest.param(10, 10, id="a floor equal to it too"),
    ],
)
def test_a_floor_moves_the_scalers_minimum(floor: int, provisioned: int) -> None:
    world = aws()
    world.scaling = {"orders": {TABLE_WRITE: ScalableTarget(5, 100)}}
    asked = action(Change(TABLE_WRITE, 5, floor), lever=Lever.FLOOR)
    assert world.carry_out(asked)[0] is Outcome.APPLIED
    assert world.targets(["orders", "other"]) == {"orders": {TABLE_WRITE: ScalableTarget(floor, 100)}}
    pass_time(world, 60)
    assert world.describe("orders").provisioned(TABLE_WRITE) == provisioned
    # What was 5 is not 5 any more.
    assert world.carry_out(asked)[0] is Outcome.CANCELLED


def test_a_floor_without_a_target_is_cancelled() -> None:
    assert aws().carry_out(action(Change(TABLE_WRITE, 5, 40), lever=Lever.FLOOR))[0] is Outcome.CANCELLED


def test_the_advising_hand_advises_and_touches_nothing() -> None:
    world = aws()
    region = world.region()
    assert region.region == "us-east-1"
    assert region.hands[Mode.ADVISE].carry_out(action(Change(TABLE_WRITE, 10, 40)))[0] is Outcome.ADVISED
    assert world.calls == []
    assert world.describe("orders").is_settled


def test_a_mailbox_keeps_what_it_is_given_until_it_is_broken() -> None:
    box = Mailbox()
    message = Outgoing("1", box.topics_for(alert())[0], alert())
    box.publish(message)
    box.broken = "connection refused"
    with pytest.raises(DeliveryError, match="connection refused"):
        box.publish(Outgoing("2", TOPIC, alert()))
    assert box.sent == [message]
