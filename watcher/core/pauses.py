"""Silence asked for by a person: what it covers, why, and until when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from watcher.core.model import TableKey

LONGEST = 30 * 86_400.0  # seconds; a longer silence is one that somebody forgot


@dataclass(frozen=True, slots=True)
class Pause:
    """An on-call engineer's "I have it". since, until: instants, the end not included.

    match: a pattern for tables' names, as in the config. region: "" for all. advise_only: whether nothing is changed
    meanwhile either; without it only messages are silenced. by: who asked, as far as the command line could tell.
    """

    match: str
    since: float
    until: float
    reason: str
    region: str = ""
    by: str = ""
    advise_only: bool = False

    def covers(self, table: TableKey, now: float) -> bool:
        """Whether it silences this table now. A Region as a whole (the name "") is silenced by no pause of tables."""
        if not self.since <= now < self.until or not table.name:
            return False
        return self.region in ("", table.region) and fnmatchcase(table.name, self.match)


def covering(pauses: Iterable[Pause], table: TableKey, now: float) -> Pause | None:
    """The pause that silences the table for longest, of those that do; None for none."""
    found = [pause for pause in pauses if pause.covers(table, now)]
    return max(found, key=lambda pause: (pause.advise_only, pause.until), default=None)
