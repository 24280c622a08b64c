"""What a Region has left to give: rules, the day's dollars, switches of this cycle. First come, first served; who comes
first is the plan's business."""

from __future__ import annotations

from collections.abc import Sequence
from math import isinf

from watcher.core.insights import Place, SamplerMode, SamplerStatus, Survey
from watcher.core.reasons import Mode, Reason
from watcher.core.sampling import words
from watcher.core.sampling.cost import SamplingLimits, billed_events, mode_rules
from watcher.core.sampling.memory import is_returning
from watcher.core.sampling.spot import COST, GRACE, PAUSE, QUOTA, ROUNDING, UNSURVEYED, Spot


class Room:
    """Gives places what they wish for, or says why not."""

    def __init__(
        self, now: float, limits: SamplingLimits, survey: Survey | None, spots: Sequence[Spot], spent: float
    ) -> None:
        """spots: all of the Region, examined. spent: dollars of full mode so far on this UTC day."""
        self._now = now
        self._limits = limits
        self._survey = survey
        self._spots = spots
        self._spent = spent
        self._left = limits.switches - sum(1 for spot in spots if spot.action is not None)
        counted = survey.rules if survey is not None and survey.rules is not None else limits.rules
        used = max(counted, _listed(spots, survey)) + _uncounted(spots)
        # What is just being switched may be counted already, or still: certainly free, and free in a moment at most.
        self._sure = limits.rules - used - _coming(spots, survey)
        self._hoped = limits.rules - used + _going(spots, survey)
        # An advice takes nothing from those that act, but all advices together must fit too.
        self._advised = _advised(spots)

    def consider(self, spot: Spot) -> None:
        """Switch it on or advise to, or say why it is left."""
        if self._survey is None or self._survey.rules is None:
            error = self._survey.error if self._survey is not None else ""
            spot.hold(Reason.HOLD_SAMPLING_REFUSED, UNSURVEYED, words.unsurveyed(spot.place, error))
            return
        usd = spot.window_usd(self._limits)
        if not self._is_affordable(spot, usd):
            return
        if spot.rules > self._sure - self._promised(spot):
            self._without_rules(spot)
        elif self._left <= 0:
            spot.lost = words.TURN
        else:
            self._give(spot, usd)

    def _give(self, spot: Spot, usd: float) -> None:
        spot.switch_on(self._limits, usd)
        self._left -= 1
        if spot.mode is not Mode.ACT:
            self._advised += spot.rules
        else:
            self._sure -= spot.rules
            self._hoped -= spot.rules
            self._spent += usd

    def _is_affordable(self, spot: Spot, usd: float) -> bool:
        limits = self._limits
        if usd == 0.0 or self._spent + usd <= limits.usd_per_day + ROUNDING:
            return True
        if isinf(usd):
            spot.hold(Reason.HOLD_SAMPLING_COST, COST, words.unpriced(spot.place))
            return False
        events = billed_events(spot.events or 0.0, spot.has_sort)
        sentence = words.too_dear(spot.place, limits.full_seconds, events, usd, self._spent, limits.usd_per_day)
        spot.hold(Reason.HOLD_SAMPLING_COST, COST, sentence, usd=usd, spent=self._spent, limit=limits.usd_per_day)
        return False

    def _without_rules(self, spot: Spot) -> None:
        """Wait for rules that are being freed, make calm places free some, or lose out."""
        is_urgent = spot.need > 0 and spot.mode is Mode.ACT
        # Where nothing may be switched on, nobody gives way in vain.
        if is_urgent and spot.rules > self._hoped and self._limits.switches > 0:
            self._evict_for(spot)
        hoped = self._hoped - self._promised(spot)
        if spot.rules > hoped:
            limit, used = self._limits.rules, self._limits.rules - hoped  # what others wait for included
            sentence = words.quota(spot.place, spot.rules, used, limit)
            spot.hold(Reason.HOLD_SAMPLING_QUOTA, QUOTA, sentence, rules=spot.rules, used=used, limit=limit)
            return
        spot.lost = words.FREEING
        if spot.mode is Mode.ACT:
            self._hoped -= spot.rules
        if is_urgent:  # so that no calm place takes what it waits for
            self._sure -= spot.rules

    def _promised(self, spot: Spot) -> int:
        return 0 if spot.mode is Mode.ACT else self._advised

    def _evict_for(self, spot: Spot) -> None:
        """Let our calmest places give way, if that is of any use."""
        calm = sorted(
            (other for other in self._spots if self._may_give_way(other)),
            key=lambda other: (other.events or 0.0, other.key, other.place),
        )
        missing = spot.rules - self._hoped
        victims: list[Spot] = []
        for other in calm:
            if _rules_of(victims) < missing:
                victims.append(other)
        if _rules_of(victims) < missing:
            return
        for other in tuple(victims):  # none in vain
            if _rules_of(victims) - _rules_of([other]) >= missing:
                victims.remove(other)
        for other in victims:
            other.put_back(words.gives_way(spot.place))
        self._left -= len(victims)
        self._hoped += _rules_of(victims)

    def _may_give_way(self, spot: Spot) -> bool:
        memory, sampler = spot.memory, spot.sampler
        return (
            memory.is_ours
            and memory.set is SamplerMode.THROTTLED
            and spot.action is None
            and spot.need <= 0
            and not spot.unseen
            and sampler is not None
            and spot.is_known
            and sampler.status is SamplerStatus.ENABLED
            and memory.set_at is not None
            and self._now - memory.set_at >= PAUSE
        )


