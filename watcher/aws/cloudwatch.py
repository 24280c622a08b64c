"""What happened on the tables, by the minute or by longer periods: GetMetricData in full batches, and ListMetrics.

Price is per metric and call, not per point, so a call asks for everything at once, and a metric's whole window is
never divided among calls. Numbers of the API are from the AWS docs: GetMetricData (500 queries a call, 100,800 points
an answer), CloudWatch service quotas (points a second) and DynamoDB Metrics and dimensions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from watcher.aws.client import aws_call
from watcher.aws.metric_data import POINTS_PER_ANSWER, QUERIES_PER_CALL, Collected, Window, fetch, query_id
from watcher.aws.pace import Pacer, Wait
from watcher.aws.permissions import LIST_METRICS
from watcher.clock import process_seconds
from watcher.core.model import Answer, Kind, Metric, Query
from watcher.core.series import MINUTE
from watcher.errors import AwsError

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

NAMESPACE = "AWS/DynamoDB"
LATENCY = "SuccessfulRequestLatency"
# Windows longer than this are history. Their quota is 396,000 points a second, of the whole account in the Region and
# counted by what a call may return, not by what it does. A quarter is left to the dashboards of the same account.
HISTORY_SECONDS = 3 * 3600.0
HISTORY_POINTS_PER_SECOND = 300_000
DAY = 86_400

_KIND_NAME = {Kind.READ: "Read", Kind.WRITE: "Write"}

# Core metric -> (AWS name, "{}" being Read or Write; statistic).
_DIMENSION_METRICS: Mapping[Metric, tuple[str, str]] = {
    Metric.CONSUMED: ("Consumed{}CapacityUnits", "Sum"),
    Metric.REQUESTS: ("Consumed{}CapacityUnits", "SampleCount"),
    Metric.THROTTLED: ("{}ThrottleEvents", "Sum"),
    Metric.THROTTLED_PROVISIONED: ("{}ProvisionedThroughputThrottleEvents", "Sum"),
    Metric.THROTTLED_KEY_RANGE: ("{}KeyRangeThroughputThrottleEvents", "Sum"),
    Metric.THROTTLED_ACCOUNT_LIMIT: ("{}AccountLimitThrottleEvents", "Sum"),
    Metric.THROTTLED_ON_DEMAND_CAP: ("{}MaxOnDemandThroughputThrottleEvents", "Sum"),
    Metric.PROVISIONED: ("Provisioned{}CapacityUnits", "Maximum"),
}
_LATENCY_STATISTICS: Mapping[Metric, str] = {Metric.LATENCY_AVERAGE: "Average", Metric.LATENCY_P99: "p99"}

# What does not add up where two points fall into one interval: the larger one counts.
_LEVELS = frozenset({*_LATENCY_STATISTICS, Metric.PROVISIONED})

Trouble = Callable[[AwsError], None]
Result = Mapping[Query, Answer] | AwsError  # of one batch
MetricsRequested = Callable[[int], None]


class HistoryPacer(Pacer):
    """Turns for calls that read history, each of as many parts as it may return points.

    seconds, wait: real ones, for AWS counts real seconds.
    """

    def __init__(
        self,
        rate: float = HISTORY_POINTS_PER_SECOND,
        *,
        seconds: Callable[[], float] = process_seconds,
        wait: Wait | None = None,
    ) -> None:
        super().__init__(rate, seconds=seconds, wait=wait)


class CloudWatchMetrics:
    """The Metrics port.

    requested: told how many billed metrics each call asked for. trouble: told of each batch that failed while others
    did not (those answers are incomplete). Batches run in ``workers`` threads; the client is thread-safe. pacer: of
    long reads, one for each Region of an account.
    """

    def __init__(
        self,
        client: CloudWatchClient,
        *,
        requested: MetricsRequested,
        trouble: Trouble,
        workers: int = 4,
        pacer: HistoryPacer | None = None,
    ) -> None:
        self._client = client
        self._requested = requested
        self._trouble = trouble
        self._workers = workers
        self._pacer = pacer or HistoryPacer()

    def read(self, queries: Sequence[Query], start: float, end: float, period: int = MINUTE) -> Mapping[Query, Answer]:
        """See the port. Latency has batches of its own, p99 apart from averages: an endpoint that cannot answer
        percentiles must not blind the capacity metrics. Raises when every capacity batch failed, or, where only latency
        was asked for, every batch; ValueError for a period that is none."""
        if period < MINUTE or DAY % period or period % MINUTE:
            raise ValueError(f"a period of {period} s; CloudWatch keeps multiples of {MINUTE} that divide a day")
        wanted = list(dict.fromkeys(queries))
        if period > MINUTE:
            end = end // period * period
        window = Window(start, end, period)
        if end <= start or not wanted:
            return {query: Answer() for query in wanted}
        batches = _batches(wanted, window.points)
        results = self._run(batches, window)
        fatal = _fatal(batches, results)
        if fatal is not None:
            raise fatal
        answers: dict[Query, Answer] = {query: Answer(complete=False) for query in wanted}
        for result in results:
            if isinstance(result, AwsError):
                self._trouble(result)
            else:
                answers.update(result)
        return answers

    def operations(self) -> Mapping[str, frozenset[str]]:
        """ListMetrics knows a new metric up to 15 minutes late. GetRecords of streams has a third dimension and is
        not a table's operation."""
        found: dict[str, set[str]] = defaultdict(set)
        pages = self._client.get_paginator("list_metrics").paginate(
            Namespace=NAMESPACE, MetricName=LATENCY, RecentlyActive="PT3H"
        )
        with aws_call(LIST_METRICS, f"region {self._client.meta.region_name}"):
            for page in pages:
                for metric in page.get("Metrics", ()):
                    dimensions = {d["Name"]: d["Value"] for d in metric.get("Dimensions", ())}
                    if dimensions.keys() == {"TableName", "Operation"}:
                        found[dimensions["TableName"]].add(dimensions["Operation"])
        return {table: frozenset(names) for table, names in found.items()}

    def _run(self, batches: Sequence[Sequence[Query]], window: Window) -> list[Result]:
        def attempt(batch: Sequence[Query]) -> Result:
            try:
                return self._batch(batch, window)
            except AwsError as error:
                return error

        if len(batches) == 1:
            return [attempt(batches[0])]
        with ThreadPoolExecutor(max_workers=min(self._workers, len(batches))) as pool:
            return list(pool.map(attempt, batches))

    def _batch(self, batch: Sequence[Query], window: Window) -> Mapping[Query, Answer]:
        """All pages of one GetMetricData. Every page counts as a full request: the bill is never understated."""
        queries = [metric_data_query(query_id(position), query, window.period) for position, query in enumerate(batch)]
        collected = [Collected(window, level=query.metric in _LEVELS) for query in batch]

        def before_page() -> None:
            if window.end - window.start > HISTORY_SECONDS:
                self._pacer.turn(len(batch) * window.points)
            self._requested(len(batch))

        subject = f"{len(batch)} metrics from {batch[0].metric} of table {batch[0].table}"
        fetch(self._client, queries, collected, window, subject=subject, before_page=before_page)
        return {query: part.answer() for query, part in zip(batch, collected, strict=True)}


