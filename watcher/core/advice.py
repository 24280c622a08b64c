"""What is wrong and what to do about it, in words. One text per cause; numbers come from the diagnosis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from watcher.core.briefing import Briefing
from watcher.core.diagnose import CURED_BY_CAPACITY, THROTTLING, Diagnosis, View
from watcher.core.hot_keys import HotKey, HotKeyFinding, KeyVerdict
from watcher.core.hot_keys.news import ASKS_FOR_KEYS, hottest
from watcher.core.model import Decision, Dimension, Kind
from watcher.core.policy import IncidentRules
from watcher.core.reasons import Cause, IncidentState, Mode, Reason
from watcher.core.series import MINUTE
from watcher.core.state import Incident, Normal
from watcher.core.words import capitalised, count, duration, milliseconds, percent, rate, units

CAUSE_WORDS = {
    Cause.PROVISIONED: "too little capacity",
    Cause.KEY_RANGE: "one key range is too hot",
    Cause.ACCOUNT_LIMIT: "account or table quota reached",
    Cause.ON_DEMAND_CAP: "on-demand maximum reached",
    Cause.INDEX_BACK_PRESSURE: "a starving index holds the table back",
    Cause.UNCLASSIFIED: "cause not given by AWS",
    Cause.SLOW: "slow, not throttled",
    Cause.BLIND: "CloudWatch is silent",
    Cause.NONE: "well",
}

WHAT_TO_DO = {
    Cause.KEY_RANGE: "More capacity cannot help. Spread or cache the hot key; if several keys share the heat, DynamoDB "
    "splits the range by itself within minutes.",
    Cause.ACCOUNT_LIMIT: "Ask for a higher DynamoDB throughput quota in Service Quotas (per table and per account); "
    "until then free capacity elsewhere in this Region.",
    Cause.UNCLASSIFIED: "Look for a hot key or bursts within a minute: per-minute figures are below capacity.",
    Cause.SLOW: "Capacity is not the answer and none is changed. Look at item and result sizes, at what was deployed, "
    "and at the AWS Health Dashboard.",
    Cause.BLIND: "Check the watcher's CloudWatch permission and the AWS Health Dashboard. Nothing is lowered.",
}


FLOOR_REASONS = frozenset({Reason.RAISE_FLOOR, Reason.RESTORE_FLOOR})
UNDER_WAY = frozenset({Reason.HOLD_SETTLING, Reason.HOLD_BUSY, Reason.HOLD_PENDING})
KEY_WORDS = {
    KeyVerdict.ONE_KEY: "one key is too hot",
    KeyVerdict.FEW_KEYS: "a few keys are too hot",
    KeyVerdict.MOVING_KEY: "the heat keeps moving",
    KeyVerdict.INDEX_KEY: "a key of an index is too hot",
}
KEYS_SHOWN = 5
# Of a long name, this much stays in a subject, so that tables can still be told apart.
SHORTEST_NAME = 24


# What a person can do about a hold, the most telling reason first.
HELD_TODO = {
    Reason.HOLD_AT_MAX: "Raise the configured maximum, or reduce the load.",
    Reason.HOLD_AUTO_SCALING: "Raise the minimum of its Application Auto Scaling target, or set "
    'auto_scaling = "floor" for this table.',
    Reason.HOLD_FOREIGN_CHANGE: "Somebody else is changing this table's capacity: let them finish, or stop them.",
    Reason.HOLD_GLOBAL_TABLE: "Change the capacity of this global table by hand, for all its Regions.",
    Reason.HOLD_UNBOUNDED: "Give this dimension bounds in the config, or raise it by hand.",
    Reason.HOLD_OBSERVE_ONLY: 'Raise it by hand, or set mode = "advise" or "act" for this table.',
    Reason.HOLD_REFUSED: "Mend what AWS's refusal, above, names: a permission or a quota.",
    Reason.HOLD_BACK_PRESSURE: "Raise the writes of the index that throttles; the table itself has enough.",
    Reason.HOLD_RATE_LIMIT: "Raise it by hand, and find out why its capacity changes so often.",
    Reason.HOLD_ERROR: "Raise it by hand, and report this error of the watcher.",
    Reason.HOLD_SETTLING: "Nothing for now: the last change is not yet visible in CloudWatch.",
    Reason.HOLD_BUSY: "Nothing for now: the next change follows once the one under way is finished.",
    Reason.HOLD_PENDING: "Nothing for now: the next change follows once the last one is accounted for.",
}


@dataclass(frozen=True, slots=True)
class Text:
    """subject: without the table's name, which :func:`headed` puts before it."""

    subject: str
    sentence: str
    facts: tuple[tuple[str, str], ...]
    done: str
    todo: str


def shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 3].rstrip() + "..."


def headed(name: str, subject: str, limit: int) -> str:
    """``name: subject`` in ``limit`` characters. A name may have 255: it gives way first, since every message carries
    it in full below, but what is wrong must be read at a glance."""
    room = max(SHORTEST_NAME, limit - len(subject) - len(": "))
    return shortened(f"{shortened(name, room)}: {subject}", limit)


def compose(incident: Incident, state: IncidentState, briefing: Briefing) -> Text:
    """The whole message. Times are left to the renderer: an Alert carries them as instants."""
    if state is IncidentState.RESOLVED:
        return _resolved(incident, briefing)
    name = briefing.description.key.name
    worst = briefing.diagnosis.worst
    concerned = _concerned(worst, briefing.decisions)
    sentence = story(name, incident.cause, worst, briefing.diagnosis.slow, briefing.now)
    what = _symptom(incident.cause, worst, briefing.diagnosis.slow)
    if state is IncidentState.WORSENED:
        what = f"worse: {what}"
    return Text(
        subject=f"{what}{_cause_words(incident, briefing)}{_headline(incident.cause, concerned)}",
        sentence=sentence,
        facts=_facts(incident, briefing, worst),
        done=_done(concerned),
        todo=_todo(incident, briefing, concerned, worst),
    )


def _cause_words(incident: Incident, briefing: Briefing) -> str:
    found = hottest(briefing.hot_keys, incident.index)
    return (
        CAUSE_WORDS[incident.cause]
        if found is None or incident.cause not in ASKS_FOR_KEYS
        else KEY_WORDS[found.verdict]
    )


def story(name: str, cause: Cause, worst: View | None, slow: tuple[str, Normal] | None, now: float) -> str:
    """The verdict on a table in one sentence."""
    if cause is Cause.SLOW and slow is not None:
        operation, normal = slow
        return (
            f"{operation} on {name} is slow but not throttled: {milliseconds(normal.average)} on average against a "
            f"normal of {milliseconds(normal.mean)}, for {count(normal.slow_minutes, 'minute')}."
        )
    if cause is Cause.BLIND:
        if worst is None or worst.newest is None:
            return f"{name}: CloudWatch has published no consumption, so nothing can be said."
        age = duration(now - worst.newest - MINUTE)
        return f"{name} cannot be seen: the newest CloudWatch point is {age} old."
    if cause is Cause.NONE or worst is None:
        return f"{name} is well."
    noun = capitalised(worst.dimension.noun)
    what = f"{noun} of {name}" if worst.dimension.is_table else f"{noun} (table {name})"
    events = f"{count(worst.events, 'event')} in {len(worst.recent)} min, {percent(worst.share)} of requests"
    return f"{what} are throttled ({events}): {_because(cause, worst, now)}."


def verdict(now: float, name: str, diagnosis: Diagnosis, incident: Incident | None, rules: IncidentRules) -> str:
    """How a table is, in one sentence, its open incident considered: calm is not yet over."""
    if incident is None or diagnosis.cause is not Cause.NONE:
        return story(name, diagnosis.cause, diagnosis.worst, diagnosis.slow, now)
    calm = duration(max(0.0, now - incident.last_bad - MINUTE))
    return (
        f"{name} has been calm for {calm} ({CAUSE_WORDS[incident.cause]} before that); "
        f"the incident closes after {duration(rules.resolve_after)} seen without trouble."
    )


