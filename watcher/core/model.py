"""What the world looks like: tables with their indexes, what CloudWatch said, what is to be changed.

Units: capacity is in units per second; CloudWatch sums are units (or events) per minute; instants are seconds since
the epoch, UTC. Tables and indexes, reads and writes share one path: a :class:`Dimension` is the pair.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from watcher.core.insights import KeySample, SamplerMode
from watcher.core.reasons import Cause, IncidentState, Mode, Outcome, Reason, Severity


class Kind(StrEnum):
    READ = "read"
    WRITE = "write"

    __hash__ = str.__hash__  # equal to its text, so of its hash; and part of every key here


@dataclass(frozen=True, slots=True, order=True)
class Dimension:
    """(table | index) x (read | write). ``index`` is "" for the table itself, so that dimensions sort."""

    index: str
    kind: Kind

    @property
    def noun(self) -> str:
        """How a person says it: "writes", or "writes of index by-customer"."""
        return f"{self.kind}s of index {self.index}" if self.index else f"{self.kind}s"

    @property
    def is_table(self) -> bool:
        return not self.index


TABLE_READ = Dimension("", Kind.READ)
TABLE_WRITE = Dimension("", Kind.WRITE)


@dataclass(frozen=True, slots=True, order=True)
class TableKey:
    """Identity of a table. ``account`` is the 12-digit AWS account id."""

    account: str
    region: str
    name: str

    def __str__(self) -> str:
        return f"{self.account}/{self.region}/{self.name}"


class Billing(StrEnum):
    PROVISIONED = "provisioned"
    ON_DEMAND = "on-demand"


class Status(StrEnum):
    """TableStatus / IndexStatus, folded to what matters for acting."""

    ACTIVE = "active"
    UPDATING = "updating"
    OTHER = "other"  # creating, deleting, archived, inaccessible encryption credentials ...


@dataclass(frozen=True, slots=True)
class Throughput:
    """ProvisionedThroughputDescription of a table or of one index, with its status.

    units: provisioned units per second per kind (0 on demand). decreases_today: NumberOfDecreasesToday, of the
    current UTC day. last_increase / last_decrease: instants, None when never. on_demand_max: the owner's cap per
    kind, absent when none is set.
    """

    units: Mapping[Kind, int]
    status: Status = Status.ACTIVE
    decreases_today: int = 0
    last_increase: float | None = None
    last_decrease: float | None = None
    on_demand_max: Mapping[Kind, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeySchema:
    """The attributes of a key. sort: "" where there is no sort key."""

    partition: str
    sort: str = ""


@dataclass(frozen=True, slots=True)
class TableDescription:
    """One DescribeTable. ``throughputs`` holds the table under "" and each index under its name; ``schemas`` their
    keys, as far as AWS told them.

    replicas: the other Regions of a global table, empty for a regional one.
    """

    key: TableKey
    billing: Billing
    throughputs: Mapping[str, Throughput]
    replicas: tuple[str, ...] = ()
    schemas: Mapping[str, KeySchema] = field(default_factory=dict)

    def dimensions(self) -> list[Dimension]:
        """Every dimension, the table's first, then by index name."""
        return list(dimensions_of(tuple(self.throughputs)))

    def provisioned(self, dimension: Dimension) -> int:
        return self.throughputs[dimension.index].units[dimension.kind]

    @property
    def is_settled(self) -> bool:
        """Whether the table and all its indexes are ACTIVE, so that an UpdateTable can be accepted."""
        return all(part.status is Status.ACTIVE for part in self.throughputs.values())


@lru_cache(maxsize=1024)
def dimensions_of(indexes: tuple[str, ...]) -> tuple[Dimension, ...]:
    """Both kinds of each index ("" for the table), by name; the same objects every time.

    They are keys everywhere, and a key that is identical need not be compared.
    """
    return tuple(Dimension(index, kind) for index in sorted(indexes) for kind in (Kind.READ, Kind.WRITE))


class Metric(StrEnum):
    """What is asked of CloudWatch. The mapping to AWS names is in watcher/aws/cloudwatch.py."""

    __hash__ = str.__hash__  # see Kind

    CONSUMED = "consumed"  # Sum of Consumed*CapacityUnits
    REQUESTS = "requests"  # SampleCount of Consumed*CapacityUnits
    THROTTLED = "throttled"  # Sum of *ThrottleEvents
    THROTTLED_PROVISIONED = "throttled-provisioned"
    THROTTLED_KEY_RANGE = "throttled-key-range"
    THROTTLED_ACCOUNT_LIMIT = "throttled-account-limit"
    THROTTLED_ON_DEMAND_CAP = "throttled-on-demand-cap"
    PROVISIONED = "provisioned"  # Maximum of Provisioned*CapacityUnits, units per second, one point in five minutes
    LATENCY_AVERAGE = "latency-average"  # SuccessfulRequestLatency, milliseconds, per operation
    LATENCY_P99 = "latency-p99"


CAUSE_METRICS: Mapping[Metric, Cause] = {
    Metric.THROTTLED_PROVISIONED: Cause.PROVISIONED,
    Metric.THROTTLED_KEY_RANGE: Cause.KEY_RANGE,
    Metric.THROTTLED_ACCOUNT_LIMIT: Cause.ACCOUNT_LIMIT,
    Metric.THROTTLED_ON_DEMAND_CAP: Cause.ON_DEMAND_CAP,
}


