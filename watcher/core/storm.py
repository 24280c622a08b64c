"""Many tables of a Region in trouble at once: one incident, one thread, one list of tables. Pure.

Storms are of one kind of alert, as topics are: what throttles is not told to those who asked for latency only. A table
that was told on its own before keeps its own thread; one that is told in the storm is silent until the storm is over,
and is told anew should it still be open then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from watcher.core.flapping import calm_needed, closed, comes_back, crossed, reopened
from watcher.core.links import links_of
from watcher.core.model import Alert, TableKey
from watcher.core.policy import Links
from watcher.core.reasons import AlertKind, Cause, IncidentState, Severity
from watcher.core.region_state import Folded, RegionRules, RegionState, Storm, up_to
from watcher.core.region_words import HEALTH
from watcher.core.state import Incident
from watcher.core.storm_words import Affected, compose

LINGERING = 1800.0  # seconds after which a storm of which little is left is over
LITTLE = 2  # tables, or a tenth of them
MOVED = ""  # the incident of a table that was a part of the storm and is told on its own now


@dataclass(frozen=True, slots=True)
class Scene:
    """One Region after this pass's steps. key: its name is "". tables: those with an open incident, by name, after the
    steps. were_open: the names of those that had one before them. paused: the names of those that somebody has taken
    upon himself: they neither make a storm nor join one, and their own messages wait."""

    key: TableKey
    tables: Mapping[str, Affected]
    were_open: frozenset[str] = frozenset()
    paused: frozenset[str] = frozenset()


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
    state = up_to(now, state)
    fresh = {alert.table.name: alert for alert in alerts if _opens(alert, scene)}
    recent = [(at, name) for at, name in state.opened if now - at <= rules.storm_window and name not in fresh]
    opened = (*recent, *((now, name) for name in fresh))
    storm = _followed(state.storm, scene)
    moved = _moved(storm) - _moved(state.storm)
    joining = _joining(rules, storm, opened, fresh, scene)
    teller = _Teller(now, rules, scene, links)
    if storm is not None:
        storm, told = teller.follow(_joined(storm, joining), news=_is_news(state.storm, storm, joining))
    elif joining:
        storm, told = teller.tell(teller.begun(joining, state.last_storm), IncidentState.OPEN)
    else:
        last = state.last_storm if comes_back(rules, state.last_storm, now) else None
        return Folding(replace(state, opened=opened, last_storm=last), tuple(alerts))
    # What joined or ended in this pass is a part of it even where it is over now.
    folded = tuple(replace(alert, storm=storm.incident.id) if _is_folded(alert, storm) else alert for alert in alerts)
    speaking = {alert.table.name for alert in folded if _is_told(alert)}
    alone = frozenset(name for name in moved - joining.keys() - speaking if name in scene.tables)
    if storm.incident.closed_at is None:
        return Folding(replace(state, opened=opened, storm=storm), folded, told, alone)
    left = frozenset(name for name, table in storm.tables.items() if table.is_open)
    # What went into this storm does not count towards the next.
    ended = replace(state, opened=(), storm=None, last_storm=storm.incident)
    return Folding(ended, folded, told, left | alone)


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
            critical = folded.is_critical or seen.incident.severity is Severity.CRITICAL
            tables[name] = replace(folded, cause=seen.incident.cause, is_open=True, is_critical=critical)
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
        recent = {name for _, name in opened if _kind_of(scene, name) is kind and name not in scene.paused}
        many = 0 < rules.storm_tables <= len(recent)
        grows = storm is not None and any(name in storm.tables and name not in fresh for name in recent)
        if many or grows:
            return {name: _part(scene.tables[name].incident) for name in fresh if name in recent}
    return {}


def _part(incident: Incident) -> Folded:
    return Folded(incident.id, incident.cause, is_critical=incident.severity is Severity.CRITICAL)


def _joined(storm: Storm, joining: Mapping[str, Folded]) -> Storm:
    """With the tables that join. One that was critical in it before stays so: the storm is one thread."""
    was = {name for name, folded in storm.tables.items() if folded.is_critical}
    again = {name: replace(part, is_critical=part.is_critical or name in was) for name, part in joining.items()}
    return replace(storm, tables={**storm.tables, **again})


def _is_news(before: Storm | None, storm: Storm, joining: Mapping[str, Folded]) -> bool:
    """Whether an incident joins that no message has told, or a table becomes critical: whoever looks after that table
    alone must not wait. An incident that only comes back is still listed."""
    known = {} if before is None else before.tables
    listed = {folded.incident for folded in known.values()}
    was = {name for name, folded in known.items() if folded.is_critical}
    critical = {name for name, folded in {**storm.tables, **joining}.items() if folded.is_critical}
    return bool({part.incident for part in joining.values()} - listed or critical - was)


def _is_folded(alert: Alert, storm: Storm) -> bool:
    folded = storm.tables.get(alert.table.name)
    return folded is not None and folded.incident == alert.incident


def _cause(tables: Mapping[str, Folded]) -> Cause:
    """One that has the kind of its tables: STORM of those that throttle, otherwise the worst of theirs."""
    causes = [folded.cause for folded in tables.values() if folded.is_open] or [f.cause for f in tables.values()]
    worst = min(causes, key=list(Cause).index)
    return Cause.STORM if worst.kind is Cause.STORM.kind else worst


def _severity(tables: Mapping[str, Folded]) -> Severity:
    return Severity.CRITICAL if any(folded.is_critical for folded in tables.values()) else Severity.WARNING


@dataclass(frozen=True, slots=True)
class _Teller:
    now: float
    rules: RegionRules
    scene: Scene
    links: Links

    def begun(self, tables: Mapping[str, Folded], last: Incident | None) -> Storm:
        """A storm that begins: a new incident, or the last one's of its kind, where that ended not long ago."""
        cause, severity = _cause(tables), _severity(tables)
        ident = f"{self.scene.key.region}.{Cause.STORM}.{int(self.now)}"
        incident = Incident(ident, self.now, cause, "", severity, 1, 0.0, self.now)
        if last is not None and last.cause.kind is cause.kind and comes_back(self.rules, last, self.now):
            incident = replace(reopened(last), cause=cause, severity=severity)
        return Storm(incident, tables, len(tables), began=self.now)

    def follow(self, storm: Storm, *, news: bool) -> tuple[Storm, tuple[Alert, ...]]:
        """What there is to say of a storm that was told before: at most one message. news: whether the readers of one
        of its tables have not heard of that."""
        if any(folded.is_open for folded in storm.tables.values()):
            storm = replace(storm, incident=replace(storm.incident, last_bad=self.now))
        incident = storm.incident
        if not news and self._is_over(storm):
            ended = replace(storm, incident=closed(incident, self.now))
            return self.tell(ended, IncidentState.RESOLVED)
        severity = max(incident.severity, _severity(storm.tables), key=list(Severity).index)
        grown = replace(incident, severity=severity, followed_at=self.now)
        if news or len(storm.tables) > incident.events:
            grown = replace(grown, cause=_cause(storm.tables), sequence=incident.sequence + 1)
            return self.tell(replace(storm, incident=grown), IncidentState.WORSENED)
        due = crossed(self.rules.repeats, incident.opened_at, incident.followed_at, self.now)
        if due:
            again = replace(grown, sequence=incident.sequence + 1)
            storm, (alert,) = self.tell(replace(storm, incident=again), IncidentState.OPEN, reminder=True)
            return storm, (replace(alert, repeats=due),)
        return replace(storm, incident=grown), ()

    def _is_over(self, storm: Storm) -> bool:
        left = sum(folded.is_open for folded in storm.tables.values())
        if left == 0:
            # Its tables have been calm for long enough already; one that came back is not believed at once.
            calm = calm_needed(self.rules, storm.incident.flaps) - calm_needed(self.rules, 0)
            return self.now - storm.incident.last_bad >= calm
        began = storm.incident.opened_at if storm.began is None else storm.began
        return self.now - began >= LINGERING and left <= max(LITTLE, len(storm.tables) / 10)

    def _apart(self, storm: Storm) -> list[str]:
        """Tables in the same kind of trouble that have threads of their own."""
        kind = storm.incident.cause.kind
        return sorted(
            name
            for name in self.scene.tables.keys() - self.scene.paused
            if name not in storm.tables and _kind_of(self.scene, name) is kind
        )

    def _listed(self, storm: Storm) -> int:
        return len(storm.tables) + len(self._apart(storm))

    def tell(self, storm: Storm, state: IncidentState, *, reminder: bool = False) -> tuple[Storm, tuple[Alert]]:
        incident = replace(storm.incident, followed_at=self.now, events=float(len(storm.tables)))
        region, tables, apart = self.scene.key.region, self.scene.tables, self._apart(storm)
        words = compose(storm, state, region, tables, apart, self.now, reminder=reminder)
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
            critical=tuple(sorted(name for name, folded in storm.tables.items() if folded.is_critical)),
        )
        return replace(storm, incident=incident, told=self._listed(storm)), (alert,)
