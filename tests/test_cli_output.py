"""What the commands print of a table as a whole: the choice of a point, the advice on its billing."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from tests.telemetry import examples
from watcher.cli_output import once_record, print_history, print_verdicts
from watcher.core.reasons import Reason
from watcher.ports import TableReport

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
