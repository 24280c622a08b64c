"""What the page says, before it is marked up: the headline, the tables by need, the figures with their ages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from watcher.core.hot_keys import HotKeyFinding, KeyVerdict
from watcher.core.insights import SamplerMode
from watcher.core.model import Billing, Decision, TableKey
from watcher.core.reasons import Cause, Freshness, Severity
from watcher.core.result import DimensionReport
from watcher.core.series import MINUTE
from watcher.core.state import Incident
from watcher.core.words import count
from watcher.telemetry.health import Verdict
from watcher.telemetry.snapshot import SAMPLED_WORDS, Snapshot, TableView, regions_unread, store_loss, tables_of

NAMES_SHOWN = 4
_CAUSES = list(Cause)  # worst first
_SEVERITIES: dict[Severity | None, int] = {Severity.CRITICAL: 0, Severity.WARNING: 1, None: 2}


class Level(StrEnum):
    GOOD = "good"
    WAIT = "wait"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Headline:
    """sentence: the answer to "is everything well?". notes: what else limits that answer."""

    level: Level
    sentence: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One dimension of one table.

    provisioned: None on demand. use: demand as a fraction of provisioned, None when either is unknown. throttled:
    (cause, events in the last five visible minutes), worst first. age: seconds since the end of the newest point.
    """

    seen: DimensionReport
    provisioned: int | None
    use: float | None
    throttled: tuple[tuple[str, float], ...]
    age: float | None
    is_stale: bool
    decision: Decision | None
    change: Decision | None

    @property
    def bar(self) -> float:
        """``use`` as the width of a bar, 0 to 100."""
        return bar(self.use or 0.0)


@dataclass(frozen=True, slots=True)
class Heat:
    """What is known of the hot keys of a table or one of its indexes.

    name: how a person says it. finding: None where there was no reason to ask. sampled: what Contributor Insights
    samples there, in words, "" while not known. lost: why it does not sample what it should, or "".
    """

    name: str
    finding: HotKeyFinding | None
    sampled: str
    lost: str

    @property
    def is_hot(self) -> bool:
        return self.finding is not None and self.finding.verdict not in (KeyVerdict.NO_SINGLE_KEY, KeyVerdict.UNKNOWN)


# What a Region's incident means, for as long as no message of it is known.
_REGIONAL_WORDS: Mapping[Cause, str] = {
    Cause.STORM: "Many tables fell into trouble at once.",
    Cause.BLIND: "Nothing of this Region can be read.",
    Cause.PERMISSION: "AWS denies the watcher something that it needs.",
    Cause.OVERDUE: "No pass finished in time, so nobody was watching.",
    Cause.LEASE_LOST: "The state store is lost, so nothing is changed.",
}


@dataclass(frozen=True, slots=True)
class Regional:
    """The open incident of a whole Region. sentence, todo: its last message's. tables: of a storm, those in trouble;
    their keys without an account."""

    region: str
    incident: Incident
    sentence: str
    todo: str
    tables: tuple[TableKey, ...]


def regionals(snapshot: Snapshot) -> list[Regional]:
    """The most severe first."""
    found = []
    for region, incident in snapshot.own_incidents:
        told = snapshot.regional.get(incident.id)
        sentence = told.sentence if told else _REGIONAL_WORDS.get(incident.cause, incident.cause.value)
        tables = tuple(TableKey("", region, name) for name in _stormy(snapshot, region, incident))
        found.append(Regional(region, incident, sentence, told.todo if told else "", tables))
    return found


def ordinal(number: int) -> str:
    """``1st``, ``2nd``, ``3rd``, ``11th``."""
    last = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{last}"


@dataclass(frozen=True, slots=True)
class Block:
    """One table with its rows."""

    view: TableView
    rows: tuple[Row, ...]
    heats: tuple[Heat, ...]
    is_stale: bool


def headline(snapshot: Snapshot, health: Verdict) -> Headline:
    """The worst thing first; everything else that limits the answer as notes."""
    notes = tuple(_notes(snapshot))
    if not health.ok:
        return Headline(Level.BAD, health.sentence, notes)
    if snapshot.report is None:
        return Headline(Level.WAIT, "The watcher has started; its first cycle has not finished yet.")
    incidents = open_troubles(snapshot)
    if incidents:
        worst = Level.BAD if incidents[0].severity is Severity.CRITICAL else Level.WARN
        return Headline(worst, _incident_sentence(incidents), notes)
    if not snapshot.tables:
        return Headline(Level.WARN, "No table is watched: no rule of the configuration matches a table.", notes)
    uneasy = [view for view in by_need(snapshot.tables) if _is_uneasy(view)]
    if uneasy:
        names = _listed([f"{view.key.name} ({_trouble(view)})" for view in uneasy])
        verb = "needs" if len(uneasy) == 1 else "need"
        return Headline(
            Level.WARN, f"No incident is open, but {count(len(uneasy), 'table')} {verb} a look: {names}.", notes
        )
    if notes:
        return Headline(Level.WARN, "No incident is open, but not everything can be seen or done.", notes)
    tables = "The one table is" if len(snapshot.tables) == 1 else f"All {len(snapshot.tables)} tables are"
    return Headline(Level.GOOD, f"{tables} well.")


@dataclass(frozen=True, slots=True)
class Trouble:
    """An open incident as the headline names it: a table's, or a whole Region's. is_acknowledged: whether somebody has
    silenced the table."""

    severity: Severity
    name: str
    is_acknowledged: bool = False