def metric_data_query(identity: str, query: Query, period: int = MINUTE) -> dict[str, Any]:
    """One MetricDataQuery. Raises ValueError for a query that lacks its dimension or its operation."""
    name, statistic, dimensions = aws_metric(query)
    return {
        "Id": identity,
        "MetricStat": {
            "Metric": {
                "Namespace": NAMESPACE,
                "MetricName": name,
                "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
            },
            "Period": period,
            "Stat": statistic,
        },
    }


def aws_metric(query: Query) -> tuple[str, str, dict[str, str]]:
    """(MetricName, statistic, the exact dimension set). {TableName} never includes the table's indexes."""
    if query.metric in _LATENCY_STATISTICS:
        if not query.operation:
            raise ValueError(f"{query.metric} is per operation, and {query} names none")
        dimensions = {"TableName": query.table, "Operation": query.operation}
        return LATENCY, _LATENCY_STATISTICS[query.metric], dimensions
    if query.dimension is None:
        raise ValueError(f"{query.metric} is per dimension, and {query} names none")
    name, statistic = _DIMENSION_METRICS[query.metric]
    index = {} if query.dimension.is_table else {"GlobalSecondaryIndexName": query.dimension.index}
    return name.format(_KIND_NAME[query.dimension.kind]), statistic, {"TableName": query.table} | index


def _batches(queries: Iterable[Query], points: int) -> list[list[Query]]:
    """Full batches, none of which can exceed the points of one answer, of which a query has ``points``: 500 queries of
    three hours, 5 of fourteen days. Capacity first, then averages, then p99."""
    size = max(1, min(QUERIES_PER_CALL, POINTS_PER_ANSWER // points))
    groups: dict[Metric | None, list[Query]] = {None: [], Metric.LATENCY_AVERAGE: [], Metric.LATENCY_P99: []}
    for query in queries:
        groups[query.metric if query.metric in _LATENCY_STATISTICS else None].append(query)
    return [group[at : at + size] for group in groups.values() for at in range(0, len(group), size)]


def _fatal(batches: Sequence[Sequence[Query]], results: Sequence[Result]) -> AwsError | None:
    """The error to raise when nothing that matters could be read: no capacity batch, or, without any, no batch."""
    outcomes = [(batch[0].dimension is not None, result) for batch, result in zip(batches, results, strict=True)]
    decisive = [result for capacity, result in outcomes if capacity] or list(results)
    errors = [result for result in decisive if isinstance(result, AwsError)]
    return errors[0] if len(errors) == len(decisive) else None
