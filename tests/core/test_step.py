"""The one door: every reason can be reached through it, and what comes out hangs together over several cycles."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.builders import (
    HOUR,
    INDEX_READ,
    INDEX_WRITE,
    KEY,
    NOON,
    ago,
    decided,
    even,
    observed,
    only,
    policy,
    provisioned,
    remembered,
    run,
    settled,
    table,
    throughput,
    verdict,
)
from watcher.core import limits
from watcher.core.decide import Wish
from watcher.core.limits import Situation
from watcher.core.model import (
    TABLE_READ,
    TABLE_WRITE,
    Billing,
    Change,
    Kind,
    Lever,
    Metric,
    ScalableTarget,
    Status,
    TableObservation,
)
from watcher.core.policy import AutoScaling, Bounds, TablePolicy
from watcher.core.reasons import Cause, Freshness, Mode, Outcome, Reason
from watcher.core.schedule import Once, Schedule
from watcher.core.state import DimensionState, Refusal, TableState

INDEXED = table(index=throughput(50, 50))
BUSY = observed(consumed={TABLE_WRITE: even(90)})
IDLE = observed(consumed={TABLE_WRITE: even(7)})
STARVED = observed(consumed={TABLE_WRITE: even(100)}, causes={(TABLE_WRITE, Cause.PROVISIONED): {1: 6000}})
FLOORS = policy(auto_scaling=AutoScaling.FLOOR)
HELD = {TABLE_WRITE: ScalableTarget(50, 400)}


def with_part(**fields: object) -> TableObservation:
    """An idle table whose DescribeTable says ``fields`` as well."""
    return observed(table(replace(throughput(), **fields)), {TABLE_WRITE: even(7)})  # type: ignore[arg-type]  # the caller's


def during_sale(units: int) -> TablePolicy:
    sale = Schedule("sale", Once(NOON), 3600.0, units={Kind.WRITE: units})
    return replace(policy(), schedules=(sale,))


EVERY_REASON = [
    pytest.param(BUSY, None, None, Reason.RAISE_DEMAND, 126, id="90 of 100 used: 90 x 1.4"),
    pytest.param(STARVED, None, None, Reason.RAISE_THROTTLED, 400, id="200 wanted of 100: 200 x 2"),
    pytest.param(IDLE, policy(bounds=Bounds(200, 300)), None, Reason.RAISE_TO_MIN, 200, id="below the minimum"),
    pytest.param(IDLE, None, None, Reason.LOWER_UNUSED, 13, id="7 used: 10 would do, an eighth is one step"),
    pytest.param(
        observed(consumed={TABLE_READ: even(70, 59), TABLE_WRITE: even(7, 59)}),
        None,
        None,
        Reason.HOLD_ABSENT,
        100,
        id="7 used, but known for 59 minutes only",
    ),
    pytest.param(observed(), policy(bounds=Bounds(5, 90)), None, Reason.LOWER_TO_MAX, 90, id="above the maximum"),
    pytest.param(
        observed(consumed={TABLE_WRITE: even(90)}, scaling=HELD),
        FLOORS,
        None,
        Reason.RAISE_FLOOR,
        126,
        id="floor raised",
    ),
    pytest.param(
        observed(consumed={TABLE_WRITE: even(7)}, scaling=HELD),
        FLOORS,
        TableState(remembered(TABLE_WRITE, expected=100, floor_before=10, floor_set=50)),
        Reason.RESTORE_FLOOR,
        10,
        id="floor put back",
    ),
    pytest.param(observed(), None, None, Reason.HOLD_STEADY, 100, id="70 of 100 used"),
    pytest.param(
        observed(
            table(throughput(write=400)),
            {TABLE_WRITE: even(100)},
            causes={(TABLE_WRITE, Cause.PROVISIONED): {1: 6000}},
        ),
        None,
        TableState(remembered(TABLE_WRITE, expected=400, raised_at=NOON - 30.0)),
        Reason.HOLD_SETTLING,
        400,
        id="200 wanted, and just raised to twice that",
    ),
    pytest.param(
        IDLE,
        None,
        TableState(remembered(TABLE_WRITE, expected=100, raised_at=NOON - 300.0)),
        Reason.HOLD_RECENT_LOAD,
        100,
        id="raised five minutes ago",
    ),
    pytest.param(observed(silent=(TABLE_READ, TABLE_WRITE)), None, None, Reason.HOLD_ABSENT, 100, id="nothing known"),
    pytest.param(
        observed(silent=(TABLE_READ, TABLE_WRITE)),
        None,
        TableState(remembered(TABLE_WRITE, [7, *[None] * 9])),
        Reason.HOLD_STALE,
        100,
        id="nothing new known",
    ),
    pytest.param(
        observed(consumed={TABLE_WRITE: even(7)}, incomplete=[(TABLE_WRITE, Metric.THROTTLED)]),
        None,
        None,
        Reason.HOLD_STALE,
        100,
        id="whether it throttles was not answered",
    ),
    pytest.param(IDLE, during_sale(300), None, Reason.RAISE_SCHEDULE, 300, id="a sale begins"),
    pytest.param(IDLE, during_sale(100), None, Reason.HOLD_SCHEDULE, 100, id="idle, but a sale is on"),
    pytest.param(BUSY, policy(bounds=Bounds(5, 100)), None, Reason.HOLD_AT_MAX, 100, id="at the maximum"),
    pytest.param(observed(), policy(bounds=Bounds(100, 300)), None, Reason.HOLD_AT_MIN, 100, id="at the minimum"),
    pytest.param(
        with_part(decreases_today=1, last_decrease=NOON - 1800.0, units={Kind.READ: 100, Kind.WRITE: 15}),
        None,
        None,
        Reason.HOLD_SMALL_SAVING,
        15,
        id="a third saved, half an hour after the last decrease",
    ),
    pytest.param(
        with_part(decreases_today=4, last_decrease=NOON - 1800.0),
        None,
        None,
        Reason.HOLD_BUDGET,
        100,
        id="budget spent",
    ),
    pytest.param(
        observed(consumed={TABLE_WRITE: even(7), TABLE_READ: even(90)}),
        None,
        None,
        Reason.HOLD_RAISE_FIRST,
        100,
        id="reads are raised",
    ),
    pytest.param(BUSY, None, TableState(changes=(NOON - 1.0,) * 20), Reason.HOLD_RATE_LIMIT, 100, id="20 changes"),
    pytest.param(
        observed(table(throughput(status=Status.UPDATING)), {TABLE_WRITE: even(90)}),
        None,
        None,
        Reason.HOLD_BUSY,
        100,
        id="being updated",
    ),
    pytest.param(BUSY, None, TableState(pending="i1"), Reason.HOLD_PENDING, 100, id="an action is pending"),
    pytest.param(
        observed(causes={(TABLE_WRITE, Cause.KEY_RANGE): {1: 50}}), None, None, Reason.HOLD_KEY_RANGE, 100, id="hot key"
    ),
    pytest.param(
        observed(causes={(TABLE_WRITE, Cause.ACCOUNT_LIMIT): {1: 50}}),
        None,
        None,
        Reason.HOLD_ACCOUNT_LIMIT,
        100,
        id="quota",
    ),
    pytest.param(
        observed(INDEXED, causes={(INDEX_WRITE, Cause.PROVISIONED): {1: 50}}, throttled={TABLE_WRITE: {1: 50}}),
        None,
        None,
        Reason.HOLD_BACK_PRESSURE,
        100,
        id="an index starves",
    ),
    pytest.param(
        observed(throttled={TABLE_WRITE: {4: 50}}), None, None, Reason.HOLD_UNCLASSIFIED, 100, id="nobody says"
    ),
    pytest.param(
        observed(table(throughput(0, 0), billing=Billing.ON_DEMAND), {TABLE_WRITE: even(90)}),
        None,
        None,
        Reason.HOLD_ON_DEMAND,
        0,
        id="on demand",
    ),
    pytest.param(
        observed(table(replicas=("us-east-1",)), {TABLE_WRITE: even(90)}),
        None,
        None,
        Reason.HOLD_GLOBAL_TABLE,
        100,
        id="global",
    ),
    pytest.param(
        observed(consumed={TABLE_WRITE: even(90)}, scaling=HELD),
        None,
        None,
        Reason.HOLD_AUTO_SCALING,
        100,
        id="respected",
    ),
    pytest.param(
        observed(consumed={TABLE_WRITE: even(90)}, scaling_unread=True),
        None,
        None,
        Reason.HOLD_AUTO_SCALING,
        100,
        id="targets unread",
    ),
    pytest.param(BUSY, None, TableState(foreign_at=NOON - 60), Reason.HOLD_FOREIGN_CHANGE, 100, id="another hand"),
    pytest.param(BUSY, policy(bounds=None), None, Reason.HOLD_UNBOUNDED, 100, id="no bounds"),
    pytest.param(BUSY, policy(Mode.OBSERVE), None, Reason.HOLD_OBSERVE_ONLY, 100, id="observed only"),
    pytest.param(
        BUSY,
        None,
        TableState(refusal=Refusal(Outcome.DENIED, NOON - 60, "no")),
        Reason.HOLD_REFUSED,
        100,
        id="refused a minute ago",
    ),
]


@pytest.mark.parametrize(("seen", "rules", "state", "reason", "target"), EVERY_REASON)
def test_reasons(
    seen: TableObservation, rules: TablePolicy | None, state: TableState | None, reason: Reason, target: int
) -> None:
    assert verdict(seen, rules=rules, state=state) == (reason, target)


def test_an_error_in_a_limiter_is_a_hold_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_situation: Situation, _wish: Wish) -> Wish:
        raise KeyError("gone")

    monkeypatch.setattr(limits, "_step_size", broken)
    result = run(BUSY)
    assert decided(result).reason is Reason.HOLD_ERROR
    assert result.actions == ()


def test_the_table_of_reasons_is_complete() -> None:
    reached = {case.values[3] for case in EVERY_REASON}
    # What is said of a table as a whole has tests of its own.
    assert reached | {Reason.HOLD_ERROR} == {reason for reason in Reason if not reason.is_of_table}


def test_all_raises_of_a_table_go_in_one_action() -> None:
    seen = observed(INDEXED, {TABLE_READ: even(90), INDEX_WRITE: even(45)})
    (action,) = run(seen).actions
    assert action.changes == (Change(TABLE_READ, 100, 126), Change(INDEX_WRITE, 50, 63))
    assert (action.table, action.lever, action.mode) == (KEY, Lever.CAPACITY, Mode.ACT)


def test_a_raise_takes_no_decrease_along() -> None:
    seen = observed(INDEXED, {TABLE_READ: even(7), INDEX_READ: even(1), INDEX_WRITE: even(45)})
    (action,) = run(seen).actions
    assert action.changes == (Change(INDEX_WRITE, 50, 63),)


def test_both_kinds_are_lowered_in_one_action() -> None:
    (action,) = run(observed(consumed={TABLE_READ: even(30), TABLE_WRITE: even(35)})).actions
    assert action.changes == (Change(TABLE_READ, 100, 42), Change(TABLE_WRITE, 100, 49))


def test_a_raise_is_not_repeated_while_it_is_not_yet_visible_and_not_doubted_afterwards() -> None:
    first = run(STARVED)
    state = settled(first, Outcome.APPLIED)
    after = provisioned(table(), {TABLE_WRITE: 400})
    later = observed(
        after,
        {TABLE_WRITE: [*even(100), 100]},
        causes={(TABLE_WRITE, Cause.PROVISIONED): {1: 6000, 2: 6000}},
        now=NOON + 60,
    )
    second = run(later, state=state, now=NOON + 60)
    assert second.actions == ()
    assert decided(second).reason is Reason.HOLD_SETTLING
    # Three minutes on: 200/s are served by 400. Nothing more is wanted.
    calm = observed(after, {TABLE_WRITE: [*even(100), 200, 200]}, now=NOON + 240)
    third = run(calm, state=second.state, now=NOON + 240)
    assert third.actions == ()
    assert decided(third).reason is Reason.HOLD_RECENT_LOAD
    assert third.state.foreign_at is None


def test_another_hand_holds_for_an_hour() -> None:
    seen = run(observed()).state
    moved = provisioned(table(), {TABLE_WRITE: 104})
    result = run(observed(moved, {TABLE_WRITE: even(100)}), state=seen)
    assert decided(result).reason in (Reason.HOLD_FOREIGN_CHANGE, Reason.HOLD_SETTLING)
    hour_later = NOON + HOUR
    again = observed(moved, {TABLE_WRITE: even(100)}, now=hour_later)
    assert decided(run(again, state=result.state, now=hour_later)).reason is Reason.RAISE_DEMAND


def test_advice_is_given_once_and_again_only_when_it_changes_much() -> None:
    advise = policy(Mode.ADVISE)
    first = run(BUSY, rules=advise)
    (action,) = first.actions
    assert action.mode is Mode.ADVISE
    state = settled(first, Outcome.ADVISED)
    same = run(observed(consumed={TABLE_WRITE: even(108)}), rules=advise, state=state)
    assert same.actions == ()  # 108 x 1.4 = 151.2, so 152, is within a fifth of 126
    assert decided(same).outcome is Outcome.ADVISED
    assert TABLE_WRITE not in {decision.dimension for decision in same.explanation.new_decisions}
    more = run(observed(consumed={TABLE_WRITE: even(109)}), rules=advise, state=state)
    assert len(more.actions) == 1  # 109 x 1.4 = 152.6, so 153, is not


@pytest.mark.parametrize(
    ("advised", "demand", "told"),
    [
        pytest.param(600, 200, True, id="280 is less than half of the 600 advised: told anew"),
        pytest.param(560, 200, False, id="280 is half of the 560 advised: the same advice for all that matters"),
        pytest.param(40, 200, True, id="it was to be lowered, and is to be raised now"),
    ],
)
def test_less_is_news_only_when_it_is_much_less(advised: int, demand: int, *, told: bool) -> None:
    advise = policy(Mode.ADVISE)
    state = settled(run(BUSY, rules=advise), Outcome.ADVISED)
    known = {**state.dimensions, TABLE_WRITE: replace(state.dimensions[TABLE_WRITE], advised=advised)}
    result = run(observed(consumed={TABLE_WRITE: even(demand)}), rules=advise, state=replace(state, dimensions=known))
    assert bool(result.actions) is told


def test_advice_is_forgotten_when_it_is_no_longer_needed() -> None:
    advise = policy(Mode.ADVISE)
    state = settled(run(BUSY, rules=advise), Outcome.ADVISED)
    calm = run(observed(), rules=advise, state=state)
    assert calm.state.dimensions[TABLE_WRITE].advised is None


def test_acting_tries_again_what_was_only_busy() -> None:
    state = settled(run(BUSY), Outcome.BUSY)
    assert len(run(BUSY, state=state).actions) == 1


def test_no_bounds_and_no_maximum_of_ours_in_advice() -> None:
    # 50,000 units are there on purpose: nobody configured a maximum of 40,000.
    big = observed(table(throughput(50_000, 50_000)))
    assert verdict(big, rules=policy(Mode.ADVISE, bounds=None)) == (Reason.HOLD_STEADY, 50_000)


def test_a_new_minimum_does_not_slow_a_raise_down() -> None:
    small = observed(
        table(throughput(write=4)), {TABLE_WRITE: even(4)}, causes={(TABLE_WRITE, Cause.PROVISIONED): {1: 2160}}
    )
    # 4 served + 36 refused = 40, twice that in one step and not by way of the minimum of 5.
    assert verdict(small) == (Reason.RAISE_THROTTLED, 80)


@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.ADVISE, Mode.ACT])
def test_a_floor_is_moved_in_the_tables_own_mode_only(mode: Mode) -> None:
    seen = observed(consumed={TABLE_WRITE: even(90)}, scaling=HELD)
    result = run(seen, rules=policy(mode, auto_scaling=AutoScaling.FLOOR))
    if mode is Mode.OBSERVE:
        assert result.actions == ()
        assert (decided(result).reason, decided(result).after) == (Reason.HOLD_OBSERVE_ONLY, 100)
    else:
        (action,) = result.actions
        assert (action.lever, action.mode) == (Lever.FLOOR, mode)
        assert action.changes == (Change(TABLE_WRITE, 50, 126),)


def test_a_floor_is_raised_before_anything_is_lowered() -> None:
    seen = observed(consumed={TABLE_WRITE: even(90), TABLE_READ: even(7)}, scaling=HELD)
    result = run(seen, rules=FLOORS)
    assert [action.lever for action in result.actions] == [Lever.FLOOR]
    assert decided(result, TABLE_READ).reason is Reason.HOLD_RAISE_FIRST


def test_a_floor_goes_up_and_comes_back() -> None:
    raised = settled(run(observed(consumed={TABLE_WRITE: even(90)}, scaling=HELD), rules=FLOORS), Outcome.APPLIED)
    assert raised.dimensions[TABLE_WRITE].floor_before == 50
    # Application Auto Scaling has followed the new floor of 126, and the load is gone.
    followed = provisioned(table(), {TABLE_WRITE: 126})
    lifted = {TABLE_WRITE: ScalableTarget(126, 400)}
    quiet = observed(followed, {TABLE_WRITE: even(20)}, scaling=lifted, now=NOON + HOUR)
    known = {TABLE_WRITE: DimensionState(expected=126, floor_before=50, floor_set=126)}
    back = run(quiet, rules=FLOORS, state=replace(raised, dimensions=known), now=NOON + HOUR)
    (action,) = back.actions
    assert (action.lever, action.changes) == (Lever.FLOOR, (Change(TABLE_WRITE, 126, 50),))
    assert back.state.foreign_at is None


def test_history_holds_transitions_and_not_every_minutes_repetition() -> None:
    first = run(observed())
    assert {d.reason for d in first.explanation.new_decisions} == {Reason.HOLD_STEADY}
    again = run(observed(), state=first.state)
    assert again.explanation.new_decisions == ()
    hot = observed(causes={(TABLE_WRITE, Cause.KEY_RANGE): {1: 50}})
    turned = run(hot, state=again.state)
    assert [d.reason for d in turned.explanation.new_decisions] == [Reason.HOLD_KEY_RANGE]
    assert run(hot, state=turned.state).explanation.new_decisions == ()


def test_ordinary_holds_are_no_news_of_each_other() -> None:
    steady = run(observed()).state
    recent = replace(
        steady, dimensions={d: replace(part, raised_at=NOON - 300.0) for d, part in steady.dimensions.items()}
    )
    result = run(observed(consumed={TABLE_WRITE: even(7)}), state=recent)
    assert decided(result).reason is Reason.HOLD_RECENT_LOAD
    assert result.explanation.new_decisions == ()


def test_the_outcome_of_a_decision_says_how_far_it_goes() -> None:
    assert decided(run(BUSY)).outcome is Outcome.PENDING
    assert decided(run(BUSY, rules=policy(Mode.ADVISE))).outcome is Outcome.ADVISED
    assert decided(run(observed())).outcome is Outcome.NONE


def test_the_report_of_a_dimension() -> None:
    seen = observed(
        table(throughput(decreases=4, lowered=NOON - 1800)),
        causes={(TABLE_WRITE, Cause.KEY_RANGE): {1: 50}},
    )
    report = {part.dimension: part for part in run(seen).explanation.dimensions}[TABLE_WRITE]
    assert (report.provisioned, report.bounds) == (100, Bounds(5, 1000))
    assert (report.freshness, report.consumed, report.demand) == (Freshness.FRESH, 70, 70)
    assert (report.throttled, report.gained, report.cause) == (
        {Cause.KEY_RANGE: 50},
        {Cause.KEY_RANGE: 50},
        Cause.KEY_RANGE,
    )
    assert (report.decreases_left, report.next_decrease_in) == (0, 1805)
    assert report.newest == ago(1)


def test_unknown_rates_are_reported_as_unknown() -> None:
    result = run(observed(silent=(TABLE_READ, TABLE_WRITE)))
    assert {(part.consumed, part.demand) for part in result.explanation.dimensions} == {(None, None)}


def test_an_index_without_bounds_holds_while_its_table_acts() -> None:
    seen = observed(INDEXED, {TABLE_WRITE: even(90), INDEX_WRITE: even(45)})
    result = run(seen, rules=policy(index_bounds=None))
    assert decided(result, INDEX_WRITE).reason is Reason.HOLD_UNBOUNDED
    assert only_change(result.actions[0].changes) == Change(TABLE_WRITE, 100, 126)


def only_change(changes: tuple[Change, ...]) -> Change:
    (change,) = changes
    return change


def test_alerts_and_actions_of_one_step_speak_of_the_same_numbers() -> None:
    result = run(STARVED)
    alert = only(result.alerts)
    assert "raising 100 to 400" in alert.subject
    assert only_change(result.actions[0].changes).after == 400
    assert result.explanation.incident == result.state.incident


def test_a_switch_to_on_demand_and_back_is_nobodys_change() -> None:
    before = run(observed()).state
    on_demand = observed(table(throughput(0, 0), billing=Billing.ON_DEMAND), {TABLE_WRITE: even(70)})
    between = run(on_demand, state=before).state
    assert between.dimensions[TABLE_WRITE].expected is None
    back = run(observed(table(throughput(300, 300)), {TABLE_WRITE: even(210)}), state=between)
    assert back.state.foreign_at is None
    assert back.state.dimensions[TABLE_WRITE].expected == 300
