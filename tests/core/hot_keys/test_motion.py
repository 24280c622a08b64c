"""Heat that wanders, from partition key to partition key or from sort key to sort key; and heat that only seems to."""

from __future__ import annotations

import pytest

from tests.core.builders import ago
from tests.core.hot_keys.key_story import (
    CEILING,
    Minutes,
    cloud,
    full,
    in_turn,
    judged,
    named,
    throttles,
    trace,
    traces,
)
from watcher.core.hot_keys import KeyVerdict
from watcher.core.insights import KeyShape, KeyTrace
from watcher.core.model import Kind

ONE, FEW_KEYS, MOVING, NOBODY = (
    KeyVerdict.ONE_KEY,
    KeyVerdict.FEW_KEYS,
    KeyVerdict.MOVING_KEY,
    KeyVerdict.NO_SINGLE_KEY,
)


# ---- heat that moves


@pytest.mark.parametrize(
    ("keys", "verdict"),
    [
        pytest.param(in_turn("abcdef", 9_000), MOVING, id="a new key every minute"),
        pytest.param(in_turn("abc", 9_000, each=2), MOVING, id="a new key every two minutes"),
        pytest.param(in_turn("abcdef", 9_000, each=5), MOVING, id="five-minute keys show in half an hour"),
        pytest.param(in_turn("ab", 9_000, each=3), FEW_KEYS, id="one change is no journey"),
        pytest.param(in_turn("abc", 9_000, each=1), FEW_KEYS, id="three minutes are too few to tell"),
        pytest.param(
            traces({"a": [9, 0, 0, 9, 0, 0], "b": [0, 9, 0, 0, 9, 0], "c": [0, 0, 9, 0, 0, 9]}),
            FEW_KEYS,
            id="they come back: a few keys in turn",
        ),
        pytest.param(
            traces({"a": [9_000, 0, 0, 0, 0, 0], "b": [0, 9_000, 0, 0, 0, 0], "c": [0, 0, 9_000, 9_000, 9_000, 9_000]}),
            ONE,
            id="the last of three stays: one key",
        ),
        pytest.param(
            traces(
                {
                    "a": [9_000] + [300] * 5,
                    "b": [0, 9_000] + [300] * 4,
                    "c": [0, 0, 9_000] + [300] * 3,
                    "d": [0] * 3 + [9_000] * 1 + [300] * 2,
                    "e": [0] * 4 + [9_000, 300],
                    "f": [0] * 5 + [9_000],
                }
            ),
            MOVING,
            id="each leaves some heat behind",
        ),
        pytest.param(
            traces({name: [500] * 6 for name in "abcde"}), FEW_KEYS, id="five that are hot together stand still"
        ),
    ],
)
def test_heat_that_moves_from_key_to_key(keys: tuple[KeyTrace, ...], verdict: KeyVerdict) -> None:
    total = [sum(key.points.get(ago(30 - at), 0.0) for key in keys) for at in range(30)]
    minutes = {
        Kind.WRITE: [
            one
            for at, events in enumerate(total)
            for one in cloud(count=1, newest=30 - at, key_range=events)[Kind.WRITE]
        ]
    }
    assert judged(throttles(keys), minutes).verdict is verdict


def test_the_keys_that_led_are_named() -> None:
    finding = judged(throttles(in_turn("abcdef", 9_000)), cloud(key_range=9_000))
    assert named(finding) == list("abcdef")
    assert all(key.rising is None for key in finding.keys)  # each is over as soon as the next begins


def test_heat_that_moves_without_throttling_must_be_near_a_partition() -> None:
    minutes = cloud(served=60_000)
    assert judged(full(in_turn("abcdef", 0.8 * CEILING)), minutes).verdict is MOVING
    assert judged(full(in_turn("abcdef", 0.79 * CEILING)), minutes).verdict is NOBODY


