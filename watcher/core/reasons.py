"""The closed vocabularies. One word is the log field, the metric label, the alert's text and the page's cell."""

from __future__ import annotations

from enum import StrEnum


class Cause(StrEnum):
    """Why requests fail, or are slow, or why nothing can be said. Worst first where several hold at once:
    what capacity cannot cure needs a person, so it comes before what it can."""

    __hash__ = str.__hash__  # equal to its text, so of its hash; it is a key of every minute's events

    KEY_RANGE = "key-range"  # one key range above 3,000 RCU/s or 1,000 WCU/s: capacity cannot help
    ACCOUNT_LIMIT = "account-limit"  # an account or table quota: ask AWS to lift it
    ON_DEMAND_CAP = "on-demand-cap"  # the maximum the owner set on an on-demand table or index
    PROVISIONED = "provisioned"  # more demand than provisioned capacity: capacity is the answer
    INDEX_BACK_PRESSURE = "index-back-pressure"  # a starving index throttles its table's writes
    UNCLASSIFIED = "unclassified"  # throttled, but neither AWS nor the utilisation says why
    SLOW = "slow"  # latency far above its own normal without throttling: not a capacity problem
    CANNOT_ACT = "cannot-act"  # a change is needed, and something has held it for too long
    BLIND = "blind"  # CloudWatch is silent or stale: nothing can be said
    NONE = "none"

    # Of a whole Region, none of a table.
    STORM = "storm"  # many tables at once, folded into one message
    PERMISSION = "permission-lost"  # AWS denies what the watcher needs
    OVERDUE = "overdue-cycle"  # no pass finished in time: nobody was watching
    LEASE_LOST = "lease-lost"  # the state, and with it the right to act, is lost

    @property
    def kind(self) -> AlertKind:
        """Whom an incident of this cause is for; topics are chosen by it."""
        if self is Cause.SLOW:
            return AlertKind.LATENCY
        return AlertKind.WATCHER if self in _OF_THE_WATCHER else AlertKind.THROTTLING


class AlertKind(StrEnum):
    """What an incident is about."""

    THROTTLING = "throttling"  # requests fail
    LATENCY = "latency"  # requests are slow
    WATCHER = "watcher"  # the watcher cannot see, or cannot do what is needed


_OF_THE_WATCHER = frozenset({Cause.CANNOT_ACT, Cause.BLIND, Cause.PERMISSION, Cause.OVERDUE, Cause.LEASE_LOST})


class Reason(StrEnum):
    """Why a decision came out as it did, "no" included."""

    RAISE_DEMAND = "raise-demand"
    RAISE_THROTTLED = "raise-throttled"
    RAISE_TO_MIN = "raise-to-min"
    RAISE_SCHEDULE = "raise-schedule"  # up to the floor of a known event
    LOWER_UNUSED = "lower-unused"
    LOWER_TO_MAX = "lower-to-max"
    RAISE_FLOOR = "raise-floor"
    RESTORE_FLOOR = "restore-floor"

    HOLD_STEADY = "hold-steady"
    HOLD_SETTLING = "hold-settling"
    HOLD_RECENT_LOAD = "hold-recent-load"
    HOLD_ABSENT = "hold-absent-data"
    HOLD_STALE = "hold-stale-data"
    HOLD_AT_MAX = "hold-at-max"
    HOLD_AT_MIN = "hold-at-min"
    HOLD_SCHEDULE = "hold-schedule"  # at the floor of a known event
    HOLD_SMALL_SAVING = "hold-small-saving"
    HOLD_BUDGET = "hold-decrease-budget"
    HOLD_RAISE_FIRST = "hold-raise-first"
    HOLD_RATE_LIMIT = "hold-rate-limit"
    HOLD_BUSY = "hold-busy"
    HOLD_PENDING = "hold-pending"
    HOLD_KEY_RANGE = "hold-key-range"
    HOLD_ACCOUNT_LIMIT = "hold-account-limit"
    HOLD_BACK_PRESSURE = "hold-index-back-pressure"
    HOLD_UNCLASSIFIED = "hold-unclassified"
    HOLD_ON_DEMAND = "hold-on-demand"
    HOLD_GLOBAL_TABLE = "hold-global-table"
    HOLD_AUTO_SCALING = "hold-auto-scaling"
    HOLD_FOREIGN_CHANGE = "hold-foreign-change"
    HOLD_UNBOUNDED = "hold-unbounded"
    HOLD_OBSERVE_ONLY = "hold-observe-only"
    HOLD_REFUSED = "hold-refused"
    HOLD_ERROR = "hold-error"

    # Of a whole table, and no change of capacity.
    CHOOSE_POINT = "choose-operating-point"
    ADVISE_ON_DEMAND = "advise-on-demand"
    ADVISE_PROVISIONED = "advise-provisioned"

    # Of a table or one of its indexes, both kinds, and no change of capacity.
    HOT_KEYS = "hot-keys"  # a new verdict on them
    SAMPLE_THROTTLED = "sample-throttled-keys"
    SAMPLE_FULL = "sample-all-keys"
    SAMPLE_RESTORE = "sample-restore"  # Contributor Insights put back as found
    HOLD_SAMPLING_FOREIGN = "hold-sampling-foreign"  # another hand enabled it: left alone
    HOLD_SAMPLING_QUOTA = "hold-sampling-quota"  # no rules left for it
    HOLD_SAMPLING_COST = "hold-sampling-cost"  # the day's dollars are spent
    HOLD_SAMPLING_REFUSED = "hold-sampling-refused"  # denied or FAILED

    @property
    def is_of_table(self) -> bool:
        """Whether it is said of a table or an index as a whole; the decision's kind, read, then stands for both."""
        return self in _OF_TABLE or self in _OF_PLACE

    @property
    def is_of_place(self) -> bool:
        """Whether it is said of a table or of one of its indexes, the decision's."""
        return self in _OF_PLACE

    @property
    def is_switch(self) -> bool:
        """Whether it switches Contributor Insights."""
        return self in _SWITCHES


