"""The last messages of a Region that is watched no longer: nothing of it may stay open for ever. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from watcher.core.flapping import closed
from watcher.core.model import Alert, TableKey
from watcher.core.reasons import IncidentState
from watcher.core.region_state import RegionState, Storm
from watcher.core.state import Incident
from watcher.core.telling.names import SUBJECT_LIMIT, headed


def farewell(now: float, region: str, state: RegionState, alerts: Sequence[Alert]) -> tuple[Alert, ...]:
    """The ends of what is open in the Region as a whole, then ``alerts``, the ends of its tables' incidents: those of
    tables that were told in its storm, marked with it."""
    key = TableKey(state.account, region, "")
    storm = state.storm
    return (
        *_ends(now, key, state),
        *(replace(one, storm=storm.incident.id) if storm and _is_part(one, storm) else one for one in alerts),
    )


def _ends(now: float, key: TableKey, state: RegionState) -> Iterator[Alert]:
    for incident in state.incidents.values():
        if incident.closed_at is None:
            yield _end(now, key, incident)
    storm = state.storm
    if storm is not None:
        critical = tuple(sorted(name for name, folded in storm.tables.items() if folded.is_critical))
        yield replace(_end(now, key, storm.incident), tables=tuple(sorted(storm.tables)), critical=critical)


def _is_part(alert: Alert, storm: Storm) -> bool:
    folded = storm.tables.get(alert.table.name)
    return folded is not None and folded.incident == alert.incident


def _end(now: float, key: TableKey, incident: Incident) -> Alert:
    ended = closed(incident.up_to(now), now)
    return Alert(
        incident=ended.id,
        sequence=ended.sequence,
        state=IncidentState.RESOLVED,
        severity=ended.severity,
        cause=ended.cause,
        table=key,
        index="",
        time=now,
        opened_at=ended.opened_at,
        subject=headed(key.region, "no longer watched, incident closed", SUBJECT_LIMIT),
        sentence=f"{key.region} is no longer watched; its incident is closed.",
        todo="Nothing.",
    )
