"""A table's writes and those of its indexes are one stream: what throttles one hides the demand of the others.

Every write to a table is written to the indexes that hold its attributes ("Using global secondary indexes", DynamoDB
Developer Guide). While the table throttles, its indexes see less than is wanted; while an index throttles, so does the
table, by back-pressure. How many index units a table unit makes is read off the last hour, so that one UpdateTable can
raise them all to what the whole stream needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import isnan

from watcher.core.forecast import Outlook, Surge
from watcher.core.model import TABLE_WRITE, Dimension, Kind
from watcher.core.state import DimensionState
from watcher.core.track import Track

HOUR_MINUTES = 60
CENSORED = 3  # newest minutes left out: they are the ones that throttling falsifies
FEWEST = 10  # minutes known of both, before a ratio is believed
LEAST_RATE = 0.01  # units per second


def tied(states: Mapping[Dimension, DimensionState], outlooks: Mapping[Dimension, Outlook]) -> dict[Dimension, Outlook]:
    """The outlooks, where one stream of writes is throttled anywhere raised everywhere to what it then wants."""
    result = dict(outlooks)
    table = outlooks.get(TABLE_WRITE)
    ratios = _ratios(states, outlooks)
    if table is None or not ratios:
        return result
    for index, ratio in ratios.items():
        if outlooks[index].starved:
            name = f"index {index.index}"
            result[TABLE_WRITE] = _at_least(result[TABLE_WRITE], outlooks[index], 1.0 / ratio, name)
    stream = result[TABLE_WRITE]
    if table.starved or stream is not table:
        for index, ratio in ratios.items():
            result[index] = _at_least(result[index], stream, ratio, "the table")
    return result


def _ratios(
    states: Mapping[Dimension, DimensionState], outlooks: Mapping[Dimension, Outlook]
) -> dict[Dimension, float]:
    """Index units to a table unit, of the indexes that follow the table's writes; empty while nothing throttles."""
    if not any(outlook.starved for dimension, outlook in outlooks.items() if dimension.kind is Kind.WRITE):
        return {}
    ratios = {}
    for dimension in outlooks:
        if dimension.kind is Kind.WRITE and not dimension.is_table and TABLE_WRITE in outlooks:
            ratio = _ratio(states[dimension].track, states[TABLE_WRITE].track)
            if ratio > 0.0:
                ratios[dimension] = ratio
    return ratios


def _ratio(index: Track, table: Track) -> float:
    """0.0 while too little is known, or the index takes no writes."""
    of_index, of_table, known = 0.0, 0.0, 0
    for ago in range(CENSORED, HOUR_MINUTES):
        mine, its = _ago(index, ago, table.newest), _ago(table, ago, table.newest)
        if not isnan(mine) and not isnan(its):
            of_index, of_table, known = of_index + mine, of_table + its, known + 1
    return of_index / of_table if known >= FEWEST and of_table > LEAST_RATE * known else 0.0


def _ago(track: Track, minutes: int, newest: int | None) -> float:
    """The rate ``minutes`` before ``newest``, NaN where not known."""
    if track.newest is None or newest is None:
        return float("nan")
    place = len(track.rates) - 1 - minutes - (track.newest - newest) // 60
    return track.rates[place] if 0 <= place < len(track.rates) else float("nan")


def _at_least(outlook: Outlook, other: Outlook, ratio: float, whose: str) -> Outlook:
    """An outlook raised to ``ratio`` times another's, where that is more."""
    demand = other.demand * ratio
    if demand <= outlook.demand and other.planned * ratio <= outlook.planned:
        return outlook
    return replace(
        outlook,
        demand=max(outlook.demand, demand),
        peak=max(outlook.peak, other.peak * ratio),
        level=max(outlook.level, other.level * ratio),
        expected=max(outlook.expected, other.expected * ratio),
        planned=max(outlook.planned, other.planned * ratio),
        surges=(*outlook.surges, *(Surge(surge.load * ratio, surge.goal * ratio) for surge in other.surges)),
        follows=whose,
    )
