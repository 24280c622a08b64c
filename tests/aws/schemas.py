"""What each receiver reads, as a strict schema: exact keys, exact types, documented lengths. Unknown keys are mistakes.

A schema is a function from a value and its path to the mistakes in it, one sentence each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping

from watcher.aws.formats import REGION_NAMES, Format
from watcher.core.reasons import AlertKind, Cause, IncidentState, Severity

Schema = Callable[[object, str], Iterator[str]]


def text(pattern: str = r"[\s\S]*", *, least: int = 0, most: int | None = None) -> Schema:
    def check(value: object, path: str) -> Iterator[str]:
        if not isinstance(value, str):
            yield f"{path} is {value!r}, not a text"
        elif not re.fullmatch(pattern, value):
            yield f"{path} is {value!r}, which is not like {pattern}"
        elif len(value) < least or (most is not None and len(value) > most):
            yield f"{path} has {len(value)} characters, not {least} to {most}"

    return check


def one_of(*allowed: object) -> Schema:
    def check(value: object, path: str) -> Iterator[str]:
        if not any(value == choice and type(value) is type(choice) for choice in allowed):
            yield f"{path} is {value!r}, none of {allowed}"

    return check


def whole(least: int) -> Schema:
    def check(value: object, path: str) -> Iterator[str]:
        if type(value) is not int or value < least:
            yield f"{path} is {value!r}, not a whole number from {least}"

    return check


def either(*schemas: Schema) -> Schema:
    def check(value: object, path: str) -> Iterator[str]:
        found = [list(schema(value, path)) for schema in schemas]
        if all(found):
            yield " or ".join(mistakes[0] for mistakes in found)

    return check


def list_of(item: Schema, *, most: int | None = None) -> Schema:
    def check(value: object, path: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield f"{path} is {value!r}, not a list"
            return
        if most is not None and len(value) > most:
            yield f"{path} has {len(value)} items, more than {most}"
        for place, member in enumerate(value):
            yield from item(member, f"{path}[{place}]")

    return check


def mapping(value_schema: Schema) -> Schema:
    def check(value: object, path: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{path} is {value!r}, not an object"
            return
        for name, member in value.items():
            yield from text(least=1)(name, f"{path} key")
            yield from value_schema(member, f"{path}.{name}")

    return check


def record(keys: Mapping[str, Schema]) -> Schema:
    def check(value: object, path: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{path} is {value!r}, not an object"
            return
        yield from (f"{path}.{name} is missing" for name in keys if name not in value)
        yield from (f"{path}.{name} is unknown" for name in value if name not in keys)
        for name, schema in keys.items():
            if name in value:
                yield from schema(value[name], f"{path}.{name}")

    return check


NULL = one_of(None)
TRUE, FALSE = one_of(True), one_of(False)  # noqa: FBT003 - values of JSON
SOME = text(least=1)
ANY_ACCOUNT = either(text(r"[0-9]{12}"), one_of(""))
UTC = text(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
ALARM_TIME = text(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000")
TABLE_NAME = text(r"[A-Za-z0-9_.-]{3,255}")
STATES = one_of(*(state.value for state in IncidentState))
SEVERITIES = one_of(*(severity.value for severity in Severity))
CAUSES = one_of(*(cause.value for cause in Cause))
REGION = text(r"[a-z]{2,4}(-[a-z]+)+-[0-9]")

ALERT = record(
    {
        "incident": SOME,
        "state": STATES,
        "severity": SEVERITIES,
        "cause": CAUSES,
        "kind": one_of(*(kind.value for kind in AlertKind)),
        "table": either(TABLE_NAME, NULL),
        "index": either(TABLE_NAME, NULL),
        "account": either(text(r"[0-9]{12}"), NULL),
        "region": REGION,
        "sequence": whole(1),
        "reminder": either(TRUE, FALSE),
        "time": UTC,
        "opened_at": UTC,
        "subject": SOME,
        "sentence": text(),
        "facts": mapping(text()),
        "done": text(),
        "todo": text(),
        "links": mapping(text()),
        "tables": list_of(TABLE_NAME),
    }
)

ALARM = record(
    {
        "AlarmName": text(r"watcher-[\x20-\x7e]+", least=1, most=255),
        "AlarmDescription": text(most=1024),
        "AWSAccountId": ANY_ACCOUNT,
        "AlarmConfigurationUpdatedTimestamp": ALARM_TIME,
        "NewStateValue": one_of("ALARM", "OK"),
        "NewStateReason": text(most=1023),
        "StateChangeTime": ALARM_TIME,
        "Region": one_of(*REGION_NAMES.values()),
        "AlarmArn": text(r"arn:aws[a-z-]*:cloudwatch:[a-z0-9-]+:([0-9]{12})?:alarm:watcher-.+"),
        "OldStateValue": one_of("ALARM", "OK"),
        "OKActions": list_of(SOME),
        "AlarmActions": list_of(SOME),
        "InsufficientDataActions": list_of(SOME),
        "Trigger": record(
            {
                "MetricName": CAUSES,
                "Namespace": one_of("Watcher/DynamoDB"),
                "StatisticType": one_of("Statistic"),
                "Statistic": one_of("SUM"),
                "Unit": NULL,
                "Dimensions": list_of(record({"value": SOME, "name": SOME}), most=2),
                "Period": whole(1),
                "EvaluationPeriods": whole(1),
                "DatapointsToAlarm": whole(1),
                "ComparisonOperator": one_of("GreaterThanThreshold"),
                "Threshold": one_of(0.0),
                "TreatMissingData": one_of("notBreaching"),
                "EvaluateLowSampleCountPercentile": one_of(""),
            }
        ),
        "Watcher": ALERT,
    }
)

CHAT = record(
    {
        "version": one_of("1.0"),
        "source": one_of("custom"),
        "id": SOME,
        "content": record(
            {
                "textType": one_of("client-markdown"),
                "title": text(r"[^<>&\n]+", least=1, most=150),
                "description": text(least=1, most=3000),
                "nextSteps": list_of(text(least=1, most=3000), most=3),
                "keywords": list_of(text(least=1), most=4),
            }
        ),
        "metadata": record(
            {
                "threadId": SOME,
                "summary": text(r"[^<>&\n]+", least=1, most=150),
                "eventType": text(r"watcher\.(open|worsened|resolved)"),
                "relatedResources": list_of(
                    text(r"arn:aws[a-z-]*:dynamodb:[a-z0-9-]+:[0-9]{12}:table/[A-Za-z0-9_.-]{3,255}"), most=20
                ),
                "additionalContext": mapping(SOME),
                "enableCustomActions": FALSE,
            }
        ),
    }
)

# What SQS takes in a message's body (see AWS docs: SendMessage), and SNS would have to deliver.
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def mistakes(form: Format, subject: str, body: str) -> list[str]:
    """Everything that is wrong with a message; none for a good one."""
    found = list(_of_subject(subject))
    if NOT_XML.search(body):
        found.append("the body has a character that SQS refuses")
    if form is Format.TEXT:
        return found + list(_of_text(body))
    document = json.loads(body)
    if form is Format.CHAT:
        return found + list(CHAT(document, "chat"))
    found += ALARM(document, "alarm")
    if not subject.startswith(f"{document['NewStateValue']}: "):
        found.append(f"the subject {subject!r} does not start with the body's {document['NewStateValue']}")
    return found


def _of_subject(subject: str) -> Iterator[str]:
    units = len(subject.encode("utf-16-le")) // 2
    if not 1 <= units <= 99:
        yield f"the subject has {units} characters, not 1 to 99"
    if not subject.isprintable() or subject != subject.strip():
        yield f"the subject {subject!r} has line breaks, control characters or space around it"


def _of_text(body: str) -> Iterator[str]:
    parts = body.split("\n---\n")
    if len(parts) != 2:
        yield f"the text has {len(parts) - 1} lines of dashes, not one"
        return
    people, machines = parts
    if not people.strip() or "\n\n\n" in people:
        yield "what people read is empty, or has holes"
    if machines.count("\n") != 1 or not machines.endswith("\n"):
        yield "the JSON is not the last line"
        return
    yield from ALERT(json.loads(machines), "text")
