"""One pass of the watcher: observe, reconcile, step, record, act, settle, tell.

``run``, ``once``, the tests and replay drive this same object with other ports and another clock. It knows ports and
the core, never an adapter. An instant is read once per cycle and handed down.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import inf

from watcher.backfill import Backfill, Lessons
from watcher.clock import Clock
from watcher.core.model import Alert, Choice, Intent, TableKey
from watcher.core.past import Study, adopted
from watcher.core.pauses import Pause
from watcher.core.policy import Links, TablePolicy
from watcher.core.reasons import Mode
from watcher.core.region_state import RegionRules
from watcher.core.sampling import SamplingLimits
from watcher.core.state import TableState
from watcher.core.step import farewell, step
from watcher.cycle_act import Acting, pending
from watcher.cycle_look import LookSettings, Region
from watcher.cycle_regions import RegionDesk, retold
from watcher.cycle_round import Phase, Round, Seen, reports
from watcher.cycle_sampling import is_ours, rules_in_use, with_sampling
from watcher.cycle_tell import Telling
from watcher.errors import StoreError
from watcher.observe import Sighting
from watcher.ports import CycleRecord, CycleReport, Notifier, Policies, RegionPorts, Store, TableReport, Telemetry
from watcher.post import Post

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
        region_rules: RegionRules | None = None,
        links: Links | None = None,
    ) -> None:
        """Loads the remembered states. Raises StoreError: without its memory the watcher does not start.

        region_rules, links: for alerts about whole Regions."""
        self._settings = settings or CycleSettings()
        self._regions = [Region(ports, clock, telemetry, self._settings.look, stopping) for ports in regions]
        self._store = store
        self._telemetry = telemetry
        self._clock = clock
        self._policies = self._next_policies = policies
        self._sampling = sampling or SamplingLimits()
        self._stopping = stopping
        self._notifier = notifier
        self._post = Post(store, notifier, telemetry, clock, workers=self._settings.workers)
        self._states: dict[TableKey, TableState] = dict(store.load())
        self._acting = Acting(
            self._regions, self._states, store=store, telemetry=telemetry, clock=clock, stopping=stopping
        )
        self.desk = RegionDesk(
            [ports.region for ports in regions],
            store.load_regions(),
            self._states,
            clock,
            rules=region_rules,
            links=links,
        )
        self._pauses: Sequence[Pause] | None = None  # not known before this life has read them once
        self._told_unread = False  # whether it has been told that they are not known
        self._unrecorded: list[Alert] = []  # raised while the store was lost, however they were sent
        self._pruned_at: float | None = None
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

    def use(
        self,
        policies: Policies,
        notifier: Notifier,
        sampling: SamplingLimits | None = None,
        region_rules: RegionRules | None = None,
        links: Links | None = None,
    ) -> None:
        """Decide and alert by these from the next pass on (a reloaded config). Safe while a pass runs: each pass reads
        its policies once."""
        self._next_policies = policies
        self._sampling = sampling or self._sampling
        self._notifier = notifier
        self.desk.use(region_rules, links)

    @property
    def notifier(self) -> Notifier:
        """The one that the next pass alerts by."""
        return self._notifier

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
        self._post.keep_unstored(self.desk.begins(self._phases))
        if self._policies is not self._next_policies:
            self._policies = self._next_policies
            for region in self._regions:
                region.keys.forget_samples()
        self._post.use(self._notifier)
        phase = partial(Phase, self._phases)
        with phase("observe"):
            sightings = [(region, self._look(region, now)) for region in self._regions]
        with phase("reconcile"):
            settled = self._acting.reconcile(now, sightings)
        with phase("step"):
            pauses = self._pauses_at(now)
            stepped = self._step(now, sightings)
            this = with_sampling(stepped, self._sampling, self._states, self._policies, self._sampling_failed)
            this = self.desk.follow(this, self._states, self._policies, pauses)
        with phase("record"):
            intents = self._acting.intents_of(this)
            lost = self._record(this, intents)
        telling = Telling(self._post, self._clock, pauses, settled)
        with phase("act"):
            done = self._acting.act(intents, bool(lost), self._settings.acting, telling.meanwhile)
        with phase("settle"):
            self._acting.settle(done)
        with phase("tell"):
            delivery = telling.finish(done)
        with phase("tidy"):
            self._tidy(now, [] if lost else this.gone)
        self.desk.finished([*settled, *done])
        region_errors = {region.name: sight.error for region, sight in sightings if sight.error}
        report = CycleReport(
            started_at=now,
            finished_at=self._clock.now(),
            seconds=self._clock.monotonic() - began,
            tables=reports(this, [*settled, *done], self._states, self._policies),
            region_errors=region_errors | ({"": lost} if lost else {}),
            unmatched=sum(1 for region in self._regions for name in region.names if self._policies(name) is None),
            told=(*this.alerts, *self.desk.loss),
            delivered=delivery.delivered,
            undelivered=delivery.failed,
            dead=delivery.dead,
            outbox=delivery.waiting,
            phases=dict(self._phases),
            learning=len(self._backfill.waiting),
            rules=rules_in_use((region.name, region.keys.survey) for region in self._regions),
            acting=not lost,
            pauses=[pause for pause in pauses if pause.since <= now < pause.until],
            silenced=delivery.silenced,
            held=delivery.held,
            failing=self._post.failing,
            regions=self.desk.states,
        )
        self._telemetry.cycle_finished(report)
        return report

    # observe ---------------------------------------------------------------------------------------------------------

    def _look(self, region: Region, now: float) -> Sighting:
        here = {key.name: state for key, state in self._states.items() if key.region == region.name}
        concerned = {i.action.table.name for i in self._acting.open if i.action.table.region == region.name}
        concerned.update(name for name, state in here.items() if is_ours(state))
        switching = any(i.action.switch is not None and i.action.table.region == region.name for i in self._acting.open)
        return region.look(now, self._policies, here, concerned, switching=switching)

    def _sampling_failed(self, region: str, sentence: str) -> None:
        self._telemetry.trouble("sampling.failed", region=region, sentence=sentence)

    # step ------------------------------------------------------------------------------------------------------------

    def _pauses_at(self, now: float) -> Sequence[Pause]:
        """While the store cannot be read, those that it was last seen to hold. To be called once a pass."""
        try:
            self._pauses = self._store.pauses(now)
        except StoreError as error:
            self._telemetry.trouble("store.failed", sentence=str(error))
            if self._pauses is None and not self._told_unread:
                self._told_unread = True
                sentence = (
                    "pauses have not been read since the start, and somebody may have asked that a table be left "
                    f"alone: no capacity is changed, only advised on, until they can be: {error}"
                )
                self._telemetry.trouble("pauses.unread", sentence=sentence)
        return self._pauses or ()

    def _policy(self, key: TableKey, now: float) -> TablePolicy | None:
        """The config's policy, and while somebody has asked for it, without acting."""
        policy = self._policies(key.name)
        if policy is None or policy.mode is not Mode.ACT:
            return policy
        asked = self._pauses is None or any(pause.advise_only and pause.covers(key, now) for pause in self._pauses)
        return replace(policy, mode=Mode.ADVISE) if asked else policy

    def _step(self, now: float, sightings: Sequence[tuple[Region, Sighting]]) -> Round:
        seen, broken, gone = [], {}, []
        for region, sighting in sightings:
            for name, observation in sighting.observations.items():
                key = observation.description.key
                policy = self._policy(key, now)
                if policy is None:
                    continue
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
        abroad = self._abroad
        left = [key for key in self._states if key not in (*gone, *abroad) and self._has_left(key)]
        goodbyes = [
            alert
            for keys, why in ((gone, "deleted"), ([*left, *abroad], "no longer watched"))
            for key in keys
            for alert in farewell(now, key, self._states[key].incident, why)
        ]
        alerts = [*goodbyes, *(alert for one in seen for alert in one.result.alerts)]
        return Round(now, sightings, seen, broken, [*gone, *left, *filter(self._is_free, abroad)], alerts)

    def _is_gone(self, key: TableKey, region: Region) -> bool:
        """Not found, by credentials of its own account; by others a table of ours may well be there."""
        return key.account == region.account or not (region.account or is_ours(self._states[key]))

    def _has_left(self, key: TableKey) -> bool:
        """No rule matches it any more, and it is free."""
        return self._policies(key.name) is None and self._is_free(key)

    def _is_free(self, key: TableKey) -> bool:
        """Nothing of ours is still open on it, or on in it."""
        return all(intent.action.table != key for intent in self._acting.open) and not is_ours(self._states[key])

    @property
    def _abroad(self) -> list[TableKey]:
        """Tables remembered of Regions that are watched no longer."""
        watched = {region.name for region in self._regions}
        return [key for key in self._states if key.region not in watched]

    # record ----------------------------------------------------------------------------------------------------------

    def _record(self, this: Round, intents: Sequence[Intent]) -> str:
        """Write down what is about to be done and told. Why it could not be, or "": then nothing is done."""
        waits_for = pending(intents)
        seen = {one.key: one.result.state for one in this.seen}
        # What is told once must not be told again: a deleted table keeps its state, without the incident, until it
        # is forgotten; one of a Region watched no longer for as long as anything of ours is on it.
        ended = (*this.gone, *(key for key in self._abroad if self._states[key].incident))
        seen.update({key: replace(self._states[key], incident=None) for key in ended})
        seen = retold(seen, self._states, this.retell)
        states = retold(seen | {key: plan.state for key, plan in this.plans.items()}, self._states, this.retell)
        outgoing = self._post.address(this.alerts)
        record = CycleRecord(
            time=this.now,
            states={
                key: replace(state, pending=waits_for[key]) if key in waits_for else state
                for key, state in states.items()
            },
            decisions=[
                *(decision for one in this.seen for decision in one.result.explanation.new_decisions),
                *(decision for plan in this.plans.values() for decision in plan.decisions),
            ],
            intents=intents,
            outgoing=[*self._post.unstored, *outgoing],
            alerts=[*self._unrecorded, *this.alerts],
            regions=self.desk.changed,
            # What was learned of a table whose past is still to come is not kept: should this life of the watcher end
            # before, the next one asks for that past anew.
            learned=[key for key in self._lessons.due(states) if key not in self._backfill.waiting],
        )
        self._acting.recording()
        try:
            self._post.must_have_addressed()
            self._store.record(record)
        except Exception as error:  # noqa: BLE001 - whatever broke in the store: observe and alert, never act
            self._telemetry.trouble("store.failed", sentence=str(error))
            self._states.update(seen)  # without the plans: nothing is switched that is not written down
            loss = self.desk.lost(this.now, str(error) or repr(error))
            self._post.keep_unstored([*outgoing, *self._post.address(loss)])
            self._unrecorded += (*this.alerts, *loss)
            return str(error) or repr(error)
        self._acting.recorded(intents)
        self._states.update(record.states)
        self.desk.written()
        self._unrecorded = []
        self._lessons.written({key: record.states[key] for key in record.learned})
        self._post.stored(outgoing)
        return ""

    def release(self, wait: Callable[[float], object]) -> tuple[int, int]:
        """Put back every table and index whose every access is sampled by our hand, before the watcher ends: it costs
        by the access, and nobody would be there to end it. To be called after the last pass.

        wait: sleeps for real seconds; what AWS is just switching, or throttles, is tried again for a while. (how many
        were put back, how many are left to the next life of the watcher).
        """
        return self._acting.release(wait)

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
