"""The words of a storm: how many tables of a Region, of which causes, what is done about them, and which they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from watcher.core.diagnose import CURED_BY_CAPACITY
from watcher.core.model import Decision
from watcher.core.reasons import AlertKind, Cause, IncidentState, Mode, Reason, Severity
from watcher.core.region_state import Storm
from watcher.core.region_words import Words, beginning
from watcher.core.state import Incident
from watcher.core.telling.names import CAUSE_WORDS, HELD_WORDS, SUBJECT_LIMIT, UNDER_WAY, WORSE, headed
from watcher.core.words import capitalised, count, duration, percent, rate

LINES = 40  # tables that a message names one by one
NAMES = 10  # that a single line names
# Seconds in which a raise may not show yet: AWS takes a minute or two to make it, and CloudWatch as many to show it.
UNSEEN = 600.0

# As they follow a number of tables.
COUNTED: Mapping[Cause, str] = {
    Cause.KEY_RANGE: "with a hot key range",
    Cause.ACCOUNT_LIMIT: "at a quota of the account or of a table",
    Cause.ON_DEMAND_CAP: "at an on-demand maximum",
    Cause.PROVISIONED: "with too little capacity",
    Cause.INDEX_BACK_PRESSURE: "held back by a starving index",
    Cause.UNCLASSIFIED: "for a cause that AWS does not give",
    Cause.SLOW: "slow and not throttled",
    Cause.CANNOT_ACT: "with a needed change held",
    Cause.BLIND: "silent in CloudWatch",
}


class Response(StrEnum):
    """What the watcher does about a table's trouble."""

    RAISING = "raising"
    RAISED = "raised, not seen yet"
    CHANGING = "a change is under way"
    AT_MAX = "at its maximum"
    ADVISING = "a raise is advised"
    HELD = "not raised"


# What somebody has to see to; the others pass by themselves.
UNATTENDED = frozenset({Response.AT_MAX, Response.ADVISING, Response.HELD})


@dataclass(frozen=True, slots=True)
class Affected:
    """A table with an open incident. demand: units per second where it hurts, None when not known in this pass."""

    incident: Incident
    response: Response = Response.HELD
    demand: float | None = None


def response_to(
    incident: Incident, decisions: Iterable[Decision], raised_at: float | None = None, now: float = 0.0
) -> Response:
    """What is done about a table with an open incident.

    decisions: of this pass, none where the table could not be looked at. raised_at: when capacity was last raised where
    it hurts, None for never: what was raised a pass ago is held in this one, until CloudWatch shows what came of it.
    """
    decided = list(decisions)
    modes = {decision.mode for decision in decided if decision.after > decision.before}
    if Mode.ACT in modes:
        return Response.RAISING
    if modes:
        return Response.ADVISING
    holds = {decision.reason for decision in decided if decision.dimension.index == incident.index}
    if Reason.HOLD_AT_MAX in {decision.reason for decision in decided}:
        return Response.AT_MAX
    if incident.cause not in CURED_BY_CAPACITY:
        return Response.HELD
    is_fresh = raised_at is not None and now - raised_at <= UNSEEN
    if holds & UNDER_WAY:
        return Response.RAISED if is_fresh else Response.CHANGING
    return Response.RAISED if is_fresh and not holds & HELD_WORDS.keys() else Response.HELD


def ranked(tables: Mapping[str, Affected], names: Iterable[str]) -> list[str]:
    """Worst first: critical before the rest, what capacity cannot cure before what it can, then by how much."""

    def rank(name: str) -> tuple[bool, int, float, str]:
        incident = tables[name].incident
        mild = incident.severity is not Severity.CRITICAL
        return mild, list(Cause).index(incident.cause), -incident.peak, name

    return sorted(names, key=rank)


def compose(
    storm: Storm,
    state: IncidentState,
    region: str,
    tables: Mapping[str, Affected],
    apart: Sequence[str],
    now: float,
    *,
    reminder: bool = False,
) -> Words:
    """The whole message. tables: those with an open incident. apart: those of the same kind that were told on their own
    before; what is counted, is counted with them. reminder: nothing is new, and it is still open."""
    names = ranked(tables, (name for name, folded in storm.tables.items() if folded.is_open))
    if state is IncidentState.RESOLVED:
        return _resolved(storm, region, tables, names, now)
    here = [*names, *apart]
    cause = storm.incident.cause
    what = f"{count(len(here), 'table')} {_verb(cause, len(here))}"
    told = f" ({len(apart)} told before)" if apart else ""
    critical = sum(tables[name].incident.severity is Severity.CRITICAL for name in here)
    grave = f", {critical} critical" if critical else ""
    is_throttling = cause.kind is AlertKind.THROTTLING
    raising = sum(tables[name].response is Response.RAISING for name in here) if is_throttling else 0
    deed = f"; raising {raising}" if raising else ""
    causes = Counter(COUNTED[tables[name].incident.cause] for name in here)
    parts = ", ".join(f"{number:,} {words}" for words, number in causes.most_common())
    begins = beginning(storm.incident, state, now, reminder=reminder)
    news = WORSE if state is IncidentState.WORSENED else begins
    sentence = f"{count(len(here), 'table')} of {region}{told} {_verb(cause, len(here))}: {parts}."
    return Words(
        subject=headed(region, f"{news}{what}{told}{grave}{deed}", SUBJECT_LIMIT),
        sentence=f"{capitalised(begins)}{sentence}",
        facts=_facts(storm, tables, names, apart),
        done=_done(tables, here) if is_throttling else "",
        todo=_todo(cause, [tables[name].response for name in here]),
    )


