"""What holds of the judge whatever it is given: it never raises, shares are shares, and noise changes nothing."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.core.builders import NOON, ago
from tests.core.hot_keys.key_story import HOUR, Minutes, cloud, full, judged, named, throttles, trace
from watcher.core.demand import Minute
from watcher.core.hot_keys import HotKeyFinding, KeyVerdict, judge, state_mark
from watcher.core.insights import KeySample, KeyShape, KeyTrace, Place, SamplerMode
from watcher.core.model import Kind
from watcher.core.reasons import Cause

AMOUNTS = st.one_of(st.just(0.0), st.floats(min_value=0, max_value=1e9), st.integers(0, 10_000).map(float))
# Nearly all on whole minutes of the last two hours, some before, after or between.
STARTS = st.one_of(st.integers(-2, 120).map(ago), st.integers(int(NOON) - 7_200, int(NOON) + 600))
NAMES = st.sampled_from("abcdefgh")
LABEL = re.compile(r"key:\w+")


@st.composite
def odd_traces(draw: st.DrawFn) -> KeyTrace:
    name, partition = draw(NAMES), draw(NAMES)
    points = draw(st.dictionaries(STARTS, AMOUNTS, max_size=14))
    return KeyTrace(f"key:{name}", name, partition, points, draw(st.sampled_from(KeyShape)))


@st.composite
def odd_samples(draw: st.DrawFn) -> KeySample:
    lists = st.lists(odd_traces(), max_size=8).map(tuple)
    return KeySample(
        draw(st.floats(min_value=NOON - 7_200, max_value=NOON)),
        NOON,
        draw(st.sampled_from(SamplerMode)),
        throttled=draw(lists),
        accessed=draw(lists),
        throttled_items=draw(lists),
        accessed_items=draw(lists),
        since=draw(st.none() | st.floats(min_value=NOON - 7_200, max_value=NOON + 60)),
        complete=draw(st.booleans()),
        note=draw(st.sampled_from(["", "a page failed.", "  "])),
    )


@st.composite
def odd_minutes(draw: st.DrawFn) -> Minutes:
    def minute(start: int) -> Minute:
        causes = draw(st.dictionaries(st.sampled_from(Cause), AMOUNTS, max_size=4))
        throttled = sum(causes.values()) + draw(AMOUNTS)
        return Minute(start, draw(AMOUNTS), draw(AMOUNTS), throttled, causes, throttled * draw(st.floats(1, 800)))

    kinds = draw(st.sets(st.sampled_from(Kind)))
    return {kind: [minute(start) for start in sorted(draw(st.sets(STARTS, max_size=12)))] for kind in kinds}


def check(finding: HotKeyFinding) -> None:
    """What holds of every finding."""
    assert finding.sentence.endswith(".")
    assert finding.todo.endswith(".")
    assert (finding.verdict in (KeyVerdict.UNKNOWN, KeyVerdict.NO_SINGLE_KEY)) is (not finding.keys)
    assert (finding.verdict is KeyVerdict.INDEX_KEY) <= bool(finding.place.index)
    assert len({key.key for key in finding.keys}) == len(finding.keys)
    for key in finding.keys:
        assert 0 <= key.share <= 1 + 1e-9
        assert key.throttled >= 0
        if key.ceiling_share is not None and key.asked_share is not None:
            assert key.asked_share >= key.ceiling_share * (1 - 1e-9)
    verdict, label = state_mark(finding)
    assert verdict == finding.verdict
    assert not label or label in {key.key for key in finding.keys}


@given(odd_samples(), odd_minutes(), st.sampled_from(["", "by-user"]), st.sampled_from([600.0, 60.0, 3_600.0]))
def test_anything_gets_a_verdict(sample: KeySample, minutes: Minutes, index: str, window: float) -> None:
    finding = judge(NOON, Place("sessions", index), sample, minutes, window=window)
    check(finding)
    known = {
        key.label
        for keys in (sample.throttled, sample.accessed, sample.throttled_items, sample.accessed_items)
        for key in keys
    }
    told = " ".join((finding.sentence, finding.todo, *finding.blind))
    assert set(LABEL.findall(told)) <= known


@settings(max_examples=40)
@given(odd_samples(), odd_minutes())
def test_nothing_read_is_never_no_hot_key(sample: KeySample, minutes: Minutes) -> None:
    empty = replace(sample, throttled=(), accessed=(), throttled_items=(), accessed_items=())
    assert judged(empty, minutes).verdict is KeyVerdict.UNKNOWN


@settings(max_examples=40)
@given(odd_samples(), odd_minutes())
def test_an_incomplete_answer_never_clears_anybody(sample: KeySample, minutes: Minutes) -> None:
    assert judged(replace(sample, complete=False), minutes).verdict is not KeyVerdict.NO_SINGLE_KEY


@given(st.dictionaries(NAMES, st.integers(1, 20_000).map(float), min_size=1), st.integers(0, 40_000))
def test_throttled_keys_are_named_hottest_first(values: dict[str, float], unnamed: int) -> None:
    sample = throttles({name: [value] * 6 for name, value in values.items()})
    finding = judged(sample, cloud(key_range=sum(values.values()) + unnamed))
    check(finding)
    assert named(finding) == sorted(named(finding), key=lambda name: (-values[name], name))
    assert [key.share for key in finding.keys] == sorted((key.share for key in finding.keys), reverse=True)


@given(st.dictionaries(NAMES, st.integers(1, 178_000).map(float), min_size=1))
def test_accessed_keys_are_named_hottest_first(values: dict[str, float]) -> None:
    finding = judged(
        full({name: [value] * 6 for name, value in values.items()}), cloud(served=sum(values.values()) / 3)
    )
    check(finding)
    assert named(finding) == sorted((name for name in values if values[name] >= 144_000), key=lambda n: (-values[n], n))


SHAPES = {
    "one": {"a": [9_000.0] * 6, "b": [800.0] * 6},
    "few": {"a": [5_000.0] * 6, "b": [4_500.0] * 6},
    "crowd": {name: [950.0] * 6 for name in "abcdefghi"},
    "moving": {name: [0.0] * at + [9_000.0] + [0.0] * (5 - at) for at, name in enumerate("abcdef")},
}


@given(st.sampled_from(sorted(SHAPES)), st.lists(st.floats(min_value=1, max_value=99), max_size=10))
def test_more_keys_below_one_per_cent_change_nothing(shape: str, noise: list[float]) -> None:
    keys = SHAPES[shape]
    minutes = cloud(served=60_000, key_range=10_000)
    plain = judged(throttles(keys), minutes)
    noisy = judged(throttles({**keys, **{f"n{at}": [value] * 6 for at, value in enumerate(noise)}}), minutes)
    assert (noisy.verdict, named(noisy)) == (plain.verdict, named(plain))


@given(st.floats(min_value=1, max_value=7_000), st.integers(9, 25), st.booleans())
def test_uniform_traffic_names_nobody(value: float, count: int, throttling: bool) -> None:  # noqa: FBT001 - hypothesis calls it
    keys = {f"k{at:02}": [value] * 6 for at in range(count)}
    refused = {name: [40.0] * 6 for name in keys} if throttling else {}
    minutes = cloud(served=count * value / 3, key_range=40.0 * count if throttling else 0.0)
    finding = judged(full(keys, refused), minutes)
    assert (finding.verdict, finding.keys) == (KeyVerdict.NO_SINGLE_KEY, ())


@given(st.lists(st.floats(min_value=0.95, max_value=1.05), min_size=12, max_size=12))
def test_approximate_values_do_not_change_the_verdict(factors: list[float]) -> None:
    sample = full(
        {"a": [170_000.0 * factor for factor in factors[:6]]}, {"a": [9_000.0 * factor for factor in factors[6:]]}
    )
    assert judged(sample, cloud(served=80_000, key_range=9_000)).verdict is KeyVerdict.ONE_KEY


@settings(max_examples=40)
@given(odd_samples(), odd_minutes(), st.integers(1, 4))
def test_keys_do_not_depend_on_the_order_of_the_answer(sample: KeySample, minutes: Minutes, turn: int) -> None:
    assume(len({key.identity for key in sample.throttled}) == len(sample.throttled))
    turned = replace(sample, throttled=sample.throttled[turn:] + sample.throttled[:turn])
    assert judged(turned, minutes).keys == judged(sample, minutes).keys


def test_a_sample_of_the_last_hour_is_judged_on_ten_minutes() -> None:
    old = trace("a", [9_000] * 20, newest=30)
    finding = judged(throttles((old,)), cloud(key_range=9_000))
    assert finding.verdict is KeyVerdict.UNKNOWN
    assert min(old.points) > NOON - HOUR