def _because(cause: Cause, worst: View, now: float) -> str:
    demand = worst.demand(len(worst.recent)) or 0.0
    consumed = max((minute.served for minute in worst.recent), default=0.0) / MINUTE
    if cause is Cause.PROVISIONED:
        if worst.expected is not None and worst.expected > worst.provisioned:
            return f"demand {rate(demand)} against {units(worst.provisioned)}, being raised to {units(worst.expected)}"
        if worst.raised_at is not None and worst.recent and worst.raised_at > worst.recent[0].start:
            ago = duration(max(0.0, now - worst.raised_at))
            return f"demand {rate(demand)}; capacity was raised to {units(worst.provisioned)} {ago} ago"
        return f"demand {rate(demand)} against {units(worst.provisioned)} provisioned"
    if cause is Cause.KEY_RANGE:
        ceiling = "3,000 read units/s" if worst.dimension.kind is Kind.READ else "1,000 write units/s"
        return f"one key range is above a partition's {ceiling}, which more capacity cannot lift"
    if cause is Cause.INDEX_BACK_PRESSURE:
        return "an index cannot take its share of the writes, so DynamoDB refuses them at the table"
    if cause is Cause.ON_DEMAND_CAP:
        what = "table" if worst.dimension.is_table else "index"
        return f"traffic of {rate(consumed)} reaches the maximum its owner set on the on-demand {what}"
    if cause is Cause.ACCOUNT_LIMIT:
        return f"an account or table quota is reached at {rate(consumed)}"
    return f"consumption peaks at {rate(consumed)} on {units(worst.provisioned)} provisioned, and AWS gives no cause"


def _symptom(cause: Cause, worst: View | None, slow: tuple[str, Normal] | None) -> str:
    if cause is Cause.SLOW and slow is not None:
        return f"{slow[0]} "
    if cause not in THROTTLING or worst is None:
        return ""
    dimension = worst.dimension
    return f"{replace(dimension, index=shortened(dimension.index, SHORTEST_NAME)).noun} throttled, "


def _done(concerned: Sequence[Decision]) -> str:
    """What was done, or that nothing was: an advice must not read like a deed."""
    told = " ".join(f"{capitalised(decision.dimension.noun)}: {decision.sentence}." for decision in concerned)
    changes = [decision for decision in concerned if decision.is_change]
    if changes and changes[0].mode is Mode.ACT:
        return told
    nothing = "Nothing, this is advice only." if changes else "Nothing."
    return f"{nothing} {told}".strip()


def _concerned(worst: View | None, decisions: Sequence[Decision]) -> list[Decision]:
    """The decisions worth telling: raises first, else what was decided for the dimension in trouble."""
    raises = [decision for decision in decisions if decision.after > decision.before]
    return raises or [decision for decision in decisions if worst is not None and decision.dimension == worst.dimension]


def _headline(cause: Cause, concerned: Sequence[Decision]) -> str:
    changes = [decision for decision in concerned if decision.is_change]
    if not changes:
        if cause not in CURED_BY_CAPACITY:
            return ""
        waiting = any(decision.reason in UNDER_WAY for decision in concerned)
        return "; change under way" if waiting else "; not raised"
    up = changes[0].after > changes[0].before
    acting, advised = ("raising", "raise") if up else ("lowering", "lower")
    verb = acting if changes[0].mode is Mode.ACT else f"advice: {advised}"
    if changes[0].reason in FLOOR_REASONS:
        verb += " the scaling minimum"
    return f"; {verb} " + ", ".join(f"{units(change.before)} to {units(change.after)}" for change in changes)


def _facts(incident: Incident, briefing: Briefing, worst: View | None) -> tuple[tuple[str, str], ...]:
    facts: list[tuple[str, str]] = []
    if worst is not None and incident.cause not in (Cause.SLOW, Cause.BLIND):
        asked = max((minute.served + minute.refused for minute in worst.recent), default=0.0) / MINUTE
        demand = worst.demand(len(worst.recent)) if incident.cause in CURED_BY_CAPACITY else asked
        facts += [
            ("demand", rate(demand) if demand is not None else "unknown"),
            ("consumed", rate(worst.consumed) if worst.consumed is not None else "unknown"),
            ("provisioned", f"{units(worst.provisioned)} units/s" if worst.provisioned else "on demand"),
            ("throttled", f"{count(worst.events, 'event')} in {len(worst.recent)} min ({percent(worst.share)})"),
        ]
        if len(worst.throttled) > 1:
            parts = sorted(worst.throttled.items())
            facts += [(f"throttled, {CAUSE_WORDS[cause]}", count(events, "event")) for cause, events in parts]
    if briefing.diagnosis.slow is not None:
        operation, normal = briefing.diagnosis.slow
        tail = f", p99 {milliseconds(normal.p99)}" if normal.p99 is not None else ""
        facts.append(
            (f"{operation} latency", f"{milliseconds(normal.average)} (normal {milliseconds(normal.mean)}){tail}")
        )
    return (*facts, *_key_facts(incident, briefing.hot_keys))


