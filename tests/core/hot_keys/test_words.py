"""The sentence that wakes somebody at 03:00, and what it tells them to do, with the arithmetic."""

from __future__ import annotations

import pytest

from tests.core.builders import NOON, ago
from tests.core.hot_keys.key_story import INDEX, Minutes, cloud, full, in_turn, judged, throttles, trace, traces
from watcher.core.hot_keys.todo import SPLIT_PATIENCE, shards
from watcher.core.insights import KeySample, KeyShape, Place
from watcher.core.model import Kind

RISING = [8_000.0, 9_000.0, 10_000.0, 12_000.0, 13_000.0, 14_000.0]
FLAT = [9_000.0] * 6

# 144,000 served + 14,000 refused x 3 = 186,000 of 180,000: 1.03; 144,000 of 200,000 = 72 %
WRITTEN = full({"a": [144_000.0] * 6}, {"a": RISING})
WRITES = {
    Kind.WRITE: [
        one
        for at, events in enumerate(RISING)
        for one in cloud(served=200_000 / 3, count=1, newest=6 - at, key_range=events)[Kind.WRITE]
    ]
}


@pytest.mark.parametrize(
    ("sample", "minutes", "sentence"),
    [
        pytest.param(
            WRITTEN,
            WRITES,
            "One key, key:a, takes 72 % of the traffic of sessions and asks for 1.0 times what one partition serves:"
            " its writes were throttled up to 14,000 times a minute, for 6 min, still rising.",
            id="one key, every access sampled",
        ),
        pytest.param(
            full(traces({"a": [144_000.0] * 6}, shape=KeyShape.TIME), {"b": [1.0]}, since=None),
            cloud(served=60_000),
            "One key, key:a, is close to what one partition serves: 80 % of it and 80 % of the traffic of sessions, "
            "for 6 min; only 1 request was throttled.",
            id="an early warning; one throttled request proves nothing else",
        ),
        pytest.param(
            full({"a": [171_000.0] * 6}),
            cloud(served=60_000, key_range=9_000),
            "One key, key:a, takes 95 % of the traffic of sessions and asks for 95 % of what one partition serves: "
            "54,000 requests were throttled, for 6 min.",
            id="one key, no throttle named",
        ),
        pytest.param(
            full({"a": [150_000.0] * 6, "b": [160_000.0] * 6}),
            cloud(served=120_000),
            "2 keys of sessions are each close to what one partition serves: key:b (89 %) and key:a (83 %); nothing "
            "is throttled yet.",
            id="two early warnings",
        ),
        pytest.param(
            full({"a": [150_000.0] * 6}),
            cloud(served=60_000, provisioned=900),
            "One key, key:a, is close to what one partition serves: 83 % of it and 83 % of the traffic of sessions, "
            "for 6 min; what is throttled is for too little capacity.",
            id="an early warning on a starved table",
        ),
        pytest.param(
            throttles({"a": FLAT}),
            cloud(key_range=10_000),
            "One key, key:a, takes 90 % of the throttled requests of sessions, and its key range asks for "
            "more than one partition serves: its writes were throttled up to 9,000 times a minute, for 6 min.",
            id="one key, throttled keys only: no word of traffic",
        ),
        pytest.param(
            throttles(traces({"a": FLAT}, shape=KeyShape.TIME)),
            cloud(Kind.READ, unclassified=10_000),
            "One key, key:a, whose value looks like a time, takes 90 % of the throttled requests of sessions, for "
            "which AWS has given no cause: its reads were throttled up to 9,000 times a minute, for 6 min.",
            id="one key of a time, and no cause",
        ),
        pytest.param(
            throttles({"a": [9_000.0] * 60}),
            cloud(count=10, key_range=10_000),
            "One key, key:a, takes 90 % of the throttled requests of sessions, and its key range asks for "
            "more than one partition serves: its writes were throttled up to 9,000 times a minute, for 59 min at "
            "least.",
            id="heat as old as the sample",
        ),
        pytest.param(
            throttles(traces({"a": RISING}, newest=4)),
            {Kind.WRITE: cloud(newest=4, key_range=14_000)[Kind.WRITE] + cloud(count=3)[Kind.WRITE]},
            "One key, key:a, takes 79 % of the throttled requests of sessions, and its key range asks for "
            "more than one partition serves: its writes were throttled up to 14,000 times a minute, for 6 min, until"
            " 11:56 UTC.",
            id="it has been over for three minutes",
        ),
        pytest.param(
            full({"a": [150_000.0] * 6, "b": [140_000.0] * 6}, {"a": [12_000.0] * 6, "b": FLAT}),
            cloud(served=100_000, key_range=21_000),
            "2 keys of sessions each ask for as much as one partition serves, or more: key:a (1.0 times) and key:b "
            "(93 %); the first was throttled up to 12,000 times a minute, for 6 min.",
            id="two keys, each too much",
        ),
        pytest.param(
            full({"a": [90_000.0] * 6, "b": [80_000.0] * 6}, {"a": FLAT, "b": FLAT}),
            cloud(served=60_000, key_range=18_000),
            "2 keys share the heat of sessions: key:a (65 % of what one partition serves) and key:b (59 %), none too"
            " much by itself; the first was throttled up to 9,000 times a minute, for 6 min.",
            id="two keys of a partition",
        ),
        pytest.param(
            throttles({"a": [4_000.0] * 6, "b": [3_000.0] * 6, "c": [1_100.0] * 6, "d": [1_000.0] * 6}),
            cloud(key_range=10_000),
            "4 keys share the heat of sessions: key:a (40 % of the throttled requests), key:b (30 %), key:c (11 %) "
            "and 1 more; the first was throttled up to 4,000 times a minute, for 6 min.",
            id="four keys, throttled keys only",
        ),
        pytest.param(
            full({"a": [90_000.0] * 6}, {"a": [4_000.0] * 6}),
            cloud(served=60_000, key_range=10_000),
            "One key, key:a, takes 40 % of the throttled requests of sessions, though it asks for only 57 % of what "
            "one partition serves: its writes were throttled up to 4,000 times a minute, for 6 min.",
            id="the hottest of a crowd",
        ),
        pytest.param(
            throttles(in_turn("abcdef", 9_000, shape=KeyShape.TIME)),
            cloud(key_range=9_000),
            "The heat of sessions moves from key to key: 6 keys were hottest in turn within 6 min and did not come "
            "back; they look like times; the last is key:f; throttled up to 9,000 times a minute.",
            id="keys that move",
        ),
        pytest.param(
            throttles({"a": FLAT}, items=in_turn("123456", 9_000, partition="a", shape=KeyShape.COUNTER)),
            cloud(key_range=9_000),
            "The heat of sessions moves through one partition key, key:a: 6 sort keys were hottest in turn within 6 "
            "min and did not come back; they count up; throttled up to 9,000 times a minute.",
            id="sort keys that move",
        ),
        pytest.param(
            full({"a": [400.0] * 6, "b": [100.0] * 6}, {"a": [90.0] * 6}),
            cloud(served=200, provisioned=100),
            "No single key of sessions is to blame: 600 requests were throttled for too little capacity; the hottest"
            " key has 67 % of the traffic, 0.2 % of what one partition serves.",
            id="too little capacity",
        ),
        pytest.param(
            throttles({f"k{at:02}": [40.0] * 6 for at in range(25)}),
            cloud(key_range=1_000),
            "No single key of sessions stands out: 6,000 requests were throttled, spread over many keys; the hottest"
            " key has 4.0 % of them.",
            id="everybody",
        ),
        pytest.param(
            full({"a": [36_000.0] * 6}),
            cloud(served=60_000),
            "No key of sessions is hot: the hottest key has 20 % of the traffic, 20 % of what one partition serves; "
            "nothing is throttled.",
            id="well",
        ),
    ],
)
def test_sentences(sample: KeySample, minutes: Minutes, sentence: str) -> None:
    assert judged(sample, minutes).sentence == sentence


