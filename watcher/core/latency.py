"""Slow is not throttled: server-side latency of each operation against its own recent normal."""

from __future__ import annotations

from collections.abc import Mapping

from watcher.core.model import Answer, Metric, Query
from watcher.core.policy import IncidentRules
from watcher.core.result import LatencyReport
from watcher.core.series import MINUTE
from watcher.core.state import Normal

LEARNING_MINUTES = 30  # a younger normal judges nobody
MEMORY_MINUTES = 120.0  # time constant of the mean
SLOW_MEMORY_MINUTES = 1440.0  # a slow minute moves the normal too, or a lasting change would alarm for ever


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
        return Normal(mean=average, minutes=1, newest=minute, average=average, p99=p99)
    slow = is_far_above(rules, normal, average)
    adjoining = minute == normal.newest + MINUTE
    memory = SLOW_MEMORY_MINUTES if slow else min(MEMORY_MINUTES, normal.minutes + 1.0)
    return Normal(
        mean=normal.mean + (average - normal.mean) / memory,
        minutes=normal.minutes + 1,
        newest=minute,
        slow_minutes=(normal.slow_minutes if adjoining else 0) + 1 if slow else 0,
        average=average,
        p99=p99,
    )


def is_far_above(rules: IncidentRules, normal: Normal, average: float) -> bool:
    """Far above its own normal and above the floor under which nobody cares."""
    learned = normal.minutes >= LEARNING_MINUTES
    return learned and average > rules.slow_floor_ms and average > rules.slow_factor * normal.mean


def slowest(rules: IncidentRules, normals: Mapping[str, Normal], since: float) -> tuple[str, Normal] | None:
    """The operation furthest above its normal that has been slow long enough and is seen at or after ``since``."""
    slow = [
        (normal.average / max(normal.mean, 0.001), operation, normal)
        for operation, normal in normals.items()
        if normal.slow_minutes >= rules.slow_minutes and normal.newest >= since
    ]
    if not slow:
        return None
    _, operation, normal = max(slow, key=lambda row: row[:2])
    return operation, normal


def report(normals: Mapping[str, Normal]) -> tuple[LatencyReport, ...]:
    return tuple(
        LatencyReport(
            operation, normal.average, normal.p99, normal.mean if normal.minutes >= LEARNING_MINUTES else None
        )
        for operation, normal in sorted(normals.items())
    )
