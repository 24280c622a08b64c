"""dynamic-dynamodb 2.5.1 by hand: of 100 units a second over a window of 300 s, 300 units are one percent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.replay.plants import NOON
from watcher.core.model import Kind
from watcher.core.policy import Bounds
from watcher.replay.dynamic_dynamodb import DEFAULTS, TUNED, DynamicDynamoDb, Options

BOUNDS = Bounds(5, 1000)


def check(
    consumed: float,
    *,
    throttled: float = 0.0,
    current: int = 100,
    options: Options = DEFAULTS,
    bounds: Bounds = BOUNDS,
    kind: Kind = Kind.WRITE,
) -> int | None:
    points = {NOON: consumed} if consumed else {}
    events = {NOON: throttled} if throttled else {}
    return DynamicDynamoDb(options, kind, bounds).check(points, events, current)


@pytest.mark.parametrize(
    ("consumed", "current", "wanted"),
    [
        pytest.param(27_000.0, 100, None, id="at 90 % exactly nothing happens"),
        pytest.param(27_001.0, 100, 150, id="above 90 % half is added"),
        pytest.param(27_001.0, 99, 149, id="what is added is rounded up: 99 + 49.5"),
        pytest.param(36_000.0, 100, 180, id="what burst above capacity is the base: 120 + 60"),
        pytest.param(270_000.0, 800, 1000, id="a raise ends at the maximum"),
        pytest.param(9000.0, 100, None, id="at 30 % exactly nothing happens"),
        pytest.param(8999.0, 100, 50, id="below 30 % half is taken away"),
        pytest.param(300.0, 99, 50, id="what is taken away is rounded down: 99 - 49"),
        pytest.param(0.0, 100, None, id="no data is 0 %, which lowers nothing"),
        pytest.param(30.0, 8, 5, id="a decrease ends at the minimum"),
        pytest.param(30.0, 5, None, id="at the minimum nothing is lowered"),
        pytest.param(0.0, 4, 5, id="below the minimum it is forced there"),
        pytest.param(150_000.0, 1200, 1000, id="above the maximum it is forced there"),
        pytest.param(310_000.0, 1200, None, id="not if more than that is consumed"),
    ],
)
def test_the_defaults(consumed: float, current: int, wanted: int | None) -> None:
    assert check(consumed, current=current) == wanted


def test_a_decrease_below_what_is_consumed_is_cancelled() -> None:
    greedy = replace(DEFAULTS, decrease_with=80)
    assert check(6000.0, options=greedy) == 20  # 20 % of 100, and 20 are consumed
    assert check(6001.0, options=greedy) is None


def test_throttling_counts_for_nothing_by_default() -> None:
    assert check(15_000.0, throttled=1e6) is None


@pytest.mark.parametrize(
    ("consumed", "events", "wanted"),
    [
        pytest.param(4800.0, 0.0, None, id="at 80 % of a minute exactly nothing happens"),
        pytest.param(4801.0, 0.0, 130, id="above it 30 % are added"),
        pytest.param(4000.0, 1.0, None, id="one throttled request is not above one"),
        pytest.param(4000.0, 2.0, 130, id="two are"),
        pytest.param(1000.0, 2.0, 130, id="even where little is consumed"),
    ],
)
def test_the_tuned_variant_raises(consumed: float, events: float, wanted: int | None) -> None:
    assert check(consumed, throttled=events, options=TUNED) == wanted


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        pytest.param(Kind.WRITE, None, id="writes that throttle at their maximum are not lowered"),
        pytest.param(Kind.READ, 50, id="reads are"),
    ],
)
def test_only_writes_are_held_while_they_throttle(kind: Kind, wanted: int | None) -> None:
    options = replace(DEFAULTS, throttled_upper_threshold=1)
    assert check(3000.0, throttled=2.0, options=options, bounds=Bounds(5, 100), kind=kind) == wanted


LOW, MIDDLE, HIGH = 2699.0, 3000.0, 4801.0  # under 45 %, 50 %, above 80 % of 100 units a second over a minute


@pytest.mark.parametrize(
    ("minutes", "wanted"),
    [
        pytest.param([LOW] * 9, None, id="nine low checks are not ten"),
        pytest.param([LOW] * 10, 70, id="the tenth lowers by 30 %"),
        pytest.param([LOW] * 9 + [MIDDLE, LOW], 70, id="a check in between does not set the count back"),
        pytest.param([LOW] * 9 + [HIGH, LOW], None, id="a raise does"),
        pytest.param([LOW] * 11, None, id="after a decrease the count begins anew"),
        pytest.param([2700.0] * 10, None, id="at 45 % exactly nothing is counted"),
    ],
)
def test_the_tuned_variant_lowers_after_ten_checks(minutes: list[float], wanted: int | None) -> None:
    scaler = DynamicDynamoDb(TUNED, Kind.WRITE, BOUNDS)
    assert [scaler.check({NOON: units}, {}, 100) for units in minutes][-1] == wanted


def test_several_minutes_of_the_window_are_summed() -> None:
    scaler = DynamicDynamoDb(DEFAULTS, Kind.WRITE, BOUNDS)
    assert scaler.check({NOON + 60 * number: 5401.0 for number in range(5)}, {}, 100) == 150


def test_the_default_window_is_fifteen_to_ten_minutes_old_and_looked_at_every_five() -> None:
    scaler = DynamicDynamoDb(DEFAULTS, Kind.WRITE, BOUNDS)
    windows = {minute: scaler.window(NOON + 60 * minute + 10.0) for minute in range(11)}
    assert {minute: window for minute, window in windows.items() if window} == {
        0: (NOON - 900, NOON - 600),
        5: (NOON - 600, NOON - 300),
        10: (NOON - 300, NOON),
    }


def test_the_tuned_window_is_the_minute_before_the_last_two() -> None:
    scaler = DynamicDynamoDb(TUNED, Kind.WRITE, BOUNDS)
    assert [scaler.window(NOON + 10.0), scaler.window(NOON + 70.0)] == [
        (NOON - 180, NOON - 120),
        (NOON - 120, NOON - 60),
    ]