def test_the_next_one_is_said() -> None:
    sample = full({"a": [170_000.0] * 6, "b": [150_000.0] * 6}, {"a": FLAT, "b": [100.0] * 6})
    sentence = judged(sample, cloud(served=160_000, key_range=9_100)).sentence
    assert sentence.endswith("up to 9,000 times a minute, for 6 min; close to that: key:b (84 %).")


def test_an_index_says_whose_key_it_is_and_what_its_refusals_do() -> None:
    one = judged(throttles({"a": FLAT}), cloud(key_range=10_000), INDEX).sentence
    assert one.endswith(
        "; it is the key of the index, not of the table; a write that the index refuses, its table refuses too."
    )
    two = judged(throttles({"a": FLAT, "b": FLAT}), cloud(key_range=18_000), INDEX).sentence
    assert two.startswith("2 keys share the heat of index by-user of sessions: ")
    assert "; these 2 are keys of the index, not of the table; a write" in two


def test_reads_of_an_index_refuse_no_write() -> None:
    assert "its table refuses" not in judged(throttles({"a": FLAT}), cloud(Kind.READ, key_range=10_000), INDEX).sentence


def test_a_table_keeps_the_case_of_its_name() -> None:
    assert "traffic of iOS-users" in judged(full({}), cloud(served=60), Place("iOS-users")).sentence


# ---- what to do


