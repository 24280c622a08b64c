"""One incident, one thread: opened, worsened, resolved; and the words that an on-call engineer reads at 03:00."""

from __future__ import annotations

from dataclasses import dataclass, replace

from watcher.core import advice
from watcher.core.briefing import Briefing
from watcher.core.diagnose import CURED_BY_CAPACITY, SEVERITY_ORDER, THROTTLING, View
from watcher.core.hot_keys.news import hottest
from watcher.core.model import Alert, TableKey
from watcher.core.policy import IncidentRules, TablePolicy
from watcher.core.reasons import Cause, IncidentState, Severity
from watcher.core.state import Incident

SUBJECT_LIMIT = 99  # SNS: less than 100 characters


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong in the visible window. impact: share of requests throttled, or latency over normal.
    worth_a_message: whether it may open an incident; less than that only keeps an open one open. lasting: the impact
    that is left after the last raise: what a raise may already have cured is not worse, it is not yet seen."""

    cause: Cause
    index: str
    severity: Severity
    impact: float
    last_bad: float
    worth_a_message: bool
    lasting: float


def follow(incident: Incident | None, briefing: Briefing) -> tuple[Incident | None, Alert | None]:
    """The incident after this step, and the message its change deserves, if any."""
    trouble = find_trouble(briefing)
    if incident is None:
        return _open(trouble, briefing) if trouble and trouble.worth_a_message else (None, None)
    if trouble is None:
        return _resolve(incident, briefing) if _is_calm(incident, briefing) else (incident, None)
    grown = replace(
        incident,
        events=incident.events + briefing.gained,
        last_bad=max(incident.last_bad, trouble.last_bad),
    )
    peak = _peak(incident, trouble)
    named = _named(incident.named, briefing, trouble)
    if not _is_worse(incident, trouble, briefing.policy):
        grown = replace(grown, peak=peak, named=named)
        return (grown, None) if named == incident.named else _name(grown, briefing)
    worse = replace(
        grown,
        named=named,
        cause=trouble.cause,
        index=trouble.index,
        severity=max(incident.severity, trouble.severity, key=list(Severity).index),
        sequence=incident.sequence + 1,
        peak=peak,
    )
    return worse, _message(worse, IncidentState.WORSENED, briefing)


def _named(before: tuple[str, ...], briefing: Briefing, trouble: Trouble) -> tuple[str, ...]:
    """The verdicts on hot keys that are told once this step's message is out. A name is what an on-call engineer waits
    for, so a first or another verdict is worth a message of its own; each only once, so that none goes to and fro."""
    finding = hottest(briefing.hot_keys, trouble.index) if trouble.cause in THROTTLING else None
    return before if finding is None or finding.verdict in before else (*before, finding.verdict.value)


def _name(incident: Incident, briefing: Briefing) -> tuple[Incident, Alert]:
    """The keys turned up after the incident was told, or mean something else than it seemed: it is as open as before,
    and has another name."""
    named = replace(incident, sequence=incident.sequence + 1)
    return named, _message(named, IncidentState.OPEN, briefing)


def _peak(incident: Incident, trouble: Trouble) -> float:
    """The worst impact so far, in the incident's unit: a share of requests is no multiple of a latency."""
    if (incident.cause in THROTTLING) == (trouble.cause in THROTTLING):
        return max(incident.peak, trouble.impact)
    worse = SEVERITY_ORDER.index(trouble.cause) < SEVERITY_ORDER.index(incident.cause)
    return trouble.impact if worse else incident.peak


def find_trouble(briefing: Briefing) -> Trouble | None:
    """What is wrong right now, or None."""
    diagnosis, now = briefing.diagnosis, briefing.now
    if diagnosis.cause in THROTTLING:
        worst = diagnosis.worst
        if worst is None:
            return None
        return _throttling(diagnosis.cause, diagnosis.index, worst, briefing.policy, now)
    if diagnosis.cause is Cause.SLOW and diagnosis.slow is not None:
        _, normal = diagnosis.slow
        return Trouble(
            Cause.SLOW,
            "",
            Severity.WARNING,
            normal.average / max(normal.mean, 0.001),
            normal.newest,
            worth_a_message=True,
            lasting=normal.average / max(normal.mean, 0.001),
        )
    if diagnosis.cause is Cause.BLIND and any(view.newest is not None for view in diagnosis.views.values()):
        # A table that never had a point may simply be unused; one that fell silent is news.
        return Trouble(Cause.BLIND, "", Severity.WARNING, 0.0, now, worth_a_message=True, lasting=0.0)
    return None


