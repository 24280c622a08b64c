"""Contributor Insights switched by the real loop: when, by whom, put back how, and told to whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.wire import Crash, Fault, always, disk_full, down
from tests.support.world import POLICY, START, World, heated, of, starved, steady
from watcher import cycle_sampling
from watcher.core.insights import Place, SamplerMode, SamplerStatus, Sampling
from watcher.core.model import TABLE_READ, TABLE_WRITE, Action, Dimension, Lever
from watcher.core.policy import TablePolicy
from watcher.core.reasons import IncidentState, Mode, Outcome, Reason
from watcher.core.sampling import SamplingLimits
from watcher.core.series import Series
from watcher.core.state import DimensionState, TableState
from watcher.cycle import Cycle
from watcher.cycle_sampling import case_of
from watcher.errors import AwsDenied, AwsNotFound
from watcher.replay.plant import IndexSpec, TableSpec

OFF, THROTTLED, FULL = SamplerMode.OFF, SamplerMode.THROTTLED, SamplerMode.FULL
SESSIONS, ORDERS = Place("sessions"), Place("orders")


def sampling(wish: Sampling, mode: Mode = Mode.ACT) -> TablePolicy:
    return replace(POLICY, sampling=wish, mode=mode)


def bare(*specs: TableSpec, policy: TablePolicy | None = None, **world: object) -> World:
    """A world in which nobody samples anything yet."""
    return World(*specs, policies=of(policy or sampling(Sampling.THROTTLED)), samplers={}, **world)  # type: ignore[arg-type]


def switches(world: World, name: str | None = None) -> list[tuple[int, SamplerMode, SamplerMode, Outcome]]:
    """(seconds after START, before, after, outcome) of every call that switched."""
    return [
        (second, action.switch.before, action.switch.after, outcome)
        for second, action, outcome in world.changes(name)
        if action.switch is not None
    ]


def in_force(world: World, place: Place) -> SamplerMode:
    return world.aws.insights.samplers.sampler(place).mode


def told(world: World, name: str, reason: Reason) -> list[tuple[Outcome, str]]:
    history = reversed(world.store.history(name, limit=1000))
    return [(one.outcome, one.sentence) for one in history if one.reason is reason]


def released(world: World) -> tuple[int, int]:
    """At the watcher's end; AWS's time goes on while it waits."""
    return world.cycle.release(lambda _: world.clock.advance(2.0))


def fails_first(times: int) -> Fault:
    """Calls to switch that get no answer, so many."""
    left = iter(range(times))
    return lambda _action: down() if next(left, None) is not None else None


def capacity_calls(world: World, name: str) -> list[Action]:
    return [action for _, action, _ in world.changes(name) if action.lever is Lever.CAPACITY]


# ---- throttled keys


def test_throttled_keys_are_sampled_from_the_first_pass_on_of_tables_and_indexes() -> None:
    index = IndexSpec("by-day", read=72, write=100)
    with bare(replace(steady("orders"), indexes=(index,))) as world:
        world.run()
        assert switches(world) == [(5, OFF, THROTTLED, Outcome.APPLIED)] * 2
        world.run(10)
        assert len(switches(world)) == 2
        assert in_force(world, ORDERS) is in_force(world, Place("orders", "by-day")) is THROTTLED
        assert [outcome for outcome, _ in told(world, "orders", Reason.SAMPLE_THROTTLED)] == [Outcome.APPLIED] * 2


@pytest.mark.parametrize(
    ("policy", "calls", "advised"),
    [
        pytest.param(sampling(Sampling.THROTTLED, Mode.ADVISE), 0, 1, id="advise: said once, never done"),
        pytest.param(sampling(Sampling.THROTTLED, Mode.OBSERVE), 0, 0, id="observe: neither"),
        pytest.param(sampling(Sampling.OFF), 0, 0, id="off: neither"),
        pytest.param(sampling(Sampling.THROTTLED), 1, 0, id="act: done"),
    ],
)
def test_switching_is_an_action_like_any_other(policy: TablePolicy, calls: int, advised: int) -> None:
    with bare(steady("orders"), policy=policy) as world:
        world.run(12)
        assert len(switches(world)) == calls
        outcomes = [outcome for outcome, _ in told(world, "orders", Reason.SAMPLE_THROTTLED)]
        assert outcomes.count(Outcome.ADVISED) == advised
        assert outcomes.count(Outcome.APPLIED) == calls


@pytest.mark.parametrize("mode", [THROTTLED, FULL])
@pytest.mark.parametrize("wish", list(Sampling))
def test_what_another_hand_enabled_is_never_touched_and_read_all_the_same(wish: Sampling, mode: SamplerMode) -> None:
    with World(heated(), policies=of(sampling(wish)), samplers={SESSIONS: mode}) as world:
        world.run_until(1200)
        assert switches(world) == []
        assert in_force(world, SESSIONS) is mode
        assert world.telemetry.reports[-1].tables[0].explanation is not None
        assert "customer#1" in str(world.sent("sessions")[0].alert)


def test_two_minutes_after_the_first_throttle_can_be_seen_its_key_is_named() -> None:
    with bare(heated()) as world:
        # Throttled from 300 on; that minute ends at 360 and its points are there at 420.
        world.run_until(425)
        (sent,) = world.sent("sessions")
        assert sent.alert.state is IncidentState.OPEN
        assert "key:customer#1" in dict(sent.alert.facts)["keys"]


# ---- on incident


def test_all_keys_are_sampled_while_an_incident_needs_it_and_put_back_as_found() -> None:
    with bare(heated(until=900), policy=sampling(Sampling.ON_INCIDENT)) as world:
        world.run_until(2400)
        (on, off) = switches(world)
        assert on == (425, OFF, FULL, Outcome.APPLIED)
        # The last throttled minute is 840; five minutes on, at 1265, the window holds it no longer.
        assert off[1:] == (FULL, OFF, Outcome.APPLIED)
        assert 900 < off[0] <= 1325
        assert in_force(world, SESSIONS) is OFF
        assert "to be switched on" in str(world.sent("sessions")[0].alert)
        assert [state for state, _ in world.alerts("sessions")] == ["open", "worsened", "open", "resolved"]
        first, worse, named, _ = world.sent("sessions")
        assert "customer#1" not in str(first.alert) + str(worse.alert)
        assert "customer#1" in str(named.alert)
        # Sampled from 427 on: the first whole minute begins at 480, ends at 540 and can be read at 600.
        assert int(named.alert.time) % 3600 == (START + 605) % 3600


def test_full_mode_ends_after_its_time_however_long_the_incident_lasts() -> None:
    limits = SamplingLimits(full_seconds=600.0)
    with bare(heated(until=7200), policy=sampling(Sampling.ON_INCIDENT), limits=limits) as world:
        world.run_until(3000)
        assert [(second, after) for second, _, after, _ in switches(world)] == [(425, FULL), (1025, OFF)]
        assert in_force(world, SESSIONS) is OFF
        # What was seen is told on, with its time, as long as it throttles.
        explanation = world.telemetry.reports[-1].tables[0].explanation
        assert explanation is not None
        finding = explanation.hot_keys[""]
        assert [key.key for key in finding.keys] == ["key:customer#1"]
        assert finding.sentence.startswith("As of 08:17 UTC: One key")
        assert "its writes were throttled up to 15,600 times a minute" in finding.sentence


def test_a_table_that_only_lacks_capacity_needs_no_key() -> None:
    with bare(starved(), policy=sampling(Sampling.ON_INCIDENT)) as world:
        world.run_until(1200)
        assert world.sent("orders")
        assert switches(world) == []


def test_throttling_that_is_not_worth_a_message_is_not_worth_the_money() -> None:
    """A table's description and its throttles are those of an incident; only the incident decides."""
    with bare(heated(), policy=sampling(Sampling.ON_INCIDENT)) as world:
        world.run_until(425)
        (seen,) = world.telemetry.reports[-1].tables
        assert seen.description is not None
        assert seen.explanation is not None
        (state,) = world.cycle.states().values()
        policy = sampling(Sampling.ON_INCIDENT)
        told = seen.explanation
        assert case_of(policy, seen.description, state, told).needs == {"": 15_600.0}
        assert case_of(policy, seen.description, replace(state, incident=None), told).needs == {}


