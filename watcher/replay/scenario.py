"""What a replay is about: the recorded traffic, the table that has to serve it, and the world around the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from watcher.core.model import Dimension, Kind
from watcher.core.policy import DEFAULT_BOUNDS, Bounds, TablePolicy
from watcher.core.reasons import Mode
from watcher.replay.trace import Trace

HALF_HOUR = 1800
# The busiest minute of the first half hour in units, over this, is 1.2 times that in units a second: one division, so
# that a whole number stays whole.
OPENING_DIVISOR = 60.0 / 1.2


def acting_policy() -> TablePolicy:
    """Act on both kinds, within what AWS's default quota allows a table."""
    return TablePolicy(mode=Mode.ACT, bounds=dict.fromkeys(Kind, DEFAULT_BOUNDS))


@dataclass(frozen=True, slots=True)
class World:
    """The plant's numbers (see :class:`watcher.replay.plant.Plant`), seconds where nothing else is said.

    retry_factor: share of what a second throttles that is asked for again in the next. mean_units_per_request: sets
    how many throttle events the throttled units make.
    """

    seed: int = 1
    publication: float = 60.0
    jitter: float = 10.0
    late_share: float = 0.01
    late: float = 180.0
    actuation: float = 30.0
    spread: float = 0.05
    retry_factor: float = 0.0
    mean_units_per_request: float = 1.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """One table whose ``kind`` is asked for what ``trace`` recorded, and whose other kind is idle at its minimum.

    trace: already rescaled. policy: the owner's word on the table; its bounds hold for every policy replayed.
    name: what the trace is called in the result.
    """

    trace: Trace
    kind: Kind = Kind.WRITE
    policy: TablePolicy = field(default_factory=acting_policy)
    world: World = field(default_factory=World)
    name: str = ""

    @property
    def dimension(self) -> Dimension:
        return Dimension("", self.kind)

    def bounds(self, kind: Kind) -> Bounds:
        """What the policy says, else what AWS's default quota allows."""
        return self.policy.bounds_for(Dimension("", kind)) or DEFAULT_BOUNDS

    def opening(self) -> int:
        """Units per second at the start: 1.2 times the busiest minute of the first half hour, within the bounds."""
        return self.bounds(self.kind).clamp(max(self._first_half_hour().values()) / OPENING_DIVISOR)

    def peak(self) -> int:
        """Units per second of the trace's busiest minute, within the bounds: what a careful owner who knew the future
        would provision for good."""
        return self.bounds(self.kind).clamp(max(self.trace.minutes(seed=self.world.seed).values()) / 60)

    def _first_half_hour(self) -> Mapping[int, float]:
        start = self.trace.start
        minutes = self.trace.minutes(seed=self.world.seed)
        return {minute: units for minute, units in minutes.items() if minute < start + HALF_HOUR}
