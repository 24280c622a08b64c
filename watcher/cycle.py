"""One pass of the watcher: observe, reconcile, step, record, act, settle, tell.

``run``, ``once``, the tests and replay drive this same object with other ports and another clock. It knows ports and
the core, never an adapter. An instant is read once per cycle and handed down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf

from watcher.backfill import Backfill, Lessons
from watcher.clock import Clock, process_seconds
from watcher.core.model import Alert, Choice, Intent, Metric, Settlement, TableKey, TableObservation
from watcher.core.past import Study, adopted
from watcher.core.policy import TablePolicy
from watcher.core.reasons import Mode, Outcome
from watcher.core.result import StepResult
from watcher.core.state import TableState
from watcher.core.step import farewell, step
from watcher.core.tracking import absorb
from watcher.errors import AwsError, StoreError
from watcher.observe import Glance, Sighting, observe
from watcher.ports import CycleRecord, CycleReport, Hand, Notifier, RegionPorts, Store, TableReport, Telemetry
from watcher.post import Post
from watcher.reconcile import most_urgent_first, reconcile

Policies = Callable[[str], TablePolicy | None]

STORE_LOST = "the state store is lost, so nothing is changed"
STOPPING = "the watcher is stopping"
NO_TIME = "no time left in this cycle, the next decides anew"
PRUNING = 3600.0  # seconds between two prunings


@dataclass(frozen=True, slots=True)
class CycleSettings:
    """Seconds throughout. window: trailing minutes re-read. discovery: how often tables are listed anew.
    sweep: how often everything is asked. acting: how long one cycle may spend on changes. backfill: how long to learn
    tables' pasts after it, 0 for not at all. workers: parallel calls."""

    window: float = 600.0
    discovery: float = 300.0
    sweep: float = 300.0
    acting: float = 40.0
    backfill: float = 15.0
    history: float = 30 * 86_400.0
    workers: int = 8
    latency: bool = True


@dataclass
class Region:
    """What the cycle remembers of one Region between passes. Instants on the monotonic face; read_at: when a table's
    consumption was last read in full."""

    ports: RegionPorts
    names: list[str] = field(default_factory=list)
    operations: Mapping[str, frozenset[str]] = field(default_factory=dict)
    discovered_at: float | None = None
    swept_at: float | None = None
    read_at: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seen:
    """One table stepped: where it is, its policy, its result."""

    key: TableKey
    region: Region
    policy: TablePolicy
    report: TableReport
    result: StepResult


@dataclass(frozen=True, slots=True)
class Round:
    """What one pass has found out by the time it writes. broken: tables whose step failed.
    gone: tables deleted, or matched by no rule any more."""

    now: float
    sightings: Sequence[tuple[Region, Sighting]]
    seen: Sequence[Seen]
    broken: Mapping[TableKey, str]
    gone: Sequence[TableKey]
    alerts: Sequence[Alert]


