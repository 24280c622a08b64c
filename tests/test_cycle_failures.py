"""What fails around the cycle, and what it does meanwhile: go on with the rest, never act on a guess, lose nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.wire import always, disk_full, down
from tests.support.world import (
    POLICY,
    REGION,
    SETTINGS,
    START,
    WARM,
    World,
    check_order,
    heated,
    in_mode,
    key,
    of,
    oversized,
    starved,
    steady,
)
from watcher.core.model import TABLE_WRITE, Action, Query, ScalableTarget
from watcher.core.policy import AutoScaling
from watcher.core.reasons import IncidentState, Mode, Outcome, Reason
from watcher.errors import AwsError
from watcher.replay.plant import Plant
from watcher.replay.ports import PlantAws

DESCRIBE = f"{REGION}/tables.describe"
NAMES = f"{REGION}/tables.names"
READ = f"{REGION}/metrics.read"
TARGETS = f"{REGION}/scaling.targets"


def reasons(world: World) -> dict[str, Reason]:
    """The newest decision on each table's writes."""
    return {
        table.key.name: decision.reason
        for table in world.telemetry.reports[-1].tables
        if table.explanation
        for decision in table.explanation.decisions
        if decision.dimension == TABLE_WRITE
    }


# ---- AWS


def test_one_table_that_cannot_be_described_is_reported_and_the_others_go_on() -> None:
    with World(starved(), steady()) as world:
        world.run()
        world.wire.faults[DESCRIBE] = lambda name: down() if name == "steady" else None
        report = world.run_until(600)
        assert world.provisioned("orders") > 1000
        (failed,) = [one for one in report.tables if one.error]
        assert failed.key == key("steady")  # the account is known from before: the same table, not another one
        assert failed.explanation is None
        assert "connection refused" in failed.error
        assert report.region_errors == {}


def test_a_dark_region_does_not_hold_up_the_others() -> None:
    with World(starved()) as world:
        other = Plant(START - WARM, region="eu-west-1")
        other.create(steady())
        world.more_regions.append(PlantAws(other, world.clock))
        world.run()
        for call in ("tables.names", "tables.describe", "metrics.read", "scaling.targets"):
            world.wire.faults[f"eu-west-1/{call}"] = always(down())
        report = world.run_until(600)
        assert world.provisioned("orders") > 1000
        assert list(report.region_errors) == ["eu-west-1"]
        world.wire.faults.clear()
        assert world.run().region_errors == {}


def test_a_region_that_was_dark_from_the_start_is_taken_up_when_it_answers() -> None:
    with World(starved()) as world:
        world.wire.faults[NAMES] = always(down())
        report = world.run(3)
        assert list(report.region_errors) == [REGION]
        assert report.tables == []
        world.wire.faults.clear()
        world.run_until(600)
        assert world.provisioned("orders") > 1000


@pytest.mark.parametrize("restarted", [False, True], ids=["in the same life", "after a restart, from memory"])
def test_when_discovery_fails_the_known_tables_are_still_watched(restarted: bool) -> None:  # noqa: FBT001 - a column
    with World(starved()) as world:
        world.run()
        if restarted:
            world.restart()
        world.wire.faults[NAMES] = always(down())
        report = world.run_until(900)
        assert world.provisioned("orders") > 1000
        assert report.region_errors == {}
        assert "discovery.failed" in world.telemetry.events()


def test_discovery_failing_after_a_table_was_deleted_does_not_darken_the_region() -> None:
    with World(starved(), steady()) as world:
        world.run(2)
        world.plant.delete("steady")
        world.run()
        world.wire.faults[NAMES] = always(down())
        world.run_until(600)
        assert world.provisioned("orders") > 1000


def test_while_cloudwatch_cannot_be_read_nothing_is_changed_and_then_everything_is_caught_up() -> None:
    with World(starved(since=300, until=3000), oversized()) as world:
        world.wire.faults[READ] = always(down())
        report = world.run_until(1800)
        assert world.changes() == []
        assert list(report.region_errors) == [REGION]
        world.wire.faults.clear()
        world.run()
        assert {action.table.name for _, action, _ in world.changes()} >= {"orders"}
        state = world.cycle._states[key("orders")]
        seen = state.dimensions[TABLE_WRITE].consumed.points
        # No minute of the outage is missing: from the first one of the plant to the newest visible one.
        assert len(seen) == (max(seen) - min(seen)) // 60 + 1
        assert min(seen) == START - WARM


def test_after_an_outage_longer_than_the_window_no_minute_is_missing() -> None:
    with World(steady()) as world:
        world.run_until(305)
        world.wire.faults[READ] = always(down())
        world.run_until(1805)  # 25 minutes, the window is 10
        world.wire.faults.clear()
        world.run()
        seen = world.cycle._states[key("steady")].dimensions[TABLE_WRITE].consumed.points
        assert len(seen) == (max(seen) - min(seen)) // 60 + 1


