"""What is taken for granted of the burst bucket of a table just met, or met again after a restart: never too much."""

from __future__ import annotations

from math import inf

import pytest

from tests.core.builders import NOON, ago, even, observed, table, throughput
from watcher.core.model import TABLE_READ, TABLE_WRITE
from watcher.core.policy import TablePolicy, Tuning
from watcher.core.state import DimensionState, TableState
from watcher.core.step import step
from watcher.core.track import BURST_SECONDS, REVISED, SEEN_WITHIN, Offers, Track, filled, first_needed, offers_met

EFFECT = Tuning().effect
FULL = BURST_SECONDS * 100
OLD: Offers = ((NOON - 9000.0, 400), (NOON - 5000.0, 100))


@pytest.mark.parametrize(
    ("offers", "increase", "decrease", "raised", "units", "expected"),
    [
        pytest.param((), None, None, None, 100, ((0.0, 100),), id="never raised: it always had as much"),
        pytest.param((), NOON - 600.0, None, None, 100, ((NOON - 600.0 + EFFECT, 100),), id="since its last increase"),
        pytest.param((), None, NOON - 60.0, None, 100, ((0.0, 100),), id="lowered since: it had more, not less"),
        pytest.param(OLD, None, None, None, 100, OLD, id="met again as it was left"),
        pytest.param(OLD, NOON - 9000.0, None, NOON - 9000.0, 100, OLD, id="met again, the raise was our own"),
        pytest.param(
            OLD, NOON - 900.0 + SEEN_WITHIN, None, NOON - 900.0, 100, OLD, id="the raise was our own and took its time"
        ),
        pytest.param(
            OLD,
            NOON - 899.0 + SEEN_WITHIN,
            None,
            NOON - 900.0,
            100,
            ((NOON - 899.0 + SEEN_WITHIN + EFFECT, 100),),
            id="lowered and raised again behind our back",
        ),
        pytest.param(OLD, None, NOON - 300.0, None, 60, (*OLD, (NOON - 300.0, 60)), id="lowered meanwhile, since then"),
        pytest.param(OLD, None, NOON - 9999.0, None, 60, (*OLD, (NOON - 5000.0, 60)), id="a decrease dated too early"),
    ],
)
def test_what_is_certain_of_the_offers(
    offers: Offers, increase: float | None, decrease: float | None, raised: float | None, units: int, expected: Offers
) -> None:
    part = throughput(raised=increase, lowered=decrease)
    assert offers_met(offers, part, units, raised, EFFECT) == expected


def bucket_at_first_sight(
    rate: float, minutes: int, *, raised: float | None = None, state: TableState | None = None, write: int = 100
) -> float:
    seen = observed(
        table(throughput(write=write, raised=raised)),
        {TABLE_WRITE: even(rate, minutes), TABLE_READ: even(1.0, minutes)},
    )
    after = step(NOON, TablePolicy(), state or TableState(), seen).state
    return after.dimensions[TABLE_WRITE].track.buckets[-1]


@pytest.mark.parametrize(
    ("rate", "minutes", "raised", "expected"),
    [
        pytest.param(40.0, 8, None, 8 * 60 * 60.0, id="60 a second saved in the eight minutes known"),
        pytest.param(40.0, 9, None, FULL, id="nine fill it"),
        pytest.param(99.0, 100, None, 6000.0, id="further back than minutes are revised"),
        pytest.param(40.0, 60, ago(5) - EFFECT, 5 * 3600.0, id="what it had before its last increase is not known"),
        pytest.param(40.0, 60, ago(5) + 1.0 - EFFECT, 4 * 3600.0, id="a minute that began before it does not count"),
        pytest.param(40.0, 60, NOON - 10.0, 0.0, id="just raised: empty"),
    ],
)
def test_the_bucket_is_filled_from_what_is_read_back(
    rate: float, minutes: int, raised: float | None, expected: float
) -> None:
    assert bucket_at_first_sight(rate, minutes, raised=raised) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("now_has", "expected"),
    [
        pytest.param(100, FULL, id="as it was left: full"),
        pytest.param(60, 0.0, id="lowered by another hand: 60 were there at least, all of them used"),
    ],
)
def test_after_a_restart_the_offers_of_the_earlier_life_count_unless_another_hand_was_there(
    now_has: int, expected: float
) -> None:
    known = DimensionState(expected=100, offers=((NOON - 9000.0, 100),))
    state = TableState({TABLE_WRITE: known, TABLE_READ: DimensionState(expected=100)})
    found = bucket_at_first_sight(60.0, 60, state=state, write=now_has)
    assert found == pytest.approx(expected)


def test_throttling_read_back_empties_the_bucket() -> None:
    rates = [*even(20.0, 30), 200.0, *even(70.0, 10)]
    seen = observed(table(), {TABLE_WRITE: rates}, throttled={TABLE_WRITE: {11: 500.0}})
    after = step(NOON, TablePolicy(), TableState(), seen).state
    assert after.dimensions[TABLE_WRITE].track.buckets[-1] == pytest.approx(10 * 30 * 60.0)


@pytest.mark.parametrize(
    ("track", "newest", "expected"),
    [
        pytest.param(Track(), 100, -inf, id="no track yet: all there is"),
        pytest.param(Track(99 * 60, (1.0,)), 100, 60.0 * (101 - REVISED), id="the minutes that may be revised"),
        pytest.param(Track(50 * 60, (1.0,)), 100, 60.0 * 51, id="after a gap: every minute since"),
    ],
)
def test_how_far_back_minutes_are_needed(track: Track, newest: int, expected: float) -> None:
    assert first_needed(track, 60 * newest) == expected


def test_a_gap_is_filled_minute_by_minute_once_it_is_read_back() -> None:
    """Full before, then forty minutes of 10 a second more than capacity: 24,000 of 30,000 are gone."""
    offers: Offers = ((0.0, 100),)
    before = Track(60 * 50, (60.0,), (FULL,) * (2 * REVISED))
    served = {60 * minute: 110.0 * 60 for minute in range(51, 91)}
    after = filled(Track(60 * 90, (60.0,), before.buckets), before.newest, offers, served, {})
    assert after.buckets[-1] == FULL - 40 * 10 * 60
    assert len(after.buckets) == 2 * REVISED
