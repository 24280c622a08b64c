"""One incident, one thread: opened, worsened, resolved; and again, where it comes back.

A table has one incident, whatever its trouble is. Trouble that comes back soon after it was resolved goes on with the
same incident: its number, its sequence, its opening, its count of events; severity, cause and worst impact are those of
the trouble that came back. Each time the calm that resolves it is longer, so a table that flaps sends ever fewer
messages, and none of them late.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from watcher.core import advice, flapping
from watcher.core.briefing import Briefing
from watcher.core.diagnose import THROTTLING
from watcher.core.hot_keys.news import hottest
from watcher.core.model import Alert, TableKey
from watcher.core.reasons import Cause, IncidentState, Severity
from watcher.core.state import Incident
from watcher.core.trouble import Trouble, bad_since, find_trouble, is_enduring, is_worse, peak

SUBJECT_LIMIT = 99  # SNS: less than 100 characters


class Followed(NamedTuple):
    """incident: the open one. last: the one resolved last, while trouble that comes back belongs to it."""

    incident: Incident | None
    last: Incident | None
    alert: Alert | None


def follow(incident: Incident | None, last: Incident | None, briefing: Briefing) -> Followed:
    """The incident after this step, and the message its change deserves, if any. last: the one resolved last."""
    rules, now = briefing.policy.incidents, briefing.now
    incident = None if incident is None else incident.up_to(now)
    last = None if last is None else last.up_to(now)
    trouble = find_trouble(briefing, incident)
    if incident is None:
        last = last if flapping.comes_back(rules, last, now) else None
        if trouble is None or not trouble.worth_a_message:
            return Followed(None, last, None)
        return _told(_opened(trouble, last, briefing), IncidentState.OPEN, briefing)
    if trouble is None and _is_calm(incident, briefing):
        ended = flapping.closed(incident, now)
        return Followed(None, ended, _message(ended, IncidentState.RESOLVED, briefing))
    after, news = _grown(incident, trouble, briefing)
    if incident.retell:  # whoever reads of it now has not heard of it
        news = IncidentState.OPEN
    repeats = () if news else flapping.crossed(rules.repeats, incident.opened_at, incident.followed_at, now)
    after = replace(after, retell=False, followed_at=now)
    if news is None and not repeats:
        return Followed(after, None, None)
    after = replace(after, sequence=incident.sequence + 1)
    return _told(after, news or IncidentState.OPEN, briefing, repeats, retold=incident.retell, before=incident)


def _told(
    incident: Incident,
    state: IncidentState,
    briefing: Briefing,
    repeats: tuple[float, ...] = (),
    *,
    retold: bool = False,
    before: Incident | None = None,
) -> Followed:
    return Followed(incident, None, _message(incident, state, briefing, repeats, retold=retold, before=before))


def _grown(incident: Incident, trouble: Trouble | None, briefing: Briefing) -> tuple[Incident, IncidentState | None]:
    """The open incident after this step, and what of that is news."""
    unseen = briefing.diagnosis.cause is Cause.BLIND
    since = bad_since(incident, trouble, unseen=unseen)
    if trouble is None:
        return replace(incident, bad_since=since), None
    rules = briefing.policy.incidents
    grown = replace(
        incident,
        events=incident.events + briefing.gained,
        last_bad=max(incident.last_bad, trouble.last_bad),
        bad_since=since,
        peak=peak(incident, trouble),
        named=_named(incident.named, briefing, trouble),
    )
    if not is_worse(incident, trouble, rules):
        # The keys turned up after the incident was told, or mean something else than it seemed: it is as open as
        # before, and has another name.
        return grown, IncidentState.OPEN if grown.named != incident.named else None
    enduring = is_enduring(incident, trouble, rules)
    severity = Severity.CRITICAL if enduring else max(incident.severity, trouble.severity, key=list(Severity).index)
    worse = replace(grown, cause=trouble.cause, index=trouble.index, severity=severity)
    return worse, IncidentState.WORSENED


def _named(before: tuple[str, ...], briefing: Briefing, trouble: Trouble) -> tuple[str, ...]:
    """The verdicts on hot keys that are told once this step's message is out. A name is what an on-call engineer waits
    for, so a first or another verdict is worth a message of its own; each only once, so that none goes to and fro."""
    finding = hottest(briefing.hot_keys, trouble.index) if trouble.cause in THROTTLING else None
    return before if finding is None or finding.verdict in before else (*before, finding.verdict.value)


def _is_calm(incident: Incident, briefing: Briefing) -> bool:
    """Fresh minutes, long enough, without the trouble. Silence of CloudWatch is not calm."""
    if briefing.diagnosis.cause is Cause.BLIND:
        return False
    seen = [view for view in briefing.diagnosis.views.values() if view.newest is not None]
    if incident.cause is Cause.BLIND and not incident.flaps:
        return bool(seen)
    # Judged by where it hurt, as long as that exists, and by the slower of its reads and writes.
    seen = [view for view in seen if view.dimension.index == incident.index] or seen
    newest = min((view.newest for view in seen if view.newest is not None), default=None)
    needed = flapping.calm_needed(briefing.policy.incidents, incident.flaps)
    return newest is not None and newest - incident.last_bad >= needed


def _opened(trouble: Trouble, last: Incident | None, briefing: Briefing) -> Incident:
    """A new incident, or the last one once more."""
    now, key = briefing.now, briefing.description.key
    incident = Incident(
        id=f"{key.region}.{key.name}.{int(now)}",
        opened_at=now,
        cause=trouble.cause,
        index=trouble.index,
        severity=trouble.severity,
        sequence=1,
        peak=trouble.impact,
        last_bad=trouble.last_bad,
        events=briefing.gained,
        named=_named(last.named if last else (), briefing, trouble),
        followed_at=now,
        bad_since=trouble.bad_since,
    )
    if last is None:
        return incident
    again = flapping.reopened(last)
    return replace(
        incident,
        id=again.id,
        opened_at=again.opened_at,
        sequence=again.sequence,
        flaps=again.flaps,
        events=again.events + briefing.gained,
    )


def _message(
    incident: Incident,
    state: IncidentState,
    briefing: Briefing,
    repeats: tuple[float, ...] = (),
    *,
    retold: bool = False,
    before: Incident | None = None,
) -> Alert:
    text = advice.compose(incident, state, briefing, reminder=bool(repeats), retold=retold, before=before)
    key = briefing.description.key
    return Alert(
        incident=incident.id,
        sequence=incident.sequence,
        state=state,
        severity=incident.severity,
        cause=incident.cause,
        table=key,
        index=incident.index,
        time=briefing.now,
        opened_at=incident.opened_at,
        subject=advice.headed(key.name, text.subject, SUBJECT_LIMIT),
        sentence=text.sentence,
        facts=text.facts,
        done=text.done,
        todo=text.todo,
        links=text.links,
        repeats=repeats,
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
