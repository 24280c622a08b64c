"""What the tests run in processes of their own, and how they answer: a line of standard output each.

python -m tests.store.children NAME PATH
"""

from __future__ import annotations

import os
import resource
import sys
import urllib.parse  # noqa: F401 - pathlib imports it late in newer versions, when "nobody" may not read it any more
from pathlib import Path

from tests.store.samples import ORDERS, T, alert, decision, intent, outgoing, settlement, state
from watcher.core.model import TableKey
from watcher.errors import StoreError
from watcher.ports import CycleRecord
from watcher.store.sqlite import SqliteStore

TABLES = [TableKey("123456789012", "us-east-1", f"table-{number}") for number in range(20)]


def say(text: object) -> None:
    print(text, flush=True)  # noqa: T201 - standard output is how a child answers


def cycle(number: int) -> CycleRecord:
    """Everything in it carries the cycle's number, so that a torn one shows."""
    time = T + number
    return CycleRecord(
        time,
        states={table: state(number) for table in TABLES},
        decisions=[decision(time, table) for table in TABLES[:3]],
        intents=[intent(1, time, TABLES[0])],
        outgoing=[outgoing(alert(number, time=time))],
    )


def write_until_killed(path: Path) -> None:
    """Says each cycle's number once it is committed, and each settlement as its negative."""
    store = SqliteStore(path)
    number = 0
    while True:
        number += 1
        store.record(cycle(number))
        say(number)
        store.settle([settlement(intent(1, T + number, TABLES[0]))], {})
        say(-number)


def hold(path: Path) -> None:
    store = SqliteStore(path)
    say("held")
    sys.stdin.read()
    store.close()


def fill_the_disk(path: Path) -> None:
    """Writes under a file size limit until it hits, then without the limit."""
    store = SqliteStore(path)
    store.record(CycleRecord(T, states={ORDERS: state(1)}))
    limit, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = path.with_name(f"{path.name}-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20_000, hard))
    written = 1
    try:
        while True:
            store.record(CycleRecord(T, {ORDERS: state(written + 1)}, [decision(T + n) for n in range(20)]))
            written += 1
    except StoreError as error:
        say(error)
    say(store.load() == {ORDERS: state(written)} and len(store.history(limit=10_000)) == 20 * (written - 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    store.record(CycleRecord(T, {ORDERS: state(99)}))
    say(store.load() == {ORDERS: state(99)})
    store.close()


def open_as_nobody(path: Path) -> None:
    """Root may write anywhere, so that a test run by root must stop being root first."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    try:
        SqliteStore(path).close()
    except StoreError as error:
        say(error)
    else:
        say("opened")


if __name__ == "__main__":
    actions = {action.__name__: action for action in (write_until_killed, hold, fill_the_disk, open_as_nobody)}
    actions[sys.argv[1]](Path(sys.argv[2]))
