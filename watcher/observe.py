"""What to ask CloudWatch, and putting the answers together: one observation per table.

GetMetricData is billed per metric and call, whatever the number of points, so not everything is asked every minute.
Each minute: consumption and throttle events of every dimension. In the same minute, where something throttled or an
incident is open: the causes, and how many requests there were. Every sweep (five minutes): everything, latency too;
the window re-read is longer than that, so no minute is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import TypeVar

from watcher.core.insights import KeySample, Place, Survey
from watcher.core.model import (
    CAUSE_METRICS,
    Answer,
    Dimension,
    Metric,
    Query,
    ScalableTarget,
    TableDescription,
    TableObservation,
    dimensions_of,
)
from watcher.core.region_sight import Denial
from watcher.core.series import MINUTE
from watcher.core.state import SERIES_SECONDS, TableState
from watcher.cycle_denials import denials_of, merged
from watcher.errors import AwsError, AwsNotFound, AwsUnavailable
from watcher.ports import RegionPorts

Key = TypeVar("Key")
Value = TypeVar("Value")

EVERY_MINUTE = (Metric.CONSUMED, Metric.THROTTLED)
ON_TROUBLE = (*CAUSE_METRICS, Metric.REQUESTS)
LATENCY = (Metric.LATENCY_AVERAGE, Metric.LATENCY_P99)
FEWEST_PROBES = 4  # tables that must all be out of reach before the rest of a Region is taken for so


KeyReader = Callable[[Mapping[Place, float]], Mapping[str, Mapping[str, KeySample]]]
"""Throttled events by place -> what Contributor Insights says, by table and index."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One Region in one cycle. observations by table name; missing: tables that DescribeTable no longer knows;
    failures: why a table could not be seen; error: why the Region could not, or "". troubles: what else went wrong, a
    sentence by the event's name. survey: of Contributor Insights, None where there is none. denied: what AWS denies."""

    observations: Mapping[str, TableObservation] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    failures: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    troubles: Mapping[str, str] = field(default_factory=dict)
    survey: Survey | None = None
    denied: tuple[Denial, ...] = ()


@dataclass(frozen=True, slots=True)
class Glance:
    """How to look this time. sweep: ask everything. window: seconds of trailing minutes to re-read. strange: tables
    not read for longer than that (met for the first time, or after an outage), read back as far as the series go."""

    now: float
    window: float
    sweep: bool
    latency: bool
    workers: int
    strange: frozenset[str] = frozenset()


def observe(
    ports: RegionPorts,
    names: Sequence[str],
    states: Mapping[str, TableState],
    operations: Mapping[str, frozenset[str]],
    glance: Glance,
    keys: KeyReader,
) -> Sighting:
    """See every named table of one Region. Never raises for one table's trouble; the Region's is in ``error``.

    keys: asks about the keys of the places that throttle, given with their events; it must not raise AwsError.
    """
    descriptions, missing, errors = _describe_all(ports, names, glance.workers)
    failures = {name: str(error) for name, error in errors.items()}
    unseen = denials_of(errors.items(), len(names))
    if not descriptions:
        error = _all_failed(names, failures)
        return Sighting(missing=missing, failures=failures, error=error, denied=_darkening(unseen, error))
    troubles: dict[str, str] = {}
    refused: list[AwsError] = []
    scaling = _scaling(ports, descriptions, troubles, refused)
    answers, unread = _ask(ports, descriptions, states, operations, glance, troubles, refused)
    failed = {name: str(error) for name, error in unread.items()}
    denied = (*unseen, *denials_of(("", error) for error in refused))
    if not answers:
        error = next(iter(failed.values()))
        dark = _darkening(denials_of(("", error) for error in unread.values()), error)
        denied = merged((*denied, *dark))
        return Sighting(missing=missing, failures=failures, error=error, troubles=troubles, denied=denied)
    hot_keys = keys(heat(answers, glance.now - glance.window))
    observations = {
        name: TableObservation(
            description=descriptions[name],
            described_at=glance.now,
            answers=answers[name],
            scaling=None if scaling is None else scaling.get(name, {}),
            hot_keys=hot_keys.get(name, {}),
        )
        for name in descriptions
        if name in answers
    }
    denied = merged((*denied, *denials_of(unread.items())))
    return Sighting(observations, missing, {**failures, **failed}, troubles=troubles, denied=denied)


def _darkening(denied: tuple[Denial, ...], error: str) -> tuple[Denial, ...]:
    """Of a Region in which nothing could be read."""
    return tuple(replace(denial, darkens=bool(error)) for denial in denied)


def _all_failed(names: Sequence[str], failures: Mapping[str, str]) -> str:
    return next(iter(failures.values())) if names and len(failures) == len(names) else ""


def in_parallel(call: Callable[[Key], Value], keys: Iterable[Key], workers: int) -> list[Value]:
    """``call`` of each key, results in the order of the keys."""
    keys = list(keys)
    if workers <= 1 or len(keys) <= 1:
        return [call(key) for key in keys]
    with ThreadPoolExecutor(max_workers=min(workers, len(keys)), thread_name_prefix="observe") as pool:
        return list(pool.map(call, keys))


