"""When on-demand billing is advised, with its arithmetic; when it no longer is; and when nothing is said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.builders import INDEX_WRITE, NOON, observed, table, throughput
from watcher.core.demand import Minute
from watcher.core.forecast import look_ahead
from watcher.core.learned import Learned
from watcher.core.learning import FADE
from watcher.core.model import TABLE_READ, TABLE_WRITE, Billing, Decision, Dimension, Lever
from watcher.core.policy import TablePolicy, Tuning
from watcher.core.prices import dollars
from watcher.core.reasons import Reason
from watcher.core.state import DimensionState, TableState
from watcher.core.step import step
from watcher.core.worth import BACK_UNDER, DEARER_FOR, LEAST_BOOKED, LEAST_USED, Worth, advise, worth

DAY = 86_400.0
POLICY = TablePolicy()
PROVISIONED = table(index=throughput())


def lived(units: float, used: float, lost: float = 0.0, booked: float = 1440.0) -> Learned:
    """A day on average: ``units`` provisioned, ``used`` and ``lost`` units a second."""
    seconds = booked * 60.0
    return Learned(spent=units * seconds, used=used * seconds, lost=lost * seconds, booked=booked)


def state_of(learned: dict[Dimension, Learned], **known: float | None) -> TableState:
    dimensions = {dimension: DimensionState(learned=one) for dimension, one in learned.items()}
    return replace(TableState(dimensions=dimensions), **known)  # type: ignore[arg-type]  # a test's choice


# 100 writes for a day cost 100 x 24 x $0.00065 = $1.56; a write a second on demand 86,400 x $0.625e-6 = $0.054.
EVEN = 100.0 * 24 * 0.00065
A_WRITE = 86_400 * 0.625e-6
BREAK_EVEN = EVEN / A_WRITE  # writes a second: 28.9


# The arithmetic -----------------------------------------------------------------------------------------------------


def test_a_table_is_judged_as_a_whole() -> None:
    seen = worth({TABLE_READ: lived(200, 20), TABLE_WRITE: lived(100, 10, lost=1), INDEX_WRITE: lived(50, 5)})
    assert seen is not None
    assert seen.provisioned == pytest.approx(24 * (200 * 0.00013 + 150 * 0.00065))
    assert seen.penalty == pytest.approx(10 * A_WRITE)
    assert seen.on_demand == pytest.approx(86_400 * (20 * 0.125e-6 + 16 * 0.625e-6))
    assert seen.used == pytest.approx(35)
    assert seen.total == seen.provisioned + seen.penalty


@pytest.mark.parametrize(
    ("booked", "known"),
    [
        pytest.param(LEAST_BOOKED, True, id="a day of minutes, as it has faded by its end"),
        pytest.param(LEAST_BOOKED - 0.1, False, id="less is not enough"),
    ],
)
def test_a_day_must_be_known(booked: float, known: bool) -> None:  # noqa: FBT001 - a table's column
    learned = {TABLE_WRITE: lived(100, 10, booked=booked), TABLE_READ: Learned()}
    seen = worth(learned)
    assert seen is not None
    assert seen.known is known
    assert bool(advise(NOON, POLICY, PROVISIONED, state_of(learned, dearer_since=0.0)).sentence) is known


def test_the_amounts_a_day_do_not_depend_on_how_long_it_has_been() -> None:
    short, long = (worth({TABLE_WRITE: lived(100, 10, booked=minutes)}) for minutes in (1300.0, 4000.0))
    assert short == pytest.approx(long) if short is None else short.total == pytest.approx(long.total if long else 0.0)


def test_minutes_are_booked_as_they_come_and_fade() -> None:
    state = DimensionState()
    for number in range(1, 4):
        recent = [Minute(60 * at, 600.0, 720.0, 0.0, {}, 0.0) for at in range(number)]
        state, _ = look_ahead(60.0 * number + 70, Tuning(), state, recent, 30)
    # The first minute is where counting begins.
    assert state.learned.booked == pytest.approx(1 + FADE)
    assert state.learned.spent == pytest.approx(30 * 60 * (1 + FADE))
    assert state.learned.used == pytest.approx(600 * (1 + FADE))
    assert state.learned.lost == pytest.approx(120 * (1 + FADE))


def test_on_demand_books_nothing() -> None:
    state = DimensionState(learned=lived(100, 10))
    state, _ = look_ahead(130.0, Tuning(), state, [Minute(0, 600.0, 600.0, 0.0, {}, 0.0)], 0)
    later, _ = look_ahead(190.0, Tuning(), state, [Minute(60, 600.0, 600.0, 0.0, {}, 0.0)], 0)
    assert (later.learned.spent, later.learned.booked) == (state.learned.spent, state.learned.booked)


# The advice ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("used", "since", "advised"),
    [
        pytest.param(BREAK_EVEN - 0.1, DEARER_FOR, True, id="dearer for a day on end"),
        pytest.param(BREAK_EVEN - 0.1, DEARER_FOR - 1, False, id="a second less than a day"),
        pytest.param(BREAK_EVEN + 0.1, DEARER_FOR, False, id="cheaper by a little"),
        pytest.param(LEAST_USED, DEARER_FOR, True, id="hardly any use, but some"),
        pytest.param(LEAST_USED * 0.99, DEARER_FOR, False, id="too little use to judge by"),
    ],
)
def test_when_on_demand_is_advised(used: float, since: float, advised: bool) -> None:  # noqa: FBT001 - a column
    known = state_of({TABLE_WRITE: lived(100, used)}, dearer_since=NOON - since)
    found = advise(NOON, POLICY, PROVISIONED, known)
    assert bool(found.sentence) is advised
    assert [one.reason for one in found.news] == ([Reason.ADVISE_ON_DEMAND] if advised else [])
    assert found.state.on_demand_since == (NOON if advised else None)


@pytest.mark.parametrize(
    ("share", "advised"),
    [
        pytest.param(BACK_UNDER + 0.001, True, id="a little over 0.85 of the on-demand price: still advised"),
        pytest.param(BACK_UNDER - 0.001, False, id="a little under: no longer"),
    ],
)
def test_when_it_no_longer_is(share: float, advised: bool) -> None:  # noqa: FBT001 - a table's column
    learned = {TABLE_WRITE: lived(100, BREAK_EVEN / share)}
    known = state_of(learned, dearer_since=NOON - 2 * DAY, on_demand_since=NOON - DAY)
    found = advise(NOON, POLICY, PROVISIONED, known)
    assert bool(found.sentence) is advised
    assert [one.reason for one in found.news] == ([] if advised else [Reason.ADVISE_PROVISIONED])
    assert found.state.on_demand_since == (NOON - DAY if advised else None)


def test_the_count_begins_anew_whenever_provisioned_is_cheaper() -> None:
    dear, cheap = state_of({TABLE_WRITE: lived(100, 5)}), state_of({TABLE_WRITE: lived(100, 50)})
    first = advise(NOON, POLICY, PROVISIONED, dear).state
    assert first.dearer_since == NOON
    between = advise(NOON + 60, POLICY, PROVISIONED, replace(cheap, dearer_since=first.dearer_since)).state
    assert between.dearer_since is None
    assert advise(NOON + DAY, POLICY, PROVISIONED, replace(dear, dearer_since=None)).state.dearer_since == NOON + DAY


def test_the_sentence_has_the_arithmetic() -> None:
    learned = {TABLE_WRITE: lived(100, 10, lost=0.1)}
    found = advise(NOON, POLICY, PROVISIONED, state_of(learned, dearer_since=0.0))
    assert found.sentence == (
        "on demand would cost $0.55 a day instead of $1.61 ($1.56 for capacity and $0.054 for throttled units at 10 "
        "times the on-demand price): this traffic is too bursty for provisioned capacity"
    )
    (news,) = found.news
    assert (news.sentence, news.noun, news.is_change) == (found.sentence, "table", False)
    assert news.evidence["provisioned_usd_a_day"] == pytest.approx(1.56)


def test_the_end_of_an_advice_says_why() -> None:
    cheap = state_of({TABLE_WRITE: lived(100, 50)}, on_demand_since=NOON)
    (news,) = advise(NOON, POLICY, PROVISIONED, cheap).news
    assert news.sentence == (
        "provisioned capacity costs $1.56 a day, on demand would cost $2.70: on-demand is advised no longer"
    )
    idle = state_of({TABLE_WRITE: lived(100, 0.01)}, on_demand_since=NOON)
    (news,) = advise(NOON, POLICY, PROVISIONED, idle).news
    assert news.sentence == "it uses less than 0.1/s now, too little to judge by: on-demand is advised no longer"


def test_a_table_that_is_on_demand_is_told_nothing() -> None:
    known = state_of({TABLE_WRITE: lived(100, 5)}, dearer_since=0.0, on_demand_since=NOON)
    found = advise(NOON, POLICY, table(billing=Billing.ON_DEMAND), known)
    assert (found.sentence, found.news, found.state.on_demand_since) == ("", (), None)


def test_what_is_not_known_changes_no_advice() -> None:
    known = state_of({TABLE_WRITE: Learned()}, dearer_since=0.0, on_demand_since=NOON - DAY)
    found = advise(NOON, POLICY, PROVISIONED, known)
    assert (found.sentence, found.news, found.state.on_demand_since) == ("", (), NOON - DAY)


def test_a_launch_from_zero_is_not_advised_away() -> None:
    """A week of nothing, then a launch that throttles most of its first five minutes and runs well from then on."""
    learned, state = Learned(), TableState()
    advised: list[Decision] = []
    for minute in range(10 * 1440):
        launched = minute >= 7 * 1440
        units = 1 if minute < 7 * 1440 + 5 else 1400
        asked = 1000.0 if launched else 0.0
        served = min(asked, units)
        learned = Learned(
            spent=learned.spent * FADE + units * 60,
            used=learned.used * FADE + served * 60,
            lost=learned.lost * FADE + (asked - served) * 60,
            booked=learned.booked * FADE + 1,
        )
        known = replace(state, dimensions={TABLE_WRITE: DimensionState(learned=learned)})
        found = advise(60.0 * minute, POLICY, PROVISIONED, known)
        state, advised = found.state, [*advised, *found.news]
    assert advised == []


def test_a_step_says_it_and_history_has_it_once() -> None:
    known = state_of({TABLE_WRITE: lived(100, 5), TABLE_READ: Learned()}, dearer_since=NOON - DAY)
    first = step(NOON, POLICY, known, observed(table()))
    assert Reason.ADVISE_ON_DEMAND in {one.reason for one in first.explanation.new_decisions}
    assert first.explanation.on_demand_since == NOON
    assert first.explanation.sentence.endswith(
        "On demand would cost $0.27 a day instead of $1.56: this traffic is too bursty for provisioned capacity."
    )
    again = step(NOON + 60, POLICY, first.state, observed(table()))
    assert Reason.ADVISE_ON_DEMAND not in {one.reason for one in again.explanation.new_decisions}
    assert again.explanation.on_demand_advice == first.explanation.on_demand_advice
    levers = {action.lever for action in first.actions}
    assert levers <= {Lever.CAPACITY}, "the billing mode is the owner's"


def test_the_whole_is_the_sum() -> None:
    assert Worth(provisioned=1.0, penalty=0.5, on_demand=3.0, used=1.0, known=True).total == 1.5


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (0.0, "$0.00"),
        (1234.5, "$1,234.50"),
        (1.0, "$1.00"),
        (0.31, "$0.31"),
        (0.1, "$0.10"),
        (0.052, "$0.052"),
        (0.00052, "$0.00052"),
    ],
)
def test_dollars(amount: float, expected: str) -> None:
    assert dollars(amount) == expected
