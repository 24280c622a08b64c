"""What the watcher remembers of one table between cycles.

The one-minute series are a cache of CloudWatch: they are read back from there after a restart (one call returns three
hours for the price of one point), so stores persist everything here except the fields marked "cache".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from watcher.core.insights import SamplerMode
from watcher.core.learned import Learned
from watcher.core.model import Dimension
from watcher.core.reasons import Cause, Outcome, Reason, Severity
from watcher.core.series import Series
from watcher.core.track import Offers, Track

SERIES_SECONDS = 3 * 3600.0  # how much of each series is kept


@dataclass(frozen=True, slots=True)
class DimensionState:
    """consumed, requests, throttled, causes: cache; units or events per minute. counted: cache; throttled events by
    cause that counters have been told of, by minute.

    track: cache; the last minutes of estimated demand with the burst bucket. offers: since when capacity has been
    what. learned: what is known of the traffic's ways; stores write it less often than the rest, and may lose it.

    expected: the capacity this watcher last saw or wrote, units per second; a different one in DescribeTable is
    another hand's. raised_at / lowered_at: instants of the last change in that direction, whoever made it.
    advised: the value last advised, not to be repeated.
    floor_before: MinCapacity of another scaler's target before this watcher raised it, None when it did not.
    floor_set: what it raised it to; a different one in force is another hand's, and stays.
    """

    consumed: Series = field(default_factory=Series)
    requests: Series = field(default_factory=Series)
    throttled: Series = field(default_factory=Series)
    causes: Mapping[Cause, Series] = field(default_factory=dict)
    counted: Mapping[int, Mapping[Cause, float]] = field(default_factory=dict)
    track: Track = field(default_factory=Track)
    offers: Offers = ()
    learned: Learned = field(default_factory=Learned)
    expected: int | None = None
    raised_at: float | None = None
    lowered_at: float | None = None
    advised: int | None = None
    floor_before: int | None = None
    floor_set: int | None = None


@dataclass(frozen=True, slots=True)
class Normal:
    """An operation's own normal latency: a slowly decaying mean of its one-minute averages, milliseconds.

    minutes: how many went in, so that a young normal is not trusted. newest: start of the newest minute that did.
    slow_minutes: how many in a row, up to newest, were far above normal. average / p99: of that newest minute.
    p99_mean, p99_minutes, p99_slow_minutes: the same of the 99th percentile against its own normal.
    """

    mean: float
    minutes: int
    newest: int
    slow_minutes: int = 0
    average: float = 0.0
    p99: float | None = None
    p99_mean: float = 0.0
    p99_minutes: int = 0
    p99_slow_minutes: int = 0


@dataclass(frozen=True, slots=True)
class Incident:
    """Open trouble of one table: one incident, one thread of messages.

    sequence: messages so far. peak: worst share of requests throttled so far (or latency over normal, for SLOW).
    last_bad: start of the newest minute that showed the trouble. events: throttled events since it opened.
    named: the verdicts on hot keys that its messages have told, each once.

    flaps: how often it came back soon after it was resolved. closed_at: when it was resolved, None while open; kept
    for a while, so that trouble that comes back goes on with it. followed_at: when it was last looked at, so that a
    reminder is due when a repeat interval lies between then and now. retell: its messages were folded into a storm
    that is over: the next step tells it anew. bad_since: start of the first minute of throttling that has gone on since
    without relief, None while there is none.
    """

    id: str
    opened_at: float
    cause: Cause
    index: str
    severity: Severity
    sequence: int
    peak: float
    last_bad: float
    events: float = 0.0
    named: tuple[str, ...] = ()
    flaps: int = 0
    closed_at: float | None = None
    followed_at: float = 0.0
    retell: bool = False
    bad_since: float | None = None

    def up_to(self, now: float) -> Incident:
        """Without instants to come, which a clock that was wrong has left: its end must not wait for them."""
        return replace(
            self,
            opened_at=min(self.opened_at, now),
            last_bad=min(self.last_bad, now),
            closed_at=None if self.closed_at is None else min(self.closed_at, now),
            followed_at=min(self.followed_at, now),
            bad_since=None if self.bad_since is None else min(self.bad_since, now),
        )


@dataclass(frozen=True, slots=True)
class Blocked:
    """A change of one dimension that something holds. since: the first of the passes, without a break, that wanted it.
    rising: whether it is a raise."""

    reason: Reason
    since: float
    rising: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """AWS's last refusal of one of our actions. detail: its own words."""

    outcome: Outcome
    at: float
    detail: str