def _verb(cause: Cause, number: int) -> str:
    if cause.kind is AlertKind.THROTTLING:
        return "throttles" if number == 1 else "throttle at once"
    if cause.kind is AlertKind.LATENCY:
        return "is slow" if number == 1 else "are slow at once"
    if cause is Cause.BLIND:
        return "cannot be seen"
    return "waits for a change that is held" if number == 1 else "wait for changes that are held"


def _done(tables: Mapping[str, Affected], names: Sequence[str]) -> str:
    found = Counter(tables[name].response for name in names)
    parts = [
        text
        for number, text in (
            (found[Response.RAISING], f"raising {found[Response.RAISING]:,}"),
            (found[Response.RAISED], f"{found[Response.RAISED]:,} raised and not seen yet"),
            (found[Response.CHANGING], f"{found[Response.CHANGING]:,} with a change under way"),
            (found[Response.AT_MAX], f"{found[Response.AT_MAX]:,} at their maximum"),
            (found[Response.ADVISING], f"a raise advised for {found[Response.ADVISING]:,}"),
            (found[Response.HELD], f"{found[Response.HELD]:,} not raised"),
        )
        if number
    ]
    text = ", ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _facts(
    storm: Storm, tables: Mapping[str, Affected], names: Sequence[str], apart: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    facts = _lines(tables, names)
    over = sum(bool(folded.incident) and not folded.is_open for folded in storm.tables.values())
    if over:
        facts.append(("over already", count(over, "table")))
    if apart:
        first = ranked(tables, apart)[:NAMES]
        more = f" and {len(apart) - NAMES} more" if len(apart) > NAMES else ""
        facts.append(("told before", ", ".join(_named(name, tables[name]) for name in first) + more))
    return tuple(facts)


def _lines(tables: Mapping[str, Affected], names: Sequence[str]) -> list[tuple[str, str]]:
    lines = [(name, _line(tables[name])) for name in names[:LINES]]
    if len(names) > LINES:
        lines.append((f"and {len(names) - LINES:,} more", "see the watcher's page"))
    return lines


def _line(table: Affected) -> str:
    incident = table.incident
    parts = [CAUSE_WORDS[incident.cause] + (f" (index {incident.index})" if incident.index else "")]
    if incident.cause.kind is AlertKind.THROTTLING:
        parts.append(f"up to {percent(incident.peak)} throttled")
        if table.demand is not None:
            parts.append(f"demand {rate(table.demand)}")
        parts.append(table.response.value)
    if incident.severity is Severity.CRITICAL:
        parts.insert(0, "critical")
    return ", ".join(parts)


def _named(name: str, table: Affected) -> str:
    is_throttled = table.incident.cause.kind is AlertKind.THROTTLING
    parts = ["critical"] if table.incident.severity is Severity.CRITICAL else []
    parts += [table.response.value] if is_throttled else []
    return f"{name} ({', '.join(parts)})" if parts else name


def _todo(cause: Cause, responses: Sequence[Response]) -> str:
    if cause.kind is AlertKind.LATENCY:
        return (
            "Capacity is not the answer and none is changed. Look at the AWS Health Dashboard first, then at what was "
            "deployed and at what these tables have in common."
        )
    if cause is Cause.BLIND:
        return "Look at the AWS Health Dashboard (CloudWatch), then at the watcher's permissions. Nothing is lowered."
    if cause.kind is AlertKind.WATCHER:
        return "See what holds them, above: a maximum, a quota, another scaler or a permission that they share."
    look = (
        "Look for one common cause: a deploy, a job or one client's retries, an account limit (Service Quotas), the "
        "AWS Health Dashboard."
    )
    unattended = sum(response in UNATTENDED for response in responses)
    if unattended:
        return f"{look} Then see to the {count(unattended, 'table')} that nothing raises, the worst first."
    return f"{look} None needs raising by hand: what is raised shows in CloudWatch within minutes."


def _others(number: int) -> str:
    if number == 1:
        return "1 more, listed as told before, has messages of its own."
    return f"{number:,} more, listed as told before, have messages of their own."


def _resolved(storm: Storm, region: str, tables: Mapping[str, Affected], names: Sequence[str], now: float) -> Words:
    lasted = duration(now - storm.incident.opened_at)
    total = len(storm.tables)
    moved = sum(not folded.incident for folded in storm.tables.values())
    well = total - moved - len(names)
    apart = f", {moved:,} in other trouble told by then" if moved else ""
    # Its last message listed these as well, and counted them.
    before = max(0, storm.told - int(storm.incident.events))
    others = f" {_others(before)}" if before else ""
    aside = f" ({before:,} more told on {'its' if before == 1 else 'their'} own)" if before else ""
    whole = f"The trouble of {count(total, 'table')} of {region} is over after {lasted}"
    if not names:
        return Words(
            subject=headed(region, f"resolved, {count(well, 'table')} well again{aside}", SUBJECT_LIMIT),
            sentence=(f"{whole}: {well:,} are well again{apart}." if moved else f"{whole}: all of them are well again.")
            + others,
            todo="Nothing.",
        )
    left = "is still open and is told on its own" if len(names) == 1 else "are still open and are told on their own"
    return Words(
        subject=headed(
            region, f"resolved, {well:,} of {count(total, 'table')} well, {len(names)} told anew{aside}", SUBJECT_LIMIT
        ),
        sentence=f"{whole}, but for {len(names)}: {well:,} are well again{apart}, {len(names)} {left} from now on."
        + others,
        facts=tuple(_lines(tables, names)),
        todo="Look at those that are still open; each has a message of its own.",
    )
