"""What the doctor says of each answer, and that it changes and sends nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import pytest

from tests.aws.conftest import ACCOUNT, REGION, settings
from tests.aws.fake import HTML_500, FakeAws, Params, Reply, fault, query_fault
from watcher.aws.client import AwsClients, AwsSettings
from watcher.aws.doctor import ABSENT_RULE, DESCRIBED, SHOWN, Finding, Plan, Verdict, clock_findings, examine
from watcher.aws.permissions import PERMISSIONS
from watcher.aws.prospects import hindrances, name_like
from watcher.clock import SimulatedClock
from watcher.core.insights import Sampling
from watcher.core.model import (
    TABLE_READ,
    TABLE_WRITE,
    Billing,
    Dimension,
    Kind,
    ScalableTarget,
    TableDescription,
    TableKey,
    Throughput,
)
from watcher.core.policy import AutoScaling, Bounds, TablePolicy
from watcher.core.reasons import Mode

TOPIC = "arn:aws:sns:us-east-1:123456789012:pages"
ROLE = "arn:aws:iam::210987654321:role/watcher"
BOUNDS = {Kind.READ: Bounds(5, 100), Kind.WRITE: Bounds(5, 100)}
ADVISED = TablePolicy()
ACTING = TablePolicy(mode=Mode.ACT, bounds=BOUNDS, index_bounds=(("*", BOUNDS),))
FLOORED = replace(ACTING, auto_scaling=AutoScaling.FLOOR)
SAMPLED = replace(FLOORED, sampling=Sampling.THROTTLED)
READS = {
    "ListTables",
    "DescribeTable",
    "DescribeContributorInsights",
    "ListContributorInsights",
    "DescribeInsightRules",
    "GetMetricData",
    "ListMetrics",
    "GetInsightRuleReport",
    "DescribeScalableTargets",
    "AssumeRole",
}


def plan(**changes: Any) -> Plan:  # noqa: ANN401 - fields of the plan
    """Everything advised on in one Region, with ``changes``."""
    plain = Plan(
        regions=[REGION],
        patterns=["*"],
        policy=lambda _: ADVISED,
        overlaps=lambda _: (),
        acts=False,
        floors=False,
        samples=False,
    )
    return replace(plain, **changes)


def described(params: Params) -> dict[str, Any]:
    name = params["TableName"]
    return {
        "Table": {
            "TableName": name,
            "TableArn": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}",
            "TableStatus": "ACTIVE",
            "ProvisionedThroughput": {"ReadCapacityUnits": 10, "WriteCapacityUnits": 20},
        }
    }


def willing(fake: FakeAws, names: Sequence[str] = ("orders", "users")) -> FakeAws:
    """An AWS where everything is allowed; the doctor's rule does not exist there either."""
    fake.script("ListTables", {"TableNames": list(names)})
    fake.script("DescribeTable", described)
    fake.script("DescribeContributorInsights", {"ContributorInsightsStatus": "DISABLED"})
    fake.script("ListContributorInsights", {"ContributorInsightsSummaries": []})
    fake.script("DescribeInsightRules", {"InsightRules": []})
    fake.script("GetMetricData", {"MetricDataResults": [{"Id": "q0", "StatusCode": "Complete", "Timestamps": []}]})
    fake.script("ListMetrics", {"Metrics": []})
    fake.script("GetInsightRuleReport", fault("ResourceNotFoundException"))
    fake.script("DescribeScalableTargets", {"ScalableTargets": []})
    return fake


def examined(clients: AwsClients, wanted: Plan, *, offset: float = 0.0) -> list[Finding]:
    """On a clock that is ``offset`` seconds ahead of the fake's."""
    return examine(clients, wanted, SimulatedClock(time.time() + offset))


def of(findings: Sequence[Finding], action: str) -> Finding:
    (found,) = [finding for finding in findings if finding.action == action]
    return found


def sentences(findings: Sequence[Finding], verdict: Verdict) -> list[str]:
    return [f"{finding.subject}: {finding.sentence}" for finding in findings if finding.verdict is verdict]


# What is asked, and what is not --------------------------------------------------------------------------------------


