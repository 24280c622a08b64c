"""Whose hand changed the capacity: ours is known from what was settled, any other shows in DescribeTable."""

from __future__ import annotations

import pytest

from tests.core.builders import NOON, even, intent, provisioned, remembered, table, throughput
from watcher.core.model import (
    TABLE_READ,
    TABLE_WRITE,
    Billing,
    Change,
    Dimension,
    Lever,
    ScalableTarget,
    Settlement,
    Status,
    TableDescription,
)
from watcher.core.reasons import Outcome
from watcher.core.state import DimensionState, Refusal, TableState
from watcher.core.tracking import Recognised, absorb, recognise

RAISE = Change(TABLE_WRITE, 100, 200)
LOWER = Change(TABLE_WRITE, 100, 40)


def recognised(
    description: TableDescription, state: DimensionState, scaling: dict[Dimension, ScalableTarget] | None = None
) -> Recognised:
    return recognise(NOON, description, scaling, {TABLE_WRITE: state}, None)


def test_the_first_sight_is_nobodys_change_and_takes_aws_dates() -> None:
    seen = recognised(table(throughput(raised=NOON - 50.0, lowered=NOON - 70.0)), DimensionState())
    state = seen.dimensions[TABLE_WRITE]
    assert (state.expected, state.raised_at, state.lowered_at) == (100, NOON - 50, NOON - 70)
    assert seen.foreign_at is None


@pytest.mark.parametrize(
    ("units", "scaling", "foreign"),
    [
        pytest.param(100, {}, None, id="as expected"),
        pytest.param(150, {}, NOON, id="raised by another hand"),
        pytest.param(60, {}, NOON, id="lowered by another hand"),
        pytest.param(150, {TABLE_WRITE: ScalableTarget(1, 500)}, None, id="Application Auto Scaling's own doing"),
        pytest.param(
            150, {TABLE_WRITE: ScalableTarget(1, 500, suspended=True)}, NOON, id="a suspended target holds nothing"
        ),
        pytest.param(150, {TABLE_READ: ScalableTarget(1, 500)}, NOON, id="a target on another dimension"),
        pytest.param(150, None, None, id="targets that could not be read: it may be the scaler's own doing"),
        pytest.param(100, None, None, id="targets that could not be read, and nothing changed"),
    ],
)
def test_another_hand(units: int, scaling: dict[Dimension, ScalableTarget] | None, foreign: float | None) -> None:
    seen = recognised(table(throughput(write=units)), DimensionState(expected=100), scaling)
    assert seen.foreign_at == foreign
    assert seen.dimensions[TABLE_WRITE].expected == units


def test_what_was_found_while_targets_could_not_be_read_is_no_news_later_and_forgets_no_earlier_hand() -> None:
    known = {TABLE_WRITE: DimensionState(expected=100)}
    unread = recognise(NOON, table(throughput(write=150)), None, known, NOON - 500)
    assert unread.foreign_at == NOON - 500
    assert recognise(NOON + 60, table(throughput(write=150)), {}, unread.dimensions, None).foreign_at is None


def test_a_change_by_whoever_is_dated() -> None:
    up = recognised(table(throughput(write=150)), DimensionState(expected=100)).dimensions[TABLE_WRITE]
    down = recognised(table(throughput(write=60)), DimensionState(expected=100)).dimensions[TABLE_WRITE]
    assert (up.raised_at, up.lowered_at) == (NOON, None)
    assert (down.raised_at, down.lowered_at) == (None, NOON)


def test_our_change_on_its_way_takes_effect_when_it_is_seen_in_force() -> None:
    updating = table(throughput(write=100, status=Status.UPDATING))
    seen = recognised(updating, DimensionState(expected=200, raised_at=NOON - 60))
    state = seen.dimensions[TABLE_WRITE]
    assert (state.expected, state.raised_at, seen.foreign_at) == (200, NOON, None)


def test_an_earlier_foreign_change_stays_remembered() -> None:
    known = {TABLE_WRITE: DimensionState(expected=100)}
    assert recognise(NOON, table(), {}, known, NOON - 500).foreign_at == NOON - 500


def test_on_demand_has_nothing_to_compare_and_forgets_what_was_expected() -> None:
    on_demand = table(throughput(0, 0), billing=Billing.ON_DEMAND)
    seen = recognised(on_demand, DimensionState(expected=100))
    assert (seen.dimensions[TABLE_WRITE].expected, seen.foreign_at) == (None, None)


