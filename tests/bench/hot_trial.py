"""Stories of hot keys, played by the real loop and held against the plant's truth."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import combinations
from math import ceil

from tests.bench.loop import START, Loop
from watcher.core.hot_keys import HotKeyFinding, KeyVerdict
from watcher.core.hot_keys.heat import WEIGHT
from watcher.core.hot_keys.news import HOT, JUDGED
from watcher.core.insights import SamplerMode, Sampling
from watcher.core.model import Dimension, Kind, Lever
from watcher.core.policy import Bounds, TablePolicy
from watcher.core.reasons import Cause, Mode, Outcome, Reason
from watcher.ports import CycleReport, Outgoing
from watcher.replay.flow import PARTITION_CEILING
from watcher.replay.insights import SWITCHING_SECONDS
from watcher.replay.insights_port import plainly
from watcher.replay.spec import DemandSource, IndexSpec, MinuteDemand, TableSpec
from watcher.sandbox.heated import STATUS, heated
from watcher.store.memory import MemoryStore

MINUTE = 60
WARM = 70 * MINUTE  # seconds of calm before the stories' origin
ORIGIN = START + WARM
END = ORIGIN + 32 * MINUTE  # the spell is over
WATCHED = END + 3 * MINUTE  # and all of it published
ROOM = 4  # times what is provisioned is the most that the watcher may provision
LASTS = 300.0  # a verdict on minutes older than this is one of the past
EQUAL = 0.05  # keys whose heat differs by less may stand in either order

EXPECTED: Mapping[str, frozenset[KeyVerdict]] = {
    "one-key": frozenset({KeyVerdict.ONE_KEY}),
    "few-keys": frozenset({KeyVerdict.FEW_KEYS}),
    "by-minute": frozenset({KeyVerdict.MOVING_KEY}),
    "log": frozenset({KeyVerdict.MOVING_KEY}),
    "tickets": frozenset({KeyVerdict.INDEX_KEY}),
    "zipf-08": frozenset({KeyVerdict.NO_SINGLE_KEY}),
    "zipf-10": frozenset({KeyVerdict.NO_SINGLE_KEY}),
    "zipf-12": frozenset({KeyVerdict.ONE_KEY}),
    # The second key asks for 830 writes a second on average, and for more than a partition's 1,000 in some seconds.
    "zipf-15": frozenset({KeyVerdict.ONE_KEY, KeyVerdict.FEW_KEYS}),
    "uniform": frozenset({KeyVerdict.NO_SINGLE_KEY}),
    "mixed": frozenset({KeyVerdict.ONE_KEY}),
    "partiql": frozenset({KeyVerdict.UNKNOWN}),
    "reads": frozenset({KeyVerdict.ONE_KEY}),
}
# Too little capacity, with or without a hot key; run a second time without room to raise, so that it keeps throttling.
SHORT = ("zipf-08", "zipf-10", "uniform", "mixed")
# No capacity can help any of these.
PURE = ("one-key", "few-keys", "by-minute", "log", "tickets", "zipf-12", "zipf-15", "partiql", "reads")
EVEN = ("zipf-08", "zipf-10", "uniform")
# A hot key besides; also run without it, to see what is bought then.
MIXED = "mixed"
INDEX: Mapping[str, str] = {"tickets": STATUS.index}


class Setting(StrEnum):
    """How a story is told."""

    USUAL = "as told"
    HELD = "held"  # without room to raise capacity
    SPARED = "no hot key"  # nor what a partition would refuse of it: only what capacity can serve is asked for


@dataclass(frozen=True, slots=True)
class Job:
    """Some stories in one Region."""

    stories: tuple[str, ...]
    sampling: Sampling
    seed: int
    setting: Setting = Setting.USUAL


@dataclass(frozen=True, slots=True)
class Run:
    """What came of one story.

    verdicts: passes by verdict, from the first throttled minute's end on. told: the verdicts that history holds, in
    order. named, hits, hot: over all passes that named keys: keys named, of them truly hot ones, truly hot ones;
    refused, covered: units that key ranges refused in the minutes so judged, of all keys and of the named ones. pairs,
    ordered: named keys of clearly different heat, two by two, and those in the right order. seconds: from the first
    throttled minute's end until a message named a truly hot key; None without. bought: units per second by which
    capacity was raised in all. most: the most provisioned at any time; need: of the busiest minute, without what key
    ranges refused; both of the kind, reads or writes, for which more was bought or needed, in units per second.
    """

    story: str
    sampling: Sampling
    seed: int
    setting: Setting
    throttled: bool
    verdicts: Mapping[str, int]
    told: tuple[str, ...]
    named: int
    hits: int
    hot: int
    refused: float
    covered: float
    pairs: int
    ordered: int
    seconds: float | None
    messages: int
    bought: int
    most: int
    need: float

    @property
    def label(self) -> str:
        return self.story if self.setting is Setting.USUAL else f"{self.story}, {self.setting}"

    @property
    def settled(self) -> KeyVerdict | None:
        """The last verdict told that says anything, else that nothing can be said, told (where a key would explain
        something) or not; None where there was no reason to ask."""
        telling = [KeyVerdict(word) for word in self.told if word != KeyVerdict.UNKNOWN]
        return telling[-1] if telling else KeyVerdict.UNKNOWN if self.told or self.verdicts else None

    @property
    def expected(self) -> frozenset[KeyVerdict | None]:
        """Where capacity is short and no key is hot: nothing where the raise came in time; and in on-incident mode that
        it is not known, since AWS's own cause asks for capacity and so nothing is sampled."""
        if self.story not in EVEN:
            return EXPECTED[self.story]
        calm = frozenset[KeyVerdict | None](() if self.throttled else (None, KeyVerdict.UNKNOWN))
        spared = frozenset({KeyVerdict.UNKNOWN}) if self.sampling is Sampling.ON_INCIDENT else frozenset()
        return EXPECTED[self.story] | calm | spared

    @property
    def is_right(self) -> bool:
        return self.settled in self.expected

    @property
    def wrong_passes(self) -> int:
        """Passes whose verdict is another one than expected; that it is not known yet is never wrong."""
        fine = {*self.expected, KeyVerdict.UNKNOWN}
        return sum(count for word, count in self.verdicts.items() if KeyVerdict(word) not in fine)


