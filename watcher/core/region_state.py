"""What the watcher remembers of a whole Region between cycles: its own incidents there, and a storm of tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

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
    which is told on its own. is_open: whether it still is a part of it. is_critical: whether it is, or was."""

    incident: str
    cause: Cause
    is_open: bool = True
    is_critical: bool = False


@dataclass(frozen=True, slots=True)
class Storm:
    """incident: the storm's own; its last_bad is when one of its tables was last open, its events how many tables were
    folded when it was last told. tables: what is folded into it, by table's name. told: how many tables its last
    message listed. began: this time, where the incident is an earlier storm's that came back; None for at its
    opening."""

    incident: Incident
    tables: Mapping[str, Folded]
    told: int
    began: float | None = None


@dataclass(frozen=True, slots=True)
class RegionState:
    """account: as the last table described in the Region told, "" before; as of then while there are incidents.
    incidents: the watcher's own, open or closed not long ago, by cause. troubled_since: since when each of those causes
    holds without a break, opened or not. opened: (instant, table's name) of the incidents that tables opened within the
    storm's window. storm: the one going on. last_storm: the incident of the one that ended last, while one that begins
    belongs to it. finished_at: when the last pass over the Region finished, None before the
    first; as written down in a pass, when that one began."""

    account: str = ""
    incidents: Mapping[Cause, Incident] = field(default_factory=dict)
    troubled_since: Mapping[Cause, float] = field(default_factory=dict)
    opened: tuple[tuple[float, str], ...] = ()
    storm: Storm | None = None
    finished_at: float | None = None
    last_storm: Incident | None = None


def up_to(now: float, state: RegionState) -> RegionState:
    """The state without instants to come, which a clock that was wrong has left: nothing is to wait for them."""
    storm = state.storm
    if storm is not None:
        began = None if storm.began is None else min(storm.began, now)
        storm = replace(storm, incident=storm.incident.up_to(now), began=began)
    return replace(
        state,
        incidents={cause: incident.up_to(now) for cause, incident in state.incidents.items()},
        troubled_since={cause: min(since, now) for cause, since in state.troubled_since.items()},
        opened=tuple((min(at, now), name) for at, name in state.opened),
        storm=storm,
        finished_at=None if state.finished_at is None else min(state.finished_at, now),
        last_storm=None if state.last_storm is None else state.last_storm.up_to(now),
    )
