"""What the commands print: rich tables for people, records for machines."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from watcher.clock import iso
from watcher.config import Config
from watcher.core.hot_keys import HotKeyFinding
from watcher.core.model import Alert, Decision, Dimension
from watcher.core.pauses import covering
from watcher.core.reasons import Cause, Mode, Outcome
from watcher.core.result import DimensionReport, Explanation
from watcher.core.schedule import Schedule
from watcher.core.state import Incident
from watcher.core.words import count, duration, rate, time_of_day, units
from watcher.ports import CycleReport, TableReport
from watcher.telemetry.outcomes import settled
from watcher.telemetry.snapshot import pauses_in_force, regional_incidents, tables_of
from watcher.web.state import (
    acknowledged_record,
    decision_record,
    finding_record,
    incident_record,
    pause_record,
    regional_records,
)
from watcher.web.view import ordinal

Record = dict[str, object]


def summary(config: Config) -> str:
    """``4 table rules, 2 of them act; 1 alert topic; Regions us-east-1``."""
    acting = sum(1 for rule in config.tables if rule.mode is Mode.ACT)
    regions = ", ".join(config.aws.regions)
    return (
        f"table rules: {len(config.tables)}, acting: {acting}; alert topics: {len(config.alerts)}; Regions: {regions}"
    )


def coming_events(config: Config, now: float) -> list[str]:
    """A line for each schedule: the window that is open or comes next, and its floors."""
    return [
        f"  {rule.match}: {schedule.name} {_window(schedule, now)}, at least {_floors(schedule)}"
        for rule in config.tables
        for schedule in rule.policy().schedules
    ]


def _window(schedule: Schedule, now: float) -> str:
    window = schedule.coming(now)
    if window is None:
        return "is over"
    begins = "began" if window.start <= now else "begins"
    return f"{begins} {iso(window.start)} and ends {iso(window.end)}"


def _floors(schedule: Schedule) -> str:
    floors = [(Dimension("", kind), number) for kind, number in schedule.units.items()]
    for pattern, kinds in schedule.index_units:
        floors += [(Dimension(pattern, kind), number) for kind, number in kinds.items()]
    return ", ".join(f"{units(number)} {dimension.noun}" for dimension, number in floors)


def sandbox_welcome(tables: Sequence[tuple[str, str]], speed: float) -> str:
    """What the newcomer sees first."""
    width = max(len(name) for name, _ in tables)
    lines = [f"  {name:<{width}}  {story}" for name, story in tables]
    return "\n".join(
        (
            f"The sandbox: an embedded AWS with generated traffic, time running {speed:g} times as fast as real.",
            *lines,
            "Ctrl-C stops it. What follows is what the watcher sees and does.",
            "",
        )
    )


def is_trouble(report: CycleReport) -> bool:
    """Whether a cycle found anything that a person should look at."""
    if report.region_errors or report.undelivered or report.failing or not report.acting:
        return True
    if any(regional_incidents(report)):
        return True
    return any(
        table.error or (table.explanation is not None and table.explanation.cause is not Cause.NONE)
        for table in report.tables
    )


def once_record(report: CycleReport, regional: Mapping[str, Alert] | None = None) -> Record:
    """``once --json``: the verdict on every table with its decisions. regional: the last message of each open incident
    of a whole Region, by incident, as far as it is known."""
    return {
        "time": iso(report.started_at),
        "trouble": is_trouble(report),
        "region_errors": dict(report.region_errors),
        "regional_incidents": regional_records(report, regional or {}),
        "undelivered_alerts": report.undelivered,
        "held_alerts": report.held,
        "failing_topics": dict(sorted(report.failing.items())),
        "pauses": [pause_record(one, report.started_at) for one in pauses_in_force(report)],
        "unwatched_tables": report.unmatched,
        "tables": [_table_record(table, report) for table in report.tables],
    }


def _table_record(table: TableReport, report: CycleReport) -> Record:
    explanation = table.explanation
    incident = explanation.incident if explanation else None
    decisions = settled(explanation.decisions if explanation else (), table.settlements)
    return {
        "table": table.key.name,
        "account": table.key.account,
        "region": table.key.region,
        "mode": table.mode.value,
        "error": table.error,
        "cause": explanation.cause.value if explanation else None,
        "sentence": explanation.sentence if explanation else table.error,
        "incident": incident_record(incident) if incident else None,
        "acknowledged": acknowledged_record(covering(report.pauses, table.key, report.started_at)),
        "on_demand_since": _moment(explanation.on_demand_since) if explanation else None,
        "hot_keys": [finding_record(one, table.key.region) for one in _findings(explanation)],
        "decisions": [decision_record(decision) for decision in decisions],
    }


def _findings(explanation: Explanation | None) -> list[HotKeyFinding]:
    """The verdicts on hot keys, the table's first."""
    found = explanation.hot_keys if explanation else {}
    return [found[index] for index in sorted(found)]


def _moment(instant: float | None) -> str | None:
    return None if instant is None else iso(instant)


def make_console() -> Console:
    """Colours only on a terminal that wants them; off a terminal, wide enough for one line per row."""
    if not sys.stdout.isatty():
        return Console(width=10_000, color_system=None, force_terminal=False, emoji=False)
    return Console(color_system=None, emoji=False) if os.environ.get("NO_COLOR") else Console(emoji=False)


