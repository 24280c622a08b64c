"""An alert as the subject and body of an SNS message, in the format its topic wants. Pure.

text: for people, then the alert as JSON. cloudwatch-alarm: what PagerDuty's and Opsgenie's CloudWatch integrations
read. chat: a custom notification of Amazon Q Developer in chat applications, which drops anything else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from watcher.aws.permissions import partition
from watcher.clock import iso, utc
from watcher.core.model import Alert
from watcher.core.reasons import IncidentState

SUBJECT_LIMIT = 99  # SNS wants less than 100 characters, no line breaks or control characters
MESSAGE_LIMIT = 262_144  # bytes of UTF-8, attributes included (see AWS docs: Publish)
SHORTENED = 1_000  # characters left of a text that has to be cut


class Format(StrEnum):
    TEXT = "text"
    CLOUDWATCH_ALARM = "cloudwatch-alarm"
    CHAT = "chat"


@dataclass(frozen=True, slots=True)
class Message:
    subject: str
    body: str


def render(alert: Alert, form: Format, limit: int = MESSAGE_LIMIT) -> Message:
    """The message; body and attributes together are at most ``limit`` bytes.

    Facts go first when it is too long, last ones first; then the texts are cut. What is missing is said.
    Raises ValueError when even that does not fit, which takes a limit below a few kilobytes.
    """
    room = limit - attribute_bytes(alert.attributes())
    for candidate in _ever_shorter(alert):
        body = _BODIES[form](candidate)
        if len(body.encode()) <= room:
            return Message(subject_line(_SUBJECTS[form](alert)), body)
    raise ValueError(f"an alert of {alert.table} does not fit {limit} bytes")


def attribute_bytes(attributes: Mapping[str, str]) -> int:
    """What message attributes count for: names, types and values."""
    return sum(len(name.encode()) + len("String") + len(value.encode()) for name, value in attributes.items())


def subject_line(text: str) -> str:
    """``text`` as SNS accepts a subject."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= SUBJECT_LIMIT else line[: SUBJECT_LIMIT - 3] + "..."


def alert_json(alert: Alert) -> dict[str, Any]:
    """The alert for machines. Times are ISO 8601 UTC."""
    return {
        **alert.attributes(),
        "index": alert.index or None,
        "sequence": alert.sequence,
        "time": iso(alert.time),
        "opened_at": iso(alert.opened_at),
        "subject": alert.subject,
        "sentence": alert.sentence,
        "facts": dict(alert.facts),
        "done": alert.done,
        "todo": alert.todo,
    }


def _ever_shorter(alert: Alert) -> Iterator[Alert]:
    yield alert
    kept = len(alert.facts)
    while kept:
        kept = kept // 2
        yield _with_facts(alert, kept)
    yield replace(_with_facts(alert, 0), sentence=_cut(alert.sentence), done=_cut(alert.done), todo=_cut(alert.todo))


def _with_facts(alert: Alert, kept: int) -> Alert:
    missing = len(alert.facts) - kept
    said = (("left out", f"{missing} facts, because the message would be too long for SNS"),) if missing else ()
    return replace(alert, facts=alert.facts[:kept] + said)


def _cut(text: str) -> str:
    return text if len(text) <= SHORTENED else text[:SHORTENED] + " ... (shortened)"


def _text(alert: Alert) -> str:
    place = f"table {alert.table.name}" + (f", index {alert.index}" if alert.index else "")
    footer = (
        f"{place}, account {alert.table.account}, {alert.table.region}",
        f"{alert.severity}, {alert.state}, cause {alert.cause}",
        f"incident {alert.incident}, message {alert.sequence}, since {iso(alert.opened_at)}, as of {iso(alert.time)}",
    )
    width = max((len(name) for name, _value in alert.facts), default=0)
    blocks = [
        alert.sentence,
        "\n".join(f"  {name:<{width}}  {value}" for name, value in alert.facts),
        f"Done: {alert.done}" if alert.done else "",
        f"To do: {alert.todo}" if alert.todo else "",
        "\n".join(footer),
    ]
    return "\n\n".join(block for block in blocks if block) + f"\n\n---\n{_compact(alert_json(alert))}\n"


def _alarm(alert: Alert) -> str:
    """A CloudWatch alarm's notification (see AWS docs: Using Amazon CloudWatch alarms). Receivers join messages by
    AlarmName, so it is the table's and an OK closes what an ALARM opened."""
    key = alert.table
    name = f"watcher-{key.account}-{key.region}-{key.name}"
    index = [{"value": alert.index, "name": "GlobalSecondaryIndexName"}] if alert.index else []
    document: dict[str, Any] = {
        "AlarmName": name,
        "AlarmDescription": f"DynamoDB table {key.name}, watched for throttling and latency",
        "AWSAccountId": key.account,
        "AlarmConfigurationUpdatedTimestamp": _alarm_time(alert.opened_at),
        "NewStateValue": _alarm_state(alert),
        "NewStateReason": " ".join(part for part in (alert.sentence, alert.done, alert.todo) if part),
        "StateChangeTime": _alarm_time(alert.time),
        "Region": REGION_NAMES.get(key.region, key.region),
        "AlarmArn": f"arn:{partition(key.region)}:cloudwatch:{key.region}:{key.account}:alarm:{name}",
        "OldStateValue": "OK" if alert.state is IncidentState.OPEN and alert.sequence == 1 else "ALARM",
        "OKActions": [],
        "AlarmActions": [],
        "InsufficientDataActions": [],
        "Trigger": {
            "MetricName": alert.cause.value,
            "Namespace": "Watcher/DynamoDB",  # the verdict is the watcher's, no single metric of AWS says it
            "StatisticType": "Statistic",
            "Statistic": "SUM",
            "Unit": None,
            "Dimensions": [{"value": key.name, "name": "TableName"}, *index],
            "Period": 60,
            "EvaluationPeriods": 1,
            "DatapointsToAlarm": 1,
            "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": 0.0,
            "TreatMissingData": "notBreaching",
            "EvaluateLowSampleCountPercentile": "",
        },
        "Watcher": alert_json(alert),
    }
    return _compact(document)