def test_where_all_is_allowed_nothing_is_missing(faked: AwsClients, fake: FakeAws) -> None:
    findings = examined(faked, plan())
    assert [finding for finding in findings if finding.is_missing]  # the empty fake answers nothing
    willing(fake)
    findings = examined(faked, plan())
    assert not [finding for finding in findings if finding.is_missing]
    assert {finding.action: finding.verdict for finding in findings if finding.action} == {
        "dynamodb:ListTables": Verdict.ALLOWED,
        "dynamodb:DescribeTable": Verdict.ALLOWED,
        "dynamodb:DescribeContributorInsights": Verdict.ALLOWED,
        "dynamodb:ListContributorInsights": Verdict.ALLOWED,
        "cloudwatch:DescribeInsightRules": Verdict.ALLOWED,
        "cloudwatch:GetMetricData": Verdict.ALLOWED,
        "cloudwatch:ListMetrics": Verdict.ALLOWED,
        "cloudwatch:GetInsightRuleReport": Verdict.ALLOWED,
        "application-autoscaling:DescribeScalableTargets": Verdict.ALLOWED,
    }
    assert of(findings, "dynamodb:DescribeContributorInsights").sentence == "it is disabled on table orders"
    assert sentences(findings, Verdict.NOTE)[:3] == [
        "credentials: found by botocore's method explicit",
        f"{REGION}: DynamoDB is asked at {fake.url}",
        f"{REGION}: 2 of 2 tables of account {ACCOUNT} watched: 2 in advise mode",
    ]


def test_a_plan_that_needs_everything_hears_of_every_permission_and_changes_nothing(fake: FakeAws) -> None:
    willing(fake).script("AssumeRole", _role())
    everything = plan(
        policy=lambda _: SAMPLED, acts=True, floors=True, samples=True, topics=[TOPIC, TOPIC], role_arn=ROLE
    )
    with AwsClients(settings(fake.url, role_arn=ROLE)) as clients:
        findings = examined(clients, everything)
    assert {finding.action for finding in findings} - {""} == {permission.action for permission in PERMISSIONS}
    assert [(finding.subject, finding.action) for finding in findings if finding.verdict is Verdict.NOT_TRIED] == [
        (REGION, "dynamodb:UpdateTable"),
        (REGION, "application-autoscaling:RegisterScalableTarget"),
        (REGION, "dynamodb:UpdateContributorInsights"),
        (REGION, "iam:CreateServiceLinkedRole"),
        (TOPIC, "sns:Publish"),
    ]
    assert of(findings, "dynamodb:UpdateTable").sentence == "it would change something; needed for 2 tables here"
    assert of(findings, "dynamodb:UpdateContributorInsights").sentence.endswith("needed for 2 tables here")
    assert not [finding for finding in findings if finding.is_missing]
    assert {operation for operation, _ in fake.calls} == READS


def _role() -> Reply:
    body = (
        "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId>"
        "<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
        "<Expiration>2096-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
    )
    return Reply(200, body, "text/xml")


def test_each_region_is_asked(faked: AwsClients, fake: FakeAws) -> None:
    willing(fake)
    findings = examined(faked, plan(regions=["us-east-1", "eu-west-1"]))
    listed = [finding.subject for finding in findings if finding.action == "dynamodb:ListTables"]
    assert listed == ["us-east-1", "eu-west-1"]
    assert len(fake.sent("DescribeTable")) == 4


def test_latency_that_is_off_needs_no_list_of_metrics(faked: AwsClients, fake: FakeAws) -> None:
    findings = examined(faked, plan(latency=False)) if willing(fake) else []
    assert of(findings, "cloudwatch:ListMetrics").verdict is Verdict.NOT_TRIED
    assert fake.sent("ListMetrics") == []


def test_the_rules_in_use_are_counted_against_the_quota(faked: AwsClients, fake: FakeAws) -> None:
    rule = {"Name": "r", "State": "ENABLED", "Schema": "s", "Definition": "d"}
    sampled = {"TableName": "orders", "ContributorInsightsStatus": "ENABLED"}
    willing(fake).script("DescribeInsightRules", {"InsightRules": [rule] * 3})
    fake.script("ListContributorInsights", {"ContributorInsightsSummaries": [sampled]})
    findings = examined(faked, plan(rules_quota=200))
    assert of(findings, "cloudwatch:DescribeInsightRules").sentence == "3 of 200 Contributor Insights rules are in use"
    assert of(findings, "dynamodb:ListContributorInsights").sentence == (
        "it is on in 1 place, each table and each index being one"
    )


def test_tables_without_sampling_are_not_counted_for_it(faked: AwsClients, fake: FakeAws) -> None:
    policies = {"orders": SAMPLED, "users": ACTING}
    wanted = plan(policy=policies.get, acts=True, samples=True)
    findings = examined(faked, wanted) if willing(fake) else []
    assert of(findings, "dynamodb:UpdateContributorInsights").sentence.endswith("needed for 1 table here")


