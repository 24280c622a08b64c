"""The acting hand: what it sends, what it refuses, and which outcome each ending has."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from tests.aws.conftest import ACCOUNT, REGION
from tests.aws.fake import HTML_500, Answer, FakeAws, Reply, fault
from tests.aws.test_autoscaling import adapter as scaling_adapter
from tests.aws.test_autoscaling import target
from tests.aws.test_discovery import table, throughput
from watcher.aws.capacity import MUTATION_SPACING, ActingHand, AdvisingHand, MutationPacer
from watcher.aws.client import AwsClients
from watcher.aws.discovery import DynamoTables
from watcher.aws.pace import ClockPacer, Wait
from watcher.aws.samplers import INSIGHTS_RATE, Samplers
from watcher.aws.switch import SamplingSwitch
from watcher.clock import ScaledClock, SimulatedClock
from watcher.core.model import TABLE_READ, TABLE_WRITE, Action, Change, Dimension, Kind, Lever, TableKey
from watcher.core.reasons import Mode, Outcome

KEY = TableKey(ACCOUNT, REGION, "orders")
INDEX_READ, INDEX_WRITE = Dimension("by-day", Kind.READ), Dimension("by-day", Kind.WRITE)


def action(*changes: Change, lever: Lever = Lever.CAPACITY) -> Action:
    return Action(KEY, lever, changes, Mode.ACT)


def index(name: str = "by-day", status: str = "ACTIVE") -> dict[str, Any]:
    return {
        "IndexName": name,
        "IndexStatus": status,
        "ProvisionedThroughput": throughput(ReadCapacityUnits=30, WriteCapacityUnits=40),
    }


RAISE_READS = action(Change(TABLE_READ, 10, 50))


def hand_of(
    clients: AwsClients, clock: SimulatedClock, wait: Wait = lambda _: None, pacer: MutationPacer | None = None
) -> ActingHand:
    """wait: of everything that has a pace, unless ``pacer`` is given."""
    reading, mutating = clients.dynamodb(REGION), clients.dynamodb(REGION, mutating=True)
    samplers = Samplers(reading, clients.cloudwatch(REGION), clock=clock, wait=wait)
    return ActingHand(
        DynamoTables(reading, clock.now),
        mutating,
        scaling_adapter(clients),
        SamplingSwitch(samplers.describe, mutating, ClockPacer(INSIGHTS_RATE, clock, wait)),
        pacer or MutationPacer(clock, wait),
    )


@pytest.fixture
def hand(faked: AwsClients, fake: FakeAws, clock: SimulatedClock) -> ActingHand:
    """Table: 10 reads, 20 writes. Indexes by-day and by-shop: 30 reads, 40 writes each."""
    fake.script("DescribeTable", table(GlobalSecondaryIndexes=[index(), index("by-shop")]))
    fake.script("UpdateTable", {"TableDescription": {}})
    return hand_of(faked, clock)


def both(reads: int, writes: int) -> dict[str, int]:
    return {"ReadCapacityUnits": reads, "WriteCapacityUnits": writes}


def of_index(name: str, reads: int, writes: int) -> dict[str, Any]:
    return {"Update": {"IndexName": name, "ProvisionedThroughput": both(reads, writes)}}


@pytest.mark.parametrize(
    ("changes", "sent"),
    [
        pytest.param(
            [Change(TABLE_READ, 10, 50)],
            {"ProvisionedThroughput": both(50, 20)},
            id="the unchanged kind is sent as just described",
        ),
        pytest.param(
            [Change(TABLE_WRITE, 20, 5), Change(TABLE_READ, 10, 5)],
            {"ProvisionedThroughput": both(5, 5)},
            id="both kinds of a table in one call",
        ),
        pytest.param(
            [Change(INDEX_WRITE, 40, 80)],
            {"GlobalSecondaryIndexUpdates": [of_index("by-day", 30, 80)]},
            id="an index alone leaves the table out, and the other index",
        ),
        pytest.param(
            [Change(TABLE_READ, 10, 50), Change(INDEX_READ, 30, 60), Change(INDEX_WRITE, 40, 80)],
            {
                "ProvisionedThroughput": both(50, 20),
                "GlobalSecondaryIndexUpdates": [of_index("by-day", 60, 80)],
            },
            id="table and index together",
        ),
        pytest.param(
            [Change(TABLE_READ, 10, 10), Change(INDEX_READ, 30, 60)],
            {"GlobalSecondaryIndexUpdates": [of_index("by-day", 60, 40)]},
            id="a part that stays as it is is not sent",
        ),
    ],
)
def test_one_update_carries_only_what_changes(
    hand: ActingHand, fake: FakeAws, changes: list[Change], sent: dict[str, Any]
) -> None:
    outcome, _detail = hand.carry_out(action(*changes))
    assert outcome is Outcome.APPLIED
    assert [name for name, _params in fake.calls] == ["DescribeTable", "UpdateTable"]
    assert fake.sent("UpdateTable") == [{"TableName": "orders"} | sent]


@pytest.mark.parametrize(
    ("described", "asked", "outcome", "detail"),
    [
        pytest.param(fault("ResourceNotFoundException"), RAISE_READS, Outcome.GONE, "not sent", id="the table is gone"),
        pytest.param(table(TableStatus="DELETING"), RAISE_READS, Outcome.GONE, "deleting", id="the table is going"),
        pytest.param(
            table(), action(Change(INDEX_READ, 30, 60)), Outcome.GONE, "no index by-day", id="the index is gone"
        ),
        pytest.param(table(TableStatus="UPDATING"), RAISE_READS, Outcome.BUSY, "being updated", id="a table in change"),
        pytest.param(
            table(GlobalSecondaryIndexes=[index(status="UPDATING")]),
            RAISE_READS,
            Outcome.BUSY,
            "being updated",
            id="an index in change",
        ),
        pytest.param(
            table(BillingModeSummary={"BillingMode": "PAY_PER_REQUEST"}),
            RAISE_READS,
            Outcome.CANCELLED,
            "on demand",
            id="the billing has changed",
        ),
        pytest.param(
            table(Replicas=[{"RegionName": "eu-west-1"}]), RAISE_READS, Outcome.CANCELLED, "eu-west-1", id="global now"
        ),
        pytest.param(
            table(ProvisionedThroughput=throughput(ReadCapacityUnits=11)),
            RAISE_READS,
            Outcome.CANCELLED,
            "reads were 10 when decided and are 11 now",
            id="another hand changed it",
        ),
        pytest.param(
            table(),
            replace(RAISE_READS, table=replace(KEY, account="999999999999")),
            Outcome.CANCELLED,
            "credentials now lead to",
            id="another account's table of the same name",
        ),
        pytest.param(
            table(), action(Change(TABLE_READ, 10, 10)), Outcome.UNCHANGED, "already", id="nothing would change"
        ),
        pytest.param(fault("AccessDeniedException"), RAISE_READS, Outcome.DENIED, "dynamodb:Describe", id="no look"),
        pytest.param(HTML_500, RAISE_READS, Outcome.CANCELLED, "not sent", id="no answer before anything was sent"),
    ],
)
def test_a_changed_world_cancels(
    hand: ActingHand, fake: FakeAws, described: Answer, asked: Action, outcome: Outcome, detail: str
) -> None:
    fake.script("DescribeTable", described)
    verdict = hand.carry_out(asked)
    assert verdict[0] is outcome
    assert detail in verdict[1]
    assert fake.sent("UpdateTable") == []


@pytest.mark.parametrize(
    ("asked", "detail"),
    [
        pytest.param(replace(RAISE_READS, mode=Mode.ADVISE), "mode is advise", id="not a table to act on"),
        pytest.param(action(), "no change", id="nothing to do"),
        pytest.param(action(Change(TABLE_READ, 10, 0)), "below 1", id="zero units"),
        pytest.param(action(Change(TABLE_READ, 10, 20), Change(TABLE_READ, 10, 30)), "twice", id="two wishes at once"),
        pytest.param(
            action(Change(TABLE_READ, 10, 50), Change(TABLE_WRITE, 20, 10)), "increases", id="down rides with up"
        ),
        pytest.param(
            action(Change(TABLE_READ, 10, 50), Change(INDEX_READ, 30, 10)), "increases", id="even on an index"
        ),
        pytest.param(
            action(Change(TABLE_READ, 5, 6), Change(TABLE_WRITE, 5, 6), lever=Lever.FLOOR),
            "one change",
            id="two floors",
        ),
    ],
)
def test_what_must_never_be_sent_is_not_even_described(
    hand: ActingHand, fake: FakeAws, asked: Action, detail: str
) -> None:
    verdict = hand.carry_out(asked)
    assert verdict[0] is Outcome.INVALID
    assert detail in verdict[1]
    assert fake.calls == []


DECREASES = (
    "Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC day. After the first 4 "
    "decreases, each subsequent decrease in the same UTC day can be performed at most once every 3600 seconds."
)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        pytest.param(
            fault("ResourceInUseException", "Table IOPS are currently being updated"), Outcome.BUSY, id="busy"
        ),
        pytest.param(fault("LimitExceededException", DECREASES), Outcome.BUDGET, id="out of decreases"),
        pytest.param(
            fault("LimitExceededException", "Subscriber limit exceeded: Only 1 online index can be created"),
            Outcome.BUSY,
            id="an index is being made",
        ),
        pytest.param(
            fault("LimitExceededException", "Too many operations for a given subscriber"), Outcome.BUSY, id="too many"
        ),
        pytest.param(
            fault("LimitExceededException", "units are above the per table/index maximum of 40000"),
            Outcome.QUOTA,
            id="the table's quota",
        ),
        pytest.param(
            fault(
                "LimitExceededException", "would have caused the ReadCapacityUnits limit to be exceeded for the account"
            ),
            Outcome.QUOTA,
            id="the account's quota",
        ),
        pytest.param(
            fault("ValidationException", "will not change. The requested value equals the current value"),
            Outcome.UNCHANGED,
            id="same as before",
        ),
        pytest.param(
            fault(
                "ValidationException",
                "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
            ),
            Outcome.CANCELLED,
            id="on demand since a moment ago",
        ),
        pytest.param(fault("ValidationException", "something else"), Outcome.INVALID, id="another mistake of ours"),
        pytest.param(fault("ResourceNotFoundException"), Outcome.GONE, id="gone since a moment ago"),
        pytest.param(
            fault("ThrottlingException", "The rate of control plane requests made by this account is too high"),
            Outcome.THROTTLED,
            id="too fast",
        ),
        pytest.param(fault("AccessDeniedException"), Outcome.DENIED, id="not allowed"),
        pytest.param(fault("UnrecognizedClientException"), Outcome.DENIED, id="bad credentials"),
        pytest.param(fault("InternalServerError", status=500), Outcome.UNKNOWN, id="AWS failed: done or not?"),
        pytest.param(HTML_500, Outcome.UNKNOWN, id="a web page: done or not?"),
        pytest.param(fault("SomethingNew"), Outcome.INVALID, id="a refusal nobody knows yet"),
    ],
)
def test_every_error_has_its_outcome_and_no_second_try(
    hand: ActingHand, fake: FakeAws, answer: Reply, outcome: Outcome
) -> None:
    fake.script("UpdateTable", answer)
    verdict = hand.carry_out(RAISE_READS)
    assert verdict[0] is outcome
    assert verdict[1].startswith("UpdateTable of table orders: ")
    assert len(fake.sent("UpdateTable")) == 1


def test_a_silent_server_leaves_the_outcome_unknown(fake: FakeAws, hand: ActingHand) -> None:
    fake.script("UpdateTable", Reply(0, ""))  # a status line that is none: the connection breaks
    assert hand.carry_out(RAISE_READS)[0] is Outcome.UNKNOWN


FLOOR = action(Change(TABLE_READ, 5, 50), lever=Lever.FLOOR)


@pytest.mark.parametrize(
    ("targets", "answer", "outcome", "sent"),
    [
        pytest.param([target("table/orders", "table:ReadCapacityUnits")], {}, Outcome.APPLIED, 1, id="moved"),
        pytest.param([], {}, Outcome.CANCELLED, 0, id="no target any more"),
        pytest.param(
            [target("table/orders", "table:ReadCapacityUnits")],
            fault("ConcurrentUpdateException"),
            Outcome.BUSY,
            1,
            id="someone else is at it",
        ),
        pytest.param(
            [target("table/orders", "table:ReadCapacityUnits")],
            fault("ObjectNotFoundException"),
            Outcome.GONE,
            1,
            id="gone since a moment ago",
        ),
        pytest.param(
            [target("table/orders", "table:ReadCapacityUnits")],
            fault("AccessDeniedException"),
            Outcome.DENIED,
            1,
            id="not allowed",
        ),
    ],
)
def test_a_floor_is_moved_by_auto_scaling(
    hand: ActingHand, fake: FakeAws, targets: list[dict[str, Any]], answer: Answer, outcome: Outcome, sent: int
) -> None:
    fake.script("DescribeScalableTargets", {"ScalableTargets": targets})
    fake.script("RegisterScalableTarget", answer)
    assert hand.carry_out(FLOOR)[0] is outcome
    assert len(fake.sent("RegisterScalableTarget")) == sent
    assert fake.sent("UpdateTable") == []


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        pytest.param(
            action(Change(TABLE_READ, 10, 50), Change(INDEX_WRITE, 40, 80)),
            "act mode would have set reads from 10 to 50, writes of index by-day from 40 to 80",
            id="capacity",
        ),
        pytest.param(FLOOR, "act mode would have set the scaling floor of reads from 5 to 50", id="floor"),
    ],
)
def test_the_advising_hand_touches_nothing(asked: Action, sentence: str) -> None:
    assert AdvisingHand().carry_out(asked) == (Outcome.ADVISED, sentence)


class OneToOne(SimulatedClock):
    """Moved by hand, but says what a real clock would."""

    def real_seconds(self, seconds: float) -> float:
        return seconds


class TestPacer:
    def test_turns_are_spaced_and_only_early_comers_wait(self) -> None:
        waits: list[float] = []

        clock = OneToOne(0)

        def wait(seconds: float) -> None:
            waits.append(seconds)
            clock.advance(seconds)

        pacer = MutationPacer(clock, wait)
        pacer.turn()
        assert waits == []  # the first goes at once
        pacer.turn()
        assert waits == pytest.approx([MUTATION_SPACING])
        clock.advance(MUTATION_SPACING)
        pacer.turn()
        assert len(waits) == 1  # exactly the spacing later is late enough
        clock.advance(MUTATION_SPACING - 0.1)
        pacer.turn()
        assert waits[1:] == pytest.approx([0.1])

    def test_a_stepping_wall_clock_changes_nothing(self, clock: SimulatedClock) -> None:
        waits: list[float] = []
        pacer = MutationPacer(clock, waits.append)
        pacer.turn()
        clock.step_wall(3600)
        pacer.turn()
        assert len(waits) == 1

    def test_the_wait_is_in_real_seconds(self) -> None:
        waits: list[float] = []
        pacer = MutationPacer(ScaledClock(1000.0, 0.0), waits.append, spacing=1000.0)
        pacer.turn()
        pacer.turn()
        assert 0.5 < waits[0] <= 1.0

    def test_threads_get_turns_of_their_own(self) -> None:
        waits: list[float] = []
        pacer = MutationPacer(OneToOne(0), waits.append, spacing=1.0)
        threads = [threading.Thread(target=pacer.turn) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(waits) == [1.0, 2.0, 3.0, 4.0]

    def test_the_hand_takes_a_turn_before_it_looks(
        self, faked: AwsClients, fake: FakeAws, clock: SimulatedClock
    ) -> None:
        seen: list[int] = []
        pacer = MutationPacer(clock, lambda _seconds: seen.append(len(fake.calls)))
        fake.script("DescribeTable", table())
        fake.script("UpdateTable", {"TableDescription": {}})
        hand = hand_of(faked, clock, pacer=pacer)
        hand.carry_out(RAISE_READS)
        hand.carry_out(RAISE_READS)
        assert seen == [2]  # the second waited before its DescribeTable, after the first's two calls


def test_against_a_stand_in_server(moto: AwsClients, clock: SimulatedClock) -> None:
    client = moto.dynamodb(REGION)
    client.create_table(
        TableName="orders",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "day")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        ProvisionedThroughput={"ReadCapacityUnits": 10, "WriteCapacityUnits": 20},
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-day",
                "KeySchema": [{"AttributeName": "day", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
                "ProvisionedThroughput": {"ReadCapacityUnits": 30, "WriteCapacityUnits": 40},
            }
        ],
    )
    hand = hand_of(moto, clock)
    outcome, detail = hand.carry_out(action(Change(TABLE_READ, 10, 50), Change(INDEX_WRITE, 40, 80)))
    assert (outcome, detail) == (
        Outcome.APPLIED,
        "",
    )
    seen = DynamoTables(client, clock.now).describe("orders").throughputs
    assert seen[""].units == {Kind.READ: 50, Kind.WRITE: 20}
    assert seen["by-day"].units == {Kind.READ: 30, Kind.WRITE: 80}
    assert hand.carry_out(RAISE_READS)[0] is Outcome.CANCELLED
