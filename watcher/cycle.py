"""One pass of the watcher: observe, reconcile, step, record, act, settle, tell.

``run``, ``once``, the tests and replay drive this same object with other ports and another clock. It knows ports and
the core, never an adapter. An instant is read once per cycle and handed down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from watcher.clock import Clock, process_seconds
from watcher.core.model import Alert, Intent, Settlement, TableKey
from watcher.core.policy import TablePolicy
from watcher.core.reasons import Mode, Outcome
from watcher.core.result import StepResult
from watcher.core.state import TableState
from watcher.core.step import farewell, step
from watcher.core.tracking import absorb
from watcher.errors import AwsError, StoreError
from watcher.observe import Glance, Sighting, observe
from watcher.ports import CycleRecord, CycleReport, Notifier, RegionPorts, Store, TableReport, Telemetry
from watcher.post import Post
from watcher.reconcile import most_urgent_first, reconcile

if TYPE_CHECKING:
    from collections.abc import Iterator

Policies = Callable[[str], TablePolicy | None]


@dataclass(frozen=True, slots=True)
class CycleSettings:
    """Seconds throughout. window: trailing minutes re-read. discovery: how often tables are listed anew.
    sweep: how often everything is asked. acting: how long one cycle may spend on changes. workers: parallel calls."""

    window: float = 600.0
    discovery: float = 300.0
    sweep: float = 300.0
    acting: float = 40.0
    history: float = 30 * 86_400.0
    workers: int = 8
    latency: bool = True


@dataclass
class Region:
    """What the cycle remembers of one Region between passes."""

    ports: RegionPorts
    names: list[str] = field(default_factory=list)
    operations: Mapping[str, frozenset[str]] = field(default_factory=dict)
    discovered_at: float | None = None
    swept_at: float | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """One table stepped: where it is, its policy, its result."""

    key: TableKey
    region: Region
    policy: TablePolicy
    report: TableReport
    result: StepResult


class Cycle:
    """Holds the states between passes. ``run`` is one pass and never raises for AWS's or the store's trouble."""

    def __init__(
        self,
        regions: Sequence[RegionPorts],
        *,
        store: Store,
        notifier: Notifier,
        telemetry: Telemetry,
        clock: Clock,
        policies: Policies,
        settings: CycleSettings | None = None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """Loads the remembered states. Raises StoreError: without its memory the watcher does not start."""
        self._regions = [Region(ports) for ports in regions]
        self._store = store
        self._telemetry = telemetry
        self._clock = clock
        self._policies = self._next_policies = policies
        self._settings = settings or CycleSettings()
        self._stopping = stopping
        self._post = Post(store, notifier, telemetry)
        self._states: dict[TableKey, TableState] = dict(store.load())
        self._open: list[Intent] = list(store.open_intents())
        self._pruned_at: float | None = None
        self._intents = 0
        self._phases: dict[str, float] = {}

    def use(self, policies: Policies, notifier: Notifier) -> None:
        """Decide and alert by these from the next pass on (a reloaded config). Safe while a pass runs: each pass reads
        its policies once."""
        self._next_policies = policies
        self._post.use(notifier)

    def run(self) -> CycleReport:
        now, began = self._clock.now(), self._clock.monotonic()
        self._phases = {}
        self._policies = self._next_policies
        with self._phase("observe"):
            sightings = [(region, self._look(region, now)) for region in self._regions]
        with self._phase("reconcile"):
            self._reconcile(now, sightings)
        with self._phase("step"):
            seen = self._step(now, sightings)
            goodbyes = self._part_with_the_deleted(now, sightings)
        with self._phase("record"):
            alerts = [*goodbyes, *(alert for one in seen for alert in one.result.alerts)]
            intents = self._intents_of(now, seen)
            stored = self._record(now, seen, intents, alerts)
        with self._phase("act"):
            settlements = self._act(seen, intents) if stored else []
        with self._phase("settle"):
            self._settle(settlements)
        with self._phase("tell"):
            delivery = self._post.deliver(self._clock.now(), settlements)
        report = CycleReport(
            started_at=now,
            finished_at=self._clock.now(),
            seconds=self._clock.monotonic() - began,
            tables=_reports(seen, sightings, settlements, self._policies),
            region_errors={region.ports.region: sight.error for region, sight in sightings if sight.error},
            unmatched=sum(1 for region in self._regions for name in region.names if self._policies(name) is None),
            told=alerts,
            delivered=delivery.delivered,
            undelivered=delivery.failed,
            dead=delivery.dead,
            outbox=delivery.waiting,
            phases=dict(self._phases),
            acting=stored,
        )
        self._telemetry.cycle_finished(report)
        return report

    # observe ---------------------------------------------------------------------------------------------------------

    def _look(self, region: Region, now: float) -> Sighting:
        try:
            self._discover(region)
        except AwsError as error:
            if region.discovered_at is None:
                return Sighting(error=str(error))
            self._telemetry.trouble("discovery.failed", region=region.ports.region, error=str(error))
        names = [name for name in region.names if self._policies(name) is not None]
        states = {key.name: state for key, state in self._states.items() if key.region == region.ports.region}
        sweep = self._is_due(region.swept_at, self._settings.sweep)
        glance = Glance(now, self._settings.window, sweep, self._settings.latency, self._settings.workers)
        sighting = observe(region.ports, names, states, region.operations, glance)
        if sweep and not sighting.error:
            region.swept_at = self._clock.monotonic()
        return sighting

    def _discover(self, region: Region) -> None:
        """List tables and the operations in use anew when it is time. Raises AwsError."""
        if not self._is_due(region.discovered_at, self._settings.discovery):
            return
        region.names = sorted(region.ports.tables.names())
        region.discovered_at = self._clock.monotonic()
        if self._settings.latency:
            try:
                region.operations = region.ports.metrics.operations()
            except AwsError as error:
                # Latency is a second question; the first one must still be asked.
                self._telemetry.trouble("operations.failed", region=region.ports.region, error=str(error))

    def _is_due(self, last: float | None, every: float) -> bool:
        # Half a minute of slack: a cycle that starts a moment early must not skip its turn.
        return last is None or self._clock.monotonic() - last >= every - 30

    # reconcile, step -------------------------------------------------------------------------------------------------

    def _reconcile(self, now: float, sightings: Sequence[tuple[Region, Sighting]]) -> None:
        """Close what an earlier pass (or life) left open, by what DescribeTable shows now."""
        if not self._open:
            return
        settlements = [s for s in (reconcile(now, intent, sightings_of(sightings)) for intent in self._open) if s]
        self._settle(settlements)

    def _step(self, now: float, sightings: Sequence[tuple[Region, Sighting]]) -> list[Seen]:
        seen = []
        for region, sighting in sightings:
            for name, observation in sighting.observations.items():
                policy = self._policies(name)
                if policy is None:
                    continue
                key = observation.description.key
                result = step(now, policy, self._states.get(key, TableState()), observation)
                self._states[key] = result.state
                report = TableReport(key, policy.mode, observation.description, result.explanation)
                seen.append(Seen(key, region, policy, report, result))
        return seen

    def _part_with_the_deleted(self, now: float, sightings: Sequence[tuple[Region, Sighting]]) -> list[Alert]:
        alerts: list[Alert] = []
        for region, sighting in sightings:
            gone = [key for key in self._states if key.region == region.ports.region and key.name in sighting.missing]
            for key in gone:
                alerts += farewell(now, key, self._states[key].incident)
                try:
                    self._store.forget(key)
                except StoreError as error:
                    self._telemetry.trouble("store.failed", error=str(error))
                    continue
                del self._states[key]
                region.discovered_at = None
        return alerts

    # record, act, settle ---------------------------------------------------------------------------------------------

    def _intents_of(self, now: float, seen: Sequence[Seen]) -> list[Intent]:
        intents = []
        for one in most_urgent_first(seen):
            for action in one.result.actions:
                self._intents += 1
                ident = f"{int(now * 1000):014d}-{one.key.region}-{one.key.name}-{self._intents}"
                intents.append(Intent(ident, now, action))
                self._states[one.key] = replace(self._states[one.key], pending=ident)
        return intents

    def _record(self, now: float, seen: Sequence[Seen], intents: Sequence[Intent], alerts: Sequence[Alert]) -> bool:
        """Write down what is about to be done and told. False when the store is lost: then nothing is done."""
        outgoing = self._post.address(alerts)
        record = CycleRecord(
            time=now,
            states={one.key: self._states[one.key] for one in seen},
            decisions=[decision for one in seen for decision in one.result.explanation.new_decisions],
            intents=intents,
            outgoing=outgoing,
            alerts=alerts,
        )
        try:
            self._store.record(record)
        except StoreError as error:
            self._telemetry.trouble("store.failed", error=str(error))
            self._post.keep_unstored(outgoing)
            for intent in intents:
                key = intent.action.table
                self._states[key] = replace(self._states[key], pending="")
            return False
        self._prune(now)
        return True

    def _prune(self, now: float) -> None:
        if self._pruned_at is not None and self._clock.monotonic() - self._pruned_at < 3600:
            return
        self._pruned_at = self._clock.monotonic()
        try:
            self._store.prune(now - self._settings.history)
        except StoreError as error:
            self._telemetry.trouble("store.failed", error=str(error))

    def _act(self, seen: Sequence[Seen], intents: Sequence[Intent]) -> list[Settlement]:
        regions = {one.key: one.region for one in seen}
        began = self._clock.monotonic()
        settlements = []
        for intent in intents:
            late = self._clock.monotonic() - began > self._settings.acting
            if self._stopping() or late:
                why = (
                    "the watcher is stopping"
                    if self._stopping()
                    else "no time left in this cycle, the next decides anew"
                )
                settlements.append(Settlement(intent, Outcome.CANCELLED, self._clock.now(), why))
                continue
            hand = regions[intent.action.table].ports.hands[intent.action.mode]
            outcome, detail = hand.carry_out(intent.action)
            settlements.append(Settlement(intent, outcome, self._clock.now(), detail))
        return settlements

    def _settle(self, settlements: Sequence[Settlement]) -> None:
        """Absorb the answers into the states and close the intents; the unanswered stay open for reconciliation."""
        for settlement in settlements:
            key = settlement.intent.action.table
            if key in self._states:
                self._states[key] = absorb(self._states[key], settlement)
        answered = [s for s in settlements if s.outcome not in (Outcome.UNKNOWN, Outcome.PENDING)]
        closed = {s.intent.id for s in answered}
        waiting = {intent.id: intent for intent in self._open if intent.id not in closed}
        waiting.update({s.intent.id: s.intent for s in settlements if s.outcome is Outcome.UNKNOWN})
        self._open = list(waiting.values())
        if not answered:
            return
        touched = {s.intent.action.table for s in answered} & self._states.keys()
        try:
            self._store.settle(answered, {key: self._states[key] for key in touched})
        except StoreError as error:
            # The change is made and the state knows it; the intent stays open in the store and is reconciled from
            # DescribeTable by the next life of the watcher.
            self._telemetry.trouble("store.failed", error=str(error))

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        began = process_seconds()
        yield
        self._phases[name] = process_seconds() - began


def sightings_of(sightings: Sequence[tuple[Region, Sighting]]) -> dict[str, Sighting]:
    """Sightings by Region name."""
    return {region.ports.region: sighting for region, sighting in sightings}


def _reports(
    seen: Sequence[Seen],
    sightings: Sequence[tuple[Region, Sighting]],
    settlements: Sequence[Settlement],
    policies: Policies,
) -> list[TableReport]:
    reports = [
        replace(one.report, settlements=[s for s in settlements if s.intent.action.table == one.key]) for one in seen
    ]
    for region, sighting in sightings:
        for name, error in sorted(sighting.failures.items()):
            policy = policies(name)
            mode = policy.mode if policy else Mode.OBSERVE
            reports.append(TableReport(TableKey("", region.ports.region, name), mode, None, None, error=error))
    return reports
