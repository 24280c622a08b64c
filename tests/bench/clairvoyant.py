"""An achievable schedule that knows the future: (next to) nothing throttled, the decrease budget kept, the cost low.

No policy can be asked for less than this, so it is what the calm recordings are measured by. Four steps:

1. ``smoothed``: the evenest supply that a bucket allows, the taut string between the units demanded so far and the
   same plus what the bucket holds. It says how much each minute needs if capacity could fall at any time.
2. ``cuts``: where to spend the decreases. Between two of them capacity can only rise, so it stays at the largest need
   so far; a dynamic programme over all instants and the number of decreases of the day finds the cheapest choice.
3. ``mended``: the minutes that the bucket cannot bear after all get more, until none is left.
4. ``pared``: each stretch of constant capacity is lowered as far as the minutes after it allow.

The lower bound is the demand itself: capacity that is never idle. Not the optimum, but a few percent off at most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil, inf

from watcher.core.model import Kind
from watcher.core.policy import Bounds
from watcher.replay import runner
from watcher.replay.baselines import parse_policy
from watcher.replay.figures import Played, Result, result_of
from watcher.replay.flow import BURST_SECONDS
from watcher.replay.scenario import Scenario, World
from watcher.replay.spread import profile, salt

POLICY = "clairvoyant"
GRID = 5  # minutes between the instants at which a decrease may be planned
REACH = 1440 + 6 * GRID  # minutes between two decreases that the programme looks at
LOOK_AHEAD = 2880  # minutes that one stretch of the string may span
SHARE = 0.95  # of the bucket that the string relies on
SMOOTHINGS = 3  # the bucket depends on the capacity that it is to tell, so the string is drawn this often
MENDINGS = 80
PARINGS = 3
FREE = 4  # decreases of a UTC day; further ones an hour after the last


@dataclass(frozen=True, slots=True)
class Load:
    """What has to be served, minute by minute from ``first`` (seconds since the epoch).

    actuation: whole seconds, at most 60, from a call to its effect, which is planned for the start of a minute.
    units: capacity units of each minute, 0 where not ``known``. Its seconds are uneven: ``dips`` is how far they run
    ahead of an even minute at worst, which the bucket must hold at both ends; ``lags`` how far behind, by so much less
    than full the bucket may be after a minute in which it overflowed. Units.
    """

    first: int
    units: Sequence[float]
    known: Sequence[bool]
    dips: Sequence[float]
    lags: Sequence[float]
    actuation: int = 30

    def __len__(self) -> int:
        return len(self.units)

    def day(self, index: int) -> int:
        """The UTC day of the call for a change that takes effect when minute ``index`` starts."""
        return (self.first + 60 * index - self.actuation) // 86_400


def load_of(minutes: Mapping[int, float], world: World, purpose: int) -> Load:
    """The load of a trace's minutes. purpose: the salt of the dimension whose seconds they are spread over."""
    first = min(minutes)
    starts = range(first, max(minutes) + 60, 60)
    uneven = [_unevenness(purpose, minute, minutes.get(minute, 0.0), world.spread) for minute in starts]
    return Load(
        first=first,
        units=[minutes.get(minute, 0.0) for minute in starts],
        known=[minute in minutes for minute in starts],
        dips=[dip for dip, _ in uneven],
        lags=[lag for _, lag in uneven],
        actuation=ceil(world.actuation),
    )


def _unevenness(purpose: int, minute: int, units: float, dispersion: float) -> tuple[float, float]:
    """How far the minute's seconds run ahead of an even minute at worst, and how far behind."""
    if units <= 0.0:
        return 0.0, 0.0
    gap = ahead = behind = 0.0
    for weight in profile(purpose, minute, units, dispersion)[0]:
        gap += weight - 1.0 / 60.0
        ahead, behind = max(ahead, gap), min(behind, gap)
    return ahead * units, -behind * units


# 1 -------------------------------------------------------------------------------------------------------------------


def smoothed(load: Load) -> list[float]:
    """The evenest supply, units per second of each minute."""
    size = len(load)
    reserve = [max(load.dips[max(0, i - 1)], load.dips[min(size - 1, i)]) for i in range(size + 1)]
    rates = [_around(load.units, i) / 60.0 for i in range(size)]
    for _ in range(SMOOTHINGS):
        room = [SHARE * BURST_SECONDS * min(rates[max(0, i - 1)], rates[min(size - 1, i)]) for i in range(size + 1)]
        rates = _taut(load.units, [max(pair) for pair in zip(room, reserve, strict=True)], reserve)
    return rates


def _around(units: Sequence[float], index: int, reach: int = 10) -> float:
    near = units[max(0, index - reach) : index + reach]
    return sum(near) / len(near)


def _taut(units: Sequence[float], room: Sequence[float], reserve: Sequence[float]) -> list[float]:
    """The shortest path between the cumulated units plus ``reserve`` and the same plus ``room``, as rates a second."""
    low, high, total = [reserve[0]], [room[0]], 0.0
    for i, one in enumerate(units, 1):
        total += one
        low.append(total + reserve[i])
        high.append(total + room[i])
    rates: list[float] = []
    at, level = 0, low[0]
    while at < len(units):
        until, to = _stretch(low, high, at, level)
        rates += [max(0.0, (to - level) / (until - at) / 60.0)] * (until - at)
        at, level = until, to
    return rates


