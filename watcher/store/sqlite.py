"""The embedded store: one SQLite file, one writing process, any number of threads in it."""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from watcher.core.model import Alert, Decision, Intent, Settlement, TableKey
from watcher.core.pauses import Pause
from watcher.core.region_state import RegionState
from watcher.core.state import TableState
from watcher.core.words import count
from watcher.errors import StoreError
from watcher.ports import CycleRecord, Outgoing, Thread
from watcher.store import sqlite_outbox
from watcher.store.codec import ALERT, DECISION, INTENT, PAUSE, REGION, STATE, VERDICT, Verdict
from watcher.store.database import ProcessLock, connect, create, explained
from watcher.store.learned import LEARNED
from watcher.store.rules import alerts_to_remember, decisions_with_intents, lessons_of, with_lessons

_SAVE_STATE = """
    INSERT INTO states (account, region, name, document) VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET document = excluded.document WHERE document <> excluded.document
"""  # an unchanged state costs no page write

_HISTORY = "SELECT document FROM decisions ORDER BY time DESC, id DESC LIMIT ?"
# As bytes: text that is not UTF-8 is damage of this one document, and no failure of the statement.
_PAUSES = """
    SELECT pattern, region, since, until, CAST(document AS BLOB) FROM pauses
    WHERE until > ? ORDER BY since DESC, pattern, region
"""
_HISTORY_OF_TABLE = "SELECT document FROM decisions WHERE name = ? ORDER BY time DESC, id DESC LIMIT ?"


