"""How long until an on-call engineer knows: a storm of incidents over a fleet, from CloudWatch's point to SNS.

    python -m tests.bench.alert_latency [--tables 500] [--storm 100] [--storms 20] [--jitter 10] [--json]

Two figures of each incident. (a) From the instant at which CloudWatch shows the first throttled point of the table to
the end of the Publish that tells of it: the wait for the one pass a minute is included, whose offset the product's own
Alignment chooses. (b) From the moment the pass asked CloudWatch to the same end: what the watcher itself takes. Exit
status 1 when an incident was not told, or (b) is 10 s or more at the 99th percentile.

The model. The real cycle over a plant, with the real SQLite file, eight workers and the product's settings. The clock
runs with the process while a pass goes on, so every second of Python counts, the plant's own included. AWS takes real
time too: DescribeTable 15 ms, GetMetricData 150 ms for up to 500 metrics with four on their way at once, Publish 30 ms.
UpdateTable has its turn every 1.1 s and takes 65 ms with the look before it; that time is jumped over, as nothing else
goes on meanwhile. Between passes the clock jumps, too. CloudWatch shows a point 60 s after its minute's end plus an
even jitter, and one in a hundred three minutes late: the delay is an assumption, for AWS documents none.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

from watcher.alignment import Alignment
from watcher.clock import process_seconds
from watcher.core.model import TABLE_READ, TABLE_WRITE, Action, Alert, Answer, Kind, Metric, Query, TableDescription
from watcher.core.policy import Bounds, TablePolicy
from watcher.core.reasons import IncidentState, Mode, Outcome
from watcher.core.region_state import RegionRules
from watcher.cycle import Cycle, CycleSettings
from watcher.daemon import point_ages
from watcher.ports import CycleReport, Hand, Outgoing, RegionPorts
from watcher.replay.plant import MinuteDemand, Plant, TableSpec
from watcher.replay.ports import Advising, PlantAws
from watcher.store.sqlite import SqliteStore

START = 1_700_006_400  # 2023-11-15T00:00:00Z
MINUTE = 60
WARM = 30  # passes before the first storm, in which the alignment settles
APART = 18  # minutes between two storms; each strikes the next part of the fleet
WATCHED = 5  # minutes of a storm whose passes take AWS's time
BOUND = Bounds(5, 10_000_000)
POLICY = TablePolicy(mode=Mode.ACT, bounds={Kind.READ: BOUND, Kind.WRITE: BOUND})
TOPIC = "arn:aws:sns:us-east-1:123456789012:pages"
BAR = 10.0  # seconds at the 99th percentile

DESCRIBE, READ, PUBLISH, UPDATE, SPACING = 0.015, 0.150, 0.030, 0.065, 1.1
READ_METRICS, READS_AT_ONCE = 500, 4


class PassClock:
    """Stands still between passes, runs with the process during one, and may be moved forward at any time."""

    def __init__(self, start: float) -> None:
        self._start = self._at = start
        self._since: float | None = None
        self._lock = threading.Lock()

    def now(self) -> float:
        return self._at + (0.0 if self._since is None else process_seconds() - self._since)

    def monotonic(self) -> float:
        return self.now() - self._start

    def real_seconds(self, seconds: float) -> float:
        return seconds

    def jump(self, seconds: float) -> None:
        with self._lock:
            self._at += max(0.0, seconds)

    @contextmanager
    def running(self) -> Iterator[None]:
        self._since = process_seconds()
        try:
            yield
        finally:
            self._at, self._since = self.now(), None


@dataclass
class SlowAws:
    """A plant's ports that take AWS's time while ``is_timed``. wait: takes it. asked: when the pass asked for
    throttles."""

    aws: PlantAws
    clock: PassClock
    wait: Callable[[float], object]
    is_timed: bool = False
    asked: float = 0.0
    _turn: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def region(self) -> RegionPorts:
        hands: Mapping[Mode, Hand] = {Mode.ACT: self, Mode.ADVISE: Advising()}
        plain = self.aws.region()
        return RegionPorts(plain.region, self, self, plain.scaling, plain.insights, hands)

    def names(self) -> list[str]:
        return self.aws.names()

    def describe(self, name: str) -> TableDescription:
        self.take(DESCRIBE)
        with self._lock:
            return self.aws.describe(name)

    def read(self, queries: Sequence[Query], start: float, end: float, period: int = MINUTE) -> Mapping[Query, Answer]:
        if any(query.metric is Metric.THROTTLED for query in queries):
            self.asked = self.clock.now()
        answers = self.aws.read(queries, start, end, period)
        self.take(READ * ceil(ceil(len(queries) / READ_METRICS) / READS_AT_ONCE))
        return answers

    def operations(self) -> Mapping[str, frozenset[str]]:
        return self.aws.operations()

    def carry_out(self, action: Action) -> tuple[Outcome, str]:
        self.clock.jump(self._turn - self.clock.now() + UPDATE)
        self._turn = max(self._turn, self.clock.now() - UPDATE) + SPACING
        return self.aws.carry_out(action)

    def take(self, seconds: float) -> None:
        if self.is_timed:
            self.wait(seconds)


@dataclass
class SlowSns:
    """The notifier: one topic. sent: (instant at which SNS has answered, when CloudWatch was asked, alert)."""

    aws: SlowAws
    sent: list[tuple[float, float, Alert]] = field(default_factory=list)

    def topics_for(self, alert: Alert) -> list[str]:
        return [] if alert.storm else [TOPIC]

    def is_quiet(self, topic_arn: str, alert: Alert, now: float) -> bool:  # noqa: ARG002 - never
        return False

    def publish(self, outgoing: Outgoing) -> None:
        self.aws.take(PUBLISH)
        self.sent.append((self.aws.clock.now(), self.aws.asked, outgoing.alert))


class Deaf:
    """Telemetry that nobody reads."""

    def cycle_finished(self, report: CycleReport) -> None:
        """Nobody reads it here."""

    def trouble(self, event: str, **facts: object) -> None:
        """Nobody reads it here."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """tables, and how many of them a storm strikes; storms: how many there are. jitter: seconds of publication."""

    tables: int = 500
    storm: int = 100
    storms: int = 20
    jitter: float = 10.0
    folding: bool = True
    seed: int = 1

    @property
    def parts(self) -> int:
        return self.tables // self.storm

    def begins(self, storm: int) -> int:
        return START + MINUTE * (WARM + APART * storm)

    def struck(self, storm: int) -> range:
        first = storm % self.parts * self.storm
        return range(first, first + self.storm)

    def factor(self, storm: int) -> float:
        """Of the usual demand; more each time a part of the fleet is struck, since capacity raised once is there."""
        return float(15 * 3 ** (storm // self.parts))


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds. shown: (a), asked: (b), of each incident told, sorted. untold: incidents of which nothing was sent."""

    fleet: Fleet
    shown: Sequence[float]
    asked: Sequence[float]
    untold: int
    messages: int
    offset: float

    @property
    def holds(self) -> bool:
        """By what the watcher itself takes; the wait before it is mostly CloudWatch's jitter, an assumption."""
        return not self.untold and quantile(self.asked, 0.99) < BAR


