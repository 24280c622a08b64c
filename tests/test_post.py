"""The post room: everything is delivered, in order within an incident, with patience, whatever breaks meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.store.samples import ORDERS, OTHER_TOPIC, TOPIC, USERS, T, alert, intent, switch_intent
from tests.support.wire import RecordingTelemetry, Wire, always, disk_full
from watcher.core.model import Alert, Settlement
from watcher.core.reasons import Outcome
from watcher.errors import DeliveryError
from watcher.ports import CycleRecord, Outgoing, Store
from watcher.post import BATCH, FIRST_RETRY, GIVE_UP_AFTER, LONGEST_RETRY, Post
from watcher.store.memory import MemoryStore
from watcher.store.sqlite import SqliteStore


@dataclass
class Topics:
    """SNS with switches. refused: topics that fail with an error worth retrying. gone: topics that will never work."""

    topics: tuple[str, ...] = (TOPIC,)
    refused: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    sent: list[Outgoing] = field(default_factory=list)
    tries: list[str] = field(default_factory=list)

    def topics_for(self, _alert: Alert) -> list[str]:
        return list(self.topics)

    def publish(self, outgoing: Outgoing) -> None:
        self.tries.append(outgoing.id)
        if outgoing.topic_arn in self.gone:
            raise DeliveryError("the topic does not exist", subject=outgoing.topic_arn, retryable=False)
        if outgoing.topic_arn in self.refused:
            raise DeliveryError("connection refused", subject=outgoing.topic_arn)
        self.sent.append(outgoing)

    def told(self, topic: str = TOPIC) -> list[str]:
        return [one.alert.id for one in self.sent if one.topic_arn == topic]


class Desk:
    """A post room on a real store, with a wire between them."""

    def __init__(self, store: Store | None = None) -> None:
        self.store = store or MemoryStore()
        self.wire = Wire()
        self.topics = Topics()
        self.telemetry = RecordingTelemetry()
        self.post = Post(self.wire.store(self.store), self.topics, self.telemetry)

    def record(self, *alerts: Alert) -> None:
        """As the cycle does when the store takes it."""
        self.store.record(CycleRecord(T, outgoing=[*self.post.unstored, *self.post.address(alerts)]))
        self.post.stored()

    def keep(self, *alerts: Alert) -> None:
        """As the cycle does when the store is lost."""
        self.post.keep_unstored(self.post.address(alerts))


def test_addressing_makes_one_message_for_each_topic_with_a_lasting_id() -> None:
    desk = Desk()
    desk.topics.topics = (TOPIC, OTHER_TOPIC)
    once, again = desk.post.address([alert(1), alert(2)]), desk.post.address([alert(1), alert(2)])
    assert once == again
    assert len({(one.id, one.topic_arn) for one in once}) == 4
    desk.topics.topics = ()
    assert desk.post.address([alert()]) == []


def test_what_is_due_is_delivered_in_order_and_in_one_round() -> None:
    desk = Desk()
    desk.record(alert(1), alert(2), alert(1, "users-1", table=USERS))
    done = desk.post.deliver(T, ())
    assert (done.delivered, done.failed, done.dead, done.waiting) == (3, 0, 0, 0)
    assert desk.topics.told() == ["orders-1-1", "users-1-1", "orders-1-2"]
    assert desk.post.deliver(T, ()).delivered == 0


def test_patience_doubles_from_half_a_minute_to_half_an_hour() -> None:
    desk = Desk()
    desk.record(alert())
    desk.topics.refused = {TOPIC}
    waits = []
    now = T
    for _ in range(9):
        assert desk.post.deliver(now, ()).failed == 1
        later = now
        while not desk.store.outbox(later, 1):
            assert desk.post.deliver(later, ()).failed == 0  # not before its time
            later += 1
        waits.append(later - now)
        now = later
    assert waits == [FIRST_RETRY, 60, 120, 240, 480, 960, LONGEST_RETRY, LONGEST_RETRY, LONGEST_RETRY]


def test_down_for_several_rounds_then_up_everything_arrives_in_order() -> None:
    desk = Desk()
    desk.topics.refused = {TOPIC}
    for number in range(1, 5):
        desk.record(alert(number))
        desk.post.deliver(T + 60 * number, ())
    assert desk.topics.sent == []
    desk.topics.refused = set()
    # The first one's patience: 30 s after 60, so tried again at 120, then 60 s on: at 180, then not before 300.
    assert desk.post.deliver(T + 240, ()).delivered == 0
    done = desk.post.deliver(T + 300, ())
    assert (done.delivered, done.waiting) == (4, 0)
    assert desk.topics.told() == [f"orders-1-{number}" for number in range(1, 5)]


def test_a_dead_topic_does_not_hold_up_the_other_one() -> None:
    desk = Desk()
    desk.topics.topics = (TOPIC, OTHER_TOPIC)
    desk.topics.refused = {TOPIC}
    desk.record(alert(1), alert(2))
    done = desk.post.deliver(T, ())
    assert desk.topics.told(OTHER_TOPIC) == ["orders-1-1", "orders-1-2"]
    assert (done.delivered, done.failed, done.waiting) == (2, 1, 2)


def test_a_silent_topic_costs_one_attempt_a_round_however_many_messages_wait() -> None:
    desk = Desk()
    desk.topics.refused = {TOPIC}
    desk.record(*(alert(1, f"incident-{number}") for number in range(50)))
    done = desk.post.deliver(T, ())
    assert len(desk.topics.tries) == 1
    assert (done.failed, done.waiting) == (50, 50)
    desk.topics.refused = set()
    assert desk.post.deliver(T + FIRST_RETRY, ()).delivered == 50


@pytest.mark.parametrize(
    ("attempts", "gives_up"),
    [
        pytest.param(GIVE_UP_AFTER - 2, False, id="one attempt is left"),
        pytest.param(GIVE_UP_AFTER - 1, True, id="this was the last one"),
    ],
)
def test_patience_ends(attempts: int, gives_up: bool) -> None:  # noqa: FBT001 - a column of the table
    desk = Desk()
    desk.topics.refused = {TOPIC}
    (message,) = desk.post.address([alert()])
    desk.store.record(CycleRecord(T, outgoing=[message]))
    for _ in range(attempts):
        desk.store.failed(message, T, "before", T)
    done = desk.post.deliver(T, ())
    assert (done.failed, done.dead) == (1, int(gives_up))
    assert done.waiting == (0 if gives_up else 1)
    assert desk.telemetry.troubles[-1][1]["dead"] is gives_up


def test_what_would_fail_the_same_way_again_is_given_up_at_once_and_lets_the_next_through() -> None:
    desk = Desk()
    desk.topics.gone = {TOPIC}
    desk.record(alert(1))
    assert desk.post.deliver(T, ()).dead == 1
    desk.topics.gone = set()
    desk.record(alert(2))
    assert desk.post.deliver(T, ()).delivered == 1
    assert desk.topics.told() == ["orders-1-2"]


def test_a_flood_is_cut_into_rounds() -> None:
    desk = Desk()
    desk.record(*(alert(1, f"incident-{number}") for number in range(BATCH + 30)))
    assert desk.post.deliver(T, ()).delivered == BATCH
    assert desk.post.deliver(T, ()).delivered == 30


# ---- outcomes


def answered(outcome: Outcome, detail: str = "", time: float = T) -> Settlement:
    return Settlement(intent(time=time), outcome, time + 2, detail)


@pytest.mark.parametrize(
    ("settlement", "expected"),
    [
        pytest.param(
            answered(Outcome.APPLIED), "raised writes from 100 to 400 Outcome: applied.", id="what AWS accepted"
        ),
        pytest.param(
            answered(Outcome.QUOTA, "above the maximum"),
            "raised writes from 100 to 400 Outcome: quota (above the maximum).",
            id="what AWS refused, in its words",
        ),
        pytest.param(
            answered(Outcome.APPLIED, time=T - 60), "raised writes from 100 to 400", id="not the answer to another one"
        ),
    ],
)
def test_a_message_tells_what_became_of_the_change_it_announces(settlement: Settlement, expected: str) -> None:
    desk = Desk()
    desk.record(alert())
    desk.post.deliver(T, [settlement])
    assert desk.topics.sent[0].alert.done == expected


def test_what_is_sampled_because_of_an_incident_is_told_beside_its_change() -> None:
    switched = Settlement(switch_intent(), Outcome.APPLIED, T + 3)
    desk = Desk()
    desk.record(alert())
    desk.post.deliver(T, [answered(Outcome.APPLIED), switched])
    assert desk.topics.sent[0].alert.done == (
        "raised writes from 100 to 400 Outcome: applied. Sampling of all keys of index by-day: applied."
    )


def test_a_message_delivered_hours_later_tells_it_too() -> None:
    desk = Desk()
    desk.topics.refused = {TOPIC}
    desk.record(alert())
    desk.post.deliver(T, [answered(Outcome.QUOTA)])
    desk.topics.refused = set()
    desk.post.deliver(T + 3600, ())
    assert desk.topics.sent[0].alert.done.endswith("Outcome: quota.")


def test_the_answer_of_an_older_change_in_the_same_round_does_not_hide_the_newer_one() -> None:
    desk = Desk()
    desk.record(alert())
    desk.post.deliver(T, [answered(Outcome.SUPERSEDED, time=T - 60), answered(Outcome.APPLIED)])
    assert desk.topics.sent[0].alert.done.endswith("Outcome: applied.")


# ---- the store is lost


def lost(desk: Desk, *calls: str) -> None:
    for call in calls:
        desk.wire.faults[f"store.{call}"] = always(disk_full())


def test_while_the_store_is_lost_messages_go_out_from_memory_once_and_in_order() -> None:
    desk = Desk()
    lost(desk, "outbox", "delivered", "failed", "waiting")
    desk.keep(alert(1))
    desk.topics.refused = {TOPIC}
    assert desk.post.deliver(T, ()).failed == 1
    desk.keep(alert(2))
    # The second waits behind the first: one attempt, not two.
    done = desk.post.deliver(T + 60, ())
    assert (done.failed, done.waiting) == (1, None)
    desk.topics.refused = set()
    assert desk.post.deliver(T + 120, ()).delivered == 2
    assert desk.topics.told() == ["orders-1-1", "orders-1-2"]
    assert desk.post.deliver(T + 180, ()).delivered == 0


def test_what_waited_in_memory_goes_into_the_store_before_anything_newer() -> None:
    desk = Desk()
    desk.topics.refused = {TOPIC}
    desk.keep(alert(1))
    desk.post.deliver(T, ())
    desk.record(alert(2))
    assert desk.post.unstored == ()
    desk.topics.refused = set()
    desk.post.deliver(T, ())
    assert desk.topics.told() == ["orders-1-1", "orders-1-2"]


def test_a_message_in_memory_waits_behind_the_undelivered_one_in_the_store() -> None:
    # Told the other way round, "resolved" before "open", a pager would show an incident for ever.
    desk = Desk()
    desk.topics.refused = {TOPIC}
    desk.record(alert(1))
    desk.post.deliver(T, ())
    lost(desk, "outbox")
    desk.topics.refused = set()
    desk.keep(alert(2), alert(1, "users-1", table=USERS))
    desk.post.deliver(T + 60, ())
    assert desk.topics.told() == ["users-1-1"]
    desk.wire.faults.clear()
    desk.post.deliver(T + 120, ())
    assert desk.topics.told() == ["users-1-1", "orders-1-1", "orders-1-2"]


def test_in_memory_too_what_would_fail_again_is_given_up() -> None:
    desk = Desk()
    lost(desk, "outbox")
    desk.topics.gone = {TOPIC}
    desk.keep(alert(1))
    assert desk.post.deliver(T, ()).dead == 1
    assert desk.post.deliver(T, ()).failed == 0
    assert len(desk.topics.tries) == 1


def test_a_message_both_in_memory_and_in_the_store_goes_out_once() -> None:
    # The store took the record and only its answer was lost.
    desk = Desk()
    messages = desk.post.address([alert(1)])
    desk.store.record(CycleRecord(T, outgoing=messages))
    desk.post.keep_unstored(messages)
    desk.post.deliver(T, ())
    assert desk.topics.told() == ["orders-1-1"]
    assert desk.post.unstored == ()


@pytest.mark.parametrize("call", ["delivered", "failed", "waiting"])
def test_a_store_that_can_only_be_read_repeats_nothing_and_holds_up_nobody(call: str) -> None:
    desk = Desk()
    desk.record(alert(1), alert(1, "users-1", table=USERS))
    lost(desk, call)
    for minute in range(5):
        desk.post.deliver(T + 60 * minute, ())
    assert desk.topics.told() == ["orders-1-1", "users-1-1"]
    desk.wire.faults.clear()
    assert desk.post.deliver(T + 300, ()).waiting == 0
    assert len(desk.topics.sent) == 2


def test_a_bug_in_the_notifier_loses_nothing_that_waits_in_memory() -> None:
    desk = Desk()
    lost(desk, "outbox")
    desk.keep(alert(1), alert(2))
    healthy = desk.topics

    class Broken(Topics):
        def publish(self, outgoing: Outgoing) -> None:
            raise RuntimeError(outgoing.id)

    desk.post.use(Broken())
    with pytest.raises(RuntimeError):
        desk.post.deliver(T, ())
    desk.post.use(healthy)
    assert desk.post.deliver(T, ()).delivered == 2


def test_after_a_restart_the_file_knows_what_is_still_to_be_told(tmp_path: Path) -> None:
    path = tmp_path / "watcher.db"
    first = SqliteStore(path)
    desk = Desk(first)
    desk.record(alert(1), alert(2), replace(alert(1, "users-1"), table=USERS))
    desk.topics.refused = {TOPIC}
    desk.post.deliver(T, ())
    first.close()
    second = SqliteStore(path)
    desk = Desk(second)
    assert desk.post.deliver(T + FIRST_RETRY - 1, ()).delivered == 0
    assert desk.post.deliver(T + FIRST_RETRY, ()).delivered == 3
    assert desk.topics.told() == ["orders-1-1", "users-1-1", "orders-1-2"]
    assert second.alerts()[0].table in (ORDERS, USERS)
    second.close()
