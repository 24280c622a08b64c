"""What the watcher remembers of a whole Region between cycles: its own incidents there, and a storm of tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from watcher.core.reasons import Cause
from watcher.core.state import Incident


@dataclass(frozen=True, slots=True)
class RegionRules:
    """Seconds, but for storm_tables. blind_after: how long nothing of a Region can be read, or a permission is missing,
    before that is an incident. overdue_after: so long after the last finished pass the next one is overdue.
    storm_tables: so many tables that open an incident within storm_window are a storm, 0 for never.
    flap_window, resolve_after, longest_calm, repeats: as with tables."""

    blind_after: float = 180.0
    overdue_after: float = 180.0
    storm_tables: int = 10
    storm_window: float = 300.0
    resolve_after: float = 120.0
    flap_window: float = 3600.0
    longest_calm: float = 7200.0
    repeats: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Folded:
    """A table whose incident is told as a part of a storm. incident: its id, "" once it is in trouble of another kind,
    which is told on its own. is_open: whether it still is a part of it."""

    incident: str
    cause: Cause
    is_open: bool = True


@dataclass(frozen=True, slots=True)
class Storm:
    """incident: the storm's own; its last_bad is when it was last told, its events how many tables were folded then.
    tables: what is folded into it, by table's name. told: how many tables its last message listed."""

    incident: Incident
    tables: Mapping[str, Folded]
    told: int


@dataclass(frozen=True, slots=True)
class RegionState:
    """account: as the last table described in the Region told, "" before; as of then while there are incidents.
    incidents: the watcher's own, open or closed not long ago, by cause. troubled_since: since when each of those causes
    holds without a break, opened or not. opened: (instant, table's name) of the incidents that tables opened within the
    storm's window. storm: the one going on. finished_at: when the last pass over the Region finished, None before the
    first; as written down in a pass, when that one began."""

    account: str = ""
    incidents: Mapping[Cause, Incident] = field(default_factory=dict)
    troubled_since: Mapping[Cause, float] = field(default_factory=dict)
    opened: tuple[tuple[float, str], ...] = ()
    storm: Storm | None = None
    finished_at: float | None = None
