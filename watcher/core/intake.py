"""Takes what CloudWatch said into the series, keeping absent, stale and zero apart.

The rules (from the metrics page of the DynamoDB developer guide and from what people measured): a missing throttle
point is zero, for those are published only when something was throttled; a missing consumption point is zero only if
another consumption series of the same table has a point for that minute, so that CloudWatch is known to speak about it,
and unknown otherwise (a throttle or latency point beside a missing consumption point contradicts a zero).
A late point is not a zero: for a series that usually has points, the newest minutes are given time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from watcher.core.model import CAUSE_METRICS, Answer, Dimension, Metric, Query, TableObservation
from watcher.core.policy import Tuning
from watcher.core.reasons import Cause, Freshness
from watcher.core.series import MINUTE, Series
from watcher.core.state import SERIES_SECONDS, DimensionState

NOTHING = Answer(complete=False)
EMPTY = Series()
NEW = DimensionState()


@dataclass(frozen=True, slots=True)
class Intake:
    """One dimension after the newest answers. complete: consumption and throttles were both answered in full."""

    state: DimensionState
    complete: bool
    freshness: Freshness


def take_in(
    now: float,
    tuning: Tuning,
    before: Mapping[Dimension, DimensionState],
    observation: TableObservation,
    keep_seconds: float = SERIES_SECONDS,
) -> dict[Dimension, Intake]:
    """Every dimension of the described table, with its series brought up to date and cut to ``keep_seconds``.

    For history read at once, ``before`` is empty and ``keep_seconds`` as long as what was read.
    """
    said = _by_dimension(observation)
    spoken = _minutes_spoken_of(observation.answers)
    keep_from = now - keep_seconds
    return {
        dimension: _take_in_one(now, tuning, before.get(dimension, NEW), said.get(dimension, {}), spoken, keep_from)
        for dimension in observation.description.dimensions()
    }


def _by_dimension(observation: TableObservation) -> dict[Dimension, dict[Metric, Answer]]:
    """The answers about the described table's dimensions, by metric."""
    table = observation.description.key.name
    said: dict[Dimension, dict[Metric, Answer]] = {}
    for query, answer in observation.answers.items():
        if query.dimension is not None and query.table == table:
            said.setdefault(query.dimension, {})[query.metric] = answer
    return said


def _minutes_spoken_of(answers: Mapping[Query, Answer]) -> frozenset[int]:
    """Minutes for which CloudWatch has published some consumption of this table or its indexes."""
    return frozenset().union(*(answer.points for query, answer in answers.items() if query.metric is Metric.CONSUMED))


def _take_in_one(
    now: float,
    tuning: Tuning,
    state: DimensionState,
    said: Mapping[Metric, Answer],
    spoken: frozenset[int],
    keep_from: float,
) -> Intake:
    consumed = said.get(Metric.CONSUMED, NOTHING)
    throttled = said.get(Metric.THROTTLED, NOTHING)
    points = consumed.points
    if consumed.complete:
        zeros = _silent_zeros(now, tuning, state.consumed, points, spoken)
        points = {**points, **zeros} if zeros else points
    updated = replace(
        state,
        consumed=state.consumed.merged(points, keep_from),
        requests=state.requests.merged(said.get(Metric.REQUESTS, NOTHING).points, keep_from),
        throttled=state.throttled.merged(throttled.points, keep_from),
        causes=_merged_causes(state.causes, said, keep_from),
    )
    return Intake(
        state=updated,
        complete=consumed.complete and throttled.complete,
        freshness=freshness(now, tuning, updated.consumed),
    )


def _merged_causes(
    known: Mapping[Cause, Series], said: Mapping[Metric, Answer], keep_from: float
) -> Mapping[Cause, Series]:
    """Series by cause, those without any point left out."""
    causes: dict[Cause, Series] = {}
    for metric, cause in CAUSE_METRICS.items():
        points = said.get(metric, NOTHING).points
        if points or cause in known:
            series = known.get(cause, EMPTY).merged(points, keep_from)
            if series.points:
                causes[cause] = series
    return causes


def _silent_zeros(
    now: float, tuning: Tuning, known: Series, points: Mapping[int, float], spoken: frozenset[int]
) -> dict[int, float]:
    """Zeros for minutes CloudWatch spoke of the table but not of this series."""
    missing = [minute for minute in spoken.difference(points) if minute not in known.points]
    if not missing:
        return {}
    usually_silent = not any(known.points.values()) and not any(points.values())
    settled_before = now - tuning.settled_after - MINUTE
    return {minute: 0.0 for minute in missing if usually_silent or minute <= settled_before}


def freshness(now: float, tuning: Tuning, series: Series) -> Freshness:
    """FRESH while the newest minute ended at most ``stale_after`` seconds ago."""
    newest = series.newest()
    if newest is None:
        return Freshness.ABSENT
    return Freshness.FRESH if now - (newest + MINUTE) <= tuning.stale_after else Freshness.STALE
