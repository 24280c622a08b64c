"""What CloudWatch and Contributor Insights show, and from when on."""

from __future__ import annotations

import pytest

from tests.replay.plants import NOON, even_plant, script, table
from watcher.core.model import TABLE_READ, TABLE_WRITE, Billing, Dimension, Kind, Metric
from watcher.replay.plant import IndexSpec, KeyShare, MinuteDemand, Plant, TableSpec

INDEX_WRITE = Dimension("by-day", Kind.WRITE)
DAY = 86_400


def shown(
    plant: Plant, metric: Metric, dimension: Dimension | None = TABLE_WRITE, operation: str = ""
) -> dict[int, float]:
    return plant.points("orders", metric, dimension=dimension, operation=operation, start=NOON, end=NOON + DAY)


@pytest.mark.parametrize(
    ("after_end", "visible"),
    [
        pytest.param(59.999, False, id="59.999 s after the minute's end"),
        pytest.param(60.0, True, id="60 s after the minute's end"),
    ],
)
def test_point_appears_a_minute_after_its_minute(after_end: float, visible: bool) -> None:  # noqa: FBT001 - column
    plant = even_plant()
    plant.create(table(script(2.0)))
    plant.advance(NOON + 60 + after_end)
    assert shown(plant, Metric.CONSUMED) == ({NOON: 120.0} if visible else {})


@pytest.mark.parametrize(
    ("after_end", "visible"),
    [
        pytest.param(239.999, False, id="a late point, a hair before 60 + 180 s"),
        pytest.param(240.0, True, id="a late point, 60 + 180 s after the minute's end"),
    ],
)
def test_late_point(after_end: float, visible: bool) -> None:  # noqa: FBT001 - column
    plant = Plant(NOON, jitter=0.0, late_share=1.0, late=180.0, spread=0.0)
    plant.create(table(script(2.0)))
    plant.advance(NOON + 60 + after_end)
    assert (NOON in shown(plant, Metric.CONSUMED)) is visible


def test_one_point_in_a_hundred_is_late_and_all_come_within_their_time() -> None:
    # Seen 70 s after each minute's end, when all but the late ones must be out (60 + 10), and 65 s after it.
    plant = Plant(NOON)
    plant.create(table(script(2.0)))
    late = early = 0
    for minute in range(NOON, NOON + 2000 * 60, 60):
        plant.advance(minute + 60 + 65.0)
        early += bool(plant.points("orders", Metric.CONSUMED, dimension=TABLE_WRITE, start=minute, end=minute + 60))
        plant.advance(minute + 60 + 70.0)
        late += not plant.points("orders", Metric.CONSUMED, dimension=TABLE_WRITE, start=minute, end=minute + 60)
    # Binomial(2000, .01): 20, standard deviation 4.4. Jitter is even over 10 s, so half are out after 5 of them.
    assert 5 <= late <= 38
    assert 850 <= early <= 1130
    plant.advance(plant.now + 250)
    assert len(plant.points("orders", Metric.CONSUMED, dimension=TABLE_WRITE, start=NOON, end=NOON + 2000 * 60)) == 2000


def test_start_is_inclusive_and_end_exclusive() -> None:
    plant = even_plant()
    plant.create(table(script(2.0)))
    plant.advance(NOON + 600)
    points = plant.points("orders", Metric.CONSUMED, dimension=TABLE_WRITE, start=NOON + 60, end=NOON + 180)
    assert list(points) == [NOON + 60, NOON + 120]
    points = plant.points("orders", Metric.CONSUMED, dimension=TABLE_WRITE, start=NOON + 61, end=NOON + 180.5)
    assert list(points) == [NOON + 120, NOON + 180]


def test_idle_provisioned_table_has_zeros_and_no_throttles_or_latency() -> None:
    plant = even_plant()
    plant.create(table(script(0.0), indexes=(IndexSpec("by-day", 5, 5),)))
    plant.advance(NOON + 180)
    for dimension in (TABLE_READ, TABLE_WRITE, INDEX_WRITE):
        assert shown(plant, Metric.CONSUMED, dimension) == {NOON: 0.0, NOON + 60: 0.0}
        assert shown(plant, Metric.REQUESTS, dimension) == {NOON: 0.0, NOON + 60: 0.0}
        assert shown(plant, Metric.THROTTLED, dimension) == {}
    assert shown(plant, Metric.LATENCY_AVERAGE, None, "PutItem") == {}
    assert plant.operations("orders") == frozenset()


def test_idle_on_demand_table_has_nothing() -> None:
    plant = even_plant()
    plant.create(table(script(2.0, 0.0), billing=Billing.ON_DEMAND))
    plant.advance(NOON + 240)
    assert shown(plant, Metric.CONSUMED) == {NOON: 120.0}


