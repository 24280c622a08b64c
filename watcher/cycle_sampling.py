"""From what one pass has seen to what Contributor Insights should sample: the cases of a Region's plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from watcher.core.insights import Survey
from watcher.core.model import Billing, Kind, TableDescription, TableKey, Throughput
from watcher.core.policy import TablePolicy
from watcher.core.reasons import Cause
from watcher.core.result import Explanation
from watcher.core.sampling import SamplingCase, SamplingLimits, SamplingPlan, plan
from watcher.core.state import DimensionState, TableState
from watcher.cycle_round import Round
from watcher.ports import Policies

# Throttling that a key's name would explain. Where AWS says that capacity was short, capacity is the answer.
UNEXPLAINED = (Cause.KEY_RANGE, Cause.UNCLASSIFIED)
# At most: an eventually consistent read of a small item takes half a unit ("Read and write operations", AWS).
REQUESTS_PER_UNIT = {Kind.READ: 2.0, Kind.WRITE: 1.0}


def case_of(policy: TablePolicy, description: TableDescription, state: TableState, told: Explanation) -> SamplingCase:
    """A table that was stepped in this pass. Sampling is needed only while an incident is open."""
    return SamplingCase(
        key=description.key,
        policy=policy,
        description=description,
        state=state,
        needs=_needs(told) if state.incident is not None else {},
        events=_events(state),
    )


def release_of(description: TableDescription, state: TableState) -> SamplingCase:
    """A table that has left the config, while something of ours is still on."""
    return SamplingCase(key=description.key, policy=None, description=description, state=state)


def unseen_of(key: TableKey, policy: TablePolicy | None, state: TableState) -> SamplingCase:
    """A table that could not be seen in this pass: its full mode still ends in time, and its dollars still count."""
    parts = dict.fromkeys(("", *state.samplers), Throughput({}))
    description = TableDescription(key, Billing.PROVISIONED, parts)
    return SamplingCase(key=key, policy=policy, description=description, state=state, unseen=True)


def is_ours(state: TableState) -> bool:
    """Whether this watcher has switched Contributor Insights of the table, or of one of its indexes."""
    return any(sampler.is_ours for sampler in state.samplers.values())


def _needs(told: Explanation) -> Mapping[str, float]:
    needs: dict[str, float] = {}
    for seen in told.dimensions:
        events = sum(seen.throttled.get(cause, 0.0) for cause in UNEXPLAINED)
        if events > 0:
            needs[seen.dimension.index] = needs.get(seen.dimension.index, 0.0) + events
    return needs


def _events(state: TableState) -> Mapping[str, float]:
    """Requests of the newest minute by index; where CloudWatch was not asked for those, no fewer than there can be.
    Without the indexes of which nothing is known."""
    events: dict[str, float] = {}
    for dimension, known in state.dimensions.items():
        newest = _newest(dimension.kind, known)
        if newest is not None:
            events[dimension.index] = events.get(dimension.index, 0.0) + newest
    return events


def _newest(kind: Kind, known: DimensionState) -> float | None:
    minute = known.consumed.newest()
    if minute is None:
        return None
    return known.requests.points.get(minute) or known.consumed.at(minute) * REQUESTS_PER_UNIT[kind]


def with_sampling(
    this: Round,
    limits: SamplingLimits,
    states: Mapping[TableKey, TableState],
    policies: Policies,
    trouble: Callable[[str, str], None],
) -> Round:
    """The round with its plans: Region by Region, since the rules of a Region share one quota. trouble: told, with the
    Region's name, of a plan that failed."""
    plans: dict[TableKey, SamplingPlan] = {}
    for region, sighting in this.sightings:
        cases = [
            case_of(one.policy, one.report.description, one.result.state, one.result.explanation)
            for one in this.seen
            if one.region is region and one.report.description is not None
        ]
        descriptions = [observation.description for observation in sighting.observations.values()]
        cases += [
            release_of(description, states[description.key])
            for description in descriptions
            if policies(description.key.name) is None and description.key in states and is_ours(states[description.key])
        ]
        planned = {case.key for case in cases} | set(this.gone)
        cases += [
            unseen_of(key, policies(key.name), state)
            for key, state in states.items()
            if key.region == region.name and key not in planned and state.samplers
        ]
        try:
            plans |= plan(this.now, limits, region.keys.survey, cases)
        except Exception as error:  # noqa: BLE001 - what is sampled must not hold up capacity
            trouble(region.name, f"planning what is sampled failed, which is a bug in the watcher: {error!r}")
    seen = [
        replace(one, sampling=plans[one.key], report=replace(one.report, sampling=plans[one.key]))
        if one.key in plans
        else one
        for one in this.seen
    ]
    stepped = {one.key for one in seen}
    return replace(this, seen=seen, released={key: made for key, made in plans.items() if key not in stepped})


def rules_in_use(surveys: Iterable[tuple[str, Survey | None]]) -> dict[str, int]:
    """Contributor Insights rules by Region, where they were counted."""
    return {region: survey.rules for region, survey in surveys if survey is not None and survey.rules is not None}
