"""Every part of an alert in every format: links, tables, reminders, and alerts of no table."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import botocore.session
import pytest

from tests.aws import schemas
from tests.aws.conftest import ACCOUNT, REGION
from tests.aws.test_formats import ALERT
from watcher.aws.formats import Format, alert_json, render
from watcher.aws.formats.alarm import LONGEST_DESCRIPTION, LONGEST_NAME, LONGEST_REASON
from watcher.core.model import Alert, TableKey
from watcher.core.reasons import Cause, IncidentState, Severity

RUNBOOK = "https://wiki.example.org/dynamodb?cause=provisioned&table=orders"
PAGE = "https://watcher.example.org/#table-us-east-1-orders"
CONSOLE = "https://us-east-1.console.aws.amazon.com/dynamodbv2/home?region=us-east-1#table?name=orders"
LINKS = (("runbook", RUNBOOK), ("page", PAGE), ("console", CONSOLE))
WHOLE_REGION = TableKey(ACCOUNT, REGION, "")

LINKED = replace(ALERT, links=LINKS)
NAMES = tuple(f"orders-{number:02}" for number in range(12))
STORM = replace(
    LINKED,
    incident="us-east-1.storm.1795348800",
    sequence=1,
    state=IncidentState.OPEN,
    cause=Cause.STORM,
    table=WHOLE_REGION,
    index="",
    subject="us-east-1: 12 tables throttle at once; raising 12",
    sentence="12 tables of us-east-1 throttle at once: 12 too little capacity.",
    facts=(("orders-03", "critical, up to 40 % throttled"), ("orders-00", "up to 12 % throttled")),
    tables=NAMES,
)
BLIND = replace(
    ALERT,
    incident="us-east-1.blind.1795348800",
    sequence=1,
    state=IncidentState.OPEN,
    cause=Cause.BLIND,
    table=WHOLE_REGION,
    index="",
    subject="us-east-1: nobody is watching",
    sentence="Nothing of us-east-1 could be read for 3 min.",
    facts=(),
)
OF_THE_WATCHER = [Cause.BLIND, Cause.PERMISSION, Cause.OVERDUE, Cause.LEASE_LOST]


def body(alert: Alert, form: Format) -> str:
    message = render(alert, form)
    assert schemas.mistakes(form, message.subject, message.body) == []
    return message.body


def parsed(alert: Alert, form: Format) -> Any:  # noqa: ANN401 - whatever JSON says
    return json.loads(body(alert, form).split("\n---\n")[-1])


def people(alert: Alert) -> str:
    return body(alert, Format.TEXT).split("\n---\n")[0]


class TestLinks:
    def test_people_find_them_under_each_other_after_what_to_do(self) -> None:
        assert (
            f"\n\nTo do: {ALERT.todo}\n\nLinks:\n  runbook  {RUNBOOK}\n  page     {PAGE}\n  console  {CONSOLE}\n\n"
        ) in people(LINKED)

    @pytest.mark.parametrize("form", [Format.TEXT, Format.CLOUDWATCH_ALARM])
    def test_machines_find_them_by_name(self, form: Format) -> None:
        document = parsed(LINKED, form)
        assert document.get("Watcher", document)["links"] == dict(LINKS)

    def test_an_alarm_says_where_to_go_in_its_description(self) -> None:
        assert parsed(LINKED, Format.CLOUDWATCH_ALARM)["AlarmDescription"] == (
            "DynamoDB table orders, watched for throttling and latency.\n"
            f"runbook: {RUNBOOK}\npage: {PAGE}\nconsole: {CONSOLE}"
        )

    def test_a_url_that_does_not_fit_there_is_left_out_whole_and_the_next_one_is_not(self) -> None:
        long = "https://wiki.example.org/" + "x" * 975
        alert = replace(LINKED, links=(("runbook", long), ("page", PAGE)))
        description = parsed(alert, Format.CLOUDWATCH_ALARM)["AlarmDescription"]
        assert description.endswith(f"latency.\npage: {PAGE}")
        assert len(description) <= LONGEST_DESCRIPTION

    def test_a_chat_has_the_runbook_as_a_step_and_the_others_below_the_text(self) -> None:
        content = parsed(LINKED, Format.CHAT)["content"]
        assert content["nextSteps"] == [ALERT.todo, f"Follow the <{RUNBOOK.replace('&', '&amp;')}|runbook>"]
        assert content["description"].endswith(f"\n\n<{PAGE}|page> · <{CONSOLE}|console>")

    @pytest.mark.parametrize(
        ("url", "shown"),
        [
            pytest.param("https://x.example/?a=1&b=2", "<https://x.example/?a=1&amp;b=2|page>", id="escaped"),
            pytest.param("https://x.example/<|>", "<https://x.example/%3C%7C%3E|page>", id="stays one link"),
            pytest.param("https://x.example/a b\nc", "<https://x.example/abc|page>", id="has no space"),
            pytest.param("javascript:alert(1)", "page: javascript:alert(1)", id="only of the web"),
        ],
    )
    def test_a_chats_link_is_one_link(self, url: str, shown: str) -> None:
        content = parsed(replace(ALERT, links=(("page", url),)), Format.CHAT)["content"]
        assert content["description"].endswith(f"\n\n{shown}")


class TestWholeRegions:
    @pytest.mark.parametrize(
        ("alert", "place"),
        [
            pytest.param(STORM, f"Region us-east-1, account {ACCOUNT}", id="a storm"),
            pytest.param(BLIND, f"Region us-east-1, account {ACCOUNT}", id="the watcher's own"),
            pytest.param(replace(BLIND, table=TableKey("", REGION, "")), "Region us-east-1", id="no account known yet"),
        ],
    )
    def test_people_read_where_it_is(self, alert: Alert, place: str) -> None:
        assert f"\n\n{place}\ncritical, open, cause {alert.cause}\n" in people(alert)

    @pytest.mark.parametrize("form", [Format.TEXT, Format.CLOUDWATCH_ALARM])
    def test_machines_read_that_there_is_no_table(self, form: Format) -> None:
        document = parsed(replace(BLIND, table=TableKey("", REGION, "")), form)
        record = document.get("Watcher", document)
        assert (record["table"], record["index"], record["account"], record["region"]) == (None, None, None, REGION)
        assert (record["kind"], record["tables"]) == ("watcher", [])

    def test_a_storm_lists_the_tables_that_no_fact_names(self) -> None:
        others = ", ".join(name for name in NAMES if name not in ("orders-00", "orders-03"))
        lines = "".join(people(STORM).split("\n\nOther tables (10):\n")[1].split("\n\n")[0].split("\n"))
        assert " ".join(lines.split()) == others
        assert f"\n\nOther tables (10): {others}" in parsed(STORM, Format.CHAT)["content"]["description"]

    def test_a_storm_without_facts_lists_them_all(self) -> None:
        bare = replace(STORM, facts=())
        assert "\n\nTables (12):\n  orders-00, orders-01," in people(bare)
        assert f"\n\nTables (12): {', '.join(NAMES)}" in parsed(bare, Format.CHAT)["content"]["description"]

    def test_long_lists_of_tables_are_lines_that_can_be_read(self) -> None:
        names = tuple(f"table-{number:04}-{'x' * (number % 90)}" for number in range(200))
        lines = people(replace(STORM, tables=names)).split("\n\nTables (200):\n")[1].split("\n\n")[0].split("\n")
        assert [name.strip() for line in lines for name in line.strip().rstrip(",").split(",")] == list(names)
        assert max(map(len, lines)) <= 2 + 100 + 1, "indent, line, comma"

    def test_machines_read_all_tables(self) -> None:
        assert parsed(STORM, Format.TEXT)["tables"] == list(NAMES)
        assert parsed(STORM, Format.CLOUDWATCH_ALARM)["Watcher"]["tables"] == list(NAMES)

    def test_a_chat_relates_the_first_tables_of_a_storm(self) -> None:
        many = replace(STORM, tables=tuple(f"t-{number:02}" for number in range(21)))
        resources = parsed(many, Format.CHAT)["metadata"]["relatedResources"]
        assert resources == [f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/t-{number:02}" for number in range(20)]

    @pytest.mark.parametrize("alert", [BLIND, replace(STORM, table=TableKey("", REGION, ""))])
    def test_a_chat_relates_nothing_it_cannot_name(self, alert: Alert) -> None:
        assert parsed(alert, Format.CHAT)["metadata"]["relatedResources"] == []

    def test_an_alarm_of_a_region_has_no_table(self) -> None:
        assert parsed(STORM, Format.CLOUDWATCH_ALARM)["Trigger"]["Dimensions"] == [{"value": REGION, "name": "Region"}]


def named(alert: Alert) -> str:
    return str(parsed(alert, Format.CLOUDWATCH_ALARM)["AlarmName"])


class TestAlarmNames:
    """What a receiver joins messages by."""

    def test_a_storm_is_closed_by_its_end_whatever_its_cause_became(self) -> None:
        assert named(STORM) == f"watcher-{ACCOUNT}-us-east-1-storm"
        ended = replace(STORM, state=IncidentState.RESOLVED, cause=Cause.BLIND, tables=(*NAMES, "orders-12"))
        assert named(ended) == named(STORM)
        assert render(ended, Format.CLOUDWATCH_ALARM).subject.startswith("OK: ")

    @pytest.mark.parametrize("cause", OF_THE_WATCHER)
    def test_the_watchers_own_are_named_by_cause(self, cause: Cause) -> None:
        assert named(replace(BLIND, cause=cause)) == f"watcher-{ACCOUNT}-us-east-1-{cause}"

    def test_no_two_incidents_that_can_be_open_at_once_share_a_name(self) -> None:
        regional = [replace(BLIND, cause=cause) for cause in OF_THE_WATCHER]
        storms = [STORM, replace(STORM, table=replace(WHOLE_REGION, region="eu-west-1"))]
        words = {"orders", *(cause.value for cause in Cause), "table-storm", "storm-table"}
        tables = [replace(ALERT, table=TableKey(ACCOUNT, REGION, word)) for word in words]
        names = [named(alert) for alert in (*regional, *storms, *tables)]
        assert len(set(names)) == len(words) + len(regional) + len(storms)

    def test_the_end_of_a_storm_leaves_the_table_that_was_told_before_it_open(self) -> None:
        before = replace(ALERT, table=TableKey(ACCOUNT, REGION, NAMES[0]), state=IncidentState.OPEN)
        own_end = replace(before, state=IncidentState.RESOLVED, sequence=7)
        assert named(replace(STORM, state=IncidentState.RESOLVED)) != named(before) == named(own_end)

    def test_a_table_told_anew_after_a_storm_opens(self) -> None:
        anew = replace(ALERT, table=TableKey(ACCOUNT, REGION, NAMES[0]), state=IncidentState.OPEN, sequence=3)
        document = parsed(anew, Format.CLOUDWATCH_ALARM)
        assert (document["OldStateValue"], document["NewStateValue"]) == ("OK", "ALARM")

    @pytest.mark.parametrize(
        ("length", "cut"),
        [
            pytest.param(LONGEST_NAME - len(f"watcher-{ACCOUNT}-us-east-1-"), False, id="255 characters are a name"),
            pytest.param(LONGEST_NAME - len(f"watcher-{ACCOUNT}-us-east-1-") + 1, True, id="256 are not"),
            pytest.param(255, True, id="the longest name of a table"),
        ],
    )
    def test_long_names_of_tables_stay_apart_within_cloudwatchs_limit(self, length: int, *, cut: bool) -> None:
        one, other = (replace(ALERT, table=TableKey(ACCOUNT, REGION, "x" * (length - 1) + end)) for end in "ab")
        assert len(named(one)) == LONGEST_NAME
        assert named(one) != named(other)
        assert named(one).endswith(one.table.name) is not cut
        assert named(replace(one, state=IncidentState.RESOLVED)) == named(one)


class TestReasons:
    def test_the_limits_are_cloudwatchs_own(self) -> None:
        model = botocore.session.Session().get_service_model("cloudwatch")
        longest = [model.shape_for(name).metadata["max"] for name in ("AlarmName", "AlarmDescription", "StateReason")]
        assert longest == [LONGEST_NAME, LONGEST_DESCRIPTION, LONGEST_REASON]

    @pytest.mark.parametrize(
        ("lengths", "shown"),
        [
            pytest.param((1023, 0, 0), (1023, 0, 0), id="one text alone may have it all"),
            pytest.param((1024, 0, 0), (1023, 0, 0), id="and not more"),
            pytest.param((300, 300, 408), (300, 306, 415), id="three that fit with their labels"),
            pytest.param((300, 300, 409), (300, 306, 415), id="and three that do not, by one character"),
            pytest.param((2000, 100, 100), (1023 - 2 - 106 - 107, 106, 107), id="the longest gives way"),
            pytest.param((2000, 2000, 100), (457, 457, 107), id="the two longest give way alike"),
        ],
    )
    def test_what_is_too_long_gives_way_evenly(
        self, lengths: tuple[int, int, int], shown: tuple[int, int, int]
    ) -> None:
        sentence, done, todo = ("x" * lengths[0], "y" * lengths[1], "z" * lengths[2])
        alert = replace(ALERT, sentence=sentence, done=done, todo=todo)
        document = parsed(alert, Format.CLOUDWATCH_ALARM)
        parts = document["NewStateReason"].replace(" Done: ", "\0Done: ").replace(" To do: ", "\0To do: ").split("\0")
        assert [len(part) for part in parts] == [length for length in shown if length]
        assert len(document["NewStateReason"]) <= LONGEST_REASON
        assert document["Watcher"]["sentence"] == sentence, "the whole is still there"


class TestReminders:
    AGAIN = replace(LINKED, state=IncidentState.OPEN, sequence=4, repeats=(3600.0,))

    def test_people_see_that_it_is_one(self) -> None:
        assert "\ncritical, open (reminder), cause provisioned\n" in people(self.AGAIN)

    def test_an_alarm_says_it_once_more_and_changes_nothing(self) -> None:
        document = parsed(self.AGAIN, Format.CLOUDWATCH_ALARM)
        assert (document["OldStateValue"], document["NewStateValue"]) == ("ALARM", "ALARM")
        assert (document["Watcher"]["reminder"], document["Watcher"]["state"]) == (True, "open")

    def test_a_chat_can_be_searched_for_them(self) -> None:
        assert parsed(self.AGAIN, Format.CHAT)["content"]["keywords"][-1] == "reminder"
        assert "reminder" not in parsed(ALERT, Format.CHAT)["content"]["keywords"]


def test_two_facts_of_one_name_are_both_told() -> None:
    alert = replace(ALERT, facts=(("demand", "1"), ("demand", "2"), ("demand (2)", "3"), ("demand", "4")))
    assert alert_json(alert)["facts"] == {"demand": "1", "demand (2)": "2", "demand (2) (2)": "3", "demand (3)": "4"}


def test_texts_of_several_lines_hang_below_their_first_and_no_line_of_dashes_is_among_them() -> None:
    lines = 'AWS denies it.\n---\n{"sequence":9}'
    alert = replace(ALERT, sentence=lines, facts=(("policy", lines),), done=lines, todo=lines)
    hanging = 'AWS denies it.\n  ---\n  {"sequence":9}'
    assert people(alert).startswith(
        f"{hanging}\n\n"
        '  policy  AWS denies it.\n          ---\n          {"sequence":9}\n\n'
        f"Done: {hanging}\n\nTo do: {hanging}\n\n"
    )
    assert parsed(alert, Format.TEXT)["sequence"] == ALERT.sequence


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        pytest.param("a\x00b\x1b[31mc", r"a\x00b\x1b[31mc", id="control characters are shown as what they are"),
        pytest.param("\u202egnp.exe", r"\u202egnp.exe", id="and so is what turns the direction of reading"),
        pytest.param("half \ud83d", r"half \ud83d", id="and half of a character"),
        pytest.param("tab\there\u2028there\xa0", "tab here there ", id="every space is a space"),
        pytest.param("Zürich 東京 🔥", "Zürich 東京 🔥", id="what can be read stays"),
    ],
)
@pytest.mark.parametrize("form", list(Format))
def test_nothing_is_told_that_cannot_be_seen(form: Format, told: str, shown: str) -> None:
    alert = replace(ALERT, sentence=f"<{told}>")
    document = parsed(alert, form)
    found = {
        Format.TEXT: lambda: document["sentence"],
        Format.CLOUDWATCH_ALARM: lambda: document["Watcher"]["sentence"],
        Format.CHAT: lambda: document["content"]["description"].replace("&lt;", "<").replace("&gt;", ">"),
    }[form]()
    assert found.startswith(f"<{shown}>")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("@here look", "@\u200bhere look", id="calls a channel"),
        pytest.param("ask (@on-call)", "ask (@\u200bon-call)", id="calls a team"),
        pytest.param("ann@example.org", "ann@example.org", id="an address calls nobody"),
        pytest.param("[a](https://evil.example)", "[a]\u200b(https://evil.example)", id="a link of Microsoft Teams"),
        pytest.param("two\n- items", "two - items", id="a fact is one item"),
    ],
)
def test_a_key_in_a_chat_is_only_text(text: str, shown: str) -> None:
    alert = replace(ALERT, facts=(("keys", text),), done="")
    assert parsed(alert, Format.CHAT)["content"]["description"].endswith(f"\n\n- keys: {shown}")


@pytest.mark.parametrize("form", list(Format))
def test_a_subject_is_never_empty(form: Format) -> None:
    subject = render(replace(ALERT, subject=" \n "), form).subject
    assert subject == ("ALARM: provisioned, worsened" if form is Format.CLOUDWATCH_ALARM else "provisioned, worsened")


@pytest.mark.parametrize(
    ("form", "old", "new", "mistake"),
    [
        pytest.param(Format.TEXT, '"sequence":2', '"sequence":"2"', "sequence is '2'", id="a number in quotes"),
        pytest.param(Format.TEXT, '"kind":"throttling",', "", "kind is missing", id="a key too few"),
        pytest.param(Format.TEXT, "\n---\n", "\n---\n1\n", "last line", id="something beside the JSON"),
        pytest.param(Format.CLOUDWATCH_ALARM, '"value":"orders"', '"Value":"orders"', "value is missing", id="a case"),
        pytest.param(Format.CLOUDWATCH_ALARM, '"ALARM","NewS', '"OK","NewS', "does not start with", id="another state"),
        pytest.param(Format.CLOUDWATCH_ALARM, "US East (N. Virginia)", "us-east-1", "none of", id="a Region's code"),
        pytest.param(Format.CHAT, '"source":"custom"', '"source":"aws"', "source is 'aws'", id="not a custom one"),
        pytest.param(Format.CHAT, ACCOUNT + '","region', '","region', "additionalContext.account", id="an empty value"),
    ],
)
def test_the_schemas_find_what_is_wrong(form: Format, old: str, new: str, mistake: str) -> None:
    message = render(ALERT, form)
    assert schemas.mistakes(form, message.subject, message.body) == []
    assert old in message.body
    (found, *_) = schemas.mistakes(form, message.subject, message.body.replace(old, new))
    assert mistake in found


def test_severity_is_a_word_everywhere() -> None:
    for severity in Severity:
        alert = replace(ALERT, severity=severity)
        assert alert_json(alert)["severity"] == severity.value
        assert severity.value in parsed(alert, Format.CHAT)["content"]["keywords"]
