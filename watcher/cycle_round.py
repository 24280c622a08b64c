"""What one pass of the cycle has found out, and the report of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from watcher.clock import process_seconds
from watcher.core.model import Alert, Settlement, TableKey
from watcher.core.policy import TablePolicy
from watcher.core.reasons import Mode
from watcher.core.result import StepResult
from watcher.core.sampling import SamplingPlan
from watcher.core.state import TableState
from watcher.cycle_look import Region
from watcher.observe import Sighting
from watcher.ports import Policies, TableReport


@dataclass(frozen=True, slots=True)
class Seen:
    """One table stepped: where it is, its policy, its result. sampling: None until the Region's plan is made."""

    key: TableKey
    region: Region
    policy: TablePolicy
    report: TableReport
    result: StepResult
    sampling: SamplingPlan | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """What one pass has found out by the time it writes. broken: tables whose step failed.
    gone: tables deleted, or matched by no rule any more. released: of tables that no rule matches any more, what is
    still ours to put back. retell: tables whose open incident is to be told anew, since its storm is over."""

    now: float
    sightings: Sequence[tuple[Region, Sighting]]
    seen: Sequence[Seen]
    broken: Mapping[TableKey, str]
    gone: Sequence[TableKey]
    alerts: Sequence[Alert]
    released: Mapping[TableKey, SamplingPlan] = field(default_factory=dict)
    retell: frozenset[TableKey] = frozenset()

    @property
    def plans(self) -> dict[TableKey, SamplingPlan]:
        return {**{one.key: one.sampling for one in self.seen if one.sampling is not None}, **self.released}


class Phase:
    """Notes how long the block under it took, real seconds, in ``phases``."""

    __slots__ = ("_began", "_name", "_phases")

    def __init__(self, phases: dict[str, float], name: str) -> None:
        self._phases = phases
        self._name = name

    def __enter__(self) -> None:
        self._began = process_seconds()
        self._phases[self._name] = 0.0  # the newest one is the one under way

    def __exit__(self, *_: object) -> None:
        self._phases[self._name] = process_seconds() - self._began


def reports(
    this: Round,
    settlements: Sequence[Settlement],
    states: Mapping[TableKey, TableState],
    policies: Policies,
) -> list[TableReport]:
    """One per table, with what became of its actions; the tables that could not be seen come last."""
    settled: dict[TableKey, list[Settlement]] = {}
    for settlement in settlements:
        settled.setdefault(settlement.intent.action.table, []).append(settlement)
    told = [
        replace(one.report, settlements=settled[one.key]) if one.key in settled else one.report for one in this.seen
    ]
    failures = dict(this.broken)
    troubled = any(sighting.failures for _, sighting in this.sightings)
    known = {(key.region, key.name): key for key in states} if troubled else {}
    for region, sighting in this.sightings:
        where = region.name
        for name, error in sighting.failures.items():
            failures[known.get((where, name), TableKey("", where, name))] = error
    for key, error in sorted(failures.items()):
        policy = policies(key.name)
        told.append(TableReport(key, policy.mode if policy else Mode.OBSERVE, None, None, error=error))
    return told
