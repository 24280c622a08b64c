"""Demand is estimated, not read: consumption is censored at capacity, so what was throttled is added back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from watcher.core.model import Dimension, Kind
from watcher.core.policy import Tuning
from watcher.core.reasons import Cause
from watcher.core.series import MINUTE, Series
from watcher.core.state import DimensionState

# SampleCount of consumption says how many units a request costs, but only where it counts requests: a handful of
# samples is a stand-in's single datum for the whole minute, and no item costs more than a 400 kB transactional write.
FEWEST_REQUESTS = 30
DEAREST_REQUEST = 800.0
# A minute this busy explains throttling that AWS did not classify.
NEARLY_FULL = 0.9
# Cause metrics are published apart from the total; only after this long is a difference more than lateness.
CAUSES_PUBLISHED_AFTER = 240.0
CAUSE_REMEMBERED = 600.0  # seconds before a minute in which AWS's word on its neighbours counts
DUST = 0.001
NO_CAUSES: Mapping[Cause, float] = {}


@dataclass(frozen=True, slots=True)
class Minute:
    """One visible minute of one dimension, all in units (or events) of the whole minute.

    served: consumed units. wanted: served plus what own capacity refused: the demand estimate.
    causes: throttled events by cause, after attribution; throttled: all of them. refused: the units that they would
    have cost.
    """

    start: int
    served: float
    wanted: float
    throttled: float
    causes: Mapping[Cause, float]
    refused: float

    @property
    def demand(self) -> float:
        """Units per second."""
        return self.wanted / MINUTE


def units_per_request(state: DimensionState, minute: int) -> float:
    """Mean units of a request in ``minute``; 1 where CloudWatch does not say."""
    requests = state.requests.at(minute)
    if requests < FEWEST_REQUESTS:
        return 1.0
    return min(DEAREST_REQUEST, max(1.0, state.consumed.at(minute) / requests))


def minutes(
    now: float,
    tuning: Tuning,
    dimension: Dimension,
    states: Mapping[Dimension, DimensionState],
    provisioned: int,
    since: float,
) -> list[Minute]:
    """The minutes of ``dimension`` with a consumption point that start at or after ``since``, oldest first.

    provisioned: units per second, the yardstick for "nearly full" and for the cap on one minute's estimate. Where
    nothing throttled there is nothing to estimate: what was served was wanted.
    """
    state = states[dimension]
    points = state.consumed.between(since, now)
    if not throttled_since(state, since):
        return [Minute(start, served, served, 0.0, NO_CAUSES, 0.0) for start, served in points]
    return [_estimated(now, tuning, dimension, states, provisioned, start, served) for start, served in points]


def _estimated(
    now: float,
    tuning: Tuning,
    dimension: Dimension,
    states: Mapping[Dimension, DimensionState],
    provisioned: int,
    start: int,
    served: float,
) -> Minute:
    state = states[dimension]
    events = throttled_events(state, start)
    if not events:
        return Minute(start, served, served, 0.0, NO_CAUSES, 0.0)
    causes = attribute(now, dimension, states, start, served, provisioned)
    cost = units_per_request(state, start)
    starved = causes.get(Cause.PROVISIONED, 0.0) * cost
    wanted = max(served, min(served + starved, tuning.most_shown * provisioned * MINUTE))
    return Minute(start, served, wanted, events, causes, events * cost)


def throttled_since(state: DimensionState, since: float) -> set[int]:
    """Minutes from ``since`` on of which CloudWatch has a throttle point, in total or of a cause."""
    found: set[int] = set()
    if not state.throttled.points and not state.causes:
        return found
    for series in (state.throttled, *state.causes.values()):
        for minute in reversed(series.points):
            if minute < since:
                break
            found.add(minute)
    return found


def throttled_events(state: DimensionState, minute: int) -> float:
    """The total, or the sum of the causes where that is larger: AWS nowhere says that one partitions the other."""
    total = state.throttled.points.get(minute, 0.0)
    if not state.causes:
        return total
    return max(total, sum(series.points.get(minute, 0.0) for series in state.causes.values()))


def attribute(
    now: float,
    dimension: Dimension,
    states: Mapping[Dimension, DimensionState],
    minute: int,
    served: float,
    provisioned: int,
) -> dict[Cause, float]:
    """Throttled events of one minute by cause: AWS's word first, then what the neighbours and the load say."""
    state = states[dimension]
    causes = {}
    named = 0.0
    for cause, series in state.causes.items():
        events = series.points.get(minute, 0.0)
        if events > 0:
            causes[cause] = events
            named += events
    full = provisioned > 0 and served >= NEARLY_FULL * provisioned * MINUTE
    own = causes.get(Cause.PROVISIONED, 0.0)
    rest = state.throttled.points.get(minute, 0.0) - named
    if rest <= DUST and (full or not own):
        return causes
    starving = _index_write_events(dimension, states, minute)
    if own and not full and starving >= 0.5 * own:
        # Half empty, yet "too little capacity" while an index refuses as much: the index's refusals, seen twice.
        causes[Cause.INDEX_BACK_PRESSURE] = causes.pop(Cause.PROVISIONED)
    # A full minute explains itself, unless AWS has just said of the minutes before it that capacity is not to blame.
    explains = full and not (_is_unpublished(now, minute) and _was_incurable(state, minute))
    for cause, events in _explain_rest(now, minute, rest, full=explains, starving=starving):
        causes[cause] = causes.get(cause, 0.0) + events
    return causes


def _index_write_events(dimension: Dimension, states: Mapping[Dimension, DimensionState], minute: int) -> float:
    if not dimension.is_table or dimension.kind is not Kind.WRITE:
        return 0.0
    return sum(
        throttled_events(state, minute)
        for other, state in states.items()
        if not other.is_table and other.kind is Kind.WRITE
    )


def _explain_rest(
    now: float, minute: int, rest: float, *, full: bool, starving: float
) -> Iterator[tuple[Cause, float]]:
    """What AWS did not classify: no more is an index's than the indexes refused, or a lone event of an index would
    hide that the table itself starves. Half empty, the remainder waits until the causes must have been published."""
    theirs = min(rest, starving)
    if theirs > DUST:
        yield Cause.INDEX_BACK_PRESSURE, theirs
    if rest - theirs <= DUST:
        return
    if full:
        yield Cause.PROVISIONED, rest - theirs
    elif not _is_unpublished(now, minute):
        yield Cause.UNCLASSIFIED, rest - theirs


def _is_unpublished(now: float, minute: int) -> bool:
    """Whether the causes of a minute may still be to come."""
    return now - (minute + MINUTE) < CAUSES_PUBLISHED_AFTER


def _was_incurable(state: DimensionState, minute: int) -> bool:
    """Whether the last minute before this one that AWS classified was throttled mostly for what no capacity cures."""
    since = minute - CAUSE_REMEMBERED
    last: dict[int, dict[Cause, float]] = {}
    for cause, series in state.causes.items():
        for start, events in series.between(since, minute):
            if events > 0:
                last.setdefault(start, {})[cause] = events
    if not last:
        return False
    causes = last[max(last)]
    return max(causes, key=lambda cause: causes[cause]) is not Cause.PROVISIONED


def known_minutes(series: Series, start: float, end: float) -> int:
    """How many minutes of [start, end) have a point."""
    return sum(1 for _ in series.between(start, end))
