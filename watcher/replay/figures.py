"""What a replayed policy gave and what it cost: the figures that policies are compared by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, fsum

from watcher.core.model import Kind
from watcher.core.prices import ON_DEMAND_PRICE, PENALTY, PROVISIONED_PRICE
from watcher.replay.table import MinuteTruth

HOUR = 3600
CALM = 60  # seconds without a throttled one that end an episode of throttling

Steps = Sequence[tuple[int, int]]
"""(second, units per second) from that second on; the first at the start."""


@dataclass(frozen=True, slots=True)
class Relief:
    """Seconds from the first to the last throttled second of an episode, both counted; 0 when nothing throttled."""

    p50: float = 0.0
    p95: float = 0.0
    max: float = 0.0


@dataclass(frozen=True, slots=True)
class Advice:
    """What the policy itself said of the billing mode. on_demand_since: ISO 8601, where it advised on-demand at the
    trace's end, else None; on_demand_days: how long of the trace it did, all spells together."""

    on_demand_since: str | None = None
    on_demand_days: float = 0.0


@dataclass(frozen=True, slots=True)
class Figures:
    """The contract's keys, by its names.

    Units are capacity units over the trace's known minutes; what SDKs ask again counts as demanded again.
    unit_hours: provisioned capacity integrated from the trace's start to its end, gaps included.
    billed_unit_hours: each clock hour's maximum, times the part of that hour which the trace covers.
    cost_usd: unit_hours at the provisioned price; on demand, the units served at the on-demand price.
    on_demand_cost_usd: the demanded units at the on-demand price. increases, decreases: changes that took effect
    within the trace. rejected_updates: calls of UpdateTable that AWS would have refused. advice: other policies give
    none.
    """

    trace: str
    policy: str
    demanded_units: float
    served_units: float
    throttled_units: float
    throttled_fraction: float
    throttled_minutes: int
    unit_hours: float
    billed_unit_hours: float
    cost_usd: float
    on_demand_cost_usd: float
    increases: int
    decreases: int
    rejected_updates: int
    relief_seconds: Relief
    advice: Advice = Advice()

    @property
    def penalised_cost_usd(self) -> float:
        """The cost, plus ten times the on-demand price for each throttled unit."""
        return self.cost_usd + PENALTY * self.on_demand_cost_usd * self.throttled_fraction


@dataclass(frozen=True, slots=True)
class Result:
    """One policy's replay. demanded, served, throttled: units of each known minute by its start.

    steps: effective capacity, (second, units per second), the first at the trace's start; (start, 0) alone on demand.
    start, end: of the trace, seconds since the epoch. throttled_seconds: every second that throttled, in order.
    """

    figures: Figures
    start: int
    end: int
    demanded: Mapping[int, float]
    served: Mapping[int, float]
    throttled: Mapping[int, float]
    steps: Steps
    throttled_seconds: Sequence[int]


@dataclass(frozen=True, slots=True)
class Played:
    """What a replay left behind, for :func:`result_of`. steps: as the plant has them, empty on demand."""

    trace: str
    policy: str
    kind: Kind
    start: int
    end: int
    truth: Mapping[int, MinuteTruth]
    steps: Steps
    rejected: int
    advice: Advice = Advice()


def result_of(played: Played) -> Result:
    """Work out the figures."""
    truth = played.truth
    steps = effective(played.steps or [(played.start, 0)], played.start, played.end)
    seconds = list(throttled_seconds(truth))
    return Result(
        figures=_figures(played, steps, relief(seconds)),
        start=played.start,
        end=played.end,
        demanded={minute: one.demanded for minute, one in truth.items()},
        served={minute: one.served for minute, one in truth.items()},
        throttled={minute: one.throttled for minute, one in truth.items()},
        steps=steps,
        throttled_seconds=seconds,
    )


def _figures(played: Played, steps: Steps, relieved: Relief) -> Figures:
    truth = played.truth.values()
    demanded = fsum(one.demanded for one in truth)
    served = fsum(one.served for one in truth)
    throttled = fsum(one.throttled for one in truth)
    unit_price = ON_DEMAND_PRICE[played.kind]
    hours = unit_hours(steps, played.end)
    return Figures(
        trace=played.trace,
        policy=played.policy,
        demanded_units=demanded,
        served_units=served,
        throttled_units=throttled,
        throttled_fraction=throttled / demanded if demanded else 0.0,
        throttled_minutes=sum(1 for one in truth if one.throttled > 0.0),
        unit_hours=hours,
        billed_unit_hours=billed_unit_hours(steps, played.end),
        cost_usd=hours * PROVISIONED_PRICE[played.kind] if played.steps else served * unit_price,
        on_demand_cost_usd=demanded * unit_price,
        increases=sum(1 for (_, before), (_, after) in pairwise(steps) if after > before),
        decreases=sum(1 for (_, before), (_, after) in pairwise(steps) if after < before),
        rejected_updates=played.rejected,
        relief_seconds=relieved,
        advice=played.advice,
    )


def effective(steps: Steps, start: int, end: int) -> Steps:
    """The steps within [start, end), the first moved to the start."""
    first, later = steps[0], steps[1:]
    return [(start, first[1]), *((second, units) for second, units in later if second < end)]


def spans(steps: Steps, end: int) -> Iterator[tuple[int, int, int]]:
    """(from second, to second, units per second), without gaps up to the end."""
    for (start, units), (until, _) in pairwise([*steps, (end, 0)]):
        if until > start:
            yield start, until, units


def unit_hours(steps: Steps, end: int) -> float:
    """Capacity integrated over time."""
    return sum((until - start) * units for start, until, units in spans(steps, end)) / HOUR


def billed_unit_hours(steps: Steps, end: int) -> float:
    """The sum over clock hours of the hour's largest capacity, times the part of the hour up to the end (and, of the
    first, from the start)."""
    start = steps[0][0]
    largest: dict[int, int] = {}
    for begin, until, units in spans(steps, end):
        for hour in range(begin // HOUR, ceil(until / HOUR)):
            largest[hour] = max(largest.get(hour, 0), units)
    covered = {hour: min(end, (hour + 1) * HOUR) - max(start, hour * HOUR) for hour in largest}
    return sum(units * covered[hour] for hour, units in largest.items()) / HOUR


def throttled_seconds(truth: Mapping[int, MinuteTruth]) -> Iterator[int]:
    """Every second in which anything was throttled, oldest first."""
    for minute, one in truth.items():
        bits = one.throttled_seconds
        while bits:
            lowest = bits & -bits
            yield minute + lowest.bit_length() - 1
            bits ^= lowest


def episodes(seconds: Iterable[int], calm: int = CALM) -> list[int]:
    """The length of each episode of throttling: from its first to its last throttled second, both counted. It ends
    when ``calm`` seconds pass without one."""
    lengths: list[int] = []
    first = last = None
    for second in seconds:
        if first is None or last is None:
            first = second
        elif second - last > calm:
            lengths.append(last - first + 1)
            first = second
        last = second
    return [*lengths, last - first + 1] if first is not None and last is not None else lengths


def relief(seconds: Iterable[int], calm: int = CALM) -> Relief:
    """How long episodes last: the nearest-rank percentiles, so that each is the length of a real one."""
    lengths = sorted(episodes(seconds, calm))
    if not lengths:
        return Relief()
    p50, p95 = (float(lengths[ceil(share * len(lengths) / 100) - 1]) for share in (50, 95))
    return Relief(p50, p95, float(lengths[-1]))
