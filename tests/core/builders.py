"""Readable worlds for the tests of the core: a table, what CloudWatch said of it, what is remembered.

NOON is "now". Minutes are counted back from it: ``ago(1)`` is the start of the newest visible minute, which ended a
minute before NOON; ``ago(2)`` the one before. Rates are units per second, oldest first, the last one in ``ago(1)``;
None is a minute without a point.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from watcher.core.insights import KeySample
from watcher.core.model import (
    CAUSE_METRICS,
    TABLE_WRITE,
    Action,
    Alert,
    Answer,
    Billing,
    Change,
    Decision,
    Dimension,
    Intent,
    Kind,
    Lever,
    Metric,
    Query,
    ScalableTarget,
    Settlement,
    Status,
    TableDescription,
    TableKey,
    TableObservation,
    Throughput,
)
from watcher.core.policy import AutoScaling, Bounds, IncidentRules, TablePolicy, Tuning
from watcher.core.reasons import Cause, Mode, Outcome, Reason
from watcher.core.result import StepResult
from watcher.core.series import MINUTE, Series
from watcher.core.state import DimensionState, TableState
from watcher.core.step import step
from watcher.core.tracking import absorb

MIDNIGHT = 1_699_920_000  # 2023-11-14T00:00:00Z
NOON = MIDNIGHT + 12 * 3600
HOUR = 3600
KEY = TableKey("111122223333", "eu-west-1", "orders")
INDEX = "by-customer"
INDEX_READ = Dimension(INDEX, Kind.READ)
INDEX_WRITE = Dimension(INDEX, Kind.WRITE)
METRIC_OF = {cause: metric for metric, cause in CAUSE_METRICS.items()}

Rates = Sequence[float | None]
Events = Mapping[int, float]  # minutes ago -> events of that minute


def ago(minutes: int, now: float = NOON) -> int:
    """Start of the minute that many visible minutes back."""
    return int(now) - MINUTE * (minutes + 1)


def even(rate: float, minutes: int = 60) -> list[float]:
    """As long as must be known before a decrease, where nothing else is said."""
    return [rate] * minutes


def points(rates: Rates, now: float = NOON, per: float = MINUTE) -> dict[int, float]:
    """Minute sums (or, with ``per=1``, plain values) of rates that end with the newest visible minute."""
    count = len(rates)
    return {ago(count - at, now): rate * per for at, rate in enumerate(rates) if rate is not None}


def throughput(
    read: int = 100,
    write: int = 100,
    *,
    status: Status = Status.ACTIVE,
    decreases: int = 0,
    lowered: float | None = None,
    raised: float | None = None,
    cap: Mapping[Kind, int] | None = None,
) -> Throughput:
    units = {Kind.READ: read, Kind.WRITE: write}
    return Throughput(units, status, decreases, raised, lowered, cap or {})


def table(
    part: Throughput | None = None,
    *,
    index: Throughput | None = None,
    billing: Billing = Billing.PROVISIONED,
    replicas: tuple[str, ...] = (),
    key: TableKey = KEY,
) -> TableDescription:
    """A table of 100 reads and 100 writes, with one index where ``index`` is given."""
    parts = {"": part or throughput()} | ({INDEX: index} if index else {})
    return TableDescription(key, billing, parts, replicas)


def provisioned(description: TableDescription, changes: Mapping[Dimension, int]) -> TableDescription:
    """``description`` with other capacity, as somebody's UpdateTable leaves it."""
    parts = dict(description.throughputs)
    for dimension, units in changes.items():
        part = parts[dimension.index]
        parts[dimension.index] = replace(part, units=dict(part.units) | {dimension.kind: units})
    return replace(description, throughputs=parts)


def observed(
    description: TableDescription | None = None,
    consumed: Mapping[Dimension, Rates] | None = None,
    *,
    throttled: Mapping[Dimension, Events] | None = None,
    causes: Mapping[tuple[Dimension, Cause], Events] | None = None,
    requests: Mapping[Dimension, Rates] | None = None,
    latency: Mapping[str, Rates] | None = None,
    incomplete: Iterable[tuple[Dimension, Metric]] = (),
    silent: Iterable[Dimension] = (),
    scaling: Mapping[Dimension, ScalableTarget] | None = None,
    scaling_unread: bool = False,
    hot_keys: Mapping[str, KeySample] | None = None,
    now: float = NOON,
) -> TableObservation:
    """One cycle's observation. A dimension of which nothing is said consumes 70 % of its capacity, evenly; one of
    ``silent`` has no consumption point. Events named by a cause are in the total too."""
    description = description or table()
    answers = _consumption(description, consumed or {}, frozenset(silent), now)
    totals: dict[Dimension, dict[int, float]] = {d: {} for d in description.dimensions()}
    for (dimension, cause), events in (causes or {}).items():
        spread = {ago(minute, now): count for minute, count in events.items()}
        answers[_query(description, METRIC_OF[cause], dimension)] = Answer(spread)
        for minute, count in spread.items():
            totals[dimension][minute] = totals[dimension].get(minute, 0.0) + count
    for dimension, events in (throttled or {}).items():
        totals[dimension].update({ago(minute, now): count for minute, count in events.items()})
    for dimension, total in totals.items():
        answers[_query(description, Metric.THROTTLED, dimension)] = Answer(total)
    for dimension, counts in (requests or {}).items():
        answers[_query(description, Metric.REQUESTS, dimension)] = Answer(points(counts, now, per=1))
    for operation, averages in (latency or {}).items():
        query = Query(description.key.name, Metric.LATENCY_AVERAGE, operation=operation)
        answers[query] = Answer(points(averages, now, per=1))
    for dimension, metric in incomplete:
        query = _query(description, metric, dimension)
        answers[query] = replace(answers.get(query, Answer()), complete=False)
    targets = None if scaling_unread else (scaling or {})
    return TableObservation(description, now, answers, targets, hot_keys or {})


