"""Tables that are each hot in their own way: what a judge of hot keys has to tell apart.

``Plant.overheated`` says afterwards which keys were too hot for their partition, and when.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from watcher.core.model import TABLE_READ, TABLE_WRITE, Dimension, Kind
from watcher.replay.plant import IndexSpec, KeyShare, TableSpec
from watcher.replay.skew import moving_key, rising_sort, steadily, together, zipf
from watcher.sandbox.stories import Story
from watcher.sandbox.traffic import Heat, Level, Spells, demand, steady, surging

ZIPF_KEYS: Final = 10_000
ZIPF_NAMED: Final = 30  # Contributor Insights shows 25
STATUS: Final = Dimension("by-status", Kind.WRITE)

# What each table is about.
HEAT: Mapping[str, str] = {
    "one-key": "one key writes more than a partition serves",
    "few-keys": "three keys in one partition, until it splits",
    "by-minute": "the partition key is the time, so the heat moves",
    "log": "one partition key whose sort key only rises",
    "tickets": "an index with one hot key, which holds its table back",
    "zipf-08": "mildly skewed, and too little capacity",
    "zipf-10": "skewed, and too little capacity",
    "zipf-12": "so skewed that the first key is too hot",
    "zipf-15": "so skewed that the first keys are too hot",
    "uniform": "no key stands out: too little capacity",
    "mixed": "a hot key, and too little capacity",
    "partiql": "one hot key that Contributor Insights does not see",
    "reads": "one key is read more than a partition serves",
}


def heated(origin: int, seed: int) -> tuple[Story, ...]:
    """All of them calm until two minutes after ``origin`` (the start of a minute), then in trouble for half an hour of
    every ninety minutes."""
    spells = Spells(origin, first=2, minutes=30, period=90, seed=seed)
    specs = (
        *_by_key(spells, seed + 10),
        *_by_time(spells, seed + 20),
        _by_status(spells, seed + 30),
        *_zipf(spells, seed + 40),
        *_by_capacity(spells, seed + 50),
        _partiql(spells, seed + 60),
        _reads(spells, seed + 70),
    )
    return tuple(Story(spec) for spec in specs)


def _by_key(spells: Spells, seed: int) -> tuple[TableSpec, ...]:
    """1,300 writes a second to one key; and 1,260 to three keys of one partition. A partition serves 1,000."""
    one = Heat(TABLE_WRITE, steadily(KeyShare("user#4711", 0.65)), spells)
    few = together("cart", {"cart#17": 0.25, "cart#23": 0.22, "cart#42": 0.16})
    levels = _writing(steady(2000.0))
    return (
        TableSpec("one-key", read=100, write=3000, demand=demand(levels, seed, (one,))),
        TableSpec(
            "few-keys",
            read=100,
            write=3000,
            demand=demand(levels, seed + 1, (Heat(TABLE_WRITE, steadily(*few), spells),)),
        ),
    )


def _by_time(spells: Spells, seed: int) -> tuple[TableSpec, ...]:
    """1,300 writes a second to the key, or to the sort key, of the present minute."""
    levels = _writing(steady(1500.0))
    key = Heat(TABLE_WRITE, moving_key(0.87), spells)
    sort = Heat(TABLE_WRITE, rising_sort("device#7", 0.87), spells)
    return (
        TableSpec("by-minute", read=100, write=2500, demand=demand(levels, seed, (key,))),
        TableSpec(
            "log", read=100, write=2500, has_sort_key=True, monotonic=True, demand=demand(levels, seed + 1, (sort,))
        ),
    )


def _by_status(spells: Spells, seed: int) -> TableSpec:
    """1,350 index writes a second to one status; the table's own keys are even."""
    index = IndexSpec(STATUS.index, read=100, write=2500, has_sort_key=True, monotonic=True)
    heat = Heat(STATUS, steadily(KeyShare("open", 0.9)), spells)
    return TableSpec(
        "tickets", read=100, write=2500, indexes=(index,), demand=demand(_writing(steady(1500.0)), seed, (heat,))
    )


def _zipf(spells: Spells, seed: int) -> tuple[TableSpec, ...]:
    """The first key's share is 3.7, 10, 21 and 39 %: of 4,000 writes a second 150 and 410, of 6,000 1,250 and 2,300."""
    specs = []
    for number, (exponent, rate, provisioned) in enumerate(
        ((0.8, 4000.0, 3000), (1.0, 4000.0, 3000), (1.2, 6000.0, 8000), (1.5, 6000.0, 8000))
    ):
        skew = steadily(*zipf(exponent, ZIPF_KEYS, ZIPF_NAMED))
        level = surging(steady(rate / 2), spells, 2.0)
        specs.append(
            TableSpec(
                f"zipf-{round(10 * exponent):02d}",
                read=100,
                write=provisioned,
                demand=demand(_writing(level), seed + number, (Heat(TABLE_WRITE, skew, spells),)),
            )
        )
    return tuple(specs)


def _by_capacity(spells: Spells, seed: int) -> tuple[TableSpec, ...]:
    """Three times the capacity; without a hot key, and with one of 1,280 writes a second."""
    starving = _writing(surging(steady(700.0), spells, 3.0))
    mixed = _writing(surging(steady(1000.0), spells, 3.2))
    heat = Heat(TABLE_WRITE, steadily(KeyShare("user#4711", 0.4)), spells)
    return (
        TableSpec("uniform", read=100, write=1000, demand=demand(starving, seed)),
        TableSpec("mixed", read=100, write=1500, demand=demand(mixed, seed + 1, (heat,))),
    )


def _partiql(spells: Spells, seed: int) -> TableSpec:
    heat = Heat(TABLE_WRITE, steadily(KeyShare("user#4711", 0.65)), spells)
    return TableSpec(
        "partiql", read=100, write=3000, unseen=1.0, demand=demand(_writing(steady(2000.0)), seed, (heat,))
    )


def _reads(spells: Spells, seed: int) -> TableSpec:
    """4,200 reads a second of one key; a partition serves 3,000."""
    levels = {TABLE_READ: steady(6000.0), TABLE_WRITE: steady(50.0)}
    heat = Heat(TABLE_READ, steadily(KeyShare("product#1", 0.7)), spells)
    return TableSpec("reads", read=9000, write=100, demand=demand(levels, seed, (heat,)))


def _writing(level: Level) -> Mapping[Dimension, Level]:
    return {TABLE_READ: steady(30.0), TABLE_WRITE: level}
