"""The SQLite engine among other processes, killed, and grown large."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.store import children
from tests.store.files import child, filled, lines, refusal
from tests.store.samples import ORDERS, USERS, T, alert, decision, outgoing, state
from watcher.core.model import TABLE_WRITE
from watcher.core.reasons import Outcome
from watcher.errors import StoreError
from watcher.ports import CycleRecord
from watcher.store import sqlite as engine
from watcher.store import sqlite_outbox as outbox
from watcher.store.codec import DECISION
from watcher.store.sqlite import SqliteStore

# -- other processes --------------------------------------------------------------------------------------------------


def test_a_second_watcher_is_refused_until_the_first_is_gone(path: Path) -> None:
    with child(children.hold, path) as process:
        assert next(lines(process)) == "held"
        assert refusal(path) == (
            f"opening of {path}: another watcher (process {process.pid}) is using it "
            "(stop that one, or give this one a state path of its own)"
        )
        process.send_signal(signal.SIGKILL)
        process.wait()
        SqliteStore(path).close()


def test_a_second_store_in_this_process_is_refused_too_by_any_name(store: SqliteStore, path: Path) -> None:
    store.record(CycleRecord(T))
    link = path.with_name("link.db")
    link.symlink_to(path)
    assert f"(process {os.getpid()})" in refusal(path)
    assert f"(process {os.getpid()})" in refusal(link)


def test_a_helper_writes_beside_the_watcher_without_the_lock(store: SqliteStore, path: Path) -> None:
    with closing(SqliteStore(path, exclusive=False)) as helper:
        helper.record(CycleRecord(T, {ORDERS: state()}))
    assert store.load() == {ORDERS: state()}


def test_a_write_lock_that_is_not_released_is_told(path: Path) -> None:
    with closing(SqliteStore(path, busy_seconds=0.0)) as store, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError) as caught:
            store.record(CycleRecord(T))
        assert str(caught.value) == (
            f"recording of {path}: another process has it locked (SQLITE_BUSY: database is locked) "
            "(stop the other program that is writing to it)"
        )
        assert store.load() == {}
        other.rollback()
        store.record(CycleRecord(T, {ORDERS: state()}))


def test_a_reader_sees_what_the_watcher_wrote_and_writes_nothing(store: SqliteStore, path: Path) -> None:
    store.record(CycleRecord(T, {ORDERS: state()}, [decision(), decision(T - 1, USERS)]))
    with closing(SqliteStore.reader(path)) as reader:
        assert list(reader.history("orders")) == [decision()]
        store.record(CycleRecord(T, decisions=[decision(T + 1)]))
        assert list(reader.history("orders")) == [decision(T + 1), decision()]
        with pytest.raises(StoreError, match="opened for reading only"):
            reader.record(CycleRecord(T))
        with pytest.raises(StoreError, match="opened for reading only"):
            reader.secret()
        secret = store.secret()
        assert reader.secret() == secret


def test_a_reader_needs_no_watcher(path: Path) -> None:
    filled(path, decisions=3)
    with closing(SqliteStore.reader(path)) as reader:
        assert len(reader.history()) == 3


def test_a_reader_of_a_missing_file_makes_nothing(path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        SqliteStore.reader(path)
    assert (
        str(caught.value) == f"opening of {path}: there is no such file (start the watcher once, or correct the path)"
    )
    assert list(path.parent.iterdir()) == []


# -- sudden death -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [1, 2, 40, 75], ids=lambda words: f"after {words} commits")
def test_kill_9_loses_nothing_committed_and_leaves_nothing_half_done(path: Path, words: int) -> None:
    with child(children.write_until_killed, path) as process:
        said = [int(line) for line, _ in zip(lines(process), range(words), strict=False)]
        process.send_signal(signal.SIGKILL)
        said += [int(line) for line in lines(process)]
    recorded, settled = max(said), -min(said)
    with closing(SqliteStore.reader(path)) as reader:  # the journal is still hot
        assert len(reader.history(limit=10_000)) >= 3 * recorded
    with closing(SqliteStore(path)) as store:
        last = store.load()[children.TABLES[0]].dimensions[TABLE_WRITE].expected
        assert last is not None
        assert recorded <= last <= recorded + 1
        assert store.load() == {table: state(last) for table in children.TABLES}
        history = store.history(limit=10_000)
        assert len(history) == 3 * last
        assert [one.alert.time for thread in store.outbox(T + last) for one in thread.messages] == [
            T + number for number in range(1, last + 1)
        ]
        assert len(store.alerts(10_000)) == last
        still_open = [round(one.time - T) for one in store.open_intents()]
        assert still_open in ([], [last])
        assert last - len(still_open) >= settled
        pending = [told.time - T for told in history if told.outcome is Outcome.PENDING]
        assert pending == still_open


# -- size -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteStore]:
    """100,000 decisions of 500 tables, and 2,000 messages of which 50 still wait."""
    with closing(SqliteStore(tmp_path_factory.mktemp("large") / "watcher.db")) as store:
        told = [outgoing(alert(1, f"i-{n}")) for n in range(2000)]
        store.record(CycleRecord(T, outgoing=told))
        with store._transaction("filling") as connection:
            document = DECISION.encode(decision())
            rows = ((T + n, f"table-{n % 500}", document) for n in range(100_000))
            connection.executemany("INSERT INTO decisions (time, name, document) VALUES (?, ?, ?)", rows)
            connection.execute("UPDATE messages SET closed_at = 1 WHERE number > 50")
        yield store


@pytest.mark.parametrize(
    ("query", "values", "index"),
    [
        pytest.param(engine._HISTORY, (200,), "decisions_by_time", id="history of all tables"),
        pytest.param(engine._HISTORY_OF_TABLE, ("table-7", 200), "decisions_by_table", id="history of a table"),
        pytest.param(outbox._WAITING, (), "USING INDEX messages_", id="the outbox"),
        pytest.param(outbox._HEARERS, ("i-7",), "messages_threads", id="who hears of an incident"),
    ],
)
def test_what_is_asked_often_is_found_by_an_index(
    large: SqliteStore, query: str, values: tuple[object, ...], index: str
) -> None:
    assert large._connection is not None
    plan = [row[3] for row in large._connection.execute(f"EXPLAIN QUERY PLAN {query}", values)]
    assert any(index in step for step in plan), plan
    assert not [step for step in plan if step.startswith("SCAN") and "USING INDEX" not in step], plan


def test_the_newest_200_of_100_000_cost_200_rows_of_work(large: SqliteStore) -> None:
    assert large._connection is not None
    thousands_of_steps: list[int] = []
    large._connection.set_progress_handler(lambda: thousands_of_steps.append(1), 1000)
    assert len(large.history()) == len(large.history("table-7")) == 200
    assert len(large.outbox(T)) == 50
    large._connection.set_progress_handler(None, 0)
    assert len(thousands_of_steps) < 20  # a walk over all decisions takes hundreds


def test_an_unchanged_state_is_not_written_again(store: SqliteStore) -> None:
    assert store._connection is not None
    states = {ORDERS: state(), USERS: state()}
    store.record(CycleRecord(T, states))
    before = store._connection.total_changes
    store.record(CycleRecord(T + 60, states | {USERS: state(7)}))
    assert store._connection.total_changes - before == 1


def test_secrets_of_two_files_differ(tmp_path: Path) -> None:
    kept = set()
    for name in ("a.db", "b.db"):
        with closing(SqliteStore(tmp_path / name)) as store:
            kept.add(store.secret())
    assert len(kept) == 2
