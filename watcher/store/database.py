"""The SQLite file as a file: made, locked against a second watcher, checked, opened; and its errors in plain words.

Nothing here ever replaces or repairs a file. A file that cannot be trusted is refused, with the way out.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from watcher.errors import StoreError
from watcher.store.schema import APPLICATION_ID, MIGRATIONS, migrate, version_of

_MOVE_AWAY = "move it away together with its -wal and -shm files to start with an empty memory"

# By SQLite's primary result code: what happened, and what a person can do about it.
_EXPLANATIONS: dict[int, tuple[str, str]] = {
    sqlite3.SQLITE_FULL: ("the disk is full", "free space on its file system; nothing of this write was kept"),
    sqlite3.SQLITE_IOERR: (
        "the disk does not answer as it should",
        "check the disk, its quota and the process's file size limit; nothing of this write was kept",
    ),
    sqlite3.SQLITE_READONLY: (
        "the file or its directory is read-only",
        "let the watcher's user write to both: SQLite keeps its -wal file beside the file",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "the file cannot be opened",
        "let the watcher's user read and write the file and its directory",
    ),
    sqlite3.SQLITE_PERM: ("permission denied", "let the watcher's user read and write the file and its directory"),
    sqlite3.SQLITE_BUSY: ("another process has it locked", "stop the other program that is writing to it"),
    sqlite3.SQLITE_LOCKED: ("another process has it locked", "stop the other program that is writing to it"),
    sqlite3.SQLITE_PROTOCOL: ("another process has it locked", "stop the other program that is writing to it"),
    sqlite3.SQLITE_NOMEM: ("the process is out of memory", "give the watcher more memory"),
    sqlite3.SQLITE_CORRUPT: ("the file is damaged", f"restore a backup, or {_MOVE_AWAY}"),
    sqlite3.SQLITE_NOTADB: (
        "the file is not an SQLite database",
        f"point the state path elsewhere, restore a backup, or {_MOVE_AWAY}",
    ),
}


def explained(error: Exception, operation: str, path: Path) -> StoreError:
    """A StoreError for any exception of sqlite3, with SQLite's own words kept where they add something."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None or code & 0xFF not in _EXPLANATIONS:
        return StoreError(
            f"{type(error).__name__}: {error}",
            operation=operation,
            subject=str(path),
            hint="this is a defect of the watcher; report it with this message",
        )
    cause, hint = _EXPLANATIONS[code & 0xFF]
    name = getattr(error, "sqlite_errorname", "")
    return StoreError(f"{cause} ({name}: {error})", operation=operation, subject=str(path), hint=hint)


class ProcessLock:
    """An exclusive advisory lock on ``<path>.lock``, held until released or until the process dies.

    Beside the file and not on it: SQLite's own POSIX locks would be lost when any descriptor of the file is closed.
    The lock file stays behind; removing it would let two processes each hold a lock of the same name.
    """

    def __init__(self, path: Path) -> None:
        """Take the lock. Raises StoreError when another process holds it, or when it cannot be made."""
        lock_path = path.with_name(f"{path.name}.lock")
        try:
            self._descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreError(
                f"the lock file cannot be made: {error.strerror}",
                operation="opening",
                subject=str(lock_path),
                hint="let the watcher's user write to the directory",
            ) from error
        try:
            self._take(path)
        except BaseException:
            os.close(self._descriptor)
            raise

    def _take(self, path: Path) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise StoreError(
                f"another watcher (process {holder}) is using it",
                operation="opening",
                subject=str(path),
                hint="stop that one, or give this one a state path of its own",
            ) from error
        except OSError as error:
            raise StoreError(
                f"its file system has no locks: {error.strerror}",
                operation="opening",
                subject=str(path),
                hint="keep the state file on a local disk",
            ) from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode("ascii"), 0)

    def release(self) -> None:
        os.close(self._descriptor)


