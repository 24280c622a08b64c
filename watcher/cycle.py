"""One pass of the watcher: observe, reconcile, step, record, act, settle, tell.

``run``, ``once``, the tests and replay drive this same object with other ports and another clock. It knows ports and
the core, never an adapter. An instant is read once per cycle and handed down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import inf

from watcher.backfill import Backfill, Lessons
from watcher.clock import Clock
from watcher.core.insights import Place, SamplerMode
from watcher.core.model import Action, Choice, Intent, Lever, Settlement, TableKey
from watcher.core.past import Study, adopted
from watcher.core.reasons import Mode, Outcome
from watcher.core.sampling import SamplingLimits, release
from watcher.core.state import TableState
from watcher.core.step import farewell, step
from watcher.core.tracking import absorb
from watcher.cycle_look import LookSettings, Region
from watcher.cycle_round import Phase, Round, Seen, reports
from watcher.cycle_sampling import is_ours, rules_in_use, unseen_of, with_sampling
from watcher.errors import StoreError
from watcher.observe import Sighting
from watcher.ports import CycleRecord, CycleReport, Notifier, Policies, RegionPorts, Store, TableReport, Telemetry
from watcher.post import Post
from watcher.reconcile import most_urgent_first, reconcile

STORE_LOST = "the state store is lost, so nothing is changed"
STOPPING = "the watcher is stopping"
NO_TIME = "no time left in this cycle, the next decides anew"
PRUNING = 3600.0  # seconds between two prunings
RELEASES = 5  # times that a put-back is tried at the end
RELEASE_PAUSE = 2.0  # seconds, of AWS's time, in between: a switch takes about two
PUT_BACK = frozenset({Outcome.APPLIED, Outcome.UNCHANGED, Outcome.GONE})


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

    @property
    def look(self) -> LookSettings:
        return LookSettings(self.window, self.discovery, self.sweep, self.workers, self.latency)


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
        sampling: SamplingLimits | None = None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """Loads the remembered states. Raises StoreError: without its memory the watcher does not start."""
        self._settings = settings or CycleSettings()
        self._regions = [Region(ports, clock, telemetry, self._settings.look, stopping) for ports in regions]
        self._store = store
        self._telemetry = telemetry
        self._clock = clock
        self._policies = self._next_policies = policies
        self._sampling = sampling or SamplingLimits()
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
        self._tell_orphans()
        self._choices: dict[TableKey, Choice] = {}  # the nightly replay's, until the next pass takes them up

    def _tell_orphans(self) -> None:
        """What this watcher switched in a Region that it does not watch any more, nobody puts back."""
        watched = {region.name for region in self._regions}
        for key in sorted(key for key, state in self._states.items() if key.region not in watched and is_ours(state)):
            sentence = (
                f"Contributor Insights of {key.name} was switched on by this watcher, and its Region is watched no "
                'longer: watch the Region again with sampling = "off", or switch it off by hand'
            )
            self._telemetry.trouble("sampling.orphaned", table=key.name, region=key.region, sentence=sentence)

    def use(self, policies: Policies, notifier: Notifier, sampling: SamplingLimits | None = None) -> None:
        """Decide and alert by these from the next pass on (a reloaded config). Safe while a pass runs: each pass reads
        its policies once."""
        self._next_policies = policies
        self._sampling = sampling or self._sampling
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
        if self._policies is not self._next_policies:
            self._policies = self._next_policies
            for region in self._regions:
                region.keys.forget_samples()
        self._post.use(self._notifier)
        phase = partial(Phase, self._phases)
        with phase("observe"):
            sightings = [(region, self._look(region, now)) for region in self._regions]
        with phase("reconcile"):
            settlements = self._reconcile(now, sightings)
        with phase("step"):
            stepped = self._step(now, sightings)
            this = with_sampling(stepped, self._sampling, self._states, self._policies, self._sampling_failed)
        with phase("record"):
            intents = self._intents_of(this)
            lost = self._record(this, intents)
        with phase("act"):
            settlements += self._act(intents, lost)
        with phase("settle"):
            self._settle(settlements)
        with phase("tell"):
            delivery = self._post.deliver(self._clock.now(), settlements)
        with phase("tidy"):
            self._tidy(now, [] if lost else this.gone)
        region_errors = {region.name: sight.error for region, sight in sightings if sight.error}
        report = CycleReport(
            started_at=now,
            finished_at=self._clock.now(),
            seconds=self._clock.monotonic() - began,
            tables=reports(this, settlements, self._states, self._policies),
            region_errors=region_errors | ({"": lost} if lost else {}),
            unmatched=sum(1 for region in self._regions for name in region.names if self._policies(name) is None),
            told=this.alerts,
            delivered=delivery.delivered,
            undelivered=delivery.failed,
            dead=delivery.dead,
            outbox=delivery.waiting,
            phases=dict(self._phases),
            learning=len(self._backfill.waiting),
            rules=rules_in_use((region.name, region.keys.survey) for region in self._regions),
            acting=not lost,
        )
        self._telemetry.cycle_finished(report)
        return report

    # observe ---------------------------------------------------------------------------------------------------------

    def _look(self, region: Region, now: float) -> Sighting:
        here = {key.name: state for key, state in self._states.items() if key.region == region.name}
        concerned = {i.action.table.name for i in self._open if i.action.table.region == region.name}
        concerned.update(name for name, state in here.items() if is_ours(state))
        switching = any(i.action.switch is not None and i.action.table.region == region.name for i in self._open)
        return region.look(now, self._policies, here, concerned, switching=switching)

    def _sampling_failed(self, region: str, sentence: str) -> None:
        self._telemetry.trouble("sampling.failed", region=region, sentence=sentence)

    # reconcile, step -------------------------------------------------------------------------------------------------

    def _reconcile(self, now: float, sightings: Sequence[tuple[Region, Sighting]]) -> list[Settlement]:
        """Close what an earlier pass (or life) left open, by what DescribeTable shows now."""
        if self._in_doubt:
            self._try(self._read_open_intents)
        by_region = {region.name: sighting for region, sighting in sightings}
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
            missing = [key for key in self._states if key.region == region.name and key.name in sighting.missing]
            gone += [key for key in missing if self._is_gone(key, region)]
        left = [key for key in self._states if key not in gone and self._has_left(key)]
        goodbyes = [
            alert
            for keys, why in ((gone, "deleted"), (left, "no longer watched"))
            for key in keys
            for alert in farewell(now, key, self._states[key].incident, why)
        ]
        alerts = [*goodbyes, *(alert for one in seen for alert in one.result.alerts)]
        return Round(now, sightings, seen, broken, [*gone, *left], alerts)

    def _is_gone(self, key: TableKey, region: Region) -> bool:
        """Not found, by credentials of its own account; by others a table of ours may well be there."""
        return key.account == region.account or not (region.account or is_ours(self._states[key]))

    def _has_left(self, key: TableKey) -> bool:
        """No rule matches it any more, and nothing of ours is still open on it, or on in it."""
        return (
            self._policies(key.name) is None
            and all(intent.action.table != key for intent in self._open)
            and not is_ours(self._states[key])
        )

    # record, act, settle ---------------------------------------------------------------------------------------------

    def _intents_of(self, this: Round) -> list[Intent]:
        """Full sampling ends first, since it costs by the request; then capacity, what throttles most before the rest;
        what else is to be sampled can wait."""
        switches = [action for plan in this.plans.values() for action in plan.actions]
        ending = [action for action in switches if action.switch and action.switch.before is SamplerMode.FULL]
        actions = ending + [
            action
            for one in most_urgent_first(one for one in this.seen if one.result.actions)
            for action in one.result.actions
        ]
        actions += [action for action in switches if action not in ending]
        return [self._intent(this.now, action) for action in actions]

    def _intent(self, now: float, action: Action) -> Intent:
        self._intents += 1
        ident = f"{int(now * 1000):014d}-{action.table.region}-{action.table.name}-{self._intents}"
        return Intent(ident, now, action)

    def _record(self, this: Round, intents: Sequence[Intent]) -> str:
        """Write down what is about to be done and told. Why it could not be, or "": then nothing is done."""
        pending = {i.action.table: i.id for i in intents if i.action.lever is not Lever.SAMPLING}
        seen = {one.key: one.result.state for one in this.seen}
        # What is told once must not be told again: a deleted table keeps its state, without the incident, until it
        # is forgotten.
        seen.update({key: replace(self._states[key], incident=None) for key in this.gone})
        states = seen | {key: plan.state for key, plan in this.plans.items()}
        outgoing = self._post.address(this.alerts)
        record = CycleRecord(
            time=this.now,
            states={
                key: replace(state, pending=pending[key]) if key in pending else state for key, state in states.items()
            },
            decisions=[
                *(decision for one in this.seen for decision in one.result.explanation.new_decisions),
                *(decision for plan in this.plans.values() for decision in plan.decisions),
            ],
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
            self._states.update(seen)  # without the plans: nothing is switched that is not written down
            self._post.keep_unstored(outgoing)
            return str(error) or repr(error)
        self._in_doubt = False
        self._states.update(record.states)
        self._lessons.written({key: record.states[key] for key in record.learned})
        self._open.extend(intents)
        self._post.stored()
        return ""

    def _act(self, intents: Sequence[Intent], lost: str) -> list[Settlement]:
        began = self._clock.monotonic()
        settlements = []
        for intent in intents:
            objection = STORE_LOST if lost else STOPPING if self._stopping() else ""
            if not objection and self._clock.monotonic() - began > self._settings.acting:
                objection = NO_TIME
            settlements.append(self._answered(intent, objection))
        return settlements

    def _answered(self, intent: Intent, objection: str = "") -> Settlement:
        """The intent carried out, or cancelled for the objection."""
        outcome, detail = (Outcome.CANCELLED, objection) if objection else self._carry_out(intent)
        return Settlement(intent, outcome, self._clock.now(), detail)

    def _carry_out(self, intent: Intent) -> tuple[Outcome, str]:
        action = intent.action
        region = next(region for region in self._regions if region.name == action.table.region)
        hand = region.ports.hands.get(action.mode)
        if hand is None:
            return Outcome.CANCELLED, f"nothing is ever changed in {action.mode} mode"
        if action.switch is not None and action.mode is Mode.ACT:
            region.keys.switched(Place(action.table.name, action.switch.index))
        try:
            return hand.carry_out(action)
        except Exception as error:  # noqa: BLE001 - whatever broke, the call may have gone out: AWS will tell
            detail = f"the call failed, which is a bug in the watcher: {error!r}"
            self._telemetry.trouble("action.failed", table=action.table.name, region=region.name, sentence=detail)
            return Outcome.UNKNOWN, detail

    def release(self, wait: Callable[[float], object]) -> tuple[int, int]:
        """Put back every table and index whose every access is sampled by our hand, before the watcher ends: it costs
        by the access, and nobody would be there to end it. To be called after the last pass.

        wait: sleeps for real seconds; what AWS is just switching, or throttles, is tried again for a while. (how many
        were put back, how many are left to the next life of the watcher).
        """
        back = 0
        for attempt in range(RELEASES):
            if attempt:
                wait(self._clock.real_seconds(RELEASE_PAUSE))
            settlements = self._release_once()
            back += sum(settlement.outcome in PUT_BACK for settlement in settlements)
            if all(settlement.outcome in PUT_BACK for settlement in settlements):
                break
        left = sum(
            sampler.is_ours and sampler.set is SamplerMode.FULL
            for state in self._states.values()
            for sampler in state.samplers.values()
        )
        return back, left

    def _release_once(self) -> list[Settlement]:
        now = self._clock.now()
        plans = release(now, [unseen_of(key, None, state) for key, state in self._states.items() if state.samplers])
        intents = [self._intent(now, action) for plan in plans.values() for action in plan.actions]
        if not intents:
            return []
        record = CycleRecord(
            time=now,
            states={key: plan.state for key, plan in plans.items()},
            decisions=[decision for plan in plans.values() for decision in plan.decisions],
            intents=intents,
        )
        if not self._try(partial(self._store.record, record)):
            return []  # never act on what is not written down: the next life of the watcher puts them back
        self._states.update(record.states)
        self._open.extend(intents)
        settlements = [self._answered(intent) for intent in intents]
        self._settle(settlements)
        return settlements

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
            region.forget({key.name for key in gone if key.region == region.name})
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