def test_no_more_than_the_first_hundred_tables_are_described(faked: AwsClients, fake: FakeAws) -> None:
    willing(fake, [f"table-{number:03}" for number in range(DESCRIBED + 1)])
    findings = examined(faked, plan())
    assert len(fake.sent("DescribeTable")) == DESCRIBED
    assert f"{REGION}: only the first 100 watched tables were looked at" in sentences(findings, Verdict.NOTE)


# What an answer means -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", sorted(READS - {"AssumeRole"}))
def test_a_denied_call_names_the_action_to_add(faked: AwsClients, fake: FakeAws, operation: str) -> None:
    willing(fake).script(operation, fault("AccessDeniedException", "User: arn:aws:iam::1:user/w is not authorized"))
    (missing,) = [finding for finding in examined(faked, plan()) if finding.is_missing]
    assert missing.verdict is Verdict.DENIED
    assert missing.action.endswith(f":{operation}")
    assert f"(allow {missing.action}, to " in missing.sentence


@pytest.mark.parametrize(
    ("answer", "verdict", "sentence"),
    [
        pytest.param(
            fault("ThrottlingException", "Rate exceeded"),
            Verdict.UNREACHABLE,
            "Rate exceeded (AWS throttles these calls; they are tried again later)",
            id="throttled: nothing is known",
        ),
        pytest.param(
            HTML_500,
            Verdict.UNREACHABLE,
            "HTTP 500 without an AWS error (try again; where it stays so, check endpoint_url and the Region)",
            id="a web page in AWS's place",
        ),
        pytest.param(
            fault("ValidationException", "what is this"),
            Verdict.UNREACHABLE,
            "ValidationException: what is this (try again; where it stays so, check endpoint_url and the Region)",
            id="an answer that proves nothing",
        ),
        pytest.param(
            fault("ExpiredTokenException", "the token has expired"),
            Verdict.DENIED,
            "the token has expired (provide valid AWS credentials: a profile, an instance or task role, or "
            "AWS_ACCESS_KEY_ID)",
            id="credentials that ended",
        ),
        pytest.param(
            fault("ResourceNotFoundException"),
            Verdict.ALLOWED,
            "allowed to ask; what was asked for does not exist",
            id="not found: allowed to ask",
        ),
    ],
)
def test_what_an_answer_means(faked: AwsClients, fake: FakeAws, answer: Reply, verdict: Verdict, sentence: str) -> None:
    willing(fake).script("ListMetrics", answer)
    found = of(examined(faked, plan()), "cloudwatch:ListMetrics")
    assert (found.verdict, found.sentence) == (verdict, sentence)
    assert found.is_missing is (verdict is not Verdict.ALLOWED)
    assert found.record() == {
        "subject": REGION,
        "permission": "cloudwatch:ListMetrics",
        "verdict": verdict.value,
        "sentence": sentence,
    }


def _but(denied: str) -> Callable[[Params], dict[str, Any] | Reply]:
    return lambda params: fault("AccessDeniedException", "no") if params["TableName"] == denied else described(params)


def test_a_policy_that_leaves_out_one_table_is_seen(faked: AwsClients, fake: FakeAws) -> None:
    willing(fake).script("DescribeTable", _but("users"))
    found = of(examined(faked, plan()), "dynamodb:DescribeTable")
    assert found.verdict is Verdict.DENIED
    assert found.sentence.startswith("table users: no (allow dynamodb:DescribeTable, ")


def test_without_a_list_of_tables_a_name_of_each_pattern_is_asked_for(faked: AwsClients, fake: FakeAws) -> None:
    """A policy limited to the config's patterns answers that there is no such table, which proves the permission."""
    willing(fake).script("ListTables", fault("AccessDeniedException"))
    fake.script("DescribeTable", fault("ResourceNotFoundException"))
    findings = examined(faked, plan(patterns=["orders-*", "users"]))
    assert fake.sent("DescribeTable") == [{"TableName": "orders-watcher-doctor"}, {"TableName": "users"}]
    assert of(findings, "dynamodb:DescribeTable").verdict is Verdict.ALLOWED
    assert fake.sent("GetInsightRuleReport")[0]["RuleName"] == ABSENT_RULE


def test_one_unreachable_table_is_enough(faked: AwsClients, fake: FakeAws) -> None:
    willing(fake).script("DescribeTable", HTML_500)
    assert of(examined(faked, plan()), "dynamodb:DescribeTable").verdict is Verdict.UNREACHABLE
    assert len(fake.sent("DescribeTable")) == 1


