"""What an alert looks like on each kind of topic."""

from __future__ import annotations

import json
from dataclasses import replace

import botocore.session
import pytest

from tests.aws.conftest import ACCOUNT, NOON, REGION
from watcher.aws.formats import REGION_NAMES, SUBJECT_LIMIT, Format, render, subject_line
from watcher.core.model import Alert, TableKey
from watcher.core.reasons import Cause, IncidentState, Severity

ALERT = Alert(
    incident="orders-1795348800",
    sequence=2,
    state=IncidentState.WORSENED,
    severity=Severity.CRITICAL,
    cause=Cause.PROVISIONED,
    table=TableKey(ACCOUNT, REGION, "orders"),
    index="by-day",
    time=NOON + 90.5,
    opened_at=NOON,
    subject="orders: 12 % of writes throttled",
    sentence="Index by-day of orders needs 800 writes a second and has 400.",
    facts=(("provisioned", "400"), ("estimated demand", "800")),
    done="Writes of index by-day were raised from 400 to 1143.",
    todo="Nothing; this message closes by itself.",
)


def test_text_is_for_people_then_for_machines() -> None:
    message = render(ALERT, Format.TEXT)
    people, machines = message.body.split("\n---\n")
    assert message.subject == ALERT.subject
    assert people == (
        "Index by-day of orders needs 800 writes a second and has 400.\n"
        "\n"
        "  provisioned       400\n"
        "  estimated demand  800\n"
        "\n"
        "Done: Writes of index by-day were raised from 400 to 1143.\n"
        "\n"
        "To do: Nothing; this message closes by itself.\n"
        "\n"
        "table orders, index by-day, account 123456789012, us-east-1\n"
        "critical, worsened, cause provisioned\n"
        "incident orders-1795348800, message 2, opened 2026-11-22T12:00:00Z, as of 2026-11-22T12:01:30Z\n"
    )
    assert json.loads(machines) == {
        "incident": "orders-1795348800",
        "sequence": 2,
        "state": "worsened",
        "severity": "critical",
        "cause": "provisioned",
        "table": "orders",
        "index": "by-day",
        "account": ACCOUNT,
        "region": REGION,
        "kind": "throttling",
        "reminder": False,
        "time": "2026-11-22T12:01:30Z",
        "opened_at": "2026-11-22T12:00:00Z",
        "subject": ALERT.subject,
        "sentence": ALERT.sentence,
        "facts": {"provisioned": "400", "estimated demand": "800"},
        "done": ALERT.done,
        "todo": ALERT.todo,
        "links": {},
        "tables": [],
    }


def test_text_leaves_out_what_there_is_not() -> None:
    bare = replace(ALERT, index="", facts=(), done="", todo="")
    people, machines = render(bare, Format.TEXT).body.split("\n---\n")
    assert "Done" not in people
    assert "To do" not in people
    assert "\n\n\n" not in people
    assert json.loads(machines)["index"] is None


@pytest.mark.parametrize(
    ("state", "sequence", "word", "before"),
    [
        pytest.param(IncidentState.OPEN, 1, "ALARM", "OK", id="opens"),
        pytest.param(IncidentState.OPEN, 4, "ALARM", "OK", id="opens again, or for who has not heard of it"),
        pytest.param(IncidentState.WORSENED, 2, "ALARM", "ALARM", id="stays open"),
        pytest.param(IncidentState.RESOLVED, 3, "OK", "ALARM", id="closes"),
    ],
)
def test_alarm_states_agree_with_the_subject(state: IncidentState, sequence: int, word: str, before: str) -> None:
    message = render(replace(ALERT, state=state, sequence=sequence), Format.CLOUDWATCH_ALARM)
    document = json.loads(message.body)
    assert message.subject == f"{word}: {ALERT.subject}"
    assert (document["NewStateValue"], document["OldStateValue"]) == (word, before)


def test_an_ok_closes_the_alarm_of_its_table_whatever_else_changed() -> None:
    opened = json.loads(render(replace(ALERT, state=IncidentState.OPEN), Format.CLOUDWATCH_ALARM).body)
    changed = replace(ALERT, state=IncidentState.RESOLVED, sequence=9, cause=Cause.KEY_RANGE, index="", time=NOON + 900)
    closed = json.loads(render(changed, Format.CLOUDWATCH_ALARM).body)
    assert opened["AlarmName"] == closed["AlarmName"] == f"watcher-{ACCOUNT}-us-east-1-orders"
    elsewhere = replace(ALERT, table=replace(ALERT.table, region="eu-west-1"))
    assert json.loads(render(elsewhere, Format.CLOUDWATCH_ALARM).body)["AlarmName"] != opened["AlarmName"]


