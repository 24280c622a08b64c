"""The Insights port over the plant, the calls it would have taken, and the hand that switches sampling."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.replay.plants import NOON
from watcher.clock import SimulatedClock
from watcher.core.insights import KeyShape, Place, Sampler, SamplerMode, SamplerStatus
from watcher.core.model import TABLE_READ, TABLE_WRITE, Action, Answer, Dimension, Kind, Lever, Switch, TableKey
from watcher.core.reasons import Mode, Outcome
from watcher.errors import AwsNotFound
from watcher.replay.insights_port import Cloak, plainly
from watcher.replay.plant import ACCOUNT, IndexSpec, KeyShare, MinuteDemand, Plant, TableSpec
from watcher.replay.ports import PlantAws

OFF, THROTTLED, FULL = SamplerMode
ORDERS, BY_DAY, QUIET = Place("orders"), Place("orders", "by-day"), Place("quiet")
SHARES = (KeyShare("a", 0.6, sort="2023-11-14"), KeyShare("a", 0.15, sort="x"), KeyShare("b", 0.05))


def hot(_minute: int) -> MinuteDemand:
    """2,000 writes a second, of them 1,500 to two items of "a"."""
    return MinuteDemand({TABLE_WRITE: 60.0 * 2000.0, TABLE_READ: 60.0}, {TABLE_WRITE: SHARES})


def region(
    samplers: Mapping[Place, SamplerMode] | None = None, *, quota: int = 100, cloak: Cloak = plainly
) -> PlantAws:
    plant = Plant(NOON, jitter=0.0, late_share=0.0, spread=0.0, split_after=1e9)
    index = IndexSpec("by-day", 10, 10_000, write_ratio=0.0)
    plant.create(TableSpec("orders", 10, 10_000, indexes=(index,), demand=hot, has_sort_key=True))
    plant.create(TableSpec("quiet", 10, 10))
    return PlantAws(plant, SimulatedClock(NOON), samplers=samplers, quota=quota, cloak=cloak)


def pass_time(world: PlantAws, seconds: float) -> None:
    assert isinstance(world.clock, SimulatedClock)
    world.clock.advance(seconds)


def test_throttled_keys_are_sampled_everywhere_unless_said_otherwise() -> None:
    world = region()
    seen = world.insights.survey(NOON)
    assert {place: sampler.mode for place, sampler in seen.samplers.items()} == dict.fromkeys(
        (ORDERS, BY_DAY, QUIET), THROTTLED
    )
    assert all(sampler.is_reading and sampler.rules == () for sampler in seen.samplers.values())
    assert (seen.at, seen.rules, seen.error) == (NOON, 4, "")
    assert len(region(quota=2).insights.survey(NOON).samplers) == 1, "as far as the quota goes: orders takes two"


def test_what_is_sampled_can_be_said() -> None:
    seen = region({BY_DAY: FULL}).insights.survey(NOON)
    assert list(seen.samplers) == [BY_DAY]
    assert seen.rules == 2
    assert seen.sampler(ORDERS) == Sampler()
    assert region({}).insights.survey(NOON).rules == 0


def test_describing_names_the_rules() -> None:
    world = region({ORDERS: FULL})
    on = world.insights.describe(ORDERS)
    assert (on.status, on.mode, on.updated) == (SamplerStatus.ENABLED, FULL, NOON)
    assert [rule.split("-")[1] for rule in on.rules] == ["PKC", "PKT", "SKC", "SKT"]
    with pytest.raises(AwsNotFound, match="nobody") as gone:
        world.insights.describe(Place("nobody"))
    assert gone.value.code == "ResourceNotFoundException"


def test_samples_name_keys_and_items_with_their_values_shapes_and_identities() -> None:
    world = region({ORDERS: FULL})
    pass_time(world, 180)
    on = world.insights.describe(ORDERS)
    sample = world.insights.sample(ORDERS, on, on.rules, NOON, NOON + 60)
    assert (sample.mode, sample.since, sample.complete, sample.note) == (FULL, NOON, True, "")
    # "a" asks for 1,500 a second in one partition: 500 too many, of which four fifths are its first item's.
    (throttled,) = sample.throttled
    assert (throttled.label, throttled.identity, throttled.partition) == ("key:a", "a", "a")
    assert throttled.points == {NOON: pytest.approx(30_000.0)}
    first, second = sample.throttled_items
    assert (first.label, second.label) == ("key:a | 2023-11-14", "key:a | x")
    assert first.points == {NOON: pytest.approx(24_000.0)}
    assert second.points == {NOON: pytest.approx(6000.0)}
    assert (first.shape, second.shape) == (KeyShape.TIME, KeyShape.PLAIN)
    assert first.partition == second.partition == throttled.identity
    assert len({first.identity, second.identity, throttled.identity}) == 3
    assert [key.label for key in sample.accessed[:2]] == ["key:a", "key:b"]
    assert sample.accessed[0].busiest == pytest.approx(180_000.0), "the whole of a partition's ceiling"
    assert len(sample.accessed) == len(sample.accessed_items) == 25


def test_only_the_rules_asked_for_are_read() -> None:
    world = region({ORDERS: FULL})
    pass_time(world, 180)
    on = world.insights.describe(ORDERS)
    only = [rule for rule in on.rules if "-PKT-" in rule]
    sample = world.insights.sample(ORDERS, on, only, NOON, NOON + 60)
    assert sample.throttled
    assert (sample.accessed, sample.throttled_items, sample.accessed_items) == ((), (), ())
    assert world.insights.asked["GetInsightRuleReport"] == 1


def test_a_cloak_hides_what_keys_look_like() -> None:
    world = region({ORDERS: THROTTLED}, cloak=lambda keys: f"{len(keys)} parts")
    pass_time(world, 180)
    on = world.insights.describe(ORDERS)
    sample = world.insights.sample(ORDERS, on, on.rules, NOON, NOON + 60)
    assert {key.label for key in sample.throttled} == {"1 parts"}
    assert {key.label for key in sample.throttled_items} == {"2 parts"}


def test_what_is_not_sampled_says_so() -> None:
    world = region({})
    sample = world.insights.sample(ORDERS, world.insights.describe(ORDERS), (), NOON, NOON + 60)
    assert (sample.mode, sample.throttled, sample.note) == (OFF, (), "Contributor Insights is DISABLED")


def test_a_rule_that_has_vanished_makes_a_sample_incomplete() -> None:
    world = region({ORDERS: FULL})
    on = world.insights.describe(ORDERS)
    pass_time(world, 180)
    world.insights.switch(ORDERS, THROTTLED)
    sample = world.insights.sample(ORDERS, on, on.rules, NOON, NOON + 60)
    assert not sample.complete
    assert sample.note == f"the rule {on.rules[0]} has vanished"
    assert sample.throttled, "the others are read all the same"
    answers = world.insights.peaks(on.rules, NOON, NOON + 60)
    assert {rule.split("-")[1] for rule, answer in answers.items() if not answer.complete} == {"PKC", "SKC"}


def test_the_rules_of_another_place_are_not_its_own() -> None:
    world = region()
    pass_time(world, 180)
    on = world.insights.describe(ORDERS)
    sample = world.insights.sample(QUIET, on, on.rules, NOON, NOON + 60)
    assert (sample.complete, sample.throttled) == (False, ())


def test_peaks_are_the_largest_contributors() -> None:
    world = region({ORDERS: FULL, QUIET: THROTTLED})
    pass_time(world, 240)
    on = world.insights.describe(ORDERS)
    (quiet,) = world.insights.describe(QUIET).rules
    answers = world.insights.peaks([*on.rules, quiet], NOON, NOON + 120)
    peaks = {rule.split("-")[1]: answer.points for rule, answer in answers.items() if rule != quiet}
    assert peaks["PKT"] == {NOON: pytest.approx(30_000.0), NOON + 60: pytest.approx(30_000.0)}
    assert peaks["SKT"] == {NOON: pytest.approx(24_000.0), NOON + 60: pytest.approx(24_000.0)}
    assert peaks["PKC"] == {NOON: pytest.approx(180_000.0), NOON + 60: pytest.approx(180_000.0)}
    assert answers[quiet] == Answer(), "nothing throttled, and nothing missing"


def test_calls_are_counted_as_aws_would_have_been_asked() -> None:
    plant = Plant(NOON)
    for number in range(101):
        plant.create(TableSpec(f"t{number:03}", 1, 1))
    world = PlantAws(plant, SimulatedClock(NOON))
    world.insights.survey(NOON)
    rules = world.insights.describe(Place("t000")).rules
    world.insights.peaks([*rules, "gone"], NOON, NOON + 60)
    world.insights.switch(Place("t000"), OFF)
    assert world.insights.asked == {
        "ListContributorInsights": 2,
        "DescribeInsightRules": 1,
        "DescribeContributorInsights": 1,
        "INSIGHT_RULE_METRIC": 2,
        "UpdateContributorInsights": 1,
    }


def switching(before: SamplerMode, after: SamplerMode, place: Place = ORDERS) -> Action:
    key = TableKey(ACCOUNT, "us-east-1", place.table)
    return Action(key, Lever.SAMPLING, (), Mode.ACT, Switch(place.index, before, after))


@pytest.mark.parametrize(
    ("found", "asked", "outcome", "mode"),
    [
        pytest.param({}, switching(OFF, THROTTLED), Outcome.APPLIED, THROTTLED, id="on"),
        pytest.param({}, switching(OFF, FULL), Outcome.APPLIED, FULL, id="fully on"),
        pytest.param({ORDERS: THROTTLED}, switching(THROTTLED, FULL), Outcome.APPLIED, FULL, id="over"),
        pytest.param({ORDERS: FULL}, switching(FULL, THROTTLED), Outcome.APPLIED, THROTTLED, id="and back"),
        pytest.param({ORDERS: THROTTLED}, switching(THROTTLED, OFF), Outcome.APPLIED, OFF, id="off"),
        pytest.param({BY_DAY: FULL}, switching(FULL, OFF, BY_DAY), Outcome.APPLIED, OFF, id="an index"),
        pytest.param({ORDERS: FULL}, switching(OFF, THROTTLED), Outcome.CANCELLED, FULL, id="not what it was"),
        pytest.param({ORDERS: FULL}, switching(THROTTLED, FULL), Outcome.CANCELLED, FULL, id="nor what it should be"),
        pytest.param({ORDERS: FULL}, switching(FULL, FULL), Outcome.UNCHANGED, FULL, id="already so"),
    ],
)
def test_what_becomes_of_a_switch(
    found: Mapping[Place, SamplerMode], asked: Action, outcome: Outcome, mode: SamplerMode
) -> None:
    world = region(found)
    assert asked.switch is not None
    place = Place("orders", asked.switch.index)
    came, detail = world.carry_out(asked)
    assert came is outcome
    assert bool(detail) is (outcome is not Outcome.APPLIED)
    assert [(what, became) for _, what, became in world.calls] == [(asked, outcome)]
    assert world.insights.asked["UpdateContributorInsights"] == (outcome is Outcome.APPLIED)
    pass_time(world, 10)
    assert world.insights.describe(place).mode is mode
    assert world.describe("orders").provisioned(Dimension("", Kind.WRITE)) == 10_000


def test_a_switch_while_another_is_under_way_finds_it_busy() -> None:
    world = region({})
    world.carry_out(switching(OFF, THROTTLED))
    assert world.carry_out(switching(THROTTLED, FULL))[0] is Outcome.BUSY
    pass_time(world, 2)
    assert world.carry_out(switching(THROTTLED, FULL))[0] is Outcome.APPLIED


def test_a_switch_past_the_quota_is_applied_and_fails_later() -> None:
    world = region({ORDERS: THROTTLED}, quota=2)
    assert world.carry_out(switching(OFF, THROTTLED, QUIET))[0] is Outcome.APPLIED
    pass_time(world, 10)
    assert world.insights.survey(NOON).sampler(QUIET).status is SamplerStatus.FAILED


@pytest.mark.parametrize("place", [Place("nobody"), Place("orders", "none")], ids=["a table", "an index"])
def test_a_switch_of_what_is_gone_is_gone(place: Place) -> None:
    outcome, detail = region().carry_out(switching(OFF, FULL, place))
    assert outcome is Outcome.GONE
    assert "not found" in detail


def test_the_advising_hand_switches_nothing() -> None:
    world = region({})
    assert world.region().hands[Mode.ADVISE].carry_out(switching(OFF, FULL))[0] is Outcome.ADVISED
    assert world.insights.survey(NOON).samplers == {}


def test_the_region_holds_the_same_insights() -> None:
    world = region()
    assert world.region().insights is world.insights


def test_tables_and_indexes_are_described_with_their_keys() -> None:
    world = region()
    schemas = world.describe("orders").schemas
    assert {index: (schema.partition, schema.sort) for index, schema in schemas.items()} == {
        "": ("pk", "sk"),
        "by-day": ("by-day", ""),
    }
