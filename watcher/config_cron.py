"""When an event recurs: a standard five-field cron expression on the clock of a time zone.

The fields are minute, hour, day of month, month, day of week (0 and 7 are Sunday, 1 is Monday; names like MON too).
Where both days are restricted, either one counts, as in cron itself. At daylight saving time a start that the
clock skips comes when the clock goes on (02:30 at 03:00), and one that it shows twice comes the first time only; what
recurs every hour is best given in UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from math import inf
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from watcher.clock import utc

FIELDS = 5
REPEATED = 3 * 3600.0  # seconds; longer than what any clock repeats at the end of summer time
# Any recent moment does to see whether an expression ever comes true.
SOME_TIME = 1_767_225_600.0  # 2026-01-01T00:00:00Z


@dataclass(frozen=True, slots=True)
class CronStarts:
    """The starts of one cron expression. Implements the core's Starts.

    Between two starts both answers stay the same, so the pair is worked out once and kept until the second has come.
    It is replaced as a whole, so threads may share the object.
    """

    cron: str
    timezone: str
    _between: list[tuple[float, float]] = field(default_factory=list, init=False, repr=False, compare=False)

    def latest(self, at: float) -> float | None:
        found = self._around(at)[0]
        return None if found == -inf else found

    def following(self, at: float) -> float | None:
        found = self._around(at)[1]
        return None if found == inf else found

    def _around(self, at: float) -> tuple[float, float]:
        """The last start not after ``at`` and the first one after it; infinite where there is none."""
        known = self._between[:]
        if known and known[0][0] <= at < known[0][1]:
            return known[0]
        zone = ZoneInfo(self.timezone)
        found = (_latest(self.cron, zone, at), _following(self.cron, zone, at))
        self._between[:] = [found]
        return found


@lru_cache(maxsize=4096)
def cron_starts(cron: str, timezone: str) -> CronStarts:
    """The starts of an expression, one object for all tables that share it, so that they share what it worked out."""
    return CronStarts(cron, timezone)


def cron_mistake(cron: str) -> str:
    """What is wrong with an expression, as the rest of the sentence "got .. "; "" for a good one."""
    given = len(cron.split())
    if given != FIELDS:
        return f"with {given} field{'' if given == 1 else 's'}"
    try:
        starts = CronSim(cron, utc(SOME_TIME))
    except CronSimError as error:
        return f"whose {str(error).removeprefix('Bad ')} is not valid"
    return "which never comes" if next(starts, None) is None else ""


def is_timezone(name: str) -> bool:
    """Whether the time zone database of this machine, or else that of the tzdata package, has a zone of this name."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not found; not a name; a directory of zones like "America"
        return False
    return True


def _following(cron: str, zone: ZoneInfo, at: float) -> float:
    found = _instants(CronSim(cron, _wall(at, zone)), zone)
    return next((start for start in found if start > at), inf)


def _latest(cron: str, zone: ZoneInfo, at: float) -> float:
    # In a repeated hour's second passing, what reads as later on the clock has begun in the first. Otherwise one second
    # on, because a start at ``at`` itself counts.
    ahead = REPEATED if utc(at).astimezone(zone).fold else 1.0
    found = _instants(CronSim(cron, _wall(at + ahead, zone), reverse=True), zone)
    return next((start for start in found if start <= at), -inf)


def _wall(at: float, zone: ZoneInfo) -> datetime:
    """What a clock of the zone shows. Without the zone, so that cronsim counts on the clock's face alone."""
    return utc(at).astimezone(zone).replace(tzinfo=None, fold=0)


def _instants(walls: Iterable[datetime], zone: ZoneInfo) -> Iterator[float]:
    return (_instant(wall, zone) for wall in walls)


def _instant(wall: datetime, zone: ZoneInfo) -> float:
    """When a clock of the zone first shows ``wall``, or, where it skips it, when it goes on."""
    while _wall(instant := wall.replace(tzinfo=zone).timestamp(), zone) != wall:
        wall += timedelta(minutes=1)
    return instant