def create(path: Path) -> None:
    """Make a new, empty state file, mode 0600. The caller holds the process lock. Raises StoreError.

    It is made under another name and renamed when complete, so that an empty or half made file under the real name is
    never ours: it is damage, and refused, instead of being taken for a new beginning.
    """
    wal = path.with_name(f"{path.name}-wal")
    if wal.exists():
        # SQLite would replay this journal of a lost file into the new one.
        raise StoreError(
            f"the file is missing, but {wal.name} with its last writes is there",
            operation="opening",
            subject=str(path),
            hint="bring the file back, or move the -wal file away to start with an empty memory",
        )
    unfinished = path.with_name(f"{path.name}.new")
    try:
        unfinished.unlink(missing_ok=True)
        os.close(os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        with _connected(unfinished, path, "rw") as connection:
            migrate(connection)
            connection.close()
        unfinished.rename(path)
        _sync_directory(path.parent)
    except OSError as error:
        raise StoreError(
            f"the file cannot be made: {error.strerror}",
            operation="opening",
            subject=str(path),
            hint="let the watcher's user write to the directory, and see that its disk is not full",
        ) from error


def _sync_directory(directory: Path) -> None:
    """Make the rename itself survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def connect(path: Path, *, read_only: bool, busy_seconds: float) -> sqlite3.Connection:
    """Open an existing state file, checked, at this version's schema, ready for use. Raises StoreError."""
    with _connected(path, path, "ro" if read_only else "rw", busy_seconds) as connection:
        connection.execute("PRAGMA trusted_schema = OFF")
        _check(connection, path)
        _upgrade(connection, path, read_only=read_only)
        if not read_only:
            connection.execute("PRAGMA foreign_keys = ON")
            _use_wal(connection, path)
            # FULL, for everything: an intent lost in a power cut would make our own change look like another hand's,
            # and at a few transactions a minute one fsync each is nothing. NORMAL would sync only at checkpoints.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA journal_size_limit = 16777216")
            _try_to_write(connection)
        return connection


@contextmanager
def _connected(path: Path, known_as: Path, mode: str, busy_seconds: float = 0.0) -> Iterator[sqlite3.Connection]:
    """A connection that is closed again, and its sqlite3 errors explained, when the body fails."""
    connection = None
    try:
        # check_same_thread off: the store's own lock lets one thread in at a time.
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=busy_seconds,
        )
        yield connection
    except BaseException as error:
        if connection is not None:
            connection.close()
        if isinstance(error, sqlite3.Error):
            raise explained(error, "opening", known_as) from error
        raise


def _try_to_write(connection: sqlite3.Connection) -> None:
    """A file that can be read but not written is refused now, not at the first intent.

    BEGIN alone would not show it: on a read-only file SQLite quietly begins to read instead.
    """
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(f"PRAGMA user_version = {version_of(connection)}")
    connection.execute("ROLLBACK")


def _use_wal(connection: sqlite3.Connection, path: Path) -> None:
    """Write-ahead log: readers and the writer do not wait for each other. The mode is kept in the file."""
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    if mode != "wal":
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise StoreError(
            f"its file system does not allow a write-ahead log (SQLite stays in mode {mode})",
            operation="opening",
            subject=str(path),
            hint="keep the state file on a local disk",
        )


def _check(connection: sqlite3.Connection, path: Path) -> None:
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise StoreError(
            "the file is not the watcher's: it is empty or belongs to another program",
            operation="opening",
            subject=str(path),
            hint=f"point the state path elsewhere, or {_MOVE_AWAY}",
        )
    first = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if first != "ok":
        cause, hint = _EXPLANATIONS[sqlite3.SQLITE_CORRUPT]
        words = " ".join(str(first).split())
        raise StoreError(f"{cause} (quick_check: {words})", operation="opening", subject=str(path), hint=hint)


def _upgrade(connection: sqlite3.Connection, path: Path, *, read_only: bool) -> None:
    version, known = version_of(connection), len(MIGRATIONS)
    if version > known:
        raise StoreError(
            f"its schema is version {version}, this watcher knows up to version {known}",
            operation="opening",
            subject=str(path),
            hint=f"upgrade the watcher, or {_MOVE_AWAY}",
        )
    if version < known and read_only:
        raise StoreError(
            f"its schema is version {version}, this watcher reads version {known}",
            operation="opening",
            subject=str(path),
            hint="start the watcher once: it brings the file up to date",
        )
    migrate(connection)