@pytest.mark.parametrize(
    ("asked", "number"),
    [
        pytest.param(0.0, 2, id="one shard is no shard"),
        pytest.param(1.4, 2, id="two shards at 70 % each"),
        pytest.param(1.41, 3, id="a little more than two hold"),
        pytest.param(2.1, 3, id="three shards at 70 % each"),
        pytest.param(7.0, 10, id="ten"),
    ],
)
def test_shards(asked: float, number: int) -> None:
    assert shards(asked) == number


@pytest.mark.parametrize(
    ("sample", "minutes", "todo"),
    [
        pytest.param(
            full({"a": [170_000.0] * 6}, {"a": [30_000.0] * 6}),
            cloud(served=60_000, key_range=30_000),
            # (170,000 + 90,000) / 180 = 1,444 write units a second
            "More capacity cannot help. Spread key:a over 3 shards (1,444 write units/s asked / 700 a shard = 2.1): "
            "add a number, 0 to 2, to its partition key.",
            id="one written key",
        ),
        pytest.param(
            throttles({"a": FLAT}),
            cloud(key_range=9_000),
            # its whole partition, 1,000, and 9,000 x 3 / 180 = 150 refused
            "More capacity cannot help. Spread key:a over 2 shards (about 1,150 write units/s asked / 700 a shard = "
            "1.6): add a number, 0 to 1, to its partition key.",
            id="one written key of which only throttles are known",
        ),
        pytest.param(
            full({"a": [180_000.0] * 6}, {"a": [54_000.0] * 6}),
            cloud(Kind.READ, 180_000, key_range=54_000),
            # 3 nodes, one read each in 10 s: 0.3/s. 3 x $0.04 x 730 = $87.60. 3,900 x $0.00013 x 730 = $370.11
            "More capacity cannot help. Cache it, if eventually consistent reads will do: 3 DAX nodes that keep an "
            "item 10 s read each item 0.3/s instead of 3,900 read units/s in all. 3 dax.t3.small nodes are about "
            "$87.60 a month; these read units, provisioned, are $370.11. Or copy it to 2 keys and read any (3,900 "
            "read units/s asked / 2,100 a shard = 1.9).",
            id="one read key",
        ),
        pytest.param(
            full({"a": [171_000.0] * 6}, {"a": FLAT}),
            cloud(Kind.READ, 90_000, key_range=4_500) | cloud(Kind.WRITE, 30_000, key_range=4_500),
            # (171,000 + 9,000 x 2) / 180,000 = 105 %
            "More capacity cannot help. Spread key:a over 2 shards (105 % of a partition asked / 70 % a shard = "
            "1.5): add a number, 0 to 1, to its partition key. What only reads it can have a cache.",
            id="one key read and written",
        ),
        pytest.param(
            full({"a": [150_000.0] * 6}),
            cloud(served=60_000),
            "Nothing breaks yet, but more capacity cannot help. Spread key:a over 2 shards (833 write units/s asked "
            "/ 700 a shard = 1.2): add a number, 0 to 1, to its partition key.",
            id="an early warning",
        ),
        pytest.param(
            full({"a": [150_000.0] * 6, "b": [140_000.0] * 6}, {"a": [40_000.0] * 6, "b": FLAT}),
            cloud(served=100_000, key_range=49_000),
            # (150,000 + 120,000) / 180 = 1,500; (140,000 + 27,000) / 180 = 928
            "More capacity cannot help. Each needs shards of its own: key:a over 3, key:b over 2 (1,500 write "
            "units/s asked / 700 a shard = 2.1 for the first).",
            id="two keys, each too much",
        ),
        pytest.param(
            throttles({"a": FLAT, "b": FLAT}),
            cloud(key_range=18_000),
            "Wait until 12:08 UTC: DynamoDB gives a hot partition spare capacity at once and splits it while the "
            "heat lasts, though AWS promises no time. If it is throttled still, spread the hottest of them over 2 "
            "shards.",
            id="a few keys: wait for the split",
        ),
        pytest.param(
            throttles({"a": FLAT, "b": FLAT}),
            {Kind.WRITE: cloud(newest=4, key_range=18_000)[Kind.WRITE] + cloud(count=3)[Kind.WRITE]},
            "Wait until 12:08 UTC: DynamoDB gives a hot partition spare capacity at once and splits it while the "
            "heat lasts, though AWS promises no time. If it is throttled still, spread the hottest of them over 2 "
            "shards.",
            id="a few keys, still named",
        ),
        pytest.param(
            throttles(traces({"a": FLAT, "b": FLAT}, newest=4)),
            {Kind.WRITE: cloud(newest=4, key_range=18_000)[Kind.WRITE] + cloud(count=3)[Kind.WRITE]},
            "Nothing for now: it is calm. DynamoDB gives a hot partition spare capacity at once and splits it while "
            "the heat lasts; should it come back, spread what is named here over shards.",
            id="a few keys, calm for three minutes",
        ),
        pytest.param(
            throttles(in_turn("abcdef", 9_000, shape=KeyShape.TIME)),
            cloud(key_range=9_000),
            "Neither capacity nor splits can help: the heat has moved on before a split is done. Put a shard number,"
            " 0 to 1, from a hash of something evenly spread into the partition key, before its time, so that what "
            "is written at one time goes to 2 keys.",
            id="keys that move",
        ),
        pytest.param(
            full({"a": [6_000.0] * 6}, {"a": [60_000.0] * 6}),
            cloud(served=3_000, provisioned=100_000),
            "Capacity is the answer: raise it, or let the watcher. The next limit is near: key:a alone asks for 1.0 "
            "times what one partition serves.",
            id="too little capacity, and the next limit near",
        ),
        pytest.param(
            throttles({"a": FLAT}),
            cloud(account_limit=10_000),
            "Ask for a higher DynamoDB throughput quota in Service Quotas.",
            id="a quota",
        ),
        pytest.param(full({"a": [36_000.0] * 6}), cloud(served=60_000), "Nothing.", id="well"),
    ],
)
def test_what_to_do(sample: KeySample, minutes: Minutes, todo: str) -> None:
    assert judged(sample, minutes).todo == todo


