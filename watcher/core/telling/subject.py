"""The subject after the table's name: what is wrong, and what was done, as much of it as fits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from watcher.core.diagnose import CURED_BY_CAPACITY, THROTTLING
from watcher.core.hot_keys import KeyVerdict
from watcher.core.latency import Statistic
from watcher.core.model import Alert, Decision, Dimension
from watcher.core.reasons import Cause, IncidentState, Mode, Reason, Severity
from watcher.core.telling.case import Case, wanted
from watcher.core.telling.held import the_hold
from watcher.core.telling.names import (
    CAUSE_WORDS,
    FLOOR_REASONS,
    HELD_WORDS,
    KEY_WORDS,
    SHORTEST_INDEX,
    SHORTEST_NAME,
    UNDER_WAY,
    WORSE,
    WORSE_CRITICAL,
    fits,
    headed,
    ordinal,
    shortened,
)
from watcher.core.words import duration, units


def subject_of(case: Case) -> str:
    """The longest form that fits beside the table's name: what is done elsewhere gives way first, then why nothing is,
    then names of indexes, then the cause, but neither what is wrong nor what was done there."""
    longest = max((len(index) for index in case.briefing.description.throughputs), default=0)
    forms = [_form(case, size) for size in (replace(_WHOLE, room=longest), *_SIZES)]
    return next((text for text in forms if fits(case.name, text)), forms[-1])


# Why capacity is left alone where it is not the cure.
NOT_CURED: Mapping[Cause, str] = {
    Cause.KEY_RANGE: "capacity cannot help",
    Cause.ACCOUNT_LIMIT: "capacity cannot help",
    Cause.ON_DEMAND_CAP: "its owner set it",
    Cause.UNCLASSIFIED: "it is below capacity",
}
ONE_OF_THEM = frozenset({KeyVerdict.ONE_KEY, KeyVerdict.INDEX_KEY})


@dataclass(frozen=True, slots=True)
class _Size:
    """room: for an index's name, 0 for none of it. changes: told one by one. why: with why capacity is left
    alone, or that a scaler's maximum is reached."""

    room: int
    cause: bool
    changes: int
    why: bool = False


_WHOLE = _Size(SHORTEST_NAME, cause=True, changes=2, why=True)
_SIZES = (
    _WHOLE,
    _Size(SHORTEST_NAME, cause=True, changes=1, why=True),
    _Size(SHORTEST_NAME, cause=True, changes=1),
    _Size(SHORTEST_INDEX, cause=True, changes=1),
    _Size(SHORTEST_NAME, cause=False, changes=1),
    _Size(SHORTEST_INDEX, cause=False, changes=1),
    _Size(0, cause=False, changes=1),
)


def _form(case: Case, size: _Size) -> str:
    if case.state is IncidentState.RESOLVED:
        return _resolved(case, size)
    return f"{_prefix(case)}{_what(case, size)}{_deed(case, size)}"


def _resolved(case: Case, size: _Size) -> str:
    if case.incident.cause is Cause.BLIND:
        return "resolved, CloudWatch speaks again"
    if case.incident.cause is Cause.CANNOT_ACT:
        where = f" ({_place(case.incident.index, size.room)})" if case.incident.index else ""
        return f"resolved, no needed change is held any more{where}"
    where = f"{_place(case.incident.index, size.room)}: " if case.incident.index else ""
    return f"resolved ({where}{CAUSE_WORDS[case.incident.cause]})"


def _prefix(case: Case) -> str:
    if case.retold:
        return "after the storm: "
    if case.reminder:
        return f"still open after {duration(case.now - case.incident.opened_at)}: "
    if case.state is IncidentState.WORSENED:
        return WORSE_CRITICAL if case.incident.severity is Severity.CRITICAL else WORSE
    if case.found is not None:
        return "key found: " if case.found.verdict in ONE_OF_THEM else "keys found: "
    if case.incident.flaps:
        return f"again ({ordinal(case.incident.flaps + 1)} time): "
    return ""


def _noun(dimension: Dimension, room: int) -> str:
    if dimension.index and not room:
        return f"{dimension.kind}s of an index"
    return replace(dimension, index=shortened(dimension.index, room) if dimension.index else "").noun


def _place(index: str, room: int) -> str:
    if not index:
        return "the table"
    return f"index {shortened(index, room)}" if room else "an index"


