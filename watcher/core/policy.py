"""What the owner of a table wants: bounds, mode, objective; and the numbers that the objective stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

from watcher.core.model import Dimension, Kind
from watcher.core.reasons import Mode


class Objective(StrEnum):
    ECONOMY = "economy"
    BALANCED = "balanced"
    SAFE = "safe"


class AutoScaling(StrEnum):
    """What to do where Application Auto Scaling holds a dimension."""

    RESPECT = "respect"  # advise only
    FLOOR = "floor"  # raise its MinCapacity while needed, then put it back


@dataclass(frozen=True, slots=True)
class Bounds:
    """Units per second, both ends allowed; 1 <= min <= max."""

    min: int
    max: int

    def clamp(self, units: float) -> int:
        """``units`` rounded up and brought into the bounds."""
        return min(self.max, max(self.min, -int(-units // 1)))


# The default per-table quota, for tables that are only advised on and have no bounds of their own. FACTS 3.1.
DEFAULT_BOUNDS = Bounds(1, 40_000)


@dataclass(frozen=True, slots=True)
class Tuning:
    """Every number of the control policy, in one place. Fractions are of 1; times in seconds.

    target: utilisation a new capacity is sized for. raise_above: utilisation that asks for a raise without throttling.
    """

    target: float = 0.70
    raise_above: float = 0.85
    demand_minutes: int = 3  # a raise looks at the largest demand of these newest minutes
    quiet_minutes: int = 20  # a decrease looks at the largest demand of these
    demand_cap: float = 20.0  # one minute's estimate is at most this multiple of the capacity it was seen at
    least_known: int = 60  # minutes of a dimension that must be known before its first decrease
    lower_saving: float = 0.125  # smallest saving worth a decrease an hour after the last one
    early_saving: float = 0.40  # smallest saving worth one sooner than that, which only the first four of a day can be
    ride_saving: float = 0.02  # the sibling kind's saving that joins a decrease already paid for
    lower_hold: float = 900.0  # seconds between two decreases of one table or index, so that each is seen at work
    memory_share: float = 0.5  # a decrease leaves room for this part of the largest demand of the last three hours
    reserve: int = 1  # of the first four, kept for the evening
    reserve_until: float = 20 * 3600.0  # second of the UTC day from which the reserve may be spent
    actuation: float = 45.0  # seconds that a change needs to take effect; minutes that began sooner do not show it yet
    raise_hold: float = 600.0  # no decrease this long after a raise
    throttle_hold: float = 1200.0  # nor this long after a throttle
    max_raise_factor: float = 20.0
    max_lower_factor: float = 8.0  # never below an eighth in one step
    max_changes_per_hour: int = 20
    foreign_hold: float = 3600.0  # advise only, this long after another hand changed capacity
    stale_after: float = 300.0  # a newest point whose minute ended longer ago than this is stale
    # Minutes that ended longer ago are taken as published for good. A minute less than stale_after, so that a series
    # which CloudWatch stopped publishing (no traffic) is a fresh zero and not stale for ever.
    settled_after: float = 240.0


OBJECTIVES: Mapping[Objective, Tuning] = {
    Objective.ECONOMY: Tuning(target=0.80, raise_above=0.92, quiet_minutes=15),
    Objective.BALANCED: Tuning(),
    Objective.SAFE: Tuning(target=0.55, raise_above=0.70, quiet_minutes=40),
}


@dataclass(frozen=True, slots=True)
class IncidentRules:
    """When a table's trouble is worth a message.

    open_events: throttled events in the last ``window`` that open an incident at once; fewer open one when they show in
    ``open_minutes`` different minutes of it, so that a lone event that an SDK retried away wakes nobody; and below
    ``open_share`` of the requests only a trickle that shows in every minute of the window does.
    resolve_after: calm seconds, with fresh data, that close it. critical_share: share of a dimension's
    requests throttled that makes it critical.
    slow_factor, slow_floor_ms, slow_minutes: an operation is slow when its average is above factor x its own normal,
    above the floor, for this many minutes in a row.
    """

    open_events: float = 10.0
    open_minutes: int = 2
    open_share: float = 0.001
    window: float = 300.0
    resolve_after: float = 600.0
    critical_share: float = 0.05
    worsen_factor: float = 4.0
    slow_factor: float = 3.0
    slow_floor_ms: float = 20.0
    slow_minutes: int = 5


@dataclass(frozen=True, slots=True)
class TablePolicy:
    """The config's word on one table. bounds: the table's own. index_bounds: by pattern, first match wins."""

    mode: Mode = Mode.ADVISE
    objective: Objective = Objective.BALANCED
    bounds: Mapping[Kind, Bounds] = field(default_factory=dict)
    index_bounds: tuple[tuple[str, Mapping[Kind, Bounds]], ...] = ()
    auto_scaling: AutoScaling = AutoScaling.RESPECT
    tuning: Tuning = field(default_factory=Tuning)
    incidents: IncidentRules = field(default_factory=IncidentRules)

    def bounds_for(self, dimension: Dimension) -> Bounds | None:
        """The configured bounds of a dimension, or None where the config says nothing about it."""
        if dimension.is_table:
            return self.bounds.get(dimension.kind)
        for pattern, bounds in self.index_bounds:
            if fnmatchcase(dimension.index, pattern):
                return bounds.get(dimension.kind)
        return None
