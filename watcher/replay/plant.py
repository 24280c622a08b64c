"""A simulated DynamoDB Region with its CloudWatch and Contributor Insights, in one-second steps.

The parts: ``spec`` (what is asked), ``flow`` and ``table`` (buckets, ceilings, back pressure), ``control`` and
``budget`` (UpdateTable), ``publication`` and ``published`` (what is seen of it, and when).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from math import ceil

from watcher.core.model import (
    CAUSE_METRICS,
    Billing,
    Dimension,
    KeySchema,
    Kind,
    Metric,
    TableDescription,
    TableKey,
)
from watcher.replay import published
from watcher.replay.control import Quotas, TableControl, check_account, check_values, not_found, total
from watcher.replay.publication import Publication
from watcher.replay.published import OPERATIONS, Contributor
from watcher.replay.spec import DemandSource, IndexSpec, KeyShare, MinuteDemand, PlantRefusal, TableSpec, no_demand
from watcher.replay.spread import salt
from watcher.replay.table import Cut, KeyTruth, MinuteTruth, TableFlows

__all__ = [
    "ACCOUNT",
    "Contributor",
    "DemandSource",
    "IndexSpec",
    "KeyShare",
    "KeyTruth",
    "MinuteDemand",
    "MinuteTruth",
    "Plant",
    "PlantRefusal",
    "TableSpec",
    "no_demand",
    "schemas_of",
]

ACCOUNT = "123456789012"
LISTED = 14 * 86_400  # ListMetrics shows what had data in the last two weeks
LATENCY_METRICS = frozenset({Metric.LATENCY_AVERAGE, Metric.LATENCY_P99})
THROTTLES = frozenset({Metric.THROTTLED, *CAUSE_METRICS})


class Plant:
    """One Region of one account. Time is moved by ``advance`` only; everything is a function of the seed.

    start: first second simulated. seed: of the spread over seconds, the publication delays and the latency noise.
    publication: seconds after a minute's end at which CloudWatch shows its points, plus up to ``jitter`` seconds;
    ``late_share`` of the points come ``late`` seconds later still. actuation: seconds from an accepted UpdateTable
    until it takes effect. spread: squared coefficient of variation of the seconds within a minute that remains at
    high volume; counting noise comes on top, 0 is an exactly even minute. table_quota / account_quota: units per
    second, each kind apart. retention: seconds that points and truth are kept (math.inf: for ever). split_after: a
    partition splits for heat when it was throttled in that many seconds of the last two times as many; AWS does not
    publish it. insights_delay: Contributor Insights' ``publication``, which AWS does not publish either.
    """

    def __init__(
        self,
        start: int,
        *,
        seed: int = 1,
        region: str = "us-east-1",
        publication: float = 60.0,
        jitter: float = 10.0,
        late_share: float = 0.01,
        late: float = 180.0,
        actuation: float = 30.0,
        spread: float = 0.05,
        table_quota: int = 40_000,
        account_quota: int = 80_000,
        retention: float = 15 * 86_400.0,
        split_after: float = 600.0,
        insights_delay: float = 60.0,
    ) -> None:
        self.start = self.now = float(start)
        self.region = region
        self._seed = seed
        self._publication = Publication(publication, jitter, late_share, late)
        self._insights = Publication(insights_delay, jitter, late_share, late)
        self._actuation = actuation
        self._split_after = split_after
        self._spread = spread
        self._quotas = Quotas(table_quota, account_quota, region)
        self._retention = retention
        self._cursor = int(start) // 60 * 60  # first minute not yet run
        self._controls: dict[str, TableControl] = {}
        self._flows: dict[str, TableFlows] = {}  # outlives its table: CloudWatch does not forget
        self._incarnations: dict[str, int] = {}
        self._salts: dict[tuple[str, ...], int] = {}
        # The last answer of each table's series, None for a minute that has no point: neither changes any more.
        self._shown: dict[str, dict[tuple[str, ...], dict[int, float | None]]] = {}

    def create(self, spec: TableSpec) -> None:
        """Create a table, ACTIVE at once, its buckets empty; traffic starts with the next whole second.

        Raises PlantRefusal: ResourceInUseException when it exists, ValidationException and LimitExceededException
        for values no table can have or the account cannot afford.
        """
        if spec.name in self._controls:
            raise PlantRefusal("ResourceInUseException", f"Table already exists: {spec.name}")
        control = TableControl(spec)
        if spec.billing is Billing.PROVISIONED:
            for part in control.parts.values():
                check_values(part.noun, part.settings.units, self._quotas)
            for kind in Kind:
                check_account(kind, total(self._controls.values(), kind), control.provisioned(kind), self._quotas)
        self._controls[spec.name] = control
        self._incarnations[spec.name] = self._incarnations.get(spec.name, 0) + 1
        self._shown[spec.name] = {}
        self._flows[spec.name] = TableFlows(
            spec,
            ceil(self.now),
            seed=self._seed,
            dispersion=self._spread,
            table_quota=self._quotas.table,
            split_after=self._split_after,
        )

    def delete(self, name: str) -> None:
        """Drop a table at once; its points stay visible. Raises PlantRefusal ResourceNotFoundException."""
        self._control(name)
        del self._controls[name]

    def names(self) -> list[str]:
        """Table names in alphabetical order, as ListTables has them."""
        return sorted(self._controls)

    def spec(self, name: str) -> TableSpec:
        """The table as created. Raises PlantRefusal ResourceNotFoundException."""
        self._control(name)
        return self._flows[name].spec

    def incarnation(self, name: str) -> int:
        """How many tables of this name there have been, which tells one made anew from the old one; 0 when there is
        none now."""
        return self._incarnations[name] if name in self._controls else 0

    def advance(self, to: float) -> None:
        """Simulate up to ``to`` (seconds since the epoch). Raises ValueError when ``to`` lies before ``now``.

        Minutes are run when they are over, so points and truth grow by whole minutes.
        """
        if to < self.now:
            raise ValueError(f"cannot go back from {self.now} to {to}")
        while self._cursor + 60 <= to:
            for name in self._controls:
                self._flows[name].run(self._cursor)
            self._cursor += 60
            if self._cursor % 86_400 == 0:
                for flows in self._flows.values():
                    flows.forget(self._cursor - self._retention)
                for shown in self._shown.values():
                    shown.clear()
        self.now = to

    def describe(self, name: str) -> TableDescription:
        """DescribeTable: the old values and UPDATING while a change is under way, the new ones once it is effective.

        The table and each index have a status of their own. Raises PlantRefusal ResourceNotFoundException.
        """
        control = self._control(name)
        control.settle(self.now)
        return TableDescription(
            key=TableKey(ACCOUNT, self.region, name),
            billing=control.billing,
            throughputs={index: part.described(self.now) for index, part in control.parts.items()},
            schemas=schemas_of(self._flows[name].spec),
        )

    def update_throughput(self, name: str, wanted: Mapping[str, tuple[int, int]]) -> None:
        """UpdateTable: {"" for the table, else the index's name: (read, write) units per second}.

        All or nothing; the effect comes ``actuation`` seconds later. Raises PlantRefusal ResourceNotFoundException,
        ResourceInUseException, ValidationException or LimitExceededException.
        """
        control = self._control(name)
        units = {index: {Kind.READ: read, Kind.WRITE: write} for index, (read, write) in wanted.items()}
        others = [other for other in self._controls.values() if other is not control]
        effective = self.now + self._actuation
        control.update(
            units,
            now=self.now,
            effective=effective,
            quotas=self._quotas,
            elsewhere={kind: total(others, kind) for kind in Kind},
        )
        for index, values in units.items():
            self._flows[name].cut(Cut(ceil(effective), index, values))

    def points(
        self,
        name: str,
        metric: Metric,
        *,
        dimension: Dimension | None = None,
        operation: str = "",
        start: float,
        end: float,
    ) -> dict[int, float]:
        """One-minute points with start <= minute < end, as far as visible at ``now``; {} for an unknown name.

        ``dimension`` for unit and throttle metrics, ``operation`` for latencies (milliseconds). CONSUMED: units;
        REQUESTS and the throttle metrics: whole requests, the latter only where not zero.
        """
        flows = self._flows.get(name)
        if flows is None:
            return {}
        if metric in LATENCY_METRICS:
            return self._latencies(name, flows, metric, operation, start, end)
        if dimension is None or dimension not in flows.records:
            return {}
        return self._units(name, flows, metric, dimension, self._finished(flows, start, end))

    def operations(self, name: str) -> frozenset[str]:
        """Operations with a visible latency point in the last two weeks (ListMetrics)."""
        flows = self._flows.get(name)
        if flows is None:
            return frozenset()
        return frozenset(operation for operation in OPERATIONS if self._was_used(name, flows, operation))

    def contributors(
        self, name: str, index: str, *, throttled: bool, start: float, end: float, items: bool = False
    ) -> list[Contributor]:
        """The up to 25 partition keys with the busiest minutes in [start, end), busiest first, as far as visible.

        index: "" for the table. throttled: throttled requests by key (writes that an index refused are not counted on
        the table), else consumed throughput units by key. items: pairs of partition and sort key instead. Traffic
        without a named hot key is even over 1,000 keys.
        """
        flows = self._flows.get(name)
        if flows is None or Dimension(index, Kind.READ) not in flows.records:
            return []
        purpose = self._salt(name, "insights", index)
        minutes = self._finished(flows, start, end)
        return published.contributors(
            [minute for minute in minutes if self._insights.is_visible(purpose, minute, self.now)],
            {kind: flows.records[Dimension(index, kind)] for kind in Kind},
            flows.spec,
            throttled=throttled,
            items=items,
        )

    def overheated(self, name: str, index: str, least: float = 60.0) -> dict[int, tuple[str, ...]]:
        """Partition keys of which a partition's ceiling refused ``least`` units or more in a minute, hottest first, by
        minute; only minutes with any. This is what a watcher should find out."""
        refused: dict[int, dict[str, float]] = {}
        for kind in Kind:
            for minute, truth in self.truth(name, Dimension(index, kind)).items():
                for key in truth.keys:
                    keys = refused.setdefault(minute, {})
                    keys[key.key] = keys.get(key.key, 0.0) + key.key_range
        hot = {
            minute: tuple(sorted((key for key in keys if keys[key] >= least), key=lambda key: (-keys[key], key)))
            for minute, keys in sorted(refused.items())
        }
        return {minute: keys for minute, keys in hot.items() if keys}

    def truth(self, name: str, dimension: Dimension) -> Mapping[int, MinuteTruth]:
        """Every finished minute by its start, oldest first; {} for an unknown name."""
        flows = self._flows.get(name)
        return flows.records.get(dimension, {}) if flows else {}

    def steps(self, name: str, dimension: Dimension) -> Sequence[tuple[int, int]]:
        """(second, units per second) whenever provisioned capacity changed, the first at creation; changes accepted
        but not yet effective are in it. Empty for an unknown name and on demand."""
        flows = self._flows.get(name)
        return flows.steps.get(dimension, ()) if flows else ()

    def _control(self, name: str) -> TableControl:
        if name not in self._controls:
            raise not_found(f"Table: {name}")
        return self._controls[name]

    def _units(
        self, name: str, flows: TableFlows, metric: Metric, dimension: Dimension, minutes: range
    ) -> dict[int, float]:
        if metric in THROTTLES and flows.throttled.get(dimension, -math.inf) < minutes.start:
            return {}
        record = flows.records[dimension]
        series = (metric, dimension.index, dimension.kind)
        purpose = self._salt(name, *series)
        per_request = flows.spec.units_per_request
        when_idle = flows.spec.billing is Billing.PROVISIONED
        before = self._shown[name].get(series, {})
        shown: dict[int, float | None] = {}
        for minute in minutes:
            if minute in before:
                shown[minute] = before[minute]
                continue
            truth = record.get(minute)
            if truth is not None and self._publication.is_visible(purpose, minute, self.now):
                shown[minute] = published.value(metric, truth, per_request, when_idle=when_idle)
        self._shown[name][series] = shown
        return {minute: value for minute, value in shown.items() if value is not None}

    def _latencies(
        self, name: str, flows: TableFlows, metric: Metric, operation: str, start: float, end: float
    ) -> dict[int, float]:
        if operation not in OPERATIONS:
            return {}
        # Both statistics come from the same samples, so they appear together; their noise is their own.
        purpose, noise = self._salt(name, operation), self._salt(name, operation, metric)
        before = self._shown[name].get((operation, metric), {})
        shown: dict[int, float | None] = {}
        for minute in self._finished(flows, start, end):
            if minute in before:
                shown[minute] = before[minute]
            elif not self._publication.is_visible(purpose, minute, self.now):
                continue
            elif published.successes(operation, minute, flows.records):
                factor = flows.spec.demand(minute).latency_factor
                shown[minute] = published.latency(operation, metric, factor, noise, minute)
            else:
                shown[minute] = None
        self._shown[name][operation, metric] = shown
        return {minute: value for minute, value in shown.items() if value is not None}

    def _was_used(self, name: str, flows: TableFlows, operation: str) -> bool:
        used = [flows.newest.get(dimension) for dimension in published.dimensions_of(operation, flows.records)]
        newest = max((minute for minute in used if minute is not None), default=None)
        if newest is None:
            return False
        # Backwards from the last use, which may not be visible yet.
        minutes = range(newest, max(flows.born // 60 * 60, self._cursor - LISTED) - 1, -60)
        purpose = self._salt(name, operation)
        return any(
            published.successes(operation, minute, flows.records)
            and self._publication.is_visible(purpose, minute, self.now)
            for minute in minutes
        )

    def _finished(self, flows: TableFlows, start: float, end: float) -> range:
        """Starts of the finished minutes in [start, end)."""
        first = max(ceil(start / 60) * 60, flows.born // 60 * 60)
        return range(first, min(ceil(end / 60) * 60, self._cursor), 60)

    def _salt(self, *parts: str) -> int:
        known = self._salts.get(parts)
        if known is None:
            known = self._salts[parts] = salt(self._seed, *parts)
        return known


def schemas_of(spec: TableSpec) -> dict[str, KeySchema]:
    """By index, "" for the table. Keys are named pk and sk, those of an index after it."""
    return {
        "": KeySchema("pk", "sk" if spec.has_sort_key else ""),
        **{one.name: KeySchema(one.name, f"{one.name}-sk" if one.has_sort_key else "") for one in spec.indexes},
    }
