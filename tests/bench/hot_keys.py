"""How well the watcher tells hot keys: the real loop against the plant's truth. ``python -m tests.bench.hot_keys``.

Thirteen tables, each hot in its own way, each for half an hour, alone in its Region and then all at once. Nothing is
sampled at the start; the watcher switches Contributor Insights itself, in act mode.
"""

from __future__ import annotations

import json
import os
import re
import sys
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from math import ceil
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from rich.console import Console

from tests.bench.loop import START, Loop
from tests.bench.tables import Grid, markdown, show
from watcher.core.hot_key_heat import WEIGHT
from watcher.core.hot_key_news import HOT, JUDGED
from watcher.core.hot_keys import HotKeyFinding, KeyVerdict
from watcher.core.insights import SamplerMode, Sampling
from watcher.core.model import Dimension, Kind, Lever
from watcher.core.policy import Bounds, TablePolicy
from watcher.core.reasons import Cause, Mode, Outcome, Reason
from watcher.ports import CycleReport, Outgoing
from watcher.replay.insights import SWITCHING_SECONDS
from watcher.replay.insights_port import plainly
from watcher.replay.spec import TableSpec
from watcher.sandbox.heated import HEAT, STATUS, heated
from watcher.store.memory import MemoryStore

MINUTE = 60
WARM = 70 * MINUTE  # seconds of calm before the stories' origin
ORIGIN = START + WARM
END = ORIGIN + 32 * MINUTE  # the spell is over
WATCHED = END + 3 * MINUTE  # and all of it published
SEEDS = 5
MODES = (Sampling.THROTTLED, Sampling.ON_INCIDENT)
PROMISE = 120.0  # seconds in which a message is to name the key
ROOM = 4  # times what is provisioned is the most that the watcher may provision
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
INDEX: Mapping[str, str] = {"tickets": STATUS.index}


@dataclass(frozen=True, slots=True)
class Job:
    """Some stories in one Region. held: without room to raise capacity."""

    stories: tuple[str, ...]
    sampling: Sampling
    seed: int
    held: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """What came of one story.

    verdicts: passes by verdict, from the first throttled minute's end on. told: the verdicts that history holds, in
    order. named, hits, hot: over all passes that named keys: keys named, of them truly hot ones, truly hot ones;
    refused, covered: units that key ranges refused in the minutes so judged, of all keys and of the named ones. pairs,
    ordered: named keys of clearly different heat, two by two, and those in the right order. seconds: from the first
    throttled minute's end until a message named a truly hot key; None without. bought: units per second by which
    capacity was raised in all. most: the most provisioned at any time; need: of the busiest minute, without what key
    ranges refused; both of the dimension for which the larger part was bought, in units per second.
    """

    story: str
    sampling: Sampling
    seed: int
    held: bool
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
    def settled(self) -> KeyVerdict | None:
        """The last verdict told that says anything, else that nothing can be said; None where there was no reason to
        ask."""
        words = [KeyVerdict(word) for word in self.told]
        telling = [word for word in words if word is not KeyVerdict.UNKNOWN]
        return telling[-1] if telling else words[-1] if words else None

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
    parts = {"": spec, **{index.name: index for index in spec.indexes}}
    room = 1 if job.held else ROOM
    bounds = {
        name: {Kind.READ: Bounds(part.read, room * part.read), Kind.WRITE: Bounds(part.write, room * part.write)}
        for name, part in parts.items()
    }
    own = bounds.pop("")
    return TablePolicy(mode=Mode.ACT, bounds=own, index_bounds=tuple(bounds.items()), sampling=job.sampling)


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
        minutes = [minute for minute in range(*self._judged(now), MINUTE) if minute <= newest]
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
            held=self._job.held,
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
        dimension = max(bought, key=lambda one: bought[one], default=Dimension(self._index, Kind.WRITE))
        truth = self._loop.plant.truth(self._name, dimension)
        spell = [one for minute, one in truth.items() if ORIGIN <= minute < END]
        need = max(one.demanded - one.withheld - one.causes.get(Cause.KEY_RANGE, 0.0) for one in spell) / MINUTE
        most = max(one.capacity for one in spell) / MINUTE
        return bought.total(), round(most), need


