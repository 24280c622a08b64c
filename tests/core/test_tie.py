"""A table's writes and its indexes' are one stream: throttled anywhere, planned for everywhere."""

from __future__ import annotations

from dataclasses import replace

import pytest

from watcher.core.forecast import Outlook, Surge
from watcher.core.model import TABLE_READ, TABLE_WRITE, Dimension, Kind
from watcher.core.state import DimensionState
from watcher.core.tie import tied
from watcher.core.track import Track

INDEX = Dimension("by-day", Kind.WRITE)
OTHER = Dimension("by-user", Kind.WRITE)
NEWEST = 1_700_006_400
CALM = Outlook(
    newest=NEWEST,
    demand=100.0,
    peak=100.0,
    growth=0.0,
    level=100.0,
    base=100.0,
    elevated=False,
    expected=110.0,
    ceiling=None,
    planned=120.0,
    bucket=0.0,
    starved=0.0,
    surges=(),
    below=1.0,
    blind=161.0,
)
BURST = replace(CALM, demand=400.0, peak=400.0, level=400.0, expected=440.0, planned=500.0, starved=900.0)


def states(table: float = 100.0, index: float = 50.0, minutes: int = 30) -> dict[Dimension, DimensionState]:
    """An hour in which the table took ``table`` units a second and each index ``index``; by-user twice that."""
    rates = {TABLE_READ: 10.0, TABLE_WRITE: table, INDEX: index, OTHER: 2 * index}
    return {d: DimensionState(track=Track(NEWEST, (rate,) * minutes)) for d, rate in rates.items()}


def outlooks(**changed: Outlook) -> dict[Dimension, Outlook]:
    names = {"table": TABLE_WRITE, "index": INDEX, "other": OTHER, "read": TABLE_READ}
    return dict.fromkeys(names.values(), CALM) | {names[name]: outlook for name, outlook in changed.items()}


def test_while_nothing_throttles_each_stands_for_itself() -> None:
    calm = outlooks(table=replace(BURST, starved=0.0))
    assert tied(states(), calm) == calm


def test_a_throttled_table_raises_its_indexes_by_their_share_of_its_writes() -> None:
    result = tied(states(), outlooks(table=replace(BURST, surges=(Surge(600.0, 800.0),))))
    # 50 index units to 100 of the table: half of the 500 that are planned for the table.
    assert (result[INDEX].planned, result[INDEX].demand, result[INDEX].level) == (250.0, 200.0, 200.0)
    assert result[INDEX].surges == (Surge(300.0, 400.0),)
    assert result[OTHER].planned == 500.0
    assert result[INDEX].follows == "the table"
    assert result[TABLE_READ] == CALM, "reads are another stream"


def test_a_throttled_index_raises_the_table_and_through_it_the_other_indexes() -> None:
    result = tied(states(), outlooks(index=replace(BURST, planned=250.0, demand=200.0, level=200.0)))
    assert result[TABLE_WRITE].planned == 500.0  # 250 / 0.5
    assert result[TABLE_WRITE].follows == "index by-day"
    assert result[OTHER].planned == 500.0  # one unit of it to one of the table


def test_what_is_planned_already_is_never_lowered() -> None:
    result = tied(states(), outlooks(table=BURST, index=replace(CALM, planned=900.0, demand=700.0)))
    assert result[INDEX] == replace(CALM, planned=900.0, demand=700.0)


@pytest.mark.parametrize(
    "known",
    [
        pytest.param(states(index=0.0), id="the index takes none of the table's writes"),
        pytest.param(states(minutes=12), id="nine minutes are known of both, one too few"),
        pytest.param(states(table=0.0), id="the table was idle, so there is no ratio"),
    ],
)
def test_without_a_ratio_nothing_is_tied(known: dict[Dimension, DimensionState]) -> None:
    assert tied(known, outlooks(table=BURST))[INDEX] == CALM


def test_ten_minutes_known_of_both_are_enough() -> None:
    assert tied(states(minutes=13), outlooks(table=BURST))[INDEX].planned == 250.0


def test_the_newest_minutes_which_throttling_falsifies_do_not_count() -> None:
    known = states()
    falsified = Track(NEWEST, (50.0,) * 27 + (5.0,) * 3)
    known[INDEX] = DimensionState(track=falsified)
    assert tied(known, outlooks(table=BURST))[INDEX].planned == 250.0
