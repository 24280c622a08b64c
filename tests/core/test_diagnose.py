"""The verdict: per dimension, and the table's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.core.builders import (
    INDEX,
    INDEX_WRITE,
    NOON,
    Events,
    Rates,
    ago,
    even,
    observed,
    policy,
    remembered,
    table,
    throughput,
)
from watcher.core.diagnose import Diagnosis, View, diagnose
from watcher.core.intake import take_in
from watcher.core.model import TABLE_READ, TABLE_WRITE, Dimension, Metric, TableObservation
from watcher.core.policy import TablePolicy
from watcher.core.reasons import Cause, Freshness
from watcher.core.state import DimensionState, Normal

INDEXED = table(index=throughput(50, 50))


def diagnosed(
    observation: TableObservation,
    *,
    before: Mapping[Dimension, DimensionState] | None = None,
    normals: Mapping[str, Normal] | None = None,
    rules: TablePolicy | None = None,
) -> Diagnosis:
    rules = rules or policy()
    intakes = take_in(NOON, rules.tuning, before or {}, observation)
    return diagnose(NOON, rules, observation.description, intakes, normals or {})


def view(observation: TableObservation, dimension: Dimension = TABLE_WRITE) -> View:
    return diagnosed(observation).views[dimension]


@pytest.mark.parametrize(
    ("causes", "cause"),
    [
        pytest.param({}, Cause.NONE, id="nothing throttled"),
        pytest.param({(TABLE_WRITE, Cause.PROVISIONED): {1: 9}}, Cause.PROVISIONED, id="too little capacity"),
        pytest.param({(TABLE_WRITE, Cause.KEY_RANGE): {1: 9}}, Cause.KEY_RANGE, id="a hot key range"),
        pytest.param({(TABLE_WRITE, Cause.ACCOUNT_LIMIT): {1: 9}}, Cause.ACCOUNT_LIMIT, id="a quota"),
        pytest.param({(TABLE_WRITE, Cause.ON_DEMAND_CAP): {1: 9}}, Cause.ON_DEMAND_CAP, id="the owner's cap"),
        pytest.param(
            {(TABLE_WRITE, Cause.PROVISIONED): {1: 9}, (TABLE_WRITE, Cause.KEY_RANGE): {2: 10}},
            Cause.KEY_RANGE,
            id="the cause of most events names a dimension",
        ),
        pytest.param(
            {(TABLE_WRITE, Cause.PROVISIONED): {1: 9}, (TABLE_WRITE, Cause.KEY_RANGE): {1: 9}},
            Cause.KEY_RANGE,
            id="of equally many the worse: a hot key range, which capacity cannot cure",
        ),
        pytest.param(
            {(TABLE_WRITE, Cause.PROVISIONED): {1: 9}, (TABLE_WRITE, Cause.ACCOUNT_LIMIT): {1: 9}},
            Cause.ACCOUNT_LIMIT,
            id="of equally many a quota, which capacity cannot cure",
        ),
        pytest.param(
            {(TABLE_WRITE, Cause.PROVISIONED): {1: 9}, (TABLE_WRITE, Cause.ON_DEMAND_CAP): {1: 9}},
            Cause.ON_DEMAND_CAP,
            id="of equally many the owner's cap, which capacity cannot cure",
        ),
        pytest.param(
            {(TABLE_WRITE, Cause.PROVISIONED): {1: 10}, (TABLE_WRITE, Cause.KEY_RANGE): {1: 9}},
            Cause.PROVISIONED,
            id="of more of them too little capacity",
        ),
        pytest.param(
            {(TABLE_READ, Cause.PROVISIONED): {1: 900}, (TABLE_WRITE, Cause.KEY_RANGE): {1: 1}},
            Cause.KEY_RANGE,
            id="of two dimensions the worse cause names the table",
        ),
        pytest.param({(TABLE_WRITE, Cause.KEY_RANGE): {5: 9}}, Cause.KEY_RANGE, id="the fifth minute back is seen"),
        pytest.param({(TABLE_WRITE, Cause.KEY_RANGE): {6: 9}}, Cause.NONE, id="the sixth is not"),
    ],
)
def test_the_tables_cause(causes: Mapping[tuple[Dimension, Cause], Events], cause: Cause) -> None:
    assert diagnosed(observed(causes=causes)).cause is cause


def test_the_index_in_trouble_is_named() -> None:
    found = diagnosed(observed(INDEXED, causes={(INDEX_WRITE, Cause.PROVISIONED): {1: 90}}))
    assert (found.cause, found.index) == (Cause.PROVISIONED, INDEX)
    assert found.worst is not None
    assert found.worst.dimension == INDEX_WRITE


def test_a_starving_index_holds_its_tables_writes_back() -> None:
    found = diagnosed(
        observed(INDEXED, causes={(INDEX_WRITE, Cause.PROVISIONED): {1: 90}}, throttled={TABLE_WRITE: {1: 90}})
    )
    assert found.views[TABLE_WRITE].cause is Cause.INDEX_BACK_PRESSURE
    assert (found.cause, found.index) == (Cause.PROVISIONED, INDEX)


def test_throttles_below_capacity_are_unclassified_only_when_the_causes_must_have_come() -> None:
    # 70 % used: not full. 240 s after its end a minute is called unclassified: ago(4).
    assert diagnosed(observed(throttled={TABLE_WRITE: {3: 50}})).cause is Cause.NONE
    assert diagnosed(observed(throttled={TABLE_WRITE: {4: 50}})).cause is Cause.UNCLASSIFIED


# ago(n) ended n x 60 s ago; stale after 300 s.
@pytest.mark.parametrize(
    ("rates", "fresh", "cause"),
    [
        pytest.param([70, *[None] * 4], Freshness.FRESH, Cause.NONE, id="newest point five minutes old"),
        pytest.param([70, *[None] * 5], Freshness.STALE, Cause.BLIND, id="newest point six minutes old"),
        pytest.param([], Freshness.ABSENT, Cause.BLIND, id="no point at all"),
    ],
)
def test_silence_is_blindness(rates: Rates, fresh: Freshness, cause: Cause) -> None:
    found = diagnosed(observed(consumed={TABLE_READ: rates, TABLE_WRITE: rates}))
    assert {part.freshness for part in found.views.values()} == {fresh}
    assert found.cause is cause


def test_one_silent_dimension_does_not_blind_a_table_whose_others_speak() -> None:
    seen = observed(consumed={TABLE_WRITE: [70, *[None] * 7]}, incomplete=[(TABLE_WRITE, Metric.CONSUMED)])
    found = diagnosed(seen)
    assert found.views[TABLE_WRITE].cause is Cause.BLIND
    assert found.cause is Cause.NONE


def test_what_throttled_before_the_silence_says_nothing_of_now() -> None:
    seen = observed(
        consumed={TABLE_READ: [70, *[None] * 7], TABLE_WRITE: [100, *[None] * 7]},
        causes={(TABLE_WRITE, Cause.PROVISIONED): {8: 500}},
    )
    assert diagnosed(seen).cause is Cause.BLIND


@pytest.mark.parametrize(
    ("causes", "cause"),
    [
        pytest.param({}, Cause.SLOW, id="slow and not throttled"),
        pytest.param({(TABLE_WRITE, Cause.KEY_RANGE): {1: 9}}, Cause.KEY_RANGE, id="throttling explains slowness"),
    ],
)
def test_slowness(causes: Mapping[tuple[Dimension, Cause], Events], cause: Cause) -> None:
    slow = {"Query": Normal(10, 60, ago(1), slow_minutes=5, average=90)}
    found = diagnosed(observed(causes=causes), normals=slow)
    assert found.cause is cause
    assert found.slow is not None
    assert found.index == ""


def test_a_silent_table_with_slow_calls_is_slow() -> None:
    slow = {"Query": Normal(10, 60, ago(1), slow_minutes=5, average=90)}
    assert diagnosed(observed(silent=(TABLE_READ, TABLE_WRITE)), normals=slow).cause is Cause.SLOW


# The window holds 5 minutes of 70 x 60 = 4,200 units: 21,000 served.
@pytest.mark.parametrize(
    ("requests", "share"),
    [
        pytest.param([], 1000 / 22_000, id="requests of one unit: 1,000 of 22,000"),
        pytest.param(even(420, 5), 10_000 / 31_000, id="requests of ten units: 10,000 of 31,000 units"),
    ],
)
def test_the_share_weighs_refused_requests_as_the_units_they_cost(requests: Rates, share: float) -> None:
    seen = observed(causes={(TABLE_WRITE, Cause.KEY_RANGE): {1: 1000}}, requests={TABLE_WRITE: requests})
    assert view(seen).share == pytest.approx(share)


# 420 writes of ten units in each minute of 4,200 units. Refused: 300 in ago(1), 100 in ago(2), 500 in ago(3).
@pytest.mark.parametrize(
    ("instant", "share"),
    [
        pytest.param(ago(3), 9000 / 21_600, id="three minutes: 900 of ten units of 12,600 served"),
        pytest.param(ago(3) + 1, 4000 / 12_400, id="a second into the third: the two newest"),
        pytest.param(ago(1), 3000 / 7200, id="the newest minute"),
        pytest.param(ago(1) + 1, 0.0, id="no minute since then: nothing is known to be left"),
        pytest.param(ago(9), 9000 / 30_000, id="longer ago than the window: the whole window"),
    ],
)
def test_the_share_since_an_instant_is_weighed_like_the_share(instant: float, share: float) -> None:
    seen = view(
        observed(
            causes={(TABLE_WRITE, Cause.PROVISIONED): {1: 300, 2: 100, 3: 500}}, requests={TABLE_WRITE: even(420, 5)}
        )
    )
    assert seen.share_since(instant) == pytest.approx(share)


def test_a_view_knows_the_last_raise_and_what_is_on_its_way() -> None:
    before = remembered(TABLE_WRITE, expected=200, raised_at=NOON - 60.0)
    seen = diagnosed(observed(), before=before).views
    assert (seen[TABLE_WRITE].raised_at, seen[TABLE_WRITE].expected) == (NOON - 60, 200)
    assert (seen[TABLE_READ].raised_at, seen[TABLE_READ].expected) == (None, None)


def test_the_numbers_of_a_view() -> None:
    # 20 quiet minutes: ago(20) .. ago(1). 95/s in ago(21) is outside of them, inside the kept series, which is 21 long.
    rates = [95.0, *even(40, 18), 60.0, 50.0]
    reads = even(70, 21)
    seen = view(
        observed(consumed={TABLE_READ: reads, TABLE_WRITE: rates}, causes={(TABLE_WRITE, Cause.PROVISIONED): {2: 600}})
    )
    assert seen.consumed == 50
    assert seen.quiet_known == 20
    assert seen.long_known == 21
    assert seen.last_throttle == ago(2)
    assert [minute.start for minute in seen.recent] == [ago(n) for n in (5, 4, 3, 2, 1)]
    assert seen.demand(1) == 50
    assert seen.demand(3) == 70  # 60 served + 600 / 60 refused
    assert seen.events == 600


def test_unknown_is_none_and_not_zero() -> None:
    seen = view(observed(silent=(TABLE_READ, TABLE_WRITE)))
    assert (seen.consumed, seen.demand(3), seen.newest) == (None, None, None)


def test_missing_minutes_are_not_counted_as_known() -> None:
    gap = [*even(70, 10), None, None, *even(70, 8)]
    assert view(observed(consumed={TABLE_READ: gap, TABLE_WRITE: gap})).quiet_known == 18


@pytest.mark.parametrize(
    ("minute", "remembers"),
    [
        pytest.param(20, True, id="twenty minutes ago"),
        pytest.param(21, False, id="longer ago than a throttle is held against a decrease"),
    ],
)
def test_a_throttle_counts_even_in_a_minute_without_consumption(minute: int, remembers: bool) -> None:  # noqa: FBT001 - a table's column
    seen = observed(consumed={TABLE_WRITE: even(70, 5)}, throttled={TABLE_WRITE: {minute: 9}})
    assert view(seen).last_throttle == (ago(minute) if remembers else None)


def test_the_blind_view_with_the_newest_point_speaks_for_a_blind_table() -> None:
    seen = observed(silent=(TABLE_READ, TABLE_WRITE))
    found = diagnosed(seen, before=remembered(TABLE_WRITE, [70, *[None] * 9]))
    assert found.cause is Cause.BLIND
    assert found.worst is not None
    assert found.worst.newest == ago(10)


def test_a_table_without_dimensions_is_judged_without_an_error() -> None:
    seen = observed()
    bare = replace(seen, description=replace(seen.description, throughputs={}))
    assert diagnosed(bare).cause is Cause.NONE
