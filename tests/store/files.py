"""State files made, refused and shared with other processes, for the tests of the SQLite engine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.store.samples import ORDERS, T, decision, state
from watcher.errors import StoreError
from watcher.ports import CycleRecord
from watcher.store.sqlite import SqliteStore

ROOT = Path(__file__).parents[2]


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
