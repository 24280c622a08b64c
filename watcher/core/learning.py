"""Learns a dimension's traffic minute by minute: how wrong each level is, how high the day goes, what follows when.

One path for the newest minute of every cycle and for two weeks of history at first sight of a table.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from math import exp, isnan, log

from watcher.core import season
from watcher.core.learned import DAY_HOURS, DEPTHS, MOODS, Learned, histogram, packed_peak
from watcher.core.levels import BLOCK, Levels, levels, mean, near
from watcher.core.margins import BINS, bin_of, prior, quantile
from watcher.core.policy import Tuning
from watcher.core.season import PERIODS, SKILL_DECAY

JUDGED = 6  # minutes after which a forecast is judged, by their mean
FEWEST_JUDGED = 4
LEAST_RATE = 0.01  # below this, units per second, ratios mean nothing
HEAVY = 1e6  # weight at which the histograms are brought down again
TRACE = 0.001  # of the prior, that never fades
FADE = 2.0 ** (-1.0 / 2880.0)  # a minute, of what was spent, used and lost: half in two days
LEAST_GROWTH, MOST_GROWTH = 0.5, 3.0


class Learner:
    """Takes minutes in, oldest first; mutable, so that two weeks of them are one pass."""

    def __init__(self, tuning: Tuning, known: Learned) -> None:
        self._tuning = tuning
        self._known = known
        self._margins = array("f", known.margins)
        self._weight = known.weight
        self._losses = list(known.losses)
        self._peaks = array("H", known.peaks)
        self._jump = known.jump
        self._profiles = bytearray(known.profiles)
        self._missed, self._naive = list(known.missed), list(known.naive)
        self._minutes, self._newest = known.minutes, known.newest
        self._gain = 2.0 ** (1.0 / tuning.margin_half_life)

    def note(self, minute: int, rates: Sequence[float], at: int) -> None:
        """Take in the minute that starts at ``minute``, whose demand is ``rates[at]``, units per second, NaN when it is
        not known; the minutes before it lie before it in ``rates``."""
        self._turn_hours(minute)
        self._newest = minute
        if isnan(rates[at]):
            return
        hour = minute // 3600 % DAY_HOURS
        self._peaks[hour] = max(self._peaks[hour], packed_peak(mean(rates, at + 1 - BLOCK, at + 1)))
        self._follow_jump(rates, at)
        self._judge(rates, at)
        self._judge_season(minute, rates, at)
        season.learn(self._profiles, minute, rates[at])
        self._minutes += 1

    def learned(self) -> Learned:
        """Everything learned so far; money apart, which is not learned from rates."""
        known = self._known
        return Learned(
            minutes=self._minutes,
            newest=self._newest,
            margins=self._margins.tobytes(),
            weight=self._weight,
            losses=(self._losses[0], self._losses[1], self._losses[2]),
            peaks=self._peaks.tobytes(),
            jump=self._jump,
            profiles=bytes(self._profiles),
            missed=(self._missed[0], self._missed[1], self._missed[2]),
            naive=(self._naive[0], self._naive[1], self._naive[2]),
            spent=known.spent,
            used=known.used,
            lost=known.lost,
            booked=known.booked,
        )

    def _turn_hours(self, minute: int) -> None:
        """Empty the peaks of the hours that have begun since the last minute: they were yesterday's."""
        if self._newest is None:
            return
        begun = min(DAY_HOURS, minute // 3600 - self._newest // 3600)
        for ago in range(begun):
            self._peaks[(minute // 3600 - ago) % DAY_HOURS] = 0

    def _follow_jump(self, rates: Sequence[float], at: int) -> None:
        """What became, a minute later, of a sudden rise: its first minute had seen only a part of it."""
        seen = sudden_rise(rates, at - 1, self._tuning)
        if seen is not None:
            before, demand = seen
            grown = (rates[at] - before) / (demand - before)
            self._jump += self._tuning.jump_rate * (min(MOST_GROWTH, max(LEAST_GROWTH, grown)) - self._jump)

    def _judge(self, rates: Sequence[float], at: int) -> None:
        """Compare what the levels said ``JUDGED`` minutes ago with what came."""
        then = levels(rates, at - JUDGED, self._tuning.standing_out) if at >= JUDGED else None
        came = [rate for rate in rates[at + 1 - JUDGED : at + 1] if not isnan(rate)]
        if then is None or len(came) < FEWEST_JUDGED or then.short == then.medium == then.long == 0.0:
            return
        actual = max(LEAST_RATE, sum(came) / len(came))
        self._weight *= self._gain
        for depth in range(DEPTHS):
            self._judge_depth(depth, then, actual)
        if self._weight > HEAVY:
            # What is never seen keeps a trace of the prior: an empty histogram would say nothing, or anything.
            trace = prior() * (DEPTHS * MOODS)
            self._margins = array(
                "f",
                [max(count / self._weight, TRACE * least) for count, least in zip(self._margins, trace, strict=True)],
            )
            self._weight = 1.0

    def _judge_depth(self, depth: int, then: Levels, actual: float) -> None:
        tuning = self._tuning
        level = max(LEAST_RATE, then.at(depth))
        start = histogram(depth, elevated=then.elevated)
        share = tuning.margin_elevated if then.elevated else tuning.margin_calm
        planned = level * exp(quantile(self._margins[start : start + BINS], share, tuning.margin_most))
        # A unit short weighs as much more than a unit too many as the share says: the newsvendor's loss.
        loss = planned - actual if planned >= actual else (actual - planned) / (1.0 - tuning.margin_calm)
        self._losses[depth] = self._losses[depth] * tuning.loss_decay + loss
        self._margins[start + bin_of(log(actual / level))] += self._weight

    def _judge_season(self, minute: int, rates: Sequence[float], at: int) -> None:
        """Compare what each period said of this minute four minutes ago with it."""
        back = season.AHEAD[-1]
        then = near(rates, at - back) if at >= back else None
        if then is None:
            return
        demand, (steady, short) = rates[at], then
        for number, period in enumerate(PERIODS):
            said = season.expected(self._profiles, period, minute - 60 * back, steady)
            if said is not None:
                self._missed[number] = self._missed[number] * SKILL_DECAY + season.squared_error(said[1], demand)
                self._naive[number] = self._naive[number] * SKILL_DECAY + season.squared_error(short, demand)


def sudden_rise(rates: Sequence[float], at: int, tuning: Tuning) -> tuple[float, float] | None:
    """(the busiest minute of the hour before, the demand of the minute at index ``at``) where the one is far above the
    other; None otherwise, and while less than half of that hour is known."""
    if at < tuning.jump_window // 2:
        return None
    demand = rates[at]
    window = rates[max(0, at - tuning.jump_window) : at]
    before = max(window)
    if isnan(sum(window)):
        known = [rate for rate in window if not isnan(rate)]
        if 2 * len(known) < tuning.jump_window:
            return None
        before = max(known)
    return (before, demand) if demand > tuning.jump_from * before else None


def learn(tuning: Tuning, known: Learned, first: int, rates: Sequence[float]) -> Learned:
    """``known`` and the minutes of ``rates`` that are newer. first: start of the minute of ``rates[0]``; one a minute,
    NaN where not known."""
    begin = 0 if known.newest is None else max(0, (known.newest - first) // 60 + 1)
    if begin >= len(rates):
        return known
    learner = Learner(tuning, known)
    for at in range(begin, len(rates)):
        learner.note(first + 60 * at, rates, at)
    return learner.learned()
