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
    settlement,
    state,
    state_with_caches,
)
from watcher.core.learned import Learned
from watcher.core.model import TABLE_READ, TABLE_WRITE, Dimension, Kind
from watcher.core.reasons import Outcome
from watcher.core.state import DimensionState, TableState
from watcher.errors import StoreError
from watcher.ports import CycleRecord, Store
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
    return [told.outcome for told in store.history()]


def due(store: Store, now: float = T, limit: int = 100) -> list[tuple[str, str]]:
    return [(message.id, message.topic_arn) for message in store.outbox(now, limit)]


# -- states -----------------------------------------------------------------------------------------------------------


def test_a_new_store_is_empty(store: Store) -> None:
    assert store.load() == {}
    assert list(store.open_intents()) == []
    assert list(store.history()) == []
    assert list(store.alerts()) == []
    assert list(store.outbox(T, 10)) == []


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
    assert list(store.outbox(T, 10)) == ([outgoing(next_attempt=next_attempt)] if is_due else [])


def test_messages_come_oldest_first_and_no_more_than_asked_for(store: Store) -> None:
    threads = [outgoing(alert(incident=name)) for name in ("c", "a", "b")]
    store.record(CycleRecord(T, outgoing=threads))
    assert list(store.outbox(T, 10)) == threads
    assert list(store.outbox(T, 2)) == threads[:2]
    assert list(store.outbox(T, 0)) == []
    assert list(store.outbox(T, -1)) == []


def test_an_incident_is_told_in_order_on_each_topic_apart(store: Store) -> None:
    messages = [outgoing(alert(number), topic) for number in (1, 2) for topic in (TOPIC, OTHER_TOPIC)]
    store.record(CycleRecord(T, outgoing=messages))
    assert due(store) == [("orders-1-1", TOPIC), ("orders-1-1", OTHER_TOPIC)]
    store.delivered(messages[0], T)
    assert due(store) == [("orders-1-1", OTHER_TOPIC), ("orders-1-2", TOPIC)]


def test_a_message_waiting_for_its_next_attempt_holds_the_rest_of_its_incident(store: Store) -> None:
    first, second, other = outgoing(alert(1)), outgoing(alert(2)), outgoing(alert(1, "users-9"))
    store.record(CycleRecord(T, outgoing=[first, second, other]))
    store.failed(first, T, "Throttling", T + 30)
    assert due(store, T + 29) == [("users-9-1", TOPIC)]
    assert list(store.outbox(T + 30, 10)) == [replace(first, attempts=1, next_attempt=T + 30), other]


def test_a_message_given_up_lets_the_next_one_go(store: Store) -> None:
    first, second = outgoing(alert(1)), outgoing(alert(2))
    store.record(CycleRecord(T, outgoing=[first, second]))
    store.failed(first, T, "NotFound", None)
    assert list(store.outbox(T, 10)) == [second]
    assert len(store.alerts()) == 2


def test_failed_attempts_add_up_whatever_the_caller_holds(store: Store) -> None:
    store.record(CycleRecord(T, outgoing=[outgoing()]))
    for attempt in (1, 2, 3):
        store.failed(outgoing(), T, "no answer", T + attempt)
    assert [message.attempts for message in store.outbox(T + 3, 10)] == [3]


def test_the_outbox_counts_what_is_neither_delivered_nor_given_up(store: Store) -> None:
    first, second, third = outgoing(alert(1)), outgoing(alert(2)), outgoing(alert(1, "users-9"))
    store.record(CycleRecord(T, outgoing=[first, second, third]))
    assert store.waiting() == 3, "also what waits behind another message"
    store.delivered(first, T)
    assert store.waiting() == 2
    store.failed(second, T, "Throttling", T + 30)
    assert store.waiting() == 2, "a failed attempt is tried again"
    store.failed(third, T, "NotFound", None)
    assert store.waiting() == 1


