"""The contract of a store, run over every engine. What a method means is said in watcher/ports.py."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.store.samples import (
    ORDERS,
    ORDERS_EU,
    OTHER_TOPIC,
    TOPIC,
    USERS,
    T,
    alert,
    decision,
    intent,
    learned,
    outgoing,
    pause,
    region_state,
    settlement,
    state,
    state_with_caches,
)
from watcher.core.learned import Learned
from watcher.core.model import TABLE_READ, TABLE_WRITE, Dimension, Kind
from watcher.core.reasons import IncidentState, Outcome
from watcher.core.region_state import RegionState
from watcher.core.state import DimensionState, TableState
from watcher.errors import StoreError
from watcher.ports import CycleRecord, Outgoing, Store, Thread
from watcher.store.learned import as_kept
from watcher.store.memory import MemoryStore
from watcher.store.sqlite import SqliteStore

ENGINES: dict[str, Callable[[Path], Store]] = {
    "sqlite": lambda folder: SqliteStore(folder / "watcher.db"),
    "memory": lambda _: MemoryStore(),
}


@pytest.fixture(params=ENGINES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = ENGINES[request.param](tmp_path)
    yield opened
    opened.close()


def outcomes(store: Store) -> list[Outcome]:
    return [one.outcome for one in store.history()]


def due(store: Store, now: float = T) -> list[tuple[str, str]]:
    """Every message to be told, thread by thread."""
    return [(message.id, message.topic_arn) for message in messages(store, now)]


def messages(store: Store, now: float = T) -> list[Outgoing]:
    return [message for thread in store.outbox(now) for message in thread.messages]


def told(store: Store, now: float = T) -> dict[str, bool]:
    """Of each thread that waits, whether its topic holds the incident for open; by the incident."""
    return {thread.incident: thread.told for thread in store.outbox(now)}


# -- states -----------------------------------------------------------------------------------------------------------


def test_a_new_store_is_empty(store: Store) -> None:
    assert store.load() == {}
    assert list(store.open_intents()) == []
    assert list(store.history()) == []
    assert list(store.alerts()) == []
    assert not any([store.outbox(T), store.pauses(T), store.hearers("orders-1")])
    assert store.load_regions() == {}


def test_states_come_back_per_table_of_account_and_region(store: Store) -> None:
    states = {ORDERS: state(1), ORDERS_EU: state(2), replace(ORDERS, account="210987654321"): state(3)}
    store.record(CycleRecord(T, states=states))
    assert store.load() == states


def test_the_newest_state_wins_and_other_tables_keep_theirs(store: Store) -> None:
    store.record(CycleRecord(T, states={ORDERS: state(1), USERS: state(2)}))
    store.record(CycleRecord(T + 60, states={ORDERS: state(3)}))
    assert store.load() == {ORDERS: state(3), USERS: state(2)}


def test_caches_come_back_empty(store: Store) -> None:
    store.record(CycleRecord(T, states={ORDERS: state_with_caches()}))
    assert store.load()[ORDERS].dimensions == {TABLE_READ: DimensionState()}


def test_what_was_learned_is_kept_of_the_tables_named_only(store: Store) -> None:
    known = as_kept({TABLE_READ: learned()})[TABLE_READ]
    states = {key: TableState({TABLE_READ: DimensionState(expected=7, learned=known)}) for key in (ORDERS, USERS)}
    store.record(CycleRecord(T, states, learned=[ORDERS]))
    forgotten = TableState({TABLE_READ: DimensionState(expected=7)})
    assert store.load() == {ORDERS: states[ORDERS], USERS: forgotten}


def test_what_was_learned_stands_until_it_is_written_again(store: Store) -> None:
    first, second = (as_kept({TABLE_READ: learned(seed=seed)})[TABLE_READ] for seed in (1, 2))
    store.record(CycleRecord(T, {ORDERS: of_read(first)}, learned=[ORDERS]))
    store.record(CycleRecord(T + 60, {ORDERS: of_read(second)}))
    store.settle([], {ORDERS: of_read(second)})
    assert store.load() == {ORDERS: of_read(first)}
    store.record(CycleRecord(T + 120, {ORDERS: of_read(second)}, learned=[ORDERS]))
    assert store.load() == {ORDERS: of_read(second)}


def test_every_engine_rounds_what_was_learned_alike(store: Store) -> None:
    store.record(CycleRecord(T, {ORDERS: of_read(learned())}, learned=[ORDERS]))
    assert store.load() == {ORDERS: of_read(as_kept({TABLE_READ: learned()})[TABLE_READ])}


def test_a_forgotten_table_that_comes_back_has_learned_nothing(store: Store) -> None:
    store.record(CycleRecord(T, {ORDERS: of_read(learned())}, learned=[ORDERS]))
    store.forget(ORDERS)
    store.record(CycleRecord(T + 60, {ORDERS: of_read(learned())}))
    assert store.load() == {ORDERS: TableState({TABLE_READ: DimensionState()})}


def test_what_was_learned_of_an_index_that_is_gone_is_left_out(store: Store) -> None:
    store.record(CycleRecord(T, {ORDERS: of_read(learned())}, learned=[ORDERS]))
    store.record(CycleRecord(T + 60, {ORDERS: TableState({TABLE_WRITE: DimensionState(expected=3)})}))
    assert store.load() == {ORDERS: TableState({TABLE_WRITE: DimensionState(expected=3)})}


def of_read(known: Learned) -> TableState:
    return TableState({TABLE_READ: DimensionState(learned=known)})


def test_forgetting_a_table_drops_its_state_and_keeps_its_history(store: Store) -> None:
    store.record(CycleRecord(T, states={ORDERS: state(), ORDERS_EU: state()}, decisions=[decision()]))
    store.forget(ORDERS)
    store.forget(USERS)  # one that was never known
    assert store.load() == {ORDERS_EU: state()}
    assert list(store.history()) == [decision()]


# -- intents ----------------------------------------------------------------------------------------------------------


def test_only_the_decisions_an_intent_came_from_are_pending(store: Store) -> None:
    index = Dimension("by-customer", Kind.WRITE)
    record = CycleRecord(
        T,
        decisions=[
            decision(T, sentence="changed"),
            decision(T - 1, dimension=index, sentence="changed with it"),
            decision(T - 2, dimension=TABLE_READ, sentence="another dimension"),
            decision(T - 3, table=ORDERS_EU, sentence="another Region's table", outcome=Outcome.ADVISED),
        ],
        intents=[intent(dimensions=(TABLE_WRITE, index))],
    )
    store.record(record)
    assert outcomes(store) == [Outcome.PENDING, Outcome.PENDING, Outcome.NONE, Outcome.ADVISED]


def test_an_intent_claims_no_decision_of_another_cycle(store: Store) -> None:
    store.record(CycleRecord(T - 60, decisions=[decision(T - 60)]))
    store.record(CycleRecord(T, decisions=[decision(T)], intents=[intent()]))
    store.settle([settlement(intent())], {})
    assert outcomes(store) == [Outcome.APPLIED, Outcome.NONE]


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.PENDING])
def test_settling_closes_the_intent_and_tells_its_decisions(store: Store, outcome: Outcome) -> None:
    store.record(
        CycleRecord(T, decisions=[decision(), decision(T - 1, USERS)], intents=[intent(), intent(2, T, USERS)])
    )
    store.settle([settlement(intent(), outcome)], {ORDERS: state(7)})
    assert list(store.open_intents()) == [intent(2, T, USERS)]
    assert outcomes(store) == [outcome, Outcome.PENDING]
    assert store.load() == {ORDERS: state(7)}


def test_the_last_word_on_an_intent_counts(store: Store) -> None:
    """An unknown outcome is settled again when the next DescribeTable shows it."""
    store.record(CycleRecord(T, decisions=[decision()], intents=[intent()]))
    store.settle([settlement(intent(), Outcome.UNKNOWN)], {})
    store.settle([settlement(intent(), Outcome.APPLIED, T + 60)], {})
    assert outcomes(store) == [Outcome.APPLIED]
    assert list(store.open_intents()) == []


def test_settling_what_was_never_recorded_changes_nothing(store: Store) -> None:
    store.record(CycleRecord(T, states={ORDERS: state(1)}, decisions=[decision()], intents=[intent()]))
    with pytest.raises(StoreError, match="intent 1790000000-2 was never recorded"):
        store.settle([settlement(intent()), settlement(intent(2))], {ORDERS: state(2)})
    assert list(store.open_intents()) == [intent()]
    assert outcomes(store) == [Outcome.PENDING]
    assert store.load() == {ORDERS: state(1)}


def test_open_intents_are_oldest_first(store: Store) -> None:
    newest, oldest, middle = intent(1, T + 9), intent(2, T), intent(3, T)
    store.record(CycleRecord(T, intents=[newest, middle]))
    store.record(CycleRecord(T, intents=[oldest]))
    assert list(store.open_intents()) == [oldest, middle, newest]


def test_an_intent_recorded_twice_fails_and_nothing_of_that_record_is_kept(store: Store) -> None:
    store.record(CycleRecord(T, states={ORDERS: state(1)}, intents=[intent()]))
    again = CycleRecord(
        T,
        states={ORDERS: state(2), USERS: state(3)},
        decisions=[decision()],
        intents=[intent(2), intent()],
        outgoing=[outgoing()],
    )
    with pytest.raises(StoreError, match="recording"):
        store.record(again)
    assert store.load() == {ORDERS: state(1)}
    assert list(store.open_intents()) == [intent()]
    assert (list(store.history()), list(store.alerts()), due(store)) == ([], [], [])


# -- outbox -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("next_attempt", "is_due"),
    [
        pytest.param(T - 1, True, id="due since a second"),
        pytest.param(T, True, id="due this instant"),
        pytest.param(T + 0.001, False, id="due in a moment"),
    ],
)
def test_a_message_is_handed_out_from_its_instant_on(store: Store, next_attempt: float, is_due: bool) -> None:  # noqa: FBT001 - a table's column
    store.record(CycleRecord(T, outgoing=[outgoing(next_attempt=next_attempt)]))
    assert messages(store) == ([outgoing(next_attempt=next_attempt)] if is_due else [])


def test_threads_come_oldest_first_each_with_all_its_messages(store: Store) -> None:
    threads = [outgoing(alert(incident=name)) for name in ("c", "a", "b")]
    more = outgoing(alert(2, "a"))
    store.record(CycleRecord(T, outgoing=threads))
    store.record(CycleRecord(T, outgoing=[more]))
    assert store.outbox(T) == [
        Thread("c", TOPIC, (threads[0],), told=False),
        Thread("a", TOPIC, (threads[1], more), told=False),
        Thread("b", TOPIC, (threads[2],), told=False),
    ]


def test_an_incident_is_told_on_each_topic_apart(store: Store) -> None:
    both = [outgoing(alert(number), topic) for number in (1, 2) for topic in (TOPIC, OTHER_TOPIC)]
    store.record(CycleRecord(T, outgoing=both))
    store.delivered([both[0]], T)
    assert store.outbox(T) == [
        Thread("orders-1", OTHER_TOPIC, (both[1], both[3]), told=False),
        Thread("orders-1", TOPIC, (both[2],), told=True),
    ]


def test_a_message_waiting_for_its_next_attempt_holds_the_rest_of_its_incident(store: Store) -> None:
    first, second, other = outgoing(alert(1)), outgoing(alert(2)), outgoing(alert(1, "users-9"))
    store.record(CycleRecord(T, outgoing=[first, second, other]))
    store.failed([first], T, "Throttling", T + 30)
    assert due(store, T + 29) == [("users-9-1", TOPIC)]
    assert messages(store, T + 30) == [
        replace(first, attempts=1, next_attempt=T + 30, first_failed_at=T),
        second,
        other,
    ]


def test_a_message_remembers_when_it_failed_first(store: Store) -> None:
    store.record(CycleRecord(T, outgoing=[outgoing()]))
    for after in (0.0, 60.0, 120.0):
        store.failed([outgoing()], T + after, "Throttling", 0.0)
    assert [(one.attempts, one.first_failed_at) for one in messages(store)] == [(3, T)]


def test_a_message_given_up_lets_the_next_one_go(store: Store) -> None:
    first, second = outgoing(alert(1)), outgoing(alert(2))
    store.record(CycleRecord(T, outgoing=[first, second]))
    store.failed([first], T, "NotFound", None)
    assert messages(store) == [second]
    assert len(store.alerts()) == 2


def end(sequence: int = 2, incident: str = "orders-1") -> Outgoing:
    return outgoing(replace(alert(sequence, incident), state=IncidentState.RESOLVED))


@pytest.mark.parametrize(
    ("closed", "how", "is_told"),
    [
        pytest.param([outgoing(alert(1))], "delivered", True, id="told of it"),
        pytest.param([outgoing(alert(1)), outgoing(alert(2))], "delivered", True, id="told of it in one story"),
        pytest.param([outgoing(alert(1)), end()], "delivered", False, id="told of its end, too"),
        pytest.param([outgoing(alert(1))], "failed", False, id="never told: the message was given up"),
        pytest.param([outgoing(alert(1)), end()], "silenced", False, id="never told: a pause made it pointless"),
    ],
)
def test_a_topic_holds_an_incident_for_open_until_it_hears_of_its_end(
    store: Store,
    closed: list[Outgoing],
    how: str,
    is_told: bool,  # noqa: FBT001 - a column of the table
) -> None:
    later = outgoing(alert(3))
    store.record(CycleRecord(T, outgoing=[*closed, later]))
    if how == "failed":
        store.failed(closed, T, "NotFound", None)
    else:
        getattr(store, how)(closed, T)
    assert told(store) == {"orders-1": is_told}
    assert messages(store) == [later]


@pytest.mark.parametrize("how", ["delivered", "failed", "silenced"])
def test_an_end_is_an_end_whether_it_arrives_or_not(store: Store, how: str) -> None:
    first, last, again = outgoing(alert(1)), end(), outgoing(alert(3))
    store.record(CycleRecord(T, outgoing=[first, last, again]))
    store.delivered([first], T)
    assert told(store) == {"orders-1": True}
    if how == "failed":
        store.failed([last], T, "NotFound", None)
    else:
        getattr(store, how)([last], T)
    assert told(store) == {"orders-1": False}


def test_an_incident_open_for_longer_than_messages_are_kept_is_still_told(store: Store) -> None:
    store.record(CycleRecord(T, outgoing=[outgoing(alert(1))]))
    store.delivered([outgoing(alert(1))], T)
    store.prune(T + 90 * 86_400)
    assert store.alerts() == []
    assert list(store.hearers("orders-1")) == [TOPIC]
    store.record(CycleRecord(T, outgoing=[end()]))
    assert told(store) == {"orders-1": True}


def test_who_hears_of_an_incident_has_been_told_of_it_or_is_to_be(store: Store) -> None:
    third = "arn:aws:sns:us-east-1:123456789012:third"
    open_here, over_there, waits = outgoing(alert(1)), outgoing(alert(1), OTHER_TOPIC), outgoing(alert(1), third)
    ended = replace(end(), topic_arn=OTHER_TOPIC)
    store.record(CycleRecord(T, outgoing=[open_here, over_there, waits, ended, outgoing(alert(1, "users-9"), "else")]))
    store.delivered([open_here], T)
    store.delivered([over_there, ended], T)
    assert sorted(store.hearers("orders-1")) == [TOPIC, third]


def test_messages_are_closed_together_or_not_at_all(store: Store) -> None:
    known, stranger = outgoing(alert(1)), outgoing(alert(2))
    store.record(CycleRecord(T, outgoing=[known]))
    refusals: list[Callable[[list[Outgoing]], None]] = [
        lambda both: store.delivered(both, T),
        lambda both: store.silenced(both, T),
        lambda both: store.failed(both, T, "NotFound", None),
    ]
    for close in refusals:
        with pytest.raises(StoreError, match=r"orders-1-2 to .* is not waiting for delivery"):
            close([known, stranger])
        assert messages(store) == [known]
        assert told(store) == {"orders-1": False}


def test_failed_attempts_add_up_whatever_the_caller_holds(store: Store) -> None:
    store.record(CycleRecord(T, outgoing=[outgoing()]))
    for attempt in (1, 2, 3):
        store.failed([outgoing()], T, "no answer", T + attempt)
    assert [message.attempts for message in messages(store, T + 3)] == [3]


def test_the_outbox_counts_what_is_neither_delivered_nor_silenced_nor_given_up(store: Store) -> None:
    first, second, third = outgoing(alert(1)), outgoing(alert(2)), outgoing(alert(1, "users-9"))
    store.record(CycleRecord(T, outgoing=[first, second, third]))
    assert store.waiting() == 3, "also what waits behind another message"
    store.delivered([first], T)
    assert store.waiting() == 2
    store.failed([second], T, "Throttling", T + 30)
    assert store.waiting() == 2, "a failed attempt is tried again"
    store.failed([third], T, "NotFound", None)
    assert store.waiting() == 1
    store.silenced([second], T)
    assert store.waiting() == 0


def test_a_message_recorded_twice_goes_out_once(store: Store) -> None:
    store.record(CycleRecord(T, outgoing=[outgoing()]))
    store.record(CycleRecord(T, outgoing=[outgoing()]))
    store.delivered([outgoing()], T)
    assert due(store) == []
    store.record(CycleRecord(T, outgoing=[outgoing()]))
    assert due(store) == []


def test_a_message_that_does_not_wait_cannot_be_closed(store: Store) -> None:
    with pytest.raises(StoreError, match=r"message orders-1-1 to .*capacity is not waiting for delivery"):
        store.delivered([outgoing()], T)
    store.record(CycleRecord(T, outgoing=[outgoing()]))
    store.delivered([outgoing()], T)
    with pytest.raises(StoreError, match="is not waiting for delivery"):
        store.failed([outgoing()], T, "late", None)


# -- Regions, pauses --------------------------------------------------------------------------------------------------


def test_regions_come_back_and_those_that_are_not_written_stand(store: Store) -> None:
    store.record(CycleRecord(T, regions={"us-east-1": region_state(), "eu-west-1": RegionState()}))
    store.record(CycleRecord(T, regions={"us-east-1": region_state(13)}))
    store.record(CycleRecord(T))
    assert store.load_regions() == {"us-east-1": region_state(13), "eu-west-1": RegionState()}


def test_pauses_stand_until_their_end_the_newest_first(store: Store) -> None:
    long, short = pause("orders", since=T, until=T + 7200), pause("users", since=T + 60, until=T + 120)
    for one in (long, short):
        store.pause(one)
    assert store.pauses(T + 60) == [short, long]
    assert store.pauses(T + 119.9) == [short, long]
    assert store.pauses(T + 120) == [long]
    assert store.pauses(T + 7200) == []


def test_a_pause_of_the_same_match_and_region_is_replaced(store: Store) -> None:
    everywhere, here, longer = pause(), pause(region="us-east-1"), pause(until=T + 7200)
    for one in (everywhere, here, longer):
        store.pause(one)
    assert store.pauses(T) == [longer, here]


@pytest.mark.parametrize(
    ("match", "region", "now", "was_there"),
    [
        pytest.param("orders*", "", T + 3599, True, id="the pause itself"),
        pytest.param("orders*", "us-east-1", T, False, id="not of all Regions"),
        pytest.param("orders", "", T, False, id="another match, whatever it covers"),
        pytest.param("orders*", "", T + 3600, False, id="it has ended by itself"),
    ],
)
def test_a_pause_is_ended_by_its_match_and_region(
    store: Store,
    match: str,
    region: str,
    now: float,
    was_there: bool,  # noqa: FBT001 - a column of the table
) -> None:
    store.pause(pause())
    assert store.resume(match, region, now) is was_there
    assert store.pauses(T) == ([] if was_there else [pause()])
    assert not store.resume(match, region, now)


def test_pruning_drops_pauses_that_ended_before(store: Store) -> None:
    old, newer = pause("a", until=T - 1), pause("b", until=T)
    for one in (old, newer):
        store.pause(one)
    store.prune(T)
    assert store.pauses(T - 2) == [newer]


# -- history, alerts --------------------------------------------------------------------------------------------------


def test_history_is_newest_first_and_of_one_instant_the_later_recorded_first(store: Store) -> None:
    store.record(CycleRecord(T, decisions=[decision(T, sentence="a"), decision(T, sentence="b")]))
    store.record(CycleRecord(T, decisions=[decision(T - 5, sentence="old"), decision(T + 5, sentence="new")]))
    store.record(CycleRecord(T, decisions=[decision(T, sentence="c")]))
    assert [one.sentence for one in store.history()] == ["new", "c", "b", "a", "old"]
    assert [one.sentence for one in store.history("orders")] == ["new", "c", "b", "a", "old"]
    assert [one.sentence for one in store.history(limit=2)] == ["new", "c"]
    assert [one.sentence for one in store.history("orders", limit=2)] == ["new", "c"]
    assert list(store.history(limit=0)) == list(store.history("orders", limit=-1)) == []


def test_history_of_a_name_is_of_every_region_that_has_it(store: Store) -> None:
    store.record(CycleRecord(T, decisions=[decision(T, ORDERS), decision(T + 1, ORDERS_EU), decision(T + 2, USERS)]))
    assert [one.table for one in store.history("orders")] == [ORDERS_EU, ORDERS]
    assert list(store.history("order")) == list(store.history("")) == []
    assert len(store.history()) == 3


def test_an_alert_is_remembered_once_routed_or_not(store: Store) -> None:
    routed, silent = alert(1), alert(2, time=T + 60)
    store.record(CycleRecord(T, outgoing=[outgoing(routed), outgoing(routed, OTHER_TOPIC)], alerts=[routed, silent]))
    assert list(store.alerts()) == [silent, routed]
    assert list(store.alerts(1)) == [silent]
    assert list(store.alerts(0)) == []
    assert len(due(store)) == 2


def test_alerts_of_one_instant_come_later_recorded_first(store: Store) -> None:
    store.record(CycleRecord(T, alerts=[alert(1), alert(2)]))
    store.record(CycleRecord(T, alerts=[alert(3), alert(4, time=T - 1)]))
    assert [one.sequence for one in store.alerts()] == [3, 2, 1, 4]


# -- pruning ----------------------------------------------------------------------------------------------------------


def test_pruning_drops_what_is_older_and_keeps_what_is_not(store: Store) -> None:
    for time, name in ((T - 0.001, "a"), (T, "b")):
        message = outgoing(alert(1, name, time), next_attempt=time)
        store.record(CycleRecord(time, decisions=[decision(time, sentence=name)], outgoing=[message]))
        store.delivered([message], time)
    store.prune(T)
    assert [one.sentence for one in store.history()] == ["b"]
    assert [one.incident for one in store.alerts()] == ["b"]


def test_pruning_leaves_states_open_intents_and_waiting_messages(store: Store) -> None:
    store.record(
        CycleRecord(
            T, states={ORDERS: state()}, decisions=[decision()], intents=[intent()], outgoing=[outgoing()], alerts=[]
        )
    )
    store.prune(T + 1e9)
    assert store.load() == {ORDERS: state()}
    assert list(store.open_intents()) == [intent()]
    assert messages(store) == [outgoing()]
    assert list(store.alerts()) == [alert()]
    store.settle([settlement(intent())], {})
    assert outcomes(store) == [Outcome.APPLIED]


def test_pruning_settled_intents_keeps_younger_decisions_of_theirs(store: Store) -> None:
    store.record(CycleRecord(T, decisions=[decision(T + 100)], intents=[intent()]))
    store.settle([settlement(intent(), time=T + 2)], {})
    store.prune(T + 2)
    store.settle([settlement(intent(), time=T + 2)], {})  # settled at this instant: still known
    store.prune(T + 3)
    assert outcomes(store) == [Outcome.APPLIED]
    with pytest.raises(StoreError, match="never recorded"):
        store.settle([settlement(intent())], {})


@pytest.mark.parametrize("given_up", [False, True], ids=["delivered", "given up"])
def test_pruning_drops_an_alert_once_its_last_message_was_closed_long_ago(store: Store, *, given_up: bool) -> None:
    message = outgoing(alert(time=T - 100))
    store.record(CycleRecord(T, outgoing=[message]))
    if given_up:
        store.failed([message], T, "NotFound", None)
    else:
        store.delivered([message], T)
    store.prune(T)  # closed at this very instant
    assert list(store.alerts()) == [message.alert]
    store.prune(T + 1)
    assert list(store.alerts()) == []


# -- secret, threads, close -------------------------------------------------------------------------------------------


def test_the_secret_is_32_bytes_and_stays_the_same(store: Store) -> None:
    assert len(store.secret()) == 32
    assert store.secret() == store.secret()
    assert store.secret() != MemoryStore().secret()


def test_threads_may_share_a_store(store: Store) -> None:
    rounds, failures = 40, list[BaseException]()

    def write() -> None:
        for number in range(rounds):
            one = intent(number, T + number)
            store.record(
                CycleRecord(T, {ORDERS: state(number)}, [decision(T + number)], [one], [outgoing(alert(number))])
            )
            store.settle([settlement(one)], {ORDERS: state(number + 1)})
            store.delivered([outgoing(alert(number))], T)

    def read() -> None:
        for _ in range(rounds):
            # Newest first: only the newest can still be pending, everything before it has been settled.
            assert all(one.outcome is Outcome.APPLIED for one in store.history()[1:])
            assert len(store.outbox(T)) <= 1
            assert len(store.load()) <= 1

    def guarded(body: Callable[[], None]) -> None:
        try:
            body()
        except BaseException as error:  # noqa: BLE001 - told by the main thread
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(body,)) for body in (write, read, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert outcomes(store) == [Outcome.APPLIED] * rounds


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda store: store.load(), id="load"),
        pytest.param(lambda store: store.record(CycleRecord(T)), id="record"),
        pytest.param(lambda store: store.settle([], {}), id="settle"),
        pytest.param(lambda store: store.open_intents(), id="open_intents"),
        pytest.param(lambda store: store.forget(ORDERS), id="forget"),
        pytest.param(lambda store: store.outbox(T), id="outbox"),
        pytest.param(lambda store: store.delivered([outgoing()], T), id="delivered"),
        pytest.param(lambda store: store.failed([outgoing()], T, "", None), id="failed"),
        pytest.param(lambda store: store.silenced([outgoing()], T), id="silenced"),
        pytest.param(lambda store: store.hearers("orders-1"), id="hearers"),
        pytest.param(lambda store: store.load_regions(), id="load_regions"),
        pytest.param(lambda store: store.pauses(T), id="pauses"),
        pytest.param(lambda store: store.pause(pause()), id="pause"),
        pytest.param(lambda store: store.resume("orders*", "", T), id="resume"),
        pytest.param(lambda store: store.history(), id="history"),
        pytest.param(lambda store: store.alerts(), id="alerts"),
        pytest.param(lambda store: store.prune(T), id="prune"),
        pytest.param(lambda store: store.secret(), id="secret"),
    ],
)
def test_a_closed_store_says_so(store: Store, call: Callable[[Store], object]) -> None:
    store.close()
    store.close()
    with pytest.raises(StoreError, match="the store is closed"):
        call(store)