def _describe_all(
    ports: RegionPorts, names: Sequence[str], workers: int
) -> tuple[dict[str, TableDescription], frozenset[str], dict[str, AwsError]]:
    found: dict[str, TableDescription] = {}
    missing: set[str] = set()
    failures: dict[str, AwsError] = {}
    # A dark Region costs a round of timeouts, not one timeout for each table: the other Regions are waiting.
    probes = max(FEWEST_PROBES, workers)
    first = in_parallel(partial(_describe, ports), names[:probes], workers)
    dark = next((one for one in first if isinstance(one, AwsUnavailable)), None)
    if dark is not None and all(isinstance(one, AwsUnavailable) for one in first):
        rest: list[TableDescription | AwsError] = [dark] * len(names[probes:])
    else:
        rest = in_parallel(partial(_describe, ports), names[probes:], workers)
    for name, result in zip(names, [*first, *rest], strict=True):
        if isinstance(result, TableDescription):
            found[name] = result
        elif isinstance(result, AwsNotFound):
            missing.add(name)
        else:
            failures[name] = result
    return found, frozenset(missing), failures


def _describe(ports: RegionPorts, name: str) -> TableDescription | AwsError:
    try:
        return ports.tables.describe(name)
    except AwsError as error:
        return error


def _scaling(
    ports: RegionPorts,
    descriptions: Mapping[str, TableDescription],
    troubles: dict[str, str],
    refused: list[AwsError],
) -> Mapping[str, Mapping[Dimension, ScalableTarget]] | None:
    """None when it cannot be read: then nobody knows whose the capacity is, and nothing is changed."""
    try:
        return ports.scaling.targets(list(descriptions))
    except AwsError as error:
        refused.append(error)
        troubles["scaling.unreadable"] = str(error)
        return None


def _ask(
    ports: RegionPorts,
    descriptions: Mapping[str, TableDescription],
    states: Mapping[str, TableState],
    operations: Mapping[str, frozenset[str]],
    glance: Glance,
    troubles: dict[str, str],
    refused: list[AwsError],
) -> tuple[dict[str, dict[Query, Answer]], dict[str, AwsError]]:
    """(answers, why there are none) by table. Consumption and throttles must be answered; causes and latency are
    second questions, and a table is seen without them. refused: takes up what went wrong with these."""
    answers: dict[str, dict[Query, Answer]] = {}
    unread: dict[str, AwsError] = {}

    def ask(queries: Sequence[Query], window: float) -> None:
        if not queries:
            return
        end = glance.now - glance.now % MINUTE
        for query, answer in ports.metrics.read(queries, end - window, end).items():
            answers.setdefault(query.table, {})[query] = answer

    strange = [name for name in descriptions if name in glance.strange]
    known = [name for name in descriptions if name not in glance.strange]
    # Three hours of a metric cost what one minute of it does.
    for group, everything, window in ((known, glance.sweep, glance.window), (strange, True, SERIES_SECONDS)):
        if not group:
            continue
        try:
            ask(dimension_queries({n: descriptions[n] for n in group}, EVERY_MINUTE), window)
        except AwsError as error:
            unread.update(dict.fromkeys(group, error))
            continue
        curious = [n for n in group if everything or _is_troubled(answers[n], states.get(n))]
        try:
            ask(dimension_queries({n: descriptions[n] for n in curious}, ON_TROUBLE), window)
            ask(latency_queries(group if everything and glance.latency else [], operations), window)
        except AwsError as error:
            refused.append(error)
            troubles["cloudwatch.partial"] = str(error)
    return answers, unread


def _is_troubled(answers: Mapping[Query, Answer], state: TableState | None) -> bool:
    if state is not None and state.incident is not None:
        return True
    return any(
        not answer.complete or any(answer.points.values())
        for query, answer in answers.items()
        if query.metric is Metric.THROTTLED
    )


def dimension_queries(descriptions: Mapping[str, TableDescription], metrics: Sequence[Metric]) -> list[Query]:
    """One query for each table, dimension and metric, in a stable order."""
    wanted = tuple(metrics)
    return [
        query
        for name in sorted(descriptions)
        for query in _queries(name, tuple(descriptions[name].throughputs), wanted)
    ]


@lru_cache(maxsize=4096)
def _queries(table: str, indexes: tuple[str, ...], metrics: tuple[Metric, ...]) -> tuple[Query, ...]:
    # The same question is asked every minute.
    return tuple(Query(table, metric, dimension) for dimension in dimensions_of(indexes) for metric in metrics)


def latency_queries(names: Sequence[str], operations: Mapping[str, frozenset[str]]) -> list[Query]:
    """Average and p99 of each operation in use, averages first so that each statistic fills its own batches."""
    return [
        Query(name, metric, operation=operation)
        for metric in LATENCY
        for name in sorted(names)
        for operation in sorted(operations.get(name, ()))
    ]


def heat(answers: Mapping[str, Mapping[Query, Answer]], since: float) -> dict[Place, float]:
    """Throttled requests from ``since`` on of every table and index that has any, whatever the cause."""
    found: dict[Place, float] = {}
    for name, said in answers.items():
        for query, answer in said.items():
            if query.metric is not Metric.THROTTLED or query.dimension is None:
                continue
            events = sum(value for minute, value in answer.points.items() if minute >= since)
            if events > 0:
                place = Place(name, query.dimension.index)
                found[place] = found.get(place, 0.0) + events
    return found