def _query(description: TableDescription, metric: Metric, dimension: Dimension) -> Query:
    return Query(description.key.name, metric, dimension)


def _consumption(
    description: TableDescription, consumed: Mapping[Dimension, Rates], silent: frozenset[Dimension], now: float
) -> dict[Query, Answer]:
    answers = {}
    for dimension in description.dimensions():
        rates = consumed.get(dimension, even(0.7 * description.provisioned(dimension)))
        said = {} if dimension in silent else points(rates, now)
        answers[_query(description, Metric.CONSUMED, dimension)] = Answer(said)
    return answers


BOUNDS = Bounds(5, 1_000)

# A policy that can be worked out in the head, whatever the product's own numbers are: nothing learned counts and no
# bucket does, so demand is given 1.4 times itself; throttled demand twice itself.
PLAIN = Tuning(
    margin_most=0.0,
    headroom=0.4,
    seasons=False,
    jump_from=1e9,
    bucket=False,
    dip=0.0,
    raise_step=0.02,
    throttle_factor=2.0,
    most_shown=20.0,
    effect=30.0,
    actuation=45.0,
    max_raise_factor=20.0,
    max_changes_per_hour=20,
    quiet_minutes=20,
    least_known=60,
    lower_saving=0.125,
    early_saving=0.4,
    ride_saving=0.03,
    lower_hold=900.0,
    lower_wait=0.3,
    reserve=1,
    reserve_until=20 * 3600.0,
    raise_hold=600.0,
    throttle_hold=1200.0,
    max_lower_factor=8.0,
    demand_minutes=3,
    foreign_hold=3600.0,
    stale_after=300.0,
    settled_after=240.0,
)


def policy(
    mode: Mode = Mode.ACT,
    *,
    bounds: Bounds | None = BOUNDS,
    index_bounds: Bounds | None = BOUNDS,
    auto_scaling: AutoScaling = AutoScaling.RESPECT,
    tuning: Tuning | None = None,
    incidents: IncidentRules | None = None,
) -> TablePolicy:
    """Acting by PLAIN numbers, 5 to 1,000 units everywhere; ``bounds=None`` leaves the table without any."""
    own = dict.fromkeys(Kind, bounds) if bounds else {}
    theirs = ((("*", dict.fromkeys(Kind, index_bounds)),)) if index_bounds else ()
    return TablePolicy(
        mode=mode,
        bounds=own,
        index_bounds=theirs,
        auto_scaling=auto_scaling,
        tuning=tuning or PLAIN,
        incidents=incidents or IncidentRules(),
    )


def remembered(
    dimension: Dimension,
    rates: Rates = (),
    *,
    throttled: Events | None = None,
    requests: Rates = (),
    now: float = NOON,
    **fields: float | None,
) -> dict[Dimension, DimensionState]:
    """The memory of one dimension."""
    known = DimensionState(
        consumed=Series(points(rates, now)),
        throttled=Series({ago(minute, now): count for minute, count in (throttled or {}).items()}),
        requests=Series(points(requests, now, per=1)),
    )
    return {dimension: replace(known, **fields)}  # type: ignore[arg-type]  # names and types are the caller's


def decided(result: StepResult, dimension: Dimension = TABLE_WRITE) -> Decision:
    """The decision on one dimension; there is exactly one."""
    (decision,) = [decision for decision in result.explanation.decisions if decision.dimension == dimension]
    return decision


def run(
    observation: TableObservation,
    *,
    rules: TablePolicy | None = None,
    state: TableState | None = None,
    now: float = NOON,
) -> StepResult:
    return step(now, rules or policy(), state or TableState(), observation)


def verdict(
    observation: TableObservation,
    dimension: Dimension = TABLE_WRITE,
    *,
    rules: TablePolicy | None = None,
    state: TableState | None = None,
) -> tuple[Reason, int]:
    """Reason and target of one dimension."""
    decision = decided(run(observation, rules=rules, state=state), dimension)
    return decision.reason, decision.after


def settled(result: StepResult, outcome: Outcome, at: float = NOON + 1, detail: str = "") -> TableState:
    """The state after every action of ``result`` was answered with ``outcome``."""
    state = result.state
    for action in result.actions:
        state = settled_with(state, action, outcome, at, detail)
    return state


def intent(*changes: Change, lever: Lever = Lever.CAPACITY, mode: Mode = Mode.ACT) -> Intent:
    return Intent("i1", NOON, Action(KEY, lever, changes, mode))


def only(alerts: Sequence[Alert]) -> Alert:
    """The single alert of a step."""
    (alert,) = alerts
    return alert


def settled_with(
    state: TableState, action: Action, outcome: Outcome, at: float, detail: str = "said AWS"
) -> TableState:
    """``state`` after ``action`` was answered."""
    return absorb(state, Settlement(Intent("i", at, action), outcome, at, detail))