def _rules_of(spots: Sequence[Spot]) -> int:
    return sum(mode_rules(spot.memory.set, spot.has_sort) for spot in spots)


def _is_on(spot: Spot) -> bool:
    """Whether something of ours is, or comes, on there and is not on its way back."""
    return spot.memory.is_ours and spot.action is None and not is_returning(spot.memory)


def _advised(spots: Sequence[Spot]) -> int:
    """Rules of what is advised already, and was not followed."""
    return sum(
        spot.rules
        for spot in spots
        if spot.mode is Mode.ADVISE
        and spot.memory.advised is spot.wish
        and not spot.memory.is_ours
        and (spot.sampler is None or spot.sampler.mode is SamplerMode.OFF)
    )


def _listed(spots: Sequence[Spot], survey: Survey | None) -> int:
    """Rules that the places which are on must have, whoever switched them: whether DynamoDB's own rules are among those
    that CloudWatch counts is not documented. Of tables that are not watched, the least that it can be."""
    sorts = {spot.place: spot.has_sort for spot in spots}
    return sum(mode_rules(mode, sorts.get(place, False)) for place, mode in _places(survey, SamplerStatus.ENABLED))


def _uncounted(spots: Sequence[Spot]) -> int:
    """Rules of what we switched on after the survey was made. What goes back now is free only when that was seen."""
    unseen = [spot for spot in spots if spot.memory.is_ours and not spot.is_known]
    return _rules_of([spot for spot in unseen if spot.sampler is None or spot.sampler.mode is not spot.memory.set])


def _coming(spots: Sequence[Spot], survey: Survey | None) -> int:
    """Rules of what was just being switched on when the survey was made: not all of them may have been there."""
    sorts = {spot.place: spot.has_sort for spot in spots}
    shown = _places(survey, SamplerStatus.ENABLING)
    coming = sum(mode_rules(mode, sorts.get(place, True)) for place, mode in shown)
    for spot in spots:
        if _is_on(spot) and spot.is_known and spot.sampler is not None and spot.sampler.mode is SamplerMode.OFF:
            coming += mode_rules(spot.memory.set, spot.has_sort)
    return coming


def _going(spots: Sequence[Spot], survey: Survey | None) -> int:
    """Rules that may be counted still and will soon be free. Where it is not told how much was sampled, the least that
    it can have been."""
    sorts = {spot.place: spot.has_sort for spot in spots}
    shown = _places(survey, SamplerStatus.DISABLING)
    going = sum(mode_rules(SamplerMode.THROTTLED, sorts.get(place, True)) for place, _ in shown)
    for spot in spots:
        if spot.sampler is None:
            continue
        mode = spot.sampler.mode
        if spot.memory.is_ours:
            is_leaving = spot.action is not None or is_returning(spot.memory)
            is_there = mode is spot.memory.set or not spot.is_known
            going += mode_rules(spot.memory.set, spot.has_sort) if is_leaving and is_there else 0
        elif spot.age < GRACE and spot.sampler.is_settled:
            going += mode_rules(mode if mode is not SamplerMode.OFF else SamplerMode.THROTTLED, spot.has_sort)
    return going


def _places(survey: Survey | None, status: SamplerStatus) -> list[tuple[Place, SamplerMode]]:
    if survey is None:
        return []
    return [(place, sampler.mode) for place, sampler in survey.samplers.items() if sampler.status is status]
