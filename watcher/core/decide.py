"""How many units one dimension should have, before anything limits the wish.

Capacity and the burst bucket together carry what is planned for the next minutes; a raise is one step, at once, and a
decrease goes as low as the hour until the next one allows. Every wish carries its reason and a sentence with its
numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import ceil, inf

from watcher.core.diagnose import View
from watcher.core.forecast import Outlook, Surge, covered
from watcher.core.policy import Bounds, Tuning
from watcher.core.reasons import Cause, Freshness, Reason
from watcher.core.schedule import Floor
from watcher.core.series import MINUTE
from watcher.core.state import DimensionState
from watcher.core.track import BURST_SECONDS
from watcher.core.words import count, duration, percent, rate, units

# When it throttles, room for at least this much more than what was seen is bought.
LEAST_ROOM = 1.05
# And when it throttles although what was seen would fit, its seconds are burstier than its minutes: this much is tried.
BURSTY_ROOM = 0.2
# But a table whose capacity is this many times its demand is throttled by something that capacity does not cure.
BURSTIEST = 4.0
# Of the quiet window's minutes, this part must be known before a decrease is thought of.
QUIET_COVERAGE = 0.9
# What a person would call rising or falling, a minute.
NOTABLE_GROWTH = 0.01

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
        """This wish given up for ``why``, still telling what it would have been: in words, and as "wanted"."""
        if self.target == self.current:
            return replace(self, reason=reason, sentence=why)
        sentence, evidence = f"would {self.sentence_of_change()}, but {why}", {**self.evidence, "wanted": self.target}
        return replace(self, target=self.current, reason=reason, sentence=sentence, evidence=evidence)

    def sentence_of_change(self) -> str:
        verb = "raise" if self.is_raise else "lower"
        return f"{verb} {units(self.current)} to {units(self.target)}"


@dataclass(frozen=True, slots=True)
class Matter:
    """What one dimension's wish is made from. outlook: None while nothing is known. least: an event's floor."""

    now: float
    tuning: Tuning
    bounds: Bounds
    view: View
    state: DimensionState
    outlook: Outlook | None
    least: Floor | None = None

    @property
    def current(self) -> int:
        return self.view.provisioned

    def hold(self, reason: Reason, sentence: str, evidence: dict[str, float] | None = None) -> Wish:
        return Wish(self.current, self.current, reason, sentence, evidence or {})


def wish(matter: Matter) -> Wish:
    """The unlimited wish for one dimension of a provisioned table. Never raises."""
    wanted = _by_demand(matter)
    current, least = matter.current, matter.bounds.min
    if current < least and wanted.target < least:
        sentence = f"{units(current)} is below the configured minimum: raise to {units(least)}"
        wanted = Wish(current, least, Reason.RAISE_TO_MIN, sentence)
    return wanted if matter.least is None else _kept_up(matter, wanted, matter.least)


def _by_demand(matter: Matter) -> Wish:
    view, outlook = matter.view, matter.outlook
    if view.freshness is not Freshness.FRESH or outlook is None:
        return _blind(matter)
    story = _story(matter, outlook)
    raised = _raise(matter, outlook, story)
    if raised is not None:
        return raised
    if view.cause in HOLDS:
        reason, why = HOLDS[view.cause]
        return matter.hold(
            reason, f"{why}; consuming {rate(view.consumed or 0.0)} on {units(matter.current)}", _facts(matter, outlook)
        )
    if matter.current > matter.bounds.max:
        return _lower_to_max(matter)
    return _lower(matter, outlook, story)


def _kept_up(matter: Matter, wanted: Wish, least: Floor) -> Wish:
    """The wish with the floor of a known event under it, inside the bounds."""
    floor = matter.bounds.clamp(least.units)
    if wanted.target >= floor:
        return wanted
    why = least.purpose(matter.now)
    if wanted.current < floor:
        sentence = f"raise {units(wanted.current)} to {units(floor)} {why}"
        return replace(wanted, target=floor, reason=Reason.RAISE_SCHEDULE, sentence=sentence)
    if wanted.current == floor:
        return wanted.held(Reason.HOLD_SCHEDULE, f"{units(floor)} are kept {why}")
    return replace(wanted, target=floor, sentence=f"{wanted.sentence}; {units(floor)} are kept {why}")


def whole(rate_wanted: float) -> int:
    """Whole units that give ``rate_wanted``. 42.0000000001 is 42: binary fractions buy nothing."""
    return ceil(round(rate_wanted, 6))


def _story(matter: Matter, outlook: Outlook) -> str:
    """``demand 812/s rising 6 % a minute, bucket 40 s deep, forecast 930``."""
    parts = [f"demand {rate(outlook.demand)}"]
    if abs(outlook.growth) >= NOTABLE_GROWTH:
        parts[0] += f" {'rising' if outlook.growth > 0 else 'falling'} {percent(abs(outlook.growth))} a minute"
    if matter.view.events:
        parts.append(f"{count(matter.view.events, 'event')} throttled")
    if matter.current:
        parts.append(f"bucket {duration(min(BURST_SECONDS, outlook.bucket / matter.current))} deep")
    season = f" by the {outlook.season}" if outlook.season else ""
    follows = f" with the writes of {outlook.follows}" if outlook.follows else ""
    parts.append(f"forecast {rate(outlook.planned)}{season}{follows}")
    return ", ".join(parts)


def _facts(matter: Matter, outlook: Outlook) -> dict[str, float]:
    return {
        "demand": round(outlook.demand, 3),
        "consumed": round(matter.view.consumed or 0.0, 3),
        "throttled": matter.view.events,
        "provisioned": matter.current,
        "forecast": round(outlook.planned, 3),
        "bucket": round(outlook.bucket, 3),
        "usual": round(outlook.base, 3),
    }


def _blind(matter: Matter) -> Wish:
    stale = matter.view.freshness is Freshness.STALE
    reason = Reason.HOLD_STALE if stale else Reason.HOLD_ABSENT
    why = "the newest consumption point is stale" if stale else "CloudWatch has no consumption for it"
    return matter.hold(reason, f"{why}: nothing is changed on a guess")


def _since_change(matter: Matter, outlook: Outlook) -> float:
    """Seconds from the last change to the beginning of the newest minute; infinite where nothing was changed."""
    changed = max((at for at in (matter.state.raised_at, matter.state.lowered_at) if at is not None), default=-inf)
    return outlook.newest - changed


def _raise(matter: Matter, outlook: Outlook, story: str) -> Wish | None:
    """A raise, a hold because an earlier one is not yet visible, or None when no raise is called for."""
    tuning, current = matter.tuning, matter.current
    starved = outlook.starved > 0.0 and matter.view.cause not in HOLDS
    since = _since_change(matter, outlook)
    # Throttling is news in a minute that ended after the last change took effect, and says that what there is now is
    # too little only in one that also began after it.
    news = starved and since + MINUTE > tuning.effect
    target = max(_throttled_target(tuning, outlook) if news else 0.0, _demand_target(tuning, outlook, current))
    if news and target <= current and since >= tuning.actuation:
        if current >= BURSTIEST * outlook.peak:
            sentence = f"{story}, on {units(current)}: throttled although that is far above demand; look at the keys"
            return matter.hold(Reason.HOLD_UNCLASSIFIED, sentence, _facts(matter, outlook))
        target = (1.0 + BURSTY_ROOM) * current
    if target <= current if news else target < current * (1.0 + tuning.raise_step):
        sentence = f"{story}; waiting to see the last change at work"
        return matter.hold(Reason.HOLD_SETTLING, sentence, _facts(matter, outlook)) if starved else None
    wanted = whole(target)
    if wanted <= current:
        return None
    reason = Reason.RAISE_THROTTLED if news else Reason.RAISE_DEMAND
    goal = max((surge.goal for surge in _pressing(tuning, outlook, current)), default=0.0)
    why = f", probably on its way to {rate(goal)}" if goal > outlook.demand else ""
    sentence = f"{story}{why}: raise {units(current)} to {units(wanted)}"
    return Wish(current, wanted, reason, sentence, _facts(matter, outlook), at=outlook.newest)


def _throttled_target(tuning: Tuning, outlook: Outlook) -> float:
    """Room above what was asked for when it throttled; no more than the last day makes likely."""
    room = tuning.throttle_factor * outlook.peak
    if outlook.ceiling is not None:
        room = min(room, outlook.ceiling)
    return max(room, LEAST_ROOM * outlook.peak)


def _demand_target(tuning: Tuning, outlook: Outlook, current: int) -> float:
    """What capacity must be so that it and the bucket carry what is planned; 0.0 when they do already."""
    reserve = tuning.reserve_elevated if outlook.elevated else tuning.reserve_calm
    carried = covered(outlook, current, reserve, tuning.horizon) if tuning.bucket else float(current)
    target = 0.0
    if carried < outlook.planned:
        target = max(outlook.level, outlook.planned - (carried - current))
    return max(target, *(surge.goal for surge in _pressing(tuning, outlook, current)), 0.0)


def _pressing(tuning: Tuning, outlook: Outlook, current: int) -> list[Surge]:
    """The rises that capacity and bucket will not carry until the next decision has effect."""
    carried = covered(outlook, current, 0.0, outlook.blind) if tuning.bucket else float(current)
    return [surge for surge in outlook.surges if carried < surge.load]


def _lower_to_max(matter: Matter) -> Wish:
    most = matter.bounds.max
    sentence = f"above the configured maximum: lower {units(matter.current)} to {units(most)}"
    lowered = Wish(matter.current, most, Reason.LOWER_TO_MAX, sentence, at=matter.view.newest)
    return _unless_unsure(matter, lowered)


def _lower(matter: Matter, outlook: Outlook, story: str) -> Wish:
    tuning, current = matter.tuning, matter.current
    lowest = max(outlook.below * outlook.level, _least_carrying(tuning, outlook))
    target = min(current, matter.bounds.clamp(round(lowest, 6)))
    sentence = f"{story}: lower {units(current)} to {units(target)}"
    lowered = Wish(current, target, Reason.LOWER_UNUSED, sentence, _facts(matter, outlook), at=outlook.newest)
    if target == current or lowered.saving < tuning.ride_saving:
        return _steady(matter, outlook, story)
    now, state, view = matter.now, matter.state, matter.view
    if state.raised_at is not None and now - state.raised_at < tuning.raise_hold:
        return lowered.held(Reason.HOLD_RECENT_LOAD, f"it was raised {duration(now - state.raised_at)} ago")
    if view.last_throttle is not None and now - view.last_throttle - MINUTE < tuning.throttle_hold:
        ago = max(0.0, now - view.last_throttle - MINUTE)
        return lowered.held(Reason.HOLD_RECENT_LOAD, f"it throttled {duration(ago)} ago")
    above = target - max(outlook.base, matter.bounds.min)
    if lowered.saving < tuning.early_saving and current - target < tuning.lower_wait * above:
        why = f"demand is still coming down to its usual {rate(outlook.base)}, and a decrease lasts an hour"
        return lowered.held(Reason.HOLD_RECENT_LOAD, why)
    return _unless_unsure(matter, lowered)


def _least_carrying(tuning: Tuning, outlook: Outlook) -> float:
    """The least capacity that, with its bucket above the reserve, carries what is planned: less would be raised again
    at once. A smaller table keeps a smaller bucket, that of its level at least."""
    if not tuning.bucket:
        return outlook.planned
    saved = min(outlook.bucket, BURST_SECONDS * outlook.level)
    reserve = tuning.reserve_elevated if outlook.elevated else tuning.reserve_calm
    return min(outlook.planned, (outlook.planned - saved / tuning.horizon) / (1.0 - reserve / tuning.horizon))


def _unless_unsure(matter: Matter, lowered: Wish) -> Wish:
    """No decrease on absent or stale data: every answer complete and the quiet window known."""
    view, tuning = matter.view, matter.tuning
    if not view.complete or view.newest is None:
        return lowered.held(Reason.HOLD_STALE, "CloudWatch's last answer was incomplete")
    if lowered.reason is Reason.LOWER_UNUSED and view.long_known < tuning.least_known:
        why = f"only {view.long_known} minutes of it are known so far, and {tuning.least_known} are wanted first"
        return lowered.held(Reason.HOLD_ABSENT, why)
    if view.quiet_known < QUIET_COVERAGE * tuning.quiet_minutes:
        why = f"only {view.quiet_known} of the last {tuning.quiet_minutes} minutes are known"
        return lowered.held(Reason.HOLD_ABSENT, why)
    return lowered


def _steady(matter: Matter, outlook: Outlook, story: str) -> Wish:
    current = matter.current
    reason = Reason.HOLD_AT_MIN if current == matter.bounds.min else Reason.HOLD_STEADY
    where = ", the configured minimum" if reason is Reason.HOLD_AT_MIN else ""
    sentence = f"{story}, on {units(current)}{where}: right as it is"
    return matter.hold(reason, sentence, _facts(matter, outlook))
