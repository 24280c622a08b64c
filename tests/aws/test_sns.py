"""Routing alerts to topics, publishing them, and telling what is worth another try."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.aws.conftest import ACCOUNT, REGION
from tests.aws.fake import HTML_500, FakeAws, Reply, query_fault
from tests.aws.test_formats import ALERT
from watcher.aws.client import AwsClients
from watcher.aws.compose import sns_notifier
from watcher.aws.formats import Format
from watcher.aws.sns import Route, publish_request, topic_region
from watcher.core.reasons import Severity
from watcher.errors import DeliveryError
from watcher.ports import Outgoing

PAGES = f"arn:aws:sns:{REGION}:{ACCOUNT}:pages"
CHAT = f"arn:aws:sns:eu-west-1:{ACCOUNT}:chat"
FIFO = f"arn:aws:sns:{REGION}:{ACCOUNT}:pages.fifo"
OK = Reply(
    200, "<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>", "text/xml"
)
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
    ],
)
def test_routing(faked: AwsClients, routes: list[Route], severity: Severity, topics: list[str]) -> None:
    assert sns_notifier(faked, routes).topics_for(replace(ALERT, severity=severity)) == topics


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
    ("answer", "retryable", "hint"),
    [
        pytest.param(query_fault("NotFound", status=404), False, "create the topic", id="no such topic"),
        pytest.param(query_fault("AuthorizationError", status=403), False, "allow sns:Publish", id="not allowed"),
        pytest.param(query_fault("InvalidParameter"), False, "", id="AWS does not like the message"),
        pytest.param(query_fault("KMSDisabled"), False, "KMS key", id="the topic's key is disabled"),
        pytest.param(query_fault("KMSAccessDenied"), False, "KMS key", id="the topic's key is not ours to use"),
        pytest.param(query_fault("KMSThrottling"), True, "KMS key", id="the key service is busy"),
        pytest.param(query_fault("Throttled", status=429), True, "later", id="throttled"),
        pytest.param(query_fault("InternalError", status=500), True, "", id="AWS failed"),
        pytest.param(query_fault("ExpiredToken", status=403), True, "credentials", id="credentials can be renewed"),
        pytest.param(HTML_500, True, "", id="a web page"),
    ],
)
def test_what_is_worth_another_try(
    faked: AwsClients, fake: FakeAws, answer: Reply, *, retryable: bool, hint: str
) -> None:
    fake.script("Publish", answer)
    with pytest.raises(DeliveryError) as caught:
        sns_notifier(faked, [Route(PAGES)]).publish(Outgoing("m", PAGES, ALERT))
    assert caught.value.retryable is retryable
    assert hint in caught.value.hint
    assert len(fake.sent("Publish")) == 1


def test_a_topic_that_left_the_config_is_given_up(faked: AwsClients, fake: FakeAws) -> None:
    with pytest.raises(DeliveryError, match="not in the config any more") as caught:
        sns_notifier(faked, [Route(PAGES)]).publish(Outgoing("m", CHAT, ALERT))
    assert not caught.value.retryable
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
    assert not caught.value.retryable
