"""The words of a storm: how many tables of a Region, of which causes, what is done about them, and which they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from watcher.core.model import Decision
from watcher.core.reasons import AlertKind, Cause, IncidentState, Mode, Reason, Severity
from watcher.core.region_state import Storm
from watcher.core.region_words import Words
from watcher.core.state import Incident
from watcher.core.telling.names import CAUSE_WORDS, SUBJECT_LIMIT, headed
from watcher.core.words import count, duration, percent, rate

LINES = 40  # tables that a message names one by one
NAMES = 10  # that a single line names


class Response(StrEnum):
    """What the watcher does about a table's trouble."""

    RAISING = "raising"
    AT_MAX = "at its maximum"
    ADVISING = "a raise is advised"
    HELD = "not raised"


@dataclass(frozen=True, slots=True)
class Affected:
    """A table with an open incident. demand: units per second where it hurts, None when not known in this pass."""

    incident: Incident
    response: Response = Response.HELD
    demand: float | None = None


def response_to(decisions: Iterable[Decision]) -> Response:
    """From what was decided for a table in this pass: what is raised counts more than what is held."""
    decided = list(decisions)
    modes = {decision.mode for decision in decided if decision.after > decision.before}
    if Mode.ACT in modes:
        return Response.RAISING
    if modes:
        return Response.ADVISING
    held = any(decision.reason is Reason.HOLD_AT_MAX for decision in decided)
    return Response.AT_MAX if held else Response.HELD


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
) -> Words:
    """The whole message. tables: those with an open incident. apart: those of the same kind that were told on their own
    before."""
    names = ranked(tables, (name for name, folded in storm.tables.items() if folded.is_open))
    if state is IncidentState.RESOLVED:
        return _resolved(storm, region, tables, names, now)
    here = [*names, *apart]
    what = f"{count(len(here), 'table')} {_verb(storm.incident.cause, len(here))}"
    told = f" ({len(apart)} told before)" if apart else ""
    worse = "worse: " if state is IncidentState.WORSENED else ""
    critical = sum(tables[name].incident.severity is Severity.CRITICAL for name in names)
    grave = f", {critical} critical" if critical else ""
    done = _done(tables, names) if storm.incident.cause.kind is AlertKind.THROTTLING else ""
    raising = sum(tables[name].response is Response.RAISING for name in names) if done else 0
    causes = Counter(CAUSE_WORDS[tables[name].incident.cause] for name in here)
    parts = ", ".join(f"{number:,} {words}" for words, number in causes.most_common())
    return Words(
        subject=headed(region, f"{worse}{what}{told}{grave}{f'; raising {raising}' if raising else ''}", SUBJECT_LIMIT),
        sentence=f"{count(len(here), 'table')} of {region} {_verb(storm.incident.cause, len(here))}: {parts}.",
        facts=_facts(storm, tables, names, apart),
        done=done,
        todo=_todo(storm.incident.cause),
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
        more = f" and {len(apart) - NAMES} more" if len(apart) > NAMES else ""
        facts.append(("told before", ", ".join(apart[:NAMES]) + more))
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


def _todo(cause: Cause) -> str:
    if cause.kind is AlertKind.LATENCY:
        return (
            "Capacity is not the answer and none is changed. Look at the AWS Health Dashboard first, then at what was "
            "deployed and at what these tables have in common."
        )
    if cause is Cause.BLIND:
        return "Look at the AWS Health Dashboard (CloudWatch), then at the watcher's permissions. Nothing is lowered."
    if cause.kind is AlertKind.WATCHER:
        return "See what holds them, above: a maximum, a quota, another scaler or a permission that they share."
    return (
        "Look for one common cause: a deploy, a job or one client's retries, an account limit (Service Quotas), the "
        "AWS Health Dashboard. Then for the tables that are not being raised, the worst first."
    )


def _resolved(storm: Storm, region: str, tables: Mapping[str, Affected], names: Sequence[str], now: float) -> Words:
    lasted = duration(now - storm.incident.opened_at)
    total = len(storm.tables)
    moved = sum(not folded.incident for folded in storm.tables.values())
    well = total - moved - len(names)
    apart = f", {moved:,} in other trouble told by then" if moved else ""
    whole = f"The trouble of {count(total, 'table')} of {region} is over after {lasted}"
    if not names:
        return Words(
            subject=headed(region, f"resolved, {count(well, 'table')} well again", SUBJECT_LIMIT),
            sentence=f"{whole}: {well:,} are well again{apart}." if moved else f"{whole}: all of them are well again.",
            todo="Nothing.",
        )
    left = "is still open and is told on its own" if len(names) == 1 else "are still open and are told on their own"
    return Words(
        subject=headed(
            region, f"resolved, {well:,} of {count(total, 'table')} well, {len(names)} told anew", SUBJECT_LIMIT
        ),
        sentence=f"{whole}, but for {len(names)}: {well:,} are well again{apart}, {len(names)} {left} from now on.",
        facts=tuple(_lines(tables, names)),
        todo="Look at those that are still open; each has a message of its own.",
    )
