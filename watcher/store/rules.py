"""What every engine does the same way, whatever it writes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from watcher.core.learned import Learned
from watcher.core.model import Alert, Decision, Dimension
from watcher.core.reasons import Outcome
from watcher.core.state import DimensionState, TableState
from watcher.ports import CycleRecord

# What of a DimensionState is kept in a table's state, beside its offers. What was learned is kept apart, and everything
# else there is a cache of CloudWatch.
KEPT_DIMENSION_FIELDS = ("expected", "raised_at", "lowered_at", "advised", "floor_before", "floor_set")


def without_caches(state: TableState) -> TableState:
    """The state as a store gives it back, but for what was learned: the one-minute series, which CloudWatch remembers
    for us, are empty."""
    return replace(state, dimensions={key: _kept(value) for key, value in state.dimensions.items()})


def _kept(state: DimensionState) -> DimensionState:
    return DimensionState(offers=state.offers, **{name: getattr(state, name) for name in KEPT_DIMENSION_FIELDS})


def lessons_of(state: TableState) -> dict[Dimension, Learned]:
    """What was learned of each dimension of which anything is known."""
    known = {dimension: value.learned for dimension, value in state.dimensions.items()}
    return {dimension: learned for dimension, learned in known.items() if learned.newest is not None}


def with_lessons(state: TableState, lessons: Mapping[Dimension, Learned]) -> TableState:
    """The state with what was learned put back; dimensions that it does not know are left out."""
    dimensions = {
        key: replace(value, learned=lessons[key]) if key in lessons else value
        for key, value in state.dimensions.items()
    }
    return replace(state, dimensions=dimensions)


def decisions_with_intents(record: CycleRecord) -> list[tuple[Decision, str]]:
    """Each decision of the cycle with the id of the intent it led to, "" for none; those with one are PENDING."""
    changes = {
        (intent.action.table, change.dimension): intent.id
        for intent in record.intents
        for change in intent.action.changes
    }
    switches = {
        (intent.action.table, intent.action.switch.index): intent.id
        for intent in record.intents
        if intent.action.switch is not None
    }

    def led_to(decision: Decision) -> str:
        if decision.reason.is_switch:
            return switches.get((decision.table, decision.dimension.index), "")
        return changes.get((decision.table, decision.dimension), "") if decision.is_change else ""

    pairs = ((decision, led_to(decision)) for decision in record.decisions)
    return [(replace(decision, outcome=Outcome.PENDING) if intent else decision, intent) for decision, intent in pairs]


def alerts_to_remember(record: CycleRecord) -> list[Alert]:
    """The alerts raised, routed to a topic or not, each id once: what was said first stands."""
    first: dict[str, Alert] = {}
    for alert in (*record.alerts, *(outgoing.alert for outgoing in record.outgoing)):
        first.setdefault(alert.id, alert)
    return list(first.values())
