"""How hot a key is: shares with their denominators, parts of a partition's ceiling, since when, rising or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.core.builders import NOON, ago
from tests.core.hot_keys.key_story import CEILING, HOUR, Minutes, cloud, full, judged, throttles, trace, traces
from watcher.core.hot_keys import HotKey
from watcher.core.hot_keys.heat import FIRST_DATA
from watcher.core.insights import KeySample
from watcher.core.model import Kind

HOT = 0.9 * CEILING


def hottest(sample: KeySample, minutes: Minutes) -> HotKey:
    return judged(sample, minutes).keys[0]


# ---- shares


@pytest.mark.parametrize(
    ("minutes", "share"),
    [
        pytest.param(cloud(served=80_000), HOT / 240_000, id="writes count three each: 80,000 are 240,000"),
        pytest.param(cloud(Kind.READ, 240_000), HOT / 240_000, id="reads count one each"),
        pytest.param(
            cloud(Kind.READ, 60_000) | cloud(Kind.WRITE, 60_000), HOT / 240_000, id="60,000 and three times 60,000"
        ),
        pytest.param(
            cloud(served=80_000, count=9), HOT / 240_000, id="only minutes of which accesses were sampled count"
        ),
        pytest.param(
            cloud(served=80_000, count=3),
            # three minutes of 240,000 that CloudWatch has, three in which all that is known are the named keys
            6 * HOT / (3 * 240_000 + 3 * 172_000),
            id="a minute that CloudWatch lacks has what is named",
        ),
        pytest.param(
            cloud(served=50_000), HOT / 172_000, id="named keys have more than CloudWatch: they are the whole"
        ),
        pytest.param({}, HOT / 172_000, id="CloudWatch has nothing"),
    ],
)
def test_a_share_of_traffic(minutes: Minutes, share: float) -> None:
    key = hottest(full({"a": [HOT] * 6, "b": [10_000] * 6}), minutes)
    assert key.share == pytest.approx(share)
    assert key.of_traffic


def test_a_share_of_traffic_is_of_the_minutes_since_throttling_began() -> None:
    calm = cloud(served=80_000, count=4, newest=3)[Kind.WRITE]
    hot = cloud(served=80_000, count=2, key_range=900)[Kind.WRITE]
    sample = full({"a": [2_000] * 4 + [HOT] * 2}, {"a": [900] * 2})
    assert hottest(sample, {Kind.WRITE: calm + hot}).share == pytest.approx(HOT / 240_000)
    assert hottest(replace(sample, throttled=()), {Kind.WRITE: calm + hot}).share == pytest.approx(HOT / 240_000)


@pytest.mark.parametrize(
    ("minutes", "share"),
    [
        pytest.param(cloud(key_range=1_000), 0.6, id="600 of 1,000"),
        pytest.param(cloud(key_range=700, provisioned=300), 0.6, id="of all causes of its own"),
        pytest.param(cloud(key_range=500), 600 / 620, id="the named have more than CloudWatch: 600 of 620"),
        pytest.param(cloud(key_range=1_000, index_back_pressure=500), 0.6, id="what an index refused is not its own"),
        pytest.param(cloud(key_range=1_000, count=7), 0.6, id="a minute before the first named one does not count"),
        pytest.param(cloud(key_range=1_000, newest=0, count=7), 0.6, id="nor one that is not reported yet"),
        pytest.param({}, 600 / 620, id="CloudWatch has nothing"),
    ],
)
def test_a_share_of_throttles(minutes: Minutes, share: float) -> None:
    key = hottest(throttles({"a": [600] * 6, "b": [20] * 6}), minutes)
    assert key.share == pytest.approx(share)
    assert (key.of_traffic, key.throttled) == (False, 600)


def test_unnamed_throttles_count_from_when_sampling_began() -> None:
    minutes = cloud(key_range=1_000, count=8)
    late = traces({"a": [900] * 6})
    assert hottest(throttles(late), minutes).share == pytest.approx(0.9)
    assert hottest(throttles(late, since=NOON - HOUR), minutes).share == pytest.approx(900 * 6 / 8_000)


def test_unnamed_minutes_between_named_ones_count() -> None:
    key = hottest(throttles({"a": [900, 0, 900]}), cloud(key_range=1_000, count=3))
    assert key.share == pytest.approx(1_800 / 3_000)


# ---- parts of a partition's ceiling


@pytest.mark.parametrize(
    ("throttled", "minutes", "asked"),
    [
        pytest.param(3_000, cloud(served=60_000, key_range=3_000), 171_000 / CEILING, id="a write costs three"),
        pytest.param(9_000, cloud(Kind.READ, 180_000, key_range=9_000), 171_000 / CEILING, id="a read costs one"),
        pytest.param(
            3_000, cloud(served=60_000, key_range=3_000, cost=2), 180_000 / CEILING, id="writes of two units each"
        ),
        pytest.param(
            1_500,
            # (1,500 reads x 1 + 1,500 writes x 3) / 3,000 = 2 a request
            cloud(Kind.READ, 60_000, key_range=1_500) | cloud(Kind.WRITE, 60_000, key_range=1_500),
            165_000 / CEILING,
            id="reads and writes refused alike cost two",
        ),
        pytest.param(
            3_000,
            cloud(served=60_000, key_range=3_000, cost=2, count=2, newest=5),
            180_000 / CEILING,
            id="minutes that CloudWatch lacks cost as the others",
        ),
        pytest.param(3_000, cloud(served=60_000), 171_000 / CEILING, id="no throttles in CloudWatch yet, all writes"),
        pytest.param(3_000, {}, 165_000 / CEILING, id="nothing in CloudWatch: the least that a request costs"),
    ],
)
def test_what_a_key_asks_for(throttled: float, minutes: Minutes, asked: float) -> None:
    key = hottest(full({"a": [162_000] * 6}, {"a": [throttled] * 6}), minutes)
    assert key.ceiling_share == pytest.approx(0.9)
    assert key.asked_share == pytest.approx(asked)


def test_ceiling_shares_are_of_the_busiest_minute() -> None:
    key = hottest(full({"a": [90_000, 171_000, 90_000]}, {"a": [3_000, 0, 0]}), cloud(served=60_000, key_range=1_000))
    assert key.ceiling_share == pytest.approx(0.95)
    assert key.asked_share == pytest.approx(0.95)  # 90,000 + 9,000 is less than 171,000


def test_half_a_minute_of_sampling_is_no_minute() -> None:
    # Full mode began within ago(2), of which half was sampled: 80,000 there would say that the key is harmless.
    sample = full(traces({"a": [80_000]}, newest=2), {"a": [9_000] * 6}, since=ago(2) + 30.0)
    assert hottest(sample, cloud(served=60_000, key_range=9_000)).asked_share is None
    later = replace(sample, accessed=traces({"a": [80_000, 170_000]}))
    assert hottest(later, cloud(served=60_000, key_range=9_000)).ceiling_share == pytest.approx(170 / 180)


def test_a_minute_under_way_is_no_minute() -> None:
    sample = full(traces({"a": [162_000] * 5 + [10]}, newest=-1))
    assert hottest(sample, cloud(served=60_000)).rising is False
    assert judged(full(traces({"a": [162_000]}, newest=-1)), {}).keys == ()


def test_one_key_told_twice_is_one_key() -> None:
    twice = (trace("a", [162_000] * 6), trace("a", [160_000] * 6))
    assert [key.ceiling_share for key in judged(full(twice), cloud(served=60_000)).keys] == [pytest.approx(0.9)]


# ---- since when


@pytest.mark.parametrize(
    ("values", "since"),
    [
        pytest.param([900] * 6, ago(6), id="six minutes"),
        pytest.param([900, 900, 0, 900, 900], ago(5), id="one minute missing"),
        pytest.param([900, 900, 0, 0, 900, 900], ago(2), id="two missing: it began anew"),
        pytest.param([40, 40, 900, 900], ago(2), id="4 % of the busiest minute is dust"),
        pytest.param([50, 50, 900, 900], ago(4), id="more than 5 % is heat"),
        pytest.param([900] * 40, ago(40), id="longer than the judged minutes"),
        pytest.param([900] * 58, ago(58), id="it began a minute after the sample"),
        pytest.param([900] * 59, None, id="it is as old as the sample, or older"),
    ],
)
def test_since_when_it_is_throttled(values: Sequence[float], since: int | None) -> None:
    assert hottest(throttles({"a": values}), cloud(key_range=900)).since == since


@pytest.mark.parametrize(
    ("values", "since"),
    [
        pytest.param([80_000] * 3 + [HOT] * 3, ago(3), id="below half of its busiest minute it is not hot"),
        pytest.param([81_000] * 3 + [HOT] * 3, ago(6), id="from half on it is"),
    ],
)
def test_since_when_its_traffic_is_hot(values: Sequence[float], since: int) -> None:
    assert hottest(full({"a": values}), cloud(served=60_000)).since == since


def test_heat_that_begins_with_the_sampling_is_older() -> None:
    keys = {"a": [900] * 6}
    began = ago(6) - FIRST_DATA
    assert hottest(throttles(keys, since=began - 60.0), cloud(key_range=900)).since == ago(6)
    assert hottest(throttles(keys, since=began + 0.0), cloud(key_range=900)).since is None


@pytest.mark.parametrize(
    ("before", "since"),
    [
        pytest.param(
            cloud(served=6_000, count=1, newest=4), ago(3), id="CloudWatch counted nothing in the minute before"
        ),
        pytest.param(cloud(count=1, newest=4, key_range=9), None, id="it counted something, and sampling was not on"),
        pytest.param({Kind.WRITE: []}, None, id="nothing is known of the minute before"),
    ],
)
def test_since_when_where_sampling_began_with_the_heat(before: Minutes, since: int | None) -> None:
    """Sampled since three minutes ago, and hot in each of them: that alone may be longer."""
    minutes = {Kind.WRITE: [*before[Kind.WRITE], *cloud(count=3, key_range=900)[Kind.WRITE]]}
    sample = throttles({"a": [900] * 3}, since=float(ago(3)))

    assert hottest(sample, minutes).since == since


def test_throttles_from_before_the_switch_to_full_mode_tell_since_when() -> None:
    sample = full({"a": [HOT] * 2}, {"a": [900] * 6}, since=ago(2) - 5.0)
    assert hottest(sample, cloud(served=60_000, key_range=900)).since == ago(6)


# ---- rising


@pytest.mark.parametrize(
    ("values", "rising"),
    [
        pytest.param([100, 200, 300], None, id="three minutes cannot tell"),
        pytest.param([100, 100, 200, 200], True, id="twice as much in the second half"),
        pytest.param([100, 100, 110, 110], False, id="a tenth more is within approximation"),
        pytest.param([100, 100, 111, 110], True, id="a little over a tenth"),
        pytest.param([100, 100, 999, 200, 200], True, id="the middle of five belongs to no half"),
        pytest.param([200, 200, 100, 100], False, id="falling"),
        pytest.param([100, 0, 0, 200], True, id="missing minutes within are none"),
        pytest.param([900] * 20 + [100] * 5 + [200] * 5, True, id="only the judged ten minutes"),
    ],
)
def test_rising(values: Sequence[float], rising: bool | None) -> None:  # noqa: FBT001 - a table's column
    assert hottest(throttles({"a": values}), cloud(key_range=900, count=1)).rising is rising


def test_late_minutes_are_not_relief() -> None:
    sample = throttles(traces({"a": [100, 100, 200, 200]}, newest=3))
    assert hottest(sample, cloud(key_range=300)).rising is True


def test_throttles_tell_what_two_minutes_of_accesses_cannot() -> None:
    sample = full({"a": [HOT] * 2}, {"a": [100, 100, 200, 200]})
    assert hottest(sample, cloud(served=60_000, key_range=900)).rising is True


# ---- order


def test_hottest_first_by_what_they_ask_for() -> None:
    # b was served less but refused more: 72,000 + 20,000 x 3 = 132,000 against 90,000 + 5,000 x 3 = 105,000
    sample = full({"a": [90_000] * 6, "b": [72_000] * 6}, {"a": [5_000] * 6, "b": [20_000] * 6})
    keys = judged(sample, cloud(served=60_000, key_range=25_000)).keys
    assert [key.key for key in keys] == ["key:b", "key:a"]
    assert [key.asked_share for key in keys] == [pytest.approx(132 / 180), pytest.approx(105 / 180)]
