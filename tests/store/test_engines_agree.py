"""Whatever is done in whatever order, the file and the memory give the same answers: each is the other's model."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

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
    outgoing,
    pause,
    region_state,
    settlement,
    state,
)
from watcher.core.model import TABLE_READ, TABLE_WRITE
from watcher.core.pauses import Pause
from watcher.core.reasons import IncidentState, Outcome
from watcher.errors import StoreError
from watcher.ports import CycleRecord, Outgoing, Store
from watcher.store.memory import MemoryStore
from watcher.store.sqlite import SqliteStore

TABLES = st.sampled_from([ORDERS, ORDERS_EU, USERS])
TIMES = st.integers(0, 5).map(lambda second: T + second)
STATES = st.dictionaries(TABLES, st.integers(1, 9).map(state), max_size=2)
DECISIONS = st.lists(st.builds(decision, TIMES, TABLES, st.sampled_from([TABLE_READ, TABLE_WRITE])), max_size=3)
# Few ids, so that repeats and unknown ones come up as often as new ones.
INTENTS = st.builds(intent, st.integers(1, 4), TIMES, TABLES)
INCIDENTS = ("orders-1", "users-9")
ALERTS = st.builds(
    lambda sequence, incident, time, state: replace(alert(sequence, incident, time), state=state),
    st.integers(1, 3),
    st.sampled_from(INCIDENTS),
    TIMES,
    st.sampled_from(IncidentState),
)
MESSAGES = st.builds(outgoing, ALERTS, st.sampled_from([TOPIC, OTHER_TOPIC]), TIMES)
THREADS = st.lists(MESSAGES, max_size=2, unique_by=lambda one: (one.id, one.topic_arn))
PAUSES = st.builds(pause, st.sampled_from(["orders", "*"]), TIMES, TIMES, st.sampled_from(["", "us-east-1"]))


class Engines(RuleBasedStateMachine):
    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "watcher.db"
        self.sqlite = SqliteStore(self.path)
        self.memory = MemoryStore()

    def both(self, method: str, *arguments: object) -> None:
        """Call both; both must succeed or both refuse."""
        refused = []
        for store in self.engines():
            try:
                getattr(store, method)(*arguments)
            except StoreError:
                refused.append(store)
        assert len(refused) in (0, 2), (method, refused)

    def engines(self) -> tuple[Store, Store]:
        return self.sqlite, self.memory

    @rule(
        time=TIMES,
        states=STATES,
        decisions=DECISIONS,
        intents=st.lists(INTENTS, max_size=2),
        messages=st.lists(MESSAGES, max_size=3),
        alerts=st.lists(ALERTS, max_size=2),
        regions=st.dictionaries(st.sampled_from(["us-east-1", "eu-west-1"]), st.builds(region_state), max_size=2),
    )
    def record(self, **parts: object) -> None:
        messages = parts.pop("messages")
        self.both("record", CycleRecord(outgoing=messages, **parts))  # type: ignore[arg-type] # drawn above by name

    @rule(intents=st.lists(INTENTS, max_size=2), outcome=st.sampled_from(Outcome), time=TIMES, states=STATES)
    def settle(self, intents: list[object], outcome: Outcome, time: float, states: object) -> None:
        self.both("settle", [settlement(one, outcome, time) for one in intents], states)  # type: ignore[arg-type]

    @rule(table=TABLES)
    def forget(self, table: object) -> None:
        self.both("forget", table)

    @rule(messages=THREADS, now=TIMES, how=st.sampled_from(["delivered", "silenced"]))
    def close(self, messages: list[Outgoing], now: float, how: str) -> None:
        self.both(how, messages, now)

    @rule(messages=THREADS, now=TIMES, again=st.none() | TIMES)
    def fail(self, messages: list[Outgoing], now: float, again: float | None) -> None:
        self.both("failed", messages, now, "no answer", again)

    @rule(thread=st.integers(0, 3), now=TIMES, how=st.sampled_from(["delivered", "silenced"]))
    def close_one_that_waits(self, thread: int, now: float, how: str) -> None:
        for waiting in self.memory.outbox(T + 9)[thread:][:1]:
            self.both(how, waiting.messages, now)

    @rule(one=PAUSES)
    def pause(self, one: object) -> None:
        self.both("pause", one)

    @rule(one=PAUSES, now=TIMES)
    def resume(self, one: Pause, now: float) -> None:
        ended = {store.resume(one.match, one.region, now) for store in self.engines()}
        assert len(ended) == 1

    @rule(before=TIMES)
    def prune(self, before: float) -> None:
        self.both("prune", before)

    @rule()
    def reopen(self) -> None:
        self.sqlite.close()
        self.sqlite = SqliteStore(self.path)

    @invariant()
    def same_answers(self) -> None:
        sqlite, memory = (
            (
                store.load(),
                list(store.open_intents()),
                list(store.history()),
                list(store.history("orders", 2)),
                list(store.alerts()),
                [list(store.outbox(T + second)) for second in range(6)],
                [sorted(store.hearers(incident)) for incident in INCIDENTS],
                [list(store.pauses(T + second)) for second in range(6)],
                store.load_regions(),
                store.waiting(),
            )
            for store in self.engines()
        )
        assert sqlite == memory

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.sqlite.close()
            self.folder.cleanup()


TestEngines = Engines.TestCase
TestEngines.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