def open_troubles(snapshot: Snapshot) -> list[Trouble]:
    """The most severe first, of those a Region's before its tables'. The tables of a storm are one with it."""
    regional = [
        Trouble(incident.severity, f"Region {region} ({_what(snapshot, region, incident)})")
        for region, incident in snapshot.own_incidents
    ]
    tables = [
        Trouble(
            view.incident.severity, f"{view.key.name} ({view.incident.cause})", snapshot.pause_of(view.key) is not None
        )
        for view in apart_from_storms(snapshot)
        if view.incident
    ]
    return sorted([*regional, *tables], key=lambda one: _SEVERITIES[one.severity])


def apart_from_storms(snapshot: Snapshot) -> list[TableView]:
    """Tables with an incident that is not one with a storm's, by name."""
    stormy = {(region, name) for region, one in snapshot.own_incidents for name in _stormy(snapshot, region, one)}
    return [view for view, _ in snapshot.open_incidents() if (view.key.region, view.key.name) not in stormy]


def _stormy(snapshot: Snapshot, region: str, incident: Incident) -> tuple[str, ...]:
    return tables_of(snapshot.report, region, incident)


def _what(snapshot: Snapshot, region: str, incident: Incident) -> str:
    tables = _stormy(snapshot, region, incident)
    return f"{incident.cause}, {count(len(tables), 'table')}" if tables else incident.cause.value


def _incident_sentence(incidents: Sequence[Trouble]) -> str:
    names = _listed([one.name for one in incidents])
    verb = "is" if len(incidents) == 1 else "are"
    critical = sum(one.severity is Severity.CRITICAL for one in incidents)
    known = sum(one.is_acknowledged for one in incidents)
    which = f", {critical} of them critical" if critical and len(incidents) > 1 else ""
    if known:
        which += " and acknowledged" if len(incidents) == 1 else f", {known} acknowledged"
    return f"{count(len(incidents), 'incident')} {verb} open{which}: {names}."


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _notes(snapshot: Snapshot) -> Iterable[str]:
    lost = store_loss(snapshot.report)
    if lost:
        yield lost
    for region, error in sorted(regions_unread(snapshot.report).items()):
        yield f"Region {region} cannot be read: {error}"
    for topic, error in sorted(snapshot.report.failing.items()) if snapshot.report else ():
        yield f"Alerts do not reach {topic_name(topic)}: {error}"


def topic_name(arn: str) -> str:
    """``pages`` of ``arn:aws:sns:us-east-1:123456789012:pages``."""
    return arn.rpartition(":")[2]


def _is_uneasy(view: TableView) -> bool:
    return bool(view.error) or view.explanation is None or view.explanation.cause is not Cause.NONE or _is_aged(view)


def _is_aged(view: TableView) -> bool:
    return view.explanation is not None and any(
        seen.freshness is not Freshness.FRESH for seen in view.explanation.dimensions
    )


def _trouble(view: TableView) -> str:
    if not view.is_current:
        return "unreadable"
    if view.explanation and view.explanation.cause is not Cause.NONE:
        return view.explanation.cause.value
    return "no fresh data"


def by_need(tables: Iterable[TableView]) -> list[TableView]:
    """Who needs a person first: open incidents, then causes, the unseen, the stale, then the fullest."""

    def need(view: TableView) -> tuple[object, ...]:
        cause = view.explanation.cause if view.explanation else Cause.NONE
        uses = [_use(view, seen) or 0.0 for seen in view.explanation.dimensions] if view.explanation else []
        return (
            _SEVERITIES[view.incident.severity if view.incident else None],
            _CAUSES.index(cause),
            view.is_current,
            not _is_aged(view),
            -max(uses, default=0.0),
            view.key,
        )

    return sorted(tables, key=need)


def _use(view: TableView, seen: DimensionReport) -> float | None:
    if view.billing is Billing.ON_DEMAND or seen.demand is None or not seen.provisioned:
        return None
    return seen.demand / seen.provisioned


def block(view: TableView, now: float, *, is_old: bool) -> Block:
    """is_old: the whole snapshot is overdue, so that nothing in it is fresh."""
    stale = is_old or not view.is_current
    dimensions = view.explanation.dimensions if view.explanation else ()
    return Block(view, tuple(_row(view, seen, now, is_old=stale) for seen in dimensions), tuple(_heats(view)), stale)


def _heats(view: TableView) -> Iterable[Heat]:
    """Of each place that there is anything to say of, the table's first."""
    findings = {finding.place.index: finding for finding in view.findings}
    sampling = {index for index, mode in view.sampled.items() if mode is not SamplerMode.OFF}
    for index in sorted({*findings, *sampling, *view.unsampled}):
        mode = view.sampled.get(index)
        name = f"hot keys of index {index}" if index else "hot keys"
        sampled = SAMPLED_WORDS[mode] if mode else ""
        yield Heat(name, findings.get(index), sampled, view.unsampled.get(index, ""))


def bar(share: float) -> float:
    """A fraction of 1 as the width of a bar, 0 to 100."""
    return round(min(1.0, max(0.0, share)) * 100, 1)


def _row(view: TableView, seen: DimensionReport, now: float, *, is_old: bool) -> Row:
    throttled = sorted(seen.throttled.items(), key=lambda item: _CAUSES.index(item[0]))
    return Row(
        seen=seen,
        provisioned=None if view.billing is Billing.ON_DEMAND else seen.provisioned,
        use=_use(view, seen),
        throttled=tuple((cause.value, events) for cause, events in throttled if events > 0),
        age=None if seen.newest is None else max(0.0, now - seen.newest - MINUTE),
        is_stale=is_old or seen.freshness is not Freshness.FRESH,
        decision=view.decision(seen.dimension),
        change=view.change(seen.dimension),
    )
