"""What only the SQLite engine can get wrong: the file, the disk, other processes, sudden death."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.store import children
from tests.store.samples import ORDERS, USERS, T, alert, decision, intent, outgoing, settlement, state
from watcher.core.model import TABLE_WRITE
from watcher.core.reasons import Outcome
from watcher.errors import StoreError
from watcher.ports import CycleRecord
from watcher.store import sqlite as engine
from watcher.store.codec import DECISION
from watcher.store.schema import MIGRATIONS, migrate, version_of
from watcher.store.sqlite import SqliteStore

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "watcher.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(path)) as opened:
        yield opened


@contextmanager
def child(action: Callable[[Path], None], path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.store.children", action.__name__, str(path)]
    with subprocess.Popen(  # noqa: S603 - our own module
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def lines(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    return (line.rstrip("\n") for line in process.stdout)


def filled(path: Path, decisions: int = 500) -> None:
    with closing(SqliteStore(path)) as store:
        store.record(CycleRecord(T, {ORDERS: state()}, [decision(T + n) for n in range(decisions)]))


def refusal(path: Path) -> str:
    with pytest.raises(StoreError) as caught:
        SqliteStore(path)
    return str(caught.value)


# -- the file ---------------------------------------------------------------------------------------------------------


def test_everything_survives_a_reopen(path: Path) -> None:
    told, failed = outgoing(alert(1)), outgoing(alert(1, "users-9"))
    with closing(SqliteStore(path)) as store:
        store.record(CycleRecord(T, {ORDERS: state()}, [decision()], [intent(1), intent(2)], [told, failed]))
        store.settle([settlement(intent(1))], {USERS: state(2)})
        store.delivered(told, T)
        store.failed(failed, T, "Throttling", T + 1)
        secret = store.secret()
    with closing(SqliteStore(path)) as store:
        assert store.load() == {ORDERS: state(), USERS: state(2)}
        assert list(store.open_intents()) == [intent(2)]
        assert list(store.history()) == [replace(decision(), outcome=Outcome.PENDING)]
        assert list(store.outbox(T + 1, 9)) == [replace(failed, attempts=1, next_attempt=T + 1)]
        assert len(store.alerts()) == 2
        assert store.secret() == secret


def test_only_the_owner_may_read_the_files(store: SqliteStore, path: Path) -> None:
    store.record(CycleRecord(T, {ORDERS: state()}))
    modes = {file.name: oct(file.stat().st_mode & 0o777) for file in path.parent.iterdir()}
    names = ["watcher.db", "watcher.db-shm", "watcher.db-wal", "watcher.db.lock"]
    assert modes == dict.fromkeys(names, "0o600")


def test_every_commit_reaches_the_disk(store: SqliteStore) -> None:
    assert store._connection is not None
    pragmas = {
        name: store._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")
    }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2}


def test_a_path_with_odd_characters_is_one_path(tmp_path: Path) -> None:
    path = tmp_path / "a b?mode=memory#c%20.db"
    filled(path)
    with closing(SqliteStore(path)) as store:
        assert len(store.load()) == 1


def test_the_directory_must_exist(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "watcher.db"
    assert refusal(path) == (
        f"opening of {path}: the directory {path.parent} does not exist (make it, or correct the path)"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_directory_is_not_a_file(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"opening of {tmp_path}: it is a directory (give the path of a file in it)"


def test_a_link_to_a_disk_that_is_not_there_is_not_replaced_by_a_new_file(tmp_path: Path) -> None:
    link = tmp_path / "watcher.db"
    link.symlink_to(tmp_path / "volume" / "watcher.db")
    assert "does not exist" in refusal(link)
    assert link.is_symlink()


# -- damage -----------------------------------------------------------------------------------------------------------

MOVE_AWAY = "move it away together with its -wal and -shm files to start with an empty memory"


def overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def drop_the_second_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 // 4096 * 4096)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param(
            lambda path: overwrite(path, 0, b"garbage!" * 12),
            "the file is not an SQLite database (SQLITE_NOTADB: file is not a database) "
            f"(point the state path elsewhere, restore a backup, or {MOVE_AWAY})",
            id="a garbage header",
        ),
        pytest.param(
            drop_the_second_half,
            "the file is damaged (SQLITE_CORRUPT: database disk image is malformed) "
            f"(restore a backup, or {MOVE_AWAY})",
            id="half the pages are gone",
        ),
        pytest.param(
            lambda path: os.truncate(path, 50),
            "the file is not the watcher's: it is empty or belongs to another program "
            f"(point the state path elsewhere, or {MOVE_AWAY})",
            id="cut within the header",
        ),
        pytest.param(
            lambda path: os.truncate(path, 0),
            "the file is not the watcher's: it is empty or belongs to another program "
            f"(point the state path elsewhere, or {MOVE_AWAY})",
            id="cut to nothing",
        ),
    ],
)
def test_a_damaged_file_is_refused_and_left_alone(path: Path, damage: Callable[[Path], None], message: str) -> None:
    filled(path)
    damage(path)
    before = path.read_bytes()
    assert refusal(path) == f"opening of {path}: {message}"
    assert path.read_bytes() == before


def test_broken_pages_inside_are_found_at_open(path: Path) -> None:
    filled(path)
    with closing(sqlite3.connect(path)) as connection:
        page = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'decisions_by_table'").fetchone()[0]
    overwrite(path, (page - 1) * 4096, b"\x00" * 4096)
    assert "the file is damaged (" in refusal(path)
    assert f"(restore a backup, or {MOVE_AWAY})" in refusal(path)


def test_another_programs_database_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE photos (name TEXT)")
    assert "the file is not the watcher's" in refusal(path)


def test_a_refused_file_is_not_kept_locked(path: Path) -> None:
    filled(path)
    good = path.read_bytes()
    path.write_bytes(b"garbage!" * 1000)
    refusal(path)
    path.write_bytes(good)
    with closing(SqliteStore(path)) as store:
        assert store.load() == {ORDERS: state()}


def test_the_last_writes_of_a_lost_file_are_not_replayed_into_a_new_one(path: Path) -> None:
    journal = path.with_name("watcher.db-wal")
    journal.write_bytes(b"pages of another life")
    assert refusal(path) == (
        f"opening of {path}: the file is missing, but watcher.db-wal with its last writes is there "
        "(bring the file back, or move the -wal file away to start with an empty memory)"
    )
    assert not path.exists()


def test_a_half_made_file_of_a_crash_is_made_anew(path: Path) -> None:
    path.with_name("watcher.db.new").write_bytes(b"half")
    with closing(SqliteStore(path)) as store:
        assert store.load() == {}
    assert not path.with_name("watcher.db.new").exists()


def test_a_document_of_a_newer_watcher_is_refused_with_the_remedy(path: Path) -> None:
    filled(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("""UPDATE states SET document = replace(document, '{"v":1', '{"v":2')""")
    with closing(SqliteStore(path)) as store, pytest.raises(StoreError, match=rf"a table state in {path}: .*upgrade"):
        store.load()


@pytest.mark.parametrize(
    "tamper",
    [pytest.param(Path.unlink, id="deleted"), pytest.param(lambda path: path.rename(f"{path}.bak"), id="moved")],
)
def test_a_file_taken_away_while_in_use_is_noticed(
    store: SqliteStore, path: Path, tamper: Callable[[Path], None]
) -> None:
    store.record(CycleRecord(T, {ORDERS: state()}))
    tamper(path)
    with pytest.raises(StoreError, match=r"moved, replaced or deleted while in use .*restart the watcher"):
        store.record(CycleRecord(T, {ORDERS: state(2)}))
    with pytest.raises(StoreError, match="moved, replaced or deleted"):
        store.load()


# -- schema -----------------------------------------------------------------------------------------------------------


def test_a_newer_schema_is_refused_with_the_remedy(path: Path) -> None:
    filled(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 2")
    assert refusal(path) == (
        f"opening of {path}: its schema is version 2, this watcher knows up to version 1 "
        f"(upgrade the watcher, or {MOVE_AWAY})"
    )


def test_an_older_schema_is_brought_up_to_date_by_the_writer_only(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(path)
    newer = (*MIGRATIONS, ("CREATE TABLE pauses (name TEXT PRIMARY KEY) STRICT",))
    monkeypatch.setattr("watcher.store.database.MIGRATIONS", newer)
    monkeypatch.setattr(migrate, "__defaults__", (newer,))
    with pytest.raises(StoreError, match=r"schema is version 1, this watcher reads version 2 .*start the watcher once"):
        SqliteStore.reader(path)
    with closing(SqliteStore(path)) as store:
        assert store.load() == {ORDERS: state()}
    with closing(sqlite3.connect(path)) as connection:
        assert version_of(connection) == 2
        assert connection.execute("SELECT * FROM pauses").fetchall() == []


def test_a_migration_that_fails_leaves_the_version_before_it(path: Path) -> None:
    filled(path)
    good, bad = ("CREATE TABLE one (a TEXT) STRICT",), ("CREATE TABLE two (a TEXT) STRICT", "CREATE TABLE one (b TEXT)")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        with pytest.raises(sqlite3.OperationalError):
            migrate(connection, (*MIGRATIONS, good, bad))
        assert version_of(connection) == 2
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
        assert "one" in names
        assert "two" not in names


# -- the disk ---------------------------------------------------------------------------------------------------------


def test_a_full_disk_keeps_the_state_before(store: SqliteStore, path: Path) -> None:
    store.record(CycleRecord(T, {ORDERS: state(1)}))
    assert store._connection is not None
    store._connection.execute("PRAGMA max_page_count = 30")
    with pytest.raises(StoreError) as caught:
        store.record(CycleRecord(T, {ORDERS: state(2)}, [decision(T + n) for n in range(1000)], [intent()]))
    assert str(caught.value) == (
        f"recording of {path}: the disk is full (SQLITE_FULL: database or disk is full) "
        "(free space on its file system; nothing of this write was kept)"
    )
    assert store.load() == {ORDERS: state(1)}
    assert (list(store.history()), list(store.open_intents())) == ([], [])
    store._connection.execute("PRAGMA max_page_count = 3000")
    store.record(CycleRecord(T, {ORDERS: state(2)}))
    assert store.load() == {ORDERS: state(2)}


def test_a_write_the_operating_system_refuses_is_undone_and_can_be_repeated(path: Path) -> None:
    with child(children.fill_the_disk, path) as process:
        message, before_intact, works_again = lines(process)
    assert f"recording of {path}: the disk " in message
    assert "nothing of this write was kept" in message
    assert (before_intact, works_again) == ("True", "True")


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A directory that another user can reach, which tmp_path is not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)


def opened_as_nobody(path: Path) -> str:
    with child(children.open_as_nobody, path) as process:
        return "".join(lines(process))


def test_a_read_only_directory_is_named(shared_folder: Path) -> None:
    shared_folder.chmod(0o555)
    path = shared_folder / "watcher.db"
    assert opened_as_nobody(path) == (
        f"opening of {path}.lock: the lock file cannot be made: Permission denied "
        "(let the watcher's user write to the directory)"
    )


@pytest.mark.parametrize(
    ("file_mode", "folder_mode", "message"),
    [
        pytest.param(0o444, 0o777, "the file or its directory is read-only (SQLITE_READONLY", id="a read-only file"),
        pytest.param(
            0o444, 0o555, "the file or its directory is read-only (SQLITE_READONLY", id="a read-only file and directory"
        ),
        pytest.param(0o000, 0o777, "the file cannot be opened (SQLITE_CANTOPEN", id="an unreadable file"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_at_open(
    shared_folder: Path, file_mode: int, folder_mode: int, message: str
) -> None:
    path = shared_folder / "watcher.db"
    filled(path)
    path.with_name("watcher.db.lock").chmod(0o666)
    path.chmod(file_mode)
    shared_folder.chmod(folder_mode)
    answer = opened_as_nobody(path)
    assert f"opening of {path}: {message}" in answer
    assert "(let the watcher's user" in answer


def test_an_unreachable_directory_is_an_error_not_a_crash(shared_folder: Path) -> None:
    inner = shared_folder / "private"
    inner.mkdir()
    inner.chmod(0o000)
    assert "Permission denied" in opened_as_nobody(inner / "state" / "watcher.db")
    inner.chmod(0o755)


def test_a_number_that_is_not_finite_stops_the_whole_record(store: SqliteStore) -> None:
    store.record(CycleRecord(T, {ORDERS: state(1)}))
    broken = replace(state(2), foreign_at=float("nan"))
    with pytest.raises(StoreError, match="a number that is not finite"):
        store.record(CycleRecord(T, {ORDERS: state(2), USERS: broken}, [decision()]))
    assert store.load() == {ORDERS: state(1)}
    store.record(CycleRecord(T, {ORDERS: state(3)}))


def test_text_that_is_no_utf8_is_a_store_error(store: SqliteStore) -> None:
    with pytest.raises(StoreError, match="UnicodeEncodeError"):
        store.record(CycleRecord(T, {replace(ORDERS, name="\ud800"): state()}))
    assert store.load() == {}


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
        assert [message.alert.time for message in store.outbox(T + last, 10)] == [T + 1]
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
        pytest.param(engine._OUTBOX, (T, 10), "messages_due", id="the outbox"),
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
    assert len(large.outbox(T, 10)) == 10
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
