"""The real cycle over the plant: whole stories, minute by minute. Instants are seconds after START; passes run at
:05, and a minute's points are visible 60 s after its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.core.builders import PLAIN
from tests.support.world import (
    INDEX_WRITE,
    POLICY,
    RANGE,
    REGION,
    ROOMY,
    START,
    World,
    capped,
    check_order,
    heated,
    in_mode,
    key,
    of,
    oversized,
    rates,
    starved,
    starving_index,
    steady,
)
from watcher.core.model import TABLE_READ, TABLE_WRITE, Dimension, Kind, Lever, ScalableTarget
from watcher.core.policy import AutoScaling, Bounds, TablePolicy
from watcher.core.reasons import Cause, Mode, Outcome, Reason
from watcher.replay.plant import Plant, TableSpec
from watcher.replay.ports import PlantAws

both_engines = pytest.mark.parametrize("engine", ["memory", "sqlite"])


def last_reason(world: World, name: str, dimension: Dimension = TABLE_WRITE) -> Reason:
    (table,) = [one for one in world.telemetry.reports[-1].tables if one.key.name == name]
    assert table.explanation is not None
    (decision,) = [one for one in table.explanation.decisions if one.dimension == dimension]
    return decision.reason


# ---- one table, one story


def test_a_starved_table_is_raised_in_the_first_pass_that_can_see_it_and_its_incident_opens_and_resolves() -> None:
    # 1,200/s from 300 on; that minute's points are visible from 420 on, so the pass of 425 is the first to know.
    # Twice the 1,200 wanted: 2,400.
    with World(starved(until=1800)) as world:
        world.run_until(365)
        assert world.changes() == []
        world.run_until(425)
        ((at, action, outcome),) = world.changes("orders")
        assert at == 425
        assert outcome is Outcome.APPLIED
        assert [(one.dimension, one.before) for one in action.changes] == [(TABLE_WRITE, 100)]
        assert action.changes[0].after == pytest.approx(2400, rel=0.05)
        assert world.alerts() == [("open", "provisioned")]
        assert world.sent()[0].alert.time == START + at
        assert "Outcome: applied." in world.sent()[0].alert.done
        world.run_until(1500)
        assert world.alerts() == [("open", "provisioned"), ("resolved", "provisioned")]
        check_order(world.box.sent)
        assert world.store.open_intents() == []
        # It is not raised a second time for what was throttled before the first raise took effect.
        assert len([one for one in world.changes("orders") if one[0] < 1800]) == 1


def test_a_hot_key_raises_nothing_and_is_named() -> None:
    with World(heated()) as world:
        world.run_until(1400)
        assert world.changes() == []
        assert world.provisioned("sessions") == 2100
        opened = world.sent()[0].alert
        assert (opened.state, opened.cause) == ("open", Cause.KEY_RANGE)
        assert "customer#1" in dict(opened.facts)["hot keys"]
        assert last_reason(world, "sessions") is Reason.HOLD_KEY_RANGE
        world.run_until(2500)
        assert world.alerts()[-1] == ("resolved", "key-range")
        check_order(world.box.sent)


def test_an_index_that_starves_its_table_is_raised_and_the_table_is_not() -> None:
    with World(starving_index(), policies=of(ROOMY)) as world:
        world.run_until(900)
        assert {change.dimension for _, action, _ in world.changes() for change in action.changes} == {INDEX_WRITE}
        assert world.provisioned("catalog", INDEX_WRITE) == pytest.approx(1200, rel=0.05)
        assert world.provisioned("catalog") == 1000
        opened = world.sent()[0].alert
        assert (opened.state, opened.index) == ("open", "by-day")
        assert any(
            table.explanation is not None
            and any(one.reason is Reason.HOLD_BACK_PRESSURE for one in table.explanation.decisions)
            for report in world.telemetry.reports
            for table in report.tables
        )


def test_the_owners_cap_on_an_on_demand_table_is_told_and_nothing_is_changed() -> None:
    with World(capped()) as world:
        world.run_until(1200)
        assert world.changes() == []
        assert world.alerts() == [("open", "on-demand-cap")]
        assert "60" in world.sent()[0].alert.sentence + world.sent()[0].alert.todo + str(world.sent()[0].alert.facts)


def test_a_dimension_that_application_auto_scaling_holds_is_respected() -> None:
    with World(starved()) as world:
        world.aws.scaling = {"orders": {TABLE_WRITE: ScalableTarget(5, 4000)}}
        world.run_until(900)
        assert world.changes() == []
        assert last_reason(world, "orders") is Reason.HOLD_AUTO_SCALING
        assert world.alerts()[0] == ("open", "provisioned")


def test_in_floor_mode_the_scalers_minimum_is_raised_for_the_need_and_put_back_after_it() -> None:
    policy = replace(POLICY, auto_scaling=AutoScaling.FLOOR)
    with World(starved(until=1500), policies=of(policy)) as world:
        world.aws.scaling = {"orders": {TABLE_WRITE: ScalableTarget(5, 4000)}}
        world.run_until(3600)
        moves = [(action.lever, action.changes[0].before, action.changes[0].after) for _, action, _ in world.changes()]
        assert moves == [(Lever.FLOOR, 5, 2400), (Lever.FLOOR, 2400, 5)]
        # Registering the target lifted the capacity; lowering it again is the scaler's own business.
        assert world.provisioned("orders") == 2400
        assert world.alerts() == [("open", "provisioned"), ("resolved", "provisioned")]
        assert world.store.load()[key("orders")].foreign_at is None


def test_an_oversized_table_shrinks_within_the_budget_and_aws_never_has_to_refuse() -> None:
    with World(oversized()) as world:
        world.run_until(6 * 3600)
        assert world.provisioned("archive", TABLE_READ) == pytest.approx(40 * 1.4, abs=3)
        assert world.provisioned("archive", TABLE_WRITE) == pytest.approx(20 * 1.4, abs=3)
        assert {outcome for _, _, outcome in world.changes()} == {Outcome.APPLIED}
        assert len(world.changes()) <= 4
        assert world.alerts() == []


def test_a_quiet_table_is_left_alone_and_history_does_not_grow_by_the_minute() -> None:
    with World(steady()) as world:
        world.run(5)
        few = len(world.store.history())
        world.run(60)
        assert world.changes() == []
        assert world.alerts() == []
        assert len(world.store.history()) == few


# ---- modes and bounds


@pytest.mark.parametrize(
    ("policy", "advices"),
    [
        pytest.param(in_mode(Mode.ADVISE), 1, id="advise mode says it once, not every minute"),
        pytest.param(in_mode(Mode.OBSERVE), 0, id="observe mode says nothing of capacity"),
        pytest.param(TablePolicy(tuning=PLAIN), 1, id="the default policy, without bounds, only advises"),
        pytest.param(TablePolicy(mode=Mode.ACT), 0, id="act mode without bounds does nothing"),
    ],
)
def test_what_a_policy_that_does_not_act_does(policy: TablePolicy, advices: int) -> None:
    with World(starved(until=100_000), policies=of(policy)) as world:
        world.run_until(2400)
        assert world.changes() == []
        assert world.provisioned("orders") == 100
        assert [one.outcome for one in world.history("orders")] == [Outcome.ADVISED] * advices
        # Whatever it may change, it tells of the trouble.
        assert world.alerts()[0] == ("open", "provisioned")
        assert world.store.open_intents() == []


@pytest.mark.parametrize(
    ("highest", "expected"),
    [
        pytest.param(300, 300, id="a maximum below the need is where it stops"),
        pytest.param(100, 100, id="at the maximum nothing is done"),
        pytest.param(4000, 2400, id="above the need the bound does not matter"),
    ],
)
def test_bounds_are_kept(highest: int, expected: int) -> None:
    bounds = {Kind.READ: RANGE, Kind.WRITE: Bounds(5, highest)}
    with World(starved(until=100_000), policies=of(replace(POLICY, bounds=bounds))) as world:
        world.run_until(1200)
        assert world.provisioned("orders") == pytest.approx(expected, rel=0.05 if highest == 4000 else 0)


# ---- tables that come and go


def test_a_table_created_while_running_is_found_by_the_next_discovery() -> None:
    with World(steady()) as world:
        world.run_until(60)
        world.plant.create(TableSpec("fresh", read=72, write=100, demand=rates({0: 70.0})))
        report = world.run_until(245)
        assert [one.key.name for one in report.tables] == ["steady"]
        report = world.run_until(305)
        assert [one.key.name for one in report.tables] == ["fresh", "steady"]


@both_engines
@pytest.mark.parametrize(
    "deleted_at",
    [
        pytest.param(60 * n, id=f"deleted {n} min after a discovery: DescribeTable or ListTables tells")
        for n in range(6)
    ],
)
def test_a_table_deleted_while_in_trouble_closes_its_incident_and_is_forgotten(
    deleted_at: int, engine: str, tmp_path: Path
) -> None:
    with World(heated(until=100_000), steady(), engine=engine, directory=tmp_path) as world:
        world.run_until(600 + deleted_at)
        assert world.alerts()[0] == ("open", "key-range")
        world.plant.delete("sessions")
        world.run(2)
        assert world.alerts()[-1] == ("resolved", "key-range")
        assert "deleted" in world.sent()[-1].alert.sentence
        assert list(world.store.load()) == [key("steady")]
        told, asked = len(world.box.sent), len(world.wire.asked)
        world.run(5)
        assert len(world.box.sent) == told
        assert (f"{REGION}/tables.describe", ("sessions",)) not in world.wire.asked[asked:]
        check_order(world.box.sent)


@both_engines
def test_a_table_deleted_while_the_watcher_was_down_closes_its_incident_too(engine: str, tmp_path: Path) -> None:
    with World(heated(until=100_000), steady(), engine=engine, directory=tmp_path) as world:
        world.run_until(600)
        world.restart()
        world.plant.delete("sessions")
        world.clock.advance(1200)
        world.run(1)
        assert world.alerts()[-1] == ("resolved", "key-range")
        assert list(world.store.load()) == [key("steady")]


def test_a_table_deleted_and_made_anew_starts_from_nothing() -> None:
    with World(starved()) as world:
        world.run_until(600)
        world.plant.delete("orders")
        world.run(1)
        world.plant.create(TableSpec("orders", read=72, write=900, demand=rates({0: 630.0})))
        report = world.run(10)
        assert [one.key.name for one in report.tables] == ["orders"]
        # 900 is not what the watcher wrote to its namesake, and still nobody else's hand.
        assert last_reason(world, "orders") is not Reason.HOLD_FOREIGN_CHANGE
        assert world.store.load()[key("orders")].foreign_at is None


def test_an_index_added_while_running_is_seen_and_raised() -> None:
    with World(steady("catalog"), policies=of(ROOMY)) as world:
        world.run_until(120)
        # The plant cannot add an index; a table of the same name and key with one is the same to the watcher.
        world.plant.delete("catalog")
        world.plant.create(starving_index(since=300))
        world.run_until(900)
        assert world.provisioned("catalog", INDEX_WRITE) == pytest.approx(1200, rel=0.05)


def test_another_hand_is_noticed_and_not_fought() -> None:
    with World(starved(since=900)) as world:
        world.run_until(300)
        world.plant.update_throughput("orders", {"": (72, 120)})
        world.run_until(1500)
        assert world.changes() == []
        assert last_reason(world, "orders") is Reason.HOLD_FOREIGN_CHANGE
        # After an hour without another change it is the watcher's turn again.
        world.run_until(300 + 3600 + 180)
        assert world.provisioned("orders") == pytest.approx(2400, rel=0.05)


# ---- restarts


@both_engines
@pytest.mark.parametrize(
    "at",
    [
        pytest.param(425, id="right after the first pass that can see the trouble"),
        pytest.param(485, id="a minute later"),
        pytest.param(545, id="while the change settles"),
        pytest.param(900, id="while waiting for calm"),
    ],
)
def test_a_restart_goes_on_where_the_last_life_stopped(at: int, engine: str, tmp_path: Path) -> None:
    def lived(restarting_at: int | None) -> tuple[list[tuple[str, str]], list[tuple[int, int]]]:
        directory = tmp_path / str(restarting_at)
        directory.mkdir()
        with World(starved(until=100_000), engine=engine, directory=directory) as world:
            if restarting_at is not None:
                world.run_until(restarting_at)
                world.restart()
            world.run_until(1800)
            assert world.store.load()[key("orders")].foreign_at is None
            return world.alerts(), [(when, action.changes[0].after) for when, action, _ in world.changes()]

    assert lived(at) == lived(None)


@both_engines
def test_advice_is_not_repeated_after_a_restart(engine: str, tmp_path: Path) -> None:
    policies = of(in_mode(Mode.ADVISE))
    with World(starved(until=100_000), policies=policies, engine=engine, directory=tmp_path) as world:
        world.run_until(600)
        world.restart()
        world.run_until(1200)
        assert len(world.history("orders")) == 1
        assert len(world.alerts()) == 1


# ---- the report, reloading, stopping


def test_a_report_accounts_for_every_table_and_message() -> None:
    def some(name: str) -> TablePolicy | None:
        return None if name == "steady" else POLICY

    with World(starved(), steady(), policies=some) as world:
        world.run_until(425)
        reports = world.telemetry.reports
        assert all(one.unmatched == 1 for one in reports)
        assert all([table.key for table in one.tables] == [key("orders")] for one in reports)
        assert sum(one.delivered for one in reports) == len(world.box.sent)
        assert [one.outbox for one in reports] == [0] * len(reports)
        assert all(one.acting and not one.region_errors for one in reports)
        assert set(reports[-1].phases) == {"observe", "reconcile", "step", "record", "act", "settle", "tell", "tidy"}
        (table,) = reports[-1].tables
        settled = [one.outcome for one in table.settlements]
        assert settled == [Outcome.APPLIED] * len([one for one in world.changes() if one[0] == 425])


def test_reloaded_policies_and_notifier_hold_from_the_next_pass_on() -> None:
    with World(starved(until=100_000), policies=of(in_mode(Mode.OBSERVE))) as world:
        world.run_until(600)
        other = type(world.box)(topics=("arn:aws:sns:eu-west-1:123456789012:other",))

        def reload_during_the_pass(*_args: object) -> None:
            world.cycle.use(of(POLICY), other)

        world.wire.faults[f"{REGION}/tables.describe"] = reload_during_the_pass
        world.run()
        assert world.changes() == []  # this pass had begun with the old ones
        del world.wire.faults[f"{REGION}/tables.describe"]
        world.run_until(1800)
        assert world.provisioned("orders") == pytest.approx(2400, rel=0.05)
        # The end goes to those who have heard of the beginning, too; whether they are still served is the notifier's.
        assert [(one.topic_arn, one.alert.state) for one in other.sent] == [
            (*other.topics, "resolved"),
            (*world.box.topics, "resolved"),
        ]
        assert other.sent[0].alert.state == "resolved"


@both_engines
def test_a_table_that_leaves_the_config_in_trouble_closes_its_incident(engine: str, tmp_path: Path) -> None:
    with World(heated(until=100_000), steady(), engine=engine, directory=tmp_path) as world:
        world.run_until(600)
        assert world.alerts()[0] == ("open", "key-range")
        world.cycle.use(lambda name: None if name == "sessions" else POLICY, world.box)
        world.run(2)
        assert world.alerts()[-1] == ("resolved", "key-range")
        assert world.sent()[-1].alert.sentence == "sessions is no longer watched; its incident is closed."
        assert list(world.store.load()) == [key("steady")]
        told = len(world.box.sent)
        world.cycle.use(of(POLICY), world.box)
        world.run(10)
        assert world.alerts()[-1] == ("open", "key-range"), "watched again, it is in trouble again"
        assert len(world.box.sent) == told + 1
        check_order(world.box.sent)


def crowd(size: int) -> list[TableSpec]:
    """Tables in the same trouble, the later ones worse."""
    return [starved(f"t{n:02}", rate=1200.0 + 20.0 * n) for n in range(size)]


def test_what_does_not_fit_into_the_time_for_acting_is_cancelled_and_decided_anew_the_worst_first() -> None:
    with World(*crowd(10)) as world:

        def slow(*_args: object) -> None:
            world.clock.advance(15)

        world.wire.faults["hand.carry_out"] = slow
        world.run_until(545)
        busiest = world.telemetry.reports[-1]
        first = next(one for one in world.telemetry.reports if any(table.settlements for table in one.tables))
        outcomes = {table.key.name: table.settlements[0].outcome for table in first.tables if table.settlements}
        # 15 s each, 40 s in all: begun at 0, 15 and 30 s.
        done = sorted(name for name, outcome in outcomes.items() if outcome is Outcome.APPLIED)
        assert len(done) == min(3, len(outcomes))
        assert done == sorted(outcomes)[-len(done) :]
        assert {outcome for name, outcome in outcomes.items() if name not in done} <= {Outcome.CANCELLED}
        assert busiest.acting
        world.run(10)
        assert {name: world.provisioned(name) > 100 for name in world.plant.names()} == {
            f"t{n:02}": True for n in range(10)
        }
        assert world.store.open_intents() == []


@pytest.mark.parametrize(
    ("stop_after", "changed"),
    [
        pytest.param(0, 0, id="told to stop before acting, nothing is changed"),
        pytest.param(2, 2, id="told to stop while acting, the call in hand is the last"),
    ],
)
def test_stopping_stops_acting(stop_after: int, changed: int) -> None:
    acted: list[object] = []
    with World(*crowd(5), stopping=lambda: len(acted) >= stop_after) as world:
        world.wire.faults["hand.carry_out"] = lambda *args: acted.append(args)
        while not any(table.settlements for one in world.telemetry.reports for table in one.tables):
            world.run()
        assert len(world.changes()) == changed
        assert world.store.open_intents() == []
        told = {s.detail for one in world.telemetry.reports for t in one.tables for s in t.settlements}
        assert told - {""} == {"the watcher is stopping"}


def test_two_regions_with_tables_of_the_same_name_do_not_mix() -> None:
    with World(starved()) as world:
        plant = Plant(START - 1800, region="eu-west-1")
        plant.create(steady("orders"))
        world.more_regions.append(PlantAws(plant, world.clock))
        world.run_until(900)
        assert set(world.store.load()) == {key("orders"), key("orders", "eu-west-1")}
        assert world.provisioned("orders") > 800
        assert plant.describe("orders").provisioned(TABLE_WRITE) == 100


def raises_for(name: str) -> Callable[[str], TablePolicy | None]:
    def policy(table: str) -> TablePolicy:
        # Bounds that no code expects stand for "odd data that the core stumbles over".
        return replace(POLICY, bounds={Kind.WRITE: "odd"}) if table == name else POLICY  # type: ignore[dict-item]

    return policy


def test_one_table_the_core_stumbles_over_does_not_blind_the_others() -> None:
    with World(starved(), steady("broken"), policies=raises_for("broken")) as world:
        report = world.run_until(900)
        assert world.provisioned("orders") > 800
        (broken,) = [one for one in report.tables if one.key.name == "broken"]
        assert broken.key == key("broken")
        assert "bug in the watcher" in broken.error
        assert "step.failed" in world.telemetry.events()
