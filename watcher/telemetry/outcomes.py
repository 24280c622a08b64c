"""What became of decisions and actions, as decisions that know it and as sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from watcher.core.model import Decision, Dimension, Lever, Settlement, Switch
from watcher.core.reasons import Outcome
from watcher.core.words import units
from watcher.telemetry.snapshot import SAMPLED_WORDS


def settled(decisions: Iterable[Decision], settlements: Iterable[Settlement]) -> list[Decision]:
    """The decisions with what became of them. One cycle acts at most once on a dimension, and at most once switches
    what is sampled of a place, so the outcome is clear."""
    changed: dict[Dimension, Outcome] = {}
    switched: dict[str, Outcome] = {}
    for settlement in settlements:
        action = settlement.intent.action
        changed |= {change.dimension: settlement.outcome for change in action.changes}
        if action.switch is not None:
            switched[action.switch.index] = settlement.outcome

    def outcome(decision: Decision) -> Outcome:
        if decision.reason.is_switch:
            return switched.get(decision.dimension.index, decision.outcome)
        return changed.get(decision.dimension, decision.outcome) if decision.is_change else decision.outcome

    return [replace(decision, outcome=outcome(decision)) for decision in decisions]


_OUTCOME_WORDS: Mapping[Outcome, str] = {
    Outcome.ADVISED: "Advised, not done",
    Outcome.APPLIED: "Done",
    Outcome.CANCELLED: "Not done, the table had changed meanwhile",
    Outcome.BUSY: "Refused, another change is under way",
    Outcome.BUDGET: "Refused, decreases are limited",
    Outcome.QUOTA: "Refused, a quota is reached",
    Outcome.THROTTLED: "Refused, AWS throttles UpdateTable",
    Outcome.DENIED: "Refused, a permission is missing",
    Outcome.GONE: "Not done, the table or index is gone",
    Outcome.UNCHANGED: "Refused, it is the current value already",
    Outcome.INVALID: "Refused as invalid",
    Outcome.UNKNOWN: "No answer, so the next cycle looks at what became of it",
    Outcome.SUPERSEDED: "Left open by a crash and never done",
}


# Where another call was made, or another thing looked at, than of capacity.
_LEVER_WORDS: Mapping[Lever, Mapping[Outcome, str]] = {
    Lever.CAPACITY: {},
    Lever.FLOOR: {
        Outcome.CANCELLED: "Not done, the scaling target had changed meanwhile",
        Outcome.THROTTLED: "Refused, AWS throttles RegisterScalableTarget",
    },
    Lever.SAMPLING: {
        Outcome.CANCELLED: "Not done, Contributor Insights had changed meanwhile",
        Outcome.THROTTLED: "Refused, AWS throttles UpdateContributorInsights",
        Outcome.UNCHANGED: "Not done, it is so already",
        Outcome.UNKNOWN: "No answer, so the next survey shows what became of it",
        Outcome.SUPERSEDED: "Left open, and not seen in force",
    },
}


def _outcome_words(settlement: Settlement) -> str:
    outcome = settlement.outcome
    if outcome is Outcome.CANCELLED and settlement.detail:
        return "Not done"  # the detail says why, and it may be another reason than a change
    own = _LEVER_WORDS[settlement.intent.action.lever]
    return own.get(outcome) or _OUTCOME_WORDS.get(outcome, outcome.value)


def settlement_sentence(settlement: Settlement) -> str:
    """``Done: writes from 100 to 400 units/s.`` and AWS's own words where there are any."""
    action = settlement.intent.action
    words = _outcome_words(settlement)
    detail = f" {settlement.detail}" if settlement.detail else ""
    if action.switch is not None:
        return f"{words}: {_switch_words(action.switch)}.{detail}"
    floor = "the auto scaling floor of " if action.lever is Lever.FLOOR else ""
    changes = " and ".join(
        f"{floor}{change.dimension.noun} from {units(change.before)} to {units(change.after)} units/s"
        for change in action.changes
    )
    return f"{words}: {changes}.{detail}"


def _switch_words(switch: Switch) -> str:
    """``Contributor Insights of index by-day from no keys to throttled keys``."""
    place = f" of index {switch.index}" if switch.index else ""
    return f"Contributor Insights{place} from {SAMPLED_WORDS[switch.before]} to {SAMPLED_WORDS[switch.after]}"
