"""What is wrong, per dimension and for the table: capacity, key range, quota, cap, index, slowness, or blindness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from watcher.core import latency
from watcher.core.demand import Minute, known_minutes, minutes, throttled_events, throttled_since
from watcher.core.intake import Intake
from watcher.core.latency import Slow
from watcher.core.model import Dimension, TableDescription
from watcher.core.policy import TablePolicy
from watcher.core.reasons import Cause, Freshness
from watcher.core.series import MINUTE
from watcher.core.state import DimensionState, Normal

# A dimension shows several causes at once only while one of them feeds the others, so the worst one names it.
SEVERITY_ORDER: tuple[Cause, ...] = tuple(Cause)
THROTTLING = frozenset(
    {
        Cause.PROVISIONED,
        Cause.KEY_RANGE,
        Cause.ACCOUNT_LIMIT,
        Cause.ON_DEMAND_CAP,
        Cause.INDEX_BACK_PRESSURE,
        Cause.UNCLASSIFIED,
    }
)
CURED_BY_CAPACITY = frozenset({Cause.PROVISIONED, Cause.INDEX_BACK_PRESSURE})


@dataclass(frozen=True, slots=True)
class View:
    """One dimension as the decision sees it. Rates are units per second, None when unknown.

    recent: visible minutes of the incident window, oldest first.
    quiet_known: how many minutes of the quiet window are known.
    throttled: events by cause in the window. share: part of the window's requests that was throttled, each weighed as
    the units it costs.
    last_throttle: start of the newest minute with a throttled event. long_known: minutes of the kept series that are
    known. raised_at: when capacity was last raised, None when never. expected: the capacity last seen or written, other
    than ``provisioned`` while a change is on its way.
    """

    dimension: Dimension
    provisioned: int
    freshness: Freshness
    complete: bool
    newest: int | None
    recent: tuple[Minute, ...]
    quiet_known: int
    long_known: int
    throttled: Mapping[Cause, float]
    share: float
    last_throttle: int | None
    cause: Cause
    raised_at: float | None = None
    expected: int | None = None

    @property
    def events(self) -> float:
        return sum(self.throttled.values())

    @property
    def consumed(self) -> float | None:
        return self.recent[-1].served / MINUTE if self.recent else None

    def share_since(self, instant: float) -> float:
        """Throttled share of the window's minutes that start at or after ``instant``."""
        return _share([minute for minute in self.recent if minute.start >= instant])

    def demand(self, minutes: int) -> float | None:
        """Largest demand of the newest ``minutes`` visible minutes."""
        return max((minute.demand for minute in self.recent[-minutes:]), default=None)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """cause: the table's worst; index: where ("" for the table itself). slow: the operation that is slow, if any."""

    cause: Cause
    index: str
    views: Mapping[Dimension, View]
    slow: Slow | None = None

    @property
    def worst(self) -> View | None:
        """The dimension that gives the table its cause: the largest throttled share of those that have it."""
        having = [view for view in self.views.values() if view.cause is self.cause]
        return max(having, key=lambda view: (view.share, view.events, view.newest or 0), default=None)


def diagnose(
    now: float,
    policy: TablePolicy,
    description: TableDescription,
    intakes: Mapping[Dimension, Intake],
    normals: Mapping[str, Normal],
) -> Diagnosis:
    """The verdict on one table from its series. Pure; never raises on missing data: that is BLIND."""
    states = {dimension: intake.state for dimension, intake in intakes.items()}
    views = {
        dimension: _view(now, policy, description.provisioned(dimension), dimension, intake, states)
        for dimension, intake in intakes.items()
    }
    slow = latency.slowest(policy.incidents, normals, now - policy.tuning.stale_after - MINUTE)
    cause = _worst([view.cause for view in views.values()])
    if cause not in THROTTLING and slow is not None:
        cause = Cause.SLOW
    diagnosis = Diagnosis(cause, "", views, slow)
    worst = diagnosis.worst if cause in THROTTLING else None
    return replace(diagnosis, index=worst.dimension.index) if worst else diagnosis


def _worst(causes: Sequence[Cause]) -> Cause:
    """The worst of several verdicts. One silent dimension does not blind a table whose others speak."""
    seen = set(causes)
    if seen == {Cause.BLIND}:
        return Cause.BLIND
    return min(seen - {Cause.BLIND}, key=SEVERITY_ORDER.index, default=Cause.NONE)


def _view(
    now: float,
    policy: TablePolicy,
    provisioned: int,
    dimension: Dimension,
    intake: Intake,
    states: Mapping[Dimension, DimensionState],
) -> View:
    tuning = policy.tuning
    state = intake.state
    newest = state.consumed.newest()
    end = newest + MINUTE if newest is not None else now
    quiet_from = end - tuning.quiet_minutes * MINUTE
    recent = tuple(minutes(now, tuning, dimension, states, provisioned, end - policy.incidents.window))
    throttled = _by_cause(recent)
    return View(
        dimension=dimension,
        provisioned=provisioned,
        freshness=intake.freshness,
        complete=intake.complete,
        newest=newest,
        recent=recent,
        long_known=len(state.consumed.points),
        raised_at=state.raised_at,
        expected=state.expected,
        quiet_known=known_minutes(state.consumed, quiet_from, end),
        throttled=throttled,
        share=_share(recent),
        last_throttle=_last_throttle(state, now - tuning.throttle_hold - MINUTE),
        cause=_verdict(intake.freshness, throttled),
    )


def _share(recent: Sequence[Minute]) -> float:
    refused = sum(minute.refused for minute in recent)
    return refused / (refused + sum(minute.served for minute in recent)) if refused else 0.0


def _by_cause(recent: Sequence[Minute]) -> dict[Cause, float]:
    totals: dict[Cause, float] = {}
    for minute in recent:
        for cause, events in minute.causes.items():
            totals[cause] = totals.get(cause, 0.0) + events
    return totals


def _last_throttle(state: DimensionState, since: float) -> int | None:
    """Newest throttled minute, consumption known or not: a throttle without consumption is still a throttle."""
    newest_first = sorted(throttled_since(state, since), reverse=True)
    return next((minute for minute in newest_first if throttled_events(state, minute) > 0), None)


def _verdict(freshness: Freshness, throttled: Mapping[Cause, float]) -> Cause:
    if freshness is not Freshness.FRESH:
        return Cause.BLIND  # what throttled before the silence says nothing of now
    # The cause of most events names it: a trickle of another kind does not decide what to do.
    return max(throttled, key=lambda cause: (throttled[cause], -SEVERITY_ORDER.index(cause)), default=Cause.NONE)
