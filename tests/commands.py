"""Runs the command line: in this process, and as processes of their own against an AWS over HTTP."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WATCHER = (sys.executable, "-m", "watcher")
DEADLINE = 20.0  # seconds, for anything that a process is waited for
# Ctrl-C as a terminal gives it: a shell that starts tests in the background makes its children ignore SIGINT.
_INTERRUPTIBLE = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); import watcher.__main__"
INTERRUPTIBLE = (sys.executable, "-c", _INTERRUPTIBLE)


def environment(**variables: str) -> dict[str, str]:
    """This process's environment with ``variables``, and without what configures AWS, the watcher or its output."""
    others = ("AWS_", "WATCHER_", "PYTHONUNBUFFERED", "NO_COLOR", "FORCE_COLOR", "TTY_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    nowhere = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "COLUMNS": "80"}
    return {**kept, **nowhere, "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", **variables}


def watcher(
    *arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """One command as a process of its own, to its end."""
    return subprocess.run(  # noqa: S603 - our own program
        [*WATCHER, *map(str, arguments)],
        cwd=cwd,
        env=environment() if env is None else dict(env),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def eventually(what: str, attempt: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever the attempt gives
    """The first true answer of ``attempt``; fails after DEADLINE seconds without one."""
    deadline = time.monotonic() + DEADLINE
    while not (answer := attempt()):
        assert time.monotonic() < deadline, f"not in {DEADLINE:.0f} s: {what}"
        time.sleep(0.05)
    return answer


class Running:
    """A daemon with JSON logs on its standard output, read as they come."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self._queue: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._queue.put(json.loads(line))
        self._queue.put(None)

    def event(self, name: str) -> dict[str, Any]:
        """The next log line of this event; fails when the daemon ends or stays silent."""
        while True:
            line = self._queue.get(timeout=DEADLINE)
            assert line is not None, f"the daemon ended before {name}; it said {self.lines}"
            self.lines.append(line)
            if line["event"] == name:
                return line

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> None:
        """Kill what still runs, and close the pipes."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


@contextmanager
def running(*arguments: str | Path, cwd: Path, env: Mapping[str, str]) -> Iterator[Running]:
    """``watcher run`` with these arguments, ended with the block."""
    process = subprocess.Popen(  # noqa: S603 - our own program
        [*WATCHER, "run", *map(str, arguments)],
        cwd=cwd,
        env=dict(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    daemon = Running(process)
    try:
        yield daemon
    finally:
        daemon.end()
