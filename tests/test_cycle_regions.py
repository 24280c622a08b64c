"""Whole Regions through the real cycle: dark, denied, forgetful, late, and a hundred tables in trouble at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.wire import always, disk_full, down
from tests.support.world import (
    POLICY,
    REGION,
    START,
    WARM,
    World,
    check_order,
    heated,
    in_mode,
    key,
    of,
    rates,
    starved,
    steady,
)
from watcher.clock import SimulatedClock
from watcher.core.insights import SamplerMode, Sampling
from watcher.core.model import CAUSE_METRICS, Alert, Query
from watcher.core.pauses import Pause
from watcher.core.reasons import Cause, IncidentState, Mode, Outcome, Severity
from watcher.core.region_state import RegionRules, RegionState
from watcher.core.state import SamplerState
from watcher.cycle import Cycle
from watcher.cycle_sampling import is_ours
from watcher.errors import AwsDenied, AwsError
from watcher.ports import CycleRecord
from watcher.replay.plant import Plant, TableSpec
from watcher.replay.ports import PlantAws

ADVISED = of(in_mode(Mode.ADVISE))
NAMES, DESCRIBE, READ = (f"{REGION}/{call}" for call in ("tables.names", "tables.describe", "metrics.read"))
TARGETS = f"{REGION}/scaling.targets"
OPERATIONS = f"{REGION}/metrics.operations"
PEAKS = f"{REGION}/insights.peaks"


def denied(operation: str, action: str = "dynamodb") -> AwsDenied:
    return AwsDenied(
        "not authorised", code="AccessDeniedException", operation=operation, hint=f"allow {action}:{operation}"
    )


def region(world: World) -> RegionState:
    return world.telemetry.reports[-1].regions[REGION]


# ---- dark


@pytest.mark.parametrize("engine", ["memory", "sqlite"])
@pytest.mark.parametrize("restarted", [False, True], ids=["in one life", "with a restart in the dark"])
def test_a_dark_region_is_an_incident_after_three_minutes_and_resolved_when_it_is_back(
    restarted: bool,  # noqa: FBT001 - a column of the table
    engine: str,
    tmp_path: Path,
) -> None:
    with World(steady(), engine=engine, directory=tmp_path) as world:
        world.run(5)
        for call in (NAMES, DESCRIBE, READ, TARGETS):
            world.wire.faults[call] = always(down())
        world.run(3)
        assert world.alerts() == []
        if restarted:
            world.restart()
        world.run(1)
        assert world.alerts() == [("open", "blind")]
        (opened,) = [one.alert for one in world.sent("")]
        assert (opened.severity, opened.table.account) == (
            Severity.CRITICAL,
            world.plant.describe("steady").key.account,
        )
        assert "connection refused" in opened.sentence
        assert opened.opened_at == opened.time - 180
        world.run(10)
        world.wire.faults.clear()
        world.run(3)
        assert world.alerts() == [("open", "blind"), ("resolved", "blind")]
        check_order(world.box.sent)


def test_a_lone_failed_pass_is_no_incident() -> None:
    with World(steady()) as world:
        world.run(5)
        for _ in range(5):
            world.wire.faults[READ] = always(down())
            world.run(2)
            world.wire.faults.clear()
            world.run(1)
        assert world.alerts() == []


def test_a_watcher_started_anew_for_each_pass_tells_it_too_and_one_that_slept_begins_anew() -> None:
    with World(steady()) as world:
        world.run(2)
        world.wire.faults[READ] = always(down())
        for _ in range(3):
            world.restart()
            world.run()
        assert world.alerts() == []
        world.restart()
        world.run()
        assert world.alerts() == [("open", "blind")]
    with World(steady()) as world:
        world.wire.faults[READ] = always(down())
        world.run()
        world.clock.advance(8 * 3600)
        world.restart()
        world.run(3)
        assert world.alerts() == []
        world.run()
        assert world.alerts() == [("open", "blind")]


def test_how_long_it_has_been_dark_outlives_a_restart() -> None:
    patient = RegionRules(blind_after=600.0)  # longer than a break between two passes may be
    with World(steady()) as world:
        world.run(2)
        world.cycle.desk.use(patient, None)
        world.wire.faults[READ] = always(down())
        world.run(8)
        world.restart()
        world.cycle.desk.use(patient, None)
        world.run(2)
        assert world.alerts() == []
        world.run()
        assert world.alerts() == [("open", "blind")]


def test_a_region_that_may_not_even_be_listed_from_the_start_is_a_permission() -> None:
    with World(steady()) as world:
        world.wire.faults[NAMES] = always(denied("ListTables"))
        world.run(5)
        assert world.alerts() == [("open", "permission-lost")]
        assert world.sent("")[0].alert.severity is Severity.CRITICAL


# ---- denied


@pytest.mark.parametrize(
    ("call", "operation", "severity", "lost"),
    [
        pytest.param(TARGETS, "DescribeScalableTargets", Severity.CRITICAL, "nothing is changed", id="other scalers"),
        pytest.param(NAMES, "ListTables", Severity.WARNING, "new tables are not noticed", id="listing tables"),
        pytest.param(OPERATIONS, "ListMetrics", Severity.WARNING, "latency", id="listing metrics, asked now and then"),
        pytest.param(READ, "GetMetricData", Severity.CRITICAL, "consumption", id="CloudWatch: dark"),
        pytest.param(DESCRIBE, "DescribeTable", Severity.CRITICAL, "not watched", id="all tables: dark"),
    ],
)
def test_a_denied_read_is_told_with_what_is_lost_and_resolved_when_it_is_allowed(
    call: str, operation: str, severity: Severity, lost: str
) -> None:
    with World(steady(), steady("other")) as world:
        world.run(2)
        world.wire.faults[call] = always(denied(operation))
        world.run(10)
        assert world.alerts() == [("open", "permission-lost")]
        alert = world.sent("")[0].alert
        assert alert.severity is severity
        assert operation in alert.subject
        assert lost in alert.sentence
        assert f"allow dynamodb:{operation}" in dict(alert.facts)[operation]
        assert f"{operation} of" not in dict(alert.facts)
        world.wire.faults.clear()
        world.run(9)
        assert world.alerts() == [("open", "permission-lost"), ("resolved", "permission-lost")]


def test_credentials_that_have_ended_are_told_as_such_and_not_as_a_permission() -> None:
    def ended(operation: str) -> AwsDenied:
        return AwsDenied("expired", code="ExpiredTokenException", operation=operation, hint="renew", retryable=True)

    with World(steady(), steady("other")) as world:
        world.run(2)
        for call, operation in (
            (NAMES, "ListTables"),
            (DESCRIBE, "DescribeTable"),
            (READ, "GetMetricData"),
            (TARGETS, "DescribeScalableTargets"),
        ):
            world.wire.faults[call] = always(ended(operation))
        world.run(10)
        (alert,) = [one.alert for one in world.sent("")]
        assert alert.subject == f"{REGION}: nobody is watching: AWS refuses the watcher's credentials"
        assert alert.todo.endswith(f"Watch {REGION} by hand until then.")


def test_one_table_that_may_not_be_described_is_named() -> None:
    with World(steady(), steady("hidden")) as world:
        world.run(2)
        world.wire.faults[DESCRIBE] = lambda name: denied("DescribeTable") if name == "hidden" else None
        world.run(5)
        assert world.alerts() == [("open", "permission-lost")]
        assert dict(world.sent("")[0].alert.facts)["DescribeTable of"] == "hidden"


def test_second_questions_that_are_denied_are_a_permission_and_no_outage() -> None:
    def refuse(queries: list[Query], *_when: float) -> AwsError | None:
        return denied("GetMetricData", "cloudwatch") if queries[0].operation else None

    with World(steady()) as world:
        world.run(2)
        world.wire.faults[READ] = refuse
        world.run(12)
        # Latency is asked in every fifth pass only, and not denied in between.
        assert world.alerts() == []
        assert world.telemetry.reports[-1].region_errors == {}


def test_denied_contributor_insights_is_a_warning() -> None:
    with World(heated(until=100_000)) as world:
        world.run_until(365)
        world.wire.faults[PEAKS] = always(denied("GetInsightRuleReport", "cloudwatch"))
        world.run(5)
        assert world.alerts("") == [("open", "permission-lost")]
        alert = world.sent("")[0].alert
        assert alert.severity is Severity.WARNING
        assert "hot keys are not named" in alert.sentence
        assert alert.done == "Everything else goes on."
        world.wire.faults.clear()
        world.run(4)
        assert world.alerts("") == [("open", "permission-lost"), ("resolved", "permission-lost")]


@pytest.mark.parametrize("question", ["survey", "sample"])
def test_what_contributor_insights_could_tell_only_in_part_says_what_was_denied(
    question: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with World(heated(until=100_000), policies=of(replace(POLICY, sampling=Sampling.THROTTLED))) as world:
        world.run_until(365)
        answer = getattr(world.aws.insights, question)
        said = {"DescribeInsightRules": "no (allow cloudwatch:DescribeInsightRules)"}
        monkeypatch.setattr(world.aws.insights, question, lambda *args: replace(answer(*args), denied=said))
        world.run(12)
        assert world.alerts("") == [("open", "permission-lost")]
        assert dict(world.sent("")[0].alert.facts)["DescribeInsightRules"] == said["DescribeInsightRules"]
        monkeypatch.undo()
        world.run(9)
        assert world.alerts("") == [("open", "permission-lost"), ("resolved", "permission-lost")]


def test_a_place_whose_sampling_may_not_be_described_names_its_table() -> None:
    with World(heated(until=100_000)) as world:
        world.wire.faults[f"{REGION}/insights.describe"] = always(denied("DescribeContributorInsights"))
        world.run_until(905)
        assert world.alerts("") == [("open", "permission-lost")]
        assert dict(world.sent("")[0].alert.facts)["DescribeContributorInsights of"] == "sessions"


def test_causes_that_may_not_be_read_are_a_permission() -> None:
    def refuse(queries: list[Query], *_when: float) -> AwsError | None:
        return denied("GetMetricData") if queries[0].metric in CAUSE_METRICS else None

    with World(starved(until=100_000)) as world:
        world.wire.faults[READ] = refuse
        world.run_until(905)
        assert world.alerts("") == [("open", "permission-lost")]
        assert world.telemetry.reports[-1].region_errors == {}


def test_a_new_table_whose_past_may_not_be_read_is_named() -> None:
    def refuse(_queries: list[Query], start: float, end: float) -> AwsError | None:
        return denied("GetMetricData") if end - start > 3600 else None

    with World(steady()) as world:
        world.run()
        world.wire.faults[READ] = refuse
        world.plant.create(steady("fresh"))
        world.run(12)
        assert world.alerts() == [("open", "permission-lost")]
        assert dict(world.sent("")[0].alert.facts)["GetMetricData of"] == "fresh"


@pytest.mark.parametrize("restarted", [False, True], ids=["in one life", "with a restart"])
def test_an_act_that_aws_denies_is_a_permission_lost(
    restarted: bool,  # noqa: FBT001 - a column of the table
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with World(starved(until=100_000)) as world:
        world.run(2)
        refusal = (Outcome.DENIED, "no (allow dynamodb:UpdateTable)")
        monkeypatch.setattr(world.aws, "carry_out", lambda _action: refusal)
        world.run_until(425)
        if restarted:
            world.restart()
        world.run(5)
        assert world.alerts("") == [("open", "permission-lost")]
        facts = dict(world.sent("")[0].alert.facts)
        assert facts["UpdateTable"] == "no (allow dynamodb:UpdateTable)"
        assert facts["UpdateTable of"] == "orders"
        monkeypatch.undo()
        if restarted:
            world.restart()
        world.run(12)
        assert world.provisioned("orders") > 1000
        assert world.alerts("") == [("open", "permission-lost"), ("resolved", "permission-lost")]


# ---- forgetful


def test_a_lost_store_is_told_in_the_very_pass_and_resolved_when_it_is_back() -> None:
    with World(steady()) as world:
        world.run(2)
        for call in ("record", "settle", "outbox", "delivered", "failed", "waiting", "pauses"):
            world.wire.faults[f"store.{call}"] = always(disk_full())
        report = world.run()
        assert world.alerts() == [("open", "lease-lost")]
        assert [alert.cause for alert in report.told] == [Cause.LEASE_LOST]
        world.run(5)
        assert world.alerts() == [("open", "lease-lost")]
        world.wire.faults.clear()
        world.run(4)
        assert world.alerts() == [("open", "lease-lost"), ("resolved", "lease-lost")]
        assert [alert.state for alert in world.store.alerts()] == [IncidentState.RESOLVED, IncidentState.OPEN]
        assert world.store.waiting() == 0


# ---- late


def slow_pass(world: World, seconds: float) -> None:
    """A pass that takes so long to read AWS."""

    def wait(*_args: object) -> None:
        world.clock.advance(seconds)
        world.wire.faults.clear()

    world.wire.faults[READ] = wait
    world.run()


@pytest.mark.parametrize(
    ("seconds", "alerts"),
    [
        pytest.param(119, [], id="a pass finishes within three minutes of the last"),
        pytest.param(121, [("open", "overdue-cycle"), ("resolved", "overdue-cycle")], id="a pass finishes later"),
    ],
)
def test_a_late_pass_is_told_by_the_next(seconds: float, alerts: list[tuple[str, str]]) -> None:
    with World(steady()) as world:
        world.run(3)
        slow_pass(world, seconds)  # on top of the minute that passed before it
        world.run(5)
        assert world.alerts() == alerts


def test_the_first_pass_may_take_long_and_another_life_is_no_late_pass() -> None:
    with World(steady()) as world:
        world.cycle.desk  # noqa: B018 - the process begins here
        slow_pass(world, 800)
        world.run(2)
        world.restart()
        world.clock.advance(7200)
        world.run(3)
        assert world.alerts() == []


def test_what_the_watchdog_told_the_next_pass_takes_up() -> None:
    with World(steady(), engine="memory") as world:
        world.run(3)
        world.clock.advance(121)
        states, (alert,) = world.cycle.desk.overdue()
        assert (alert.cause, alert.severity) == (Cause.OVERDUE, Severity.CRITICAL)
        assert states[REGION].incidents[Cause.OVERDUE].sequence == 1
        world.clock.advance(60)
        assert world.cycle.desk.overdue() == ({}, ())  # told once
        world.run(4)
        assert world.alerts() == [("resolved", "overdue-cycle")]
        (end,) = [one.alert for one in world.sent("")]
        assert (end.incident, end.sequence) == (alert.incident, 2)
        assert region(world).incidents[Cause.OVERDUE].closed_at is not None


# ---- storms


def rush(count: int, since: int = 300, until: int = 3000) -> list[TableSpec]:
    """Twelve times their capacity, all of them at once."""
    demand = rates({0: 70.0, since: 1200.0, until: 70.0})
    return [TableSpec(f"t{number:03d}", read=72, write=100, demand=demand) for number in range(count)]


def storms(world: World) -> list[Alert]:
    return [one.alert for one in world.sent("")]


@pytest.mark.parametrize("engine", ["memory", "sqlite"])
def test_a_hundred_tables_that_throttle_are_one_message_and_their_end_another(engine: str, tmp_path: Path) -> None:
    with World(*rush(100, until=700), engine=engine, directory=tmp_path) as world:
        report = world.run_until(425)
        assert world.alerts() == [("open", "storm")]
        (storm,) = storms(world)
        assert storm.tables == tuple(f"t{number:03d}" for number in range(100))
        assert storm.sentence.startswith(f"100 tables of {REGION} throttle at once: 100 with too little capacity.")
        assert storm.done == "Raising 100."
        folded = [alert for alert in report.told if alert.storm]
        assert {alert.table.name for alert in folded} == set(storm.tables)
        assert len([alert for alert in world.store.alerts(1000) if alert.storm]) == 100  # remembered, and not sent
        world.restart()
        world.run_until(1805)
        assert world.alerts() == [("open", "storm"), ("resolved", "storm")]
        assert region(world).storm is None
        assert world.store.waiting() == 0
        check_order(world.box.sent)


@pytest.mark.parametrize(
    ("count", "messages"),
    [pytest.param(9, 9, id="nine tables are told one by one"), pytest.param(10, 1, id="ten are a storm")],
)
def test_how_many_tables_are_a_storm(count: int, messages: int) -> None:
    with World(*rush(count)) as world:
        world.run_until(425)
        assert len(world.box.sent) == messages


def test_what_is_left_of_a_storm_is_told_anew_and_has_a_thread_of_its_own() -> None:
    # Their key is hot: capacity cannot help, and the two stay throttled.
    stubborn = [heated("s1", until=100_000), heated("s2", until=100_000)]
    with World(*rush(10, until=600), *stubborn) as world:
        world.run_until(425)
        (storm,) = storms(world)
        assert len(storm.tables) == 12
        world.run_until(2405)
        assert [alert.state.value for alert in storms(world)][-1] == "resolved"
        assert "2 are still open" in storms(world)[-1].sentence
        assert [world.alerts(name)[0] for name in ("s1", "s2")] == [("open", "key-range")] * 2
        assert all(world.alerts(f"t{number:03d}") == [] for number in range(10))
        # The retelling comes in the pass after the storm's end.
        assert world.sent("s1")[0].alert.time == storms(world)[-1].time + 60


def test_what_was_raised_a_pass_ago_is_not_told_as_not_raised() -> None:
    later = [table for table in rush(25, since=360) if table.name >= "t010"]
    with World(*rush(10), *later) as world:
        world.run_until(485)
        first, second = storms(world)
        assert first.done == "Raising 10."
        assert (second.state, second.done) == (IncidentState.WORSENED, "Raising 15, 10 raised and not seen yet.")
        assert dict(second.facts)["t000"].endswith("raised, not seen yet")
        assert dict(second.facts)["t010"].endswith("raising")
        assert all("None needs raising by hand" in alert.todo for alert in (first, second))


def test_a_storm_and_the_table_itself_tell_one_demand() -> None:
    def demands(count: int) -> set[str]:
        with World(*rush(count)) as world:
            world.run_until(425)
            told = [one.alert for one in world.box.sent]
            if count < 10:
                return {dict(alert.facts)["demand"] for alert in told}
            return {value.split("demand ")[1].split(", r")[0] for _, value in told[0].facts}

    assert demands(9) == demands(10)
    assert len(demands(9)) == 1


def test_a_storm_survives_a_lost_record_and_nothing_is_told_twice() -> None:
    with World(*rush(12, until=700)) as world:
        world.run_until(305)
        world.wire.faults["store.record"] = always(disk_full())
        world.run_until(485)
        world.wire.faults.clear()
        world.run_until(2405)
        causes = [one for one in world.alerts("") if one[1] == "storm"]
        assert causes == [("open", "storm"), ("resolved", "storm")]
        assert {one.alert.table.name for one in world.box.sent} == {""}
        assert len({one.id for one in world.box.sent}) == len(world.box.sent)


def test_the_account_of_a_region_is_in_every_message() -> None:
    with World(*rush(10)) as world:
        world.run_until(425)
        assert storms(world)[0].table.account == world.plant.describe("t000").key.account
        assert storms(world)[0].opened_at >= START + 300


# ---- a Region that leaves the config


def moved(world: World) -> None:
    """Another life, which watches another Region."""
    world.restart()
    world.aws = PlantAws(Plant(START - WARM, region="eu-west-1"), world.clock)


@pytest.mark.parametrize("engine", ["memory", "sqlite"])
def test_what_is_open_in_a_region_that_leaves_the_config_ends_with_the_next_life(engine: str, tmp_path: Path) -> None:
    with World(steady(), *rush(12), policies=ADVISED, engine=engine, directory=tmp_path) as world:
        world.run_until(425)
        world.wire.faults[READ] = always(down())
        world.run(5)
        world.wire.faults.clear()
        assert world.alerts() == [("open", "storm"), ("open", "blind")]
        world.box.sent.clear()
        moved(world)
        world.run(3)
        # And not one of each table, which nobody has heard of on its own.
        assert sorted(world.alerts()) == [("resolved", "blind"), ("resolved", "storm")]
        assert {one.alert.subject for one in world.box.sent} == {f"{REGION}: no longer watched, incident closed"}
        assert {one.alert.table.region for one in world.box.sent} == {REGION}
        assert world.cycle.states() == {}
        assert world.store.load() == {}
        assert world.store.load_regions()[REGION] == RegionState()
        moved(world)
        world.run(2)
        assert len(world.box.sent) == 2


def test_a_tables_own_incident_ends_with_its_region_and_what_is_sampled_stays_remembered() -> None:
    with World(heated("sessions", until=100_000), steady(), policies=ADVISED) as world:
        world.run_until(425)
        (opened,) = world.sent("sessions")
        states = world.store.load()
        ours = replace(
            states[key("sessions")], samplers={"": SamplerState(SamplerMode.THROTTLED, SamplerMode.FULL, float(START))}
        )
        assert is_ours(ours)
        world.store.record(CycleRecord(START, states={key("sessions"): ours}))
        moved(world)
        world.run(2)
        assert [(one.alert.incident, one.alert.state.value) for one in world.sent("sessions")[1:]] == [
            (opened.alert.incident, "resolved")
        ]
        assert list(world.store.load()) == [key("sessions")]
        assert world.store.load()[key("sessions")].incident is None


def test_farewells_that_the_store_cannot_take_are_told_once_and_written_later() -> None:
    with World(*rush(12), policies=ADVISED) as world:
        world.run_until(425)
        moved(world)
        world.wire.faults["store.record"] = always(disk_full())
        world.run(2)
        world.wire.faults.clear()
        world.run(2)
        assert [one for one in world.alerts("") if one[1] == "storm"] == [("open", "storm"), ("resolved", "storm")]
        assert world.store.load_regions()[REGION] == RegionState()
        assert world.store.load() == {}


# ---- tables that somebody has taken upon himself


def test_a_load_test_on_paused_tables_pages_nobody() -> None:
    with World(*rush(12, until=1500), policies=ADVISED) as world:
        world.store.pause(Pause("t*", START, START + 4 * 3600, "load test"))
        world.run_until(3005)
        assert world.box.sent == []
        assert world.store.waiting() == 0


def test_a_storm_of_tables_that_are_all_paused_by_now_is_held_and_its_end_told() -> None:
    later = [table for table in rush(14, since=360, until=1500) if table.name >= "t012"]
    with World(*rush(12, until=1500), *later, policies=ADVISED) as world:
        world.run_until(425)
        world.store.pause(Pause("t00*", world.clock.now(), START + 4 * 3600, "one team has it"))
        world.run()
        assert [alert.state.value for alert in storms(world)] == ["open", "worsened"]
        world.store.pause(Pause("t01*", world.clock.now(), START + 4 * 3600, "so has the other"))
        world.run_until(3005)
        assert [alert.state.value for alert in storms(world)] == ["open", "worsened", "resolved"]


def test_a_storm_not_told_when_all_its_tables_are_paused_waits_for_the_end_of_the_pause() -> None:
    with World(*rush(12, until=100_000), policies=ADVISED) as world:
        world.box.broken = "connection refused"
        world.run_until(425)
        world.box.broken = ""
        world.store.pause(Pause("*", world.clock.now(), world.clock.now() + 600, "seen"))
        world.run(9)
        assert world.box.sent == []
        world.run(3)
        assert [alert.state.value for alert in storms(world)] == ["open"]


# ---- a clock that was wrong


class Skewed:
    """The world's clock, ``off`` seconds wrong for whoever reads the wall."""

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock
        self.off = 0.0

    def now(self) -> float:
        return self._clock.now() + self.off

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def real_seconds(self, seconds: float) -> float:
        return self._clock.real_seconds(seconds)


@pytest.mark.parametrize("off", [86_400.0, -86_400.0], ids=["a day ahead", "a day behind"])
@pytest.mark.parametrize("passes", [2, 8], ids=["not yet told by then", "told by then"])
def test_a_dark_region_is_told_and_ended_whatever_the_clock_said(off: float, passes: int) -> None:
    with World(steady()) as world:
        skewed = Skewed(world.clock)
        cycle = Cycle(
            [world.wire.region(world.aws.region())],
            store=world.store,
            notifier=world.box,
            telemetry=world.telemetry,
            clock=skewed,
            policies=world.policies,
            settings=world.settings,
        )

        def run(minutes: int) -> None:
            for _ in range(minutes):
                cycle.run()
                world.clock.advance(60)

        run(5)
        world.wire.faults[READ] = always(down())
        skewed.off = off
        run(passes)
        skewed.off = 0.0
        run(5)
        assert world.alerts("") == [("open", "blind")]
        world.wire.faults.clear()
        run(4)
        assert world.alerts("") == [("open", "blind"), ("resolved", "blind")]
