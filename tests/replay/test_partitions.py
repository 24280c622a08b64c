"""Who shares a partition, and how heat drives keys apart: seconds that can be checked by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.replay.plants import NOON, minutes
from watcher.core.model import TABLE_READ, TABLE_WRITE, Dimension, Kind
from watcher.core.reasons import Cause
from watcher.replay.partitions import Partitions
from watcher.replay.plant import IndexSpec, KeyShare, MinuteDemand, Plant, TableSpec

PAIR = (KeyShare("a", 0.3, home="h"), KeyShare("b", 0.2, home="h"))


def writing(rate: float, *shares: KeyShare) -> Callable[[int], MinuteDemand]:
    return lambda _: MinuteDemand({TABLE_WRITE: 60.0 * rate}, {TABLE_WRITE: shares})


def plant_of(spec: TableSpec, *, split_after: float = 600.0) -> Plant:
    plant = Plant(NOON, jitter=0.0, late_share=0.0, spread=0.0, split_after=split_after)
    plant.create(spec)
    return plant


def key_range(plant: Plant, dimension: Dimension = TABLE_WRITE) -> list[float]:
    """Units that partitions refused, by minute."""
    return [truth.causes.get(Cause.KEY_RANGE, 0.0) for truth in minutes(plant, dimension)]


@pytest.mark.parametrize(
    ("rate", "shares", "refused"),
    [
        pytest.param(2000.0, PAIR, 0.0, id="two keys of one home with 1,000 writes a second together are served"),
        # 0.5 x 2400 = 1200: 200 too many, 60 seconds.
        pytest.param(2400.0, PAIR, 12_000.0, id="with 1,200 together they lose 200 of them"),
        pytest.param(2400.0, (KeyShare("a", 0.3), KeyShare("b", 0.2)), 0.0, id="alone, 720 and 480 are fine"),
        pytest.param(
            2400.0,
            (KeyShare("a", 0.3, sort="1"), KeyShare("a", 0.2, sort="2")),
            12_000.0,
            id="two items of one key share its partition",
        ),
        pytest.param(
            2400.0,
            (KeyShare("a", 0.3, sort="1", home="h"), KeyShare("b", 0.2, home="h")),
            12_000.0,
            id="an item and a key of one home share it too",
        ),
    ],
)
def test_what_shares_a_partition_shares_its_ceiling(rate: float, shares: tuple[KeyShare, ...], refused: float) -> None:
    plant = plant_of(TableSpec("orders", 10, 10_000, demand=writing(rate, *shares), has_sort_key=True))
    plant.advance(NOON + 60)
    assert key_range(plant) == pytest.approx([refused])
    (truth,) = minutes(plant)
    assert [(key.key, key.sort) for key in truth.keys] == [(one.key, one.sort) for one in shares]
    # Each loses in proportion to what it asked for.
    whole = sum(one.share for one in shares)
    for key, one in zip(truth.keys, shares, strict=True):
        assert key.key_range == pytest.approx(refused * one.share / whole)
        assert key.throttled == pytest.approx(key.key_range)
        assert key.served == pytest.approx(one.share * rate * 60 - key.key_range)


@pytest.mark.parametrize(
    ("split_after", "hot_minutes"),
    [
        pytest.param(600.0, 10, id="600 throttled seconds: ten minutes"),
        pytest.param(601.0, 11, id="one second more takes the minute after"),
        pytest.param(60.0, 1, id="60 seconds: after the first minute"),
    ],
)
def test_a_home_splits_when_it_has_been_hot_for_long_enough(split_after: float, hot_minutes: int) -> None:
    plant = plant_of(TableSpec("orders", 10, 10_000, demand=writing(2400.0, *PAIR)), split_after=split_after)
    plant.advance(NOON + 1800)
    # Apart, 720 and 480 writes a second are below 1,000.
    assert key_range(plant) == pytest.approx([12_000.0] * hot_minutes + [0.0] * (30 - hot_minutes))


def test_what_has_split_stays_split() -> None:
    def demand(minute: int) -> MinuteDemand:
        calm = NOON + 900 <= minute < NOON + 5 * 3600
        return MinuteDemand({TABLE_WRITE: 60.0 * (10.0 if calm else 2400.0)}, {} if calm else {TABLE_WRITE: PAIR})

    plant = plant_of(TableSpec("orders", 10, 10_000, demand=demand))
    plant.advance(NOON + 6 * 3600)
    assert sum(refused > 0.0 for refused in key_range(plant)) == 10


@pytest.mark.parametrize(
    ("hot", "calm", "splits"),
    [
        # Ten hot minutes must fall into any twenty.
        pytest.param(5, 5, True, id="every other five minutes: ten of twenty"),
        pytest.param(4, 6, False, id="four of ten minutes: eight of twenty"),
    ],
)
def test_heat_that_comes_and_goes(hot: int, calm: int, *, splits: bool) -> None:
    def demand(minute: int) -> MinuteDemand:
        is_hot = (minute - NOON) // 60 % (hot + calm) < hot
        return MinuteDemand({TABLE_WRITE: 60.0 * (2400.0 if is_hot else 10.0)}, {TABLE_WRITE: PAIR})

    plant = plant_of(TableSpec("orders", 10, 10_000, demand=demand))
    plant.advance(NOON + 7200)
    assert (key_range(plant)[100:] == [0.0] * 20) is splits


def test_a_key_of_a_split_home_keeps_a_ceiling_of_its_own() -> None:
    shares = (KeyShare("a", 0.6, home="h"), KeyShare("b", 0.2, home="h"))
    plant = plant_of(TableSpec("orders", 10, 10_000, demand=writing(2000.0, *shares)))
    plant.advance(NOON + 3600)
    # 1,600 together lose 600 a second; apart, "a" with its 1,200 goes on losing 200, for ever.
    assert key_range(plant) == pytest.approx([36_000.0] * 10 + [12_000.0] * 50)


@pytest.mark.parametrize(
    ("shares", "has_sort_key", "monotonic", "later"),
    [
        # 1,400 asked for, 1,000 served: 400 a second, 24,000 a minute, at first everywhere.
        pytest.param((KeyShare("a", 0.7),), False, False, 24_000.0, id="a key without sort keys never splits"),
        pytest.param((KeyShare("a", 0.7, sort="1"),), True, False, 24_000.0, id="heat in one item never splits"),
        pytest.param(
            (KeyShare("a", 0.4, sort="1"), KeyShare("a", 0.3, sort="2")),
            True,
            False,
            0.0,
            id="two items part: 800 and 600",
        ),
        pytest.param(
            (KeyShare("a", 0.4, sort="1"), KeyShare("a", 0.3, sort="2")),
            True,
            True,
            24_000.0,
            id="not where sort keys only rise",
        ),
        pytest.param((KeyShare("a", 0.7),), True, False, 0.0, id="many items part: 700 in either half"),
        pytest.param(
            (KeyShare("a", 0.7),),
            True,
            True,
            24_000.0,
            id="not where their sort keys only rise",
        ),
    ],
)
def test_which_keys_split(shares: tuple[KeyShare, ...], later: float, *, has_sort_key: bool, monotonic: bool) -> None:
    demand = writing(2000.0, *shares)
    plant = plant_of(TableSpec("orders", 10, 10_000, demand=demand, has_sort_key=has_sort_key, monotonic=monotonic))
    plant.advance(NOON + 7200)
    assert key_range(plant)[:10] == pytest.approx([24_000.0] * 10)
    assert key_range(plant)[10:] == pytest.approx([later] * 110)


def test_many_items_are_halved_until_they_fit() -> None:
    demand = writing(5000.0, KeyShare("a", 0.9))
    plant = plant_of(TableSpec("orders", 10, 10_000, demand=demand, has_sort_key=True))
    plant.advance(NOON + 3600)
    # 4,500 a second on one partition, then two, four and eight: 3,500, 2,500 and 500 too many, then none.
    expected = [3500.0 * 60] * 10 + [2500.0 * 60] * 10 + [500.0 * 60] * 10 + [0.0] * 30
    assert key_range(plant) == pytest.approx(expected)


def test_a_key_that_moves_is_never_hot_for_long() -> None:
    def demand(minute: int) -> MinuteDemand:
        now = KeyShare(str(minute), 1.0, home=str(minute))
        return MinuteDemand({TABLE_WRITE: 60.0 * 1400.0}, {TABLE_WRITE: (now,)})

    plant = plant_of(TableSpec("orders", 10, 10_000, demand=demand))
    plant.advance(NOON + 3600)
    assert key_range(plant) == pytest.approx([24_000.0] * 60)


def test_reads_and_writes_heat_the_same_partition() -> None:
    def demand(minute: int) -> MinuteDemand:
        reads = (minute - NOON) // 60 % 2 == 0
        units = {TABLE_READ: 60.0 * 7000.0} if reads else {TABLE_WRITE: 60.0 * 2400.0}
        return MinuteDemand(units, {TABLE_READ: PAIR, TABLE_WRITE: PAIR})

    plant = plant_of(TableSpec("orders", 10_000, 10_000, demand=demand))
    plant.advance(NOON + 1200)
    # Reads are hot in every other minute, writes in the others: after ten minutes they part both.
    assert [refused > 0.0 for refused in key_range(plant, TABLE_READ)] == [True, False] * 5 + [False] * 10
    assert [refused > 0.0 for refused in key_range(plant)] == [False, True] * 5 + [False] * 10


@pytest.mark.parametrize("seconds", [(60, 5), (5, 60)], ids=["reads more than writes", "writes more than reads"])
def test_the_hotter_of_reads_and_writes_counts(seconds: tuple[int, int]) -> None:
    partitions = Partitions(120.0, has_items=False, monotonic=False)
    for minute in (0, 60):
        assert partitions.groups(Kind.WRITE, PAIR)[0].name == ("home", "h")
        for kind, count in zip(Kind, seconds, strict=True):
            partitions.note(minute, partitions.groups(kind, PAIR), {0: count})
        partitions.settle(minute)
    assert partitions.groups(Kind.WRITE, PAIR)[0].name == ("key", "a")


def test_a_table_and_its_index_have_partitions_of_their_own() -> None:
    index = Dimension("by-day", Kind.WRITE)

    def demand(_minute: int) -> MinuteDemand:
        return MinuteDemand({TABLE_WRITE: 60.0 * 2400.0}, {index: PAIR})

    plant = plant_of(TableSpec("orders", 10, 10_000, indexes=(IndexSpec("by-day", 10, 10_000),), demand=demand))
    plant.advance(NOON + 1200)
    assert key_range(plant, index) == pytest.approx([12_000.0] * 10 + [0.0] * 10)
    assert key_range(plant) == [0.0] * 20


def test_groups_come_hottest_first_and_only_those_above_are_counted() -> None:
    partitions = Partitions(600.0, has_items=True, monotonic=False)
    shares = (KeyShare("cool", 0.1), KeyShare("b", 0.2, home="h"), KeyShare("c", 0.3, home="h"), KeyShare("a", 0.4))
    groups = partitions.groups(Kind.WRITE, shares)
    assert [group.name for group in groups] == [("home", "h"), ("key", "a"), ("key", "cool")]
    assert [group.members for group in groups] == [(1, 2), (3,), (0,)]
    assert partitions.groups(Kind.WRITE, shares) is groups, "nothing is worked out twice"


def test_splits_do_not_depend_on_the_steps_in_which_time_moves() -> None:
    spec = TableSpec("orders", 10, 10_000, demand=writing(2400.0, *PAIR))
    one, other = plant_of(spec), plant_of(spec)
    one.advance(NOON + 1800)
    for second in range(0, 1801, 7):
        other.advance(NOON + second)
    other.advance(NOON + 1800)
    assert minutes(one) == minutes(other)


def test_overheated_keys_are_those_a_partition_refused() -> None:
    # Of 2,400 the keys of the home lose 200 a second; "lone" is served; capacity refuses some of everything.
    shares = (*PAIR, KeyShare("lone", 0.3))
    plant = plant_of(TableSpec("orders", 10, 2000, demand=writing(2400.0, *shares)))
    plant.advance(NOON + 60)
    assert all(key.throttled > 0.0 for key in minutes(plant)[0].keys)
    assert plant.overheated("orders", "") == {NOON: ("a", "b")}
    # 200 x 60 x 0.3 / 0.5 = 7,200 of "a" and 4,800 of "b".
    assert plant.overheated("orders", "", least=4801.0) == {NOON: ("a",)}
    assert plant.overheated("orders", "", least=7201.0) == {}
    assert plant.overheated("nobody", "") == {}
