"""The process of low priority that replays: one job in on standard input, what came of it out on standard output.

A process of its own, because a replay in a thread of the daemon would take turns with the cycle for the interpreter.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

from watcher.clock import cpu_seconds
from watcher.errors import WatcherError
from watcher.nightly_trial import Job, Tried, tried

POLL = 0.2  # seconds between two looks at whether to stop
LOWEST = 19  # os.nice: everything else comes first


class Stopped(Exception):
    """The watcher is stopping, so nothing came of it."""


def in_process_of_its_own(job: Job, budget: float, stopping: Callable[[], bool]) -> Tried:
    """:func:`watcher.nightly_trial.tried` at low priority. Returns within ``POLL`` of being told to stop.

    Raises Stopped, and WatcherError when the process failed.
    """
    process, ours = _started(job)
    # A pipe holds less than a job, and communicate() forgets what it has not written when it times out.
    feeding = threading.Thread(target=_feed, args=(ours, pickle.dumps((job, budget))), name="nightly-job", daemon=True)
    feeding.start()
    with process:
        answer, complaint = _awaited(process, stopping)
    feeding.join()
    if process.returncode != 0:
        last = complaint.decode(errors="replace").strip().rpartition("\n")[2]
        raise _failed(job, last or f"its process ended with {process.returncode}")
    found = pickle.loads(answer)  # noqa: S301 - our own child's answer, over a pipe of our own
    if not isinstance(found, Tried):
        raise TypeError(f"expected what came of the job, found {found!r:.80}")
    return found


def _started(job: Job) -> tuple[subprocess.Popen[bytes], int]:
    """The process, and the pipe that it reads its job from."""
    # The child must find the same packages as this process, however that one was started.
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-m", "watcher.nightly_worker"]
    theirs, ours = os.pipe()
    pipe = subprocess.PIPE
    with os.fdopen(theirs, "rb") as given:
        try:
            return subprocess.Popen(command, stdin=given, stdout=pipe, stderr=pipe, env=environ), ours  # noqa: S603 - ours
        except OSError as error:
            os.close(ours)
            raise _failed(job, error.strerror or str(error)) from error


def _failed(job: Job, cause: str) -> WatcherError:
    table = job.past.description.key.name
    hint = "nothing has changed; it is tried again when its turn comes"
    return WatcherError(cause, operation="replaying a night", subject=f"table {table}", hint=hint)


def _feed(pipe: int, job: bytes) -> None:
    with suppress(BrokenPipeError), os.fdopen(pipe, "wb") as stream:  # a child that is gone says why itself
        stream.write(job)


def _awaited(process: subprocess.Popen[bytes], stopping: Callable[[], bool]) -> tuple[bytes, bytes]:
    while not stopping():
        try:
            return process.communicate(timeout=POLL)
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    raise Stopped


def main() -> None:
    """The child. Ctrl-C is for the parent, which then ends this process; and a parent that is gone wants no answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(LOWEST)
    parent = os.getppid()

    def spent() -> float:
        if os.getppid() != parent:
            sys.exit("the watcher is gone")
        return cpu_seconds()

    job, budget = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the parent, over a pipe of its own
    sys.stdout.buffer.write(pickle.dumps(tried(job, budget, spent)))


if __name__ == "__main__":
    main()
