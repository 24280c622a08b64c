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
from watcher.core.reasons import Freshness
from watcher.core.series import MINUTE, Series
from watcher.core.state import SERIES_SECONDS, DimensionState

NOTHING = Answer(complete=False)


@dataclass(frozen=True, slots=True)
class Intake:
    """One dimension after the newest answers. complete: consumption and throttles were both answered in full."""

    state: DimensionState
    complete: bool
    freshness: Freshness


def take_in(
    now: float, tuning: Tuning, before: Mapping[Dimension, DimensionState], observation: TableObservation
) -> dict[Dimension, Intake]:
    """Every dimension of the described table, with its series brought up to date."""
    table = observation.description.key.name
    spoken = _minutes_spoken_of(observation.answers)
    return {
        dimension: _take_in_one(
            now, tuning, before.get(dimension, DimensionState()), table, dimension, observation, spoken
        )
        for dimension in observation.description.dimensions()
    }


def _minutes_spoken_of(answers: Mapping[Query, Answer]) -> frozenset[int]:
    """Minutes for which CloudWatch has published some consumption of this table or its indexes."""
    return frozenset(
        minute for query, answer in answers.items() if query.metric is Metric.CONSUMED for minute in answer.points
    )


def _take_in_one(
    now: float,
    tuning: Tuning,
    state: DimensionState,
    table: str,
    dimension: Dimension,
    observation: TableObservation,
    spoken: frozenset[int],
) -> Intake:
    def answer(metric: Metric) -> Answer:
        return observation.answers.get(Query(table, metric, dimension), NOTHING)

    keep_from = now - SERIES_SECONDS
    consumed = answer(Metric.CONSUMED)
    throttled = answer(Metric.THROTTLED)
    points = dict(consumed.points)
    if consumed.complete:
        points.update(_silent_zeros(now, tuning, state.consumed, points, spoken))
    named = {cause: answer(metric) for metric, cause in CAUSE_METRICS.items()}
    causes = {
        cause: state.causes.get(cause, Series()).merged(reply.points, keep_from)
        for cause, reply in named.items()
        if reply.points or cause in state.causes
    }
    updated = replace(
        state,
        consumed=state.consumed.merged(points, keep_from),
        requests=state.requests.merged(answer(Metric.REQUESTS).points, keep_from),
        throttled=state.throttled.merged(throttled.points, keep_from),
        causes={cause: series for cause, series in causes.items() if series.points},
    )
    return Intake(
        state=updated,
        complete=consumed.complete and throttled.complete,
        freshness=freshness(now, tuning, updated.consumed),
    )


def _silent_zeros(
    now: float, tuning: Tuning, known: Series, points: Mapping[int, float], spoken: frozenset[int]
) -> dict[int, float]:
    """Zeros for minutes CloudWatch spoke of the table but not of this series."""
    usually_silent = not any(known.points.values()) and not any(points.values())
    settled_before = now - tuning.settled_after - MINUTE
    return {
        minute: 0.0
        for minute in spoken
        if minute not in points and minute not in known.points and (usually_silent or minute <= settled_before)
    }


def freshness(now: float, tuning: Tuning, series: Series) -> Freshness:
    """FRESH while the newest minute ended at most ``stale_after`` seconds ago."""
    newest = series.newest()
    if newest is None:
        return Freshness.ABSENT
    return Freshness.FRESH if now - (newest + MINUTE) <= tuning.stale_after else Freshness.STALE
