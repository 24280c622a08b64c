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
from watcher.aws.cloudwatch import HISTORY_POINTS_PER_SECOND, CloudWatchMetrics, HistoryPacer, aws_metric
from watcher.aws.metric_data import ABSURD, PAGES_PER_CALL, POINTS_PER_ANSWER
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
            Query("orders", Metric.PROVISIONED, INDEX_WRITE),
            "ProvisionedWriteCapacityUnits",
            "Maximum",
            {"TableName": "orders", "GlobalSecondaryIndexName": "by-day"},
            id="the capacity in force, as it was published",
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


DAY = 86_400


@pytest.mark.parametrize(
    ("days", "period", "queries", "sizes"),
    [
        pytest.param(14, 60, 5, [5], id="five metrics of fourteen days are 100,800 minutes, one answer"),
        pytest.param(14, 60, 6, [5, 1], id="the sixth has a call of its own, and none is asked for twice"),
        pytest.param(14, 300, 25, [25], id="by five minutes, twenty-five fit"),
        pytest.param(49, 300, 8, [7, 1], id="of the 49 days before, seven"),
        pytest.param(63, 300, 6, [5, 1], id="of all 63 days, five"),
        pytest.param(63, 3600, 67, [66, 1], id="by the hour, sixty-six"),
    ],
)
def test_history_fits_its_answers_and_each_metric_is_paid_once(
    subject: Watched, fake: FakeAws, days: int, period: int, queries: int, sizes: list[int]
) -> None:
    fake.script("GetMetricData", results())
    wanted = [Query(f"t{number}", Metric.CONSUMED, TABLE_READ) for number in range(queries)]
    subject.metrics.read(wanted, END - days * DAY, END, period)
    calls = fake.sent("GetMetricData")
    assert sorted((len(sent["MetricDataQueries"]) for sent in calls), reverse=True) == sizes
    assert sum(subject.requested) == queries
    for sent in calls:
        points = (sent["EndTime"] - sent["StartTime"]) / period * len(sent["MetricDataQueries"])
        assert points <= POINTS_PER_ANSWER
        assert {query["MetricStat"]["Period"] for query in sent["MetricDataQueries"]} == {period}


def test_a_crooked_window_counts_the_interval_it_starts_in(subject: Watched, fake: FakeAws) -> None:
    fake.script("GetMetricData", results())
    wanted = [Query(f"t{number}", Metric.CONSUMED, TABLE_READ) for number in range(5)]
    subject.metrics.read(wanted, END - 14 * DAY + 30, END + 30)
    assert sorted(subject.requested) == [1, 4]  # 20,161 minutes each


@pytest.mark.parametrize(
    ("start", "end", "sent_start", "sent_end"),
    [
        pytest.param(START, END, START, END, id="whole intervals are asked for as they are"),
        pytest.param(START + 1, END - 1, START, END - 300, id="others from before the start to the last that is over"),
        pytest.param(START + 299, END + 299, START, END, id="up to a second before the next"),
    ],
)
def test_longer_periods_are_asked_for_in_whole_intervals(
    subject: Watched, fake: FakeAws, start: float, end: float, sent_start: float, sent_end: float
) -> None:
    fake.script("GetMetricData", results(result(0, {START: 1, START + 300: 2, END: 3})))
    points = subject.metrics.read([CONSUMED], start, end, 300)[CONSUMED].points
    (sent,) = fake.sent("GetMetricData")
    assert (sent["StartTime"], sent["EndTime"]) == (sent_start, sent_end)
    whole = {START: 1.0, START + 300: 2.0}
    assert points == {at: value for at, value in whole.items() if start <= at < sent_end}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param(CONSUMED, 7.0, id="sums add up"),
        pytest.param(Query("orders", Metric.PROVISIONED, TABLE_READ), 5.0, id="a capacity does not"),
    ],
)
def test_two_points_of_one_interval(subject: Watched, fake: FakeAws, query: Query, expected: float) -> None:
    fake.script("GetMetricData", results(result(0, {START: 5, START + 120: 2})))
    assert subject.metrics.read([query], START, END, 300)[query] == Answer({MINUTE: expected})


@pytest.mark.parametrize("period", [0, 30, 59, 61, 90, 86_400 * 2, 420])
def test_a_period_that_cloudwatch_does_not_keep_is_a_mistake(subject: Watched, fake: FakeAws, period: int) -> None:
    with pytest.raises(ValueError, match=f"a period of {period} s"):
        subject.metrics.read([CONSUMED], START, END, period)
    assert fake.calls == []


def test_a_part_of_history_that_failed_is_incomplete(subject: Watched, fake: FakeAws) -> None:
    def refuse_small(params: Params) -> dict[str, Any] | Reply:
        if len(params["MetricDataQueries"]) == 1:
            return fault("Throttling")
        return results(*(result(position, {START: 1}) for position in range(5)))

    fake.script("GetMetricData", refuse_small)
    wanted = [Query(f"t{number}", Metric.CONSUMED, TABLE_READ) for number in range(6)]
    seen = subject.metrics.read(wanted, END - 14 * DAY, END)
    assert [seen[query].complete for query in wanted] == [True] * 5 + [False]
    assert [trouble.code for trouble in subject.troubles] == ["Throttling"]


@dataclass
class Stopwatch:
    """Seconds that pass only by waiting."""

    now: float = 1000.0
    waits: list[float] = field(default_factory=list)

    def wait(self, seconds: float) -> None:
        self.waits.append(round(seconds, 9))
        self.now += seconds

    def pacer(self) -> HistoryPacer:
        return HistoryPacer(seconds=lambda: self.now, wait=self.wait)


def test_history_is_read_below_the_quota() -> None:
    watch = Stopwatch()
    pacer = watch.pacer()
    began = watch.now
    for _ in range(10):
        pacer.turn(POINTS_PER_ANSWER)
    assert watch.waits == [0.336] * 9  # 100,800 / 300,000
    assert 9 * POINTS_PER_ANSWER / (watch.now - began) == pytest.approx(HISTORY_POINTS_PER_SECOND)
    watch.now += 0.335
    pacer.turn(1)
    watch.now += 10
    pacer.turn(1)
    assert watch.waits[9:] == [0.001]


@pytest.mark.parametrize(
    ("seconds", "waits"),
    [
        pytest.param(3 * 3600, [], id="three hours, as a cycle reads at most, wait for nothing"),
        pytest.param(3 * 3600 + 60, [0.3017], id="longer is history: 500 of 181 minutes after the first such call"),
    ],
)
def test_only_history_waits_its_turn(faked: AwsClients, fake: FakeAws, seconds: int, waits: list[float]) -> None:
    fake.script("GetMetricData", results())
    watch = Stopwatch()
    client = faked.cloudwatch(REGION)
    metrics = CloudWatchMetrics(
        client, requested=lambda _: None, trouble=lambda _: None, workers=1, pacer=watch.pacer()
    )
    metrics.read([Query(f"t{n}", Metric.CONSUMED, TABLE_READ) for n in range(501)], END - seconds, END)
    assert len(fake.calls) == 2
    assert [round(wait, 4) for wait in watch.waits] == waits


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
