"""How many units one dimension should have, before anything limits the wish.

A first honest policy: size to the estimated demand at a target utilisation. A raise is one step, at once; a decrease
waits for a quiet window. Every wish carries its reason and a sentence with its numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import ceil

from watcher.core.demand import Minute
from watcher.core.diagnose import View
from watcher.core.policy import Bounds, Tuning
from watcher.core.reasons import Cause, Freshness, Reason
from watcher.core.series import MINUTE
from watcher.core.state import DimensionState
from watcher.core.words import count, duration, percent, rate, units

# The target says how much room to leave; when own capacity throttles although its minute averages fit, the load is
# burstier than a minute shows, and this much more is tried.
BURSTY_RAISE = 1.2
# Of the quiet window's minutes, this part must be known before a decrease is thought of.
QUIET_COVERAGE = 0.9

HOLDS = {
    Cause.KEY_RANGE: (Reason.HOLD_KEY_RANGE, "one key range is over its partition's limit, which capacity cannot lift"),
    Cause.ACCOUNT_LIMIT: (Reason.HOLD_ACCOUNT_LIMIT, "an account or table quota throttles, not this capacity"),
    Cause.INDEX_BACK_PRESSURE: (
        Reason.HOLD_BACK_PRESSURE,
        "a starving index throttles these writes: the index comes first",
    ),
    Cause.UNCLASSIFIED: (Reason.HOLD_UNCLASSIFIED, "throttled below capacity and AWS gives no cause"),
}


@dataclass(frozen=True, slots=True)
class Wish:
    """target: units per second; equal to ``current`` for a hold. at: newest minute that was evidence."""

    current: int
    target: int
    reason: Reason
    sentence: str
    evidence: dict[str, float] = field(default_factory=dict)
    at: int | None = None

    @property
    def is_raise(self) -> bool:
        return self.target > self.current

    @property
    def is_lower(self) -> bool:
        return self.target < self.current

    @property
    def saving(self) -> float:
        """Fraction of the current capacity given back."""
        return (self.current - self.target) / self.current if self.current else 0.0

    def held(self, reason: Reason, why: str) -> Wish:
        """This wish given up for ``why``, still telling what it would have been."""
        sentence = f"would {self.sentence_of_change()}, but {why}" if self.target != self.current else why
        return replace(self, target=self.current, reason=reason, sentence=sentence)

    def sentence_of_change(self) -> str:
        verb = "raise" if self.is_raise else "lower"
        return f"{verb} {units(self.current)} to {units(self.target)}"


def wish(now: float, tuning: Tuning, bounds: Bounds, view: View, state: DimensionState) -> Wish:
    """The unlimited wish for one dimension of a provisioned table. Never raises."""
    wanted = _by_demand(now, tuning, bounds, view, state)
    if view.provisioned < bounds.min and wanted.target < bounds.min:
        sentence = f"{units(view.provisioned)} is below the configured minimum: raise to {units(bounds.min)}"
        return Wish(view.provisioned, bounds.min, Reason.RAISE_TO_MIN, sentence)
    return wanted


def _by_demand(now: float, tuning: Tuning, bounds: Bounds, view: View, state: DimensionState) -> Wish:
    current = view.provisioned
    if view.freshness is not Freshness.FRESH:
        return _blind(view)
    evidence, settled = evidence_minutes(tuning, view, state)
    if not evidence:
        return Wish(current, current, Reason.HOLD_SETTLING, "waiting for a minute that shows the last change at work")
    demand = max(minute.demand for minute in evidence)
    raised = _raise(tuning, view, evidence, demand, settled=settled)
    if raised is not None:
        return raised
    if view.cause in HOLDS:
        reason, why = HOLDS[view.cause]
        return Wish(current, current, reason, f"{why}; demand {rate(demand)} on {units(current)}", _facts(view, demand))
    if current > bounds.max:
        return _lower_to_max(tuning, bounds, view)
    return _lower(now, tuning, bounds, view, state, demand)


def sized(demand: float, utilisation: float) -> int:
    """Whole units of which ``demand`` uses ``utilisation`` at most. 42 at 0.7 is 60, whatever binary fractions say."""
    return ceil(round(demand / utilisation, 6))


def evidence_minutes(tuning: Tuning, view: View, state: DimensionState) -> tuple[tuple[Minute, ...], bool]:
    """The newest minutes that may be judged by, and whether they show the last change at work.

    Minutes from before a change say how it was, not how it is. Until one lies wholly after it, only minutes newer than
    those the last raise was decided on are news, and the second value is False.
    """
    newest = view.recent[-tuning.demand_minutes :]
    changed = max((at for at in (state.raised_at, state.lowered_at) if at is not None), default=None)
    after = tuple(minute for minute in newest if changed is None or minute.start >= changed + tuning.actuation)
    if after:
        return after, True
    return tuple(minute for minute in newest if state.raised_on is None or minute.start > state.raised_on), False


def _facts(view: View, demand: float) -> dict[str, float]:
    return {
        "demand": round(demand, 3),
        "consumed": round(view.consumed or 0.0, 3),
        "throttled": view.events,
        "provisioned": view.provisioned,
    }


def _utilisation(demand: float, current: int) -> str:
    # Nothing is provisioned only while a table comes from on-demand billing.
    return f"demand {rate(demand)} on {units(current)}" + (f" is {percent(demand / current)}" if current else "")


def _blind(view: View) -> Wish:
    stale = view.freshness is Freshness.STALE
    reason = Reason.HOLD_STALE if stale else Reason.HOLD_ABSENT
    why = "the newest consumption point is stale" if stale else "CloudWatch has no consumption for it"
    return Wish(view.provisioned, view.provisioned, reason, f"{why}: nothing is changed on a guess")


def _raise(tuning: Tuning, view: View, evidence: tuple[Minute, ...], demand: float, *, settled: bool) -> Wish | None:
    """A raise, a hold because an earlier change is not yet visible, or None when no raise is called for."""
    current = view.provisioned
    starved = sum(minute.causes.get(Cause.PROVISIONED, 0.0) for minute in evidence)
    if view.cause in HOLDS:
        # A trickle beside a hot key or a quota: only what the table as a whole needs is bought, no room for bursts.
        starved = 0.0
    target = max(sized(demand, tuning.target), current)
    if starved:
        target = max(target, sized(current * BURSTY_RAISE, 1.0))
    elif demand <= tuning.raise_above * current:
        return None
    facts = _facts(view, demand)
    story = _utilisation(demand, current)
    if starved:
        story += f", {count(starved, 'event')} throttled"
    if not settled and demand <= current:
        # Only a demand that even the new capacity cannot carry is news that cannot wait.
        return Wish(current, current, Reason.HOLD_SETTLING, f"{story}; waiting to see the last change at work", facts)
    reason = Reason.RAISE_THROTTLED if starved else Reason.RAISE_DEMAND
    sentence = f"{story}: raise {units(current)} to {units(target)} ({percent(demand / target)} used)"
    return Wish(current, target, reason, sentence, facts, at=view.newest)


def _lower_to_max(tuning: Tuning, bounds: Bounds, view: View) -> Wish:
    sentence = f"above the configured maximum: lower {units(view.provisioned)} to {units(bounds.max)}"
    lowered = Wish(view.provisioned, bounds.max, Reason.LOWER_TO_MAX, sentence, at=view.newest)
    return _unless_unsure(tuning, view, lowered)


def _lower(now: float, tuning: Tuning, bounds: Bounds, view: View, state: DimensionState, demand: float) -> Wish:
    current = view.provisioned
    peak = max(view.quiet_peak or 0.0, demand, tuning.memory_share * view.long_peak)
    target = min(current, bounds.clamp(sized(peak, tuning.target)))
    facts = {
        **_facts(view, demand),
        "quiet_peak": round(view.quiet_peak or 0.0, 3),
        "long_peak": round(view.long_peak, 3),
    }
    if target == current:
        return _steady(bounds, view, demand, facts)
    story = f"at most {rate(max(view.quiet_peak or 0.0, demand))} in {tuning.quiet_minutes} min"
    if peak > max(view.quiet_peak or 0.0, demand):
        story += f" after a peak of {rate(view.long_peak)}"
    lowered = Wish(
        current,
        target,
        Reason.LOWER_UNUSED,
        f"{story} on {units(current)}: lower to {units(target)} ({percent(peak / target)} used at that)",
        facts,
        at=view.newest,
    )
    if lowered.saving < tuning.ride_saving:
        return _steady(bounds, view, demand, facts)
    if state.raised_at is not None and now - state.raised_at < tuning.raise_hold:
        return lowered.held(Reason.HOLD_RECENT_LOAD, f"it was raised {duration(now - state.raised_at)} ago")
    if view.last_throttle is not None and now - view.last_throttle - MINUTE < tuning.throttle_hold:
        ago = max(0.0, now - view.last_throttle - MINUTE)
        return lowered.held(Reason.HOLD_RECENT_LOAD, f"it throttled {duration(ago)} ago")
    return _unless_unsure(tuning, view, lowered)


def _unless_unsure(tuning: Tuning, view: View, lowered: Wish) -> Wish:
    """No decrease on absent or stale data: every answer complete and the quiet window known."""
    if not view.complete or view.newest is None:
        return lowered.held(Reason.HOLD_STALE, "CloudWatch's last answer was incomplete")
    if lowered.reason is Reason.LOWER_UNUSED and view.long_known < tuning.least_known:
        why = f"only {view.long_known} minutes of it are known so far, and {tuning.least_known} are wanted first"
        return lowered.held(Reason.HOLD_ABSENT, why)
    if view.quiet_known < QUIET_COVERAGE * tuning.quiet_minutes:
        why = f"only {view.quiet_known} of the last {tuning.quiet_minutes} minutes are known"
        return lowered.held(Reason.HOLD_ABSENT, why)
    return lowered


def _steady(bounds: Bounds, view: View, demand: float, facts: dict[str, float]) -> Wish:
    current = view.provisioned
    used = _utilisation(demand, current)
    reason = Reason.HOLD_AT_MIN if current == bounds.min else Reason.HOLD_STEADY
    where = ", the configured minimum" if reason is Reason.HOLD_AT_MIN else ""
    return Wish(current, current, reason, f"{used}{where}: right as it is", facts)
