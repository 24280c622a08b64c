"""After a crash or a lost answer: what became of an action, by what DescribeTable shows. And what to do first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeVar

from watcher.core.model import Intent, Lever, Settlement, TableObservation
from watcher.core.reasons import Outcome
from watcher.core.result import StepResult
from watcher.observe import Sighting


def reconcile(now: float, intent: Intent, sightings: Mapping[str, Sighting]) -> Settlement | None:
    """The settlement of an open intent, or None while it cannot be told (not seen, or still being updated)."""
    sighting = sightings.get(intent.action.table.region)
    if sighting is None:
        return Settlement(intent, Outcome.SUPERSEDED, now, "its Region is no longer watched")
    name = intent.action.table.name
    if name in sighting.missing:
        return Settlement(intent, Outcome.GONE, now, "the table does not exist any more")
    observation = sighting.observations.get(name)
    if observation is None:
        return None
    current = _current(intent, observation)
    if current is None:
        return None
    wanted = [change.after for change in intent.action.changes]
    if current == wanted:
        return Settlement(intent, Outcome.APPLIED, now, "found in force after the answer had been lost")
    if not observation.description.is_settled:
        return None
    return Settlement(intent, Outcome.SUPERSEDED, now, f"not in force: the values are {current}, not {wanted}")


def _current(intent: Intent, observation: TableObservation) -> list[int] | None:
    """What the changed dimensions show now; None when it could not be read."""
    if intent.action.lever is Lever.CAPACITY:
        parts = observation.description.throughputs
        return [
            parts[c.dimension.index].units[c.dimension.kind]
            for c in intent.action.changes
            if c.dimension.index in parts
        ]
    if observation.scaling is None:
        return None
    return [observation.scaling[c.dimension].min for c in intent.action.changes if c.dimension in observation.scaling]


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
