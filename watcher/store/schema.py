"""The tables of the SQLite file, and how a file of an older version becomes one of this version.

``PRAGMA user_version`` counts the migrations a file has been through. What is searched or sorted by is a column; the
rest of each value is a versioned document (see codec), so that most changes of the domain need no migration here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

# Marks the file as ours in its header ("wtch"), so that another program's database is never mistaken for it.
APPLICATION_ID = 0x77746368

_INITIAL = (
    "CREATE TABLE secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT",
    # A rowid table: its rows of a kilobyte stay whole in their pages, which WITHOUT ROWID would spill to others.
    """
    CREATE TABLE states (
        account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, document TEXT NOT NULL,
        PRIMARY KEY (account, region, name)
    ) STRICT
    """,
    # An intent is open until it has a verdict.
    """
    CREATE TABLE intents (
        id TEXT PRIMARY KEY, time REAL NOT NULL, document TEXT NOT NULL, settled_at REAL, verdict TEXT,
        CHECK ((settled_at IS NULL) = (verdict IS NULL))
    ) STRICT
    """,
    "CREATE INDEX intents_open ON intents (time, id) WHERE settled_at IS NULL",
    "CREATE INDEX intents_settled ON intents (settled_at) WHERE settled_at IS NOT NULL",
    # History outlives the intents it came from, hence SET NULL.
    """
    CREATE TABLE decisions (
        id INTEGER PRIMARY KEY, time REAL NOT NULL, name TEXT NOT NULL,
        intent TEXT REFERENCES intents (id) ON DELETE SET NULL, document TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX decisions_by_time ON decisions (time)",
    "CREATE INDEX decisions_by_table ON decisions (name, time)",
    "CREATE INDEX decisions_by_intent ON decisions (intent) WHERE intent IS NOT NULL",
    """
    CREATE TABLE alerts (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, time REAL NOT NULL, document TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX alerts_by_time ON alerts (time)",
    # One row per alert and topic; waiting until closed, by delivery or by giving up (dead = 1).
    """
    CREATE TABLE messages (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL, topic TEXT NOT NULL,
        alert TEXT NOT NULL REFERENCES alerts (id), incident TEXT NOT NULL,
        attempts INTEGER NOT NULL, next_attempt REAL NOT NULL, error TEXT NOT NULL DEFAULT '',
        closed_at REAL, dead INTEGER NOT NULL DEFAULT 0,
        UNIQUE (id, topic)
    ) STRICT
    """,
    "CREATE INDEX messages_due ON messages (next_attempt) WHERE closed_at IS NULL",
    "CREATE INDEX messages_threads ON messages (incident, topic, number) WHERE closed_at IS NULL",
    "CREATE INDEX messages_closed ON messages (closed_at) WHERE closed_at IS NOT NULL",
    "CREATE INDEX messages_by_alert ON messages (alert)",
    f"PRAGMA application_id = {APPLICATION_ID}",
)

# What was learned is written less often than the rest of a state, is larger, and may be lost.
_LEARNED = (
    """
    CREATE TABLE learned (
        account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, document TEXT NOT NULL,
        PRIMARY KEY (account, region, name)
    ) STRICT
    """,
)

# ``told`` outlives the messages that were delivered: an incident may be open for longer than messages are kept. A row
# goes when the end of its incident is told. Of an older file's incidents, those count as told whose last delivered
# message was not the end (no text in a document can look like the field: its quotes are escaped there). Since when an
# older file's messages fail is not known: they are given up later for it.
_INCIDENTS = (
    "CREATE TABLE regions (name TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT",
    """
    CREATE TABLE pauses (
        pattern TEXT NOT NULL, region TEXT NOT NULL, since REAL NOT NULL, until REAL NOT NULL, document TEXT NOT NULL,
        PRIMARY KEY (pattern, region)
    ) STRICT
    """,
    """
    CREATE TABLE told (incident TEXT NOT NULL, topic TEXT NOT NULL, PRIMARY KEY (incident, topic))
    STRICT, WITHOUT ROWID
    """,
    """
    INSERT INTO told (incident, topic)
    SELECT incident, topic FROM (
        SELECT incident, topic, max(number), alert FROM messages
        WHERE closed_at IS NOT NULL AND dead = 0 GROUP BY incident, topic
    ) last JOIN alerts ON alerts.id = last.alert WHERE instr(alerts.document, '"state":"resolved"') = 0
    """,
    "ALTER TABLE messages ADD COLUMN silenced INTEGER NOT NULL DEFAULT 0",  # pointless, closed without being sent
    "ALTER TABLE messages ADD COLUMN first_failed_at REAL",
)

# One entry per version, oldest first. An entry that has been released is never edited: files have been through it.
MIGRATIONS: tuple[Sequence[str], ...] = (_INITIAL, _LEARNED, _INCIDENTS)


def version_of(connection: sqlite3.Connection) -> int:
    """How many migrations the file has been through; 0 for an empty file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> None:
    """Bring the file to the last version, each step in its own transaction. Raises sqlite3.Error.

    The connection must be in autocommit mode (isolation_level None).
    """
    for version in range(version_of(connection), len(migrations)):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in migrations[version]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {version + 1}")
            connection.execute("COMMIT")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
