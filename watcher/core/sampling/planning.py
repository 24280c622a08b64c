"""Where Contributor Insights is to be switched on or off: a plan for a whole Region, since its rules share one quota.

Pure. What the watcher switched on it also puts back as found, in any mode; what another hand enabled it never touches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from watcher.core.budget import midnight
from watcher.core.insights import Place, SamplerMode, Survey
from watcher.core.model import Action, Decision, TableDescription, TableKey
from watcher.core.policy import TablePolicy
from watcher.core.reasons import Mode
from watcher.core.sampling import words
from watcher.core.sampling.cost import SamplingLimits
from watcher.core.sampling.memory import recent, spent_on
from watcher.core.sampling.room import Room
from watcher.core.sampling.spot import Spot, examine, recount
from watcher.core.state import SamplerState, TableState


@dataclass(frozen=True, slots=True)
class SamplingCase:
    """One table, as it stands after this cycle's step.

    policy: None for a table that has left the config: then only what is ours is put back. needs: throttled events of
    the visible minutes that a key's name would explain, by index ("" for the table), only places with any; on-incident
    sampling is for those. events: requests a minute by index, which full mode would bill, twice where there is a sort
    key; a place that is absent is not known, and not sampled in full mode, since its cost is not known either.
    unseen: known, but not looked at in this pass: nothing is switched on there, and only what is certain goes back.
    """

    key: TableKey
    policy: TablePolicy | None
    description: TableDescription
    state: TableState
    needs: Mapping[str, float] = field(default_factory=dict)
    events: Mapping[str, float] = field(default_factory=dict)
    unseen: bool = False


@dataclass(frozen=True, slots=True)
class SamplingPlan:
    """For one table. state: what is remembered after it. actions: one per place to be switched. decisions: those worth
    recording. current: mode by index as surveyed. lost: why a place that should be sampled is not, by index."""

    state: TableState
    actions: tuple[Action, ...] = ()
    decisions: tuple[Decision, ...] = ()
    current: Mapping[str, SamplerMode] = field(default_factory=dict)
    lost: Mapping[str, str] = field(default_factory=dict)


def plan(
    now: float, limits: SamplingLimits, survey: Survey | None, cases: Sequence[SamplingCase]
) -> dict[TableKey, SamplingPlan]:
    """A plan for every case. survey: None while the Region could not be surveyed: then nothing is switched on."""
    by_table = {case.key: [_spot(now, case, index, survey) for index in _indexes(case)] for case in cases}
    spots = [spot for group in by_table.values() for spot in group]
    wishes = [spot for spot in spots if examine(spot, limits)]
    spent = sum(spent_on(spot.memory, midnight(now)) for spot in spots)
    for spot in sorted(spots, key=_turn):
        spent = recount(spot, limits, spent)
    room = Room(now, limits, survey, spots, spent)
    for spot in sorted(wishes, key=_turn):
        room.consider(spot)
    return {case.key: _plan_of(case, by_table[case.key], midnight(now)) for case in cases}


def release(now: float, cases: Sequence[SamplingCase]) -> dict[TableKey, SamplingPlan]:
    """At shutdown: put back every full mode of ours, which nobody would end; throttled keys may stay. Plans of the
    tables with any."""
    plans = {}
    for case in cases:
        spots = [_spot(now, case, index, None) for index in _indexes(case)]
        full = [spot for spot in spots if spot.memory.is_ours and spot.memory.set is SamplerMode.FULL]
        for spot in full:
            spot.put_back(words.STOPPING)
        if full:
            plans[case.key] = _plan_of(case, spots, midnight(now))
    return plans


def _indexes(case: SamplingCase) -> list[str]:
    return sorted({*case.description.throughputs, *case.state.samplers})


def _spot(now: float, case: SamplingCase, index: str, survey: Survey | None) -> Spot:
    place = Place(case.key.name, index)
    schema = case.description.schemas.get(index)
    spot = Spot(
        now=now,
        key=case.key,
        place=place,
        policy=case.policy,
        memory=recent(case.state.samplers.get(index, SamplerState()), now),
        has_sort=schema is None or bool(schema.sort),
        exists=index in case.description.throughputs,
        need=case.needs.get(index, 0.0),
        events=case.events.get(index),
        unseen=case.unseen,
    )
    if survey is not None:
        spot.sampler, spot.surveyed_at = survey.sampler(place), survey.at
    return spot


def _turn(spot: Spot) -> tuple[object, ...]:
    """Who is served first: full mode where most is throttled; then places that throttle, tables in act mode, the
    busiest."""
    is_full = spot.wish is SamplerMode.FULL
    return (not is_full, -spot.need, spot.mode is not Mode.ACT, -(spot.events or 0.0), spot.key, spot.place)


def _plan_of(case: SamplingCase, spots: Sequence[Spot], today: float) -> SamplingPlan:
    memories = {spot.place.index: spot.memory for spot in spots if _is_worth_keeping(spot, today)}
    state = case.state if memories == case.state.samplers else replace(case.state, samplers=memories)
    return SamplingPlan(
        state=state,
        actions=tuple(spot.action for spot in spots if spot.action is not None),
        decisions=tuple(decision for spot in spots for decision in spot.decisions),
        current={spot.place.index: spot.sampler.mode for spot in spots if spot.exists and spot.sampler is not None},
        lost={spot.place.index: spot.lost for spot in spots if spot.lost},
    )


def _is_worth_keeping(spot: Spot, today: float) -> bool:
    if spot.memory == SamplerState():
        return False
    # Of an index that is gone, only what it cost counts on, until the day is over.
    return spot.exists or spot.memory.is_ours or spent_on(spot.memory, today) > 0
