"""What is coming, for one dimension: demand now, where it is heading, how much of a burst is saved up.

Everything a decision needs, and nothing decided yet. A change made now takes effect well over a minute after the newest
visible minute ended, so what counts is demand until the decision after this one can take effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, isnan
from typing import NamedTuple

from watcher.core import season
from watcher.core.demand import Minute
from watcher.core.learned import DEPTHS, Learned
from watcher.core.learning import FADE, learn, sudden_rise
from watcher.core.levels import Levels, levels
from watcher.core.margins import quantile
from watcher.core.policy import Tuning
from watcher.core.reasons import Cause
from watcher.core.season import PERIODS
from watcher.core.series import MINUTE
from watcher.core.state import DimensionState
from watcher.core.track import REVISED, Offers, Track, filled, followed

CYCLE = 60.0  # seconds until the next decision
DAY_MINUTES = 1440
LEARNED_CHOICE = 120  # minutes of experience before another level than the short one may plan
OFFERS_KEPT = 16
SEASON_NAMES = ("hour", "day", "week")
SEASON_KNOWN = 1.5  # of its periods must be known before a season is looked at
SURE = 0.998  # share of a calm table's errors that a decrease below today's level relies on


class Surge(NamedTuple):
    """A rise that is under way, units per second: what it asks for on average until the decision after this one has
    effect, and where it will be by then."""

    load: float
    goal: float


@dataclass(frozen=True, slots=True)
class Outlook:
    """One dimension's near future. Rates in units per second.

    newest: start of the minute that all this is seen from. demand: of that minute, throttled units included.
    peak: the larger of it and the one before. growth: change a minute over the last three, a fraction. level: where
    demand is, season included. base: the last hour's usual. elevated: demand stands out from it. expected: what the
    next minutes should stay under, on average. ceiling: what the last day allows to expect, None before there is one.
    planned: what capacity and bucket together are to carry. bucket: units saved up. starved: throttle events of the
    newest minute that capacity would have prevented. surges: rises under way, and what they probably come to.
    below: part of the level that a decrease may go down to.
    blind: seconds from the end of ``newest`` until the decision after this one can have taken effect. season: the
    period that raised the level, "" for none.
    """

    newest: int
    demand: float
    peak: float
    growth: float
    level: float
    base: float
    elevated: bool
    expected: float
    ceiling: float | None
    planned: float
    bucket: float
    starved: float
    surges: tuple[Surge, ...]
    below: float
    blind: float
    season: str = ""
    follows: str = ""


def look_ahead(
    now: float, tuning: Tuning, state: DimensionState, recent: Sequence[Minute], provisioned: int
) -> tuple[DimensionState, Outlook | None]:
    """The state with what the newest minutes taught, and the outlook; None while nothing is known.

    recent: the visible minutes of the last ``REVISED`` at least, oldest first. provisioned: units per second now.
    """
    offers = _offers(now, tuning, state, provisioned)
    if not recent:
        return replace(state, offers=offers), None
    newest = recent[-1].start
    before = state.track.newest
    track = followed(state.track, newest, _rates(state, recent))
    served = {minute.start: minute.served for minute in recent}
    starved = {minute.start: minute.causes.get(Cause.PROVISIONED, 0.0) for minute in recent}
    track = filled(track, before, offers, served, starved)
    learned = learn(tuning, state.learned, track.first, track.rates)
    if before is not None and newest > before:
        learned = _booked(learned, provisioned, recent, before)
    state = replace(state, track=track, learned=learned, offers=offers)
    now_at = levels(track.rates, len(track.rates) - 1, tuning.standing_out)
    return state, None if now_at is None else _outlook(now, tuning, track, learned, now_at, starved[newest])


def _rates(state: DimensionState, recent: Sequence[Minute]) -> dict[int, float]:
    """Demand by minute; where the track is new, the kept consumption stands for what came before ``recent``."""
    rates = {}
    if state.track.newest is None or recent[-1].start - state.track.newest >= REVISED * MINUTE:
        rates = {minute: units / MINUTE for minute, units in state.consumed.points.items()}
    rates.update({minute.start: minute.demand for minute in recent})
    return rates


def _offers(now: float, tuning: Tuning, state: DimensionState, provisioned: int) -> Offers:
    """Since when capacity has been what. A change that this watcher made took effect soon after it was accepted."""
    if state.offers and state.offers[-1][1] == provisioned:
        return state.offers
    made = state.raised_at if state.offers and provisioned > state.offers[-1][1] else state.lowered_at
    since = now if made is None else min(now, made + tuning.effect)
    return (*state.offers, (since, provisioned))[-OFFERS_KEPT:]


def _booked(learned: Learned, provisioned: int, recent: Sequence[Minute], since: int) -> Learned:
    """What the new minutes cost and carried, for the comparison with on-demand; nothing while that is what is paid."""
    if not provisioned:
        return learned
    new = [minute for minute in recent if minute.start > since]
    fade = FADE ** len(new)
    return replace(
        learned,
        spent=learned.spent * fade + provisioned * MINUTE * len(new),
        used=learned.used * fade + sum(minute.served for minute in new),
        lost=learned.lost * fade + sum(minute.wanted - minute.served for minute in new),
        booked=learned.booked * fade + len(new),
    )


def _outlook(now: float, tuning: Tuning, track: Track, learned: Learned, here: Levels, starved: float) -> Outlook:
    newest = track.newest or 0
    rates = track.rates
    level, period = _seasonal(tuning, learned, newest, here)
    depth = _depth(learned)
    share = tuning.margin_elevated if here.elevated else tuning.margin_calm
    margin = quantile(learned.errors(depth, elevated=here.elevated), share, tuning.margin_most)
    expected = (level if depth == 0 else here.at(depth)) * exp(margin)
    highest = max(here.demand, here.steady)
    ceiling = None
    if learned.minutes >= DAY_MINUTES:
        ceiling = max(tuning.ceiling * learned.day_peak(), 1.05 * max(highest, here.long))
    planned = max(here.steady, expected if ceiling is None else min(expected, ceiling))
    blind = now - (newest + MINUTE) + tuning.effect + CYCLE
    before = rates[-2] if len(rates) > 1 and not isnan(rates[-2]) else 0.0
    return Outlook(
        newest=newest,
        demand=here.demand,
        peak=max(here.demand, before),
        growth=_growth(rates),
        level=level,
        base=here.base,
        elevated=here.elevated,
        expected=expected,
        ceiling=ceiling,
        planned=planned * (1.0 + tuning.headroom),
        bucket=track.buckets[-1] if track.buckets else 0.0,
        starved=starved,
        surges=_surges(tuning, rates, learned, here, blind),
        below=_below(tuning, learned),
        blind=blind,
        season=period,
    )


def _depth(learned: Learned) -> int:
    """The level that has planned best so far: the long one on noisy tables, the short one where demand moves."""
    if learned.minutes < LEARNED_CHOICE:
        return 0
    return min(range(DEPTHS), key=lambda depth: learned.losses[depth])


def _seasonal(tuning: Tuning, learned: Learned, newest: int, here: Levels) -> tuple[float, str]:
    """The short level, raised to what the seasons that have proved themselves foretell."""
    level, name = here.short, ""
    if not tuning.seasons:
        return level, name
    for number, period in enumerate(PERIODS):
        if learned.minutes * MINUTE < SEASON_KNOWN * period.seconds:
            continue  # a few minutes of a second hour that happen to fit prove nothing
        trust = season.weight(learned.missed[number], learned.naive[number])
        said = season.expected(learned.profiles, period, newest, here.steady) if trust > 0.0 else None
        if said is None:
            continue
        foretold = here.steady + trust * (said[0] - here.steady)
        if foretold > level:
            level, name = foretold, SEASON_NAMES[number]
    return level, name


def _growth(rates: Sequence[float]) -> float:
    """Mean relative change a minute over the last three minutes; 0.0 where they are not known."""
    if len(rates) < 4 or isnan(rates[-4]) or rates[-4] <= 0.0:
        return 0.0
    return float(max(0.0, rates[-1] / rates[-4]) ** (1 / 3)) - 1.0


def _surges(tuning: Tuning, rates: Sequence[float], learned: Learned, here: Levels, blind: float) -> tuple[Surge, ...]:
    """The sudden rise and the climb under way. Where the day has been already, a rise is taken to end there."""
    known = max(here.demand, learned.day_peak())
    found = []
    rise = sudden_rise(rates, len(rates) - 1, tuning)
    if rise is not None:
        # It began somewhere within the newest minute, which therefore shows only a part of it.
        before, demand = rise
        goal = max(demand, before + (demand - before) * learned.jump * tuning.jump_boost)
        goal = goal if demand >= learned.day_peak() else min(goal, known)
        found.append(Surge(goal, goal))
    slope = _slope(rates) if here.demand > tuning.climb_from * here.base else 0.0
    if slope > 0.0:
        gain = slope * tuning.climb * blind / MINUTE
        found.append(Surge(here.demand + gain / 2, min(here.demand + gain, known)))
    return tuple(found)


def _slope(rates: Sequence[float]) -> float:
    """Units per second that demand gains a minute: the smaller of the last minute's gain and the mean of the last two;
    0.0 where these are not known."""
    if len(rates) < 3:
        return 0.0
    oldest, middle, newest = rates[-3:]
    if isnan(oldest + middle):
        return 0.0
    return max(0.0, min(newest - middle, (newest - oldest) / 2))


def _below(tuning: Tuning, learned: Learned) -> float:
    """A table that hardly ever jumps may run a little under its level for the hour that a decrease lasts at least: the
    bucket carries the difference."""
    jumps = quantile(learned.errors(0, elevated=False), SURE, tuning.margin_most)
    return 1.0 - tuning.dip * max(0.0, 1.0 - jumps / tuning.dip_calm) if tuning.dip else 1.0


def covered(outlook: Outlook, capacity: float, reserve: float, horizon: float) -> float:
    """Units per second that ``capacity`` and the bucket above ``reserve`` seconds carry for ``horizon`` seconds."""
    return capacity + max(0.0, outlook.bucket - reserve * capacity) / horizon
