"""What the watcher itself costs: one cycle over a fleet, everything in memory. ``python -m tests.bench.cycle``.

The yardstick is the plant: the same run simulates each table's minute second by second, so the ratio says how the
decision compares with that, whatever the machine.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from watcher.clock import SimulatedClock, process_seconds
from watcher.core.model import TABLE_READ, TABLE_WRITE, Kind
from watcher.core.policy import Bounds, TablePolicy
from watcher.core.reasons import Mode
from watcher.cycle import Cycle, CycleSettings
from watcher.ports import CycleReport
from watcher.replay.plant import IndexSpec, MinuteDemand, Plant, TableSpec
from watcher.replay.ports import Mailbox, PlantAws
from watcher.store.memory import MemoryStore

START = 1_700_006_400
TABLES = 100
CYCLES = 30
BOUNDS: Mapping[Kind, Bounds] = {kind: Bounds(5, 4000) for kind in Kind}
POLICY = TablePolicy(mode=Mode.ACT, bounds=BOUNDS, index_bounds=(("*", BOUNDS),))


class Silent:
    """Telemetry that listens to nothing."""

    def cycle_finished(self, report: CycleReport) -> None:
        """Nobody reads it here."""

    def trouble(self, event: str, **facts: object) -> None:
        raise AssertionError(f"{event}: {facts}")


@dataclass(frozen=True)
class Costs:
    """Microseconds per table and cycle."""

    plant: float
    phases: Mapping[str, float]


def measure() -> Costs:
    """A fleet of tables with one index each, a third of them throttled in every third half hour."""
    plant = Plant(START)
    for number in range(TABLES):
        base = 60.0 * (50 + number)

        def demand(minute: int, base: float = base, number: int = number) -> MinuteDemand:
            surge = 6.0 if (minute // 1800 + number) % 3 == 0 else 1.0
            return MinuteDemand({TABLE_READ: base, TABLE_WRITE: base * surge})

        index = IndexSpec("by-day", 100, 200)
        plant.create(TableSpec(f"table-{number:03}", 300, 300, indexes=(index,), demand=demand))
    clock = SimulatedClock(float(START))
    clock.advance(1805)
    began = process_seconds()
    plant.advance(clock.now())
    simulated = process_seconds() - began
    cycle = Cycle(
        [PlantAws(plant, clock).region()],
        store=MemoryStore(),
        notifier=Mailbox(),
        telemetry=Silent(),
        clock=clock,
        policies=lambda _: POLICY,
        settings=CycleSettings(workers=1, acting=1e9),
    )
    cycle.run()
    totals: dict[str, float] = {}
    for _ in range(CYCLES):
        clock.advance(60)
        plant.advance(clock.now())
        for phase, seconds in cycle.run().phases.items():
            totals[phase] = totals.get(phase, 0.0) + seconds
    scale = 1e6 / TABLES
    return Costs(simulated * scale / 30, {phase: seconds * scale / CYCLES for phase, seconds in totals.items()})


def main() -> int:
    costs = measure()
    sys.stdout.write(f"per table (4 dimensions) and cycle, {TABLES} tables, {CYCLES} cycles, all in memory\n")
    sys.stdout.write(f"{'the plant, one simulated minute':<34}{costs.plant:8.0f} us     1.00\n")
    for phase, cost in costs.phases.items():
        sys.stdout.write(f"{phase:<34}{cost:8.0f} us {cost / costs.plant:8.2f}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