def test_requests_and_throttles_count_requests_not_units() -> None:
    plant = even_plant()
    plant.create(table(script(12.0, 10.01), units_per_request=4.0))
    plant.advance(NOON + 180)
    # Minute 1: 600 of 720 units served, 120 refused; at 4 units a request 150 and 30. Minute 2: 0.6 units refused are
    # one request begun.
    assert shown(plant, Metric.CONSUMED) == pytest.approx({NOON: 600.0, NOON + 60: 600.0})
    assert shown(plant, Metric.REQUESTS) == {NOON: 150.0, NOON + 60: 150.0}
    assert shown(plant, Metric.THROTTLED) == {NOON: 30.0, NOON + 60: 1.0}
    assert shown(plant, Metric.THROTTLED_PROVISIONED) == {NOON: 30.0, NOON + 60: 1.0}
    for metric in (Metric.THROTTLED_KEY_RANGE, Metric.THROTTLED_ACCOUNT_LIMIT, Metric.THROTTLED_ON_DEMAND_CAP):
        assert shown(plant, metric) == {}


def test_back_pressure_shows_on_the_index_with_cause_and_on_the_table_without() -> None:
    plant = even_plant()
    plant.create(table(script(9.0), indexes=(IndexSpec("by-day", 5, 6),)))
    plant.advance(NOON + 120)
    # The index takes 6 of 9 a second.
    assert shown(plant, Metric.THROTTLED, INDEX_WRITE) == {NOON: 180.0}
    assert shown(plant, Metric.THROTTLED_PROVISIONED, INDEX_WRITE) == {NOON: 180.0}
    assert shown(plant, Metric.THROTTLED) == {NOON: 180.0}
    assert shown(plant, Metric.THROTTLED_PROVISIONED) == {}
    assert shown(plant, Metric.CONSUMED) == pytest.approx({NOON: 360.0})


@pytest.mark.parametrize(
    ("billing", "cap", "rate", "metric"),
    [
        pytest.param(Billing.ON_DEMAND, {Kind.WRITE: 10}, 11.0, Metric.THROTTLED_ON_DEMAND_CAP, id="the owner's cap"),
        pytest.param(Billing.ON_DEMAND, {}, 40_001.0, Metric.THROTTLED_ACCOUNT_LIMIT, id="the quota"),
    ],
)
def test_on_demand_throttles_carry_their_cause(
    billing: Billing, cap: dict[Kind, int], rate: float, metric: Metric
) -> None:
    plant = even_plant()
    plant.create(table(script(rate), billing=billing, on_demand_max=cap))
    plant.advance(NOON + 120)
    assert shown(plant, metric) == {NOON: 60.0}
    assert shown(plant, Metric.THROTTLED) == {NOON: 60.0}
    assert shown(plant, Metric.THROTTLED_PROVISIONED) == {}


def test_latency_follows_its_factor_and_stops_with_traffic() -> None:
    def demand(minute: int) -> MinuteDemand:
        if minute >= NOON + 120:
            return MinuteDemand()
        return MinuteDemand({TABLE_READ: 60.0}, latency_factor=5.0 if minute == NOON + 60 else 1.0)

    plant = even_plant()
    plant.create(table(demand))
    plant.advance(NOON + 300)
    average = shown(plant, Metric.LATENCY_AVERAGE, None, "GetItem")
    p99 = shown(plant, Metric.LATENCY_P99, None, "GetItem")
    assert list(average) == list(p99) == [NOON, NOON + 60]
    # 2.6 ms on average, 8 ms at p99, each within a tenth.
    assert average[NOON] == pytest.approx(2.6, rel=0.1)
    assert average[NOON + 60] == pytest.approx(13.0, rel=0.1)
    assert p99[NOON] == pytest.approx(8.0, rel=0.1)
    assert shown(plant, Metric.LATENCY_AVERAGE, None, "PutItem") == {}
    assert shown(plant, Metric.LATENCY_AVERAGE, None, "Scan") == {}
    assert plant.operations("orders") == {"GetItem", "Query"}


def test_reads_of_an_index_are_queries() -> None:
    plant = even_plant()
    plant.create(table(script(1.0, dimension=Dimension("by-day", Kind.READ)), indexes=(IndexSpec("by-day", 5, 5),)))
    plant.advance(NOON + 119.0)
    assert plant.operations("orders") == frozenset()
    plant.advance(NOON + 120.0)
    assert plant.operations("orders") == {"Query"}


def test_operations_are_forgotten_after_two_weeks() -> None:
    plant = even_plant()
    plant.create(table(script(1.0, 0.0)))
    # The minute's start is exactly two weeks before the last finished minute ended; then one minute more.
    plant.advance(NOON + 14 * DAY)
    assert plant.operations("orders") == {"PutItem"}
    plant.advance(NOON + 14 * DAY + 60)
    assert plant.operations("orders") == frozenset()


