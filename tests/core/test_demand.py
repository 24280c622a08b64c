"""Demand is estimated: what was refused for want of capacity is added to what was served."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.core.builders import (
    INDEX_READ,
    INDEX_WRITE,
    NOON,
    ago,
)
from watcher.core.demand import Minute, attribute, known_minutes, minutes, throttled_events, units_per_request
from watcher.core.model import TABLE_READ, TABLE_WRITE, Dimension
from watcher.core.policy import Tuning
from watcher.core.reasons import Cause
from watcher.core.series import Series
from watcher.core.state import DimensionState

P, K, BP, U = Cause.PROVISIONED, Cause.KEY_RANGE, Cause.INDEX_BACK_PRESSURE, Cause.UNCLASSIFIED


def known(
    served: float,
    throttled: float = 0.0,
    causes: Mapping[Cause, float] | None = None,
    requests: float | None = None,
    minute: int = 1,
) -> DimensionState:
    """One minute of a dimension: units and events of the whole minute."""
    at = ago(minute)
    return DimensionState(
        consumed=Series({at: served}),
        throttled=Series({at: throttled} if throttled else {}),
        causes={cause: Series({at: events}) for cause, events in (causes or {}).items()},
        requests=Series({at: requests} if requests is not None else {}),
    )


def estimated(state: DimensionState, provisioned: int = 100) -> Minute:
    (minute,) = minutes(NOON, Tuning(), TABLE_WRITE, {TABLE_WRITE: state}, provisioned, 0)
    return minute


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        pytest.param(known(4200), 4200, id="nothing refused: demand is what was served"),
        pytest.param(known(6000, 900, {P: 900}), 6900, id="900 requests of one unit refused: 6000 + 900"),
        pytest.param(known(6000, 900, {P: 900}, requests=2000), 8700, id="requests of 3 units: 6000 + 900 x 3"),
        pytest.param(known(6000, 900, {P: 900}, requests=29), 6900, id="29 samples say nothing of requests"),
        pytest.param(known(6000, 9, {P: 9}, requests=30), 7800, id="30 do: 200 units each, 6000 + 9 x 200"),
        pytest.param(known(3000, 900, {P: 900}, requests=6000), 3900, id="half a unit a request is counted as one"),
        pytest.param(
            known(60_000, 10, {P: 10}, requests=30), 68_000, id="no request costs more than 800 units: 60000 + 10 x 800"
        ),
        pytest.param(known(6000, 500, {K: 500}), 6000, id="a hot key is no demand that capacity could meet"),
        pytest.param(known(6000, 900, {P: 600, K: 300}), 6600, id="of mixed causes only the capacity's: 6000 + 600"),
        pytest.param(known(6000, 700), 6700, id="unclassified on a full minute is the capacity's: 6000 + 700"),
        pytest.param(known(0, 50, {P: 50}), 50, id="nothing served, everything refused"),
    ],
)
def test_demand_of_a_minute_at_100_units(state: DimensionState, wanted: float) -> None:
    assert estimated(state).wanted == wanted
    assert estimated(state).demand == wanted / 60


@pytest.mark.parametrize(
    ("refused", "wanted"),
    [
        pytest.param(113_999, 119_999, id="just below 20 x 100 x 60 = 120,000"),
        pytest.param(114_000, 120_000, id="exactly at it"),
        pytest.param(900_000, 120_000, id="a retry storm is not believed beyond it"),
    ],
)
def test_one_minutes_estimate_is_at_most_twenty_times_the_capacity(refused: float, wanted: float) -> None:
    assert estimated(known(6000, refused, {P: refused})).wanted == wanted


def test_the_cap_never_goes_below_what_was_served() -> None:
    assert estimated(known(130_000, 10, {P: 10}), provisioned=100).wanted == 130_000


def test_only_minutes_with_a_consumption_point_from_the_start_on() -> None:
    state = DimensionState(
        consumed=Series({ago(1): 60.0, ago(3): 120.0, ago(4): 9.0}), throttled=Series({ago(2): 50.0})
    )
    seen = minutes(NOON, Tuning(), TABLE_WRITE, {TABLE_WRITE: state}, 100, ago(3))
    assert [minute.start for minute in seen] == [ago(3), ago(1)]


def test_units_per_request_without_counts_is_one() -> None:
    assert units_per_request(known(6000), ago(1)) == 1.0


@pytest.mark.parametrize(
    ("state", "events"),
    [
        pytest.param(known(0, 100, {P: 60}), 100, id="the total where it is larger"),
        pytest.param(known(0, 60, {P: 60, K: 20}), 80, id="the sum of the causes where that is larger"),
        pytest.param(known(0), 0, id="none"),
    ],
)
def test_throttled_events(state: DimensionState, events: float) -> None:
    assert throttled_events(state, ago(1)) == events


# A minute of 100 units/s holds 6,000; "full" begins at 5,400.
@pytest.mark.parametrize(
    ("own", "index", "causes"),
    [
        pytest.param(known(4000), known(0), {}, id="nothing throttled"),
        pytest.param(known(4000, 80, {K: 80}), known(0), {K: 80}, id="AWS's word is taken"),
        pytest.param(known(5400, 80), known(0), {P: 80}, id="unnamed at 90 % of capacity: too little of it"),
        pytest.param(known(5399, 80), known(0), {}, id="unnamed just below 90 %: not yet said, causes may be late"),
        pytest.param(known(5399, 80, minute=4), known(0), {U: 80}, id="240 s after the minute: unclassified"),
        pytest.param(known(5399, 80, minute=3), known(0), {}, id="180 s after it: still waiting"),
        pytest.param(known(4000, 80), known(0, 80, {P: 80}), {BP: 80}, id="unnamed beside a starving index: its doing"),
        pytest.param(
            known(6000, 900), known(0, 1, {K: 1}), {BP: 1, P: 899}, id="a lone index event explains no more than itself"
        ),
        pytest.param(known(4000, 90), known(0, 80), {BP: 80}, id="the remainder of a half-empty minute waits"),
        pytest.param(
            known(4000, 90, minute=4), known(0, 80, minute=4), {BP: 80, U: 10}, id="and is unclassified after 240 s"
        ),
        pytest.param(
            known(4000, 80, {P: 80}), known(0, 40, {P: 40}), {BP: 80}, id="half empty, the index refused half as many"
        ),
        pytest.param(known(4000, 80, {P: 80}), known(0, 39, {P: 39}), {P: 80}, id="the index refused less than half"),
        pytest.param(known(5400, 80, {P: 80}), known(0, 80, {P: 80}), {P: 80}, id="full itself: its own refusals"),
        pytest.param(
            known(6000, 100, {P: 60, K: 30}), known(0), {P: 70, K: 30}, id="the unnamed rest of a full minute: 60 + 10"
        ),
    ],
)
def test_attribution_of_a_tables_writes(own: DimensionState, index: DimensionState, causes: dict[Cause, float]) -> None:
    (minute,) = own.consumed.points
    states = {TABLE_WRITE: own, INDEX_WRITE: index}
    assert attribute(NOON, TABLE_WRITE, states, minute, own.consumed.at(minute), 100) == causes


@pytest.mark.parametrize(
    ("before", "minute", "causes"),
    [
        pytest.param({}, 1, {P: 80}, id="nothing before it: a full minute explains itself"),
        pytest.param({2: {P: 50}}, 1, {P: 80}, id="too little capacity a minute ago, and still"),
        pytest.param({2: {K: 50}}, 1, {}, id="a hot key a minute ago: until the causes are out, nothing is guessed"),
        pytest.param({2: {K: 50}}, 4, {P: 80}, id="240 s later they are out, and none was named"),
        pytest.param({2: {K: 26, P: 25}}, 1, {}, id="mostly a hot key"),
        pytest.param({2: {K: 25, P: 26}}, 1, {P: 80}, id="mostly too little capacity"),
        pytest.param({3: {P: 50}, 2: {K: 50}}, 1, {}, id="the last classified minute counts"),
        pytest.param({11: {K: 50}}, 1, {}, id="ten minutes before it still do"),
        pytest.param({12: {K: 50}}, 1, {P: 80}, id="eleven do not"),
    ],
)
def test_a_full_minute_whose_causes_are_late_is_no_demand_after_a_hot_key(
    before: dict[int, dict[Cause, float]], minute: int, causes: dict[Cause, float]
) -> None:
    shift = minute - 1
    series: dict[Cause, dict[int, float]] = {}
    for back, events in before.items():
        for cause, count in events.items():
            series.setdefault(cause, {})[ago(back + shift)] = count
    state = DimensionState(
        consumed=Series({ago(minute): 6000.0}),
        throttled=Series({ago(minute): 80.0}),
        causes={cause: Series(dict(sorted(points.items()))) for cause, points in series.items()},
    )
    assert attribute(NOON, TABLE_WRITE, {TABLE_WRITE: state}, ago(minute), 6000.0, 100) == causes


@pytest.mark.parametrize(
    ("dimension", "starving"),
    [
        pytest.param(TABLE_READ, INDEX_READ, id="reads of an index hold nothing back"),
        pytest.param(TABLE_READ, INDEX_WRITE, id="nor do its writes hold back reads"),
        pytest.param(INDEX_WRITE, Dimension("other", INDEX_WRITE.kind), id="one index does not hold back another"),
    ],
)
def test_only_the_tables_writes_are_held_back_by_an_index(dimension: Dimension, starving: Dimension) -> None:
    states = {dimension: known(4000, 80, {P: 80}), starving: known(0, 80, {P: 80})}
    assert attribute(NOON, dimension, states, ago(1), 4000, 100) == {P: 80}


def test_nothing_is_full_where_nothing_is_provisioned() -> None:
    own = known(4000, 80, minute=4)
    assert attribute(NOON, TABLE_WRITE, {TABLE_WRITE: own}, ago(4), 4000, 0) == {U: 80}


def test_known_minutes_counts_points_from_the_start_to_before_the_end() -> None:
    series = Series({0: 0.0, 60: 1.0, 180: 2.0})
    assert known_minutes(series, 0, 180) == 2
    assert known_minutes(series, 60, 181) == 2
