"""The JSON view of a snapshot, and the one rendering of a decision that every machine-readable output uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from watcher.clock import iso
from watcher.core.model import Decision
from watcher.core.result import DimensionReport, LatencyReport
from watcher.core.series import MINUTE
from watcher.core.state import Incident
from watcher.ports import CycleReport
from watcher.telemetry.health import Verdict
from watcher.telemetry.snapshot import Snapshot, TableView, regions_unread, store_loss

Record = dict[str, Any]


def decision_record(decision: Decision) -> Record:
    """The history contract: {time, table, index, dimension, before, after, reason, sentence, mode, outcome}.

    index is "" for the table itself; before and after are units per second, equal for a hold.
    """
    return {
        "time": iso(decision.time),
        "table": decision.table.name,
        "index": decision.dimension.index,
        "dimension": decision.dimension.kind.value,
        "before": decision.before,
        "after": decision.after,
        "reason": decision.reason.value,
        "sentence": decision.sentence,
        "mode": decision.mode.value,
        "outcome": decision.outcome.value,
    }


def state_record(
    snapshot: Snapshot, *, now: float, health: Verdict, decisions: Sequence[Decision], history_error: str = ""
) -> Record:
    """/api/state.json. Instants are ISO 8601 UTC; rates are units per second and null when not known.

    history_error: why ``decisions`` could not be read, or "".
    """
    report = snapshot.report
    return {
        "version": snapshot.version,
        "time": iso(now),
        "healthy": health.ok,
        "health": health.sentence,
        "cycle": _cycle(report) if report else None,
        "tables": [_table(view) for view in snapshot.tables],
        "incidents": [
            {"table": view.key.name, "account": view.key.account, "region": view.key.region, **_incident(incident)}
            for view, incident in snapshot.open_incidents()
        ],
        "decisions": [decision_record(decision) for decision in decisions],
        "history_error": history_error,
        "region_errors": regions_unread(report),
    }


def _cycle(report: CycleReport) -> Record:
    return {
        "started_at": iso(report.started_at),
        "finished_at": iso(report.finished_at),
        "seconds": report.seconds,
        "phases": dict(report.phases),
        "acting": report.acting,
        "store_error": store_loss(report),
        "unmatched_tables": report.unmatched,
        "outbox_messages": report.outbox,
    }


def _table(view: TableView) -> Record:
    explanation = view.explanation
    return {
        "table": view.key.name,
        "account": view.key.account,
        "region": view.key.region,
        "mode": view.mode.value,
        "billing": view.billing.value if view.billing else None,
        "cause": explanation.cause.value if explanation else None,
        "sentence": explanation.sentence if explanation else "",
        "error": view.error,
        "seen_at": iso(view.seen_at) if view.seen_at is not None else None,
        "incident": _incident(view.incident) if view.incident else None,
        "dimensions": [_dimension(seen) for seen in explanation.dimensions] if explanation else [],
        "latency": [_latency(seen) for seen in explanation.latency] if explanation else [],
        "last_decisions": [decision_record(decision) for decision in view.last_decisions],
    }


def _incident(incident: Incident) -> Record:
    return {
        "incident": incident.id,
        "opened_at": iso(incident.opened_at),
        "cause": incident.cause.value,
        "index": incident.index,
        "severity": incident.severity.value,
        "messages": incident.sequence,
        "throttled_events": incident.events,
    }


def _dimension(seen: DimensionReport) -> Record:
    return {
        "index": seen.dimension.index,
        "dimension": seen.dimension.kind.value,
        "provisioned": seen.provisioned,
        "bounds": {"min": seen.bounds.min, "max": seen.bounds.max} if seen.bounds else None,
        "freshness": seen.freshness.value,
        "newest_point": iso(seen.newest + MINUTE) if seen.newest is not None else None,
        "consumed": seen.consumed,
        "demand": seen.demand,
        "throttled": {cause.value: events for cause, events in seen.throttled.items()},
        "cause": seen.cause.value,
        "decreases_left": seen.decreases_left,
        "next_decrease_seconds": seen.next_decrease_in,
    }


def _latency(seen: LatencyReport) -> Record:
    return {
        "operation": seen.operation,
        "average_ms": seen.average,
        "p99_ms": seen.p99,
        "normal_ms": seen.normal,
    }
