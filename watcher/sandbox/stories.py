"""The tables a newcomer sees, each telling one story within its first half hour and again, varied, for ever.

``config.toml`` holds the bounds that go with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from watcher.core.insights import SamplerMode
from watcher.core.model import TABLE_READ, TABLE_WRITE, Billing, Dimension, Kind
from watcher.replay.plant import IndexSpec, KeyShare, TableSpec
from watcher.replay.skew import steadily
from watcher.sandbox.traffic import Heat, Spells, demand, steady, surging, wave


@dataclass(frozen=True, slots=True)
class Tracked:
    """An Application Auto Scaling target with target tracking. min, max: units per second; percent: the target."""

    min: int
    max: int
    percent: int


@dataclass(frozen=True, slots=True)
class Story:
    """A table with what stands around it. insights: what another hand has always sampled, by index, "" the table."""

    spec: TableSpec
    insights: Mapping[str, SamplerMode] = field(default_factory=dict)
    scaling: Mapping[Dimension, Tracked] = field(default_factory=dict)


# What each table is about, for people who are about to watch it.
PLOTS: Mapping[str, str] = {
    "orders": "too little write capacity when the orders come in",
    "sessions": "one hot key: no capacity can cure that",
    "catalog": "an index that starves its table",
    "payments": "held by Application Auto Scaling, to be respected",
    "events": "on demand, with a maximum its owner set",
    "archive": "quiet, and far too large",
}


def newcomer(origin: int, seed: int) -> tuple[Story, ...]:
    """The sandbox's own six tables. origin: when it opens, the start of a minute; the traffic before that is calm."""
    return (
        _orders(origin, seed),
        _sessions(origin, seed),
        _catalog(origin, seed),
        _payments(origin, seed),
        _events(origin, seed),
        _archive(seed),
    )


def _orders(origin: int, seed: int) -> Story:
    """Writes step to six times the provisioned capacity: throttled within two minutes, cured by one raise."""
    spells = Spells(origin, first=1, minutes=45, period=100, seed=seed)
    levels = {TABLE_READ: steady(55.0), TABLE_WRITE: surging(steady(60.0), spells, 10.0)}
    return Story(TableSpec("orders", read=80, write=100, demand=demand(levels, seed + 1)))


def _sessions(origin: int, seed: int) -> Story:
    """One key takes 1,225 writes a second, a partition serves 1,000: no capacity of the table can cure that."""
    spells = Spells(origin, first=2, minutes=15, period=60, seed=seed)
    levels = {TABLE_READ: steady(260.0), TABLE_WRITE: surging(steady(1650.0), spells, 1.06)}
    heat = Heat(TABLE_WRITE, steadily(KeyShare("user#4711", 0.70)), spells)
    return Story(TableSpec("sessions", read=400, write=2600, demand=demand(levels, seed + 2, (heat,))))


def _catalog(origin: int, seed: int) -> Story:
    """The index takes less than the table's writes bring it, and so throttles the table's writes."""
    spells = Spells(origin, first=2, minutes=30, period=90, seed=seed)
    levels = {
        TABLE_READ: steady(190.0),
        # Even a full bucket of the index, 300 s of 50 units, is gone within the first minute.
        TABLE_WRITE: surging(steady(80.0), spells, 8.0),
        Dimension("by-category", Kind.READ): steady(55.0),
    }
    index = IndexSpec("by-category", read=90, write=50, write_ratio=0.5)
    return Story(TableSpec("catalog", read=300, write=950, indexes=(index,), demand=demand(levels, seed + 3)))


def _payments(origin: int, seed: int) -> Story:
    """Application Auto Scaling holds it: a moderate spike is its business, not the watcher's."""
    spells = Spells(origin, first=8, minutes=12, period=80, seed=seed)
    levels = {
        TABLE_READ: surging(wave(110.0, 25.0, 6.0, origin), spells, 1.6),
        TABLE_WRITE: surging(wave(55.0, 12.0, 6.0, origin), spells, 1.6),
    }
    scaling = {TABLE_READ: Tracked(50, 1000, 70), TABLE_WRITE: Tracked(30, 500, 70)}
    return Story(TableSpec("payments", read=200, write=100, demand=demand(levels, seed + 4)), scaling=scaling)


def _events(origin: int, seed: int) -> Story:
    """On demand, with a cap its owner set, which traffic reaches for a while."""
    spells = Spells(origin, first=6, minutes=10, period=70, seed=seed)
    levels = {TABLE_READ: steady(120.0), TABLE_WRITE: surging(steady(250.0), spells, 4.0)}
    spec = TableSpec(
        "events",
        billing=Billing.ON_DEMAND,
        on_demand_max={Kind.READ: 2000, Kind.WRITE: 800},
        demand=demand(levels, seed + 5),
    )
    return Story(spec)


def _archive(seed: int) -> Story:
    """Far too large for what it does: could shrink."""
    levels = {TABLE_READ: steady(40.0), TABLE_WRITE: steady(20.0)}
    return Story(TableSpec("archive", read=800, write=400, demand=demand(levels, seed + 6)))
