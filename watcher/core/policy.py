"""What the owner of a table wants: bounds, mode, objective; and the numbers that the objective stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import lru_cache

from watcher.core.insights import Sampling
from watcher.core.model import Dimension, Kind
from watcher.core.reasons import Mode
from watcher.core.schedule import Schedule


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
    """Every number of the control policy, in one place. Fractions are of 1; times in seconds, or in minutes where the
    name or the comment says so."""

    # How far the forecast is to be trusted.
    margin_calm: float = 0.995  # share of its own past errors that a forecast covers while demand is at its usual level
    margin_elevated: float = 0.95  # and while demand stands out from it
    margin_most: float = 1.0  # largest margin, as a natural logarithm: e times the level
    margin_half_life: float = 1440.0  # minutes after which an error counts half
    loss_decay: float = 0.9995  # a minute, of what each level has cost so far
    standing_out: float = 2.0  # demand above this multiple of the last hour's usual stands out
    headroom: float = 0.13  # on top of the forecast
    ceiling: float = 0.5  # part of the last day's largest five minutes that may be planned for before it comes
    seasons: bool = True  # look at the hour, the day and the week
    # A sudden rise is seen only in part in its first minute.
    jump_from: float = 1.5  # multiple of the last hour's busiest minute from which a rise is sudden
    jump_window: int = 60  # minutes of that hour
    jump_rate: float = 0.05  # how fast it is learned how far such rises go
    jump_boost: float = 1.0  # multiple of what was learned that is allowed for
    climb: float = 1.0  # how much of a climb's slope is taken to go on
    climb_from: float = 1.3  # multiple of the last hour's usual from which a rise of several minutes is a climb
    # The burst bucket.
    bucket: bool = True  # rely on it at all
    horizon: float = 360.0  # seconds that capacity and bucket together must carry what is planned
    reserve_calm: float = 0.0  # seconds of capacity kept in the bucket
    reserve_elevated: float = 60.0  # and while demand stands out
    dip: float = 0.15  # a decrease may go this far under demand where the table hardly ever jumps
    dip_calm: float = 0.6  # margin from which a table jumps too much for that
    # Raising.
    raise_step: float = 0.02  # smaller raises wait, unless it throttles
    throttle_factor: float = 1.5  # of the demand seen, when it throttled
    most_shown: float = 20.0  # one minute's estimate is at most this multiple of the capacity it was seen at
    effect: float = 30.0  # seconds that a change usually needs to take effect
    actuation: float = 45.0  # seconds after which it surely has; minutes that began sooner do not show it yet
    max_raise_factor: float = 20.0
    max_changes_per_hour: int = 60
    # Lowering.
    quiet_minutes: int = 20  # of these, nine in ten must be known before a decrease
    least_known: int = 60  # minutes of a dimension that must be known before its first decrease
    lower_saving: float = 0.15  # smallest saving worth a decrease an hour after the last one
    early_saving: float = 0.35  # smallest saving worth one sooner than that, which only the first four of a day can be
    ride_saving: float = 0.02  # the sibling kind's saving that joins a decrease already paid for
    lower_hold: float = 300.0  # seconds between two decreases of one table or index, so that each is seen at work
    lower_wait: float = 0.3  # a decrease waits while it would end this much of itself above the usual level
    reserve: int = 1  # of the first four, kept for the evening
    reserve_until: float = 20 * 3600.0  # second of the UTC day from which the reserve may be spent
    raise_hold: float = 300.0  # no decrease this long after a raise
    throttle_hold: float = 900.0  # nor this long after a throttle
    max_lower_factor: float = 100.0  # never below this part in one step
    # Trust in what is seen.
    demand_minutes: int = 3  # what reports call the demand is the largest of these newest minutes
    foreign_hold: float = 3600.0  # advise only, this long after another hand changed capacity
    stale_after: float = 300.0  # a newest point whose minute ended longer ago than this is stale
    # Minutes that ended longer ago are taken as published for good. A minute less than stale_after, so that a series
    # which CloudWatch stopped publishing (no traffic) is a fresh zero and not stale for ever.
    settled_after: float = 240.0


OBJECTIVES: Mapping[Objective, Tuning] = {
    Objective.ECONOMY: Tuning(margin_calm=0.97, headroom=0.03, climb=0.0, horizon=270.0),
    Objective.BALANCED: Tuning(),
    Objective.SAFE: Tuning(
        margin_calm=0.998,
        margin_most=1.2,
        headroom=0.34,
        ceiling=0.65,
        jump_boost=4.0,
        horizon=420.0,
        reserve_calm=85.0,
        reserve_elevated=85.0,
        dip=0.0,
    ),
}


def between(lower: Tuning, upper: Tuning) -> Tuning:
    """Halfway from one tuning to the next: every number that differs is their mean, rounded where it is whole; what is
    not a number is as in ``upper``, the more careful one."""
    middle = {}
    for one in fields(Tuning):
        low, high = getattr(lower, one.name), getattr(upper, one.name)
        if low == high or isinstance(high, bool):
            middle[one.name] = high
        else:
            mean = (low + high) / 2
            middle[one.name] = round(mean) if isinstance(high, int) else mean
    return Tuning(**middle)


# The operating points, cheapest first: the objectives and what lies between them. Where there is a goal, the nightly
# replay moves a table along them.
POINTS: Mapping[str, Tuning] = {
    "economy": OBJECTIVES[Objective.ECONOMY],
    "lean": between(OBJECTIVES[Objective.ECONOMY], OBJECTIVES[Objective.BALANCED]),
    "balanced": OBJECTIVES[Objective.BALANCED],
    "careful": between(OBJECTIVES[Objective.BALANCED], OBJECTIVES[Objective.SAFE]),
    "safe": OBJECTIVES[Objective.SAFE],
}
# Where a table begins by its goal: the first point whose throttled fraction is not above it.
BEGINNINGS = ((3e-3, "economy"), (1e-3, "lean"), (3e-4, "balanced"), (1e-4, "careful"), (0.0, "safe"))


def beginning(goal: float) -> str:
    """The operating point that a throttled fraction suggests before the table's own past has been replayed."""
    return next(point for least, point in BEGINNINGS if goal >= least)


