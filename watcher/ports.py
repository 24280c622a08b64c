"""What the cycle speaks to. Adapters live in aws/, store/, telemetry/; tests bring in-memory ones.

Errors: AWS-facing ports raise the AwsError family, the store raises StoreError, the notifier raises DeliveryError.
Nothing else crosses these lines.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from watcher.core.insights import KeySample, Place, Sampler, Survey
from watcher.core.model import (
    Action,
    Alert,
    Answer,
    Decision,
    Dimension,
    Intent,
    Query,
    ScalableTarget,
    Settlement,
    TableDescription,
    TableKey,
)
from watcher.core.pauses import Pause
from watcher.core.policy import TablePolicy
from watcher.core.reasons import Mode, Outcome
from watcher.core.region_state import RegionState
from watcher.core.result import Explanation
from watcher.core.sampling import SamplingPlan
from watcher.core.state import TableState

Policies = Callable[[str], TablePolicy | None]
"""A table's name -> the policy that the config gives it, None where it is not watched."""


class Tables(Protocol):
    """DynamoDB's control plane, read only, of one Region."""

    def names(self) -> list[str]:
        """Every table name of the Region (ListTables, all pages)."""

    def describe(self, name: str) -> TableDescription:
        """DescribeTable. Raises AwsNotFound when the table is gone or being created or deleted."""


class Metrics(Protocol):
    """CloudWatch of one Region, read only."""

    def read(self, queries: Sequence[Query], start: float, end: float, period: int = 60) -> Mapping[Query, Answer]:
        """Points of each query by the start of their interval, with start <= interval < end; sums are whole ones.

        period: the interval's length in seconds, a multiple of 60 that divides a day; intervals lie on its multiples
        from midnight UTC, and a longer one than a minute is only asked for when it is over by ``end``. CloudWatch
        keeps minutes for 15 days and five minutes for 63: a read that starts earlier than its period is kept has no
        points. Latency, whose percentiles do not add up, is asked for by the minute; PROVISIONED by five minutes.

        Every query has an answer; one that failed, was partial or forbidden has ``complete`` False. Raises AwsError
        only when nothing at all could be read.
        """

    def operations(self) -> Mapping[str, frozenset[str]]:
        """DynamoDB operations with recent latency data, by table name (ListMetrics)."""


class Scaling(Protocol):
    """Application Auto Scaling of one Region, read only."""

    def targets(self, tables: Sequence[str]) -> Mapping[str, Mapping[Dimension, ScalableTarget]]:
        """The scalable targets of each table that has any (DescribeScalableTargets)."""


class Insights(Protocol):
    """Contributor Insights of one Region, read only; the hands switch it. Key values come out in the form that the
    config allows for their table, and in no other."""

    def survey(self, now: float) -> Survey:
        """Every place that is sampled, and how many rules there are. Raises AwsError when the places cannot be listed;
        rules that cannot be counted are None."""

    def describe(self, place: Place) -> Sampler:
        """One place, with the names of its rules. Raises AwsNotFound when the table or the index is gone."""

    def peaks(self, rules: Sequence[str], start: float, end: float) -> Mapping[str, Answer]:
        """The largest contributor's value of each minute in [start, end), by rule: the cheap look before a report.
        Every rule has an answer; one that failed, or whose rule has vanished, has ``complete`` False. Raises AwsError
        only when nothing at all could be read."""

    def sample(self, place: Place, sampler: Sampler, rules: Sequence[str], start: float, end: float) -> KeySample:
        """The keys of a place in [start, end), from reports of those of the sampler's rules that are named in ``rules``
        (the others had nothing to tell). Never raises AwsError: what could not be read is said in the sample."""


class Hand(Protocol):
    """Carries out actions. One real, one that only advises: dry run is an adapter."""

    def carry_out(self, action: Action) -> tuple[Outcome, str]:
        """Re-describe, act at most once, and say what became of it, with one sentence of detail. Never raises."""


@dataclass(frozen=True, slots=True)
class RegionPorts:
    """Everything that reaches one Region."""

    region: str
    tables: Tables
    metrics: Metrics
    scaling: Scaling
    insights: Insights
    hands: Mapping[Mode, Hand]  # ADVISE and ACT


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An alert on its way to one topic. attempts: failed ones so far. id is the deduplication id. first_failed_at: when
    the first of them failed, None while none has."""

    id: str
    topic_arn: str
    alert: Alert
    attempts: int = 0
    next_attempt: float = 0.0
    first_failed_at: float | None = None


@dataclass(frozen=True, slots=True)
class Thread:
    """What one topic has still to hear of one incident. messages: undelivered, oldest first, at least one. told:
    whether it has heard of the incident, and not yet of its end."""

    incident: str
    topic_arn: str
    messages: tuple[Outgoing, ...]
    told: bool


class Notifier(Protocol):
    """May be called from several threads."""

    def topics_for(self, alert: Alert) -> list[str]:
        """ARNs of the topics the configuration routes this alert to; may be empty."""

    def is_quiet(self, topic_arn: str, alert: Alert, now: float) -> bool:
        """Whether the topic's quiet hours hold this alert at ``now``; what is critical they never do."""

    def publish(self, outgoing: Outgoing) -> None:
        """Deliver once. Raises DeliveryError."""


