"""What the watcher did, or would do, or why it cannot; and how an answer from AWS changes what was told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from watcher.core.model import Alert, Change, Decision, Settlement
from watcher.core.reasons import Cause, IncidentState, Mode, Outcome, Reason
from watcher.core.telling.case import Case
from watcher.core.telling.held import refusal_todo
from watcher.core.telling.names import FLOOR_REASONS, UNDER_WAY
from watcher.core.telling.subject import refused_subject
from watcher.core.words import capitalised, duration, units

# What capacity cures, or would: there a refused change is what a person must see to.
CURABLE = frozenset({Cause.PROVISIONED, Cause.INDEX_BACK_PRESSURE, Cause.CANNOT_ACT})
# Refusals that are no word of AWS's about this change.
NOT_REFUSED = {
    Outcome.CANCELLED: "the table had changed meanwhile",
    Outcome.SUPERSEDED: "it did not take effect",
    Outcome.UNCHANGED: "it is so already",
}


def done_of(case: Case) -> str:
    """What was done, or that nothing was: an advice must not read like a deed."""
    if case.state is IncidentState.RESOLVED:
        return ""
    if case.changes:
        return " ".join(_change(one) if one.is_change else _hold(one) for one in case.decisions)
    held = " ".join(_hold(decision) for decision in case.decisions)
    return _lately(case) or f"Nothing. {held}".strip()


def _hold(decision: Decision) -> str:
    return f"{capitalised(decision.dimension.noun)}: {decision.sentence.rstrip('.')}."


def _change(decision: Decision) -> str:
    """The deed, then why: without the number once more, where both have the same."""
    raises = decision.after > decision.before
    what = "Application Auto Scaling's minimum of " if decision.reason in FLOOR_REASONS else ""
    numbers = f"{units(decision.before)} to {units(decision.after)}"
    deed = f"{what}{decision.dimension.noun} {numbers}"
    why = decision.sentence.rstrip(".")
    for verb in ("raise", "lower"):
        why = why.removesuffix(f": {verb} {numbers}")
    if decision.mode is Mode.ACT:
        return f"{'Raising' if raises else 'Lowering'} {deed}. Why: {why}."
    return f"Nothing, this is advice only: {'raise' if raises else 'lower'} {deed}. Why: {why}."


def _lately(case: Case) -> str:
    """Of a raise that is made and not yet seen at work: that it was. "" where there is none."""
    view = case.view
    if view is None or view.raised_at is None or not view.recent or view.raised_at <= view.recent[0].start:
        return ""
    reasons = {decision.reason for decision in case.decisions if decision.reason in UNDER_WAY}
    ago, noun = duration(max(0.0, case.now - view.raised_at)), view.dimension.noun
    if reasons and view.expected is not None and view.expected > view.provisioned:
        return f"Raising {noun} to {units(view.expected)}; waiting for AWS to finish it."
    if Reason.HOLD_SETTLING in reasons:
        return f"Raised {noun} to {units(view.provisioned)} {ago} ago; waiting to see it at work."
    return ""


def after_refusals(alert: Alert, settlements: Sequence[Settlement]) -> Alert:
    """The message of changes that AWS then refused: nothing was done, what to do is no longer to wait, and it costs
    nothing. settlements: all that are known of the changes it tells of; AWS's words are told beside it."""
    refused = [one for one in settlements if _is_refused(one)]
    if not refused:
        return alert
    facts = tuple((name, "no change: it was not accepted" if name == "cost" else value) for name, value in alert.facts)
    told = [(one, changes) for one in refused if (changes := _told(alert, one))]
    applied = [one for one in settlements if one.outcome is Outcome.APPLIED and one.intent.action.changes]
    after = alert if applied else replace(alert, facts=facts)
    if not told or alert.state is IncidentState.RESOLVED:
        return after
    last, changes = told[-1]
    why = NOT_REFUSED.get(last.outcome, "AWS refused it")
    if applied:
        names = ", ".join(f"{change.dimension.noun} to {units(change.after)}" for change in changes)
        after = replace(after, done=f"Only a part of it: {why} ({names}). {alert.done}")
    else:
        subject = refused_subject(alert, why)
        after = replace(after, subject=subject, done=f"Nothing: {why}. Tried: {alert.done}")
    if alert.cause not in CURABLE:
        return after
    wanted = ", ".join(f"{change.dimension.noun} to {units(change.after)}" for change in changes)
    return replace(after, todo=refusal_todo(last.outcome, last.detail, f"raise {wanted} by hand"))


def _is_refused(settlement: Settlement) -> bool:
    outcome = settlement.outcome
    return bool(settlement.intent.action.changes) and outcome.is_refusal and outcome is not Outcome.UNKNOWN


def _told(alert: Alert, settlement: Settlement) -> list[Change]:
    """The changes of it that the message tells of."""
    changes = settlement.intent.action.changes
    return [one for one in changes if f"{units(one.before)} to {units(one.after)}" in alert.done]
