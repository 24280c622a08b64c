"""The words of the watcher's own incidents in one Region: what is lost, since when, what still works, what to do."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from watcher.core.reasons import Cause, IncidentState
from watcher.core.region_sight import RegionSight
from watcher.core.state import Incident
from watcher.core.telling.names import SUBJECT_LIMIT, headed, ordinal, shortened
from watcher.core.words import capitalised, count, duration, time_of_day

LONGEST_QUOTE = 400  # characters of AWS's words
TABLES_NAMED = 10
OPERATIONS_NAMED = 2  # in a subject

HEALTH = ("AWS health", "https://health.aws.amazon.com/health/status")

# What is lost without an operation; the rest goes on.
LOSSES = {
    "ListTables": "new tables are not noticed",
    "DescribeTable": "the tables concerned are not watched",
    "GetMetricData": "consumption and throttling cannot be read",
    "ListMetrics": "latency of operations not yet known is not watched",
    "DescribeScalableTargets": "nothing is changed, since another scaler may hold the capacity",
    "UpdateTable": "capacity is not changed",
    "RegisterScalableTarget": "the minimum of another scaler is not moved",
    "UpdateContributorInsights": "the sampling of hot keys is not switched",
    "ListContributorInsights": "no sampling of hot keys is begun",
    "DescribeContributorInsights": "hot keys may not be named",
    "DescribeInsightRules": "no sampling of hot keys is begun, since its rules cannot be counted",
    "GetInsightRuleReport": "hot keys are not named",
}
# What changes something is in the policy of act mode only.
CHANGES = frozenset({"UpdateTable", "RegisterScalableTarget", "UpdateContributorInsights"})
REFUSED = "AWS refuses the watcher's credentials"


@dataclass(frozen=True, slots=True)
class Words:
    """subject: whole, with the Region's name, as :func:`compose` gives it."""

    subject: str
    sentence: str
    facts: tuple[tuple[str, str], ...] = ()
    done: str = ""
    todo: str = ""


def compose(
    incident: Incident, state: IncidentState, sight: RegionSight, now: float, since: float, *, reminder: bool = False
) -> Words:
    """The whole message. since: since when the trouble holds without a break. reminder: nothing is new, and it is still
    open."""
    words = _words(incident, state, sight, now, since)
    begins = beginning(incident, state, now, reminder=reminder)
    return replace(
        words,
        subject=headed(sight.key.region, f"{begins}{words.subject}", SUBJECT_LIMIT),
        sentence=f"{capitalised(begins)}{_within(words.sentence) if begins else words.sentence}",
    )


def beginning(incident: Incident, state: IncidentState, now: float, *, reminder: bool) -> str:
    """How a message begins that is not the first of its trouble."""
    if reminder:
        return f"still open after {duration(now - incident.opened_at)}: "
    if state is IncidentState.OPEN and incident.flaps:
        return f"again ({ordinal(incident.flaps + 1)} time): "
    return ""


def _within(sentence: str) -> str:
    """As it goes on after a colon; names keep their case."""
    return sentence[:1].lower() + sentence[1:] if sentence.startswith(("Nothing ", "No ", "The ")) else sentence


def _words(incident: Incident, state: IncidentState, sight: RegionSight, now: float, since: float) -> Words:
    """subject: without the Region's name."""
    if state is IncidentState.RESOLVED:
        return _resolved(incident, sight, now)
    # A reminder while it waits for its end has no evidence of now.
    if incident.cause is Cause.BLIND:
        return _blind(sight, now, since)
    if incident.cause is Cause.PERMISSION:
        return _permission(incident, sight, now, since)
    if incident.cause is Cause.OVERDUE:
        return _overdue(incident, sight, now)
    return _lease_lost(sight, now, since)


def _tables(sight: RegionSight) -> str:
    return count(sight.watched, "table")


def _quoted(text: str) -> str:
    return shortened(text, LONGEST_QUOTE).rstrip(".")


