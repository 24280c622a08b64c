"""GetMetricData and ListMetrics: values from the plant, windows, paging, refusals, other namespaces."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.conftest import OPENED, Clients, clients_of
from tests.sandbox.shapes import Wire
from watcher.aws.client import AwsClients, AwsSettings, StaticCredentials
from watcher.aws.cloudwatch import CloudWatchMetrics
from watcher.clock import SimulatedClock, utc
from watcher.core.model import TABLE_WRITE, Answer, Billing, Dimension, Kind, Metric, Query
from watcher.core.reasons import Cause
from watcher.replay.plant import KeyShare, MinuteDemand, Plant, TableSpec
from watcher.sandbox import Sandbox

BY_DAY = {"TableName": "busy", "GlobalSecondaryIndexName": "by-day"}


def query(
    name: str,
    dimensions: dict[str, str],
    stat: str = "Sum",
    period: int = 60,
    query_id: str = "q0",
    namespace: str = "AWS/DynamoDB",
) -> dict[str, Any]:
    return {
        "Id": query_id,
        "MetricStat": {
            "Metric": {
                "Namespace": namespace,
                "MetricName": name,
                "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
            },
            "Period": period,
            "Stat": stat,
        },
    }


def window(minutes: int, **more: object) -> dict[str, Any]:
    """The last ``minutes`` minutes before the sandbox opened."""
    return {"StartTime": utc(OPENED - 60 * minutes), "EndTime": utc(OPENED), **more}


def points(answer: dict[str, Any], number: int = 0) -> dict[float, float]:
    result = answer["MetricDataResults"][number]
    return {time.timestamp(): value for time, value in zip(result["Timestamps"], result["Values"], strict=True)}


def test_consumption_is_what_the_plant_served_and_the_newest_minute_is_not_out_yet(
    wire: Wire, sandbox: Sandbox
) -> None:
    asked = query("ConsumedWriteCapacityUnits", {"TableName": "busy"})
    answer = wire.call("cloudwatch", "GetMetricData", MetricDataQueries=[asked], **window(5))
    truth = sandbox.plant.truth("busy", TABLE_WRITE)
    assert points(answer) == {
        OPENED - 60 * ago: pytest.approx(truth[int(OPENED) - 60 * ago].served) for ago in (2, 3, 4, 5)
    }
    assert answer["MetricDataResults"][0]["StatusCode"] == "Complete"


@pytest.mark.parametrize(
    ("name", "dimensions", "stat", "expected"),
    [
        pytest.param("ConsumedReadCapacityUnits", {"TableName": "busy"}, "Sum", 3000.0, id="reads are 50 a second"),
        pytest.param("ConsumedReadCapacityUnits", {"TableName": "busy"}, "SampleCount", 3000.0, id="one unit each"),
        pytest.param("ConsumedReadCapacityUnits", BY_DAY, "Sum", 120.0, id="an index is asked for by its name"),
        pytest.param("WriteThrottleEvents", {"TableName": "busy"}, "Sum", 1200.0, id="half of the writes are refused"),
        pytest.param(
            "WriteProvisionedThroughputThrottleEvents", {"TableName": "busy"}, "Sum", 1200.0, id="for want of capacity"
        ),
        pytest.param("WriteKeyRangeThroughputThrottleEvents", {"TableName": "busy"}, "Sum", None, id="no key range"),
        pytest.param("WriteAccountLimitThrottleEvents", {"TableName": "busy"}, "Sum", None, id="no account limit"),
        pytest.param("WriteMaxOnDemandThroughputThrottleEvents", {"TableName": "busy"}, "Sum", None, id="no cap"),
        pytest.param("ReadThrottleEvents", {"TableName": "busy"}, "Sum", None, id="zero throttles leave no point"),
        pytest.param("ConsumedReadCapacityUnits", {"TableName": "quiet"}, "Sum", 0.0, id="an idle table has zeros"),
        pytest.param("ConsumedReadCapacityUnits", {"TableName": "absent"}, "Sum", None, id="an unknown table has none"),
        pytest.param("ConsumedReadCapacityUnits", {}, "Sum", None, id="nor has the whole account"),
        pytest.param(
            "WriteThrottleEvents",
            {"TableName": "busy", "Operation": "PutItem"},
            "Sum",
            None,
            id="nor a set of dimensions that the metric is not published under",
        ),
        pytest.param("NoSuchMetric", {"TableName": "busy"}, "Sum", None, id="nor an unknown metric"),
    ],
)
def test_one_point_of_each_kind_of_metric(
    wire: Wire, name: str, dimensions: dict[str, str], stat: str, expected: float | None
) -> None:
    answer = wire.call(
        "cloudwatch",
        "GetMetricData",
        MetricDataQueries=[query(name, dimensions, stat)],
        StartTime=utc(OPENED - 180),
        EndTime=utc(OPENED - 120),
    )
    # A throttled minute is spread unevenly over its seconds, so its share is not exactly one half.
    found = points(answer)
    assert found == ({} if expected is None else {OPENED - 180: pytest.approx(expected, rel=0.1)})


@pytest.mark.parametrize(
    ("stat", "least", "most"),
    [
        pytest.param("Average", 3.9, 4.9, id="the average of a put is about 4.4 ms"),
        pytest.param("p99", 10.7, 13.3, id="its 99th percentile about 12 ms"),
    ],
)
def test_latency_is_asked_for_by_operation(wire: Wire, stat: str, least: float, most: float) -> None:
    asked = query("SuccessfulRequestLatency", {"TableName": "busy", "Operation": "PutItem"}, stat)
    found = points(wire.call("cloudwatch", "GetMetricData", MetricDataQueries=[asked], **window(3)))
    assert len(found) == 2
    assert all(least <= value <= most for value in found.values())


def test_provisioned_capacity_comes_every_five_minutes_and_late(
    wire: Wire, sandbox: Sandbox, clock: SimulatedClock
) -> None:
    sandbox.plant.update_throughput("busy", {"": (100, 80)})
    clock.advance(659)
    asked = [
        query("ProvisionedWriteCapacityUnits", {"TableName": "busy"}, stat, query_id=stat.lower())
        for stat in ("Average", "Maximum", "Minimum")
    ]
    when = {"StartTime": utc(OPENED - 300), "EndTime": utc(OPENED + 600)}
    average, most, least = (
        points(wire.call("cloudwatch", "GetMetricData", MetricDataQueries=asked, **when), n) for n in range(3)
    )
    # The raise took effect 30 s after the opening: the opening's own minute still counts with 20.
    assert average == {OPENED - 300: 20.0, OPENED: (20 + 4 * 80) / 5}
    assert (most[OPENED], least[OPENED]) == (80.0, 20.0)
    clock.advance(1)
    assert OPENED + 300 in points(wire.call("cloudwatch", "GetMetricData", MetricDataQueries=asked, **when))


def test_causes_keep_their_names_all_the_way(clock: SimulatedClock) -> None:
    def heat(_minute: int) -> MinuteDemand:
        return MinuteDemand({TABLE_WRITE: 2000 * 60.0}, {TABLE_WRITE: (KeyShare("user#1", 0.8),)})

    hot = TableSpec("hot", read=1, write=3000, demand=heat)
    capped = TableSpec(
        "capped",
        billing=Billing.ON_DEMAND,
        on_demand_max={Kind.READ: 100},
        demand=lambda _: MinuteDemand({Dimension("", Kind.READ): 200 * 60.0}),
    )
    asked = [
        query("WriteKeyRangeThroughputThrottleEvents", {"TableName": "hot"}, query_id="a"),
        query("ReadMaxOnDemandThroughputThrottleEvents", {"TableName": "capped"}, query_id="b"),
    ]
    with Sandbox(clock, stories=(hot, capped)) as sandbox, clients_of(sandbox) as clients:
        answer = Wire(clients).call("cloudwatch", "GetMetricData", MetricDataQueries=asked, **window(10))
        truth = sandbox.plant.truth("hot", TABLE_WRITE)
    shown = points(answer)
    assert len(shown) >= 8
    for minute, events in shown.items():
        assert events == pytest.approx(truth[int(minute)].causes[Cause.KEY_RANGE], abs=1.0)
    assert min(points(answer, 1).values()) > 0


def test_newest_first_is_the_default_and_longer_periods_are_sums(wire: Wire) -> None:
    by_minute = query("ConsumedReadCapacityUnits", {"TableName": "busy"}, query_id="minutes")
    by_five = query("ConsumedReadCapacityUnits", {"TableName": "busy"}, period=300, query_id="fives")
    answer = wire.call("cloudwatch", "GetMetricData", MetricDataQueries=[by_minute, by_five], **window(10))
    minutes, fives = (points(answer, number) for number in (0, 1))
    assert list(minutes) == sorted(minutes, reverse=True)
    assert fives[OPENED - 600] == pytest.approx(sum(minutes[OPENED - 600 + 60 * n] for n in range(5)))
    ascending = wire.call(
        "cloudwatch", "GetMetricData", MetricDataQueries=[by_minute], ScanBy="TimestampAscending", **window(10)
    )
    assert list(points(ascending)) == sorted(minutes)


def test_the_start_is_rounded_down_to_its_minute_and_the_end_is_outside(wire: Wire) -> None:
    asked = query("ConsumedReadCapacityUnits", {"TableName": "busy"})
    answer = wire.call(
        "cloudwatch",
        "GetMetricData",
        MetricDataQueries=[asked],
        StartTime=utc(OPENED - 270.5),
        EndTime=utc(OPENED - 180),
    )
    assert sorted(points(answer)) == [OPENED - 300, OPENED - 240]


def test_pages_are_cut_within_a_metric_and_put_together_by_id(wire: Wire, sandbox: Sandbox) -> None:
    sandbox.cloudwatch.page_datapoints = 7
    asked = [
        query("ConsumedReadCapacityUnits", {"TableName": table}, query_id=f"q{number}")
        for number, table in enumerate(("busy", "absent", "quiet"))
    ]
    whole = window(6, MetricDataQueries=asked)
    first = wire.call("cloudwatch", "GetMetricData", **whole)
    assert [(result["Id"], len(result["Values"]), result["StatusCode"]) for result in first["MetricDataResults"]] == [
        ("q0", 5, "Complete"),
        ("q1", 0, "Complete"),
        ("q2", 2, "PartialData"),
    ]
    second = wire.call("cloudwatch", "GetMetricData", **whole, NextToken=first["NextToken"])
    assert [(result["Id"], len(result["Values"]), result["StatusCode"]) for result in second["MetricDataResults"]] == [
        ("q2", 3, "Complete")
    ]
    assert "NextToken" not in second
    seen = sorted([*points(first, 2), *points(second)])
    assert seen == [OPENED - 360 + 60 * number for number in range(5)]


def test_max_datapoints_of_the_caller_cuts_pages_too(wire: Wire) -> None:
    asked = query("ConsumedReadCapacityUnits", {"TableName": "busy"})
    first = wire.call("cloudwatch", "GetMetricData", MetricDataQueries=[asked], **window(6, MaxDatapoints=4))
    assert (len(points(first)), "NextToken" in first) == (4, True)
    exact = wire.call("cloudwatch", "GetMetricData", MetricDataQueries=[asked], **window(6, MaxDatapoints=5))
    assert (len(points(exact)), "NextToken" in exact) == (5, False)


def test_five_hundred_metrics_are_answered_at_once(wire: Wire) -> None:
    asked = [query("ConsumedReadCapacityUnits", {"TableName": "busy"}, query_id=f"q{n}") for n in range(500)]
    answer = wire.call("cloudwatch", "GetMetricData", MetricDataQueries=asked, **window(3))
    assert [result["Id"] for result in answer["MetricDataResults"]] == [f"q{n}" for n in range(500)]


DAY = 86_400


@pytest.fixture(scope="module")
def twenty_days() -> Plant:
    """One table with ten writes a second for twenty days; an hour and a minute after OPENED is its now."""
    plant = Plant(int(OPENED) - 20 * DAY, jitter=0.0, late_share=0.0, spread=0.0, retention=30.0 * DAY)
    plant.create(TableSpec("old", read=1, write=20, demand=lambda _: MinuteDemand({TABLE_WRITE: 600.0})))
    plant.advance(OPENED + 3660)
    return plant


@pytest.fixture
def old(twenty_days: Plant) -> Iterator[Wire]:
    now = SimulatedClock(OPENED + 3660)
    with Sandbox(now, stories=(), plant=twenty_days) as sandbox, clients_of(sandbox) as clients:
        yield Wire(clients)


def test_fourteen_days_of_five_metrics_are_one_answer(old: Wire) -> None:
    names = ("ConsumedWriteCapacityUnits", "ConsumedReadCapacityUnits")
    asked = [query(names[n % 2], {"TableName": "old"}, query_id=f"q{n}") for n in range(5)]
    when = {"StartTime": utc(OPENED - 14 * DAY), "EndTime": utc(OPENED)}
    answer = old.call("cloudwatch", "GetMetricData", MetricDataQueries=asked, **when)
    assert [len(result["Values"]) for result in answer["MetricDataResults"]] == [20_160] * 5
    assert "NextToken" not in answer
    assert set(points(answer).values()) == {600.0}


@pytest.mark.parametrize(
    ("days", "period", "expected"),
    [
        pytest.param(14, 60, 20_160, id="minutes of fourteen days"),
        pytest.param(15, 60, 0, id="none when the read starts fifteen days and an hour ago, for the whole range"),
        pytest.param(15, 300, 4_320, id="five minutes are kept longer"),
        pytest.param(15, 3600, 360, id="hours are sums of them"),
    ],
)
def test_old_minutes_are_gone(old: Wire, days: int, period: int, expected: int) -> None:
    asked = query("ConsumedWriteCapacityUnits", {"TableName": "old"}, period=period)
    when = {"StartTime": utc(OPENED - days * DAY), "EndTime": utc(OPENED)}
    answer = old.call("cloudwatch", "GetMetricData", MetricDataQueries=[asked], **when)
    assert len(points(answer)) == expected
    assert set(points(answer).values()) == ({600.0 * period / 60} if expected else set())


def test_an_old_start_is_rounded_down_to_its_five_minutes(old: Wire) -> None:
    asked = query("ConsumedWriteCapacityUnits", {"TableName": "old"}, period=300)
    when = {"StartTime": utc(OPENED - 16 * DAY + 299), "EndTime": utc(OPENED - 16 * DAY + 600)}
    answer = old.call("cloudwatch", "GetMetricData", MetricDataQueries=[asked], **when)
    assert points(answer) == {OPENED - 16 * DAY + 300: 3000.0, OPENED - 16 * DAY: 3000.0}


def test_the_watchers_own_long_read(twenty_days: Plant) -> None:
    writes = Query("old", Metric.CONSUMED, TABLE_WRITE)
    provisioned = Query("old", Metric.PROVISIONED, TABLE_WRITE)
    requested: list[int] = []
    with (
        Sandbox(SimulatedClock(OPENED + 3660), stories=(), plant=twenty_days) as sandbox,
        AwsClients(AwsSettings(sandbox.endpoint_url, credentials=StaticCredentials("test", "test"))) as clients,
    ):
        metrics = CloudWatchMetrics(
            clients.cloudwatch(sandbox.region),
            requested=requested.append,
            trouble=lambda error: pytest.fail(str(error)),
        )
        recent = metrics.read([writes], OPENED - 14 * DAY, OPENED)[writes]
        older = metrics.read([writes, provisioned], OPENED - 19 * DAY, OPENED - 14 * DAY, 300)
    assert recent == Answer({int(OPENED) - 14 * DAY + 60 * n: 600.0 for n in range(20_160)})
    fives = range(int(OPENED) - 19 * DAY, int(OPENED) - 14 * DAY, 300)
    assert older == {writes: Answer(dict.fromkeys(fives, 3000.0)), provisioned: Answer(dict.fromkeys(fives, 20.0))}
    assert requested == [1, 2]


READS = query("ConsumedReadCapacityUnits", {"TableName": "busy"})


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        pytest.param(
            {"MetricDataQueries": [{**READS, "Id": f"q{n}"} for n in range(501)]},
            "ValidationError",
            "must not have a size greater than 500",
            id="501 metrics are too many",
        ),
        pytest.param(
            {"MaxDatapoints": 100_801}, "ValidationError", "less than or equal to 100800", id="one point too many"
        ),
        pytest.param({"MetricDataQueries": [READS, READS]}, "ValidationError", "not unique", id="an Id given twice"),
        pytest.param(
            {"MetricDataQueries": [{**READS, "Id": "Q"}]}, "ValidationError", "pattern", id="an Id in capitals"
        ),
        pytest.param({"EndTime": utc(OPENED - 300)}, "ValidationError", "must be less than", id="an empty window"),
        pytest.param({"NextToken": "made up"}, "InvalidNextToken", "not valid", id="a token nobody gave"),
        pytest.param(
            {"MetricDataQueries": [query("ConsumedReadCapacityUnits", {"TableName": "busy"}, period=30)]},
            "ValidationError",
            "multiple of 60",
            id="half a minute",
        ),
        pytest.param(
            {"MetricDataQueries": [query("ConsumedReadCapacityUnits", {"TableName": "busy"}, stat="p99")]},
            "ValidationError",
            "no statistic p99",
            id="a statistic the plant cannot know is refused, not made up",
        ),
        pytest.param(
            {"MetricDataQueries": [query("ThrottledRequests", {"TableName": "busy", "Operation": "PutItem"})]},
            "ValidationError",
            "does not publish ThrottledRequests",
            id="nor is a metric answered with silence that reads as health",
        ),
        pytest.param(
            {
                "MetricDataQueries": [
                    query("SuccessfulRequestLatency", {"TableName": "busy", "Operation": "PutItem"}, "p99", 300)
                ]
            },
            "ValidationError",
            "by 60 seconds only, not by 300",
            id="percentiles cannot be added up",
        ),
        pytest.param(
            {"MetricDataQueries": [{"Id": "e", "Expression": "SEARCH('', 'Sum')"}]},
            "ValidationError",
            "evaluates no expressions but INSIGHT_RULE_METRIC",
            id="an expression is refused and not answered with silence",
        ),
    ],
)
def test_get_metric_data_refuses(aws: Clients, arguments: dict[str, Any], code: str, text: str) -> None:
    request = {"MetricDataQueries": [READS], **window(5), **arguments}
    with pytest.raises(ClientError) as refused:
        aws("cloudwatch").get_metric_data(**request)
    assert refused.value.response["Error"]["Code"] == code
    assert text in refused.value.response["Error"]["Message"]


def test_the_older_call_is_refused_for_dynamodb_and_passed_on_for_others(aws: Clients) -> None:
    when = {"StartTime": utc(OPENED - 300), "EndTime": utc(OPENED), "Period": 60, "Statistics": ["Sum"]}
    with pytest.raises(ClientError, match="only in GetMetricData"):
        aws("cloudwatch").get_metric_statistics(Namespace="AWS/DynamoDB", MetricName="ReadThrottleEvents", **when)
    assert aws("cloudwatch").get_metric_statistics(Namespace="shop", MetricName="sales", **when)["Datapoints"] == []


def test_other_namespaces_are_answered_by_moto_in_the_same_call(wire: Wire, aws: Clients) -> None:
    aws("cloudwatch").put_metric_data(
        Namespace="shop",
        MetricData=[{"MetricName": "sales", "Value": 7.0, "Timestamp": datetime.fromtimestamp(OPENED - 240, UTC)}],
    )
    asked = [query("sales", {}, query_id="shop", namespace="shop"), {**READS, "Id": "reads"}]
    answer = wire.call("cloudwatch", "GetMetricData", MetricDataQueries=asked, **window(5))
    assert [result["Id"] for result in answer["MetricDataResults"]] == ["shop", "reads"]
    assert list(points(answer).values()) == [7.0]
    assert len(points(answer, 1)) == 4
    listed = aws("cloudwatch").list_metrics(Namespace="shop")["Metrics"]
    assert [metric["MetricName"] for metric in listed] == ["sales"]


def operations(answer: dict[str, Any]) -> list[dict[str, str]]:
    return [{part["Name"]: part["Value"] for part in metric["Dimensions"]} for metric in answer["Metrics"]]


def test_operations_with_traffic_are_listed(wire: Wire) -> None:
    asked = {"Namespace": "AWS/DynamoDB", "MetricName": "SuccessfulRequestLatency"}
    answer = wire.call("cloudwatch", "ListMetrics", **asked, RecentlyActive="PT3H")
    assert operations(answer) == [{"TableName": "busy", "Operation": name} for name in ("GetItem", "PutItem", "Query")]
    only = wire.call(
        "cloudwatch",
        "ListMetrics",
        **asked,
        Dimensions=[{"Name": "TableName", "Value": "quiet"}, {"Name": "Operation"}],
    )
    assert operations(only) == []
    consumed = wire.call("cloudwatch", "ListMetrics", Namespace="AWS/DynamoDB", MetricName="ConsumedReadCapacityUnits")
    assert BY_DAY in operations(consumed)


def test_metrics_are_listed_in_pages_of_500(clock: SimulatedClock) -> None:
    plant = Plant(int(OPENED) - 900, account_quota=10**6)
    for number in range(251):
        plant.create(TableSpec(f"t{number:03}", read=1, write=1))
    listing = {"Namespace": "AWS/DynamoDB"}
    with Sandbox(clock, stories=(), plant=plant) as sandbox, clients_of(sandbox) as clients:
        wire = Wire(clients)
        first = wire.call("cloudwatch", "ListMetrics", **listing)
        second = wire.call("cloudwatch", "ListMetrics", **listing, NextToken=first["NextToken"])
    assert (len(first["Metrics"]), len(second["Metrics"]), "NextToken" in second) == (500, 2, False)


def test_recently_active_has_one_value_only(aws: Clients) -> None:
    with pytest.raises(ClientError) as refused:
        aws("cloudwatch").list_metrics(Namespace="AWS/DynamoDB", RecentlyActive="PT4H")
    assert refused.value.response["Error"]["Code"] == "InvalidParameterValue"


def test_a_protocol_it_does_not_speak_is_refused_loudly(sandbox: Sandbox) -> None:
    body, status = post(
        sandbox, "Action=GetMetricData&Version=2010-08-01", credential="test/20260101/us-east-1/monitoring/aws4_request"
    )
    assert (status, "speaks only JSON for CloudWatch" in body) == (400, True)


def post(sandbox: Sandbox, body: str, *, credential: str) -> tuple[str, int]:
    from http.client import HTTPConnection  # noqa: PLC0415 - the one test below boto3

    connection = HTTPConnection("127.0.0.1", sandbox.port)
    try:
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Authorization": f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=none",
        }
        connection.request("POST", "/", body, headers)
        response = connection.getresponse()
        return response.read().decode(), response.status
    finally:
        connection.close()