class Phase:
    """Notes how long the block under it took, real seconds, in ``phases``."""

    __slots__ = ("_began", "_name", "_phases")

    def __init__(self, phases: dict[str, float], name: str) -> None:
        self._phases = phases
        self._name = name

    def __enter__(self) -> None:
        self._began = process_seconds()

    def __exit__(self, *_: object) -> None:
        self._phases[self._name] = process_seconds() - self._began


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
        self._notifier = notifier
        self._post = Post(store, notifier, telemetry)
        self._states: dict[TableKey, TableState] = dict(store.load())
        self._open: list[Intent] = list(store.open_intents())  # recorded and not yet answered
        self._unsettled: list[Settlement] = []  # answered, which the store could not be told
        self._in_doubt = False  # whether the store took the last record is not known
        self._pruned_at: float | None = None
        self._intents = 0
        self._phases: dict[str, float] = {}
        self._backfill = Backfill({ports.region: ports for ports in regions}, clock, telemetry, stopping)
        self._lessons = Lessons(self._states)
        self._choices: dict[TableKey, Choice] = {}  # the nightly replay's, until the next pass takes them up

    def use(self, policies: Policies, notifier: Notifier) -> None:
        """Decide and alert by these from the next pass on (a reloaded config). Safe while a pass runs: each pass reads
        its policies once."""
        self._next_policies = policies
        self._notifier = notifier

    def choose(self, choice: Choice) -> None:
        """Hand in the nightly replay's choice for a table; the next pass that sees the table takes it up. Safe while a
        pass runs."""
        self._choices[choice.table] = choice

    def states(self) -> dict[TableKey, TableState]:
        """What is remembered of each table, as of now. Safe while a pass runs."""
        return dict(self._states)

    def learn_past(self, most: float = inf) -> None:
        """Learn the pasts of tables met for the first time, for the seconds that the settings allow and at most
        ``most``. To be called between passes; what it learns, the next pass decides by and records."""
        self._backfill.work(min(most, self._settings.backfill), self._policies, self._adopt)

    def _adopt(self, key: TableKey, study: Study) -> None:
        if key in self._states:
            self._states[key] = adopted(self._states[key], study)
            self._lessons.forget(key)

    def run(self) -> CycleReport:
        now, began = self._clock.now(), self._clock.monotonic()
        self._phases = {}
        self._policies = self._next_policies
        self._post.use(self._notifier)
        phase = partial(Phase, self._phases)
        with phase("observe"):
            sightings = [(region, self._look(region, now)) for region in self._regions]
        with phase("reconcile"):
            settlements = self._reconcile(now, sightings)
        with phase("step"):
            this = self._step(now, sightings)
        with phase("record"):
            intents = self._intents_of(this)
            lost = self._record(this, intents)
        with phase("act"):
            settlements += self._act(this.seen, intents, lost)
        with phase("settle"):
            self._settle(settlements)
        with phase("tell"):
            delivery = self._post.deliver(self._clock.now(), settlements)
        with phase("tidy"):
            self._tidy(now, [] if lost else this.gone)
        region_errors = {region.ports.region: sight.error for region, sight in sightings if sight.error}
        report = CycleReport(
            started_at=now,
            finished_at=self._clock.now(),
            seconds=self._clock.monotonic() - began,
            tables=self._reports(this, settlements),
            region_errors=region_errors | ({"": lost} if lost else {}),
            unmatched=sum(1 for region in self._regions for name in region.names if self._policies(name) is None),
            told=this.alerts,
            delivered=delivery.delivered,
            undelivered=delivery.failed,
            dead=delivery.dead,
            outbox=delivery.waiting,
            phases=dict(self._phases),
            learning=len(self._backfill.waiting),
            acting=not lost,
        )
        self._telemetry.cycle_finished(report)
        return report

    # observe ---------------------------------------------------------------------------------------------------------

    def _look(self, region: Region, now: float) -> Sighting:
        here = {key.name: state for key, state in self._states.items() if key.region == region.ports.region}
        trouble = self._discover(region)
        # A table that ListTables no longer names is described once more: only DescribeTable says that it is gone.
        candidates = {name for name in (*region.names, *here) if self._policies(name) is not None}
        candidates.update(i.action.table.name for i in self._open if i.action.table.region == region.ports.region)
        if trouble and not candidates:
            return Sighting(error=trouble)
        names = sorted(candidates)
        sweep = self._is_due(region.swept_at, self._settings.sweep)
        strange = frozenset(name for name in names if name not in here or self._is_strange(region, name))
        glance = Glance(now, self._settings.window, sweep, self._settings.latency, self._settings.workers, strange)
        sighting = observe(region.ports, names, here, region.operations, glance)
        for event, sentence in sighting.troubles.items():
            self._telemetry.trouble(event, region=region.ports.region, sentence=sentence)
        if sweep and not sighting.error:
            region.swept_at = self._clock.monotonic()
        read = [name for name, observation in sighting.observations.items() if _is_read(observation)]
        region.read_at.update(dict.fromkeys(read, self._clock.monotonic()))
        return sighting

    def _is_strange(self, region: Region, name: str) -> bool:
        """Not read for so long that the trailing window may leave a gap of minutes never seen."""
        read = region.read_at.get(name)
        return read is None or self._clock.monotonic() - read > 0.75 * self._settings.window

    def _discover(self, region: Region) -> str:
        """List tables and the operations in use anew when it is time; why it failed, or ""."""
        if not self._is_due(region.discovered_at, self._settings.discovery):
            return ""
        try:
            region.names = sorted(region.ports.tables.names())
        except AwsError as error:
            self._telemetry.trouble("discovery.failed", region=region.ports.region, sentence=str(error))
            return str(error)
        region.discovered_at = self._clock.monotonic()
        if self._settings.latency:
            try:
                region.operations = region.ports.metrics.operations()
            except AwsError as error:
                # Latency is a second question; the first one must still be asked.
                self._telemetry.trouble("operations.failed", region=region.ports.region, sentence=str(error))
        return ""

    def _is_due(self, last: float | None, every: float) -> bool:
        # Half a minute of slack: a cycle that starts a moment early must not skip its turn.
        return last is None or self._clock.monotonic() - last >= every - 30

    # reconcile, step -------------------------------------------------------------------------------------------------

    def _reconcile(self, now: float, sightings: Sequence[tuple[Region, Sighting]]) -> list[Settlement]:
        """Close what an earlier pass (or life) left open, by what DescribeTable shows now."""
        if self._in_doubt:
            self._try(self._read_open_intents)
        by_region = {region.ports.region: sighting for region, sighting in sightings}
        settlements = [s for s in (reconcile(now, intent, by_region) for intent in self._open) if s]
        self._settle(settlements)
        return settlements

    def _read_open_intents(self) -> None:
        answered = {settlement.intent.id for settlement in self._unsettled}
        self._open = [intent for intent in self._store.open_intents() if intent.id not in answered]
        self._in_doubt = False

    def _step(self, now: float, sightings: Sequence[tuple[Region, Sighting]]) -> Round:
        seen, broken, gone = [], {}, []
        for region, sighting in sightings:
            for name, observation in sighting.observations.items():
                policy = self._policies(name)
                if policy is None:
                    continue
                key = observation.description.key
                choice = self._choices.pop(key, None)
                seen_now = replace(observation, choice=choice) if choice else observation
                before = self._states.get(key, TableState())
                try:
                    result = step(now, policy, before, seen_now)
                except Exception as error:  # noqa: BLE001 - one table's odd data must not blind all others
                    broken[key] = f"the decision failed, which is a bug in the watcher: {error!r}"
                    self._telemetry.trouble("step.failed", table=name, region=key.region, sentence=broken[key])
                    continue
                if self._settings.backfill > 0:
                    self._backfill.notice(now, key, before, result)
                learning = key in self._backfill.waiting
                report = TableReport(key, policy.mode, observation.description, result.explanation, learning=learning)
                seen.append(Seen(key, region, policy, report, result))
            gone += [key for key in self._states if key.region == region.ports.region and key.name in sighting.missing]
        left = [key for key in self._states if key not in gone and self._has_left(key)]
        goodbyes = [
            alert
            for keys, why in ((gone, "deleted"), (left, "no longer watched"))
            for key in keys
            for alert in farewell(now, key, self._states[key].incident, why)
        ]
        alerts = [*goodbyes, *(alert for one in seen for alert in one.result.alerts)]
        return Round(now, sightings, seen, broken, [*gone, *left], alerts)

    def _has_left(self, key: TableKey) -> bool:
        """No rule matches it any more, and nothing of ours is still open on it."""
        return self._policies(key.name) is None and all(intent.action.table != key for intent in self._open)

    # record, act, settle ---------------------------------------------------------------------------------------------

    def _intents_of(self, this: Round) -> list[Intent]:
        intents = []
        for one in most_urgent_first(one for one in this.seen if one.result.actions):
            for action in one.result.actions:
                self._intents += 1
                ident = f"{int(this.now * 1000):014d}-{one.key.region}-{one.key.name}-{self._intents}"
                intents.append(Intent(ident, this.now, action))
        return intents

    def _record(self, this: Round, intents: Sequence[Intent]) -> str:
        """Write down what is about to be done and told. Why it could not be, or "": then nothing is done."""
        pending = {intent.action.table: intent.id for intent in intents}
        states = {one.key: one.result.state for one in this.seen}
        # What is told once must not be told again: a deleted table keeps its state, without the incident, until it
        # is forgotten.
        states.update({key: replace(self._states[key], incident=None) for key in this.gone})
        outgoing = self._post.address(this.alerts)
        record = CycleRecord(
            time=this.now,
            states={
                key: replace(state, pending=pending[key]) if key in pending else state for key, state in states.items()
            },
            decisions=[decision for one in this.seen for decision in one.result.explanation.new_decisions],
            intents=intents,
            outgoing=[*self._post.unstored, *outgoing],
            alerts=this.alerts,
            # What was learned of a table whose past is still to come is not kept: should this life of the watcher end
            # before, the next one asks for that past anew.
            learned=[key for key in self._lessons.due(states) if key not in self._backfill.waiting],
        )
        self._in_doubt = True
        try:
            self._store.record(record)
        except Exception as error:  # noqa: BLE001 - whatever broke in the store: observe and alert, never act
            self._telemetry.trouble("store.failed", sentence=str(error))
            self._states.update(states)
            self._post.keep_unstored(outgoing)
            return str(error) or repr(error)
        self._in_doubt = False
        self._states.update(record.states)
        self._lessons.written({key: record.states[key] for key in record.learned})
        self._open.extend(intents)
        self._post.stored()
        return ""

    def _act(self, seen: Sequence[Seen], intents: Sequence[Intent], lost: str) -> list[Settlement]:
        regions = {one.key: one.region for one in seen}
        began = self._clock.monotonic()
        settlements = []
        for intent in intents:
            objection = STORE_LOST if lost else STOPPING if self._stopping() else ""
            if not objection and self._clock.monotonic() - began > self._settings.acting:
                objection = NO_TIME
            hands = regions[intent.action.table].ports.hands
            if objection:
                outcome, detail = Outcome.CANCELLED, objection
            else:
                outcome, detail = self._carry_out(hands, intent)
            settlements.append(Settlement(intent, outcome, self._clock.now(), detail))
        return settlements

    def _carry_out(self, hands: Mapping[Mode, Hand], intent: Intent) -> tuple[Outcome, str]:
        hand = hands.get(intent.action.mode)
        if hand is None:
            return Outcome.CANCELLED, f"nothing is ever changed in {intent.action.mode} mode"
        try:
            return hand.carry_out(intent.action)
        except Exception as error:  # noqa: BLE001 - whatever broke, the call may have gone out: DescribeTable will tell
            detail = f"the call failed, which is a bug in the watcher: {error!r}"
            where = intent.action.table
            self._telemetry.trouble("action.failed", table=where.name, region=where.region, sentence=detail)
            return Outcome.UNKNOWN, detail

    def _settle(self, settlements: Iterable[Settlement]) -> None:
        """Absorb the answers into the states and close the intents; the unanswered stay open for reconciliation."""
        waiting = {intent.id: intent for intent in self._open}
        for settlement in settlements:
            recorded = settlement.intent.id in waiting
            answered = settlement.outcome not in (Outcome.UNKNOWN, Outcome.PENDING)
            key = settlement.intent.action.table
            if recorded and key in self._states:
                self._states[key] = absorb(self._states[key], settlement)
            if recorded and answered:
                del waiting[settlement.intent.id]
                self._unsettled.append(settlement)
        self._open = list(waiting.values())
        if not self._unsettled:
            return
        touched = {s.intent.action.table for s in self._unsettled} & self._states.keys()
        try:
            self._store.settle(self._unsettled, {key: self._states[key] for key in touched})
        except StoreError as error:
            # The change is made and the state knows it; the store is told in the next pass, or the next life of the
            # watcher reconciles the intent from DescribeTable.
            self._telemetry.trouble("store.failed", sentence=str(error))
            return
        self._unsettled = []

    def _tidy(self, now: float, gone: Sequence[TableKey]) -> None:
        """Forget tables that are gone, after their last alert is recorded; and what is older than the history kept."""
        for key in gone:
            if self._try(partial(self._store.forget, key)):
                del self._states[key]
                self._lessons.forget(key)
                self._backfill.forget(key)
        for region in self._regions:
            names = {key.name for key in gone if key.region == region.ports.region}
            if names:
                region.discovered_at = None
                region.read_at = {name: at for name, at in region.read_at.items() if name not in names}
        if self._pruned_at is None or self._clock.monotonic() - self._pruned_at >= PRUNING:
            self._pruned_at = self._clock.monotonic()
            self._try(partial(self._store.prune, now - self._settings.history))

    def _try(self, write: Callable[[], None]) -> bool:
        try:
            write()
        except StoreError as error:
            self._telemetry.trouble("store.failed", sentence=str(error))
            return False
        return True

    def _reports(self, this: Round, settlements: Sequence[Settlement]) -> list[TableReport]:
        settled: dict[TableKey, list[Settlement]] = {}
        for settlement in settlements:
            settled.setdefault(settlement.intent.action.table, []).append(settlement)
        reports = [
            replace(one.report, settlements=settled[one.key]) if one.key in settled else one.report for one in this.seen
        ]
        failures = dict(this.broken)
        troubled = any(sighting.failures for _, sighting in this.sightings)
        known = {(key.region, key.name): key for key in self._states} if troubled else {}
        for region, sighting in this.sightings:
            where = region.ports.region
            for name, error in sighting.failures.items():
                failures[known.get((where, name), TableKey("", where, name))] = error
        for key, error in sorted(failures.items()):
            policy = self._policies(key.name)
            reports.append(TableReport(key, policy.mode if policy else Mode.OBSERVE, None, None, error=error))
        return reports


def _is_read(observation: TableObservation) -> bool:
    """Whether CloudWatch told all of the table's consumption that it knows."""
    return all(answer.complete for query, answer in observation.answers.items() if query.metric is Metric.CONSUMED)
