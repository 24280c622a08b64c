"""What a simulated table is made of and what is asked of it; and AWS's refusals, in AWS's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from watcher.core.model import Billing, Dimension, Kind


@dataclass(frozen=True, slots=True)
class KeyShare:
    """A share (0..1) of a dimension's demand that goes to one partition key, or to one item of it.

    sort: the sort key of that item; "" stands for many items of the key, evenly (for the one item there is, where there
    is no sort key). Shares of the same key live in the same partition, whatever their ``sort``, and so do keys of the
    same ``home``; "": the key is alone. Partitions split when they stay hot (:class:`Partitions`).
    """

    key: str
    share: float
    sort: str = ""
    home: str = ""


@dataclass(frozen=True, slots=True)
class MinuteDemand:
    """What is asked for in one minute.

    units: capacity units demanded in the whole minute, by dimension; a missing dimension is 0. The WRITE demand of an
    index is never read from here: it is the table's writes times the index's ``write_ratio``.
    hot: the shares that go to named keys, by dimension; they sum to at most 1, and what is left is spread over so many
    keys that none of them is hot. For an index's WRITE, shares of the derived demand.
    latency_factor: multiplies the latency of every operation of the minute.
    known: False where nothing is known of the minute (a gap in a recording): it leaves no points and no truth, and
    the buckets as they were.
    """

    units: Mapping[Dimension, float] = field(default_factory=dict)
    hot: Mapping[Dimension, tuple[KeyShare, ...]] = field(default_factory=dict)
    latency_factor: float = 1.0
    known: bool = True


DemandSource = Callable[[int], MinuteDemand]
"""Minute start (seconds since the epoch, a multiple of 60) -> its demand. A pure function of the minute."""


def no_demand(_minute: int) -> MinuteDemand:
    """The demand source of an idle table."""
    return MinuteDemand()


@dataclass(frozen=True, slots=True)
class IndexSpec:
    """A global secondary index. read, write: units per second (ignored on demand).

    write_ratio: index write units per table write unit. on_demand_max: the owner's cap, units per second per kind.
    has_sort_key, monotonic: as for a table.
    """

    name: str
    read: int = 0
    write: int = 0
    write_ratio: float = 1.0
    on_demand_max: Mapping[Kind, int] = field(default_factory=dict)
    has_sort_key: bool = False
    monotonic: bool = False


@dataclass(frozen=True, slots=True)
class TableSpec:
    """A table as created. read, write: units per second (ignored on demand).

    on_demand_max: the owner's cap, units per second per kind. units_per_request: how many units one request takes,
    which sets the request and throttle-event counts. retry_factor: the share (0..1) of what a second throttled that
    is asked for again in the next second of the same minute, as SDKs do. monotonic: sort keys only rise, so that no
    split cures a hot partition key. unseen: the share (0..1) of the traffic that Contributor Insights does not see,
    as it does not see PartiQL.
    """

    name: str
    read: int = 0
    write: int = 0
    billing: Billing = Billing.PROVISIONED
    on_demand_max: Mapping[Kind, int] = field(default_factory=dict)
    indexes: tuple[IndexSpec, ...] = ()
    demand: DemandSource = no_demand
    has_sort_key: bool = False
    units_per_request: float = 1.0
    retry_factor: float = 0.0
    monotonic: bool = False
    unseen: float = 0.0


class PlantRefusal(Exception):
    """DynamoDB says no. ``code`` is the AWS error code ("ResourceInUseException"), ``message`` AWS's text."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