def test_points_of_a_deleted_table_stay() -> None:
    plant = even_plant()
    plant.create(table(script(2.0)))
    plant.advance(NOON + 60)
    plant.delete("orders")
    plant.advance(NOON + 600)
    assert shown(plant, Metric.CONSUMED) == {NOON: 120.0}


def test_a_table_made_anew_shows_nothing_of_the_old_one() -> None:
    plant = even_plant()
    plant.create(table(script(20.0), write=1))
    plant.advance(NOON + 120)
    assert shown(plant, Metric.CONSUMED) == {NOON: 60.0}
    assert shown(plant, Metric.THROTTLED) == {NOON: 1140.0}
    plant.delete("orders")
    plant.create(table(script(2.0)))
    assert shown(plant, Metric.CONSUMED) == {}
    plant.advance(NOON + 240)
    assert shown(plant, Metric.CONSUMED) == {NOON + 120: 120.0}
    assert shown(plant, Metric.THROTTLED) == {}


@pytest.mark.parametrize("metric", [Metric.CONSUMED, Metric.THROTTLED, Metric.LATENCY_AVERAGE])
def test_an_answer_is_the_askers_own_and_the_next_one_is_the_same(metric: Metric) -> None:
    plant = even_plant()
    plant.create(table(script(20.0), write=1))
    plant.advance(NOON + 240)
    first = shown(plant, metric, operation="PutItem")
    assert list(first) == [NOON, NOON + 60, NOON + 120]
    expected = dict(first)
    first.clear()
    assert shown(plant, metric, operation="PutItem") == expected
    plant.advance(NOON + 300)
    assert list(shown(plant, metric, operation="PutItem")) == [*expected, NOON + 180]


def test_minutes_past_their_retention_are_gone_also_when_they_were_just_shown() -> None:
    plant = Plant(NOON, jitter=0.0, late_share=0.0, spread=0.0, retention=DAY / 2)
    plant.create(table(script(2.0)))
    plant.advance(NOON + DAY / 2 - 60)
    assert NOON in shown(plant, Metric.CONSUMED)
    plant.advance(NOON + DAY / 2 + 120)
    assert NOON in shown(plant, Metric.CONSUMED)  # forgotten by whole days, and this one is on the edge
    plant.advance(NOON + 3 * DAY / 2)
    assert NOON not in shown(plant, Metric.CONSUMED)


def test_unknown_names_have_no_points() -> None:
    plant = even_plant()
    plant.create(table(script(2.0)))
    plant.advance(NOON + 600)
    assert plant.points("ghosts", Metric.CONSUMED, dimension=TABLE_WRITE, start=NOON, end=NOON + 60) == {}
    assert shown(plant, Metric.CONSUMED, INDEX_WRITE) == {}
    assert shown(plant, Metric.CONSUMED, None) == {}
    assert plant.operations("ghosts") == frozenset()
    assert plant.contributors("ghosts", "", throttled=True, start=NOON, end=NOON + 60) == []
    assert plant.contributors("orders", "by-day", throttled=True, start=NOON, end=NOON + 60) == []
    assert plant.truth("ghosts", TABLE_WRITE) == {}
    assert plant.steps("ghosts", TABLE_WRITE) == ()


def hot_plant() -> Plant:
    """Ten idle minutes, then one of 2,400 writes a second, half of them to one key, and 600 reads to the same key."""

    def demand(minute: int) -> MinuteDemand:
        if minute < NOON + 600:
            return MinuteDemand()
        return MinuteDemand(
            {TABLE_WRITE: 2400.0 * 60, TABLE_READ: 600.0 * 60},
            {TABLE_WRITE: (KeyShare("customer-1", 0.5),), TABLE_READ: (KeyShare("customer-1", 1.0),)},
        )

    plant = even_plant()
    plant.create(TableSpec("orders", 5000, 5000, demand=demand))
    plant.advance(NOON + 660 + 60)
    return plant


def test_accessed_keys_count_three_for_a_write_and_one_for_a_read() -> None:
    hot, ordinary, *rest = hot_plant().contributors("orders", "", throttled=False, start=NOON, end=NOON + DAY)
    # 1000 writes x 3 + 600 reads, 60 s: exactly one partition's write ceiling (180,000) and the reads.
    assert hot.keys == ("customer-1",)
    assert hot.minutes == pytest.approx({NOON + 600: 216_000.0})
    assert (hot.busiest, hot.total) == pytest.approx((216_000.0, 216_000.0))
    # The other 1200 writes a second are even over 1,000 keys: 1.2 x 3 x 60.
    assert ordinary.busiest == pytest.approx(216.0)
    assert len(rest) == 23