def print_verdicts(console: Console, report: CycleReport, regional: Mapping[str, Alert] | None = None) -> None:
    """``once``: what concerns whole Regions, then one row per dimension, the tables in trouble first. regional: as for
    :func:`once_record`."""
    for region, error in report.region_errors.items():
        console.print(Text(f"{region or 'state'}: {error}", style="red"))
    _print_regional(console, report, regional or {})
    grid = Table("table", "dimension", "provisioned", "demand", "cause", "decision", box=None, pad_edge=False)
    ordered = sorted(report.tables, key=lambda table: (not _is_bad(table), table.key.name))
    for table in ordered:
        _add_rows(grid, table)
    if ordered:
        console.print(grid)
        for table in ordered:
            _print_advice(console, table)
        _print_incidents(console, ordered, report)
    elif not report.region_errors:
        # As Text, or rich would take the brackets for its markup.
        console.print(Text("No table is watched: no [[tables]] entry matches a table of these Regions."))
    for topic, error in sorted(report.failing.items()):
        console.print(Text(f"{topic} takes no messages: {error}", style="red"))
    if report.held:
        console.print(Text(f"Held by quiet hours or a pause: {count(report.held, 'message')}."))
    if report.undelivered:
        waiting = count(report.undelivered, "alert")
        console.print(Text(f"Not delivered: {waiting}; see `watcher doctor`. They are tried again.", style="red"))
    if report.unmatched:
        console.print(Text(f"Not watched, as no [[tables]] entry matches: {count(report.unmatched, 'table')}."))


def _print_regional(console: Console, report: CycleReport, regional: Mapping[str, Alert]) -> None:
    for region, incident in regional_incidents(report):
        tables = tables_of(report, region, incident)
        what = f"{incident.cause} of {count(len(tables), 'table')}" if tables else incident.cause.value
        told = f": {regional[incident.id].sentence}" if incident.id in regional else "."
        console.print(Text(f"{region}: {what}, {_since(incident, report)}{told}", style="red"))


def _print_incidents(console: Console, tables: Sequence[TableReport], report: CycleReport) -> None:
    """What there is to know of a table's incident beside its verdicts: that it came back, or that somebody has it."""
    for table in tables:
        incident = table.explanation.incident if table.explanation else None
        pause = covering(report.pauses, table.key, report.started_at)
        if incident is not None and (incident.flaps or pause):
            console.print(Text(f"{table.key.name}: {_since(incident, report)}."))
        if pause is not None:
            by = f" by {pause.by}" if pause.by else ""
            until = time_of_day(pause.until, report.started_at)
            console.print(Text(f"{table.key.name}: silenced until {until}{by}: {pause.reason}"))


def _since(incident: Incident, report: CycleReport) -> str:
    if incident.flaps:
        first = time_of_day(incident.opened_at, report.started_at)
        return f"open again, for the {ordinal(incident.flaps + 1)} time, first at {first}"
    return f"open for {duration(max(0.0, report.started_at - incident.opened_at))}"


def _print_advice(console: Console, table: TableReport) -> None:
    """What is said of a table or an index as a whole."""
    for finding in _findings(table.explanation):
        console.print(Text(f"{finding.place}: {finding.verdict}: {finding.sentence}"))
    if table.explanation is not None and table.explanation.on_demand_advice:
        console.print(Text(f"{table.key.name}: {table.explanation.on_demand_advice}."))


def _is_bad(table: TableReport) -> bool:
    return bool(table.error) or (table.explanation is not None and table.explanation.cause is not Cause.NONE)


def _add_rows(grid: Table, table: TableReport) -> None:
    if table.explanation is None:
        grid.add_row(escape(table.key.name), "", "", "", Text("unseen", style="red"), escape(table.error))
        return
    decisions = {decision.dimension: decision for decision in table.explanation.decisions}
    for position, seen in enumerate(table.explanation.dimensions):
        decision = decisions.get(seen.dimension)
        grid.add_row(
            escape(table.key.name) if position == 0 else "",
            escape(seen.dimension.noun),
            units(seen.provisioned) if seen.provisioned else "on demand",
            rate(seen.demand) if seen.demand is not None else "unknown",
            _cause(seen, table.explanation),
            escape(f"{decision.reason}: {decision.sentence}") if decision else "",
        )


def _cause(seen: DimensionReport, explanation: Explanation) -> Text:
    """The cause and, where it throttles, the verdict on the hot keys of the table or index."""
    if seen.cause is Cause.NONE:
        return Text("well", style="green")
    finding = explanation.hot_keys.get(seen.dimension.index)
    return Text(f"{seen.cause} ({finding.verdict})" if finding else seen.cause.value, style="red")


def print_history(console: Console, decisions: Sequence[Decision]) -> None:
    """``history``: newest first."""
    grid = Table("time", "table", "dimension", "change", "reason", "outcome", "sentence", box=None, pad_edge=False)
    for decision in decisions:
        change = f"{units(decision.before)} to {units(decision.after)}" if decision.is_change else ""
        grid.add_row(
            iso(decision.time),
            escape(decision.table.name),
            escape(decision.noun),
            change,
            decision.reason.value,
            "" if decision.outcome is Outcome.NONE else decision.outcome.value,
            escape(decision.sentence),
        )
    console.print(grid)