def names(outgoing: Outgoing, key: str) -> bool:
    """Whether a message names a key."""
    alert = outgoing.alert
    text = " ".join((alert.subject, alert.sentence, alert.todo, *(value for _, value in alert.facts)))
    return re.search(re.escape(plainly((key,))) + r"(?![\w#:-])", text) is not None


# The tables ----------------------------------------------------------------------------------------------------------

VERDICT_HEADINGS = ("story", "about", "right", "settled on", "wrong passes", "not known", "told")
KEY_HEADINGS = ("story", "precision", "recall", "heat covered", "order", f"named within {PROMISE:g} s", "s p50 / max")
CAPACITY_HEADINGS = ("story", "bought", "most provisioned", "need", "most / need")


def grids(runs: Sequence[Run]) -> Iterable[Grid]:
    """All tables of stories that were alone in their Region."""
    for sampling in MODES:
        groups = by_story([run for run in runs if run.sampling is sampling])
        yield Grid(
            f"Verdicts, sampling = {sampling}",
            VERDICT_HEADINGS,
            [verdict_row(label, group) for label, group in groups.items()],
            [VERDICT_NOTE],
        )
        hot = {label: group for label, group in groups.items() if any(run.hot or run.named for run in group)}
        rows = [key_row(label, group) for label, group in hot.items()]
        everything = [run for group in hot.values() for run in group]
        yield Grid(f"Keys, sampling = {sampling}", KEY_HEADINGS, [*rows, key_row("all", everything)], [KEY_NOTE])
    groups = by_story([run for run in runs if run.sampling is MODES[0]])
    capacity = [capacity_row(label, group) for label, group in groups.items() if not group[0].held]
    yield Grid(f"Capacity bought, sampling = {MODES[0]}", CAPACITY_HEADINGS, capacity, [CAPACITY_NOTE])


def storm(runs: Sequence[Run]) -> Grid:
    """Of all stories at once."""
    rows = []
    for sampling in MODES:
        group = [run for run in runs if run.sampling is sampling and run.story not in (*EVEN, "partiql")]
        rows.append([sampling.value, *key_row("", group)[1:]])
    return Grid("All tables in trouble at once, in one Region", ("sampling", *KEY_HEADINGS[1:]), rows, [KEY_NOTE])


def by_story(runs: Sequence[Run]) -> dict[str, list[Run]]:
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(f"{run.story}{', held' if run.held else ''}", []).append(run)
    return groups


def verdict_row(label: str, runs: Sequence[Run]) -> list[str]:
    settled = Counter(run.settled.value if run.settled else "never asked" for run in runs)
    told = Counter(" > ".join(run.told) or "-" for run in runs)
    passes = sum(sum(run.verdicts.values()) for run in runs)
    unknown = sum(run.verdicts.get(KeyVerdict.UNKNOWN, 0) for run in runs)
    return [
        label,
        HEAT[runs[0].story],
        f"{sum(run.is_right for run in runs)} of {len(runs)}",
        _counts(settled),
        f"{sum(run.wrong_passes for run in runs)} of {passes}",
        f"{unknown} of {passes}",
        _counts(told),
    ]


def key_row(label: str, runs: Sequence[Run]) -> list[str]:
    named, hits, hot = (sum(getattr(run, name) for run in runs) for name in ("named", "hits", "hot"))
    pairs, ordered = (sum(getattr(run, name) for run in runs) for name in ("pairs", "ordered"))
    covered, refused = sum(run.covered for run in runs), sum(run.refused for run in runs)
    times = sorted(run.seconds for run in runs if run.seconds is not None)
    soon = sum(seconds <= PROMISE for seconds in times)
    return [
        label,
        _ratio(hits, named),
        _ratio(hits, hot),
        _ratio(covered, refused),
        f"{ordered} of {pairs}" if pairs else "-",
        f"{soon} of {len(runs)}",
        f"{median(times):.0f} / {times[-1]:.0f}" if times else "never",
    ]