@pytest.mark.parametrize(
    ("dimension", "requests", "events"),
    [
        pytest.param(TABLE_WRITE, {}, 600.0, id="a write takes a unit at least"),
        pytest.param(TABLE_READ, {}, 1200.0, id="a read half a one"),
        pytest.param(TABLE_READ, {60: 75.0}, 75.0, id="where requests were counted, those"),
        pytest.param(TABLE_READ, {0: 75.0}, 1200.0, id="but not those of an older minute"),
    ],
)
def test_what_full_mode_would_bill_is_not_guessed_too_low(
    dimension: Dimension, requests: dict[int, float], events: float
) -> None:
    known = DimensionState(consumed=Series({0: 60.0, 60: 600.0}), requests=Series(requests))
    with bare(steady("orders")) as world:
        seen = world.run().tables[0]
        assert seen.description is not None
        assert seen.explanation is not None
        state = TableState(dimensions={dimension: known})
        assert case_of(POLICY, seen.description, state, seen.explanation).events == {"": events}


# ---- capacity


def test_switching_holds_up_no_change_of_capacity() -> None:
    with bare(starved()) as world:
        world.run_until(425)
        assert switches(world)
        assert [action.lever for _, action, _ in world.changes()][-1] is Lever.CAPACITY
        assert all(state.pending == "" for state in world.cycle.states().values())


