"""What the web thread reads: one immutable picture of the newest cycle, replaced whole and never changed in place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from watcher.core.hot_keys import HotKeyFinding
from watcher.core.insights import SamplerMode
from watcher.core.model import Alert, Billing, Decision, Dimension, TableKey
from watcher.core.pauses import Pause, covering
from watcher.core.reasons import Mode, Severity
from watcher.core.result import Explanation
from watcher.core.sampling import SamplingPlan
from watcher.core.state import Incident
from watcher.ports import CycleReport

SAMPLED_WORDS: Mapping[SamplerMode, str] = {
    SamplerMode.OFF: "no keys",
    SamplerMode.THROTTLED: "throttled keys",
    SamplerMode.FULL: "all keys",
}


@dataclass(frozen=True, slots=True)
class TableView:
    """One table as last seen.

    seen_at: instant of the cycle that ``explanation`` and ``billing`` come from, None when it was never seen.
    error: why the newest cycle saw nothing of it, or "". last_decisions: the newest one recorded per dimension.
    sampling: the newest known one, None while there was none.
    """

    key: TableKey
    mode: Mode
    billing: Billing | None = None
    explanation: Explanation | None = None
    seen_at: float | None = None
    error: str = ""
    last_decisions: tuple[Decision, ...] = ()
    sampling: SamplingPlan | None = None

    @property
    def is_current(self) -> bool:
        """Whether the newest cycle saw it; otherwise its figures are the past's."""
        return self.explanation is not None and not self.error

    @property
    def incident(self) -> Incident | None:
        """Open trouble, also of a table that cannot be seen just now: unseen is not resolved."""
        return self.explanation.incident if self.explanation else None

    @property
    def findings(self) -> tuple[HotKeyFinding, ...]:
        """The verdicts on hot keys, the table's first, then by index."""
        found = self.explanation.hot_keys if self.explanation else {}
        return tuple(found[index] for index in sorted(found))

    @property
    def sampled(self) -> Mapping[str, SamplerMode]:
        """What Contributor Insights samples, by index; empty while not known."""
        return self.sampling.current if self.sampling else {}

    @property
    def unsampled(self) -> Mapping[str, str]:
        """Why a place that should be sampled is not, by index."""
        return self.sampling.lost if self.sampling else {}

    def decision(self, dimension: Dimension) -> Decision | None:
        """What the newest cycle decided, with what became of it; of a table it did not see, the last one recorded."""
        recorded = self.recorded(dimension)
        if self.explanation is None or not self.is_current:
            return recorded
        decided = next((one for one in self.explanation.decisions if one.dimension == dimension), None)
        return recorded if decided is None or (recorded and recorded.time == decided.time) else decided

    def recorded(self, dimension: Dimension) -> Decision | None:
        """The newest decision worth recording."""
        return next((one for one in self.last_decisions if one.dimension == dimension), None)

    def change(self, dimension: Dimension) -> Decision | None:
        """The last recorded decision where that was a change: what the newest decision follows upon."""
        recorded = self.recorded(dimension)
        return recorded if recorded and recorded.is_change else None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """report: the newest finished cycle, None before the first. topics: ARNs of those configured. regional: the last
    message of each open incident of a whole Region, by incident, as far as it is known."""

    version: str
    regions: tuple[str, ...] = ()
    report: CycleReport | None = None
    tables: tuple[TableView, ...] = ()
    topics: tuple[str, ...] = ()
    regional: Mapping[str, Alert] = field(default_factory=dict)

    @property
    def own_incidents(self) -> tuple[tuple[str, Incident], ...]:
        """The open incidents of whole Regions, storms among them, by Region; the most severe first."""
        return tuple(sorted(regional_incidents(self.report), key=lambda pair: (_RANK[pair[1].severity], pair[0])))

    def pause_of(self, table: TableKey) -> Pause | None:
        """The pause that silences a table, as of the newest cycle."""
        return covering(self.report.pauses, table, self.report.started_at) if self.report else None

    def open_incidents(self) -> Iterator[tuple[TableView, Incident]]:
        for view in self.tables:
            if view.incident:
                yield view, view.incident


_RANK = {Severity.CRITICAL: 0, Severity.WARNING: 1}
_STORE = ""  # the key under which CycleReport.region_errors tells of the store


def store_loss(report: CycleReport | None) -> str:
    """What the loss of the store means, with its cause where the cycle knows one; "" while there is none."""
    if report is None or (report.acting and _STORE not in report.region_errors):
        return ""
    cause = report.region_errors.get(_STORE, "")
    return "The state store is lost, so nothing is changed until it is back" + (f": {cause}" if cause else ".")


def regional_incidents(report: CycleReport | None) -> Iterator[tuple[str, Incident]]:
    """The open incidents of whole Regions, each with its Region: the watcher's own, and storms."""
    for region, state in sorted(report.regions.items()) if report else ():
        yield from ((region, one) for _, one in sorted(state.incidents.items()) if one.closed_at is None)
        if state.storm is not None and state.storm.incident.closed_at is None:
            yield region, state.storm.incident


def storm_tables(report: CycleReport, region: str) -> tuple[str, ...]:
    """The tables that a storm holds open, by name; empty without one."""
    state = report.regions.get(region)
    storm = state.storm if state else None
    folded = storm.tables if storm and storm.incident.closed_at is None else {}
    return tuple(name for name in sorted(folded) if folded[name].is_open)


def tables_of(report: CycleReport | None, region: str, incident: Incident) -> tuple[str, ...]:
    """The tables of a Region's incident that are in trouble: a storm's; the watcher's own incidents have none."""
    state = report.regions.get(region) if report else None
    is_storm = state is not None and state.storm is not None and state.storm.incident.id == incident.id
    return storm_tables(report, region) if report and is_storm else ()


def pauses_in_force(report: CycleReport) -> tuple[Pause, ...]:
    """Those that have begun and not ended when the cycle began, the one that began last first."""
    return tuple(one for one in report.pauses if one.since <= report.started_at < one.until)


def regions_unread(report: CycleReport | None) -> Mapping[str, str]:
    """Errors by Region, the store's apart: it is no Region."""
    return {region: error for region, error in report.region_errors.items() if region != _STORE} if report else {}
