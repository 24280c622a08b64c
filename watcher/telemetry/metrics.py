"""Prometheus metrics, a contract: names, labels and help texts are tested word for word.

Built on an injected registry, because one process holds many instances in tests. Gauges of what a cycle saw are built
together and replaced together, so that a scrape never meets half a cycle; a value that is not known is an absent
series, never NaN or a stale number. The one exception is the age of the last cycle before there was any.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator
from enum import Enum, StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from watcher.core.model import CAUSE_METRICS, Decision, Lever
from watcher.core.reasons import Cause, Outcome, Reason
from watcher.ports import CycleReport, TableReport
from watcher.telemetry.families import families
from watcher.telemetry.snapshot import Snapshot

# A `_created` series beside every counter would double the cost of storing them, for a time no rule here uses.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library left it without annotations

THROTTLE_CAUSES = (*CAUSE_METRICS.values(), Cause.UNCLASSIFIED)
SETTLED_OUTCOMES = tuple(outcome for outcome in Outcome if outcome not in (Outcome.NONE, Outcome.PENDING))

_CYCLE_BUCKETS = (0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 45, 60, 120)
_CALL_BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

_Series = tuple[str, str, str, str, str]  # region, table, index, dimension, cause


class SchedulerEvent(StrEnum):
    MISSED = "missed"
    ERROR = "error"
    OVERLAP = "overlap"


class AlertOutcome(StrEnum):
    RECORDED = "recorded"
    DELIVERED = "delivered"
    FAILED = "failed"
    DEAD = "dead"
    SILENCED = "silenced"


class ReloadOutcome(StrEnum):
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class CycleGauges(Collector):
    """Exposes the newest set of families. Replacing a reference is atomic; the scraping thread sees old or new."""

    def __init__(self) -> None:
        self._families: tuple[Metric, ...] = ()

    def replace(self, new: Iterable[Metric]) -> None:
        self._families = tuple(new)

    def collect(self) -> Iterator[Metric]:
        return iter(self._families)


class WatcherMetrics:
    """All metrics of one daemon. Safe to call from any thread, except ``cycle_finished``: the cycle's thread only."""

    def __init__(self, registry: CollectorRegistry, *, version: str, regions: Iterable[str] = ()) -> None:
        self._registry = registry
        self._throttled_series: set[_Series] = set()
        self._create_counters(registry)
        self._create_clocks(registry)
        build = Gauge(
            "watcher_build_info", "A constant 1, labelled with the running version.", ["version"], registry=registry
        )
        build.labels(version).set(1)
        self._lease = Gauge(
            "watcher_lease_held",
            "Whether this process holds the lease of the Region and so may act there: 1 or 0.",
            ["region"],
            registry=registry,
        )
        for region in regions:
            self.lease_held(region, held=True)  # the embedded store is its own lease
        self._gauges = CycleGauges()
        registry.register(self._gauges)

    def _create_counters(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, labels: Iterable[str] = ()) -> Counter:
            return Counter(name, text, tuple(labels), registry=registry)

        self._throttled = counter(
            "watcher_throttled_requests_total",
            "Requests throttled, as counted by CloudWatch, by the cause that AWS names.",
            ("region", "table", "index", "dimension", "cause"),
        )
        self._decisions = counter(
            "watcher_decisions_total",
            "Decisions made, by reason: one per dimension and cycle, and what is newly said of a table or index.",
            ("reason",),
        )
        self._actions = counter(
            "watcher_actions_total",
            "Actions settled, by what became of them; applied means an UpdateTable that AWS accepted.",
            ("outcome",),
        )
        self._switches = counter(
            "watcher_sampling_switches_total",
            "Switches of Contributor Insights settled, by what became of them.",
            ("outcome",),
        )
        self._alerts = counter(
            "watcher_alerts_total",
            "Alerts recorded, and messages delivered, failed (tried again), dead (given up) and silenced by a pause.",
            ("outcome",),
        )
        self._aws_calls = counter(
            "watcher_aws_calls_total", "Calls to AWS, by operation and outcome.", ("operation", "outcome")
        )
        self._requested = counter(
            "watcher_cloudwatch_metrics_requested_total",
            "CloudWatch metrics requested, the unit that AWS bills.",
        )
        self._scheduler = counter(
            "watcher_scheduler_events_total", "Cycles that did not run or did not end as planned, by event.", ("event",)
        )
        self._reloads = counter(
            "watcher_config_reloads_total", "Attempts to reload the configuration, by outcome.", ("outcome",)
        )
        _precreate(self._decisions, Reason)
        _precreate(self._actions, SETTLED_OUTCOMES)
        _precreate(self._switches, SETTLED_OUTCOMES)
        _precreate(self._alerts, AlertOutcome)
        _precreate(self._scheduler, SchedulerEvent)
        _precreate(self._reloads, ReloadOutcome)

    def _create_clocks(self, registry: CollectorRegistry) -> None:
        self._cycle_seconds = Histogram(
            "watcher_cycle_seconds",
            "Duration of finished cycles in seconds.",
            buckets=_CYCLE_BUCKETS,
            registry=registry,
        )
        self._call_seconds = Histogram(
            "watcher_aws_call_seconds",
            "Duration of calls to AWS in seconds, by operation, retries included.",
            ["operation"],
            buckets=_CALL_BUCKETS,
            registry=registry,
        )
        self._age = Gauge(
            "watcher_last_cycle_age_seconds",
            "Seconds since the last cycle finished, on the monotonic clock; NaN before the first.",
            registry=registry,
        )
        self._age.set(float("nan"))

    def watch_cycle_age(self, age: Callable[[], float | None]) -> None:
        """Ask ``age`` (seconds, None before the first cycle) at every scrape."""

        def value() -> float:
            seconds = age()
            return float("nan") if seconds is None else seconds

        self._age.set_function(value)

    def cycle_finished(self, report: CycleReport, snapshot: Snapshot) -> None:
        """Count what the cycle did and replace every gauge of what it saw."""
        self._cycle_seconds.observe(report.seconds)
        for table in report.tables:
            self._count_table(table)
        self._count_alert(AlertOutcome.RECORDED, len(report.told))
        self._count_alert(AlertOutcome.DELIVERED, report.delivered)
        self._count_alert(AlertOutcome.FAILED, report.undelivered)
        self._count_alert(AlertOutcome.DEAD, report.dead)
        self._count_alert(AlertOutcome.SILENCED, report.silenced)
        self._drop_gone({(view.key.region, view.key.name) for view in snapshot.tables})
        self._gauges.replace(families(report, snapshot))

    def _count_table(self, table: TableReport) -> None:
        for settlement in table.settlements:
            # Apart from the others: an action that is applied means capacity.
            switched = settlement.intent.action.lever is Lever.SAMPLING
            (self._switches if switched else self._actions).labels(settlement.outcome.value).inc()
        reasons = Tally(decision.reason for decision in _made(table))
        for reason, number in reasons.items():
            self._decisions.labels(reason.value).inc(number)
        if table.explanation is None:
            return
        for seen in table.explanation.dimensions:
            series = (table.key.region, table.key.name, seen.dimension.index, seen.dimension.kind.value)
            # Also the zeros, so that the very first throttled request already shows as an increase.
            for cause in dict.fromkeys((*THROTTLE_CAUSES, *seen.gained)):
                self._throttled_series.add((*series, cause.value))
                self._throttled.labels(*series, cause.value).inc(seen.gained.get(cause, 0.0))

    def _drop_gone(self, known: set[tuple[str, str]]) -> None:
        for series in [series for series in self._throttled_series if series[:2] not in known]:
            self._throttled_series.discard(series)
            self._throttled.remove(*series)

    def _count_alert(self, outcome: AlertOutcome, number: int) -> None:
        self._alerts.labels(outcome.value).inc(number)

    def aws_call(self, operation: str, outcome: str, seconds: float) -> None:
        """operation: AWS's name (``UpdateTable``). outcome: ``ok`` or AWS's error code. seconds: real, with retries."""
        self._aws_calls.labels(operation, outcome).inc()
        self._call_seconds.labels(operation).observe(seconds)

    def cloudwatch_metrics_requested(self, number: int) -> None:
        self._requested.inc(number)

    def lease_held(self, region: str, *, held: bool) -> None:
        self._lease.labels(region).set(held)

    def scheduler_event(self, event: SchedulerEvent) -> None:
        self._scheduler.labels(event.value).inc()

    def config_reload(self, outcome: ReloadOutcome) -> None:
        self._reloads.labels(outcome.value).inc()

    def exposition(self) -> bytes:
        """The text format 0.0.4, UTF-8."""
        return generate_latest(self._registry)


def _made(table: TableReport) -> Iterator[Decision]:
    """Of the dimensions every decision, repeated ones too; of the table or an index as a whole only new ones."""
    if table.explanation is not None:
        yield from table.explanation.decisions
        yield from (decision for decision in table.explanation.new_decisions if decision.reason.is_of_table)
    yield from table.sampling.decisions if table.sampling else ()


def _precreate(counter: Counter, values: Iterable[Enum]) -> None:
    for value in values:
        counter.labels(value.value)


def own_registry() -> CollectorRegistry:
    """A registry apart from the library's global one, so that several watchers can live in one process."""
    return CollectorRegistry()
