"""How clients are built, how their calls are reported, and what botocore's failures become."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError

from tests.aws.conftest import REGION, Calls, settings
from tests.aws.fake import HTML_500, FakeAws, Reply, fault, query_fault
from watcher import __version__
from watcher.aws.client import BODY_LIMIT, AwsClients, AwsSettings, aws_call, timestamp, translated
from watcher.aws.permissions import DESCRIBE_TABLE, LIST_TABLES, PUBLISH, UPDATE_TABLE
from watcher.errors import AwsDenied, AwsError, AwsNotFound, AwsUnavailable


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(1_795_348_800, datetime(2026, 11, 22, 12, tzinfo=UTC), id="whole seconds"),
        pytest.param(1_795_348_800.5, datetime(2026, 11, 22, 12, 0, 0, 500_000, tzinfo=UTC), id="and parts of one"),
        pytest.param("1795348800", datetime(2026, 11, 22, 12, tzinfo=UTC), id="seconds as text"),
        pytest.param("2026-11-22T12:00:00Z", datetime(2026, 11, 22, 12, tzinfo=UTC), id="the Query protocol's form"),
        pytest.param(-1, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), id="before the epoch"),
    ],
)
def test_times_in_answers(value: float | str, expected: datetime) -> None:
    assert timestamp(value) == expected


@pytest.mark.parametrize("value", [1e30, float("nan"), "1e30", "soon"])
def test_what_is_no_time(value: float | str) -> None:
    with pytest.raises(ResponseParserError, match="is no time"):
        timestamp(value)


def test_answers_are_read_with_the_quick_clock_and_a_broken_time_is_no_crash(faked: AwsClients, fake: FakeAws) -> None:
    table = {"TableName": "orders", "CreationDateTime": 1_795_348_800}
    fake.script("DescribeTable", {"Table": table}, {"Table": {**table, "CreationDateTime": 1e30}})
    client = faked.dynamodb(REGION)
    assert client.describe_table(TableName="orders")["Table"]["CreationDateTime"].tzinfo is UTC
    with pytest.raises(AwsUnavailable, match="not what this service sends"), aws_call(DESCRIBE_TABLE, "table orders"):
        client.describe_table(TableName="orders")


def _answer(code: str, status: int = 400, message: str = "told so") -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]  # the rest of the metadata is not read
        "UpdateTable",
    )


@pytest.mark.parametrize(
    ("error", "kind", "code", "retryable"),
    [
        pytest.param(_answer("AccessDeniedException"), AwsDenied, "AccessDeniedException", False, id="a missing right"),
        pytest.param(_answer("AccessDenied", 403), AwsDenied, "AccessDenied", False, id="a missing right, in STS"),
        pytest.param(_answer("AuthorizationError", 403), AwsDenied, "AuthorizationError", False, id="and in SNS"),
        pytest.param(_answer("ExpiredTokenException"), AwsDenied, "ExpiredTokenException", True, id="expired token"),
        pytest.param(_answer("ResourceNotFoundException"), AwsNotFound, "ResourceNotFoundException", False, id="gone"),
        pytest.param(_answer("NotFound", 404), AwsNotFound, "NotFound", False, id="no such topic"),
        pytest.param(_answer("ThrottlingException"), AwsUnavailable, "ThrottlingException", True, id="throttled"),
        pytest.param(_answer("InternalFailure", 500), AwsUnavailable, "InternalFailure", True, id="AWS failed"),
        pytest.param(_answer("Whatever", 503), AwsUnavailable, "Whatever", True, id="any 5xx is unavailable"),
        pytest.param(_answer("", 502), AwsUnavailable, "HTTP502", True, id="a proxy's empty 5xx"),
        pytest.param(_answer("403", 403), AwsError, "HTTP403", False, id="a proxy's refusal"),
        pytest.param(_answer("ValidationException", 499), AwsError, "ValidationException", False, id="our mistake"),
        pytest.param(NoCredentialsError(), AwsDenied, "NoCredentialsError", True, id="no credentials"),
        pytest.param(
            PartialCredentialsError(provider="env", cred_var="x"), AwsDenied, "PartialCredentialsError", True, id="half"
        ),
        pytest.param(
            ConnectTimeoutError(endpoint_url="u"), AwsUnavailable, "ConnectTimeoutError", True, id="connect timeout"
        ),
        pytest.param(ReadTimeoutError(endpoint_url="u"), AwsUnavailable, "ReadTimeoutError", True, id="read timeout"),
        pytest.param(ResponseParserError("bad"), AwsUnavailable, "ResponseParserError", True, id="not AWS's language"),
        pytest.param(ParamValidationError(report="r"), AwsError, "ParamValidationError", False, id="a bad argument"),
    ],
)
def test_every_failure_has_one_translation(error: Exception, kind: type, code: str, *, retryable: bool) -> None:
    ours = translated(error, UPDATE_TABLE, "table orders")
    assert (type(ours), ours.code, ours.retryable) == (kind, code, retryable)
    assert (ours.operation, ours.subject) == ("UpdateTable", "table orders")


def test_a_refusal_names_the_missing_iam_action() -> None:
    ours = translated(_answer("AccessDeniedException"), UPDATE_TABLE, "table orders")
    assert str(ours) == "UpdateTable of table orders: told so (allow dynamodb:UpdateTable)"


def test_missing_credentials_come_with_the_remedy() -> None:
    assert "AWS_ACCESS_KEY_ID" in translated(NoCredentialsError(), LIST_TABLES, "").hint


@pytest.mark.parametrize(
    ("length", "kept"),
    [
        pytest.param(BODY_LIMIT, "x" * BODY_LIMIT, id="a body at the limit is kept whole"),
        pytest.param(BODY_LIMIT + 1, "x" * (BODY_LIMIT - 3) + "...", id="one character more and it is cut"),
    ],
)
def test_bodies_are_trimmed(length: int, kept: str) -> None:
    assert translated(_answer("Odd", message="x" * length), LIST_TABLES, "").cause == kept


def test_a_web_page_instead_of_json_is_unavailable(faked: AwsClients, fake: FakeAws, calls: Calls) -> None:
    fake.script("ListTables", HTML_500)
    with pytest.raises(AwsUnavailable) as caught, aws_call(LIST_TABLES, ""):
        faked.dynamodb(REGION).list_tables()
    assert (caught.value.code, caught.value.cause) == ("HTTP500", "HTTP 500 without an AWS error")
    assert [operation for operation, _outcome in calls.made] == ["ListTables"]


def test_a_web_page_instead_of_xml_is_unavailable(faked: AwsClients) -> None:
    with pytest.raises(AwsUnavailable), aws_call(PUBLISH, ""):
        faked.sns(REGION).publish(TopicArn="arn:aws:sns:us-east-1:123456789012:t", Message="m")


@pytest.mark.parametrize("error", [TypeError("secret"), AttributeError("secret"), ValueError("secret")])
def test_an_answer_of_another_shape_is_no_bug_of_ours_and_its_words_stay_unsaid(error: Exception) -> None:
    with pytest.raises(AwsUnavailable, match="not of the shape that AWS gives") as caught, aws_call(LIST_TABLES, ""):
        raise error
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_broken_answer_with_status_200_is_unavailable(faked: AwsClients, fake: FakeAws) -> None:
    fake.script("ListTables", Reply(200, "{not json"))
    with pytest.raises(AwsUnavailable, match="the answer lacks 'TableNames'"), aws_call(LIST_TABLES, ""):
        _ = faked.dynamodb(REGION).list_tables()["TableNames"]


def test_a_refused_connection_is_unavailable_and_reported(calls: Calls) -> None:
    with socket.socket() as reserved:  # bound but not listening, so that nobody else answers
        reserved.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}"
        with (
            AwsClients(settings(url), on_call=calls) as clients,
            pytest.raises(AwsUnavailable),
            aws_call(LIST_TABLES, ""),
        ):
            clients.dynamodb(REGION).list_tables()
    assert calls.made == [("ListTables", "EndpointConnectionError")]


def test_calls_are_reported_with_their_outcome_and_duration(faked: AwsClients, fake: FakeAws, calls: Calls) -> None:
    fake.script("ListTables", {"TableNames": []}, fault("AccessDeniedException"))
    client = faked.dynamodb(REGION)
    client.list_tables()
    with pytest.raises(ClientError):
        client.list_tables()
    assert calls.made == [("ListTables", "ok"), ("ListTables", "AccessDeniedException")]
    assert all(seconds > 0 for seconds in calls.seconds)


@pytest.fixture
def _no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _seconds: None)


@pytest.mark.usefixtures("_no_backoff")
def test_a_read_is_tried_again_and_reported_once(fake: FakeAws, calls: Calls) -> None:
    fake.script(
        "ListTables", fault("ThrottlingException"), fault("InternalServerError", status=500), {"TableNames": []}
    )
    with AwsClients(settings(fake.url, read_attempts=3), on_call=calls) as clients:
        clients.dynamodb(REGION).list_tables()
    assert (len(fake.calls), calls.made) == (3, [("ListTables", "ok")])


@pytest.mark.usefixtures("_no_backoff")
@pytest.mark.parametrize("code", ["LimitExceededException", "ThrottlingException", "InternalServerError"])
def test_a_mutation_is_sent_once_whatever_comes_back(fake: FakeAws, code: str) -> None:
    fake.script("UpdateTable", fault(code, status=500 if code.startswith("Internal") else 400))
    with (
        AwsClients(settings(fake.url, read_attempts=3)) as clients,
        pytest.raises(AwsError),
        aws_call(UPDATE_TABLE, ""),
    ):
        clients.dynamodb(REGION, mutating=True).update_table(TableName="orders")
    assert len(fake.sent("UpdateTable")) == 1


def test_the_user_agent_names_the_watcher(faked: AwsClients, fake: FakeAws) -> None:
    fake.script("ListTables", {"TableNames": []})
    faked.dynamodb(REGION).list_tables()
    assert f"watcher/{__version__}" in fake.agents[0]


def test_without_credentials_the_call_is_denied_with_a_remedy(fake: FakeAws) -> None:
    with (
        AwsClients(AwsSettings(endpoint_url=fake.url)) as clients,
        pytest.raises(AwsDenied, match="AWS_ACCESS_KEY_ID"),
        aws_call(LIST_TABLES, ""),
    ):
        clients.dynamodb(REGION).list_tables()
    assert fake.calls == []


def _credentials(lifetime: timedelta) -> Reply:
    expiry = (datetime.now(UTC) + lifetime).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = (
        "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId>"
        "<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
        f"<Expiration>{expiry}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
    )
    return Reply(200, text, "text/xml")


ROLE = "arn:aws:iam::210987654321:role/watcher"


@pytest.mark.parametrize(
    ("lifetime", "assumed"),
    [
        pytest.param(timedelta(hours=1), 1, id="credentials with time left are used again"),
        pytest.param(timedelta(minutes=9), 2, id="credentials about to end are renewed"),
    ],
)
def test_a_role_is_assumed_and_renewed(fake: FakeAws, calls: Calls, lifetime: timedelta, assumed: int) -> None:
    fake.script("AssumeRole", _credentials(lifetime), _credentials(timedelta(hours=1)))
    fake.script("ListTables", {"TableNames": []})
    with AwsClients(settings(fake.url, role_arn=ROLE, external_id="shared-word"), on_call=calls) as clients:
        client = clients.dynamodb(REGION)
        client.list_tables()
        client.list_tables()
    assert len(fake.sent("AssumeRole")) == assumed
    first = fake.sent("AssumeRole")[0]
    assert (first["RoleArn"], first["ExternalId"]) == (ROLE, "shared-word")
    assert ("AssumeRole", "ok") in calls.made


def test_a_role_that_may_not_be_assumed_is_denied_by_its_own_name(fake: FakeAws) -> None:
    fake.script("AssumeRole", query_fault("AccessDenied", "not yours", 403))
    with (
        AwsClients(settings(fake.url, role_arn=ROLE)) as clients,
        pytest.raises(AwsDenied) as caught,
        aws_call(DESCRIBE_TABLE, "table orders"),
    ):
        clients.dynamodb(REGION).describe_table(TableName="orders")
    assert str(caught.value) == f"AssumeRole of role {ROLE}: not yours (allow sts:AssumeRole)"


def test_closing_twice_is_harmless(fake: FakeAws) -> None:
    clients = AwsClients(settings(fake.url))
    clients.cloudwatch(REGION)
    clients.close()
    clients.close()


def test_secrets_do_not_show_in_a_representation(fake: FakeAws) -> None:
    assert "secret" not in repr(settings(fake.url, external_id="also secret"))
