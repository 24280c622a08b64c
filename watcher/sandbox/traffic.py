"""Generated demand: levels over time as pure functions of the minute and a seed.

A level maps a minute's start (seconds since the epoch) to units per second. Everything repeats with variation, so
that the stories go on for as long as the sandbox runs; the first occurrence of everything is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import pi, sin

from watcher.core.model import Dimension
from watcher.replay.plant import DemandSource, MinuteDemand
from watcher.replay.skew import Skew
from watcher.replay.spread import fraction, mixed, salt

MINUTE = 60
NOISE = 0.04

Level = Callable[[int], float]


@dataclass(frozen=True, slots=True)
class Spells:
    """When trouble comes: ``minutes`` long, first ``first`` minutes after ``origin``, then about every ``period``.

    origin: seconds since the epoch, the start of a minute. Later spells begin up to a tenth of a period late.
    """

    origin: int
    first: int
    minutes: int
    period: int
    seed: int

    def number(self, minute: int) -> int | None:
        """Which spell holds in ``minute``, counted from 0, or None between spells."""
        since = (minute - self.origin) // MINUTE - self.first
        number, within = divmod(since, self.period)
        if number < 0:
            return None
        late = round(self.variation(number, "late") * self.period / 10)
        return number if late <= within < late + self.minutes else None

    def variation(self, number: int, purpose: str) -> float:
        """0..1 for a spell; 0 for the first, which is as written."""
        return 0.0 if number == 0 else fraction(mixed(salt(self.seed, purpose), number))


def steady(units: float) -> Level:
    return lambda _: units


def wave(mean: float, swing: float, hours: float, origin: int) -> Level:
    """A smooth up and down that starts at its mean, rising."""
    return lambda minute: mean + swing * sin(2 * pi * (minute - origin) / (hours * 3600))


def surging(calm: Level, spells: Spells, factor: float) -> Level:
    """``calm``, times ``factor`` within spells; later spells are up to a quarter weaker or stronger."""

    def level(minute: int) -> float:
        number = spells.number(minute)
        if number is None:
            return calm(minute)
        shift = 0.0 if number == 0 else 0.5 * spells.variation(number, "strength") - 0.25
        return calm(minute) * (1.0 + (factor - 1.0) * (1.0 + shift))

    return level


def noisy(level: Level, seed: int) -> Level:
    """A few per cent up and down, minute by minute."""
    purpose = salt(seed, "noise")
    return lambda minute: level(minute) * (1.0 + NOISE * (2.0 * fraction(mixed(purpose, minute)) - 1.0))


@dataclass(frozen=True, slots=True)
class Heat:
    """A dimension's demand is uneven over keys within the spells."""

    dimension: Dimension
    skew: Skew
    spells: Spells


def demand(levels: Mapping[Dimension, Level], seed: int, heats: tuple[Heat, ...] = ()) -> DemandSource:
    """A table's demand from the levels of its dimensions, each with noise of its own. heats: one per dimension."""
    sources = {
        dimension: noisy(level, salt(seed, dimension.index, dimension.kind)) for dimension, level in levels.items()
    }

    def source(minute: int) -> MinuteDemand:
        return MinuteDemand(
            units={dimension: level(minute) * MINUTE for dimension, level in sources.items()},
            hot={heat.dimension: heat.skew(minute) for heat in heats if heat.spells.number(minute) is not None},
        )

    return source
