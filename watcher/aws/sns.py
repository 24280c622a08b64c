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
from watcher.core.quiet import QuietHours
from watcher.core.reasons import AlertKind, Severity
from watcher.errors import AwsError, AwsNotFound, DeliveryError
from watcher.ports import Outgoing

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

_FIFO_ID = re.compile(r"[A-Za-z0-9!-/:-@\[-`{-~]{1,128}")  # what SNS takes for group and deduplication ids


# What Publish says of a message (see AWS docs: SNS Publish, Errors). All other refusals are the topic's, its key's, or
# the credentials'.
_OF_MESSAGE = frozenset({"InvalidParameter", "ParameterValueInvalid", "InvalidParameterValue", "ValidationException"})
_ABOUT_TOPIC = re.compile(r"\bTopic ?Arn\b|\btopic does not exist\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Route:
    """One ``[[alerts]]`` entry. match: a pattern for the table's name; severities, kinds: those that are sent.

    hears_the_watcher: whether also what concerns no table at all. quiet: hours in which only what is critical is sent,
    None for never. repeat: seconds after which what stays open is told again, 0 for never.
    """

    topic_arn: str
    format: Format = Format.TEXT
    match: str = "*"
    severities: frozenset[Severity] = frozenset(Severity)
    kinds: frozenset[AlertKind] = frozenset(AlertKind)
    hears_the_watcher: bool = True
    quiet: QuietHours | None = None
    repeat: float = 0.0

    def wants(self, alert: Alert) -> bool:
        """Of a message that was folded into a storm, the storm's own tells."""
        if alert.cause.kind not in self.kinds or self.severity_of(alert) not in self.severities:
            return False
        return not alert.storm and (not alert.is_reminder or self.repeat in alert.repeats)

    def severity_of(self, alert: Alert) -> Severity | None:
        """How severe it is for the tables of this route; None when it concerns none of them. Of a storm, those of the
        others do not count."""
        if alert.table.name:
            return alert.severity if fnmatchcase(alert.table.name, self.match) else None
        if not alert.tables:
            return alert.severity if self.hears_the_watcher else None
        concerned = {name for name in alert.tables if fnmatchcase(name, self.match)}
        if not concerned:
            return None
        return Severity.WARNING if concerned.isdisjoint(alert.critical) else Severity.CRITICAL

    def is_quiet(self, alert: Alert, now: float) -> bool:
        """Whether its quiet hours hold the alert now."""
        if self.quiet is None or not self.quiet.holds(now):
            return False
        # Of one that has left the route's tables since it was addressed, the alert's own severity counts.
        return (self.severity_of(alert) or alert.severity) is not Severity.CRITICAL


class SnsNotifier:
    """The Notifier port. clients: by Region of the topics, which need not be a Region that is watched."""

    def __init__(self, clients: Mapping[str, SNSClient], routes: Sequence[Route]) -> None:
        self._clients = clients
        self._routes = tuple(routes)

    def topics_for(self, alert: Alert) -> list[str]:
        """Each topic once, in the config's order, however many of its routes want the alert."""
        return list(dict.fromkeys(route.topic_arn for route in self._routes if route.wants(alert)))

    def is_quiet(self, topic_arn: str, alert: Alert, now: float) -> bool:
        """Whether the quiet hours of every route that brings the alert to this topic hold it, as none does of what is
        critical."""
        routes = self._routes_to(topic_arn, alert)
        return bool(routes) and all(route.is_quiet(alert, now) for route in routes)

    def _routes_to(self, topic_arn: str, alert: Alert) -> list[Route]:
        """The topic's routes that want the alert; all of the topic's when none does, as the config has changed, or the
        incident has, since the alert was addressed."""
        routes = [route for route in self._routes if route.topic_arn == topic_arn]
        return [route for route in routes if route.wants(alert)] or routes

    def publish(self, outgoing: Outgoing) -> None:
        """In the format of the first route that brings the alert to this topic. Raises DeliveryError; of the message,
        and not to be tried again, when the topic has left the config or SNS refuses the message for itself."""
        routes = self._routes_to(outgoing.topic_arn, outgoing.alert)
        if not routes:
            cause = "the topic is not in the config any more"
            raise DeliveryError(cause, subject=outgoing.topic_arn, retryable=False, of_message=True)
        request = publish_request(outgoing, routes[0].format)
        client = self._clients[topic_region(outgoing.topic_arn)]
        try:
            with aws_call(PUBLISH, outgoing.topic_arn):
                client.publish(**request)
        except AwsError as error:
            cause = f"{error.code}: {error.cause}"
            raise DeliveryError(
                cause,
                subject=outgoing.topic_arn,
                hint=_hint(error),
                retryable=error.retryable,
                of_message=_is_of_message(error),
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


def _is_of_message(error: AwsError) -> bool:
    """Whether SNS refuses this message, and would take another one. A topic that is no topic, or one of another Region,
    is an InvalidParameter too, which names TopicArn."""
    return error.code in _OF_MESSAGE and not _ABOUT_TOPIC.search(error.cause)


def _hint(error: AwsError) -> str:
    if error.code.startswith("KMS"):
        return "check the topic's KMS key and its key policy"
    if isinstance(error, AwsNotFound):
        return "create the topic, or correct topic_arn"
    return error.hint
