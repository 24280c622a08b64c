"""Slow is not throttled: each operation against its own normal."""

from __future__ import annotations

import pytest

from tests.core.builders import NOON, ago
from watcher.core.latency import (
    LEARNING_MINUTES,
    Slow,
    Statistic,
    is_critical,
    is_far_above,
    is_tail_far_above,
    learn,
    report,
    slowest,
)
from watcher.core.model import Answer, Metric, Query
from watcher.core.policy import IncidentRules
from watcher.core.state import Normal

# slow: average above 3 x normal, above 20 ms, 5 minutes in a row; p99 above 5 x normal, above 50 ms, 10 minutes;
# critical: average at 10 x normal and above 100 ms, or slow for 60 minutes.
RULES = IncidentRules()


def answers(averages: dict[int, float], p99: dict[int, float] | None = None) -> dict[Query, Answer]:
    found = {Query("orders", Metric.LATENCY_AVERAGE, operation="Query"): Answer(averages)}
    if p99:
        found[Query("orders", Metric.LATENCY_P99, operation="Query")] = Answer(p99)
    return found


def learned(mean: float = 10.0, minutes: int = 60, newest: int = 10, slow: int = 0) -> Normal:
    return Normal(mean, minutes, ago(newest), slow_minutes=slow, average=mean)


@pytest.mark.parametrize(
    ("normal", "average", "far"),
    [
        pytest.param(learned(10), 30.0, False, id="three times its normal exactly"),
        pytest.param(learned(10), 30.1, True, id="just above three times"),
        pytest.param(learned(2), 20.0, False, id="ten times its normal, but at the floor of 20 ms"),
        pytest.param(learned(2), 20.1, True, id="just above the floor"),
        pytest.param(learned(10, LEARNING_MINUTES - 1), 99.0, False, id="a normal of 29 minutes judges nobody"),
        pytest.param(learned(10, LEARNING_MINUTES), 99.0, True, id="one of 30 minutes does"),
    ],
)
def test_far_above_normal(normal: Normal, average: float, far: bool) -> None:  # noqa: FBT001 - a table's column
    assert is_far_above(RULES, normal, average) is far


def test_the_normal_of_the_first_minutes_is_their_mean() -> None:
    normal = learn(RULES, {}, answers({ago(3): 2.0, ago(2): 4.0, ago(1): 9.0}), 0)["Query"]
    assert (normal.mean, normal.minutes, normal.newest, normal.average) == (5.0, 3, ago(1), 9.0)


def test_a_minute_is_learned_once() -> None:
    once = learn(RULES, {}, answers({ago(2): 2.0}), 0)
    assert learn(RULES, once, answers({ago(2): 8.0}), 0) == once


def test_a_slow_minute_moves_the_normal_a_little_and_an_ordinary_one_more() -> None:
    # 60 minutes known: an ordinary minute weighs 1/61, a slow one 1/1440.
    ordinary = learn(RULES, {"Query": learned(10)}, answers({ago(1): 16.1}), 0)["Query"]
    assert ordinary.mean == pytest.approx(10 + 6.1 / 61)
    slow = learn(RULES, {"Query": learned(10)}, answers({ago(1): 154.0}), 0)["Query"]
    assert slow.mean == pytest.approx(10 + 144 / 1440)


@pytest.mark.parametrize(
    ("averages", "in_a_row"),
    [
        pytest.param({5: 90, 4: 90, 3: 90, 2: 90, 1: 90}, 5, id="five in a row"),
        pytest.param({5: 90, 4: 90, 2: 90, 1: 90}, 2, id="a minute without calls breaks the row"),
        pytest.param({5: 90, 4: 90, 3: 12, 2: 90, 1: 90}, 2, id="an ordinary minute breaks it"),
        pytest.param({2: 90, 1: 12}, 0, id="it ends with an ordinary one"),
    ],
)
def test_slow_minutes_in_a_row(averages: dict[int, float], in_a_row: int) -> None:
    seen = answers({ago(minute): value for minute, value in averages.items()})
    assert learn(RULES, {"Query": learned(10)}, seen, 0)["Query"].slow_minutes == in_a_row