@lru_cache(maxsize=4096)
def _tuned(point: str, overrides: tuple[tuple[str, float], ...]) -> Tuning:
    return replace(POINTS[point], **dict(overrides))  # type: ignore[arg-type]  # the config's own types


@dataclass(frozen=True, slots=True)
class IncidentRules:
    """When a table's trouble is worth a message.

    open_events: throttled events in the last ``window`` that open an incident at once; fewer open one when they show in
    ``open_minutes`` different minutes of it, so that a lone event that an SDK retried away wakes nobody; and below
    ``open_share`` of the requests only a trickle that shows in every minute of the window does.
    resolve_after: calm seconds, with fresh data, that close it. critical_share: share of a dimension's
    requests throttled that makes it critical.
    flap_window: seconds after it was resolved in which trouble that comes back belongs to the same incident; each time
    the calm that resolves it is twice as long, up to longest_calm seconds.
    blocked_after: seconds that a needed raise is held before that is an incident; lowering_blocked_after: the same of
    a decrease that the budget holds, longer than AWS's hour, so that the budget's ordinary course wakes nobody.
    repeats: seconds after which what stays open is told again, one for each topic that wants it; none, never.
    slow_factor, slow_floor_ms, slow_minutes: an operation is slow when its average is above factor x its own normal,
    above the floor, for this many minutes in a row; or when its p99 is above slow_p99_factor x the p99's own normal and
    above slow_p99_floor_ms, for slow_p99_minutes, since the p99 of few requests jumps.
    slow_critical_factor, slow_critical_floor_ms, slow_critical_minutes: slowness of the average is critical at this
    multiple of its normal and above this floor, or once it has lasted for so many minutes in a row.
    critical_after: seconds of throttling without relief, at ``lasting_share`` of the requests or more, after which a
    warning becomes critical: what SDKs cannot retry away for so long is an outage of some callers.
    """

    open_events: float = 10.0
    open_minutes: int = 2
    open_share: float = 0.001
    window: float = 300.0
    resolve_after: float = 600.0
    critical_share: float = 0.05
    worsen_factor: float = 4.0
    flap_window: float = 3600.0
    longest_calm: float = 7200.0
    blocked_after: float = 300.0
    lowering_blocked_after: float = 5400.0
    repeats: tuple[float, ...] = ()
    slow_factor: float = 3.0
    slow_floor_ms: float = 20.0
    slow_minutes: int = 5
    slow_p99_factor: float = 5.0
    slow_p99_floor_ms: float = 50.0
    slow_p99_minutes: int = 10
    slow_critical_factor: float = 10.0
    slow_critical_floor_ms: float = 100.0
    slow_critical_minutes: int = 60
    critical_after: float = 1800.0
    lasting_share: float = 0.01


@dataclass(frozen=True, slots=True)
class Links:
    """Where a reader of an alert goes next. page: the watcher's own page, as its readers reach it, "" for none.
    runbook: a URL in which {cause}, {table}, {index}, {region} and {account} are replaced, "" for none."""

    page: str = ""
    runbook: str = ""


@dataclass(frozen=True, slots=True)
class TablePolicy:
    """The config's word on one table. bounds: the table's own. index_bounds: by pattern, first match wins.

    goal: the largest fraction of units to be throttled, None for an objective. tuning: the one in force, of the
    objective, or of where the goal begins. overrides: with a goal, its numbers that
    the config itself gives, by name, at every point. sampling: of hot keys. links: of its alerts.
    """

    mode: Mode = Mode.ADVISE
    objective: Objective = Objective.BALANCED
    bounds: Mapping[Kind, Bounds] = field(default_factory=dict)
    index_bounds: tuple[tuple[str, Mapping[Kind, Bounds]], ...] = ()
    auto_scaling: AutoScaling = AutoScaling.RESPECT
    tuning: Tuning = field(default_factory=Tuning)
    incidents: IncidentRules = field(default_factory=IncidentRules)
    schedules: tuple[Schedule, ...] = ()
    goal: float | None = None
    overrides: tuple[tuple[str, float], ...] = ()
    sampling: Sampling = Sampling.OFF
    links: Links = field(default_factory=Links)

    def standing(self, point: str, chosen_for: float | None) -> str:
        """The operating point in force, given the one last chosen and the goal it was chosen for: that one, or where
        the goal begins; "" without a goal."""
        if self.goal is None:
            return ""
        return point if point in POINTS and chosen_for == self.goal else beginning(self.goal)

    def in_force(self, point: str) -> Tuning:
        """The tuning at an operating point; without one, the policy's own. The one place where it is resolved."""
        return _tuned(point, self.overrides) if point else self.tuning

    def at(self, point: str) -> TablePolicy:
        """This policy with the tuning of an operating point in force."""
        return replace(self, tuning=self.in_force(point)) if point else self

    def bounds_for(self, dimension: Dimension) -> Bounds | None:
        """The configured bounds of a dimension, or None where the config says nothing about it."""
        if dimension.is_table:
            return self.bounds.get(dimension.kind)
        for pattern, bounds in self.index_bounds:
            if fnmatchcase(dimension.index, pattern):
                return bounds.get(dimension.kind)
        return None