def _blind(sight: RegionSight, now: float, since: float) -> Words:
    where, lasting = sight.key.region, duration(now - since)
    if not sight.is_dark:
        sentence = f"{where} could not be read; it can be just now, and is watched until that has lasted."
        return Words("just readable again, not yet for long", sentence, todo="Nothing for now.")
    return Words(
        subject=f"nobody is watching; nothing could be read for {lasting}",
        sentence=f"Nothing of {where} could be read for {lasting}, since {time_of_day(since, now)}: "
        f"{_quoted(sight.error)}.",
        facts=(("not watched", _tables(sight)), ("unread since", time_of_day(since, now))),
        done="Nothing is raised or lowered meanwhile; every pass tries again, and reads back what it missed.",
        todo=f"Watch {where} by hand until then. Check the network, endpoint_url and credentials from where the "
        "watcher runs (`watcher doctor` tries each call), and the AWS Health Dashboard.",
    )


def _permission(incident: Incident, sight: RegionSight, now: float, since: float) -> Words:
    where, denied = sight.key.region, sight.denied
    if not denied:
        sentence = f"AWS denied {_and(incident.named)} in {where}, and denies nothing just now."
        return Words("permission denied before, not just now", sentence, todo=_policy(incident.named))
    names = [denial.operation for denial in denied]
    lost = "; ".join(dict.fromkeys(LOSSES.get(name, "what it is for does not happen") for name in names))
    asked = _and(dict.fromkeys(names))
    is_refused = any(denial.credentials for denial in denied)
    return Words(
        subject=_what_is_denied(sight),
        sentence=f"{REFUSED} in {where} ({asked}): {lost}."
        if is_refused
        else f"AWS denies {asked} in {where}: {lost}.",
        facts=(
            ("denied since", time_of_day(since, now)),
            *((denial.operation, _quoted(denial.sentence)) for denial in denied),
            *((f"{denial.operation} of", _named(denial.tables)) for denial in denied if denial.tables),
        ),
        done=_what_goes_on(sight),
        todo=_mend(sight),
    )


def _what_is_denied(sight: RegionSight) -> str:
    if any(denial.credentials for denial in sight.denied):
        return f"nobody is watching: {REFUSED}" if sight.is_locked_out else REFUSED
    names = [denial.operation for denial in sight.denied]
    more = f" and {len(names) - OPERATIONS_NAMED} more" if len(names) > OPERATIONS_NAMED else ""
    head = "nobody is watching, " if sight.is_locked_out else ""
    return f"{head}permission lost: {', '.join(names[:OPERATIONS_NAMED])}{more}"


def _what_goes_on(sight: RegionSight) -> str:
    if sight.is_locked_out:
        return "Nothing of the Region can be read, so nothing is changed."
    off = [denial for denial in sight.denied if denial.stops_changes]
    if not off:
        return "Everything else goes on."
    tables = [] if any(not denial.tables for denial in off) else sorted({name for one in off for name in one.tables})
    of = f" of {_named(tables)}" if tables else ""
    return f"Tables are watched and alerts go out, but no capacity{of} is changed."


def _mend(sight: RegionSight) -> str:
    missing = [denial.operation for denial in sight.denied if not denial.credentials]
    steps = [f"Allow it: {_policy(missing)}"] if missing else []
    if len(missing) < len(sight.denied):
        steps.insert(
            0,
            "Renew the watcher's AWS credentials, mount them where it runs, or give it a role; `watcher doctor` tells "
            "when AWS takes them.",
        )
    if sight.is_locked_out:
        steps.append(f"Watch {sight.key.region} by hand until then.")
    elif sight.acting and any(denial.stops_changes for denial in sight.denied):
        steps.append("Raise capacity by hand until then.")
    return " ".join(steps)


def _policy(operations: Collection[str]) -> str:
    act = " --mode act" if CHANGES.intersection(operations) else ""
    return (
        f"`watcher iam-policy{act}` prints the statement that is needed, and `watcher doctor` tells what is still "
        "denied."
    )


