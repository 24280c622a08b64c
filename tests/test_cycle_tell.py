"""When a pass tells, and what a pause does to it: the real cycle over the plant."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from tests.store.samples import OTHER_TOPIC, TOPIC, T, alert, intent, settlement
from tests.support.wire import RecordingTelemetry, always, disk_full
from tests.support.world import START, World, check_order, heated, in_mode, key, of, oversized, starved
from watcher.clock import SimulatedClock
from watcher.core.model import Action, Settlement
from watcher.core.pauses import Pause
from watcher.core.reasons import Mode, Outcome
from watcher.cycle_tell import TELL_AFTER, Telling
from watcher.errors import DeliveryError
from watcher.ports import CycleRecord, Outgoing
from watcher.post import UNDER_WAY, Post
from watcher.replay.ports import Mailbox
from watcher.store.memory import MemoryStore

# ---- in time


class Room:
    """A post room with messages about two tables, each announcing a change."""

    def __init__(self, box: Mailbox | None = None, workers: int = 1) -> None:
        self.clock = SimulatedClock(T)
        self.box = box or Mailbox(topics=(TOPIC,))
        self.store = store = MemoryStore()
        self.post = Post(store, self.box, RecordingTelemetry(), self.clock, workers=workers)
        self.intents = [intent(1), intent(2, table=replace(intent().action.table, name="users"))]
        alerts = [alert(1, one.action.table.name, table=one.action.table) for one in self.intents]
        outgoing = self.post.address(alerts)
        store.record(CycleRecord(T, outgoing=outgoing))
        self.post.stored(outgoing)
        self.telling = Telling(self.post, self.clock, (), ())

    def act(self, *seconds: float) -> list[Settlement]:
        """As the cycle does: one change after the other, each taking so long."""
        done: list[Settlement] = []
        for number, (one, lasts) in enumerate(zip(self.intents, seconds, strict=True)):
            if number:
                self.telling.meanwhile(done, self.intents[number:])
            self.clock.advance(lasts)
            done.append(settlement(one))
        return done

    def told(self) -> list[tuple[str, str]]:
        """(table, the last words about its change) of each message."""
        return [(one.alert.table.name, one.alert.done.split("400 ")[1].split(" (")[0]) for one in self.box.sent]


@pytest.mark.parametrize(
    ("first", "is_early"),
    [
        pytest.param(0.0, False, id="changes that take no time are waited for"),
        pytest.param(TELL_AFTER / 2, False, id="one more as long as the last would be in time"),
        pytest.param(TELL_AFTER / 2 + 0.1, True, id="one more as long as the last would be too late"),
        pytest.param(30.0, True, id="it is too late already"),
    ],
)
def test_a_message_waits_for_its_change_only_as_long_as_a_reader_would(first: float, is_early: bool) -> None:  # noqa: FBT001 - a column
    room = Room()
    done = room.act(first, 1.0)
    assert len(room.box.sent) == (2 if is_early else 0)
    delivery = room.telling.finish(done)
    assert room.told() == [("orders", "Outcome: applied"), ("users", UNDER_WAY if is_early else "Outcome: applied")]
    assert (delivery.delivered, delivery.waiting) == (2, 0)


@pytest.mark.parametrize(
    ("left", "is_early"),
    [
        pytest.param(8, False, id="eight more of a second each: those that fit are waited for"),
        pytest.param(9, True, id="nine more: hardly any would be waited for"),
    ],
)
def test_where_most_changes_would_be_too_late_no_message_waits(left: int, is_early: bool) -> None:  # noqa: FBT001 - a column
    room = Room()
    room.clock.advance(1.0)
    room.telling.meanwhile([settlement(room.intents[0])], [room.intents[1]] * left)
    assert len(room.box.sent) == (2 if is_early else 0)


def test_both_rounds_of_a_pass_are_counted() -> None:
    room = Room()
    room.box.broken = "connection refused"
    done = room.act(5.0, 1.0)
    room.box.broken = ""
    room.clock.advance(60.0)
    delivery = room.telling.finish(done)
    assert (delivery.delivered, delivery.failed, delivery.waiting) == (2, 1, 0)
    # What failed before is told with what became of its change since.
    assert room.told() == [("orders", "Outcome: applied"), ("users", "Outcome: applied")]


def test_a_pass_that_changes_many_tables_slowly_tells_all_of_them_within_seconds() -> None:
    tables = [starved(f"orders-{number}", until=100_000) for number in range(8)]
    with World(*tables) as world:
        world.run_until(365)
        sent_at: dict[str, float] = {}

        def slowly(_action: Action) -> None:
            world.clock.advance(1.1)

        def stamp(outgoing: Outgoing) -> None:
            sent_at[outgoing.id] = world.clock.now()

        world.wire.faults |= {"hand.carry_out": slowly, "notifier.publish": stamp}
        began = world.clock.now()
        report = world.cycle.run()
        assert report.delivered == 8
        assert max(sent_at.values()) - began <= TELL_AFTER
        outcomes = [UNDER_WAY in one.alert.done for one in world.box.sent]
        assert 0 < sum(outcomes) < 8
        assert sum("Outcome: applied." in one.alert.done for one in world.box.sent) == 8 - sum(outcomes)
        assert len(world.changes()) == 8
        assert world.store.open_intents() == []


def test_telling_takes_nothing_of_the_time_for_changes() -> None:
    tables = [starved(f"orders-{number}", until=100_000) for number in range(20)]
    with World(*tables) as world:
        world.run_until(365)

        def slowly(_action: Action) -> None:
            world.clock.advance(1.1)

        def hang(_outgoing: Outgoing) -> DeliveryError:
            world.clock.advance(30.0)
            return DeliveryError("read timeout", subject=TOPIC)

        world.wire.faults |= {"hand.carry_out": slowly, "notifier.publish": hang}
        world.cycle.run()
        assert len(world.changes()) == 20


def test_a_topic_that_hangs_holds_up_no_change_and_its_answers_are_applied_between_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("watcher.cycle_tell.EARLY", 0.0)
    answer, hanging = threading.Event(), threading.Event()

    class Hanging(Mailbox):
        def publish(self, outgoing: Outgoing) -> None:
            if outgoing.topic_arn == TOPIC:
                hanging.set()
                assert answer.wait(30.0)
            super().publish(outgoing)

    room = Room(Hanging(topics=(TOPIC, OTHER_TOPIC)), workers=2)
    room.clock.advance(TELL_AFTER + 1)
    room.telling.meanwhile([], room.intents)
    assert hanging.wait(30.0)  # it is on its way, and the pass goes on
    assert room.store.waiting() >= 2
    answer.set()
    for _ in range(10**6):
        room.telling.meanwhile([], room.intents)
        if not room.store.waiting():
            break
    assert room.store.waiting() == 0
    delivery = room.telling.finish([settlement(one) for one in room.intents])
    assert (delivery.delivered, delivery.waiting) == (4, 0)
    assert len(room.box.sent) == 4


def test_what_is_still_on_its_way_at_the_end_is_waited_for_and_not_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watcher.cycle_tell.EARLY", 0.0)
    answer = threading.Event()

    class Hanging(Mailbox):
        def publish(self, outgoing: Outgoing) -> None:
            assert answer.wait(30.0)
            super().publish(outgoing)

    room = Room(Hanging(topics=(TOPIC,)), workers=8)
    room.clock.advance(TELL_AFTER + 1)
    room.telling.meanwhile([], room.intents)
    assert room.store.waiting() == 2
    threading.Timer(0.05, answer.set).start()
    delivery = room.telling.finish([settlement(one) for one in room.intents])
    assert (delivery.delivered, delivery.waiting) == (2, 0)
    assert len({one.id for one in room.box.sent}) == len(room.box.sent) == 2


# ---- pauses


def silence(name: str = "orders", *, seconds: float = 3600.0, advise_only: bool = False, since: float = 0.0) -> Pause:
    return Pause(name, START + since, START + since + seconds, "load test", advise_only=advise_only)


def modes(world: World) -> set[Mode]:
    (table,) = [one for one in world.telemetry.reports[-1].tables if one.key == key("orders")]
    assert table.explanation is not None
    return {decision.mode for decision in table.explanation.decisions}


def test_a_pause_silences_an_incident_and_the_table_is_still_looked_after() -> None:
    with World(starved(until=1500), heated(until=1500)) as world:
        world.store.pause(silence())
        report = world.run_until(600)
        assert world.provisioned("orders") > 1000
        assert world.alerts("orders") == []
        assert report.pauses == [silence()]
        assert report.held == 1
        reports = world.run_until(1800), *world.telemetry.reports
        assert world.alerts("orders") == []  # it came and went
        assert sum(one.silenced for one in reports) >= 2
        assert world.alerts("sessions")[0] == ("open", "key-range")
        assert world.store.waiting() == 0


def test_what_outlasts_its_pause_is_told_when_it_ends() -> None:
    with World(heated("orders", until=100_000)) as world:
        world.store.pause(silence(seconds=1200))
        world.run_until(1145)
        assert world.alerts() == []
        report = world.run_until(1205)
        assert world.alerts() == [("open", "key-range")]
        assert (report.pauses, report.held) == ([], 0)
        check_order(world.box.sent)


def test_a_pause_that_has_not_begun_is_not_in_force() -> None:
    with World(starved(until=100_000)) as world:
        world.store.pause(silence(since=3600, advise_only=True))
        report = world.run_until(605)
        assert report.pauses == []
        assert world.provisioned("orders") > 1000
        assert world.alerts() == [("open", "provisioned")]


def test_while_a_pause_asks_for_advice_only_nothing_is_changed_and_everything_says_so() -> None:
    with World(starved(until=100_000), oversized()) as world:
        world.store.pause(silence(advise_only=True, seconds=1200))
        report = world.run_until(605)
        assert world.changes("orders") == []
        assert world.changes("archive") != []  # another table
        (table,) = [one for one in report.tables if one.key == key("orders")]
        assert table.mode is Mode.ADVISE
        assert modes(world) == {Mode.ADVISE}
        assert [one.outcome for one in world.history("orders")] == [Outcome.ADVISED]
        assert report.pauses == [silence(advise_only=True, seconds=1200)]
        world.run_until(1300)
        assert world.provisioned("orders") > 1000
        assert modes(world) == {Mode.ACT}


def test_an_advise_only_pause_gives_nobody_more_power_than_the_config() -> None:
    with World(starved(until=100_000), policies=of(in_mode(Mode.OBSERVE))) as world:
        world.store.pause(silence(advise_only=True))
        world.run_until(605)
        assert modes(world) == {Mode.OBSERVE}


def test_pauses_are_read_once_a_pass_and_stand_while_they_cannot_be_read() -> None:
    with World(starved(until=100_000)) as world:
        world.store.pause(silence(advise_only=True, seconds=900))
        world.run_until(125)
        assert world.wire.calls.count("store.pauses") == len(world.telemetry.reports)
        world.wire.faults["store.pauses"] = always(disk_full())
        world.run_until(605)
        assert world.changes() == []
        assert "store.failed" in world.telemetry.events()
        assert world.telemetry.reports[-1].pauses == [silence(advise_only=True, seconds=900)]
        report = world.run_until(1205)  # it has ended, whether the store can be read or not
        assert report.pauses == []
        assert world.provisioned("orders") > 1000


def test_until_this_life_has_read_the_pauses_nothing_is_changed_and_everything_is_told() -> None:
    with World(starved(until=100_000)) as world:
        world.store.pause(silence(advise_only=True, seconds=1e6))
        world.run_until(125)
        world.restart()
        world.wire.faults["store.pauses"] = always(disk_full())
        report = world.run_until(605)
        assert world.changes() == []
        assert modes(world) == {Mode.ADVISE}
        assert report.acting
        assert report.pauses == []
        assert world.telemetry.events().count("pauses.unread") == 1
        assert world.alerts("orders") == [("open", "provisioned")]
        world.store.resume("orders", "", world.clock.now())
        world.wire.faults.clear()
        world.run(2)
        assert modes(world) == {Mode.ACT}
        assert world.provisioned("orders") > 1000


def test_a_resumed_table_is_told_of_in_the_next_pass() -> None:
    with World(heated("orders", until=100_000)) as world:
        world.store.pause(silence())
        world.run_until(605)
        assert world.alerts() == []
        assert world.store.resume("orders", "", world.clock.now())
        world.run()
        assert world.alerts() == [("open", "key-range")]
