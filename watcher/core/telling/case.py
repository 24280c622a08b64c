"""What one message is about, worked out once: the cause that holds now, where it hurts, and what was decided there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from watcher.core.briefing import Briefing
from watcher.core.diagnose import THROTTLING, Diagnosis, View
from watcher.core.hot_keys import HotKeyFinding
from watcher.core.hot_keys.news import ASKS_FOR_KEYS, hottest
from watcher.core.model import Decision, Dimension
from watcher.core.reasons import Cause, IncidentState, Mode
from watcher.core.state import Blocked, Incident


@dataclass(frozen=True, slots=True)
class Case:
    """cause: what holds now; the incident's own unless that has passed and something else has not; NONE while it is
    calm and the incident waits for its end. view: where it hurts, None where that cannot be said. decisions: those
    worth telling. blocked: the held change, of CANNOT_ACT. keys: the verdict that names hot keys, where the cause asks
    for one. before: the incident as its readers know it, None where it opens, or comes back."""

    incident: Incident
    state: IncidentState
    briefing: Briefing
    reminder: bool
    retold: bool
    cause: Cause
    view: View | None
    decisions: Sequence[Decision]
    blocked: tuple[Dimension, Blocked] | None
    keys: HotKeyFinding | None
    before: Incident | None = None

    @property
    def now(self) -> float:
        return self.briefing.now

    @property
    def name(self) -> str:
        return self.briefing.description.key.name

    @property
    def changes(self) -> list[Decision]:
        return [decision for decision in self.decisions if decision.is_change]

    @property
    def found(self) -> HotKeyFinding | None:
        """The verdict that names hot keys, where that alone is the news."""
        is_named = self.before is not None and self.before.named != self.incident.named
        if not is_named or self.state is not IncidentState.OPEN or self.reminder or self.retold:
            return None
        return hottest(self.briefing.hot_keys, self.incident.index)

    @property
    def is_done(self) -> bool:
        """Whether what is told of is a deed, and no advice."""
        return any(decision.mode is Mode.ACT for decision in self.changes)


def case_of(
    incident: Incident,
    state: IncidentState,
    briefing: Briefing,
    *,
    reminder: bool = False,
    retold: bool = False,
    before: Incident | None = None,
) -> Case:
    blocked = longest_held(briefing.blocked, incident.index)
    cause = _cause(incident, briefing.diagnosis, blocked)
    view = _view(incident, briefing.diagnosis, cause, blocked)
    return Case(
        incident=incident,
        state=state,
        briefing=briefing,
        reminder=reminder,
        retold=retold,
        cause=cause,
        view=view,
        decisions=_worth_telling(view, briefing.decisions),
        blocked=blocked if cause is Cause.CANNOT_ACT else None,
        keys=hottest(briefing.hot_keys, incident.index) if cause in ASKS_FOR_KEYS else None,
        before=before,
    )


def wanted(decision: Decision) -> int | None:
    """What a held change would have gone to, units per second; None for any other decision."""
    units = decision.evidence.get("wanted")
    return None if units is None or decision.is_change else int(units)


def longest_held(blocked: Mapping[Dimension, Blocked], index: str = "") -> tuple[Dimension, Blocked] | None:
    """The held change that matters most: a raise before a decrease, then of ``index``, then the one held longest."""
    return min(
        blocked.items(),
        key=lambda item: (not item[1].rising, item[0].index != index, item[1].since, item[0]),
        default=None,
    )


def _cause(incident: Incident, diagnosis: Diagnosis, blocked: tuple[Dimension, Blocked] | None) -> Cause:
    if incident.cause in THROTTLING:
        holds = any(view.cause is incident.cause for view in diagnosis.views.values())
    elif incident.cause is Cause.CANNOT_ACT:
        holds = blocked is not None and diagnosis.cause not in THROTTLING
    else:
        holds = diagnosis.cause is incident.cause
    return incident.cause if holds else diagnosis.cause


def _view(
    incident: Incident, diagnosis: Diagnosis, cause: Cause, blocked: tuple[Dimension, Blocked] | None
) -> View | None:
    if cause is Cause.CANNOT_ACT and blocked is not None:
        return diagnosis.views.get(blocked[0])
    if cause not in THROTTLING:
        return diagnosis.worst if cause is Cause.BLIND else None
    having = [view for view in diagnosis.views.values() if view.cause is cause]
    own = [view for view in having if view.dimension.index == incident.index]
    return max(own or having, key=lambda view: (view.share, view.events, view.newest or 0), default=None)


def _worth_telling(view: View | None, decisions: Sequence[Decision]) -> list[Decision]:
    """Raises first, else what was decided where it hurts."""
    raises = [decision for decision in decisions if decision.after > decision.before]
    return raises or [decision for decision in decisions if view is not None and decision.dimension == view.dimension]