@dataclass(frozen=True, slots=True)
class CycleRecord:
    """What one cycle writes before it acts, in one transaction.

    alerts: those raised, so that an alert no topic is configured for is still remembered; the alerts of ``outgoing``
    are remembered whether they are repeated here or not. learned: of the states, those of which what was learned is
    written, too; of the others what was written before stands. regions: the states of Regions, those that changed.
    """

    time: float
    states: Mapping[TableKey, TableState] = field(default_factory=dict)
    decisions: Sequence[Decision] = ()
    intents: Sequence[Intent] = ()
    outgoing: Sequence[Outgoing] = ()
    alerts: Sequence[Alert] = ()
    learned: Collection[TableKey] = ()
    regions: Mapping[str, RegionState] = field(default_factory=dict)


class Store(Protocol):
    """Durable memory. Every method raises StoreError when it cannot do its whole job."""

    def load(self) -> Mapping[TableKey, TableState]:
        """All table states, their caches empty. What was learned and cannot be read is as if nothing had been."""

    def record(self, record: CycleRecord) -> None:
        """All of it or nothing. Decisions of an intent are stored with outcome PENDING."""

    def settle(self, settlements: Sequence[Settlement], states: Mapping[TableKey, TableState]) -> None:
        """Close intents: their outcome, detail, and the outcome of the decisions they came from. One transaction."""

    def open_intents(self) -> Sequence[Intent]:
        """Intents recorded but never settled, oldest first."""

    def forget(self, table: TableKey) -> None:
        """Drop the state of a deleted table; its history stays."""

    def load_regions(self) -> Mapping[str, RegionState]:
        """All states of Regions, by the Region's name."""

    def outbox(self, now: float) -> Sequence[Thread]:
        """All threads with undelivered messages whose oldest one is due (``next_attempt`` not after now), those first
        whose oldest message is older. A message that cannot be read is given up and left out."""

    def hearers(self, incident: str) -> Sequence[str]:
        """ARNs of the topics that have heard of an incident and not of its end, or have messages of it waiting."""

    def waiting(self) -> int:
        """How many messages are neither delivered, silenced nor given up."""

    def delivered(self, messages: Sequence[Outgoing], now: float) -> None:
        """Close messages of one thread that were delivered, together. One transaction."""

    def silenced(self, messages: Sequence[Outgoing], now: float) -> None:
        """Close messages of one thread that a pause or newer ones have made pointless; they were never sent. One
        transaction."""

    def failed(self, messages: Sequence[Outgoing], now: float, error: str, next_attempt: float | None) -> None:
        """Count a failed attempt at all of them; ``next_attempt`` None gives them up (they stay in the store as dead).
        One transaction."""

    def pauses(self, now: float) -> Sequence[Pause]:
        """Pauses that have not ended by ``now``, the one that began last first. Other processes add and end them. One
        that cannot be read stands as one that asks for advice only."""

    def pause(self, pause: Pause) -> None:
        """Add a pause; one of the same match and Region is replaced."""

    def resume(self, match: str, region: str, now: float) -> bool:
        """End the pause of this match and Region ("" is a Region like any other here); whether there was one."""

    def history(self, table: str | None = None, limit: int = 200) -> Sequence[Decision]:
        """Decisions, newest first; of the tables with this name, or of all."""

    def alerts(self, limit: int = 100) -> Sequence[Alert]:
        """Alerts recorded, newest first."""

    def prune(self, before: float) -> None:
        """Drop decisions, settled intents and delivered messages older than ``before``."""

    def secret(self) -> bytes:
        """32 random bytes made at first use and kept: the key for hashing other people's key values."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class TableReport:
    """One table after one cycle. error: why nothing could be seen of it this time, or "". learning: whether its past
    is still to be learned. sampling: what is sampled of it and what was decided about that, None while not known."""

    key: TableKey
    mode: Mode
    description: TableDescription | None
    explanation: Explanation | None
    settlements: Sequence[Settlement] = ()
    error: str = ""
    learning: bool = False
    sampling: SamplingPlan | None = None


@dataclass(frozen=True, slots=True)
class CycleReport:
    """One finished cycle. seconds: its duration on this clock's monotonic face. phases: seconds by name, real.

    region_errors: what could not be seen, by Region, "" key for the store. unmatched: tables no rule matches.
    told: alerts recorded this cycle. delivered/undelivered: messages by this cycle's attempts. dead: of the
    undelivered, those given up. outbox: messages still waiting after the cycle, None when not known. learning: tables
    whose past is still to be learned. rules: Contributor Insights rules in use by Region, where they were counted.
    regions: the watcher's own incidents and storms, by Region. pauses: those in force. silenced: messages of this
    cycle that a pause made pointless. held: of those waiting, how many quiet hours or a pause hold. failing: topics
    that cannot be delivered to, with AWS's words, by ARN.
    """

    started_at: float
    finished_at: float
    seconds: float
    tables: Sequence[TableReport] = ()
    region_errors: Mapping[str, str] = field(default_factory=dict)
    unmatched: int = 0
    told: Sequence[Alert] = ()
    delivered: int = 0
    undelivered: int = 0
    phases: Mapping[str, float] = field(default_factory=dict)
    acting: bool = True  # False while the store is lost
    dead: int = 0
    outbox: int | None = None
    learning: int = 0
    rules: Mapping[str, int] = field(default_factory=dict)
    regions: Mapping[str, RegionState] = field(default_factory=dict)
    pauses: Sequence[Pause] = ()
    silenced: int = 0
    held: int = 0
    failing: Mapping[str, str] = field(default_factory=dict)


class Telemetry(Protocol):
    """Where the cycle's life is shown: logs, metrics, page."""

    def cycle_finished(self, report: CycleReport) -> None: ...

    def trouble(self, event: str, **facts: object) -> None:
        """Something went wrong that did not stop the cycle. ``event`` is a constant name."""