def settle(state: TableState, change: Change, outcome: Outcome, lever: Lever = Lever.CAPACITY) -> TableState:
    return absorb(state, Settlement(intent(change, lever=lever), outcome, NOON + 2, "AWS said so"))


def known() -> TableState:
    return TableState(remembered(TABLE_WRITE, even(70, 3), expected=100), pending="i1")


def test_our_own_applied_change_is_expected_and_not_foreign() -> None:
    state = settle(known(), RAISE, Outcome.APPLIED)
    after = provisioned(table(), {TABLE_WRITE: 200})
    seen = recognise(NOON + 60, after, {}, state.dimensions, state.foreign_at)
    assert seen.foreign_at is None
    assert state.pending == ""


def test_an_applied_raise_is_dated_and_expected() -> None:
    state = settle(known(), RAISE, Outcome.APPLIED)
    part = state.dimensions[TABLE_WRITE]
    assert (part.expected, part.raised_at, part.lowered_at) == (200, NOON + 2, None)
    assert state.changes == (NOON + 2,)


def test_an_applied_decrease_is_dated_and_keeps_the_date_of_the_raise() -> None:
    raised = settle(known(), RAISE, Outcome.APPLIED)
    part = settle(raised, LOWER, Outcome.APPLIED).dimensions[TABLE_WRITE]
    assert (part.expected, part.lowered_at, part.raised_at) == (40, NOON + 2, NOON + 2)


def test_changes_are_remembered_for_an_hour() -> None:
    before = TableState(changes=(NOON + 2 - 3600, NOON + 2 - 3599))
    assert settle(before, RAISE, Outcome.APPLIED).changes == (NOON + 2 - 3599, NOON + 2)


@pytest.mark.parametrize("outcome", [o for o in Outcome if o.is_refusal and o is not Outcome.UNKNOWN])
def test_a_refusal_is_remembered_and_changes_nothing_else(outcome: Outcome) -> None:
    state = settle(known(), RAISE, outcome)
    assert state.refusal == Refusal(outcome, NOON + 2, "AWS said so")
    assert state.dimensions == known().dimensions
    assert (state.pending, state.changes) == ("", ())


def test_an_accepted_change_ends_a_refusal() -> None:
    refused = settle(known(), RAISE, Outcome.QUOTA)
    assert settle(refused, RAISE, Outcome.APPLIED).refusal is None


@pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, Outcome.PENDING])
def test_no_answer_leaves_the_action_pending(outcome: Outcome) -> None:
    assert settle(known(), RAISE, outcome) == known()


def test_advice_is_remembered_so_as_not_to_be_repeated() -> None:
    state = settle(known(), RAISE, Outcome.ADVISED)
    assert state.dimensions[TABLE_WRITE].advised == 200
    assert state.dimensions[TABLE_WRITE].expected == 100
    assert state.changes == ()


def test_a_raised_floor_remembers_the_one_it_found_through_further_raises_until_it_is_put_back() -> None:
    first = settle(known(), Change(TABLE_WRITE, 10, 50), Outcome.APPLIED, Lever.FLOOR)
    second = settle(first, Change(TABLE_WRITE, 50, 80), Outcome.APPLIED, Lever.FLOOR)
    assert first.dimensions[TABLE_WRITE].floor_before == second.dimensions[TABLE_WRITE].floor_before == 10
    back = settle(second, Change(TABLE_WRITE, 80, 10), Outcome.APPLIED, Lever.FLOOR)
    assert (back.dimensions[TABLE_WRITE].floor_before, back.dimensions[TABLE_WRITE].floor_set) == (None, None)
    assert back.dimensions[TABLE_WRITE].expected == 100


def test_a_floor_that_another_hand_moved_is_the_one_to_put_back() -> None:
    first = settle(known(), Change(TABLE_WRITE, 10, 50), Outcome.APPLIED, Lever.FLOOR)
    # Somebody sets 30; raising it again finds 30, not the 10 of before.
    second = settle(first, Change(TABLE_WRITE, 30, 80), Outcome.APPLIED, Lever.FLOOR)
    assert (second.dimensions[TABLE_WRITE].floor_before, second.dimensions[TABLE_WRITE].floor_set) == (30, 80)