@dataclass(frozen=True, slots=True)
class SamplerState:
    """Contributor Insights of one table or index, as far as this watcher had a hand in it.

    found: the mode to put back, None while nothing of ours is on. set: the mode we asked for; another one in force is
    another hand's, and stays. set_at: when we asked. until: when full mode goes back at the latest, None for a mode
    that stays. full_at: when full mode last began, for the pause after it. spent: dollars that full mode is estimated
    to have cost in the UTC day that began at ``spent_day``. refused_at: when switching was last refused or FAILED.
    advised: the mode last advised, not to be repeated. noted: the last thing recorded of a place that is left as it
    is. in_force: whether what we set was accepted or seen, so that its absence later is another hand's. reserved:
    dollars of ``spent`` that the window of full mode now on was given, to be taken back should it never have begun.
    told: when something was last recorded of the place, by note, so that what comes and goes is not told each time.
    """

    found: SamplerMode | None = None
    set: SamplerMode = SamplerMode.OFF
    set_at: float | None = None
    until: float | None = None
    full_at: float | None = None
    spent: float = 0.0
    spent_day: float | None = None
    refused_at: float | None = None
    refusal: str = ""
    advised: SamplerMode | None = None
    noted: str = ""
    in_force: bool = False
    reserved: float = 0.0
    told: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_ours(self) -> bool:
        return self.found is not None


@dataclass(frozen=True, slots=True)
class KeyMark:
    """The last hot-key verdict told of a table or index: its word, its hottest key and when it was told.

    told: the hottest keys told in the incident at that time, by the verdict's word; of each word the newest ones.
    """

    verdict: str
    hottest: str
    at: float = 0.0
    told: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TableState:
    """changes: instants of this watcher's own changes in the last hour. foreign_at: when another hand last changed
    capacity. pending: the action recorded but not yet settled (its intent's id). marks: the last decision told per
    dimension, so that history holds transitions and not every minute's repetition. refusal: the
    last action's, None once one is accepted.

    point: the operating point that the nightly replay chose, "" before it has; point_goal: the goal it was chosen for,
    as another goal begins anew; point_at: when the table last had its turn. dearer_since: since when on-demand would
    have cost less without a break, None while it would not; on_demand_since: since when it is advised.

    last_incident: the one resolved last, for as long as trouble that comes back belongs to it. blocked: changes that
    are wanted and held, by dimension.

    samplers: Contributor Insights by index ("" for the table), where this watcher had a hand in it. hot_keys: the last
    hot-key verdict told, by index, so that history holds news and not every minute's turn."""

    dimensions: Mapping[Dimension, DimensionState] = field(default_factory=dict)
    latency: Mapping[str, Normal] = field(default_factory=dict)
    incident: Incident | None = None
    changes: tuple[float, ...] = ()
    foreign_at: float | None = None
    pending: str = ""
    marks: Mapping[Dimension, tuple[Reason, int]] = field(default_factory=dict)
    refusal: Refusal | None = None
    point: str = ""
    point_goal: float | None = None
    point_at: float | None = None
    dearer_since: float | None = None
    on_demand_since: float | None = None
    last_incident: Incident | None = None
    blocked: Mapping[Dimension, Blocked] = field(default_factory=dict)
    samplers: Mapping[str, SamplerState] = field(default_factory=dict)
    hot_keys: Mapping[str, KeyMark] = field(default_factory=dict)
