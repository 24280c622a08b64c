"""A small simulated Region with the real cycle on it, minute by minute; and tables with a story."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.core.builders import PLAIN
from tests.support.wire import RecordingTelemetry, Wire
from watcher.clock import SimulatedClock
from watcher.core.insights import Place, SamplerMode
from watcher.core.model import TABLE_READ, TABLE_WRITE, Action, Billing, Decision, Dimension, Kind, TableKey
from watcher.core.policy import Bounds, TablePolicy
from watcher.core.reasons import IncidentState, Mode, Outcome
from watcher.core.sampling import SamplingLimits
from watcher.cycle import Cycle, CycleSettings
from watcher.ports import CycleReport, Outgoing, Policies, Store
from watcher.replay.insights import RULES_QUOTA
from watcher.replay.plant import ACCOUNT, DemandSource, IndexSpec, KeyShare, MinuteDemand, Plant, TableSpec
from watcher.replay.ports import Mailbox, PlantAws
from watcher.store.memory import MemoryStore
from watcher.store.sqlite import SqliteStore

START = 1_700_006_400 + 8 * 3600  # 2023-11-15T08:00:00Z
WARM = 3900  # seconds of traffic before START, more than must be known of a dimension before it is lowered
REGION = "us-east-1"
RANGE = Bounds(5, 4000)
BOUNDS = {Kind.READ: RANGE, Kind.WRITE: RANGE}
# By plain numbers, so that the stories do not change with the product's own: 1.4 times demand, twice what throttles.
POLICY = TablePolicy(
    mode=Mode.ACT, bounds=BOUNDS, index_bounds=(("*", BOUNDS),), tuning=replace(PLAIN, max_raise_factor=100.0)
)
# The table's own writes are kept at 1,000 and more, whatever they use.
ROOMY = replace(POLICY, bounds={Kind.READ: RANGE, Kind.WRITE: Bounds(1000, 4000)})
SETTINGS = CycleSettings(workers=1)  # one worker: calls come in the same order every time
INDEX_WRITE = Dimension("by-day", Kind.WRITE)
INDEX_READ = Dimension("by-day", Kind.READ)


def key(name: str, region: str = REGION) -> TableKey:
    return TableKey(ACCOUNT, region, name)


def rates(write: Mapping[int, float], read: float = 50.0, *, hot: Mapping[int, float] | None = None) -> DemandSource:
    """Units per second from each second after START on (before the first one: the first). hot: the share of one key."""

    def at(steps: Mapping[int, float], minute: int) -> float:
        past = [since for since in sorted(steps) if since <= minute - START]
        return steps[past[-1] if past else min(steps)]

    def demand(minute: int) -> MinuteDemand:
        share = at(hot, minute) if hot else 0.0
        keys = {TABLE_WRITE: (KeyShare("customer#1", share),)} if share else {}
        return MinuteDemand({TABLE_WRITE: 60.0 * at(write, minute), TABLE_READ: 60.0 * read}, keys)

    return demand


def steady(name: str = "steady", write: float = 70.0, read: float = 50.0) -> TableSpec:
    """A table that is right as it is: 100 writes and 72 reads a second provisioned."""
    return TableSpec(name, read=72, write=100, demand=rates({0: write}, read))


def starved(name: str = "orders", since: int = 300, until: int = 7200, rate: float = 1200.0) -> TableSpec:
    """Twelve times its capacity between two instants (seconds after START): the bucket lasts for 27 s of the first
    minute."""
    return TableSpec(name, read=72, write=100, demand=rates({0: 70.0, since: rate, until: 70.0}))


def heated(name: str = "sessions", since: int = 300, until: int = 1500) -> TableSpec:
    """One key takes 90 % of 1,400 writes a second: more than a partition's 1,000, far below the table's 2,100."""
    demand = rates({0: 1400.0}, hot={0: 0.0, since: 0.9, until: 0.0})
    return TableSpec(name, read=72, write=2100, demand=demand)


def starving_index(name: str = "catalog", since: int = 300) -> TableSpec:
    """The index is far too small for what the table itself takes easily; see ROOMY for its policy."""
    index = IndexSpec("by-day", read=5, write=70)
    return TableSpec(name, read=72, write=1000, indexes=(index,), demand=rates({0: 45.0, since: 600.0}))


def capped(name: str = "events", since: int = 300) -> TableSpec:
    """On demand, with an own maximum below what is asked."""
    demand = rates({0: 20.0, since: 150.0})
    return TableSpec(name, billing=Billing.ON_DEMAND, on_demand_max={Kind.WRITE: 60}, demand=demand)


def oversized(name: str = "archive") -> TableSpec:
    return TableSpec(name, read=800, write=400, demand=rates({0: 20.0}, 40.0))


def of(policy: TablePolicy | None) -> Policies:
    return lambda _name: policy


ACTING = of(POLICY)


def in_mode(mode: Mode) -> TablePolicy:
    return replace(POLICY, mode=mode)


class World:
    """Enter it, ``run`` minutes, look. ``restart`` is a new life of the watcher on the same store.

    engine: "memory" or "sqlite" (then with a directory). seed: None for a plant of even minutes whose points are
    visible exactly 60 s after their minute;
    a number for one with jitter and late points. limits: of sampling. samplers: what another hand samples, None for
    throttled keys everywhere. quota: how many rules the account may have.
    """

    def __init__(
        self,
        *specs: TableSpec,
        policies: Policies = ACTING,
        settings: CycleSettings = SETTINGS,
        stopping: Callable[[], bool] = lambda: False,
        engine: str = "memory",
        directory: Path | None = None,
        seed: int | None = None,
        limits: SamplingLimits | None = None,
        samplers: Mapping[Place, SamplerMode] | None = None,
        quota: int = RULES_QUOTA,
    ) -> None:
        self.plant = (
            Plant(START - WARM, region=REGION, jitter=0.0, late_share=0.0, spread=0.0)
            if seed is None
            else Plant(START - WARM, region=REGION, seed=seed)
        )
        for spec in specs:
            self.plant.create(spec)
        self.clock = SimulatedClock(START - WARM)
        self.clock.advance(WARM + 5)
        self.aws = PlantAws(self.plant, self.clock, samplers=samplers, quota=quota)
        self.limits = limits
        self.box = Mailbox()
        self.telemetry = RecordingTelemetry()
        self.wire = Wire()
        self.policies = policies
        self.settings = settings
        self.stopping = stopping
        self.more_regions: list[PlantAws] = []
        self._path = directory / "watcher.db" if directory else None
        if engine == "sqlite" and self._path is None:
            raise ValueError("the sqlite engine needs a directory")
        self._engine = engine
        self._memory = MemoryStore()
        self._stack = ExitStack()
        self._cycle: Cycle | None = None

    def __enter__(self) -> Self:
        self.store: Store = self._opened()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _opened(self) -> Store:
        if self._engine == "memory" or self._path is None:
            return self._memory
        store = SqliteStore(self._path)
        self._stack.callback(store.close)
        return store

    @property
    def cycle(self) -> Cycle:
        """The living one; made at first use."""
        if self._cycle is None:
            regions = [self.aws.region(), *(other.region() for other in self.more_regions)]
            self._cycle = Cycle(
                [self.wire.region(ports) for ports in regions],
                store=self.wire.store(self.store),
                notifier=self.wire.notifier(self.box),
                telemetry=self.telemetry,
                clock=self.clock,
                policies=self.policies,
                settings=self.settings,
                sampling=self.limits,
                stopping=self.stopping,
            )
        return self._cycle

    def restart(self) -> None:
        self._cycle = None
        if self._engine == "sqlite":
            self.store.close()
            self.store = self._opened()

    def run(self, minutes: int = 1) -> CycleReport:
        """One pass a minute; the last report. The clock stands a minute after the last pass then."""
        for _ in range(minutes):
            self.cycle.run()
            self.clock.advance(60)
        return self.telemetry.reports[-1]

    def run_until(self, second: int) -> CycleReport:
        """Passes up to and with the one at ``second`` after START, which is at :05 of its minute."""
        return self.run(int(START + second - self.clock.now()) // 60 + 1)

    # ---- what came of it

    def alerts(self, name: str | None = None) -> list[tuple[str, str]]:
        """(state, cause) of each message sent, in order."""
        return [(sent.alert.state.value, sent.alert.cause.value) for sent in self.sent(name)]

    def sent(self, name: str | None = None) -> list[Outgoing]:
        return [one for one in self.box.sent if name in (None, one.alert.table.name)]

    def changes(self, name: str | None = None) -> list[tuple[int, Action, Outcome]]:
        """(seconds after START, action, outcome) of every call to change something."""
        return [
            (int(at - START), action, outcome)
            for at, action, outcome in self.aws.calls
            if name in (None, action.table.name)
        ]

    def provisioned(self, name: str, dimension: Dimension = TABLE_WRITE) -> int:
        self.plant.advance(self.clock.now())
        return self.plant.describe(name).provisioned(dimension)

    def history(self, name: str, dimension: Dimension = TABLE_WRITE) -> list[Decision]:
        """Decisions about one dimension that were changes, oldest first."""
        found = self.store.history(name, limit=10_000)
        return [one for one in reversed(found) if one.dimension == dimension and one.is_change]


def check_order(sent: list[Outgoing]) -> None:
    """What each topic heard of each incident makes sense: never an older message after a newer one, nothing left out
    that a story does not make up for, and no end of what it had not heard of. A message may come twice."""
    newest: dict[tuple[str, str], int] = {}
    heard_open: set[tuple[str, str]] = set()
    for one in sent:
        thread = (one.alert.incident, one.topic_arn)
        so_far = newest.get(thread, 0)
        again, state = one.alert.sequence == so_far, one.alert.state
        is_story = any(words in one.alert.sentence for words in ("This is the first message of it:", "Since the last"))
        assert one.alert.sequence >= so_far, f"message {one.alert.id} came after {so_far}"
        assert one.alert.sequence <= so_far + 1 or is_story, f"message {one.alert.id} came after {so_far}"
        assert thread in heard_open or is_story or again or state is IncidentState.OPEN, f"{one.alert.id} is {state}"
        newest[thread] = one.alert.sequence
        (heard_open.discard if state is IncidentState.RESOLVED else heard_open.add)(thread)