@pytest.mark.parametrize(
    ("minutes", "waits"),
    [
        # The heat began so many visible minutes ago; the newest ended a minute ago.
        pytest.param(13, True, id="14 minutes"),
        pytest.param(14, False, id="15 minutes: a split should have come"),
    ],
)
def test_how_long_to_wait_for_a_split(minutes: int, waits: bool) -> None:  # noqa: FBT001 - a table's column
    assert NOON - ago(minutes) == SPLIT_PATIENCE - (60 if waits else 0)
    finding = judged(throttles({"a": [900.0] * minutes, "b": [900.0] * minutes}), cloud(key_range=1_800))
    assert finding.todo.startswith("Wait until" if waits else "Do not wait any longer") is True


@pytest.mark.parametrize(
    ("pairs", "says"),
    [
        pytest.param({"a/1": [5_000.0] * 6}, "One item has 56 % of its heat: key:a/1.", id="one item has most of it"),
        pytest.param({"a/1": [4_500.0] * 6, "a/2": [4_500.0] * 6}, "One item has 50 %", id="half of it"),
        pytest.param({"a/1": [4_499.0] * 6}, "Its heat is spread over sort keys", id="less than half"),
        pytest.param({}, "to its partition key.", id="nothing known of sort keys"),
    ],
)
def test_whether_one_item_is_hot(pairs: dict[str, list[float]], says: str) -> None:
    items = tuple(trace(name, values, partition="a") for name, values in pairs.items())
    todo = judged(throttles({"a": FLAT}, items=items), cloud(key_range=9_000)).todo
    assert says in todo
    assert ("sort keys" in todo) is says.endswith("sort keys")


# ---- what is not seen


@pytest.mark.parametrize(
    ("sample", "minutes", "says", "said"),
    [
        pytest.param(throttles({"a": FLAT}), cloud(key_range=9_000), "who takes how much", True, id="only throttles"),
        pytest.param(full({"a": FLAT}), cloud(served=3_000), "who takes how much", False, id="accesses too"),
        pytest.param(throttles({"a": [490.0] * 6}), cloud(key_range=1_000), "Only 49 %", True, id="49 % are named"),
        pytest.param(throttles({"a": [500.0] * 6}), cloud(key_range=1_000), "Only 50 %", False, id="half are named"),
        pytest.param(throttles(), cloud(index_back_pressure=9), "because of an index", True, id="refused by an index"),
        pytest.param(throttles(), cloud(key_range=9), "because of an index", False, id="not refused by an index"),
        pytest.param(
            full({"a": FLAT}),
            cloud(served=300) | cloud(Kind.READ, 900),
            "counted together",
            True,
            id="reads and writes",
        ),
        pytest.param(
            full({"a": FLAT}),
            cloud(served=300) | cloud(Kind.READ, 100),
            "counted together",
            False,
            id="90 % are writes",
        ),
        pytest.param(throttles(), cloud(Kind.READ, key_range=9), "DAX", True, id="reads, which DAX may answer"),
        pytest.param(throttles(), cloud(Kind.WRITE, key_range=9), "DAX", False, id="writes, which it may not"),
        pytest.param(throttles(), {}, "PartiQL", True, id="always"),
    ],
)
def test_blind_spots(sample: KeySample, minutes: Minutes, says: str, said: bool) -> None:  # noqa: FBT001 - a table's column
    assert any(says in spot for spot in judged(sample, minutes).blind) is said