def _what(case: Case, size: _Size) -> str:
    room = size.room
    slow = case.briefing.diagnosis.slow
    if case.cause is Cause.CANNOT_ACT and case.blocked is not None:
        dimension, blocked = case.blocked
        hold = the_hold(case)
        goal = wanted(hold) if hold is not None else None
        to = f" to {units(goal)}" if goal is not None else ""
        verb = "raised" if blocked.rising else "lowered"
        if case.changes:
            return f"{_noun(dimension, room)} not {verb} as needed, {HELD_WORDS.get(blocked.reason, blocked.reason)}"
        return f"{_noun(dimension, room)} cannot be {verb}{to}"
    if case.cause is Cause.SLOW and slow is not None:
        few = " for some requests" if slow.statistic is Statistic.P99 else ""
        return f"{slow.operation} slow{few}" + (", not throttled" if size.cause else "")
    if case.cause is Cause.NONE:
        return f"calm at the moment ({CAUSE_WORDS[case.incident.cause]})"
    if case.cause not in THROTTLING or case.view is None:
        return CAUSE_WORDS[case.cause]
    cause = KEY_WORDS[case.keys.verdict] if case.keys is not None else CAUSE_WORDS[case.cause]
    return f"{_noun(case.view.dimension, room)} throttled" + (f", {cause}" if size.cause else "")


def _deed(case: Case, size: _Size) -> str:
    """What was done about it, or what holds it."""
    if case.changes:
        return f"; {_changes(case, size)}"
    if case.cause is Cause.CANNOT_ACT and case.blocked is not None:
        dimension, blocked = case.blocked
        words = HELD_WORDS.get(blocked.reason, blocked.reason.value)
        return f", {words}; kept at {units(case.briefing.description.provisioned(dimension))}"
    if case.cause not in CURED_BY_CAPACITY:
        return _no_deed(case, size)
    if any(decision.reason in UNDER_WAY for decision in case.decisions):
        return "; change under way"
    hold = the_hold(case)
    return f"; not raised, {HELD_WORDS[hold.reason]}" if hold is not None else "; not raised"


def _no_deed(case: Case, size: _Size) -> str:
    """Of what capacity cannot cure: that it is left alone, and why, where there is room for it."""
    if case.cause in (Cause.SLOW, Cause.BLIND):
        return "; capacity left as it is" if size.why else ""
    why = NOT_CURED.get(case.cause, "")
    if not why:
        return ""
    return f"; not raised, {why}" if size.why else "; not raised"


def _changes(case: Case, size: _Size) -> str:
    """That of where it hurts first."""
    here = case.view.dimension if case.view is not None else None
    changes = sorted(case.changes, key=lambda change: change.dimension != here)
    first, more = changes[0], len(changes) - size.changes
    acting, advised = ("raising", "raise") if first.after > first.before else ("lowering", "lower")
    verb = acting if first.mode is Mode.ACT else f"advice: {advised}"
    if first.reason in FLOOR_REASONS:
        verb += " the scaling minimum"
    shown = ", ".join(
        f"{_of_another(case, change, size.room)}{units(change.before)} to {units(change.after)}"
        for change in changes[: size.changes]
    )
    limit = ", its maximum" if len(changes) == 1 and _is_at_most(case, first, size) else ""
    return f"{verb} {shown}{f' and {more} more' if more > 0 else ''}{limit}"


def _is_at_most(case: Case, change: Decision, size: _Size) -> bool:
    if change.reason in FLOOR_REASONS:
        target = (case.briefing.scaling or {}).get(change.dimension)
        rises = change.reason is Reason.RAISE_FLOOR and size.why
        return rises and target is not None and change.after >= target.max
    bounds = case.briefing.policy.bounds_for(change.dimension)
    return bounds is not None and change.after > change.before and change.after >= bounds.max


def _of_another(case: Case, change: Decision, room: int) -> str:
    """Whose figures they are, where it is not plain: those of what throttles need no name."""
    if case.view is None or change.dimension == case.view.dimension:
        return ""
    if change.dimension.index == case.view.dimension.index:
        return f"{change.dimension.kind}s "
    if change.dimension.kind is case.view.dimension.kind:
        return f"{_place(change.dimension.index, room)} "
    return f"{_noun(change.dimension, room)} " if change.dimension.index else f"the table's {change.dimension.kind}s "


# The deed that a subject ends with; no name of a table or an index has a semicolon or a space.
_DEED = re.compile(r"; (?P<verb>raising|lowering) [^;]*$")


def refused_subject(alert: Alert, why: str) -> str:
    """The subject once its deed turned out to be none. why: "AWS refused it". As it is where it tells of no deed."""
    _, _, news = alert.subject.partition(": ")
    deed = _DEED.search(news)
    if deed is None:
        return alert.subject
    verb = "raised" if deed["verb"] == "raising" else "lowered"
    name, what = alert.table.name, news[: deed.start()]
    forms = list(_refused_forms(alert, what, f"; not {verb}", why))
    return headed(name, next((text for text in forms if fits(name, text)), forms[-1]))


def _refused_forms(alert: Alert, what: str, deed: str, why: str) -> Iterator[str]:
    """As of :func:`subject_of`: the cause gives way, then the index's name, but not that nothing was done."""
    yield f"{what}{deed}, {why}"
    what = what.replace(f", {CAUSE_WORDS[alert.cause]}", "")
    yield f"{what}{deed}, {why}"
    what = re.sub(r"of index [^ ]+", "of an index", what)
    yield f"{what}{deed}, {why}"
    yield f"{what}{deed}"
