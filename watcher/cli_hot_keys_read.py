"""The reading behind ``watcher hot-keys``: one table with its indexes, once, judged as the daemon judges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from watcher.core.demand import throttled_events, throttled_since
from watcher.core.hot_keys import HotKeyFinding, KeyVerdict
from watcher.core.hot_keys.news import HOT, findings
from watcher.core.insights import KeySample, Place, Sampler, SamplerMode, SamplerStatus
from watcher.core.intake import take_in
from watcher.core.model import Dimension, Kind, TableDescription, TableObservation
from watcher.core.policy import TablePolicy, Tuning
from watcher.core.series import MINUTE
from watcher.core.state import DimensionState
from watcher.cycle_keys import BLIND_NOTE, SWITCHING_NOTE
from watcher.observe import EVERY_MINUTE, ON_TROUBLE, dimension_queries
from watcher.ports import RegionPorts
from watcher.record import described

LATEST = 5  # minutes, as late as CloudWatch is with the newest one


@dataclass(frozen=True, slots=True)
class Case:
    """One place with its verdict. throttled: requests in the minutes read. answered: False where Contributor Insights
    is on and could not be read in full, and so nothing can be said."""

    finding: HotKeyFinding
    mode: SamplerMode
    throttled: float
    answered: bool

    @property
    def rank(self) -> tuple[int, float, float, Place]:
        """The smallest is the place in most trouble: hot keys, then heat without any, then what is not known."""
        verdict = self.finding.verdict
        severity = 0 if verdict in HOT else 1 if verdict is KeyVerdict.NO_SINGLE_KEY else 2
        hottest = max((key.ceiling_share or 0.0 for key in self.finding.keys), default=0.0)
        return severity, -self.throttled, -hottest, self.finding.place


def read(ports: RegionPorts, where: Place, now: float, span: int, policy: TablePolicy) -> list[Case]:
    """The place, or a table with all its indexes, in most trouble first; at least one. span: minutes to look back
    from the newest one that can be seen.

    Few calls for one table, so every rule is asked for its report, and none for its peak before. Raises AwsError when
    anything but a report cannot be read, and WatcherError for a table or an index that is not there.
    """
    description = described(ports.tables, where.table, where.index, ports.region, "hot-keys")
    indexes = [where.index] if where.index else sorted(description.throughputs)
    samplers = {index: ports.insights.describe(Place(where.table, index)) for index in indexes}
    states = _states(ports, description, now, span + LATEST, policy.tuning)
    start = _newest(now, states) - (span - 1) * MINUTE
    samples = {index: _sample(ports, Place(where.table, index), samplers[index], now, start) for index in indexes}
    found = findings(now, policy, description, states, samples, judged=now - start)
    cases = [_case(finding, samplers[index], samples[index], states, start) for index, finding in found.items()]
    return sorted(cases, key=lambda case: case.rank)


def _states(
    ports: RegionPorts, description: TableDescription, now: float, span: int, tuning: Tuning
) -> Mapping[Dimension, DimensionState]:
    """CloudWatch's last ``span`` minutes. All dimensions, whatever is asked: one's refusals explain another's."""
    queries = dimension_queries({description.key.name: description}, (*EVERY_MINUTE, *ON_TROUBLE))
    end = now - now % MINUTE
    answers = ports.metrics.read(queries, end - span * MINUTE, end)
    observation = TableObservation(description, now, answers)
    taken = take_in(now, tuning, {}, observation, keep_seconds=float((span + 1) * MINUTE))
    return {dimension: intake.state for dimension, intake in taken.items()}


def _newest(now: float, states: Mapping[Dimension, DimensionState]) -> float:
    """Start of the newest minute that CloudWatch shows; of the last whole one where it shows none."""
    seen = [newest for state in states.values() if (newest := state.consumed.newest()) is not None]
    return float(max(seen, default=now - now % MINUTE - MINUTE))


def _sample(ports: RegionPorts, place: Place, sampler: Sampler, now: float, start: float) -> KeySample:
    if sampler.is_reading:
        return ports.insights.sample(place, sampler, sampler.rules, start, now - now % MINUTE + MINUTE)
    note = SWITCHING_NOTE if sampler.status is SamplerStatus.ENABLING else ""
    if sampler.failure:
        note = BLIND_NOTE.format(sampler.failure)
    return KeySample(now, now, note=note, complete=False, since=sampler.updated)


def _case(
    finding: HotKeyFinding,
    sampler: Sampler,
    sample: KeySample,
    states: Mapping[Dimension, DimensionState],
    start: float,
) -> Case:
    mine = [states[Dimension(finding.place.index, kind)] for kind in Kind]
    throttled = sum(throttled_events(state, minute) for state in mine for minute in throttled_since(state, start))
    unread = sampler.is_reading and not sample.complete and finding.verdict is KeyVerdict.UNKNOWN
    return Case(finding, sampler.mode, throttled, answered=not unread)
