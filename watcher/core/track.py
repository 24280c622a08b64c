"""The last minutes of a dimension as the forecast needs them: estimated demand, and how full the burst bucket is.

DynamoDB saves up to 300 seconds of unused capacity for bursts ("Burst and adaptive capacity", DynamoDB Developer
Guide). CloudWatch does not show it, so it is estimated from what was offered and consumed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, nan

from watcher.core.model import Throughput
from watcher.core.series import MINUTE

BURST_SECONDS = 300.0
KEPT = 72  # minutes: the slowest level of six minutes ago looks this far back
REVISED = 9  # newest minutes that are estimated anew each time, for points that came late
TYPICAL_ACTUATION = 30.0  # seconds from UpdateTable to its effect
SEEN_WITHIN = 300.0  # seconds from a change to the pass that sees it, at most, while the watcher runs

Offers = tuple[tuple[float, int], ...]
"""(instant, units per second) since when capacity has been that, oldest first."""


@dataclass(frozen=True, slots=True)
class Track:
    """newest: start of the last minute. rates: units per second of each minute up to it, oldest first, NaN when not
    known. buckets: units saved up at the end of each of the last minutes, oldest first."""

    newest: int | None = None
    rates: tuple[float, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def first(self) -> int:
        """Start of the oldest minute; of no meaning while there is none."""
        return (self.newest or 0) - MINUTE * (len(self.rates) - 1)


def followed(track: Track, newest: int, rates: Mapping[int, float]) -> Track:
    """The track up to ``newest`` with ``rates`` laid over it: units per second by minute."""
    if track.newest is None or not 0 <= newest - track.newest < KEPT * MINUTE:
        first = max(newest - (KEPT - 1) * MINUTE, min(rates, default=newest))
        return Track(newest, tuple(rates.get(minute, nan) for minute in range(first, newest + 1, MINUTE)), ())
    gone = (newest - track.newest) // MINUTE
    row = [*track.rates, *([nan] * gone)]
    for minute, rate in rates.items():
        place = len(row) - 1 - (newest - minute) // MINUTE
        if 0 <= place < len(row):
            row[place] = rate
    return Track(newest, tuple(row[-KEPT:]), track.buckets)


def filled(
    track: Track, before: int | None, offers: Offers, served: Mapping[int, float], starved: Mapping[int, float]
) -> Track:
    """The track with its buckets up to the newest minute.

    before: newest minute of the buckets it has. served: units of each of the last minutes, as far back as
    ``first_needed`` says. starved: units that own capacity refused in them. A minute not known leaves the bucket as it
    was. Where there are no buckets yet, it was empty when the capacity of the first offer took effect.
    """
    newest = track.newest
    if newest is None:
        return track
    first = newest - (REVISED - 1) * MINUTE
    begin = min(first, min(served, default=first)) if before is None else min(first, before + MINUTE)
    level = _bucket_at(track.buckets, before, begin - MINUTE)
    known_from = offers[0][0] if before is None and offers else -inf
    levels = {}
    for minute in range(begin, newest + 1, MINUTE):
        consumed = served.get(minute)
        if minute >= known_from and consumed is not None:
            offered, last = offered_in(offers, minute)
            level = 0.0 if starved.get(minute) else max(0.0, min(BURST_SECONDS * last, level + offered - consumed))
        levels[minute] = level
    # As many older ones are kept, for a newest minute that stands still while its successor is late.
    kept = range(first - REVISED * MINUTE, newest + 1, MINUTE)
    buckets = [levels[minute] if minute >= begin else _bucket_at(track.buckets, before, minute) for minute in kept]
    return Track(newest, track.rates, tuple(buckets))


def first_needed(track: Track, newest: int) -> float:
    """Start of the oldest minute that ``followed`` and ``filled`` need: the last few, those since the track's end, or,
    where there is no track yet, as many as there are."""
    if track.newest is None:
        return -inf
    return min(newest - (REVISED - 1) * MINUTE, track.newest + MINUTE)


def offers_met(offers: Offers, part: Throughput, provisioned: int, raised: float | None, effect: float) -> Offers:
    """The offers of a dimension met for the first time, or again after a restart with those of the earlier life.

    raised: when this watcher or what it saw last raised its table or index; an increase after that was another hand's,
    or there is nothing to go on. Then it is certain only that since the last increase there was at least what there is
    now, for whatever came after was a decrease. effect: seconds that a change needs.
    """
    increase = part.last_increase
    unseen = increase is not None and (raised is None or increase > raised + SEEN_WITHIN)
    if not offers or unseen:
        return ((0.0 if increase is None else increase + effect, provisioned),)
    since, capacity = offers[-1]
    if provisioned < capacity and part.last_decrease is not None:
        return (*offers, (max(since, part.last_decrease), provisioned))
    return offers


def _bucket_at(buckets: Sequence[float], newest: int | None, minute: int) -> float:
    """The bucket at the end of ``minute``: the last one known where it is newer than all, empty where it is older."""
    if newest is None or not buckets:
        return 0.0
    place = len(buckets) - 1 - (newest - minute) // MINUTE
    return buckets[min(place, len(buckets) - 1)] if place >= 0 else 0.0


def offered_in(offers: Offers, minute: int) -> tuple[float, int]:
    """(units that capacity offered in a minute, units per second at its end)."""
    end: float = minute + MINUTE
    total, last = 0.0, 0
    for since, capacity in reversed(offers):
        if since >= end:
            continue
        last = last or capacity
        begin = max(since, minute)
        total += capacity * (end - begin)
        end = begin
        if since <= minute:
            return total, last
    # Before the first offer known: as that was.
    first = offers[0][1] if offers else 0
    return total + first * (end - minute), last or first