def test_the_row_goes_on_over_several_readings() -> None:
    normals = {"Query": learned(10, newest=6)}
    for minute in (5, 4, 3):
        normals = learn(RULES, normals, answers({ago(minute): 90.0}), 0)
    assert normals["Query"].slow_minutes == 3


def test_the_p99_of_the_newest_minute_is_kept_where_there_is_one() -> None:
    assert learn(RULES, {}, answers({ago(1): 5.0}, p99={ago(1): 30.0}), 0)["Query"].p99 == 30.0
    assert learn(RULES, {}, answers({ago(1): 5.0}), 0)["Query"].p99 is None


def test_an_operation_not_seen_for_long_is_forgotten() -> None:
    normals = {"Query": learned(newest=10)}
    assert learn(RULES, normals, {}, ago(10)) == normals
    assert learn(RULES, normals, {}, ago(10) + 1) == {}


@pytest.mark.parametrize(
    ("normals", "since", "operation"),
    [
        pytest.param({"Query": learned(slow=5)}, ago(10), "Query", id="five slow minutes, seen lately"),
        pytest.param({"Query": learned(slow=4)}, ago(10), None, id="four are too few"),
        pytest.param({"Query": learned(slow=5)}, ago(9), None, id="seen too long ago"),
        pytest.param({}, 0, None, id="nothing known"),
        pytest.param(
            {
                "GetItem": Normal(10, 60, NOON, slow_minutes=9, average=40),
                "Query": Normal(20, 60, NOON, slow_minutes=5, average=90),
            },
            0,
            "Query",
            id="the one furthest above its own normal: 4.5 times, not 4",
        ),
    ],
)
def test_slowest(normals: dict[str, Normal], since: float, operation: str | None) -> None:
    found = slowest(RULES, normals, since)
    assert (found.operation if found else None) == operation


def tail(mean: float = 20.0, minutes: int = 60, newest: int = 10, slow: int = 0, p99: float = 20.0) -> Normal:
    """An operation whose average is as ever."""
    return Normal(5.0, 60, ago(newest), average=5.0, p99=p99, p99_mean=mean, p99_minutes=minutes, p99_slow_minutes=slow)


@pytest.mark.parametrize(
    ("normal", "p99", "far"),
    [
        pytest.param(tail(20), 100.0, False, id="five times its normal exactly"),
        pytest.param(tail(20), 100.1, True, id="just above five times"),
        pytest.param(tail(2), 50.0, False, id="25 times its normal, but at the floor of 50 ms"),
        pytest.param(tail(2), 50.1, True, id="just above the floor"),
        pytest.param(tail(20, LEARNING_MINUTES - 1), 900.0, False, id="a p99 known for 29 minutes judges nobody"),
        pytest.param(tail(20, LEARNING_MINUTES), 900.0, True, id="one of 30 minutes does"),
    ],
)
def test_a_tail_far_above_its_own_normal(normal: Normal, p99: float, far: bool) -> None:  # noqa: FBT001 - a table's column
    assert is_tail_far_above(RULES, normal, p99) is far


def test_the_normal_of_the_p99_is_learned_from_the_minutes_that_have_one() -> None:
    seen = answers({ago(3): 2.0, ago(2): 4.0, ago(1): 9.0}, p99={ago(3): 10.0, ago(1): 30.0})
    normal = learn(RULES, {}, seen, 0)["Query"]
    assert (normal.p99_mean, normal.p99_minutes, normal.minutes) == (20.0, 2, 3)


def test_the_p99_is_learned_from_now_on_by_a_normal_remembered_without_one() -> None:
    # A memory written before the p99 had a normal of its own.
    seen = answers({ago(2): 10.0, ago(1): 10.0}, p99={ago(2): 40.0, ago(1): 60.0})
    normal = learn(RULES, {"Query": learned(10)}, seen, 0)["Query"]
    assert (normal.p99_mean, normal.p99_minutes) == (50.0, 2)