def _throttling(cause: Cause, index: str, worst: View, policy: TablePolicy, now: float) -> Trouble:
    rules = policy.incidents
    bad = [minute.start for minute in worst.recent if minute.causes]
    many = worst.events >= rules.open_events or len(bad) >= rules.open_minutes
    steady = len(bad) == len(worst.recent) and len(bad) >= rules.open_minutes
    raised = worst.raised_at if cause in CURED_BY_CAPACITY else None
    lasting = worst.share if raised is None else worst.share_since(raised + policy.tuning.actuation)
    return Trouble(
        cause=cause,
        index=index,
        # What is left may be a larger share than the whole window's, and is then told once as what it is.
        severity=_severity(max(worst.share, lasting), rules),
        impact=worst.share,
        last_bad=max(bad, default=now),
        worth_a_message=many and (worst.share >= rules.open_share or steady),
        lasting=lasting,
    )


def _severity(share: float, rules: IncidentRules) -> Severity:
    return Severity.CRITICAL if share >= rules.critical_share else Severity.WARNING


def _is_worse(incident: Incident, trouble: Trouble, policy: TablePolicy) -> bool:
    rules = policy.incidents
    if (
        trouble.cause in THROTTLING
        and incident.severity is Severity.WARNING
        and trouble.lasting >= rules.critical_share
    ):
        return True
    if SEVERITY_ORDER.index(trouble.cause) < SEVERITY_ORDER.index(incident.cause) and trouble.worth_a_message:
        return True
    return trouble.cause in THROTTLING and trouble.lasting >= max(0.01, incident.peak * rules.worsen_factor)


def _is_calm(incident: Incident, briefing: Briefing) -> bool:
    """Fresh minutes, long enough, without the trouble. Silence of CloudWatch is not calm."""
    if briefing.diagnosis.cause is Cause.BLIND:
        return False
    seen = [view for view in briefing.diagnosis.views.values() if view.newest is not None]
    if incident.cause is Cause.BLIND:
        return bool(seen)
    # Judged by where it hurt, as long as that exists, and by the slower of its reads and writes.
    seen = [view for view in seen if view.dimension.index == incident.index] or seen
    newest = min((view.newest for view in seen if view.newest is not None), default=None)
    return newest is not None and newest - incident.last_bad >= briefing.policy.incidents.resolve_after


def _open(trouble: Trouble, briefing: Briefing) -> tuple[Incident, Alert]:
    key = briefing.description.key
    incident = Incident(
        id=f"{key.region}.{key.name}.{int(briefing.now)}",
        opened_at=briefing.now,
        cause=trouble.cause,
        index=trouble.index,
        severity=trouble.severity,
        sequence=1,
        peak=trouble.impact,
        last_bad=trouble.last_bad,
        events=briefing.gained,
        named=_named((), briefing, trouble),
    )
    return incident, _message(incident, IncidentState.OPEN, briefing)


def _resolve(incident: Incident, briefing: Briefing) -> tuple[None, Alert]:
    ended = replace(incident, sequence=incident.sequence + 1)
    return None, _message(ended, IncidentState.RESOLVED, briefing)


def _message(incident: Incident, state: IncidentState, briefing: Briefing) -> Alert:
    text = advice.compose(incident, state, briefing)
    return Alert(
        incident=incident.id,
        sequence=incident.sequence,
        state=state,
        severity=incident.severity,
        cause=incident.cause,
        table=briefing.description.key,
        index=incident.index,
        time=briefing.now,
        opened_at=incident.opened_at,
        subject=advice.headed(briefing.description.key.name, text.subject, SUBJECT_LIMIT),
        sentence=text.sentence,
        facts=text.facts,
        done=text.done,
        todo=text.todo,
    )


def end_of_table(now: float, key: TableKey, incident: Incident, why: str) -> Alert:
    """The last message of an incident whose table is watched no longer. why: "deleted", "no longer watched"."""
    return Alert(
        incident=incident.id,
        sequence=incident.sequence + 1,
        state=IncidentState.RESOLVED,
        severity=incident.severity,
        cause=incident.cause,
        table=key,
        index=incident.index,
        time=now,
        opened_at=incident.opened_at,
        subject=advice.headed(key.name, f"{why}, incident closed", SUBJECT_LIMIT),
        sentence=f"{key.name} is {why}; its incident is closed.",
        todo="Nothing.",
    )
