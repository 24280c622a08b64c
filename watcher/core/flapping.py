"""The life of an incident, a table's or the watcher's own: one rule for what flaps and for what is told again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from watcher.core.state import Incident


class Damping(Protocol):
    """Seconds; both the tables' IncidentRules and the RegionRules have them."""

    @property
    def resolve_after(self) -> float: ...

    @property
    def flap_window(self) -> float: ...

    @property
    def longest_calm(self) -> float: ...


def calm_needed(rules: Damping, flaps: int) -> float:
    """Seconds without the trouble that resolve an incident: twice as many each time it came back, up to the longest;
    what is configured longer than that stays as long."""
    longest = max(rules.longest_calm, rules.resolve_after)
    return min(longest, rules.resolve_after * 2.0 ** min(flaps, 64))


def comes_back(rules: Damping, last: Incident | None, now: float) -> bool:
    """Whether trouble that begins now goes on with the incident that was resolved last."""
    return last is not None and last.closed_at is not None and now - last.closed_at <= rules.flap_window


def reopened(last: Incident) -> Incident:
    """The same incident once more: its thread goes on, and it takes longer to be calm."""
    return replace(last, sequence=last.sequence + 1, flaps=last.flaps + 1, closed_at=None)


def closed(incident: Incident, now: float) -> Incident:
    """The incident with its last message."""
    return replace(incident, sequence=incident.sequence + 1, closed_at=now, retell=False)


def crossed(repeats: Sequence[float], opened_at: float, followed_at: float, now: float) -> tuple[float, ...]:
    """The repeat intervals that have come round since the incident was last looked at. Each counts from its opening,
    so that topics with the same interval hear of it together, whatever else they were told."""
    since = max(followed_at, opened_at)
    return tuple(
        every for every in repeats if every > 0 and (now - opened_at) // every > max(0.0, (since - opened_at) // every)
    )
