"""The last minutes of a dimension, and the burst bucket that nobody shows."""

from __future__ import annotations

from math import inf, isnan, nan

import pytest

from tests.core.builders import NOON
from watcher.core.track import BURST_SECONDS, KEPT, REVISED, Offers, Track, filled, followed, offered_in

MINUTE = 60
ALWAYS: Offers = ((-inf, 100),)


def at(number: int) -> int:
    """Start of the minute that many after NOON."""
    return NOON + MINUTE * number


def rates(track: Track) -> list[float | None]:
    return [None if isnan(rate) else rate for rate in track.rates]


# --- the rates --------------------------------------------------------------------------------------------------------


def test_a_new_track_begins_with_the_first_minute_known() -> None:
    track = followed(Track(), at(3), {at(0): 5.0, at(2): 7.0, at(3): 8.0})
    assert (rates(track), track.newest, track.first) == ([5.0, None, 7.0, 8.0], at(3), at(0))


def test_a_new_track_goes_no_further_back_than_is_looked_at() -> None:
    track = followed(Track(), at(200), {at(number): float(number) for number in range(201)})
    assert len(track.rates) == KEPT
    assert (track.rates[0], track.rates[-1]) == (201.0 - KEPT, 200.0)


@pytest.mark.parametrize(
    ("newest", "news", "expected"),
    [
        pytest.param(3, {3: 8.0}, [5.0, 6.0, 7.0, 8.0], id="the next minute"),
        pytest.param(5, {5: 8.0}, [5.0, 6.0, 7.0, None, None, 8.0], id="minutes left out are not known"),
        pytest.param(2, {1: 9.0}, [5.0, 9.0, 7.0], id="a revised one, the newest standing still"),
        pytest.param(4, {2: 9.0, 3: 1.0, 4: 2.0}, [5.0, 6.0, 9.0, 1.0, 2.0], id="late, revised and new at once"),
        pytest.param(3, {-5: 1.0, 3: 8.0}, [5.0, 6.0, 7.0, 8.0], id="from before the track: too late"),
        pytest.param(3, {}, [5.0, 6.0, 7.0, None], id="nothing said of the newest"),
    ],
)
def test_a_track_is_followed(newest: int, news: dict[int, float], expected: list[float | None]) -> None:
    track = followed(Track(), at(2), {at(0): 5.0, at(1): 6.0, at(2): 7.0})
    after = followed(track, at(newest), {at(number): rate for number, rate in news.items()})
    assert (rates(after), after.newest, after.first) == (expected, at(newest), at(0))


def test_a_track_is_never_longer_than_is_looked_at() -> None:
    track = Track()
    for number in range(3 * KEPT):
        track = followed(track, at(number), {at(number): float(number)})
    assert list(track.rates) == [float(number) for number in range(2 * KEPT, 3 * KEPT)]
    assert track.first == at(2 * KEPT)


@pytest.mark.parametrize(
    ("newest", "kept"),
    [
        pytest.param(KEPT + 1, True, id="a gap that leaves one minute known"),
        pytest.param(KEPT + 2, False, id="a gap as long as the track: a new one"),
        pytest.param(1, False, id="a newest minute before the newest: a new one"),
    ],
)
def test_a_long_gap_begins_anew(newest: int, kept: bool) -> None:  # noqa: FBT001 - a table's column
    track = followed(Track(), at(2), {at(0): 5.0, at(1): 6.0, at(2): 7.0})
    after = followed(track, at(newest), {at(newest): 1.0})
    assert (7.0 in after.rates) is kept
    assert after.rates[-1] == 1.0


# --- what capacity offered --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offers", "expected"),
    [
        pytest.param(ALWAYS, (6000.0, 100), id="all the minute"),
        pytest.param(((-inf, 100), (at(0) + 45.0, 200)), (45 * 100 + 15 * 200, 200), id="raised within it"),
        pytest.param(((-inf, 100), (at(0), 200)), (12_000.0, 200), id="raised as it began"),
        pytest.param(((-inf, 100), (at(1), 200)), (6000.0, 100), id="raised as it ended"),
        pytest.param(
            ((-inf, 100), (at(0) + 15.0, 200), (at(0) + 30.0, 50)),
            (15 * 100 + 15 * 200 + 30 * 50, 50),
            id="raised and lowered within it",
        ),
        pytest.param(((at(0) + 30.0, 100),), (6000.0, 100), id="before the first that is known: as that"),
        pytest.param(((at(9), 100),), (6000.0, 100), id="long before it: as that"),
        pytest.param((), (0.0, 0), id="nothing known"),
    ],
)
def test_what_was_offered_in_a_minute(offers: Offers, expected: tuple[float, int]) -> None:
    assert offered_in(offers, at(0)) == expected


