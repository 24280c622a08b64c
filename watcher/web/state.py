"""The JSON view of a snapshot, and the one rendering of a decision and of a hot-key verdict that every machine-readable
output uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from watcher.clock import iso
from watcher.core.hot_keys import HotKey, HotKeyFinding
from watcher.core.model import Alert, Decision
from watcher.core.pauses import Pause
from watcher.core.result import DimensionReport, LatencyReport
from watcher.core.series import MINUTE
from watcher.core.state import Incident
from watcher.ports import CycleReport
from watcher.telemetry.health import Verdict
from watcher.telemetry.snapshot import (
    Snapshot,
    TableView,
    pauses_in_force,
    regional_incidents,
    regions_unread,
    store_loss,
    tables_of,
)

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


def finding_record(finding: HotKeyFinding, region: str) -> Record:
    """The hot-keys contract first: {table, index, verdict, keys: [{key, share, ceiling_share, throttled}]}.

    index is "" for the table itself. Shares are fractions of 1, null where not sampled; throttled is requests a minute.
    A key's ``since`` is null when its heat is older than what was read, ``rising`` while it cannot be told.
    """
    return {
        "table": finding.place.table,
        "index": finding.place.index,
        "verdict": finding.verdict.value,
        "keys": [_hot_key(key) for key in finding.keys],
        "region": region,
        "sentence": finding.sentence,
        "todo": finding.todo,
        "mode": finding.mode.value,
        "kinds": sorted(kind.value for kind in finding.kinds),
        "blind": list(finding.blind),
        "at": _moment(finding.at),
    }


def _hot_key(key: HotKey) -> Record:
    return {
        "key": key.key,
        "share": key.share,
        "ceiling_share": key.ceiling_share,
        "throttled": key.throttled,
        "asked_share": key.asked_share,
        "of_traffic": key.of_traffic,
        "since": _moment(key.since),
        "rising": key.rising,
    }


def _moment(instant: float | None) -> str | None:
    return None if instant is None else iso(instant)


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
        "regional_incidents": regional_records(report, snapshot.regional),
        "incidents": [
            {
                "table": view.key.name,
                "account": view.key.account,
                "region": view.key.region,
                **incident_record(incident),
                "acknowledged": acknowledged_record(snapshot.pause_of(view.key)),
            }
            for view, incident in snapshot.open_incidents()
        ],
        "pauses": [pause_record(one, now) for one in pauses_in_force(report)] if report else [],
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
        "outbox_held": report.held,
        "failing_topics": dict(sorted(report.failing.items())),
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
        "seen_at": _moment(view.seen_at),
        "incident": incident_record(view.incident) if view.incident else None,
        "dimensions": [_dimension(seen) for seen in explanation.dimensions] if explanation else [],
        "latency": [_latency(seen) for seen in explanation.latency] if explanation else [],
        "hot_keys": [finding_record(finding, view.key.region) for finding in view.findings],
        "sampling": {index: mode.value for index, mode in sorted(view.sampled.items())},
        "sampling_lost": dict(sorted(view.unsampled.items())),
        "last_decisions": [decision_record(decision) for decision in view.last_decisions],
    }


def incident_record(incident: Incident) -> Record:
    """flaps: how often it came back soon after it was resolved."""
    return {
        "incident": incident.id,
        "opened_at": iso(incident.opened_at),
        "cause": incident.cause.value,
        "index": incident.index,
        "severity": incident.severity.value,
        "messages": incident.sequence,
        "throttled_events": incident.events,
        "flaps": incident.flaps,
    }


def regional_records(report: CycleReport | None, told: Mapping[str, Alert]) -> list[Record]:
    """The open incidents of whole Regions. told: the last message of each by incident, as far as it is known."""
    return [_regional(region, one, report, told.get(one.id)) for region, one in regional_incidents(report)]


def _regional(region: str, incident: Incident, report: CycleReport | None, told: Alert | None) -> Record:
    """tables: of a storm, those still in trouble. sentence, todo: of its last message, "" while that is not known."""
    return {
        "region": region,
        **incident_record(incident),
        "tables": list(tables_of(report, region, incident)),
        "sentence": told.sentence if told else "",
        "todo": told.todo if told else "",
    }


def acknowledged_record(pause: Pause | None) -> Record | None:
    """Who has silenced a table, until when and why; None for nobody."""
    if pause is None:
        return None
    return {"until": iso(pause.until), "by": pause.by, "reason": pause.reason, "advise_only": pause.advise_only}


def pause_record(pause: Pause, now: float) -> Record:
    """One pause. table: a name or a pattern; region "" for all. seconds_left: until it ends."""
    return {
        "table": pause.match,
        "region": pause.region,
        "since": iso(pause.since),
        "until": iso(pause.until),
        "seconds_left": max(0.0, pause.until - now),
        "reason": pause.reason,
        "by": pause.by,
        "advise_only": pause.advise_only,
    }


def _dimension(seen: DimensionReport) -> Record:
    return {
        "index": seen.dimension.index,
        "dimension": seen.dimension.kind.value,
        "provisioned": seen.provisioned,
        "bounds": {"min": seen.bounds.min, "max": seen.bounds.max} if seen.bounds else None,
        "freshness": seen.freshness.value,
        "newest_point": _moment(None if seen.newest is None else seen.newest + MINUTE),
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
