"""The exposition text, word for word and through a parser."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from tests.telemetry import examples
from watcher.clock import SimulatedClock
from watcher.core.model import TABLE_READ, TABLE_WRITE, Billing
from watcher.core.reasons import Cause, Freshness, IncidentState, Mode, Outcome, Reason, Severity
from watcher.core.result import LatencyReport
from watcher.core.sampling import SamplingPlan
from watcher.core.state import TableState
from watcher.ports import CycleReport
from watcher.telemetry.health import Health
from watcher.telemetry.hub import TelemetryHub
from watcher.telemetry.metrics import THROTTLE_CAUSES, ReloadOutcome, SchedulerEvent, WatcherMetrics

GOLDEN = Path(__file__).parent / "exposition.golden.txt"
ZERO_DECISIONS = re.compile(r'watcher_decisions_total\{reason="[a-z-]+"\} 0\.0$')
VERSION = "1.2.3"


class Bench:
    """Metrics behind a real hub, as the daemon wires them."""

    def __init__(self) -> None:
        self.clock = SimulatedClock(examples.NOW)
        self.metrics = WatcherMetrics(CollectorRegistry(), version=VERSION, regions=[examples.REGION])
        self.hub = TelemetryHub(
            self.metrics,
            Health(self.clock, 60),
            version=VERSION,
            regions=[examples.REGION, "eu-west-1"],
            topics=[examples.PAGES, examples.CHAT],
        )

    def cycle(self, report: CycleReport) -> None:
        self.hub.cycle_finished(report)

    def text(self) -> str:
        return self.metrics.exposition().decode()

    def value(self, name: str, **labels: str) -> float | None:
        """The one sample with exactly these labels, or None."""
        found = [
            sample.value
            for family in text_string_to_metric_families(self.text())
            for sample in family.samples
            if sample.name == name and sample.labels == labels
        ]
        assert len(found) <= 1, f"{name}{labels} is there {len(found)} times"
        return found[0] if found else None

    def names(self) -> set[str]:
        return {sample.name for family in text_string_to_metric_families(self.text()) for sample in family.samples}


@pytest.fixture
def bench() -> Bench:
    return Bench()


WRITES = {"region": "us-east-1", "table": "orders", "index": "", "dimension": "write"}


def test_exposition_is_word_for_word_the_golden_text(bench: Bench) -> None:
    # To change the contract on purpose: print bench.text() and read the difference before it replaces the file.
    bench.metrics.aws_call("UpdateTable", "ok", 0.2)
    bench.metrics.aws_call("GetMetricData", "ThrottlingException", 3.0)
    bench.metrics.cloudwatch_metrics_requested(42)
    bench.metrics.scheduler_event(SchedulerEvent.MISSED)
    bench.metrics.config_reload(ReloadOutcome.REJECTED)
    bench.cycle(
        examples.cycle(
            examples.throttled_table(),
            replace(examples.hot_table(), key=examples.key("carts")),
            told=(examples.alert(examples.key(), IncidentState.OPEN),),
            delivered=1,
            undelivered=3,
            dead=1,
            outbox=2,
            region_errors={"eu-west-1": "no answer"},
            rules={examples.REGION: 14},
            regions={examples.REGION: examples.region(examples.BLIND, storm=["orders", "carts"])},
            pauses=[examples.pause()],
            silenced=4,
            held=1,
            failing={examples.CHAT: "NotFound: Topic does not exist"},
        )
    )
    bench.clock.advance(12.5)
    # The zeros of reasons are left out here: a test of their own covers all, also those yet to be named.
    lines = [line for line in bench.text().splitlines(keepends=True) if not ZERO_DECISIONS.match(line)]
    assert "".join(lines) == GOLDEN.read_text(encoding="utf-8")


def test_every_help_is_a_sentence_and_every_name_has_the_prefix(bench: Bench) -> None:
    bench.cycle(examples.cycle(examples.throttled_table()))
    families = list(text_string_to_metric_families(bench.text()))
    assert len(families) == 39
    for family in families:
        assert family.name.startswith("watcher_")
        assert family.documentation[0].isupper(), family.documentation
        assert family.documentation.endswith("."), family.documentation
        assert len(family.documentation.split()) >= 3, family.documentation


def test_before_the_first_cycle_closed_sets_are_there_as_zeros_and_nothing_unknown_is(bench: Bench) -> None:
    for reason in Reason:
        assert bench.value("watcher_decisions_total", reason=reason.value) == 0
    for outcome in set(Outcome) - {Outcome.NONE, Outcome.PENDING}:
        assert bench.value("watcher_actions_total", outcome=outcome.value) == 0
        assert bench.value("watcher_sampling_switches_total", outcome=outcome.value) == 0
    for word in ("recorded", "delivered", "failed", "dead", "silenced"):
        assert bench.value("watcher_alerts_total", outcome=word) == 0
    for word in ("missed", "error", "overlap"):
        assert bench.value("watcher_scheduler_events_total", event=word) == 0
    for word in ("accepted", "rejected"):
        assert bench.value("watcher_config_reloads_total", outcome=word) == 0
    assert bench.value("watcher_lease_held", region="us-east-1") == 1
    assert bench.value("watcher_build_info", version=VERSION) == 1
    assert bench.names().isdisjoint({"watcher_outbox_messages", "watcher_tables", "watcher_store_available"})


def test_the_age_of_the_last_cycle_is_computed_at_the_scrape(bench: Bench) -> None:
    before = bench.value("watcher_last_cycle_age_seconds")
    assert before is not None
    assert math.isnan(before)
    bench.cycle(examples.cycle())
    bench.clock.advance(30)
    bench.clock.step_wall(-3600)
    assert bench.value("watcher_last_cycle_age_seconds") == 30
    assert " NaN\n" not in bench.text()


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        pytest.param("watcher_provisioned_units_per_second", WRITES, 100, id="provisioned"),
        pytest.param("watcher_consumed_units_per_second", WRITES, 100, id="consumed"),
        pytest.param("watcher_demanded_units_per_second", WRITES, 405, id="demand beyond capacity"),
        pytest.param("watcher_bound_units_per_second", {**WRITES, "bound": "max"}, 2000, id="a bound"),
        pytest.param(
            "watcher_bound_units_per_second",
            {**WRITES, "index": "by-customer", "bound": "max"},
            None,
            id="no bound where none is configured",
        ),
        pytest.param("watcher_throttled_requests_total", {**WRITES, "cause": "provisioned"}, 1204, id="throttled"),
        pytest.param(
            "watcher_throttled_requests_total", {**WRITES, "cause": "key-range"}, 0, id="zero of another cause"
        ),
        pytest.param(
            "watcher_decreases_left",
            {"region": "us-east-1", "table": "orders", "index": "by-customer"},
            4,
            id="the budget of an index is its own",
        ),
        pytest.param(
            "watcher_next_decrease_seconds",
            {"region": "us-east-1", "table": "orders", "index": ""},
            1500,
            id="seconds until the next decrease",
        ),
        pytest.param(
            "watcher_latency_seconds",
            {"region": "us-east-1", "table": "orders", "operation": "PutItem", "stat": "average"},
            0.00625,
            id="milliseconds become seconds",
        ),
        pytest.param(
            "watcher_latency_seconds",
            {"region": "us-east-1", "table": "orders", "operation": "GetItem", "stat": "p99"},
            None,
            id="no p99 where there is none",
        ),
        pytest.param("watcher_decisions_total", {"reason": "hold-steady"}, 2, id="decisions by reason"),
        pytest.param("watcher_actions_total", {"outcome": "applied"}, 1, id="an accepted UpdateTable"),
        pytest.param("watcher_incidents_open", {"severity": "critical"}, 1, id="an open incident"),
        pytest.param("watcher_incidents_open", {"severity": "warning"}, 0, id="no incident of the other severity"),
        pytest.param("watcher_tables", {"mode": "act"}, 1, id="tables by mode"),
        pytest.param("watcher_tables", {"mode": "observe"}, 0, id="no table in another mode"),
        # The newest point is of 03:01, which ended at 03:02:00; the cycle began at 03:04:03.5.
        pytest.param("watcher_point_age_seconds", {"region": "us-east-1"}, 123.5, id="age from the minute's end"),
        pytest.param("watcher_region_readable", {"region": "eu-west-1"}, 1, id="a Region without tables is readable"),
        pytest.param("watcher_cycle_phase_seconds", {"phase": "observe"}, 1.25, id="a phase"),
        pytest.param("watcher_store_available", {}, 1, id="the store"),
    ],
)
def test_one_cycle(bench: Bench, name: str, labels: dict[str, str], value: float | None) -> None:
    bench.cycle(examples.cycle(examples.throttled_table()))
    assert bench.value(name, **labels) == value


def test_counters_add_up_over_cycles(bench: Bench) -> None:
    for _ in range(3):
        bench.cycle(examples.cycle(examples.throttled_table(Outcome.BUSY), undelivered=2))
    assert bench.value("watcher_throttled_requests_total", **WRITES, cause="provisioned") == 3 * 1204
    assert bench.value("watcher_actions_total", outcome="busy") == 3
    assert bench.value("watcher_alerts_total", outcome="failed") == 6
    assert bench.value("watcher_cycle_seconds_count") == 3


def test_unknown_is_absent_and_neither_zero_nor_nan(bench: Bench) -> None:
    blind = examples.dimension_report(consumed=None, demand=None, newest=None, freshness=Freshness.ABSENT)
    bench.cycle(examples.cycle(examples.table_report(dimensions=[blind]), outbox=None))
    assert bench.value("watcher_provisioned_units_per_second", **WRITES) == 100
    assert bench.names().isdisjoint(
        {
            "watcher_consumed_units_per_second",
            "watcher_demanded_units_per_second",
            "watcher_point_age_seconds",
            "watcher_outbox_messages",
        }
    )


def test_a_fresh_zero_is_a_zero(bench: Bench) -> None:
    idle = examples.dimension_report(consumed=0.0, demand=0.0)
    bench.cycle(examples.cycle(examples.table_report(dimensions=[idle]), outbox=0))
    assert bench.value("watcher_consumed_units_per_second", **WRITES) == 0
    assert bench.value("watcher_demanded_units_per_second", **WRITES) == 0
    assert bench.value("watcher_outbox_messages") == 0


def test_on_demand_has_neither_provisioned_units_nor_a_decrease_budget(bench: Bench) -> None:
    bench.cycle(examples.cycle(examples.table_report(billing=Billing.ON_DEMAND)))
    assert bench.value("watcher_consumed_units_per_second", **WRITES) == 60
    assert bench.names().isdisjoint(
        {"watcher_provisioned_units_per_second", "watcher_decreases_left", "watcher_next_decrease_seconds"}
    )


def test_series_of_a_table_that_is_gone_are_removed_and_others_stay(bench: Bench) -> None:
    bench.cycle(examples.cycle(examples.throttled_table(), examples.table_report("customers")))
    bench.cycle(examples.cycle(examples.table_report("customers")))
    assert 'table="orders"' not in bench.text()
    assert bench.value("watcher_throttled_requests_total", **{**WRITES, "table": "customers"}, cause="provisioned") == 0
    assert bench.value("watcher_tables", mode="act") == 1


def test_an_unreadable_region_keeps_counters_and_incidents_and_drops_what_is_not_known(bench: Bench) -> None:
    bench.cycle(examples.cycle(examples.throttled_table()))
    bench.cycle(examples.cycle(region_errors={examples.REGION: "no answer"}))
    assert bench.value("watcher_throttled_requests_total", **WRITES, cause="provisioned") == 1204
    assert bench.value("watcher_incidents_open", severity="critical") == 1
    assert bench.value("watcher_region_readable", region=examples.REGION) == 0
    assert bench.value("watcher_tables", mode="act") == 1
    assert bench.names().isdisjoint({"watcher_provisioned_units_per_second", "watcher_point_age_seconds"})


@pytest.mark.parametrize(
    ("acting", "errors"),
    [
        pytest.param(False, {}, id="not acting"),
        pytest.param(True, {"": "disk full"}, id="an error of the store"),
    ],
)
def test_a_lost_store_shows(bench: Bench, acting: bool, errors: dict[str, str]) -> None:  # noqa: FBT001 - a table's column
    bench.cycle(examples.cycle(acting=acting, region_errors=errors))
    assert bench.value("watcher_store_available") == 0
    assert bench.value("watcher_region_readable", region="") is None


def test_a_lost_lease_shows(bench: Bench) -> None:
    bench.metrics.lease_held("us-east-1", held=False)
    assert bench.value("watcher_lease_held", region="us-east-1") == 0


def test_severity_and_mode_are_counted_apart(bench: Bench) -> None:
    warning = examples.incident(Cause.SLOW, Severity.WARNING)
    slow = examples.table_report("slow", mode=Mode.OBSERVE, cause=Cause.SLOW, trouble=warning)
    bench.cycle(examples.cycle(examples.throttled_table(), slow))
    assert bench.value("watcher_incidents_open", severity="critical") == 1
    assert bench.value("watcher_incidents_open", severity="warning") == 1
    assert bench.value("watcher_tables", mode="observe") == 1


def test_a_cause_that_aws_adds_still_counts_and_still_goes_with_its_table(bench: Bench) -> None:
    assert Cause.INDEX_BACK_PRESSURE not in THROTTLE_CAUSES
    odd = examples.dimension_report(throttled={Cause.INDEX_BACK_PRESSURE: 7})
    bench.cycle(examples.cycle(examples.table_report(dimensions=[odd])))
    assert bench.value("watcher_throttled_requests_total", **WRITES, cause="index-back-pressure") == 7
    bench.cycle(examples.cycle())
    assert "watcher_throttled_requests_total" not in bench.names()


def test_label_values_with_quotes_survive_the_parser(bench: Bench) -> None:
    name = 'a"b\\c\nd'
    latency = (LatencyReport("GetItem", 1.0, None, None),)
    bench.cycle(examples.cycle(examples.table_report(name, latency=latency)))
    labels = {"region": "us-east-1", "table": name, "index": "", "dimension": TABLE_READ.kind.value}
    assert bench.value("watcher_provisioned_units_per_second", **labels) == 100


def test_two_instances_in_one_process_do_not_meet() -> None:
    one, other = Bench(), Bench()
    one.cycle(examples.cycle(examples.throttled_table()))
    assert other.value("watcher_actions_total", outcome="applied") == 0
    assert other.value("watcher_demanded_units_per_second", **WRITES) is None
    assert one.value("watcher_demanded_units_per_second", **{**WRITES, "dimension": TABLE_WRITE.kind.value}) == 405


def test_tables_that_still_learn_are_counted(bench: Bench) -> None:
    bench.cycle(replace(examples.cycle(examples.table_report()), learning=7))
    assert bench.value("watcher_tables_learning") == 7
    bench.cycle(examples.cycle(examples.table_report()))
    assert bench.value("watcher_tables_learning") == 0


ORDERS = {"region": "us-east-1", "table": "orders", "index": ""}
BY_CUSTOMER = {**ORDERS, "index": "by-customer"}


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        pytest.param("watcher_hot_key_verdict", {**ORDERS, "verdict": "one-key"}, 1, id="the verdict that holds"),
        pytest.param("watcher_hot_key_verdict", {**ORDERS, "verdict": "few-keys"}, 0, id="one that does not"),
        pytest.param("watcher_hot_key_verdict", {**BY_CUSTOMER, "verdict": "index-key"}, 1, id="of an index"),
        pytest.param("watcher_hot_key_share", ORDERS, 0.62, id="the hottest key's share, of two keys"),
        pytest.param("watcher_hot_key_share", BY_CUSTOMER, 0.8, id="of what was throttled"),
        pytest.param("watcher_hot_key_ceiling_share", ORDERS, 1.18, id="of a partition's ceiling"),
        pytest.param("watcher_hot_key_ceiling_share", BY_CUSTOMER, None, id="none where it is not sampled"),
        pytest.param("watcher_sampling_mode", {**ORDERS, "mode": "full"}, 1, id="the mode that is on"),
        pytest.param("watcher_sampling_mode", {**BY_CUSTOMER, "mode": "full"}, 0, id="a mode that is not"),
        pytest.param("watcher_sampling_mode", {**ORDERS, "index": "by-day", "mode": "off"}, 1, id="off is a mode"),
        pytest.param("watcher_insight_rules", {"region": "us-east-1"}, 14, id="rules in use"),
        pytest.param("watcher_insight_rules", {"region": "eu-west-1"}, None, id="none where they were not counted"),
        pytest.param("watcher_decisions_total", {"reason": "hot-keys"}, 1, id="a new verdict is a decision"),
    ],
)
def test_hot_keys(bench: Bench, name: str, labels: dict[str, str], value: float | None) -> None:
    bench.cycle(examples.cycle(examples.hot_table(), rules={"us-east-1": 14}))
    assert bench.value(name, **labels) == value


def test_no_key_is_in_the_exposition(bench: Bench) -> None:
    bench.cycle(examples.cycle(examples.hot_table()))
    for hot in (examples.HOTTEST, examples.SECOND, examples.INDEX_HOTTEST):
        assert hot.key not in bench.text()


def test_a_verdict_that_is_over_leaves_nothing_behind(bench: Bench) -> None:
    bench.cycle(examples.cycle(examples.hot_table()))
    bench.cycle(examples.cycle(examples.table_report()))
    assert bench.names().isdisjoint({"watcher_hot_key_verdict", "watcher_hot_key_share"})
    assert bench.value("watcher_sampling_mode", **ORDERS, mode="full") == 1, "what is sampled has not changed"


def test_a_switch_is_no_action_on_capacity(bench: Bench) -> None:
    decided, settlement = examples.switch(Outcome.APPLIED)
    plan = SamplingPlan(TableState(), decisions=(decided,))
    bench.cycle(examples.cycle(examples.table_report(sampling=plan, settlements=[settlement])))
    assert bench.value("watcher_actions_total", outcome="applied") == 0
    assert bench.value("watcher_sampling_switches_total", outcome="applied") == 1
    assert bench.value("watcher_decisions_total", reason="sample-throttled-keys") == 1


# --- alerts, topics, Regions ----------------------------------------------------------------------------------------


def test_topics_that_fail_are_told_from_those_that_do_not(bench: Bench) -> None:
    bench.cycle(examples.cycle(failing={examples.CHAT: "denied"}))
    assert bench.value("watcher_topic_failing", topic=examples.CHAT) == 1
    assert bench.value("watcher_topic_failing", topic=examples.PAGES) == 0
    bench.cycle(examples.cycle())
    assert bench.value("watcher_topic_failing", topic=examples.CHAT) == 0


def test_a_topic_that_left_the_config_is_not_shown_any_more_unless_it_fails(bench: Bench) -> None:
    bench.hub.use_topics([examples.PAGES])
    bench.cycle(examples.cycle(failing={examples.CHAT: "denied"}))
    assert bench.value("watcher_topic_failing", topic=examples.CHAT) == 1
    bench.cycle(examples.cycle())
    assert bench.value("watcher_topic_failing", topic=examples.CHAT) is None
    assert bench.value("watcher_topic_failing", topic=examples.PAGES) == 0


def test_what_is_silenced_held_and_paused(bench: Bench) -> None:
    future = replace(examples.pause("carts"), since=examples.NOW + 60)
    for _ in range(2):
        bench.cycle(examples.cycle(silenced=3, held=2, pauses=[examples.pause(), future]))
    assert bench.value("watcher_alerts_total", outcome="silenced") == 6
    assert bench.value("watcher_outbox_held") == 2
    assert bench.value("watcher_pauses") == 1
    bench.cycle(examples.cycle())
    assert bench.value("watcher_outbox_held") == 0
    assert bench.value("watcher_pauses") == 0


OWN = {"region": "us-east-1", "cause": "blind", "severity": "critical"}


@pytest.mark.parametrize(
    ("labels", "value"),
    [
        pytest.param(OWN, 1, id="it is open"),
        pytest.param({**OWN, "severity": "warning"}, 0, id="not with another severity"),
        pytest.param({**OWN, "cause": "lease-lost"}, 0, id="another cause is a zero"),
        pytest.param({**OWN, "region": "eu-west-1"}, 0, id="another Region too"),
        pytest.param({**OWN, "cause": "storm"}, None, id="a storm is none of the watcher's own"),
    ],
)
def test_the_watcher_s_own_incidents(bench: Bench, labels: dict[str, str], value: float | None) -> None:
    bench.cycle(examples.cycle(regions={"us-east-1": examples.region(examples.BLIND, storm=["orders"])}))
    assert bench.value("watcher_own_incidents_open", **labels) == value


def test_an_own_incident_that_is_resolved_but_remembered_is_not_open(bench: Bench) -> None:
    closed = replace(examples.BLIND, closed_at=examples.NOW)
    bench.cycle(examples.cycle(regions={"us-east-1": examples.region(closed)}))
    assert bench.value("watcher_own_incidents_open", **OWN) == 0


def test_a_storm_counts_the_tables_that_are_still_in_it(bench: Bench) -> None:
    stormy = examples.region(storm=["a", "b", "c"], over=["b"])
    bench.cycle(examples.cycle(regions={"us-east-1": stormy}))
    assert bench.value("watcher_storm_tables", region="us-east-1") == 2
    assert bench.value("watcher_storm_tables", region="eu-west-1") == 0