@pytest.mark.parametrize("metrics", ["causes", "latency"])
def test_second_questions_that_fail_cost_only_their_answers(metrics: str) -> None:
    def refuse(queries: list[Query], *_when: float) -> AwsError | None:
        latency = bool(queries[0].operation)
        causes = any("throttled-" in query.metric for query in queries)
        return down() if (metrics == "latency" and latency) or (metrics == "causes" and causes) else None

    with World(starved()) as world:
        world.wire.faults[READ] = refuse
        report = world.run_until(900)
        # Without a cause from AWS, a full table that throttles says it plainly enough.
        assert world.provisioned("orders") > 1000
        assert report.region_errors == {}
        assert [one.error for one in report.tables] == [""]
        assert "cloudwatch.partial" in world.telemetry.events()


def test_when_the_scalers_cannot_be_read_nothing_is_changed_and_it_is_said() -> None:
    with World(starved(), oversized()) as world:
        world.wire.faults[TARGETS] = always(down())
        world.run_until(900)
        assert world.changes() == []
        assert set(reasons(world).values()) == {Reason.HOLD_AUTO_SCALING}
        assert "scaling.unreadable" in world.telemetry.events()
        assert world.alerts() == [("open", "provisioned")]


def test_observe_mode_never_touches_another_scalers_floor() -> None:
    policy = replace(in_mode(Mode.OBSERVE), auto_scaling=AutoScaling.FLOOR)
    with World(starved(), steady(), policies=of(policy)) as world:
        world.aws.scaling = {"orders": {TABLE_WRITE: ScalableTarget(5, 4000)}}
        world.run_until(900)
        assert world.changes() == []
        assert world.aws.scaling["orders"][TABLE_WRITE].min == 5
        assert world.store.open_intents() == []
        assert len(world.telemetry.reports) == 15  # no pass died of it


# ---- the store

STORE_CALLS = ("record", "settle", "outbox", "delivered", "failed", "forget", "prune", "waiting", "open_intents")


def break_store(world: World, *calls: str) -> None:
    for call in calls or STORE_CALLS:
        world.wire.faults[f"store.{call}"] = always(disk_full())


def test_while_the_store_is_lost_nothing_is_changed_and_every_alert_goes_out_once() -> None:
    with World(starved(until=1200), heated(until=1200)) as world:
        world.run()
        break_store(world)
        report = world.run_until(2400)
        assert world.changes() == []
        assert report.acting is False
        assert "disk is full" in report.region_errors[""]
        assert report.outbox is None
        told = [sent.id for sent in world.box.sent]
        assert len(told) == len(set(told))
        # "" is the Region: that the store is lost is told once, from memory like the rest.
        assert {sent.alert.table.name for sent in world.box.sent} == {"orders", "sessions", ""}
        assert world.alerts("") == [("open", "lease-lost")]
        check_order(world.box.sent)
        # It does not claim what was not done.
        opened = world.sent("orders")[0].alert
        assert "Outcome: cancelled (the state store is lost, so nothing is changed)" in opened.done


def test_when_the_store_is_back_the_watcher_acts_again_and_repeats_no_alert() -> None:
    with World(starved(until=100_000)) as world:
        world.run()
        break_store(world)
        world.run_until(600)
        assert world.changes() == []
        world.wire.faults.clear()
        report = world.run()
        assert report.acting is True
        assert world.provisioned("orders") > 1000
        world.run(20)
        assert world.alerts("orders") == [("open", "provisioned"), ("resolved", "provisioned")]
        assert world.alerts("") == [("open", "lease-lost"), ("resolved", "lease-lost")]
        assert world.store.waiting() == 0
        assert world.store.open_intents() == []


def test_a_full_disk_that_can_still_be_read_does_not_repeat_a_page_every_minute() -> None:
    with World(starved(), heated()) as world:
        world.run_until(365)
        break_store(world, "delivered", "failed")
        world.run_until(900)
        told = [sent.id for sent in world.box.sent]
        assert len(told) == len(set(told)) > 1
        world.wire.faults.clear()
        world.run()
        assert world.store.waiting() == 0


@pytest.mark.parametrize("engine", ["memory", "sqlite"])
def test_an_answer_the_store_could_not_be_told_is_told_in_the_next_pass(engine: str, tmp_path: Path) -> None:
    with World(starved(until=100_000), engine=engine, directory=tmp_path) as world:
        break_store(world, "settle")
        world.run_until(425)
        assert [one.outcome for one in world.history("orders")] == [Outcome.PENDING]
        assert len(world.store.open_intents()) == 1
        world.wire.faults.clear()
        world.run()
        assert [one.outcome for one in world.history("orders")] == [Outcome.APPLIED]
        assert world.store.open_intents() == []
        assert len(world.changes()) == 1
        told = world.wire.calls.count("store.settle")
        world.run(3)
        assert world.wire.calls.count("store.settle") == told  # and not again after that


