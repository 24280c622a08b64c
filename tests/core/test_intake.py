"""Absent, stale and zero are three different things."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.core.builders import (
    INDEX_WRITE,
    KEY,
    NOON,
    Rates,
    ago,
    even,
    observed,
    points,
    remembered,
    table,
    throughput,
)
from watcher.core.intake import Intake, freshness, take_in
from watcher.core.model import TABLE_READ, TABLE_WRITE, Answer, Dimension, Metric, Query, TableObservation
from watcher.core.policy import Tuning
from watcher.core.reasons import Cause, Freshness
from watcher.core.series import Series
from watcher.core.state import SERIES_SECONDS, DimensionState

WRITES = Query(KEY.name, Metric.CONSUMED, TABLE_WRITE)


def taken(
    observation: TableObservation,
    before: Mapping[Dimension, DimensionState] | None = None,
    dimension: Dimension = TABLE_WRITE,
) -> Intake:
    return take_in(NOON, Tuning(), before or {}, observation)[dimension]


@pytest.mark.parametrize(
    ("keep_seconds", "known"),
    [
        pytest.param(SERIES_SECONDS, 0, id="the daemon forgets a minute of yesterday"),
        pytest.param(86_400.0 - 60, 0, id="a minute older than what is kept is dropped"),
        pytest.param(86_400.0, 1, id="history is kept as far back as it was read"),
    ],
)
def test_how_far_back_series_go(keep_seconds: float, known: int) -> None:
    observation = TableObservation(table(), NOON, {WRITES: Answer({NOON - 86_400: 7.0})})
    series = take_in(NOON, Tuning(), {}, observation, keep_seconds)[TABLE_WRITE].state.consumed
    assert len(series.points) == known


# Minutes back and their age at NOON: ago(n) ended n x 60 s ago. settled_after is 240 s, so ago(4) is the newest minute
# that counts as published for good.
@pytest.mark.parametrize(
    ("before", "said", "minute", "expected"),
    [
        pytest.param(even(70), [], 1, None, id="a busy series without its newest point: late, not zero"),
        pytest.param(even(70), [], 3, None, id="three minutes late is still late"),
        pytest.param(even(70), [], 4, 0.0, id="four minutes after its end nothing more is expected: zero"),
        pytest.param([], [], 1, 0.0, id="a series that never has points is zero where CloudWatch speaks of another"),
        pytest.param(even(0), [], 1, 0.0, id="a series of zeros is silent, not late"),
        pytest.param([], [50, None, None], 1, None, id="a point in this very answer makes the series a speaking one"),
        pytest.param(even(70), [0.0], 1, 0.0, id="a zero that CloudWatch publishes is a zero"),
    ],
)
def test_a_minute_without_consumption_beside_a_series_that_speaks(
    before: Rates, said: Rates, minute: int, expected: float | None
) -> None:
    known = points(before)
    for recent in range(1, 6):
        known.pop(ago(recent), None)
    state = {TABLE_WRITE: DimensionState(consumed=Series(known))}
    seen = observed(consumed={TABLE_READ: even(70, 10), TABLE_WRITE: said})
    assert taken(seen, state).state.consumed.points.get(ago(minute)) == expected


def test_a_table_of_which_nothing_is_said_stays_unknown_and_is_not_zero() -> None:
    intake = taken(observed(silent=(TABLE_READ, TABLE_WRITE)))
    assert intake.state.consumed.points == {}
    assert intake.freshness is Freshness.ABSENT
    assert intake.complete


def test_throttles_without_consumption_do_not_make_a_zero() -> None:
    intake = taken(observed(silent=(TABLE_READ, TABLE_WRITE), throttled={TABLE_WRITE: {1: 50}}))
    assert intake.state.consumed.points == {}
    assert intake.state.throttled.at(ago(1)) == 50


def test_an_incomplete_answer_never_becomes_zeros_even_where_others_speak() -> None:
    intake = taken(observed(silent=(TABLE_WRITE,), incomplete=[(TABLE_WRITE, Metric.CONSUMED)]))
    assert intake.state.consumed.points == {}
    assert not intake.complete


def test_what_an_incomplete_answer_does_hold_is_taken() -> None:
    intake = taken(observed(consumed={TABLE_WRITE: [40, 50]}, incomplete=[(TABLE_WRITE, Metric.CONSUMED)]))
    assert intake.state.consumed.points == {ago(2): 40 * 60, ago(1): 50 * 60}
    assert not intake.complete


@pytest.mark.parametrize(
    ("incomplete", "complete"),
    [
        pytest.param((), True, id="everything was answered"),
        pytest.param(((TABLE_WRITE, Metric.CONSUMED),), False, id="consumption was not"),
        pytest.param(((TABLE_WRITE, Metric.THROTTLED),), False, id="throttles were not: a missing one is no zero then"),
        pytest.param(((TABLE_READ, Metric.CONSUMED),), True, id="another dimension's answer is another's"),
        pytest.param(((TABLE_WRITE, Metric.REQUESTS),), True, id="request counts are a help, not a condition"),
    ],
)
def test_complete(incomplete: tuple[tuple[Dimension, Metric], ...], complete: bool) -> None:  # noqa: FBT001 - a table's column
    assert taken(observed(incomplete=incomplete)).complete is complete


def test_a_query_that_was_not_answered_at_all_is_incomplete() -> None:
    seen = observed()
    without = {query: answer for query, answer in seen.answers.items() if query != WRITES}
    intake = taken(replace(seen, answers=without))
    assert not intake.complete
    assert intake.state.consumed.points == {}


def test_a_missing_throttle_point_is_zero() -> None:
    assert taken(observed()).state.throttled.at(ago(1)) == 0.0


def test_a_late_point_replaces_the_zero_that_stood_for_it() -> None:
    first = taken(observed(silent=(TABLE_WRITE,)))
    assert first.state.consumed.at(ago(4), default=-1) == 0.0
    second = taken(observed(consumed={TABLE_WRITE: [80, 80, 80, 80]}), {TABLE_WRITE: first.state})
    assert second.state.consumed.at(ago(4)) == 80 * 60


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        pytest.param(0, Freshness.FRESH, id="just ended"),
        pytest.param(300, Freshness.FRESH, id="ended exactly five minutes ago"),
        pytest.param(300.5, Freshness.STALE, id="half a second longer ago"),
        pytest.param(-30, Freshness.FRESH, id="CloudWatch's clock is ahead of ours"),
    ],
)
def test_freshness_is_the_age_of_the_newest_minutes_end(age: float, expected: Freshness) -> None:
    assert freshness(NOON + 60 + age, Tuning(), Series({NOON: 1.0})) is expected


def test_freshness_of_a_series_without_any_point() -> None:
    assert freshness(NOON, Tuning(), Series()) is Freshness.ABSENT


@pytest.mark.parametrize("second", [0, 1, 30, 59])
def test_a_series_whose_traffic_ended_is_a_fresh_zero_at_every_second_of_the_minute(second: int) -> None:
    busy_until_an_hour_ago = {ago(minute): 70.0 * 60 for minute in range(60, 120)}
    state = {TABLE_WRITE: DimensionState(consumed=Series(busy_until_an_hour_ago))}
    seen = observed(silent=(TABLE_WRITE,))
    intake = take_in(NOON + second, Tuning(), state, seen)[TABLE_WRITE]
    assert intake.freshness is Freshness.FRESH
    assert intake.state.consumed.at(ago(4), default=-1) == 0.0


def test_series_keep_three_hours() -> None:
    oldest = int(NOON - SERIES_SECONDS)
    state = {TABLE_WRITE: DimensionState(consumed=Series({oldest: 1.0, oldest - 60: 1.0}))}
    assert min(taken(observed(), state).state.consumed.points) == oldest


def test_memory_other_than_the_series_is_carried_over() -> None:
    state = remembered(TABLE_WRITE, expected=100, raised_at=NOON - 60.0, advised=140, floor_before=7)
    kept = taken(observed(), state).state
    assert (kept.expected, kept.raised_at, kept.advised, kept.floor_before) == (100, NOON - 60.0, 140, 7)


def test_an_index_that_is_gone_is_forgotten_and_a_new_one_begins_empty() -> None:
    state = remembered(INDEX_WRITE, even(30))
    assert INDEX_WRITE not in take_in(NOON, Tuning(), state, observed())
    fresh = take_in(NOON, Tuning(), {}, observed(table(index=throughput())))
    assert fresh[INDEX_WRITE].state.expected is None


def test_an_unasked_cause_keeps_what_is_known_of_it() -> None:
    first = taken(observed(causes={(TABLE_WRITE, Cause.KEY_RANGE): {1: 40}}))
    second = taken(observed(), {TABLE_WRITE: first.state})
    assert second.state.causes[Cause.KEY_RANGE].at(ago(1)) == 40


def test_answers_hold_for_their_own_table_only() -> None:
    seen = observed()
    foreign = {Query("another", query.metric, query.dimension): answer for query, answer in seen.answers.items()}
    assert taken(replace(seen, answers=foreign)).state.consumed.points == {}
    assert taken(replace(seen, answers={WRITES: Answer({ago(1): 1.0})})).state.consumed.points == {ago(1): 1.0}
