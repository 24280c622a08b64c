"""A table with its indexes through the real cycle over the plant: one call raises the whole stream of writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from watcher.clock import SimulatedClock
from watcher.core.model import TABLE_WRITE, Dimension, Kind
from watcher.core.policy import Bounds, TablePolicy
from watcher.core.reasons import Mode, Outcome
from watcher.cycle import Cycle, CycleSettings
from watcher.replay.forgetful import ForgetfulStore, StrictTelemetry
from watcher.replay.plant import IndexSpec, MinuteDemand, Plant, TableSpec
from watcher.replay.ports import Mailbox, PlantAws

START = 1_700_006_400
FREED = 600  # seconds of starving
PRELUDE = 40 * 60  # shorter than the hour that must be known before a decrease
BOUNDS: Mapping[Kind, Bounds] = {kind: Bounds(1, 4000) for kind in Kind}
POLICY = TablePolicy(mode=Mode.ACT, bounds=BOUNDS, index_bounds=(("*", BOUNDS),))
INDEX = Dimension("by-day", Kind.WRITE)


def live(table: int, index: int, ratio: float, minutes: int, at_first: TablePolicy = POLICY) -> tuple[Plant, PlantAws]:
    """Forty minutes of 100 writes a second, then 600, on ``table`` and ``index`` units; ``at_first`` holds until
    ten minutes of the 600 have passed."""

    def demand(minute: int) -> MinuteDemand:
        return MinuteDemand({TABLE_WRITE: 60.0 * (100.0 if minute < START + PRELUDE else 600.0)})

    plant = Plant(START)
    spec = IndexSpec("by-day", 1, index, write_ratio=ratio)
    plant.create(TableSpec("orders", 1, table, indexes=(spec,), demand=demand))
    clock = SimulatedClock(float(START + 70))
    aws = PlantAws(plant, clock)
    cycle = Cycle(
        [aws.region()],
        store=ForgetfulStore(),
        notifier=Mailbox(topics=()),
        telemetry=StrictTelemetry(),
        clock=clock,
        policies=lambda _: at_first if clock.now() < START + PRELUDE + FREED else POLICY,
        settings=CycleSettings(workers=1, latency=False),
    )
    for _ in range(minutes):
        plant.advance(clock.now())
        cycle.run()
        clock.advance(60)
    plant.advance(clock.now() + 60)
    return plant, aws


@pytest.mark.parametrize(
    ("table", "index", "ratio"),
    [
        pytest.param(110, 4000, 1.0, id="the table starves and its index has plenty"),
        pytest.param(4000, 110, 1.0, id="the index starves and throttles the table"),
        pytest.param(110, 110, 1.0, id="both starve"),
        pytest.param(110, 55, 0.5, id="both starve, every other write reaches the index"),
    ],
)
def test_the_stream_is_served_soon_whoever_starves(table: int, index: int, ratio: float) -> None:
    plant, aws = live(table, index, ratio, minutes=60)
    assert plant.steps("orders", TABLE_WRITE)[-1][1] >= 550
    assert plant.steps("orders", INDEX)[-1][1] >= 550 * ratio
    last = START + 60 * 60
    for dimension in (TABLE_WRITE, INDEX):
        calm = [truth for minute, truth in plant.truth("orders", dimension).items() if last - 600 <= minute < last]
        assert sum(truth.throttled for truth in calm) == 0.0
    assert {outcome for _, _, outcome in aws.calls} == {Outcome.APPLIED}


@pytest.mark.parametrize(
    ("table", "index"),
    [
        pytest.param(110, 300, id="the table throttles, and the index sees only what the table lets through"),
        pytest.param(300, 110, id="the index throttles, and the table takes only what the index lets through"),
    ],
)
def test_one_call_raises_what_starves_and_what_it_hides(table: int, index: int) -> None:
    held = {kind: Bounds(1, 110) for kind in Kind}
    frozen = {kind: Bounds(1, 300) for kind in Kind}
    at_first = replace(
        POLICY,
        bounds=held if table == 110 else frozen,
        index_bounds=(("*", held if index == 110 else frozen),),
    )
    _, aws = live(table, index, 1.0, minutes=56, at_first=at_first)
    freed = [action for at, action, _ in aws.calls if at >= START + PRELUDE + FREED]
    assert {change.dimension for change in freed[0].changes} == {TABLE_WRITE, INDEX}
    after = {change.before: change.after for change in freed[0].changes}
    assert after[110] >= 600, "what starved gets what is wanted"
    assert after[300] > 300, "what it hid is raised as far as its full bucket does not carry it"
