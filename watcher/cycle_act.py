"""What the cycle has set out to do: intents recorded, carried out, settled, and looked up after a lost answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from watcher.clock import Clock
from watcher.core.insights import Place, SamplerMode
from watcher.core.model import Action, Intent, Settlement, TableKey
from watcher.core.reasons import Mode, Outcome
from watcher.core.sampling import release
from watcher.core.state import TableState
from watcher.core.tracking import absorb
from watcher.cycle_look import Region
from watcher.cycle_round import Round
from watcher.cycle_sampling import unseen_of
from watcher.errors import StoreError
from watcher.observe import Sighting
from watcher.ports import CycleRecord, Store, Telemetry
from watcher.reconcile import most_urgent_first, reconcile

STORE_LOST = "the state store is lost, so nothing is changed"
STOPPING = "the watcher is stopping"
NO_TIME = "no time left in this cycle, the next decides anew"
RELEASES = 5  # times that a put-back is tried at the end
RELEASE_PAUSE = 2.0  # seconds, of AWS's time, in between: a switch takes about two
PUT_BACK = frozenset({Outcome.APPLIED, Outcome.UNCHANGED, Outcome.GONE})

Meanwhile = Callable[[Sequence[Settlement], Sequence[Intent]], None]
"""Called between two changes: what is answered so far, and what is still to be carried out."""


class Acting:
    """Holds the intents that are open, and the answers that the store could not be told. It absorbs what becomes of
    them into the cycle's states."""

    def __init__(
        self,
        regions: Sequence[Region],
        states: dict[TableKey, TableState],
        *,
        store: Store,
        telemetry: Telemetry,
        clock: Clock,
        stopping: Callable[[], bool],
    ) -> None:
        """states: the cycle's own, by reference. Raises StoreError."""
        self._regions = {region.name: region for region in regions}
        self._states = states
        self._store = store
        self._telemetry = telemetry
        self._clock = clock
        self._stopping = stopping
        self._open: list[Intent] = list(store.open_intents())  # recorded and not yet answered
        self._unsettled: list[Settlement] = []  # answered, which the store could not be told
        self._in_doubt = False  # whether the store took the last record is not known
        self._intents = 0

    @property
    def open(self) -> Sequence[Intent]:
        """Intents recorded and not yet answered."""
        return self._open

    def recording(self) -> None:
        """The store is being asked to record intents: until it has answered, whether it has them is not known."""
        self._in_doubt = True

    def recorded(self, intents: Iterable[Intent]) -> None:
        self._in_doubt = False
        self._open.extend(intents)

    # ---- reconcile

    def reconcile(self, now: float, sightings: Sequence[tuple[Region, Sighting]]) -> list[Settlement]:
        """Close what an earlier pass (or life) left open, by what DescribeTable shows now."""
        if self._in_doubt:
            self._try(self._read_open_intents)
        by_region = {region.name: sighting for region, sighting in sightings}
        settlements = [s for s in (reconcile(now, intent, by_region) for intent in self._open) if s]
        self.settle(settlements)
        return settlements

    def _read_open_intents(self) -> None:
        answered = {settlement.intent.id for settlement in self._unsettled}
        self._open = [intent for intent in self._store.open_intents() if intent.id not in answered]
        self._in_doubt = False

    # ---- act

    def intents_of(self, this: Round) -> list[Intent]:
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

    def act(self, intents: Sequence[Intent], lost: bool, seconds: float, meanwhile: Meanwhile) -> list[Settlement]:  # noqa: FBT001 - the record's answer
        """Carry them out in order. lost: whether the store is, and so nothing may be changed. seconds: how long this
        may take. meanwhile: called before each of them but the first; its time does not count."""
        ends = self._clock.monotonic() + seconds
        settlements: list[Settlement] = []
        for number, intent in enumerate(intents):
            if number:
                before = self._clock.monotonic()
                meanwhile(settlements, intents[number:])
                ends += self._clock.monotonic() - before
            objection = STORE_LOST if lost else STOPPING if self._stopping() else ""
            if not objection and self._clock.monotonic() > ends:
                objection = NO_TIME
            settlements.append(self._answered(intent, objection))
        return settlements

    def _answered(self, intent: Intent, objection: str = "") -> Settlement:
        """The intent carried out, or cancelled for the objection."""
        outcome, detail = (Outcome.CANCELLED, objection) if objection else self._carry_out(intent)
        return Settlement(intent, outcome, self._clock.now(), detail)

    def _carry_out(self, intent: Intent) -> tuple[Outcome, str]:
        action = intent.action
        region = self._regions[action.table.region]
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

    # ---- settle

    def settle(self, settlements: Iterable[Settlement]) -> None:
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

    # ---- release

    def release(self, wait: Callable[[float], object]) -> tuple[int, int]:
        """See :meth:`watcher.cycle.Cycle.release`."""
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
        self.settle(settlements)
        return settlements

    def _try(self, write: Callable[[], None]) -> bool:
        try:
            write()
        except StoreError as error:
            self._telemetry.trouble("store.failed", sentence=str(error))
            return False
        return True


def pending(intents: Iterable[Intent]) -> Mapping[TableKey, str]:
    """The intent that each table's capacity waits for, by id."""
    return {intent.action.table: intent.id for intent in intents if intent.action.switch is None}