def test_a_hot_key_buys_no_capacity() -> None:
    with bare(heated(until=3600)) as world:
        world.run_until(3000)
        assert capacity_calls(world, "sessions") == []


# ---- trouble


def test_a_missing_permission_is_told_once_an_hour_and_harms_nothing_else() -> None:
    error = AwsDenied("not authorized", code="AccessDenied", operation="x", subject="y", hint="allow it")
    with bare(starved()) as world:
        world.wire.faults["us-east-1/insights.survey"] = always(error)
        world.run_until(1200)
        assert switches(world) == []
        assert capacity_calls(world, "orders")
        held = told(world, "orders", Reason.HOLD_SAMPLING_REFUSED)
        assert len(held) == 1


def test_past_the_quota_the_one_that_throttles_comes_first_and_the_other_is_told_why() -> None:
    specs = [*(steady(f"calm-{number}") for number in range(3)), heated()]
    with bare(*specs, limits=SamplingLimits(rules=2)) as world:
        world.run(2)
        assert {action.table.name for _, action, _ in world.changes()} == {"sessions", "calm-0"}
        for name in ("calm-1", "calm-2"):
            ((_, sentence),) = told(world, name, Reason.HOLD_SAMPLING_QUOTA)
            assert "2" in sentence


def test_what_turns_failed_is_put_back_and_told() -> None:
    """The quota of the account is smaller than the config says."""
    with bare(steady("orders"), steady("users"), quota=1) as world:
        world.run(20)
        sampled = [in_force(world, Place(name)) for name in ("orders", "users")]
        assert sorted(sampled) == [OFF, THROTTLED]
        failed = next(name for name in ("orders", "users") if in_force(world, Place(name)) is OFF)
        assert world.aws.insights.samplers.sampler(Place(failed)).status is SamplerStatus.DISABLED
        ((outcome, sentence),) = told(world, failed, Reason.SAMPLE_RESTORE)
        assert outcome is Outcome.APPLIED
        assert "limit reached" in sentence


def test_a_table_deleted_while_sampled_is_forgotten() -> None:
    with bare(heated()) as world:
        world.run_until(605)
        world.plant.delete("sessions")
        world.run(5)
        assert world.telemetry.troubles == []
        assert list(world.store.load()) == []


def test_a_table_that_leaves_the_config_is_put_back_before_it_is_forgotten() -> None:
    with bare(steady("orders")) as world:
        world.run(3)
        assert in_force(world, ORDERS) is THROTTLED
        world.cycle.use(of(None), world.box)
        world.run(3)
        assert in_force(world, ORDERS) is OFF
        assert list(world.store.load()) == []


def test_a_table_that_left_is_remembered_until_it_is_put_back() -> None:
    with bare(steady("orders")) as world:
        world.run(3)
        world.wire.faults["hand.carry_out"] = always(down())
        world.cycle.use(of(None), world.box)
        world.run(2)
        assert in_force(world, ORDERS) is THROTTLED
        assert list(world.store.load()) != []

        world.wire.faults.clear()
        world.run(4)
        assert in_force(world, ORDERS) is OFF
        assert list(world.store.load()) == []


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(sampling(Sampling.THROTTLED), id="throttled keys"),
        pytest.param(sampling(Sampling.ON_INCIDENT), id="all keys, of an incident that goes on"),
    ],
)
def test_sampling_switched_off_in_the_config_is_put_back(before: TablePolicy) -> None:
    with bare(heated(until=7200), policy=before) as world:
        world.run_until(605)
        assert in_force(world, SESSIONS) is not OFF
        world.cycle.use(of(sampling(Sampling.OFF, Mode.ADVISE)), world.box)
        world.run(2)
        assert in_force(world, SESSIONS) is OFF