# Running -------------------------------------------------------------------------------------------------------------


def play(job: Job) -> list[Run]:
    """Run one job."""
    stories = {story.spec.name: story.spec for story in heated(ORIGIN, job.seed)}
    specs = [stories[name] for name in job.stories]
    if job.setting is Setting.SPARED:
        specs = [replace(spec, demand=spared(spec.demand)) for spec in specs]
    policies = {spec.name: policy_of(spec, job) for spec in specs}
    loop = Loop(specs, policies, MemoryStore(), seed=job.seed)
    trials = [Trial(job, spec, loop) for spec in specs]
    while loop.clock.now() < WATCHED:
        now = loop.clock.now()
        report = loop.turn()
        for trial in trials:
            trial.note(now, report)
    return [trial.run() for trial in trials]


def policy_of(spec: TableSpec, job: Job) -> TablePolicy:
    """Never below what the story begins with, so that its capacity is what it tells of."""
    parts: Mapping[str, TableSpec | IndexSpec] = {"": spec, **{index.name: index for index in spec.indexes}}
    room = 1 if job.setting is Setting.HELD else ROOM
    bounds = {
        name: {Kind.READ: Bounds(part.read, room * part.read), Kind.WRITE: Bounds(part.write, room * part.write)}
        for name, part in parts.items()
    }
    own = bounds.pop("")
    return TablePolicy(mode=Mode.ACT, bounds=own, index_bounds=tuple(bounds.items()), sampling=job.sampling)


def spared(source: DemandSource) -> DemandSource:
    """Without named keys, and without what each of them, alone in its partition, asks for beyond its ceiling."""

    def demand(minute: int) -> MinuteDemand:
        asked = source(minute)
        units = dict(asked.units)
        for dimension, shares in asked.hot.items():
            most = PARTITION_CEILING[dimension.kind] * MINUTE
            units[dimension] -= sum(max(0.0, one.share * asked.units[dimension] - most) for one in shares)
        return replace(asked, units=units, hot={})

    return demand


