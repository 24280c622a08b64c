"""Replays a table's own past at several operating points: what each would have throttled and cost.

The real cycle on the plant, each dimension by itself: the other kind of its table or index stands idle, so that reads
and writes do not compete for one budget of decreases as they do in life. That is alike for every point compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import fsum

from watcher.core.model import Dimension, Kind
from watcher.core.points import Trial
from watcher.core.policy import DEFAULT_BOUNDS, AutoScaling, Bounds, TablePolicy
from watcher.core.prices import PROVISIONED_PRICE
from watcher.core.reasons import Mode
from watcher.core.series import MINUTE
from watcher.core.worth import LEAST_USED
from watcher.record import DAY, Past, by_minute, estimated, known
from watcher.replay.baselines import WATCHER
from watcher.replay.figures import HOUR, Result, spans
from watcher.replay.runner import run
from watcher.replay.scenario import Scenario
from watcher.replay.trace import Trace

IDLE = Bounds(1, 1)


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be replayed. past: what CloudWatch said of the whole table. capacity: provisioned units per second by
    the start of their five minutes, of the dimensions that throttled. dimensions: those in use."""

    now: float
    policy: TablePolicy
    past: Past
    capacity: Mapping[Dimension, Mapping[int, float]]
    dimensions: tuple[Dimension, ...]
    points: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tried:
    """trials: by point; empty where there was nothing to replay. days: of traffic judged. cpu: seconds it took.
    finished: False where the time allowed was over before."""

    trials: Mapping[str, Trial]
    days: float
    cpu: float
    finished: bool = True


class _OutOfTime(Exception):
    """The time allowed is over."""


def tried(job: Job, budget: float, spent: Callable[[], float]) -> Tried:
    """Replay the job at each of its points. budget: CPU seconds allowed. spent: those used so far, by any origin.

    Raises WatcherError when the watcher itself gets into trouble on the way.
    """
    began = spent()

    def within_budget(_share: float) -> None:
        if spent() - began > budget:
            raise _OutOfTime

    try:
        traces = _traces(job)
        trials = {point: _trial(job, point, traces, within_budget) for point in job.points if traces}
    except _OutOfTime:
        return Tried({}, 0.0, spent() - began, finished=False)
    days = max(((trace.end - _judged_from(trace)) / DAY for trace in traces.values()), default=0.0)
    return Tried(trials, days, spent() - began)


def _traces(job: Job) -> dict[Dimension, Trace]:
    """The demand of each dimension that was really used for a day at least."""
    tuning = job.policy.tuning
    states = known(job.now, tuning, job.past)
    traces = {}
    for dimension in job.dimensions:
        past = replace(job.past, capacity=job.capacity.get(dimension, {}))
        rows = by_minute(estimated(job.now, tuning, states, past, dimension), MINUTE)
        if len(rows) >= DAY // MINUTE and fsum(rows.values()) >= LEAST_USED * MINUTE * len(rows):
            traces[dimension] = Trace(dict(sorted(rows.items())), MINUTE)
    return traces


def _trial(job: Job, point: str, traces: Mapping[Dimension, Trace], within_budget: Callable[[float], None]) -> Trial:
    demanded = throttled = cost = 0.0
    for dimension, trace in traces.items():
        scenario = Scenario(
            trace, dimension.kind, alone(job.policy.at(point), dimension), name=job.past.description.key.name
        )
        result = run(scenario, WATCHER, within_budget)
        since = _judged_from(trace)
        demanded += _from(result.demanded, since)
        throttled += _from(result.throttled, since)
        cost += _unit_hours(result, since) * PROVISIONED_PRICE[dimension.kind] / ((trace.end - since) / DAY)
    return Trial(point, throttled / demanded if demanded else 0.0, cost)


def alone(policy: TablePolicy, dimension: Dimension) -> TablePolicy:
    """The policy for a table that has only this dimension, the table's own: acting, with its tuning as it is."""
    bounds = dict.fromkeys(Kind, IDLE) | {dimension.kind: policy.bounds_for(dimension) or DEFAULT_BOUNDS}
    schedules = tuple(
        replace(schedule, units={dimension.kind: floor}, index_units=())
        for schedule in policy.schedules
        if (floor := schedule.units_for(dimension)) is not None
    )
    return replace(
        policy,
        mode=Mode.ACT,
        goal=None,
        bounds=bounds,
        index_bounds=(),
        schedules=schedules,
        auto_scaling=AutoScaling.RESPECT,
    )


def _judged_from(trace: Trace) -> int:
    """A replay begins knowing nothing, which the daemon never does again: its first day counts only where there is no
    other."""
    return trace.start + DAY if trace.end - trace.start >= 2 * DAY else trace.start


def _from(units: Mapping[int, float], since: int) -> float:
    return fsum(value for minute, value in units.items() if minute >= since)


def _unit_hours(result: Result, since: int) -> float:
    parts = spans(result.steps, result.end)
    return fsum((until - max(start, since)) * units for start, until, units in parts if until > since) / HOUR
