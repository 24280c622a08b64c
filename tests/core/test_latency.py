"""Slow is not throttled: each operation against its own normal."""

from __future__ import annotations

import pytest

from tests.core.builders import NOON, ago
from watcher.core.latency import LEARNING_MINUTES, is_far_above, learn, report, slowest
from watcher.core.model import Answer, Metric, Query
from watcher.core.policy import IncidentRules
from watcher.core.state import Normal

RULES = IncidentRules()  # slow: above 3 x normal, above 20 ms, 5 minutes in a row


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
    assert (found[0] if found else None) == operation


def test_the_report_keeps_a_young_normal_to_itself() -> None:
    rows = report({"Query": learned(10, 30), "GetItem": learned(4, 29)})
    assert [(row.operation, row.normal) for row in rows] == [("GetItem", None), ("Query", 10)]