class SqliteStore:
    """A :class:`watcher.ports.Store` in one file; the meaning of each method is the port's.

    All methods may be called from any thread; one lock lets them in one at a time. Every failure is a StoreError.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        exclusive: bool = True,
        read_only: bool = False,
        busy_seconds: float = 5.0,
        on_loss: Callable[[str], None] = lambda _sentence: None,
    ) -> None:
        """Open ``path``; an exclusive open makes the file when it is missing. Raises StoreError.

        exclusive: take ``<path>.lock``, so that no second watcher uses the file. read_only: see :meth:`reader`.
        busy_seconds: how long to wait for another process's write to the same file. on_loss: told, in one sentence,
        of what cannot be read and was left out, or was taken for the safer of what it may be.
        """
        self._path = Path(path)
        self._read_only = read_only
        self._on_loss = on_loss
        self._told: set[str] = set()  # what on_loss was told that would be found again at each reading
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._teardown = ExitStack()
        with ExitStack() as stack:
            try:
                # Links resolved: two names of one file share its lock, and a link to a missing disk is an error.
                self._path = self._path.resolve()
                self._find_or_create(stack, exclusive=exclusive)
            except (OSError, RuntimeError) as error:
                raise self._refusal("opening", str(error), "let the watcher's user reach the path") from error
            connection = connect(self._path, read_only=read_only, busy_seconds=busy_seconds)
            stack.callback(connection.close)
            self._identity = self._identity_now()
            self._connection = connection
            self._teardown = stack.pop_all()

    def _find_or_create(self, stack: ExitStack, *, exclusive: bool) -> None:
        if not self._path.parent.is_dir():
            cause = f"the directory {self._path.parent} does not exist"
            raise self._refusal("opening", cause, "make it, or correct the path")
        if self._path.is_dir():
            raise self._refusal("opening", "it is a directory", "give the path of a file in it")
        if exclusive:
            stack.callback(ProcessLock(self._path).release)
        if not self._path.exists():
            if not exclusive:
                raise self._refusal("opening", "there is no such file", "start the watcher once, or correct the path")
            create(self._path)

    @classmethod
    def reader(cls, path: str | Path, *, busy_seconds: float = 5.0) -> SqliteStore:
        """Open ``path`` for reading only, also while a watcher is writing to it. Raises StoreError."""
        return cls(path, exclusive=False, read_only=True, busy_seconds=busy_seconds)

    # -- the port -----------------------------------------------------------------------------------------------------

    def load(self) -> Mapping[TableKey, TableState]:
        rows = self._select("loading", "SELECT account, region, name, document FROM states")
        states = {TableKey(*key): STATE.decode(document, self._subject) for *key, document in rows}
        lost = []
        for *parts, document in self._select("loading", "SELECT account, region, name, document FROM learned"):
            key = TableKey(*parts)
            try:
                lessons = LEARNED.decode(document, self._subject)
            except StoreError as error:
                lost.append(f"{key.name} ({error.cause})")
                continue
            if key in states:
                states[key] = with_lessons(states[key], lessons)
        if lost:
            self._on_loss(
                f"what was learned of {count(len(lost), 'table')} cannot be read and is learned anew: {lost[0]}"
            )
        return states

    def record(self, record: CycleRecord) -> None:
        with self._transaction("recording") as connection:
            _save_states(connection, record.states)
            _save_lessons(connection, {key: record.states[key] for key in record.learned})
            connection.executemany(
                "INSERT INTO intents (id, time, document) VALUES (?, ?, ?)",
                [(intent.id, intent.time, INTENT.encode(intent)) for intent in record.intents],
            )
            connection.executemany(
                "INSERT INTO decisions (time, name, intent, document) VALUES (?, ?, ?, ?)",
                [
                    (decision.time, decision.table.name, intent or None, DECISION.encode(decision))
                    for decision, intent in decisions_with_intents(record)
                ],
            )
            _save_alerts(connection, alerts_to_remember(record))
            sqlite_outbox.save(connection, record.outgoing)
            connection.executemany(
                "INSERT OR REPLACE INTO regions (name, document) VALUES (?, ?)",
                [(name, REGION.encode(region)) for name, region in record.regions.items()],
            )

    def settle(self, settlements: Sequence[Settlement], states: Mapping[TableKey, TableState]) -> None:
        with self._transaction("settling") as connection:
            for settlement in settlements:
                self._settle_one(connection, settlement)
            _save_states(connection, states)

    def _settle_one(self, connection: sqlite3.Connection, settlement: Settlement) -> None:
        intent = settlement.intent.id
        verdict = VERDICT.encode(Verdict(settlement.outcome, settlement.time, settlement.detail))
        closed = connection.execute(
            "UPDATE intents SET settled_at = ?, verdict = ? WHERE id = ?", (settlement.time, verdict, intent)
        )
        if closed.rowcount == 0:
            raise self._refusal("settling", f"intent {intent} was never recorded")
        rows = connection.execute("SELECT id, document FROM decisions WHERE intent = ?", (intent,)).fetchall()
        for number, document in rows:
            decided = replace(DECISION.decode(document, self._subject), outcome=settlement.outcome)
            connection.execute("UPDATE decisions SET document = ? WHERE id = ?", (DECISION.encode(decided), number))

    def open_intents(self) -> Sequence[Intent]:
        rows = self._select(
            "reading open intents", "SELECT document FROM intents WHERE settled_at IS NULL ORDER BY time, id"
        )
        return [INTENT.decode(document, self._subject) for (document,) in rows]

    def forget(self, table: TableKey) -> None:
        with self._transaction("forgetting a table") as connection:
            for of_tables in ("states", "learned"):
                connection.execute(
                    f"DELETE FROM {of_tables} WHERE account = ? AND region = ? AND name = ?",  # noqa: S608 - named here
                    (table.account, table.region, table.name),
                )

    def load_regions(self) -> Mapping[str, RegionState]:
        rows = self._select("loading", "SELECT name, document FROM regions")
        return {name: REGION.decode(document, self._subject) for name, document in rows}

    def outbox(self, now: float) -> Sequence[Thread]:
        with self._session("reading the outbox") as connection:
            waiting = sqlite_outbox.threads(connection, now, self._subject)
        if waiting.damaged:
            self._give_up_damaged(waiting.damaged, now)
        return waiting.threads

    def _give_up_damaged(self, damaged: Sequence[tuple[str, str, str]], now: float) -> None:
        for why, message, topic in damaged:
            self._tell_once(message + topic, f"message {message} to {topic} cannot be read and is given up: {why}")
        # Where they cannot be closed, all others are told none the less, and the next reading tries again.
        with suppress(StoreError), self._transaction("giving up a message") as connection:
            sqlite_outbox.bury(connection, damaged, now)

    def _tell_once(self, about: str, sentence: str) -> None:
        if about not in self._told:
            self._told.add(about)
            self._on_loss(sentence)

    def hearers(self, incident: str) -> Sequence[str]:
        with self._session("reading the outbox") as connection:
            return sqlite_outbox.hearers(connection, incident)

    def waiting(self) -> int:
        [(count,)] = self._select("counting the outbox", "SELECT count(*) FROM messages WHERE closed_at IS NULL")
        return int(count)

    def delivered(self, messages: Sequence[Outgoing], now: float) -> None:
        with self._transaction("marking a delivery") as connection:
            self._agree(sqlite_outbox.close(connection, messages, now, "told"))

    def silenced(self, messages: Sequence[Outgoing], now: float) -> None:
        with self._transaction("marking a silence") as connection:
            self._agree(sqlite_outbox.close(connection, messages, now, "silenced"))

    def failed(self, messages: Sequence[Outgoing], now: float, error: str, next_attempt: float | None) -> None:
        with self._transaction("counting a failed delivery") as connection:
            self._agree(sqlite_outbox.count_failure(connection, messages, now, error, next_attempt))
            if next_attempt is None:
                self._agree(sqlite_outbox.close(connection, messages, now, "dead"))

    def _agree(self, objection: str) -> None:
        if objection:
            raise self._refusal("closing a message", objection)

    def pauses(self, now: float) -> Sequence[Pause]:
        return [self._pause_of(*row) for row in self._select("reading pauses", _PAUSES, now)]

    def _pause_of(self, match: str, region: str, since: float, until: float, document: bytes) -> Pause:
        """What somebody asked for and cannot be read may have asked for more than silence."""
        try:
            return PAUSE.decode(document, self._subject)
        except StoreError as error:
            where = f"{match} in {region}" if region else match
            self._tell_once(
                f"{match} {region} {since}",
                f"the pause of {where} cannot be read, so nothing is changed there either until it ends; "
                f"resume it and pause anew: {error.cause}",
            )
            reason = "what was asked for cannot be read, so nothing is changed either"
            return Pause(match, since, until, reason, region=region, advise_only=True)

    def pause(self, pause: Pause) -> None:
        with self._transaction("pausing") as connection:
            connection.execute(
                "INSERT OR REPLACE INTO pauses (pattern, region, since, until, document) VALUES (?, ?, ?, ?, ?)",
                (pause.match, pause.region, pause.since, pause.until, PAUSE.encode(pause)),
            )

    def resume(self, match: str, region: str, now: float) -> bool:
        with self._transaction("resuming") as connection:
            ended = connection.execute(
                "DELETE FROM pauses WHERE pattern = ? AND region = ? AND until > ?", (match, region, now)
            )
            return ended.rowcount > 0

    def history(self, table: str | None = None, limit: int = 200) -> Sequence[Decision]:
        bound = max(limit, 0)
        if table is None:
            rows = self._select("reading history", _HISTORY, bound)
        else:
            rows = self._select("reading history", _HISTORY_OF_TABLE, table, bound)
        return [DECISION.decode(document, self._subject) for (document,) in rows]

    def alerts(self, limit: int = 100) -> Sequence[Alert]:
        query = "SELECT document FROM alerts ORDER BY time DESC, number DESC LIMIT ?"
        rows = self._select("reading alerts", query, max(limit, 0))
        return [ALERT.decode(document, self._subject) for (document,) in rows]

    def prune(self, before: float) -> None:
        with self._transaction("pruning") as connection:
            # A decision waiting for its intent's verdict stays, however old, and so does an alert still to be told.
            connection.execute(
                """
                DELETE FROM decisions WHERE time < ? AND NOT EXISTS (
                    SELECT 1 FROM intents WHERE intents.id = decisions.intent AND intents.settled_at IS NULL)
                """,
                (before,),
            )
            connection.execute("DELETE FROM intents WHERE settled_at < ?", (before,))
            connection.execute("DELETE FROM messages WHERE closed_at < ?", (before,))
            connection.execute("DELETE FROM pauses WHERE until < ?", (before,))
            connection.execute(
                """
                DELETE FROM alerts WHERE time < ? AND NOT EXISTS (
                    SELECT 1 FROM messages WHERE messages.alert = alerts.id)
                """,
                (before,),
            )

    def secret(self) -> bytes:
        query = "SELECT value FROM secrets WHERE name = 'key-values'"
        rows = self._select("reading the secret", query)
        if not rows:
            with self._transaction("making the secret") as connection:
                connection.execute(
                    "INSERT OR IGNORE INTO secrets (name, value) VALUES ('key-values', ?)", (secrets.token_bytes(32),)
                )
            # Read back: another process may have been first.
            rows = self._select("reading the secret", query)
        return bytes(rows[0][0])

    def close(self) -> None:
        with self._lock:
            self._connection = None
            try:
                self._teardown.close()
            except sqlite3.Error as error:
                raise explained(error, "closing", self._path) from error

    # -- one way in ---------------------------------------------------------------------------------------------------

    @property
    def _subject(self) -> str:
        return str(self._path)

    def _refusal(self, operation: str, cause: str, hint: str = "") -> StoreError:
        return StoreError(cause, operation=operation, subject=self._subject, hint=hint)

    def _identity_now(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    @contextmanager
    def _session(self, operation: str) -> Iterator[sqlite3.Connection]:
        """The connection, for this thread alone; what goes wrong in the body comes out as StoreError."""
        with self._lock:
            if self._connection is None:
                raise self._refusal(operation, "the store is closed")
            if self._identity_now() != self._identity:
                # SQLite would go on writing to the removed file, and all of it would be lost at exit.
                cause = "the file was moved, replaced or deleted while in use"
                raise self._refusal(operation, cause, "put it back if you can, then restart the watcher")
            try:
                yield self._connection
            except (sqlite3.Error, UnicodeError, OverflowError) as error:
                raise explained(error, operation, self._path) from error

    @contextmanager
    def _transaction(self, operation: str) -> Iterator[sqlite3.Connection]:
        if self._read_only:
            raise self._refusal(operation, "this store was opened for reading only")
        with self._session(operation) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                # After some failures (a full disk) SQLite has rolled back by itself. The first error is the one told.
                if connection.in_transaction:
                    with suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
                raise

    def _select(self, operation: str, query: str, *values: object) -> list[Any]:
        with self._session(operation) as connection:
            return connection.execute(query, values).fetchall()


def _save_states(connection: sqlite3.Connection, states: Mapping[TableKey, TableState]) -> None:
    connection.executemany(
        _SAVE_STATE,
        [(key.account, key.region, key.name, STATE.encode(state)) for key, state in states.items()],
    )


def _save_lessons(connection: sqlite3.Connection, states: Mapping[TableKey, TableState]) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO learned (account, region, name, document) VALUES (?, ?, ?, ?)",
        [(key.account, key.region, key.name, LEARNED.encode(lessons_of(state))) for key, state in states.items()],
    )


def _save_alerts(connection: sqlite3.Connection, alerts: Iterable[Alert]) -> None:
    connection.executemany(
        "INSERT INTO alerts (id, time, document) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING",
        [(alert.id, alert.time, ALERT.encode(alert)) for alert in alerts],
    )
