"""When the cycle runs: right after the full minute of the injected clock, one at a time, every irregularity counted.

APScheduler's own defaults would drop a job that is one second late; grace and overlap are explicit here.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    JobEvent,
    JobExecutionEvent,
)
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from watcher.clock import Clock

EVENTS = {EVENT_JOB_MISSED: "missed", EVENT_JOB_ERROR: "error", EVENT_JOB_MAX_INSTANCES: "overlap"}
# A cycle that could not start on time is still worth its while until shortly before the next one.
GRACE_SHARE = 0.8

EARLY = 1.0  # seconds of the clock
SLACK = 1.0  # real seconds; more than APScheduler's own arithmetic is off by
DAY = 86_400.0

OnEvent = Callable[[str, BaseException | None], None]


def next_instant(now: float, interval: float, offset: float) -> float:
    """The first instant after ``now`` that lies ``offset`` seconds behind a multiple of ``interval``."""
    return (math.floor((now - offset) / interval) + 1) * interval + offset


class AlignedTrigger(BaseTrigger):  # type: ignore[misc]  # APScheduler 3 publishes no types
    """At once, then ``offset()`` seconds after each multiple of ``interval`` on the clock's wall face.

    Within half an interval nothing follows the first run, which reads back hours and may take longer, nor a run after
    which the offset has changed.
    """

    def __init__(self, clock: Clock, interval: float, offset: Callable[[], float]) -> None:
        self._clock = clock
        self._interval = interval
        self._offset = offset
        self._first: datetime | None = None
        self._asked: datetime | None = None
        self._aligned = offset()
        self._moved = False

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """APScheduler's times are the machine's; the clock says how long its own next instant takes on it."""
        if previous_fire_time is None:
            self._first = now
            return now
        if previous_fire_time != self._asked:  # APScheduler asks more than once for what follows one firing
            offset = self._offset()
            self._moved = previous_fire_time == self._first or offset != self._aligned
            self._asked, self._aligned = previous_fire_time, offset
        here = self._clock.now()
        # A timer may wake a moment early; that moment's instant has then just been served.
        lead = self._interval / 2 if self._moved else EARLY
        return now + timedelta(
            seconds=self._clock.real_seconds(next_instant(here + lead, self._interval, self._aligned) - here)
        )


class DailyTrigger(BaseTrigger):  # type: ignore[misc]  # APScheduler 3 publishes no types
    """Once a day of the clock, ``offset()`` seconds after midnight UTC; not at once."""

    def __init__(self, clock: Clock, offset: Callable[[], float]) -> None:
        self._clock = clock
        self._offset = offset

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """See :class:`AlignedTrigger`. A day that was slept through is over; and however early a timer of a fast clock
        woke, the night that it woke for has begun."""
        here = self._clock.now()
        lead = EARLY if previous_fire_time is None else DAY / 24
        return now + timedelta(seconds=self._clock.real_seconds(next_instant(here + lead, DAY, self._offset()) - here))


class Steadfast(BackgroundScheduler):  # type: ignore[misc]  # APScheduler 3 publishes no types
    """APScheduler plans by the machine's wall clock: set back by an hour, it would sleep for an hour more. ``longest``
    is the longest real wait that the trigger can ask for, in seconds; a longer one is a clock set back."""

    def __init__(self, longest: float, **options: object) -> None:
        self._longest = longest
        super().__init__(**options)

    def _process_jobs(self) -> float | None:
        wait: float | None = super()._process_jobs()
        if wait is None or wait <= self._longest:
            return wait
        for job in self.get_jobs():
            job.reschedule(job.trigger)
        again: float | None = super()._process_jobs()
        return again


class Scheduler:
    """Runs one job on an aligned trigger in one thread of its own."""

    def __init__(
        self,
        job: Callable[[], object],
        clock: Clock,
        *,
        interval: float,
        offset: Callable[[], float],
        on_event: OnEvent,
    ) -> None:
        self._job = job
        self._turn = threading.Lock()
        self._stopped = False
        self._on_event = on_event
        # Overlapping runs are told through on_event; APScheduler's own warning would say it twice.
        quiet = logging.getLogger("apscheduler.quiet")
        quiet.setLevel(logging.ERROR)
        # One thread: a second one would only ever run the same job beside itself.
        longest = clock.real_seconds(interval * 1.5 + EARLY) + SLACK
        self._scheduler = Steadfast(longest, logger=quiet, timezone=UTC, executors={"default": ThreadPoolExecutor(1)})
        self._scheduler.add_listener(self._heard, EVENT_JOB_MISSED | EVENT_JOB_ERROR | EVENT_JOB_MAX_INSTANCES)
        grace = max(1, round(clock.real_seconds(interval) * GRACE_SHARE))
        self._scheduler.add_job(
            self._run,
            AlignedTrigger(clock, interval, offset),
            id="cycle",
            coalesce=True,
            max_instances=1,
            misfire_grace_time=grace,
        )

    def start(self) -> None:
        self._scheduler.start()

    def stop(self, timeout: float) -> bool:
        """Start nothing more and wait for the cycle in hand; False when it took longer than ``timeout`` seconds."""
        self._stopped = True
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        finished = self._turn.acquire(timeout=timeout)
        if finished:
            self._turn.release()
        return finished

    def _run(self) -> None:
        with self._turn:
            if not self._stopped:
                self._job()

    def _heard(self, event: JobEvent) -> None:
        error = event.exception if isinstance(event, JobExecutionEvent) else None
        self._on_event(EVENTS[event.code], error)


class Daily:
    """Runs one job once a day, in a thread that neither the cycle nor the end of the process waits for."""

    def __init__(
        self, job: Callable[[], object], clock: Clock, *, offset: Callable[[], float], on_event: OnEvent
    ) -> None:
        """offset: seconds after midnight UTC. on_event: told of a day missed, of one that is not over when the next
        begins ("overlap"), and of a job that failed ("error")."""
        self._job = job
        self._on_event = on_event
        self._thread: threading.Thread | None = None
        quiet = logging.getLogger("apscheduler.quiet")
        quiet.setLevel(logging.ERROR)
        longest = clock.real_seconds(DAY * 25 / 24) + SLACK
        self._scheduler = Steadfast(longest, logger=quiet, timezone=UTC, executors={"default": ThreadPoolExecutor(1)})
        self._scheduler.add_listener(lambda _event: on_event("missed", None), EVENT_JOB_MISSED)
        grace = max(1, round(clock.real_seconds(DAY / 24)))
        self._scheduler.add_job(
            self._begin, DailyTrigger(clock, offset), id="nightly", coalesce=True, misfire_grace_time=grace
        )

    def start(self) -> None:
        self._scheduler.start()

    def stop(self, timeout: float) -> bool:
        """Start nothing more and wait for the job in hand, which has been told to stop; False when it did not."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        if self._thread is None:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _begin(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            self._on_event("overlap", None)
            return
        self._thread = threading.Thread(target=self._run, name="nightly", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._job()
        except Exception as error:  # noqa: BLE001 - a night that failed is told, and the next one comes
            self._on_event("error", error)
