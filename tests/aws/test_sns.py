"""Routing alerts to topics, publishing them, and telling what is worth another try."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC

import pytest

from tests.aws.conftest import ACCOUNT, REGION
from tests.aws.fake import HTML_500, FakeAws, Reply, query_fault
from tests.aws.test_formats import ALERT
from watcher.aws.client import AwsClients
from watcher.aws.compose import sns_notifier
from watcher.aws.formats import Format
from watcher.aws.sns import Route, publish_request, topic_region
from watcher.clock import instant
from watcher.core.model import TableKey
from watcher.core.quiet import EVERY_DAY, QuietHours
from watcher.core.reasons import AlertKind, Cause, Severity
from watcher.errors import DeliveryError
from watcher.ports import Outgoing

PAGES = f"arn:aws:sns:{REGION}:{ACCOUNT}:pages"
CHAT = f"arn:aws:sns:eu-west-1:{ACCOUNT}:chat"
FIFO = f"arn:aws:sns:{REGION}:{ACCOUNT}:pages.fifo"
OK = Reply(
    200, "<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>", "text/xml"
)
THROTTLING = frozenset({AlertKind.THROTTLING})
LATENCY = frozenset({AlertKind.LATENCY})
ONLY_CRITICAL = frozenset({Severity.CRITICAL})


@pytest.mark.parametrize(
    ("routes", "severity", "topics"),
    [
        pytest.param([], Severity.CRITICAL, [], id="no topics, nobody told"),
        pytest.param([Route(PAGES)], Severity.WARNING, [PAGES], id="by default a topic wants everything"),
        pytest.param([Route(PAGES, match="ord*")], Severity.WARNING, [PAGES], id="the pattern fits"),
        pytest.param([Route(PAGES, match="Ord*")], Severity.WARNING, [], id="letter case counts"),
        pytest.param([Route(PAGES, severities=ONLY_CRITICAL)], Severity.CRITICAL, [PAGES], id="severe enough"),
        pytest.param([Route(PAGES, severities=ONLY_CRITICAL)], Severity.WARNING, [], id="not severe enough"),
        pytest.param([Route(CHAT), Route(PAGES)], Severity.WARNING, [CHAT, PAGES], id="several, in config order"),
        pytest.param([Route(PAGES, match="ord*"), Route(PAGES)], Severity.WARNING, [PAGES], id="a topic only once"),
        pytest.param([Route(PAGES, kinds=THROTTLING)], Severity.WARNING, [PAGES], id="of the kind that is wanted"),
        pytest.param([Route(PAGES, kinds=LATENCY)], Severity.WARNING, [], id="of another kind"),
    ],
)
def test_routing(faked: AwsClients, routes: list[Route], severity: Severity, topics: list[str]) -> None:
    assert sns_notifier(faked, routes).topics_for(replace(ALERT, severity=severity)) == topics


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        pytest.param(Cause.KEY_RANGE, AlertKind.THROTTLING, id="a hot key range throttles"),
        pytest.param(Cause.STORM, AlertKind.THROTTLING, id="a storm is of tables that throttle"),
        pytest.param(Cause.SLOW, AlertKind.LATENCY, id="slow is latency"),
        pytest.param(Cause.CANNOT_ACT, AlertKind.WATCHER, id="the watcher cannot do what is needed"),
        pytest.param(Cause.BLIND, AlertKind.WATCHER, id="the watcher cannot see"),
        pytest.param(Cause.PERMISSION, AlertKind.WATCHER, id="the watcher is not allowed to"),
    ],
)
def test_each_cause_goes_to_topics_of_its_kind(cause: Cause, kind: AlertKind) -> None:
    alert = replace(ALERT, cause=cause)
    assert [one for one in AlertKind if Route(PAGES, kinds=frozenset({one})).wants(alert)] == [kind]


REGIONAL = replace(ALERT, table=TableKey(ACCOUNT, REGION, ""), cause=Cause.BLIND)


@pytest.mark.parametrize(
    ("route", "tables", "wanted"),
    [
        pytest.param(Route(PAGES, match="ord*"), ("carts", "orders"), True, id="one of the storm's tables is its own"),
        pytest.param(Route(PAGES, match="ord*"), ("carts", "users"), False, id="none of them is"),
        pytest.param(
            Route(PAGES, match="ord*", hears_the_watcher=False), ("orders",), True, id="tables are tables all the same"
        ),
        pytest.param(Route(PAGES, match="ord*"), (), True, id="what concerns no table, to who hears the watcher"),
        pytest.param(Route(PAGES, hears_the_watcher=False), (), False, id="and to nobody else"),
        pytest.param(Route(PAGES, kinds=THROTTLING), (), False, id="a kind that is not wanted, of a Region too"),
        pytest.param(Route(PAGES, kinds=THROTTLING), ("orders",), False, id="nor of its tables"),
    ],
)
def test_alerts_of_a_whole_region(route: Route, tables: tuple[str, ...], *, wanted: bool) -> None:
    assert route.wants(replace(REGIONAL, tables=tables)) is wanted


@pytest.mark.parametrize(
    ("repeat", "repeats", "wanted"),
    [
        pytest.param(0.0, (), True, id="news goes to all"),
        pytest.param(1800.0, (), True, id="also to who is reminded"),
        pytest.param(1800.0, (900.0, 1800.0), True, id="a reminder when its own interval has come round"),
        pytest.param(1800.0, (900.0,), False, id="not when another's has"),
        pytest.param(0.0, (900.0,), False, id="never where none is wanted"),
    ],
)
def test_reminders(repeat: float, repeats: tuple[float, ...], *, wanted: bool) -> None:
    assert Route(PAGES, repeat=repeat).wants(replace(ALERT, repeats=repeats)) is wanted


def test_what_was_folded_into_a_storm_goes_nowhere() -> None:
    assert Route(PAGES).wants(ALERT)
    assert not Route(PAGES).wants(replace(ALERT, storm="storm-1"))


NOON, MIDNIGHT = instant("2026-11-23T12:00:00Z"), instant("2026-11-24T00:00:00Z")
NIGHT = QuietHours(22 * 60, 7 * 60, EVERY_DAY, UTC)


@pytest.mark.parametrize(
    ("routes", "severity", "now", "quiet"),
    [
        pytest.param([Route(PAGES)], Severity.WARNING, MIDNIGHT, False, id="no quiet hours"),
        pytest.param([Route(PAGES, quiet=NIGHT)], Severity.WARNING, MIDNIGHT, True, id="in them"),
        pytest.param([Route(PAGES, quiet=NIGHT)], Severity.WARNING, NOON, False, id="out of them"),
        pytest.param([Route(PAGES, quiet=NIGHT)], Severity.CRITICAL, MIDNIGHT, False, id="what is critical, never"),
        pytest.param([Route(CHAT, quiet=NIGHT), Route(PAGES)], Severity.WARNING, MIDNIGHT, False, id="another topic's"),
        pytest.param(
            [Route(PAGES, quiet=NIGHT), Route(PAGES, match="ord*")],
            Severity.WARNING,
            MIDNIGHT,
            False,
            id="a second entry of the topic wants it at once",
        ),
        pytest.param(
            [Route(PAGES, quiet=NIGHT), Route(PAGES, match="carts")],
            Severity.WARNING,
            MIDNIGHT,
            True,
            id="a second entry that does not want it says nothing",
        ),
        pytest.param(
            [Route(PAGES, match="carts", quiet=NIGHT)],
            Severity.WARNING,
            MIDNIGHT,
            True,
            id="none wants it any more: the topic's own hours",
        ),
        pytest.param([Route(CHAT, quiet=NIGHT)], Severity.WARNING, MIDNIGHT, False, id="the topic has left the config"),
    ],
)
def test_quiet_hours(faked: AwsClients, routes: list[Route], severity: Severity, now: float, *, quiet: bool) -> None:
    notifier = sns_notifier(faked, routes)
    assert notifier.is_quiet(PAGES, replace(ALERT, severity=severity), now) is quiet


def test_a_published_alert_carries_body_subject_and_attributes(faked: AwsClients, fake: FakeAws) -> None:
    fake.script("Publish", OK)
    sns_notifier(faked, [Route(PAGES)]).publish(Outgoing("m-1", PAGES, ALERT))
    (sent,) = fake.sent("Publish")
    assert (sent["TopicArn"], sent["Subject"]) == (PAGES, ALERT.subject)
    names = {value for key, value in sent.items() if key.endswith(".Name")}
    assert names == {"incident", "state", "severity", "cause", "table", "index", "account", "region"}
    assert "MessageGroupId" not in sent


def test_each_topic_gets_its_own_format(faked: AwsClients, fake: FakeAws) -> None:
    fake.script("Publish", OK)
    notifier = sns_notifier(faked, [Route(PAGES, Format.CLOUDWATCH_ALARM), Route(CHAT, Format.CHAT)])
    for topic in notifier.topics_for(ALERT):
        notifier.publish(Outgoing("m", topic, ALERT))
    alarm, chat = (json.loads(sent["Message"]) for sent in fake.sent("Publish"))
    assert (alarm["NewStateValue"], chat["source"]) == ("ALARM", "custom")


@pytest.mark.parametrize(
    ("identity", "sent"),
    [
        pytest.param("a" * 128, "a" * 128, id="128 characters are taken as they are"),
        pytest.param("a" * 129, None, id="longer ones are hashed"),
        pytest.param("with space", None, id="and so is what SNS does not take"),
    ],
)
def test_fifo_topics_keep_order_and_drop_repeats(identity: str, sent: str | None) -> None:
    alert = replace(ALERT, incident=identity)
    request = publish_request(Outgoing(identity, FIFO, alert), Format.TEXT)
    for name in ("MessageGroupId", "MessageDeduplicationId"):
        assert request[name] == sent or (sent is None and len(request[name]) == 64)
    assert publish_request(Outgoing(identity, FIFO, alert), Format.TEXT) == request


@pytest.mark.parametrize(
    ("answer", "retryable", "of_message", "hint"),
    [
        pytest.param(query_fault("NotFound", status=404), False, False, "create the topic", id="no such topic"),
        pytest.param(
            query_fault("AuthorizationError", status=403), False, False, "allow sns:Publish", id="not allowed"
        ),
        pytest.param(
            query_fault("InvalidParameter", "Invalid parameter: Message too long"), False, True, "", id="too long"
        ),
        pytest.param(query_fault("InvalidParameter", "Invalid parameter: Subject"), False, True, "", id="the subject"),
        pytest.param(
            query_fault("InvalidParameter", "Invalid parameter: TopicArn"), False, False, "", id="of another Region"
        ),
        pytest.param(
            query_fault("InvalidParameter", "Invalid parameter: Topic Arn Reason: no"), False, False, "", id="no topic"
        ),
        pytest.param(query_fault("ParameterValueInvalid"), False, True, "", id="a value that SNS does not take"),
        pytest.param(query_fault("InvalidParameterValue"), False, True, "", id="the same by its other name"),
        pytest.param(query_fault("ValidationException"), False, True, "", id="a parameter that is invalid"),
        pytest.param(query_fault("EndpointDisabled"), False, False, "", id="an endpoint is disabled"),
        pytest.param(query_fault("KMSDisabled"), False, False, "KMS key", id="the topic's key is disabled"),
        pytest.param(query_fault("KMSAccessDenied"), False, False, "KMS key", id="the topic's key is not ours to use"),
        pytest.param(query_fault("KMSThrottling"), True, False, "KMS key", id="the key service is busy"),
        pytest.param(query_fault("Throttled", status=429), True, False, "later", id="throttled"),
        pytest.param(query_fault("InternalError", status=500), True, False, "", id="AWS failed"),
        pytest.param(query_fault("ExpiredToken", status=403), True, False, "credentials", id="credentials renewable"),
        pytest.param(query_fault("InvalidSecurity", status=403), False, False, "", id="a signature that is not valid"),
        pytest.param(HTML_500, True, False, "", id="a web page"),
    ],
)
def test_what_is_worth_another_try(
    faked: AwsClients, fake: FakeAws, answer: Reply, *, retryable: bool, of_message: bool, hint: str
) -> None:
    fake.script("Publish", answer)
    with pytest.raises(DeliveryError) as caught:
        sns_notifier(faked, [Route(PAGES)]).publish(Outgoing("m", PAGES, ALERT))
    assert caught.value.retryable is retryable
    assert caught.value.of_message is of_message
    assert hint in caught.value.hint
    assert len(fake.sent("Publish")) == 1


def test_a_topic_that_left_the_config_is_given_up(faked: AwsClients, fake: FakeAws) -> None:
    with pytest.raises(DeliveryError, match="not in the config any more") as caught:
        sns_notifier(faked, [Route(PAGES)]).publish(Outgoing("m", CHAT, ALERT))
    assert (caught.value.retryable, caught.value.of_message) == (False, True)
    assert fake.calls == []


def test_a_message_queued_under_an_older_config_is_still_sent(faked: AwsClients, fake: FakeAws) -> None:
    fake.script("Publish", OK)
    notifier = sns_notifier(faked, [Route(PAGES, match="other-*")])
    notifier.publish(Outgoing("m", PAGES, ALERT))
    assert len(fake.sent("Publish")) == 1


@pytest.mark.parametrize("arn", ["", "pages", f"arn:aws:sqs:{REGION}:{ACCOUNT}:pages", "arn:aws:sns::1:pages"])
def test_what_is_no_topic_is_refused(arn: str) -> None:
    with pytest.raises(ValueError, match="not the ARN of an SNS topic"):
        topic_region(arn)


@pytest.mark.parametrize(("name", "fifo"), [("pages", False), ("pages.fifo", True)])
def test_against_a_stand_in_server(moto: AwsClients, name: str, *, fifo: bool) -> None:
    client = moto.sns(REGION)
    topic = client.create_topic(Name=name, Attributes={"FifoTopic": "true"} if fifo else {})["TopicArn"]
    notifier = sns_notifier(moto, [Route(topic)])
    notifier.publish(Outgoing("m-1", topic, ALERT))
    client.delete_topic(TopicArn=topic)
    with pytest.raises(DeliveryError) as caught:
        notifier.publish(Outgoing("m-2", topic, ALERT))
    assert (caught.value.retryable, caught.value.of_message) == (False, False)


STORM = replace(
    ALERT,
    table=replace(ALERT.table, name=""),
    severity=Severity.CRITICAL,
    tables=("billing", "carts", "orders"),
    critical=("carts", "orders"),
)


@pytest.mark.parametrize(
    ("match", "severities", "wanted"),
    [
        pytest.param("billing", {Severity.CRITICAL}, False, id="its table only warns, whatever the others do"),
        pytest.param("billing", {Severity.WARNING}, True, id="its table warns, as it asked for"),
        pytest.param("carts", {Severity.CRITICAL}, True, id="its table is critical"),
        pytest.param("*", {Severity.CRITICAL}, True, id="one of its tables is critical"),
        pytest.param("*", {Severity.WARNING}, False, id="critical is what it has not asked for"),
        pytest.param("users", set(Severity), False, id="none of its tables"),
    ],
)
def test_a_storm_is_as_severe_as_the_tables_of_the_route(
    match: str, severities: set[Severity], *, wanted: bool
) -> None:
    assert Route(PAGES, match=match, severities=frozenset(severities)).wants(STORM) is wanted


@pytest.mark.parametrize(
    ("match", "now", "quiet"),
    [
        pytest.param("billing", MIDNIGHT, True, id="its table only warns"),
        pytest.param("billing", NOON, False, id="out of its quiet hours"),
        pytest.param("*", MIDNIGHT, False, id="one of its tables is critical"),
        pytest.param("users", MIDNIGHT, False, id="its tables have changed since: the alert's own severity"),
    ],
)
def test_quiet_hours_hold_a_storm_by_the_tables_of_the_route(
    faked: AwsClients, match: str, now: float, *, quiet: bool
) -> None:
    assert sns_notifier(faked, [Route(PAGES, match=match, quiet=NIGHT)]).is_quiet(PAGES, STORM, now) is quiet
