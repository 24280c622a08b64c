"""One Region as the cycle looks at it: which tables there are, how much to ask this time, and what came back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from watcher.clock import Clock
from watcher.core.insights import KeySample, Place, Sampling
from watcher.core.model import Metric, TableObservation
from watcher.core.state import TableState
from watcher.cycle_denials import Denials, Question, merged
from watcher.cycle_keys import KeyWatch
from watcher.errors import AwsError
from watcher.observe import Glance, Sighting, observe
from watcher.ports import Policies, RegionPorts, Telemetry


@dataclass(frozen=True, slots=True)
class LookSettings:
    """Seconds throughout. window: trailing minutes re-read. discovery: how often tables are listed anew. sweep: how
    often everything is asked. workers: parallel calls. latency: whether it is asked for."""

    window: float
    discovery: float
    sweep: float
    workers: int
    latency: bool


@dataclass
class Region:
    """What the cycle remembers of one Region between passes. account: the one whose tables were described last.
    Instants on the monotonic face; read_at: when a table's consumption was last read in full."""

    ports: RegionPorts
    clock: Clock
    telemetry: Telemetry
    settings: LookSettings
    stopping: Callable[[], bool] = lambda: False
    keys: KeyWatch = field(init=False)
    _denials: Denials = field(init=False)
    account: str = ""
    names: list[str] = field(default_factory=list)
    operations: Mapping[str, frozenset[str]] = field(default_factory=dict)
    _discovered_at: float | None = None
    _swept_at: float | None = None
    _read_at: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._denials = Denials(self.clock)
        self.keys = KeyWatch(self.ports.insights, self.clock, self._tell, stopping=self.stopping)

    @property
    def name(self) -> str:
        return self.ports.region

    def look(
        self,
        now: float,
        policies: Policies,
        states: Mapping[str, TableState],
        concerned: Collection[str],
        *,
        switching: bool = False,
    ) -> Sighting:
        """See the Region's tables. states: of those known here. concerned: others that something of ours is open on.
        switching: whether a switch of Contributor Insights is, so that its outcome is to be seen."""
        trouble = self._discover()
        # A table that ListTables no longer names is described once more: only DescribeTable says that it is gone.
        candidates = {name for name in (*self.names, *states) if policies(name) is not None} | set(concerned)
        if trouble and not candidates:
            unlisted = (replace(denial, darkens=True) for denial in self._denials.of(Question.NAMES))
            return Sighting(error=trouble, denied=merged(unlisted))
        names = sorted(candidates)
        sweep = self._is_due(self._swept_at, self.settings.sweep)
        strange = frozenset(name for name in names if name not in states or self._is_strange(name))
        glance = Glance(now, self.settings.window, sweep, self.settings.latency, self.settings.workers, strange)
        reader = partial(self._read_keys, now, policies, states, names, switching)
        sighting = observe(self.ports, names, states, self.operations, glance, reader)
        for event, sentence in sighting.troubles.items():
            self._tell(event, sentence)
        if sweep and not sighting.error:
            self._swept_at = self.clock.monotonic()
        for observation in sighting.observations.values():
            self.account = observation.description.key.account
        read = [name for name, observation in sighting.observations.items() if _is_read(observation)]
        self._read_at.update(dict.fromkeys(read, self.clock.monotonic()))
        # Not all of it is asked in every pass.
        denied = merged((*sighting.denied, *self._denials.standing(), *self.keys.denials.standing()))
        return replace(sighting, survey=self.keys.survey, denied=denied)

    def forget(self, names: Collection[str]) -> None:
        """These tables are gone, or watched no longer: list anew, and begin anew should they come back."""
        if names:
            self._discovered_at = None
            self._read_at = {name: at for name, at in self._read_at.items() if name not in names}

    def _read_keys(
        self,
        now: float,
        policies: Policies,
        states: Mapping[str, TableState],
        names: Sequence[str],
        switching: bool,  # noqa: FBT001 - bound by position
        heat: Mapping[Place, float],
    ) -> Mapping[str, Mapping[str, KeySample]]:
        known = [name for name in names if name in states]
        watched = {Place(name, dimension.index) for name in known for dimension in states[name].dimensions} | set(heat)
        ours = any(sampler.is_ours for state in states.values() for sampler in state.samplers.values())
        wanted = any(policy is not None and policy.sampling is not Sampling.OFF for policy in map(policies, names))
        try:
            return self.keys.look(now, heat, watched, surveying=ours or switching or wanted)
        except Exception as error:  # noqa: BLE001 - odd data about keys must not hold up capacity
            self.keys.survey = None
            self._tell("keys.failed", f"reading keys failed, which is a bug in the watcher: {error!r}")
            return {}

    def _is_strange(self, name: str) -> bool:
        """Not read for so long that the trailing window may leave a gap of minutes never seen."""
        read = self._read_at.get(name)
        return read is None or self.clock.monotonic() - read > 0.75 * self.settings.window

    def _discover(self) -> str:
        """List tables and the operations in use anew when it is time; why it failed, or ""."""
        if not self._is_due(self._discovered_at, self.settings.discovery):
            return ""
        try:
            self.names = sorted(self.ports.tables.names())
        except AwsError as error:
            self._denials.note(Question.NAMES, error)
            self._tell("discovery.failed", str(error))
            return str(error)
        self._denials.answered(Question.NAMES)
        self._discovered_at = self.clock.monotonic()
        if self.settings.latency:
            try:
                self.operations = self.ports.metrics.operations()
            except AwsError as error:
                # Latency is a second question; the first one must still be asked.
                self._denials.note(Question.OPERATIONS, error)
                self._tell("operations.failed", str(error))
            else:
                self._denials.answered(Question.OPERATIONS)
        return ""

    def _is_due(self, last: float | None, every: float) -> bool:
        # Half a minute of slack: a cycle that starts a moment early must not skip its turn.
        return last is None or self.clock.monotonic() - last >= every - 30

    def _tell(self, event: str, sentence: str) -> None:
        self.telemetry.trouble(event, region=self.name, sentence=sentence)


def _is_read(observation: TableObservation) -> bool:
    """Whether CloudWatch told all of the table's consumption that it knows."""
    return all(answer.complete for query, answer in observation.answers.items() if query.metric is Metric.CONSUMED)