def _stretch(low: Sequence[float], high: Sequence[float], at: int, level: float) -> tuple[int, float]:
    """The next corner of the string after (at, level)."""
    steepest, flattest = -inf, inf
    floor = ceiling = at
    for i in range(at + 1, min(len(low), at + 1 + LOOK_AHEAD)):
        least, most = (low[i] - level) / (i - at), (high[i] - level) / (i - at)
        if least > flattest:
            return ceiling, high[ceiling]
        if most < steepest:
            return floor, low[floor]
        if least >= steepest:
            steepest, floor = least, i
        if most <= flattest:
            flattest, ceiling = most, i
    return floor, low[floor]


# 2 -------------------------------------------------------------------------------------------------------------------

Cell = tuple[int, int]
"""An instant of the grid, and how many decreases its day has had with this one; FREE + 1 stands for more."""


@dataclass(slots=True)
class Programme:
    """The cheapest way to each cell, and the cell before it."""

    cost: list[list[float]]
    before: dict[Cell, Cell] = field(default_factory=dict)

    def relax(self, here: Cell, there: Cell, cost: float) -> None:
        if cost < self.cost[there[0]][there[1]]:
            self.cost[there[0]][there[1]] = cost
            self.before[there] = here


def cuts(rates: Sequence[float], load: Load, grid: int = GRID) -> list[int]:
    """Indices of the minutes at whose start capacity may fall, the cheapest choice that the budget allows; 0 first."""
    highest = [max(rates[i : i + grid]) for i in range(0, len(rates), grid)]
    days = [load.day(grid * i) for i in range(len(highest) + 1)]
    programme = Programme([[inf] * (FREE + 2) for _ in days])
    programme.cost[0][0] = 0.0
    for i in range(len(highest)):
        _extend(programme, i, highest, days, grid)
    found: list[int] = []
    cell = (len(highest), 0)
    while cell[0] > 0:
        cell = programme.before[cell]
        found.append(cell[0] * grid)
    return found[::-1]