def test_a_message_recorded_twice_goes_out_once(store: Store) -> None:
    store.record(CycleRecord(T, outgoing=[outgoing()]))
    store.record(CycleRecord(T, outgoing=[outgoing()]))
    store.delivered(outgoing(), T)
    assert due(store) == []
    store.record(CycleRecord(T, outgoing=[outgoing()]))
    assert due(store) == []


def test_a_message_that_does_not_wait_cannot_be_closed(store: Store) -> None:
    with pytest.raises(StoreError, match=r"message orders-1-1 to .*capacity is not waiting for delivery"):
        store.delivered(outgoing(), T)
    store.record(CycleRecord(T, outgoing=[outgoing()]))
    store.delivered(outgoing(), T)
    with pytest.raises(StoreError, match="is not waiting for delivery"):
        store.failed(outgoing(), T, "late", None)


# -- history, alerts --------------------------------------------------------------------------------------------------


def test_history_is_newest_first_and_of_one_instant_the_later_recorded_first(store: Store) -> None:
    store.record(CycleRecord(T, decisions=[decision(T, sentence="a"), decision(T, sentence="b")]))
    store.record(CycleRecord(T, decisions=[decision(T - 5, sentence="old"), decision(T + 5, sentence="new")]))
    store.record(CycleRecord(T, decisions=[decision(T, sentence="c")]))
    assert [told.sentence for told in store.history()] == ["new", "c", "b", "a", "old"]
    assert [told.sentence for told in store.history("orders")] == ["new", "c", "b", "a", "old"]
    assert [told.sentence for told in store.history(limit=2)] == ["new", "c"]
    assert [told.sentence for told in store.history("orders", limit=2)] == ["new", "c"]
    assert list(store.history(limit=0)) == list(store.history("orders", limit=-1)) == []


def test_history_of_a_name_is_of_every_region_that_has_it(store: Store) -> None:
    store.record(CycleRecord(T, decisions=[decision(T, ORDERS), decision(T + 1, ORDERS_EU), decision(T + 2, USERS)]))
    assert [told.table for told in store.history("orders")] == [ORDERS_EU, ORDERS]
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
    assert [told.sequence for told in store.alerts()] == [3, 2, 1, 4]


# -- pruning ----------------------------------------------------------------------------------------------------------


def test_pruning_drops_what_is_older_and_keeps_what_is_not(store: Store) -> None:
    for time, name in ((T - 0.001, "a"), (T, "b")):
        told = outgoing(alert(1, name, time), next_attempt=time)
        store.record(CycleRecord(time, decisions=[decision(time, sentence=name)], outgoing=[told], alerts=[told.alert]))
        store.delivered(told, time)
    store.prune(T)
    assert [told.sentence for told in store.history()] == ["b"]
    assert [told.incident for told in store.alerts()] == ["b"]


def test_pruning_leaves_states_open_intents_and_waiting_messages(store: Store) -> None:
    store.record(
        CycleRecord(
            T, states={ORDERS: state()}, decisions=[decision()], intents=[intent()], outgoing=[outgoing()], alerts=[]
        )
    )
    store.prune(T + 1e9)
    assert store.load() == {ORDERS: state()}
    assert list(store.open_intents()) == [intent()]
    assert list(store.outbox(T, 10)) == [outgoing()]
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
    told = outgoing(alert(time=T - 100))
    store.record(CycleRecord(T, outgoing=[told]))
    if given_up:
        store.failed(told, T, "NotFound", None)
    else:
        store.delivered(told, T)
    store.prune(T)  # closed at this very instant
    assert list(store.alerts()) == [told.alert]
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
            store.delivered(outgoing(alert(number)), T)

    def read() -> None:
        for _ in range(rounds):
            # Newest first: only the newest can still be pending, everything before it has been settled.
            assert all(told.outcome is Outcome.APPLIED for told in store.history()[1:])
            assert len(store.outbox(T, 10)) <= 1
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
        pytest.param(lambda store: store.outbox(T, 1), id="outbox"),
        pytest.param(lambda store: store.delivered(outgoing(), T), id="delivered"),
        pytest.param(lambda store: store.failed(outgoing(), T, "", None), id="failed"),
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
