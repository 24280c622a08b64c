"""Runs one policy against recorded traffic on the plant, one pass a minute right after publication.

Causal: a pass sees what CloudWatch would have shown at its instant, so a trace cut short gives the same capacity up to
the cut. Deterministic: everything is a function of the scenario.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from math import ceil
from typing import Protocol

from watcher.clock import SimulatedClock, iso
from watcher.core.model import Billing, Kind, Status
from watcher.cycle import Cycle, CycleSettings
from watcher.replay.baselines import ON_DEMAND, WATCHER, PolicyName, Published, Scaler, parse_policy
from watcher.replay.figures import Advice, Figures, Played, Relief, Result, result_of
from watcher.replay.forgetful import ForgetfulStore, StrictTelemetry
from watcher.replay.plant import Plant
from watcher.replay.ports import Mailbox, PlantAws
from watcher.replay.scenario import Scenario, World
from watcher.replay.spec import PlantRefusal, TableSpec

__all__ = ["Figures", "Relief", "Result", "Scenario", "World", "run"]

TABLE = "replayed"
TABLE_QUOTA = 40_000  # units per second, each kind: AWS's default
TOLD = 240  # progress is told every so many minutes
DAY_MINUTES = 1440

Progress = Callable[[float], None]


def run(scenario: Scenario, policy_name: str, progress: Progress | None = None) -> Result:
    """Replay the whole trace under one policy.

    policy_name: watcher, target-tracking:70 (20 to 90), dynamic-dynamodb, dynamic-dynamodb:tuned, static:N or
    on-demand. progress: told the share done, 0 to 1. Raises UsageError for another name, WatcherError when the
    watcher itself got into trouble on the way.
    """
    name = parse_policy(policy_name)
    plant = _plant(scenario, name)
    clock = SimulatedClock(plant.now)
    turn = _pilot(scenario, name, plant, clock)
    start, end = scenario.trace.start, scenario.trace.end
    first = _first_pass(scenario)
    for number, now in enumerate(range(first, end, 60)):
        clock.advance_to(now)
        plant.advance(now)
        turn.take(now)
        if progress is not None and number % TOLD == 0:
            progress((now - start) / (end - start))
    plant.advance(ceil(end / 60) * 60)  # the plant runs minutes when they are over
    if progress is not None:
        progress(1.0)
    return result_of(
        Played(
            trace=scenario.name,
            policy=name.text,
            kind=scenario.kind,
            start=start,
            end=end,
            truth=plant.truth(TABLE, scenario.dimension),
            steps=plant.steps(TABLE, scenario.dimension),
            rejected=plant.rejected,
            advice=turn.advice,
        )
    )


class CountingPlant(Plant):
    """A plant that counts the changes it refuses."""

    rejected = 0

    def update_throughput(self, name: str, wanted: Mapping[str, tuple[int, int]]) -> None:
        try:
            super().update_throughput(name, wanted)
        except PlantRefusal:
            self.rejected += 1
            raise


class Pilot(Protocol):
    """Whoever holds the capacity."""

    @property
    def advice(self) -> Advice:
        """What it has said of the billing mode so far."""

    def take(self, now: float) -> None:
        """Its turn: once a minute, the plant and the clock at ``now``."""


class WatcherPilot:
    """The watcher's own cycle, as the daemon drives it."""

    def __init__(self, scenario: Scenario, plant: Plant, clock: SimulatedClock) -> None:
        self._cycle = Cycle(
            [PlantAws(plant, clock).region()],
            store=ForgetfulStore(),
            notifier=Mailbox(topics=()),
            telemetry=StrictTelemetry(),
            clock=clock,
            policies=lambda _: scenario.policy,
            # A recording of units says nothing of latency, so it is not asked for.
            settings=CycleSettings(workers=1, latency=False),
        )
        self._since: float | None = None
        self._minutes = 0

    @property
    def advice(self) -> Advice:
        return Advice(None if self._since is None else iso(self._since), self._minutes / DAY_MINUTES)

    def take(self, now: float) -> None:  # noqa: ARG002 - the cycle reads its clock
        for table in self._cycle.run().tables:
            self._since = table.explanation.on_demand_since if table.explanation else None
            self._minutes += self._since is not None


class ScalerPilot:
    """A baseline with its hand on one dimension. What AWS refuses it asks for again when its rule does."""

    advice = Advice()

    def __init__(self, scenario: Scenario, plant: Plant, scaler: Scaler) -> None:
        self._kind = scenario.kind
        self._plant = plant
        self._scaler = scaler
        self._published = Published(plant, TABLE, scenario.dimension)

    def take(self, now: float) -> None:
        seen = self._plant.describe(TABLE).throughputs[""]
        wanted = self._scaler.wanted(now, self._published, seen.units[self._kind])
        if wanted is None or seen.status is not Status.ACTIVE:
            return
        units = {**seen.units, self._kind: wanted}
        try:
            self._plant.update_throughput(TABLE, {"": (units[Kind.READ], units[Kind.WRITE])})
        except PlantRefusal:
            return  # counted by the plant


def _pilot(scenario: Scenario, name: PolicyName, plant: Plant, clock: SimulatedClock) -> Pilot:
    if name.family == WATCHER:
        return WatcherPilot(scenario, plant, clock)
    world = scenario.world
    published = world.publication + world.jitter + world.late
    return ScalerPilot(scenario, plant, name.scaler(scenario.kind, scenario.bounds(scenario.kind), published))


def _first_pass(scenario: Scenario) -> int:
    """The first instant in the trace that lies as long after a full minute as all points but the late ones need."""
    offset = ceil(scenario.world.publication + scenario.world.jitter)
    return scenario.trace.start + (offset - scenario.trace.start) % 60


def _plant(scenario: Scenario, name: PolicyName) -> CountingPlant:
    """The table at the start of the trace's first minute, so that every minute is run whole."""
    world, kind = scenario.world, scenario.kind
    units = {other: scenario.bounds(other).min for other in Kind}
    units[kind] = name.number if name.family == "static" else scenario.opening()
    # Bounds above the default quota are those of an account that had it lifted.
    quota = max(TABLE_QUOTA, *units.values(), *(scenario.bounds(other).max for other in Kind))
    plant = CountingPlant(
        scenario.trace.start // 60 * 60,
        seed=world.seed,
        publication=world.publication,
        jitter=world.jitter,
        late_share=world.late_share,
        late=world.late,
        actuation=world.actuation,
        spread=world.spread,
        table_quota=quota,
        account_quota=2 * quota,
        retention=math.inf,
    )
    plant.create(
        TableSpec(
            TABLE,
            units[Kind.READ],
            units[Kind.WRITE],
            billing=Billing.ON_DEMAND if name.family == ON_DEMAND else Billing.PROVISIONED,
            demand=scenario.trace.source(scenario.dimension, seed=world.seed),
            units_per_request=world.mean_units_per_request,
            retry_factor=world.retry_factor,
        )
    )
    return plant
