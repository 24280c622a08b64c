"""What only the SQLite engine can get wrong with its file: making it, damage, versions, the disk."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.store import children
from tests.store.files import child, filled, lines, refusal
from tests.store.samples import (
    ORDERS,
    OTHER_TOPIC,
    TOPIC,
    USERS,
    T,
    alert,
    decision,
    incident,
    intent,
    outgoing,
    pause,
    region_state,
    settlement,
    state,
)
from watcher.core.reasons import Outcome
from watcher.errors import StoreError
from watcher.ports import CycleRecord, Thread
from watcher.store.schema import MIGRATIONS, migrate, version_of
from watcher.store.sqlite import SqliteStore

# -- the file ---------------------------------------------------------------------------------------------------------


def test_everything_survives_a_reopen(path: Path) -> None:
    told, failed = outgoing(alert(1)), outgoing(alert(1, "users-9"))
    with closing(SqliteStore(path)) as store:
        store.record(CycleRecord(T, {ORDERS: state()}, [decision()], [intent(1), intent(2)], [told, failed]))
        store.record(CycleRecord(T, regions={"us-east-1": region_state()}))
        store.pause(pause())
        store.settle([settlement(intent(1))], {USERS: state(2)})
        store.delivered([told], T)
        store.failed([failed], T, "Throttling", T + 1)
        secret = store.secret()
    with closing(SqliteStore(path)) as store:
        assert store.load() == {ORDERS: state(), USERS: state(2)}
        assert list(store.open_intents()) == [intent(2)]
        assert list(store.history()) == [replace(decision(), outcome=Outcome.PENDING)]
        waiting = replace(failed, attempts=1, next_attempt=T + 1, first_failed_at=T)
        assert store.outbox(T + 1) == [Thread("users-9", TOPIC, (waiting,), told=False)]
        assert list(store.hearers("orders-1")) == [TOPIC]
        assert store.load_regions() == {"us-east-1": region_state()}
        assert store.pauses(T) == [pause()]
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
        connection.execute("PRAGMA user_version = 4")
    assert refusal(path) == (
        f"opening of {path}: its schema is version 4, this watcher knows up to version 3 "
        f"(upgrade the watcher, or {MOVE_AWAY})"
    )


def test_an_older_schema_is_brought_up_to_date_by_the_writer_only(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(path)
    newer = (*MIGRATIONS, ("CREATE TABLE hands (name TEXT PRIMARY KEY) STRICT",))
    monkeypatch.setattr("watcher.store.database.MIGRATIONS", newer)
    monkeypatch.setattr(migrate, "__defaults__", (newer,))
    with pytest.raises(StoreError, match=r"schema is version 3, this watcher reads version 4 .*start the watcher once"):
        SqliteStore.reader(path)
    with closing(SqliteStore(path)) as store:
        assert store.load() == {ORDERS: state()}
    with closing(sqlite3.connect(path)) as connection:
        assert version_of(connection) == 4
        assert connection.execute("SELECT * FROM hands").fetchall() == []


def released(path: Path, name: str) -> None:
    """The file as a released version has written it."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((Path(__file__).parent / "released" / name).read_text())
        connection.execute("PRAGMA journal_mode = WAL")


def test_a_file_of_the_version_before_threads_is_read_whole(path: Path) -> None:
    released(path, "schema-2.sql")
    with closing(SqliteStore(path)) as store:
        states = store.load()
        assert states.keys() == {ORDERS, USERS}
        assert states[ORDERS].incident == replace(incident(), flaps=0, followed_at=T - 60, retell=False, bad_since=None)
        assert (states[ORDERS].last_incident, states[ORDERS].blocked) == (None, {})
        assert list(store.open_intents()) == [intent()]
        assert len(store.history()) == 1
        assert len(store.alerts()) == 10
        # What its topics hold for open: told of, by the messages that it kept, and not of the end.
        waiting = [(thread.incident, thread.topic_arn, thread.told) for thread in store.outbox(T + 30)]
        assert waiting == [("half-told", TOPIC, True), ("never-told", TOPIC, False), ("two-topics", TOPIC, False)]
        hearers = {name: store.hearers(name) for name in ("open-told", "over", "tricky", "given-up", "two-topics")}
        assert hearers == {
            "open-told": [TOPIC],
            "over": [],
            "tricky": [TOPIC],  # its sentence says "state":"resolved"
            "given-up": [],
            "two-topics": [TOPIC, OTHER_TOPIC],
        }
        assert (store.load_regions(), store.pauses(T)) == ({}, [])


