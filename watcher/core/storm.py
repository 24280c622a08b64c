"""Many tables of a Region in trouble at once: one incident, one thread, one list of tables. Pure.

Storms are of one kind of alert, as topics are: what throttles is not told to those who asked for latency only. A table
that was told on its own before keeps its own thread; one that is told in the storm is silent until the storm is over,
and is told anew should it still be open then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from watcher.core.flapping import closed, crossed
from watcher.core.links import links_of
from watcher.core.model import Alert, TableKey
from watcher.core.policy import Links
from watcher.core.reasons import AlertKind, Cause, IncidentState, Severity
from watcher.core.region_state import Folded, RegionRules, RegionState, Storm
from watcher.core.region_words import HEALTH
from watcher.core.state import Incident
from watcher.core.storm_words import Affected, compose

LINGERING = 1800.0  # seconds after which a storm of which little is left is over
LITTLE = 2  # tables, or a tenth of them
MOVED = ""  # the incident of a table that was a part of the storm and is told on its own now


@dataclass(frozen=True, slots=True)
class Scene:
    """One Region after this pass's steps. key: its name is "". tables: those with an open incident, by name, after the
    steps. were_open: the names of those that had one before them."""

    key: TableKey
    tables: Mapping[str, Affected]
    were_open: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Folding:
    """state: of the Region afterwards. alerts: the tables' own, in order, those told in a storm marked with it. told:
    the storm's own messages. retell: names of tables that are to be told anew, since their storm is over."""

    state: RegionState
    alerts: tuple[Alert, ...]
    told: tuple[Alert, ...] = ()
    retell: frozenset[str] = frozenset()


def fold(
    now: float, rules: RegionRules, state: RegionState, scene: Scene, alerts: Sequence[Alert], links: Links
) -> Folding:
    """Take the alerts of a Region's tables together where there are too many at once.

    Every incident that opens is told exactly once: by its own message, by its storm, or anew after it.
    """
    fresh = {alert.table.name: alert for alert in alerts if _opens(alert, scene)}
    recent = [(at, name) for at, name in state.opened if now - at <= rules.storm_window and name not in fresh]
    opened = (*recent, *((now, name) for name in fresh))
    storm = _followed(state.storm, scene)
    moved = _moved(storm) - _moved(state.storm)
    joining = _joining(rules, storm, opened, fresh, scene)
    teller = _Teller(now, rules, scene, links)
    if storm is not None:
        storm, told = teller.follow(replace(storm, tables={**storm.tables, **joining}))
    elif joining:
        storm, told = teller.tell(_begun(now, scene, joining), IncidentState.OPEN)
    else:
        return Folding(replace(state, opened=opened), tuple(alerts))
    # What joined or ended in this pass is a part of it even where it is over now.
    folded = tuple(replace(alert, storm=storm.incident.id) if _is_folded(alert, storm) else alert for alert in alerts)
    speaking = {alert.table.name for alert in folded if _is_told(alert)}
    alone = frozenset(name for name in moved - joining.keys() - speaking if name in scene.tables)
    if storm.incident.closed_at is None:
        return Folding(replace(state, opened=opened, storm=storm), folded, told, alone)
    left = frozenset(name for name, table in storm.tables.items() if table.is_open)
    # What went into this storm does not count towards the next.
    return Folding(replace(state, opened=(), storm=None), folded, told, left | alone)


def _is_told(alert: Alert) -> bool:
    """Whether it tells a reader who has heard nothing so far that something is wrong."""
    return not alert.storm and not alert.is_reminder and alert.state is not IncidentState.RESOLVED


def _moved(storm: Storm | None) -> frozenset[str]:
    return (
        frozenset(name for name, folded in storm.tables.items() if folded.incident == MOVED) if storm else frozenset()
    )


def _opens(alert: Alert, scene: Scene) -> bool:
    """Whether it begins an incident, or begins it again; not a name found later, nor a reminder, nor a retelling."""
    return alert.state is IncidentState.OPEN and alert.table.name not in scene.were_open


def _kind_of(scene: Scene, name: str) -> AlertKind | None:
    table = scene.tables.get(name)
    return None if table is None else table.incident.cause.kind


def _followed(storm: Storm | None, scene: Scene) -> Storm | None:
    """The storm with what became of its tables. One whose trouble is of another kind by now is told on its own."""
    if storm is None:
        return None
    tables: dict[str, Folded] = {}
    for name, folded in storm.tables.items():
        seen = scene.tables.get(name)
        if seen is None or seen.incident.id != folded.incident:
            tables[name] = replace(folded, is_open=False)
        elif seen.incident.cause.kind is storm.incident.cause.kind:
            tables[name] = replace(folded, cause=seen.incident.cause, is_open=True)
        else:
            tables[name] = replace(folded, incident=MOVED, is_open=False)
    return replace(storm, tables=tables)