def test_throttles_that_nobody_is_named_for_are_not_blamed_on_small_keys_that_move() -> None:
    minutes = cloud(served=60_000, key_range=900)
    assert judged(full(in_turn("abcdef", 0.2 * CEILING)), minutes).verdict is MOVING
    assert judged(full(in_turn("abcdef", 0.19 * CEILING)), minutes).verdict is KeyVerdict.UNKNOWN


def test_too_little_capacity_moves_nothing() -> None:
    assert judged(throttles(in_turn("abcdef", 900)), cloud(provisioned=900)).verdict is NOBODY


def test_a_hot_key_of_half_an_hour_ago_does_not_hide_that_heat_moves_now() -> None:
    stood = trace("x", [9_000] * 20, newest=7)
    assert judged(throttles((stood, *in_turn("abcdef", 9_000))), cloud(key_range=9_000)).verdict is MOVING


def test_an_older_journey_says_nothing_of_a_key_that_stands() -> None:
    old = tuple(trace(name, [9_000], newest=17 - at) for at, name in enumerate("abcdef"))
    assert judged(throttles((*old, trace("x", [9_000] * 11))), cloud(key_range=9_000)).verdict is ONE


# ---- sort keys


def log(name: str, count: int, shape: KeyShape = KeyShape.TIME, minutes: int = 6) -> tuple[KeyTrace, ...]:
    """``count`` sort keys under one partition key, each written once, evenly over the minutes."""
    return tuple(
        trace(f"{name}/{at}", [1], newest=1 + at % minutes, partition=name, shape=shape) for at in range(count)
    )


WRITES = cloud(served=60_000, key_range=9_000)
READS = cloud(Kind.READ, 180_000, key_range=9_000)


@pytest.mark.parametrize(
    ("items", "minutes", "verdict"),
    [
        pytest.param(in_turn("123456", 9_000, partition="a"), WRITES, MOVING, id="another sort key every minute"),
        pytest.param(in_turn("123456", 9_000, partition="b"), WRITES, ONE, id="of another partition key"),
        pytest.param(traces({"1": [9_000] * 6}, partition="a"), WRITES, ONE, id="one item all the time"),
        pytest.param(log("a", 10), WRITES, MOVING, id="ten times written, each but once"),
        pytest.param(log("a", 9), WRITES, ONE, id="nine are too few to tell"),
        pytest.param(log("a", 10, KeyShape.COUNTER), WRITES, MOVING, id="ten numbers"),
        pytest.param(log("a", 10, KeyShape.PLAIN), WRITES, ONE, id="neither times nor numbers: anything at random"),
        pytest.param(
            log("a", 12, KeyShape.TIME)[:8] + log("a", 12, KeyShape.PLAIN)[8:10], WRITES, MOVING, id="80 % times"
        ),
        pytest.param(
            log("a", 12, KeyShape.TIME)[:7] + log("a", 12, KeyShape.PLAIN)[7:10], WRITES, ONE, id="70 % times"
        ),
        pytest.param(log("a", 10), READS, ONE, id="reads of old records look the same"),
        pytest.param(log("a", 12, minutes=3), WRITES, ONE, id="three minutes are too few to tell"),
        pytest.param(
            (*log("a", 12), trace("a/again", [1, 0, 1], partition="a", shape=KeyShape.TIME)),
            WRITES,
            ONE,
            id="one of them was written twice, minutes apart",
        ),
    ],
)
def test_sort_keys_under_one_hot_key(items: tuple[KeyTrace, ...], minutes: Minutes, verdict: KeyVerdict) -> None:
    sampled = judged(full({"a": [170_000] * 6}, {"a": [9_000] * 6}, items=items), minutes)
    refused = judged(throttles({"a": [9_000] * 6}, items=items), minutes)
    assert (sampled.verdict, named(sampled)) == (verdict, ["a"])
    assert (refused.verdict, named(refused)) == (verdict, ["a"])


def test_sort_keys_lead_only_with_half_of_their_keys_heat() -> None:
    for value, verdict in ((4_500, MOVING), (4_499, ONE)):
        items = in_turn("123456", value, partition="a")
        assert judged(throttles({"a": [9_000] * 6}, items=items), WRITES).verdict is verdict


