"""CloudWatch's reading side for AWS/DynamoDB, from the plant; other namespaces are moto's.

Sources: API reference GetMetricData, ListMetrics, GetInsightRuleReport; "DynamoDB metrics and dimensions". The names
are written out here, not shared with the client that asks for them: a stand-in that shares its caller's mistakes
proves nothing.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Final, TypeVar
from uuid import uuid4

from watcher.core.model import Dimension, Kind, Metric
from watcher.replay.history import GAUGE_SECONDS, gauge, is_answered, shortest_period, summed
from watcher.sandbox.calls import EXPRESSIONS, RateLimit
from watcher.sandbox.insights import Reports, rule_metric
from watcher.sandbox.wire import ApiError, Call, JsonObject, Service
from watcher.sandbox.world import World

NAMESPACE: Final = "AWS/DynamoDB"
MOST_QUERIES: Final = 500
MOST_DATAPOINTS: Final = 100_800
LISTED_PER_PAGE: Final = 500
OPEN_PAGES: Final = 64  # answers kept for their NextToken; the oldest is forgotten first
LATENCY: Final = "SuccessfulRequestLatency"

_CAUSES: Final = {
    "ThrottleEvents": Metric.THROTTLED,
    "ProvisionedThroughputThrottleEvents": Metric.THROTTLED_PROVISIONED,
    "KeyRangeThroughputThrottleEvents": Metric.THROTTLED_KEY_RANGE,
    "AccountLimitThrottleEvents": Metric.THROTTLED_ACCOUNT_LIMIT,
    "MaxOnDemandThroughputThrottleEvents": Metric.THROTTLED_ON_DEMAND_CAP,
}
_KINDS: Final = {"Read": Kind.READ, "Write": Kind.WRITE}
# Metric name -> (kind, what the plant calls each statistic).
UNIT_METRICS: Final[Mapping[str, tuple[Kind, Mapping[str, Metric]]]] = {
    **{
        f"Consumed{word}CapacityUnits": (kind, {"Sum": Metric.CONSUMED, "SampleCount": Metric.REQUESTS})
        for word, kind in _KINDS.items()
    },
    **{
        word + suffix: (kind, {"Sum": metric, "SampleCount": metric})
        for word, kind in _KINDS.items()
        for suffix, metric in _CAUSES.items()
    },
}
_GAUGES: Final = {f"Provisioned{word}CapacityUnits": kind for word, kind in _KINDS.items()}
_GAUGE_STATISTICS: Final[Mapping[str, Callable[[Sequence[int]], float]]] = {
    "Average": fmean,
    "Maximum": max,
    "Minimum": min,
}
# Published by AWS, and not by the plant: no answer would read as "never throttled".
UNPUBLISHED: Final = frozenset({"ThrottledRequests"})
LATENCY_STATISTICS: Final = {"Average": Metric.LATENCY_AVERAGE, "p99": Metric.LATENCY_P99}


class CloudWatch:
    """page_datapoints: largest answer to one GetMetricData, for tests of paging."""

    def __init__(self, world: World, reports: Reports, page_datapoints: int = MOST_DATAPOINTS) -> None:
        self.page_datapoints = page_datapoints
        self._world = world
        self._reports = reports
        self._expressions = RateLimit(EXPRESSIONS)
        self._pages: OrderedDict[str, list[JsonObject]] = OrderedDict()

    def service(self) -> Service:
        operations = {
            "GetMetricData": self._get_metric_data,
            "ListMetrics": self._list_metrics,
            "GetMetricStatistics": _get_metric_statistics,
            "GetInsightRuleReport": lambda call: self._reports.report(call.body),
            "DescribeInsightRules": lambda call: self._reports.describe(call.body),
        }
        return Service("com.amazonaws.cloudwatch.v2010_08_01", "1.0", operations, query_compatible=True)

    def _get_metric_data(self, call: Call) -> JsonObject:
        body = call.body
        _check(body)
        size = min(self.page_datapoints, body.get("MaxDatapoints", MOST_DATAPOINTS))
        token = body.get("NextToken")
        if token:
            if token not in self._pages:
                raise ApiError("InvalidNextToken", "The NextToken is not valid.")
            return self._page(self._pages[token], size)
        expressions = sum("Expression" in query for query in body["MetricDataQueries"])
        if not self._expressions.admits("INSIGHT_RULE_METRIC", self._world.now, expressions):
            raise ApiError("ThrottlingException", self._expressions.rate.refusal)
        if expressions:
            size = MOST_DATAPOINTS  # "NextToken is not returned" with expressions
        ours = {query["Id"]: self._result(query, body) for query in body["MetricDataQueries"] if _is_ours(query)}
        theirs = [query for query in body["MetricDataQueries"] if query["Id"] not in ours]
        if theirs:
            forwarded = call.forward({**body, "MetricDataQueries": theirs})
            ours |= {result["Id"]: result for result in forwarded["MetricDataResults"]}
        return self._page([ours[query["Id"]] for query in body["MetricDataQueries"] if query["Id"] in ours], size)

    def _page(self, results: Sequence[JsonObject], size: int) -> JsonObject:
        """As many points as fit; the result that is cut says PartialData and goes on under the NextToken."""
        page: list[JsonObject] = []
        room = size
        for number, result in enumerate(results):
            points = len(result["Timestamps"])
            if points <= room:
                page.append(result)
                room -= points
                continue
            head, tail = _cut(result, room)
            if room:
                page.append(head)
            token = str(uuid4())
            self._pages[token] = [tail, *results[number + 1 :]]
            while len(self._pages) > OPEN_PAGES:
                self._pages.popitem(last=False)
            return {"MetricDataResults": page, "NextToken": token}
        return {"MetricDataResults": page}

    def _result(self, query: JsonObject, body: JsonObject) -> JsonObject:
        return self._rule_result(query, body) if "Expression" in query else self._metric_result(query, body)

    def _rule_result(self, query: JsonObject, body: JsonObject) -> JsonObject:
        """An INSIGHT_RULE_METRIC. No such rule: a complete and empty answer with a message."""
        name, metric = rule_metric(query["Expression"]) or ("", "")
        if "Period" not in query:
            raise _invalid(f"The expression {query['Id']} needs a Period.")
        _check_period(query)
        points = self._reports.peaks(name, metric, query["Period"], (body["StartTime"], body["EndTime"]))
        result = _series(query, body, points or {}, label=f"{name} {metric}")
        if points is None:
            result["Messages"] = [{"Code": "ResourceNotFound", "Value": f"Insight rule {name} does not exist."}]
        return result

    def _metric_result(self, query: JsonObject, body: JsonObject) -> JsonObject:
        stat = query["MetricStat"]
        start, end = _rounded(body["StartTime"], self._world.now), body["EndTime"]
        # "The data points are for the minutes that start at or after StartTime and before EndTime."
        points = summed(self._points(stat, start, end), stat["Period"])
        if not is_answered(start, stat["Period"], self._world.now):
            points = {}
        return _series(query, body, points, label=stat["Metric"]["MetricName"])

    def _points(self, stat: JsonObject, start: float, end: float) -> Mapping[int, float]:
        """What there is of one metric; nothing for dimensions that nobody has, as in CloudWatch."""
        name, statistic = stat["Metric"]["MetricName"], stat["Stat"]
        dimensions = {part["Name"]: part["Value"] for part in stat["Metric"].get("Dimensions", [])}
        table = dimensions.pop("TableName", "")
        if name in UNPUBLISHED:
            raise _invalid(f"The sandbox does not publish {name}; ask for the throttle events by cause.")
        if name == LATENCY:
            metric = _statistic(LATENCY_STATISTICS, name, statistic)
            _check_period(stat, only=(60,))
            operation = dimensions.pop("Operation", "")
            if dimensions:
                return {}
            return self._world.plant.points(table, metric, operation=operation, start=start, end=end)
        index = dimensions.pop("GlobalSecondaryIndexName", "")
        if dimensions or (name not in UNIT_METRICS and name not in _GAUGES):
            return {}
        if name in _GAUGES:
            return self._provisioned(table, Dimension(index, _GAUGES[name]), stat, (start, end))
        kind, statistics = UNIT_METRICS[name]
        metric = _statistic(statistics, name, statistic)
        _check_period(stat)
        return self._world.plant.points(table, metric, dimension=Dimension(index, kind), start=start, end=end)

    def _provisioned(
        self, table: str, dimension: Dimension, stat: JsonObject, window: tuple[float, float]
    ) -> Mapping[int, float]:
        """One point for every five minutes, as AWS has it also where a shorter period is asked for."""
        summary = _statistic(_GAUGE_STATISTICS, stat["Metric"]["MetricName"], stat["Stat"])
        _check_period(stat, only=(60, GAUGE_SECONDS))
        return gauge(self._world.plant.steps(table, dimension), window, self._world.now, summary)

    def _list_metrics(self, call: Call) -> JsonObject:
        body = call.body
        if body.get("RecentlyActive", "PT3H") != "PT3H":
            raise ApiError(
                "InvalidParameterValue",
                "The value for parameter RecentlyActive must be PT3H.",
                shape="InvalidParameterValueException",
            )
        if body.get("Namespace") != NAMESPACE:
            return call.forward({name: value for name, value in body.items() if name != "RecentlyActive"})
        wanted = [(part["Name"], part.get("Value")) for part in body.get("Dimensions", [])]
        metrics = [
            {
                "Namespace": NAMESPACE,
                "MetricName": name,
                "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
            }
            for name, dimensions in self._known(body.get("MetricName"))
            if all(key in dimensions and value in (None, dimensions[key]) for key, value in wanted)
        ]
        start = int(body.get("NextToken") or 0)
        listed: JsonObject = {"Metrics": metrics[start : start + LISTED_PER_PAGE]}
        if start + LISTED_PER_PAGE < len(metrics):
            listed["NextToken"] = str(start + LISTED_PER_PAGE)
        return listed

    def _known(self, only: str | None) -> Iterator[tuple[str, dict[str, str]]]:
        """Latencies by operation, and consumed capacity by table and index. Throttle metrics are not listed: whether
        CloudWatch lists what has never been published is not documented."""
        plant = self._world.plant
        for table in plant.names():
            if only in (None, LATENCY):
                for operation in sorted(plant.operations(table)):
                    yield LATENCY, {"TableName": table, "Operation": operation}
            for index in sorted(plant.describe(table).throughputs):
                place = {"TableName": table} | ({"GlobalSecondaryIndexName": index} if index else {})
                for word in _KINDS:
                    if only in (None, f"Consumed{word}CapacityUnits"):
                        yield f"Consumed{word}CapacityUnits", place


def _series(query: JsonObject, body: JsonObject, points: Mapping[int, float], *, label: str) -> JsonObject:
    newest_first = body.get("ScanBy", "TimestampDescending") == "TimestampDescending"
    minutes = sorted(points, reverse=newest_first)
    return {
        "Id": query["Id"],
        "Label": query.get("Label") or label,
        "Timestamps": minutes,
        "Values": [points[minute] for minute in minutes],
        "StatusCode": "Complete",
    }


def _check(body: JsonObject) -> None:
    """Raise ApiError for a request that CloudWatch refuses whole."""
    queries = body["MetricDataQueries"]
    if len(queries) > MOST_QUERIES:
        raise _invalid(f"The collection MetricDataQueries must not have a size greater than {MOST_QUERIES}.")
    if body.get("MaxDatapoints", MOST_DATAPOINTS) > MOST_DATAPOINTS:
        raise _invalid(f"The parameter MaxDatapoints must be less than or equal to {MOST_DATAPOINTS}.")
    if body["StartTime"] >= body["EndTime"]:
        raise _invalid("The parameter StartTime must be less than the parameter EndTime.")
    for query in queries:
        if not re.fullmatch(r"[a-z][a-zA-Z0-9_]*", query["Id"]):
            raise _invalid(f"The value {query['Id']} for parameter Id is not matching the expected pattern.")
    if len({query["Id"] for query in queries}) < len(queries):
        raise _invalid("The values for parameter Id in MetricDataQueries are not unique.")


def _is_ours(query: JsonObject) -> bool:
    if "Expression" in query:
        if rule_metric(query["Expression"]) is None:
            # moto would answer most expressions with silence.
            raise _invalid("The sandbox evaluates no expressions but INSIGHT_RULE_METRIC; name the metrics.")
        return True
    return "MetricStat" in query and query["MetricStat"]["Metric"].get("Namespace") == NAMESPACE


def _get_metric_statistics(call: Call) -> JsonObject:
    if call.body.get("Namespace") == NAMESPACE:
        # moto would answer with silence.
        raise _invalid("The sandbox answers for AWS/DynamoDB only in GetMetricData.")
    return call.forward(call.body)


Known = TypeVar("Known")


def _statistic(known: Mapping[str, Known], name: str, statistic: str) -> Known:
    if statistic not in known:
        raise _invalid(f"The sandbox has no statistic {statistic} of {name}; it has {', '.join(known)}.")
    return known[statistic]


def _check_period(stat: JsonObject, only: tuple[int, ...] = ()) -> None:
    """only: the periods there are, where minutes cannot be added up."""
    period = stat["Period"]
    if period < 60 or period % 60:
        raise _invalid(f"The value {period} for parameter Period is not a multiple of 60.")
    if only and period not in only:
        raise _invalid(f"The sandbox has this metric by {' or '.join(map(str, only))} seconds only, not by {period}.")


def _rounded(start: float, now: float) -> float:
    """StartTime as AWS rounds it down: by its age to the minute, the five minutes or the hour."""
    unit = shortest_period(now - start)
    return start // unit * unit


def _cut(result: JsonObject, room: int) -> tuple[JsonObject, JsonObject]:
    head = {
        **result,
        "Timestamps": result["Timestamps"][:room],
        "Values": result["Values"][:room],
        "StatusCode": "PartialData",
    }
    return head, {**result, "Timestamps": result["Timestamps"][room:], "Values": result["Values"][room:]}


def _invalid(message: str) -> ApiError:
    return ApiError("ValidationError", message)
