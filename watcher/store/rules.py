"""What every engine does the same way, whatever it writes to."""

from __future__ import annotations

from dataclasses import replace

from watcher.core.model import Alert, Decision
from watcher.core.reasons import Outcome
from watcher.core.state import DimensionState, TableState
from watcher.ports import CycleRecord

# What of a DimensionState is kept; everything else there is a cache of CloudWatch.
KEPT_DIMENSION_FIELDS = ("expected", "raised_at", "lowered_at", "raised_on", "advised", "floor_before", "floor_set")


def without_caches(state: TableState) -> TableState:
    """The state as a store gives it back: the one-minute series, which CloudWatch remembers for us, are empty."""
    return replace(state, dimensions={key: _kept(value) for key, value in state.dimensions.items()})


def _kept(state: DimensionState) -> DimensionState:
    return DimensionState(**{name: getattr(state, name) for name in KEPT_DIMENSION_FIELDS})


def decisions_with_intents(record: CycleRecord) -> list[tuple[Decision, str]]:
    """Each decision of the cycle with the id of the intent it led to, "" for none; those with one are PENDING."""
    intents = {
        (intent.action.table, change.dimension): intent.id
        for intent in record.intents
        for change in intent.action.changes
    }
    pairs = ((decision, intents.get((decision.table, decision.dimension), "")) for decision in record.decisions)
    return [(replace(decision, outcome=Outcome.PENDING) if intent else decision, intent) for decision, intent in pairs]


def alerts_to_remember(record: CycleRecord) -> list[Alert]:
    """The alerts raised, routed to a topic or not, each id once: what was said first stands."""
    first: dict[str, Alert] = {}
    for alert in (*record.alerts, *(outgoing.alert for outgoing in record.outgoing)):
        first.setdefault(alert.id, alert)
    return list(first.values())
