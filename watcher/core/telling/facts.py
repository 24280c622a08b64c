"""The numbers, in the order in which a reader needs them: since when, how bad, which keys, what is left, the cost."""

from __future__ import annotations

from collections.abc import Mapping

from watcher.core.briefing import Briefing
from watcher.core.budget import budget
from watcher.core.diagnose import CURED_BY_CAPACITY, THROTTLING, View
from watcher.core.hot_keys import HotKey, HotKeyFinding, KeyVerdict
from watcher.core.hot_keys.news import ASKS_FOR_KEYS, hottest
from watcher.core.latency import LEARNING_MINUTES
from watcher.core.model import Billing, Throughput
from watcher.core.reasons import Cause, IncidentState
from watcher.core.series import MINUTE
from watcher.core.state import Incident
from watcher.core.telling.case import Case, case_of, wanted
from watcher.core.telling.held import by_hand
from watcher.core.telling.money import cost_of
from watcher.core.telling.names import CAUSE_WORDS, UNDER_WAY, ordinal, place
from watcher.core.words import count, duration, milliseconds, percent, rate, time_of_day, units

Facts = list[tuple[str, str]]
KEYS_SHOWN = 5


def facts_of(case: Case) -> tuple[tuple[str, str], ...]:
    if case.state is IncidentState.RESOLVED:
        return tuple(_of_the_end(case))
    cost, command = cost_of(case), by_hand(case)
    # Where capacity is neither the matter nor moved, its price and what may be lowered are noise.
    is_of_capacity = case.cause not in (Cause.SLOW, Cause.BLIND) or bool(case.changes)
    return (
        ("since", _since(case)),
        *_before(case),
        *_of_the_place(case),
        *_of_latency(case),
        *_of_keys(case.cause, case.incident.index, case.briefing.hot_keys),
        *(_decreases(case) if is_of_capacity else ()),
        *([("cost", cost)] if cost and is_of_capacity else ()),
        *([("by hand", command)] if command else ()),
    )


def _since(case: Case) -> str:
    """When the trouble was first seen; of one that came back, when it was first."""
    began = min(case.incident.opened_at, first_seen(case))
    when = f"{time_of_day(began, case.now)}, {duration(max(0.0, case.now - began))} ago"
    return f"{when}; this is the {ordinal(case.incident.flaps + 1)} time" if case.incident.flaps else when


def _before(case: Case) -> Facts:
    """Of what got worse, what it was at its worst until now."""
    before = case.before
    if case.state is not IncidentState.WORSENED or before is None:
        return []
    worst = ""
    if before.cause in THROTTLING:
        worst = f", {percent(before.peak)} of requests at its worst"
    elif before.cause is Cause.SLOW:
        worst = f", {before.peak:.1f} times the normal at its worst"
    return [("before", f"{before.severity}: {CAUSE_WORDS[before.cause]}{worst}")]


def first_seen(case: Case) -> float:
    if case.blocked is not None:
        return case.blocked[1].since
    slow = case.briefing.diagnosis.slow
    if case.cause is Cause.SLOW and slow is not None:
        return slow.normal.newest - (slow.minutes - 1) * MINUTE
    if case.cause is Cause.BLIND and case.view is not None and case.view.newest is not None:
        return case.view.newest + MINUTE
    bad = [minute.start for minute in case.view.recent if minute.causes] if case.view is not None else []
    return min(bad, default=case.incident.opened_at)


def _of_the_place(case: Case) -> Facts:
    view = case.view
    if view is None or case.cause is Cause.BLIND:
        return []
    facts = [
        ("demand", _demand_told(case, view)),
        ("consumed", _rate(view.consumed)),
        ("provisioned", f"{units(view.provisioned)} units/s" if view.provisioned else "on demand"),
    ]
    facts += _needed(case, view)
    if case.cause is Cause.CANNOT_ACT and not view.events:
        facts.append(("throttled", "nothing so far"))
    if case.cause in THROTTLING:
        events = f"{count(view.events, 'event')} in {len(view.recent)} min ({percent(view.share)})"
        facts.append(("throttled", events))
        if len(view.throttled) > 1:
            parts = sorted(view.throttled.items())
            facts += [(f"throttled, {CAUSE_WORDS[cause]}", count(number, "event")) for cause, number in parts]
    return facts


def _needed(case: Case, view: View) -> Facts:
    """What a change that is held would have gone to, unless it comes by itself."""
    held = (d for d in case.decisions if d.dimension == view.dimension and d.reason not in UNDER_WAY)
    goals = [goal for goal in map(wanted, held) if goal is not None]
    return [("needed" if goal > view.provisioned else "enough", f"{units(goal)} units/s") for goal in goals]