@dataclass(frozen=True, slots=True)
class Query:
    """One metric of one table: of a dimension, or (latency) of an operation."""

    table: str
    metric: Metric
    dimension: Dimension | None = None
    operation: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What CloudWatch said to one query: points by the start of their minute (or of the longer period asked for).

    complete: False when the answer was partial, failed or forbidden; then a missing point says nothing at all.
    """

    points: Mapping[int, float] = field(default_factory=dict)
    complete: bool = True


@dataclass(frozen=True, slots=True)
class ScalableTarget:
    """An Application Auto Scaling target on a dimension: its bounds, units per second."""

    min: int
    max: int
    suspended: bool = False  # scaling in and out both suspended: the target holds nothing

    @property
    def holds(self) -> bool:
        return not self.suspended


@dataclass(frozen=True, slots=True)
class Choice:
    """What the nightly replay of a table's own past came to. point: the operating point from now on. sentence: the
    whole story with its numbers; "" where the table had its turn and nothing could be said."""

    table: TableKey
    goal: float
    point: str
    sentence: str = ""
    evidence: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TableObservation:
    """Everything seen of one table in one cycle.

    answers: by query (dimension queries and latency queries of this table only). described_at: when ``description``
    was read. scaling: Application Auto Scaling targets by dimension; None when it could not be read, which counts
    as another hand on everything. hot_keys: what Contributor Insights says, by index ("" for
    the table), only where asked. choice: the nightly
    replay's, where there is a new one.
    """

    description: TableDescription
    described_at: float
    answers: Mapping[Query, Answer]
    scaling: Mapping[Dimension, ScalableTarget] | None = field(default_factory=dict)
    hot_keys: Mapping[str, KeySample] = field(default_factory=dict)
    choice: Choice | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided for one dimension in one cycle, and why. ``after`` equals ``before`` for a hold."""

    time: float
    table: TableKey
    dimension: Dimension
    before: int
    after: int
    reason: Reason
    sentence: str
    mode: Mode
    outcome: Outcome = Outcome.NONE
    evidence: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_change(self) -> bool:
        return self.after != self.before

    @property
    def noun(self) -> str:
        """What it is about: the dimension, or the whole table or index."""
        if not self.reason.is_of_table:
            return self.dimension.noun
        return f"index {self.dimension.index}" if self.dimension.index else "table"


@dataclass(frozen=True, slots=True)
class Change:
    """An absolute new value for one dimension, with the value it was decided upon."""

    dimension: Dimension
    before: int
    after: int

    @property
    def is_decrease(self) -> bool:
        return self.after < self.before


class Lever(StrEnum):
    """What an action moves."""

    CAPACITY = "capacity"  # UpdateTable: provisioned throughput
    SAMPLING = "sampling"  # UpdateContributorInsights: what is sampled of one table or index
    FLOOR = "floor"  # RegisterScalableTarget: MinCapacity of another scaler's target


@dataclass(frozen=True, slots=True)
class Switch:
    """What is to be sampled of a table (index "") or one of its indexes, with the mode it was decided upon."""

    index: str
    before: SamplerMode
    after: SamplerMode


@dataclass(frozen=True, slots=True)
class Action:
    """One call: all changes of one table together. FLOOR actions carry exactly one change; SAMPLING actions carry a
    switch and no change."""

    table: TableKey
    lever: Lever
    changes: tuple[Change, ...]
    mode: Mode
    switch: Switch | None = None


@dataclass(frozen=True, slots=True)
class Intent:
    """An action as recorded before it is carried out. ``id`` is unique and sorts by time."""

    id: str
    time: float
    action: Action


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of an intent. ``detail`` is one sentence, AWS's own words where there are any."""

    intent: Intent
    outcome: Outcome
    time: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """One message about one incident. ``sequence`` counts the incident's messages from 1.

    subject: under 100 characters. sentence: the whole story in one. facts: numbers by name, in reading order.
    todo: what a person should do now. links: URLs by name. attributes become SNS message attributes.

    table: its name is "" for an incident of a whole Region. tables: of such a one, the names of the tables that it
    concerns; critical: those of them that are or were critical. repeats: of a reminder, the repeat intervals in seconds
    that have come round; empty for news.
    storm: the incident this message was folded into, "" for none; it is recorded, and not sent.
    """

    incident: str
    sequence: int
    state: IncidentState
    severity: Severity
    cause: Cause
    table: TableKey
    index: str
    time: float
    opened_at: float
    subject: str
    sentence: str
    facts: tuple[tuple[str, str], ...] = ()
    done: str = ""
    todo: str = ""
    links: tuple[tuple[str, str], ...] = ()
    tables: tuple[str, ...] = ()
    repeats: tuple[float, ...] = ()
    storm: str = ""
    critical: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"{self.incident}-{self.sequence}"

    @property
    def is_reminder(self) -> bool:
        return bool(self.repeats)

    def attributes(self) -> dict[str, str]:
        """The SNS message attributes of the contract, all strings and none of them empty, which SNS refuses: index is
        "-" for the table itself, table for a whole Region, account where nothing has told it yet."""
        return {
            "incident": self.incident,
            "state": self.state.value,
            "severity": self.severity.value,
            "cause": self.cause.value,
            "table": self.table.name or "-",
            "index": self.index or "-",
            "account": self.table.account or "-",
            "region": self.table.region,
        }
