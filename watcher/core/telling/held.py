"""What a person can do about a change that something holds: per reason, with the number that demand asks for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase

from watcher.core.budget import budget
from watcher.core.diagnose import View
from watcher.core.model import Billing, Decision, Dimension
from watcher.core.policy import AutoScaling
from watcher.core.prices import dollars
from watcher.core.reasons import Outcome, Reason
from watcher.core.telling.by_hand import set_minimum, update_table
from watcher.core.telling.case import Case, wanted
from watcher.core.telling.money import a_day
from watcher.core.telling.names import HELD_WORDS, place
from watcher.core.words import capitalised, duration, time_of_day, units

# What AWS refuses whoever asks for it.
REFUSED_TO_ALL = frozenset({Outcome.QUOTA, Outcome.INVALID, Outcome.GONE})
# An IAM action as AWS's refusals and our own hints name it.
IAM_ACTION = re.compile(r"\b(?:dynamodb|application-autoscaling|cloudwatch|iam|kms):[A-Z][A-Za-z]+")


def held_todo(case: Case) -> str:
    decision = the_hold(case)
    if decision is None:
        return "See what holds the watcher, above."
    if case.blocked is not None and not case.blocked[1].rising:
        return _costs_money(case, decision)
    reason = decision.reason if case.blocked is None else case.blocked[1].reason
    return TO_DO.get(reason, _no_fresh_data)(case, decision)


def the_hold(case: Case) -> Decision | None:
    """Of the decisions told, the one whose reason is the most telling; of a blocked change, its own."""
    if case.blocked is not None:
        dimension = case.blocked[0]
        return next((d for d in case.briefing.decisions if d.dimension == dimension), None)
    order = list(HELD_WORDS)
    holds = [decision for decision in case.decisions if decision.reason in HELD_WORDS]
    return min(holds, key=lambda decision: order.index(decision.reason), default=None)


def maximum(case: Case, dimension: Dimension) -> str:
    """Where the config says it, and what: ``write.max (1,000) of its [[tables]] entry``."""
    bounds = case.briefing.policy.bounds_for(dimension)
    now = f" ({units(bounds.max)})" if bounds is not None else ""
    return f"{_key(case, dimension)}.max{now} of its [[tables]] entry"


def by_hand(case: Case) -> str:
    """The command that makes the changes told of, or wanted; "" where there is none, or none that could be right."""
    description = case.briefing.description
    if description.billing is Billing.ON_DEMAND or description.replicas or case.is_done:
        return ""
    floors = [d for d in case.decisions if d.reason is Reason.RAISE_FLOOR]
    if floors:
        return set_minimum(description, floors[0].dimension, floors[0].after)
    hold = the_hold(case)
    if hold is not None and hold.reason is Reason.HOLD_AUTO_SCALING:
        target, goal = (case.briefing.scaling or {}).get(hold.dimension), wanted(hold)
        within = target is not None and goal is not None and goal <= target.max
        return set_minimum(description, hold.dimension, goal) if within and goal is not None else ""
    if hold is not None and (hold.reason not in BY_HAND or _is_refused_to_all(case, hold)):
        return ""
    goals = {d.dimension: d.after if d.is_change else wanted(d) for d in case.decisions}
    known = {dimension: goal for dimension, goal in goals.items() if goal is not None}
    return update_table(description, known) if known else ""


def _is_refused_to_all(case: Case, hold: Decision) -> bool:
    """Whether AWS refuses the call itself, whoever makes it."""
    refusal = case.briefing.refusal
    return hold.reason is Reason.HOLD_REFUSED and refusal is not None and refusal.outcome in REFUSED_TO_ALL


def _key(case: Case, dimension: Dimension) -> str:
    if dimension.is_table:
        return dimension.kind.value
    patterns = (pattern for pattern, _ in case.briefing.policy.index_bounds if fnmatchcase(dimension.index, pattern))
    return f'indexes."{next(patterns, dimension.index)}".{dimension.kind}'


def _raise(decision: Decision) -> str:
    """``raise writes to 400 by hand``."""
    goal = wanted(decision)
    return f"raise {decision.dimension.noun}{f' to {units(goal)}' if goal is not None else ''} by hand"


def _at_max(case: Case, decision: Decision) -> str:
    goal = wanted(decision)
    if case.briefing.policy.bounds_for(decision.dimension) is None:
        return (
            f"Give this dimension bounds in the config ({_key(case, decision.dimension)} of its [[tables]] entry): "
            "without them no more than the default quota of a table is advised."
        )
    to = f" to {units(goal)} or more" if goal is not None else ""
    return f"Raise {maximum(case, decision.dimension)}{to} and reload the config (SIGHUP), or reduce the load."


def _auto_scaling(case: Case, decision: Decision) -> str:
    scaling = case.briefing.scaling
    if scaling is None:
        return (
            "Allow the watcher's role application-autoscaling:DescribeScalableTargets (`watcher doctor` checks it), or "
            f"{_raise(decision)}."
        )
    target, goal = scaling.get(decision.dimension), wanted(decision)
    most = ""
    if target is not None and goal is not None and goal > target.max:
        most = f", and MaxCapacity, now {target.max:,}, with it"
    to = f" to {units(goal)}" if goal is not None else ""
    own = ""
    if not most and case.briefing.policy.auto_scaling is not AutoScaling.FLOOR:
        own = ', or set auto_scaling = "floor" for this table and the watcher does it'
    return f"Raise MinCapacity of its Application Auto Scaling target{to}{most}{own}."


def _foreign(case: Case, decision: Decision) -> str:
    patience = duration(case.briefing.policy.tuning.foreign_hold)
    return (
        f"Ask who changed it (UpdateTable in CloudTrail) and whether they go on; the watcher keeps off for {patience} "
        f"after the last such change. If nobody is at it, {_raise(decision)}."
    )


def _global_table(case: Case, decision: Decision) -> str:
    key = case.briefing.description.key
    regions = ", ".join((key.region, *case.briefing.description.replicas))
    return f"{capitalised(_raise(decision))}: the watcher changes no global table ({regions})."


def _unbounded(case: Case, decision: Decision) -> str:
    kind = _key(case, decision.dimension)
    bounds = f"{kind} = {{ min = .., max = .. }}"
    return f"Give {decision.dimension.noun} bounds in the config ({bounds}), or {_raise(decision)}."


def _observe_only(_case: Case, decision: Decision) -> str:
    return f'{capitalised(_raise(decision))}, or set mode = "act" for this table.'


def _refused(case: Case, decision: Decision) -> str:
    return refusal_todo(
        case.briefing.refusal.outcome if case.briefing.refusal else Outcome.INVALID,
        case.briefing.refusal.detail if case.briefing.refusal else decision.sentence,
        _raise(decision),
    )


def refusal_todo(outcome: Outcome, detail: str, by_hand_words: str) -> str:
    """After AWS said no. detail: its own words. by_hand_words: "raise writes to 400 by hand"."""
    if outcome is Outcome.DENIED and "credentials" in detail:
        return f"Give the watcher valid credentials (`watcher doctor` checks them); until then {by_hand_words}."
    if outcome is Outcome.DENIED:
        action = IAM_ACTION.search(detail)
        what = action.group() if action else "the action that AWS names"
        return (
            f"Allow {what} to the watcher's role (`watcher iam-policy --mode act` prints it, `watcher doctor` checks it"
            f"); until then {by_hand_words}."
        )
    if outcome is Outcome.QUOTA:
        return (
            "Ask in Service Quotas for the higher DynamoDB throughput quota that AWS's words name, or reduce the load."
        )
    if outcome is Outcome.THROTTLED:
        return "Nothing for now: AWS throttles changes of tables in this Region, and it is tried again next minute."
    if outcome in (Outcome.BUSY, Outcome.CANCELLED, Outcome.UNCHANGED, Outcome.UNKNOWN, Outcome.SUPERSEDED):
        return "Nothing for now: it is looked at again next minute."
    if outcome in REFUSED_TO_ALL:
        return "Mend what AWS's words name: the same call made by hand is refused too."
    return f"Mend what AWS's words name; until then {by_hand_words}."


def _rate_limit(case: Case, decision: Decision) -> str:
    limit = case.briefing.policy.tuning.max_changes_per_hour
    return f"Raise max_changes_per_hour ({limit}) of its [[tables]] entry, or {_raise(decision)}."


def _error(_case: Case, decision: Decision) -> str:
    return f"{capitalised(_raise(decision))}, and report this error of the watcher."


def _back_pressure(case: Case, decision: Decision) -> str:
    """The indexes that throttle themselves; where none does, or not visibly, any may be it."""
    views, kind = case.briefing.diagnosis.views.values(), decision.dimension.kind
    starving = [v.dimension.index for v in views if v.dimension.index and v.dimension.kind is kind and _throttles(v)]
    which = f"index {' and '.join(starving)}, which throttles" if starving else "the index that throttles"
    return f"Raise the {kind}s of {which}; the table itself has enough. `watcher history {case.name}` shows each index."


def _throttles(view: View) -> bool:
    """Known cause or not."""
    return any(minute.throttled > 0 for minute in view.recent)


def _busy(case: Case, _decision: Decision) -> str:
    if case.blocked is None:
        return "Nothing for now: the next change follows once the one under way is finished."
    return (
        "Look at the table's and its indexes' status in the console: AWS takes no change until all are ACTIVE, and an "
        "index that is being created may take hours."
    )


def _pending(case: Case, _decision: Decision) -> str:
    if case.blocked is None:
        return "Nothing for now: the next change follows once the last one is accounted for."
    return f"Look at `watcher history {case.name}`: a change was sent, and AWS has not said what came of it."


def _settling(_case: Case, _decision: Decision) -> str:
    return "Nothing for now: the last change is not yet visible in CloudWatch."


def _no_fresh_data(_case: Case, _decision: Decision) -> str:
    return "Nothing is changed on a guess. Run `watcher doctor`: it says whether CloudWatch may be read."


def _costs_money(case: Case, decision: Decision) -> str:
    """A decrease that is held breaks nothing."""
    goal = wanted(decision)
    spare = (
        0.0
        if goal is None
        else a_day(decision.dimension, case.briefing.description.provisioned(decision.dimension) - goal)
    )
    money = f", at {dollars(spare)} a day" if spare else ""
    next_one = ""
    if decision.reason is Reason.HOLD_BUDGET:
        left = budget(case.now, case.briefing.description.throughputs[decision.dimension.index])
        if left.wait:
            at = time_of_day(case.now + left.wait, case.now)
            next_one = f" The next decrease of {place(decision.dimension.index)} is allowed at {at}, and made then."
    return f"Nothing is at risk: it costs money only{money}.{next_one}"


TO_DO: Mapping[Reason, Callable[[Case, Decision], str]] = {
    Reason.HOLD_AT_MAX: _at_max,
    Reason.HOLD_AUTO_SCALING: _auto_scaling,
    Reason.HOLD_FOREIGN_CHANGE: _foreign,
    Reason.HOLD_GLOBAL_TABLE: _global_table,
    Reason.HOLD_UNBOUNDED: _unbounded,
    Reason.HOLD_OBSERVE_ONLY: _observe_only,
    Reason.HOLD_REFUSED: _refused,
    Reason.HOLD_RATE_LIMIT: _rate_limit,
    Reason.HOLD_ERROR: _error,
    Reason.HOLD_BACK_PRESSURE: _back_pressure,
    Reason.HOLD_BUSY: _busy,
    Reason.HOLD_PENDING: _pending,
    Reason.HOLD_SETTLING: _settling,
    Reason.HOLD_STALE: _no_fresh_data,
    Reason.HOLD_ABSENT: _no_fresh_data,
}
# Where the same change, made by hand, would not be refused or undone. Above the maximum it would be lowered again.
BY_HAND = frozenset(
    {
        Reason.HOLD_FOREIGN_CHANGE,
        Reason.HOLD_UNBOUNDED,
        Reason.HOLD_OBSERVE_ONLY,
        Reason.HOLD_REFUSED,
        Reason.HOLD_RATE_LIMIT,
        Reason.HOLD_ERROR,
    }
)