def _overdue(incident: Incident, sight: RegionSight, now: float) -> Words:
    where, gap = sight.key.region, sight.gap
    if gap is None:
        sentence = f"No pass over {where} finished in time; passes do again, and are watched until that has lasted."
        return Words("a pass was overdue, passes finish again", sentence, todo="Nothing for now.")
    lasted, since = duration(gap.until - gap.since), time_of_day(gap.since, now)
    what = "was" if gap.is_over else "is"
    why = f"; it {what} {gap.doing}" if gap.doing else ""
    begun = "the watcher began" if gap.is_first else "the last one finished"
    if gap.is_over:
        subject = f"nobody was watching for {lasted}; passes finish again"
        sentence = f"No pass over {where} finished for {lasted}, from {since} on{why}."
        todo = "Nothing for now. If it comes back, look at the watcher's log for the calls that took so long, and at "
        todo += "the network and the CPU it has."
    else:
        subject = f"nobody is watching; no pass finished for {lasted}"
        sentence = f"No pass over {where} has finished for {lasted}, since {begun} at {since}{why}."
        todo = f"Watch {where} by hand. Look at the watcher's log and /healthz; restart the watcher if it stays stuck: "
        todo += "what it began is reconciled at the next start."
    return Words(
        subject=subject,
        sentence=sentence,
        facts=(("not watched", _tables(sight)), ("opened", time_of_day(incident.opened_at, now))),
        done="" if gap.is_over else "Nothing is raised or lowered meanwhile.",
        todo=todo,
    )


def _lease_lost(sight: RegionSight, now: float, since: float) -> Words:
    where = sight.key.region
    if not sight.store_error:
        sentence = f"The watcher of {where} can write down its state again, and acts again."
        return Words("the state store is back, not yet for long", sentence, todo="Nothing for now.")
    return Words(
        subject="nothing is changed any more: the watcher's state store is lost",
        sentence=f"The watcher of {where} cannot write down its state, so it observes and changes nothing: "
        f"{_quoted(sight.store_error)}.",
        facts=(("lost since", time_of_day(since, now)), ("only observed", _tables(sight))),
        done="Tables are watched and alerts go out, but no capacity is changed. What is told meanwhile waits in memory "
        "only, and a restart would forget it.",
        todo="Mend what the error names: a full or read-only disk, or another process on the same file. The watcher "
        "takes up acting by itself; raise capacity by hand until then.",
    )


def _resolved(incident: Incident, sight: RegionSight, now: float) -> Words:
    where = sight.key.region
    lasted = duration(max(0.0, incident.last_bad - incident.opened_at))
    calm = duration(now - incident.last_bad)
    named = _and(dict.fromkeys(incident.named))
    subject, sentence = {
        Cause.BLIND: (
            "resolved, it can be read again",
            f"{where} can be read again, for {calm} now, after about {lasted} in which nobody was watching.",
        ),
        Cause.PERMISSION: (
            "resolved, nothing is denied any more",
            f"AWS has denied nothing of {where} for {calm}; before, it denied {named}.",
        ),
        Cause.OVERDUE: (
            "resolved, passes finish in time again",
            f"Passes over {where} finish in time again, for {calm} now; nobody had been watching for {lasted}.",
        ),
        Cause.LEASE_LOST: (
            "resolved, the state store is back",
            f"The watcher of {where} could write down its state again for {calm}, and acts again.",
        ),
    }[incident.cause]
    return Words(subject, sentence, todo="Nothing.")


def _named(tables: Sequence[str]) -> str:
    more = f" and {len(tables) - TABLES_NAMED} more" if len(tables) > TABLES_NAMED else ""
    return ", ".join(tables[:TABLES_NAMED]) + more


def _and(names: dict[str, None] | Sequence[str]) -> str:
    listed = list(names)
    return " and ".join(part for part in (", ".join(listed[:-1]), listed[-1]) if part) if listed else "nothing"