def _joining(
    rules: RegionRules,
    storm: Storm | None,
    opened: Sequence[tuple[float, str]],
    fresh: Mapping[str, Alert],
    scene: Scene,
) -> dict[str, Folded]:
    """Tables that opened in this pass and are told in a storm: in the one going on while it still grows, or in one that
    begins with them."""
    kinds = [storm.incident.cause.kind] if storm else list(AlertKind)
    for kind in kinds:
        recent = {name for _, name in opened if _kind_of(scene, name) is kind}
        many = 0 < rules.storm_tables <= len(recent)
        grows = storm is not None and any(name in storm.tables and name not in fresh for name in recent)
        if many or grows:
            return {
                name: Folded(scene.tables[name].incident.id, scene.tables[name].incident.cause)
                for name in fresh
                if name in recent
            }
    return {}


def _is_folded(alert: Alert, storm: Storm) -> bool:
    folded = storm.tables.get(alert.table.name)
    return folded is not None and folded.incident == alert.incident


def _begun(now: float, scene: Scene, joining: Mapping[str, Folded]) -> Storm:
    cause, severity = _cause(joining), _severity(scene, joining)
    ident = f"{scene.key.region}.{Cause.STORM}.{int(now)}"
    return Storm(Incident(ident, now, cause, "", severity, 1, 0.0, now), joining, len(joining))


def _cause(tables: Mapping[str, Folded]) -> Cause:
    """One that has the kind of its tables: STORM of those that throttle, otherwise the worst of theirs."""
    causes = [folded.cause for folded in tables.values() if folded.is_open] or [f.cause for f in tables.values()]
    worst = min(causes, key=list(Cause).index)
    return Cause.STORM if worst.kind is Cause.STORM.kind else worst


def _severity(scene: Scene, tables: Mapping[str, Folded]) -> Severity:
    critical = any(
        folded.is_open and scene.tables[name].incident.severity is Severity.CRITICAL for name, folded in tables.items()
    )
    return Severity.CRITICAL if critical else Severity.WARNING


@dataclass(frozen=True, slots=True)
class _Teller:
    now: float
    rules: RegionRules
    scene: Scene
    links: Links

    def follow(self, storm: Storm) -> tuple[Storm, tuple[Alert, ...]]:
        """What there is to say of a storm that was told before: at most one message."""
        incident = storm.incident
        if self._is_over(storm):
            ended = replace(storm, incident=closed(incident, self.now))
            return self.tell(ended, IncidentState.RESOLVED)
        severity = max(incident.severity, _severity(self.scene, storm.tables), key=list(Severity).index)
        grown = replace(incident, severity=severity, followed_at=self.now)
        if severity is not incident.severity or self._has_grown(storm):
            grown = replace(grown, cause=_cause(storm.tables), sequence=incident.sequence + 1)
            return self.tell(replace(storm, incident=grown), IncidentState.WORSENED)
        due = crossed(self.rules.repeats, incident.opened_at, incident.followed_at, self.now)
        if due:
            again = replace(grown, sequence=incident.sequence + 1)
            storm, (alert,) = self.tell(replace(storm, incident=again), IncidentState.OPEN)
            return storm, (replace(alert, repeats=due),)
        return replace(storm, incident=grown), ()

    def _has_grown(self, storm: Storm) -> bool:
        """To twice of what was listed; or at all, and nothing has been told for so long that whoever looks after one of
        the new tables must not wait any longer."""
        joined = len(storm.tables) > storm.incident.events
        waited = self.now - storm.incident.last_bad >= self.rules.storm_window
        return self._listed(storm) >= 2 * storm.told or (joined and waited)

    def _is_over(self, storm: Storm) -> bool:
        left = sum(folded.is_open for folded in storm.tables.values())
        lingers = self.now - storm.incident.opened_at >= LINGERING
        return left == 0 or (lingers and left <= max(LITTLE, len(storm.tables) / 10))

    def _apart(self, storm: Storm) -> list[str]:
        """Tables in the same kind of trouble that have threads of their own."""
        kind = storm.incident.cause.kind
        return sorted(
            name for name in self.scene.tables if name not in storm.tables and _kind_of(self.scene, name) is kind
        )

    def _listed(self, storm: Storm) -> int:
        return len(storm.tables) + len(self._apart(storm))

    def tell(self, storm: Storm, state: IncidentState) -> tuple[Storm, tuple[Alert]]:
        incident = replace(storm.incident, followed_at=self.now, last_bad=self.now, events=float(len(storm.tables)))
        words = compose(storm, state, self.scene.key.region, self.scene.tables, self._apart(storm), self.now)
        alert = Alert(
            incident=incident.id,
            sequence=incident.sequence,
            state=state,
            severity=incident.severity,
            cause=incident.cause,
            table=self.scene.key,
            index="",
            time=self.now,
            opened_at=incident.opened_at,
            subject=words.subject,
            sentence=words.sentence,
            facts=words.facts,
            done=words.done,
            todo=words.todo,
            links=(*links_of(self.links, self.scene.key, "", incident.cause), HEALTH),
            tables=tuple(sorted(storm.tables)),
        )
        return replace(storm, incident=incident, told=self._listed(storm)), (alert,)
