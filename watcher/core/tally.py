"""Throttled events counted once each: the increments of a counter that survives late, revised and reclassified points.

A total may be published before its causes, so what a minute counts for may change from cycle to cycle; what was counted
of it is remembered, and only what goes beyond that is new.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from watcher.core.demand import attribute, throttled_since
from watcher.core.model import Dimension, TableDescription
from watcher.core.reasons import Cause
from watcher.core.state import DimensionState

# A restarted counter must not count what was throttled hours before this process lived.
COUNTED_SECONDS = 600.0

Gains = Mapping[Dimension, Mapping[Cause, float]]


def count(
    now: float, description: TableDescription, states: Mapping[Dimension, DimensionState]
) -> tuple[dict[Dimension, DimensionState], Gains]:
    """The states with their new counts, and the throttled events newly learned of, by dimension and cause."""
    counted: dict[Dimension, DimensionState] = {}
    gains: dict[Dimension, Mapping[Cause, float]] = {}
    for dimension, state in states.items():
        minutes = throttled_since(state, now - COUNTED_SECONDS)
        if not minutes and not state.counted:  # as for most of them, most of the time
            counted[dimension], gains[dimension] = state, {}
            continue
        told = _attributed(now, description, dimension, states, minutes)
        gains[dimension] = _beyond(told, state.counted)
        counted[dimension] = replace(state, counted=_joined(told, state.counted, now - COUNTED_SECONDS))
    return counted, gains


def _attributed(
    now: float,
    description: TableDescription,
    dimension: Dimension,
    states: Mapping[Dimension, DimensionState],
    minutes: Iterable[int],
) -> dict[int, Mapping[Cause, float]]:
    state, provisioned = states[dimension], description.provisioned(dimension)
    return {
        minute: attribute(now, dimension, states, minute, state.consumed.at(minute), provisioned)
        for minute in sorted(minutes)
    }


def _beyond(
    told: Mapping[int, Mapping[Cause, float]], before: Mapping[int, Mapping[Cause, float]]
) -> dict[Cause, float]:
    """By cause; never more in all than the minutes' totals have grown by, so that no event counts under two causes."""
    gained: dict[Cause, float] = {}
    for minute, causes in told.items():
        known = before.get(minute, {})
        room = sum(causes.values()) - sum(known.values())
        for cause, events in causes.items():
            new = min(room, events - known.get(cause, 0.0))
            if new > 0:
                gained[cause] = gained.get(cause, 0.0) + new
                room -= new
    return gained


def _joined(
    told: Mapping[int, Mapping[Cause, float]], before: Mapping[int, Mapping[Cause, float]], keep_from: float
) -> dict[int, Mapping[Cause, float]]:
    """What has been counted of each minute: the larger of then and now, for a point may also be revised down."""
    joined = {minute: causes for minute, causes in before.items() if minute >= keep_from}
    for minute, causes in told.items():
        known = joined.get(minute, {})
        if sum(causes.values()) >= sum(known.values()):
            joined[minute] = causes
    return {minute: causes for minute, causes in joined.items() if causes}
