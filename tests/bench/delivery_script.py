"""What happens to a scripted fleet, minute by minute: a pure function of the seed, so that every life of a watcher that
is killed and started again meets the same world."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from watcher.core.model import Metric
from watcher.core.policy import IncidentRules
from watcher.core.region_state import RegionRules

START = 1_700_006_400  # 2023-11-15T00:00:00Z
MINUTE = 60
WARM = 10  # quiet minutes before the first trouble
LARGEST, SMALLEST = 32, 20  # tables of a fleet
BASE = 60.0  # writes per second of a table without trouble, and the reads too
CAPACITY = 100  # units per second to begin with

# The product's own rules, at a pace at which a table has two or three incidents an hour instead of one.
RULES = IncidentRules(resolve_after=120.0, flap_window=600.0, longest_calm=480.0, blocked_after=600.0)
GAP = 20  # quiet minutes after which trouble is another incident: the longest calm, the flap window and two minutes


class Trouble(StrEnum):
    """What a table suffers, always the same."""

    HEAT = "heat"  # one key range
    QUOTA = "quota"  # the account's limit
    HUNGER = "hunger"  # too little capacity, which the watcher raises
    SILENCE = "silence"  # CloudWatch shows nothing of it


METRICS: Mapping[Trouble, Metric] = {
    Trouble.HEAT: Metric.THROTTLED_KEY_RANGE,
    Trouble.QUOTA: Metric.THROTTLED_ACCOUNT_LIMIT,
    Trouble.HUNGER: Metric.THROTTLED_PROVISIONED,
}
# Of each ten tables.
KINDS = (*(Trouble.HEAT,) * 4, *(Trouble.QUOTA,) * 3, *(Trouble.HUNGER,) * 2, Trouble.SILENCE)
MILD, SEVERE = 0.02, 0.3  # shares of the requests that are throttled: a warning, and what is critical


@dataclass(frozen=True, slots=True)
class Phase:
    """Trouble without a break. start, end: instants on full minutes, the end not included. strength: the share of
    requests throttled, or, where capacity cures it, the units a second that are asked for."""

    start: int
    end: int
    strength: float


@dataclass(frozen=True, slots=True)
class Episode:
    """What is one incident: one phase, or several with flaps between them. stormy: it began with many others."""

    table: str
    phases: tuple[Phase, ...]
    stormy: bool = False

    @property
    def start(self) -> int:
        return self.phases[0].start

    @property
    def end(self) -> int:
        return self.phases[-1].end


@dataclass(frozen=True)
class Table:
    name: str
    kind: Trouble
    episodes: tuple[Episode, ...]

    @cached_property
    def _strengths(self) -> dict[int, float]:
        phases = (phase for episode in self.episodes for phase in episode.phases)
        return {minute: phase.strength for phase in phases for minute in range(phase.start, phase.end, MINUTE)}

    @cached_property
    def _minutes(self) -> list[int]:
        return sorted(self._strengths)

    def trouble(self, minutes: range) -> dict[int, float]:
        """The strength of its trouble in those of these minutes that have any."""
        first, end = (bisect_left(self._minutes, edge) for edge in (minutes.start, minutes.stop))
        return {minute: self._strengths[minute] for minute in self._minutes[first:end]}


@dataclass(frozen=True)
class Script:
    """tables: by name. dark: spells (start, end) in which nothing of the Region can be read. end: when all is calm."""

    tables: Mapping[str, Table]
    dark: Sequence[tuple[int, int]]
    end: int
    episodes: Sequence[Episode] = field(init=False)

    def __post_init__(self) -> None:
        found = [episode for table in self.tables.values() for episode in table.episodes]
        object.__setattr__(self, "episodes", sorted(found, key=lambda episode: (episode.start, episode.table)))

    def is_dark(self, instant: float) -> bool:
        return any(start <= instant < end for start, end in self.dark)


def fleet_size(incidents: int) -> int:
    return min(LARGEST, max(SMALLEST, incidents // 4))


def region_rules(tables: int) -> RegionRules:
    """A storm is a third of the fleet in two minutes; one table in ten has its turn in two minutes otherwise."""
    return RegionRules(storm_tables=tables // 3, storm_window=120.0, flap_window=600.0, longest_calm=480.0)


def scripted(incidents: int, seed: int) -> Script:
    """A script with at least so many incidents. About one in five flaps, one in three worsens; now and then half of
    the fleet is struck in the same minute, and now and then the whole Region cannot be read."""
    chance = random.Random(f"{seed}/script")  # noqa: S311 - a script, no secret
    tables = fleet_size(incidents)
    names = [f"orders-{number:03d}" for number in range(tables)]
    kinds = {name: KINDS[number % len(KINDS)] for number, name in enumerate(names)}
    free = {name: START + MINUTE * (WARM + chance.randrange(GAP)) for name in names}  # when each may be struck again
    counts = dict.fromkeys(names, 0)
    episodes: list[Episode] = []
    storms = 0

    def strike(name: str, at: int, *, stormy: bool = False) -> None:
        counts[name] += 1
        episode = Episode(name, _phases(chance, kinds[name], at, counts[name]), stormy)
        episodes.append(episode)
        free[name] = episode.end + MINUTE * (GAP + chance.randrange(4, GAP))

    while len(episodes) < incidents:
        if len(episodes) >= (storms + 1) * 5 * tables // 2:
            storms += 1
            at = max(free.values())
            for name in chance.sample(names, k=tables // 2):
                strike(name, at + MINUTE * chance.randrange(2), stormy=True)
        name = min(free, key=lambda name: (free[name], name))
        strike(name, free[name])
    end = max(episode.end for episode in episodes)
    spans = range(START + 3 * 3600, end, 3 * 3600)
    dark = [
        (at, at + MINUTE * chance.randrange(4, 7)) for at in (span + MINUTE * chance.randrange(90) for span in spans)
    ]
    of: dict[str, list[Episode]] = {name: [] for name in names}
    for episode in episodes:
        of[episode.table].append(episode)
    return Script({name: Table(name, kinds[name], tuple(of[name])) for name in names}, dark, end)


def _phases(chance: random.Random, kind: Trouble, at: int, count: int) -> tuple[Phase, ...]:
    """count: which episode of its table it is, from 1."""
    if kind is Trouble.SILENCE:
        return (Phase(at, at + MINUTE * chance.randrange(8, 12), 1.0),)
    if kind is Trouble.HUNGER:
        # More each time, since capacity raised once may still be there.
        asked = CAPACITY * 2.5 * 1.4 ** (count % 12)
        return (Phase(at, at + MINUTE * chance.randrange(3, 7), asked),)
    length = MINUTE * chance.randrange(2, 6)
    story = chance.random()
    if story < 0.2:
        flaps, start = [], at
        for _ in range(chance.randrange(2, 4)):
            flaps.append(Phase(start, start + MINUTE * 2, MILD))
            start += MINUTE * (2 + chance.randrange(4, 8))
        return tuple(flaps)
    if story < 0.5:
        return (Phase(at, at + length, MILD), Phase(at + length, at + 2 * length, SEVERE))
    return (Phase(at, at + length, MILD if story < 0.75 else SEVERE),)