def _alarm_subject(alert: Alert) -> str:
    """Receivers discard a message whose subject does not start with its own NewStateValue."""
    return f"{_alarm_state(alert)}: {alert.subject}"


def _alarm_state(alert: Alert) -> str:
    return "OK" if alert.state is IncidentState.RESOLVED else "ALARM"


def _alarm_time(instant: float) -> str:
    return utc(instant).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(instant % 1 * 1000):03d}+0000"


def _chat(alert: Alert) -> str:
    """All messages of one incident share a thread (see AWS docs: custom notifications, Amazon Q in chat)."""
    key = alert.table
    facts = "\n".join(f"- {name}: {value}" for name, value in alert.facts)
    document: dict[str, Any] = {
        "version": "1.0",
        "source": "custom",
        "id": alert.id,
        "content": {
            "textType": "client-markdown",
            "title": alert.subject,
            "description": _harmless("\n\n".join(part for part in (alert.sentence, facts, alert.done) if part)),
            "nextSteps": [_harmless(alert.todo)] if alert.todo else [],
            "keywords": [alert.cause.value, alert.severity.value, alert.state.value],
        },
        "metadata": {
            "threadId": alert.incident,
            "summary": alert.subject,
            "eventType": f"watcher.{alert.state.value}",
            "relatedResources": [f"arn:{partition(key.region)}:dynamodb:{key.region}:{key.account}:table/{key.name}"],
            "additionalContext": alert.attributes(),
            "enableCustomActions": False,
        },
    }
    return _compact(document)


def _harmless(text: str) -> str:
    """A key in plain may be anything: no mention of a channel, no link (see Slack's docs: Escaping text)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _compact(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


_BODIES: Mapping[Format, Callable[[Alert], str]] = {
    Format.TEXT: _text,
    Format.CLOUDWATCH_ALARM: _alarm,
    Format.CHAT: _chat,
}
_SUBJECTS: Mapping[Format, Callable[[Alert], str]] = {
    Format.TEXT: lambda alert: alert.subject,
    Format.CLOUDWATCH_ALARM: _alarm_subject,
    Format.CHAT: lambda alert: alert.subject,
}

# As CloudWatch writes them in its alarms; a Region not listed is named by its code.
REGION_NAMES: Mapping[str, str] = {
    "af-south-1": "Africa (Cape Town)",
    "ap-east-1": "Asia Pacific (Hong Kong)",
    "ap-east-2": "Asia Pacific (Taipei)",
    "ap-northeast-1": "Asia Pacific (Tokyo)",
    "ap-northeast-2": "Asia Pacific (Seoul)",
    "ap-northeast-3": "Asia Pacific (Osaka)",
    "ap-south-1": "Asia Pacific (Mumbai)",
    "ap-south-2": "Asia Pacific (Hyderabad)",
    "ap-southeast-1": "Asia Pacific (Singapore)",
    "ap-southeast-2": "Asia Pacific (Sydney)",
    "ap-southeast-3": "Asia Pacific (Jakarta)",
    "ap-southeast-4": "Asia Pacific (Melbourne)",
    "ap-southeast-5": "Asia Pacific (Malaysia)",
    "ap-southeast-6": "Asia Pacific (New Zealand)",
    "ap-southeast-7": "Asia Pacific (Thailand)",
    "ca-central-1": "Canada (Central)",
    "ca-west-1": "Canada West (Calgary)",
    "eu-central-1": "Europe (Frankfurt)",
    "eu-central-2": "Europe (Zurich)",
    "eu-north-1": "Europe (Stockholm)",
    "eu-south-1": "Europe (Milan)",
    "eu-south-2": "Europe (Spain)",
    "eu-west-1": "Europe (Ireland)",
    "eu-west-2": "Europe (London)",
    "eu-west-3": "Europe (Paris)",
    "il-central-1": "Israel (Tel Aviv)",
    "me-central-1": "Middle East (UAE)",
    "me-south-1": "Middle East (Bahrain)",
    "mx-central-1": "Mexico (Central)",
    "sa-east-1": "South America (Sao Paulo)",
    "us-east-1": "US East (N. Virginia)",
    "us-east-2": "US East (Ohio)",
    "us-west-1": "US West (N. California)",
    "us-west-2": "US West (Oregon)",
    "cn-north-1": "China (Beijing)",
    "cn-northwest-1": "China (Ningxia)",
    "us-gov-east-1": "AWS GovCloud (US-East)",
    "us-gov-west-1": "AWS GovCloud (US-West)",
    "eusc-de-east-1": "AWS European Sovereign Cloud (Germany)",
}
