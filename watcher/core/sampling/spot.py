"""One table or index in the making of a plan: what is ours there, what is wanted, and whether that may be done."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf

from watcher.core.insights import Place, Sampler, SamplerMode, SamplerStatus, Sampling
from watcher.core.model import Action, Decision, Dimension, Kind, Lever, Switch, TableKey
from watcher.core.policy import TablePolicy
from watcher.core.reasons import Mode, Outcome, Reason
from watcher.core.sampling import words
from watcher.core.sampling.cost import SamplingLimits, billed_events, mode_rules, window_dollars
from watcher.core.sampling.memory import (
    BACK,
    ON,
    asked,
    asked_for_a_while,
    confirmed,
    grown,
    having_told,
    is_news,
    is_returning,
    returned,
    returning,
    undone,
)
from watcher.core.state import SamplerState

# A switch is in force, and listed, within seconds; a survey this much younger knows of it for sure.
GRACE = 90.0
# After a refusal, after AWS failed, after another hand switched it off, and between two windows of full mode.
PAUSE = 3600.0
# A put-back that AWS refused is tried again sooner: full mode costs by the minute.
RETRY = 300.0
# Of the tries to switch a place on that are told in an hour, these follow the first.
AGAIN = (2, 3)
ROUNDING = 1e-9  # dollars

# What was last recorded of a place that is left as it is, so that it is said once.
SWITCHED_OFF = "switched-off"
REFUSED = "refused"
UNSURVEYED = "unsurveyed"
FOREIGN_FULL = "foreign-full"
FOREIGN_THROTTLED = "foreign-throttled"
FOREIGN_FAILED = "foreign-failed"
QUOTA = "quota"
COST = "cost"
ADVISED = "advised "


@dataclass(slots=True)
class Spot:
    """A place with its want and its memory; the decisions on it are gathered here.

    sampler: as surveyed, None while the Region is not. need, events, unseen: see SamplingCase; events None when not
    known.
    exists: False for an index that DescribeTable does not name any more.
    """

    now: float
    key: TableKey
    place: Place
    policy: TablePolicy | None
    memory: SamplerState
    sampler: Sampler | None = None
    surveyed_at: float = -inf
    has_sort: bool = True
    exists: bool = True
    need: float = 0.0
    events: float | None = None
    unseen: bool = False
    lost: str = ""
    action: Action | None = None
    decisions: list[Decision] = field(default_factory=list)

    @property
    def mode(self) -> Mode:
        return self.policy.mode if self.policy is not None else Mode.OBSERVE

    @property
    def wish(self) -> SamplerMode:
        """What is wanted of our hand; OFF: as found."""
        if self.policy is None or self.mode is Mode.OBSERVE or not self.exists:
            return SamplerMode.OFF
        if self.policy.sampling is Sampling.THROTTLED:
            return SamplerMode.THROTTLED
        needed = self.policy.sampling is Sampling.ON_INCIDENT and self.need > 0
        return SamplerMode.FULL if needed else SamplerMode.OFF

    @property
    def age(self) -> float:
        """Seconds by which the survey is younger than our last switch; infinite without one, or if the clock was since
        set back behind it."""
        at = self.memory.set_at
        return inf if at is None or at > self.now else self.surveyed_at - at

    @property
    def is_known(self) -> bool:
        """Whether the survey was made after our last switch."""
        return self.sampler is not None and self.age > 0

    @property
    def has_failed(self) -> bool:
        return self.is_known and self.sampler is not None and self.sampler.status is SamplerStatus.FAILED

    @property
    def rules(self) -> int:
        """What the wish takes of the quota."""
        return mode_rules(self.wish, self.has_sort)

    def say(self, reason: Reason, sentence: str, mode: Mode, outcome: Outcome, **evidence: float) -> None:
        place = Dimension(self.place.index, Kind.READ)
        self.decisions.append(
            Decision(self.now, self.key, place, 0, 0, reason, sentence, mode, outcome, evidence=evidence)
        )

    def hold(self, reason: Reason, note: str, sentence: str, **evidence: float) -> None:
        """Leave it as it is; said once per note. A survey that is missing does not end what it held before."""
        self.lost = sentence
        if self.memory.noted == note or (note == UNSURVEYED and self.memory.noted):
            return
        self.memory = replace(self.memory, noted=note)
        if self.is_news(note):
            self.say(reason, sentence, self.mode, Outcome.NONE, **evidence)

    def is_news(self, note: str) -> bool:
        """Whether it is to be told, which is then remembered."""
        if not is_news(self.memory, note, self.now):
            return False
        self.memory = having_told(self.memory, note, self.now)
        return True

    def quieten(self) -> None:
        """Nothing is amiss: what is said next is news again, unless it was told lately."""
        if self.memory.noted or self.memory.advised is not None:
            self.memory = replace(self.memory, noted="", advised=None)

    def put_back(self, why: str) -> None:
        """Said once per reason: one that fails again and again is tried again in silence."""
        found = self.memory.found or SamplerMode.OFF
        before = SamplerMode.OFF if self.has_failed else self.memory.set
        if self.memory.noted != BACK + why:
            sentence = words.restore(self.place, self.memory.set, found, why)
            self.say(Reason.SAMPLE_RESTORE, sentence, Mode.ACT, Outcome.PENDING)
        self.action = self._action(Mode.ACT, before, found)
        self.memory = replace(returning(self.memory, self.now), noted=BACK + why)

    def switch_on(self, limits: SamplingLimits, usd: float) -> None:
        """Or advise to. usd: what a window of full mode is estimated to cost. Of tries that follow each other a few are
        told, so that history shows the one that AWS takes after having been busy; more than that are noise."""
        wish, acting = self.wish, self.mode is Mode.ACT
        tries = [self.note_of_wish, *(f"{self.note_of_wish} {again}" for again in AGAIN if acting)]
        if any(self.is_news(note) for note in tries):
            self._say_on(limits, usd)
        self.action = self._action(self.mode, SamplerMode.OFF, wish)
        if not acting:
            self.memory = replace(self.memory, advised=wish, noted="")
            self.lost = words.advised(self.place, wish)
        elif wish is SamplerMode.FULL:
            self.memory = asked_for_a_while(self.memory, self.now, limits.full_seconds, usd)
        else:
            self.memory = asked(self.memory, self.now, wish)

    @property
    def note_of_wish(self) -> str:
        return f"{ON if self.mode is Mode.ACT else ADVISED}{self.wish}"

    def _say_on(self, limits: SamplingLimits, usd: float) -> None:
        outcome = Outcome.PENDING if self.mode is Mode.ACT else Outcome.ADVISED
        if self.wish is SamplerMode.FULL:
            sentence = words.sample_full(self.place, limits.full_seconds, self.need, usd)
            self.say(Reason.SAMPLE_FULL, sentence, self.mode, outcome, rules=self.rules, usd=usd, throttled=self.need)
        else:
            sentence = words.sample_throttled(self.place, self.rules)
            self.say(Reason.SAMPLE_THROTTLED, sentence, self.mode, outcome, rules=self.rules)

    def window_usd(self, limits: SamplingLimits) -> float:
        """What the wish costs at most beside its rules; infinite when that is not known."""
        if self.wish is not SamplerMode.FULL:
            return 0.0
        if self.events is None:
            return inf
        return window_dollars(billed_events(self.events, self.has_sort), limits.full_seconds)

    def _action(self, mode: Mode, before: SamplerMode, after: SamplerMode) -> Action:
        return Action(self.key, Lever.SAMPLING, (), mode, Switch(self.place.index, before, after))


def examine(spot: Spot, limits: SamplingLimits) -> bool:
    """Recognise what is ours, put back what is to go, say what is left alone and why. Whether it remains to be switched
    on, as far as the place itself goes."""
    _recognise(spot)
    if spot.memory.is_ours:
        _keep_or_return(spot, limits)
        return False
    return not spot.unseen and _is_to_be_switched(spot)


def recount(spot: Spot, limits: SamplingLimits, spent: float) -> float:
    """Price the full mode of ours by today's traffic, which may have grown since it was switched on; put it back when
    that is more than the day has left. spent, and what is returned: dollars of the Region before and after."""
    memory = spot.memory
    if not _is_in_its_window(spot) or spot.events is None or memory.full_at is None or memory.until is None:
        return spent
    billed = billed_events(spot.events, spot.has_sort)
    growth = window_dollars(billed, memory.until - memory.full_at) - memory.reserved
    if growth <= ROUNDING or not _may_return_now(spot):  # what cannot be put back yet is counted when it can
        return spent
    spot.memory = grown(memory, spot.now, growth)
    spent += growth
    if spent > limits.usd_per_day + ROUNDING:
        spot.put_back(words.DAY_IS_SPENT)
    return spent


def _is_in_its_window(spot: Spot) -> bool:
    """Whether full mode of ours is on there to stay for now, and its traffic is known."""
    memory = spot.memory
    is_full = memory.is_ours and memory.set is SamplerMode.FULL
    return is_full and not spot.unseen and spot.action is None and not is_returning(memory)


def _recognise(spot: Spot) -> None:
    """Agree with the survey on whether what we set is in force."""
    memory, sampler = spot.memory, spot.sampler
    if not memory.is_ours or sampler is None or not spot.is_known or not sampler.is_settled or spot.has_failed:
        return
    if sampler.mode is memory.set:
        spot.memory = memory if memory.in_force else confirmed(memory)
    elif sampler.mode is not SamplerMode.OFF:
        _give_up(spot, sampler.mode)  # we only ever switch between off and what we set
    elif is_returning(memory):
        spot.memory = returned(memory)
    elif spot.age < GRACE:
        return
    elif not memory.in_force:
        spot.memory = undone(memory)
    else:
        _give_up(spot, sampler.mode)


def _give_up(spot: Spot, mode: SamplerMode) -> None:
    """Another hand has taken over. What it switched off is left so for a while: we never fight."""
    was = spot.memory.set
    spot.memory = returned(spot.memory) if spot.memory.in_force else undone(spot.memory)
    if mode is SamplerMode.OFF and spot.exists:
        sentence = words.switched_off(spot.place, was, PAUSE)
        spot.memory = replace(spot.memory, refused_at=spot.now, refusal="another hand switched it off")
        if spot.wish is not SamplerMode.OFF:
            spot.hold(Reason.HOLD_SAMPLING_FOREIGN, SWITCHED_OFF, sentence)


def _keep_or_return(spot: Spot, limits: SamplingLimits) -> None:
    sampler = spot.sampler
    failure = words.failed(sampler.failure) if sampler is not None and spot.has_failed else ""
    why = failure or _why_return(spot, limits)
    if not why:
        spot.quieten()
    elif _may_return_now(spot):
        if failure:
            spot.memory = replace(spot.memory, refused_at=spot.now, refusal=failure)
        spot.put_back(why)


def _why_return(spot: Spot, limits: SamplingLimits) -> str:
    """Why what is ours there is to go, "" while it is to stay."""
    memory, policy = spot.memory, spot.policy
    if is_returning(memory):
        return words.NOT_SEEN_TO_WORK
    if not spot.exists:
        return words.INDEX_GONE
    if policy is None:
        return words.NOT_CONFIGURED
    if policy.mode is Mode.OBSERVE:
        return words.OBSERVING
    if memory.set is SamplerMode.FULL and policy.sampling is Sampling.ON_INCIDENT:
        return _why_end(spot, limits)
    return "" if memory.set is spot.wish else words.config_changed(policy.sampling)


def _why_end(spot: Spot, limits: SamplingLimits) -> str:
    """Why full mode is to end, "" while it is to go on."""
    memory = spot.memory
    if memory.full_at is None or memory.until is None:
        return words.NOT_BEGUN
    if not 0 <= spot.now - memory.full_at < limits.full_seconds or spot.now >= memory.until:
        return words.TIME_IS_UP
    return "" if spot.need > 0 or spot.unseen else words.NEED_IS_OVER


def _may_return_now(spot: Spot) -> bool:
    """Whether the last thing we asked for has had its chance to happen."""
    memory, now = spot.memory, spot.now
    set_at = -inf if memory.set_at is None or memory.set_at > now else memory.set_at
    if memory.refused_at is not None and memory.refused_at >= set_at and 0 <= now - memory.refused_at < RETRY:
        return False
    is_due = now - set_at >= GRACE or (memory.until is not None and set_at < memory.until <= now)
    if spot.sampler is None or not spot.is_known:
        return is_due
    if spot.has_failed:
        return True
    # What the survey shows off, or on by another hand, is not there to be put back.
    return spot.sampler.mode is memory.set and (is_due or spot.sampler.is_settled)


def _is_to_be_switched(spot: Spot) -> bool:
    wish, sampler = spot.wish, spot.sampler
    if wish is SamplerMode.OFF and spot.memory.advised is not None:
        spot.memory = replace(spot.memory, advised=None)
    if not _is_interested(spot):
        spot.quieten()
        return False
    if sampler is None:
        if wish is not SamplerMode.OFF:
            spot.hold(Reason.HOLD_SAMPLING_REFUSED, UNSURVEYED, words.unsurveyed(spot.place, ""))
        return False
    if spot.age < GRACE or not sampler.is_settled:
        spot.lost = "" if wish is SamplerMode.OFF else (_refusal(spot) or words.SWITCHING)
        return False
    if sampler.mode is not SamplerMode.OFF:
        _leave_foreign(spot, sampler.mode)
        return False
    if wish is SamplerMode.OFF:
        spot.quieten()
        return False
    return not _is_barred(spot, sampler)


def _is_interested(spot: Spot) -> bool:
    """Whether the config asks for any sampling of the place, now or in an incident."""
    policy = spot.policy
    if policy is None or not spot.exists or policy.mode is Mode.OBSERVE:
        return False
    return policy.sampling is not Sampling.OFF


def _leave_foreign(spot: Spot, mode: SamplerMode) -> None:
    wish, place = spot.wish, spot.place
    if mode is wish:
        return
    if mode is SamplerMode.FULL:
        # More is sampled than was wanted: that costs, but nothing is lost.
        sentence = words.foreign_full(place, spot.events, spot.has_sort)
        spot.hold(Reason.HOLD_SAMPLING_FOREIGN, FOREIGN_FULL, sentence)
        spot.lost = ""
    elif wish is SamplerMode.FULL:
        spot.hold(Reason.HOLD_SAMPLING_FOREIGN, FOREIGN_THROTTLED, words.foreign_throttled(place))


def _is_barred(spot: Spot, sampler: Sampler) -> bool:
    """Whether an earlier outcome at this place forbids the wish for now."""
    memory, now, place = spot.memory, spot.now, spot.place
    if sampler.status is SamplerStatus.FAILED:
        spot.hold(Reason.HOLD_SAMPLING_FOREIGN, FOREIGN_FAILED, words.foreign_failed(place, sampler.failure))
        return True
    refusal = _refusal(spot)
    if refusal:
        note = SWITCHED_OFF if memory.noted == SWITCHED_OFF else REFUSED
        spot.hold(Reason.HOLD_SAMPLING_REFUSED, note, refusal)
        return True
    is_full = spot.wish is SamplerMode.FULL
    if is_full and memory.full_at is not None and 0 <= now - memory.full_at < PAUSE:
        spot.lost = words.rested(place, memory.full_at + PAUSE, now)
        return True
    if spot.mode is Mode.ADVISE and (memory.advised is spot.wish or not is_news(memory, spot.note_of_wish, now)):
        spot.memory = replace(memory, advised=spot.wish)
        spot.lost = words.advised(place, spot.wish)
        return True
    return False


def _refusal(spot: Spot) -> str:
    """Why it is not tried again yet, "" while nothing was refused lately."""
    memory, now = spot.memory, spot.now
    if memory.refused_at is None or not 0 <= now - memory.refused_at < PAUSE:
        return ""
    return words.refused(spot.place, memory.refusal, memory.refused_at + PAUSE, now)
