"""What concerns whole Regions, pass by pass: the watcher's own incidents there, storms of tables, and late passes."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace

from watcher.clock import Clock
from watcher.core.model import Alert, Lever, Settlement, TableKey
from watcher.core.pauses import Pause, covering
from watcher.core.policy import Links
from watcher.core.reasons import Cause, Mode, Outcome
from watcher.core.region_farewell import farewell
from watcher.core.region_incidents import follow
from watcher.core.region_sight import Denial, Gap, RegionSight
from watcher.core.region_state import RegionRules, RegionState
from watcher.core.state import Incident, TableState
from watcher.core.storm import Scene, fold
from watcher.core.storm_words import Affected, response_to
from watcher.cycle_denials import Denials, Question, merged
from watcher.cycle_look import Region
from watcher.cycle_round import Round
from watcher.observe import Sighting
from watcher.ports import Outgoing, Policies

FIRST_PASS = 900.0  # seconds more than any other pass may take; it reads back hours
OPERATIONS = {
    Lever.CAPACITY: "UpdateTable",
    Lever.FLOOR: "RegisterScalableTarget",
    Lever.SAMPLING: "UpdateContributorInsights",
}
DOING = {
    "observe": "reading AWS",
    "record": "writing down its state",
    "act": "changing capacity",
    "settle": "writing down what was changed",
    "tell": "sending alerts",
}


class RegionDesk:
    """Holds the states of the Regions between passes. What the watchdog calls, it may call from another thread."""

    def __init__(
        self,
        regions: Sequence[str],
        states: Mapping[str, RegionState],
        tables: Mapping[TableKey, TableState],
        clock: Clock,
        *,
        rules: RegionRules | None = None,
        links: Links | None = None,
    ) -> None:
        """states: as remembered, also of Regions that an earlier life watched; tables: likewise, for what AWS refused
        in an earlier life."""
        self._clock = clock
        self._rules = rules or RegionRules()
        self._links = links or Links()
        self._states = {region: states.get(region, RegionState()) for region in regions}
        self._written = dict(self._states)
        forgotten = RegionState()
        self._left = {region: state for region, state in states.items() if region not in self._states}
        self._left = {region: state for region, state in self._left.items() if state != forgotten}
        self._to_forget: dict[str, RegionState] = {}
        self._refused = {region: Denials(clock) for region in regions}
        self._sights: dict[str, RegionSight] = {}
        self._store_error = ""
        self.loss: tuple[Alert, ...] = ()
        self._lock = threading.Lock()  # over what follows
        self._since, self._since_monotonic = clock.now(), clock.monotonic()
        self._is_first = True
        self._gap: Gap | None = None
        self._phases: Mapping[str, float] | None = None  # of the pass under way, None between passes
        self._overdue: dict[str, Incident] = {}  # told by the watchdog, not yet taken up
        self._unsent: list[Outgoing] = []
        self._remember_refusals(tables)

    def _remember_refusals(self, tables: Mapping[TableKey, TableState]) -> None:
        for key, state in tables.items():
            refusal = state.refusal
            if refusal is not None and refusal.outcome is Outcome.DENIED and key.region in self._refused:
                self._note_refusal(key, Lever.CAPACITY, refusal.detail)

    def use(self, rules: RegionRules | None, links: Links | None) -> None:
        """Go by these from now on, where they are given."""
        self._rules = rules or self._rules
        self._links = links or self._links

    @property
    def states(self) -> dict[str, RegionState]:
        return dict(self._states)

    # one pass, in this order -----------------------------------------------------------------------------------------

    def begins(self, phases: Mapping[str, float]) -> list[Outgoing]:
        """A pass begins, whose phases show in ``phases`` as they come. What the watchdog could neither send nor store,
        to be kept by the post."""
        self.loss = ()
        with self._lock:
            self._phases = phases
            unsent, self._unsent = self._unsent, []
        return unsent

    def follow(
        self,
        this: Round,
        tables: Mapping[TableKey, TableState],
        policies: Policies,
        pauses: Sequence[Pause] = (),
    ) -> Round:
        """After the steps: the pass with all its alerts, those folded into a storm marked so, and with the tables to be
        told anew. tables: the states before the steps. pauses: a table that one covers joins no storm. The new states
        of the Regions are in :meth:`changed`."""
        with self._lock:
            gap, self._gap = self._gap, None
            overdue, self._overdue = self._overdue, {}
        alerts: list[Alert] = []
        retell: set[TableKey] = set()
        for region, sighting in this.sightings:
            state = _with_overdue(self._states[region.name], overdue.get(region.name), this.now)
            sight = self._sight(region, sighting, tables, policies, gap)
            state, own = follow(this.now, self._rules, state, sight, self._links)
            here = [alert for alert in this.alerts if alert.table.region == region.name]
            folding = fold(this.now, self._rules, state, _scene(sight.key, this, tables, pauses), here, self._links)
            self._sights[region.name] = sight
            # As good as finished, for whoever reads it from the store.
            self._states[region.name] = replace(folding.state, finished_at=this.now)
            alerts += (*own, *folding.told, *folding.alerts)
            retell.update(key for key in tables if key.region == region.name and key.name in folding.retell)
        elsewhere = [alert for alert in this.alerts if alert.table.region not in self._states]
        return replace(this, alerts=(*alerts, *self._farewells(this.now, elsewhere)), retell=frozenset(retell))

    def _farewells(self, now: float, alerts: Sequence[Alert]) -> list[Alert]:
        """What ends in Regions that are watched no longer, and those Regions are forgotten; alerts: of their tables."""
        told = [alert for alert in alerts if alert.table.region not in self._left]
        for region, state in self._left.items():
            told += farewell(now, region, state, [alert for alert in alerts if alert.table.region == region])
            self._to_forget[region] = RegionState()
        self._left = {}
        return told

    @property
    def changed(self) -> dict[str, RegionState]:
        """The states worth writing down: all that differ in more than when the last pass finished, and those of Regions
        in trouble, whose next life must know that it was a moment ago."""
        found = {
            region: state
            for region, state in self._states.items()
            if state.troubled_since or state != replace(self._written[region], finished_at=state.finished_at)
        }
        return found | self._to_forget

    def written(self) -> None:
        """The store has taken all of it."""
        self._written = dict(self._states)
        self._to_forget = {}
        self._store_error = ""

    def lost(self, now: float, error: str) -> tuple[Alert, ...]:
        """The store has not. What is to be told of that, at once and from memory; until the next pass in ``loss``."""
        self._store_error = error
        alerts: list[Alert] = []
        for region, sight in self._sights.items():
            seen = replace(sight, store_error=error, gap=None)
            self._states[region], told = follow(
                now, self._rules, self._states[region], seen, self._links, only=(Cause.LEASE_LOST,)
            )
            alerts += told
        self.loss = tuple(alerts)
        return self.loss

    def finished(self, settlements: Sequence[Settlement]) -> None:
        """A pass has finished just now; settlements: what became of its actions. A late one is told by the next."""
        for settlement in settlements:
            self._note_settlement(settlement)
        now, monotonic = self._clock.now(), self._clock.monotonic()
        with self._lock:
            age = monotonic - self._since_monotonic
            if age > self._patience:
                self._gap = Gap(
                    self._since, self._since + age, is_over=True, doing=self._longest, is_first=self._is_first
                )
            self._since, self._since_monotonic = now, monotonic
            self._is_first = False
            self._phases = None
        self._states = {region: replace(state, finished_at=now) for region, state in self._states.items()}

    # the watchdog ----------------------------------------------------------------------------------------------------

    def overdue(self) -> tuple[dict[str, RegionState], tuple[Alert, ...]]:
        """What is to be told, and written down, when no pass has finished for too long: once for each such time, empty
        otherwise. The same incident is taken up by the next pass that finishes."""
        with self._lock:
            age = self._clock.monotonic() - self._since_monotonic
            if age <= self._patience or self._overdue:
                return {}, ()
            gap = Gap(self._since, self._since + age, is_over=False, doing=self._under_way, is_first=self._is_first)
            states: dict[str, RegionState] = {}
            alerts: list[Alert] = []
            for region, before in self._states.items():
                known = self._sights.get(region) or RegionSight(TableKey(before.account, region, ""))
                sight = replace(known, gap=gap)
                state, told = follow(gap.until, self._rules, before, sight, self._links, only=(Cause.OVERDUE,))
                self._overdue[region] = state.incidents[Cause.OVERDUE]
                states[region] = state
                alerts += told
        return states, tuple(alerts)

    @property
    def is_overdue(self) -> bool:
        """Whether no pass has finished for too long, as of now."""
        with self._lock:
            return self._clock.monotonic() - self._since_monotonic > self._patience

    def keep_unsent(self, outgoing: Sequence[Outgoing]) -> None:
        """Messages of the watchdog's that went neither out nor into the store."""
        with self._lock:
            self._unsent.extend(outgoing)

    def sent_after_all(self, outgoing: Outgoing) -> None:
        """One of those has gone out by now."""
        with self._lock:
            self._unsent = [one for one in self._unsent if (one.id, one.topic_arn) != (outgoing.id, outgoing.topic_arn)]

    @property
    def _patience(self) -> float:
        return self._rules.overdue_after + (FIRST_PASS if self._is_first else 0.0)

    @property
    def _under_way(self) -> str:
        """What the pass is doing, as far as that is known."""
        return DOING.get(list(self._phases)[-1], "") if self._phases else ""

    @property
    def _longest(self) -> str:
        """What took most of the pass, where one thing did."""
        phases = self._phases or {}
        longest = max(phases, key=lambda phase: phases[phase], default="")
        return DOING.get(longest, "") if longest and phases[longest] * 2 > sum(phases.values()) else ""

    # evidence --------------------------------------------------------------------------------------------------------

    def _sight(
        self,
        region: Region,
        sighting: Sighting,
        tables: Mapping[TableKey, TableState],
        policies: Policies,
        gap: Gap | None,
    ) -> RegionSight:
        here = {*region.names, *(key.name for key in tables if key.region == region.name)}
        modes = [policy.mode for policy in map(policies, here) if policy is not None]
        account = region.account or self._states[region.name].account
        return RegionSight(
            key=TableKey(account, region.name, ""),
            watched=len(modes),
            acting=Mode.ACT in modes,
            error=sighting.error,
            denied=merged((*sighting.denied, *self._refused[region.name].standing())),
            gap=gap,
            store_error=self._store_error,
        )

    def _note_settlement(self, settlement: Settlement) -> None:
        action = settlement.intent.action
        denials = self._refused.get(action.table.region)
        if settlement.outcome is Outcome.DENIED:
            self._note_refusal(action.table, action.lever, settlement.detail)
        elif denials is not None and settlement.outcome in (Outcome.APPLIED, Outcome.GONE):
            denials.answered(Question.CHANGE, f"{action.table.name} {action.lever}")

    def _note_refusal(self, key: TableKey, lever: Lever, detail: str) -> None:
        denial = Denial(OPERATIONS[lever], detail or "AWS gives no reason", (key.name,))
        self._refused[key.region].keep(Question.CHANGE, (denial,), f"{key.name} {lever}")


