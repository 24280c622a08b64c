"""What one step returns: the new state, what to do, whom to tell, and the whole explanation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from watcher.core.hot_keys import HotKeyFinding
from watcher.core.model import Action, Alert, Decision, Dimension
from watcher.core.policy import Bounds
from watcher.core.reasons import Cause, Freshness
from watcher.core.state import Incident, TableState


@dataclass(frozen=True, slots=True)
class DimensionReport:
    """One dimension as of this cycle. Rates are units per second, None when unknown.

    throttled: events by cause in the last five visible minutes. gained: events by cause that this cycle learned of
    (the increments of a counter). newest: start of the newest visible minute. decreases_left: of today's budget;
    next_decrease_in: seconds until one more is allowed, 0 when now.
    """

    dimension: Dimension
    provisioned: int
    bounds: Bounds | None
    freshness: Freshness
    consumed: float | None
    demand: float | None
    throttled: Mapping[Cause, float] = field(default_factory=dict)
    gained: Mapping[Cause, float] = field(default_factory=dict)
    newest: int | None = None
    cause: Cause = Cause.NONE
    decreases_left: int = 0
    next_decrease_in: float = 0.0


@dataclass(frozen=True, slots=True)
class LatencyReport:
    """One operation's newest visible minute, milliseconds; ``normal`` is None while still being learned."""

    operation: str
    average: float
    p99: float | None
    normal: float | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """cause: the worst of the table; sentence: the verdict in plain words. new_decisions: those worth recording
    (a change, or a hold whose reason differs from the last one recorded), and what is said of the table as a whole.
    on_demand_since: since when on-demand billing is advised, None while it is not; on_demand_advice: in words.
    hot_keys: the verdicts on hot keys by index ("" for the table), where there was reason to ask. demand: where the
    incident is, units per second as its messages tell it; None where there is no incident, or none is known."""

    cause: Cause
    sentence: str
    dimensions: tuple[DimensionReport, ...]
    decisions: tuple[Decision, ...]
    new_decisions: tuple[Decision, ...] = ()
    latency: tuple[LatencyReport, ...] = ()
    incident: Incident | None = None
    on_demand_since: float | None = None
    on_demand_advice: str = ""
    hot_keys: Mapping[str, HotKeyFinding] = field(default_factory=dict)
    demand: float | None = None


@dataclass(frozen=True, slots=True)
class StepResult:
    state: TableState
    actions: tuple[Action, ...]
    alerts: tuple[Alert, ...]
    explanation: Explanation
