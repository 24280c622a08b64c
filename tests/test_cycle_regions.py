"""Whole Regions through the real cycle: dark, denied, forgetful, late, and a hundred tables in trouble at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.wire import always, disk_full, down
from tests.support.world import POLICY, REGION, START, World, check_order, heated, of, rates, starved, steady
from watcher.core.insights import Sampling
from watcher.core.model import CAUSE_METRICS, Alert, Query
from watcher.core.reasons import Cause, IncidentState, Outcome, Severity
from watcher.core.region_state import RegionRules, RegionState
from watcher.errors import AwsDenied, AwsError
from watcher.replay.plant import TableSpec

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
        pytest.param(TARGETS, "DescribeScalableTargets", Severity.WARNING, "nothing is changed", id="other scalers"),
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
        assert storm.sentence.startswith(f"100 tables of {REGION} throttle at once: 100 too little capacity.")
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
