"""Hot keys from Contributor Insights: when they count as sampled, and the only forms in which a key gets out."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest

from tests.aws.conftest import NOON, REGION
from tests.aws.fake import HTML_500, Answer, FakeAws, Params, Reply, fault
from watcher.aws.client import AwsClients
from watcher.aws.contributors import PLAIN_LIMIT, ContributorInsights, KeyCloak, KeyForm
from watcher.core.model import HotKey, HotKeyReport

PKT = "DynamoDBContributorInsights-PKT-orders-1795348800000"
PKC = "DynamoDBContributorInsights-PKC-orders-1795348800000"
SKT = "DynamoDBContributorInsights-SKT-orders-1795348800000"
SECRET = b"s" * 32


def insights(clients: AwsClients, form: KeyForm = KeyForm.PLAIN) -> tuple[ContributorInsights, list[int]]:
    requested: list[int] = []
    adapter = ContributorInsights(
        clients.dynamodb(REGION),
        clients.cloudwatch(REGION),
        cloak=KeyCloak(form, SECRET),
        requested=requested.append,
    )
    return adapter, requested


def enabled(*rules: str) -> dict[str, Any]:
    return {"TableName": "orders", "ContributorInsightsStatus": "ENABLED", "ContributorInsightsRuleList": list(rules)}


def contributors(**values: list[float]) -> dict[str, Any]:
    """Keys with their one-minute values."""
    return {
        "Contributors": [
            {
                "Keys": [key],
                "ApproximateAggregateValue": sum(points),
                "Datapoints": [
                    {"Timestamp": NOON + 60 * at, "ApproximateValue": value} for at, value in enumerate(points)
                ],
            }
            for key, points in values.items()
        ]
    }


def by_rule(**answers: dict[str, Any] | Reply) -> Answer:
    def answer(params: Params) -> dict[str, Any] | Reply:
        return answers["pkt" if "-PKT-" in params["RuleName"] else "pkc"]

    return answer


def test_throttled_and_accessed_keys_busiest_minute_first(faked: AwsClients, fake: FakeAws) -> None:
    fake.script("DescribeContributorInsights", enabled(PKC, SKT, PKT))
    fake.script(
        "GetInsightRuleReport",
        by_rule(pkt=contributors(b=[1, 7], a=[30]), pkc=contributors(a=[90_000, 180_000, 100], c=[1_800])),
    )
    adapter, requested = insights(faked)
    assert adapter.report("orders", "", NOON - 600, NOON) == HotKeyReport(
        sampled=True,
        throttled=(HotKey("a", 30), HotKey("b", 7)),
        accessed=(HotKey("a", 180_000, 1.0), HotKey("c", 1_800, 0.01)),
    )
    assert requested == [1, 1]


def test_the_report_asks_for_maxima_by_the_minute(faked: AwsClients, fake: FakeAws) -> None:
    fake.script("DescribeContributorInsights", enabled(PKT))
    fake.script("GetInsightRuleReport", contributors())
    insights(faked)[0].report("orders", "by-day", NOON - 570, NOON)
    assert fake.sent("DescribeContributorInsights") == [{"TableName": "orders", "IndexName": "by-day"}]
    assert fake.sent("GetInsightRuleReport") == [
        {
            "RuleName": PKT,
            "StartTime": NOON - 600,
            "EndTime": NOON,
            "Period": 60,
            "MaxContributorCount": 10,
            "Metrics": ["MaxContributorValue"],
            "OrderBy": "Maximum",
        }
    ]


@pytest.mark.parametrize(
    ("hours", "asked"),
    [pytest.param(24, 24, id="24 hours are allowed"), pytest.param(25, 24, id="more is cut to the newest 24")],
)
def test_the_window_is_at_most_a_day(faked: AwsClients, fake: FakeAws, hours: int, asked: int) -> None:
    fake.script("DescribeContributorInsights", enabled(PKT))
    fake.script("GetInsightRuleReport", contributors())
    insights(faked)[0].report("orders", "", NOON - hours * 3600, NOON)
    assert fake.sent("GetInsightRuleReport")[0]["StartTime"] == NOON - asked * 3600


def test_throttled_mode_has_no_accessed_keys(faked: AwsClients, fake: FakeAws) -> None:
    fake.script("DescribeContributorInsights", enabled(PKT))
    fake.script("GetInsightRuleReport", contributors())
    assert insights(faked)[0].report("orders", "", NOON - 600, NOON) == HotKeyReport(sampled=True)


def test_a_contributor_without_points_has_no_minute_to_judge_by(faked: AwsClients, fake: FakeAws) -> None:
    fake.script("DescribeContributorInsights", enabled(PKT))
    fake.script("GetInsightRuleReport", contributors(a=[], b=[1]))
    assert insights(faked)[0].report("orders", "", NOON - 600, NOON).throttled == (HotKey("b", 1),)


@pytest.mark.parametrize(
    ("described", "report", "note"),
    [
        pytest.param({"ContributorInsightsStatus": "DISABLED"}, {}, "is off", id="disabled"),
        pytest.param({"ContributorInsightsStatus": "ENABLING"}, {}, "being switched on", id="not yet"),
        pytest.param(
            {
                "ContributorInsightsStatus": "FAILED",
                "FailureException": {"ExceptionName": "LimitExceededException", "ExceptionDescription": "100 rules"},
            },
            {},
            "failed: 100 rules",
            id="failed, with AWS's reason",
        ),
        pytest.param(enabled(PKC), {}, "no rule for throttled keys", id="no throttled rule"),
        pytest.param(fault("AccessDeniedException"), {}, "dynamodb:DescribeContributorInsights", id="may not ask"),
        pytest.param(fault("ResourceNotFoundException", "no index"), {}, "no index", id="gone"),
        pytest.param(HTML_500, {}, "did not answer: HTTP 500", id="an endpoint that does not know it"),
        pytest.param(enabled(PKT), fault("AccessDenied"), "cloudwatch:GetInsightRuleReport", id="may not read"),
        pytest.param(enabled(PKT), fault("ResourceNotFoundException", "no rule"), "no rule", id="the rule is gone"),
        pytest.param(enabled(PKT), HTML_500, "did not answer", id="an endpoint without reports"),
    ],
)
def test_not_sampled_says_why(faked: AwsClients, fake: FakeAws, described: Answer, report: Answer, note: str) -> None:
    fake.script("DescribeContributorInsights", described)
    fake.script("GetInsightRuleReport", report)
    seen = insights(faked)[0].report("orders", "", NOON - 600, NOON)
    assert (seen.sampled, seen.throttled, seen.accessed) == (False, (), ())
    assert note in seen.note


def test_failed_accessed_keys_do_not_hide_the_throttled_ones(faked: AwsClients, fake: FakeAws) -> None:
    fake.script("DescribeContributorInsights", enabled(PKT, PKC))
    fake.script("GetInsightRuleReport", by_rule(pkt=contributors(a=[3]), pkc=fault("Throttling")))
    seen = insights(faked)[0].report("orders", "", NOON - 600, NOON)
    assert (seen.sampled, seen.throttled, seen.accessed) == (True, (HotKey("a", 3),), ())
    assert seen.note.startswith("accessed keys: ")


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        pytest.param(
            KeyForm.HASH,
            "key:" + hmac.new(SECRET, b"customer#7", hashlib.sha256).hexdigest()[:12],
            id="hashed with the secret",
        ),
        pytest.param(KeyForm.REDACT, "(redacted)", id="redacted"),
        pytest.param(KeyForm.PLAIN, "customer#7", id="plain"),
    ],
)
def test_keys_leave_in_the_configured_form(faked: AwsClients, fake: FakeAws, form: KeyForm, shown: str) -> None:
    fake.script("DescribeContributorInsights", enabled(PKT, PKC))
    fake.script("GetInsightRuleReport", contributors(**{"customer#7": [3.0]}))
    seen = insights(faked, form)[0].report("orders", "", NOON - 600, NOON)
    assert [key.key for key in (*seen.throttled, *seen.accessed)] == [shown, shown]
    assert form is KeyForm.PLAIN or "customer" not in repr(seen)


@pytest.mark.parametrize(
    ("keys", "shown"),
    [
        pytest.param(["a", "b"], "a | b", id="partition and sort key"),
        pytest.param(["line\nbreak\x1b[31m"], "line?break?[31m", id="no control characters"),
        pytest.param(["half \ud800"], "half ?", id="no lone surrogates, which UTF-8 cannot carry"),
        pytest.param(["x" * PLAIN_LIMIT], "x" * PLAIN_LIMIT, id="a long key at the limit"),
        pytest.param(["x" * (PLAIN_LIMIT + 1)], "x" * (PLAIN_LIMIT - 3) + "...", id="a longer one is cut"),
    ],
)
def test_plain_keys_are_made_harmless(keys: list[str], shown: str) -> None:
    assert KeyCloak(KeyForm.PLAIN, b"")(keys) == shown


def test_hashes_tell_keys_apart_and_need_the_secret() -> None:
    one, other = KeyCloak(KeyForm.HASH, b"1"), KeyCloak(KeyForm.HASH, b"2")
    assert one(["a", "b"]) == one(["a", "b"])
    assert len({one(["a", "b"]), one(["ab"]), other(["a", "b"]), one(["\ud800"])}) == 4
    with pytest.raises(ValueError, match="need a secret"):
        KeyCloak(KeyForm.HASH, b"")


def test_against_a_stand_in_server_without_it(moto: AwsClients) -> None:
    seen = insights(moto)[0].report("orders", "", NOON - 600, NOON)
    assert not seen.sampled
    assert "did not answer" in seen.note
