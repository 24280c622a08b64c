"""The door: ledger, faults, the limit on mutations, what passes through to moto, and how fast it is."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.conftest import OPENED, Clients, client_of
from watcher.clock import SimulatedClock, process_seconds, utc
from watcher.sandbox import Sandbox


def units(read: int, write: int) -> dict[str, int]:
    return {"ReadCapacityUnits": read, "WriteCapacityUnits": write}


def test_the_ledger_records_what_was_asked_and_what_became_of_it(
    aws: Clients, sandbox: Sandbox, clock: SimulatedClock
) -> None:
    dynamodb = aws("dynamodb")
    dynamodb.update_table(TableName="quiet", ProvisionedThroughput=units(11, 10))
    clock.advance(1)
    with pytest.raises(ClientError):
        dynamodb.update_table(TableName="quiet", ProvisionedThroughput=units(12, 10))
    dynamodb.describe_table(TableName="quiet")
    aws("application-autoscaling").register_scalable_target(
        ServiceNamespace="dynamodb",
        ResourceId="table/busy",
        ScalableDimension="dynamodb:table:ReadCapacityUnits",
        MinCapacity=5,
        MaxCapacity=500,
    )
    dynamodb.update_contributor_insights(
        TableName="busy", ContributorInsightsAction="ENABLE", ContributorInsightsMode="THROTTLED_KEYS"
    )
    first, second, third, fourth = sandbox.ledger.entries
    assert (first.operation, first.outcome, first.time) == ("UpdateTable", "accepted", OPENED)
    assert first.arguments == {"TableName": "quiet", "ProvisionedThroughput": units(11, 10)}
    assert (second.outcome, second.time, second.is_accepted) == ("ResourceInUseException", OPENED + 1, False)
    assert (third.operation, third.arguments["MinCapacity"]) == ("RegisterScalableTarget", 5)
    assert (fourth.operation, fourth.is_accepted) == ("UpdateContributorInsights", True)
    assert sandbox.ledger.of("UpdateTable") == [first, second]
    assert sandbox.ledger.counts == {
        "UpdateTable": 2,
        "DescribeTable": 1,
        "RegisterScalableTarget": 1,
        "UpdateContributorInsights": 1,
    }


def test_a_fault_holds_for_as_many_calls_as_asked(aws: Clients, sandbox: Sandbox) -> None:
    sandbox.faults.fail("DescribeTable", "ThrottlingException", "Rate exceeded", times=2)
    for _ in range(2):
        with pytest.raises(ClientError, match="Rate exceeded") as failed:
            aws("dynamodb").describe_table(TableName="quiet")
        assert failed.value.response["Error"]["Code"] == "ThrottlingException"
    assert aws("dynamodb").describe_table(TableName="quiet")["Table"]["TableName"] == "quiet"


@pytest.mark.parametrize(
    ("service", "operation", "method", "arguments"),
    [
        pytest.param("dynamodb", "ListTables", "list_tables", {}, id="DynamoDB, in JSON"),
        pytest.param("cloudwatch", "ListMetrics", "list_metrics", {"Namespace": "AWS/DynamoDB"}, id="CloudWatch"),
        pytest.param(
            "application-autoscaling",
            "DescribeScalableTargets",
            "describe_scalable_targets",
            {"ServiceNamespace": "dynamodb"},
            id="Application Auto Scaling",
        ),
        pytest.param("sns", "ListTopics", "list_topics", {}, id="SNS, in the query protocol"),
        pytest.param("sts", "GetCallerIdentity", "get_caller_identity", {}, id="STS"),
    ],
)
def test_every_service_can_fail_with_any_status(
    aws: Clients, sandbox: Sandbox, service: str, operation: str, method: str, arguments: dict[str, str]
) -> None:
    sandbox.faults.fail(operation, "InternalFailure", status=500)
    with pytest.raises(ClientError) as failed:
        getattr(aws(service), method)(**arguments)
    assert failed.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert failed.value.response["Error"]["Code"] == "InternalFailure"
    getattr(aws(service), method)(**arguments)


def test_a_lost_answer_leaves_the_change_made(aws: Clients, sandbox: Sandbox, clock: SimulatedClock) -> None:
    sandbox.faults.fail("UpdateTable", status=500, lost=True)
    with pytest.raises(ClientError, match="InternalServerError"):
        aws("dynamodb").update_table(TableName="quiet", ProvisionedThroughput=units(11, 10))
    assert [entry.outcome for entry in sandbox.ledger.entries] == ["accepted"]
    clock.advance(30)
    table = aws("dynamodb").describe_table(TableName="quiet")["Table"]
    assert table["ProvisionedThroughput"]["ReadCapacityUnits"] == 11


def test_a_lost_alert_was_published_all_the_same(aws: Clients, sandbox: Sandbox) -> None:
    sandbox.faults.fail("Publish", "InternalError", status=500, lost=True)
    sandbox.faults.fail("Publish", "Throttled", status=400)
    for code in ("InternalError", "Throttled"):
        with pytest.raises(ClientError, match=code):
            aws("sns").publish(TopicArn=sandbox.topic_arn, Message=code)
    assert sandbox.messages() == ["InternalError"]


def test_cleared_faults_are_forgotten(aws: Clients, sandbox: Sandbox) -> None:
    sandbox.faults.fail("ListTables", times=100)
    sandbox.faults.clear()
    assert aws("dynamodb").list_tables()["TableNames"] == ["busy", "quiet", "sorted"]


@pytest.mark.parametrize(
    ("service", "call", "arguments", "burst", "per_second", "refusal"),
    [
        pytest.param(
            "dynamodb",
            "update_contributor_insights",
            {"TableName": "busy", "ContributorInsightsAction": "DISABLE"},
            10,
            1,
            "rate of control plane requests made by this account is too high",
            id="what changes something: one a second",
        ),
        pytest.param(
            "dynamodb",
            "describe_contributor_insights",
            {"TableName": "busy"},
            50,
            5,
            "Rate exceeded",
            id="one sampler: five a second",
        ),
        pytest.param(
            "dynamodb", "list_contributor_insights", {}, 50, 5, "Rate exceeded", id="all samplers: five a second"
        ),
        pytest.param(
            "cloudwatch", "describe_insight_rules", {}, 100, 20, "Rate exceeded", id="all rules: twenty a second"
        ),
    ],
)
def test_some_calls_are_limited(
    aws: Clients,
    clock: SimulatedClock,
    service: str,
    call: str,
    arguments: dict[str, str],
    burst: int,
    per_second: int,
    refusal: str,
) -> None:
    ask = partial(getattr(aws(service), call), **arguments)
    for _ in range(burst):
        ask()
    with pytest.raises(ClientError, match=refusal) as refused:
        ask()
    assert refused.value.response["Error"]["Code"] == "ThrottlingException"
    aws("dynamodb").describe_table(TableName="busy")  # this is not limited
    clock.advance(1)
    for _ in range(per_second):
        ask()
    with pytest.raises(ClientError, match=refusal):
        ask()


def test_the_calls_about_samplers_share_their_rate(aws: Clients) -> None:
    dynamodb = aws("dynamodb")
    for _ in range(25):
        dynamodb.list_contributor_insights()
        dynamodb.describe_contributor_insights(TableName="busy")
    with pytest.raises(ClientError, match="Rate exceeded"):
        dynamodb.list_contributor_insights()


def test_reports_are_limited_to_twenty_a_second(aws: Clients, clock: SimulatedClock) -> None:
    when = {"StartTime": utc(OPENED - 60), "EndTime": utc(OPENED), "Period": 60}
    for admitted in (100, 20):
        codes = []
        for _ in range(admitted + 1):
            with pytest.raises(ClientError) as refused:
                aws("cloudwatch").get_insight_rule_report(RuleName="absent", **when)
            codes.append(refused.value.response["Error"]["Code"])
        assert codes == ["ResourceNotFoundException"] * admitted + ["ThrottlingException"]
        clock.advance(1)


def test_alerts_reach_the_subscriber_with_subject_and_attributes(aws: Clients, sandbox: Sandbox) -> None:
    assert sandbox.topic_arn == "arn:aws:sns:us-east-1:123456789012:watcher-alerts"
    for number in range(12):
        aws("sns").publish(
            TopicArn=sandbox.topic_arn,
            Message=f"body {number}",
            Subject=f"subject {number}",
            MessageAttributes={"state": {"DataType": "String", "StringValue": "open"}},
        )
    assert sandbox.messages() == [f"body {number}" for number in range(12)]
    newest = sandbox.notifications()[-1]
    assert (newest.subject, newest.attributes) == ("subject 11", {"state": "open"})
    assert len(sandbox.messages()) == 12, "reading does not empty it"


@pytest.mark.parametrize(
    "subject",
    [
        pytest.param("two\nlines", id="a line break"),
        pytest.param("a\ttab", id="another control character"),
        pytest.param("x" * 100, id="100 characters"),
    ],
)
def test_subjects_that_sns_refuses(aws: Clients, sandbox: Sandbox, subject: str) -> None:
    with pytest.raises(ClientError, match="Subject"):
        aws("sns").publish(TopicArn=sandbox.topic_arn, Message="body", Subject=subject)
    aws("sns").publish(TopicArn=sandbox.topic_arn, Message="body", Subject="é" + "x" * 98)
    assert sandbox.messages() == ["body"]


def test_the_account_is_the_one_in_every_arn(aws: Clients) -> None:
    assert aws("sts").get_caller_identity()["Account"] == "123456789012"


def test_every_call_moves_the_world_to_the_clocks_now(aws: Clients, sandbox: Sandbox, clock: SimulatedClock) -> None:
    clock.advance(3600)
    aws("dynamodb").list_tables()
    assert sandbox.plant.now == OPENED + 3600
    clock.step_wall(-600)
    aws("dynamodb").list_tables()
    assert sandbox.plant.now == OPENED + 3600, "a clock that is set back does not turn the world back"


def test_a_mistake_of_the_sandbox_is_a_broken_service_and_logged(
    aws: Clients, sandbox: Sandbox, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: str) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(sandbox.plant, "describe", broken)
    with caplog.at_level(logging.ERROR, "watcher.sandbox"), pytest.raises(ClientError) as failed:
        aws("dynamodb").describe_table(TableName="quiet")
    assert failed.value.response["Error"]["Code"] == "InternalFailure"
    assert "planted" in caplog.text


def test_clients_at_once_do_not_disturb_each_other(sandbox: Sandbox) -> None:
    def work(_: int) -> list[int]:
        client = client_of(sandbox, "dynamodb")
        try:
            return [
                client.describe_table(TableName="busy")["Table"]["ProvisionedThroughput"]["ReadCapacityUnits"]
                for _ in range(20)
            ]
        finally:
            client.close()

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(work, range(4)))
    assert found == [[100] * 20] * 4
    assert sandbox.ledger.counts["DescribeTable"] == 80


def test_a_call_is_cheap(aws: Clients) -> None:
    client = aws("dynamodb")
    client.describe_table(TableName="busy")

    def milliseconds() -> float:
        begun = process_seconds()
        for _ in range(20):
            client.describe_table(TableName="busy")
        return (process_seconds() - begun) / 20 * 1000

    # About 2 ms on a quiet machine; the margin is for a busy one.
    assert min(milliseconds() for _ in range(5)) < 20
