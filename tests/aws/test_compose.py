"""The composition: one Region's ports, working together against a stand-in server."""

from __future__ import annotations

from tests.aws.conftest import NOON, REGION, Calls
from watcher.aws.capacity import ActingHand, AdvisingHand, MutationPacer
from watcher.aws.client import AwsClients
from watcher.aws.compose import region_ports
from watcher.aws.contributors import KeyCloak, KeyForm
from watcher.clock import SimulatedClock
from watcher.core.model import TABLE_READ, Action, Answer, Change, Lever, Metric, Query
from watcher.core.reasons import Mode, Outcome
from watcher.errors import AwsError
from watcher.ports import RegionPorts


def _ports(clients: AwsClients, clock: SimulatedClock, requested: list[int], troubles: list[AwsError]) -> RegionPorts:
    return region_ports(
        clients,
        REGION,
        clock=clock,
        pacer=MutationPacer(clock, lambda _seconds: None),
        cloak=KeyCloak(KeyForm.REDACT, b""),
        on_metrics_requested=requested.append,
        on_trouble=troubles.append,
    )


def test_one_region_from_names_to_a_change(moto: AwsClients, clock: SimulatedClock, calls: Calls) -> None:
    requested: list[int] = []
    troubles: list[AwsError] = []
    moto.dynamodb(REGION).create_table(
        TableName="orders",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        ProvisionedThroughput={"ReadCapacityUnits": 3, "WriteCapacityUnits": 4},
    )
    ports = _ports(moto, clock, requested, troubles)
    assert ports.tables.names() == ["orders"]
    described = ports.tables.describe("orders")
    query = Query("orders", Metric.CONSUMED, TABLE_READ)
    assert ports.metrics.read([query], NOON - 600, NOON) == {query: Answer()}
    assert ports.scaling.targets(["orders"]) == {}
    assert not ports.hot_keys.report("orders", "", NOON - 600, NOON).sampled
    action = Action(described.key, Lever.CAPACITY, (Change(TABLE_READ, 3, 30),), Mode.ACT)
    assert ports.hands[Mode.ADVISE].carry_out(action)[0] is Outcome.ADVISED
    assert ports.tables.describe("orders").provisioned(TABLE_READ) == 3
    assert ports.hands[Mode.ACT].carry_out(action)[0] is Outcome.APPLIED
    assert ports.tables.describe("orders").provisioned(TABLE_READ) == 30
    assert (requested, troubles) == ([1], [])
    assert ("UpdateTable", "ok") in calls.made


def test_there_is_a_hand_for_advice_and_one_for_action(faked: AwsClients, clock: SimulatedClock) -> None:
    hands = _ports(faked, clock, [], []).hands
    assert {mode: type(hand) for mode, hand in hands.items()} == {Mode.ADVISE: AdvisingHand, Mode.ACT: ActingHand}
