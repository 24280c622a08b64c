"""The watcher's own incidents in one Region: it cannot see, it may not, it was late, it may not remember.

Same lifecycle as a table's: opened, worsened, resolved; what flaps is damped; what stays open is told again.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from watcher.core.flapping import calm_needed, closed, comes_back, crossed, reopened
from watcher.core.links import links_of
from watcher.core.model import Alert
from watcher.core.policy import Links
from watcher.core.reasons import Cause, IncidentState, Severity
from watcher.core.region_sight import RegionSight
from watcher.core.region_state import RegionRules, RegionState, up_to
from watcher.core.region_words import HEALTH, compose
from watcher.core.state import Incident

OWN = (Cause.BLIND, Cause.PERMISSION, Cause.OVERDUE, Cause.LEASE_LOST)
PATIENT = frozenset({Cause.BLIND, Cause.PERMISSION})  # a lone failed pass is no incident


@dataclass(frozen=True, slots=True)
class Trouble:
    """names: what exactly, so that more of it is news. began: since when, where that is known better than by the
    passes that saw it."""

    cause: Cause
    severity: Severity
    last_bad: float
    names: tuple[str, ...] = ()
    began: float | None = None


def follow(
    now: float,
    rules: RegionRules,
    state: RegionState,
    sight: RegionSight,
    links: Links,
    only: Collection[Cause] = OWN,
) -> tuple[RegionState, tuple[Alert, ...]]:
    """The Region's state after this pass, and the messages that its changes deserve. ``only``: the causes to look at,
    the others stay as they are."""
    state = up_to(now, state)
    # What was opened for an account goes on for it, and for none where none was known: pagers tell threads apart by it.
    account = state.account if state.incidents else sight.key.account or state.account
    sight = replace(sight, key=replace(sight.key, account=account))
    since = dict(state.troubled_since)
    incidents = dict(state.incidents)
    alerts: list[Alert] = []
    fresh = state.finished_at is None or now - state.finished_at <= rules.overdue_after
    for cause in (cause for cause in OWN if cause in only):
        trouble = _trouble(cause, now, state, sight)
        before = incidents.get(cause)
        if trouble is None:
            since.pop(cause, None)
        elif not (fresh or _is_open(before)):
            since[cause] = now  # nobody looked for a while: whether it lasted without a break is not known
        else:
            since.setdefault(cause, now)
        case = _Case(now, rules, sight, links, cause, trouble, since.get(cause, now))
        after, alert = case.follow(before)
        incidents.pop(cause, None)
        if after is not None:
            incidents[cause] = after
        if alert is not None:
            alerts.append(alert)
    return replace(state, account=account, incidents=incidents, troubled_since=since), tuple(alerts)


def _is_open(incident: Incident | None) -> bool:
    return incident is not None and incident.closed_at is None


def _trouble(cause: Cause, now: float, state: RegionState, sight: RegionSight) -> Trouble | None:
    if cause is Cause.BLIND:
        # Where a permission is what is missing, that is the incident, and one is enough.
        apart = not sight.is_locked_out or _is_open(state.incidents.get(Cause.BLIND))
        return Trouble(cause, Severity.CRITICAL, now) if sight.is_dark and apart else None
    if cause is Cause.PERMISSION:
        return _denied(now, sight) if sight.denied else None
    if cause is Cause.OVERDUE:
        gap = sight.gap
        if gap is None:
            return None
        severity = Severity.WARNING if gap.is_over else Severity.CRITICAL
        return Trouble(cause, severity, gap.until, began=gap.since)
    severity = Severity.CRITICAL if sight.acting else Severity.WARNING
    return Trouble(cause, severity, now) if sight.store_error else None


def _denied(now: float, sight: RegionSight) -> Trouble:
    """Worst where tables are not watched for it, or not changed that should be."""
    unseen = sight.is_locked_out or any(denial.operation == "DescribeTable" for denial in sight.denied)
    unchanged = sight.acting and any(denial.stops_changes for denial in sight.denied)
    names = tuple(sorted({denial.operation for denial in sight.denied}))
    return Trouble(Cause.PERMISSION, Severity.CRITICAL if unseen or unchanged else Severity.WARNING, now, names)


@dataclass(frozen=True, slots=True)
class _Case:
    """One cause in one pass. since: since when it holds without a break."""

    now: float
    rules: RegionRules
    sight: RegionSight
    links: Links
    cause: Cause
    trouble: Trouble | None
    since: float

    def follow(self, before: Incident | None) -> tuple[Incident | None, Alert | None]:
        if before is None or before.closed_at is not None:
            return self._begin(before)
        if self.trouble is None:
            return self._lull(before)
        return self._go_on(before, self.trouble)

    def _begin(self, last: Incident | None) -> tuple[Incident | None, Alert | None]:
        back = comes_back(self.rules, last, self.now)
        trouble = self.trouble
        if trouble is None or (self.cause in PATIENT and self.now - self.since < self.rules.blind_after):
            return (last if back else None), None
        if last is not None and back:
            incident = reopened(last)
        else:
            opened = self.since if trouble.began is None else trouble.began
            ident = f"{self.sight.key.region}.{self.cause}.{int(opened)}"
            incident = Incident(ident, opened, self.cause, "", trouble.severity, 1, 0.0, trouble.last_bad)
        incident = replace(incident, severity=trouble.severity, last_bad=trouble.last_bad, named=trouble.names)
        return self._told(incident, IncidentState.OPEN)

    def _go_on(self, incident: Incident, trouble: Trouble) -> tuple[Incident, Alert | None]:
        severity = max(incident.severity, trouble.severity, key=list(Severity).index)
        news = [name for name in trouble.names if name not in incident.named]
        grown = replace(
            incident,
            severity=severity,
            last_bad=max(incident.last_bad, trouble.last_bad),
            named=(*incident.named, *news),
        )
        if news or severity is not incident.severity:
            return self._told(replace(grown, sequence=grown.sequence + 1), IncidentState.WORSENED)
        return self._remind(grown)

    def _lull(self, incident: Incident) -> tuple[Incident, Alert | None]:
        # In the dark nobody can tell whether a permission is back.
        unknown = self.cause is Cause.PERMISSION and self.sight.is_dark
        if unknown or self.now - incident.last_bad < calm_needed(self.rules, incident.flaps):
            return self._remind(incident)
        return self._told(closed(incident, self.now), IncidentState.RESOLVED)

    def _remind(self, incident: Incident) -> tuple[Incident, Alert | None]:
        due = crossed(self.rules.repeats, incident.opened_at, incident.followed_at, self.now)
        if not due:
            return replace(incident, followed_at=self.now), None
        incident = replace(incident, sequence=incident.sequence + 1)
        after, alert = self._told(incident, IncidentState.OPEN, reminder=True)
        return after, replace(alert, repeats=due)

    def _told(self, incident: Incident, state: IncidentState, *, reminder: bool = False) -> tuple[Incident, Alert]:
        incident = replace(incident, followed_at=self.now)
        text = compose(incident, state, self.sight, self.now, self.since, reminder=reminder)
        links = links_of(self.links, self.sight.key, "", self.cause)
        alert = Alert(
            incident=incident.id,
            sequence=incident.sequence,
            state=state,
            severity=incident.severity,
            cause=self.cause,
            table=self.sight.key,
            index="",
            time=self.now,
            opened_at=incident.opened_at,
            subject=text.subject,
            sentence=text.sentence,
            facts=text.facts,
            done=text.done,
            todo=text.todo,
            links=(*links, HEALTH) if self.cause is Cause.BLIND else links,
        )
        return incident, alert
