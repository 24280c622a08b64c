"""Alerts leave through SNS: which topics an alert goes to, and one Publish each. The outbox retries, not this."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from watcher.aws.client import aws_call
from watcher.aws.formats import Format, render
from watcher.aws.permissions import PUBLISH
from watcher.core.model import Alert
from watcher.core.reasons import Severity
from watcher.errors import AwsError, AwsNotFound, DeliveryError
from watcher.ports import Outgoing

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

_FIFO_ID = re.compile(r"[A-Za-z0-9!-/:-@\[-`{-~]{1,128}")  # what SNS takes for group and deduplication ids


@dataclass(frozen=True, slots=True)
class Route:
    """One ``[[alerts]]`` entry. match: a pattern for the table's name; severities: those that are sent."""

    topic_arn: str
    format: Format = Format.TEXT
    match: str = "*"
    severities: frozenset[Severity] = frozenset(Severity)

    def wants(self, alert: Alert) -> bool:
        return alert.severity in self.severities and fnmatchcase(alert.table.name, self.match)


class SnsNotifier:
    """The Notifier port. clients: by Region of the topics, which need not be a Region that is watched."""

    def __init__(self, clients: Mapping[str, SNSClient], routes: Sequence[Route]) -> None:
        self._clients = clients
        self._routes = tuple(routes)

    def topics_for(self, alert: Alert) -> list[str]:
        """Each topic once, in the config's order, however many of its routes want the alert."""
        return list(dict.fromkeys(route.topic_arn for route in self._routes if route.wants(alert)))

    def publish(self, outgoing: Outgoing) -> None:
        """In the format of the first route of this topic that wants the alert; of the topic's first route when the
        config has changed meanwhile and none does. Raises DeliveryError; not retryable when the topic has left the
        config, or for anything that would fail the same way again."""
        routes = [route for route in self._routes if route.topic_arn == outgoing.topic_arn]
        if not routes:
            raise DeliveryError("the topic is not in the config any more", subject=outgoing.topic_arn, retryable=False)
        route = next((route for route in routes if route.wants(outgoing.alert)), routes[0])
        request = publish_request(outgoing, route.format)
        client = self._clients[topic_region(outgoing.topic_arn)]
        try:
            with aws_call(PUBLISH, outgoing.topic_arn):
                client.publish(**request)
        except AwsError as error:
            cause = f"{error.code}: {error.cause}"
            raise DeliveryError(
                cause, subject=outgoing.topic_arn, hint=_hint(error), retryable=error.retryable
            ) from error


def publish_request(outgoing: Outgoing, form: Format) -> dict[str, Any]:
    """The arguments of Publish. FIFO topics group by incident, so that one incident's messages stay in order, and
    drop a message sent again within five minutes."""
    message = render(outgoing.alert, form)
    request: dict[str, Any] = {
        "TopicArn": outgoing.topic_arn,
        "Subject": message.subject,
        "Message": message.body,
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value} for name, value in outgoing.alert.attributes().items()
        },
    }
    if outgoing.topic_arn.endswith(".fifo"):
        request["MessageGroupId"] = _fifo_id(outgoing.alert.incident)
        request["MessageDeduplicationId"] = _fifo_id(outgoing.id)
    return request


def topic_region(arn: str) -> str:
    """``arn:aws:sns:us-east-1:123456789012:pages`` to ``us-east-1``. Raises ValueError for what is no topic's ARN."""
    parts = arn.split(":")
    if len(parts) != 6 or parts[2] != "sns" or not parts[3]:
        raise ValueError(f"{arn!r} is not the ARN of an SNS topic; it looks like arn:aws:sns:REGION:ACCOUNT:NAME")
    return parts[3]


def _fifo_id(text: str) -> str:
    """As is where SNS allows it; a table's name alone may be longer than the 128 characters SNS takes."""
    return text if _FIFO_ID.fullmatch(text) else hashlib.sha256(text.encode()).hexdigest()


def _hint(error: AwsError) -> str:
    if error.code.startswith("KMS"):
        return "check the topic's KMS key and its key policy"
    if isinstance(error, AwsNotFound):
        return "create the topic, or correct topic_arn"
    return error.hint
