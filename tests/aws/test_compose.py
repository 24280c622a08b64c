"""The composition: one Region's ports, working together against a stand-in server."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.aws.conftest import NOON, REGION, Calls, settings
from watcher.aws.capacity import ActingHand, AdvisingHand, MutationPacer
from watcher.aws.client import AwsClients
from watcher.aws.cloak import KeyCloak
from watcher.aws.compose import region_ports
from watcher.clock import SimulatedClock
from watcher.core.insights import KeyForm, Place, Sampler, SamplerMode, SamplerStatus
from watcher.core.model import TABLE_READ, Action, Answer, Change, Lever, Metric, Query, Switch
from watcher.core.reasons import Mode, Outcome
from watcher.errors import AwsError, AwsUnavailable
from watcher.ports import RegionPorts
from watcher.sandbox.heated import heated
from watcher.sandbox.server import Sandbox


def _ports(clients: AwsClients, clock: SimulatedClock, requested: list[int], troubles: list[AwsError]) -> RegionPorts:
    return region_ports(
        clients,
        REGION,
        clock=clock,
        pacer=MutationPacer(clock, lambda _seconds: None),
        cloaks=lambda _table: KeyCloak(KeyForm.REDACT, b"secret"),
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
    with pytest.raises(AwsUnavailable):  # a server that does not know Contributor Insights stops nothing else
        ports.insights.describe(Place("orders"))
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


def test_one_region_from_a_switch_to_the_name_of_a_key(clock: SimulatedClock) -> None:
    """On the embedded AWS, where one key of one table is asked for more than a partition serves."""
    stories = [story for story in heated(int(clock.now()), 1) if story.spec.name == "one-key"]
    requested: list[int] = []
    with Sandbox(clock, stories=stories) as sandbox, AwsClients(settings(sandbox.endpoint_url)) as clients:
        ports = _ports(clients, clock, requested, [])
        key = ports.tables.describe("one-key").key
        switch = Action(key, Lever.SAMPLING, (), Mode.ACT, Switch("", SamplerMode.OFF, SamplerMode.FULL))
        assert ports.hands[Mode.ACT].carry_out(switch) == (Outcome.APPLIED, "")
        clock.advance(900)
        place, start, end = Place("one-key"), clock.now() - 600, clock.now()
        assert ports.insights.survey(end).rules == 2
        sampler = ports.insights.describe(place)
        assert sampler == replace(sampler, status=SamplerStatus.ENABLED, mode=SamplerMode.FULL)
        assert ports.insights.survey(end).sampler(place) == Sampler(SamplerStatus.ENABLED, SamplerMode.FULL)
        peaks = ports.insights.peaks(sampler.rules, start, end)
        sample = ports.insights.sample(place, sampler, sampler.rules, start, end)
    assert (sample.complete, sample.note, sample.since) == (True, "", NOON)
    hottest = KeyCloak(KeyForm.HASH, b"secret").identity(["user#4711"])
    assert [keys[0].identity for keys in (sample.throttled, sample.accessed)] == [hottest, hottest]
    (of_accesses,) = [rule for rule in sampler.rules if "-PKC-" in rule]
    assert max(peaks[of_accesses].points.values()) == sample.accessed[0].busiest
    assert requested == [2, 1, 1]
