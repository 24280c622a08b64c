"""What CloudWatch and Contributor Insights make of a finished minute.

Sources: "DynamoDB Metrics and dimensions" and "Contributor Insights for DynamoDB: How it works" (AWS).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Final

from watcher.core.model import CAUSE_METRICS, TABLE_READ, TABLE_WRITE, Dimension, Kind, Metric
from watcher.replay.spec import TableSpec
from watcher.replay.spread import fraction, mixed
from watcher.replay.table import MinuteTruth

# Average and p99 of SuccessfulRequestLatency in milliseconds on an undisturbed table: plausible, not measured.
LATENCIES: Final[Mapping[str, Mapping[Metric, float]]] = {
    "GetItem": {Metric.LATENCY_AVERAGE: 2.6, Metric.LATENCY_P99: 8.0},
    "Query": {Metric.LATENCY_AVERAGE: 3.8, Metric.LATENCY_P99: 14.0},
    "PutItem": {Metric.LATENCY_AVERAGE: 4.4, Metric.LATENCY_P99: 12.0},
}
LATENCY_NOISE = 0.1
OPERATIONS: Final = tuple(LATENCIES)

# Contributor Insights: a read unit counts once, a write unit three times; at most 25 keys for DynamoDB's rules.
INSIGHT_UNITS: Final = {Kind.READ: 1.0, Kind.WRITE: 3.0}
MOST_CONTRIBUTORS = 25
# Traffic that has no named hot key is even over this many keys, and that of a key without named items over its items.
ORDINARY_KEYS = 1000
ONLY_ITEM = "0"  # the sort key of an ordinary key's one item


@dataclass(frozen=True, slots=True)
class Contributor:
    """One contributor in Contributor Insights. keys: the partition key, and the sort key in rules of items.

    minutes: its value by minute start, non-zero ones only.

    Value: consumed throughput units (3 per WCU, 1 per RCU) for accessed keys, throttled requests for throttled ones.
    """

    keys: tuple[str, ...]
    minutes: Mapping[int, float]

    @property
    def busiest(self) -> float:
        """The value of its busiest minute."""
        return max(self.minutes.values(), default=0.0)

    @property
    def total(self) -> float:
        return sum(self.minutes.values())


def events(units: float, units_per_request: float) -> float:
    """Whole requests that ``units`` stand for. A begun request is a request; rounding dust is none."""
    return float(max(0, ceil(units / units_per_request - 1e-6)))


def value(metric: Metric, truth: MinuteTruth, units_per_request: float, *, when_idle: bool) -> float | None:
    """The point of a unit or throttle metric, or None where CloudWatch has none.

    when_idle: consumed capacity has points of value 0 (provisioned tables). A table write that an index refused
    counts in the table's THROTTLED and, with cause PROVISIONED, in the index's; the table's own cause metrics name
    only what the table itself refused, as the throttling reason of such a request names the index's ARN.
    """
    if metric is Metric.CONSUMED:
        return truth.served if truth.served > 0.0 or when_idle else None
    if metric is Metric.REQUESTS:
        return events(truth.served, units_per_request) if truth.served > 0.0 or when_idle else None
    if not truth.throttled:
        return None
    units = truth.throttled if metric is Metric.THROTTLED else truth.causes.get(CAUSE_METRICS[metric], 0.0)
    return events(units, units_per_request) or None


def latency(operation: str, metric: Metric, factor: float, purpose: int, minute: int) -> float:
    """Milliseconds, with a little seeded noise."""
    noise = 1.0 + LATENCY_NOISE * (2.0 * fraction(mixed(purpose, minute)) - 1.0)
    return LATENCIES[operation][metric] * factor * noise


def dimensions_of(operation: str, dimensions: Iterable[Dimension]) -> list[Dimension]:
    """Whose units calls of ``operation`` take: reads are GetItem and Query, reads of an index only Query."""
    if operation == "PutItem":
        return [TABLE_WRITE]
    if operation == "GetItem":
        return [TABLE_READ]
    return [dimension for dimension in dimensions if dimension.kind is Kind.READ]


def successes(operation: str, minute: int, records: Mapping[Dimension, Mapping[int, MinuteTruth]]) -> bool:
    """Whether any call of ``operation`` succeeded in ``minute``."""
    return any(
        minute in records[dimension] and records[dimension][minute].served > 0.0
        for dimension in dimensions_of(operation, records)
    )


def contributors(
    minutes: Iterable[int],
    records: Mapping[Kind, Mapping[int, MinuteTruth]],
    spec: TableSpec,
    *,
    throttled: bool,
    items: bool,
) -> list[Contributor]:
    """The busiest partition keys of one table or index over ``minutes``, busiest first; items: with their sort keys."""
    found: dict[tuple[str, ...], dict[int, float]] = {}
    by, seen = (_by_item if items else _by_key), 1.0 - spec.unseen
    for minute in minutes:
        for kind, record in records.items():
            truth = record.get(minute)
            if truth is None:
                continue
            for keys, units in by(truth, throttled=throttled):
                counted = seen * units
                value = events(counted, spec.units_per_request) if throttled else counted * INSIGHT_UNITS[kind]
                if value > 0.0:
                    values = found.setdefault(keys, {})
                    values[minute] = values.get(minute, 0.0) + value
    ranked = sorted(
        (Contributor(keys, values) for keys, values in found.items()), key=lambda it: (-it.busiest, it.keys)
    )
    return ranked[:MOST_CONTRIBUTORS]


Shares = Iterable[tuple[tuple[str, ...], float]]


def _by_key(truth: MinuteTruth, *, throttled: bool) -> Shares:
    """Units by partition key: the hot ones, and the first of the ordinary ones, which share the rest evenly."""
    hot: dict[str, float] = {}
    for key in truth.keys:
        hot[key.key] = hot.get(key.key, 0.0) + (key.throttled if throttled else key.served)
    for name, units in hot.items():
        yield (name,), units
    for name, units in _ordinary(truth, sum(hot.values()), throttled=throttled):
        yield (name,), units


def _by_item(truth: MinuteTruth, *, throttled: bool) -> Shares:
    """The same by item. Of a key without named items, the first of its many; an ordinary key has one."""
    total = 0.0
    for key in truth.keys:
        units = key.throttled if throttled else key.served
        total += units
        if key.sort:
            yield (key.key, key.sort), units
        else:
            for name, part in _even(units, throttled=throttled):
                yield (key.key, name), part
    for name, units in _ordinary(truth, total, throttled=throttled):
        yield (name, ONLY_ITEM), units


def _ordinary(truth: MinuteTruth, hot: float, *, throttled: bool) -> Iterable[tuple[str, float]]:
    # Insights of a table do not count writes that an index refused.
    whole = truth.own_throttled if throttled else truth.served
    rest = whole - hot
    return () if rest <= 1e-6 * whole else _even(rest, throttled=throttled)


def _even(units: float, *, throttled: bool) -> Iterable[tuple[str, float]]:
    """The first of many names that share ``units`` evenly."""
    count = ORDINARY_KEYS
    if throttled:
        # Few throttled requests hit few keys: one each, not a thousandth each.
        count = min(ORDINARY_KEYS, max(1, int(units)))
    for number in range(min(count, MOST_CONTRIBUTORS)):
        yield f"item-{number + 1:04d}", units / count
