"""What the watcher did, or would do, or why it cannot; and how an answer from AWS changes what was told."""

from __future__ import annotations

from dataclasses import replace

from watcher.core.model import Alert, Settlement
from watcher.core.reasons import Cause, IncidentState, Outcome
from watcher.core.telling.case import Case
from watcher.core.telling.held import refusal_todo
from watcher.core.words import capitalised, units

# What capacity cures, or would: there a refused change is what a person must see to.
CURABLE = frozenset({Cause.PROVISIONED, Cause.INDEX_BACK_PRESSURE, Cause.CANNOT_ACT})


def done_of(case: Case) -> str:
    """What was done, or that nothing was: an advice must not read like a deed."""
    if case.state is IncidentState.RESOLVED:
        return ""
    told = " ".join(
        f"{capitalised(decision.dimension.noun)}: {decision.sentence.rstrip('.')}." for decision in case.decisions
    )
    if case.is_done:
        return told
    nothing = "Nothing, this is advice only." if case.changes else "Nothing."
    return f"{nothing} {told}".strip()


def after_refusal(alert: Alert, settlement: Settlement) -> Alert:
    """The message of a change that AWS then refused: what to do is no longer to wait, and it costs nothing."""
    changes = settlement.intent.action.changes
    if not changes or not settlement.outcome.is_refusal or settlement.outcome is Outcome.UNKNOWN:
        return alert
    facts = tuple((name, "no change: it was not accepted" if name == "cost" else value) for name, value in alert.facts)
    refused = replace(alert, facts=facts)
    if alert.cause not in CURABLE or alert.state is IncidentState.RESOLVED:
        return refused
    wanted = ", ".join(f"{change.dimension.noun} to {units(change.after)}" for change in changes)
    return replace(refused, todo=refusal_todo(settlement.outcome, settlement.detail, f"raise {wanted} by hand"))
