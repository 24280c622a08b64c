"""What stands between a wish and an action: tiny limiters, each (wish) -> wish, then the table's plan, bounds last.

A limiter that cannot compute yields "hold": the chain fails closed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil

from watcher.core.budget import DAY, HOUR, Budget
from watcher.core.decide import Wish
from watcher.core.model import Billing, Dimension, ScalableTarget, Status, TableDescription
from watcher.core.policy import AutoScaling, Bounds, TablePolicy, Tuning
from watcher.core.reasons import Mode, Outcome, Reason
from watcher.core.state import DimensionState, TableState
from watcher.core.words import duration, percent, units

# Refusals that another minute does not cure.
LASTING_REFUSALS = frozenset({Outcome.BUDGET, Outcome.QUOTA, Outcome.DENIED, Outcome.INVALID})
REFUSED_RAISE_SECONDS = 300.0
# What the config asks for is gone to in one step.
ASKED_FOR = frozenset({Reason.RAISE_TO_MIN, Reason.LOWER_TO_MAX, Reason.RAISE_SCHEDULE})


@dataclass(frozen=True, slots=True)
class Situation:
    """What the limiters of one dimension look at besides the wish."""

    now: float
    policy: TablePolicy
    bounds: Bounds
    has_bounds: bool
    description: TableDescription
    dimension: Dimension
    table: TableState
    state: DimensionState
    scaling: Mapping[Dimension, ScalableTarget] | None


Limiter = Callable[[Situation, Wish], Wish]


def limited(situation: Situation, wish: Wish) -> Wish:
    """The wish after every limiter, bounds last. An error in any of them holds, and says so."""
    return _through(
        (
            _observe_only,
            _step_size,
            _changes_per_hour,
            _no_bounds_no_act,
            _not_on_global_tables,
            _not_against_another_hand,
            _not_while_busy,
            _not_after_refusal,
            _bounds,
        ),
        situation,
        wish,
    )


def _through(chain: Sequence[Limiter], situation: Situation, wish: Wish) -> Wish:
    for limiter in chain:
        try:
            wish = limiter(situation, wish)
        except Exception as error:  # noqa: BLE001 - fail closed: whatever went wrong, nothing is changed
            return wish.held(Reason.HOLD_ERROR, f"the limiter {limiter.__name__.strip('_')} failed: {error!r}")
    return wish


def _observe_only(situation: Situation, wish: Wish) -> Wish:
    if situation.policy.mode is not Mode.OBSERVE or wish.target == wish.current:
        return wish
    return wish.held(Reason.HOLD_OBSERVE_ONLY, "this table is only observed")


def _step_size(situation: Situation, wish: Wish) -> Wish:
    tuning = situation.policy.tuning
    highest = max(wish.current + 1, int(wish.current * tuning.max_raise_factor))
    lowest = ceil(wish.current / tuning.max_lower_factor)
    target = min(max(wish.target, lowest), highest)
    if target == wish.target or wish.reason in ASKED_FOR:
        return wish
    return replace(wish, target=target, sentence=f"{wish.sentence}; {units(target)} is as far as one step goes")


def _changes_per_hour(situation: Situation, wish: Wish) -> Wish:
    limit = situation.policy.tuning.max_changes_per_hour
    made = sum(1 for at in situation.table.changes if situation.now - at < HOUR)
    if wish.target == wish.current or made < limit:
        return wish
    return wish.held(
        Reason.HOLD_RATE_LIMIT, f"this table was changed {made} times within the hour, the limit is {limit}"
    )


def _no_bounds_no_act(situation: Situation, wish: Wish) -> Wish:
    if wish.target == wish.current or situation.has_bounds or situation.policy.mode is not Mode.ACT:
        return wish
    return wish.held(Reason.HOLD_UNBOUNDED, f"the config gives no bounds for {situation.dimension.noun}")


def _not_while_busy(situation: Situation, wish: Wish) -> Wish:
    if wish.target == wish.current:
        return wish
    if situation.table.pending:
        return wish.held(Reason.HOLD_PENDING, "an earlier change is not accounted for yet")
    busy = [
        f"index {name}" if name else "the table"
        for name, part in situation.description.throughputs.items()
        if part.status is not Status.ACTIVE
    ]
    if busy:
        verb = "is" if len(busy) == 1 else "are"
        return wish.held(Reason.HOLD_BUSY, f"{' and '.join(sorted(busy))} {verb} not active (an update is under way)")
    return wish


def _not_on_global_tables(situation: Situation, wish: Wish) -> Wish:
    if wish.target == wish.current or not situation.description.replicas:
        return wish
    others = ", ".join(situation.description.replicas)
    return wish.held(Reason.HOLD_GLOBAL_TABLE, f"it is a global table (also in {others}), whose settings replicate")


def _not_against_another_hand(situation: Situation, wish: Wish) -> Wish:
    """Application Auto Scaling, or a value this watcher did not write. Never fight."""
    if wish.target == wish.current:
        return wish
    if situation.scaling is None:
        return wish.held(Reason.HOLD_AUTO_SCALING, "whether Application Auto Scaling holds it could not be read")
    target = situation.scaling.get(situation.dimension)
    if target is not None and target.holds:
        how = f"Application Auto Scaling holds it between {target.min:,} and {target.max:,}"
        return wish.held(Reason.HOLD_AUTO_SCALING, how)
    since = situation.table.foreign_at
    if since is not None and situation.now - since < situation.policy.tuning.foreign_hold:
        ago = duration(situation.now - since)
        return wish.held(Reason.HOLD_FOREIGN_CHANGE, f"another hand changed this table's capacity {ago} ago")
    return wish


def _not_after_refusal(situation: Situation, wish: Wish) -> Wish:
    """What AWS refused a moment ago it refuses again; asking each minute only burns the account's call rate."""
    refusal = situation.table.refusal
    if refusal is None or wish.target == wish.current:
        return wish
    if wish.is_raise and refusal.outcome is Outcome.BUDGET:
        return wish  # only decreases have a budget
    patience = REFUSED_RAISE_SECONDS if wish.is_raise else HOUR
    since = situation.now - refusal.at
    if refusal.outcome not in LASTING_REFUSALS or since >= patience:
        return wish
    return wish.held(Reason.HOLD_REFUSED, f"AWS refused the last change {duration(since)} ago: {refusal.detail}")


