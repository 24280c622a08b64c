"""When the cycle runs: the instants by arithmetic, the rest through APScheduler for real on a fast clock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from watcher.clock import Clock, ScaledClock, SimulatedClock, SystemClock, utc
from watcher.scheduler import EARLY, AlignedTrigger, Daily, DailyTrigger, Scheduler, next_instant

NOON = 1_700_049_600.0  # 2023-11-15T12:00:00Z
PATIENCE = 10.0  # seconds a test waits for what takes milliseconds
FAST = 600.0  # times the machine's speed: a minute takes 0.1 s


@pytest.mark.parametrize(
    ("now", "interval", "offset", "expected"),
    [
        pytest.param(NOON, 60, 5, NOON + 5, id="on the full minute: five seconds later"),
        pytest.param(NOON + 4.999, 60, 5, NOON + 5, id="just before"),
        pytest.param(NOON + 5, 60, 5, NOON + 65, id="exactly on it: the next one"),
        pytest.param(NOON + 5.001, 60, 5, NOON + 65, id="just after"),
        pytest.param(NOON + 59, 60, 0, NOON + 60, id="no offset"),
        pytest.param(NOON, 60, 0, NOON + 60, id="no offset, on the full minute"),
        pytest.param(NOON + 30, 60, 59, NOON + 59, id="the largest offset"),
        pytest.param(NOON + 61, 300, 5, NOON + 305, id="five minutes are counted from the epoch, not from the start"),
        pytest.param(NOON + 3, 300, 5, NOON + 5, id="five minutes, just before"),
    ],
)
def test_next_instant(now: float, interval: float, offset: float, expected: float) -> None:
    assert next_instant(now, interval, offset) == expected


class Machine(SimulatedClock):
    """A simulated clock that runs ``speed`` times as fast as its machine, so that waits have a length."""

    speed = 1.0

    def real_seconds(self, seconds: float) -> float:
        return seconds / self.speed


def machine(second: float, speed: float = 1.0) -> Machine:
    clock = Machine(NOON + second)
    clock.speed = speed
    return clock


# The machine's own time, which APScheduler lives in, is another one than the clock's.
MACHINE_NOW = datetime(2030, 1, 1, 0, 0, 17, tzinfo=UTC)


def wait(clock: Clock, interval: float = 60.0) -> float:
    """Real seconds until the next firing, the last one having been just now."""
    trigger = AlignedTrigger(clock, interval, lambda: 5.0)
    return (trigger.get_next_fire_time(MACHINE_NOW, MACHINE_NOW) - MACHINE_NOW) / timedelta(seconds=1)


def test_the_first_firing_is_at_once() -> None:
    assert AlignedTrigger(machine(30), 60.0, lambda: 5.0).get_next_fire_time(None, MACHINE_NOW) == MACHINE_NOW


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        pytest.param(20.0, 45.0, id="45 s from the start to :05 are enough for the first pass"),
        pytest.param(34.0, 31.0, id="so are 31"),
        pytest.param(36.0, 89.0, id="29 are not: the :05 after that"),
        pytest.param(3.0, 62.0, id="nor are two"),
    ],
)
def test_the_second_firing_leaves_the_first_pass_half_an_interval(second: float, expected: float) -> None:
    trigger = AlignedTrigger(machine(second), 60.0, lambda: 5.0)
    first = trigger.get_next_fire_time(None, MACHINE_NOW)
    # APScheduler asks more than once for what follows one firing.
    seconds = [trigger.get_next_fire_time(first, MACHINE_NOW) for _ in range(3)]
    assert seconds == [MACHINE_NOW + timedelta(seconds=expected)] * 3
    third = trigger.get_next_fire_time(seconds[0], MACHINE_NOW)
    assert third - MACHINE_NOW <= timedelta(seconds=62), "and then it is as ever"


@pytest.mark.parametrize(
    ("second", "before", "after", "expected"),
    [
        pytest.param(12.0, 12.0, 42.0, 90.0, id="half a minute on is not more than half an interval: a minute later"),
        pytest.param(12.0, 12.0, 43.0, 31.0, id="31 s on is"),
        pytest.param(42.0, 42.0, 57.0, 75.0, id="15 s on is too soon"),
        pytest.param(57.0, 57.0, 4.0, 67.0, id="over the full minute"),
        pytest.param(12.0, 12.0, 12.0, 60.0, id="unchanged: as ever"),
    ],
)
def test_a_changed_offset_leaves_half_an_interval_too(
    second: float, before: float, after: float, expected: float
) -> None:
    offsets = [before]
    trigger = AlignedTrigger(machine(second), 60.0, lambda: offsets[-1])
    offsets.append(after)
    waits = [trigger.get_next_fire_time(MACHINE_NOW, MACHINE_NOW) - MACHINE_NOW for _ in range(3)]
    assert waits == [timedelta(seconds=expected)] * 3, "however often APScheduler asks"
    offsets.append(after + 1)
    assert trigger.get_next_fire_time(MACHINE_NOW, MACHINE_NOW) - MACHINE_NOW == waits[0], "settled for this firing"


@pytest.mark.parametrize(
    ("second", "speed", "expected"),
    [
        pytest.param(30.0, 1.0, 35.0, id="started in the middle of a minute: the next :05"),
        pytest.param(5.0, 1.0, 60.0, id="fired on time"),
        pytest.param(5.4, 1.0, 59.6, id="fired a little late: no drift"),
        pytest.param(50.0, 1.0, 15.0, id="the pass took 45 s: still the next :05"),
        pytest.param(4.5, 1.0, 60.5, id="woken half a second early: that instant has just been served"),
        pytest.param(5.0 - EARLY, 1.0, 60.0 + EARLY, id="the earliest that counts as early"),
        pytest.param(5.0 - EARLY - 0.5, 1.0, EARLY + 0.5, id="before that it is this minute's turn that comes"),
        pytest.param(5.0, 30.0, 2.0, id="thirty times as fast: two real seconds"),
    ],
)
def test_then_it_fires_after_each_full_minute_of_the_clock(second: float, speed: float, expected: float) -> None:
    assert wait(machine(second, speed)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        pytest.param(3583.0, 17.0 + 60.0, id="an hour less 17 s forward"),
        pytest.param(-10.0, 10.0, id="ten seconds back: the same minute's :05 comes again"),
        pytest.param(-3600.0, 60.0, id="an hour back"),
    ],
)
def test_a_step_of_the_wall_clock_moves_the_next_firing_to_the_new_minute(step: float, expected: float) -> None:
    clock = machine(5.0)
    clock.step_wall(step)
    assert wait(clock) == pytest.approx(expected % 60 or 60.0, abs=1e-5)


class Recorder:
    """A job that notes when it ran and can be held or made to fail; and the events around it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.runs: list[float] = []
        self.events: list[tuple[str, BaseException | None]] = []
        self.error: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.changed = threading.Condition()

    def job(self) -> None:
        with self.changed:
            self.runs.append(self.clock.now())
            self.changed.notify_all()
        assert self.gate.wait(PATIENCE)
        if self.error is not None:
            raise self.error

    def hear(self, event: str, error: BaseException | None) -> None:
        with self.changed:
            self.events.append((event, error))
            self.changed.notify_all()

    def until(self, holds: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(holds, PATIENCE)


@contextmanager
def scheduled(*, held: bool = False) -> Iterator[tuple[Recorder, Scheduler]]:
    """A running schedule, its first job held in hand if asked; afterwards it is stopped and no thread of it is left."""
    before = set(threading.enumerate())
    clock = ScaledClock(FAST, start=NOON)
    recorder = Recorder(clock)
    if held:
        recorder.gate.clear()
    scheduler = Scheduler(recorder.job, clock, interval=60.0, offset=lambda: 5.0, on_event=recorder.hear)
    scheduler.start()
    try:
        yield recorder, scheduler
    finally:
        recorder.gate.set()
        assert scheduler.stop(PATIENCE)
        for thread in set(threading.enumerate()) - before:
            thread.join(PATIENCE)
            assert not thread.is_alive(), thread.name


def test_it_runs_at_once_and_then_once_a_minute_of_its_clock() -> None:
    with scheduled() as (recorder, _):
        recorder.until(lambda: len(recorder.runs) >= 4)
        runs = recorder.runs[:4]
        assert runs[0] - NOON < 60
        # One in each following minute and none twice, however late this machine wakes up.
        minutes = [int(run - NOON - 5) // 60 for run in runs[1:]]
        assert minutes == sorted(set(minutes))
        assert recorder.events == []


def test_a_failing_job_is_told_and_runs_again() -> None:
    with scheduled() as (recorder, _):
        recorder.error = RuntimeError("odd")
        recorder.until(lambda: len(recorder.events) >= 2)
        assert {event for event, _ in recorder.events} == {"error"}
        assert [str(error) for _, error in recorder.events[:2]] == ["odd", "odd"]
        recorder.error = None
        ran = len(recorder.runs)
        recorder.until(lambda: len(recorder.runs) >= ran + 2)


def test_a_job_that_takes_too_long_is_told_and_never_runs_beside_itself() -> None:
    with scheduled(held=True) as (recorder, _):
        recorder.until(lambda: bool(recorder.runs))
        recorder.until(lambda: ("overlap", None) in recorder.events)
        assert len(recorder.runs) == 1
        recorder.gate.set()
        recorder.until(lambda: len(recorder.runs) > 1)


def test_a_turn_that_the_machine_slept_through_is_told() -> None:
    with scheduled() as (recorder, scheduler):
        recorder.until(lambda: bool(recorder.runs))
        # What a suspended machine looks like when it wakes: the time to run lies ten seconds back.
        scheduler._scheduler.modify_job("cycle", next_run_time=utc(SystemClock().now() - 10))
        recorder.until(lambda: ("missed", None) in recorder.events)
        ran = len(recorder.runs)
        recorder.until(lambda: len(recorder.runs) > ran)


def test_a_machine_whose_clock_is_set_back_does_not_sleep_for_the_difference() -> None:
    with scheduled() as (recorder, scheduler):
        recorder.until(lambda: bool(recorder.runs))
        # Set back by an hour, the time to run lies an hour ahead.
        scheduler._scheduler.modify_job("cycle", next_run_time=utc(SystemClock().now() + 3600))
        ran = len(recorder.runs)
        recorder.until(lambda: len(recorder.runs) > ran + 1)


def test_stopping_waits_for_the_job_in_hand_and_starts_no_other() -> None:
    with scheduled(held=True) as (recorder, scheduler):
        recorder.until(lambda: bool(recorder.runs))
        stopped: list[bool] = []
        stopping = threading.Thread(target=lambda: stopped.append(scheduler.stop(PATIENCE)))
        stopping.start()
        assert stopped == []
        recorder.gate.set()
        stopping.join(PATIENCE)
        assert stopped == [True]
        scheduler._run()  # a turn that had been handed to the thread just before
        assert len(recorder.runs) == 1


def test_stopping_does_not_wait_for_ever() -> None:
    with scheduled(held=True) as (recorder, scheduler):
        recorder.until(lambda: bool(recorder.runs))
        assert scheduler.stop(0.05) is False
        recorder.gate.set()
        assert scheduler.stop(PATIENCE) is True  # again is harmless, and now it is done


def test_stopping_what_never_started_is_harmless() -> None:
    scheduler = Scheduler(lambda: None, ScaledClock(FAST), interval=60.0, offset=lambda: 5.0, on_event=lambda *_: None)
    assert scheduler.stop(0.0) is True


# Nights -------------------------------------------------------------------------------------------------------------

DAY = 86_400.0


@pytest.mark.parametrize(
    ("hour", "speed", "expected"),
    [
        pytest.param(0.0, 1.0, 3 * 3600.0, id="from midnight to three"),
        pytest.param(1.9, 1.0, 3960.0, id="66 minutes to three"),
        pytest.param(3.0, 1.0, DAY, id="fired on time: tomorrow"),
        pytest.param(3.0 - 0.5 / 3600, 1.0, DAY + 0.5, id="woken half a second early: that night has just begun"),
        pytest.param(12.0, 1.0, 15 * 3600.0, id="started at noon: not at once"),
        pytest.param(12.0, 60.0, 15 * 60.0, id="sixty times as fast"),
    ],
)
def test_a_night_begins_once_a_day_at_its_hour(hour: float, speed: float, expected: float) -> None:
    midnight = NOON // DAY * DAY
    clock = Still(speed, midnight + hour * 3600)
    trigger = DailyTrigger(clock, lambda: 3 * 3600.0)
    for previous in (None, MACHINE_NOW):
        waited = trigger.get_next_fire_time(previous, MACHINE_NOW) - MACHINE_NOW
        assert waited / timedelta(seconds=1) == pytest.approx(expected, abs=1e-4)


class Still:
    """A clock that stands still, with the pace of another."""

    def __init__(self, speed: float, at: float) -> None:
        self._speed = speed
        self._at = at

    def now(self) -> float:
        return self._at

    def monotonic(self) -> float:
        return 0.0

    def real_seconds(self, seconds: float) -> float:
        return seconds / self._speed


@contextmanager
def nights(*, held: bool = False) -> Iterator[tuple[Recorder, Daily]]:
    """A schedule of nights that come four times a second."""
    before = set(threading.enumerate())
    recorder = Recorder(ScaledClock(DAY * 4, start=NOON))
    if held:
        recorder.gate.clear()
    daily = Daily(recorder.job, recorder.clock, offset=lambda: 3 * 3600.0, on_event=recorder.hear)
    daily.start()
    try:
        yield recorder, daily
    finally:
        recorder.gate.set()
        assert daily.stop(PATIENCE)
        for thread in set(threading.enumerate()) - before:
            thread.join(PATIENCE)
            assert not thread.is_alive(), thread.name


def test_nights_come_one_after_the_other() -> None:
    with nights() as (recorder, _):
        recorder.until(lambda: len(recorder.runs) >= 3)
        assert len({run // DAY for run in recorder.runs[:3]}) == 3


def test_a_night_that_failed_is_told_and_the_next_one_comes() -> None:
    with nights() as (recorder, _):
        recorder.error = RuntimeError("odd")
        recorder.until(lambda: len([event for event, _ in recorder.events if event == "error"]) >= 2)
        recorder.error = None
        ran = len(recorder.runs)
        recorder.until(lambda: len(recorder.runs) > ran)


def test_a_night_that_lasts_all_day_is_told_and_has_no_second_beside_it() -> None:
    with nights(held=True) as (recorder, _):
        recorder.until(lambda: ("overlap", None) in recorder.events)
        assert len(recorder.runs) == 1


def test_stopping_does_not_wait_for_a_night_that_hangs() -> None:
    with nights(held=True) as (recorder, daily):
        recorder.until(lambda: bool(recorder.runs))
        assert daily.stop(0.05) is False
        recorder.gate.set()
        assert daily.stop(PATIENCE) is True


def test_stopping_nights_that_never_began_is_harmless() -> None:
    daily = Daily(lambda: None, ScaledClock(FAST), offset=lambda: 0.0, on_event=lambda *_: None)
    assert daily.stop(0.0) is True


def test_a_timer_of_a_fast_clock_that_woke_minutes_early_has_begun_its_night() -> None:
    trigger = DailyTrigger(Still(600.0, NOON // DAY * DAY + 3 * 3600 - 300), lambda: 3 * 3600.0)
    waits = [trigger.get_next_fire_time(previous, MACHINE_NOW) - MACHINE_NOW for previous in (None, MACHINE_NOW)]
    assert [wait * 600 for wait in waits] == [timedelta(seconds=300), timedelta(seconds=DAY + 300)]