# Credentials --------------------------------------------------------------------------------------------------------


def test_without_credentials_nothing_is_asked(fake: FakeAws) -> None:
    with AwsClients(AwsSettings(endpoint_url=fake.url)) as clients:
        findings = examined(clients, plan(topics=[TOPIC]))
    assert fake.calls == []
    assert [(finding.subject, finding.verdict) for finding in findings if finding.is_missing] == [
        ("credentials", Verdict.DENIED)
    ]
    assert {finding.verdict for finding in findings if finding.action} == {Verdict.NOT_TRIED}
    assert len([finding for finding in findings if finding.action]) == 10


def test_a_role_that_cannot_be_assumed_ends_the_questions(fake: FakeAws) -> None:
    willing(fake).script("AssumeRole", query_fault("AccessDenied", "not yours", 403))
    with AwsClients(settings(fake.url, role_arn=ROLE)) as clients:
        findings = examined(clients, plan(role_arn=ROLE))
    (missing,) = [finding for finding in findings if finding.is_missing]
    assert missing == Finding(
        f"role {ROLE}", "sts:AssumeRole", Verdict.DENIED, "not yours (allow sts:AssumeRole, to work in another account)"
    )
    assert {operation for operation, _ in fake.calls} == {"AssumeRole"}


def test_no_finding_shows_a_secret(fake: FakeAws) -> None:
    willing(fake)
    given = settings(fake.url)
    with AwsClients(given) as clients:
        told = str(examined(clients, plan(topics=[TOPIC])))
    assert given.credentials is not None
    assert given.credentials.secret_key not in told
    assert given.credentials.access_key not in told


# What the config makes of the tables there --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, [], id="all in order"),
        pytest.param(
            {"patterns": ["orders", "carts-*", "*"]},
            ['config: tables.1: "carts-*" matches no table of these Regions'],
            id="an entry that matches nothing",
        ),
        pytest.param(
            {"overlaps": lambda names: [f"table {name}: twice" for name in sorted(names)]},
            ["config: table orders: twice", "config: table users: twice"],
            id="tables that several entries match",
        ),
        pytest.param(
            {"overlaps": lambda _: [str(number) for number in range(SHOWN + 2)]},
            [*(f"config: {number}" for number in range(SHOWN)), "config: and 2 more warnings like these"],
            id="many of them: ten are shown, the rest is counted",
        ),
        pytest.param({"patterns": []}, ["config: no [[tables]] entry: nothing is watched"], id="no entry at all"),
    ],
)
def test_warnings_of_the_config(faked: AwsClients, fake: FakeAws, changes: dict[str, Any], expected: list[str]) -> None:
    willing(fake)
    assert sentences(examined(faked, plan(**changes)), Verdict.WARNING) == expected


def test_an_entry_is_not_called_useless_while_the_tables_are_not_known(faked: AwsClients, fake: FakeAws) -> None:
    willing(fake).script("ListTables", fault("AccessDeniedException"))
    assert sentences(examined(faked, plan(patterns=["carts-*"])), Verdict.WARNING) == []


def test_an_acting_table_that_another_scaler_holds_is_told(faked: AwsClients, fake: FakeAws) -> None:
    target = {
        "ServiceNamespace": "dynamodb",
        "ResourceId": "table/orders",
        "ScalableDimension": "dynamodb:table:WriteCapacityUnits",
        "MinCapacity": 5,
        "MaxCapacity": 10,
        "RoleARN": ROLE,
        "CreationTime": 0,
    }
    willing(fake).script("DescribeScalableTargets", {"ScalableTargets": [target]})
    findings = examined(faked, plan(policy=lambda _: ACTING, acts=True))
    assert sentences(findings, Verdict.WARNING) == [
        (
            'table orders: Application Auto Scaling holds its writes: advised on only; auto_scaling = "floor" lets the '
            "watcher raise its minimum"
        )
    ]
    findings = examined(faked, plan(policy=lambda _: ADVISED))
    assert sentences(findings, Verdict.WARNING) == []  # advice is given all the same


PROVISIONED = TableDescription(
    key=TableKey(ACCOUNT, REGION, "orders"),
    billing=Billing.PROVISIONED,
    throughputs={part: Throughput(units={Kind.READ: 5, Kind.WRITE: 5}) for part in ("", "by-day")},
)
HELD = ScalableTarget(5, 100)


