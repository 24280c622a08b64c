"""The gauges of one finished cycle, as a list of metric families. Pure: a report and a snapshot in, families out."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from watcher.core.hot_keys import KeyVerdict
from watcher.core.insights import SamplerMode
from watcher.core.model import Billing
from watcher.core.reasons import Cause, Mode, Severity
from watcher.core.result import DimensionReport
from watcher.core.series import MINUTE
from watcher.ports import CycleReport
from watcher.telemetry.snapshot import Snapshot, TableView, pauses_in_force, store_loss, storm_tables

# Of a whole Region, about the watcher itself.
OWN_CAUSES = (Cause.BLIND, Cause.PERMISSION, Cause.OVERDUE, Cause.LEASE_LOST)
_PLACE = ("region", "table", "index")
_DIMENSION = (*_PLACE, "dimension")


class _Family:
    """Values by their labels: setting the same labels twice keeps one series, as the text format demands."""

    def __init__(self, name: str, text: str, labels: tuple[str, ...] = ()) -> None:
        self._name, self._text, self._labels = name, text, labels
        self._values: dict[tuple[str, ...], float] = {}

    def set(self, value: float | None, *labels: str) -> None:
        """None is "not known": no series."""
        if value is not None:
            self._values[labels] = value

    def metric(self) -> Metric:
        family = GaugeMetricFamily(self._name, self._text, labels=self._labels)
        for labels, value in self._values.items():
            family.add_metric(labels, value)
        return family


def families(report: CycleReport, snapshot: Snapshot) -> Iterator[Metric]:
    """Every gauge that a finished cycle sets, in a fixed order."""
    current = [view for view in snapshot.tables if view.is_current]
    yield from _capacity(current)
    yield from _budgets(current)
    yield _latency(current)
    yield from _hot_keys(current)
    yield from _sampling(report, current)
    yield from _tables(snapshot)
    yield from _watcher(report)
    yield from _alerts(report, snapshot)
    yield from _regions(report, snapshot, current)
    yield from _own_incidents(report, snapshot)


def _seen(views: list[TableView]) -> Iterator[tuple[TableView, DimensionReport, tuple[str, str, str, str]]]:
    for view in views:
        for seen in view.explanation.dimensions if view.explanation else ():
            dimension = seen.dimension
            yield view, seen, (view.key.region, view.key.name, dimension.index, dimension.kind.value)


def _capacity(views: list[TableView]) -> Iterator[Metric]:
    provisioned = _Family(
        "watcher_provisioned_units_per_second", "Provisioned capacity units per second; absent on demand.", _DIMENSION
    )
    consumed = _Family(
        "watcher_consumed_units_per_second",
        "Capacity units per second consumed in the newest visible minute; absent while unknown.",
        _DIMENSION,
    )
    demanded = _Family(
        "watcher_demanded_units_per_second",
        "Estimated demand in capacity units per second, throttled requests included; absent while unknown.",
        _DIMENSION,
    )
    bounds = _Family(
        "watcher_bound_units_per_second",
        "Configured bounds in capacity units per second; absent where none are configured.",
        (*_DIMENSION, "bound"),
    )
    for view, seen, labels in _seen(views):
        provisioned.set(seen.provisioned if view.billing is Billing.PROVISIONED else None, *labels)
        consumed.set(seen.consumed, *labels)
        demanded.set(seen.demand, *labels)
        if seen.bounds:
            bounds.set(seen.bounds.min, *labels, "min")
            bounds.set(seen.bounds.max, *labels, "max")
    for family in (provisioned, consumed, demanded, bounds):
        yield family.metric()


def _budgets(views: list[TableView]) -> Iterator[Metric]:
    """A table and each index have one budget each, shared by reads and writes."""
    left = _Family(
        "watcher_decreases_left",
        "Capacity decreases left today of the first four; absent on demand.",
        _PLACE,
    )
    wait = _Family(
        "watcher_next_decrease_seconds",
        "Seconds until AWS allows the next capacity decrease, 0 when it does now; absent on demand.",
        _PLACE,
    )
    for view, seen, labels in _seen(views):
        if view.billing is Billing.PROVISIONED:
            left.set(seen.decreases_left, *labels[:3])
            wait.set(seen.next_decrease_in, *labels[:3])
    yield left.metric()
    yield wait.metric()


def _latency(views: list[TableView]) -> Metric:
    latency = _Family(
        "watcher_latency_seconds",
        "Latency of successful requests in seconds, newest visible minute, as measured by DynamoDB.",
        ("region", "table", "operation", "stat"),
    )
    for view in views:
        for seen in view.explanation.latency if view.explanation else ():
            labels = (view.key.region, view.key.name, seen.operation)
            latency.set(seen.average / 1000, *labels, "average")
            latency.set(None if seen.p99 is None else seen.p99 / 1000, *labels, "p99")
    return latency.metric()


def _hot_keys(views: list[TableView]) -> Iterator[Metric]:
    """Only of places with a verdict, and of the hottest key only; which key that is, no label may tell."""
    verdicts = _Family(
        "watcher_hot_key_verdict",
        "The verdict on hot keys, 1 for the one that holds and 0 for the others; absent where nothing was asked.",
        (*_PLACE, "verdict"),
    )
    share = _Family(
        "watcher_hot_key_share",
        "Share of the hottest key in the traffic or, where only throttled keys are sampled, in what was throttled.",
        _PLACE,
    )
    ceiling = _Family(
        "watcher_hot_key_ceiling_share",
        "Consumption of the hottest key as a share of what one partition serves; absent where it is not sampled.",
        _PLACE,
    )
    for view in views:
        for finding in view.findings:
            labels = (view.key.region, view.key.name, finding.place.index)
            for verdict in KeyVerdict:
                verdicts.set(verdict is finding.verdict, *labels, verdict.value)
            for hottest in finding.keys[:1]:
                share.set(hottest.share, *labels)
                ceiling.set(hottest.ceiling_share, *labels)
    for family in (verdicts, share, ceiling):
        yield family.metric()


def _sampling(report: CycleReport, views: list[TableView]) -> Iterator[Metric]:
    modes = _Family(
        "watcher_sampling_mode",
        "What Contributor Insights samples, 1 for the mode that is on and 0 for the others; absent while unknown.",
        (*_PLACE, "mode"),
    )
    for view in views:
        for index, current in view.sampled.items():
            for mode in SamplerMode:
                modes.set(mode is current, view.key.region, view.key.name, index, mode.value)
    yield modes.metric()
    rules = _Family(
        "watcher_insight_rules",
        "Contributor Insights rules in use in the account, whosever, against its quota; absent where not counted.",
        ("region",),
    )
    for region, number in report.rules.items():
        rules.set(number, region)
    yield rules.metric()


def _tables(snapshot: Snapshot) -> Iterator[Metric]:
    tables = _Family("watcher_tables", "Tables watched, by mode.", ("mode",))
    modes = Tally(view.mode for view in snapshot.tables)
    for mode in Mode:
        tables.set(modes[mode], mode.value)
    yield tables.metric()
    incidents = _Family("watcher_incidents_open", "Incidents open, by severity.", ("severity",))
    severities = Tally(incident.severity for _, incident in snapshot.open_incidents())
    for severity in Severity:
        incidents.set(severities[severity], severity.value)
    yield incidents.metric()


def _watcher(report: CycleReport) -> Iterator[Metric]:
    outbox = _Family(
        "watcher_outbox_messages",
        "Messages recorded and neither delivered, silenced nor given up; absent while unknown.",
    )
    outbox.set(report.outbox)
    yield outbox.metric()
    learning = _Family("watcher_tables_learning", "Tables whose past is still to be learned from CloudWatch.")
    learning.set(report.learning)
    yield learning.metric()
    store = _Family("watcher_store_available", "Whether the state store worked in the last cycle: 1 or 0.")
    store.set(not store_loss(report))
    yield store.metric()
    phases = _Family("watcher_cycle_phase_seconds", "Duration of each phase of the last cycle in seconds.", ("phase",))
    for phase, seconds in report.phases.items():
        phases.set(seconds, phase)
    yield phases.metric()


def _alerts(report: CycleReport, snapshot: Snapshot) -> Iterator[Metric]:
    held = _Family("watcher_outbox_held", "Messages waiting that quiet hours or a pause hold back.")
    held.set(report.held)
    yield held.metric()
    failing = _Family(
        "watcher_topic_failing",
        "Whether the SNS topic, by its ARN, cannot be delivered to, 1 or 0; of the topics of the config.",
        ("topic",),
    )
    for topic in sorted({*snapshot.topics, *report.failing}):
        failing.set(topic in report.failing, topic)
    yield failing.metric()
    pauses = _Family("watcher_pauses", "Pauses in force, which silence tables' alerts.")
    pauses.set(len(pauses_in_force(report)))
    yield pauses.metric()


def _own_incidents(report: CycleReport, snapshot: Snapshot) -> Iterator[Metric]:
    own = _Family(
        "watcher_own_incidents_open",
        "Open incidents about the watcher itself in a Region: it cannot see, may not, was late, or lost its state.",
        ("region", "cause", "severity"),
    )
    storms = _Family(
        "watcher_storm_tables", "Tables in trouble at once, told as one incident of the Region; 0 without.", ("region",)
    )
    for region in sorted({*snapshot.regions, *report.regions}):
        state = report.regions.get(region)
        open_ones = [one for one in state.incidents.values() if one.closed_at is None] if state else []
        found = {(one.cause, one.severity) for one in open_ones}
        for cause in OWN_CAUSES:
            for severity in Severity:
                own.set((cause, severity) in found, region, cause.value, severity.value)
        storms.set(len(storm_tables(report, region)), region)
    yield own.metric()
    yield storms.metric()


def _regions(report: CycleReport, snapshot: Snapshot, views: list[TableView]) -> Iterator[Metric]:
    readable = _Family("watcher_region_readable", "Whether the last cycle could read the Region: 1 or 0.", ("region",))
    for region in sorted({*snapshot.regions, *(view.key.region for view in snapshot.tables)}):
        readable.set(region not in report.region_errors, region)
    yield readable.metric()
    age = _Family(
        "watcher_point_age_seconds",
        "Age of the newest CloudWatch point used, from the end of its minute to the cycle's start.",
        ("region",),
    )
    newest: dict[str, int] = {}
    for view, seen, _ in _seen(views):
        if seen.newest is not None:
            newest[view.key.region] = max(newest.get(view.key.region, seen.newest), seen.newest)
    for region, minute in newest.items():
        age.set(max(0.0, report.started_at - minute - MINUTE), region)
    yield age.metric()
