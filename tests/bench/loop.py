"""The real cycle on a plant, in memory and on a simulated clock: what the hot-key benches drive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from watcher.clock import SimulatedClock
from watcher.core.insights import Place, SamplerMode
from watcher.core.policy import TablePolicy
from watcher.core.sampling import SamplingLimits
from watcher.cycle import Cycle, CycleSettings
from watcher.ports import CycleReport, Store
from watcher.replay.forgetful import StrictTelemetry
from watcher.replay.plant import Plant, TableSpec
from watcher.replay.ports import Mailbox, PlantAws

START = 1_700_006_400  # 2023-11-15T00:00:00Z
# All points but the late ones are out 60 to 70 s after their minute: the daemon's alignment settles there, too.
OFFSET = 10
ACCOUNT_QUOTA = 1_000_000  # units per second: of an account that had it lifted


@dataclass
class Loop:
    """One Region of tables with the watcher on it. samplers: what another hand samples from the beginning. rules: the
    quota of Contributor Insights rules. Trouble that the daemon would live with raises WatcherError here."""

    specs: Sequence[TableSpec]
    policies: Mapping[str, TablePolicy]
    store: Store
    seed: int = 1
    samplers: Mapping[Place, SamplerMode] = field(default_factory=dict)
    rules: int = SamplingLimits().rules
    box: Mailbox = field(default_factory=Mailbox)
    plant: Plant = field(init=False)
    aws: PlantAws = field(init=False)
    clock: SimulatedClock = field(init=False)
    cycle: Cycle = field(init=False)

    def __post_init__(self) -> None:
        self.plant = Plant(START, seed=self.seed, account_quota=ACCOUNT_QUOTA)
        for spec in self.specs:
            self.plant.create(spec)
        self.clock = SimulatedClock(float(START))
        self.clock.advance(2 * 60 + OFFSET)
        self.aws = PlantAws(self.plant, self.clock, samplers=self.samplers, quota=self.rules)
        self.cycle = Cycle(
            [self.aws.region()],
            store=self.store,
            notifier=self.box,
            telemetry=StrictTelemetry(),
            clock=self.clock,
            policies=self.policies.get,
            settings=CycleSettings(workers=1, latency=False),
            sampling=SamplingLimits(rules=self.rules),
        )

    def turn(self) -> CycleReport:
        """One pass; the clock stands a minute later then."""
        report = self.cycle.run()
        self.clock.advance(60)
        return report
