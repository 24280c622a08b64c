"""Contributor Insights of the plant: switching, rules, their quota, what they show and what they cost."""

from __future__ import annotations

import pytest

from tests.replay.plants import NOON
from watcher.core.insights import Place, Sampler, SamplerMode, SamplerStatus
from watcher.core.model import TABLE_READ, TABLE_WRITE, Dimension, Kind
from watcher.replay.insights import Samplers
from watcher.replay.plant import IndexSpec, KeyShare, MinuteDemand, Plant, PlantRefusal, TableSpec

OFF, THROTTLED, FULL = SamplerMode
ORDERS, BY_DAY = Place("orders"), Place("orders", "by-day")
SWITCHING = 2.0


def busy(_minute: int) -> MinuteDemand:
    """1,400 writes a second, all of them to one key of which a partition serves 1,000; 10 reads a second."""
    return MinuteDemand(
        {TABLE_WRITE: 60.0 * 1400.0, TABLE_READ: 600.0, Dimension("by-day", Kind.READ): 60.0},
        {TABLE_WRITE: (KeyShare("a", 1.0),)},
    )


def spec(name: str = "orders", *, sort: bool = False, unseen: float = 0.0, units_per_request: float = 1.0) -> TableSpec:
    index = IndexSpec("by-day", 100, 5000, write_ratio=0.0)
    return TableSpec(
        name,
        100,
        5000,
        indexes=(index,),
        demand=busy,
        has_sort_key=sort,
        unseen=unseen,
        units_per_request=units_per_request,
    )


def world(*specs: TableSpec, quota: int = 100, insights_delay: float = 60.0) -> tuple[Plant, Samplers]:
    plant = Plant(NOON, jitter=0.0, late_share=0.0, spread=0.0, insights_delay=insights_delay)
    for one in specs or (spec(),):
        plant.create(one)
    return plant, Samplers(plant, quota=quota)


def codes(sampler: Sampler) -> list[str]:
    return [rule.split("-")[1] for rule in sampler.rules]