def _bounds(situation: Situation, wish: Wish) -> Wish:
    bounds = situation.bounds
    target = min(bounds.max, max(bounds.min, wish.target)) if wish.target != wish.current else wish.current
    if target == wish.target:
        return wish
    maximum = "the configured maximum" if situation.has_bounds else "the most that is advised without bounds"
    if wish.is_raise and target <= wish.current:
        return wish.held(Reason.HOLD_AT_MAX, f"{units(bounds.max)} is {maximum}")
    if wish.is_lower and target >= wish.current:
        return wish.held(Reason.HOLD_AT_MIN, f"{units(bounds.min)} is the configured minimum")
    which = maximum if target < wish.target else "the configured minimum"
    evidence = {**wish.evidence, "wanted": wish.target}
    return replace(
        wish, target=target, sentence=f"{wish.sentence}; kept to {units(target)}, {which}", evidence=evidence
    )


def floor_wish(situation: Situation, wish: Wish) -> Wish | None:
    """The floor to set on another scaler's target, as a wish between floors; None where no floor is to be moved.

    It passes the limiters that are about acting at all; a wish that one of them holds comes back as that hold.
    Only in ``auto_scaling = "floor"``. Raised to what the wish needs, within our bounds and the target's maximum; put
    back to what it was when the wish would lower capacity to where the old floor does no harm, unless another hand has
    moved it since.
    """
    wanted = _unlimited_floor(situation, wish)
    if wanted is None:
        return None
    chain = (_observe_only, _changes_per_hour, _not_on_global_tables, _not_while_busy, _not_after_refusal)
    return _through(chain, situation, wanted)


