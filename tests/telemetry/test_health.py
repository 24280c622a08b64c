"""Health is progress, and its ages are monotonic."""

from __future__ import annotations

import pytest

from tests.telemetry.examples import NOW
from watcher.clock import SimulatedClock
from watcher.telemetry.health import Health, Verdict

LIMIT = 3 * 60 + 30  # three intervals of 60 s and 30 s of grace


def health() -> tuple[Health, SimulatedClock]:
    clock = SimulatedClock(NOW)
    return Health(clock, 60.0, 30.0), clock


@pytest.mark.parametrize(
    ("finished", "age", "ok", "sentence"),
    [
        pytest.param(False, 0, True, "The first cycle is under way, 0 s after the start.", id="just started is alive"),
        pytest.param(
            False,
            LIMIT - 1,
            True,
            "The first cycle is under way, 3 min after the start.",
            id="one second before the limit the first cycle may still be under way",
        ),
        pytest.param(
            False,
            LIMIT,
            False,
            "No cycle has finished in the 4 min since the start; one was due within 4 min.",
            id="at the limit without any cycle it is stuck",
        ),
        pytest.param(True, 0, True, "The last cycle finished 0 s ago.", id="a cycle that just finished is alive"),
        pytest.param(
            True, LIMIT - 1, True, "The last cycle finished 3 min ago.", id="one second before the limit is alive"
        ),
        pytest.param(
            True,
            LIMIT,
            False,
            "The last cycle finished 4 min ago; more than 4 min means the watcher is stuck.",
            id="at the limit it is stuck",
        ),
    ],
)
def test_alive(finished: bool, age: float, ok: bool, sentence: str) -> None:  # noqa: FBT001 - a table's columns
    subject, clock = health()
    clock.advance(500 if finished else 0)
    if finished:
        subject.cycle_finished(store_available=True)
    clock.advance(age)
    assert subject.alive() == Verdict(ok=ok, sentence=sentence)
    assert subject.alive().status == (200 if ok else 503)


def test_a_stepped_wall_clock_neither_hides_a_hang_nor_invents_one() -> None:
    subject, clock = health()
    subject.cycle_finished(store_available=True)
    clock.step_wall(86_400)
    assert subject.alive().ok
    clock.step_wall(-2 * 86_400)
    clock.advance(LIMIT)
    assert not subject.alive().ok


def test_a_longer_interval_after_a_reload_moves_the_limit() -> None:
    subject, clock = health()
    subject.cycle_finished(store_available=True)
    clock.advance(LIMIT)
    subject.interval_seconds = 61
    assert subject.limit_seconds == LIMIT + 3
    assert subject.alive().ok


def test_ready_after_the_first_cycle_while_the_store_is_available() -> None:
    subject, _ = health()
    assert subject.ready() == Verdict(ok=False, sentence="The first cycle has not finished yet.")
    subject.cycle_finished(store_available=False)
    assert not subject.ready().ok
    assert "state store is not available" in subject.ready().sentence
    subject.cycle_finished(store_available=True)
    assert subject.ready().ok


def test_a_stuck_watcher_stays_ready_because_only_liveness_should_restart_it() -> None:
    subject, clock = health()
    subject.cycle_finished(store_available=True)
    clock.advance(10 * LIMIT)
    assert subject.ready().ok
    assert not subject.alive().ok
