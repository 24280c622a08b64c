"""What Contributor Insights costs in each sampling mode. ``python -m tests.bench.sampling_cost --help``.

A small fleet with the real loop on it, minute by minute for a month; rules, events and calls are counted, then priced
and scaled to a hundred tables.
"""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console

from tests.bench.loop import START, Loop
from tests.bench.tables import Grid, markdown, show
from watcher.core.insights import Place, SamplerMode, Sampling
from watcher.core.model import TABLE_READ, TABLE_WRITE, Dimension, Kind
from watcher.core.policy import Bounds, TablePolicy
from watcher.core.prices import INSIGHT_RULE_PRICE
from watcher.core.reasons import Mode, Outcome, Reason
from watcher.core.sampling import SamplingLimits
from watcher.core.sampling.cost import MINUTES_A_MONTH, event_dollars, mode_rules
from watcher.ports import CycleReport
from watcher.replay.forgetful import ForgetfulStore
from watcher.replay.insights import RULES_QUOTA
from watcher.replay.plant import IndexSpec, KeyShare, TableSpec
from watcher.replay.skew import steadily
from watcher.sandbox.traffic import Heat, Level, Spells, demand, surging, wave
from watcher.store.memory import MemoryStore

DAYS = 30
SHORT_DAYS = 7
TABLES = 4
STATED = 100  # tables
WEEK = 7 * 1440  # minutes
SPELL = 20  # minutes
READS, WRITES, QUERIES = 120.0, 60.0, 20.0  # a second, on average; queries of the index where there is one
SURGE = 6.0  # times the usual traffic, over all keys
HOT_WRITES = 1400.0  # a second, of one key; a partition serves 1,000
BOUNDS: Mapping[Kind, Bounds] = {kind: Bounds(5, 4000) for kind in Kind}
INDEX = "by-day"
SETTLING = 30  # minutes after which every switch that is to come has been made
LEFT_ON = "left on"
COMPARED = (*Sampling, LEFT_ON)

# Amazon CloudWatch pricing, us-east-1, without the free tier: a metric asked of GetMetricData, as which a report of a
# rule is taken to count, too; and any other request. DynamoDB's control plane is free.
METRIC_PRICE = 0.01e-3
REQUEST_PRICE = 0.01e-3
METRICS = ("INSIGHT_RULE_METRIC", "GetInsightRuleReport")
# These are made for a Region as a whole, so they do not grow with its tables (a page lists 500 rules, or 100 places).
COUNTING = "DescribeInsightRules"
OF_REGION = (COUNTING, "ListContributorInsights")


# The fleet -----------------------------------------------------------------------------------------------------------


def fleet(count: int) -> list[TableSpec]:
    """Every second table has a sort key and an index; their incidents are spread over the week."""
    return [_table(number, count, number % 2 == 1) for number in range(count)]