def minutes_of(samplers: Samplers, place: Place, code: str) -> list[int]:
    """Minutes after noon of which the rule shows anything."""
    name = next(rule for rule in samplers.sampler(place).rules if f"-{code}-" in rule)
    found = samplers.rule(name)
    if found is None:
        return []
    seen = samplers.contributors(*found, NOON, NOON + 86_400)
    return sorted({(minute - NOON) // 60 for one in seen for minute in one.minutes})


def test_nothing_is_sampled_at_first() -> None:
    plant, samplers = world()
    assert samplers.sampler(ORDERS) == Sampler()
    assert samplers.survey() == {}
    assert samplers.rules() == []
    assert samplers.everywhere() == [ORDERS, BY_DAY]
    assert samplers.usage().total_rule_seconds == 0.0
    assert plant.now == NOON


@pytest.mark.parametrize(
    ("sort", "mode", "place", "expected"),
    [
        pytest.param(False, THROTTLED, ORDERS, ["PKT"], id="throttled keys take one rule"),
        pytest.param(False, FULL, ORDERS, ["PKC", "PKT"], id="all keys two"),
        pytest.param(True, THROTTLED, ORDERS, ["PKT", "SKT"], id="with a sort key, two"),
        pytest.param(True, FULL, ORDERS, ["PKC", "PKT", "SKC", "SKT"], id="and four"),
        pytest.param(True, FULL, BY_DAY, ["PKC", "PKT"], id="an index counts its own sort key"),
    ],
)
def test_enabling_takes_two_seconds(mode: SamplerMode, place: Place, expected: list[str], *, sort: bool) -> None:
    plant, samplers = world(spec(sort=sort))
    begun = samplers.enable(place, mode)
    assert (begun.status, begun.mode, begun.updated) == (SamplerStatus.ENABLING, mode, NOON)
    assert not begun.is_settled
    assert all(samplers.rule(rule) is None for rule in begun.rules), "named already, and not to be asked yet"
    plant.advance(NOON + SWITCHING - 0.001)
    assert samplers.sampler(place).status is SamplerStatus.ENABLING
    plant.advance(NOON + SWITCHING)
    on = samplers.sampler(place)
    assert all(samplers.rule(rule) is not None for rule in on.rules)
    assert (on.status, on.mode, codes(on)) == (SamplerStatus.ENABLED, mode, expected)
    assert samplers.survey() == {place: on}
    assert samplers.rules() == list(on.rules)


def test_enabling_without_a_mode_flips_to_the_expensive_one() -> None:
    _, samplers = world()
    samplers.enable(ORDERS, THROTTLED)
    assert samplers.enable(ORDERS).mode is FULL


def test_enabling_what_is_on_changes_nothing() -> None:
    plant, samplers = world()
    samplers.enable(ORDERS, THROTTLED)
    plant.advance(NOON + 100)
    assert samplers.enable(ORDERS, THROTTLED) == samplers.sampler(ORDERS)
    assert samplers.sampler(ORDERS).updated == NOON
    assert samplers.sampler(ORDERS).status is SamplerStatus.ENABLED


def test_a_switch_of_the_mode_keeps_the_throttled_history_and_begins_the_other_anew() -> None:
    plant, samplers = world()
    samplers.enable(ORDERS, THROTTLED)
    (kept,) = samplers.sampler(ORDERS).rules
    plant.advance(NOON + 600)
    samplers.enable(ORDERS, FULL)
    assert samplers.rule(kept) is not None, "it can be asked while the switch is under way"
    plant.advance(NOON + 1200)
    assert kept in samplers.sampler(ORDERS).rules
    # A rule counts whole minutes from the one after it was made; the last two are not out yet.
    assert minutes_of(samplers, ORDERS, "PKT") == list(range(1, 19))
    assert minutes_of(samplers, ORDERS, "PKC") == list(range(11, 19))
    samplers.enable(ORDERS, THROTTLED)
    plant.advance(NOON + 1210)
    assert samplers.sampler(ORDERS).rules == (kept,)


def test_disabling_forgets_at_once_and_takes_two_seconds() -> None:
    plant, samplers = world()
    samplers.enable(ORDERS, FULL)
    plant.advance(NOON + 600)
    (rule, _) = samplers.sampler(ORDERS).rules
    off = samplers.disable(ORDERS)
    assert (off.status, off.mode, off.rules) == (SamplerStatus.DISABLING, OFF, ())
    assert samplers.disable(ORDERS) == off
    assert samplers.rule(rule) is None
    assert list(samplers.survey()) == [ORDERS]
    plant.advance(NOON + 600 + SWITCHING)
    assert samplers.sampler(ORDERS).status is SamplerStatus.DISABLED
    assert samplers.survey() == {}
    samplers.enable(ORDERS, FULL)
    plant.advance(NOON + 1200)
    assert minutes_of(samplers, ORDERS, "PKT") == list(range(11, 19)), "what was before is lost"


def test_past_the_quota_enabling_is_accepted_and_fails() -> None:
    plant, samplers = world(spec("a"), spec("b"), quota=3)
    samplers.enable(Place("a"), FULL)
    assert samplers.enable(Place("b"), FULL).status is SamplerStatus.ENABLING
    plant.advance(NOON + 3600)
    failed = samplers.sampler(Place("b"))
    assert (failed.status, failed.mode, failed.rules) == (SamplerStatus.FAILED, OFF, ())
    assert "rule limit reached" in failed.failure
    assert set(samplers.survey()) == {Place("a"), Place("b")}
    # It never heals by itself; one rule fits.
    assert samplers.enable(Place("b"), THROTTLED).status is SamplerStatus.ENABLING
    plant.advance(NOON + 3610)
    assert samplers.sampler(Place("b")).is_reading
    assert len(samplers.rules()) == 3


def test_a_failed_one_is_left_by_disabling_too() -> None:
    plant, samplers = world(quota=0)
    samplers.enable(ORDERS)
    plant.advance(NOON + 10)
    samplers.disable(ORDERS)
    plant.advance(NOON + 20)
    assert samplers.sampler(ORDERS).status is SamplerStatus.DISABLED


def test_a_deleted_table_takes_its_rules_along_also_when_another_follows() -> None:
    plant, samplers = world()
    samplers.enable(ORDERS, THROTTLED)
    plant.advance(NOON + 60)
    plant.delete("orders")
    plant.create(spec())
    assert samplers.rules() == []
    assert samplers.sampler(ORDERS) == Sampler()
    plant.delete("orders")
    with pytest.raises(PlantRefusal, match="Table: orders not found"):
        samplers.sampler(ORDERS)


@pytest.mark.parametrize(
    "place",
    [pytest.param(Place("nobody"), id="no such table"), pytest.param(Place("orders", "no"), id="no such index")],
)
def test_what_is_not_there_is_not_found(place: Place) -> None:
    _, samplers = world()
    for ask in (samplers.sampler, samplers.enable, samplers.disable, samplers.asked):
        with pytest.raises(PlantRefusal) as refused:
            ask(place)
        assert refused.value.code == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("delay", "seen"),
    [
        pytest.param(60.0, 8, id="a minute after a minute's end: up to minute 8 of 10"),
        pytest.param(180.0, 6, id="three minutes after it: up to minute 6"),
    ],
)
def test_the_data_come_as_late_as_the_world_says(delay: float, seen: int) -> None:
    plant, samplers = world(insights_delay=delay)
    samplers.install(ORDERS, THROTTLED)
    plant.advance(NOON + 600)
    assert minutes_of(samplers, ORDERS, "PKT") == list(range(seen + 1))


def test_what_another_hand_installed_has_always_been_on() -> None:
    plant, samplers = world(quota=1)
    plant.advance(NOON + 600)
    samplers.install(ORDERS, THROTTLED)
    samplers.install(BY_DAY, THROTTLED)
    assert samplers.sampler(ORDERS).is_reading
    assert samplers.sampler(ORDERS).updated == NOON
    assert minutes_of(samplers, ORDERS, "PKT") == list(range(9))
    assert samplers.sampler(BY_DAY) == Sampler(), "there was one rule only"


# 1,000 of 1,400 writes a second are served, 400 throttled, and 10 reads served: 60,600 and 24,000 events a minute.
@pytest.mark.parametrize(
    ("sort", "mode", "unseen", "per_request", "events"),
    [
        pytest.param(False, THROTTLED, 0.0, 1.0, 24_000.0, id="throttled requests only"),
        pytest.param(False, FULL, 0.0, 1.0, 84_600.0, id="every request"),
        pytest.param(True, THROTTLED, 0.0, 1.0, 48_000.0, id="twice with a sort key"),
        pytest.param(True, FULL, 0.0, 1.0, 169_200.0, id="twice every request"),
        pytest.param(False, FULL, 0.25, 1.0, 63_450.0, id="what is not seen is not billed"),
        pytest.param(False, FULL, 1.0, 1.0, 0.0, id="nothing seen, nothing billed"),
        pytest.param(False, FULL, 0.0, 4.0, 21_150.0, id="a request of four units is one event"),
    ],
)
def test_events_are_billed_by_mode(
    mode: SamplerMode, unseen: float, per_request: float, events: float, *, sort: bool
) -> None:
    plant, samplers = world(spec(sort=sort, unseen=unseen, units_per_request=per_request))
    samplers.install(ORDERS, mode)
    plant.advance(NOON + 600)
    usage = samplers.usage()
    # Nothing splits in ten minutes.
    assert usage.events == {ORDERS: pytest.approx(10 * events)}
    rules = len(samplers.rules())
    assert usage.rule_seconds == {ORDERS: rules * 600.0}
    assert (usage.total_events, usage.total_rule_seconds) == (usage.events[ORDERS], rules * 600.0)


def test_usage_is_the_same_however_often_it_is_asked_for() -> None:
    def run(*stops: int) -> list[float]:
        plant, samplers = world()
        samplers.enable(ORDERS, THROTTLED)
        for stop in sorted({*stops, 300, 600, 900}):
            plant.advance(NOON + stop)
            if stop in stops:
                samplers.usage()
            if stop == 300:
                samplers.enable(ORDERS, FULL)
            if stop == 600:
                samplers.disable(ORDERS)
        usage = samplers.usage()
        return [usage.total_rule_seconds, usage.total_events]

    once = run()
    # One rule for 300 s, two for 300 s; minutes 1 to 9 throttled, 6 to 9 accessed as well (half begun ones are not).
    assert once == pytest.approx([900.0, 9 * 24_000.0 + 4 * 60_600.0])
    assert run(7, 59, 60, 61, 310, 599, 610, 777) == once


def test_a_month_is_billed_though_the_plant_forgets_its_minutes() -> None:
    plant = Plant(NOON, jitter=0.0, late_share=0.0, spread=0.0, retention=3 * 86_400.0)
    plant.create(TableSpec("orders", 100, 100, demand=lambda _: MinuteDemand({TABLE_WRITE: 60.0})))
    samplers = Samplers(plant)
    samplers.install(ORDERS, FULL)
    for day in range(1, 31):
        plant.advance(NOON + day * 86_400)
        samplers.survey()
    assert samplers.usage().total_events == 60.0 * 1440 * 30
    assert samplers.usage().total_rule_seconds == 2 * 30 * 86_400.0
