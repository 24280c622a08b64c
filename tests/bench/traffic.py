"""Generated traffic, one shape per character; everything is a function of the name and the seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import cos, exp, pi
from random import Random

from watcher.replay.trace import Trace

START = 1_699_833_600  # 2023-11-13T00:00:00Z, a Monday
DAY = 1440  # minutes
NOISE = 0.03  # standard deviation of a minute around its level, of the level
MEMORY = 0.8  # how much of a minute's deviation the next one keeps

Draw = Random
Shape = Callable[[Draw, int], Iterator[float]]


@dataclass(frozen=True, slots=True)
class Character:
    """shape: (random numbers, minutes) -> the level of each minute, on any scale. days: enough of it."""

    shape: Shape
    days: int
    noise: float = NOISE


def generate(name: str, mean: float, *, seed: int = 1) -> Trace:
    """One-minute rows with ``mean`` units per second. Raises KeyError for a name not in TRAFFIC."""
    character = TRAFFIC[name]
    draw = Random(f"{seed}:{name}")  # noqa: S311 - simulated traffic, not a secret
    minutes = character.days * DAY
    rows = {}
    deviation = 0.0
    for number, level in enumerate(character.shape(draw, minutes)):
        deviation = MEMORY * deviation + draw.gauss(0.0, character.noise) * (1.0 - MEMORY**2) ** 0.5
        rows[START + 60 * number] = level * exp(deviation)
    return Trace(rows, 60).rescaled(mean)


def _wave(minute: int, depth: float) -> float:
    """One day's wave around 1: lowest at 03:00, highest at 15:00 UTC."""
    return 1.0 - depth * cos(2.0 * pi * (minute / DAY - 0.125))


def _smooth(_draw: Draw, minutes: int) -> Iterator[float]:
    for minute in range(minutes):
        weekend = minute // DAY % 7 >= 5
        yield _wave(minute, 0.5) * (0.7 if weekend else 1.0)


def _steps(draw: Draw, minutes: int) -> Iterator[float]:
    level, until = 1.0, 0.0
    for minute in range(minutes):
        if minute >= until:
            level = exp(draw.gauss(0.0, 0.6))
            until = minute + 60.0 + draw.expovariate(1.0 / 420.0)
        yield level


def _ramp(draw: Draw, minutes: int) -> Iterator[float]:
    """Climbs of 2 to 8 hours to three to eight times the level, an hour there, twenty minutes down, some rest."""
    done = 0
    while done < minutes:
        climb, height = draw.randrange(120, 480), draw.uniform(2.0, 7.0)
        for minute in range(climb + 60 + 20 + draw.randrange(60, 360)):
            down = max(0.0, 1.0 - max(0, minute - climb - 60) / 20.0)
            yield 1.0 + height * min(1.0, minute / climb) * down
            done += 1
            if done == minutes:
                return


def _flash_crowd(draw: Draw, minutes: int) -> Iterator[float]:
    """A flat day's wave; every two days or so a crowd arrives within three minutes and leaves over hours."""
    crowd, target, left = 0.0, 0.0, 0
    for minute in range(minutes):
        if draw.random() < 1.0 / (2 * DAY):
            target, left = draw.uniform(5.0, 15.0), draw.randrange(1, 4)
        if left:
            crowd += (target - crowd) / left
            left -= 1
        else:
            crowd *= 0.5 ** (1.0 / 40.0)
        yield _wave(minute, 0.2) + crowd


def _hourly_batch(draw: Draw, minutes: int) -> Iterator[float]:
    """At about every full hour, five to eight minutes of five times the level."""
    first = last = 0
    for minute in range(minutes):
        if minute % 60 == 0:
            first = minute + draw.randrange(0, 2)
            last = first + draw.randrange(5, 9)
        yield _wave(minute, 0.2) + (4.0 if first <= minute < last else 0.0)


def _recurrent_bursts(draw: Draw, minutes: int) -> Iterator[float]:
    """Twice an hour or so, without a clock: three to ten minutes of three to six times the level."""
    start, end, height = 10, 14, 3.0
    for minute in range(minutes):
        if minute >= end:
            start = minute + 5 + round(draw.expovariate(1.0 / 20.0))
            end = start + draw.randrange(3, 11)
            height = draw.uniform(2.0, 5.0)
        yield 1.0 + (height if start <= minute < end else 0.0)


def _idle_then_burst(draw: Draw, minutes: int) -> Iterator[float]:
    """Next to nothing, and at any hour of the day a job of twenty minutes to an hour at 25 to 50 times that."""
    end, level = 0, 0.0
    for minute in range(minutes):
        if minute >= end and draw.random() < 3.0 / DAY:
            end, level = minute + draw.randrange(20, 60), draw.uniform(25.0, 50.0)
        yield level if minute < end else 1.0


def _noise(_draw: Draw, minutes: int) -> Iterator[float]:
    for _ in range(minutes):
        yield 1.0


TRAFFIC: Mapping[str, Character] = {
    "smooth": Character(_smooth, 14),
    "steps": Character(_steps, 7),
    "ramp": Character(_ramp, 7),
    "flash crowd": Character(_flash_crowd, 14),
    "hourly batch": Character(_hourly_batch, 7),
    "recurrent bursts": Character(_recurrent_bursts, 7),
    "idle then burst": Character(_idle_then_burst, 7),
    "noise": Character(_noise, 7, noise=0.5),
}
