"""Buckets, ceilings and back pressure, in seconds that can be checked by hand."""

from __future__ import annotations

import pytest

from tests.replay.plants import NOON, even_plant, minutes, script, table
from watcher.core.model import TABLE_READ, TABLE_WRITE, Billing, Dimension, Kind
from watcher.core.reasons import Cause
from watcher.replay.flow import Flow, Meter
from watcher.replay.plant import IndexSpec, KeyShare, MinuteDemand, Plant, TableSpec
from watcher.replay.spread import profile

INDEX_WRITE = Dimension("by-day", Kind.WRITE)


@pytest.mark.parametrize(
    ("rates", "throttled"),
    [
        pytest.param((10.0,), [0.0], id="exactly the capacity: 60 x (10 - 10) = 0"),
        pytest.param((11.0,), [60.0], id="an empty bucket lends nothing: 60 x (11 - 10) = 60"),
        # After a minute at 5 the bucket holds 60 x (10 - 5) = 300; a minute at 16 lacks 60 x 6 = 360.
        pytest.param((5.0, 16.0), [0.0, 60.0], id="a bucket of 300 against a lack of 360 leaves 60"),
        pytest.param((5.0, 15.0), [0.0, 0.0], id="a bucket of 300 against a lack of 300 leaves nothing"),
        # Four idle minutes save 4 x 600 = 2400; a minute at 50 lacks 60 x 40 = 2400.
        pytest.param((0.0, 0.0, 0.0, 0.0, 50.0), [0.0] * 5, id="240 s of savings carry a minute at five times"),
        # Ten idle minutes would save 6000, the bucket ends at 300 s x 10 = 3000; a minute at 70 lacks 3600.
        pytest.param((*[0.0] * 10, 70.0), [*[0.0] * 10, 600.0], id="a full bucket of 3000 against 3600 leaves 600"),
        # Spent bucket, then 2 units a second are saved: 120 in a minute against a lack of 180.
        pytest.param((5.0, 16.0, 8.0, 13.0), [0.0, 60.0, 0.0, 60.0], id="a spent bucket refills by what is unused"),
    ],
)
def test_bucket_by_the_minute(rates: tuple[float, ...], throttled: list[float]) -> None:
    plant = even_plant()
    plant.create(table(script(*rates)))
    plant.advance(NOON + 60 * len(rates))
    assert [truth.throttled for truth in minutes(plant)] == pytest.approx(throttled, abs=1e-6)
    for truth in minutes(plant):
        assert truth.causes == ({Cause.PROVISIONED: truth.throttled} if truth.throttled else {})


@pytest.mark.parametrize(
    ("called_at", "write", "rates", "throttled"),
    [
        # Called at second 30 of a minute, effective at 60: the first minute lacks 60 x 10, the second nothing.
        pytest.param(30.0, 20, (20.0, 20.0), [600.0, 0.0], id="a raise called 30 s before the minute helps all of it"),
        # Called at 0, effective at 30: 30 s lack 10 each.
        pytest.param(0.0, 20, (20.0,), [300.0], id="a raise called at the minute's start helps its second half"),
        # Effective at 30.5: second 30 has begun with the old capacity, so 31 s lack 10 each.
        pytest.param(0.5, 20, (20.0,), [310.0], id="a raise counts from the next whole second"),
        # 30 s x 10 + 30 s x 12 = 660 saved; a minute at 24 lacks 60 x 12 = 720.
        pytest.param(0.0, 12, (0.0, 24.0), [0.0, 60.0], id="savings from before a raise are kept"),
        # 30 s x 10 = 300 before, 30 s x 100 = 3000 after: 3300. A minute at 156 lacks 60 x 56 = 3360.
        pytest.param(0.0, 100, (0.0, 156.0), [0.0, 60.0], id="a raise fills nothing at once: 300 + 3000, not more"),
    ],
)
def test_raise_in_mid_minute(called_at: float, write: int, rates: tuple[float, ...], throttled: list[float]) -> None:
    plant = even_plant()
    plant.create(table(script(*rates)))
    plant.advance(NOON + called_at)
    plant.update_throughput("orders", {"": (10, write)})
    plant.advance(NOON + 60 * len(rates))
    assert [truth.throttled for truth in minutes(plant)] == pytest.approx(throttled, abs=1e-6)