def test_a_slow_p99_moves_its_normal_a_little_and_an_ordinary_one_more() -> None:
    # 60 minutes known: an ordinary minute weighs 1/61, a slow one 1/1440; and neither moves the average's.
    ordinary = learn(RULES, {"Query": tail(20)}, answers({ago(1): 5.0}, p99={ago(1): 81.0}), 0)["Query"]
    assert ordinary.p99_mean == pytest.approx(20 + 61 / 61)
    slow = learn(RULES, {"Query": tail(20)}, answers({ago(1): 5.0}, p99={ago(1): 1460.0}), 0)["Query"]
    assert slow.p99_mean == pytest.approx(20 + 1440 / 1440)
    assert slow.mean == 5.0


@pytest.mark.parametrize(
    ("p99", "in_a_row"),
    [
        pytest.param({3: 900, 2: 900, 1: 900}, 3, id="three in a row"),
        pytest.param({3: 900, 1: 900}, 1, id="a minute without a p99 breaks the row"),
        pytest.param({3: 900, 2: 30, 1: 900}, 1, id="an ordinary minute breaks it"),
        pytest.param({2: 900, 1: 30}, 0, id="it ends with an ordinary one"),
    ],
)
def test_slow_minutes_of_the_p99_in_a_row(p99: dict[int, float], in_a_row: int) -> None:
    seen = answers({ago(m): 5.0 for m in (3, 2, 1)}, p99={ago(minute): value for minute, value in p99.items()})
    found = learn(RULES, {"Query": tail(newest=4)}, seen, 0)["Query"]
    assert (found.p99_slow_minutes, found.slow_minutes) == (in_a_row, 0)


@pytest.mark.parametrize(
    ("normal", "verdict"),
    [
        pytest.param(tail(20, slow=10, p99=400.0), (Statistic.P99, 400.0, 20.0, 10, 20.0), id="ten slow minutes"),
        pytest.param(tail(20, slow=9, p99=400.0), None, id="nine are too few: the p99 of few requests jumps"),
        pytest.param(
            Normal(10, 60, NOON, 5, 90.0, p99=900.0, p99_mean=20.0, p99_minutes=60, p99_slow_minutes=20),
            (Statistic.AVERAGE, 90.0, 10.0, 5, 9.0),
            id="an average that is slow too is the verdict, however far the p99 is above",
        ),
    ],
)
def test_which_statistic_is_slow(normal: Normal, verdict: tuple[Statistic, float, float, int, float] | None) -> None:
    found = slowest(RULES, {"Query": normal}, 0)
    assert (found and (found.statistic, found.value, found.usual, found.minutes, found.times)) == verdict


def test_the_slow_average_of_one_operation_comes_before_the_slow_p99_of_another() -> None:
    normals = {"GetItem": tail(20, slow=10, p99=2_000.0), "Query": Normal(10, 60, NOON, slow_minutes=5, average=40)}
    found = slowest(RULES, normals, 0)
    assert found is not None
    assert found.operation == "Query"


@pytest.mark.parametrize(
    ("slow", "critical"),
    [
        pytest.param(Slow("Query", Normal(11, 99, NOON, 5, 110.0)), True, id="ten times its normal, above 100 ms"),
        pytest.param(Slow("Query", Normal(11.01, 99, NOON, 5, 110.0)), False, id="just below ten times"),
        pytest.param(Slow("Query", Normal(5, 99, NOON, 5, 100.0)), False, id="20 times, but at 100 ms"),
        pytest.param(Slow("Query", Normal(5, 99, NOON, 5, 100.1)), True, id="20 times, just above 100 ms"),
        pytest.param(Slow("Query", Normal(10, 99, NOON, 60, 40.0)), True, id="four times, for an hour"),
        pytest.param(Slow("Query", Normal(10, 99, NOON, 59, 40.0)), False, id="four times, for a minute less"),
        pytest.param(
            Slow("Query", tail(20, slow=90, p99=9_000.0), Statistic.P99), False, id="a p99 alone, however far and long"
        ),
    ],
)
def test_when_slowness_is_critical(slow: Slow, critical: bool) -> None:  # noqa: FBT001 - a table's column
    assert is_critical(RULES, slow) is critical


def test_the_report_keeps_a_young_normal_to_itself() -> None:
    rows = report({"Query": learned(10, 30), "GetItem": learned(4, 29)})
    assert [(row.operation, row.normal) for row in rows] == [("GetItem", None), ("Query", 10)]
