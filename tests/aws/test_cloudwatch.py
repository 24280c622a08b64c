"""What is asked of CloudWatch, in which batches, and what each kind of answer becomes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.aws.conftest import NOON, REGION, Calls
from tests.aws.fake import HTML_500, FakeAws, Params, Reply, fault
from tests.aws.fake import Answer as Scripted
from watcher.aws.client import AwsClients
from watcher.aws.cloudwatch import ABSURD, PAGES_PER_CALL, CloudWatchMetrics, aws_metric
from watcher.clock import utc
from watcher.core.model import TABLE_READ, TABLE_WRITE, Answer, Dimension, Kind, Metric, Query
from watcher.errors import AwsDenied, AwsError, AwsUnavailable

START, END = NOON - 600, NOON
MINUTE = int(START)
CONSUMED = Query("orders", Metric.CONSUMED, TABLE_READ)
THROTTLED = Query("orders", Metric.THROTTLED, TABLE_WRITE)
AVERAGE = Query("orders", Metric.LATENCY_AVERAGE, operation="GetItem")
P99 = Query("orders", Metric.LATENCY_P99, operation="GetItem")
INDEX_WRITE = Dimension("by-day", Kind.WRITE)


@dataclass
class Watched:
    """The adapter with what it reported."""

    metrics: CloudWatchMetrics
    requested: list[int] = field(default_factory=list)
    troubles: list[AwsError] = field(default_factory=list)


def watched(clients: AwsClients) -> Watched:
    requested: list[int] = []
    troubles: list[AwsError] = []
    metrics = CloudWatchMetrics(clients.cloudwatch(REGION), requested=requested.append, trouble=troubles.append)
    return Watched(metrics, requested, troubles)


@pytest.fixture
def subject(faked: AwsClients) -> Watched:
    return watched(faked)


def result(position: int, points: dict[float, float], status: str = "Complete") -> dict[str, Any]:
    return {"Id": f"q{position}", "StatusCode": status, "Timestamps": list(points), "Values": list(points.values())}


def results(*parts: dict[str, Any], token: str = "") -> dict[str, Any]:
    return {"MetricDataResults": list(parts)} | ({"NextToken": token} if token else {})


@pytest.mark.parametrize(
    ("query", "name", "statistic", "dimensions"),
    [
        pytest.param(CONSUMED, "ConsumedReadCapacityUnits", "Sum", {"TableName": "orders"}, id="units of a table"),
        pytest.param(
            Query("orders", Metric.REQUESTS, TABLE_WRITE),
            "ConsumedWriteCapacityUnits",
            "SampleCount",
            {"TableName": "orders"},
            id="requests are the sample count of units",
        ),
        pytest.param(
            Query("orders", Metric.THROTTLED, INDEX_WRITE),
            "WriteThrottleEvents",
            "Sum",
            {"TableName": "orders", "GlobalSecondaryIndexName": "by-day"},
            id="an index has two dimensions",
        ),
        *(
            pytest.param(
                Query("orders", metric, dimension),
                name,
                "Sum",
                {"TableName": "orders"},
                id=f"{metric} {dimension.kind}",
            )
            for dimension in (TABLE_READ, TABLE_WRITE)
            for metric, name in (
                (Metric.THROTTLED_PROVISIONED, f"{dimension.kind.title()}ProvisionedThroughputThrottleEvents"),
                (Metric.THROTTLED_KEY_RANGE, f"{dimension.kind.title()}KeyRangeThroughputThrottleEvents"),
                (Metric.THROTTLED_ACCOUNT_LIMIT, f"{dimension.kind.title()}AccountLimitThrottleEvents"),
                (Metric.THROTTLED_ON_DEMAND_CAP, f"{dimension.kind.title()}MaxOnDemandThroughputThrottleEvents"),
            )
        ),
        pytest.param(
            AVERAGE,
            "SuccessfulRequestLatency",
            "Average",
            {"TableName": "orders", "Operation": "GetItem"},
            id="latency is per operation",
        ),
        pytest.param(
            P99, "SuccessfulRequestLatency", "p99", {"TableName": "orders", "Operation": "GetItem"}, id="and its tail"
        ),
    ],
)
def test_the_mapping_to_aws_names(query: Query, name: str, statistic: str, dimensions: dict[str, str]) -> None:
    assert aws_metric(query) == (name, statistic, dimensions)


@pytest.mark.parametrize(
    "query",
    [
        pytest.param(Query("orders", Metric.CONSUMED), id="units without a dimension"),
        pytest.param(Query("orders", Metric.LATENCY_P99, TABLE_READ), id="latency without an operation"),
    ],
)
def test_a_query_that_names_nothing_is_a_mistake(query: Query) -> None:
    with pytest.raises(ValueError, match="names none"):
        aws_metric(query)


def test_the_request_asks_for_whole_minutes_oldest_first(subject: Watched, fake: FakeAws) -> None:
    fake.script("GetMetricData", results(result(0, {})))
    subject.metrics.read([CONSUMED], START + 17, END)
    (sent,) = fake.sent("GetMetricData")
    assert (sent["StartTime"], sent["EndTime"], sent["ScanBy"]) == (START, END, "TimestampAscending")
    assert [query["MetricStat"]["Period"] for query in sent["MetricDataQueries"]] == [60]


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        pytest.param({START: 5.0}, {MINUTE: 5.0}, id="the first minute belongs to the window"),
        pytest.param({END - 60: 5.0}, {int(END) - 60: 5.0}, id="so does the last that starts in it"),
        pytest.param({END: 5.0, START - 60: 5.0}, {}, id="minutes before and at the end do not"),
        pytest.param({START + 90: 5.0}, {MINUTE + 60: 5.0}, id="a crooked timestamp is folded down"),
        pytest.param({START: 5.0, START + 59: 2.0}, {MINUTE: 7.0}, id="two parts of one minute add up"),
        pytest.param({START: 0.0}, {MINUTE: 0.0}, id="a zero is a point"),
        pytest.param({}, {}, id="silence is no point, and complete"),
    ],
)
def test_points(subject: Watched, fake: FakeAws, points: dict[float, float], expected: dict[int, float]) -> None:
    fake.script("GetMetricData", results(result(0, points)))
    assert subject.metrics.read([CONSUMED], START, END) == {CONSUMED: Answer(expected, complete=True)}


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        pytest.param("NaN", False, id="not a number"),
        pytest.param(-0.5, False, id="negative"),
        pytest.param(ABSURD, True, id="the largest believed"),
        pytest.param(ABSURD * 2, False, id="beyond belief"),
        pytest.param("Infinity", False, id="infinite"),
    ],
)
def test_a_broken_value_is_dropped_and_said(subject: Watched, fake: FakeAws, value: float | str, *, kept: bool) -> None:
    number = float(value)
    broken = results(result(0, {START: number, START + 60: 7}))
    fake.script("GetMetricData", Reply(200, json.dumps(broken)))  # NaN and Infinity are written as such
    answer = subject.metrics.read([CONSUMED], START, END)[CONSUMED]
    assert answer == Answer(({MINUTE: number} if kept else {}) | {MINUTE + 60: 7.0}, complete=kept)
    assert not any(math.isnan(point) for point in answer.points.values())


@pytest.mark.parametrize(
    ("pages", "complete"),
    [
        pytest.param([results(result(0, {START: 1}, "Complete"))], True, id="complete"),
        pytest.param([results(result(0, {START: 1}, "PartialData"))], False, id="partial, and no more pages"),
        pytest.param([results(result(0, {START: 1}, "InternalError"))], False, id="an internal error"),
        pytest.param([results(result(0, {START: 1}, "Forbidden"))], False, id="forbidden"),
        pytest.param(
            [results(result(0, {START: 1}, "PartialData"), token="t"), results(result(0, {}))],
            True,
            id="partial, completed by the next page",
        ),
        pytest.param(
            [results(result(0, {START: 1}, "InternalError"), token="t"), results(result(0, {}))],
            False,
            id="an error is not healed by the next page",
        ),
    ],
)
def test_completeness(subject: Watched, fake: FakeAws, pages: list[Scripted], *, complete: bool) -> None:
    fake.script("GetMetricData", *pages)
    answer = subject.metrics.read([CONSUMED], START, END)[CONSUMED]
    assert answer == Answer({MINUTE: 1.0}, complete=complete)
    assert subject.requested == [1] * len(pages)


def test_a_query_without_a_result_is_incomplete(subject: Watched, fake: FakeAws) -> None:
    fake.script("GetMetricData", results(result(1, {START: 2})))
    answers = subject.metrics.read([CONSUMED, THROTTLED], START, END)
    assert answers == {CONSUMED: Answer(complete=False), THROTTLED: Answer({MINUTE: 2.0})}


def test_pages_are_joined_and_the_token_is_passed_on(subject: Watched, fake: FakeAws) -> None:
    fake.script("GetMetricData", results(result(0, {START: 1}), token="more"), results(result(0, {START + 60: 2})))
    assert subject.metrics.read([CONSUMED], START, END)[CONSUMED].points == {MINUTE: 1.0, MINUTE + 60: 2.0}
    assert fake.sent("GetMetricData")[1]["NextToken"] == "more"


def test_pages_without_end_are_given_up(subject: Watched, fake: FakeAws) -> None:
    fake.script("GetMetricData", results(token="again"))
    with pytest.raises(AwsError, match="no end after"):
        subject.metrics.read([CONSUMED], START, END)
    assert len(fake.calls) == PAGES_PER_CALL


@pytest.mark.parametrize(
    ("minutes", "queries", "sizes"),
    [
        pytest.param(10, 500, [500], id="500 queries are one call"),
        pytest.param(10, 501, [500, 1], id="501 are two"),
        pytest.param(201, 500, [500], id="500 queries of 201 minutes are 100,500 points, one answer"),
        pytest.param(202, 500, [499, 1], id="of 202 minutes they are too many"),
        pytest.param(200_000, 2, [1, 1], id="a window too long for one answer goes one by one, with pages"),
    ],
)
def test_batches_are_full_and_fit_an_answer(
    subject: Watched, fake: FakeAws, minutes: int, queries: int, sizes: list[int]
) -> None:
    fake.script("GetMetricData", results())
    wanted = [Query(f"t{number}", Metric.CONSUMED, TABLE_READ) for number in range(queries)]
    subject.metrics.read(wanted, END - 60 * minutes, END)
    assert sorted((len(sent["MetricDataQueries"]) for sent in fake.sent("GetMetricData")), reverse=True) == sizes
    assert sorted(subject.requested, reverse=True) == sizes


def test_the_same_query_twice_is_paid_once(subject: Watched, fake: FakeAws) -> None:
    fake.script("GetMetricData", results(result(0, {})))
    subject.metrics.read([CONSUMED, CONSUMED], START, END)
    assert subject.requested == [1]


@pytest.mark.parametrize("end", [pytest.param(START, id="empty"), pytest.param(START - 1, id="backwards")])
def test_a_window_without_minutes_costs_nothing(subject: Watched, fake: FakeAws, end: float) -> None:
    assert subject.metrics.read([CONSUMED], START, end) == {CONSUMED: Answer()}
    assert fake.calls == []


def by_statistic(**answers: Scripted) -> Callable[[Params], dict[str, Any] | Reply]:
    """Answers by the statistic asked for; every batch holds one kind only, which is asserted."""

    def answer(params: Params) -> dict[str, Any] | Reply:
        (statistic,) = {query["MetricStat"]["Stat"] for query in params["MetricDataQueries"]}
        chosen = answers[statistic]
        return chosen(params) if callable(chosen) else chosen

    return answer


GOOD = results(result(0, {START: 3}))


@pytest.mark.parametrize(
    ("answers", "complete", "codes"),
    [
        pytest.param({"Sum": GOOD, "Average": GOOD, "p99": GOOD}, {CONSUMED, AVERAGE, P99}, [], id="all well"),
        pytest.param(
            {"Sum": GOOD, "Average": GOOD, "p99": HTML_500},
            {CONSUMED, AVERAGE},
            ["HTTP500"],
            id="an endpoint without percentiles blinds only them",
        ),
        pytest.param(
            {"Sum": GOOD, "Average": fault("Odd"), "p99": HTML_500},
            {CONSUMED},
            ["Odd", "HTTP500"],
            id="latency may fail altogether",
        ),
    ],
)
def test_failed_latency_never_blinds_capacity(
    subject: Watched, fake: FakeAws, answers: dict[str, Scripted], complete: set[Query], codes: list[str]
) -> None:
    fake.script("GetMetricData", by_statistic(**answers))
    seen = subject.metrics.read([P99, CONSUMED, AVERAGE], START, END)
    assert {query for query, answer in seen.items() if answer == Answer({MINUTE: 3.0})} == complete
    assert {query for query, answer in seen.items() if answer == Answer(complete=False)} == seen.keys() - complete
    assert [trouble.code for trouble in subject.troubles] == codes


@pytest.mark.parametrize(
    ("queries", "answers", "kind"),
    [
        pytest.param(
            [CONSUMED, AVERAGE], {"Sum": fault("AccessDenied"), "Average": GOOD}, AwsDenied, id="all capacity failed"
        ),
        pytest.param([AVERAGE, P99], {"Average": HTML_500, "p99": HTML_500}, AwsUnavailable, id="only latency asked"),
    ],
)
def test_nothing_readable_raises(
    subject: Watched, fake: FakeAws, queries: list[Query], answers: dict[str, Scripted], kind: type
) -> None:
    fake.script("GetMetricData", by_statistic(**answers))
    with pytest.raises(kind):
        subject.metrics.read(queries, START, END)


def test_one_of_two_capacity_batches_may_fail(subject: Watched, fake: FakeAws) -> None:
    def refuse_small(params: Params) -> dict[str, Any] | Reply:
        if len(params["MetricDataQueries"]) == 1:
            return fault("InternalServiceFault", status=500)
        return results(*(result(position, {START: position}) for position in range(500)))

    fake.script("GetMetricData", refuse_small)
    wanted = [Query(f"t{number}", Metric.CONSUMED, TABLE_READ) for number in range(501)]
    seen = subject.metrics.read(wanted, START, END)
    assert [seen[query] for query in wanted[:500]] == [Answer({MINUTE: float(n)}) for n in range(500)]
    assert seen[wanted[500]] == Answer(complete=False)
    assert [trouble.code for trouble in subject.troubles] == ["InternalServiceFault"]


def test_operations_come_from_all_pages_without_streams(subject: Watched, fake: FakeAws) -> None:
    def metric(**dimensions: str) -> dict[str, Any]:
        return {"Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()]}

    fake.script(
        "ListMetrics",
        {"Metrics": [metric(TableName="orders", Operation="GetItem")], "NextToken": "t"},
        {
            "Metrics": [
                metric(Operation="Query", TableName="orders"),
                metric(TableName="orders", Operation="GetRecords", StreamLabel="2026"),
                metric(TableName="carts"),
            ]
        },
    )
    assert subject.metrics.operations() == {"orders": frozenset({"GetItem", "Query"})}
    first = fake.sent("ListMetrics")[0]
    assert (first["Namespace"], first["RecentlyActive"]) == ("AWS/DynamoDB", "PT3H")


def test_operations_that_may_not_be_listed_are_denied(subject: Watched, fake: FakeAws) -> None:
    fake.script("ListMetrics", fault("AccessDenied"))
    with pytest.raises(AwsDenied, match="allow cloudwatch:ListMetrics"):
        subject.metrics.operations()


def test_against_a_stand_in_server(moto: AwsClients, calls: Calls) -> None:
    subject = watched(moto)
    client = moto.cloudwatch(REGION)
    for minute, value in ((0, 120.0), (60, 30.0)):
        client.put_metric_data(
            Namespace="AWS/DynamoDB",
            MetricData=[
                {
                    "MetricName": name,
                    "Dimensions": [{"Name": key, "Value": text} for key, text in dimensions.items()],
                    "Timestamp": utc(START + minute + 5),
                    "Value": value,
                }
                for name, dimensions in (
                    ("ConsumedReadCapacityUnits", {"TableName": "orders"}),
                    ("SuccessfulRequestLatency", {"TableName": "orders", "Operation": "GetItem"}),
                )
            ],
        )
    requests = Query("orders", Metric.REQUESTS, TABLE_READ)
    seen = subject.metrics.read([CONSUMED, requests, THROTTLED, AVERAGE, P99], START, END)
    assert seen[CONSUMED] == Answer({MINUTE: 120.0, MINUTE + 60: 30.0})
    assert seen[requests].points == {MINUTE: 1.0, MINUTE + 60: 1.0}
    assert seen[THROTTLED] == Answer()
    assert seen[AVERAGE].points == {MINUTE: 120.0, MINUTE + 60: 30.0}
    assert seen[P99] == Answer(complete=False)  # this server crashes on percentiles
    assert sum(subject.requested) == 5
    assert subject.metrics.operations() == {"orders": frozenset({"GetItem"})}
    assert ("ListMetrics", "ok") in calls.made
