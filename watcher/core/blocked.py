"""Changes that are needed and held: what the watcher would do and cannot, why, and since when.

It must not be noisy, so "needed" is understood on the careful side:

- a raise is needed while the demand of the newest minute is above the capacity that the table has, or is just being
  given, or while a known event asks for more than that. Headroom, a forecast, or the configured minimum alone wake
  nobody: a table at its maximum that serves what is asked of it is well.
- a decrease is needed where it would save what is worth a decrease at all, or where capacity is above the configured
  maximum.

Only where the watcher is to act: in observe and advise mode nobody expects it to, and on demand there is nothing to
change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from watcher.core.decide import Matter, Wish
from watcher.core.diagnose import Diagnosis
from watcher.core.model import Dimension
from watcher.core.policy import IncidentRules, TablePolicy
from watcher.core.reasons import Cause, Freshness, Mode, Outcome, Reason
from watcher.core.state import Blocked, Refusal

HOLDS_A_RAISE = frozenset(
    {
        Reason.HOLD_AT_MAX,
        Reason.HOLD_AUTO_SCALING,
        Reason.HOLD_FOREIGN_CHANGE,
        Reason.HOLD_GLOBAL_TABLE,
        Reason.HOLD_UNBOUNDED,
        Reason.HOLD_REFUSED,
        Reason.HOLD_RATE_LIMIT,
        Reason.HOLD_ERROR,
    }
)
HOLDS_A_DECREASE = frozenset({Reason.HOLD_BUDGET, Reason.HOLD_REFUSED})
# These pass by themselves, or nothing can be said: they neither begin what is held nor end it.
PASSING = frozenset(
    {
        Reason.HOLD_BUSY,
        Reason.HOLD_PENDING,
        Reason.HOLD_SETTLING,
        Reason.HOLD_RAISE_FIRST,
        Reason.HOLD_STALE,
        Reason.HOLD_ABSENT,
    }
)


@dataclass(frozen=True, slots=True)
class Want:
    """One dimension in one pass. wish: before any limiter. plan: after all of them, or the floor of another scaler that
    is moved instead. demand: of the newest minute, units per second, 0 where it is not known. event: the units that a
    known event asks for inside the bounds, 0 for none. most: the configured maximum."""

    wish: Wish
    plan: Wish
    demand: float
    event: int
    most: int

    @classmethod
    def of(cls, matter: Matter, wish: Wish) -> Want:
        """The wish, not yet limited."""
        demand = matter.view.demand(1) or 0.0  # its own: an outlook may allow for what follows a neighbour's
        event = 0 if matter.least is None else matter.bounds.clamp(matter.least.units)
        return cls(wish, wish, demand, event, matter.bounds.max)

    def is_short_of(self, reached: float) -> bool:
        return max(self.demand, float(self.event)) > reached


def followed(
    now: float,
    policy: TablePolicy,
    refusal: Refusal | None,
    before: Mapping[Dimension, Blocked],
    wants: Mapping[Dimension, Want],
) -> dict[Dimension, Blocked]:
    """What is held after this pass. refusal: of the last action, None once one was accepted."""
    if policy.mode is not Mode.ACT:
        return {}
    held = {}
    for dimension, want in wants.items():
        known = _up_to(now, before.get(dimension))
        reason = _holding(policy, refusal, want)
        if reason in PASSING:
            if known is not None and _agrees(known, want.wish):
                held[dimension] = known
        elif reason is not None:
            rising = want.wish.is_raise
            since = known.since if known is not None and known.rising is rising else now
            held[dimension] = Blocked(reason, since, rising)
    return held


def _up_to(now: float, known: Blocked | None) -> Blocked | None:
    """Not since an instant to come, which a clock that was wrong has left."""
    return None if known is None else replace(known, since=min(known.since, now))


def is_lasting(now: float, rules: IncidentRules, blocked: Blocked) -> bool:
    """Whether it has been held for long enough to be an incident."""
    patience = rules.blocked_after if blocked.rising else rules.lowering_blocked_after
    return now - blocked.since >= patience


def in_sight(diagnosis: Diagnosis, held: Mapping[Dimension, Blocked]) -> dict[Dimension, Blocked]:
    """What is held of dimensions that can be seen: of another nobody knows whether the change is still needed."""
    return {d: one for d, one in held.items() if diagnosis.views[d].freshness is Freshness.FRESH}


def told(now: float, rules: IncidentRules, diagnosis: Diagnosis, held: Mapping[Dimension, Blocked]) -> Diagnosis:
    """The verdict on a table of which nothing else is wrong, where something has been held for too long."""
    lasting = {d: one for d, one in in_sight(diagnosis, held).items() if is_lasting(now, rules, one)}
    if diagnosis.cause is not Cause.NONE or not lasting:
        return diagnosis
    worst = min(lasting, key=lambda d: (not lasting[d].rising, lasting[d].since, d))
    return replace(diagnosis, cause=Cause.CANNOT_ACT, index=worst.index)


def _holding(policy: TablePolicy, refusal: Refusal | None, want: Want) -> Reason | None:
    """What holds the change that is needed, or passes by itself; None where nothing is needed or nothing holds it."""
    if want.wish.is_raise:
        return _holding_a_raise(refusal, want)
    if want.wish.is_lower:
        return _holding_a_decrease(policy, refusal, want)
    return want.plan.reason if want.plan.reason in PASSING else None


def _holding_a_raise(refusal: Refusal | None, want: Want) -> Reason | None:
    wish, plan = want.wish, want.plan
    if plan.is_raise:
        if refusal is not None and refusal.outcome is not Outcome.BUDGET:  # only decreases have a budget
            # Tried once more; until AWS accepts it, nothing has been gained.
            return Reason.HOLD_REFUSED if want.is_short_of(wish.current) else None
        in_part = plan.target < wish.target and plan.target >= want.most
        return Reason.HOLD_AT_MAX if in_part and want.is_short_of(plan.target) else None
    known = plan.reason in HOLDS_A_RAISE or plan.reason in PASSING
    return plan.reason if known and want.is_short_of(wish.current) else None


def _holding_a_decrease(policy: TablePolicy, refusal: Refusal | None, want: Want) -> Reason | None:
    wish, plan = want.wish, want.plan
    if wish.saving < policy.tuning.lower_saving and wish.reason is not Reason.LOWER_TO_MAX:
        return None
    if plan.is_lower:
        return Reason.HOLD_REFUSED if refusal is not None else None
    return plan.reason if plan.reason in HOLDS_A_DECREASE or plan.reason in PASSING else None


def _agrees(known: Blocked, wish: Wish) -> bool:
    """Whether what was held is still wanted, as far as this pass can say."""
    return wish.target == wish.current or known.rising is wish.is_raise