def test_a_table_deleted_while_the_store_is_lost_is_told_once() -> None:
    with World(heated("gone", until=100_000), steady()) as world:
        world.run_until(600)
        break_store(world)
        world.plant.delete("gone")
        world.run(5)
        assert world.alerts("gone")[-1] == ("resolved", "key-range")
        told = [sent.id for sent in world.box.sent]
        assert len(told) == len(set(told))
        world.wire.faults.clear()
        world.run(2)
        assert [sent.id for sent in world.box.sent] == told
        assert list(world.store.load()) == [key("steady")]


def test_a_deleted_table_is_not_forgotten_before_its_last_message_is_safe() -> None:
    with World(heated("gone", until=100_000), steady()) as world:
        world.run_until(600)
        world.box.broken = "connection refused"
        break_store(world, "record")  # only this: a store may refuse a large write and take a small one
        world.plant.delete("gone")
        world.run(2)
        world.restart()  # what waited in memory is lost
        world.box.broken = ""
        world.wire.faults.clear()
        world.run(2)
        assert world.alerts("gone")[-1] == ("resolved", "key-range")
        assert list(world.store.load()) == [key("steady")]


def test_a_record_that_was_kept_although_the_store_said_no_is_found_again() -> None:
    with World(starved(until=100_000)) as world:
        world.run_until(365)
        keep = world.store.record

        def kept_but_unanswered(record: object) -> Exception:
            keep(record)  # type: ignore[arg-type]
            return disk_full()

        world.wire.faults["store.record"] = kept_but_unanswered
        world.run()
        assert world.changes() == []
        assert len(world.store.open_intents()) == 1
        world.wire.faults.clear()
        world.run(2)
        assert world.store.open_intents() == []
        assert [one.outcome for one in world.history("orders")] == [Outcome.SUPERSEDED, Outcome.APPLIED]
        assert [sent.alert.sequence for sent in world.sent("orders")] == [1]


@pytest.mark.parametrize("call", ["prune", "forget", "waiting", "outbox", "settle", "delivered", "failed"])
def test_no_failing_store_call_ends_a_pass(call: str) -> None:
    with World(starved(), heated("gone", until=100_000)) as world:
        break_store(world, call)
        world.run_until(600)
        world.plant.delete("gone")
        world.run(3)
        assert len(world.telemetry.reports) == 13
        assert world.provisioned("orders") > 1000
        world.wire.faults.clear()
        world.run(3)
        assert ("resolved", "key-range") in world.alerts("gone")
        assert list(world.store.load()) == [key("orders")]
        told = [sent.id for sent in world.box.sent]
        assert len(told) == len(set(told))
        check_order(world.box.sent)


def test_a_message_kept_in_memory_survives_into_the_store_and_out_of_it() -> None:
    with World(starved(until=100_000)) as world:
        world.run_until(365)
        break_store(world)
        world.box.broken = "connection refused"
        world.run(2)  # it opens and can neither be recorded nor told
        world.wire.faults.clear()
        world.run(1)
        assert world.store.waiting() >= 1
        world.restart()
        world.box.broken = ""
        world.run(3)
        assert world.alerts("orders") == [("open", "provisioned")]
        assert world.store.waiting() == 0


def test_an_end_whose_hearers_are_not_known_is_told_by_the_next_life() -> None:
    with World(starved(until=900)) as world:
        world.box.topics = ("old",)
        world.run_until(605)
        assert world.alerts("orders") == [("open", "provisioned")]
        world.restart()
        world.box.topics = ("new",)  # and so only the store knows that the old one has heard of it
        break_store(world, "hearers")
        while ("resolved", "provisioned") not in world.alerts("orders"):
            report = world.run()
        assert not report.acting  # its record has failed
        assert [one.topic_arn for one in world.sent("orders")] == ["old", "new"]
        world.wire.faults.clear()
        world.restart()
        world.run(2)
        ends = {one.topic_arn for one in world.sent("orders") if one.alert.state is IncidentState.RESOLVED}
        assert ends == {"old", "new"}
        (incident,) = {one.alert.incident for one in world.sent("orders")}
        assert list(world.store.hearers(incident)) == []


# ---- the topic


