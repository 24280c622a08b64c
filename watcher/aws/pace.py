"""Turns for calls, so that they stay below a rate that AWS allows."""

from __future__ import annotations

import threading
from collections.abc import Callable

from watcher.clock import Clock, process_seconds

Wait = Callable[[float], object]


class Pacer:
    """At most ``rate`` parts a second, for all threads together; a call may count as many parts.

    seconds: monotonic. wait: sleeps for so many of them.
    """

    def __init__(
        self, rate: float, *, seconds: Callable[[], float] = process_seconds, wait: Wait | None = None
    ) -> None:
        self._rate = rate
        self._seconds = seconds
        self._wait = wait or threading.Event().wait
        self._free_at = float("-inf")
        self._lock = threading.Lock()

    def turn(self, parts: float = 1) -> None:
        """Return when a call of ``parts`` may go out."""
        with self._lock:
            now = self._seconds()
            at = max(now, self._free_at)
            self._free_at = at + parts / self._rate
        if at > now:
            self._wait(at - now)


class ClockPacer(Pacer):
    """A pacer whose seconds are those of ``clock``: behind a clock that runs faster stands an AWS that does, too.

    wait: sleeps for real seconds (an Event's wait ends early when the daemon stops; the call still goes out).
    """

    def __init__(self, rate: float, clock: Clock, wait: Wait | None = None) -> None:
        sleep = wait or threading.Event().wait
        super().__init__(rate, seconds=clock.monotonic, wait=lambda seconds: sleep(clock.real_seconds(seconds)))
