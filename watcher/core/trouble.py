"""What is wrong with one table right now, how bad that is, and whether it is worth a message.

Severity is impact: a large share of requests throttled is critical, a notable share once it has lasted; so is an
average latency far above its normal, or for long. What cannot be done, or cannot be seen, is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from watcher.core import latency
from watcher.core.blocked import in_sight, is_lasting
from watcher.core.briefing import Briefing
from watcher.core.diagnose import CURED_BY_CAPACITY, SEVERITY_ORDER, THROTTLING, View
from watcher.core.policy import IncidentRules, TablePolicy
from watcher.core.reasons import Cause, Severity
from watcher.core.series import MINUTE
from watcher.core.state import Incident

# A share that is worth a word of its own: whatever the multiple, less than this is no news.
NOTABLE_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong in the visible window. impact: share of requests throttled, or latency over normal.

    last_bad: start of the newest minute that shows it. worth_a_message: whether it may open an incident; less than that
    only keeps an open one open. lasting: the impact that is left after the last raise: what a raise may already have
    cured is not worse, it is not yet seen. grave: whether that much of it is critical. bad_since: of throttling that
    gives no relief within the window, the start of its first minute there; None for anything less.
    """

    cause: Cause
    index: str
    severity: Severity
    impact: float
    last_bad: float
    worth_a_message: bool
    lasting: float
    grave: bool = False
    bad_since: float | None = None


def find_trouble(briefing: Briefing, incident: Incident | None) -> Trouble | None:
    """What is wrong, or None: the worst that is worth a message, else the worst. incident: the open one.

    An incident that is open for throttling stays with it: how slow a table is that throttles is no verdict on it.
    """
    found = list(_found(briefing, incident))
    if incident is not None and incident.cause in THROTTLING:
        return found[0] if found else None
    return next((trouble for trouble in found if trouble.worth_a_message), found[0] if found else None)


def _found(briefing: Briefing, incident: Incident | None) -> Iterator[Trouble]:
    """Everything that is wrong, worst first."""
    diagnosis, policy = briefing.diagnosis, briefing.policy
    worst = diagnosis.worst
    if diagnosis.cause in THROTTLING and worst is not None:
        yield _throttling(diagnosis.cause, diagnosis.index, worst, policy, briefing.now)
    if diagnosis.slow is not None:
        yield _slow(diagnosis.slow, policy.incidents)
    held = _held(briefing, incident)
    if held is not None:
        yield held
    if diagnosis.cause is Cause.BLIND and any(view.newest is not None for view in diagnosis.views.values()):
        # A table that never had a point may simply be unused; one that fell silent is news.
        yield Trouble(Cause.BLIND, "", Severity.WARNING, 0.0, briefing.now, worth_a_message=True, lasting=0.0)


def _throttling(cause: Cause, index: str, worst: View, policy: TablePolicy, now: float) -> Trouble:
    rules = policy.incidents
    bad = [minute.start for minute in worst.recent if minute.causes]
    many = worst.events >= rules.open_events or len(bad) >= rules.open_minutes
    steady = len(bad) == len(worst.recent) and len(bad) >= rules.open_minutes
    raised = worst.raised_at if cause in CURED_BY_CAPACITY else None
    lasting = worst.share if raised is None else worst.share_since(raised + policy.tuning.actuation)
    relentless = worst.share >= rules.lasting_share and 2 * len(bad) > len(worst.recent)
    return Trouble(
        cause=cause,
        index=index,
        # What is left may be a larger share than the whole window's, and is then told once as what it is.
        severity=_severity(critical=max(worst.share, lasting) >= rules.critical_share),
        impact=worst.share,
        last_bad=max(bad, default=now),
        worth_a_message=many and (worst.share >= rules.open_share or steady),
        lasting=lasting,
        grave=lasting >= rules.critical_share,
        bad_since=min(bad) if relentless else None,
    )


def _slow(slow: latency.Slow, rules: IncidentRules) -> Trouble:
    critical = latency.is_critical(rules, slow)
    return Trouble(
        cause=Cause.SLOW,
        index="",
        severity=_severity(critical=critical),
        impact=slow.times,
        last_bad=slow.normal.newest,
        worth_a_message=True,
        lasting=slow.times,
        grave=critical,
    )


def _held(briefing: Briefing, incident: Incident | None) -> Trouble | None:
    """A needed change that is held, of what can be seen: a raise first, then what is held longest.

    A raise held for a moment only keeps an open incident open. A decrease is trouble only once it is held for too long,
    and of its own incident: that requests are served again is told whatever else cannot be lowered.
    """
    rules = briefing.policy.incidents
    told = [
        (not one.rising, one.since, dimension)
        for dimension, one in in_sight(briefing.diagnosis, briefing.blocked).items()
        if one.rising or (is_lasting(briefing.now, rules, one) and _is_of_its_own(incident))
    ]
    if not told:
        return None
    _, _, dimension = min(told)
    newest = briefing.diagnosis.views[dimension].newest
    return Trouble(
        cause=Cause.CANNOT_ACT,
        index=dimension.index,
        severity=Severity.WARNING,
        impact=0.0,
        last_bad=briefing.now if newest is None else newest,
        worth_a_message=is_lasting(briefing.now, rules, briefing.blocked[dimension]),
        lasting=0.0,
    )


def _is_of_its_own(incident: Incident | None) -> bool:
    return incident is None or incident.cause is Cause.CANNOT_ACT


def _severity(*, critical: bool) -> Severity:
    return Severity.CRITICAL if critical else Severity.WARNING


def is_worse(incident: Incident, trouble: Trouble, rules: IncidentRules) -> bool:
    """Whether it is news that the incident's readers must hear: critical now, another cause that is worse, or several
    times its worst so far."""
    if incident.severity is Severity.WARNING and (trouble.grave or is_enduring(incident, trouble, rules)):
        return True
    if SEVERITY_ORDER.index(trouble.cause) < SEVERITY_ORDER.index(incident.cause) and trouble.worth_a_message:
        return True
    return trouble.cause in THROTTLING and trouble.lasting >= max(NOTABLE_SHARE, incident.peak * rules.worsen_factor)


def bad_since(incident: Incident, trouble: Trouble | None, *, unseen: bool) -> float | None:
    """Since when it throttles without relief. unseen: nothing can be said of this step, so nothing begins or ends."""
    if unseen:
        return incident.bad_since
    if trouble is None or trouble.bad_since is None:
        return None
    return trouble.bad_since if incident.bad_since is None else incident.bad_since


def is_enduring(incident: Incident, trouble: Trouble, rules: IncidentRules) -> bool:
    """Whether it has throttled for so long without relief that this alone is critical."""
    since = bad_since(incident, trouble, unseen=False)
    return since is not None and trouble.last_bad + MINUTE - since >= rules.critical_after


def peak(incident: Incident, trouble: Trouble) -> float:
    """The worst impact so far, in the incident's unit: a share of requests is no multiple of a latency."""
    if (incident.cause in THROTTLING) == (trouble.cause in THROTTLING):
        return max(incident.peak, trouble.impact)
    worse = SEVERITY_ORDER.index(trouble.cause) < SEVERITY_ORDER.index(incident.cause)
    return trouble.impact if worse else incident.peak
