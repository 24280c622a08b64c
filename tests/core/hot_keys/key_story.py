"""Readable samples of keys, and the minutes that CloudWatch has of the same place.

"Now" is NOON of the builders. Values are by minute, oldest first, the last one in ``ago(1)``, the newest visible
minute; 0 is a minute without a point. Consumption is in throughput units (1 per read unit, 3 per write unit), where a
partition's ceiling is 180,000 a minute.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tests.core.builders import NOON, ago
from watcher.core.demand import Minute
from watcher.core.hot_keys import HotKeyFinding, judge
from watcher.core.insights import KeySample, KeyShape, KeyTrace, Place, SamplerMode
from watcher.core.model import Kind
from watcher.core.reasons import Cause

TABLE = Place("sessions")
INDEX = Place("sessions", "by-user")
CEILING = 180_000.0
HOUR = 3600.0

Keys = Mapping[str, Sequence[float]]  # a key's name -> its values
Minutes = dict[Kind, list[Minute]]


def trace(
    name: str, values: Sequence[float], *, newest: int = 1, partition: str = "", shape: KeyShape = KeyShape.PLAIN
) -> KeyTrace:
    """newest: how many minutes ago the last value is."""
    count = len(values)
    points = {ago(count - at + newest - 1): float(value) for at, value in enumerate(values) if value}
    return KeyTrace(f"key:{name}", name, partition or name, points, shape)


def traces(
    keys: Keys, *, newest: int = 1, partition: str = "", shape: KeyShape = KeyShape.PLAIN
) -> tuple[KeyTrace, ...]:
    return tuple(trace(name, values, newest=newest, partition=partition, shape=shape) for name, values in keys.items())


def in_turn(
    names: Iterable[str], value: float, *, each: int = 1, partition: str = "", shape: KeyShape = KeyShape.PLAIN
) -> tuple[KeyTrace, ...]:
    """Keys that lead one after the other, ``each`` so many minutes, the last one until now."""
    names = list(names)
    return tuple(
        trace(name, [value] * each, newest=1 + each * (len(names) - 1 - at), partition=partition, shape=shape)
        for at, name in enumerate(names)
    )


def full(
    accessed: Keys | tuple[KeyTrace, ...],
    throttled: Keys | tuple[KeyTrace, ...] = (),
    *,
    items: tuple[KeyTrace, ...] = (),
    accessed_items: tuple[KeyTrace, ...] = (),
    since: float | None = None,
    complete: bool = True,
    note: str = "",
) -> KeySample:
    """Every access and every throttle of the last hour. items: throttled pairs; accessed_items: accessed ones."""
    return KeySample(
        NOON - HOUR,
        NOON,
        SamplerMode.FULL,
        accessed=_traces(accessed),
        throttled=_traces(throttled),
        throttled_items=items,
        accessed_items=accessed_items,
        since=since,
        complete=complete,
        note=note,
    )


def throttles(
    keys: Keys | tuple[KeyTrace, ...] = (),
    *,
    items: tuple[KeyTrace, ...] = (),
    since: float | None = None,
    complete: bool = True,
    note: str = "",
) -> KeySample:
    """Throttled keys only, of the last hour."""
    return KeySample(
        NOON - HOUR,
        NOON,
        SamplerMode.THROTTLED,
        throttled=_traces(keys),
        throttled_items=items,
        since=since,
        complete=complete,
        note=note,
    )


def _traces(keys: Keys | tuple[KeyTrace, ...]) -> tuple[KeyTrace, ...]:
    return keys if isinstance(keys, tuple) else traces(keys)


def cloud(
    kind: Kind = Kind.WRITE,
    served: float = 0.0,
    *,
    count: int = 6,
    newest: int = 1,
    cost: float = 1.0,
    unsaid: float = 0.0,
    causes: Mapping[str, float] | None = None,
    **more: float,
) -> Minutes:
    """``count`` equal minutes of one kind. served: capacity units a minute. causes, more: throttled events a minute by
    the cause's name (``key_range=100``); unsaid: those that no cause metric explains yet. cost: units of a request."""
    named = {Cause[name.upper()]: number for name, number in {**(causes or {}), **more}.items()}
    events = sum(named.values()) + unsaid
    return {
        kind: [
            Minute(ago(count - at + newest - 1), served, served, events, named, events * cost) for at in range(count)
        ]
    }


def judged(sample: KeySample, minutes: Mapping[Kind, Sequence[Minute]], place: Place = TABLE) -> HotKeyFinding:
    return judge(NOON, place, sample, minutes)


def named(finding: HotKeyFinding) -> list[str]:
    return [key.key.removeprefix("key:") for key in finding.keys]