def test_throttled_keys_count_requests() -> None:
    (hot,) = hot_plant().contributors("orders", "", throttled=True, start=NOON, end=NOON + DAY)
    assert (hot.keys, hot.minutes) == (("customer-1",), {NOON + 600: 12_000.0})


def test_contributors_respect_window_and_publication() -> None:
    plant = hot_plant()
    assert plant.contributors("orders", "", throttled=True, start=NOON, end=NOON + 600) == []
    early = Plant(NOON, jitter=0.0, late_share=0.0, spread=0.0)
    early.create(table(script(20.0, hot=(KeyShare("k", 1.0),))))
    early.advance(NOON + 119.999)
    assert early.contributors("orders", "", throttled=True, start=NOON, end=NOON + DAY) == []
    early.advance(NOON + 120.0)
    assert [it.keys for it in early.contributors("orders", "", throttled=True, start=NOON, end=NOON + DAY)] == [("k",)]


def test_back_pressure_is_not_in_the_tables_throttled_keys() -> None:
    plant = even_plant()
    plant.create(table(script(9.0), indexes=(IndexSpec("by-day", 5, 6),)))
    plant.advance(NOON + 120)
    assert plant.contributors("orders", "", throttled=True, start=NOON, end=NOON + DAY) == []
    of_index = plant.contributors("orders", "by-day", throttled=True, start=NOON, end=NOON + DAY)
    # 180 refused requests hit 180 ordinary keys, one each; 25 are reported.
    assert len(of_index) == 25
    assert {it.busiest for it in of_index} == {1.0}


def itemised(*shares: KeyShare, unseen: float = 0.0) -> Plant:
    """A minute of 2,000 writes a second on 1,800 provisioned, with sort keys, so that everything is throttled a bit."""
    plant = even_plant()
    demand = script(2000.0, hot=shares)
    plant.create(TableSpec("orders", 10, 1800, demand=demand, has_sort_key=True, unseen=unseen))
    plant.advance(NOON + 120)
    return plant


def seen(plant: Plant, *, throttled: bool, items: bool) -> dict[tuple[str, ...], float]:
    """The first minute's value by contributor, in order."""
    found = plant.contributors("orders", "", throttled=throttled, start=NOON, end=NOON + 60, items=items)
    return {one.keys: one.minutes[NOON] for one in found}


def test_items_are_pairs_and_add_up_to_their_partition_key() -> None:
    plant = itemised(KeyShare("a", 0.25, sort="1"), KeyShare("a", 0.05, sort="2"), KeyShare("b", 0.1))
    for throttled in (True, False):
        keys = seen(plant, throttled=throttled, items=False)
        items = seen(plant, throttled=throttled, items=True)
        assert list(keys)[:2] == [("a",), ("b",)]
        assert list(items)[:2] == [("a", "1"), ("a", "2")]
        assert items["a", "1"] + items["a", "2"] == pytest.approx(keys["a",], abs=1.0)
        assert items["a", "1"] == pytest.approx(5 * items["a", "2"], abs=5.0)
        assert len(keys) == len(items) == 25


def test_a_key_without_named_items_is_even_over_a_thousand_of_them() -> None:
    # Half of 1,800 served a second, x 3 x 60: 162,000 units over 1,000 items, as the other half over 1,000 keys.
    items = seen(itemised(KeyShare("a", 0.5)), throttled=False, items=True)
    assert list(items.values()) == pytest.approx([162.0] * 25)
    assert list(items)[:2] == [("a", "item-0001"), ("a", "item-0002")]


def test_ordinary_keys_have_one_item_each() -> None:
    items = seen(itemised(), throttled=False, items=True)
    assert list(items)[:2] == [("item-0001", "0"), ("item-0002", "0")]


@pytest.mark.parametrize(
    ("unseen", "accessed", "refused"),
    [
        # "a" has half of 1,800 served, x 3 x 60, and half of 200 refused, x 60; it is not above its ceiling.
        pytest.param(0.0, 162_000.0, 6000.0, id="everything is seen"),
        pytest.param(0.25, 121_500.0, 4500.0, id="a quarter is PartiQL"),
        pytest.param(1.0, None, None, id="all of it is"),
    ],
)
def test_contributor_insights_does_not_see_everything(
    unseen: float, accessed: float | None, refused: float | None
) -> None:
    plant = itemised(KeyShare("a", 0.5, sort="1"), unseen=unseen)
    for throttled, expected in ((False, accessed), (True, refused)):
        found = seen(plant, throttled=throttled, items=False)
        if expected is None:
            assert found == {}
        else:
            assert found["a",] == pytest.approx(expected)
    # CloudWatch's own metrics count all the same.
    assert shown(plant, Metric.THROTTLED) == {NOON: 12_000.0}