def _extend(programme: Programme, i: int, highest: Sequence[float], days: Sequence[int], grid: int) -> None:
    """Every stretch without a decrease that starts at ``i``."""
    counts = [count for count, cost in enumerate(programme.cost[i]) if cost < inf]
    if not counts:
        return
    costs = programme.cost[i]
    cheapest = min(counts, key=lambda count: costs[count])
    level = spent = 0.0
    for j in range(i + 1, min(len(highest), i + REACH // grid) + 1):
        level = max(level, highest[j - 1])
        spent += level
        if j == len(highest):  # the end is no decrease
            programme.relax((i, cheapest), (j, 0), costs[cheapest] + spent)
        elif days[j] != days[i]:
            programme.relax((i, cheapest), (j, 1), costs[cheapest] + spent)
        else:
            for count in counts:
                if count < FREE or (j - i) * grid >= 60:
                    programme.relax((i, count), (j, min(count + 1, FREE + 1)), costs[count] + spent)


# 3 and 4 -------------------------------------------------------------------------------------------------------------


def schedule(load: Load, opening: int, bounds: Bounds) -> list[int]:
    """The capacity of each minute, units per second; the first minute has ``opening``, which is given."""
    rates = smoothed(load)
    rates[0] = max(rates[0], float(opening))
    falls: list[int] = []
    for _ in range(2):  # the mended needs are higher, so other instants may be better
        falls = cuts(rates, load)
        capacities = mended(load, rates, falls, bounds)
    capacities[0] = opening
    return pared(load, capacities, falls, bounds)


def held(rates: Sequence[float], falls: Sequence[int], bounds: Bounds) -> list[int]:
    """The capacity of each minute: the largest need since the last fall."""
    capacities: list[int] = []
    for start, end in pairwise([*falls, len(rates)]):
        level = bounds.min
        for rate in rates[start:end]:
            level = max(level, bounds.clamp(rate - 1e-6))
            capacities.append(level)
    return capacities


def mended(load: Load, rates: list[float], falls: Sequence[int], bounds: Bounds) -> list[int]:
    """Raise ``rates`` (in place) where the bucket fails, from where it was last full; the capacities then."""
    capacities = held(rates, falls, bounds)
    for _ in range(MENDINGS):
        if not _mend(load, rates, capacities):
            break
        capacities = held(rates, falls, bounds)
    return capacities


def _mend(load: Load, rates: list[float], capacities: Sequence[int]) -> bool:
    """One pass over all minutes; whether anything failed that more capacity can cure."""
    bucket, full, failed = 0.0, 1, False
    for i, capacity in enumerate(capacities):
        cap = BURST_SECONDS * capacity
        if bucket >= cap:
            bucket, full = cap, i
        if not load.known[i]:
            continue
        after = bucket + 60.0 * capacity - load.units[i]
        short = load.dips[i] - min(bucket, after)
        if short > 0.0 and i > 0:  # in the first minute the bucket is empty and capacity given
            since = max(1, min(full, i - 1), i - 30)
            more = short / (60.0 * (i + 1 - since)) + 0.01
            for k in range(since, i + 1):
                rates[k] = max(rates[k], capacities[k] + more)
            failed, after, full = True, max(after, load.dips[i]), i + 1
        bucket = max(0.0, after)
        if bucket >= cap - load.lags[i]:
            bucket, full = cap - load.lags[i], i + 1
    return failed


def pared(load: Load, capacities: list[int], falls: Sequence[int], bounds: Bounds) -> list[int]:
    """Lower each stretch of constant capacity as far as the bucket bears, without a decrease at another instant."""
    buckets = [0.0, *_buckets(load, capacities, 0, 0.0)]
    edges = frozenset(falls)
    for _ in range(PARINGS):
        saved = 0
        for start, end in _stretches(capacities, edges):
            floor = bounds.min if start in edges else capacities[start - 1]
            if start > 0:
                saved += _pare(load, capacities, buckets, (start, end), floor)
        if saved < sum(capacities) * 1e-4:
            break
    return capacities


def _stretches(capacities: Sequence[int], edges: frozenset[int]) -> list[tuple[int, int]]:
    # The opening is its own stretch: it is given.
    starts = [i for i in range(len(capacities)) if i < 2 or i in edges or capacities[i] != capacities[i - 1]]
    return list(pairwise([*starts, len(capacities)]))


def _pare(load: Load, capacities: list[int], buckets: list[float], span: tuple[int, int], floor: int) -> int:
    """Lower one stretch, in place, by ever smaller steps; the capacity-minutes saved."""
    start, end = span
    before = level = capacities[start]
    step = max(1, (level - floor) // 2 if level - floor < level // 6 else level // 12)
    while step and level > floor:
        lower = max(floor, level - step)
        capacities[start:end] = [lower] * (end - start)
        found = _rejoined(load, capacities, buckets, span)
        if found is None:
            capacities[start:end] = [level] * (end - start)
            step //= 2
        else:
            buckets[start + 1 : start + 1 + len(found)] = found
            level = lower
    return (before - level) * (end - start)


def _rejoined(
    load: Load, capacities: Sequence[int], buckets: Sequence[float], span: tuple[int, int]
) -> list[float] | None:
    """The buckets after each minute from the span's start until they are as known again; None when one fails."""
    start, end = span
    found: list[float] = []
    bucket = buckets[start]
    known, units, dips, lags = load.known, load.units, load.dips, load.lags
    for i in range(start, len(capacities)):
        cap = BURST_SECONDS * capacities[i]
        bucket = min(bucket, cap)
        if known[i]:
            if bucket < dips[i]:
                return None
            bucket = min(cap - lags[i], bucket + 60.0 * capacities[i] - units[i])
            if bucket < dips[i]:
                return None
        found.append(bucket)
        if i + 1 >= end and abs(bucket - buckets[i + 1]) < 1e-6:
            break
    return found


def _buckets(load: Load, capacities: Sequence[int], start: int, bucket: float) -> list[float]:
    """The bucket after each minute from ``start`` on, whatever it may throttle."""
    found = []
    for i in range(start, len(capacities)):
        cap = BURST_SECONDS * capacities[i]
        bucket = min(bucket, cap)
        if load.known[i]:
            bucket = max(0.0, min(cap - load.lags[i], bucket + 60.0 * capacities[i] - load.units[i]))
        found.append(bucket)
    return found


# On the plant --------------------------------------------------------------------------------------------------------


def play(scenario: Scenario) -> Result:
    """The schedule on the real plant. Raises PlantRefusal when a change is refused: it would break the budget."""
    world, dimension = scenario.world, scenario.dimension
    minutes = scenario.trace.minutes(seed=world.seed)
    load = load_of(minutes, world, salt(world.seed, runner.TABLE, "", scenario.kind))
    opening, bounds = scenario.opening(), scenario.bounds(scenario.kind)
    plant = runner._plant(scenario, parse_policy(f"static:{opening}"))
    other = plant.describe(runner.TABLE).throughputs[""].units
    capacities = schedule(load, opening, bounds)
    for i, (before, after) in enumerate(pairwise(capacities), 1):
        if before != after:
            plant.advance(load.first + 60 * i - load.actuation)
            units = {**other, scenario.kind: after}
            plant.update_throughput(runner.TABLE, {"": (units[Kind.READ], units[Kind.WRITE])})
    plant.advance(ceil(scenario.trace.end / 60) * 60)
    return result_of(
        Played(
            trace=scenario.name,
            policy=POLICY,
            kind=scenario.kind,
            start=scenario.trace.start,
            end=scenario.trace.end,
            truth=plant.truth(runner.TABLE, dimension),
            steps=plant.steps(runner.TABLE, dimension),
            rejected=plant.rejected,
        )
    )
