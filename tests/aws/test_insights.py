"""The survey of a Region, and the cheap look at many rules before any report is asked for."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.aws.conftest import NOON, REGION
from tests.aws.fake import HTML_500, Answer, FakeAws, Params, Reply, fault
from tests.aws.test_contributors import Read
from tests.aws.test_samplers import counted, listed, summary
from watcher.aws.client import AwsClients
from watcher.aws.contributors import RULES_RATE
from watcher.aws.insights import RULES_PER_CALL
from watcher.core.insights import Place, Sampler, SamplerMode, SamplerStatus, Survey
from watcher.core.model import Answer as Points
from watcher.errors import AwsDenied, AwsError, AwsNotFound, AwsUnavailable

START, END = NOON - 600, NOON
MINUTE = int(START)
RULE = "DynamoDBContributorInsights-PKT-orders.v2-by-day-1795348800000"
UNREAD = Points(complete=False)


@pytest.fixture
def read(faked: AwsClients) -> Read:
    return Read(faked)


def rules(number: int) -> list[str]:
    return [f"DynamoDBContributorInsights-PKT-t{at}-1795348800000" for at in range(number)]


def named(query: dict[str, Any]) -> str:
    """The rule that an expression is about."""
    found = re.fullmatch(r"INSIGHT_RULE_METRIC\('([^']+)', 'MaxContributorValue'\)", query["Expression"])
    assert found is not None
    return found[1]


def values(identity: str, points: dict[float, float], status: str = "Complete", **more: object) -> dict[str, Any]:
    times, numbers = list(points), list(points.values())
    return {"Id": identity, "StatusCode": status, "Timestamps": times, "Values": numbers, **more}


def five(params: Params) -> dict[str, Any]:
    """Every rule has one contributor with 5 in the first minute."""
    return {"MetricDataResults": [values(query["Id"], {START: 5}) for query in params["MetricDataQueries"]]}


def without(vanished: str, refusal: Reply) -> Callable[[Params], dict[str, Any] | Reply]:
    """Refuses every call that names the rule."""
    return lambda params: refusal if vanished in map(named, params["MetricDataQueries"]) else five(params)


# The survey -----------------------------------------------------------------------------------------------------------


def test_a_survey_has_places_and_rules(read: Read, fake: FakeAws) -> None:
    fake.script("ListContributorInsights", listed(summary("orders")))
    fake.script("DescribeInsightRules", counted(42))
    sampler = Sampler(SamplerStatus.ENABLED, SamplerMode.THROTTLED)
    assert read.insights.survey(NOON) == Survey(NOON, {Place("orders"): sampler}, 42)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(
            fault("AccessDenied", "no"),
            f"Contributor Insights rules cannot be counted: DescribeInsightRules of region {REGION}: no "
            "(allow cloudwatch:DescribeInsightRules)",
            id="denied: the permission to add",
        ),
        pytest.param(
            fault("InternalServiceFault", "oops", 500),
            f"Contributor Insights rules cannot be counted: DescribeInsightRules of region {REGION}: oops; "
            "it is tried again at the next survey",
            id="no answer: nothing to do but wait",
        ),
    ],
)
def test_rules_that_cannot_be_counted_leave_the_places(read: Read, fake: FakeAws, answer: Reply, error: str) -> None:
    fake.script("ListContributorInsights", listed(summary("orders")))
    fake.script("DescribeInsightRules", answer)
    seen = read.insights.survey(NOON)
    assert (list(seen.samplers), seen.rules, seen.error) == ([Place("orders")], None, error)
    assert list(seen.denied) == (["DescribeInsightRules"] if "allow" in error else [])


def test_places_that_cannot_be_listed_are_no_survey(read: Read, fake: FakeAws) -> None:
    fake.script("ListContributorInsights", fault("AccessDeniedException"))
    with pytest.raises(AwsDenied, match="dynamodb:ListContributorInsights"):
        read.insights.survey(NOON)


def test_a_place_is_described_with_its_rules(read: Read, fake: FakeAws) -> None:
    fake.script(
        "DescribeContributorInsights",
        {"ContributorInsightsStatus": "ENABLED", "ContributorInsightsRuleList": [RULE]},
        fault("ResourceNotFoundException"),
    )
    assert read.insights.describe(Place("orders")).rules == (RULE,)
    with pytest.raises(AwsNotFound):
        read.insights.describe(Place("orders"))


# Peaks ----------------------------------------------------------------------------------------------------------------


def test_what_a_peak_is_asked_with(read: Read, fake: FakeAws) -> None:
    fake.script("GetMetricData", {"MetricDataResults": [values("q0", {START: 5, START + 60: 7})]})
    assert read.insights.peaks([RULE], START, END) == {RULE: Points({MINUTE: 5.0, MINUTE + 60: 7.0})}
    assert fake.sent("GetMetricData") == [
        {
            "MetricDataQueries": [
                {
                    "Id": "q0",
                    "Expression": f"INSIGHT_RULE_METRIC('{RULE}', 'MaxContributorValue')",
                    "Period": 60,
                    "ReturnData": True,
                }
            ],
            "StartTime": START,
            "EndTime": END,
            "ScanBy": "TimestampAscending",
        }
    ]
    assert read.requested == [1]


@pytest.mark.parametrize(
    ("answered", "expected"),
    [
        pytest.param([values("q0", {})], Points(), id="nothing happened"),
        pytest.param([values("q0", {START: 5}, "PartialData")], Points({MINUTE: 5.0}, complete=False), id="partial"),
        pytest.param([values("q0", {}, "InternalError")], UNREAD, id="failed within AWS"),
        pytest.param([values("q0", {}, "Forbidden")], UNREAD, id="forbidden"),
        pytest.param([], UNREAD, id="left out of the answer"),
        pytest.param(
            [values("q0", {}, Messages=[{"Code": "RuleNotFound", "Value": "no such rule"}])],
            UNREAD,
            id="complete, with a message that something was not",
        ),
        pytest.param([values("q0", {START: -1})], UNREAD, id="a value that cannot be"),
        pytest.param([values("q0", {START: 5, START + 30: 3})], Points({MINUTE: 5.0}), id="the largest of a minute"),
        pytest.param([values("q0", {START - 60: 1, END: 1})], Points(), id="points outside the window"),
    ],
)
def test_what_a_result_means(read: Read, fake: FakeAws, answered: list[dict[str, Any]], expected: Points) -> None:
    fake.script("GetMetricData", {"MetricDataResults": answered})
    assert read.insights.peaks([RULE], START, END) == {RULE: expected}


def test_pages_are_joined_and_billed(read: Read, fake: FakeAws) -> None:
    fake.script(
        "GetMetricData",
        {"MetricDataResults": [values("q0", {START: 5}, "PartialData")], "NextToken": "more"},
        {"MetricDataResults": [values("q0", {START + 60: 6})]},
    )
    assert read.insights.peaks([RULE], START, END) == {RULE: Points({MINUTE: 5.0, MINUTE + 60: 6.0})}
    assert read.requested == [1, 1]


@pytest.mark.parametrize(
    ("number", "asked", "waits"),
    [
        pytest.param(0, [], 0, id="nothing to ask"),
        pytest.param(20, [20], 0, id="a second's quota in one call"),
        pytest.param(21, [20, 1], 1, id="one more waits for the next second"),
        pytest.param(50, [20, 20, 10], 2, id="many"),
    ],
)
def test_peaks_stay_below_twenty_a_second(read: Read, fake: FakeAws, number: int, asked: list[int], waits: int) -> None:
    fake.script("GetMetricData", five)
    answers = read.insights.peaks(rules(number), START, END)
    assert answers == dict.fromkeys(rules(number), Points({MINUTE: 5.0}))
    assert read.requested == asked
    assert read.clock.waits == [round(RULES_PER_CALL / RULES_RATE, 6)] * waits
    assert RULES_PER_CALL <= 20
    assert RULES_RATE < 20


def test_a_rule_is_asked_once_however_often_it_is_named(read: Read, fake: FakeAws) -> None:
    fake.script("GetMetricData", five)
    assert list(read.insights.peaks([RULE, RULE], START, END)) == [RULE]
    assert read.requested == [1]


def test_an_empty_window_asks_nothing(read: Read, fake: FakeAws) -> None:
    assert read.insights.peaks([RULE], END, END) == {RULE: Points()}
    assert fake.calls == []


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(fault("ValidationError", "Error in expression 'q1'"), id="as a mistake of ours"),
        pytest.param(fault("ResourceNotFoundException", "no such rule", 404), id="as not found"),
    ],
)
def test_a_vanished_rule_that_spoils_its_call_hides_no_other(read: Read, fake: FakeAws, refusal: Reply) -> None:
    asked = rules(21)
    fake.script("GetMetricData", without(asked[1], refusal))
    expected = dict.fromkeys(asked, Points({MINUTE: 5.0})) | {asked[1]: UNREAD}
    assert read.insights.peaks(asked, START, END) == expected
    assert read.requested == [20, *[1] * 20, 1]


def test_rules_that_all_have_vanished_are_no_error(read: Read, fake: FakeAws) -> None:
    fake.script("GetMetricData", fault("ResourceNotFoundException", "no such rule", 404))
    assert read.insights.peaks(rules(2), START, END) == dict.fromkeys(rules(2), UNREAD)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param(fault("AccessDenied"), AwsDenied, id="denied"),
        pytest.param(fault("Throttling"), AwsUnavailable, id="throttled"),
        pytest.param(HTML_500, AwsUnavailable, id="no AWS at all"),
    ],
)
def test_what_stops_the_asking(read: Read, fake: FakeAws, answer: Answer, kind: type[AwsError]) -> None:
    asked = rules(60)
    fake.script("GetMetricData", five, answer)
    answers = read.insights.peaks(asked, START, END)
    assert [answers[rule].complete for rule in asked] == [True] * 20 + [False] * 40
    assert len(fake.calls) == 2
    with pytest.raises(kind):
        read.insights.peaks(asked, START, END)
    assert len(fake.calls) == 3
