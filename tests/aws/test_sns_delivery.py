"""Alerts through the real notifier, a stand-in SNS and its SQS subscribers, as their receivers read them.

What moto cannot do is not shown: its SNS does not deduplicate (its FIFO queues do, by the deduplication id that SNS
passes on), and it does not limit raw delivery to ten attributes, which is asserted here instead.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from tests.aws import schemas
from tests.aws.conftest import ACCOUNT, DUMMY, REGION
from tests.aws.test_formats import ALERT, HOT
from tests.aws.test_formats_parts import BLIND, LINKED, LINKS, NAMES, OF_THE_WATCHER, STORM
from watcher.aws.client import AwsClients
from watcher.aws.compose import sns_notifier
from watcher.aws.formats import MESSAGE_LIMIT, Format, alert_json, attribute_bytes, render
from watcher.aws.sns import Route
from watcher.core.merge import merged
from watcher.core.model import Alert, TableKey
from watcher.core.reasons import Cause, IncidentState, Severity
from watcher.ports import Outgoing

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType

OPEN, WORSENED, RESOLVED = IncidentState.OPEN, IncidentState.WORSENED, IncidentState.RESOLVED
ATTRIBUTES = {"incident", "state", "severity", "cause", "table", "index", "account", "region"}
RAW_LIMIT = 10  # attributes of a message delivered raw to SQS (see AWS docs: Amazon SNS message attributes)


@dataclass(frozen=True)
class Received:
    """One message of a queue, out of SNS's envelope. subject: "" where it was delivered raw."""

    subject: str
    body: str
    attributes: dict[str, str]
    group: str
    deduplication: str


@dataclass(frozen=True)
class Post:
    """A stand-in SNS with SQS behind it."""

    clients: AwsClients
    sqs: SQSClient

    def topic(self, name: str) -> str:
        attributes = {"FifoTopic": "true"} if name.endswith(".fifo") else {}
        return self.clients.sns(REGION).create_topic(Name=name, Attributes=attributes)["TopicArn"]

    def subscriber(
        self, topic: str, name: str, *, raw: bool = False, policy: object = None, body: object = None
    ) -> str:
        """The queue's URL. policy: a filter of message attributes; body: one of the message's body."""
        fifo: dict[QueueAttributeNameType, str] = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
        url = self.sqs.create_queue(QueueName=name, Attributes=fifo)["QueueUrl"]
        attributes = {"RawMessageDelivery": "true"} if raw else {}
        if policy or body:
            scope = "MessageBody" if body else "MessageAttributes"
            attributes |= {"FilterPolicyScope": scope, "FilterPolicy": json.dumps(policy or body)}
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
        self.clients.sns(REGION).subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=attributes)
        return url

    def send(self, topic: str, alerts: Sequence[Alert], form: Format = Format.TEXT) -> None:
        notifier = sns_notifier(self.clients, [Route(topic, form)])
        for alert in alerts:
            notifier.publish(Outgoing(alert.id, topic, alert))

    def received(self, url: str) -> list[Received]:
        """All that is in a queue, in its order."""
        found: list[Received] = []
        while batch := self._next(url):
            found += batch
        return found

    def _next(self, url: str) -> list[Received]:
        answer = self.sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
            WaitTimeSeconds=0,
        )
        found = []
        for message in answer.get("Messages", []):
            found.append(_read(message))
            self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found


def _read(message: Any) -> Received:  # noqa: ANN401 - as botocore's stubs differ from what moto sends
    system = message.get("Attributes", {})
    group, deduplication = system.get("MessageGroupId", ""), system.get("MessageDeduplicationId", "")
    raw = message.get("MessageAttributes")
    if raw is not None:
        values = {name: value["StringValue"] for name, value in raw.items()}
        return Received("", message["Body"], values, group, deduplication)
    envelope = json.loads(message["Body"])
    assert all(value["Type"] == "String" for value in envelope["MessageAttributes"].values())
    values = {name: value["Value"] for name, value in envelope["MessageAttributes"].items()}
    return Received(envelope["Subject"], envelope["Message"], values, group, deduplication)


