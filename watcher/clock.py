"""The only home of clock calls: a wall face for what is stored and shown, a monotonic face for durations.

Three clocks stand behind one protocol. The real one; a scaled one, for the sandbox, whose two faces run faster than
reality; and a simulated one, moved by hand, for tests and replay. Instants are seconds since the epoch, UTC, as float.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time, monotonic time, and how the clock's seconds map to real ones."""

    def now(self) -> float:
        """Wall time, seconds since the epoch, UTC. May step; never use it for durations."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back. For durations, leases and cool-downs."""

    def real_seconds(self, seconds: float) -> float:
        """How long, on the machine's own clock, this clock needs for ``seconds``."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def real_seconds(self, seconds: float) -> float:
        return seconds


class ScaledClock:
    """Runs ``speed`` times as fast as the machine, starting at ``start`` (default: the machine's time)."""

    def __init__(self, speed: float, start: float | None = None) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be positive, got {speed}")
        self._speed = speed
        self._start = time.time() if start is None else start
        self._origin = time.monotonic()

    def now(self) -> float:
        return self._start + self.monotonic()

    def monotonic(self) -> float:
        return (time.monotonic() - self._origin) * self._speed

    def real_seconds(self, seconds: float) -> float:
        return seconds / self._speed


class SimulatedClock:
    """Stands still until told to move. ``step_wall`` moves only the wall face, as NTP or an operator may."""

    def __init__(self, start: float) -> None:
        self._wall = start
        self._monotonic = 0.0

    def now(self) -> float:
        return self._wall

    def monotonic(self) -> float:
        return self._monotonic

    def real_seconds(self, seconds: float) -> float:  # noqa: ARG002 - simulated time passes for free
        return 0.0

    def advance(self, seconds: float) -> None:
        """Move both faces forward. Raises ValueError for a negative step: time does not run back."""
        if seconds < 0:
            raise ValueError(f"cannot advance by {seconds} s")
        self._wall += seconds
        self._monotonic += seconds

    def advance_to(self, instant: float) -> None:
        self.advance(instant - self._wall)

    def step_wall(self, seconds: float) -> None:
        self._wall += seconds


def process_seconds() -> float:
    """Real monotonic seconds, for measuring the process itself (not the world it watches)."""
    return time.monotonic()


def cpu_seconds() -> float:
    """CPU time that this process has used, all its threads together."""
    return time.process_time()


def iso(instant: float) -> str:
    """``2026-11-22T03:04:05Z``: ISO 8601, UTC, whole seconds. The one way times are written everywhere."""
    return datetime.fromtimestamp(int(instant), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def instant(text: str) -> float:
    """The inverse of :func:`iso`; accepts any ISO 8601 time with an offset. Raises ValueError without one."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no UTC offset; write it as 2026-11-22T03:04:05Z")
    return moment.timestamp()


def utc(instant: float) -> datetime:
    """An aware datetime for libraries that want one (botocore, APScheduler)."""
    return datetime.fromtimestamp(instant, UTC)