def _with_overdue(state: RegionState, incident: Incident | None, now: float) -> RegionState:
    """With what the watchdog told meanwhile. No pass has finished since, so it is not over by now."""
    if incident is None:
        return state
    return replace(state, incidents={**state.incidents, Cause.OVERDUE: replace(incident, last_bad=now)})


def _scene(key: TableKey, this: Round, tables: Mapping[TableKey, TableState], pauses: Sequence[Pause]) -> Scene:
    before = {one.name: state.incident for one, state in tables.items() if one.region == key.region and state.incident}
    gone = {one.name for one in this.gone if one.region == key.region}
    known = {one.name: state for one, state in tables.items() if one.region == key.region}
    after = {
        name: Affected(incident, response_to(incident, (), _raised_at(known[name], incident.index), this.now))
        for name, incident in before.items()
        if name not in gone
    }
    for one in this.seen:
        if one.key.region == key.region:
            after.pop(one.key.name, None)
            state, explanation = one.result.state, one.result.explanation
            if state.incident is not None:
                raised_at = _raised_at(state, state.incident.index)
                response = response_to(state.incident, explanation.decisions, raised_at, this.now)
                after[one.key.name] = Affected(state.incident, response, explanation.demand)
    paused = frozenset(name for name in after if covering(pauses, replace(key, name=name), this.now))
    return Scene(key, after, frozenset(before), paused)


def _raised_at(state: TableState, index: str) -> float | None:
    """When the table, or that index of it, was last raised."""
    instants = (one.raised_at for dimension, one in state.dimensions.items() if dimension.index == index)
    return max((at for at in instants if at is not None), default=None)


def retold(
    states: Mapping[TableKey, TableState], known: Mapping[TableKey, TableState], retell: frozenset[TableKey]
) -> dict[TableKey, TableState]:
    """``states`` with the incidents to be told anew marked so; those not among them are taken from ``known``."""
    marked = dict(states)
    for key in retell:
        state = states.get(key) or known.get(key)
        if state is not None and state.incident is not None:
            marked[key] = replace(state, incident=replace(state.incident, retell=True))
    return marked
