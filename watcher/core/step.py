"""The one door into the decision: what is known, what is seen, what is wanted; out come state, actions and words.

``run``, ``once``, ``replay`` and the tests all come through here. Pure: the same input gives the same output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from watcher.core import advice, alerting, blocked, latency, points, tally, worth
from watcher.core.blocked import Want
from watcher.core.briefing import Briefing
from watcher.core.budget import budget
from watcher.core.decide import Matter, Wish, wish
from watcher.core.demand import minutes
from watcher.core.diagnose import Diagnosis, View, diagnose
from watcher.core.forecast import Outlook, look_ahead
from watcher.core.hot_keys import news as key_news
from watcher.core.intake import take_in
from watcher.core.limits import Situation, floor_wish, limited, planned
from watcher.core.model import (
    Action,
    Alert,
    Billing,
    Change,
    Decision,
    Dimension,
    Lever,
    TableDescription,
    TableKey,
    TableObservation,
)
from watcher.core.policy import DEFAULT_BOUNDS, Bounds, TablePolicy
from watcher.core.reasons import Cause, Mode, Outcome, Reason
from watcher.core.result import DimensionReport, Explanation, StepResult
from watcher.core.schedule import floor as event_floor
from watcher.core.state import SERIES_SECONDS, DimensionState, Incident, TableState
from watcher.core.telling.facts import demand_told
from watcher.core.tie import tied
from watcher.core.track import first_needed, offers_met
from watcher.core.tracking import recognise
from watcher.core.words import capitalised, rate

# Holds that are the ordinary course of things: going from one to another is no news for history.
QUIET = frozenset(
    {
        Reason.HOLD_STEADY,
        Reason.HOLD_SETTLING,
        Reason.HOLD_RECENT_LOAD,
        Reason.HOLD_AT_MIN,
        Reason.HOLD_SMALL_SAVING,
        Reason.HOLD_BUDGET,
        Reason.HOLD_RAISE_FIRST,
        Reason.HOLD_BUSY,
        Reason.HOLD_ON_DEMAND,
        Reason.HOLD_OBSERVE_ONLY,
    }
)
# Parts of the last advice between which another one is the same: nobody wants a new number each minute. More than was
# advised is news soon, less only when it is much less.
SAME_RAISE = (0.5, 1.2)
SAME_LOWER = (0.8, 2.0)


class _Plan(NamedTuple):
    """What was decided, what is to be done about it, and from what wish each decision came."""

    decisions: list[Decision]
    actions: list[Action]
    wants: Mapping[Dimension, Want]


def step(now: float, policy: TablePolicy, state: TableState, observation: TableObservation) -> StepResult:
    """One table, one cycle.

    now: instant, seconds since the epoch, UTC, read once per cycle by the caller. Never raises on missing or late data;
    a limiter that cannot compute holds.
    """
    description = observation.description
    state, chosen = points.taken_up(now, policy, state, observation.choice)
    policy = policy.at(policy.standing(state.point, state.point_goal))
    intakes = take_in(now, policy.tuning, state.dimensions, observation)
    taken = {dimension: intake.state for dimension, intake in intakes.items()}
    recognised = recognise(now, description, observation.scaling, taken, state.foreign_at)
    intakes = {d: replace(intake, state=recognised.dimensions[d]) for d, intake in intakes.items()}
    normals = latency.learn(policy.incidents, state.latency, observation.answers, now - SERIES_SECONDS)
    diagnosis = diagnose(now, policy, description, intakes, normals)
    counted, gains = tally.count(now, description, recognised.dimensions)
    foreseen, outlooks = _look_ahead(now, policy, description, counted, foreign=recognised.foreign_at == now)
    state = replace(state, dimensions=foreseen, foreign_at=recognised.foreign_at, latency=normals)

    decisions, actions, wants = _decide(now, policy, state, observation, diagnosis, outlooks)
    held = blocked.followed(now, policy, state.refusal, state.blocked, wants)
    diagnosis = blocked.told(now, policy.incidents, diagnosis, held)
    found = key_news.findings(now, policy, description, foreseen, observation.hot_keys)
    briefing = Briefing(
        now=now,
        policy=policy,
        description=description,
        diagnosis=diagnosis,
        decisions=decisions,
        hot_keys=found,
        gained=sum(sum(events.values()) for events in gains.values()),
        blocked=held,
        scaling=observation.scaling,
        refusal=state.refusal,
    )
    incident, last, alert = alerting.follow(state.incident, state.last_incident, briefing)
    new = _worth_recording(state, decisions, actions)
    verdicts, marks = key_news.news(now, policy, description, replace(state, incident=incident), found)
    state = replace(
        state,
        incident=incident,
        last_incident=last,
        blocked=held,
        hot_keys=marks,
        marks={d.dimension: (d.reason, d.after) for d in decisions},
        dimensions=_forget_old_advice(state, decisions),
    )
    billing = worth.advise(now, policy, description, state)
    verdict = advice.verdict(now, description.key.name, diagnosis, incident, policy.incidents, held)
    explanation = Explanation(
        cause=diagnosis.cause,
        sentence=f"{verdict} {capitalised(billing.sentence)}." if billing.sentence else verdict,
        dimensions=tuple(_report(now, policy, description, view, gains[d]) for d, view in diagnosis.views.items()),
        decisions=tuple(decisions),
        new_decisions=(*chosen, *new, *verdicts, *billing.news),
        latency=latency.report(normals),
        incident=incident,
        on_demand_since=billing.state.on_demand_since,
        on_demand_advice=billing.sentence,
        hot_keys=found,
        demand=None if incident is None else demand_told(incident, briefing),
    )
    return StepResult(billing.state, tuple(actions), (alert,) if alert else (), explanation)


def farewell(now: float, key: TableKey, incident: Incident | None, why: str) -> tuple[Alert, ...]:
    """What to tell when a table is deleted or left the config: its open incident is closed. why: in those words."""
    return (alerting.end_of_table(now, key, incident, why),) if incident else ()


def _look_ahead(
    now: float,
    policy: TablePolicy,
    description: TableDescription,
    states: Mapping[Dimension, DimensionState],
    *,
    foreign: bool,
) -> tuple[dict[Dimension, DimensionState], dict[Dimension, Outlook]]:
    """The states with what the newest minutes taught, and what is coming, where that can be said."""
    foreseen, outlooks = {}, {}
    for dimension, state in states.items():
        newest = state.consumed.newest()
        since = now if newest is None else first_needed(state.track, newest)
        provisioned = description.provisioned(dimension)
        recent = minutes(now, policy.tuning, dimension, states, provisioned, since)
        met = _met(policy, description, dimension, states, foreign=foreign)
        foreseen[dimension], outlook = look_ahead(now, policy.tuning, met, recent, provisioned)
        if outlook is not None:
            outlooks[dimension] = outlook
    return foreseen, tied(foreseen, outlooks)


def _met(
    policy: TablePolicy,
    description: TableDescription,
    dimension: Dimension,
    states: Mapping[Dimension, DimensionState],
    *,
    foreign: bool,
) -> DimensionState:
    """The state; of a dimension just met, or met again after a restart, with what is known of its offers. foreign:
    another hand changed capacity meanwhile, so that the offers of an earlier life are not known to the end."""
    state = states[dimension]
    if state.track.newest is not None:
        return state
    # DescribeTable dates the last increase of a table or index, whichever kind it was of.
    both = [states[other].raised_at for other in states if other.index == dimension.index]
    raised = max((at for at in both if at is not None), default=None)
    part, provisioned = description.throughputs[dimension.index], description.provisioned(dimension)
    known = () if foreign else state.offers
    return replace(state, offers=offers_met(known, part, provisioned, raised, policy.tuning.effect))


def _decide(
    now: float,
    policy: TablePolicy,
    state: TableState,
    observation: TableObservation,
    diagnosis: Diagnosis,
    outlooks: Mapping[Dimension, Outlook],
) -> _Plan:
    description = observation.description
    if description.billing is Billing.ON_DEMAND:
        return _Plan([_on_demand(now, policy, description, diagnosis, d) for d in diagnosis.views], [], {})
    budgets = {index: budget(now, part) for index, part in description.throughputs.items()}
    wants: dict[Dimension, Want] = {}
    wishes: dict[Dimension, Wish] = {}
    floors: dict[Dimension, Wish] = {}
    for dimension, view in diagnosis.views.items():
        bounds = policy.bounds_for(dimension)
        situation = Situation(
            now=now,
            policy=policy,
            bounds=bounds or _default_bounds(view),
            has_bounds=bounds is not None,
            description=description,
            dimension=dimension,
            table=state,
            state=state.dimensions[dimension],
            scaling=observation.scaling,
        )
        matter = Matter(
            now=now,
            tuning=policy.tuning,
            bounds=situation.bounds,
            view=view,
            state=situation.state,
            outlook=outlooks.get(dimension),
            least=event_floor(now, policy.schedules, dimension),
        )
        wanted = wish(matter)
        wants[dimension] = Want.of(matter, wanted)
        wishes[dimension] = limited(situation, wanted)
        floor = floor_wish(situation, wanted)
        if floor is not None and floor.target != floor.current:
            floors[dimension] = floor
        elif floor is not None:
            sentence = f"Application Auto Scaling's minimum: {floor.sentence}"
            wishes[dimension] = replace(wishes[dimension], reason=floor.reason, sentence=sentence)
    rising = any(floor.is_raise for floor in floors.values())
    plan = planned(now, policy.tuning, wishes, budgets, floor_rises=rising)
    told = {**plan, **floors}
    decisions = [_decision(now, policy, description.key, d, told[d]) for d in told]
    wants = {d: replace(want, plan=told[d]) for d, want in wants.items()}
    return _Plan(decisions, _actions(policy, description.key, state, plan, floors), wants)


def _default_bounds(view: View) -> Bounds:
    """Who set no bounds set no maximum: what is above the default quota is there on purpose."""
    return Bounds(DEFAULT_BOUNDS.min, max(DEFAULT_BOUNDS.max, view.provisioned))


def _actions(
    policy: TablePolicy,
    key: TableKey,
    state: TableState,
    plan: Mapping[Dimension, Wish],
    floors: Mapping[Dimension, Wish],
) -> list[Action]:
    """One capacity action with all changes, or else one floor action: one call per table and cycle."""

    def is_news(dimension: Dimension, wanted: Wish) -> bool:
        return policy.mode is Mode.ACT or not _is_same_advice(state, dimension, wanted)

    changes = [
        Change(d, wanted.current, wanted.target) for d, wanted in plan.items() if wanted.target != wanted.current
    ]
    if changes and any(is_news(change.dimension, plan[change.dimension]) for change in changes):
        return [Action(key, Lever.CAPACITY, tuple(changes), policy.mode)]
    for dimension, floor in floors.items():
        if not changes and is_news(dimension, floor) and not state.pending:
            return [Action(key, Lever.FLOOR, (Change(dimension, floor.current, floor.target),), policy.mode)]
    return []


def _is_same_advice(state: TableState, dimension: Dimension, wanted: Wish) -> bool:
    advised = state.dimensions[dimension].advised
    if advised is None or wanted.is_raise != (advised > wanted.current):
        return False
    least, most = SAME_RAISE if wanted.is_raise else SAME_LOWER
    return least * advised - 1.0 <= wanted.target <= most * advised + 1.0


def _decision(now: float, policy: TablePolicy, key: TableKey, dimension: Dimension, wanted: Wish) -> Decision:
    changing = wanted.target != wanted.current
    outcome = Outcome.NONE
    if changing:
        outcome = Outcome.PENDING if policy.mode is Mode.ACT else Outcome.ADVISED
    return Decision(
        time=now,
        table=key,
        dimension=dimension,
        before=wanted.current,
        after=wanted.target,
        reason=wanted.reason,
        sentence=wanted.sentence,
        mode=policy.mode,
        outcome=outcome,
        evidence=wanted.evidence,
    )


def _on_demand(
    now: float, policy: TablePolicy, description: TableDescription, diagnosis: Diagnosis, dimension: Dimension
) -> Decision:
    view = diagnosis.views[dimension]
    cap = description.throughputs[dimension.index].on_demand_max.get(dimension.kind)
    used = f"consuming {rate(view.consumed)}" if view.consumed is not None else "consumption unknown"
    limit = f", its own maximum is {rate(cap)}" if cap is not None else ""
    return Decision(
        time=now,
        table=description.key,
        dimension=dimension,
        before=0,
        after=0,
        reason=Reason.HOLD_ON_DEMAND,
        sentence=f"on demand, nothing is provisioned; {used}{limit}",
        mode=policy.mode,
    )


def _worth_recording(state: TableState, decisions: list[Decision], actions: list[Action]) -> list[Decision]:
    """Changes that go somewhere, and holds whose reason is news."""
    acted = {change.dimension for action in actions for change in action.changes}
    return [
        decision
        for decision in decisions
        if (decision.dimension in acted if decision.is_change else _is_news(state, decision))
    ]


def _is_news(state: TableState, decision: Decision) -> bool:
    mark = state.marks.get(decision.dimension)
    if mark is None:
        return True
    before = mark[0]
    return before is not decision.reason and not (before in QUIET and decision.reason in QUIET)


def _forget_old_advice(state: TableState, decisions: list[Decision]) -> dict[Dimension, DimensionState]:
    holding = {decision.dimension for decision in decisions if not decision.is_change}
    return {
        dimension: replace(known, advised=None) if dimension in holding else known
        for dimension, known in state.dimensions.items()
    }


def _report(
    now: float, policy: TablePolicy, description: TableDescription, view: View, gained: Mapping[Cause, float]
) -> DimensionReport:
    left = budget(now, description.throughputs[view.dimension.index])
    return DimensionReport(
        dimension=view.dimension,
        provisioned=view.provisioned,
        bounds=policy.bounds_for(view.dimension),
        freshness=view.freshness,
        consumed=view.consumed,
        demand=view.demand(policy.tuning.demand_minutes),
        throttled=view.throttled,
        gained=gained,
        newest=view.newest,
        cause=view.cause,
        decreases_left=left.available,
        next_decrease_in=left.wait,
    )
