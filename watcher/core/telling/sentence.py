"""The one sentence: what is wrong, with its numbers; what was, once it is over."""

from __future__ import annotations

from collections.abc import Mapping

from watcher.core.diagnose import Diagnosis, View
from watcher.core.flapping import calm_needed
from watcher.core.latency import Slow, Statistic
from watcher.core.model import Dimension, Kind
from watcher.core.policy import IncidentRules
from watcher.core.reasons import Cause, IncidentState
from watcher.core.series import MINUTE
from watcher.core.state import Blocked, Incident
from watcher.core.telling.case import Case, longest_held, wanted
from watcher.core.telling.names import CAUSE_WORDS, held_sentence, ordinal, place, whose
from watcher.core.words import capitalised, count, duration, milliseconds, percent, rate, time_of_day, units


def sentence_of(case: Case) -> str:
    text = _again(case, _what_is(case))
    if case.retold:
        return f"The storm is over and this is left: {_within(text)}"
    if not case.reminder:
        return text
    return f"Still open after {duration(case.now - case.incident.opened_at)}: {_within(text)}"


def _what_is(case: Case) -> str:
    if case.cause is Cause.CANNOT_ACT:
        return _held(case)
    if case.cause is Cause.NONE:
        return _calm(case.now, case.name, case.incident, case.briefing.policy.incidents)
    return story(case.name, case.cause, case.view, case.briefing.diagnosis.slow, case.now)


def _again(case: Case, text: str) -> str:
    flaps = case.incident.flaps
    if not flaps or case.state is not IncidentState.OPEN or case.reminder or case.retold or case.found is not None:
        return text
    since = time_of_day(case.incident.opened_at, case.now)
    return f"Again, for the {ordinal(flaps + 1)} time since {since}: {_within(text)}"


def _within(text: str) -> str:
    """As it goes on after a colon; names of tables and operations keep their case."""
    return text[:1].lower() + text[1:] if text.startswith(("Reads ", "Writes ")) else text


def story(name: str, cause: Cause, view: View | None, slow: Slow | None, now: float) -> str:
    """The verdict on a table in one sentence. view: where it hurts."""
    if cause is Cause.SLOW and slow is not None:
        return (
            f"{slow.operation} on {name} is slow but not throttled: {_statistic(slow)} against a normal of "
            f"{milliseconds(slow.usual)}, for {count(slow.minutes, 'minute')}."
        )
    if cause is Cause.BLIND:
        if view is None or view.newest is None:
            return f"{name}: CloudWatch has published no consumption, so nothing can be said."
        age = duration(now - view.newest - MINUTE)
        return f"{name} cannot be seen: the newest CloudWatch point is {age} old."
    if cause is Cause.NONE or view is None:
        return f"{name} is well."
    events = f"{count(view.events, 'event')} in {len(view.recent)} min, {percent(view.share)} of requests"
    return f"{capitalised(whose(name, view.dimension))} are throttled ({events}): {_because(cause, view, now)}."


def verdict(
    now: float,
    name: str,
    diagnosis: Diagnosis,
    incident: Incident | None,
    rules: IncidentRules,
    blocked: Mapping[Dimension, Blocked] | None = None,
) -> str:
    """How a table is, in one sentence, its open incident considered: calm is not yet over. blocked: what is held."""
    held = longest_held(blocked or {}, diagnosis.index)
    if diagnosis.cause is Cause.CANNOT_ACT and held is not None:
        dimension, change = held
        return f"{_need(now, name, dimension, change)}: {held_sentence(change.reason)}."
    if incident is None or diagnosis.cause is not Cause.NONE:
        return story(name, diagnosis.cause, diagnosis.worst, diagnosis.slow, now)
    return _calm(now, name, incident, rules)


def _statistic(slow: Slow) -> str:
    how = "at the 99th percentile" if slow.statistic is Statistic.P99 else "on average"
    return f"{milliseconds(slow.value)} {how}"


