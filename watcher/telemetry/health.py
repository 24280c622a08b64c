"""Health is progress: a daemon whose loop stands still is sick, however alive its process is."""

from __future__ import annotations

from dataclasses import dataclass

from watcher.clock import Clock
from watcher.core.words import duration

INTERVALS_ALLOWED = 3
GRACE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """``sentence`` says why, in both cases."""

    ok: bool
    sentence: str

    @property
    def status(self) -> int:
        """The HTTP status a probe expects."""
        return 200 if self.ok else 503


class Health:
    """Ages are on the clock's monotonic face, so that a stepped wall clock neither hides a hang nor invents one.

    interval_seconds: the polling interval (writable, for a reloaded config); grace_seconds: for a slow cycle.
    """

    def __init__(self, clock: Clock, interval_seconds: float, grace_seconds: float = GRACE_SECONDS) -> None:
        self._clock = clock
        self.interval_seconds = interval_seconds
        self._grace = grace_seconds
        self._started = clock.monotonic()
        self._finished: float | None = None
        self._store_available = True

    @property
    def limit_seconds(self) -> float:
        """A last finished cycle this old, or older, means no progress."""
        return INTERVALS_ALLOWED * self.interval_seconds + self._grace

    def cycle_finished(self, *, store_available: bool) -> None:
        self._finished = self._clock.monotonic()
        self._store_available = store_available

    def cycle_age(self) -> float | None:
        """Seconds since the last finished cycle, or None before the first."""
        finished = self._finished
        return None if finished is None else self._clock.monotonic() - finished

    def alive(self) -> Verdict:
        """``/healthz``: is the loop making progress?"""
        age = self.cycle_age()
        if age is None:
            waited = self._clock.monotonic() - self._started
            if waited < self.limit_seconds:
                return Verdict(ok=True, sentence=f"The first cycle is under way, {duration(waited)} after the start.")
            return Verdict(
                ok=False,
                sentence=f"No cycle has finished in the {duration(waited)} since the start; "
                f"one was due within {duration(self.limit_seconds)}.",
            )
        if age < self.limit_seconds:
            return Verdict(ok=True, sentence=f"The last cycle finished {duration(age)} ago.")
        return Verdict(
            ok=False,
            sentence=f"The last cycle finished {duration(age)} ago; "
            f"more than {duration(self.limit_seconds)} means the watcher is stuck.",
        )

    def ready(self) -> Verdict:
        """``/readyz``: has it seen the world once, and can it remember?"""
        if self._finished is None:
            return Verdict(ok=False, sentence="The first cycle has not finished yet.")
        if not self._store_available:
            return Verdict(
                ok=False, sentence="The state store is not available, so the watcher observes and never acts."
            )
        return Verdict(ok=True, sentence="The first cycle has finished and the state store is available.")