@pytest.fixture
def post(moto: AwsClients, moto_url: str) -> Iterator[Post]:
    sqs = boto3.client(
        "sqs",
        region_name=REGION,
        endpoint_url=moto_url,
        aws_access_key_id=DUMMY.access_key,
        aws_secret_access_key=DUMMY.secret_key,
    )
    yield Post(moto, sqs)
    sqs.close()


def course(alert: Alert) -> list[Alert]:
    """Everything that can be told of one incident: opened, worsened, still open, ended, come back."""
    return [
        replace(alert, state=OPEN, sequence=1),
        replace(alert, state=WORSENED, severity=Severity.CRITICAL, sequence=2),
        replace(alert, state=OPEN, repeats=(3600.0,), sequence=3),
        replace(alert, state=RESOLVED, sequence=4),
        replace(alert, state=OPEN, sequence=5),
    ]


OF_TABLES = [
    replace(LINKED, cause=cause, incident=f"{REGION}.{cause}-table.1795348800")
    for cause in Cause
    if cause not in (Cause.NONE, Cause.STORM, *OF_THE_WATCHER[1:])
]
OF_REGIONS = [STORM, *(replace(BLIND, cause=cause, links=LINKS) for cause in OF_THE_WATCHER)]
UNKNOWN_ACCOUNT = replace(BLIND, table=TableKey("", REGION, ""), incident="us-east-1.blind.1795348801")
MERGED = merged(course(HOT)[:2], told=False)
MERGED_TO_THE_END = merged(course(HOT)[:4], told=False)
EVERYTHING = [
    *(message for alert in (*OF_TABLES, *OF_REGIONS, UNKNOWN_ACCOUNT) for message in course(alert)),
    MERGED,
    MERGED_TO_THE_END,
]


def record(received: Received, form: Format) -> Any:  # noqa: ANN401 - whatever JSON says
    document = json.loads(received.body.split("\n---\n")[-1])
    return document["Watcher"] if form is Format.CLOUDWATCH_ALARM else document


@pytest.mark.parametrize("form", list(Format))
def test_every_message_arrives_as_its_receiver_reads_it(post: Post, form: Format) -> None:
    topic = post.topic("pages")
    queue = post.subscriber(topic, "receiver")
    post.send(topic, EVERYTHING, form)
    received = post.received(queue)
    assert len(received) == len(EVERYTHING) > 50
    for sent, got in zip(EVERYTHING, received, strict=True):
        assert schemas.mistakes(form, got.subject, got.body) == []
        assert (got.subject, got.body) == (render(sent, form).subject, render(sent, form).body)
        assert got.attributes == sent.attributes()
        assert set(got.attributes) == ATTRIBUTES
        assert all(got.attributes.values())
        if form is Format.CHAT:
            assert record(got, form)["metadata"]["threadId"] == sent.incident
        else:
            assert record(got, form) == alert_json(sent)


def test_raw_delivery_keeps_body_and_attributes(post: Post) -> None:
    topic = post.topic("pages")
    queue = post.subscriber(topic, "raw", raw=True)
    post.send(topic, [STORM, LINKED], Format.CHAT)
    for sent, got in zip([STORM, LINKED], post.received(queue), strict=True):
        assert schemas.mistakes(Format.CHAT, "raw delivery has none", got.body) == []
        assert got.attributes == sent.attributes()
        assert len(got.attributes) <= RAW_LIMIT


@pytest.mark.parametrize("form", list(Format))
def test_what_is_too_long_arrives_shorter(post: Post, form: Format) -> None:
    topic = post.topic("pages")
    queue = post.subscriber(topic, "raw", raw=True)
    post.send(topic, [replace(STORM, tables=tuple(f"orders-{number:06}" for number in range(30_000)))], form)
    (got,) = post.received(queue)
    assert schemas.mistakes(form, "ALARM: raw delivery has none", got.body) == []
    assert len(got.body.encode()) + attribute_bytes(got.attributes) <= MESSAGE_LIMIT
    assert "of 30,000 tables, because the message would be too long" in got.body