@pytest.mark.parametrize(
    "called_at",
    [
        pytest.param(10 * 60.0, id="half a minute before the rush"),
        pytest.param(10 * 60.0 + 30.0, id="effective with the rush's first second"),
    ],
)
def test_decrease_clips_the_bucket(called_at: float) -> None:
    # Idle minutes at 10 fill 3000. At 2 the bucket may hold 600: a minute at 14 lacks 60 x 12 = 720, so 120 fail.
    plant = even_plant()
    plant.create(table(script(*[0.0] * 11, 14.0)))
    plant.advance(NOON + called_at)
    plant.update_throughput("orders", {"": (10, 2)})
    plant.advance(NOON + 12 * 60)
    assert minutes(plant)[-1].throttled == pytest.approx(120.0)
    assert minutes(plant)[-1].capacity == pytest.approx(120.0)


def test_capacity_seconds_of_a_minute_with_a_change() -> None:
    plant = even_plant()
    plant.create(table(script(0.0)))
    plant.update_throughput("orders", {"": (10, 40)})
    plant.advance(NOON + 120)
    # 30 s x 10 + 30 s x 40 = 1500, then 60 s x 40 = 2400.
    assert [truth.capacity for truth in minutes(plant)] == [1500.0, 2400.0]
    assert plant.steps("orders", TABLE_WRITE) == [(NOON, 10), (NOON + 30, 40)]
    assert plant.steps("orders", TABLE_READ) == [(NOON, 10)]


@pytest.mark.parametrize(
    ("share", "rate", "key_range"),
    [
        pytest.param(0.5, 2000.0, 0.0, id="a key at exactly 1,000 writes a second is served"),
        # 0.5 x 2400 = 1200, 200 above the ceiling, 60 seconds.
        pytest.param(0.5, 2400.0, 12_000.0, id="a key at 1,200 writes a second loses 200 of them"),
    ],
)
def test_hot_key_is_refused_whatever_the_capacity(share: float, rate: float, key_range: float) -> None:
    plant = even_plant()
    plant.create(table(script(rate, hot=(KeyShare("customer-1", share),)), write=10_000))
    plant.advance(NOON + 60)
    (truth,) = minutes(plant)
    assert truth.throttled == pytest.approx(key_range)
    assert truth.causes == ({Cause.KEY_RANGE: pytest.approx(key_range)} if key_range else {})
    assert [key.key for key in truth.keys] == ["customer-1"]
    assert truth.keys[0].throttled == pytest.approx(key_range)
    assert truth.keys[0].served == pytest.approx(share * rate * 60 - key_range)


def test_reads_have_a_ceiling_of_three_thousand() -> None:
    plant = even_plant()
    plant.create(table(script(3100.0, dimension=TABLE_READ, hot=(KeyShare("k", 1.0),)), read=10_000))
    plant.advance(NOON + 60)
    # One key asks 3100: 100 too many, 60 seconds.
    assert minutes(plant, TABLE_READ)[0].causes == {Cause.KEY_RANGE: pytest.approx(6000.0)}


def test_hot_key_and_want_of_capacity_are_told_apart() -> None:
    plant = even_plant()
    plant.create(table(script(2400.0, hot=(KeyShare("k", 0.5),)), write=2000))
    plant.advance(NOON + 60)
    # Of 2400 the key loses 200; 2200 against 2000 leave 200 for want of capacity.
    (truth,) = minutes(plant)
    assert truth.causes == {Cause.PROVISIONED: pytest.approx(12_000.0), Cause.KEY_RANGE: pytest.approx(12_000.0)}
    # The key keeps 1000 of 2200 below the ceiling, so 10/22 of what capacity refuses is its own.
    assert truth.keys[0].throttled == pytest.approx(12_000.0 + 12_000.0 * 10 / 22)


def test_index_refuses_a_table_write() -> None:
    index = IndexSpec("by-day", read=5, write=12, write_ratio=2.0)
    plant = even_plant()
    plant.create(table(script(9.0), indexes=(index,)))
    plant.advance(NOON + 60)
    # The index takes 12 / 2 = 6 table writes of 9: 3 fail a second, 6 of the index's units.
    (own,), (of_index,) = minutes(plant), minutes(plant, INDEX_WRITE)
    assert (own.demanded, own.served) == pytest.approx((540.0, 360.0))
    assert own.causes == {Cause.INDEX_BACK_PRESSURE: pytest.approx(180.0)}
    assert (of_index.demanded, of_index.served) == pytest.approx((1080.0, 720.0))
    assert of_index.causes == {Cause.PROVISIONED: pytest.approx(360.0)}
    assert of_index.withheld == 0.0


def test_refused_writes_leave_the_table_its_capacity() -> None:
    # Minute 1: the index admits 6 of 10, so the table saves 4 x 60 = 240. Then the index is raised; a minute at 14
    # lacks 240: nothing fails on the table.
    index = IndexSpec("by-day", read=5, write=6)
    plant = even_plant()
    plant.create(table(script(10.0, 14.0), indexes=(index,)))
    plant.advance(NOON + 30)
    plant.update_throughput("orders", {"by-day": (5, 100)})
    plant.advance(NOON + 120)
    assert [truth.throttled for truth in minutes(plant)] == pytest.approx([240.0, 0.0])


