"""Heat that wanders: time-bucket partition keys, or one partition key whose hottest sort key moves on and on.

DynamoDB splits a hot key range where the heat was; it does not split for an ever-increasing sort key at all (AWS
Database Blog, "Scaling DynamoDB: How partitions, hot keys, and split for heat impact performance", parts 2 and 3).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from watcher.core.insights import KeyShape, KeyTrace
from watcher.core.series import MINUTE

# So many keys must have led in turn, none of them twice: two in a row may be one change of fashion.
FEWEST_LEADERS = 3
FEWEST_MINUTES = 4
# Where every leader's value is a time, one change is the clock's, and how long the one before stood says nothing.
FEWEST_TIMES = 2
# A minute has a leader where one key takes this part of what is named; most minutes must have one.
LEADS = 0.5
LED_MINUTES = 0.7
# A key that leads longer than this part of the time stands rather than moves.
LONGEST_REIGN = 0.5
# Minutes with less than this part of a mean one say nothing of who leads.
FAINT = 0.1
# Heat may pause this long and still be the same heat.
LONGEST_PAUSE = 3 * MINUTE
# Buckets of five or ten minutes show only in a longer look back than the judged window.
LOOK_BACK = 3.0
# Sort keys written once each, as in a log: so many of them, nearly all with a time or a counter for a value.
FEWEST_PASSING = 10
PASSING_SHAPED = 0.8
PASSING_SECONDS = 2 * MINUTE
NOTHING: Mapping[int, float] = {}


@dataclass(frozen=True, slots=True)
class Motion:
    """leaders: identities of the keys that led, in their order; empty where sort keys pass by without any leading.
    keys: how many were hot in turn. seconds: how long that was watched. shape: what their values look like."""

    leaders: tuple[str, ...]
    keys: int
    seconds: float
    shape: KeyShape


def wandering(
    traces: Sequence[KeyTrace], first: float, window: float, whole: Mapping[int, float] = NOTHING
) -> Motion | None:
    """The motion of the keys' heat since ``first``, or over a longer look back where that shows none.

    whole: the heat of which they must lead a part, by minute; what they have together where that is more.
    """
    for since in (first, first - (LOOK_BACK - 1) * window):
        found = _motion(traces, since, first, whole)
        if found is not None:
            return found
    return None


def _motion(traces: Sequence[KeyTrace], since: float, first: float, whole: Mapping[int, float]) -> Motion | None:
    heat = _unbroken(_by_minute(traces, since))
    asked = [_leader(keys, whole.get(minute, 0.0)) for minute, keys in heat.items()]
    leads = [leader for leader in asked if leader is not None]
    leaders = [leader for at, leader in enumerate(leads) if at == 0 or leads[at - 1] != leader]
    if not leaders or max(heat) < first or len(leads) < LED_MINUTES * len(heat) or len(set(leaders)) < len(leaders):
        return None
    shapes = [trace.shape for trace in traces if trace.identity in leaders]
    if set(shapes) != {KeyShape.TIME} or len(leaders) < FEWEST_TIMES:
        stands = max(Counter(leads).values()) > LONGEST_REIGN * len(leads)
        if stands or len(heat) < FEWEST_MINUTES or len(leaders) < FEWEST_LEADERS:
            return None
    return Motion(tuple(leaders), len(leaders), max(heat) - min(heat) + MINUTE, _common(shapes, LEADS))


def passing(pairs: Sequence[KeyTrace], first: float) -> Motion | None:
    """Sort keys that are written once and never again, and look like times or counters: an ever-increasing sort key
    under one partition key. Only of writes: reads of old records look the same."""
    heat = _by_minute(pairs, first)
    seen = [trace for trace in pairs if any(minute >= first for minute in trace.points)]
    if len(heat) < FEWEST_MINUTES or len(seen) < FEWEST_PASSING:
        return None
    if any(max(trace.points) - min(trace.points) >= PASSING_SECONDS for trace in seen):
        return None
    shape = _common([trace.shape for trace in seen], PASSING_SHAPED)
    if shape is KeyShape.PLAIN:
        return None
    return Motion((), len(seen), max(heat) - min(heat) + MINUTE, shape)


def _by_minute(traces: Iterable[KeyTrace], since: float) -> dict[int, dict[str, float]]:
    found: dict[int, dict[str, float]] = {}
    for trace in traces:
        for minute, value in trace.points.items():
            if minute >= since:
                found.setdefault(minute, {})[trace.identity] = value
    return dict(sorted(found.items()))


def _unbroken(heat: dict[int, dict[str, float]]) -> dict[int, dict[str, float]]:
    """The newest run of minutes with heat worth the name, without a long pause, oldest first."""
    totals = {minute: sum(keys.values()) for minute, keys in heat.items()}
    bar = FAINT * sum(totals.values()) / len(totals) if totals else 0.0
    run: list[int] = []
    for minute in sorted(totals, reverse=True):
        if run and run[-1] - minute > LONGEST_PAUSE:
            break
        if totals[minute] >= bar:
            run.append(minute)
    return {minute: heat[minute] for minute in reversed(run)}


def _leader(keys: dict[str, float], whole: float) -> str | None:
    best = max(keys, key=lambda identity: (keys[identity], identity))
    return best if keys[best] >= LEADS * max(whole, sum(keys.values())) else None


def _common(shapes: Sequence[KeyShape], part: float) -> KeyShape:
    """The telling shape that this part of the keys have, else PLAIN."""
    for shape in (KeyShape.TIME, KeyShape.COUNTER):
        if shapes and shapes.count(shape) >= part * len(shapes):
            return shape
    return KeyShape.PLAIN
