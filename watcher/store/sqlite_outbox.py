"""The outbox of the SQLite file: messages that wait, by threads, and who has been told what. Statements only: whoever
calls holds the connection and its transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from watcher.core.model import Alert
from watcher.core.reasons import IncidentState
from watcher.errors import StoreError
from watcher.ports import Outgoing, Thread
from watcher.store.codec import ALERT

# The plus: find the few that wait by their index and sort them, instead of walking all messages in order.
_WAITING = """
    SELECT m.incident, m.topic, m.id, m.attempts, m.next_attempt, m.first_failed_at, m.alert, t.incident IS NOT NULL
    FROM messages m LEFT JOIN told t ON t.incident = m.incident AND t.topic = m.topic
    WHERE m.closed_at IS NULL ORDER BY +m.number
"""
_HEARERS = """
    SELECT topic FROM told WHERE incident = ?1
    UNION SELECT topic FROM messages WHERE incident = ?1 AND closed_at IS NULL
"""
# As bytes: text that is not UTF-8 is damage of this one document, and no failure of the statement.
_DOCUMENT = "SELECT CAST(document AS BLOB) FROM alerts WHERE id = ?"


@dataclass(frozen=True, slots=True)
class Waiting:
    """damaged: (why, message, topic) of those whose alert cannot be read."""

    threads: list[Thread]
    damaged: list[tuple[str, str, str]]


@dataclass(slots=True)
class _Alerts:
    """Each read once: one alert goes to several topics."""

    connection: sqlite3.Connection
    where: str
    known: dict[str, Alert | StoreError] = field(default_factory=dict)

    def read(self, number: str) -> Alert | StoreError:
        if number not in self.known:
            (document,) = self.connection.execute(_DOCUMENT, (number,)).fetchone()
            try:
                self.known[number] = ALERT.decode(document, self.where)
            except StoreError as error:
                self.known[number] = error
        return self.known[number]


def save(connection: sqlite3.Connection, messages: Iterable[Outgoing]) -> None:
    """Add messages; one that is known stays as it is."""
    connection.executemany(
        """
        INSERT INTO messages (id, topic, alert, incident, attempts, next_attempt, first_failed_at)
        VALUES (?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (id, topic) DO NOTHING
        """,
        [
            (
                outgoing.id,
                outgoing.topic_arn,
                outgoing.alert.id,
                outgoing.alert.incident,
                outgoing.attempts,
                outgoing.next_attempt,
                outgoing.first_failed_at,
            )
            for outgoing in messages
        ],
    )


def threads(connection: sqlite3.Connection, now: float, where: str) -> Waiting:
    """All that wait and whose oldest message is due, the oldest threads first. where: the file, for errors."""
    alerts = _Alerts(connection, where)
    found: dict[tuple[str, str], list[Outgoing]] = {}
    told: set[tuple[str, str]] = set()
    damaged = []
    for incident, topic, number, attempts, next_attempt, failed_at, about, is_told in connection.execute(_WAITING):
        alert = alerts.read(about)
        if isinstance(alert, StoreError):
            damaged.append((alert.cause, number, topic))
            continue
        thread = (incident, topic)
        found.setdefault(thread, []).append(Outgoing(number, topic, alert, attempts, next_attempt, failed_at))
        if is_told:
            told.add(thread)
    due = [
        Thread(incident, topic, tuple(messages), (incident, topic) in told)
        for (incident, topic), messages in found.items()
        if messages[0].next_attempt <= now
    ]
    return Waiting(due, damaged)


def bury(connection: sqlite3.Connection, damaged: Iterable[tuple[str, str, str]], now: float) -> None:
    """Give up what cannot be read. What its topic holds for open is not known to have changed."""
    connection.executemany(
        "UPDATE messages SET closed_at = ?, dead = 1, error = ? WHERE id = ? AND topic = ? AND closed_at IS NULL",
        [(now, why, number, topic) for why, number, topic in damaged],
    )


def hearers(connection: sqlite3.Connection, incident: str) -> list[str]:
    return [topic for (topic,) in connection.execute(_HEARERS, (incident,))]


def close(connection: sqlite3.Connection, messages: Sequence[Outgoing], now: float, how: str) -> str:
    """Close waiting messages of one thread. how: "told", "silenced" or "dead". Which one is not waiting, or ""."""
    for outgoing in messages:
        closed = connection.execute(
            """
            UPDATE messages SET closed_at = ?, silenced = ?, dead = ? WHERE id = ? AND topic = ? AND closed_at IS NULL
            """,
            (now, how == "silenced", how == "dead", outgoing.id, outgoing.topic_arn),
        )
        if closed.rowcount == 0:
            return _stranger(outgoing)
    for outgoing in messages[-1:]:
        _note(connection, outgoing, how)
    return ""


def _note(connection: sqlite3.Connection, last: Outgoing, how: str) -> None:
    """Remember what the topic holds for open now; an end that never arrives is an end, too: nothing will follow it."""
    thread = (last.alert.incident, last.topic_arn)
    if last.alert.state is IncidentState.RESOLVED:
        connection.execute("DELETE FROM told WHERE incident = ? AND topic = ?", thread)
    elif how == "told":
        connection.execute("INSERT OR IGNORE INTO told (incident, topic) VALUES (?, ?)", thread)


def count_failure(
    connection: sqlite3.Connection, messages: Sequence[Outgoing], now: float, error: str, again: float | None
) -> str:
    """One more failed attempt at waiting messages; the next is at ``again``, where given. Which one is not waiting."""
    for outgoing in messages:
        counted = connection.execute(
            """
            UPDATE messages SET attempts = attempts + 1, error = ?, next_attempt = ifnull(?, next_attempt),
                first_failed_at = ifnull(first_failed_at, ?)
            WHERE id = ? AND topic = ? AND closed_at IS NULL
            """,
            (error, again, now, outgoing.id, outgoing.topic_arn),
        )
        if counted.rowcount == 0:
            return _stranger(outgoing)
    return ""


def _stranger(outgoing: Outgoing) -> str:
    return f"message {outgoing.id} to {outgoing.topic_arn} is not waiting for delivery"
