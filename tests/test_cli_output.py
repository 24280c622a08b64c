"""What the commands print of a table as a whole: the choice of a point, the advice on its billing."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from tests.telemetry import examples
from watcher.cli_output import is_trouble, make_console, once_record, print_history, print_verdicts
from watcher.core.model import Alert
from watcher.core.reasons import Cause, Reason
from watcher.ports import CycleReport, TableReport
from watcher.web.state import finding_record

ADVICE = "on demand would cost $3.20 a day instead of $5.10: this traffic is too bursty for provisioned capacity"


def printed() -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    return Console(file=text, width=10_000, color_system=None, force_terminal=False), text


def advised() -> TableReport:
    table = examples.table_report()
    assert table.explanation is not None
    said = replace(table.explanation, on_demand_since=examples.NOW, on_demand_advice=ADVICE)
    return replace(table, explanation=said)


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason.is_of_table])
def test_history_shows_the_table_and_no_change(reason: Reason) -> None:
    console, text = printed()
    said = examples.decision(examples.key(), before=0, after=0, reason=reason, sentence="replayed [7 days]")
    print_history(console, [said])
    row = text.getvalue().splitlines()[1]
    assert row.split() == ["2026-11-22T03:04:05Z", "orders", "table", reason.value, "replayed", "[7", "days]"]


def test_once_tells_of_an_advice_below_the_verdicts() -> None:
    console, text = printed()
    print_verdicts(console, examples.cycle(advised(), examples.table_report("carts")))
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    assert lines.count(f"orders: {ADVICE}.") == 1
    assert lines.index(f"orders: {ADVICE}.") > max(at for at, line in enumerate(lines) if "hold-steady" in line)
    assert text.getvalue().count("on demand would cost") == 1


def test_once_as_json_says_since_when() -> None:
    tables = once_record(examples.cycle(advised(), examples.table_report("carts")))["tables"]
    assert isinstance(tables, list)
    assert [table["on_demand_since"] for table in tables] == ["2026-11-22T03:04:05Z", None]


def test_once_tells_the_verdicts_beside_the_cause_and_below() -> None:
    console, text = printed()
    print_verdicts(console, examples.cycle(examples.hot_table()))
    lines = [" ".join(line.split()) for line in text.getvalue().splitlines()]
    assert [line for line in lines if " 96/s " in line] == [
        "writes 100 96/s key-range (one-key) hold-steady: Steady at 60 % of capacity."
    ]
    assert [line for line in lines if " 42/s " in line] == [
        "writes of index by-customer 100 42/s key-range (index-key) hold-steady: Steady at 60 % of capacity."
    ]
    assert lines[-3:-1] == [
        "orders: one-key: One key asks for 140 % of what a partition serves.",
        "index by-customer of orders: index-key: One key asks for 140 % of what a partition serves.",
    ]
    assert next(line for line in lines if " 60/s " in line).split()[4] == "well", "no verdict beside what is well"


def test_once_as_json_holds_the_verdicts_in_the_shape_of_hot_keys() -> None:
    report = examples.cycle(examples.hot_table(), examples.unseen("gone"))
    tables = once_record(report)["tables"]
    assert isinstance(tables, list)
    assert report.tables[0].explanation is not None
    found = report.tables[0].explanation.hot_keys
    assert tables[0]["hot_keys"] == [finding_record(found[index], "us-east-1") for index in ("", "by-customer")]
    assert tables[1]["hot_keys"] == []


def test_what_looks_like_an_emoji_is_a_key_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    make_console().print("tenant:key:7 :warning:")
    assert capsys.readouterr().out == "tenant:key:7 :warning:\n"


# --- Regions, storms, pauses ----------------------------------------------------------------------------------------


def troubled() -> tuple[CycleReport, dict[str, Alert]]:
    """A storm of two tables, of which one came back twice and is acknowledged; and a Region that is blind."""
    again = replace(examples.incident(), flaps=2)
    report = examples.cycle(
        examples.table_report(cause=Cause.PROVISIONED, trouble=again),
        examples.table_report("carts", cause=Cause.PROVISIONED, trouble=examples.incident()),
        regions={"us-east-1": examples.region(examples.BLIND, storm=["carts", "orders"])},
        pauses=[examples.pause(), replace(examples.pause("carts"), since=examples.NOW + 60)],
        held=2,
        failing={examples.CHAT: "NotFound: Topic does not exist"},
    )
    return report, {examples.BLIND.id: examples.regional_alert()}


def test_once_tells_of_regions_first_and_of_who_has_what_last() -> None:
    console, text = printed()
    print_verdicts(console, *troubled())
    lines = [" ".join(line.split()) for line in text.getvalue().splitlines()]
    assert lines[:2] == [
        (
            "us-east-1: blind, open again, for the 3rd time, first at 02:59 UTC: "
            "Nothing of us-east-1 can be read since 02:59 UTC."
        ),
        "us-east-1: storm of 2 tables, open for 2 min.",
    ]
    assert lines[-5:] == [
        "orders: open again, for the 3rd time, first at 03:00 UTC.",
        "orders: silenced until 05:03 UTC by ana@db-7: deploying",
        f"{examples.CHAT} takes no messages: NotFound: Topic does not exist",
        "Held by quiet hours or a pause: 2 messages.",
        "Not watched, as no [[tables]] entry matches: 2 tables.",
    ]


def test_once_as_json_tells_the_same() -> None:
    record = once_record(*troubled())
    regional, tables, pauses = record["regional_incidents"], record["tables"], record["pauses"]
    assert isinstance(regional, list)
    assert [(one["cause"], one["tables"], bool(one["sentence"])) for one in regional] == [
        ("blind", [], True),
        ("storm", ["carts", "orders"], False),
    ]
    assert isinstance(tables, list)
    assert [(one["incident"]["flaps"], bool(one["acknowledged"])) for one in tables] == [(2, True), (0, False)]
    assert isinstance(pauses, list)
    assert [one["table"] for one in pauses] == ["orders"]
    assert (record["held_alerts"], record["failing_topics"]) == (2, {examples.CHAT: "NotFound: Topic does not exist"})
    assert once_record(examples.cycle(examples.table_report()))["regional_incidents"] == []


@pytest.mark.parametrize(
    ("report", "trouble"),
    [
        pytest.param(examples.cycle(examples.table_report()), False, id="all is well"),
        pytest.param(examples.cycle(regions={"r": examples.region(examples.BLIND)}), True, id="a Region's incident"),
        pytest.param(
            examples.cycle(regions={"r": examples.region(replace(examples.BLIND, closed_at=examples.NOW))}),
            False,
            id="one that is resolved",
        ),
        pytest.param(examples.cycle(failing={examples.CHAT: "x"}), True, id="a topic that fails"),
        pytest.param(examples.cycle(held=3), False, id="messages that are to wait"),
    ],
)
def test_what_is_trouble(report: CycleReport, *, trouble: bool) -> None:
    assert is_trouble(report) is trouble