@pytest.mark.parametrize(
    ("seen", "policy", "targets", "expected"),
    [
        pytest.param(PROVISIONED, ACTING, {}, [], id="nothing keeps it from acting"),
        pytest.param(
            replace(PROVISIONED, billing=Billing.ON_DEMAND),
            ACTING,
            {TABLE_READ: HELD},
            ["billed on demand, so act mode has no capacity to change"],
            id="on demand: and nothing else matters",
        ),
        pytest.param(
            replace(PROVISIONED, replicas=("eu-west-1", "us-west-2")),
            ACTING,
            {},
            ["a global table, with replicas in eu-west-1, us-west-2: act mode changes no capacity there"],
            id="a global table",
        ),
        pytest.param(
            PROVISIONED,
            ACTING,
            {TABLE_WRITE: HELD, Dimension("by-day", Kind.READ): HELD},
            [
                (
                    "Application Auto Scaling holds its writes, reads of index by-day: advised on only; "
                    'auto_scaling = "floor" lets the watcher raise its minimum'
                )
            ],
            id="another scaler that is respected",
        ),
        pytest.param(
            PROVISIONED,
            FLOORED,
            {TABLE_READ: HELD},
            ["Application Auto Scaling holds its reads: there the watcher raises its minimum and nothing else"],
            id="another scaler whose floor is moved",
        ),
        pytest.param(
            PROVISIONED, ACTING, {TABLE_READ: replace(HELD, suspended=True)}, [], id="a suspended one holds nothing"
        ),
        pytest.param(
            PROVISIONED,
            replace(ACTING, index_bounds=(("by-*", {Kind.READ: Bounds(1, 9)}),)),
            {},
            ["no bounds for writes of index by-day: advised on only; an indexes pattern with both kinds sets them"],
            id="an index with bounds of one kind",
        ),
    ],
)
def test_what_keeps_act_mode_from_acting(
    seen: TableDescription, policy: TablePolicy, targets: dict[Dimension, ScalableTarget], expected: list[str]
) -> None:
    assert list(hindrances(seen, policy, targets)) == expected


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        pytest.param("orders", "orders", id="a name is itself"),
        pytest.param("*", "watcher-doctor", id="everything"),
        pytest.param("orders-*", "orders-watcher-doctor", id="a prefix"),
        pytest.param("*-prod-*", "watcher-doctor-prod-", id="two stars: one filled, one empty"),
        pytest.param("shard-?", "shard-x", id="one character"),
        pytest.param("shard-[0-4]", "shard-0", id="a range"),
        pytest.param("shard-[!a]", "shard-b", id="a negated set"),
    ],
)
def test_a_name_that_a_pattern_covers(pattern: str, name: str) -> None:
    assert name_like(pattern) == name
    assert fnmatchcase(name, pattern)


# The clock ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("aheads", "verdict", "sentence"),
    [
        pytest.param([0.4, -0.2], Verdict.NOTE, "agrees with AWS's to 1 s", id="as exact as AWS's Date"),
        pytest.param([30.0], Verdict.NOTE, "agrees with AWS's to 30 s", id="just within tolerance"),
        pytest.param(
            [30.1],
            Verdict.WARNING,
            "this machine's clock is 30 s ahead of AWS's; set it by a time server",
            id="just beyond it",
        ),
        pytest.param(
            [2.0, -240.0],
            Verdict.WARNING,
            "this machine's clock is 4 min behind AWS's; set it by a time server",
            id="the worst measurement counts, behind as ahead",
        ),
    ],
)
def test_the_clock_is_judged(aheads: list[float], verdict: Verdict, sentence: str) -> None:
    assert clock_findings(aheads) == [Finding("clock", "", verdict, sentence)]


def test_a_clock_that_was_not_measured_is_not_judged() -> None:
    assert clock_findings([]) == []


@pytest.mark.parametrize(
    ("offset", "verdict"),
    [
        pytest.param(0.0, Verdict.NOTE, id="the same"),
        pytest.param(300.0, Verdict.WARNING, id="five minutes ahead"),
        pytest.param(-300.0, Verdict.WARNING, id="five minutes behind"),
    ],
)
def test_the_clock_is_compared_with_the_date_of_the_answers(
    faked: AwsClients, fake: FakeAws, offset: float, verdict: Verdict
) -> None:
    findings = examined(faked, plan(), offset=offset) if willing(fake) else []
    (clock,) = [finding for finding in findings if finding.subject == "clock"]
    assert clock.verdict is verdict