# ---- what cannot be seen, or breaks


def dark(world: World, what: str) -> None:
    world.wire.faults[f"us-east-1/{what}"] = always(down())


def blind_to_one(world: World) -> None:
    error = AwsDenied("not authorized", code="AccessDenied", operation="DescribeTable", subject="sessions")
    world.wire.faults["us-east-1/tables.describe"] = lambda name: error if name == "sessions" else None


@pytest.mark.parametrize(
    "blind",
    [
        pytest.param(lambda world: dark(world, "metrics.read"), id="CloudWatch is dark"),
        pytest.param(lambda world: dark(world, "tables.describe"), id="no table can be described"),
        pytest.param(blind_to_one, id="this table cannot be described"),
        pytest.param(lambda world: dark(world, "insights.survey"), id="what is sampled cannot be surveyed"),
    ],
)
def test_full_mode_ends_in_time_though(blind: Callable[[World], None]) -> None:
    limits = SamplingLimits(full_seconds=600.0)
    with bare(heated(until=7200), steady("users"), policy=sampling(Sampling.ON_INCIDENT), limits=limits) as world:
        world.run_until(605)
        assert in_force(world, SESSIONS) is FULL
        blind(world)
        world.run_until(425 + 600 + 120)
        assert in_force(world, SESSIONS) is OFF


def test_dollars_of_a_table_that_cannot_be_seen_count_on() -> None:
    """One window costs 0.032 dollars."""
    limits = SamplingLimits(full_seconds=600.0, usd_per_day=0.04)
    tables = heated(until=7200), heated("second", since=1200, until=7200)
    with bare(*tables, policy=sampling(Sampling.ON_INCIDENT), limits=limits) as world:
        world.run_until(605)
        blind_to_one(world)
        world.run_until(2000)
        assert [action.table.name for _, action, _ in world.changes() if action.switch is not None] == ["sessions"] * 2


@pytest.mark.parametrize("broken", ["reading", "planning"])
def test_a_bug_in_sampling_holds_up_no_capacity(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_: object) -> None:
        raise ValueError("odd")

    with bare(starved()) as world:
        world.run(2)
        if broken == "reading":
            world.wire.faults["us-east-1/insights.peaks"] = always(ValueError("odd"))
        else:
            monkeypatch.setattr(cycle_sampling, "plan", bug)
        world.run(12)
        assert capacity_calls(world, "orders")
        assert {event for event, _ in world.telemetry.troubles} <= {"keys.failed", "sampling.failed"}


def test_ending_full_mode_goes_before_capacity_and_switching_on_after() -> None:
    limits = SamplingLimits(full_seconds=600.0)
    tables = heated(until=7200), starved(since=900), heated("second", since=900, until=7200)
    with bare(*tables, policy=sampling(Sampling.ON_INCIDENT), limits=limits) as world:
        world.run_until(1025)
        levers = [
            (action.lever, action.switch.after if action.switch else None)
            for second, action, _ in world.changes()
            if second == 1025
        ]
        assert levers == [(Lever.SAMPLING, OFF), (Lever.CAPACITY, None), (Lever.SAMPLING, FULL)]


def test_a_table_that_other_credentials_do_not_find_is_not_forgotten() -> None:
    with bare(heated(until=7200), policy=sampling(Sampling.ON_INCIDENT)) as world:
        world.run_until(605)
        world.restart()
        gone = AwsNotFound("no such table", code="ResourceNotFoundException", operation="x", subject="sessions")
        world.wire.faults["us-east-1/tables.describe"] = always(gone)
        world.run(3)
        assert in_force(world, SESSIONS) is FULL
        world.wire.faults.clear()
        world.run_until(2000)
        assert in_force(world, SESSIONS) is OFF