def told_by(received: Sequence[Received]) -> list[tuple[str, str]]:
    return [(got.attributes["incident"], got.attributes["state"]) for got in received]


CRITICAL_STORM = replace(STORM, severity=Severity.CRITICAL)
WARNING = replace(ALERT, incident="w", severity=Severity.WARNING, state=OPEN)
HOT_ORDERS = replace(HOT, incident="h", state=OPEN)
HOT_USERS = replace(HOT, incident="u", state=RESOLVED, table=TableKey(ACCOUNT, REGION, "users"), index="")
OWN = replace(BLIND, incident="b", severity=Severity.WARNING)
MIXED = [CRITICAL_STORM, WARNING, HOT_ORDERS, HOT_USERS, OWN]


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        pytest.param({"severity": ["critical"]}, [CRITICAL_STORM, HOT_ORDERS, HOT_USERS], id="only what is critical"),
        pytest.param({"cause": ["key-range"]}, [HOT_ORDERS, HOT_USERS], id="one cause"),
        pytest.param({"cause": [{"anything-but": ["key-range"]}]}, [CRITICAL_STORM, WARNING, OWN], id="any other"),
        pytest.param({"table": [{"prefix": "ord"}]}, [WARNING, HOT_ORDERS], id="tables by their beginning"),
        pytest.param({"table": ["-"]}, [CRITICAL_STORM, OWN], id="what is of no table"),
        pytest.param({"index": ["-"]}, [CRITICAL_STORM, HOT_USERS, OWN], id="what is of no index"),
        pytest.param({"state": ["resolved"]}, [HOT_USERS], id="ends"),
        pytest.param({"region": ["eu-west-1"]}, [], id="another Region"),
        pytest.param({"incident": [{"exists": True}]}, MIXED, id="all of them have an incident"),
        pytest.param(
            {"severity": ["critical"], "state": ["open", "worsened"], "table": [{"prefix": "ord"}]},
            [HOT_ORDERS],
            id="several together",
        ),
    ],
)
def test_filter_policies_route_by_attributes(post: Post, policy: dict[str, object], wanted: list[Alert]) -> None:
    topic = post.topic("pages")
    queue, everything = post.subscriber(topic, "some", policy=policy), post.subscriber(topic, "all")
    post.send(topic, MIXED)
    expected = [(alert.incident, alert.state.value) for alert in wanted]
    assert told_by(post.received(queue)) == expected
    assert len(post.received(everything)) == len(MIXED)


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        pytest.param({"NewStateValue": ["ALARM"]}, ["open", "worsened", "open", "open"], id="alarms"),
        pytest.param({"NewStateValue": ["OK"]}, ["resolved"], id="ends"),
        pytest.param({"OldStateValue": ["OK"]}, ["open", "open"], id="what opens, and opens again, but no reminder"),
        pytest.param({"Watcher": {"reminder": [True]}}, ["open"], id="reminders"),
        pytest.param({"Watcher": {"kind": ["latency"]}}, [], id="another kind"),
        pytest.param(
            {"NewStateValue": ["ALARM"], "Watcher": {"severity": ["critical"], "kind": ["throttling"]}},
            ["worsened"],
            id="several together",
        ),
    ],
)
def test_filter_policies_route_alarms_by_body(post: Post, policy: dict[str, object], wanted: list[str]) -> None:
    topic = post.topic("alarms")
    queue = post.subscriber(topic, "some", body=policy)
    post.send(topic, course(replace(LINKED, severity=Severity.WARNING)), Format.CLOUDWATCH_ALARM)
    assert [state for _, state in told_by(post.received(queue))] == wanted


