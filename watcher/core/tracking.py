"""Whose hand changed the capacity, and when: ours is known from what was settled, any other shows in DescribeTable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from watcher.core.budget import HOUR
from watcher.core.model import Billing, Change, Dimension, Lever, ScalableTarget, Settlement, Status, TableDescription
from watcher.core.reasons import Outcome
from watcher.core.sampling import absorbed
from watcher.core.state import DimensionState, Refusal, SamplerState, TableState


@dataclass(frozen=True, slots=True)
class Recognised:
    """Dimension states that agree with the description, and when another hand last changed capacity."""

    dimensions: Mapping[Dimension, DimensionState]
    foreign_at: float | None


def recognise(
    now: float,
    description: TableDescription,
    scaling: Mapping[Dimension, ScalableTarget] | None,
    states: Mapping[Dimension, DimensionState],
    foreign_at: float | None,
) -> Recognised:
    """Compare what is provisioned with what this watcher last saw or wrote.

    A difference on a dimension that Application Auto Scaling holds is its own doing and no news, nor is one while its
    targets could not be read (``scaling`` None); on any other (its target suspended, say) it is another hand.
    On-demand tables have nothing provisioned to compare.
    """
    if description.billing is Billing.ON_DEMAND:
        forgotten = {d: replace(state, expected=None) for d, state in states.items()}
        return Recognised(forgotten, foreign_at)
    known: dict[Dimension, DimensionState] = {}
    for dimension, state in states.items():
        known[dimension], foreign = _recognise_one(now, description, dimension, state)
        target = scaling.get(dimension) if scaling is not None else None
        if foreign and scaling is not None and not (target and target.holds):
            foreign_at = now
    return Recognised(known, foreign_at)


def _recognise_one(
    now: float, description: TableDescription, dimension: Dimension, state: DimensionState
) -> tuple[DimensionState, bool]:
    part = description.throughputs[dimension.index]
    provisioned = part.units[dimension.kind]
    if state.expected is None:
        seen = replace(state, expected=provisioned)
        return replace(seen, raised_at=state.raised_at or part.last_increase, lowered_at=part.last_decrease), False
    if provisioned == state.expected:
        return state, False
    if part.status is not Status.ACTIVE:
        # On its way: its effect begins when it is seen in force, not when it was asked for.
        return _moved(state, provisioned, state.expected, now), False
    return replace(_moved(state, state.expected, provisioned, now), expected=provisioned), True


def _moved(state: DimensionState, before: int, after: int, at: float) -> DimensionState:
    return replace(state, raised_at=at) if after > before else replace(state, lowered_at=at)


def absorb(state: TableState, settlement: Settlement) -> TableState:
    """The state after one of our actions was answered. Pure; an action still unanswered stays pending.

    UNKNOWN is not an answer: the intent stays open and the next DescribeTable tells (see the cycle's reconciliation).
    """
    if settlement.outcome in (Outcome.UNKNOWN, Outcome.PENDING):
        return state
    switch = settlement.intent.action.switch
    if switch is not None:
        sampler = state.samplers.get(switch.index, SamplerState())
        after = absorbed(sampler, switch, settlement.outcome, settlement.detail, settlement.time)
        return replace(state, samplers={**state.samplers, switch.index: after})
    state = replace(state, pending="")
    if settlement.outcome is Outcome.APPLIED:
        kept = tuple(at for at in state.changes if settlement.time - at < HOUR)
        state = replace(state, changes=(*kept, settlement.time), refusal=None)
    elif settlement.outcome.is_refusal:
        state = replace(state, refusal=Refusal(settlement.outcome, settlement.time, settlement.detail))
    dimensions = dict(state.dimensions)
    for change in settlement.intent.action.changes:
        known = dimensions.get(change.dimension, DimensionState())
        dimensions[change.dimension] = _absorb_change(known, change, settlement)
    return replace(state, dimensions=dimensions)


def _absorb_change(state: DimensionState, change: Change, settlement: Settlement) -> DimensionState:
    if settlement.outcome is Outcome.ADVISED:
        return replace(state, advised=change.after)
    if settlement.outcome is not Outcome.APPLIED:
        return state
    if settlement.intent.action.lever is Lever.FLOOR:
        if change.after < change.before:
            return replace(state, floor_before=None, floor_set=None)  # put back
        # Remember the floor as it was found, by us or as another hand left it since.
        ours = state.floor_before is not None and change.before == state.floor_set
        return replace(state, floor_before=state.floor_before if ours else change.before, floor_set=change.after)
    moved = _moved(state, change.before, change.after, settlement.time)
    return replace(moved, expected=change.after)