def _key_facts(incident: Incident, found: Mapping[str, HotKeyFinding]) -> list[tuple[str, str]]:
    """The verdict on each place that it concerns, with its keys. Where capacity is the answer, that the keys are not
    known is nobody's worry."""
    facts = []
    is_named = hottest(found, incident.index) is not None
    for index, finding in sorted(found.items()):
        if finding.verdict is KeyVerdict.UNKNOWN and (is_named or incident.cause not in ASKS_FOR_KEYS):
            continue
        of = f" of index {index}" if index else ""
        facts.append((f"hot keys{of}", finding.sentence))
        if finding.keys:
            facts.append((f"keys{of}", "; ".join(_key_fact(key) for key in finding.keys[:KEYS_SHOWN])))
        elif finding.verdict is KeyVerdict.UNKNOWN and finding.blind:
            facts.append((f"not seen{of}", " ".join(finding.blind)))
    return facts


def _key_fact(key: HotKey) -> str:
    of = "of the traffic" if key.of_traffic else "of the throttled requests"
    ceiling = "" if key.ceiling_share is None else f", {percent(key.ceiling_share)} of a partition's ceiling consumed"
    throttled = f", {count(key.throttled, 'throttle')} a minute" if key.throttled else ""
    return f"{key.key} {percent(key.share)} {of}{ceiling}{throttled}"


def _todo(incident: Incident, briefing: Briefing, concerned: Sequence[Decision], worst: View | None) -> str:
    found = hottest(briefing.hot_keys, incident.index)
    if found is not None and incident.cause in ASKS_FOR_KEYS:
        return found.todo
    if incident.cause in WHAT_TO_DO:
        return WHAT_TO_DO[incident.cause]
    if incident.cause is Cause.ON_DEMAND_CAP:
        return _raise_cap(briefing, worst.dimension if worst else None)
    changes = [decision for decision in concerned if decision.is_change]
    if changes and changes[0].mode is Mode.ACT:
        patience = duration(2 * briefing.policy.incidents.resolve_after)
        return f"Nothing for now. If this is not resolved in {patience}, look."
    if changes:
        wanted = ", ".join(f"{change.dimension.noun} to {units(change.after)}" for change in changes)
        verb = "Raise" if changes[0].after > changes[0].before else "Lower"
        what = "Application Auto Scaling's minimum of " if changes[0].reason in FLOOR_REASONS else ""
        return f'{verb} {what}{wanted}, or set mode = "act" for this table.'
    reasons = {decision.reason for decision in concerned}
    return next((todo for reason, todo in HELD_TODO.items() if reason in reasons), "See what holds the watcher, above.")


def _raise_cap(briefing: Briefing, dimension: Dimension | None) -> str:
    if dimension is None:
        return "Raise or remove the table's on-demand maximum."
    cap = briefing.description.throughputs[dimension.index].on_demand_max.get(dimension.kind)
    now = f", now {cap:,}" if cap is not None else ""
    field = "MaxReadRequestUnits" if dimension.kind is Kind.READ else "MaxWriteRequestUnits"
    return f"Raise or remove the on-demand maximum ({field}{now}) if this traffic is wanted."


def _resolved(incident: Incident, briefing: Briefing) -> Text:
    name = briefing.description.key.name
    lasted = duration(max(MINUTE, incident.last_bad + MINUTE - incident.opened_at))
    calm = duration(briefing.policy.incidents.resolve_after)
    cause = CAUSE_WORDS[incident.cause]
    if incident.cause is Cause.BLIND:
        return Text("resolved, CloudWatch speaks again", f"{name} can be seen again.", (), "", "Nothing.")
    facts = (("throttled in all", count(incident.events, "event")),) if incident.events else ()
    return Text(
        subject=f"resolved ({cause})",
        sentence=f"{name} is well again: nothing bad for {calm}, after about {lasted} of trouble ({cause}).",
        facts=facts,
        done="",
        todo="Nothing.",
    )