def test_what_is_on_in_a_region_that_is_watched_no_longer_is_told_at_the_start() -> None:
    with bare(steady("orders")) as world:
        world.run(2)
        Cycle(
            [],
            store=world.store,
            notifier=world.box,
            telemetry=world.telemetry,
            clock=world.clock,
            policies=world.policies,
        )
        ((event, facts),) = world.telemetry.troubles
        assert event == "sampling.orphaned"
        assert "orders" in str(facts["sentence"])


# ---- death


def test_the_watcher_ends_what_it_would_not_be_there_to_end() -> None:
    with bare(heated(until=7200), steady("users"), policy=sampling(Sampling.ON_INCIDENT)) as world:
        world.run_until(605)
        assert released(world) == (1, 0)
        assert in_force(world, SESSIONS) is OFF
        assert released(world) == (0, 0)
        ((outcome, _),) = told(world, "sessions", Reason.SAMPLE_RESTORE)
        assert outcome is Outcome.APPLIED


def test_throttled_keys_stay_on_when_the_watcher_ends() -> None:
    with bare(steady("orders")) as world:
        world.run(2)
        assert released(world) == (0, 0)
        assert in_force(world, ORDERS) is THROTTLED


def test_what_was_switched_on_in_the_last_pass_is_put_back_once_aws_has_finished_switching() -> None:
    with bare(heated(until=7200), policy=sampling(Sampling.ON_INCIDENT)) as world:
        world.run_until(365)
        world.cycle.run()  # at 425; the watcher is told to stop in this pass
        assert released(world) == (1, 0)
        assert in_force(world, SESSIONS) is OFF


def test_what_aws_throttles_at_the_end_is_tried_again_and_what_is_left_is_told() -> None:
    tables = [heated(f"hot-{number}", until=7200) for number in range(3)]
    with bare(*tables, policy=sampling(Sampling.ON_INCIDENT)) as world:
        world.run_until(605)
        world.wire.faults["hand.carry_out"] = fails_first(2)
        assert released(world) == (3, 0)
    with bare(*tables, policy=sampling(Sampling.ON_INCIDENT)) as world:
        world.run_until(605)
        world.wire.faults["hand.carry_out"] = fails_first(100)
        assert released(world) == (0, 3)


def crashed_in_full_mode(world: World) -> None:
    """Run until the watcher dies, at most past the pass that switches full mode on."""
    with pytest.raises(Crash):
        world.run_until(485)
    world.wire.die_at = None
    world.clock.advance(60)
    world.restart()


def calls_of_the_switching_pass(tmp_path: Path) -> Mapping[int, str]:
    """The numbers of the calls of the pass that switches full mode on, and the next."""
    with bare(heated(until=7200), policy=sampling(Sampling.ON_INCIDENT), engine="sqlite", directory=tmp_path) as world:
        world.run_until(365)
        first = len(world.wire.calls)
        world.run_until(485)
        return {number: world.wire.calls[number] for number in range(first, len(world.wire.calls))}


@pytest.mark.parametrize("die_after", [False, True])
def test_killed_anywhere_full_mode_is_owned_and_ends(tmp_path: Path, *, die_after: bool) -> None:
    """At every call around the switch: whatever the crash left on is ours, and off within its time and a little more;
    and AWS never sees the same switch twice."""
    (tmp_path / "plain").mkdir()
    limits = SamplingLimits(full_seconds=600.0)
    for number, call in calls_of_the_switching_pass(tmp_path / "plain").items():
        directory = tmp_path / f"{number}"
        directory.mkdir()
        with bare(
            heated(until=7200),
            policy=sampling(Sampling.ON_INCIDENT),
            limits=limits,
            engine="sqlite",
            directory=directory,
        ) as world:
            world.wire.die_at, world.wire.die_after = number, die_after
            crashed_in_full_mode(world)
            if in_force(world, SESSIONS) is FULL:
                owned = world.store.load()
                assert any(state.samplers[""].is_ours for state in owned.values()), call
            world.run_until(1500)
            assert in_force(world, SESSIONS) is OFF, call
            accepted = [after for _, _, after, outcome in switches(world) if outcome is Outcome.APPLIED]
            assert accepted in ([FULL, OFF], []), call
            assert world.store.open_intents() == [], call


def test_with_the_store_lost_nothing_is_switched() -> None:
    with bare(steady("orders")) as world:
        world.wire.faults["store.record"] = always(disk_full())
        world.run(3)
        assert switches(world) == []
        world.wire.faults.clear()
        world.run(2)
        assert in_force(world, ORDERS) is THROTTLED
