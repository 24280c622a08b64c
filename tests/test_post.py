"""The post room: everything is delivered, in order within an incident, with patience, whatever breaks meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.store.samples import ORDERS, OTHER_TOPIC, TOPIC, USERS, T, alert, intent, pause, switch_intent
from tests.support.wire import RecordingTelemetry, Wire, always, disk_full
from watcher.clock import SimulatedClock
from watcher.core.model import Alert, Settlement
from watcher.core.pauses import Pause
from watcher.core.reasons import IncidentState, Outcome, Severity
from watcher.core.words import time_of_day
from watcher.errors import DeliveryError, StoreError
from watcher.ports import CycleRecord, Outgoing, Store
from watcher.post import GIVE_UP_ATTEMPTS, UNDER_WAY, Delivery, Post
from watcher.store.memory import MemoryStore
from watcher.store.sqlite import SqliteStore

MINUTE = 60.0


@dataclass
class Topics:
    """SNS with switches. refused: topics that do not answer; gone: that do not exist. unfit: alerts that SNS refuses
    for themselves. broken: alerts over which the notifier stumbles. night: whether quiet hours hold what is not
    critical. before: called before each attempt."""

    topics: tuple[str, ...] = (TOPIC,)
    refused: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    unfit: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    night: bool = False
    sent: list[Outgoing] = field(default_factory=list)
    tries: list[str] = field(default_factory=list)
    before: Callable[[Outgoing], object] = lambda _outgoing: None

    def topics_for(self, _alert: Alert) -> list[str]:
        return list(self.topics)

    def is_quiet(self, _topic: str, alert: Alert, _now: float) -> bool:
        return self.night and alert.severity is not Severity.CRITICAL

    def publish(self, outgoing: Outgoing) -> None:
        self.tries.append(outgoing.id)
        self.before(outgoing)
        if outgoing.alert.id in self.broken:
            raise RuntimeError(outgoing.alert.id)
        if outgoing.alert.id in self.unfit:
            raise DeliveryError(
                "InvalidParameter", subject=outgoing.topic_arn, hint="shorten it", retryable=False, of_message=True
            )
        if outgoing.topic_arn in self.gone:
            raise DeliveryError("the topic does not exist", subject=outgoing.topic_arn, retryable=False)
        if outgoing.topic_arn in self.refused:
            raise DeliveryError("connection refused", subject=outgoing.topic_arn)
        self.sent.append(outgoing)

    def told(self, topic: str = TOPIC) -> list[str]:
        return [one.alert.id for one in self.sent if one.topic_arn == topic]


class Desk:
    """A post room on a real store, with a wire between them."""

    def __init__(self, store: Store | None = None, workers: int = 1) -> None:
        self.store = store or MemoryStore()
        self.wire = Wire()
        self.topics = Topics()
        self.telemetry = RecordingTelemetry()
        self.clock = SimulatedClock(T)
        self.pauses: list[Pause] = []
        self.post = Post(self.wire.store(self.store), self.topics, self.telemetry, self.clock, workers=workers)

    def record(self, *alerts: Alert) -> None:
        """As the cycle does when the store takes it."""
        outgoing = self.post.address(alerts)
        self.store.record(CycleRecord(T, outgoing=[*self.post.unstored, *outgoing]))
        self.post.stored(outgoing)

    def keep(self, *alerts: Alert) -> None:
        """As the cycle does when the store is lost."""
        self.post.keep_unstored(self.post.address(alerts))

    def deliver(self, after: float = 0.0, settlements: tuple[Settlement, ...] = ()) -> Delivery:
        self.clock.advance(after)
        return self.post.deliver(self.clock.now(), settlements, pauses=self.pauses)

    def lose(self, *calls: str) -> None:
        for call in calls:
            self.wire.faults[f"store.{call}"] = always(disk_full())


def end(sequence: int, incident: str = "orders-1", **changes: object) -> Alert:
    return replace(alert(sequence, incident), state=IncidentState.RESOLVED, **changes)  # type: ignore[arg-type]


def worse(sequence: int, incident: str = "orders-1") -> Alert:
    return replace(alert(sequence, incident), state=IncidentState.WORSENED)


def critical(of: Alert) -> Alert:
    return replace(of, severity=Severity.CRITICAL)


# ---- addressing


def test_addressing_makes_one_message_for_each_topic_with_a_lasting_id() -> None:
    desk = Desk()
    desk.topics.topics = (TOPIC, OTHER_TOPIC)
    once, again = desk.post.address([alert(1), alert(2)]), desk.post.address([alert(1), alert(2)])
    assert once == again
    assert len({(one.id, one.topic_arn) for one in once}) == 4
    desk.topics.topics = ()
    assert desk.post.address([alert()]) == []


def test_what_is_told_as_a_part_of_a_storm_is_not_told_by_itself() -> None:
    desk = Desk()
    folded = replace(alert(1), storm="storm-1")
    assert desk.post.address([folded, replace(end(2), storm="storm-1")]) == []


@pytest.mark.parametrize("storm", ["", "storm-1"], ids=["by another route", "before a storm"])
@pytest.mark.parametrize("delivered", [True, False], ids=["told", "still to be told"])
@pytest.mark.parametrize("restarted", [True, False], ids=["in another life", "in this life"])
def test_an_end_goes_to_every_topic_that_heard_of_the_beginning(delivered: bool, restarted: bool, storm: str) -> None:  # noqa: FBT001 - columns
    desk = Desk()
    desk.record(alert(1))
    if not delivered:
        desk.topics.refused = {TOPIC}
    desk.deliver()
    if restarted:
        desk = Desk(desk.store)
    desk.topics.topics = (OTHER_TOPIC,)
    topics = [one.topic_arn for one in desk.post.address([end(2, storm=storm)])]
    assert topics == ([TOPIC] if storm else [OTHER_TOPIC, TOPIC])
    assert [one.topic_arn for one in desk.post.address([worse(2)])] == [OTHER_TOPIC]


def test_an_end_goes_to_those_who_heard_from_memory_alone() -> None:
    desk = Desk()
    desk.lose("outbox", "hearers", "waiting")
    desk.keep(alert(1))
    desk.record(alert(1, "stored-1"))
    desk.keep(alert(1, "kept-1"))
    desk.topics.refused = {TOPIC}
    desk.deliver()
    desk.topics.topics = ()
    ends = [end(2), end(2, "stored-1"), end(2, "kept-1")]
    assert [one.topic_arn for one in desk.post.address(ends)] == [TOPIC] * 3
    desk.topics.refused = set()
    desk.deliver(MINUTE)
    assert [one.topic_arn for one in desk.post.address([end(2), end(2, "unknown")])] == [TOPIC]


# ---- delivering


def test_what_is_due_is_delivered_in_one_round() -> None:
    desk = Desk()
    desk.record(alert(1), alert(1, "users-1", table=USERS))
    done = desk.deliver()
    assert (done.delivered, done.failed, done.dead, done.waiting) == (2, 0, 0, 0)
    assert desk.topics.told() == ["orders-1-1", "users-1-1"]
    assert desk.deliver().delivered == 0


def test_messages_that_waited_together_are_one_story_with_the_newest_ones_id() -> None:
    desk = Desk()
    desk.record(alert(1), worse(2), alert(1, "users-1", table=USERS))
    done = desk.deliver()
    assert (done.delivered, done.waiting) == (3, 0)
    assert desk.topics.told() == ["orders-1-2", "users-1-1"]
    assert desk.topics.sent[0].alert.state is IncidentState.OPEN
    desk.record(worse(3), end(4))
    desk.deliver()
    assert (desk.topics.sent[-1].id, desk.topics.sent[-1].alert.state) == ("orders-1-4-0", "resolved")


def test_the_messages_of_a_story_are_closed_in_one_transaction() -> None:
    desk = Desk()
    desk.record(alert(1), worse(2), end(3))
    desk.deliver()
    assert desk.wire.calls.count("store.delivered") == 1


def test_many_go_out_at_once_and_the_store_is_touched_by_one_thread_only(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "watcher.db")
    desk = Desk(store, workers=8)
    together = threading.Barrier(8, timeout=10)
    names = set()

    def meet(_outgoing: Outgoing) -> None:
        names.add(threading.current_thread().name)
        together.wait()

    desk.topics.before = meet
    desk.record(*(alert(number, f"incident-{of}") for of in range(16) for number in (1, 2)))
    done = desk.deliver()
    assert (done.delivered, done.waiting) == (32, 0)
    assert len(names) == 8
    assert sorted(desk.topics.told()) == sorted(f"incident-{of}-2" for of in range(16))
    store.close()


def test_a_hanging_topic_leaves_the_others_their_workers() -> None:
    desk = Desk(workers=4)
    desk.topics.topics = (TOPIC, OTHER_TOPIC)
    others_done = threading.Event()

    def hang(outgoing: Outgoing) -> None:
        if outgoing.topic_arn == TOPIC:
            assert others_done.wait(10)
        elif len(desk.topics.told(OTHER_TOPIC)) == 9:
            others_done.set()

    desk.topics.before = hang
    desk.record(*(alert(1, f"incident-{of}") for of in range(10)))
    assert desk.deliver().delivered == 20


def test_an_answer_is_written_down_before_the_next_message_goes_out() -> None:
    # A crash must not double more than what is on its way.
    desk = Desk()
    closed = []
    desk.topics.before = lambda _outgoing: closed.append(desk.wire.calls.count("store.delivered"))
    desk.record(*(alert(1, f"incident-{of}") for of in range(5)))
    desk.deliver()
    assert closed == [0, 1, 2, 3, 4]


def test_a_round_ends_in_time_and_the_next_one_goes_on() -> None:
    desk = Desk()
    spent = 0.0

    def slowly(_outgoing: Outgoing) -> None:
        nonlocal spent
        spent += 6.0

    desk.post._sender._seconds = lambda: spent
    desk.topics.before = slowly
    desk.record(*(alert(1, f"incident-{of}") for of in range(10)))
    assert desk.deliver().delivered == 4  # begun at 0, 6, 12 and 18 of 20 s
    assert desk.deliver().delivered == 4
    assert desk.deliver().delivered == 2


# ---- a topic fails


def passes_with_a_try(desk: Desk, passes: int) -> list[int]:
    tried = []
    for number in range(passes):
        before = len(desk.topics.tries)
        desk.deliver(MINUTE if number else 0.0)
        if len(desk.topics.tries) > before:
            tried.append(number)
    return tried


def test_a_topic_that_fails_is_probed_with_growing_patience_by_one_message() -> None:
    desk = Desk()
    desk.record(*(alert(1, f"incident-{number}") for number in range(50)))
    desk.topics.refused = {TOPIC}
    assert passes_with_a_try(desk, 20) == [0, 1, 2, 4, 8, 13, 18]
    assert len(desk.topics.tries) == 7
    assert desk.post.failing == {TOPIC: f"Publish of {TOPIC}: connection refused"}
    desk.topics.refused = set()
    desk.clock.advance(300)
    assert desk.deliver().delivered == 50
    assert desk.post.failing == {}


@pytest.mark.parametrize("how", ["refused", "gone"])
def test_a_topic_that_fails_makes_one_log_when_it_begins_and_one_when_it_ends(how: str) -> None:
    desk = Desk()
    setattr(desk.topics, how, {TOPIC})
    desk.record(alert(1), alert(1, "users-1"))
    passes_with_a_try(desk, 30)
    assert desk.telemetry.events() == ["alert.topic_failing"]
    setattr(desk.topics, how, set())
    assert desk.deliver(300).delivered == 2
    assert desk.telemetry.events() == ["alert.topic_failing", "alert.topic_back"]
    assert {facts["topic"] for _, facts in desk.telemetry.troubles} == {TOPIC}


def test_those_on_their_way_when_a_topic_fails_count_as_one_failure() -> None:
    desk = Desk(workers=8)
    together = threading.Barrier(8, timeout=10)
    desk.topics.before = lambda _outgoing: together.wait()
    desk.topics.refused = {TOPIC}
    desk.record(*(alert(1, f"incident-{of}") for of in range(20)))
    done = desk.deliver()
    assert (done.failed, len(desk.topics.tries)) == (8, 8)
    assert desk.telemetry.events() == ["alert.topic_failing"]
    desk.topics.before = lambda _outgoing: None
    assert desk.deliver(MINUTE).failed == 1


def test_a_dead_topic_does_not_hold_up_the_other_one() -> None:
    desk = Desk()
    desk.topics.topics = (TOPIC, OTHER_TOPIC)
    desk.topics.refused = {TOPIC}
    desk.record(alert(1), alert(1, "users-1"))
    done = desk.deliver()
    assert desk.topics.told(OTHER_TOPIC) == ["orders-1-1", "users-1-1"]
    assert (done.delivered, done.failed, done.waiting) == (2, 1, 2)


def test_a_reloaded_config_asks_a_failing_topic_at_once() -> None:
    desk = Desk()
    desk.topics.refused = {TOPIC}
    desk.record(alert(1))
    desk.deliver()
    desk.post.use(desk.topics)  # the same: nothing was mended
    assert desk.deliver().failed == 0
    mended = Topics()
    desk.post.use(mended)
    assert desk.deliver().delivered == 1
    assert mended.told() == ["orders-1-1"]


def test_a_clock_set_back_holds_nothing() -> None:
    desk = Desk()
    desk.topics.refused = {TOPIC}
    desk.record(alert(1))
    desk.deliver()
    desk.topics.refused = set()
    desk.clock.step_wall(-86_400)
    assert desk.deliver(MINUTE).delivered == 1


def fail_for(desk: Desk, days: float, attempts: int) -> int:
    """How many are given up in so many attempts, which are evenly spread over the days. Nothing is waited for twice."""
    dead = 0
    for number in range(attempts):
        desk.post._sender.ask_anew()
        desk.clock.advance_to(T + days * 86_400 * number / (attempts - 1))
        dead += desk.deliver().dead
    return dead


@pytest.mark.parametrize("how", ["refused", "gone"])
@pytest.mark.parametrize(
    ("days", "attempts", "dead"),
    [
        pytest.param(4.0, GIVE_UP_ATTEMPTS, 2, id="four days and five hundred attempts are enough"),
        pytest.param(4.0, GIVE_UP_ATTEMPTS - 1, 0, id="one attempt fewer: the clock may have been set"),
        pytest.param(3.9, GIVE_UP_ATTEMPTS + 9, 0, id="less than four days: somebody may be on the way"),
    ],
)
def test_what_has_failed_for_four_days_is_given_up(how: str, days: float, attempts: int, dead: int) -> None:
    desk = Desk()
    setattr(desk.topics, how, {TOPIC})
    desk.record(alert(1), worse(2), alert(1, "users-1"))
    assert fail_for(desk, days, attempts) == dead
    # What was never tried is not given up with what was: it is next.
    assert desk.store.waiting() == 3 - dead
    assert desk.deliver().dead == 0
    setattr(desk.topics, how, set())
    assert desk.deliver(300).delivered == 3 - dead


def test_what_joined_a_message_that_has_failed_for_days_has_its_own_time() -> None:
    desk = Desk()
    desk.topics.refused = {TOPIC}
    desk.record(alert(1))
    assert fail_for(desk, 3.9, GIVE_UP_ATTEMPTS) == 0
    desk.record(worse(2))
    assert desk.deliver(0.2 * 86_400).dead == 0
    assert desk.store.waiting() == 2


def test_what_a_pause_has_held_for_a_week_survives_its_first_failure() -> None:
    desk = Desk()
    desk.pauses = [pause(until=T + 7 * 86_400)]
    desk.record(critical(alert(1)))
    assert desk.deliver().held == 1
    desk.topics.refused = {TOPIC}
    done = desk.deliver(7 * 86_400)
    assert (done.failed, done.dead, done.waiting) == (1, 0, 1)
    desk.topics.refused = set()
    assert desk.deliver(MINUTE).delivered == 1


def test_a_clock_set_days_ahead_kills_nothing() -> None:
    desk = Desk()
    desk.topics.refused = {TOPIC}
    desk.record(alert(1), alert(1, "users-1"))
    desk.deliver()
    desk.clock.step_wall(5 * 86_400)
    assert desk.deliver(MINUTE).dead == 0
    desk.topics.refused = set()
    assert desk.deliver(300).delivered == 2


def test_nothing_is_known_of_a_topic_for_which_nothing_waits() -> None:
    desk = Desk()
    desk.topics.refused = {TOPIC}
    desk.record(alert(1))
    desk.deliver()
    assert desk.post.failing == {TOPIC: desk.post.failing[TOPIC]}
    desk.pauses = [pause()]
    desk.topics.refused = set()
    desk.store.failed(desk.store.outbox(T)[0].messages, T, "by hand", None)
    desk.deliver()
    assert desk.post.failing == {}


def test_a_message_refused_for_itself_is_dead_at_once_and_holds_up_nobody() -> None:
    desk = Desk()
    desk.topics.unfit = {"orders-1-1"}
    desk.record(alert(1), alert(1, "users-1"))
    done = desk.deliver()
    assert (done.delivered, done.failed, done.dead, done.waiting) == (1, 1, 1, 0)
    assert desk.post.failing == {}
    assert desk.telemetry.events() == ["alert.undelivered"]
    desk.record(alert(2))
    assert desk.deliver().delivered == 1


def test_an_end_that_is_refused_is_an_end() -> None:
    desk = Desk()
    desk.record(alert(1))
    desk.deliver()
    desk.topics.unfit = {"orders-1-2"}
    desk.record(end(2))
    assert desk.deliver().dead == 1
    desk.topics.topics = ()
    assert desk.post.address([end(3)]) == []


def test_a_bug_over_one_message_holds_up_nobody_and_loses_nothing() -> None:
    desk = Desk()
    desk.topics.broken = {"orders-1-1"}
    desk.record(alert(1), alert(1, "users-1"))
    done = desk.deliver()
    assert (done.delivered, done.failed, done.dead, done.waiting) == (1, 1, 0, 1)
    (event, facts) = desk.telemetry.troubles[-1]
    assert (event, facts["dead"]) == ("alert.undelivered", False)
    assert "bug in the watcher" in str(facts["sentence"])
    assert desk.deliver(29).failed == 0
    assert desk.deliver(1).failed == 1
    desk.topics.broken = set()
    assert desk.deliver(MINUTE).delivered == 1


# ---- quiet hours, pauses


def test_quiet_hours_hold_what_is_not_critical_and_the_morning_tells_one_story() -> None:
    desk = Desk()
    desk.topics.night = True
    desk.record(alert(1), critical(alert(1, "users-1")))
    done = desk.deliver()
    assert (done.delivered, done.held, done.waiting) == (1, 1, 1)
    desk.record(worse(2), end(3))
    assert desk.deliver(MINUTE).held == 3
    desk.topics.night = False
    assert desk.deliver(8 * 3600).delivered == 3
    assert desk.topics.told() == ["users-1-1", "orders-1-3"]
    assert desk.telemetry.troubles == []


@pytest.mark.parametrize(
    ("seconds", "is_late"),
    [
        pytest.param(300, False, id="five minutes are no delay"),
        pytest.param(301, True, id="a second more is one"),
    ],
)
@pytest.mark.parametrize("held_by", ["the night", "a pause", "an outage"])
def test_what_was_held_says_so_and_keeps_its_id(held_by: str, seconds: int, is_late: bool) -> None:  # noqa: FBT001 - a column
    desk = Desk()
    desk.topics.night = held_by == "the night"
    desk.pauses = [pause(until=T + MINUTE)] if held_by == "a pause" else []
    desk.topics.refused = {TOPIC} if held_by == "an outage" else set()
    desk.record(replace(alert(1), time=T))
    desk.deliver()
    desk.topics.night, desk.topics.refused = False, set()
    assert desk.deliver(seconds).delivered == 1
    (sent,) = desk.topics.sent
    prefix = f"Delayed until {time_of_day(T + seconds, T)}; what follows is of {time_of_day(T, T)}: "
    assert sent.alert.sentence == (prefix if is_late else "") + alert(1).sentence
    assert (sent.id, sent.alert.time) == ("orders-1-1-0", T)


def test_what_becomes_critical_at_night_is_told_with_its_beginning() -> None:
    desk = Desk()
    desk.topics.night = True
    desk.record(alert(1))
    desk.deliver()
    desk.record(critical(worse(2)))
    assert desk.deliver(MINUTE).delivered == 2
    assert (desk.topics.sent[0].id, desk.topics.sent[0].alert.state) == ("orders-1-2-0", "open")


def test_a_pause_silences_what_came_and_went_in_it() -> None:
    desk = Desk()
    desk.pauses = [pause(until=T + 3600)]
    desk.record(alert(1))
    assert (desk.deliver().held, desk.deliver().silenced) == (1, 0)
    desk.record(end(2))
    done = desk.deliver(MINUTE)
    assert (done.silenced, done.held, done.waiting) == (2, 0, 0)
    assert ("store.silenced" in desk.wire.calls, "store.delivered" in desk.wire.calls) == (True, False)
    assert desk.deliver(3600).delivered == 0
    assert desk.topics.sent == []


def test_what_is_still_open_when_a_pause_ends_is_told() -> None:
    desk = Desk()
    desk.pauses = [pause(until=T + 3600)]
    desk.record(alert(1))
    desk.deliver()
    assert desk.deliver(3599).held == 1
    assert desk.deliver(1).delivered == 1
    assert desk.topics.told() == ["orders-1-1"]


def test_the_end_of_what_was_told_before_a_pause_is_told_in_it() -> None:
    desk = Desk()
    desk.record(alert(1))
    desk.deliver()
    desk.pauses = [pause()]
    desk.record(worse(2))
    assert desk.deliver(MINUTE).held == 1
    desk.record(end(3))
    assert desk.deliver(MINUTE).delivered == 2
    assert desk.topics.told() == ["orders-1-1", "orders-1-3"]


def test_a_reminder_silenced_in_a_pause_leaves_the_incident_told() -> None:
    desk = Desk()
    desk.record(alert(1))
    desk.deliver()
    desk.pauses = [pause()]
    desk.record(replace(alert(2), repeats=(900.0,)))
    assert desk.deliver(MINUTE).silenced == 1
    desk.record(end(3))
    assert desk.deliver(MINUTE).delivered == 1


def reminder(sequence: int) -> Alert:
    return replace(alert(sequence), time=T + sequence * MINUTE, repeats=(900.0,))


@pytest.mark.parametrize("is_stored", [True, False], ids=["in the store", "in memory"])
@pytest.mark.parametrize(
    ("opened", "sequence"),
    [
        pytest.param(True, 9, id="of reminders alone the newest waits"),
        pytest.param(False, 1, id="beside the beginning none waits"),
    ],
)
def test_reminders_do_not_pile_up_in_the_night(opened: bool, sequence: int, is_stored: bool) -> None:  # noqa: FBT001 - columns
    desk = Desk()
    keep = desk.record if is_stored else desk.keep
    desk.topics.night = not opened
    desk.record(alert(1))
    desk.deliver()
    desk.topics.night = True
    for number in range(2, 10):
        keep(reminder(number))
        done = desk.deliver(MINUTE)
        assert (done.held, done.waiting, done.silenced) == (1, 1, 0)
    desk.topics.night = False
    assert desk.deliver(MINUTE).delivered == 1
    assert [one.alert.sequence for one in desk.topics.sent] == ([1, 9] if opened else [sequence])


def test_a_reminder_that_the_store_cannot_drop_is_dropped_with_the_newer_one() -> None:
    desk = Desk()
    desk.record(alert(1))
    desk.deliver()
    desk.topics.night = True
    desk.record(reminder(2), reminder(3))
    desk.lose("silenced")
    assert desk.deliver(MINUTE).held == 2
    desk.topics.night = False
    assert desk.deliver(MINUTE).delivered == 2
    assert [one.alert.sequence for one in desk.topics.sent] == [1, 3]
    assert desk.store.waiting() == 0


def test_releasing_a_long_thread_takes_no_longer_for_each_message(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()
    desk.topics.night = True
    desk.record(*(worse(number) for number in range(1, 501)))
    desk.deliver()
    desk.topics.night = False
    asked = 0

    def counted(outgoing: Outgoing) -> tuple[str, str]:
        nonlocal asked
        asked += 1
        return outgoing.id, outgoing.topic_arn

    monkeypatch.setattr("watcher.post._key", counted)
    assert desk.deliver(MINUTE).delivered == 500
    assert asked < 20 * 500


def test_what_may_have_arrived_before_a_pause_is_closed_in_it() -> None:
    # No answer came, and SNS may have taken it all the same.
    desk = Desk()
    desk.topics.refused = {TOPIC}
    desk.record(alert(1))
    desk.deliver()
    desk.topics.refused = set()
    desk.pauses = [pause()]
    desk.record(end(2))
    assert desk.deliver(MINUTE).delivered == 2


def test_a_pause_covers_its_tables_only() -> None:
    desk = Desk()
    desk.pauses = [pause("users*")]
    desk.record(alert(1), alert(1, "users-1", table=USERS), alert(1, "region-1", table=replace(ORDERS, name="")))
    done = desk.deliver()
    assert (done.delivered, done.held) == (2, 1)


# ---- outcomes


def answered(outcome: Outcome, detail: str = "", time: float = T) -> Settlement:
    return Settlement(intent(time=time), outcome, time + 2, detail)


@pytest.mark.parametrize(
    ("settlement", "expected"),
    [
        pytest.param(
            answered(Outcome.APPLIED), "raised writes from 100 to 400 Outcome: applied.", id="what AWS accepted"
        ),
        pytest.param(
            answered(Outcome.QUOTA, "above the maximum"),
            "Nothing: AWS refused it. Tried: raised writes from 100 to 400 Outcome: quota (above the maximum).",
            id="what AWS refused, in its words",
        ),
        pytest.param(
            answered(Outcome.APPLIED, time=T - 60), "raised writes from 100 to 400", id="not the answer to another one"
        ),
    ],
)
def test_a_message_tells_what_became_of_the_change_it_announces(settlement: Settlement, expected: str) -> None:
    desk = Desk()
    desk.record(alert())
    desk.deliver(settlements=(settlement, settlement))  # told twice, said once
    assert desk.topics.sent[0].alert.done == expected


def test_a_raise_that_aws_denied_is_told_as_none() -> None:
    desk = Desk()
    words = "not authorized to perform: dynamodb:UpdateTable"
    raising = replace(alert(), subject="orders: writes throttled, too little capacity; raising 100 to 400")
    desk.record(raising)
    desk.deliver(settlements=(answered(Outcome.DENIED, words),))
    sent = desk.topics.sent[0].alert
    assert sent.subject == "orders: writes throttled, too little capacity; not raised, AWS refused it"
    assert sent.done.startswith("Nothing: AWS refused it. ")
    assert sent.done.endswith(f"Outcome: denied ({words}).")
    assert sent.todo.startswith("Allow dynamodb:UpdateTable to the watcher's role")


def test_what_is_sampled_because_of_an_incident_is_told_beside_its_change() -> None:
    switched = Settlement(switch_intent(), Outcome.APPLIED, T + 3)
    desk = Desk()
    desk.record(alert())
    desk.deliver(settlements=(answered(Outcome.APPLIED), switched))
    assert desk.topics.sent[0].alert.done == (
        "raised writes from 100 to 400 Outcome: applied. Sampling of all keys of index by-day: applied."
    )


def test_a_message_that_cannot_wait_for_its_change_says_that_it_is_under_way() -> None:
    desk = Desk()
    desk.record(alert(), alert(1, "users-1", table=USERS))
    desk.post.deliver(T, under_way=[intent()])
    assert [one.alert.done for one in desk.topics.sent] == [
        f"raised writes from 100 to 400 {UNDER_WAY}",
        "raised writes from 100 to 400",
    ]


def test_a_story_tells_what_became_of_each_change() -> None:
    desk = Desk()
    desk.topics.refused = {TOPIC}
    desk.record(alert())
    desk.deliver(settlements=(answered(Outcome.QUOTA),))
    desk.record(replace(worse(2), time=T + MINUTE))
    desk.topics.refused = set()
    desk.deliver(MINUTE, settlements=(answered(Outcome.APPLIED, time=T + MINUTE),))
    done = desk.topics.sent[0].alert.done
    assert done.index("Outcome: quota.") < done.index("Outcome: applied.")


def test_a_message_delivered_hours_later_tells_it_too() -> None:
    desk = Desk()
    desk.topics.refused = {TOPIC}
    desk.record(alert())
    desk.deliver(settlements=(answered(Outcome.QUOTA),))
    desk.topics.refused = set()
    desk.deliver(3600)
    assert desk.topics.sent[0].alert.done.endswith("Outcome: quota.")


def test_the_answer_of_an_older_change_in_the_same_round_does_not_hide_the_newer_one() -> None:
    desk = Desk()
    desk.record(alert())
    desk.deliver(settlements=(answered(Outcome.SUPERSEDED, time=T - 60), answered(Outcome.APPLIED)))
    assert desk.topics.sent[0].alert.done.endswith("Outcome: applied.")


# ---- the store is lost


def test_while_the_store_is_lost_messages_go_out_from_memory_once_and_in_order() -> None:
    desk = Desk()
    desk.lose("outbox", "delivered", "failed", "waiting", "hearers")
    desk.keep(alert(1))
    desk.topics.refused = {TOPIC}
    assert desk.deliver().failed == 1
    desk.keep(worse(2))
    done = desk.deliver(MINUTE)
    assert (done.failed, done.waiting) == (2, None)
    assert len(desk.topics.tries) == 2
    desk.topics.refused = set()
    assert desk.deliver(MINUTE).delivered == 2
    assert (desk.topics.told(), desk.topics.sent[0].alert.state) == (["orders-1-2"], "open")
    assert desk.deliver(MINUTE).delivered == 0
    desk.keep(end(3))
    assert desk.deliver(MINUTE).delivered == 1


def test_what_waited_in_memory_goes_into_the_store_before_anything_newer() -> None:
    desk = Desk()
    desk.topics.refused = {TOPIC}
    desk.keep(alert(1))
    desk.deliver()
    desk.record(worse(2))
    assert desk.post.unstored == ()
    assert [one.alert.sequence for one in desk.store.outbox(T)[0].messages] == [1, 2]
    desk.topics.refused = set()
    desk.deliver(MINUTE)
    assert desk.topics.told() == ["orders-1-2"]


@pytest.mark.parametrize(
    "seen", [pytest.param(True, id="that was seen in the store"), pytest.param(False, id="that was just recorded")]
)
def test_a_message_in_memory_is_told_with_the_one_before_it_in_a_store_that_cannot_be_read(seen: bool) -> None:  # noqa: FBT001 - a column
    # Told the other way round, "resolved" before "open", a pager would show an incident for ever.
    desk = Desk()
    desk.topics.refused = {TOPIC}
    desk.record(alert(1))
    if seen:
        desk.deliver()
    desk.lose("outbox", "delivered")
    desk.topics.refused = set()
    desk.keep(end(2), alert(1, "users-1", table=USERS))
    desk.deliver(MINUTE)
    assert sorted(desk.topics.told()) == ["orders-1-2", "users-1-1"]
    desk.wire.faults.clear()
    assert desk.deliver(MINUTE).waiting == 0
    assert len(desk.topics.sent) == 2


def test_in_memory_too_what_would_fail_again_is_given_up() -> None:
    desk = Desk()
    desk.lose("outbox")
    desk.topics.unfit = {"orders-1-1"}
    desk.keep(alert(1))
    assert desk.deliver().dead == 1
    assert desk.deliver().failed == 0
    assert len(desk.topics.tries) == 1


def test_a_message_both_in_memory_and_in_the_store_goes_out_once() -> None:
    # The store took the record and only its answer was lost.
    desk = Desk()
    messages = desk.post.address([alert(1)])
    desk.store.record(CycleRecord(T, outgoing=messages))
    desk.post.keep_unstored(messages)
    desk.deliver()
    assert desk.topics.told() == ["orders-1-1"]
    assert desk.post.unstored == ()


def test_a_message_told_from_memory_that_the_store_had_taken_goes_out_once() -> None:
    desk = Desk()
    messages = desk.post.address([alert(1)])
    desk.store.record(CycleRecord(T, outgoing=messages))
    desk.post.keep_unstored(messages)
    desk.lose("outbox")
    desk.deliver()
    desk.wire.faults.clear()
    assert desk.deliver(MINUTE).waiting == 0
    assert desk.topics.told() == ["orders-1-1"]


@pytest.mark.parametrize("call", ["delivered", "failed", "waiting"])
def test_a_store_that_can_only_be_read_repeats_nothing_and_holds_up_nobody(call: str) -> None:
    desk = Desk()
    desk.record(alert(1), alert(1, "users-1", table=USERS))
    desk.lose(call)
    for _ in range(5):
        desk.deliver(MINUTE)
    assert desk.topics.told() == ["orders-1-1", "users-1-1"]
    desk.wire.faults.clear()
    assert desk.deliver(MINUTE).waiting == 0
    assert len(desk.topics.sent) == 2


def test_what_the_store_could_not_be_told_of_counts_in_what_is_told_next() -> None:
    desk = Desk()
    desk.record(alert(1))
    desk.lose("delivered", "silenced")
    desk.deliver()
    desk.record(worse(2))
    desk.deliver(MINUTE)
    desk.pauses = [pause(since=T + MINUTE)]
    desk.record(end(3))
    desk.deliver(MINUTE)
    assert [one.alert.state for one in desk.topics.sent] == ["open", "worsened", "resolved"]
    desk.pauses = []
    desk.record(alert(4))
    desk.deliver(MINUTE)
    desk.pauses = [pause()]
    desk.record(worse(5), end(6))  # both in the pause: and still the end must follow
    desk.deliver(MINUTE)
    assert [one.alert.sequence for one in desk.topics.sent] == [1, 2, 3, 4, 6]
    desk.record(alert(7), end(8))
    assert desk.deliver(MINUTE).silenced == 2
    desk.wire.faults.clear()
    assert desk.deliver(MINUTE).waiting == 0
    assert list(desk.store.hearers("orders-1")) == []
    assert len(desk.topics.sent) == 5


def test_while_the_store_is_lost_a_pause_works_from_memory() -> None:
    desk = Desk()
    desk.lose("outbox", "delivered", "silenced", "hearers")
    desk.keep(alert(1))
    desk.deliver()
    desk.pauses = [pause()]
    desk.keep(replace(alert(2), repeats=(900.0,)))
    assert desk.deliver(MINUTE).silenced == 1
    desk.keep(alert(1, "other-1"), end(2, "other-1"))
    assert desk.deliver(MINUTE).silenced == 2
    desk.keep(worse(3), end(4))
    assert desk.deliver(MINUTE).delivered == 2
    assert desk.topics.told() == ["orders-1-1", "orders-1-4"]
    assert [one.alert.id for one in desk.post.unstored] == ["orders-1-4"]  # the end alone
    desk.wire.faults.clear()
    assert desk.deliver(MINUTE).waiting == 0
    desk.record()
    assert desk.deliver(MINUTE).waiting == 0
    assert desk.post._memory.unmarked == {}
    assert len(desk.topics.sent) == 2


def test_an_end_told_from_memory_ends_what_the_store_holds_for_told() -> None:
    desk = Desk()
    desk.record(alert(1))
    desk.deliver()
    desk.keep(end(2))
    assert desk.deliver(MINUTE).delivered == 1
    for _ in range(2):  # nobody is told twice while it cannot be recorded
        done = desk.deliver(MINUTE)
        assert (done.delivered, done.waiting) == (0, 0)
    assert desk.store.hearers("orders-1") == [TOPIC]
    desk.record()
    done = desk.deliver(MINUTE)
    assert (done.delivered, done.waiting) == (0, 0)
    assert list(desk.store.hearers("orders-1")) == []
    assert desk.topics.told() == ["orders-1-1", "orders-1-2"]


def test_an_end_told_from_memory_does_not_end_what_was_told_from_memory_after_it() -> None:
    desk = Desk()
    desk.record(alert(1))
    desk.deliver()
    desk.keep(end(2))
    desk.deliver(MINUTE)
    desk.keep(alert(3))
    assert desk.deliver(MINUTE).delivered == 1
    desk.record()
    assert desk.deliver(MINUTE).waiting == 0
    assert desk.store.hearers("orders-1") == [TOPIC]
    desk.pauses = [pause()]
    desk.record(end(4))
    assert desk.deliver(MINUTE).delivered == 1


def test_an_end_waits_for_the_store_to_say_who_has_heard_of_it() -> None:
    desk = Desk()
    desk.record(alert(1))
    desk.deliver()
    desk = Desk(desk.store)  # a new life, with other routes
    desk.topics.topics = (OTHER_TOPIC,)
    desk.lose("hearers")
    desk.keep(end(2), end(2, "users-1"))
    assert desk.wire.calls.count("store.hearers") == 1  # in vain once is enough
    with pytest.raises(StoreError, match="disk is full"):
        desk.post.must_have_addressed()
    desk.deliver()
    desk.keep()
    assert desk.deliver().delivered == 0
    desk.wire.faults.clear()
    desk.record()
    desk.post.must_have_addressed()
    desk.deliver(MINUTE)
    assert desk.topics.told(OTHER_TOPIC) == ["orders-1-2", "users-1-2"]
    assert desk.topics.told() == ["orders-1-2"]
    assert list(desk.store.hearers("orders-1")) == []
    assert desk.post.address([]) == []


def test_after_a_restart_the_file_knows_what_is_still_to_be_told(tmp_path: Path) -> None:
    path = tmp_path / "watcher.db"
    first = SqliteStore(path)
    desk = Desk(first)
    desk.record(alert(1), worse(2), replace(alert(1, "users-1"), table=USERS))
    desk.topics.refused = {TOPIC}
    desk.deliver()
    first.close()
    second = SqliteStore(path)
    desk = Desk(second)
    # Which topics fail, a new life finds out for itself.
    assert desk.deliver().delivered == 3
    assert desk.topics.told() == ["orders-1-2", "users-1-1"]
    assert second.alerts()[0].table in (ORDERS, USERS)
    second.close()