def _calm(now: float, name: str, incident: Incident, rules: IncidentRules) -> str:
    calm = duration(max(0.0, now - incident.last_bad - MINUTE))
    return (
        f"{name} has been calm for {calm} ({CAUSE_WORDS[incident.cause]} before that); "
        f"the incident closes after {duration(calm_needed(rules, incident.flaps))} seen without trouble."
    )


def _need(now: float, name: str, dimension: Dimension, blocked: Blocked, goal: int | None = None) -> str:
    held = duration(max(0.0, now - blocked.since))
    what, to = capitalised(whose(name, dimension)), "" if goal is None else f" to {units(goal)}"
    if blocked.rising:
        return f"{what} have needed more capacity for {held} and cannot be raised{to}"
    return f"{what} have had capacity to spare for {held} and cannot be lowered{to}"


def _held(case: Case) -> str:
    """Which change is held, since when, and by what."""
    if case.blocked is None:
        return f"{case.name} is well."
    dimension, blocked = case.blocked
    hold = next((d for d in case.briefing.decisions if d.dimension == dimension), None)
    goal = wanted(hold) if hold is not None else None
    return f"{_need(case.now, case.name, dimension, blocked, goal)}: {held_sentence(blocked.reason)}."


def _because(cause: Cause, view: View, now: float) -> str:
    demand = view.demand(len(view.recent)) or 0.0
    consumed = max((minute.served for minute in view.recent), default=0.0) / MINUTE
    if cause is Cause.PROVISIONED:
        if view.expected is not None and view.expected > view.provisioned:
            return f"demand {rate(demand)} against {units(view.provisioned)}, being raised to {units(view.expected)}"
        if view.raised_at is not None and view.recent and view.raised_at > view.recent[0].start:
            ago = duration(max(0.0, now - view.raised_at))
            return f"demand {rate(demand)}; capacity was raised to {units(view.provisioned)} {ago} ago"
        return f"demand {rate(demand)} against {units(view.provisioned)} provisioned"
    if cause is Cause.KEY_RANGE:
        ceiling = "3,000 read units/s" if view.dimension.kind is Kind.READ else "1,000 write units/s"
        return f"one key range is above a partition's {ceiling}, which more capacity cannot lift"
    if cause is Cause.INDEX_BACK_PRESSURE:
        return "an index cannot take its share of the writes, so DynamoDB refuses them at the table"
    if cause is Cause.ON_DEMAND_CAP:
        what = "table" if view.dimension.is_table else "index"
        return f"traffic of {rate(consumed)} reaches the maximum its owner set on the on-demand {what}"
    if cause is Cause.ACCOUNT_LIMIT:
        return f"an account or table quota is reached at {rate(consumed)}"
    return f"consumption peaks at {rate(consumed)} on {units(view.provisioned)} provisioned, and AWS gives no cause"


def resolved_of(case: Case) -> str:
    """The whole story: how long it has been calm, how long it was open, how often it came back."""
    incident, name = case.incident, case.name
    lasted = duration(case.now - incident.opened_at)
    was_open = f"it came {incident.flaps + 1} times within {lasted}" if incident.flaps else f"it was open for {lasted}"
    if incident.cause is Cause.BLIND:
        return f"{name} can be seen again; {was_open} (CloudWatch was silent)."
    if incident.cause is Cause.CANNOT_ACT:
        where = f" ({place(incident.index)})" if incident.index else ""
        return f"{name} has what it needs: no change is held any more; {was_open}{where}."
    calm = duration(_calm_seen(case))
    where = f"{place(incident.index)}: " if incident.index else ""
    return f"{name} is well again: nothing bad for {calm}; {was_open} ({where}{CAUSE_WORDS[incident.cause]})."


def _calm_seen(case: Case) -> float:
    """Seconds without the trouble that CloudWatch has shown; never fewer than were asked for."""
    views = [view for view in case.briefing.diagnosis.views.values() if view.newest is not None]
    own = [view for view in views if view.dimension.index == case.incident.index] or views
    newest = min((view.newest for view in own if view.newest is not None), default=None)
    needed = calm_needed(case.briefing.policy.incidents, case.incident.flaps)
    return needed if newest is None else max(needed, newest - case.incident.last_bad)
