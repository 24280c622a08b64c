"""AWS as the script has it, in memory; what the watcher changes is kept in a file, since its process is killed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.delivery_script import BASE, CAPACITY, METRICS, MINUTE, Script, Table, Trouble
from watcher.clock import SimulatedClock
from watcher.core.insights import DISABLED, KeySample, Place, Sampler, Survey
from watcher.core.model import (
    TABLE_WRITE,
    Action,
    Answer,
    Billing,
    Dimension,
    Kind,
    Lever,
    Metric,
    Query,
    ScalableTarget,
    TableDescription,
    TableKey,
    Throughput,
)
from watcher.core.reasons import Mode, Outcome
from watcher.errors import AwsNotFound, AwsUnavailable
from watcher.ports import Hand, RegionPorts
from watcher.replay.ports import Advising

ACCOUNT = "123456789012"
REGION = "us-east-1"
DELAY = 60  # seconds after a minute's end at which CloudWatch shows its points
EFFECT = 30  # seconds until a change has an effect
SPACING = 1.1  # seconds that a mutation waits for its turn
DAY = 86_400


@dataclass(frozen=True, slots=True)
class Change:
    """An accepted UpdateTable: units per second by kind, from ``at`` on."""

    at: float
    units: Mapping[Kind, int]


class Ledger:
    """The changes that AWS has accepted, in a file of lines. A line is written in one call, so that no kill tears it
    apart."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._changes: dict[str, list[Change]] = {}
        for line in path.read_text().splitlines():
            said = json.loads(line)
            units = {Kind.READ: said["read"], Kind.WRITE: said["write"]}
            self._changes.setdefault(said["table"], []).append(Change(said["at"], units))

    def append(self, table: str, change: Change) -> None:
        said = {"table": table, "at": change.at, "read": change.units[Kind.READ], "write": change.units[Kind.WRITE]}
        os.write(self._file, (json.dumps(said) + "\n").encode())
        self._changes.setdefault(table, []).append(change)

    def of(self, table: str) -> Sequence[Change]:
        return self._changes.get(table, ())

    def close(self) -> None:
        os.close(self._file)


class ScriptedAws:
    """Tables, Metrics, Scaling, Insights and the acting Hand of one Region. Dark spells fail every read."""

    def __init__(self, script: Script, clock: SimulatedClock, ledger: Ledger) -> None:
        self._script = script
        self._clock = clock
        self._ledger = ledger

    def region(self) -> RegionPorts:
        hands: Mapping[Mode, Hand] = {Mode.ACT: self, Mode.ADVISE: Advising()}
        return RegionPorts(REGION, self, self, self, NoInsights(), hands)

    # -- Tables -------------------------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        self._look("ListTables")
        return sorted(self._script.tables)

    def describe(self, name: str) -> TableDescription:
        self._look("DescribeTable")
        if name not in self._script.tables:
            raise AwsNotFound("no such table", code="ResourceNotFoundException", subject=name)
        units = self._capacity(name, self._clock.now())
        changes = self._ledger.of(name)
        steps = list(zip([_FIRST, *changes], changes, strict=False))
        rises = [new.at for old, new in steps if any(new.units[kind] > old.units[kind] for kind in Kind)]
        falls = [new.at for old, new in steps if any(new.units[kind] < old.units[kind] for kind in Kind)]
        today = sum(at // DAY == self._clock.now() // DAY for at in falls)
        throughput = Throughput(
            units,
            decreases_today=today,
            last_increase=max(rises, default=None),
            last_decrease=max(falls, default=None),
        )
        return TableDescription(TableKey(ACCOUNT, REGION, name), Billing.PROVISIONED, {"": throughput})

    # -- Metrics ------------------------------------------------------------------------------------------------------

    def read(self, queries: Sequence[Query], start: float, end: float, period: int = MINUTE) -> Mapping[Query, Answer]:
        self._look("GetMetricData")
        if period != MINUTE:
            raise ValueError(f"the script tells minutes, not {period} s")
        minutes = range(int(start), min(int(end), int(self._clock.now()) - DELAY - MINUTE + 1), MINUTE)
        return {query: Answer(self._points(query, minutes)) for query in queries}

    def operations(self) -> Mapping[str, frozenset[str]]:
        return {}

    def _points(self, query: Query, minutes: range) -> dict[int, float]:
        table = self._script.tables[query.table]
        is_flow = query.metric in (Metric.CONSUMED, Metric.REQUESTS)
        found = dict.fromkeys(minutes, MINUTE * BASE) if is_flow else {}
        for minute, strength in table.trouble(minutes).items():
            value = self._troubled(table, query, minute, strength)
            found.pop(minute, None)
            if value is not None:
                found[minute] = value
        return found

    def _troubled(self, table: Table, query: Query, minute: int, strength: float) -> float | None:
        if table.kind is Trouble.SILENCE:
            return None
        asked, refused = BASE, 0.0
        if query.dimension == TABLE_WRITE:
            if table.kind is Trouble.HUNGER:
                asked = strength
                refused = max(0.0, asked - self._capacity(table.name, minute, effect=EFFECT)[Kind.WRITE])
            else:
                refused = strength * asked
        if query.metric in (Metric.CONSUMED, Metric.REQUESTS):
            return MINUTE * (asked - refused)
        if refused and query.metric in (Metric.THROTTLED, METRICS.get(table.kind)):
            return float(round(MINUTE * refused))
        return None

    # -- Scaling, Hand ------------------------------------------------------------------------------------------------

    def targets(self, tables: Sequence[str]) -> Mapping[str, Mapping[Dimension, ScalableTarget]]:  # noqa: ARG002 - none
        self._look("DescribeScalableTargets")
        return {}

    def carry_out(self, action: Action) -> tuple[Outcome, str]:
        self._clock.advance(SPACING)
        if action.lever is not Lever.CAPACITY:
            return Outcome.INVALID, f"the script knows no {action.lever}"
        name = action.table.name
        units = self._capacity(name, self._clock.now())
        for change in action.changes:
            current = units[change.dimension.kind]
            if current != change.before:
                return Outcome.CANCELLED, f"{change.dimension.noun} were {change.before} and are {current} now"
            units[change.dimension.kind] = change.after
        self._ledger.append(name, Change(self._clock.now(), units))
        return Outcome.APPLIED, ""

    def _capacity(self, name: str, instant: float, effect: float = 0.0) -> dict[Kind, int]:
        past = [change for change in self._ledger.of(name) if change.at + effect <= instant]
        return dict((past[-1] if past else _FIRST).units)

    def _look(self, operation: str) -> None:
        if self._script.is_dark(self._clock.now()):
            raise AwsUnavailable(
                "the Region is dark",
                code="EndpointConnectionError",
                operation=operation,
                subject=REGION,
                retryable=True,
            )


_FIRST = Change(0.0, dict.fromkeys(Kind, CAPACITY))


class NoInsights:
    """Contributor Insights where nobody has switched it on."""

    def survey(self, now: float) -> Survey:
        return Survey(now, {}, 0)

    def describe(self, place: Place) -> Sampler:  # noqa: ARG002 - the same everywhere
        return DISABLED

    def peaks(self, rules: Sequence[str], start: float, end: float) -> Mapping[str, Answer]:  # noqa: ARG002 - none
        return dict.fromkeys(rules, Answer())

    def sample(self, place: Place, sampler: Sampler, rules: Sequence[str], start: float, end: float) -> KeySample:
        raise ValueError(f"{place} is not sampled: {sampler}, {rules}, {start}, {end}")