def _unlimited_floor(situation: Situation, wish: Wish) -> Wish | None:
    target = (situation.scaling or {}).get(situation.dimension)
    if situation.policy.auto_scaling is not AutoScaling.FLOOR or target is None or not target.holds:
        return None
    if not situation.has_bounds or situation.description.billing is Billing.ON_DEMAND:
        return None
    if wish.is_raise:
        floor = min(target.max, situation.bounds.clamp(wish.target))
        if floor <= max(target.min, wish.current):
            return None
        return _raised_floor(wish, target, floor)
    before = situation.state.floor_before
    if wish.is_lower and before is not None and before < target.min == situation.state.floor_set:
        sentence = (
            f"{wish.sentence}: Application Auto Scaling's minimum goes back from {units(target.min)} to {units(before)}"
        )
        return Wish(target.min, before, Reason.RESTORE_FLOOR, sentence, wish.evidence, wish.at)
    return None


def _raised_floor(wish: Wish, target: ScalableTarget, floor: int) -> Wish:
    """Where the floor must stop below what is wanted, that is said, and what stops it."""
    moved = f"{units(target.min)} to {units(floor)}"
    if floor >= wish.target:
        sentence = f"{wish.sentence}, by raising Application Auto Scaling's minimum {moved}"
        return Wish(target.min, floor, Reason.RAISE_FLOOR, sentence, wish.evidence, wish.at)
    limit = "its maximum" if floor == target.max else "the configured maximum"
    less = f"{units(wish.target)} wanted, and Application Auto Scaling's minimum goes from {moved}, {limit}"
    why = wish.sentence.removesuffix(f": {wish.sentence_of_change()}")
    evidence = {**wish.evidence, "wanted": wish.target}
    return Wish(target.min, floor, Reason.RAISE_FLOOR, f"{why}: {less}", evidence, wish.at)


def planned(
    now: float,
    tuning: Tuning,
    wishes: Mapping[Dimension, Wish],
    budgets: Mapping[str, Budget],
    *,
    floor_rises: bool = False,
) -> dict[Dimension, Wish]:
    """One table's wishes made into what one UpdateTable may carry.

    Raises are urgent, so no decrease rides with one: AWS would refuse the whole call if its budget were gone, and a
    decrease can wait a minute; nor does one go before a floor that must rise. Decreases of one index (or the table)
    are one decrease of its budget, for both kinds.
    """
    if floor_rises or any(wish.is_raise for wish in wishes.values()):
        why = "another dimension of this table must be raised first"
        return {d: wish.held(Reason.HOLD_RAISE_FIRST, why) if wish.is_lower else wish for d, wish in wishes.items()}
    plan = dict(wishes)
    for index in sorted({dimension.index for dimension in wishes}):
        lowering = {d: wish for d, wish in wishes.items() if d.index == index and wish.is_lower}
        if lowering:
            plan.update(_spend(now, tuning, budgets[index], lowering))
    return plan


def _spend(now: float, tuning: Tuning, budget: Budget, lowering: Mapping[Dimension, Wish]) -> dict[Dimension, Wish]:
    """Whether one decrease of this budget is worth it now, for the kinds of one table or index together."""
    if not budget.allowed:
        why = f"today's decreases are used up, the next is allowed in {duration(budget.wait)}"
        return {d: wish.held(Reason.HOLD_BUDGET, why) for d, wish in lowering.items()}
    if budget.idle < tuning.lower_hold:
        why = f"it was lowered {duration(budget.idle)} ago, and one decrease must be seen at work before the next"
        return {d: wish.held(Reason.HOLD_SETTLING, why) for d, wish in lowering.items()}
    best = max(wish.saving for wish in lowering.values())
    # An hour after the last one, a decrease is to be had anyway; sooner, it costs one of the day's first four.
    hourly = budget.idle >= HOUR
    needed = tuning.lower_saving if hourly else tuning.early_saving
    if best < needed and not any(wish.reason is Reason.LOWER_TO_MAX for wish in lowering.values()):
        why = f"{percent(best)} is too small a saving to spend a decrease on ({percent(needed)} is needed now)"
        return {d: wish.held(Reason.HOLD_SMALL_SAVING, why) for d, wish in lowering.items()}
    if not hourly and budget.left <= tuning.reserve and now % DAY < tuning.reserve_until:
        which = "one" if budget.left == 1 else f"{budget.left}"
        why = f"the last {which} of today's first four decreases is kept for the evening"
        return {d: wish.held(Reason.HOLD_BUDGET, why) for d, wish in lowering.items()}
    return dict(lowering)
