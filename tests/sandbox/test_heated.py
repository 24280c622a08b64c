"""Thirteen tables, each hot in its own way: which keys were too hot, when, and what the plant says was the cause."""

from __future__ import annotations

from functools import cache

import pytest

from tests.sandbox.conftest import OPENED
from watcher.core.insights import Place, SamplerMode
from watcher.core.model import Dimension, Kind
from watcher.core.reasons import Cause
from watcher.replay.insights import Samplers
from watcher.replay.plant import Plant
from watcher.sandbox.heated import HEAT, heated

ORIGIN = int(OPENED)
TROUBLE = range(2, 32)  # minutes after the opening


@cache
def half_hour(seed: int = 1) -> tuple[Plant, Samplers]:
    """Everything sampled of all keys for the first 33 minutes, with nobody watching."""
    plant = Plant(ORIGIN - 3600, seed=seed)
    for story in heated(ORIGIN, seed):
        plant.create(story.spec)
    samplers = Samplers(plant)
    for place in samplers.everywhere():
        samplers.install(place, SamplerMode.FULL)
    plant.advance(ORIGIN + 36 * 60)
    return plant, samplers


def hot_keys(table: str, index: str = "") -> dict[int, set[str]]:
    """By minute after the opening, as it really was."""
    found = half_hour()[0].overheated(table, index)
    return {(minute - ORIGIN) // 60: set(keys) for minute, keys in found.items()}


def causes(table: str, index: str = "") -> set[Cause]:
    plant = half_hour()[0]
    return {
        cause
        for kind in Kind
        for minute, truth in plant.truth(table, Dimension(index, kind)).items()
        for cause, units in truth.causes.items()
        if minute >= ORIGIN and units > 60.0  # the very first second finds an empty bucket
    }


@pytest.mark.parametrize(
    ("table", "index", "keys", "expected"),
    [
        pytest.param("one-key", "", {"user#4711"}, {Cause.KEY_RANGE}, id="a single key"),
        pytest.param("log", "", {"device#7"}, {Cause.KEY_RANGE}, id="one key whose sort key rises"),
        pytest.param("tickets", "by-status", {"open"}, {Cause.KEY_RANGE}, id="an index's key"),
        pytest.param("mixed", "", {"user#4711"}, {Cause.KEY_RANGE, Cause.PROVISIONED}, id="a key and little capacity"),
        pytest.param("partiql", "", {"user#4711"}, {Cause.KEY_RANGE}, id="a key that nobody sees"),
        pytest.param("reads", "", {"product#1"}, {Cause.KEY_RANGE}, id="a key that is read"),
        pytest.param("zipf-15", "", {"customer#00001", "customer#00002"}, {Cause.KEY_RANGE}, id="two popular keys"),
    ],
)
def test_the_same_keys_are_hot_throughout(table: str, index: str, keys: set[str], expected: set[Cause]) -> None:
    assert hot_keys(table, index) == dict.fromkeys(TROUBLE, keys)
    assert causes(table, index) == expected


def test_the_second_of_a_mild_zipf_is_rarely_too_hot() -> None:
    found = hot_keys("zipf-12")
    assert list(found) == list(TROUBLE)
    assert all("customer#00001" in keys for keys in found.values())
    assert sum(len(keys) > 1 for keys in found.values()) <= 6


@pytest.mark.parametrize("table", ["uniform", "zipf-08", "zipf-10"])
def test_some_only_lack_capacity(table: str) -> None:
    assert hot_keys(table) == {}
    assert causes(table) == {Cause.PROVISIONED}


def test_the_time_is_hot_when_it_is_now() -> None:
    found = hot_keys("by-minute")
    assert list(found) == list(TROUBLE)
    keys = [key for (key,) in found.values()]
    assert len(set(keys)) == len(TROUBLE)
    assert keys == sorted(keys)
    assert keys[0].endswith(":02")


def test_few_keys_share_a_partition_until_it_splits() -> None:
    found = hot_keys("few-keys")
    assert min(found) == 2
    # At least ten minutes of throttled seconds, and not every second throttles.
    assert 11 < max(found) < 20
    assert found[2] == {"cart#17", "cart#23", "cart#42"}


def test_an_index_holds_its_table_back() -> None:
    assert causes("tickets") == {Cause.INDEX_BACK_PRESSURE}
    assert hot_keys("tickets") == {}


@pytest.mark.parametrize(
    ("place", "code", "first"),
    [
        pytest.param(Place("one-key"), "PKT", "user#4711", id="a single key"),
        pytest.param(Place("reads"), "PKC", "product#1", id="the most read key"),
        pytest.param(Place("tickets", "by-status"), "PKT", "open", id="an index's key"),
        pytest.param(Place("zipf-15"), "PKT", "customer#00001", id="the most popular key"),
        pytest.param(Place("few-keys"), "PKT", "cart#17", id="the first of a few"),
    ],
)
def test_contributor_insights_names_it_first(place: Place, code: str, first: str) -> None:
    plant, samplers = half_hour()
    name = next(rule for rule in samplers.sampler(place).rules if f"-{code}-" in rule)
    found = samplers.rule(name)
    assert found is not None
    busiest, *_ = samplers.contributors(*found, ORIGIN, plant.now)
    assert busiest.keys == (first,)


def test_what_partiql_heats_stays_unnamed() -> None:
    plant, samplers = half_hour()
    for name in samplers.sampler(Place("partiql")).rules:
        found = samplers.rule(name)
        assert found is not None
        assert samplers.contributors(*found, ORIGIN, plant.now) == []


def test_every_table_has_a_plot_and_its_own_traffic() -> None:
    stories = heated(ORIGIN, 1)
    assert [story.spec.name for story in stories] == list(HEAT)
    again, other = heated(ORIGIN, 1), heated(ORIGIN, 2)
    for one, same, changed in zip(stories, again, other, strict=True):
        assert one.spec.demand(ORIGIN + 300) == same.spec.demand(ORIGIN + 300)
        assert one.spec.demand(ORIGIN + 300) != changed.spec.demand(ORIGIN + 300)
