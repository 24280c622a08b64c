"""Contributor Insights in small, and a watcher that plans its sampling through stories of many cycles.

The cloud switches with a delay, counts rules against a quota, FAILs beyond it, and remembers who enabled what.
Other hands act between cycles; answers get lost, and so does the watcher itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tests.core.sampling.sampling_cases import FULL, INDEX, MIDNIGHT, OFF, described, key
from watcher.core.budget import midnight
from watcher.core.insights import Place, Sampler, SamplerMode, SamplerStatus, Sampling, Survey
from watcher.core.model import (
    Action,
    Decision,
    TableKey,
)
from watcher.core.policy import TablePolicy
from watcher.core.reasons import Mode, Outcome
from watcher.core.sampling import SamplingCase, SamplingLimits, SamplingPlan, absorbed, mode_rules, plan
from watcher.core.state import SamplerState, TableState

CYCLE = 60.0
LIMITS = SamplingLimits(rules=12, full_seconds=600.0, usd_per_day=1.0, switches=3)
PLACES = (Place("orders"), Place("orders", INDEX), Place("carts"), Place("users"))
SORTS = {"orders": "at", "carts": "", "users": "at"}
OURS, THEIRS = "ours", "theirs"


@dataclass(slots=True)
class Spot:
    """One place in the cloud. mode: what is or comes on. rules: that exist."""

    mode: SamplerMode = OFF
    status: SamplerStatus = SamplerStatus.DISABLED
    ready_at: float = 0.0
    owner: str = ""
    rules: int = 0
    since: float = 0.0


class Cloud:
    """Contributor Insights of a Region, with its quota of rules."""

    def __init__(self, quota: int = LIMITS.rules) -> None:
        self.spots = {place: Spot() for place in PLACES}
        self.quota = quota
        self.failures: list[Place] = []

    def advance(self, now: float) -> None:
        for place, spot in self.spots.items():
            if now < spot.ready_at:
                continue
            if spot.status is SamplerStatus.DISABLING:
                self.spots[place] = Spot()
            elif spot.status is SamplerStatus.ENABLING:
                wanted = mode_rules(spot.mode, bool(SORTS[place.table]))
                if self.rules - spot.rules + wanted > self.quota:
                    self.failures.append(place)
                    spot.status, spot.mode, spot.rules = SamplerStatus.FAILED, OFF, 0
                else:
                    spot.status, spot.rules = SamplerStatus.ENABLED, wanted

    @property
    def rules(self) -> int:
        return sum(spot.rules for spot in self.spots.values())

    def switch(self, place: Place, mode: SamplerMode, now: float, owner: str, delay: float) -> None:
        spot = self.spots[place]
        if mode is OFF:
            if spot.status is not SamplerStatus.DISABLED:
                spot.status, spot.mode, spot.ready_at, spot.owner = SamplerStatus.DISABLING, OFF, now + delay, owner
        elif spot.mode is not mode:
            spot.status, spot.mode, spot.ready_at = SamplerStatus.ENABLING, mode, now + delay
            spot.owner, spot.since = owner, now

    def survey(self, now: float, *, counted: bool) -> Survey:
        samplers = {
            place: Sampler(spot.status, spot.mode, failure="too many rules" if spot.status == "FAILED" else "")
            for place, spot in self.spots.items()
            if spot.status is not SamplerStatus.DISABLED
        }
        return Survey(now, samplers, self.rules if counted else None, "" if counted else "cannot be counted")


@dataclass(frozen=True, slots=True)
class Beat:
    """One cycle and what comes before it.

    minutes: since the last one, more than one when the watcher was down. needs: throttled events. foreign: what other
    hands switch just before. look: how the survey goes. fate: what becomes of the cycle's actions. delay: seconds that
    switching takes. sampling, mode: the config from here on.
    """

    minutes: int = 1
    needs: Mapping[Place, float] = field(default_factory=dict)
    foreign: Mapping[Place, SamplerMode] = field(default_factory=dict)
    look: str = "fresh"  # fresh, stale, none, uncounted
    fate: str = "done"  # done, crash before, crash after, lost before, lost after, forgotten before, forgotten after
    refuse: Outcome | None = None
    delay: float = 2.0
    events: float = 20_000.0
    sampling: Sampling | None = None
    mode: Mode | None = None


@dataclass
class Told:
    """One cycle as it was: for the laws."""

    now: float
    beat: Beat
    survey: Survey | None
    before: dict[Place, SamplerState]
    plans: Mapping[TableKey, SamplingPlan]
    memories: dict[Place, SamplerState]
    cloud: dict[Place, Spot]
    mode: Mode

    @property
    def actions(self) -> list[Action]:
        return [action for made in self.plans.values() for action in made.actions]

    @property
    def decisions(self) -> list[Decision]:
        return [decision for made in self.plans.values() for decision in made.decisions]


class World:
    """The watcher's planning against the cloud."""

    def __init__(self, sampling: Sampling, mode: Mode, limits: SamplingLimits = LIMITS) -> None:
        self.now = MIDNIGHT + 22 * 3600.0  # so that long stories cross midnight
        self.cloud = Cloud(limits.rules)
        self.limits = limits
        self.sampling, self.mode = sampling, mode
        self.states = {name: TableState() for name in SORTS}
        self.survey: Survey | None = None
        self.open: list[tuple[float, Action]] = []
        self.told: list[Told] = []
        self.bought: dict[float, float] = {}  # dollars of windows that the cloud took, by day
        self._disturbed_at = -1e9

    def live(self, beat: Beat) -> Told:
        self._pass(beat)
        self.sampling, self.mode = beat.sampling or self.sampling, beat.mode or self.mode
        self._look(beat)
        self._reconcile()
        before = self.memories()
        plans = plan(self.now, self.limits, self.survey, self._cases(beat))
        for made_for, made in plans.items():
            self.states[made_for.name] = made.state
        actions = [action for made in plans.values() for action in made.actions]
        for action in actions:
            self._act(action, beat)
        self.cloud.advance(self.now + 30.0)
        spots = {place: replace(spot) for place, spot in self.cloud.spots.items()}
        told = Told(self.now, beat, self.survey, before, plans, self.memories(), spots, self.mode)
        self.told.append(told)
        return told

    def memories(self) -> dict[Place, SamplerState]:
        return {place: self.states[place.table].samplers.get(place.index, SamplerState()) for place in PLACES}

    def _pass(self, beat: Beat) -> None:
        self.now += CYCLE * beat.minutes
        self.cloud.advance(self.now)
        memories = self.memories()
        for place, mode in beat.foreign.items():
            # What no survey could tell apart is left out: a second hand that enables what we were just about to.
            clear = not memories[place].is_ours or memories[place].set is self.cloud.spots[place].mode
            if clear and self.now - self._disturbed_at >= 6 * CYCLE:
                self.cloud.switch(place, mode, self.now - 20.0, THEIRS, 2.0)
                self._disturbed_at = self.now
        self.cloud.advance(self.now)

    def _look(self, beat: Beat) -> None:
        if self.now - self._disturbed_at <= 4 * CYCLE or self.survey is None or beat.look in ("fresh", "uncounted"):
            self.survey = self.cloud.survey(self.now, counted=beat.look != "uncounted")
        if beat.look == "none" and self.now - self._disturbed_at > 4 * CYCLE:
            self.survey = None

    def _reconcile(self) -> None:
        """Close what was left open, by a survey that knows."""
        left = []
        for at, action in self.open:
            switch = action.switch
            assert switch is not None
            place = Place(action.table.name, switch.index)
            sampler = self.survey.sampler(place) if self.survey is not None else None
            if self.survey is None or sampler is None or self.survey.at <= at or not sampler.is_settled:
                left.append((at, action))
                continue
            found = sampler.mode is switch.after and sampler.status is not SamplerStatus.FAILED
            self._absorb(action, Outcome.APPLIED if found else Outcome.SUPERSEDED, self.now)
        self.open = left

    def _cases(self, beat: Beat) -> Sequence[SamplingCase]:
        policy = TablePolicy(mode=self.mode, sampling=self.sampling)
        return [
            SamplingCase(
                key(name),
                policy,
                described(name, *[place.index for place in PLACES if place.table == name and place.index], sort=sort),
                self.states[name],
                {place.index: count for place, count in beat.needs.items() if place.table == name},
                {place.index: beat.events for place in PLACES if place.table == name},
            )
            for name, sort in SORTS.items()
        ]

    def _act(self, action: Action, beat: Beat) -> None:
        cause, _, when = beat.fate.partition(" ")
        if when != "before":
            outcome = self._carry_out(action, beat)
        if cause == "done":
            self._absorb(action, outcome, self.now + 1.0)
        elif cause != "forgotten":  # a crash or a lost answer leaves the intent open
            self.open.append((self.now, action))

    def _carry_out(self, action: Action, beat: Beat) -> Outcome:
        switch = action.switch
        assert switch is not None
        place = Place(action.table.name, switch.index)
        spot = self.cloud.spots[place]
        if action.mode is Mode.ADVISE:
            return Outcome.ADVISED
        if beat.refuse is not None and beat.fate == "done":
            # That it is gone or off already would be untrue here.
            return Outcome.BUSY if beat.refuse in (Outcome.GONE, Outcome.UNCHANGED) else beat.refuse
        if spot.mode is not switch.before:
            return Outcome.CANCELLED
        assert spot.owner != THEIRS or spot.status is SamplerStatus.DISABLING, f"{place} is another hand's"
        if switch.after is FULL:
            events = beat.events * (2 if SORTS[place.table] else 1)
            usd = events * self.limits.full_seconds / 60 * 0.03e-6
            day = midnight(self.now)
            self.bought[day] = self.bought.get(day, 0.0) + usd
        self.cloud.switch(place, switch.after, self.now, OURS, beat.delay)
        return Outcome.APPLIED

    def _absorb(self, action: Action, outcome: Outcome, now: float) -> None:
        switch = action.switch
        assert switch is not None
        state = self.states[action.table.name]
        memory = absorbed(state.samplers.get(switch.index, SamplerState()), switch, outcome, "said AWS", now)
        self.states[action.table.name] = replace(state, samplers={**state.samplers, switch.index: memory})