def capacity_row(label: str, runs: Sequence[Run]) -> list[str]:
    most, need = max(run.most for run in runs), max(run.need for run in runs)
    bought = [run.bought for run in runs]
    span = f"{min(bought):,}" if min(bought) == max(bought) else f"{min(bought):,} to {max(bought):,}"
    return [label, span, f"{most:,}", f"{need:,.0f}", f"{max(run.most / run.need for run in runs):.2f}"]


def _counts(counter: Counter[str]) -> str:
    if len(counter) == 1:
        return next(iter(counter))
    return ", ".join(f"{word} ({count})" for word, count in counter.most_common())


def _ratio(part: float, whole: float) -> str:
    return f"{part / whole:.3f}" if whole else "-"


VERDICT_NOTE = (
    "right: runs that settled on the expected verdict. settled on: the last verdict told that says anything. wrong "
    "passes: minutes with another verdict than expected, early ones included; not known: minutes that say so, and "
    "why. told: verdicts in history, in order. held: without room to raise capacity. zipf-15: one-key and few-keys "
    "both count as right, as its second key is above the ceiling in some seconds. zipf-08, zipf-10, uniform: unknown "
    "counts as right in on-incident mode, where throttling that AWS itself puts down to capacity is not sampled, and "
    "where nothing throttled at all."
)
KEY_NOTE = (
    "Truth: keys of which a partition refused a unit a second or more in a judged and sampled minute. precision, "
    "recall: of all passes that named keys, pooled. heat covered: of what partitions refused, the part that was the "
    f"named keys'. order: pairs of named keys that differ by more than {EQUAL:.0%}. named: from the end of the first "
    "throttled minute to the message; CloudWatch publishes 60 to 70 s after a minute's end."
)
CAPACITY_NOTE = (
    "Units per second. bought: the sum of all raises within the spell, least and most of the runs. need: the busiest "
    "minute's demand less what partitions refused. The watcher may provision up to four times what it begins with."
)


def broken(runs: Sequence[Run]) -> list[str]:
    """What must never be, a sentence each."""
    found = []
    for run in runs:
        where = f"{run.story}{' (held)' if run.held else ''}, {run.sampling}, seed {run.seed}"
        if run.story in EVEN and run.named:
            found.append(f"{where}: {run.named} keys named where none is hot")
        if run.story in PURE and run.bought:
            found.append(f"{where}: {run.bought} units bought for a hot key")
    return found


# The command ---------------------------------------------------------------------------------------------------------


def jobs(seeds: int) -> list[Job]:
    """The stories one by one, those that are short of capacity also held."""
    numbers = range(1, seeds + 1)
    return [
        *(Job((story,), sampling, seed) for sampling in MODES for story in HEAT for seed in numbers),
        *(Job((story,), sampling, seed, held=True) for sampling in MODES for story in SHORT for seed in numbers),
    ]


def storms(seeds: int) -> list[Job]:
    return [Job(tuple(HEAT), sampling, seed) for sampling in MODES for seed in range(1, seeds + 1)]


def main(argv: Sequence[str] = ()) -> int:
    """Print the tables; status 1 when a key is named on even traffic or capacity is bought for a hot key alone."""
    options = _options(argv)
    alone, together = jobs(options.seeds), storms(options.seeds)
    with get_context("spawn").Pool(options.jobs) as pool:
        apart = [run for found in pool.imap(play, alone, chunksize=4) for run in found]
        at_once = [run for found in pool.imap(play, together) for run in found]
    console = Console() if sys.stdout.isatty() else Console(width=200, color_system=None)
    for grid in (*grids(apart), storm(at_once)):
        if options.markdown:
            sys.stdout.write(markdown(grid) + "\n")
        else:
            show(console, grid)
    if options.json:
        record = {"alone": [asdict(run) for run in apart], "at once": [asdict(run) for run in at_once]}
        options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    trouble = broken([*apart, *at_once])
    sys.stdout.write("".join(f"{sentence}\n" for sentence in trouble))
    return 1 if trouble else 0


def _options(argv: Sequence[str]) -> Namespace:
    parser = ArgumentParser(prog="python -m tests.bench.hot_keys", description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"runs of each story ({SEEDS})")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at a time (one per core)")
    parser.add_argument("--markdown", action="store_true", help="tables to paste into a README")
    parser.add_argument("--json", type=Path, help="also write every run to this file")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
