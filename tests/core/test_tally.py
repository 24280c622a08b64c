"""Throttled events are counted once each, however late, revised or reclassified their points are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.builders import INDEX_WRITE, NOON, Events, ago, even, observed, points, run, table, throughput
from watcher.core.demand import throttled_events
from watcher.core.model import TABLE_WRITE, Dimension
from watcher.core.reasons import Cause
from watcher.core.result import StepResult
from watcher.core.series import Series
from watcher.core.state import DimensionState
from watcher.core.tally import count

P, K, U, BP = Cause.PROVISIONED, Cause.KEY_RANGE, Cause.UNCLASSIFIED, Cause.INDEX_BACK_PRESSURE
INDEXED = table(index=throughput())
HALF, FULL = 70.0, 100.0  # units/s of the table's 100

Look = tuple[Events, Mapping[Cause, Events]]  # the totals and the causes that CloudWatch gives, by minutes ago


def seen(look: Look, used: float = HALF, counted: Mapping[int, Mapping[Cause, float]] | None = None) -> DimensionState:
    total, causes = look
    return DimensionState(
        consumed=Series(points(even(used, 30))),
        throttled=Series({ago(minute): events for minute, events in total.items()}),
        causes={
            cause: Series({ago(minute): events for minute, events in spread.items()})
            for cause, spread in causes.items()
        },
        counted=counted or {},
    )


def counts(looks: Sequence[Look], used: float = HALF, every: float = 0.0) -> list[Mapping[Cause, float]]:
    """What each look gains; ``every``: seconds between two of them."""
    gains: list[Mapping[Cause, float]] = []
    known: Mapping[int, Mapping[Cause, float]] = {}
    for at, look in enumerate(looks):
        states, gained = count(NOON + at * every, table(), {TABLE_WRITE: seen(look, used, known)})
        known = states[TABLE_WRITE].counted
        gains.append(gained[TABLE_WRITE])
    return gains


def test_events_are_counted_once_however_often_they_are_read() -> None:
    look: Look = ({1: 40, 3: 2}, {P: {1: 40, 3: 2}})
    assert counts([look, look, look]) == [{P: 42}, {}, {}]


# A half-empty minute waits 240 s for its causes: ago(3) at NOON, and no longer 60 s after it.
@pytest.mark.parametrize(
    ("looks", "used", "gains"),
    [
        pytest.param(
            [({1: 100}, {}), ({1: 100}, {K: {1: 100}})], HALF, [{}, {K: 100}], id="half empty: counted with its cause"
        ),
        pytest.param(
            [({1: 100}, {}), ({1: 100}, {P: {1: 100}})], FULL, [{P: 100}, {}], id="full: at once, and as AWS says later"
        ),
        pytest.param(
            [({1: 100}, {}), ({1: 100}, {K: {1: 100}})],
            FULL,
            [{P: 100}, {}],
            id="full: at once, and reclassified it is not counted again",
        ),
        pytest.param(
            [({1: 100}, {}), ({1: 100}, {K: {1: 70}})],
            FULL,
            [{P: 100}, {}],
            id="reclassified in part: 70 of one cause and 30 of another are the same 100",
        ),
        pytest.param(
            [({4: 100}, {}), ({4: 100}, {K: {4: 100}})],
            HALF,
            [{U: 100}, {}],
            id="called unclassified after four minutes, and named later still",
        ),
        pytest.param(
            [({1: 100}, {K: {1: 60}}), ({1: 100}, {K: {1: 60}, P: {1: 40}})],
            HALF,
            [{K: 60}, {P: 40}],
            id="one cause earlier than the other",
        ),
        pytest.param(
            [({3: 100}, {K: {3: 60}}), ({3: 100}, {K: {3: 60}})],
            HALF,
            [{K: 60}, {U: 40}],
            id="what no cause explains is unclassified once it must have been named",
        ),
        pytest.param(
            [({}, {K: {1: 100}}), ({1: 100}, {K: {1: 100}})], HALF, [{K: 100}, {}], id="the causes before the total"
        ),
    ],
)
def test_a_total_and_its_causes_in_any_order(
    looks: Sequence[Look], used: float, gains: Sequence[Mapping[Cause, float]]
) -> None:
    assert counts(looks, used, every=60.0) == gains


@pytest.mark.parametrize(
    ("events", "gains"),
    [
        pytest.param([40, 55], [40, 15], id="upward: the difference"),
        pytest.param([40, 25], [40, 0], id="downward: nothing"),
        pytest.param([40, 25, 40], [40, 0, 0], id="down and back: nothing"),
        pytest.param([40, 25, 43], [40, 0, 3], id="down and further up: only what goes beyond the most"),
        pytest.param([0, 40, 0, 40], [0, 40, 0, 0], id="a point that goes missing for a while"),
    ],
)
def test_a_point_revised(events: Sequence[float], gains: Sequence[float]) -> None:
    looks: list[Look] = [({1: each}, {K: {1: each}}) for each in events]
    assert [gained.get(K, 0) for gained in counts(looks)] == gains


def test_a_point_revised_and_reclassified_at_once_counts_what_it_grew_by_under_its_new_cause() -> None:
    assert counts([({1: 100}, {P: {1: 100}}), ({1: 120}, {K: {1: 120}})]) == [{P: 100}, {K: 20}]


def test_growth_of_one_minute_is_not_paid_for_by_another_that_shrank() -> None:
    assert counts([({1: 100, 2: 50}, {K: {1: 100, 2: 50}}), ({1: 10, 2: 60}, {K: {1: 10, 2: 60}})]) == [
        {K: 150},
        {K: 10},
    ]


def test_a_restarted_counter_does_not_count_what_is_older_than_ten_minutes() -> None:
    # ago(9) starts exactly 600 s before NOON.
    assert counts([({9: 5, 10: 7}, {P: {9: 5, 10: 7}})]) == [{P: 5}]


def test_what_was_counted_is_forgotten_after_ten_minutes_and_not_counted_again() -> None:
    look: Look = ({9: 5}, {P: {9: 5}})
    states, _ = count(NOON, table(), {TABLE_WRITE: seen(look)})
    assert states[TABLE_WRITE].counted == {ago(9): {P: 5}}
    later, gained = count(NOON + 1, table(), {TABLE_WRITE: seen(look, counted=states[TABLE_WRITE].counted)})
    assert later[TABLE_WRITE].counted == {}
    assert gained == {TABLE_WRITE: {}}


def test_nothing_is_remembered_of_minutes_without_throttles() -> None:
    states, gained = count(NOON, table(), {TABLE_WRITE: seen(({1: 0.0, 2: 0.0}, {K: {1: 0.0}}))})
    assert states[TABLE_WRITE].counted == {}
    assert gained == {TABLE_WRITE: {}}


# The table refuses 80 writes because its index does. What the index says of itself may come before or after.
@pytest.mark.parametrize(
    ("own", "index", "gains"),
    [
        pytest.param([({1: 80}, {})], [({1: 80}, {P: {1: 80}})], [{BP: 80}], id="unnamed at the table"),
        pytest.param([({1: 80}, {P: {1: 80}})], [({1: 80}, {P: {1: 80}})], [{BP: 80}], id="named as its own capacity"),
        pytest.param(
            [({1: 80}, {P: {1: 80}})] * 2,
            [({}, {}), ({1: 80}, {P: {1: 80}})],
            [{P: 80}, {}],
            id="the index's word comes later: reclassified, not counted again",
        ),
        pytest.param(
            [({1: 80}, {})] * 2,
            [({}, {}), ({1: 80}, {})],
            [{}, {BP: 80}],
            id="unnamed, and the index's total comes later",
        ),
        pytest.param([({1: 90}, {})], [({1: 80}, {})], [{BP: 80}], id="no more than the index refused"),
    ],
)
def test_back_pressure_on_a_table(
    own: Sequence[Look], index: Sequence[Look], gains: Sequence[Mapping[Cause, float]]
) -> None:
    states: dict[Dimension, DimensionState] = {TABLE_WRITE: DimensionState(), INDEX_WRITE: DimensionState()}
    found = []
    for mine, theirs in zip(own, index, strict=True):
        looked = {
            TABLE_WRITE: seen(mine, counted=states[TABLE_WRITE].counted),
            INDEX_WRITE: seen(theirs, FULL, states[INDEX_WRITE].counted),
        }
        states, gained = count(NOON, INDEXED, looked)
        found.append(gained[TABLE_WRITE])
    assert found == gains


def test_counting_changes_nothing_else_of_a_state() -> None:
    before = seen(({1: 40}, {K: {1: 40}}))
    states, _ = count(NOON, table(), {TABLE_WRITE: before})
    assert {name for name in before.__slots__ if getattr(before, name) != getattr(states[TABLE_WRITE], name)} == {
        "counted"
    }


def reported(result: StepResult) -> Mapping[Cause, float]:
    (report,) = [part for part in result.explanation.dimensions if part.dimension == TABLE_WRITE]
    return report.gained


def test_a_step_remembers_what_it_counted_and_tells_its_incident_of_it_once() -> None:
    full = {TABLE_WRITE: even(100)}
    first = run(observed(consumed=full, throttled={TABLE_WRITE: {1: 600}}))
    named = observed(consumed=full, causes={(TABLE_WRITE, K): {1: 620}})
    second = run(named, state=first.state)
    third = run(named, state=second.state)
    assert [reported(one) for one in (first, second, third)] == [{P: 600}, {K: 20}, {}]
    assert [one.state.incident.events for one in (first, second, third) if one.state.incident] == [600, 620, 620]


# ---- Any order of arrival. A point is (index or table, minute, total or cause, events); it replaces the one before.
DIMENSIONS = (TABLE_WRITE, INDEX_WRITE)
ARRIVALS = st.lists(
    st.tuples(
        st.sampled_from(DIMENSIONS),
        st.integers(1, 4),
        st.sampled_from([None, P, K, Cause.ACCOUNT_LIMIT]),
        st.integers(0, 50),
    ),
    min_size=1,
    max_size=40,
)
Arrival = tuple[Dimension, int, Cause | None, int]
Told = dict[tuple[Dimension, int], float]
every_order = settings(max_examples=200, derandomize=True, print_blob=True, deadline=None)


def arrived(state: DimensionState, minute: int, cause: Cause | None, events: float) -> DimensionState:
    def merged(series: Series) -> Series:
        return series.merged({ago(minute): events}, 0)

    causes = dict(state.causes)
    if cause is not None:
        causes[cause] = merged(causes.get(cause, Series()))
    throttled = merged(state.throttled) if cause is None else state.throttled
    return DimensionState(state.consumed, state.requests, throttled, causes, state.counted)


def counted_through(arrivals: Sequence[Arrival], used: float, every: float) -> tuple[dict[Dimension, float], Told]:
    """Events counted of each dimension over all looks, and the largest total that was ever seen of each minute."""
    states = {dimension: DimensionState(consumed=Series(points(even(used, 10)))) for dimension in DIMENSIONS}
    totals: dict[Dimension, float] = dict.fromkeys(DIMENSIONS, 0.0)
    largest: Told = {}
    # The last look is late enough for what no cause explains, and early enough for every minute.
    looks = [NOON + min(at * every, 240.0) for at in range(len(arrivals))]
    for now, (dimension, minute, cause, events) in zip([*looks[:-1], NOON + 240.0], arrivals, strict=True):
        states[dimension] = arrived(states[dimension], minute, cause, events)
        known = throttled_events(states[dimension], ago(minute))
        largest[dimension, minute] = max(largest.get((dimension, minute), 0.0), known)
        states, gains = count(now, INDEXED, states)
        for each, gained in gains.items():
            assert all(events > 0 for events in gained.values())
            totals[each] += sum(gained.values())
    return totals, largest


@every_order
@given(ARRIVALS, st.sampled_from([HALF, FULL]), st.sampled_from([0.0, 20.0, 60.0]))
def test_never_more_is_counted_than_the_largest_total_seen_of_each_minute(
    arrivals: list[Arrival], used: float, every: float
) -> None:
    totals, largest = counted_through(arrivals, used, every)
    for dimension in DIMENSIONS:
        most = sum(events for (of, _), events in largest.items() if of == dimension)
        assert totals[dimension] <= most + 1e-6


@every_order
@given(ARRIVALS, st.sampled_from([HALF, FULL]), st.sampled_from([0.0, 20.0, 60.0]))
def test_and_never_less_where_points_are_only_revised_upward(
    arrivals: list[Arrival], used: float, every: float
) -> None:
    rising: list[Arrival] = []
    newest: dict[tuple[Dimension, int, Cause | None], int] = {}
    for dimension, minute, cause, events in arrivals:
        where = (dimension, minute, cause)
        newest[where] = newest.get(where, 0) + events
        rising.append((dimension, minute, cause, newest[where]))
    totals, largest = counted_through(rising, used, every)
    for dimension in DIMENSIONS:
        all_of_it = sum(events for (of, _), events in largest.items() if of == dimension)
        assert totals[dimension] == pytest.approx(all_of_it)
