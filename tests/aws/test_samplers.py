"""What is sampled where, and how many rules there are: every answer and every refusal, at the pace AWS allows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.aws.conftest import NOON, REGION
from tests.aws.fake import HTML_500, Answer, FakeAws, fault
from watcher.aws.client import AwsClients
from watcher.aws.samplers import INSIGHTS_RATE, PAGES, Samplers
from watcher.clock import SimulatedClock
from watcher.core.insights import Place, Sampler, SamplerMode, SamplerStatus
from watcher.errors import AwsDenied, AwsError, AwsNotFound, AwsUnavailable

PKT = "DynamoDBContributorInsights-PKT-orders-1795348800000"
ORDERS, BY_DAY = Place("orders"), Place("orders", "by-day")


class OneToOne(SimulatedClock):
    """Moved by who waits, and says what a real clock would."""

    def __init__(self) -> None:
        super().__init__(NOON)
        self.waits: list[float] = []

    def real_seconds(self, seconds: float) -> float:
        return seconds

    def wait(self, seconds: float) -> None:
        self.waits.append(round(seconds, 6))
        self.advance(seconds)


@pytest.fixture
def paced() -> OneToOne:
    return OneToOne()


@pytest.fixture
def samplers(faked: AwsClients, paced: OneToOne) -> Samplers:
    return Samplers(faked.dynamodb(REGION), faked.cloudwatch(REGION), clock=paced, wait=paced.wait)


def summary(table: str, status: str = "ENABLED", mode: str = "THROTTLED_KEYS", index: str = "") -> dict[str, str]:
    told = {"TableName": table, "ContributorInsightsStatus": status}
    return told | ({"ContributorInsightsMode": mode} if mode else {}) | ({"IndexName": index} if index else {})


def listed(*summaries: dict[str, str], token: str = "") -> dict[str, Any]:
    return {"ContributorInsightsSummaries": list(summaries)} | ({"NextToken": token} if token else {})


def counted(number: int, token: str = "") -> dict[str, Any]:
    rule = {"Name": "r", "State": "ENABLED", "Schema": "s", "Definition": "d"}
    return {"InsightRules": [rule] * number} | ({"NextToken": token} if token else {})


# Where something is sampled -------------------------------------------------------------------------------------------


def test_every_place_of_the_account_beyond_empty_pages(samplers: Samplers, fake: FakeAws) -> None:
    fake.script(
        "ListContributorInsights",
        listed(token="1"),
        listed(summary("orders"), token="2"),
        listed(token="3"),
        listed(token="4"),
        listed(summary("orders", "ENABLED", "ACCESSED_AND_THROTTLED_KEYS", "by-day"), summary("carts", "FAILED")),
    )
    assert samplers.places() == {
        ORDERS: Sampler(SamplerStatus.ENABLED, SamplerMode.THROTTLED),
        BY_DAY: Sampler(SamplerStatus.ENABLED, SamplerMode.FULL),
        Place("carts"): Sampler(SamplerStatus.FAILED, SamplerMode.OFF),
    }
    assert fake.sent("ListContributorInsights") == [
        {"MaxResults": 100},
        *({"MaxResults": 100, "NextToken": str(page)} for page in (1, 2, 3, 4)),
    ]


def test_a_place_that_is_disabled_is_none(samplers: Samplers, fake: FakeAws) -> None:
    fake.script("ListContributorInsights", listed(summary("orders", "DISABLED"), summary("carts")))
    assert list(samplers.places()) == [Place("carts")]


def test_pages_are_asked_for_at_the_pace_that_aws_allows(samplers: Samplers, fake: FakeAws, paced: OneToOne) -> None:
    fake.script("ListContributorInsights", *(listed(token=str(page)) for page in range(4)), listed())
    samplers.places()
    assert paced.waits == [1 / INSIGHTS_RATE] * 4
    samplers.places()  # the next survey continues where this one ended
    assert len(paced.waits) == 5


def test_pages_without_end_are_given_up(samplers: Samplers, fake: FakeAws) -> None:
    fake.script("ListContributorInsights", listed(token="again"))
    with pytest.raises(AwsError, match=f"ListContributorInsights of region {REGION}: no end after {PAGES} pages"):
        samplers.places()
    assert len(fake.calls) == PAGES


@pytest.mark.parametrize(
    ("answer", "kind", "told"),
    [
        pytest.param(fault("AccessDeniedException"), AwsDenied, "allow dynamodb:ListContributorInsights", id="denied"),
        pytest.param(fault("ThrottlingException", "too fast"), AwsUnavailable, "throttles", id="throttled"),
        pytest.param(HTML_500, AwsUnavailable, "HTTP 500", id="an endpoint that does not know it"),
        pytest.param({}, AwsUnavailable, "lacks 'ContributorInsightsSummaries'", id="an answer that is none"),
    ],
)
def test_places_that_cannot_be_listed(
    samplers: Samplers, fake: FakeAws, answer: Answer, kind: type[AwsError], told: str
) -> None:
    fake.script("ListContributorInsights", listed(summary("orders"), token="1"), answer)
    with pytest.raises(kind, match=told):
        samplers.places()


# How many rules there are ---------------------------------------------------------------------------------------------


def test_rules_of_all_pages_are_counted(samplers: Samplers, fake: FakeAws) -> None:
    fake.script("DescribeInsightRules", counted(3, "1"), counted(0, "2"), counted(2))
    assert samplers.count_rules() == 5
    assert fake.sent("DescribeInsightRules") == [
        {"MaxResults": 500},
        {"MaxResults": 500, "NextToken": "1"},
        {"MaxResults": 500, "NextToken": "2"},
    ]


@pytest.mark.parametrize(
    ("answer", "kind", "told"),
    [
        pytest.param(fault("AccessDenied"), AwsDenied, "allow cloudwatch:DescribeInsightRules", id="denied"),
        pytest.param({}, AwsUnavailable, "lacks 'InsightRules'", id="an answer that is none"),
    ],
)
def test_rules_that_cannot_be_counted(
    samplers: Samplers, fake: FakeAws, answer: Answer, kind: type[AwsError], told: str
) -> None:
    fake.script("DescribeInsightRules", answer)
    with pytest.raises(kind, match=told):
        samplers.count_rules()


# One place ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param(
            {
                "ContributorInsightsStatus": "ENABLED",
                "ContributorInsightsMode": "THROTTLED_KEYS",
                "ContributorInsightsRuleList": [PKT],
                "LastUpdateDateTime": NOON - 60,
            },
            Sampler(SamplerStatus.ENABLED, SamplerMode.THROTTLED, (PKT,), updated=NOON - 60),
            id="throttled keys",
        ),
        pytest.param(
            {"ContributorInsightsStatus": "ENABLED", "ContributorInsightsMode": "ACCESSED_AND_THROTTLED_KEYS"},
            Sampler(SamplerStatus.ENABLED, SamplerMode.FULL),
            id="all keys",
        ),
        pytest.param(
            {"ContributorInsightsStatus": "ENABLED"},
            Sampler(SamplerStatus.ENABLED, SamplerMode.FULL),
            id="on since before there were modes: all keys",
        ),
        pytest.param(
            {"ContributorInsightsStatus": "ENABLING", "ContributorInsightsMode": "THROTTLED_KEYS"},
            Sampler(SamplerStatus.ENABLING, SamplerMode.THROTTLED),
            id="being switched on",
        ),
        pytest.param(
            {"ContributorInsightsStatus": "DISABLING", "ContributorInsightsMode": "THROTTLED_KEYS"},
            Sampler(SamplerStatus.DISABLING, SamplerMode.OFF),
            id="being switched off: as good as off",
        ),
        pytest.param(
            {"ContributorInsightsStatus": "DISABLED", "ContributorInsightsMode": "THROTTLED_KEYS"},
            Sampler(SamplerStatus.DISABLED, SamplerMode.OFF),
            id="off, whatever the mode was",
        ),
        pytest.param(
            {
                "ContributorInsightsStatus": "FAILED",
                "ContributorInsightsMode": "THROTTLED_KEYS",
                "FailureException": {"ExceptionName": "LimitExceededException", "ExceptionDescription": "100 rules"},
            },
            Sampler(SamplerStatus.FAILED, SamplerMode.OFF, failure="LimitExceededException: 100 rules"),
            id="failed beyond the quota, in AWS's words",
        ),
        pytest.param(
            {"ContributorInsightsStatus": "FAILED"}, Sampler(SamplerStatus.FAILED), id="failed without a reason"
        ),
        pytest.param(
            {"ContributorInsightsStatus": "PONDERING", "ContributorInsightsMode": "SOME_KEYS"},
            Sampler(SamplerStatus.ENABLING, SamplerMode.FULL),
            id="words of tomorrow: not settled, so nobody touches it",
        ),
    ],
)
def test_one_place(samplers: Samplers, fake: FakeAws, told: dict[str, Any], expected: Sampler) -> None:
    fake.script("DescribeContributorInsights", told)
    assert samplers.describe(ORDERS) == expected
    assert samplers.describe(BY_DAY) == expected
    assert fake.sent("DescribeContributorInsights") == [
        {"TableName": "orders"},
        {"TableName": "orders", "IndexName": "by-day"},
    ]


@pytest.mark.parametrize(
    ("answer", "kind", "told"),
    [
        pytest.param(
            fault("ResourceNotFoundException", "gone"), AwsNotFound, "index by-day of table orders", id="gone"
        ),
        pytest.param(fault("AccessDeniedException"), AwsDenied, "dynamodb:DescribeContributorInsights", id="denied"),
        pytest.param({}, AwsUnavailable, "lacks 'ContributorInsightsStatus'", id="an answer that is none"),
    ],
)
def test_a_place_that_cannot_be_described(
    samplers: Samplers, fake: FakeAws, answer: Answer, kind: type[AwsError], told: str
) -> None:
    fake.script("DescribeContributorInsights", answer)
    with pytest.raises(kind, match=told):
        samplers.describe(BY_DAY)


def test_descriptions_have_a_pace_of_their_own(samplers: Samplers, fake: FakeAws, paced: OneToOne) -> None:
    fake.script("DescribeContributorInsights", {"ContributorInsightsStatus": "DISABLED"})
    fake.script("ListContributorInsights", listed())
    samplers.places()
    samplers.describe(ORDERS)
    assert paced.waits == []  # two operations, each with its own quota
    samplers.describe(ORDERS)
    assert paced.waits == [1 / INSIGHTS_RATE]
