"""Slow is not throttled: server-side latency of each operation against its own recent normal.

Two statistics, each against a normal of its own. The average is of every request. The 99th percentile shows what one
request in a hundred waits, which an average hides; of few requests it jumps, so it is judged more slowly. CloudWatch's
SuccessfulRequestLatency is measured at DynamoDB's side and of successful requests only (AWS docs: DynamoDB metrics),
so neither the network nor a throttled request is in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from watcher.core.model import Answer, Metric, Query
from watcher.core.policy import IncidentRules
from watcher.core.result import LatencyReport
from watcher.core.series import MINUTE
from watcher.core.state import Normal

LEARNING_MINUTES = 30  # a younger normal judges nobody
MEMORY_MINUTES = 120.0  # time constant of the mean
SLOW_MEMORY_MINUTES = 1440.0  # a slow minute moves the normal too, or a lasting change would alarm for ever
LEAST_MS = 0.001  # a normal of nothing is no divisor


class Statistic(StrEnum):
    """Which figure of an operation's minutes is far above its normal."""

    AVERAGE = "average"
    P99 = "p99"


@dataclass(frozen=True, slots=True)
class Slow:
    """An operation that has been slow for long enough, by one statistic. Latencies in milliseconds."""

    operation: str
    normal: Normal
    statistic: Statistic = Statistic.AVERAGE

    @property
    def value(self) -> float:
        """The statistic in the newest minute."""
        if self.statistic is Statistic.P99:
            return self.normal.p99 or 0.0
        return self.normal.average

    @property
    def usual(self) -> float:
        """The statistic's own normal."""
        return self.normal.p99_mean if self.statistic is Statistic.P99 else self.normal.mean

    @property
    def minutes(self) -> int:
        """How many minutes in a row it has been far above that."""
        return self.normal.p99_slow_minutes if self.statistic is Statistic.P99 else self.normal.slow_minutes

    @property
    def times(self) -> float:
        """The newest minute as a multiple of the normal."""
        return self.value / max(self.usual, LEAST_MS)


def learn(
    rules: IncidentRules, before: Mapping[str, Normal], answers: Mapping[Query, Answer], keep_from: float
) -> dict[str, Normal]:
    """Each operation's normal after the minutes that are new to it; operations not seen since ``keep_from`` go."""
    normals = dict(before)
    for query, answer in answers.items():
        if query.metric is not Metric.LATENCY_AVERAGE or not answer.points:
            continue
        p99 = answers.get(Query(query.table, Metric.LATENCY_P99, operation=query.operation), Answer()).points
        normal = normals.get(query.operation)
        for minute in sorted(answer.points):
            if normal is None or minute > normal.newest:
                normal = _next(rules, normal, minute, answer.points[minute], p99.get(minute))
        if normal is not None:
            normals[query.operation] = normal
    return {operation: normal for operation, normal in normals.items() if normal.newest >= keep_from}


def _next(rules: IncidentRules, normal: Normal | None, minute: int, average: float, p99: float | None) -> Normal:
    if normal is None:
        first = Normal(mean=average, minutes=1, newest=minute, average=average, p99=p99)
        return first if p99 is None else replace(first, p99_mean=p99, p99_minutes=1)
    adjoining = minute == normal.newest + MINUTE
    slow = is_far_above(rules, normal, average)
    tail_slow = p99 is not None and is_tail_far_above(rules, normal, p99)
    return Normal(
        mean=_moved(normal.mean, normal.minutes, average, slow=slow),
        minutes=normal.minutes + 1,
        newest=minute,
        slow_minutes=_in_a_row(normal.slow_minutes, adjoining=adjoining, slow=slow),
        average=average,
        p99=p99,
        p99_mean=normal.p99_mean if p99 is None else _moved(normal.p99_mean, normal.p99_minutes, p99, slow=tail_slow),
        p99_minutes=normal.p99_minutes + (p99 is not None),
        p99_slow_minutes=_in_a_row(normal.p99_slow_minutes, adjoining=adjoining, slow=tail_slow),
    )


def _moved(mean: float, minutes: int, value: float, *, slow: bool) -> float:
    memory = SLOW_MEMORY_MINUTES if slow else min(MEMORY_MINUTES, minutes + 1.0)
    return mean + (value - mean) / memory


def _in_a_row(minutes: int, *, adjoining: bool, slow: bool) -> int:
    return (minutes if adjoining else 0) + 1 if slow else 0


def is_far_above(rules: IncidentRules, normal: Normal, average: float) -> bool:
    """Far above its own normal and above the floor under which nobody cares."""
    learned = normal.minutes >= LEARNING_MINUTES
    return learned and average > rules.slow_floor_ms and average > rules.slow_factor * normal.mean


def is_tail_far_above(rules: IncidentRules, normal: Normal, p99: float) -> bool:
    """The same of the 99th percentile, against its own normal and its own floor."""
    learned = normal.p99_minutes >= LEARNING_MINUTES
    return learned and p99 > rules.slow_p99_floor_ms and p99 > rules.slow_p99_factor * normal.p99_mean


def slowest(rules: IncidentRules, normals: Mapping[str, Normal], since: float) -> Slow | None:
    """The operation furthest above its normal that has been slow long enough and is seen at or after ``since``. Where
    an average is, it is the verdict: it is of every request, and of those few of its p99 too."""
    found = [slow for slow in _all_slow(rules, normals) if slow.normal.newest >= since]
    return max(found, key=lambda slow: (slow.statistic is Statistic.AVERAGE, slow.times, slow.operation), default=None)


def _all_slow(rules: IncidentRules, normals: Mapping[str, Normal]) -> Iterator[Slow]:
    for operation, normal in normals.items():
        if normal.slow_minutes >= rules.slow_minutes:
            yield Slow(operation, normal)
        if normal.p99_slow_minutes >= rules.slow_p99_minutes:
            yield Slow(operation, normal, Statistic.P99)


def is_critical(rules: IncidentRules, slow: Slow) -> bool:
    """Whether slowness is worth waking somebody for: an average at a large multiple of its normal, or slow for long.
    A p99 alone never is: ninety-nine requests in a hundred are served as ever."""
    if slow.statistic is Statistic.P99:
        return False
    far = slow.times >= rules.slow_critical_factor and slow.value > rules.slow_critical_floor_ms
    return far or slow.minutes >= rules.slow_critical_minutes


def report(normals: Mapping[str, Normal]) -> tuple[LatencyReport, ...]:
    return tuple(
        LatencyReport(
            operation, normal.average, normal.p99, normal.mean if normal.minutes >= LEARNING_MINUTES else None
        )
        for operation, normal in sorted(normals.items())
    )