def test_accessed_sort_keys_tell_it_where_throttled_ones_do_not() -> None:
    items = in_turn("123456", 170_000, partition="a")
    finding = judged(full({"a": [170_000] * 6}, {"a": [9_000] * 6}, accessed_items=items), WRITES)
    assert (finding.verdict, named(finding)) == (MOVING, ["a"])


def test_sort_keys_of_several_hot_keys_are_not_followed() -> None:
    items = in_turn("123456", 4_000, partition="a")
    finding = judged(throttles({"a": [4_000] * 6, "b": [4_000] * 6}, items=items), cloud(key_range=9_000))
    assert finding.verdict is FEW_KEYS


def test_what_their_values_look_like_is_said() -> None:
    times = judged(throttles(in_turn("abcdef", 9_000, shape=KeyShape.TIME)), cloud(key_range=9_000))
    assert "they look like times" in times.sentence
    plain = judged(throttles(in_turn("abcdef", 9_000)), cloud(key_range=9_000))
    assert "look like" not in plain.sentence


# ---- what a journey is made of


@pytest.mark.parametrize(
    ("keys", "verdict"),
    [
        pytest.param(in_turn("ab", 9_000, shape=KeyShape.TIME), MOVING, id="two times, a minute each"),
        pytest.param(in_turn("ab", 9_000, shape=KeyShape.COUNTER), FEW_KEYS, id="two numbers may be any two"),
        pytest.param(
            (trace("a", [9_000] * 8, newest=2, shape=KeyShape.TIME), trace("b", [9_000], shape=KeyShape.TIME)),
            MOVING,
            id="the day changes a minute ago",
        ),
        pytest.param(
            (trace("a", [9_000] * 8, newest=2, shape=KeyShape.TIME), trace("b", [9_000])),
            ONE,
            id="a time, and then something else",
        ),
        pytest.param((trace("a", [9_000] * 8, shape=KeyShape.TIME),), ONE, id="one time all the time"),
    ],
)
def test_one_change_from_time_to_time_is_the_clocks(keys: tuple[KeyTrace, ...], verdict: KeyVerdict) -> None:
    assert judged(throttles(keys), cloud(count=9, key_range=9_000)).verdict is verdict


def test_faint_throttles_of_now_are_not_led_by_a_journey_of_then() -> None:
    old = tuple(trace(name, [9_000], newest=17 - at) for at, name in enumerate("abcdef"))
    finding = judged(throttles((*old, trace("x", [20] * 6))), cloud(key_range=20))
    assert (finding.verdict, named(finding)) == (ONE, ["x"])


@pytest.mark.parametrize(
    ("faint", "verdict"),
    [
        pytest.param(150, MOVING, id="minutes with less than a tenth of a mean one say nothing of who leads"),
        pytest.param(160, FEW_KEYS, id="minutes with more must have a leader"),
    ],
)
def test_minutes_without_a_leader(faint: float, verdict: KeyVerdict) -> None:
    led = tuple(trace(name, [9_000], newest=7 - 2 * at) for at, name in enumerate("abcd"))
    others = tuple(trace(name, [faint, 0] * 4, newest=1) for name in "xyz")
    assert judged(throttles((*led, *others)), cloud(count=8, key_range=9_000)).verdict is verdict


@pytest.mark.parametrize(
    ("pause", "verdict"),
    [
        pytest.param(2, MOVING, id="two minutes of silence belong to the journey"),
        pytest.param(3, FEW_KEYS, id="three end it"),
    ],
)
def test_a_pause(pause: int, verdict: KeyVerdict) -> None:
    before = tuple(trace(name, [9_000], newest=4 + pause - at) for at, name in enumerate("ab"))
    after = tuple(trace(name, [9_000], newest=2 - at) for at, name in enumerate("cd"))
    assert judged(throttles((*before, *after)), cloud(count=4 + pause, key_range=9_000)).verdict is verdict
