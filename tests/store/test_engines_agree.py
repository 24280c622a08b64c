"""Whatever is done in whatever order, the file and the memory give the same answers: each is the other's model."""

from __future__ import annotations

import tempfile
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
    settlement,
    state,
)
from watcher.core.model import TABLE_READ, TABLE_WRITE
from watcher.core.reasons import Outcome
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
ALERTS = st.builds(alert, st.integers(1, 3), st.sampled_from(["orders-1", "users-9"]), TIMES)
MESSAGES = st.builds(outgoing, ALERTS, st.sampled_from([TOPIC, OTHER_TOPIC]), TIMES)


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

    @rule(message=MESSAGES, now=TIMES)
    def deliver(self, message: Outgoing, now: float) -> None:
        self.both("delivered", message, now)

    @rule(message=MESSAGES, now=TIMES, again=st.none() | TIMES)
    def fail(self, message: Outgoing, now: float, again: float | None) -> None:
        self.both("failed", message, now, "no answer", again)

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
                [list(store.outbox(T + second, limit)) for second in range(6) for limit in (1, 99)],
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