def test_an_ok_closes_what_its_alarm_opened_and_nothing_else(post: Post) -> None:
    """A receiver that joins by AlarmName, through a storm: a table told before it, one told in it and anew after it."""
    topic = post.topic("alarms")
    queue = post.subscriber(topic, "pager")
    before, within = (
        replace(ALERT, incident=f"i-{name}", table=TableKey(ACCOUNT, REGION, name), state=OPEN, sequence=1)
        for name in NAMES[:2]
    )
    own = replace(BLIND, sequence=1)
    story = [
        before,
        STORM,
        own,
        replace(STORM, state=WORSENED, cause=Cause.BLIND, sequence=2),
        replace(own, state=RESOLVED, sequence=2),
        replace(STORM, state=RESOLVED, cause=Cause.BLIND, sequence=3),
        replace(within, sequence=2),
        replace(before, state=RESOLVED, sequence=4, cause=Cause.KEY_RANGE, index=""),
        replace(within, state=RESOLVED, sequence=3),
    ]
    post.send(topic, story, Format.CLOUDWATCH_ALARM)
    still_open: list[set[str]] = []
    names: set[str] = set()
    for got in post.received(queue):
        document = json.loads(got.body)
        assert (document["AlarmName"] in names) == (document["OldStateValue"] == "ALARM")
        names = (
            names | {document["AlarmName"]} if document["NewStateValue"] == "ALARM" else names - {document["AlarmName"]}
        )
        still_open.append({name.removeprefix(f"watcher-{ACCOUNT}-{REGION}-") for name in names})
    first, second = NAMES[:2]
    assert still_open == [
        {first},
        {first, "storm"},
        {first, "storm", "blind"},
        {first, "storm", "blind"},
        {first, "storm"},
        {first},
        {first, second},
        {second},
        set(),
    ]


class TestFifo:
    def test_an_incident_keeps_its_order_among_others(self, post: Post) -> None:
        topic = post.topic("pages.fifo")
        queue = post.subscriber(topic, "pages.fifo")
        mixed = [message for pair in zip(course(LINKED), course(STORM), strict=True) for message in pair]
        post.send(topic, mixed)
        received = post.received(queue)
        for incident in (LINKED.incident, STORM.incident):
            own = [got for got in received if got.group == incident]
            assert [record(got, Format.TEXT)["sequence"] for got in own] == [1, 2, 3, 4, 5]
        assert len(received) == len(mixed)
        assert {got.deduplication for got in received} == {alert.id for alert in mixed}

    def test_a_message_sent_again_is_dropped(self, post: Post) -> None:
        topic = post.topic("pages.fifo")
        queue = post.subscriber(topic, "pages.fifo")
        post.send(topic, [*course(LINKED)[:2], *course(LINKED)[:3]])
        sequences = [record(got, Format.TEXT)["sequence"] for got in post.received(queue)]
        assert sequences == [1, 2, 3]

    def test_a_merged_story_has_the_id_of_its_last_message(self, post: Post) -> None:
        topic = post.topic("pages.fifo")
        queue = post.subscriber(topic, "pages.fifo")
        post.send(topic, [MERGED_TO_THE_END])
        (got,) = post.received(queue)
        assert (got.group, got.deduplication) == (HOT.incident, f"{HOT.incident}-4")
        assert got.attributes["state"] == "resolved"
        assert schemas.mistakes(Format.TEXT, got.subject, got.body) == []

    def test_the_longest_names_fit(self, post: Post) -> None:
        topic = post.topic("pages.fifo")
        queue = post.subscriber(topic, "pages.fifo")
        name = "x" * 255
        long = replace(ALERT, incident=f"{REGION}.{name}.1795348800", table=TableKey(ACCOUNT, REGION, name), index=name)
        post.send(topic, course(long))
        received = post.received(queue)
        assert [record(got, Format.TEXT)["sequence"] for got in received] == [1, 2, 3, 4, 5]
        assert len({got.group for got in received}) == 1
        assert all(len(got.group) <= 128 and len(got.deduplication) <= 128 for got in received)
