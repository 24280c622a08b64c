"""Contributor Insights: modes, rules and their quota, statuses, reports."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.conftest import OPENED, Clients, clients_of
from tests.sandbox.shapes import Wire
from watcher.clock import SimulatedClock, utc
from watcher.core.insights import SamplerMode
from watcher.replay.plant import IndexSpec, Plant, TableSpec
from watcher.sandbox import Sandbox, Story

FULL = "ACCESSED_AND_THROTTLED_KEYS"
THROTTLED = "THROTTLED_KEYS"
SWITCHING = 2


def enable(wire: Wire, table: str, mode: str | None = THROTTLED, index: str = "") -> dict[str, Any]:
    more = ({"ContributorInsightsMode": mode} if mode else {}) | ({"IndexName": index} if index else {})
    return wire.call(
        "dynamodb", "UpdateContributorInsights", TableName=table, ContributorInsightsAction="ENABLE", **more
    )


def describe(wire: Wire, table: str, index: str = "") -> dict[str, Any]:
    more = {"IndexName": index} if index else {}
    return wire.call("dynamodb", "DescribeContributorInsights", TableName=table, **more)


def codes(described: dict[str, Any]) -> list[str]:
    return sorted(rule.split("-")[1] for rule in described["ContributorInsightsRuleList"])


def report(wire: Wire, rule: str, minutes: int = 10, **more: object) -> dict[str, Any]:
    """Up to ten minutes after the opening."""
    window = {"StartTime": utc(OPENED + 600 - 60 * minutes), "EndTime": utc(OPENED + 600), "Period": 60}
    return wire.call("cloudwatch", "GetInsightRuleReport", RuleName=rule, **{**window, **more})


@pytest.mark.parametrize(
    ("table", "mode", "expected"),
    [
        pytest.param("busy", THROTTLED, ["PKT"], id="throttled keys of a hash-only table take one rule"),
        pytest.param("busy", FULL, ["PKC", "PKT"], id="accessed keys double that"),
        pytest.param("sorted", THROTTLED, ["PKT", "SKT"], id="a sort key doubles it too"),
        pytest.param("sorted", FULL, ["PKC", "PKT", "SKC", "SKT"], id="both make four"),
        pytest.param("busy", None, ["PKC", "PKT"], id="no mode means the expensive one"),
    ],
)
def test_rules_follow_mode_and_keys(
    wire: Wire, clock: SimulatedClock, table: str, mode: str, expected: list[str]
) -> None:
    assert describe(wire, table)["ContributorInsightsStatus"] == "DISABLED"
    assert enable(wire, table, mode)["ContributorInsightsStatus"] == "ENABLING"
    clock.advance(SWITCHING - 0.5)
    assert describe(wire, table)["ContributorInsightsStatus"] == "ENABLING"
    clock.advance(0.5)
    described = describe(wire, table)
    assert described["ContributorInsightsStatus"] == "ENABLED"
    assert described["ContributorInsightsMode"] == (mode or FULL)
    assert codes(described) == expected
    assert described["LastUpdateDateTime"].timestamp() == OPENED


def test_rule_names_join_table_index_and_milliseconds(wire: Wire) -> None:
    enable(wire, "busy", index="by-day")
    rule = describe(wire, "busy", "by-day")["ContributorInsightsRuleList"]
    assert rule == [f"DynamoDBContributorInsights-PKT-busy-by-day-{int(OPENED) * 1000}"]


def test_switching_the_mode_keeps_the_throttled_rules(wire: Wire, clock: SimulatedClock) -> None:
    enable(wire, "busy")
    (throttled,) = describe(wire, "busy")["ContributorInsightsRuleList"]
    clock.advance(100)
    enable(wire, "busy", None)
    full = describe(wire, "busy")["ContributorInsightsRuleList"]
    assert throttled in full
    assert len(full) == 2
    clock.advance(100)
    enable(wire, "busy")
    assert describe(wire, "busy")["ContributorInsightsRuleList"] == [throttled]


def test_enabling_twice_changes_nothing(wire: Wire, clock: SimulatedClock) -> None:
    enable(wire, "busy")
    clock.advance(100)
    assert enable(wire, "busy")["ContributorInsightsStatus"] == "ENABLED"


def test_disabling_removes_the_rules(wire: Wire, aws: Clients, clock: SimulatedClock) -> None:
    enable(wire, "busy")
    clock.advance(SWITCHING)
    (rule,) = describe(wire, "busy")["ContributorInsightsRuleList"]
    off = wire.call("dynamodb", "UpdateContributorInsights", TableName="busy", ContributorInsightsAction="DISABLE")
    assert off["ContributorInsightsStatus"] == "DISABLING"
    clock.advance(SWITCHING)
    assert describe(wire, "busy")["ContributorInsightsStatus"] == "DISABLED"
    with pytest.raises(ClientError) as refused:
        report_raw(aws, rule)
    assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"


def report_raw(aws: Clients, rule: str, **more: object) -> None:
    window = {"StartTime": utc(OPENED - 300), "EndTime": utc(OPENED), "Period": 60}
    aws("cloudwatch").get_insight_rule_report(RuleName=rule, **{**window, **more})


@pytest.mark.parametrize(
    "place",
    [
        pytest.param({"TableName": "absent"}, id="an unknown table"),
        pytest.param({"TableName": "busy", "IndexName": "absent"}, id="an unknown index"),
    ],
)
def test_what_does_not_exist_is_not_found(aws: Clients, place: dict[str, str]) -> None:
    for call in ("describe_contributor_insights", "update_contributor_insights"):
        action = {"ContributorInsightsAction": "ENABLE"} if call.startswith("update") else {}
        with pytest.raises(ClientError) as refused:
            getattr(aws("dynamodb"), call)(**place, **action)
        assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_past_a_hundred_rules_enabling_is_accepted_and_then_fails(clock: SimulatedClock) -> None:
    plant = Plant(int(OPENED) - 900)
    tables = [TableSpec(f"t{number:02}", read=1, write=1, has_sort_key=True) for number in range(26)]
    single = TableSpec("single", read=1, write=1)
    with Sandbox(clock, stories=(*tables, single), plant=plant) as sandbox, clients_of(sandbox) as clients:
        wire = Wire(clients)
        for table in tables:
            assert enable(wire, table.name, FULL)["ContributorInsightsStatus"] == "ENABLING"
            clock.advance(SWITCHING)
        assert describe(wire, "t24")["ContributorInsightsStatus"] == "ENABLED"
        failed = describe(wire, "t25")
        assert failed["ContributorInsightsStatus"] == "FAILED"
        assert failed["FailureException"]["ExceptionName"] == "LimitExceededException"
        assert failed["ContributorInsightsRuleList"] == []
        clock.advance(3600)
        assert describe(wire, "t25")["ContributorInsightsStatus"] == "FAILED", "it never heals by itself"
        enable(wire, "t00", THROTTLED)  # frees two rules: not enough for four, but for two
        clock.advance(SWITCHING)
        enable(wire, "t25", THROTTLED)
        clock.advance(SWITCHING)
        assert describe(wire, "t25")["ContributorInsightsStatus"] == "ENABLED"
        enable(wire, "single", THROTTLED)  # the 101st rule
        clock.advance(SWITCHING)
        assert describe(wire, "single")["ContributorInsightsStatus"] == "FAILED"


def test_a_deleted_table_frees_its_rules(wire: Wire, aws: Clients, clock: SimulatedClock) -> None:
    enable(wire, "busy")
    clock.advance(SWITCHING)
    aws("dynamodb").delete_table(TableName="busy")
    assert wire.call("dynamodb", "ListContributorInsights")["ContributorInsightsSummaries"] == []


def test_the_list_omits_the_disabled_and_may_have_empty_pages(wire: Wire) -> None:
    enable(wire, "sorted")
    pages = []
    token: dict[str, str] = {}
    while True:
        page = wire.call("dynamodb", "ListContributorInsights", MaxResults=2, **token)
        pages.append([summary["TableName"] for summary in page["ContributorInsightsSummaries"]])
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert pages == [[], ["sorted"]], "busy, busy's index; quiet, sorted"
    only = wire.call("dynamodb", "ListContributorInsights", TableName="quiet")
    assert only["ContributorInsightsSummaries"] == []


@pytest.fixture
def sampled(wire: Wire, clock: SimulatedClock) -> dict[str, str]:
    """Rules of table ``busy`` by code, enabled since 2 s after the opening: there are four whole minutes to be seen."""
    enable(wire, "busy", FULL)
    clock.advance(360)
    return {rule.split("-")[1]: rule for rule in describe(wire, "busy")["ContributorInsightsRuleList"]}


def test_the_throttled_key_comes_first(wire: Wire, sampled: dict[str, str]) -> None:
    answer = report(wire, sampled["PKT"], MaxContributorCount=3, Metrics=["MaxContributorValue", "Sum"])
    assert answer["KeyLabels"] == ["PartitionKey"]
    first = answer["Contributors"][0]
    assert first["Keys"] == ["user#1"]
    values = [point["ApproximateValue"] for point in first["Datapoints"]]
    assert first["ApproximateAggregateValue"] == pytest.approx(sum(values))
    assert values == [pytest.approx(600, rel=0.1)] * 4, "half of 20 refused writes a second"
    assert len(answer["Contributors"]) == 3
    assert answer["ApproximateUniqueCount"] == 25
    for number, point in enumerate(answer["MetricDatapoints"]):
        assert point["MaxContributorValue"] == pytest.approx(values[number])
        assert "Sum" not in point, "not meaningful for DynamoDB's rules"


def test_accessed_keys_weigh_a_write_three_times(wire: Wire, sampled: dict[str, str]) -> None:
    answer = report(wire, sampled["PKC"], OrderBy="Maximum")
    first = answer["Contributors"][0]
    assert first["Keys"] == ["user#1"]
    assert first["ApproximateAggregateValue"] == pytest.approx(10 * 60 * 3, rel=0.1), (
        "half of 20 served writes a second"
    )
    assert answer["AggregationStatistic"] == "Maximum"


def test_longer_periods_add_minutes_up(wire: Wire, sampled: dict[str, str]) -> None:
    by_minute = report(wire, sampled["PKT"])["Contributors"][0]
    by_five = report(wire, sampled["PKT"], Period=600)["Contributors"][0]
    assert len(by_five["Datapoints"]) == 1
    assert by_five["Datapoints"][0]["ApproximateValue"] == pytest.approx(by_minute["ApproximateAggregateValue"])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        pytest.param({"MaxContributorCount": 26}, "InvalidParameterValue", id="26 contributors of a DynamoDB rule"),
        pytest.param({"MaxContributorCount": 0}, "InvalidParameterValue", id="no contributors"),
        pytest.param({"Period": 90}, "InvalidParameterValue", id="a minute and a half"),
        pytest.param({"StartTime": utc(OPENED)}, "InvalidParameterValue", id="an empty window"),
        pytest.param({"StartTime": utc(OPENED - 86_460)}, "InvalidParameterValue", id="more than a day"),
        pytest.param({"RuleName": "absent"}, "ResourceNotFoundException", id="a rule that does not exist"),
    ],
)
def test_reports_refuse(aws: Clients, sampled: dict[str, str], arguments: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as refused:
        report_raw(aws, **{"rule": arguments.pop("RuleName", sampled["PKT"]), **arguments})
    assert refused.value.response["Error"]["Code"] == code


def test_twenty_five_contributors_and_a_whole_day_are_fine(wire: Wire, sampled: dict[str, str]) -> None:
    answer = report(wire, sampled["PKC"], minutes=1440, MaxContributorCount=25)
    assert len(answer["Contributors"]) == 25


def test_a_rule_with_sort_key_has_two_key_parts(clock: SimulatedClock) -> None:
    spec = TableSpec("pair", read=10, write=10, has_sort_key=True, indexes=(IndexSpec("flat", read=1, write=1),))
    story = Story(spec, insights={"": SamplerMode.FULL, "flat": SamplerMode.FULL})
    with Sandbox(clock, stories=(story,)) as sandbox, clients_of(sandbox) as clients:
        wire = Wire(clients)
        clock.advance(SWITCHING)
        assert codes(describe(wire, "pair")) == ["PKC", "PKT", "SKC", "SKT"]
        assert codes(describe(wire, "pair", "flat")) == ["PKC", "PKT"]
        rules = describe(wire, "pair")["ContributorInsightsRuleList"]
        rule = next(name for name in rules if "-SKT-" in name)
        assert report(wire, rule)["KeyLabels"] == ["PartitionKey", "SortKey"]