@pytest.mark.parametrize("engine", ["memory", "sqlite"])
@pytest.mark.parametrize("restarted", [False, True], ids=["in one life", "with a restart meanwhile"])
def test_after_an_outage_of_the_topic_everything_is_told_in_order(
    restarted: bool,  # noqa: FBT001 - a column of the table
    engine: str,
    tmp_path: Path,
) -> None:
    with World(starved(until=600), heated(until=600), engine=engine, directory=tmp_path) as world:
        world.box.broken = "connection refused"
        report = world.run_until(1505)
        assert world.box.sent == []
        assert report.outbox == 5
        tried = world.wire.calls.count("notifier.publish")
        assert tried < (25 - 7) / 2  # patience: fewer attempts than passes since the first message
        assert list(report.failing.values()) == [f"Publish of {world.box.topics[0]}: connection refused"]
        events = world.telemetry.events()
        assert (events.count("alert.topic_failing"), events.count("alert.undelivered")) == (1, 0)
        if restarted:
            world.restart()
        world.box.broken = ""
        world.run(20)
        # Nobody was told while they were open: one message tells the whole of each.
        assert world.alerts("orders") == [("resolved", "provisioned")]
        assert [state for state, _ in world.alerts("sessions")] == ["resolved"]
        story = world.sent("sessions")[0].alert.sentence
        assert all(f"{step} at " in story for step in ("opened", "worsened", "resolved"))
        assert world.telemetry.reports[-1].failing == {}
        check_order(world.box.sent)
        assert world.store.waiting() == 0


# ---- the answer to a change


def lose_the_answer(world: World, *, accepted: bool) -> None:
    """The next change is sent, and its answer is lost; ``accepted`` says whether AWS took it."""
    hand = world.aws.region().hands[Mode.ACT]

    class Deaf:
        def carry_out(self, action: Action) -> tuple[Outcome, str]:
            if accepted:
                hand.carry_out(action)
            del world.wire.faults["hand.carry_out"]
            return Outcome.UNKNOWN, "read timeout"

    def instead(action: Action) -> BaseException:
        Deaf().carry_out(action)
        return down("read timeout")  # any exception out of a hand counts as "no answer"

    world.wire.faults["hand.carry_out"] = instead


@pytest.mark.parametrize(
    ("accepted", "outcomes"),
    [
        pytest.param(True, [Outcome.APPLIED], id="AWS had taken it: found in force, not done again"),
        pytest.param(
            False, [Outcome.SUPERSEDED, Outcome.APPLIED], id="AWS never had it: found not in force, decided anew"
        ),
    ],
)
def test_a_lost_answer_is_looked_up_before_anything_else_is_done(accepted: bool, outcomes: list[Outcome]) -> None:  # noqa: FBT001 - a column of the table
    with World(starved(until=100_000)) as world:
        world.run_until(365)
        lose_the_answer(world, accepted=accepted)
        world.run()
        assert [one.outcome for one in world.history("orders")] == [Outcome.PENDING]
        assert world.cycle._states[key("orders")].pending
        report = world.run()
        assert [one.outcome for one in world.history("orders")] == outcomes
        # The late answer is reported like any other, so that it is counted and logged.
        (table,) = report.tables
        assert [one.outcome for one in table.settlements] == outcomes
        world.run(10)
        assert len(world.changes()) == 1
        assert world.cycle._states[key("orders")].foreign_at is None
        assert world.store.open_intents() == []


def test_while_an_answer_is_missing_the_table_is_not_touched_again() -> None:
    with World(starved(until=100_000)) as world:
        world.run_until(365)
        lose_the_answer(world, accepted=False)
        world.run()
        world.wire.faults[DESCRIBE] = always(down())
        world.run(3)
        assert len(world.store.open_intents()) == 1
        del world.wire.faults[DESCRIBE]
        world.run()
        assert world.store.open_intents() == []
        assert len(world.changes()) == 1


def test_a_change_still_under_way_when_the_watcher_starts_is_waited_for() -> None:
    with World(starved(until=100_000)) as world:
        world.plant._actuation = 200.0
        world.run_until(365)
        lose_the_answer(world, accepted=True)
        world.run()
        world.restart()
        world.run()
        assert reasons(world) == {"orders": Reason.HOLD_PENDING}
        assert len(world.store.open_intents()) == 1
        world.run(5)
        assert world.store.open_intents() == []
        assert [one.outcome for one in world.history("orders")] == [Outcome.APPLIED]
        assert len(world.changes()) == 1
        assert world.cycle._states[key("orders")].foreign_at is None


def test_an_open_change_of_a_deleted_table_is_closed_as_gone() -> None:
    with World(starved(until=100_000), steady()) as world:
        world.run_until(365)
        lose_the_answer(world, accepted=False)
        world.run()
        world.restart()
        world.plant.delete("orders")
        world.run()
        assert world.store.open_intents() == []
        assert [one.outcome for one in world.history("orders")] == [Outcome.GONE]


def test_settings_are_the_documented_ones() -> None:
    # The failure tests above lean on these: window, sweep and discovery in seconds.
    assert (SETTINGS.window, SETTINGS.sweep, SETTINGS.discovery) == (600.0, 300.0, 300.0)
    assert POLICY.mode is Mode.ACT
