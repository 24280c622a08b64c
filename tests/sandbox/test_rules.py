"""CloudWatch's side of Contributor Insights: all rules, rules in expressions, reports of items."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.conftest import OPENED, Clients, clients_of
from tests.sandbox.shapes import Wire
from watcher.clock import SimulatedClock, utc
from watcher.core.insights import SamplerMode
from watcher.core.model import TABLE_WRITE
from watcher.replay.plant import IndexSpec, KeyShare, MinuteDemand, Plant, TableSpec
from watcher.sandbox import Sandbox, Story

OFF, THROTTLED, FULL = SamplerMode
MEANINGFUL = ("MaxContributorValue", "Maximum")
SHARES = (KeyShare("a", 0.6, sort="1"), KeyShare("a", 0.15, sort="2"))


def hot(_minute: int) -> MinuteDemand:
    """2,000 writes a second, of them 1,500 to two items of one key, of which a partition serves 1,000."""
    return MinuteDemand({TABLE_WRITE: 60.0 * 2000.0}, {TABLE_WRITE: SHARES})


@pytest.fixture
def sandbox(clock: SimulatedClock) -> Iterator[Sandbox]:
    """One table with items, sampled in full for five minutes, whose splits are far away; and one hash-only table."""
    plant = Plant(int(OPENED) - 300, jitter=0.0, late_share=0.0, spread=0.0, split_after=1e9)
    index = IndexSpec("by-day", read=1, write=3000, write_ratio=0.0, has_sort_key=True)
    pair = TableSpec("pair", read=1, write=3000, has_sort_key=True, indexes=(index,), demand=hot)
    stories = (
        Story(pair, insights={"": FULL, "by-day": THROTTLED}),
        Story(TableSpec("flat", read=1, write=1), insights={"": THROTTLED}),
    )
    with Sandbox(clock, stories=stories, plant=plant) as running:
        yield running


@pytest.fixture
def rules(wire: Wire) -> dict[str, str]:
    """Of table ``pair`` by code."""
    found = wire.call("dynamodb", "DescribeContributorInsights", TableName="pair")["ContributorInsightsRuleList"]
    return {rule.split("-")[1]: rule for rule in found}


def expressions(wire: Wire, *asked: str, period: int = 60, **more: object) -> list[dict[str, Any]]:
    queries = [{"Id": f"e{number}", "Expression": one, "Period": period} for number, one in enumerate(asked)]
    when: dict[str, Any] = {"StartTime": utc(OPENED - 300), "EndTime": utc(OPENED), "ScanBy": "TimestampAscending"}
    answer = wire.call("cloudwatch", "GetMetricData", MetricDataQueries=queries, **when, **more)
    results: list[dict[str, Any]] = answer["MetricDataResults"]
    return results


def points(result: dict[str, Any]) -> dict[int, float]:
    times = [int(time.timestamp() - OPENED) for time in result["Timestamps"]]
    return dict(zip(times, result["Values"], strict=True))


def test_all_rules_are_listed_page_by_page(wire: Wire) -> None:
    seen: list[dict[str, Any]] = []
    sizes = []
    token: dict[str, str] = {}
    while True:
        page = wire.call("cloudwatch", "DescribeInsightRules", MaxResults=3, **token)
        sizes.append(len(page["InsightRules"]))
        seen += page["InsightRules"]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert sizes == [3, 3, 1]
    codes = sorted(tuple(rule["Name"].split("-")[1:3]) for rule in seen)
    pair = [(code, "pair") for code in ("PKC", "PKT", "PKT", "SKC", "SKT", "SKT")]
    assert codes == sorted([("PKT", "flat"), *pair]), "the index has two of them"
    assert {rule["State"] for rule in seen} == {"ENABLED"}
    assert all(rule["ManagedRule"] for rule in seen)
    assert [rule["Name"] for rule in seen] == sorted(rule["Name"] for rule in seen)


def test_where_nothing_is_sampled_there_are_no_rules(clock: SimulatedClock) -> None:
    with Sandbox(clock, stories=(TableSpec("flat", read=1, write=1),)) as sandbox, clients_of(sandbox) as clients:
        assert Wire(clients).call("cloudwatch", "DescribeInsightRules")["InsightRules"] == []


@pytest.mark.parametrize("size", [0, 501])
def test_pages_of_rules_have_a_size(aws: Clients, size: int) -> None:
    # Zero is refused by boto3 itself, before anything is sent.
    with pytest.raises(Exception, match="MaxResults"):
        aws("cloudwatch").describe_insight_rules(MaxResults=size)


@pytest.mark.parametrize(
    "template",
    [
        pytest.param("INSIGHT_RULE_METRIC('{}', 'MaxContributorValue')", id="both in quotes"),
        pytest.param('INSIGHT_RULE_METRIC("{}", "MaxContributorValue")', id="in double quotes"),
        pytest.param("INSIGHT_RULE_METRIC({}, MaxContributorValue)", id="in none"),
        pytest.param("INSIGHT_RULE_METRIC( '{}' ,MaxContributorValue )", id="the rule's only, with spaces"),
    ],
)
def test_the_largest_contributor_of_each_minute(wire: Wire, rules: dict[str, str], template: str) -> None:
    (partition, item) = expressions(wire, template.format(rules["PKT"]), template.format(rules["SKT"]))
    # 500 of 1,500 a second are refused, four fifths of them to the first item; the newest minute is not out yet.
    assert points(partition) == {at: pytest.approx(30_000.0) for at in (-300, -240, -180, -120)}
    assert points(item) == {at: pytest.approx(24_000.0) for at in (-300, -240, -180, -120)}
    assert partition["StatusCode"] == "Complete"
    assert "Messages" not in partition


def test_expressions_mix_with_metrics_and_longer_periods(wire: Wire, rules: dict[str, str]) -> None:
    consumed = {
        "Id": "consumed",
        "MetricStat": {
            "Metric": {
                "Namespace": "AWS/DynamoDB",
                "MetricName": "ConsumedWriteCapacityUnits",
                "Dimensions": [{"Name": "TableName", "Value": "pair"}],
            },
            "Period": 60,
            "Stat": "Sum",
        },
    }
    peak = {"Id": "peak", "Expression": f"INSIGHT_RULE_METRIC('{rules['PKT']}', 'Maximum')", "Period": 300}
    when = {"StartTime": utc(OPENED - 300), "EndTime": utc(OPENED)}
    answer = wire.call("cloudwatch", "GetMetricData", MetricDataQueries=[consumed, peak], **when)
    first, second = answer["MetricDataResults"]
    assert (first["Id"], second["Id"]) == ("consumed", "peak")
    assert len(first["Values"]) == 4
    assert points(second) == {-300: pytest.approx(4 * 30_000.0)}


def test_a_rule_that_is_not_there_is_an_empty_answer_with_a_message(wire: Wire, rules: dict[str, str]) -> None:
    gone, there = expressions(
        wire,
        "INSIGHT_RULE_METRIC('DynamoDBContributorInsights-PKT-gone-1', 'MaxContributorValue')",
        f"INSIGHT_RULE_METRIC('{rules['PKT']}', 'MaxContributorValue')",
    )
    assert (gone["Values"], gone["StatusCode"]) == ([], "Complete")
    assert "does not exist" in gone["Messages"][0]["Value"]
    assert len(there["Values"]) == 4


def test_what_means_nothing_for_these_rules_has_no_points(wire: Wire, rules: dict[str, str]) -> None:
    (result,) = expressions(wire, f"INSIGHT_RULE_METRIC('{rules['PKT']}', 'UniqueContributors')")
    assert result["Values"] == []


def test_an_answer_with_expressions_comes_in_one_piece(wire: Wire, rules: dict[str, str]) -> None:
    asked = [f"INSIGHT_RULE_METRIC('{rules[code]}', 'MaxContributorValue')" for code in ("PKT", "PKC")]
    assert [len(result["Values"]) for result in expressions(wire, *asked, MaxDatapoints=3)] == [4, 4]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        pytest.param({"Expression": "INSIGHT_RULE_METRIC('a', 'Sum')"}, "needs a Period", id="no period"),
        pytest.param(
            {"Expression": "INSIGHT_RULE_METRIC('a', 'Sum')", "Period": 90}, "not a multiple of 60", id="an odd period"
        ),
        pytest.param({"Expression": "INSIGHT_RULE_METRIC('a')", "Period": 60}, "no expressions but", id="no metric"),
    ],
)
def test_expressions_refused(aws: Clients, query: dict[str, Any], text: str) -> None:
    when = {"StartTime": utc(OPENED - 300), "EndTime": utc(OPENED)}
    with pytest.raises(ClientError, match=text) as refused:
        aws("cloudwatch").get_metric_data(MetricDataQueries=[{"Id": "e", **query}], **when)
    assert refused.value.response["Error"]["Code"] == "ValidationError"


def test_expressions_are_limited_to_twenty_a_second(wire: Wire, clock: SimulatedClock) -> None:
    asked = ["INSIGHT_RULE_METRIC('a', 'Maximum')"] * 20
    for _ in range(5):  # the burst
        assert len(expressions(wire, *asked)) == 20
    with pytest.raises(ClientError, match="Rate exceeded") as refused:
        expressions(wire, asked[0])
    assert refused.value.response["Error"]["Code"] == "ThrottlingException"
    clock.advance(1)
    with pytest.raises(ClientError, match="Rate exceeded"):
        expressions(wire, *asked, asked[0])
    assert len(expressions(wire, *asked)) == 20


def test_reports_of_items_have_two_key_parts(wire: Wire, rules: dict[str, str]) -> None:
    when = {"StartTime": utc(OPENED - 300), "EndTime": utc(OPENED - 240), "Period": 60}
    report = wire.call("cloudwatch", "GetInsightRuleReport", RuleName=rules["SKT"], **when)
    assert report["KeyLabels"] == ["PartitionKey", "SortKey"]
    assert [one["Keys"] for one in report["Contributors"][:2]] == [["a", "1"], ["a", "2"]]
    values = [one["ApproximateAggregateValue"] for one in report["Contributors"][:2]]
    assert values == pytest.approx([24_000.0, 6000.0])
    by_partition = wire.call("cloudwatch", "GetInsightRuleReport", RuleName=rules["PKT"], **when)
    assert by_partition["KeyLabels"] == ["PartitionKey"]
    assert [one["Keys"] for one in by_partition["Contributors"]] == [["a"]]
    assert by_partition["Contributors"][0]["ApproximateAggregateValue"] == pytest.approx(30_000.0)


@pytest.mark.parametrize(
    ("metrics", "shown"),
    [
        pytest.param(["MaxContributorValue"], {"MaxContributorValue"}, id="the largest contributor"),
        pytest.param([*MEANINGFUL], set(MEANINGFUL), id="all that mean anything"),
        pytest.param(["Sum", "Average", "SampleCount"], set(), id="accepted, and meaningless"),
    ],
)
def test_metrics_of_a_report(wire: Wire, rules: dict[str, str], metrics: list[str], shown: set[str]) -> None:
    when = {"StartTime": utc(OPENED - 300), "EndTime": utc(OPENED), "Period": 60}
    report = wire.call("cloudwatch", "GetInsightRuleReport", RuleName=rules["PKC"], Metrics=metrics, **when)
    assert {name for point in report["MetricDatapoints"] for name in point if name != "Timestamp"} == shown
    assert len(report["MetricDatapoints"]) == (4 if shown else 0)


def test_a_metric_that_no_report_has_is_refused(aws: Clients, rules: dict[str, str]) -> None:
    when = {"StartTime": utc(OPENED - 300), "EndTime": utc(OPENED), "Period": 60}
    with pytest.raises(ClientError, match="Median"):
        aws("cloudwatch").get_insight_rule_report(RuleName=rules["PKC"], Metrics=["Median"], **when)


def test_a_switched_mode_keeps_what_was_throttled(wire: Wire, clock: SimulatedClock, rules: dict[str, str]) -> None:
    def switch(mode: str) -> None:
        wire.call(
            "dynamodb",
            "UpdateContributorInsights",
            TableName="pair",
            ContributorInsightsAction="ENABLE",
            ContributorInsightsMode=mode,
        )

    switch("THROTTLED_KEYS")
    clock.advance(10)
    switch("ACCESSED_AND_THROTTLED_KEYS")
    clock.advance(290)
    found = wire.call("dynamodb", "DescribeContributorInsights", TableName="pair")["ContributorInsightsRuleList"]
    now = {rule.split("-")[1]: rule for rule in found}
    assert now["PKT"] == rules["PKT"]
    assert now["PKC"] != rules["PKC"]
    when = {"StartTime": utc(OPENED - 300), "EndTime": utc(OPENED + 300), "Period": 60}
    lengths = {
        code: len(
            wire.call("cloudwatch", "GetInsightRuleReport", RuleName=now[code], **when)["Contributors"][0]["Datapoints"]
        )
        for code in ("PKT", "PKC")
    }
    # Five minutes before the opening and four after it are out; the new rule began within the first of these.
    assert lengths == {"PKT": 9, "PKC": 3}


def test_an_index_is_made_with_its_sort_key(wire: Wire) -> None:
    table = wire.call("dynamodb", "DescribeTable", TableName="pair")["Table"]
    (index,) = table["GlobalSecondaryIndexes"]
    assert [part["AttributeName"] for part in index["KeySchema"]] == ["by-day", "by-day-sk"]
    assert [part["AttributeName"] for part in table["KeySchema"]] == ["pk", "sk"]


def test_the_quota_of_rules_can_be_smaller(clock: SimulatedClock) -> None:
    story = TableSpec("flat", read=1, write=1)
    with Sandbox(clock, stories=(story,), rules_quota=0) as sandbox, clients_of(sandbox) as clients:
        wire = Wire(clients)
        wire.call("dynamodb", "UpdateContributorInsights", TableName="flat", ContributorInsightsAction="ENABLE")
        clock.advance(2)
        failed = wire.call("dynamodb", "DescribeContributorInsights", TableName="flat")
        assert failed["ContributorInsightsStatus"] == "FAILED"
        assert failed["FailureException"]["ExceptionName"] == "LimitExceededException"
