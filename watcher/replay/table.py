"""The data plane of one simulated table: minute by minute, what was asked, served and refused.

A minute is run when it is over. By then every change that takes effect inside it is known, because a change is
accepted before it takes effect; so the outcome cannot depend on the steps in which time was advanced.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise, takewhile

from watcher.core.model import TABLE_WRITE, Billing, Dimension, Kind
from watcher.core.reasons import Cause
from watcher.replay.flow import BURST_SECONDS, PARTITION_CEILING, Flow, Meter
from watcher.replay.partitions import Partitions
from watcher.replay.spec import IndexSpec, KeyShare, MinuteDemand, TableSpec
from watcher.replay.spread import profile, salt

DUST = 1e-9  # refusals below this share of a minute's units (or of one unit) are rounding

Hot = Mapping[Dimension, tuple[KeyShare, ...]]

_NO_CAUSES: Mapping[Cause, float] = {}


@dataclass(frozen=True, slots=True)
class KeyTruth:
    """One named partition key, or one named item of it, in one minute; capacity units.

    throttled: refused by its dimension itself. key_range: the part of that which its partition refused, not capacity.
    """

    key: str
    served: float
    throttled: float
    sort: str = ""
    key_range: float = 0.0


@dataclass(frozen=True, slots=True)
class MinuteTruth:
    """What really happened in one finished minute of one dimension; capacity units, whole minute.

    demanded = served + throttled + withheld (retries count as demanded again). withheld: only on an index's writes:
    what the table itself or a sibling index refused, so that this index never had it. causes: ``throttled`` by cause
    (PROVISIONED, KEY_RANGE, ON_DEMAND_CAP, ACCOUNT_LIMIT, INDEX_BACK_PRESSURE), non-zero ones only.
    capacity: units the capacity offered in the minute, bucket left aside (0 on demand). keys: the hot ones.
    throttled_seconds: bit n is set when second n of the minute throttled.
    """

    demanded: float
    served: float
    throttled: float
    withheld: float = 0.0
    causes: Mapping[Cause, float] = field(default_factory=dict)
    capacity: float = 0.0
    keys: tuple[KeyTruth, ...] = ()
    throttled_seconds: int = 0

    @property
    def own_throttled(self) -> float:
        """What the dimension itself refused: all of ``throttled`` but back pressure."""
        return self.throttled - self.causes.get(Cause.INDEX_BACK_PRESSURE, 0.0)


@dataclass(frozen=True, slots=True)
class Cut:
    """New capacity of one part (index "" for the table) from a whole second on; units per second."""

    second: int
    index: str
    units: Mapping[Kind, int]


class TableFlows:
    """All meters of a table, wired up, and the record of its minutes.

    born: first second simulated. records: finished minutes by their start. newest: the last of them in which anything
    was served. throttled: the last one that throttled. steps: (second, units per second) per provisioned dimension, one
    whenever capacity changed, the first at ``born``.
    """

    def __init__(
        self, spec: TableSpec, born: int, *, seed: int, dispersion: float, table_quota: int, split_after: float
    ) -> None:
        self.spec = spec
        self.born = born
        self._dispersion = dispersion
        self._quota = table_quota
        self._provisioned = spec.billing is Billing.PROVISIONED
        parts: dict[str, TableSpec | IndexSpec] = {"": spec, **{index.name: index for index in spec.indexes}}
        self.meters = {Dimension(name, kind): self._meter(part, kind) for name, part in parts.items() for kind in Kind}
        self._partitions = {
            name: Partitions(split_after, has_items=part.has_sort_key, monotonic=part.monotonic)
            for name, part in parts.items()
        }
        self._salts = {dimension: salt(seed, spec.name, dimension.index, dimension.kind) for dimension in self.meters}
        self.records: dict[Dimension, dict[int, MinuteTruth]] = {dimension: {} for dimension in self.meters}
        self.steps: dict[Dimension, list[tuple[int, int]]] = {
            dimension: [(born, int(meter.capacity))] for dimension, meter in self.meters.items() if self._provisioned
        }
        self.newest: dict[Dimension, int] = {}
        self.throttled: dict[Dimension, int] = {}
        self._cuts: list[Cut] = []
        self._ratios = {index.name: index.write_ratio for index in spec.indexes}
        self._flows = self._wired()

    def cut(self, cut: Cut) -> None:
        """Schedule a change. Its second must not lie in a minute already run."""
        self._cuts.append(cut)
        for kind, units in cut.units.items():
            steps = self.steps[Dimension(cut.index, kind)]
            if steps[-1][1] != units:
                steps.append((cut.second, units))

    def run(self, minute: int) -> None:
        """Run one whole minute, or the part of it since the table was born."""
        first = max(0, self.born - minute)
        if first >= 60:
            return
        demand = self.spec.demand(minute)
        # Changes that fall into an unknown minute wait for the next known one: nothing can be seen in between.
        if demand.known:
            self._run_known(minute, first, demand)

    def forget(self, before: float) -> None:
        """Drop minutes that start before ``before``."""
        for record in self.records.values():
            # Oldest first, so the search ends at the first one to keep.
            for minute in list(takewhile(lambda minute: minute < before, record)):
                del record[minute]

    def _run_known(self, minute: int, first: int, demand: MinuteDemand) -> None:
        hot = demand.hot
        for dimension, meter in self.meters.items():
            shares = hot.get(dimension) if hot else None
            meter.begin(self._partitions[dimension.index].groups(dimension.kind, shares) if shares else ())
        edges = self._edges(minute, first)
        for _, flow in self._flows:
            flow.begin()
        prepared = [self._prepared(dimension, minute, demand) for dimension, _ in self._flows]
        for a, b in pairwise(edges):
            self._apply(minute + a + 1)
            for (_, flow), (units, weights, peak) in zip(self._flows, prepared, strict=True):
                flow.run(units, weights if b - a == 60 else weights[a:b], peak, a)
        for dimension, flow in self._flows:
            self._record(minute, dimension, flow, hot)
        if hot:
            self._heat(minute)

    def _heat(self, minute: int) -> None:
        """Let partitions that stayed hot split."""
        for dimension, meter in self.meters.items():
            if meter.hot:
                self._partitions[dimension.index].note(minute, meter.hot, meter.heated)
        for partitions in self._partitions.values():
            partitions.settle(minute)

    def _prepared(
        self, dimension: Dimension, minute: int, demand: MinuteDemand
    ) -> tuple[float, tuple[float, ...], float]:
        units = demand.units.get(dimension, 0.0)
        return units, *profile(self._salts[dimension], minute, units, self._dispersion)

    def _edges(self, minute: int, first: int) -> list[int]:
        """Offsets within the minute between which capacity stands still."""
        if not self._cuts:
            return [first, 60]
        inside = {cut.second - minute for cut in self._cuts if first < cut.second - minute < 60}
        return sorted({first, 60} | inside)

    def _apply(self, before: int) -> None:
        """Let the changes take effect that are due before the second ``before``."""
        while self._cuts and self._cuts[0].second < before:
            cut = self._cuts.pop(0)
            for kind, units in cut.units.items():
                self.meters[Dimension(cut.index, kind)].resize(units)

    def _record(self, minute: int, dimension: Dimension, flow: Flow, hot: Hot) -> None:
        leader = flow.leader
        back_pressure = leader.demanded - leader.served - leader.refused - leader.key_range
        shares = hot.get(dimension, ())
        self._keep(minute, dimension, self._truth(leader, leader.demanded, shares, back_pressure=back_pressure))
        if self._ratios and dimension == TABLE_WRITE:
            for index, ratio in self._ratios.items():
                meter = self.meters[Dimension(index, Kind.WRITE)]
                demanded = leader.demanded * ratio
                withheld = demanded - meter.served - meter.refused - meter.key_range
                follower = Dimension(index, Kind.WRITE)
                shares = hot.get(follower, ())
                self._keep(minute, follower, self._truth(meter, demanded, shares, withheld=withheld))

    def _keep(self, minute: int, dimension: Dimension, truth: MinuteTruth) -> None:
        self.records[dimension][minute] = truth
        if truth.served > 0.0:
            self.newest[dimension] = minute
        if truth.throttled:
            self.throttled[dimension] = minute

    def _truth(
        self,
        meter: Meter,
        demanded: float,
        shares: tuple[KeyShare, ...],
        *,
        back_pressure: float = 0.0,
        withheld: float = 0.0,
    ) -> MinuteTruth:
        capacity = meter.capacity_seconds if self._provisioned else 0.0
        dust = DUST * (1.0 + demanded)
        if demanded - meter.served <= dust:
            keys = tuple(KeyTruth(one.key, one.share * demanded, 0.0, one.sort) for one in shares) if shares else ()
            return MinuteTruth(demanded, demanded, 0.0, 0.0, _NO_CAUSES, capacity, keys)
        withheld = withheld if withheld > dust else 0.0
        causes = {
            cause: units
            for cause, units in (
                (meter.cause, meter.refused),
                (Cause.KEY_RANGE, meter.key_range),
                (Cause.INDEX_BACK_PRESSURE, back_pressure),
            )
            if units > dust
        }
        throttled = sum(causes.values())
        return MinuteTruth(
            demanded,
            demanded - throttled - withheld,
            throttled,
            withheld,
            causes,
            capacity,
            _key_truths(meter, shares) if shares else (),
            meter.throttled_seconds if throttled else 0,
        )

    def _meter(self, part: TableSpec | IndexSpec, kind: Kind) -> Meter:
        ceiling = PARTITION_CEILING[kind]
        if self._provisioned:
            units = part.read if kind is Kind.READ else part.write
            return Meter(float(units), BURST_SECONDS, Cause.PROVISIONED, ceiling)
        # On demand nothing is saved up for bursts: AWS holds a cap, or the table quota where none is set.
        if kind in part.on_demand_max:
            return Meter(float(part.on_demand_max[kind]), 0.0, Cause.ON_DEMAND_CAP, ceiling)
        return Meter(float(self._quota), 0.0, Cause.ACCOUNT_LIMIT, ceiling)

    def _wired(self) -> list[tuple[Dimension, Flow]]:
        """Every stream of requests by the dimension that leads it; an index's writes follow the table's."""
        flows = []
        for dimension, meter in self.meters.items():
            if dimension == TABLE_WRITE:
                followers = tuple(
                    (self.meters[Dimension(index, Kind.WRITE)], ratio) for index, ratio in self._ratios.items()
                )
                flows.append((dimension, Flow(meter, followers, self.spec.retry_factor)))
            elif dimension.kind is Kind.READ:
                flows.append((dimension, Flow(meter, (), self.spec.retry_factor)))
        return flows


def _key_truths(meter: Meter, shares: tuple[KeyShare, ...]) -> tuple[KeyTruth, ...]:
    """The hot keys' parts: their own excess over the ceiling, and their share of what capacity refused."""
    arrived = meter.served + meter.refused + meter.key_range
    below = arrived - meter.key_range
    served, refused = (meter.served / below, meter.refused / below) if below > DUST else (0.0, 0.0)
    over = [0.0] * len(shares)
    for group, above in zip(meter.hot, meter.over, strict=True):
        for number in group.members:
            over[number] = above * (shares[number].share / group.share) if above else 0.0
    truths = []
    for one, above in zip(shares, over, strict=True):
        rest = max(0.0, one.share * arrived - above)
        truths.append(KeyTruth(one.key, rest * served, above + rest * refused, one.sort, above))
    return tuple(truths)
