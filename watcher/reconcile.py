"""After a crash or a lost answer: what became of an action, by what DescribeTable shows. And what to do first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from watcher.core.insights import Place, SamplerStatus, Survey
from watcher.core.model import Dimension, Intent, Lever, Settlement, Status, Switch, TableObservation
from watcher.core.reasons import Mode, Outcome
from watcher.core.result import StepResult
from watcher.observe import Sighting


def reconcile(now: float, intent: Intent, sightings: Mapping[str, Sighting]) -> Settlement | None:
    """The settlement of an open intent, or None while it cannot be told (not seen, or still being updated)."""
    if intent.action.mode is not Mode.ACT:
        # An advice was given when it was recorded; there is nothing in the world to compare it with.
        return Settlement(intent, Outcome.ADVISED, now)
    sighting = sightings.get(intent.action.table.region)
    if sighting is None:
        return Settlement(intent, Outcome.SUPERSEDED, now, "its Region is no longer watched")
    name = intent.action.table.name
    if name in sighting.missing:
        return Settlement(intent, Outcome.GONE, now, "the table does not exist any more")
    if intent.action.switch is not None:
        return _reconcile_switch(now, intent, intent.action.switch, sighting.survey)
    return _reconcile_units(now, intent, sighting)


def _reconcile_units(now: float, intent: Intent, sighting: Sighting) -> Settlement | None:
    """Of capacity, or of another scaler's floor."""
    observation = sighting.observations.get(intent.action.table.name)
    if observation is None or (intent.action.lever is Lever.FLOOR and observation.scaling is None):
        return None
    current = [_current(change.dimension, intent.action.lever, observation) for change in intent.action.changes]
    wanted = [change.after for change in intent.action.changes]
    if current == wanted:
        return Settlement(intent, Outcome.APPLIED, now, "found in force after the answer had been lost")
    if _is_partly_in_force(intent, observation, current):
        return Settlement(intent, Outcome.APPLIED, now, "found coming into force after the answer had been lost")
    if not observation.description.is_settled:
        return None
    shown = ", ".join("none" if value is None else str(value) for value in current)
    asked = ", ".join(str(value) for value in wanted)
    return Settlement(intent, Outcome.SUPERSEDED, now, f"not in force: {shown} where {asked} was asked for")


def _reconcile_switch(now: float, intent: Intent, switch: Switch, survey: Survey | None) -> Settlement | None:
    """By what a survey made after the intent shows, once AWS has finished switching."""
    # An intent from the future is one from before the clock was set back.
    if survey is None or survey.at <= intent.time <= now:
        return None
    sampler = survey.sampler(Place(intent.action.table.name, switch.index))
    if not sampler.is_settled:
        return None
    # FAILED counts as off and is not: it stays, with its message, until it is switched off.
    if sampler.mode is switch.after and sampler.status is not SamplerStatus.FAILED:
        return Settlement(intent, Outcome.APPLIED, now, "found in force after the answer had been lost")
    detail = sampler.failure or f"not in force: {sampler.mode} where {switch.after} was asked for"
    return Settlement(intent, Outcome.SUPERSEDED, now, detail)


def _current(dimension: Dimension, lever: Lever, observation: TableObservation) -> int | None:
    """What a changed dimension shows now; None when it, or its scaling target, is gone."""
    if lever is Lever.FLOOR:
        target = (observation.scaling or {}).get(dimension)
        return None if target is None else target.min
    part = observation.description.throughputs.get(dimension.index)
    return None if part is None else part.units[dimension.kind]


def _is_partly_in_force(intent: Intent, observation: TableObservation, current: Sequence[int | None]) -> bool:
    """Whether some parts show what was asked for and all others are on their way: a table and its indexes do not
    become ACTIVE together, and a part that shows our value was not changed by another hand."""
    if intent.action.lever is not Lever.CAPACITY:
        return False
    parts = observation.description.throughputs
    pairs = list(zip(intent.action.changes, current, strict=True))
    late = [change for change, value in pairs if value != change.after]
    return len(late) < len(pairs) and all(
        change.dimension.index in parts and parts[change.dimension.index].status is Status.UPDATING for change in late
    )


class HasResult(Protocol):
    @property
    def result(self) -> StepResult: ...


Item = TypeVar("Item", bound=HasResult)


def most_urgent_first(seen: Iterable[Item]) -> list[Item]:
    """Tables whose action raises what throttles most come first, decreases last; ties keep their order."""
    return sorted(seen, key=_urgency)


def _urgency(item: HasResult) -> tuple[bool, float]:
    raising = any(change.after > change.before for action in item.result.actions for change in action.changes)
    throttled = sum(sum(part.throttled.values()) for part in item.result.explanation.dimensions)
    return not raising, -throttled