def test_the_alarm_has_every_key_of_cloudwatchs_own() -> None:
    document = json.loads(render(ALERT, Format.CLOUDWATCH_ALARM).body)
    trigger = document.pop("Trigger")
    assert document.pop("Watcher")["incident"] == ALERT.incident
    assert document == {
        "AlarmName": f"watcher-{ACCOUNT}-us-east-1-orders",
        "AlarmDescription": "DynamoDB table orders, watched for throttling and latency.",
        "AWSAccountId": ACCOUNT,
        "AlarmConfigurationUpdatedTimestamp": "2026-11-22T12:00:00.000+0000",
        "NewStateValue": "ALARM",
        "NewStateReason": f"{ALERT.sentence} Done: {ALERT.done} To do: {ALERT.todo}",
        "StateChangeTime": "2026-11-22T12:01:30.500+0000",
        "Region": "US East (N. Virginia)",
        "AlarmArn": f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:watcher-{ACCOUNT}-us-east-1-orders",
        "OldStateValue": "ALARM",
        "OKActions": [],
        "AlarmActions": [],
        "InsufficientDataActions": [],
    }
    assert trigger["MetricName"] == "provisioned"
    assert trigger["Dimensions"] == [
        {"value": "orders", "name": "TableName"},
        {"value": "by-day", "name": "GlobalSecondaryIndexName"},
    ]


def test_region_names_are_botocores() -> None:
    partitions = botocore.session.Session().get_data("endpoints")["partitions"]
    known = {code: about["description"] for part in partitions for code, about in part["regions"].items()}
    assert {code: known.get(code) for code in REGION_NAMES} == dict(REGION_NAMES)


def test_chat_joins_an_incident_in_one_thread() -> None:
    document = json.loads(render(ALERT, Format.CHAT).body)
    assert (document["version"], document["source"], document["id"]) == ("1.0", "custom", "orders-1795348800-2")
    assert document["content"] == {
        "textType": "client-markdown",
        "title": ALERT.subject,
        "description": f"{ALERT.sentence}\n\n- provisioned: 400\n- estimated demand: 800\n\nDone: {ALERT.done}",
        "nextSteps": [ALERT.todo],
        "keywords": ["provisioned", "critical", "worsened"],
    }
    assert document["metadata"]["threadId"] == ALERT.incident
    assert document["metadata"]["additionalContext"] == ALERT.attributes()
    assert document["metadata"]["relatedResources"] == [f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/orders"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param("two\r\nlines\tand\x07 a bell", "two lines and a bell", id="no breaks, no control characters"),
        pytest.param("é \u2028 ü", "é ü", id="UTF-8 stays, its line separator goes"),
        pytest.param("x" * SUBJECT_LIMIT, "x" * SUBJECT_LIMIT, id="99 characters are less than 100"),
        pytest.param("x" * 100, "x" * 96 + "...", id="100 are not"),
        pytest.param("🔥" * 49, "🔥" * 49, id="characters of two UTF-16 units count twice, 98"),
        pytest.param("🔥" * 50, "🔥" * 48 + "...", id="and 100 are too many"),
        pytest.param("a \ud800 b", "a b", id="half a surrogate pair has no bytes"),
    ],
)
def test_subjects_are_what_sns_accepts(text: str, line: str) -> None:
    assert subject_line(text) == line


HOT = replace(
    ALERT,
    cause=Cause.KEY_RANGE,
    subject="orders: writes throttled, one key is too hot; nothing raised",
    sentence="Writes of orders are throttled: one key range is above a partition's 1,000 write units/s.",
    facts=(
        ("demand", "1,350/s"),
        ("hot keys", "One key, key:0a1b2c3d4e5f, takes 86 % of the traffic of orders."),
        ("keys", "key:0a1b2c3d4e5f 86 % of the traffic, 99 % of a partition's ceiling consumed"),
        ("not seen", "Requests in PartiQL are not counted by Contributor Insights."),
    ),
    done="Nothing.",
    todo="More capacity cannot help. Spread key:0a1b2c3d4e5f over 2 shards.",
)


class TestHotKeys:
    @pytest.mark.parametrize("form", list(Format))
    def test_every_format_tells_the_verdict_the_keys_and_the_blind_spots(self, form: Format) -> None:
        body = render(HOT, form).body
        for _, told in HOT.facts:
            assert told in body
        assert HOT.todo in body

    def test_people_read_them_under_each_other(self) -> None:
        body = render(HOT, Format.TEXT).body
        assert (
            "  demand    1,350/s\n"
            "  hot keys  One key, key:0a1b2c3d4e5f, takes 86 % of the traffic of orders.\n"
            "  keys      key:0a1b2c3d4e5f 86 % of the traffic, 99 % of a partition's ceiling consumed\n"
            "  not seen  Requests in PartiQL are not counted by Contributor Insights.\n"
        ) in body

    @pytest.mark.parametrize("form", list(Format))
    def test_a_message_too_long_keeps_the_verdict_and_what_to_do(self, form: Format) -> None:
        long = replace(HOT, facts=(*HOT.facts, *((f"hot keys of index {n}", "é" * 2000) for n in range(200))))
        message = render(long, form)
        assert "one key is too hot" in message.subject
        assert HOT.facts[1][1] in message.body, "the facts of the table come first and go last"
        assert HOT.todo in message.body

    def test_a_key_in_plain_is_text_in_a_chat_and_calls_nobody(self) -> None:
        evil = "<!channel> <https://evil.example|x> a&b"
        alert = replace(HOT, sentence=evil, facts=(("keys", evil),), done=evil, todo=evil)
        document = json.loads(render(alert, Format.CHAT).body)
        harmless = "&lt;!channel&gt; &lt;https://evil.example|x&gt; a&amp;b"
        assert document["content"]["description"] == f"{harmless}\n\n- keys: {harmless}\n\nDone: {harmless}"
        assert document["content"]["nextSteps"] == [harmless]
