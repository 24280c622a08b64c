"""Two weeks of a table's past, learned at first sight, so that its first day is as good as its fifteenth.

The same rules as for the minutes of every cycle: CloudWatch's answers go through the same intake, the same estimate of
demand and the same learning. In slices, because it takes seconds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from math import nan

from watcher.core.demand import minutes
from watcher.core.intake import take_in
from watcher.core.learned import Learned
from watcher.core.learning import Learner
from watcher.core.model import Dimension, Metric, TableObservation
from watcher.core.policy import Tuning
from watcher.core.series import MINUTE
from watcher.core.state import SERIES_SECONDS, DimensionState, TableState

PAST_SECONDS = 14 * 86_400  # CloudWatch keeps minutes for 15 days


@dataclass(frozen=True, slots=True)
class Past:
    """Demand of one dimension, minute by minute. first: start of the first one, which CloudWatch has a point of; rates:
    units per second, NaN where not known."""

    first: int
    rates: list[float]


def unlearned(before: TableState, after: TableState) -> frozenset[Dimension]:
    """The dimensions of which the newest step has learned the first minute ever, or the first one after a gap."""
    return frozenset(
        dimension
        for dimension, state in after.dimensions.items()
        if _begins_anew(before.dimensions.get(dimension), state.learned.newest)
    )


def _begins_anew(before: DimensionState | None, newest: int | None) -> bool:
    if newest is None:
        return False
    last = before.learned.newest if before else None
    # What is missing of a shorter outage is read back with the series, or not worth two weeks.
    return last is None or newest - last > SERIES_SECONDS


def pasts(
    now: float, tuning: Tuning, observation: TableObservation, wanted: Collection[Dimension]
) -> dict[Dimension, Past]:
    """The past of the ``wanted`` dimensions as the observation's answers tell it; nothing of those they are silent of.

    It begins with the first point: before that the table or index may not have existed, and zeros would be invented.
    """
    intakes = take_in(now, tuning, {}, observation, PAST_SECONDS + MINUTE)
    states = {dimension: intake.state for dimension, intake in intakes.items()}
    first_points = {
        query.dimension: min(answer.points)
        for query, answer in observation.answers.items()
        if query.metric is Metric.CONSUMED and answer.points
    }
    return {
        dimension: _past(now, tuning, observation, states, dimension, first_points[dimension])
        for dimension in states
        if dimension in wanted and dimension in first_points
    }


def _past(
    now: float,
    tuning: Tuning,
    observation: TableObservation,
    states: Mapping[Dimension, DimensionState],
    dimension: Dimension,
    first: int,
) -> Past:
    provisioned = observation.description.provisioned(dimension)
    known = minutes(now, tuning, dimension, states, provisioned, first)
    rates = [nan] * ((known[-1].start - first) // MINUTE + 1) if known else []
    for minute in known:
        rates[(minute.start - first) // MINUTE] = minute.demand
    return Past(first, rates)


class Study:
    """Learns the past of one table, a slice at a time."""

    def __init__(self, tuning: Tuning, found: Mapping[Dimension, Past]) -> None:
        self.firsts = {dimension: past.first for dimension, past in found.items()}
        self.learned: dict[Dimension, Learned] = {}
        self._tuning = tuning
        self._left = list(found.items())
        self._learner = Learner(tuning, Learned())
        self._at = 0

    @property
    def is_done(self) -> bool:
        return not self._left

    def go_on(self, slice_minutes: int) -> None:
        """Learn the next ``slice_minutes`` of a dimension, or what is left of it."""
        dimension, past = self._left[-1]
        end = min(len(past.rates), self._at + slice_minutes)
        for at in range(self._at, end):
            self._learner.note(past.first + MINUTE * at, past.rates, at)
        self._at = end
        if end == len(past.rates):
            self.learned[dimension] = self._learner.learned()
            self._left.pop()
            self._learner, self._at = Learner(self._tuning, Learned()), 0


def adopted(state: TableState, study: Study) -> TableState:
    """The state with what the past taught in place of what has been learned since first sight: the past holds those
    minutes, too, and the next step learns the few that came after it was read. Money is not learned from the past."""
    dimensions = dict(state.dimensions)
    for dimension, learned in study.learned.items():
        known = dimensions.get(dimension)
        # No point older than what was watched live: it has been learned already.
        if known is None or (known.track.rates and study.firsts[dimension] >= known.track.first):
            continue
        money = {name: getattr(known.learned, name) for name in ("spent", "used", "lost", "booked")}
        dimensions[dimension] = replace(known, learned=replace(learned, **money))
    return replace(state, dimensions=dimensions)