def quantile(values: Sequence[float], share: float) -> float:
    """Of sorted values: the smallest that at least this share is not above; nan for none."""
    return values[max(0, ceil(share * len(values)) - 1)] if values else float("nan")


def measure(fleet: Fleet, directory: Path, *, sleeps: bool = True) -> Figures:
    """sleeps: whether AWS's time really passes, so that calls of several threads overlap; without, each call moves the
    clock by itself."""
    plant = Plant(START, seed=fleet.seed, jitter=fleet.jitter, account_quota=10**12, table_quota=10**9)
    for number in range(fleet.tables):
        plant.create(_spec(fleet, number))
    clock = PassClock(float(START))
    slow = SlowAws(PlantAws(plant, clock), clock, threading.Event().wait if sleeps else clock.jump)
    sns = SlowSns(slow)
    alignment = Alignment(12.0)  # as the config has it
    with closing(SqliteStore(directory / "watcher.db")) as store:
        cycle = Cycle(
            [slow.region()],
            store=store,
            notifier=sns,
            telemetry=Deaf(),
            clock=clock,
            policies=lambda _: POLICY,
            settings=CycleSettings(backfill=0.0),
            region_rules=RegionRules() if fleet.folding else RegionRules(storm_tables=0),
        )
        storms = [fleet.begins(storm) for storm in range(fleet.storms)]
        minute, end = START + MINUTE * 5, storms[-1] + MINUTE * (APART - 1)
        while minute < end:
            clock.jump(minute + alignment.offset - clock.now())
            slow.is_timed = any(0 <= minute - begins < MINUTE * WATCHED for begins in storms)
            plant.advance(clock.now())
            with clock.running():
                report = cycle.run()
            alignment.learn(point_ages(report))
            minute = max(minute, int(clock.now() // MINUTE) * MINUTE) + MINUTE
    return _figures(fleet, plant, sns, alignment.offset)


def _spec(fleet: Fleet, number: int) -> TableSpec:
    mine = [storm for storm in range(fleet.storms) if number in fleet.struck(storm)]
    factors = {fleet.begins(storm) + MINUTE * n: fleet.factor(storm) for storm in mine for n in range(3)}

    def demand(minute: int) -> MinuteDemand:
        return MinuteDemand({TABLE_READ: MINUTE * 30.0, TABLE_WRITE: MINUTE * 70.0 * factors.get(minute, 1.0)})

    return TableSpec(_name(number), read=50, write=100, demand=demand)


def _name(number: int) -> str:
    return f"orders-{number:04d}"


def _figures(fleet: Fleet, plant: Plant, sns: SlowSns, offset: float) -> Figures:
    shown, asked, untold = [], [], 0
    for storm in range(fleet.storms):
        begins = fleet.begins(storm)
        heard: dict[str, tuple[float, float]] = {}
        for at, since, alert in sns.sent:
            if begins <= at < begins + MINUTE * APART and alert.state is not IncidentState.RESOLVED:
                for name in alert.tables or (alert.table.name,):
                    heard.setdefault(name, (at, since))
        for number in fleet.struck(storm):
            name = _name(number)
            visible = _visible(plant, name, begins)
            if visible is None or name not in heard:
                untold += 1
                continue
            at, since = heard[name]
            shown.append(at - visible)
            asked.append(at - since)
    return Figures(fleet, sorted(shown), sorted(asked), untold, len(sns.sent), offset)


def _visible(plant: Plant, name: str, begins: int) -> float | None:
    """The instant at which CloudWatch shows the first throttled point of the table from then on."""
    bad = [at for at, truth in plant.truth(name, TABLE_WRITE).items() if at >= begins and truth.throttled]
    if not bad:
        return None
    purpose = plant._salt(name, Metric.THROTTLED, TABLE_WRITE.index, TABLE_WRITE.kind)
    early, late = 0.0, 600.0
    while late - early > 0.01:
        middle = (early + late) / 2
        shown = plant._publication.is_visible(purpose, min(bad), min(bad) + MINUTE + middle)
        early, late = (early, middle) if shown else (middle, late)
    return min(bad) + MINUTE + late


def told(fleet: Fleet) -> Figures:
    with tempfile.TemporaryDirectory(prefix="latency-") as directory:
        return measure(fleet, Path(directory))


def row(figures: Figures) -> str:
    cells = [quantile(values, share) for values in (figures.shown, figures.asked) for share in (0.5, 0.99, 1.0)]
    name = "folded into storms" if figures.fleet.folding else "each by itself"
    text = "".join(f"{cell:8.1f}" for cell in cells)
    return f"{name:<20}{text}{len(figures.shown):>9}{figures.untold:>7}{figures.messages:>10}{figures.offset:>9.1f}\n"


def plainly(figures: Figures) -> str:
    """Whether the point shown is told of within the bar, and what of the time was waiting for the pass."""
    whole, own = quantile(figures.shown, 0.99), quantile(figures.asked, 0.99)
    name = "folded into storms" if figures.fleet.folding else "each by itself"
    verdict = "within" if whole < BAR else "over"
    return f"{name}: p99 {whole:.1f} s from the point shown, {verdict} {BAR:g} s; p99 {own:.1f} s from the asking\n"


HEAD = (
    f"{'seconds':<20}{'from the point shown':^24}{'from the asking':^24}\n"
    f"{'':<20}{'p50':>8}{'p99':>8}{'max':>8}{'p50':>8}{'p99':>8}{'max':>8}"
    f"{'told':>9}{'untold':>7}{'messages':>10}{'offset':>9}\n"
)


def main(arguments: Sequence[str] = ()) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.alert_latency", description=__doc__)
    parser.add_argument("--tables", type=int, default=500)
    parser.add_argument("--storm", type=int, default=100, help="tables struck at once")
    parser.add_argument("--storms", type=int, default=20)
    parser.add_argument("--jitter", type=float, default=10.0, help="seconds over which CloudWatch's points come out")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    rows = []
    for folding in (True, False):
        fleet = Fleet(given.tables, given.storm, given.storms, given.jitter, folding)
        rows.append(told(fleet))
    if given.json:
        sys.stdout.write(json.dumps([_document(figures) for figures in rows], indent=2) + "\n")
    else:
        sys.stdout.write(f"{given.tables} tables, {given.storms} storms of {given.storm}, jitter {given.jitter:g} s\n")
        sys.stdout.write(HEAD + "".join(map(row, rows)) + "".join(map(plainly, rows)))
    return 0 if all(figures.holds for figures in rows) else 1


def _document(figures: Figures) -> dict[str, object]:
    shares = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {
        "folding": figures.fleet.folding,
        "from_shown": {name: round(quantile(figures.shown, share), 2) for name, share in shares.items()},
        "from_asking": {name: round(quantile(figures.asked, share), 2) for name, share in shares.items()},
        "told": len(figures.shown),
        "untold": figures.untold,
        "messages": figures.messages,
    }


def short() -> int:
    """For ``make bench``: three storms."""
    return main(["--storms", "3"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
