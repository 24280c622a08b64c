"""Contributor Insights as the core sees it: what is sampled of which table or index, and which keys it named.

Sources: "Contributor Insights for DynamoDB: How it works" (modes, rules, what counts), API reference
DescribeContributorInsights and GetInsightRuleReport.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Sampling(StrEnum):
    """What the config wants of Contributor Insights."""

    OFF = "off"  # nothing is switched; what another hand enabled is read
    THROTTLED = "throttled"  # throttled keys, always: billed by the throttled request, so safe to leave on
    ON_INCIDENT = "on-incident"  # every access, only while an incident needs it, then put back as found


class KeyForm(StrEnum):
    """How the values of keys, other people's data, may leave the watcher."""

    HASH = "hash"
    REDACT = "redact"
    PLAIN = "plain"


class SamplerMode(StrEnum):
    """How much is sampled of one table or index."""

    OFF = "off"
    THROTTLED = "throttled"  # THROTTLED_KEYS
    FULL = "full"  # ACCESSED_AND_THROTTLED_KEYS


class SamplerStatus(StrEnum):
    """ContributorInsightsStatus, in AWS's words."""

    ENABLING = "ENABLING"
    ENABLED = "ENABLED"
    DISABLING = "DISABLING"
    DISABLED = "DISABLED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A table (index "") or one of its global secondary indexes: what is sampled by itself."""

    table: str
    index: str = ""

    def __str__(self) -> str:
        return f"index {self.index} of {self.table}" if self.index else self.table


@dataclass(frozen=True, slots=True)
class Sampler:
    """Contributor Insights of one place, as AWS describes it.

    mode: what is sampled, or being switched on; OFF while DISABLED, DISABLING or FAILED. rules: their names as AWS gave
    them, never built or parsed beyond their kind; empty until described. failure: AWS's own words for FAILED.
    updated: LastUpdateDateTime, None when not told.
    """

    status: SamplerStatus = SamplerStatus.DISABLED
    mode: SamplerMode = SamplerMode.OFF
    rules: tuple[str, ...] = ()
    failure: str = ""
    updated: float | None = None

    @property
    def is_settled(self) -> bool:
        """Whether it is not just being switched."""
        return self.status not in (SamplerStatus.ENABLING, SamplerStatus.DISABLING)

    @property
    def is_reading(self) -> bool:
        return self.status is SamplerStatus.ENABLED


DISABLED = Sampler()


@dataclass(frozen=True, slots=True)
class Survey:
    """Contributor Insights of a whole Region at one instant.

    samplers: every place that is not DISABLED, watched or not; their ``rules`` are empty. rules: all Contributor
    Insights rules of the account in this Region, whosever, against the quota; None where that cannot be counted, and
    ``error`` says why (one sentence with its remedy). denied: AWS's words by the operation that it denied.
    """

    at: float
    samplers: Mapping[Place, Sampler] = field(default_factory=dict)
    rules: int | None = None
    error: str = ""
    denied: Mapping[str, str] = field(default_factory=dict)

    def sampler(self, place: Place) -> Sampler:
        return self.samplers.get(place, DISABLED)


class KeyShape(StrEnum):
    """What a key's value looks like: enough to tell why heat moves, and not the value."""

    PLAIN = "plain"
    TIME = "time"  # a date, a timestamp, an epoch
    COUNTER = "counter"  # a whole number, possibly after a prefix


@dataclass(frozen=True, slots=True)
class KeyTrace:
    """One key that Contributor Insights named, through time.

    label: the key in the only form in which it may leave the process. identity: tells keys apart and follows one from
    minute to minute; a keyed hash that is neither shown nor stored. partition: the identity of its partition key, the
    same as ``identity`` where the trace is a partition key's own. shape: of the sort key in a pair, else of the
    partition key. points: by start of minute; throttled requests, or throughput units consumed (1 per RCU, 3 per WCU).
    """

    label: str
    identity: str = field(repr=False)
    partition: str = field(repr=False)
    points: Mapping[int, float]
    shape: KeyShape = KeyShape.PLAIN

    @property
    def busiest(self) -> float:
        """The value of its busiest minute."""
        return max(self.points.values(), default=0.0)

    @property
    def total(self) -> float:
        return sum(self.points.values())


@dataclass(frozen=True, slots=True)
class KeySample:
    """What Contributor Insights says of one place in [start, end).

    mode: what was sampled; OFF: nothing, and ``note`` says why. throttled, accessed: partition keys, busiest minute
    first, at most 25; throttled_items, accessed_items: partition and sort key together, only where there is a sort key.
    accessed ones exist in FULL mode only. since: when sampling began or was last switched, None when not known.
    complete: False when something could not be read, and ``note`` says what; then a missing key says nothing at all.
    denied: AWS's words by the operation that it denied.
    """

    start: float
    end: float
    mode: SamplerMode = SamplerMode.OFF
    throttled: tuple[KeyTrace, ...] = ()
    accessed: tuple[KeyTrace, ...] = ()
    throttled_items: tuple[KeyTrace, ...] = ()
    accessed_items: tuple[KeyTrace, ...] = ()
    since: float | None = None
    complete: bool = True
    note: str = ""
    denied: Mapping[str, str] = field(default_factory=dict)
