"""A CloudWatch alarm's notification, as PagerDuty's and Opsgenie's CloudWatch integrations read it.

See AWS docs: Amazon CloudWatch, "Notifying users on alarm changes", for the document; PutMetricAlarm and SetAlarmState
for the longest name, description and reason.

Receivers join messages by AlarmName: an OK closes what an ALARM of the same name opened, and nothing else. So a name
says what an incident is of, and never changes while it is open: of a table, the table's, whatever its cause became; of
a storm, the Region's storm; of the watcher itself, Region and cause. A table that was told on its own before a storm
keeps its own name in its own messages, and is closed by them; one that was told in the storm only was never opened by
its own name, and needs no OK until it is told anew when the storm is over, as an ALARM that changes from OK.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from watcher.aws.formats.record import alert_json, compact
from watcher.aws.formats.region_names import REGION_NAMES
from watcher.aws.permissions import partition
from watcher.clock import utc
from watcher.core.model import Alert
from watcher.core.reasons import Cause, IncidentState

LONGEST_NAME = 255  # PutMetricAlarm: AlarmName
LONGEST_DESCRIPTION = 1024  # PutMetricAlarm: AlarmDescription
LONGEST_REASON = 1023  # SetAlarmState: StateReason
DIGITS = 12  # of the hash that ends a name which had to be cut

STORM = Cause.STORM.value
# A table may be called like a cause.
TAKEN = frozenset(cause.value for cause in Cause)


def alarm(alert: Alert) -> str:
    """Everything that a CloudWatch alarm has, and the alert whole under ``Watcher``."""
    key = alert.table
    name = _name(alert)
    document: dict[str, Any] = {
        "AlarmName": name,
        "AlarmDescription": _description(alert),
        "AWSAccountId": key.account,
        "AlarmConfigurationUpdatedTimestamp": _time(alert.opened_at),
        "NewStateValue": new_state(alert),
        "NewStateReason": _reason(alert),
        "StateChangeTime": _time(alert.time),
        "Region": REGION_NAMES.get(key.region, key.region),
        "AlarmArn": f"arn:{partition(key.region)}:cloudwatch:{key.region}:{key.account}:alarm:{name}",
        "OldStateValue": _old_state(alert),
        "OKActions": [],
        "AlarmActions": [],
        "InsufficientDataActions": [],
        "Trigger": _trigger(alert),
        "Watcher": alert_json(alert),
    }
    return compact(document)


def alarm_subject(alert: Alert) -> str:
    """Receivers discard a message whose subject does not start with its own NewStateValue."""
    return f"{new_state(alert)}: {alert.subject}"


def new_state(alert: Alert) -> str:
    return "OK" if alert.state is IncidentState.RESOLVED else "ALARM"


def _old_state(alert: Alert) -> str:
    """A reminder says ALARM once more. What opens changes from OK, whatever its number: it may have come back, or be
    the first its reader hears of several; and who acts only on changes must not miss that."""
    opens = alert.state is IncidentState.OPEN and not alert.is_reminder
    return "OK" if opens else "ALARM"


def _name(alert: Alert) -> str:
    key = alert.table
    if key.name:
        place = f"{key.name} (table)" if key.name in TAKEN else key.name  # no table's name has a space
    else:
        place = STORM if alert.tables else alert.cause.value  # the cause of a storm may become another
    name = f"watcher-{key.account}-{key.region}-{place}"
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:DIGITS]
    return f"{name[: LONGEST_NAME - DIGITS - 1]}-{digest}"


def _description(alert: Alert) -> str:
    """What it is of, and where to go: URLs whole or not at all, the runbook first."""
    described = f"{_subject_matter(alert)}."
    for name, url in alert.links:
        longer = f"{described}\n{name}: {url}"
        described = longer if len(longer) <= LONGEST_DESCRIPTION else described
    return described


def _subject_matter(alert: Alert) -> str:
    key = alert.table
    if key.name:
        return f"DynamoDB table {key.name}, watched for throttling and latency"
    if alert.tables:
        return f"DynamoDB tables of {key.region} in trouble together"
    return f"The watcher of DynamoDB in {key.region}, about itself: {alert.cause}"


def _reason(alert: Alert) -> str:
    done = f"Done: {alert.done}" if alert.done else ""
    todo = f"To do: {alert.todo}" if alert.todo else ""
    return _joined((alert.sentence, done, todo), LONGEST_REASON)


def _joined(texts: Sequence[str], limit: int) -> str:
    """The texts in ``limit`` characters; where they are too long, the longest give way, and the whole is in Watcher."""
    texts = [text for text in texts if text]
    room = limit - max(0, len(texts) - 1)
    kept = dict.fromkeys(range(len(texts)), 0)
    by_length = sorted(kept, key=lambda place: len(texts[place]))
    for waiting, place in zip(range(len(texts), 0, -1), by_length, strict=True):
        kept[place] = min(len(texts[place]), room // waiting)
        room -= kept[place]
    return " ".join(
        text if len(text) <= kept[place] else text[: kept[place] - 3] + "..." for place, text in enumerate(texts)
    )


def _trigger(alert: Alert) -> dict[str, Any]:
    return {
        "MetricName": alert.cause.value,
        "Namespace": "Watcher/DynamoDB",  # the verdict is the watcher's, no single metric of AWS says it
        "StatisticType": "Statistic",
        "Statistic": "SUM",
        "Unit": None,
        "Dimensions": _dimensions(alert),
        "Period": 60,
        "EvaluationPeriods": 1,
        "DatapointsToAlarm": 1,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 0.0,
        "TreatMissingData": "notBreaching",
        "EvaluateLowSampleCountPercentile": "",
    }


def _dimensions(alert: Alert) -> list[dict[str, str]]:
    key = alert.table
    if not key.name:
        return [{"value": key.region, "name": "Region"}]
    index = [{"value": alert.index, "name": "GlobalSecondaryIndexName"}] if alert.index else []
    return [{"value": key.name, "name": "TableName"}, *index]


def _time(instant: float) -> str:
    return utc(instant).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(instant % 1 * 1000):03d}+0000"
