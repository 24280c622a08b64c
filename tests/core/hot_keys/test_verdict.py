"""The judge of hot keys: which pattern the evidence is, and which keys are named.

A partition's ceiling is 180,000 throughput units a minute: 60,000 write units or 180,000 read units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from tests.core.builders import NOON, ago
from tests.core.hot_keys.key_story import INDEX, Keys, Minutes, cloud, full, in_turn, judged, named, throttles, traces
from watcher.core.hot_keys import KeyVerdict, state_mark
from watcher.core.hot_keys.verdict import FEW, FEWEST_THROTTLES, YOUNG
from watcher.core.insights import KeySample, SamplerMode
from watcher.core.model import Kind

ONE, FEW_KEYS, MOVING, IN_INDEX, NOBODY, UNKNOWN = (
    KeyVerdict.ONE_KEY,
    KeyVerdict.FEW_KEYS,
    KeyVerdict.MOVING_KEY,
    KeyVerdict.INDEX_KEY,
    KeyVerdict.NO_SINGLE_KEY,
    KeyVerdict.UNKNOWN,
)


def level(value: float) -> list[float]:
    return [value] * 6


def even(count: int, value: float) -> dict[str, list[float]]:
    return {f"k{at:02}": level(value) for at in range(count)}


# ---- every access sampled: a key is measured against the ceiling


@pytest.mark.parametrize(
    ("accessed", "throttled", "minutes", "verdict", "hot"),
    [
        pytest.param(
            # 150,000 served + 3,000 refused x 3 = 159,000 of 180,000 = 88.3 %
            {"a": level(150_000)},
            {"a": level(3_000)},
            cloud(served=60_000, key_range=3_000),
            FEW_KEYS,
            ["a"],
            id="one key throttled at 88 % of a partition: its neighbours crowd it",
        ),
        pytest.param(
            # 150,000 + 4,000 x 3 = 162,000 = 90 %
            {"a": level(150_000)},
            {"a": level(4_000)},
            cloud(served=60_000, key_range=4_000),
            ONE,
            ["a"],
            id="one key throttled at 90 %: it alone is too much",
        ),
        pytest.param(
            {"a": level(170_000), "b": level(60_000)},
            {"a": level(9_000), "b": level(100)},
            cloud(served=80_000, key_range=9_100),
            ONE,
            ["a"],
            id="a neighbour that suffers with it is not named",
        ),
        pytest.param(
            {"a": level(170_000), "b": level(144_000), "c": level(140_000)},
            {"a": level(9_000), "b": level(100), "c": level(100)},
            cloud(served=160_000, key_range=9_200),
            ONE,
            ["a", "b"],
            id="the next one, at 80 % and throttled a little, is named with it; at 78 % it is not",
        ),
        pytest.param(
            {"a": level(170_000), "b": level(150_000)},
            {"a": level(9_000)},
            cloud(served=160_000, key_range=9_000),
            ONE,
            ["a"],
            id="a big key that is not throttled is not named",
        ),
        pytest.param(
            {"a": level(170_000)},
            {"b": level(9_000)},
            cloud(served=80_000, key_range=9_000),
            FEW_KEYS,
            ["b"],
            id="a key near the ceiling that is not throttled itself is not why another one is",
        ),
        pytest.param(
            {"a": level(150_000), "b": level(140_000)},
            {"a": level(9_000), "b": level(9_000)},
            cloud(served=100_000, key_range=18_000),
            FEW_KEYS,
            ["a", "b"],
            id="two keys that are each too much: not one key",
        ),
        pytest.param(
            {"a": level(90_000), "b": level(80_000)},
            {"a": level(5_000), "b": level(5_000)},
            cloud(served=60_000, key_range=10_000),
            FEW_KEYS,
            ["a", "b"],
            id="two keys share a partition",
        ),
        pytest.param(
            {"a": level(170_000)},
            (),
            cloud(served=60_000, key_range=9_000),
            ONE,
            ["a"],
            id="no throttle is named yet, but one key fills a partition",
        ),
        pytest.param(
            {"a": level(36_000), "b": level(35_000)},  # 20 % and 19.4 %
            (),
            cloud(served=60_000, key_range=9_000),
            FEW_KEYS,
            ["a"],
            id="no throttle is named: from a fifth of a partition on a key counts",
        ),
        pytest.param(
            even(FEW + 1, 40_000),
            (),
            cloud(served=200_000, key_range=9_000),
            UNKNOWN,
            [],
            id="no throttle is named, and nine keys with as much: nobody can say",
        ),
        pytest.param(
            {"a": level(140_000)},
            (),
            cloud(served=60_000),
            NOBODY,
            [],
            id="78 % of a partition and no throttling: well",
        ),
        pytest.param(
            {"a": level(144_000)}, (), cloud(served=60_000), ONE, ["a"], id="80 % and no throttling: an early warning"
        ),
        pytest.param(
            {"a": level(150_000), "b": level(160_000)},
            (),
            cloud(served=120_000),
            FEW_KEYS,
            ["b", "a"],
            id="two early warnings",
        ),
        pytest.param(even(25, 7_000), (), cloud(served=60_000), NOBODY, [], id="25 equal keys and no throttling"),
    ],
)
def test_with_every_access_sampled(
    accessed: Keys, throttled: Keys, minutes: Minutes, verdict: KeyVerdict, hot: Sequence[str]
) -> None:
    finding = judged(full(accessed, throttled or ()), minutes)
    assert (finding.verdict, named(finding)) == (verdict, hot)


# ---- throttled keys only: a key is measured by its part of what a key range refused


@pytest.mark.parametrize(
    ("throttled", "minutes", "verdict", "hot"),
    [
        pytest.param({"a": level(600)}, cloud(key_range=1_000), ONE, ["a"], id="60 %, the rest nameless: one key"),
        pytest.param({"a": level(590)}, cloud(key_range=1_000), FEW_KEYS, ["a"], id="59 %: in a crowd"),
        pytest.param(
            {"a": level(660), "b": level(330)}, cloud(key_range=1_000), ONE, ["a"], id="two thirds, and half of that"
        ),
        pytest.param(
            {"a": level(660), "b": level(331)},
            cloud(key_range=1_000),
            FEW_KEYS,
            ["a", "b"],
            id="two thirds, and a little more than half of that: two keys",
        ),
        pytest.param(
            {"a": level(400), "b": level(350), "c": level(250)},
            cloud(key_range=1_000),
            FEW_KEYS,
            ["a", "b", "c"],
            id="three of about the same heat",
        ),
        pytest.param({"a": level(300)}, cloud(key_range=1_000), FEW_KEYS, ["a"], id="30 % is just a heat of its own"),
        pytest.param({"a": level(299)}, cloud(key_range=1_000), NOBODY, [], id="a little less is not"),
        pytest.param(
            {"a": level(400), "b": level(100), "c": level(99)},
            cloud(key_range=1_000),
            FEW_KEYS,
            ["a", "b"],
            id="a tenth stands out, a little less does not",
        ),
        pytest.param(
            even(FEW, 125), cloud(key_range=1_000), FEW_KEYS, [f"k{at:02}" for at in range(FEW)], id="eight equal keys"
        ),
        pytest.param(even(FEW + 1, 111), cloud(key_range=1_000), NOBODY, [], id="nine equal keys are everybody"),
        pytest.param(even(25, 40), cloud(key_range=1_000), NOBODY, [], id="25 equal keys"),
        pytest.param({"a": [9]}, cloud(count=1, key_range=9), UNKNOWN, [], id="nine throttled requests prove nothing"),
        pytest.param({"a": [FEWEST_THROTTLES]}, cloud(count=1, key_range=10), ONE, ["a"], id="ten do"),
        # 100 of 100,000 writes: 0.1 % of what was asked for.
        pytest.param({"a": [100]}, cloud(served=99_900, count=1, key_range=100), ONE, ["a"], id="one in a thousand"),
        pytest.param(
            {"a": [99]}, cloud(served=99_900, count=1, key_range=99), UNKNOWN, [], id="a freak second is less"
        ),
        pytest.param(
            {"a": [50, 49]}, cloud(served=99_900, count=2, key_range=50), ONE, ["a"], id="two minutes are more"
        ),
        pytest.param({"a": level(900)}, cloud(unclassified=1_000), ONE, ["a"], id="AWS gives no cause: judge the key"),
        pytest.param({"a": level(900)}, cloud(unsaid=1_000), ONE, ["a"], id="the cause is not published yet"),
        pytest.param({"a": level(900)}, {}, ONE, ["a"], id="CloudWatch is a minute behind"),
    ],
)
def test_with_throttled_keys_only(throttled: Keys, minutes: Minutes, verdict: KeyVerdict, hot: Sequence[str]) -> None:
    finding = judged(throttles(throttled), minutes)
    assert (finding.verdict, named(finding)) == (verdict, hot)
    assert all(key.asked_share is None and not key.of_traffic for key in finding.keys)


# ---- too little capacity


@pytest.mark.parametrize(
    ("sample", "minutes", "verdict"),
    [
        pytest.param(
            full({"a": level(6_000), "b": level(2_000)}, {"a": level(600)}),
            cloud(served=3_300, provisioned=1_000),
            NOBODY,
            id="a starved table whose top key has 60 % of its traffic, and 3 % of a partition",
        ),
        pytest.param(
            throttles({"a": level(950)}),
            cloud(provisioned=1_000),
            NOBODY,
            id="a starved table that nearly one key alone uses",
        ),
        pytest.param(
            # 6,000 served, but 60,000 refused x 3 = 186,000: more than a partition, by retries or not
            full({"a": level(6_000)}, {"a": level(60_000)}),
            cloud(served=3_000, provisioned=100_000),
            NOBODY,
            id="what a starved table's key asks for is no key range's heat",
        ),
        pytest.param(
            full({"a": level(144_000)}, {"a": level(600)}),
            cloud(served=60_000, provisioned=1_000),
            ONE,
            id="a starved table whose top key is near a partition's ceiling too",
        ),
        pytest.param(throttles({"a": level(900)}), cloud(account_limit=1_000), NOBODY, id="a quota is no key's"),
        pytest.param(throttles({"a": level(900)}), cloud(on_demand_cap=1_000), NOBODY, id="nor is the owner's cap"),
        pytest.param(
            throttles({"a": level(900)}),
            cloud(key_range=100, provisioned=900),
            ONE,
            id="a tenth is a key range's: the key is judged",
        ),
        pytest.param(
            throttles({"a": level(900)}),
            cloud(key_range=99, provisioned=901),
            NOBODY,
            id="a little less: a capacity problem",
        ),
        pytest.param(
            # Of 400 + 24 x 24 + ... the hot key has its 300 of the key range, and its part of the rest.
            throttles({"a": level(340), **even(20, 20)}),
            cloud(key_range=300, provisioned=700),
            ONE,
            id="mixed: one key has what the key range refused, everybody the rest",
        ),
    ],
)
def test_too_little_capacity_is_nobodys_fault(sample: KeySample, minutes: Minutes, verdict: KeyVerdict) -> None:
    finding = judged(sample, minutes)
    assert finding.verdict is verdict
    assert bool(finding.keys) is (verdict is ONE)


def test_a_mixed_incident_says_both() -> None:
    finding = judged(throttles({"a": level(900)}), cloud(key_range=700, provisioned=300))
    assert "30 % of the throttled requests are for too little capacity besides" in finding.sentence
    assert "Capacity is too small as well" in finding.todo


# ---- an index's keys


@pytest.mark.parametrize(
    ("sample", "verdict", "hot"),
    [
        pytest.param(throttles({"a": level(900)}), IN_INDEX, ["a"], id="one key"),
        pytest.param(throttles({"a": level(400), "b": level(400)}), IN_INDEX, ["a", "b"], id="a few keys"),
        pytest.param(throttles(in_turn("abcdef", 900)), MOVING, list("abcdef"), id="a moving key stays one"),
        pytest.param(throttles(even(25, 40)), NOBODY, [], id="no key stands out"),
        pytest.param(throttles(), UNKNOWN, [], id="nothing is named"),
    ],
)
def test_the_keys_of_an_index(sample: KeySample, verdict: KeyVerdict, hot: Sequence[str]) -> None:
    finding = judged(sample, cloud(key_range=1_000), INDEX)
    assert (finding.verdict, named(finding), finding.place) == (verdict, hot, INDEX)
    assert "index by-user of sessions" in finding.sentence


def test_an_early_warning_of_an_index_is_of_the_index_too() -> None:
    assert judged(full({"a": level(150_000)}), cloud(served=60_000), INDEX).verdict is IN_INDEX


# ---- nothing can be said: "no data" is never "no hot key"


@pytest.mark.parametrize(
    ("sample", "minutes", "says"),
    [
        pytest.param(
            KeySample(NOON - 600, NOON, note="Contributor Insights is off here."),
            cloud(key_range=900),
            "Contributor Insights is off here.",
            id="off: the note says why",
        ),
        pytest.param(KeySample(NOON - 600, NOON), {}, "Contributor Insights is off", id="off without a note"),
        pytest.param(
            throttles(complete=False, note="AccessDenied."), cloud(), "(AccessDenied)", id="not read, nothing found"
        ),
        pytest.param(
            throttles(even(25, 40), complete=False, note="a page failed"),
            cloud(key_range=1_000),
            "(a page failed)",
            id="not all read: that no key stands out says nothing",
        ),
        pytest.param(
            full(even(25, 40), complete=False, note="a page failed"),
            cloud(served=6_000),
            "(a page failed)",
            id="not all read, and nothing throttled",
        ),
        pytest.param(
            throttles(since=NOON - YOUNG + 1), cloud(key_range=900), "began 5 min ago", id="sampling is 299 s young"
        ),
        pytest.param(
            throttles(since=NOON - YOUNG), cloud(key_range=900), "PartiQL", id="after 300 s names should be there"
        ),
        pytest.param(throttles(), cloud(provisioned=900), "PartiQL", id="throttled and nobody named"),
        pytest.param(
            full(even(3, 400)), cloud(served=6_000, key_range=900), "PartiQL", id="throttled, and only the calm named"
        ),
        pytest.param(
            throttles(), cloud(index_back_pressure=900), "because of an index", id="refused by an index, nobody named"
        ),
        pytest.param(
            full(even(3, 400)),
            cloud(served=6_000, index_back_pressure=900),
            "because of an index",
            id="refused by an index, and only the calm named",
        ),
        pytest.param(throttles(), cloud(served=600), "only throttled keys are sampled", id="nothing throttled"),
        pytest.param(throttles(), {}, "only throttled keys are sampled", id="nothing throttled and no CloudWatch"),
        pytest.param(full({}), cloud(served=600), "it does not count PartiQL", id="traffic and no key accessed"),
        pytest.param(full({}), {}, "no traffic", id="no traffic and no key"),
        pytest.param(
            full({"a": [9] + [0] * 11}), cloud(served=600), "does not count PartiQL", id="only older keys are known"
        ),
    ],
)
def test_what_cannot_be_said(sample: KeySample, minutes: Minutes, says: str) -> None:
    finding = judged(sample, minutes)
    assert (finding.verdict, finding.keys) == (UNKNOWN, ())
    assert says in finding.sentence


def test_a_young_sampling_that_has_named_keys_is_judged() -> None:
    assert judged(throttles({"a": [900]}, since=NOON - 150), cloud(key_range=900)).verdict is ONE


def test_what_is_found_in_an_incomplete_answer_holds() -> None:
    finding = judged(throttles({"a": level(900)}, complete=False, note="a page failed"), cloud(key_range=1_000))
    assert finding.verdict is ONE
    assert "Not everything could be read: a page failed." in finding.blind


# ---- kinds, the newest minute, and what is news


@pytest.mark.parametrize(
    ("read", "write", "kinds"),
    [
        pytest.param({"key_range": 900.0}, {}, {Kind.READ}, id="reads are refused"),
        pytest.param({}, {"key_range": 900.0}, {Kind.WRITE}, id="writes are refused"),
        pytest.param({"key_range": 900.0}, {"key_range": 1.0}, {Kind.READ, Kind.WRITE}, id="both are"),
        pytest.param(
            {"key_range": 900.0}, {"provisioned": 900.0}, {Kind.READ}, id="the writes are refused for want of capacity"
        ),
        pytest.param({"unclassified": 900.0}, {}, {Kind.READ}, id="reads, without a cause"),
        pytest.param({}, {}, set(), id="nothing is: that cannot be told"),
    ],
)
def test_which_kind_is_hot(read: Mapping[str, float], write: Mapping[str, float], kinds: set[Kind]) -> None:
    minutes = cloud(Kind.READ, 60_000, causes=read) | cloud(Kind.WRITE, 20_000, causes=write)
    assert judged(full({"a": level(150_000)}, {"a": level(900)} if kinds else ()), minutes).kinds == kinds


@pytest.mark.parametrize(
    ("sample", "newest"),
    [
        pytest.param(throttles({"a": [900, 900]}), ago(1), id="of the keys"),
        pytest.param(throttles(traces({"a": [900, 900]}, newest=3)), ago(3), id="the keys come later than CloudWatch"),
        pytest.param(throttles(), ago(1), id="CloudWatch's, where no key is named"),
    ],
)
def test_the_newest_judged_minute(sample: KeySample, newest: int) -> None:
    assert judged(sample, cloud(key_range=900)).at == newest


def test_without_anything_there_is_no_newest_minute() -> None:
    assert judged(throttles(), {}).at is None


@pytest.mark.parametrize(
    ("sample", "mark"),
    [
        pytest.param(throttles({"a": level(900)}), ("one-key", "key:a"), id="one key"),
        pytest.param(throttles({"b": level(400), "a": level(390)}), ("few-keys", "key:a"), id="two about as hot"),
        pytest.param(throttles({"b": level(390), "a": level(400)}), ("few-keys", "key:a"), id="in another order"),
        pytest.param(
            throttles({"b": level(500), "a": level(250), "c": level(240)}),
            ("few-keys", "key:a"),
            id="half as hot is about as hot",
        ),
        pytest.param(
            throttles({"b": level(500), "a": level(240), "c": level(251)}), ("few-keys", "key:b"), id="less is not"
        ),
        pytest.param(throttles(in_turn("abcdef", 900)), ("moving-key", ""), id="a moving key is another every minute"),
        pytest.param(throttles(), ("unknown", ""), id="nothing known"),
    ],
)
def test_the_mark_by_which_news_is_told(sample: KeySample, mark: tuple[str, str]) -> None:
    assert state_mark(judged(sample, cloud(key_range=1_000))) == mark


def test_the_mark_of_one_key_is_that_key_whoever_is_close_to_it() -> None:
    sample = full({"b": level(170_000), "a": level(150_000)}, {"b": level(9_000), "a": level(10)})
    assert state_mark(judged(sample, cloud(served=160_000, key_range=9_010))) == ("one-key", "key:b")


def test_a_finding_says_what_it_was_made_from() -> None:
    assert judged(full({"a": level(9)}), {}).mode is SamplerMode.FULL