_OF_TABLE = frozenset({Reason.CHOOSE_POINT, Reason.ADVISE_ON_DEMAND, Reason.ADVISE_PROVISIONED})
_SWITCHES = frozenset({Reason.SAMPLE_THROTTLED, Reason.SAMPLE_FULL, Reason.SAMPLE_RESTORE})
_OF_PLACE = _SWITCHES | {
    Reason.HOT_KEYS,
    Reason.HOLD_SAMPLING_FOREIGN,
    Reason.HOLD_SAMPLING_QUOTA,
    Reason.HOLD_SAMPLING_COST,
    Reason.HOLD_SAMPLING_REFUSED,
}


class Outcome(StrEnum):
    """What became of a decision. APPLIED means an UpdateTable (or new floor) that AWS accepted."""

    NONE = "none"  # a hold: nothing was to be done
    ADVISED = "advised"  # advise mode: this is what act mode would have done
    PENDING = "pending"  # recorded, not yet answered
    APPLIED = "applied"
    CANCELLED = "cancelled"  # the world had changed when re-described just before acting
    BUSY = "busy"  # ResourceInUseException: another change is under way
    BUDGET = "budget"  # LimitExceededException: decreases are limited
    QUOTA = "quota"  # LimitExceededException: a table or account maximum
    THROTTLED = "throttled"  # AWS throttled the control plane
    DENIED = "denied"  # a missing permission
    GONE = "gone"  # the table or index does not exist any more
    UNCHANGED = "unchanged"  # ValidationException: equals the current value
    INVALID = "invalid"  # any other ValidationException
    UNKNOWN = "unknown"  # no answer: accepted or not shows at the next DescribeTable
    SUPERSEDED = "superseded"  # found open after a crash, and not visible in DescribeTable

    @property
    def is_refusal(self) -> bool:
        return self not in (Outcome.NONE, Outcome.ADVISED, Outcome.PENDING, Outcome.APPLIED)


class Mode(StrEnum):
    """How far the watcher may go on a table."""

    OBSERVE = "observe"  # measure and alert
    ADVISE = "advise"  # everything but the change itself
    ACT = "act"


class Freshness(StrEnum):
    """Absent, stale and zero are three different things; a fresh zero is FRESH with value 0."""

    FRESH = "fresh"
    STALE = "stale"
    ABSENT = "absent"


class Severity(StrEnum):
    WARNING = "warning"
    CRITICAL = "critical"


class IncidentState(StrEnum):
    OPEN = "open"
    WORSENED = "worsened"
    RESOLVED = "resolved"