def test_what_one_part_refuses_is_withheld_from_the_others() -> None:
    small, large = IndexSpec("by-day", 5, 4), IndexSpec("by-name", 5, 100)
    plant = even_plant()
    plant.create(table(script(13.0), indexes=(small, large)))
    plant.advance(NOON + 60)
    # Second 1: the table passes 10 of 13, by-day takes 4 of those 10, by-name could take all of them. From second 2 on
    # the table has the 6 it could not use and more, so it passes all 13 and by-day refuses 9: 6 + 59 x 9 = 537.
    own, day, name = (minutes(plant, Dimension(part, Kind.WRITE))[0] for part in ("", "by-day", "by-name"))
    assert own.causes == {Cause.PROVISIONED: pytest.approx(3.0), Cause.INDEX_BACK_PRESSURE: pytest.approx(537.0)}
    assert (day.served, day.throttled, day.withheld) == pytest.approx((240.0, 537.0, 3.0))
    assert (name.served, name.throttled, name.withheld) == pytest.approx((240.0, 0.0, 540.0))


def test_index_with_a_hot_key_presses_back_on_the_table() -> None:
    def demand(_minute: int) -> MinuteDemand:
        return MinuteDemand({TABLE_WRITE: 60 * 1500.0}, {INDEX_WRITE: (KeyShare("today", 1.0),)})

    plant = even_plant()
    plant.create(table(demand, write=5000, indexes=(IndexSpec("by-day", 5, 5000),)))
    plant.advance(NOON + 60)
    # Every index write goes to one key: 1000 of 1500 a second pass.
    assert minutes(plant)[0].causes == {Cause.INDEX_BACK_PRESSURE: pytest.approx(30_000.0)}
    assert minutes(plant, INDEX_WRITE)[0].causes == {Cause.KEY_RANGE: pytest.approx(30_000.0)}


def test_index_that_most_writes_do_not_touch() -> None:
    plant = even_plant()
    plant.create(table(script(10.0), indexes=(IndexSpec("by-day", 5, 1, write_ratio=0.0),)))
    plant.advance(NOON + 60)
    assert minutes(plant)[0].throttled == 0.0
    assert minutes(plant, INDEX_WRITE)[0].demanded == 0.0


@pytest.mark.parametrize(
    ("cap", "rate", "causes"),
    [
        pytest.param({Kind.WRITE: 50}, 50.0, {}, id="exactly the owner's cap"),
        # No savings on demand: 60 x (51 - 50), idle minute before or not.
        pytest.param({Kind.WRITE: 50}, 51.0, {Cause.ON_DEMAND_CAP: 60.0}, id="one above the owner's cap"),
        pytest.param({Kind.READ: 50}, 40_000.0, {}, id="a cap on reads leaves writes alone, up to the quota"),
        pytest.param({}, 40_001.0, {Cause.ACCOUNT_LIMIT: 60.0}, id="one above the table quota"),
    ],
)
def test_on_demand(cap: dict[Kind, int], rate: float, causes: dict[Cause, float]) -> None:
    plant = even_plant()
    plant.create(table(script(0.0, rate), billing=Billing.ON_DEMAND, on_demand_max=cap))
    plant.advance(NOON + 120)
    truth = minutes(plant)[-1]
    assert truth.causes == {cause: pytest.approx(units) for cause, units in causes.items()}
    assert truth.capacity == 0.0


def test_retries_ask_again_within_the_minute() -> None:
    plant = even_plant()
    plant.create(table(script(12.0, 0.0), retry_factor=0.5))
    plant.advance(NOON + 120)
    # Second by second the lack is l = 2 + l/2 of the second before: 2, 3, 3.5 ... towards 4; its sum over 60 seconds
    # is 4 x 60 - 4 (1 - 2**-60) = 236. Asked again: half of the first 59, whose sum is 236 - 4 = 232, so 116.
    first, second = minutes(plant)
    assert first.throttled == pytest.approx(236.0)
    assert first.demanded == pytest.approx(720.0 + 116.0)
    assert second.demanded == 0.0


def test_minutes_nobody_knows_leave_no_trace_but_the_capacity() -> None:
    rates = script(5.0, 0.0, 16.0)

    def demand(minute: int) -> MinuteDemand:
        return MinuteDemand(known=False) if minute == NOON + 60 else rates(minute)

    plant = even_plant()
    plant.create(table(demand))
    plant.advance(NOON + 180)
    # The 300 saved in the first minute are as they were: a minute at 16 lacks 360.
    assert list(plant.truth("orders", TABLE_WRITE)) == [NOON, NOON + 120]
    assert minutes(plant)[-1].throttled == pytest.approx(60.0)
    plant.update_throughput("orders", {"": (10, 16)})
    plant.advance(NOON + 300)
    assert minutes(plant)[-1].throttled == 0.0