def _table(number: int, count: int, has_more: bool) -> TableSpec:  # noqa: FBT001 - a fact of the table
    first = 120 + number * WEEK // count
    hot = Spells(START, first, SPELL, WEEK, seed=2 * number)
    short = Spells(START, first + WEEK // (2 * count), SPELL, WEEK, seed=2 * number + 1)
    writes = _heated(surging(_daily(WRITES), short, SURGE), hot)
    reads = READS if has_more else READS + QUERIES
    levels = {TABLE_READ: surging(_daily(reads), short, SURGE), TABLE_WRITE: writes}
    if has_more:
        levels[Dimension(INDEX, Kind.READ)] = surging(_daily(QUERIES), short, SURGE)
    heat = Heat(TABLE_WRITE, steadily(KeyShare("user#4711", HOT_WRITES / (HOT_WRITES + 2 * WRITES))), hot)
    return TableSpec(
        f"table-{number:03}",
        read=250,
        write=150,
        has_sort_key=has_more,
        indexes=(IndexSpec(INDEX, read=50, write=150),) if has_more else (),
        demand=demand(levels, number, (heat,)),
    )


def _daily(mean: float) -> Level:
    return wave(mean, mean / 2, 24, START)


def _heated(calm: Level, spells: Spells) -> Level:
    return lambda minute: calm(minute) + (HOT_WRITES if spells.number(minute) is not None else 0.0)


def places(specs: Sequence[TableSpec]) -> dict[Place, bool]:
    """Everything that can be sampled, and whether it has a sort key."""
    own = {Place(spec.name): spec.has_sort_key for spec in specs}
    return own | {Place(spec.name, index.name): index.has_sort_key for spec in specs for index in spec.indexes}


def rules_for(specs: Sequence[TableSpec], mode: SamplerMode) -> int:
    return sum(mode_rules(mode, has_sort) for has_sort in places(specs).values())


def _policy(sampling: Sampling) -> TablePolicy:
    return TablePolicy(mode=Mode.ACT, bounds=BOUNDS, index_bounds=(("*", BOUNDS),), sampling=sampling)


# Counting ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Job:
    """sampling: of the config, or LEFT_ON: off, and another hand has left everything on."""

    sampling: str
    tables: int
    minutes: int


@dataclass(frozen=True, slots=True)
class Count:
    """What was counted in ``minutes`` of ``tables`` tables.

    rule_seconds, events: as billed. created: rules that ever existed. calls: AWS calls, and INSIGHT_RULE_METRIC
    expressions, by operation. full: windows of full sampling. named: verdicts on hot keys told.
    """

    sampling: str
    tables: int
    minutes: int
    rule_seconds: float
    events: float
    created: int
    calls: Mapping[str, int]
    full: int
    named: int


def play(job: Job) -> Count:
    """Run one mode."""
    specs = fleet(job.tables)
    is_left_on = job.sampling == LEFT_ON
    sampling = Sampling.OFF if is_left_on else Sampling(job.sampling)
    samplers = dict.fromkeys(places(specs), SamplerMode.FULL) if is_left_on else {}
    store = ForgetfulStore()
    loop = Loop(
        specs,
        {spec.name: _policy(sampling) for spec in specs},
        store,
        samplers=samplers,
        rules=max(RULES_QUOTA, rules_for(specs, SamplerMode.FULL)),
    )
    for _ in range(job.minutes):
        loop.turn()
    loop.plant.advance(loop.clock.now())
    usage, sorts = loop.aws.insights.samplers.usage(), places(specs)
    switched = [
        (Place(action.table.name, action.switch.index), action.switch.after)
        for _, action, outcome in loop.aws.calls
        if action.switch is not None and outcome is Outcome.APPLIED
    ]
    return Count(
        sampling=job.sampling,
        tables=job.tables,
        minutes=job.minutes,
        rule_seconds=usage.total_rule_seconds,
        events=usage.total_events,
        created=sum(mode_rules(mode, sorts[place]) for place, mode in chain(switched, samplers.items())),
        calls=dict(loop.aws.insights.asked),
        full=sum(mode is SamplerMode.FULL for _, mode in switched),
        named=store.reasons[Reason.HOT_KEYS],
    )


@dataclass(frozen=True, slots=True)
class Bill:
    """Dollars a month for STATED tables. whole_rules: what ``rules`` would be if a rule that existed for a moment were
    charged for the whole month. reading: INSIGHT_RULE_METRIC and reports. counting: of the rules in use."""

    sampling: str
    rules: float
    whole_rules: float
    events: float
    reading: float
    counting: float

    @property
    def total(self) -> float:
        return self.rules + self.events + self.reading + self.counting


def bill(count: Count) -> Bill:
    month, fleets = _month(count), STATED / count.tables
    # What stays on was created once, however long was simulated.
    months = month if count.sampling == Sampling.ON_INCIDENT else 1.0
    return Bill(
        sampling=count.sampling,
        rules=_rules_in_use(count) * INSIGHT_RULE_PRICE,
        whole_rules=count.created * months * fleets * INSIGHT_RULE_PRICE,
        events=event_dollars(count.events * month * fleets),
        reading=sum(_calls(count, operation) for operation in METRICS) * METRIC_PRICE,
        counting=_calls(count, COUNTING) * REQUEST_PRICE,
    )


def _month(count: Count) -> float:
    """From what was counted to a month."""
    return MINUTES_A_MONTH / count.minutes


def _rules_in_use(count: Count) -> float:
    """On average, of STATED tables."""
    return count.rule_seconds / (60 * count.minutes) * STATED / count.tables


def _calls(count: Count, operation: str) -> float:
    """In a month, for STATED tables in one Region."""
    fleets = 1.0 if operation in OF_REGION else STATED / count.tables
    return count.calls.get(operation, 0) * _month(count) * fleets


@dataclass(frozen=True, slots=True)
class Fit:
    """Under a quota of rules. needed: rules for all ``tables``. whole, part, none: tables of which all places are
    sampled, some, or none. used: rules. told: places of which history says that there was no rule left."""

    tables: int
    needed: int
    used: int
    whole: int
    part: int
    none: int
    told: int


def fit(tables: int = STATED, quota: int = RULES_QUOTA, minutes: int = SETTLING) -> Fit:
    """Let the loop switch on throttled keys, as far as the quota goes."""
    specs = fleet(tables)
    store = MemoryStore()
    policies = dict.fromkeys((spec.name for spec in specs), _policy(Sampling.THROTTLED))
    loop = Loop(specs, policies, store, rules=quota)
    reports = [loop.turn() for _ in range(minutes)]
    sampled = _sampled(reports[-1])
    whole = sum(all(places) for places in sampled)
    none = sum(not any(places) for places in sampled)
    told = [one for one in store.history(limit=100_000) if one.reason is Reason.HOLD_SAMPLING_QUOTA]
    return Fit(
        tables=tables,
        needed=rules_for(specs, SamplerMode.THROTTLED),
        used=len(loop.aws.insights.samplers.rules()),
        whole=whole,
        part=tables - whole - none,
        none=none,
        told=len({(one.table, one.dimension.index) for one in told}),
    )


def _sampled(report: CycleReport) -> list[list[bool]]:
    """By table, whether each of its places is sampled."""
    plans = [table.sampling for table in report.tables if table.sampling is not None]
    return [[mode is not SamplerMode.OFF for mode in plan.current.values()] for plan in plans]


# The tables ----------------------------------------------------------------------------------------------------------

DOLLAR_HEADINGS = (
    "sampling",
    "total",
    "rules",
    "events",
    "reading keys",
    "counting rules",
    "rules, if never pro-rated",
)
COUNT_HEADINGS = (
    "sampling",
    "rules in use",
    "million events",
    "INSIGHT_RULE_METRIC",
    "reports",
    "rules counted",
    "DynamoDB calls",
    "full windows",
    "verdicts told",
)


def grids(counts: Sequence[Count], fitted: Fit) -> list[Grid]:
    days = counts[0].minutes / 1440
    title = f"Dollars a month per {STATED} tables, from {counts[0].tables} tables simulated for {days:g} days"
    return [
        Grid(title, DOLLAR_HEADINGS, [_dollar_row(bill(count)) for count in counts], [TRAFFIC_NOTE, DOLLAR_NOTE]),
        Grid(
            f"What was counted, scaled to a month of {STATED} tables",
            COUNT_HEADINGS,
            [_count_row(count) for count in counts],
            [_quota_note(fitted)],
        ),
    ]


def _dollar_row(one: Bill) -> list[str]:
    amounts = (one.total, one.rules, one.events, one.reading, one.counting, one.whole_rules)
    return [_label(one.sampling), *(f"${amount:,.2f}" for amount in amounts)]


def _count_row(count: Count) -> list[str]:
    scale = _month(count) * STATED / count.tables
    numbers = (
        count.events * scale / 1e6,
        *(_calls(count, operation) for operation in (*METRICS, COUNTING)),
        sum(_calls(count, operation) for operation in count.calls if operation not in (*METRICS, COUNTING)),
        count.full * scale,
        count.named * scale,
    )
    return [_label(count.sampling), f"{_rules_in_use(count):,.1f}", *(f"{number:,.0f}" for number in numbers)]


def _label(sampling: str) -> str:
    return "every access, left on" if sampling == LEFT_ON else sampling


TRAFFIC_NOTE = (
    f"Traffic: {READS + WRITES + QUERIES:g} requests a second and table on average, {WRITES:g} of them writes, with a "
    "daily wave between half and one and a half of that; every second table has a sort key and an index. Incidents of "
    f"{SPELL} minutes, each once a week on every table: one key is written {HOT_WRITES:,.0f} times a second, and "
    f"{SURGE:g} times the usual traffic over all keys."
)
DOLLAR_NOTE = (
    "us-east-1, free tier left aside; a month is 730 hours. rules: pro-rated by the second, which AWS does not say; "
    "the last column is what they cost if each is charged for a whole month however short it lived. events: accesses "
    "and throttled requests that rules matched, twice where there is a sort key. reading keys: INSIGHT_RULE_METRIC in "
    "GetMetricData, and reports, one metric each. counting rules: DescribeInsightRules, once in five minutes for a "
    "Region. DynamoDB's own calls are free. Scaled linearly, and the quota of rules taken as raised."
)


def _quota_note(one: Fit) -> str:
    return (
        f"Under the default quota of {RULES_QUOTA} rules, of {one.tables} such tables, which need {one.needed} in "
        f"throttled mode, the loop samples {one.whole} wholly, {one.part} in part (the table or its index) and "
        f"{one.none} not at all, with {one.used} rules; history says so of {one.told} tables and indexes. In "
        "on-incident mode rules are in use only while an incident lasts, for "
        f"{SamplingLimits().full_seconds / 60:g} minutes at most."
    )


# The command ---------------------------------------------------------------------------------------------------------


def short() -> int:
    """The run of ``make bench``: a week, which has every incident once."""
    return main(["--days", str(SHORT_DAYS)])


def main(argv: Sequence[str] = ()) -> int:
    """Print the tables."""
    options = _options(argv)
    jobs = [Job(str(sampling), options.tables, round(options.days * 1440)) for sampling in COMPARED]
    with get_context("spawn").Pool(options.jobs) as pool:
        counts = pool.map(play, jobs, chunksize=1)
    console = Console() if sys.stdout.isatty() else Console(width=200, color_system=None)
    fitted = fit()
    for grid in grids(counts, fitted):
        if options.markdown:
            sys.stdout.write(markdown(grid) + "\n")
        else:
            show(console, grid)
    if options.json:
        record = {
            "counts": [asdict(count) for count in counts],
            "dollars": [{**asdict(one), "total": one.total} for one in map(bill, counts)],
            "quota": asdict(fitted),
        }
        options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0


def _options(argv: Sequence[str]) -> Namespace:
    parser = ArgumentParser(
        prog="python -m tests.bench.sampling_cost",
        description=__doc__,
        epilog=f"A month takes twelve minutes of processor time; make bench runs {SHORT_DAYS} days.",
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--days", type=float, default=DAYS, help=f"to simulate ({DAYS})")
    parser.add_argument("--tables", type=int, default=TABLES, help=f"of the fleet, an even number ({TABLES})")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="modes at a time (one per core)")
    parser.add_argument("--markdown", action="store_true", help="tables to paste into a README")
    parser.add_argument("--json", type=Path, help="also write every figure to this file")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
