"""A pass that hangs cannot tell so itself: the watchdog does, once, and the next pass ends what it told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.wire import always, disk_full
from tests.support.world import REGION, World, steady
from watcher.aws.client import StaticCredentials
from watcher.clock import ScaledClock, SimulatedClock
from watcher.config import load
from watcher.core.model import Alert
from watcher.core.reasons import Cause, IncidentState, Severity
from watcher.cycle_regions import FIRST_PASS
from watcher.daemon import Daemon, Settings, Watcher
from watcher.daemon_watchdog import Watchdog
from watcher.errors import DeliveryError
from watcher.ports import CycleReport, Outgoing

LONG = 10.0  # real seconds in which everything here is over
TOPIC = "arn:aws:sns:us-east-1:123456789012:alerts"  # the mailbox's


@dataclass
class Topic:
    """A Notifier of one topic. before: called before each publication. quiet: whether its quiet hours hold all."""

    sent: list[Outgoing] = field(default_factory=list)
    before: Callable[[], None] = lambda: None
    quiet: bool = False

    def topics_for(self, alert: Alert) -> list[str]:  # noqa: ARG002 - of whatever alert
        return [TOPIC]

    def is_quiet(self, topic_arn: str, alert: Alert, now: float) -> bool:  # noqa: ARG002 - the port's
        return self.quiet

    def publish(self, outgoing: Outgoing) -> None:
        self.before()
        self.sent.append(outgoing)


@dataclass
class Said:
    events: list[str] = field(default_factory=list)

    def __call__(self, event: str, **_facts: object) -> None:
        self.events.append(event)


@dataclass
class Hanging:
    """A world whose watcher has been watched over since its last pass."""

    world: World
    topic: Topic = field(default_factory=Topic)
    said: Said = field(default_factory=Said)
    patience: float = LONG

    def dog(self) -> Watchdog:
        world = self.world
        return Watchdog(
            world.cycle.desk,
            lambda: self.topic,
            world.wire.store(world.store),
            world.clock,
            interval=60.0,
            say=self.said,
            patience=self.patience,
        )


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    with World(steady()) as world:
        world.run(3)  # leaves the clock a minute after the last pass
        yield Hanging(world)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        pytest.param(120, 0, id="the last pass finished three minutes ago"),
        pytest.param(121, 1, id="more than three minutes ago"),
    ],
)
def test_it_tells_when_no_pass_has_finished_for_too_long(hanging: Hanging, seconds: float, told: int) -> None:
    hanging.world.clock.advance(seconds)
    hanging.dog().look()
    assert len(hanging.topic.sent) == told
    assert hanging.said.events == ["cycle.overdue"] * told


def test_what_it_tells_is_critical_and_remembered_and_never_told_again(hanging: Hanging) -> None:
    world = hanging.world
    world.clock.advance(240)
    dog = hanging.dog()
    for _ in range(5):
        dog.look()
        world.clock.advance(600)
    (sent,) = hanging.topic.sent
    assert (sent.alert.cause, sent.alert.severity, sent.alert.state) == (
        Cause.OVERDUE,
        Severity.CRITICAL,
        IncidentState.OPEN,
    )
    assert [alert.id for alert in world.store.alerts()] == [sent.alert.id]
    assert world.store.waiting() == 0
    assert world.store.load_regions()[REGION].incidents[Cause.OVERDUE].id == sent.alert.incident


def test_the_next_pass_that_finishes_ends_it(hanging: Hanging) -> None:
    world = hanging.world
    world.clock.advance(240)
    hanging.dog().look()
    world.run(4)
    assert world.alerts() == [("resolved", "overdue-cycle")]
    assert world.sent("")[0].alert.incident == hanging.topic.sent[0].alert.incident
    world.clock.advance(240)
    hanging.dog().look()
    again = hanging.topic.sent[-1].alert
    assert (again.state, again.sequence) == (IncidentState.OPEN, 3)  # back within the hour: the same incident


def test_another_life_ends_what_was_told_before_a_crash(hanging: Hanging) -> None:
    world = hanging.world
    world.clock.advance(240)
    hanging.dog().look()
    world.restart()
    world.run(4)
    assert world.alerts() == [("resolved", "overdue-cycle")]


def test_a_topic_that_fails_hears_of_it_from_the_next_pass_and_before_its_end(hanging: Hanging) -> None:
    def refuse() -> None:
        raise DeliveryError("connection refused")

    world = hanging.world
    hanging.topic.before = refuse
    world.clock.advance(240)
    hanging.dog().look()
    assert world.store.waiting() == 1
    assert world.cycle.desk._unsent == []  # the store has it
    assert "watchdog.undelivered" in hanging.said.events
    world.run(6)
    assert world.sent("")[0].alert.incident.startswith(f"{REGION}.overdue-cycle.")
    assert world.alerts("")[-1] == ("resolved", "overdue-cycle")
    assert world.store.waiting() == 0


def test_while_it_publishes_the_post_leaves_the_message_to_it(hanging: Hanging) -> None:
    due: list[int] = []
    hanging.topic.before = lambda: due.append(len(hanging.world.store.outbox(hanging.world.clock.now())))
    hanging.world.clock.advance(240)
    hanging.dog().look()
    assert due == [0]


def test_with_the_store_lost_too_it_is_told_all_the_same(hanging: Hanging) -> None:
    world = hanging.world
    world.wire.faults["store.record"] = always(disk_full())
    world.clock.advance(240)
    hanging.dog().look()
    assert len(hanging.topic.sent) == 1
    world.wire.faults.clear()
    world.run(4)
    assert world.alerts() == [("resolved", "overdue-cycle")]


def test_with_nothing_working_the_next_pass_tells_it(hanging: Hanging) -> None:
    def refuse() -> None:
        raise DeliveryError("connection refused")

    world = hanging.world
    hanging.topic.before = refuse
    world.wire.faults["store.record"] = always(disk_full())
    world.clock.advance(240)
    hanging.dog().look()
    world.wire.faults.clear()
    world.run(1)
    assert world.alerts() == [("open", "overdue-cycle")]
    world.run(4)
    assert world.alerts() == [("open", "overdue-cycle"), ("resolved", "overdue-cycle")]
    assert world.store.waiting() == 0


def test_quiet_hours_leave_it_to_the_post(hanging: Hanging) -> None:
    hanging.topic.quiet = True
    hanging.world.clock.advance(240)
    hanging.dog().look()
    assert hanging.topic.sent == []
    assert hanging.world.store.waiting() == 1


def test_the_first_pass_has_time_to_read_back_hours() -> None:
    with World(steady()) as world:
        hanging = Hanging(world)
        dog = hanging.dog()
        world.clock.advance(180 + FIRST_PASS)
        dog.look()
        assert hanging.topic.sent == []
        world.clock.advance(1)
        dog.look()
        (sent,) = hanging.topic.sent
        assert "since the watcher began at" in sent.alert.sentence


def test_it_names_what_the_pass_is_doing(hanging: Hanging) -> None:
    world = hanging.world
    told = threading.Event()

    def hang(*_args: object) -> None:
        world.wire.faults.clear()
        world.clock.advance(200)
        hanging.dog().look()
        told.set()

    world.wire.faults[f"{REGION}/metrics.read"] = hang
    world.run()
    assert told.is_set()
    assert hanging.topic.sent[0].alert.sentence.endswith("; it is reading AWS.")
    world.run(5)
    assert world.alerts() == [("resolved", "overdue-cycle")]  # the pass that hung did not tell it once more


# ---- in its own thread


class QuickClock(SimulatedClock):
    """A minute of it is a millisecond."""

    def real_seconds(self, seconds: float) -> float:
        return seconds / 60_000


def test_its_thread_looks_by_itself_while_the_cycle_hangs() -> None:
    with World(steady()) as world:
        quick = QuickClock(world.clock.now())
        world.clock = quick
        world.run(2)
        published = threading.Event()
        hanging = Hanging(world, Topic(before=published.set))
        dog = hanging.dog()
        quick.advance(200)
        dog.start()
        try:
            assert published.wait(LONG)
        finally:
            assert dog.stop(LONG)
        assert len(hanging.topic.sent) == 1


def test_a_publication_that_hangs_is_left_to_itself(hanging: Hanging) -> None:
    release = threading.Event()
    hanging.topic.before = lambda: (release.wait(LONG), None)[1]
    hanging.patience = 0.01
    hanging.world.clock.advance(240)
    hanging.dog().look()
    try:
        assert hanging.said.events[-1] == "watchdog.undelivered"
        assert hanging.world.store.waiting() == 1  # the post tells it, should this one never come through
    finally:
        release.set()
        for thread in threading.enumerate():
            if thread.name == "watchdog-call":
                thread.join(LONG)


def test_a_stopped_watchdog_tells_nothing(hanging: Hanging) -> None:
    dog = hanging.dog()
    assert dog.stop(LONG)  # also one that was never started
    hanging.world.clock.advance(600)
    dog.look()
    assert hanging.topic.sent == []


def test_a_bug_in_one_look_does_not_end_the_next() -> None:
    with World(steady()) as world:
        quick = QuickClock(world.clock.now())
        world.clock = quick
        world.run(1)
        hanging = Hanging(world)
        calls: list[int] = []
        looked = threading.Event()
        dog = hanging.dog()

        def look() -> None:
            calls.append(1)
            if len(calls) > 1:
                looked.set()
            raise RuntimeError("oops")

        dog.look = look  # type: ignore[method-assign]
        dog.start()
        try:
            assert looked.wait(LONG)
        finally:
            assert dog.stop(LONG)
        assert "watchdog.failed" in hanging.said.events


def test_the_daemon_keeps_one_and_stops_it(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[[tables]]\nmatch = "*"\n[server]\nport = 0\n', encoding="utf-8")
    environ = {"WATCHER_STATE__PATH": str(tmp_path / "watcher.db")}
    clock = ScaledClock(20_000)  # the first pass is overdue after 54 ms
    watcher = Watcher(load(path, environ), Settings(clock, path, environ, StaticCredentials("key", "secret")))
    published, released = threading.Event(), threading.Event()
    topic = Topic(before=published.set)
    watcher.cycle.use(lambda _name: None, topic)

    def hang() -> CycleReport:
        released.wait(LONG)
        return CycleReport(clock.now(), clock.now(), 0.0)

    watcher.run_cycle = hang  # type: ignore[method-assign]
    daemon = Daemon(watcher)
    running = threading.Thread(target=daemon.run)
    running.start()
    try:
        assert published.wait(LONG)
    finally:
        released.set()
        daemon.stop()
        running.join(LONG)
    assert not running.is_alive()
    assert [one.alert.cause for one in topic.sent] == [Cause.OVERDUE]
    assert not any(thread.name == "watchdog" for thread in threading.enumerate())


# ---- a topic that fails while the pass hangs


@dataclass
class Failing:
    """Fails until ``until``; tries: when it was asked, seconds after the first look."""

    world: World
    until: float
    tries: list[int] = field(default_factory=list)
    began: float | None = None

    def __call__(self) -> None:
        now = self.world.clock.now()
        self.began = now if self.began is None else self.began
        self.tries.append(int(now - self.began))
        if now - self.began < self.until:
            raise DeliveryError("connection refused")


@pytest.mark.parametrize("stored", [True, False], ids=["stored", "in memory only"])
def test_a_topic_that_fails_is_tried_again_while_the_pass_hangs(hanging: Hanging, stored: bool) -> None:  # noqa: FBT001 - a column
    world = hanging.world
    topic = Failing(world, until=400)
    hanging.topic.before = topic
    if not stored:
        world.wire.faults["store.record"] = always(disk_full())
    world.clock.advance(240)
    dog = hanging.dog()
    for _ in range(2 * 60):
        dog.look()
        world.clock.advance(30)
    assert topic.tries == [0, 30, 90, 210, 450]
    assert [one.alert.cause for one in hanging.topic.sent] == [Cause.OVERDUE]
    world.wire.faults.clear()
    assert (world.store.waiting(), world.cycle.desk._unsent) == (0, [])
    world.run(4)
    assert world.alerts() == [("resolved", "overdue-cycle")]


def test_once_a_pass_has_finished_the_post_tells_what_is_left(hanging: Hanging) -> None:
    world = hanging.world
    hanging.topic.before = topic = Failing(world, until=1e9)
    world.clock.advance(240)
    dog = hanging.dog()
    dog.look()
    world.run()
    for _ in range(5):
        world.clock.advance(30)
        dog.look()
    assert topic.tries == [0]


def test_after_quiet_hours_it_is_told_while_the_pass_still_hangs(hanging: Hanging) -> None:
    world = hanging.world
    hanging.topic.quiet = True
    world.clock.advance(240)
    dog = hanging.dog()
    dog.look()
    hanging.topic.quiet = False
    dog.look()
    assert len(hanging.topic.sent) == 1
    assert world.store.waiting() == 0