def test_what_was_given_up_or_silenced_stays_visible_in_the_file(store: SqliteStore, path: Path) -> None:
    dead, silent = outgoing(alert(1)), outgoing(alert(1, "users-9"))
    store.record(CycleRecord(T, outgoing=[dead, silent]))
    store.failed([dead], T, "Throttling", T)
    store.failed([dead], T + 60, "NotFound: the topic does not exist", None)
    store.silenced([silent], T + 5)
    with closing(sqlite3.connect(path)) as other:
        rows = other.execute("SELECT id, attempts, error, closed_at, dead, silenced FROM messages ORDER BY number")
        assert rows.fetchall() == [
            ("orders-1-1", 2, "NotFound: the topic does not exist", T + 60, 1, 0),
            ("users-9-1", 0, "", T + 5, 0, 1),
        ]


DAMAGES = [
    pytest.param("'{\"v\":1}'", id="fields are missing"),
    pytest.param("'{\"v\":9}'", id="a newer watcher wrote it"),
    pytest.param("CAST(X'FF7B' AS TEXT)", id="no UTF-8"),
]


def damage_document(path: Path, table: str, document: str, where: str) -> None:
    with closing(sqlite3.connect(path)) as other, other:
        assert other.execute(f"UPDATE {table} SET document = {document} WHERE {where}").rowcount == 1  # noqa: S608


@pytest.mark.parametrize("document", DAMAGES)
def test_an_alert_that_cannot_be_read_holds_up_no_other_and_is_told_once(path: Path, document: str) -> None:
    good = [outgoing(alert(1, "users-9")), outgoing(alert(2))]
    told: list[str] = []
    with closing(SqliteStore(path, on_loss=told.append)) as store:
        store.record(CycleRecord(T, outgoing=[outgoing(alert(1)), *good]))
        damage_document(path, "alerts", document, "id = 'orders-1-1'")
        for _ in range(2):
            assert store.outbox(T) == [
                Thread("users-9", TOPIC, (good[0],), told=False),
                Thread("orders-1", TOPIC, (good[1],), told=False),
            ]
        assert store.waiting() == 2
        [sentence] = told
        assert sentence.startswith(f"message orders-1-1 to {TOPIC} cannot be read and is given up: it")
    with closing(sqlite3.connect(path)) as other:
        rows = other.execute("SELECT dead, closed_at, error <> '' FROM messages WHERE id = 'orders-1-1'").fetchall()
    assert rows == [(1, T, 1)]


def test_an_alert_that_cannot_be_read_holds_up_no_other_where_nothing_can_be_written(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        store.record(CycleRecord(T, outgoing=[outgoing(alert(1)), outgoing(alert(1, "users-9"))]))
    damage_document(path, "alerts", "'{}'", "id = 'orders-1-1'")
    with closing(SqliteStore.reader(path)) as reader:
        assert [thread.incident for thread in reader.outbox(T)] == ["users-9"]


@pytest.mark.parametrize("document", DAMAGES)
def test_a_pause_that_cannot_be_read_stands_as_the_strictest_one(path: Path, document: str) -> None:
    told: list[str] = []
    with closing(SqliteStore(path, on_loss=told.append)) as store:
        store.pause(replace(pause("orders*", region="us-east-1"), advise_only=False))
        store.pause(pause("users"))
        damage_document(path, "pauses", document, "pattern = 'orders*'")
        for _ in range(2):
            strict, other = store.pauses(T)
        assert other == pause("users")
        assert (strict.match, strict.region, strict.since, strict.until) == ("orders*", "us-east-1", T, T + 3600)
        assert strict.advise_only
        [sentence] = told
        assert sentence.startswith("the pause of orders* in us-east-1 cannot be read, so nothing is changed there")
        assert store.resume("orders*", "us-east-1", T)
        assert list(store.pauses(T)) == [pause("users")]


def test_a_migration_that_fails_leaves_the_version_before_it(path: Path) -> None:
    filled(path)
    good, bad = ("CREATE TABLE one (a TEXT) STRICT",), ("CREATE TABLE two (a TEXT) STRICT", "CREATE TABLE one (b TEXT)")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        with pytest.raises(sqlite3.OperationalError):
            migrate(connection, (*MIGRATIONS, good, bad))
        assert version_of(connection) == 4
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
