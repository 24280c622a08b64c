"""What became of an action whose answer was lost, by what DescribeTable shows; and who is served first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest

from tests.store.samples import ORDERS, T, switch_intent
from watcher.core.insights import Place, Sampler, SamplerMode, SamplerStatus, Survey
from watcher.core.model import (
    TABLE_READ,
    TABLE_WRITE,
    Action,
    Billing,
    Change,
    Dimension,
    Intent,
    Kind,
    Lever,
    ScalableTarget,
    Status,
    Switch,
    TableDescription,
    TableObservation,
    Throughput,
)
from watcher.core.reasons import Cause, Freshness, Mode, Outcome
from watcher.core.result import DimensionReport, Explanation, StepResult
from watcher.core.state import TableState
from watcher.observe import Sighting
from watcher.reconcile import most_urgent_first, reconcile

INDEX_WRITE = Dimension("by-day", Kind.WRITE)
RAISE = Change(TABLE_WRITE, 100, 400)
RAISE_INDEX = Change(INDEX_WRITE, 50, 200)
LOWER_READ = Change(TABLE_READ, 80, 20)


def intent(*changes: Change, lever: Lever = Lever.CAPACITY, mode: Mode = Mode.ACT) -> Intent:
    return Intent("1", T, Action(ORDERS, lever, changes, mode))


def part(read: int, write: int, status: Status = Status.ACTIVE) -> Throughput:
    return Throughput({Kind.READ: read, Kind.WRITE: write}, status)


def seen(
    table: Throughput,
    index: Throughput | None = None,
    *,
    billing: Billing = Billing.PROVISIONED,
    scaling: Mapping[Dimension, ScalableTarget] | None = None,
    readable: bool = True,
) -> Mapping[str, Sighting]:
    description = TableDescription(ORDERS, billing, {"": table} | ({"by-day": index} if index else {}))
    observation = TableObservation(description, T, {}, (scaling or {}) if readable else None)
    return {ORDERS.region: Sighting({ORDERS.name: observation})}


UPDATING = Status.UPDATING


@pytest.mark.parametrize(
    ("asked", "sightings", "outcome"),
    [
        pytest.param(intent(RAISE), seen(part(80, 400)), Outcome.APPLIED, id="the new value is in force"),
        pytest.param(
            intent(RAISE), seen(part(80, 400, UPDATING)), Outcome.APPLIED, id="in force while something else is updated"
        ),
        pytest.param(intent(RAISE), seen(part(80, 100, UPDATING)), None, id="under way: it cannot be told yet"),
        pytest.param(intent(RAISE), seen(part(80, 100)), Outcome.SUPERSEDED, id="never happened"),
        pytest.param(intent(RAISE), seen(part(80, 999)), Outcome.SUPERSEDED, id="another hand was faster"),
        pytest.param(intent(RAISE, LOWER_READ), seen(part(20, 400)), Outcome.APPLIED, id="both kinds are in force"),
        pytest.param(intent(RAISE, LOWER_READ), seen(part(80, 400)), Outcome.SUPERSEDED, id="only one of them is"),
        pytest.param(
            intent(RAISE, RAISE_INDEX), seen(part(80, 400), part(5, 200)), Outcome.APPLIED, id="table and index"
        ),
        pytest.param(
            intent(RAISE, RAISE_INDEX),
            seen(part(80, 400), part(5, 50, UPDATING)),
            Outcome.APPLIED,
            id="the table is ready before its index: our call was taken, it is nobody else's hand",
        ),
        pytest.param(
            intent(RAISE, RAISE_INDEX),
            seen(part(80, 100, UPDATING), part(5, 200)),
            Outcome.APPLIED,
            id="the index is ready before the table",
        ),
        pytest.param(
            intent(RAISE, RAISE_INDEX),
            seen(part(80, 100, UPDATING), part(5, 50, UPDATING)),
            None,
            id="both under way: perhaps ours, perhaps not",
        ),
        pytest.param(
            intent(RAISE, RAISE_INDEX),
            seen(part(80, 400, UPDATING), part(5, 77)),
            None,
            id="the index shows a third value while the table is updated: wait",
        ),
        pytest.param(
            intent(RAISE, RAISE_INDEX), seen(part(80, 400)), Outcome.SUPERSEDED, id="the index is gone meanwhile"
        ),
        pytest.param(
            intent(RAISE), seen(part(0, 0), billing=Billing.ON_DEMAND), Outcome.SUPERSEDED, id="on demand meanwhile"
        ),
        pytest.param(
            intent(RAISE),
            {ORDERS.region: Sighting(missing=frozenset({ORDERS.name}))},
            Outcome.GONE,
            id="the table is gone",
        ),
        pytest.param(intent(RAISE), {ORDERS.region: Sighting(error="down")}, None, id="its Region is dark"),
        pytest.param(
            intent(RAISE), {ORDERS.region: Sighting(failures={ORDERS.name: "denied"})}, None, id="it cannot be seen"
        ),
        pytest.param(intent(RAISE), {}, Outcome.SUPERSEDED, id="its Region left the config"),
        pytest.param(
            intent(RAISE, mode=Mode.ADVISE), seen(part(80, 100)), Outcome.ADVISED, id="an advice needs no proof"
        ),
        pytest.param(
            intent(RAISE, mode=Mode.ADVISE), {ORDERS.region: Sighting()}, Outcome.ADVISED, id="nor to see the table"
        ),
    ],
)
def test_capacity(asked: Intent, sightings: Mapping[str, Sighting], outcome: Outcome | None) -> None:
    settlement = reconcile(T + 60, asked, sightings)
    assert (settlement.outcome if settlement else None) is outcome
    if settlement is not None:
        assert (settlement.intent, settlement.time) == (asked, T + 60)


def surveyed(sampler: Sampler | None, at: float = T + 30) -> Mapping[str, Sighting]:
    places = {} if sampler is None else {Place(ORDERS.name, "by-day"): sampler}
    ((region, sighting),) = seen(part(80, 100)).items()
    return {region: replace(sighting, survey=Survey(at, places, 0))}


FULL = Sampler(SamplerStatus.ENABLED, SamplerMode.FULL)


@pytest.mark.parametrize(
    ("sightings", "outcome"),
    [
        pytest.param(surveyed(FULL), Outcome.APPLIED, id="the wanted mode is in force"),
        pytest.param(surveyed(replace(FULL, status=SamplerStatus.ENABLING)), None, id="being switched: wait"),
        pytest.param(surveyed(None), Outcome.SUPERSEDED, id="still off: never happened"),
        pytest.param(
            surveyed(replace(FULL, mode=SamplerMode.THROTTLED)),
            Outcome.SUPERSEDED,
            id="another hand chose another mode",
        ),
        pytest.param(surveyed(FULL, at=T), None, id="the survey is no younger than the intent"),
        pytest.param(surveyed(FULL, at=T - 300), None, id="nor one from before it"),
        pytest.param(seen(part(80, 100)), None, id="there is no survey"),
        pytest.param(
            surveyed(Sampler(SamplerStatus.FAILED, failure="too many rules")), Outcome.SUPERSEDED, id="it failed since"
        ),
        pytest.param({ORDERS.region: Sighting(missing=frozenset({ORDERS.name}))}, Outcome.GONE, id="the table is gone"),
    ],
)
def test_switches(sightings: Mapping[str, Sighting], outcome: Outcome | None) -> None:
    settlement = reconcile(T + 60, switch_intent(), sightings)
    assert (settlement.outcome if settlement else None) is outcome


def test_a_switch_from_before_the_clock_was_set_back_is_told_by_any_survey() -> None:
    settlement = reconcile(T - 600, switch_intent(), surveyed(FULL, at=T - 600))
    assert settlement is not None
    assert settlement.outcome is Outcome.APPLIED


def test_what_failed_is_not_put_back_by_itself() -> None:
    """FAILED shows the mode off, which is what was asked for; and stays until it is switched off."""
    asked = switch_intent()
    switch = Switch("by-day", SamplerMode.FULL, SamplerMode.OFF)
    back = replace(asked, action=replace(asked.action, switch=switch))
    failed = Sampler(SamplerStatus.FAILED, failure="too many rules")

    for sampler, outcome in ((failed, Outcome.SUPERSEDED), (Sampler(), Outcome.APPLIED)):
        settlement = reconcile(T + 60, back, surveyed(sampler))
        assert settlement is not None
        assert settlement.outcome is outcome


def test_a_switch_that_failed_is_told_in_the_words_of_aws() -> None:
    settlement = reconcile(T + 60, switch_intent(), surveyed(Sampler(SamplerStatus.FAILED, failure="too many rules")))
    assert settlement is not None
    assert settlement.detail == "too many rules"


FLOOR = Change(TABLE_WRITE, 5, 400)


@pytest.mark.parametrize(
    ("scaling", "readable", "outcome"),
    [
        pytest.param({TABLE_WRITE: ScalableTarget(400, 4000)}, True, Outcome.APPLIED, id="the floor is raised"),
        pytest.param({TABLE_WRITE: ScalableTarget(5, 4000)}, True, Outcome.SUPERSEDED, id="the floor is as before"),
        pytest.param({}, True, Outcome.SUPERSEDED, id="the target is gone"),
        pytest.param(None, False, None, id="the targets cannot be read"),
    ],
)
def test_floors(
    scaling: Mapping[Dimension, ScalableTarget] | None,
    readable: bool,  # noqa: FBT001 - a column of the table
    outcome: Outcome | None,
) -> None:
    asked = intent(FLOOR, lever=Lever.FLOOR)
    # The table's own capacity equals the wanted floor: that proves nothing.
    settlement = reconcile(T, asked, seen(part(80, 400), scaling=scaling, readable=readable))
    assert (settlement.outcome if settlement else None) is outcome


def test_what_is_shown_and_what_was_asked_for_are_told() -> None:
    settlement = reconcile(T, intent(RAISE, LOWER_READ), seen(part(80, 400)))
    assert settlement is not None
    assert settlement.detail == "not in force: 400, 80 where 400, 20 was asked for"


@dataclass(frozen=True)
class Item:
    name: str
    result: StepResult


def item(name: str, *changes: Change, events: float = 0.0) -> Item:
    report = DimensionReport(TABLE_WRITE, 100, None, Freshness.FRESH, 1.0, 1.0, {Cause.PROVISIONED: events})
    actions = (Action(replace(ORDERS, name=name), Lever.CAPACITY, changes, Mode.ACT),) if changes else ()
    return Item(name, StepResult(TableState(), actions, (), Explanation(Cause.NONE, "", (report,), ())))


def test_the_worst_throttled_raise_comes_first_and_decreases_last() -> None:
    items = [
        item("lower a", LOWER_READ, events=900),
        item("quiet raise", RAISE),
        item("bad raise", RAISE, events=10),
        item("worst raise", RAISE, events=500),
        item("nothing", events=9000),
        item("lower b", LOWER_READ),
        item("another quiet raise", RAISE),
    ]
    order = [one.name for one in most_urgent_first(items)]
    assert order[:4] == ["worst raise", "bad raise", "quiet raise", "another quiet raise"]
    assert order.index("lower a") < order.index("lower b")