# --- the bucket -------------------------------------------------------------------------------------------------------


def run(
    served: dict[int, float], *, starved: dict[int, float] | None = None, offers: Offers = ALWAYS, until: int = 0
) -> Track:
    """A track that was told of one minute after the other, units per second by number."""
    track = Track()
    told: dict[int, float] = {}
    before = None
    for number in range(until or max(served) + 1):
        if number in served:
            told[at(number)] = served[number] * MINUTE
        if not told:
            continue
        newest = max(told)
        track = followed(track, newest, {minute: units / MINUTE for minute, units in told.items()})
        hungry = {at(minute): units for minute, units in (starved or {}).items()}
        track = filled(track, before, offers, told, hungry)
        before = newest
    return track


@pytest.mark.parametrize(
    ("served", "starved", "bucket"),
    [
        pytest.param([70.0] * 3, {}, 3 * 30 * 60.0, id="30 a second saved for three minutes"),
        pytest.param([0.0] * 5, {}, BURST_SECONDS * 100, id="five idle minutes fill it"),
        pytest.param([0.0] * 50, {}, BURST_SECONDS * 100, id="and more do not"),
        pytest.param([0.0] * 5 + [150.0], {}, 30_000.0 - 50 * 60, id="50 a second more than capacity come out of it"),
        pytest.param([0.0] * 5 + [700.0], {}, 0.0, id="more than there was cannot come out of it"),
        pytest.param([0.0] * 5 + [150.0], {5: 1.0}, 0.0, id="a minute that capacity throttled emptied it"),
        pytest.param([0.0] * 5 + [150.0, 70.0], {5: 1.0}, 1800.0, id="and then it fills again"),
    ],
)
def test_the_bucket_by_hand(served: list[float], starved: dict[int, float], bucket: float) -> None:
    track = run(dict(enumerate(served)), starved=starved)
    assert track.buckets[-1] == pytest.approx(bucket)


def test_less_capacity_keeps_less_and_more_fills_nothing() -> None:
    idle = dict.fromkeys(range(10), 0.0)
    lowered = run(idle, offers=((-inf, 100), (at(9) + 30.0, 40)))
    assert lowered.buckets[-1] == BURST_SECONDS * 40
    raised = run(idle, offers=((-inf, 100), (at(9) + 30.0, 400)))
    assert raised.buckets[-1] == BURST_SECONDS * 100 + 30 * 100 + 30 * 400


def test_a_minute_that_is_not_known_leaves_the_bucket_as_it_was() -> None:
    known = run({0: 70.0, 1: 70.0})
    gap = run({0: 70.0, 1: 70.0, 3: 100.0})
    assert gap.buckets[-1] == known.buckets[-1] == 3600.0


def test_a_minute_that_comes_late_counts_from_when_it_came() -> None:
    whole = run({0: 70.0, 1: 20.0, 2: 70.0, 3: 70.0})
    track = run({0: 70.0, 2: 70.0})
    before = track.newest
    served = {at(number): rate * MINUTE for number, rate in ((0, 70.0), (1, 20.0), (2, 70.0), (3, 70.0))}
    track = filled(followed(track, at(3), {at(3): 70.0}), before, ALWAYS, served, {})
    assert track.buckets[-1] == whole.buckets[-1]


@pytest.mark.parametrize("cycles", [1, 3, 5])
def test_a_newest_minute_that_stands_still_keeps_its_bucket(cycles: int) -> None:
    """Its successor is late: cycle after cycle tells the same minutes again, of which only the last few are told."""
    full = run(dict.fromkeys(range(40), 60.0))
    told = {at(number): 60.0 * MINUTE for number in range(40 - REVISED, 40)}
    track = full
    for _ in range(cycles):
        track = filled(followed(track, at(39), {}), at(39), ALWAYS, told, {})
    assert track.buckets[-1] == full.buckets[-1] == BURST_SECONDS * 100
    moved = filled(followed(track, at(40), {at(40): 160.0}), at(39), ALWAYS, {**told, at(40): 160.0 * MINUTE}, {})
    assert moved.buckets[-1] == BURST_SECONDS * 100 - 60 * MINUTE


def test_nothing_is_filled_before_anything_is_known() -> None:
    assert filled(Track(), None, ALWAYS, {}, {}) == Track()


def test_rates_that_are_not_known_are_no_bucket() -> None:
    assert followed(Track(), at(0), {at(0): nan}).buckets == ()