def test_table_created_in_mid_minute_has_the_rest_of_it() -> None:
    plant = even_plant()
    plant.advance(NOON + 44.5)
    plant.create(table(script(11.0)))
    plant.advance(NOON + 120)
    # Seconds 45 to 59: 15 x 11 asked, 15 x 1 refused.
    assert (minutes(plant)[0].demanded, minutes(plant)[0].throttled) == pytest.approx((165.0, 15.0))
    assert minutes(plant)[1].demanded == pytest.approx(660.0)


@pytest.mark.parametrize("load", [0.2, 0.9, 1.0, 1.3, 4.0])
@pytest.mark.parametrize("saved", [0.0, 37.0, 30_000.0])
def test_shortcuts_agree_with_the_general_loop(load: float, saved: float) -> None:
    def meter() -> Meter:
        return Meter(100.0, 300.0, Cause.PROVISIONED, 1000.0, saved)

    for minute in range(20):
        units = 6000.0 * load
        weights, peak = profile(7, minute * 60, units, 0.3)
        quick, slow = Flow(meter()), Flow(meter())
        quick.leader.begin(())
        slow.leader.begin(())
        quick.run(units, weights, peak)
        slow._run_general(units, weights)
        for name in ("bucket", "demanded", "served", "refused"):
            assert getattr(quick.leader, name) == pytest.approx(getattr(slow.leader, name), abs=1e-6), name
        assert quick.leader.throttled_seconds == slow.leader.throttled_seconds


def seconds_of(bits: int) -> list[int]:
    return [second for second in range(60) if bits >> second & 1]


@pytest.mark.parametrize(
    ("rates", "changed_to", "seconds"),
    [
        pytest.param((9.0,), None, [], id="a calm minute has none"),
        pytest.param((11.0,), None, list(range(60)), id="too little throughout"),
        # The minute at 5 saved 300; 16 lack 6 a second: 50 seconds are carried.
        pytest.param((5.0, 16.0), None, list(range(50, 60)), id="from the second the bucket is empty"),
        # Called at the minute's start, effective half a minute later.
        pytest.param((16.0,), 20, list(range(30)), id="until a raise takes effect"),
        pytest.param((10.0,), 8, list(range(30, 60)), id="from the second a decrease takes effect"),
    ],
)
def test_the_seconds_that_throttled(rates: tuple[float, ...], changed_to: int | None, seconds: list[int]) -> None:
    plant = even_plant()
    plant.create(table(script(*rates)))
    if changed_to is not None:
        plant.update_throughput("orders", {"": (10, changed_to)})
    plant.advance(NOON + 60 * len(rates))
    assert seconds_of(minutes(plant)[-1].throttled_seconds) == seconds


def test_seconds_throttled_by_an_index_count_for_it_and_its_table() -> None:
    plant = even_plant()
    plant.create(table(script(0.0, 6.0), write=10, indexes=(IndexSpec("by-day", 5, 5),)))
    plant.advance(NOON + 120)
    # The index saved 300 and lacks 1 a second.
    assert [minutes(plant, where)[-1].throttled_seconds for where in (TABLE_WRITE, INDEX_WRITE)] == [0, 0]
    plant = even_plant()
    plant.create(table(script(6.0), write=10, indexes=(IndexSpec("by-day", 5, 5),)))
    plant.advance(NOON + 60)
    assert [seconds_of(minutes(plant, where)[-1].throttled_seconds) for where in (TABLE_WRITE, INDEX_WRITE)] == [
        list(range(60)),
        list(range(60)),
    ]
    assert minutes(plant, TABLE_READ)[-1].throttled_seconds == 0


def test_deleted_table_stops_and_keeps_its_points() -> None:
    plant = even_plant()
    plant.create(table(script(4.0)))
    plant.advance(NOON + 60)
    plant.delete("orders")
    plant.advance(NOON + 600)
    assert plant.names() == []
    assert len(minutes(plant)) == 1


def test_old_minutes_are_forgotten_once_a_day() -> None:
    plant = Plant(NOON, retention=3600.0)
    plant.create(TableSpec("orders", 1, 1))
    plant.advance(NOON + 12 * 3600)
    assert min(plant.truth("orders", TABLE_READ)) == NOON + 11 * 3600


def test_time_does_not_run_back() -> None:
    plant = even_plant()
    plant.advance(NOON + 10)
    with pytest.raises(ValueError, match="cannot go back"):
        plant.advance(NOON + 9.9)