def demand_told(incident: Incident, briefing: Briefing) -> float | None:
    """What a message tells as the demand of an open incident, units per second."""
    case = case_of(incident, IncidentState.OPEN, briefing)
    return None if case.view is None else _demand(case.cause, case.view)


def _demand_told(case: Case, view: View) -> str:
    """The highest of the window; with the newest beside it where a decision speaks of that, and it is another."""
    told = _rate(_demand(case.cause, view))
    here = (decision for decision in case.decisions if decision.dimension == view.dimension)
    for decision in here:
        newest = decision.evidence.get("demand")
        if newest is not None and rate(newest) != told and f"demand {rate(newest)}" in decision.sentence:
            return f"{told} at the highest, {rate(newest)} in the newest minute"
    return told


def _demand(cause: Cause, view: View) -> float | None:
    """The estimate where capacity is the answer; elsewhere what was asked for, served or not."""
    if cause in CURED_BY_CAPACITY or cause is Cause.CANNOT_ACT:
        return view.demand(len(view.recent))
    asked = [minute.served + minute.refused for minute in view.recent]
    return max(asked) / MINUTE if asked else None


def _rate(value: float | None) -> str:
    return "unknown" if value is None else rate(value)


def _of_latency(case: Case) -> Facts:
    slow = case.briefing.diagnosis.slow
    if slow is None:
        return []
    normal = slow.normal
    average = f"{milliseconds(normal.average)} on average (normal {milliseconds(normal.mean)})"
    if normal.p99 is None:
        return [(f"{slow.operation} latency", average)]
    usual = f" (normal {milliseconds(normal.p99_mean)})" if normal.p99_minutes >= LEARNING_MINUTES else ""
    return [(f"{slow.operation} latency", f"{average}, {milliseconds(normal.p99)} at the 99th percentile{usual}")]


def _of_keys(cause: Cause, index: str, found: Mapping[str, HotKeyFinding]) -> Facts:
    """The verdict on each place that it concerns, with its keys. Where capacity is the answer, that the keys are not
    known is nobody's worry."""
    facts = []
    is_named = hottest(found, index) is not None
    for where, finding in sorted(found.items()):
        if finding.verdict is KeyVerdict.UNKNOWN and (is_named or cause not in ASKS_FOR_KEYS):
            continue
        of = f" of index {where}" if where else ""
        facts.append((f"hot keys{of}", finding.sentence))
        if finding.keys:
            facts.append((f"keys{of}", "; ".join(_key(key) for key in finding.keys[:KEYS_SHOWN])))
        elif finding.verdict is KeyVerdict.UNKNOWN and finding.blind:
            facts.append((f"not seen{of}", " ".join(finding.blind)))
    return facts


def _key(key: HotKey) -> str:
    of = "of the traffic" if key.of_traffic else "of the throttled requests"
    ceiling = "" if key.ceiling_share is None else f", {percent(key.ceiling_share)} of a partition's ceiling consumed"
    throttled = f", {count(key.throttled, 'throttle')} a minute" if key.throttled else ""
    return f"{key.key} {percent(key.share)} {of}{ceiling}{throttled}"


def _decreases(case: Case) -> Facts:
    """Of the table, and of each index that is changed or in trouble: what goes up must come down."""
    description = case.briefing.description
    if description.billing is Billing.ON_DEMAND:
        return []
    concerned = {decision.dimension.index for decision in case.changes}
    concerned.add(case.view.dimension.index if case.view is not None else case.incident.index)
    known = {index: description.throughputs[index] for index in sorted(concerned) if index in description.throughputs}
    if list(known) == [""]:
        return [("decreases left", _left(case.now, known[""]))]
    left = "; ".join(f"{_left(case.now, part)} ({place(index)})" for index, part in known.items())
    return [("decreases left", left)] if left else []


def _left(now: float, part: Throughput) -> str:
    left = budget(now, part)
    if left.left:
        return f"{left.left} of today's first 4"
    if left.allowed:
        return "1, then one an hour"
    return f"none, the next at {time_of_day(now + left.wait, now)}"


def _of_the_end(case: Case) -> Facts:
    incident, now = case.incident, case.now
    facts = [
        ("open", f"{time_of_day(incident.opened_at, now)} to {time_of_day(now, now)}"),
        ("last seen bad", time_of_day(incident.last_bad, now)),
    ]
    if incident.events:
        facts.append(("throttled in all", count(incident.events, "event")))
    part = case.briefing.description.throughputs.get(incident.index)
    if part is not None and case.briefing.description.billing is not Billing.ON_DEMAND:
        where = f" ({place(incident.index)})" if incident.index else ""
        provisioned = ", ".join(f"{kind}s {units(part.units[kind])}" for kind in sorted(part.units))
        facts.append(("provisioned now", f"{provisioned}{where}"))
        facts.append(("decreases left", f"{_left(now, part)}{where}"))
    return facts