class Trial:
    """One story's passes, held against the plant's truth."""

    def __init__(self, job: Job, spec: TableSpec, loop: Loop) -> None:
        self._job = job
        self._name = spec.name
        self._index = INDEX.get(spec.name, "")
        self._loop = loop
        self._verdicts: Counter[str] = Counter()
        self._told: list[str] = []
        self._sums: Counter[str] = Counter()
        self._heat = dict.fromkeys(("refused", "covered"), 0.0)

    def note(self, now: float, report: CycleReport) -> None:
        """Take in a pass made at ``now``."""
        if now < ORIGIN:
            return
        told = next(table.explanation for table in report.tables if table.key.name == self._name)
        if told is None:
            raise AssertionError(f"{self._name} was not stepped")
        self._told += [
            decision.sentence.partition(":")[0]
            for decision in told.new_decisions
            if decision.reason is Reason.HOT_KEYS and decision.dimension.index == self._index
        ]
        finding = told.hot_keys.get(self._index)
        if finding is None:
            return
        self._verdicts[finding.verdict.value] += 1
        if finding.verdict in HOT:
            self._judge(now, finding)

    def _judge(self, now: float, finding: HotKeyFinding) -> None:
        newest = finding.at
        if newest is None:
            raise AssertionError(f"{self._name} has a verdict on no minute")
        # Once sampling has ended, the last verdict stands, as of then.
        then = now if now - newest <= LASTS else newest + 3 * MINUTE
        minutes = [minute for minute in range(*self._judged(then), MINUTE) if minute <= newest]
        overheated = self._loop.plant.overheated(self._name, self._index)
        hot = {plainly((key,)) for minute in minutes for key in overheated.get(minute, ())}
        named = [key.key for key in finding.keys]
        asked, refused = self._heats(minutes)
        pairs = [
            (asked[first], asked[second])
            for first, second in combinations([key for key in named if key in asked], 2)
            if abs(asked[first] - asked[second]) > EQUAL * max(asked[first], asked[second])
        ]
        self._sums.update(
            named=len(named),
            hits=len(hot.intersection(named)),
            hot=len(hot),
            pairs=len(pairs),
            ordered=sum(first > second for first, second in pairs),
        )
        self._heat["refused"] += sum(refused.values())
        self._heat["covered"] += sum(refused.get(key, 0.0) for key in named)

    def _judged(self, now: float) -> tuple[int, int]:
        """The whole minutes that a verdict could be made from: sampled, and not older than what is judged."""
        switched = [
            at + SWITCHING_SECONDS
            for at, action, outcome in self._loop.aws.calls
            if outcome is Outcome.APPLIED
            and action.switch is not None
            and (action.table.name, action.switch.index) == (self._name, self._index)
            and action.switch.after is not SamplerMode.OFF
            and at <= now
        ]
        first = max(now - JUDGED, *switched[-1:])
        return ceil(first / MINUTE) * MINUTE, int(now // MINUTE) * MINUTE

    def _heats(self, minutes: Iterable[int]) -> tuple[dict[str, float], dict[str, float]]:
        """Throughput units asked for, and of them those that a key range refused, by key as it is shown."""
        asked: dict[str, float] = {}
        refused: dict[str, float] = {}
        for kind in Kind:
            truth = self._loop.plant.truth(self._name, Dimension(self._index, kind))
            for key in (key for minute in minutes if minute in truth for key in truth[minute].keys):
                shown = plainly((key.key,))
                asked[shown] = asked.get(shown, 0.0) + WEIGHT[kind] * (key.served + key.throttled)
                refused[shown] = refused.get(shown, 0.0) + WEIGHT[kind] * key.key_range
        return asked, refused

    def run(self) -> Run:
        """Once all is over."""
        began = self._first_throttled()
        bought, most, need = self._capacity()
        sent = [one for one in self._loop.box.sent if one.alert.table.name == self._name and one.alert.time >= ORIGIN]
        return Run(
            story=self._name,
            sampling=self._job.sampling,
            seed=self._job.seed,
            setting=self._job.setting,
            throttled=began is not None,
            verdicts=dict(self._verdicts),
            told=tuple(self._told),
            named=self._sums["named"],
            hits=self._sums["hits"],
            hot=self._sums["hot"],
            refused=self._heat["refused"],
            covered=self._heat["covered"],
            pairs=self._sums["pairs"],
            ordered=self._sums["ordered"],
            seconds=None if began is None else self._until_named(began + MINUTE, sent),
            messages=len(sent),
            bought=bought,
            most=most,
            need=need,
        )

    def _first_throttled(self) -> int | None:
        throttled = [
            minute
            for kind in Kind
            for minute, truth in self._loop.plant.truth(self._name, Dimension(self._index, kind)).items()
            if truth.own_throttled and ORIGIN <= minute < END
        ]
        return min(throttled, default=None)

    def _until_named(self, since: float, sent: Sequence[Outgoing]) -> float | None:
        overheated = self._loop.plant.overheated(self._name, self._index)
        hot = {key for minute, keys in overheated.items() if ORIGIN <= minute < END for key in keys}
        times = [one.alert.time - since for one in sent if any(names(one, key) for key in hot)]
        return min(times, default=None)

    def _capacity(self) -> tuple[int, int, float]:
        """See Run: bought, most, need."""
        bought: Counter[Dimension] = Counter()
        for at, action, outcome in self._loop.aws.calls:
            if at >= ORIGIN and (action.table.name, action.lever, outcome) == (
                self._name,
                Lever.CAPACITY,
                Outcome.APPLIED,
            ):
                bought.update({one.dimension: max(0, one.after - one.before) for one in action.changes})
        figures = [(bought[one], *self._used(one)) for one in (Dimension(self._index, kind) for kind in Kind)]
        _, need, most = max(figures)
        return bought.total(), round(most), need

    def _used(self, dimension: Dimension) -> tuple[float, float]:
        """(need, most) of one dimension, as in Run."""
        truth = self._loop.plant.truth(self._name, dimension)
        spell = [one for minute, one in truth.items() if ORIGIN <= minute < END]
        need = max(one.demanded - one.withheld - one.causes.get(Cause.KEY_RANGE, 0.0) for one in spell)
        return need / MINUTE, max(one.capacity for one in spell) / MINUTE


def names(outgoing: Outgoing, key: str) -> bool:
    """Whether a message names a key."""
    alert = outgoing.alert
    text = " ".join((alert.subject, alert.sentence, alert.todo, *(value for _, value in alert.facts)))
    return re.search(re.escape(plainly((key,))) + r"(?![\w#:-])", text) is not None
